//! What an OFD looks at in a receipt (seed 004 §5.1 and its examples): the fields that have to be there, numbers that are amounts, and whose sale
//! it is. It knows nothing of VAT: the document's own examples do not add up there.

use serde_json::{Number, Value};

use crate::payment::money::{Currency, Money, Unit};

/// "ИНН компании для тестовых запросов … всегда должен быть 5544332219": ten digits, or twelve of a person.
const INN_DIGITS: [usize; 2] = [10, 12];

/// A receipt that an OFD takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// `external_id` or `InvoiceId`.
    number: String,
    /// In kopecks; the document itself counts rubles.
    pub(super) total_kopecks: i64,
    /// `callback_url` or `CallbackUrl`.
    pub(super) callback_url: Option<String>,
}

type Complaint = String;

impl Document {
    /// ATOL's.
    pub(super) fn atol(body: &Value) -> Result<Self, Complaint> {
        text(body, "external_id")?;
        stamp(text(body, "timestamp")?, "99.99.9999 99:99:99")?;
        let receipt = object(body, "receipt")?;
        let client = object(receipt, "client")?;
        if text(client, "email").is_err() && text(client, "phone").is_err() {
            return Err("receipt.client: нужен email или phone".to_owned());
        }
        let company = object(receipt, "company")?;
        ["sno", "email", "payment_address"].iter().try_for_each(|name| text(company, name).map(drop))?;
        inn(text(company, "inn")?)?;
        for item in list(receipt, "items")? {
            text(item, "name")?;
            number(item, "quantity")?;
            ["price", "sum"].iter().try_for_each(|name| rubles(item, name).map(drop))?;
        }
        let mut paid = 0_i64;
        for payment in list(receipt, "payments")? {
            number(payment, "type")?;
            paid = paid.saturating_add(rubles(payment, "sum")?);
        }
        let total_kopecks = rubles(receipt, "total")?;
        if paid != total_kopecks {
            return Err("receipt.total: не равен сумме оплат".to_owned());
        }
        let callback = body["service"]["callback_url"].as_str().or_else(|| body["callback_url"].as_str());
        Ok(Self {
            number: text(body, "external_id")?.to_owned(),
            total_kopecks,
            callback_url: callback.map(Into::into),
        })
    }

    /// OFD.ru's. Its total is what was paid: the printed example that got a receipt has an item of 400 and a payment of 500.
    pub(super) fn ofd_ru(body: &Value) -> Result<Self, Complaint> {
        let request = object(body, "Request")?;
        inn(text(request, "Inn")?)?;
        text(request, "Type")?;
        stamp(text(request, "LocalDate")?, "9999-99-99T99:99:99")?;
        let receipt = object(request, "CustomerReceipt")?;
        text(receipt, "TaxationSystem")?;
        if text(receipt, "Email").is_err() && text(receipt, "Phone").is_err() {
            return Err("CustomerReceipt: нужен Email или Phone".to_owned());
        }
        for item in list(receipt, "Items")? {
            ["Label", "Vat"].iter().try_for_each(|name| text(item, name).map(drop))?;
            number(item, "Quantity")?;
            ["Price", "Amount"].iter().try_for_each(|name| rubles(item, name).map(drop))?;
        }
        let mut total_kopecks = 0_i64;
        for payment in list(receipt, "PaymentItems")? {
            number(payment, "PaymentType")?;
            total_kopecks = total_kopecks.saturating_add(rubles(payment, "Sum")?);
        }
        let number = text(request, "InvoiceId")?.to_owned();
        Ok(Self { number, total_kopecks, callback_url: request["CallbackUrl"].as_str().map(Into::into) })
    }

    /// "В это поле обязательно нужно поместить number данной операции"
    pub(super) fn of(self, number: &str) -> Result<Self, Complaint> {
        if self.number == number {
            Ok(self)
        } else {
            Err(format!("номер чека {} не номер операции", self.number))
        }
    }
}

