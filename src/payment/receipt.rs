//! The link that a fiscal module prints on a receipt (providers.md §5), and the receipt that a till brings with it. What is to become
//! an electronic receipt is in [`document`].
//!
//! ```text
//! https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161
//!                      │       │                │      │                └ fiscal sign
//!                      │       │                │      └ date, yyyymmddHHMMSS
//!                      │       │                └ number of the receipt
//!                      │       └ terminal id
//!                      └ check: a physical module, epi: a virtual one
//! ```

pub mod document;

mod atol;
mod ferma;
mod reader;
mod vat;

use serde::{Deserialize, Serialize};
use std::fmt;

use super::fiscal::Receipt;

/// The longest link that is looked at, in bytes. Real ones have about 90.
const LINK_BYTES: usize = 512;

/// A checked link to a fiscal receipt, kept as it was written: leading zeros, order, spelling and `&` as they came.
///
/// It is read back from the journal through the same check, so the check may become milder, never stricter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReceiptLink {
    text: String,
}

/// Why a text is no link to a fiscal receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Another address, or none.
    #[error("not a fiscal receipt's link: it must begin with https://ofd.soliq.uz/check? or https://ofd.soliq.uz/epi?")]
    NotAReceipt,
    /// `&` was written as `&amp;` or `%26` on the way.
    #[error("the link was escaped on the way: send it with plain & between its parts")]
    Escaped,
    /// Longer than any link of a receipt.
    #[error("the link is {bytes} bytes long; the longest that is accepted has {LINK_BYTES}")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// A part is not there.
    #[error("the link has no {name}=")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// A part is there twice.
    #[error("the link has {name}= twice")]
    Twice {
        /// Which.
        name: &'static str,
    },
    /// A part has another form.
    #[error("{name}= of the link must be {form}")]
    Malformed {
        /// Which.
        name: &'static str,
        /// What it must be.
        form: &'static str,
    },
}

/// Something unusual about a link that is no reason to refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkWarning {
    /// `r` has another number of digits than the 2 to 10 that were seen.
    ReceiptIdLength(usize),
    /// `s` has another number of digits than the 12 that were seen.
    FiscalSignLength(usize),
    /// `http` instead of `https`.
    PlainHttp,
    /// A part that no known link has.
    UnknownPart(String),
}

impl fmt::Display for LinkWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReceiptIdLength(n) => write!(f, "r= has {n} digits; 2 to 10 are usual"),
            Self::FiscalSignLength(n) => write!(f, "s= has {n} digits; 12 are usual"),
            Self::PlainHttp => f.write_str("the link is http, not https"),
            Self::UnknownPart(name) => write!(f, "the link has an unknown part {name}="),
        }
    }
}

const TERMINAL: &str = "t";
const NUMBER: &str = "r";
const DATE: &str = "c";
const SIGN: &str = "s";

