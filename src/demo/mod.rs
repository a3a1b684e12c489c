//! The terminal without hardware. Left out of a box's build, so that it can never approve imaginary money.
//!
//! The demo's process is the world outside: it holds the simulated vendors and their books, and serves the *virtual terminal*'s page.
//! The daemon is a process of its own, the very one that a box runs, so that cutting its power is a real SIGKILL over a real store.
//!
//! ```text
//!  browser ─► page ─┬─► /payment/*, /screen.png, the technician's socket ─► daemon (child)
//!                   │                                                       │  ▲
//!                   └─► buttons ─► gateway (HTTP), PinPad (pty), scanner (pty) ┘
//! ```

mod bench;
pub mod gateway;
mod leash;
mod ledger;
mod page;
mod picture;
mod power;
mod proxy;
pub mod qrm;
mod run;

pub use bench::BenchError;
pub use ledger::BooksError;
pub use power::{PowerError, end_with_the_demo};
pub use run::{DemoError, DemoOptions, run};
