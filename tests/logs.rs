//! What the log says of a sale: each line about it names it, and no line has what nobody may read. The whole daemon, told to say everything it can.

#![cfg(feature = "demo")]

#[path = "logs/journald.rs"]
mod journald;
mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http};
use tolov::demo::qrm::ATOL_KEY;
use tolov::limits;

const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
const CODE: &str = "880101698207133392";
const OTHER_CODE: &str = "880101698207133393";
const TILL: [(&str, &str); 1] = [("x_auth_token", TILL_TOKEN)];

/// Lines that are about no payment: the house's own, at any moment.
const OF_THE_HOUSE: &[&str] = &[
    "ready",
    "looked at the queue",
    "a socket to QRManager is open",
    "the scanner is not there",
    "an answer that is no upgrade",
    "a connection ended early",
    "still no socket to QRManager",
    "no socket to QRManager; codes are asked about by REST",
    "RTS cannot be raised on this line",
    "QRManager's socket sends to REST",
    "a status that is surely about no code here",
];

fn bench(format: &str, level: &str) -> Bench {
    let mut bench = bench_for(format);
    let mut command = bench.command();
    command.env("TOLOV_LOG", level);
    bench.start_with(command);
    bench.wait_for_pinpad();
    bench
}

/// One whose daemon does not run yet.
fn bench_for(format: &str) -> Bench {
    let bench = Bench::with_pinpad_and_qrm(|_| {});
    let mut configuration = fs::File::options().append(true).open(bench.configuration()).expect("the configuration");
    writeln!(configuration, "\n[log]\nformat = \"{format}\"").expect("another section");
    bench
}

