//! The places where tills knock: an address, or a Unix socket's file.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::socket::{self, SocketError, SocketFile};
use super::tls::{self, Certificate};
use crate::limits;

/// One place where tills ask, listened to.
pub struct Place(Kind);

enum Kind {
    Net {
        listener: TcpListener,
        at: SocketAddr,
        tls: Option<TlsAcceptor>,
    },
    Unix {
        listener: UnixListener,
        /// Kept for its end; a socket that was passed on by systemd is systemd's to remove.
        _file: Option<SocketFile>,
    },
}

/// Who is at the other end of a connection; put into every request by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Somebody at an address.
    Net {
        /// The address that he knocked at, as it is listened to.
        at: SocketAddr,
        /// His own.
        from: SocketAddr,
    },
    /// A program on this machine that the socket's file lets in. It has no address.
    Unix,
}

/// A connection that was taken.
pub(super) enum Stream {
    /// Bytes as they are.
    Net(TcpStream),
    /// What is to begin with TLS.
    Tls(TcpStream, TlsAcceptor),
    /// The same on this machine.
    Unix(UnixStream),
}

impl Place {
    /// At an address that is listened to.
    ///
    /// # Errors
    /// The system does not know the listener's address.
    pub fn at(listener: TcpListener) -> io::Result<Self> {
        let at = listener.local_addr()?;
        tell_the_system(&listener);
        Ok(Self(Kind::Net { listener, at, tls: None }))
    }

    /// The same, where nothing but TLS is spoken.
    ///
    /// # Errors
    /// The system does not know the listener's address, or TLS cannot be had at all.
    pub fn tls_at(listener: TcpListener, certificate: Certificate) -> io::Result<Self> {
        let at = listener.local_addr()?;
        tell_the_system(&listener);
        let tls = tls::acceptor(certificate).map_err(io::Error::other)?;
        Ok(Self(Kind::Net { listener, at, tls: Some(tls) }))
    }

    /// At a Unix socket whose file is somebody else's.
    #[must_use]
    pub fn passed(listener: UnixListener) -> Self {
        Self(Kind::Unix { listener, _file: None })
    }

    /// At a Unix socket of our own. `mode` says who may connect; whoever may is asked for a token no more than a till on loopback.
    ///
    /// # Errors
    /// Somebody listens there, something else has that name, or the folder takes no socket.
    pub async fn unix(path: &Path, mode: u32) -> Result<Self, SocketError> {
        let (listener, file) = socket::listen(path, mode).await?;
        Ok(Self(Kind::Unix { listener, _file: Some(file) }))
    }

    /// Wait for somebody.
    pub(super) async fn next(&self) -> io::Result<(Stream, Peer)> {
        match &self.0 {
            Kind::Net { listener, at, tls } => {
                let (stream, from) = listener.accept().await?;
                // Answers are one write each: without this the last part of one may wait for an acknowledgement.
                let _ = stream.set_nodelay(true);
                let peer = Peer::Net { at: *at, from };
                Ok(match tls {
                    Some(tls) => (Stream::Tls(stream, tls.clone()), peer),
                    None => (Stream::Net(stream), peer),
                })
            }
            Kind::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }
}

/// What the system is to do for the connections of a listener, which inherit it: give up the peers that have vanished, and take no more bytes
/// for one than it has room for.
fn tell_the_system(listener: &TcpListener) {
    let socket = SockRef::from(listener);
    // Whoever waits for an answer is sent nothing that he could acknowledge.
    let every = limits::wait(limits::HTTP_PROBE_MS);
    if let Err(error) = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(every).with_interval(every)) {
        tracing::warn!(%error, "the system does not ask whether a peer that waits is still there");
    }
    if let Err(error) = socket.set_tcp_user_timeout(Some(limits::wait(limits::HTTP_PEER_LOST_MS))) {
        tracing::warn!(%error, "the system gives up a peer that has vanished when it likes: a quarter of an hour, usually");
    }
    if let Err(error) = socket.set_tcp_notsent_lowat(limits::HTTP_UNSENT_MAX_BYTES) {
        tracing::warn!(%error, "the system takes in what a peer does not read: who reads nothing is noticed late");
    }
}

impl Peer {
    /// His address; the loopback's for whoever is on this machine without one. IPv4 within IPv6 is IPv4.
    pub(super) fn ip(&self) -> IpAddr {
        match self {
            Self::Net { from, .. } => from.ip().to_canonical(),
            Self::Unix => IpAddr::from([127, 0, 0, 1]),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net { from, .. } => write!(f, "{from}"),
            Self::Unix => f.write_str("a Unix socket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_is_told_of_every_connection_when_to_give_it_up_and_to_hoard_nothing_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::at(listener).unwrap();
        let Kind::Net { at, .. } = &place.0 else { panic!("an address") };
        let till = TcpStream::connect(*at).await.unwrap();
        let (Stream::Net(ours), _) = place.next().await.unwrap() else { panic!("plain HTTP") };
        let told = |stream: &TcpStream| {
            let socket = SockRef::from(stream);
            let asks = socket.keepalive().unwrap();
            let asks = (asks, socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
            (asks, socket.tcp_user_timeout().unwrap(), socket.tcp_notsent_lowat().unwrap())
        };
        let every = limits::wait(limits::HTTP_PROBE_MS);
        let lost = Some(limits::wait(limits::HTTP_PEER_LOST_MS));
        assert_eq!(told(&ours), ((true, every, every), lost, limits::HTTP_UNSENT_MAX_BYTES));
        assert_ne!(told(&till), told(&ours), "nobody says so by himself");
    }
}
