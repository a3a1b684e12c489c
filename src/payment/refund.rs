//! Money given back: voids and refunds, children of their sale.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

use super::card::Run;
use super::money::Money;
use super::sale::{Decline, Doubt, Token, UnixMs};

/// The name of one refund or void, ours, a random UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefundId(pub Uuid);

impl fmt::Display for RefundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Money given back, a child of its payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its name.
    pub id: RefundId,
    /// Void in the same shift, or refund of an earlier one.
    pub kind: RefundKind,
    /// What is given back.
    pub amount: Money,
    /// The till's idempotency token.
    pub token: Option<Token>,
    /// When the till asked.
    pub created_ms: UnixMs,
    /// Where it stands.
    pub state: RefundState,
    /// The PinPad's run (HUMO only).
    pub run: Option<Run>,
    /// The provider's own name of it (SBP: `refundRequestId`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<String>,
}

/// The two ways of giving money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundKind {
    /// The whole amount, in the shift of the sale.
    Void,
    /// After the settlement.
    Refund,
}

/// Where a refund stands. `requested → processing → done | refused | in_doubt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RefundState {
    /// On disk, not sent.
    Requested,
    /// The PinPad is at work.
    Processing,
    /// The money went back.
    Done,
    /// It did not.
    Refused(Decline),
    /// Nobody here knows.
    InDoubt {
        /// Why.
        why: Doubt,
    },
}

impl RefundState {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Processing => "processing",
            Self::Done => "done",
            Self::Refused(_) => "refused",
            Self::InDoubt { .. } => "in_doubt",
        }
    }

    /// Whether this refund's money is, or may be, on its way back.
    #[must_use]
    pub fn holds_money(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// Done or refused.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Refused(_))
    }
}
