//! QRManager's own books: operations, payments, refunds, receipts and cash links. Append-only; the witness when our terminal is asked what it did.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::operation::{Operation, Receipt, ReceiptEnd, Refund, Standing};
use crate::demo::ledger::{BooksError, Ledger};

/// One line of the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, wall time in milliseconds.
    pub at_ms: i64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum What {
    /// A code was made, or a cash link activated.
    Operation {
        /// Whose: the part of the API key before the dot.
        terminal: String,
        /// `operation_id`.
        operation_id: String,
        /// `number`.
        number: String,
        /// What is asked for.
        sum_kopecks: i64,
        /// `qr_link`; of a cash link the sticker's.
        qr_link: String,
        /// The cash link that was activated, `cashQrId`.
        link_id: Option<String>,
        /// When its time is over.
        ends_ms: i64,
        /// The words for the payer's bank.
        purpose: Option<String>,
        /// What is sold (§2.2).
        lines: usize,
        /// The loyalty card's use.
        loyalty: Option<LoyaltyUse>,
    },
    /// A payer's bank opened the code.
    Opened {
        /// Which.
        operation_id: String,
    },
    /// Money came.
    Payment {
        /// For which.
        operation_id: String,
        /// How much.
        sum_kopecks: i64,
        /// After the operation's end.
        late: bool,
    },
    /// A payer's attempt failed.
    Declined {
        /// At which.
        operation_id: String,
    },
    /// The time of a code is over.
    Expired {
        /// Whose.
        operation_id: String,
    },
    /// Money is asked back.
    Refund {
        /// Of which.
        operation_id: String,
        /// `refundRequestId`.
        request_id: String,
        /// How much.
        amount_kopecks: i64,
        /// When it is decided.
        ends_ms: i64,
    },
    /// How that went.
    RefundEnd {
        /// Of which.
        operation_id: String,
        /// `refundRequestId`.
        request_id: String,
        /// The money went back.
        success: bool,
    },
    /// A receipt was registered.
    Receipt {
        /// Of which.
        operation_id: String,
        /// The document's total.
        total_kopecks: i64,
        /// Where its end is to be told.
        callback_url: Option<String>,
        /// When the OFD decides.
        ends_ms: i64,
    },
    /// How that went.
    ReceiptEnd {
        /// Of which.
        operation_id: String,
        /// How.
        end: ReceiptEnd,
    },
    /// A cash link was registered.
    LinkRegistered {
        /// Whose.
        terminal: String,
        /// `cashQrId`.
        link_id: String,
        /// `cashQrLink`.
        link: String,
        /// This terminal had one already: it is to be registered once for each point of sale.
        again: bool,
    },
    /// A cash link is not active any more.
    LinkDeactivated {
        /// `cashQrId`.
        link_id: String,
        /// Whose activation ended; `None`: it was not active.
        operation_id: Option<String>,
        /// What ended it.
        by: Deactivator,
    },
}

/// What was done with a loyalty card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoyaltyUse {
    /// `client_id`.
    pub client_id: i64,
    /// `loyalty_type`: 0 write-off, 1 accrual, 2 discount.
    pub loyalty_type: i64,
    /// `loyalty_amount`, points.
    pub points: Option<i64>,
    /// `base_amount`.
    pub base_kopecks: Option<i64>,
}

/// What ended a cash link's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deactivator {
    /// DELETE …/deactivate/.
    Request,
    /// The payment: "При успешной оплате кассовой ссылки, она деактивируется автоматически".
    Payment,
    /// Its time.
    Time,
}

/// A cash link as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Whose: the part of the API key before the dot.
    pub terminal: String,
    /// `cashQrId`.
    pub link_id: String,
    /// `cashQrLink`.
    pub link: String,
    /// The operation that it is active for.
    pub active: Option<String>,
}

/// The books, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Books {
    ledger: Ledger<Entry>,
    operations: Vec<Operation>,
    by_id: HashMap<String, usize>,
    links: Vec<Link>,
}

impl Books {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, BooksError> {
        let ledger = Ledger::open(path)?;
        let mut books = Self::default();
        ledger.entries().iter().for_each(|entry| books.remember(entry));
        books.ledger = ledger;
        Ok(books)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        self.ledger.entries()
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(super) fn operation(&self, operation_id: &str) -> Option<&Operation> {
        self.by_id.get(operation_id).map(|index| &self.operations[*index])
    }

    pub(super) fn numbered(&self, number: &str) -> Option<&Operation> {
        self.operations.iter().rev().find(|operation| operation.number == number)
    }

    /// The operation that a phone finds at this link: a code's own, or the one that a sticker is active for.
    pub(super) fn at_link(&self, link: &str) -> Option<&Operation> {
        let sticker = self.links.iter().find(|known| known.link == link);
        match sticker {
            Some(known) => known.active.as_deref().and_then(|id| self.operation(id)),
            None => self.operations.iter().rev().find(|operation| operation.qr_link == link),
        }
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    pub(super) fn link(&self, link_id: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.link_id == link_id)
    }

