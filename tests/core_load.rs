//! The Core API under stress, with the whole daemon: many threads with few tokens, a slow disk with hanging providers and a thousand idle
//! connections.

#![cfg(feature = "demo")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http, shim};
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};
use tolov::demo::qrm;
use tolov::limits;

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

/// Which of these connections the terminal has not closed.
fn held(idle: &[TcpStream]) -> usize {
    let is_open = |stream: &&TcpStream| stream.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock);
    idle.iter().filter(is_open).count()
}

/// A thousand connections that say nothing. The house has room for [`limits::HTTP_CONNECTIONS_MAX`] and closes what is idle too long, so they come
/// again and again until `over`. Tells how many of them the house held, each time before they came again.
fn a_thousand_that_say_nothing(address: SocketAddr, over: &AtomicBool) -> Vec<usize> {
    let connect = || {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nonblocking(true).expect("it is asked without waiting");
        stream
    };
    let mut idle: Vec<TcpStream> = (0..1_000).map(|_| connect()).collect();
    let mut seen = Vec::new();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_secs(2));
        seen.push(held(&idle));
        idle.retain(|stream| held(std::slice::from_ref(stream)) == 1);
        idle.extend((idle.len()..1_000).map(|_| connect()).collect::<Vec<_>>());
    }
    seen
}

/// How long something takes, each time.
fn times(count: usize, mut what: impl FnMut(usize)) -> Vec<Duration> {
    let one = |n| {
        let since = Instant::now();
        what(n);
        since.elapsed()
    };
    (0..count).map(one).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Every sync takes 200 ms longer; the gateway, QRManager and the PinPad hang, each in the middle of a payment; a thousand connections do nothing:
/// questions are answered as if nothing were, and what needs the disk waits for the disk and for nothing else.
#[test]
fn it_stays_in_time_on_a_slow_disk_with_hanging_providers_and_a_thousand_idle_connections() {
    const SYNC: Duration = Duration::from_millis(200);
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    let mut command = bench.command();
    shim::put_on(&mut command, &bench.store());
    command.env("SHIM_NO_DISK", "1").env("SHIM_DELAY_US", SYNC.as_micros().to_string());
    bench.start_with(command);
    bench.wait_for_pinpad();
    let address = bench.address;
    let ordered = |token: &str, body: &str| {
        let told = ask(address, "/api/v1/payment/create", body);
        let id = told["transaction_id"].as_str().expect("a name").to_owned();
        (format!("/api/v1/payment/{id}/accept"), format!("accept-{token}"), id)
    };
    let (path, token, sold) = ordered("sold", &create("sold", 400));
    assert_eq!(ask(address, &format!("{path}?wait=30"), &accept(&token, &code(99)))["payment_status"], "paid");

    let slow = || Some(Fault::always(FaultKind::Slow { ms: 60_000 }));
    bench.vendors.gateway.set_faults(Faults { charge: slow(), confirm: slow(), ..Faults::default() });
    let mute = qrm::Fault::always(qrm::FaultKind::Slow { ms: 60_000 });
    let rest = [qrm::Method::Code, qrm::Method::Status].map(|method| (method, mute.clone())).into();
    bench.vendors.qrm().set_switches(qrm::Switches { rest, ..qrm::Switches::default() });
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Silence));

    let over = Arc::new(AtomicBool::new(false));
    let crowd = std::thread::spawn({
        let over = over.clone();
        move || a_thousand_that_say_nothing(address, &over)
    });
    let foreign = |method: &str, currency: &str, info: Value| {
        let money = json!({ "method_id": method, "currency": currency, "amount": 300 });
        let body = json!({ "idempotency_token": method, "money_info": money }).to_string();
        let (path, token, _) = ordered(method, &body);
        let accept = json!({ "idempotency_token": token, "accept_info": info }).to_string();
        assert_eq!(ask(address, &path, &accept)["payment_status"], "awaiting_payer", "{method}");
    };
    foreign("sbp", "RUB", json!({ "display": false }));
    foreign("humo", "UZS", json!({}));
    let mut hanging = Vec::new();
    let accepted = times(16, |n| {
        let (path, token, id) = ordered(&n.to_string(), &create(&format!("c{n}"), 500 + n));
        assert_eq!(ask(address, &path, &accept(&token, &code(n)))["payment_status"], "bank_processing");
        hanging.push(id);
    });

    // The disk is kept busy by one till while another one asks.
    let busy = std::thread::spawn(move || {
        times(20, |n| drop(ask(address, "/api/v1/payment/create", &create(&format!("busy{n}"), 700 + n))))
    });
    let look = |path: &str| {
        let answer = http::get_with(address, path, &HEADERS).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    };
    let asked = times(60, |n| {
        let status = look(&format!("/api/v1/payment/{}/retrieve/status", hanging[n % hanging.len()]));
        assert_eq!(status["payment_status"], "bank_processing");
    });
    let listed = times(20, |_| assert!(look("/api/v1/payment?limit=10")["payments"].is_array()));
    let receipt = times(20, |_| assert_eq!(look(&format!("/api/v1/payment/{sold}/receipt"))["state"], "owed"));
    let live = times(20, |_| drop(look("/health/live")));
    let created = busy.join().expect("the busy till");
    let link = r#"{"link":"https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161"}"#;
    let brought = times(1, |_| {
        assert_eq!(ask(address, &format!("/api/v1/payment/{sold}/receipt"), link)["state"], "queued");
    });
    over.store(true, Ordering::Relaxed);
    let crowd = crowd.join().expect("the crowd");

    // Half a sync is the proof that nobody stood behind one; the machine itself may be busy now and then.
    for (what, times) in [("a status", asked), ("a list", listed), ("a receipt", receipt), ("health", live)] {
        let median = median(times);
        assert!(median < SYNC / 2, "{what} takes {median:?} at its median, and a sync {SYNC:?}");
    }
    for (what, times, requests) in [("a creation", created, 1), ("a creation with its acceptance", accepted, 2)] {
        let median = median(times);
        assert!(median >= SYNC * requests, "{what} is on the disk before it is told, and took {median:?}");
        assert!(median < SYNC * 5 * requests, "{what} waits for one commit or two a request, and took {median:?}");
    }
    let moment = Duration::from_millis(limits::CONFIRM_ANSWER_MS);
    assert!(brought[0] < moment + SYNC * 5, "a receipt waits for its provider so long and no longer: {brought:?}");
    // The house was full all the time, and never held more than it says: of a thousand that say nothing, most are closed.
    let most = limits::HTTP_CONNECTIONS_MAX;
    assert!(crowd.iter().any(|held| *held >= most / 2), "{crowd:?}");
    assert!(crowd.iter().all(|held| *held <= most), "{crowd:?}");
}
