//! The whole daemon, where the till leaves it to the customer who takes the money: a card or a code, whichever comes first, and never both.

#![cfg(feature = "demo")]

mod support;

use std::process::Command;
use std::time::Duration;

use hal::sim::pinpad::{Behaviour, Moment, Script};
use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http};
use tolov::demo::gateway::Entry;

const CLICK: &str = "880101698207133392";
const PAYME: &str = "50502044301381396427";

/// A terminal whose PinPad looks up from its customer so seldom that a scanned code has to wait for it.
fn slow_to_look_up() -> Bench {
    let mut bench = Bench::with_everything(|settings| settings.ping_every = Duration::from_secs(5));
    bench.start();
    bench.wait_for_pinpad();
    bench
}

/// POST at the door for every method, as the till of the bench.
fn ask(bench: &Bench, path: &str, body: &Value) -> Value {
    let path = format!("/api/v1/payment{path}");
    let answer = http::post(bench.address, &path, &body.to_string(), &[("x_auth_token", TILL_TOKEN)]);
    let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}\n{}", bench.log()));
    assert_eq!(answer.status, 200, "{path}: {}\n{}", answer.body, bench.log());
    answer.json()
}

/// Create a payment of 500 sums under that name, want its money, and wait until a card is asked for.
fn accepted(bench: &Bench, name: &str) -> String {
    let money = json!({"method_id": "auto", "currency": "UZS", "amount": 500});
    let created = ask(bench, "/create", &json!({"idempotency_token": format!("create-{name}"), "money_info": money}));
    let id = created["transaction_id"].as_str().expect("a name").to_owned();
    let taken = ask(bench, &format!("/{id}/accept"), &json!({"idempotency_token": format!("accept-{name}")}));
    assert_eq!(taken["payment_status"], json!("awaiting_payer"), "{taken}");
    bench.until("a card is asked for", || bench.vendors.pinpad.screen() == "ВСТАВЬТЕ КАРТУ");
    id
}

fn state(bench: &Bench, id: &str) -> Value {
    bench.get(&format!("/payment/{id}")).json()["data"].clone()
}

fn until_state(bench: &Bench, id: &str, wanted: &str) -> Value {
    bench.until(wanted, || state(bench, id)["state"] == json!(wanted));
    state(bench, id)
}

fn scan(bench: &Bench, code: &str) {
    let scanner = bench.vendors.scanner.as_ref().expect("a scanner");
    assert!(scanner.scan(code), "the scan was lost");
}

/// Scan a code, and wait until the terminal holds it for the PinPad.
fn scan_and_hold(bench: &Bench, code: &str) {
    scan(bench, code);
    let socket = bench.dir.path().join("control.sock");
    bench.until("the code is held", || {
        let mut status = Command::new(env!("CARGO_BIN_EXE_tolov"));
        let told = status.args(["status", "--json", "--socket"]).arg(&socket).output().expect("a technician");
        let told: Value = serde_json::from_slice(&told.stdout).expect("the status");
        told["held_code"] != Value::Null
    });
}

/// Codes that were charged.
fn charged(bench: &Bench) -> Vec<String> {
    let entries = bench.vendors.gateway.entries().into_iter();
    let code = |entry| match entry {
        Entry::Charge { code, .. } => Some(code),
        Entry::Confirmation { .. } => None,
    };
    entries.filter_map(code).collect()
}

/// Card sales in the PinPad's own books.
fn cards(bench: &Bench) -> usize {
    bench.vendors.pinpad.ledger().entries.len()
}

#[test]
fn a_card_that_comes_first_pays_and_a_code_after_it_is_for_nobody() {
    let bench = slow_to_look_up();
    let id = accepted(&bench, "card");
    bench.vendors.pinpad.present_card();
    let paid = until_state(&bench, &id, "paid");
    scan(&bench, CLICK);
    assert_eq!((&paid["method"], &paid["fiscal"]), (&json!("humo"), &json!("not_required")), "{paid}");
    assert!(paid["message"].as_str().is_some_and(|slip| slip.contains("ОДОБРЕНО")), "{paid}");
    let next = accepted(&bench, "next");
    assert_eq!(state(&bench, &next)["state"], json!("awaiting_payer"), "a scan that nobody waited for is not kept");
    assert_eq!((cards(&bench), charged(&bench)), (1, vec![]));
    bench.audit();
}

