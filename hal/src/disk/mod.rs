//! The disk, as a database's log meets it: what follows each other reaches the kernel in one write.
//!
//! SQLite writes its log (`-wal`) page by page, and each page in two pieces. Whoever waits for a commit waits for each of these calls. A
//! connection that is opened with [`joining_log_writes`] gathers them and passes them on together: before it asks for them to be on the disk,
//! before it reads from the log, before it asks how long the log is, and whenever enough has come together. All other files
//! are the system's own, with nothing in between.
//!
//! Other connections learn of a commit from memory that they share, and read it from the log. So a connection that does not sync its log with every commit
//! (`synchronous` below `FULL`) must not be opened so: what it has gathered would be announced before it can be read.

mod limits;
mod linux;

use limits::GATHERED_MAX_BYTES;
pub use linux::joining_log_writes;

/// Writes that follow each other.
#[derive(Debug)]
struct Gathered {
    /// Where the first of them belongs.
    at: i64,
    bytes: Vec<u8>,
}

impl Gathered {
    fn nothing() -> Self {
        Self { at: 0, bytes: Vec::with_capacity(GATHERED_MAX_BYTES) }
    }

    /// Take this one, too, if it follows what is there and there is room for it.
    fn takes(&mut self, at: i64, piece: &[u8]) -> bool {
        if self.bytes.is_empty() {
            self.at = at;
        }
        let follows = i64::try_from(self.bytes.len()).is_ok_and(|length| self.at.checked_add(length) == Some(at));
        let fits = self.bytes.len() + piece.len() <= GATHERED_MAX_BYTES;
        if follows && fits {
            self.bytes.extend_from_slice(piece);
        }
        follows && fits
    }
}

#[cfg(test)]
mod tests;
