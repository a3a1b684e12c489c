//! What the simulator does beside the printed examples (`tests/qrm_simulator.rs` asks those): sockets, faults, phones, and books that go on.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

async fn sim() -> QrmSimHandle {
    QrmSim::spawn(QrmSimSettings::default()).await.unwrap()
}

/// Status and body of an answer; nothing where there is none, or half of one.
async fn ask(sim: &QrmSimHandle, key: &str, line: &str, body: &Value) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(sim.address()).await.unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: qrm\r\nConnection: close\r\nX-Api-Key: {key}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset ends what was said, like one that is closed.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

/// A code's `operation_id`.
async fn code(sim: &QrmSimHandle, kopecks: i64) -> String {
    let (status, told) = ask(sim, PLAIN_KEY, "POST /operations/qr-code/", &json!({ "sum": kopecks })).await.unwrap();
    assert_eq!(status, 200, "{told}");
    told["results"]["operation_id"].as_str().unwrap().to_owned()
}

async fn rest(sim: &QrmSimHandle, id: &str) -> i64 {
    let told = ask(sim, PLAIN_KEY, &format!("GET /operations/{id}/qr-status/"), &Value::Null).await;
    told.unwrap().1["results"]["operation_status_code"].as_i64().unwrap()
}

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(sim: &QrmSimHandle) -> Self {
        let mut socket = Self::plug(sim, PLAIN_KEY).await.unwrap();
        assert_eq!(socket.hear().await.unwrap(), json!({ "results": "connected" }));
        socket
    }

    async fn plug(sim: &QrmSimHandle, key: &str) -> Option<Self> {
        let stream = TcpStream::connect(sim.address()).await.unwrap();
        let url = format!("ws://{}/ws/qr-code?api_key={key}", sim.address());
        client_async(url, stream).await.ok().map(|(socket, _)| Self(socket))
    }

    /// Ask, and see to it that the question is there before anything else happens.
    async fn ask(&mut self, sim: &QrmSimHandle, id: &str) {
        let before = sim.waiting();
        self.say("get_qr_status", id).await;
        let asked = async {
            while sim.waiting() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, asked).await.expect("the question was not heard");
    }

    async fn say(&mut self, command: &str, id: &str) {
        let message = json!({ "command": command, "body": { "operation_uuid": id } });
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message; nothing where the connection has ended.
    async fn hear(&mut self) -> Option<Value> {
        let heard = timeout(PATIENCE, self.0.next()).await.expect("not a word");
        Some(serde_json::from_str(heard?.ok()?.to_text().ok()?).unwrap())
    }

    async fn status(&mut self) -> i64 {
        self.hear().await.unwrap()["results"]["operation_status_code"].as_i64().unwrap()
    }
}

#[tokio::test]
async fn a_status_is_told_when_it_changes_and_refused_afterwards() {
    let sim = sim().await;
    let id = code(&sim, 10_000).await;
    let mut socket = Socket::open(&sim).await;
    socket.ask(&sim, &id).await;
    sim.open(&id).unwrap();
    assert_eq!(rest(&sim, &id).await, 4, "the socket knows no 3, so that this is no change there");
    sim.pay(&id).unwrap();
    let told = json!({ "operation_status_code": 5, "operation_status_msg": "Оплачено", "operation_uuid": id });
    assert_eq!(socket.hear().await.unwrap(), json!({ "results": told }));
    socket.say("get_qr_status", &id).await;
    let refused = "Данный запрос запрещен, операция в статусе PAID";
    assert_eq!(socket.hear().await.unwrap(), json!({ "errors": refused }));
    socket.say("cancel", &id).await;
    let told = json!({ "operation_status_code": 5, "operation_status_msg": "Оплачено" });
    assert_eq!(socket.hear().await.unwrap(), json!({ "results": told }));
    assert!(matches!(sim.pay(&id), Err(PhoneError::Ended(Standing::Paid))), "a code is paid once");
}

#[tokio::test]
async fn a_question_that_nothing_answers_is_answered_with_what_is() {
    let settings = QrmSimSettings { status_wait_ms: 50, ..QrmSimSettings::default() };
    let sim = QrmSim::spawn(settings).await.unwrap();
    let id = code(&sim, 10_000).await;
    let mut socket = Socket::open(&sim).await;
    socket.say("get_qr_status", &id).await;
    assert_eq!(socket.status().await, 4);
    sim.set_switches(Switches {
        sockets: SocketSwitches { unknown: true, ..Default::default() },
        ..Default::default()
    });
    socket.say("get_qr_status", &id).await;
    assert_eq!(socket.status().await, 0);
}

