//! "Кассовые ссылки СБП": a printed code that is paid at again and again, activated for one sale at a time.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Asked, Refusal, detail, results};
use super::books::{Deactivator, Link, What};
use super::code::{PURPOSE_MAX_CHARS, SUM_MAX, ends, fresh_id, fresh_number};
use super::desk::{Desk, in_test_zone};
use super::fields::{Fields, non_field};

const QRC_ID_MAX_CHARS: usize = 140;

/// POST /operations/cash-qr/
pub(super) fn register(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    in_test_zone(desk, asked.terminal.links_and_refunds)?;
    let mut fields = Fields::read_or_empty(&asked.body)?;
    let mut size = Fields::read_or_empty(&asked.body)?;
    if size.integer("size", 100..=1_000).is_none() && size.finish().is_err() {
        fields.complain("size", "Size must be >= 100 and <= 1000");
    }
    if fields.text("qrc_id", QRC_ID_MAX_CHARS).is_some_and(|id| id.is_empty()) {
        fields.complain("qrc_id", "Это поле не может быть пустым.");
    }
    fields.finish()?;
    let link_id = fresh_id("BS1R00");
    let link = format!("https://qr.nspk.ru/{link_id}?type=01&bank=1crt88888881&crc=24BB");
    let terminal = asked.terminal.name().to_owned();
    let again = desk.books().links().iter().any(|known| known.terminal == terminal);
    desk.book(What::LinkRegistered { terminal, link_id: link_id.clone(), link: link.clone(), again })?;
    let picture = desk.picture_url(&link_id);
    Ok(enclosed(desk, json!({ "cashQrId": link_id, "cashQrLink": link, "cashQrCode": picture, "status": "CREATED" })))
}

fn known(desk: &Desk, asked: &Asked) -> Result<Link, Refusal> {
    let books = desk.books();
    let link = books.link(asked.name(0)).filter(|link| link.terminal == asked.terminal.name());
    link.cloned().ok_or_else(|| detail("Кассовая ссылка не обнаружена."))
}

/// POST /operations/cash-qr/{cashQrId}/activate/
pub(super) fn activate(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let link = known(desk, asked)?;
    let mut fields = Fields::read(&asked.body)?;
    let sum_kopecks = fields.an_integer("sum", 0..=SUM_MAX);
    let purpose = fields.text("payment_purpose", PURPOSE_MAX_CHARS);
    fields.finish()?;
    if link.active.is_some() {
        // "Принимается только одна оплата активированной кассовой ссылки"
        return Err(non_field("Кассовая ссылка уже активирована."));
    }
    let (operation_id, number, params_id) = (Uuid::new_v4().to_string(), fresh_number(), fresh_id("BP1000"));
    let ends_ms = ends(desk, asked.terminal.link_ttl_ms);
    desk.book(What::Operation {
        terminal: link.terminal,
        operation_id: operation_id.clone(),
        number: number.clone(),
        sum_kopecks,
        qr_link: link.link,
        link_id: Some(link.link_id),
        ends_ms,
        purpose,
        lines: 0,
        loyalty: None,
    })?;
    desk.expire_at(&operation_id, ends_ms);
    let mut told = json!({ "cashQrParamsId": params_id, "number": number });
    told[desk.settings.operation_key.as_str()] = json!(operation_id);
    Ok(enclosed(desk, told))
}

/// GET /operations/{id}/cash-qr/status/
pub(super) fn status(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let operation = desk.operation(&asked.terminal, asked.name(0)).filter(|operation| operation.link_id.is_some());
    let operation = operation.ok_or_else(|| detail("Операция не обнаружена."))?;
    let behind_ms = desk.switches().rest_behind_ms;
    let standing = operation.standing_at(desk.clock.wall_ms() - behind_ms);
    Ok(results(json!({ "status": standing.link() })))
}

/// DELETE /operations/cash-qr/{cashQrId}/deactivate/. One that is not active is none afterwards, too.
pub(super) fn deactivate(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let link = known(desk, asked)?;
    desk.book(What::LinkDeactivated { link_id: link.link_id, operation_id: link.active, by: Deactivator::Request })?;
    Ok(results(json!({ "status": "OK" })))
}

/// The document prints these answers bare in its descriptions and inside `results` in its test data.
fn enclosed(desk: &Desk, told: Value) -> Value {
    if desk.settings.bare_answers { told } else { results(told) }
}
