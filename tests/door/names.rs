//! Under whose name a request is taken: the till's whose token came with it, and nobody else's.

use std::fs;
use std::time::Instant;

use hal::sim::pinpad::{Behaviour, Script};

use super::support::Bench;
use super::support::http::{self, Answer};
use super::{put_secret, put_secrets};

const CARD: &str = r#"{"amount":50000}"#;

/// A card sale of the till at the front, under one and the same key.
fn sale(bench: &Bench) -> Answer {
    http::post(bench.address, "/payment/xumo", CARD, &[("x_auth_token", "token-of-the-front"), KEY]).unwrap()
}

const KEY: (&str, &str) = ("Idempotency-Key", "one-and-the-same");

fn bench() -> Bench {
    let mut bench = Bench::new();
    put_secrets(&bench, &[("till_front", "token-of-the-front")]);
    bench.start();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    bench
}

#[test]
fn a_token_that_was_withdrawn_is_refused_on_loopback_too_and_its_sale_is_not_taken_again() {
    let bench = bench();
    let paid = sale(&bench);
    assert_eq!(paid.json()["is_success"], true, "{paid:?}");

    put_secret(&bench.dir.path().join("credentials/till_front"), "another-token");
    let refused = sale(&bench);
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &960.into()), "{refused:?}");
    let since = Instant::now();
    for path in ["/payment/click", "/payment/cancel", "/health/ready", "/metrics", "/api/v1/payment"] {
        let answer = http::get_with(bench.address, path, &[("x_auth_token", "token-of-the-front")]).unwrap();
        assert!(matches!(answer.status, 401 | 403), "{path}: {answer:?}");
    }
    assert!(since.elapsed().as_millis() > 40 + 80 + 160, "each wrong token waits longer");
    assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), 50_000, "one sale");

    let near = http::post(bench.address, "/payment/xumo", CARD, &[KEY]).unwrap();
    assert_eq!(near.json()["is_success"], true, "without a token nothing has changed: {near:?}");
    put_secret(&bench.dir.path().join("credentials/till_front"), "token-of-the-front");
    assert_eq!(sale(&bench).body, paid.body, "the till is back, and so is its answer");
    assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), 100_000);
}

#[test]
fn while_the_tokens_cannot_be_read_a_till_comes_again_and_nothing_is_taken_under_another_name() {
    let bench = bench();
    let paid = sale(&bench);
    assert_eq!(paid.json()["is_success"], true, "{paid:?}");
    let (folder, away) = (bench.dir.path().join("credentials"), bench.dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();

    let told = sale(&bench);
    assert_eq!((told.status, &told.json()["error"]["code"]), (503, &951.into()), "{told:?}");
    assert!(told.head.to_ascii_lowercase().contains("\r\nretry-after: 1"), "{}", told.head);
    assert!(told.body.contains("cannot read its tills' tokens"), "{}", told.body);
    let core = http::get_with(bench.address, "/api/v1/payment", &[("x_auth_token", "token-of-the-front")]).unwrap();
    assert_eq!((core.status, &core.json()["code"]), (503, &"overloaded".into()), "{core:?}");
    let near = http::get(bench.address, "/health/ready").unwrap();
    assert_eq!(near.status, 200, "who has no token needs none: {near:?}");

    fs::rename(&away, &folder).unwrap();
    assert_eq!(sale(&bench).body, paid.body, "the same request finds the first sale");
    assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), 50_000);
}
