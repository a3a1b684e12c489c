//! How many SBP codes may be open at once, and whose.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::payment::sale::{Payment, State};
use crate::payment::terminal::Terminal;

impl Terminal {
    /// SBP sales whose code may still be paid, those that were called off included.
    pub(super) fn open_codes(&self) -> impl Iterator<Item = &Arc<Payment>> {
        self.payments
            .values()
            .filter(|p| p.state != State::Created && p.sbp.as_ref().is_some_and(|sbp| !sbp.watch_over))
    }

    /// A till may have as many open codes as are left free for the others. So the first has half of all places, and however many have taken their
    /// share, the next one finds some.
    pub(super) fn has_room_for_code(&self, till: &str) -> bool {
        let free = self.policy.sbp_open_max.saturating_sub(self.open_codes().count());
        self.open_codes().filter(|p| p.till() == till).count() < free
    }

    /// Some till has so many open SBP codes that it is sold none.
    #[must_use]
    pub fn is_short_of_codes(&self) -> bool {
        let mut held = BTreeMap::<&str, usize>::new();
        self.open_codes().for_each(|p| *held.entry(p.till()).or_default() += 1);
        let free = self.policy.sbp_open_max.saturating_sub(held.values().sum());
        held.values().any(|count| *count >= free)
    }
}
