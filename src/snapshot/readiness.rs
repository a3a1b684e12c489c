//! Whether money can be taken, by which methods, and what is in the way: what the machine would say to a sale now, read from a snapshot.
//! `busy` is no answer here: a counter that is taken, or a PinPad at work, takes money.

use std::collections::BTreeMap;

use super::{Presence, Snapshot, StoreHealth};
use crate::limits;
use crate::payment::card::SettlementState;
use crate::payment::sale::Method;

/// Whether money can be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why none can. Empty = some can.
    pub reasons: Vec<String>,
    /// The methods that are set up, with what is in the way; `None` = nothing.
    pub methods: BTreeMap<Method, Option<String>>,
}

/// What has to be known beside the snapshot.
pub struct Beside<'a> {
    /// Since the snapshot was made, ms.
    pub since_last_step_ms: u64,
    /// Events in the driver's queue.
    pub waiting: usize,
    /// The daemon was asked to stop.
    pub closing: bool,
    /// What a method lacks that no sale would notice before it is sent: a key.
    pub lacks: &'a dyn Fn(Method) -> Option<String>,
}

impl Readiness {
    /// As things stand. Texts may name files of this terminal: they are for its own people.
    #[must_use]
    pub fn of(picture: &Snapshot, beside: &Beside<'_>) -> Self {
        let mut reasons = everything(picture, beside);
        let common = reasons.first().cloned();
        let of_method = |method: &Method| {
            let own = in_the_way(picture, *method).or_else(|| (beside.lacks)(*method));
            (*method, common.clone().or(own))
        };
        let methods: BTreeMap<_, _> = picture.methods.iter().map(of_method).collect();
        if reasons.is_empty() && methods.values().all(Option::is_some) {
            let named = methods.iter().filter_map(|(method, why)| Some(format!("{method}: {}", why.as_ref()?)));
            reasons = named.collect();
            if reasons.is_empty() {
                reasons.push("no method is set up".to_owned());
            }
        }
        Self { reasons, methods }
    }

    /// Money can be taken by one method at least.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// What is in the way of every sale.
fn everything(picture: &Snapshot, beside: &Beside<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if beside.closing {
        reasons.push("the terminal is shutting down".to_owned());
    }
    if let Some(why) = &picture.closed {
        reasons.push(format!("sales are closed: {why}"));
    }
    match &picture.store {
        StoreHealth::Good => {}
        StoreHealth::Refusing(why) => reasons.push(format!("the store cannot be written: {why}")),
        StoreHealth::Owing(why) => {
            reasons.push(format!("money moved and is not on disk yet, do not switch off: {why}"))
        }
    }
    if beside.since_last_step_ms > limits::DRIVER_STALLED_MS {
        reasons.push(format!("nothing was done for {} s: the disk does not answer", beside.since_last_step_ms / 1_000));
    }
    if beside.waiting >= limits::EVENT_QUEUE_LEN.saturating_sub(limits::EVENT_QUEUE_RESERVE) {
        reasons.push("too many requests are waiting".to_owned());
    }
    reasons
}

/// What is in the way of one method.
fn in_the_way(picture: &Snapshot, method: Method) -> Option<String> {
    if method == Method::Sbp && picture.full_of_codes {
        return Some(
            "as many SBP codes as are watched can still be paid; the next is made when one of them is paid or has ended".to_owned(),
        );
    }
    if method != Method::Humo {
        return None;
    }
    let in_doubt = |settlement: &&_| matches!(settlement, SettlementState::InDoubt { .. });
    if let Some(payment) = picture.in_doubt.iter().find(|payment| payment.method == Method::Humo) {
        return Some(format!("nobody knows how the card operation of payment {} ended", payment.id));
    }
    if picture.settlement.as_ref().map(|settlement| &settlement.state).filter(in_doubt).is_some() {
        return Some("nobody knows whether the card shift was closed".to_owned());
    }
    match &picture.devices.pinpad {
        Some(Presence::Up) => None,
        Some(Presence::Down(why)) => Some(format!("the PinPad is missing: {why}")),
        None => Some("there is no PinPad".to_owned()),
    }
}
