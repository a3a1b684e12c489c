//! `/payment/*`: the fiscal gateway's own endpoints (seeds 000–002) and two of ours, `cancel` and `{transaction_id}`.
//!
//! A handler translates the body into an event ([`request`]), asks the driver, waits for the end of what it asked about, and translates
//! that into an answer ([`answer`], [`xumo`]). It owns nothing: if the till hangs up, the handler is dropped, the driver is told, and
//! the till's repeat finds the payment.

mod answer;
mod request;
mod waiting;
mod xumo;

pub(super) use request::link_receipt;
pub(super) use waiting::{Kept, Waiter};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use uuid::Uuid;

use super::crowd::{Busy, Seat};
use super::envelope::{self, Envelope, Refusal, Written};
use super::guard::{self, Till};
use super::{Api, Room};
use crate::driver::Ticket;
use crate::limits;
use crate::log;
use crate::payment::event::{Denial, Event, Reply, Subject};
use crate::payment::money::Money;
use crate::payment::sale::{Method, Payment, PaymentId, Token};
use answer::{ClickConfirmData, PaymeConfirmData, SaleData, StatusData, Told};
use request::{Asker, CallOff, CardRequest, ClickConfirm, CodeSale, PaymeConfirm};
use xumo::{CardData, CloseData, XumoAnswer};

/// The header that names a request, so that its repeat finds the first one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/payment/click", post(click))
        .route("/payment/click_confirm", post(click_confirm))
        .route("/payment/payme", post(payme))
        .route("/payment/payme_confirm", post(payme_confirm))
        .route("/payment/xumo", post(xumo))
        .route("/payment/xumo_close", get(xumo_close_by_get).post(xumo_close))
        .route("/payment/cancel", post(cancel))
        .route("/payment/{transaction_id}", get(status))
}

/// A request that passed the guard: who asks, and the whole body.
pub(super) struct Asked {
    asker: Asker,
    body: axum::body::Bytes,
    /// The connection is at work until the answer is there.
    _busy: Option<Busy>,
}

impl FromRequest<Api> for Asked {
    type Rejection = Written;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Written> {
        let path = request.uri().path().to_owned();
        Self::of(request).await.map_err(|refusal| refused(&path, &refusal))
    }
}

impl Asked {
    async fn of(request: Request) -> Result<Self, Refusal> {
        let till = request.extensions().get::<Till>().map(|till| till.0.clone()).unwrap_or_default();
        let key = idempotency_key(request.headers())?;
        let seat = request.extensions().get::<Arc<Seat>>().cloned();
        let body = guard::whole_body(request.into_body()).await?;
        Ok(Self { asker: Asker { till, key }, body, _busy: seat.map(|seat| seat.begin()) })
    }
}

/// A refusal in the shape of the endpoint's other answers.
fn refused(path: &str, refusal: &Refusal) -> Written {
    if path.starts_with("/payment/xumo") { xumo::refused(None, refusal) } else { Written::refusal(refusal) }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| {
        (1..=limits::TOKEN_MAX_CHARS).contains(&key.len()) && headers.get_all(IDEMPOTENCY_KEY).iter().count() == 1
    });
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let most = limits::TOKEN_MAX_CHARS;
        let errors = super::json::FieldErrors::of(
            "Idempotency-Key",
            format!("Ensure this header stands once and has 1 to {most} printable ASCII characters."),
        );
        Refusal::from(&errors)
    })
}

/// Sell by a code of CLICK PASS: the one in the request, or the one that the customer shows to the scanner.
///
/// Answers when the sale has ended or is in doubt.
#[utoipa::path(
    post, path = "/payment/click", operation_id = "sellByClick", tag = "gateway",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
        description = "Names this request, so that its repeat finds the first one")), 
    request_body(content = CodeSale, example = json!({"amount": 500, "qr_code": "880101698207133392"})),
    responses((status = 200, description = "`is_success` says whether it is paid", body = Envelope<SaleData>))
)]
pub(super) async fn click(State(api): State<Api>, asked: Asked) -> Written {
    sell(&api, Method::Click, asked).await
}

/// Sell by a code of PAYME GO: the one in the request, or the one that the customer shows to the scanner.
///
/// Answers when the sale has ended or is in doubt.
#[utoipa::path(
    post, path = "/payment/payme", operation_id = "sellByPayme", tag = "gateway",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
        description = "Names this request, so that its repeat finds the first one")), 
    request_body(content = CodeSale, example = json!({"amount": 500, "qr_code": "50502044301381396427"})),
    responses((status = 200, description = "`is_success` says whether it is paid", body = Envelope<SaleData>))
)]
pub(super) async fn payme(State(api): State<Api>, asked: Asked) -> Written {
    sell(&api, Method::Payme, asked).await
}

