//! Whose line of the journal it is.

use super::Fact;
use crate::payment::card::{Job, SettlementId};
use crate::payment::sale::PaymentId;

impl Fact {
    /// The payment that this fact is about.
    #[must_use]
    pub fn payment(&self) -> Option<PaymentId> {
        match self {
            Self::Opened { payment, .. }
            | Self::Created { payment, .. }
            | Self::Wished { payment, .. }
            | Self::Edited { payment, .. }
            | Self::Accepted { payment, .. }
            | Self::CardAsked { payment, .. }
            | Self::CodeBound { payment, .. }
            | Self::Approved { payment, .. }
            | Self::Declined { payment, .. }
            | Self::Doubted { payment, .. }
            | Self::Cancelled { payment, .. }
            | Self::Expired { payment }
            | Self::Resolved { payment, .. }
            | Self::Answered { payment }
            | Self::ReceiptBrought { payment, .. }
            | Self::ReceiptReleased { payment, .. }
            | Self::ReceiptDelayed { payment, .. }
            | Self::ReceiptConfirmed { payment, .. }
            | Self::ReceiptSigned { payment, .. }
            | Self::ReceiptParked { payment, .. }
            | Self::UpstreamNamed { payment, .. }
            | Self::RefundOpened { payment, .. }
            | Self::RefundBecame { payment, .. }
            | Self::RefundNamed { payment, .. }
            | Self::CodeMade { payment, .. }
            | Self::StatusTold { payment, .. }
            | Self::WatchOver { payment }
            | Self::Refunded { payment } => Some(*payment),
            Self::CardPresented { job }
            | Self::Questioned { job }
            | Self::Printed { job, .. }
            | Self::Tagged { job, .. }
            | Self::Result { job, .. }
            | Self::RunOver { job, .. } => match job {
                Job::Sale { payment } | Job::Refund { payment, .. } => Some(*payment),
                Job::Settlement { .. } => None,
            },
            Self::SettlementOpened { .. }
            | Self::SettlementBecame { .. }
            | Self::SettlementResolved { .. }
            | Self::CardMarked { .. }
            | Self::CashLinkBecame { .. }
            | Self::SalesClosed { .. }
            | Self::SalesOpened { .. } => None,
        }
    }

    /// Whether this fact is about a settlement.
    #[must_use]
    pub fn settlement(&self) -> Option<SettlementId> {
        match self {
            Self::SettlementOpened { settlement, .. }
            | Self::SettlementBecame { settlement, .. }
            | Self::SettlementResolved { settlement, .. } => Some(*settlement),
            Self::CardPresented { job }
            | Self::Questioned { job }
            | Self::Printed { job, .. }
            | Self::Tagged { job, .. }
            | Self::Result { job, .. }
            | Self::RunOver { job, .. } => match job {
                Job::Settlement { settlement } => Some(*settlement),
                Job::Sale { .. } | Job::Refund { .. } => None,
            },
            _ => None,
        }
    }
}
