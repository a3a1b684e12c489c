//! Why something that was taken did not, or not yet, end well: the same words at every door under `/api/v1/`.

use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

use super::pathless::pathless;
use super::problem::{self, Row};
use crate::payment::fiscal::Confirmation;
use crate::payment::money::{Currency, Money};
use crate::payment::reason::Reason;
use crate::payment::sale::{CancelledBy, Decline, DeclineKind, Doubt, Method, State};

/// Why something that was taken did not, or not yet, end well.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Trouble {
    /// What a till's program looks at; the list is in docs/api.md.
    #[schema(example = "in_doubt")]
    code: &'static str,
    /// What is known, in a sentence; the provider's own words where it has some.
    message: String,
    /// What to do.
    advice: &'static str,
}

impl Trouble {
    /// A row of the table, and what is known; paths of files are left out.
    pub(super) fn because(row: Row, message: impl Into<String>) -> Self {
        Self { code: row.code, message: pathless(&message.into()), advice: row.advice }
    }

    /// Why a payment in that state is not paid; `None` while all goes well.
    pub(super) fn of(method: Method, state: &State) -> Option<Self> {
        Some(match state {
            State::Created | State::AwaitingPayer | State::BankProcessing | State::Paid | State::Refunded => {
                return None;
            }
            State::Declined(decline) => Self::declined(method, decline),
            State::Cancelled { by } => Self::because(problem::CANCELLED, cancelled(method, *by)),
            State::Expired => Self::because(problem::EXPIRED, "nobody paid in time"),
            State::InDoubt { why } => Self::in_doubt(method, why),
        })
    }

    /// No money moved.
    pub(super) fn declined(method: Method, decline: &Decline) -> Self {
        let row = match decline.why {
            DeclineKind::Refused => problem::DECLINED,
            DeclineKind::CancelledAtPinpad => problem::CANCELLED,
            DeclineKind::Misconfigured => problem::NOT_SET_UP,
            DeclineKind::NotSent => problem::NOT_SENT,
            DeclineKind::Absent => problem::ABSENT,
        };
        Self::because(row, Reason::told(method, decline))
    }

    /// Nobody knows whether money moved.
    pub(super) fn in_doubt(method: Method, why: &Doubt) -> Self {
        let why: Cow<'_, str> = match why {
            Doubt::Answer { text } | Doubt::Contradiction { text } => text.into(),
            Doubt::Restart if method == Method::Sbp => "the terminal was restarted before the answer came".into(),
            Doubt::Restart => "the terminal was restarted while the bank was at work".into(),
            Doubt::PinpadLost { text } => format!("the PinPad was lost: {text}").into(),
            Doubt::NoResult => "the PinPad gave no result".into(),
            Doubt::AmountDiffers { on_slip_minor } => match i64::try_from(*on_slip_minor) {
                Ok(minor) => format!("the slip shows {}", Money::from_minor(minor, Currency::Uzs)).into(),
                Err(_) => "the slip shows another amount".into(),
            },
        };
        Self::because(problem::IN_DOUBT, format!("nobody knows yet whether the money moved: {why}"))
    }

    /// A person has to look at the receipt.
    pub(super) fn parked(confirmation: &Confirmation) -> Self {
        Self::because(problem::PARKED, confirmation.last_error.as_deref().unwrap_or("the provider did not take it"))
    }
}

fn cancelled(method: Method, by: CancelledBy) -> &'static str {
    let sbp = method == Method::Sbp;
    match by {
        CancelledBy::Till => "the till called it off",
        CancelledBy::TillGone if sbp => "the till hung up before the code was there",
        CancelledBy::TillGone => "the till hung up before anything was sent",
        CancelledBy::Restart if sbp => "the terminal was restarted before the code was there",
        CancelledBy::Restart => "the terminal was restarted before anything was sent",
        CancelledBy::Operator => "an operator called it off",
        CancelledBy::Provider if sbp => "QRManager called it off",
        CancelledBy::Provider => "the provider called it off",
        CancelledBy::Limit => "nobody accepted it in time",
        CancelledBy::TooMany => "too many were created and not accepted",
    }
}
