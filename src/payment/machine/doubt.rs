//! Ends of doubts: restarts, questions to the PinPad, operators. Evidence matches terminal, receipt number, RRN and amount, never clocks.

use super::pinpad::{card_approval, refund, sale, settlement};
use super::{Rejection, Step};
use crate::payment::card::{
    CardMark, Job, Question, ResultClass, Run, RunId, RunOver, SettlementId, SettlementState, Slip,
};
use crate::payment::event::{Denial, Effect, RunEnd, Verdict};
use crate::payment::fact::Fact;
use crate::payment::sale::{
    Approval, CancelledBy, Decline, DeclineKind, Doubt, Method, Payment, PaymentId, Refund, RefundId, RefundState,
    Resolution, State,
};
use crate::payment::terminal::PinpadAt;

impl Step {
    /// The daemon begins: whatever the last life left in progress is in doubt, unless nothing can have been sent.
    pub(super) fn started(&mut self) -> Result<(), Rejection> {
        let open: Vec<_> = self.t.payments.values().cloned().collect();
        for payment in open {
            match payment.state {
                State::BankProcessing => self.doubt(payment.id, Doubt::Restart)?,
                // The PinPad has the request and may have gone on alone.
                State::AwaitingPayer if payment.method == Method::Humo => self.doubt(payment.id, Doubt::Restart)?,
                State::Created | State::AwaitingPayer => {
                    self.record(Fact::Cancelled { payment: payment.id, by: CancelledBy::Restart })?;
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
        self.effect(Effect::Deliver);
        Ok(())
    }

    pub(super) fn tick(&mut self, run: RunId) -> Result<(), Rejection> {
        self.expire_scan()?;
        let pinpad = &self.t.pinpad;
        let due = pinpad.next_ask.is_some_and(|ask| ask.at_monotonic_ms <= self.now.monotonic_ms);
        if !pinpad.up || pinpad.at.is_some() || !due {
            return Ok(());
        }
        let asked = pinpad.next_ask.map_or(0, |ask| ask.asked);
        let Some(job) = self.t.open_jobs().next().map(|(job, _)| job) else {
            self.t.pinpad.next_ask = None;
            return Ok(());
        };
        let question = match job {
            Job::Settlement { .. } => Question::ShortReport,
            _ if asked.is_multiple_of(2) => Question::LastTransaction,
            _ => Question::DetailedReport,
        };
        let heard = Box::new(Run::new(run, None));
        self.t.pinpad.at = Some(PinpadAt::Asking { run, job, question, heard });
        self.effect(Effect::PinpadAsk { run, question });
        Ok(())
    }

    /// What the PinPad's answer proves. What proves nothing changes nothing; the question is asked again later.
    pub(super) fn conclude_question(
        &mut self,
        job: Job,
        question: Question,
        heard: &Run,
        end: &RunEnd,
    ) -> Result<(), Rejection> {
        if *end != RunEnd::Ended || !self.t.is_job_open(job) {
            return Ok(());
        }
        match job {
            Job::Sale { payment } => self.sale_evidence(payment, question, heard),
            Job::Refund { payment, refund } => self.refund_evidence(payment, refund, heard),
            Job::Settlement { settlement } => self.settlement_evidence(settlement, heard),
        }
    }

    fn sale_evidence(&mut self, id: PaymentId, question: Question, heard: &Run) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some(run) = &payment.run else { return Ok(()) };
        let listed: Vec<&Slip> = match question {
            Question::LastTransaction => vec![&heard.slip],
            _ => heard.entries.iter().collect(),
        };
        let mut ours = listed.iter().filter(|slip| self.is_new_sale(&payment, run, slip));
        if let (Some(slip), None) = (ours.next(), ours.next()) {
            let found = Run { slip: (*slip).clone(), ..run.clone() };
            self.record(Fact::RunOver { job: sale(id), over: RunOver::Asked })?;
            self.mark_card(&found)?;
            let evidence = format!("the PinPad's {} shows it", question.name());
            return self.approve(id, card_approval(&found, Some(evidence)));
        }
        if self.proves_absent(run, question, heard, &listed) {
            self.record(Fact::RunOver { job: sale(id), over: RunOver::Asked })?;
            let message = Some(format!("the PinPad's {} does not know of it", question.name()));
            return self.decline(id, Decline { why: DeclineKind::Absent, code: None, message });
        }
        Ok(())
    }

    /// An approved sale of our amount, on our terminal, that no payment here has claimed and that is not the one before ours.
    fn is_new_sale(&self, payment: &Payment, run: &Run, slip: &Slip) -> bool {
        let Some(rrn) = &slip.rrn else { return false };
        let amount = slip.amount_minor.and_then(|minor| i64::try_from(minor).ok());
        let before = run.before.as_ref();
        let same_terminal = match (before.and_then(|b| b.terminal_id.as_ref()), &slip.terminal_id) {
            (Some(known), Some(printed)) => known == printed,
            _ => true,
        };
        slip.approved == Some(true)
            && !slip.cancelled
            && slip.conflict.is_none()
            && amount == Some(payment.amount.minor())
            && same_terminal
            && before.is_none_or(|b| b.rrn.as_ref() != Some(rrn) && !same_receipt(b, slip))
            && self.t.with_upstream(Method::Humo, rrn).next().is_none()
    }

    /// The PinPad's last transaction is still the one before ours, or its whole report lists that one and nothing unclaimed after it.
    fn proves_absent(&self, run: &Run, question: Question, heard: &Run, listed: &[&Slip]) -> bool {
        let Some(before) = &run.before else {
            // The first card operation ever: the PinPad must say that it knows of none.
            return heard.result.as_ref().is_some_and(|r| r.class == ResultClass::NotFound)
                && listed.iter().all(|slip| slip.rrn.is_none());
        };
        let is_before = |slip: &Slip| slip.rrn.is_some() && slip.rrn == before.rrn && slip.conflict.is_none();
        match question {
            Question::LastTransaction => is_before(&heard.slip),
            Question::DetailedReport | Question::ShortReport => {
                let claimed = |slip: &Slip| {
                    slip.rrn.as_ref().is_some_and(|rrn| self.t.with_upstream(Method::Humo, rrn).next().is_some())
                        || slip.approved == Some(false)
                        || is_before(slip)
                };
                listed.iter().any(|slip| is_before(slip)) && listed.iter().all(|slip| claimed(slip))
            }
        }
    }

    fn refund_evidence(&mut self, id: PaymentId, refund_id: RefundId, heard: &Run) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some((r, run)) = payment.refund(refund_id).and_then(|r| r.run.as_ref().map(|run| (r, run))) else {
            return Ok(());
        };
        let slip = &heard.slip;
        let amount = slip.amount_minor.and_then(|minor| i64::try_from(minor).ok());
        let before = run.before.as_ref();
        let is_before =
            !slip.cancelled && slip.rrn.is_some() && before.is_some_and(|b| b.rrn == slip.rrn && same_receipt(b, slip));
        if is_before {
            self.record(Fact::RunOver { job: refund(id, refund_id), over: RunOver::Asked })?;
            let message = Some("the PinPad's last transaction is still the one before it".to_owned());
            let decline = Decline { why: DeclineKind::Absent, code: None, message };
            return self.refund_became(id, refund_id, RefundState::Refused(decline));
        }
        let gives_back = slip.cancelled || slip.operation.as_deref().is_some_and(is_give_back);
        if gives_back && slip.approved == Some(true) && amount == Some(r.amount.minor()) {
            self.record(Fact::RunOver { job: refund(id, refund_id), over: RunOver::Asked })?;
            self.mark_card(&Run { slip: slip.clone(), ..run.clone() })?;
            return self.refund_done(&payment, r);
        }
        Ok(())
    }

    fn settlement_evidence(&mut self, id: SettlementId, heard: &Run) -> Result<(), Rejection> {
        let Some(s) = self.t.settlement.clone().filter(|s| s.id == id) else { return Ok(()) };
        let number = |shift: &Option<String>| shift.as_ref().and_then(|n| n.parse::<u64>().ok());
        let (Some(closing), Some(now)) = (number(&s.shift), number(&heard.slip.shift)) else { return Ok(()) };
        let state = if now > closing {
            SettlementState::Done
        } else {
            let message = Some(format!("the PinPad's report still shows shift {now}"));
            SettlementState::Refused { code: None, message }
        };
        self.record(Fact::RunOver { job: settlement(id), over: RunOver::Asked })?;
        self.settlement_became(id, state)
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
            return self.resolve_settlement(s.id, verdict, name, reason);
        }
        let payment = self.known(id)?;
        let resolution =
            Resolution { name: name.to_owned(), reason: reason.to_owned(), evidence: evidence.map(str::to_owned) };
        if matches!(payment.state, State::InDoubt { .. }) {
            if let Some(found) = evidence.filter(|_| verdict == Verdict::Paid) {
                self.unclaimed(&payment, found)?;
            }
            self.record(Fact::Resolved { payment: id, resolution })?;
            if payment.run.as_ref().is_some_and(|run| !run.is_over()) {
                self.record(Fact::RunOver { job: sale(id), over: RunOver::Operator })?;
            }
            self.resolve_sale(id, verdict, name, reason, evidence)?;
        } else {
            let doubted = |r: &&Refund| matches!(r.state, RefundState::InDoubt { .. });
            let Some(r) = payment.refunds.iter().find(doubted) else {
                let hint = "only what is in doubt can be resolved";
                return Err(Denial::WrongState { payment: id, state: payment.state.name(), hint }.into());
            };
            self.record(Fact::Resolved { payment: id, resolution })?;
            self.record(Fact::RunOver { job: refund(id, r.id), over: RunOver::Operator })?;
            match verdict {
                Verdict::Paid => self.refund_done(&payment, r)?,
                Verdict::Absent => self.refund_became(id, r.id, RefundState::Refused(signed(name, reason)))?,
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
                let approval = Approval {
                    payment_id: evidence.map(str::to_owned),
                    evidence: Some(format!("resolved by {name}: {reason}")),
                    ..Approval::default()
                };
                self.approve(id, approval)
            }
            Verdict::Absent => self.decline(id, signed(name, reason)),
        }
    }

