//! What systemd is told: ready, alive, stopping. Without systemd (a PC, a test) every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that the terminal serves. Call it once, when the store is open and the till's address listens.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The one line that `systemctl status` shows.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Says that the end was asked for and is under way.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Feeds systemd's watchdog for as long as `progress` shows progress; without a watchdog it returns at once.
///
/// `progress` counts what the driver has done, its own idle rounds included. The watchdog is fed only when the number
/// has changed since the last time: a driver that stands still lets the whole process be restarted, although this task
/// still runs.
pub async fn feed_watchdog(progress: impl Fn() -> u64) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    feed_every(limit / 3, progress, || tell(&[NotifyState::Watchdog])).await;
}

async fn feed_every(period: Duration, progress: impl Fn() -> u64, feed: impl Fn()) {
    let mut rounds = tokio::time::interval(period);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        rounds.tick().await;
        let now = Some(progress());
        if now != seen {
            feed();
            seen = now;
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // A notification that does not arrive is systemd's trouble, shown by systemd; a sale must not wait for it.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn a_driver_that_stands_still_starves_the_watchdog() {
        let (done, fed) = (AtomicU64::new(0), AtomicU64::new(0));
        let feeding = feed_every(
            Duration::from_millis(1),
            || done.load(Ordering::SeqCst).min(3),
            || _ = fed.fetch_add(1, Ordering::SeqCst),
        );
        let working = async {
            for _ in 0..200 {
                done.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = feeding => unreachable!("the watchdog is fed until the process ends"),
            () = working => {}
        }
        let fed = fed.into_inner();
        assert!((1..=4).contains(&fed), "fed {fed} times by a driver that stood still after its third step");
    }
}
