//! Decimals as they stand on a wire, without floats: the text of a JSON number becomes an integer, or the reason why it cannot.

/// The longest number that is looked at. The largest amount has 19 digits; a longer text is a mistake or an attack.
pub(super) const NUMBER_TEXT_CHARS: usize = 64;

/// A JSON number (RFC 8259 §6) taken apart: ± digits · 10^exponent.
struct Number<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

/// Why a text is no integer of that many decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::payment) enum ScaleError {
    /// Not a JSON number.
    NotANumber,
    /// Finer than the places.
    Fraction,
    /// Does not fit.
    Overflow,
}

/// The text of a JSON number times 10^places, exactly.
pub(in crate::payment) fn scaled(text: &str, places: i32) -> Result<i64, ScaleError> {
    Number::read(text).ok_or(ScaleError::NotANumber)?.scaled(places)
}

impl<'a> Number<'a> {
    fn read(text: &'a str) -> Option<Self> {
        if text.len() > NUMBER_TEXT_CHARS {
            return None;
        }
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let canonical = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
        canonical.then_some(Self { negative, whole, fraction, exponent })
    }

    /// The number times 10^places, if that is an integer that fits.
    fn scaled(&self, places: i32) -> Result<i64, ScaleError> {
        let digits = format!("{}{}", self.whole, self.fraction);
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Ok(0);
        }
        // All lengths are at most NUMBER_TEXT_CHARS and the exponent has at most four digits, so this arithmetic cannot overflow.
        let length = |s: &str| i32::try_from(s.len()).unwrap_or(i32::MAX / 4);
        let power = self.exponent + places - length(self.fraction) + length(digits) - length(significant);
        let power = u32::try_from(power).map_err(|_| ScaleError::Fraction)?;
        let mantissa: i64 = significant.parse().map_err(|_| ScaleError::Overflow)?;
        let factor = 10_i64.checked_pow(power).ok_or(ScaleError::Overflow)?;
        let value = mantissa.checked_mul(factor).ok_or(ScaleError::Overflow)?;
        Ok(if self.negative { -value } else { value })
    }
}

fn read_exponent(text: &str) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !is_digits(digits) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    // Beyond four digits it only has to stay out of reach: too large or too fine, whichever sign it has.
    let value = if digits.len() > 4 { 9999 } else { format!("0{digits}").parse().ok()? };
    Some(if negative { -value } else { value })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
