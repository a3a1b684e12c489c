//! What can be read of a damaged store, made into a new one.
//!
//! If every line of the journal can be read and replayed, the new store is made of the lines alone and is as good as the old one.
//! Otherwise the payments are taken as their rows have them, or as far as their lines go; the lines are kept beside the damaged file as
//! `journal.jsonl`, and the new journal begins after the last of them with what is known as its checkpoint.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use rusqlite_migration::M;
use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::error::{StoreError, unreadable};
use super::{FILE, StoreOptions, history, ledger, open_file, replay, retention, rows};
use crate::payment::card::Settlement;
use crate::payment::fact::Fact;
use crate::payment::receipt::document::digest_of;
use crate::payment::sale::{Payment, PaymentId};
use crate::payment::terminal::Register;

/// What was saved of a damaged store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// Where the damaged files are.
    pub folder: PathBuf,
    /// What was wrong with them.
    pub why: String,
    /// Payments that were saved.
    pub payments: u64,
    /// Journal lines that were saved.
    pub lines: u64,
    /// Payments among them whose money may have moved, or may yet: those that nobody has accepted are not counted.
    pub open: u64,
    /// It is proved that no payment is open. Otherwise the new store begins with sales closed, until an operator signs.
    pub proven: bool,
}

/// Make a new store at `side` of the damaged one in `folder`.
pub(super) fn salvage(
    folder: &Path,
    side: &Path,
    options: &StoreOptions,
    steps: &'static [M<'static>],
    why: &str,
) -> Result<Salvage, StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(side, &e);
    let mut new = open_file(side, options, steps)?;
    let old = open_damaged(&folder.join(FILE));
    // What was read waits in temporary tables, in a file: it may be more than memory holds.
    new.execute_batch("PRAGMA temp_store = 1").map_err(failed)?;
    let transaction = new.transaction().map_err(failed)?;
    transaction.execute_batch(replay::SCRATCH).and_then(|()| transaction.execute_batch(SCRATCH)).map_err(failed)?;
    let whole = match &old {
        Some(old) => gather(old, &transaction).map_err(failed)?,
        None => false,
    };
    let rebuilt = whole && rebuild(&transaction).map_err(failed)?;
    if !rebuilt {
        write_lines(&transaction, &folder.join("journal.jsonl"))?;
        patch_up(&transaction, options.now_ms).map_err(failed)?;
    }
    let count =
        |sql: &str| transaction.query_row(sql, [], |r| r.get::<_, i64>(0)).map(i64::cast_unsigned).map_err(failed);
    put_receipts(&transaction).map_err(failed)?;
    let open = count(OPEN)?;
    let found = Salvage {
        folder: folder.into(),
        why: why.into(),
        payments: count("SELECT count(*) FROM payment")?,
        lines: count("SELECT count(*) FROM temp.line")?,
        open,
        proven: rebuilt && open == 0,
    };
    if !found.proven {
        close_sales(&transaction, options.now_ms, folder).map_err(failed)?;
    }
    transaction.execute_batch("DROP TABLE temp.line; DROP TABLE temp.row; DROP TABLE temp.start; DROP TABLE temp.shift; DROP TABLE temp.kept; DROP TABLE temp.brought").map_err(failed)?;
    transaction.commit().map_err(failed)?;
    // Closing writes the log back, so that one file is moved into its place.
    new.close().map_err(|(_, e)| failed(e))?;
    Ok(found)
}

/// Payments whose money may have moved, or may yet. One that nobody has accepted is none: nobody was asked for its money.
const OPEN: &str = "SELECT count(*) FROM payment WHERE resident = 1 AND state <> 'created'";

/// What the damaged store's rows say: payments, settlements (`shift`), the register (`kept`), and what receipts in the queue are to say
/// (`brought`), which no line of the journal knows.
const SCRATCH: &str = "
CREATE TEMP TABLE row (number INTEGER PRIMARY KEY, id TEXT, body TEXT);
CREATE TEMP TABLE shift (number INTEGER PRIMARY KEY, body TEXT);
CREATE TEMP TABLE kept (one INTEGER PRIMARY KEY, body TEXT);
CREATE TEMP TABLE brought (payment_id TEXT, number INTEGER, body TEXT, PRIMARY KEY (payment_id, number));";

