//! The terminal as those who look after it see it: its numbers, whether it can take money, its display's picture. The whole daemon, with the
//! simulated vendors; the numbers are read by Prometheus' own parser for Python, too, which takes no word of ours for it.

#![cfg(feature = "demo")]

#[path = "ops/disk.rs"]
mod disk;
#[path = "ops/ready.rs"]
mod ready;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http};
use tolov::demo::gateway::{Fault, FaultKind, Faults};
use tolov::metrics::table::{ALL, Kind, Metric};

const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
const CODE: &str = "880101698207133392";
const TILL: [(&str, &str); 1] = [("x_auth_token", TILL_TOKEN)];

/// Samples by name and labels, labels in the order of their names: `tolov_payments_total{method="click",outcome="paid"}`.
type Samples = BTreeMap<String, f64>;

/// A sample's line in words of this test: the name, the labels, the number.
fn sample(line: &str) -> (String, f64) {
    let (name, rest) = match line.split_once('{') {
        Some((name, rest)) => (name, rest.rsplit_once("} ").expect("a value")),
        None => {
            let (name, value) = line.split_once(' ').expect("a value");
            (name, ("", value))
        }
    };
    let (labels, value) = rest;
    let mut labels: Vec<&str> = labels.split(',').filter(|label| !label.is_empty()).collect();
    labels.sort_unstable();
    let key = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) };
    (key, value.parse().unwrap_or_else(|_| panic!("{line}")))
}

