//! A QRManager of this test's own, written from the document (seed 004): REST and WebSocket on one port, books, and bad manners on command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub const KEY: &str = "7m9EkxnW.vJ9R0l7Bl7pjKxp1e1n9Gw9IyV6M46M1";

/// One operation in the books.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    pub sum: i64,
    pub status: i64,
    /// What the socket says in place of the books.
    pub lie: Option<i64>,
    pub cancels: usize,
    pub asked_by_rest: usize,
    pub asked_by_socket: usize,
    /// When its `paid` was first pushed.
    pub refunds: Vec<(String, i64)>,
}

/// Bad manners.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// No upgrade: this status instead.
    pub no_socket: Option<u16>,
    /// Sockets are taken and never answered, pings included.
    pub mute_sockets: bool,
    /// REST connections are closed without a word.
    pub deaf: bool,
    /// Statuses over the socket name no operation.
    pub nameless: bool,
    /// Every push comes three times, with an older status after it.
    pub stammer: bool,
    /// `get_qr_status` of an operation that is not CREATED is forbidden.
    pub strict: bool,
    /// 1000 after every answer.
    pub close_after_answer: bool,
    /// So many answers to refunds are lost after they were booked.
    pub lose_refund_answers: usize,
    /// So many deactivations fail.
    pub refuse_deactivations: usize,
    /// A link that is not active cannot be deactivated.
    pub refuse_inactive: bool,
    /// The answer to the next activation is lost after it was booked.
    pub lose_activation: bool,
    /// What a refund's status says first, one a question; then `Success`.
    pub refund_words: Vec<&'static str>,
}

#[derive(Default)]
pub struct Books {
    pub operations: BTreeMap<String, Operation>,
    pub manners: Manners,
    /// When a status was asked for by REST.
    pub polls: Vec<Instant>,
    pub sockets_opened: usize,
    pub sockets_open: usize,
    pub refund_posts: usize,
    pub deactivations: usize,
    pub live_link: Option<String>,
    pub links: usize,
    made: u64,
}

pub struct Server {
    pub address: SocketAddr,
    books: Arc<Mutex<Books>>,
    changed: watch::Sender<u64>,
    /// Counted up, it drops every open socket.
    cut: watch::Sender<u64>,
}

