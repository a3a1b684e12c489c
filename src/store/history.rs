//! Reading what was, on connections of its own: readers see the last commit and never hold up the writer.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{StoreError, history as explain};
use super::laid_up::frozen;
use super::{FILE, changes, rows, schema};
use crate::history::{ChangeFilter, Changes, Filter, History, HistoryError, JournalEnds, JournalLine, QueueFilter};
use crate::limits;
use crate::payment::sale::{Method, Payment, PaymentId, RefundId, UnixMs};
use crate::snapshot::QueueDepth;

/// The past of one store. Connections are opened when they are needed and kept for the next reader.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    keeps: Arc<AtomicBool>,
}

/// Connections kept for the next reader; more than these read at once only in a burst.
const IDLE: usize = 4;

impl Archive {
    /// The past of the store in `dir`. Works beside a running daemon, and without one.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let archive = Self::of(dir, Arc::new(AtomicBool::new(true)));
        reader(&archive.path).or_else(|why| frozen(&archive.path).map_err(|_| why))?;
        Ok(archive)
    }

    /// The past of a store that is open for writing.
    pub(super) fn of(dir: &Path, keeps: Arc<AtomicBool>) -> Self {
        Self { path: dir.join(FILE), idle: Mutex::new(Vec::new()), keeps }
    }

    /// Check the whole file, as long as it takes, on a connection of its own. What is found is left as word for the next start, which
    /// sets the file aside; nothing found is an empty list.
    ///
    /// # Errors
    /// The check itself cannot be made.
    pub fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        let failed = |e: rusqlite::Error| StoreError::sqlite(&self.path, &e);
        let checked = reader(&self.path).and_then(|conn| super::check(&conn, "integrity_check").map_err(failed));
        let problems = match checked {
            Err(StoreError::Damaged { what, .. }) => vec![what],
            checked => checked?,
        };
        if let (Some(first), Some(dir)) = (problems.first(), self.path.parent()) {
            super::mark_damaged(dir, first);
        }
        Ok(problems)
    }

    fn read<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (conn, keep) = match kept.map_or_else(|| reader(&self.path), Ok) {
            Ok(conn) => (conn, self.keeps.load(Ordering::SeqCst)),
            // Not kept: it would not see what is written once the file system lets somebody write.
            Err(why) => (frozen(&self.path).map_err(|_| HistoryError(why.to_string()))?, false),
        };
        let answer = question(&conn).map_err(|e| explain(&e));
        // After an error the connection is dropped: the file may have been replaced.
        if keep && answer.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(conn);
            }
        }
        answer
    }
}

/// A connection that can only read.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|e| StoreError::sqlite(path, &e))?;
    schema::recognise(&conn, path, schema::MIGRATIONS.len())?;
    schema::settle_reader(&conn, path)?;
    Ok(conn)
}

impl History for Archive {
    fn payment(&self, id: PaymentId) -> Result<Option<Payment>, HistoryError> {
        self.read(|conn| rows::payment(conn, id))
    }

    fn payments(&self, filter: &Filter) -> Result<Vec<Payment>, HistoryError> {
        let (sql, values) = list(filter);
        self.read(|conn| rows::payments(conn, &sql, rusqlite::params_from_iter(values)))
    }

    fn queue(&self, filter: &QueueFilter) -> Result<Vec<Payment>, HistoryError> {
        self.read(|conn| match filter.due_ms {
            Some(due_ms) => due(conn, filter, due_ms),
            None => waiting(conn, filter),
        })
    }

    fn journal(&self, after: i64, limit: u32) -> Result<Vec<JournalLine>, HistoryError> {
        self.read(|conn| {
            conn.prepare_cached(
                "SELECT seq, at_ms, payment_id, body FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?
            .query_map((after, at_most(limit)), |row| {
                Ok(JournalLine {
                    sequence: row.get(0)?,
                    at_ms: row.get(1)?,
                    payment: row.get::<_, Option<String>>(2)?.and_then(|id| id.parse().ok()).map(PaymentId),
                    fact: row.get(3)?,
                })
            })?
            .collect()
        })
    }

    fn journal_ends(&self) -> Result<JournalEnds, HistoryError> {
        self.read(changes::ends)
    }

    fn state_before(&self, line: i64, payment: PaymentId) -> Result<Option<&'static str>, HistoryError> {
        self.read(|conn| changes::state_before(conn, line, payment))
    }

