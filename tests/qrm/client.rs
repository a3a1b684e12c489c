//! Every request and answer that the document prints, against the client. The requests arrive at a server of our own, which answers with
//! what is printed below them.

use serde_json::Value;
use tolov::payment::sale::{Decline, DeclineKind, Payment};
use tolov::payment::sbp::{
    CodeOutcome, LinkOutcome, LoyaltyKind, Points, ProductLine, QrCode, QrStatus, RefundOutcome, SbpAsk,
};
use tolov::provider::qrm::access::Request;
use tolov::provider::qrm::socket::Spelling;
use tolov::provider::qrm::{
    LoyaltyAnswer, LoyaltyCard, Product, QrmError, ReceiptStatus, RefundStatus, cash, code, loyalty, products, refund,
    registration, status,
};

use crate::printed::{Curl, example, value};
use crate::sales::{ask, ask_for, at_link, card, client, rub, sale, sbp, with_code, with_refund};
use crate::server::{Heard, Server};

/// The server for one printed request, and the client that brings its key.
async fn pair(name: &str, answer: &str) -> (Server, tolov::provider::qrm::Qrm, Curl) {
    let curl = Curl::read(name);
    let server = Server::answers(200, &example(answer)).await;
    let client = client(&server.url(), &curl.key);
    (server, client, curl)
}

/// What arrived is what is printed. Of the headers, `X-CSRFToken` is left out: it belongs to the page on which the examples were made.
fn arrived(heard: &Heard, curl: &Curl) {
    assert_eq!((&heard.verb, &heard.path), (&curl.verb, &curl.path));
    assert_eq!(heard.header("x-api-key"), Some(curl.key.as_str()));
    assert_eq!(heard.header("accept"), Some("application/json"));
    assert_eq!(heard.header("x-csrftoken"), None);
    match &curl.body {
        Some(_) => {
            assert_eq!(heard.header("content-type"), Some("application/json"));
            let body: Value = serde_json::from_str(&heard.body).expect("JSON");
            assert_eq!(body, curl.json());
        }
        None => assert_eq!((heard.body.as_str(), heard.header("content-type")), ("", None)),
    }
}

fn body(request: Result<Request, QrmError>) -> Value {
    serde_json::from_str(&request.expect("allowed").body.expect("a body")).expect("JSON")
}

fn made(operation_id: &str, number: &str, link: &str) -> QrCode {
    let [operation_id, number, link] = [operation_id, number, link].map(ToOwned::to_owned);
    QrCode { operation_id, number, link, params_id: None }
}

const PLAIN_LINK: &str =
    "https://qr.nspk.ru/79214088447817071504273889364435?type=01&bank=12345&sum=10000&cur=RUB&crc=F3D0";

fn plain_code() -> QrCode {
    made("8d585d08-96c6-4005-abb9-aa99f822019c", "4316-4040-0201-6359", PLAIN_LINK)
}

fn basket(product_id: &str, count: u32, kopecks: i64) -> Vec<ProductLine> {
    vec![ProductLine { product_id: product_id.to_owned(), count, price: rub(kopecks) }]
}

#[tokio::test]
async fn a_code_is_asked_for_as_2_1_prints_it() {
    let (server, client, curl) = pair("2.1.curl", "2.1.expected").await;
    let outcome = client.open(&sale(10_000, SbpAsk { qr_size: Some(600), ..ask() })).await;
    assert_eq!(outcome, CodeOutcome::Made(plain_code()));
    arrived(&server.only(), &curl);
    let purpose = "Иванов И.И. Договор №345567356324, плата за обучение";
    let full = sale(1_000, SbpAsk { qr_size: Some(400), ..ask_for(purpose) });
    assert_eq!(body(code::request(&full, true)), value("2.1.body"));
    assert_eq!(code::made(200, example("2.1.answer").as_bytes()), Ok(plain_code()));
}

#[test]
fn the_errors_of_2_1_keep_the_providers_words() {
    let told = |name: &str| code::made(400, example(name).as_bytes()).expect_err("an error");
    assert_eq!(told("2.1.bank_timeout"), QrmError::BankTimeout { text: "Истекло время ожидания QR-кода".to_owned() });
    let field = QrmError::RefusedField { status: 400, field: "<field>".to_owned(), text: "<message>".to_owned() };
    assert_eq!(told("2.1.field_error"), field);
    let text = "QRT не обнаружен с uuid: <uuid>".to_owned();
    assert_eq!(told("2.1.not_found"), QrmError::RefusedWhole { status: 400, text });
    let text = "<Ошибка, полученная из банка или СБП>".to_owned();
    assert_eq!(told("2.1.detail_error"), QrmError::RefusedDetail { status: 400, text });
}

