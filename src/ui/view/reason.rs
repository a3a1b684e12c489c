//! Why a payment was declined, in classes that a cashier can act on.

use crate::payment::card::{ResultClass, Run, RunOver};
use crate::payment::sale::{Decline, DeclineKind, Method};

/// Why a payment was declined, in classes that a cashier can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The bank or provider, without a reason that helps.
    Refused,
    /// Nothing was sent.
    NotSent,
    /// The red key.
    CancelledAtPinpad,
    /// The terminal is not set up.
    Misconfigured,
    /// Proven never to have happened.
    Absent,
    /// Not enough money.
    Funds,
    /// The card is too old.
    CardExpired,
    /// Wrong PIN.
    WrongPin,
    /// Too many wrong PINs.
    PinBlocked,
    /// Not allowed with this card.
    NotPermitted,
    /// Over the card's limit.
    Limit,
    /// This card never, perhaps another one. Lost and stolen cards too: the display does not accuse anybody.
    AnotherCard,
    /// The bank does not answer.
    BankAway,
    /// The shift has to be closed first.
    ShiftMustClose,
    /// The card could not be read.
    CardUnread,
    /// The PinPad itself said no, or waited too long for a card.
    PinpadDeclined,
    /// The PinPad is broken.
    PinpadFailed,
}

impl Reason {
    /// What a decline means. Card codes (ISO 8583 and the PinPad's own, pinpad.md) and the gateway's are different languages: 401 is an unread card
    /// to the one and a missing product code to the other.
    #[must_use]
    pub fn of(method: Method, decline: &Decline) -> Self {
        match decline.why {
            DeclineKind::NotSent => return Self::NotSent,
            DeclineKind::CancelledAtPinpad => return Self::CancelledAtPinpad,
            DeclineKind::Misconfigured => return Self::Misconfigured,
            DeclineKind::Absent => return Self::Absent,
            DeclineKind::Refused => {}
        }
        if method != Method::Humo {
            return Self::Refused;
        }
        match decline.code.as_deref().map(|code| code.trim_start_matches('0')).unwrap_or_default() {
            "51" | "16" => Self::Funds,
            "33" | "54" => Self::CardExpired,
            "55" => Self::WrongPin,
            "38" | "75" => Self::PinBlocked,
            "57" | "58" | "62" => Self::NotPermitted,
            "61" | "65" => Self::Limit,
            "4" | "7" | "14" | "15" | "34" | "35" | "36" | "37" | "41" | "43" | "46" | "59" => Self::AnotherCard,
            "68" | "91" | "92" | "96" => Self::BankAway,
            "303" | "304" | "305" => Self::ShiftMustClose,
            "201" | "212" | "401" => Self::CardUnread,
            "402" => Self::NotPermitted,
            "998" => Self::PinpadDeclined,
            "404" | "999" => Self::PinpadFailed,
            _ => Self::Refused,
        }
    }
}

/// Who says that a shift is still open. What a settlement keeps in words is the technician's, and English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillOpen {
    /// The PinPad refused to close it, or was never told to.
    Refused(Reason),
    /// Nobody knew, and then the PinPad's report showed it.
    Reported,
    /// Nobody knew, and then a person looked.
    Signed,
}

impl StillOpen {
    /// What the run of a refused settlement says.
    #[must_use]
    pub fn of(run: &Run, code: Option<&String>) -> Self {
        let why = match (run.over, run.result.as_ref().map(|result| result.class)) {
            (Some(RunOver::Asked), _) => return Self::Reported,
            (Some(RunOver::Operator), _) => return Self::Signed,
            (Some(RunOver::NotSent), _) => DeclineKind::NotSent,
            (_, Some(ResultClass::Cancelled)) => DeclineKind::CancelledAtPinpad,
            (_, Some(ResultClass::Misconfigured)) => DeclineKind::Misconfigured,
            _ => DeclineKind::Refused,
        };
        Self::Refused(Reason::of(Method::Humo, &Decline { why, code: code.cloned(), message: None }))
    }
}
