//! The other end of each device, for the demo and for tests. Nothing here is in a box's build.
//!
//! - [`pinpad`]: a PinPad on a pty, with a bank behind it that keeps its own books
//! - [`scanner`]: a code scanner in serial mode, on a pty

pub mod pinpad;
mod pty;
pub mod scanner;
