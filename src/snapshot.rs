//! What everybody may see: one immutable picture of the terminal after each commit. Screens, answers and metrics are made from it.

pub mod readiness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::payment::card::Settlement;
use crate::payment::event::Notice;
use crate::payment::sale::{Method, Payment, PaymentId, State, UnixMs};
use crate::payment::sbp::CashLink;

/// The terminal after a commit.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts up with every published picture.
    pub sequence: u64,
    /// When it was made, by the monotonic clock of the driver. The driver makes one at least every [`crate::limits::DRIVER_IDLE_MS`].
    pub made_monotonic_ms: u64,
    /// The methods that are set up, fiscal identity included where they need one.
    pub methods: Vec<Method>,
    /// The payment at the counter: the open one that holds scanner, PinPad and display, or the one whose card money is being given back.
    pub counter: Option<Arc<Payment>>,
    /// A code of the customer at the counter was read and waits, unsent, until the PinPad has stopped asking for a card: whose code it is.
    pub held_code: Option<Method>,
    /// The PinPad is about to be asked for a card of the payment at the counter, which a code may pay as well.
    pub card_soon: bool,
    /// Payments in progress, at the counter and beside it.
    pub open: usize,
    /// The payment that ended last, to be shown for a while.
    pub last: Option<Arc<Payment>>,
    /// Every payment (and refund, within its payment) that is in doubt, oldest first.
    pub in_doubt: Vec<Arc<Payment>>,
    /// A settlement that is open or in doubt.
    pub settlement: Option<Arc<Settlement>>,
    /// The card shift.
    pub shift: Shift,
    /// The queue of fiscal confirmations.
    pub queue: QueueDepth,
    /// What hangs on the box.
    pub devices: Devices,
    /// The code at the counter may be shown as payable; false while nobody here knows whether it still can be paid.
    pub code_is_fresh: bool,
    /// Every SBP sale of which that is not known, at the counter and beside it.
    pub stale_codes: BTreeSet<PaymentId>,
    /// As many SBP codes as are watched may still be paid: nobody is sold another one.
    pub full_of_codes: bool,
    /// Cash links by profile.
    pub cash_links: Arc<BTreeMap<String, CashLink>>,
    /// Sales are closed, and why.
    pub closed: Option<String>,
    /// What is wrong with the store.
    pub store: StoreHealth,
    /// The last word to the people at the counter.
    pub notice: Option<(UnixMs, Notice)>,
    /// The line that the PinPad wants shown.
    pub pinpad_status: Option<String>,
    /// A step of the machine was refused by its own invariants; a bug to be reported, counted since the start.
    pub faults: u64,
}

impl Snapshot {
    /// Whose code is waited for, be it for its scan or for the PinPad to let it go, and by which method it will be charged, where that is known.
    #[must_use]
    pub fn code_awaited(&self) -> Option<(PaymentId, Method)> {
        let payment = self.counter.as_ref().filter(|payment| payment.state == State::AwaitingPayer)?;
        let method = self.held_code.unwrap_or(payment.method);
        method.scans().then_some((payment.id, method))
    }
}

/// The card shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// When it began; 0 = no shift was closed from here yet.
    pub began_ms: UnixMs,
    /// When the one before it began, which the last settlement that was done has closed.
    pub before_began_ms: UnixMs,
    /// The last settlement, whatever became of it.
    pub last: Option<Arc<Settlement>>,
}

/// The queue of fiscal confirmations in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Receipts to be delivered.
    pub queued: u64,
    /// Receipts that a person has to look at.
    pub parked: u64,
    /// Paid sales whose receipt the till has not brought yet.
    pub owed: u64,
    /// When the oldest queued receipt was brought.
    pub oldest_ms: Option<UnixMs>,
}

/// What hangs on the box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// The PinPad: `None` = not configured.
    pub pinpad: Option<Presence>,
    /// The scanner: `None` = not configured.
    pub scanner: Option<Presence>,
}

/// Whether a device is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It works.
    Up,
    /// It does not, with the reason for the technician.
    Down(String),
}

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreHealth {
    /// Commits work.
    #[default]
    Good,
    /// The last commit failed; nothing new is begun.
    Refusing(String),
    /// Money moved and its line is not on disk yet: do not switch off.
    Owing(String),
}
