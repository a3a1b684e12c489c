//! Money: an integer of minor units with its currency. The only place where units change.
//!
//! Amounts come from JSON as the *text* of a number and are never a float on the way: `0.1 + 0.2` has no place at a counter. Only JSON
//! numbers are taken (`500`, `500.00`, `5e2`); a quoted `"500"` is refused, because a till that sends text where the documents print a
//! number may as well send `"500 sum"`.

pub(super) mod number;

use serde::{Deserialize, Serialize};
use std::fmt;

use number::{NUMBER_TEXT_CHARS, ScaleError};

/// A currency, by its ISO 4217 code. Both have 100 minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Currency {
    /// Uzbek sum, 100 tiyin.
    #[serde(rename = "UZS")]
    Uzs,
    /// Russian rouble, 100 kopecks.
    #[serde(rename = "RUB")]
    Rub,
}

impl Currency {
    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Uzs => "UZS",
            Self::Rub => "RUB",
        }
    }
}

impl Currency {
    /// What a hundredth of it is called.
    #[must_use]
    pub const fn minor_name(self) -> &'static str {
        match self {
            Self::Uzs => "tiyin",
            Self::Rub => "kopecks",
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a number on a wire counts. The vendor's own pages disagree about it (providers.md §1), so each endpoint says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Whole sums (roubles for RUB).
    Sum,
    /// Minor units: tiyin (kopecks for RUB).
    Tiyin,
}

impl Unit {
    /// How many decimal places of this unit make a minor unit.
    const fn places(self) -> i32 {
        match self {
            Self::Sum => 2,
            Self::Tiyin => 0,
        }
    }

    const fn minor_per_unit(self) -> i64 {
        match self {
            Self::Sum => 100,
            Self::Tiyin => 1,
        }
    }

    /// The name used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Tiyin => "tiyin",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why something is not an amount of money, or cannot be counted so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a JSON number: text, `null`, `NaN`, `+5`, `.5`, `007`.
    #[error("{text} is not a JSON number")]
    NotANumber {
        /// The beginning of what was given.
        text: String,
    },
    /// A fraction of a minor unit.
    #[error("{text} {unit} is finer than the smallest coin")]
    TooFine {
        /// As given.
        text: String,
        /// What it was to count.
        unit: Unit,
    },
    /// More than fits, about 92 quadrillion sums.
    #[error("the amount is too large")]
    TooLarge,
    /// Zero or less, where a payment needs something to pay.
    #[error("the amount must be more than zero")]
    NotPositive,
    /// Not a whole number of that unit; it is never rounded.
    #[error("{money} is not a whole number of {unit}")]
    DoesNotDivide {
        /// The amount.
        money: Money,
        /// The unit it should be counted in.
        unit: Unit,
    },
    /// Two currencies in one sum.
    #[error("{left} and {right} are different currencies")]
    OtherCurrency {
        /// The first.
        left: Currency,
        /// The second.
        right: Currency,
    },
}

impl Money {
    /// So many minor units (tiyin, kopecks).
    #[must_use]
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// So many of `unit`.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn from_unit(count: i64, unit: Unit, currency: Currency) -> Result<Self, MoneyError> {
        let minor = count.checked_mul(unit.minor_per_unit()).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, currency })
    }

    /// Read the text of a JSON number that counts `unit`: `500`, `500.00`, `5e2`. Trailing zeros are not a fraction; a fraction of a minor
    /// unit is an error, never rounded. A minus sign is read: whether an amount may be negative is the caller's question
    /// ([`Money::positive`]).
    ///
    /// # Errors
    /// [`MoneyError::NotANumber`], [`MoneyError::TooFine`], [`MoneyError::TooLarge`].
    pub fn parse(text: &str, unit: Unit, currency: Currency) -> Result<Self, MoneyError> {
        let minor = number::scaled(text, unit.places()).map_err(|e| match e {
            ScaleError::NotANumber => MoneyError::NotANumber { text: shortened(text) },
            ScaleError::Fraction => MoneyError::TooFine { text: shortened(text), unit },
            ScaleError::Overflow => MoneyError::TooLarge,
        })?;
        Ok(Self { minor, currency })
    }

    /// Minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whole sums (roubles) and the minor units beside them, without the sign: what people are shown.
    #[must_use]
    pub const fn whole_and_rest(self) -> (u64, u64) {
        let minor = self.minor.unsigned_abs();
        (minor / 100, minor % 100)
    }

    /// Counted in `unit`.
    ///
    /// # Errors
    /// [`MoneyError::DoesNotDivide`]: nothing is ever rounded.
    pub fn to_unit(self, unit: Unit) -> Result<i64, MoneyError> {
        if self.minor % unit.minor_per_unit() != 0 {
            return Err(MoneyError::DoesNotDivide { money: self, unit });
        }
        Ok(self.minor / unit.minor_per_unit())
    }

    /// The same, if there is something to pay.
    ///
    /// # Errors
    /// [`MoneyError::NotPositive`].
    pub fn positive(self) -> Result<Self, MoneyError> {
        if self.minor > 0 { Ok(self) } else { Err(MoneyError::NotPositive) }
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`MoneyError::OtherCurrency`], [`MoneyError::TooLarge`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// What is left after taking `other` away; may be negative.
    ///
    /// # Errors
    /// [`MoneyError::OtherCurrency`], [`MoneyError::TooLarge`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    fn combine(self, other: Self, with: impl Fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::OtherCurrency { left: self.currency, right: other.currency });
        }
        let minor = with(self.minor, other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..self })
    }

    /// "500.00": with a point, without grouping or currency.
    #[must_use]
    pub fn decimal(self) -> String {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        format!("{sign}{}.{:02}", minor / 100, minor % 100)
    }

    /// "1 234 500.00": for people, the thousands apart.
    #[must_use]
    pub fn grouped(self) -> String {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        let whole = (minor / 100).to_string();
        let mut text = String::from(sign);
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i).is_multiple_of(3) {
                text.push(' ');
            }
            text.push(digit);
        }
        format!("{text}.{:02}", minor % 100)
    }
}

