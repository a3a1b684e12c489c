//! Payments that a till creates first and accepts later (seed 003). An accepted one is a sale like any other.

use std::collections::BTreeMap;

use super::till::{settlements_token, wrong_state};
use super::{Rejection, Step};
use crate::payment::card::RunId;
use crate::payment::code::CodeKind;
use crate::payment::event::{Denial, Subject};
use crate::payment::fact::Fact;
use crate::payment::order::{Accept, Ask, Asked, Create, Parties, Terms, Wish};
use crate::payment::sale::{CancelledBy, Method, Payment, PaymentId, State};
use crate::payment::sbp::{Sbp, SbpAsk};
use crate::payment::terminal::Terminal;

/// Who moves the money of a payment as far as that is known before anybody pays, and what QRManager will be asked for.
struct Payable {
    method: Method,
    auto: bool,
    sbp: Option<Box<Sbp>>,
}

impl Step {
    pub(super) fn create(&mut self, create: &Create) -> Result<(), Rejection> {
        if let Some((first, _)) = self.t.settlement_with_token(&create.token) {
            return Err(settlements_token(first).into());
        }
        if let Some(first) = self.t.with_token(&create.token)?.map(|first| first.id) {
            self.done.about = Some(Subject::Payment(first));
            return Ok(());
        }
        if let Some(why) = &self.t.register.closed {
            return Err(Denial::SalesClosed { why: why.clone() }.into());
        }
        let Payable { method, auto, sbp } = self.t.payable(&create.terms)?;
        self.make_room(create.token.till())?;
        let parties = Box::new(Parties {
            sender_id: create.sender_id.clone(),
            recipient_id: create.recipient_id.clone(),
            method_id: create.terms.method_id.clone(),
        });
        self.record(Fact::Created {
            payment: create.id,
            method,
            auto,
            amount: create.terms.amount,
            token: create.token.clone(),
            order_id: create.order_id.clone(),
            parties,
            merchant: self.t.policy.merchant.clone().unwrap_or_default(),
            sbp,
        })?;
        let deadline = self.now.monotonic_ms.saturating_add(self.t.policy.created_wait_ms);
        self.t.created_deadlines_monotonic_ms.insert(create.id, deadline);
        self.done.about = Some(Subject::Payment(create.id));
        Ok(())
    }

    /// A payment that nobody has accepted makes room for a new one: none of them may keep the next customer out. It is the oldest of the till that asks,
    /// where that has its share; else, where all together are too many, of the till that has most. So nobody loses one to a till that has more.
    fn make_room(&mut self, till: &str) -> Result<(), Rejection> {
        let waiting = || self.t.payments.values().filter(|p| p.state == State::Created);
        let mut held = BTreeMap::from([(till, 0_usize)]);
        waiting().for_each(|p| *held.entry(p.till()).or_default() += 1);
        let own = held.get(till).copied().unwrap_or_default();
        let most = held.iter().max_by_key(|(of, count)| (**count, **of == till)).map(|(of, _)| *of);
        let loser = match most {
            _ if own >= self.t.policy.created_per_till_max => Some(till),
            most if waiting().count() >= self.t.policy.created_max => most,
            _ => None,
        };
        let oldest = waiting().filter(|p| Some(p.till()) == loser).min_by_key(|p| (p.created_ms, p.id)).map(|p| p.id);
        oldest.map_or(Ok(()), |oldest| self.give_up(oldest, CancelledBy::TooMany))
    }

    /// A created payment ends because nobody accepted it.
    fn give_up(&mut self, id: PaymentId, by: CancelledBy) -> Result<(), Rejection> {
        self.t.created_deadlines_monotonic_ms.remove(&id);
        self.record(Fact::Cancelled { payment: id, by })?;
        self.settled(id);
        Ok(())
    }

