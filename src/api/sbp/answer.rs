//! What a till is told of an SBP sale, its receipt and its refunds. Pure functions of the payment as it stands: a repeated request hears
//! the present, not the past.

mod shop;

pub(super) use shop::{LinkAnswer, LoyalAnswer, ProductsAnswer, link, loyal, products};

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::pathless::pathless;
use crate::api::trouble::Trouble;
use crate::payment::fiscal::{Confirmation, ConfirmationState, Fiscal};
use crate::payment::sale::{Method, Payment, PaymentId, Refund, RefundId, RefundState, State};
use crate::payment::sbp::{QrStatus, Sbp};

/// An SBP sale as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SaleAnswer<'a> {
    /// The sale's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// `created`, `awaiting_payer`, `bank_processing`, `paid`, `refunded`, `declined`, `cancelled`, `expired` or `in_doubt`.
    #[schema(example = "awaiting_payer")]
    payment_status: &'static str,
    /// What the customer pays, kopecks.
    amount: i64,
    /// The amount's currency.
    #[schema(example = "RUB")]
    currency: &'static str,
    /// The QR terminal.
    profile: &'a str,
    /// The order's number at QRManager, and on its receipt.
    #[schema(example = "4316-4040-0201-6359")]
    number: Option<&'a str>,
    /// The operation's name at QRManager.
    operation_id: Option<&'a str>,
    /// What the customer pays by: there while the sale awaits its payer, and at no other time.
    qr_link: Option<String>,
    /// The link may be shown as payable. False while nobody here knows whether it still is: then stop showing it, and ask again.
    payable: bool,
    /// QRManager has not said yet how the code ended: money may still come, also after a cancel.
    watched: bool,
    /// The last attempt to pay failed; the customer may try again with the same code.
    attempt_failed: bool,
    /// It is paid at the profile's cash link.
    cash_link: bool,
    /// The money came after the sale had ended otherwise: keep it or give it back.
    late: bool,
    /// The till's own number for the order.
    order_id: Option<&'a str>,
    /// The receipt: `none`, `not_required`, `owed`, `queued`, `confirmed` or `parked`.
    #[schema(example = "none")]
    receipt: &'static str,
    /// Kopecks that were given back, or may be on their way back.
    refunded_amount: i64,
    /// When the till asked, milliseconds since 1970.
    created_ms: i64,
    /// When it last changed, milliseconds since 1970.
    updated_ms: i64,
    /// What somebody should know and may have to do.
    warnings: Vec<String>,
    /// Why it is not paid; `null` while all goes well.
    error: Option<Trouble>,
}

/// The sale as it stands. `link` is how this profile's links are handed to tills; `is_fresh` says that the code may be shown as payable.
pub(super) fn sale<'a>(payment: &'a Payment, sbp: &'a Sbp, link: fn(&str) -> String, is_fresh: bool) -> SaleAnswer<'a> {
    let code = sbp.code.as_ref();
    let shown = code.filter(|_| payment.state == State::AwaitingPayer);
    SaleAnswer {
        transaction_id: payment.id,
        payment_status: payment.state.name(),
        amount: payment.amount.minor(),
        currency: payment.amount.currency().code(),
        profile: &sbp.ask.profile,
        number: code.map(|code| code.number.as_str()),
        operation_id: code.map(|code| code.operation_id.as_str()),
        qr_link: shown.map(|code| link(&code.link)),
        payable: shown.is_some() && is_fresh,
        watched: sbp.is_watched(),
        attempt_failed: shown.is_some() && sbp.told == Some(QrStatus::AttemptFailed),
        cash_link: sbp.ask.cash_link,
        late: payment.late,
        order_id: payment.order_id.as_deref(),
        receipt: payment.fiscal.name(),
        refunded_amount: payment.refunded_minor(),
        created_ms: payment.created_ms,
        updated_ms: payment.updated_ms,
        warnings: warnings(payment, sbp),
        error: Trouble::of(payment.method, &payment.state),
    }
}

fn warnings(payment: &Payment, sbp: &Sbp) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(other) = payment.warned_of {
        said.push(format!(
            "Payment {other} of the same amount is in doubt: make sure that this customer has not paid twice."
        ));
    }
    // Seed 004 §2.1: then the details of the order reach the payer by e-mail alone.
    if sbp.ask.own_purpose && payment.confirmations.is_empty() {
        said.push(if sbp.receipts.is_some() {
            "The purpose takes the place of QRManager's link to the order: POST the receipt with the payer's e-mail."
                .to_owned()
        } else {
            "The purpose takes the place of QRManager's link to the order, and this QR terminal registers no receipts: \
             give the payer a printed one."
                .to_owned()
        });
    }
    let lines = &sbp.ask.nomenclature;
    let sum: i64 = lines.iter().map(|line| i64::from(line.count).saturating_mul(line.price.minor())).sum();
    if !lines.is_empty() && sum != payment.amount.minor() {
        let amount = payment.amount.minor();
        said.push(format!("The lines of nomenclature add up to {sum} kopecks, and the amount is {amount}."));
    }
    if payment.late && payment.state == State::Paid {
        said.push("The money came after the sale had ended: hand the goods over, or give it back.".to_owned());
    }
    said
}

