//! CLICK PASS and PAYME GO through the FiscalBox gateway (seeds 000–002, providers.md §1).
//!
//! ```text
//! charge   POST {base_url}/payment/click          {amount, qr_code}
//!          POST {base_url}/payment/payme          {amount, qr_code}
//! confirm  POST {base_url}/payment/click_confirm  the body depends on the dialect
//!          POST {base_url}/payment/payme_confirm
//! ```
//!
//! The gateway lists no status question and no idempotency key: a lost answer to a charge is *in doubt*, and nothing here asks again.

pub(super) mod answer;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use serde::ser::{Serialize, Serializer};

use super::http::{Http, Opened, PostError};
use super::{Asked, Provider, Ready};
use crate::payment::event::{Delivery, Outcome};
use crate::payment::fiscal::Confirmation;
use crate::payment::money::{MoneyError, Unit};
use crate::payment::sale::{Method, Payment};

/// Which of the gateway's two providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayKind {
    /// CLICK PASS.
    Click,
    /// PAYME GO.
    Payme,
}

impl GatewayKind {
    /// The method that it serves.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Click => Method::Click,
            Self::Payme => Method::Payme,
        }
    }

    const fn charge_path(self) -> &'static str {
        match self {
            Self::Click => "/payment/click",
            Self::Payme => "/payment/payme",
        }
    }

    const fn confirm_path(self) -> &'static str {
        match self {
            Self::Click => "/payment/click_confirm",
            Self::Payme => "/payment/payme_confirm",
        }
    }
}

/// The body of a confirmation; it changed over the years, and is named by the date of the vendor's page (providers.md §1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfirmDialect {
    /// The seeds': CLICK `{payment_id, qrcode}`, PAYME `{payme_id, receipt_id, qr_code_url, fiscal_sign}`.
    #[default]
    Y2023M01,
    /// CLICK `{payment_id, qr_code}`, PAYME `{payment_id, receipt_id, qr_code, fiscal_sign}`.
    Y2023M02D28,
    /// `{payment_id, qr_code}` for both.
    Y2024M12,
}

/// How one of the gateway's providers is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySettings {
    /// `http(s)://host[:port][/path]`, without a slash at the end.
    pub base_url: String,
    /// What the till's endpoint means by an amount.
    pub amount_unit: Unit,
    /// What the gateway means by an amount.
    pub upstream_amount_unit: Unit,
    /// The body of a confirmation to the gateway.
    pub confirm_dialect: ConfirmDialect,
    /// For the whole answer, in milliseconds.
    pub timeout_ms: u64,
    /// For the connection, TLS included, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Codes of an answer `is_success: false` that prove that no money moved.
    pub refused_codes: Vec<i64>,
}

/// One of the gateway's two providers.
#[derive(Debug)]
pub struct Gateway {
    kind: GatewayKind,
    settings: GatewaySettings,
    http: Http,
}

/// A request that could not be put into the gateway's words. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum RequestError {
    /// A charge without a code.
    #[error("the payment has no code to send")]
    NoCode,
    /// An amount that the gateway's unit cannot say. The till's endpoint refuses such amounts, so this is a change of the configuration between
    /// the request and its sending.
    #[error("the gateway counts in {unit}: {source}")]
    Amount {
        /// The gateway's unit.
        unit: Unit,
        /// Why not.
        source: MoneyError,
    },
    /// A receipt whose payment has no id at the provider.
    #[error("the provider gave no payment_id for this payment; its receipt cannot be sent")]
    NoPaymentId,
    /// A receipt of another kind than this provider takes.
    #[error("the receipt has no link that could be sent")]
    NoReceiptLink,
}

impl Gateway {
    /// A provider behind the gateway. Does not connect yet and cannot fail: whatever is wrong shows at the first request.
    #[must_use]
    pub fn new(kind: GatewayKind, settings: GatewaySettings) -> Self {
        let ms = Duration::from_millis;
        let http = Http::new(ms(settings.connect_timeout_ms), ms(settings.timeout_ms));
        Self { kind, settings, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url.trim_end_matches('/'))
    }

