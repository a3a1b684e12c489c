//! The log is written back into the file beside the sales: by a thread and a connection of its own, so that no sale waits for it.
//!
//! SQLite lets both go on at once. The log begins anew with the first line after a moment in which all of it is in the file: what was committed while
//! the thread was at it is written back by the store itself, between two commits ([`limits::STORE_LOG_PAGES_LEFT_MAX`]). Where the thread does not get
//! that far, a commit writes the whole log back in the end ([`limits::STORE_LOG_PAGES_MAX`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::schema;
use crate::{background, limits};

/// Ends with the store that it belongs to.
#[derive(Debug)]
pub(super) struct WriteBack {
    wanted: Option<SyncSender<()>>,
    /// From the question until the log was written back, or could not be.
    at_work: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WriteBack {
    /// For the file at `path`. Where the system has no thread for it, commits write the log back themselves.
    pub(super) fn of(path: PathBuf) -> Self {
        let (wanted, asked) = sync_channel(1);
        let at_work = Arc::<AtomicBool>::default();
        let at_it = at_work.clone();
        let thread = background::spawn("write-back", move || work(&path, &asked, &at_it)).ok();
        Self { wanted: Some(wanted), at_work, thread }
    }

    /// Write the log back soon. Does not wait; who asks again while it is being written back is not served twice.
    pub(super) fn ask(&self) {
        if let Some(wanted) = &self.wanted
            && !self.at_work.swap(true, Ordering::AcqRel)
        {
            let _ = wanted.try_send(());
        }
    }
}

impl Drop for WriteBack {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(path: &Path, asked: &Receiver<()>, at_work: &AtomicBool) {
    while asked.recv().is_ok() {
        rush(path, asked, at_work);
    }
}

/// Write back as long as it is asked for again and again, by one connection: to open one takes more than a quarter of the whole.
fn rush(path: &Path, asked: &Receiver<()>, at_work: &AtomicBool) {
    let written = open(path).and_then(|conn| {
        loop {
            write_back(&conn, path)?;
            at_work.store(false, Ordering::Release);
            if asked.recv_timeout(limits::wait(limits::STORE_WRITE_BACK_KEPT_MS)).is_err() {
                return Ok(());
            }
        }
    });
    if let Err(error) = written {
        at_work.store(false, Ordering::Release);
        // Nothing is lost by it, and a commit will say what is wrong.
        tracing::debug!(%error, "the log could not be written back");
    }
}

/// Not kept for longer than a rush: a store that is laid up, replaced or closed finds nobody else at its file.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| StoreError::sqlite(path, &e))?;
    schema::settle_write_back(&conn, path)?;
    Ok(conn)
}

fn write_back(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let asked = conn.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)").and_then(|mut s| s.query_row([], |_| Ok(())));
    asked.map_err(|e| StoreError::sqlite(path, &e))
}
