//! The tty of a scanner in serial mode: read for ever, opened again whenever it vanishes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use super::Signal;
use super::limits::Limits;
use super::line::Lines;

/// What a port needs to know.
#[derive(Clone, Debug)]
pub struct PortSettings {
    /// The tty, by a name that stays. Looked up anew at each opening.
    pub path: PathBuf,
    /// Bits per second; 8N1. Without meaning for USB-CDC.
    pub baud: u32,
    /// Bounds of one scan.
    pub limits: Limits,
    /// Pause between two attempts to open.
    pub reopen_every: Duration,
}

/// Reads the scanner for ever, until nobody listens to `signals`. `monotonic` is the caller's clock.
pub async fn serve(
    settings: PortSettings,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
    signals: mpsc::Sender<Signal>,
) {
    let mut told = None;
    loop {
        let why = match tokio_serial::new(settings.path.to_string_lossy(), settings.baud).open_native_async() {
            Ok(tty) => {
                told = None;
                if signals.send(Signal::Up).await.is_err() {
                    return;
                }
                read(tty, &settings.limits, &monotonic, &signals).await.to_string()
            }
            Err(error) => error.to_string(),
        };
        if told.as_ref() != Some(&why) {
            tracing::warn!(path = %settings.path.display(), %why, "the scanner is not there");
            if signals.send(Signal::Down { why: why.clone() }).await.is_err() {
                return;
            }
            told = Some(why);
        }
        tokio::time::sleep(settings.reopen_every).await;
        if signals.is_closed() {
            return;
        }
    }
}

/// Until the tty is lost; why, comes back.
async fn read(
    mut tty: SerialStream,
    limits: &Limits,
    monotonic: &Arc<dyn Fn() -> Duration + Send + Sync>,
    signals: &mpsc::Sender<Signal>,
) -> io::Error {
    let mut lines = Lines::new(limits.clone());
    let mut buffer = [0; 512];
    loop {
        let silence = lines.poll_timeout().map_or(Duration::MAX, |at| at.saturating_sub(monotonic()));
        let scans = tokio::select! {
            taken = tty.read(&mut buffer) => match taken {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(taken) => lines.handle_bytes(monotonic(), &buffer[..taken]),
                Err(error) => return error,
            },
            () = tokio::time::sleep(silence) => lines.handle_timeout(monotonic()).into_iter().collect(),
        };
        for scan in scans {
            let signal = scan.map_or_else(Signal::Refused, Signal::Scanned);
            if signals.send(signal).await.is_err() {
                return io::ErrorKind::BrokenPipe.into();
            }
        }
    }
}
