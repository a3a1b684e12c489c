//! §5: electronic receipts, registered with an OFD that takes its time and may say no.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Asked, Refusal, detail};
use super::books::What;
use super::code::ends;
use super::desk::Desk;
use super::document::Document;
use super::operation::{Operation, ReceiptEnd};
use super::terminals::Ofd;

fn failed(why: &str) -> Refusal {
    detail(&format!("Ошибка формирования электронного чека. {why}"))
}

fn numbered(desk: &Desk, asked: &Asked) -> Result<Operation, Refusal> {
    let books = desk.books();
    let operation =
        books.numbered(asked.name(0)).filter(|operation| operation.terminal == asked.terminal.name()).cloned();
    operation.ok_or_else(|| failed("Операция не обнаружена."))
}

/// POST /operations/{number}/receipt/
pub(super) fn register(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let operation = numbered(desk, asked)?;
    if !operation.standing.is_paid() {
        let number = &operation.number;
        return Err((StatusCode::NOT_FOUND, json!({ "detail": format!("Operation number: {number} не обнаружена") })));
    }
    let ofd = asked.terminal.ofd.ok_or_else(|| failed("Неверно настроен ОФД."))?;
    let failed_before = |end: &Option<ReceiptEnd>| matches!(end, Some(ReceiptEnd::Fail { .. }));
    if operation.receipt.as_ref().is_some_and(|receipt| !failed_before(&receipt.end)) {
        return Err(failed("Операция уже имеет зарегистрированный чек"));
    }
    let document = read(&asked.body, ofd)
        .and_then(|document| document.of(&operation.number))
        .map_err(|text| detail(&format!("Ошибка формирования электронного чека, полученная с сервиса ОФД: {text}")))?;
    if document.total_kopecks != operation.sum_kopecks {
        return Err(failed("Итоговая сумма фискализации не совпадает с суммой заказа."));
    }
    let ends_ms = ends(desk, desk.settings.receipt_takes_ms);
    let operation_id = operation.operation_id.clone();
    let (total_kopecks, callback_url) = (document.total_kopecks, document.callback_url);
    desk.book(What::Receipt { operation_id, total_kopecks, callback_url, ends_ms })?;
    desk.end_receipt_at(&operation.operation_id, ends_ms);
    Ok(json!({ "results": { "status": "success" } }))
}

fn read(body: &[u8], ofd: Ofd) -> Result<Document, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("JSON parse error - {error}"))?;
    match ofd {
        Ofd::Atol => Document::atol(&value),
        Ofd::OfdRu => Document::ofd_ru(&value),
    }
}

/// GET /operations/{number}/receipt/status/. Its answer is bare.
pub(super) fn status(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let operation = numbered(desk, asked)?;
    let receipt = operation.receipt.ok_or_else(|| failed("Операция не обнаружена."))?;
    let forgotten = desk.clock.wall_ms() - receipt.ends_ms > desk.settings.ofd_ru_remembers_ms;
    if asked.terminal.ofd == Some(Ofd::OfdRu) && forgotten {
        return Err(detail("Ошибка сервиса: информация о статусе чека больше недоступна"));
    }
    let (status, url, error) = match receipt.end {
        None => ("wait", String::new(), String::new()),
        Some(ReceiptEnd::Done { url }) => ("done", url, String::new()),
        Some(ReceiptEnd::Fail { error }) => ("fail", String::new(), error),
    };
    Ok(json!({ "status": status, "ofd_receipt_url": url, "error": error }))
}
