//! The outbox against a queue in memory, a provider that follows a script, and a clock that a test moves.

mod early;

use super::*;
use crate::history::{ChangeFilter, Changes, Filter, JournalEnds, JournalLine};
use crate::payment::event::Outcome;
use crate::payment::fact::Fact;
use crate::payment::fiscal::backoff_ms;
use crate::payment::sale::{RefundId, UnixMs};
use crate::payment::terminal::{Policy, Terminal};
use crate::provider::gateway::tests::paid_sale;
use crate::provider::{Asked, Provider, Ready};
use crate::snapshot::QueueDepth;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NOW_MS: i64 = 1_800_000_000_000;

/// A queue, and the driver that writes into it.
struct World {
    terminal: Mutex<Terminal>,
    clock: Clock,
    /// Reports to be refused before one is taken.
    denials: Mutex<VecDeque<Denial>>,
    rows_read: AtomicUsize,
    looks: AtomicUsize,
}

impl World {
    fn new(sales: usize, method: Method) -> Arc<Self> {
        Self::at(Clock::set_at(NOW_MS), sales, method)
    }

    fn at(clock: Clock, sales: usize, method: Method) -> Arc<Self> {
        let policy = Policy {
            methods: vec![method],
            merchant: None,
            codes: crate::payment::code::CodeTable::default(),
            scan_wait_ms: 0,
            join_unanswered_ms: 0,
            ask_every_ms: 0,
            backoff_min_ms: 1_000,
            backoff_max_ms: 900_000,
            ..Policy::default()
        };
        let world = Self {
            terminal: Mutex::new(Terminal::new(policy)),
            clock,
            denials: Mutex::new(VecDeque::new()),
            rows_read: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
        };
        world.bring(sales, method);
        Arc::new(world)
    }

    fn bring(&self, sales: usize, method: Method) {
        let mut terminal = self.terminal.lock().unwrap();
        (0..sales).for_each(|_| terminal.adopt(paid_sale(method).0));
    }

    fn date_all(&self, next_ms: UnixMs) {
        let mut terminal = self.terminal.lock().unwrap();
        let rows: Vec<PaymentId> = terminal.payments.keys().copied().collect();
        for payment in rows {
            let delayed =
                Fact::ReceiptDelayed { payment, number: 1, next_ms, error: "earlier".to_owned(), registered: false };
            terminal.apply(NOW_MS, &delayed).unwrap();
        }
    }

    fn count(&self, state: ConfirmationState) -> usize {
        let terminal = self.terminal.lock().unwrap();
        terminal.payments.values().filter(|p| p.confirmation().unwrap().state == state).count()
    }
}

impl Report for World {
    fn delivered(&self, event: Event) -> Pin<Box<dyn Future<Output = Result<(), Denial>> + Send + '_>> {
        Box::pin(async move {
            if let Some(denial) = self.denials.lock().unwrap().pop_front() {
                return Err(denial);
            }
            let Event::Delivered { payment, number, outcome, jitter_permille } = event else { panic!("{event:?}") };
            let mut terminal = self.terminal.lock().unwrap();
            let now_ms = self.clock.wall_ms();
            let attempts = terminal.payments[&payment].confirmation().unwrap().attempts;
            let next_ms = now_ms + backoff_ms(attempts, jitter_permille, 1_000, 900_000);
            let fact = match outcome {
                Delivery::Confirmed { answer } => Fact::ReceiptConfirmed { payment, number, answer },
                Delivery::Refused { text } => Fact::ReceiptParked { payment, number, error: text },
                Delivery::Pending { text } => {
                    Fact::ReceiptDelayed { payment, number, next_ms, error: text, registered: true }
                }
                Delivery::Retry { text } => {
                    Fact::ReceiptDelayed { payment, number, next_ms, error: text, registered: false }
                }
            };
            terminal.apply(now_ms, &fact).unwrap();
            Ok(())
        })
    }
}