fn numbers(bench: &Bench) -> Samples {
    let text = bench.get("/metrics").body;
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn sells_everything(bench: &Bench) {
    let sale = bench.post("/payment/click", &json!({"amount": 500, "qr_code": CODE}).to_string()).json();
    assert_eq!(sale["is_success"], json!(true), "{sale}");
    let confirm = json!({"payment_id": sale["data"]["payment_id"], "qrcode": LINK}).to_string();
    assert_eq!(bench.post("/payment/click_confirm", &confirm).json()["is_success"], json!(true));

    let lost = Fault::once(FaultKind::LostAfter);
    bench.vendors.gateway.set_faults(Faults { charge: Some(lost), ..Faults::default() });
    let doubt = bench.post("/payment/click", r#"{"amount":700,"qr_code":"880101698207133393"}"#).json();
    assert_eq!(doubt["error"]["code"], json!(900), "{doubt}");
    let refused = Fault::once(FaultKind::Refused { code: 402 });
    bench.vendors.gateway.set_faults(Faults { charge: Some(refused), ..Faults::default() });
    let refused = bench.post("/payment/payme", r#"{"amount":900,"qr_code":"50502044301381396427"}"#).json();
    assert_eq!(refused["is_success"], json!(false), "{refused}");

    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let card = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
    assert_eq!(card["isSuccess"], json!(true), "{card}");
    let void = json!({"amount": 50_000, "is_return": true, "request_id": card["data"]["ppt_id"]}).to_string();
    let voided = bench.post("/payment/xumo", &void).json();
    assert_eq!(voided["isSuccess"], json!(true), "{voided}");

    let closed = bench.post("/payment/xumo_close", "{}").json();
    assert_eq!(closed["isSuccess"], json!(true), "{closed}");

    let body = r#"{"amount":95000,"currency":"RUB","idempotency_token":"one"}"#;
    let sbp = http::post(bench.address, "/api/v1/sbp/sale", body, &TILL).expect("an answer").json();
    let link = sbp["qr_link"].as_str().unwrap_or_else(|| panic!("{sbp}"));
    bench.vendors.qrm().pay(link).expect("a phone that pays");
    let paid = |numbers: &Samples| numbers["tolov_payments_total{method=\"sbp\",outcome=\"paid\"}"] >= 1.0;
    let confirmed = |numbers: &Samples| numbers["tolov_receipts_total{method=\"click\",outcome=\"confirmed\"}"] >= 1.0;
    bench.until("everything has ended", || {
        let numbers = numbers(bench);
        paid(&numbers) && confirmed(&numbers)
    });
}

/// What this terminal tells: no till asks it over TLS. `tests/door/tls.rs` reads what is told where one does.
fn expected() -> impl Iterator<Item = &'static Metric> {
    ALL.iter().filter(|metric| !metric.name.starts_with("tolov_tls_"))
}

fn running() -> Bench {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    bench.wait_for_pinpad();
    bench
}

#[test]
fn the_numbers_tell_what_was_sold_how_long_it_took_and_what_is_open() {
    let bench = running();
    let before = numbers(&bench);
    let money = json!({"method_id": "auto", "currency": "UZS", "amount": 300});
    let create = json!({"idempotency_token": "of-a-create", "money_info": money}).to_string();
    let made = http::post(bench.address, "/api/v1/payment/create", &create, &TILL).expect("an answer").json();
    let cancel =
        format!("/api/v1/payment/{}/cancel", made["transaction_id"].as_str().unwrap_or_else(|| panic!("{made}")));
    let why = r#"{"idempotency_token":"of-a-cancel","reason":"customer_request"}"#;
    http::post(bench.address, &cancel, why, &TILL).expect("an answer");
    assert_eq!(before["tolov_payments_total{method=\"click\",outcome=\"paid\"}"], 0.0, "counters begin at zero");
    assert_eq!(before["tolov_payments_in_doubt{method=\"click\"}"], 0.0);
    sells_everything(&bench);

    let after = numbers(&bench);
    let told = |name: &str| *after.get(name).unwrap_or_else(|| panic!("{name} is not told: {after:#?}"));
    for (name, value) in [
        ("tolov_payments_opened_total{method=\"click\"}", 2.0),
        ("tolov_payments_opened_total{method=\"auto\"}", 1.0),
        ("tolov_payments_total{method=\"auto\",outcome=\"cancelled\"}", 1.0),
        ("tolov_payment_step_seconds_count{method=\"auto\",step=\"created\"}", 1.0),
        ("tolov_payments_total{method=\"click\",outcome=\"paid\"}", 1.0),
        ("tolov_payments_total{method=\"click\",outcome=\"in_doubt\"}", 1.0),
        ("tolov_payments_total{method=\"payme\",outcome=\"refused\"}", 1.0),
        ("tolov_payments_total{method=\"humo\",outcome=\"paid\"}", 1.0),
        ("tolov_payments_total{method=\"sbp\",outcome=\"paid\"}", 1.0),
        ("tolov_payments_total{method=\"sbp\",outcome=\"expired\"}", 0.0),
        ("tolov_refunds_total{kind=\"void\",method=\"humo\",outcome=\"done\"}", 1.0),
        ("tolov_settlements_total{outcome=\"done\"}", 1.0),
        ("tolov_settlements_total{outcome=\"refused\"}", 0.0),
        ("tolov_receipts_brought_total{method=\"click\"}", 1.0),
        ("tolov_receipts_total{method=\"click\",outcome=\"confirmed\"}", 1.0),
        ("tolov_receipt_confirmed_seconds_count{method=\"click\"}", 1.0),
        ("tolov_payment_duration_seconds_count{method=\"click\",outcome=\"in_doubt\"}", 1.0),
        ("tolov_payment_step_seconds_count{method=\"click\",step=\"bank_processing\"}", 2.0),
        ("tolov_payment_step_seconds_count{method=\"humo\",step=\"awaiting_payer\"}", 1.0),
        ("tolov_payment_step_seconds_count{method=\"humo\",step=\"bank_processing\"}", 1.0),
        ("tolov_payment_step_seconds_count{method=\"sbp\",step=\"awaiting_payer\"}", 1.0),
        ("tolov_provider_answer_seconds_count{method=\"click\",outcome=\"approved\",request=\"charge\"}", 1.0),
        ("tolov_provider_answer_seconds_count{method=\"click\",outcome=\"in_doubt\",request=\"charge\"}", 1.0),
        ("tolov_provider_answer_seconds_count{method=\"click\",outcome=\"confirmed\",request=\"receipt\"}", 1.0),
        ("tolov_provider_answer_seconds_count{method=\"sbp\",outcome=\"made\",request=\"code\"}", 1.0),
        ("tolov_payments_in_doubt{method=\"click\"}", 1.0),
        ("tolov_payments_in_doubt{method=\"payme\"}", 0.0),
        ("tolov_payments_open", 0.0),
        ("tolov_outbox_receipts{state=\"queued\"}", 0.0),
        ("tolov_outbox_receipts{state=\"owed\"}", 1.0),
        ("tolov_device_up{device=\"pinpad\"}", 1.0),
        ("tolov_device_up{device=\"scanner\"}", 0.0),
        ("tolov_store_state{state=\"good\"}", 1.0),
        ("tolov_store_state{state=\"owing\"}", 0.0),
        ("tolov_sales_closed", 0.0),
        ("tolov_faults_total", 0.0),
        ("tolov_commits_refused_total", 0.0),
        ("tolov_event_queue_limit_events", 1024.0),
        ("tolov_method_ready{method=\"humo\"}", 1.0),
        ("tolov_method_ready{method=\"sbp\"}", 1.0),
    ] {
        assert_eq!(told(name), value, "{name}");
    }
    assert!(told("tolov_commit_seconds_count") >= 10.0);
    assert_eq!(told("tolov_commit_seconds_count"), told("tolov_commit_events_count"));
    assert!(told("tolov_commit_seconds_sum") > 0.0 && told("tolov_driver_last_step_age_seconds") < 30.0);
    let memory = (told("process_resident_memory_bytes"), told("process_anonymous_memory_bytes"));
    assert!(memory.0 > memory.1 && memory.1 > 100_000.0, "{memory:?}");
    // 2026-01-01: the clock of this machine is right.
    assert!(told("process_start_time_seconds") > 1_767_225_600.0);
    let build = format!(
        "tolov_build_info{{arch=\"{}\",demo=\"yes\",version=\"{}\"}}",
        std::env::consts::ARCH,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(told(&build), 1.0);
    bench.audit();
}

/// Families of an exposition as its `#` lines tell them: name, type, unit, meaning.
fn families(text: &str) -> Vec<[String; 4]> {
    let line = |line: &str, word: &str| line.strip_prefix(word).map(str::to_owned);
    let mut families: Vec<[String; 4]> = Vec::new();
    for told in text.lines().filter(|line| line.starts_with('#')) {
        let Some((word, name, rest)) = told.strip_prefix("# ").and_then(|told| {
            let mut words = told.splitn(3, ' ');
            Some((words.next()?, words.next()?, words.next()?))
        }) else {
            assert_eq!(told, "# EOF");
            continue;
        };
        if families.last().is_none_or(|family| family[0] != name) {
            families.push([name.to_owned(), String::new(), String::new(), String::new()]);
        }
        let family = families.last_mut().expect("one");
        let place = ["TYPE", "UNIT", "HELP"].iter().position(|known| *known == word).expect("a known word");
        family[place + 1] = line(told, &format!("# {word} {name} ")).expect("its rest");
        assert!(!rest.is_empty());
    }
    families
}

#[test]
fn what_is_told_is_what_the_document_lists_and_no_label_takes_a_value_that_it_does_not() {
    let bench = running();
    sells_everything(&bench);
    let text = bench.get("/metrics").body;
    let told: BTreeMap<String, [String; 4]> = families(&text).into_iter().map(|f| (f[0].clone(), f)).collect();
    assert_eq!(told.len(), expected().count(), "{:?}", told.keys());
    for metric in expected() {
        let bare = metric.name.strip_suffix("_total").or(metric.name.strip_suffix("_info")).unwrap_or(metric.name);
        let family = told.get(bare).unwrap_or_else(|| panic!("{bare} is not told"));
        let unit = if matches!(metric.unit, "seconds" | "bytes") { metric.unit } else { "" };
        assert_eq!(family[1..], [metric.kind.name(), unit, metric.help], "{bare}");
    }

    let document = std::fs::read_to_string(support::repository("docs/metrics.md")).expect("the document");
    let listed = document.split("\n## Labels").nth(1).expect("its labels");
    let listed: BTreeSet<&str> = listed.split('`').skip(1).step_by(2).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once('{').or(line.split_once(' ')).expect("a value");
        let is_of = |metric: &&Metric| match metric.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{}{end}", metric.name)),
            _ => name == metric.name,
        };
        let metric = ALL.iter().find(is_of).unwrap_or_else(|| panic!("{line}"));
        let labels = labels.rsplit_once('}').map_or("", |(labels, _)| labels);
        let mut named = Vec::new();
        for label in labels.split(',').filter(|label| !label.is_empty() && !label.starts_with("le=")) {
            let (label, value) = label.split_once('=').expect("a value");
            let value = value.trim_matches('"');
            assert!(matches!(label, "version" | "arch") || listed.contains(value), "{label}={value}: {line}");
            named.push(label);
        }
        assert_eq!(named, metric.labels, "{line}");
    }
    // Nobody is named: no code, no till, no payment.
    for secret in [CODE, "50502044301381396427", TILL_TOKEN, "bench", "transaction"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

const INSTALL: &str = "the numbers are read by Prometheus' own parser; install it: \
    python3 -m venv ~/.cache/tolov/python && ~/.cache/tolov/python/bin/pip install prometheus_client";

/// The Python that .ci/check keeps, or the one that has the parser.
fn python() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let kept = cache.map(|cache| cache.join("tolov/python/bin/python"));
    kept.filter(|python| python.exists()).unwrap_or_else(|| PathBuf::from("python3"))
}

/// Reads the whole exposition strictly, and says it again: a line for each sample.
const READER: &str = r#"
import sys, json
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
samples = [s for f in families for s in f.samples]
print(json.dumps({
    "families": {f.name: [f.type, f.unit] for f in families},
    "samples": {s.name + ("{" + ",".join(k + '="' + v + '"' for k, v in sorted(s.labels.items())) + "}" if s.labels else ""): s.value for s in samples},
}))
"#;

#[test]
fn prometheus_own_parser_reads_the_same_numbers() {
    let bench = running();
    sells_everything(&bench);
    let answer = bench.get("/metrics");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.head.to_lowercase().contains(kind), "{}", answer.head);
    let mut reader = Command::new(python())
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("no Python ({error}): {INSTALL}"));
    reader.stdin.take().expect("its input").write_all(answer.body.as_bytes()).expect("it reads");
    let read = reader.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(!said.contains("No module named"), "{INSTALL}");
    assert!(read.status.success(), "{said}");
    let read: Value = serde_json::from_slice(&read.stdout).expect("JSON");
    assert_eq!(read["families"].as_object().expect("families").len(), expected().count());
    assert_eq!(read["families"]["tolov_payment_step_seconds"], json!(["histogram", "seconds"]));
    assert_eq!(read["families"]["tolov_payments"], json!(["counter", ""]));
    let own: Samples = answer.body.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
    let theirs = read["samples"].as_object().expect("samples");
    assert_eq!(theirs.len(), own.len());
    for (name, value) in &own {
        // The way through JSON may cost a number its last digit.
        let read = theirs.get(name).and_then(Value::as_f64).unwrap_or_else(|| panic!("{name} was not read"));
        assert!((read - value).abs() <= value.abs() * 1e-12, "{name}: {read} for {value}");
    }
}

