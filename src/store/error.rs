//! Why the store cannot be opened, and how SQLite's words become the driver's.

use rusqlite::ErrorCode;
use std::path::PathBuf;

use crate::driver::ledger::LedgerError;
use crate::history::HistoryError;

/// Why the store was not opened. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or a file in it cannot be made, read or written.
    #[error("{path} cannot be used ({what}); it must exist and belong to the user that tolov runs as")]
    Directory {
        /// Which file or directory.
        path: PathBuf,
        /// In the system's words.
        what: String,
    },
    /// The file system is mounted read-only.
    #[error("{path} is on a read-only file system; remount it writable, no sale can begin until then")]
    ReadOnly {
        /// Which file or directory.
        path: PathBuf,
    },
    /// There is no room for an empty store.
    #[error("the disk of {path} is full; free some space, no sale can begin until then")]
    Full {
        /// The store's directory.
        path: PathBuf,
    },
    /// Another daemon has this store.
    #[error("{path} is in use by another tolov; stop that one first (systemctl stop tolov)")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "{path} has schema version {found}, this tolov knows versions up to {known}; install the newer tolov again, or open a \
         copy of the store from before the upgrade. Nothing was changed"
    )]
    Future {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest one known here.
        known: u64,
    },
    /// A SQLite file of another program.
    #[error(
        "{path} is a SQLite file of another program (application id {found:#010x}); move it away or set [store] dir elsewhere"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id.
        found: u32,
    },
    /// A migration failed; the file is as it was before.
    #[error(
        "{path} could not be brought to schema version {to}: {what}. It is unchanged; run the version before this one"
    )]
    Migration {
        /// The file.
        path: PathBuf,
        /// The version that was to be reached.
        to: usize,
        /// In SQLite's words.
        what: String,
    },
    /// SQLite did not take a setting that durability rests on.
    #[error(
        "SQLite answers {found} for PRAGMA {pragma} where {wanted} is required; this file system may not support it"
    )]
    Pragma {
        /// Which.
        pragma: &'static str,
        /// What is needed.
        wanted: String,
        /// What is.
        found: String,
    },
    /// The file is damaged. Met only by readers: [`super::Store::open`] sets a damaged file aside instead.
    #[error("{path} is damaged ({what}); start the daemon, it sets the file aside and saves what can be read")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In SQLite's words.
        what: String,
    },
    /// The journal cannot be compacted; nothing was changed.
    #[error("the journal was not compacted: {why}. Nothing was changed")]
    NotCompacted {
        /// Why, and what to do.
        why: String,
    },
    /// Anything else.
    #[error("{path}: {what}")]
    Other {
        /// The file.
        path: PathBuf,
        /// In SQLite's words.
        what: String,
    },
}

impl StoreError {
    /// An error of the file system.
    pub(super) fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let path = path.into();
        match error.kind() {
            K::ReadOnlyFilesystem => Self::ReadOnly { path },
            K::StorageFull => Self::Full { path },
            _ => Self::Directory { path, what: error.to_string() },
        }
    }

    /// An error of SQLite.
    pub(super) fn sqlite(path: impl Into<PathBuf>, error: &rusqlite::Error) -> Self {
        let path = path.into();
        let what = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, what },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::Directory { path, what },
            _ => Self::Other { path, what },
        }
    }
}

/// SQLite's error in the driver's classes. What a body or a column holds and cannot be read is damage, too.
pub(super) fn ledger(error: &rusqlite::Error) -> LedgerError {
    let what = error.to_string();
    match (error.sqlite_error_code(), error) {
        (Some(ErrorCode::DiskFull), _) => LedgerError::Full,
        (Some(ErrorCode::ReadOnly), _) => LedgerError::ReadOnly,
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _)
        | (
            None,
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..),
        ) => LedgerError::Corrupt(what),
        (Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig), _) => {
            LedgerError::Rule(what)
        }
        _ => LedgerError::Other(what),
    }
}

/// SQLite's error for those who only read.
pub(super) fn history(error: &rusqlite::Error) -> HistoryError {
    HistoryError(error.to_string())
}

/// A body that is not what it should be, as SQLite would say it.
pub(super) fn unreadable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