impl Server {
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            books: Arc::default(),
            changed: watch::channel(0).0,
            cut: watch::channel(0).0,
        });
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        server
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    pub fn manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.books().manners);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Book a status and push it.
    pub fn set(&self, operation: &str, status: i64) {
        self.books().operations.get_mut(operation).unwrap().status = status;
        self.changed.send_modify(|n| *n += 1);
    }

    pub fn lie(&self, operation: &str, status: Option<i64>) {
        self.books().operations.get_mut(operation).unwrap().lie = status;
        self.changed.send_modify(|n| *n += 1);
    }

    /// Every socket that is open breaks without a goodbye.
    pub fn cut_sockets(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut head = [0_u8; 15];
        while stream.peek(&mut head).await.is_ok_and(|n| n > 0 && n < head.len()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if head.starts_with(b"GET /ws/qr-code") {
            let refused = self.books().manners.no_socket;
            match refused {
                Some(status) => self.answer(&mut stream, status, &json!({"detail": "no sockets here"})).await,
                None => self.socket(stream).await,
            }
            return;
        }
        let Some((verb, path, key, body)) = read(&mut stream).await else { return };
        assert_eq!(key, KEY, "the key comes with every request");
        if self.books().manners.deaf {
            return;
        }
        if let Some((status, answer)) = self.rest(&verb, &path, &body) {
            self.answer(&mut stream, status, &answer).await;
        }
    }

    async fn answer(&self, stream: &mut TcpStream, status: u16, answer: &Value) {
        let body = answer.to_string();
        let text = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(text.as_bytes()).await;
    }

    fn rest(&self, verb: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let mut books = self.books();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (verb, parts.as_slice()) {
            ("POST", ["operations", "qr-code"]) => {
                let (id, number) = books.make(body["sum"].as_i64().unwrap());
                let link = format!("https://qr.nspk.ru/{number}?type=01&bank=1&sum=1&cur=RUB&crc=F3D0");
                Some((200, json!({"results": {"operation_id": id, "number": number, "qr_link": link}})))
            }
            ("GET", ["operations", id, "qr-status"]) => {
                books.polls.push(Instant::now());
                let Some(operation) = books.operations.get_mut(*id) else {
                    return Some((404, json!({"detail": "Страница не найдена."})));
                };
                operation.asked_by_rest += 1;
                let status = operation.status;
                Some((200, json!({"results": {"operation_status_code": status, "operation_status_msg": "…"}})))
            }
            ("GET", ["operations", id, "cash-qr", "status"]) => {
                books.polls.push(Instant::now());
                let operation = books.operations.get_mut(*id)?;
                operation.asked_by_rest += 1;
                Some((200, json!({"results": {"status": operation.status}})))
            }
            ("POST", ["operations", "refund"]) => books.refund(body),
            ("GET", ["operations", id, "refund-status", name]) => {
                let known = books.operations[*id].refunds.iter().any(|(known, _)| known == name);
                let words = &mut books.manners.refund_words;
                let word = if words.is_empty() { "Success" } else { words.remove(0) };
                match word {
                    _ if !known => Some((404, json!({"detail": "Страница не найдена."}))),
                    "404" => Some((404, json!({"detail": "Страница не найдена."}))),
                    word => Some((200, json!({"results": {"status": word, "message": "слова СБП"}}))),
                }
            }
            ("POST", ["operations", "cash-qr"]) => {
                books.links += 1;
                let link = "https://qr.nspk.ru/BS1R003CN9P4NJ0F8QQA41JQRG1U4U44?type=01&bank=1crt88888881&crc=24BB";
                Some((200, json!({"results": {"cashQrId": "BS1R", "cashQrLink": link, "status": "CREATED"}})))
            }
            ("POST", ["operations", "cash-qr", link, "activate"]) => {
                assert_eq!(books.live_link, None, "it was live already");
                books.live_link = Some((*link).to_owned());
                let (id, number) = books.make(body["sum"].as_i64().unwrap());
                if std::mem::take(&mut books.manners.lose_activation) {
                    return None;
                }
                Some((200, json!({"results": {"cashQrParamsId": "BP1", "number": number, "operation_Id": id}})))
            }
            ("DELETE", ["operations", "cash-qr", _, "deactivate"]) => {
                books.deactivations += 1;
                if books.manners.refuse_deactivations > 0 {
                    books.manners.refuse_deactivations -= 1;
                    return Some((502, json!({"detail": "bad gateway"})));
                }
                if books.live_link.take().is_none() && books.manners.refuse_inactive {
                    return Some((400, json!({"detail": "Кассовая ссылка не активна"})));
                }
                Some((200, json!({"results": {"status": "OK"}})))
            }
            _ => panic!("{verb} {path}: no such method in the document"),
        }
    }

    async fn socket(self: Arc<Self>, stream: TcpStream) {
        #[allow(clippy::result_large_err, reason = "the library's signature")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            assert_eq!(request.uri().query(), Some(format!("api_key={KEY}").as_str()));
            Ok(response)
        };
        let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, check).await else { return };
        {
            let mut books = self.books();
            books.sockets_opened += 1;
            books.sockets_open += 1;
        }
        let (mut cut, mut changed) = (self.cut.subscribe(), self.changed.subscribe());
        cut.mark_unchanged();
        // Operations asked about, with what was said of each last.
        let mut asked: BTreeMap<String, Option<i64>> = BTreeMap::new();
        let _ = socket.send(Message::Text(json!({"results": "connected"}).to_string().into())).await;
        loop {
            if self.books().manners.mute_sockets {
                tokio::select! {
                    _ = cut.changed() => break,
                    _ = changed.changed() => continue,
                }
            }
            let mut answered = false;
            for text in self.news(&mut asked) {
                answered = true;
                if socket.send(Message::Text(text.into())).await.is_err() {
                    break;
                }
            }
            if answered && self.books().manners.close_after_answer {
                let _ = socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await;
                break;
            }
            tokio::select! {
                _ = cut.changed() => break,
                _ = changed.changed() => {}
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => {
                        if let Some(answer) = self.command(text.as_str(), &mut asked)
                            && socket.send(Message::Text(answer.into())).await.is_err() { break }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => break,
                },
            }
        }
        self.books().sockets_open -= 1;
    }

    fn command(&self, text: &str, asked: &mut BTreeMap<String, Option<i64>>) -> Option<String> {
        let message: Value = serde_json::from_str(text).unwrap();
        let id = message["body"]["operation_uuid"].as_str().unwrap().to_owned();
        let mut books = self.books();
        let strict = books.manners.strict;
        let Some(operation) = books.operations.get_mut(&id) else {
            return Some(json!({"errors": format!("Операция не обнаружена с uuid: {id}")}).to_string());
        };
        match message["command"].as_str().unwrap() {
            "get_qr_status" => {
                operation.asked_by_socket += 1;
                if strict && !matches!(operation.status, 3 | 4) {
                    let status = operation.status;
                    let text = format!("Данный запрос запрещен, операция в статусе {status}");
                    return Some(json!({"errors": text}).to_string());
                }
                asked.insert(id, None);
                None
            }
            "cancel" => {
                operation.cancels += 1;
                asked.remove(&id);
                let status = operation.lie.unwrap_or(operation.status);
                Some(json!({"results": {"operation_status_code": status, "operation_status_msg": "…"}}).to_string())
            }
            other => panic!("{other}: no such command in the document"),
        }
    }

    /// What has changed since it was said last.
    fn news(&self, asked: &mut BTreeMap<String, Option<i64>>) -> Vec<String> {
        let books = self.books();
        let mut out = Vec::new();
        for (id, said) in asked.iter_mut() {
            let Some(operation) = books.operations.get(id) else { continue };
            let status = operation.lie.unwrap_or(operation.status);
            if *said == Some(status) {
                continue;
            }
            let mut results =
                json!({"operation_status_code": status, "operation_status_msg": "…", "operation_uuid": id});
            if books.manners.nameless {
                results.as_object_mut().unwrap().remove("operation_uuid");
            }
            let push = json!({"results": results}).to_string();
            if books.manners.stammer {
                let mut stale = results.clone();
                stale["operation_status_code"] = json!("4");
                out.extend([push.clone(), push.clone(), json!({"results": stale}).to_string()]);
            }
            out.push(push);
            *said = Some(status);
        }
        out
    }
}