async fn sell(api: &Room, method: Method, asked: Asked) -> Written {
    let unit = api.settings.unit(method);
    let (fresh, event) = match request::sale(&asked.body, method, unit, &asked.asker) {
        Ok(sale) => sale,
        Err(errors) => return Written::refusal(&Refusal::from(&errors)),
    };
    let key = key_of(&event);
    match paid_or_not(api, fresh, event).await {
        Ok(payment) => told_once(api, &payment, key.as_ref(), |told| answer::sale(&payment, told, unit)),
        Err(refusal) => Written::refusal(&refusal),
    }
}

/// Ask for a sale and wait for its end, or for the doubt about it.
async fn paid_or_not(api: &Room, fresh: PaymentId, event: Event) -> Result<Arc<Payment>, Refusal> {
    let mut waiter = Waiter::of(fresh, &api.driver);
    let ticket = match api.driver.ask(event).await {
        Ok(ticket) => ticket,
        Err(denial) => {
            waiter.answered();
            return Err(denied(&denial));
        }
    };
    let first = ticket.first.clone();
    if let Reply::Payment(payment) = &first {
        asks_about(payment);
        waiter.waits_for(payment.id);
    }
    let end = ticket.settled().await;
    waiter.answered();
    match (end, first) {
        (Ok(Reply::Payment(payment)), _) => Ok(payment),
        (Err(denial), Reply::Payment(begun)) => Err(denied(&denial).about(begun.id).in_state(begun.state.name())),
        (Err(denial), _) => Err(denied(&denial)),
        (Ok(other), _) => Err(unexpected(&other)),
    }
}

/// The key that a sale is asked for under.
fn key_of(event: &Event) -> Option<Token> {
    match event {
        Event::Sell(sell) => sell.token.clone(),
        _ => None,
    }
}

/// A final answer is given once and repeated for ever under its key. Whoever finds the payment in another way (by its code, by a double
/// press) is told what has become of it since.
fn told_once(api: &Room, payment: &Payment, key: Option<&Token>, made: impl FnOnce(Told<'_>) -> Written) -> Written {
    let repeated = key.is_some() && payment.token.as_ref() == key;
    match &payment.answer {
        Some(first) if repeated || first.state == payment.state => {
            api.kept.first(Subject::Payment(payment.id), first.state.name(), || made(Told::first(payment)))
        }
        _ => made(Told::now(payment)),
    }
}

fn denied(denial: &Denial) -> Refusal {
    log::refused(denial, None);
    Refusal::from(denial)
}

/// The driver answered about something else than was asked: a bug there, told honestly here.
fn unexpected(_: &Reply) -> Refusal {
    // Not the answer itself: it may hold a customer's code.
    tracing::error!("the driver answered about something else");
    Refusal::because(envelope::INTERNAL, "the terminal contradicted itself")
}

/// Sell by a card at the PinPad, or give a card sale back (`is_return`).
///
/// Answers when it has ended or is in doubt.
#[utoipa::path(
    post, path = "/payment/xumo", operation_id = "sellByCard", tag = "gateway",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
        description = "Names this request, so that its repeat finds the first one")), request_body = CardRequest,
    responses((status = 200, description = "`is_success` says whether it is paid, or given back", body = XumoAnswer<CardData>))
)]
pub(super) async fn xumo(State(api): State<Api>, asked: Asked) -> Response {
    by_card(&api, asked).await
}

async fn by_card(api: &Room, asked: Asked) -> Response {
    let unit = api.settings.humo_unit;
    let (fresh, event) = match request::xumo(&asked.body, unit, &asked.asker) {
        Ok(wanted) => wanted,
        Err(errors) => return xumo::refused(None, &Refusal::from(&errors)).into_response(),
    };
    let Some(fresh) = fresh else {
        return give_back(api, event).await.into_response();
    };
    let key = key_of(&event);
    match paid_or_not(api, fresh, event).await {
        Ok(payment) => {
            let answer = told_once(api, &payment, key.as_ref(), |told| xumo::sale(&payment, told, unit));
            if payment.state.is_final() {
                return waiting::told(answer, &api.driver, payment.id);
            }
            answer.into_response()
        }
        Err(refusal) => xumo::refused(None, &refusal).into_response(),
    }
}

