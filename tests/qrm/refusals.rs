//! What is refused before a byte is sent, and what every other answer means for the money.

use std::sync::Arc;

use secrecy::SecretString;
use tolov::payment::sale::{DeclineKind, Payment, Private};
use tolov::payment::sbp::{CodeOutcome, LinkOutcome, LoyaltyKind, ProductLine, QrStatus, RefundOutcome, SbpAsk};
use tolov::payment::{Currency, Money};
use tolov::provider::qrm::error::{Class, success};
use tolov::provider::qrm::socket::Spelling;
use tolov::provider::qrm::{
    Qrm, QrmError, QrmSettings, ReceiptStatus, RefundStatus, cash, code, loyalty, nomenclature, refund, registration,
    status,
};

use crate::sales::{
    KEY, ask, ask_for, at_link, card, client, rub, sale, sbp, settings, with_code, with_refund, with_settings,
};
use crate::server::{Says, Server};

/// The field for which a sale gets no code.
fn unfit(sale: &Payment) -> Option<&'static str> {
    match code::request(sale, true) {
        Ok(_) => None,
        Err(QrmError::Unfit { field, .. }) => Some(field),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn sums_sizes_and_purposes_are_checked_at_their_edges() {
    for (kopecks, refused) in [(0, None), (1, None), (100_000_000, None), (100_000_001, Some("sum")), (-1, Some("sum"))]
    {
        assert_eq!(unfit(&sale(kopecks, ask())), refused, "{kopecks}");
    }
    let mut sums = sale(1_000, ask());
    sums.amount = Money::from_minor(1_000, Currency::Uzs);
    assert_eq!(unfit(&sums), Some("sum"), "QRManager counts in roubles");
    for (pixels, refused) in [(99, Some("qr_size")), (100, None), (1_000, None), (1_001, Some("qr_size"))] {
        assert_eq!(unfit(&sale(1_000, SbpAsk { qr_size: Some(pixels), ..ask() })), refused, "{pixels}");
    }
    // 140 characters are 280 bytes here: characters are counted.
    assert_eq!(unfit(&sale(1_000, ask_for(&"Ж".repeat(140)))), None);
    assert_eq!(unfit(&sale(1_000, ask_for(&"Ж".repeat(141)))), Some("payment_purpose"));
    let forgotten = SbpAsk { own_purpose: true, purpose: Private(None), ..ask() };
    assert_eq!(unfit(&sale(1_000, forgotten)), Some("payment_purpose"), "the terminal's own text would take its place");
}

fn basket(count: u32, kopecks: i64) -> SbpAsk {
    let line = ProductLine { product_id: "e7d5af05".to_owned(), count, price: rub(kopecks) };
    SbpAsk { nomenclature: vec![line], ..ask() }
}

#[test]
fn products_are_checked_at_their_edges() {
    for (count, kopecks, refused) in [
        (0, 1, Some("count")),
        (1, 1, None),
        (1_000, 1, None),
        (1_001, 1, Some("count")),
        (1, 0, Some("price")),
        (1, 100_000_000, None),
        (1, 100_000_001, Some("price")),
    ] {
        let sum = (i64::from(count) * kopecks).min(100_000_000);
        assert_eq!(unfit(&sale(sum, basket(count, kopecks))), refused, "{count} × {kopecks}");
    }
    let mut nameless = basket(1, 1);
    nameless.nomenclature[0].product_id.clear();
    assert_eq!(unfit(&sale(1, nameless)), Some("product_id"));
}

#[test]
fn a_basket_that_does_not_add_up_is_refused_only_where_the_profile_says_so() {
    let sale = sale(1_000, basket(2, 501));
    let ask = &sale.sbp.as_ref().expect("SBP").ask;
    let mismatch = nomenclature::mismatch(sale.amount, ask).expect("1002 are not 1000");
    assert_eq!((mismatch.lines, mismatch.sum), (rub(1_002), rub(1_000)));
    assert!(code::request(&sale, false).is_ok());
    assert_eq!(unfit(&sale), Some("nomenclature"));
    // With a discount the lines are the goods' own prices, or those after it.
    let mut cheaper = crate::sales::sale(900, basket(1, 1_000));
    sbp(&mut cheaper).ask.loyalty = Some(card(LoyaltyKind::Discount, None, Some(1_000)));
    assert_eq!(unfit(&cheaper), None);
    sbp(&mut cheaper).ask.nomenclature[0].price = rub(900);
    assert_eq!(unfit(&cheaper), None);
    sbp(&mut cheaper).ask.nomenclature[0].price = rub(950);
    assert_eq!(unfit(&cheaper), Some("nomenclature"));
}

#[test]
fn a_loyalty_cards_arithmetic_is_checked() {
    use LoyaltyKind::{Accrual, Discount, WriteOff};
    for (kind, points, base, refused) in [
        (Accrual, None, None, None),
        (Accrual, None, Some(1_000), None),
        (Accrual, None, Some(1_500), None),
        (Accrual, None, Some(999), Some("base_amount")),
        (Accrual, Some(1), None, Some("loyalty_amount")),
        (WriteOff, Some(100), Some(1_500), None),
        (WriteOff, Some(100), Some(1_000), Some("base_amount")),
        (WriteOff, Some(100), None, Some("base_amount")),
        (WriteOff, Some(0), Some(1_500), Some("loyalty_amount")),
        (WriteOff, None, Some(1_500), Some("loyalty_amount")),
        (Discount, None, Some(1_001), None),
        (Discount, None, Some(1_000), Some("base_amount")),
        (Discount, None, None, Some("base_amount")),
        (Discount, Some(5), Some(1_500), Some("loyalty_amount")),
        (Discount, None, Some(100_000_001), Some("base_amount")),
    ] {
        let mut sale = sale(1_000, ask());
        sbp(&mut sale).ask.loyalty = Some(card(kind, points, base));
        assert_eq!(unfit(&sale), refused, "{kind:?} {points:?} {base:?}");
    }
    let mut forgotten = sale(1_000, ask());
    let mut without_phone = card(Accrual, None, None);
    without_phone.phone = Private(None);
    sbp(&mut forgotten).ask.loyalty = Some(without_phone);
    assert_eq!(unfit(&forgotten), Some("phone"));
    for phone in ["", "+", "1234", "+7 900 000 00 00", "79000000000000000", "+7900000000x"] {
        assert!(matches!(loyalty::search(phone, rub(1)), Err(QrmError::Unfit { field: "phone", .. })), "{phone}");
    }
}

#[test]
fn a_cash_link_takes_a_sum_and_a_purpose_and_no_more() {
    let unfit = |ask: SbpAsk| match cash::activate(&at_link(sale(600, ask), "BS1"), "BS1") {
        Err(QrmError::Unfit { field, .. }) => Some(field),
        _ => None,
    };
    assert_eq!(unfit(ask()), None);
    assert_eq!(unfit(basket(1, 600)), Some("cash_link"));
    assert_eq!(unfit(ask_for("")), Some("payment_purpose"));
    assert!(cash::register(Some(99), None).is_err() && cash::register(None, Some("")).is_err());
    assert!(cash::register(None, Some(&"A".repeat(141))).is_err());
}

#[test]
fn an_id_that_would_change_the_path_is_never_sent() {
    for id in ["", ".", "..", "a/b", "a?b", "a#b", "a b", "a%2fb", "ж"] {
        assert!(status::of_code(id).is_err() && status::of_cash_link(id).is_err(), "{id}");
        assert!(cash::deactivate(id).is_err() && registration::status(id).is_err(), "{id}");
        assert!(refund::status("a", id).is_err() && refund::request(id, rub(1)).is_err(), "{id}");
        let answer = format!(r#"{{"refundRequestId": "{id}"}}"#);
        assert!(matches!(refund::accepted(200, answer.as_bytes()), Err(QrmError::Malformed { .. })), "{id}");
    }
    assert!(refund::request("a", rub(0)).is_err(), "nothing is nothing to give back");
}

#[test]
fn all_spellings_of_the_ids_are_read_bare_and_within_results() {
    for name in ["operation_id", "operation_Id", "operationId"] {
        let bare = format!(r#"{{"{name}": "470e3479", "number": "3106-5144", "cashQrParamsId": "BP1"}}"#);
        for body in [bare.clone(), format!(r#"{{"results": {bare}}}"#)] {
            let code = cash::activated(200, body.as_bytes()).expect("activated");
            assert_eq!((code.operation_id.as_str(), code.params_id.as_deref()), ("470e3479", Some("BP1")));
        }
    }
    for body in [r#"{"status": "5"}"#, r#"{"results": {"status": 5}}"#, r#"{"operation_status_code": " 5 "}"#] {
        assert_eq!(status::code_told(200, body.as_bytes()), Ok(QrStatus::Paid), "{body}");
    }
    assert_eq!(status::cash_link_told(200, br#"{"results": {"status": 7}}"#), Ok(QrStatus::Cancelled));
    assert_eq!(status::code_told(200, br#"{"results": {"operation_status_code": 7}}"#), Ok(QrStatus::Refunded));
    assert_eq!(
        status::code_told(201, br#"{"results": {"operation_status_code": 12}}"#),
        Ok(QrStatus::Other { code: 12 })
    );
    for (word, told) in [("SUCCESS", RefundStatus::Success), ("received", RefundStatus::Received)] {
        assert_eq!(refund::told(200, format!(r#"{{"status": "{word}"}}"#).as_bytes()), Ok(told));
    }
    let fail = Ok(RefundStatus::Fail { message: Some("нет".to_owned()) });
    assert_eq!(refund::told(200, r#"{"results": {"status": "Fail", "message": "нет"}}"#.as_bytes()), fail);
    assert_eq!(registration::told(200, br#"{"status": "Wait", "error": ""}"#), Ok(ReceiptStatus::Wait));
    let fail = Ok(ReceiptStatus::Fail { error: "[-3975]".to_owned() });
    assert_eq!(registration::told(200, br#"{"results": {"status": "fail", "error": "[-3975]"}}"#), fail);
}

#[test]
fn an_answers_class_is_decided_by_its_status_and_its_shape() {
    let class = |http, body: &str| success(http, body.as_bytes()).map_err(|e| e.class());
    let refused = |http, body: &str| matches!(class(http, body), Err(Class::Refused(_)));
    let in_doubt = |http, body: &str| matches!(class(http, body), Err(Class::InDoubt(_)));
    let detail = r#"{"detail": "нет"}"#;
    for http in [400, 404, 409, 422, 429] {
        assert!(refused(http, detail), "{http}");
        assert!(refused(http, r#"{"non_field_errors": ["нет"]}"#) && refused(http, r#"{"amount": ["нет"]}"#), "{http}");
        assert!(in_doubt(http, "<html>") && in_doubt(http, "{}") && in_doubt(http, r#"{"detail": ""}"#), "{http}");
    }
    for http in [301, 304, 408, 500, 502, 503, 599] {
        assert!(in_doubt(http, detail) && in_doubt(http, ""), "{http}");
    }
    // A success that brings an error is neither.
    assert!(in_doubt(200, detail) && in_doubt(200, r#"{"non_field_errors": ["нет"]}"#) && in_doubt(200, "ok"));
    for http in [401, 403] {
        let Err(Class::Refused(decline)) = class(http, r#"{"detail": "Учетные данные не были предоставлены."}"#)
        else {
            panic!("{http} is a refusal");
        };
        assert_eq!((decline.why, decline.code), (DeclineKind::Misconfigured, Some(http.to_string())));
        assert!(decline.message.is_some_and(|words| words.contains("Учетные данные")));
    }
    for timeout in [
        r#"{"non_field_errors": ["Истекло время ожидания QR-кода"]}"#,
        r#"{"detail": "Таймаут ожидания ответа от банка"}"#,
        r#"{"detail": "Истекло время ожидания ответа от банка"}"#,
    ] {
        assert!(in_doubt(400, timeout), "what the bank did afterwards, nobody knows: {timeout}");
    }
}

#[tokio::test]
async fn whatever_is_lost_on_the_way_is_in_doubt_and_sent_once() {
    for says in [Says::HangsUp, Says::HalfAnAnswer, Says::Nothing, Says::Answer(502, "<html>".to_owned())] {
        let server = Server::that([says.clone(), says.clone(), says.clone(), says.clone()]).await;
        let client = with_settings(QrmSettings { timeout_ms: 300, ..settings(&server.url()) }, KEY);
        let (refunded, id) = with_refund(with_code(600, "3c58bb1b"), 600, None);
        assert!(matches!(client.refund(&refunded, id).await, RefundOutcome::InDoubt { .. }), "{says:?}");
        assert!(matches!(client.open(&sale(600, ask())).await, CodeOutcome::Lost { .. }), "{says:?}");
        let activation = at_link(sale(600, ask()), "BS1");
        assert!(matches!(client.open(&activation).await, CodeOutcome::Lost { .. }), "{says:?}");
        assert!(matches!(client.register_link(None, None).await, LinkOutcome::Lost { .. }), "{says:?}");
        assert_eq!(server.heard().len(), 4, "each was sent once: {says:?}");
    }
}

#[tokio::test]
async fn an_accepted_refund_without_a_name_is_in_doubt() {
    for body in [
        "{}",
        r#"{"results": {}}"#,
        r#"{"results": {"refundRequestId": ""}}"#,
        r#"{"results": {"refundRequestId": 5}}"#,
    ] {
        let server = Server::answers(200, body).await;
        let (sale, id) = with_refund(with_code(600, "3c58bb1b"), 600, None);
        assert!(matches!(client(&server.url(), KEY).refund(&sale, id).await, RefundOutcome::InDoubt { .. }), "{body}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let client = client(&url, KEY);
    let (refunded, id) = with_refund(with_code(600, "3c58bb1b"), 600, None);
    assert!(matches!(client.refund(&refunded, id).await, RefundOutcome::NotSent { .. }));
    assert!(matches!(client.open(&sale(600, ask())).await, CodeOutcome::NotSent { .. }));
    assert!(matches!(client.register_link(None, None).await, LinkOutcome::Refused { .. }));
}

#[tokio::test]
async fn a_missing_key_is_said_clearly_and_nothing_is_sent() {
    let server = Server::that([]).await;
    for key in [None, Some(""), Some("a b"), Some("a\nb"), Some("ключ")] {
        let read = Arc::new(move || key.map(SecretString::from));
        let client = Qrm::new("main", settings(&server.url()), read);
        let CodeOutcome::Refused(decline) = client.open(&sale(600, ask())).await else { panic!("{key:?} is no key") };
        assert_eq!(decline.why, DeclineKind::Misconfigured);
        let words = decline.message.expect("words");
        assert!(words.contains("no key for the QR terminal “main”"), "{words}");
        assert!(key.is_none_or(|key| key.is_empty() || !words.contains(key)), "{words}");
        assert!(matches!(client.socket_address(Spelling::Plain), Err(QrmError::NoKey { .. })));
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn neither_key_nor_phone_is_quoted_whatever_the_server_quotes() {
    let server = Server::that([]).await;
    let client = client(&server.url(), KEY);
    let quoting = format!(r#"{{"detail": "ключ {KEY} и телефон +79000000000, 8-79000000000"}}"#);
    server.then(Says::Answer(400, quoting.clone()));
    let error = client.search("+79000000000", rub(600)).await.expect_err("an error");
    server.then(Says::Answer(403, quoting.clone()));
    let mut with_card = sale(600, ask());
    sbp(&mut with_card).ask.loyalty = Some(card(LoyaltyKind::Accrual, None, None));
    let outcome = client.open(&with_card).await;
    let request = loyalty::search("+79000000000", rub(600)).expect("a phone");
    for words in [format!("{error} {error:?}"), format!("{outcome:?}"), format!("{client:?} {request:?}")] {
        assert!(!words.contains(KEY) && !words.contains("9000000000"), "{words}");
    }
    assert!(format!("{error}").contains("ключ *** и телефон +***, 8-***"), "{error}");
    let socket = client.socket_address(Spelling::Plain).expect("a key");
    assert!(socket.with_key().ends_with(KEY) && !format!("{socket:?}").contains(KEY));
}