#[test]
fn the_displays_picture_is_sent_once_and_then_only_when_it_changed() {
    let bench = running();
    let tag_of = |head: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with("etag: ")).expect("an ETag");
        line["etag: ".len()..].to_owned()
    };
    let ask = |tag: &str| {
        let request = format!(
            "GET /screen.png HTTP/1.1\r\nHost: {}\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n",
            bench.address
        );
        let bytes = http::exchange(bench.address, &request).expect("an answer");
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        (String::from_utf8_lossy(&bytes[..at]).into_owned(), bytes[at + 4..].to_vec())
    };
    let (head, picture) = ask("\"another\"");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("private, no-cache"), "{head}");
    assert_eq!(picture[..8], *b"\x89PNG\r\n\x1a\n");
    // A terminal that has just begun still has something to show: its devices.
    bench.until("the display stands still", || {
        let (head, nothing) = ask(&tag_of(&ask("").0));
        head.starts_with("HTTP/1.1 304") && nothing.is_empty()
    });
    let (head, first) = ask("");
    let tag = tag_of(&head);

    let lost = Fault::once(FaultKind::LostAfter);
    bench.vendors.gateway.set_faults(Faults { charge: Some(lost), ..Faults::default() });
    bench.post("/payment/click", &json!({"amount": 700, "qr_code": CODE}).to_string());
    bench.until("the display shows the doubt", || {
        let (head, other) = ask(&tag);
        head.starts_with("HTTP/1.1 200") && other != first && tag_of(&head) != tag
    });
}
