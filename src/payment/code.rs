//! What a scanned code is.

/// What a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// The table of code shapes: data, from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeTable {}

impl CodeTable {
    /// What a code is.
    #[must_use]
    pub fn classify(&self, _code: &str) -> CodeKind {
        CodeKind::Unknown
    }
}
