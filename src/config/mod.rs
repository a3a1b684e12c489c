//! From files to [`Settings`], in three stages: what lies on the disk ([`Inputs`]), what a file says key by key
//! ([`hal::document`]), and what was proven to make sense ([`Settings`]).
//!
//! Every problem is reported at once, with file, line and what to write instead. A section that is not written
//! (`[click]`, `[payme]`, `[humo]`, `[merchant]`) is no problem: the terminal starts, and what needs it is answered
//! `BILLING_ERROR`. `docs/config.md` documents every key; a test here keeps it complete.

mod api;
mod board;
mod credentials;
mod file;
mod humo;
pub mod qrm;
mod settings;
mod tls;

use std::io::Read;
use std::path::{Path, PathBuf};

use hal::document::{Document, Problem, Problems};

pub use credentials::{Bearer, CredentialError, Credentials, Till};
pub use settings::{Api, Control, Humo, HumoDriver, Language, Listen, Log, LogFormat, Settings, Store};
pub use tls::{Life, TlsError, TlsPair, expires_ms};

use crate::limits;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that has to be read cannot be.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file that is too large to be what it should be.
    #[error("{} has more than {} bytes: is it the right file?", path.display(), limits::CONFIG_FILE_MAX_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What the files say does not make sense; a line for each problem.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// The first stage: everything that settings are made of, as it was found.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Where `text` came from; relative paths in it start in this file's folder.
    pub file: PathBuf,
    /// The text of `tolov.toml`.
    pub text: String,
    /// `$CREDENTIALS_DIRECTORY`, where systemd puts a unit's secrets.
    pub credentials_directory: Option<PathBuf>,
    /// Where boards are looked for by name, in this order.
    pub board_dirs: Vec<PathBuf>,
}

impl Inputs {
    /// Reads `file` and asks the environment.
    pub fn gather(file: &Path) -> Result<Self, Error> {
        Ok(Self {
            file: file.to_owned(),
            text: read_text(file)?,
            credentials_directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            board_dirs: board::usual_dirs(),
        })
    }

    /// A path as a person wrote it in the file.
    fn path(&self, written: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(written)
    }
}

impl Settings {
    /// All three stages.
    pub fn load(file: &Path) -> Result<Self, Error> {
        Self::validate(&Inputs::gather(file)?)
    }

    /// The second and third stage: what was found becomes settings, or the list of everything that is wrong.
    pub fn validate(inputs: &Inputs) -> Result<Self, Error> {
        let document = Document::parse(&inputs.file.to_string_lossy(), &inputs.text)?;
        let (settings, elsewhere) = file::read(&document, inputs);
        let mut problems = document.finish().err().map_or_else(Vec::new, |problems| problems.0);
        problems.extend(elsewhere);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(Problems(problems).into()),
        }
    }
}

/// Reads a text that a person wrote; never more than its limit.
fn read_text(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(limits::CONFIG_FILE_MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > limits::CONFIG_FILE_MAX_BYTES {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
