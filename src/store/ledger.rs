//! The driver's side of the store: one transaction a batch, and a savepoint for each entry after its first.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::error::ledger as explain;
use super::{FILE, Store, history, rows, schema};
use crate::driver::Move;
use crate::driver::ledger::{Entry, Ledger, LedgerError, OpenItems};
use crate::limits;
use crate::payment::card::Settlement;
use crate::payment::fact::Fact;
use crate::payment::fiscal::Fiscal;
use crate::payment::sale::Payment;
use crate::payment::terminal::Lookup;
use crate::snapshot::QueueDepth;

/// A write that says nothing about any payment.
const PROOF: &str = "INSERT INTO meta (key, value) VALUES ('writable', '1') \
                     ON CONFLICT (key) DO UPDATE SET value = CAST(value + 1 AS TEXT)";

/// IMMEDIATE: whoever else writes (nobody should) is met here and not in the middle.
const BEGIN: &str = "BEGIN IMMEDIATE";

impl Ledger for Store {
    fn open_items(&mut self) -> Result<OpenItems, LedgerError> {
        open_items(&self.conn).map_err(|e| self.suspect(&e))
    }

    fn begin(&mut self) -> Result<(), LedgerError> {
        self.entries = 0;
        if std::mem::take(&mut self.is_begun_ahead) && !self.conn.is_autocommit() {
            return Ok(());
        }
        self.heal()?;
        // A transaction that a caller forgot must not swallow this one.
        self.end_open();
        self.run(BEGIN).map_err(|e| self.suspect(&e))
    }

    /// What it spares a step are the locks of the file. A log that is to begin anew can do so only with a transaction that begins after it was written
    /// back: until then none is begun ahead.
    fn begin_ahead(&mut self) {
        if self.laid_up.is_some() || self.log_is_long || !self.conn.is_autocommit() {
            return;
        }
        // Whoever else holds the file (nobody should) is waited for by a step, which has a reason to.
        let without_waiting = self.conn.busy_timeout(Duration::ZERO).and_then(|()| self.run(BEGIN));
        let waiting = self.conn.busy_timeout(limits::wait(limits::STORE_BUSY_MS));
        self.is_begun_ahead = without_waiting.and(waiting).is_ok();
    }

    fn load(&mut self, lookup: &Lookup) -> Result<Vec<Payment>, LedgerError> {
        let conn = &self.conn;
        match lookup {
            Lookup::Payment(id) => rows::payment(conn, *id).map(|found| found.into_iter().collect()),
            Lookup::Token(key) => rows::payments(conn, rows::BY_TOKEN, [key]),
            Lookup::Code(method, code) => rows::payments(conn, rows::BY_CODE, [code.as_str(), method.name()]),
            Lookup::Upstream(method, id) => rows::payments(conn, rows::BY_UPSTREAM, [id.as_str(), method.name()]),
        }
        .map_err(|e| self.suspect(&e))
    }

