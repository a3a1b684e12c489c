//! What to show, of all that is true: a pure function of the snapshot and the time. No words and no pixels here.

mod choice;
mod reason;

pub use reason::{Reason, StillOpen};

use crate::payment::Money;
use crate::payment::code::CodeKind;
use crate::payment::sale::{CancelledBy, Method, PaymentId, UnixMs};
use crate::snapshot::Snapshot;

/// The picture in words: two views that are equal look alike, pixel by pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The one thing that is going on.
    pub face: Face,
    /// A warning beside it.
    pub strip: Option<Strip>,
    /// Small signs at the bottom.
    pub badges: Badges,
}

/// The one thing that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Face {
    /// Nothing.
    Idle,
    /// Nothing, but payments are in doubt.
    Doubts {
        /// The oldest of them, at most [`crate::limits::DISPLAY_DOUBTS_LEN`].
        oldest: Vec<Sale>,
        /// How many more.
        more: usize,
    },
    /// The customer is to show a code or to present a card ([`Sale::method`] says which).
    Waiting {
        /// The sale.
        sale: Sale,
        /// The PinPad's own words.
        pinpad: Option<String>,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The customer is to show a code of one of `codes`, or to present a card: whichever comes first.
    AnyWay {
        /// The sale.
        sale: Sale,
        /// A card will do.
        card: bool,
        /// Whose codes will do.
        codes: Vec<Method>,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The customer has shown a code ([`Sale::method`] says whose), and the PinPad is still asking for a card.
    CodeRead {
        /// The sale.
        sale: Sale,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The customer's phone is to read this code off the display.
    ShowCode {
        /// The sale.
        sale: Sale,
        /// What the code says: the provider's own link.
        link: String,
        /// The last attempt to pay it failed; it can be paid still.
        failed: bool,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// A code is to be shown, and none may be yet.
    NoCodeYet {
        /// The sale.
        sale: Sale,
        /// There is one, but nobody here knows whether it still can be paid.
        checking: bool,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The bank or the provider is at work.
    Processing {
        /// The sale.
        sale: Sale,
        /// The PinPad's own words.
        pinpad: Option<String>,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The money moved.
    Approved {
        /// The sale.
        sale: Sale,
        /// After the sale had ended otherwise.
        late: bool,
    },
    /// No money moved.
    Declined {
        /// The sale.
        sale: Sale,
        /// Why.
        reason: Reason,
        /// The code, as the PinPad or the provider spelled it.
        code: Option<String>,
        /// The provider's words.
        words: Option<String>,
    },
    /// Called off.
    Cancelled {
        /// The sale.
        sale: Sale,
        /// By whom.
        by: CancelledBy,
    },
    /// Nobody paid in time.
    Expired {
        /// The sale.
        sale: Sale,
    },
    /// Nobody knows whether the money moved.
    InDoubt {
        /// The sale.
        sale: Sale,
    },
    /// Card money goes back.
    Refund {
        /// What is given back, under the sale's name.
        sale: Sale,
        /// How far it is.
        stage: RefundStage,
        /// The PinPad's own words.
        pinpad: Option<String>,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The card shift is being closed.
    Settling {
        /// The PinPad's own words.
        pinpad: Option<String>,
        /// Sign of life: counts seconds.
        beat: u8,
    },
    /// The card shift was closed.
    Settled {
        /// What the PinPad's slip shows as the total, where it shows one.
        total: Option<Money>,
    },
    /// The card shift is still open.
    NotSettled {
        /// Who says so, and why.
        why: StillOpen,
        /// The code, as the PinPad spelled it.
        code: Option<String>,
    },
    /// Nobody knows whether the shift was closed.
    SettlementInDoubt,
    /// A scan that cannot pay.
    Scan(Scan),
    /// Sales are closed.
    Closed {
        /// Why, for the technician.
        why: String,
    },
    /// The store cannot take anything new.
    CannotSell {
        /// What is wrong, as far as it is known.
        trouble: StoreTrouble,
        /// The store's words.
        why: String,
    },
    /// Money moved and its line is not on disk.
    DoNotSwitchOff {
        /// The store's words.
        why: String,
    },
}

/// What people know a payment by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Its name; the display shows the beginning.
    pub id: PaymentId,
    /// Who moves the money.
    pub method: Method,
    /// The customer could choose and has not, so that `method` says nothing yet.
    pub undecided: bool,
    /// How much.
    pub amount: Money,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStage {
    /// The PinPad is at work.
    Processing,
    /// The money went back.
    Done,
    /// It did not.
    Refused,
    /// Nobody knows.
    InDoubt,
}

/// What was scanned in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Nobody waits for a code.
    Unexpected,
    /// It has paid, or may have paid.
    Used,
    /// It cannot pay here.
    NotPayment(CodeKind),
}

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// No room.
    Full,
    /// No writing.
    ReadOnly,
    /// Cannot be understood.
    Damaged,
    /// Something else.
    Failing,
}

/// A warning beside what goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// A payment of the same amount is in doubt: perhaps this customer has paid already.
    SameAmount,
    /// A scan in vain, while something else goes on.
    Scan(Scan),
    /// The PinPad is not there.
    PinpadMissing,
    /// The scanner is not there.
    ScannerMissing,
}

/// Small signs at the bottom; zero and `false` are not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Badges {
    /// Payments in doubt.
    pub in_doubt: usize,
    /// Receipts to be delivered.
    pub queued: u64,
    /// Age of the oldest of them.
    pub oldest: Option<Age>,
    /// Receipts that a person has to look at.
    pub parked: u64,
    /// The PinPad is configured and not there.
    pub pinpad_missing: bool,
    /// The scanner is configured and not there.
    pub scanner_missing: bool,
    /// The store is not well.
    pub store_trouble: bool,
}

/// A time that people read at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Whole minutes, at least one.
    Minutes(i64),
    /// Whole hours.
    Hours(i64),
    /// Whole days.
    Days(i64),
}

impl View {
    /// What to show at `now_ms`.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now_ms: UnixMs) -> Self {
        let face = choice::face(snapshot, now_ms);
        let strip = choice::strip(snapshot, &face, now_ms);
        Self { face, strip, badges: choice::badges(snapshot, now_ms) }
    }
}

#[cfg(test)]
mod tests;
