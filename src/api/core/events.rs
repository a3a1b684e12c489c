//! `GET /api/v1/events`: the journal as it is written, as Server-Sent Events. Each line is one event; whoever comes back with the id of the last
//! one goes on after it, over restarts of either side, and misses and repeats none.
//!
//! Nothing waits here for a till: lines are read from the journal when its connection can take them, so that a slow one costs no memory, and one
//! that takes nothing is closed by the server ([`limits::HTTP_WRITE_TIMEOUT_MS`]).

pub(in crate::api) mod position;
mod tail;
mod told;

pub(in crate::api) use tail::Tail;
pub(super) use told::JournalEvent;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use super::query::Query;
use crate::api::Api;
use crate::api::fair::Waiting;
use crate::api::guard::{self, Till};
use crate::api::json::FieldErrors;
use crate::api::problem::Problem;
use crate::limits;
use crate::snapshot::Snapshot;
use position::{Position, asked, id_at, unread};
use told::Told;

/// Where a browser's `EventSource` and every library like it say what they have.
const LAST_EVENT_ID: &str = "last-event-id";

/// Follow the journal.
///
/// Server-Sent Events: `event` is `payment`, `refund`, `receipt`, `settlement`, `cash_link` or `terminal`, `data` the JSON described here, `id` opaque. With
/// `Last-Event-ID` (or `after`) it goes on after that event, without either it begins with the next line. `event: end` with a `reason` is the last
/// one of a stream that the terminal ends; ask again with the last id. A comment every few seconds shows that the line is alive.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "followEvents", tag = "payment",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was taken in"),
        ("after" = Option<String>, Query, description = "The same for programs that cannot set a header; 0 = from the first line that is kept")),
    responses((status = 200, description = "Events, without an end", body = JournalEvent, content_type = "text/event-stream"),
        (status = "4XX", description = "There is nothing to go on with after that event", body = Problem),
        (status = "5XX", description = "The store cannot be read, or too many follow already", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn events(
    State(api): State<Api>,
    Extension(till): Extension<Till>,
    uri: Uri,
    headers: HeaderMap,
    waiting: Waiting,
) -> Result<Response, Problem> {
    let query = Query::read(&uri)?;
    // A browser that comes back sends both: the address that it began with, and what it has seen since.
    let named = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default()).or(query.get("after"));
    let position = named.map(|text| Position::read(text).ok_or_else(|| no_position(text))).transpose()?;
    let after = match position {
        Some(position) => asked(&api.history, move |history| position.resume(history)).await.map_err(unread)??,
        None => api.tail.last(&api).await.map_err(unread)?,
    };
    let here = asked(&api.history, move |history| id_at(history, after)).await.map_err(unread)?.map_err(unread)?;
    let mut beat = tokio::time::interval(limits::wait(limits::EVENTS_HEARTBEAT_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    beat.tick().await;
    let token = guard::token(&headers).map(str::to_owned);
    let pictures = api.driver.pictures();
    let follower = Follower { api, waiting, till, token, pictures, beat, after, next: Next::Begin(here) };
    let events = futures_util::stream::unfold(follower, |mut follower| async {
        let bytes = follower.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), follower))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(events)).into_response())
}

fn no_position(text: &str) -> Problem {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    FieldErrors::of("after", format!("{shown:?} is no id of an event.")).into()
}

/// One till that follows the journal.
struct Follower {
    api: Api,
    waiting: Waiting,
    till: Till,
    /// What it came with; nothing, where it asks from an address that needs none.
    token: Option<String>,
    pictures: watch::Receiver<Arc<Snapshot>>,
    beat: Interval,
    /// The last line that was handed on.
    after: i64,
    next: Next,
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

impl Follower {
    /// The next bytes; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
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
                () = self.waiting.closed() => return self.end("shutting_down"),
                _ = self.beat.tick() => return self.beat(),
                read = self.api.tail.after(&self.api, self.after) => read,
            };
            match read {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return self.tell(&events),
                Err(error) => {
                    tracing::warn!(%error, "a till that follows the journal is sent away");
                    return self.end("store_failed");
                }
            }
            tokio::select! {
                biased;
                () = self.waiting.closed() => return self.end("shutting_down"),
                _ = self.beat.tick() => return self.beat(),
                changed = self.pictures.changed() => if changed.is_err() { return self.end("shutting_down") },
            }
        }
    }

    fn tell(&mut self, events: &[Told]) -> Bytes {
        self.after = events.last().map_or(self.after, |last| last.line);
        events.iter().flat_map(|told| told.text.iter().copied()).collect()
    }

    /// A sign of life. A till whose token was withdrawn meanwhile gets none.
    fn beat(&mut self) -> Bytes {
        let known = match &self.token {
            Some(token) => (self.api.settings.till_of)(token).as_ref() == Some(&self.till.0),
            None => true,
        };
        if known { Bytes::from_static(b":\n\n") } else { self.end("token_revoked") }
    }

    fn end(&mut self, reason: &str) -> Bytes {
        self.next = Next::Nothing;
        format!("event: end\ndata: {{\"reason\":\"{reason}\"}}\n\n").into()
    }
}
