//! The journal grows for ever; a box's disk does not. Lines of a finished time may be exported and cut off, once everything in them
//! is final. The queue, the payments and the tokens are never cut.
//!
//! The triggers that keep the journal append-only are not weakened for it. A new file is built beside the old one: the payments as
//! they stood at the cut (its checkpoint), the lines after it, everything else as it is. Only when the audit proves the new file
//! does it take the old one's place, by one rename. Needs the daemon to be stopped: it takes the store's lock. Writing lines out ([`export`]) needs nothing.

use ring::digest::{Context, SHA256};
use rusqlite::{Connection, OpenFlags, params};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::audit::audit_connection;
use super::error::{StoreError, unreadable};
use super::laid_up::frozen;
use super::lock::Lock;
use super::{FILE, LOCK, Store, StoreOptions, aside, history, open_file, replay, rows, schema};
use crate::payment::fiscal::Fiscal;
use crate::payment::sale::{Payment, UnixMs};

const SIDE_FILES: [&str; 3] = ["compact.db", "compact.db-wal", "compact.db-shm"];

/// What was exported and cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// The last line that was cut off; the journal now begins after it.
    pub cut_at: i64,
    /// Lines that were exported.
    pub lines: u64,
    /// Where to.
    pub export: PathBuf,
    /// SHA-256 of the export, in hexadecimal; also kept in the store.
    pub sha256: String,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Lines that were exported.
    pub lines: u64,
    /// Where to.
    pub export: PathBuf,
    /// SHA-256 of the export, in hexadecimal.
    pub sha256: String,
}

/// Which lines are written out: those up to a number, of a time.
struct Range {
    up_to: i64,
    since_ms: UnixMs,
    before_ms: UnixMs,
}

/// Write the lines of this time (from `since_ms` to just before `before_ms`) to `export` (JSON lines, a file that is not there yet).
/// Works beside a running daemon; the store stays as it is.
///
/// # Errors
/// There is no store, it cannot be read, or the file cannot be written; then no file is left.
pub fn export(dir: &Path, since_ms: UnixMs, before_ms: UnixMs, export: &Path) -> Result<Exported, StoreError> {
    let path = dir.join(FILE);
    let conn = history::reader(&path).or_else(|why| frozen(&path).map_err(|_| why))?;
    let (lines, sha256) = write_export(&conn, &Range { up_to: i64::MAX, since_ms, before_ms }, export)?;
    Ok(Exported { lines, export: export.into(), sha256 })
}

