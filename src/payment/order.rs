//! Payments that a till creates first and accepts later (seed 003), and what it may ask of them in between.

use serde::{Deserialize, Serialize};

use super::card::RunId;
use super::money::Money;
use super::sale::{Method, PaymentId, Token, UnixMs};
use super::sbp::SbpAsk;

/// Whose payment it is: references that mean something to the till alone, never a name or a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parties {
    /// Who pays; `sender_id` on the wire.
    pub sender_id: String,
    /// Who is paid; `recipcient_id` on the wire.
    pub recipient_id: String,
    /// How the recipient is paid, as the till wrote it: `click`, `sbp:main`, `auto`.
    pub method_id: String,
}

/// How a till wants to be paid, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who moves the money; `None` = whatever the customer shows.
    pub method: Option<Method>,
    /// As the till wrote it.
    pub method_id: String,
    /// What is asked of the customer.
    pub amount: Money,
    /// What QRManager is asked for (SBP only).
    pub sbp: Option<Box<SbpAsk>>,
}

/// A till makes a payment known. Nothing is asked of anybody before it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Fresh name.
    pub id: PaymentId,
    /// How it is to be paid.
    pub terms: Terms,
    /// The till's idempotency token.
    pub token: Token,
    /// The till's own number for the order.
    pub order_id: Option<String>,
    /// Who pays, the till's own reference.
    pub sender_id: String,
    /// Who is paid, the till's own reference.
    pub recipient_id: String,
}

/// A till asks something of a payment that it has created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Of which.
    pub payment: PaymentId,
    /// The request's own idempotency token.
    pub token: Token,
    /// What.
    pub what: Asked,
}

/// What a till may ask of a payment that it has created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Other terms, while it is not accepted.
    Edit(Terms),
    /// Take the money.
    Accept(Accept),
    /// Call it off, before the bank is at work.
    Cancel {
        /// Why, for whoever reads it later.
        reason: CancelReason,
    },
}

/// How a payment begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Fresh name of the PinPad's run, should there be one.
    pub run: RunId,
    /// The customer's code, where the till brings it.
    pub code: Option<String>,
    /// An SBP code wants the display; the till may also show it alone, beside other sales.
    pub display: bool,
}

/// A request that was taken, remembered so that its repeat finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The request's own idempotency token.
    pub token: Token,
    /// What was asked.
    pub what: Wished,
    /// When.
    pub at_ms: UnixMs,
}

/// What was asked, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Wished {
    /// Other terms.
    Edit,
    /// Take the money.
    Accept,
    /// Call it off.
    Cancel {
        /// Why.
        reason: CancelReason,
    },
}

impl From<&Asked> for Wished {
    fn from(asked: &Asked) -> Self {
        match asked {
            Asked::Edit(_) => Self::Edit,
            Asked::Accept(_) => Self::Accept,
            Asked::Cancel { reason } => Self::Cancel { reason: *reason },
        }
    }
}

impl Wished {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Accept => "accept",
            Self::Cancel { .. } => "cancel",
        }
    }
}

/// Why a till calls a payment off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The customer does not want it any more.
    CustomerRequest,
    /// It is paid in another way.
    OtherMethod,
    /// The till or the cashier made a mistake.
    TillError,
    /// It was asked for twice.
    Duplicate,
    /// Nobody paid while the till waited.
    Timeout,
    /// None of these.
    Other,
}

impl CancelReason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::CustomerRequest, Self::OtherMethod, Self::TillError, Self::Duplicate, Self::Timeout, Self::Other];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CustomerRequest => "customer_request",
            Self::OtherMethod => "other_method",
            Self::TillError => "till_error",
            Self::Duplicate => "duplicate",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}
