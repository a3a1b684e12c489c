//! What tills ask for, and what the scanner reads for them.

use std::sync::Arc;

use super::{Rejection, Step};
use crate::payment::card::{RunId, Settlement, SettlementId, SettlementState};
use crate::payment::event::{Denial, Effect, GiveBack, PinpadOrder, Sell, Subject};
use crate::payment::fact::Fact;
use crate::payment::money::Money;
use crate::payment::sale::{CancelledBy, Method, Payment, PaymentId, Refund, RefundKind, RefundState, State, Token};
use crate::payment::terminal::{CardWait, PinpadAt, Terminal};

impl Step {
    pub(super) fn sell(&mut self, sell: &Sell) -> Result<(), Rejection> {
        if let Some(first) = self.first_of(sell)? {
            self.done.about = Some(Subject::Payment(first));
            return Ok(());
        }
        if let Some(why) = &self.t.register.closed {
            return Err(Denial::SalesClosed { why: why.clone() }.into());
        }
        let not_set_up = Denial::NotConfigured { method: sell.method };
        if !self.t.policy.methods.contains(&sell.method) {
            return Err(not_set_up.into());
        }
        let card = sell.method == Method::Humo;
        let attended = match sell.method {
            Method::Humo => true,
            Method::Click | Method::Payme => sell.code.is_none(),
            Method::Sbp => sell.display,
        };
        if let Some(open) = self.t.counter().filter(|_| attended) {
            return Err(Denial::Busy { with: open.id }.into());
        }
        if sell.method == Method::Sbp {
            return self.sell_by_shown_code(sell);
        }
        let merchant = self.t.policy.merchant.clone().ok_or(not_set_up)?;
        if card {
            self.t.pinpad_free()?;
        }
        let state = if sell.code.is_some() && !card { State::BankProcessing } else { State::AwaitingPayer };
        self.record(Fact::Opened {
            payment: sell.id,
            method: sell.method,
            amount: sell.amount,
            code: sell.code.clone(),
            attended,
            token: sell.token.clone(),
            order_id: sell.order_id.clone(),
            merchant,
            state,
            run: card.then(|| (sell.run, self.t.register.last_card.clone())),
            warned_of: self.t.doubted_of(sell.amount),
            sbp: None,
        })?;
        self.set_going(sell.id, card.then_some(sell.run))?;
        self.done.about = Some(Subject::Payment(sell.id));
        Ok(())
    }

