//! The way of receipts, whole: till's events → driver → store → outbox → gateway, through faults of the gateway and a sudden end of the daemon,
//! held against the gateway's own books.
#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use tolov::clock::Clock;
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults, GatewaySim, GatewaySimHandle, GatewaySimSettings};
use tolov::driver::{Driver, Handle};
use tolov::history::History;
use tolov::outbox::Outbox;
use tolov::payment::card::RunId;
use tolov::payment::code::CodeTable;
use tolov::payment::event::{Confirm, Effect, Event, Reply, SaleRef, Sell};
use tolov::payment::fiscal::Receipt;
use tolov::payment::money::Unit;
use tolov::payment::receipt::ReceiptLink;
use tolov::payment::sale::{Merchant, Method, State};
use tolov::payment::terminal::Policy;
use tolov::payment::{Currency, Money, PaymentId};
use tolov::provider::{ConfirmDialect, Gateway, GatewayKind, GatewaySettings, Providers, Ready};
use tolov::store::audit::audit;
use tolov::store::{Archive, Store, StoreOptions};

/// One life of the daemon, without its doors.
struct Life {
    driver: Handle,
    archive: Arc<Archive>,
    tasks: Vec<JoinHandle<()>>,
    _stop: watch::Sender<bool>,
}

impl Life {
    fn begin(dir: &Path, gateway: &GatewaySimHandle) -> Self {
        let clock = Clock::system();
        let store = Store::open(dir, &StoreOptions::at(clock.wall_ms())).unwrap();
        let archive = Arc::new(store.archive().unwrap());
        let (driver, handle) = Driver::new(store, policy(), clock.clone()).unwrap();
        let providers = Arc::new(providers(gateway));
        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let release = {
            let (providers, wake, handle) = (providers.clone(), wake.clone(), handle.clone());
            move |effect| match effect {
                Effect::Charge { payment } => {
                    let (providers, handle) = (providers.clone(), handle.clone());
                    tokio::spawn(async move {
                        let id = payment.id;
                        let outcome = providers.charge(payment, Ready::default()).await;
                        handle.tell(Event::ProviderAnswered { payment: id, outcome }).await;
                    });
                }
                Effect::Deliver => wake.notify_one(),
                _ => {}
            }
        };
        let outbox = Outbox::new(providers, archive.clone(), handle.clone(), clock, wake.clone());
        let tasks = vec![tokio::spawn(driver.run(release, stopped)), tokio::spawn(outbox.run())];
        Self { driver: handle, archive, tasks, _stop: stop }
    }

    /// Without a word, in the middle of whatever it does.
    async fn end(self) {
        for task in self.tasks {
            task.abort();
            assert!(task.await.is_err_and(|e| e.is_cancelled()), "it ended by itself before");
        }
    }

    async fn sell(&self, method: Method, number: usize) -> PaymentId {
        let id = PaymentId(Uuid::new_v4());
        let code = match method {
            Method::Payme => format!("505{number:017}"),
            Method::Click | Method::Humo | Method::Sbp => format!("88{number:016}"),
        };
        let amount = Money::from_unit(500, Unit::Sum, Currency::Uzs).unwrap();
        let run = RunId(Uuid::new_v4());
        let sell =
            Sell { id, run, method, amount, code: Some(code), token: None, order_id: None, sbp: None, display: true };
        let ticket = self.driver.ask(Event::Sell(sell)).await.unwrap();
        match ticket.settled().await.unwrap() {
            Reply::Payment(payment) => assert_eq!(payment.state, State::Paid),
            other => panic!("{other:?}"),
        }
        id
    }

    async fn bring_receipt(&self, method: Method, payment: PaymentId, number: usize) {
        let link = format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={number:04}&c=20260104121801&s=514343190161");
        let receipt = Receipt::from_link(ReceiptLink::parse(&link).unwrap(), None, None).unwrap();
        let confirm = Confirm { method, of: SaleRef::Payment(payment), receipt };
        self.driver.ask(Event::Confirm(confirm)).await.unwrap();
    }
}

fn policy() -> Policy {
    let merchant = Merchant { inn: "123456789".into(), kkm_id: "00000001".into(), device_id: "00000001".into() };
    Policy {
        methods: vec![Method::Click, Method::Payme],
        merchant: Some(merchant),
        codes: CodeTable::default(),
        scan_wait_ms: 1_000,
        join_unanswered_ms: 1_000,
        ask_every_ms: 1_000,
        backoff_min_ms: 50,
        backoff_max_ms: 200,
        ..Policy::default()
    }
}

