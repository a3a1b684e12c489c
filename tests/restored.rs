//! A store restored from yesterday's backup, and a store carried into another box: what was open comes up in doubt, nothing is sent again, and
//! what the lost day did is asked about where somebody can tell.

#![cfg(feature = "demo")]

mod support;

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http};
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};
use tolov::history::History as _;
use tolov::store::Archive;

const CODE: &str = "880101698207133392";

fn ask(bench: &Bench, path: &str, body: &Value) -> Value {
    let answer = RefCell::new(Value::Null);
    // While the PinPad is asked what it did last, whoever comes is told to come again.
    bench.until("the PinPad is free", || {
        let heard = http::post(bench.address, path, &body.to_string(), &[("x_auth_token", TILL_TOKEN)]);
        *answer.borrow_mut() = heard.expect("an answer").json();
        answer.borrow()["code"] != "pinpad_busy"
    });
    let answer = answer.into_inner();
    assert!(answer["code"].is_null(), "{path}: {answer}");
    answer
}

/// Create and accept; the payment's name.
fn ordered(bench: &Bench, token: &str, method: &str, amount: u32, code: Option<&str>) -> String {
    let id = created(bench, token, method, amount);
    let info = code.map_or_else(|| json!({}), |code| json!({ "qr_code": code }));
    let accept = json!({ "idempotency_token": format!("{token}-a"), "accept_info": info });
    ask(bench, &format!("/api/v1/payment/{id}/accept"), &accept);
    id
}

fn created(bench: &Bench, token: &str, method: &str, amount: u32) -> String {
    let currency = if method.starts_with("sbp") { "RUB" } else { "UZS" };
    let money = json!({ "method_id": method, "currency": currency, "amount": amount });
    let body = json!({ "idempotency_token": token, "money_info": money });
    ask(bench, "/api/v1/payment/create", &body)["transaction_id"].as_str().expect("a name").to_owned()
}

fn status(bench: &Bench, id: &str) -> String {
    let path = format!("/api/v1/payment/{id}/retrieve/status");
    let answer = http::get_with(bench.address, &path, &[("x_auth_token", TILL_TOKEN)]).expect("an answer");
    answer.json()["payment_status"].as_str().expect("a status").to_owned()
}

fn becomes(bench: &Bench, id: &str, wanted: &str) {
    bench.until(wanted, || status(bench, id) == wanted);
}

fn charges(bench: &Bench) -> usize {
    bench.vendors.gateway.entries().iter().filter(|e| matches!(e, Entry::Charge { .. })).count()
}

fn marks(bench: &Bench) -> Vec<String> {
    let lines = Archive::open(&bench.store()).expect("the past").journal(0, 10_000).expect("its lines");
    lines.into_iter().map(|line| line.fact).filter(|fact| fact.contains("card_marked")).collect()
}

/// A card sale to its end.
fn card_sale(bench: &Bench, token: &str, amount: u32) -> String {
    // The PinPad may be asked something at that moment.
    bench.until("the PinPad is free", || !bench.vendors.pinpad.is_busy());
    let id = ordered(bench, token, "humo", amount, None);
    let done = bench.vendors.pinpad.ledger().entries.len();
    // A card that is held to it before it asks for one is not seen.
    bench.until("the card is booked", || {
        bench.vendors.pinpad.present_card();
        std::thread::sleep(Duration::from_millis(50));
        bench.vendors.pinpad.ledger().entries.len() > done
    });
    becomes(bench, &id, "paid");
    id
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the store") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its type").is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

