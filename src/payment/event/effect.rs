//! What goes out ([`Effect`]), released only after the commit that decided it, and what people are told beside it.

use crate::payment::card::{Job, Question, RunId, SettlementId};
use crate::payment::money::Money;
use crate::payment::sale::{Payment, PaymentId, RefundId};
use crate::payment::sbp::SbpOrder;
use std::sync::Arc;

/// Work for the world outside, released after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the provider for the money. Exactly one per payment, ever.
    Charge {
        /// The payment, with its code.
        payment: Arc<Payment>,
    },
    /// Start a run that moves money or closes the shift.
    PinpadRun {
        /// Its name.
        run: RunId,
        /// What for; the sale, refund or settlement is in the state.
        order: PinpadOrder,
    },
    /// Ask a question that moves nothing.
    PinpadAsk {
        /// Its name.
        run: RunId,
        /// What.
        question: Question,
    },
    /// Hear the end of an interrupted run.
    PinpadRecover {
        /// Its name.
        run: RunId,
        /// Never answer ER.
        card_presented: bool,
    },
    /// The evidence is on disk: answer the PinPad.
    PinpadRelease {
        /// Which run.
        run: RunId,
        /// Which evidence.
        sequence: u32,
    },
    /// Take the PinPad's request for a card back, if it still can be.
    PinpadCancel {
        /// Which run.
        run: RunId,
    },
    /// Ask something of QRManager.
    Sbp(SbpOrder),
    /// Whoever waits for this may have it now.
    Settled(Subject),
    /// The queue has something to deliver.
    Deliver,
    /// Tell the people at the counter.
    Notice(Notice),
}

/// A run that moves money or closes the shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinpadOrder {
    /// Take this much.
    Sale(Money),
    /// Cancel a sale of this shift.
    Void {
        /// The sale's amount.
        amount: Money,
        /// The sale's RRN.
        rrn: String,
        /// The number on its slip.
        receipt_number: Option<String>,
    },
    /// Give back a sale of an earlier shift.
    Refund {
        /// How much.
        amount: Money,
        /// The sale's RRN.
        rrn: String,
    },
    /// Close the shift.
    Settlement,
}

/// Something that a till can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A payment: final or in doubt.
    Payment(PaymentId),
    /// The code of an SBP sale: made, or never to be.
    Code(PaymentId),
    /// A void or refund: final or in doubt.
    Refund(PaymentId, RefundId),
    /// A settlement: final or in doubt.
    Settlement(SettlementId),
    /// A confirmation: confirmed or parked.
    Confirmation(PaymentId, u32),
}

impl From<Job> for Subject {
    fn from(job: Job) -> Self {
        match job {
            Job::Sale { payment } => Self::Payment(payment),
            Job::Refund { payment, refund } => Self::Refund(payment, refund),
            Job::Settlement { settlement } => Self::Settlement(settlement),
        }
    }
}

/// A word to the people at the counter that changes no payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nobody waits for a scan.
    ScanUnexpected,
    /// What was scanned cannot pay here; shown with what it is.
    ScanNotPayment(crate::payment::code::CodeKind),
    /// This code has paid, or may have paid, already.
    ScanUsed,
}
