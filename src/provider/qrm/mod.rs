//! SBP through QRManager (REST API 3.2.1, seed 004; providers.md §6): one file a chapter of the document.
//!
//! One API key is one QR terminal there, so a terminal of ours may have several *profiles*, and a sale names one.

pub mod access;
mod answer;
pub mod cash;
mod client;
pub mod code;
pub mod error;
pub mod link;
pub mod loyalty;
pub mod nomenclature;
pub mod products;
pub mod receipt;
pub mod refund;
pub mod registration;
pub mod socket;
pub mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use crate::payment::sbp::Ofd;

pub use client::Qrm;
pub use error::QrmError;
pub use loyalty::{LoyaltyAnswer, LoyaltyCard};
pub use products::Product;
pub use receipt::Receipts;
pub use refund::RefundStatus;
pub use registration::ReceiptStatus;

/// How one QR terminal is reached: `[qrm.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrmSettings {
    /// `http(s)://host[:port][/path]`, without a slash at the end. The WebSocket's address is made from it.
    pub base_url: String,
    /// Whose receipts the QR terminal registers; `None`: none through QRManager.
    pub receipts: Option<Ofd>,
    /// How statuses are heard.
    pub sockets: Sockets,
    /// Links that are handed to tills lead to the page where the payer chooses the bank (`web.qr.nspk.ru`).
    pub web_links: bool,
    /// A basket whose lines do not add up to the sum is refused, not only warned of.
    pub strict_nomenclature: bool,
    /// For a whole answer, ms. QRManager itself waits five seconds for the bank.
    pub timeout_ms: u64,
    /// For a connection, ms. Never more than `timeout_ms`.
    pub connect_timeout_ms: u64,
    /// REST questions about statuses, a minute, all codes of the profile together.
    pub polls_per_minute: u32,
}

/// How statuses are heard over WebSockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sockets {
    /// A socket for each code: whatever comes over it is about that code.
    #[default]
    PerOperation,
    /// One socket for all codes of the profile. An answer without an id is assigned to none; each code is asked by REST then.
    Shared,
}

/// Reads the key anew whenever it is needed; `None`: it is not there (now).
pub type ReadKey = Arc<dyn Fn() -> Option<SecretString> + Send + Sync>;

/// The QR terminals of this terminal, by name.
#[derive(Clone, Default)]
pub struct Profiles {
    by_name: BTreeMap<String, (QrmSettings, ReadKey)>,
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_name.keys()).finish()
    }
}

impl Profiles {
    /// Add one, in place of an earlier one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, settings: QrmSettings, key: ReadKey) -> Self {
        self.by_name.insert(name.to_owned(), (settings, key));
        self
    }

    /// The profile of that name: its settings, and how its key is read.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(&QrmSettings, &ReadKey)> {
        self.by_name.get(name).map(|(settings, key)| (settings, key))
    }

    /// A client of each, by name. Their lists of products are kept in `cache`, if there is such a directory to be.
    #[must_use]
    pub fn clients(&self, cache: Option<&Path>) -> BTreeMap<String, Arc<Qrm>> {
        let client = |(name, (settings, key)): (&String, &(QrmSettings, ReadKey))| {
            let client = Qrm::new(name, settings.clone(), ReadKey::clone(key));
            (name.clone(), Arc::new(if let Some(dir) = cache { client.with_cache(dir) } else { client }))
        };
        self.by_name.iter().map(client).collect()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}