    fn resolve_settlement(
        &mut self,
        id: SettlementId,
        verdict: Verdict,
        name: &str,
        reason: &str,
    ) -> Result<(), Rejection> {
        let state = match verdict {
            Verdict::Paid => SettlementState::Done,
            Verdict::Absent => {
                SettlementState::Refused { code: None, message: Some(format!("resolved by {name}: {reason}")) }
            }
        };
        self.record(Fact::RunOver { job: settlement(id), over: RunOver::Operator })?;
        self.settlement_became(id, state)?;
        self.done.about = Some(crate::payment::event::Subject::Settlement(id));
        self.plan_question(0);
        Ok(())
    }
}

/// An operator's word that nothing happened.
fn signed(name: &str, reason: &str) -> Decline {
    Decline { why: DeclineKind::Absent, code: None, message: Some(format!("resolved by {name}: {reason}")) }
}

/// The slip has the receipt number of that operation, in the same shift.
fn same_receipt(before: &CardMark, slip: &Slip) -> bool {
    before.receipt_number.is_some() && before.receipt_number == slip.receipt_number && before.shift == slip.shift
}

/// A slip's operation line that speaks of money going back.
fn is_give_back(operation: &str) -> bool {
    let operation = operation.to_lowercase();
    ["возврат", "отмена", "void", "refund", "reversal"].iter().any(|word| operation.contains(word))
}

impl Question {
    fn name(self) -> &'static str {
        match self {
            Self::LastTransaction => "last transaction",
            Self::DetailedReport => "detailed report",
            Self::ShortReport => "short report",
        }
    }
}
