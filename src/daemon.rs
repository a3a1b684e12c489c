//! The terminal as a process: a wiring diagram.
//!
//! ```text
//!  till ─► api ──┐                      ┌─► provider ─┐
//!  PinPad ───────┼─► driver ─ effects ──┼─► PinPad    ├─► events back to the driver
//!  QRManager ────┤      │               ├─► sbp       │
//!  technician ───┘      │               └─► outbox ───┘
//!                       └─ snapshots ─► display, api, watchdog
//! ```
//!
//! It starts and serves whatever is broken: what is missing is shown, and heals without a restart. Only a store that cannot be opened
//! at all (in use, of a later version, of another program) ends the start, because without it no promise can be kept.

mod ahead;
pub mod assemble;
mod callback;
mod desk;
mod listen;
mod outside;
mod questions;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Notify, oneshot, watch};
use tracing::{error, info, warn};

use crate::api;
use crate::background;
use crate::clock::Clock;
use crate::config::Settings;
use crate::driver::{Driver, Handle, LedgerError};
use crate::limits;
use crate::log;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::payment::card::SettlementState;
use crate::payment::event::Event;
use crate::service;
use crate::snapshot::{Snapshot, StoreHealth};
use crate::store::{Archive, Store, StoreError, StoreOptions};
use crate::ui::panel::{Frame, Panel};
pub use listen::{ListenError, Passed};
use outside::Outside;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used; the message says what to do.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is open cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Tills would find nobody.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The driver ended by itself: a bug. A restart asks about whatever was open.
    #[error("the driver ended by itself; whatever was open is asked about at the next start")]
    DriverEnded,
    /// A part that works as long as the daemon lives has ended: a bug. What was open was given its time.
    #[error("{0} ended by itself; the terminal has to be started again")]
    PartEnded(&'static str),
    /// The system gave no thread.
    #[error("no thread for the driver or the display: {0}")]
    Thread(std::io::Error),
}

/// What [`run`] runs on: one thread fewer than the machine has cores, because the driver has its own. A thread more than there is work for
/// is woken with every word that comes, and costs a sale more than it helps.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(cores.saturating_sub(1).max(1)).enable_all().build()
}

/// Run the terminal until it is asked to stop (SIGTERM, SIGINT). Tills ask at the sockets that were `passed` to the process, or, without any, where the settings say.
///
/// # Errors
/// It could not start.
pub async fn run(settings: Settings, passed: Passed) -> Result<(), StartError> {
    let clock = Clock::system();
    let store = Store::open(&settings.store.dir, &StoreOptions::at(clock.wall_ms()))?;
    let archive = Arc::new(store.archive()?);
    let (driver, handle) = Driver::new(store, assemble::policy(&settings), clock.clone())?;
    let metrics = Arc::new(Metrics::new(&clock));
    let (chronicle, scribe) = log::chronicle::open();
    let runs = log::runs::Runs::default();
    let driver =
        driver.witnessed_by(metrics.clone()).witnessed_by(Arc::new(chronicle)).witnessed_by(Arc::new(runs.clone()));
    let scribe = background::spawn("chronicle", move || scribe.write()).map_err(StartError::Thread)?;

    let profiles = assemble::qrm(&settings);
    let qrm = profiles.clients(Some(&settings.store.dir));
    let providers = Arc::new(metrics.timing(&assemble::providers(&settings, &qrm, &clock)));
    let early = providers.clone();
    // Hundreds of certificates are read meanwhile. Without a thread for it, the first sale does it.
    let _ = background::spawn("prepare", move || early.prepare());
    let deliver = Arc::new(Notify::new());
    let pinpad =
        assemble::pinpad_port(&settings).map(|port| crate::pinpad::spawn(port, clock.clone(), handle.clone(), runs));
    let sbp = crate::sbp::spawn(&profiles, &clock, handle.clone());
    tokio::spawn(outside::expect_scans(providers.clone(), handle.awaited()));
    let outside = Outside::new(providers.clone(), pinpad.clone(), sbp, deliver.clone(), handle.clone());
    let (stop, stopped) = watch::channel(false);
    let (at_work, ended) = spawn_driver(driver, outside, stopped.clone())?;
    if let Some(line) = &settings.board.scanner {
        crate::scanner::spawn(PathBuf::from(&line.port), line.baud, clock.clone(), handle.clone());
    }

    let frame = spawn_display(&settings, &handle, &clock)?;
    let outbox = Outbox::new(providers, archive.clone(), handle.clone(), clock.clone(), deliver);
    let outbox = tokio::spawn(outbox.listening_to(callback::spawn(&settings, &stopped)).run());

    let certificate = listen::Shown::new(&settings, &clock);
    let places = listen::open(&settings, passed, &certificate).await?;
    metrics.tell_of_certificate(move || certificate.expires_ms());
    let door = assemble::api(&settings, frame, &qrm, metrics);
    let tills = tokio::spawn(api::serve(places, handle.clone(), archive.clone(), door, until(stopped.clone())));
    let technicians = desk::spawn(&settings, &handle, archive.clone(), &clock, &stopped).await;
    let pictures = handle.clone();
    tokio::spawn(service::feed_watchdog(move || pictures.snapshot().sequence));
    service::ready("ready");
    info!("ready");
    tokio::spawn(check_integrity(archive, handle.clone()));

    let broken = tokio::select! {
        () = asked_to_stop() => None,
        _ = ended => return Err(StartError::DriverEnded),
        _ = outbox => Some("the delivery of receipts"),
        () = pinpad_ended(pinpad) => Some("the PinPad's port"),
    };
    service::stopping();
    finish(&handle).await;
    let _ = stop.send(true);
    // Tills that wait hear the end of the driver; the server has a limit of its own.
    let _ = tills.await;
    if let Some(technicians) = technicians {
        let _ = technicians.await;
    }
    at_work.join().map_err(|_| StartError::DriverEnded)?;
    // The driver's end is its log's end.
    let _ = scribe.join();
    broken.map_or(Ok(()), |part| Err(StartError::PartEnded(part)))
}

