//! What a commit says of sales, refunds and receipts. Everything is read from what a payment was and is, so a line of the journal that is
//! written twice in one batch, or after a restart, counts once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Counters, Histograms, Labels, of, seconds, table, waits};
use crate::driver::{Closing, Move};
use crate::log;
use crate::payment::card::SettlementState;
use crate::payment::fiscal::{Confirmation, ConfirmationState};
use crate::payment::sale::{DeclineKind, Method, Payment, PaymentId, Refund, RefundKind, RefundState, State, UnixMs};

#[derive(Debug)]
pub(super) struct Sales {
    opened: Counters<1>,
    ended: Counters<2>,
    late: Counters<1>,
    refunds: Counters<3>,
    settlements: Counters<1>,
    brought: Counters<1>,
    receipts: Counters<2>,
    durations: Histograms<2>,
    steps: Histograms<2>,
    confirmed: Histograms<1>,
    /// The provider's, too: a code of QRManager is asked for elsewhere, and its answer is seen here.
    answers: Histograms<3>,
    /// Sales that were begun in this life and have not ended.
    under_way: Mutex<HashMap<PaymentId, Times>>,
}

/// Monotonic, µs.
#[derive(Clone, Copy, Debug)]
struct Times {
    begun: u64,
    step: u64,
    /// It has ended once, in doubt.
    told: bool,
}

/// How a sale ends, by its label.
const OUTCOMES: [&str; 9] = [
    "paid",
    "refused",
    "not_sent",
    "cancelled_at_pinpad",
    "misconfigured",
    "absent",
    "cancelled",
    "expired",
    "in_doubt",
];

fn outcome(state: &State) -> Option<&'static str> {
    match state {
        State::Paid => Some("paid"),
        State::Declined(decline) => Some(match decline.why {
            DeclineKind::Refused => "refused",
            DeclineKind::NotSent => "not_sent",
            DeclineKind::CancelledAtPinpad => "cancelled_at_pinpad",
            DeclineKind::Misconfigured => "misconfigured",
            DeclineKind::Absent => "absent",
        }),
        State::Cancelled { .. } => Some("cancelled"),
        State::Expired => Some("expired"),
        State::InDoubt { .. } => Some("in_doubt"),
        State::Created | State::AwaitingPayer | State::BankProcessing | State::Refunded => None,
    }
}

/// How a refund ends, and how a settlement does.
const REFUND_OUTCOMES: [&str; 3] = ["done", "refused", "in_doubt"];

fn settlement_outcome(state: &SettlementState) -> Option<&'static str> {
    match state {
        SettlementState::Done => Some("done"),
        SettlementState::Refused { .. } => Some("refused"),
        SettlementState::InDoubt { .. } => Some("in_doubt"),
        SettlementState::Processing => None,
    }
}

fn refund_outcome(state: &RefundState) -> Option<&'static str> {
    match state {
        RefundState::Done => Some("done"),
        RefundState::Refused(_) => Some("refused"),
        RefundState::InDoubt { .. } => Some("in_doubt"),
        RefundState::Requested | RefundState::Processing => None,
    }
}

fn kind(kind: RefundKind) -> (&'static str, &'static str) {
    match kind {
        RefundKind::Void => ("kind", "void"),
        RefundKind::Refund => ("kind", "refund"),
    }
}

