//! The way of effects to the world outside, after the commit. Nothing here waits: what takes time is a task, and its answer an event.

use std::sync::Arc;
use tokio::runtime;
use tokio::sync::{Notify, watch};
use tracing::{Instrument as _, debug, error, info};

use super::ahead::Ahead;
use crate::driver::Handle;
use crate::limits;
use crate::payment::event::{Effect, Event};
use crate::payment::sale::{Method, Payment, PaymentId};
use crate::provider::{Providers, Ready, class_of};
use crate::{log, pinpad, sbp};

pub(super) struct Outside {
    providers: Arc<Providers>,
    pinpad: Option<pinpad::Commands>,
    sbp: sbp::Commands,
    deliver: Arc<Notify>,
    driver: Handle,
    tasks: runtime::Handle,
    ahead: Arc<Ahead>,
}

impl Outside {
    /// Must be called within the runtime that is to do the work.
    pub(super) fn new(
        providers: Arc<Providers>,
        pinpad: Option<pinpad::Commands>,
        sbp: sbp::Commands,
        deliver: Arc<Notify>,
        driver: Handle,
    ) -> Self {
        let ahead = Ahead::new(providers.clone());
        let guessing = ahead.clone();
        driver.guessed_by(Box::new(move |driver, id, method| guessing.guess(driver, id, method)));
        Self { providers, pinpad, sbp, deliver, driver, tasks: runtime::Handle::current(), ahead }
    }

    /// Before the commit: open the connection that a charge will need, where it was not guessed. Not a byte is sent on it before
    /// [`Outside::release`]; without that it is closed again.
    pub(super) fn foresee(&self, effect: &Effect) {
        if let Effect::Charge { payment } = effect {
            self.ahead.begin(&self.driver, payment.id, payment.method);
        }
    }

    pub(super) fn release(&self, effect: Effect) {
        let rest = match &self.pinpad {
            Some(pinpad) => pinpad.release(effect),
            None => Err(effect),
        };
        match rest.or_else(|effect| self.sbp.release(effect)) {
            Ok(()) => {}
            Err(Effect::Charge { payment }) => self.charge(payment),
            Err(Effect::Deliver) => self.deliver.notify_one(),
            Err(Effect::Notice(notice)) => info!(?notice, "a word to the counter"),
            // Not the effect itself: it holds its payment, with the customer's code.
            Err(_) => error!("an effect that nobody here can carry out"),
        }
    }

    fn charge(&self, payment: Arc<Payment>) {
        let Err(payment) = self.ahead.release(payment) else { return };
        let (providers, driver) = (self.providers.clone(), self.driver.clone());
        let span = log::payment(&payment);
        let late = async move { charge(&providers, &driver, payment, Ready::default()).await };
        self.tasks.spawn(late.instrument(span));
    }
}

pub(super) async fn charge(providers: &Providers, driver: &Handle, payment: Arc<Payment>, ready: Ready) {
    let id = payment.id;
    debug!("the provider is asked for the money");
    let outcome = providers.charge(payment, ready).await;
    debug!(outcome = class_of(&outcome), "the provider's answer, or the lack of one");
    driver.tell(Event::ProviderAnswered { payment: id, outcome }).await;
}

/// As long as somebody at the counter is to show a code, hold a connection to its provider.
pub(super) async fn expect_scans(providers: Arc<Providers>, mut awaited: watch::Receiver<Option<(PaymentId, Method)>>) {
    loop {
        let Some((_, method)) = *awaited.borrow_and_update() else {
            if awaited.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::spawn(providers.expect(method));
        // The next wait, or a younger connection for this one.
        let limit = limits::wait(limits::PROVIDER_READY_MS);
        if let Ok(Err(_)) = tokio::time::timeout(limit, awaited.changed()).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::payment::event::{Delivery, Outcome};
    use crate::payment::fiscal::Confirmation;
    use crate::provider::{Asked, Provider};

    /// Counts how often it was told that a payment may come.
    #[derive(Debug, Default)]
    struct Expecting(AtomicUsize);

    impl Provider for Expecting {
        fn charge<'a>(&'a self, _: &'a Payment, _: Ready) -> Asked<'a, Outcome> {
            unreachable!("nothing is charged by a wait")
        }
        fn confirm<'a>(&'a self, _: &'a Payment, _: &'a Confirmation) -> Asked<'a, Delivery> {
            unreachable!("nothing is confirmed by a wait")
        }
        fn expect(&self) -> Asked<'static, ()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {})
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_opened_for_each_wait_for_a_scan_and_renewed_as_long_as_it_lasts() {
        let provider = Arc::new(Expecting::default());
        let providers = Arc::new(Providers::new().with(Method::Click, provider.clone()));
        let (counter, awaited) = watch::channel(None);
        let watching = tokio::spawn(expect_scans(providers, awaited));
        let after = async |ms: u64| {
            tokio::time::sleep(limits::wait(ms)).await;
            provider.0.load(Ordering::SeqCst)
        };
        assert_eq!(after(1_000).await, 0);
        counter.send_replace(Some((PaymentId(uuid::Uuid::from_u128(1)), Method::Click)));
        assert_eq!(after(1).await, 1);
        assert_eq!(after(limits::PROVIDER_READY_MS).await, 2);
        counter.send_replace(Some((PaymentId(uuid::Uuid::from_u128(2)), Method::Click)));
        assert_eq!(after(1).await, 3);
        counter.send_replace(None);
        assert_eq!(after(10 * limits::PROVIDER_READY_MS).await, 3);
        drop(counter);
        watching.await.expect("it ends with the driver");
    }
}
