//! The technician's Unix socket: a request a line, an answer a line, both JSON ([`words`]).
//!
//! It only translates. What a technician orders goes to the driver as an [`Event`](crate::payment::Event), like a till's request; what they look at
//! is the driver's last picture or the past. Neither the store nor a provider is known here.
//!
//! Who may ask is the file system's business: the socket is open to its owner and group (mode 0660). Whoever changes something signs with a name,
//! which is written into the journal; the system's own number of the user goes into the log beside it.

mod desk;
mod rows;
mod shift;
pub mod words;

pub use desk::Desk;

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::socket::{self, SocketError, SocketFile};
use crate::limits;
use words::{Answer, Request, Trouble, TroubleKind};

/// The socket's mode: its owner and group, nobody else.
const MODE: u32 = 0o660;

/// The socket, ready to be asked. Its file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    /// Kept for its end.
    _file: SocketFile,
}

impl Control {
    /// Makes the socket at `path`, in place of one that a daemon left behind when it was killed.
    ///
    /// # Errors
    /// Another daemon answers there, or the folder takes no socket. The terminal works without it; its technician does not.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        let (listener, file) = socket::listen(path, MODE).await?;
        Ok(Self { listener, _file: file })
    }

    /// Answers until `stop` is set.
    pub async fn serve(self, desk: Desk, mut stop: watch::Receiver<bool>) {
        let desk = Arc::new(desk);
        let places = Arc::new(Semaphore::new(limits::CONTROL_CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors: the tills need them more.
                    warn!(%error, "a technician's connection was not accepted");
                    tokio::time::sleep(limits::wait(limits::CONTROL_IDLE_MS)).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                tokio::spawn(turn_away(stream));
                continue;
            };
            let desk = desk.clone();
            tokio::spawn(async move {
                if let Err(error) = converse(stream, &desk).await {
                    debug!(%error, "a technician's connection ended");
                }
                drop(place);
            });
        }
    }
}

/// One connection: requests one after the other, each with its answer.
async fn converse(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let user = stream.peer_cred().ok().map(|cred| cred.uid());
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    loop {
        let read = timeout(limits::wait(limits::CONTROL_IDLE_MS), line(&mut reading)).await;
        let answer = match read {
            Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(Line::End)) => return Ok(()),
            Ok(Ok(Line::TooLong)) => {
                let message = format!("a request has at most {} bytes", limits::CONTROL_REQUEST_MAX_BYTES);
                write(&mut writing, &Answer::Error(invalid(message))).await?;
                return Ok(());
            }
            Ok(Ok(Line::Whole(text))) => match serde_json::from_str::<Request>(&text) {
                Err(error) => Answer::Error(invalid(format!("this is no request: {error}"))),
                Ok(request) => {
                    // Not the whole request: who signs, and why, stands in the journal.
                    info!(user, what = request.name(), of = request.of(), "a technician asks");
                    desk.answer(request).await.map_or_else(Answer::Error, Answer::Ok)
                }
            },
        };
        write(&mut writing, &answer).await?;
    }
}

async fn turn_away(mut stream: UnixStream) {
    let message = format!("{} technicians are asking already; try again", limits::CONTROL_CONNECTIONS_MAX);
    let _ = write(&mut stream, &Answer::Error(Trouble { kind: TroubleKind::Failed, message })).await;
}

enum Line {
    Whole(String),
    TooLong,
    End,
}

async fn line(reading: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limits::CONTROL_REQUEST_MAX_BYTES).unwrap_or(u64::MAX);
    reading.take(most.saturating_add(1)).read_until(b'\n', &mut bytes).await?;
    if bytes.len() > limits::CONTROL_REQUEST_MAX_BYTES {
        return Ok(Line::TooLong);
    }
    if bytes.is_empty() {
        return Ok(Line::End);
    }
    // Not UTF-8 is not JSON: the parser says so.
    Ok(Line::Whole(String::from_utf8_lossy(&bytes).into_owned()))
}

async fn write(writing: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(answer)?;
    bytes.push(b'\n');
    let written = timeout(limits::wait(limits::CONTROL_IDLE_MS), writing.write_all(&bytes)).await;
    written.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not taken")))
}

fn invalid(message: String) -> Trouble {
    Trouble { kind: TroubleKind::Invalid, message }
}
