//! Payments, receipts and settlements as rows, with what a technician is told about them.

use super::words::{
    CardRow, DeviceRow, PartiesRow, PaymentDetail, PaymentRow, QueueRow, ReceiptRow, RefundRow, ResolutionRow,
    SettlementRow, WishRow,
};
use crate::payment::card::{Run, Settlement, SettlementState};
use crate::payment::fiscal::{Confirmation, Fiscal};
use crate::payment::order::{Wish, Wished};
use crate::payment::sale::{CancelledBy, Decline, Doubt, Method, Payment, Refund, RefundKind, RefundState, State};
use crate::payment::{Currency, Money};
use crate::snapshot::Presence;

/// So many digits of a name stand in a command that a person copies.
const SHORT_DIGITS: usize = 8;

pub(super) fn payment(p: &Payment) -> PaymentRow {
    let doubted = p.refunds.iter().find(|r| matches!(r.state, RefundState::InDoubt { .. }));
    PaymentRow {
        transaction_id: p.id,
        method: p.method.name().to_owned(),
        auto: p.auto,
        undecided: p.is_undecided(),
        state: p.state.name().to_owned(),
        fiscal: p.fiscal.name().to_owned(),
        amount_minor: p.amount.minor(),
        currency: p.amount.currency().code().to_owned(),
        created_ms: p.created_ms,
        begun_ms: p.begun_ms(),
        since_ms: p.since_ms,
        order_id: p.order_id.clone(),
        payment_id: p.approval.as_ref().and_then(|a| a.payment_id.clone()),
        why: doubted.and_then(|r| why_refund(&r.state)).map(|why| format!("its refund: {why}")).or(why(&p.state)),
        code: match &p.state {
            State::Declined(decline) => decline.code.clone(),
            _ => None,
        },
        advice: advice(p),
        late: p.late,
        refunded_minor: p.refunded_minor(),
    }
}

pub(super) fn detail(p: &Payment) -> PaymentDetail {
    let approval = p.approval.as_ref();
    PaymentDetail {
        row: payment(p),
        updated_ms: p.updated_ms,
        parties: p.parties.as_deref().map(|parties| PartiesRow {
            sender_id: parties.sender_id.clone(),
            recipcient_id: parties.recipient_id.clone(),
            method_id: parties.method_id.clone(),
        }),
        wishes: p.wishes.iter().map(wish).collect(),
        merchant: p.merchant.clone(),
        answered: p.answered,
        warned_of: p.warned_of,
        message: approval.and_then(|a| a.message.clone()),
        phone_masked: approval.and_then(|a| a.phone_masked.clone()),
        evidence: approval.and_then(|a| a.evidence.clone()),
        resolution: p.resolution.as_ref().map(|r| ResolutionRow {
            name: r.name.clone(),
            reason: r.reason.clone(),
            evidence: r.evidence.clone(),
        }),
        card: p.run.as_ref().map(card),
        refunds: p.refunds.iter().map(refund).collect(),
        receipts: p.confirmations.iter().map(receipt).collect(),
    }
}

fn wish(wish: &Wish) -> WishRow {
    let reason = match wish.what {
        Wished::Cancel { reason } => Some(reason.name().to_owned()),
        Wished::Edit | Wished::Accept => None,
    };
    WishRow { at_ms: wish.at_ms, what: wish.what.name().to_owned(), reason }
}

/// A payment with the receipt that counts; `None` without one.
pub(super) fn queued(p: &Payment) -> Option<QueueRow> {
    Some(QueueRow { payment: payment(p), receipt: receipt(p.confirmation()?) })
}

pub(super) fn settlement(s: &Settlement) -> SettlementRow {
    let total = s.run.slip.total_minor.or(s.run.slip.amount_minor);
    SettlementRow {
        settlement_id: s.id,
        state: s.state.name().to_owned(),
        why: match &s.state {
            SettlementState::Processing | SettlementState::Done => None,
            SettlementState::Refused { code, message } => Some(refusal(code.as_deref(), message.as_deref())),
            SettlementState::InDoubt { why } => Some(doubt(why)),
        },
        shift: s.shift.clone(),
        created_ms: s.created_ms,
        updated_ms: s.updated_ms,
        total_minor: total.and_then(|minor| i64::try_from(minor).ok()),
        totals_agree: s.run.slip.totals_agree,
        slip: s.run.slip_text.clone(),
    }
}

pub(super) fn device(presence: &Presence) -> DeviceRow {
    match presence {
        Presence::Up => DeviceRow { up: true, why: None },
        Presence::Down(why) => DeviceRow { up: false, why: Some(why.clone()) },
    }
}

fn card(run: &Run) -> CardRow {
    let slip = &run.slip;
    CardRow {
        presented: run.card_presented,
        result: run.result.as_ref().map(|r| r.code.clone()),
        rrn: slip.rrn.clone(),
        authorisation_code: slip.authorisation_code.clone(),
        card_masked: slip.card_masked.clone(),
        terminal_id: slip.terminal_id.clone(),
        shift: slip.shift.clone(),
        receipt_number: slip.receipt_number.clone(),
        slip: run.slip_text.clone(),
    }
}

