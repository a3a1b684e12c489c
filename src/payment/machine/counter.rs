//! The payment at the counter: what the customer shows there, a code or a card, and how long it is waited for.
//!
//! Where either may pay, each is asked for as long as it can be had and nothing has paid: a scanned code is held, unsent, until the PinPad's run has
//! ended and proved that no card paid; a PinPad that gave up waiting is asked again. So of all its runs and its one code never two can take money.

use std::sync::Arc;

use super::{Rejection, Step};
use crate::payment::card::{ResultClass, RunId};
use crate::payment::code::CodeKind;
use crate::payment::event::{Effect, Notice, PinpadOrder};
use crate::payment::fact::Fact;
use crate::payment::sale::{Payment, State};
use crate::payment::terminal::{CardWait, HeldCode, Terminal};

impl Step {
    pub(super) fn scanned(&mut self, text: &str) -> Result<(), Rejection> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let kind = self.t.policy.codes.classify(text);
        let payable = matches!(kind, CodeKind::ClickPass | CodeKind::PaymeGo | CodeKind::Unknown);
        let Some(waiting) = self.t.awaiting_scan().cloned() else {
            self.notice(if payable { Notice::ScanUnexpected } else { Notice::ScanNotPayment(kind) });
            return Ok(());
        };
        let Some(method) = self.t.paid_by(&waiting, text).filter(|_| payable) else {
            self.notice(Notice::ScanNotPayment(kind));
            return Ok(());
        };
        // One code is enough; the display says already that it was read.
        if self.t.code_in_hand().is_some() {
            return Ok(());
        }
        if self.t.with_code(method, text).is_some() {
            self.notice(Notice::ScanUsed);
            return Ok(());
        }
        let code = HeldCode { payment: waiting.id, method, code: text.to_owned() };
        match waiting.run.as_ref().filter(|run| !run.is_over()) {
            Some(run) => {
                self.effect(Effect::PinpadCancel { run: run.id });
                self.t.held_code = Some(code);
                Ok(())
            }
            None => self.bind_code(code).map(|_| ()),
        }
    }

    /// The code pays, unless it has paid elsewhere since it was shown: then it is forgotten, and the counter is told.
    fn bind_code(&mut self, held: HeldCode) -> Result<bool, Rejection> {
        let HeldCode { payment, method, code } = held;
        if self.t.with_code(method, &code).is_some() {
            self.notice(Notice::ScanUsed);
            return Ok(false);
        }
        let decided = self.known(payment)?.method != method;
        self.record(Fact::CodeBound { payment, method: decided.then_some(method), code })?;
        self.effect(Effect::Charge { payment: self.known(payment)? });
        Ok(true)
    }

    /// No card paid, and the customer may pay by a code: the one that was held is sent now, or the wait for one goes on.
    pub(super) fn turns_to_code(&mut self, payment: &Payment) -> Result<bool, Rejection> {
        if !payment.auto || !payment.state.is_in_progress() {
            return Ok(false);
        }
        let held = self.t.held_code.take().filter(|held| held.payment == payment.id);
        // The PinPad was told to give up for the code's sake, which says nothing about the customer's wish.
        let for_a_code = held.is_some();
        if let Some(held) = held
            && self.bind_code(held)?
        {
            return Ok(true);
        }
        let waits_on = payment.state == State::AwaitingPayer && self.t.may_be_scanned(payment);
        // Whoever pressed the red key wants no card; a PinPad that gave up by itself is asked once more.
        let refused = payment.run.as_ref().and_then(|run| run.result.as_ref());
        let again = self.now.monotonic_ms.saturating_add(self.t.policy.card_again_ms);
        let wanted = waits_on && (for_a_code || refused.is_none_or(|result| result.class == ResultClass::Declined));
        self.t.card.next_monotonic_ms = Some(again).filter(|again| wanted && self.t.is_time_for_card(*again));
        Ok(waits_on)
    }

    /// The end of a wait for the customer's code. Where the PinPad is asking for a card, it is told to give up, and ends the wait.
    pub(super) fn expire_scan(&mut self) -> Result<(), Rejection> {
        let Some(waiting) = self.t.awaiting_scan().cloned() else { return Ok(()) };
        if self.t.scan_ends_monotonic_ms().is_none_or(|deadline| self.now.monotonic_ms < deadline) {
            return Ok(());
        }
        if let Some(run) = waiting.run.as_ref().filter(|run| !run.is_over()) {
            self.t.card.taken_back = true;
            self.effect(Effect::PinpadCancel { run: run.id });
        } else {
            self.record(Fact::Expired { payment: waiting.id })?;
            self.settled(waiting.id);
        }
        Ok(())
    }

    /// Ask the PinPad for a card where a code may pay as well: it was away when the payment began, or has given up waiting.
    pub(super) fn ask_for_card(&mut self, run: RunId) -> Result<(), Rejection> {
        let due = self.t.asks_for_card_at_monotonic_ms().is_some_and(|at| at <= self.now.monotonic_ms);
        let Some(waiting) = self.t.awaiting_scan().cloned().filter(|_| due) else { return Ok(()) };
        self.t.card.next_monotonic_ms = None;
        if !self.t.is_time_for_card(self.now.monotonic_ms) {
            return Ok(());
        }
        self.t.card = CardWait { runs: self.t.card.runs.saturating_add(1), taken_back: false, ..self.t.card };
        self.record(Fact::CardAsked { payment: waiting.id, run: (run, self.t.register.last_card.clone()) })?;
        self.start_run(run, super::pinpad::sale(waiting.id), PinpadOrder::Sale(waiting.amount));
        Ok(())
    }
}

