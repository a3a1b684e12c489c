//! The machine: (terminal, event, now) → (terminal, facts, effects). Pure; one test can play a million days of it.
//!
//! Each arm of [`step`] is one event; its decisions stand in the file of whoever sent it: `till`, `order` (tills that create first and
//! accept later), `counter` (what the customer shows), `answers` (providers), `receipts` (the outbox), `pinpad`, `sbp` (QRManager), `doubt` (questions, restarts, operators).

mod answers;
mod counter;
mod doubt;
mod order;
mod pinpad;
mod receipts;
mod sbp;
#[cfg(test)]
mod tests;
mod till;

use std::sync::Arc;

use super::event::{Denial, Effect, Event, Notice, SaleRef, Subject};
use super::fact::{ApplyError, Fact};
use super::order::{Accept, Asked};
use super::sale::{Method, Payment, PaymentId, State, Token, UnixMs};
use super::sbp::SbpHeard;
use super::terminal::{Lookup, Pinpad, PinpadAt, Terminal};

/// What one event led to.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Lines for the journal, already applied to the terminal that comes with them.
    pub facts: Vec<Fact>,
    /// Work to be released after the commit.
    pub effects: Vec<Effect>,
    /// What the sender of the event asked about; `None` = nothing to show.
    pub about: Option<Subject>,
}

/// Why an event changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Something speaks against it.
    Denied(Denial),
    /// The machine contradicted its own diagram: a bug, to be logged with the event.
    Fault(ApplyError),
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<ApplyError> for Rejection {
    fn from(fault: ApplyError) -> Self {
        Self::Fault(fault)
    }
}

/// The time, read by whoever calls the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What is written down. May step in both directions.
    pub wall_ms: UnixMs,
    /// What is waited by. Never steps back; starts anywhere.
    pub monotonic_ms: u64,
}

/// One step of the machine.
///
/// # Errors
/// The event is refused; the terminal stays as it was.
pub fn step(terminal: &Terminal, event: &Event, now: Now) -> Result<(Terminal, Decision), Rejection> {
    let mut step = Step { t: terminal.clone(), now, done: Decision::default() };
    step.take(event)?;
    Ok((step.t, step.done))
}

/// The rows that an event needs beside those in memory.
#[must_use]
pub fn lookups(terminal: &Terminal, event: &Event) -> Vec<Lookup> {
    let by_ref = |of: &SaleRef| match of {
        SaleRef::Payment(id) => Lookup::Payment(*id),
        SaleRef::Upstream(method, id) => Lookup::Upstream(*method, id.clone()),
    };
    let by_token = |token: &Option<Token>| token.iter().map(|t| Lookup::Token(t.key.clone())).collect::<Vec<_>>();
    match event {
        Event::Sell(sell) => {
            let mut wanted = by_token(&sell.token);
            wanted.extend(sell.code.iter().map(|code| Lookup::Code(sell.method, code.clone())));
            if sell.method == Method::Humo && sell.token.is_none() {
                wanted.extend(terminal.register.last_sales.iter().copied().map(Lookup::Payment));
            }
            wanted
        }
        Event::Create(create) => vec![Lookup::Token(create.token.key.clone())],
        Event::Ask(ask) => {
            let mut wanted = vec![Lookup::Token(ask.token.key.clone()), Lookup::Payment(ask.payment)];
            if let Asked::Accept(Accept { code: Some(code), .. }) = &ask.what {
                // Which of them moves the money may be the code's to say.
                wanted.extend(Method::ALL.into_iter().filter(|m| m.scans()).map(|m| Lookup::Code(m, code.clone())));
            }
            wanted
        }
        Event::GiveBack(back) => {
            let mut wanted = by_token(&back.token);
            wanted.push(by_ref(&back.of));
            wanted
        }
        Event::Settle { token, .. } => by_token(token),
        Event::Confirm(confirm) => vec![by_ref(&confirm.of)],
        Event::Scanned { text } => {
            let method = terminal.awaiting_scan().and_then(|p| terminal.paid_by(p, text));
            method.map(|method| Lookup::Code(method, text.clone())).into_iter().collect()
        }
        Event::Cancel { payment: Some(payment), .. }
        | Event::TillGone { payment }
        | Event::Answered { payment }
        | Event::ProviderAnswered { payment, .. }
        | Event::SignConfirmation { payment, .. }
        | Event::Delivered { payment, .. } => vec![Lookup::Payment(*payment)],
        Event::Sbp(
            SbpHeard::Code { payment, .. }
            | SbpHeard::Status { payment, .. }
            | SbpHeard::Silent { payment }
            | SbpHeard::Refund { payment, .. },
        ) => vec![Lookup::Payment(*payment)],
        // What an operator found may belong to another payment.
        Event::Resolve { payment, evidence: found, .. }
        | Event::RetryConfirmation { payment, upstream_id: found, .. } => {
            let others = Method::ALL.into_iter().zip(std::iter::repeat(found)).filter_map(|(method, found)| {
                found.as_ref().map(|upstream| Lookup::Upstream(method, upstream.clone()))
            });
            std::iter::once(Lookup::Payment(*payment)).chain(others).collect()
        }
        Event::PinpadFinished { .. } => match &terminal.pinpad.at {
            // A question's answer may show an RRN that we know from an older payment.
            Some(PinpadAt::Asking { heard, .. }) => heard
                .entries
                .iter()
                .chain([&heard.slip])
                .filter_map(|slip| slip.rrn.clone())
                .map(|rrn| Lookup::Upstream(Method::Humo, rrn))
                .collect(),
            // The code that waits for this end may have paid elsewhere.
            _ => terminal.held_code.iter().map(|held| Lookup::Code(held.method, held.code.clone())).collect(),
        },
        _ => Vec::new(),
    }
}