#[tokio::test]
async fn the_errors_of_2_1_are_outcomes_of_a_sale() {
    let refused = |code: &str, message: &str| {
        let (code, message) = (Some(code.to_owned()), Some(message.to_owned()));
        CodeOutcome::Refused(Decline { why: DeclineKind::Refused, code, message })
    };
    let timeout = "the bank did not answer QRManager in time: Истекло время ожидания QR-кода".to_owned();
    for (name, outcome) in [
        // Nobody has seen a code, so nothing can be paid: the core calls it absent.
        ("2.1.bank_timeout", CodeOutcome::Lost { text: timeout }),
        ("2.1.field_error", refused("<field>", "<field>: <message>")),
        ("2.1.not_found", refused("non_field_errors", "QRT не обнаружен с uuid: <uuid>")),
        ("2.1.detail_error", refused("detail", "<Ошибка, полученная из банка или СБП>")),
    ] {
        let server = Server::answers(400, &example(name)).await;
        assert_eq!(client(&server.url(), "k3y").open(&sale(1_000, ask())).await, outcome, "{name}");
    }
}

#[tokio::test]
async fn a_code_with_products_is_asked_for_as_2_2_prints_it() {
    let (server, client, curl) = pair("2.2.curl", "2.2.expected").await;
    let nomenclature = basket("e7d5af05-49f2-45d5-b89e-fdd3ef918502", 1, 91_500);
    let outcome = client.open(&sale(91_500, SbpAsk { qr_size: Some(100), nomenclature, ..ask() })).await;
    let link = "https://qr.nspk.ru/26000712737317073555743802857951?type=01&bank=12345&sum=91500&cur=RUB&crc=F3D0";
    let code = made("42760272-d792-4311-85b5-50cc755173a3", "6627-0789-5628-4186", link);
    assert_eq!(outcome, CodeOutcome::Made(code));
    arrived(&server.only(), &curl);
}

/// The body printed in §2.2 has count 0 and price 0, which its own table does not allow. With the least that is allowed it is ours.
#[test]
fn the_body_of_2_2_is_refused_for_its_zeros_and_written_without_them() {
    let with = |count, kopecks| {
        let nomenclature = basket("3fa85f64-5717-4562-b3fc-2c963f66afa6", count, kopecks);
        code::request(&sale(1_000, SbpAsk { qr_size: Some(400), nomenclature, ..ask() }), false)
    };
    assert!(matches!(with(0, 0), Err(QrmError::Unfit { field: "count", .. })));
    assert!(matches!(with(1, 0), Err(QrmError::Unfit { field: "price", .. })));
    let mut printed = value("2.2.body");
    printed["nomenclature"][0]["count"] = 1.into();
    printed["nomenclature"][0]["price"] = 1.into();
    assert_eq!(body(with(1, 1)), printed);
}

#[test]
fn a_payment_link_is_changed_as_printed() {
    let (given, with_banks) = (example("link.given"), example("link.with_banks"));
    assert_eq!(tolov::provider::qrm::link::with_banks(given.trim()), with_banks.trim());
}

#[tokio::test]
async fn the_products_are_asked_for_as_3_prints_it() {
    let (server, client, curl) = pair("3.curl", "3.expected").await;
    let product = Product {
        id: "f1fccfff-06a9-44c2-8c07-7622f20b0e43".to_owned(),
        name: "Продукт №1".to_owned(),
        price: rub(123),
        deleted: false,
    };
    assert_eq!(client.products().await, Ok(vec![product.clone()]));
    // The heading has a slash at the end, the printed request has none; this is the heading's.
    arrived(&server.only(), &Curl { path: format!("{}/", curl.path), ..curl.clone() });
    assert_eq!(products::request(products::Spelling::Bare).path, curl.path);
    assert_eq!(products::listed(200, example("3.answer").as_bytes()), Ok(vec![product]));
}

#[test]
fn the_socket_is_opened_at_the_printed_address() {
    let printed = example("4.1.socket_address");
    let (address, key) = printed.trim().split_once("api_key=").expect("a key");
    let client = client("https://app.devwapiserv.qrm.ooo", key);
    let socket = client.socket_address(Spelling::Plain).expect("a key");
    assert_eq!(socket.with_key(), printed.trim());
    assert_eq!(format!("{socket:?}"), format!("{address}api_key=•••"));
}

