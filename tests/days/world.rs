//! One day: everything that happens, in the order of its time, and what must hold after each step.

#[path = "effects.rs"]
mod effects;
#[path = "requests.rs"]
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tolov::clock::Clock;
use tolov::driver::{Driver, Envelope, Handle};
use tolov::payment::card::{RunId, SettlementId};
use tolov::payment::event::Event;
use tolov::payment::sale::{Merchant, Method, Payment, PaymentId, RefundId, Token};
use tolov::payment::terminal::Policy;

use super::dice::Dice;
use super::disk::{Disk, OnDisk, Trouble};
use super::pinpad::Pinpad;
use super::provider::Provider;
use super::qrm::Qrm;
use super::till::{Intent, receipt};

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A word for the driver, of the life in which it was sent.
    Tell(u64, Event),
    /// A request reaches its provider.
    Charge(Arc<Payment>),
    /// The same of QRManager's: a code, and money that goes back.
    AskForCode(Arc<Payment>),
    SendBack(Arc<Payment>, RefundId),
    /// The terminal of that life looks how a code or a refund stands.
    Watch(u64, PaymentId),
    AskBack(u64, PaymentId, RefundId),
    /// A customer pays a code, or its time is over.
    Phone(PaymentId),
    CodeEnds(PaymentId),
    Speak,
    Press(usize),
    Scan(usize),
    HangUp(usize),
    CallOff(usize),
    Confirm(usize),
    GiveBack(usize),
    Deliver,
    /// A till asks for the shift to be closed: without a key, under a new one, or again under one that it has used.
    Settle,
    Operator,
    Cut,
    CableOut,
    CableIn,
    Disk(Trouble),
    Clock(i64),
    Tick,
}

/// What happened, to show that the days are bad enough.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) days: u64,
    pub(crate) paid: u64,
    pub(crate) late: u64,
    pub(crate) declined: u64,
    pub(crate) doubted: u64,
    pub(crate) signed: u64,
    pub(crate) cuts: u64,
    pub(crate) troubles: u64,
    pub(crate) hung_up: u64,
    pub(crate) receipts: u64,
    pub(crate) given_back: u64,
    pub(crate) settled: u64,
    pub(crate) settled_again: u64,
    pub(crate) joined: u64,
    pub(crate) by_code: u64,
    pub(crate) back_by_code: u64,
    pub(crate) steps: u64,
}

