//! Money back, in one way for every method that can: a void or refund at the PinPad, a refund through QRManager.

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{self, PaymentRefund, PaymentRefunds};
use super::query::Query;
use super::request::decimal;
use super::wait::wait_ms;
use super::{known, within};
use crate::api::Api;
use crate::api::envelope::Written;
use crate::api::fair::Turn;
use crate::api::gateway;
use crate::api::json::{FieldErrors, Fields, Need};
use crate::api::problem::{Problem, denied_of, unexpected};
use crate::api::sbp::{Id, Knock, token, token_of};
use crate::limits;
use crate::payment::card::RunId;
use crate::payment::event::{Event, GiveBack, Reply, SaleRef};
use crate::payment::money::Money;
use crate::payment::sale::{Payment, RefundId};

/// `POST /api/v1/payment/{id}/refund`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct PaymentRefundRequest {
    /// Names this request: the same token with the same body finds the first refund.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "c8a5a0c2-53c5-4d59-9a71-5d5f0d8e1b44")]
    idempotency_token: String,
    /// A decimal of the payment's currency. Left out: all that was not given back yet. A card sale of the open shift is voided whole.
    #[schema(value_type = Option<f64>, minimum = 0.01, multiple_of = 0.01, maximum = 10_000_000_000.0_f64, example = 12_500.0_f64)]
    amount: Option<Money>,
    /// The payment's currency, for a till that wants it compared.
    #[schema(example = "UZS", pattern = "^(UZS|RUB)$")]
    currency: Option<String>,
}

impl PaymentRefundRequest {
    fn read(body: &[u8], payment: &Payment) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let idempotency_token = token(&mut fields);
        let paid_in = payment.amount.currency();
        let amount = decimal(&mut fields, "amount", Need::Optional, paid_in);
        let currency = fields.words("currency", Need::Optional, limits::ORDER_ID_MAX_CHARS);
        if currency.as_deref().is_some_and(|named| named != paid_in.code()) {
            fields.mistake("currency", format!("It was paid in {paid_in}: send \"{paid_in}\" or leave it out."));
        }
        let idempotency_token = fields.finish(idempotency_token)?;
        Ok(Self { idempotency_token, amount, currency })
    }

    fn event(self, till: &str, payment: &Payment) -> Event {
        let left = payment.amount.minor().saturating_sub(payment.refunded_minor());
        let amount = self.amount.unwrap_or(Money::from_minor(left, payment.amount.currency()));
        let asked = self.amount.map_or_else(|| "all".to_owned(), |amount| amount.minor().to_string());
        let token = Some(token_of(till, &self.idempotency_token, &["refund", &payment.id.to_string(), &asked]));
        let (id, run) = (RefundId(Uuid::new_v4()), RunId(Uuid::new_v4()));
        Event::GiveBack(GiveBack { id, run, of: SaleRef::Payment(payment.id), amount, token })
    }
}

/// The refunds of a payment.
#[utoipa::path(
    get, path = "/api/v1/payment/{id}/refund", operation_id = "listRefunds", tag = "payment", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "All of its refunds, oldest first", body = PaymentRefunds),
        (status = "4XX", description = "There is no such payment", body = Problem),
        (status = "5XX", description = "The store cannot be read", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn refunds(State(api): State<Api>, id: Id) -> Result<Written, Problem> {
    Ok(Written::of(200, &answer::refunds(&*known(&api, id).await?)))
}

/// Give money back, all of it or a part; several parts never more than was paid.
///
/// A card sale of the open shift is voided whole at the PinPad, an older one refunded there; an SBP sale is refunded through QRManager. CLICK and
/// PAYME have no such operation (`not_supported`). A refund in doubt is asked about, never sent again.
#[utoipa::path(
    post, path = "/api/v1/payment/{id}/refund", operation_id = "refundPayment", tag = "payment",
    params(("id" = String, Path, description = "transaction_id"),
        ("wait" = Option<u64>, Query, minimum = 0, maximum = 60, description = "How long to wait for its end, seconds; 0 if left out")),
    request_body = PaymentRefundRequest,
    responses((status = 200, description = "The refund as it stands", body = PaymentRefund),
        (status = "4XX", description = "Nothing was begun", body = Problem),
        (status = "5XX", description = "Nothing was begun", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn give_back(
    State(api): State<Api>,
    Extension(turn): Extension<Turn>,
    id: Id,
    uri: Uri,
    knock: Knock,
) -> Result<Written, Problem> {
    let payment = known(&api, id).await?;
    let wait_ms = wait_ms(&Query::read(&uri)?)?;
    let wish = PaymentRefundRequest::read(&knock.body, &payment)?;
    let ticket = api.driver.ask(wish.event(knock.till(), &payment)).await.map_err(denied_of(&payment))?;
    gateway::begun(&ticket);
    let reply = within(ticket, wait_ms, &turn).await;
    match &reply {
        Reply::Refund(payment, id) => match payment.refund(*id) {
            Some(refund) => Ok(Written::of(200, &answer::refund(payment, refund))),
            None => Err(unexpected(&reply)),
        },
        other => Err(unexpected(other)),
    }
}