    fn settlement_of(&mut self, token: &str) -> Result<Option<Settlement>, LedgerError> {
        rows::settlement_of(&self.conn, token).map_err(|e| self.suspect(&e))
    }

    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        // A full disk ends the transaction behind our back; writing on would commit every line by itself.
        if self.conn.is_autocommit() {
            return Err(LedgerError::Other("no transaction is open; begin again".into()));
        }
        let owed = self.owed_after(entry)?;
        let written = if self.entries == 0 { self.append_first(entry, owed) } else { self.append_more(entry, owed) };
        match &written {
            Ok(()) => {
                self.entries += 1;
                self.owed = Some(owed);
                if entry.moves.iter().any(Move::touches_receipts) {
                    self.queue = None;
                }
            }
            Err(_) => (self.owed, self.queue) = (None, None),
        }
        written
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        if self.conn.is_autocommit() {
            return Err(LedgerError::Other("the transaction was ended by an earlier error".into()));
        }
        self.run("COMMIT").map_err(|e| {
            let why = self.suspect(&e);
            self.rollback();
            why
        })?;
        self.commits_in_log += 1;
        self.entries_unseen += self.entries;
        if !self.log_is_bound && self.commits_in_log >= 2 * limits::STORE_LOG_COMMITS_KEPT {
            self.bind_log();
        }
        Ok(())
    }

    fn rollback(&mut self) {
        self.is_begun_ahead = false;
        // SQLite may have ended the transaction by itself, and has taken back what was counted in it.
        (self.owed, self.queue) = (None, None);
        if !self.conn.is_autocommit() {
            // Can only fail where no transaction is left, which is what is wanted.
            let _ = self.run("ROLLBACK");
        }
    }

    fn free_reserve(&mut self) {
        self.reserve.free();
        // A log that was written back is room for the next lines.
        self.write_back();
    }

    fn prove_writable(&mut self) -> Result<(), LedgerError> {
        self.heal()?;
        // Without its reserve a store may take the sale and then not its answer.
        self.reserve.restore()?;
        self.begin()?;
        self.run(PROOF).map_err(|e| {
            let why = self.suspect(&e);
            self.rollback();
            why
        })?;
        self.commit()
    }

    fn between_sales(&mut self) {
        let unseen = if self.log_is_long { 1 } else { limits::STORE_LOG_ENTRIES_UNSEEN_MAX };
        self.look_at_log(unseen, limits::STORE_LOG_PAGES_KEPT);
    }

    fn amid_sales(&mut self) {
        let long = self.log_is_long;
        let unseen = if long { limits::STORE_LOG_ENTRIES_UNSEEN_MAX } else { limits::STORE_LOG_ENTRIES_IN_RUSH_MAX };
        self.look_at_log(unseen, limits::STORE_LOG_PAGES_IN_RUSH_KEPT);
    }

    /// Write the log back, so that no sale has to wait for that, and begin it anew, so that a start finds one commit in it: what was written back
    /// stays in the log and would be read again.
    fn rest(&mut self) {
        self.bind_log();
        if self.commits_in_log >= limits::STORE_LOG_COMMITS_KEPT
            && self.write_back()
            && let Err(error) = self.prove_writable()
        {
            tracing::debug!(%error, "the log of the store could not be begun anew");
        }
    }

    fn queue_depth(&mut self) -> Result<QueueDepth, LedgerError> {
        let read = || -> rusqlite::Result<(i64, QueueDepth)> {
            let owed = self.owed.map_or_else(|| history::owed(&self.conn), Ok)?;
            Ok((owed, self.queue.map_or_else(|| history::queue(&self.conn), Ok)?))
        };
        let (owed, queue) = read().map_err(|e| self.suspect(&e))?;
        (self.owed, self.queue) = (Some(owed), Some(queue));
        Ok(QueueDepth { owed: owed.cast_unsigned(), ..queue })
    }
}

impl Store {
    /// How many paid sales will owe their receipt once this is written.
    fn owed_after(&self, entry: &Entry) -> Result<i64, LedgerError> {
        let owed = self.owed.map_or_else(|| history::owed(&self.conn), Ok).map_err(|e| self.suspect(&e))?;
        let owes = |payment: &Payment| i64::from(payment.fiscal == Fiscal::Owed);
        Ok(entry
            .moves
            .iter()
            .fold(owed, |owed, Move { before, after }| owed + owes(after) - before.as_deref().map_or(0, owes)))
    }

    /// What an entry alone in its transaction has to leave as it was is all of the transaction.
    fn append_first(&mut self, entry: &Entry, owed: i64) -> Result<(), LedgerError> {
        write(&self.conn, entry, owed).or_else(|e| {
            let why = self.suspect(&e);
            if !self.conn.is_autocommit() {
                self.rollback();
                self.begin()?;
            }
            Err(why)
        })
    }

    fn append_more(&self, entry: &Entry, owed: i64) -> Result<(), LedgerError> {
        self.run("SAVEPOINT entry").map_err(|e| self.suspect(&e))?;
        match write(&self.conn, entry, owed) {
            Ok(()) => self.run("RELEASE entry").map_err(|e| self.suspect(&e)),
            Err(e) => {
                let why = self.suspect(&e);
                if !self.conn.is_autocommit() {
                    self.run("ROLLBACK TO entry")
                        .and_then(|()| self.run("RELEASE entry"))
                        .map_err(|e| self.suspect(&e))?;
                }
                Err(why)
            }
        }
    }

    /// Drop a transaction that nobody is at work in.
    fn end_open(&mut self) {
        if !self.conn.is_autocommit() {
            self.rollback();
        }
    }

    /// From now on a commit that makes the log too long writes it back at once. Not from the first: what an earlier life left in it, cut off in a
    /// rush, would be written back before the terminal is ready.
    fn bind_log(&mut self) {
        if !std::mem::replace(&mut self.log_is_bound, true)
            && let Some(dir) = &self.dir
            && let Err(error) = schema::bind_log(&self.conn, &dir.join(FILE))
        {
            tracing::warn!(%error, "the log of the store may grow longer than it should");
        }
    }

