//! The only consumer of the queue: load → decide → commit → effect.
//!
//! One task owns the state. A step takes *all* waiting events, loads the rows that they name, lets the machine decide each of them on a copy
//! of the terminal, writes what each decided within one transaction, commits **once**, and only then keeps the copy, answers the tills and
//! releases the effects. Whatever fails before the commit never happened.
//!
//! When the disk does not take a commit, requests are refused (nothing was begun), and answers about money that has moved are *owed*: they stay in
//! memory, are tried again until they are on disk, and whoever waits for them hears *in doubt* meanwhile.

mod about;
mod answers;
mod debts;
pub mod handle;
pub mod ledger;
mod picture;
#[cfg(test)]
mod tests;
pub mod witness;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;
use uuid::Uuid;

use crate::clock::Clock;
use crate::limits;
use crate::payment::card::RunId;
use crate::payment::event::{self, Denial, Effect, Event, Reply, RunEnd, Subject};
use crate::payment::machine::{self, Decision, Now, Rejection};
use crate::payment::sale::{Method, Payment, PaymentId};
use crate::payment::sbp::{CodeOutcome, RefundOutcome, SbpHeard};
use crate::payment::terminal::{Lookup, Policy, Terminal};
use crate::snapshot::{QueueDepth, Snapshot, StoreHealth};

use answers::{Outcome, Word};
pub use handle::{Envelope, Handle, Ticket};
pub use ledger::{Entry, Ledger, LedgerError, OpenItems};
use witness::Written;
pub use witness::{Closing, Commit, Move, Witness};

/// The owner of the state.
pub struct Driver<L> {
    ledger: L,
    clock: Clock,
    terminal: Terminal,
    queue: mpsc::Receiver<Envelope>,
    pictures: watch::Sender<Arc<Snapshot>>,
    /// Whose code is waited for: apart from the pictures, because it changes rarely and is not to be looked for in each of them.
    awaited: watch::Sender<Option<(PaymentId, Method)>>,
    waiters: HashMap<Subject, Vec<oneshot::Sender<Reply>>>,
    /// Answers of this step, said together with its picture.
    words: Vec<Word>,
    /// Events about money that has moved whose lines are not on disk yet, in their order.
    owed: VecDeque<Event>,
    /// What those events are about, and why it is not written down: in doubt to whoever asks.
    unwritten: HashMap<Subject, String>,
    health: StoreHealth,
    /// The queue in numbers as of the last commit; `None` = to be read.
    depth: Option<QueueDepth>,
    /// What the store said last while it is not [`StoreHealth::Good`]: the same words to everybody who is refused because of it.
    trouble: LedgerError,
    last: Option<Arc<Payment>>,
    faults: u64,
    sequence: u64,
    witnesses: Vec<Arc<dyn Witness>>,
    /// Commits of this step, of which the witnesses are still to hear that their effects and answers are out.
    commits: Vec<Commit>,
    /// Hears of effects before the commit that sets them free.
    foresee: Option<Foresee>,
}

/// Looks at an effect that is about to be committed, and may make ready what it will need; it carries nothing out and does not wait.
pub type Foresee = Box<dyn FnMut(&Effect) + Send>;

