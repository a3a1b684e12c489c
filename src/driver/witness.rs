//! Who is told of every commit beside those who asked for it: what counts, and what keeps a log. Nobody here has a say in anything.

use std::sync::Arc;

use super::Driver;
use super::ledger::{Entry, Ledger};
use crate::payment::card::Settlement;
use crate::payment::fiscal::Fiscal;
use crate::payment::machine::Now;
use crate::payment::sale::{Payment, UnixMs};
use crate::payment::terminal::Terminal;

/// Told on the driver's own thread: must not wait for anything, nor look at the driver's picture.
pub trait Witness: Send + Sync {
    /// The lines of a batch are on disk; their effects and answers are not out yet. Only for what an effect needs: the customer waits for it.
    fn committed(&self, _commit: &Commit) {}

    /// Their effects are out, and their answers are being said: who has heard of an end, and looks at the picture, finds it counted.
    fn set_out(&self, _commit: &Commit) {}

    /// Their effects and answers are out: for whoever takes his time.
    fn released(&self, _commit: &Commit) {}

    /// The disk did not take a commit: nothing of it happened.
    fn refused(&self) {}
}

/// A batch that is on disk.
#[derive(Clone, Debug)]
pub struct Commit {
    /// What it changed, in the order of its events. A payment stands here once for each event that changed it.
    pub moves: Vec<Move>,
    /// The same of the card shift's closing.
    pub closings: Vec<Closing>,
    /// Events in the batch, those included that changed nothing.
    pub events: usize,
    /// How long the disk took for it, µs.
    pub took_us: u64,
    /// When it was taken, by the monotonic clock, µs.
    pub at_us: u64,
    /// When the batch was decided, by the wall clock.
    pub at_ms: UnixMs,
}

/// What one event made of a payment.
#[derive(Clone, Debug)]
pub struct Move {
    /// As it stood; `None` = it is new.
    pub before: Option<Arc<Payment>>,
    /// As it stands.
    pub after: Arc<Payment>,
}

impl Move {
    /// It changed what is owed or queued.
    pub(super) fn touches_queue(&self) -> bool {
        let before = self.before.as_ref().map_or(Fiscal::None, |before| before.fiscal);
        before != self.after.fiscal || self.touches_receipts()
    }

    /// It changed a receipt that was brought.
    pub(crate) fn touches_receipts(&self) -> bool {
        match &self.before {
            Some(before) => before.confirmations != self.after.confirmations,
            None => !self.after.confirmations.is_empty(),
        }
    }
}

/// What one event made of a closing of the card shift.
#[derive(Clone, Debug)]
pub struct Closing {
    /// As it stood; `None` = it is new.
    pub before: Option<Arc<Settlement>>,
    /// As it stands.
    pub after: Arc<Settlement>,
}

/// What a batch has in its transaction so far.
#[derive(Default)]
pub(super) struct Written {
    pub(super) begun: bool,
    /// There is something to commit.
    pub(super) has_lines: bool,
    /// The queue is another than before.
    pub(super) touches_queue: bool,
    moves: Vec<Move>,
    closings: Vec<Closing>,
}

impl Written {
    /// What a decision changes, to be told of once it is on disk.
    pub(super) fn note(&mut self, before: &Terminal, entry: Entry) {
        self.moves.extend(entry.moves);
        self.closings.extend(entry.settlement.map(|after| {
            let before = before.settlement.clone().filter(|before| before.id == after.id);
            Closing { before, after }
        }));
    }
}

impl<L: Ledger> Driver<L> {
    pub(super) fn tell_witnesses(&mut self, written: Written, events: usize, began_us: u64, now: Now) {
        if self.witnesses.is_empty() {
            return;
        }
        let at_us = self.clock.monotonic_us();
        let took_us = at_us.saturating_sub(began_us);
        let Written { moves, closings, .. } = written;
        let commit = Commit { moves, closings, events, took_us, at_us, at_ms: now.wall_ms };
        self.witnesses.iter().for_each(|witness| witness.committed(&commit));
        self.commits.push(commit);
    }

    pub(super) fn tell_of_effects(&self) {
        for commit in &self.commits {
            self.witnesses.iter().for_each(|witness| witness.set_out(commit));
        }
    }

    pub(super) fn tell_of_release(&mut self) {
        for commit in self.commits.drain(..) {
            self.witnesses.iter().for_each(|witness| witness.released(&commit));
        }
    }

    pub(super) fn tell_refused(&self) {
        self.witnesses.iter().for_each(|witness| witness.refused());
    }
}