    fn changed_since(&self, filter: &ChangeFilter) -> Result<Changes, HistoryError> {
        self.read(|conn| changes::since(conn, filter))
    }

    fn line_before(&self, at_ms: UnixMs) -> Result<i64, HistoryError> {
        self.read(|conn| changes::line_before(conn, at_ms))
    }

    fn payment_of_refund(&self, id: RefundId) -> Result<Option<Payment>, HistoryError> {
        self.read(|conn| {
            const BY_REFUND: &str =
                "SELECT payment.body FROM refund JOIN payment ON payment.id = refund.payment_id WHERE refund.id = ?1";
            Ok(rows::payments(conn, BY_REFUND, [id.to_string()])?.pop())
        })
    }

    fn queue_depth(&self) -> Result<QueueDepth, HistoryError> {
        // Two questions about one moment.
        self.read(|conn| depth(&*conn.unchecked_transaction()?))
    }
}

/// Receipts of a method whose turn has come.
pub(super) const DUE: &str = "SELECT next_ms, payment_id FROM outbox WHERE state = 'queued' AND method = ?1 AND next_ms <= ?2 \
                              ORDER BY next_ms LIMIT ?3";

/// Receipts in the queue, of one method or (NULL) of any.
pub(super) const QUEUED: &str = "SELECT asked_ms, payment_id FROM outbox WHERE state = 'queued' AND (?1 IS NULL OR method = ?1) \
                                 ORDER BY asked_ms LIMIT ?2";

/// Receipts that a person has to look at.
pub(super) const PARKED: &str = "SELECT asked_ms, payment_id FROM outbox WHERE state = 'parked' AND (?1 IS NULL OR method = ?1) \
                                 ORDER BY asked_ms LIMIT ?2";

/// The queue's length and the age of its oldest receipt.
pub(super) const DEPTH: &str =
    "SELECT queued, parked, (SELECT min(asked_ms) FROM outbox WHERE state = 'queued') FROM depth";

/// How many paid sales owe their receipt: the last line of the journal says it.
const OWED: &str = "SELECT owed FROM journal ORDER BY seq DESC LIMIT 1";

/// The queue in numbers: what its lines and its triggers keep, and the first entry of an index.
pub(super) fn depth(conn: &Connection) -> rusqlite::Result<QueueDepth> {
    Ok(QueueDepth { owed: owed(conn)?.cast_unsigned(), ..queue(conn)? })
}

/// [`depth`] without what is owed.
pub(super) fn queue(conn: &Connection) -> rusqlite::Result<QueueDepth> {
    conn.prepare_cached(DEPTH)?.query_row([], |row| {
        let count = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok(QueueDepth { queued: count(0)?, parked: count(1)?, oldest_ms: row.get(2)?, owed: 0 })
    })
}

/// What is owed. A line of an earlier version does not say it, a journal that was cut off whole has no line, and a store of an earlier version that
/// cannot be written has nowhere to say it.
pub(super) fn owed(conn: &Connection) -> rusqlite::Result<i64> {
    let said: Option<Option<i64>> = match conn.prepare_cached(OWED) {
        Ok(mut last) => last.query_row([], |row| row.get(0)).optional()?,
        Err(_) => None,
    };
    let count = || conn.query_row("SELECT count(*) FROM payment WHERE fiscal = 'owed'", [], |row| row.get(0));
    said.flatten().map_or_else(count, Ok)
}

fn at_most(limit: u32) -> u32 {
    if limit == 0 { limits::HISTORY_ROWS_MAX } else { limit }
}

