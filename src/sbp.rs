//! Between QRManager (`provider::qrm`: words out, words in) and the driver (events, effects): it asks, watches and repeats, and decides
//! nothing about money.
//!
//! ```text
//!              ┌─ a code, a refund, a link: asked once ──────────────► REST
//!  SbpOrder ───┼─ Watch ─► a task for each code ─┬─ socket (its own or shared) ─┐
//!              │                                 └─ REST, within a budget ──────┼─► SbpHeard
//!              └─ AskRefund, DeactivateLink: repeated until it is known ────────┘
//! ```
//!
//! What would move money is sent once. What only asks is repeated: a code is watched until the machine says [`SbpOrder::Unwatch`], so that an
//! answer which the disk did not take is heard again.

mod asking;
mod budget;
mod followed;
mod line;
mod plan;
mod profile;
mod waits;
mod watch;
mod wire;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::{Instrument as _, Span, error};

use crate::clock::Clock;
use crate::driver::Handle;
use crate::log;
use crate::payment::event::{Effect, Event};
use crate::payment::sale::{Payment, PaymentId, RefundId};
use crate::payment::sbp::{CodeOutcome, LinkOutcome, RefundOutcome, SbpHeard, SbpOrder};
use crate::provider::qrm::Profiles;
use profile::Profile;
use watch::Watch;

pub use waits::Waits;

/// Stands ready to carry out orders for these QR terminals. Must be called within the runtime that is to do the work.
#[must_use]
pub fn spawn(profiles: &Profiles, clock: &Clock, driver: Handle) -> Commands {
    spawn_with(profiles, Waits::default(), clock, driver)
}

/// [`spawn`] with other waits than the terminal's: a test's.
#[must_use]
pub fn spawn_with(profiles: &Profiles, waits: Waits, clock: &Clock, driver: Handle) -> Commands {
    let profile = |name: &str| {
        let (settings, key) = profiles.get(name)?;
        Some((name.to_owned(), Arc::new(Profile::new(name, settings, key, waits, clock.clone()))))
    };
    let profiles = profiles.names().filter_map(profile).collect();
    let (work, tasks) = (Mutex::default(), runtime::Handle::current());
    Commands(Arc::new(Bridge { profiles, driver, tasks, work }))
}

/// The driver's end: orders to QRManager.
#[derive(Clone)]
pub struct Commands(Arc<Bridge>);

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Commands").field(&self.0.profiles.keys()).finish()
    }
}

impl Commands {
    /// Carry out an effect that is QRManager's. Does not wait; other effects are not for it and come back.
    ///
    /// # Errors
    /// The effect, where it is none of QRManager's.
    pub fn release(&self, effect: Effect) -> Result<(), Effect> {
        match effect {
            Effect::Sbp(order) => self.0.carry_out(order),
            other => return Err(other),
        }
        Ok(())
    }

    /// Codes that are watched now.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.0.work().watches.len()
    }
}

struct Bridge {
    profiles: BTreeMap<String, Arc<Profile>>,
    driver: Handle,
    tasks: runtime::Handle,
    work: Mutex<Work>,
}

/// What is under way and can be called off or takes the place of an earlier one.
#[derive(Default)]
struct Work {
    /// Dropping it ends the watch.
    watches: HashMap<PaymentId, oneshot::Sender<()>>,
    /// Codes that were made in this life and are not watched yet: they are as fresh as can be.
    made: HashSet<PaymentId>,
    refunds: HashMap<RefundId, AbortHandle>,
    links: HashMap<String, AbortHandle>,
}

impl Bridge {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(self: &Arc<Self>, order: SbpOrder) {
        match order {
            SbpOrder::Open { payment } => self.open(payment),
            SbpOrder::Watch { payment } => self.watch(payment),
            SbpOrder::Unwatch { payment } => {
                let mut work = self.work();
                work.made.remove(&payment);
                drop(work.watches.remove(&payment));
            }
            SbpOrder::Refund { payment, refund } => self.refund(payment, refund),
            SbpOrder::AskRefund { payment, refund } => self.ask_refund(payment, refund),
            SbpOrder::RegisterLink { profile, size, qrc_id } => self.register_link(profile, size, qrc_id),
            SbpOrder::DeactivateLink { profile, id, sale } => self.deactivate_link(&profile, id, sale),
        }
    }

