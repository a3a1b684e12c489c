//! Wrong tokens. Whoever sends one is answered later each time, so that guessing is slow and a till with an old token does not fill the log.
//! A right token is never kept waiting, also not from the same address: it is compared before anything here is asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::limits;

/// The addresses that wrong tokens came from lately; at most [`limits::ATTEMPTS_KEPT`] of them.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<BTreeMap<IpAddr, Burst>>);

/// Wrong tokens that followed each other.
#[derive(Debug)]
struct Burst {
    count: u32,
    last_ms: u64,
}

/// What to do about a wrong token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slowed {
    /// Before it is answered.
    pub(super) by_ms: u64,
    /// It is the first of its burst, and worth a word in the log.
    pub(super) is_first: bool,
}

impl Attempts {
    /// A wrong token came from `from` at `now_ms` of a clock that never steps back.
    pub(super) fn failed(&self, from: IpAddr, now_ms: u64) -> Slowed {
        let mut bursts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bursts.retain(|_, burst| now_ms.saturating_sub(burst.last_ms) < limits::ATTEMPTS_FORGOTTEN_MS);
        if bursts.len() >= limits::ATTEMPTS_KEPT
            && !bursts.contains_key(&from)
            && let Some(oldest) = bursts.iter().min_by_key(|(_, burst)| burst.last_ms).map(|(ip, _)| *ip)
        {
            bursts.remove(&oldest);
        }
        let burst = bursts.entry(from).or_insert(Burst { count: 0, last_ms: now_ms });
        let by_ms = limits::ATTEMPT_FIRST_MS.saturating_mul(2_u64.saturating_pow(burst.count));
        let slowed = Slowed { by_ms: by_ms.min(limits::ATTEMPT_LONGEST_MS), is_first: burst.count == 0 };
        burst.count = burst.count.saturating_add(1);
        burst.last_ms = now_ms;
        slowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn each_wrong_token_from_an_address_waits_twice_as_long_up_to_the_limit() {
        let attempts = Attempts::default();
        let waits: Vec<u64> = (0..100).map(|_| attempts.failed(ip(1), 0).by_ms).collect();
        assert_eq!(waits[..4], [20, 40, 80, 160]);
        assert!(waits.is_sorted() && waits[99] == limits::ATTEMPT_LONGEST_MS);
        assert_eq!(attempts.failed(ip(2), 0).by_ms, limits::ATTEMPT_FIRST_MS, "another address begins anew");
    }

    #[test]
    fn a_burst_is_told_once_and_forgotten_after_a_while() {
        let attempts = Attempts::default();
        let forgotten = limits::ATTEMPTS_FORGOTTEN_MS;
        let told = |now_ms| attempts.failed(ip(1), now_ms).is_first;
        assert!(told(0));
        assert!(!told(1) && !told(forgotten));
        assert!(told(2 * forgotten), "it was quiet for as long as the limit says");
    }

    #[test]
    fn many_addresses_push_the_oldest_out_and_never_grow_the_table() {
        let attempts = Attempts::default();
        let kept = u32::try_from(limits::ATTEMPTS_KEPT).unwrap();
        for number in 0..=kept {
            attempts.failed(ip(number), u64::from(number));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), limits::ATTEMPTS_KEPT);
        assert!(!attempts.failed(ip(kept), 1_000).is_first);
        assert!(attempts.failed(ip(0), 1_000).is_first);
    }
}
