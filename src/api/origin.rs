//! Pages in browsers. None may ask here, unless its origin is listed; a listed one is answered as browsers want it (CORS), and exactly it.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::limits;

/// What a page may send beyond what every page may.
const HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id, x-auth-token, x_auth_token";
/// What the endpoints are served for.
const METHODS: &str = "GET, POST";
/// A browser asks so before a page of the internet reaches into a local network.
const ASKS_FOR_LOCAL: &str = "access-control-request-private-network";
const ALLOWS_LOCAL: &str = "access-control-allow-private-network";

/// The origin that a page's request comes from, where it is listed.
pub(super) fn listed(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let mut sent = headers.get_all(header::ORIGIN).iter();
    let origin = sent.next().filter(|_| sent.next().is_none())?;
    origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// Whether a browser asks what a page may ask.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that question.
pub(super) fn preflight(origin: HeaderValue, asked: &HeaderMap) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let kept = HeaderValue::from(limits::wait(limits::PREFLIGHT_KEPT_MS).as_secs());
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, kept);
    if asked.contains_key(ASKS_FOR_LOCAL) {
        headers.insert(ALLOWS_LOCAL, HeaderValue::from_static("true"));
    }
    opened(answer, origin)
}

/// An answer that the page of that origin may read.
pub(super) fn opened(mut answer: Response, origin: HeaderValue) -> Response {
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    answer
}
