//! A disk that hangs: whoever looks after the terminal is answered all the same, and hears the truth.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tolov::api::{self, ApiSettings, Place};
use tolov::clock::Clock;
use tolov::driver::{Driver, Entry, Ledger, LedgerError, OpenItems};
use tolov::metrics::Metrics;
use tolov::payment::card::Settlement;
use tolov::payment::sale::{Merchant, Method, Payment};
use tolov::payment::terminal::{Lookup, Policy};
use tolov::store::{Store, StoreOptions};

use super::support::{PATIENCE, http};

/// Whether the disk answers.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().expect("the gate") = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().expect("the gate");
        drop(self.opened.wait_while(shut, |shut| *shut).expect("the gate"));
    }
}

struct Hanging(Store, Arc<Gate>);

impl Ledger for Hanging {
    fn open_items(&mut self) -> Result<OpenItems, LedgerError> {
        self.0.open_items()
    }

    fn begin(&mut self) -> Result<(), LedgerError> {
        self.0.begin()
    }

    fn load(&mut self, lookup: &Lookup) -> Result<Vec<Payment>, LedgerError> {
        self.0.load(lookup)
    }

    fn settlement_of(&mut self, token: &str) -> Result<Option<Settlement>, LedgerError> {
        self.0.settlement_of(token)
    }

    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        self.0.append(entry)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        self.1.pass();
        self.0.commit()
    }

    fn rollback(&mut self) {
        self.0.rollback();
    }
}

#[test]
fn while_the_disk_hangs_the_terminal_is_alive_not_ready_and_tells_its_numbers() {
    let dir = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(1_790_000_000_000);
    let store = Store::open(dir.path(), &StoreOptions::at(clock.wall_ms())).expect("a store");
    let archive = Arc::new(store.archive().expect("its past"));
    let gate = Arc::<Gate>::default();
    let policy = Policy { methods: vec![Method::Click], merchant: Some(Merchant::default()), ..Policy::default() };
    let metrics = Arc::new(Metrics::new(&clock));
    let (driver, handle) = Driver::new(Hanging(store, gate.clone()), policy, clock.clone()).expect("a driver");
    let driver = driver.witnessed_by(metrics.clone());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let to_stop = stopped.clone();
    let working = std::thread::spawn(move || runtime().block_on(driver.run(|_| {}, to_stop)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    listener.set_nonblocking(true).expect("a listener for tasks");
    let settings = ApiSettings { metrics, ..ApiSettings::default() };
    let serving = std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let mut stopped = stopped;
            let until = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            api::serve(vec![Place::at(listener).expect("a place")], handle, archive, settings, until).await;
        });
    });
    let ask = |path: &str| -> http::Answer {
        let since = Instant::now();
        let answer = http::get(address, path).expect("an answer");
        assert!(since.elapsed() < Duration::from_secs(5), "{path} waited for the disk");
        answer
    };
    let until = |what: &str, path: &str, happened: &dyn Fn(&Value) -> bool| {
        let since = Instant::now();
        while !happened(&ask(path).json()) {
            assert!(since.elapsed() < PATIENCE, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until("it is ready", "/health/ready", &|told| told["ready"] == json!(true));
    assert_eq!(ask("/health/live").json()["stalled"], json!(false));

    gate.set(true);
    let till = std::thread::spawn(move || {
        http::post(address, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#, &[])
    });
    let steps = || ask("/health/live").json()["steps"].as_u64().expect("steps");
    // Three idle rounds of the driver, without a step: it waits for the disk.
    let since = Instant::now();
    let (mut seen, mut changed) = (steps(), Instant::now());
    while changed.elapsed() < Duration::from_secs(3) {
        assert!(since.elapsed() < PATIENCE, "the driver never waited for its disk");
        std::thread::sleep(Duration::from_millis(20));
        let now = steps();
        if now != seen {
            (seen, changed) = (now, Instant::now());
        }
    }
    assert_eq!(ask("/health/ready").status, 200, "a disk may take a moment");
    clock.advance(7_000);
    let live = ask("/health/live");
    assert_eq!((live.status, &live.json()["status"], &live.json()["stalled"]), (200, &json!("live"), &json!(true)));
    assert!(live.json()["since_last_step_ms"].as_u64().expect("ms") >= 7_000, "{live:?}");
    let ready = ask("/health/ready");
    assert_eq!(ready.status, 503);
    let told = ready.json();
    let why = "nothing was done for 7 s: the disk does not answer";
    assert_eq!(told["reasons"], json!([why]));
    assert_eq!(told["methods"], json!({"click": {"ready": false, "reason": why}}));
    let numbers = ask("/metrics").body;
    assert!(numbers.contains("\ntolov_driver_last_step_age_seconds 7.0\n"), "{numbers}");
    assert!(numbers.contains("\ntolov_method_ready{method=\"click\"} 0\n"), "{numbers}");

    gate.set(false);
    until("it is ready again", "/health/ready", &|told| told["ready"] == json!(true));
    stop.send_replace(true);
    working.join().expect("the driver");
    serving.join().expect("the door");
    drop(till.join());
}
