//! Doubts about cards against the simulated PinPad: what its own words end, and that a person can end every one that is left.

#![cfg(feature = "demo")]

mod support;

use std::cell::RefCell;
use std::time::Duration;

use hal::sim::pinpad::{Behaviour, Moment, Script};
use serde_json::{Value, json};
use support::cli::{ask, json as json_of};
use support::{Bench, http};

/// A terminal that may sell by card; the PinPad does not wait long for answers that were cut.
fn bench() -> Bench {
    let mut bench = Bench::with_pinpad(|settings| settings.answer_timeout = Duration::from_secs(1));
    bench.start();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    bench
}

fn id(answer: &Value) -> String {
    let told = answer["data"]["transaction_id"].as_str().or(answer["error"]["data"]["transaction_id"].as_str());
    told.unwrap_or_else(|| panic!("no transaction_id in {answer}")).to_owned()
}

/// The PinPad's door; while the PinPad is asked what it did last, whoever comes is told to come again.
fn asked(bench: &Bench, body: &Value) -> Value {
    let answer = RefCell::new(Value::Null);
    bench.until("the PinPad is free", || {
        *answer.borrow_mut() = bench.post("/payment/xumo", &body.to_string()).json();
        answer.borrow()["error"]["message"] != "PINPAD_BUSY"
    });
    answer.into_inner()
}

fn sells(bench: &Bench, minor: u64) -> String {
    let answer = asked(bench, &json!({ "amount": minor }));
    assert_eq!(answer["isSuccess"], json!(true), "{answer}\n{}", bench.log());
    id(&answer)
}

/// A sale in whose middle the cable is pulled.
fn sells_without_cable(bench: &Bench, minor: u64, moment: Moment) -> String {
    bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(moment)));
    let answer = asked(bench, &json!({ "amount": minor }));
    assert_eq!(answer["error"]["code"], json!(900), "{answer}\n{}", bench.log());
    id(&answer)
}

fn voids(bench: &Bench, sale: &str, minor: u64) {
    let answer = asked(bench, &json!({ "amount": minor, "is_return": true, "request_id": sale }));
    assert_eq!(answer["isSuccess"], json!(true), "{answer}\n{}", bench.log());
}

/// Money that goes back while the cable is pulled.
fn gives_back_without_cable(bench: &Bench, sale: &str, minor: u64, moment: Moment) {
    bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(moment)));
    let answer = asked(bench, &json!({ "amount": minor, "is_return": true, "request_id": sale }));
    assert_eq!(answer["error"]["code"], json!(900), "{answer}\n{}", bench.log());
}

fn state(bench: &Bench, id: &str) -> Value {
    bench.get(&format!("/payment/{id}")).json()
}

#[test]
fn a_sale_that_was_cut_after_the_void_of_an_older_one_ends_as_proven_absent() {
    // The sale between the two is known by its own slip, or only by what the PinPad answered about it: then its report has to tell.
    for between in [None, Some(Moment::AfterCard)] {
        let bench = bench();
        let older = sells(&bench, 10_000);
        match between {
            None => _ = sells(&bench, 50_000),
            Some(moment) => {
                let id = sells_without_cable(&bench, 50_000, moment);
                bench.vendors.pinpad.plug_in();
                bench.until("the PinPad's evidence", || state(&bench, &id)["is_success"] == json!(true));
            }
        }
        voids(&bench, &older, 10_000);
        let cut = sells_without_cable(&bench, 30_000, Moment::BeforeCard);
        bench.vendors.pinpad.plug_in();
        bench.until("the PinPad's evidence", || state(&bench, &cut).to_string().contains("absent"));
        assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), 50_000, "{between:?}");
        let reports = bench
            .vendors
            .pinpad
            .transcript()
            .iter()
            .filter(|(_, said)| said == "2\u{1b}0\u{1b}" || said == "2\u{1b}0")
            .count();
        assert_eq!(reports, usize::from(between.is_some()), "{between:?}");
        sells(&bench, 20_000);
        bench.audit();
    }
}

/// What a person signs. The cable is still out: no word of the PinPad's is in the way.
fn signs(bench: &Bench, words: &[&str]) {
    let told = ask(bench, &[words, &["--name", "Aziza", "--reason", "seen in the bank's books"]].concat());
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{words:?}\n{}", bench.log());
}

