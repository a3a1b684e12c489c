//! What the PinPad says, and what follows from it. STORERC decides, ENDTR closes; whatever does not agree with itself is in doubt.

use super::{Rejection, Step};
use crate::payment::card::{CardMark, Job, ResultClass, Run, RunId, RunOver, SettlementId, SettlementState};
use crate::payment::event::{Effect, PinpadOrder, RunEnd, Said, Subject};
use crate::payment::fact::Fact;
use crate::payment::money::Money;
use crate::payment::sale::{
    Approval, Decline, DeclineKind, Doubt, Method, Payment, PaymentId, Refund, RefundId, RefundKind, RefundState, State,
};
use crate::payment::terminal::{NextAsk, PinpadAt, Terminal};

pub(super) fn sale(payment: PaymentId) -> Job {
    Job::Sale { payment }
}

pub(super) fn refund(payment: PaymentId, refund: RefundId) -> Job {
    Job::Refund { payment, refund }
}

pub(super) fn settlement(settlement: SettlementId) -> Job {
    Job::Settlement { settlement }
}

/// What a job is called in messages.
pub(super) fn name(job: Job) -> String {
    match job {
        Job::Sale { payment } => format!("payment {payment}"),
        Job::Refund { payment, refund } => format!("refund {refund} of payment {payment}"),
        Job::Settlement { settlement } => format!("settlement {settlement}"),
    }
}

/// What a finished run proves.
pub(super) enum Proof {
    /// The operation was done.
    Done,
    /// It was not.
    NotDone(Decline),
    /// Nobody knows.
    Unknown(Doubt),
}

impl Step {
    /// Send the PinPad to work, after the commit.
    pub(super) fn start_run(&mut self, run: RunId, job: Job, order: PinpadOrder) {
        self.t.pinpad.at = Some(PinpadAt::Job { run, job });
        self.t.pinpad.status = None;
        self.effect(Effect::PinpadRun { run, order });
    }

    pub(super) fn pinpad_up(&mut self) -> Result<(), Rejection> {
        self.t.pinpad.up = true;
        self.t.pinpad.down_why = None;
        // A mute PinPad that speaks again in the middle of a run: the run goes on.
        if self.t.pinpad.at.is_some() {
            return Ok(());
        }
        let interrupted =
            self.t.open_jobs().find_map(|(job, run)| run.filter(|r| !r.is_over()).map(|r| (job, r.clone())));
        if let Some((job, run)) = interrupted {
            self.t.pinpad.at = Some(PinpadAt::Recovering { run: run.id, job });
            self.effect(Effect::PinpadRecover { run: run.id, card_presented: run.card_presented });
        } else {
            self.plan_question(0);
        }
        Ok(())
    }

    pub(super) fn pinpad_said(&mut self, run: RunId, sequence: u32, said: &Said) -> Result<(), Rejection> {
        let interrupted = self.t.interrupted_job(run).filter(|job| !self.t.is_questioned(*job));
        match &mut self.t.pinpad.at {
            Some(PinpadAt::Asking { run: at, heard, .. } | PinpadAt::Learning { run: at, heard, .. }) if *at == run => {
                match said {
                    Said::CardPresented => {}
                    Said::Print { slip, entries, .. } => {
                        heard.slip = (**slip).clone();
                        heard.entries.clone_from(entries);
                    }
                    Said::Tags(tags) => heard.tags.extend(tags.iter().cloned()),
                    Said::Result(result) => heard.result = Some(result.clone()),
                }
            }
            // Whatever the PinPad is thought to be at: what it says of an open run is evidence.
            _ => {
                // Of a run that nobody knows any more, or of a question that was cut: let the PinPad go on.
                let Some(job) = interrupted else {
                    self.effect(Effect::PinpadRelease { run, sequence });
                    return Ok(());
                };
                let fact = match said {
                    Said::CardPresented => Fact::CardPresented { job },
                    Said::Print { masked, printed, slip, .. } => {
                        Fact::Printed { job, text: masked.clone(), printed: printed.clone(), slip: slip.clone() }
                    }
                    Said::Tags(tags) => Fact::Tagged { job, tags: tags.clone() },
                    Said::Result(result) => Fact::Result { job, result: result.clone() },
                };
                self.record(fact)?;
            }
        }
        self.effect(Effect::PinpadRelease { run, sequence });
        Ok(())
    }

