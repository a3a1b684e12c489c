//! The newest lines of the journal, read and written out once for everybody who follows it. However many do, a picture of the terminal costs one
//! look at the store; whoever is further behind reads for himself.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::position::asked;
use super::told::Told;
use crate::api::Room;
use crate::history::{History, HistoryError};
use crate::limits;

/// The end of the journal. One for the whole house.
#[derive(Debug, Default)]
pub(in crate::api) struct Tail(Mutex<Newest>);

#[derive(Debug, Default)]
struct Newest {
    /// The picture that the journal was read after to its end.
    picture: Option<u64>,
    /// The last line that was read; nothing, before the first look.
    last: Option<i64>,
    /// Without a gap up to `last`.
    events: VecDeque<Told>,
}

impl Newest {
    /// Take in what was written since the last look. One reads at a time; the others wait for him and find it done.
    async fn refresh(&mut self, api: &Room) -> Result<(), HistoryError> {
        // The picture before the lines: what is committed after it has a picture of its own.
        let picture = api.driver.snapshot().sequence;
        while self.picture != Some(picture) {
            let Some(last) = self.last else {
                self.last = Some(asked(&api.history, |history| history.journal_ends()).await??.last);
                self.picture = Some(picture);
                break;
            };
            let page = page(&api.history, last).await?;
            if page.len() < limits::EVENTS_PAGE_LEN {
                self.picture = Some(picture);
            }
            self.last = page.last().map_or(self.last, |told| Some(told.line));
            self.events.extend(page);
            let too_many = self.events.len().saturating_sub(limits::EVENTS_KEPT);
            self.events.drain(..too_many);
        }
        Ok(())
    }

    /// The events after a line; nothing, where they are not all here.
    fn after(&self, line: i64) -> Option<Vec<Told>> {
        let before_first = self.events.front().map_or(self.last?, |first| first.line - 1);
        let behind = usize::try_from(line - before_first).ok()?;
        Some(self.events.iter().skip(behind).take(limits::EVENTS_PAGE_LEN).cloned().collect())
    }
}

impl Tail {
    /// The last line of the journal.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(in crate::api) async fn last(&self, api: &Room) -> Result<i64, HistoryError> {
        let mut newest = self.0.lock().await;
        newest.refresh(api).await?;
        Ok(newest.last.unwrap_or_default())
    }

    /// The next events after a line, at most [`limits::EVENTS_PAGE_LEN`] of them; none, where it is the last one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(in crate::api) async fn after(&self, api: &Room, line: i64) -> Result<Vec<Told>, HistoryError> {
        {
            let mut newest = self.0.lock().await;
            newest.refresh(api).await?;
            if let Some(events) = newest.after(line) {
                return Ok(events);
            }
        }
        page(&api.history, line).await
    }
}

/// The next lines, written out.
async fn page(history: &Arc<dyn History>, after: i64) -> Result<Vec<Told>, HistoryError> {
    let limit = u32::try_from(limits::EVENTS_PAGE_LEN).unwrap_or(u32::MAX);
    let read = move |history: &dyn History| -> Result<Vec<Told>, HistoryError> {
        history.journal(after, limit)?.iter().map(|line| Told::of(line, history)).collect()
    };
    asked(history, read).await?
}