impl History for World {
    fn payment(&self, _: PaymentId) -> Result<Option<Payment>, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn payments(&self, _: &Filter) -> Result<Vec<Payment>, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn queue(&self, filter: &QueueFilter) -> Result<Vec<Payment>, HistoryError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let terminal = self.terminal.lock().unwrap();
        let due = |p: &&Arc<Payment>| {
            let c = p.confirmation().unwrap();
            Some(p.method) == filter.method
                && c.state == ConfirmationState::Queued
                && filter.due_ms.is_none_or(|due_ms| c.next_ms <= due_ms)
        };
        let mut rows: Vec<Payment> = terminal.payments.values().filter(due).map(|p| Payment::clone(p)).collect();
        rows.sort_by_key(|p| p.confirmation().unwrap().next_ms);
        rows.truncate(usize::try_from(filter.limit).unwrap());
        self.rows_read.fetch_add(rows.len(), Ordering::SeqCst);
        Ok(rows)
    }
    fn journal(&self, _: i64, _: u32) -> Result<Vec<JournalLine>, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn journal_ends(&self) -> Result<JournalEnds, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn state_before(&self, _: i64, _: PaymentId) -> Result<Option<&'static str>, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn changed_since(&self, _: &ChangeFilter) -> Result<Changes, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn line_before(&self, _: UnixMs) -> Result<i64, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn payment_of_refund(&self, _: RefundId) -> Result<Option<Payment>, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
    fn queue_depth(&self) -> Result<QueueDepth, HistoryError> {
        unreachable!("the outbox asks for the queue only")
    }
}

/// A provider that answers each delivery after a while with the next line of its script, then with success.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Delivery>>,
    takes: Duration,
    calls: Mutex<Vec<PaymentId>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Delivery>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn slow(takes: Duration) -> Arc<Self> {
        Arc::new(Self { takes, ..Self::default() })
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl Provider for Script {
    fn charge<'a>(&'a self, _: &'a Payment, _: Ready) -> Asked<'a, Outcome> {
        unreachable!("the outbox moves no money")
    }
    fn confirm<'a>(&'a self, payment: &'a Payment, _: &'a Confirmation) -> Asked<'a, Delivery> {
        Box::pin(async move {
            self.calls.lock().unwrap().push(payment.id);
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            tokio::time::sleep(self.takes).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            self.answers.lock().unwrap().pop_front().unwrap_or(Delivery::Confirmed { answer: None })
        })
    }
}

