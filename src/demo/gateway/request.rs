//! What a till, or our terminal, sends to the gateway, and how the gateway complains about it: error 7 with a JSON object of field names, as text.

use serde_json::{Map, Value, json};

use super::Vendor;
use crate::payment::money::{Currency, Money, Unit};

/// `{amount, qr_code}`.
pub(super) struct ChargeRequest {
    /// As told.
    pub(super) amount: i64,
    /// What it means here.
    pub(super) money: Money,
    /// The customer's code.
    pub(super) code: String,
}

/// `{payment_id, qrcode}` and its later and other spellings.
pub(super) struct ConfirmRequest {
    /// What the id was called.
    pub(super) id_key: &'static str,
    /// Of which charge.
    pub(super) payment_id: String,
    /// The receipt's link.
    pub(super) link: String,
    /// Its number, where the dialect has it.
    pub(super) receipt_id: Option<String>,
    /// Its sign, where the dialect has it.
    pub(super) fiscal_sign: Option<String>,
}

/// The message of an error 7: a JSON object of field names and complaints, as text.
type FieldErrors = String;

impl ChargeRequest {
    pub(super) fn read(body: &[u8], unit: Unit) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let amount = fields.integer("amount").unwrap_or_default();
        let code = fields.text("qr_code").unwrap_or_default();
        let money = Money::from_unit(amount, unit, Currency::Uzs).unwrap_or_else(|_| {
            fields.complain("amount", "Ensure this value is less than or equal to 92233720368547758.");
            Money::from_minor(0, Currency::Uzs)
        });
        fields.finish()?;
        Ok(Self { amount, money, code })
    }
}

impl ConfirmRequest {
    pub(super) fn read(body: &[u8], vendor: Vendor) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let id_key =
            fields.first_of(if vendor == Vendor::Payme { &["payme_id", "payment_id"] } else { &["payment_id"] });
        let link_key = fields.first_of(&["qrcode", "qrcodel", "qr_code_url", "qr_code"]);
        let payment_id = fields.text(id_key);
        let link = fields.text(link_key);
        // The page of 2024-12 asks Payme for the link alone; the older ones for its number and sign as well.
        let short = link_key == "qr_code" && !fields.has("receipt_id") && !fields.has("fiscal_sign");
        let older = vendor == Vendor::Payme && !short;
        let receipt_id = if older { fields.text("receipt_id") } else { None };
        let fiscal_sign = if older { fields.text("fiscal_sign") } else { None };
        fields.finish()?;
        let (payment_id, link) = (payment_id.unwrap_or_default(), link.unwrap_or_default());
        Ok(Self { id_key, payment_id, link, receipt_id, fiscal_sign })
    }
}

/// A request's object, and what is wrong with it so far.
struct Fields {
    object: Map<String, Value>,
    errors: Map<String, Value>,
}

impl Fields {
    fn read(body: &[u8]) -> Result<Self, FieldErrors> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { object, errors: Map::new() }),
            _ => Err(json!({ "non_field_errors": ["Invalid data. Expected a dictionary."] }).to_string()),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// The first of these names that is there; the first one if none is.
    fn first_of(&self, names: &[&'static str]) -> &'static str {
        names.iter().copied().find(|name| self.has(name)).unwrap_or(names[0])
    }

    fn complain(&mut self, name: &str, complaint: &str) {
        self.errors.insert(name.to_owned(), json!([complaint]));
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let found = match self.object.get(name) {
            None => Err("This field is required."),
            Some(Value::Null) => Err("This field may not be null."),
            Some(Value::String(text)) if text.trim().is_empty() => Err("This field may not be blank."),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err("Not a valid string."),
        };
        found.map_err(|complaint| self.complain(name, complaint)).ok()
    }

    fn integer(&mut self, name: &str) -> Option<i64> {
        let found = match self.object.get(name) {
            None => Err("This field is required."),
            Some(Value::Null) => Err("This field may not be null."),
            Some(value) => match value.as_i64() {
                Some(number) if number >= 1 => Ok(number),
                Some(_) => Err("Ensure this value is greater than or equal to 1."),
                None => Err("A valid integer is required."),
            },
        };
        found.map_err(|complaint| self.complain(name, complaint)).ok()
    }

    fn finish(self) -> Result<(), FieldErrors> {
        if self.errors.is_empty() { Ok(()) } else { Err(Value::Object(self.errors).to_string()) }
    }
}
