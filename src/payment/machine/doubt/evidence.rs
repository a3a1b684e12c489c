//! What the PinPad's answers prove about what is in doubt. Evidence matches terminal, receipt number, RRN and amount, never clocks.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::pinpad::{card_approval, refund, rrn, sale, settlement};
use super::super::{Rejection, Step};
use crate::payment::card::{CardMark, Job, Question, ResultClass, Run, RunOver, SettlementId, SettlementState, Slip};
use crate::payment::event::RunEnd;
use crate::payment::fact::Fact;
use crate::payment::money::Money;
use crate::payment::sale::{
    Decline, DeclineKind, Method, Payment, PaymentId, Refund, RefundId, RefundKind, RefundState,
};

impl Step {
    /// What the PinPad's answer proves. What proves nothing changes nothing; the question is asked again later.
    pub(in super::super) fn conclude_question(
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
            Job::Refund { payment, refund } => self.refund_evidence(payment, refund, question, heard),
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
        let mut ours = listed.iter().filter(|slip| self.is_new_sale(&payment, run, question, slip));
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

    /// An approved sale of our amount, on our terminal, that no payment here has claimed and that is younger than the one before ours.
    fn is_new_sale(&self, payment: &Payment, run: &Run, question: Question, slip: &Slip) -> bool {
        let Some(printed) = &slip.rrn else { return false };
        let fits = slip.approved == Some(true)
            && !gives_back(slip)
            && !contradicts(&run.slip, payment.amount)
            && slip.conflict.is_none()
            && is_amount(slip, payment.amount)
            && self.t.with_upstream(Method::Humo, printed).next().is_none();
        // What the run itself said before it broke off is better than any comparison.
        fits && match (rrn(run), known(&run.before)) {
            (Some(own), _) => own == *printed,
            (None, Some(before)) => is_younger(before, question, slip),
            // Nobody knows what the PinPad did before: an older sale of the same amount would look like ours.
            (None, None) => run.before.as_ref().is_some_and(|before| before.none),
        }
    }

    /// The PinPad's last transaction is one that was over before ours began, or its whole report lists the one before ours and nothing
    /// unclaimed after it.
    fn proves_absent(&self, run: &Run, question: Question, heard: &Run, listed: &[&Slip]) -> bool {
        let class = heard.result.as_ref().map(|r| r.class);
        if run.before.as_ref().is_none_or(|before| before.none) {
            // The first card operation ever: the PinPad must say that it knows of none.
            return class == Some(ResultClass::NotFound) && listed.iter().all(|slip| slip.rrn.is_none());
        }
        let Some(before) = known(&run.before) else { return false };
        // A report that was broken off may not have come to ours.
        if class != Some(ResultClass::Approved) || rrn(run).is_some() {
            return false;
        }
        let is_before = |slip: &Slip| slip.rrn == before.rrn && slip.conflict.is_none();
        match question {
            // After the void of an older sale, which has that sale's numbers, the last transaction is a later sale.
            Question::LastTransaction => is_before(&heard.slip) || self.is_an_earlier_sale(before, &heard.slip),
            Question::DetailedReport | Question::ShortReport => {
                let claimed = |slip: &Slip| {
                    slip.rrn.as_ref().is_some_and(|rrn| self.t.with_upstream(Method::Humo, rrn).next().is_some())
                        || slip.approved == Some(false)
                        || is_refund(slip)
                        || is_before(slip)
                };
                let mut operations = listed.iter().filter(|slip| speaks_of_an_operation(slip));
                listed.iter().any(|slip| is_before(slip)) && operations.all(|slip| claimed(slip))
            }
        }
    }

    /// A card sale of another payment, number by number as its own slip had it, on the PinPad that was at work before ours. One sale is at
    /// work at a time, so it was over before ours began, and ours would be the last one, had it happened.
    fn is_an_earlier_sale(&self, before: &CardMark, slip: &Slip) -> bool {
        let is_it = |p: &Arc<Payment>| {
            let own = sale_mark(p);
            let told = own.receipt_number.is_some() && own.terminal_id.is_some();
            told && own == slip.mark() && is_amount(slip, p.amount)
        };
        let here = slip.terminal_id == before.terminal_id && slip.conflict.is_none();
        here && slip.rrn.as_ref().is_some_and(|rrn| self.t.with_upstream(Method::Humo, rrn).any(is_it))
    }

    /// Only the last transaction speaks of a refund: a report lists it among others that look alike. Of a void a report speaks, too.
    fn refund_evidence(
        &mut self,
        id: PaymentId,
        refund_id: RefundId,
        question: Question,
        heard: &Run,
    ) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let Some((r, run)) = payment.refund(refund_id).and_then(|r| r.run.as_ref().map(|run| (r, run))) else {
            return Ok(());
        };
        let slip = &heard.slip;
        if heard.result.as_ref().is_none_or(|told| told.class != ResultClass::Approved) {
            return Ok(());
        }
        if contradicts(&run.slip, r.amount) {
            return Ok(());
        }
        if question == Question::DetailedReport && r.kind == RefundKind::Void {
            return self.void_in_report(&payment, r, run, &heard.entries);
        }
        if question != Question::LastTransaction || slip.conflict.is_some() || slip.rrn.is_none() {
            return Ok(());
        }
        let before = known(&run.before);
        // A void may carry the sale's own numbers.
        let before_is_the_sale =
            before.is_some_and(|b| b.rrn == sale_mark(&payment).rrn && !is_other_receipt(b, &payment));
        let is_before = before.is_some_and(|b| b.rrn == slip.rrn && same_receipt(b, slip));
        // A PinPad may mark the sale that was voided, and go on showing the sale after it as its last one: then only its report tells.
        let tells = r.kind == RefundKind::Refund || before_is_the_sale;
        if is_before && tells && !(gives_back(slip) && before_is_the_sale) {
            return self.refund_absent(id, refund_id, "the PinPad's last transaction is still the one before it");
        }
        let of_this_sale = slip.rrn == sale_mark(&payment).rrn && (before_is_the_sale || payment.refunds.len() == 1);
        let others = |rrn: &String| self.t.with_upstream(Method::Humo, rrn).any(|p| p.id != id);
        let ours = match (rrn(run), before) {
            (Some(own), _) => slip.rrn == Some(own),
            (None, Some(b)) if b.rrn != slip.rrn => of_this_sale || is_younger(b, question, slip),
            (None, _) => of_this_sale,
        };
        let claimed = slip.rrn.as_ref().is_some_and(others);
        if gives_back(slip) && slip.approved == Some(true) && is_amount(slip, r.amount) && ours && !claimed {
            return self.refund_shown(&payment, r, run, slip);
        }
        Ok(())
    }