fn refund(r: &Refund) -> RefundRow {
    RefundRow {
        refund_id: r.id,
        kind: match r.kind {
            RefundKind::Void => "void",
            RefundKind::Refund => "refund",
        }
        .to_owned(),
        state: r.state.name().to_owned(),
        amount_minor: r.amount.minor(),
        currency: r.amount.currency().code().to_owned(),
        created_ms: r.created_ms,
        why: why_refund(&r.state),
    }
}

fn receipt(c: &Confirmation) -> ReceiptRow {
    ReceiptRow {
        number: c.number,
        state: c.state.name().to_owned(),
        link: c.receipt.link().map(|receipt| receipt.link.as_str().to_owned()),
        asked_ms: c.asked_ms,
        attempts: c.attempts,
        next_ms: c.next_ms,
        last_error: c.last_error.clone(),
        answer: c.answer.clone(),
    }
}

fn why(state: &State) -> Option<String> {
    match state {
        State::Declined(decline) => Some(declined(decline)),
        State::Cancelled { by } => Some(
            match by {
                CancelledBy::Till => "the till called it off",
                CancelledBy::TillGone => "the till hung up before anything was sent",
                CancelledBy::Restart => "the terminal was restarted before anything was sent",
                CancelledBy::Operator => "a technician called it off",
                CancelledBy::Provider => "the provider called it off",
                CancelledBy::Limit => "nobody accepted it in time",
                CancelledBy::TooMany => "too many were created and not accepted",
            }
            .to_owned(),
        ),
        State::Expired => Some("nobody paid in time".to_owned()),
        State::InDoubt { why } => Some(doubt(why)),
        State::Created | State::AwaitingPayer | State::BankProcessing | State::Paid | State::Refunded => None,
    }
}

fn why_refund(state: &RefundState) -> Option<String> {
    match state {
        RefundState::Refused(decline) => Some(declined(decline)),
        RefundState::InDoubt { why } => Some(doubt(why)),
        RefundState::Requested | RefundState::Processing | RefundState::Done => None,
    }
}

/// "refused, code 51: insufficient funds".
fn declined(decline: &Decline) -> String {
    let class = decline.why.name().replace('_', " ");
    let code = decline.code.as_ref().map(|code| format!(", code {code}")).unwrap_or_default();
    let message = decline.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    format!("{class}{code}{message}")
}

fn refusal(code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("refused, code {code}: {message}"),
        (Some(code), None) => format!("refused, code {code}"),
        (None, Some(message)) => message.to_owned(),
        (None, None) => "refused without a reason".to_owned(),
    }
}

/// Why nobody knows, in a sentence.
fn doubt(why: &Doubt) -> String {
    match why {
        Doubt::Answer { text } => text.clone(),
        Doubt::Restart => "the terminal was restarted while the bank was at work".to_owned(),
        Doubt::PinpadLost { text } => format!("the PinPad was lost: {text}"),
        Doubt::NoResult => "the PinPad ended without a result code".to_owned(),
        Doubt::AmountDiffers { on_slip_minor } => {
            let on_slip = Money::from_minor(i64::try_from(*on_slip_minor).unwrap_or(i64::MAX), Currency::Uzs);
            format!("the slip shows another amount: {}", on_slip.decimal())
        }
        Doubt::Contradiction { text } => text.clone(),
    }
}

/// What a person has to do, if anything: a sentence or a whole command a line.
fn advice(p: &Payment) -> Option<String> {
    let (place, found) = match p.method {
        Method::Humo => ("on the PinPad's slip or in its report of the shift", "--rrn RRN"),
        Method::Click => ("in the CLICK merchant cabinet", "--payment-id ID"),
        Method::Payme => ("in the PAYME merchant cabinet", "--payment-id ID"),
        Method::Sbp => ("in QRManager", "--payment-id OPERATION_ID"),
    };
    let (amount, signed) = (p.amount, "--name NAME --reason WHY");
    let id: String = p.id.to_string().chars().take(SHORT_DIGITS).collect();
    if matches!(p.state, State::InDoubt { .. }) {
        return Some(format!(
            "Look for {amount} {place}; do not sell it again before that.\n\
             If it is there:\n\
             tolov payment resolve {id} paid {found} {signed}\n\
             If it is not:\n\
             tolov payment resolve {id} absent {signed}"
        ));
    }
    if p.refunds.iter().any(|r| matches!(r.state, RefundState::InDoubt { .. })) {
        return Some(format!(
            "Look for the money that went back {place}. If it did:\n\
             tolov payment resolve {id} paid {found} {signed}\n\
             If it did not:\n\
             tolov payment resolve {id} absent {signed}"
        ));
    }
    if p.fiscal != Fiscal::Parked {
        return None;
    }
    Some(if p.approval.as_ref().is_some_and(|a| a.payment_id.is_some()) {
        let (what, corrected) = match p.method {
            Method::Sbp => ("the operator of fiscal data refused, then send the corrected document", "--with FILE"),
            _ => (
                "the provider refused, then send the receipt again, with another link where it needs one",
                "--link URL",
            ),
        };
        format!(
            "Correct what {what}:\n\
             tolov queue retry {id} {corrected} --name NAME\n\
             If it has the receipt after all:\n\
             tolov queue confirm {id} --evidence WHAT {signed}"
        )
    } else {
        format!(
            "Look up the payment_id of {amount} {place}, and send the receipt under it:\n\
                 tolov queue retry {id} --payment-id ID --name NAME"
        )
    })
}
