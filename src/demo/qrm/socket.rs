//! §4.1: statuses over a WebSocket. One task for each; it wakes when an operation has changed, and when a question's time is over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::answer::{forbidden, refuse};
use super::desk::{Desk, Desked};
use super::operation::{Operation, Standing};
use super::switches::SocketRefusal;
use super::terminals::Terminal;
use crate::demo::leash::Leash;

/// The longest that anything is waited for where nothing is set.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// GET /ws/qr-code[/]?api_key=…
pub(super) async fn open(
    State(desk): Desked,
    ConnectInfo(leash): ConnectInfo<Leash>,
    mut request: Request,
) -> Response {
    let refused = desk.switches().sockets.refused;
    match refused {
        Some(SocketRefusal::NotFound) => return StatusCode::NOT_FOUND.into_response(),
        Some(SocketRefusal::NotUpgraded) => return (StatusCode::OK, "<html>Not a socket</html>").into_response(),
        Some(SocketRefusal::Cut) => return leash.cut_after(0),
        None => {}
    }
    let query = request.uri().query().unwrap_or_default();
    let key = query.split('&').find_map(|pair| pair.strip_prefix("api_key="));
    let Some(terminal) = key.and_then(|key| desk.terminal(key)).cloned() else { return refuse(forbidden()) };
    let headers = request.headers();
    let asks = headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let accept = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let accept = accept.and_then(|accept| HeaderValue::try_from(accept).ok());
    let (true, Some(accept)) = (asks, accept) else { return StatusCode::UPGRADE_REQUIRED.into_response() };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(Conversation::begin(desk, terminal, upgrade));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let said = response.headers_mut();
    said.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    said.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    said.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// A `get_qr_status` that is not answered yet.
struct Question {
    operation_id: String,
    /// What the operation was when it was asked about.
    was: i64,
    /// When the server's own wait is over.
    until: Instant,
}

struct Conversation {
    desk: Arc<Desk>,
    terminal: Terminal,
    socket: WebSocketStream<TokioIo<Upgraded>>,
    questions: Vec<Question>,
    /// How many of them the desk knows of.
    counted: usize,
}

/// The connection has ended, one way or the other.
struct Over;

impl Conversation {
    async fn begin(desk: Arc<Desk>, terminal: Terminal, upgrade: OnUpgrade) {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        desk.open_sockets.fetch_add(1, Ordering::SeqCst);
        let mut conversation = Self { desk, terminal, socket, questions: Vec::new(), counted: 0 };
        // It ends when somebody has ended it; there is nobody to be told.
        let _ = conversation.go_on().await;
        conversation.questions.clear();
        conversation.count();
        conversation.desk.open_sockets.fetch_sub(1, Ordering::SeqCst);
    }

    async fn go_on(&mut self) -> Result<(), Over> {
        let (mut changes, mut breaks) = (self.desk.changes(), self.desk.breaks());
        let set = self.desk.switches().sockets.clone();
        let after = |ms: Option<u64>| Instant::now() + ms.map_or(FOREVER, Duration::from_millis);
        let (broken, closed) = (after(set.breaks_after_ms), after(set.closes_after_ms));
        if !set.no_greeting {
            self.say(json!({ "results": "connected" })).await?;
        }
        loop {
            self.count();
            let next = self.questions.iter().map(|question| question.until).min().unwrap_or(broken);
            tokio::select! {
                heard = self.socket.next() => match heard {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await?,
                    Some(Ok(Message::Binary(bytes))) => self.hear(&String::from_utf8_lossy(&bytes)).await?,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(Over),
                },
                changed = changes.changed() => {
                    changed.map_err(|_| Over)?;
                    self.look().await?;
                }
                _ = breaks.changed() => return Err(Over),
                () = sleep_until(next) => self.look().await?,
                () = sleep_until(broken) => return Err(Over),
                () = sleep_until(closed) => {
                    let _ = self.socket.close(None).await;
                    return Err(Over);
                }
            }
        }
    }

    /// Tell the desk how many questions are open.
    fn count(&mut self) {
        let waiting = &self.desk.waiting;
        waiting.fetch_add(self.questions.len(), Ordering::SeqCst);
        waiting.fetch_sub(self.counted, Ordering::SeqCst);
        self.counted = self.questions.len();
    }

    /// A command.
    async fn hear(&mut self, text: &str) -> Result<(), Over> {
        let wrong = |what: &str| json!({ "errors": format!("Не верны входные параметры: {what}") });
        let Ok(message) = serde_json::from_str::<Value>(text) else { return self.say(wrong("не JSON")).await };
        let Some(command) = message["command"].as_str() else {
            return self.say(wrong("command: Обязательное поле.")).await;
        };
        let Some(uuid) = message["body"]["operation_uuid"].as_str() else {
            return self.say(wrong("operation_uuid: Обязательное поле.")).await;
        };
        if uuid::Uuid::parse_str(uuid).is_err() {
            return self.say(wrong("operation_uuid: Значение не является верным UUID-ом.")).await;
        }
        let Some(operation) = self.desk.operation(&self.terminal, uuid) else {
            return self.say(json!({ "errors": format!("Операция не обнаружена с uuid: {uuid}") })).await;
        };
        match command {
            "get_qr_status" => self.ask(&operation).await,
            "cancel" => {
                self.questions.retain(|question| question.operation_id != operation.operation_id);
                let (code, words) = operation.standing.socket();
                let now = json!({ "operation_status_code": code, "operation_status_msg": words });
                self.say(json!({ "results": now })).await
            }
            _ => self.say(wrong("command: неизвестная команда")).await,
        }
    }

    async fn ask(&mut self, operation: &Operation) -> Result<(), Over> {
        let standing = operation.standing;
        if standing.name() != Standing::Created.name() {
            let name = standing.name();
            return self.say(json!({ "errors": format!("Данный запрос запрещен, операция в статусе {name}") })).await;
        }
        let until = Instant::now() + Duration::from_millis(self.desk.settings.status_wait_ms);
        let (was, operation_id) = (standing.socket().0, operation.operation_id.clone());
        self.questions.push(Question { operation_id, was, until });
        // It may have changed since it was looked up.
        self.look().await
    }

    /// Answer the questions whose operation has changed or whose time is over.
    async fn look(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        let mut open = Vec::new();
        for question in std::mem::take(&mut self.questions) {
            let Some(operation) = self.desk.operation(&self.terminal, &question.operation_id) else { continue };
            let told = operation.standing.socket();
            if told.0 != question.was {
                self.tell(&question.operation_id, told).await?;
            } else if question.until <= now {
                let unknown = self.desk.switches().sockets.unknown;
                let told = if unknown { (0, "Время ожидания истекло") } else { told };
                self.tell(&question.operation_id, told).await?;
            } else {
                open.push(question);
            }
        }
        self.questions.append(&mut open);
        Ok(())
    }

    /// A status, with whatever goes wrong with statuses.
    async fn tell(&mut self, operation_id: &str, told: (i64, &str)) -> Result<(), Over> {
        let (set, cut) = {
            let mut switches = self.desk.switches();
            (switches.sockets.clone(), switches.take_cut())
        };
        if set.behind_ms > 0 {
            tokio::time::sleep(Duration::from_millis(set.behind_ms)).await;
        }
        if cut {
            return Err(Over);
        }
        if set.garbage {
            return self.send("<html><body>It works!</body></html>").await;
        }
        if set.third_party_silent {
            let words = "we didn't receive status from third party service, so there may be problems";
            return self.say(json!({ "errors": words })).await;
        }
        let status = |(code, words): (i64, &str)| {
            let mut status = json!({ "operation_status_code": code, "operation_status_msg": words });
            if !set.without_id {
                status["operation_uuid"] = json!(operation_id);
            }
            json!({ "results": status })
        };
        self.say(status(told)).await?;
        if set.jumbled && told.0 != 4 {
            self.say(status(Standing::Opened.socket())).await?;
        }
        Ok(())
    }

    async fn say(&mut self, message: Value) -> Result<(), Over> {
        let (silent, twice) = {
            let switches = self.desk.switches();
            (switches.sockets.silent, switches.sockets.twice)
        };
        let text = message.to_string();
        if silent {
            return Ok(());
        }
        if twice {
            self.send(&text).await?;
        }
        self.send(&text).await
    }

    async fn send(&mut self, text: &str) -> Result<(), Over> {
        self.socket.send(Message::text(text)).await.map_err(|_| Over)
    }
}
