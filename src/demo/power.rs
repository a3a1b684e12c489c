//! The box's power: the daemon as a child, killed and started again on demand.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Before a daemon that ended by itself is started again, as systemd would.
const AGAIN: Duration = Duration::from_secs(1);
/// For a daemon to end when the demo does.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why there is no daemon.
#[derive(Debug, thiserror::Error)]
pub enum PowerError {
    /// This program cannot be found or its log not be written.
    #[error("the daemon cannot be started: {0}")]
    Start(#[from] io::Error),
}

/// Whether the box has power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum PowerState {
    /// The daemon's process runs.
    On,
    /// It was killed.
    Off,
    /// It ended by itself, with these words; it is started again.
    Ended {
        /// Its exit status.
        how: String,
    },
}

/// The switch.
#[derive(Debug)]
pub(super) struct Power {
    orders: mpsc::Sender<Order>,
    state: watch::Receiver<(PowerState, u32)>,
}

#[derive(Debug)]
enum Order {
    Cut(Duration),
    End,
}

impl Power {
    /// Switch on: this very program, as a box runs it.
    pub(super) fn on(configuration: PathBuf, log: PathBuf) -> Result<Self, PowerError> {
        let start = Start { program: std::env::current_exe()?, configuration, log };
        let daemon = start.daemon()?;
        let (orders, heard) = mpsc::channel(4);
        let (told, state) = watch::channel((PowerState::On, 0));
        tokio::spawn(keep(start, daemon, heard, told));
        Ok(Self { orders, state })
    }

    /// SIGKILL now, and power again after this time. False = another cut is under way.
    pub(super) fn cut(&self, off: Duration) -> bool {
        self.orders.try_send(Order::Cut(off)).is_ok()
    }

    /// Whether there is power, and how often it was cut.
    pub(super) fn state(&self) -> (PowerState, u32) {
        self.state.borrow().clone()
    }

    /// Let the daemon go, and wait for its end.
    pub(super) async fn end(&self) {
        let _ = self.orders.send(Order::End).await;
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }
}

/// The process, and the pipe to its standard input, kept apart because waiting for a child closes the pipe that it still holds.
struct Daemon {
    child: Child,
    lifeline: Option<ChildStdin>,
}

struct Start {
    program: PathBuf,
    configuration: PathBuf,
    log: PathBuf,
}

impl Start {
    fn daemon(&self) -> io::Result<Daemon> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--config").arg(&self.configuration).arg("--stdin-lifeline");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
        let lifeline = child.stdin.take();
        Ok(Daemon { child, lifeline })
    }
}

async fn keep(start: Start, first: Daemon, mut orders: mpsc::Receiver<Order>, state: watch::Sender<(PowerState, u32)>) {
    let mut running = Some(first);
    loop {
        let Some(mut daemon) = running.take() else {
            match start.daemon() {
                Ok(daemon) => {
                    running = Some(daemon);
                    state.send_modify(|(now, _)| *now = PowerState::On);
                }
                Err(error) => {
                    state.send_modify(|(now, _)| *now = PowerState::Ended { how: error.to_string() });
                    if told_to_end(AGAIN, &mut orders).await {
                        return;
                    }
                }
            }
            continue;
        };
        tokio::select! {
            ended = daemon.child.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                state.send_modify(|(now, _)| *now = PowerState::Ended { how });
                if told_to_end(AGAIN, &mut orders).await {
                    return;
                }
            }
            order = orders.recv() => match order {
                Some(Order::Cut(off)) => {
                    // An error means that it has ended already.
                    let _ = daemon.child.kill().await;
                    state.send_modify(|(now, cuts)| {
                        *now = PowerState::Off;
                        *cuts += 1;
                    });
                    if told_to_end(off, &mut orders).await {
                        return;
                    }
                }
                Some(Order::End) | None => return say_farewell(daemon).await,
            },
        }
    }
}

/// Wait without power; a cut in between changes nothing.
async fn told_to_end(wait: Duration, orders: &mut mpsc::Receiver<Order>) -> bool {
    let end = async { while matches!(orders.recv().await, Some(Order::Cut(_))) {} };
    timeout(wait, end).await.is_ok()
}

async fn say_farewell(mut daemon: Daemon) {
    drop(daemon.lifeline.take());
    if timeout(FAREWELL, daemon.child.wait()).await.is_err() {
        let _ = daemon.child.kill().await;
    }
}

/// For the child: end when the standard input closes, which it does when the demo is gone, however it went. It is an end without a farewell, like a
/// power cut, because the terminal has to bear that at any moment.
pub fn end_with_the_demo() {
    std::thread::spawn(|| {
        let mut nothing = [0; 16];
        while matches!(io::stdin().read(&mut nothing), Ok(read) if read > 0) {}
        std::process::exit(0);
    });
}
