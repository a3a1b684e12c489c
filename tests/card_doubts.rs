//! Doubts about cards against the simulated PinPad: what its own words end, and that a person can end every one that is left.

#![cfg(feature = "demo")]

mod support;

use std::time::Duration;

use hal::sim::pinpad::{Behaviour, Moment, Script};
use serde_json::{Value, json};
use support::Bench;

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

fn sells(bench: &Bench, minor: u64) -> String {
    let answer = bench.post("/payment/xumo", &json!({ "amount": minor }).to_string()).json();
    assert_eq!(answer["isSuccess"], json!(true), "{answer}\n{}", bench.log());
    id(&answer)
}

/// A sale in whose middle the cable is pulled.
fn sells_without_cable(bench: &Bench, minor: u64, moment: Moment) -> String {
    bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(moment)));
    let answer = bench.post("/payment/xumo", &json!({ "amount": minor }).to_string()).json();
    assert_eq!(answer["error"]["code"], json!(900), "{answer}\n{}", bench.log());
    id(&answer)
}

fn voids(bench: &Bench, sale: &str, minor: u64) {
    let body = json!({ "amount": minor, "is_return": true, "request_id": sale }).to_string();
    let answer = bench.post("/payment/xumo", &body).json();
    assert_eq!(answer["isSuccess"], json!(true), "{answer}\n{}", bench.log());
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