/// One refund.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefundAnswer<'a> {
    /// The refund's name here.
    #[schema(value_type = String, format = "uuid")]
    refund_id: RefundId,
    /// `requested`, `processing`, `done`, `refused` or `in_doubt`. Only `done` means that the money went back.
    #[schema(example = "processing")]
    state: &'static str,
    /// What is given back, kopecks.
    amount: i64,
    /// The amount's currency.
    #[schema(example = "RUB")]
    currency: &'static str,
    /// QRManager's own name of it, once it took it.
    refund_request_id: Option<&'a str>,
    /// When the till asked, milliseconds since 1970.
    created_ms: i64,
    /// Why it is not done; `null` while all goes well.
    error: Option<Trouble>,
}

fn refund(refund: &Refund) -> RefundAnswer<'_> {
    RefundAnswer {
        refund_id: refund.id,
        state: refund.state.name(),
        amount: refund.amount.minor(),
        currency: refund.amount.currency().code(),
        refund_request_id: refund.upstream_id.as_deref(),
        created_ms: refund.created_ms,
        error: match &refund.state {
            RefundState::Requested | RefundState::Processing | RefundState::Done => None,
            RefundState::Refused(decline) => Some(Trouble::declined(Method::Sbp, decline)),
            RefundState::InDoubt { why } => Some(Trouble::in_doubt(Method::Sbp, why)),
        },
    }
}

/// The refunds of a sale, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefundsAnswer<'a> {
    /// The sale's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// Where the sale stands.
    #[schema(example = "paid")]
    payment_status: &'static str,
    /// What was paid, kopecks.
    amount: i64,
    /// The amounts' currency.
    #[schema(example = "RUB")]
    currency: &'static str,
    /// Kopecks that were given back, or may be on their way back.
    refunded_amount: i64,
    /// All of them, the refused ones too.
    refunds: Vec<RefundAnswer<'a>>,
    /// What somebody should know and may have to do.
    warnings: Vec<String>,
}

/// Every refund of a sale.
pub(super) fn refunds(payment: &Payment) -> RefundsAnswer<'_> {
    RefundsAnswer {
        transaction_id: payment.id,
        payment_status: payment.state.name(),
        amount: payment.amount.minor(),
        currency: payment.amount.currency().code(),
        refunded_amount: payment.refunded_minor(),
        refunds: payment.refunds.iter().map(refund).collect(),
        warnings: refund_warnings(payment),
    }
}

/// One refund, within its sale.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefundTold<'a> {
    /// The sale's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// Where the sale stands.
    #[schema(example = "paid")]
    payment_status: &'static str,
    #[serde(flatten)]
    refund: RefundAnswer<'a>,
    /// What somebody should know and may have to do.
    warnings: Vec<String>,
}

/// The refund of that name.
pub(super) fn one_refund(payment: &Payment, id: RefundId) -> Option<RefundTold<'_>> {
    Some(RefundTold {
        transaction_id: payment.id,
        payment_status: payment.state.name(),
        refund: refund(payment.refund(id)?),
        warnings: refund_warnings(payment),
    })
}

/// Seed 004 registers receipts of sales and knows none for a refund.
pub(in crate::api) fn refund_warnings(payment: &Payment) -> Vec<String> {
    let has_receipt = matches!(payment.fiscal, Fiscal::Queued | Fiscal::Confirmed);
    let gives_back = payment.refunds.iter().any(|r| r.state.holds_money());
    let said = "QRManager registers no receipt for a refund: make the return's receipt in the OFD's cabinet.";
    if has_receipt && gives_back { vec![said.to_owned()] } else { Vec::new() }
}

/// The receipt of a sale as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReceiptAnswer<'a> {
    /// The sale's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// `none`, `not_required`, `owed`, `held` (the sale is in doubt), `queued`, `confirmed`, `parked` or `withdrawn`.
    #[schema(example = "queued")]
    state: &'static str,
    /// Whose document is taken: `atol` or `ofd_ru`; `null` where the QR terminal registers no receipts.
    ofd: Option<&'static str>,
    /// The order's number: `external_id` of ATOL's document, `InvoiceId` of OFD.ru's.
    number: Option<&'a str>,
    /// Which document of this sale it is: a corrected one has the next number.
    document: Option<u32>,
    /// Deliveries tried.
    attempts: u32,
    /// The OFD has it and is at work.
    registered: bool,
    /// What the OFD answered when it confirmed; its link to the receipt is in it.
    #[schema(value_type = Option<Object>)]
    answer: Option<serde_json::Value>,
    /// Why the last delivery failed, or what it waits for.
    last_error: Option<String>,
    /// What somebody should know and may have to do.
    warnings: Vec<String>,
    /// Why a person has to look; `null` otherwise.
    error: Option<Trouble>,
}

/// The receipt that counts: the last document that was brought. `warnings` are those of the document that has just come.
pub(super) fn receipt<'a>(payment: &'a Payment, sbp: &'a Sbp, warnings: Vec<String>) -> ReceiptAnswer<'a> {
    let last = payment.confirmation();
    ReceiptAnswer {
        transaction_id: payment.id,
        state: last.map_or(payment.fiscal.name(), |c| c.state.name()),
        ofd: sbp.receipts.map(|ofd| ofd.name()),
        number: sbp.code.as_ref().map(|code| code.number.as_str()),
        document: last.map(|c| c.number),
        attempts: last.map_or(0, |c| c.attempts),
        registered: last.is_some_and(|c| c.registered_ms.is_some()),
        answer: last.and_then(ofd_answer),
        last_error: last.and_then(|c| c.last_error.as_deref()).map(pathless),
        warnings,
        error: last.filter(|c| c.state == ConfirmationState::Parked).map(Trouble::parked),
    }
}

fn ofd_answer(confirmation: &Confirmation) -> Option<serde_json::Value> {
    let text = confirmation.providers_answer()?;
    Some(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}
