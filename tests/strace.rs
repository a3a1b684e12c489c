//! The order of system calls, as the kernel saw them: before the first byte of a sale leaves for a provider or the PinPad, the sync of
//! the log that holds its intent has returned.

#![cfg(feature = "demo")]

mod support;

#[path = "strace/trace.rs"]
mod trace;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use support::{Bench, PATIENCE};
use trace::Trace;

/// The daemon as it always runs, with a tracer at its side.
fn traced() -> Bench {
    let mut bench = Bench::new();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let plain = bench.command();
    let mut command = Command::new("strace");
    // -D: the daemon stays the child of this test, and the tracer ends with it. -yy: what stands behind each descriptor.
    command.args([
        "-D",
        "-f",
        "-yy",
        "-s",
        "4200",
        "-e",
        "trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg,read,recvfrom",
    ]);
    command.arg("-o").arg(bench.dir.path().join("trace")).arg(plain.get_program()).args(plain.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(std::fs::File::create(bench.dir.path().join("log")).expect("a log"));
    bench.start_with(command);
    bench
}

/// A sale that is paid; where it was busy at first it is asked for again.
fn sold(bench: &Bench, path: &str, body: &Value) -> String {
    let since = Instant::now();
    loop {
        let answer = bench.post(path, &body.to_string()).json();
        if answer["is_success"] == json!(true) {
            return answer["data"]["transaction_id"].as_str().expect("its id").to_owned();
        }
        assert!(since.elapsed() < PATIENCE, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_intent_of_every_sale_is_synced_before_its_first_byte_leaves() {
    let mut bench = traced();
    let click = sold(&bench, "/payment/click", &json!({"amount": 500, "qr_code": "880101698207133392"}));
    let payme = sold(&bench, "/payment/payme", &json!({"amount": 1000, "qr_code": "50502044301381396427"}));
    let card = sold(&bench, "/payment/xumo", &json!({"amount": 7_654_300}));
    bench.cut();
    let written = bench.dir.path().join("trace");
    bench.until("the tracer has written everything down", || {
        std::fs::read(&written)
            .is_ok_and(|text| String::from_utf8_lossy(&text).trim_end().ends_with("+++ killed by SIGKILL +++"))
    });
    let trace = Trace::read(&written);
    let gateway = format!("->{}]", bench.vendors.gateway.address());
    for (id, to, word) in [
        (&click, gateway.as_str(), "880101698207133392"),
        (&payme, gateway.as_str(), "50502044301381396427"),
        (&card, "/dev/pts/", "7654300"),
    ] {
        trace.synced_before_sent(id, to, word).unwrap_or_else(|why| panic!("{word}: {why}\n{}", bench.log()));
    }
}

const SYNCED: &str = r#"
7 pwrite64(9</s/tolov.db-wal>, "{intent of 42}", 14, 32 <unfinished ...>
8 read(3</etc/hosts>, "x", 1) = 1
7 <... pwrite64 resumed>) = 14
7 fsync(9</s/tolov.db-wal>) = 0
8 sendto(12<TCP:[127.0.0.1:5->127.0.0.1:80]>, "POST / 880101", 13, 0, NULL, 0) = 13
"#;

#[test]
fn a_trace_in_which_the_byte_leaves_before_the_sync_returned_is_refused() {
    let verdict = |text: &str| Trace::parse(text).synced_before_sent("42", "->127.0.0.1:80]", "880101");
    assert_eq!(verdict(SYNCED), Ok(()));
    let sync = "7 fsync(9</s/tolov.db-wal>) = 0\n";
    let begun = SYNCED.replace(sync, "7 fsync(9</s/tolov.db-wal> <unfinished ...>\n") + "7 <... fsync resumed>) = 0\n";
    let failed = SYNCED.replace(sync, "7 fsync(9</s/tolov.db-wal>) = -1 EIO (Input/output error)\n");
    let elsewhere = SYNCED.replace(sync, "7 fsync(9</s/tolov.db>) = 0\n");
    for broken in [SYNCED.replace(sync, ""), SYNCED.replace(sync, "") + sync, begun, failed, elsewhere] {
        assert!(verdict(&broken).is_err(), "{broken}");
    }
    assert!(Trace::parse(SYNCED).synced_before_sent("43", "->127.0.0.1:80]", "880101").is_err(), "of another payment");
    assert!(
        Trace::parse(SYNCED).synced_before_sent("42", "->127.0.0.1:81]", "880101").is_err(),
        "nothing was sent there"
    );
}
