//! How "no" is said under `/api/v1/`: `{code, message}` as seed 003 spells it, with what to do beside it, and the table of codes.

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::any::Any;
use utoipa::ToSchema;

use crate::api::envelope::{self, Refusal, Written};
use crate::api::json::FieldErrors;
use crate::api::pathless::pathless;
use crate::log;
use crate::payment::event::{Denial, Reply};
use crate::payment::money::Money;
use crate::payment::sale::{Payment, PaymentId};

/// A row of the table. `docs/api.md` states the same rows; a test holds them equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// `code`: what a till's program looks at.
    pub code: &'static str,
    /// HTTP status. 200 stands for a word about a sale, receipt or refund that was taken and stands as told.
    pub status: u16,
    /// What the till should do, told in `advice`.
    pub advice: &'static str,
}

/// Declares the table: constants to use, and the list that the documentation is held against.
macro_rules! table {
    ($($name:ident = $code:literal $status:literal $advice:literal;)+) => {
        $(pub(super) const $name: Row = Row { code: $code, status: $status, advice: $advice };)+

        /// Every code that `/api/v1/` knows.
        pub const TABLE: &[Row] = &[$($name),+];
    };
}

table! {
    DECLINED = "provider_refused" 200 "The bank or the provider refused. No money moved: correct what the message names, or offer another way to pay.";
    NOT_SET_UP = "provider_not_set_up" 200 "The provider says that this terminal is not set up. No money moved: check its settings and its key, then sell again with a new token.";
    NOT_SENT = "not_sent" 200 "The provider or the PinPad could not be reached and nothing was sent. Check the line, then ask again with a new token.";
    ABSENT = "absent" 200 "It is certain that no money moved. Ask again with a new token if the customer still wants to pay.";
    CANCELLED = "cancelled" 200 "It was called off. Sell again with a new token if the customer still wants to pay.";
    EXPIRED = "expired" 200 "Nobody paid in time. Sell again with a new token if the customer still wants to pay.";
    IN_DOUBT = "in_doubt" 200 "Do not sell or refund again. Ask GET /api/v1/payment/{id}/retrieve until it is settled, or call the operator.";
    PARKED = "receipt_parked" 200 "Correct the document as the message says and POST it again, or call the operator.";
    VALIDATION = "validation_error" 400 "Correct the fields that are named and send the request again.";
    RECEIPT_REFUSED = "receipt_refused" 400 "Correct the receipt: it does not fit its sale or its QR terminal.";
    INVALID_STATUS = "invalid_status" 400 "Ask GET /api/v1/payment/{id}/retrieve where it stands: a payment is edited or accepted while it is created, and cancelled until the bank is at work.";
    ACCESS = "acces_error" 403 "Send the till's token in x_auth_token, from the till program and to the terminal's own address.";
    NOT_FOUND = "not_found" 404 "Check the path and the transaction_id.";
    METHOD_NOT_ALLOWED = "method_not_allowed" 405 "Use the method that the Allow header names.";
    TOO_SLOW = "too_slow" 408 "Send the whole body at once.";
    BUSY = "busy" 409 "Finish or cancel the payment at the counter, then send this request again; an SBP code may be left to the till's own screen by display: false.";
    TOKEN_REUSED = "token_reused" 409 "Draw a new idempotency_token for each new request; keep the old one only to repeat the same request.";
    CODE_USED = "code_used" 409 "This code has paid, or may have paid, another payment: ask the customer for a new one.";
    PINPAD_BUSY = "pinpad_busy" 409 "Send this request again, with the same token, in a few seconds.";
    PINPAD_IN_DOUBT = "pinpad_in_doubt" 409 "A card operation is in doubt: take the money in another way, or call the operator. It is asked about by itself.";
    PINPAD_ABSENT = "pinpad_absent" 409 "Check the PinPad and its cable, then send this request again with the same token; or take the money in another way.";
    LINK_UNUSABLE = "cash_link_unusable" 409 "Ask GET /api/v1/sbp/cash-link where the link stands, and sell again when it is idle.";
    CODES_OPEN = "sbp_codes_open" 409 "Take the money in another way: SBP is sold to this till again when one of its codes is paid or has ended, a day after it was made at the latest.";
    WRONG_STATE = "wrong_state" 409 "Ask GET /api/v1/payment/{id}/retrieve where the sale stands.";
    RECEIPT_DIFFERS = "receipt_differs" 409 "Nothing to do if the first document was right; otherwise call the operator.";
    REFUND_REFUSED = "refund_refused" 409 "Correct the amount; GET /api/v1/payment/{id}/refund lists what was given back.";
    NOT_SUPPORTED = "not_supported" 409 "This provider gives no money back from here: use its own cabinet, or give cash and note it.";
    PROVIDER_ERROR = "provider_error" 409 "QRManager refused the question, nothing was changed. Correct what the message names and ask again.";
    EVENTS_DIVERGED = "events_diverged" 409 "This is another journal than you have followed: the store was restored, or the box replaced. Ask GET /api/v1/payment for all payments and go on from its next.";
    EVENTS_GONE = "events_gone" 410 "These events are not kept any more. Ask GET /api/v1/payment with since = this id, and go on from its next.";
    TOO_LARGE = "too_large" 413 "Send only the documented fields.";
    NOT_JSON = "not_json" 415 "Send the body as application/json, in UTF-8.";
    INTERNAL = "internal_error" 500 "Ask GET /api/v1/payment/{id}/retrieve before selling again, and report the terminal's log.";
    NOT_CONFIGURED = "not_configured" 503 "Set the method up in tolov.toml, with its key in the credentials and [merchant]. Nothing was started.";
    SALES_CLOSED = "sales_closed" 503 "Call the operator: somebody has to sign before this terminal sells again.";
    STORE_FAILED = "store_failed" 503 "Nothing was started. Call the operator if it lasts: the terminal's disk needs care.";
    OVERLOADED = "overloaded" 503 "Send this request again, with the same token, in a moment.";
    SHUTTING_DOWN = "shutting_down" 503 "Send this request again, with the same token, when the terminal is back.";
    NO_ANSWER = "provider_unreachable" 504 "QRManager gave no answer to a question that changes nothing. Ask again in a moment.";
}

