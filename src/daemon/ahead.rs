//! The connection of a charge, opened while its intent is being written down. Nothing is sent on it before the word that the intent is on disk.
//!
//! Whoever brings a code at an idle counter will be charged in nearly every case: the connection is begun while the driver decides. What the driver
//! decides otherwise closes it again, and for a while no other one is guessed, so that a till that is refused again and again does not have
//! the provider's door opened and closed each time. A charge that nobody guessed is foreseen by the driver before its commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::outside::charge;
use crate::driver::Handle;
use crate::driver::handle::Guessed;
use crate::payment::sale::{Method, Payment, PaymentId};
use crate::provider::Providers;
use crate::{limits, log};

/// How long what was opened ahead waits for its payment, and how long nothing is guessed after it was in vain.
const READY: Duration = limits::wait(limits::PROVIDER_READY_MS);

/// Connections under way, each waiting for the word that its payment's intent is on disk.
pub(super) struct Ahead {
    providers: Arc<Providers>,
    tasks: runtime::Handle,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    by_payment: HashMap<PaymentId, oneshot::Sender<Arc<Payment>>>,
    /// A guess was in vain not long ago.
    guesses_rest: bool,
}

impl Ahead {
    /// Must be called within the runtime that is to do the work.
    pub(super) fn new(providers: Arc<Providers>) -> Arc<Self> {
        Arc::new(Self { providers, tasks: runtime::Handle::current(), open: Mutex::default() })
    }

    /// A sale was asked for, and is being decided on.
    pub(super) fn guess(self: &Arc<Self>, driver: &Handle, id: PaymentId, method: Method) -> Guessed {
        self.providers.get(method)?;
        if self.open().guesses_rest {
            return None;
        }
        self.begin(driver, id, method);
        Some(Box::new(Unsure { ahead: self.clone(), id }))
    }

    /// A charge is about to be committed.
    pub(super) fn begin(&self, driver: &Handle, id: PaymentId, method: Method) {
        let (go, mut released) = oneshot::channel();
        {
            let mut open = self.open();
            open.by_payment.retain(|_, earlier| !earlier.is_closed());
            if open.by_payment.contains_key(&id) {
                return;
            }
            open.by_payment.insert(id, go);
        }
        let (providers, driver) = (self.providers.clone(), driver.clone());
        let ahead = async move {
            let ready = providers.ready(method).await;
            // A disk that takes longer has the payment open its own connection.
            let told = tokio::time::timeout(READY, &mut released).await;
            // Closed before it is looked at once more: what is let go in this very moment is either here or handed back, and never lost.
            released.close();
            if let Some(payment) = told.ok().and_then(Result::ok).or_else(|| released.try_recv().ok()) {
                log::is_from_till(&payment);
                charge(&providers, &driver, payment, ready).await;
            }
        };
        // The span is made by the task: whoever begins it has something else to do.
        self.tasks.spawn(async move { ahead.instrument(log::payment_by(id, method)).await });
    }