    pub(super) fn pinpad_finished(&mut self, run: RunId, end: &RunEnd) -> Result<(), Rejection> {
        if self.t.pinpad.at.as_ref().is_none_or(|at| at.run() != run) {
            return Ok(());
        }
        self.t.pinpad.status = None;
        match self.t.pinpad.at.take() {
            Some(PinpadAt::Job { job, .. }) => self.conclude(job, end)?,
            Some(PinpadAt::Recovering { job, .. }) if *end == RunEnd::Ended && !self.t.is_questioned(job) => {
                self.conclude(job, end)?;
            }
            // Nothing more to hear of it, and the line is good: ask.
            Some(PinpadAt::Recovering { .. }) => {}
            Some(PinpadAt::Asking { job, question, heard, .. }) => {
                let asked = self.t.pinpad.next_ask.map_or(1, |ask| ask.asked.saturating_add(1));
                self.conclude_question(job, question, &heard, end)?;
                self.plan_question(asked);
                return Ok(());
            }
            Some(PinpadAt::Learning { heard, .. }) => {
                self.t.pinpad.learned = true;
                self.learn(&heard, end)?;
            }
            None => {}
        }
        self.plan_question(0);
        Ok(())
    }

    /// Without a mark of the operation before it, no doubt about a card could be ended by the PinPad's word. A mark that is older than the
    /// PinPad's last operation would end it wrongly: then the store is a backup, or the PinPad another one.
    fn learn(&mut self, heard: &Run, end: &RunEnd) -> Result<(), Rejection> {
        let told = heard.result.as_ref().filter(|_| *end == RunEnd::Ended && heard.slip.conflict.is_none());
        let known = self.t.register.last_card.clone().unwrap_or_default();
        match (told.map(|r| r.class), &heard.slip.rrn) {
            (Some(ResultClass::Approved), rrn @ Some(_)) if *rrn == known.rrn => Ok(()),
            (Some(ResultClass::NotFound), None) if known.none => Ok(()),
            (Some(ResultClass::Approved), Some(_)) => self.mark_card(heard),
            (Some(ResultClass::NotFound), None) => {
                Ok(self.record(Fact::CardMarked { mark: CardMark { none: true, ..CardMark::default() } })?)
            }
            _ => Ok(()),
        }
    }

    /// When the PinPad should be asked next, if anything is in doubt. `asked` = questions asked in vain about it. Where its last transaction
    /// proves nothing its report is asked for at once.
    pub(super) fn plan_question(&mut self, asked: u32) {
        // A pause there always is: a PinPad that answers at once must not keep the driver from everything else.
        let pause = if asked == 0 || asked % 2 == 1 { 0 } else { self.t.policy.ask_every_ms.max(1) };
        let at_monotonic_ms = self.now.monotonic_ms.saturating_add(pause);
        let open = self.t.open_jobs().next().is_some() || self.t.has_to_learn();
        self.t.pinpad.next_ask = open.then_some(NextAsk { at_monotonic_ms, asked });
    }

    fn conclude(&mut self, job: Job, end: &RunEnd) -> Result<(), Rejection> {
        match job {
            Job::Sale { payment } => self.conclude_sale(payment, end),
            Job::Refund { payment, refund } => self.conclude_refund(payment, refund, end),
            Job::Settlement { settlement } => self.conclude_settlement(settlement, end),
        }
    }

