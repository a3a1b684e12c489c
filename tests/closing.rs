//! The scheduled closing of the card shift: the real binary at its real time, against the simulated PinPad's books.

#![cfg(feature = "demo")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use hal::sim::pinpad::{Behaviour, Kind, Script};
use jiff::{RoundMode, ToSpan as _, Unit, Zoned, ZonedRound};
use serde_json::json;
use support::Bench;
use support::cli::json;
use tolov::clock::Clock;
use tolov::history::{History as _, JournalLine};
use tolov::limits;
use tolov::store::Archive;

/// The first whole minute that leaves time to sell something before it.
fn soon() -> Zoned {
    let up = ZonedRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
    Clock::system().local().checked_add(20.seconds()).and_then(|at| at.round(up)).expect("a time")
}

/// Every closing that was ever asked for, by the journal.
fn closings(bench: &Bench) -> Vec<JournalLine> {
    let lines = Archive::open(&bench.store()).expect("the store").journal(0, 1_000).expect("its journal");
    lines.into_iter().filter(|line| line.fact.contains("\"settlement_opened\"")).collect()
}

#[test]
fn the_shift_is_closed_once_at_its_time_with_the_pinpads_numbers_and_not_again_after_a_restart() {
    let mut bench = Bench::new();
    let at = soon();
    let mut configuration = fs::read_to_string(bench.configuration()).expect("the configuration");
    configuration.push_str(&format!("settle_at = \"{}\"\n", at.strftime("%H:%M")));
    fs::write(bench.configuration(), configuration).expect("written");
    bench.start();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let sales = [50_000, 70_000, 30_000].map(|minor| {
        let sale = bench.post("/payment/xumo", &json!({ "amount": minor }).to_string()).json();
        assert_eq!(sale["isSuccess"], json!(true), "{sale}");
        sale["data"]["transaction_id"].clone()
    });
    let void = json!({"amount": 70_000, "is_return": true, "request_id": sales[1]}).to_string();
    assert_eq!(bench.post("/payment/xumo", &void).json()["isSuccess"], json!(true));
    assert!(Clock::system().local() < at, "the machine was too slow to sell before {at}");
    assert_eq!(bench.vendors.pinpad.ledger().shift, 1, "it was closed before its time");

    let check = Duration::from_millis(limits::SETTLE_CHECK_EVERY_MS);
    let since = Instant::now();
    while bench.vendors.pinpad.ledger().shift == 1 {
        assert!(since.elapsed() < Duration::from_secs(60) + 2 * check, "the shift was not closed\n{}", bench.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(Clock::system().local() >= at, "it was closed before its time");
    let closed = || json(&bench, &["status"])["settlement"]["state"] == json!("done");
    bench.until("the shift is known to be closed", closed);
    let (told, books) = (json(&bench, &["shift", "--last"]), bench.vendors.pinpad.ledger());
    let of_the_shift = || books.entries.iter().filter(|e| e.shift == 1 && e.kind == Kind::Sale);
    let (sold, voided): (u64, u64) = (
        of_the_shift().map(|e| e.amount_minor).sum(),
        of_the_shift().filter(|e| e.voided).map(|e| e.amount_minor).sum(),
    );
    let humo = &told["totals"][0];
    assert_eq!((&humo["method"], &humo["sales"], &humo["voids"]), (&json!("humo"), &json!(3), &json!(1)), "{told}");
    assert_eq!((&humo["sales_minor"], &humo["voids_minor"]), (&json!(sold), &json!(voided)), "{told}");
    assert_eq!(i128::from(humo["net_minor"].as_i64().expect("a sum")), books.balance_minor());
    assert_eq!(told["settlement"]["totals_agree"], json!(true), "{told}");
    let asked = closings(&bench);
    let [line] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(line.fact.contains(&format!("\"schedule {}#1\"", at.date())), "{}", line.fact);

    bench.power_cut();
    std::thread::sleep(check + check / 4);
    assert_eq!(bench.vendors.pinpad.ledger().shift, 2, "it was closed again after a restart\n{}", bench.log());
    assert_eq!(closings(&bench), asked);
    assert_eq!(json(&bench, &["status"])["schedule"]["trouble"], json!(null));
    bench.audit();
}
