//! What must hold of every payment, however it was written down.

use rusqlite::Connection;
use std::sync::Arc;

use super::AuditReport;
use crate::payment::card::Run;
use crate::payment::fact::Fact;
use crate::payment::fiscal::Fiscal;
use crate::payment::sale::{Method, Payment, PaymentId, RefundState, Resolution, State};

/// How often this line asks somebody for the customer's money.
pub(super) fn charges(fact: &Fact) -> u32 {
    match fact {
        Fact::Opened { method: Method::Humo, run, .. } => u32::from(run.is_some()),
        Fact::Opened { code, .. } => u32::from(code.is_some()),
        Fact::Accepted { method: Method::Humo, run, .. } => u32::from(run.is_some()),
        Fact::Accepted { code, .. } => u32::from(code.is_some()),
        Fact::CodeBound { .. } | Fact::CodeMade { .. } | Fact::CardAsked { .. } => 1,
        _ => 0,
    }
}

/// Whether the line asks for money that no card has paid before: where the customer chooses, a code may be charged after the PinPad's run, and the
/// PinPad asked for a card once more, if the run before has proved that. `before` = the payment without this line.
pub(super) fn no_card_paid(fact: &Fact, before: Option<&Arc<Payment>>) -> bool {
    let proved = |p: &Arc<Payment>| p.auto && p.code.is_none() && p.run.as_ref().is_none_or(Run::took_no_money);
    matches!(fact, Fact::CodeBound { method: Some(_), .. } | Fact::CardAsked { .. }) && before.is_some_and(proved)
}

/// Whether a paid sale owes its provider a receipt.
fn owes(payment: &Payment) -> bool {
    match payment.method {
        Method::Humo => false,
        Method::Click | Method::Payme => true,
        Method::Sbp => payment.sbp.as_ref().is_some_and(|sbp| sbp.receipts.is_some()),
    }
}

/// An approval brings its debt in the same line, where its method has one.
pub(super) fn debt_is_born(number: i64, fact: &Fact, payment: Option<&Arc<Payment>>, report: &mut AuditReport) {
    let (Fact::Approved { fiscal, .. }, Some(payment)) = (fact, payment) else { return };
    let right = if owes(payment) { *fiscal == Fiscal::Owed } else { *fiscal == Fiscal::NotRequired };
    if !right {
        let text = format!("line {number} approves with the fiscal debt {}", fiscal.name());
        report.differ("debt", Some(payment.id), text);
    }
}

/// A person who confirms a receipt says what was found, and signs.
pub(super) fn signature_says_why(number: i64, fact: &Fact, report: &mut AuditReport) {
    let Fact::ReceiptSigned { payment, resolution, .. } = fact else { return };
    let Resolution { name, reason, evidence } = resolution;
    if name.is_empty() || reason.is_empty() || evidence.as_ref().is_none_or(String::is_empty) {
        let text = format!("line {number} confirms a receipt without a name, a reason or evidence");
        report.differ("debt", Some(*payment), text);
    }
}

/// The rules of one payment as it stands.
pub(super) fn hold(payment: &Payment, report: &mut AuditReport) {
    debts(payment, report);
    refunds(payment, report);
}

fn debts(payment: &Payment, report: &mut AuditReport) {
    let id = Some(payment.id);
    let moved = matches!(payment.state, State::Paid | State::Refunded);
    if moved != payment.approval.is_some() {
        let text = format!("it is {}, {} an approval", payment.state.name(), if moved { "without" } else { "with" });
        report.differ("debt", id, text);
    }
    let right = match (moved, owes(payment)) {
        (false, _) => payment.fiscal == Fiscal::None,
        (true, false) => payment.fiscal == Fiscal::NotRequired,
        (true, true) => {
            matches!(payment.fiscal, Fiscal::Owed | Fiscal::Queued | Fiscal::Confirmed | Fiscal::Parked)
        }
    };
    if !right {
        let text = format!(
            "it is {} by {} with the fiscal debt {}",
            payment.state.name(),
            payment.method,
            payment.fiscal.name()
        );
        report.differ("debt", id, text);
    }
    let brought_ms = payment.confirmation().map_or(payment.since_ms, |c| c.asked_ms);
    match payment.fiscal {
        Fiscal::Owed => report.debts.owed.add(payment.since_ms),
        Fiscal::Queued => report.debts.queued.add(brought_ms),
        Fiscal::Parked => report.debts.parked.add(brought_ms),
        Fiscal::None | Fiscal::NotRequired | Fiscal::Confirmed => {}
    }
}

fn refunds(payment: &Payment, report: &mut AuditReport) {
    let id = Some(payment.id);
    if payment.refunded_minor() > payment.amount.minor() {
        let text =
            format!("{} of {} minor units are or may be given back", payment.refunded_minor(), payment.amount.minor());
        report.differ("refund", id, text);
    }
    let done: i64 = payment.refunds.iter().filter(|r| r.state == RefundState::Done).map(|r| r.amount.minor()).sum();
    if (payment.state == State::Refunded) != (done > 0 && done == payment.amount.minor()) {
        let text =
            format!("it is {} with {done} of {} minor units given back", payment.state.name(), payment.amount.minor());
        report.differ("refund", id, text);
    }
    if !payment.refunds.is_empty() && payment.approval.is_none() {
        report.differ("refund", id, "money was given back that was never taken".into());
    }
}

/// A code pays once with its method. A second payment may use it only after the first was proved to have moved no money; money
/// that came for the first after all is marked as late.
pub(super) fn one_charge_a_code(conn: &Connection, report: &mut AuditReport) -> rusqlite::Result<()> {
    const SHARED: &str = "SELECT code, method FROM payment WHERE code IS NOT NULL \
                          AND state NOT IN ('declined', 'cancelled', 'expired') GROUP BY code, method HAVING count(*) > 1";
    let mut statement = conn.prepare(SHARED)?;
    let shared: Vec<(String, String)> =
        statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    for (code, method) in shared {
        let payments = super::rows::payments(conn, super::rows::BY_CODE, [code.as_str(), method.as_str()])?;
        let in_time: Vec<PaymentId> = payments.iter().filter(|p| !p.late).map(|p| p.id).collect();
        if let [first, second, ..] = in_time.as_slice() {
            let text = format!("one {method} code was charged for it and for {second}");
            report.differ("charge", Some(*first), text);
        }
    }
    Ok(())
}
