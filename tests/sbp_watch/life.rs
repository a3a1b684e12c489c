//! One life of the terminal without its doors: store, driver and bridge, and the questions that a till would ask.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use tolov::clock::Clock;
use tolov::driver::{Driver, Handle};
use tolov::history::History;
use tolov::payment::card::RunId;
use tolov::payment::event::{Effect, Event, GiveBack, RegisterLink, SaleRef, Sell};
use tolov::payment::sale::{Method, Payment, RefundId, RefundState};
use tolov::payment::sbp::SbpAsk;
use tolov::payment::terminal::Policy;
use tolov::payment::{Currency, Money, PaymentId};
use tolov::provider::qrm::{Profiles, QrmSettings, Sockets};
use tolov::sbp::{self, Commands, Waits};
use tolov::store::{Archive, Store, StoreOptions};

use super::server::{KEY, Server};

/// Waits short enough for a test, in the proportions of the terminal's own.
pub fn waits() -> Waits {
    Waits {
        ping_every_ms: 100,
        socket_silence_ms: 600,
        reconnect_first_ms: 5,
        reconnect_longest_ms: 50,
        socket_refused_ms: 300,
        command_every_ms: 20,
        send_ms: 1_000,
        ask_first_ms: 40,
        ask_longest_ms: 200,
        check_every_ms: 400,
        silent_ms: 1_500,
        after_failed_ms: 60_000,
        watch_ms: 600_000,
        slow_ask_ms: 300,
        refund_ask_first_ms: 20,
        refund_ask_longest_ms: 100,
        link_retry_first_ms: 20,
        link_retry_longest_ms: 100,
    }
}

pub struct Setup {
    pub waits: Waits,
    pub sockets: Sockets,
    pub polls_per_minute: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self { waits: waits(), sockets: Sockets::PerOperation, polls_per_minute: 6_000 }
    }
}

pub struct Life {
    pub driver: Handle,
    pub archive: Arc<Archive>,
    pub sbp: Commands,
    /// Every effect that was an order of SBP, as it was released.
    pub orders: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
    _stop: watch::Sender<bool>,
    /// The bridge's tasks end with it: a power cut.
    bridge: Option<tokio::runtime::Runtime>,
}

impl Life {
    pub fn begin(dir: &Path, server: &Server, setup: &Setup) -> Self {
        let clock = Clock::system();
        let store = Store::open(dir, &StoreOptions::at(clock.wall_ms())).unwrap();
        let archive = Arc::new(store.archive().unwrap());
        let policy = Policy {
            methods: vec![Method::Sbp],
            sbp: [("main".to_owned(), None)].into(),
            sbp_open_max: 256,
            ..Policy::default()
        };
        let (driver, handle) = Driver::new(store, policy, clock.clone()).unwrap();
        let settings = QrmSettings {
            base_url: server.base_url(),
            receipts: None,
            sockets: setup.sockets,
            web_links: false,
            strict_nomenclature: false,
            timeout_ms: 2_000,
            connect_timeout_ms: 1_000,
            polls_per_minute: setup.polls_per_minute,
        };
        let profiles =
            Profiles::default().with("main", settings, Arc::new(|| Some(SecretString::from(KEY.to_owned()))));
        let bridge = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let sbp = {
            let _within = bridge.enter();
            sbp::spawn_with(&profiles, setup.waits, &clock, handle.clone())
        };
        let (stop, stopped) = watch::channel(false);
        let orders: Arc<Mutex<Vec<String>>> = Arc::default();
        let release = {
            let (sbp, orders) = (sbp.clone(), orders.clone());
            move |effect: Effect| {
                if let Effect::Sbp(order) = &effect {
                    orders.lock().unwrap().push(format!("{order:?}"));
                }
                let _ = sbp.release(effect);
            }
        };
        let task = tokio::spawn(driver.run(release, stopped));
        Self { driver: handle, archive, sbp, orders, task, _stop: stop, bridge: Some(bridge) }
    }

    /// Without a word, in the middle of whatever it does.
    pub async fn end(mut self) {
        self.bridge.take().unwrap().shutdown_background();
        self.task.abort();
        assert!((&mut self.task).await.is_err_and(|e| e.is_cancelled()), "it ended by itself before");
    }

    /// Ask for a sale whose code is shown by the till alone.
    pub async fn sell(&self, kopecks: i64) -> PaymentId {
        self.sell_so(kopecks, false, false).await
    }

    pub async fn sell_so(&self, kopecks: i64, display: bool, cash_link: bool) -> PaymentId {
        let id = PaymentId(Uuid::new_v4());
        let ask = SbpAsk { profile: "main".to_owned(), cash_link, ..SbpAsk::default() };
        let sell = Sell {
            id,
            run: RunId(Uuid::new_v4()),
            method: Method::Sbp,
            amount: Money::from_minor(kopecks, Currency::Rub),
            code: None,
            token: None,
            order_id: None,
            sbp: Some(Box::new(ask)),
            display,
        };
        self.driver.ask(Event::Sell(sell)).await.unwrap();
        id
    }

    /// A sale with its code, and QRManager's name of the operation.
    pub async fn open(&self, kopecks: i64) -> (PaymentId, String) {
        let id = self.sell(kopecks).await;
        (id, self.operation(id).await)
    }

    pub async fn operation(&self, id: PaymentId) -> String {
        self.until("the code is made", || self.sbp_of(id).is_some_and(|sbp| sbp.code.is_some())).await;
        self.sbp_of(id).unwrap().code.unwrap().operation_id
    }

    pub fn payment(&self, id: PaymentId) -> Payment {
        self.archive.payment(id).unwrap().unwrap()
    }

    fn sbp_of(&self, id: PaymentId) -> Option<tolov::payment::sbp::Sbp> {
        self.archive.payment(id).unwrap().and_then(|p| p.sbp).map(|sbp| *sbp)
    }

    pub fn state(&self, id: PaymentId) -> &'static str {
        self.payment(id).state.name()
    }

    pub async fn cancel(&self, id: PaymentId) {
        self.driver.ask(Event::Cancel { payment: Some(id), operator: false }).await.unwrap();
    }

    pub async fn give_back(&self, id: PaymentId, kopecks: i64) -> RefundId {
        let refund = RefundId(Uuid::new_v4());
        let back = GiveBack {
            id: refund,
            run: RunId(Uuid::new_v4()),
            of: SaleRef::Payment(id),
            amount: Money::from_minor(kopecks, Currency::Rub),
            token: None,
        };
        self.driver.ask(Event::GiveBack(back)).await.unwrap();
        refund
    }

    pub fn refund_state(&self, id: PaymentId, refund: RefundId) -> RefundState {
        self.payment(id).refund(refund).unwrap().state.clone()
    }

    pub async fn register_link(&self) {
        let wish = RegisterLink { profile: "main".to_owned(), size: None, qrc_id: None, known: None };
        self.driver.ask(Event::RegisterLink(wish)).await.unwrap();
        self.until("the link is registered", || self.link_is("idle")).await;
    }

    pub fn link_is(&self, state: &str) -> bool {
        self.driver.snapshot().cash_links.get("main").is_some_and(|link| link.state.name() == state)
    }

    pub async fn until_state(&self, id: PaymentId, state: &str) {
        self.until(&format!("{id} is {state}"), || self.state(id) == state).await;
    }

    /// How many orders of that name were released.
    pub fn ordered(&self, name: &str) -> usize {
        self.orders.lock().unwrap().iter().filter(|order| order.starts_with(name)).count()
    }

    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..3_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never happened: {what}\n{:#?}", self.driver.snapshot());
    }
}
