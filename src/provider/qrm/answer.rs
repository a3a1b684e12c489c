//! What all answers have in common: `results` around them or not, ids that are texts, and integers that may come as text.

use serde_json::{Map, Value};

use super::error::{QrmError, success};
use crate::limits;

/// The fields of a successful answer, bare or within `results`: the document prints both.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    status: u16,
    fields: Map<String, Value>,
}

impl Fields {
    pub(super) fn of(status: u16, body: &[u8]) -> Result<Self, QrmError> {
        let Value::Object(mut fields) = success(status, body)? else {
            return Err(QrmError::Malformed { status, why: "not an object".to_owned() });
        };
        match fields.remove("results") {
            Some(Value::Object(within)) => Ok(Self { status, fields: within }),
            Some(Value::Null) | None => Ok(Self { status, fields }),
            Some(_) => Err(QrmError::Malformed { status, why: "results is not an object".to_owned() }),
        }
    }

    pub(super) fn malformed(&self, why: impl Into<String>) -> QrmError {
        QrmError::Malformed { status: self.status, why: why.into() }
    }

    /// The first of these names that is there and not `null`.
    pub(super) fn value(&self, names: &[&str]) -> Option<&Value> {
        names.iter().find_map(|name| self.fields.get(*name)).filter(|value| !value.is_null())
    }

    /// A text that is not empty and not longer than any id seen; whatever else is there counts as wrong, not as absent.
    pub(super) fn id(&self, names: &[&str]) -> Result<Option<String>, QrmError> {
        let Some(value) = self.value(names) else { return Ok(None) };
        let fits = |id: &&str| !id.is_empty() && id.chars().count() <= limits::PROVIDER_ID_MAX_CHARS && is_id(id);
        let id = value.as_str().filter(fits).ok_or_else(|| self.malformed(format!("{} is not an id", names[0])))?;
        Ok(Some(id.to_owned()))
    }

    pub(super) fn needed_id(&self, names: &[&str]) -> Result<String, QrmError> {
        self.id(names)?.ok_or_else(|| self.malformed(format!("no {}", names[0])))
    }

    /// A link of http or https that is short enough to be drawn as a code.
    pub(super) fn link(&self, name: &str) -> Result<String, QrmError> {
        let link = self.value(&[name]).and_then(Value::as_str).ok_or_else(|| self.malformed(format!("no {name}")))?;
        let is_web = link.starts_with("https://") || link.starts_with("http://");
        let is_plain = link.bytes().all(|b| b.is_ascii_graphic());
        if !is_web || !is_plain || link.len() > limits::CODE_MAX_CHARS {
            return Err(self.malformed(format!("{name} is not a link that can be drawn")));
        }
        Ok(link.to_owned())
    }

    pub(super) fn integer(&self, names: &[&str]) -> Option<i64> {
        self.value(names).and_then(integer)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(&[name]).and_then(Value::as_str).map(super::error::shortened)
    }

    /// A number as it was written.
    pub(super) fn number(&self, name: &str) -> Option<String> {
        self.value(&[name]).filter(|value| value.is_number()).map(Value::to_string)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.value(&[name]).and_then(Value::as_bool)
    }
}

/// An integer, as a number or as text: the document's own types disagree with its examples.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Characters that a path carries as they are: letters, digits and the four marks of RFC 3986, and not only dots.
fn is_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) && text.bytes().any(|b| b != b'.')
}

/// An id as one step of a path.
pub(super) fn step<'a>(field: &'static str, id: &'a str) -> Result<&'a str, QrmError> {
    if is_id(id) {
        return Ok(id);
    }
    Err(QrmError::Unfit { field, why: "an id has letters, digits and -._~ and is not empty".to_owned() })
}
