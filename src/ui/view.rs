//! What to show, of all that is true: a pure function of the snapshot and the time. No words and no pixels here.

mod reason;

pub use reason::Reason;

use crate::limits;
use crate::payment::card::{Settlement, SettlementState};
use crate::payment::code::CodeKind;
use crate::payment::event::Notice;
use crate::payment::sale::{CancelledBy, Method, Payment, PaymentId, RefundState, State, UnixMs};
use crate::payment::sbp::QrStatus;
use crate::payment::{Currency, Money};
use crate::snapshot::{Presence, Snapshot, StoreHealth};

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
        /// The oldest of them, at most [`limits::DISPLAY_DOUBTS_LEN`].
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
        /// Why.
        reason: Reason,
        /// The code, as the PinPad spelled it.
        code: Option<String>,
        /// In words, where somebody said any.
        words: Option<String>,
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
        let face = face(snapshot, now_ms);
        let strip = strip(snapshot, &face, now_ms);
        Self { face, strip, badges: badges(snapshot, now_ms) }
    }
}

/// What matters most. Money that is not on disk comes before everything; then whoever stands at the counter; then what has just ended;
/// then what keeps the next customer from paying; then what an operator has to look at.
fn face(snapshot: &Snapshot, now_ms: UnixMs) -> Face {
    if let StoreHealth::Owing(why) = &snapshot.store {
        return Face::DoNotSwitchOff { why: why.clone() };
    }
    if let Some(payment) = &snapshot.counter {
        return of_payment(payment, snapshot, now_ms);
    }
    if let Some(settlement) = &snapshot.settlement
        && settlement.state == SettlementState::Processing
    {
        let beat = beat(now_ms, settlement.created_ms);
        return Face::Settling { pinpad: snapshot.pinpad_status.clone(), beat };
    }
    if let Some(face) = just_ended(snapshot, now_ms) {
        return face;
    }
    if let StoreHealth::Refusing(why) = &snapshot.store {
        return Face::CannotSell { trouble: store_trouble(why), why: why.clone() };
    }
    if let Some(why) = &snapshot.closed {
        return Face::Closed { why: why.clone() };
    }
    if !snapshot.in_doubt.is_empty() {
        let oldest = snapshot.in_doubt.iter().take(limits::DISPLAY_DOUBTS_LEN).map(|p| in_doubt_part(p)).collect();
        return Face::Doubts { oldest, more: snapshot.in_doubt.len().saturating_sub(limits::DISPLAY_DOUBTS_LEN) };
    }
    let settlement_in_doubt =
        snapshot.settlement.as_ref().is_some_and(|s| matches!(s.state, SettlementState::InDoubt { .. }));
    if settlement_in_doubt { Face::SettlementInDoubt } else { Face::Idle }
}

/// What has just ended: of a sale, a settlement and a scan in vain the last one; of two at the same moment, the one that moved money.
fn just_ended(snapshot: &Snapshot, now_ms: UnixMs) -> Option<Face> {
    let scan = fresh_scan(snapshot, now_ms).map(|(at_ms, scan)| (at_ms, Face::Scan(scan)));
    let settlement = snapshot.shift.last.as_ref().and_then(|s| Some((s.updated_ms, of_settlement(s, now_ms)?)));
    let payment = snapshot.last.as_ref().filter(|payment| is_fresh(payment, now_ms));
    let payment = payment.map(|payment| (payment.since_ms, of_payment(payment, snapshot, now_ms)));
    [scan, settlement, payment].into_iter().flatten().max_by_key(|(at_ms, _)| *at_ms).map(|(_, face)| face)
}

/// The face of a settlement that has just ended.
fn of_settlement(settlement: &Settlement, now_ms: UnixMs) -> Option<Face> {
    if !is_within(now_ms, settlement.updated_ms, limits::DISPLAY_RESULT_MS) {
        return None;
    }
    match &settlement.state {
        SettlementState::Done => {
            let total = settlement.run.slip.total_minor.and_then(|minor| i64::try_from(minor).ok());
            Some(Face::Settled { total: total.map(|minor| Money::from_minor(minor, Currency::Uzs)) })
        }
        SettlementState::Refused { code, message } => Some(Face::NotSettled {
            reason: Reason::of_settlement(&settlement.run, code.as_ref()),
            code: code.clone(),
            words: message.clone().filter(|words| is_for_people(words)),
        }),
        SettlementState::Processing | SettlementState::InDoubt { .. } => None,
    }
}

