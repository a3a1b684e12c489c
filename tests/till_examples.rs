//! The two example tills, `examples/till.rs` and `examples/till.py`: each sells, brings the receipt, and after its own crash finishes what it
//! had begun, with one charge in the provider's books.

#![cfg(feature = "demo")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::{Bench, TILL_TOKEN, http};
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

/// A till in whose way something stands for good: the cashier hears of it, and the next order is sold.
fn goes_on_after_a_refusal(command: fn() -> Command) {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    let file = bench.dir.path().join("till.json");
    let sell = |words: &[&str]| {
        let mut till = command();
        till.arg(format!("http://{}", bench.address)).arg(TILL_TOKEN).arg(&file).args(words);
        said(&till.output().expect("the till"))
    };
    let used = "880000000000000001";
    assert!(sell(&["click", "UZS", "500", used]).contains(" paid\n"));

    let refused = sell(&["click", "UZS", "700", used]);
    assert!(refused.contains("put aside") && refused.contains("code_used"), "{refused}");
    assert!(!file.exists(), "it is not in the way: {refused}");
    let next = sell(&["click", "UZS", "700", "880000000000000002"]);
    assert!(next.contains(" paid\n") && !next.contains("begun"), "{next}");

    let foreign = sell(&["click", "RUB", "800", "880000000000000003"]);
    assert!(foreign.contains("put aside") && foreign.contains("validation_error"), "{foreign}");
    assert!(sell(&["click", "UZS", "800", "880000000000000003"]).contains(" paid\n"));

    // Killed after it had created a payment, which somebody called off meanwhile.
    let order = r#"{"token": "t", "words": ["click", "UZS", "900", "880000000000000004"], "method": "click", "currency": "UZS", "amount": "900",
        "money_info": {"method_id": "click", "currency": "UZS", "amount": 900}, "qr_code": "880000000000000004"}"#;
    let ask = |path: &str, body: &str| {
        http::post(bench.address, path, body, &[("x_auth_token", TILL_TOKEN)]).expect("the terminal").json()
    };
    let money = r#"{"method_id": "click", "currency": "UZS", "amount": 900}"#;
    let created = format!("{{\"idempotency_token\": \"t-create\", \"money_info\": {money}}}");
    let created = ask("/api/v1/payment/create", &created);
    let id = created["transaction_id"].as_str().expect("a payment");
    let off = ask(&format!("/api/v1/payment/{id}/cancel"), r#"{"idempotency_token": "somebody"}"#);
    assert_eq!(off["payment_status"], "cancelled");
    std::fs::write(&file, order).expect("the till's file");
    let both = sell(&["click", "UZS", "950", "880000000000000005"]);
    let (earlier, later) = both.split_once(" cancelled\n").unwrap_or_else(|| panic!("{both}"));
    assert!(earlier.contains("finishing first what was begun") && later.contains(" paid\n"), "{both}");
    assert_eq!((charges(&bench, "880000000000000004"), charges(&bench, "880000000000000005")), (0, 1));
    assert!(!file.exists());

    // A token that is refused says nothing about the order.
    std::fs::write(&file, order.replace("\"t\"", "\"another\"")).expect("the till's file");
    let mut stranger = command();
    stranger.arg(format!("http://{}", bench.address)).arg("no-such-token").arg(&file);
    let turned_away = stranger.output().expect("the till");
    assert!(!turned_away.status.success() && file.exists(), "{}", said(&turned_away));
    bench.audit();
}

#[test]
fn the_till_in_rust_goes_on_with_the_next_order_after_one_that_was_refused() {
    goes_on_after_a_refusal(rust);
}

#[test]
fn the_till_in_python_goes_on_with_the_next_order_after_one_that_was_refused() {
    goes_on_after_a_refusal(python);
}

#[test]
fn the_tills_are_short_enough_to_be_read() {
    for path in ["examples/till.rs", "examples/till.py"] {
        let text = std::fs::read_to_string(support::repository(path)).expect("an example");
        assert!(text.lines().count() <= 150, "{path} has {} lines", text.lines().count());
    }
}
