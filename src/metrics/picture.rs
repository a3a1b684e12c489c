//! How things stand, from one snapshot: a registry that is made for one answer and dropped with it.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::time::Duration;

use super::table::Metric;
use super::{Labels, of, process, table};
use crate::limits;
use crate::payment::card::SettlementState;
use crate::payment::sale::{Method, UnixMs};
use crate::snapshot::readiness::Readiness;
use crate::snapshot::{Presence, Snapshot, StoreHealth};

/// What the snapshot does not know of its own moment.
pub(super) struct Now {
    pub(super) wall_ms: UnixMs,
    pub(super) since_last_step_ms: u64,
    pub(super) started_ms: UnixMs,
    pub(super) waiting: usize,
    /// `None` where no till asks over TLS.
    pub(super) certificate_ends_ms: Option<UnixMs>,
}

pub(super) fn registry(picture: &Snapshot, readiness: &Readiness, now: &Now) -> Registry {
    let mut registry = Registry::default();
    let all = &mut registry;
    table::FAULTS.register(all, ConstCounter::new(picture.faults));
    table::STEPS.register(all, ConstCounter::new(picture.sequence));
    gauge(all, &table::STEP_AGE, seconds(i64::try_from(now.since_last_step_ms).unwrap_or(i64::MAX)));
    let ready = readiness.methods.iter().map(|(method, reason)| (of(*method), i64::from(reason.is_none())));
    family(all, &table::READY, ready);
    family(all, &table::IN_DOUBT, Method::ALL.into_iter().map(|method| (of(method), in_doubt(picture, method))));
    let settling = picture.settlement.as_ref().map(|settlement| &settlement.state);
    flag(all, &table::SETTLEMENT_IN_DOUBT, matches!(settling, Some(SettlementState::InDoubt { .. })));
    count(all, &table::OPEN, picture.open);
    let queue = [("queued", picture.queue.queued), ("parked", picture.queue.parked), ("owed", picture.queue.owed)];
    let queue = queue.map(|(state, rows)| (("state", state), i64::try_from(rows).unwrap_or(i64::MAX)));
    family(all, &table::OUTBOX, queue);
    let oldest_ms = picture.queue.oldest_ms.map_or(0, |since_ms| now.wall_ms.saturating_sub(since_ms));
    gauge(all, &table::OUTBOX_AGE, seconds(oldest_ms));
    count(all, &table::QUEUE, now.waiting);
    count(all, &table::QUEUE_LIMIT, limits::EVENT_QUEUE_LEN);
    let devices = [("pinpad", &picture.devices.pinpad), ("scanner", &picture.devices.scanner)];
    let present = |presence: &Presence| i64::from(*presence == Presence::Up);
    let devices = devices.into_iter().filter_map(|(name, is)| Some((("device", name), present(is.as_ref()?))));
    family(all, &table::DEVICE, devices);
    let is = match picture.store {
        StoreHealth::Good => "good",
        StoreHealth::Refusing(_) => "refusing",
        StoreHealth::Owing(_) => "owing",
    };
    family(all, &table::STORE, ["good", "refusing", "owing"].map(|state| (("state", state), i64::from(state == is))));
    flag(all, &table::CLOSED, picture.closed.is_some());
    if let Some(ends_ms) = now.certificate_ends_ms {
        gauge(all, &table::CERTIFICATE, seconds(ends_ms));
    }
    this_program(all);
    gauge(all, &table::STARTED, seconds(now.started_ms));
    registry
}

/// What runs here, and in how much memory.
fn this_program(all: &mut Registry) {
    let demo = if cfg!(feature = "demo") { "yes" } else { "no" };
    let labels: Labels<3> = [("version", env!("CARGO_PKG_VERSION")), ("arch", std::env::consts::ARCH), ("demo", demo)];
    table::BUILD.register(all, Info::new(labels.to_vec()));
    let memory = process::memory();
    for (metric, bytes) in [(&table::RESIDENT, memory.resident), (&table::ANONYMOUS, memory.anonymous)] {
        if let Some(bytes) = bytes {
            metric.register(all, ConstGauge::new(bytes));
        }
    }
}

fn in_doubt(picture: &Snapshot, method: Method) -> i64 {
    let sales = picture.in_doubt.iter().filter(|payment| payment.method == method).count();
    i64::try_from(sales).unwrap_or(i64::MAX)
}

fn family(all: &mut Registry, metric: &Metric, values: impl IntoIterator<Item = ((&'static str, &'static str), i64)>) {
    let gauges: Family<Labels<1>, Gauge> = Family::default();
    for (label, value) in values {
        gauges.get_or_create(&[label]).set(value);
    }
    metric.register(all, gauges);
}

fn flag(all: &mut Registry, metric: &Metric, is: bool) {
    metric.register(all, ConstGauge::new(i64::from(is)));
}

fn count(all: &mut Registry, metric: &Metric, number: usize) {
    metric.register(all, ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)));
}

fn gauge(all: &mut Registry, metric: &Metric, value: f64) {
    metric.register(all, ConstGauge::new(value));
}

/// A time before its beginning, which a clock that was set back makes, is 0.
fn seconds(ms: i64) -> f64 {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0)).as_secs_f64()
}