    /// A report lists the sale itself, marked as voided, or the void beside it. That there was none is proven only where the sale stands as
    /// it was, and nothing beside it may be this void.
    fn void_in_report(&mut self, payment: &Payment, r: &Refund, run: &Run, listed: &[Slip]) -> Result<(), Rejection> {
        let (sale, before) = (sale_mark(payment), known(&run.before));
        let of_this_sale = |slip: &&Slip| {
            let named = slip.rrn.is_some() && slip.rrn == sale.rrn && slip.conflict.is_none();
            named && slip.approved == Some(true) && is_amount(slip, r.amount)
        };
        if let Some(slip) = listed.iter().filter(of_this_sale).find(|slip| gives_back(slip)) {
            return self.refund_shown(payment, r, run, slip);
        }
        let others = |rrn: &String| self.t.with_upstream(Method::Humo, rrn).any(|p| p.id != payment.id);
        let is_known = |slip: &Slip| {
            let earlier = before.is_some_and(|b| {
                b.rrn == slip.rrn && same_receipt(b, slip) || age(b, slip).is_some_and(Ordering::is_lt)
            });
            earlier || slip.rrn.as_ref().is_some_and(others)
        };
        let may_be_ours = |slip: &Slip| gives_back(slip) && is_amount(slip, r.amount) && !is_known(slip);
        let untouched = listed.iter().any(|slip| of_this_sale(&slip));
        if untouched && !listed.iter().any(may_be_ours) && run.slip.approved != Some(true) {
            return self.refund_absent(payment.id, r.id, "the PinPad's report shows the sale as it was");
        }
        Ok(())
    }

    /// The PinPad showed that the money went back.
    fn refund_shown(&mut self, payment: &Payment, r: &Refund, run: &Run, slip: &Slip) -> Result<(), Rejection> {
        self.record(Fact::RunOver { job: refund(payment.id, r.id), over: RunOver::Asked })?;
        self.mark_card(&Run { slip: slip.clone(), ..run.clone() })?;
        self.refund_done(payment, r)
    }

    /// The PinPad showed that no money went back.
    fn refund_absent(&mut self, id: PaymentId, refund_id: RefundId, message: &str) -> Result<(), Rejection> {
        self.record(Fact::RunOver { job: refund(id, refund_id), over: RunOver::Asked })?;
        let decline = Decline { why: DeclineKind::Absent, code: None, message: Some(message.to_owned()) };
        self.refund_became(id, refund_id, RefundState::Refused(decline))
    }