async fn give_back(api: &Room, event: Event) -> Written {
    match asked_and_ended(api, event).await {
        Ok(Reply::Refund(payment, id)) => match payment.refund(id) {
            Some(refund) => {
                let made = || xumo::give_back(&payment, refund, api.settings.humo_unit);
                if refund.state.is_final() {
                    return api.kept.first(Subject::Refund(payment.id, id), refund.state.name(), made);
                }
                made()
            }
            None => xumo::refused(None, &unexpected(&Reply::Refund(payment.clone(), id))),
        },
        Ok(other) => xumo::refused(None, &unexpected(&other)),
        Err(denial @ (Denial::RefundTooMuch { .. } | Denial::VoidedWhole { .. })) => {
            let unit = api.settings.humo_unit;
            let as_asked =
                |money: Money| answer::count(money, unit).map_or_else(|| money.to_string(), |n| format!("{n} {unit}"));
            xumo::refused(None, &denied(&denial).worded(&denial.counted(as_asked)))
        }
        Err(denial) => xumo::refused(None, &denied(&denial)),
    }
}

/// Close the PinPad's shift, as some tills do it.
#[utoipa::path(
    get, path = "/payment/xumo_close", operation_id = "closeShiftByGet", tag = "gateway",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
        description = "Names this request, so that its repeat finds the first one")),
    responses((status = 200, description = "`is_success` says whether the shift is closed", body = XumoAnswer<CloseData>))
)]
pub(super) async fn xumo_close_by_get(api: State<Api>, asked: Asked) -> Written {
    xumo_close(api, asked).await
}

/// Close the PinPad's shift. No body is needed.
#[utoipa::path(
    post, path = "/payment/xumo_close", operation_id = "closeShift", tag = "gateway",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 64, pattern = "^[!-~]+$",
        description = "Names this request, so that its repeat finds the first one")),
    responses((status = 200, description = "`is_success` says whether the shift is closed", body = XumoAnswer<CloseData>))
)]
pub(super) async fn xumo_close(State(api): State<Api>, asked: Asked) -> Written {
    let event = match request::close(&asked.body, &asked.asker) {
        Ok(event) => event,
        Err(errors) => return xumo::refused(None, &Refusal::from(&errors)),
    };
    match asked_and_ended(&api, event).await {
        Ok(Reply::Settlement(settlement)) => {
            let made = || xumo::close(&settlement);
            if settlement.state.is_final() {
                return api.kept.first(Subject::Settlement(settlement.id), settlement.state.name(), made);
            }
            made()
        }
        Ok(other) => xumo::refused(None, &unexpected(&other)),
        Err(denial) => xumo::refused(None, &denied(&denial)),
    }
}

pub(super) async fn asked_and_ended(api: &Room, event: Event) -> Result<Reply, Denial> {
    let ticket = api.driver.ask(event).await?;
    begun(&ticket);
    ticket.settled().await
}

/// What was asked about is known: say so in the log.
pub(super) fn begun(ticket: &Ticket) {
    if let Reply::Payment(payment) | Reply::Refund(payment, _) | Reply::Confirmation(payment, _) = &ticket.first {
        asks_about(payment);
    }
}

fn asks_about(payment: &Payment) {
    log::is_about(payment);
    if tracing::enabled!(tracing::Level::DEBUG) {
        log::payment(payment).in_scope(|| tracing::debug!(state = payment.state.name(), "a till asks about it"));
    }
}

/// Bring the fiscal receipt of a CLICK sale.
#[utoipa::path(
    post, path = "/payment/click_confirm", operation_id = "confirmClick", tag = "gateway", request_body = ClickConfirm,
    responses((status = 200, description = "`is_success` says whether the receipt is kept; it is delivered by itself", body = Envelope<ClickConfirmData>))
)]
pub(super) async fn click_confirm(State(api): State<Api>, asked: Asked) -> Written {
    confirm(&api, Method::Click, &asked).await
}

/// Bring the fiscal receipt of a PAYME sale.
#[utoipa::path(
    post, path = "/payment/payme_confirm", operation_id = "confirmPayme", tag = "gateway", request_body = PaymeConfirm,
    responses((status = 200, description = "`is_success` says whether the receipt is kept; it is delivered by itself", body = Envelope<PaymeConfirmData>))
)]
pub(super) async fn payme_confirm(State(api): State<Api>, asked: Asked) -> Written {
    confirm(&api, Method::Payme, &asked).await
}

