//! The terminal in numbers, for whoever looks after a thousand of them: `GET /metrics`, in OpenMetrics' text, which Prometheus reads.
//!
//! What happens is counted where it is committed ([`Witness`]) and where a provider answers ([`Metrics::timing`]); how things stand is read
//! from the [`Snapshot`] when somebody asks. Counters begin at zero with the process; nothing here is stored, and nothing here decides.
//!
//! - [`table`]: every metric with its unit, its labels and its meaning; `docs/metrics.md` states the same
//! - `sales`: what a commit says of sales, refunds and receipts
//! - `picture`: the gauges
//! - `provider`: how long providers take
//! - `process`: memory

mod picture;
mod process;
mod provider;
mod sales;
pub mod table;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::clock::Clock;
use crate::driver::{Commit, Witness};
use crate::payment::sale::{Method, UnixMs};
use crate::provider::Providers;
use crate::snapshot::Snapshot;
use crate::snapshot::readiness::Readiness;
use provider::Timed;
use sales::Sales;

/// What [`Metrics::text`] is, for the answer's `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names and values of labels. All of them are written in the program: nothing that a till, a payer or a provider says becomes a label.
type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// The numbers of one terminal. They belong to it and not to the process, so that two terminals in one test do not share them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    clock: Clock,
    started_ms: UnixMs,
    sales: Sales,
    answers: Histograms<3>,
    commit: Histogram,
    commit_events: Histogram,
    commits_refused: Counter,
    certificate_ends: CertificateEnds,
}

/// When the certificate of the tills' door expires, as far as somebody knows.
#[derive(Default)]
struct CertificateEnds(OnceLock<Box<dyn Fn() -> Option<UnixMs> + Send + Sync>>);

impl fmt::Debug for CertificateEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificateEnds").field(&self.0.get().map(|ends| ends())).finish()
    }
}

impl Metrics {
    /// All zero.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        let mut registry = Registry::default();
        let answers: Histograms<3> = Family::new_with_constructor(waits);
        let sales = Sales::new(&mut registry, &answers);
        let commit = Histogram::new(COMMIT_BUCKETS);
        let commit_events = Histogram::new(EVENT_BUCKETS);
        let commits_refused = Counter::default();
        table::ANSWER.register(&mut registry, answers.clone());
        table::COMMIT.register(&mut registry, commit.clone());
        table::COMMIT_EVENTS.register(&mut registry, commit_events.clone());
        table::COMMIT_REFUSED.register(&mut registry, commits_refused.clone());
        let (clock, started_ms) = (clock.clone(), clock.wall_ms());
        let certificate_ends = CertificateEnds::default();
        Self { registry, clock, started_ms, sales, answers, commit, commit_events, commits_refused, certificate_ends }
    }

    /// Who knows when the certificate of the tills' door expires. The first one stays.
    pub fn tell_of_certificate(&self, ends: impl Fn() -> Option<UnixMs> + Send + Sync + 'static) {
        let _ = self.certificate_ends.0.set(Box::new(ends));
    }

    /// How long ago the driver made its last step, ms. Needs the clock that the driver has.
    #[must_use]
    pub fn since_last_step_ms(&self, picture: &Snapshot) -> u64 {
        self.clock.monotonic_ms().saturating_sub(picture.made_monotonic_ms)
    }

    /// Everything, as a scraper reads it. `waiting` counts the events in the driver's queue.
    #[must_use]
    pub fn text(&self, picture: &Snapshot, readiness: &Readiness, waiting: usize) -> String {
        let mut text = String::new();
        let now = picture::Now {
            wall_ms: self.clock.wall_ms(),
            since_last_step_ms: self.since_last_step_ms(picture),
            started_ms: self.started_ms,
            waiting,
            certificate_ends_ms: self.certificate_ends.0.get().and_then(|ends| ends()),
        };
        let gauges = picture::registry(picture, readiness, &now);
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &gauges))
            .and_then(|()| encode_eof(&mut text));
        if let Err(error) = written {
            // Only a formatter that fails can do this, and a text in memory does not.
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }

    /// The same providers, whose answers are timed.
    #[must_use]
    pub fn timing(&self, providers: &Providers) -> Providers {
        let all = providers.methods().filter_map(|method| Some((method, providers.get(method)?.clone())));
        all.fold(Providers::new(), |timed, (method, provider)| {
            timed.with(method, Arc::new(Timed::new(method, provider, self.clock.clone(), self.answers.clone())))
        })
    }
}

impl Witness for Metrics {
    fn set_out(&self, commit: &Commit) {
        self.commit.observe(seconds(commit.took_us));
        self.commit_events.observe(f64::from(u32::try_from(commit.events).unwrap_or(u32::MAX)));
        for moved in &commit.moves {
            self.sales.moved(moved, commit.at_us, commit.at_ms);
        }
        commit.closings.iter().for_each(|closing| self.sales.closed(closing));
    }

    fn refused(&self) {
        self.commits_refused.inc();
    }
}

/// From an instant's answer to the longest wait for a bank, in seconds.
const WAIT_BUCKETS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 900.0];
/// From a good flash to a bad SD card, in seconds.
const COMMIT_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Up to [`crate::limits::EVENT_BATCH_MAX`].
const EVENT_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

fn waits() -> Histogram {
    Histogram::new(WAIT_BUCKETS)
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

/// The label of a method.
fn of(method: Method) -> (&'static str, &'static str) {
    ("method", method.name())
}
