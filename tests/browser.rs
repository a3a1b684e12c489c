//! The virtual terminal's page in a real browser, and behind it the whole demo: what a visitor presses, sees, and what the vendors' books say.

#![cfg(feature = "demo")]

#[path = "browser/core.rs"]
mod core;
#[path = "browser/driver.rs"]
mod driver;
#[allow(dead_code, unreachable_pub, reason = "this test only asks, and is a crate of its own")]
#[path = "support/http.rs"]
mod http;
#[path = "browser/reference.rs"]
mod reference;
#[path = "browser/sbp.rs"]
mod sbp;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use driver::Browser;
use serde_json::{Value, json};

/// The demo as somebody runs it.
struct Demo {
    process: Child,
    address: SocketAddr,
}

impl Demo {
    fn start(dir: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tolov"))
            .args(["demo", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo");
        let mut said = BufReader::new(process.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let address = said.find_map(|line| line.split("http://").nth(1)?.trim_end_matches('/').parse().ok());
        Self { process, address: address.expect("the demo prints its page's address") }
    }

    /// Where its daemon answers tills by itself.
    fn daemon(dir: &Path) -> SocketAddr {
        let settings = std::fs::read_to_string(dir.join("tolov.toml")).expect("the configuration");
        let listen = settings.lines().find_map(|line| line.strip_prefix("listen = ")).expect("the daemon's address");
        listen.trim_matches('"').parse().expect("an address")
    }

    /// Everything that the vendors have booked and the terminal knows.
    fn picture(&self) -> Value {
        http::get(self.address, "/demo/picture/0").expect("the picture").json()
    }

    /// Whether its daemon answers tills: any answer is its own, but for the bad gateway of a daemon that is away.
    fn serves(&self) -> bool {
        http::get(self.address, "/payment/nothing").is_ok_and(|answer| answer.status != 502)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The daemon follows: its lifeline is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A browser that shows the demo's page.
struct Visit {
    page: Browser,
    demo: Demo,
    dir: tempfile::TempDir,
}

impl Visit {
    fn begin() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let demo = Demo::start(dir.path());
        let page = Browser::open(&format!("http://{}/", demo.address));
        let visit = Self { page, demo, dir };
        visit.page.until("#power-state", "on");
        visit.page.until("#pinpad-state", "idle");
        visit
    }

    fn picture(&self) -> Value {
        self.demo.picture()
    }

    /// Money that the gateway took: amounts in tiyin.
    fn charges(&self) -> Vec<i64> {
        let picture = self.picture();
        let entries = picture["gateway"]["entries"].as_array().expect("entries");
        let charges = entries.iter().filter(|entry| entry["entry"] == "charge");
        charges.map(|entry| entry["amount_minor"].as_i64().expect("an amount")).collect()
    }

    fn newest(&self) -> Value {
        self.picture()["payments"][0].clone()
    }

    /// Press a provider's fault for the next payments.
    fn fault(&self, name: &str) {
        self.page.press(&format!("input[name=charge][value={name}] + span"));
        self.until(|picture| picture["gateway"]["faults"]["charge"]["kind"] == json!(name));
    }

    fn until(&self, holds: impl Fn(&Value) -> bool) {
        assert!(patiently(|| holds(&self.picture())), "waited in vain; there is {:#}", self.picture());
    }

    /// The last answer that the till heard, as the page shows it.
    fn heard(&self) -> Value {
        let text = self.page.text("#exchange article .answer");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON answer on the page ({error}): {text}"))
    }

    /// Wait until the till has its newest answer.
    fn answered(&self) {
        self.page.until("#exchange article h3", " ms");
    }

    fn audit(&self) {
        let report = tolov::store::audit::audit(&self.dir.path().join("store")).expect("an audit");
        assert!(report.holds(), "the audit does not hold:\n{report}");
    }
}

/// Whether something happens within half a minute.
fn patiently(happens: impl Fn() -> bool) -> bool {
    (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        happens()
    })
}

#[test]
fn a_click_sale_is_paid_on_the_display_and_its_receipt_is_confirmed() {
    let visit = Visit::begin();
    let idle = visit.page.ask("document.getElementById('screen').src");
    visit.page.press("#sell-click");
    visit.answered();
    assert_eq!(visit.heard()["is_success"], json!(true));
    visit.page.until("#payments tr", "paid");
    assert_eq!(visit.charges(), [4_500_000]);
    visit.page.until_worth(&format!("document.getElementById('screen').src !== {idle}"));
    assert_eq!(visit.page.ask("document.getElementById('screen').naturalWidth"), json!(320));

    visit.page.until("#receipt-sale", "CLICK");
    visit.page.press("#confirm");
    visit.answered();
    assert_eq!(visit.heard()["data"]["status"], json!("successfully"));
    visit.page.until("#payments tr", "confirmed");
    visit.page.until("#books tr", "receipt");
    visit.page.until("#journal", "approved");
    visit.audit();
}

#[test]
fn a_card_sale_asks_for_the_card_and_prints_its_slip() {
    let visit = Visit::begin();
    visit.page.press("#sell-humo");
    visit.page.until("#pinpad-screen", "ВСТАВЬТЕ КАРТУ");
    visit.page.press("[data-pinpad=approve]");
    visit.answered();
    assert_eq!(visit.heard()["isSuccess"], json!(true));
    visit.page.until("#exchange .slip", "ОДОБРЕНО");
    visit.page.until("#payments tr", "paid");
    let entries = &visit.picture()["pinpad"]["entries"];
    assert_eq!((entries[0]["amount_minor"].clone(), &entries[1]), (json!(4_500_000), &Value::Null));
    visit.audit();
}

#[test]
fn a_declined_card_is_declined_everywhere_and_nothing_is_booked() {
    let visit = Visit::begin();
    visit.page.press("#sell-humo");
    visit.page.until("#pinpad-screen", "ВСТАВЬТЕ КАРТУ");
    visit.page.press("[data-pinpad=decline]");
    visit.answered();
    assert_eq!(visit.heard()["isSuccess"], json!(false));
    visit.page.until("#payments tr", "declined");
    assert_eq!(visit.newest()["why"]["code"], json!("51"));
    assert_eq!(visit.picture()["pinpad"]["entries"], json!([]));
    visit.audit();
}

#[test]
fn a_lost_answer_ends_in_doubt_and_the_operator_resolves_it_by_the_vendors_books() {
    let visit = Visit::begin();
    visit.fault("lost_after");
    visit.page.press("#sell-payme");
    visit.answered();
    assert_eq!(visit.heard()["error"]["code"], json!(900));
    visit.page.until("#payments tr", "in doubt");
    visit.page.until("#doubts", "1");
    assert_eq!(visit.charges(), [4_500_000]);

    visit.page.until("#books tr", "PAYME");
    visit.page.press("#books tr button");
    visit.page.press("#resolve-paid");
    visit.page.until("#payments tr", "paid");
    visit.page.until("#doubts", "none");
    let booked = visit.picture()["gateway"]["entries"][0]["payment_id"].clone();
    assert_eq!(visit.newest()["payment_id"], booked);

    visit.page.press("#repeat");
    visit.answered();
    assert_eq!(visit.heard()["is_success"], json!(true), "the till's repeat finds the payment");
    assert_eq!(visit.charges().len(), 1, "and charges nothing");
    visit.audit();
}

#[test]
fn a_power_cut_in_the_middle_ends_in_doubt_and_the_repeat_charges_nothing() {
    let visit = Visit::begin();
    visit.fault("slow");
    visit.page.press("#sell-click");
    visit.page.until("#payments tr", "bank processing");
    visit.until(|picture| picture["gateway"]["entries"][0]["entry"] == "charge");
    visit.page.press("#power-cut");
    visit.page.until("#power-state", "no power");
    visit.page.until("#power-state", "on");
    visit.page.until("#payments tr", "in doubt");
    assert_eq!(visit.newest()["why"]["of"], json!("restart"));

    visit.page.press("#repeat");
    visit.answered();
    assert_eq!(visit.heard()["error"]["code"], json!(900));
    assert_eq!(visit.charges().len(), 1);
    assert_eq!(visit.picture()["payments"].as_array().map(Vec::len), Some(1));
    visit.audit();
}

#[test]
fn every_control_has_a_name_and_the_page_fits_its_window() {
    let visit = Visit::begin();
    for half in ["cards", "sbp", "core"] {
        visit.page.press(&format!("[data-way={half}]"));
        is_in_order(&visit);
    }
}

fn is_in_order(visit: &Visit) {
    let nameless = visit.page.ask(
        "[...document.querySelectorAll('button, input, select')]\
         .filter(e => !(e.innerText || e.labels?.length || e.ariaLabel)).map(e => e.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
    let cut_off = visit.page.ask(
        "[...document.querySelectorAll('header p, section, section button, section input, section span')]\
         .filter(e => { const box = e.getBoundingClientRect(); return box.right > innerWidth || box.bottom > innerHeight })\
         .map(e => e.id || e.className)",
    );
    assert_eq!(cut_off, json!([]));
    assert_eq!(visit.page.ask("[innerWidth, innerHeight, document.body.scrollHeight]"), json!([1280, 800, 800]));
}

#[test]
fn a_killed_demo_takes_its_daemon_along_and_the_next_one_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(dir.path());
    assert!(patiently(|| demo.serves()), "the daemon serves");
    let sale = r#"{"amount":500,"qr_code":"880101698207133392"}"#;
    let sold = http::post(demo.address, "/payment/click", sale, &[]).expect("an answer").json();
    assert_eq!(sold["is_success"], json!(true), "{sold}");
    let daemon = Demo::daemon(dir.path());
    assert!(http::get(daemon, "/health/live").is_ok());
    drop(demo);
    assert!(patiently(|| std::net::TcpStream::connect(daemon).is_err()), "the daemon lives on");

    let again = Demo::start(dir.path());
    assert!(patiently(|| again.serves()), "the daemon is back");
    let picture = again.picture();
    assert_eq!(picture["payments"][0]["transaction_id"], sold["data"]["transaction_id"]);
    assert_eq!(picture["gateway"]["entries"].as_array().map(Vec::len), Some(1), "the vendor's books go on, too");
}

#[test]
fn a_foreign_page_cannot_press_the_buttons() {
    let dir = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(dir.path());
    let cut = |headers: &[(&str, &str)]| {
        let answer = http::post(demo.address, "/demo/power", r#"{"off_ms":0}"#, headers).expect("an answer");
        answer.status
    };
    assert_eq!(cut(&[("Origin", "http://example.org")]), 403);
    assert_eq!(cut(&[("Origin", "null")]), 403);
    assert_eq!(demo.picture()["power_cuts"], json!(0));
    assert_eq!(cut(&[("Origin", &format!("http://{}", demo.address))]), 204);
    assert!(patiently(|| demo.picture()["power_cuts"] == json!(1)));
}
