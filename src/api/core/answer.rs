//! What a till is told of a payment, in the words of seed 003 and with what it needs beside them. Pure functions of the payment.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::Room;
use crate::api::sbp::refund_warnings;
use crate::api::trouble::Trouble;
use crate::clock;
use crate::payment::money::Money;
use crate::payment::sale::{Payment, PaymentId, Refund, RefundId, RefundState, State};

/// An amount as a JSON number with two decimal places, written from whole minor units.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = f64, example = 12_500.0_f64)]
pub(super) struct Decimal(Box<RawValue>);

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        // A decimal is a JSON number by its making.
        Self(RawValue::from_string(money.decimal()).unwrap_or_default())
    }
}

/// `POST /api/v1/payment/create`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Created {
    /// The payment's name here.
    #[schema(value_type = String, format = "uuid")]
    pub(super) transaction_id: PaymentId,
}

/// `GET /api/v1/payment/{id}/retrieve/status`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// Where the payment stands.
    #[schema(value_type = PaymentStatus)]
    pub(super) payment_status: &'static str,
}

/// Where a payment stands. `paid`, `refunded`, `declined`, `cancelled` and `expired` are final, though money that comes late makes a payment that
/// ended without it `paid`, and a refund makes a paid one `refunded`.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its names are read, by the description of this surface")]
pub(super) enum PaymentStatus {
    /// Known, not accepted.
    Created,
    /// The terminal waits for a card, for a code, or for its own code to be paid.
    AwaitingPayer,
    /// The bank is at work.
    BankProcessing,
    /// The money moved.
    Paid,
    /// All of it was given back.
    Refunded,
    /// No money moved; `error` says why.
    Declined,
    /// Called off before the bank was at work.
    Cancelled,
    /// Nobody paid in time.
    Expired,
    /// Nobody knows yet whether the money moved: do not take it again, ask again.
    InDoubt,
}

/// A request that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// The payment's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// Where the payment stands after it.
    #[schema(value_type = PaymentStatus)]
    payment_status: &'static str,
    /// What the customer pays by, once QRManager has made it and while the payment awaits its payer (SBP).
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_link: Option<String>,
    /// Another payment of the same amount that was in doubt when this one was accepted: make sure that this customer has not paid twice.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    warned_of: Option<PaymentId>,
    /// Why it is not paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Trouble>,
}

/// An edit's answer is the same for ever.
pub(super) fn edited(id: PaymentId) -> Taken {
    Taken { transaction_id: id, payment_status: State::Created.name(), qr_link: None, warned_of: None, error: None }
}

/// A cancel's answer is the same for as long as that is true: a till that repeats it after money has come all the same must not sell again.
pub(super) fn cancelled(payment: &Payment) -> Taken {
    let state = payment.answer.as_ref().map_or(&payment.state, |first| &first.state);
    Taken { transaction_id: payment.id, payment_status: state.name(), qr_link: None, warned_of: None, error: None }
}

/// The payment as it stands; once it has ended, as it ended, so that a repeat hears the same for ever. Money that came after a "no" is its end.
pub(super) fn accepted(api: &Room, payment: &Payment) -> Taken {
    let state = payment.answer.as_ref().map_or(&payment.state, |first| &first.state);
    Taken {
        transaction_id: payment.id,
        payment_status: state.name(),
        qr_link: qr_link(api, payment),
        warned_of: payment.warned_of,
        error: Trouble::of(payment.method, state),
    }
}

/// The code's link as tills get it, while it may be paid.
fn qr_link(api: &Room, payment: &Payment) -> Option<String> {
    let sbp = payment.sbp.as_ref().filter(|_| payment.state == State::AwaitingPayer)?;
    let link = api.settings.sbp_link(&sbp.ask.profile);
    sbp.code.as_ref().map(|code| link(&code.link))
}

/// `GET /api/v1/payment/{id}/retrieve`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retrieved<'a> {
    /// The payment as it stands.
    pub(super) payment: PaymentAnswer<'a>,
}

/// One side of a payment.
#[derive(Debug, Serialize, ToSchema)]
struct Side<'a> {
    /// The till's own reference; empty where it named nobody.
    user_id: &'a str,
    /// The sender's: who moves the money, empty while the customer has not chosen. The recipcient's: as the till wrote it.
    #[schema(example = "click")]
    method_id: &'a str,
}

