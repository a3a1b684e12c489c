//! `/api/v1/payment/*`: one door to every method of payment (seed 003). A payment is created, perhaps edited or cancelled, accepted, and then
//! retrieved until it has ended; which provider moves the money is nothing that a till has to know.
//!
//! A request that was taken is answered 200, under its own idempotency token for ever the same. Any other status is a [`Problem`], and then
//! nothing was changed. A till that hangs up changes nothing either: it asks again.

mod answer;
pub(super) mod back;
pub(super) mod events;
pub(super) mod list;
mod query;
pub(super) mod receipt;
mod request;
pub(super) mod wait;

use axum::extract::State;
use axum::http::Uri;
use axum::routing::{get, post};
use axum::{Extension, Router};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use super::envelope::Written;
use super::fair::Turn;
use super::gateway;
use super::problem::{self, Problem, denied, panicked, unexpected};
use super::sbp::{Id, Knock};
use super::{Api, Room};
use crate::driver::Ticket;
use crate::limits;
use crate::payment::event::{Denial, Event, Reply};
use crate::payment::order::{Ask, Asked};
use crate::payment::sale::{Payment, PaymentId};
use answer::{Created, Retrieved, Taken};
use query::Query;
use request::{AcceptRequest, CancelRequest, CreateRequest, EditRequest};
use wait::wait_ms;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/payment", get(list::list))
        .route("/api/v1/payment/create", post(create))
        .route("/api/v1/payment/{id}/retrieve", get(retrieve))
        .route("/api/v1/payment/{id}/retrieve/status", get(wait::status))
        .route("/api/v1/payment/{id}/edit", post(edit))
        .route("/api/v1/payment/{id}/cancel", post(cancel))
        .route("/api/v1/payment/{id}/accept", post(accept))
        .route("/api/v1/payment/{id}/receipt", get(receipt::receipt).post(receipt::bring_receipt))
        .route("/api/v1/payment/{id}/refund", get(back::refunds).post(back::give_back))
        .layer(CatchPanicLayer::custom(panicked))
}

