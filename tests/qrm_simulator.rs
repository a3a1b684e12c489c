//! Every request and answer that QRManager's document prints (seed 004), against its simulator: plain HTTP in this test's own words, bytes as
//! they are printed. The same examples are put to our client in `tests/qrm.rs`; so neither can drift from the document alone.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "one of these examples is not of this test")]
#[path = "qrm/printed.rs"]
mod printed;
#[path = "qrm_simulator/rig.rs"]
mod rig;
#[path = "qrm_simulator/socket.rs"]
mod socket;

use printed::{Curl, example, value};
use rig::{Rig, edited_key, same_shape};
use serde_json::{Value, json};
use tolov::demo::qrm::{
    ATOL_KEY, CASH_LINK_KEY, Fault, FaultKind, LOYALTY_KEY, Method, NOMENCLATURE_KEY, OFD_RU_KEY, PLAIN_KEY, Product,
    QrmSimSettings, Standing, Switches, What, seed_terminals,
};

/// The product of §2.2's and §3's printed bodies.
fn with_product(id: &str, name: &str, price: i64) -> QrmSimSettings {
    let mut terminals = seed_terminals();
    for terminal in &mut terminals {
        terminal.products = vec![Product::new(id, name, price)];
    }
    QrmSimSettings { terminals, ..QrmSimSettings::default() }
}

fn test_zone() -> Rig {
    Rig::with(QrmSimSettings { test_zone: true, ..QrmSimSettings::default() })
}

