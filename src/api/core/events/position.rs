//! A place in the journal, as tills hold it: `<number of a line>-<mark of that line>`. Opaque to them; the `id` of an event and the `next` of a list
//! are the same thing.
//!
//! The number alone would not do: a store that was restored from yesterday's backup, or another box in this one's place, counts the same numbers
//! and means other lines. The mark tells whether the line is the one that the till has seen. It is made of what the till is told anyway, so that it
//! says nothing about anything else in the line.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use crate::api::problem::{self, Problem};
use crate::history::{History, HistoryError, JournalLine};

/// Where a till has read up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Position {
    line: i64,
    /// Nothing, where the till names a number alone: it is believed.
    mark: Option<String>,
}

impl Position {
    /// What a till sends back: an id as it was told, or a number alone.
    pub(in crate::api) fn read(text: &str) -> Option<Self> {
        let (line, mark) = match text.split_once('-') {
            Some((line, mark)) => (line, Some(mark)),
            None => (text, None),
        };
        let is_number = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        let line = line.parse().ok().filter(|_| is_number)?;
        // A time begins with a number, too.
        let is_mark = |mark: &str| mark.len() == MARK_DIGITS && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
        let right = mark.is_none_or(is_mark);
        right.then(|| Self { line, mark: mark.map(str::to_owned) })
    }

    /// The line after which to go on with events.
    ///
    /// # Errors
    /// The journal has no such line, has another one in its place, or has been cut after it.
    pub(in crate::api) fn resume(&self, history: &dyn History) -> Result<i64, Problem> {
        let ends = history.journal_ends().map_err(unread)?;
        if self.line == 0 {
            return Ok(ends.cut_at);
        }
        let after = self.verified(history)?;
        if after < ends.cut_at {
            let first = ends.cut_at + 1;
            let message = format!("the journal's lines before {first} are not kept any more");
            return Err(Problem::because(problem::EVENTS_GONE, message));
        }
        Ok(after)
    }

    /// The line after which to go on with lists, which outlive the journal's lines.
    ///
    /// # Errors
    /// The journal has no such line, or another one in its place.
    pub(in crate::api) fn verified(&self, history: &dyn History) -> Result<i64, Problem> {
        let ends = history.journal_ends().map_err(unread)?;
        if self.line > ends.last {
            let message = format!("the journal ends at line {} and never had a line {}", ends.last, self.line);
            return Err(Problem::because(problem::EVENTS_DIVERGED, message));
        }
        match (&self.mark, line(history, self.line).map_err(unread)?) {
            (Some(mark), Some(line)) if *mark != mark_of(&line) => {
                let message = format!("line {} of the journal is another one than you have seen", self.line);
                Err(Problem::because(problem::EVENTS_DIVERGED, message))
            }
            // A line that is not kept any more cannot be compared.
            _ => Ok(self.line),
        }
    }
}

/// The id of a line.
pub(in crate::api) fn id_of(line: &JournalLine) -> String {
    format!("{}-{}", line.sequence, mark_of(line))
}

/// The id of the line with that number; the number alone, where the line is not kept any more.
pub(in crate::api) fn id_at(history: &dyn History, number: i64) -> Result<String, HistoryError> {
    Ok(line(history, number)?.map_or_else(|| number.to_string(), |line| id_of(&line)))
}

/// The line with that number.
fn line(history: &dyn History, number: i64) -> Result<Option<JournalLine>, HistoryError> {
    let found = history.journal(number - 1, 1)?.pop();
    Ok(found.filter(|line| line.sequence == number))
}

/// Digits of a mark: two journals that have parted say the same by one chance in 10^14.
const MARK_DIGITS: usize = 12;

/// What tells this line from every other of its number.
fn mark_of(line: &JournalLine) -> String {
    let about = line.payment.map(|id| id.to_string()).unwrap_or_default();
    let told = format!("{} {} {about}", line.sequence, line.at_ms);
    digest(&SHA256, told.as_bytes()).as_ref().iter().take(MARK_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// The store cannot be read: whole in the log, and for the till without the paths of files.
pub(in crate::api) fn unread(error: HistoryError) -> Problem {
    tracing::error!(%error, "the past could not be looked up");
    Problem::because(problem::STORE_FAILED, error.to_string())
}

/// Ask the past on a thread that may wait for the disk.
pub(in crate::api) async fn asked<T: Send + 'static>(
    history: &Arc<dyn History>,
    question: impl FnOnce(&dyn History) -> T + Send + 'static,
) -> Result<T, HistoryError> {
    let history = history.clone();
    let asked = tokio::task::spawn_blocking(move || question(&*history));
    asked.await.map_err(|error| HistoryError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::sale::PaymentId;

    fn line(sequence: i64, at_ms: i64, payment: u128) -> JournalLine {
        JournalLine { sequence, at_ms, payment: Some(PaymentId(uuid::Uuid::from_u128(payment))), fact: String::new() }
    }

    #[test]
    fn an_id_is_read_back_as_it_was_told_and_a_number_alone_is_one_too() {
        let id = id_of(&line(17, 5, 1));
        let read = Position::read(&id).unwrap();
        assert_eq!((read.line, read.mark), (17, Some(id.trim_start_matches("17-").to_owned())));
        assert_eq!(Position::read("0"), Some(Position { line: 0, mark: None }));
        for bad in ["", "-", "-1", "+1", "1.0", "a", "99999999999999999999", " 1", "1-", "1-22", "2026-11-22T00:00:00Z"]
        {
            assert_eq!(Position::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn another_line_of_the_same_number_has_another_id() {
        let seen = id_of(&line(17, 5, 1));
        assert_eq!(seen, id_of(&line(17, 5, 1)));
        assert_ne!(seen, id_of(&line(17, 5, 2)));
        assert_ne!(seen, id_of(&line(17, 6, 1)));
        assert_ne!(seen, id_of(&line(18, 5, 1)));
    }
}
