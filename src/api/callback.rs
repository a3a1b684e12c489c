//! `POST /qrm/{secret}` (seed 004 §5 "Callback"): somebody says that the operator of fiscal data has decided. Nothing of it is believed and
//! nothing is kept: it makes the terminal ask QRManager itself, which it would have done anyway, only later.
//!
//! Whoever does not know the path hears 404 whatever he asks, before a byte of his body is read. What a callback says is not printed in the
//! document, so the operation's number is looked for under every name that the two operators give it.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use super::listen::Place;
use super::{guard, server};
use crate::limits;

/// Whether a word is the path's secret. Compares in constant time, and reads the secret anew when it changes.
pub type IsSecret = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Asks about the receipts of these operations (QRManager's numbers or ids), or about all where none is named. Returns at once.
pub type AskNow = Arc<dyn Fn(Vec<String>) + Send + Sync>;

/// What this door has to be told.
#[derive(Clone)]
pub struct Door {
    /// Who may come in.
    pub is_secret: IsSecret,
    /// What his word does.
    pub ask_now: AskNow,
}

/// How the two operators and QRManager call an operation's number or id, in small letters and without `_`.
const NAMES: [&str; 6] = ["externalid", "invoiceid", "number", "operationnumber", "operationid", "operationuuid"];

/// Hear callbacks on `listener` until `shutdown`.
pub async fn serve(listener: TcpListener, door: Door, shutdown: impl Future<Output = ()>) {
    let panicked = |what: Box<dyn Any + Send>| server::panicked(what.as_ref()).into_response();
    let router = Router::new().fallback(hear).layer(CatchPanicLayer::custom(panicked)).with_state(door);
    match Place::at(listener) {
        Ok(place) => server::accept(vec![place], router, limits::CALLBACK_CONNECTIONS_MAX, shutdown).await,
        Err(error) => tracing::error!(%error, "the callback's listener has no address"),
    }
}

/// One call, one connection: nobody here has a second thing to say.
async fn hear(State(door): State<Door>, request: Request) -> Response {
    let mut response = answer(&door, request).await.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

async fn answer(door: &Door, request: Request) -> StatusCode {
    if !request.uri().path().strip_prefix("/qrm/").is_some_and(|word| (door.is_secret)(word)) {
        return StatusCode::NOT_FOUND;
    }
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    match guard::body_within(request.into_body(), limits::CALLBACK_BODY_MAX_BYTES).await {
        Ok(body) => {
            tracing::debug!("a callback came; asking QRManager");
            (door.ask_now)(operations(&body));
            StatusCode::OK
        }
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).ok();
            // What breaks off is no error of the tills' envelope, which is told with 200.
            status.filter(|status| !status.is_success()).unwrap_or(StatusCode::BAD_REQUEST)
        }
    }
}

/// Every text in the body that may be an operation's number or id, [`limits::CALLBACK_NAMES_LEN`] at most.
fn operations(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(body) = serde_json::from_slice(body) {
        collect(&body, &mut found);
    }
    found
}

/// As deep as the parser goes, [`limits::JSON_DEPTH`].
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if names_one(name) && fits(text) => {
                        if found.len() < limits::CALLBACK_NAMES_LEN {
                            found.push(text.clone());
                        }
                    }
                    deeper => collect(deeper, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn names_one(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str())
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= limits::PROVIDER_ID_MAX_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_number_is_found_under_each_of_its_names_and_at_any_depth() {
        for body in [
            r#"{"number": "7786-0666"}"#,
            r#"{"status": "done", "external_id": "7786-0666", "payload": {"total": 500, "fiscal_receipt_number": 7}}"#,
            r#"{"Data": [{"InvoiceId": "7786-0666"}]}"#,
            r#"{"operation_number": "7786-0666", "number": 17}"#,
        ] {
            assert_eq!(operations(body.as_bytes()), ["7786-0666"], "{body}");
        }
    }

    #[test]
    fn a_body_without_it_names_none_and_a_long_one_names_few() {
        for body in ["", "status=done", "[", r#"{"number": 7786, "uuid": "x"}"#, r#"{"number": ""}"#, "\"7786-0666\""] {
            assert_eq!(operations(body.as_bytes()), Vec::<String>::new(), "{body}");
        }
        let long = format!("{{\"number\": \"{}\"}}", "7".repeat(limits::PROVIDER_ID_MAX_CHARS + 1));
        assert!(operations(long.as_bytes()).is_empty());
        let many = format!("[{}]", vec![r#"{"number": "1"}"#; 100].join(","));
        assert_eq!(operations(many.as_bytes()).len(), limits::CALLBACK_NAMES_LEN);
        let deep = "[".repeat(limits::JSON_DEPTH + 1);
        assert!(operations(deep.as_bytes()).is_empty());
    }
}
