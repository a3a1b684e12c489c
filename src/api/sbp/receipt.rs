//! The receipt of an SBP sale: the document of the QR terminal's OFD, checked at the door and not by the tax office.

use axum::extract::State;

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
    request_body(content = Object, description = "The document of ATOL online v4, or of OFD.ru, as seed 004 §5.1 prints it"),
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
