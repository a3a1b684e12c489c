//! The way of effects to the world outside, after the commit. Nothing here waits: what takes time is a task, and its answer an event.

use std::sync::Arc;
use tokio::runtime;
use tokio::sync::Notify;
use tracing::{Instrument as _, debug, error, info};

use crate::driver::Handle;
use crate::payment::event::{Effect, Event};
use crate::provider::{Providers, class_of};
use crate::{log, pinpad, sbp};

pub(super) struct Outside {
    providers: Arc<Providers>,
    pinpad: Option<pinpad::Commands>,
    sbp: sbp::Commands,
    deliver: Arc<Notify>,
    driver: Handle,
    tasks: runtime::Handle,
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
        Self { providers, pinpad, sbp, deliver, driver, tasks: runtime::Handle::current() }
    }

    pub(super) fn release(&self, effect: Effect) {
        let rest = match &self.pinpad {
            Some(pinpad) => pinpad.release(effect),
            None => Err(effect),
        };
        match rest.or_else(|effect| self.sbp.release(effect)) {
            Ok(()) => {}
            Err(Effect::Charge { payment }) => {
                let (providers, driver) = (self.providers.clone(), self.driver.clone());
                let span = log::payment(&payment);
                let charge = async move {
                    let id = payment.id;
                    debug!("the provider is asked for the money");
                    let outcome = providers.charge(payment).await;
                    debug!(outcome = class_of(&outcome), "the provider's answer, or the lack of one");
                    driver.tell(Event::ProviderAnswered { payment: id, outcome }).await;
                };
                self.tasks.spawn(charge.instrument(span));
            }
            Err(Effect::Deliver) => self.deliver.notify_one(),
            Err(Effect::Notice(notice)) => info!(?notice, "a word to the counter"),
            // Not the effect itself: it holds its payment, with the customer's code.
            Err(_) => error!("an effect that nobody here can carry out"),
        }
    }
}