#[test]
fn a_store_restored_from_yesterdays_backup_sends_nothing_again_and_asks_about_the_lost_day() {
    let mut bench = Bench::with_pinpad_and_qrm(|settings| settings.ping_every = Duration::from_secs(5));
    bench.start();
    bench.wait_for_pinpad();
    card_sale(&bench, "yesterday", 500);
    bench
        .vendors
        .gateway
        .set_faults(Faults { charge: Some(Fault::once(FaultKind::Slow { ms: 20_000 })), ..Faults::default() });
    let click = ordered(&bench, "click", "click", 700, Some(CODE));
    bench.until("the money moved", || charges(&bench) == 1);
    let sbp = ordered(&bench, "sbp", "sbp:main", 950, None);
    bench.until("the code is there", || bench.vendors.qrm().operations().len() == 1);
    let waiting = created(&bench, "waiting", "click", 300);
    becomes(&bench, &sbp, "awaiting_payer");
    bench.until("the code is written down", || {
        let lines = Archive::open(&bench.store()).expect("the past").journal(0, 10_000).expect("its lines");
        lines.iter().any(|line| line.fact.contains("code_made"))
    });
    bench.cut();
    let backup = bench.dir.path().join("backup");
    copy(&bench.store(), &backup);

    // The day that will be lost: the code is paid, and a card and a CLICK sale are made that the backup knows nothing of.
    bench.start();
    becomes(&bench, &click, "in_doubt");
    let operation = bench.vendors.qrm().operations()[0].clone();
    bench.vendors.qrm().pay(&operation.operation_id).expect("the customer pays");
    becomes(&bench, &sbp, "paid");
    ordered(&bench, "lost", "click", 800, Some("880000000000000001"));
    bench.until("the lost sale's money moved", || charges(&bench) == 2);
    let cancel = json!({ "idempotency_token": "sbp-display" });
    let _ = http::post(bench.address, "/payment/cancel", &cancel.to_string(), &[]);
    let lost_code = shown_to_the_till(&bench, "lost-sbp");
    bench.until("the lost code is there", || bench.vendors.qrm().operations().len() == 2);
    let lost_operation = bench.vendors.qrm().operations()[1].operation_id.clone();
    bench.until("its customer pays", || bench.vendors.qrm().pay(&lost_operation).is_ok());
    becomes(&bench, &lost_code, "paid");
    card_sale(&bench, "lost-card", 900);
    let rrns: Vec<String> = marks(&bench);
    bench.cut();

    copy(&backup, &bench.store());
    let (charged, booked) = (charges(&bench), bench.vendors.pinpad.ledger().entries.len());
    bench.start();
    becomes(&bench, &click, "in_doubt");
    assert_eq!(status(&bench, &waiting), "created", "nobody was asked for its money, so nobody is now");
    becomes(&bench, &sbp, "paid");
    let lost = rrns.last().expect("the mark of the lost day's card").clone();
    bench.until("the PinPad was asked what it did last", || marks(&bench).last() == Some(&lost));
    assert_eq!(charges(&bench), charged, "nothing is sent again");
    assert_eq!(bench.vendors.pinpad.ledger().entries.len(), booked);

    // A till that repeats the lost day's SBP sale: nobody here knows its operation, and QRManager is asked by that alone. It is a new sale with a
    // code of its own, which takes no money before a customer pays it.
    let path = format!("/api/v1/payment/{lost_code}/retrieve");
    let gone = http::get_with(bench.address, &path, &[("x_auth_token", TILL_TOKEN)]).expect("an answer");
    assert_eq!(gone.status, 404, "{gone:?}");
    let again = shown_to_the_till(&bench, "lost-sbp");
    assert_ne!(again, lost_code);
    bench.until("it has a code of its own", || bench.vendors.qrm().operations().len() == 3);
    becomes(&bench, &again, "awaiting_payer");
    let operations = bench.vendors.qrm().operations();
    assert_eq!(operations[1].operation_id, lost_operation);
    assert_ne!(operations[2].operation_id, lost_operation);
    bench.audit();
}

/// An SBP sale whose code is for the till's own screen; its name.
fn shown_to_the_till(bench: &Bench, token: &str) -> String {
    let id = created(bench, token, "sbp:main", 640);
    let accept = json!({ "idempotency_token": format!("{token}-a"), "accept_info": { "display": false } });
    ask(bench, &format!("/api/v1/payment/{id}/accept"), &accept);
    id
}

#[test]
fn a_store_carried_into_another_box_leaves_an_open_card_sale_in_doubt() {
    let mut old = Bench::with_pinpad_and_qrm(|settings| settings.ping_every = Duration::from_secs(5));
    old.start();
    old.wait_for_pinpad();
    card_sale(&old, "known", 500);
    old.until("the PinPad is free", || !old.vendors.pinpad.is_busy());
    let open = ordered(&old, "open", "humo", 600, None);
    old.until("a card is asked for", || old.vendors.pinpad.is_busy());
    old.cut();

    let mut new = Bench::with_pinpad_and_qrm(|_| {});
    copy(&old.store(), &new.store());
    new.start();
    becomes(&new, &open, "in_doubt");
    let asked = || new.vendors.pinpad.transcript().iter().filter(|(_, text)| text.starts_with("2\u{1b}27")).count();
    new.until("the other PinPad was asked twice", || asked() >= 2);
    assert_eq!(status(&new, &open), "in_doubt", "a PinPad that never saw the sale proves nothing about it");
    assert!(new.vendors.pinpad.ledger().entries.is_empty(), "nothing is sent again");
    new.audit();
}