/// Make a payment known. Nobody is asked for money before it is accepted.
///
/// The same token with the same body finds the first payment, also after a restart. A payment that is not accepted within a quarter of an
/// hour is cancelled by itself.
#[utoipa::path(
    post, path = "/api/v1/payment/create", operation_id = "createPayment", tag = "payment", request_body = CreateRequest,
    responses((status = 200, description = "It is known", body = Created),
        (status = "4XX", description = "Nothing was created", body = Problem),
        (status = "5XX", description = "Nothing was created", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn create(State(api): State<Api>, knock: Knock) -> Result<Written, Problem> {
    let wish = CreateRequest::read(&knock.body, &api.settings)?;
    let event = Event::Create(Box::new(wish.event(knock.till())));
    match ask(&api, event).await?.first {
        Reply::Payment(payment) => Ok(Written::of(200, &Created { transaction_id: payment.id })),
        other => Err(unexpected(&other)),
    }
}

/// The payment as it stands.
#[utoipa::path(
    get, path = "/api/v1/payment/{id}/retrieve", operation_id = "retrievePayment", tag = "payment", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "The payment as it stands", body = Retrieved),
        (status = "4XX", description = "There is no such payment", body = Problem),
        (status = "5XX", description = "The store cannot be read", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn retrieve(State(api): State<Api>, id: Id) -> Result<Written, Problem> {
    let payment = known(&api, id).await?;
    Ok(Written::of(200, &Retrieved { payment: answer::payment(&api, &payment) }))
}

/// Change the amount or the method of a payment that is not accepted yet.
#[utoipa::path(
    post, path = "/api/v1/payment/{id}/edit", operation_id = "editPayment", tag = "payment", params(("id" = String, Path, description = "transaction_id")),
    request_body = EditRequest,
    responses((status = 200, description = "It was edited", body = Taken),
        (status = "4XX", description = "Nothing was changed", body = Problem),
        (status = "5XX", description = "Nothing was changed", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn edit(State(api): State<Api>, id: Id, knock: Knock) -> Result<Written, Problem> {
    let id = named(id)?;
    let (token, terms) = EditRequest::read(&knock.body, &api.settings)?.asked(knock.till(), id);
    asked(&api, Ask { payment: id, token, what: Asked::Edit(terms) }).await?;
    Ok(Written::of(200, &answer::edited(id)))
}

/// Call a payment off, before the bank is at work.
///
/// An SBP code that was shown cannot be withdrawn: it is shown no more and watched on. Money that still comes makes the payment `paid`, `late`.
#[utoipa::path(
    post, path = "/api/v1/payment/{id}/cancel", operation_id = "cancelPayment", tag = "payment", params(("id" = String, Path, description = "transaction_id")),
    request_body = CancelRequest,
    responses((status = 200, description = "It was called off", body = Taken),
        (status = "4XX", description = "Nothing was changed", body = Problem),
        (status = "5XX", description = "Nothing was changed", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn cancel(State(api): State<Api>, id: Id, knock: Knock) -> Result<Written, Problem> {
    let id = named(id)?;
    let (token, reason) = CancelRequest::read(&knock.body)?.asked(knock.till(), id);
    let ticket = asked(&api, Ask { payment: id, token, what: Asked::Cancel { reason } }).await?;
    match &ticket.first {
        Reply::Payment(payment) => Ok(Written::of(200, &answer::cancelled(payment))),
        other => Err(unexpected(other)),
    }
}

/// Take the money of a created payment.
///
/// With `qr_code` the provider is asked at once. Without it the terminal waits: for a card at the PinPad, for a code at the scanner, for both
/// (`auto`), or it shows the SBP code. Answers at once with the payment as it stands; with `wait` when it has ended or is in doubt, or for SBP
/// when its code is there, after so many seconds at the latest.
#[utoipa::path(
    post, path = "/api/v1/payment/{id}/accept", operation_id = "acceptPayment", tag = "payment",
    params(("id" = String, Path, description = "transaction_id"),
        ("wait" = Option<u64>, Query, minimum = 0, maximum = 60, description = "How long to wait for its end, seconds; 0 if left out")),
    request_body = AcceptRequest,
    responses((status = 200, description = "It was accepted", body = Taken),
        (status = "4XX", description = "Nothing was started", body = Problem),
        (status = "5XX", description = "Nothing was started", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn accept(
    State(api): State<Api>,
    Extension(turn): Extension<Turn>,
    id: Id,
    uri: Uri,
    knock: Knock,
) -> Result<Written, Problem> {
    let id = named(id)?;
    let wait_ms = wait_ms(&Query::read(&uri)?)?;
    let (token, accept) = AcceptRequest::read(&knock.body)?.asked(knock.till(), id);
    let what = Asked::Accept(accept);
    let ticket = asked(&api, Ask { payment: id, token, what }).await?;
    match within(ticket, wait_ms, &turn).await {
        Reply::Payment(payment) => Ok(Written::of(200, &answer::accepted(&api, &payment))),
        other => Err(unexpected(&other)),
    }
}

/// Ask the driver about a payment that may be new.
async fn ask(api: &Room, event: Event) -> Result<Ticket, Problem> {
    let asked = api.driver.ask(event).await.map_err(|denial| denied(&denial));
    asked.inspect(gateway::begun)
}

/// The same of a payment's own operations: what its status forbids is 400 there, and a payment that nobody knows is told in the words of
/// seed 003.
async fn asked(api: &Room, wish: Ask) -> Result<Ticket, Problem> {
    let id = wish.payment;
    let asked = api.driver.ask(Event::Ask(Box::new(wish))).await;
    asked.inspect(gateway::begun).map_err(|denial| {
        let told = denied(&denial);
        match &denial {
            Denial::NotFound { .. } => Problem::no_payment(&id.to_string()),
            Denial::WrongState { payment, state, .. } => {
                Problem::because(problem::INVALID_STATUS, denial.to_string()).about(*payment).in_state(state)
            }
            _ => told,
        }
    })
}

/// What became of it within a time, or how it stood at first.
///
/// What was asked for is begun, and the request only waits from here on. Where its till has no place left for that, it goes on as one at work:
/// what was begun cannot be refused any more.
async fn within(ticket: Ticket, wait_ms: u64, turn: &Turn) -> Reply {
    let first = ticket.first.clone();
    if wait_ms == 0 {
        return first;
    }
    let _place = turn.wait();
    // The daemon's end while it waits changes nothing about what was begun.
    tokio::time::timeout(limits::wait(wait_ms), ticket.settled()).await.ok().and_then(Result::ok).unwrap_or(first)
}

/// The name in the path.
fn named(id: Id) -> Result<PaymentId, Problem> {
    let text = id.map(|path| path.0).unwrap_or_default();
    Uuid::try_parse(&text).map(PaymentId).map_err(|_| Problem::no_payment(&text))
}

/// The payment of that name, whatever its method and whichever door it came through.
async fn known(api: &Room, id: Id) -> Result<Arc<Payment>, Problem> {
    let id = named(id)?;
    match gateway::find(api, id).await {
        Ok(Some(payment)) => Ok(payment),
        Ok(None) => Err(Problem::no_payment(&id.to_string())),
        Err(why) => Err(Problem::because(problem::STORE_FAILED, why)),
    }
}
