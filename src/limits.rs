//! Every limit, with its unit and its reason.

/// Events that wait for the driver.
pub const EVENT_QUEUE_LEN: usize = 1024;
/// Places of that queue which tills may not take.
pub const EVENT_QUEUE_RESERVE: usize = 256;
