//! Where tills find the daemon: at the sockets that systemd made and passed on (`tolov.socket`), or, without any, at the places of `[api] listen`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use listenfd::ListenFd;
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, UnixListener};
use tracing::{error, info, warn};

use crate::api::{Certificate, Place, SocketError};
use crate::clock::Clock;
use crate::config::{Life, Listen, Settings, TlsPair};
use crate::payment::sale::UnixMs;

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
    /// What was asked for by the name of a socket that was passed on is not known here; served as something else, it might show secrets to the network.
    #[error(
        "socket {number} of those that were passed on is called \"{name}\": write FileDescriptorName=tls in its unit if it is to speak TLS, and \
         no FileDescriptorName= otherwise"
    )]
    Unnamed {
        /// Its place among them, from 1.
        number: usize,
        /// What it is called.
        name: String,
    },
    /// TLS is for the network.
    #[error(
        "socket {number} of those that were passed on is a Unix socket and called \"tls\": TLS is spoken at addresses only; leave FileDescriptorName= out"
    )]
    UnixTls {
        /// Its place among them, from 1.
        number: usize,
    },
}

/// The sockets that whoever started the process has opened for it.
pub struct Passed {
    sockets: ListenFd,
    names: Vec<String>,
}

/// What a socket is called that is to speak TLS (`FileDescriptorName=` in its unit).
const TLS: &str = "tls";

/// How systemd calls a socket that nobody gave a name: by its unit, or, of a library that was told no names, by this.
const UNIT: &str = ".socket";
const NAMELESS: &str = "unknown";

impl Passed {
    /// Takes them out of the environment. Call it once, before there is a second thread.
    #[must_use]
    pub fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    /// Whether a socket is to speak TLS, by what it is called.
    fn is_tls(&self, index: usize) -> Result<bool, ListenError> {
        match self.names.get(index).map_or("", String::as_str) {
            TLS => Ok(true),
            "" | NAMELESS => Ok(false),
            name if name.ends_with(UNIT) => Ok(false),
            name => Err(ListenError::Unnamed { number: index + 1, name: name.to_owned() }),
        }
    }
}

/// Listens wherever tills are to find the terminal.
pub(super) async fn open(settings: &Settings, passed: Passed, shown: &Shown) -> Result<Vec<Place>, ListenError> {
    if passed.sockets.len() > 0 {
        return take_over(settings, passed, shown);
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
                let opened = listener.and_then(|listener| Place::tls_at(listener, shown.certificate()));
                opened.map_err(|source| ListenError::Address { place: place.clone(), source })?
            }
            Listen::Unix(path) => Place::unix(path, settings.api.socket_mode).await?,
        });
        info!(%place, "tills ask here");
    }
    Ok(places)
}

/// The certificate that tills are shown, and what the log was told of its end.
#[derive(Clone)]
pub(super) struct Shown {
    pair: TlsPair,
    clock: Clock,
    told: Arc<Mutex<Option<Life>>>,
}

impl Shown {
    /// The pair among the credentials. Nothing is read before a `tls:` address is opened.
    pub(super) fn new(settings: &Settings, clock: &Clock) -> Self {
        Self { pair: TlsPair::of(&settings.credentials), clock: clock.clone(), told: Arc::default() }
    }

    /// When it expires; `None` where no till asks over TLS.
    pub(super) fn expires_ms(&self) -> Option<UnixMs> {
        self.pair.expires_ms()
    }

    /// The pair as it is at each handshake. Looked at once, so that the log tells at the start what is wrong with it.
    fn certificate(&self) -> Certificate {
        let shown = self.clone();
        let _first = shown.now();
        Arc::new(move || shown.now())
    }

    fn now(&self) -> Option<Arc<CertifiedKey>> {
        let pair = self.pair.now();
        // A clock that was never set knows no certificate's end.
        if let Some(until_ms) = self.pair.expires_ms().filter(|_| self.clock.wall_trusted()) {
            self.tell(Life::of(until_ms, self.clock.wall_ms()));
        }
        pair
    }

    /// Say how long it lives: of each certificate when it comes into use, once a day when its end is near, and once when it is over.
    fn tell(&self, life: Life) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.replace(life) == Some(life) {
            return;
        }
        match life {
            Life::Long { .. } => info!("the certificate of the tills' door {life}"),
            Life::Short { .. } => warn!("the certificate of the tills' door {life}"),
            Life::Over { .. } => error!("the certificate of the tills' door {life}"),
        }
    }
}

/// Judges what was passed on by the rules for what is written in the settings, and uses nothing else.
fn take_over(settings: &Settings, mut passed: Passed, shown: &Shown) -> Result<Vec<Place>, ListenError> {
    let told_apart = !settings.api.allow_peers.is_empty() || !settings.credentials.tills().is_empty();
    let mut places = Vec::new();
    for index in 0..passed.sockets.len() {
        let number = index + 1;
        let failed = |source| ListenError::Passed { number, source };
        let is_tls = passed.is_tls(index)?;
        if let Ok(Some(listener)) = passed.sockets.take_unix_listener(index) {
            if is_tls {
                return Err(ListenError::UnixTls { number });
            }
            listener.set_nonblocking(true).map_err(failed)?;
            places.push(Place::passed(UnixListener::from_std(listener).map_err(failed)?));
            info!("tills ask at a Unix socket that was passed on");
            continue;
        }
        let taken = passed.sockets.take_tcp_listener(index).map_err(failed)?;
        let Some(listener) = taken else { continue };
        let at = listener.local_addr().map_err(failed)?;
        let place = if is_tls { Listen::Tls(at) } else { Listen::Plain(at) };
        place.may_be_used(told_apart).map_err(ListenError::OpenToAll)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let opened = if is_tls { Place::tls_at(listener, shown.certificate()) } else { Place::at(listener) };
        places.push(opened.map_err(failed)?);
        info!(%place, "tills ask at a socket that was passed on");
    }
    Ok(places)
}
