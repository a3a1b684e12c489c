//! The daemon as a process, and its sudden end.

use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Bench, PATIENCE, http};

/// A daemon that may die at any moment.
pub(crate) struct Daemon(Arc<Mutex<Child>>);

impl Daemon {
    pub(crate) fn born(mut command: Command) -> Self {
        Self(Arc::new(Mutex::new(command.spawn().expect("the daemon"))))
    }

    pub(crate) fn cut_after(&self, time: Duration) {
        let child = self.0.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            let _ = child.lock().expect("the child").kill();
        });
    }

    /// False when it died before it served.
    pub(crate) fn until_it_serves(&self, bench: &Bench) -> bool {
        let since = Instant::now();
        while !http::get(bench.address, "/health/live").is_ok_and(|a| a.status == 200) {
            if self.has_ended() {
                return false;
            }
            assert!(since.elapsed() < PATIENCE, "it neither serves nor ends\n{}", bench.log());
            std::thread::sleep(Duration::from_millis(3));
        }
        true
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.lock().expect("the child").try_wait().expect("its state").is_some()
    }

    /// Its end, which has come or is coming.
    pub(crate) fn end(&self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.0.lock().expect("the child").try_wait().expect("its state") {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "an answer was lost, and the daemon lives");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn cut(&self) -> ExitStatus {
        let mut child = self.0.lock().expect("the child");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already waited for, except when a test panics.
        let mut child = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}
