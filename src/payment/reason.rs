//! Why a payment was declined, in words that people can act on.

use super::sale::{Decline, DeclineKind, Method};

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

    /// The same in English, as tills read it; `None` where the bank or the provider gave no reason that is known here.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::Refused => return None,
            Self::NotSent => "nothing was sent",
            Self::CancelledAtPinpad => "it was called off at the PinPad",
            Self::Misconfigured => "this terminal is not set up there",
            Self::Absent => "it never happened",
            Self::Funds => "there is not enough money on the card",
            Self::CardExpired => "the card has expired",
            Self::WrongPin => "the PIN was wrong",
            Self::PinBlocked => "the PIN was wrong too often and is blocked",
            Self::NotPermitted => "this card may not be used for it",
            Self::Limit => "it is over the card's limit",
            Self::AnotherCard => "the bank does not take this card",
            Self::BankAway => "the bank does not answer",
            Self::ShiftMustClose => "the PinPad's shift has to be closed first",
            Self::CardUnread => "the card could not be read, or was taken out",
            Self::PinpadDeclined => "no card came in time, or the PinPad itself said no",
            Self::PinpadFailed => "the PinPad has failed",
        })
    }

    /// What a till is told of a decline: the provider's own words where it has some, else ours with its code.
    #[must_use]
    pub fn told(method: Method, decline: &Decline) -> String {
        if let Some(message) = &decline.message {
            return message.clone();
        }
        let words = Self::of(method, decline).words();
        match (words, &decline.code) {
            (Some(words), Some(code)) => format!("{words} (code {code})"),
            (Some(words), None) => words.to_owned(),
            (None, Some(code)) => format!("it was refused with code {code}"),
            (None, None) => "no reason was given".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_till_reads_words_and_the_number_beside_them() {
        let told = |method, why, code: Option<&str>, message: Option<&str>| {
            let (code, message) = (code.map(str::to_owned), message.map(str::to_owned));
            Reason::told(method, &Decline { why, code, message })
        };
        let refused = DeclineKind::Refused;
        for (said, why, code) in [
            ("there is not enough money on the card (code 51)", refused, Some("51")),
            ("no card came in time, or the PinPad itself said no (code 998)", refused, Some("998")),
            ("it was called off at the PinPad (code 201)", DeclineKind::CancelledAtPinpad, Some("201")),
            ("it was refused with code 116", refused, Some("116")),
            ("no reason was given", refused, None),
        ] {
            assert_eq!(told(Method::Humo, why, code, None), said);
        }
        assert_eq!(told(Method::Click, refused, Some("51"), None), "it was refused with code 51", "another language");
        assert_eq!(told(Method::Payme, refused, Some("106"), Some("НЕТ СРЕДСТВ")), "НЕТ СРЕДСТВ");
    }
}
