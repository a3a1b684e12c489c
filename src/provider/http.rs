//! One request to a provider, sent at most once, and whether any byte of it left.
//!
//! There are no retries, no proxy and no redirects; it is HTTP/1.1, on a connection of its own for each request: an idle connection of an earlier
//! one may be closed under a payment, and would turn "not sent" into "in doubt". A connection may be opened ahead ([`Http::open`],
//! [`Http::expect`]), for a short while, and nothing is sent on it before its request.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{Method, Request, Uri};
use tokio::sync::oneshot;

pub(super) use super::line::Answer;
use super::line::{Line, LineError, in_words};
use super::tls::Tls;
use crate::limits;

/// Why there is no answer. The texts are for the technician and hold nothing of the body.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// Not one byte of the request was written.
    #[error("{0}")]
    NotSent(String),
    /// Some of it may have been.
    #[error("{0}")]
    InDoubt(String),
}

/// A connection that was opened ahead, or why there is none; without one, the request opens its own.
#[derive(Debug, Default)]
pub(super) struct Opened(Option<Result<Line, String>>);

/// Asks for a connection that is held for a payment to come, and where it is to be handed over.
type Claim = oneshot::Sender<oneshot::Sender<Result<Line, String>>>;

/// The client. TLS is made ready at the start or at the first connection, and again after a failure, so that a box whose certificates are missing at the start
/// still starts, and heals when they come.
#[derive(Debug)]
pub(super) struct Http {
    connect_timeout: Duration,
    timeout: Duration,
    tls: Arc<Tls>,
    /// Connections that are held for a payment to come.
    held: Mutex<Vec<Claim>>,
}

impl Http {
    pub(super) fn new(connect_timeout: Duration, timeout: Duration) -> Self {
        Self { connect_timeout, timeout, tls: Arc::default(), held: Mutex::default() }
    }

    /// Make TLS ready now where this address asks for it, so that no sale waits for its certificates to be read. A failure is met, and told, by the
    /// first request.
    pub(super) fn warm_for(&self, url: &str) {
        let is_tls = read(url).is_ok_and(|server| server.scheme() == Some(&Scheme::HTTPS));
        if is_tls && let Err(error) = self.tls.config() {
            tracing::warn!(%error, "TLS cannot begin yet; the first sale will try again");
        }
    }

    #[cfg(test)]
    pub(super) fn is_warm(&self) -> bool {
        self.tls.is_made()
    }

    /// A connection for a request that will come within a moment: the one that is held, or a new one.
    pub(super) async fn open(&self, url: &str) -> Opened {
        Opened(Some(match read(url) {
            Ok(server) => self.line(&server).await,
            Err(why) => Err(why),
        }))
    }

