//! The words of the technician's socket: one JSON object a line, a [`Request`] in, an [`Answer`] out. The same rows are what every command prints
//! with `--json`, so their fields are stable: added to, never renamed (docs/cli.md).
//!
//! Times are wall time in milliseconds since 1970-01-01T00:00:00Z, amounts integers of minor units with their currency beside them.

mod payment;

pub use payment::{
    CardRow, PartiesRow, PaymentDetail, PaymentRow, QueueRow, ReceiptRow, RefundRow, ResolutionRow, WishRow,
};

use serde::{Deserialize, Serialize};

use crate::payment::card::SettlementId;
use crate::payment::sale::UnixMs;

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
    /// An operator has found a parked receipt where it belongs: [`PaymentDetail`].
    ConfirmReceipt(ConfirmReceipt),
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
            Self::ConfirmReceipt(_) => "confirm_receipt",
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
            Self::Payment { id }
            | Self::Resolve(Resolve { id, .. })
            | Self::Retry(Retry { id, .. })
            | Self::ConfirmReceipt(ConfirmReceipt { id, .. }) => Some(id),
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

/// An operator signs that a parked receipt is at the provider or at the operator of fiscal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmReceipt {
    /// Whose: the payment's `transaction_id`, or the first digits of it.
    pub id: String,
    /// What was found: the receipt's number, its link, a line of the cabinet.
    pub evidence: String,
    /// Who signs.
    pub name: String,
    /// Why they believe it.
    pub reason: String,
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
    /// A code was read for it and waits, unsent, until the PinPad has stopped asking for a card: whose code, `click` or `payme`.
    #[serde(default)]
    pub held_code: Option<String>,
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
