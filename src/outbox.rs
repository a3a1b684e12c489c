//! Delivers queued confirmations: whose turn has come, a few at a time, one for each payment, until a provider says yes or a person must look.
//!
//! ```text
//!  queue (store) ─► look: due rows, a page ─► provider.confirm ─► Event::Delivered ─► commit ─► the row has moved ─► look
//!       ▲                                                                                            │
//!       └──────────────── woken by the driver (Effect::Deliver), by the next due time ◄──────────────┘
//! ```
//!
//! The queue is the store's; here is only what is under way. What a delivery means (confirmed, parked, when again) is the machine's to decide. A
//! row is not taken again before the driver has committed what became of it, so that a slow disk never delivers twice. What the driver will never
//! take in (it does not know the payment) is said once and left alone until the next start; the row stays in the queue. The queue is never listed:
//! each look reads as many rows as there are free places, however many wait behind them.

mod breaker;
mod early;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tracing::{Instrument as _, debug, error, warn};

use crate::clock::Clock;
use crate::driver::Handle;
use crate::history::{History, HistoryError, QueueFilter};
use crate::limits;
use crate::log;
use crate::payment::event::{Delivery, Denial, Event};
use crate::payment::fiscal::{Confirmation, ConfirmationState};
use crate::payment::sale::{Method, Payment, PaymentId};
use crate::provider::{Providers, class_of_delivery};

use early::Early;

pub use breaker::{Breaker, Permit};
pub use early::AskNow;

/// Whoever writes down what became of a delivery: the driver.
trait Report: Send + Sync {
    /// Resolves when it is on disk.
    fn delivered(&self, event: Event) -> Pin<Box<dyn Future<Output = Result<(), Denial>> + Send + '_>>;
}

impl Report for Handle {
    fn delivered(&self, event: Event) -> Pin<Box<dyn Future<Output = Result<(), Denial>> + Send + '_>> {
        Box::pin(async move { self.ask(event).await.map(drop) })
    }
}

/// The delivery of confirmations.
pub struct Outbox {
    providers: Arc<Providers>,
    history: Arc<dyn History>,
    driver: Arc<dyn Report>,
    clock: Clock,
    wake: Arc<Notify>,
    lanes: Vec<Lane>,
    jobs: JoinSet<Alive>,
    under_way: HashMap<task::Id, (Method, PaymentId)>,
    given_up: Arc<GivenUp>,
    ask_now: AskNow,
    early: Early,
    /// When the queue is, or was last, looked at for a word from outside, monotonic.
    called_ms: Option<u64>,
}

/// Deliveries whose end the driver will never take in: not sent again in this life.
#[derive(Default)]
struct GivenUp(Mutex<HashSet<(PaymentId, u32)>>);

impl GivenUp {
    /// Whether there was room to remember it.
    fn add(&self, payment: PaymentId, number: u32) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.len() < limits::OUTBOX_GIVEN_UP_MAX && all.insert((payment, number))
    }

    fn holds(&self, payment: PaymentId, number: u32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(payment, number))
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Whether a provider gave an answer that it meant, be it a refusal.
type Alive = bool;

/// One provider's share of the work. A provider that hangs holds its own places and nobody else's.
struct Lane {
    method: Method,
    places: usize,
    breaker: Breaker,
    /// Not worth a look before this, monotonic; 0 = at once.
    look_at_ms: u64,
}

impl Outbox {
    /// For the providers that are set up. `wake` is notified whenever the driver commits something to deliver ([`Effect::Deliver`]).
    ///
    /// [`Effect::Deliver`]: crate::payment::event::Effect::Deliver
    #[must_use]
    pub fn new(
        providers: Arc<Providers>,
        history: Arc<dyn History>,
        driver: Handle,
        clock: Clock,
        wake: Arc<Notify>,
    ) -> Self {
        Self::reporting_to(Arc::new(driver), providers, history, clock, wake)
    }

    fn reporting_to(
        driver: Arc<dyn Report>,
        providers: Arc<Providers>,
        history: Arc<dyn History>,
        clock: Clock,
        wake: Arc<Notify>,
    ) -> Self {
        let methods: Vec<Method> = providers.methods().collect();
        let places = (limits::OUTBOX_IN_FLIGHT_MAX / methods.len().max(1)).max(1);
        let breaker = Breaker::new(limits::BREAKER_FAILURES, limits::BREAKER_OPEN_MS);
        let lane = |method| Lane { method, places, breaker: breaker.clone(), look_at_ms: 0 };
        let lanes = methods.into_iter().map(lane).collect();
        let (jobs, under_way, given_up) = (JoinSet::new(), HashMap::new(), Arc::default());
        let (ask_now, early, called_ms) = (AskNow::default(), Early::default(), None);
        Self { providers, history, driver, clock, wake, lanes, jobs, under_way, given_up, ask_now, early, called_ms }
    }

    /// Listen to words from outside about receipts of SBP sales.
    #[must_use]
    pub fn listening_to(self, ask_now: AskNow) -> Self {
        Self { ask_now, ..self }
    }

