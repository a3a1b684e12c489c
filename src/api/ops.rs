//! For those who look after the terminal: is it alive, is it ready to sell, what does its display show.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::envelope::{self, Refusal};
use crate::snapshot::{Presence, Snapshot, StoreHealth};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/screen.png", get(screen))
        .route("/openapi.json", get(openapi))
}

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "ops", responses((status = 200, description = "It does", body = Live)))]
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: "live" })
}

#[derive(Serialize, ToSchema)]
pub(super) struct Live {
    /// `live`.
    status: &'static str,
}

/// Whether sales can begin.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Ready {
    /// They can.
    ready: bool,
    /// Why no sale can begin.
    reasons: Vec<String>,
    /// What is missing, while other sales go on.
    troubles: Vec<String>,
}

/// 200 while sales can begin, 503 with the reasons while none can.
#[utoipa::path(
    get, path = "/health/ready", tag = "ops",
    responses((status = 200, description = "Sales can begin", body = Ready), (status = 503, description = "None can", body = Ready))
)]
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let ready = readiness(&api.driver.snapshot());
    let status = if ready.ready { 200 } else { 503 };
    envelope::Written::of(status, &ready).into_response()
}

fn readiness(picture: &Snapshot) -> Ready {
    let mut reasons = Vec::new();
    if let Some(why) = &picture.closed {
        reasons.push(format!("sales are closed: {why}"));
    }
    match &picture.store {
        StoreHealth::Good => {}
        StoreHealth::Refusing(why) => reasons.push(format!("the store cannot be written: {why}")),
        StoreHealth::Owing(why) => {
            reasons.push(format!("money moved and is not on disk yet, do not switch off: {why}"))
        }
    }
    let devices = [("the PinPad", &picture.devices.pinpad), ("the scanner", &picture.devices.scanner)];
    let mut troubles: Vec<String> = devices
        .into_iter()
        .filter_map(|(name, presence)| match presence {
            Some(Presence::Down(why)) => Some(format!("{name} is missing: {why}")),
            Some(Presence::Up) | None => None,
        })
        .collect();
    troubles.extend(picture.in_doubt.iter().map(|payment| format!("payment {} is in doubt", payment.id)));
    Ready { ready: reasons.is_empty(), reasons, troubles }
}

/// The pixels that the display shows.
#[utoipa::path(
    get, path = "/screen.png", tag = "ops",
    responses((status = 200, description = "As it is now", content_type = "image/png"), (status = 404, description = "There is no display"))
)]
pub(super) async fn screen(State(api): State<Api>) -> Response {
    match api.settings.screen.as_ref().and_then(|draw| draw()) {
        Some(png) => ([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "no-store")], png).into_response(),
        None => {
            Refusal::because(envelope::UNKNOWN_PATH, "there is no display, or it shows nothing yet").into_response()
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "ops", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> envelope::Written {
    envelope::Written::of(200, &super::openapi::document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_cannot_write_is_not_ready_and_one_without_a_scanner_is() {
        let mut picture = Snapshot::default();
        picture.devices.scanner = Some(Presence::Down("no such device".to_owned()));
        let told = readiness(&picture);
        assert!(told.ready);
        assert_eq!(told.troubles, ["the scanner is missing: no such device"]);

        picture.store = StoreHealth::Refusing("the disk is full".to_owned());
        picture.closed = Some("the store was set aside".to_owned());
        let told = readiness(&picture);
        assert!(!told.ready);
        assert_eq!(
            told.reasons,
            ["sales are closed: the store was set aside", "the store cannot be written: the disk is full"]
        );
    }
}
