//! VAT as both operators of fiscal data spell it, and how much of a sum it is. The codes of 5 and 7 % came with 2025, those of 22 % with 2026.

use crate::payment::money::Money;

/// One rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// As ATOL spells it: the rate, or the rate calculated from what was paid (`vat110` = 10/110).
    pub(super) atol: &'static str,
    /// As OFD.ru spells it.
    pub(super) ferma: &'static str,
    /// Per cent; 0 where there is nothing to pay.
    pub(super) percent: i64,
}

const fn rate(atol: &'static str, ferma: &'static str, percent: i64) -> Rate {
    Rate { atol, ferma, percent }
}

pub(super) const RATES: [Rate; 12] = [
    rate("none", "VatNo", 0),
    rate("vat0", "Vat0", 0),
    rate("vat5", "Vat5", 5),
    rate("vat7", "Vat7", 7),
    rate("vat10", "Vat10", 10),
    rate("vat20", "Vat20", 20),
    rate("vat22", "Vat22", 22),
    rate("vat105", "CalculatedVat5105", 5),
    rate("vat107", "CalculatedVat7107", 7),
    rate("vat110", "CalculatedVat10110", 10),
    rate("vat120", "CalculatedVat20120", 20),
    rate("vat122", "CalculatedVat22122", 22),
];

/// ATOL's spellings.
pub(super) const ATOL: [&str; 12] = {
    let mut names = [""; 12];
    let mut index = 0;
    while index < names.len() {
        names[index] = RATES[index].atol;
        index += 1;
    }
    names
};

/// OFD.ru's spellings.
pub(super) const FERMA: [&str; 12] = {
    let mut names = [""; 12];
    let mut index = 0;
    while index < names.len() {
        names[index] = RATES[index].ferma;
        index += 1;
    }
    names
};

/// The rate that ATOL calls so.
pub(super) fn of_atol(name: &str) -> Option<Rate> {
    RATES.into_iter().find(|rate| rate.atol == name)
}

/// The tax within a sum: sum·r/(100+r), to the nearest kopeck.
pub(super) fn within(sum: Money, percent: i64) -> Money {
    let (minor, whole) = (i128::from(sum.minor()), i128::from(percent + 100));
    // Twice the quotient and one, halved: rounded up from the middle.
    let kopecks = (2 * minor * i128::from(percent) + whole) / (2 * whole);
    Money::from_minor(i64::try_from(kopecks).unwrap_or(i64::MAX), sum.currency())
}

/// Whether `given` may be what a till that rounds by the line, to kopecks or to whole roubles, calls the tax within `sum`.
pub(super) fn agrees(given: Money, sum: Money, percent: i64, lines: usize) -> bool {
    if percent == 0 {
        return given.minor() == 0;
    }
    let lines = i64::try_from(lines.max(1)).unwrap_or(i64::MAX);
    let off = (given.minor() - within(sum, percent).minor()).abs();
    let whole_roubles = given.whole_and_rest().1 == 0;
    off <= lines || whole_roubles && off <= lines.saturating_mul(50)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::money::Currency;
    use proptest::prelude::*;

    fn roubles(kopecks: i64) -> Money {
        Money::from_minor(kopecks, Currency::Rub)
    }

    #[test]
    fn the_formula_of_the_document_gives_83_for_500_roubles_at_20_per_cent() {
        assert_eq!(within(roubles(50_000), 20).decimal(), "83.33");
        assert_eq!(within(roubles(12_200), 22).decimal(), "22.00");
        assert_eq!(within(roubles(10_500), 5).decimal(), "5.00");
        assert_eq!(within(roubles(10_700), 7).decimal(), "7.00");
        assert_eq!(within(roubles(50_000), 0).decimal(), "0.00");
        assert!(agrees(roubles(8_333), roubles(50_000), 20, 1));
        assert!(agrees(roubles(8_300), roubles(50_000), 20, 1), "rounded to whole roubles, as the seed writes it");
        assert!(!agrees(roubles(8_000), roubles(50_000), 20, 1), "the document's own example");
    }

    #[test]
    fn every_rate_is_known_to_both_under_its_own_name() {
        for (index, rate) in RATES.iter().enumerate() {
            assert_eq!((ATOL[index], FERMA[index]), (rate.atol, rate.ferma));
            assert_eq!(of_atol(rate.atol), Some(*rate));
        }
        assert_eq!(of_atol("vat18"), None, "18 % ended with 2018");
    }

    proptest! {
        #[test]
        fn the_tax_is_the_nearest_kopeck_of_the_exact_quotient(kopecks in 0_i64..=4_294_967_295, at in 0_usize..RATES.len()) {
            let percent = RATES[at].percent;
            let tax = i128::from(within(roubles(kopecks), percent).minor());
            let (exact, whole) = (i128::from(kopecks) * i128::from(percent), i128::from(percent + 100));
            prop_assert!((2 * (tax * whole - exact)).abs() <= whole);
            prop_assert!(agrees(within(roubles(kopecks), percent), roubles(kopecks), percent, 1));
        }
    }
}
