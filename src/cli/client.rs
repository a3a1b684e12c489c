//! Asking the daemon: one connection, one request, one answer.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::CliError;
use super::args::Asking;
use crate::api::control::words::{Answer, Request};
use crate::config::Settings;
use crate::limits;

const USUAL_CONFIG: &str = "/etc/tolov/tolov.toml";
const USUAL_SOCKET: &str = "/run/tolov/control.sock";

/// Asks, and waits for the answer.
///
/// # Errors
/// The daemon does not run, may not be asked, says no, or is not understood.
pub(super) fn ask<T: DeserializeOwned>(asking: &Asking, request: &Request) -> Result<T, CliError> {
    let socket = socket(asking)?;
    let shown = || socket.display().to_string();
    let stream = UnixStream::connect(&socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => CliError::Forbidden { socket: shown() },
        _ => CliError::NotRunning { socket: shown(), why: word(&error) },
    })?;
    let line = converse(stream, request).map_err(|error| CliError::Garbled { why: error.to_string() })?;
    let garbled = |error: serde_json::Error| CliError::Garbled { why: error.to_string() };
    match serde_json::from_str(&line).map_err(garbled)? {
        Answer::Error(trouble) => Err(trouble.into()),
        Answer::Ok(value) => serde_json::from_value(value).map_err(garbled),
    }
}

/// Where the daemon is asked: where the command line says, or the configuration that it names, or the usual configuration. One that
/// cannot be read here (it may be root's) or that is wrong must not keep a technician from asking at the usual place.
fn socket(asking: &Asking) -> Result<PathBuf, CliError> {
    let named = |file: &Path| Settings::load(file).map(|settings| settings.control.socket);
    match (&asking.socket, &asking.config) {
        (Some(socket), _) => Ok(socket.clone()),
        (None, Some(file)) => Ok(named(file)?),
        (None, None) => Ok(named(Path::new(USUAL_CONFIG)).unwrap_or_else(|_| PathBuf::from(USUAL_SOCKET))),
    }
}

/// Whether a daemon answers there.
pub(super) fn is_answered(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

fn converse(mut stream: UnixStream, request: &Request) -> io::Result<String> {
    // The daemon's own limit ends first, so that it is the daemon that says what happened.
    let limit = limits::wait(limits::CONTROL_CLOSE_SHIFT_MS.saturating_add(limits::CONTROL_IDLE_MS));
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limits::wait(limits::CONTROL_IDLE_MS)))?;
    let mut bytes = serde_json::to_vec(request)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)?;
    let mut line = String::new();
    BufReader::new(stream.take(limits::CONTROL_ANSWER_MAX_BYTES)).read_line(&mut line)?;
    if line.ends_with('\n') { Ok(line) } else { Err(io::Error::other("the answer was cut off")) }
}

/// The system's word without its number.
fn word(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::ConnectionRefused => "left behind by a daemon that was killed".to_owned(),
        _ => error.to_string(),
    }
}
