//! Electronic receipts of SBP at a running terminal: one that failed is corrected by the technician, one that is being decided is left alone, and
//! the callback's door has the terminal ask at once.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use tolov::clock::Clock;
use tolov::demo::qrm::{Entry, Operation, ReceiptEnd, Switches, What};
use tolov::history::History as _;
use tolov::payment::PaymentId;
use tolov::payment::fiscal::Confirmation;
use tolov::store::Archive;

use super::support::cli::Told;
use super::support::{Bench, TILL_TOKEN, free_address, http};
use super::{ask, json as told_in_json, tolov};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn document(name: &str, total: i64) -> Value {
    json!({
        "timestamp": "10.11.2022 20:10:00",
        "receipt": {
            "client": {"email": "payer@mail.ru"},
            "company": {"sno": "osn", "email": "shop@mail.ru", "inn": "5544332219", "payment_address": "Москва"},
            "items": [{"name": name, "price": total, "quantity": 1, "sum": total, "payment_object": "commodity"}],
            "payments": [{"type": 1, "sum": total}],
            "vats": [{"type": "none", "sum": 0}],
            "total": total
        }
    })
}

/// A bench with QRManager whose daemon runs, and one sale of 500 roubles there that is paid.
struct Sold {
    bench: Bench,
    id: String,
}

impl Sold {
    fn begin() -> Self {
        Self::at(Bench::with_pinpad_and_qrm(|_| {}))
    }

    fn at(mut bench: Bench) -> Self {
        bench.start();
        let sold = Self { bench, id: String::new() };
        let wish = json!({"amount": 50_000, "currency": "RUB", "idempotency_token": "one", "display": false});
        let sale = sold.post("/api/v1/sbp/sale", &wish);
        let link = sale["qr_link"].as_str().unwrap_or_else(|| panic!("no link: {sale}"));
        sold.bench.vendors.qrm().pay(link).expect("the phone pays");
        let sold = Self { id: sale["transaction_id"].as_str().expect("a name").to_owned(), ..sold };
        sold.until_told("fiscal", "owed");
        sold
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = http::post(self.bench.address, path, &body.to_string(), &[("x_auth_token", TILL_TOKEN)]);
        answer.unwrap_or_else(|why| panic!("{path}: {why}\n{}", self.bench.log())).json()
    }

    fn bring(&self, document: &Value) {
        let told = self.post(&format!("/api/v1/sbp/sale/{}/receipt", self.id), document);
        assert!(told["code"].is_null(), "{told}");
    }

    /// The technician sends this document in place of the one that is there.
    fn retry_with(&self, document: &Value) -> Told {
        let file = self.file(document);
        ask(&self.bench, &["queue", "retry", &self.id, "--with", file.to_str().expect("UTF-8"), "--name", "Aziza"])
    }

    fn file(&self, document: &Value) -> PathBuf {
        let file = self.bench.dir.path().join("receipt.json");
        // As an editor on somebody's desk saves it.
        fs::write(&file, format!("\u{feff}{document:#}\n")).expect("the document");
        file
    }

    fn until_told(&self, field: &str, value: &str) {
        let shown = || told_in_json(&self.bench, &["payment", "show", &self.id]);
        self.bench.until(&format!("{field} {value}"), || shown()[field] == value);
    }

    fn last(&self) -> Confirmation {
        let archive = Archive::open(&self.bench.store()).expect("the store");
        let id = PaymentId(self.id.parse().expect("an id"));
        archive.payment(id).expect("readable").expect("known").confirmation().expect("a receipt").clone()
    }

    fn operation(&self) -> Operation {
        self.bench.vendors.qrm().operations().remove(0)
    }

    fn registrations(&self) -> usize {
        let registered = |entry: &&Entry| matches!(entry.what, What::Receipt { .. });
        self.bench.vendors.qrm().entries().iter().filter(registered).count()
    }

    fn is_done(&self) -> bool {
        matches!(self.operation().receipt.and_then(|receipt| receipt.end), Some(ReceiptEnd::Done { .. }))
    }
}

#[test]
fn a_receipt_that_the_operator_of_fiscal_data_refused_is_corrected_in_a_file_and_confirmed() {
    let sold = Sold::begin();
    let words = "[-3975] Некорректное значение параметров команды ФН";
    let fails = Switches { receipts_fail: Some(words.to_owned()), ..Switches::default() };
    sold.bench.vendors.qrm().set_switches(fails);
    sold.bring(&document("тест", 500));
    sold.until_told("fiscal", "parked");
    let listed = told_in_json(&sold.bench, &["queue", "list"]);
    assert_eq!((&listed[0]["method"], &listed[0]["receipt"]["last_error"]), (&json!("sbp"), &json!(words)));
    let advice = ask(&sold.bench, &["queue", "show", &sold.id]).stdout;
    assert!(advice.contains("--with FILE"), "{advice}");
    sold.bench.vendors.qrm().set_switches(Switches::default());

    let wrong = sold.retry_with(&document("исправлено", 499));
    assert_ne!(wrong.code, 0, "{}", wrong.stdout);
    assert!(wrong.stderr.contains("499"), "{}", wrong.stderr);
    assert_eq!((sold.last().number, sold.registrations()), (1, 1), "a document about other money changes nothing");

    let told = sold.retry_with(&document("исправлено", 500));
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{}", sold.bench.log());
    sold.until_told("fiscal", "confirmed");
    assert_eq!((sold.last().number, sold.registrations(), sold.is_done()), (2, 2, true));
    let shown = told_in_json(&sold.bench, &["payment", "show", &sold.id]);
    assert!(shown["receipts"][1]["answer"].to_string().contains("consumer.1-ofd-test.ru"), "{shown}");
    let log = sold.bench.log();
    assert!(!log.contains("payer@mail.ru"), "nothing of the payer is logged:\n{log}");
    sold.bench.audit();
}

