//! The fiscal receipt of a payment, in one way for every method that has one: a link for CLICK and PAYME, the OFD's document for SBP.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::known;
use crate::api::Api;
use crate::api::envelope::Written;
use crate::api::gateway;
use crate::api::json::Fields;
use crate::api::pathless::pathless;
use crate::api::problem::{self, Problem, denied_of, unexpected};
use crate::api::sbp::{AtolDocument, Id, Knock, OfdRuDocument, read_document};
use crate::api::trouble::Trouble;
use crate::payment::event::{Confirm, Event, Reply, SaleRef};
use crate::payment::fiscal::{Confirmation, ConfirmationState};
use crate::payment::sale::{Method, Payment, PaymentId};

/// `POST /api/v1/payment/{id}/receipt`.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the payment's method; this is its description")]
pub(super) enum ReceiptRequest {
    Link(ReceiptLinkRequest),
    Atol(AtolDocument),
    OfdRu(OfdRuDocument),
}

/// What a CLICK or PAYME payment's receipt is.
#[derive(ToSchema)]
#[schema(title = "CLICK, PAYME")]
#[expect(dead_code, reason = "read field by field; this is its description")]
pub(super) struct ReceiptLinkRequest {
    /// The fiscal receipt's link, as its QR code says it.
    #[schema(
        max_length = 512,
        example = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161"
    )]
    link: String,
    /// The receipt's number; compared with the link's.
    #[schema(example = "2421")]
    receipt_id: Option<String>,
    /// The fiscal sign; compared with the link's.
    #[schema(example = "514343190161")]
    fiscal_sign: Option<String>,
}

/// The receipt of a payment as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentReceipt<'a> {
    /// The payment's name here.
    #[schema(value_type = String, format = "uuid")]
    transaction_id: PaymentId,
    /// `none`, `not_required`, `owed`, `held` (the payment is in doubt), `queued`, `confirmed`, `parked` or `withdrawn`.
    #[schema(example = "queued")]
    state: &'static str,
    /// Which receipt of this payment it is: a corrected one has the next number.
    document: Option<u32>,
    /// Deliveries tried.
    attempts: u32,
    /// The receipt's link, where the till brought one.
    link: Option<&'a str>,
    /// What the provider answered when it confirmed.
    #[schema(value_type = Option<Object>)]
    answer: Option<serde_json::Value>,
    /// Why the last delivery failed, or what it waits for.
    last_error: Option<String>,
    /// What somebody should know of the document that has just come.
    warnings: Vec<String>,
    /// Why a person has to look; `null` otherwise.
    error: Option<Trouble>,
}

fn told(payment: &Payment, warnings: Vec<String>) -> Written {
    let last = payment.confirmation();
    let answer = last.and_then(Confirmation::providers_answer);
    Written::of(
        200,
        &PaymentReceipt {
            transaction_id: payment.id,
            state: last.map_or(payment.fiscal.name(), |c| c.state.name()),
            document: last.map(|c| c.number),
            attempts: last.map_or(0, |c| c.attempts),
            link: last.and_then(|c| c.receipt.link()).map(|receipt| receipt.link.as_str()),
            answer: answer.map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into())),
            last_error: last.and_then(|c| c.last_error.as_deref()).map(pathless),
            warnings,
            error: last.filter(|c| c.state == ConfirmationState::Parked).map(Trouble::parked),
        },
    )
}

/// The receipt of a payment as it stands.
#[utoipa::path(
    get, path = "/api/v1/payment/{id}/receipt", operation_id = "retrieveReceipt", tag = "payment", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "The receipt as it stands", body = PaymentReceipt),
        (status = "4XX", description = "There is no such payment", body = Problem),
        (status = "5XX", description = "The store cannot be read", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn receipt(State(api): State<Api>, id: Id) -> Result<Written, Problem> {
    Ok(told(&*known(&api, id).await?, Vec::new()))
}

/// Bring the receipt of a paid payment.
///
/// For CLICK and PAYME a link; for SBP the document of ATOL online v4 or of OFD.ru, as seed 004 §5.1 prints it; a card payment needs none. It is
/// kept until the provider has it, and answered after three seconds at the latest: `queued` then means that delivery goes on by itself. The
/// same receipt again finds the first.
#[utoipa::path(
    post, path = "/api/v1/payment/{id}/receipt", operation_id = "bringReceipt", tag = "payment", params(("id" = String, Path, description = "transaction_id")),
    request_body = ReceiptRequest,
    responses((status = 200, description = "The receipt as it stands", body = PaymentReceipt),
        (status = "4XX", description = "It was not taken", body = Problem),
        (status = "5XX", description = "It was not taken", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn bring_receipt(State(api): State<Api>, id: Id, knock: Knock) -> Result<Written, Problem> {
    // What is no JSON object is told in the words of every other body.
    let mut fields = Fields::read(&knock.body)?;
    let payment = known(&api, id).await?;
    let (receipt, warnings) = match payment.method {
        Method::Sbp => read_document(&payment, &knock.body)?,
        Method::Click | Method::Payme => {
            let receipt = gateway::link_receipt(&mut fields, &["link", "qr_code_url", "qr_code", "qrcode"]);
            (fields.finish(receipt)?, Vec::new())
        }
        Method::Humo => {
            let why = "a card payment needs no receipt from the till";
            return Err(Problem::because(problem::RECEIPT_REFUSED, why));
        }
    };
    let of = SaleRef::Payment(payment.id);
    let event = Event::Confirm(Confirm { method: payment.method, of, receipt });
    match gateway::asked_and_given_a_moment(&api, event).await.map_err(denied_of(&payment))? {
        Reply::Confirmation(payment, _) => Ok(told(&payment, warnings)),
        other => Err(unexpected(&other)),
    }
}
