//! The only reader of the system's clock. Everybody else is given the time, so that a test can play a million days.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Where the tills stand. Compiled in: a box need not carry a time zone database.
static TASHKENT: TimeZone = jiff::tz::get!("Asia/Tashkent");

/// A wall clock that shows an earlier time was never set: this software is younger. 2026-01-01T00:00:00Z.
const TRUSTED_FROM_MS: i64 = 1_767_225_600_000;

/// Wall and monotonic time. A clone shows the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Set(Arc<Hands>),
}

/// The hands of a clock that a test moves.
#[derive(Debug)]
struct Hands {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl Clock {
    /// The system's clock; its monotonic time starts at 0 now.
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands at `wall_ms` until it is moved; its monotonic time starts at 0.
    pub fn set_at(wall_ms: i64) -> Self {
        Self(Source::Set(Arc::new(Hands { wall_ms: AtomicI64::new(wall_ms), monotonic_ms: AtomicU64::new(0) })))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z. May step in both directions: never subtract two of them to wait.
    pub fn wall_ms(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => Timestamp::now().as_millisecond(),
            Source::Set(hands) => hands.wall_ms.load(Ordering::SeqCst),
        }
    }

    /// Milliseconds since this clock was made; never steps back.
    pub fn monotonic_ms(&self) -> u64 {
        match &self.0 {
            Source::System { started } => u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            Source::Set(hands) => hands.monotonic_ms.load(Ordering::SeqCst),
        }
    }

    /// Microseconds since this clock was made, for what takes less than a millisecond; never steps back.
    pub fn monotonic_us(&self) -> u64 {
        match &self.0 {
            Source::System { started } => u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            Source::Set(hands) => hands.monotonic_ms.load(Ordering::SeqCst).saturating_mul(1_000),
        }
    }

    /// The wall clock as a timestamp, whole milliseconds.
    pub fn now(&self) -> Timestamp {
        timestamp(self.wall_ms())
    }

    /// The wall clock where the tills stand (Asia/Tashkent).
    pub fn local(&self) -> Zoned {
        local(self.wall_ms())
    }

    /// May the wall clock be printed on a dated document? A box without a battery starts in the past.
    pub fn wall_trusted(&self) -> bool {
        self.wall_ms() >= TRUSTED_FROM_MS
    }

    /// Lets `ms` go by on both hands of a clock made by [`Clock::set_at`]; the system's clock does not listen.
    pub fn advance(&self, ms: u64) {
        if let Source::Set(hands) = &self.0 {
            hands.monotonic_ms.fetch_add(ms, Ordering::SeqCst);
            hands.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// Steps the wall clock of a clock made by [`Clock::set_at`], as a time server does; the monotonic hand stays.
    pub fn step_to(&self, wall_ms: i64) {
        if let Source::Set(hands) = &self.0 {
            hands.wall_ms.store(wall_ms, Ordering::SeqCst);
        }
    }
}

/// A stored wall time as a timestamp; a value that no calendar holds becomes the nearest one that it does.
pub fn timestamp(wall_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(wall_ms).unwrap_or(if wall_ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A stored wall time where the tills stand (Asia/Tashkent).
pub fn local(wall_ms: i64) -> Zoned {
    timestamp(wall_ms).to_zoned(TASHKENT.clone())
}

/// The day on which a stored wall time falls where the tills stand.
pub fn local_day(wall_ms: i64) -> Date {
    local(wall_ms).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_day_begins_at_midnight_in_tashkent() {
        let last_evening_ms = "2026-03-01T18:59:59.999Z".parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(local_day(last_evening_ms).to_string(), "2026-03-01");
        assert_eq!(local_day(last_evening_ms + 1).to_string(), "2026-03-02");
    }

    #[test]
    fn a_step_of_the_wall_clock_leaves_the_monotonic_hand_where_it_was() {
        let clock = Clock::set_at(1_000);
        clock.advance(500);
        clock.clone().step_to(7);
        assert_eq!((clock.wall_ms(), clock.monotonic_ms()), (7, 500));
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_trusted() {
        assert!(!Clock::set_at(0).wall_trusted());
        assert!(Clock::set_at(TRUSTED_FROM_MS).wall_trusted());
        assert_eq!(timestamp(TRUSTED_FROM_MS).to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn the_systems_monotonic_hand_never_steps_back() {
        let clock = Clock::system();
        let first = clock.monotonic_ms();
        assert!(clock.monotonic_ms() >= first);
    }

    #[test]
    fn a_time_that_no_calendar_holds_becomes_the_nearest_one() {
        assert_eq!(timestamp(i64::MAX), Timestamp::MAX);
        assert_eq!(timestamp(i64::MIN), Timestamp::MIN);
    }
}