#[test]
fn a_document_that_the_operator_of_fiscal_data_is_at_work_on_cannot_be_replaced() {
    let sold = Sold::begin();
    sold.bench.vendors.qrm().set_switches(Switches { receipts_wait: true, ..Switches::default() });
    sold.bring(&document("тест", 500));
    sold.bench.until("it is registered", || sold.last().registered_ms.is_some());
    let told = sold.retry_with(&document("исправлено", 500));
    assert_eq!(told.code, 1, "{}", told.stdout);
    assert!(told.stderr.contains("the operator of fiscal data is at work on it"), "{}", told.stderr);
    assert_eq!((sold.last().number, sold.registrations()), (1, 1));
    sold.bench.vendors.qrm().set_switches(Switches::default());
    sold.until_told("fiscal", "confirmed");
    assert_eq!((sold.last().number, sold.registrations()), (1, 1), "the first document alone");
    sold.bench.audit();
}

/// A bench whose `[qrm_callback]` listens there; its secret is a file as every other.
fn with_callback() -> (Bench, SocketAddr) {
    let (bench, door) = (Bench::with_pinpad_and_qrm(|_| {}), free_address());
    let text = fs::read_to_string(bench.configuration()).expect("the configuration");
    fs::write(bench.configuration(), format!("{text}[qrm_callback]\nlisten = \"{door}\"\n")).expect("written");
    let secret = bench.dir.path().join("secrets/qrm_callback");
    fs::write(&secret, SECRET).expect("the secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("its permissions");
    (bench, door)
}

/// The status of a POST. Whoever is turned away at the door may find it shut before his body is through.
fn status_of(door: SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(door).expect("the door");
    let head = format!("POST {path} HTTP/1.1\r\nHost: terminal\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).expect("the head is taken");
    let _ = stream.write_all(body.as_bytes());
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer["HTTP/1.1 ".len()..]).into_owned()
}

#[test]
fn qrmanagers_word_at_the_unguessable_path_has_the_status_asked_for_out_of_turn() {
    let (bench, door) = with_callback();
    let sold = Sold::at(bench);
    sold.bench.vendors.qrm().set_switches(Switches { receipts_wait: true, ..Switches::default() });
    sold.bench.until("the door is open", || http::get(door, "/").is_ok());
    let mut document = document("тест", 500);
    document["service"] = json!({"callback_url": format!("http://{door}/qrm/{SECRET}")});
    sold.bring(&document);
    let clock = Clock::system();
    let turn_is_far = || sold.last().next_ms - clock.wall_ms() > 5_000;
    sold.bench.until("it waits for long", || sold.last().registered_ms.is_some() && turn_is_far());
    let in_its_turn_ms = sold.last().next_ms;

    let (right, wrong) = (format!("/qrm/{SECRET}"), format!("/qrm/{}", &SECRET[1..]));
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(70_000));
    for (path, body, status) in [
        ("/", "{}", "404"),
        ("/qrm/", "{}", "404"),
        (&wrong, "{}", "404"),
        ("/payment/xumo_close", "{}", "404"),
        (&wrong, &large, "404"),
        (&right, &large, "413"),
    ] {
        assert_eq!(status_of(door, path, body), status, "{path}");
    }
    assert_eq!(sold.last().next_ms, in_its_turn_ms, "strangers have nothing asked");

    // From here on QRManager decides, and tells so at the address that the document named.
    sold.bench.vendors.qrm().set_switches(Switches::default());
    sold.until_told("fiscal", "confirmed");
    assert!(clock.wall_ms() < in_its_turn_ms, "it was asked for in its turn only");
    let log = sold.bench.log();
    assert!(!log.contains(SECRET), "the path's secret is in the log:\n{log}");
    sold.bench.audit();
}

#[test]
fn a_checked_configuration_tells_where_the_callback_is_heard_and_why_it_is_not() {
    let (bench, door) = with_callback();
    let (file, secret) = (bench.configuration(), bench.dir.path().join("secrets/qrm_callback"));
    let check = || tolov(&["check", "--config", file.to_str().expect("UTF-8")]);
    let told = check();
    assert_eq!(told.code, 0, "{}", told.stdout);
    let line = format!("http://{door}/qrm/SECRET, SECRET being the credential qrm_callback");
    assert!(told.stdout.contains(&line) && !told.stdout.contains(SECRET), "{}", told.stdout);
    fs::write(&secret, "short").expect("another secret");
    let told = check();
    assert!(told.stdout.contains(&format!("not opened at {door}, without its secret")), "{}", told.stdout);
    fs::remove_file(&secret).expect("no secret");
    assert_eq!(check().code, 0, "the terminal sells without it");
    assert!(check().stdout.contains(&format!("not opened at {door}, without its secret")), "{}", check().stdout);
}
