//! What a scanned code is.
//!
//! No public source documents a table of prefixes; the default comes from samples (providers.md §4). A code is routed only on prefix *and*
//! length; what fits no row is [`CodeKind::Unknown`], and people are asked.

use serde::{Deserialize, Serialize};

use super::sale::Method;

/// What a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeKind {
    /// 18 digits, `^88`.
    ClickPass,
    /// 20 digits, `^505`.
    PaymeGo,
    /// Uzum FastPay: not supported here.
    Uzum,
    /// EMV TLV: a merchant's code.
    UzQr,
    /// SBP: a merchant's code.
    Sbp,
    /// A fiscal receipt.
    FiscalReceipt,
    /// None of the table.
    Unknown,
}

impl CodeKind {
    /// Who takes money for such a code; `None` where nobody here does.
    #[must_use]
    pub const fn method(self) -> Option<Method> {
        match self {
            Self::ClickPass => Some(Method::Click),
            Self::PaymeGo => Some(Method::Payme),
            Self::Uzum | Self::UzQr | Self::Sbp | Self::FiscalReceipt | Self::Unknown => None,
        }
    }
}

/// One row of the table. A code fits when everything that the row says holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRow {
    /// What such a code is.
    pub kind: CodeKind,
    /// It begins with this; case of letters does not matter, because scanners in keyboard mode get it wrong.
    #[serde(default)]
    pub prefix: String,
    /// It holds this somewhere.
    #[serde(default)]
    pub holds: String,
    /// It is made of the digits 0 to 9 only.
    #[serde(default)]
    pub digits: bool,
    /// The fewest characters.
    #[serde(default)]
    pub min_chars: usize,
    /// The most characters; `None` = any number.
    #[serde(default)]
    pub max_chars: Option<usize>,
}

impl CodeRow {
    /// Exactly so many digits that begin with `prefix`.
    #[must_use]
    pub fn digits(kind: CodeKind, prefix: &str, length: usize) -> Self {
        Self { digits: true, min_chars: length, max_chars: Some(length), ..Self::prefixed(kind, prefix) }
    }

    fn prefixed(kind: CodeKind, prefix: &str) -> Self {
        Self { kind, prefix: prefix.to_owned(), holds: String::new(), digits: false, min_chars: 0, max_chars: None }
    }