/// One step in the making: a copy of the terminal, changed by facts as they are recorded.
struct Step {
    t: Terminal,
    now: Now,
    done: Decision,
}

impl Step {
    fn take(&mut self, event: &Event) -> Result<(), Rejection> {
        match event {
            Event::Sell(sell) => self.sell(sell),
            Event::Create(create) => self.create(create),
            Event::Ask(ask) => self.asked(ask),
            Event::GiveBack(back) => self.give_back(back),
            Event::Settle { id, run, token } => self.settle(*id, *run, token.as_ref()),
            Event::Confirm(confirm) => self.confirm(confirm),
            Event::Cancel { payment, operator } => self.cancel(*payment, *operator),
            Event::TillGone { payment } => self.till_gone(*payment),
            Event::Answered { payment } => self.answered(*payment),
            Event::Scanned { text } => self.scanned(text),
            Event::ProviderAnswered { payment, outcome } => self.provider_answered(*payment, outcome),
            Event::Sbp(heard) => self.sbp_heard(heard),
            Event::RegisterLink(wish) => self.register_link(wish),
            Event::PinpadUp => self.pinpad_up(),
            Event::PinpadDown { why } => {
                self.t.pinpad = Pinpad {
                    up: false,
                    down_why: Some(why.clone()),
                    status: None,
                    learned: false,
                    ..self.t.pinpad.clone()
                };
                Ok(())
            }
            Event::PinpadStatus { run, text } => {
                if self.t.pinpad.at.as_ref().is_some_and(|at| at.run() == *run) {
                    self.t.pinpad.status = Some(text.clone());
                }
                Ok(())
            }
            Event::PinpadSaid { run, sequence, said } => self.pinpad_said(*run, *sequence, said),
            Event::PinpadFinished { run, end } => self.pinpad_finished(*run, end),
            Event::Delivered { payment, number, outcome, jitter_permille } => {
                self.delivered(*payment, *number, outcome, *jitter_permille)
            }
            Event::Resolve { payment, verdict, name, reason, evidence } => {
                self.resolve(*payment, *verdict, name, reason, evidence.as_deref())
            }
            Event::RetryConfirmation { payment, receipt, upstream_id, name } => {
                self.retry_confirmation(*payment, receipt.as_ref(), upstream_id.as_deref(), name)
            }
            Event::SignConfirmation { payment, resolution } => self.sign_confirmation(*payment, resolution),
            Event::CloseSales { why } => Ok(self.record(Fact::SalesClosed { why: why.clone() })?),
            Event::OpenSales { name, reason } => {
                Ok(self.record(Fact::SalesOpened { name: name.clone(), reason: reason.clone() })?)
            }
            Event::Scanner { present } => {
                self.t.scanner_present = *present;
                Ok(())
            }
            Event::Started => self.started(),
            Event::Tick { run } => self.tick(*run),
        }
    }

