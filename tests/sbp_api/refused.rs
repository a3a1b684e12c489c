//! What no till should send: a clear problem in the documented shape, and the next sale works.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{SALE, TOKEN, is_problem, open};
use crate::counter::till::request;
use crate::counter::{Counter, Heard, Qrm};

const ID: &str = "ee000d20-b260-4b17-995a-a7bd113bdb22";
const POSTS: &[&str] = &[
    "/api/v1/sbp/sale",
    "/api/v1/sbp/sale/{id}/cancel",
    "/api/v1/sbp/sale/{id}/receipt",
    "/api/v1/sbp/sale/{id}/refund",
    "/api/v1/sbp/loyalty/search",
    "/api/v1/sbp/cash-link",
];
const GETS: &[&str] = &[
    "/api/v1/sbp/sale/{id}",
    "/api/v1/sbp/sale/{id}/receipt",
    "/api/v1/sbp/sale/{id}/refund",
    "/api/v1/sbp/products",
    "/api/v1/sbp/cash-link",
];

fn at(path: &str) -> String {
    path.replace("{id}", ID)
}

/// Nothing of all that became a sale, and a proper one gets its code.
async fn still_sells(counter: &Counter) {
    let lines = counter.journal();
    assert!(lines.iter().all(|line| line.contains("card_marked")), "{lines:#?}");
    assert_eq!(counter.sold(SALE).await["payment_status"], "awaiting_payer");
    assert_eq!(counter.qrm.ordered("open"), 1);
}

#[tokio::test]
async fn nobody_asks_without_a_token_on_loopback_neither() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let cut = &TOKEN[1..];
    // All at once: each wrong token is answered later than the one before.
    let mut asking = tokio::task::JoinSet::new();
    for headers in [
        [].as_slice(),
        &[("x_auth_token", "")],
        &[("x_auth_token", "wrong")],
        &[("x_auth_token", cut)],
        &[("x-auth-token", "wrong")],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", TOKEN)],
    ] {
        for (method, paths) in [("POST", POSTS), ("GET", GETS), ("GET", &["/api/v1/sbp/nowhere"])] {
            for path in paths {
                let (till, asked) = (counter.till, request(method, &at(path), headers, SALE.as_bytes()));
                asking.spawn(async move { till.send(&asked).await });
            }
        }
    }
    while let Some(heard) = asking.join_next().await {
        is_problem(&heard.unwrap(), 403, "acces_error");
    }
    let own = [("x-auth-token", TOKEN), ("Host", "evil.example")];
    is_problem(&counter.till.send(&request("GET", "/api/v1/sbp/cash-link", &own, b"")).await, 403, "acces_error");
    let page = [("x_auth_token", TOKEN), ("Origin", "http://localhost")];
    is_problem(
        &counter.till.send(&request("POST", "/api/v1/sbp/sale", &page, SALE.as_bytes())).await,
        403,
        "acces_error",
    );
    for header in [("x-auth-token", TOKEN), ("X_AUTH_TOKEN", TOKEN), ("Authorization", &format!("Bearer {TOKEN}"))] {
        let heard = counter.till.send(&request("GET", "/api/v1/sbp/cash-link", &[header], b"")).await;
        assert_eq!(heard.status, 200, "{header:?} {heard:?}");
    }
    still_sells(&counter).await;
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_at_every_endpoint() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let deep = "[".repeat(20_000);
    let deeper = format!("{{\"amount\":500,\"x\":{deep}1{}}}", "]".repeat(20_000));
    let bodies: &[&[u8]] = &[
        b"not json",
        b"amount=500",
        b"[]",
        b"null",
        b"500",
        b"{",
        b"{\"amount\":500,}",
        b"{\"amount\":500}}",
        b"{\"amount\":500,\"amount\":600}",
        b"{\"amount\":NaN}",
        b"\xff\xfe\x00",
        b"{\"purpose\":\"\xd0\"}",
        deep.as_bytes(),
        deeper.as_bytes(),
    ];
    for path in POSTS {
        for body in bodies {
            let heard = counter.till.send(&request("POST", &at(path), &[("x_auth_token", TOKEN)], body)).await;
            let told = is_problem(&heard, 400, "validation_error");
            let said = told["fields"]["non_field_errors"][0].as_str().unwrap_or_else(|| panic!("{path} {heard:?}"));
            assert!(said.starts_with("The body is "), "{said}");
        }
    }
    still_sells(&counter).await;
}

