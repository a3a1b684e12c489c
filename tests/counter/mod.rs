//! A terminal for tests of its public face: the real driver, store and HTTP server, the real gateway client, and around them a scripted
//! vendor on a loopback socket and a scripted PinPad.

#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used)]

pub mod qrm;
pub mod till;
pub mod vendor;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tolov::api::{self, ApiSettings};
use tolov::clock::Clock;
use tolov::driver::{Driver, Handle};
use tolov::history::{History, QueueFilter};
use tolov::payment::card::{ResultClass, RunId, RunResult, Slip};
use tolov::payment::event::{Effect, Event, RunEnd, Said};
use tolov::payment::money::Unit;
use tolov::payment::sale::{Merchant, Method, Payment, Private};
use tolov::payment::terminal::Policy;
use tolov::provider::{ConfirmDialect, Gateway, GatewayKind, GatewaySettings, Providers, Ready};
use tolov::store::{Store, StoreOptions};

pub use qrm::Qrm;
pub use till::{Heard, Till};
pub use vendor::{Reply, Vendor};

/// What the PinPad does with the next run.
#[derive(Clone, Debug)]
pub enum Card {
    /// Print a slip, give a result code, end.
    Says { slip: Box<Slip>, printed: String, masked: String, code: &'static str, class: ResultClass },
    /// Wait for a card that never comes, until it is told to give up.
    Waits,
    /// Take the card and break off.
    Breaks,
}

/// How a terminal is set up for a test.
pub struct Setup {
    pub merchant: Option<Merchant>,
    pub methods: Vec<Method>,
    pub replies: Vec<Reply>,
    pub cards: Vec<Card>,
    pub qrm: Qrm,
    pub settings: fn() -> ApiSettings,
}

impl Default for Setup {
    fn default() -> Self {
        let merchant =
            Merchant { inn: "000000000".to_owned(), kkm_id: "00000001".to_owned(), device_id: "00000001".to_owned() };
        Self {
            merchant: Some(merchant),
            methods: Method::ALL.to_vec(),
            replies: Vec::new(),
            cards: Vec::new(),
            qrm: Qrm::default(),
            settings: ApiSettings::default,
        }
    }
}

/// A terminal at work.
pub struct Counter {
    pub till: Till,
    pub vendor: Vendor,
    pub qrm: Qrm,
    pub driver: Handle,
    pub dir: std::path::PathBuf,
    stop: watch::Sender<bool>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl Counter {
    /// Start one on a fresh store.
    pub async fn open(setup: Setup) -> (Self, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Self::open_on(dir.path(), setup).await, dir)
    }

    /// Start one on a store that is there.
    pub async fn open_on(dir: &std::path::Path, setup: Setup) -> Self {
        let clock = Clock::system();
        let store = Store::open(dir, &StoreOptions::at(clock.wall_ms())).unwrap();
        let history: Arc<dyn History> = Arc::new(store.archive().unwrap());
        let cards = setup.methods.contains(&Method::Humo);
        let policy = Policy {
            methods: setup.methods,
            merchant: setup.merchant,
            scan_wait_ms: 120_000,
            created_wait_ms: 900_000,
            created_max: 64,
            created_per_till_max: 64,
            wishes_max: 32,
            join_unanswered_ms: 600_000,
            ask_every_ms: 600_000,
            backoff_min_ms: 1_000,
            backoff_max_ms: 10_000,
            sbp: setup.qrm.profiles.iter().map(|(name, ofd)| ((*name).to_owned(), *ofd)).collect(),
            sbp_open_max: 16,
            ..Policy::default()
        };
        let (driver, handle) = Driver::new(store, policy, clock.clone()).unwrap();
        let vendor = Vendor::open(setup.replies).await;
        let outside = Outside {
            driver: handle.clone(),
            history: history.clone(),
            providers: providers(&vendor).with(Method::Sbp, Arc::new(setup.qrm.clone())),
            qrm: setup.qrm.clone(),
            cards: Arc::new(Mutex::new(setup.cards.into())),
            waiting: Arc::default(),
            asked: Arc::default(),
            clock,
        };
        let (stop, stopping) = watch::channel(false);
        let (driver_ended, driver_end) = oneshot::channel();
        let to_stop = stopping.clone();
        tokio::spawn(async move {
            driver.run(move |effect| outside.carry_out(effect), to_stop).await;
            let _ = driver_ended.send(());
        });
        handle.tell(Event::PinpadUp).await;
        if cards {
            until_learned(dir).await;
        }

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let place = api::Place::at(listener).unwrap();
        let (api_ended, api_end) = oneshot::channel();
        let (api_handle, settings) = (handle.clone(), (setup.settings)());
        let mut stopping = stopping;
        tokio::spawn(async move {
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            api::serve(vec![place], api_handle, history, settings, stopped).await;
            let _ = api_ended.send(());
        });
        let dir = dir.to_owned();
        Self {
            till: Till(address),
            vendor,
            qrm: setup.qrm,
            driver: handle,
            dir,
            stop,
            ended: vec![driver_end, api_end],
        }
    }

    /// Stop it, so that the store can be opened again.
    pub async fn close(self) {
        self.stop.send_replace(true);
        for ended in self.ended {
            let _ = ended.await;
        }
    }