fn providers(gateway: &GatewaySimHandle) -> Providers {
    [GatewayKind::Click, GatewayKind::Payme].into_iter().fold(Providers::new(), |providers, kind| {
        let settings = GatewaySettings {
            base_url: gateway.base_url(),
            amount_unit: Unit::Sum,
            upstream_amount_unit: Unit::Sum,
            confirm_dialect: ConfirmDialect::default(),
            timeout_ms: 5_000,
            connect_timeout_ms: 5_000,
            refused_codes: vec![7, 104, 106, 401, 402],
        };
        providers.with(kind.method(), Arc::new(Gateway::new(kind, settings)))
    })
}

/// Receipts in the gateway's books, by the provider's own id of their charge.
fn receipts(gateway: &GatewaySimHandle) -> BTreeMap<String, Vec<String>> {
    let mut receipts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in gateway.entries() {
        if let Entry::Confirmation { payment_id, link, .. } = entry {
            receipts.entry(payment_id).or_default().push(link);
        }
    }
    receipts
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_receipt_reaches_the_gateway_through_its_faults_and_our_sudden_end() {
    const SALES: usize = 30;
    let dir = tempfile::tempdir().unwrap();
    let gateway = GatewaySim::spawn(GatewaySimSettings::default()).await.unwrap();
    let first = Life::begin(dir.path(), &gateway);
    let mut sales = Vec::new();
    for number in 0..SALES {
        let method = if number % 2 == 0 { Method::Click } else { Method::Payme };
        sales.push((method, first.sell(method, number).await));
    }
    // Every answer to a receipt is lost after it was booked: what was delivered is not known to be.
    gateway.set_faults(Faults { confirm: Some(Fault::always(FaultKind::LostAfter)), ..Faults::default() });
    for (number, (method, payment)) in sales.iter().enumerate() {
        first.bring_receipt(*method, *payment, number).await;
    }
    until("some receipts are tried", || receipts(&gateway).len() >= 4).await;
    assert_eq!(
        first.archive.queue_depth().unwrap().queued,
        u64::try_from(SALES).unwrap(),
        "nothing is believed delivered"
    );
    first.end().await;

    gateway
        .set_faults(Faults { confirm: Some(Fault { kind: FaultKind::Http500, times: Some(3) }), ..Faults::default() });
    let second = Life::begin(dir.path(), &gateway);
    until("the queue is empty", || second.archive.queue_depth().unwrap().queued == 0).await;
    let depth = second.archive.queue_depth().unwrap();
    assert_eq!((depth.parked, depth.owed), (0, 0));
    let delivered = receipts(&gateway);
    for (number, (_, payment)) in sales.iter().enumerate() {
        let payment = second.archive.payment(*payment).unwrap().unwrap();
        let id = payment.approval.as_ref().and_then(|a| a.payment_id.clone()).unwrap();
        let wanted = format!("r={number:04}&");
        assert!(
            delivered[&id].iter().all(|link| link.contains(&wanted)),
            "its own receipt and no other's: {payment:?}"
        );
        assert_eq!(payment.fiscal.name(), "confirmed");
    }
    assert_eq!(delivered.len(), SALES);
    second.end().await;

    let doubles = gateway.entries().iter().filter(|e| matches!(e, Entry::Charge { double: true, .. })).count();
    assert_eq!(doubles, 0);
    let report = audit(dir.path()).unwrap();
    assert!(report.holds(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_the_gateway_will_never_take_parks_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = GatewaySim::spawn(GatewaySimSettings::default()).await.unwrap();
    let life = Life::begin(dir.path(), &gateway);
    gateway.set_faults(Faults { confirm: Some(Fault::once(FaultKind::Refused { code: 7 })), ..Faults::default() });
    let refused = life.sell(Method::Click, 1).await;
    life.bring_receipt(Method::Click, refused, 1).await;
    until("it is parked", || life.archive.queue_depth().unwrap().parked == 1).await;
    let taken = life.sell(Method::Click, 2).await;
    life.bring_receipt(Method::Click, taken, 2).await;
    until("the other one is confirmed", || {
        life.archive.payment(taken).unwrap().is_some_and(|p| p.fiscal.name() == "confirmed")
    })
    .await;
    let parked = life.archive.payment(refused).unwrap().unwrap();
    assert_eq!(parked.confirmation().unwrap().last_error.as_deref(), Some("qr_code: Invalid value."));
    assert_eq!(receipts(&gateway).len(), 1);
    life.end().await;
}
