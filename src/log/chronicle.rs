//! The life of each payment in lines: what the driver's commits made of it. Put into words by a thread of its own, a moment later, because that
//! takes longer than a decision does; what it cannot keep up with is left out, and counted.

use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tracing::{info, warn};

use super::payment;
use crate::driver::{Commit, Move, Witness};
use crate::limits;
use crate::payment::sale::{Doubt, Payment, State};

/// The driver's side. The log ends when it is dropped.
#[derive(Debug)]
pub struct Chronicle {
    moves: SyncSender<Vec<Move>>,
    left_out: Arc<AtomicU64>,
}

/// The thread's side.
#[derive(Debug)]
pub struct Scribe {
    moves: Receiver<Vec<Move>>,
    left_out: Arc<AtomicU64>,
}

/// Both sides.
#[must_use]
pub fn open() -> (Chronicle, Scribe) {
    let (sender, moves) = sync_channel(limits::LOG_QUEUE_LEN);
    let left_out = Arc::<AtomicU64>::default();
    (Chronicle { moves: sender, left_out: left_out.clone() }, Scribe { moves, left_out })
}

impl Witness for Chronicle {
    fn released(&self, commit: &Commit) {
        if !commit.moves.is_empty() && self.moves.try_send(commit.moves.clone()).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Scribe {
    /// Write until the driver has ended. Waits: wants a thread of its own.
    pub fn write(self) {
        while let Ok(first) = self.moves.recv() {
            thread::sleep(limits::wait(limits::LOG_GATHER_MS));
            for moved in once(first).chain(self.moves.try_iter()).flatten() {
                payment(&moved.after).in_scope(|| say(&moved));
            }
            let commits = self.left_out.swap(0, Ordering::Relaxed);
            if commits > 0 {
                warn!(commits, "the log cannot keep up: what these commits changed is in the journal alone");
            }
        }
    }
}

fn say(moved: &Move) {
    let Move { before, after } = moved;
    match before {
        None => {
            let (amount_minor, currency) = (after.amount.minor(), after.amount.currency().code());
            info!(state = after.state.name(), amount_minor, currency, attended = after.attended, "a sale was begun");
        }
        Some(before) if before.state.name() != after.state.name() => changed(before, after),
        Some(_) => {}
    }
    let was = before.as_deref();
    let has_code = |payment: &Payment| payment.sbp.as_ref().is_some_and(|sbp| sbp.code.is_some());
    if has_code(after) && !was.is_some_and(has_code) {
        info!("its code was made");
    }
    for refund in &after.refunds {
        let as_it_was = was.and_then(|payment| payment.refund(refund.id)).map(|refund| refund.state.name());
        if as_it_was != Some(refund.state.name()) {
            let amount_minor = refund.amount.minor();
            info!(refund = %refund.id, kind = ?refund.kind, amount_minor, state = refund.state.name(), "a refund went on");
        }
    }
    for receipt in &after.confirmations {
        let as_it_was = was.and_then(|payment| payment.confirmations.iter().find(|c| c.number == receipt.number));
        if as_it_was.map(|receipt| receipt.state) != Some(receipt.state) {
            info!(number = receipt.number, state = receipt.state.name(), "its receipt went on");
        }
    }
}

fn changed(before: &Payment, after: &Payment) {
    let (from, state) = (before.state.name(), after.state.name());
    match &after.state {
        State::InDoubt { why } => warn!(from, state, why = doubt(why), "nobody knows whether its money moved"),
        State::Declined(decline) => info!(from, state, why = decline.why.name(), "the sale went on"),
        State::Cancelled { by } => info!(from, state, ?by, "the sale went on"),
        _ if after.late => warn!(from, state, late = true, "money came after the sale had ended"),
        _ => info!(from, state, "the sale went on"),
    }
}

/// The kind of a doubt. Its words may be a provider's, and are shown where the payment is.
fn doubt(why: &Doubt) -> &'static str {
    match why {
        Doubt::Answer { .. } => "answer",
        Doubt::Restart => "restart",
        Doubt::PinpadLost { .. } => "pinpad_lost",
        Doubt::NoResult => "no_result",
        Doubt::AmountDiffers { .. } => "amount_differs",
        Doubt::Contradiction { .. } => "contradiction",
    }
}
