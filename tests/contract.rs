//! Every request and response example of seed documents 000–002, through the real HTTP server, driver, store and gateway client. The
//! examples stand in `tests/seeds/` as printed; [`EDITS`] lists what has to be changed before a parser takes them.

#![allow(clippy::unwrap_used)]

mod counter;

use counter::{Card, Counter, Heard, Reply, Setup};
use serde_json::{Value, json};
use tolov::payment::card::{ResultClass, Slip};

/// Examples that are not JSON as printed: file, what is printed, what is read instead.
const EDITS: &[(&str, &str, &str)] = &[
    ("001-click_confirm.request", "514343190161\",    \n}", "514343190161\"\n}"), // a comma after the last field
    ("001-xumo.request", " (цена в сотых 00)", ""),                               // a remark behind the amount
];

/// An example as printed.
fn printed(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap()
}

/// An example as JSON text, after its edit.
fn example(name: &str) -> String {
    let mut text = printed(name);
    for (_, from, to) in EDITS.iter().filter(|(edited, _, _)| *edited == name) {
        assert!(text.contains(from), "the edit of {name} finds nothing");
        text = text.replace(from, to);
    }
    text
}

fn value(name: &str) -> Value {
    serde_json::from_str(&example(name)).unwrap()
}

fn says(name: &str) -> Reply {
    Reply::Says(printed(name))
}

/// Every field of `data` that the example prints is there with the same value, except those of `ours`, which are there with the same type.
fn agrees(heard: &Heard, name: &str, ours: &[&str]) {
    assert_eq!(heard.status, 200, "{heard:?}");
    let (told, printed) = (heard.json(), value(name));
    for field in ["error", "is_success"] {
        assert_eq!(told[field], printed[field], "{name}: {field}");
    }
    for (field, value) in printed["data"].as_object().unwrap() {
        let own = told["data"].get(field).unwrap_or_else(|| panic!("{name}: {field} is missing in {told}"));
        if ours.contains(&field.as_str()) {
            assert_eq!(std::mem::discriminant(own), std::mem::discriminant(value), "{name}: the type of {field}");
        } else {
            assert_eq!(own, value, "{name}: {field}");
        }
    }
}

/// A click reply with the `payment_id` that the confirm examples name (the vendor's later pages print it, providers.md §1).
fn click_paid() -> Reply {
    let mut reply = value("001-click.success");
    reply["data"]["payment_id"] = json!("2354512461");
    Reply::Says(reply.to_string())
}

/// A payme reply with the id that the confirm example names.
fn payme_paid() -> Reply {
    says("001-payme.success")
}

#[test]
fn an_edited_example_is_no_json_as_printed() {
    for (name, _, _) in EDITS {
        assert!(serde_json::from_str::<Value>(&printed(name)).is_err(), "{name} needs no edit");
        value(name);
    }
}