/// The receipt is safe as soon as the driver took it; the provider is given a moment to say so itself.
async fn confirm(api: &Room, method: Method, asked: &Asked) -> Written {
    let event = match request::confirm(&asked.body, method) {
        Ok(event) => event,
        Err(errors) => return Written::refusal(&Refusal::from(&errors)),
    };
    match asked_and_given_a_moment(api, event).await {
        Ok(Reply::Confirmation(payment, number)) => answer::confirm(&payment, number),
        Ok(other) => Written::refusal(&unexpected(&other)),
        Err(denial) => Written::refusal(&denied(&denial)),
    }
}

/// Call a payment off; without a name, and without a body, whatever waits at the counter.
#[utoipa::path(
    post, path = "/payment/cancel", operation_id = "callOff", tag = "gateway", request_body = Option<CallOff>,
    responses((status = 200, description = "`is_success` says whether it is called off", body = Envelope<StatusData>))
)]
pub(super) async fn cancel(State(api): State<Api>, asked: Asked) -> Written {
    let event = match request::cancel(&asked.body) {
        Ok(event) => event,
        Err(errors) => return Written::refusal(&Refusal::from(&errors)),
    };
    match asked_and_given_a_moment(&api, event).await {
        Ok(Reply::Payment(payment)) => answer::cancel(&payment, api.settings.unit(payment.method)),
        Ok(other) => Written::refusal(&unexpected(&other)),
        Err(denial) => Written::refusal(&denied(&denial)),
    }
}

/// What was accepted, after [`limits::CONFIRM_ANSWER_MS`] at the latest.
pub(super) async fn asked_and_given_a_moment(api: &Room, event: Event) -> Result<Reply, Denial> {
    let ticket: Ticket = api.driver.ask(event).await?;
    begun(&ticket);
    let first = ticket.first.clone();
    let moment = limits::wait(limits::CONFIRM_ANSWER_MS);
    // The daemon's end while it waits changes nothing about what was accepted.
    Ok(tokio::time::timeout(moment, ticket.settled()).await.ok().and_then(Result::ok).unwrap_or(first))
}

/// The payment as it stands.
#[utoipa::path(
    get, path = "/payment/{transaction_id}", operation_id = "findPayment", tag = "gateway",
    params(("transaction_id" = String, Path, format = "uuid", description = "The payment's name here")),
    responses((status = 200, description = "`is_success` says whether it is paid; `data` is there for every payment that is known", body = Envelope<StatusData>))
)]
pub(super) async fn status(State(api): State<Api>, id: Result<Path<String>, PathRejection>) -> Written {
    let Some(id) = id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok()) else {
        let errors = super::json::FieldErrors::of("transaction_id", "Must be a valid UUID.");
        return Written::refusal(&Refusal::from(&errors));
    };
    match find(&api, PaymentId(id)).await {
        Ok(Some(payment)) => answer::status(&payment, api.settings.unit(payment.method)),
        Ok(None) => Written::refusal(&denied(&Denial::NotFound { what: format!("transaction_id {id}") })),
        Err(why) => Written::refusal(&Refusal::because(envelope::STORE_FAILED, why)),
    }
}

/// The newest that is known: the picture where the payment is open or in doubt, the past otherwise. The one that ended last is shown as it
/// ended; where nothing has changed since, that one still has the slip as printed.
///
/// # Errors
/// The past cannot be read; in words for the till.
pub(super) async fn find(api: &Room, id: PaymentId) -> Result<Option<Arc<Payment>>, String> {
    let picture = api.driver.snapshot();
    if let Some(open) = picture.counter.iter().chain(&picture.in_doubt).find(|p| p.id == id) {
        return Ok(Some(open.clone()));
    }
    let history = api.history.clone();
    let read = tokio::task::spawn_blocking(move || history.payment(id)).await.map_err(|e| unread(&e))?;
    let Some(found) = read.map_err(|e| unread(&e))? else { return Ok(None) };
    Ok(Some(picture.last.clone().filter(|last| **last == found).unwrap_or_else(|| Arc::new(found))))
}

/// Why the past cannot be read: whole in the log, and for the till by a refusal, which leaves the paths of files out.
fn unread(error: &dyn std::error::Error) -> String {
    tracing::error!(%error, "a payment could not be looked up");
    error.to_string()
}
