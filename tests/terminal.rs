//! The whole daemon, from a till's request to the confirmed receipt, against the simulated vendors.

#![cfg(feature = "demo")]

mod support;

use std::time::Duration;

use hal::sim::pinpad::{Behaviour, Kind, Moment, Said, Script};
use serde_json::{Value, json};
use support::Bench;
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};

const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";

fn charges(bench: &Bench) -> Vec<(i64, String)> {
    let entries = bench.vendors.gateway.entries().into_iter();
    entries
        .filter_map(|e| match e {
            Entry::Charge { amount_minor, code, .. } => Some((amount_minor, code)),
            Entry::Confirmation { .. } => None,
        })
        .collect()
}

fn confirmations(bench: &Bench) -> Vec<String> {
    let entries = bench.vendors.gateway.entries().into_iter();
    entries
        .filter_map(|e| match e {
            Entry::Confirmation { link, .. } => Some(link),
            Entry::Charge { .. } => None,
        })
        .collect()
}

fn transaction_id(answer: &Value) -> String {
    let told = answer["data"]["transaction_id"].as_str().or(answer["error"]["data"]["transaction_id"].as_str());
    told.unwrap_or_else(|| panic!("no transaction_id in {answer}")).to_owned()
}

/// The till's answer does not wait for a slow machine: "queued" is as true as "successfully" until the provider has said so.
fn receipt_is_confirmed(bench: &Bench, sale: &Value) {
    let path = format!("/payment/{}", transaction_id(sale));
    bench.until("the provider's word is known", || bench.get(&path).json()["data"]["fiscal"] == json!("confirmed"));
    assert_eq!(confirmations(bench), [LINK]);
}

#[test]
fn a_click_sale_runs_from_the_request_to_the_confirmed_receipt() {
    let bench = Bench::running();
    let sale = bench.post("/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).json();
    assert_eq!(sale["is_success"], json!(true), "{sale}");
    assert_eq!(charges(&bench), [(50_000, "880101698207133392".to_owned())]);
    let payment_id = sale["data"]["payment_id"].as_str().expect("the provider's id");
    let confirm = json!({"payment_id": payment_id, "qrcode": LINK}).to_string();
    let confirmed = bench.post("/payment/click_confirm", &confirm).json();
    assert_eq!(confirmed["is_success"], json!(true), "{confirmed}");
    receipt_is_confirmed(&bench, &sale);
    bench.audit();
}

#[test]
fn a_payme_sale_runs_from_the_request_to_the_confirmed_receipt() {
    let bench = Bench::running();
    let sale = bench.post("/payment/payme", r#"{"amount":1000,"qr_code":"50502044301381396427"}"#).json();
    assert_eq!(sale["is_success"], json!(true), "{sale}");
    let payment_id = sale["data"]["payment_id"].as_str().expect("the provider's id");
    let confirm = json!({
        "payme_id": payment_id, "receipt_id": "2421", "qr_code_url": LINK, "fiscal_sign": "514343190161"
    });
    let confirmed = bench.post("/payment/payme_confirm", &confirm.to_string()).json();
    assert_eq!(confirmed["is_success"], json!(true), "{confirmed}");
    receipt_is_confirmed(&bench, &sale);
    bench.audit();
}

#[test]
fn a_card_sale_prints_its_slip_and_can_be_voided() {
    let bench = Bench::running();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let sale = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
    assert_eq!(sale["isSuccess"], json!(true), "{sale}");
    let slip = sale["message"].as_str().expect("the slip");
    assert!(slip.contains("ОДОБРЕНО") && slip.contains("500.00"), "{slip}");
    let books = bench.vendors.pinpad.ledger();
    assert_eq!(books.entries.len(), 1);
    assert_eq!((books.entries[0].kind, books.entries[0].amount_minor), (Kind::Sale, 50_000));
    assert_eq!(sale["data"]["ppt_id"], json!(books.entries[0].rrn));

    let void = json!({"amount": 50_000, "is_return": true, "request_id": books.entries[0].rrn}).to_string();
    let voided = bench.post("/payment/xumo", &void).json();
    assert_eq!(voided["isSuccess"], json!(true), "{voided}\n{}", bench.log());
    assert!(bench.vendors.pinpad.ledger().entries[0].voided);
    let state = bench.get(&format!("/payment/{}", transaction_id(&sale))).json();
    assert!(state.to_string().contains("refunded"), "{state}");

    let closed = bench.post("/payment/xumo_close", "").json();
    assert_eq!(closed["isSuccess"], json!(true), "{closed}\n{}", bench.log());
    assert_eq!(bench.vendors.pinpad.ledger().shift, 2);
    bench.audit();
}

#[test]
fn a_declined_card_is_told_with_its_code_and_nothing_is_charged() {
    let bench = Bench::running();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_next(Script::at_once(Behaviour::Decline("51".into())));
    let sale = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
    assert_eq!(sale["isSuccess"], json!(false), "{sale}");
    assert!(sale.to_string().contains("51"), "{sale}");
    assert!(bench.vendors.pinpad.ledger().entries.is_empty());
    bench.audit();
}

#[test]
fn a_cable_pulled_after_the_money_moved_ends_as_paid_by_the_pinpads_own_evidence() {
    for moment in [Moment::AfterCard, Moment::BeforeResult, Moment::BeforeEnd] {
        let bench = Bench::running();
        bench.wait_for_pinpad();
        bench.vendors.pinpad.set_next(Script::at_once(Behaviour::Approve));
        let first = bench.post("/payment/xumo", r#"{"amount":10000}"#).json();
        assert_eq!(first["isSuccess"], json!(true), "{first}");
        bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(moment)));
        let sale = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
        assert_eq!(sale["error"]["code"], json!(900), "{moment:?}: {sale}");
        let id = transaction_id(&sale);
        bench.vendors.pinpad.plug_in();
        let state = || bench.get(&format!("/payment/{id}")).json();
        bench.until("the PinPad's evidence", || state()["is_success"] == json!(true));
        assert_eq!(bench.vendors.pinpad.ledger().entries.len(), 2, "{moment:?}");
        bench.audit();
    }
}

#[test]
fn even_the_first_card_sale_of_a_box_ends_by_the_pinpads_own_evidence() {
    for (moment, charged) in [(Moment::AfterCard, 1), (Moment::BeforeCard, 0)] {
        let bench = Bench::running();
        bench.wait_for_pinpad();
        bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(moment)));
        let sale = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
        assert_eq!(sale["error"]["code"], json!(900), "{moment:?}: {sale}");
        let id = transaction_id(&sale);
        bench.vendors.pinpad.plug_in();
        let state = || bench.get(&format!("/payment/{id}")).json();
        bench.until("the PinPad's evidence", || state()["error"]["code"] != json!(900));
        assert_eq!(state()["is_success"], json!(charged == 1), "{moment:?}: {}", state());
        assert_eq!(bench.vendors.pinpad.ledger().entries.len(), charged, "{moment:?}");
        bench.audit();
    }
}