    /// Ask for the money that was just written down: of the PinPad, of the provider whose code is known, or wait for a code.
    pub(super) fn set_going(&mut self, id: PaymentId, run: Option<RunId>) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        if let Some(run) = run {
            self.start_run(run, super::pinpad::sale(id), PinpadOrder::Sale(payment.amount));
        }
        if payment.state == State::BankProcessing {
            self.effect(Effect::Charge { payment });
        } else if self.t.may_be_scanned(&payment) {
            let now = self.now.monotonic_ms;
            self.t.scan_deadline_monotonic_ms = Some(now.saturating_add(self.t.policy.scan_wait_ms));
            // A PinPad that could not begin now is asked as soon as it can.
            let later = payment.auto && payment.method == Method::Humo && run.is_none();
            self.t.card =
                CardWait { next_monotonic_ms: later.then_some(now), runs: u32::from(!later), taken_back: false };
        }
        Ok(())
    }

    /// The payment that this request repeats, if it does.
    fn first_of(&self, sell: &Sell) -> Result<Option<PaymentId>, Denial> {
        if let Some(token) = &sell.token {
            if let Some((first, _)) = self.t.settlement_with_token(token) {
                return Err(settlements_token(first));
            }
            if let Some(first) = self.t.with_token(token)? {
                return Ok(Some(first.id));
            }
        } else if let Some(open) = self.t.counter() {
            // A double press: the same sale without a key, while the first is open.
            let same = open.token.is_none() && open.method == sell.method && open.amount == sell.amount;
            // An SBP sale beside the display is another one than that on it.
            let same_place = sell.display && open.code.is_none() == sell.code.is_none();
            if same && same_place && asks_the_same(open, sell) {
                return Ok(Some(open.id));
            }
        }
        if sell.method == Method::Humo && sell.token.is_none() {
            return Ok(self.unanswered_card_sale(sell));
        }
        if let Some(code) = &sell.code
            && let Some(first) = self.t.with_code(sell.method, code)
        {
            if first.amount == sell.amount {
                return Ok(Some(first.id));
            }
            return Err(Denial::CodeUsed { by: first.id });
        }
        Ok(None)
    }

    /// The last card sale of the same amount without a key, if its till cannot know how it ended. Another till may have sold since.
    fn unanswered_card_sale(&self, sell: &Sell) -> Option<PaymentId> {
        let last = self.t.register.last_sales.iter().rev().filter_map(|id| self.t.payments.get(id));
        last.filter(|p| p.token.is_none() && p.amount == sell.amount).find(|p| self.is_unanswered(p)).map(|p| p.id)
    }

    fn is_unanswered(&self, sale: &Payment) -> bool {
        // Within one life the clock that never steps decides; a step of the other one must not charge a customer twice.
        let age_ms = match self.t.sales_ended_monotonic_ms.get(&sale.id) {
            Some(ended) => i64::try_from(self.now.monotonic_ms.saturating_sub(*ended)).unwrap_or(i64::MAX),
            None => self.now.wall_ms.saturating_sub(sale.updated_ms),
        };
        let unheard = !sale.answered && age_ms <= self.t.policy.join_unanswered_ms;
        // Whoever hung up on a sale, or called it off, and asks again wants a new one.
        let called_off = matches!(sale.state, State::Cancelled { .. });
        !sale.state.is_final() || unheard && !called_off
    }

    pub(super) fn cancel(&mut self, payment: Option<PaymentId>, operator: bool) -> Result<(), Rejection> {
        let found = match payment {
            Some(id) => self.known(id)?,
            None => {
                let none = || Denial::NotFound { what: "no payment is waiting at the counter".to_owned() };
                self.t.counter().cloned().ok_or_else(none)?
            }
        };
        self.may_cancel(&found)?;
        if !matches!(found.state, State::Cancelled { .. }) {
            self.call_off(&found, if operator { CancelledBy::Operator } else { CancelledBy::Till })?;
        }
        self.done.about = Some(Subject::Payment(found.id));
        Ok(())
    }

    /// It can be called off, or was.
    pub(super) fn may_cancel(&self, payment: &Payment) -> Result<(), Denial> {
        let hint = match payment.state {
            State::Created | State::AwaitingPayer | State::Cancelled { .. } => return Ok(()),
            State::BankProcessing => "the bank is at work; wait for its answer",
            State::InDoubt { .. } => "nobody knows yet whether the money moved; it cannot be cancelled",
            State::Paid | State::Refunded => "give the money back with a void or a refund",
            State::Declined(_) | State::Expired => "it has already ended without money",
        };
        Err(wrong_state(payment, hint))
    }

    pub(super) fn till_gone(&mut self, payment: PaymentId) -> Result<(), Rejection> {
        let found = self.known(payment)?;
        // One that was created is its till's until that cancels it; whoever hung up had found it by the code that is held for it.
        if found.state == State::AwaitingPayer && found.parties.is_none() {
            self.call_off(&found, CancelledBy::TillGone)?;
        }
        Ok(())
    }

    /// A cancel is a wish: the PinPad is asked to give up, and money that still arrives becomes `paid`, `late`.
    pub(super) fn call_off(&mut self, payment: &Payment, by: CancelledBy) -> Result<(), Rejection> {
        self.record(Fact::Cancelled { payment: payment.id, by })?;
        if let Some(run) = payment.run.as_ref().filter(|run| !run.is_over()) {
            self.effect(Effect::PinpadCancel { run: run.id });
        }
        self.settled(payment.id);
        if payment.sbp.is_some() && payment.state != State::Created {
            self.effect(Effect::Settled(Subject::Code(payment.id)));
            self.code_given_up(payment, false)?;
        }
        Ok(())
    }

    /// Only card sales are found again by "was it ever answered"; others need no line for it.
    pub(super) fn answered(&mut self, payment: PaymentId) -> Result<(), Rejection> {
        let found = self.known(payment)?;
        if found.method == Method::Humo && found.state.is_final() && !found.answered {
            self.record(Fact::Answered { payment })?;
        }
        Ok(())
    }

    pub(super) fn give_back(&mut self, back: &GiveBack) -> Result<(), Rejection> {
        if let Some((first, _)) = back.token.as_ref().and_then(|token| self.t.settlement_with_token(token)) {
            return Err(settlements_token(first).into());
        }
        if let Some(token) = &back.token
            && let Some((payment, refund)) = self.t.refund_with_token(token)?
        {
            self.done.about = Some(Subject::Refund(payment, refund));
            return Ok(());
        }
        let payment = self.named(&back.of)?;
        if let Some(first) = repeated(&payment, back) {
            self.done.about = Some(Subject::Refund(payment.id, first.id));
            return Ok(());
        }
        is_paid(&payment)?;
        if payment.method == Method::Sbp {
            has_left(&payment, back)?;
            return self.give_back_by_request(&payment, back);
        }
        let order = self.give_back_order(&payment, back)?;
        let kind = match order {
            PinpadOrder::Void { .. } => RefundKind::Void,
            _ => RefundKind::Refund,
        };
        if let Some(open) = self.t.counter() {
            return Err(Denial::Busy { with: open.id }.into());
        }
        self.t.pinpad_free()?;
        self.record(Fact::RefundOpened {
            payment: payment.id,
            refund: back.id,
            kind,
            amount: back.amount,
            token: back.token.clone(),
            run: Some((back.run, self.t.register.last_card.clone())),
        })?;
        self.start_run(back.run, super::pinpad::refund(payment.id, back.id), order);
        self.done.about = Some(Subject::Refund(payment.id, back.id));
        Ok(())
    }

    /// Void or refund, if the sale allows it.
    fn give_back_order(&self, payment: &Payment, back: &GiveBack) -> Result<PinpadOrder, Denial> {
        if payment.method != Method::Humo {
            return Err(Denial::NotSupported { method: payment.method });
        }
        has_left(payment, back)?;
        let Some(rrn) = payment.approval.as_ref().and_then(|a| a.payment_id.clone()) else {
            let why = "the sale's slip has no RRN; give the money back at the PinPad itself".to_owned();
            return Err(Denial::RefundRefused { why });
        };
        if payment.begun_ms() < self.t.register.shift_began_ms {
            return Ok(PinpadOrder::Refund { amount: back.amount, rrn });
        }
        if back.amount != payment.amount {
            return Err(Denial::VoidedWhole { amount: payment.amount });
        }
        let receipt_number = payment.run.as_ref().and_then(|run| run.slip.receipt_number.clone());
        Ok(PinpadOrder::Void { amount: back.amount, rrn, receipt_number })
    }

    pub(super) fn settle(&mut self, id: SettlementId, run: RunId, token: Option<&Token>) -> Result<(), Rejection> {
        if let Some(token) = token {
            // Nobody's settlement: a sale or a refund has this key.
            self.t.refund_with_token(token)?;
            if let Some(sale) = self.t.with_token(token)? {
                return Err(Denial::TokenReused { of: sale.id }.into());
            }
            if let Some((first, asked)) = self.t.settlement_with_token(token) {
                if asked.digest != token.digest {
                    return Err(settlements_token(first).into());
                }
                self.done.about = Some(Subject::Settlement(first.id));
                return Ok(());
            }
        }
        if let Some(last) = &self.t.settlement {
            if last.state == SettlementState::Processing {
                if token.is_some() {
                    // Joined to another request's settlement, its repeat under this key would close the next shift.
                    return Err(Denial::PinpadBusy.into());
                }
                self.done.about = Some(Subject::Settlement(last.id));
                return Ok(());
            }
            if !last.state.is_final() {
                let why = format!("nobody knows yet whether settlement {} was done; resolve it first", last.id);
                return Err(Denial::SettlementRefused { why }.into());
            }
        }
        if !self.t.policy.methods.contains(&Method::Humo) {
            return Err(Denial::NotConfigured { method: Method::Humo }.into());
        }
        if let Some(open) = self.t.counter().filter(|p| p.method == Method::Humo) {
            return Err(Denial::Busy { with: open.id }.into());
        }
        self.t.pinpad_free()?;
        self.record(Fact::SettlementOpened {
            settlement: id,
            token: token.cloned(),
            shift: self.t.shift_at_least(),
            run: (run, self.t.register.last_card.clone()),
        })?;
        self.start_run(run, super::pinpad::settlement(id), PinpadOrder::Settlement);
        self.done.about = Some(Subject::Settlement(id));
        Ok(())
    }
}