#[test]
fn a_code_that_comes_first_ends_the_pinpads_dialogue_and_is_charged_once() {
    let mut bench = Bench::with_everything(|_| {});
    bench.start();
    bench.wait_for_pinpad();
    let id = accepted(&bench, "code");
    scan(&bench, PAYME);
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], &paid["qr_code"], &paid["fiscal"]), (&json!("payme"), &json!(PAYME), &json!("owed")));
    bench.until("the PinPad is free", || !bench.vendors.pinpad.is_busy());
    assert_eq!((cards(&bench), charged(&bench)), (0, vec![PAYME.to_owned()]));
    bench.audit();
}

#[test]
fn a_card_presented_while_a_code_is_held_pays_and_the_code_is_never_charged() {
    let bench = slow_to_look_up();
    let id = accepted(&bench, "both");
    scan_and_hold(&bench, CLICK);
    bench.vendors.pinpad.present_card();
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], &paid["qr_code"]), (&json!("humo"), &Value::Null), "{paid}");
    assert_eq!((cards(&bench), charged(&bench)), (1, vec![]));
    bench.audit();
}

#[test]
fn a_code_that_is_held_is_charged_once_whoever_else_brings_it() {
    let bench = slow_to_look_up();
    let id = accepted(&bench, "held");
    scan_and_hold(&bench, CLICK);
    let refused = bench.post("/payment/click", &json!({"amount": 501, "qr_code": CLICK}).to_string()).json();
    assert_eq!((&refused["is_success"], &refused["error"]["data"]["transaction_id"]), (&json!(false), &json!(id)));
    let joined = bench.post("/payment/click", &json!({"amount": 500, "qr_code": CLICK}).to_string()).json();
    assert_eq!(joined["data"]["transaction_id"], json!(id), "{joined}");
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], cards(&bench), charged(&bench)), (&json!("click"), 0, vec![CLICK.to_owned()]));
    let after = bench.post("/payment/click", &json!({"amount": 501, "qr_code": CLICK}).to_string()).json();
    assert_eq!((&after["is_success"], charged(&bench).len()), (&json!(false), 1), "{after}");
    bench.audit();
}

#[test]
fn a_card_turned_down_while_a_code_is_held_leaves_the_money_to_the_code_and_its_slip_is_nobodys_answer() {
    let bench = slow_to_look_up();
    let id = accepted(&bench, "turned-down");
    scan_and_hold(&bench, CLICK);
    bench.vendors.pinpad.present_card_that(Behaviour::Decline("51".to_owned()));
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], &paid["qr_code"]), (&json!("click"), &json!(CLICK)), "{paid}");
    assert_eq!(paid.get("message"), None, "{paid}");
    assert_eq!((cards(&bench), charged(&bench)), (0, vec![CLICK.to_owned()]));
    bench.audit();
}

#[test]
fn whatever_comes_in_the_same_moment_the_customer_pays_once() {
    let mut bench = Bench::with_everything(|_| {});
    bench.start();
    bench.wait_for_pinpad();
    for round in 0..12_u32 {
        let id = accepted(&bench, &format!("round-{round}"));
        let code = format!("88010169820713{:04}", round + 1);
        let pause = Duration::from_millis(u64::from(round) * 7);
        if round % 2 == 0 {
            scan(&bench, &code);
            std::thread::sleep(pause);
            bench.vendors.pinpad.present_card();
        } else {
            bench.vendors.pinpad.present_card();
            std::thread::sleep(pause);
            scan(&bench, &code);
        }
        let paid = until_state(&bench, &id, "paid");
        bench.until("the PinPad is free", || !bench.vendors.pinpad.is_busy());
        let by_code = charged(&bench).contains(&code);
        assert_eq!(by_code, paid["method"] == json!("click"), "{paid}");
        assert_eq!(cards(&bench) + charged(&bench).len(), usize::try_from(round).expect("small") + 1, "{paid}");
    }
    bench.audit();
}

#[test]
fn a_cable_pulled_while_a_code_is_held_is_a_doubt_and_the_code_is_never_charged() {
    let bench = slow_to_look_up();
    let id = accepted(&bench, "cable");
    scan_and_hold(&bench, CLICK);
    bench.vendors.pinpad.pull_cable();
    let doubt = until_state(&bench, &id, "in_doubt");
    assert_eq!(doubt["qr_code"], Value::Null, "{doubt}");
    bench.vendors.pinpad.plug_in();
    let ended = until_state(&bench, &id, "declined");
    assert_eq!(ended["method"], json!("humo"), "{ended}");
    assert_eq!((cards(&bench), charged(&bench)), (0, vec![]));
    bench.audit();
}

