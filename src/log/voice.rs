//! The one thread that writes the log. Whoever has something to say hands a whole line over and goes on, because a log that hangs (a journal that is
//! stopped, a pipe that nobody reads) must not hold up a sale. What finds no room is left out, and counted.

use std::io;
use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

use crate::{background, limits};

enum Word {
    Line(Vec<u8>),
    /// Everything before it is written: say so.
    End(SyncSender<()>),
}

/// Takes lines, and never waits.
#[derive(Clone)]
pub(super) struct Voice {
    words: SyncSender<Word>,
    left_out: Arc<AtomicU64>,
}

/// Kept until the program ends: then what was said before is written, as far as the log takes it within [`limits::LOG_END_MS`].
#[must_use]
pub struct Spoken(Voice);

impl Voice {
    /// Speaks through `write`, which may wait as long as it likes. What cannot be written is lost: there is nobody left to be told.
    pub(super) fn open(write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> (Self, Spoken) {
        let (words, said) = sync_channel(limits::LOG_LINES_MAX);
        let voice = Self { words, left_out: Arc::default() };
        let left_out = voice.left_out.clone();
        // Without a thread nothing is heard, and everything is counted; such a process has no thread for its driver either.
        let _ = background::spawn("log", move || speak(&said, &left_out, write));
        (voice.clone(), Spoken(voice))
    }

    /// One whole line, or one whole entry.
    pub(super) fn say(&self, line: Vec<u8>) {
        if self.words.try_send(Word::Line(line)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn speak(said: &Receiver<Word>, left_out: &AtomicU64, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
    while let Ok(first) = said.recv() {
        thread::sleep(limits::wait(limits::LOG_GATHER_MS));
        for word in once(first).chain(said.try_iter()) {
            match word {
                Word::Line(line) => {
                    let _ = write(&line);
                }
                Word::End(written) => {
                    let _ = written.send(());
                }
            }
        }
        let lines = left_out.swap(0, Ordering::Relaxed);
        if lines > 0 {
            // It goes the way of every line, and is counted itself if there is no room for it either.
            warn!(lines, "the log cannot keep up: these lines were left out");
        }
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let (written, heard) = sync_channel(1);
        for _ in 0..limits::LOG_END_MS / limits::LOG_END_LOOK_MS {
            if self.0.words.try_send(Word::End(written.clone())).is_ok() {
                let _ = heard.recv_timeout(limits::wait(limits::LOG_END_MS));
                return;
            }
            thread::sleep(limits::wait(limits::LOG_END_LOOK_MS));
        }
    }
}

impl<'a> MakeWriter<'a> for Voice {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A subscriber writes each of its lines at once.
impl io::Write for Voice {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_was_said_is_written_in_its_order_before_the_program_ends() {
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let written = heard.clone();
        let (voice, spoken) = Voice::open(move |line| {
            written.lock().unwrap().extend(line);
            Ok(())
        });
        for line in 0_u8..200 {
            voice.say(vec![line]);
        }
        drop(spoken);
        assert_eq!(*heard.lock().unwrap(), (0_u8..200).collect::<Vec<_>>());
    }

    #[test]
    fn a_log_that_hangs_takes_nobodys_time_and_what_it_missed_is_counted() {
        let (open, gate) = mpsc::channel::<()>();
        let (voice, spoken) = Voice::open(move |_| gate.recv().map_err(io::Error::other));
        for _ in 0..limits::LOG_LINES_MAX + 100 {
            voice.say(b"a line".to_vec());
        }
        // The thread has taken one of them, or is about to.
        let left_out = voice.left_out.load(Ordering::Relaxed);
        assert!((99..=100).contains(&left_out), "{left_out}");
        drop(open);
        drop(spoken);
    }
}
