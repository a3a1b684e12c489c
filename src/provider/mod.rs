//! Whoever moves the money behind a scanned code: the trait, and the providers of this terminal by method.
//!
//! A provider turns a payment into bytes for its server and the server's bytes into one of four classes ([`Outcome`]); it knows no journal and
//! no till. It never tries a charge twice: a lost answer is *in doubt* (DESIGN §4, "Outcome classes").

pub mod gateway;
mod http;
pub mod qrm;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tracing::Instrument as _;

use crate::payment::event::{Delivery, Outcome};
use crate::payment::fiscal::Confirmation;
use crate::payment::sale::{Method, Payment};

pub use gateway::{ConfirmDialect, Gateway, GatewayKind, GatewaySettings};

/// A provider's answer under way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One provider.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Ask for the money. Called once for each payment, ever, after its intent is on disk. Has its own limit of time; dropping it before the end
    /// leaves the payment in doubt.
    fn charge<'a>(&'a self, payment: &'a Payment) -> Asked<'a, Outcome>;

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
    pub async fn charge(&self, payment: Arc<Payment>) -> Outcome {
        let Some(provider) = self.get(payment.method).cloned() else {
            return Outcome::NotSent { text: format!("{} is not set up on this terminal", payment.method) };
        };
        let asked = tokio::spawn(async move { provider.charge(&payment).await }.in_current_span());
        asked.await.unwrap_or_else(|e| Outcome::InDoubt {
            text: format!("the request was broken off inside the terminal: {e}"),
        })
    }

    /// Hand a receipt to the payment's provider; whatever goes wrong in here is tried again.
    pub async fn confirm(&self, payment: Arc<Payment>, confirmation: Confirmation) -> Delivery {
        let Some(provider) = self.get(payment.method).cloned() else {
            return Delivery::Retry { text: format!("{} is not set up on this terminal", payment.method) };
        };
        let asked = tokio::spawn(async move { provider.confirm(&payment, &confirmation).await }.in_current_span());
        asked.await.unwrap_or_else(|e| Delivery::Retry {
            text: format!("the request was broken off inside the terminal: {e}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::gateway::tests::paid_sale;

    #[derive(Debug)]
    struct Panics;

    impl Provider for Panics {
        fn charge<'a>(&'a self, _: &'a Payment) -> Asked<'a, Outcome> {
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
        assert!(matches!(providers.charge(Arc::new(sale.clone())).await, Outcome::NotSent { .. }));
        assert!(matches!(providers.confirm(Arc::new(sale), confirmation).await, Delivery::Retry { .. }));
    }

    #[tokio::test]
    async fn a_provider_that_panics_leaves_its_payment_in_doubt() {
        let (sale, confirmation) = paid_sale(Method::Click);
        let providers = Providers::new().with(Method::Click, Arc::new(Panics));
        assert!(matches!(providers.charge(Arc::new(sale.clone())).await, Outcome::InDoubt { .. }));
        assert!(matches!(providers.confirm(Arc::new(sale), confirmation).await, Delivery::Retry { .. }));
    }
}
