//! The waits of the bridge in one place, so that a test can play a day of them within a second.

use crate::limits;

/// Every wait of the bridge, milliseconds. The terminal's own are [`Waits::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// [`limits::SBP_PING_EVERY_MS`].
    pub ping_every_ms: u64,
    /// [`limits::SBP_SOCKET_SILENCE_MS`].
    pub socket_silence_ms: u64,
    /// [`limits::SBP_RECONNECT_FIRST_MS`].
    pub reconnect_first_ms: u64,
    /// [`limits::SBP_RECONNECT_LONGEST_MS`].
    pub reconnect_longest_ms: u64,
    /// [`limits::SBP_SOCKET_REFUSED_MS`].
    pub socket_refused_ms: u64,
    /// [`limits::SBP_COMMAND_EVERY_MS`].
    pub command_every_ms: u64,
    /// [`limits::SBP_SEND_MS`].
    pub send_ms: u64,
    /// [`limits::SBP_ASK_FIRST_MS`].
    pub ask_first_ms: u64,
    /// [`limits::SBP_ASK_LONGEST_MS`].
    pub ask_longest_ms: u64,
    /// [`limits::SBP_CHECK_EVERY_MS`].
    pub check_every_ms: u64,
    /// [`limits::SBP_SILENT_MS`].
    pub silent_ms: u64,
    /// [`limits::SBP_AFTER_FAILED_MS`].
    pub after_failed_ms: u64,
    /// [`limits::SBP_WATCH_MS`].
    pub watch_ms: u64,
    /// [`limits::SBP_SLOW_ASK_MS`].
    pub slow_ask_ms: u64,
    /// [`limits::SBP_REFUND_ASK_FIRST_MS`].
    pub refund_ask_first_ms: u64,
    /// [`limits::SBP_REFUND_ASK_LONGEST_MS`].
    pub refund_ask_longest_ms: u64,
    /// [`limits::SBP_LINK_RETRY_FIRST_MS`].
    pub link_retry_first_ms: u64,
    /// [`limits::SBP_LINK_RETRY_LONGEST_MS`].
    pub link_retry_longest_ms: u64,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            ping_every_ms: limits::SBP_PING_EVERY_MS,
            socket_silence_ms: limits::SBP_SOCKET_SILENCE_MS,
            reconnect_first_ms: limits::SBP_RECONNECT_FIRST_MS,
            reconnect_longest_ms: limits::SBP_RECONNECT_LONGEST_MS,
            socket_refused_ms: limits::SBP_SOCKET_REFUSED_MS,
            command_every_ms: limits::SBP_COMMAND_EVERY_MS,
            send_ms: limits::SBP_SEND_MS,
            ask_first_ms: limits::SBP_ASK_FIRST_MS,
            ask_longest_ms: limits::SBP_ASK_LONGEST_MS,
            check_every_ms: limits::SBP_CHECK_EVERY_MS,
            silent_ms: limits::SBP_SILENT_MS,
            after_failed_ms: limits::SBP_AFTER_FAILED_MS,
            watch_ms: limits::SBP_WATCH_MS,
            slow_ask_ms: limits::SBP_SLOW_ASK_MS,
            refund_ask_first_ms: limits::SBP_REFUND_ASK_FIRST_MS,
            refund_ask_longest_ms: limits::SBP_REFUND_ASK_LONGEST_MS,
            link_retry_first_ms: limits::SBP_LINK_RETRY_FIRST_MS,
            link_retry_longest_ms: limits::SBP_LINK_RETRY_LONGEST_MS,
        }
    }
}

/// The pause after so many failures in a row: doubled each time, up to the longest.
#[must_use]
pub(super) fn backoff_ms(first_ms: u64, longest_ms: u64, failures: u32) -> u64 {
    first_ms.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX)).min(longest_ms)
}

/// Somewhere between the half and the whole of a pause, so that many that were cut at once do not come back at once.
#[must_use]
pub(super) fn scattered(pause_ms: u64) -> u64 {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    let half = pause_ms / 2;
    half + (random & 0xffff_ffff) % (pause_ms - half + 1)
}
