//! Paper that arrives in pieces. What stands before a line of `=` is read once: a report of a thousand slips comes in more than a thousand
//! pieces, and the PinPad waits for each of them to be taken.

use super::{Slip, is_separator, mask_pieces, parse};

/// What was printed so far.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Slips that a line of `=` has ended.
    closed: Vec<Slip>,
    /// What stands after that line.
    pub(super) open: String,
}

impl Gathered {
    /// Take the next piece; it comes back as it may be stored, masked with what stands before it in mind.
    pub fn add(&mut self, piece: &str) -> String {
        let masked = mask_pieces(&[self.open.as_str(), piece]).pop().unwrap_or_default();
        self.open.push_str(piece);
        if let Some(end) = last_separator_end(&self.open) {
            self.closed.extend(parse(&self.open[..end]));
            self.open.drain(..end);
        }
        masked
    }

    /// Every slip so far, the one that is still being printed included: what [`parse`] says of all pieces in one.
    #[must_use]
    pub fn slips(&self) -> Vec<Slip> {
        let mut slips = self.closed.clone();
        slips.extend(parse(&self.open));
        slips
    }
}

/// Where the last line of `=` ends that is there to its end. Nothing before it has a say in what comes after it: it ends a slip, a name, a date
/// and a number.
fn last_separator_end(text: &str) -> Option<usize> {
    let mut end = None;
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\r', '\u{c}']) {
        at += line.len();
        if line.ends_with(['\n', '\r', '\u{c}']) && is_separator(line.trim()) {
            end = Some(at);
        }
    }
    end
}