fn object<'a>(within: &'a Value, name: &str) -> Result<&'a Value, Complaint> {
    let found = within.get(name).filter(|value| value.is_object());
    found.ok_or_else(|| format!("{name}: обязательное поле"))
}

fn list<'a>(within: &'a Value, name: &str) -> Result<&'a [Value], Complaint> {
    let found = within.get(name).and_then(Value::as_array).filter(|items| !items.is_empty());
    found.map(Vec::as_slice).ok_or_else(|| format!("{name}: обязательный список"))
}

fn text<'a>(within: &'a Value, name: &str) -> Result<&'a str, Complaint> {
    let found = within.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.ok_or_else(|| format!("{name}: обязательное поле"))
}

/// Rubles as a JSON number, in kopecks.
fn rubles(within: &Value, name: &str) -> Result<i64, Complaint> {
    let number = number(within, name)?.to_string();
    let money = Money::parse(&number, Unit::Sum, Currency::Rub).map_err(|error| format!("{name}: {error}"))?;
    if money.minor() < 0 { Err(format!("{name}: меньше нуля")) } else { Ok(money.minor()) }
}

fn number<'a>(within: &'a Value, name: &str) -> Result<&'a Number, Complaint> {
    within.get(name).and_then(Value::as_number).ok_or_else(|| format!("{name}: не число"))
}

/// Digits where the pattern has nines, and the pattern's own characters between them.
fn stamp(text: &str, pattern: &str) -> Result<(), Complaint> {
    let same = text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(is, due)| if due == b'9' { is.is_ascii_digit() } else { is == due });
    if same { Ok(()) } else { Err(format!("{text}: неверный формат даты")) }
}

fn inn(text: &str) -> Result<(), Complaint> {
    if INN_DIGITS.contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("{text}: неверный ИНН"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn atol() -> Value {
        json!({
            "external_id": "1111-2222-3333-4444", "timestamp": "10.11.2022 20:10:00",
            "receipt": {
                "client": {"email": "user@mail.ru"},
                "company": {"sno": "osn", "email": "user@mail.ru", "inn": "5544332219", "payment_address": "г Москва"},
                "items": [{"name": "тест", "price": 12.5, "quantity": 1.001, "sum": 12.5}],
                "payments": [{"type": 1, "sum": 12.5}], "total": 12.50,
            },
        })
    }

    #[test]
    fn rubles_become_kopecks_without_a_float() {
        assert_eq!(Document::atol(&atol()).unwrap().total_kopecks, 1_250);
        for (text, kopecks) in [("500", 50_000), ("500.0", 50_000), ("42949672.95", 4_294_967_295), ("0.07", 7)] {
            let value: Value = serde_json::from_str(&format!(r#"{{"sum":{text}}}"#)).unwrap();
            assert_eq!(rubles(&value, "sum").unwrap(), kopecks, "{text}");
        }
        for text in ["-1", "1e30", "\"5\"", "0.12345", "null"] {
            let value: Value = serde_json::from_str(&format!(r#"{{"sum":{text}}}"#)).unwrap();
            assert!(rubles(&value, "sum").is_err(), "{text}");
        }
    }

    #[test]
    fn an_ofd_complains_about_what_is_missing_or_misspelt() {
        type Spoil = fn(&mut Value);
        let spoil: [(&str, Spoil); 6] = [
            ("timestamp", |body| body["timestamp"] = json!("2022-11-10T20:10:00")),
            ("client", |body| body["receipt"]["client"] = json!({})),
            ("inn", |body| body["receipt"]["company"]["inn"] = json!("123")),
            ("items", |body| body["receipt"]["items"] = json!([])),
            ("price", |body| body["receipt"]["items"][0]["price"] = json!("12.5")),
            ("total", |body| body["receipt"]["total"] = json!(13)),
        ];
        for (what, spoil) in spoil {
            let mut body = atol();
            spoil(&mut body);
            assert!(Document::atol(&body).is_err(), "{what}");
        }
        assert!(Document::atol(&atol()).unwrap().of("1111-2222-3333-4445").is_err());
    }
}