#[test]
fn a_code_is_made_as_2_1_prints_it() {
    let rig = Rig::new();
    let heard = rig.curl(&Curl::read("2.1.curl"));
    same_shape(&heard.ok(), &value("2.1.expected"), &[]);
    assert!(heard.text("qr_link").contains("&sum=10000&cur=RUB"), "{heard:?}");
    same_shape(&rig.post(PLAIN_KEY, "/operations/qr-code/", &example("2.1.body")).ok(), &value("2.1.answer"), &[]);
    let made = rig.sim.operations();
    assert_eq!(made[1].purpose.as_deref(), Some("Иванов И.И. Договор №345567356324, плата за обучение"));
    assert_eq!((made[0].sum_kopecks, made[1].sum_kopecks), (10_000, 1_000));
    // Without `qr_size` there is no picture.
    let bare = rig.post(PLAIN_KEY, "/operations/qr-code/", r#"{"sum":10000}"#).ok();
    assert_eq!(bare["results"].as_object().unwrap().len(), 3);
}

#[test]
fn the_errors_of_2_1_have_their_printed_shapes() {
    assert_eq!(QrmSimSettings::default().bank_wait_ms, 5_000, "\"через 5 секунд клиент получит сообщение об ошибке\"");
    let rig = Rig::with(QrmSimSettings { bank_wait_ms: 20, ..QrmSimSettings::default() });
    let make = |body: &str| rig.post(PLAIN_KEY, "/operations/qr-code/", body);
    rig.fault(Method::Code, FaultKind::BankSilent);
    assert_eq!(make(r#"{"sum":1}"#).no(400), value("2.1.bank_timeout"));
    let text = "<Ошибка, полученная из банка или СБП>".to_owned();
    rig.fault(Method::Code, FaultKind::Refused { text });
    assert_eq!(make(r#"{"sum":1}"#).no(400), value("2.1.detail_error"));
    let (name, text) = ("<field>".to_owned(), "<message>".to_owned());
    rig.fault(Method::Code, FaultKind::Field { name, text });
    assert_eq!(make(r#"{"sum":1}"#).no(400), value("2.1.field_error"));
    for (field, body) in [
        ("sum", json!({})),
        ("sum", json!({"sum": -1})),
        ("sum", json!({"sum": 100_000_001})),
        ("sum", json!({"sum": 1.5})),
        ("qr_size", json!({"sum": 1, "qr_size": 99})),
        ("qr_size", json!({"sum": 1, "qr_size": 1_001})),
        ("payment_purpose", json!({"sum": 1, "payment_purpose": "я".repeat(141)})),
    ] {
        let told = make(&body.to_string()).no(400);
        let messages = told.as_object().unwrap();
        assert_eq!(messages.keys().collect::<Vec<_>>(), [field], "{body}");
        assert!(messages[field][0].is_string(), "{told}");
    }
    make(&json!({"sum": 0, "payment_purpose": "я".repeat(140), "qr_size": 1_000}).to_string()).ok();
    let uuid = "310852c0-945e-4e59-aabe-bda80d8b408e";
    let told = rig.get(PLAIN_KEY, &format!("/operations/{uuid}/qr-status/")).no(400);
    assert_eq!(told.to_string(), value("2.1.not_found").to_string().replace("<uuid>", uuid));
}

#[test]
fn a_code_with_products_is_made_as_2_2_prints_it() {
    let rig = Rig::new();
    same_shape(&rig.curl(&Curl::read("2.2.curl")).ok(), &value("2.2.expected"), &[]);
    assert!(matches!(rig.sim.entries()[0].what, What::Operation { lines: 1, sum_kopecks: 91_500, .. }));
    // The printed body has count 0 and price 0, which its own table does not allow.
    let rig = Rig::with(with_product("3fa85f64-5717-4562-b3fc-2c963f66afa6", "x", 1));
    let told = rig.post(NOMENCLATURE_KEY, "/operations/qr-code/", &example("2.2.body")).no(400);
    assert_eq!(told.as_object().unwrap().keys().collect::<Vec<_>>(), ["count", "price"]);
    let mut body = value("2.2.body");
    body["nomenclature"][0]["count"] = 1.into();
    body["nomenclature"][0]["price"] = 1_000.into();
    rig.post(NOMENCLATURE_KEY, "/operations/qr-code/", &body.to_string()).ok();
    body["nomenclature"][0]["product_id"] = "f1fccfff-06a9-44c2-8c07-7622f20b0e43".into();
    let told = rig.post(NOMENCLATURE_KEY, "/operations/qr-code/", &body.to_string()).no(400);
    assert!(told["product_id"][0].is_string(), "a product of another terminal: {told}");
}

#[test]
fn products_are_listed_as_3_prints_them() {
    let rig = Rig::with(with_product("f1fccfff-06a9-44c2-8c07-7622f20b0e43", "Продукт №1", 123));
    let curl = Curl::read("3.curl");
    assert_eq!(rig.curl(&curl).ok(), value("3.expected"));
    let slash = Curl { path: format!("{}/", curl.path), ..curl.clone() };
    assert_eq!(rig.curl(&slash).ok(), value("3.answer"));
    let many = Rig::new().curl(&curl).ok();
    assert_eq!((many.as_array().unwrap().len(), &many[0]), (2, &value("3.answer")), "several come as a list");
}

#[test]
fn a_status_is_told_over_rest_as_4_2_prints_it() {
    // In the test zone the question itself pays (§5 "Тестовые данные").
    let rig = test_zone();
    let made = rig.make(PLAIN_KEY, 10_000);
    let curl = Curl::read("4.2.curl").at("310852c0-945e-4e59-aabe-bda80d8b408e", &made.id);
    assert_eq!(rig.curl(&curl).ok(), value("4.2.expected"));
    assert!(matches!(rig.sim.pay(&made.id), Err(tolov::demo::qrm::PhoneError::TestZone)));
    // Elsewhere a phone does. The table, number by number:
    let rig = Rig::new();
    let made = rig.make(PLAIN_KEY, 10_000);
    let status = |id: &str| rig.get(PLAIN_KEY, &format!("/operations/{id}/qr-status/")).ok();
    let told =
        |code: i64, words: &str| json!({"results": {"operation_status_code": code, "operation_status_msg": words}});
    assert_eq!(status(&made.id), told(3, "Создан"));
    rig.sim.open(&made.id).unwrap();
    assert_eq!(status(&made.id), value("4.2.answer"));
    rig.sim.decline(&made.id).unwrap();
    assert_eq!(status(&made.id), told(6, "Отменен"));
    rig.sim.pay(&made.id).unwrap();
    assert_eq!(status(&made.id), value("4.2.expected"));
    let other = rig.make(PLAIN_KEY, 10_000);
    rig.sim.expire(&other.id).unwrap();
    assert_eq!(status(&other.id), told(8, "Просрочено"));
    rig.fault(Method::Status, FaultKind::Unknown);
    assert_eq!(status(&other.id), told(0, "Время ожидания истекло"));
    rig.fault(Method::Status, FaultKind::Refused { text: "Описание ошибки.".to_owned() });
    let path = format!("/operations/{}/qr-status/", other.id);
    assert_eq!(rig.get(PLAIN_KEY, &path).no(400), value("4.2.error"));
    assert_eq!(rig.get(LOYALTY_KEY, &path).no(400).as_object().unwrap().len(), 1, "another terminal's operation");
}

#[test]
fn receipts_are_registered_as_5_prints_it() {
    for (key, name, printed, receipts) in [
        (ATOL_KEY, "atol", "7786-0666-4734-9487", "https://consumer.1-ofd-test.ru/ticket?t="),
        (OFD_RU_KEY, "ofd_ru", "4154-2308-1431-6192", "https://check-demo.ofd.ru/rec/"),
    ] {
        let rig = test_zone();
        for example_of in ["curl", "body"] {
            let made = rig.make(key, 50_000);
            rig.get(key, &format!("/operations/{}/qr-status/", made.id)).ok();
            let heard = if example_of == "curl" {
                rig.curl(&Curl::read(&format!("5.1.{name}_curl")).at(printed, &made.number))
            } else {
                let body = example(&format!("5.1.{name}_body")).replace("номер вашей операции", &made.number);
                rig.post(key, &format!("/operations/{}/receipt/", made.number), &body)
            };
            assert_eq!(heard.ok(), value("5.1.answer"), "{name}");
            let status = || rig.get(key, &format!("/operations/{}/receipt/status/", made.number)).ok();
            assert_eq!(status(), json!({"status": "wait", "ofd_receipt_url": "", "error": ""}));
            rig.until(|| status()["status"] == "done");
            // The printed link is cut off.
            let (mut done, mut printed) = (status(), value("5.2.answer"));
            assert!(done["ofd_receipt_url"].take().as_str().unwrap().starts_with(receipts));
            printed["ofd_receipt_url"].take();
            assert_eq!(done, printed);
        }
    }
}

#[test]
fn the_errors_of_5_have_their_printed_words() {
    let rig = Rig::new();
    let (path, body) = (
        |number: &str| format!("/operations/{number}/receipt/"),
        |made: &rig::Made, rubles: i64| {
            let body = example("5.1.atol_body").replace("номер вашей операции", &made.number);
            body.replace(": 500", &format!(": {rubles}"))
        },
    );
    let made = rig.make(ATOL_KEY, 50_000);
    let told = rig.post(ATOL_KEY, &path(&made.number), &body(&made, 500)).no(404);
    assert_eq!(told.to_string(), value("5.1.not_paid").to_string().replace("{number}", &made.number));
    rig.sim.pay(&made.id).unwrap();
    let errors: Vec<String> =
        example("5.1.errors").lines().map(|line| line.trim().trim_matches('"').to_owned()).collect();
    let said = |text: &str| json!({ "detail": text });
    let register = |number: &str, body: &str| rig.post(ATOL_KEY, &path(number), body).no(400);
    assert_eq!(register("1111-2222-3333-4444", &body(&made, 500)), said(&errors[0]));
    assert_eq!(register(&made.number, &body(&made, 501)), said(&errors[7]));
    let plain = rig.make(PLAIN_KEY, 50_000);
    rig.sim.pay(&plain.id).unwrap();
    assert_eq!(rig.post(PLAIN_KEY, &path(&plain.number), &body(&plain, 500)).no(400), said(&errors[2]));
    let broken = register(&made.number, &body(&made, 500).replace("5544332219", "1"));
    let beginning = errors[6].replace("текст ошибки", "");
    assert!(broken["detail"].as_str().unwrap().starts_with(&beginning), "{broken}");
    for text in [&errors[3], &errors[4], &errors[5], &errors[8]] {
        rig.fault(Method::Receipt, FaultKind::Refused { text: text.clone() });
        assert_eq!(register(&made.number, &body(&made, 500)), said(text));
    }
    let failure = "[-3975] Некорректное значение параметров команды ФН";
    rig.sim.set_switches(Switches { receipts_fail: Some(failure.to_owned()), ..Switches::default() });
    let status = || rig.get(ATOL_KEY, &format!("/operations/{}/receipt/status/", made.number)).ok();
    rig.post(ATOL_KEY, &path(&made.number), &body(&made, 500)).ok();
    rig.until(|| status()["status"] == "fail");
    assert_eq!(status(), json!({"status": "fail", "ofd_receipt_url": "", "error": failure}));
    rig.sim.set_switches(Switches::default());
    // "необходимо их исправлять и повторно отправлять запросы"
    rig.post(ATOL_KEY, &path(&made.number), &body(&made, 500)).ok();
    assert_eq!(register(&made.number, &body(&made, 500)), said(&errors[1]));
    rig.fault(Method::ReceiptStatus, FaultKind::Refused { text: "<Описание ошибки>".to_owned() });
    let told = rig.get(ATOL_KEY, &format!("/operations/{}/receipt/status/", made.number)).no(400);
    assert_eq!(told, value("5.2.error"));
}

#[test]
fn a_cash_link_is_registered_activated_and_deactivated_as_printed() {
    let rig = test_zone();
    let registered = rig.curl(&Curl::read("cash.register_curl"));
    same_shape(&registered.ok(), &value("cash.register_expected"), &["status"]);
    let link = registered.text("cashQrId");
    let printed = "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44";
    let activated = rig.curl(&Curl::read("cash.activate_curl").at(printed, &link));
    same_shape(&activated.ok(), &value("cash.activate_expected"), &[]);
    let operation = activated.text("operation_Id");
    let status = || {
        rig.get(CASH_LINK_KEY, &format!("/operations/{operation}/cash-qr/status/")).ok()["results"]["status"].clone()
    };
    assert_eq!(status(), 3, "\"Можно проверить её статус, который должен вернуть значение “Создан”\"");
    let deactivated = rig.curl(&Curl::read("cash.deactivate_curl").at(printed, &link));
    assert_eq!(deactivated.ok(), value("cash.deactivate_expected"));
    assert_eq!(status(), 7);
    assert_eq!(rig.sim.operation(&operation).unwrap().standing, Standing::Cancelled);
    // Another key has no cash links in the test zone.
    rig.post(PLAIN_KEY, "/operations/cash-qr/", "").no(400);
}

#[test]
fn the_descriptions_of_cash_links_print_other_answers() {
    let settings = QrmSimSettings { bare_answers: true, ..QrmSimSettings::default() };
    let rig = Rig::with(settings);
    let registered = rig.post(CASH_LINK_KEY, "/operations/cash-qr/", &example("cash.register_body")).ok();
    // The printed link has a sum in it, which one that is registered and not active has not; nor has that of the test data.
    let mut printed = value("cash.register_answer");
    printed["cashQrLink"] = json!(printed["cashQrLink"].as_str().unwrap().replace("&sum=10000&cur=RUB", ""));
    same_shape(&registered, &printed, &["status"]);
    let path = format!("/operations/cash-qr/{}/activate/", registered["cashQrId"].as_str().unwrap());
    let activated = rig.post(CASH_LINK_KEY, &path, &example("cash.activate_body")).ok();
    same_shape(&activated, &value("cash.activate_answer"), &[]);
    let operation = activated["operation_Id"].as_str().unwrap();
    assert_eq!(rig.sim.operation(operation).unwrap().purpose.as_deref(), Some("Оплата по договору №123454"));
    rig.sim.decline(operation).unwrap();
    let status = rig.get(CASH_LINK_KEY, &format!("/operations/{operation}/cash-qr/status/")).ok();
    assert_eq!(status, value("cash.status_answer"));
    let off = rig.send("DELETE", CASH_LINK_KEY, &path.replace("activate", "deactivate"), "").ok();
    assert_eq!(off, value("cash.deactivate_answer"));
    // "Исправлено с operationId на operation_id" (24.01.2023)
    for key in ["operation_id", "operationId"] {
        let rig = Rig::with(QrmSimSettings { operation_key: key.to_owned(), ..QrmSimSettings::default() });
        let link = rig.post(CASH_LINK_KEY, "/operations/cash-qr/", "").text("cashQrId");
        rig.post(CASH_LINK_KEY, &format!("/operations/cash-qr/{link}/activate/"), r#"{"sum":600}"#).text(key);
    }
}

#[test]
fn the_errors_of_cash_links_have_their_printed_shapes() {
    let rig = Rig::new();
    let register = |body: &str| rig.post(CASH_LINK_KEY, "/operations/cash-qr/", body);
    for size in [99, 1_001] {
        assert_eq!(register(&json!({ "size": size }).to_string()).no(400), value("cash.register_field_error"));
    }
    let link = register("").text("cashQrId");
    let activate = || rig.post(CASH_LINK_KEY, &format!("/operations/cash-qr/{link}/activate/"), r#"{"sum":600}"#);
    let whole = || FaultKind::NonField { text: "Текст ошибки".to_owned() };
    let detail = || FaultKind::Refused { text: "Текст с описанием ошибки".to_owned() };
    for (kind, name) in [(whole(), "whole_error"), (detail(), "detail_error")] {
        rig.fault(Method::Register, kind.clone());
        assert_eq!(register("").no(400), value(&format!("cash.register_{name}")));
        rig.fault(Method::Activate, kind);
        assert_eq!(activate().no(400), value(&format!("cash.activate_{name}")));
    }
    // The printed example complains about two fields at once; `qrTtl` is a field no more (24.01.2023).
    for name in ["sum", "qrTtl"] {
        let text = "Описание ошибки".to_owned();
        rig.fault(Method::Activate, FaultKind::Field { name: name.to_owned(), text });
        assert_eq!(activate().no(400)[name], value("cash.activate_field_error")[name]);
    }
    rig.fault(Method::Deactivate, detail());
    let off = rig.send("DELETE", CASH_LINK_KEY, &format!("/operations/cash-qr/{link}/deactivate/"), "");
    assert_eq!(off.no(400), value("cash.deactivate_error"));
}

#[test]
fn money_goes_back_as_printed() {
    let rig = test_zone();
    let made = rig.make(CASH_LINK_KEY, 1_000_180);
    let printed = "3c58bb1b-eba7-4821-b286-2cb2d7ffea5c";
    let refund = Curl::read("refund.curl").at(printed, &made.id);
    rig.curl(&refund).no(400);
    rig.get(CASH_LINK_KEY, &format!("/operations/{}/qr-status/", made.id)).ok();
    let asked = rig.curl(&refund);
    same_shape(&asked.ok(), &value("refund.expected"), &[]);
    let status = Curl::read("refund.status_curl").at(printed, &made.id);
    let status = status.at("BR1000TGJDMIT0397FAKQIN4V3M8E1F", &asked.text("refundRequestId"));
    assert_eq!(rig.curl(&status).ok()["results"]["status"], "received");
    rig.until(|| rig.curl(&status).ok() == value("refund.status_expected"));
    rig.curl(&refund).no(400);
    let other = rig.make(PLAIN_KEY, 1_000_180);
    rig.get(PLAIN_KEY, &format!("/operations/{}/qr-status/", other.id)).ok();
    let body = json!({ "operation_id": other.id, "amount": 1_000_180 }).to_string();
    rig.post(PLAIN_KEY, "/operations/refund/", &body).no(400);

    // Outside the test zone any key gives back what was paid, in parts, too.
    let rig = Rig::new();
    let made = rig.make(PLAIN_KEY, 1_000_180);
    rig.sim.pay(&made.id).unwrap();
    let body = example("refund.body").replace("3fa85f64-5717-4562-b3fc-2c963f66afa6", &made.id);
    let asked = rig.post(PLAIN_KEY, "/operations/refund/", &body.replace("1000180", "180"));
    same_shape(&asked.ok(), &value("refund.answer"), &[]);
    let status =
        || rig.get(PLAIN_KEY, &format!("/operations/{}/refund-status/{}/", made.id, asked.text("refundRequestId")));
    rig.until(|| status().ok() == value("refund.status_answer"));
    assert_eq!(rig.sim.operation(&made.id).unwrap().standing, Standing::Paid);
    assert!(rig.post(PLAIN_KEY, "/operations/refund/", &body).no(400)["amount"][0].is_string(), "more than is left");
    rig.sim.set_switches(Switches { refunds_fail: true, ..Switches::default() });
    let asked = rig.post(PLAIN_KEY, "/operations/refund/", &body.replace("1000180", "1000000"));
    let path = format!("/operations/{}/refund-status/{}/", made.id, asked.text("refundRequestId"));
    rig.until(|| rig.get(PLAIN_KEY, &path).ok()["results"]["status"] == "fail");
    rig.sim.set_switches(Switches::default());
    rig.post(PLAIN_KEY, "/operations/refund/", &body.replace("1000180", "1000000")).ok();
    rig.until(|| rig.sim.operation(&made.id).unwrap().standing == Standing::Refunded);
}

#[test]
fn the_errors_of_refunds_have_their_printed_shapes() {
    let rig = Rig::new();
    let refund = || rig.post(PLAIN_KEY, "/operations/refund/", &example("refund.body"));
    assert!(refund().no(400)["operation_id"][0].is_string(), "an operation that nobody knows");
    // The printed example complains about two fields at once.
    for name in ["operation_id", "amount"] {
        let text = "Описание ошибки".to_owned();
        rig.fault(Method::Refund, FaultKind::Field { name: name.to_owned(), text });
        assert_eq!(refund().no(400)[name], value("refund.field_error")[name]);
    }
    rig.fault(Method::Refund, FaultKind::NonField { text: "Текст ошибки".to_owned() });
    assert_eq!(refund().no(400), value("refund.whole_error"));
    let detail = || FaultKind::Refused { text: "Текст с описанием ошибки".to_owned() };
    rig.fault(Method::Refund, detail());
    assert_eq!(refund().no(400), value("refund.detail_error"));
    let made = rig.make(PLAIN_KEY, 100);
    let path = format!("/operations/{}/refund-status/BR10000B34KU3CDJ95U9T42NQ7DN0VA0/", made.id);
    assert_eq!(rig.get(PLAIN_KEY, &path).no(404), value("refund.status_not_found"));
    rig.fault(Method::RefundStatus, detail());
    assert_eq!(rig.get(PLAIN_KEY, &path).no(400), value("refund.status_error"));
}

#[test]
fn customers_are_found_as_printed() {
    let rig = test_zone();
    assert_eq!(rig.curl(&Curl::read("loyalty.known_curl")).ok(), value("loyalty.known_expected"));
    let found = rig.post(LOYALTY_KEY, "/loyalty/search/", &example("loyalty.search_body")).ok();
    assert_eq!(found, value("loyalty.known_answer"));
    rig.curl(&Curl { key: PLAIN_KEY.to_owned(), ..Curl::read("loyalty.known_curl") }).no(400);
    let rig = Rig::with(QrmSimSettings { customers: Vec::new(), ..QrmSimSettings::default() });
    assert_eq!(rig.curl(&Curl::read("loyalty.unknown_curl")).ok(), value("loyalty.unknown_expected"));
    assert_eq!(value("loyalty.unknown_expected"), value("loyalty.unknown_answer"));
}

#[test]
fn codes_with_a_loyalty_card_are_made_as_printed() {
    let rig = test_zone();
    for kind in ["accrual", "write_off", "discount"] {
        let made = rig.curl(&Curl::read(&format!("loyalty.{kind}_curl"))).ok();
        same_shape(&made, &value(&format!("loyalty.{kind}_expected")), &[]);
        let body = example(&format!("loyalty.{kind}_body"));
        let made = rig.post(LOYALTY_KEY, "/operations/qr-code/", &body).ok();
        same_shape(&made, &value(&format!("loyalty.{kind}_answer")), &[]);
    }
    let used: Vec<_> = rig
        .sim
        .entries()
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Operation { loyalty, .. } => loyalty.map(|card| (card.loyalty_type, card.points, card.base_kopecks)),
            _ => None,
        })
        .collect();
    let (accrual, write_off, discount) = ((1, None, None), (0, Some(100), Some(100_000)), (2, None, Some(100_000)));
    assert_eq!(used, [accrual, accrual, write_off, write_off, discount, discount]);
    let mut body = value("loyalty.write_off_body");
    body["loyalty"].as_object_mut().unwrap().remove("loyalty_amount");
    assert!(rig.post(LOYALTY_KEY, "/operations/qr-code/", &body.to_string()).no(400)["loyalty_amount"].is_array());
}

#[test]
fn a_request_without_a_key_or_with_an_unknown_one_is_refused() {
    let rig = Rig::new();
    for key in ["", "IDvAIB7E.somebodyelses"] {
        rig.post(key, "/operations/qr-code/", r#"{"sum":1}"#).no(403);
    }
    assert_eq!(rig.sim.operations(), []);
    rig.get(PLAIN_KEY, "/operations/").no(404);
}

#[test]
fn every_printed_request_brings_a_key_that_is_known() {
    let keys: Vec<String> = seed_terminals().into_iter().map(|terminal| terminal.key).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = files
        .filter_map(|file| Some(file.strip_prefix("004-")?.strip_suffix(".txt")?.to_owned()))
        .filter(|name| name.ends_with("curl"))
        .collect();
    assert_eq!(names.len(), 16);
    for name in names {
        let curl = Curl::read(&name);
        assert!(keys.iter().any(|key| key == edited_key(&curl.key)), "{name}: {}", curl.key);
    }
}

#[test]
fn a_fault_that_is_over_leaves_no_trace() {
    let rig = Rig::new();
    rig.sim.set_switches(Switches {
        rest: [(Method::Code, Fault { kind: FaultKind::Http500, times: Some(2) })].into(),
        ..Switches::default()
    });
    let make = || rig.post(PLAIN_KEY, "/operations/qr-code/", r#"{"sum":1}"#).status;
    assert_eq!([make(), make(), make()], [500, 500, 200]);
    assert_eq!(rig.sim.switches(), Switches::default());
    let books: Value = rig.get("", "/sim/books").ok();
    assert_eq!(books.as_array().unwrap().len(), 1);
}
