//! Access (seed 004, "Аутентификация"): where a profile's requests go, and its key, which is sent with each of them and shown nowhere.

use std::fmt;

use axum::http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::error::QrmError;
use super::socket::{SocketAddress, Spelling};
use super::{QrmSettings, ReadKey};

/// The header that carries the key. The document spells it in two ways; names of headers know no case.
pub const KEY_HEADER: &str = "x-api-key";

/// What stands where a secret stood.
const HIDDEN: &[u8] = b"***";

/// One request, as it is written: everything but the address of the server and the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub verb: Verb,
    /// The path, from its first slash.
    pub path: String,
    /// JSON.
    pub body: Option<String>,
}

/// The verbs of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Asks.
    Get,
    /// Does.
    Post,
    /// Deactivates.
    Delete,
}

impl Request {
    pub(super) const fn get(path: String) -> Self {
        Self { verb: Verb::Get, path, body: None }
    }

    pub(super) const fn post(path: String, body: String) -> Self {
        Self { verb: Verb::Post, path, body: Some(body) }
    }

    pub(super) const fn delete(path: String) -> Self {
        Self { verb: Verb::Delete, path, body: None }
    }
}

/// Without the body, which may name a person.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.verb, self.path)
    }
}

/// The address of a profile's server and its key.
#[derive(Clone)]
pub(super) struct Access {
    profile: String,
    base_url: String,
    key: ReadKey,
}

impl Access {
    pub(super) fn new(profile: &str, settings: &QrmSettings, key: ReadKey) -> Self {
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        Self { profile: profile.to_owned(), base_url, key }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// The key as it is now: a new one needs no restart.
    pub(super) fn key(&self) -> Result<SecretString, QrmError> {
        let missing = |why: &str| QrmError::NoKey { profile: self.profile.clone(), why: why.to_owned() };
        let key = (self.key)()
            .ok_or_else(|| missing(&format!("the credential qrm_{} is missing or cannot be read", self.profile)))?;
        let fits = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        if fits(key.expose_secret()) { Ok(key) } else { Err(missing("it is empty, or has characters that no key has")) }
    }

    /// Where the WebSocket is (§4.1, 1).
    pub(super) fn socket(&self, spelling: Spelling) -> Result<SocketAddress, QrmError> {
        let key = self.key()?;
        let why = "it is no web address that begins with https:// or http://";
        SocketAddress::new(&self.base_url, key.expose_secret(), spelling)
            .ok_or_else(|| QrmError::Unfit { field: "base_url", why: why.to_owned() })
    }
}

/// What every request of the document brings. The key is marked so that nothing prints it.
pub(super) fn headers(key: &SecretString) -> Result<HeaderMap, QrmError> {
    let unfit = |_| QrmError::NotSent { text: "the key has characters that no header takes".to_owned() };
    let mut value = HeaderValue::from_str(key.expose_secret()).map_err(unfit)?;
    value.set_sensitive(true);
    let accept = (ACCEPT, HeaderValue::from_static("application/json"));
    Ok(HeaderMap::from_iter([accept, (HeaderName::from_static(KEY_HEADER), value)]))
}

/// An answer without the secrets that its request brought: a server may quote what it refuses.
pub(super) fn without(body: Vec<u8>, secrets: &[&str]) -> Vec<u8> {
    secrets.iter().filter(|secret| secret.len() >= 4).fold(body, |body, secret| hide(&body, secret.as_bytes()))
}

fn hide(body: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(HIDDEN);
        rest = &rest[at + secret.len()..];
    }
    out.extend_from_slice(rest);
    out
}
