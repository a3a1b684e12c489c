//! §2.2: what is sold, by the products of the QR terminal.
//!
//! The document does not say that the lines have to add up to the sum; that they do is our inference (providers.md §6). So a basket that
//! does not is warned of, and refused only where the profile says so.

use serde::Serialize;

use super::code::kopecks;
use super::error::QrmError;
use crate::limits;
use crate::payment::money::{Currency, Money};
use crate::payment::sbp::{PRODUCT_COUNT, PRODUCT_PRICE_KOPECKS, ProductLine, SbpAsk};

/// A line as it is sent.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    product_id: &'a str,
    count: u32,
    price: i64,
}

/// A basket whose lines do not add up to what is asked of the payer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lines add up to {lines}, and the sale is of {sum}")]
pub struct Mismatch {
    /// Σ count·price.
    pub lines: Money,
    /// The sale's amount, or what its goods cost before a discount.
    pub sum: Money,
}

/// The basket as it is sent, checked.
pub(super) fn lines(basket: &[ProductLine]) -> Result<Vec<Line<'_>>, QrmError> {
    basket.iter().map(line).collect()
}

fn line(line: &ProductLine) -> Result<Line<'_>, QrmError> {
    let id_chars = line.product_id.chars().count();
    if id_chars == 0 || id_chars > limits::PROVIDER_ID_MAX_CHARS {
        let why = format!("an id has 1..={} characters", limits::PROVIDER_ID_MAX_CHARS);
        return Err(QrmError::Unfit { field: "product_id", why });
    }
    if !PRODUCT_COUNT.contains(&line.count) {
        let why = format!("{} is not within {}..={}", line.count, PRODUCT_COUNT.start(), PRODUCT_COUNT.end());
        return Err(QrmError::Unfit { field: "count", why });
    }
    let price = kopecks("price", line.price)?;
    if !PRODUCT_PRICE_KOPECKS.contains(&price) {
        let (least, most) = (PRODUCT_PRICE_KOPECKS.start(), PRODUCT_PRICE_KOPECKS.end());
        return Err(QrmError::Unfit {
            field: "price",
            why: format!("{price} kopecks are not within {least}..={most}"),
        });
    }
    Ok(Line { product_id: &line.product_id, count: line.count, price })
}

/// Whether the basket adds up to the sale's amount, or to what its goods cost before a discount. No basket is no mismatch.
#[must_use]
pub fn mismatch(sum: Money, ask: &SbpAsk) -> Option<Mismatch> {
    if ask.nomenclature.is_empty() {
        return None;
    }
    let base = ask.loyalty.as_ref().and_then(|card| card.base_amount).unwrap_or(sum);
    let total = ask
        .nomenclature
        .iter()
        .fold(0_i64, |total, line| total.saturating_add(i64::from(line.count).saturating_mul(line.price.minor())));
    let lines = Money::from_minor(total, Currency::Rub);
    (lines != sum && lines != base).then_some(Mismatch { lines, sum: base })
}
