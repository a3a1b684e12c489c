//! The file's schema: numbered migrations that are never edited, and the settings that durability rests on.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite_migration::{M, Migrations};
use std::path::Path;

use super::error::StoreError;
use crate::limits;

/// "tolv" in ASCII: how `file` and we know whose file it is.
pub(super) const APPLICATION_ID: u32 = 0x746f_6c76;

/// Every step from an empty file to the schema of today. Add to its end; never change what a terminal may have run.
///
/// A release that teaches the bodies a new word (a fact, a state) adds a step, too, if only an empty one: an older version has to
/// refuse such a file as one of the future, and must not take the new word for damage.
pub(super) const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("migrations/0001-journal-payments-queue.sql")),
    M::up(include_str!("migrations/0002-settlement-tokens.sql")),
    M::up(include_str!("migrations/0003-last-card-sales.sql")),
    M::up(include_str!("migrations/0004-receipt-bodies.sql")),
    M::up(include_str!("migrations/0005-created-payments.sql")),
    M::up(include_str!("migrations/0006-fewer-pages-a-sale.sql")),
    M::up(include_str!("migrations/0007-line-of-last-change.sql")),
    M::up(include_str!("migrations/0008-cards-asked-again.sql")),
    M::up(include_str!("migrations/0009-fewer-statements-a-sale.sql")),
    M::up(include_str!("migrations/0010-debts-on-the-line.sql")),
];

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Until the write-ahead log is on the disk: the promise that no money moves before it is on disk.
    #[default]
    Full,
    /// For nothing. Only for tests that show what breaks without it, and for those that do not care.
    Off,
}

/// What the first hundred bytes of a SQLite file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// No file, or an empty one.
    Empty,
    /// Not SQLite.
    Foreign,
    /// A SQLite file.
    Sqlite {
        /// `user_version`.
        version: u32,
        /// `application_id`.
        application: u32,
    },
}

/// Read a file's header without SQLite, which might change the file in passing.
pub(super) fn header(path: &Path) -> std::io::Result<Header> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Header::Empty),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    file.take(100).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(Header::Empty);
    }
    let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    Ok(match (bytes.starts_with(b"SQLite format 3\0"), word(60), word(68)) {
        (true, Some(version), Some(application)) => Header::Sqlite { version, application },
        _ => Header::Foreign,
    })
}

/// Refuse a file of the future or of another program.
pub(super) fn refuse_strangers(path: &Path, version: u32, application: u32, known: usize) -> Result<(), StoreError> {
    if application != APPLICATION_ID && (application, version) != (0, 0) {
        return Err(StoreError::Foreign { path: path.into(), found: application });
    }
    if usize::try_from(version).is_ok_and(|v| v > known) {
        return Err(StoreError::Future { path: path.into(), found: version.into(), known: known as u64 });
    }
    Ok(())
}

/// Refuse what the header did not tell: a version in a log that was not yet written back, the tables of another program.
/// To be asked before anything is written.
pub(super) fn recognise(conn: &Connection, path: &Path, known: usize) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(path, &e);
    let version: u32 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(failed)?;
    let application: u32 = conn.pragma_query_value(None, "application_id", |r| r.get(0)).map_err(failed)?;
    refuse_strangers(path, version, application, known)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).map_err(failed)?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(StoreError::Foreign { path: path.into(), found: application });
    }
    Ok(())
}

/// Bring an open file to the newest schema, all steps in one transaction.
pub(super) fn migrate(conn: &mut Connection, path: &Path, steps: &'static [M<'static>]) -> Result<(), StoreError> {
    let failed = |e: &rusqlite::Error| StoreError::sqlite(path, e);
    let application: u32 = conn.pragma_query_value(None, "application_id", |r| r.get(0)).map_err(|e| failed(&e))?;
    if application != APPLICATION_ID {
        conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(|e| failed(&e))?;
    }
    Migrations::from_slice(steps).to_latest(conn).map_err(|e| match &e {
        rusqlite_migration::Error::RusqliteError { err, .. } if err.sqlite_error_code().is_some_and(is_the_disk) => {
            failed(err)
        }
        _ => StoreError::Migration { path: path.into(), to: steps.len(), what: e.to_string() },
    })
}