#[tokio::test]
async fn wrong_amounts_and_currencies_are_refused_wherever_money_moves() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let body = |amount: &str, currency: &str| {
        format!(
            r#"{{"amount":{amount},"currency":{currency},"idempotency_token":"t","phone":"+79000000000","profile":"main"}}"#
        )
    };
    let paths = ["/api/v1/sbp/sale", "/api/v1/sbp/sale/{id}/refund", "/api/v1/sbp/loyalty/search"];
    for path in paths {
        for amount in [
            "-1",
            "950.00",
            "950.0",
            "9.5e2",
            "1e2",
            "-0.0",
            "\"950\"",
            "\"\"",
            "null",
            "true",
            "[1]",
            "{}",
            "100000001",
            "9223372036854775808",
            "99999999999999999999999999",
            "-99999999999999999999999999",
            "1e400",
        ] {
            let told = is_problem(&counter.ask(&at(path), &body(amount, "\"RUB\"")).await, 400, "validation_error");
            assert!(told["fields"]["amount"].is_array(), "{path} {amount}: {told:#}");
        }
        for currency in ["\"UZS\"", "\"rub\"", "\"RUR\"", "643", "\"\"", "null", "[]"] {
            let told = is_problem(&counter.ask(&at(path), &body("950", currency)).await, 400, "validation_error");
            assert!(told["fields"]["currency"].is_array(), "{path} {currency}: {told:#}");
        }
        for (left_out, rest) in [("amount", r#""currency":"RUB""#), ("currency", r#""amount":950"#)] {
            let body = format!(r#"{{{rest},"idempotency_token":"t","phone":"+79000000000"}}"#);
            let told = is_problem(&counter.ask(&at(path), &body).await, 400, "validation_error");
            assert_eq!(told["fields"][left_out][0], "This field is required.", "{path}");
        }
    }
    is_problem(&counter.ask("/api/v1/sbp/sale", &body("0", "\"RUB\"")).await, 400, "validation_error");
    still_sells(&counter).await;
}

#[tokio::test]
async fn wrong_fields_are_named_one_by_one() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let long = "8".repeat(10_000);
    let line = |field: &str, value: Value| {
        let mut line = json!({"product_id": "f1fc", "count": 1, "price": 950});
        line[field] = value;
        json!([{"product_id": "f1fc", "count": 1, "price": 950}, line])
    };
    let card = |fields: Value| {
        let mut card = json!({"phone": "+79000000000", "client_id": 1, "type": "discount", "base_amount": 2000});
        card.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        card
    };
    for (field, value, named) in [
        ("idempotency_token", json!(""), "idempotency_token"),
        ("idempotency_token", json!(long), "idempotency_token"),
        ("idempotency_token", json!("ключ"), "idempotency_token"),
        ("idempotency_token", json!("a b"), "idempotency_token"),
        ("profile", json!("nobody"), "profile"),
        ("profile", json!(null), "profile"),
        ("purpose", json!("я".repeat(141)), "purpose"),
        ("purpose", json!("a\u{0}"), "purpose"),
        ("purpose", json!(["a"]), "purpose"),
        ("qr_size", json!(99), "qr_size"),
        ("qr_size", json!(1001), "qr_size"),
        ("qr_size", json!(400.0), "qr_size"),
        ("display", json!("yes"), "display"),
        ("cash_link", json!(1), "cash_link"),
        ("order_id", json!({"id": 1}), "order_id"),
        ("nomenclature", json!([]), "nomenclature"),
        ("nomenclature", json!({}), "nomenclature"),
        ("nomenclature", json!(vec![json!({}); 101]), "nomenclature"),
        ("nomenclature", line("count", json!(0)), "nomenclature[1].count"),
        ("nomenclature", line("count", json!(1001)), "nomenclature[1].count"),
        ("nomenclature", line("price", json!(0)), "nomenclature[1].price"),
        ("nomenclature", line("price", json!("950")), "nomenclature[1].price"),
        ("nomenclature", line("product_id", json!("")), "nomenclature[1].product_id"),
        ("loyalty", json!("card"), "loyalty"),
        ("loyalty", card(json!({"phone": "911"})), "loyalty.phone"),
        ("loyalty", card(json!({"phone": "+7 900 000 00 00"})), "loyalty.phone"),
        ("loyalty", card(json!({"client_id": 0})), "loyalty.client_id"),
        ("loyalty", card(json!({"type": 2})), "loyalty.type"),
        ("loyalty", card(json!({"points": 5})), "loyalty.points"),
        ("loyalty", card(json!({"type": "write_off"})), "loyalty.points"),
        ("loyalty", card(json!({"base_amount": 950})), "loyalty.base_amount"),
        ("loyalty", card(json!({"type": "accrual", "base_amount": 949})), "loyalty.base_amount"),
    ] {
        let mut body = json!({"amount": 950, "currency": "RUB", "idempotency_token": "t"});
        body[field] = value;
        let heard = counter.ask("/api/v1/sbp/sale", &body.to_string()).await;
        let told = is_problem(&heard, 400, "validation_error");
        assert!(told["fields"][named].is_array(), "{named}: {told:#}");
        assert!(heard.body.len() < 1_500, "an error does not echo what was sent: {heard:?}");
    }
    let at_link = r#"{"amount":950,"currency":"RUB","idempotency_token":"t","cash_link":true,"qr_size":400}"#;
    let told = is_problem(&counter.ask("/api/v1/sbp/sale", at_link).await, 400, "validation_error");
    assert!(told["fields"]["cash_link"].is_array(), "{told:#}");
    for (body, named) in [
        (r#"{"cash_qr_id":"AS1"}"#, "cash_qr_link"),
        (r#"{"cash_qr_link":"https://qr.nspk.ru/AS1"}"#, "cash_qr_id"),
        (r#"{"cash_qr_id":"../AS1","cash_qr_link":"https://qr.nspk.ru/AS1"}"#, "cash_qr_id"),
        (r#"{"cash_qr_id":"AS1","cash_qr_link":"javascript:1"}"#, "cash_qr_link"),
    ] {
        let told = is_problem(&counter.ask("/api/v1/sbp/cash-link", body).await, 400, "validation_error");
        assert!(told["fields"][named].is_array(), "{body}: {told:#}");
    }
    still_sells(&counter).await;
}

#[tokio::test]
async fn wrong_paths_methods_types_and_sizes_are_told_in_the_same_shape() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let token = ("x_auth_token", TOKEN);
    for (method, path, headers, status, code) in [
        ("GET", "/api/v1/sbp/nowhere", vec![token], 404, "not_found"),
        ("POST", "/api/v1/payments", vec![token], 404, "not_found"),
        ("GET", "/api/v1/sbp/sale/not-a-uuid", vec![token], 404, "not_found"),
        ("GET", "/api/v1/sbp/sale/%00%ff", vec![token], 404, "not_found"),
        ("GET", &at("/api/v1/sbp/sale/{id}"), vec![token], 404, "not_found"),
        ("POST", &at("/api/v1/sbp/sale/{id}/cancel"), vec![token], 404, "not_found"),
        ("GET", "/api/v1/sbp/sale", vec![token], 405, "method_not_allowed"),
        ("DELETE", "/api/v1/sbp/cash-link", vec![token], 405, "method_not_allowed"),
        ("HEAD", "/api/v1/sbp/products", vec![token], 405, ""),
        ("POST", "/api/v1/sbp/sale", vec![token, ("Content-Type", "text/plain")], 415, "not_json"),
    ] {
        let heard = counter.till.send(&request(method, path, &headers, b"")).await;
        if code.is_empty() {
            assert_eq!((heard.status, heard.body.as_str()), (status, ""), "{method} {path}");
        } else {
            is_problem(&heard, status, code);
        }
    }
    let told = counter.till.get("/nowhere").await.json();
    assert_eq!(told["error"]["code"], 962, "other doors keep their shape");
    still_sells(&counter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_ten_megabytes_is_refused_after_it_was_dropped() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let mut stream = tokio::net::TcpStream::connect(counter.till.0).await.unwrap();
    let head = format!(
        "POST /api/v1/sbp/sale HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx_auth_token: {TOKEN}\r\nContent-Length: 10000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..200 {
        stream.write_all(&[b' '; 50_000]).await.unwrap();
    }
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    is_problem(&Heard::read(&heard), 413, "too_large");
    still_sells(&counter).await;
}
