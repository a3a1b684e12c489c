//! The callback's door before the whole way of a receipt: a word that is heard is a question asked at once, and nothing more.

use std::net::SocketAddr;

use tolov::api::callback::{self, Door};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A life whose receipts wait for ten minutes, and its door.
async fn begin(dir: &Path, url: &str) -> (Life, SocketAddr) {
    let life = Life::with(dir, url, Policy { backoff_min_ms: 600_000, backoff_max_ms: 600_000, ..policy() });
    let ask_now = life.ask_now.clone();
    let door = Door {
        is_secret: Arc::new(|word| word == SECRET),
        ask_now: Arc::new(move |operations| ask_now.ask(operations)),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(callback::serve(listener, door, std::future::pending()));
    (life, address)
}

/// Says `request` and reads the status; `body` follows with its length.
async fn say(door: SocketAddr, request: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(door).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: terminal.example\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // Whoever is turned away at the door may find it shut before his body is through.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer).unwrap()["HTTP/1.1 ".len()..].parse().unwrap()
}

/// A sale whose receipt is registered and was told `wait` once.
async fn waiting(life: &Life) -> Payment {
    let sale = life.paid().await;
    life.bring(&sale, "тест").await;
    for _ in 0..3_000 {
        if life.last(&sale).registered_ms.is_some() {
            return sale;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never registered: {:?}", life.last(&sale));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_has_the_status_asked_for_at_once_and_only_the_status_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait(), done()]).await;
    let (life, door) = begin(dir.path(), &url).await;
    let sale = waiting(&life).await;
    let lie = format!("{{\"status\": \"fail\", \"external_id\": \"{NUMBER}\", \"error\": \"payer@example.ru\"}}");
    assert_eq!(say(door, &format!("POST /qrm/{SECRET}"), &lie).await, 200);
    let confirmed = life.until(&sale, Fiscal::Confirmed).await;
    assert!(confirmed.answer.unwrap().contains("https://consumer.1-ofd-test.ru/ticket"));
    assert_eq!(qrm.counted(), (1, 2));
    life.end().await;
    forgets(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_names_nothing_asks_for_every_receipt_that_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait(), done()]).await;
    let (life, door) = begin(dir.path(), &url).await;
    let sale = waiting(&life).await;
    assert_eq!(say(door, &format!("POST /qrm/{SECRET}"), "").await, 200);
    life.until(&sale, Fiscal::Confirmed).await;
    assert_eq!(qrm.counted(), (1, 2));
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_wrong_methods_and_large_bodies_are_turned_away_and_ask_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait()]).await;
    let (life, door) = begin(dir.path(), &url).await;
    waiting(&life).await;
    let named = format!("{{\"number\": \"{NUMBER}\"}}");
    let large = format!("{{\"number\": \"{NUMBER}\", \"x\": \"{}\"}}", "x".repeat(70_000));
    for (request, body, status) in [
        ("POST /".to_owned(), &named, 404),
        ("POST /qrm/".to_owned(), &named, 404),
        (format!("POST /qrm/{}", &SECRET[1..]), &named, 404),
        (format!("POST /qrm/{SECRET}/"), &named, 404),
        (format!("POST /QRM/{SECRET}"), &named, 404),
        ("GET /qrm/0".to_owned(), &named, 404),
        ("POST /qrm/0".to_owned(), &large, 404),
        ("POST /payment/xumo_close".to_owned(), &named, 404),
        (format!("GET /qrm/{SECRET}"), &named, 405),
        (format!("PUT /qrm/{SECRET}"), &named, 405),
        (format!("POST /qrm/{SECRET}"), &large, 413),
    ] {
        assert_eq!(say(door, &request, body).await, status, "{request}");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(qrm.counted(), (1, 1), "what was asked before");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_callbacks_costs_one_question() {
    let dir = tempfile::tempdir().unwrap();
    let (qrm, url) = Qrm::open(&[Post::Takes], &[wait()]).await;
    let (life, door) = begin(dir.path(), &url).await;
    waiting(&life).await;
    for index in 0..200 {
        let body = if index % 2 == 0 { format!("{{\"InvoiceId\": \"{NUMBER}\"}}") } else { "{}".to_owned() };
        assert_eq!(say(door, &format!("POST /qrm/{SECRET}"), &body).await, 200);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (posted, asked) = qrm.counted();
    assert_eq!(posted, 1);
    // One in its turn and one out of it; a second one where the calls took longer than the limit.
    assert!((2..=3).contains(&asked), "{asked} questions");
    life.end().await;
}
