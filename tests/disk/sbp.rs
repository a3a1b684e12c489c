//! What QRManager answers while the disk refuses: it is kept, written down when the disk is back, and nothing is asked of QRManager a second time.

use std::fs;
use std::io;

use serde_json::{Value, json};
use tolov::demo::qrm::{Entry, Fault, FaultKind, Method, Switches, What};

use super::support::{Bench, TILL_TOKEN, http};
use super::{NO_ROOM_AT_ALL, full, reasons, start};

/// Until an answer comes: time enough to fill the disk, and less than a till's patience.
const SLOW: FaultKind = FaultKind::Slow { ms: 1_500 };

fn running() -> Bench {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    start(&mut bench);
    bench
}

fn post(bench: &Bench, path: &str, body: &Value) -> io::Result<http::Answer> {
    http::post(bench.address, &format!("/api/v1/sbp/{path}"), &body.to_string(), &[("x_auth_token", TILL_TOKEN)])
}

fn get(bench: &Bench, path: &str) -> Value {
    http::get_with(bench.address, &format!("/api/v1/sbp/{path}"), &[("x_auth_token", TILL_TOKEN)]).expect("it").json()
}

fn sell(bench: &Bench) -> io::Result<http::Answer> {
    let wish = json!({"amount": 50_000, "currency": "RUB", "idempotency_token": "sale", "display": false});
    post(bench, "sale", &wish)
}

fn count(bench: &Bench, which: fn(&What) -> bool) -> usize {
    bench.vendors.qrm().entries().iter().filter(|entry: &&Entry| which(&entry.what)).count()
}

fn codes(bench: &Bench) -> usize {
    count(bench, |what| matches!(what, What::Operation { .. }))
}

fn refunds(bench: &Bench) -> usize {
    count(bench, |what| matches!(what, What::Refund { .. }))
}

/// The disk fills up between QRManager's deed and its answer; what the till heard.
fn on_a_disk_that_fills_up(
    bench: &Bench,
    slow: Method,
    done: impl Fn() -> bool,
    ask: impl FnOnce() -> io::Result<http::Answer> + Send,
) -> Value {
    let rest = [(slow, Fault::once(SLOW))].into();
    bench.vendors.qrm().set_switches(Switches { rest, ..Switches::default() });
    let told = std::thread::scope(|scope| {
        let till = scope.spawn(ask);
        bench.until("QRManager has done it", &done);
        fs::write(full(bench), NO_ROOM_AT_ALL).expect("the disk fills up");
        till.join().expect("the till")
    });
    told.unwrap_or_else(|why| panic!("{why}\n{}", bench.log())).json()
}

fn make_room(bench: &Bench) {
    fs::remove_file(full(bench)).expect("there is room again");
    bench.until("the terminal is ready again", || reasons(bench).is_empty());
}

#[test]
fn qrmanagers_answer_to_a_refund_is_kept_while_the_disk_is_full_and_the_money_goes_back_once() {
    let mut bench = running();
    let sale = sell(&bench).expect("an answer").json();
    let id = sale["transaction_id"].as_str().unwrap_or_else(|| panic!("{sale}")).to_owned();
    bench.vendors.qrm().pay(sale["qr_link"].as_str().expect("a link")).expect("the phone pays");
    bench.until("it is paid", || get(&bench, &format!("sale/{id}"))["payment_status"] == "paid");

    let (path, wish) = (format!("sale/{id}/refund"), json!({"idempotency_token": "back"}));
    let told = on_a_disk_that_fills_up(&bench, Method::Refund, || refunds(&bench) == 1, || post(&bench, &path, &wish));
    assert!(matches!(told["state"].as_str(), Some("processing" | "in_doubt")), "{told}");
    let repeated = post(&bench, &path, &wish).expect("an answer").json();
    assert_eq!(repeated["refund_id"], told["refund_id"], "{repeated}");
    bench.until("people are told", || reasons(&bench).iter().any(|why| why.contains("do not switch off")));
    let other = json!({"amount": 100, "currency": "RUB", "idempotency_token": "another"});
    let refused = post(&bench, "sale", &other).expect("an answer").json();
    assert_eq!(refused["code"], "store_failed", "{refused}");

    make_room(&bench);
    bench.until("it is done", || get(&bench, &path)["refunds"][0]["state"] == "done");
    let again = post(&bench, &path, &wish).expect("an answer").json();
    assert_eq!((&again["state"], &again["refund_id"]), (&json!("done"), &told["refund_id"]), "{again}");
    // What was owed was written, not only remembered.
    bench.power_cut();
    assert_eq!(get(&bench, &format!("sale/{id}"))["payment_status"], "refunded");
    assert_eq!(refunds(&bench), 1, "nothing was sent twice");
    bench.audit();
}

#[test]
fn a_code_that_came_while_the_disk_was_full_is_kept_and_no_second_one_is_asked_for() {
    let mut bench = running();
    let told = on_a_disk_that_fills_up(&bench, Method::Code, || codes(&bench) == 1, || sell(&bench));
    assert_eq!(told["payable"], false, "nobody shows what a restart would not know: {told}");
    let id = told["transaction_id"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    let repeated = sell(&bench).expect("an answer").json();
    assert_eq!(repeated["transaction_id"], told["transaction_id"], "{repeated}");

    make_room(&bench);
    let stands = |bench: &Bench| get(bench, &format!("sale/{id}"));
    bench.until("its code is there", || stands(&bench)["payable"] == true);
    let link = stands(&bench)["qr_link"].as_str().expect("a link").to_owned();
    bench.power_cut();
    bench.vendors.qrm().pay(&link).expect("the phone pays");
    bench.until("it is paid", || stands(&bench)["payment_status"] == "paid");
    assert_eq!(codes(&bench), 1, "nothing was sent twice");
    bench.audit();
}
