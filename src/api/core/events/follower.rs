//! One till that follows the journal: what it is told next, and why it is told nothing more.

use std::sync::Arc;

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use super::told::Told;
use crate::api::Api;
use crate::api::fair::Waiting;
use crate::api::guard::Till;
use crate::api::patience::{Pace, Takes};
use crate::config::Bearer;
use crate::limits;
use crate::snapshot::Snapshot;

/// A stream of events as it is sent, piece by piece. Its till reads as fast as it likes, and nothing is kept for it: the next piece is made when
/// its connection has room.
pub(super) struct Follower {
    api: Api,
    waiting: Waiting,
    whose: Whose,
    pictures: watch::Receiver<Arc<Snapshot>>,
    beat: Interval,
    /// The last line that was handed on.
    after: i64,
    next: Next,
}

/// Who follows, and by which connection.
pub(super) struct Whose {
    pub(super) till: Till,
    /// What it came with; nothing, where it asks from an address that needs none.
    pub(super) token: Option<String>,
    pub(super) pace: Pace,
}

/// What is said next.
enum Next {
    /// Where the stream begins, so that a till which loses it before the first event comes back to the right place.
    Begin(String),
    /// Whatever happens.
    News,
    /// Nothing more.
    Nothing,
}

/// Why the terminal ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    ShuttingDown,
    TokenRevoked,
    StoreFailed,
    SlowReader,
}

impl Follower {
    /// From after a line, which `here` is the id of.
    pub(super) async fn new(api: Api, waiting: Waiting, whose: Whose, after: i64, here: String) -> Self {
        let mut beat = tokio::time::interval(limits::wait(limits::EVENTS_HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        beat.tick().await;
        whose.pace.anew();
        let pictures = api.driver.pictures();
        Self { api, waiting, whose, pictures, beat, after, next: Next::Begin(here) }
    }

    /// The next bytes; nothing at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.next, Next::News) {
            Next::Begin(here) => Some(format!("retry: {}\nid: {here}\n\n", limits::EVENTS_RETRY_MS).into()),
            Next::News => Some(self.news().await),
            Next::Nothing => {
                self.next = Next::Nothing;
                None
            }
        }
    }

    async fn news(&mut self) -> Bytes {
        loop {
            // Before the lines are read: one that is written meanwhile brings another picture.
            self.pictures.borrow_and_update();
            let read = tokio::select! {
                biased;
                () = self.waiting.closed() => return self.end(End::ShuttingDown),
                () = self.whose.pace.slows() => return self.end(End::SlowReader),
                _ = self.beat.tick() => return self.beat(),
                read = self.api.tail.after(&self.api, self.after) => read,
            };
            match read {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return self.tell(&events),
                Err(error) => {
                    tracing::warn!(%error, "the journal cannot be read for a till that follows it");
                    return self.end(End::StoreFailed);
                }
            }
            tokio::select! {
                biased;
                () = self.waiting.closed() => return self.end(End::ShuttingDown),
                () = self.whose.pace.slows() => return self.end(End::SlowReader),
                _ = self.beat.tick() => return self.beat(),
                changed = self.pictures.changed() => if changed.is_err() { return self.end(End::ShuttingDown) },
            }
        }
    }

    fn tell(&mut self, events: &[Told]) -> Bytes {
        self.after = events.last().map_or(self.after, |last| last.line);
        events.iter().flat_map(|told| told.text.iter().copied()).collect()
    }

    /// A sign of life. A till whose token was withdrawn meanwhile gets none.
    fn beat(&mut self) -> Bytes {
        let Whose { till, token, .. } = &self.whose;
        let known = match token {
            // Tokens that cannot be read are not withdrawn.
            Some(token) => match (self.api.settings.bearer_of)(token) {
                Bearer::Till(name) => name == till.0,
                Bearer::Nobody => false,
                Bearer::Unknown => true,
            },
            None => true,
        };
        if known { Bytes::from_static(b":\n\n") } else { self.end(End::TokenRevoked) }
    }

    /// The last words. A reader that was slow finds them behind the events that it has not taken yet, if it reads on before its connection is cut.
    fn end(&mut self, why: End) -> Bytes {
        self.next = Next::Nothing;
        let (till, reason) = (&self.whose.till.0, why.reason());
        match why {
            End::ShuttingDown => tracing::debug!(till, reason, "a stream of events is over"),
            _ => tracing::warn!(till, reason, "a till that follows the events is sent away"),
        }
        why.event().into()
    }
}

impl Drop for Follower {
    /// A stream that was ended without a word leaves one in the log at least.
    fn drop(&mut self) {
        if matches!(self.next, Next::Nothing) {
            return;
        }
        let till = &self.whose.till.0;
        match self.whose.pace.now() {
            Takes::Nothing => {
                tracing::warn!(
                    till,
                    reason = End::SlowReader.reason(),
                    "a till took none of its events, and was cut off"
                );
            }
            Takes::Lost => {
                tracing::warn!(
                    till,
                    reason = "connection_lost",
                    "a till that followed the events is not there any more"
                );
            }
            // It hung up.
            Takes::InTime | Takes::Slowly => {}
        }
    }
}

impl End {
    /// As tills know it.
    fn reason(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::TokenRevoked => "token_revoked",
            Self::StoreFailed => "store_failed",
            Self::SlowReader => "slow_reader",
        }
    }

    /// What somebody who follows is to do.
    fn message(self) -> String {
        match self {
            Self::ShuttingDown => "The terminal stops; come back with Last-Event-ID when it runs again.".to_owned(),
            Self::TokenRevoked => "No till has this token any more; ask with one that is known.".to_owned(),
            Self::StoreFailed => "The journal cannot be read; come back with Last-Event-ID.".to_owned(),
            Self::SlowReader => format!(
                "What was sent was left untaken for {} seconds. Nothing is lost: come back with Last-Event-ID, and read what comes at once.",
                limits::HTTP_SLOW_MS / 1_000
            ),
        }
    }

    /// As it is sent.
    fn event(self) -> String {
        #[derive(Serialize)]
        struct Data {
            reason: &'static str,
            message: String,
        }
        let data = serde_json::to_string(&Data { reason: self.reason(), message: self.message() });
        // Text alone: it is always written out.
        format!("event: end\ndata: {}\n\n", data.unwrap_or_default())
    }
}
