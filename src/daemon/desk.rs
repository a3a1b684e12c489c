//! The technician's side of the daemon: the socket, and the daily closing of the shift. The terminal sells without either.

use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::api::control::{Control, Desk};
use crate::clock::Clock;
use crate::config::Settings;
use crate::driver::Handle;
use crate::history::History;
use crate::schedule;

/// Opens the socket and starts the schedule. What was started ends with `stop`.
pub(super) async fn spawn(
    settings: &Settings,
    driver: &Handle,
    history: Arc<dyn History>,
    clock: &Clock,
    stop: &watch::Receiver<bool>,
) -> Option<JoinHandle<()>> {
    let settle_at = settings.humo.as_ref().and_then(|humo| humo.settle_at);
    let schedule = settle_at.map(|settle_at| {
        let (word, heard) = watch::channel(None);
        tokio::spawn(schedule::run(settle_at, driver.clone(), clock.clone(), word, stop.clone()));
        heard
    });
    let desk = Desk { driver: driver.clone(), history, clock: clock.clone(), schedule };
    match Control::bind(&settings.control.socket).await {
        Ok(control) => Some(tokio::spawn(control.serve(desk, stop.clone()))),
        Err(error) => {
            warn!(%error, "technicians cannot ask: tolov status and its sisters will not find the daemon");
            None
        }
    }
}