    /// Have the log written back beside the sales, if nobody looked at it for so many entries and it has so many pages.
    ///
    /// What is committed meanwhile is left, and with it the log does not begin anew. Where one sale follows the other the thread would come too
    /// late for it each time, so that these few pages are written back here, before the next sale begins.
    fn look_at_log(&mut self, entries: usize, kept: u32) {
        if !self.log_is_bound || self.entries_unseen < entries {
            return;
        }
        self.entries_unseen = 0;
        // SQLite does not look at the log within a transaction.
        self.end_open();
        let lengths = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(1)?, row.get::<_, u32>(2)?));
        let looked = self.conn.prepare_cached("PRAGMA wal_checkpoint(NOOP)").and_then(|mut s| s.query_row([], lengths));
        let (pages, written) = looked.unwrap_or_default();
        self.log_is_long = pages >= kept;
        if !self.log_is_long {
            return;
        }
        if written > 0 && pages.saturating_sub(written) <= limits::STORE_LOG_PAGES_LEFT_MAX {
            self.write_back();
        } else if let Some(write_back) = &self.write_back {
            write_back.ask();
        }
    }

    /// Write the log back into the file, as far as readers let it. Whether all of it is there.
    fn write_back(&mut self) -> bool {
        self.end_open();
        let lengths =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        match self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], lengths) {
            // The thread beside the sales is at it.
            Ok((true, ..)) => false,
            Ok((false, log, written)) => {
                self.commits_in_log = 0;
                self.log_is_long &= log != written;
                log == written
            }
            // Nothing is lost by it, and the next commit will say what is wrong.
            Err(error) => {
                tracing::debug!(%error, "the log could not be written back");
                false
            }
        }
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// The driver's word for an error; damage is remembered for the next start.
    fn suspect(&self, error: &rusqlite::Error) -> LedgerError {
        let why = explain(error);
        if let LedgerError::Corrupt(what) = &why {
            self.mark_damaged(what);
        }
        why
    }
}

/// What is open, and what hangs on the box.
pub(super) fn open_items(conn: &Connection) -> rusqlite::Result<OpenItems> {
    Ok(OpenItems {
        payments: rows::payments(conn, rows::OPEN, [])?,
        settlement: rows::last_settlement(conn)?,
        register: rows::register(conn)?,
    })
}

/// Write one entry's lines and rows.
fn write(conn: &Connection, entry: &Entry, owed: i64) -> rusqlite::Result<()> {
    // The lines come first, because a payment's row knows the last of its lines; then payments, to which tokens and refunds refer.
    let mut last_lines = Vec::with_capacity(entry.facts.len());
    for fact in &entry.facts {
        last_lines.push((fact.payment(), put_line(conn, entry.at_ms, fact, owed)?));
    }
    for Move { before, after } in &entry.moves {
        let about_it = last_lines.iter().rev().find(|(about, _)| *about == Some(after.id));
        rows::put_payment(conn, before.as_deref(), after, about_it.map_or(0, |(_, line)| *line))?;
    }
    for fact in &entry.facts {
        match fact {
            Fact::Opened { payment, token: Some(token), .. } => rows::put_token(conn, token, *payment, None)?,
            Fact::Created { payment, token, .. } => rows::put_token(conn, token, *payment, None)?,
            Fact::Wished { payment, wish } => rows::put_token(conn, &wish.token, *payment, None)?,
            Fact::RefundOpened { payment, refund, token, .. } => {
                rows::put_refund(conn, *refund, *payment)?;
                if let Some(token) = token {
                    rows::put_token(conn, token, *payment, Some(*refund))?;
                }
            }
            _ => {}
        }
    }
    if let Some(settlement) = &entry.settlement {
        rows::put_settlement(conn, settlement)?;
    }
    if let Some(register) = &entry.register {
        rows::put_register(conn, register)?;
    }
    Ok(())
}

/// The next number: after the last line, or after the cut where no line follows it yet. One look at the end of each table; what a
/// savepoint rolls back gives its numbers back.
const PUT_LINE: &str = "
INSERT OR FAIL INTO journal (seq, at_ms, payment_id, body, owed)
VALUES (coalesce((SELECT max(seq) FROM journal), (SELECT max(seq) FROM cut), 0) + 1, ?1, ?2, ?3, ?4)";

/// Write one line of the journal, of a step after which so many paid sales owe their receipt; its number.
pub(super) fn put_line(conn: &Connection, at_ms: i64, fact: &Fact, owed: i64) -> rusqlite::Result<i64> {
    let body = serde_json::to_string(fact).map_err(super::error::unreadable)?;
    conn.prepare_cached(PUT_LINE)?.insert(params![at_ms, fact.payment().map(|id| id.to_string()), body, owed])
}
