//! `GET /api/v1/events`: the journal as it is written, as Server-Sent Events. Each line is one event; whoever comes back with the id of the last
//! one goes on after it, over restarts of either side, and misses and repeats none.
//!
//! Nothing waits here for a till: lines are read from the journal when its connection can take them, so that a slow one costs no memory. One that
//! takes nothing is told so and sent away ([`Follower`]), and cut where it does not hear that either.

mod follower;
pub(in crate::api) mod position;
mod tail;
mod told;

pub(in crate::api) use tail::Tail;
pub(in crate::api) use told::{JournalEvent, StreamedEvent};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};

use super::query::Query;
use crate::api::Api;
use crate::api::fair::Waiting;
use crate::api::guard::{self, Till};
use crate::api::json::FieldErrors;
use crate::api::patience::Pace;
use crate::api::problem::Problem;
use follower::{Follower, Whose};
use position::{Position, asked, id_at, unread};

/// Where a browser's `EventSource` and every library like it say what they have.
const LAST_EVENT_ID: &str = "last-event-id";

/// Follow the journal.
///
/// Server-Sent Events: `event` is `payment`, `refund`, `receipt`, `settlement`, `cash_link` or `terminal`, `data` the JSON described here, `id` opaque. With
/// `Last-Event-ID` (or `after`) it goes on after that event, without either it begins with the next line. `event: end` with a `reason`
/// (`shutting_down`, `token_revoked`, `store_failed`, `slow_reader`) and a `message` is the last one of a stream that the terminal ends; ask again with
/// the last id. A comment every few seconds shows that the line is alive.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "followEvents", tag = "payment",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was taken in"),
        ("after" = Option<String>, Query, description = "The same for programs that cannot set a header; 0 = from the first line that is kept")),
    responses((status = 200, description = "Events, without an end", body = StreamedEvent, content_type = "text/event-stream"),
        (status = "4XX", description = "There is nothing to go on with after that event", body = Problem),
        (status = "5XX", description = "The store cannot be read, or too many follow already", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn events(
    State(api): State<Api>,
    Extension(till): Extension<Till>,
    Extension(pace): Extension<Pace>,
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
    let whose = Whose { till, token: guard::token(&headers).map(str::to_owned), pace };
    let follower = Follower::new(api, waiting, whose, after, here).await;
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