    /// What a report proves about the closing of a shift. `done` means that no sale known here is in an open shift any more, and that is
    /// all that a report can say: with a later number the money is settled, be it by our run or by somebody's hand at the PinPad. The
    /// totals are on the slip of whoever closed it, so none are told. `refused` means that the very shift is still open: the number that
    /// our run began with is the run's own, or else the least that the open shift can have had, so that the same number now leaves no
    /// room for a closing in between.
    fn settlement_evidence(&mut self, id: SettlementId, heard: &Run) -> Result<(), Rejection> {
        let Some(s) = self.t.settlement.clone().filter(|s| s.id == id) else { return Ok(()) };
        // A report that was refused, or that names two shifts, says nothing about either.
        let told = heard.result.as_ref().is_some_and(|r| r.class == ResultClass::Approved);
        let of_one = |slip: &Slip| slip.conflict.is_none() && (slip.shift.is_none() || slip.shift == heard.slip.shift);
        if !told || !heard.entries.iter().all(of_one) {
            return Ok(());
        }
        let before = s.run.before.as_ref().and_then(|mark| mark.terminal_id.as_ref());
        let begun_on = s.run.slip.terminal_id.as_ref().or(before);
        if begun_on.zip(heard.slip.terminal_id.as_ref()).is_some_and(|(begun_on, now)| begun_on != now) {
            // Another PinPad's shifts say nothing about the money on this one.
            return Ok(());
        }
        let closing = number(&s.run.slip.shift).or_else(|| number(&s.shift));
        let (Some(closing), Some(now)) = (closing, number(&heard.slip.shift)) else { return Ok(()) };
        let state = match now.cmp(&closing) {
            Ordering::Greater => SettlementState::Done,
            Ordering::Equal => {
                let message = Some(format!("the PinPad's report still shows shift {now}"));
                SettlementState::Refused { code: None, message }
            }
            // It counts anew, or it is another PinPad: no comparison holds, and a person has to look.
            Ordering::Less => return Ok(()),
        };
        self.record(Fact::RunOver { job: settlement(id), over: RunOver::Asked })?;
        self.settlement_became(id, state)
    }
}

/// The last card operation before a run, where it can be recognised.
fn known(before: &Option<CardMark>) -> Option<&CardMark> {
    before.as_ref().filter(|mark| mark.rrn.is_some())
}

/// What the sale's own slip was marked with.
fn sale_mark(payment: &Payment) -> CardMark {
    let mark = payment.run.as_ref().map(|run| run.slip.mark()).unwrap_or_default();
    CardMark { rrn: payment.approval.as_ref().and_then(|a| a.payment_id.clone()), ..mark }
}

fn is_other_receipt(mark: &CardMark, payment: &Payment) -> bool {
    let own = sale_mark(payment).receipt_number;
    mark.receipt_number.is_some() && own.is_some() && mark.receipt_number != own
}

fn is_amount(slip: &Slip, amount: Money) -> bool {
    slip.amount_minor.and_then(|minor| i64::try_from(minor).ok()) == Some(amount.minor())
}

/// What the operation printed of itself is not what was asked for: then a later paper of the same PinPad that agrees does not settle it. Two
/// papers say two amounts, and a person has to look at what the bank has taken.
fn contradicts(own: &Slip, amount: Money) -> bool {
    own.conflict.is_some() || own.amount_minor.is_some() && !is_amount(own, amount)
}

pub(super) fn number(text: &Option<String>) -> Option<u64> {
    text.as_ref().and_then(|n| n.trim().parse().ok())
}

/// Whether this slip is of a later operation on the same terminal. The last transaction is, unless its numbers say the opposite; an entry
/// of a report has to prove it by shift and receipt number.
fn is_younger(before: &CardMark, question: Question, slip: &Slip) -> bool {
    let terminals = before.terminal_id.as_ref().zip(slip.terminal_id.as_ref());
    let elsewhere = terminals.is_some_and(|(known, printed)| known != printed);
    if elsewhere || before.rrn == slip.rrn || same_receipt(before, slip) {
        return false;
    }
    age(before, slip).map_or(question == Question::LastTransaction, Ordering::is_gt)
}

/// Whether the slip's operation came before that one (less) or after it (greater), by shift and receipt number.
fn age(before: &CardMark, slip: &Slip) -> Option<Ordering> {
    match (number(&before.shift), number(&slip.shift)) {
        (Some(then), Some(now)) if then != now => Some(now.cmp(&then)),
        (None, Some(_)) | (Some(_), None) => None,
        _ => number(&before.receipt_number).zip(number(&slip.receipt_number)).map(|(then, now)| now.cmp(&then)),
    }
}

/// The slip has the receipt number of that operation, in the same shift.
fn same_receipt(before: &CardMark, slip: &Slip) -> bool {
    before.receipt_number.is_some() && before.receipt_number == slip.receipt_number && before.shift == slip.shift
}

/// A part of a report that stands for something done with a card. Its heads and totals name the terminal, the shift and the day, and no more.
fn speaks_of_an_operation(slip: &Slip) -> bool {
    let of_a_card = [&slip.rrn, &slip.authorisation_code, &slip.response_code, &slip.card_masked, &slip.receipt_number];
    let money = [slip.amount_minor, slip.surcharge_minor, slip.total_minor];
    of_a_card.iter().any(|field| field.is_some())
        || money.iter().any(Option::is_some)
        || slip.operation.is_some()
        || slip.approved.is_some()
        || slip.cancelled
        || slip.conflict.is_some()
}

/// Money that was given back, and no sale that was voided.
fn is_refund(slip: &Slip) -> bool {
    let refunds = |operation: &String| ["возврат", "refund"].contains(&operation.to_lowercase().as_str());
    !slip.cancelled && slip.operation.as_ref().is_some_and(refunds)
}

/// A slip of money that went back.
fn gives_back(slip: &Slip) -> bool {
    let speaks_of_it = |operation: &String| {
        let operation = operation.to_lowercase();
        ["возврат", "отмена", "void", "refund", "reversal"].iter().any(|word| operation.contains(word))
    };
    slip.cancelled || slip.operation.as_ref().is_some_and(speaks_of_it)
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
