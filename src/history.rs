//! Reading what was: payments that left memory, lists, the journal. Read-only, on connections of its own.

use crate::payment::sale::{Method, Payment, PaymentId, RefundId, UnixMs};
use crate::snapshot::QueueDepth;

/// What can be asked of the past. Implemented by the store; the API and the technician's socket know only this.
pub trait History: Send + Sync {
    /// One payment.
    ///
    /// # Errors
    /// The store cannot be read.
    fn payment(&self, id: PaymentId) -> Result<Option<Payment>, HistoryError>;

    /// Payments, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn payments(&self, filter: &Filter) -> Result<Vec<Payment>, HistoryError>;

    /// Payments with a receipt in the queue or parked, oldest receipt first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn queue(&self, filter: &QueueFilter) -> Result<Vec<Payment>, HistoryError>;

    /// Lines of the journal after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn journal(&self, after: i64, limit: u32) -> Result<Vec<JournalLine>, HistoryError>;

    /// Where the journal begins and ends.
    ///
    /// # Errors
    /// The store cannot be read.
    fn journal_ends(&self) -> Result<JournalEnds, HistoryError>;

    /// Where a payment stood before that line, by what the lines before it say ([`crate::payment::sale::State::name`]); nothing, where none of
    /// those that are left says it: then it has ended before the first of them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn state_before(&self, line: i64, payment: PaymentId) -> Result<Option<&'static str>, HistoryError>;

    /// Payments that changed after a line, as they stand, in the order of the last line about each.
    ///
    /// # Errors
    /// The store cannot be read.
    fn changed_since(&self, filter: &ChangeFilter) -> Result<Changes, HistoryError>;

    /// The last line before the first change of a payment at or after a time, as far as the clock has never been set back.
    ///
    /// # Errors
    /// The store cannot be read.
    fn line_before(&self, at_ms: UnixMs) -> Result<i64, HistoryError>;

    /// The payment that a refund belongs to.
    ///
    /// # Errors
    /// The store cannot be read.
    fn payment_of_refund(&self, id: RefundId) -> Result<Option<Payment>, HistoryError>;

    /// The queue in numbers.
    ///
    /// # Errors
    /// The store cannot be read.
    fn queue_depth(&self) -> Result<QueueDepth, HistoryError>;
}

/// Which payments.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this method only.
    pub method: Option<Method>,
    /// In this state only ([`crate::payment::sale::State::name`]).
    pub state: Option<String>,
    /// Whose name begins so: the first digits that a person types.
    pub id_prefix: Option<String>,
    /// With a refund or void, and changed at or after.
    pub refunded_since_ms: Option<UnixMs>,
    /// With this order number of the till only.
    pub order_id: Option<String>,
    /// Created at or after.
    pub since_ms: Option<UnixMs>,
    /// Created before.
    pub until_ms: Option<UnixMs>,
    /// At most so many; 0 = the default of the implementation.
    pub limit: u32,
}

/// Which receipts.
#[derive(Clone, Debug, Default)]
pub struct QueueFilter {
    /// Of this provider only.
    pub method: Option<Method>,
    /// Only those whose turn has come by then, and which are not parked.
    pub due_ms: Option<UnixMs>,
    /// At most so many; 0 = the default of the implementation.
    pub limit: u32,
}

/// Which changes.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// After this line of the journal.
    pub after: i64,
    /// Of this method only.
    pub method: Option<Method>,
    /// In this state only ([`crate::payment::sale::State::name`]).
    pub state: Option<String>,
    /// With this order number of the till only.
    pub order_id: Option<String>,
    /// At most so many payments.
    pub limit: usize,
    /// Look at no more than so many.
    pub look_at: u32,
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The payments as they stand, the one that changed first first.
    pub payments: Vec<Payment>,
    /// Everything up to this line was looked at: where to go on.
    pub read_to: i64,
    /// There may be more after it.
    pub more: bool,
}

/// Where the journal begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalEnds {
    /// The last line that was cut off; 0 = none was.
    pub cut_at: i64,
    /// The last line, or the last one that was cut off.
    pub last: i64,
}

/// A line of the journal, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// Its number, counting from 1 without a gap.
    pub sequence: i64,
    /// When it was written.
    pub at_ms: UnixMs,
    /// What it is about.
    pub payment: Option<PaymentId>,
    /// The fact, JSON.
    pub fact: String,
}

/// The store cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct HistoryError(pub String);
