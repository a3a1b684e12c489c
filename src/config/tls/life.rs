//! How long a certificate still lives, in words: for the log and for `tolov check`.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::limits;
use crate::payment::sale::UnixMs;

/// How the end of a certificate stands to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is far away.
    Long {
        /// When it expires.
        until_ms: UnixMs,
    },
    /// It is not further away than [`limits::TLS_EXPIRES_SOON_MS`].
    Short {
        /// When it expires.
        until_ms: UnixMs,
        /// Whole days until then.
        days: i64,
    },
    /// It has come.
    Over {
        /// When it expired.
        until_ms: UnixMs,
    },
}

impl Life {
    /// Of a certificate that expires at `until_ms`, seen from `now_ms`.
    #[must_use]
    pub fn of(until_ms: UnixMs, now_ms: UnixMs) -> Self {
        const DAY_MS: i64 = 86_400_000;
        match until_ms.saturating_sub(now_ms) {
            ..=0 => Self::Over { until_ms },
            left if left <= limits::TLS_EXPIRES_SOON_MS => Self::Short { until_ms, days: left / DAY_MS },
            _ => Self::Long { until_ms },
        }
    }
}

/// What is said after "the certificate".
impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long { until_ms } => write!(f, "is good until {}", day(*until_ms)),
            Self::Short { until_ms, days } => {
                let left = match days {
                    0 => "within a day".to_owned(),
                    1 => "in 1 day".to_owned(),
                    days => format!("in {days} days"),
                };
                write!(f, "expires {left}, on {}: put a new pair into tls_cert and tls_key before that", day(*until_ms))
            }
            Self::Over { until_ms } => write!(
                f,
                "expired on {}: tills that check it ask no more; put a new pair into tls_cert and tls_key",
                day(*until_ms)
            ),
        }
    }
}

/// The day in UTC, which is what certificates count by.
fn day(at_ms: UnixMs) -> String {
    let far = if at_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(at_ms).unwrap_or(far).to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_before_it_comes_and_when_it_has() {
        let until_ms = 1_795_391_999_000;
        let told = |before_ms: i64| Life::of(until_ms, until_ms - before_ms).to_string();
        assert_eq!(told(limits::TLS_EXPIRES_SOON_MS + 1), "is good until 2026-11-22");
        assert!(told(limits::TLS_EXPIRES_SOON_MS).starts_with("expires in 21 days, on 2026-11-22: put a new pair"));
        assert!(told(86_400_000).starts_with("expires in 1 day, "));
        assert!(told(1).starts_with("expires within a day, "));
        assert!(told(0).starts_with("expired on 2026-11-22: "));
        assert!(Life::of(i64::MAX, 0).to_string().starts_with("is good until 9999-"));
    }
}
