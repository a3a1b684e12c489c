//! Which payment a run of the PinPad is for: the PinPad's side knows runs and no payments.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Span;

use super::payment;
use crate::driver::{Commit, Witness};
use crate::limits;
use crate::payment::card::RunId;
use crate::payment::sale::Method;
use crate::snapshot::Snapshot;

/// The last runs that the driver wrote down, each with its payment's span. It tells of them before it lets the PinPad begin. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Runs(Arc<Mutex<VecDeque<(RunId, Span)>>>);

impl Runs {
    fn known(&self) -> MutexGuard<'_, VecDeque<(RunId, Span)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The span of the payment that a run is for; of none where that cannot be told.
    #[must_use]
    pub fn span(&self, run: RunId, picture: &Snapshot) -> Span {
        if let Some((_, span)) = self.known().iter().find(|(known, _)| *known == run) {
            return span.clone();
        }
        // What was in doubt before this life.
        if let Some(found) = picture.in_doubt.iter().find(|payment| payment.runs().any(|own| own.id == run)) {
            return payment(found);
        }
        // A question has a run of its own. It is about the card payment in doubt, if there is one.
        let mut doubts = picture.in_doubt.iter().filter(|payment| payment.method == Method::Humo);
        match (doubts.next(), doubts.next()) {
            (Some(only), None) => payment(only),
            _ => Span::none(),
        }
    }
}

impl Witness for Runs {
    fn committed(&self, commit: &Commit) {
        for after in commit.moves.iter().map(|moved| &moved.after) {
            for run in after.runs() {
                let mut known = self.known();
                if known.iter().any(|(own, _)| *own == run.id) {
                    continue;
                }
                known.push_back((run.id, payment(after)));
                if known.len() > limits::LOG_RUNS_KEPT {
                    known.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Move;
    use crate::payment::card::Run;
    use crate::payment::sale::{Payment, PaymentId};
    use crate::payment::{Currency, Money};
    use uuid::Uuid;

    fn by_card(number: u128) -> Arc<Payment> {
        let amount = Money::from_minor(50_000, Currency::Uzs);
        let mut payment = Payment::new(PaymentId(Uuid::from_u128(number)), Method::Humo, amount, 0);
        payment.run = Some(Run::new(RunId(Uuid::from_u128(number)), None));
        Arc::new(payment)
    }

    #[test]
    fn so_many_runs_are_remembered_as_the_limit_says_and_the_newest_of_them() {
        let runs = Runs::default();
        let last = u128::try_from(limits::LOG_RUNS_KEPT).unwrap() + 3;
        for number in 1..=last {
            let moves = vec![Move { before: None, after: by_card(number) }; 2];
            runs.committed(&Commit { moves, closings: Vec::new(), events: 1, took_us: 0, at_us: 0, at_ms: 0 });
        }
        let known: Vec<u128> = runs.known().iter().map(|(run, _)| run.0.as_u128()).collect();
        assert_eq!(known, (4..=last).collect::<Vec<_>>());
    }
}
