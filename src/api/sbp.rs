//! `/api/v1/sbp/*`: what of seed 004 a till uses. Sales by a code that the terminal shows, their receipts and refunds, cash links, and
//! questions that change nothing.
//!
//! A request that was taken is answered 200 with the sale (receipt, refund, link) as it stands, and its state says how it goes, `error`
//! why not well. Any other status is a `Problem`, and then nothing was begun. Nobody asks here without a token, on loopback neither.

mod answer;
mod questions;
pub(super) mod receipt;
mod request;

pub(super) use answer::refund_warnings;
pub use questions::{Asked, Card, Loyal, Product, Products, QuestionError, Questions};
pub(super) use receipt::{AtolDocument, OfdRuDocument, read_document};
pub(super) use request::{meant, token, token_of};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use super::crowd::{Busy, Seat};
use super::envelope::{Refusal, Written};
use super::gateway::{self, Waiter};
use super::guard::{self, Till};
use super::json::{FieldErrors, Fields};
use super::problem::{self, Problem, denied, denied_in_kopecks, denied_of, panicked, unexpected};
use super::{Api, Room};
use crate::limits;
use crate::payment::event::{Denial, Event, Reply};
use crate::payment::sale::{Method, Payment, PaymentId, State as Stands};
use crate::payment::sbp::{CashLink, LinkState, Sbp};
use answer::{LinkAnswer, LoyalAnswer, ProductsAnswer, RefundTold, RefundsAnswer, SaleAnswer};
use request::{LinkRequest, RefundRequest, SaleRequest, SearchRequest};

/// Where this door is.
const ROOT: &str = "/api/v1/";

/// What this door has to be told of a QR terminal.
#[derive(Clone, Copy, Debug)]
pub struct SbpProfile {
    /// How its links are handed to tills: as they are, or leading to the page where the payer chooses the bank.
    pub link: fn(&str) -> String,
    /// A basket whose lines do not add up to the sum is refused, not only warned of.
    pub strict_nomenclature: bool,
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/sbp/sale", post(sell))
        .route("/api/v1/sbp/sale/{id}", get(sale))
        .route("/api/v1/sbp/sale/{id}/cancel", post(cancel))
        .route("/api/v1/sbp/sale/{id}/receipt", get(receipt::receipt).post(receipt::bring_receipt))
        .route("/api/v1/sbp/sale/{id}/refund", get(refunds).post(give_back))
        .route("/api/v1/sbp/products", get(products))
        .route("/api/v1/sbp/loyalty/search", post(search))
        .route("/api/v1/sbp/cash-link", get(cash_link).post(register_cash_link))
        .layer(CatchPanicLayer::custom(panicked))
}

/// Whether a path is behind this door.
pub(super) fn is_here(path: &str) -> bool {
    path.starts_with(ROOT)
}

/// A refusal in the shape of the door that was knocked at.
pub(super) fn refused(path: &str, refusal: Refusal) -> Response {
    if is_here(path) { Problem::from(refusal).into_response() } else { refusal.into_response() }
}

/// A request that passed the guard: who asks, and the whole body.
pub(super) struct Knock {
    till: String,
    pub(super) body: Bytes,
    /// The connection is at work until the answer is there.
    _busy: Option<Busy>,
}

impl Knock {
    /// Who asks.
    pub(super) fn till(&self) -> &str {
        &self.till
    }
}

impl FromRequest<Api> for Knock {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Problem> {
        let till = request.extensions().get::<Till>().map(|till| till.0.clone()).unwrap_or_default();
        let seat = request.extensions().get::<Arc<Seat>>().cloned();
        let body = guard::whole_body(request.into_body()).await?;
        Ok(Self { till, body, _busy: seat.map(|seat| seat.begin()) })
    }
}

/// A path's `{id}`, as it was sent.
pub(super) type Id = Result<Path<String>, PathRejection>;

