//! The journal's lines. A [`Fact`] is something that happened; [`Terminal::apply`](super::Terminal::apply) is the only thing that changes a payment,
//! so that replaying the journal from its first line gives the payments as they stand.

mod about;
mod apply;
mod moves;

pub use moves::Move;

use super::card::{CardMark, Job, RunId, RunOver, RunResult, SettlementId, SettlementState, Slip};
use super::fiscal::{ConfirmationState, Fiscal, Receipt};
use super::money::Money;
use super::order::{Parties, Wish};
use super::sale::{
    Approval, CancelledBy, Decline, Doubt, Merchant, Method, PaymentId, Private, RefundId, RefundKind, RefundState,
    Resolution, State, Token, UnixMs,
};
use super::sbp::{CashLink, QrCode, QrStatus, Sbp};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A sale was asked for. `state` is `awaiting_payer`, or `bank_processing` where the request brought the code.
    Opened {
        /// Its name.
        payment: PaymentId,
        /// Who is to move the money.
        method: Method,
        /// How much.
        amount: Money,
        /// The code, where the till brought it.
        code: Option<String>,
        /// Holds the counter.
        attended: bool,
        /// The till's token.
        token: Option<Token>,
        /// The till's order number.
        order_id: Option<String>,
        /// The fiscal identity.
        merchant: Merchant,
        /// Where it begins.
        state: State,
        /// The PinPad's run (HUMO), and the last card operation known before it.
        run: Option<(RunId, Option<CardMark>)>,
        /// Another payment of the same amount is in doubt.
        warned_of: Option<PaymentId>,
        /// What is asked of QRManager (SBP).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sbp: Option<Box<Sbp>>,
    },
    /// A payment was made known; nothing is asked of anybody yet.
    Created {
        /// Its name.
        payment: PaymentId,
        /// Who is to move the money, as far as that is known.
        method: Method,
        /// Whatever the customer shows decides who does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        auto: bool,
        /// How much.
        amount: Money,
        /// The till's token.
        token: Token,
        /// The till's order number.
        order_id: Option<String>,
        /// Whose payment it is.
        parties: Box<Parties>,
        /// The fiscal identity.
        merchant: Merchant,
        /// What will be asked of QRManager (SBP).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sbp: Option<Box<Sbp>>,
    },
    /// A till's request about a created payment was taken; the lines that follow say what came of it.
    Wished {
        /// Of which payment.
        payment: PaymentId,
        /// What was asked, and under which token.
        wish: Wish,
    },
    /// A created payment has other terms.
    Edited {
        /// Which.
        payment: PaymentId,
        /// Who is to move the money, as far as that is known.
        method: Method,
        /// Whatever the customer shows decides who does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        auto: bool,
        /// How much.
        amount: Money,
        /// As the till wrote the method.
        method_id: String,
        /// What will be asked of QRManager (SBP).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sbp: Option<Box<Sbp>>,
    },
    /// A created payment begins: from here on it is as if it had been [`Fact::Opened`] now.
    Accepted {
        /// Which.
        payment: PaymentId,
        /// Who is to move the money, as far as that is known now.
        method: Method,
        /// The code, where the till brought it.
        code: Option<String>,
        /// Holds the counter.
        attended: bool,
        /// `awaiting_payer`, or `bank_processing` where the request brought the code.
        state: State,
        /// The PinPad's run, and the last card operation known before it.
        run: Option<(RunId, Option<CardMark>)>,
        /// Another payment of the same amount is in doubt.
        warned_of: Option<PaymentId>,
        /// The cash link that it is paid at (SBP).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link_id: Option<String>,
    },
    /// The PinPad is asked for a card where the customer may choose: for the first time, because it was away before, or again, because it gave
    /// up waiting for one. No card has paid before.
    CardAsked {
        /// Whose.
        payment: PaymentId,
        /// The PinPad's run, and the last card operation known before it.
        run: (RunId, Option<CardMark>),
    },
    /// QRManager made the code, or activated the cash link.
    CodeMade {
        /// Whose.
        payment: PaymentId,
        /// The code.
        code: QrCode,
    },
    /// QRManager said something new about a code.
    StatusTold {
        /// Whose.
        payment: PaymentId,
        /// What.
        status: QrStatus,
    },
    /// Nothing more will come of a code.
    WatchOver {
        /// Whose.
        payment: PaymentId,
    },
    /// The scanner gave the code; the provider is about to be asked.
    CodeBound {
        /// Whose.
        payment: PaymentId,
        /// Who moves the money, where only the code has decided that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<Method>,
        /// As read.
        code: String,
    },
    /// The money moved.
    Approved {
        /// Whose.
        payment: PaymentId,
        /// What was said.
        approval: Approval,
        /// After it had ended otherwise.
        late: bool,
        /// The fiscal debt, born in this very line.
        fiscal: Fiscal,
    },
    /// No money moved.
    Declined {
        /// Whose.
        payment: PaymentId,
        /// Why.
        decline: Decline,
    },
    /// Nobody here knows.
    Doubted {
        /// Whose.
        payment: PaymentId,
        /// Why.
        why: Doubt,
    },
    /// Called off before anything was sent.
    Cancelled {
        /// Whose.
        payment: PaymentId,
        /// By whom.
        by: CancelledBy,
    },
    /// Nobody paid in time.
    Expired {
        /// Whose.
        payment: PaymentId,
    },
    /// An operator ended a doubt; the line that follows says to what.
    Resolved {
        /// Whose.
        payment: PaymentId,
        /// Who signed, why, on what evidence.
        resolution: Resolution,
    },
    /// The answer was written out to the till.
    Answered {
        /// Whose.
        payment: PaymentId,
    },
    /// A card is in the game.
    CardPresented {
        /// Which run.
        job: Job,
    },
    /// The PinPad printed.
    Printed {
        /// Which run.
        job: Job,
        /// This piece, masked.
        text: String,
        /// This piece, as printed; never at rest.
        #[serde(skip)]
        printed: Private,
        /// The whole slip so far.
        slip: Box<Slip>,
    },
    /// SETTAGS.
    Tagged {
        /// Which run.
        job: Job,
        /// As sent.
        tags: Vec<(String, String)>,
    },
    /// STORERC.
    Result {
        /// Which run.
        job: Job,
        /// As sent, with its meaning.
        result: RunResult,
    },
    /// The PinPad is asked about a run for the first time.
    Questioned {
        /// Which run.
        job: Job,
    },
    /// Nothing more will be heard of a run.
    RunOver {
        /// Which run.
        job: Job,
        /// Why.
        over: RunOver,
    },
    /// The till brought a receipt. `state` is `queued`, `held` (in doubt) or `parked` (cannot be sent).
    ReceiptBrought {
        /// Whose.
        payment: PaymentId,
        /// The receipt.
        receipt: Receipt,
        /// Where it begins.
        state: ConfirmationState,
        /// Why it is parked.
        why: Option<String>,
    },
    /// A held receipt may go now, or a parked one goes again as it was.
    ReceiptReleased {
        /// Whose.
        payment: PaymentId,
        /// Which.
        number: u32,
        /// `queued`, `parked` or `withdrawn`.
        state: ConfirmationState,
        /// Who asked, or why.
        why: Option<String>,
    },
    /// A delivery failed and will be tried again.
    ReceiptDelayed {
        /// Whose.
        payment: PaymentId,
        /// Which.
        number: u32,
        /// Not before this.
        next_ms: UnixMs,
        /// Why it failed, or what it waits for.
        error: String,
        /// The provider took it and is still at work: it is asked about, not sent again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        registered: bool,
    },
    /// The provider has it.
    ReceiptConfirmed {
        /// Whose.
        payment: PaymentId,
        /// Which.
        number: u32,
        /// The provider's answer.
        answer: Option<String>,
    },
    /// An operator has found a parked receipt where it belongs; nobody here was told of it.
    ReceiptSigned {
        /// Whose.
        payment: PaymentId,
        /// Which.
        number: u32,
        /// Who signed, why, on what evidence.
        resolution: Resolution,
    },
    /// The provider will not take it; a person has to look.
    ReceiptParked {
        /// Whose.
        payment: PaymentId,
        /// Which.
        number: u32,
        /// Why.
        error: String,
    },
    /// An operator found the provider's own id of a paid sale.
    UpstreamNamed {
        /// Whose.
        payment: PaymentId,
        /// As the provider knows it.
        upstream_id: String,
        /// Who signs.
        name: String,
    },
    /// A refund or void was asked for.
    RefundOpened {
        /// Of which payment.
        payment: PaymentId,
        /// Its name.
        refund: RefundId,
        /// Void or refund.
        kind: RefundKind,
        /// How much.
        amount: Money,
        /// The till's token.
        token: Option<Token>,
        /// Its run, and the last card operation known before it (HUMO).
        run: Option<(RunId, Option<CardMark>)>,
    },
    /// The provider took the refund's request and gave it a name.
    RefundNamed {
        /// Of which payment.
        payment: PaymentId,
        /// Which.
        refund: RefundId,
        /// As the provider knows it.
        upstream_id: String,
    },
    /// A refund moved on.
    RefundBecame {
        /// Of which payment.
        payment: PaymentId,
        /// Which.
        refund: RefundId,
        /// To what.
        state: RefundState,
    },
    /// Everything was given back.
    Refunded {
        /// Of which payment.
        payment: PaymentId,
    },
    /// A settlement was asked for.
    SettlementOpened {
        /// Its name.
        settlement: SettlementId,
        /// The till's token.
        token: Option<Token>,
        /// The shift it closes, or one before it; `None` where no slip told a number.
        shift: Option<String>,
        /// Its run, and the last card operation known before it.
        run: (RunId, Option<CardMark>),
    },
    /// A settlement moved on.
    SettlementBecame {
        /// Which.
        settlement: SettlementId,
        /// To what.
        state: SettlementState,
    },
    /// An operator ended the doubt of a settlement; the line that follows says to what.
    SettlementResolved {
        /// Which.
        settlement: SettlementId,
        /// Who signed, why, on what evidence.
        resolution: Resolution,
    },
    /// The cash link of a profile stands so.
    CashLinkBecame {
        /// Whose.
        profile: String,
        /// How.
        link: CashLink,
    },
    /// The last card operation that is known to have happened. Without an RRN: nobody knows which was the last.
    CardMarked {
        /// Which.
        mark: CardMark,
    },
    /// Sales are closed.
    SalesClosed {
        /// Why.
        why: String,
    },
    /// Sales are open again.
    SalesOpened {
        /// Who signed.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A journal that cannot have been written by this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The line speaks of something that no earlier line made.
    #[error("the journal speaks of {what}, which no earlier line made")]
    Unknown {
        /// Of what.
        what: String,
    },
    /// The line makes something a second time.
    #[error("the journal makes {what} a second time")]
    Twice {
        /// What.
        what: String,
    },
    /// The diagram has no such arrow.
    #[error("payment {payment} cannot go from {from} to {to}")]
    NoArrow {
        /// Which payment.
        payment: PaymentId,
        /// From where.
        from: &'static str,
        /// To where.
        to: &'static str,
    },
}
