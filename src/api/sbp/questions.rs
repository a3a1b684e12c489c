//! Questions to QRManager that change nothing: what a till may ask beside sales. The daemon answers them over the provider's client.

use std::future::Future;
use std::pin::Pin;

use crate::payment::money::Money;
use crate::payment::sale::UnixMs;
use crate::payment::sbp::Points;

/// An answer under way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, QuestionError>> + Send + 'a>>;

/// What can be asked of a QR terminal, by its name in `[qrm.NAME]`. Each answer has a limit of time of its own.
pub trait Questions: Send + Sync {
    /// The products that were added to the QR terminal (seed 004 §3); the last known ones while QRManager does not answer.
    ///
    /// # Errors
    /// There are none to show.
    fn products<'a>(&'a self, profile: &'a str) -> Asked<'a, Products>;

    /// The loyalty card of a phone, and what it gives for a purchase of `sum` (seed 004, "BenefittY" §1).
    ///
    /// # Errors
    /// QRManager refused, or gave no answer.
    fn search<'a>(&'a self, profile: &'a str, phone: &'a str, sum: Money) -> Asked<'a, Loyal>;
}

/// A list of products, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Products {
    /// What is sold.
    pub products: Vec<Product>,
    /// When QRManager said so, where that is known.
    pub as_of_ms: Option<UnixMs>,
}

/// One product of a QR terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// `id`: what a sale's `nomenclature` names.
    pub id: String,
    /// As the owner wrote it.
    pub name: String,
    /// Of one.
    pub price: Money,
    /// It is sold no more.
    pub is_deleted: bool,
}

/// What is known of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loyal {
    /// Registered.
    Card(Box<Card>),
    /// Not registered.
    Unregistered {
        /// The customer was sent a code to confirm with.
        confirmation_code: bool,
    },
}

/// A customer's loyalty card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What a sale's `loyalty` names.
    pub client_id: i64,
    /// The card's own number.
    pub discount_card_id: Option<i64>,
    /// By the rules of the shop's programme.
    pub card_level: Option<String>,
    /// The largest discount for this sum, as sent: the document does not say what it counts.
    pub max_discount: Option<String>,
    /// Points that may be written off at most.
    pub max_points: Option<Points>,
    /// Points on the card.
    pub all_points: Option<Points>,
    /// Points that this purchase would add.
    pub accrual_points: Option<Points>,
    /// Points may be added.
    pub accrual_available: bool,
    /// Points may be written off.
    pub write_off_available: bool,
    /// Writing off wants the customer's code.
    pub needs_code: bool,
}

/// Why a question has no answer. Nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// The QR terminal is not configured, or its key is not there or not accepted.
    #[error("the QR terminal is not set up: {0}")]
    NotSetUp(String),
    /// QRManager said no, in these words.
    #[error("{0}")]
    Refused(String),
    /// It was not reached, or its answer was no answer.
    #[error("QRManager gave no answer: {0}")]
    NoAnswer(String),
}
