//! What comes in ([`Event`]), what goes out ([`Effect`]), and how "no" is said ([`Denial`]).

use super::card::{Job, Question, RunId, RunResult, Settlement, SettlementId, Slip};
use super::fiscal::Receipt;
use super::money::Money;
use super::sale::{Approval, Decline, Method, Payment, PaymentId, Private, RefundId, Token};
use std::sync::Arc;

/// Everything that can happen to a payment. Whoever makes an event draws its fresh names; the machine has no dice.
#[derive(Clone, Debug)]
pub enum Event {
    /// A till asks for a sale.
    Sell(Sell),
    /// A till asks for card money back.
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
}

/// A till's request for card money back.
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

/// Work for the world outside, released after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the provider for the money. Exactly one per payment, ever.
    Charge {
        /// The payment, with its code.
        payment: Arc<Payment>,
    },
    /// Start a run that moves money or closes the shift.
    PinpadRun {
        /// Its name.
        run: RunId,
        /// What for; the sale, refund or settlement is in the state.
        order: PinpadOrder,
    },
    /// Ask a question that moves nothing.
    PinpadAsk {
        /// Its name.
        run: RunId,
        /// What.
        question: Question,
    },
    /// Hear the end of an interrupted run.
    PinpadRecover {
        /// Its name.
        run: RunId,
        /// Never answer ER.
        card_presented: bool,
    },
    /// The evidence is on disk: answer the PinPad.
    PinpadRelease {
        /// Which run.
        run: RunId,
        /// Which evidence.
        sequence: u32,
    },
    /// Take the PinPad's request for a card back, if it still can be.
    PinpadCancel {
        /// Which run.
        run: RunId,
    },
    /// Whoever waits for this may have it now.
    Settled(Subject),
    /// The queue has something to deliver.
    Deliver,
    /// Tell the people at the counter.
    Notice(Notice),
}

/// A run that moves money or closes the shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinpadOrder {
    /// Take this much.
    Sale(Money),
    /// Cancel a sale of this shift.
    Void {
        /// The sale's amount.
        amount: Money,
        /// The sale's RRN.
        rrn: String,
        /// The number on its slip.
        receipt_number: Option<String>,
    },
    /// Give back a sale of an earlier shift.
    Refund {
        /// How much.
        amount: Money,
        /// The sale's RRN.
        rrn: String,
    },
    /// Close the shift.
    Settlement,
}

/// Something that a till can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A payment: final or in doubt.
    Payment(PaymentId),
    /// A void or refund: final or in doubt.
    Refund(PaymentId, RefundId),
    /// A settlement: final or in doubt.
    Settlement(SettlementId),
    /// A confirmation: confirmed or parked.
    Confirmation(PaymentId, u32),
}

impl From<Job> for Subject {
    fn from(job: Job) -> Self {
        match job {
            Job::Sale { payment } => Self::Payment(payment),
            Job::Refund { payment, refund } => Self::Refund(payment, refund),
            Job::Settlement { settlement } => Self::Settlement(settlement),
        }
    }
}

/// A word to the people at the counter that changes no payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nobody waits for a scan.
    ScanUnexpected,
    /// What was scanned cannot pay here; shown with what it is.
    ScanNotPayment(super::code::CodeKind),
    /// This code has paid, or may have paid, already.
    ScanUsed,
}

/// What a till or a technician hears when something was accepted or found.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A payment as it stands.
    Payment(Arc<Payment>),
    /// A refund as it stands, within its payment.
    Refund(Arc<Payment>, RefundId),
    /// A settlement as it stands.
    Settlement(Arc<Settlement>),
    /// A confirmation as it stands, within its payment.
    Confirmation(Arc<Payment>, u32),
    /// Nothing to show.
    Done,
}

impl Reply {
    /// What the reply is about, and whether it is worth waiting for more.
    #[must_use]
    pub fn awaited(&self) -> Option<Subject> {
        use super::fiscal::ConfirmationState as C;
        match self {
            Self::Payment(p) if p.state.is_in_progress() => Some(Subject::Payment(p.id)),
            Self::Refund(p, id) => {
                let waits = p.refund(*id).is_some_and(|r| {
                    use super::sale::RefundState as R;
                    matches!(r.state, R::Requested | R::Processing)
                });
                waits.then_some(Subject::Refund(p.id, *id))
            }
            Self::Settlement(s) if matches!(s.state, super::card::SettlementState::Processing) => {
                Some(Subject::Settlement(s.id))
            }
            Self::Confirmation(p, number) => p
                .confirmations
                .iter()
                .any(|c| c.number == *number && c.state == C::Queued)
                .then_some(Subject::Confirmation(p.id, *number)),
            Self::Payment(_) | Self::Settlement(_) | Self::Done => None,
        }
    }
}

/// Why something was not done. Nothing was changed and nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The counter is taken.
    #[error("the terminal is busy with payment {with}; finish or cancel it first")]
    Busy {
        /// By which payment.
        with: PaymentId,
    },
    /// The PinPad is at work for a refund or a settlement, or with a question.
    #[error("the PinPad is busy; try again in a few seconds")]
    PinpadBusy,
    /// Nobody knows how the last card operation ended.
    #[error("card payments are held until {of} is settled: nobody knows yet whether its money moved")]
    PinpadInDoubt {
        /// The payment, refund's payment or settlement, as text.
        of: String,
    },
    /// The PinPad does not answer.
    #[error("the PinPad is not connected: {why}")]
    PinpadAbsent {
        /// For the technician.
        why: String,
    },
    /// The provider or the fiscal identity is not configured.
    #[error("{method} is not set up on this terminal; add [{method}] and [merchant] to tolov.toml")]
    NotConfigured {
        /// Which.
        method: Method,
    },
    /// Sales are closed.
    #[error("sales are closed: {why}")]
    SalesClosed {
        /// Why.
        why: String,
    },
    /// Other words under a known idempotency token.
    #[error("this idempotency token was used for another request (payment {of})")]
    TokenReused {
        /// By which payment.
        of: PaymentId,
    },
    /// The code has paid, or may have paid, another amount.
    #[error("this code was already used for payment {by}")]
    CodeUsed {
        /// By which payment.
        by: PaymentId,
    },
    /// No such payment.
    #[error("no such payment here: {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// It is too late, or too early, for that.
    #[error("payment {payment} is {state}: {hint}")]
    WrongState {
        /// Which payment.
        payment: PaymentId,
        /// Its state's name.
        state: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// The payment belongs to another provider.
    #[error("payment {payment} was made with {method}; confirm it there")]
    WrongMethod {
        /// Which payment.
        payment: PaymentId,
        /// Its method.
        method: Method,
    },
    /// Another receipt is already on its way or confirmed.
    #[error("payment {payment} already has another receipt ({state})")]
    ReceiptDiffers {
        /// Which payment.
        payment: PaymentId,
        /// The state of the receipt it has.
        state: &'static str,
    },
    /// The refund does not fit.
    #[error("{why}")]
    RefundRefused {
        /// What does not fit, in words.
        why: String,
    },
    /// The settlement cannot start.
    #[error("{why}")]
    SettlementRefused {
        /// Why, in words.
        why: String,
    },
    /// The disk cannot take it.
    #[error("nothing was started, because it could not be written down: {why}")]
    Store {
        /// The store's words.
        why: String,
    },
    /// Too many requests wait.
    #[error("the terminal has too many requests waiting; try again in a moment")]
    Overloaded,
    /// The daemon is shutting down.
    #[error("the terminal is shutting down")]
    ShuttingDown,
}
