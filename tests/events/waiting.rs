//! Waiting for one payment, and the places of those who wait.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};
use tolov::limits;

use crate::client::{Stream, follow};
use crate::support::Bench;
use crate::support::http::{self, Answer};
use crate::{EVENTS, TILL, from_the_first_line, get, running, sell};

fn post(bench: &Bench, path: &str, body: &Value) -> Value {
    let answer = http::post(bench.address, path, &body.to_string(), &[TILL]).expect("an answer");
    assert_eq!(answer.status, 200, "{path}: {answer:?}\n{}", bench.log());
    answer.json()
}

fn created(bench: &Bench, token: &str) -> String {
    let money = json!({"method_id": "click", "currency": "UZS", "amount": 500});
    let made = post(bench, "/api/v1/payment/create", &json!({"idempotency_token": token, "money_info": money}));
    made["transaction_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn call_off(bench: &Bench, id: &str) {
    let body = json!({"idempotency_token": format!("off-{id}"), "reason": "customer_request"});
    post(bench, &format!("/api/v1/payment/{id}/cancel"), &body);
}

fn status_path(id: &str, query: &str) -> String {
    format!("/api/v1/payment/{id}/retrieve/status?{query}")
}

/// A long poll of a till with that token; its answer, and when it came.
fn poll(bench: &Bench, token: &str, path: &str, heard: &mpsc::Sender<(Answer, Instant)>) {
    let (address, token, path, heard) = (bench.address, token.to_owned(), path.to_owned(), heard.clone());
    std::thread::spawn(move || {
        // The question whether all places are taken takes one itself, for a moment.
        let ask = || http::get_with(address, &path, &[("x_auth_token", &token)]).expect("an answer");
        let answer = std::iter::repeat_with(ask).find(|answer| answer.status != 503).expect("it is asked again");
        let _ = heard.send((answer, Instant::now()));
    });
}

#[test]
fn a_status_is_told_at_once_where_it_is_news_and_as_it_stands_at_the_end_of_the_wait() {
    let bench = running();
    let id = created(&bench, "first");
    let since = Instant::now();
    let told = |query: &str| get(&bench, &status_path(&id, query))["payment_status"].clone();
    assert_eq!(
        (told("wait=60&seen=awaiting_payer"), told("wait=0"), told("")),
        (json!("created"), json!("created"), json!("created"))
    );
    assert!(since.elapsed() < Duration::from_secs(10), "none of them waits");
    let since = Instant::now();
    assert_eq!(told("wait=1"), json!("created"));
    assert!(since.elapsed() >= Duration::from_secs(1));
    call_off(&bench, &id);
    let since = Instant::now();
    assert_eq!((told("wait=60"), told("wait=60&seen=created")), (json!("cancelled"), json!("cancelled")));
    assert!(since.elapsed() < Duration::from_secs(10), "it is final");
    for bad in ["wait=61", "wait=-1", "wait=1.5", "wait=30&seen=open"] {
        let answer = http::get_with(bench.address, &status_path(&id, bad), &[TILL]).expect("an answer");
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("validation_error")), "{bad}");
    }
    let nowhere = status_path("ee000d20-b260-4b17-995a-a7bd113bdb22", "wait=30");
    assert_eq!(http::get_with(bench.address, &nowhere, &[TILL]).expect("an answer").status, 404);
}

/// The middle one of nine sales.
fn a_sale_takes(bench: &Bench, first: usize) -> Duration {
    let mut took: Vec<Duration> = (first..first + 9)
        .map(|number| {
            let since = Instant::now();
            sell(bench, number);
            since.elapsed()
        })
        .collect();
    took.sort();
    took[4]
}