/// Nothing is in doubt any more, the PinPad works for the next customer, and the books agree.
fn goes_on(bench: &Bench, held_minor: i128) {
    let status = json_of(bench, &["status"]);
    assert_eq!(status["in_doubt"], json!([]), "{status}");
    assert_ne!(status["settlement"]["state"], json!("settlement_in_doubt"), "{status}");
    assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), held_minor);
    bench.vendors.pinpad.plug_in();
    let next = || bench.post("/payment/xumo", r#"{"amount":1100}"#).json();
    bench.until("the next sale", || next()["isSuccess"] == json!(true));
    assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), held_minor + 1_100);
    bench.audit();
}

#[test]
fn a_sale_in_doubt_is_ended_by_a_persons_word_with_the_banks_number() {
    for (moment, held) in [(Moment::AfterCard, 50_000), (Moment::BeforeCard, 0)] {
        let bench = bench();
        let sale = sells_without_cable(&bench, 50_000, moment);
        let waits = json_of(&bench, &["status"])["in_doubt"][0]["transaction_id"].clone();
        assert_eq!(waits, json!(sale));
        let booked = bench.vendors.pinpad.ledger().entries.first().map(|entry| entry.rrn.clone());
        match &booked {
            Some(rrn) => signs(&bench, &["payment", "resolve", &sale[..8], "paid", "--rrn", rrn]),
            None => signs(&bench, &["payment", "resolve", &sale[..8], "absent"]),
        }
        let shown = json_of(&bench, &["payment", "show", &sale]);
        let state = if booked.is_some() { "paid" } else { "declined" };
        assert_eq!((&shown["state"], &shown["resolution"]["name"]), (&json!(state), &json!("Aziza")), "{shown}");
        goes_on(&bench, held);
    }
}

#[test]
fn a_sale_that_was_called_off_while_the_line_broke_is_ended_by_a_persons_word() {
    // The PinPad hears of the cancel at its next ping, and that is far away.
    let mut bench = Bench::with_pinpad(|settings| settings.ping_every = Duration::from_secs(20));
    bench.start();
    bench.wait_for_pinpad();
    let address = bench.address;
    let till = std::thread::spawn(move || http::post(address, "/payment/xumo", r#"{"amount":50000}"#, &[]));
    bench.until("the PinPad waits for a card", || bench.vendors.pinpad.screen().contains("КАРТУ"));
    let cancelled = bench.post("/payment/cancel", "").json();
    assert_eq!(cancelled["data"]["state"], json!("cancelled"), "{cancelled}");
    let sale = id(&cancelled);
    bench.vendors.pinpad.pull_cable();
    till.join().expect("the till").expect("an answer");
    bench.until("it is in doubt", || json_of(&bench, &["status"])["in_doubt"][0]["transaction_id"] == json!(sale));
    signs(&bench, &["payment", "resolve", &sale[..8], "absent"]);
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    goes_on(&bench, 0);
}

#[test]
fn a_void_in_doubt_is_ended_by_a_persons_word() {
    for (moment, verdict, state, held) in
        [(Moment::AfterCard, "paid", "refunded", 0), (Moment::BeforeCard, "absent", "paid", 50_000)]
    {
        let bench = bench();
        let sale = sells(&bench, 50_000);
        gives_back_without_cable(&bench, &sale, 50_000, moment);
        signs(&bench, &["payment", "resolve", &sale[..8], verdict]);
        assert_eq!(json_of(&bench, &["payment", "show", &sale])["state"], json!(state));
        goes_on(&bench, held);
    }
}

#[test]
fn a_refund_in_doubt_is_ended_by_a_persons_word() {
    let bench = bench();
    let sale = sells(&bench, 50_000);
    let closed = bench.post("/payment/xumo_close", "").json();
    assert_eq!(closed["isSuccess"], json!(true), "{closed}");
    gives_back_without_cable(&bench, &sale, 20_000, Moment::AfterCard);
    signs(&bench, &["payment", "resolve", &sale[..8], "paid"]);
    assert_eq!(state(&bench, &sale)["data"]["refunded_tiyin"], json!(20_000));
    goes_on(&bench, 30_000);
}

#[test]
fn a_closing_in_doubt_is_ended_by_a_persons_word() {
    for (moment, verdict, state) in [(Moment::AfterCard, "closed", "done"), (Moment::BeforeCard, "open", "refused")] {
        let bench = bench();
        sells(&bench, 50_000);
        bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(moment)));
        let closing = bench.post("/payment/xumo_close", "").json();
        assert_eq!(closing["error"]["code"], json!(900), "{closing}");
        assert_eq!(json_of(&bench, &["status"])["settlement"]["state"], json!("settlement_in_doubt"));
        signs(&bench, &["shift", "resolve", verdict]);
        assert_eq!(json_of(&bench, &["status"])["settlement"]["state"], json!(state));
        goes_on(&bench, 50_000);
    }
}
