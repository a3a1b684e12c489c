//! Doubts: what begins them at a restart, when the PinPad is asked about them, and how an operator ends one. What its answers prove is told in
//! `evidence`.

mod evidence;

use super::pinpad::{refund, sale, settlement};
use super::{Rejection, Step};
use crate::payment::card::{CardMark, Job, Question, Run, RunId, RunOver, Settlement, SettlementState};
use crate::payment::event::{Denial, Effect, Verdict};
use crate::payment::fact::Fact;
use crate::payment::sale::{
    Approval, CancelledBy, Decline, DeclineKind, Doubt, Payment, PaymentId, Refund, RefundState, Resolution, State,
};
use crate::payment::terminal::{PinpadAt, Terminal};
use evidence::number;

impl Step {
    /// The daemon begins: whatever the last life left in progress is in doubt, unless nothing can have been sent.
    pub(super) fn started(&mut self) -> Result<(), Rejection> {
        // How long ago the last life ended is for no clock to say: its last card sales are found again as if they had ended now.
        let ended = self.t.register.last_sales.iter().map(|id| (*id, self.now.monotonic_ms));
        self.t.sales_ended_monotonic_ms = ended.collect();
        self.resume_created();
        let open: Vec<_> = self.t.payments.values().cloned().collect();
        for payment in open {
            if let Some(sbp) = &payment.sbp {
                self.sbp_started(&payment, sbp)?;
                continue;
            }
            match payment.state {
                State::BankProcessing => self.doubt(payment.id, Doubt::Restart)?,
                // The PinPad has the request and may have gone on alone.
                State::AwaitingPayer if payment.run.as_ref().is_some_and(|run| !run.is_over()) => {
                    self.doubt(payment.id, Doubt::Restart)?;
                }
                State::AwaitingPayer => {
                    self.record(Fact::Cancelled { payment: payment.id, by: CancelledBy::Restart })?;
                    // A disk that takes lines only later lets tills ask, and wait, before this is decided.
                    self.settled(payment.id);
                }
                _ => {}
            }
            for r in payment.refunds.iter().filter(|r| r.state.is_open()) {
                self.refund_became(payment.id, r.id, RefundState::InDoubt { why: Doubt::Restart })?;
            }
        }
        if let Some(s) = self.t.settlement.clone().filter(|s| s.state == SettlementState::Processing) {
            self.settlement_became(s.id, SettlementState::InDoubt { why: Doubt::Restart })?;
        }
        self.links_started()?;
        self.effect(Effect::Deliver);
        Ok(())
    }

    pub(super) fn tick(&mut self, run: RunId) -> Result<(), Rejection> {
        self.expire_scan()?;
        self.expire_created()?;
        // Questions first: without their answers no doubt about this card could be ended.
        self.question(run)?;
        self.ask_for_card(run)
    }

    /// Ask the PinPad what is due.
    fn question(&mut self, run: RunId) -> Result<(), Rejection> {
        let pinpad = &self.t.pinpad;
        let due = pinpad.next_ask.is_some_and(|ask| ask.at_monotonic_ms <= self.now.monotonic_ms);
        if !pinpad.up || pinpad.at.is_some() || !due {
            return Ok(());
        }
        let asked = pinpad.next_ask.map_or(0, |ask| ask.asked);
        let open = self.t.open_jobs().next();
        let Some((job, questioned)) = open.map(|(job, run)| (job, run.is_none_or(|run| run.questioned))) else {
            self.t.pinpad.next_ask = None;
            if self.t.has_to_learn() {
                self.t.pinpad.at = Some(PinpadAt::Learning { run, heard: Box::new(Run::new(run, None)) });
                self.effect(Effect::PinpadAsk { run, question: Question::LastTransaction });
            }
            return Ok(());
        };
        let question = match job {
            Job::Settlement { .. } => Question::ShortReport,
            _ if asked.is_multiple_of(2) => Question::LastTransaction,
            _ => Question::DetailedReport,
        };
        if !questioned {
            // A line that breaks, and a restart, must not turn the rest of the answer into words about the run itself.
            self.record(Fact::Questioned { job })?;
        }
        let heard = Box::new(Run::new(run, None));
        self.t.pinpad.at = Some(PinpadAt::Asking { run, job, question, heard });
        self.effect(Effect::PinpadAsk { run, question });
        Ok(())
    }

