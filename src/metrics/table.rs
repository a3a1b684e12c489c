//! Every metric: its name, what it is, its unit, its labels, and what it says. `docs/metrics.md` states the same table, held equal by a test.

use prometheus_client::registry::{self, Registry, Unit};

/// What a scraper may do with the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts up from zero, which is the start of the process.
    Counter,
    /// How things stand.
    Gauge,
    /// How often something took how long, from zero at the start of the process.
    Histogram,
    /// Always 1; its labels are what it says.
    Info,
}

impl Kind {
    /// As the exposition spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// As a query names it; a histogram's samples add `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it counts.
    pub unit: &'static str,
    /// Its labels. Their values come from the lists in `docs/metrics.md` and from nowhere else.
    pub labels: &'static [&'static str],
    /// What it says, one sentence.
    pub help: &'static str,
}

impl Metric {
    /// Put it into a registry. The library adds the unit, and what the kind adds, to the name.
    pub(super) fn register(&self, registry: &mut Registry, metric: impl registry::Metric) {
        let bare = self.name.strip_suffix("_total").or(self.name.strip_suffix("_info")).unwrap_or(self.name);
        let help = self.help.trim_end_matches('.');
        let unit = [("seconds", "_seconds", Unit::Seconds), ("bytes", "_bytes", Unit::Bytes)];
        let named = unit.into_iter().find(|(unit, ..)| *unit == self.unit);
        match named.and_then(|(_, suffix, unit)| Some((bare.strip_suffix(suffix)?, unit))) {
            Some((bare, unit)) => registry.register_with_unit(bare, help, unit, metric),
            None => registry.register(bare, help, metric),
        }
    }
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal, $unit:literal, [$($label:literal),*], $help:literal;)+) => {
        $(pub(super) const $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help };)+

        /// Every metric, in the order of the document.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    OPENED: Counter "tolov_payments_opened_total", "sales", ["method"],
        "Sales that were begun.";
    ENDED: Counter "tolov_payments_total", "sales", ["method", "outcome"],
        "Sales that ended, or fell in doubt; one that was in doubt counts once more when that ends.";
    LATE: Counter "tolov_payments_late_total", "sales", ["method"],
        "Sales whose money came after they had ended otherwise; they count as paid, too.";
    REFUNDS: Counter "tolov_refunds_total", "refunds", ["method", "kind", "outcome"],
        "Refunds and voids that ended, or fell in doubt.";
    SETTLEMENTS: Counter "tolov_settlements_total", "settlements", ["outcome"],
        "Closings of the card shift that ended, or fell in doubt; one that was in doubt counts once more when that ends.";
    BROUGHT: Counter "tolov_receipts_brought_total", "receipts", ["method"],
        "Fiscal receipts that tills brought.";
    RECEIPTS: Counter "tolov_receipts_total", "receipts", ["method", "outcome"],
        "Fiscal receipts that the provider has, or that a person has to look at.";
    DURATION: Histogram "tolov_payment_duration_seconds", "seconds", ["method", "outcome"],
        "From the sale's first line on disk to the line of its end, or of the doubt.";
    STEP: Histogram "tolov_payment_step_seconds", "seconds", ["method", "step"],
        "How long a sale stood in a state before it went on.";
    ANSWER: Histogram "tolov_provider_answer_seconds", "seconds", ["method", "request", "outcome"],
        "How long a provider took to answer a request.";
    RECEIPT: Histogram "tolov_receipt_confirmed_seconds", "seconds", ["method"],
        "From the till's receipt to the provider's confirmation, by the wall clock, so that a restart in between does not shorten it.";
    COMMIT: Histogram "tolov_commit_seconds", "seconds", [],
        "How long the disk took for a commit.";
    COMMIT_EVENTS: Histogram "tolov_commit_events", "events", [],
        "Events that shared a commit.";
    COMMIT_REFUSED: Counter "tolov_commits_refused_total", "commits", [],
        "Commits that the disk did not take; while it takes none, every attempt counts.";
    FAULTS: Counter "tolov_faults_total", "faults", [],
        "Steps that the terminal's own rules refused: a bug to be reported.";
    STEPS: Counter "tolov_driver_steps_total", "steps", [],
        "Steps of the driver, the idle ones included; it makes one at least every second.";
    STEP_AGE: Gauge "tolov_driver_last_step_age_seconds", "seconds", [],
        "Since the driver's last step: more than a few seconds is a disk that hangs.";
    READY: Gauge "tolov_method_ready", "1 or 0", ["method"],
        "Money can be taken by this method; only methods that are set up are listed.";
    IN_DOUBT: Gauge "tolov_payments_in_doubt", "sales", ["method"],
        "Sales in doubt, or with a refund in doubt.";
    SETTLEMENT_IN_DOUBT: Gauge "tolov_settlement_in_doubt", "1 or 0", [],
        "Nobody knows whether the card shift was closed.";
    OPEN: Gauge "tolov_payments_open", "sales", [],
        "Sales in progress, at the counter and beside it; an SBP code that waits for its payer is none.";
    OUTBOX: Gauge "tolov_outbox_receipts", "receipts", ["state"],
        "The queue of fiscal receipts.";
    OUTBOX_AGE: Gauge "tolov_outbox_oldest_age_seconds", "seconds", [],
        "Since the oldest queued receipt was brought; 0 while none is queued.";
    QUEUE: Gauge "tolov_event_queue_events", "events", [],
        "Events that wait for the driver.";
    QUEUE_LIMIT: Gauge "tolov_event_queue_limit_events", "events", [],
        "The most that may wait.";
    DEVICE: Gauge "tolov_device_up", "1 or 0", ["device"],
        "The device is there; only devices that are set up are listed.";
    STORE: Gauge "tolov_store_state", "1 or 0", ["state"],
        "How the store is: exactly one of its states is 1.";
    CLOSED: Gauge "tolov_sales_closed", "1 or 0", [],
        "Sales are closed until a person signs.";
    CERTIFICATE: Gauge "tolov_tls_certificate_expires_seconds", "seconds", [],
        "When the certificate of the tills' door expires, or the first one of its chain, since 1970; told only where tills ask over TLS.";
    BUILD: Info "tolov_build_info", "1", ["version", "arch", "demo"],
        "What runs here.";
    STARTED: Gauge "process_start_time_seconds", "seconds", [],
        "When the process began, since 1970, by the wall clock of that moment.";
    RESIDENT: Gauge "process_resident_memory_bytes", "bytes", [],
        "Memory in RAM.";
    ANONYMOUS: Gauge "process_anonymous_memory_bytes", "bytes", [],
        "Memory in RAM that belongs to no file: what the process itself asked for.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_states_every_metric_and_no_other() {
        let document = include_str!("../../docs/metrics.md");
        let table = document.split("<!-- metrics -->").nth(1).unwrap();
        let stated: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        let row = |metric: &Metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = metric.kind.name();
            format!("| `{}` | {kind} | {} | {} | {} |", metric.name, metric.unit, labels.join(", "), metric.help)
        };
        let held: Vec<String> = ALL.iter().map(row).collect();
        assert_eq!(stated, held, "docs/metrics.md and this table differ");
    }

    #[test]
    fn a_name_says_its_unit_and_its_kind() {
        for metric in ALL {
            let name = metric.name;
            assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert_eq!(metric.kind == Kind::Info, name.ends_with("_info"), "{name}");
            assert_eq!(metric.unit == "seconds", name.ends_with("_seconds"), "{name}");
            assert_eq!(metric.unit == "bytes", name.ends_with("_bytes"), "{name}");
            assert_eq!(ALL.iter().filter(|other| other.name == name).count(), 1, "{name} stands twice");
        }
    }
}