/// An outbox at work; it stops with the test.
struct Running {
    wake: Arc<Notify>,
    ask_now: AskNow,
    task: task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start(world: &Arc<World>, providers: &[(Method, Arc<Script>)]) -> Running {
    let mut all = Providers::new();
    for (method, script) in providers {
        all = all.with(*method, script.clone());
    }
    let wake = Arc::new(Notify::new());
    let (outbox, ask_now) = (
        Outbox::reporting_to(world.clone(), Arc::new(all), world.clone(), world.clock.clone(), wake.clone()),
        AskNow::default(),
    );
    Running { task: tokio::spawn(outbox.listening_to(ask_now.clone()).run()), wake, ask_now }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

/// Long enough for something that must not happen to happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}

fn retry() -> Delivery {
    Delivery::Retry { text: "HTTP 503".to_owned() }
}

#[tokio::test]
async fn what_is_queued_is_delivered_once() {
    let world = World::new(20, Method::Click);
    let script = Script::of([]);
    let running = start(&world, &[(Method::Click, script.clone())]);
    until("all confirmed", || world.count(ConfirmationState::Confirmed) == 20).await;
    running.wake.notify_one();
    a_while().await;
    assert_eq!(script.calls(), 20);
}

#[tokio::test]
async fn a_receipt_brought_later_is_delivered_when_the_driver_calls() {
    let world = World::new(0, Method::Click);
    let script = Script::of([]);
    let running = start(&world, &[(Method::Click, script.clone())]);
    a_while().await;
    world.bring(1, Method::Click);
    running.wake.notify_one();
    until("confirmed", || world.count(ConfirmationState::Confirmed) == 1).await;
}

#[tokio::test]
async fn no_more_are_under_way_than_the_limit_and_never_two_of_one_payment() {
    let world = World::new(30, Method::Payme);
    let script = Script::slow(Duration::from_millis(15));
    let running = start(&world, &[(Method::Payme, script.clone())]);
    for _ in 0..20 {
        running.wake.notify_one();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    until("all confirmed", || world.count(ConfirmationState::Confirmed) == 30).await;
    assert_eq!(script.most_at_once.load(Ordering::SeqCst), limits::OUTBOX_IN_FLIGHT_MAX);
    assert_eq!(script.calls(), 30, "however often it is called, each payment was delivered once");
}

#[tokio::test]
async fn a_provider_that_hangs_does_not_hold_the_other_one() {
    let world = World::new(20, Method::Click);
    world.bring(5, Method::Payme);
    let hangs = Script::slow(Duration::from_secs(3_600));
    let works = Script::of([]);
    let _running = start(&world, &[(Method::Click, hangs.clone()), (Method::Payme, works)]);
    until("Payme's confirmed", || world.count(ConfirmationState::Confirmed) == 5).await;
    assert_eq!(hangs.calls(), limits::OUTBOX_IN_FLIGHT_MAX / 2);
}

#[tokio::test]
async fn a_report_that_the_driver_cannot_take_is_repeated_and_the_receipt_is_not() {
    let world = World::new(1, Method::Click);
    world.denials.lock().unwrap().extend([Denial::Overloaded, Denial::Store { why: "full".to_owned() }]);
    let script = Script::of([]);
    let running = start(&world, &[(Method::Click, script.clone())]);
    for _ in 0..5 {
        a_while().await;
        running.wake.notify_one();
    }
    assert_eq!(world.count(ConfirmationState::Queued), 1, "not on disk yet");
    until("reported", || world.count(ConfirmationState::Confirmed) == 1).await;
    assert_eq!(script.calls(), 1);
}

#[tokio::test]
async fn a_report_that_will_never_be_taken_in_is_made_once_and_its_receipt_is_left_alone() {
    let world = World::new(1, Method::Click);
    let unknown = || Denial::NotFound { what: "transaction_id".to_owned() };
    world.denials.lock().unwrap().extend(std::iter::repeat_with(unknown).take(100));
    let script = Script::of([]);
    let running = start(&world, &[(Method::Click, script.clone())]);
    until("reported", || world.denials.lock().unwrap().len() == 99).await;
    for _ in 0..3 {
        running.wake.notify_one();
        a_while().await;
    }
    assert_eq!((script.calls(), world.denials.lock().unwrap().len()), (1, 99), "neither sent nor reported again");
    assert_eq!(world.count(ConfirmationState::Queued), 1, "nothing is deleted: the next life tries it again");
    // It stands before the others, and holds none of them up.
    world.denials.lock().unwrap().clear();
    world.bring(20, Method::Click);
    running.wake.notify_one();
    until("the others", || world.count(ConfirmationState::Confirmed) == 20).await;
    assert_eq!(script.calls(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_refused_again_and_again_is_made_less_and_less_often_up_to_a_limit() {
    let world = World::new(1, Method::Click);
    let full = || Denial::Store { why: "full".to_owned() };
    world.denials.lock().unwrap().extend(std::iter::repeat_with(full).take(1_000));
    let _running = start(&world, &[(Method::Click, Script::of([]))]);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let made = 1_000 - world.denials.lock().unwrap().len();
    assert!((60..=70).contains(&made), "{made} reports in an hour");
    world.denials.lock().unwrap().clear();
    tokio::time::sleep(limits::wait(limits::OUTBOX_REPORT_MAX_MS)).await;
    assert_eq!(world.count(ConfirmationState::Confirmed), 1);
}

#[tokio::test]
async fn a_receipt_that_was_refused_parks_and_is_left_alone() {
    let world = World::new(1, Method::Click);
    let script = Script::of([Delivery::Refused { text: "{}".to_owned() }]);
    let running = start(&world, &[(Method::Click, script.clone())]);
    until("parked", || world.count(ConfirmationState::Parked) == 1).await;
    running.wake.notify_one();
    a_while().await;
    assert_eq!(script.calls(), 1);
}

#[tokio::test]
async fn a_delivery_that_failed_waits_for_its_turn() {
    let world = World::new(1, Method::Click);
    let script = Script::of([retry()]);
    let running = start(&world, &[(Method::Click, script.clone())]);
    until("tried", || script.calls() == 1).await;
    running.wake.notify_one();
    a_while().await;
    assert_eq!(script.calls(), 1, "not before its time");
    world.clock.advance(2_000);
    running.wake.notify_one();
    until("confirmed", || world.count(ConfirmationState::Confirmed) == 1).await;
}

#[tokio::test]
async fn its_turn_wakes_it_without_a_call() {
    let world = World::at(Clock::system(), 1, Method::Click);
    world.date_all(world.clock.wall_ms() + 150);
    let script = Script::of([]);
    let _running = start(&world, &[(Method::Click, script.clone())]);
    a_while().await;
    assert_eq!(script.calls(), 0);
    until("confirmed", || world.count(ConfirmationState::Confirmed) == 1).await;
}

#[tokio::test]
async fn an_idle_outbox_does_not_look_again_and_again() {
    let world = World::at(Clock::system(), 1, Method::Click);
    world.date_all(world.clock.wall_ms() + 600_000);
    let _running = start(&world, &[(Method::Click, Script::of([]))]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.looks.load(Ordering::SeqCst) <= 2, "{:?}", world.looks);
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_is_left_alone_and_then_asked_once() {
    let world = World::new(100, Method::Click);
    let script = Script::of(std::iter::repeat_with(retry).take(100));
    let running = start(&world, &[(Method::Click, script.clone())]);
    a_while().await;
    let tried = script.calls();
    let most = usize::try_from(limits::BREAKER_FAILURES).unwrap() + limits::OUTBOX_IN_FLIGHT_MAX;
    assert!((5..=most).contains(&tried), "{tried}");
    running.wake.notify_one();
    a_while().await;
    assert_eq!(script.calls(), tried, "left alone");
    world.clock.advance(limits::BREAKER_OPEN_MS);
    running.wake.notify_one();
    until("one more", || script.calls() == tried + 1).await;
    a_while().await;
    assert_eq!(script.calls(), tried + 1, "one probe");
    script.answers.lock().unwrap().clear();
    world.clock.advance(limits::BREAKER_OPEN_MS);
    running.wake.notify_one();
    world.clock.advance(limits::OUTBOX_BACKOFF_MAX_MS);
    until("everything", || {
        running.wake.notify_one();
        world.count(ConfirmationState::Confirmed) == 100
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hold_a_receipt() {
    let world = World::new(10, Method::Click);
    world.date_all(NOW_MS + 365 * 24 * 3_600_000);
    let script = Script::of([]);
    let _running = start(&world, &[(Method::Click, script)]);
    until("all confirmed", || world.count(ConfirmationState::Confirmed) == 10).await;
}

#[tokio::test]
async fn a_receipt_costs_the_same_however_many_wait_behind_it() {
    let mut reads = Vec::new();
    for sales in [50, 500] {
        let world = World::new(sales, Method::Click);
        let _running = start(&world, &[(Method::Click, Script::of([]))]);
        until("all confirmed", || world.count(ConfirmationState::Confirmed) == sales).await;
        reads.push(world.rows_read.load(Ordering::SeqCst).div_ceil(sales));
    }
    assert!(reads.iter().all(|rows| *rows <= limits::OUTBOX_IN_FLIGHT_MAX), "rows read for each: {reads:?}");
}
