//! "Возврат средств по операции": giving money back, and how that went.
//!
//! ```text
//! POST /operations/refund/  {operation_id, amount}          {"results": {"refundRequestId": "BR…"}}
//! GET  /operations/{id}/refund-status/{refundRequestId}/    {"results": {"status": "success", "message": "…"}}
//! ```
//!
//! There is no idempotency key: a lost answer is a refund in doubt, and nothing here asks for it a second time.

use serde::Serialize;

use super::access::Request;
use super::answer::{Fields, step};
use super::code::{json, kopecks};
use super::error::{Class, QrmError};
use crate::payment::money::Money;
use crate::payment::sbp::RefundOutcome;

/// How a refund went, as QRManager says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    /// The money went back.
    Success,
    /// It did not.
    Fail {
        /// SBP's words, if it had any.
        message: Option<String>,
    },
    /// It is under way.
    Received,
}

#[derive(Serialize)]
struct Body<'a> {
    operation_id: &'a str,
    amount: i64,
}

/// Give back `amount` of an operation.
///
/// # Errors
/// [`QrmError::Unfit`].
pub fn request(operation_id: &str, amount: Money) -> Result<Request, QrmError> {
    let amount = kopecks("amount", amount)?;
    if amount == 0 {
        return Err(QrmError::Unfit { field: "amount", why: "there is nothing to give back".to_owned() });
    }
    let body = Body { operation_id: step("operation_id", operation_id)?, amount };
    Ok(Request::post("/operations/refund/".to_owned(), json(&body)))
}

/// The answer to it: `refundRequestId`.
///
/// # Errors
/// [`QrmError`].
pub fn accepted(status: u16, body: &[u8]) -> Result<String, QrmError> {
    let answer = Fields::of(status, body)?;
    answer.needed_id(&["refundRequestId"])
}

/// What became of the request.
#[must_use]
pub fn outcome(answer: Result<String, QrmError>) -> RefundOutcome {
    match answer.map_err(|e| e.class()) {
        Ok(request_id) => RefundOutcome::Accepted { request_id },
        Err(Class::Refused(decline)) => RefundOutcome::Refused(decline),
        Err(Class::NotSent(text)) => RefundOutcome::NotSent { text },
        Err(Class::InDoubt(text)) => RefundOutcome::InDoubt { text },
    }
}

/// The question how a refund went.
///
/// # Errors
/// [`QrmError::Unfit`]: not the names of an operation and a refund.
pub fn status(operation_id: &str, request_id: &str) -> Result<Request, QrmError> {
    let (operation, request) = (step("operation_id", operation_id)?, step("refundRequestId", request_id)?);
    Ok(Request::get(format!("/operations/{operation}/refund-status/{request}/")))
}

/// The answer to it, in any case of letters: the document prints `success` and `Success`. A 404 is an error like any other and says nothing
/// about the money.
///
/// # Errors
/// [`QrmError`]; another word is [`QrmError::Malformed`].
pub fn told(status: u16, body: &[u8]) -> Result<RefundStatus, QrmError> {
    let answer = Fields::of(status, body)?;
    match answer.text("status").unwrap_or_default().to_ascii_lowercase().as_str() {
        "success" => Ok(RefundStatus::Success),
        "fail" => Ok(RefundStatus::Fail { message: answer.text("message") }),
        "received" => Ok(RefundStatus::Received),
        _ => Err(answer.malformed("the status is none of success, fail, received")),
    }
}