    /// The intent is on disk: let the charge go out. The payment is handed back where nothing was opened for it.
    pub(super) fn release(&self, payment: Arc<Payment>) -> Result<(), Arc<Payment>> {
        let foreseen = self.open().by_payment.remove(&payment.id);
        foreseen.map_or(Err(payment.clone()), |go| go.send(payment))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as nobody knows what becomes of the sale.
struct Unsure {
    ahead: Arc<Ahead>,
    id: PaymentId,
}

impl Drop for Unsure {
    fn drop(&mut self) {
        let mut open = self.ahead.open();
        if open.by_payment.remove(&self.id).is_some() && !std::mem::replace(&mut open.guesses_rest, true) {
            let ahead = self.ahead.clone();
            self.ahead.tasks.spawn(async move {
                tokio::time::sleep(READY).await;
                ahead.open().guesses_rest = false;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;
    use crate::driver::Driver;
    use crate::payment::event::{Delivery, Event, Outcome, Sell};
    use crate::payment::fiscal::Confirmation;
    use crate::payment::sale::Merchant;
    use crate::payment::terminal::Policy;
    use crate::payment::{Currency, Money};
    use crate::provider::{Asked, Provider, Ready};
    use crate::store::Store;

    /// Counts the connections that were begun, and the charges.
    #[derive(Debug, Default)]
    struct Counting {
        begun: AtomicUsize,
        charged: AtomicUsize,
    }

    impl Provider for Counting {
        fn charge<'a>(&'a self, _: &'a Payment, _: Ready) -> Asked<'a, Outcome> {
            self.charged.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::pending())
        }
        fn confirm<'a>(&'a self, _: &'a Payment, _: &'a Confirmation) -> Asked<'a, Delivery> {
            unreachable!("no receipt is brought")
        }
        fn ready(&self) -> Asked<'_, Ready> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ready::default() })
        }
    }

    struct House {
        driver: Driver<Store>,
        handle: Handle,
        ahead: Arc<Ahead>,
        provider: Arc<Counting>,
    }

    impl House {
        fn new() -> Self {
            let provider = Arc::new(Counting::default());
            let ahead = Ahead::new(Arc::new(Providers::new().with(Method::Click, provider.clone())));
            let policy =
                Policy { methods: vec![Method::Click], merchant: Some(Merchant::default()), ..Policy::default() };
            let (mut driver, handle) =
                Driver::new(Store::in_memory().unwrap(), policy, Clock::system()).expect("a driver");
            driver.begin();
            let guessing = ahead.clone();
            handle.guessed_by(Box::new(move |driver, id, method| guessing.guess(driver, id, method)));
            Self { driver, handle, ahead, provider }
        }

        /// Ask for a sale; connections begun so far, and those that wait for their payment.
        async fn asks(&self, number: u128, code: Option<&str>) -> (usize, usize) {
            let sell = Sell {
                id: PaymentId(Uuid::from_u128(number)),
                run: crate::payment::card::RunId(Uuid::nil()),
                method: Method::Click,
                amount: Money::from_minor(50_000, Currency::Uzs),
                code: code.map(str::to_owned),
                token: None,
                order_id: None,
                sbp: None,
                display: true,
            };
            let asked = self.handle.ask(Event::Sell(sell));
            // Nobody decides: the till hangs up after a while.
            let _ = tokio::time::timeout(Duration::from_millis(1), asked).await;
            tokio::task::yield_now().await;
            (self.provider.begun.load(Ordering::SeqCst), self.ahead.open().by_payment.len())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sale_without_a_code_opens_nothing_and_one_that_was_dropped_leaves_nothing_open() {
        let house = House::new();
        assert_eq!(house.asks(1, None).await, (0, 0));
        assert_eq!(
            house.asks(2, Some("880101698207133391")).await,
            (1, 0),
            "its connection is let go with its question"
        );
        assert_eq!(house.provider.charged.load(Ordering::SeqCst), 0, "and nothing was sent on it");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_guess_in_vain_nothing_is_guessed_for_a_while() {
        let house = House::new();
        assert_eq!(house.asks(1, Some("880101698207133391")).await.0, 1);
        assert_eq!(house.asks(2, Some("880101698207133392")).await.0, 1);
        tokio::time::sleep(2 * READY).await;
        assert_eq!(house.asks(3, Some("880101698207133393")).await.0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_charge_goes_out_once_by_what_was_guessed_for_it() {
        let house = House::new();
        let payment = |number| {
            let amount = Money::from_minor(50_000, Currency::Uzs);
            Arc::new(Payment::new(PaymentId(Uuid::from_u128(number)), Method::Click, amount, 0))
        };
        let guess = house.ahead.guess(&house.handle, payment(1).id, Method::Click);
        // The driver foresees the same charge before its commit.
        house.ahead.begin(&house.handle, payment(1).id, Method::Click);
        house.ahead.release(payment(1)).expect("its connection is there");
        drop(guess);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let counted = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        assert_eq!((counted(&house.provider.begun), counted(&house.provider.charged)), (1, 1));
        assert!(house.ahead.guess(&house.handle, payment(2).id, Method::Click).is_some(), "that was not in vain");
        assert!(house.ahead.guess(&house.handle, payment(3).id, Method::Humo).is_none(), "no provider");
        // What nobody guessed is opened by the charge itself.
        assert_eq!(house.ahead.release(payment(4)).expect_err("handed back").id, payment(4).id);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_guessed_where_the_counter_is_taken() {
        let mut house = House::new();
        let sale = crate::driver::Envelope::tell(Event::Sell(Sell {
            id: PaymentId(Uuid::from_u128(9)),
            run: crate::payment::card::RunId(Uuid::nil()),
            method: Method::Click,
            amount: Money::from_minor(50_000, Currency::Uzs),
            code: None,
            token: None,
            order_id: None,
            sbp: None,
            display: true,
        }));
        house.driver.take(vec![sale]);
        assert!(house.handle.snapshot().counter.is_some(), "its customer is to show a code");
        assert_eq!(house.asks(1, Some("880101698207133391")).await, (0, 0));
    }
}
