//! `/payment/xumo` and `/payment/xumo_close`: seed 001's `isSuccess` and `message` (the slip), and beside them the envelope of the
//! other endpoints with the slip taken apart.

use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Told, count, refusal_of, warning};
use crate::api::envelope::{self, Detail, Refusal, Written};
use crate::payment::card::{Run, Settlement, SettlementState, Slip};
use crate::payment::money::{Currency, Money, Unit};
use crate::payment::reason::Reason;
use crate::payment::sale::{Decline, DeclineKind, Doubt, Method, Payment, Refund, RefundState};

/// The answer of both endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct XumoAnswer<'a, D> {
    #[serde(rename = "isSuccess")]
    is_success_as_in_the_seed: bool,
    message: &'a str,
    data: Option<D>,
    error: Option<&'a Refusal>,
    is_success: bool,
}

/// `data` of a sale, a void or a refund.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CardData<'a> {
    message: &'a str,
    ppt_id: Option<&'a str>,
    amount: Option<i64>,
    surcharge: Option<i64>,
    total: Option<i64>,
    rrn: Option<&'a str>,
    auth_code: Option<&'a str>,
    response_code: Option<&'a str>,
    card: Option<&'a str>,
    terminal_id: Option<&'a str>,
    merchant_id: Option<&'a str>,
    shift: Option<&'a str>,
    receipt_number: Option<&'a str>,
    time: Option<String>,
    operation: Option<&'a str>,
    transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// `data` of a settlement.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CloseData<'a> {
    message: &'a str,
    ppt_id: Option<&'a str>,
}

/// In place of the slip of a shift that is known to be closed by other evidence.
const CLOSED_UNSEEN: &str =
    "The shift is closed. Its slip was not received: print the totals of the last shift at the PinPad.";

/// The slip as printed; after a restart only its masked form is left.
pub(super) fn slip_text(run: &Run) -> &str {
    run.slip_printed.0.as_deref().unwrap_or(&run.slip_text)
}

/// The answer to a card sale.
pub(super) fn sale(payment: &Payment, told: Told<'_>, unit: Unit) -> Written {
    let run = told.run;
    if let Some(refusal) = refusal_of(payment, told.state) {
        return refused(run, &refusal);
    }
    let rrn = told.approval.and_then(|a| a.payment_id.as_deref());
    let mut data = card_data(run, payment, payment.amount, unit);
    data.ppt_id = data.ppt_id.or(rrn);
    data.rrn = data.rrn.or(rrn);
    data.warning = warning(payment);
    paid(run, data)
}

/// The answer to a void or refund.
pub(super) fn give_back(payment: &Payment, refund: &Refund, unit: Unit) -> Written {
    let run = refund.run.as_ref();
    let refusal = match &refund.state {
        RefundState::Done => {
            let mut data = card_data(run, payment, refund.amount, unit);
            data.refund_id = Some(refund.id.to_string());
            return paid(run, data);
        }
        RefundState::Requested | RefundState::Processing => {
            Refusal::because(envelope::IN_PROGRESS, "the PinPad is at work")
        }
        RefundState::Refused(decline) => give_back_refused(decline),
        RefundState::InDoubt { why } => doubted("back", why),
    };
    refused(run, &refusal.about(payment.id).in_state(refund.state.name()))
}

fn give_back_refused(decline: &Decline) -> Refusal {
    let row = match decline.why {
        DeclineKind::NotSent => envelope::NOT_SENT,
        DeclineKind::Absent => envelope::ABSENT,
        DeclineKind::Misconfigured => envelope::BILLING_ERROR,
        DeclineKind::Refused | DeclineKind::CancelledAtPinpad => envelope::XUMO_ERROR,
    };
    Refusal::bare(row).with(Detail {
        reason: Some(Reason::told(Method::Humo, decline)),
        advice: "No money went back. Correct what the reason names, then send the request again.".into(),
        why: Some(decline.why.name()),
        response_code: decline.code.clone(),
        ..Detail::default()
    })
}

