//! What is bolted to the box. This crate talks to devices and knows nothing of payments: it moves bytes,
//! names what a device said, and leaves every decision to its caller.
//!
//! - [`board`]: a board file → what the box has
//! - [`disk`]: how a database's log reaches the kernel
//! - [`document`]: a file written by hand, read key by key
//! - [`display`]: pixels that people look at
//! - [`pinpad`]: the bank's card terminal on a serial line
//! - [`scanner`]: the code scanner
//! - `sim`: the other end of each device, for the demo and for tests (feature `sim`)

pub mod board;
pub mod disk;
pub mod display;
pub mod document;
pub mod pinpad;
pub mod scanner;
#[cfg(feature = "sim")]
pub mod sim;
