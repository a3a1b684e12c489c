//! One connection to QRManager's socket: TCP, TLS where the address says so, and the WebSocket's handshake, all within one limit.
//!
//! The key is a part of the address that the handshake sends. No error and no line of ours quotes the address with it.

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::limits;
use crate::provider::Tls;
use crate::provider::qrm::error::QrmError;
use crate::provider::qrm::socket::SocketAddress;

/// Bytes both ways, with TLS or without.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// An open socket.
pub(super) type Socket = WebSocketStream<Box<dyn Bytes>>;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// There is no key, or no address to make of it.
    #[error(transparent)]
    Address(QrmError),
    /// Name or connection.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// TLS cannot begin.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The server speaks, but does not upgrade to a WebSocket.
    #[error("the server does not upgrade to a WebSocket: HTTP {0}")]
    NotUpgraded(u16),
    /// It did not, lately.
    #[error("the server has no WebSocket to offer; it is asked again later")]
    NotNow,
    /// The handshake broke.
    #[error("the handshake broke: {0}")]
    Handshake(String),
    /// It took too long.
    #[error("no socket within {0} ms")]
    Slow(u64),
}

impl WireError {
    /// The server has said that there is no WebSocket to be had: not a matter of seconds.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            // A server that is being restarted, or wants fewer of us, will take one later.
            Self::NotUpgraded(status) => !matches!(status, 408 | 425 | 429 | 500..),
            Self::NotNow | Self::Address(_) | Self::Connect(_) | Self::Tls(_) | Self::Handshake(_) | Self::Slow(_) => {
                false
            }
        }
    }

    /// The path may be spelled otherwise there.
    pub(super) fn is_about_the_path(&self) -> bool {
        matches!(self, Self::NotUpgraded(301 | 302 | 307 | 308 | 404))
    }
}

/// Open a socket within `limit_ms`.
pub(super) async fn connect(address: &SocketAddress, tls: &Tls, limit_ms: u64) -> Result<Socket, WireError> {
    let opened = tokio::time::timeout(limits::wait(limit_ms), open(address, tls)).await;
    opened.map_err(|_| WireError::Slow(limit_ms))?
}

async fn open(address: &SocketAddress, tls: &Tls) -> Result<Socket, WireError> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(WireError::Connect)?;
    // A command is one small packet that is waited for.
    tcp.set_nodelay(true).map_err(WireError::Connect)?;
    let bytes: Box<dyn Bytes> = if address.tls {
        let name = ServerName::try_from(address.host.clone()).map_err(|e| WireError::Tls(e.to_string()))?;
        let connector = TlsConnector::from(tls.config().map_err(|e| WireError::Tls(e.to_string()))?);
        Box::new(connector.connect(name, tcp).await.map_err(|e| WireError::Tls(e.to_string()))?)
    } else {
        Box::new(tcp)
    };
    let sizes = WebSocketConfig::default()
        .max_message_size(Some(limits::SBP_FRAME_MAX_BYTES))
        .max_frame_size(Some(limits::SBP_FRAME_MAX_BYTES));
    match client_async_with_config(address.with_key(), bytes, Some(sizes)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(WireError::NotUpgraded(answer.status().as_u16())),
        // 200 and no `Upgrade` beside it, or a server that answers in another language.
        Err(Error::Protocol(
            e @ (ProtocolError::MissingUpgradeWebSocketHeader | ProtocolError::MissingConnectionUpgradeHeader),
        )) => {
            tracing::debug!(error = %e, "an answer that is no upgrade");
            Err(WireError::NotUpgraded(101))
        }
        Err(error) => Err(WireError::Handshake(in_words(&error))),
    }
}

/// The library's words, without those that may quote the address.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::Url(_) | Error::HttpFormat(_) | Error::Http(_) => {
            "the address or the headers are not fit to be sent".to_owned()
        }
        other => other.to_string(),
    }
}
