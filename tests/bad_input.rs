//! What no till should send, to every endpoint: a clear error in the documented envelope, bounded memory, and the next sale works.

#![allow(clippy::unwrap_used)]

mod counter;

use std::time::Duration;

use counter::till::request;
use counter::{Counter, Heard, Reply, Setup};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ENDPOINTS: &[&str] = &[
    "/payment/click",
    "/payment/click_confirm",
    "/payment/payme",
    "/payment/payme_confirm",
    "/payment/xumo",
    "/payment/xumo_close",
    "/payment/cancel",
];
const SALE: &str = r#"{"amount":500,"qr_code":"880101698207133392"}"#;

async fn open() -> (Counter, tempfile::TempDir) {
    let paid = r#"{"data":{"status":"successfully","payment_id":"1"},"error":null,"is_success":true}"#;
    Counter::open(Setup { replies: vec![Reply::Says(paid.to_owned())], ..Setup::default() }).await
}

/// In the envelope, and no success.
fn is_refused(heard: &Heard, status: u16, code: i64) -> Value {
    let told = heard.json();
    assert_eq!((heard.status, &told["error"]["code"]), (status, &json!(code)), "{heard:?}");
    assert_eq!((&told["data"], &told["is_success"]), (&Value::Null, &json!(false)), "{heard:?}");
    assert!(told["error"]["message"].is_string(), "{heard:?}");
    assert!(heard.head.to_ascii_lowercase().contains("content-type: application/json"), "{heard:?}");
    told
}

/// Nothing of all that became a payment, and a proper sale is paid.
async fn still_sells(counter: &Counter) {
    let lines = counter.journal();
    // What the PinPad's last operation was is asked at the start; it is the only line.
    assert!(lines.iter().all(|line| line.contains("card_marked")), "{lines:#?}");
    let told = counter.till.post("/payment/click", SALE).await;
    assert_eq!(told.json()["data"]["payment_id"], "1", "{told:?}");
    assert_eq!(counter.vendor.asked().len(), 1);
}

/// Private memory of this process that holds no file, in KiB.
fn rss_anon_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_at_every_endpoint() {
    let (counter, _dir) = open().await;
    let deep = "[".repeat(20_000);
    let deeper = format!("{{\"amount\":500,\"x\":{deep}1{}}}", "]".repeat(20_000));
    let bodies: &[&[u8]] = &[
        b"not json",
        b"amount=500&qr_code=88",
        b"[]",
        b"null",
        b"500",
        b"\"text\"",
        b"{",
        b"{\"amount\":500,}",
        b"{\"amount\":500}}",
        b"{\"amount\":500,\"amount\":600}",
        b"{'amount':500}",
        b"{\"amount\":NaN}",
        b"<xml/>",
        b"\xff\xfe\x00",
        b"{\"amount\":500,\"qr_code\":\"\xd0\"}",
        b"{\"qr_code\":\"\\ud800\"}x",
        deep.as_bytes(),
        deeper.as_bytes(),
    ];
    for endpoint in ENDPOINTS {
        for body in bodies {
            let heard = counter.till.send(&request("POST", endpoint, &[], body)).await;
            let told = is_refused(&heard, 200, 7);
            let fields: Value = serde_json::from_str(told["error"]["message"].as_str().unwrap()).unwrap();
            let said = fields["non_field_errors"][0].as_str().unwrap_or_else(|| panic!("{endpoint} {heard:?}"));
            assert!(said.starts_with("The body is "), "{said}");
        }
    }
    still_sells(&counter).await;
}

