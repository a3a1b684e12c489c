//! What a till may send, said as exactly as a schema can: which method takes which currency here, which QR terminals there are, and that `null`
//! is never a way to leave a field out.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::operations;
use crate::api::ApiSettings;
use crate::api::sbp::meant;
use crate::limits;
use crate::payment::money::{Currency, Money, Unit};

/// What every text is that has no narrower rule: something that can be read, and nothing that cannot.
const TEXT: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// Numbers that tills and providers draw; they arrive as texts and as JSON's numbers.
const NUMBERS: [&str; 6] = ["order_id", "request_id", "payment_id", "payme_id", "receipt_id", "fiscal_sign"];

/// Make the document say it.
pub(super) fn say_what_is_taken(document: &mut Value, settings: &ApiSettings) {
    for name in sent(document) {
        let Some(schema) = document["components"]["schemas"].get_mut(&name) else { continue };
        without_null(schema);
        if let Some(profile) = schema.pointer_mut("/properties/profile") {
            name_profiles(profile, settings);
        }
    }
    for (_, _, operation) in operations(document) {
        if let Some(body) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
            without_null(body);
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            without_null(&mut parameter["schema"]);
            if parameter["name"] == "profile" {
                name_profiles(&mut parameter["schema"], settings);
            }
        }
    }
    if let Some(refund) = document.pointer_mut("/components/schemas/RefundRequest") {
        refund["dependentRequired"] = json!({"amount": ["currency"], "currency": ["amount"]});
    }
    if let Some(money) = document.pointer_mut("/components/schemas/MoneyInfo") {
        by_method(money, settings);
    }
}

/// The schemas that stand in bodies of requests, at any depth.
fn sent(document: &mut Value) -> BTreeSet<String> {
    let mut open = Vec::new();
    for (_, _, operation) in operations(document) {
        named_in(&operation["requestBody"], &mut open);
    }
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if found.insert(name.clone()) {
            named_in(&document["components"]["schemas"][&name], &mut open);
        }
    }
    found
}

fn named_in(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let named = fields.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next());
            names.extend(named.map(str::to_owned));
            fields.values().for_each(|inner| named_in(inner, names));
        }
        Value::Array(items) => items.iter().for_each(|inner| named_in(inner, names)),
        _ => {}
    }
}

fn without_null(schema: &mut Value) {
    let null = json!("null");
    if let Some(types) = schema.get_mut("type")
        && let Some(named) = types.as_array_mut()
    {
        named.retain(|named| *named != null);
        if let [only] = named.as_slice() {
            *types = only.clone();
        }
    }
    if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| choice["type"] != null);
        if let [only] = choices.as_slice() {
            *schema = only.clone();
        }
    }
    for (name, field) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        without_null(field);
        narrow(name, field);
    }
}

/// The rules that every text has, and every number that may be a text.
fn narrow(name: &str, field: &mut Value) {
    let Some(rules) = field.as_object_mut().filter(|rules| rules.get("type") == Some(&json!("string"))) else { return };
    if !["pattern", "format", "enum"].iter().any(|rule| rules.contains_key(*rule)) {
        rules.insert("pattern".to_owned(), TEXT.into());
    }
    if NUMBERS.contains(&name) {
        let description = rules.remove("description");
        let example = rules.remove("example");
        *field = json!({"description": description, "oneOf": [field, {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999_u64}]});
        if let Some(example) = example {
            field["example"] = example;
        }
    }
}

fn name_profiles(schema: &mut Value, settings: &ApiSettings) {
    if !settings.sbp.is_empty() {
        schema["enum"] = settings.sbp.keys().map(String::as_str).collect();
    }
}

/// How a payment is to be paid: one shape for each kind of method, since each has its currency and its smallest step.
fn by_method(schema: &mut Value, settings: &ApiSettings) {
    let whole = |unit: Unit| unit == Unit::Sum;
    let (click, payme) = (whole(settings.click_upstream_unit), whole(settings.payme_upstream_unit));
    let methods = [("humo", false), ("click", click), ("payme", payme), ("auto", click || payme)];
    let of = |whole: bool| methods.iter().filter(|(_, is)| *is == whole).map(|(name, _)| (*name).to_owned()).collect();
    let (exact, in_sums): (Vec<String>, Vec<String>) = (of(false), of(true));
    let usual = meant(None, &settings.sbp).is_ok() || settings.sbp.is_empty();
    let profiles = settings.sbp.keys().map(|name| format!("sbp:{name}"));
    let sbp: Vec<String> = usual.then(|| "sbp".to_owned()).into_iter().chain(profiles).collect();
    let most_sums = Money::from_minor(limits::AMOUNT_MAX_TIYIN, Currency::Uzs);
    let most_roubles = Money::from_minor(limits::SBP_AMOUNT_MAX_KOPECKS, Currency::Rub);
    let kinds = [
        ("To the tiyin", exact, most_sums, 0.01),
        ("Whole sums", in_sums, most_sums, 1.0),
        ("SBP", sbp, most_roubles, 0.01),
    ];
    let shapes =
        kinds.into_iter().filter(|(_, methods, ..)| !methods.is_empty()).map(|(title, methods, most, step)| {
            let mut shape = schema.clone();
            shape["title"] = title.into();
            let fields = &mut shape["properties"];
            fields["method_id"] =
                json!({"type": "string", "enum": methods, "description": fields["method_id"]["description"]});
            let code = most.currency().code();
            fields["currency"] =
                json!({"type": "string", "enum": [code], "description": fields["currency"]["description"]});
            fields["amount"]["minimum"] = step.into();
            fields["amount"]["multipleOf"] = step.into();
            fields["amount"]["maximum"] = most.to_unit(Unit::Sum).unwrap_or_default().into();
            shape
        });
    let description = schema["description"].clone();
    *schema = json!({"description": description, "oneOf": shapes.collect::<Vec<_>>()});
}
