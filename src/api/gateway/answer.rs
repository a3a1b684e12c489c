//! What a till is told of a payment, in the shapes of seeds 000–002. Everything here is a pure function of the payment as it stands:
//! a final answer is made from [`Payment::answer`], which never changes, and so is the same every time it is asked for.

use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use utoipa::ToSchema;

use crate::api::envelope::{self, Detail, Envelope, Refusal, Row, Written};
use crate::api::pathless::pathless;
use crate::payment::card::Run;
use crate::payment::fiscal::{Confirmation, ConfirmationState};
use crate::payment::money::{Money, Unit};
use crate::payment::reason::Reason;
use crate::payment::sale::{Approval, CancelledBy, Decline, DeclineKind, Doubt, Method, Payment, PaymentId, State};

/// What the provider's documents print as `status` of a sale that was paid.
const SUCCESSFULLY: &str = "successfully";

/// `data` of a sale on `/payment/click` and `/payment/payme`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SaleData<'a> {
    amount: Option<i64>,
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    payment_id: Option<&'a str>,
    inn: &'a str,
    qr_code: Option<&'a str>,
    kkm_id: &'a str,
    device_id: &'a str,
    status: &'static str,
    status_code: i64,
    message: &'a str,
    client_phone_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// What is told of a payment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) state: &'a State,
    pub(super) approval: Option<&'a Approval>,
    pub(super) run: Option<&'a Run>,
}

impl<'a> Told<'a> {
    /// The payment as it stands.
    pub(super) fn now(payment: &'a Payment) -> Self {
        Self { state: &payment.state, approval: payment.approval.as_ref(), run: payment.run.as_ref() }
    }

    /// The first final answer, which never changes; the payment as it stands while there is none.
    pub(super) fn first(payment: &'a Payment) -> Self {
        payment.answer.as_ref().map_or_else(
            || Self::now(payment),
            |first| Self { state: &first.state, approval: first.approval.as_ref(), run: first.run.as_ref() },
        )
    }
}

/// The answer of `/payment/click` and `/payment/payme`.
pub(super) fn sale(payment: &Payment, told: Told<'_>, unit: Unit) -> Written {
    match refusal_of(payment, told.state) {
        Some(refusal) => Written::refusal(&refusal),
        None => Written::success(sale_data(payment, told.approval, unit)),
    }
}

fn sale_data<'a>(payment: &'a Payment, approval: Option<&'a Approval>, unit: Unit) -> SaleData<'a> {
    let phone = approval.and_then(|a| a.phone.0.as_deref().or(a.phone_masked.as_deref()));
    SaleData {
        amount: count(payment.amount, unit),
        transaction_id: payment.id,
        payment_id: approval.and_then(|a| a.payment_id.as_deref()),
        inn: &payment.merchant.inn,
        qr_code: payment.code.as_deref(),
        kkm_id: &payment.merchant.kkm_id,
        device_id: &payment.merchant.device_id,
        status: SUCCESSFULLY,
        status_code: approval.and_then(|a| a.status_code).unwrap_or(0),
        message: approval.and_then(|a| a.message.as_deref()).unwrap_or("successfully payment"),
        client_phone_number: phone,
        warning: warning(payment),
    }
}

/// An amount counted in `unit`; `None` where the configured unit was changed to one that does not divide it, since nothing is rounded.
pub(super) fn count(money: Money, unit: Unit) -> Option<i64> {
    money.to_unit(unit).ok()
}

/// A word of warning that does not change what happened.
pub(super) fn warning(payment: &Payment) -> Option<String> {
    payment.warned_of.map(|other| {
        format!("Payment {other} of the same amount is in doubt: make sure that this customer has not paid twice.")
    })
}

/// Why a payment in that state is no success; `None` = it is paid.
pub(super) fn refusal_of(payment: &Payment, state: &State) -> Option<Refusal> {
    let plain = |row: Row, reason: &str| Refusal::because(row, reason);
    let refusal = match state {
        State::Paid => return None,
        State::Created | State::AwaitingPayer => plain(envelope::IN_PROGRESS, "the customer has not paid yet"),
        State::BankProcessing => plain(envelope::IN_PROGRESS, "the bank is at work"),
        State::Refunded => plain(envelope::REFUNDED, "all of the money was given back"),
        State::Cancelled { by } => plain(envelope::CANCELLED, cancelled(*by)),
        State::Expired => plain(envelope::EXPIRED, "nobody paid in time"),
        State::Declined(decline) => declined(payment.method, decline),
        State::InDoubt { why } => in_doubt(payment.method, why),
    };
    Some(refusal.about(payment.id).in_state(state.name()))
}

