//! When to leave a provider alone: a pure struct, time is an argument.
//!
//! ```text
//!            failures in a row            time
//!  ┌──────┐ ─────────────────► ┌────┐ ──────────► ┌───────┐
//!  │closed│                    │open│             │probing│ one delivery
//!  └──────┘ ◄──────┐           └────┘ ◄────────── └───┬───┘
//!                  │                    it failed     │ it went through
//!                  └──────────────────────────────────┘
//! ```

/// The circuit breaker of one provider. Time is monotonic, in milliseconds, so that a step of the wall clock does not move it.
#[derive(Clone, Debug)]
pub struct Breaker {
    failures_max: u32,
    open_ms: u64,
    failures: u32,
    open_until_ms: Option<u64>,
    probing: bool,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Anything.
    Free,
    /// One delivery, to find out whether the provider is back.
    Probe,
    /// Nothing before then.
    Wait {
        /// Monotonic, in milliseconds.
        until_ms: u64,
    },
    /// Nothing before the probe under way has ended.
    Probing,
}

impl Breaker {
    /// A closed breaker that opens for `open_ms` after `failures_max` failures in a row.
    #[must_use]
    pub fn new(failures_max: u32, open_ms: u64) -> Self {
        Self { failures_max: failures_max.max(1), open_ms, failures: 0, open_until_ms: None, probing: false }
    }

    /// What may be sent at `now_ms`.
    #[must_use]
    pub fn permit(&self, now_ms: u64) -> Permit {
        match self.open_until_ms {
            None => Permit::Free,
            Some(_) if self.probing => Permit::Probing,
            Some(until_ms) if now_ms < until_ms => Permit::Wait { until_ms },
            Some(_) => Permit::Probe,
        }
    }

    /// A delivery begins. While open it is the probe.
    pub fn begun(&mut self) {
        self.probing = self.open_until_ms.is_some();
    }

    /// A delivery ended at `now_ms`; `alive` = the provider gave an answer that it meant. One that began before the breaker opened counts like
    /// any other: a success is a success.
    pub fn ended(&mut self, alive: bool, now_ms: u64) {
        self.probing = false;
        if alive {
            self.failures = 0;
            self.open_until_ms = None;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.failures_max {
            self.open_until_ms = Some(now_ms.saturating_add(self.open_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_only_then() {
        let mut breaker = Breaker::new(3, 100);
        for (alive, at) in [(false, 1), (false, 2), (true, 3), (false, 4), (false, 5)] {
            breaker.begun();
            breaker.ended(alive, at);
            assert_eq!(breaker.permit(at), Permit::Free, "a success in between counts from the beginning");
        }
        breaker.ended(false, 6);
        assert_eq!(breaker.permit(6), Permit::Wait { until_ms: 106 });
        assert_eq!(breaker.permit(105), Permit::Wait { until_ms: 106 });
    }

    #[test]
    fn one_probe_decides_whether_it_closes() {
        let mut breaker = Breaker::new(1, 100);
        breaker.ended(false, 0);
        assert_eq!(breaker.permit(100), Permit::Probe);
        breaker.begun();
        assert_eq!(breaker.permit(100), Permit::Probing, "never two at once");
        breaker.ended(false, 150);
        assert_eq!(breaker.permit(200), Permit::Wait { until_ms: 250 });
        assert_eq!(breaker.permit(250), Permit::Probe);
        breaker.begun();
        breaker.ended(true, 260);
        assert_eq!(breaker.permit(260), Permit::Free);
        breaker.begun();
        assert_eq!(breaker.permit(260), Permit::Free, "closed, deliveries are no probes");
    }

    proptest! {
        #[test]
        fn whatever_happens_it_lets_something_through_in_the_end(steps in proptest::collection::vec((any::<bool>(), 0_u64..200), 0..50)) {
            let mut breaker = Breaker::new(3, 100);
            let mut now = 0;
            for (alive, pause) in steps {
                now += pause;
                if matches!(breaker.permit(now), Permit::Free | Permit::Probe) {
                    breaker.begun();
                    breaker.ended(alive, now);
                }
                prop_assert!(matches!(breaker.permit(now + 100), Permit::Free | Permit::Probe));
            }
        }
    }
}
