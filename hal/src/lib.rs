//! What is bolted to the box. This crate talks to devices and knows nothing of payments: it moves bytes,
//! names what a device said, and leaves every decision to its caller.
//!
//! - [`pinpad`]: the bank's card terminal on a serial line

pub mod pinpad;