/// Only reading, and without writing the log back: what was set aside stays as it was.
fn open_damaged(path: &Path) -> Option<Connection> {
    if !path.exists() {
        return None;
    }
    let conn =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).ok()?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok()?;
    // Without it SQLite does not read a file at all that is shorter than its header says.
    conn.execute_batch("PRAGMA writable_schema = 1").ok()?;
    Some(conn)
}

/// Read everything into the scratch tables. Whether the journal is whole: every line readable, from the first without a gap.
/// Errors are the new store's; what cannot be read of the old one only makes it less than whole.
fn gather(old: &Connection, new: &Connection) -> rusqlite::Result<bool> {
    let mut put_line = new.prepare("INSERT OR IGNORE INTO temp.line VALUES (?1, ?2, ?3, ?4)")?;
    let mut put_row = new.prepare("INSERT OR IGNORE INTO temp.row VALUES (?1, ?2, ?3)")?;
    let lines_read = scan(old, "seq, at_ms, payment_id, body FROM journal", "seq", &mut |row| {
        let body: String = row.get(3)?;
        serde_json::from_str::<Fact>(&body).map_err(unreadable)?;
        Ok(put_line.execute(params![
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, Option<String>>(2)?,
            body
        ]))
    })?;
    scan(old, "number, id, body FROM payment", "number", &mut |row| {
        let body: String = row.get(2)?;
        let payment: Payment = serde_json::from_str(&body).map_err(unreadable)?;
        Ok(put_row.execute(params![row.get::<_, i64>(0)?, payment.id.to_string(), body]))
    })?;
    scan(old, "number, body FROM settlement", "number", &mut |row| {
        let body: String = row.get(1)?;
        serde_json::from_str::<Settlement>(&body).map_err(unreadable)?;
        Ok(new.execute("INSERT OR IGNORE INTO temp.shift VALUES (?1, ?2)", (row.get::<_, i64>(0)?, body)))
    })?;
    scan(old, "one, body FROM register", "one", &mut |row| {
        let body: String = row.get(1)?;
        serde_json::from_str::<Register>(&body).map_err(unreadable)?;
        Ok(new.execute("INSERT OR IGNORE INTO temp.kept VALUES (1, ?1)", [body]))
    })?;
    gather_receipts(old, new)?;
    let Some(first) = old_cut(old, new)? else { return Ok(false) };
    let (lines, lowest, highest): (i64, Option<i64>, Option<i64>) =
        new.query_row("SELECT count(*), min(seq), max(seq) FROM temp.line", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
        })?;
    let without_gap = lowest.is_none_or(|l| l == first) && highest.is_none_or(|h| h == first + lines - 1);
    Ok(lines_read && without_gap)
}

/// Take over an old checkpoint. The number of the first line after it, or nothing where it cannot be read.
fn old_cut(old: &Connection, new: &Connection) -> rusqlite::Result<Option<i64>> {
    type Cut = (i64, i64, String, String, i64, String, Option<String>, String);
    type Payments = Vec<(String, String)>;
    let read = || -> rusqlite::Result<(Option<Cut>, Payments)> {
        let cut = old
            .query_row("SELECT * FROM cut ORDER BY seq DESC LIMIT 1", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?))
            })
            .optional()?;
        let mut statement = old.prepare("SELECT payment_id, body FROM cut_payment")?;
        let payments = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok((cut, payments))
    };
    let Ok((cut, payments)) = read() else { return Ok(None) };
    for (id, body) in payments {
        new.execute("INSERT INTO temp.start VALUES (?1, ?2)", (id, body))?;
    }
    if let Some(cut) = &cut {
        new.execute("INSERT INTO cut VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", cut.clone())?;
    }
    Ok(Some(cut.map_or(1, |c| c.0 + 1)))
}

/// Receipts' bodies, from both ends of their table as far as it can be read. Those of an older version are not there.
fn gather_receipts(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let mut put = new.prepare("INSERT OR IGNORE INTO temp.brought VALUES (?1, ?2, ?3)")?;
    for order in ["ASC", "DESC"] {
        let sql = format!(
            "SELECT payment_id, number, body FROM outbox WHERE body IS NOT NULL ORDER BY payment_id {order}, number {order}"
        );
        let Ok(mut statement) = old.prepare(&sql) else { continue };
        let Ok(mut found) = statement.query([]) else { continue };
        while let Ok(Some(row)) = found.next() {
            let read = || Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?, row.get(2)?));
            let Ok((payment, number, body)) = read() else { continue };
            put.execute::<(String, u32, String)>((payment, number, body))?;
        }
    }
    Ok(())
}