/// Only then there is money to give back, by whatever way.
fn is_paid(payment: &Payment) -> Result<(), Denial> {
    let hint = match payment.state {
        State::Paid => return Ok(()),
        State::Refunded => "all of it was given back already",
        State::InDoubt { .. } => "nobody knows yet whether the money came; give nothing back before that is known",
        State::BankProcessing => "the bank is at work; wait for its answer",
        _ => "no money came, so there is nothing to give back",
    };
    Err(wrong_state(payment, hint))
}

/// So much of the sale is not given back yet.
fn has_left(payment: &Payment, back: &GiveBack) -> Result<(), Denial> {
    let left = payment.amount.minor().saturating_sub(payment.refunded_minor());
    if back.amount.currency() != payment.amount.currency() || back.amount.minor() > left || back.amount.minor() <= 0 {
        let left = Money::from_minor(left, payment.amount.currency());
        return Err(Denial::RefundTooMuch { paid: payment.amount, left });
    }
    Ok(())
}

/// Whether both are SBP sales of the same QR terminal, or neither is one.
fn asks_the_same(open: &Payment, sell: &Sell) -> bool {
    let asked = open.sbp.as_ref().map(|sbp| (&sbp.ask.profile, sbp.ask.cash_link));
    asked == sell.sbp.as_ref().map(|ask| (&ask.profile, ask.cash_link))
}

