//! The virtual terminal's page and the buttons behind it.
//!
//! ```text
//! GET  /, /style.css, /app.js, /core.js, /sbp.js  the page: five files in this program, nothing from elsewhere
//! GET  /screen.png, any /payment/…, /api/v1/payment/…, /api/v1/sbp/…      passed on to the daemon, as a till's request
//! POST /control                        passed on to the technician's socket
//! GET  /demo/picture/SEQUENCE          everything else that the page shows
//! POST /demo/scan /demo/pinpad /demo/faults /demo/power /demo/phone /demo/qrm
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use hal::sim::pinpad::{Behaviour, Moment};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::bench::Bench;
use super::gateway::{Fault, Faults};
use super::picture::{Past, Picture};
use super::power::{Power, PowerState};
use super::proxy::Proxy;
use super::qrm::{PhoneDoes, Switches};
use crate::limits;

/// The longest power cut that can be asked for.
const OFF_MAX_MS: u64 = 60_000;
/// What the slip says when it is to say another amount than was asked.
const STRANGE_AMOUNT_MINOR: u64 = 123_400;

/// Everything that the buttons act on.
pub(super) struct World {
    pub(super) bench: Bench,
    pub(super) power: Power,
    pub(super) proxy: Proxy,
    pub(super) past: Past,
}

type Worldly = State<Arc<World>>;

/// Serve the page until the end.
pub(super) async fn serve(listener: TcpListener, address: SocketAddr, world: Arc<World>) -> std::io::Result<()> {
    let file =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    let routes = Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/style.css", file("text/css; charset=utf-8", include_str!("page/style.css")))
        .route("/app.js", file("text/javascript; charset=utf-8", include_str!("page/app.js")))
        .route("/core.js", file("text/javascript; charset=utf-8", include_str!("page/core.js")))
        .route("/sbp.js", file("text/javascript; charset=utf-8", include_str!("page/sbp.js")))
        .route("/screen.png", get(pass))
        .route("/payment/{*path}", any(pass))
        .route("/api/v1/payment/{*path}", any(pass))
        .route("/api/v1/sbp/{*path}", any(pass))
        .route("/control", post(control))
        .route("/demo/picture/{after}", get(picture))
        .route("/demo/scan", post(scan))
        .route("/demo/pinpad", post(pinpad))
        .route("/demo/faults", post(faults))
        .route("/demo/power", post(power))
        .route("/demo/phone", post(phone))
        .route("/demo/qrm", post(qrm))
        .layer(from_fn(move |request: Request, next: Next| own_page(address, request, next)))
        .layer(DefaultBodyLimit::max(limits::BODY_MAX_BYTES))
        .with_state(world);
    axum::serve(listener, routes).await
}

/// Other pages in the same browser may not press these buttons, nor may a foreign name lead here.
async fn own_page(address: SocketAddr, request: Request, next: Next) -> Response {
    if is_own(address, request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "only the demo's own page may ask here\n").into_response()
    }
}

fn is_own(address: SocketAddr, headers: &HeaderMap) -> bool {
    let own = [address.to_string(), format!("localhost:{}", address.port())];
    let said = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = said(header::HOST).is_some_and(|host| own.iter().any(|name| name == host));
    let origin = said(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    let foreign = headers.contains_key(header::ORIGIN) && !own.iter().any(|name| origin == Some(name.as_str()));
    host && !foreign
}

async fn pass(State(world): Worldly, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    world.proxy.pass(method, &uri, &headers, body).await
}

async fn control(State(world): Worldly, Json(request): Json<serde_json::Value>) -> Response {
    world.proxy.ask(&request).await
}

async fn picture(State(world): Worldly, Path(after): Path<i64>) -> Response {
    let taken = tokio::task::spawn_blocking(move || Picture::take(&world, after)).await;
    taken.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), |picture| Json(picture).into_response())
}

#[derive(Deserialize)]
struct Scan {
    text: String,
}

async fn scan(State(world): Worldly, Json(asked): Json<Scan>) -> Response {
    if world.power.state().0 != PowerState::On {
        return (StatusCode::CONFLICT, "the terminal is off, and so is its scanner\n").into_response();
    }
    match world.bench.scanner.scan(asked.text.trim()) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => (StatusCode::CONFLICT, "the scanner is busy\n").into_response(),
    }
}

/// What is done at the PinPad.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum AtPinpad {
    Approve,
    WrongPin,
    Decline { code: String },
    SilenceAfterCard,
    NoResult,
    StrangeSlip,
    CableAfterCard,
    Cancel,
    PullCable,
    PlugIn,
}

async fn pinpad(State(world): Worldly, Json(asked): Json<AtPinpad>) -> StatusCode {
    let pinpad = &world.bench.pinpad;
    match asked {
        AtPinpad::Approve => pinpad.present_card_that(Behaviour::Approve),
        AtPinpad::WrongPin => pinpad.present_card_that(Behaviour::WrongPin),
        AtPinpad::Decline { code } => pinpad.present_card_that(Behaviour::Decline(code)),
        AtPinpad::SilenceAfterCard => pinpad.present_card_that(Behaviour::SilenceAfterCard),
        AtPinpad::NoResult => pinpad.present_card_that(Behaviour::EndWithoutResult { charged: true }),
        AtPinpad::StrangeSlip => pinpad.present_card_that(Behaviour::WrongAmountOnSlip(STRANGE_AMOUNT_MINOR)),
        AtPinpad::CableAfterCard => pinpad.present_card_that(Behaviour::CablePulled(Moment::AfterCard)),
        AtPinpad::Cancel => pinpad.cancel(),
        AtPinpad::PullCable => pinpad.pull_cable(),
        AtPinpad::PlugIn => pinpad.plug_in(),
    }
    StatusCode::NO_CONTENT
}

/// The gateway's faults; what is not named is over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultsAsked {
    charge: Option<Fault>,
    confirm: Option<Fault>,
    connected: bool,
}

async fn faults(State(world): Worldly, Json(asked): Json<FaultsAsked>) -> Response {
    let gateway = &world.bench.gateway;
    gateway.set_faults(Faults { charge: asked.charge, confirm: asked.confirm, ..gateway.faults() });
    if !asked.connected {
        gateway.disconnect();
    } else if let Err(error) = gateway.connect().await {
        return (StatusCode::CONFLICT, format!("{error}\n")).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

/// What a customer does with a phone before a code, or the clock with the code. `code` is the link that the phone sees.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtPhone {
    r#do: PhoneDoes,
    code: String,
}

async fn phone(State(world): Worldly, Json(asked): Json<AtPhone>) -> Response {
    match world.bench.qrm.phone(asked.r#do, &asked.code) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
    }
}

/// QRManager's faults; what is not named is over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QrmAsked {
    switches: Switches,
    connected: bool,
    /// Every open socket breaks, now.
    break_sockets: bool,
}

async fn qrm(State(world): Worldly, Json(asked): Json<QrmAsked>) -> Response {
    let qrm = &world.bench.qrm;
    qrm.set_switches(asked.switches);
    if asked.break_sockets {
        qrm.break_sockets();
    }
    if !asked.connected {
        qrm.disconnect();
    } else if let Err(error) = qrm.connect().await {
        return (StatusCode::CONFLICT, format!("{error}\n")).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct Cut {
    off_ms: u64,
}

async fn power(State(world): Worldly, Json(asked): Json<Cut>) -> StatusCode {
    let off = Duration::from_millis(asked.off_ms.min(OFF_MAX_MS));
    if world.power.cut(off) { StatusCode::NO_CONTENT } else { StatusCode::CONFLICT }
}
