//! Which of all that is true is shown, and for how long.

use super::{Age, Badges, Face, Reason, RefundStage, Sale, Scan, StillOpen, StoreTrouble, Strip};
use crate::limits;
use crate::payment::card::{Settlement, SettlementState};
use crate::payment::event::Notice;
use crate::payment::sale::{DeclineKind, Method, Payment, RefundState, State, UnixMs};
use crate::payment::sbp::QrStatus;
use crate::payment::{Currency, Money};
use crate::snapshot::{Presence, Snapshot, StoreHealth};

/// What matters most. Money that is not on disk comes before everything; then whoever stands at the counter; then what has just ended;
/// then what keeps the next customer from paying; then what an operator has to look at.
pub(super) fn face(snapshot: &Snapshot, now_ms: UnixMs) -> Face {
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
        SettlementState::Refused { code, .. } => {
            Some(Face::NotSettled { why: StillOpen::of(&settlement.run, code.as_ref()), code: code.clone() })
        }
        SettlementState::Processing | SettlementState::InDoubt { .. } => None,
    }
}

/// The face of one payment: of its refund where there is one at work or just ended, else of itself.
fn of_payment(payment: &Payment, snapshot: &Snapshot, now_ms: UnixMs) -> Face {
    let sale = named(payment);
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
        State::Created | State::AwaitingPayer if payment.auto => awaiting_any_way(payment, sale, snapshot, now_ms),
        State::Created | State::AwaitingPayer => Face::Waiting { sale, pinpad, beat: beat(now_ms, payment.since_ms) },
        State::BankProcessing => Face::Processing { sale, pinpad, beat: beat(now_ms, payment.since_ms) },
        State::Paid | State::Refunded => Face::Approved { sale, late: payment.late },
        State::Declined(decline) => Face::Declined {
            sale,
            reason: Reason::of(payment.method, decline),
            code: decline.code.clone(),
            // What is not the provider's is the technician's, and English.
            words: decline.message.clone().filter(|words| is_the_providers(decline.why) && is_for_people(words)),
        },
        State::Cancelled { by } => Face::Cancelled { sale, by: *by },
        State::Expired => Face::Expired { sale },
        State::InDoubt { .. } => Face::InDoubt { sale },
    }
}

/// What people know a payment by.
fn named(payment: &Payment) -> Sale {
    Sale { id: payment.id, method: payment.method, undecided: payment.is_undecided(), amount: payment.amount }
}

/// A sale whose customer chooses. Only what works is offered.
fn awaiting_any_way(payment: &Payment, sale: Sale, snapshot: &Snapshot, now_ms: UnixMs) -> Face {
    let beat = beat(now_ms, payment.since_ms);
    if let Some(method) = snapshot.held_code {
        return Face::CodeRead { sale: Sale { method, undecided: false, ..sale }, beat };
    }
    let is_up = |device: &Option<Presence>| *device == Some(Presence::Up);
    let asked_for_card = payment.is_asked_for_card() || snapshot.card_soon;
    let card = asked_for_card && is_up(&snapshot.devices.pinpad);
    // Where nothing works, a code is what the customer can keep ready: the wait for it goes on.
    let codes = snapshot.methods.iter().copied().filter(|m| m.scans() && (!card || is_up(&snapshot.devices.scanner)));
    let codes: Vec<Method> = codes.collect();
    if codes.is_empty() {
        let sale = Sale { undecided: false, ..sale };
        return Face::Waiting { sale, pinpad: snapshot.pinpad_status.clone(), beat };
    }
    Face::AnyWay { sale, card, codes, beat }
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
    Sale { amount, ..named(payment) }
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

pub(super) fn strip(snapshot: &Snapshot, face: &Face, now_ms: UnixMs) -> Option<Strip> {
    let at_counter = matches!(
        face,
        Face::Waiting { .. }
            | Face::AnyWay { .. }
            | Face::CodeRead { .. }
            | Face::NoCodeYet { .. }
            | Face::Processing { .. }
            | Face::Approved { .. }
    );
    // Beside a code there is room for one warning, and a scan in vain is the lesser one.
    let shows_code = matches!(face, Face::ShowCode { .. });
    if at_counter || shows_code {
        if let Some((_, scan)) = fresh_scan(snapshot, now_ms).filter(|_| !shows_code) {
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

pub(super) fn badges(snapshot: &Snapshot, now_ms: UnixMs) -> Badges {
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

fn is_the_providers(why: DeclineKind) -> bool {
    matches!(why, DeclineKind::Refused | DeclineKind::Misconfigured)
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
