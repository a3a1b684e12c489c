//! A code scanner without a scanner: serial mode on a real pty, one line a scan.

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::pty::Pty;

/// Scans that nobody has read yet; past it a scan is lost, as with a hand that is quicker than the cable.
const WAITING: usize = 16;

/// A simulated scanner. It lives until the last handle is dropped.
#[derive(Clone, Debug)]
pub struct ScannerSim {
    path: PathBuf,
    scans: mpsc::Sender<String>,
}

impl ScannerSim {
    /// Plug a scanner in at `path`, a symlink to the present pty, in the current tokio runtime.
    ///
    /// # Errors
    /// No pty, or no place for the symlink.
    pub fn spawn(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let pty = Pty::plug_in(&path)?;
        let (scans, read) = mpsc::channel(WAITING);
        tokio::spawn(serve(pty, read));
        Ok(Self { path, scans })
    }

    /// Read this code: its text and a carriage return. False = it was lost.
    #[must_use]
    pub fn scan(&self, text: &str) -> bool {
        self.scans.try_send(format!("{text}\r")).is_ok()
    }

    /// The line's stable name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

async fn serve(mut pty: Pty, mut scans: mpsc::Receiver<String>) {
    let mut heard = [0; 64];
    loop {
        tokio::select! {
            scan = scans.recv() => match scan {
                Some(scan) => pty.write(scan.as_bytes()).await,
                None => return,
            },
            // Nothing is ever said to a scanner; reading is how the pty notices that the box has closed it.
            read = pty.read(&mut heard) => if let Err(error) = read {
                tracing::error!(%error, "the simulated scanner has no pty");
                return;
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::scanner::limits::Limits;
    use crate::scanner::port::{PortSettings, serve as read_port};
    use crate::scanner::{Signal, line::Refusal};

    async fn next(heard: &mut mpsc::Receiver<Signal>) -> Signal {
        timeout(Duration::from_secs(10), heard.recv()).await.expect("a signal in time").expect("a port that lives")
    }

    fn listen(path: &Path) -> (mpsc::Receiver<Signal>, tokio::task::JoinHandle<()>) {
        let settings = PortSettings {
            path: path.to_owned(),
            baud: 9_600,
            limits: Limits::default(),
            reopen_every: Duration::from_millis(20),
        };
        let begun = Instant::now();
        let (signals, heard) = mpsc::channel(16);
        (heard, tokio::spawn(read_port(settings, Arc::new(move || begun.elapsed()), signals)))
    }

    #[tokio::test]
    async fn what_is_scanned_is_read_by_the_port_also_by_the_next_one_after_a_restart() {
        let path = std::env::temp_dir().join(format!("tolov-scanner-{}", std::process::id()));
        let scanner = ScannerSim::spawn(&path).expect("a scanner");
        for _ in 0..2 {
            let (mut heard, port) = listen(scanner.path());
            assert_eq!(next(&mut heard).await, Signal::Up);
            assert!(scanner.scan("880101698207133392"));
            assert_eq!(next(&mut heard).await, Signal::Scanned("880101698207133392".into()));
            assert!(scanner.scan(&"7".repeat(600)));
            assert_eq!(next(&mut heard).await, Signal::Refused(Refusal::TooLong));
            port.abort();
            // The pty is replaced once its opener is gone.
            let _ = port.await;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }
}