    fn charge_body(&self, payment: &Payment) -> Result<String, RequestError> {
        let unit = self.settings.upstream_amount_unit;
        let amount = payment.amount.to_unit(unit).map_err(|source| RequestError::Amount { unit, source })?;
        let code = payment.code.as_deref().ok_or(RequestError::NoCode)?;
        Ok(Fields(vec![("amount", Field::Number(amount)), ("qr_code", Field::Text(code))]).json())
    }

    fn confirm_body(&self, payment: &Payment, confirmation: &Confirmation) -> Result<String, RequestError> {
        use ConfirmDialect as D;
        use GatewayKind as K;
        let id = payment.approval.as_ref().and_then(|a| a.payment_id.as_deref()).ok_or(RequestError::NoPaymentId)?;
        let receipt = confirmation.receipt.link().ok_or(RequestError::NoReceiptLink)?;
        let (link, number, sign) = (receipt.link.as_str(), receipt.receipt_id.as_str(), receipt.fiscal_sign.as_str());
        let fields = match (self.kind, self.settings.confirm_dialect) {
            (K::Click, D::Y2023M01) => vec![("payment_id", id), ("qrcode", link)],
            (K::Click, D::Y2023M02D28 | D::Y2024M12) | (K::Payme, D::Y2024M12) => {
                vec![("payment_id", id), ("qr_code", link)]
            }
            (K::Payme, D::Y2023M01) => {
                vec![("payme_id", id), ("receipt_id", number), ("qr_code_url", link), ("fiscal_sign", sign)]
            }
            (K::Payme, D::Y2023M02D28) => {
                vec![("payment_id", id), ("receipt_id", number), ("qr_code", link), ("fiscal_sign", sign)]
            }
        };
        Ok(Fields(fields.into_iter().map(|(name, value)| (name, Field::Text(value))).collect()).json())
    }

    async fn charge_once(&self, payment: &Payment, ready: Ready) -> Outcome {
        let body = match self.charge_body(payment) {
            Ok(body) => body,
            Err(e) => return Outcome::NotSent { text: e.to_string() },
        };
        match self.http.post(&self.url(self.kind.charge_path()), body, ready.0).await {
            Ok(answer) => answer::charge(answer.status, &answer.body, &self.settings.refused_codes),
            Err(PostError::NotSent(text)) => Outcome::NotSent { text },
            Err(PostError::InDoubt(text)) => Outcome::InDoubt { text },
        }
    }

    async fn confirm_once(&self, payment: &Payment, confirmation: &Confirmation) -> Delivery {
        let body = match self.confirm_body(payment, confirmation) {
            Ok(body) => body,
            Err(e) => return Delivery::Refused { text: e.to_string() },
        };
        match self.http.post(&self.url(self.kind.confirm_path()), body, Opened::default()).await {
            Ok(answer) => answer::confirm(answer.status, &answer.body),
            // Unlike money, a receipt may be handed over twice.
            Err(PostError::NotSent(text) | PostError::InDoubt(text)) => Delivery::Retry { text },
        }
    }
}

impl Provider for Gateway {
    fn charge<'a>(&'a self, payment: &'a Payment, ready: Ready) -> Asked<'a, Outcome> {
        Box::pin(self.charge_once(payment, ready))
    }

    fn ready(&self) -> Asked<'_, Ready> {
        Box::pin(async { Ready(self.http.open(&self.settings.base_url).await) })
    }

    fn expect(&self) -> Asked<'static, ()> {
        Box::pin(self.http.expect(&self.settings.base_url))
    }

    fn confirm<'a>(&'a self, payment: &'a Payment, confirmation: &'a Confirmation) -> Asked<'a, Delivery> {
        Box::pin(self.confirm_once(payment, confirmation))
    }

    fn prepare(&self) {
        self.http.warm_for(&self.settings.base_url);
    }
}

/// A flat JSON object with its fields in the order of the documents.
struct Fields<'a>(Vec<(&'static str, Field<'a>)>);

enum Field<'a> {
    Number(i64),
    Text(&'a str),
}

impl Fields<'_> {
    fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| unreachable!("names and texts are always JSON: {e}"))
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => to.serialize_i64(*number),
            Self::Text(text) => to.serialize_str(text),
        }
    }
}