    /// End the created payments whose time is over.
    pub(super) fn expire_created(&mut self) -> Result<(), Rejection> {
        let deadlines = &self.t.created_deadlines_monotonic_ms;
        let due: Vec<_> = deadlines.iter().filter(|(_, at)| **at <= self.now.monotonic_ms).map(|(id, _)| *id).collect();
        for id in due {
            if self.t.payments.get(&id).is_some_and(|p| p.state == State::Created) {
                self.give_up(id, CancelledBy::Limit)?;
            } else {
                self.t.created_deadlines_monotonic_ms.remove(&id);
            }
        }
        Ok(())
    }

    /// What the last life left unaccepted waits on, for what is left of its time. A clock that stepped shortens or lengthens it within its limit.
    pub(super) fn resume_created(&mut self) {
        let limit = self.t.policy.created_wait_ms;
        let left = |p: &Payment| {
            let age = u64::try_from(self.now.wall_ms.saturating_sub(p.created_ms)).unwrap_or(0);
            self.now.monotonic_ms.saturating_add(limit.saturating_sub(age))
        };
        let waiting = self.t.payments.values().filter(|p| p.state == State::Created);
        self.t.created_deadlines_monotonic_ms = waiting.map(|p| (p.id, left(p))).collect();
    }

    pub(super) fn asked(&mut self, ask: &Ask) -> Result<(), Rejection> {
        if let Some((first, _)) = self.t.settlement_with_token(&ask.token) {
            return Err(settlements_token(first).into());
        }
        if let Some(first) = self.t.with_wish(&ask.token)? {
            self.done.about = Some(Subject::Payment(first));
            return Ok(());
        }
        let payment = self.known(ask.payment)?;
        match &ask.what {
            Asked::Edit(terms) => self.edit(&payment, terms, ask)?,
            Asked::Accept(accept) => self.accept(&payment, accept, ask)?,
            Asked::Cancel { .. } => {
                // A payment that is called off already is called off.
                self.may_cancel(&payment)?;
                let over = matches!(payment.state, State::Cancelled { .. });
                if !over || payment.wishes.len() < self.t.policy.wishes_max {
                    self.wish(ask)?;
                }
                if !over {
                    self.call_off(&payment, CancelledBy::Till)?;
                }
            }
        }
        self.done.about = Some(Subject::Payment(ask.payment));
        Ok(())
    }

    fn wish(&mut self, ask: &Ask) -> Result<(), Rejection> {
        let wish = Wish { token: ask.token.clone(), what: (&ask.what).into(), at_ms: self.now.wall_ms };
        Ok(self.record(Fact::Wished { payment: ask.payment, wish })?)
    }

    fn edit(&mut self, payment: &Payment, terms: &Terms, ask: &Ask) -> Result<(), Rejection> {
        if payment.state != State::Created {
            return Err(wrong_state(payment, "only a payment that is not accepted yet can be edited").into());
        }
        // Its accept and its cancel find a place, however often it was changed.
        if payment.wishes.len().saturating_add(2) >= self.t.policy.wishes_max {
            return Err(wrong_state(payment, "it was changed too often; accept it as it is, or cancel it").into());
        }
        let Payable { method, auto, sbp } = self.t.payable(terms)?;
        self.wish(ask)?;
        self.record(Fact::Edited {
            payment: payment.id,
            method,
            auto,
            amount: terms.amount,
            method_id: terms.method_id.clone(),
            sbp,
        })?;
        Ok(())
    }

    fn accept(&mut self, payment: &Payment, accept: &Accept, ask: &Ask) -> Result<(), Rejection> {
        if payment.state != State::Created {
            return Err(wrong_state(payment, "it was accepted or ended before; ask for its status").into());
        }
        if let Some(why) = &self.t.register.closed {
            return Err(Denial::SalesClosed { why: why.clone() }.into());
        }
        let method = self.t.method_of(payment, accept.code.as_deref())?;
        let by_code = accept.code.is_some();
        let attended = if method == Method::Sbp { accept.display } else { !by_code };
        if let Some(open) = self.t.counter().filter(|_| attended) {
            return Err(Denial::Busy { with: open.id }.into());
        }
        let run = if by_code || method != Method::Humo { None } else { self.card_run(payment, accept)? };
        let link_id = match &payment.sbp {
            Some(sbp) => self.room_for_code(payment.till(), &sbp.ask)?,
            None => None,
        };
        self.wish(ask)?;
        self.t.created_deadlines_monotonic_ms.remove(&payment.id);
        self.record(Fact::Accepted {
            payment: payment.id,
            method,
            code: accept.code.clone(),
            attended,
            state: if by_code { State::BankProcessing } else { State::AwaitingPayer },
            run: run.map(|run| (run, self.t.register.last_card.clone())),
            warned_of: self.t.doubted_of(payment.amount),
            link_id,
        })?;
        if method == Method::Sbp { self.ask_for_code(payment.id) } else { self.set_going(payment.id, run) }
    }