/// "500.00 UZS".
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// What an error message shows of a text that somebody else chose.
fn shortened(text: &str) -> String {
    if text.chars().count() <= NUMBER_TEXT_CHARS {
        return text.to_owned();
    }
    text.chars().take(NUMBER_TEXT_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(text: &str) -> Result<i64, MoneyError> {
        Money::parse(text, Unit::Sum, Currency::Uzs).map(Money::minor)
    }

    fn tiyin(text: &str) -> Result<i64, MoneyError> {
        Money::parse(text, Unit::Tiyin, Currency::Uzs).map(Money::minor)
    }

    #[test]
    fn a_currency_has_one_name() {
        for currency in [Currency::Uzs, Currency::Rub] {
            assert_eq!(serde_json::to_value(currency).unwrap(), currency.code());
        }
    }

    #[test]
    fn json_numbers_are_read_in_every_spelling() {
        for (text, minor) in [
            ("500", 50_000),
            ("500.00", 50_000),
            ("500.5", 50_050),
            ("500.050000", 50_005),
            ("5e2", 50_000),
            ("5.0E+2", 50_000),
            ("50000e-2", 50_000),
            ("0.01", 1),
            ("0", 0),
            ("-0", 0),
            ("0e999999999999", 0),
            ("-12.34", -1234),
        ] {
            assert_eq!(sums(text), Ok(minor), "{text}");
        }
        assert_eq!(tiyin("50000"), Ok(50_000));
        assert_eq!(tiyin("50000.0"), Ok(50_000));
    }

    #[test]
    fn what_is_not_a_json_number_is_refused() {
        for text in [
            "", "-", "\"500\"", "null", "true", "[5]", "NaN", "Infinity", "+5", ".5", "5.", "007", "00", "5e", "5e+",
            "1_000", "1 000", "1,5", "0x10", "٥", "5 ", "--5", "1e2e3", "1.2.3",
        ] {
            assert_eq!(sums(text), Err(MoneyError::NotANumber { text: text.to_owned() }), "{text}");
        }
    }

    #[test]
    fn a_fraction_of_the_smallest_coin_is_refused_never_rounded() {
        for text in ["0.001", "500.005", "1e-3", "1e-9999999999"] {
            assert!(matches!(sums(text), Err(MoneyError::TooFine { .. })), "{text}");
        }
        assert!(matches!(tiyin("0.5"), Err(MoneyError::TooFine { .. })));
    }

    #[test]
    fn what_does_not_fit_is_too_large() {
        assert_eq!(tiyin("9223372036854775807"), Ok(i64::MAX));
        for text in ["9223372036854775808", "1e19", "1e9999", "1e99999999999999999999"] {
            assert_eq!(tiyin(text), Err(MoneyError::TooLarge), "{text}");
        }
        assert_eq!(sums("92233720368547759"), Err(MoneyError::TooLarge));
        let endless = "1".repeat(1_000_000);
        let Err(MoneyError::NotANumber { text }) = sums(&endless) else { panic!("a megabyte of digits is no amount") };
        assert!(text.chars().count() <= NUMBER_TEXT_CHARS + 1, "errors do not carry it either");
    }

    #[test]
    fn a_unit_that_does_not_divide_is_refused() {
        let odd = Money::from_minor(50_050, Currency::Uzs);
        assert_eq!(odd.to_unit(Unit::Tiyin), Ok(50_050));
        let refused = odd.to_unit(Unit::Sum);
        assert_eq!(refused, Err(MoneyError::DoesNotDivide { money: odd, unit: Unit::Sum }));
        assert_eq!(refused.unwrap_err().to_string(), "500.50 UZS is not a whole number of sum");
    }

    #[test]
    fn currencies_are_never_mixed_and_sums_never_wrap() {
        let sum = Money::from_minor(1, Currency::Uzs);
        let rouble = Money::from_minor(1, Currency::Rub);
        let mixed = MoneyError::OtherCurrency { left: Currency::Uzs, right: Currency::Rub };
        assert_eq!(sum.checked_add(rouble), Err(mixed.clone()));
        assert_eq!(sum.checked_sub(rouble), Err(mixed));
        assert_eq!(Money::from_minor(i64::MAX, Currency::Uzs).checked_add(sum), Err(MoneyError::TooLarge));
        assert_eq!(Money::from_unit(i64::MAX, Unit::Sum, Currency::Uzs), Err(MoneyError::TooLarge));
    }

    #[test]
    fn only_more_than_zero_is_positive() {
        assert!(Money::from_minor(1, Currency::Uzs).positive().is_ok());
        for minor in [0, -1, i64::MIN] {
            assert_eq!(Money::from_minor(minor, Currency::Uzs).positive(), Err(MoneyError::NotPositive));
        }
    }

    #[test]
    fn people_read_points_and_groups() {
        let show = |minor| Money::from_minor(minor, Currency::Uzs);
        assert_eq!(show(50_000).to_string(), "500.00 UZS");
        assert_eq!(Money::from_minor(5, Currency::Rub).to_string(), "0.05 RUB");
        assert_eq!(show(123_450_000).grouped(), "1 234 500.00");
        assert_eq!(show(99_999).grouped(), "999.99");
        assert_eq!(show(100_000).grouped(), "1 000.00");
        assert_eq!(show(-100_005).grouped(), "-1 000.05");
        assert_eq!(show(i64::MIN).decimal(), "-92233720368547758.08");
    }

    proptest! {
            #[test]
            fn what_is_written_is_read_back(minor in any::<i64>()) {
                // i64::MIN has no positive twin and is not worth a special case: it is refused.
                prop_assume!(minor != i64::MIN);
                let money = Money::from_minor(minor, Currency::Uzs);
                prop_assert_eq!(Money::parse(&money.decimal(), Unit::Sum, Currency::Uzs), Ok(money));
                prop_assert_eq!(Money::parse(&minor.to_string(), Unit::Tiyin, Currency::Uzs), Ok(money));
                prop_assert_eq!(money.grouped().replace(' ', ""), money.decimal());
            }

            #[test]
            fn an_exponent_moves_the_point_and_nothing_else(count in 1_i64..1_000_000_000, zeros in 0_usize..6) {
                let shifted = format!("{count}{}e-{zeros}", "0".repeat(zeros));
                prop_assert_eq!(sums(&shifted), Ok(count * 100));
    let plain = format!("{count}{}", "0".repeat(zeros));
                prop_assert_eq!(sums(&format!("{count}e{zeros}")), sums(&plain));
            }

            #[test]
            fn units_divide_or_are_refused(minor in any::<i64>()) {
                let money = Money::from_minor(minor, Currency::Uzs);
                match money.to_unit(Unit::Sum) {
                    Ok(count) => prop_assert_eq!(Money::from_unit(count, Unit::Sum, Currency::Uzs), Ok(money)),
                    Err(_) => prop_assert_ne!(minor % 100, 0),
                }
            }

            #[test]
            fn adding_and_taking_away_gives_back(a in any::<i64>(), b in any::<i64>()) {
                let (a, b) = (Money::from_minor(a, Currency::Uzs), Money::from_minor(b, Currency::Uzs));
                if let Ok(sum) = a.checked_add(b) {
                    prop_assert_eq!(sum.checked_sub(b), Ok(a));
                }
            }

            #[test]
            fn no_text_panics_and_integers_agree_with_the_json_library(text in "-?[0-9]{1,24}(\\.[0-9]{0,4})?([eE][-+]?[0-9]{1,6})?|\\PC{0,12}") {
                let ours = tiyin(&text);
                if let Ok(theirs) = serde_json::from_str::<i64>(&text) && theirs != i64::MIN && !text.contains(char::is_whitespace) {
                    prop_assert_eq!(ours, Ok(theirs));
                }
            }
        }
}
