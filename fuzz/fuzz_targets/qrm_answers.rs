//! Any bytes, under any status, into every decoder of QRManager's REST answers: no panic; only a 2xx is a success; what goes into a path or
//! onto the display is fit for it; and a provider's words are kept shortened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tolov::limits;
use tolov::provider::qrm::error::QrmError;
use tolov::provider::qrm::{cash, code, loyalty, products, refund, registration, status};

fn looked_at<T>(http: u16, answer: Result<T, QrmError>) -> Option<T> {
    match answer {
        Ok(value) => {
            assert!((200..300).contains(&http), "HTTP {http} is no success");
            Some(value)
        }
        Err(error) => {
            // A sentence of ours around the provider's words, and the name of a field.
            assert!(error.to_string().chars().count() <= 3 * limits::PROVIDER_TEXT_MAX_CHARS);
            let _ = error.class();
            None
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [high, low, body @ ..] = data else { return };
    let http = 100 + u16::from_be_bytes([*high, *low]) % 500;
    if let Some(code) = looked_at(http, code::made(http, body)) {
        status::of_code(&code.operation_id).expect("an operation's name fits into a path");
        registration::status(&code.number).expect("a number fits into a path");
        assert!(!code.link.is_empty() && code.link.len() <= limits::CODE_MAX_CHARS);
    }
    if let Some(code) = looked_at(http, cash::activated(http, body)) {
        status::of_cash_link(&code.operation_id).expect("an operation's name fits into a path");
    }
    if let Some(link) = looked_at(http, cash::registered(http, body)) {
        cash::deactivate(&link.id).expect("a link's name fits into a path");
    }
    if let Some(id) = looked_at(http, refund::accepted(http, body)) {
        refund::status("1", &id).expect("a refund's name fits into a path");
    }
    looked_at(http, cash::deactivated(http, body));
    looked_at(http, status::code_told(http, body));
    looked_at(http, status::cash_link_told(http, body));
    looked_at(http, refund::told(http, body));
    looked_at(http, registration::taken(http, body));
    looked_at(http, registration::told(http, body));
    looked_at(http, loyalty::found(http, body));
    looked_at(http, products::listed(http, body));
});
