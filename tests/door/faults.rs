//! Whatever is broken, a till is told what to do, and not where the terminal keeps its files.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use super::support::http::{self, Answer};
use super::support::{Bench, PATIENCE, shim};
use super::{SALE, put_secrets};

const TOKEN: (&str, &str) = ("x_auth_token", "token-of-the-front");

/// Every door, and a request there that has to look at the disk or at a device.
fn ask_everywhere(bench: &Bench, id: &str) -> Vec<(String, Answer)> {
    let link = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
    let create = r#"{"money_info":{"method_id":"click","currency":"UZS","amount":500},"idempotency_token":"t"}"#;
    let other = SALE.replace("392", "393");
    let confirm = format!("{{\"transaction_id\":\"{id}\",\"qrcode\":\"{link}\"}}");
    let (payment, order, sbp) =
        (format!("/payment/{id}"), format!("/api/v1/payment/{id}"), format!("/api/v1/sbp/sale/{id}"));
    let asked = [
        ("POST", "/payment/click".to_owned(), other.as_str()),
        ("POST", "/payment/payme".to_owned(), other.as_str()),
        ("POST", "/payment/xumo".to_owned(), r#"{"amount":50000}"#),
        ("POST", "/payment/xumo_close".to_owned(), ""),
        ("POST", "/payment/click_confirm".to_owned(), &confirm),
        ("POST", "/payment/cancel".to_owned(), ""),
        ("GET", payment, ""),
        ("POST", "/api/v1/payment/create".to_owned(), create),
        ("GET", format!("{order}/retrieve"), ""),
        ("GET", format!("{order}/retrieve/status"), ""),
        ("GET", format!("{order}/retrieve/status?wait=1&seen=paid"), ""),
        ("GET", "/api/v1/payment".to_owned(), ""),
        ("GET", "/api/v1/payment?since=2026-01-01T00:00:00Z&method=click".to_owned(), ""),
        ("GET", "/api/v1/events?after=99999999".to_owned(), ""),
        ("GET", format!("{order}/receipt"), ""),
        ("POST", format!("{order}/refund"), r#"{"idempotency_token":"r"}"#),
        ("POST", format!("{order}/accept"), r#"{"idempotency_token":"a"}"#),
        ("POST", "/api/v1/sbp/sale".to_owned(), r#"{"amount":100,"currency":"RUB","idempotency_token":"s"}"#),
        ("GET", sbp, ""),
        ("GET", "/api/v1/sbp/products".to_owned(), ""),
        ("GET", "/health/live".to_owned(), ""),
        ("GET", "/health/ready".to_owned(), ""),
        ("GET", "/metrics".to_owned(), ""),
        ("GET", "/nowhere".to_owned(), ""),
    ];
    let answer = |(method, path, body): (&str, String, &str)| {
        let answer = http::ask(bench.address, method, &path, &[TOKEN], body);
        (path.clone(), answer.unwrap_or_else(|e| panic!("{path}: {e}\n{}", bench.log())))
    };
    asked.into_iter().map(answer).collect()
}

fn tells_no_place(bench: &Bench, what: &str, answers: &[(String, Answer)]) {
    let dir = bench.dir.path().display().to_string();
    for (path, answer) in answers {
        let told = format!("{}\n{}", answer.head, answer.body);
        for inner in [dir.as_str(), "/dev/", "panicked", "backtrace", ".rs:", ".cargo", "rustc", "journal.db"] {
            assert!(!told.contains(inner), "{what}: {path} tells {inner}: {told}");
        }
    }
}

/// What reads the past, asked by so many at once that the terminal has to open its store once more.
fn ask_while_the_store_is_away(bench: &Bench, id: &str) -> Vec<(String, Answer)> {
    let files: Vec<PathBuf> = fs::read_dir(bench.store()).unwrap().map(|file| file.unwrap().path()).collect();
    let away = |file: &Path| PathBuf::from(format!("{}.away", file.display()));
    for file in &files {
        fs::rename(file, away(file)).unwrap();
    }
    let paths = [
        "/api/v1/payment?limit=100".to_owned(),
        "/api/v1/payment?since=2026-01-01T00:00:00Z".to_owned(),
        "/api/v1/events?after=99999999".to_owned(),
        format!("/api/v1/payment/{id}/retrieve/status?wait=1&seen=paid"),
        format!("/api/v1/payment/{id}/retrieve"),
        format!("/payment/{id}"),
    ];
    let address = bench.address;
    let refused = |path: &String| {
        let since = Instant::now();
        loop {
            let asking: Vec<_> = (0..12)
                .map(|_| {
                    let path = path.clone();
                    thread::spawn(move || http::get_with(address, &path, &[TOKEN]).unwrap())
                })
                .collect();
            let answers = asking.into_iter().map(|till| till.join().unwrap());
            if let Some(answer) = answers.fold(None, |found, answer| found.or((answer.status == 503).then_some(answer)))
            {
                return (path.clone(), answer);
            }
            assert!(since.elapsed() < PATIENCE, "{path} never missed the store");
        }
    };
    let answers = paths.iter().map(refused).collect();
    for file in &files {
        fs::rename(away(file), file).unwrap();
    }
    answers
}

#[test]
fn no_answer_names_a_file_of_the_terminal_whatever_is_broken_and_the_log_does() {
    let mut bench = Bench::new();
    put_secrets(&bench, &[("till_front", TOKEN.1)]);
    // The PinPad's line is not there.
    fs::remove_file(bench.dir.path().join("pinpad")).unwrap();
    let (full, read_only) = (bench.dir.path().join("full"), bench.dir.path().join("read-only"));
    let mut command = bench.command();
    shim::put_on(&mut command, &bench.store());
    command.env("SHIM_NO_DISK", "1").env("SHIM_FULL", &full).env("SHIM_READ_ONLY", &read_only);
    bench.start_with(command);
    let sold = http::post(bench.address, "/payment/click", SALE, &[TOKEN]).unwrap();
    let id = sold.json()["data"]["transaction_id"].as_str().unwrap().to_owned();
    tells_no_place(&bench, "no PinPad", &ask_everywhere(&bench, &id));
    bench.says(bench.dir.path().join("pinpad").to_str().unwrap());

    fs::write(&full, "0").unwrap();
    let answers = ask_everywhere(&bench, &id);
    assert!(answers.iter().any(|(_, answer)| answer.status == 503), "a full disk refuses");
    tells_no_place(&bench, "a full disk", &answers);
    fs::remove_file(&full).unwrap();
    fs::write(&read_only, "").unwrap();
    tells_no_place(&bench, "a disk that is read only", &ask_everywhere(&bench, &id));
    fs::remove_file(&read_only).unwrap();

    tells_no_place(&bench, "a store that is away", &ask_while_the_store_is_away(&bench, &id));

    for file in fs::read_dir(bench.store()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let mut file = fs::File::options().write(true).open(path).unwrap();
            file.rewind().unwrap();
            file.write_all(&[0xA5; 65_536]).unwrap();
        }
    }
    tells_no_place(&bench, "a damaged store", &ask_everywhere(&bench, &id));
}
