//! Alive, and ready: two questions with two answers. A terminal whose disk hangs is alive and not ready; one without a scanner is both.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::api::pathless::pathless;
use crate::api::{Api, envelope};
use crate::limits;
use crate::snapshot::readiness::{Beside, Readiness};
use crate::snapshot::{Presence, Snapshot};

/// The process answers, and how long ago the driver did something. Always 200: whether a standstill ends the process is the watchdog's to decide.
#[utoipa::path(get, path = "/health/live", operation_id = "askLive", tag = "ops", responses((status = 200, description = "It does", body = Live)))]
pub(in crate::api) async fn live(State(api): State<Api>) -> Json<Live> {
    let picture = api.driver.snapshot();
    let since_last_step_ms = api.settings.metrics.since_last_step_ms(&picture);
    let stalled = since_last_step_ms > limits::DRIVER_STALLED_MS;
    Json(Live { status: "live", steps: picture.sequence, since_last_step_ms, stalled })
}

#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Live {
    /// `live`.
    status: &'static str,
    /// Steps of the driver since the start, idle ones included.
    steps: u64,
    /// Since the last one; about a second at most while the disk answers.
    since_last_step_ms: u64,
    /// The last one is too long ago: the disk hangs.
    stalled: bool,
}

/// Whether money can be taken.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct Ready {
    /// It can, by one method at least.
    ready: bool,
    /// Why it cannot.
    reasons: Vec<String>,
    /// Every method that is set up, by name (`humo`, `click`, `payme`, `sbp`).
    methods: BTreeMap<&'static str, MethodReady>,
    /// What is missing or needs a person, while sales go on.
    troubles: Vec<String>,
}

/// Whether money can be taken by one method.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct MethodReady {
    /// It can.
    ready: bool,
    /// Why it cannot; null where it can.
    reason: Option<String>,
}

/// 200 while money can be taken by one method at least, 503 with the reasons while it cannot.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "askReady", tag = "ops",
    responses((status = 200, description = "Money can be taken", body = Ready), (status = 503, description = "It cannot", body = Ready))
)]
pub(in crate::api) async fn ready(State(api): State<Api>) -> Response {
    let picture = api.driver.snapshot();
    let readiness = readiness(&api, &picture);
    let status = if readiness.is_ready() { 200 } else { 503 };
    envelope::Written::of(status, &told(&readiness, &picture)).into_response()
}

pub(super) fn readiness(api: &Api, picture: &Snapshot) -> Readiness {
    let beside = Beside {
        since_last_step_ms: api.settings.metrics.since_last_step_ms(picture),
        waiting: api.driver.waiting(),
        closing: api.driver.is_closing(),
        lacks: api.settings.lacks.as_ref(),
    };
    Readiness::of(picture, &beside)
}

fn told(readiness: &Readiness, picture: &Snapshot) -> Ready {
    let method =
        |reason: &Option<String>| MethodReady { ready: reason.is_none(), reason: reason.as_deref().map(pathless) };
    let devices = [("the PinPad", &picture.devices.pinpad), ("the scanner", &picture.devices.scanner)];
    let missing = devices.into_iter().filter_map(|(name, presence)| match presence {
        Some(Presence::Down(why)) => Some(pathless(&format!("{name} is missing: {why}"))),
        Some(Presence::Up) | None => None,
    });
    let doubts = picture.in_doubt.iter().map(|payment| format!("payment {} is in doubt", payment.id));
    Ready {
        ready: readiness.is_ready(),
        reasons: readiness.reasons.iter().map(|reason| pathless(reason)).collect(),
        methods: readiness.methods.iter().map(|(name, reason)| (name.name(), method(reason))).collect(),
        troubles: missing.chain(doubts).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::sale::Method;
    use crate::snapshot::StoreHealth;

    fn now(picture: &Snapshot) -> Ready {
        let beside = Beside { since_last_step_ms: 0, waiting: 0, closing: false, lacks: &|_| None };
        told(&Readiness::of(picture, &beside), picture)
    }

    #[test]
    fn a_terminal_that_cannot_write_is_not_ready_and_one_without_a_scanner_is() {
        let mut picture = Snapshot { methods: vec![Method::Click], ..Snapshot::default() };
        picture.devices.scanner = Some(Presence::Down("/dev/ttyACM0: no such device".to_owned()));
        let told = now(&picture);
        assert!(told.ready && told.methods["click"].ready);
        assert_eq!(told.troubles, ["the scanner is missing: (a file): no such device"]);

        picture.store = StoreHealth::Refusing("the disk is full".to_owned());
        picture.closed = Some("the store was set aside as /var/lib/tolov/journal.db.1 (damaged)".to_owned());
        let told = now(&picture);
        assert!(!told.ready && !told.methods["click"].ready);
        let closed = "sales are closed: the store was set aside as (a file) (damaged)";
        assert_eq!(told.reasons, [closed, "the store cannot be written: the disk is full"]);
        assert_eq!(told.methods["click"].reason.as_deref(), Some(closed));
    }

    #[test]
    fn one_method_that_takes_money_is_enough_and_none_is_too_few() {
        let mut picture = Snapshot { methods: vec![Method::Humo, Method::Click], ..Snapshot::default() };
        picture.devices.pinpad = Some(Presence::Down("unplugged".to_owned()));
        let told = now(&picture);
        assert!(told.ready && told.reasons.is_empty());
        assert_eq!(told.methods["humo"].reason.as_deref(), Some("the PinPad is missing: unplugged"));

        picture.methods = vec![Method::Humo];
        assert_eq!(now(&picture).reasons, ["humo: the PinPad is missing: unplugged"]);
        picture.methods = Vec::new();
        assert_eq!(now(&picture).reasons, ["no method is set up"]);
    }
}
