//! What the driver asks of a store: load rows, and write everything that a batch decided in one transaction.

use std::sync::Arc;

use super::witness::Move;
use crate::payment::card::Settlement;
use crate::payment::fact::Fact;
use crate::payment::sale::{Payment, UnixMs};
use crate::payment::terminal::{Lookup, Register};
use crate::snapshot::QueueDepth;

/// A place where facts are kept. One transaction at a time: `begin`, then for each event `load` and `append`, then `commit`.
pub trait Ledger: Send {
    /// Everything that is open, at start.
    ///
    /// # Errors
    /// The store cannot be read.
    fn open_items(&mut self) -> Result<OpenItems, LedgerError>;

    /// Begin a transaction (and see what it wrote so far).
    ///
    /// # Errors
    /// The store cannot be written.
    fn begin(&mut self) -> Result<(), LedgerError>;

    /// The payments that a lookup names.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&mut self, lookup: &Lookup) -> Result<Vec<Payment>, LedgerError>;

    /// The settlement that a token asked for; the first, where an older version closed the shift again under the same token.
    ///
    /// # Errors
    /// The store cannot be read.
    fn settlement_of(&mut self, token: &str) -> Result<Option<Settlement>, LedgerError>;

    /// Write what one event decided: its journal lines, and the rows as they stand after them. On an error nothing of this entry is
    /// kept and the transaction goes on.
    ///
    /// # Errors
    /// The entry breaks a rule of the store, or the store cannot be written.
    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError>;

    /// Make everything durable. After an error nothing of the batch is kept.
    ///
    /// # Errors
    /// The disk did not take it.
    fn commit(&mut self) -> Result<(), LedgerError>;

    /// Drop the transaction.
    fn rollback(&mut self);

    /// Free the reserve, so that answers about money that has moved can still be written on a full disk. Called when a commit failed for
    /// want of space; idempotent.
    fn free_reserve(&mut self) {}

    /// Lay the reserve again and prove, by a commit of its own, that lines are taken. Asked at start and after a failure.
    ///
    /// # Errors
    /// They are not; nothing new may begin.
    fn prove_writable(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }

    /// No payment is at work, and effects and answers of the last step are out: have done beside the sales what no sale is to wait for.
    fn between_sales(&mut self) {}

    /// The same while payments are at work: in a rush no moment comes between two sales.
    fn amid_sales(&mut self) {}

    /// Nothing waits: do now what need not be done while somebody does.
    fn rest(&mut self) {}

    /// Everybody has heard of the last step, and a payment waits for its next one: begin that one's transaction now, so that it need not. Does not
    /// wait; a `begin` that finds nothing begun begins.
    fn begin_ahead(&mut self) {}

    /// The queue in numbers, at the cost of a look-up.
    ///
    /// # Errors
    /// The store cannot be read.
    fn queue_depth(&mut self) -> Result<QueueDepth, LedgerError> {
        Ok(QueueDepth::default())
    }
}

/// What one event decided.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at_ms: UnixMs,
    /// The lines.
    pub facts: Vec<Fact>,
    /// The payments that they changed, each once.
    pub moves: Vec<Move>,
    /// The settlement, if they changed it.
    pub settlement: Option<Arc<Settlement>>,
    /// The register, if they changed it.
    pub register: Option<Register>,
}

/// What is open at start.
#[derive(Clone, Debug, Default)]
pub struct OpenItems {
    /// Payments that may not leave memory.
    pub payments: Vec<Payment>,
    /// The last settlement.
    pub settlement: Option<Settlement>,
    /// Durable odds and ends.
    pub register: Register,
}

/// Why a store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// No room left.
    #[error("the disk is full")]
    Full,
    /// The store may be read only.
    #[error("the store is read-only")]
    ReadOnly,
    /// The file is damaged.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The entry breaks a rule of the store: a bug here, not a fault of the disk.
    #[error("the store refused a line: {0}")]
    Rule(String),
    /// Anything else.
    #[error("the store failed: {0}")]
    Other(String),
}
