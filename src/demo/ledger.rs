//! Books as every simulated vendor keeps them: entries in a file, one JSON object a line, appended and never changed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why the books cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The file cannot be opened, read or written.
    #[error("the simulated vendor's books {} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line was written by something else.
    #[error("line {line} of the simulated vendor's books {} is no entry", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counts from 1.
        line: usize,
    },
}

/// The entries, oldest first, and the file that holds them.
#[derive(Debug)]
pub(super) struct Ledger<E> {
    entries: Vec<E>,
    file: Option<(PathBuf, File)>,
}

impl<E> Default for Ledger<E> {
    fn default() -> Self {
        Self { entries: Vec::new(), file: None }
    }
}

impl<E: Serialize + DeserializeOwned> Ledger<E> {
    /// Open the file with everything that earlier lives wrote; `None` = in memory only. A last line without its end was never answered for, and
    /// is dropped.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, BooksError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let failed = |source| BooksError::File { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut entries = Vec::new();
        for (index, line) in text[..whole].lines().enumerate() {
            let unreadable = |_| BooksError::Line { path: path.to_owned(), line: index + 1 };
            entries.push(serde_json::from_str(line).map_err(unreadable)?);
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { entries, file: Some((path.to_owned(), file)) })
    }

    pub(super) fn entries(&self) -> &[E] {
        &self.entries
    }

    /// In the file first, so that what was answered for is never forgotten.
    pub(super) fn write(&mut self, entry: E) -> Result<(), BooksError> {
        if let Some((path, file)) = &mut self.file {
            let failed = |source| BooksError::File { path: path.clone(), source };
            let mut line = serde_json::to_string(&entry).map_err(|e| failed(e.into()))?;
            line.push('\n');
            file.write_all(line.as_bytes()).map_err(failed)?;
        }
        self.entries.push(entry);
        Ok(())
    }
}
