//! The store: one SQLite file that remembers every step before it is taken.
//!
//! ```text
//! dir/
//!   tolov.db (-wal, -shm)   journal (append-only), payments and queue as they stand
//!   lock                    held by the one daemon that may write
//!   reserve                 given free on the day the disk is full
//!   set-aside/DATE/         damaged files, whole, and what could be read of them
//! ```
//!
//! The journal is the truth; payments, tokens and the queue are made from it and kept beside it in the same transaction, because a
//! terminal has to start quickly and to find a token among a hundred thousand. [`audit`](audit::audit) proves that both say the same.

mod aside;
pub mod audit;
mod changes;
mod error;
mod history;
mod laid_up;
mod ledger;
mod lock;
mod replay;
mod reserve;
pub mod retention;
mod rows;
mod salvage;
mod schema;
mod write_back;

pub use error::StoreError;
pub use history::Archive;
pub use salvage::Salvage;
pub use schema::Synchronous;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::M;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::driver::ledger::LedgerError;
use crate::limits;
use crate::payment::sale::UnixMs;
use crate::snapshot::QueueDepth;
use laid_up::LaidUp;
use lock::Lock;
use reserve::Reserve;
use schema::Header;
use write_back::WriteBack;

/// The store's file within its directory.
pub const FILE: &str = "tolov.db";
const LOCK: &str = "lock";
const RESERVE: &str = "reserve";
const DAMAGED: &str = "damaged";

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The time, for what is set aside and for lines that the store writes itself.
    pub now_ms: UnixMs,
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// The file may not grow past so many pages of 4 KiB; for tests of a full disk.
    pub max_pages: Option<u32>,
    /// The size of the reserve.
    pub reserve_bytes: u64,
}

impl StoreOptions {
    /// As a terminal opens it, at this time.
    #[must_use]
    pub fn at(now_ms: UnixMs) -> Self {
        Self { now_ms, synchronous: Synchronous::Full, max_pages: None, reserve_bytes: limits::RESERVE_FILE_BYTES }
    }
}

/// The only writer of a store. Implements [`crate::driver::ledger::Ledger`].
#[derive(Debug)]
pub struct Store {
    /// Ended before the connection; `None` for a store that is in memory or laid up.
    write_back: Option<WriteBack>,
    conn: Connection,
    /// `None` for a store in memory.
    dir: Option<PathBuf>,
    reserve: Reserve,
    salvage: Option<Salvage>,
    laid_up: Option<LaidUp>,
    /// Entries in the open transaction.
    entries: usize,
    /// Commits since the log was last written back at rest.
    commits_in_log: u32,
    /// Entries since anybody looked how long the log is.
    entries_unseen: usize,
    /// How many paid sales owe their receipt, with what the open transaction has; `None` = to be read.
    owed: Option<i64>,
    /// The same of the queue.
    queue: Option<QueueDepth>,
    /// A log that grows too long is written back by the commit that made it so.
    log_is_bound: bool,
    /// It was, when anybody looked last: it is being written back, and is to begin anew.
    log_is_long: bool,
    /// The open transaction is that of the next step, with nothing in it.
    is_begun_ahead: bool,
    /// Whether readers may be kept open. While the store is laid up they may not: what they share with the writer's connection within
    /// this process would keep it from writing for ever.
    keeps_readers: Arc<AtomicBool>,
    /// Dropped after the connection.
    _lock: Option<Lock>,
}

