//! How long providers take, measured where they are asked: without the queue, the commit and the till.

use std::sync::Arc;

use super::{Histograms, of, seconds};
use crate::clock::Clock;
use crate::payment::event::{Delivery, Outcome};
use crate::payment::fiscal::Confirmation;
use crate::payment::sale::{Method, Payment};
use crate::provider::{Asked, Provider, Ready, class_of, class_of_delivery};

/// A provider whose answers are timed. It changes none of them.
#[derive(Debug)]
pub(super) struct Timed {
    method: Method,
    provider: Arc<dyn Provider>,
    clock: Clock,
    answers: Histograms<3>,
}

impl Timed {
    pub(super) fn new(method: Method, provider: Arc<dyn Provider>, clock: Clock, answers: Histograms<3>) -> Self {
        Self { method, provider, clock, answers }
    }

    fn took(&self, request: &'static str, outcome: &'static str, since_us: u64) {
        let labels = [of(self.method), ("request", request), ("outcome", outcome)];
        let took = seconds(self.clock.monotonic_us().saturating_sub(since_us));
        self.answers.get_or_create(&labels).observe(took);
    }
}

impl Provider for Timed {
    fn charge<'a>(&'a self, payment: &'a Payment, ready: Ready) -> Asked<'a, Outcome> {
        Box::pin(async move {
            let since_us = self.clock.monotonic_us();
            let answer = self.provider.charge(payment, ready).await;
            self.took("charge", class_of(&answer), since_us);
            answer
        })
    }

    fn confirm<'a>(&'a self, payment: &'a Payment, confirmation: &'a Confirmation) -> Asked<'a, Delivery> {
        Box::pin(async move {
            let since_us = self.clock.monotonic_us();
            let answer = self.provider.confirm(payment, confirmation).await;
            self.took("receipt", class_of_delivery(&answer), since_us);
            answer
        })
    }

    fn ready(&self) -> Asked<'_, Ready> {
        self.provider.ready()
    }

    fn expect(&self) -> Asked<'static, ()> {
        self.provider.expect()
    }

    fn prepare(&self) {
        self.provider.prepare();
    }
}