impl Tally {
    pub(crate) fn named(&self) -> [(&'static str, u64); 15] {
        [
            ("paid", self.paid),
            ("paid late", self.late),
            ("declined", self.declined),
            ("in doubt", self.doubted),
            ("signed by an operator", self.signed),
            ("cut", self.cuts),
            ("wrong with the disk", self.troubles),
            ("left by its till", self.hung_up),
            ("confirmed", self.receipts),
            ("given back", self.given_back),
            ("settled", self.settled),
            ("asked to be settled under a key of an older settlement", self.settled_again),
            ("a card sale found again without a key after another till's", self.joined),
            ("paid by a code that was shown", self.by_code),
            ("given back by SBP", self.back_by_code),
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.days += other.days;
        self.paid += other.paid;
        self.late += other.late;
        self.declined += other.declined;
        self.doubted += other.doubted;
        self.signed += other.signed;
        self.cuts += other.cuts;
        self.troubles += other.troubles;
        self.hung_up += other.hung_up;
        self.receipts += other.receipts;
        self.given_back += other.given_back;
        self.settled += other.settled;
        self.settled_again += other.settled_again;
        self.joined += other.joined;
        self.by_code += other.by_code;
        self.back_by_code += other.back_by_code;
        self.steps += other.steps;
    }
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) clock: Clock,
    pub(crate) disk: Arc<Mutex<Disk>>,
    pub(crate) driver: Option<Driver<OnDisk>>,
    pub(crate) handle: Option<Handle>,
    pub(crate) life: u64,
    pub(crate) now_ms: u64,
    queue: BTreeMap<(u64, u64), Act>,
    sequence: u64,
    pub(crate) click: Provider,
    pub(crate) payme: Provider,
    pub(crate) qrm: Qrm,
    pub(crate) pad: Pinpad,
    pub(crate) intents: Vec<Intent>,
    pub(crate) whose: BTreeMap<PaymentId, usize>,
    pub(crate) charges: BTreeMap<PaymentId, u32>,
    /// Where an operator signed the opposite of the truth.
    pub(crate) mis_signed: BTreeSet<PaymentId>,
    pub(crate) in_delivery: BTreeSet<PaymentId>,
    pub(crate) results: BTreeSet<(RunId, u32)>,
    /// The keys under which tills asked for the shift to be closed, and the settlement that each was answered with first.
    pub(crate) closings: Vec<Option<SettlementId>>,
    pub(crate) faults: bool,
    told: bool,
    pub(crate) broken: Option<String>,
    pub(crate) tally: Tally,
}

/// What is sold here.
const METHODS: [Method; 4] = [Method::Humo, Method::Click, Method::Payme, Method::Sbp];

pub(crate) fn policy() -> Policy {
    Policy {
        methods: METHODS.to_vec(),
        merchant: Some(Merchant { inn: "1".into(), kkm_id: "2".into(), device_id: "3".into() }),
        codes: tolov::payment::code::CodeTable::default(),
        scan_wait_ms: 60_000,
        card_again_ms: 1_000,
        card_least_ms: 10_000,
        card_runs_max: 3,
        join_unanswered_ms: 900_000,
        ask_every_ms: 15_000,
        backoff_min_ms: 1_000,
        backoff_max_ms: 60_000,
        sbp: [("main".to_owned(), None)].into(),
        sbp_open_max: 8,
        ..Policy::default()
    }
}

/// The morning, ms since 1970.
const MORNING_MS: i64 = 1_800_000_000_000;
/// After so many steps a day is a loop.
const STEPS_MAX: u64 = 60_000;

impl World {
    pub(crate) fn new(seed: u64, told: bool) -> Self {
        let mut dice = Dice::new(seed);
        let pad = Pinpad::new(&mut dice);
        Self {
            dice,
            clock: Clock::set_at(MORNING_MS),
            disk: Arc::default(),
            driver: None,
            handle: None,
            life: 0,
            now_ms: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            click: Provider::default(),
            payme: Provider::default(),
            qrm: Qrm::default(),
            pad,
            intents: Vec::new(),
            whose: BTreeMap::new(),
            charges: BTreeMap::new(),
            mis_signed: BTreeSet::new(),
            in_delivery: BTreeSet::new(),
            results: BTreeSet::new(),
            closings: Vec::new(),
            faults: true,
            told,
            broken: None,
            tally: Tally { days: 1, ..Tally::default() },
        }
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:>9} ms  {}", self.now_ms, what());
        }
    }

    pub(crate) fn later(&mut self, pause_ms: u64, act: Act) {
        self.sequence += 1;
        self.queue.insert((self.now_ms + pause_ms, self.sequence), act);
    }

    pub(crate) fn soon(&mut self, act: Act, within_ms: u64) {
        let pause = self.dice.below(within_ms);
        self.later(pause, act);
    }

    /// The day's plan, and the day.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        self.boot();
        let day_ms = 3_600_000;
        for number in 0..8 + usize::try_from(self.dice.below(20)).unwrap() {
            let intent = self.intent(number);
            self.intents.push(intent);
            self.soon(Act::Press(number), day_ms);
        }
        let bad = self.dice.below(4);
        for _ in 0..bad * 2 {
            self.soon(Act::Cut, day_ms);
            self.soon(Act::CableOut, day_ms);
        }
        for _ in 0..bad {
            let trouble = match self.dice.below(3) {
                0 => Trouble::Full { freed: false },
                1 => Trouble::ReadOnly,
                _ => Trouble::Flaky(1 + u32::try_from(self.dice.below(3)).unwrap()),
            };
            self.soon(Act::Disk(trouble), day_ms);
            let step = i64::try_from(self.dice.below(200_000_000)).unwrap() - 100_000_000;
            self.soon(Act::Clock(step), day_ms);
        }
        for _ in 0..2 + self.dice.below(5) {
            self.soon(Act::Settle, day_ms);
        }
        for act in [Act::Operator, Act::Operator, Act::Operator] {
            self.soon(act, day_ms);
        }
        self.run(day_ms)
    }

    fn intent(&mut self, number: usize) -> Intent {
        let method = self.dice.one_of(&METHODS);
        // A till that sells by SBP has to send a key.
        let keyed = self.dice.percent(50) || method == Method::Sbp;
        let brings = method.scans() && self.dice.percent(50);
        let shows = format!("88{:016}", number);
        // A card sale without a key is known by its amount alone; two customers of one amount are told apart by their cashier.
        let amount = if keyed || brings {
            self.dice.one_of(&[50_000, 120_000])
        } else {
            200_000 + i64::try_from(number).unwrap() * 100
        };
        Intent {
            method,
            amount,
            token: keyed.then(|| Token { key: format!("till:{number}"), digest: String::new() }),
            code: brings.then(|| shows.clone()),
            shows,
            presses: 0,
            pressed_ms: 0,
            waiting: None,
            payment: None,
            heard: None,
            given_up: false,
            receipt: receipt(number),
            confirmed: false,
            gives_back: None,
        }
    }

    /// Everything until then; with nothing left to happen, less.
    pub(crate) fn run(&mut self, until_ms: u64) -> Result<(), String> {
        loop {
            let planned = self.queue.first_key_value().map(|((at, _), _)| *at);
            let own = self.driver.as_ref().and_then(Driver::pause_ms).map(|pause| self.now_ms + pause);
            let Some(at) = planned.into_iter().chain(own).min().filter(|at| *at <= until_ms) else {
                self.advance_to(until_ms);
                return Ok(());
            };
            self.advance_to(at);
            let mut acts = Vec::new();
            while let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= at) {
                acts.push(entry.remove());
            }
            if acts.is_empty() {
                acts.push(Act::Tick);
            }
            self.step(acts)?;
            self.tally.steps += 1;
            if self.tally.steps > STEPS_MAX {
                return Err("the day does not end".into());
            }
        }
    }

    fn advance_to(&mut self, at_ms: u64) {
        self.clock.advance(at_ms.saturating_sub(self.now_ms));
        self.now_ms = self.now_ms.max(at_ms);
    }

    fn step(&mut self, acts: Vec<Act>) -> Result<(), String> {
        let mut batch: Vec<Envelope> = Vec::new();
        let mut ears = Vec::new();
        for act in acts {
            // The power may fail again while it comes back.
            while self.driver.is_none() {
                self.boot();
            }
            if !matches!(act, Act::Tick | Act::Speak) {
                self.say(|| format!("{act:?}").chars().take(400).collect());
            }
            self.act(act, &mut batch, &mut ears);
        }
        if self.driver.is_some() {
            let effects = self.driver.as_mut().unwrap().take(batch);
            self.after(ears);
            self.release(effects);
            self.poll();
        }
        let attended = self.disk.lock().unwrap().payments().filter(|p| p.attended && p.state.is_in_progress()).count();
        if attended > 1 {
            return Err(format!("{attended} payments hold the counter"));
        }
        let snapshot = self.handle.as_ref().map(Handle::snapshot);
        if snapshot.is_some_and(|s| s.faults > 0) {
            return Err("the machine contradicted its own diagram".into());
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    /// The power comes back.
    pub(crate) fn boot(&mut self) {
        self.life += 1;
        self.clock = Clock::set_at(self.clock.wall_ms());
        let (mut driver, handle) = Driver::new(OnDisk::new(self.disk.clone()), policy(), self.clock.clone()).unwrap();
        let effects = driver.begin();
        self.driver = Some(driver);
        self.handle = Some(handle);
        self.release(effects);
        if self.driver.is_none() {
            return;
        }
        self.pad.up = true;
        self.later(0, Act::Tell(self.life, Event::PinpadUp));
        self.later(0, Act::Tell(self.life, Event::Scanner { present: true }));
    }

    /// The power fails: the driver is gone, and of what was on its way some has arrived.
    pub(crate) fn cut(&mut self) {
        self.driver = None;
        self.handle = None;
        self.tally.cuts += 1;
        self.in_delivery.clear();
        self.results.clear();
        let _ = self.pad.lose(&mut self.dice);
        self.qrm.forget();
        self.intents.iter_mut().for_each(|i| i.waiting = None);
        for (at, act) in std::mem::take(&mut self.queue) {
            let dropped = match act {
                Act::Tell(..) | Act::Speak => true,
                Act::Charge(_) | Act::AskForCode(_) | Act::SendBack(..) => self.dice.percent(50),
                _ => false,
            };
            if !dropped {
                self.queue.insert(at, act);
            }
        }
        for number in 0..self.intents.len() {
            let intent = &self.intents[number];
            if intent.presses > 0 && intent.heard.is_none() && !intent.given_up && intent.repeats() {
                self.soon(Act::Press(number), 60_000);
            }
        }
    }
}