    /// Write a line and change the terminal by it.
    fn record(&mut self, fact: Fact) -> Result<(), ApplyError> {
        self.t.apply(self.now.wall_ms, &fact)?;
        self.done.facts.push(fact);
        Ok(())
    }

    fn effect(&mut self, effect: Effect) {
        self.done.effects.push(effect);
    }

    /// Tell whoever waits for this payment that it may be answered.
    fn settled(&mut self, payment: PaymentId) {
        if self.t.register.last_sales.contains(&payment) {
            self.t.sales_ended_monotonic_ms.insert(payment, self.now.monotonic_ms);
        }
        self.effect(Effect::Settled(Subject::Payment(payment)));
    }

    fn notice(&mut self, notice: Notice) {
        self.t.notice = Some((self.now.wall_ms, notice.clone()));
        self.effect(Effect::Notice(notice));
    }

    /// The payment, which must be known.
    fn known(&self, id: PaymentId) -> Result<Arc<Payment>, Denial> {
        self.t.payments.get(&id).cloned().ok_or_else(|| Denial::NotFound { what: format!("transaction_id {id}") })
    }

    /// What an operator found is this payment's own: no other payment has it.
    fn unclaimed(&self, payment: &Payment, upstream: &str) -> Result<(), Denial> {
        let Some(other) = self.t.with_upstream(payment.method, upstream).find(|p| p.id != payment.id) else {
            return Ok(());
        };
        let hint = "another payment has this payment_id or RRN; look it up again";
        Err(Denial::WrongState { payment: other.id, state: other.state.name(), hint })
    }

    /// The one payment that a till names.
    fn named(&self, of: &SaleRef) -> Result<Arc<Payment>, Denial> {
        match of {
            SaleRef::Payment(id) => self.known(*id),
            SaleRef::Upstream(method, upstream) => {
                let mut found = self.t.with_upstream(*method, upstream);
                match (found.next(), found.next()) {
                    (Some(one), None) => Ok(one.clone()),
                    (Some(_), Some(_)) => Err(Denial::NotFound {
                        what: format!("{upstream} names several payments; name one by its transaction_id"),
                    }),
                    (None, _) => Err(Denial::NotFound { what: format!("{method} payment_id {upstream}") }),
                }
            }
        }
    }
}

impl Terminal {
    /// Payments in memory that the provider calls so.
    fn with_upstream<'a>(&'a self, method: Method, upstream: &'a str) -> impl Iterator<Item = &'a Arc<Payment>> {
        self.payments.values().filter(move |p| {
            p.method == method && p.approval.as_ref().and_then(|a| a.payment_id.as_deref()) == Some(upstream)
        })
    }

    /// A payment for which this code is in use: held for it, in progress, in doubt, or paid.
    fn with_code(&self, method: Method, code: &str) -> Option<&Arc<Payment>> {
        let in_hand = self.code_in_hand().filter(|held| held.method == method && held.code == code);
        in_hand.and_then(|held| self.payments.get(&held.payment)).or_else(|| {
            self.payments.values().find(|p| {
                let in_use = !matches!(p.state, State::Declined(_) | State::Cancelled { .. } | State::Expired);
                p.method == method && in_use && p.code.as_deref() == Some(code)
            })
        })
    }

    /// When the machine wants the next [`Event::Tick`], by the clock that never steps.
    #[must_use]
    pub fn next_tick_monotonic_ms(&self) -> Option<u64> {
        let scan = self.scan_ends_monotonic_ms();
        let unaccepted = self.created_deadlines_monotonic_ms.values().copied().min();
        let ask =
            self.pinpad.next_ask.filter(|_| self.pinpad.up && self.pinpad.at.is_none()).map(|ask| ask.at_monotonic_ms);
        let card = self.asks_for_card_at_monotonic_ms();
        scan.into_iter().chain(unaccepted).chain(ask).chain(card).min()
    }
}
