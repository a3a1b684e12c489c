//! An operation → the payload of the request, and the settings in which one installation differs from another.

use std::collections::BTreeSet;

use super::{ESC, frame::Transport, tlv};
use crate::pinpad::Operation;

/// The pair of numbers that names an operation on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Code {
    /// First number of the request.
    pub class: u16,
    /// Second number of the request.
    pub op: u16,
}

/// Which numbers this PinPad's configuration uses. The defaults are the document's.
///
/// There is no 2,3 (emergency reversal) and no 2,22 here on purpose: the first cancels the previous customer's payment
/// when the last one never happened, the second settles the shift on some configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Codes {
    /// Sale.
    pub sale: Code,
    /// Refund in a later shift.
    pub refund: Code,
    /// Void in the same shift.
    pub void: Code,
    /// Close the shift.
    pub settlement: Code,
    /// Totals of the shift.
    pub short_report: Code,
    /// Every transaction of the shift.
    pub detailed_report: Code,
    /// The last transaction, read only.
    pub last_transaction: Code,
    /// Ping.
    pub ping: Code,
    /// The service menu.
    pub admin_menu: Code,
}

impl Default for Codes {
    fn default() -> Self {
        let code = |class, op| Code { class, op };
        Self {
            sale: code(1, 1),
            refund: code(1, 11),
            void: code(1, 5),
            settlement: code(2, 1),
            short_report: code(2, 10),
            detailed_report: code(2, 0),
            last_transaction: code(2, 27),
            ping: code(9, 6),
            admin_menu: code(3, 5),
        }
    }
}

/// How an amount is written in the request. A wrong setting is an error of ×100: compare the slip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AmountFormat {
    /// `50000` for 500.00.
    #[default]
    Minor,
    /// `500.00` for 500.00.
    Decimal,
}

/// What names the sale that is to be cancelled or given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// The retrieval reference number.
    #[default]
    Rrn,
    /// The number on the slip.
    ReceiptNumber,
}

/// Where that name stands. None of them is proven: a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferencePlace {
    /// The fifth field of the request: `1␛5␛860␛50000␛231511584547␛`.
    #[default]
    Request,
    /// An answer to GETTAGS, under 1F8431 and 1F03.
    Tag,
    /// The answer to DATAENTRY.
    DataEntry,
}

/// The dialect of one installation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// BinLen, or BinLen in blocks.
    pub transport: Transport,
    /// How amounts are written.
    pub amount_format: AmountFormat,
    /// Operation numbers.
    pub codes: Codes,
    /// ISO 4217 number of the currency, three digits; 860 is the sum.
    pub currency: u16,
    /// What names a sale in a void or refund.
    pub reference: ReferenceKind,
    /// Where it is written.
    pub reference_place: ReferencePlace,
    /// The terminal's id, if the PinPad asks for tag 9F1C.
    pub terminal_id: Option<String>,
    /// STATUS texts (any part, any case) that are said while no card has been presented yet. Any other text counts
    /// as "a card was presented": cancelling too little is safe, cancelling too much is not.
    pub waiting_texts: Vec<String>,
    /// Hosts that the PinPad may reach through the till; empty = none, the proxy is off.
    pub allow_hosts: BTreeSet<String>,
}

impl Default for Settings {
    fn default() -> Self {
        // Not the bare word КАРТУ: "ЗАБЕРИТЕ КАРТУ" is said when everything is over.
        let waiting = [
            "ВСТАВЬТЕ",
            "ПРИЛОЖИТЕ",
            "ПРОВЕДИТЕ",
            "ПОДНЕСИТЕ",
            "ПРЕДЪЯВИТЕ",
            "ОЖИДАНИЕ КАРТЫ",
            "INSERT",
            "SWIPE",
            "PRESENT CARD",
        ];
        Self {
            transport: Transport::default(),
            amount_format: AmountFormat::default(),
            codes: Codes::default(),
            currency: 860,
            reference: ReferenceKind::default(),
            reference_place: ReferencePlace::default(),
            terminal_id: None,
            waiting_texts: waiting.map(str::to_owned).to_vec(),
            allow_hosts: BTreeSet::new(),
        }
    }
}

