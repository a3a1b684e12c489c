//! What comes in ([`Event`]), what goes out ([`Effect`]), and how "no" is said ([`Denial`]).

mod effect;
mod reply;

pub use effect::{Effect, Notice, PinpadOrder, Subject};
pub use reply::{Denial, Reply};

use super::card::{RunId, RunResult, SettlementId, Slip};
use super::fiscal::Receipt;
use super::money::Money;
use super::order::{Ask, Create};
use super::sale::{Approval, Decline, Method, PaymentId, Private, RefundId, Resolution, Token};
use super::sbp::{SbpAsk, SbpHeard};

/// Everything that can happen to a payment. Whoever makes an event draws its fresh names; the machine has no dice.
#[derive(Clone, Debug)]
pub enum Event {
    /// A till asks for a sale.
    Sell(Sell),
    /// A till makes a payment known, to be accepted later.
    Create(Box<Create>),
    /// A till asks something of a payment that it has created.
    Ask(Box<Ask>),
    /// A till asks for money back.
    GiveBack(GiveBack),
    /// A till, a technician or the schedule closes the card shift.
    Settle {
        /// Fresh name.
        id: SettlementId,
        /// Fresh name of its run.
        run: RunId,
        /// The till's idempotency token.
        token: Option<Token>,
    },
    /// A till brings the fiscal receipt of a sale.
    Confirm(Confirm),
    /// Somebody wants a payment called off.
    Cancel {
        /// Which; `None` = the one at the counter.
        payment: Option<PaymentId>,
        /// A technician, not a till.
        operator: bool,
    },
    /// The till's connection closed while its request was waiting.
    TillGone {
        /// What it was waiting for.
        payment: PaymentId,
    },
    /// The till's answer was written to its connection.
    Answered {
        /// Whose.
        payment: PaymentId,
    },
    /// The scanner read something.
    Scanned {
        /// As read, control characters removed.
        text: String,
    },
    /// A provider's answer, or the lack of one.
    ProviderAnswered {
        /// Whose.
        payment: PaymentId,
        /// In which class.
        outcome: Outcome,
    },
    /// What QRManager said about a code, a refund or a cash link.
    Sbp(SbpHeard),
    /// A till wants the profile's cash link registered, or names one that is.
    RegisterLink(RegisterLink),
    /// The line to the PinPad is open and drained.
    PinpadUp,
    /// The line to the PinPad is gone.
    PinpadDown {
        /// For the technician.
        why: String,
    },
    /// A line for the display.
    PinpadStatus {
        /// Which run.
        run: RunId,
        /// As sent.
        text: String,
    },
    /// The PinPad said something that must be on disk before it is answered.
    PinpadSaid {
        /// Which run.
        run: RunId,
        /// To be released after the commit.
        sequence: u32,
        /// What.
        said: Said,
    },
    /// A run of the PinPad is over.
    PinpadFinished {
        /// Which run.
        run: RunId,
        /// How.
        end: RunEnd,
    },
    /// The outbox tried to deliver a confirmation.
    Delivered {
        /// Whose.
        payment: PaymentId,
        /// Which of its confirmations.
        number: u32,
        /// How it went.
        outcome: Delivery,
        /// Where a retry falls within its back-off, 0..1000 (drawn by the outbox).
        jitter_permille: u16,
    },
    /// An operator ends a doubt.
    Resolve {
        /// Whose.
        payment: PaymentId,
        /// To what.
        verdict: Verdict,
        /// Who signs.
        name: String,
        /// Why they believe it.
        reason: String,
        /// What they found: the provider's payment id or the RRN.
        evidence: Option<String>,
    },
    /// An operator sends a parked confirmation again, corrected or as it was.
    RetryConfirmation {
        /// Whose.
        payment: PaymentId,
        /// In place of the parked one.
        receipt: Option<Receipt>,
        /// The provider's own id of the sale, where its answer had none and the operator found it there.
        upstream_id: Option<String>,
        /// Who asks.
        name: String,
    },
    /// An operator has found a parked receipt where it belongs: at the provider, or at the operator of fiscal data.
    SignConfirmation {
        /// Whose.
        payment: PaymentId,
        /// Who signs, why, on what evidence.
        resolution: Resolution,
    },
    /// Sales are closed because the store was set aside as corrupt and open payments cannot be ruled out.
    CloseSales {
        /// For the display and the technician.
        why: String,
    },
    /// An operator signs that sales may be opened again.
    OpenSales {
        /// Who signs.
        name: String,
        /// Why.
        reason: String,
    },
    /// The scanner came or went.
    Scanner {
        /// It is there.
        present: bool,
    },
    /// The daemon has loaded what is open and begins to work. Runs left open by the last life are told apart by it.
    Started,
    /// Time passed. Fresh names for the questions that may be due.
    Tick {
        /// For a question to the PinPad.
        run: RunId,
    },
}

