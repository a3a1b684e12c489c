//! The terminal as a process: a wiring diagram.
//!
//! ```text
//!  till ─► api ──┐                      ┌─► provider ─┐
//!  PinPad ───────┼─► driver ─ effects ──┼─► PinPad    ├─► events back to the driver
//!  technician ───┘      │               └─► outbox ───┘
//!                       └─ snapshots ─► display, api, watchdog
//! ```
//!
//! It starts and serves whatever is broken: what is missing is shown, and heals without a restart. Only a store that cannot be opened
//! at all (in use, of a later version, of another program) ends the start, because without it no promise can be kept.

pub mod assemble;
