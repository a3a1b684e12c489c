//! The nouns of a payment: what is known of one sale, from the till's request to its fiscal receipt.

mod state;

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

use super::card::Run;
use super::fiscal::{Confirmation, Fiscal};
use super::money::Money;
use super::order::{Parties, Wish, Wished};
pub use super::refund::{Refund, RefundId, RefundKind, RefundState};
use super::sbp::Sbp;
pub use state::{CancelledBy, Decline, DeclineKind, Doubt, State};

/// Wall time in milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMs = i64;

/// The name of one payment, ours, a random UUID. On the wire: `transaction_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentId(pub Uuid);

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who moves the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A card at the HUMO PinPad.
    Humo,
    /// CLICK PASS: a code that the customer shows.
    Click,
    /// PAYME GO: a code that the customer shows.
    Payme,
    /// SBP through QRManager: a code that the terminal shows. In roubles.
    Sbp,
}

impl Method {
    /// Whether the customer shows a code to the scanner.
    #[must_use]
    pub fn scans(self) -> bool {
        matches!(self, Self::Click | Self::Payme)
    }

    /// Every method, in the order in which people list them.
    pub const ALL: [Self; 4] = [Self::Humo, Self::Click, Self::Payme, Self::Sbp];

    /// The stable name used in the store, in `--json` and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Humo => "humo",
            Self::Click => "click",
            Self::Payme => "payme",
            Self::Sbp => "sbp",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A till's idempotency token: the same key with the same digest finds the first payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Till name and `Idempotency-Key`, joined by the API so that two tills never share a key.
    pub key: String,
    /// A digest of what was asked; another digest under the same key is a mistake of the till.
    pub digest: String,
}

impl Token {
    /// Whose key it is.
    #[must_use]
    pub fn till(&self) -> &str {
        self.key.split_once('/').map_or("", |(till, _)| till)
    }
}

/// Whose fiscal identity a sale is made under, copied into it so that its answer never changes with the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// Taxpayer number.
    pub inn: String,
    /// Cash register id.
    pub kkm_id: String,
    /// Device id.
    pub device_id: String,
}

/// One payment. The journal's facts are the only thing that changes it ([`super::fact`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its name, the till's `transaction_id`.
    pub id: PaymentId,
    /// Who moves the money.
    pub method: Method,
    /// Whatever the customer shows decides who moves the money; `method` is who it is, as far as that is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto: bool,
    /// What is asked of the customer.
    pub amount: Money,
    /// The code that the customer showed, where the method needs one and it is known.
    pub code: Option<String>,
    /// Holds scanner, PinPad and display: there is at most one such payment open.
    pub attended: bool,
    /// The till's idempotency token.
    pub token: Option<Token>,
    /// The till's own number for the order.
    pub order_id: Option<String>,
    /// Whose payment it is, by the till's own references (seed 003).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<Box<Parties>>,
    /// What tills asked of it under tokens of their own after it was created, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<Wish>,
    /// The fiscal identity it was made under.
    pub merchant: Merchant,
    /// When the till asked.
    pub created_ms: UnixMs,
    /// When it last changed.
    pub updated_ms: UnixMs,
    /// Where it stands.
    pub state: State,
    /// Since when it stands there. Unlike `updated_ms` it does not move when a receipt is delivered days later, so a
    /// display can tell a sale that has just ended from an old one.
    #[serde(default)]
    pub since_ms: UnixMs,
    /// Money came after the payment had ended otherwise.
    pub late: bool,
    /// What the provider or the PinPad said when it approved.
    pub approval: Option<Approval>,
    /// The fiscal debt and its end.
    pub fiscal: Fiscal,
    /// The receipts that were asked to be delivered, oldest first; only the last one counts.
    pub confirmations: Vec<Confirmation>,
    /// The PinPad's run that takes the money (HUMO only).
    pub run: Option<Run>,
    /// The code that the terminal shows (SBP only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbp: Option<Box<Sbp>>,
    /// Voids and refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// How an operator ended a doubt.
    pub resolution: Option<Resolution>,
    /// The answer was written out to the till, as far as the connection tells.
    pub answered: bool,
    /// Another payment of the same amount was in doubt when this one began.
    pub warned_of: Option<PaymentId>,
    /// The first final answer, which a repeated request gets for ever.
    pub answer: Option<Answer>,
}

/// What is known of money that moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The provider's own id (`payment_id`; HUMO: the RRN). Only this goes upstream.
    pub payment_id: Option<String>,
    /// The provider's transaction id, an echo that is kept and never compared.
    pub upstream_transaction_id: Option<String>,
    /// The provider's `status_code`, as sent.
    pub status_code: Option<i64>,
    /// The provider's `status`, as sent.
    pub status: Option<String>,
    /// The provider's words.
    pub message: Option<String>,
    /// The customer's phone, masked ("998•••••5009").
    pub phone_masked: Option<String>,
    /// The phone as received: in memory and in the first answer only, never at rest.
    #[serde(skip)]
    pub phone: Private,
    /// How we know, where it was not the answer itself.
    pub evidence: Option<String>,
}