    /// The PinPad's run, if there is to be one. Where a code may pay as well, a PinPad that cannot begin keeps no customer out.
    fn card_run(&self, payment: &Payment, accept: &Accept) -> Result<Option<RunId>, Denial> {
        match self.t.pinpad_free() {
            Ok(()) => Ok(Some(accept.run)),
            Err(_) if self.t.may_be_scanned(payment) => Ok(None),
            Err(why) => Err(why),
        }
    }
}

impl Terminal {
    /// Whether and how the terms can be met on this terminal.
    fn payable(&self, terms: &Terms) -> Result<Payable, Denial> {
        // Whatever the customer shows: a card or a code. What the terminal shows has to be asked for by name.
        let auto = [Method::Humo, Method::Click, Method::Payme];
        let known = |method: &Method| self.policy.methods.contains(method);
        let method = match terms.method {
            Some(method) => Some(method).filter(known),
            None => auto.into_iter().find(known),
        };
        let method = method.ok_or(Denial::NotConfigured { method: terms.method.unwrap_or(Method::Humo) })?;
        let sbp = match &terms.sbp {
            Some(ask) if method == Method::Sbp => Some(Box::new(self.shown_code(ask.as_ref().clone())?)),
            _ => None,
        };
        if method != Method::Sbp && self.policy.merchant.is_none() {
            return Err(Denial::NotConfigured { method });
        }
        Ok(Payable { method, auto: terms.method.is_none(), sbp })
    }

    /// A code that the terminal will show, for a QR terminal that is set up.
    pub(super) fn shown_code(&self, ask: SbpAsk) -> Result<Sbp, Denial> {
        match self.policy.sbp.get(&ask.profile).copied() {
            Some(receipts) => Ok(Sbp { ask, receipts, ..Sbp::default() }),
            None => Err(Denial::NoProfile { profile: ask.profile }),
        }
    }

    /// Who moves the money of a payment that is accepted with this code, or without one.
    fn method_of(&self, payment: &Payment, code: Option<&str>) -> Result<Method, Denial> {
        let Some(code) = code else { return Ok(payment.method) };
        let unfit = |why: &str| Denial::CodeUnfit { why: why.to_owned() };
        let method = match (payment.auto, payment.method.scans()) {
            (false, false) => return Err(unfit("this payment takes no code of the customer; leave qr_code out")),
            // The till has named the provider: a code of another shape is passed on.
            (false, true) => payment.method,
            (true, _) => self
                .paid_by(payment, code)
                .ok_or_else(|| unfit("nobody who is set up on this terminal takes money for this code"))?,
        };
        match self.with_code(method, code) {
            Some(first) => Err(Denial::CodeUsed { by: first.id }),
            None => Ok(method),
        }
    }

    /// Who takes the payment's money for a code that is shown, if anybody does.
    pub(super) fn paid_by(&self, payment: &Payment, code: &str) -> Option<Method> {
        if !payment.auto {
            return Some(payment.method);
        }
        let mut scanning = self.policy.methods.iter().copied().filter(|method| method.scans());
        match self.policy.codes.classify(code) {
            // A shape that no table knows can only belong to the one provider that there is.
            CodeKind::Unknown => scanning.next().filter(|_| scanning.next().is_none()),
            kind => kind.method().filter(|method| self.policy.methods.contains(method)),
        }
    }
}