/// The face of one payment: of its refund where there is one at work or just ended, else of itself.
fn of_payment(payment: &Payment, snapshot: &Snapshot, now_ms: UnixMs) -> Face {
    let sale = Sale { id: payment.id, method: payment.method, amount: payment.amount };
    let pinpad = snapshot.pinpad_status.clone().filter(|_| payment.method == Method::Humo);
    if let Some(refund) = payment.refunds.last() {
        let stage = match refund.state {
            RefundState::Requested | RefundState::Processing => RefundStage::Processing,
            RefundState::Done => RefundStage::Done,
            RefundState::Refused(_) => RefundStage::Refused,
            RefundState::InDoubt { .. } => RefundStage::InDoubt,
        };
        let sale = Sale { amount: refund.amount, ..sale };
        let working = stage == RefundStage::Processing;
        let beat = if working { beat(now_ms, refund.created_ms) } else { 0 };
        return Face::Refund { sale, stage, pinpad: pinpad.filter(|_| working), beat };
    }
    match &payment.state {
        State::Created | State::AwaitingPayer if payment.sbp.is_some() => {
            awaiting_phone(payment, sale, snapshot, now_ms)
        }
        State::Created | State::AwaitingPayer => Face::Waiting { sale, pinpad, beat: beat(now_ms, payment.since_ms) },
        State::BankProcessing => Face::Processing { sale, pinpad, beat: beat(now_ms, payment.since_ms) },
        State::Paid | State::Refunded => Face::Approved { sale, late: payment.late },
        State::Declined(decline) => Face::Declined {
            sale,
            reason: Reason::of(payment.method, decline),
            code: decline.code.clone(),
            words: decline.message.clone().filter(|words| is_for_people(words)),
        },
        State::Cancelled { by } => Face::Cancelled { sale, by: *by },
        State::Expired => Face::Expired { sale },
        State::InDoubt { .. } => Face::InDoubt { sale },
    }
}

/// An SBP sale that nobody has paid yet. A code is shown only while it is known that it can be paid.
fn awaiting_phone(payment: &Payment, sale: Sale, snapshot: &Snapshot, now_ms: UnixMs) -> Face {
    let beat = beat(now_ms, payment.since_ms);
    let sbp = payment.sbp.as_deref();
    match sbp.and_then(|sbp| sbp.code.as_ref()) {
        None => Face::NoCodeYet { sale, checking: false, beat },
        Some(_) if !snapshot.code_is_fresh => Face::NoCodeYet { sale, checking: true, beat },
        Some(_) if sbp.is_some_and(|sbp| sbp.link_id.is_some()) => Face::Waiting { sale, pinpad: None, beat },
        Some(code) => {
            let failed = sbp.and_then(|sbp| sbp.told) == Some(QrStatus::AttemptFailed);
            Face::ShowCode { sale, link: code.link.clone(), failed, beat }
        }
    }
}

/// The part of a payment that is in doubt: one of its refunds, or the sale.
fn in_doubt_part(payment: &Payment) -> Sale {
    let refund = payment.refunds.iter().find(|r| matches!(r.state, RefundState::InDoubt { .. }));
    let amount = refund.map_or(payment.amount, |r| r.amount);
    Sale { id: payment.id, method: payment.method, amount }
}

/// Whether a payment that ended is still shown. A clock that was set back does not keep it there for ever.
fn is_fresh(payment: &Payment, now_ms: UnixMs) -> bool {
    let shown_ms = match payment.state {
        State::InDoubt { .. } => limits::DISPLAY_IN_DOUBT_MS,
        State::Paid if payment.late => limits::DISPLAY_IN_DOUBT_MS,
        _ => limits::DISPLAY_RESULT_MS,
    };
    let since_ms = if payment.refunds.is_empty() { payment.since_ms } else { payment.updated_ms };
    is_within(now_ms, since_ms, shown_ms)
}

