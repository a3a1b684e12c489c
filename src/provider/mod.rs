//! Whoever moves the money behind a scanned code: the trait, and the providers of this terminal by method.
//!
//! A provider turns a payment into bytes for its server and the server's bytes into one of four classes ([`Outcome`]); it knows no journal and
//! no till. It never tries a charge twice: a lost answer is *in doubt* (DESIGN §4, "Outcome classes").

pub mod gateway;
mod http;
mod line;
pub mod qrm;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use crate::payment::event::{Delivery, Outcome};
use crate::payment::fiscal::Confirmation;
use crate::payment::sale::{Method, Payment};

pub(crate) use tls::Tls;

pub use gateway::{ConfirmDialect, Gateway, GatewayKind, GatewaySettings};

/// A provider's answer under way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One provider.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Ask for the money. Called once for each payment, ever, after its intent is on disk. Has its own limit of time; dropping it before the end
    /// leaves the payment in doubt.
    fn charge<'a>(&'a self, payment: &'a Payment, ready: Ready) -> Asked<'a, Outcome>;

    /// Open what a charge will need, while its intent is being written down. Says nothing about any payment.
    fn ready(&self) -> Asked<'_, Ready> {
        Box::pin(async { Ready::default() })
    }

    /// A payment may come soon: open what its charge will need, and hold it for a short while. [`Provider::ready`] finds it.
    fn expect(&self) -> Asked<'static, ()> {
        Box::pin(async {})
    }

    /// Hand over a fiscal receipt. May be called again with the same one.
    fn confirm<'a>(&'a self, payment: &'a Payment, confirmation: &'a Confirmation) -> Asked<'a, Delivery>;

    /// Make ready what the first request would wait for. Sends nothing; takes a moment of a thread that may wait.
    fn prepare(&self) {}
}

/// The stable name of an answer's class, for logs and metrics.
#[must_use]
pub fn class_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Approved(_) => "approved",
        Outcome::Refused(_) => "refused",
        Outcome::NotSent { .. } => "not_sent",
        Outcome::InDoubt { .. } => "in_doubt",
    }
}

/// The same of a delivery.
#[must_use]
pub fn class_of_delivery(outcome: &Delivery) -> &'static str {
    match outcome {
        Delivery::Confirmed { .. } => "confirmed",
        Delivery::Refused { .. } => "refused",
        Delivery::Pending { .. } => "pending",
        Delivery::Retry { .. } => "retry",
    }
}

/// What was opened ahead of a charge. Without anything ([`Ready::default`]) the charge opens it itself.
#[derive(Debug, Default)]
pub struct Ready(http::Opened);

/// The providers that are set up on this terminal.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    by_method: BTreeMap<Method, Arc<dyn Provider>>,
}

impl Providers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Set one up, in place of an earlier one of that method.
    #[must_use]
    pub fn with(mut self, method: Method, provider: Arc<dyn Provider>) -> Self {
        self.by_method.insert(method, provider);
        self
    }

    /// The provider of a method.
    #[must_use]
    pub fn get(&self, method: Method) -> Option<&Arc<dyn Provider>> {
        self.by_method.get(&method)
    }

    /// Make every provider ready for its first request. Call it where waiting is allowed.
    pub fn prepare(&self) {
        self.by_method.values().for_each(|provider| provider.prepare());
    }

    /// The methods that have one.
    pub fn methods(&self) -> impl Iterator<Item = Method> + '_ {
        self.by_method.keys().copied()
    }

    /// Ask the payment's provider for the money. Whatever goes wrong in here becomes an outcome, so that no payment is left without one:
    /// a provider that panicked has, for all that is known, sent the request.
    pub async fn charge(&self, payment: Arc<Payment>, ready: Ready) -> Outcome {
        let Some(provider) = self.get(payment.method) else {
            return Outcome::NotSent { text: format!("{} is not set up on this terminal", payment.method) };
        };
        let asked = whole(async { provider.charge(&payment, ready).await });
        asked.await.unwrap_or_else(|text| Outcome::InDoubt { text })
    }

    /// Open what a charge by this method will need.
    pub async fn ready(&self, method: Method) -> Ready {
        let Some(provider) = self.get(method) else { return Ready::default() };
        // A bug in here costs the head start; the charge meets it again, and tells it.
        whole(async { provider.ready().await }).await.unwrap_or_default()
    }

    /// A payment by this method may come soon: what its charge will need is opened, and held until it is taken or too old.
    pub fn expect(&self, method: Method) -> Asked<'static, ()> {
        self.get(method).map_or_else(|| Box::pin(async {}) as Asked<'static, ()>, |provider| provider.expect())
    }

    /// Hand a receipt to the payment's provider; whatever goes wrong in here is tried again.
    pub async fn confirm(&self, payment: Arc<Payment>, confirmation: Confirmation) -> Delivery {
        let Some(provider) = self.get(payment.method) else {
            return Delivery::Retry { text: format!("{} is not set up on this terminal", payment.method) };
        };
        let asked = whole(async { provider.confirm(&payment, &confirmation).await });
        asked.await.unwrap_or_else(|text| Delivery::Retry { text })
    }
}

/// What `asked` answers, or what is to be said where it panicked. It is dropped then, and never looked at again.
async fn whole<T>(asked: impl Future<Output = T>) -> Result<T, String> {
    let mut asked = pin!(asked);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| asked.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err("the request was broken off by a fault inside the terminal".to_owned())),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::gateway::tests::paid_sale;

    #[derive(Debug)]
    struct Panics;

    impl Provider for Panics {
        fn charge<'a>(&'a self, _: &'a Payment, _: Ready) -> Asked<'a, Outcome> {
            Box::pin(async { panic!("a bug") })
        }
        fn confirm<'a>(&'a self, _: &'a Payment, _: &'a Confirmation) -> Asked<'a, Delivery> {
            Box::pin(async { panic!("a bug") })
        }
    }

    #[tokio::test]
    async fn a_method_without_a_provider_sends_nothing() {
        let (sale, confirmation) = paid_sale(Method::Payme);
        let providers = Providers::new().with(Method::Click, Arc::new(Panics));
        assert_eq!(providers.methods().collect::<Vec<_>>(), [Method::Click]);
        assert!(matches!(providers.charge(Arc::new(sale.clone()), Ready::default()).await, Outcome::NotSent { .. }));
        assert!(matches!(providers.confirm(Arc::new(sale), confirmation).await, Delivery::Retry { .. }));
    }

    #[tokio::test]
    async fn a_provider_that_panics_leaves_its_payment_in_doubt() {
        let (sale, confirmation) = paid_sale(Method::Click);
        let providers = Providers::new().with(Method::Click, Arc::new(Panics));
        assert!(matches!(providers.charge(Arc::new(sale.clone()), Ready::default()).await, Outcome::InDoubt { .. }));
        assert!(matches!(providers.confirm(Arc::new(sale), confirmation).await, Delivery::Retry { .. }));
    }
}
