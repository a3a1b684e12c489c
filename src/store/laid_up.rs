//! A store that can be read and not written: the file system is read-only, or so full that not even the log can be made.
//!
//! The daemon starts all the same, shows why no sale can begin, and answers questions about the past. Each attempt to begin tries to
//! open the store again, so that it heals without a restart.

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::M;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::{self, StoreError};
use super::reserve::Reserve;
use super::schema::Header;
use super::{FILE, LOCK, Store, StoreOptions, history, look, schema};
use crate::driver::ledger::LedgerError;

/// Why a store is laid up, and what is needed to open it after all.
#[derive(Debug)]
pub(super) struct LaidUp {
    options: StoreOptions,
    steps: &'static [M<'static>],
    /// Nothing was ever written here.
    is_new: bool,
}

impl Store {
    /// What can be had of a store that could not be opened because of `why`; the same error where that is nothing.
    pub(super) fn laid_up(
        dir: &Path,
        options: &StoreOptions,
        steps: &'static [M<'static>],
        why: StoreError,
    ) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        if !matches!(why, StoreError::ReadOnly { .. } | StoreError::Full { .. }) {
            return Err(why);
        }
        let was_used = std::fs::metadata(dir.join(LOCK)).is_ok_and(|m| m.len() > 0);
        let is_new =
            !was_used && matches!(schema::header(&path), Ok(Header::Empty | Header::Sqlite { version: 0, .. }));
        let Ok(conn) = readable(&path, is_new) else { return Err(why) };
        tracing::error!(%why, "the store cannot be written; no sale can begin");
        Ok(Self {
            write_back: None,
            conn,
            dir: Some(dir.into()),
            reserve: Reserve::new(None, 0),
            salvage: None,
            laid_up: Some(LaidUp { options: options.clone(), steps, is_new }),
            entries: 0,
            commits_in_log: 0,
            entries_unseen: 0,
            owed: None,
            queue: None,
            log_is_bound: false,
            log_is_long: false,
            is_begun_ahead: false,
            keeps_readers: Arc::default(),
            _lock: None,
        })
    }

    /// Try to open a store that is laid up. What was read of it still holds: nobody could write it meanwhile without the lock.
    pub(super) fn heal(&mut self) -> Result<(), LedgerError> {
        let (Some(laid_up), Some(dir)) = (&self.laid_up, &self.dir) else { return Ok(()) };
        // Connections of one process share the log's index. One that had to open it for reading only would pass that on.
        let path = dir.join(FILE);
        // An empty one in its place knows no table, so that whatever is looked up meanwhile fails instead of being overlooked.
        self.conn = Connection::open_in_memory().map_err(|e| error::ledger(&e))?;
        let opened = Self::open_writable(dir, &laid_up.options, laid_up.steps).and_then(|opened| {
            let writes = opened.conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
            writes.map(|()| opened).map_err(|e| StoreError::sqlite(&path, &e))
        });
        let mut opened = match opened {
            Ok(opened) => opened,
            Err(why) => {
                if let Ok(conn) = readable(&path, laid_up.is_new) {
                    self.conn = conn;
                }
                return Err(match why {
                    StoreError::ReadOnly { .. } => LedgerError::ReadOnly,
                    StoreError::Full { .. } => LedgerError::Full,
                    other => LedgerError::Other(other.to_string()),
                });
            }
        };
        if opened.salvage.is_some() {
            return Err(LedgerError::Other(
                "a damaged store was set aside; restart tolov to load what was saved".into(),
            ));
        }
        tracing::info!("the store can be written again");
        opened.keeps_readers = self.keeps_readers.clone();
        opened.keeps_readers.store(true, Ordering::SeqCst);
        *self = opened;
        Ok(())
    }
}

/// What can be read; where nothing was ever written there is nothing that could be overlooked.
fn readable(path: &Path, is_new: bool) -> Result<Connection, StoreError> {
    let sound = |conn: &Connection| look(conn).map_err(|e| StoreError::sqlite(path, &e));
    let found = history::reader(path).or_else(|_| frozen(path)).and_then(|conn| sound(&conn).map(|()| conn));
    found.or_else(|why| if is_new { Store::in_memory().map(|store| store.conn) } else { Err(why) })
}

/// A file that nobody can write, read as it is: SQLite's log cannot even be looked for on a read-only file system. Not where there
/// is a log, because its lines would be missed.
pub(super) fn frozen(path: &Path) -> Result<Connection, StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    if std::fs::metadata(log).is_ok_and(|m| m.len() > 0) {
        return Err(StoreError::ReadOnly { path: path.into() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)
        .map_err(|e| StoreError::sqlite(path, &e))?;
    schema::recognise(&conn, path, schema::MIGRATIONS.len())?;
    schema::settle_reader(&conn, path)?;
    Ok(conn)
}