fn is_within(now_ms: UnixMs, since_ms: UnixMs, shown_ms: u64) -> bool {
    now_ms.abs_diff(since_ms) < shown_ms
}

fn fresh_scan(snapshot: &Snapshot, now_ms: UnixMs) -> Option<(UnixMs, Scan)> {
    let (at_ms, notice) = snapshot.notice.as_ref()?;
    let scan = match notice {
        Notice::ScanUnexpected => Scan::Unexpected,
        Notice::ScanUsed => Scan::Used,
        Notice::ScanNotPayment(kind) => Scan::NotPayment(*kind),
    };
    is_within(now_ms, *at_ms, limits::DISPLAY_NOTICE_MS).then_some((*at_ms, scan))
}

/// Seconds since `since_ms`, enough of them to see that time passes.
fn beat(now_ms: UnixMs, since_ms: UnixMs) -> u8 {
    u8::try_from(now_ms.saturating_sub(since_ms).max(0) / 1000 % 3).unwrap_or(0)
}

fn strip(snapshot: &Snapshot, face: &Face, now_ms: UnixMs) -> Option<Strip> {
    let at_counter =
        matches!(face, Face::Waiting { .. } | Face::NoCodeYet { .. } | Face::Processing { .. } | Face::Approved { .. });
    if at_counter {
        if let Some((_, scan)) = fresh_scan(snapshot, now_ms) {
            return Some(Strip::Scan(scan));
        }
        let shown = snapshot.counter.as_ref().or(snapshot.last.as_ref());
        return shown.is_some_and(|p| p.warned_of.is_some()).then_some(Strip::SameAmount);
    }
    if *face != Face::Idle {
        return None;
    }
    let badges = badges(snapshot, now_ms);
    if badges.pinpad_missing {
        Some(Strip::PinpadMissing)
    } else if badges.scanner_missing {
        Some(Strip::ScannerMissing)
    } else {
        None
    }
}

fn badges(snapshot: &Snapshot, now_ms: UnixMs) -> Badges {
    let is_missing = |device: &Option<Presence>| matches!(device, Some(Presence::Down(_)));
    Badges {
        in_doubt: snapshot.in_doubt.len(),
        queued: snapshot.queue.queued,
        oldest: snapshot.queue.oldest_ms.and_then(|oldest_ms| age(now_ms.saturating_sub(oldest_ms))),
        parked: snapshot.queue.parked,
        pinpad_missing: is_missing(&snapshot.devices.pinpad),
        scanner_missing: is_missing(&snapshot.devices.scanner),
        store_trouble: snapshot.store != StoreHealth::Good,
    }
}

fn age(ms: i64) -> Option<Age> {
    const MINUTE_MS: i64 = 60_000;
    match ms / MINUTE_MS {
        i64::MIN..=0 => None,
        minutes @ 1..=59 => Some(Age::Minutes(minutes)),
        minutes @ 60..=1439 => Some(Age::Hours(minutes / 60)),
        minutes => Some(Age::Days(minutes / 1440)),
    }
}

/// A provider's message is shown if it is a sentence; a JSON string of field errors helps nobody at the counter.
fn is_for_people(words: &str) -> bool {
    let words = words.trim();
    !words.is_empty() && !words.starts_with(['{', '[', '<'])
}

/// What the store's words mean: they are SQLite's and the system's, in English.
fn store_trouble(why: &str) -> StoreTrouble {
    let why = why.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["full", "no space", "quota"]) {
        StoreTrouble::Full
    } else if says(&["readonly", "read-only", "read only"]) {
        StoreTrouble::ReadOnly
    } else if says(&["malformed", "corrupt", "not a database"]) {
        StoreTrouble::Damaged
    } else {
        StoreTrouble::Failing
    }
}

#[cfg(test)]
mod tests;