impl Books {
    fn make(&mut self, sum: i64) -> (String, String) {
        self.made += 1;
        let id = format!("8d585d08-96c6-4005-abb9-{:012x}", self.made);
        let number = format!("4316-4040-0201-{:04}", self.made);
        self.operations.insert(id.clone(), Operation { sum, status: 4, ..Operation::default() });
        (id, number)
    }

    fn refund(&mut self, body: &Value) -> Option<(u16, Value)> {
        self.refund_posts += 1;
        let name = format!("BR{:030}", self.refund_posts);
        let operation = self.operations.get_mut(body["operation_id"].as_str().unwrap()).unwrap();
        operation.refunds.push((name.clone(), body["amount"].as_i64().unwrap()));
        let back: i64 = operation.refunds.iter().map(|(_, amount)| amount).sum();
        assert!(back <= operation.sum, "more was given back than was paid");
        if back == operation.sum {
            operation.status = 7;
        }
        if self.manners.lose_refund_answers > 0 {
            self.manners.lose_refund_answers -= 1;
            return None;
        }
        Some((200, json!({"results": {"refundRequestId": name}})))
    }
}

/// Verb, path, key and body of a request.
async fn read(stream: &mut TcpStream) -> Option<(String, String, String, Value)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let header = |name: &str| {
        let found = text.lines().filter_map(|line| line.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut first = text.split_whitespace();
    let (verb, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let body = serde_json::from_slice(&bytes[head..head + length]).unwrap_or(Value::Null);
    Some((verb, path, header("x-api-key").unwrap_or_default(), body))
}
