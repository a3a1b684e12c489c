//! What a caller hears: a [`Reply`], or how "no" is said ([`Denial`]).

use super::Subject;
use crate::payment::card::Settlement;
use crate::payment::money::Money;
use crate::payment::sale::{Method, Payment, PaymentId, RefundId, State};
use std::sync::Arc;

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
        use crate::payment::fiscal::ConfirmationState as C;
        match self {
            // Nobody is at work on it yet.
            Self::Payment(p) if p.state == State::Created => None,
            // The till gets the code to show; that it was paid is told by events and by asking.
            Self::Payment(p) if p.method == Method::Sbp => {
                let waits = p.state.is_in_progress() && p.sbp.as_ref().is_none_or(|sbp| sbp.code.is_none());
                waits.then_some(Subject::Code(p.id))
            }
            Self::Payment(p) if p.state.is_in_progress() => Some(Subject::Payment(p.id)),
            Self::Refund(p, id) => {
                let waits = p.refund(*id).is_some_and(|r| {
                    use crate::payment::sale::RefundState as R;
                    // QRManager has taken it: how it ends is asked for later.
                    let taken = r.upstream_id.is_some();
                    r.state == R::Requested || r.state == R::Processing && !taken
                });
                waits.then_some(Subject::Refund(p.id, *id))
            }
            Self::Settlement(s) if matches!(s.state, crate::payment::card::SettlementState::Processing) => {
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
    #[error("{method} is not set up on this terminal; add {} to tolov.toml", to_be_added(*method))]
    NotConfigured {
        /// Which.
        method: Method,
    },
    /// The QR terminal that the till names is not configured.
    #[error(
        "there is no QR terminal \"{profile}\" here; add [qrm.{profile}] to tolov.toml and its key to the credentials"
    )]
    NoProfile {
        /// Which.
        profile: String,
    },
    /// The cash link cannot be used.
    #[error("the cash link of {profile} cannot be used: {why}")]
    CashLink {
        /// Whose.
        profile: String,
        /// Its state's name, or `none`.
        state: &'static str,
        /// What to do.
        why: String,
    },
    /// The till has its share of SBP codes that may still be paid.
    #[error(
        "{count} SBP codes of this till can still be paid, those that were called off included: no more are watched for one till; the next can be \
         made when one of them is paid or has ended"
    )]
    CodesOpen {
        /// So many.
        count: usize,
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
    /// The code does not fit the payment that was to be paid by it.
    #[error("{why}")]
    CodeUnfit {
        /// What does not fit, in words.
        why: String,
    },
    /// The provider has no such operation.
    #[error("{method} payments cannot be given back from here")]
    NotSupported {
        /// Whose provider.
        method: Method,
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
    /// The receipt does not fit its sale.
    #[error("{why}")]
    ReceiptRefused {
        /// What does not fit, in words.
        why: String,
    },
    /// More is to go back than is left of what was paid, or nothing, or another currency.
    #[error("{paid} was paid, {left} of it can still be given back")]
    RefundTooMuch {
        /// What was paid.
        paid: Money,
        /// So much of it is neither given back nor on its way.
        left: Money,
    },
    /// A part of a card sale that the PinPad can only void.
    #[error("a sale of this shift is voided whole: give {amount} back")]
    VoidedWhole {
        /// All of it.
        amount: Money,
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

impl Denial {
    /// The same sentence for a till, with money counted as the door counts it that the till has knocked at.
    #[must_use]
    pub fn counted(&self, count: impl Fn(Money) -> String) -> String {
        match self {
            Self::RefundTooMuch { paid, left } => {
                format!("{} was paid, {} of it can still be given back", count(*paid), count(*left))
            }
            Self::VoidedWhole { amount } => {
                format!("a sale of this shift is voided whole: send amount {}", count(*amount))
            }
            other => other.to_string(),
        }
    }
}

/// What a method needs in the configuration.
fn to_be_added(method: Method) -> String {
    match method {
        Method::Sbp => "[qrm.main] with its key (the credential qrm_main)".to_owned(),
        Method::Humo | Method::Click | Method::Payme => format!("[{method}] and [merchant]"),
    }
}
