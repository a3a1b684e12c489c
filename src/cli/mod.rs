//! The technician's commands: each asks the daemon's socket ([`crate::api::control`]), or a file, and prints an answer for a person or,
//! with `--json`, for a program.
//!
//! Everything is built as one text and written at once. Tables are plain ASCII and at most 100 columns wide, because they are read over a serial
//! console. `docs/cli.md` is this room's contract.

pub mod args;
mod audit;
mod check;
mod client;
mod journal;
mod payment;
mod pinpad;
mod queue;
mod shift;
mod status;
mod text;

pub use args::{Ask, Cli, Command, RunArgs};

use serde::Serialize;

use crate::api::control::words::{Trouble, TroubleKind};

/// How a command ends: what it prints, and the process's exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For the standard output.
    pub text: String,
    /// For the shell.
    pub exit: Exit,
}

/// The exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It could not be done, or the terminal says no.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The audit does not hold.
    AuditFails = 3,
    /// The daemon is not running.
    NotRunning = 4,
    /// The configuration is wrong: starting again does not heal it (sysexits' EX_CONFIG, which the unit knows).
    Config = 78,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::AuditFails => 3,
            Self::NotRunning => 4,
            Self::Config => 78,
        }
    }
}

/// Why a command was not done, and what to do: one line after "tolov: ".
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nobody answers at the socket.
    #[error(
        "the daemon is not running (nobody answers at {socket}: {why}); start it with: systemctl start tolov, \
         or: tolov run --config /etc/tolov/tolov.toml"
    )]
    NotRunning {
        /// Where it was asked.
        socket: String,
        /// The system's word.
        why: String,
    },
    /// The socket is there, and not for this user.
    #[error("{socket} may not be opened by this user; use sudo, or join its group: sudo usermod -aG tolov $USER")]
    Forbidden {
        /// Where it was asked.
        socket: String,
    },
    /// The connection broke off, or what came is no answer.
    #[error("the daemon's answer was not understood ({why}); are daemon and command of one version?")]
    Garbled {
        /// What happened.
        why: String,
    },
    /// The daemon says no.
    #[error(transparent)]
    Said(#[from] Trouble),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error("the configuration is wrong: {}; tolov check says everything", check::first(.0))]
    Config(crate::config::Error),
    /// The store cannot be read.
    #[error("{0}; is this the terminal's store? Say where it is with --store DIR or --config FILE")]
    Store(crate::store::StoreError),
    /// The journal was not written out or not cut off.
    #[error("{0}")]
    Journal(crate::store::StoreError),
    /// The daemon holds the PinPad's line.
    #[error("the daemon holds the PinPad; stop it first: systemctl stop tolov")]
    InService,
    /// The PinPad's dialect was not learned.
    #[error("{0}")]
    Learn(String),
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {why}")]
    File {
        /// The file.
        path: String,
        /// The system's word.
        why: String,
    },
}

// Not by `#[from]`: that would make them sources, and their words would be printed twice.
impl From<crate::config::Error> for CliError {
    fn from(error: crate::config::Error) -> Self {
        Self::Config(error)
    }
}

impl From<crate::store::StoreError> for CliError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Store(error)
    }
}

impl CliError {
    /// What the shell hears.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotRunning { .. } => Exit::NotRunning,
            Self::Usage(_) => Exit::Usage,
            Self::Said(trouble) if trouble.kind == TroubleKind::Invalid => Exit::Usage,
            Self::Said(_)
            | Self::Forbidden { .. }
            | Self::Garbled { .. }
            | Self::Store(_)
            | Self::Journal(_)
            | Self::InService
            | Self::Learn(_)
            | Self::File { .. } => Exit::Failed,
            Self::Config(_) => Exit::Config,
        }
    }
}

/// Does what a technician asks.
///
/// # Errors
/// It could not be done; the error says what to do.
pub fn ask(command: &Ask) -> Result<Outcome, CliError> {
    match command {
        Ask::Status(args) => status::run(args),
        Ask::Payment(command) => payment::run(command),
        Ask::Queue(command) => queue::run(command),
        Ask::Shift(args) => shift::run(args),
        Ask::Sales(command) => status::sales(command),
        Ask::Pinpad(command) => pinpad::run(command),
        Ask::Audit(args) => audit::run(args),
        Ask::Journal(command) => journal::run(command),
        Ask::Check(args) => check::run(args),
    }
}

/// An answer as a person reads it, or as JSON.
fn print<T: Serialize>(json: bool, answer: &T, table: impl FnOnce(&T) -> String) -> Result<Outcome, CliError> {
    Ok(Outcome { text: if json { as_json(answer)? } else { table(answer) }, exit: Exit::Done })
}

fn as_json(answer: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(answer).map_err(|error| CliError::Garbled { why: error.to_string() })?;
    Ok(text + "\n")
}
