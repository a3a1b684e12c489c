//! §4.2 and the cash link's "Запрос статуса платежа": where a code stands, asked over REST.
//!
//! ```text
//! GET /operations/{id}/qr-status/       {"results": {"operation_status_code": 5, "operation_status_msg": "Оплачено"}}
//! GET /operations/{id}/cash-qr/status/  {"results": {"status": 5}}
//! ```
//!
//! The two have tables of their own: 7 is a refund of a code and the cancellation of a cash link.

use super::access::Request;
use super::answer::{Fields, step};
use super::error::QrmError;
use crate::payment::sbp::QrStatus;

/// Both names of the number: an answer that uses the other one's is still understood.
const STATUS: [&str; 2] = ["operation_status_code", "status"];

/// The question about a code of its own.
///
/// # Errors
/// [`QrmError::Unfit`]: not an operation's name.
pub fn of_code(operation_id: &str) -> Result<Request, QrmError> {
    Ok(Request::get(format!("/operations/{}/qr-status/", step("operation_id", operation_id)?)))
}

/// The question about the operation of a cash link.
///
/// # Errors
/// [`QrmError::Unfit`]: not an operation's name.
pub fn of_cash_link(operation_id: &str) -> Result<Request, QrmError> {
    Ok(Request::get(format!("/operations/{}/cash-qr/status/", step("operation_id", operation_id)?)))
}

/// The answer about a code of its own.
///
/// # Errors
/// [`QrmError`].
pub fn code_told(status: u16, body: &[u8]) -> Result<QrStatus, QrmError> {
    number(status, body).map(QrStatus::of_code)
}

/// The answer about a cash link.
///
/// # Errors
/// [`QrmError`].
pub fn cash_link_told(status: u16, body: &[u8]) -> Result<QrStatus, QrmError> {
    number(status, body).map(QrStatus::of_cash_link)
}

fn number(status: u16, body: &[u8]) -> Result<i64, QrmError> {
    let answer = Fields::of(status, body)?;
    answer.integer(&STATUS).ok_or_else(|| answer.malformed("no status that is a number"))
}
