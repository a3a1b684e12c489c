//! How often a profile's codes may be asked about by REST: so many questions a minute, all codes together.
//!
//! In no minute are there more than the budget. A quarter of it is kept for questions that cannot wait (an answer over the socket that
//! names nobody, a code whose state a restart has made uncertain); the others are spread evenly and take their turns in order.

use std::collections::VecDeque;
use std::sync::{Mutex as Plain, PoisonError};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::limits;

const MINUTE_MS: u64 = 60_000;

/// Whether a question can wait for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Routine,
    Urgent,
}

/// The questions of the last minute, by monotonic time.
#[derive(Debug)]
struct Spent {
    per_minute: usize,
    at_ms: VecDeque<u64>,
    last_routine_ms: Option<u64>,
}

impl Spent {
    fn new(per_minute: u32) -> Self {
        let per_minute = usize::try_from(per_minute).unwrap_or(usize::MAX).max(1);
        Self { per_minute, at_ms: VecDeque::new(), last_routine_ms: None }
    }

    fn routine_max(&self) -> usize {
        (self.per_minute - self.per_minute / 4).max(1)
    }

    /// When the next question may be asked; it is taken if that is now.
    fn take(&mut self, urgency: Urgency, now_ms: u64) -> Result<(), u64> {
        while self.at_ms.front().is_some_and(|at| at.saturating_add(MINUTE_MS) <= now_ms) {
            self.at_ms.pop_front();
        }
        let most = if urgency == Urgency::Urgent { self.per_minute } else { self.routine_max() };
        // The question that has to be a minute old before this one fits.
        let fits = match self.at_ms.len().checked_sub(most) {
            Some(over) => self.at_ms.get(over).map_or(now_ms, |at| at.saturating_add(MINUTE_MS)),
            None => now_ms,
        };
        let every_ms = MINUTE_MS / u64::try_from(self.routine_max()).unwrap_or(1);
        let spread = match (urgency, self.last_routine_ms) {
            (Urgency::Routine, Some(last)) => last.saturating_add(every_ms),
            _ => now_ms,
        };
        let at_ms = fits.max(spread);
        if at_ms > now_ms {
            return Err(at_ms);
        }
        if urgency == Urgency::Routine {
            self.last_routine_ms = Some(now_ms);
        }
        self.at_ms.push_back(now_ms);
        Ok(())
    }
}

/// The budget of one profile.
#[derive(Debug)]
pub(super) struct Budget {
    clock: Clock,
    spent: Plain<Spent>,
    /// Whoever waits holds the lock of their kind, so that turns are taken in order.
    routine: Mutex<()>,
    urgent: Mutex<()>,
}

impl Budget {
    pub(super) fn new(per_minute: u32, clock: Clock) -> Self {
        let spent = Plain::new(Spent::new(per_minute));
        Self { clock, spent, routine: Mutex::new(()), urgent: Mutex::new(()) }
    }

    /// Wait for the turn to ask one question. Costs nothing when it is dropped before its end.
    pub(super) async fn turn(&self, urgency: Urgency) {
        let _order = match urgency {
            Urgency::Routine => self.routine.lock().await,
            Urgency::Urgent => self.urgent.lock().await,
        };
        loop {
            let now_ms = self.clock.monotonic_ms();
            let taken = self.spent.lock().unwrap_or_else(PoisonError::into_inner).take(urgency, now_ms);
            match taken {
                Ok(()) => return,
                // Never zero: a clock that is moved by hand would be asked without a pause.
                Err(at_ms) => tokio::time::sleep(limits::wait(at_ms.saturating_sub(now_ms).max(1))).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_has_more_questions_than_the_budget(
            per_minute in 1_u32..200,
            asked in prop::collection::vec((any::<bool>(), 0_u64..3_000), 1..600),
        ) {
            let mut spent = Spent::new(per_minute);
            let (mut now_ms, mut taken) = (7_u64, Vec::new());
            for (urgent, pause_ms) in asked {
                now_ms += pause_ms;
                let urgency = if urgent { Urgency::Urgent } else { Urgency::Routine };
                match spent.take(urgency, now_ms) {
                    Ok(()) => taken.push(now_ms),
                    Err(at_ms) => prop_assert!(at_ms > now_ms && at_ms <= now_ms + MINUTE_MS),
                }
            }
            for (index, from) in taken.iter().enumerate() {
                let within = taken[index..].iter().take_while(|at| **at < from + MINUTE_MS).count();
                prop_assert!(within <= usize::try_from(per_minute).unwrap(), "{within} in a minute from {from}");
            }
        }
    }

    #[test]
    fn routine_questions_are_spread_and_leave_a_quarter_to_urgent_ones() {
        let mut spent = Spent::new(60);
        let (mut routine, mut now_ms) = (Vec::new(), 0);
        while now_ms < MINUTE_MS {
            if spent.take(Urgency::Routine, now_ms).is_ok() {
                routine.push(now_ms);
            }
            now_ms += 10;
        }
        assert_eq!(routine.len(), 45);
        assert!(routine.windows(2).all(|pair| pair[1] - pair[0] >= 1_333), "{routine:?}");
        let urgent = (0..100).filter(|_| spent.take(Urgency::Urgent, now_ms - 1).is_ok()).count();
        assert_eq!(urgent, 15);
    }

    #[test]
    fn a_question_that_does_not_fit_is_told_when_it_does() {
        let mut spent = Spent::new(2);
        assert_eq!(spent.take(Urgency::Urgent, 100), Ok(()));
        assert_eq!(spent.take(Urgency::Urgent, 200), Ok(()));
        assert_eq!(spent.take(Urgency::Urgent, 300), Err(60_100));
        assert_eq!(spent.take(Urgency::Urgent, 60_100), Ok(()));
    }
}