    pub(super) fn write(&mut self, at_ms: i64, what: What) -> Result<(), BooksError> {
        let entry = Entry { at_ms, what };
        self.ledger.write(entry.clone())?;
        self.remember(&entry);
        Ok(())
    }

    fn stand(&mut self, operation_id: &str, at_ms: i64, standing: Standing) {
        if let Some(index) = self.by_id.get(operation_id) {
            let operation = &mut self.operations[*index];
            operation.standing = standing;
            operation.history.push((at_ms, standing));
        }
    }

    fn at(&mut self, operation_id: &str) -> Option<&mut Operation> {
        self.by_id.get(operation_id).map(|index| &mut self.operations[*index])
    }

    fn remember(&mut self, entry: &Entry) {
        let at_ms = entry.at_ms;
        match &entry.what {
            What::Operation { .. } => self.begin(at_ms, &entry.what),
            What::Opened { operation_id } => self.stand(operation_id, at_ms, Standing::Opened),
            What::Declined { operation_id } => self.stand(operation_id, at_ms, Standing::Declined),
            What::Expired { operation_id } => self.stand(operation_id, at_ms, Standing::Expired),
            What::Payment { operation_id, late, .. } => {
                self.stand(operation_id, at_ms, Standing::Paid);
                if let Some(operation) = self.at(operation_id) {
                    operation.late = *late;
                }
            }
            What::Refund { operation_id, request_id, amount_kopecks, ends_ms } => {
                let refund = Refund {
                    request_id: request_id.clone(),
                    amount_kopecks: *amount_kopecks,
                    success: None,
                    ends_ms: *ends_ms,
                };
                if let Some(operation) = self.at(operation_id) {
                    operation.refunds.push(refund);
                }
            }
            What::RefundEnd { operation_id, request_id, success } => {
                self.end_refund(at_ms, operation_id, request_id, *success);
            }
            What::Receipt { operation_id, total_kopecks, callback_url, ends_ms } => {
                let (total_kopecks, ends_ms) = (*total_kopecks, *ends_ms);
                let receipt = Receipt { total_kopecks, callback_url: callback_url.clone(), ends_ms, end: None };
                if let Some(operation) = self.at(operation_id) {
                    operation.receipt = Some(receipt);
                }
            }
            What::ReceiptEnd { operation_id, end } => {
                if let Some(receipt) = self.at(operation_id).and_then(|operation| operation.receipt.as_mut()) {
                    receipt.end = Some(end.clone());
                }
            }
            What::LinkRegistered { terminal, link_id, link, .. } => {
                let (terminal, link_id, link) = (terminal.clone(), link_id.clone(), link.clone());
                self.links.push(Link { terminal, link_id, link, active: None });
            }
            What::LinkDeactivated { link_id, operation_id, by } => {
                if let Some(link) = self.links.iter_mut().find(|link| link.link_id == *link_id) {
                    link.active = None;
                }
                if let (Some(operation_id), Deactivator::Request) = (operation_id, by) {
                    self.stand(operation_id, at_ms, Standing::Cancelled);
                }
            }
        }
    }

    fn begin(&mut self, at_ms: i64, what: &What) {
        let What::Operation { terminal, operation_id, number, sum_kopecks, qr_link, link_id, ends_ms, purpose, .. } =
            what
        else {
            return;
        };
        self.by_id.insert(operation_id.clone(), self.operations.len());
        self.operations.push(Operation {
            made_ms: at_ms,
            ends_ms: *ends_ms,
            terminal: terminal.clone(),
            operation_id: operation_id.clone(),
            number: number.clone(),
            sum_kopecks: *sum_kopecks,
            qr_link: qr_link.clone(),
            link_id: link_id.clone(),
            purpose: purpose.clone(),
            standing: Standing::Created,
            history: vec![(at_ms, Standing::Created)],
            late: false,
            refunds: Vec::new(),
            receipt: None,
        });
        let link = self.links.iter_mut().find(|link| Some(&link.link_id) == link_id.as_ref());
        if let Some(link) = link {
            link.active = Some(operation_id.clone());
        }
    }

    fn end_refund(&mut self, at_ms: i64, operation_id: &str, request_id: &str, success: bool) {
        let Some(operation) = self.at(operation_id) else { return };
        let refund = operation.refunds.iter_mut().find(|refund| refund.request_id == request_id);
        if let Some(refund) = refund {
            refund.success = Some(success);
        }
        if operation.refunded_kopecks() == operation.sum_kopecks {
            self.stand(operation_id, at_ms, Standing::Refunded);
        }
    }
}