impl Store {
    /// Open the store in `dir`, made if it is not there. One that can be read but not written is opened, too, and refuses to begin
    /// until it can.
    ///
    /// # Errors
    /// What speaks against it, and what to do ([`StoreError`]). A store of a later version, of another program or in use is not touched.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        Self::open_with(dir, options, schema::MIGRATIONS)
    }

    fn open_with(dir: &Path, options: &StoreOptions, steps: &'static [M<'static>]) -> Result<Self, StoreError> {
        Self::open_writable(dir, options, steps)
            .or_else(|why| {
                // On a full disk the reserve is what the log needs to be made.
                let reserve = dir.join(RESERVE);
                if matches!(why, StoreError::Full { .. } | StoreError::Other { .. })
                    && std::fs::remove_file(reserve).is_ok()
                {
                    return Self::open_writable(dir, options, steps);
                }
                Err(why)
            })
            .or_else(|why| Self::laid_up(dir, options, steps, why))
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// SQLite has no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let mut conn = Connection::open_in_memory().map_err(|e| StoreError::sqlite(path, &e))?;
        schema::settle(&conn, path, Synchronous::Off, true)?;
        schema::migrate(&mut conn, path, schema::MIGRATIONS)?;
        let keeps_readers = Arc::default();
        let reserve = Reserve::new(None, 0);
        Ok(Self {
            write_back: None,
            conn,
            dir: None,
            reserve,
            salvage: None,
            laid_up: None,
            entries: 0,
            commits_in_log: 0,
            entries_unseen: 0,
            owed: None,
            queue: None,
            log_is_bound: true,
            log_is_long: false,
            is_begun_ahead: false,
            keeps_readers,
            _lock: None,
        })
    }

    /// The past of this store, for everybody else.
    ///
    /// # Errors
    /// This store is in memory.
    pub fn archive(&self) -> Result<Archive, StoreError> {
        let in_memory = || StoreError::Other { path: ":memory:".into(), what: "a store in memory has no past".into() };
        let dir = self.dir.as_deref().ok_or_else(in_memory)?;
        Ok(Archive::of(dir, self.keeps_readers.clone()))
    }

    /// What was saved when a damaged file was set aside by this opening.
    #[must_use]
    pub fn salvage(&self) -> Option<&Salvage> {
        self.salvage.as_ref()
    }

    fn open_writable(dir: &Path, options: &StoreOptions, steps: &'static [M<'static>]) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        std::fs::create_dir_all(dir).map_err(|e| StoreError::io(dir, &e))?;
        let lock = Lock::take(&dir.join(LOCK))?;
        let mut salvage = aside::finish(dir, options, steps)?;
        let conn = match open_sound(dir, options, steps, lock.was_used()) {
            Err(StoreError::Damaged { what, .. }) => {
                salvage = Some(aside::replace(dir, options, steps, &what)?);
                open_file(&path, options, steps)?
            }
            opened => opened?,
        };
        // The file's name has to be as durable as what is written into it.
        aside::sync(dir)?;
        lock.mark_used().map_err(|e| StoreError::io(dir.join(LOCK), &e))?;
        let reserve = Reserve::new(Some(dir.join(RESERVE)), options.reserve_bytes);
        let keeps_readers = Arc::new(AtomicBool::new(true));
        // What an earlier life left in the log is written back at the first rest.
        let commits_in_log = limits::STORE_LOG_COMMITS_KEPT;
        let write_back = Some(WriteBack::of(path));
        let (dir, lock) = (Some(dir.into()), Some(lock));
        Ok(Self {
            write_back,
            conn,
            dir,
            reserve,
            salvage,
            laid_up: None,
            entries: 0,
            commits_in_log,
            entries_unseen: 0,
            owed: None,
            queue: None,
            log_is_bound: false,
            log_is_long: false,
            is_begun_ahead: false,
            keeps_readers,
            _lock: lock,
        })
    }

    /// Leave word for the next start that the file has to be checked whole before it is used.
    fn mark_damaged(&self, what: &str) {
        if let Some(dir) = &self.dir {
            mark_damaged(dir, what);
        }
    }
}

fn mark_damaged(dir: &Path, what: &str) {
    tracing::error!(what, "the store is damaged; it will be checked and set aside at the next start");
    if let Err(e) = std::fs::write(dir.join(DAMAGED), what) {
        tracing::error!(error = %e, "and this could not be written down");
    }
}

/// Open the file and look for damage: what the start needs always, everything where the file is small or suspected.
fn open_sound(
    dir: &Path,
    options: &StoreOptions,
    steps: &'static [M<'static>],
    was_used: bool,
) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    let damaged = |what: &str| StoreError::Damaged { path: path.clone(), what: what.into() };
    match schema::header(&path).map_err(|e| StoreError::io(&path, &e))? {
        Header::Sqlite { version, application } => schema::refuse_strangers(&path, version, application, steps.len())?,
        Header::Foreign => return Err(damaged("it does not begin as a SQLite file does")),
        Header::Empty if was_used => return Err(damaged("it was here before and is gone or empty")),
        Header::Empty => {}
    }
    let conn = open_file(&path, options, steps)?;
    let suspicion = dir.join(DAMAGED);
    let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
    if suspicion.exists() || bytes <= limits::STORE_CHECK_AT_START_MAX_BYTES {
        let problems = check(&conn, "quick_check").map_err(|e| StoreError::sqlite(&path, &e))?;
        if let Some(first) = problems.first() {
            return Err(damaged(first));
        }
    }
    // What cannot be read as what it should be is damage, too, whatever SQLite thinks of its pages.
    look(&conn).map_err(|e| match error::ledger(&e) {
        LedgerError::Corrupt(what) => damaged(&what),
        _ => StoreError::sqlite(&path, &e),
    })?;
    match std::fs::remove_file(&suspicion) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(&suspicion, &e)),
        _ => Ok(conn),
    }
}

/// Read what a start reads.
fn look(conn: &Connection) -> rusqlite::Result<()> {
    ledger::open_items(conn)?;
    history::depth(conn)?;
    conn.query_row("SELECT count(body) FROM (SELECT body FROM journal ORDER BY seq DESC LIMIT 1)", [], |_| Ok(()))
}

/// What one of SQLite's checks finds; nothing, where all is well.
fn check(conn: &Connection, pragma: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(&format!("PRAGMA {pragma}"))?;
    let mut lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}

/// Open or make the file itself: settings, schema.
fn open_file(path: &Path, options: &StoreOptions, steps: &'static [M<'static>]) -> Result<Connection, StoreError> {
    let failed = |e: rusqlite::Error| StoreError::sqlite(path, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Whoever waits for a commit waits for one write. A log that is not synced is not gathered either.
    let joining = hal::disk::joining_log_writes().filter(|_| options.synchronous == Synchronous::Full);
    let opened = match joining {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    };
    let mut conn = opened.map_err(failed)?;
    // Whoever is refused here leaves without writing the log back, as if it had never been.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    schema::recognise(&conn, path, steps.len())?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(failed)?;
    schema::settle(&conn, path, options.synchronous, false)?;
    schema::migrate(&mut conn, path, steps)?;
    if let Some(pages) = options.max_pages {
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).map_err(failed)?;
    }
    Ok(conn)
}

#[cfg(test)]
mod tests;