#[tokio::test]
async fn click_is_answered_as_seeds_000_and_001_print_it() {
    for seed in ["000", "001"] {
        let replies = vec![says(&format!("{seed}-click.success"))];
        let (counter, _dir) = Counter::open(Setup { replies, ..Setup::default() }).await;
        let heard = counter.till.post("/payment/click", &example(&format!("{seed}-click.request"))).await;
        agrees(&heard, &format!("{seed}-click.success"), &["transaction_id"]);
        assert_eq!(heard.json()["data"]["amount"], 500, "the response's table names the amount too");
        assert_eq!(counter.vendor.asked(), [r#"/payment/click {"amount":500,"qr_code":"880101698207133392"}"#]);
    }
}

#[tokio::test]
async fn payme_is_answered_as_every_seed_prints_it() {
    // 000 sells a code of CLICK's shape here; 001 asks for 500 and prints 100; 002's answer shows another code than its request.
    for (seed, ours) in [
        ("000", vec!["transaction_id"]),
        ("001", vec!["transaction_id", "amount", "qr_code"]),
        ("002", vec!["transaction_id", "qr_code", "inn", "kkm_id", "device_id"]),
    ] {
        let replies = vec![says(&format!("{seed}-payme.success"))];
        let (counter, _dir) = Counter::open(Setup { replies, ..Setup::default() }).await;
        let request = format!("{seed}-payme.request");
        let heard = counter.till.post("/payment/payme", &example(&request)).await;
        agrees(&heard, &format!("{seed}-payme.success"), &ours);
        let (told, asked) = (heard.json(), value(&request));
        assert_eq!((&told["data"]["amount"], &told["data"]["qr_code"]), (&asked["amount"], &asked["qr_code"]));
        assert_eq!(counter.vendor.asked(), [format!("/payment/payme {}", serde_json::to_string(&asked).unwrap())]);
    }
}

#[tokio::test]
async fn a_terminal_that_is_not_set_up_answers_the_billing_error() {
    let (counter, _dir) = Counter::open(Setup { merchant: None, ..Setup::default() }).await;
    for (seed, endpoint) in [("000", "click"), ("000", "payme"), ("001", "click"), ("001", "payme")] {
        let request = example(&format!("{seed}-{endpoint}.request"));
        let heard = counter.till.post(&format!("/payment/{endpoint}"), &request).await;
        assert_eq!((heard.status, heard.json()), (200, value(&format!("{seed}-{endpoint}.error"))));
    }
    assert_eq!(counter.till.post("/payment/xumo", &example("001-xumo.request")).await.code(), 104);
    assert!(counter.vendor.asked().is_empty());
}

#[tokio::test]
async fn click_confirm_is_answered_as_printed() {
    let replies = vec![click_paid(), says("001-click_confirm.success")];
    let (counter, _dir) = Counter::open(Setup { replies, ..Setup::default() }).await;
    counter.till.post("/payment/click", &example("001-click.request")).await;
    let heard = counter.till.post("/payment/click_confirm", &example("001-click_confirm.request")).await;
    // The example answers with another receipt than it was asked about; ours is the one that was sent.
    agrees(&heard, "001-click_confirm.success", &["qr_code"]);
    assert_eq!(heard.json()["data"]["qr_code"], value("001-click_confirm.request")["qrcodel"]);

    let blank = r#"{"payment_id":"","qrcode":"https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161"}"#;
    let heard = counter.till.post("/payment/click_confirm", blank).await;
    assert_eq!((heard.status, heard.json()), (200, value("001-click_confirm.error")));
}

#[tokio::test]
async fn payme_confirm_is_answered_as_printed() {
    let replies = vec![payme_paid(), says("001-payme_confirm.success")];
    let (counter, _dir) = Counter::open(Setup { replies, ..Setup::default() }).await;
    counter.till.post("/payment/payme", &example("001-payme.request")).await;
    let heard = counter.till.post("/payment/payme_confirm", &example("001-payme_confirm.request")).await;
    agrees(&heard, "001-payme_confirm.success", &[]);

    let mut without_sign = value("001-payme_confirm.request");
    without_sign["fiscal_sign"] = Value::Null;
    let heard = counter.till.post("/payment/payme_confirm", &without_sign.to_string()).await;
    assert_eq!((heard.status, heard.json()), (200, value("001-payme_confirm.error")));
}

/// The slip of seed 001: what stands behind `message=`.
fn seed_slip() -> String {
    let example = printed("001-xumo.success");
    let (head, slip) = example.split_once("message=").unwrap();
    assert!(head.contains("isSuccess=true"));
    slip.trim_end().trim_end_matches('}').to_owned()
}

/// What that slip says, field by field.
fn seed_slip_fields() -> Slip {
    let text = |text: &str| Some(text.to_owned());
    Slip {
        amount_minor: Some(50_000),
        rrn: text("231511584547"),
        authorisation_code: text("728892"),
        response_code: text("000"),
        card_masked: text("986009******7856"),
        terminal_id: text("01000002"),
        merchant_id: text("190339999999902"),
        shift: text("1"),
        receipt_number: text("6"),
        date: text("11/11/22"),
        time: text("17:01:07"),
        operation: text("sale"),
        approved: Some(true),
        ..Slip::default()
    }
}

#[tokio::test]
async fn xumo_is_answered_with_the_slip_as_printed_and_taken_apart() {
    let printed = seed_slip();
    let masked = hal::pinpad::slip::mask_pieces(&[&printed]).concat();
    assert!(printed.contains("HUMO CARDTEST14") && !masked.contains("CARDTEST14"));
    let (read, fields) = (hal::pinpad::slip::parse(&printed), seed_slip_fields());
    let [read] = &read[..] else { panic!("one slip: {read:?}") };
    assert_eq!((read.amount_minor, &read.rrn), (fields.amount_minor, &fields.rrn));
    assert_eq!((&read.masked_card, &read.response_code), (&fields.card_masked, &fields.response_code));
    assert_eq!((&read.authorisation_code, &read.receipt_number), (&fields.authorisation_code, &fields.receipt_number));
    assert_eq!((&read.terminal_id, &read.merchant_id), (&fields.terminal_id, &fields.merchant_id));
    assert_eq!((&read.shift, &read.date, &read.time), (&fields.shift, &fields.date, &fields.time));
    let cards = vec![Card::Says {
        slip: Box::new(fields),
        printed: printed.clone(),
        masked: masked.clone(),
        code: "000",
        class: ResultClass::Approved,
    }];
    let (counter, dir) = Counter::open(Setup { cards, ..Setup::default() }).await;
    let key = [("Idempotency-Key", "k1")];
    let heard = counter.till.post_as("/payment/xumo", &key, &example("001-xumo.request")).await;
    let told = heard.json();
    assert_eq!(told["isSuccess"], true);
    assert_eq!(told["message"], printed);
    assert_eq!((&told["is_success"], &told["error"]), (&json!(true), &Value::Null));
    let mut data = told["data"].clone();
    let id = data.as_object_mut().unwrap().remove("transaction_id").unwrap();
    assert!(uuid::Uuid::parse_str(id.as_str().unwrap()).is_ok());
    let expected = json!({
        "message": printed, "ppt_id": "231511584547", "amount": 50_000, "surcharge": null, "total": null, "rrn": "231511584547",
        "auth_code": "728892", "response_code": "000", "card": "986009******7856", "terminal_id": "01000002",
        "merchant_id": "190339999999902", "shift": "1", "receipt_number": "6", "time": "11/11/22 17:01:07", "operation": "sale",
    });
    assert_eq!(data, expected);

    // The holder's name and the card's last month are nowhere but in memory and in that answer.
    counter.close().await;
    let counter = Counter::open_on(dir.path(), Setup::default()).await;
    let again = counter.till.post_as("/payment/xumo", &key, &example("001-xumo.request")).await;
    let at_rest = heard.body.replace("HUMO CARDTEST14", &mask_of_the_holder(&printed, &masked));
    assert_eq!(again.body, at_rest.replace("Срок: 01/25", "Срок: **/**"));
    assert_ne!(again.body, heard.body);
}

/// What stands in `masked` where `printed` has the holder.
fn mask_of_the_holder(printed: &str, masked: &str) -> String {
    let before = printed.split("HUMO CARDTEST14").next().unwrap().chars().count();
    masked.chars().skip(before).take("HUMO CARDTEST14".len()).collect()
}