fn cancelled(by: CancelledBy) -> &'static str {
    match by {
        CancelledBy::Till => "the till called it off",
        CancelledBy::TillGone => "the till hung up before anything was sent",
        CancelledBy::Restart => "the terminal was restarted before anything was sent",
        CancelledBy::Operator => "an operator called it off",
        CancelledBy::Provider => "the provider called it off",
        CancelledBy::Limit => "nobody accepted it in time",
        CancelledBy::TooMany => "too many were created and not accepted",
    }
}

/// A provider's own code and words are passed on; where it has none, the table's stand in.
fn declined(method: Method, decline: &Decline) -> Refusal {
    let refused = if method == Method::Humo { envelope::XUMO_ERROR } else { envelope::PAYMENT_ERROR };
    let row = match decline.why {
        DeclineKind::Refused | DeclineKind::CancelledAtPinpad => refused,
        DeclineKind::Misconfigured => envelope::BILLING_ERROR,
        DeclineKind::NotSent => envelope::NOT_SENT,
        DeclineKind::Absent => envelope::ABSENT,
    };
    // A card's refusal is a bare number until it is put into words; the other providers bring their own.
    let reason = match method {
        Method::Humo => Some(Reason::told(method, decline)),
        _ => decline.message.clone(),
    };
    let detail = Detail {
        reason: reason.as_deref().map(pathless),
        advice: row.advice.into(),
        why: Some(decline.why.name()),
        response_code: decline.code.clone(),
        ..Detail::default()
    };
    let refusal = Refusal::bare(row).with(detail);
    // The PinPad's codes are not of this table: 401 is a card read error there and a product code here.
    if method == Method::Humo || matches!(decline.why, DeclineKind::NotSent | DeclineKind::Absent) {
        return refusal;
    }
    refusal.spelled(decline.code.as_deref().and_then(|code| code.parse().ok()), decline.message.clone())
}

/// Code 900 with exactly `{transaction_id, state, advice}`.
fn in_doubt(method: Method, why: &Doubt) -> Refusal {
    let (why, check): (Cow<'_, str>, &str) = match why {
        Doubt::Answer { text } => (text.into(), "Look the sale up at the provider"),
        Doubt::Restart => ("the terminal was restarted while the bank was at work".into(), "The terminal is asking"),
        Doubt::PinpadLost { text } => (format!("the PinPad was lost: {text}").into(), "The terminal is asking it"),
        Doubt::NoResult => ("the PinPad gave no result".into(), "The terminal is asking it"),
        Doubt::AmountDiffers { on_slip_minor } => {
            (format!("the slip shows {on_slip_minor} tiyin").into(), "Compare the slip with the sale")
        }
        Doubt::Contradiction { text } => (text.into(), "Compare the slip with the sale"),
    };
    let check = if method == Method::Humo { check } else { "Look the sale up at the provider" };
    let why = pathless(&why);
    let advice = format!("Nobody knows yet whether the money moved ({why}). {check}. {}", envelope::IN_DOUBT.advice);
    Refusal::bare(envelope::IN_DOUBT).with(Detail { advice: advice.into(), ..Detail::default() })
}

/// `data` of `GET /payment/{transaction_id}` and of `POST /payment/cancel`: the payment as it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusData<'a> {
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    state: &'static str,
    method: &'static str,
    amount: Option<i64>,
    amount_tiyin: i64,
    currency: &'static str,
    payment_id: Option<&'a str>,
    order_id: Option<&'a str>,
    qr_code: Option<&'a str>,
    inn: &'a str,
    kkm_id: &'a str,
    device_id: &'a str,
    late: bool,
    fiscal: &'static str,
    refunded_tiyin: i64,
    refunds: Vec<RefundData>,
    created_ms: i64,
    updated_ms: i64,
    /// The slip of a card sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RefundData {
    refund_id: String,
    state: &'static str,
    amount_tiyin: i64,
}

/// Where a payment stands. `data` is always there; `is_success` says *paid* and nothing else, so that a till that looks at nothing
/// but `is_success` can never take an open or refused sale for a paid one.
pub(super) fn status(payment: &Payment, unit: Unit) -> Written {
    let refusal = refusal_of(payment, &payment.state);
    standing(payment, unit, refusal.as_ref())
}

/// The answer to a cancel: success means *cancelled*.
pub(super) fn cancel(payment: &Payment, unit: Unit) -> Written {
    let refusal = match &payment.state {
        State::Cancelled { .. } => None,
        State::Paid => Some(
            Refusal::because(envelope::WRONG_STATE, "the payment was paid before it could be cancelled")
                .about(payment.id)
                .in_state(payment.state.name()),
        ),
        state => refusal_of(payment, state),
    };
    standing(payment, unit, refusal.as_ref())
}

