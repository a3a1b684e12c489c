//! §2, §2.1, §2.2 and "Формирование QR-кода с программой лояльности": asking for a code.
//!
//! ```text
//! POST /operations/qr-code/  {sum, qr_size?, payment_purpose?, nomenclature?, loyalty?}
//!                            {"results": {operation_id, number, qr_link, qr_img}}
//! ```
//!
//! Sums are kopecks. How long a code lives is a setting of the QR terminal at QRManager; no request can name it.

use serde::Serialize;

use super::access::Request;
use super::answer::Fields;
use super::error::QrmError;
use super::{loyalty, nomenclature};
use crate::payment::money::{Currency, Money, Unit};
use crate::payment::sale::Payment;
use crate::payment::sbp::{PURPOSE_MAX_CHARS, QR_SIZE_PIXELS, QrCode, SUM_KOPECKS, SbpAsk};

/// The body, its fields in the order in which the document prints them.
#[derive(Serialize)]
struct Body<'a> {
    sum: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_size: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_purpose: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nomenclature: Vec<nomenclature::Line<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loyalty: Option<loyalty::InCode<'a>>,
}

/// The request for a sale's code. `strict`: a basket that does not add up to the sum is refused.
///
/// # Errors
/// [`QrmError::Unfit`]: the document does not allow it.
pub fn request(payment: &Payment, strict: bool) -> Result<Request, QrmError> {
    let ask = asked(payment)?;
    let body = Body {
        sum: kopecks("sum", payment.amount)?,
        qr_size: size("qr_size", ask.qr_size)?,
        payment_purpose: purpose(ask)?,
        nomenclature: nomenclature::lines(&ask.nomenclature)?,
        loyalty: ask.loyalty.as_ref().map(|card| loyalty::in_code(card, payment.amount)).transpose()?,
    };
    if let Some(mismatch) = nomenclature::mismatch(payment.amount, ask).filter(|_| strict) {
        return Err(QrmError::Unfit { field: "nomenclature", why: mismatch.to_string() });
    }
    Ok(Request::post("/operations/qr-code/".to_owned(), json(&body)))
}

/// The code that was made.
///
/// # Errors
/// [`QrmError`]; a code without its link, its number or its operation is [`QrmError::Malformed`].
pub fn made(status: u16, body: &[u8]) -> Result<QrCode, QrmError> {
    let answer = Fields::of(status, body)?;
    Ok(QrCode {
        operation_id: answer.needed_id(&OPERATION_ID)?,
        number: answer.needed_id(&["number"])?,
        link: answer.link("qr_link")?,
        params_id: None,
    })
}

/// The spellings of the operation's name in the document and its history of changes.
pub(super) const OPERATION_ID: [&str; 3] = ["operation_id", "operation_Id", "operationId"];

pub(super) fn asked(payment: &Payment) -> Result<&SbpAsk, QrmError> {
    let sbp = payment.sbp.as_ref();
    sbp.map(|sbp| &sbp.ask).ok_or_else(|| QrmError::Unfit { field: "sum", why: "this is no SBP sale".to_owned() })
}

/// Kopecks, within the document's range.
pub(super) fn kopecks(field: &'static str, money: Money) -> Result<i64, QrmError> {
    let unfit = |why: String| QrmError::Unfit { field, why };
    if money.currency() != Currency::Rub {
        return Err(unfit(format!("QRManager counts in {}, not in {}", Currency::Rub, money.currency())));
    }
    let kopecks = money.to_unit(Unit::Tiyin).map_err(|e| unfit(e.to_string()))?;
    if SUM_KOPECKS.contains(&kopecks) {
        return Ok(kopecks);
    }
    Err(unfit(format!("{kopecks} kopecks are not within {}..={}", SUM_KOPECKS.start(), SUM_KOPECKS.end())))
}

/// A picture's side, if one is asked for.
pub(super) fn size(field: &'static str, size: Option<u16>) -> Result<Option<u16>, QrmError> {
    match size {
        Some(pixels) if !QR_SIZE_PIXELS.contains(&pixels) => {
            let (least, most) = (QR_SIZE_PIXELS.start(), QR_SIZE_PIXELS.end());
            Err(QrmError::Unfit { field, why: format!("{pixels} pixels are not within {least}..={most}") })
        }
        fits => Ok(fits),
    }
}

/// The till's own text. It is not kept at rest, so a sale that had one and has lost it asks for no code without it.
pub(super) fn purpose(ask: &SbpAsk) -> Result<Option<&str>, QrmError> {
    let field = "payment_purpose";
    let text = ask.purpose.0.as_deref();
    if ask.own_purpose && text.is_none() {
        return Err(QrmError::Unfit { field, why: "the till's own text was not kept".to_owned() });
    }
    let characters = text.map_or(0, |text| text.chars().count());
    if characters > PURPOSE_MAX_CHARS {
        let why = format!("{characters} characters, and at most {PURPOSE_MAX_CHARS} are taken");
        return Err(QrmError::Unfit { field, why });
    }
    Ok(text)
}

pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|e| unreachable!("numbers and texts are always JSON: {e}"))
}