/// Give the receipts that wait their bodies back, where they are what was brought; the others park when their turn comes.
fn put_receipts(new: &Connection) -> rusqlite::Result<()> {
    let mut statement = new.prepare(
        "SELECT outbox.number, brought.body, payment.body FROM temp.brought AS brought \
         JOIN outbox USING (payment_id, number) JOIN payment ON payment.id = outbox.payment_id",
    )?;
    let mut found = statement.query([])?;
    let mut put = new.prepare("UPDATE outbox SET body = ?3 WHERE payment_id = ?1 AND number = ?2")?;
    while let Some(row) = found.next()? {
        let (number, body): (u32, String) = (row.get(0)?, row.get(1)?);
        let payment: Payment = serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(unreadable)?;
        let waiting = payment.confirmations.iter().find(|c| c.number == number && c.state.keeps_body());
        let named = waiting.and_then(|c| c.receipt.electronic()).is_some_and(|r| r.digest == digest_of(&body));
        if named {
            put.execute((payment.id.to_string(), number, body))?;
        }
    }
    Ok(())
}

/// Rows that are asked for one by one: a damaged number may pretend to be any.
const PROBES: i64 = 1_000_000;

/// Walk a table by its number; where a page cannot be read, come from the other end, and then ask for each row between.
/// `take` answers with the damaged row's error outside and the new store's inside. Whether nothing was in the way.
fn scan(
    old: &Connection,
    what: &str,
    key: &str,
    take: &mut dyn FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<rusqlite::Result<usize>>,
) -> rusqlite::Result<bool> {
    let (mut low, mut high) = (0_i64, 0_i64);
    let mut walk = |sql: &str, last: &mut i64| -> rusqlite::Result<bool> {
        let Ok(mut statement) = old.prepare(sql) else { return Ok(false) };
        let Ok(mut found) = statement.query([]) else { return Ok(false) };
        let mut clean = true;
        loop {
            match found.next() {
                Ok(Some(row)) => {
                    *last = row.get(0).unwrap_or(*last);
                    match take(row) {
                        Ok(stored) => drop(stored?),
                        Err(_) => clean = false,
                    }
                }
                Ok(None) => return Ok(clean),
                Err(_) => return Ok(false),
            }
        }
    };
    if walk(&format!("SELECT {what} ORDER BY {key}"), &mut low)? {
        return Ok(true);
    }
    walk(&format!("SELECT {what} ORDER BY {key} DESC"), &mut high)?;
    for number in low + 1..high.min(low.saturating_add(PROBES)) {
        walk(&format!("SELECT {what} WHERE {key} = {number}"), &mut 0)?;
    }
    Ok(false)
}

/// Make every row anew from the lines. Whether they can be replayed, and no row that could be read says otherwise.
fn rebuild(new: &Connection) -> rusqlite::Result<bool> {
    new.execute_batch("SAVEPOINT rebuild")?;
    let right = replay_lines(new)? && agrees_with_rows(new)? && super::audit::audit_connection(new)?.holds();
    new.execute_batch(if right { "RELEASE rebuild" } else { "ROLLBACK TO rebuild; RELEASE rebuild" })?;
    Ok(right)
}

fn replay_lines(new: &Connection) -> rusqlite::Result<bool> {
    new.execute_batch(
        "INSERT INTO journal (seq, at_ms, payment_id, body) SELECT seq, at_ms, payment_id, body FROM temp.line ORDER BY seq;
         INSERT INTO cut_payment SELECT payment_id, body FROM temp.start;",
    )?;
    put_shifts(new)?;
    let begin = replay::at_the_cut(new)?;
    if let Some(settlement) = &begin.settlement {
        rows::put_settlement(new, settlement)?;
    }
    let Some(end) = replay::in_order(new, begin, &mut |settlement| rows::put_settlement(new, settlement))? else {
        return Ok(false);
    };
    if end.register != Register::default() {
        rows::put_register(new, &end.register)?;
    }
    let right = replay::each_payment(new, &mut |payment| put_whole(new, payment))?;
    new.execute_batch(rows::NUMBER_LINES)?;
    Ok(right)
}

