//! When the disk does not take a commit: requests are refused, answers about money are owed until it does, and whoever waits hears *in doubt*.

use tracing::warn;

use super::handle::Envelope;
use super::ledger::{Ledger, LedgerError};
use super::{Driver, Outcome, named};
use crate::payment::event::{Denial, Effect, Event, Said, Subject};
use crate::payment::machine::{self, Decision, Now, Rejection};
use crate::payment::sbp::SbpHeard;
use crate::payment::terminal::{PinpadAt, Terminal};
use crate::snapshot::StoreHealth;

impl<L: Ledger> Driver<L> {
    /// The disk did not take the batch. What needs no line is done; requests are refused; answers about money become debts.
    pub(super) fn without_disk(
        &mut self,
        batch: &[Envelope],
        why: &LedgerError,
        now: Now,
    ) -> Vec<Result<Decision, Denial>> {
        warn!(%why, events = batch.len(), "the store did not take a commit");
        if *why == LedgerError::Full {
            self.ledger.free_reserve();
        }
        let mut results = Vec::with_capacity(batch.len());
        for Envelope { event, .. } in batch {
            let stepped = self.step_without_disk(event, now);
            results.push(match stepped {
                // Of no consequence to any payment: done.
                Some(Ok((after, decision))) if decision.facts.is_empty() && self.owed.is_empty() => {
                    self.terminal = after;
                    Ok(decision)
                }
                _ if is_owed(event) => {
                    self.owe(event.clone(), why);
                    Ok(Decision::default())
                }
                // What was asked about is known; nothing is set in motion behind the back of what is owed.
                Some(Ok((_, decision))) if decision.facts.is_empty() && decision.effects.is_empty() => Ok(decision),
                Some(Err(Rejection::Denied(denial))) => Err(denial),
                Some(Err(Rejection::Fault(fault))) => Err(Denial::Store { why: fault.to_string() }),
                Some(Ok(_)) | None => Err(Denial::Store { why: why.to_string() }),
            });
        }
        self.refuse(why.clone());
        results
    }

    /// What the machine would decide; `None` where the rows that it needs cannot be read.
    pub(super) fn step_without_disk(
        &mut self,
        event: &Event,
        now: Now,
    ) -> Option<Result<(Terminal, Decision), Rejection>> {
        let mut next = self.terminal.clone();
        let named = named(&next, event);
        self.load_rows(&mut next, &named).ok()?;
        Some(machine::step(&next, event, now))
    }

    /// Keep an answer about money until the disk takes it, and tell whoever waits that nobody knows yet.
    pub(super) fn owe(&mut self, event: Event, why: &LedgerError) {
        let about = owed_about(&event, self.terminal.pinpad.at.as_ref());
        // Of a device that comes and goes only the last word matters.
        let device = std::mem::discriminant(&event);
        match event {
            Event::PinpadUp | Event::PinpadDown { .. } => {
                self.owed.retain(|e| !matches!(e, Event::PinpadUp | Event::PinpadDown { .. }));
            }
            Event::Scanner { .. } => self.owed.retain(|e| std::mem::discriminant(e) != device),
            _ => {}
        }
        self.owed.push_back(event);
        if let Some(subject) = about {
            self.unwritten.insert(subject, why.to_string());
            if let Some(reply) = self.reply(subject) {
                self.wake(subject, &reply);
            }
        }
    }

    /// Try again to write down what is owed, and find out whether the disk takes lines again.
    pub(super) fn pay_debts(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.health == StoreHealth::Good {
            return effects;
        }
        let owed: Vec<Event> = self.owed.iter().cloned().collect();
        let refs: Vec<&Event> = owed.iter().collect();
        match self.decide_and_commit(&refs, now) {
            Ok(results) => {
                self.owed.clear();
                self.unwritten.clear();
                for result in results {
                    self.tell(Outcome { accepted: None, result }, &mut effects);
                }
                self.health = self.proved();
            }
            Err(why) => {
                if why == LedgerError::Full {
                    self.ledger.free_reserve();
                }
                self.refuse(why);
            }
        }
        effects
    }

    pub(super) fn proved(&mut self) -> StoreHealth {
        if let Err(why) = self.ledger.prove_writable() {
            self.refuse(why);
            return self.health.clone();
        }
        StoreHealth::Good
    }

    /// Nothing can begin because of `why`; people hear not to switch off only where money is at stake.
    pub(super) fn refuse(&mut self, why: LedgerError) {
        self.tell_refused();
        let at = self.terminal.pinpad.at.as_ref();
        let words = why.to_string();
        self.health = match self.owed.iter().any(|event| is_about_money(event, at)) {
            true => StoreHealth::Owing(words),
            false => StoreHealth::Refusing(words),
        };
        self.trouble = why;
        self.depth = None;
    }

    pub(super) fn why_refusing(&self) -> LedgerError {
        match &self.health {
            StoreHealth::Refusing(_) | StoreHealth::Owing(_) => self.trouble.clone(),
            StoreHealth::Good => LedgerError::Other("an answer is not written down yet".to_owned()),
        }
    }
}

/// Whose money an owed event speaks of, once it speaks of its end.
fn owed_about(event: &Event, at: Option<&PinpadAt>) -> Option<Subject> {
    match (event, at) {
        (Event::ProviderAnswered { payment, .. }, _) => Some(Subject::Payment(*payment)),
        (Event::Sbp(SbpHeard::Code { payment, .. }), _) => Some(Subject::Code(*payment)),
        (Event::Sbp(SbpHeard::Refund { payment, refund, .. }), _) => Some(Subject::Refund(*payment, *refund)),
        (
            Event::PinpadSaid { run, said: Said::Result(_), .. } | Event::PinpadFinished { run, .. },
            Some(PinpadAt::Job { run: at, job }),
        ) if run == at => Some(Subject::from(*job)),
        _ => None,
    }
}

/// Whether an owed event belongs to money that may have moved, and not to a device or a question.
fn is_about_money(event: &Event, at: Option<&PinpadAt>) -> bool {
    match event {
        Event::ProviderAnswered { .. } | Event::Sbp(SbpHeard::Refund { .. }) => true,
        Event::PinpadSaid { run, .. } | Event::PinpadFinished { run, .. } => {
            matches!(at, Some(PinpadAt::Job { run: at, .. }) if at == run)
        }
        _ => false,
    }
}

/// Events whose loss would be the loss of money's trace, or of a device; kept in their order. A code's status is none of them: its watch says
/// it again until it is called off.
fn is_owed(event: &Event) -> bool {
    matches!(
        event,
        Event::ProviderAnswered { .. }
            | Event::PinpadSaid { .. }
            | Event::PinpadFinished { .. }
            | Event::Answered { .. }
            | Event::PinpadUp
            | Event::PinpadDown { .. }
            | Event::Scanner { .. }
            | Event::CloseSales { .. }
            | Event::Started
            | Event::Sbp(
                SbpHeard::Code { .. }
                    | SbpHeard::Refund { .. }
                    | SbpHeard::LinkRegistered { .. }
                    | SbpHeard::LinkDeactivated { .. }
            )
    )
}