    fn fits(&self, code: &str) -> bool {
        let length = code.chars().count();
        let begins = code
            .as_bytes()
            .get(..self.prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(self.prefix.as_bytes()));
        begins
            && length >= self.min_chars
            && self.max_chars.is_none_or(|most| length <= most)
            && code.contains(&self.holds)
            && (!self.digits || code.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// The table of code shapes: data, from the configuration. The first row that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeTable {
    rows: Vec<CodeRow>,
}

impl CodeTable {
    /// The table with configured rows for the codes that can pay, so that a terminal can learn a new shape without a new program. The default
    /// rows for codes that cannot pay stay behind them. Without any row this is the default table.
    #[must_use]
    pub fn configured(mut rows: Vec<CodeRow>) -> Self {
        if rows.is_empty() {
            return Self::default();
        }
        rows.extend(Self::default().rows.into_iter().filter(|row| row.kind.method().is_none()));
        Self { rows }
    }

    /// What `code` is. Blanks around it do not count.
    #[must_use]
    pub fn classify(&self, code: &str) -> CodeKind {
        let code = code.trim();
        self.rows.iter().find(|row| !code.is_empty() && row.fits(code)).map_or(CodeKind::Unknown, |row| row.kind)
    }

    /// The rows, in the order in which they are tried.
    #[must_use]
    pub fn rows(&self) -> &[CodeRow] {
        &self.rows
    }
}

/// The table of providers.md §4. Links come before Uzum's rows, which would take anything that is long or holds a colon.
impl Default for CodeTable {
    fn default() -> Self {
        use CodeKind as K;
        let long = CodeRow { min_chars: 40, ..CodeRow::prefixed(K::Uzum, "") };
        let with_colon = CodeRow { holds: ":".to_owned(), ..CodeRow::prefixed(K::Uzum, "") };
        let rows = vec![
            CodeRow::digits(K::ClickPass, "88", 18),
            CodeRow::digits(K::PaymeGo, "505", 20),
            CodeRow::prefixed(K::UzQr, "000201"),
            CodeRow::prefixed(K::Sbp, "https://qr.nspk.ru/"),
            CodeRow::prefixed(K::Sbp, "https://web.qr.nspk.ru/"),
            CodeRow::prefixed(K::FiscalReceipt, "https://ofd.soliq.uz/check?"),
            CodeRow::prefixed(K::FiscalReceipt, "https://ofd.soliq.uz/epi?"),
            CodeRow::prefixed(K::FiscalReceipt, "http://ofd.soliq.uz/check?"),
            CodeRow::prefixed(K::FiscalReceipt, "http://ofd.soliq.uz/epi?"),
            CodeRow::prefixed(K::Unknown, "https://"),
            CodeRow::prefixed(K::Unknown, "http://"),
            long,
            with_colon,
        ];
        Self { rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_sample_of_the_document_is_known() {
        let table = CodeTable::default();
        for (code, kind) in [
            ("880101698207133392", CodeKind::ClickPass),
            ("880227987004122008", CodeKind::ClickPass),
            ("50501010793410803298", CodeKind::PaymeGo),
            ("50502044301381396427", CodeKind::PaymeGo),
            ("50502244301381336427", CodeKind::PaymeGo),
            ("6385735999467329369938571759997073400776", CodeKind::Uzum),
            ("7993:5061401:01KF3ZJ0:3sySIqwe=", CodeKind::Uzum),
            (
                "00020101021226370011uz.example0118123456789012345678520454115303860540510005802UZ6304A1B2",
                CodeKind::UzQr,
            ),
            ("https://qr.nspk.ru/AS1000670LSS7DN18SJQDNP4B05KLJL2", CodeKind::Sbp),
            ("https://web.qr.nspk.ru/AS1000670LSS7DN18SJQDNP4B05KLJL2", CodeKind::Sbp),
            (
                "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161",
                CodeKind::FiscalReceipt,
            ),
            (
                "https://ofd.soliq.uz/epi?t=EP000000000354&r=123&c=20230104121801&s=514343190161",
                CodeKind::FiscalReceipt,
            ),
        ] {
            assert_eq!(table.classify(code), kind, "{code}");
        }
    }

    #[test]
    fn a_prefix_without_its_length_and_a_length_without_its_prefix_are_unknown() {
        let table = CodeTable::default();
        for code in [
            "",
            "   ",
            "88",
            "88010169820713339",
            "8801016982071333921",
            "890101698207133392",
            "88010169820713339a",
            "5050101079341080329",
            "505010107934108032980",
            "60501010793410803298",
            "4780012345678",
            "https://example.uz/880101698207133392",
            "８８0101698207133392",
        ] {
            assert_eq!(table.classify(code), CodeKind::Unknown, "{code}");
        }
    }

    #[test]
    fn blanks_around_a_code_and_the_case_of_a_link_do_not_matter() {
        let table = CodeTable::default();
        assert_eq!(table.classify(" 880101698207133392\r\n"), CodeKind::ClickPass);
        assert_eq!(table.classify("HTTPS://QR.NSPK.RU/AS10"), CodeKind::Sbp);
    }

    #[test]
    fn configured_rows_take_the_place_of_those_that_pay_and_of_no_other() {
        let table = CodeTable::configured(vec![CodeRow::digits(CodeKind::ClickPass, "89", 18)]);
        assert_eq!(table.classify("890101698207133392"), CodeKind::ClickPass);
        assert_eq!(table.classify("880101698207133392"), CodeKind::Unknown);
        assert_eq!(table.classify("https://qr.nspk.ru/AS10"), CodeKind::Sbp);
        assert_eq!(CodeTable::configured(Vec::new()), CodeTable::default());
        assert_eq!(table.rows().len(), CodeTable::default().rows().len() - 1);
    }

    #[test]
    fn only_codes_that_can_pay_here_have_a_method() {
        assert_eq!(CodeKind::ClickPass.method(), Some(Method::Click));
        assert_eq!(CodeKind::PaymeGo.method(), Some(Method::Payme));
        for kind in [CodeKind::Uzum, CodeKind::UzQr, CodeKind::Sbp, CodeKind::FiscalReceipt, CodeKind::Unknown] {
            assert_eq!(kind.method(), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_can_pay_has_the_shape_that_the_document_names(code in "\\PC{0,50}|(88|505)[0-9]{14,20}") {
            let code = code.trim();
            let digits = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
            match CodeTable::default().classify(code) {
                CodeKind::ClickPass => prop_assert!(digits && code.len() == 18 && code.starts_with("88")),
                CodeKind::PaymeGo => prop_assert!(digits && code.len() == 20 && code.starts_with("505")),
                _ => prop_assert!(!(digits && code.len() == 18 && code.starts_with("88"))),
            }
        }
    }
}