#[test]
fn a_cable_pulled_after_the_bank_agreed_while_a_code_is_held_ends_as_paid_by_the_card() {
    let bench = slow_to_look_up();
    bench.vendors.pinpad.set_next(Script { behaviour: Behaviour::CablePulled(Moment::AfterCard), ..Script::default() });
    let id = accepted(&bench, "agreed");
    scan_and_hold(&bench, CLICK);
    bench.vendors.pinpad.present_card();
    until_state(&bench, &id, "in_doubt");
    bench.vendors.pinpad.plug_in();
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], cards(&bench), charged(&bench)), (&json!("humo"), 1, vec![]), "{paid}");
    bench.audit();
}

#[test]
fn a_power_cut_while_a_code_is_held_is_a_doubt_and_the_code_is_never_charged() {
    let mut bench = slow_to_look_up();
    let id = accepted(&bench, "power");
    scan_and_hold(&bench, CLICK);
    bench.power_cut();
    let ended = until_state(&bench, &id, "declined");
    assert_eq!((&ended["qr_code"], cards(&bench), charged(&bench)), (&Value::Null, 0, vec![]), "{ended}");
    bench.audit();
}

/// A terminal whose PinPad waits for a card no longer than a second.
fn impatient() -> Bench {
    let mut bench = Bench::with_everything(|settings| settings.card_timeout = Duration::from_secs(1));
    bench.start();
    bench.wait_for_pinpad();
    bench
}

/// How often the PinPad has given up waiting for a card.
fn given_up(bench: &Bench) -> usize {
    bench.vendors.pinpad.transcript().iter().filter(|(_, text)| text == "STORERC:998").count()
}

#[test]
fn a_pinpad_that_gives_up_without_a_card_is_asked_again_and_the_card_that_comes_then_pays() {
    let bench = impatient();
    let id = accepted(&bench, "later");
    bench.until("the PinPad has given up twice", || given_up(&bench) == 2);
    assert_eq!(state(&bench, &id)["state"], json!("awaiting_payer"), "the customer still may");
    bench.until("a card is asked for again", || bench.vendors.pinpad.screen() == "ВСТАВЬТЕ КАРТУ");
    bench.vendors.pinpad.present_card();
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], cards(&bench), charged(&bench)), (&json!("humo"), 1, vec![]), "{paid}");
    bench.audit();
}

#[test]
fn a_code_that_is_shown_after_the_pinpad_gave_up_pays_and_no_card_is_asked_for_any_more() {
    let bench = impatient();
    let id = accepted(&bench, "code-later");
    bench.until("the PinPad has given up", || given_up(&bench) == 1);
    scan(&bench, CLICK);
    let paid = until_state(&bench, &id, "paid");
    assert_eq!((&paid["method"], &paid["qr_code"]), (&json!("click"), &json!(CLICK)), "{paid}");
    bench.until("the PinPad is free", || !bench.vendors.pinpad.is_busy());
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!bench.vendors.pinpad.is_busy(), "nobody waits for a card");
    assert_eq!((cards(&bench), charged(&bench)), (0, vec![CLICK.to_owned()]));
    bench.audit();
}

#[test]
fn the_pinpads_red_key_ends_the_payment_as_it_does_where_only_a_card_may_pay() {
    let bench = slow_to_look_up();
    let id = accepted(&bench, "red");
    bench.vendors.pinpad.cancel();
    let ended = until_state(&bench, &id, "declined");
    assert_eq!((cards(&bench), charged(&bench)), (0, vec![]), "{ended}");
    bench.audit();
}

#[test]
fn a_power_cut_while_a_card_is_asked_for_again_is_a_doubt_that_the_pinpad_ends() {
    let mut bench = impatient();
    let id = accepted(&bench, "power-later");
    bench.until("the PinPad has given up", || given_up(&bench) == 1);
    bench.until("a card is asked for again", || bench.vendors.pinpad.screen() == "ВСТАВЬТЕ КАРТУ");
    bench.power_cut();
    let ended = until_state(&bench, &id, "declined");
    assert_eq!((&ended["qr_code"], cards(&bench), charged(&bench)), (&Value::Null, 0, vec![]), "{ended}");
    bench.audit();
}