    /// An operator ends a doubt of the payment, or else of its refund, or of the settlement that has this id.
    pub(super) fn resolve(
        &mut self,
        id: PaymentId,
        verdict: Verdict,
        name: &str,
        reason: &str,
        evidence: Option<&str>,
    ) -> Result<(), Rejection> {
        if let Some(s) = self.t.settlement.clone().filter(|s| s.id.0 == id.0) {
            return self.resolve_settlement(&s, verdict, name, reason, evidence);
        }
        let payment = self.known(id)?;
        let resolution = signature(name, reason, evidence);
        if self.t.is_sale_doubted(&payment) {
            if let Some(found) = evidence.filter(|_| verdict == Verdict::Paid) {
                self.unclaimed(&payment, found)?;
            }
            self.record(Fact::Resolved { payment: id, resolution })?;
            if payment.run.as_ref().is_some_and(|run| !run.is_over()) {
                self.record(Fact::RunOver { job: sale(id), over: RunOver::Operator })?;
            }
            self.resolve_sale(id, verdict, name, reason, evidence)?;
            if payment.run.is_some() {
                self.forget_mark()?;
            }
            if payment.sbp.is_some() {
                self.code_given_up(&payment, verdict == Verdict::Paid)?;
            }
        } else {
            let doubted = |r: &&Refund| matches!(r.state, RefundState::InDoubt { .. });
            let Some(r) = payment.refunds.iter().find(doubted) else {
                let hint = "only what is in doubt can be resolved";
                return Err(Denial::WrongState { payment: id, state: payment.state.name(), hint }.into());
            };
            self.record(Fact::Resolved { payment: id, resolution })?;
            if r.run.is_some() {
                self.record(Fact::RunOver { job: refund(id, r.id), over: RunOver::Operator })?;
                self.forget_mark()?;
            }
            match verdict {
                Verdict::Paid => self.refund_done(&payment, r)?,
                Verdict::Absent => self.refund_became(id, r.id, RefundState::Refused(looked_up()))?,
            }
        }
        self.done.about = Some(crate::payment::event::Subject::Payment(id));
        self.plan_question(0);
        Ok(())
    }

    fn resolve_sale(
        &mut self,
        id: PaymentId,
        verdict: Verdict,
        name: &str,
        reason: &str,
        evidence: Option<&str>,
    ) -> Result<(), Rejection> {
        match verdict {
            Verdict::Paid => {
                let code = self.known(id)?.sbp.as_ref().and_then(|sbp| sbp.code.clone());
                let approval = Approval {
                    payment_id: evidence.map(str::to_owned).or_else(|| code.map(|code| code.operation_id)),
                    evidence: Some(format!("resolved by {name}: {reason}")),
                    ..Approval::default()
                };
                self.approve(id, approval)
            }
            Verdict::Absent => self.decline(id, looked_up()),
        }
    }

    fn resolve_settlement(
        &mut self,
        s: &Settlement,
        verdict: Verdict,
        name: &str,
        reason: &str,
        evidence: Option<&str>,
    ) -> Result<(), Rejection> {
        if !matches!(s.state, SettlementState::InDoubt { .. }) {
            let hint = "only what is in doubt can be resolved";
            return Err(Denial::WrongState { payment: PaymentId(s.id.0), state: s.state.name(), hint }.into());
        }
        let state = match verdict {
            Verdict::Paid => SettlementState::Done,
            Verdict::Absent => {
                let message = Some("an operator has looked it up: the shift is open".to_owned());
                SettlementState::Refused { code: None, message }
            }
        };
        self.record(Fact::SettlementResolved { settlement: s.id, resolution: signature(name, reason, evidence) })?;
        self.record(Fact::RunOver { job: settlement(s.id), over: RunOver::Operator })?;
        self.settlement_became(s.id, state)?;
        self.done.about = Some(crate::payment::event::Subject::Settlement(s.id));
        self.plan_question(0);
        Ok(())
    }

    /// An operator's word is no mark of the PinPad's: until the next card operation nobody knows which one was its last, and a doubt
    /// in between is for a person again.
    fn forget_mark(&mut self) -> Result<(), Rejection> {
        self.t.pinpad.learned = false;
        Ok(self.record(Fact::CardMarked { mark: CardMark::default() })?)
    }
}

impl Terminal {
    /// The number of the open shift, or of one before it: the shift of the last card operation, or the one after the shift that was closed
    /// from here since then.
    pub(super) fn shift_at_least(&self) -> Option<String> {
        let last = self.register.last_card.as_ref()?;
        let since = self.settlement.as_ref().filter(|s| last.rrn.is_some() && s.run.before.as_ref() == Some(last));
        let least = since.and_then(|s| {
            let closing = number(&s.run.slip.shift).or_else(|| number(&s.shift))?;
            // One that was refused left its shift open.
            Some(closing.saturating_add(u64::from(s.state == SettlementState::Done)))
        });
        least.map(|least| least.to_string()).or_else(|| last.shift.clone())
    }

    /// A sale whose money may have moved unseen: in doubt, or called off while the PinPad had it and never heard of again.
    #[must_use]
    pub fn is_sale_doubted(&self, payment: &Payment) -> bool {
        let at_work = |run: &Run| matches!(&self.pinpad.at, Some(PinpadAt::Job { run: at, .. }) if *at == run.id);
        let hanging = || payment.run.as_ref().is_some_and(|run| !run.is_over() && !at_work(run));
        matches!(payment.state, State::InDoubt { .. }) || payment.state.is_final() && hanging()
    }
}

fn signature(name: &str, reason: &str, evidence: Option<&str>) -> Resolution {
    Resolution { name: name.to_owned(), reason: reason.to_owned(), evidence: evidence.map(str::to_owned) }
}

/// An operator's word that nothing happened. Who said so and why is in the resolution, and none of the tills' business.
fn looked_up() -> Decline {
    let message = Some("an operator has looked it up: no money moved".to_owned());
    Decline { why: DeclineKind::Absent, code: None, message }
}
