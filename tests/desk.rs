//! The technician at a running terminal: the commands against the whole daemon and the simulated vendors.

#![cfg(feature = "demo")]

#[path = "desk/receipts.rs"]
mod receipts;
mod support;

use std::process::Command;

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::Value;
use support::Bench;
use support::cli::{ask, json, tolov};
use tolov::demo::gateway::{Fault, FaultKind, Faults};

#[test]
fn a_doubt_is_seen_signed_and_gone_and_the_journal_still_holds() {
    let bench = Bench::running();
    let lost = Faults { charge: Some(Fault { kind: FaultKind::Garbage, times: Some(1) }), ..Faults::default() };
    bench.vendors.gateway.set_faults(lost);
    bench.post("/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#);
    let doubt = json(&bench, &["status"])["in_doubt"][0].clone();
    let id = doubt["transaction_id"].as_str().expect("a name");
    assert_eq!((&doubt["state"], &doubt["amount_minor"]), (&"in_doubt".into(), &50_000.into()));
    let signed = ["--payment-id", "424242", "--name", "Aziza", "--reason", "seen in the cabinet"];
    let told = ask(&bench, &[&["payment", "resolve", &id[..8], "paid"][..], &signed].concat());
    assert_eq!(told.code, 0, "{}", told.stderr);
    let shown = json(&bench, &["payment", "show", id]);
    assert_eq!((&shown["state"], &shown["fiscal"]), (&"paid".into(), &"owed".into()));
    assert_eq!(shown["resolution"]["name"], "Aziza");
    let audit = tolov(&["audit", "--config", bench.configuration().to_str().expect("UTF-8")]);
    assert_eq!(audit.code, 0, "{}", audit.stdout);
}

#[test]
fn the_shift_is_closed_by_the_pinpad_and_its_total_is_ours() {
    let bench = Bench::running();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let sale = bench.post("/payment/xumo", r#"{"amount":50000}"#).json();
    assert_eq!(sale["is_success"], true, "{sale}");
    let open = json(&bench, &["shift"]);
    assert_eq!((&open["totals"][0]["method"], &open["totals"][0]["sales"]), (&"humo".into(), &1.into()));
    let told = ask(&bench, &["shift", "close"]);
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{}", bench.log());
    assert!(told.stdout.contains("HUMO: 500.00 here"), "{}", told.stdout);
    assert!(told.stdout.contains("СВЕРКА ИТОГОВ"), "{}", told.stdout);
    assert!(told.stdout.contains("PinPad and bank agree"), "{}", told.stdout);
    assert_eq!(json(&bench, &["shift"])["totals"], Value::Array(Vec::new()));
    bench.audit();
}

#[test]
fn the_socket_goes_with_the_daemon_and_one_that_was_left_behind_is_replaced() {
    let mut bench = Bench::running();
    let socket = bench.dir.path().join("control.sock");
    assert_eq!(ask(&bench, &["status"]).code, 0);
    bench.cut();
    assert!(socket.exists(), "a daemon that was killed leaves its socket behind");
    let told = ask(&bench, &["status"]);
    assert_eq!(told.code, 4);
    assert!(told.stderr.contains("left behind by a daemon that was killed"), "{}", told.stderr);
    bench.start();
    assert_eq!(ask(&bench, &["status"]).code, 0);
    let mut daemon = bench.daemon.take().expect("it runs");
    let killed = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().expect("kill");
    assert!(killed.success() && daemon.wait().expect("its end").success(), "{}", bench.log());
    assert!(!socket.exists(), "a daemon that was asked to stop takes its socket with it");
}

#[test]
fn a_wrong_configuration_ends_the_start_in_one_line_with_the_code_that_the_unit_knows() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("tolov.toml");
    std::fs::write(&file, "board = \"sim\"\n[api]\nlisten = \"here\"\n[stor]\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let told = tolov(&["run", "--config", file]);
    assert_eq!(told.code, 78, "{}", told.stderr);
    assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
    assert!(told.stderr.starts_with(&format!("tolov: the configuration is wrong: {file}:")), "{}", told.stderr);
    let unit = std::fs::read_to_string(support::repository("systemd/tolov.service")).expect("the unit");
    assert!(unit.contains("RestartPreventExitStatus=78"));
}

#[test]
fn a_pinpads_dialect_is_learned_from_the_line_and_never_beside_a_running_daemon() {
    let bench = Bench::running();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let (configuration, socket) = (bench.configuration(), bench.dir.path().join("control.sock"));
    let (configuration, socket) = (configuration.to_str().expect("UTF-8"), socket.to_str().expect("UTF-8"));
    let trace = bench.dir.path().join("trace");
    let words = ["pinpad", "learn", "--config", configuration, "--trace", trace.to_str().expect("UTF-8")];
    let busy = tolov(&words);
    assert_eq!(busy.code, 1);
    assert!(busy.stderr.contains("systemctl stop tolov"), "{}", busy.stderr);
    let mut bench = bench;
    bench.cut();
    assert!(std::path::Path::new(socket).exists());
    let told = tolov(&[&words[..], &["--sale"]].concat());
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{}", told.stdout);
    for line in ["baud = 115200", "transport = \"binlen\"", "amount_format = \"minor\"", "was voided"] {
        assert!(told.stdout.contains(line), "{line} is not in:\n{}", told.stdout);
    }
    assert_eq!(bench.vendors.pinpad.ledger().balance_minor(), 0);
    let written = std::fs::read_to_string(&trace).expect("the trace");
    assert!(written.contains("STORERC:"), "{written}");
}
