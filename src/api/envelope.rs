//! The envelope of every answer, `{data, error{code,message,data}, is_success}` (seeds 000–002), and the table of refusals.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

use super::json::FieldErrors;
use super::pathless::pathless;
use crate::limits;
use crate::payment::event::Denial;
use crate::payment::sale::PaymentId;

/// A row of the table: what a till may hear instead of success. `docs/api.md` states the same rows; a test holds them equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// `error.code`.
    pub code: i64,
    /// `error.message`, where the provider has no words of its own.
    pub name: &'static str,
    /// HTTP status: 200 for everything that the terminal decided about a payment (seed 002).
    pub status: u16,
    /// What the till should do, told in `error.data.advice`.
    pub advice: &'static str,
}

/// Declares the table: constants to use, and the list that the documentation is held against.
macro_rules! table {
    ($($name:ident = $code:literal $status:literal $advice:literal;)+) => {
        $(pub(super) const $name: Row =
            Row { code: $code, name: stringify!($name), status: $status, advice: $advice };)+

        /// Every refusal that this API knows.
        pub const TABLE: &[Row] = &[$($name),+];
    };
}

table! {
    VALIDATION = 7 200 "Correct the fields that the message names and send the request again.";
    BILLING_ERROR = 104 200 "Set this provider and [merchant] up in tolov.toml, then sell again. No money moved.";
    PAYMENT_ERROR = 106 200 "The provider refused. No money moved: offer another way to pay.";
    XUMO_ERROR = 108 200 "The card was refused. No money moved: offer another card or another way to pay.";
    IN_DOUBT = 900 200 "Do not sell again. Ask GET /payment/{transaction_id} until it says paid or declined, or call the operator.";
    IN_PROGRESS = 901 200 "Wait, and ask GET /payment/{transaction_id} again.";
    CANCELLED = 902 200 "It was called off before anybody paid. Sell again if the customer still wants to pay.";
    EXPIRED = 903 200 "Nobody paid in time. Sell again if the customer still wants to pay.";
    NOT_SENT = 904 200 "The provider could not be reached and nothing was sent. Check the network, then sell again.";
    ABSENT = 905 200 "It is proven that no money moved. Sell again if the customer still wants to pay.";
    REFUNDED = 906 200 "All of the money was given back.";
    BUSY = 910 200 "Finish or cancel the payment at the counter (POST /payment/cancel), then send this request again.";
    PINPAD_BUSY = 911 200 "Send this request again in a few seconds.";
    PINPAD_IN_DOUBT = 912 200 "Take another way to pay; card payments open again when the doubt is settled.";
    PINPAD_ABSENT = 913 200 "Check the PinPad's cable and power, or take another way to pay.";
    SALES_CLOSED = 914 200 "Call the operator: somebody has to sign before this terminal sells again.";
    TOKEN_REUSED = 920 200 "Draw a new Idempotency-Key for each new request; keep the old one only to repeat the same request.";
    CODE_USED = 921 200 "Ask the customer for a new code.";
    NOT_FOUND = 922 200 "Check the id: name the sale by the transaction_id or the payment_id that its answer carried.";
    WRONG_STATE = 923 200 "Ask GET /payment/{transaction_id} where the payment stands.";
    WRONG_METHOD = 924 200 "Confirm it at the endpoint of the provider that took the money.";
    RECEIPT_DIFFERS = 925 200 "Nothing to do if the first receipt was right; otherwise call the operator.";
    REFUND_REFUSED = 926 200 "Correct the amount or the sale, or give the money back at the PinPad itself.";
    SETTLEMENT_REFUSED = 927 200 "Settle the open card payment first, then close the shift again.";
    RECEIPT_PARKED = 928 200 "Do not send it again: the receipt is kept, and the operator has to look at it.";
    STORE_FAILED = 950 503 "Nothing was started. Call the operator if it lasts: the terminal's disk needs care.";
    OVERLOADED = 951 503 "Send this request again in a moment.";
    SHUTTING_DOWN = 952 503 "Send this request again with the same Idempotency-Key when the terminal is back.";
    INTERNAL = 953 500 "Ask GET /payment/{transaction_id} before selling again, and report the terminal's log.";
    UNAUTHORIZED = 960 401 "Send the till's token in x_auth_token or as Authorization: Bearer.";
    FORBIDDEN = 961 403 "Ask from the till program, by the terminal's own address.";
    UNKNOWN_PATH = 962 404 "Check the path: docs/api.md lists them.";
    METHOD_NOT_ALLOWED = 963 405 "Use the method that the Allow header names.";
    TOO_SLOW = 964 408 "Send the whole body at once.";
    TOO_LARGE = 965 413 "Send only the documented fields.";
    NOT_JSON = 966 415 "Send the body as application/json, in UTF-8.";
}