/// A sale by CLICK with its receipt, one by card that is voided, one by SBP that is paid and given back. Their names.
fn sell(bench: &Bench) -> [String; 3] {
    let id =
        |answer: &Value| answer["data"]["transaction_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let click = json!({"amount": 500, "qr_code": CODE, "order_id": "order-of-a-customer"}).to_string();
    let click = http::post(bench.address, "/payment/click", &click, &TILL).expect("an answer").json();
    let confirm = json!({"payment_id": click["data"]["payment_id"], "qrcode": LINK}).to_string();
    assert_eq!(bench.post("/payment/click_confirm", &confirm).json()["is_success"], json!(true));

    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let headers = [TILL[0], ("Idempotency-Key", "key-of-a-till")];
    let card = http::post(bench.address, "/payment/xumo", r#"{"amount":50000}"#, &headers).expect("an answer").json();
    let void = json!({"amount": 50_000, "is_return": true, "request_id": card["data"]["ppt_id"]}).to_string();
    assert_eq!(bench.post("/payment/xumo", &void).json()["isSuccess"], json!(true));

    let body = r#"{"amount":95000,"currency":"RUB","idempotency_token":"token-of-a-sale"}"#;
    let sbp = http::post(bench.address, "/api/v1/sbp/sale", body, &TILL).expect("an answer").json();
    let sbp_id = sbp["transaction_id"].as_str().unwrap_or_else(|| panic!("{sbp}")).to_owned();
    bench.vendors.qrm().pay(sbp["qr_link"].as_str().expect("its link")).expect("a phone that pays");
    let path = format!("/api/v1/sbp/sale/{sbp_id}");
    let status = || http::get_with(bench.address, &path, &TILL).expect("an answer").json()["payment_status"].clone();
    bench.until("it is paid", || status() == json!("paid"));
    let back = r#"{"amount":95000,"currency":"RUB","idempotency_token":"token-of-a-refund"}"#;
    http::post(bench.address, &format!("{path}/refund"), back, &TILL).expect("an answer");
    bench.until("it was given back", || status() == json!("refunded"));
    [id(&click), id(&card), sbp_id]
}

/// A sale through the door of every method, which a code that is shown makes one by CLICK. Its name.
fn sell_by_whatever_is_shown(bench: &Bench) -> String {
    let ask =
        |path: &str, body: Value| http::post(bench.address, path, &body.to_string(), &TILL).expect("an answer").json();
    let money = json!({"method_id": "auto", "currency": "UZS", "amount": 300});
    let made = ask("/api/v1/payment/create", json!({"idempotency_token": "token-of-a-create", "money_info": money}));
    let id = made["transaction_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let path = format!("/api/v1/payment/{id}");
    let accept = json!({"idempotency_token": "token-of-an-accept", "accept_info": {"qr_code": OTHER_CODE}});
    ask(&format!("{path}/accept"), accept);
    let status = || http::get_with(bench.address, &format!("{path}/retrieve/status"), &TILL).expect("an answer").body;
    bench.until("it is paid", || status().contains("\"paid\""));
    id
}

/// The program's own lines, as JSON.
fn lines(bench: &Bench) -> Vec<Value> {
    let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    bench.log().lines().map(parsed).collect()
}

fn is_ours(line: &Value) -> bool {
    let target = line["target"].as_str().unwrap_or_default();
    ["tolov", "hal", "pinpad"].iter().any(|own| target == *own || target.starts_with(&format!("{own}::")))
}

#[test]
fn each_line_about_a_sale_names_it() {
    let mut bench = bench("json", "info,tolov=trace,hal=trace,pinpad=trace");
    // What was said at the start is written a moment later.
    bench.until("the log stands still", || {
        let so_far = bench.log();
        std::thread::sleep(limits::wait(20 * limits::LOG_GATHER_MS));
        bench.log() == so_far
    });
    let before = lines(&bench).len();
    let ids = sell(&bench);
    let auto = sell_by_whatever_is_shown(&bench);
    bench.until("the receipt is confirmed", || bench.log().contains("\"state\":\"confirmed\""));
    // The log is written beside the sales, and may be behind them.
    let is_end = |line: &&str| line.contains("\"the sale went on\"") && line.contains("\"state\":\"paid\"");
    bench.until("each end is said", || bench.log().lines().filter(is_end).count() == 4);
    bench.cut();
    let said: Vec<Value> = lines(&bench).into_iter().skip(before).filter(is_ours).collect();
    let of =
        |id: &str| -> Vec<&Value> { said.iter().filter(|line| line["span"]["transaction_id"] == json!(id)).collect() };
    for line in &said {
        let message = line["message"].as_str().unwrap_or_default();
        let named = ids.iter().chain([&auto]).any(|id| line["span"]["transaction_id"] == json!(id));
        assert!(named || OF_THE_HOUSE.contains(&message), "a line about no sale: {line}");
    }
    let [click, card, sbp] = ids.each_ref().map(|id| of(id));
    for (method, lines, expected) in [
        (
            "click",
            &click,
            [
                "a till asks about it",
                "a sale was begun",
                "the provider is asked for the money",
                "the provider's answer, or the lack of one",
                "the sale went on",
                "its receipt went on",
                "a receipt is handed to its provider",
            ]
            .as_slice(),
        ),
        (
            "humo",
            &card,
            ["a till asks about it", "a sale was begun", "the sale went on", "a refund went on"].as_slice(),
        ),
        (
            "sbp",
            &sbp,
            ["a sale was begun", "its code was made", "a code's status", "the sale went on", "a refund went on"]
                .as_slice(),
        ),
    ] {
        for message in expected {
            assert!(
                lines.iter().any(|line| line["message"] == json!(message)),
                "{method} lacks “{message}”: {lines:#?}"
            );
        }
        assert!(lines.iter().all(|line| line["span"]["method"] == json!(method)), "{method}: {lines:#?}");
    }
    let auto: Vec<(&Value, &Value)> =
        of(&auto).into_iter().map(|line| (&line["message"], &line["span"]["method"])).collect();
    assert!(auto.contains(&(&json!("a sale was begun"), &json!("auto"))), "{auto:#?}");
    assert!(auto.contains(&(&json!("the provider is asked for the money"), &json!("click"))), "{auto:#?}");
    assert!(card.iter().any(|line| line["target"] == json!("pinpad::wire")), "the PinPad's wire: {card:#?}");
    assert!(card.iter().any(|line| line["span"]["till"] == json!("bench")), "{card:#?}");
    let ends: Vec<&Value> = said
        .iter()
        .filter(|line| line["message"] == json!("the sale went on") && line["state"] == json!("paid"))
        .collect();
    assert_eq!(ends.len(), 4, "{ends:#?}");
}

#[test]
fn a_refusal_at_each_door_names_its_till_and_what_it_is_about() {
    let mut bench = bench("json", "info");
    let [click, _, sbp] = sell(&bench);
    let auto = sell_by_whatever_is_shown(&bench);
    let before = lines(&bench).len();
    let refused = |path: &str, body: &Value| {
        let answer = http::post(bench.address, path, &body.to_string(), &TILL).expect("an answer");
        assert!(answer.status >= 400 || answer.body.contains("\"is_success\":false"), "{path}: {}", answer.body);
    };
    let token = json!({"idempotency_token": "token-of-a-refusal"});
    refused("/payment/cancel", &json!({"transaction_id": click}));
    refused(&format!("/api/v1/payment/{auto}/accept"), &token);
    refused(&format!("/api/v1/payment/{auto}/refund"), &token);
    refused(&format!("/api/v1/sbp/sale/{sbp}/cancel"), &json!({}));
    let refusals = |bench: &Bench| {
        let said = lines(bench).into_iter().skip(before);
        said.filter(|line| line["message"] == json!("a till was refused")).collect::<Vec<_>>()
    };
    bench.until("each refusal is said", || bench.log().ends_with('\n') && refusals(&bench).len() >= 4);
    bench.cut();
    let said = refusals(&bench).into_iter();
    let named: Vec<Value> = said
        .map(|line| {
            assert_eq!(line["span"]["till"], json!("bench"), "{line}");
            line["span"]["transaction_id"].clone()
        })
        .collect();
    assert_eq!(named, [json!(click), json!(auto), json!(auto), json!(sbp)]);
}

#[test]
fn what_goes_wrong_at_the_pinpad_is_said_of_the_payment_that_it_happens_to() {
    let mut bench = bench("json", "info");
    let body = json!({"idempotency_token": "token-of-a-create", "money_info": {"method_id": "humo", "currency": "UZS", "amount": 300}});
    let ask = |path: &str, body: &Value| http::post(bench.address, path, &body.to_string(), &TILL).expect("an answer");
    let made = ask("/api/v1/payment/create", &body).json();
    let id = made["transaction_id"].as_str().unwrap_or_else(|| panic!("{made}"));
    ask(&format!("/api/v1/payment/{id}/accept"), &json!({"idempotency_token": "token-of-an-accept"}));
    bench.until("a card is asked for", || bench.vendors.pinpad.screen() == "ВСТАВЬТЕ КАРТУ");
    bench.vendors.pinpad.pull_cable();
    bench.until("its end is in doubt", || bench.log().contains("nobody knows whether its money moved"));
    bench.cut();
    let lines = lines(&bench);
    let down: Vec<&Value> = lines.iter().filter(|line| line["message"] == json!("the PinPad's line is down")).collect();
    assert!(down.iter().any(|line| line["span"]["transaction_id"] == json!(id)), "{down:#?}");
}

#[test]
fn no_line_has_a_code_a_phone_a_key_or_what_a_till_has_chosen_however_much_is_asked_for() {
    let mut bench = bench("json", "trace");
    let ids = sell(&bench);
    sell_by_whatever_is_shown(&bench);
    ids.iter().for_each(|id| bench.says(id));
    bench.cut();
    let log = bench.log();
    assert!(ids.iter().all(|id| log.contains(id.as_str())), "the log was not heard");
    for target in ["hyper", "tokio_tungstenite"] {
        assert!(log.contains(&format!("\"target\":\"{target}")), "{target} was not heard");
    }
    let entries = bench.vendors.qrm().operations();
    let links: Vec<String> = entries.iter().map(|operation| operation.qr_link.clone()).collect();
    let secrets = [
        CODE,
        OTHER_CODE,
        "token-of-a-create",
        "token-of-an-accept",
        ATOL_KEY,
        TILL_TOKEN,
        "order-of-a-customer",
        "key-of-a-till",
        "token-of-a-sale",
        "token-of-a-refund",
        LINK,
    ];
    for secret in secrets.into_iter().chain(links.iter().map(String::as_str)) {
        let shown = log.lines().find(|line| line.contains(secret));
        assert!(shown.is_none(), "{secret}: {shown:?}");
    }
    // A phone of the simulated customers, and a card's number.
    let digits = |line: &&str| {
        let longest = line.split(|c: char| !c.is_ascii_digit()).filter(|run| run.starts_with("998") || run.len() >= 16);
        longest
            .filter(|run| run.len() == 12 && run.starts_with("998") || run.len() == 16 && run.starts_with("9860"))
            .count()
            > 0
    };
    let shown = log.lines().find(digits);
    assert!(shown.is_none(), "{shown:?}");
}

#[test]
fn a_log_for_people_names_the_sale_in_front_of_each_line_and_has_no_colours_in_a_file() {
    let mut bench = bench("auto", "info");
    let [click, ..] = sell(&bench);
    bench.says(&click);
    bench.cut();
    let log = bench.log();
    let begun = log.lines().find(|line| line.contains("a sale was begun") && line.contains(&click));
    let begun = begun.unwrap_or_else(|| panic!("{log}"));
    assert!(begun.contains("payment{transaction_id=") && begun.contains("method=\"click\""), "{begun}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_no_sale_and_is_told_afterwards_how_much_it_missed() {
    let mut bench = bench_for("text");
    let mut command = bench.command();
    command.env("TOLOV_LOG", "trace").stderr(Stdio::piped());
    bench.start_with(command);
    bench.wait_for_pinpad();
    // Some fifteen lines each: more than a pipe and the queue before it hold.
    for number in 0..300 {
        let sale = json!({"amount": 500, "qr_code": format!("8801{number:014}")}).to_string();
        assert_eq!(bench.post("/payment/click", &sale).json()["is_success"], json!(true));
    }
    let mut pipe = bench.daemon.as_mut().and_then(|daemon| daemon.stderr.take()).expect("its pipe");
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let hears = heard.clone();
    let reader = std::thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut some) {
            hears.lock().expect("what was heard").extend_from_slice(&some[..read]);
        }
    });
    let text = || String::from_utf8_lossy(&heard.lock().expect("what was heard")).into_owned();
    bench.until("it is told what it missed", || {
        text().contains("the log cannot keep up: these lines were left out lines=")
    });
    bench.cut();
    reader.join().expect("the reader");
    bench.audit();
}