/// A text that lives in memory and in the answer to the till, and nowhere else. It prints as a row of dots and is equal to every other one,
/// because what is not kept cannot be compared.
#[derive(Clone, Default)]
pub struct Private(pub Option<String>);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl PartialEq for Private {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Private {}

/// How an operator ended a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Who signs.
    pub name: String,
    /// Why they believe it.
    pub reason: String,
    /// What they found: `payment_id` or RRN.
    pub evidence: Option<String>,
}

/// The first final answer of a payment, from which the till's repeated request is answered byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The state that was told.
    pub state: State,
    /// The approval that was told.
    pub approval: Option<Approval>,
    /// The slip that was told (holder masked at rest).
    pub run: Option<Run>,
}

impl Payment {
    /// A payment of that name and amount that nothing has happened to yet.
    #[must_use]
    pub fn new(id: PaymentId, method: Method, amount: Money, created_ms: UnixMs) -> Self {
        Self {
            id,
            method,
            auto: false,
            amount,
            code: None,
            attended: false,
            token: None,
            order_id: None,
            parties: None,
            wishes: Vec::new(),
            merchant: Merchant::default(),
            created_ms,
            updated_ms: created_ms,
            state: State::Created,
            since_ms: created_ms,
            late: false,
            approval: None,
            fiscal: Fiscal::None,
            confirmations: Vec::new(),
            run: None,
            sbp: None,
            refunds: Vec::new(),
            resolution: None,
            answered: false,
            warned_of: None,
            answer: None,
        }
    }

    /// Needs no more attention from the driver: it may leave memory and be loaded again when somebody names it.
    #[must_use]
    pub fn may_leave_memory(&self) -> bool {
        self.state.is_final()
            && !self.sbp.as_ref().is_some_and(|sbp| sbp.is_watched())
            && self.run.as_ref().is_none_or(Run::is_over)
            && self.refunds.iter().all(|r| r.state.is_final() && r.run.as_ref().is_none_or(Run::is_over))
    }

    /// The confirmation that counts: the last one asked for.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmations.last()
    }

    /// Minor units that are, or may be, given back.
    #[must_use]
    pub fn refunded_minor(&self) -> i64 {
        self.refunds.iter().filter(|r| r.state.holds_money()).map(|r| r.amount.minor()).sum()
    }

    /// Somebody was asked for its money, or for the code to pay it by: it was at work, and not only known.
    #[must_use]
    pub fn was_accepted(&self) -> bool {
        self.parties.is_none() || self.wishes.iter().any(|wish| wish.what == Wished::Accept)
    }

    /// The till that asked for it, by its key; empty where it sent none.
    #[must_use]
    pub fn till(&self) -> &str {
        self.token.as_ref().map_or("", Token::till)
    }

    /// When the till wanted the money: a payment that was created first begins when it is accepted.
    #[must_use]
    pub fn begun_ms(&self) -> UnixMs {
        self.wishes.iter().find(|wish| wish.what == Wished::Accept).map_or(self.created_ms, |wish| wish.at_ms)
    }

    /// The customer may choose between a card and a code and has shown neither, so that `method` says nothing yet.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.auto && self.code.is_none() && !self.run.as_ref().is_some_and(|run| run.card_presented)
    }

    /// The PinPad's runs: the sale's, and those of what was given back.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.run.iter().chain(self.refunds.iter().filter_map(|refund| refund.run.as_ref()))
    }

    /// The PinPad has its request for a card, and has not ended.
    #[must_use]
    pub fn is_asked_for_card(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.is_over())
    }

    /// The tokens of all requests about this payment, with the refund that one asked for.
    pub fn tokens(&self) -> impl Iterator<Item = (&Token, Option<RefundId>)> {
        self.token.iter().map(|token| (token, None)).chain(self.later_tokens())
    }

    /// The tokens of the requests after the first one: wishes and refunds.
    pub fn later_tokens(&self) -> impl Iterator<Item = (&Token, Option<RefundId>)> {
        let refunds = self.refunds.iter().filter_map(|r| r.token.as_ref().map(|token| (token, Some(r.id))));
        self.wishes.iter().map(|wish| (&wish.token, None)).chain(refunds)
    }

    /// Whether any request about this payment was made under that key.
    #[must_use]
    pub fn has_token(&self, key: &str) -> bool {
        self.tokens().any(|(token, _)| token.key == key)
    }

    /// The refund of that name.
    #[must_use]
    pub fn refund(&self, id: RefundId) -> Option<&Refund> {
        self.refunds.iter().find(|r| r.id == id)
    }
}
