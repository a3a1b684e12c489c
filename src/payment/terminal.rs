//! The machine's memory: the payments that are open, and what hangs on the box. Payments that are final leave it and are loaded again
//! when an event names them ([`Terminal::adopt`], [`Lookup`]).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::card::{CardMark, Job, Question, Run, RunId, Settlement, SettlementId};
use super::event::Notice;
use super::sale::{Merchant, Method, Payment, PaymentId, State, UnixMs};
use super::sbp::{CashLink, Ofd};

/// What the driver decides about, all of it in memory.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// How this terminal is set up.
    pub policy: Arc<Policy>,
    /// Open payments, and those that the current events name.
    pub payments: BTreeMap<PaymentId, Arc<Payment>>,
    /// The last settlement, open or not.
    pub settlement: Option<Arc<Settlement>>,
    /// Older settlements that the current events name by their tokens.
    pub recalled: Vec<Arc<Settlement>>,
    /// Durable odds and ends, one row in the store.
    pub register: Register,
    /// The PinPad as we see it now; not stored.
    pub pinpad: Pinpad,
    /// The scanner is there; not stored.
    pub scanner_present: bool,
    /// When the wait for a scan ends, monotonic; not stored.
    pub scan_deadline_monotonic_ms: Option<u64>,
    /// What is done about the card of the payment at the counter that a code may pay as well; not stored.
    pub card: CardWait,
    /// A code that the customer showed while a card was asked for: unsent until the PinPad's run has ended without money; not stored.
    pub held_code: Option<HeldCode>,
    /// When payments that nobody accepts are ended, monotonic; not stored.
    pub created_deadlines_monotonic_ms: BTreeMap<PaymentId, u64>,
    /// When those of [`Register::last_sales`] that ended in this life did, monotonic; not stored.
    pub sales_ended_monotonic_ms: BTreeMap<PaymentId, u64>,
    /// SBP codes of which nobody here knows whether they can still be paid: not to be shown as payable; not stored.
    pub stale_codes: BTreeSet<PaymentId>,
    /// The last word to the people at the counter; not stored.
    pub notice: Option<(UnixMs, Notice)>,
}

/// Durable odds and ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Register {
    /// Sales are closed, and why.
    pub closed: Option<String>,
    /// The last card operation that is known to have happened.
    pub last_card: Option<CardMark>,
    /// The last card sales without a key that were begun, oldest first: a till that repeats one without a key finds it, though others sold
    /// in between.
    pub last_sales: Vec<PaymentId>,
    /// When the last settlement was done: card sales since then can be voided, older ones are refunded.
    pub shift_began_ms: UnixMs,
    /// When the settlement before that was done: the shift that was closed last began there.
    pub shift_before_began_ms: UnixMs,
    /// Cash links by profile: registered once, ever.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cash_links: BTreeMap<String, CashLink>,
}

/// So many of them are remembered: more than there are tills at one terminal.
pub const LAST_SALES_KEPT: usize = 8;

/// How this terminal is set up, as far as the machine needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The methods that can take money.
    pub methods: Vec<Method>,
    /// The fiscal identity.
    pub merchant: Option<Merchant>,
    /// What scanned codes are.
    pub codes: super::code::CodeTable,
    /// How long a customer may take to show a code.
    pub scan_wait_ms: u64,
    /// Where a card or a code may pay: pause before the PinPad that ended without a card is asked for one again.
    pub card_again_ms: u64,
    /// So much has to be left of the customer's wait for that.
    pub card_least_ms: u64,
    /// How often the PinPad is asked for a card of one payment.
    pub card_runs_max: u32,
    /// How long a created payment waits to be accepted.
    pub created_wait_ms: u64,
    /// Created payments that wait at once; one more ends the oldest of the till that has most.
    pub created_max: usize,
    /// Those of one till; one more ends its own oldest.
    pub created_per_till_max: usize,
    /// Requests about one created payment that are remembered.
    pub wishes_max: usize,
    /// How long an unanswered card sale is joined by a repeat without a key.
    pub join_unanswered_ms: i64,
    /// Pause between two questions to the PinPad about one doubt.
    pub ask_every_ms: u64,
    /// First pause between two deliveries.
    pub backoff_min_ms: i64,
    /// Longest pause between two deliveries.
    pub backoff_max_ms: i64,
    /// The QR terminals by name, and who registers their receipts.
    pub sbp: BTreeMap<String, Option<Ofd>>,
    /// SBP codes that may be watched at once.
    pub sbp_open_max: usize,
}

/// The card of a payment that a code may pay as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardWait {
    /// When the PinPad is to be asked for it next, monotonic; `None` = it is, or it will not be.
    pub next_monotonic_ms: Option<u64>,
    /// How often it was.
    pub runs: u32,
    /// The customer's time is over, and the PinPad was told to give up.
    pub taken_back: bool,
}

