//! The fiscal debt of a paid sale, and the confirmation that pays it.

use serde::{Deserialize, Serialize};

use super::receipt::ReceiptLink;
use super::sale::UnixMs;

/// The fiscal side of a payment. Born with the approval, in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fiscal {
    /// No money moved (yet).
    None,
    /// Paid, and nobody has to be told (HUMO).
    NotRequired,
    /// Paid; the till has not brought its receipt yet.
    Owed,
    /// The receipt is in the queue.
    Queued,
    /// The provider has it.
    Confirmed,
    /// The provider refused it; a person has to look.
    Parked,
}

impl Fiscal {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NotRequired => "not_required",
            Self::Owed => "owed",
            Self::Queued => "queued",
            Self::Confirmed => "confirmed",
            Self::Parked => "parked",
        }
    }
}

/// One receipt on its way to the provider: a row of the queue. Never deleted; a corrected receipt is a new one with the next number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Counts from 1 within its payment.
    pub number: u32,
    /// The receipt.
    pub receipt: Receipt,
    /// When the till brought it.
    pub asked_ms: UnixMs,
    /// Where it stands.
    pub state: ConfirmationState,
    /// Deliveries tried.
    pub attempts: u32,
    /// Not to be tried before this.
    pub next_ms: UnixMs,
    /// Why the last delivery failed.
    pub last_error: Option<String>,
    /// What the provider answered when it confirmed, compact JSON.
    pub answer: Option<String>,
}

/// Where a confirmation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationState {
    /// Its payment is in doubt: kept, not sent.
    Held,
    /// To be delivered.
    Queued,
    /// The provider has it.
    Confirmed,
    /// The provider refused it, or it cannot be sent; a person has to look.
    Parked,
    /// A corrected receipt took its place, or its payment turned out not to be paid.
    Withdrawn,
}

impl ConfirmationState {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Confirmed => "confirmed",
            Self::Parked => "parked",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What the fiscal module printed: the link and what can be derived from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The link, as the till sent it.
    pub link: ReceiptLink,
    /// `r` of the link, leading zeros kept.
    pub receipt_id: String,
    /// `s` of the link, leading zeros kept.
    pub fiscal_sign: String,
}

/// The pause before the next delivery: doubling from `min_ms` to `max_ms`, with jitter over its upper half.
#[must_use]
pub fn backoff_ms(attempts: u32, jitter_permille: u16, min_ms: i64, max_ms: i64) -> i64 {
    let full = min_ms.saturating_mul(1_i64.checked_shl(attempts.min(40)).unwrap_or(i64::MAX)).clamp(min_ms, max_ms);
    full / 2 + (full / 2).saturating_mul(i64::from(jitter_permille.min(1000))) / 1000
}
