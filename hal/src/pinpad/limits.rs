//! How long and how much: every limit of the PinPad's room, with its reason. The caller may fill in its own.

use std::time::Duration;

/// What the TCP side has more than its own limit, so that its answer usually comes first. 1 s.
pub(crate) const NET_ANSWER_MARGIN: Duration = Duration::from_secs(1);

/// The shortest look for bytes of the bank: zero would not even look. 1 ms takes what has already arrived.
pub(crate) const NET_SHORTEST_LOOK: Duration = Duration::from_millis(1);

/// The limits of one PinPad. The defaults are those of the protocol's description where it names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A whole dialogue, from the request's first byte. 180 s: a customer looks for a card, a bank answers slowly.
    pub dialogue: Duration,
    /// Before a request, at most this long is spent on what is left of an earlier dialogue. 2 s.
    pub drain_before: Duration,
    /// The line counts as drained after this much silence. 150 ms: many times a frame at 9600 baud.
    pub drain_quiet: Duration,
    /// After a failure the PinPad is still listened to, and answered, for this long or until ENDTR. 4 s.
    pub drain_after_failure: Duration,
    /// A frame that has begun must be whole after this. 3 s: 2 KiB at 9600 baud take 2.1 s.
    pub frame: Duration,
    /// A ping (9,6) must be over after this. 10 s.
    pub ping: Duration,
    /// While an open line is mute, it is asked again this often. 15 s.
    pub ping_again: Duration,
    /// The largest payload, bytes. 4096: a slip comes in pieces of 500, a bank's packet fits.
    pub payload_bytes: usize,
    /// Frames kept while the PinPad waits for a held answer. It says nothing then, if it keeps to its protocol. 32.
    pub frames_waiting: usize,
    /// Bytes kept while nobody is in a dialogue; more is noise and dropped. 16 KiB.
    pub idle_bytes: usize,
    /// Evidence in one dialogue: a detailed report of a full shift fits. 4096 messages.
    pub evidence: u32,
    /// Connections of one dialogue to the bank through the till. 4.
    pub net_handles: usize,
    /// One connect, write or read of the network proxy. 20 s, below what the PinPad itself waits for its host.
    pub net_step: Duration,
    /// Bytes that one dialogue may move through the proxy, both ways together. 1 MiB.
    pub net_bytes: usize,
    /// First pause before a lost line is opened again. 200 ms.
    pub reopen_first: Duration,
    /// The longest pause between two attempts; they never end. 5 s.
    pub reopen_longest: Duration,
    /// Commands waiting for the port. 16.
    pub commands: usize,
    /// Signals that wait for their reader before the port stops reading the line. 64.
    pub signals: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dialogue: Duration::from_secs(180),
            drain_before: Duration::from_secs(2),
            drain_quiet: Duration::from_millis(150),
            drain_after_failure: Duration::from_secs(4),
            frame: Duration::from_secs(3),
            ping: Duration::from_secs(10),
            ping_again: Duration::from_secs(15),
            payload_bytes: 4096,
            frames_waiting: 32,
            idle_bytes: 16 * 1024,
            evidence: 4096,
            net_handles: 4,
            net_step: Duration::from_secs(20),
            net_bytes: 1024 * 1024,
            reopen_first: Duration::from_millis(200),
            reopen_longest: Duration::from_secs(5),
            commands: 16,
            signals: 64,
        }
    }
}

/// Commissioning: a tty that is there opens within this.
pub const LEARN_OPEN: Duration = Duration::from_secs(3);

/// Commissioning: a ping with the right settings is over within this, a wrong one is given up after it.
pub const LEARN_PING: Duration = Duration::from_secs(4);
