//! A payment and all that belongs to it, as rows.

use serde::{Deserialize, Serialize};

use crate::payment::sale::{Merchant, PaymentId, RefundId, UnixMs};

/// A payment in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRow {
    /// Its name.
    pub transaction_id: PaymentId,
    /// `humo`, `click`, `payme` or `sbp`.
    pub method: String,
    /// The till leaves it to the customer who moves the money: a card or a code.
    pub auto: bool,
    /// The customer has shown neither yet: `method` is only where the terminal asks first.
    pub undecided: bool,
    /// Where it stands: `created`, `awaiting_payer`, `bank_processing`, `paid`, `refunded`, `declined`, `cancelled`, `expired`, `in_doubt`.
    pub state: String,
    /// Its fiscal debt: `none`, `not_required`, `owed`, `queued`, `confirmed`, `parked`.
    pub fiscal: String,
    /// How much, minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// When the till asked.
    pub created_ms: UnixMs,
    /// When the till wanted the money: `created_ms`, or when a payment that was created first was accepted.
    pub begun_ms: UnixMs,
    /// Since when it stands there.
    pub since_ms: UnixMs,
    /// The till's own number of the order.
    pub order_id: Option<String>,
    /// The provider's own id; HUMO: the RRN.
    pub payment_id: Option<String>,
    /// Why it is declined, cancelled or in doubt.
    pub why: Option<String>,
    /// The PinPad's or the provider's code of a decline.
    pub code: Option<String>,
    /// What to do, where a person has to.
    pub advice: Option<String>,
    /// Money came after it had ended otherwise.
    pub late: bool,
    /// Minor units that are, or may be, given back.
    pub refunded_minor: i64,
}

/// A payment with everything about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentDetail {
    /// As in a list.
    #[serde(flatten)]
    pub row: PaymentRow,
    /// When it last changed.
    pub updated_ms: UnixMs,
    /// Whose payment it is, where the till created it first.
    pub parties: Option<PartiesRow>,
    /// What the till asked of it after that, oldest first.
    pub wishes: Vec<WishRow>,
    /// The fiscal identity that it was made under.
    pub merchant: Merchant,
    /// The answer was written out to the till, as far as the connection tells (HUMO only).
    pub answered: bool,
    /// Another payment of the same amount was in doubt when this one began.
    pub warned_of: Option<PaymentId>,
    /// The provider's words.
    pub message: Option<String>,
    /// The customer's phone, masked.
    pub phone_masked: Option<String>,
    /// How the money is known to have moved, where it was not the answer itself.
    pub evidence: Option<String>,
    /// How an operator ended the doubt.
    pub resolution: Option<ResolutionRow>,
    /// The card's side (HUMO; where the customer could choose and a code paid, how the PinPad was asked before that).
    pub card: Option<CardRow>,
    /// Voids and refunds, oldest first.
    pub refunds: Vec<RefundRow>,
    /// Its receipts, oldest first; the last one counts.
    pub receipts: Vec<ReceiptRow>,
}

/// Whose payment it is, by the till's own references.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartiesRow {
    /// Who pays.
    pub sender_id: String,
    /// Who is paid, spelled as on the wire.
    pub recipcient_id: String,
    /// How, as the till wrote it.
    pub method_id: String,
}

/// What a till asked of a payment that it had created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishRow {
    /// When.
    pub at_ms: UnixMs,
    /// `edit`, `accept` or `cancel`.
    pub what: String,
    /// Why it is called off: `customer_request`, `other_method`, `till_error`, `duplicate`, `timeout` or `other`.
    pub reason: Option<String>,
}

/// How an operator ended a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolutionRow {
    /// Who signed.
    pub name: String,
    /// Why they believed it.
    pub reason: String,
    /// What they found.
    pub evidence: Option<String>,
}

/// What the PinPad said about a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRow {
    /// A card was in the game.
    pub presented: bool,
    /// The PinPad's result code.
    pub result: Option<String>,
    /// RRN on the slip.
    pub rrn: Option<String>,
    /// Authorisation code.
    pub authorisation_code: Option<String>,
    /// First six and last four digits.
    pub card_masked: Option<String>,
    /// The PinPad's terminal id.
    pub terminal_id: Option<String>,
    /// The shift's number.
    pub shift: Option<String>,
    /// The slip's number.
    pub receipt_number: Option<String>,
    /// The slip, masked.
    pub slip: String,
}

/// Money given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRow {
    /// Its name.
    pub refund_id: RefundId,
    /// `void` or `refund`.
    pub kind: String,
    /// `requested`, `processing`, `done`, `refused` or `in_doubt`.
    pub state: String,
    /// How much, minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// When it was asked for.
    pub created_ms: UnixMs,
    /// Why it is refused or in doubt.
    pub why: Option<String>,
}

/// A fiscal receipt on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRow {
    /// Counts from 1 within its payment.
    pub number: u32,
    /// `held`, `queued`, `confirmed`, `parked` or `withdrawn`.
    pub state: String,
    /// The link, as the till sent it.
    pub link: Option<String>,
    /// When the till brought it.
    pub asked_ms: UnixMs,
    /// Deliveries tried.
    pub attempts: u32,
    /// Not to be tried before this.
    pub next_ms: UnixMs,
    /// Why the last delivery failed, or why it is parked.
    pub last_error: Option<String>,
    /// What the provider answered.
    pub answer: Option<String>,
}

/// A receipt in the queue, with its payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The payment.
    #[serde(flatten)]
    pub payment: PaymentRow,
    /// Its receipt that counts.
    pub receipt: ReceiptRow,
}