/// An answer that is no success: nothing was taken, nothing was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// What a till's program looks at; the list is in docs/api.md.
    #[schema(example = "validation_error")]
    code: &'static str,
    /// What was wrong, in a sentence.
    #[schema(example = "amount: Ensure this value is greater than or equal to 1.")]
    message: String,
    /// What to do.
    advice: &'static str,
    /// What is wrong with the body: field → sentences. Fields within others are named by their path, `nomenclature[0].count`.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Vec<String>>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<FieldErrors>,
    /// The payment that stands in the way, or that the request was about.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<PaymentId>,
    /// Where that payment stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_status: Option<&'static str>,
    #[serde(skip)]
    status: u16,
}

impl Problem {
    /// A row of the table, and what was wrong; paths of files are left out.
    pub(super) fn because(row: Row, message: impl Into<String>) -> Self {
        Self {
            code: row.code,
            message: pathless(&message.into()),
            advice: row.advice,
            fields: None,
            transaction_id: None,
            payment_status: None,
            status: row.status,
        }
    }

    /// There is no such payment: in the words of seed 003.
    pub(super) fn no_payment(id: &str) -> Self {
        let shown: String = id.chars().filter(|c| !c.is_control()).take(36).collect();
        Self::because(NOT_FOUND, format!("payment {shown} not found"))
    }

    /// There is no such SBP sale.
    pub(super) fn no_sale(id: &str) -> Self {
        let shown: String = id.chars().filter(|c| !c.is_control()).take(36).collect();
        Self::because(NOT_FOUND, format!("there is no SBP sale {shown} here"))
    }

    /// Where the payment that it is about stands.
    pub(super) fn in_state(self, state: &'static str) -> Self {
        Self { payment_status: Some(state), ..self }
    }

    /// The payment that it is about.
    pub(super) fn about(mut self, payment: PaymentId) -> Self {
        self.transaction_id = Some(payment);
        self
    }
}

/// What speaks against a request, told and written down.
pub(super) fn denied(denial: &Denial) -> Problem {
    log::refused(denial, None);
    Problem::from(denial)
}

/// The same of a request about a payment that is known.
pub(super) fn denied_of(payment: &Payment) -> impl Fn(Denial) -> Problem {
    |denial| {
        log::refused(&denial, Some(payment));
        Problem::from(&denial)
    }
}

/// The same at the door for SBP, which counts kopecks.
pub(super) fn denied_in_kopecks(payment: &Payment) -> impl Fn(Denial) -> Problem {
    |denial| {
        let kopecks = |money: Money| format!("{} {}", money.minor(), money.currency().minor_name());
        let message = pathless(&denial.counted(kopecks));
        Problem { message, ..denied_of(payment)(denial) }
    }
}

/// The driver answered about something else than was asked: a bug there, told honestly here.
pub(super) fn unexpected(_: &Reply) -> Problem {
    // Not the answer itself: it may hold a customer's code.
    tracing::error!("the driver answered about something else");
    Problem::because(INTERNAL, "the terminal contradicted itself")
}