    /// Deliver for ever. May be dropped at any moment: what was under way is in the queue still, and is delivered again.
    pub async fn run(mut self) {
        let (wake, ask_now) = (self.wake.clone(), self.ask_now.clone());
        loop {
            for index in 0..self.lanes.len() {
                if self.clock.monotonic_ms() >= self.lanes[index].look_at_ms {
                    self.look(index).await;
                }
            }
            let now_ms = self.clock.monotonic_ms();
            let next_ms = self.lanes.iter().map(|lane| lane.look_at_ms.saturating_sub(now_ms)).min();
            let pause_ms = next_ms.unwrap_or(u64::MAX).min(limits::OUTBOX_LOOK_EVERY_MS);
            tokio::select! {
                () = wake.notified() => self.lanes.iter_mut().for_each(|lane| lane.look_at_ms = 0),
                () = ask_now.came() => self.called(),
                Some(ended) = self.jobs.join_next_with_id() => self.ended(&ended),
                // Never zero, so that a mistake in here idles instead of spinning.
                () = tokio::time::sleep(limits::wait(pause_ms.max(1))) => {}
            }
        }
    }

    /// Start what is due, as far as there are places, and find out when to look again.
    async fn look(&mut self, index: usize) {
        let (now_ms, wall_ms) = (self.clock.monotonic_ms(), self.clock.wall_ms());
        let lane = &mut self.lanes[index];
        let method = lane.method;
        let taken: Vec<PaymentId> =
            self.under_way.values().filter(|(of, _)| *of == method).map(|(_, payment)| *payment).collect();
        lane.look_at_ms = now_ms.saturating_add(limits::OUTBOX_LOOK_EVERY_MS);
        let free = match lane.breaker.permit(now_ms) {
            Permit::Free => lane.places.saturating_sub(taken.len()),
            Permit::Probe => usize::from(taken.is_empty()),
            Permit::Wait { until_ms } => {
                lane.look_at_ms = until_ms;
                return;
            }
            Permit::Probing => return,
        };
        if free == 0 {
            // The next end of a delivery looks again.
            return;
        }
        // Those under way, and those given up, are due as well and may stand before the free ones.
        let left_out = taken.len() + self.given_up.count();
        let page = left_out + free;
        let due = match self.page(method, wall_ms, page).await {
            Ok(due) => due,
            Err(e) => return self.put_off(index, &e),
        };
        let mut started = self.start_some(index, due, &taken, free);
        if started < free {
            let ahead = match self.page(method, i64::MAX, left_out + limits::OUTBOX_LOOK_LEN).await {
                Ok(ahead) => ahead,
                Err(e) => return self.put_off(index, &e),
            };
            if method == Method::Sbp {
                self.early.note(&self.ask_now.take(), &ahead, &taken, now_ms);
            }
            // The machine never puts a delivery off for longer than this: a later date was set by a clock that has been set back since.
            let latest_ms = wall_ms.saturating_add(i64::try_from(limits::OUTBOX_BACKOFF_MAX_MS).unwrap_or(i64::MAX));
            let (astray, later): (Vec<_>, Vec<_>) = ahead
                .into_iter()
                .filter(|(_, confirmation)| confirmation.next_ms > wall_ms)
                .partition(|(_, confirmation)| confirmation.next_ms > latest_ms);
            started += self.start_some(index, astray, &taken, free - started);
            started += self.start_early(index, &later, &taken, free - started);
            if let Some((_, next)) = later.first() {
                let pause_ms = u64::try_from(next.next_ms.saturating_sub(wall_ms)).unwrap_or(0);
                let lane = &mut self.lanes[index];
                lane.look_at_ms = lane.look_at_ms.min(now_ms.saturating_add(pause_ms));
            }
        }
        debug!(%method, started, "looked at the queue");
    }

    /// Rows whose turn has come by `due_ms`, the longest overdue first. Read away from the other tasks: it waits for the disk.
    async fn page(
        &self,
        method: Method,
        due_ms: i64,
        rows: usize,
    ) -> Result<Vec<(Arc<Payment>, Confirmation)>, HistoryError> {
        let history = self.history.clone();
        let limit = u32::try_from(rows).unwrap_or(u32::MAX);
        let filter = QueueFilter { method: Some(method), due_ms: Some(due_ms), limit };
        let read = task::spawn_blocking(move || history.queue(&filter));
        let payments = read.await.map_err(|e| HistoryError(e.to_string()))??;
        let queued = |payment: Payment| {
            let confirmation =
                payment.confirmations.iter().rev().find(|c| c.state == ConfirmationState::Queued)?.clone();
            Some((Arc::new(payment), confirmation))
        };
        Ok(payments.into_iter().filter_map(queued).collect())
    }

