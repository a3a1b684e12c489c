//! How much of a log is gathered, with the reason.

/// Bytes of a commit that are gathered before they are passed on; a longer one is passed on in pieces. A sale writes 20 KiB at once, a batch of many tills more.
pub(super) const GATHERED_MAX_BYTES: usize = 65_536;