impl Terminal {
    /// The open payment that holds scanner, PinPad and display.
    #[must_use]
    pub fn counter(&self) -> Option<&Arc<Payment>> {
        self.payments.values().find(|p| p.attended && p.state.is_in_progress())
    }

    /// The payment that waits for a scan.
    pub(super) fn awaiting_scan(&self) -> Option<&Arc<Payment>> {
        self.counter().filter(|p| self.may_be_scanned(p) && p.state == State::AwaitingPayer)
    }

    /// The code that is held for the payment at the counter, which may still be paid by it.
    pub(super) fn code_in_hand(&self) -> Option<&HeldCode> {
        let in_progress = |held: &&HeldCode| self.payments.get(&held.payment).is_some_and(|p| p.state.is_in_progress());
        self.held_code.as_ref().filter(in_progress)
    }

    /// Whether a code that the customer shows may pay it.
    pub(super) fn may_be_scanned(&self, payment: &Payment) -> bool {
        payment.method.scans() || payment.auto && self.policy.methods.iter().any(|m| m.scans())
    }

    /// When something is to be done about the end of the wait for a scan. A PinPad that was told to give up ends it itself.
    pub(super) fn scan_ends_monotonic_ms(&self) -> Option<u64> {
        let waiting = self.awaiting_scan()?;
        self.scan_deadline_monotonic_ms.filter(|_| !(self.card.taken_back && waiting.is_asked_for_card()))
    }

    /// When the PinPad, which can begin, is to be asked for a card of the payment at the counter, which a code may pay as well.
    #[must_use]
    pub fn asks_for_card_at_monotonic_ms(&self) -> Option<u64> {
        let next = self.card.next_monotonic_ms.filter(|_| self.card.runs < self.policy.card_runs_max)?;
        self.awaiting_scan().filter(|p| p.auto && !p.is_asked_for_card())?;
        self.pinpad_free().is_ok().then_some(next)
    }

    /// Whether enough of the customer's time is left then to ask for a card.
    fn is_time_for_card(&self, at_monotonic_ms: u64) -> bool {
        let least = at_monotonic_ms.saturating_add(self.policy.card_least_ms);
        self.scan_deadline_monotonic_ms.is_some_and(|deadline| least <= deadline)
    }
}