/// Export the lines written before `before_ms` to `export` (JSON lines, a file that is not there yet), and cut them off.
///
/// Every payment that one of these lines speaks of must be final by now: its state, its refunds and the PinPad's runs, and its fiscal
/// debt, which is none, not required or confirmed. What is owed, queued or parked keeps its whole story.
///
/// # Errors
/// [`StoreError::NotCompacted`] where something is not final, nothing is that old, or the proof fails; whatever keeps the store from
/// being opened. The store is as it was before.
pub fn compact(dir: &Path, options: &StoreOptions, before_ms: UnixMs, export: &Path) -> Result<Compaction, StoreError> {
    // Opening brings an older file to the newest schema, sets a damaged one aside, and writes the log back when it is closed.
    drop(Store::open(dir, options)?);
    let _lock = Lock::take(&dir.join(LOCK))?;
    let path = dir.join(FILE);
    let failed = |e: rusqlite::Error| StoreError::sqlite(&path, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(&path, flags).map_err(failed)?;
    let report = audit_connection(&old).map_err(failed)?;
    if !report.holds() {
        let why = format!("the audit finds {} differences; run tolov audit first", report.differences_found);
        return Err(StoreError::NotCompacted { why });
    }
    let first = report.cut_at.unwrap_or(0) + 1;
    let cut_at = old_enough(&old, before_ms).map_err(failed)?;
    if cut_at < first {
        return Err(StoreError::NotCompacted { why: "no line is that old".into() });
    }
    everything_is_final(&old, cut_at).map_err(failed)?.map_or(Ok(()), |why| Err(StoreError::NotCompacted { why }))?;
    let all = Range { up_to: cut_at, since_ms: UnixMs::MIN, before_ms: UnixMs::MAX };
    let (lines, sha256) = write_export(&old, &all, export)?;
    let compaction = Compaction { cut_at, lines, export: export.into(), sha256 };
    let replaced = old.close().map_err(|(_, e)| failed(e)).and_then(|()| replace(dir, options, &compaction));
    if replaced.is_err() {
        // The lines are still in the store, and a second try writes this file again.
        aside::remove(export)?;
        remove_side_files(dir)?;
    }
    replaced?;
    aside::sync(dir)?;
    Ok(compaction)
}

/// Build the new file and put it in the old one's place. On an error the old file is where it was.
fn replace(dir: &Path, options: &StoreOptions, compaction: &Compaction) -> Result<(), StoreError> {
    let path = dir.join(FILE);
    if fs::metadata(dir.join("tolov.db-wal")).is_ok_and(|m| m.len() > 0) {
        let why = "another program has the store open (a shell, an audit); close it and try again".into();
        return Err(StoreError::NotCompacted { why });
    }
    let side = dir.join(SIDE_FILES[0]);
    remove_side_files(dir)?;
    build(&path, &side, options, compaction)?;
    // A technician is root, the daemon is not, and it has to write this file.
    let old = fs::metadata(&path).map_err(|e| StoreError::io(&path, &e))?;
    fs::set_permissions(&side, old.permissions())
        .and_then(|()| std::os::unix::fs::chown(&side, Some(old.uid()), Some(old.gid())))
        .and_then(|()| fs::rename(&side, &path))
        .map_err(|e| StoreError::io(&path, &e))
}

/// The last line before the first one that is not old enough. A clock that stepped back may make a later line look old: it stays.
fn old_enough(old: &Connection, before_ms: UnixMs) -> rusqlite::Result<i64> {
    const LAST: &str =
        "SELECT coalesce((SELECT min(seq) - 1 FROM journal WHERE at_ms >= ?1), (SELECT max(seq) FROM journal), 0)";
    old.query_row(LAST, [before_ms], |row| row.get(0))
}

/// What is not final, in words.
fn everything_is_final(old: &Connection, cut_at: i64) -> rusqlite::Result<Option<String>> {
    const TOUCHED: &str =
        "SELECT body FROM payment WHERE id IN (SELECT payment_id FROM journal WHERE seq <= ?1) ORDER BY number";
    let mut statement = old.prepare(TOUCHED)?;
    let mut found = statement.query_map([cut_at], rows::parse_body::<Payment>)?;
    while let Some(payment) = found.next().transpose()? {
        let paid_for = matches!(payment.fiscal, Fiscal::None | Fiscal::NotRequired | Fiscal::Confirmed);
        if !payment.may_leave_memory() || !paid_for {
            let (state, fiscal) = (payment.state.name(), payment.fiscal.name());
            return Ok(Some(format!(
                "payment {} is {state} with its receipt {fiscal}; it has to end first",
                payment.id
            )));
        }
    }
    let settlement = rows::last_settlement(old)?.filter(|s| !s.state.is_final());
    Ok(settlement.map(|s| format!("settlement {} is {}; it has to end first", s.id, s.state.name())))
}

/// Write the lines, read them back, and answer how many there are and their digest. What is not whole is not left behind.
fn write_export(conn: &Connection, range: &Range, export: &Path) -> Result<(u64, String), StoreError> {
    // Masked as it is, it is the story of every sale: for its owner alone.
    let created = File::options().write(true).create_new(true).mode(0o600).open(export);
    let file = created.map_err(|e| StoreError::io(export, &e))?;
    let written = fill_export(conn, range, file, export);
    if written.is_err() {
        aside::remove(export)?;
    }
    written
}

fn fill_export(conn: &Connection, range: &Range, file: File, export: &Path) -> Result<(u64, String), StoreError> {
    const LINES: &str =
        "SELECT seq, at_ms, body FROM journal WHERE seq <= ?1 AND at_ms >= ?2 AND at_ms < ?3 ORDER BY seq";
    let broken = |e: std::io::Error| StoreError::io(export, &e);
    let failed = |e: rusqlite::Error| StoreError::sqlite(export, &e);
    let mut file = BufWriter::new(file);
    let mut written = Context::new(&SHA256);
    let mut statement = conn.prepare(LINES).map_err(failed)?;
    let mut lines = statement.query((range.up_to, range.since_ms, range.before_ms)).map_err(failed)?;
    while let Some(line) = lines.next().map_err(failed)? {
        let text = export_line(line).map_err(failed)?;
        written.update(text.as_bytes());
        file.write_all(text.as_bytes()).map_err(broken)?;
    }
    file.into_inner().map_err(|e| broken(e.into_error()))?.sync_all().map_err(broken)?;
    if let Some(parent) = export.parent().filter(|p| !p.as_os_str().is_empty()) {
        aside::sync(parent)?;
    }
    let mut read = Context::new(&SHA256);
    let mut count = 0;
    let mut back = BufReader::new(File::open(export).map_err(broken)?);
    let mut line = String::new();
    while back.read_line(&mut line).map_err(broken)? > 0 {
        serde_json::from_str::<serde_json::Value>(&line).map_err(|e| failed(unreadable(e)))?;
        read.update(line.as_bytes());
        count += 1;
        line.clear();
    }
    let (written, read) = (written.finish(), read.finish());
    if written.as_ref() != read.as_ref() {
        return Err(StoreError::Other { path: export.into(), what: "it reads otherwise than it was written".into() });
    }
    Ok((count, read.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// One line of an export: `{"seq":1,"at_ms":…,"fact":{…}}`.
pub(super) fn export_line(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    let (seq, at_ms, fact): (i64, i64, String) = (row.get("seq")?, row.get("at_ms")?, row.get("body")?);
    Ok(format!("{{\"seq\":{seq},\"at_ms\":{at_ms},\"fact\":{fact}}}\n"))
}

/// The lines to be cut off, for the replay that makes the checkpoint.
const CUT_OFF: &str = "INSERT INTO temp.line SELECT seq, at_ms, payment_id, body FROM old.journal WHERE seq <= ?1";

/// The lines that stay.
const STAY: &str = "INSERT INTO main.journal (seq, at_ms, payment_id, body, owed) \
                    SELECT seq, at_ms, payment_id, body, owed FROM old.journal WHERE seq > ?1 ORDER BY seq";

/// Everything else, as it is; the counters are made again by their triggers.
const COPY: &str = "
INSERT INTO temp.start SELECT payment_id, body FROM old.cut_payment;
INSERT INTO main.cut SELECT * FROM old.cut;
INSERT INTO main.payment SELECT * FROM old.payment ORDER BY number;
INSERT INTO main.token SELECT * FROM old.token;
INSERT INTO main.refund SELECT * FROM old.refund;
INSERT INTO main.outbox SELECT * FROM old.outbox;
INSERT INTO main.settlement SELECT * FROM old.settlement ORDER BY number;
INSERT INTO main.register SELECT * FROM old.register;
INSERT OR REPLACE INTO main.meta SELECT * FROM old.meta;";

fn build(old: &Path, side: &Path, options: &StoreOptions, compaction: &Compaction) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(side, &e);
    let mut new = open_file(side, options, schema::MIGRATIONS)?;
    new.execute_batch("PRAGMA temp_store = 1").map_err(failed)?;
    new.execute("ATTACH ?1 AS old", [old.to_string_lossy()]).map_err(failed)?;
    let transaction = new.transaction().map_err(failed)?;
    let proved = fill(&transaction, options.now_ms, compaction).map_err(failed)?;
    if !proved {
        let why = "the new file could not be proved; keep the old one and call support".into();
        return Err(StoreError::NotCompacted { why });
    }
    transaction.commit().map_err(failed)?;
    new.execute_batch("DETACH old").map_err(failed)?;
    new.close().map_err(|(_, e)| failed(e))
}

/// Whether the new file is proved.
fn fill(new: &Connection, now_ms: UnixMs, compaction: &Compaction) -> rusqlite::Result<bool> {
    new.execute_batch(replay::SCRATCH)?;
    new.execute(CUT_OFF, [compaction.cut_at])?;
    new.execute_batch(COPY)?;
    let begin = replay::at_the_cut(new)?;
    let Some(end) = replay::in_order(new, begin, &mut |_| Ok(()))? else { return Ok(false) };
    new.execute_batch("CREATE TEMP TABLE stood (payment_id TEXT PRIMARY KEY, body TEXT)")?;
    let right = replay::each_payment(new, &mut |payment| {
        let body = serde_json::to_string(payment).map_err(unreadable)?;
        new.prepare_cached("INSERT OR REPLACE INTO temp.stood VALUES (?1, ?2)")?
            .execute((payment.id.to_string(), body))?;
        Ok(())
    })?;
    new.execute_batch("INSERT INTO main.cut_payment SELECT payment_id, body FROM temp.stood")?;
    new.execute(
        "INSERT INTO main.cut (seq, at_ms, why, file, lines, sha256, settlement, register) VALUES (?1, ?2, 'compacted', ?3, ?4, ?5, ?6, ?7)",
        params![
            compaction.cut_at,
            now_ms,
            compaction.export.file_name().unwrap_or_default().to_string_lossy(),
            compaction.lines.cast_signed(),
            compaction.sha256,
            end.settlement.as_deref().map(serde_json::to_string).transpose().map_err(unreadable)?,
            serde_json::to_string(&end.register).map_err(unreadable)?,
        ],
    )?;
    new.execute(STAY, [compaction.cut_at])?;
    new.execute_batch("DROP TABLE temp.line; DROP TABLE temp.start; DROP TABLE temp.stood")?;
    Ok(right && audit_connection(new)?.holds())
}

fn remove_side_files(dir: &Path) -> Result<(), StoreError> {
    SIDE_FILES.iter().try_for_each(|name| aside::remove(&dir.join(name)))
}