/// A row that says more than the lines is a line that was lost.
fn agrees_with_rows(new: &Connection) -> rusqlite::Result<bool> {
    let mut statement =
        new.prepare("SELECT row.body, payment.body FROM temp.row AS row LEFT JOIN payment ON payment.id = row.id")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let stood: Payment = serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(unreadable)?;
        let made: Option<String> = row.get(1)?;
        let made: Option<Payment> = made.map(|b| serde_json::from_str(&b)).transpose().map_err(unreadable)?;
        if made.as_ref() != Some(&stood) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A payment with its tokens and refunds.
fn put_whole(new: &Connection, payment: &Payment) -> rusqlite::Result<()> {
    // Its last line is numbered when all lines are there.
    rows::put_payment(new, None, payment, 0)?;
    let known = "SELECT count(*) FROM token WHERE key = ?1";
    for (token, refund) in payment.tokens() {
        // Of two payments that claim one token, the first keeps it.
        if new.prepare_cached(known)?.query_row([&token.key], |r| r.get::<_, i64>(0))? == 0 {
            rows::put_token(new, token, payment.id, refund)?;
        }
    }
    for refund in &payment.refunds {
        new.prepare_cached("INSERT OR IGNORE INTO refund (id, payment_id) VALUES (?1, ?2)")?
            .execute((refund.id.to_string(), payment.id.to_string()))?;
    }
    Ok(())
}

/// Settlements as their rows have them.
fn put_shifts(new: &Connection) -> rusqlite::Result<()> {
    let mut statement = new.prepare("SELECT body FROM temp.shift ORDER BY number")?;
    let found: Vec<Settlement> = statement.query_map([], rows::parse_body)?.collect::<Result<_, _>>()?;
    found.iter().try_for_each(|settlement| rows::put_settlement(new, settlement))
}

/// The journal is not whole: take every payment as its row has it, or as far as its lines go, and begin the journal after them.
fn patch_up(new: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    let mut by_row: HashSet<PaymentId> = HashSet::new();
    let mut statement = new.prepare("SELECT body FROM temp.row ORDER BY number")?;
    let mut found = statement.query_map([], rows::parse_body::<Payment>)?;
    while let Some(payment) = found.next().transpose()? {
        put_whole(new, &payment)?;
        by_row.insert(payment.id);
    }
    replay::each_payment(new, &mut |payment| {
        if by_row.contains(&payment.id) { Ok(()) } else { put_whole(new, payment) }
    })?;
    put_shifts(new)?;
    let register: Register =
        new.query_row("SELECT body FROM temp.kept", [], rows::parse_body).optional()?.unwrap_or_default();
    rows::put_register(new, &register)?;
    new.execute_batch(rows::NUMBER_LINES)?;
    new.execute_batch("INSERT INTO cut_payment SELECT id, body FROM payment")?;
    // After the last line that is known, and after an older cut, whose payments have just been replaced. Where hardly a line is known, after
    // the number of payments, each of which has a place before the cut.
    const CUT: &str = "
        INSERT INTO cut (seq, at_ms, why, file, lines, sha256, settlement, register)
        SELECT max((SELECT coalesce(max(seq), 0) FROM temp.line), (SELECT coalesce(max(seq) + 1, 0) FROM cut),
                   (SELECT count(*) FROM payment)), ?1, 'salvaged',
               'journal.jsonl', (SELECT count(*) FROM temp.line), '', (SELECT body FROM settlement ORDER BY number DESC LIMIT 1),
               (SELECT body FROM register)";
    new.execute(CUT, [now_ms])?;
    Ok(())
}

fn write_lines(new: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(path, &e);
    let broken = |e: std::io::Error| StoreError::io(path, &e);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(broken)?);
    let mut statement = new.prepare("SELECT seq, at_ms, body FROM temp.line ORDER BY seq").map_err(failed)?;
    let mut lines = statement.query([]).map_err(failed)?;
    while let Some(line) = lines.next().map_err(failed)? {
        file.write_all(retention::export_line(line).map_err(failed)?.as_bytes()).map_err(broken)?;
    }
    file.into_inner().map_err(|e| broken(e.into_error()))?.sync_all().map_err(broken)
}

/// The first line of the new journal, so that no crash between here and the driver's first event opens sales again.
fn close_sales(new: &Connection, now_ms: i64, folder: &Path) -> rusqlite::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let why = format!(
        "the store was damaged (set-aside/{name}); payments that are still open cannot be ruled out. Compare with the providers and the \
         PinPad's report, then an operator signs to open sales"
    );
    let mut register = rows::register(new)?;
    register.closed = Some(why.clone());
    ledger::put_line(new, now_ms, &Fact::SalesClosed { why }, history::owed(new)?)?;
    rows::put_register(new, &register)
}
