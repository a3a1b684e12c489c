//! The words of the technician's socket: one JSON object a line, a [`Request`] in, an [`Answer`] out. The same rows are what every command prints
//! with `--json`, so their fields are stable: added to, never renamed (docs/cli.md).
//!
//! Times are wall time in milliseconds since 1970-01-01T00:00:00Z, amounts integers of minor units with their currency beside them.

use serde::{Deserialize, Serialize};

use crate::payment::card::SettlementId;
use crate::payment::sale::{Merchant, PaymentId, RefundId, UnixMs};

/// What a technician asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How the terminal is: [`Status`].
    Status {},
    /// Payments, newest first: a list of [`PaymentRow`].
    Payments(PaymentsAsked),
    /// One payment with everything about it: [`PaymentDetail`].
    Payment {
        /// Its `transaction_id`, or the first digits of it.
        id: String,
    },
    /// An operator ends a doubt: [`PaymentDetail`] as it stands then.
    Resolve(Resolve),
    /// A technician calls a payment off that waits at the counter: [`PaymentDetail`].
    Cancel {
        /// Which; `None` = the one at the counter.
        id: Option<String>,
    },
    /// Receipts in the queue or parked, oldest first: a list of [`QueueRow`].
    Queue {
        /// Of this method only.
        method: Option<String>,
        /// At most so many.
        limit: Option<u32>,
    },
    /// A receipt is sent again: [`PaymentDetail`].
    Retry(Retry),
    /// The totals of a card shift: [`ShiftReport`].
    Shift {
        /// Which.
        which: WhichShift,
    },
    /// Closes the shift at the PinPad and waits for its end: [`ShiftReport`] of the shift that was closed.
    CloseShift {},
    /// An operator ends the doubt of a settlement: [`ShiftReport`].
    ResolveShift {
        /// The shift was closed.
        closed: bool,
        /// Who signs.
        name: String,
        /// Why they believe it.
        reason: String,
    },
    /// An operator signs that sales may be opened again: [`Status`].
    OpenSales {
        /// Who signs.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Request {
    /// What is asked, in the word that the line has for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status {} => "status",
            Self::Payments(_) => "payments",
            Self::Payment { .. } => "payment",
            Self::Resolve(_) => "resolve",
            Self::Cancel { .. } => "cancel",
            Self::Queue { .. } => "queue",
            Self::Retry(_) => "retry",
            Self::Shift { .. } => "shift",
            Self::CloseShift {} => "close_shift",
            Self::ResolveShift { .. } => "resolve_shift",
            Self::OpenSales { .. } => "open_sales",
        }
    }

    /// Of which payment, as the technician named it.
    #[must_use]
    pub fn of(&self) -> Option<&str> {
        match self {
            Self::Payment { id } | Self::Resolve(Resolve { id, .. }) | Self::Retry(Retry { id, .. }) => Some(id),
            Self::Cancel { id } => id.as_deref(),
            _ => None,
        }
    }
}

/// Which payments are asked for. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaymentsAsked {
    /// Of this method only.
    pub method: Option<String>,
    /// In this state only.
    pub state: Option<String>,
    /// With this order number of the till only.
    pub order_id: Option<String>,
    /// Created at or after.
    pub since_ms: Option<UnixMs>,
    /// Created before.
    pub until_ms: Option<UnixMs>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// An operator ends a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Which payment: its `transaction_id`, or the first digits of it.
    pub id: String,
    /// `true`: the money moved. `false`: it did not.
    pub paid: bool,
    /// Who signs.
    pub name: String,
    /// Why they believe it.
    pub reason: String,
    /// The provider's payment id, found in its cabinet.
    #[serde(default)]
    pub payment_id: Option<String>,
    /// The RRN, found on the PinPad's slip or report.
    #[serde(default)]
    pub rrn: Option<String>,
    /// It is paid, and no evidence can be had.
    #[serde(default)]
    pub no_evidence: bool,
}

/// An operator sends a receipt again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Whose: the payment's `transaction_id`, or the first digits of it.
    pub id: String,
    /// Another link in place of the parked one.
    #[serde(default)]
    pub link: Option<String>,
    /// Another document in place of the parked one: the JSON text for the operator of fiscal data (SBP).
    #[serde(default)]
    pub document: Option<Document>,
    /// The provider's own id of the sale, where its answer had none.
    #[serde(default)]
    pub payment_id: Option<String>,
    /// Who asks.
    pub name: String,
}

/// A document that names people: what is logged of it is a row of dots.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(pub String);

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•••")
    }
}

/// Which card shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichShift {
    /// The one that is open now.
    Open,
    /// The one that was closed last.
    Last,
}

/// What the terminal says to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What was asked for.
    Ok(serde_json::Value),
    /// Why not.
    Error(Trouble),
}