impl<L: Ledger> Driver<L> {
    /// Load what is open and stand ready; nothing is decided yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn new(mut ledger: L, policy: Policy, clock: Clock) -> Result<(Self, Handle), LedgerError> {
        let mut terminal = Terminal::new(policy);
        let open = ledger.open_items()?;
        open.payments.into_iter().for_each(|p| terminal.adopt(p));
        terminal.settlement = open.settlement.map(Arc::new);
        terminal.register = open.register;
        let (sender, queue) = mpsc::channel(limits::EVENT_QUEUE_LEN);
        let (pictures, seen) = watch::channel(Arc::new(Snapshot::default()));
        let (awaited, expected) = watch::channel(None);
        let driver = Self {
            ledger,
            clock,
            terminal,
            queue,
            pictures,
            awaited,
            waiters: HashMap::new(),
            words: Vec::new(),
            owed: VecDeque::new(),
            unwritten: HashMap::new(),
            health: StoreHealth::Good,
            depth: None,
            trouble: LedgerError::Other(String::new()),
            last: None,
            faults: 0,
            sequence: 0,
            witnesses: Vec::new(),
            commits: Vec::new(),
            foresee: None,
        };
        Ok((driver, Handle::new(sender, seen, expected)))
    }

    /// Let `foresee` look at each effect while its commit waits for the disk. Whether it is ever released is the disk's to say.
    #[must_use]
    pub fn foreseen_by(mut self, foresee: Foresee) -> Self {
        self.foresee = Some(foresee);
        self
    }

    /// Tell somebody else of every commit, too.
    #[must_use]
    pub fn witnessed_by(mut self, witness: Arc<dyn Witness>) -> Self {
        self.witnesses.push(witness);
        self
    }

    /// Work until `stop` is set or every [`Handle`] is gone. `release` carries effects out and must not wait.
    pub async fn run(mut self, mut release: impl FnMut(Effect) + Send, mut stop: watch::Receiver<bool>) {
        self.begin().into_iter().for_each(&mut release);
        let mut batch = Vec::with_capacity(limits::EVENT_BATCH_MAX);
        loop {
            let pause = self.pause_ms().map_or(limits::DRIVER_IDLE_MS, |ms| ms.min(limits::DRIVER_IDLE_MS));
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                taken = self.queue.recv_many(&mut batch, limits::EVENT_BATCH_MAX) => if taken == 0 { break },
                () = tokio::time::sleep(limits::wait(pause)) => {}
            }
            let idle = batch.is_empty();
            // A sale waits for its provider, and everybody else for the sale: the provider is asked before the picture is drawn and the till told.
            self.step(std::mem::take(&mut batch)).into_iter().for_each(&mut release);
            self.tell_everybody();
            let at_work = self.pictures.borrow().open > 0;
            if at_work {
                self.ledger.amid_sales();
            } else {
                self.ledger.between_sales();
            }
            if self.health == StoreHealth::Good {
                if idle {
                    self.ledger.rest();
                }
                if at_work {
                    self.ledger.begin_ahead();
                }
            }
        }
    }

    /// The first step of a life: what the last one left in progress is in doubt.
    pub fn begin(&mut self) -> Vec<Effect> {
        self.health = self.proved();
        self.take(vec![Envelope::tell(Event::Started)])
    }

    /// How long nothing will happen by itself, ms.
    #[must_use]
    pub fn pause_ms(&self) -> Option<u64> {
        // What is due cannot be done without the disk, and a broken disk is not to be hammered.
        if self.health != StoreHealth::Good {
            return Some(limits::COMMIT_RETRY_MS);
        }
        self.terminal.next_tick_monotonic_ms().map(|at| at.saturating_sub(self.clock.monotonic_ms()))
    }

    /// How many wait for an answer, and how many payments are in memory: what has to stay bounded.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.waiters.values().map(Vec::len).sum(), self.terminal.payments.len())
    }

    /// One step: everything that waits, one commit, and the effects that it set free.
    pub fn take(&mut self, batch: Vec<Envelope>) -> Vec<Effect> {
        let effects = self.step(batch);
        self.tell_everybody();
        effects
    }

    /// [`Self::take`] up to the effects: its picture is still to be shown, and then its answers to be said.
    fn step(&mut self, batch: Vec<Envelope>) -> Vec<Effect> {
        let now = Now { wall_ms: self.clock.wall_ms(), monotonic_ms: self.clock.monotonic_ms() };
        let mut effects = self.pay_debts(now);
        // Whoever hung up is looked after last: another connection may ask for the same payment in this very batch.
        let (gone, mut batch): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|e| matches!(e.event, Event::TillGone { .. }));
        if self.terminal.next_tick_monotonic_ms().is_some_and(|at| at <= now.monotonic_ms) {
            let run = RunId(Uuid::new_v4());
            batch.push(Envelope::tell(Event::Tick { run }));
        }
        self.take_batch(batch, now, &mut effects);
        let gone: Vec<_> = gone.into_iter().filter(|e| !self.is_missed_by_nobody(&e.event)).collect();
        if !gone.is_empty() {
            self.take_batch(gone, now, &mut effects);
        }
        self.terminal.forget_finished();
        effects
    }

    /// Decide, commit, tell.
    fn take_batch(&mut self, batch: Vec<Envelope>, now: Now, effects: &mut Vec<Effect>) {
        let events: Vec<&Event> = batch.iter().map(|e| &e.event).collect();
        let refusing = !self.owed.is_empty() || self.health != StoreHealth::Good;
        let decided = if refusing { Err(self.why_refusing()) } else { self.decide_and_commit(&events, now) };
        let results = match decided {
            Ok(results) => results,
            Err(why) => self.without_disk(&batch, &why, now),
        };
        let accepted = batch.into_iter().map(|envelope| envelope.accepted);
        for (accepted, result) in accepted.zip(results) {
            self.tell(Outcome { accepted, result }, effects);
        }
    }

    /// A till hung up, but another connection waits for the same payment: nobody misses it.
    fn is_missed_by_nobody(&self, event: &Event) -> bool {
        let Event::TillGone { payment } = event else { return false };
        let waits_for =
            |subject| self.waiters.get(&subject).is_some_and(|ears| ears.iter().any(|ear| !ear.is_closed()));
        waits_for(Subject::Payment(*payment)) || waits_for(Subject::Code(*payment))
    }

    /// Decide every event on a copy of the terminal, and commit once. An error means that nothing of it happened.
    fn decide_and_commit(&mut self, events: &[&Event], now: Now) -> Result<Vec<Result<Decision, Denial>>, LedgerError> {
        let mut next = self.terminal.clone();
        let mut results = Vec::with_capacity(events.len());
        let mut written = Written::default();
        for event in events {
            let result = self.decide(&mut next, event, now, &mut written);
            match result {
                Ok(decided) => results.push(decided),
                Err(failed) => {
                    self.ledger.rollback();
                    return Err(failed);
                }
            }
        }
        if written.begun && !written.has_lines {
            self.ledger.rollback();
        }
        if written.has_lines {
            if let Some(foresee) = &mut self.foresee {
                results.iter().flatten().flat_map(|decision| &decision.effects).for_each(foresee);
            }
            // Asked within the transaction, where it costs no other one.
            let depth = if written.touches_queue { self.ledger.queue_depth().ok() } else { self.depth };
            let began_us = self.clock.monotonic_us();
            if let Err(failed) = self.ledger.commit() {
                self.ledger.rollback();
                return Err(failed);
            }
            self.depth = depth;
            self.tell_witnesses(written, events.len(), began_us, now);
        }
        self.terminal = next;
        Ok(results)
    }

    /// Load, decide, write. The outer error is the disk's; the inner one is the answer to the sender. An answer about money that cannot be
    /// taken in as it was given is not forgotten: then nobody knows, and that is written down.
    fn decide(
        &mut self,
        next: &mut Terminal,
        event: &Event,
        now: Now,
        written: &mut Written,
    ) -> Result<Result<Decision, Denial>, LedgerError> {
        match (self.decide_as_told(next, event, now, written)?, as_a_doubt(event)) {
            (Err(Denial::Store { .. }), Some(doubt)) => self.decide_as_told(next, &doubt, now, written),
            (decided, _) => Ok(decided),
        }
    }

    fn decide_as_told(
        &mut self,
        next: &mut Terminal,
        event: &Event,
        now: Now,
        written: &mut Written,
    ) -> Result<Result<Decision, Denial>, LedgerError> {
        let named = named(next, event);
        // Within the transaction that most such events will write: another one for each question costs as much as the question.
        if !named.is_empty() {
            self.begin_once(written)?;
        }
        self.load_rows(next, &named)?;
        let (after, decision) = match machine::step(next, event, now) {
            Ok(stepped) => stepped,
            Err(Rejection::Denied(denial)) => return Ok(Err(denial)),
            Err(Rejection::Fault(fault)) => {
                self.faults += 1;
                about::span(next, event)
                    .in_scope(|| error!(%fault, "the machine contradicted its own diagram; the event was dropped"));
                return Ok(Err(Denial::Store { why: fault.to_string() }));
            }
        };
        if !decision.facts.is_empty() {
            self.begin_once(written)?;
            written.has_lines = true;
            let entry = entry(next, &after, &decision, now);
            written.touches_queue |= entry.moves.iter().any(Move::touches_queue);
            match self.ledger.append(&entry) {
                Ok(()) if self.witnesses.is_empty() => {}
                Ok(()) => written.note(next, entry),
                Err(LedgerError::Rule(rule)) => {
                    self.faults += 1;
                    about::span(&after, event)
                        .in_scope(|| error!(rule, "the store refused a line; the event was dropped"));
                    return Ok(Err(Denial::Store { why: rule }));
                }
                Err(failed) => return Err(failed),
            }
        }
        *next = after;
        Ok(Ok(decision))
    }

    fn begin_once(&mut self, written: &mut Written) -> Result<(), LedgerError> {
        if !written.begun {
            self.ledger.begin()?;
            written.begun = true;
        }
        Ok(())
    }

    /// Load the rows that an event names.
    fn load_rows(&mut self, next: &mut Terminal, named: &[Lookup]) -> Result<(), LedgerError> {
        for lookup in named {
            self.ledger.load(lookup)?.into_iter().for_each(|p| next.adopt(p));
            if let Lookup::Token(key) = lookup {
                self.ledger.settlement_of(key)?.into_iter().for_each(|s| next.recall(s));
            }
        }
        Ok(())
    }
}

