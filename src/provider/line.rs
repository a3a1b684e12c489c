//! One connection to a provider, for one request. It may be opened before its request is known, so that no payer waits for a handshake.
//!
//! hyper hands a request back where the connection had ended before the request was begun to be written; that, and a connection that never
//! came to be, is *not sent*. Whatever breaks after it leaves a doubt.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

use axum::http::uri::Scheme;
use axum::http::{Request, Uri};
use hyper::body::Body as _;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower_service::Service as _;

use super::tls::Tls;
use crate::limits;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body, at most [`limits::PROVIDER_BODY_MAX_BYTES`].
    pub(super) body: Vec<u8>,
}

/// Why a connection brought no answer.
#[derive(Debug)]
pub(super) enum LineError {
    /// It had ended before the request was begun: here it is, unsent.
    Unsent(Box<Request<String>>),
    /// Some of the request may have been written.
    Broken(String),
}

/// Bytes both ways, with TLS or without.
trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

type Stream = TokioIo<Box<dyn Bytes>>;

/// An open connection on which nothing was said yet.
pub(super) struct Line {
    sender: SendRequest<String>,
    connection: Pin<Box<Connection<Stream, String>>>,
    over: bool,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// Open one to the server of `to`: name, TCP, and TLS where the address says so. Has no limit of time.
    pub(super) async fn open(to: &Uri, tls: &Tls) -> Result<Self, String> {
        let failed = |e: &(dyn Error + 'static)| in_words("no connection to the provider", e);
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        // A request is one small packet that is waited for.
        connector.set_nodelay(true);
        poll_fn(|cx| connector.poll_ready(cx)).await.map_err(|e| failed(&e))?;
        let tcp = connector.call(to.clone()).await.map_err(|e| failed(&e))?.into_inner();
        let bytes: Box<dyn Bytes> = if to.scheme() == Some(&Scheme::HTTPS) {
            let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
            let connector = TlsConnector::from(tls.config().map_err(|e| in_words("TLS cannot begin", &e))?);
            Box::new(connector.connect(name, tcp).await.map_err(|e| failed(&e))?)
        } else {
            Box::new(tcp)
        };
        let (sender, connection) = handshake(TokioIo::new(bytes)).await.map_err(|e| failed(&e))?;
        Ok(Self { sender, connection: Box::pin(connection), over: false })
    }

    /// Until the server ends the connection, or says something unasked.
    pub(super) async fn ended(&mut self) {
        let _ = self.connection.as_mut().await;
        self.over = true;
    }

    /// Send the one request and hear the whole answer, within the limit of size.
    pub(super) async fn exchange(mut self, request: Request<String>) -> Result<Answer, LineError> {
        let asked = self.sender.try_send_request(request);
        let response = self.alongside(asked).await.map_err(|mut e| match e.take_message() {
            Some(unsent) => LineError::Unsent(Box::new(unsent)),
            None => broken(e.error()),
        })?;
        let status = response.status().as_u16();
        let (mut incoming, mut body) = (response.into_body(), Vec::new());
        while let Some(frame) = self.alongside(poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx))).await {
            let frame = frame.map_err(|e| broken(&e))?;
            let piece = frame.data_ref().map_or(&[][..], |data| data);
            if body.len() + piece.len() > limits::PROVIDER_BODY_MAX_BYTES {
                let text = format!("the answer is longer than {} bytes", limits::PROVIDER_BODY_MAX_BYTES);
                return Err(LineError::Broken(text));
            }
            body.extend_from_slice(piece);
        }
        // The answer does not wait for the farewell.
        tokio::spawn(async move { drop(self) });
        Ok(Answer { status, body })
    }

    /// Wait for something that comes only while the connection is worked. How that ends is told by what is awaited.
    async fn alongside<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        poll_fn(|cx| {
            self.over = self.over || self.connection.as_mut().poll(cx).is_ready();
            awaited.as_mut().poll(cx)
        })
        .await
    }
}

fn broken(error: &(dyn Error + 'static)) -> LineError {
    LineError::Broken(in_words("the connection broke before the whole answer came", error))
}

/// An error with its causes. None of them quotes the address, which the technician's file already has.
pub(super) fn in_words(what: &str, error: &(dyn Error + 'static)) -> String {
    let mut words = what.to_owned();
    let mut cause = Some(error);
    while let Some(next) = cause {
        let text = next.to_string();
        // Wrappers repeat what they wrap.
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = next.source();
    }
    words.chars().take(limits::PROVIDER_TEXT_MAX_CHARS).collect()
}