#[tokio::test]
async fn a_status_is_asked_for_as_4_2_prints_it() {
    let (server, client, curl) = pair("4.2.curl", "4.2.expected").await;
    let sale = with_code(1_000, "310852c0-945e-4e59-aabe-bda80d8b408e");
    assert_eq!(client.status(&sale).await, Ok(QrStatus::Paid));
    arrived(&server.only(), &curl);
    assert_eq!(status::code_told(200, example("4.2.answer").as_bytes()), Ok(QrStatus::Pending));
    let text = "Описание ошибки.".to_owned();
    let refused = Err(QrmError::RefusedDetail { status: 400, text });
    assert_eq!(status::code_told(400, example("4.2.error").as_bytes()), refused);
}

#[tokio::test]
async fn a_receipt_is_handed_over_as_5_1_prints_it() {
    for (name, number) in [("5.1.atol_curl", "7786-0666-4734-9487"), ("5.1.ofd_ru_curl", "4154-2308-1431-6192")] {
        let (server, client, curl) = pair(name, "5.1.answer").await;
        let body = curl.body.as_deref().expect("a receipt");
        assert_eq!(client.register_receipt(number, body).await, Ok(()), "{name}");
        arrived(&server.only(), &curl);
        assert_eq!(server.only().body, body, "not a byte of a receipt is changed");
    }
    for body in ["5.1.atol_body", "5.1.ofd_ru_body"] {
        let request = registration::request("5352-4777-6325-1692", &example(body)).expect("a number");
        assert_eq!(
            (request.path.as_str(), request.body),
            ("/operations/5352-4777-6325-1692/receipt/", Some(example(body)))
        );
    }
}

