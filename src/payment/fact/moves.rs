//! What one line of the journal says about where its payment stands, without the lines before it: whoever follows the journal need not replay it.
//! `tests/machine.rs` holds it equal to what [`Terminal::apply`](crate::payment::Terminal::apply) does, line by line.

use super::Fact;
use crate::payment::card::Job;
use crate::payment::sale::State;

/// How a line moves its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// After it the payment stands here ([`State::name`]).
    To(&'static str),
    /// A card is in the game: what was waiting for the payer is with the bank now, everything else stays where it was.
    CardPresented,
}

impl Move {
    /// Where the payment stands after the line, if it stood `before` it.
    #[must_use]
    pub fn after(self, before: Option<&'static str>) -> Option<&'static str> {
        match self {
            Self::To(state) => Some(state),
            Self::CardPresented if before == Some(State::AwaitingPayer.name()) => Some(State::BankProcessing.name()),
            Self::CardPresented => before,
        }
    }
}

impl State {
    /// Every name, in the order of the diagram.
    pub const NAMES: [&str; 9] = [
        "created",
        "awaiting_payer",
        "bank_processing",
        "paid",
        "refunded",
        "declined",
        "cancelled",
        "expired",
        "in_doubt",
    ];
}

impl Fact {
    /// How this line moves its payment; nothing, where it leaves it as it was.
    #[must_use]
    pub fn moves(&self) -> Option<Move> {
        let to = match self {
            Self::Opened { state, .. } | Self::Accepted { state, .. } => state.name(),
            Self::Created { .. } => State::Created.name(),
            Self::CodeBound { .. } => State::BankProcessing.name(),
            Self::Approved { .. } => State::Paid.name(),
            Self::Declined { decline, .. } => State::Declined(decline.clone()).name(),
            Self::Doubted { why, .. } => State::InDoubt { why: why.clone() }.name(),
            Self::Cancelled { by, .. } => State::Cancelled { by: *by }.name(),
            Self::Expired { .. } => State::Expired.name(),
            Self::Refunded { .. } => State::Refunded.name(),
            Self::CardPresented { job: Job::Sale { .. } } => return Some(Move::CardPresented),
            _ => return None,
        };
        Some(Move::To(to))
    }
}