/// What to do where a paid sale cannot be given back by its provider's way.
const NO_WAY_BACK: &str = "This provider gives no money back from here: use its own cabinet, or give cash and note it.";

/// `{data, error, is_success}`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Envelope<'a, D> {
    pub(super) data: Option<D>,
    pub(super) error: Option<&'a Refusal>,
    pub(super) is_success: bool,
}

/// The envelope of a refusal that came before any sale, receipt or shift was looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is read; what is written is an empty envelope")]
pub(super) struct NoData {
    /// Nothing.
    #[schema(value_type = Option<Object>)]
    data: Option<()>,
    error: Refusal,
    /// False.
    is_success: bool,
}

/// `error` of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Refusal {
    code: i64,
    message: Cow<'static, str>,
    data: Option<Box<Detail>>,
    #[serde(skip)]
    pub(super) status: u16,
}

/// `error.data`: what the till's program and its people need to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Detail {
    /// The payment it is about.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_id: Option<PaymentId>,
    /// Where that payment stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'static str>,
    /// What was wrong, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What to do.
    pub(super) advice: Cow<'static, str>,
    /// The class of a decline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<&'static str>,
    /// The provider's or the PinPad's code, as it spelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_code: Option<String>,
}

impl Refusal {
    /// A row of the table with nothing more to say.
    pub(super) fn bare(row: Row) -> Self {
        Self { code: row.code, message: Cow::Borrowed(row.name), data: None, status: row.status }
    }

    /// A row of the table, its advice, and what was wrong; paths of files are left out.
    pub(super) fn because(row: Row, reason: impl Into<String>) -> Self {
        let detail = Detail { reason: Some(pathless(&reason.into())), advice: row.advice.into(), ..Detail::default() };
        Self::bare(row).with(detail)
    }

    /// The same with a provider's own code and words.
    pub(super) fn spelled(mut self, code: Option<i64>, message: Option<String>) -> Self {
        self.code = code.unwrap_or(self.code);
        if let Some(message) = message {
            self.message = pathless(&message).into();
        }
        self
    }

    pub(super) fn with(mut self, detail: Detail) -> Self {
        self.data = Some(Box::new(detail));
        self
    }

    /// The same with other advice than the table's.
    fn advised(mut self, advice: &'static str) -> Self {
        self.data.get_or_insert_default().advice = advice.into();
        self
    }

    /// The same in words that the door chose.
    pub(super) fn worded(mut self, reason: &str) -> Self {
        self.data.get_or_insert_default().reason = Some(pathless(reason));
        self
    }

    /// Name the payment it is about.
    pub(super) fn about(mut self, payment: PaymentId) -> Self {
        self.data.get_or_insert_default().transaction_id = Some(payment);
        self
    }

    /// Name the state of what it is about.
    pub(super) fn in_state(mut self, state: &'static str) -> Self {
        self.data.get_or_insert_default().state = Some(state);
        self
    }

    /// `error.code`.
    pub(super) fn code(&self) -> i64 {
        self.code
    }

    /// `error.message`.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// What was wrong, in a sentence.
    pub(super) fn reason(&self) -> Option<&str> {
        self.data.as_ref().and_then(|detail| detail.reason.as_deref())
    }
}

/// Seed 001: the message is itself JSON, field → sentences, and there is no data.
impl From<&FieldErrors> for Refusal {
    fn from(errors: &FieldErrors) -> Self {
        let message = serde_json::to_string(errors).unwrap_or_else(|_| VALIDATION.name.to_owned());
        Self::bare(VALIDATION).spelled(None, Some(message))
    }
}

