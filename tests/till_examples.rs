//! The two example tills, `examples/till.rs` and `examples/till.py`: each sells, brings the receipt, and after its own crash finishes what it
//! had begun, with one charge in the provider's books.

#![cfg(feature = "demo")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::{Bench, TILL_TOKEN};
use tolov::demo::gateway::Entry;

/// The example, built like the tests themselves.
fn built() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_tolov")).with_file_name("examples").join("till");
    if !path.exists() {
        let cargo = Command::new(env!("CARGO")).args(["build", "--offline", "--example", "till"]).status();
        assert!(cargo.is_ok_and(|status| status.success()), "cargo build --example till");
    }
    path
}

fn rust() -> Command {
    Command::new(built())
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.arg(support::repository("examples/till.py"));
    command
}

/// The till with an order of `amount` sums that is paid by `code`.
fn till(mut command: Command, bench: &Bench, file: &str, amount: u32, code: &str) -> Command {
    let file = bench.dir.path().join(file);
    command.arg(format!("http://{}", bench.address)).arg(TILL_TOKEN).arg(file);
    command.args(["auto", "UZS", &amount.to_string(), code]).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn charges(bench: &Bench, code: &str) -> usize {
    let of_code = |entry: &Entry| matches!(entry, Entry::Charge { code: charged, .. } if charged == code);
    bench.vendors.gateway.entries().iter().filter(|entry| of_code(entry)).count()
}

fn sells_and_brings_its_receipt(command: Command) {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    let code = "880101698207133392";
    let output = till(command, &bench, "till.json", 500, code).output().expect("the till");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(" paid\nreceipt "), "{said}");
    assert!(said.contains("https://ofd.soliq.uz/check?t="), "{said}");
    assert_eq!(charges(&bench, code), 1);
    assert!(!bench.dir.path().join("till.json").exists(), "nothing is left to be finished");
    bench.until("the receipt is confirmed", || {
        bench.vendors.gateway.entries().iter().any(|e| matches!(e, Entry::Confirmation { .. }))
    });
    bench.audit();
}

/// Crash after crash at ever later moments, and then in peace to the end.
fn finishes_what_it_had_begun(command: fn() -> Command) {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    let mut finished = 0;
    for order in 0..12_u32 {
        let code = format!("88{order:016}");
        let run = || till(command(), &bench, "till.json", 500 + order, &code);
        let mut child = run().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the till");
        std::thread::sleep(Duration::from_millis(u64::from(order) * 12));
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
        // A till that was quick enough has finished before it was killed, and has nothing left to finish.
        if charges(&bench, &code) == 1 && !bench.dir.path().join("till.json").exists() {
            continue;
        }
        let output = run().output().expect("the till");
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(" paid\n"), "{said}");
        assert_eq!(charges(&bench, &code), 1, "order {order}: {said}");
        finished += 1;
    }
    assert!(finished > 0, "no till was killed in the middle of its work");
    bench.audit();
}

#[test]
fn the_till_in_rust_sells_and_brings_its_receipt() {
    sells_and_brings_its_receipt(rust());
}

#[test]
fn the_till_in_python_sells_and_brings_its_receipt() {
    sells_and_brings_its_receipt(python());
}

#[test]
fn the_till_in_rust_finishes_after_its_own_crash_what_it_had_begun() {
    finishes_what_it_had_begun(rust);
}

#[test]
fn the_till_in_python_finishes_after_its_own_crash_what_it_had_begun() {
    finishes_what_it_had_begun(python);
}

#[test]
fn the_tills_are_short_enough_to_be_read() {
    for path in ["examples/till.rs", "examples/till.py"] {
        let text = std::fs::read_to_string(support::repository(path)).expect("an example");
        assert!(text.lines().count() <= 150, "{path} has {} lines", text.lines().count());
    }
}
