//! The fiscal debt of a paid sale, and the confirmation that pays it.

use serde::{Deserialize, Serialize};

use super::money::Money;
use super::receipt::ReceiptLink;
use super::sale::{Private, UnixMs};
use super::sbp::Ofd;

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
    /// Since when the provider has it in work without having said yes or no (SBP: registered with the OFD, status `wait`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_ms: Option<UnixMs>,
    /// What the provider answered when it confirmed, or who signed that it is there and on what evidence: compact JSON.
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

impl Confirmation {
    /// The provider's own words alone, for tills: who signed for a receipt and why is not theirs to read.
    #[must_use]
    pub fn providers_answer(&self) -> Option<&str> {
        let signed = |text: &str| {
            serde_json::from_str(text).is_ok_and(|told: serde_json::Value| told.get("signed_by").is_some())
        };
        self.answer.as_deref().filter(|text| !signed(text))
    }
}

impl ConfirmationState {
    /// What is to be sent may be needed still. Otherwise it is dropped: it names people.
    #[must_use]
    pub fn keeps_body(self) -> bool {
        matches!(self, Self::Held | Self::Queued | Self::Parked)
    }

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

/// A fiscal receipt: what a till brings for a paid sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Receipt {
    /// A fiscal module beside the till printed it; the provider gets its link (CLICK, PAYME).
    Link(LinkReceipt),
    /// An operator of fiscal data is to make it (SBP).
    Electronic(ElectronicReceipt),
}

impl Receipt {
    /// What it was to say is gone: a damaged store gave the row back without it. A person brings it again.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.electronic().is_some_and(|receipt| receipt.body.0.is_none())
    }

    /// The printed receipt's link.
    #[must_use]
    pub fn link(&self) -> Option<&LinkReceipt> {
        match self {
            Self::Link(receipt) => Some(receipt),
            Self::Electronic(_) => None,
        }
    }

    /// The receipt that is to be made.
    #[must_use]
    pub fn electronic(&self) -> Option<&ElectronicReceipt> {
        match self {
            Self::Link(_) => None,
            Self::Electronic(receipt) => Some(receipt),
        }
    }
}

/// The purchase as an operator of fiscal data wants it (seed 004 §5.1), checked before it gets here.
///
/// The body names people (the payer's e-mail address, the cashier), so it is no part of the journal: it lives in the queue's row until the
/// operator has it, and is dropped there. What stays is enough to prove that a receipt was brought, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectronicReceipt {
    /// Whose document it is.
    pub ofd: Ofd,
    /// Its total.
    pub total: Money,
    /// SHA-256 of the body, hex: two receipts are the same if their bodies are.
    pub digest: String,
    /// The body as it is sent, of which `digest` is; absent once it was delivered.
    #[serde(skip)]
    pub body: Private,
}

/// What the fiscal module printed: the link and what can be derived from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReceipt {
    /// The link, as the till sent it.
    pub link: ReceiptLink,
    /// `r` of the link, leading zeros kept.
    pub receipt_id: String,
    /// `s` of the link, leading zeros kept.
    pub fiscal_sign: String,
}

/// How long to wait before the next delivery, in milliseconds: doubled with each attempt, spread by the dice so that a thousand terminals
/// do not come back to a recovered provider at once, never less than `min_ms`, never more than `max_ms`.
///
/// `attempts` counts the deliveries that had failed before this one; `jitter_permille` is where in the window this one falls, 0..=1000.
#[must_use]
pub fn backoff_ms(attempts: u32, jitter_permille: u16, min_ms: i64, max_ms: i64) -> i64 {
    let max_ms = max_ms.max(min_ms);
    let doubled =
        2_i64.checked_pow(attempts.saturating_add(1)).and_then(|factor| min_ms.checked_mul(factor)).unwrap_or(max_ms);
    let latest = doubled.clamp(min_ms, max_ms);
    let earliest = (latest / 2).max(min_ms);
    // Divided before it is multiplied where the product would not fit: a window of millions of years needs no thousandths.
    let window = latest - earliest;
    let jitter = i64::from(jitter_permille.min(1000));
    earliest + window.checked_mul(jitter).map_or(window / 1000 * jitter, |spread| spread / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_pause_doubles_up_to_its_cap() {
        let latest: Vec<i64> = (0..8).map(|n| backoff_ms(n, 1000, 1_000, 60_000)).collect();
        assert_eq!(latest, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
        let earliest: Vec<i64> = (0..8).map(|n| backoff_ms(n, 0, 1_000, 60_000)).collect();
        assert_eq!(earliest, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn the_dice_spread_terminals_even_at_the_cap() {
        assert_eq!(backoff_ms(40, 0, 1_000, 60_000), 30_000);
        assert_eq!(backoff_ms(40, 500, 1_000, 60_000), 45_000);
        assert_eq!(backoff_ms(40, 1000, 1_000, 60_000), 60_000);
    }

    proptest! {
        #[test]
        fn a_pause_stays_within_its_limits_and_grows_with_attempts_and_dice(
            attempts in any::<u32>(), jitter in 0_u16..=999, min in 1_i64..10_000_000, more in 0_i64..i64::MAX / 2,
        ) {
            let max = min + more;
            let pause = backoff_ms(attempts, jitter, min, max);
            prop_assert!((min..=max).contains(&pause));
            prop_assert!(backoff_ms(attempts, jitter + 1, min, max) >= pause);
            prop_assert!(backoff_ms(attempts.saturating_add(1), jitter, min, max) >= pause);
        }
    }
}