/// The answer to a settlement.
pub(super) fn close(settlement: &Settlement) -> Written {
    let run = Some(&settlement.run);
    let refusal = match &settlement.state {
        SettlementState::Done => return closed(&settlement.run),
        SettlementState::Processing => Refusal::because(envelope::IN_PROGRESS, "the PinPad is closing the shift"),
        SettlementState::Refused { code, message } => Refusal::bare(envelope::XUMO_ERROR).with(Detail {
            reason: message.clone().or_else(|| Some("the PinPad refused to close the shift".to_owned())),
            advice: "The shift is still open. Correct what the reason names, then close it again.".into(),
            response_code: code.clone(),
            ..Detail::default()
        }),
        SettlementState::InDoubt { why } => doubted("to the bank", why),
    };
    refused(run, &refusal.in_state(settlement.state.name()))
}

/// The slip; where it was lost with the line, what is known instead.
fn closed(run: &Run) -> Written {
    let slip = slip_text(run);
    let message = if slip.trim().is_empty() { CLOSED_UNSEEN } else { slip };
    let data = Some(CloseData { message, ppt_id: None });
    Written::of(200, &XumoAnswer { is_success_as_in_the_seed: true, message, data, error: None, is_success: true })
}

fn doubted(whither: &str, why: &Doubt) -> Refusal {
    let why = match why {
        Doubt::Answer { text } | Doubt::PinpadLost { text } | Doubt::Contradiction { text } => text.clone(),
        Doubt::Restart => "the terminal was restarted while the PinPad was at work".to_owned(),
        Doubt::NoResult => "the PinPad gave no result".to_owned(),
        Doubt::AmountDiffers { on_slip_minor } => format!("the slip shows {on_slip_minor} tiyin"),
    };
    let advice = format!(
        "Nobody knows yet whether the money went {whither} ({why}). The terminal is asking the PinPad: do not ask for it again."
    );
    Refusal::bare(envelope::IN_DOUBT).with(Detail { advice: advice.into(), ..Detail::default() })
}

fn paid(run: Option<&Run>, data: impl Serialize) -> Written {
    let message = run.map(slip_text).unwrap_or_default();
    let answer =
        XumoAnswer { is_success_as_in_the_seed: true, message, data: Some(data), error: None, is_success: true };
    Written::of(200, &answer)
}

/// A refusal on these endpoints. `message` is the slip where the PinPad printed one, since it has to be given to the customer.
pub(super) fn refused(run: Option<&Run>, refusal: &Refusal) -> Written {
    let slip = run.map(slip_text).filter(|slip| !slip.is_empty());
    let message = slip.unwrap_or_else(|| refusal.message());
    let answer = XumoAnswer::<()> {
        is_success_as_in_the_seed: false,
        message,
        data: None,
        error: Some(refusal),
        is_success: false,
    };
    Written::of(refusal.status, &answer)
}

fn card_data<'a>(run: Option<&'a Run>, payment: &Payment, amount: Money, unit: Unit) -> CardData<'a> {
    let slip = run.map(|run| &run.slip);
    let text = |of: fn(&Slip) -> &Option<String>| slip.and_then(|slip| of(slip).as_deref());
    let in_unit = |minor: Option<u64>| {
        let minor = i64::try_from(minor?).ok()?;
        count(Money::from_minor(minor, Currency::Uzs), unit)
    };
    let words: Vec<&str> = text(|s| &s.date).into_iter().chain(text(|s| &s.time)).collect();
    CardData {
        message: run.map(slip_text).unwrap_or_default(),
        ppt_id: text(|s| &s.rrn),
        amount: in_unit(slip.and_then(|s| s.amount_minor)).or_else(|| count(amount, unit)),
        surcharge: in_unit(slip.and_then(|s| s.surcharge_minor)),
        total: in_unit(slip.and_then(|s| s.total_minor)),
        rrn: text(|s| &s.rrn),
        auth_code: text(|s| &s.authorisation_code),
        response_code: text(|s| &s.response_code),
        card: text(|s| &s.card_masked),
        terminal_id: text(|s| &s.terminal_id),
        merchant_id: text(|s| &s.merchant_id),
        shift: text(|s| &s.shift),
        receipt_number: text(|s| &s.receipt_number),
        time: (!words.is_empty()).then(|| words.join(" ")),
        operation: text(|s| &s.operation),
        transaction_id: payment.id.to_string(),
        refund_id: None,
        warning: None,
    }
}