/// Why a request cannot be written. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// An amount of 0 is no sale.
    #[error("an amount of 0")]
    Zero,
    /// Tag 9F02 has twelve digits.
    #[error("an amount of {0} minor units: more than twelve digits")]
    TooLarge(u64),
    /// The settings want a reference that the operation does not have.
    #[error("the sale's {0} is wanted by the settings but not known")]
    NoReference(&'static str),
    /// The reference holds something else than letters and digits.
    #[error("the sale's reference {0:?} holds more than letters and digits")]
    BadReference(String),
}

impl Settings {
    /// The request's payload.
    ///
    /// # Errors
    /// [`Unwritable`]: the operation cannot be asked with these settings.
    pub fn request(&self, operation: &Operation) -> Result<Vec<u8>, Unwritable> {
        let code = self.code(operation);
        let mut out = format!("{}\u{1b}{}", code.class, code.op).into_bytes();
        match operation {
            Operation::Sale { .. } | Operation::Void { .. } | Operation::Refund { .. } => {
                let amount = amount(operation);
                if amount == 0 {
                    return Err(Unwritable::Zero);
                }
                tlv::bcd12(amount).ok_or(Unwritable::TooLarge(amount))?;
                let reference = self.reference_of(operation)?;
                let reference =
                    reference.filter(|_| self.reference_place == ReferencePlace::Request).unwrap_or_default();
                let amount = self.write_amount(amount);
                out.extend_from_slice(
                    format!("\u{1b}{:03}\u{1b}{amount}\u{1b}{reference}\u{1b}", self.currency).as_bytes(),
                );
            }
            Operation::AdminMenu => out.extend_from_slice(&[ESC; 3]),
            Operation::Settlement
            | Operation::ShortReport
            | Operation::DetailedReport
            | Operation::LastTransaction
            | Operation::Ping => {}
        }
        Ok(out)
    }

    /// What names the sale of a void or refund, as the settings want it; `None` for the other operations.
    ///
    /// # Errors
    /// The settings want one that is not known, or one that would break the request apart.
    pub fn reference_of(&self, operation: &Operation) -> Result<Option<String>, Unwritable> {
        let found = match (operation, self.reference) {
            (Operation::Void { rrn, .. } | Operation::Refund { rrn, .. }, ReferenceKind::Rrn) => rrn.clone(),
            (Operation::Void { receipt_number, .. }, ReferenceKind::ReceiptNumber) => {
                receipt_number.clone().ok_or(Unwritable::NoReference("receipt number"))?
            }
            // A receipt number begins anew with each shift; a sale of an earlier one is named by its RRN alone.
            (Operation::Refund { rrn, .. }, ReferenceKind::ReceiptNumber) => rrn.clone(),
            _ => return Ok(None),
        };
        if found.is_empty() {
            return Err(Unwritable::NoReference("retrieval reference number"));
        }
        if !found.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Unwritable::BadReference(found));
        }
        Ok(Some(found))
    }

    fn code(&self, operation: &Operation) -> Code {
        match operation {
            Operation::Sale { .. } => self.codes.sale,
            Operation::Void { .. } => self.codes.void,
            Operation::Refund { .. } => self.codes.refund,
            Operation::Settlement => self.codes.settlement,
            Operation::ShortReport => self.codes.short_report,
            Operation::DetailedReport => self.codes.detailed_report,
            Operation::LastTransaction => self.codes.last_transaction,
            Operation::Ping => self.codes.ping,
            Operation::AdminMenu => self.codes.admin_menu,
        }
    }

    fn write_amount(&self, minor: u64) -> String {
        match self.amount_format {
            AmountFormat::Minor => minor.to_string(),
            AmountFormat::Decimal => format!("{}.{:02}", minor / 100, minor % 100),
        }
    }

    /// Is this STATUS text one of those that are said before a card was presented?
    #[must_use]
    pub fn is_waiting(&self, text: &str) -> bool {
        let text = text.trim().to_uppercase();
        text.is_empty() || self.waiting_texts.iter().any(|w| !w.is_empty() && text.contains(&w.to_uppercase()))
    }
}

