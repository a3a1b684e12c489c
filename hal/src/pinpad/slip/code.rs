//! Response codes, as STORERC, SETTAGS and the slip give them (pinpad.md, "Response codes").

/// What a code means for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeClass {
    /// The bank agreed.
    Approved,
    /// The bank or the terminal refused; why, in a few English words.
    Declined(&'static str),
    /// Not in any table, or one that does not say how it ended: in doubt.
    Unknown,
}

/// Codes that refuse, by number.
const DECLINES: [(u16, &str); 37] = [
    (1, "call the bank"),
    (2, "call the bank"),
    (3, "merchant not accepted"),
    (4, "card is to be kept"),
    (5, "refused by the bank"),
    (12, "operation not possible"),
    (13, "amount not possible"),
    (14, "no such card"),
    (15, "no such bank"),
    (30, "message not understood by the bank"),
    (41, "card reported lost"),
    (43, "card reported stolen"),
    (51, "not enough money"),
    (54, "card expired"),
    (55, "wrong PIN"),
    (57, "not allowed for this card"),
    (58, "not allowed for this terminal"),
    (59, "suspected fraud"),
    (61, "amount above the card's limit"),
    (62, "card restricted"),
    (65, "too many operations"),
    (75, "PIN tried too often"),
    (76, "no such account"),
    (78, "card not active"),
    (91, "the bank does not answer"),
    (94, "number used twice"),
    (96, "failure at the bank"),
    (201, "entry refused or cancelled"),
    (202, "operation not found"),
    (212, "card entry refused"),
    (303, "the shift must be closed"),
    (304, "refused: state of the shift"),
    (305, "refused: state of the shift"),
    (401, "card read error"),
    (402, "not supported"),
    (998, "refused by the terminal, or no card in time"),
    (999, "system failure"),
];

/// The shift has to be closed before the next operation.
pub const CLOSE_SHIFT_FIRST: &str = "303";

/// Declined by the PinPad itself, above all because no card came in its time. No bank was asked: no money can have moved.
pub const NO_CARD_IN_TIME: &str = "998";

/// What `code` means. `is_void`: for a void, and only for a void, 400 is success. `also_approved` are this host's
/// further approvals (001, 003, 020 on some).
#[must_use]
pub fn classify(code: &str, is_void: bool, also_approved: &[String]) -> CodeClass {
    let code = code.trim();
    if code.is_empty() || code.len() > 4 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return CodeClass::Unknown;
    }
    let approved = matches!(code, "0" | "00" | "000") || also_approved.iter().any(|also| also == code);
    if approved || (is_void && code == "400") {
        return CodeClass::Approved;
    }
    match code.parse::<u16>() {
        // 001, 003 and 020 are approvals on some hosts: three digits below 100 are nobody's decline for certain.
        Ok(number) if number < 100 && code.len() > 2 && matches!(number, 1 | 3 | 20) => CodeClass::Unknown,
        Ok(404) => CodeClass::Declined("message not understood by the bank"),
        Ok(number) => DECLINES
            .iter()
            .find(|(known, _)| *known == number)
            .map_or(CodeClass::Unknown, |(_, why)| CodeClass::Declined(why)),
        Err(_) => CodeClass::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_of_zero_are_approvals() {
        for code in ["0", "00", "000", " 00 "] {
            assert_eq!(classify(code, false, &[]), CodeClass::Approved);
        }
        assert_eq!(classify("0000", false, &[]), CodeClass::Unknown);
    }

    #[test]
    fn four_hundred_is_success_for_a_void_only() {
        assert_eq!(classify("400", true, &[]), CodeClass::Approved);
        assert_eq!(classify("400", false, &[]), CodeClass::Unknown);
    }

    #[test]
    fn further_approvals_are_a_setting_and_in_doubt_without_it() {
        for code in ["001", "003", "020"] {
            assert_eq!(classify(code, false, &[]), CodeClass::Unknown);
            assert_eq!(classify(code, false, &[code.to_owned()]), CodeClass::Approved);
        }
    }

    #[test]
    fn every_decline_of_the_document_has_a_reason() {
        for code in "05 51 54 55 57 61 91 201 202 212 303 304 305 401 402 404 998 999 051 055".split_whitespace() {
            assert!(matches!(classify(code, false, &[]), CodeClass::Declined(_)), "{code}");
        }
    }

    #[test]
    fn what_no_table_names_is_in_doubt() {
        for code in ["", "X", "68", "777", "-1", "00000", "0x0"] {
            assert_eq!(classify(code, false, &[]), CodeClass::Unknown, "{code}");
        }
    }
}