impl From<&Denial> for Refusal {
    fn from(denial: &Denial) -> Self {
        use Denial as D;
        let because = |row| Self::because(row, denial.to_string());
        match denial {
            // Seeds 000–002 print this one with `data: null`; what is missing is told by the log and by `tolov check`.
            D::NotConfigured { .. } | D::NoProfile { .. } => Self::bare(BILLING_ERROR),
            D::CashLink { .. } => because(BUSY),
            D::Busy { with } => because(BUSY).about(*with),
            D::PinpadBusy => because(PINPAD_BUSY),
            D::PinpadInDoubt { .. } => because(PINPAD_IN_DOUBT),
            D::PinpadAbsent { .. } => because(PINPAD_ABSENT),
            // SBP is sold at other doors.
            D::CodesOpen { .. } => because(BUSY),
            D::SalesClosed { .. } => because(SALES_CLOSED),
            D::TokenReused { of } => because(TOKEN_REUSED).about(*of),
            D::CodeUsed { by } => because(CODE_USED).about(*by),
            D::NotFound { .. } => because(NOT_FOUND),
            D::WrongState { payment, state, .. } => because(WRONG_STATE).about(*payment).in_state(state),
            D::WrongMethod { payment, .. } => because(WRONG_METHOD).about(*payment),
            D::ReceiptRefused { .. } => because(WRONG_METHOD),
            D::ReceiptDiffers { payment, .. } => because(RECEIPT_DIFFERS).about(*payment),
            D::CodeUnfit { .. } => because(VALIDATION),
            D::RefundRefused { .. } | D::RefundTooMuch { .. } | D::VoidedWhole { .. } => because(REFUND_REFUSED),
            D::NotSupported { .. } => because(REFUND_REFUSED).advised(NO_WAY_BACK),
            D::SettlementRefused { .. } => because(SETTLEMENT_REFUSED),
            D::Store { .. } => because(STORE_FAILED),
            D::Overloaded => because(OVERLOADED),
            D::ShuttingDown => because(SHUTTING_DOWN),
        }
    }
}

/// A body that is known in full: the same bytes every time it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Written {
    /// Anything that has the shape of an answer.
    pub(super) fn of(status: u16, answer: &impl Serialize) -> Self {
        match serde_json::to_vec(answer) {
            Ok(body) => Self { status, body: body.into() },
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                Self { status: INTERNAL.status, body: Bytes::from_static(BROKEN) }
            }
        }
    }

    /// Success.
    pub(super) fn success(data: impl Serialize) -> Self {
        Self::of(200, &Envelope { data: Some(data), error: None, is_success: true })
    }

    /// Anything else.
    pub(super) fn refusal(refusal: &Refusal) -> Self {
        Self::of(refusal.status, &Envelope::<()> { data: None, error: Some(refusal), is_success: false })
    }
}

/// A refusal that is over in a moment says when to come again.
pub(super) fn come_again(mut refusal: Response) -> Response {
    let seconds = limits::wait(limits::OVERLOADED_RETRY_MS).as_secs();
    refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    refusal
}

/// What is left to say when even an answer cannot be written.
const BROKEN: &[u8] = br#"{"data":null,"error":{"code":953,"message":"INTERNAL","data":null},"is_success":false}"#;

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Written::refusal(&self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::sale::Method;

    #[test]
    fn codes_and_names_stand_once() {
        for (i, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.code != row.code && other.name != row.name), "{row:?}");
        }
    }

    #[test]
    fn the_document_states_every_refusal_and_no_other() {
        let document = include_str!("../../docs/api.md");
        let row = |r: &Row| format!("| `{}` | {} | {} | {} |", r.name, r.code, r.status, r.advice);
        let held: Vec<String> = TABLE.iter().map(row).collect();
        let table = document.split("<!-- refusals -->").nth(1).unwrap();
        let stated: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(stated, held);
    }

    #[test]
    fn an_unset_provider_answers_the_very_bytes_of_the_seeds() {
        let told = Written::refusal(&Refusal::from(&Denial::NotConfigured { method: Method::Click }));
        assert_eq!(told.status, 200);
        let seed = r#"{"data":null,"error":{"code":104,"message":"BILLING_ERROR","data":null},"is_success":false}"#;
        assert_eq!(told.body, seed.as_bytes());
    }

    #[test]
    fn the_last_resort_is_the_envelope_that_it_stands_for() {
        let parsed: serde_json::Value = serde_json::from_slice(BROKEN).unwrap();
        assert_eq!(
            parsed,
            serde_json::to_value(Envelope::<()> {
                data: None,
                error: Some(&Refusal::bare(INTERNAL)),
                is_success: false
            })
            .unwrap()
        );
    }

    #[test]
    fn every_denial_names_its_payment_and_says_what_to_do() {
        let id = PaymentId(uuid::Uuid::from_u128(7));
        let told = Written::refusal(&Refusal::from(&Denial::Busy { with: id }));
        let parsed: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(parsed["error"]["code"], 910);
        assert_eq!(parsed["error"]["data"]["transaction_id"], id.to_string());
        assert!(parsed["error"]["data"]["reason"].as_str().unwrap().contains("busy with payment"));
        assert!(parsed["error"]["data"]["advice"].as_str().unwrap().contains("/payment/cancel"));
        assert_eq!(told.status, 200);
        assert_eq!(Written::refusal(&Refusal::from(&Denial::Overloaded)).status, 503);
    }
}