impl ReceiptLink {
    /// Check a link. Blanks around it are dropped; nothing else of it changes.
    ///
    /// # Errors
    /// What is wrong with its structure. An unusual length of `r` or `s` is only a warning ([`Self::warnings`]).
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.len() > LINK_BYTES {
            return Err(LinkError::TooLong { bytes: text.len() });
        }
        let query = query_of(text).ok_or(LinkError::NotAReceipt)?;
        let lower = query.to_ascii_lowercase();
        if lower.contains("&amp;") || lower.contains("%26") {
            return Err(LinkError::Escaped);
        }
        let terminal = only(query, TERMINAL)?;
        let (letters, digits) = terminal.as_bytes().split_at(terminal.len().min(2));
        if !(letters.iter().all(u8::is_ascii_alphabetic) && digits.len() == 12 && digits.iter().all(u8::is_ascii_digit))
        {
            return Err(LinkError::Malformed { name: TERMINAL, form: "2 letters and 12 digits" });
        }
        for name in [NUMBER, SIGN] {
            if !is_digits(only(query, name)?) {
                return Err(LinkError::Malformed { name, form: "digits" });
            }
        }
        if !is_date(only(query, DATE)?) {
            return Err(LinkError::Malformed { name: DATE, form: "a date and time of 14 digits, yyyymmddHHMMSS" });
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The link, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `t`: the fiscal module, as UZ170703100597.
    #[must_use]
    pub fn terminal_id(&self) -> &str {
        self.part(TERMINAL)
    }

    /// `r`: the number of the receipt, leading zeros kept.
    #[must_use]
    pub fn receipt_id(&self) -> &str {
        self.part(NUMBER)
    }

    /// `c`: yyyymmddHHMMSS, as written.
    #[must_use]
    pub fn date(&self) -> &str {
        self.part(DATE)
    }

    /// `s`: the fiscal sign, leading zeros kept.
    #[must_use]
    pub fn fiscal_sign(&self) -> &str {
        self.part(SIGN)
    }

    /// What is unusual about it.
    #[must_use]
    pub fn warnings(&self) -> Vec<LinkWarning> {
        let mut warnings = Vec::new();
        if self.text.as_bytes().get(4) == Some(&b':') {
            warnings.push(LinkWarning::PlainHttp);
        }
        let (number, sign) = (self.receipt_id().len(), self.fiscal_sign().len());
        if !(2..=10).contains(&number) {
            warnings.push(LinkWarning::ReceiptIdLength(number));
        }
        if sign != 12 {
            warnings.push(LinkWarning::FiscalSignLength(sign));
        }
        let query = query_of(&self.text).unwrap_or_default();
        let unknown = parts(query).filter(|(name, _)| ![TERMINAL, NUMBER, DATE, SIGN].contains(name));
        warnings.extend(unknown.map(|(name, _)| LinkWarning::UnknownPart(name.to_owned())));
        warnings
    }

    /// A part that `parse` has seen to be there once.
    fn part(&self, name: &'static str) -> &str {
        query_of(&self.text).and_then(|query| only(query, name).ok()).unwrap_or_default()
    }
}

impl TryFrom<String> for ReceiptLink {
    type Error = LinkError;
    fn try_from(text: String) -> Result<Self, LinkError> {
        Self::parse(&text)
    }
}

impl From<ReceiptLink> for String {
    fn from(link: ReceiptLink) -> Self {
        link.text
    }
}

impl fmt::Display for ReceiptLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a till says about its receipt does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Another number than the link's.
    #[error("receipt_id {given} is not the link's r={in_link}")]
    ReceiptIdDiffers {
        /// What the till sent.
        given: String,
        /// What its link says.
        in_link: String,
    },
    /// Another sign than the link's.
    #[error("fiscal_sign {given} is not the link's s={in_link}")]
    FiscalSignDiffers {
        /// What the till sent.
        given: String,
        /// What its link says.
        in_link: String,
    },
}

impl Receipt {
    /// Make a receipt of its link and, where the till sent them (Payme), of its number and sign, which must be the link's. A till that sends
    /// them as JSON numbers loses their leading zeros, so these are not compared; the link's own spelling is what goes on to the provider.
    ///
    /// # Errors
    /// The till's words and its link speak of different receipts.
    pub fn from_link(
        link: ReceiptLink,
        receipt_id: Option<&str>,
        fiscal_sign: Option<&str>,
    ) -> Result<Self, ReceiptError> {
        if let Some(given) = receipt_id.filter(|given| !same_number(given, link.receipt_id())) {
            let in_link = link.receipt_id().to_owned();
            return Err(ReceiptError::ReceiptIdDiffers { given: given.to_owned(), in_link });
        }
        if let Some(given) = fiscal_sign.filter(|given| !same_number(given, link.fiscal_sign())) {
            let in_link = link.fiscal_sign().to_owned();
            return Err(ReceiptError::FiscalSignDiffers { given: given.to_owned(), in_link });
        }
        let (receipt_id, fiscal_sign) = (link.receipt_id().to_owned(), link.fiscal_sign().to_owned());
        Ok(Self::Link(super::fiscal::LinkReceipt { link, receipt_id, fiscal_sign }))
    }
}

