//! A file that is given free on the day the disk is full, so that an answer about money that moved still finds room.

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::driver::ledger::LedgerError;

/// The file, or nothing for a store in memory.
#[derive(Debug)]
pub(super) struct Reserve {
    path: Option<PathBuf>,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(path: Option<PathBuf>, bytes: u64) -> Self {
        Self { path, bytes }
    }

    /// Give the room back to the file system.
    pub(super) fn free(&self) {
        let Some(path) = &self.path else { return };
        match std::fs::remove_file(path) {
            Ok(()) => {
                tracing::warn!(path = %path.display(), bytes = self.bytes, "the disk is full: the reserve was freed")
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => {
                tracing::error!(path = %path.display(), error = %e, "the disk is full and the reserve cannot be freed")
            }
        }
    }

    /// Take the room again where a quarter more stays free for the store itself. Costs one look at the file when nothing is missing.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn restore(&self) -> Result<(), LedgerError> {
        let Some(path) = &self.path else { return Ok(()) };
        if std::fs::metadata(path).is_ok_and(|m| m.len() == self.bytes) {
            return Ok(());
        }
        if room(path) < self.bytes + self.bytes / 4 {
            return Err(LedgerError::Full);
        }
        lay(path, self.bytes).map_err(|e| {
            // Half a reserve takes room from the store and helps nobody.
            let _ = std::fs::remove_file(path);
            match e.kind() {
                ErrorKind::StorageFull => LedgerError::Full,
                ErrorKind::ReadOnlyFilesystem => LedgerError::ReadOnly,
                _ => LedgerError::Other(format!("{}: {e}", path.display())),
            }
        })
    }
}

/// Bytes that this user may still take; where the file system does not say, trying has to show.
fn room(path: &Path) -> u64 {
    path.parent().and_then(|dir| statvfs(dir).ok()).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize))
}

/// Take `bytes` for good. Where the file system cannot promise blocks, they are written.
fn lay(path: &Path, bytes: u64) -> std::io::Result<()> {
    static BLOCK: [u8; 65_536] = [0; 65_536];
    let mut file = File::create(path)?;
    if fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
        let mut left = bytes;
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(BLOCK.len()).min(BLOCK.len());
            file.write_all(&BLOCK[..take])?;
            left -= take as u64;
        }
    }
    file.sync_all()
}
