//! §2 and "BenefitY" 2: codes; §3: products; §4.2: their status over REST.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Asked, Refusal, detail, results};
use super::books::{LoyaltyUse, What};
use super::desk::{Desk, in_test_zone};
use super::fields::{Fields, non_field};
use super::terminals::Terminal;

/// The largest sum, kopecks: "0 ... 1 000 000 00".
pub(super) const SUM_MAX: i64 = 100_000_000;
/// `payment_purpose`: "До 140 символов".
pub(super) const PURPOSE_MAX_CHARS: usize = 140;
const COUNT_MAX: i64 = 1_000;
const NAME_MAX_CHARS: usize = 255;

/// POST /operations/qr-code/
pub(super) fn make(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let terminal = &asked.terminal;
    let mut fields = Fields::read(&asked.body)?;
    let sum_kopecks = fields.an_integer("sum", 0..=SUM_MAX);
    let size = fields.integer("qr_size", 100..=1_000);
    let purpose = fields.text("payment_purpose", PURPOSE_MAX_CHARS);
    let lines = fields.each("nomenclature", |line| read_line(line, terminal)).len();
    let loyalty = fields.one("loyalty", |card| read_loyalty(card, sum_kopecks));
    fields.finish()?;
    if loyalty.is_some() {
        in_test_zone(desk, terminal.loyalty)?;
    }
    let (operation_id, number) = (Uuid::new_v4().to_string(), fresh_number());
    let code = fresh_digits(32);
    let qr_link = format!("https://qr.nspk.ru/{code}?type=01&bank=12345&sum={sum_kopecks}&cur=RUB&crc=F3D0");
    let ends_ms = ends(desk, terminal.code_ttl_ms);
    desk.book(What::Operation {
        terminal: terminal.name().to_owned(),
        operation_id: operation_id.clone(),
        number: number.clone(),
        sum_kopecks,
        qr_link: qr_link.clone(),
        link_id: None,
        ends_ms,
        purpose,
        lines,
        loyalty,
    })?;
    desk.expire_at(&operation_id, ends_ms);
    let mut told = json!({ "operation_id": operation_id, "number": number, "qr_link": qr_link });
    if size.is_some() {
        told["qr_img"] = json!(desk.picture_url(&code));
    }
    Ok(results(told))
}

fn read_line(line: &mut Fields, terminal: &Terminal) {
    let product = line.a_text("product_id", NAME_MAX_CHARS);
    line.an_integer("count", 1..=COUNT_MAX);
    line.an_integer("price", 1..=SUM_MAX);
    if !product.is_empty() && !terminal.products.iter().any(|known| known.id == product && !known.isdeleted) {
        line.complain("product_id", &format!("Недопустимый первичный ключ \"{product}\" - объект не существует."));
    }
}

/// The combined kinds are those with points and with a `base_amount` beside them.
fn read_loyalty(card: &mut Fields, sum_kopecks: i64) -> LoyaltyUse {
    let phone = card.a_text("phone", NAME_MAX_CHARS);
    if !phone.is_empty() && !is_phone(&phone) {
        card.complain("phone", "Введите правильный номер телефона.");
    }
    let client_id = card.an_integer("client_id", 1..=i64::MAX);
    let loyalty_type = card.an_integer("loyalty_type", 0..=2);
    // Only points that are written off have to be said: the example of a discount leaves them out.
    let points = match loyalty_type {
        0 => Some(card.an_integer("loyalty_amount", 1..=SUM_MAX)),
        _ => card.integer("loyalty_amount", 0..=SUM_MAX),
    };
    let base_kopecks = card.integer("base_amount", 0..=SUM_MAX);
    if base_kopecks.is_some_and(|base| base < sum_kopecks) {
        card.complain("base_amount", "Сумма без скидки меньше конечной суммы.");
    }
    LoyaltyUse { client_id, loyalty_type, points, base_kopecks }
}

fn is_phone(phone: &str) -> bool {
    phone.strip_prefix("+7").is_some_and(|rest| rest.len() == 10 && rest.bytes().all(|digit| digit.is_ascii_digit()))
}

/// GET /users/qrt/products/, which the document asks without its last slash, too.
pub(super) fn products(_desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    match &asked.terminal.products[..] {
        [one] => Ok(json!(one)),
        many => Ok(json!(many)),
    }
}

/// GET /operations/{id}/qr-status/
pub(super) fn status(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    let uuid = asked.name(0);
    if Uuid::parse_str(uuid).is_err() {
        return Err(detail(&format!("Значение \"{uuid}\" не является верным UUID-ом.")));
    }
    let unknown = || non_field(&format!("QRT не обнаружен с uuid: {uuid}"));
    let operation = desk.operation(&asked.terminal, uuid).ok_or_else(unknown)?;
    // "Явный запрос статуса операции необходим для тестирования фискализации только в тестовой среде": it pays there, but for cash links.
    let pays = desk.settings.test_zone && operation.link_id.is_none() && operation.standing.can_be_paid();
    if pays {
        desk.take_money(&operation, false).map_err(|error| detail(&error.to_string()))?;
    }
    let operation = desk.operation(&asked.terminal, uuid).ok_or_else(unknown)?;
    let behind_ms = desk.switches().rest_behind_ms;
    let (code, words) = operation.standing_at(desk.clock.wall_ms() - behind_ms).rest();
    Ok(results(json!({ "operation_status_code": code, "operation_status_msg": words })))
}

/// POST /loyalty/search/
pub(super) fn search(desk: &Arc<Desk>, asked: &Asked) -> Result<Value, Refusal> {
    in_test_zone(desk, asked.terminal.loyalty)?;
    let mut fields = Fields::read(&asked.body)?;
    let phone = fields.a_text("phone", NAME_MAX_CHARS);
    if !phone.is_empty() && !is_phone(&phone) {
        fields.complain("phone", "Введите правильный номер телефона.");
    }
    let sum = fields.an_integer("sum", 0..=SUM_MAX);
    fields.finish()?;
    let known = desk.settings.customers.iter().find(|customer| customer.phone == phone);
    Ok(results(known.map_or_else(
        || json!({ "confirmation_code": true }),
        |customer| {
            json!({
                "client_id": customer.client_id,
                "discount_card_id": customer.discount_card_id,
                "card_level": customer.card_level,
                "max_discount": customer.max_discount,
                "max_points": customer.max_points,
                "all_points": customer.all_points,
                "accrual_points": 0,
                "accrual_available": true,
                "write_off_available": true,
                // The document prints false for a sum of 0 and true for 100000: with nothing to pay, nothing is written off.
                "needs_code": sum > 0,
            })
        },
    )))
}

/// When something that begins now is over.
pub(super) fn ends(desk: &Desk, after_ms: u64) -> i64 {
    desk.clock.wall_ms().saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX))
}

/// XXXX-XXXX-XXXX-XXXX, digits as in every example.
pub(super) fn fresh_number() -> String {
    let digits = fresh_digits(16);
    [&digits[..4], &digits[4..8], &digits[8..12], &digits[12..]].join("-")
}

/// Random digits.
pub(super) fn fresh_digits(count: usize) -> String {
    std::iter::repeat_with(|| format!("{:010}", Uuid::new_v4().as_fields().0))
        // The first of the ten is never more than 4.
        .flat_map(|ten| ten.chars().skip(1).collect::<Vec<_>>())
        .take(count)
        .collect()
}

/// 32 letters and digits with a beginning, like SBP's own ids.
pub(super) fn fresh_id(beginning: &str) -> String {
    let random = Uuid::new_v4().simple().to_string().to_uppercase();
    format!("{beginning}{random}").chars().take(32).collect()
}