/// Why a request was not answered, and what to do: one sentence for a person, one word for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// The class.
    pub kind: TroubleKind,
    /// What, and what to do.
    pub message: String,
}

/// The class of a [`Trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// The request itself is wrong.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// The terminal says no; nothing was changed.
    Refused,
    /// The terminal could not: the store does not answer, too many ask, it is stopping.
    Failed,
}

/// How the terminal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Since when it runs, milliseconds.
    pub up_ms: u64,
    /// The terminal's wall clock.
    pub now_ms: UnixMs,
    /// The wall clock may be printed on a dated document.
    pub clock_trusted: bool,
    /// Why no sale begins; `None` = sales are open.
    pub closed: Option<String>,
    /// `good`, `refusing` (nothing new is begun) or `owing` (money moved and is not on disk yet).
    pub store: String,
    /// What is wrong with the store.
    pub store_why: Option<String>,
    /// The payment at the counter.
    pub counter: Option<PaymentRow>,
    /// The payment that ended last.
    pub last: Option<PaymentRow>,
    /// Everything that is in doubt, oldest first.
    pub in_doubt: Vec<PaymentRow>,
    /// The settlement that ended last or is open.
    pub settlement: Option<SettlementRow>,
    /// The shift is closed by itself at this time, and what keeps it from that.
    pub schedule: Option<ScheduleRow>,
    /// Receipts to be delivered.
    pub queued: u64,
    /// Receipts that a person has to look at.
    pub parked: u64,
    /// Paid sales whose receipt the till has not brought yet.
    pub owed: u64,
    /// When the oldest queued receipt was brought.
    pub oldest_queued_ms: Option<UnixMs>,
    /// The PinPad; `None` = not set up.
    pub pinpad: Option<DeviceRow>,
    /// The scanner; `None` = not set up.
    pub scanner: Option<DeviceRow>,
    /// The line that the PinPad wants shown.
    pub pinpad_status: Option<String>,
    /// Steps that the machine refused to itself since the start: a bug to be reported.
    pub faults: u64,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// It works.
    pub up: bool,
    /// Why not.
    pub why: Option<String>,
}

/// The daily closing of the shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// When, Tashkent time, `HH:MM`.
    pub settle_at: String,
    /// What keeps it from closing the shift that is due.
    pub trouble: Option<String>,
}

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

/// The closing of a card shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementRow {
    /// Its name.
    pub settlement_id: SettlementId,
    /// `processing`, `done`, `refused` or `settlement_in_doubt`.
    pub state: String,
    /// Why it is refused or in doubt.
    pub why: Option<String>,
    /// The PinPad's number of the shift, where a slip told it.
    pub shift: Option<String>,
    /// When it was asked for.
    pub created_ms: UnixMs,
    /// When it last changed.
    pub updated_ms: UnixMs,
    /// The total on its slip, minor units.
    pub total_minor: Option<i64>,
    /// The slip says that PinPad and bank agree.
    pub totals_agree: Option<bool>,
    /// The slip, masked.
    pub slip: String,
}

/// The totals of a card shift, for every method: the counter's day is counted by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftReport {
    /// Which one.
    pub which: WhichShift,
    /// When it began; `None` = no shift was closed from here before.
    pub began_ms: Option<UnixMs>,
    /// When it was closed.
    pub ended_ms: Option<UnixMs>,
    /// A row for each method and currency that has something to show.
    pub totals: Vec<MethodTotals>,
    /// The settlement that closed it, or that tried to.
    pub settlement: Option<SettlementRow>,
    /// What HUMO sums to here and on the settlement's slip: equal or not; `None` = the slip names no total.
    pub humo_agrees: Option<bool>,
    /// The PinPad refused a sale because it wants the shift closed (code 303).
    pub must_close: bool,
    /// The shift has more payments than were added up: the totals are too small.
    pub cut: bool,
}

/// What one method took in a shift. Sales count where they were begun, money given back where it was given back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodTotals {
    /// `humo`, `click`, `payme` or `sbp`.
    pub method: String,
    /// ISO 4217 of every amount in this row.
    pub currency: String,
    /// Sales that were paid.
    pub sales: u64,
    /// Their sum, minor units.
    pub sales_minor: i64,
    /// Voids that were done.
    pub voids: u64,
    /// Their sum, minor units.
    pub voids_minor: i64,
    /// Refunds that were done.
    pub refunds: u64,
    /// Their sum, minor units.
    pub refunds_minor: i64,
    /// Sales less voids less refunds, minor units.
    pub net_minor: i64,
    /// Sales and refunds that are in doubt: in none of the sums.
    pub in_doubt: u64,
    /// Their sum, minor units.
    pub in_doubt_minor: i64,
}