impl Sales {
    pub(super) fn new(registry: &mut Registry, answers: &Histograms<3>) -> Self {
        let sales = Self {
            opened: Family::default(),
            ended: Family::default(),
            late: Family::default(),
            refunds: Family::default(),
            settlements: Family::default(),
            brought: Family::default(),
            receipts: Family::default(),
            durations: Family::new_with_constructor(waits),
            steps: Family::new_with_constructor(waits),
            confirmed: Family::new_with_constructor(|| Histogram::new(RECEIPT_BUCKETS)),
            answers: answers.clone(),
            under_way: Mutex::default(),
        };
        sales.begin_at_zero();
        table::OPENED.register(registry, sales.opened.clone());
        table::ENDED.register(registry, sales.ended.clone());
        table::LATE.register(registry, sales.late.clone());
        table::REFUNDS.register(registry, sales.refunds.clone());
        table::SETTLEMENTS.register(registry, sales.settlements.clone());
        table::BROUGHT.register(registry, sales.brought.clone());
        table::RECEIPTS.register(registry, sales.receipts.clone());
        table::DURATION.register(registry, sales.durations.clone());
        table::STEP.register(registry, sales.steps.clone());
        table::RECEIPT.register(registry, sales.confirmed.clone());
        sales
    }

    /// A counter that is not there before its first event hides that event from a rate.
    fn begin_at_zero(&self) {
        let auto = ("method", "auto");
        let _ = self.opened.get_or_create(&[auto]);
        for outcome in ["cancelled", "expired"] {
            let _ = self.ended.get_or_create(&[auto, ("outcome", outcome)]);
        }
        for outcome in REFUND_OUTCOMES {
            let _ = self.settlements.get_or_create(&[("outcome", outcome)]);
        }
        for method in Method::ALL.map(of) {
            let _ = (self.opened.get_or_create(&[method]), self.late.get_or_create(&[method]));
            let _ = self.brought.get_or_create(&[method]);
            for outcome in OUTCOMES {
                let _ = self.ended.get_or_create(&[method, ("outcome", outcome)]);
            }
            for outcome in ["confirmed", "parked"] {
                let _ = self.receipts.get_or_create(&[method, ("outcome", outcome)]);
            }
            for kind in [RefundKind::Void, RefundKind::Refund].map(kind) {
                for outcome in REFUND_OUTCOMES {
                    let _ = self.refunds.get_or_create(&[method, kind, ("outcome", outcome)]);
                }
            }
        }
    }

    pub(super) fn closed(&self, closing: &Closing) {
        let was = closing.before.as_ref().map(|before| before.state.name());
        let outcome = settlement_outcome(&closing.after.state).filter(|_| was != Some(closing.after.state.name()));
        if let Some(outcome) = outcome {
            self.settlements.get_or_create(&[("outcome", outcome)]).inc();
        }
    }

    pub(super) fn moved(&self, moved: &Move, at_us: u64, at_ms: UnixMs) {
        let Move { before, after } = moved;
        let method = of_payment(after);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_none() {
            self.opened.get_or_create(&[method]).inc();
            under_way.insert(after.id, Times { begun: at_us, step: at_us, told: false });
        }
        if before.as_ref().map(|before| before.state.name()) != Some(after.state.name()) {
            self.went_on(&mut under_way, before.as_deref(), after, at_us);
        }
        if after.late && !before.as_ref().is_some_and(|before| before.late) {
            self.late.get_or_create(&[method]).inc();
        }
        let code_came = has_code(after) && !before.as_deref().is_some_and(has_code);
        if let Some(times) = under_way.get(&after.id).filter(|_| code_came) {
            let labels = [method, ("request", "code"), ("outcome", "made")];
            self.answers.get_or_create(&labels).observe(seconds(at_us.saturating_sub(times.begun)));
        }
        drop(under_way);
        self.gave_back(method, before.as_deref(), after);
        self.delivered(method, before.as_deref(), after, at_ms);
    }

    /// The state changed.
    fn went_on(
        &self,
        under_way: &mut HashMap<PaymentId, Times>,
        before: Option<&Payment>,
        after: &Payment,
        at_us: u64,
    ) {
        let method = of_payment(after);
        let end = outcome(&after.state);
        if let Some(end) = end {
            self.ended.get_or_create(&[method, ("outcome", end)]).inc();
        }
        // What was begun in an earlier life has no beginning that a monotonic clock could tell.
        let Some(times) = under_way.get_mut(&after.id) else { return };
        if let Some(before) = before {
            let step: Labels<2> = [method, ("step", before.state.name())];
            self.steps.get_or_create(&step).observe(seconds(at_us.saturating_sub(times.step)));
        }
        times.step = at_us;
        if let Some(end) = end.filter(|_| !times.told) {
            let whole = seconds(at_us.saturating_sub(times.begun));
            self.durations.get_or_create(&[method, ("outcome", end)]).observe(whole);
            times.told = true;
        }
        if after.state.is_final() {
            under_way.remove(&after.id);
        }
    }

