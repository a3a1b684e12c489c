//! From a request to its answer: whose key it is, which fault it meets, what is done, and whether the answer gets through.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, RawPathParams, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::desk::{Desk, Desked};
use super::fields::{field, non_field};
use super::switches::{FaultKind, Method};
use super::terminals::Terminal;
use crate::demo::leash::{HALF_AN_ANSWER_BYTES, Leash};
use crate::demo::ledger::BooksError;

/// What a method is asked.
pub(super) struct Asked {
    pub(super) terminal: Terminal,
    /// What stands in the path's braces, in their order.
    names: Vec<String>,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }
}

/// A status other than 200, and its body.
pub(super) type Refusal = (StatusCode, Value);

/// A method's work: the body of its 200, or why not.
pub(super) type Work = fn(&Arc<Desk>, &Asked) -> Result<Value, Refusal>;

/// 400 with the words of a bank, of SBP or of an OFD.
pub(super) fn detail(text: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, json!({ "detail": text }))
}

/// 404 for what the path names.
pub(super) fn not_found() -> Refusal {
    (StatusCode::NOT_FOUND, json!({ "detail": "Страница не найдена." }))
}

/// A request without a key, or with one that nobody gave out. The document prints no such answer.
pub(super) fn forbidden() -> Refusal {
    (StatusCode::FORBIDDEN, json!({ "detail": "Учетные данные не были предоставлены." }))
}

/// Books that cannot be kept do nothing.
pub(super) fn unbooked(error: &BooksError) -> Refusal {
    (StatusCode::INSUFFICIENT_STORAGE, json!({ "detail": error.to_string() }))
}

/// `{"results": …}`
pub(super) fn results(value: Value) -> Value {
    json!({ "results": value })
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// The handler of one method.
pub(super) fn at(
    method: Method,
    work: Work,
) -> impl Fn(Desked, ConnectInfo<Leash>, HeaderMap, RawPathParams, Bytes) -> Answering + Clone + Send + Sync + 'static {
    move |State(desk), ConnectInfo(leash), headers, params, body| {
        let names = params.iter().map(|(_, value)| value.to_owned()).collect();
        Box::pin(async move {
            let key = headers.get("x-api-key").and_then(|key| key.to_str().ok());
            match key.and_then(|key| desk.terminal(key)).cloned() {
                Some(terminal) => answer(&desk, &leash, method, work, &Asked { terminal, names, body }).await,
                None => refuse(forbidden()),
            }
        })
    }
}

async fn answer(desk: &Arc<Desk>, leash: &Leash, method: Method, work: Work, asked: &Asked) -> Response {
    let fault = desk.switches().take(method);
    match fault {
        Some(FaultKind::BankSilent) => {
            tokio::time::sleep(Duration::from_millis(desk.settings.bank_wait_ms)).await;
            return refuse(non_field("Истекло время ожидания QR-кода"));
        }
        Some(FaultKind::Http500) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "<h1>Server Error (500)</h1>").into_response();
        }
        Some(FaultKind::LostBefore) => return leash.cut_after(0),
        Some(FaultKind::Refused { text }) => return refuse(detail(&text)),
        Some(FaultKind::NonField { text }) => return refuse(non_field(&text)),
        Some(FaultKind::Field { name, text }) => return refuse(field(&name, &text)),
        Some(FaultKind::Forbidden) => return refuse(forbidden()),
        Some(FaultKind::Unknown) => return tell(unknown_status(method)),
        _ => {}
    }
    let whole = work(desk, asked).map_or_else(refuse, tell);
    match fault {
        Some(FaultKind::Slow { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            whole
        }
        Some(FaultKind::Garbage) => (StatusCode::OK, "<html><body>It works!</body></html>").into_response(),
        Some(FaultKind::Cut) => {
            leash.cut_after(HALF_AN_ANSWER_BYTES);
            whole
        }
        Some(FaultKind::LostAfter) => leash.cut_after(0),
        _ => whole,
    }
}

fn unknown_status(method: Method) -> Value {
    match method {
        Method::LinkStatus => results(json!({ "status": 0 })),
        _ => results(json!({ "operation_status_code": 0, "operation_status_msg": "Время ожидания истекло" })),
    }
}

fn tell(body: Value) -> Response {
    axum::Json(body).into_response()
}

pub(super) fn refuse((status, body): Refusal) -> Response {
    (status, axum::Json(body)).into_response()
}