fn is_the_disk(code: rusqlite::ErrorCode) -> bool {
    use rusqlite::ErrorCode as C;
    matches!(code, C::DiskFull | C::ReadOnly | C::DatabaseCorrupt | C::NotADatabase | C::SystemIoFailure)
}

/// Settings of the writer's connection, each read back: a setting that SQLite silently leaves as it was is a broken promise.
pub(super) fn settle(
    conn: &Connection,
    path: &Path,
    synchronous: Synchronous,
    in_memory: bool,
) -> Result<(), StoreError> {
    let journal = if in_memory { "memory" } else { "wal" };
    let synchronous = match synchronous {
        Synchronous::Full => "2",
        Synchronous::Off => "0",
    };
    let busy_ms = limits::STORE_BUSY_MS.to_string();
    let cache_kib = cache_kib(limits::STORE_CACHE_BYTES);
    let wanted: &[(&'static str, &str)] = &[
        ("busy_timeout", &busy_ms),
        ("journal_mode", journal),
        ("synchronous", synchronous),
        ("foreign_keys", "1"),
        // Without it INSERT OR REPLACE would delete behind the triggers that forbid it.
        ("recursive_triggers", "1"),
        ("trusted_schema", "0"),
        // What is dropped (a receipt's body, which names people) is overwritten in the file, not only forgotten.
        ("secure_delete", "1"),
        // Damage is noticed when a page is read, not when a wrong amount is.
        ("cell_size_check", "1"),
        ("temp_store", "2"),
        ("cache_size", &cache_kib),
    ];
    for (pragma, value) in wanted {
        set(conn, path, pragma, value)?;
    }
    if !in_memory {
        set(conn, path, "journal_size_limit", &limits::STORE_LOG_MAX_BYTES.to_string())?;
        set(conn, path, "wal_autocheckpoint", "0")?;
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Have a commit that makes the log longer than [`limits::STORE_LOG_PAGES_MAX`] write it back.
pub(super) fn bind_log(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    set(conn, path, "wal_autocheckpoint", &limits::STORE_LOG_PAGES_MAX.to_string())
}

/// Settings of a connection that only writes the log back: as durably as the writer's, and without a second attempt when it is closed.
pub(super) fn settle_write_back(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(path, &e);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    set(conn, path, "busy_timeout", &limits::STORE_BUSY_MS.to_string())?;
    set(conn, path, "synchronous", "2")
}

/// Settings of a connection that only reads.
pub(super) fn settle_reader(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let busy_ms = limits::STORE_BUSY_MS.to_string();
    let cache_kib = cache_kib(limits::STORE_READER_CACHE_BYTES);
    for (pragma, value) in [
        ("busy_timeout", busy_ms.as_str()),
        ("query_only", "1"),
        ("trusted_schema", "0"),
        ("cell_size_check", "1"),
        ("cache_size", &cache_kib),
    ] {
        set(conn, path, pragma, value)?;
    }
    conn.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// As SQLite wants it: a negative number of KiB.
fn cache_kib(bytes: u64) -> String {
    format!("-{}", bytes / 1_024)
}

fn set(conn: &Connection, path: &Path, pragma: &'static str, wanted: &str) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(path, &e);
    // Some pragmas answer when they are set and some do not; both ways are asked again.
    conn.execute_batch(&format!("PRAGMA {pragma} = {wanted}")).map_err(failed)?;
    let found: rusqlite::types::Value = conn.pragma_query_value(None, pragma, |row| row.get(0)).map_err(failed)?;
    let found = match found {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    if found == wanted {
        return Ok(());
    }
    Err(StoreError::Pragma { pragma, wanted: wanted.into(), found })
}
