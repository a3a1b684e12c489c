//! `GET /api/v1/payment/{id}/retrieve/status`, at once or when it has changed: for tills that cannot follow events.
//!
//! A picture of the terminal wakes everybody who waits here, but only the first of them looks at the store, and only for the lines that are new
//! ([`Tail`](super::events::Tail)): the others see from those whether their payment moved.

use axum::extract::{FromRequestParts as _, Request, State};

use super::answer::{PaymentStatus, Status};
use super::events::position::{asked, unread};
use super::query::Query;
use super::{known, named};
use crate::api::envelope::Written;
use crate::api::fair::Waiting;
use crate::api::json::FieldErrors;
use crate::api::problem::Problem;
use crate::api::sbp::Id;
use crate::api::{Api, Room};
use crate::limits;
use crate::payment::sale::{PaymentId, State as Stands};

/// Where the payment stands.
///
/// With `wait` it is told when it changes, or after so many seconds as it stands then. It is told at once where it differs from `seen`; without `seen`,
/// where it is final or in doubt.
#[utoipa::path(
    get, path = "/api/v1/payment/{id}/retrieve/status", operation_id = "retrievePaymentStatus", tag = "payment",
    params(("id" = String, Path, description = "transaction_id"),
        ("wait" = Option<u64>, Query, minimum = 0, maximum = 60, description = "How long to wait for a change, seconds; 0 if left out"),
        ("seen" = Option<PaymentStatus>, Query, description = "The status that is known already")),
    responses((status = 200, description = "Where it stands", body = Status),
        (status = "4XX", description = "There is no such payment", body = Problem),
        (status = "5XX", description = "The store cannot be read, or too many wait already", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn status(State(api): State<Api>, id: Id, request: Request) -> Result<Written, Problem> {
    let query = Query::read(request.uri())?;
    let wait_ms = wait_ms(&query)?;
    let seen = query.get("seen").map(|text| status_in("seen", text)).transpose()?;
    if wait_ms == 0 {
        let payment = known(&api, id).await?;
        return Ok(Written::of(200, &Status { payment_status: payment.state.name() }));
    }
    let id = named(id)?;
    let waiting = Waiting::from_request_parts(&mut request.into_parts().0, &api).await?;
    let payment_status = changed(&api, id, seen, wait_ms, &waiting).await?;
    Ok(Written::of(200, &Status { payment_status }))
}

/// `wait` of a query: whole seconds.
pub(super) fn wait_ms(query: &Query) -> Result<u64, FieldErrors> {
    let Some(text) = query.get("wait") else { return Ok(0) };
    let most = limits::LONG_POLL_MAX_MS / 1_000;
    let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds <= most);
    let seconds = seconds.ok_or_else(|| FieldErrors::of("wait", format!("Send whole seconds, 0 to {most}.")))?;
    Ok(seconds * 1_000)
}

/// A status by its name, in the parameter `named` of a query.
pub(super) fn status_in(named: &str, text: &str) -> Result<&'static str, FieldErrors> {
    let known = Stands::NAMES.into_iter().find(|name| *name == text);
    known.ok_or_else(|| FieldErrors::of(named, format!("One of {}.", Stands::NAMES.join(", "))))
}

/// Where the payment stands once that is not what was `seen`, or what it is now; as it is, when the time is over or the terminal stops.
///
/// The store is asked and not the picture: what is told of a line has to be as new as the line.
async fn changed(
    api: &Room,
    id: PaymentId,
    seen: Option<&'static str>,
    wait_ms: u64,
    waiting: &Waiting,
) -> Result<&'static str, Problem> {
    let mut pictures = api.driver.pictures();
    // Before the payment is looked at: what moves it meanwhile comes after this line.
    let mut line = api.tail.last(api).await.map_err(unread)?;
    let now = stored(api, id).await?;
    let first = seen.unwrap_or(now.name());
    if now.name() != first || seen.is_none() && !now.is_in_progress() {
        return Ok(now.name());
    }
    let mut over = std::pin::pin!(tokio::time::sleep(limits::wait(wait_ms)));
    loop {
        pictures.borrow_and_update();
        let events = api.tail.after(api, line).await.map_err(unread)?;
        let moved = events.iter().rev().filter_map(|event| event.moved).find(|(payment, _)| *payment == id);
        if let Some((_, state)) = moved.filter(|(_, state)| *state != first) {
            return Ok(state);
        }
        if let Some(last) = events.last() {
            line = last.line;
            continue;
        }
        let goes_on = tokio::select! {
            biased;
            () = waiting.closed() => false,
            () = &mut over => false,
            changed = pictures.changed() => changed.is_ok(),
        };
        if !goes_on {
            return Ok(stored(api, id).await?.name());
        }
    }
}

/// Where the payment stands by the store.
async fn stored(api: &Room, id: PaymentId) -> Result<Stands, Problem> {
    let found = asked(&api.history, move |history| history.payment(id)).await.map_err(unread)?.map_err(unread)?;
    found.map(|payment| payment.state).ok_or_else(|| Problem::no_payment(&id.to_string()))
}
