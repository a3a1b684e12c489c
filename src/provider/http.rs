//! One request to a provider, sent at most once, and whether any byte of it left.
//!
//! The client has no retries, no proxy, no redirects, speaks HTTP/1.1, and opens a connection for each request: an idle connection that the
//! peer has just closed would turn "not sent" into "in doubt", and a pooled one makes the client library send a request a second time.

use std::error::Error;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, redirect, retry};

use crate::limits;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body, at most [`limits::PROVIDER_BODY_MAX_BYTES`].
    pub(super) body: Vec<u8>,
}

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

/// The client. Built at the start or at the first request, and again after a failure, so that a box whose certificates are missing at the start still starts,
/// and heals when they come.
#[derive(Debug)]
pub(super) struct Http {
    connect_timeout: Duration,
    timeout: Duration,
    client: Mutex<Option<Client>>,
}

impl Http {
    pub(super) fn new(connect_timeout: Duration, timeout: Duration) -> Self {
        Self { connect_timeout, timeout, client: Mutex::new(None) }
    }

    /// Build the client now, so that no sale waits for its certificates to be read. A failure is met, and told, by the first request.
    pub(super) fn warm(&self) {
        if let Err(error) = self.client() {
            tracing::warn!(
                error = in_words("the HTTPS client cannot start yet", &error),
                "the first sale will try again"
            );
        }
    }

    #[cfg(test)]
    pub(super) fn is_warm(&self) -> bool {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Post `body` as JSON and hear the whole answer, within the limits of time and size.
    pub(super) async fn post(&self, url: &str, body: String) -> Result<Answer, PostError> {
        self.ask(Method::POST, url, HeaderMap::new(), Some(body)).await
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
        let client = self.client().map_err(|e| PostError::NotSent(in_words("the HTTPS client cannot start", &e)))?;
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        }
        let response = request.send().await.map_err(|e| self.failed(&e))?;
        let status = response.status().as_u16();
        let body = self.read_body(response).await?;
        Ok(Answer { status, body })
    }

    async fn read_body(&self, mut response: Response) -> Result<Vec<u8>, PostError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| self.failed(&e))? {
            if body.len() + piece.len() > limits::PROVIDER_BODY_MAX_BYTES {
                let text = format!("the answer is longer than {} bytes", limits::PROVIDER_BODY_MAX_BYTES);
                return Err(PostError::InDoubt(text));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// A failure to connect (name, refusal, TLS, time) is the only one before the first byte of the request; the library tells it apart by
    /// where it happened, not by its words. A request that could not even be built is another.
    fn failed(&self, error: &reqwest::Error) -> PostError {
        if error.is_connect() || error.is_builder() {
            return PostError::NotSent(in_words("no connection to the provider", error));
        }
        if error.is_timeout() {
            return PostError::InDoubt(format!("no whole answer within {} ms", self.timeout.as_millis()));
        }
        PostError::InDoubt(in_words("the connection broke before the whole answer came", error))
    }

    fn client(&self) -> reqwest::Result<Client> {
        let mut built = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*built {
            return Ok(client.clone());
        }
        choose_cryptography();
        let client = Client::builder()
            .user_agent(concat!("tolov/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .referer(false)
            .build()?;
        Ok(built.insert(client).clone())
    }
}

/// The process has one provider of cryptography: ring, which needs no C beyond its own. Whoever comes first installs it.
fn choose_cryptography() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody else installed one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// An error with its causes, without the address, which the technician's file already has.
fn in_words(what: &str, error: &reqwest::Error) -> String {
    let mut words = what.to_owned();
    let mut cause = error.source();
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