/// A payment as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PaymentAnswer<'a> {
    /// Who pays.
    sender: Side<'a>,
    /// Who is paid; the spelling is seed 003's.
    recipcient: Side<'a>,
    /// ISO 4217.
    #[schema(example = "UZS")]
    currency: &'static str,
    /// In the currency's major unit, two decimal places.
    #[schema(value_type = f64, example = 12_500.0_f64)]
    amount: Decimal,
    /// Where it stands.
    #[schema(value_type = PaymentStatus)]
    status: &'static str,
    /// Its name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// The till's own number for the order.
    order_id: Option<&'a str>,
    /// When it was created, RFC 3339.
    #[schema(format = "date-time")]
    created_at: String,
    /// When it last changed, RFC 3339.
    #[schema(format = "date-time")]
    updated_at: String,
    /// The money came after it had ended otherwise: keep it or give it back.
    late: bool,
    /// The provider's own id of the sale; of a card the RRN.
    provider_payment_id: Option<&'a str>,
    /// The fiscal receipt: `none`, `not_required`, `owed`, `queued`, `confirmed` or `parked`.
    #[schema(example = "owed")]
    receipt: &'static str,
    /// What was given back, or may be on its way back.
    #[schema(value_type = f64, example = 0.0_f64)]
    refunded_amount: Decimal,
    /// What the customer pays by, while an SBP payment awaits its payer.
    qr_link: Option<String>,
    /// `qr_link` may be shown as payable; false while nobody here knows whether it still is.
    payable: bool,
    /// Another payment of the same amount that was in doubt when this one began: make sure that this customer has not paid twice.
    #[schema(value_type = Option<String>, format = "uuid")]
    warned_of: Option<PaymentId>,
    /// Why it is not paid; `null` while all goes well.
    error: Option<Trouble>,
}

/// The payment as it stands.
pub(in crate::api) fn payment<'a>(api: &Room, payment: &'a Payment) -> PaymentAnswer<'a> {
    let parties = payment.parties.as_deref();
    let undecided = payment.auto && payment.approval.is_none() && payment.code.is_none();
    let method = payment.method.name();
    let qr_link = qr_link(api, payment);
    let is_fresh = !api.driver.snapshot().stale_codes.contains(&payment.id);
    PaymentAnswer {
        sender: Side { user_id: parties.map_or("", |p| &p.sender_id), method_id: if undecided { "" } else { method } },
        recipcient: Side {
            user_id: parties.map_or("", |p| &p.recipient_id),
            method_id: parties.map_or(method, |p| &p.method_id),
        },
        currency: payment.amount.currency().code(),
        amount: payment.amount.into(),
        status: payment.state.name(),
        transaction_id: payment.id,
        order_id: payment.order_id.as_deref(),
        created_at: clock::timestamp(payment.created_ms).to_string(),
        updated_at: clock::timestamp(payment.updated_ms).to_string(),
        late: payment.late,
        provider_payment_id: payment.approval.as_ref().and_then(|a| a.payment_id.as_deref()),
        receipt: payment.fiscal.name(),
        refunded_amount: Money::from_minor(payment.refunded_minor(), payment.amount.currency()).into(),
        payable: qr_link.is_some() && is_fresh,
        qr_link,
        warned_of: payment.warned_of,
        error: Trouble::of(payment.method, &payment.state),
    }
}

/// A refund or void as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentRefund {
    /// The payment's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// The refund's name here.
    #[schema(value_type = String, format = "uuid")]
    refund_id: RefundId,
    /// `requested`, `processing`, `done`, `refused` or `in_doubt`. Only `done` means that the money went back.
    #[schema(example = "done")]
    status: &'static str,
    /// What is given back.
    #[schema(value_type = f64, example = 12_500.0_f64)]
    amount: Decimal,
    /// ISO 4217.
    #[schema(example = "UZS")]
    currency: &'static str,
    /// When the till asked, RFC 3339.
    #[schema(format = "date-time")]
    created_at: String,
    /// What somebody should know and may have to do.
    warnings: Vec<String>,
    /// Why it is not done; `null` while all goes well.
    error: Option<Trouble>,
}

/// A refund as it stands.
pub(super) fn refund(payment: &Payment, refund: &Refund) -> PaymentRefund {
    PaymentRefund {
        transaction_id: payment.id,
        refund_id: refund.id,
        status: refund.state.name(),
        amount: refund.amount.into(),
        currency: refund.amount.currency().code(),
        created_at: clock::timestamp(refund.created_ms).to_string(),
        warnings: refund_warnings(payment),
        error: match &refund.state {
            RefundState::Requested | RefundState::Processing | RefundState::Done => None,
            RefundState::Refused(decline) => Some(Trouble::declined(payment.method, decline)),
            RefundState::InDoubt { why } => Some(Trouble::in_doubt(payment.method, why)),
        },
    }
}

/// Every refund of a payment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentRefunds {
    /// Oldest first, the refused ones too.
    refunds: Vec<PaymentRefund>,
}

/// Every refund of a payment.
pub(super) fn refunds(payment: &Payment) -> PaymentRefunds {
    PaymentRefunds { refunds: payment.refunds.iter().map(|r| refund(payment, r)).collect() }
}
