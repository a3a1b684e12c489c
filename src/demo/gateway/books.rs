//! The gateway's own books: what it charged and which receipts it was given. Append-only; the witness when our terminal is asked what it did.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::demo::ledger::{BooksError, Ledger};

/// Whose endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// CLICK PASS.
    Click,
    /// PAYME GO.
    Payme,
}

/// One line of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// Money moved from a customer.
    Charge {
        /// When, wall time in milliseconds.
        at_ms: i64,
        /// At which endpoint.
        vendor: Vendor,
        /// Minor units.
        amount_minor: i64,
        /// The customer's code.
        code: String,
        /// The id that was told, or would have been.
        payment_id: String,
        /// This code had paid before. In the world a one-time code pays once; here a second charge is taken and marked, so that a test sees it.
        double: bool,
    },
    /// A receipt was handed over.
    Confirmation {
        /// When, wall time in milliseconds.
        at_ms: i64,
        /// At which endpoint.
        vendor: Vendor,
        /// Of which charge.
        payment_id: String,
        /// The link.
        link: String,
        /// The number, where the dialect has it.
        receipt_id: Option<String>,
        /// The sign, where the dialect has it.
        fiscal_sign: Option<String>,
        /// The very same receipt was handed over before.
        again: bool,
    },
}

/// The books.
#[derive(Debug, Default)]
pub struct Books {
    ledger: Ledger<Entry>,
    codes: HashSet<(Vendor, String)>,
    charges: HashSet<(Vendor, String)>,
    receipts: HashMap<(Vendor, String), String>,
}

impl Books {
    /// Open the books in this file, with everything that earlier lives wrote; `None` = in memory only.
    ///
    /// # Errors
    /// The file cannot be used or is something else.
    pub fn open(path: Option<&Path>) -> Result<Self, BooksError> {
        let ledger = Ledger::open(path)?;
        let mut books = Self::default();
        ledger.entries().iter().for_each(|entry| books.remember(entry));
        books.ledger = ledger;
        Ok(books)
    }

    /// Everything, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        self.ledger.entries()
    }

    /// Book a charge.
    pub(super) fn charge(
        &mut self,
        at_ms: i64,
        vendor: Vendor,
        amount_minor: i64,
        code: &str,
        payment_id: &str,
    ) -> Result<(), BooksError> {
        let double = self.codes.contains(&(vendor, code.to_owned()));
        let (code, payment_id) = (code.to_owned(), payment_id.to_owned());
        self.write(Entry::Charge { at_ms, vendor, amount_minor, code, payment_id, double })
    }

    /// Book a receipt; false = no such charge, and nothing is booked.
    pub(super) fn confirm(
        &mut self,
        at_ms: i64,
        vendor: Vendor,
        payment_id: &str,
        link: &str,
        receipt_id: Option<String>,
        fiscal_sign: Option<String>,
    ) -> Result<bool, BooksError> {
        let key = (vendor, payment_id.to_owned());
        if !self.charges.contains(&key) {
            return Ok(false);
        }
        let again = self.receipts.get(&key).is_some_and(|known| known == link);
        let (payment_id, link) = (payment_id.to_owned(), link.to_owned());
        self.write(Entry::Confirmation { at_ms, vendor, payment_id, link, receipt_id, fiscal_sign, again })?;
        Ok(true)
    }

    fn write(&mut self, entry: Entry) -> Result<(), BooksError> {
        self.ledger.write(entry.clone())?;
        self.remember(&entry);
        Ok(())
    }

    fn remember(&mut self, entry: &Entry) {
        match entry {
            Entry::Charge { vendor, code, payment_id, .. } => {
                self.codes.insert((*vendor, code.clone()));
                self.charges.insert((*vendor, payment_id.clone()));
            }
            Entry::Confirmation { vendor, payment_id, link, .. } => {
                self.receipts.insert((*vendor, payment_id.clone()), link.clone());
            }
        }
    }
}