/// A bug in a handler behind these doors.
pub(super) fn panicked(what: Box<dyn Any + Send>) -> Response {
    Problem::from(super::server::panicked(what.as_ref())).into_response()
}

impl From<FieldErrors> for Problem {
    fn from(errors: FieldErrors) -> Self {
        let message = errors.first().map_or_else(String::new, |(field, text)| format!("{field}: {text}"));
        Self { fields: Some(errors), ..Self::because(VALIDATION, message) }
    }
}

impl From<&Denial> for Problem {
    fn from(denial: &Denial) -> Self {
        use Denial as D;
        // The major unit with two decimals, as the bodies of /api/v1/payment count it.
        let because = |row| Self::because(row, denial.counted(Money::decimal));
        match denial {
            D::NotConfigured { .. } | D::NoProfile { .. } => because(NOT_CONFIGURED),
            D::CashLink { .. } => because(LINK_UNUSABLE),
            D::Busy { with } => because(BUSY).about(*with),
            D::PinpadBusy | D::SettlementRefused { .. } => because(PINPAD_BUSY),
            D::PinpadInDoubt { .. } => because(PINPAD_IN_DOUBT),
            D::PinpadAbsent { .. } => because(PINPAD_ABSENT),
            D::CodesOpen { .. } => because(CODES_OPEN),
            D::SalesClosed { .. } => because(SALES_CLOSED),
            D::TokenReused { of } => because(TOKEN_REUSED).about(*of),
            D::CodeUsed { by } => because(CODE_USED).about(*by),
            D::NotFound { .. } => because(NOT_FOUND),
            D::WrongState { payment, state, .. } => {
                Self { payment_status: Some(state), ..because(WRONG_STATE).about(*payment) }
            }
            D::WrongMethod { payment, .. } => because(WRONG_STATE).about(*payment),
            D::ReceiptDiffers { payment, .. } => because(RECEIPT_DIFFERS).about(*payment),
            D::ReceiptRefused { .. } => because(RECEIPT_REFUSED),
            D::CodeUnfit { .. } => because(VALIDATION),
            D::NotSupported { .. } => because(NOT_SUPPORTED),
            D::RefundRefused { .. } | D::RefundTooMuch { .. } | D::VoidedWhole { .. } => because(REFUND_REFUSED),
            D::Store { .. } => because(STORE_FAILED),
            D::Overloaded => because(OVERLOADED),
            D::ShuttingDown => because(SHUTTING_DOWN),
        }
    }
}

/// What the doors in front of the handlers say, in this shape.
impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let rows = [
            (envelope::VALIDATION, VALIDATION),
            (envelope::UNAUTHORIZED, ACCESS),
            (envelope::FORBIDDEN, ACCESS),
            (envelope::UNKNOWN_PATH, NOT_FOUND),
            (envelope::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED),
            (envelope::TOO_SLOW, TOO_SLOW),
            (envelope::TOO_LARGE, TOO_LARGE),
            (envelope::NOT_JSON, NOT_JSON),
            (envelope::OVERLOADED, OVERLOADED),
        ];
        let row = rows.into_iter().find(|(theirs, _)| theirs.code == refusal.code()).map(|(_, ours)| ours);
        // Its paths of files are out already; the path that was asked for stays.
        let message = refusal.reason().unwrap_or(refusal.message()).to_owned();
        Self { message, ..Self::because(row.unwrap_or(INTERNAL), "") }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let answer = Written::of(self.status, &self).into_response();
        if self.code == OVERLOADED.code { envelope::come_again(answer) } else { answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_once() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.code != row.code), "{row:?}");
        }
    }

    #[test]
    fn the_document_states_every_code_and_no_other() {
        let document = include_str!("../../docs/api.md");
        let row = |r: &Row| format!("| `{}` | {} | {} |", r.code, r.status, r.advice);
        let held: Vec<String> = TABLE.iter().map(row).collect();
        let table = document.split("<!-- codes -->").nth(1).unwrap();
        let stated: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(stated, held);
    }

    #[test]
    fn what_the_guard_says_is_said_in_this_shape() {
        let told = Problem::from(Refusal::because(envelope::UNAUTHORIZED, "no token"));
        assert_eq!((told.code, told.status, told.message.as_str()), ("acces_error", 403, "no token"));
        let told =
            serde_json::to_value(Problem::from(FieldErrors::of("amount", "A valid integer is required."))).unwrap();
        assert_eq!(told["message"], "amount: A valid integer is required.");
        assert_eq!(told["fields"]["amount"][0], "A valid integer is required.");
        assert_eq!(told.get("transaction_id"), None);
    }
}