    /// The journal's lines, one fact each.
    pub fn journal(&self) -> Vec<String> {
        let archive = tolov::store::Archive::open(&self.dir).unwrap();
        archive.journal(0, 10_000).unwrap().into_iter().map(|line| line.fact).collect()
    }

    /// Wait until the journal has a line with `word`.
    pub async fn until_journal_says(&self, word: &str) {
        for _ in 0..500 {
            if self.journal().iter().any(|line| line.contains(word)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the journal never says {word}: {:#?}", self.journal());
    }
}

/// Wait until the terminal knows what the PinPad's last operation was.
async fn until_learned(dir: &std::path::Path) {
    let archive = tolov::store::Archive::open(dir).unwrap();
    while !archive.journal(0, 10_000).unwrap().iter().any(|line| line.fact.contains("card_marked")) {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn providers(vendor: &Vendor) -> Providers {
    let gateway = |kind| {
        let settings = GatewaySettings {
            base_url: vendor.base_url(),
            amount_unit: Unit::Sum,
            upstream_amount_unit: Unit::Sum,
            confirm_dialect: ConfirmDialect::default(),
            timeout_ms: 20_000,
            connect_timeout_ms: 2_000,
            refused_codes: vec![7, 104, 106, 401, 402],
        };
        Arc::new(Gateway::new(kind, settings))
    };
    Providers::new().with(Method::Click, gateway(GatewayKind::Click)).with(Method::Payme, gateway(GatewayKind::Payme))
}

/// Carries effects out, and reports back.
#[derive(Clone)]
struct Outside {
    driver: Handle,
    history: Arc<dyn History>,
    providers: Providers,
    qrm: Qrm,
    cards: Arc<Mutex<VecDeque<Card>>>,
    /// The run that waits for a card.
    waiting: Arc<Mutex<Option<RunId>>>,
    /// The PinPad has answered its first question.
    asked: Arc<AtomicBool>,
    clock: Clock,
}

impl Outside {
    fn carry_out(&self, effect: Effect) {
        let outside = self.clone();
        match effect {
            Effect::Charge { payment } => {
                tokio::spawn(async move {
                    let outcome = outside.providers.charge(payment.clone(), Ready::default()).await;
                    outside.driver.tell(Event::ProviderAnswered { payment: payment.id, outcome }).await;
                });
            }
            Effect::Deliver => {
                tokio::spawn(async move { outside.deliver().await });
            }
            Effect::Sbp(order) => {
                tokio::spawn(async move { outside.qrm.carry_out(order, outside.driver.clone()).await });
            }
            Effect::PinpadRun { run, .. } => {
                let card = self.cards.lock().unwrap().pop_front().expect("a card for every run");
                tokio::spawn(async move { outside.play(run, card).await });
            }
            // A new PinPad: it knows of no operation yet, and answers no other question.
            Effect::PinpadAsk { run, .. } => {
                let first = !self.asked.swap(true, Ordering::SeqCst);
                tokio::spawn(async move {
                    let result = RunResult { code: "202".to_owned(), class: ResultClass::NotFound };
                    let end = if first { RunEnd::Ended } else { RunEnd::Lost { why: "silence".to_owned() } };
                    outside.driver.tell(Event::PinpadSaid { run, sequence: 0, said: Said::Result(result) }).await;
                    outside.driver.tell(Event::PinpadFinished { run, end }).await;
                });
            }
            Effect::PinpadCancel { run } if self.waiting.lock().unwrap().take() == Some(run) => {
                tokio::spawn(async move {
                    let why = "called off".to_owned();
                    outside.driver.tell(Event::PinpadFinished { run, end: RunEnd::NotSent { why } }).await;
                });
            }
            _ => {}
        }
    }

    async fn deliver(&self) {
        let filter = QueueFilter { due_ms: Some(self.clock.wall_ms()), ..QueueFilter::default() };
        for payment in self.history.queue(&filter).unwrap() {
            let payment: Arc<Payment> = Arc::new(payment);
            let confirmation = payment.confirmation().unwrap().clone();
            let number = confirmation.number;
            let outcome = self.providers.confirm(payment.clone(), confirmation).await;
            let delivered = Event::Delivered { payment: payment.id, number, outcome, jitter_permille: 0 };
            self.driver.tell(delivered).await;
        }
    }

    async fn play(&self, run: RunId, card: Card) {
        let mut said = Vec::new();
        let end = match card {
            Card::Waits => {
                *self.waiting.lock().unwrap() = Some(run);
                return;
            }
            Card::Breaks => {
                said.push(Said::CardPresented);
                RunEnd::Lost { why: "the cable was pulled".to_owned() }
            }
            Card::Says { slip, printed, masked, code, class } => {
                said.push(Said::CardPresented);
                said.push(Said::Print { masked, printed: Private(Some(printed)), slip, entries: Vec::new() });
                said.push(Said::Result(RunResult { code: code.to_owned(), class }));
                RunEnd::Ended
            }
        };
        for (sequence, said) in (0..).zip(said) {
            self.driver.tell(Event::PinpadSaid { run, sequence, said }).await;
            // The bank takes its time.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        self.driver.tell(Event::PinpadFinished { run, end }).await;
    }
}