/// The rows that an event names. What is in memory is newer than its row.
fn named(terminal: &Terminal, event: &Event) -> Vec<Lookup> {
    let in_memory = |lookup: &Lookup| matches!(lookup, Lookup::Payment(id) if terminal.payments.contains_key(id));
    machine::lookups(terminal, event).into_iter().filter(|lookup| !in_memory(lookup)).collect()
}

/// The same event, where its end of an operation is not believed.
fn as_a_doubt(event: &Event) -> Option<Event> {
    let why = "an answer came that the terminal could not take in; its log says why".to_owned();
    match event {
        Event::ProviderAnswered { payment, .. } => {
            Some(Event::ProviderAnswered { payment: *payment, outcome: event::Outcome::InDoubt { text: why } })
        }
        Event::PinpadFinished { run, .. } => Some(Event::PinpadFinished { run: *run, end: RunEnd::Lost { why } }),
        Event::Sbp(SbpHeard::Code { payment, .. }) => {
            Some(Event::Sbp(SbpHeard::Code { payment: *payment, outcome: CodeOutcome::Lost { text: why } }))
        }
        Event::Sbp(SbpHeard::Refund { payment, refund, .. }) => {
            let outcome = RefundOutcome::InDoubt { text: why };
            Some(Event::Sbp(SbpHeard::Refund { payment: *payment, refund: *refund, outcome }))
        }
        _ => None,
    }
}

/// The rows that a decision changed.
fn entry(before: &Terminal, after: &Terminal, decision: &Decision, now: Now) -> Entry {
    let mut moves: Vec<Move> = Vec::new();
    for id in decision.facts.iter().filter_map(crate::payment::Fact::payment) {
        if let Some(payment) = after.payments.get(&id).filter(|p| moves.iter().all(|known| known.after.id != p.id)) {
            moves.push(Move { before: before.payments.get(&id).cloned(), after: payment.clone() });
        }
    }
    Entry {
        at_ms: now.wall_ms,
        facts: decision.facts.clone(),
        moves,
        settlement: after.settlement.clone().filter(|s| before.settlement.as_ref() != Some(s)),
        register: (before.register != after.register).then(|| after.register.clone()),
    }
}
