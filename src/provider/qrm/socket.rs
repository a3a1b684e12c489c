//! The words of the WebSocket (seed 004 §4.1): commands out, messages in. Text in, text out; whoever holds the connection is elsewhere.
//!
//! Two traits of the document shape this file. Most answers are about an operation that they do not name: `operation_uuid` stands in a
//! status, but neither in the answer to `cancel` nor in most `errors`. And whatever cannot be understood is no failure of a sale: it is a
//! typed *unknown*, after which the code is asked about by REST.

use std::fmt;

use serde_json::{Value, json};

use crate::limits;

/// What is asked for over the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answered when the operation's status changes, or when the server has waited long enough.
    GetQrStatus,
    /// Nothing more is to be said about the operation. The code itself cannot be withdrawn by it.
    Cancel,
}

impl Command {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetQrStatus => "get_qr_status",
            Self::Cancel => "cancel",
        }
    }

    /// The text frame that asks it about an operation.
    #[must_use]
    pub fn encode(self, operation: &str) -> String {
        json!({"command": self.name(), "body": {"operation_uuid": operation}}).to_string()
    }
}

/// One message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The greeting, `{"results": "connected"}`.
    Connected,
    /// Where an operation stands.
    Status {
        /// `operation_status_code`, whatever number it is; sent as a number and as a string.
        code: i64,
        /// `operation_uuid`, where it is named.
        operation: Option<String>,
    },
    /// `errors`.
    Errors {
        /// Which of them.
        kind: ErrorKind,
        /// The operation, where the text names it.
        operation: Option<String>,
        /// The server's words, shortened.
        text: String,
    },
    /// Anything else: another shape, no JSON, nothing.
    Unknown {
        /// As sent, shortened.
        text: String,
    },
}

/// What `errors` says. None of them says that a sale has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// "Данный запрос запрещен…": the operation is no longer CREATED. How it stands is asked by REST.
    Forbidden,
    /// "Не верны входные параметры…".
    BadParameters,
    /// "Операция не обнаружена с uuid…".
    NotFound,
    /// "we didn't receive status from third party service…": the bank was not heard.
    NoStatus,
    /// Other words.
    Other,
}

impl Message {
    /// Understand a text frame. Never fails: what is not understood is [`Message::Unknown`].
    #[must_use]
    pub fn decode(frame: &str) -> Self {
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(frame) else {
            // The document prints one of the errors as no JSON at all.
            return match ErrorKind::of(frame) {
                kind @ ErrorKind::NoStatus => Self::Errors { kind, operation: None, text: short(frame) },
                _ => Self::Unknown { text: short(frame) },
            };
        };
        match (message.get("results"), message.get("errors")) {
            (_, Some(errors)) if is_something(errors) => Self::errors(errors),
            (Some(Value::String(word)), _) if word.trim().eq_ignore_ascii_case("connected") => Self::Connected,
            (Some(Value::Object(results)), _) => match results.get("operation_status_code").and_then(integer) {
                Some(code) => {
                    let operation = results.get("operation_uuid").and_then(Value::as_str).filter(|id| !id.is_empty());
                    Self::Status { code, operation: operation.map(str::to_owned) }
                }
                None => Self::Unknown { text: short(frame) },
            },
            _ => Self::Unknown { text: short(frame) },
        }
    }

    fn errors(errors: &Value) -> Self {
        let mut words = Vec::new();
        gather(errors, &mut words);
        let text = words.join("; ");
        let kind = ErrorKind::of(&text);
        let operation = match kind {
            // The only text that names its operation.
            ErrorKind::NotFound => named_after(&text, "uuid:"),
            _ => None,
        };
        Self::Errors { kind, operation, text: short(&text) }
    }
}

impl ErrorKind {
    /// By the words that the document prints, whatever stands around them.
    fn of(text: &str) -> Self {
        let text = text.to_lowercase();
        let kinds = [
            ("запрос запрещен", Self::Forbidden),
            ("запрос запрещён", Self::Forbidden),
            ("не верны входные параметры", Self::BadParameters),
            ("неверны входные параметры", Self::BadParameters),
            ("операция не обнаружена", Self::NotFound),
            ("didn't receive status", Self::NoStatus),
            ("did not receive status", Self::NoStatus),
        ];
        kinds.into_iter().find(|(words, _)| text.contains(words)).map_or(Self::Other, |(_, kind)| kind)
    }
}

fn is_something(errors: &Value) -> bool {
    match errors {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// Every text in `errors`, however deep: one sentence, a list, an object with a list for each field.
fn gather(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| {
            let mut own = Vec::new();
            gather(inner, &mut own);
            words.push(format!("{name}: {}", own.join(", ")));
        }),
        other => words.push(other.to_string()),
    }
}

/// The word after `sign`.
fn named_after(text: &str, sign: &str) -> Option<String> {
    let (_, rest) = text.split_once(sign)?;
    let id: String = rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    (!id.is_empty()).then_some(id)
}

/// A number, or a text that is one.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(limits::PROVIDER_TEXT_MAX_CHARS).collect()
}

/// Where the socket is: the base URL with `ws` for `http`. The key is a part of it, so it never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct SocketAddress {
    /// TLS or, for a server on this machine, not.
    pub tls: bool,
    /// Name or address of the server, without the brackets of an IPv6 address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the `Host` header says.
    authority: String,
    /// Path and query, with the key.
    target: String,
}

impl fmt::Debug for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{PATH}?api_key=•••", if self.tls { "wss" } else { "ws" }, self.authority)
    }
}

const PATH: &str = "/ws/qr-code";

/// The document prints the path without a slash at its end (§4.1) and with one (cash links).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// `/ws/qr-code`.
    #[default]
    Plain,
    /// `/ws/qr-code/`.
    Slash,
}

impl Spelling {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Plain => Self::Slash,
            Self::Slash => Self::Plain,
        }
    }
}

impl SocketAddress {
    /// From `http(s)://host[:port][/path]`; `None` where it is no such address.
    #[must_use]
    pub fn new(base_url: &str, key: &str, spelling: Spelling) -> Option<Self> {
        let (tls, rest) = match base_url.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return None;
        }
        let slash = if spelling == Spelling::Slash { "/" } else { "" };
        let target = format!("{}{PATH}{slash}?api_key={}", path.trim_end_matches('/'), escaped(key));
        Some(Self { tls, host, port, authority: authority.to_owned(), target })
    }

    /// The whole address, for the handshake alone: the key stands in it.
    #[must_use]
    pub fn with_key(&self) -> String {
        format!("{}://{}{}", if self.tls { "wss" } else { "ws" }, self.authority, self.target)
    }
}

/// A query's value: whatever has a meaning of its own there is escaped.
fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
