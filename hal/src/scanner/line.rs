//! A scanner in serial mode sends each code as a line. This turns its bytes into texts: sans-IO, the caller reads the tty and the clock.

use std::time::Duration;

use super::limits::Limits;

/// Why a line is no scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It never ended.
    #[error("a line longer than any code")]
    TooLong,
    /// It is not UTF-8.
    #[error("bytes that are no text; check the scanner's character set")]
    NotText,
}

/// One line, or why it is none.
pub type Read = Result<String, Refusal>;

/// The line that is being read.
#[derive(Clone, Debug)]
pub struct Lines {
    limits: Limits,
    begun: Vec<u8>,
    since: Option<Duration>,
    /// The rest of a line that was too long.
    skipping: bool,
}

impl Lines {
    /// Nothing read yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, begun: Vec::new(), since: None, skipping: false }
    }

    /// Take what the tty gave at `now` (monotonic). Lines end with CR, LF or both; empty ones are nothing.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Vec<Read> {
        let mut read = Vec::new();
        for byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                self.skipping = false;
                read.extend(self.end());
            } else if !self.skipping {
                self.begun.push(*byte);
                if self.begun.len() > self.limits.line_bytes {
                    self.begun.clear();
                    self.skipping = true;
                    read.push(Err(Refusal::TooLong));
                }
            }
        }
        // The limit counts from the last byte: a slow line is still one line.
        self.since = (self.skipping || !self.begun.is_empty()).then_some(now);
        read
    }

    /// When [`Lines::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(self.limits.line))
    }

    /// Time passed: a line without an end is ended by silence.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Read> {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return None;
        }
        self.skipping = false;
        self.end()
    }

    fn end(&mut self) -> Option<Read> {
        self.since = None;
        let line = std::mem::take(&mut self.begun);
        let Ok(text) = String::from_utf8(line) else { return Some(Err(Refusal::NotText)) };
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| Ok(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODE: &str = "880101698207133392";

    fn lines() -> Lines {
        Lines::new(Limits::default())
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn each_line_end_in_use_ends_one_scan() {
        for end in ["\r", "\n", "\r\n"] {
            let read = lines().handle_bytes(at(0), format!("{CODE}{end}{CODE}{end}").as_bytes());
            assert_eq!(read, [Ok(CODE.to_owned()), Ok(CODE.to_owned())]);
        }
    }

    #[test]
    fn a_scan_without_an_end_is_ended_by_silence() {
        let mut lines = lines();
        assert!(lines.handle_bytes(at(0), CODE.as_bytes()).is_empty());
        assert_eq!(lines.handle_timeout(at(299)), None);
        assert_eq!(lines.handle_timeout(at(300)), Some(Ok(CODE.to_owned())));
        assert_eq!(lines.poll_timeout(), None);
    }

    #[test]
    fn control_characters_of_a_prefix_are_not_part_of_the_code() {
        let read = lines().handle_bytes(at(0), format!("\u{2}{CODE}\u{3}\r").as_bytes());
        assert_eq!(read, [Ok(CODE.to_owned())]);
    }

    #[test]
    fn a_line_that_never_ends_is_refused_once_and_the_next_scan_is_read() {
        let mut lines = lines();
        let read = lines.handle_bytes(at(0), &[b'7'; 5_000]);
        assert_eq!(read, [Err(Refusal::TooLong)]);
        assert_eq!(lines.handle_bytes(at(1), format!("\r{CODE}\r").as_bytes()), [Ok(CODE.to_owned())]);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(lines().handle_bytes(at(0), b"\xff\xfe\r"), [Err(Refusal::NotText)]);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_split_the_scans_are_the_same(cuts in proptest::collection::vec(0_usize..60, 0..6)) {
            let sent = format!("{CODE}\r\n50501010793410803298\rhttps://ofd.soliq.uz/check?t=1\n");
            let whole = lines().handle_bytes(at(0), sent.as_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(sent.len())).collect();
            cuts.extend([0, sent.len()]);
            cuts.sort_unstable();
            let mut split = lines();
            let pieces = cuts.windows(2).flat_map(|w| split.handle_bytes(at(0), &sent.as_bytes()[w[0]..w[1]]));
            prop_assert_eq!(pieces.collect::<Vec<_>>(), whole);
        }
    }
}