/// What the daemon holds in memory for itself, in KiB.
fn memory_kib(bench: &Bench) -> u64 {
    let daemon = bench.daemon.as_ref().expect("a daemon").id();
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_house_of_64_tills_with_four_long_polls_each_hears_of_a_change_at_once_and_slows_no_sale() {
    const TILLS: usize = 64;
    let bench = running();
    const { assert!(limits::WAITING_MAX >= 4 * TILLS) };
    for till in 0..TILLS {
        let path = bench.dir.path().join(format!("secrets/till_{till}"));
        fs::write(&path, format!("token-of-till-{till}")).expect("a secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its permissions");
    }
    let alone = a_sale_takes(&bench, 1);
    let before_kib = memory_kib(&bench);
    let id = created(&bench, "waited-for");
    let (heard, answers) = mpsc::channel();
    for place in 0..limits::WAITING_MAX {
        poll(&bench, &format!("token-of-till-{}", place % TILLS), &status_path(&id, "wait=60"), &heard);
    }
    // One more has nothing to wait for, and is refused once all the others wait.
    bench.until("everybody waits", || {
        let one_more = http::get_with(bench.address, &status_path(&id, "wait=1&seen=paid"), &[TILL]);
        one_more.expect("an answer").status == 503
    });
    let each_kib = memory_kib(&bench).saturating_sub(before_kib) / limits::WAITING_MAX as u64;
    assert!(each_kib < 64, "{each_kib} KiB for each that waits");
    let beside = a_sale_takes(&bench, 100);
    assert!(beside < alone * 3 + Duration::from_millis(50), "{beside:?} beside them, {alone:?} alone");
    assert!(answers.try_recv().is_err(), "other payments are no news to them");
    call_off(&bench, &id);
    let told = Instant::now();
    let mut last = Duration::ZERO;
    for _ in 0..limits::WAITING_MAX {
        let (answer, at) = answers.recv_timeout(Duration::from_secs(20)).expect("an answer");
        assert_eq!(answer.json(), json!({"payment_status": "cancelled"}), "{answer:?}");
        last = last.max(at.saturating_duration_since(told));
    }
    assert!(last < Duration::from_secs(1), "the last of {} heard it {last:?} after the till", limits::WAITING_MAX);
}

#[test]
fn whoever_hangs_up_gives_his_place_back_and_loses_no_event() {
    let bench = running();
    (1..=3).for_each(|number| drop(sell(&bench, number)));
    let streams: Vec<Stream> = (0..limits::TILL_WAITING_MAX).map(|_| from_the_first_line(&bench)).collect();
    let is_full = || follow(bench.address, EVENTS, &[TILL]).expect("an answer").is_err();
    assert!(is_full());
    drop(streams);
    bench.until("their places are free", || !is_full());
    let first = from_the_first_line(&bench).next().expect("an event").expect("no end");
    assert_eq!(first.data["sequence"], json!(1));
}

#[test]
fn an_accepted_payment_is_waited_for_among_those_who_wait_and_a_sale_finds_its_place() {
    const PROVIDER: Duration = Duration::from_secs(8);
    const PAYMENTS: usize = limits::TILL_WAITING_MAX + 4;
    let bench = running();
    let slow = FaultKind::Slow { ms: PROVIDER.as_millis().try_into().expect("milliseconds") };
    bench.vendors.gateway.set_faults(Faults { charge: Some(Fault::always(slow)), ..Faults::default() });
    let is_full = || follow(bench.address, EVENTS, &[TILL]).expect("an answer").is_err();
    let (heard, answers) = mpsc::channel();
    let accept = |number: usize| {
        let id = created(&bench, &format!("order-{number}"));
        let body = json!({"idempotency_token": format!("accept-{number}"), "accept_info": {"qr_code": format!("8802{number:014}")}});
        let (address, heard) = (bench.address, heard.clone());
        std::thread::spawn(move || {
            let path = format!("/api/v1/payment/{id}/accept?wait=60");
            let _ = heard.send(http::post(address, &path, &body.to_string(), &[TILL]).expect("an answer"));
        });
    };
    // More than may wait: what was begun is not refused, so the rest of them stay at work.
    (0..PAYMENTS).for_each(accept);
    let charged =
        || bench.vendors.gateway.entries().iter().filter(|entry| matches!(entry, Entry::Charge { .. })).count();
    bench.until("all of them are begun", || charged() == PAYMENTS);
    bench.until("as many wait as may", is_full);
    bench.vendors.gateway.set_faults(Faults::default());
    let since = Instant::now();
    let sale = http::post(bench.address, "/payment/click", r#"{"amount":500,"qr_code":"880100000000000001"}"#, &[TILL]);
    assert_eq!(sale.expect("an answer").json()["is_success"], json!(true));
    assert!(since.elapsed() < PROVIDER / 2, "{:?}", since.elapsed());
    assert!(answers.try_recv().is_err(), "they still wait");
    for _ in 0..PAYMENTS {
        let answer = answers.recv_timeout(Duration::from_secs(30)).expect("an answer");
        assert_eq!((answer.status, &answer.json()["payment_status"]), (200, &json!("paid")), "{answer:?}");
    }
    assert!(!is_full(), "their places are free");
}
