//! TLS in front of a till's door: TLS 1.2 and 1.3, HTTP/1.1, and the certificate as it is at each handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::patience::{Pace, Patient};
use crate::limits;

/// The certificate and key to show now; `None` = there is no good pair, and nobody is let in.
pub type Certificate = Arc<dyn Fn() -> Option<Arc<CertifiedKey>> + Send + Sync>;

/// The first byte of whoever speaks TLS: a record of its handshake.
const HANDSHAKE: u8 = 0x16;

/// What whoever speaks plain HTTP here is told.
const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 46\r\nConnection: close\r\n\r\n\
                         This port speaks TLS only; ask with https://.\n";

struct AsItIsNow(Certificate);

impl fmt::Debug for AsItIsNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsItIsNow").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for AsItIsNow {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        (self.0)()
    }
}

/// What lets tills in who trust this certificate.
///
/// # Errors
/// The library refuses its own settings: a fault of the build.
pub(super) fn acceptor(certificate: Certificate) -> Result<TlsAcceptor, rustls::Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let config = ServerConfig::builder_with_provider(ring).with_protocol_versions(&versions)?;
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(AsItIsNow(certificate)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Begin TLS within [`limits::TLS_HANDSHAKE_MS`]. Whoever speaks plain HTTP is told so.
///
/// # Errors
/// There is nothing to talk with.
pub(super) async fn shake_hands(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    pace: &Pace,
) -> io::Result<TlsStream<Patient<TcpStream>>> {
    let shaken = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first == [HANDSHAKE] {
            return acceptor.accept(Patient::new(stream, pace.clone())).await;
        }
        turn_away(stream).await?;
        Err(io::Error::new(io::ErrorKind::InvalidData, "this is no TLS"))
    };
    let time = limits::wait(limits::TLS_HANDSHAKE_MS);
    tokio::time::timeout(time, shaken).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What was sent is read to its end, because a sender that is cut off never sees the answer.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(SPEAK_TLS.as_bytes()).await?;
    stream.shutdown().await?;
    let mut dropped = vec![0; limits::HEADER_MAX_BYTES];
    let mut seen = 0;
    while seen < limits::BODY_DISCARD_MAX_BYTES {
        match stream.read(&mut dropped).await? {
            0 => break,
            count => seen += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_to_plain_http_is_as_long_as_it_says() {
        let (head, body) = SPEAK_TLS.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