/// By the index that has the times, read from one end to the other: that is a small part of what the payments' table is.
const OPENED_BETWEEN: &str =
    " AND number IN (SELECT number FROM payment INDEXED BY payment_line WHERE created_ms >= ? AND created_ms < ?)";

/// The query of a list, newest first, and its values.
pub(super) fn list(filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = String::from("SELECT body FROM payment WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    let mut only = |condition: &str, value: Value| {
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(method) = filter.method {
        only(" AND method = ?", method.name().to_owned().into());
    }
    if let Some(state) = &filter.state {
        // Nearly all are paid, so that paid ones are found without an index; those in progress are found among the residents.
        let condition = match state.as_str() {
            "paid" => " AND state = ?",
            "created" | "awaiting_payer" | "bank_processing" => " AND resident = 1 AND state = ?",
            _ => {
                " AND state <> 'created' AND state <> 'awaiting_payer' AND state <> 'bank_processing' AND state <> 'paid' AND state = ?"
            }
        };
        only(condition, state.clone().into());
    }
    if let Some(prefix) = &filter.id_prefix {
        only(" AND id >= ?", prefix.clone().into());
        // Names are hexadecimal digits and dashes: all of them come before a tilde.
        only(" AND id < ?", format!("{prefix}~").into());
    }
    if let Some(since_ms) = filter.refunded_since_ms {
        only(" AND id IN (SELECT payment_id FROM refund) AND updated_ms >= ?", since_ms.into());
    }
    if let Some(order_id) = &filter.order_id {
        only(" AND order_id = ?", order_id.clone().into());
    }
    if filter.since_ms.is_some() || filter.until_ms.is_some() {
        sql.push_str(OPENED_BETWEEN);
        values.push(filter.since_ms.unwrap_or(UnixMs::MIN).into());
        values.push(filter.until_ms.unwrap_or(UnixMs::MAX).into());
    }
    sql.push_str(" ORDER BY number DESC LIMIT ?");
    values.push(at_most(filter.limit).into());
    (sql, values)
}

/// Payments with a receipt whose turn has come, the longest overdue first.
fn due(conn: &Connection, filter: &QueueFilter, due_ms: i64) -> rusqlite::Result<Vec<Payment>> {
    let mut found: Vec<(i64, String)> = Vec::new();
    // One question a method: each is the beginning of its own stretch of the index, however long the others' queues are.
    for method in Method::ALL.into_iter().filter(|m| filter.method.is_none_or(|only| only == *m)) {
        let mut statement = conn.prepare_cached(DUE)?;
        let rows =
            statement.query_map((method.name(), due_ms, at_most(filter.limit)), |r| Ok((r.get(0)?, r.get(1)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    bodies(conn, found, filter.limit)
}

/// Payments with a receipt in the queue or parked, the oldest receipt first.
fn waiting(conn: &Connection, filter: &QueueFilter) -> rusqlite::Result<Vec<Payment>> {
    let mut found: Vec<(i64, String)> = Vec::new();
    for sql in [QUEUED, PARKED] {
        let mut statement = conn.prepare_cached(sql)?;
        let rows = statement
            .query_map((filter.method.map(Method::name), at_most(filter.limit)), |r| Ok((r.get(0)?, r.get(1)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    bodies(conn, found, filter.limit)
}

/// The payments of these names in the order of their times, each once.
fn bodies(conn: &Connection, mut found: Vec<(i64, String)>, limit: u32) -> rusqlite::Result<Vec<Payment>> {
    found.sort_by_key(|(at_ms, _)| *at_ms);
    let mut seen = std::collections::HashSet::new();
    found.retain(|(_, id)| seen.insert(id.clone()));
    found.truncate(usize::try_from(at_most(limit)).unwrap_or(usize::MAX));
    let mut payments = Vec::with_capacity(found.len());
    for (_, id) in &found {
        payments.append(&mut rows::payments(conn, "SELECT body FROM payment WHERE id = ?1", [id])?);
    }
    Ok(payments)
}