/// A till's request for a sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sell {
    /// Fresh name.
    pub id: PaymentId,
    /// Fresh name of the PinPad's run, should there be one.
    pub run: RunId,
    /// Who is to move the money.
    pub method: Method,
    /// What is asked for.
    pub amount: Money,
    /// The customer's code, where the till brings it.
    pub code: Option<String>,
    /// The till's idempotency token.
    pub token: Option<Token>,
    /// The till's own number for the order.
    pub order_id: Option<String>,
    /// What QRManager is asked for (SBP only).
    pub sbp: Option<Box<SbpAsk>>,
    /// The sale wants the display: an SBP code may also be shown by the till alone, beside other sales.
    pub display: bool,
}

/// A till's wish for a cash link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterLink {
    /// Of which QR terminal.
    pub profile: String,
    /// Side of the picture, pixels (100..=1000).
    pub size: Option<u16>,
    /// The link that the bank issued.
    pub qrc_id: Option<String>,
    /// `(cashQrId, cashQrLink)` of a link that is registered already and that a person looked up.
    pub known: Option<(String, String)>,
}

/// A till's request for money back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveBack {
    /// Fresh name.
    pub id: RefundId,
    /// Fresh name of the PinPad's run.
    pub run: RunId,
    /// Of which sale.
    pub of: SaleRef,
    /// What is given back.
    pub amount: Money,
    /// The till's idempotency token.
    pub token: Option<Token>,
}

/// How a till names a sale.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SaleRef {
    /// Our `transaction_id`.
    Payment(PaymentId),
    /// The provider's own id (`payment_id`, `payme_id`; HUMO: the RRN).
    Upstream(Method, String),
}

/// A till brings a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The endpoint's provider; a payment of another one is refused.
    pub method: Method,
    /// Of which sale.
    pub of: SaleRef,
    /// The receipt.
    pub receipt: Receipt,
}

/// The class of a provider's answer (DESIGN §4, "Outcome classes").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Understood in full, money moved.
    Approved(Approval),
    /// Well-formed, with a code that is configured to mean "no money moved". Carries `refused` or `misconfigured`.
    Refused(Decline),
    /// Not one byte of the request was written.
    NotSent {
        /// For the technician.
        text: String,
    },
    /// Everything else.
    InDoubt {
        /// For the technician and the till's `advice`.
        text: String,
    },
}

/// What the PinPad said, in a payment's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A card is in the game.
    CardPresented,
    /// A piece of the slip.
    Print {
        /// This piece, masked: what may be stored.
        masked: String,
        /// This piece, as printed.
        printed: Private,
        /// What the whole slip says so far.
        slip: Box<Slip>,
        /// What the whole report lists so far, one slip an entry.
        entries: Vec<Slip>,
    },
    /// SETTAGS.
    Tags(Vec<(String, String)>),
    /// STORERC.
    Result(RunResult),
}

/// How a run of the PinPad ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// ENDTR.
    Ended,
    /// Not one byte was written.
    NotSent {
        /// For the technician.
        why: String,
    },
    /// It broke off.
    Lost {
        /// For the technician.
        why: String,
    },
}

/// How a delivery to a provider went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The provider said so.
    Confirmed {
        /// Its answer's `data`, compact JSON.
        answer: Option<String>,
    },
    /// The provider will never take it as it is (code 7).
    Refused {
        /// Its words.
        text: String,
    },
    /// The provider took it and is still at work: ask again, do not send again.
    Pending {
        /// For the technician.
        text: String,
    },
    /// Try again: network, 5xx, not set up yet.
    Retry {
        /// For the technician.
        text: String,
    },
}

/// How an operator ends a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The money moved.
    Paid,
    /// It did not.
    Absent,
}