/// A code that waits for the PinPad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCode {
    /// Whose.
    pub payment: PaymentId,
    /// Who takes money for it.
    pub method: Method,
    /// As read.
    pub code: String,
}

/// The PinPad as we see it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinpad {
    /// The line is open.
    pub up: bool,
    /// Why it is not.
    pub down_why: Option<String>,
    /// What it is at.
    pub at: Option<PinpadAt>,
    /// The last line it wanted shown.
    pub status: Option<String>,
    /// When the next question about a doubt is due, and how many were asked in vain.
    pub next_ask: Option<NextAsk>,
    /// It was asked for its last operation since the line came up.
    pub learned: bool,
}

/// What the PinPad is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinpadAt {
    /// A run that moves money or closes the shift.
    Job {
        /// Its run.
        run: RunId,
        /// What for.
        job: Job,
    },
    /// The end of an interrupted run is being heard.
    Recovering {
        /// The interrupted run.
        run: RunId,
        /// What it was for.
        job: Job,
    },
    /// A question that moves nothing; its evidence is gathered here.
    Asking {
        /// The question's run.
        run: RunId,
        /// About what.
        job: Job,
        /// Which question.
        question: Question,
        /// What was said so far.
        heard: Box<Run>,
    },
    /// It is asked what its last operation was, because nobody here knows: the mark that a later doubt is measured by.
    Learning {
        /// The question's run.
        run: RunId,
        /// What was said so far.
        heard: Box<Run>,
    },
}

impl PinpadAt {
    /// The run on the line.
    #[must_use]
    pub fn run(&self) -> RunId {
        match self {
            Self::Job { run, .. }
            | Self::Recovering { run, .. }
            | Self::Asking { run, .. }
            | Self::Learning { run, .. } => *run,
        }
    }

    /// The payment that the run is about.
    #[must_use]
    pub fn payment(&self) -> Option<PaymentId> {
        match self {
            Self::Job { job, .. } | Self::Recovering { job, .. } | Self::Asking { job, .. } => match job {
                Job::Sale { payment } | Job::Refund { payment, .. } => Some(*payment),
                Job::Settlement { .. } => None,
            },
            Self::Learning { .. } => None,
        }
    }
}

/// When to ask the PinPad about a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAsk {
    /// Not before this, monotonic.
    pub at_monotonic_ms: u64,
    /// Questions asked in vain.
    pub asked: u32,
}

/// A row that an event needs and that may not be in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// By our name.
    Payment(PaymentId),
    /// By the till's token: a payment, a refund's payment, a settlement.
    Token(String),
    /// Payments that a code has been used for (not declined, not cancelled).
    Code(Method, String),
    /// By the provider's own id (HUMO: the RRN).
    Upstream(Method, String),
}

impl Terminal {
    /// An empty terminal.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: Arc::new(policy),
            payments: BTreeMap::new(),
            settlement: None,
            recalled: Vec::new(),
            register: Register::default(),
            pinpad: Pinpad::default(),
            scanner_present: false,
            scan_deadline_monotonic_ms: None,
            card: CardWait::default(),
            held_code: None,
            created_deadlines_monotonic_ms: BTreeMap::new(),
            sales_ended_monotonic_ms: BTreeMap::new(),
            stale_codes: BTreeSet::new(),
            notice: None,
        }
    }

    /// Take a payment loaded from the store; the one already in memory is newer and stays.
    pub fn adopt(&mut self, payment: Payment) {
        self.payments.entry(payment.id).or_insert_with(|| Arc::new(payment));
    }

    /// Take a settlement loaded from the store because an event named it.
    pub fn recall(&mut self, settlement: Settlement) {
        self.recalled.push(Arc::new(settlement));
    }

    /// The settlement of that name: the last one, or one that an event named.
    #[must_use]
    pub fn settlement_named(&self, id: SettlementId) -> Option<&Arc<Settlement>> {
        self.settlement.iter().chain(&self.recalled).find(|s| s.id == id)
    }

    /// Drop the payments that need no attention. The one that the PinPad still speaks of stays, even if an operator has ended it meanwhile.
    pub fn forget_finished(&mut self) {
        let spoken_of = self.pinpad.at.as_ref().and_then(PinpadAt::payment);
        self.recalled.clear();
        self.payments.retain(|id, p| !p.may_leave_memory() || spoken_of == Some(*id));
        self.stale_codes.retain(|id| self.payments.contains_key(id));
        self.held_code = self.held_code.take().filter(|held| self.payments.contains_key(&held.payment));
        let payments = &self.payments;
        self.created_deadlines_monotonic_ms.retain(|id, _| payments.get(id).is_some_and(|p| p.state == State::Created));
        let last = &self.register.last_sales;
        self.sales_ended_monotonic_ms.retain(|id, _| last.contains(id));
    }
}
