//! What a till sends to be made an electronic receipt (seed 004 §5.1): checked here, so that it is refused at the door and not by the
//! tax service, and passed on as it was written.
//!
//! Of the text nothing is changed: fields that nobody here knows reach the operator byte for byte. Only the operation's number is put in
//! where the till left it out, because without it no receipt is made.

use ring::digest::{SHA256, digest};
use std::fmt;

use super::reader::{Notes, Object};
use super::{atol, ferma};
use crate::payment::fiscal::ElectronicReceipt;
use crate::payment::money::{Currency, Money};
use crate::payment::sale::{Payment, Private};
use crate::payment::sbp::Ofd;

/// The longest document that is looked at, in bytes: a hundred positions in full fit.
pub const DOCUMENT_BYTES: usize = 65_536;

/// The positions may miss the total by so many kopecks (providers.md §6).
const OFF_MAX: i64 = 99;

/// Something about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands: `receipt.items[0].vat.type`; empty for the document itself.
    pub path: String,
    /// What is wrong, or what to write instead.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

/// Why a document becomes no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The sale was not made by a code that the terminal showed.
    #[error("the sale was not made by SBP: its receipt is a link")]
    NotSbp,
    /// Its QR terminal registers none.
    #[error("the sale's QR terminal registers no receipts: add receipts to its [qrm.NAME]")]
    NotRegistered,
    /// QRManager's number of the operation is not known.
    #[error("QRManager's number of the operation is not known here, so no receipt can be registered for it")]
    NoNumber,
    /// The document itself.
    #[error("{}", in_words(.0))]
    Mistakes(Vec<Mistake>),
}

fn in_words(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; ")
}

/// The sale that a document is about.
#[derive(Clone, Copy, Debug)]
pub struct Sold<'a> {
    /// Who makes its receipt.
    pub ofd: Ofd,
    /// QRManager's number of the operation, XXXX-XXXX-XXXX-XXXX.
    pub number: &'a str,
    /// What was paid.
    pub paid: Money,
    /// The till gave a purpose of its own, which took the place of QRManager's link to the order.
    pub own_purpose: bool,
}

impl<'a> Sold<'a> {
    /// What a document for this payment has to fit.
    ///
    /// # Errors
    /// No receipt can be registered for it.
    pub fn of(payment: &'a Payment) -> Result<Self, DocumentError> {
        let sbp = payment.sbp.as_deref().ok_or(DocumentError::NotSbp)?;
        let ofd = sbp.receipts.ok_or(DocumentError::NotRegistered)?;
        let number = sbp.code.as_ref().map(|code| code.number.as_str()).filter(|number| !number.is_empty());
        let number = number.ok_or(DocumentError::NoNumber)?;
        Ok(Self { ofd, number, paid: payment.amount, own_purpose: sbp.ask.own_purpose })
    }
}

/// A document that can be sent.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The receipt.
    pub receipt: ElectronicReceipt,
    /// What is unusual about it and no reason to refuse it.
    pub warnings: Vec<Mistake>,
}

/// Check the document that a till brings for this payment.
///
/// # Errors
/// No receipt can be registered for it, or what is wrong with the document, all of it at once.
pub fn check(payment: &Payment, text: &str) -> Result<Checked, DocumentError> {
    read(text, &Sold::of(payment)?)
}

/// Check a document against the sale that it is about. Blanks around it are dropped; nothing else of it changes.
///
/// # Errors
/// [`DocumentError::Mistakes`].
pub fn read(text: &str, sold: &Sold<'_>) -> Result<Checked, DocumentError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let mut notes = Notes::default();
    let found = if text.len() > DOCUMENT_BYTES {
        notes.refuse("", format!("write at most {DOCUMENT_BYTES} bytes; it has {}", text.len()));
        None
    } else {
        Object::read(text, String::new(), &mut notes).and_then(|root| match sold.ofd {
            Ofd::Atol => atol::check(root, sold, &mut notes),
            Ofd::OfdRu => ferma::check(root, sold, &mut notes),
        })
    };
    let Some(document) = found.as_ref().filter(|_| notes.refused.is_empty()) else {
        return Err(DocumentError::Mistakes(notes.refused));
    };
    if document.total != sold.paid {
        let text = format!("write {}, which was paid; it is {}", sold.paid.decimal(), document.total.decimal());
        return Err(DocumentError::Mistakes(vec![Mistake { path: document.total_path.clone(), text }]));
    }
    if sold.own_purpose && !document.email {
        let text = "the sale had a purpose of its own, so the payer's bank shows no link to the order: the receipt has to go to the payer's \
                    e-mail address, unless a printed one is handed over";
        notes.warn("", text);
    }
    let body = match document.number_missing {
        Some(field) => with_number(text, document.holder, field, sold.number),
        None => text.to_owned(),
    };
    let receipt =
        ElectronicReceipt { ofd: sold.ofd, total: document.total, digest: digest_of(&body), body: Private(Some(body)) };
    Ok(Checked { receipt, warnings: notes.warned })
}

