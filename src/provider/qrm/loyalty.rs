//! "Программа лояльности BenefittY": looking a customer up, and the card in the request for a code.
//!
//! ```text
//! POST /loyalty/search/  {phone, sum}  {"results": {client_id, …, needs_code}}   known
//!                                      {"results": {"confirmation_code": true}}  not yet: a code was sent to the phone
//! ```
//!
//! Points are not money: what a point is worth is decided at QRManager, and no arithmetic here says it. A phone is sent and told to nobody.

use serde::Serialize;

use super::access::Request;
use super::answer::Fields;
use super::code::{json, kopecks};
use super::error::QrmError;
use crate::payment::money::Money;
use crate::payment::sbp::{Loyalty, LoyaltyKind, Points};

/// The longest number of E.164 with its plus sign has 16 characters; tills add blanks and dashes, which we do not take.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 5..=15;

/// What QRManager says of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoyaltyAnswer {
    /// The customer has a card.
    Known(LoyaltyCard),
    /// The customer has none yet.
    Unknown {
        /// `confirmation_code`: a code was sent to the customer. Since 28.11.2022 the document has no method that would take it.
        confirmation_code: bool,
    },
}

/// A customer's card. Everything but its owner may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoyaltyCard {
    /// `client_id`: the customer's name in the request for a code.
    pub client_id: i64,
    /// `discount_card_id`.
    pub discount_card_id: Option<i64>,
    /// `card_level`, the programme's own word.
    pub card_level: Option<String>,
    /// `max_discount`: the largest discount for the sum that was asked about, as sent. The document does not say what it counts.
    pub max_discount: Option<String>,
    /// `max_points`: how many can be written off.
    pub max_points: Option<Points>,
    /// `all_points`: how many there are.
    pub all_points: Option<Points>,
    /// `accrual_points`: how many would be earned.
    pub accrual_points: Option<Points>,
    /// `accrual_available`.
    pub accrual_available: bool,
    /// `write_off_available`.
    pub write_off_available: bool,
    /// `needs_code`: a write-off wants a code from the customer. The document has no method that sends one any more: the cashier is told.
    pub needs_code: bool,
}

#[derive(Serialize)]
struct Search<'a> {
    phone: &'a str,
    sum: i64,
}

/// The question about a phone.
///
/// # Errors
/// [`QrmError::Unfit`].
pub fn search(phone: &str, sum: Money) -> Result<Request, QrmError> {
    let body = Search { phone: checked_phone(phone)?, sum: kopecks("sum", sum)? };
    Ok(Request::post("/loyalty/search/".to_owned(), json(&body)))
}

/// The answer to it.
///
/// # Errors
/// [`QrmError`]; an answer that is neither of the two is [`QrmError::Malformed`].
pub fn found(status: u16, body: &[u8]) -> Result<LoyaltyAnswer, QrmError> {
    let answer = Fields::of(status, body)?;
    if let Some(client_id) = answer.integer(&["client_id"]) {
        let points = |name| answer.integer(&[name]).map(Points);
        return Ok(LoyaltyAnswer::Known(LoyaltyCard {
            client_id,
            discount_card_id: answer.integer(&["discount_card_id"]),
            card_level: answer.text("card_level"),
            max_discount: answer.text("max_discount").or_else(|| answer.number("max_discount")),
            max_points: points("max_points"),
            all_points: points("all_points"),
            accrual_points: points("accrual_points"),
            accrual_available: answer.flag("accrual_available").unwrap_or(false),
            write_off_available: answer.flag("write_off_available").unwrap_or(false),
            needs_code: answer.flag("needs_code").unwrap_or(false),
        }));
    }
    match answer.flag("confirmation_code") {
        Some(confirmation_code) => Ok(LoyaltyAnswer::Unknown { confirmation_code }),
        None => Err(answer.malformed("neither client_id nor confirmation_code")),
    }
}

/// The card as it stands in the request for a code.
#[derive(Serialize)]
pub(super) struct InCode<'a> {
    phone: &'a str,
    client_id: i64,
    loyalty_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    loyalty_amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_amount: Option<i64>,
}

/// The card of a sale, checked against its sum: `sum` is what is paid, `base_amount` what the goods cost.
///
/// | type | points | base_amount |
/// |---|---|---|
/// | 1, accrual | none | none or the sum; more than the sum with a discount beside it |
/// | 0, write-off | at least one | more than the sum, with a discount beside it or without |
/// | 2, discount | none | more than the sum |
pub(super) fn in_code(card: &Loyalty, sum: Money) -> Result<InCode<'_>, QrmError> {
    let phone = card.phone.0.as_deref();
    let phone = phone.ok_or_else(|| QrmError::Unfit { field: "phone", why: "it was not kept".to_owned() })?;
    let sum = kopecks("sum", sum)?;
    let base = card.base_amount.map(|base| kopecks("base_amount", base)).transpose()?;
    let points = card.points.map(|Points(points)| points);
    let unfit = |field, why: &str| Err(QrmError::Unfit { field, why: why.to_owned() });
    match (card.kind, points) {
        (LoyaltyKind::WriteOff, None | Some(..=0)) => {
            return unfit("loyalty_amount", "a write-off names how many points, at least one");
        }
        (LoyaltyKind::Accrual | LoyaltyKind::Discount, Some(_)) => {
            return unfit("loyalty_amount", "only a write-off names points");
        }
        (LoyaltyKind::WriteOff, Some(_)) | (LoyaltyKind::Accrual | LoyaltyKind::Discount, None) => {}
    }
    match (card.kind, base) {
        (LoyaltyKind::WriteOff | LoyaltyKind::Discount, None) => {
            return unfit("base_amount", "a write-off or a discount names what the goods cost before it");
        }
        (LoyaltyKind::WriteOff | LoyaltyKind::Discount, Some(base)) if base <= sum => {
            return unfit(
                "base_amount",
                "it is more than the sum: that is what is left after the points or the discount",
            );
        }
        (LoyaltyKind::Accrual, Some(base)) if base < sum => {
            return unfit("base_amount", "it is not less than the sum: nobody pays more than the goods cost");
        }
        _ => {}
    }
    Ok(InCode {
        phone: checked_phone(phone)?,
        client_id: card.client_id,
        loyalty_type: card.kind.wire(),
        loyalty_amount: points,
        base_amount: base,
    })
}

/// A phone as a server may quote it: its plus sign comes and goes.
pub(super) fn digits(phone: &str) -> &str {
    phone.strip_prefix('+').unwrap_or(phone)
}

fn checked_phone(phone: &str) -> Result<&str, QrmError> {
    let digits = digits(phone);
    if digits.bytes().all(|b| b.is_ascii_digit()) && PHONE_DIGITS.contains(&digits.len()) {
        return Ok(phone);
    }
    let (least, most) = (PHONE_DIGITS.start(), PHONE_DIGITS.end());
    Err(QrmError::Unfit {
        field: "phone",
        why: format!("a phone is {least} to {most} digits, with a plus sign or without"),
    })
}
