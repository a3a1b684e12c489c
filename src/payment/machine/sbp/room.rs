//! How many SBP codes may be open at once, and whose.

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

    /// Not even a till without an open SBP code is sold one.
    #[must_use]
    pub fn is_full_of_codes(&self) -> bool {
        self.open_codes().count() >= self.policy.sbp_open_max
    }
}