/// The operation's amount in minor units; 0 where it has none.
#[must_use]
pub fn amount(operation: &Operation) -> u64 {
    match operation {
        Operation::Sale { amount_minor }
        | Operation::Void { amount_minor, .. }
        | Operation::Refund { amount_minor, .. } => *amount_minor,
        _ => 0,
    }
}

/// Does the operation need a card? Only those can be past the point where the till may still take them back.
#[must_use]
pub fn needs_card(operation: &Operation) -> bool {
    matches!(operation, Operation::Sale { .. } | Operation::Void { .. } | Operation::Refund { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn void() -> Operation {
        Operation::Void { amount_minor: 50_000, rrn: "231511584547".into(), receipt_number: Some("6".into()) }
    }

    #[test]
    fn the_requests_are_those_of_the_document() {
        let settings = Settings::default();
        let request = |op| settings.request(&op).expect("writable");
        assert_eq!(request(Operation::Sale { amount_minor: 50_000 }), b"1\x1b1\x1b860\x1b50000\x1b\x1b");
        assert_eq!(request(Operation::Settlement), b"2\x1b1");
        assert_eq!(request(Operation::Ping), b"9\x1b6");
        assert_eq!(request(Operation::AdminMenu), b"3\x1b5\x1b\x1b\x1b");
        assert_eq!(request(Operation::ShortReport), b"2\x1b10");
        assert_eq!(request(Operation::DetailedReport), b"2\x1b0");
        assert_eq!(request(Operation::LastTransaction), b"2\x1b27");
        assert_eq!(request(Operation::Refund { amount_minor: 1, rrn: "1".into() }), b"1\x1b11\x1b860\x1b1\x1b1\x1b");
    }

    #[test]
    fn a_decimal_amount_always_has_two_digits_after_the_point() {
        let settings = Settings { amount_format: AmountFormat::Decimal, ..Settings::default() };
        for (minor, text) in [(10_001, "100.01"), (50_000, "500.00"), (5, "0.05"), (100, "1.00")] {
            assert_eq!(settings.write_amount(minor), text);
        }
    }

    #[test]
    fn a_void_names_its_sale_as_the_settings_say() {
        let by_receipt = Settings { reference: ReferenceKind::ReceiptNumber, ..Settings::default() };
        assert_eq!(by_receipt.request(&void()), Ok(b"1\x1b5\x1b860\x1b50000\x1b6\x1b".to_vec()));
        let by_tag = Settings { reference_place: ReferencePlace::Tag, ..Settings::default() };
        assert_eq!(by_tag.request(&void()), Ok(b"1\x1b5\x1b860\x1b50000\x1b\x1b".to_vec()));
        let unknown = Operation::Void { amount_minor: 1, rrn: "1".into(), receipt_number: None };
        assert_eq!(by_receipt.request(&unknown), Err(Unwritable::NoReference("receipt number")));
    }

    #[test]
    fn a_reference_cannot_smuggle_a_field_into_the_request() {
        let evil = Operation::Refund { amount_minor: 1, rrn: "1\u{1b}9".into() };
        assert_eq!(Settings::default().request(&evil), Err(Unwritable::BadReference("1\u{1b}9".into())));
    }

    #[test]
    fn an_amount_that_cannot_be_told_is_refused() {
        let settings = Settings::default();
        assert_eq!(settings.request(&Operation::Sale { amount_minor: 0 }), Err(Unwritable::Zero));
        let huge = 1_000_000_000_000;
        assert_eq!(settings.request(&Operation::Sale { amount_minor: huge }), Err(Unwritable::TooLarge(huge)));
    }
}
