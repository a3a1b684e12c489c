//! Threads that nobody waits for: they draw and write what has happened, and give way to those that make it happen.

use std::io;
use std::thread::{Builder, JoinHandle};

use rustix::process::{getpriority_process, setpriority_process};

/// How much less than the others a thread of the background is worth to the scheduler, as `nice` counts it.
const NICE: i32 = 10;

/// Begin `work` on a thread of its own, which gives way to all others.
///
/// # Errors
/// The system gave no thread.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        give_way();
        work();
    })
}

/// Of this thread alone: for Linux, who asks for himself is a thread. Where it is not allowed, all is done as before.
fn give_way() {
    let given = match getpriority_process(None) {
        Ok(nice) if nice >= NICE => Ok(()),
        _ => setpriority_process(None, NICE),
    };
    if let Err(error) = given {
        tracing::debug!(%error, "a thread of the background is as eager as the others");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_the_background_gives_way_and_nobody_else_does() {
        let (said, heard) = std::sync::mpsc::channel();
        let nice = || getpriority_process(None).expect("a priority");
        let before = nice();
        let work = move || said.send(nice()).expect("somebody listens");
        spawn("background", work).expect("a thread").join().expect("its end");
        assert_eq!(heard.recv(), Ok(before.max(NICE)));
        assert_eq!(nice(), before);
    }
}
