//! The receipt of an SBP sale: the document of the QR terminal's OFD, checked at the door and not by the tax office.

use axum::extract::State;
use utoipa::ToSchema;

use super::answer::{self, ReceiptAnswer};
use super::{Id, Knock, known, sbp_of};
use crate::api::envelope::Written;
use crate::api::json::{FieldErrors, Fields};
use crate::api::problem::{self, Problem, denied_of, unexpected};
use crate::api::{Api, gateway};
use crate::payment::event::{Confirm, Event, Reply, SaleRef};
use crate::payment::fiscal::Receipt;
use crate::payment::receipt::document::{self, DocumentError};
use crate::payment::sale::{Method, Payment};

/// A receipt of the QR terminal's OFD. Of each no more is described than what makes it one.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "checked as a whole; this is its description")]
pub(super) enum ReceiptDocument {
    Atol(AtolDocument),
    OfdRu(OfdRuDocument),
}

/// What ATOL online v4 registers.
#[derive(ToSchema)]
#[schema(title = "ATOL online v4", example = json!({
    "timestamp": "10.11.2022 20:10:00",
    "receipt": {
        "client": {"email": "payer@mail.ru"},
        "company": {"sno": "osn", "email": "shop@mail.ru", "inn": "5544332219", "payment_address": "Москва"},
        "items": [{"name": "Чай", "price": 950, "quantity": 1, "sum": 950, "payment_object": "commodity"}],
        "payments": [{"type": 1, "sum": 950}],
        "vats": [{"type": "none", "sum": 0}],
        "total": 950
    }
}))]
#[expect(dead_code, reason = "checked as a whole; this is its description")]
pub(in crate::api) struct AtolDocument {
    /// When the till made it: dd.mm.yyyy HH:MM:SS.
    #[schema(
        pattern = r"^[0-3][0-9]\.[01][0-9]\.[0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-5][0-9]$",
        example = "10.11.2022 20:10:00"
    )]
    timestamp: String,
    /// `client`, `company`, `items`, `payments`, `vats` and `total`, as seed 004 §5.1 prints them; amounts in roubles, together what was paid.
    #[schema(value_type = Object)]
    receipt: (),
    /// QRManager's number of the operation. Left out: it is put in.
    external_id: Option<String>,
}

/// What OFD.ru registers (Ferma).
#[derive(ToSchema)]
#[schema(title = "OFD.ru")]
#[expect(dead_code, reason = "checked as a whole; this is its description")]
pub(in crate::api) struct OfdRuDocument {
    /// `Inn`, `Type`, `LocalDate` and `CustomerReceipt`, as seed 004 §5.1 prints them; `InvoiceId` is put in where it is left out.
    #[schema(rename = "Request", value_type = Object)]
    request: (),
}

/// The receipt of a sale as it stands.
#[utoipa::path(
    get, path = "/api/v1/sbp/sale/{id}/receipt", operation_id = "retrieveSbpReceipt", tag = "sbp", params(("id" = String, Path, description = "transaction_id")),
    responses((status = 200, description = "The receipt as it stands", body = ReceiptAnswer),
        (status = "4XX", description = "There is no such sale", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn receipt(State(api): State<Api>, id: Id) -> Result<Written, Problem> {
    let payment = known(&api, id).await?;
    Ok(Written::of(200, &answer::receipt(&payment, sbp_of(&payment)?, Vec::new())))
}

/// Bring the receipt of a paid sale.
///
/// The body is the document of the QR terminal's OFD (seed 004 §5.1): ATOL online v4, or OFD.ru's Ferma. It is checked, kept until the OFD has
/// it, and answered after three seconds at the latest: `queued` then means that delivery goes on by itself. A corrected document for a
/// `parked` one is brought the same way; the same document again finds the first.
#[utoipa::path(
    post, path = "/api/v1/sbp/sale/{id}/receipt", operation_id = "bringSbpReceipt", tag = "sbp", params(("id" = String, Path, description = "transaction_id")),
    request_body = ReceiptDocument,
    responses((status = 200, description = "The receipt as it stands", body = ReceiptAnswer),
        (status = "4XX", description = "It was not taken", body = Problem),
        (status = "5XX", description = "It was not taken", body = Problem)),
    security(("till" = []))
)]
pub(in crate::api) async fn bring_receipt(State(api): State<Api>, id: Id, knock: Knock) -> Result<Written, Problem> {
    // What is no JSON object is told in the words of every other body.
    Fields::read(&knock.body)?;
    let payment = known(&api, id).await?;
    let (receipt, warnings) = read_document(&payment, &knock.body)?;
    let of = SaleRef::Payment(payment.id);
    let event = Event::Confirm(Confirm { method: Method::Sbp, of, receipt });
    match gateway::asked_and_given_a_moment(&api, event).await.map_err(denied_of(&payment))? {
        Reply::Confirmation(payment, _) => {
            Ok(Written::of(200, &answer::receipt(&payment, sbp_of(&payment)?, warnings)))
        }
        other => Err(unexpected(&other)),
    }
}

/// The document of the QR terminal's OFD, checked against its sale, and what somebody should know of it.
pub(in crate::api) fn read_document(payment: &Payment, body: &[u8]) -> Result<(Receipt, Vec<String>), Problem> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let checked = document::check(payment, text).map_err(unfit)?;
    let warnings = checked.warnings.iter().map(ToString::to_string).collect();
    Ok((Receipt::Electronic(checked.receipt), warnings))
}

fn unfit(error: DocumentError) -> Problem {
    match error {
        DocumentError::Mistakes(mistakes) => {
            let mut errors = FieldErrors::default();
            for mistake in mistakes {
                errors.add(&mistake.path, mistake.text);
            }
            errors.into()
        }
        DocumentError::NoNumber => Problem::because(problem::WRONG_STATE, error.to_string()),
        DocumentError::NotSbp | DocumentError::NotRegistered => {
            Problem::because(problem::RECEIPT_REFUSED, error.to_string())
        }
    }
}
