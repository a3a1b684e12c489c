//! The only consumer of the queue: load → decide → commit → effect.

pub mod handle;
pub mod ledger;

pub use handle::{Handle, Ticket};
pub use ledger::{Entry, Ledger, LedgerError, OpenItems};