#[test]
fn a_cable_pulled_before_the_card_ends_as_proven_absent() {
    let bench = Bench::running();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_next(Script::at_once(Behaviour::Approve));
    let first = bench.post("/payment/xumo", r#"{"amount":10000}"#).json();
    assert_eq!(first["isSuccess"], json!(true), "{first}");
    bench.vendors.pinpad.set_next(Script::at_once(Behaviour::CablePulled(Moment::BeforeCard)));
    let sale = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
    assert_eq!(sale["error"]["code"], json!(900), "{sale}");
    let id = transaction_id(&sale);
    bench.vendors.pinpad.plug_in();
    let state = || bench.get(&format!("/payment/{id}")).json().to_string();
    bench.until("the PinPad's evidence", || state().contains("absent"));
    assert_eq!(bench.vendors.pinpad.ledger().entries.len(), 1);
    bench.audit();
}

#[test]
fn an_answer_lost_after_the_money_moved_is_in_doubt_and_is_never_sent_again() {
    let bench = Bench::running();
    let fault = Fault::once(FaultKind::LostAfter);
    bench.vendors.gateway.set_faults(Faults { charge: Some(fault), ..Faults::default() });
    let body = r#"{"amount":500,"qr_code":"880101698207133392"}"#;
    let first = bench.post("/payment/click", body).json();
    assert_eq!(first["error"]["code"], json!(900), "{first}");
    let again = bench.post("/payment/click", body).json();
    assert_eq!(transaction_id(&again), transaction_id(&first));
    assert_eq!(charges(&bench).len(), 1);
    let next = bench.post("/payment/click", r#"{"amount":500,"qr_code":"880101698207133393"}"#).json();
    assert_eq!(next["is_success"], json!(true), "{next}");
    assert!(next["data"]["warning"].is_string(), "{next}");
    bench.audit();
}

#[test]
fn a_restart_in_the_middle_of_a_click_sale_leaves_it_in_doubt() {
    let mut bench = Bench::running();
    let fault = Fault::once(FaultKind::Slow { ms: 20_000 });
    bench.vendors.gateway.set_faults(Faults { charge: Some(fault), ..Faults::default() });
    let address = bench.address;
    let till = std::thread::spawn(move || {
        support::http::post(address, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#, &[])
    });
    bench.until("the money moved", || charges(&bench).len() == 1);
    bench.power_cut();
    assert!(till.join().expect("the till").is_err(), "its connection was cut");
    let again = bench.post("/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).json();
    assert_eq!(again["error"]["code"], json!(900), "{again}");
    assert_eq!(charges(&bench).len(), 1);
    bench.audit();
}

#[test]
fn a_restart_while_a_card_is_awaited_ends_with_the_pinpads_evidence() {
    // A PinPad whose ping is not answered gives the sale up before the card comes: the next ping is far away.
    let mut bench = Bench::with_pinpad(|settings| settings.ping_every = Duration::from_secs(5));
    bench.start();
    bench.wait_for_pinpad();
    let address = bench.address;
    let till = std::thread::spawn(move || support::http::post(address, "/payment/xumo", r#"{"amount":50000}"#, &[]));
    bench.until("the PinPad's word to the customer was answered", || {
        let said = bench.vendors.pinpad.transcript();
        let asked = said.iter().position(|(_, text)| text.starts_with("STATUS:"));
        asked.is_some_and(|at| said[at..].iter().any(|(who, _)| *who == Said::Till))
    });
    bench.cut();
    bench.vendors.pinpad.present_card();
    bench.until("the money moved", || bench.vendors.pinpad.ledger().entries.len() == 1);
    bench.start();
    assert!(till.join().expect("the till").is_err(), "its connection was cut");
    let repeat = || bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
    bench.until("the PinPad's evidence", || repeat()["isSuccess"] == json!(true));
    assert_eq!(bench.vendors.pinpad.ledger().entries.len(), 1);
    bench.audit();
}