#[tokio::test]
async fn a_declined_code_can_still_be_paid_and_an_expired_one_only_late() {
    let sim = sim().await;
    let (first, second) = (code(&sim, 100).await, code(&sim, 200).await);
    sim.decline(&first).unwrap();
    assert_eq!(rest(&sim, &first).await, 6);
    sim.pay(&first).unwrap();
    assert_eq!(rest(&sim, &first).await, 5);
    sim.expire(&second).unwrap();
    assert_eq!(rest(&sim, &second).await, 8);
    assert!(matches!(sim.pay(&second), Err(PhoneError::Ended(Standing::Expired))));
    sim.pay_late(&second).unwrap();
    assert_eq!(rest(&sim, &second).await, 5);
    assert!(sim.operation(&second).unwrap().late && !sim.operation(&first).unwrap().late);
    let link = sim.operations()[0].qr_link.clone();
    assert!(matches!(sim.pay(&link), Err(PhoneError::Ended(Standing::Paid))), "a link is as good as an id");
}

#[tokio::test]
async fn a_code_expires_by_itself() {
    let terminals = vec![Terminal { code_ttl_ms: 60, ..Terminal::new(PLAIN_KEY) }];
    let sim = QrmSim::spawn(QrmSimSettings { terminals, ..QrmSimSettings::default() }).await.unwrap();
    let id = code(&sim, 100).await;
    let mut socket = Socket::open(&sim).await;
    socket.say("get_qr_status", &id).await;
    assert_eq!(socket.status().await, 8);
}

#[tokio::test]
async fn statuses_come_twice_and_jumbled_where_that_is_set() {
    let sim = sim().await;
    let id = code(&sim, 100).await;
    let mut socket = Socket::open(&sim).await;
    let sockets = SocketSwitches { twice: true, jumbled: true, without_id: true, ..Default::default() };
    sim.set_switches(Switches { sockets, rest_behind_ms: 60_000, ..Default::default() });
    socket.ask(&sim, &id).await;
    sim.pay(&id).unwrap();
    for code in [5, 5, 4, 4] {
        let told = socket.hear().await.unwrap();
        assert_eq!(told["results"]["operation_status_code"], code);
        assert_eq!(told["results"].get("operation_uuid"), None);
    }
    assert_eq!(rest(&sim, &id).await, 3, "REST has not heard of it yet");
}

#[tokio::test]
async fn sockets_break_are_refused_or_fall_silent() {
    let sim = sim().await;
    let id = code(&sim, 100).await;
    let mut socket = Socket::open(&sim).await;
    socket.ask(&sim, &id).await;
    sim.break_sockets();
    assert_eq!(socket.hear().await, None);
    assert_eq!((sim.waiting(), sim.open_sockets()), (0, 0));
    let mut socket = Socket::open(&sim).await;
    sim.set_switches(Switches {
        sockets: SocketSwitches { cut_instead: 1, ..Default::default() },
        ..Default::default()
    });
    socket.ask(&sim, &id).await;
    sim.pay(&id).unwrap();
    assert_eq!(socket.hear().await, None, "instead of the status");
    for refused in [SocketRefusal::NotFound, SocketRefusal::NotUpgraded, SocketRefusal::Cut] {
        let sockets = SocketSwitches { refused: Some(refused), ..Default::default() };
        sim.set_switches(Switches { sockets, ..Default::default() });
        assert!(Socket::plug(&sim, PLAIN_KEY).await.is_none(), "{refused:?}");
    }
    sim.set_switches(Switches::default());
    assert!(Socket::plug(&sim, "nobody.s").await.is_none(), "a foreign key");
    let mut socket = Socket::open(&sim).await;
    sim.disconnect();
    assert_eq!(socket.hear().await, None);
    assert!(TcpStream::connect(sim.address()).await.is_err());
    sim.connect().await.unwrap();
    Socket::open(&sim).await;
}