    fn gave_back(&self, method: (&'static str, &'static str), before: Option<&Payment>, after: &Payment) {
        let as_it_was = |refund: &Refund| before.and_then(|p| p.refund(refund.id)).map(|r| r.state.name());
        let changed = after.refunds.iter().filter(|refund| as_it_was(refund) != Some(refund.state.name()));
        for refund in changed {
            if let Some(outcome) = refund_outcome(&refund.state) {
                self.refunds.get_or_create(&[method, kind(refund.kind), ("outcome", outcome)]).inc();
            }
        }
    }

    fn delivered(
        &self,
        method: (&'static str, &'static str),
        before: Option<&Payment>,
        after: &Payment,
        at_ms: UnixMs,
    ) {
        for receipt in &after.confirmations {
            let was = before.and_then(|p| p.confirmations.iter().find(|c| c.number == receipt.number));
            if was.is_none() {
                self.brought.get_or_create(&[method]).inc();
            }
            if was.is_some_and(|was| was.state == receipt.state) {
                continue;
            }
            match receipt.state {
                ConfirmationState::Confirmed => {
                    self.receipts.get_or_create(&[method, ("outcome", "confirmed")]).inc();
                    self.confirmed.get_or_create(&[method]).observe(waited(receipt, at_ms));
                }
                ConfirmationState::Parked => {
                    self.receipts.get_or_create(&[method, ("outcome", "parked")]).inc();
                }
                ConfirmationState::Held | ConfirmationState::Queued | ConfirmationState::Withdrawn => {}
            }
        }
    }
}

/// A receipt may wait for its provider for days.
const RECEIPT_BUCKETS: [f64; 11] = [0.5, 1.0, 3.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 86_400.0, 259_200.0];

/// Since the till brought it, in seconds; a clock that was set back in between makes it 0.
fn waited(receipt: &Confirmation, now_ms: UnixMs) -> f64 {
    let ms = u64::try_from(now_ms.saturating_sub(receipt.asked_ms)).unwrap_or(0);
    std::time::Duration::from_millis(ms).as_secs_f64()
}

fn of_payment(payment: &Payment) -> (&'static str, &'static str) {
    ("method", log::method_of(payment))
}

fn has_code(payment: &Payment) -> bool {
    payment.sbp.as_ref().is_some_and(|sbp| sbp.code.is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::payment::card::{Run, RunId, Settlement, SettlementId};
    use crate::payment::sale::Doubt;

    #[test]
    fn a_closing_counts_when_it_ends_and_a_doubt_about_it_once_more() {
        let sales = Sales::new(&mut Registry::default(), &Family::new_with_constructor(waits));
        let became = |state| {
            Arc::new(Settlement {
                id: SettlementId(Uuid::nil()),
                token: None,
                created_ms: 0,
                updated_ms: 0,
                shift: None,
                state,
                run: Run::new(RunId(Uuid::nil()), None),
            })
        };
        let doubt = || SettlementState::InDoubt { why: Doubt::NoResult };
        let states = [SettlementState::Processing, doubt(), doubt(), SettlementState::Done, SettlementState::Done];
        let mut before = None;
        for state in states {
            let after = became(state);
            sales.closed(&Closing { before: before.replace(after.clone()), after });
        }
        let counted = |outcome| sales.settlements.get_or_create(&[("outcome", outcome)]).get();
        assert_eq!(["done", "refused", "in_doubt"].map(counted), [1, 0, 1]);
    }
}