/// A terminal without a PinPad waits for ever.
async fn pinpad_ended(pinpad: Option<crate::pinpad::Commands>) {
    match pinpad {
        Some(pinpad) => pinpad.ended().await,
        None => std::future::pending().await,
    }
}

/// Resolves when `stop` is set.
async fn until(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Draws every picture of the terminal; the newest frame is there for whoever shows it. On a thread of its own: drawing takes longer
/// than a sale's steps, and no sale is to stand behind it.
fn spawn_display(
    settings: &Settings,
    handle: &Handle,
    clock: &Clock,
) -> Result<watch::Receiver<Arc<Frame>>, StartError> {
    let panel = Panel::new(assemble::language(settings));
    let (frames, newest) = watch::channel(panel.frame());
    let (pictures, clock) = (handle.pictures(), clock.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(StartError::Thread)?;
    let work = move || runtime.block_on(crate::ui::panel::run(pictures, panel, frames, move || clock.wall_ms()));
    background::spawn("display", work).map_err(StartError::Thread)?;
    Ok(newest)
}

/// Read the whole store once, when tills have been served for a moment. A damaged one closes sales, and is set aside at the next start.
async fn check_integrity(archive: Arc<Archive>, driver: Handle) {
    tokio::time::sleep(limits::wait(limits::STORE_CHECK_AFTER_MS)).await;
    tokio::task::spawn_blocking(move || match archive.integrity_check() {
        Ok(problems) => {
            if let Some(first) = problems.first() {
                error!(problems = problems.len(), first, "the store is damaged");
                let why =
                    format!("the store is damaged ({first}); restart the terminal to have it set aside and salvaged");
                driver.tell_later(Event::CloseSales { why });
            }
        }
        Err(error) => warn!(%error, "the store could not be checked"),
    });
}

/// The driver has a thread of its own: it waits for the disk, and nobody else has to.
/// The second value resolves when the thread ends, however it does.
fn spawn_driver(
    driver: Driver<Store>,
    outside: Outside,
    stop: watch::Receiver<bool>,
) -> Result<(JoinHandle<()>, oneshot::Receiver<()>), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(StartError::Thread)?;
    let (alive, ended) = oneshot::channel::<()>();
    let outside = Arc::new(outside);
    let ahead = outside.clone();
    let driver = driver.foreseen_by(Box::new(move |effect| ahead.foresee(effect)));
    let work = move || {
        let _alive = alive;
        runtime.block_on(driver.run(move |effect| outside.release(effect), stop));
    };
    let thread = std::thread::Builder::new().name("driver".to_owned()).spawn(work).map_err(StartError::Thread)?;
    Ok((thread, ended))
}

/// Until SIGTERM or SIGINT.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        warn!("SIGTERM cannot be heard; only SIGKILL ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Begin nothing new, and give what is with a bank the time to be answered and written down. What is not is in doubt at the next start,
/// and asked about.
async fn finish(handle: &Handle) {
    handle.close();
    let idle = async {
        let mut pictures = handle.pictures();
        while moves_money(&pictures.borrow_and_update()) && pictures.changed().await.is_ok() {}
    };
    if tokio::time::timeout(limits::wait(limits::SHUTDOWN_MS), idle).await.is_err() {
        warn!("stopped while a payment was open; it is asked about at the next start");
    }
}

/// A sale, a refund or a settlement is under way, or an answer about one is not on disk yet.
fn moves_money(now: &Snapshot) -> bool {
    let settling = now.settlement.as_ref().is_some_and(|s| s.state == SettlementState::Processing);
    now.open > 0 || now.counter.is_some() || settling || matches!(now.store, StoreHealth::Owing(_))
}
