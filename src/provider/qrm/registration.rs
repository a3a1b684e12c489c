//! §5: handing an electronic receipt to the OFD through QRManager, and how that went. What a receipt holds is another matter.
//!
//! ```text
//! POST /operations/{number}/receipt/         the OFD's JSON   {"results": {"status": "success"}}
//! GET  /operations/{number}/receipt/status/                   {"status": "done", "ofd_receipt_url": "…", "error": ""}
//! ```

use super::access::Request;
use super::answer::{Fields, step};
use super::error::QrmError;

/// Where a receipt stands at the OFD (§5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// `wait`: being checked, or queued.
    Wait,
    /// `done`: the tax office has it.
    Done {
        /// `ofd_receipt_url`: where the receipt is to be seen.
        url: Option<String>,
    },
    /// `fail`: it was not registered.
    Fail {
        /// `error`: the OFD's words.
        error: String,
    },
}

/// Hand over a receipt. `body` is the OFD's own JSON, sent as it is.
///
/// # Errors
/// [`QrmError::Unfit`]: not an operation's number.
pub fn request(number: &str, body: &str) -> Result<Request, QrmError> {
    Ok(Request::post(format!("/operations/{}/receipt/", step("number", number)?), body.to_owned()))
}

/// The answer to it: only `success` says that it was taken.
///
/// # Errors
/// [`QrmError`].
pub fn taken(status: u16, body: &[u8]) -> Result<(), QrmError> {
    let answer = Fields::of(status, body)?;
    match answer.text("status") {
        Some(word) if word.eq_ignore_ascii_case("success") => Ok(()),
        _ => Err(answer.malformed("the status is not success")),
    }
}

/// The question where a receipt stands.
///
/// # Errors
/// [`QrmError::Unfit`]: not an operation's number.
pub fn status(number: &str) -> Result<Request, QrmError> {
    Ok(Request::get(format!("/operations/{}/receipt/status/", step("number", number)?)))
}

/// The answer to it.
///
/// # Errors
/// [`QrmError`]; another word is [`QrmError::Malformed`].
pub fn told(status: u16, body: &[u8]) -> Result<ReceiptStatus, QrmError> {
    let answer = Fields::of(status, body)?;
    let filled = |name| answer.text(name).filter(|text| !text.is_empty());
    match answer.text("status").unwrap_or_default().to_ascii_lowercase().as_str() {
        "wait" => Ok(ReceiptStatus::Wait),
        "done" => Ok(ReceiptStatus::Done { url: filled("ofd_receipt_url") }),
        "fail" => {
            Ok(ReceiptStatus::Fail { error: filled("error").unwrap_or_else(|| "the OFD gave no reason".to_owned()) })
        }
        _ => Err(answer.malformed("the status is none of wait, done, fail")),
    }
}
