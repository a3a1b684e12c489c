//! A long queue of confirmations, and how long the daemon takes to deliver it to a provider that takes everything at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::{Router, routing::post};
use tolov::clock::Clock;
use tolov::driver::handle::Envelope;
use tolov::driver::{Driver, Handle};
use tolov::payment::card::RunId;
use tolov::payment::event::{Confirm, Event, Outcome, SaleRef, Sell};
use tolov::payment::fiscal::Receipt;
use tolov::payment::receipt::ReceiptLink;
use tolov::payment::sale::{Approval, Merchant, Method, PaymentId};
use tolov::payment::terminal::Policy;
use tolov::payment::{Currency, Money};
use tolov::store::{Store, StoreOptions, Synchronous};
use uuid::Uuid;

use crate::support::{Bench, shim};

/// Events in one step while the queue is made.
const BATCH: usize = 256;

/// Nanoseconds for each of so many confirmations, from the first that reaches the provider to the last.
///
/// Syncs do not reach the disk: what they cost is the same for every item, and would only hide what grows with the queue.
pub(crate) fn nanoseconds_an_item(count: u64) -> u128 {
    let mut bench = Bench::new();
    let provider = Provider::serve();
    let configuration = std::fs::read_to_string(bench.configuration()).expect("the configuration");
    let configuration = configuration.replace(&bench.vendors.gateway.base_url(), &provider.base_url);
    std::fs::write(bench.configuration(), configuration).expect("the configuration");
    queue_up(&bench.store(), count);
    let mut command = bench.command();
    shim::put_on(&mut command, &bench.store());
    command.env("SHIM_NO_DISK", "1").env("TOLOV_LOG", "warn");
    bench.start_with(command);
    let taken_at_first = provider.wait_for(1);
    let since = Instant::now();
    provider.wait_for(count);
    let took = since.elapsed().as_nanos();
    took / u128::from(count.saturating_sub(taken_at_first).max(1))
}

/// A provider that says yes to every confirmation, and counts them.
struct Provider {
    base_url: String,
    taken: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

impl Provider {
    fn serve() -> Self {
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let yes = move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            r#"{"data": {"status": "successfully"}, "error": null, "is_success": true}"#
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("its address"));
        let router = Router::new().route("/payment/click_confirm", post(yes));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { base_url, taken, _runtime: runtime }
    }

    /// How many were taken when at least so many were.
    fn wait_for(&self, count: u64) -> u64 {
        loop {
            let taken = self.taken.load(Ordering::SeqCst);
            if taken >= count {
                return taken;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// A store in which so many sales are paid and their receipts wait to be delivered.
fn queue_up(dir: &Path, count: u64) {
    let clock = Clock::system();
    let options = StoreOptions { synchronous: Synchronous::Off, ..StoreOptions::at(clock.wall_ms()) };
    let store = Store::open(dir, &options).expect("a store");
    let policy = Policy { methods: vec![Method::Click], merchant: Some(Merchant::default()), ..Policy::default() };
    let (mut driver, handle) = Driver::new(store, policy, clock).expect("a driver");
    driver.begin();
    let numbers: Vec<u64> = (0..count).collect();
    for batch in numbers.chunks(BATCH) {
        let sales: Vec<(PaymentId, u64)> = batch.iter().map(|number| (PaymentId(Uuid::new_v4()), *number)).collect();
        for event in [sold, paid, receipt_brought] {
            driver.take(sales.iter().map(|(payment, number)| Envelope::tell(event(*payment, *number))).collect());
        }
    }
    assert_eq!(queued(&handle), count);
}

fn queued(handle: &Handle) -> u64 {
    handle.snapshot().queue.queued
}

fn sold(payment: PaymentId, number: u64) -> Event {
    Event::Sell(Sell {
        id: payment,
        run: RunId(Uuid::nil()),
        method: Method::Click,
        amount: Money::from_minor(50_000, Currency::Uzs),
        code: Some(format!("88{number:016}")),
        token: None,
        order_id: None,
        sbp: None,
        display: true,
    })
}

fn paid(payment: PaymentId, number: u64) -> Event {
    let approval = Approval { payment_id: Some((2_000_000_000 + number).to_string()), ..Approval::default() };
    Event::ProviderAnswered { payment, outcome: Outcome::Approved(approval) }
}

fn receipt_brought(payment: PaymentId, number: u64) -> Event {
    let link = format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={number}&c=20260104121801&s=514343190161");
    let receipt = Receipt::from_link(ReceiptLink::parse(&link).expect("a link"), None, None).expect("a receipt");
    Event::Confirm(Confirm { method: Method::Click, of: SaleRef::Payment(payment), receipt })
}
