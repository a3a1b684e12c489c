//! Connections that can be made to break after so many more bytes: how an answer is lost or cut without any help of the HTTP library, which would
//! always finish politely.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Enough for a head, too little for a whole answer: every answer of the simulated vendors is longer.
pub(super) const HALF_AN_ANSWER_BYTES: usize = 120;

/// The end of a connection's leash: how many bytes it may still send.
#[derive(Clone, Debug)]
pub(super) struct Leash(Arc<AtomicUsize>);

impl Leash {
    /// Break the connection after so many more bytes. The response is for the type checker; with 0 not a byte of it is sent.
    pub(super) fn cut_after(&self, bytes: usize) -> Response {
        self.0.store(bytes, Ordering::SeqCst);
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Connected<IncomingStream<'_, LeashedListener>> for Leash {
    fn connect_info(stream: IncomingStream<'_, LeashedListener>) -> Self {
        stream.io().leash.clone()
    }
}

/// Accepts connections on a leash.
pub(super) struct LeashedListener(pub(super) TcpListener);

impl Listener for LeashedListener {
    type Io = Leashed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Leashed, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        (Leashed { stream, leash: Leash(Arc::new(AtomicUsize::new(usize::MAX))) }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection on a leash.
pub(super) struct Leashed {
    stream: TcpStream,
    leash: Leash,
}

impl AsyncRead for Leashed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Leashed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.leash.0.load(Ordering::SeqCst);
        if left == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let some = &bytes[..bytes.len().min(left)];
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, some))?;
        if left != usize::MAX {
            self.leash.0.store(left - written, Ordering::SeqCst);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
