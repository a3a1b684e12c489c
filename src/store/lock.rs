//! Who may write: one daemon a store.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::Path;

use super::error::StoreError;

/// The right to write. The system takes it back when the process ends, however it ends, so that a killed daemon leaves nothing behind.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Take it, or say at once that somebody else has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let opened = File::options().create(true).truncate(false).write(true).open(path);
        let file = opened.map_err(|e| StoreError::io(path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.into() }),
            Err(TryLockError::Error(e)) => Err(StoreError::io(path, &e)),
        }
    }

    /// A store was here before: if its file is missing now, it was lost.
    pub(super) fn was_used(&self) -> bool {
        self.0.metadata().is_ok_and(|m| m.len() > 0)
    }

    /// Remember that a store is here.
    pub(super) fn mark_used(&self) -> std::io::Result<()> {
        if self.was_used() {
            return Ok(());
        }
        (&self.0).write_all(WORDS)?;
        self.0.sync_all()
    }
}

/// For whoever opens the file out of curiosity.
const WORDS: &[u8] = b"tolov.db is kept in this directory. If it is lost, sales stay closed until an operator signs.\n";

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough while a child between fork and exec still holds the same open file.
        let _ = self.0.unlock();
    }
}
