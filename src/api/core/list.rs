//! `GET /api/v1/payment`: what has changed, for a till that was off. It goes on with events from where the list ended: `next` is an event's id.

use axum::extract::State;
use axum::http::Uri;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{self, PaymentAnswer, PaymentStatus};
use super::events::position::{Position, asked, id_at, unread};
use super::query::Query;
use super::wait;
use crate::api::Api;
use crate::api::envelope::Written;
use crate::api::json::FieldErrors;
use crate::api::problem::Problem;
use crate::history::{ChangeFilter, History};
use crate::limits;
use crate::payment::sale::Method;

/// `GET /api/v1/payment`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PaymentList<'a> {
    /// Each payment once, as it stands, the one that changed first first.
    payments: Vec<PaymentAnswer<'a>>,
    /// Where to go on: the next list's `since`, or the `Last-Event-ID` of `GET /api/v1/events`.
    #[schema(example = "17-9f86d081884c")]
    next: String,
    /// There may be more: ask again with `since` = `next`.
    more: bool,
}

/// Where a list begins.
enum Since {
    Line(Position),
    Time(i64),
}

/// What has changed since.
///
/// `since` is the `next` of an earlier list, the `id` of an event, or a time; without it the list begins with the oldest payment. Ask again with `next`
/// while `more` is true, then follow `GET /api/v1/events` from there. A filter may leave a page empty and `more` true: go on.
#[utoipa::path(
    get, path = "/api/v1/payment", operation_id = "listPayments", tag = "payment",
    params(("since" = Option<String>, Query, description = "The next of an earlier list, the id of an event, or a time (RFC 3339)"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "At most so many payments; 50 if left out"),
        ("status" = Option<PaymentStatus>, Query, description = "Only payments that stand so"),
        ("method" = Option<String>, Query, description = "Only of this method: humo, click, payme or sbp"),
        ("order_id" = Option<String>, Query, description = "Only with this order number of the till")),
    responses((status = 200, description = "The payments as they stand", body = PaymentList),
        (status = "4XX", description = "There is nothing to go on with after that", body = Problem),
        (status = "5XX", description = "The store cannot be read", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn list(State(api): State<Api>, uri: Uri) -> Result<Written, Problem> {
    let query = Query::read(&uri)?;
    let since = query.get("since").map(since).transpose()?;
    let filter = ChangeFilter {
        after: 0,
        method: query.get("method").map(method).transpose()?,
        state: query.get("status").map(|text| wait::status_in("status", text)).transpose()?.map(str::to_owned),
        order_id: query.get("order_id").map(str::to_owned),
        limit: query.get("limit").map_or(Ok(limits::PAYMENTS_LISTED_LEN), limit)?,
        look_at: limits::PAYMENTS_LOOKED_AT_MAX,
    };
    let found = move |history: &dyn History| -> Result<_, Problem> {
        let after = match since {
            Some(Since::Line(position)) => position.verified(history)?,
            Some(Since::Time(at_ms)) => history.line_before(at_ms).map_err(unread)?,
            None => 0,
        };
        let changes = history.changed_since(&ChangeFilter { after, ..filter }).map_err(unread)?;
        let next = id_at(history, changes.read_to).map_err(unread)?;
        Ok((changes, next))
    };
    let (changes, next) = asked(&api.history, found).await.map_err(unread)??;
    let payments = changes.payments.iter().map(|payment| answer::payment(&api, payment)).collect();
    Ok(Written::of(200, &PaymentList { payments, next, more: changes.more }))
}

fn since(text: &str) -> Result<Since, FieldErrors> {
    let time = || text.parse::<Timestamp>().ok().map(|time| Since::Time(time.as_millisecond()));
    let read = Position::read(text).map(Since::Line).or_else(time);
    read.ok_or_else(|| FieldErrors::of("since", "Send the next of a list, the id of an event, or a time (RFC 3339)."))
}

fn limit(text: &str) -> Result<usize, FieldErrors> {
    let most = limits::PAYMENTS_LISTED_MAX;
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| FieldErrors::of("limit", format!("Send a whole number, 1 to {most}.")))
}

fn method(text: &str) -> Result<Method, FieldErrors> {
    let known = Method::ALL.into_iter().find(|method| method.name() == text);
    known.ok_or_else(|| FieldErrors::of("method", "One of humo, click, payme, sbp."))
}
