//! TLS to providers: the system's certificates, and ring, which needs no C beyond its own.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;

/// What TLS needs, made at the first connection and again after a failure, so that certificates may come later than the terminal's start.
#[derive(Debug, Default)]
pub(crate) struct Tls(Mutex<Option<Arc<ClientConfig>>>);

impl Tls {
    /// Made now, or earlier.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*kept {
            return Ok(config.clone());
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
        let config = builder.with_platform_verifier()?.with_no_client_auth();
        Ok(kept.insert(Arc::new(config)).clone())
    }

    #[cfg(test)]
    pub(super) fn is_made(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
