//! "Возврат средств по операции".

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Asked, Refusal, detail, not_found, results};
use super::books::What;
use super::code::{SUM_MAX, ends, fresh_id};
use super::desk::{Desk, in_test_zone};
use super::fields::{Fields, field};

/// "В тестовой сумме возврата всегда будет 1000180коп."
const TEST_ZONE_KOPECKS: i64 = 1_000_180;
const ID_MAX_CHARS: usize = 64;

/// POST /operations/refund/
pub(super) fn ask(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    in_test_zone(desk, asked.terminal.links_and_refunds)?;
    let mut fields = Fields::read(&asked.body)?;
    let operation_id = fields.a_text("operation_id", ID_MAX_CHARS);
    let amount_kopecks = fields.an_integer("amount", 1..=SUM_MAX);
    fields.finish()?;
    let operation = desk.operation(&asked.terminal, &operation_id);
    let operation = operation.ok_or_else(|| field("operation_id", "Операция не обнаружена."))?;
    if !operation.standing.is_paid() {
        return Err(detail("Возврат невозможен: операция не оплачена."));
    }
    if amount_kopecks > operation.refundable_kopecks() {
        return Err(field("amount", "Сумма возврата превышает сумму операции."));
    }
    if desk.settings.test_zone && (amount_kopecks, operation.sum_kopecks) != (TEST_ZONE_KOPECKS, TEST_ZONE_KOPECKS) {
        return Err(field("amount", "В тестовой среде сумма возврата всегда 1000180 коп."));
    }
    let request_id = fresh_id("BR1000");
    let ends_ms = ends(desk, desk.settings.refund_takes_ms);
    let (id, request) = (operation_id.clone(), request_id.clone());
    desk.book(What::Refund { operation_id, request_id, amount_kopecks, ends_ms })?;
    desk.end_refund_at(&id, &request, ends_ms);
    Ok(results(json!({ "refundRequestId": request })))
}

/// GET /operations/{id}/refund-status/{refundRequestId}/. The words and their case are those of the description; in the test zone those of the
/// test data.
pub(super) fn status(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let operation = desk.operation(&asked.terminal, asked.name(0)).ok_or_else(not_found)?;
    let refund = operation.refunds.iter().find(|refund| refund.request_id == asked.name(1)).ok_or_else(not_found)?;
    let (status, message) = match (refund.success, desk.settings.test_zone) {
        (None, _) => ("received", "Запрос на возврат принят"),
        (Some(true), true) => ("Success", "Успешно"),
        (Some(true), false) => ("success", "Согласие Банка Плательщика на проведение платежа"),
        (Some(false), _) => ("fail", "Отказ Банка Плательщика"),
    };
    Ok(results(json!({ "status": status, "message": message })))
}