    /// Open a connection and hold it for the next [`Http::open`], until the server ends it, and for [`limits::PROVIDER_READY_MS`] at most. It is
    /// found from this call on, whether it is open yet or not.
    pub(super) fn expect(&self, url: &str) -> impl Future<Output = ()> + Send + 'static {
        let (claim, claimed) = oneshot::channel();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|claim| !claim.is_closed());
        held.push(claim);
        let (server, connect_timeout, tls) = (read(url), self.connect_timeout, self.tls.clone());
        async move {
            let Ok(server) = server else { return };
            hold(open_within(connect_timeout, &server, &tls).await, claimed).await;
        }
    }

    /// Post `body` as JSON and hear the whole answer, within the limits of time and size.
    pub(super) async fn post(&self, url: &str, body: String, opened: Opened) -> Result<Answer, PostError> {
        self.send(request(Method::POST, url, HeaderMap::new(), Some(body)), opened).await
    }

    /// Send a request, with a JSON body or without one, and hear the whole answer, within the limits of time and size. A header that holds a
    /// secret is marked by whoever made it, so that nothing prints it.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Answer, PostError> {
        self.send(request(method, url, headers, body), Opened::default()).await
    }

    async fn send(&self, request: Result<(Uri, Request<String>), String>, opened: Opened) -> Result<Answer, PostError> {
        let (server, request) = request.map_err(PostError::NotSent)?;
        let mut begun = false;
        match tokio::time::timeout(self.timeout, self.converse(&server, request, opened, &mut begun)).await {
            Ok(answer) => answer,
            Err(_) => {
                let text = format!("no whole answer within {} ms", self.timeout.as_millis());
                Err(if begun { PostError::InDoubt(text) } else { PostError::NotSent(text) })
            }
        }
    }

    /// `begun` is set as soon as a byte may have been written, and stays so.
    async fn converse(
        &self,
        server: &Uri,
        request: Request<String>,
        opened: Opened,
        begun: &mut bool,
    ) -> Result<Answer, PostError> {
        let (was_ahead, line) = match opened.0 {
            Some(opened) => (true, opened),
            None => (false, self.line(server).await),
        };
        *begun = line.is_ok();
        let unsent = match line.map_err(PostError::NotSent)?.exchange(request).await {
            Ok(answer) => return Ok(answer),
            Err(LineError::Broken(text)) => return Err(PostError::InDoubt(text)),
            Err(LineError::Unsent(request)) => *request,
        };
        let closed = || PostError::NotSent("the provider closed the connection before anything was sent".to_owned());
        if !was_ahead {
            return Err(closed());
        }
        // It died while it waited. Nothing was sent on it, so this is still the first time that the request is sent.
        *begun = false;
        let line = open_within(self.connect_timeout, server, &self.tls).await.map_err(PostError::NotSent)?;
        *begun = true;
        line.exchange(unsent).await.map_err(|e| match e {
            LineError::Broken(text) => PostError::InDoubt(text),
            LineError::Unsent(_) => closed(),
        })
    }

    async fn line(&self, server: &Uri) -> Result<Line, String> {
        while let Some(claim) = self.claim() {
            let (to_me, handed_over) = oneshot::channel();
            // One that has ended meanwhile answers nothing.
            if claim.send(to_me).is_ok()
                && let Ok(line) = handed_over.await
            {
                return line;
            }
        }
        open_within(self.connect_timeout, server, &self.tls).await
    }

    fn claim(&self) -> Option<Claim> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Keep a connection until it is claimed, has ended or is too old.
async fn hold(mut opened: Result<Line, String>, mut claimed: oneshot::Receiver<oneshot::Sender<Result<Line, String>>>) {
    let claimant = match &mut opened {
        Ok(line) => tokio::select! {
            biased;
            () = line.ended() => None,
            claimant = &mut claimed => claimant.ok(),
            () = tokio::time::sleep(limits::wait(limits::PROVIDER_READY_MS)) => None,
        },
        // Whoever waits for it already has waited long enough; who comes later tries again.
        Err(_) => claimed.try_recv().ok(),
    };
    if let Some(claimant) = claimant {
        let _ = claimant.send(opened);
    }
}

async fn open_within(limit: Duration, server: &Uri, tls: &Tls) -> Result<Line, String> {
    let opened = tokio::time::timeout(limit, Line::open(server, tls)).await;
    opened.unwrap_or_else(|_| Err(format!("no connection to the provider within {} ms", limit.as_millis())))
}

/// An address as the connection needs it.
fn read(url: &str) -> Result<Uri, String> {
    let failed = |e: &(dyn Error + 'static)| in_words("the provider's address cannot be used", e);
    let uri: Uri = url.parse().map_err(|e| failed(&e))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        _ => Err("the provider's address cannot be used: it begins with http(s)://".to_owned()),
    }
}

/// The request in the words of HTTP/1.1, and the server that it is for.
fn request(
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: Option<String>,
) -> Result<(Uri, Request<String>), String> {
    let failed = |e: &(dyn Error + 'static)| in_words("the request cannot be put into words", e);
    let server = read(url)?;
    let host = server.authority().map_or("", |authority| authority.as_str());
    let target = server.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut request = Request::builder().method(method).uri(target).header(HOST, host);
    if body.is_some() {
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut request = request.body(body.unwrap_or_default()).map_err(|e| failed(&e))?;
    let known = request.headers_mut();
    known.insert(ACCEPT, HeaderValue::from_static("*/*"));
    known.insert(USER_AGENT, HeaderValue::from_static(concat!("tolov/", env!("CARGO_PKG_VERSION"))));
    known.extend(headers);
    Ok((server, request))
}
