//! Who is told of every commit beside those who asked for it: what counts, and what keeps a log. Nobody here has a say in anything.

use std::sync::Arc;

use super::Driver;
use super::ledger::Ledger;
use crate::payment::machine::Now;
use crate::payment::sale::{Payment, UnixMs};

/// Told on the driver's own thread: must not wait for anything.
pub trait Witness: Send + Sync {
    /// The lines of a batch are on disk; their effects and answers are not out yet.
    fn committed(&self, commit: &Commit);

    /// The disk did not take a commit: nothing of it happened.
    fn refused(&self) {}
}

/// A batch that is on disk.
#[derive(Clone, Debug)]
pub struct Commit {
    /// What it changed, in the order of its events. A payment stands here once for each event that changed it.
    pub moves: Vec<Move>,
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

impl<L: Ledger> Driver<L> {
    pub(super) fn tell_witnesses(&self, moves: Vec<Move>, events: usize, began_us: u64, now: Now) {
        if self.witnesses.is_empty() {
            return;
        }
        let at_us = self.clock.monotonic_us();
        let took_us = at_us.saturating_sub(began_us);
        let commit = Commit { moves, events, took_us, at_us, at_ms: now.wall_ms };
        self.witnesses.iter().for_each(|witness| witness.committed(&commit));
    }

    pub(super) fn tell_refused(&self) {
        self.witnesses.iter().for_each(|witness| witness.refused());
    }
}