#[test]
fn the_errors_of_a_receipt_keep_the_ofds_words() {
    let words = "<сообщение из поля text ответа об ошибке из АТОЛ>";
    let refused = |status, text: &str| QrmError::RefusedDetail { status, text: text.to_owned() };
    assert_eq!(registration::taken(400, example("5.1.error").as_bytes()), Err(refused(400, words)));
    let unpaid = refused(404, "Operation number: {number} не обнаружена");
    assert_eq!(registration::taken(404, example("5.1.not_paid").as_bytes()), Err(unpaid));
    assert_eq!(registration::told(400, example("5.2.error").as_bytes()), Err(refused(400, "<Описание ошибки>")));
    let (at_registration, at_status) = (example("5.1.errors"), example("5.2.errors"));
    let lines = at_registration.lines().chain(at_status.lines()).map(str::trim).filter(|line| !line.is_empty());
    let mut seen = 0;
    for line in lines {
        let text: String = serde_json::from_str(line).expect("a text");
        let body = format!(r#"{{"detail": {line}}}"#);
        assert_eq!(registration::taken(400, body.as_bytes()), Err(refused(400, &text)));
        assert_eq!(registration::told(400, body.as_bytes()), Err(refused(400, &text)));
        seen += 1;
    }
    assert_eq!(seen, 18);
}

#[test]
fn where_a_receipt_stands_is_asked_and_answered_as_5_2_prints_it() {
    let request = registration::status("5352-4777-6325-1692").expect("a number");
    assert_eq!(format!("{request:?}"), "Get /operations/5352-4777-6325-1692/receipt/status/");
    let told = registration::told(200, example("5.2.answer").as_bytes());
    let url = value("5.2.answer")["ofd_receipt_url"].as_str().map(ToOwned::to_owned);
    assert_eq!(told, Ok(ReceiptStatus::Done { url }));
}

#[tokio::test]
async fn a_cash_link_is_registered_as_printed() {
    let (server, client, curl) = pair("cash.register_curl", "cash.register_expected").await;
    let id = "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44".to_owned();
    let link = "https://qr.nspk.ru/BS1R003CN9P4NJ0F8QQA41JQRG1U4U44?type=01&bank=1crt88888881&crc=24BB".to_owned();
    assert_eq!(client.register_link(Some(300), None).await, LinkOutcome::Registered { id, link });
    arrived(&server.only(), &curl);
    assert_eq!(body(cash::register(Some(400), Some("AD10007F3VC9B6VF9008QV010VSQRKJM"))), value("cash.register_body"));
    let printed = value("cash.register_answer");
    let bare = cash::registered(200, example("cash.register_answer").as_bytes()).expect("registered");
    assert_eq!((bare.id.as_str(), bare.link.as_str()), (text(&printed, "cashQrId"), text(&printed, "cashQrLink")));
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("a text")
}

#[tokio::test]
async fn a_cash_link_is_activated_as_printed() {
    let (server, client, curl) = pair("cash.activate_curl", "cash.activate_expected").await;
    let link = "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44";
    let active = QrCode {
        params_id: Some("BP10007TBU1RQ11M9IC8648U21STFNNU".to_owned()),
        ..made("470e3479-0144-4fe0-9268-1675cf2d1960", "3106-5144-5361-8625", "")
    };
    assert_eq!(client.open(&at_link(sale(600, ask()), link)).await, CodeOutcome::Made(active));
    arrived(&server.only(), &curl);
    let with_purpose = at_link(sale(600, ask_for("Оплата по договору №123454")), link);
    assert_eq!(body(cash::activate(&with_purpose, link)), value("cash.activate_body"));
    let bare = QrCode {
        params_id: Some("AS1000670LSS7DN18SJQDNP4B05KLJL2".to_owned()),
        ..made("3fa85f64-5717-4562-b3fc-2c963f66afa6", "23DF-3456-636G-634K", "")
    };
    assert_eq!(cash::activated(200, example("cash.activate_answer").as_bytes()), Ok(bare));
}

#[test]
fn the_errors_of_a_cash_link_keep_the_providers_words() {
    let told = |name: &str| cash::activated(400, example(name).as_bytes()).expect_err("an error");
    let field = |field: &str, text: &str| QrmError::RefusedField {
        status: 400,
        field: field.to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(told("cash.register_field_error"), field("size", "Size must be >= 100 and <= 1000"));
    assert!(matches!(told("cash.activate_field_error"), QrmError::RefusedField { field, text, .. }
        if field == "qrTtl" && text == "Описание ошибки; sum: Описание ошибки"
        || field == "sum" && text == "Описание ошибки; qrTtl: Описание ошибки"));
    let text = "Текст ошибки".to_owned();
    for name in ["cash.register_whole_error", "cash.activate_whole_error"] {
        assert_eq!(told(name), QrmError::RefusedWhole { status: 400, text: text.clone() });
    }
    let text = "Текст с описанием ошибки".to_owned();
    for name in ["cash.register_detail_error", "cash.activate_detail_error", "cash.deactivate_error"] {
        assert_eq!(told(name), QrmError::RefusedDetail { status: 400, text: text.clone() });
    }
}

#[tokio::test]
async fn where_a_cash_link_stands_is_asked_and_answered_as_printed() {
    let server = Server::answers(200, &example("cash.status_answer")).await;
    let sale = at_link(with_code(600, "470e3479-0144-4fe0-9268-1675cf2d1960"), "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44");
    assert_eq!(client(&server.url(), "k3y").status(&sale).await, Ok(QrStatus::AttemptFailed));
    let heard = server.only();
    let path = "/operations/470e3479-0144-4fe0-9268-1675cf2d1960/cash-qr/status/";
    assert_eq!((heard.verb.as_str(), heard.path.as_str()), ("GET", path));
}

#[tokio::test]
async fn a_cash_link_is_deactivated_as_printed() {
    let (server, client, curl) = pair("cash.deactivate_curl", "cash.deactivate_expected").await;
    assert_eq!(client.deactivate_link("BS1R003CN9P4NJ0F8QQA41JQRG1U4U44").await, Ok(()));
    arrived(&server.only(), &curl);
    assert_eq!(cash::deactivated(200, example("cash.deactivate_answer").as_bytes()), Ok(()));
    assert!(cash::deactivated(400, example("cash.deactivate_error").as_bytes()).is_err());
}

#[tokio::test]
async fn a_refund_is_asked_for_as_printed() {
    let (server, client, curl) = pair("refund.curl", "refund.expected").await;
    let (sale, id) = with_refund(with_code(1_000_180, "3c58bb1b-eba7-4821-b286-2cb2d7ffea5c"), 1_000_180, None);
    let request_id = "BR1000TGJDMIT0397FAKQIH4V3M8E1F".to_owned();
    assert_eq!(client.refund(&sale, id).await, RefundOutcome::Accepted { request_id });
    arrived(&server.only(), &curl);
    let request = refund::request("3fa85f64-5717-4562-b3fc-2c963f66afa6", rub(1_000_180));
    assert_eq!(body(request), value("refund.body"));
    let accepted = refund::accepted(200, example("refund.answer").as_bytes());
    assert_eq!(accepted.as_deref(), Ok("BR10000B34KU3CDJ95U9T42NQ7DN0VA0"));
}

#[tokio::test]
async fn the_errors_of_a_refund_are_refusals() {
    for (name, code, message) in [
        ("refund.field_error", None, None),
        ("refund.whole_error", Some("non_field_errors"), Some("Текст ошибки")),
        ("refund.detail_error", Some("detail"), Some("Текст с описанием ошибки")),
    ] {
        let server = Server::answers(400, &example(name)).await;
        let (sale, id) = with_refund(with_code(600, "3c58bb1b"), 600, None);
        let outcome = client(&server.url(), "k3y").refund(&sale, id).await;
        let RefundOutcome::Refused(decline) = outcome else { panic!("{name}: {outcome:?}") };
        match code {
            Some(_) => assert_eq!((decline.code.as_deref(), decline.message.as_deref()), (code, message), "{name}"),
            None => {
                let words = decline.message.unwrap_or_default();
                assert!(
                    words.contains("operation_id: Описание ошибки") && words.contains("amount: Описание ошибки"),
                    "{words}"
                );
            }
        }
    }
}

#[tokio::test]
async fn how_a_refund_went_is_asked_and_answered_as_printed() {
    let (server, client, curl) = pair("refund.status_curl", "refund.status_expected").await;
    let named = Some("BR1000TGJDMIT0397FAKQIN4V3M8E1F");
    let (sale, id) = with_refund(with_code(1_000_180, "3c58bb1b-eba7-4821-b286-2cb2d7ffea5c"), 1_000_180, named);
    assert_eq!(client.refund_status(&sale, id).await, Ok(RefundStatus::Success));
    arrived(&server.only(), &curl);
    assert_eq!(refund::told(200, example("refund.status_answer").as_bytes()), Ok(RefundStatus::Success));
    let refused = |status, text: &str| Err(QrmError::RefusedDetail { status, text: text.to_owned() });
    assert_eq!(refund::told(400, example("refund.status_error").as_bytes()), refused(400, "Текст с описанием ошибки"));
    assert_eq!(refund::told(404, example("refund.status_not_found").as_bytes()), refused(404, "Страница не найдена."));
}

fn printed_card(needs_code: bool) -> LoyaltyAnswer {
    LoyaltyAnswer::Known(LoyaltyCard {
        client_id: 256_672,
        discount_card_id: Some(129_719),
        card_level: Some("Benefitty Start".to_owned()),
        max_discount: Some("25".to_owned()),
        max_points: Some(Points(1)),
        all_points: Some(Points(492)),
        accrual_points: Some(Points(0)),
        accrual_available: true,
        write_off_available: true,
        needs_code,
    })
}

#[tokio::test]
async fn a_customer_is_looked_up_as_printed() {
    let unknown = LoyaltyAnswer::Unknown { confirmation_code: true };
    for (name, answer, found) in [
        ("loyalty.known_curl", "loyalty.known_expected", printed_card(true)),
        ("loyalty.unknown_curl", "loyalty.unknown_expected", unknown.clone()),
    ] {
        let (server, client, curl) = pair(name, answer).await;
        assert_eq!(client.search("+79000000000", rub(100_000)).await, Ok(found));
        arrived(&server.only(), &curl);
    }
    assert_eq!(body(loyalty::search("+79000000000", rub(0))), value("loyalty.search_body"));
    assert_eq!(loyalty::found(200, example("loyalty.known_answer").as_bytes()), Ok(printed_card(false)));
    assert_eq!(loyalty::found(200, example("loyalty.unknown_answer").as_bytes()), Ok(unknown));
}

#[tokio::test]
async fn a_code_with_a_loyalty_card_is_asked_for_as_printed() {
    use LoyaltyKind::{Accrual, Discount, WriteOff};
    for (name, kopecks, loyalty) in [
        ("accrual", 10_000, card(Accrual, None, None)),
        ("write_off", 90_000, card(WriteOff, Some(100), Some(100_000))),
        ("discount", 95_000, card(Discount, None, Some(100_000))),
    ] {
        let (curl, expected) = (format!("loyalty.{name}_curl"), format!("loyalty.{name}_expected"));
        let (server, client, curl) = pair(&curl, &expected).await;
        let mut sale: Payment = sale(kopecks, SbpAsk { qr_size: Some(400), ..ask_for("Назначение платежа") });
        sbp(&mut sale).ask.loyalty = Some(loyalty);
        let outcome = client.open(&sale).await;
        let results = value(&expected)["results"].clone();
        let code = made(text(&results, "operation_id"), text(&results, "number"), text(&results, "qr_link"));
        assert_eq!(outcome, CodeOutcome::Made(code.clone()), "{name}");
        arrived(&server.only(), &curl);
        assert_eq!(body(code::request(&sale, true)), value(&format!("loyalty.{name}_body")));
        assert_eq!(code::made(200, example(&format!("loyalty.{name}_answer")).as_bytes()), Ok(code));
    }
}