    fn conclude_sale(&mut self, id: PaymentId, end: &RunEnd) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some(run) = &payment.run else { return Ok(()) };
        let proof = proof(run, end, Asked::Sale(payment.amount));
        // Called off, and the PinPad went on to an end that proves nothing: it has to be asked, as if nobody had called it off.
        let unproven = payment.state.is_final() && run.card_presented && matches!(proof, Proof::Unknown(_));
        if let Some(over) = over(run, end, &proof).filter(|_| !unproven) {
            self.record(Fact::RunOver { job: sale(id), over })?;
        }
        match proof {
            Proof::Done => {
                if payment.state == State::AwaitingPayer {
                    // It was approved, so a card was there.
                    self.record(Fact::CardPresented { job: sale(id) })?;
                }
                self.mark_card(run)?;
                self.approve(id, card_approval(run, None))
            }
            Proof::NotDone(_) if self.turns_to_code(&payment)? => Ok(()),
            Proof::NotDone(decline) => self.decline(id, decline),
            Proof::Unknown(why) => self.doubt(id, why),
        }
    }

    fn conclude_refund(&mut self, id: PaymentId, refund_id: RefundId, end: &RunEnd) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some((r, run)) = payment.refund(refund_id).and_then(|r| r.run.as_ref().map(|run| (r, run))) else {
            return Ok(());
        };
        let proof = proof(run, end, Asked::Back(r.kind, r.amount));
        if let Some(over) = over(run, end, &proof) {
            self.record(Fact::RunOver { job: refund(id, refund_id), over })?;
        }
        match proof {
            Proof::Done => {
                self.mark_card(run)?;
                self.refund_done(&payment, r)
            }
            Proof::NotDone(decline) => self.refund_became(id, refund_id, RefundState::Refused(decline)),
            Proof::Unknown(why) => self.refund_became(id, refund_id, RefundState::InDoubt { why }),
        }
    }

    /// The money went back; the payment is `refunded` when all of it did.
    pub(super) fn refund_done(&mut self, payment: &Payment, refund: &Refund) -> Result<(), Rejection> {
        self.refund_became(payment.id, refund.id, RefundState::Done)?;
        let done = |r: &&Refund| r.state == RefundState::Done;
        let back: i64 = self.known(payment.id)?.refunds.iter().filter(done).map(|r| r.amount.minor()).sum();
        if back == payment.amount.minor() && payment.state == State::Paid {
            self.record(Fact::Refunded { payment: payment.id })?;
        }
        Ok(())
    }

    pub(super) fn refund_became(
        &mut self,
        id: PaymentId,
        refund: RefundId,
        state: RefundState,
    ) -> Result<(), Rejection> {
        let known = self.known(id)?;
        let Some(now) = known.refund(refund).map(|r| &r.state) else { return Ok(()) };
        // What the PinPad proves stands above what an operator believed.
        let corrected = matches!(now, RefundState::Refused(_)) && state == RefundState::Done;
        if *now == state || now.is_final() && !corrected {
            return Ok(());
        }
        self.record(Fact::RefundBecame { payment: id, refund, state })?;
        self.effect(Effect::Settled(Subject::Refund(id, refund)));
        Ok(())
    }

    fn conclude_settlement(&mut self, id: SettlementId, end: &RunEnd) -> Result<(), Rejection> {
        let Some(s) = self.t.settlement.clone().filter(|s| s.id == id) else { return Ok(()) };
        let proof = proof(&s.run, end, Asked::Settlement);
        if let Some(over) = over(&s.run, end, &proof) {
            self.record(Fact::RunOver { job: settlement(id), over })?;
        }
        let state = match proof {
            Proof::Done => SettlementState::Done,
            Proof::NotDone(decline) => SettlementState::Refused { code: decline.code, message: decline.message },
            Proof::Unknown(why) => SettlementState::InDoubt { why },
        };
        self.settlement_became(id, state)
    }

    pub(super) fn settlement_became(&mut self, id: SettlementId, state: SettlementState) -> Result<(), Rejection> {
        if self.t.settlement.as_ref().is_some_and(|s| s.state.is_final() || s.state == state) {
            return Ok(());
        }
        self.record(Fact::SettlementBecame { settlement: id, state })?;
        self.effect(Effect::Settled(Subject::Settlement(id)));
        Ok(())
    }

    /// Remember the last card operation that is known to have happened.
    pub(super) fn mark_card(&mut self, run: &Run) -> Result<(), Rejection> {
        let mut mark = run.slip.mark();
        mark.rrn = rrn(run);
        Ok(self.record(Fact::CardMarked { mark })?)
    }
}

/// What was asked of the PinPad, as far as its slip can contradict it.
enum Asked {
    Sale(Money),
    Back(RefundKind, Money),
    Settlement,
}

/// What a run proves by its own words.
fn proof(run: &Run, end: &RunEnd, asked: Asked) -> Proof {
    match end {
        RunEnd::NotSent { why } => {
            let decline = Decline { why: DeclineKind::NotSent, code: None, message: Some(why.clone()) };
            return Proof::NotDone(decline);
        }
        RunEnd::Lost { why } => return Proof::Unknown(Doubt::PinpadLost { text: why.clone() }),
        RunEnd::Ended => {}
    }
    let Some(result) = &run.result else { return Proof::Unknown(Doubt::NoResult) };
    if result.class == ResultClass::Unknown {
        let text = format!("the result code {} is in no table", result.code);
        return Proof::Unknown(Doubt::Contradiction { text });
    }
    if let Some(field) = &run.slip.conflict {
        let text = format!("the slip shows two values for {field}");
        return Proof::Unknown(Doubt::Contradiction { text });
    }
    let void = matches!(asked, Asked::Back(RefundKind::Void, _));
    let done = match result.class {
        ResultClass::Approved => true,
        ResultClass::ApprovedForVoid => void,
        _ => false,
    };
    let says_approved = run.slip.approved;
    if done && matches!(asked, Asked::Sale(_)) && run.slip.cancelled {
        let text = "the sale was approved, and its slip says that it was cancelled".to_owned();
        return Proof::Unknown(Doubt::Contradiction { text });
    }
    if done && says_approved == Some(false) || !done && says_approved == Some(true) {
        let text = format!("the result code is {} and the slip says the opposite", result.code);
        return Proof::Unknown(Doubt::Contradiction { text });
    }
    if !done {
        let why = match result.class {
            ResultClass::Cancelled => DeclineKind::CancelledAtPinpad,
            ResultClass::Misconfigured => DeclineKind::Misconfigured,
            _ => DeclineKind::Refused,
        };
        return Proof::NotDone(Decline { why, code: Some(result.code.clone()), message: None });
    }
    match asked {
        Asked::Sale(money) | Asked::Back(_, money) => match run.slip.amount_minor {
            Some(on_slip) if i64::try_from(on_slip) == Ok(money.minor()) => Proof::Done,
            Some(on_slip_minor) => Proof::Unknown(Doubt::AmountDiffers { on_slip_minor }),
            None => {
                let text = "it was approved, but no slip shows the amount".to_owned();
                Proof::Unknown(Doubt::Contradiction { text })
            }
        },
        Asked::Settlement if run.slip.totals_agree == Some(false) => {
            let text = "the shift was closed, but its totals do not agree".to_owned();
            Proof::Unknown(Doubt::Contradiction { text })
        }
        Asked::Settlement => Proof::Done,
    }
}

