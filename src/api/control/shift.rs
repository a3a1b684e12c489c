//! The totals of a card shift, added up from the payments a page at a time: a shift of any length fits into memory.

use std::collections::HashSet;

use super::rows;
use super::words::{MethodTotals, ShiftReport, WhichShift};
use crate::history::{Filter, History, HistoryError};
use crate::limits;
use crate::payment::Money;
use crate::payment::card::SettlementState;
use crate::payment::sale::{Method, Payment, PaymentId, RefundKind, RefundState, State, UnixMs};
use crate::snapshot::Shift;

/// The PinPad's code for "close the shift first".
const MUST_CLOSE: &str = "303";

/// Adds a shift up; `None` = no shift was closed from here yet. Reads the store: call it where waiting is allowed.
///
/// # Errors
/// The store cannot be read.
pub(super) fn report(
    history: &dyn History,
    shift: &Shift,
    which: WhichShift,
) -> Result<Option<ShiftReport>, HistoryError> {
    let (began_ms, ended_ms) = match which {
        WhichShift::Open => (shift.began_ms, None),
        WhichShift::Last if shift.began_ms == 0 => return Ok(None),
        WhichShift::Last => (shift.before_began_ms, Some(shift.began_ms)),
    };
    let mut sums = Sums::new(began_ms, ended_ms);
    sums.read(history)?;
    // A settlement that was done belongs to the shift that it closed, any other one to the shift that is still open.
    let settlement = shift.last.as_ref().filter(|s| (s.state == SettlementState::Done) == (which == WhichShift::Last));
    let settlement = settlement.map(|s| rows::settlement(s));
    let humo_minor: i64 = sums.rows.iter().filter(|r| r.method == Method::Humo.name()).map(|r| r.net_minor).sum();
    let on_slip = settlement.as_ref().and_then(|s| s.total_minor).filter(|_| which == WhichShift::Last);
    Ok(Some(ShiftReport {
        which,
        began_ms: (began_ms > 0).then_some(began_ms),
        ended_ms,
        humo_agrees: on_slip.map(|total| total == humo_minor),
        settlement,
        must_close: which == WhichShift::Open && sums.last_card.is_some_and(|(_, must_close)| must_close),
        cut: sums.cut,
        totals: sums.rows,
    }))
}

/// A shift in the adding.
struct Sums {
    began_ms: UnixMs,
    ended_ms: Option<UnixMs>,
    seen: HashSet<PaymentId>,
    rows: Vec<MethodTotals>,
    /// When the newest card sale was begun, and whether the PinPad refused it because it wants the shift closed.
    last_card: Option<(UnixMs, bool)>,
    cut: bool,
}

impl Sums {
    fn new(began_ms: UnixMs, ended_ms: Option<UnixMs>) -> Self {
        Self { began_ms, ended_ms, seen: HashSet::new(), rows: Vec::new(), last_card: None, cut: false }
    }

    fn read(&mut self, history: &dyn History) -> Result<(), HistoryError> {
        // What was created before the shift began may have been accepted in it.
        let wait_ms = i64::try_from(limits::CREATED_WAIT_MS).unwrap_or(i64::MAX);
        let since_ms = Some(self.began_ms.saturating_sub(wait_ms));
        let began = Filter { since_ms, until_ms: self.ended_ms, ..Filter::default() };
        self.read_pages(history, began)?;
        // Money that went back in this shift for a sale of an earlier one.
        self.read_pages(history, Filter { refunded_since_ms: Some(self.began_ms), ..Filter::default() })?;
        self.rows.sort_by_key(|row| Method::ALL.iter().position(|m| m.name() == row.method));
        Ok(())
    }

    fn read_pages(&mut self, history: &dyn History, mut filter: Filter) -> Result<(), HistoryError> {
        filter.limit = limits::CONTROL_ROWS_MAX;
        loop {
            let page = history.payments(&filter)?;
            let full = u32::try_from(page.len()).is_ok_and(|len| len >= limits::CONTROL_ROWS_MAX);
            let oldest_ms = page.iter().map(|p| p.created_ms).min();
            let known = self.seen.len();
            page.iter().for_each(|payment| self.add(payment));
            let grew = self.seen.len() > known;
            // The next page begins within the oldest millisecond of this one, which may be half seen.
            let Some(oldest_ms) = oldest_ms.filter(|_| full && grew) else {
                self.cut |= full;
                return Ok(());
            };
            if self.seen.len() >= limits::SHIFT_PAYMENTS_MAX {
                self.cut = true;
                return Ok(());
            }
            filter.until_ms = Some(oldest_ms.saturating_add(1));
        }
    }

    fn add(&mut self, payment: &Payment) {
        if !self.seen.insert(payment.id) {
            return;
        }
        if self.holds(payment.begun_ms()) {
            let amount = payment.amount;
            match &payment.state {
                State::Paid | State::Refunded => {
                    let row = self.row(payment.method, amount);
                    row.sales += 1;
                    row.sales_minor += amount.minor();
                    row.net_minor += amount.minor();
                }
                State::InDoubt { .. } => self.doubt(payment.method, amount),
                _ => {}
            }
            self.hear_of_card(payment);
        }
        for refund in payment.refunds.iter().filter(|refund| self.holds(refund.created_ms)).collect::<Vec<_>>() {
            let minor = refund.amount.minor();
            match (&refund.state, refund.kind) {
                (RefundState::Done, kind) => {
                    let row = self.row(payment.method, refund.amount);
                    row.net_minor -= minor;
                    let (count, sum) = match kind {
                        RefundKind::Void => (&mut row.voids, &mut row.voids_minor),
                        RefundKind::Refund => (&mut row.refunds, &mut row.refunds_minor),
                    };
                    *count += 1;
                    *sum += minor;
                }
                (RefundState::InDoubt { .. }, _) => self.doubt(payment.method, refund.amount),
                _ => {}
            }
        }
    }

    /// Where the PinPad was asked for a card. A run that left the money to a code is heard only where the PinPad refused every card.
    fn hear_of_card(&mut self, payment: &Payment) {
        let Some(run) = &payment.run else { return };
        let refused = run.result.as_ref().is_some_and(|result| result.code == MUST_CLOSE);
        let newer = self.last_card.is_none_or(|(at_ms, _)| at_ms <= payment.begun_ms());
        if newer && (refused || payment.method == Method::Humo && !payment.is_undecided()) {
            self.last_card = Some((payment.begun_ms(), refused));
        }
    }

    fn doubt(&mut self, method: Method, amount: Money) {
        let row = self.row(method, amount);
        row.in_doubt += 1;
        row.in_doubt_minor += amount.minor();
    }

    fn holds(&self, at_ms: UnixMs) -> bool {
        at_ms >= self.began_ms && self.ended_ms.is_none_or(|ended_ms| at_ms < ended_ms)
    }

    fn row(&mut self, method: Method, amount: Money) -> &mut MethodTotals {
        let currency = amount.currency().code();
        let found = self.rows.iter().position(|row| row.method == method.name() && row.currency == currency);
        let at = found.unwrap_or_else(|| {
            self.rows.push(MethodTotals {
                method: method.name().to_owned(),
                currency: currency.to_owned(),
                ..MethodTotals::default()
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }
}