/// SHA-256 of a receipt's body, hex: the name under which it is known once the body is gone.
#[must_use]
pub fn digest_of(body: &str) -> String {
    digest(&SHA256, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a document says, as far as both kinds of it are treated alike.
pub(super) struct Document<'a> {
    pub(super) total: Money,
    pub(super) total_path: String,
    /// It has the payer's e-mail address.
    pub(super) email: bool,
    /// The field for the operation's number, where the till left it out.
    pub(super) number_missing: Option<&'static str>,
    /// The object that the field belongs into, as written.
    pub(super) holder: &'a str,
}

/// The operation's number where it is there; the field's name where it is not.
pub(super) fn number_of(
    object: &Object<'_>,
    field: &'static str,
    number: &str,
    notes: &mut Notes,
) -> Option<&'static str> {
    match object.value(field) {
        None if object.has(field) => {
            notes.refuse(object.at(field), format!("write {number}, the operation's number, or leave the field out"));
            None
        }
        None => Some(field),
        Some(raw) => {
            if serde_json::from_str::<String>(raw).ok().as_deref() != Some(number) {
                let text = format!("write \"{number}\", the operation's number, or leave the field out");
                notes.refuse(object.at(field), text);
            }
            None
        }
    }
}

/// The text with the number put in as the first field of `holder`, which is a piece of it.
fn with_number(text: &str, holder: &str, field: &str, number: &str) -> String {
    let brace = holder.as_ptr().addr() - text.as_ptr().addr();
    let (before, after) = text.split_at(brace + 1);
    format!("{before}{}:{},{after}", quoted(field), quoted(number))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What the sums add up to; nothing where one of them could not be read.
pub(super) fn added(sums: impl Iterator<Item = Option<Money>>) -> Option<Money> {
    let nothing = Money::from_minor(0, Currency::Rub);
    sums.into_iter().try_fold(nothing, |all, sum| all.checked_add(sum?).ok())
}

/// The positions against the total.
pub(super) fn sums(path: &str, items: impl Iterator<Item = Option<Money>>, total: Money, notes: &mut Notes) {
    let Some(sum) = added(items) else { return };
    if (sum.minor() - total.minor()).abs() > OFF_MAX {
        let text = format!("the positions add up to {}, and the total is {}", sum.decimal(), total.decimal());
        notes.refuse(path, text);
    }
}

/// Price times quantity against the sum of the position. A discount on the position is no mistake.
pub(super) fn multiplied(
    path: &str,
    price: Option<Money>,
    thousandths: Option<i64>,
    sum: Option<Money>,
    notes: &mut Notes,
) {
    let (Some(price), Some(thousandths), Some(sum)) = (price, thousandths, sum) else { return };
    let exact = i128::from(price.minor()) * i128::from(thousandths);
    if (exact - i128::from(sum.minor()) * 1_000).abs() > 1_000 {
        let text = format!("price times quantity is not {}; that is right only for a discount", sum.decimal());
        notes.warn(path, text);
    }
}

/// A year, month and day that may exist.
pub(super) fn is_date(year: &str, month: &str, day: &str) -> bool {
    year.len() == 4
        && number(year, 4).is_some()
        && number(month, 2).is_some_and(|m| (1..=12).contains(&m))
        && number(day, 2).is_some_and(|d| (1..=31).contains(&d))
}

/// HH:MM:SS.
pub(super) fn is_time(text: &str) -> bool {
    let fields: Vec<&str> = text.split(':').collect();
    let [hour, minute, second] = fields.as_slice() else { return false };
    let below = |text: &str, most: u32| number(text, 2).is_some_and(|n| n < most);
    below(hour, 24) && below(minute, 60) && below(second, 60)
}

fn number(text: &str, digits: usize) -> Option<u32> {
    let whole = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
