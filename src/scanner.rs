//! Between the scanner's port and the driver: it translates and decides nothing.

use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::warn;

use hal::scanner::Signal;
use hal::scanner::limits::Limits;
use hal::scanner::port::{self, PortSettings};

use crate::clock::Clock;
use crate::driver::Handle;
use crate::limits;
use crate::payment::event::Event;

/// Starts a port and a task that tells the driver what it reads. Must be called within a runtime.
pub fn spawn(path: PathBuf, baud: u32, clock: Clock, driver: Handle) {
    let settings = PortSettings {
        path,
        baud,
        limits: Limits { line_bytes: limits::CODE_MAX_CHARS, line: limits::wait(limits::SCAN_LINE_MS) },
        reopen_every: limits::wait(limits::SCANNER_REOPEN_EVERY_MS),
    };
    let (signals, heard) = mpsc::channel(limits::SCANNER_SIGNALS_LEN);
    let monotonic = Arc::new(move || limits::wait(clock.monotonic_ms()));
    tokio::spawn(port::serve(settings, monotonic, signals));
    tokio::spawn(listen(heard, driver));
}

async fn listen(mut heard: mpsc::Receiver<Signal>, driver: Handle) {
    while let Some(signal) = heard.recv().await {
        match signal {
            Signal::Up => driver.tell(Event::Scanner { present: true }).await,
            Signal::Down { .. } => driver.tell(Event::Scanner { present: false }).await,
            Signal::Scanned(text) => driver.tell(Event::Scanned { text }).await,
            Signal::Refused(why) => warn!(%why, "the scanner sent something that is no scan"),
        }
    }
}