/// Sell by a code that the terminal shows, or at the profile's cash link.
///
/// Answers as soon as the code is there, or is known never to be; that it was paid is learnt from `GET /api/v1/sbp/sale/{id}`. The same
/// token with the same body finds the first sale, as it stands then. A till that hangs up before the code is there calls the sale off.
#[utoipa::path(
    post, path = "/api/v1/sbp/sale", operation_id = "createSbpSale", tag = "sbp", request_body = SaleRequest,
    responses((status = 200, description = "The sale as it stands", body = SaleAnswer),
        (status = "4XX", description = "Nothing was begun", body = Problem),
        (status = "5XX", description = "Nothing was begun", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn sell(State(api): State<Api>, knock: Knock) -> Result<Written, Problem> {
    let wish = SaleRequest::read(&knock.body, set_up(&api)?)?;
    let (fresh, event) = wish.event(&knock.till);
    let mut waiter = Waiter::of(fresh, &api.driver);
    let asked = api.driver.ask(event).await;
    if let Ok(ticket) = &asked
        && let Reply::Payment(payment) = &ticket.first
    {
        gateway::begun(ticket);
        waiter.waits_for(payment.id);
    }
    let ended = match asked {
        Ok(ticket) => {
            let first = ticket.first.clone();
            // The daemon's end while it waits changes nothing about what was begun.
            Ok(ticket.settled().await.unwrap_or(first))
        }
        Err(denial) => Err(denial),
    };
    waiter.answered();
    match ended.map_err(|denial| denied(&denial))? {
        Reply::Payment(payment) => told(&api, &payment),
        other => Err(unexpected(&other)),
    }
}

/// The sale as it stands.
#[utoipa::path(
    get, path = "/api/v1/sbp/sale/{id}", operation_id = "retrieveSbpSale", tag = "sbp", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "The sale as it stands", body = SaleAnswer),
        (status = "4XX", description = "There is no such sale", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn sale(State(api): State<Api>, id: Id) -> Result<Written, Problem> {
    told(&api, &*known(&api, id).await?)
}

/// Call a sale off.
///
/// Its code cannot be withdrawn (seed 004 §4): it is shown no more and watched on. Money that still comes makes the sale `paid`, `late`.
#[utoipa::path(
    post, path = "/api/v1/sbp/sale/{id}/cancel", operation_id = "cancelSbpSale", tag = "sbp", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "The sale, called off", body = SaleAnswer),
        (status = "4XX", description = "It has ended otherwise, or nobody knows how", body = Problem),
        (status = "5XX", description = "Nothing was changed", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn cancel(State(api): State<Api>, id: Id, knock: Knock) -> Result<Written, Problem> {
    if !knock.body.is_empty() {
        Fields::read(&knock.body)?;
    }
    let payment = known(&api, id).await?;
    let event = Event::Cancel { payment: Some(payment.id), operator: false };
    match gateway::asked_and_given_a_moment(&api, event).await.map_err(denied_of(&payment))? {
        Reply::Payment(payment) => told(&api, &payment),
        other => Err(unexpected(&other)),
    }
}

/// The refunds of a sale.
#[utoipa::path(
    get, path = "/api/v1/sbp/sale/{id}/refund", operation_id = "listSbpRefunds", tag = "sbp", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "All of its refunds, oldest first", body = RefundsAnswer),
        (status = "4XX", description = "There is no such sale", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn refunds(State(api): State<Api>, id: Id) -> Result<Written, Problem> {
    Ok(Written::of(200, &answer::refunds(&*known(&api, id).await?)))
}

/// Give money back, the whole sale or a part of it; several parts never more than was paid.
///
/// Answers as soon as QRManager took the request, refused it, or its answer was lost. A refund in doubt is asked about, never sent again.
#[utoipa::path(
    post, path = "/api/v1/sbp/sale/{id}/refund", operation_id = "refundSbpSale", tag = "sbp", params(("id" = String, Path, description = "transaction_id")),
    request_body = RefundRequest,
    responses((status = 200, description = "The refund as it stands", body = RefundTold),
        (status = "4XX", description = "Nothing was begun", body = Problem),
        (status = "5XX", description = "Nothing was begun", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn give_back(State(api): State<Api>, id: Id, knock: Knock) -> Result<Written, Problem> {
    let wish = RefundRequest::read(&knock.body)?;
    let payment = known(&api, id).await?;
    let ticket = api.driver.ask(wish.event(&knock.till, &payment)).await.map_err(denied_in_kopecks(&payment))?;
    gateway::begun(&ticket);
    let first = ticket.first.clone();
    match ticket.settled().await.unwrap_or(first) {
        Reply::Refund(payment, id) => match answer::one_refund(&payment, id) {
            Some(told) => Ok(Written::of(200, &told)),
            None => Err(unexpected(&Reply::Refund(payment.clone(), id))),
        },
        other => Err(unexpected(&other)),
    }
}

/// The products of a QR terminal, to build a sale's `nomenclature` from; the last known ones while QRManager does not answer.
#[utoipa::path(
    get, path = "/api/v1/sbp/products", operation_id = "listSbpProducts", tag = "sbp",
    params(("profile" = Option<String>, Query, description = "The QR terminal; may be left out where there is one, or one is called main")),
    responses((status = 200, description = "What is sold", body = ProductsAnswer),
        (status = "4XX", description = "There is no such QR terminal", body = Problem),
        (status = "5XX", description = "QRManager gave no list", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn products(State(api): State<Api>, uri: Uri) -> Result<Written, Problem> {
    let profile = profile_of(&api, &uri)?;
    let known = questions(&api)?.products(&profile).await.map_err(|error| unanswered(&error))?;
    Ok(Written::of(200, &answer::products(profile, known)))
}

/// The loyalty card of a phone, and what it gives for a purchase.
#[utoipa::path(
    post, path = "/api/v1/sbp/loyalty/search", operation_id = "searchSbpLoyalty", tag = "sbp", request_body = SearchRequest,
    responses((status = 200, description = "What is known of the customer", body = LoyalAnswer),
        (status = "4XX", description = "Nothing was asked", body = Problem),
        (status = "5XX", description = "QRManager gave no answer", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn search(State(api): State<Api>, knock: Knock) -> Result<Written, Problem> {
    let wish = SearchRequest::read(&knock.body, set_up(&api)?)?;
    let sum = wish.sum();
    let found = questions(&api)?.search(&wish.profile, &wish.phone, sum).await.map_err(|error| unanswered(&error))?;
    Ok(Written::of(200, &answer::loyal(wish.profile, sum, found)))
}

/// Where the profile's cash link stands.
#[utoipa::path(
    get, path = "/api/v1/sbp/cash-link", operation_id = "retrieveSbpCashLink", tag = "sbp",
    params(("profile" = Option<String>, Query, description = "The QR terminal; may be left out where there is one, or one is called main")),
    responses((status = 200, description = "The link as it stands", body = LinkAnswer),
        (status = "4XX", description = "There is no such QR terminal", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn cash_link(State(api): State<Api>, uri: Uri) -> Result<Written, Problem> {
    let profile = profile_of(&api, &uri)?;
    let links = api.driver.snapshot().cash_links.clone();
    Ok(Written::of(200, &answer::link(&profile, links.get(&profile))))
}

/// Register the profile's cash link, once, ever; or name one that is registered already.
///
/// A link that is registered is answered as it stands. Of a lost answer nobody knows whether a link was made: a person looks it up in QRManager
/// and names it by `cash_qr_id` and `cash_qr_link`.
#[utoipa::path(
    post, path = "/api/v1/sbp/cash-link", operation_id = "registerSbpCashLink", tag = "sbp", request_body = Option<LinkRequest>,
    responses((status = 200, description = "The link as it stands", body = LinkAnswer),
        (status = "4XX", description = "Nothing was begun", body = Problem),
        (status = "5XX", description = "Nothing was begun", body = Problem)),
    security(("till" = []))
)]
pub(super) async fn register_cash_link(State(api): State<Api>, knock: Knock) -> Result<Written, Problem> {
    let wish = LinkRequest::read(&knock.body, set_up(&api)?)?;
    let profile = wish.profile.clone();
    api.driver.ask(wish.event()).await.map_err(|denial| denied(&denial))?;
    let link = registered(&api, &profile).await;
    Ok(Written::of(200, &answer::link(&profile, link.as_ref())))
}

/// The link once QRManager has answered about it, or as it is after [`limits::SBP_LINK_ANSWER_MS`].
async fn registered(api: &Room, profile: &str) -> Option<CashLink> {
    let mut pictures = api.driver.pictures();
    let answered = pictures.wait_for(|picture| {
        let link = picture.cash_links.get(profile);
        link.is_none_or(|link| link.state != LinkState::Registering)
    });
    // Whatever came of the wait is told below: a picture, or the end of the time for one.
    let _ = tokio::time::timeout(limits::wait(limits::SBP_LINK_ANSWER_MS), answered).await;
    api.driver.snapshot().cash_links.get(profile).cloned()
}

/// The QR terminals, of which there has to be one.
fn set_up(api: &Room) -> Result<&request::Profiles, Problem> {
    let profiles = &api.settings.sbp;
    if profiles.is_empty() {
        return Err(Problem::from(&Denial::NotConfigured { method: Method::Sbp }));
    }
    Ok(profiles)
}

/// The QR terminal that a query names, or means.
fn profile_of(api: &Room, uri: &Uri) -> Result<String, Problem> {
    let pairs = uri.query().unwrap_or_default().split('&');
    // Names of profiles have no characters that a query would write differently.
    let named = pairs.filter_map(|pair| pair.strip_prefix("profile=")).next();
    meant(named, set_up(api)?).map_err(|why| FieldErrors::of("profile", why).into())
}

fn questions(api: &Room) -> Result<&Arc<dyn Questions>, Problem> {
    api.settings.questions.as_ref().ok_or_else(|| Problem::from(&Denial::NotConfigured { method: Method::Sbp }))
}

fn unanswered(error: &QuestionError) -> Problem {
    let row = match error {
        QuestionError::NotSetUp(_) => problem::NOT_CONFIGURED,
        QuestionError::Refused(_) => problem::PROVIDER_ERROR,
        QuestionError::NoAnswer(_) => problem::NO_ANSWER,
    };
    Problem::because(row, error.to_string())
}

/// The SBP sale of that name. A payment of another method is none: what this door does to sales would mean something else there.
async fn known(api: &Room, id: Id) -> Result<Arc<Payment>, Problem> {
    let text = id.map(|Path(id)| id).unwrap_or_default();
    let id = Uuid::try_parse(&text).map_err(|_| Problem::no_sale(&text))?;
    match gateway::find(api, PaymentId(id)).await {
        Ok(Some(payment)) if payment.sbp.is_some() => Ok(payment),
        Ok(_) => Err(Problem::no_sale(&text)),
        Err(why) => Err(Problem::because(problem::STORE_FAILED, why)),
    }
}

fn sbp_of(payment: &Payment) -> Result<&Sbp, Problem> {
    payment.sbp.as_deref().ok_or_else(|| Problem::no_sale(&payment.id.to_string()))
}

fn told(api: &Room, payment: &Payment) -> Result<Written, Problem> {
    let sbp = sbp_of(payment)?;
    let link = api.settings.sbp_link(&sbp.ask.profile);
    let is_fresh = payment.state == Stands::AwaitingPayer && !api.driver.snapshot().stale_codes.contains(&payment.id);
    Ok(Written::of(200, &answer::sale(payment, sbp, link, is_fresh)))
}
