//! §4.1 against the simulator: the printed commands, their answers and their errors, over a WebSocket.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};
use tolov::demo::qrm::{PLAIN_KEY, QrmSimSettings, SocketSwitches, Switches};

use crate::printed::example;
use crate::rig::{Rig, edited_key};

/// The two commands and the answers, as printed. `<operation_uuid>` stands for a text; of the answers, a comma is missing behind the first's
/// `<описание>` and behind the second's `4`.
const QUESTION: &str = r#"{
  "command": "get_qr_status",
  "body": {
    "operation_uuid": <operation_uuid>
  }
}"#;
const CANCEL: &str = r#"{
  "command": "cancel",
  "body": {
    "operation_uuid": <operation_uuid>
  }
}"#;
const ANSWER: &str = r#"{
  "results": {
    "operation_status_code": <код>,
    "operation_status_msg": <описание>
    "operation_uuid": <operation_uuid>
  }
}"#;
const CANCELLED: &str = r#"{
  "results": {
    "operation_status_code": 4
    "operation_status_msg": "В процессе"
  }
}"#;

fn command(printed: &str, uuid: &str) -> String {
    printed.replace("<operation_uuid>", &json!(uuid).to_string())
}

fn answer(code: i64, words: &str, uuid: &str) -> Value {
    let text = command(ANSWER, uuid).replace("<код>", &code.to_string());
    let text = text.replace("<описание>", &format!("{},", json!(words)));
    serde_json::from_str(&text).unwrap()
}

struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// At the printed address, but for its host.
    fn open(rig: &Rig, slash: &str) -> Self {
        let printed = example("4.1.socket_address");
        let (address, key) = printed.trim().split_once("?api_key=").unwrap();
        let path = address.strip_prefix("wss://app.devwapiserv.qrm.ooo").unwrap();
        let stream = TcpStream::connect(rig.sim.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let url = format!("ws://{}{path}{slash}?api_key={}", rig.sim.address(), edited_key(key));
        let (socket, _) = client(url, stream).unwrap();
        let mut socket = Self(socket);
        assert_eq!(socket.hear(), json!({ "results": "connected" }), "as the printed program expects");
        socket
    }

    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    fn hear(&mut self) -> Value {
        serde_json::from_str(self.0.read().unwrap().to_text().unwrap()).unwrap()
    }

    fn asks(&mut self, rig: &Rig, uuid: &str) {
        self.say(&command(QUESTION, uuid));
        rig.until(|| rig.sim.waiting() == 1);
    }
}

#[test]
fn statuses_are_told_as_4_1_prints_them() {
    let rig = Rig::new();
    for slash in ["", "/"] {
        let mut socket = Socket::open(&rig, slash);
        for (code, words) in [(5, "Оплачено"), (6, "Отозван"), (8, "Просрочено")] {
            let made = rig.make(PLAIN_KEY, 10_000);
            socket.asks(&rig, &made.id);
            match code {
                5 => rig.sim.pay(&made.id).unwrap(),
                6 => rig.sim.decline(&made.id).unwrap(),
                _ => rig.sim.expire(&made.id).unwrap(),
            }
            assert_eq!(socket.hear(), answer(code, words, &made.id));
        }
    }
}

#[test]
fn a_wait_ends_with_what_is_and_a_silent_bank_is_a_zero() {
    let rig = Rig::with(QrmSimSettings { status_wait_ms: 30, ..QrmSimSettings::default() });
    let made = rig.make(PLAIN_KEY, 10_000);
    let mut socket = Socket::open(&rig, "");
    socket.say(&command(QUESTION, &made.id));
    assert_eq!(socket.hear(), answer(4, "В процессе", &made.id));
    rig.sim.set_switches(Switches {
        sockets: SocketSwitches { unknown: true, ..SocketSwitches::default() },
        ..Switches::default()
    });
    socket.say(&command(QUESTION, &made.id));
    assert_eq!(socket.hear(), answer(0, "Время ожидания истекло", &made.id));
}

#[test]
fn a_cancel_is_answered_with_what_is_written_down() {
    let rig = Rig::new();
    let made = rig.make(PLAIN_KEY, 10_000);
    let mut socket = Socket::open(&rig, "");
    socket.asks(&rig, &made.id);
    socket.say(&command(CANCEL, &made.id));
    let printed: Value = serde_json::from_str(&CANCELLED.replace("4\n", "4,\n")).unwrap();
    assert_eq!(socket.hear(), printed);
    rig.until(|| rig.sim.waiting() == 0);
    assert_eq!(rig.sim.operation(&made.id).unwrap().refunds, []);
    rig.sim.pay(&made.id).unwrap();
    socket.say(&command(CANCEL, &made.id));
    assert_eq!(socket.hear()["results"]["operation_status_code"], 5, "the cancelled question is not answered any more");
    // 7: the whole sum went back.
    let body = json!({ "operation_id": made.id, "amount": 10_000 }).to_string();
    rig.post(PLAIN_KEY, "/operations/refund/", &body).ok();
    rig.until(|| rig.sim.operation(&made.id).unwrap().refunds[0].success == Some(true));
    socket.say(&command(CANCEL, &made.id));
    let told = json!({ "operation_status_code": 7, "operation_status_msg": "Возврат" });
    assert_eq!(socket.hear(), json!({ "results": told }));
}

#[test]
fn every_printed_error_is_told() {
    let rig = Rig::new();
    let mut socket = Socket::open(&rig, "");
    let error = |socket: &mut Socket| socket.hear()["errors"].as_str().unwrap().to_owned();
    let stranger = "310852c0-945e-4e59-aabe-bda80d8b408e";
    socket.say(&command(QUESTION, stranger));
    assert_eq!(error(&mut socket), format!("Операция не обнаружена с uuid: {stranger}"));
    for wrong in [
        "{",
        "{}",
        r#"{"command":"get_qr_status"}"#,
        &command(QUESTION, "7"),
        &command(QUESTION, stranger).replace("get_", "let_"),
    ] {
        socket.say(wrong);
        let told = error(&mut socket);
        let of_an_unknown = wrong.contains("let_") && told.starts_with("Операция не обнаружена");
        assert!(told.starts_with("Не верны входные параметры: ") || of_an_unknown, "{wrong}: {told}");
    }
    let made = rig.make(PLAIN_KEY, 10_000);
    rig.sim.pay(&made.id).unwrap();
    socket.say(&command(QUESTION, &made.id));
    assert_eq!(error(&mut socket), "Данный запрос запрещен, операция в статусе PAID");
    let made = rig.make(PLAIN_KEY, 10_000);
    rig.sim.set_switches(Switches {
        sockets: SocketSwitches { third_party_silent: true, ..SocketSwitches::default() },
        ..Switches::default()
    });
    socket.asks(&rig, &made.id);
    rig.sim.pay(&made.id).unwrap();
    assert_eq!(error(&mut socket), "we didn't receive status from third party service, so there may be problems");
}