    fn start_some(
        &mut self,
        index: usize,
        rows: Vec<(Arc<Payment>, Confirmation)>,
        taken: &[PaymentId],
        free: usize,
    ) -> usize {
        let method = self.lanes[index].method;
        let mut started = 0;
        let given_up = self.given_up.clone();
        let may_go = |(payment, confirmation): &(Arc<Payment>, Confirmation)| {
            !taken.contains(&payment.id) && !given_up.holds(payment.id, confirmation.number)
        };
        for (payment, confirmation) in rows.into_iter().filter(may_go).take(free) {
            self.lanes[index].breaker.begun();
            self.early.asked(payment.id, self.clock.monotonic_ms());
            let (id, providers, driver) = (payment.id, self.providers.clone(), self.driver.clone());
            let span = log::payment(&payment);
            let job = deliver(providers, driver, self.given_up.clone(), payment, confirmation).instrument(span);
            let job = self.jobs.spawn(job);
            self.under_way.insert(job.id(), (method, id));
            started += 1;
        }
        started
    }

    /// Ask for receipts that are told to be decided, although their time has not come.
    fn start_early(
        &mut self,
        index: usize,
        later: &[(Arc<Payment>, Confirmation)],
        taken: &[PaymentId],
        free: usize,
    ) -> usize {
        let now_ms = self.clock.monotonic_ms();
        let may_go = |(payment, confirmation): &&(Arc<Payment>, Confirmation)| {
            !taken.contains(&payment.id) && self.early.may_go(payment.id, confirmation, now_ms)
        };
        let rows: Vec<_> = later.iter().filter(may_go).take(free).cloned().collect();
        let lane = &mut self.lanes[index];
        if let Some(next_ms) = self.early.next_ms(now_ms).filter(|_| lane.method == Method::Sbp) {
            lane.look_at_ms = lane.look_at_ms.min(next_ms);
        }
        self.start_some(index, rows, taken, free)
    }

    /// A word came from outside: look soon, and not more often than the limit however many come.
    fn called(&mut self) {
        let now_ms = self.clock.monotonic_ms();
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.method == Method::Sbp) else { return };
        let look_at_ms = match self.called_ms {
            Some(coming_ms) if coming_ms > now_ms => coming_ms,
            Some(last_ms) => now_ms.max(last_ms.saturating_add(limits::CALLBACK_LOOK_EVERY_MS)),
            None => now_ms,
        };
        self.called_ms = Some(look_at_ms);
        lane.look_at_ms = lane.look_at_ms.min(look_at_ms);
    }

    fn ended(&mut self, ended: &Result<(task::Id, Alive), task::JoinError>) {
        let (job, alive) = match ended {
            Ok((job, alive)) => (*job, *alive),
            Err(e) => (e.id(), false),
        };
        let Some((method, _)) = self.under_way.remove(&job) else { return };
        let now_ms = self.clock.monotonic_ms();
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.method == method) {
            lane.breaker.ended(alive, now_ms);
            lane.look_at_ms = 0;
        }
    }

    /// The store cannot be read just now.
    fn put_off(&mut self, index: usize, error: &HistoryError) {
        let lane = &mut self.lanes[index];
        warn!(method = %lane.method, %error, "the queue cannot be read; looking again");
        lane.look_at_ms = self.clock.monotonic_ms().saturating_add(limits::OUTBOX_BACKOFF_MIN_MS);
    }
}

/// One delivery, and its report until it is on disk. Until then the payment keeps its place, and is not sent again.
async fn deliver(
    providers: Arc<Providers>,
    driver: Arc<dyn Report>,
    given_up: Arc<GivenUp>,
    payment: Arc<Payment>,
    confirmation: Confirmation,
) -> Alive {
    let (id, number) = (payment.id, confirmation.number);
    debug!(number, "a receipt is handed to its provider");
    let outcome = providers.confirm(payment, confirmation).await;
    debug!(number, outcome = class_of_delivery(&outcome), "its answer, or the lack of one");
    let alive = !matches!(outcome, Delivery::Retry { .. });
    let event = Event::Delivered { payment: id, number, outcome, jitter_permille: throw_dice() };
    let mut pause_ms = limits::OUTBOX_REPORT_EVERY_MS;
    loop {
        let denial = match driver.delivered(event.clone()).await {
            Ok(()) | Err(Denial::ShuttingDown) => return alive,
            Err(denial) => denial,
        };
        if !may_pass(&denial) && given_up.add(id, number) {
            error!(number, %denial, "what became of a delivery will never be taken in; left alone until the next start");
            return alive;
        }
        warn!(number, %denial, pause_ms, "what became of a delivery is not on disk yet; reporting it again");
        tokio::time::sleep(limits::wait(pause_ms)).await;
        pause_ms = pause_ms.saturating_mul(2).min(limits::OUTBOX_REPORT_MAX_MS);
    }
}

/// Whether the same report may be taken in later: what speaks against it is the disk or the crowd, and not what it says.
fn may_pass(denial: &Denial) -> bool {
    matches!(denial, Denial::Store { .. } | Denial::Overloaded)
}

/// 0..=1000, from the randomness that names are made of.
fn throw_dice() -> u16 {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    u16::try_from((random & 0xffff_ffff) % 1001).unwrap_or(0)
}
