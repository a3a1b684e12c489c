//! Who may write: one daemon a store.

use std::fs::{File, TryLockError};
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
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough while a child between fork and exec still holds the same open file.
        let _ = self.0.unlock();
    }
}
