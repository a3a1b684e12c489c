//! Any text as a till's document, under both schemas: no panic, and what is taken holds the operation's number, costs what was paid, is
//! taken again unchanged, and has the till's own text in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tolov::payment::receipt::document::{Sold, digest_of, read};
use tolov::payment::sbp::Ofd;
use tolov::payment::{Currency, Money};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let number = "7786-0666-4734-9487";
    for ofd in [Ofd::Atol, Ofd::OfdRu] {
        let sold = Sold { ofd, number, paid: Money::from_minor(50_000, Currency::Rub), own_purpose: true };
        let Ok(checked) = read(text, &sold) else { continue };
        let body = checked.receipt.body.0.expect("a checked receipt has a body");
        assert_eq!(checked.receipt.total, sold.paid);
        assert_eq!(checked.receipt.digest, digest_of(&body));
        assert!(body.len() >= text.trim_start_matches('\u{feff}').trim().len());
        let again = read(&body, &sold).expect("it is taken again").receipt.body.0;
        assert_eq!(again.as_deref(), Some(body.as_str()), "with its number it is not changed any more");
    }
});