    fn open(self: &Arc<Self>, payment: Arc<Payment>) {
        let (id, span) = (payment.id, log::payment(&payment));
        let asked = self.profile_of(&payment).map(|profile| async move { profile.qrm().open(&payment).await });
        self.work().made.insert(id);
        let bridge = self.clone();
        let open = async move {
            let outcome = match asked {
                None => CodeOutcome::NotSent { text: NO_PROFILE.to_owned() },
                Some(asked) => whole(&bridge.tasks, asked).await.unwrap_or_else(|text| CodeOutcome::Lost { text }),
            };
            if !matches!(outcome, CodeOutcome::Made(_)) {
                bridge.work().made.remove(&id);
            }
            bridge.tell(SbpHeard::Code { payment: id, outcome }).await;
        };
        self.tasks.spawn(open.instrument(span));
    }

    fn watch(&self, payment: Arc<Payment>) {
        let (id, span) = (payment.id, log::payment(&payment));
        let Some(profile) = self.profile_of(&payment) else {
            span.in_scope(|| error!("{NO_PROFILE}; its code cannot be watched"));
            self.driver.tell_later(Event::Sbp(SbpHeard::Silent { payment: id }));
            return;
        };
        let (end, over) = oneshot::channel();
        let mut work = self.work();
        let resumed = !work.made.remove(&id);
        let (driver, tasks) = (self.driver.clone(), self.tasks.clone());
        self.tasks.spawn(Watch { profile, driver, payment, resumed, tasks }.run(over).instrument(span));
        work.watches.insert(id, end);
    }

    fn refund(self: &Arc<Self>, payment: Arc<Payment>, refund: RefundId) {
        let (id, span) = (payment.id, log::payment(&payment));
        let asked =
            self.profile_of(&payment).map(|profile| async move { profile.qrm().refund(&payment, refund).await });
        let bridge = self.clone();
        let give_back = async move {
            let outcome = match asked {
                None => RefundOutcome::NotSent { text: NO_PROFILE.to_owned() },
                Some(asked) => whole(&bridge.tasks, asked).await.unwrap_or_else(|text| RefundOutcome::InDoubt { text }),
            };
            bridge.tell(SbpHeard::Refund { payment: id, refund, outcome }).await;
        };
        self.tasks.spawn(give_back.instrument(span));
    }

    /// A later order knows more (QRManager's name of the refund), so it takes the place of an earlier one.
    fn ask_refund(&self, payment: Arc<Payment>, refund: RefundId) {
        let span = log::payment(&payment);
        let Some(profile) = self.profile_of(&payment) else {
            span.in_scope(|| error!(%refund, "{NO_PROFILE}; its refund cannot be asked about"));
            return;
        };
        let asking = asking::refund(profile, self.driver.clone(), payment, refund).instrument(span);
        let asking = self.tasks.spawn(asking).abort_handle();
        let mut work = self.work();
        work.refunds.retain(|_, asking| !asking.is_finished());
        if let Some(earlier) = work.refunds.insert(refund, asking) {
            earlier.abort();
        }
    }

    fn register_link(self: &Arc<Self>, name: String, size: Option<u16>, qrc_id: Option<String>) {
        let bridge = self.clone();
        let profile = self.profiles.get(&name).cloned();
        self.tasks.spawn(async move {
            let outcome = match profile {
                None => LinkOutcome::Refused { text: NO_PROFILE.to_owned() },
                Some(profile) => {
                    let asked = async move { profile.qrm().register_link(size, qrc_id.as_deref()).await };
                    whole(&bridge.tasks, asked).await.unwrap_or_else(|text| LinkOutcome::Lost { text })
                }
            };
            bridge.tell(SbpHeard::LinkRegistered { profile: name, outcome }).await;
        });
    }

    fn deactivate_link(&self, name: &str, id: String, sale: Option<Arc<Payment>>) {
        let Some(profile) = self.profiles.get(name).cloned() else {
            error!(profile = name, "{NO_PROFILE}; its cash link cannot be deactivated");
            return;
        };
        let span = sale.as_deref().map_or_else(Span::none, log::payment);
        let asking = asking::deactivate(profile, self.driver.clone(), id, sale).instrument(span);
        let asking = self.tasks.spawn(asking).abort_handle();
        if let Some(earlier) = self.work().links.insert(name.to_owned(), asking) {
            earlier.abort();
        }
    }

    fn profile_of(&self, payment: &Payment) -> Option<Arc<Profile>> {
        self.profiles.get(&payment.sbp.as_ref()?.ask.profile).cloned()
    }

    async fn tell(&self, heard: SbpHeard) {
        self.driver.tell(Event::Sbp(heard)).await;
    }
}

const NO_PROFILE: &str = "the QR terminal of this sale is not set up on this terminal any more";

/// A request to its end. A panic in it has, for all that is known, sent it.
async fn whole<T: Send + 'static>(
    tasks: &runtime::Handle,
    asked: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    tasks
        .spawn(asked.in_current_span())
        .await
        .map_err(|e| format!("the request was broken off inside the terminal: {e}"))
}
