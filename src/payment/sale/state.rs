//! Where a payment stands, which way it can go from there, and why it does not stand elsewhere.

use serde::{Deserialize, Serialize};

/// Where a payment stands; the diagram is in [`payment`](crate::payment).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Known, not started.
    Created,
    /// Waiting for a scan or for a card. Nothing was sent to anybody who could move money, except the PinPad's request for a card.
    AwaitingPayer,
    /// The first byte went to a provider, or a card was presented.
    BankProcessing,
    /// The money moved.
    Paid,
    /// All of it was given back.
    Refunded,
    /// No money moved.
    Declined(Decline),
    /// Called off before anything was sent.
    Cancelled {
        /// By whom or why.
        by: CancelledBy,
    },
    /// Nobody paid in time.
    Expired,
    /// Nobody here knows. Only evidence or an operator ends it.
    InDoubt {
        /// Why nobody knows.
        why: Doubt,
    },
}

impl State {
    /// The stable name used in the store, on the wire and in `--json`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AwaitingPayer => "awaiting_payer",
            Self::BankProcessing => "bank_processing",
            Self::Paid => "paid",
            Self::Refunded => "refunded",
            Self::Declined(_) => "declined",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired => "expired",
            Self::InDoubt { .. } => "in_doubt",
        }
    }

    /// Nothing more is expected, though late money and refunds may still change it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !self.is_in_progress() && !matches!(self, Self::InDoubt { .. })
    }

    /// Somebody is still at work on it: the customer, the bank or we.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        matches!(self, Self::Created | Self::AwaitingPayer | Self::BankProcessing)
    }

    /// Whether the diagram has an arrow from here to `next`.
    #[must_use]
    pub fn may_become(&self, next: &Self) -> bool {
        use State as S;
        match (self, next) {
            (S::Created, S::AwaitingPayer | S::BankProcessing | S::Cancelled { .. })
            | (
                S::AwaitingPayer,
                // Paid at once: of an SBP code only its end is heard.
                S::BankProcessing | S::Paid | S::Cancelled { .. } | S::Expired | S::Declined(_) | S::InDoubt { .. },
            )
            | (S::BankProcessing, S::Paid | S::Declined(_) | S::InDoubt { .. })
            | (S::InDoubt { .. }, S::Paid | S::Declined(_) | S::InDoubt { .. })
            | (S::Cancelled { .. } | S::Declined(_) | S::Expired, S::Paid)
            | (S::Paid, S::Refunded) => true,
            (
                S::Created
                | S::AwaitingPayer
                | S::BankProcessing
                | S::Paid
                | S::Refunded
                | S::Declined(_)
                | S::Cancelled { .. }
                | S::Expired
                | S::InDoubt { .. },
                _,
            ) => false,
        }
    }
}

/// Why no money moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The class of the refusal.
    pub why: DeclineKind,
    /// The provider's or the PinPad's code, as it spelled it.
    pub code: Option<String>,
    /// The provider's words; for people, not for machines.
    pub message: Option<String>,
}

/// The classes of a decline (DESIGN §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineKind {
    /// A well-formed refusal with a code that is known to mean "no money moved".
    Refused,
    /// Not one byte of the request was written.
    NotSent,
    /// The customer pressed the PinPad's red key.
    CancelledAtPinpad,
    /// The provider says that this terminal is not set up.
    Misconfigured,
    /// Proven never to have happened.
    Absent,
}

impl DeclineKind {
    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NotSent => "not_sent",
            Self::CancelledAtPinpad => "cancelled_at_pinpad",
            Self::Misconfigured => "misconfigured",
            Self::Absent => "absent",
        }
    }
}

/// Who called a payment off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// The till asked for it.
    Till,
    /// The till hung up before anything was sent.
    TillGone,
    /// The daemon was restarted before anything was sent.
    Restart,
    /// A technician at the terminal.
    Operator,
    /// The provider called it off (a cash link).
    Provider,
    /// It was created, and nobody accepted it in time.
    Limit,
    /// It was created and not accepted, and its till, or all of them together, had created too many.
    TooMany,
}

/// Why nobody knows whether money moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Doubt {
    /// The provider's answer did not come, or cannot be understood; `text` says which.
    Answer {
        /// For the technician and for the till's `advice`.
        text: String,
    },
    /// The daemon stopped while the bank was at work.
    Restart,
    /// The line to the PinPad broke, or it fell silent.
    PinpadLost {
        /// For the technician.
        text: String,
    },
    /// The PinPad ended the dialogue without a result code.
    NoResult,
    /// The slip shows another amount than was asked for.
    AmountDiffers {
        /// What the slip says, minor units.
        on_slip_minor: u64,
    },
    /// What the PinPad printed, tagged and returned does not agree with itself.
    Contradiction {
        /// For the technician.
        text: String,
    },
}