#[tokio::test]
async fn what_is_lost_after_is_in_the_books_and_what_is_lost_before_is_not() {
    let sim = sim().await;
    let ask = async |fault: FaultKind| {
        let rest = [(Method::Code, Fault::once(fault))].into();
        sim.set_switches(Switches { rest, ..Default::default() });
        let heard = ask(&sim, PLAIN_KEY, "POST /operations/qr-code/", &json!({ "sum": 1 })).await;
        (heard, sim.operations().len())
    };
    assert_eq!(ask(FaultKind::LostBefore).await, (None, 0));
    assert_eq!(ask(FaultKind::LostAfter).await, (None, 1));
    assert_eq!(ask(FaultKind::Cut).await, (None, 2));
    assert_eq!(ask(FaultKind::Garbage).await, (None, 3));
    assert_eq!(ask(FaultKind::Http500).await, (None, 3));
    let refused = ask(FaultKind::Refused { text: "Недостаточно прав".to_owned() }).await;
    assert_eq!(refused, (Some((400, json!({ "detail": "Недостаточно прав" }))), 3));
    assert_eq!(ask(FaultKind::Forbidden).await.0.unwrap().0, 403);
    assert_eq!(ask(FaultKind::Slow { ms: 10 }).await.0.unwrap().0, 200);
}

#[tokio::test]
async fn books_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        QrmSimSettings { books: Some(dir.path().join("books")), refund_takes_ms: 200, ..QrmSimSettings::default() };
    let sim = QrmSim::spawn(settings.clone()).await.unwrap();
    let id = code(&sim, 500).await;
    sim.pay(&id).unwrap();
    let body = json!({ "operation_id": id, "amount": 200 });
    let (_, told) = ask(&sim, PLAIN_KEY, "POST /operations/refund/", &body).await.unwrap();
    let request = told["results"]["refundRequestId"].as_str().unwrap().to_owned();
    drop(sim);
    let sim = QrmSim::spawn(settings).await.unwrap();
    assert_eq!(rest(&sim, &id).await, 5);
    let line = format!("GET /operations/{id}/refund-status/{request}/");
    let status = async || ask(&sim, PLAIN_KEY, &line, &Value::Null).await.unwrap().1["results"]["status"].clone();
    assert_eq!(status().await, "received");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(status().await, "success");
    assert_eq!(rest(&sim, &id).await, 5, "a part went back");
    let over = ask(&sim, PLAIN_KEY, "POST /operations/refund/", &json!({ "operation_id": id, "amount": 301 })).await;
    assert_eq!(over.unwrap().0, 400, "never more than was paid");
}

#[tokio::test]
async fn a_cash_link_takes_one_payment_and_then_sleeps() {
    let sim = sim().await;
    let key = CASH_LINK_KEY;
    let (_, told) = ask(&sim, key, "POST /operations/cash-qr/", &Value::Null).await.unwrap();
    let (link, id) = (told["results"]["cashQrLink"].as_str().unwrap(), told["results"]["cashQrId"].as_str().unwrap());
    assert!(matches!(sim.pay(link), Err(PhoneError::Nothing)), "it is not active");
    let activate = format!("POST /operations/cash-qr/{id}/activate/");
    let (_, told) = ask(&sim, key, &activate, &json!({ "sum": 600 })).await.unwrap();
    let operation = told["results"]["operation_Id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&sim, key, &activate, &json!({ "sum": 700 })).await.unwrap().0, 400, "one sale at a time");
    sim.pay(link).unwrap();
    assert!(matches!(sim.pay(link), Err(PhoneError::Nothing)), "it deactivates itself");
    let status = async |operation: &str| {
        let line = format!("GET /operations/{operation}/cash-qr/status/");
        ask(&sim, key, &line, &Value::Null).await.unwrap().1["results"]["status"].clone()
    };
    assert_eq!(status(&operation).await, 5);
    let (_, told) = ask(&sim, key, &activate, &json!({ "sum": 700 })).await.unwrap();
    let second = told["results"]["operation_Id"].as_str().unwrap().to_owned();
    assert_eq!(status(&second).await, 3);
    ask(&sim, key, &format!("DELETE /operations/cash-qr/{id}/deactivate/"), &Value::Null).await.unwrap();
    assert_eq!(status(&second).await, 7);
    let by = sim.entries().into_iter().filter_map(|entry| match entry.what {
        What::LinkDeactivated { by, .. } => Some(by),
        _ => None,
    });
    assert_eq!(by.collect::<Vec<_>>(), [Deactivator::Payment, Deactivator::Request]);
}