/// The refund that this request repeats without a token: a void is asked for once, a refund while it is open.
fn repeated<'a>(payment: &'a Payment, back: &GiveBack) -> Option<&'a Refund> {
    payment.refunds.iter().rev().find(|r| {
        let repeats = match r.kind {
            RefundKind::Void => r.state.holds_money(),
            RefundKind::Refund => !r.state.is_final(),
        };
        back.token.is_none() && r.amount == back.amount && repeats
    })
}

/// A settlement has this token.
pub(super) fn settlements_token(first: &Settlement) -> Denial {
    Denial::TokenReused { of: PaymentId(first.id.0) }
}

pub(super) fn wrong_state(payment: &Payment, hint: &'static str) -> Denial {
    Denial::WrongState { payment: payment.id, state: payment.state.name(), hint }
}

impl Terminal {
    /// The payment asked for under this token.
    pub(super) fn with_token(&self, token: &Token) -> Result<Option<&Arc<Payment>>, Denial> {
        for p in self.payments.values() {
            if let Some(first) = p.token.as_ref().filter(|t| t.key == token.key) {
                return if first.digest == token.digest { Ok(Some(p)) } else { Err(Denial::TokenReused { of: p.id }) };
            }
            if p.later_tokens().any(|(later, _)| later.key == token.key) {
                return Err(Denial::TokenReused { of: p.id });
            }
        }
        Ok(None)
    }

    /// The payment of which something was asked under this token after it had been created.
    pub(super) fn with_wish(&self, token: &Token) -> Result<Option<PaymentId>, Denial> {
        for p in self.payments.values() {
            if let Some(first) = p.wishes.iter().find(|wish| wish.token.key == token.key) {
                let same = first.token.digest == token.digest;
                return if same { Ok(Some(p.id)) } else { Err(Denial::TokenReused { of: p.id }) };
            }
            if p.has_token(&token.key) {
                return Err(Denial::TokenReused { of: p.id });
            }
        }
        Ok(None)
    }

    /// A doubted sale of the same amount: the next one like it is told of it.
    pub(super) fn doubted_of(&self, amount: Money) -> Option<PaymentId> {
        self.payments.values().find(|p| self.is_sale_doubted(p) && p.amount == amount).map(|p| p.id)
    }

    /// The settlement asked for under this token, and how it was asked for.
    pub(super) fn settlement_with_token(&self, token: &Token) -> Option<(&Arc<Settlement>, &Token)> {
        let asked = |s: &'_ Arc<Settlement>| s.token.as_ref().is_some_and(|first| first.key == token.key);
        let first = self.recalled.iter().chain(&self.settlement).find(|s| asked(s))?;
        first.token.as_ref().map(|asked| (first, asked))
    }

    /// The refund asked for under this token.
    fn refund_with_token(&self, token: &Token) -> Result<Option<(PaymentId, crate::payment::sale::RefundId)>, Denial> {
        for p in self.payments.values() {
            for r in &p.refunds {
                if let Some(first) = r.token.as_ref().filter(|t| t.key == token.key) {
                    let same = first.digest == token.digest;
                    return if same { Ok(Some((p.id, r.id))) } else { Err(Denial::TokenReused { of: p.id }) };
                }
            }
            if p.has_token(&token.key) {
                return Err(Denial::TokenReused { of: p.id });
            }
        }
        Ok(None)
    }

    /// The PinPad can begin something new: it is there, nothing runs on it, and nothing that ran on it is in doubt.
    pub(super) fn pinpad_free(&self) -> Result<(), Denial> {
        if let Some(of) = self.card_in_doubt() {
            return Err(Denial::PinpadInDoubt { of });
        }
        if !self.pinpad.up {
            let why = self.pinpad.down_why.clone().unwrap_or_else(|| "it was not found yet".to_owned());
            return Err(Denial::PinpadAbsent { why });
        }
        if self.pinpad.at.is_some() {
            return Err(Denial::PinpadBusy);
        }
        Ok(())
    }

    /// A card operation that nobody knows the end of and that is not being worked on, by name.
    fn card_in_doubt(&self) -> Option<String> {
        let at_work = match &self.pinpad.at {
            Some(PinpadAt::Job { job, .. }) => Some(*job),
            _ => None,
        };
        self.open_jobs().find(|(job, _)| Some(*job) != at_work).map(|(job, _)| super::pinpad::name(job))
    }
}

impl RefundState {
    /// Not begun, or with the bank.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Requested | Self::Processing)
    }
}
