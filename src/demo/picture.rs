//! What the page shows beside the display: the vendors' own books, and the terminal's journal, read from its store as an auditor would.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use hal::sim::pinpad::{Entry as CardEntry, Said};
use serde::Serialize;
use serde_json::value::RawValue;

use super::gateway::{Entry, Faults};
use super::page::World;
use super::power::PowerState;
use super::qrm::{Link, Operation, QrmSimHandle, Switches};
use crate::history::{Filter, History, HistoryError, JournalLine};
use crate::payment::sale::{Payment, State};
use crate::payment::sbp::Sbp;
use crate::store::Archive;

/// Payments on the page, newest first.
const PAYMENTS: u32 = 12;
/// Lines of the journal in one answer; the page asks on from the last.
const LINES: u32 = 200;
/// Operations of QRManager on the page.
const OPERATIONS: usize = 20;
/// What was said between terminal and PinPad: the last messages.
const WORDS: usize = 24;

/// Everything at one moment.
#[derive(Serialize)]
pub(super) struct Picture {
    power: PowerState,
    power_cuts: u32,
    pinpad: Pinpad,
    gateway: Gateway,
    qrm: Qrm,
    payments: Vec<Row>,
    journal: Vec<Line>,
}

#[derive(Serialize)]
struct Pinpad {
    screen: String,
    busy: bool,
    plugged_in: bool,
    shift: u32,
    entries: Vec<CardEntry>,
    said: Vec<Word>,
}

#[derive(Serialize)]
struct Word {
    by: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Gateway {
    connected: bool,
    entries: Vec<Entry>,
    faults: Faults,
}

#[derive(Serialize)]
struct Qrm {
    connected: bool,
    sockets: usize,
    /// Newest first.
    operations: Vec<Operation>,
    links: Vec<Link>,
    switches: Switches,
}

/// A payment as the terminal knows it.
#[derive(Serialize)]
struct Row {
    transaction_id: String,
    method: &'static str,
    /// As the till wrote it, where it created the payment first.
    method_id: Option<String>,
    /// The customer may choose and has not: `method` says nothing yet.
    undecided: bool,
    amount_minor: i64,
    currency: &'static str,
    state: &'static str,
    why: Option<serde_json::Value>,
    late: bool,
    fiscal: &'static str,
    payment_id: Option<String>,
    refunds: usize,
    refunded_minor: i64,
    sbp: Option<Code>,
    created_ms: i64,
}

/// What an SBP sale is paid by.
#[derive(Serialize)]
struct Code {
    profile: String,
    number: Option<String>,
    operation_id: Option<String>,
    link: Option<String>,
}

/// A line of the journal, its fact as stored.
#[derive(Serialize)]
struct Line {
    sequence: i64,
    at_ms: i64,
    payment: Option<String>,
    fact: Box<RawValue>,
}

impl Picture {
    /// As it is now, with the journal's lines after `after`.
    pub(super) fn take(world: &World, after: i64) -> Self {
        let (power, power_cuts) = world.power.state();
        let (payments, journal) = world.past.read(after).unwrap_or_default();
        let (pinpad, gateway) = (&world.bench.pinpad, &world.bench.gateway);
        let ledger = pinpad.ledger();
        let transcript = pinpad.transcript();
        let last = transcript.len().saturating_sub(WORDS);
        let said = transcript.into_iter().skip(last).map(|(who, text)| Word { by: name(who), text }).collect();
        Self {
            power,
            power_cuts,
            pinpad: Pinpad {
                screen: pinpad.screen(),
                busy: pinpad.is_busy(),
                plugged_in: pinpad.is_plugged_in(),
                shift: ledger.shift,
                entries: ledger.entries,
                said,
            },
            gateway: Gateway {
                connected: gateway.is_connected(),
                entries: gateway.entries(),
                faults: gateway.faults(),
            },
            qrm: qrm(&world.bench.qrm),
            payments: payments.iter().map(row).collect(),
            journal: journal.into_iter().filter_map(line).collect(),
        }
    }
}

fn qrm(qrm: &QrmSimHandle) -> Qrm {
    let mut operations = qrm.operations();
    operations.reverse();
    operations.truncate(OPERATIONS);
    Qrm {
        connected: qrm.is_connected(),
        sockets: qrm.open_sockets(),
        operations,
        links: qrm.links(),
        switches: qrm.switches(),
    }
}

fn name(who: Said) -> &'static str {
    match who {
        Said::PinPad => "pinpad",
        Said::Till => "terminal",
    }
}

fn row(payment: &Payment) -> Row {
    let why = match &payment.state {
        State::Declined(decline) => serde_json::to_value(decline).ok(),
        State::Cancelled { by } => serde_json::to_value(by).ok(),
        State::InDoubt { why } => serde_json::to_value(why).ok(),
        _ => None,
    };
    Row {
        transaction_id: payment.id.to_string(),
        method: payment.method.name(),
        method_id: payment.parties.as_ref().map(|parties| parties.method_id.clone()),
        undecided: payment.is_undecided(),
        amount_minor: payment.amount.minor(),
        currency: payment.amount.currency().code(),
        state: payment.state.name(),
        why,
        late: payment.late,
        fiscal: payment.fiscal.name(),
        payment_id: payment.approval.as_ref().and_then(|approval| approval.payment_id.clone()),
        refunds: payment.refunds.len(),
        refunded_minor: payment.refunded_minor(),
        sbp: payment.sbp.as_deref().map(code),
        created_ms: payment.created_ms,
    }
}

fn code(sbp: &Sbp) -> Code {
    let code = sbp.code.as_ref();
    Code {
        profile: sbp.ask.profile.clone(),
        number: code.map(|code| code.number.clone()),
        operation_id: code.map(|code| code.operation_id.clone()),
        link: code.map(|code| code.link.clone()),
    }
}

fn line(line: JournalLine) -> Option<Line> {
    let fact = RawValue::from_string(line.fact).ok()?;
    Some(Line { sequence: line.sequence, at_ms: line.at_ms, payment: line.payment.map(|id| id.to_string()), fact })
}

/// The daemon's store, opened for reading as soon as there is one.
#[derive(Debug)]
pub(super) struct Past {
    store: PathBuf,
    archive: Mutex<Option<Archive>>,
}

impl Past {
    pub(super) fn of(store: PathBuf) -> Self {
        Self { store, archive: Mutex::new(None) }
    }

    /// The newest payments, and the journal after a line. An error is no store yet, or one that is just being set aside: the next look sees more.
    fn read(&self, after: i64) -> Result<(Vec<Payment>, Vec<JournalLine>), HistoryError> {
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match archive.take() {
            Some(open) => open,
            None => Archive::open(&self.store).map_err(|error| HistoryError(error.to_string()))?,
        };
        let payments = open.payments(&Filter { limit: PAYMENTS, ..Filter::default() })?;
        let lines = open.journal(after, LINES)?;
        *archive = Some(open);
        Ok((payments, lines))
    }
}
