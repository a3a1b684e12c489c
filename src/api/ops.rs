//! For those who look after the terminal: is it alive, can it take money, how does it do, what does its display show. Everything is read from
//! the last picture of the terminal; nothing waits for the driver or its disk.

pub(super) mod health;
pub(super) mod screen;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::openapi::reference::POLICY;
use super::{Api, envelope};
use crate::metrics;

pub use screen::Screen;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(numbers))
        .route("/screen.png", get(screen::screen))
        .route("/openapi.json", get(openapi))
        .route("/reference", get(reference))
}

/// The terminal in numbers. docs/metrics.md tells each of them.
#[utoipa::path(
    get, path = "/metrics", operation_id = "readMetrics", tag = "ops",
    responses((status = 200, description = "OpenMetrics 1.0 text, for Prometheus", content_type = "application/openmetrics-text", body = String))
)]
pub(super) async fn numbers(State(api): State<Api>) -> Response {
    let picture = api.driver.snapshot();
    let readiness = health::readiness(&api, &picture);
    let text = api.settings.metrics.text(&picture, &readiness, api.driver.waiting());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "describeApi", tag = "ops", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi(State(api): State<Api>) -> envelope::Written {
    envelope::Written { status: 200, body: api.described.document(&api.settings) }
}

/// The same document for people: a page of its own, which loads nothing from anywhere.
#[utoipa::path(
    get, path = "/reference", operation_id = "readReference", tag = "ops",
    responses((status = 200, description = "The page", content_type = "text/html", body = String))
)]
pub(super) async fn reference(State(api): State<Api>) -> Response {
    let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8");
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
    ([kind, policy], api.described.page(&api.settings)).into_response()
}
