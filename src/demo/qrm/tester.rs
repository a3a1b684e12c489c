//! What is not QRManager's: the tester's way in over HTTP, and the picture that `qr_img` leads to.

use std::io::Cursor;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use qrcode::{Color, QrCode};
use serde::Deserialize;

use super::desk::{Desk, Desked};
use super::switches::Switches;

/// Around a code, in its modules (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;
/// Side of a module in the picture.
const MODULE_PIXELS: usize = 6;

pub(super) async fn show_books(State(desk): Desked) -> Response {
    axum::Json(desk.books().entries()).into_response()
}

pub(super) async fn show_switches(State(desk): Desked) -> Response {
    axum::Json(desk.switches().clone()).into_response()
}

pub(super) async fn set_switches(State(desk): Desked, body: Bytes) -> Response {
    match serde_json::from_slice::<Switches>(&body) {
        Ok(switches) => {
            *desk.switches() = switches;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(e) => (StatusCode::BAD_REQUEST, format!("no switches that this QRManager knows: {e}\n")).into_response(),
    }
}

/// `{"do": "pay" | "pay_late" | "open" | "decline" | "expire", "code": operation_id or link}`
#[derive(Deserialize)]
struct AtPhone {
    r#do: PhoneDoes,
    code: String,
}

/// What somebody does with a phone, or the clock with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneDoes {
    /// Pay.
    Pay,
    /// Money that was on its way when the code ended still comes.
    PayLate,
    /// Look at it in a bank's application.
    Open,
    /// The bank declines.
    Decline,
    /// The code's time is over.
    Expire,
}

pub(super) async fn phone(State(desk): Desked, body: Bytes) -> Response {
    let asked: AtPhone = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(e) => return (StatusCode::BAD_REQUEST, format!("no phone does that: {e}\n")).into_response(),
    };
    match desk.phone(asked.r#do, &asked.code) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
    }
}

impl Desk {
    pub(super) fn phone(&self, does: PhoneDoes, code: &str) -> Result<(), super::PhoneError> {
        match does {
            PhoneDoes::Pay => self.pay(code, false),
            PhoneDoes::PayLate => self.pay(code, true),
            PhoneDoes::Open => self.open(code),
            PhoneDoes::Decline => self.decline(code),
            PhoneDoes::Expire => self.expire(code),
        }
    }

    /// `qr_img` of a code.
    pub(super) fn picture_url(&self, code: &str) -> String {
        format!("http://{}/media/qr_codes/qr_code_{code}.png", self.address)
    }
}

/// The code that a link makes, as long as it can be paid ("хранящегося на сервере QRM до истечения заданного ttl или факта оплаты").
pub(super) async fn picture(State(desk): Desked, Path(name): Path<String>) -> Response {
    let code = name.strip_prefix("qr_code_").and_then(|name| name.strip_suffix(".png"));
    let link = code.and_then(|code| {
        let books = desk.books();
        let sticker = books.link(code).map(|link| link.link.clone());
        let is = |link: &str| link.split(['/', '?']).any(|part| part == code);
        let mut open = books.operations().iter().filter(|operation| operation.standing.can_be_paid());
        sticker.or_else(|| open.find(|operation| is(&operation.qr_link)).map(|operation| operation.qr_link.clone()))
    });
    match link.and_then(|link| draw(&link)) {
        Some(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn draw(link: &str) -> Option<Vec<u8>> {
    let code = QrCode::new(link).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET_ZONE) * MODULE_PIXELS;
    let module = |pixel: usize| (pixel / MODULE_PIXELS).checked_sub(QUIET_ZONE).filter(|module| *module < width);
    let dark = |(x, y)| matches!((module(x), module(y)), (Some(x), Some(y)) if modules[y * width + x] == Color::Dark);
    let grey: Vec<u8> = (0..side * side).map(|at| if dark((at % side, at / side)) { 0 } else { 255 }).collect();
    let mut picture = Cursor::new(Vec::new());
    let side = u32::try_from(side).ok()?;
    let mut encoder = png::Encoder::new(&mut picture, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().ok()?.write_image_data(&grey).ok()?;
    Some(picture.into_inner())
}