fn same_number(given: &str, in_link: &str) -> bool {
    let given = given.trim();
    is_digits(given) && given.trim_start_matches('0') == in_link.trim_start_matches('0')
}

/// What stands after `https://ofd.soliq.uz/check?`. Scheme and host are the same in any case (RFC 3986 §6.2.2.1), paths are not.
fn query_of(text: &str) -> Option<&str> {
    let (address, query) = text.split_once('?')?;
    let (scheme, rest) = address.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let known = (scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"))
        && host.eq_ignore_ascii_case("ofd.soliq.uz")
        && matches!(path, "check" | "epi");
    known.then_some(query)
}

fn parts(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// The value of a part that must be there exactly once.
fn only<'a>(query: &'a str, name: &'static str) -> Result<&'a str, LinkError> {
    let mut found = parts(query).filter(|(n, _)| *n == name);
    let (_, value) = found.next().ok_or(LinkError::Missing { name })?;
    match found.next() {
        None => Ok(value),
        Some(_) => Err(LinkError::Twice { name }),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// yyyymmddHHMMSS with a month, day, hour, minute and second that exist. Not checked against our clock: which of the two is wrong, nobody knows.
fn is_date(text: &str) -> bool {
    let field =
        |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u8>().ok()).unwrap_or(99);
    text.len() == 14
        && is_digits(text)
        && (1..=12).contains(&field(4..6))
        && (1..=31).contains(&field(6..8))
        && field(8..10) < 24
        && field(10..12) < 60
        && field(12..14) < 60
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";

    #[test]
    fn the_links_of_the_seeds_are_taken_apart() {
        let link = ReceiptLink::parse(SEED).unwrap();
        assert_eq!(link.terminal_id(), "UZ170703100597");
        assert_eq!(link.receipt_id(), "2421");
        assert_eq!(link.date(), "20230104121801");
        assert_eq!(link.fiscal_sign(), "514343190161");
        assert_eq!(link.as_str(), SEED);
        assert!(link.warnings().is_empty());
        let answer = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2904&c=20230222120100&s=113075569254";
        assert_eq!(ReceiptLink::parse(answer).unwrap().receipt_id(), "2904");
    }

    #[test]
    fn every_known_terminal_prefix_and_both_paths_are_taken() {
        for terminal in ["UZ170703100597", "LG420230601161", "NA000000045091", "EZ000000000030", "EP000000000354"] {
            for path in ["check", "epi"] {
                let text = format!("https://ofd.soliq.uz/{path}?t={terminal}&r=12&c=20240229235959&s=000000000001");
                let link = ReceiptLink::parse(&text).unwrap();
                assert_eq!(link.terminal_id(), terminal);
                assert_eq!(link.fiscal_sign(), "000000000001", "leading zeros are kept");
            }
        }
    }

    #[test]
    fn unusual_links_are_taken_with_a_warning() {
        let odd = "http://ofd.soliq.uz/check?s=5143&c=20230104121801&r=00000000001&t=UZ170703100597&v=2";
        let link = ReceiptLink::parse(odd).unwrap();
        assert_eq!(link.receipt_id(), "00000000001");
        let expected = vec![
            LinkWarning::PlainHttp,
            LinkWarning::ReceiptIdLength(11),
            LinkWarning::FiscalSignLength(4),
            LinkWarning::UnknownPart("v".to_owned()),
        ];
        assert_eq!(link.warnings(), expected);
    }

    #[test]
    fn links_of_another_structure_are_refused_with_what_is_wrong() {
        use LinkError as E;
        let malformed = |name, form| E::Malformed { name, form };
        let date = "a date and time of 14 digits, yyyymmddHHMMSS";
        for (text, error) in [
            ("", E::NotAReceipt),
            ("880101698207133392", E::NotAReceipt),
            ("https://ofd.soliq.uz/check", E::NotAReceipt),
            ("https://ofd.soliq.uz/CHECK?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161", E::NotAReceipt),
            ("https://ofd.soliq.uz.example/check?t=UZ170703100597&r=1&c=20230104121801&s=1", E::NotAReceipt),
            ("https://qr.nspk.ru/AS10?t=UZ170703100597", E::NotAReceipt),
            ("https://ofd.soliq.uz/check?", E::Missing { name: "t" }),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&c=20230104121801&s=514343190161", E::Missing { name: "r" }),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&r=1&r=2&c=20230104121801&s=1", E::Twice { name: "r" }),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&amp;r=1&amp;c=20230104121801&amp;s=1", E::Escaped),
            ("https://ofd.soliq.uz/check?t=UZ170703100597%26r=1%26c=20230104121801%26s=1", E::Escaped),
            (
                "https://ofd.soliq.uz/check?t=UZ17070310059&r=1&c=20230104121801&s=1",
                malformed("t", "2 letters and 12 digits"),
            ),
            ("https://ofd.soliq.uz/check?t=Я1&r=1&c=20230104121801&s=1", malformed("t", "2 letters and 12 digits")),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&r=&c=20230104121801&s=1", malformed("r", "digits")),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&r=1&c=20230104121801&s=1x", malformed("s", "digits")),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&r=1&c=2023010412180&s=1", malformed("c", date)),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&r=1&c=20231304121801&s=1", malformed("c", date)),
            ("https://ofd.soliq.uz/check?t=UZ170703100597&r=1&c=20230104241801&s=1", malformed("c", date)),
        ] {
            assert_eq!(ReceiptLink::parse(text), Err(error), "{text}");
        }
        let long = format!("{SEED}{}", "0".repeat(LINK_BYTES));
        assert_eq!(ReceiptLink::parse(&long), Err(E::TooLong { bytes: long.len() }));
    }

    #[test]
    fn a_link_is_stored_as_the_text_that_it_was() {
        let stored = serde_json::to_string(&ReceiptLink::parse(SEED).unwrap()).unwrap();
        assert_eq!(stored, format!("\"{SEED}\""));
        assert_eq!(serde_json::from_str::<ReceiptLink>(&stored).unwrap().as_str(), SEED);
        assert!(serde_json::from_str::<ReceiptLink>("\"https://example.uz/\"").is_err());
    }

    #[test]
    fn number_and_sign_of_a_receipt_come_from_its_link() {
        let link = || ReceiptLink::parse(SEED).unwrap();
        let receipt = Receipt::from_link(link(), None, None).unwrap();
        let printed = receipt.link().unwrap();
        assert_eq!((printed.receipt_id.as_str(), printed.fiscal_sign.as_str()), ("2421", "514343190161"));
        assert_eq!(Receipt::from_link(link(), Some("2421"), Some("514343190161")), Ok(receipt.clone()));
        assert_eq!(Receipt::from_link(link(), Some("02421"), None), Ok(receipt));
    }

    #[test]
    fn a_till_that_contradicts_its_own_link_is_told_so() {
        let link = || ReceiptLink::parse(SEED).unwrap();
        let error = Receipt::from_link(link(), Some("2422"), None).unwrap_err();
        assert_eq!(error.to_string(), "receipt_id 2422 is not the link's r=2421");
        let error = Receipt::from_link(link(), Some("2421"), Some("514343190160")).unwrap_err();
        assert_eq!(error.to_string(), "fiscal_sign 514343190160 is not the link's s=514343190161");
        assert!(Receipt::from_link(link(), Some(""), None).is_err());
        assert!(Receipt::from_link(link(), None, Some("x")).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_kept_as_written(text in "\\PC{0,120}|https://ofd\\.soliq\\.uz/(check|epi)\\?t=[A-Z]{2}[0-9]{12}&r=[0-9]{1,12}&c=2023[01][0-9]{9}&s=[0-9]{1,14}") {
            if let Ok(link) = ReceiptLink::parse(&text) {
                prop_assert_eq!(link.as_str(), text.trim());
                prop_assert_eq!(link.date().len(), 14);
                let again = format!("t={}&r={}&c={}&s={}", link.terminal_id(), link.receipt_id(), link.date(), link.fiscal_sign());
                prop_assert!(text.contains(&again));
            }
        }
    }
}
