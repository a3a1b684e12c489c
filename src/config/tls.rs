//! The certificate and key of the `tls:` addresses: `tls_cert` and `tls_key` among the credentials, in PEM. Read anew when they change; while a new pair
//! does not fit together, the old one stays.

mod life;
mod validity;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::Error;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::credentials::Stamp;
use super::{CredentialError, Credentials};
use crate::payment::sale::UnixMs;
pub use life::Life;

/// The terminal's own certificate, and after it those that lead to one that tills trust.
const CERTIFICATE: &str = "tls_cert";
/// Its private key.
const KEY: &str = "tls_key";

/// Why a pair cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or others can read the key.
    #[error(transparent)]
    File(#[from] CredentialError),
    /// No certificate, or one that is cut.
    #[error("{CERTIFICATE} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key, or one that is cut.
    #[error("{KEY} holds no private key in PEM (-----BEGIN PRIVATE KEY-----, without a password)")]
    NoKey,
    /// Two files of two pairs.
    #[error("{KEY} is not the key of the first certificate in {CERTIFICATE}: put both files of one pair there")]
    NoPair,
    /// A kind of key or certificate that is not known here.
    #[error("{CERTIFICATE} and {KEY} cannot be used: {0}")]
    Unusable(String),
}

/// The pair as it is shown. A clone is the same one.
#[derive(Clone)]
pub struct TlsPair(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The files as they were looked at last; `None` where one was missing.
    stamps: Option<Option<(Stamp, Stamp)>>,
    good: Option<Arc<CertifiedKey>>,
}

impl fmt::Debug for TlsPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPair").field("credentials", &self.0.credentials).finish_non_exhaustive()
    }
}

impl TlsPair {
    /// The pair among these credentials.
    #[must_use]
    pub fn of(credentials: &Credentials) -> Self {
        Self(Arc::new(Inner { credentials: credentials.clone(), known: Mutex::default() }))
    }

    /// The files as they are, proven to fit together.
    ///
    /// # Errors
    /// They cannot be shown.
    pub fn read(&self) -> Result<CertifiedKey, TlsError> {
        let credentials = &self.0.credentials;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&credentials.pem(CERTIFICATE)?).collect();
        let certificates = certificates.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(&credentials.secret_pem(KEY)?).map_err(|_| TlsError::NoKey)?;
        let ring = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(certificates, key, &ring).map_err(|error| match error {
            Error::InconsistentKeys(_) => TlsError::NoPair,
            other => TlsError::Unusable(other.to_string()),
        })
    }

    /// What to show now: the files as they are, or, while they do not fit together, the last ones that did. Changes are told in the log.
    #[must_use]
    pub fn now(&self) -> Option<Arc<CertifiedKey>> {
        let credentials = &self.0.credentials;
        let stamps = credentials.stamp(CERTIFICATE).zip(credentials.stamp(KEY));
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.stamps != Some(stamps) {
            match self.read() {
                Ok(pair) => {
                    known.good = Some(Arc::new(pair));
                    tracing::info!("the certificate of the tills' door is in use");
                }
                Err(error) if known.good.is_some() => {
                    tracing::warn!(%error, "the new certificate of the tills' door is not used, the old one stays");
                }
                Err(error) => tracing::error!(%error, "no till can ask over TLS"),
            }
            known.stamps = Some(stamps);
        }
        known.good.clone()
    }
}

impl TlsPair {
    /// When what is shown expires; `None` while nothing is shown, or where a certificate does not tell.
    #[must_use]
    pub fn expires_ms(&self) -> Option<UnixMs> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.good.as_deref().and_then(expires_ms)
    }
}

/// When the first certificate of a chain expires: a chain is as good as its weakest part.
#[must_use]
pub fn expires_ms(pair: &CertifiedKey) -> Option<UnixMs> {
    pair.cert.iter().filter_map(|certificate| validity::not_after(certificate)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn put(dir: &Path, name: &str, text: &str) {
        let (fresh, path) = (dir.join("fresh"), dir.join(name));
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(fresh, path).unwrap();
    }

    fn made() -> (String, String) {
        let Made { cert, signing_key } = generate_simple_self_signed(vec!["till.example".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_that_fits_is_shown_and_a_new_one_only_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let pair = TlsPair::of(&Credentials::in_dir(dir.path().into()));
        assert!(pair.now().is_none());
        let (first, second) = (made(), made());
        put(dir.path(), CERTIFICATE, &first.0);
        assert!(pair.now().is_none());
        put(dir.path(), KEY, &first.1);
        let shown = pair.now().unwrap().cert.clone();

        put(dir.path(), CERTIFICATE, &second.0);
        assert_eq!(pair.read().unwrap_err(), TlsError::NoPair);
        assert_eq!(pair.now().unwrap().cert, shown, "half a pair is none");
        put(dir.path(), KEY, "-----BEGIN PRIVATE KEY-----\n");
        assert_eq!(pair.read().unwrap_err(), TlsError::NoKey);
        assert_eq!(pair.now().unwrap().cert, shown);
        put(dir.path(), KEY, &second.1);
        assert_ne!(pair.now().unwrap().cert, shown);
        fs::remove_file(dir.path().join(KEY)).unwrap();
        assert!(pair.now().is_some());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_and_a_certificate_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        put(dir.path(), CERTIFICATE, &certificate);
        put(dir.path(), KEY, &key);
        let pair = TlsPair::of(&Credentials::in_dir(dir.path().into()));
        let open = |name: &str| fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
        open(CERTIFICATE);
        assert!(pair.read().is_ok());
        open(KEY);
        assert!(pair.read().unwrap_err().to_string().contains("can be read by others"));
        put(dir.path(), CERTIFICATE, "text");
        assert_eq!(pair.read().unwrap_err(), TlsError::NoCertificate);
    }
}
