//! What is said after a commit: to those who asked, to those who wait, and to everybody who looks on.

use std::sync::Arc;
use tokio::sync::oneshot;

use super::handle::Ticket;
use super::ledger::Ledger;
use super::{Driver, picture};
use crate::limits;
use crate::payment::card::SettlementState;
use crate::payment::event::{Denial, Effect, Reply, Subject};
use crate::payment::machine::Decision;
use crate::payment::sale::{Doubt, RefundState, State};

/// What became of one event of a batch, to be told after the commit.
pub(super) struct Outcome {
    pub(super) accepted: Option<oneshot::Sender<Result<Ticket, Denial>>>,
    pub(super) result: Result<Decision, Denial>,
}

/// An answer that is due together with the picture it belongs to.
pub(super) enum Word {
    /// What became of a question.
    Accepted(oneshot::Sender<Result<Ticket, Denial>>, Result<Ticket, Denial>),
    /// The end of what was waited for.
    Ended(oneshot::Sender<Reply>, Reply),
}

impl Word {
    /// Whoever has hung up meanwhile says so by an event of its own.
    fn say(self) {
        match self {
            Self::Accepted(ear, ticket) => drop(ear.send(ticket)),
            Self::Ended(ear, reply) => drop(ear.send(reply)),
        }
    }
}

impl<L: Ledger> Driver<L> {
    /// After the commit: answer the sender, wake who waits, set the effects free.
    pub(super) fn tell(&mut self, outcome: Outcome, effects: &mut Vec<Effect>) {
        let ticket = outcome.result.map(|decision| {
            let first = decision.about.and_then(|subject| self.reply(subject)).unwrap_or(Reply::Done);
            for effect in decision.effects {
                match effect {
                    Effect::Settled(subject) => self.settle(subject),
                    effect => effects.push(effect),
                }
            }
            first
        });
        let Some(accepted) = outcome.accepted else { return };
        let ticket = ticket.map(|first| {
            let settled = first.awaited().map(|subject| {
                let (ear, promise) = oneshot::channel();
                self.listen(subject, ear);
                promise
            });
            Ticket { first, settled }
        });
        self.words.push(Word::Accepted(accepted, ticket));
    }

    /// Remember who waits, and forget who no longer does: a till may ask again and again while nothing happens.
    fn listen(&mut self, subject: Subject, ear: oneshot::Sender<Reply>) {
        if self.waiters.len() > limits::EVENT_QUEUE_LEN {
            self.waiters.retain(|_, ears| ears.iter().any(|ear| !ear.is_closed()));
        }
        let ears = self.waiters.entry(subject).or_default();
        ears.retain(|ear| !ear.is_closed());
        ears.push(ear);
    }

    fn settle(&mut self, subject: Subject) {
        let Some(reply) = self.reply(subject) else { return };
        // A code that was made ends no sale.
        if let Reply::Payment(payment) | Reply::Refund(payment, _) = &reply
            && !payment.state.is_in_progress()
            && payment.was_accepted()
        {
            self.last = Some(payment.clone());
        }
        self.wake(subject, &reply);
    }

    pub(super) fn wake(&mut self, subject: Subject, reply: &Reply) {
        let ears = self.waiters.remove(&subject).unwrap_or_default();
        self.words.extend(ears.into_iter().map(|ear| Word::Ended(ear, reply.clone())));
    }

    /// A subject as it stands; in doubt while the answer about its money is not on disk.
    pub(super) fn reply(&self, subject: Subject) -> Option<Reply> {
        let owed = |subject| self.unwritten.get(&subject);
        let why = match subject {
            // Whoever asks for an SBP sale again waits for its code, too.
            Subject::Payment(id) => owed(subject).or_else(|| owed(Subject::Code(id))),
            _ => owed(subject),
        };
        let unwritten =
            why.map(|why| Doubt::Answer { text: format!("the answer came, but it is not written down yet: {why}") });
        let payment = |id| self.terminal.payments.get(id).cloned();
        match &subject {
            Subject::Payment(id) | Subject::Code(id) => payment(id).map(|mut p| {
                if let Some(why) = unwritten {
                    Arc::make_mut(&mut p).state = State::InDoubt { why };
                }
                Reply::Payment(p)
            }),
            Subject::Refund(id, refund) => payment(id).map(|mut p| {
                if let Some(why) = unwritten {
                    let refunds = &mut Arc::make_mut(&mut p).refunds;
                    refunds.iter_mut().filter(|r| r.id == *refund).for_each(|r| {
                        r.state = RefundState::InDoubt { why: why.clone() };
                    });
                }
                Reply::Refund(p, *refund)
            }),
            Subject::Confirmation(id, number) => payment(id).map(|p| Reply::Confirmation(p, *number)),
            Subject::Settlement(id) => {
                let mut settlement = self.terminal.settlement_named(*id)?.clone();
                if let Some(why) = unwritten {
                    Arc::make_mut(&mut settlement).state = SettlementState::InDoubt { why };
                }
                Some(Reply::Settlement(settlement))
            }
        }
    }

    /// Answers are said first, because tills wait for them, and the picture is held until it is the one that belongs to them: who has heard of an end
    /// must not find it still open. Whoever only looks on is woken last.
    pub(super) fn tell_everybody(&mut self) {
        self.sequence += 1;
        if self.depth.is_none() {
            self.depth = self.ledger.queue_depth().ok();
        }
        let mut words = std::mem::take(&mut self.words);
        self.pictures.send_if_modified(|seen| {
            words.drain(..).for_each(Word::say);
            self.tell_of_effects();
            let made = (self.sequence, self.clock.monotonic_ms());
            let queue = self.depth.unwrap_or(seen.queue);
            let picture = picture::of(&self.terminal, queue, &self.health, self.last.as_ref(), self.faults, made);
            *seen = Arc::new(picture);
            false
        });
        self.words = words;
        let awaited = self.pictures.borrow().code_awaited();
        self.awaited.send_if_modified(|known| std::mem::replace(known, awaited) != awaited);
        self.pictures.send_modify(|_| ());
        self.tell_of_release();
    }
}