fn standing(payment: &Payment, unit: Unit, error: Option<&Refusal>) -> Written {
    let data = StatusData {
        transaction_id: payment.id,
        state: payment.state.name(),
        method: payment.method.name(),
        amount: count(payment.amount, unit),
        amount_tiyin: payment.amount.minor(),
        currency: payment.amount.currency().code(),
        payment_id: payment.approval.as_ref().and_then(|a| a.payment_id.as_deref()),
        order_id: payment.order_id.as_deref(),
        qr_code: payment.code.as_deref(),
        inn: &payment.merchant.inn,
        kkm_id: &payment.merchant.kkm_id,
        device_id: &payment.merchant.device_id,
        late: payment.late,
        fiscal: payment.fiscal.name(),
        refunded_tiyin: payment.refunded_minor(),
        refunds: payment.refunds.iter().map(refund_data).collect(),
        created_ms: payment.created_ms,
        updated_ms: payment.updated_ms,
        // Of a card that was turned down before a code paid, no slip is the answer.
        message: payment.run.as_ref().filter(|_| payment.method == Method::Humo).map(super::xumo::slip_text),
        warning: warning(payment),
    };
    let status = error.map_or(200, |refusal| refusal.status);
    Written::of(status, &Envelope { data: Some(data), error, is_success: error.is_none() })
}

fn refund_data(refund: &crate::payment::sale::Refund) -> RefundData {
    RefundData { refund_id: refund.id.to_string(), state: refund.state.name(), amount_tiyin: refund.amount.minor() }
}

/// `data` of `/payment/click_confirm` (seed 001).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClickConfirmData<'a> {
    inn: &'a str,
    payment_id: Option<&'a str>,
    qr_code: &'a str,
    status: &'static str,
    #[schema(value_type = Option<Object>)]
    error: Option<()>,
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
}

/// `data` of `/payment/payme_confirm` (seed 001), in our words while the provider's own answer is not known, and that answer from then on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymeConfirmData<'a> {
    id: Option<i64>,
    #[schema(required = false)]
    result: PaymeResult<'a>,
    #[schema(value_type = Option<Object>)]
    error: Option<()>,
    /// `queued` or `held`; not in the provider's own answer.
    #[schema(required = false)]
    status: &'static str,
    /// The payment's name here; not in the provider's own answer.
    #[schema(value_type = String, format = "uuid", required = false)]
    transaction_id: PaymentId,
}

#[derive(Debug, Serialize, ToSchema)]
struct PaymeResult<'a> {
    #[schema(required = false)]
    receipt: PaymeReceipt<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PaymeReceipt<'a> {
    #[serde(rename = "_id")]
    id: Option<&'a str>,
}

/// The answer to a confirm, never `successfully` before the provider said so.
pub(super) fn confirm(payment: &Payment, number: u32) -> Written {
    let Some(confirmation) = payment.confirmations.iter().find(|c| c.number == number) else {
        return Written::refusal(&Refusal::because(envelope::NOT_FOUND, format!("receipt {number} of {}", payment.id)));
    };
    let status = match confirmation.state {
        ConfirmationState::Queued => "queued",
        ConfirmationState::Held => "held",
        ConfirmationState::Confirmed => SUCCESSFULLY,
        ConfirmationState::Parked | ConfirmationState::Withdrawn => {
            return Written::refusal(&parked(payment, confirmation));
        }
    };
    if let Some(answer) = confirmation.providers_answer()
        && let Ok(answer) = serde_json::from_str::<&RawValue>(answer)
        && payment.method == Method::Payme
    {
        return Written::success(answer);
    }
    let payment_id = payment.approval.as_ref().and_then(|a| a.payment_id.as_deref());
    if payment.method == Method::Payme {
        let result = PaymeResult { receipt: PaymeReceipt { id: payment_id } };
        return Written::success(PaymeConfirmData {
            id: None,
            result,
            error: None,
            status,
            transaction_id: payment.id,
        });
    }
    Written::success(ClickConfirmData {
        inn: &payment.merchant.inn,
        payment_id,
        qr_code: confirmation.receipt.link().map_or("", |receipt| receipt.link.as_str()),
        status,
        error: None,
        transaction_id: payment.id,
    })
}

fn parked(payment: &Payment, confirmation: &Confirmation) -> Refusal {
    let reason = confirmation.last_error.as_deref().unwrap_or("the provider did not take it");
    Refusal::because(envelope::RECEIPT_PARKED, reason).about(payment.id).in_state(confirmation.state.name())
}
