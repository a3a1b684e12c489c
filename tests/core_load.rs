//! The Core API under stress, with the whole daemon: many threads with few tokens, a slow disk with hanging providers and a thousand idle
//! connections.

#![cfg(feature = "demo")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::http::{self, Answer};
use support::{Bench, TILL_TOKEN, shim};
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};

const HEADERS: [(&str, &str); 1] = [("x_auth_token", TILL_TOKEN)];

/// One request; what says "come again" is asked again under the same token, as the table of errors advises.
fn ask(address: SocketAddr, path: &str, body: &str) -> Value {
    for _ in 0..400 {
        if let Ok(answer) = http::post(address, path, body, &HEADERS) {
            if answer.status == 200 {
                return answer.json();
            }
            assert!([409, 503].contains(&answer.status), "{path}: {answer:?}");
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            assert!(["busy", "overloaded"].contains(&code.as_str()), "{path}: {answer:?}");
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{path}: asked in vain")
}

fn create(token: &str, amount: usize) -> String {
    let money = json!({ "method_id": "click", "currency": "UZS", "amount": amount });
    json!({ "idempotency_token": token, "money_info": money }).to_string()
}

fn accept(token: &str, code: &str) -> String {
    json!({ "idempotency_token": token, "accept_info": { "qr_code": code } }).to_string()
}

fn code(order: usize) -> String {
    format!("88{order:016}")
}

fn running() -> Bench {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    bench
}

#[test]
fn two_hundred_threads_with_twenty_tokens_make_twenty_payments_and_twenty_charges() {
    const THREADS: usize = 200;
    const TOKENS: usize = 20;
    let bench = running();
    let (address, together) = (bench.address, Arc::new(Barrier::new(THREADS)));
    let heard: Arc<Mutex<BTreeMap<usize, BTreeSet<String>>>> = Arc::default();
    let threads: Vec<_> = (0..THREADS)
        .map(|n| {
            let (together, heard) = (together.clone(), heard.clone());
            std::thread::spawn(move || {
                let order = n % TOKENS;
                together.wait();
                let created = ask(address, "/api/v1/payment/create", &create(&format!("c{order}"), 500 + order));
                let id = created["transaction_id"].as_str().expect("a name").to_owned();
                let path = format!("/api/v1/payment/{id}/accept?wait=30");
                let told = ask(address, &path, &accept(&format!("a{order}"), &code(order)));
                assert_eq!(told["payment_status"], "paid", "{told}");
                heard.lock().expect("a lock").entry(order).or_default().insert(format!("{created}{told}"));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
    let heard = heard.lock().expect("a lock");
    assert_eq!(heard.len(), TOKENS);
    for (order, answers) in heard.iter() {
        assert_eq!(answers.len(), 1, "order {order} was answered in several ways: {answers:#?}");
    }
    let mut charged: Vec<(i64, String)> = Vec::new();
    for entry in bench.vendors.gateway.entries() {
        if let Entry::Charge { amount_minor, code, .. } = entry {
            charged.push((amount_minor, code));
        }
    }
    charged.sort();
    let wanted: Vec<(i64, String)> = (0..TOKENS).zip(500_i64..).map(|(n, sums)| (sums * 100, code(n))).collect();
    assert_eq!(charged, wanted, "the provider's own books");
    bench.audit();
}

fn status_of(address: SocketAddr, id: &str) -> Answer {
    http::get_with(address, &format!("/api/v1/payment/{id}/retrieve/status"), &HEADERS).expect("an answer")
}

/// Every sync takes 200 ms longer, every provider hangs, a thousand connections do nothing: questions are answered as if nothing were, and
/// what needs the disk waits for the disk and for nothing else.
#[test]
fn it_stays_in_time_on_a_slow_disk_with_hanging_providers_and_a_thousand_idle_connections() {
    const SYNC: Duration = Duration::from_millis(200);
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    let mut command = bench.command();
    shim::put_on(&mut command, &bench.store());
    command.env("SHIM_NO_DISK", "1").env("SHIM_DELAY_US", SYNC.as_micros().to_string());
    bench.start_with(command);
    bench
        .vendors
        .gateway
        .set_faults(Faults { charge: Some(Fault::always(FaultKind::Slow { ms: 30_000 })), ..Faults::default() });
    let address = bench.address;
    let idle: Vec<TcpStream> = (0..1_000).filter_map(|_| TcpStream::connect(address).ok()).collect();
    assert!(idle.len() >= 900, "{} connections", idle.len());
    let hanging: Vec<String> = (0..16)
        .map(|n| {
            let told = ask(address, "/api/v1/payment/create", &create(&format!("c{n}"), 500 + n));
            let id = told["transaction_id"].as_str().expect("a name").to_owned();
            let path = format!("/api/v1/payment/{id}/accept");
            assert_eq!(ask(address, &path, &accept(&format!("a{n}"), &code(n)))["payment_status"], "bank_processing");
            id
        })
        .collect();

    // The disk is kept busy by one till while another one asks.
    let busy = std::thread::spawn(move || {
        (0..20)
            .map(|n| {
                let since = Instant::now();
                ask(address, "/api/v1/payment/create", &create(&format!("busy{n}"), 700 + n));
                since.elapsed()
            })
            .collect::<Vec<Duration>>()
    });
    let mut asked: Vec<Duration> = Vec::new();
    for n in 0..60 {
        let since = Instant::now();
        assert_eq!(status_of(address, &hanging[n % hanging.len()]).json()["payment_status"], "bank_processing");
        asked.push(since.elapsed());
    }
    let mut live: Vec<Duration> = (0..20)
        .map(|_| {
            let since = Instant::now();
            assert_eq!(bench.get("/health/live").status, 200);
            since.elapsed()
        })
        .collect();
    let mut created = busy.join().expect("the busy till");
    for times in [&mut asked, &mut live, &mut created] {
        times.sort();
    }
    // Half a sync is the proof that nobody stood behind one; the machine itself may be busy now and then.
    for (what, times) in [("a status", &asked), ("health", &live)] {
        let median = times[times.len() / 2];
        assert!(median < SYNC / 2, "{what} takes {median:?} at its median, and a sync {SYNC:?}");
    }
    let median = created[created.len() / 2];
    assert!(median >= SYNC, "a creation is on the disk before it is told, and took {median:?}");
    assert!(median < SYNC * 5, "a creation waits for one commit or two, and took {median:?}");
    drop(idle);
}