/// Whether nothing more will be heard of a run. A PinPad that gave up before any card was presented has done what it was asked to;
/// one that fell silent, or ended without a code after a card, will be asked.
fn over(run: &Run, end: &RunEnd, proof: &Proof) -> Option<RunOver> {
    match (end, proof) {
        (RunEnd::NotSent { .. }, _) => Some(RunOver::NotSent),
        (RunEnd::Lost { .. }, _) => None,
        (RunEnd::Ended, Proof::Unknown(Doubt::NoResult)) if run.card_presented => None,
        (RunEnd::Ended, _) => Some(RunOver::Ended),
    }
}

/// The RRN that a run speaks of.
pub(super) fn rrn(run: &Run) -> Option<String> {
    let tagged = || run.tags.iter().find(|(name, value)| name == "RRN" && !value.is_empty()).map(|(_, v)| v.clone());
    run.slip.rrn.clone().or_else(tagged)
}

/// The approval that a run's slip stands for.
pub(super) fn card_approval(run: &Run, evidence: Option<String>) -> Approval {
    Approval {
        payment_id: rrn(run),
        status: run.slip.response_code.clone().or_else(|| run.result.as_ref().map(|r| r.code.clone())),
        evidence,
        ..Approval::default()
    }
}

impl Terminal {
    /// The PinPad was not asked for its last operation since its line came up: it may be another PinPad, or the store yesterday's.
    pub(super) fn has_to_learn(&self) -> bool {
        self.policy.methods.contains(&Method::Humo) && !self.pinpad.learned
    }

    /// Card operations whose end is not known: at work, interrupted or in doubt, oldest first. The run is `None` where nothing of it can be heard any more.
    pub(super) fn open_jobs(&self) -> impl Iterator<Item = (Job, Option<&Run>)> {
        let sales = self.payments.values().flat_map(|p| {
            let open = |run: &&Run| !run.is_over() || matches!(p.state, State::InDoubt { .. });
            // A run that left the money to a code has nothing more to say, whatever becomes of the code.
            let own = p
                .run
                .as_ref()
                .filter(|_| p.method == Method::Humo)
                .filter(open)
                .map(|run| (p.created_ms, sale(p.id), Some(run)));
            let back = p.refunds.iter().filter_map(|r| {
                let run = r.run.as_ref()?;
                let open = !run.is_over() || !r.state.is_final();
                open.then_some((r.created_ms, refund(p.id, r.id), Some(run)))
            });
            own.into_iter().chain(back)
        });
        let closing = self.settlement.iter().filter(|s| !s.state.is_final() || !s.run.is_over());
        let closing = closing.map(|s| (s.created_ms, settlement(s.id), Some(&s.run)));
        let mut jobs: Vec<_> = sales.chain(closing).collect();
        jobs.sort_by_key(|(created_ms, ..)| *created_ms);
        jobs.into_iter().map(|(_, job, run)| (job, run))
    }

    /// What this run is for, if its end is not known.
    fn interrupted_job(&self, run: RunId) -> Option<Job> {
        if let Some(PinpadAt::Job { run: at, job } | PinpadAt::Recovering { run: at, job }) = &self.pinpad.at
            && *at == run
        {
            return Some(*job);
        }
        self.open_jobs().find(|(_, open)| open.is_some_and(|open| open.id == run)).map(|(job, _)| job)
    }

    /// The PinPad was asked about this operation: what is heard after a lost line may be the rest of its answer, about any operation.
    fn is_questioned(&self, job: Job) -> bool {
        self.open_jobs().any(|(open, run)| open == job && run.is_some_and(|run| run.questioned))
    }

    /// Whether a card operation may have moved money that nobody knows of.
    pub(super) fn is_job_open(&self, job: Job) -> bool {
        self.open_jobs().any(|(open, _)| open == job)
    }
}
