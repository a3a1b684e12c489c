//! "Кассовые ссылки СБП": a printed code that is registered once, ever, and activated for one sale at a time.
//!
//! ```text
//! POST   /operations/cash-qr/                         {size?, qrc_id?}          {cashQrId, cashQrLink, cashQrCode, status}
//! POST   /operations/cash-qr/{cashQrId}/activate/     {sum, payment_purpose?}   {cashQrParamsId, number, operation_Id}
//! DELETE /operations/cash-qr/{cashQrId}/deactivate/                             {"results": {"status": "OK"}}
//! ```
//!
//! How long an activation lives (5 to 20 minutes) is a setting of the QR terminal at QRManager.

use serde::Serialize;

use super::access::Request;
use super::answer::{Fields, step};
use super::code::{OPERATION_ID, asked, json, kopecks, purpose, size};
use super::error::QrmError;
use crate::payment::sale::Payment;
use crate::payment::sbp::{PURPOSE_MAX_CHARS, QrCode};

/// `qrc_id`, characters: the document gives it the range of a purpose.
const QRC_ID_MAX_CHARS: usize = PURPOSE_MAX_CHARS;

#[derive(Serialize)]
struct Register<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qrc_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Activate<'a> {
    sum: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_purpose: Option<&'a str>,
}

/// A cash link as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// `cashQrId`.
    pub id: String,
    /// `cashQrLink`: what is printed.
    pub link: String,
}

/// Register a link of QRManager's own, or the one that the bank issued.
///
/// # Errors
/// [`QrmError::Unfit`].
pub fn register(pixels: Option<u16>, qrc_id: Option<&str>) -> Result<Request, QrmError> {
    if let Some(id) = qrc_id
        && !(1..=QRC_ID_MAX_CHARS).contains(&id.chars().count())
    {
        return Err(QrmError::Unfit { field: "qrc_id", why: format!("it has 1..={QRC_ID_MAX_CHARS} characters") });
    }
    let body = Register { size: size("size", pixels)?, qrc_id };
    Ok(Request::post("/operations/cash-qr/".to_owned(), json(&body)))
}

/// The answer to a registration.
///
/// # Errors
/// [`QrmError`].
pub fn registered(status: u16, body: &[u8]) -> Result<Registered, QrmError> {
    let answer = Fields::of(status, body)?;
    Ok(Registered { id: answer.needed_id(&["cashQrId"])?, link: answer.link("cashQrLink")? })
}

/// Activate the link for a sale.
///
/// # Errors
/// [`QrmError::Unfit`].
pub fn activate(payment: &Payment, id: &str) -> Result<Request, QrmError> {
    let ask = asked(payment)?;
    if !ask.nomenclature.is_empty() || ask.loyalty.is_some() {
        let why = "a cash link takes a sum and a purpose, neither products nor a loyalty card".to_owned();
        return Err(QrmError::Unfit { field: "cash_link", why });
    }
    let payment_purpose = purpose(ask)?;
    if payment_purpose == Some("") {
        return Err(QrmError::Unfit { field: "payment_purpose", why: "a cash link takes no empty one".to_owned() });
    }
    let body = Activate { sum: kopecks("sum", payment.amount)?, payment_purpose };
    Ok(Request::post(format!("/operations/cash-qr/{}/activate/", step("cashQrId", id)?), json(&body)))
}

/// The answer to an activation. Its `link` is empty: what the payer sees is the sticker.
///
/// # Errors
/// [`QrmError`].
pub fn activated(status: u16, body: &[u8]) -> Result<QrCode, QrmError> {
    let answer = Fields::of(status, body)?;
    Ok(QrCode {
        operation_id: answer.needed_id(&OPERATION_ID)?,
        number: answer.needed_id(&["number"])?,
        link: String::new(),
        params_id: answer.id(&["cashQrParamsId"])?,
    })
}

/// Deactivate the link.
///
/// # Errors
/// [`QrmError::Unfit`]: not a link's name.
pub fn deactivate(id: &str) -> Result<Request, QrmError> {
    Ok(Request::delete(format!("/operations/cash-qr/{}/deactivate/", step("cashQrId", id)?)))
}

/// The answer to a deactivation: only `OK` proves it.
///
/// # Errors
/// [`QrmError`].
pub fn deactivated(status: u16, body: &[u8]) -> Result<(), QrmError> {
    let answer = Fields::of(status, body)?;
    match answer.text("status") {
        Some(ok) if ok.eq_ignore_ascii_case("ok") => Ok(()),
        _ => Err(answer.malformed("the status is not OK")),
    }
}