#[tokio::test]
async fn wrong_amounts_are_refused_wherever_money_moves() {
    let (counter, _dir) = open().await;
    for endpoint in ["/payment/click", "/payment/payme", "/payment/xumo"] {
        for amount in [
            "0",
            "-1",
            "-0",
            "0.5",
            "500.5",
            "1e-3",
            "1e400",
            "99999999999999999999999999999999",
            "10000000000000",
            "\"500\"",
            "\"\"",
            "null",
            "true",
            "[500]",
            "{\"sum\":500}",
        ] {
            for rest in ["", r#","is_return":true,"request_id":1"#] {
                let body = format!("{{\"amount\":{amount},\"qr_code\":\"88\"{rest}}}");
                let told = is_refused(&counter.till.post(endpoint, &body).await, 200, 7);
                let message = told["error"]["message"].as_str().unwrap();
                assert!(message.starts_with("{\"amount\":[\""), "{endpoint} {amount}: {message}");
            }
        }
        let told = is_refused(&counter.till.post(endpoint, "{}").await, 200, 7);
        assert_eq!(told["error"]["message"], r#"{"amount":["This field is required."]}"#);
    }
    still_sells(&counter).await;
}

#[tokio::test]
async fn wrong_types_and_lengths_are_refused_field_by_field() {
    let (counter, _dir) = open().await;
    let long = "8".repeat(60_000);
    let link = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
    let click =
        |field: &str, value: Value| ("/payment/click", json!({ "amount": 500, field: value }), field.to_owned());
    let confirm = |field: &str, value: Value| {
        let mut body =
            json!({ "payme_id": "1", "receipt_id": "2421", "qr_code_url": link, "fiscal_sign": "514343190161" });
        body[field] = value;
        ("/payment/payme_confirm", body, field.to_owned())
    };
    let wrong = [
        click("qr_code", json!(["88"])),
        click("qr_code", json!(1.5)),
        click("qr_code", Value::Null),
        click("qr_code", json!("")),
        click("qr_code", json!("  ")),
        click("qr_code", json!("88\u{0}")),
        click("qr_code", json!(long)),
        click("order_id", json!({ "id": 1 })),
        click("order_id", json!(long)),
        ("/payment/xumo", json!({ "amount": 1, "is_return": 1 }), "is_return".to_owned()),
        ("/payment/xumo", json!({ "amount": 1, "is_return": true, "request_id": -1 }), "request_id".to_owned()),
        ("/payment/cancel", json!({ "transaction_id": "1" }), "transaction_id".to_owned()),
        confirm("payme_id", json!(true)),
        confirm("payme_id", Value::Null),
        confirm("qr_code_url", json!("http://example.org")),
        confirm("qr_code_url", json!(long)),
        confirm("receipt_id", json!("2422")),
        confirm("fiscal_sign", json!([])),
    ];
    for (endpoint, body, field) in wrong {
        let told = is_refused(&counter.till.post(endpoint, &body.to_string()).await, 200, 7);
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{{\"{field}\":[\"")), "{endpoint} {field}: {message}");
        assert!(message.len() < 1_000, "an error does not echo what was sent: {message}");
    }
    still_sells(&counter).await;
}

