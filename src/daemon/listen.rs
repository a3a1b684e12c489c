//! Where tills find the daemon: at the sockets that systemd made and passed on (`tolov.socket`), or, without any, at the places of `[api] listen`.

use std::io;
use std::sync::Arc;

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};
use tracing::info;

use crate::api::{Certificate, Place, SocketError};
use crate::config::{Listen, Settings, TlsPair};

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
pub struct Passed {
    sockets: ListenFd,
    names: Vec<String>,
}

/// What a socket is called that is to speak TLS (`FileDescriptorName=` in its unit).
const TLS: &str = "tls";

impl Passed {
    /// Takes them out of the environment. Call it once, before there is a second thread.
    #[must_use]
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }
}

/// Listens wherever tills are to find the terminal.
pub(super) async fn open(settings: &Settings, passed: Passed) -> Result<Vec<Place>, ListenError> {
    if passed.sockets.len() > 0 {
        return take_over(settings, passed);
    }
    let mut places = Vec::new();
    for place in &settings.api.listen {
        places.push(match place {
            Listen::Plain(address) => {
                let listener = TcpListener::bind(address).await.and_then(Place::at);
                listener.map_err(|source| ListenError::Address { place: place.clone(), source })?
            }
            Listen::Tls(address) => {
                let listener = TcpListener::bind(address).await;
                let opened = listener.and_then(|listener| Place::tls_at(listener, certificate(settings)));
                opened.map_err(|source| ListenError::Address { place: place.clone(), source })?
            }
            Listen::Unix(path) => Place::unix(path, settings.api.socket_mode).await?,
        });
        info!(%place, "tills ask here");
    }
    Ok(places)
}

/// The pair among the credentials, as it is at each handshake. Looked at once, so that the log tells at the start what is wrong with it.
fn certificate(settings: &Settings) -> Certificate {
    let pair = TlsPair::of(&settings.credentials);
    let _shown = pair.now();
    Arc::new(move || pair.now())
}

/// Judges what was passed on by the rules for what is written in the settings, and uses nothing else.
fn take_over(settings: &Settings, mut passed: Passed) -> Result<Vec<Place>, ListenError> {
    let told_apart = !settings.api.allow_peers.is_empty() || !settings.credentials.tills().is_empty();
    let mut places = Vec::new();
    for index in 0..passed.sockets.len() {
        let failed = |source| ListenError::Passed { number: index + 1, source };
        if let Ok(Some(listener)) = passed.sockets.take_unix_listener(index) {
            listener.set_nonblocking(true).map_err(failed)?;
            places.push(Place::passed(UnixListener::from_std(listener).map_err(failed)?));
            info!("tills ask at a Unix socket that was passed on");
            continue;
        }
        let taken = passed.sockets.take_tcp_listener(index).map_err(failed)?;
        let Some(listener) = taken else { continue };
        let at = listener.local_addr().map_err(failed)?;
        let is_tls = passed.names.get(index).is_some_and(|name| name == TLS);
        let place = if is_tls { Listen::Tls(at) } else { Listen::Plain(at) };
        place.may_be_used(told_apart).map_err(ListenError::OpenToAll)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let opened = if is_tls { Place::tls_at(listener, certificate(settings)) } else { Place::at(listener) };
        places.push(opened.map_err(failed)?);
        info!(%place, "tills ask at a socket that was passed on");
    }
    Ok(places)
}
