//! Where tills find the daemon: at the sockets that systemd made and passed on (`tolov.socket`), or, without any, at the places of `[api] listen`.

use std::io;

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};
use tracing::info;

use crate::api::{Place, SocketError};
use crate::config::{Listen, Settings};

/// Tills would find nobody, or anybody could sell.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error("cannot listen on {place}: {source}; is another program using it?")]
    Address {
        /// What was asked for.
        place: Listen,
        /// The system's words.
        source: io::Error,
    },
    /// The Unix socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// What systemd passed on is nothing to listen to.
    #[error("socket {number} of those that were passed on cannot be used: {source}")]
    Passed {
        /// Its place among them, from 1.
        number: usize,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A socket that was passed on is open to everybody.
    #[error("a socket that was passed on cannot be used: {0}")]
    OpenToAll(String),
}

/// The sockets that whoever started the process has opened for it.
pub struct Passed(ListenFd);

impl Passed {
    /// Takes them out of the environment. Call it once, before there is a second thread.
    #[must_use]
    pub fn take() -> Self {
        Self(ListenFd::from_env())
    }
}

/// Listens wherever tills are to find the terminal.
pub(super) async fn open(settings: &Settings, passed: Passed) -> Result<Vec<Place>, ListenError> {
    if passed.0.len() > 0 {
        return take_over(settings, passed);
    }
    let mut places = Vec::new();
    for place in &settings.api.listen {
        places.push(match place {
            Listen::Plain(address) => {
                let listener = TcpListener::bind(address).await.and_then(Place::at);
                listener.map_err(|source| ListenError::Address { place: place.clone(), source })?
            }
            Listen::Unix(path) => Place::unix(path, settings.api.socket_mode).await?,
        });
        info!(%place, "tills ask here");
    }
    Ok(places)
}

/// Judges what was passed on by the rules for what is written in the settings, and uses nothing else.
fn take_over(settings: &Settings, mut passed: Passed) -> Result<Vec<Place>, ListenError> {
    let told_apart = !settings.api.allow_peers.is_empty() || !settings.credentials.tills().is_empty();
    let mut places = Vec::new();
    for index in 0..passed.0.len() {
        let failed = |source| ListenError::Passed { number: index + 1, source };
        if let Ok(Some(listener)) = passed.0.take_unix_listener(index) {
            listener.set_nonblocking(true).map_err(failed)?;
            places.push(Place::passed(UnixListener::from_std(listener).map_err(failed)?));
            info!("tills ask at a Unix socket that was passed on");
            continue;
        }
        let taken = passed.0.take_tcp_listener(index).map_err(failed)?;
        let Some(listener) = taken else { continue };
        let place = Listen::Plain(listener.local_addr().map_err(failed)?);
        place.may_be_used(told_apart).map_err(ListenError::OpenToAll)?;
        listener.set_nonblocking(true).map_err(failed)?;
        places.push(TcpListener::from_std(listener).and_then(Place::at).map_err(failed)?);
        info!(%place, "tills ask at a socket that was passed on");
    }
    Ok(places)
}