/// POST ten megabytes out of one small buffer, and hear the answer.
async fn send_ten_megabytes(counter: &Counter, endpoint: &str) -> Heard {
    let piece = [b' '; 50_000];
    let mut stream = TcpStream::connect(counter.till.0).await.unwrap();
    let head =
        format!("POST {endpoint} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..200 {
        stream.write_all(&piece).await.unwrap();
    }
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    Heard::read(&heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_ten_megabytes_are_refused_without_being_kept() {
    let (counter, _dir) = open().await;
    let counter = std::sync::Arc::new(counter);
    let before = rss_anon_kib();
    let mut peak = before;
    let mut sending = tokio::task::JoinSet::new();
    for endpoint in ENDPOINTS.iter().cycle().take(28) {
        let counter = counter.clone();
        sending.spawn(async move { send_ten_megabytes(&counter, endpoint).await });
    }
    while !sending.is_empty() {
        if let Ok(Some(sent)) = tokio::time::timeout(Duration::from_millis(5), sending.join_next()).await {
            is_refused(&sent.unwrap(), 413, 965);
        }
        peak = peak.max(rss_anon_kib());
    }
    // Kept, they would be 280 MB at once.
    assert!(peak - before < 64 * 1024, "{} KiB more than before", peak - before);
    still_sells(&counter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_connections_do_not_stop_the_next_sale() {
    let (counter, _dir) = open().await;
    let before = rss_anon_kib();
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(counter.till.0).await.unwrap();
        if number % 2 == 0 {
            // Half of them have begun to say something.
            stream.write_all(b"POST /payment/click HTTP/1.1\r\nHost: 127.0.0.1\r\n").await.unwrap();
        }
        idle.push(stream);
    }
    let sale = tokio::time::timeout(Duration::from_secs(5), still_sells(&counter));
    sale.await.expect("the sale waits for nobody");
    let grown = rss_anon_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for idle connections");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_slow_senders_than_connections_keep_no_sale_waiting() {
    let (counter, _dir) = open().await;
    let mut crowd = Vec::new();
    for _ in 0..600 {
        let mut stream = TcpStream::connect(counter.till.0).await.unwrap();
        let _ = stream.write_all(SLOW_BODY).await;
        crowd.push(stream);
    }
    let sale = tokio::time::timeout(Duration::from_secs(5), still_sells(&counter));
    sale.await.expect("the sale waits for nobody");
}

/// A request whose body never comes whole.
const SLOW_BODY: &[u8] =
    b"POST /payment/click HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{";

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_are_given_up() {
    let (counter, _dir) = open().await;
    let address = counter.till.0;
    let slow_head = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for byte in b"POST /payment/click HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    let slow_body = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(SLOW_BODY).await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    let limit = Duration::from_secs(20);
    let heard = tokio::time::timeout(limit, slow_body).await.expect("a slow body is given up").unwrap();
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    assert!(heard.contains("\"code\":964") && heard.contains("within 10 s"), "{heard}");
    tokio::time::timeout(limit, slow_head).await.expect("a slow head is given up").unwrap();
    still_sells(&counter).await;
}

#[tokio::test]
async fn wrong_paths_methods_types_and_headers_are_told_in_the_envelope() {
    let (counter, _dir) = open().await;
    let till = counter.till;
    let json_type = ("Content-Type", "application/json");
    for (bytes, status, code) in [
        (request("GET", "/payment", &[], b""), 404, 962),
        (request("POST", "/payment/uzum", &[json_type], SALE.as_bytes()), 405, 963),
        (request("POST", "/", &[json_type], SALE.as_bytes()), 404, 962),
        (request("GET", "/payment/click", &[], b""), 405, 963),
        (request("PUT", "/payment/click", &[json_type], SALE.as_bytes()), 405, 963),
        (request("DELETE", "/payment/xumo_close", &[], b""), 405, 963),
        (request("POST", "/payment/click", &[("Content-Type", "text/plain")], SALE.as_bytes()), 415, 966),
        (request("POST", "/payment/click", &[("Origin", "http://localhost")], SALE.as_bytes()), 403, 961),
        (request("GET", "/payment/xumo_close", &[("Sec-Fetch-Site", "cross-site")], b""), 403, 961),
        (request("POST", "/payment/click", &[("Idempotency-Key", "")], SALE.as_bytes()), 200, 7),
        (request("POST", "/payment/click", &[("Idempotency-Key", &"k".repeat(65))], SALE.as_bytes()), 200, 7),
        (request("POST", "/payment/click", &[("Idempotency-Key", "ключ")], SALE.as_bytes()), 200, 7),
        (request("GET", "/payment/not-a-uuid", &[], b""), 200, 7),
        (request("GET", "/payment/%00%ff", &[], b""), 200, 7),
        (request("GET", &format!("/payment/{}", "a".repeat(5_000)), &[], b""), 200, 7),
        (request("GET", "/payment/ee000d20-b260-4b17-995a-a7bd113bdb22", &[], b""), 200, 922),
    ] {
        is_refused(&till.send(&bytes).await, status, code);
    }
    let foreign = String::from_utf8(request("POST", "/payment/click", &[json_type], SALE.as_bytes())).unwrap();
    let foreign = foreign.replace("Host: 127.0.0.1", "Host: evil.example");
    is_refused(&till.send(foreign.as_bytes()).await, 403, 961);
    let head = till.send(&request("HEAD", "/payment/xumo_close", &[], b"")).await;
    assert_eq!((head.status, head.body.as_str()), (405, ""), "a HEAD must not close the shift");
    let allowed = |heard: &Heard| {
        let told =
            heard.head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("allow: ").map(str::to_owned));
        let mut served: Vec<String> = told.unwrap_or_default().split(", ").map(str::to_owned).collect();
        served.sort();
        served.join(" ")
    };
    assert_eq!(allowed(&head), "get post");
    assert_eq!(allowed(&till.send(&request("HEAD", "/payment/click", &[], b"")).await), "post");
    assert_eq!(allowed(&till.send(&request("DELETE", "/health/live", &[], b"")).await), "get", "HEAD is not served");
    let large = till.send(&request("POST", "/payment/click", &[("X-Large", &"x".repeat(20_000))], b"{}")).await;
    assert_eq!(large.status, 431);
    assert_eq!(till.send(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await.status, 400, "TLS on a plain port");
    still_sells(&counter).await;
}
