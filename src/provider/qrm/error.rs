//! Why QRManager gave no answer that can be used: one flat enum, and how the error shapes of the document become it.
//!
//! ```text
//! {"non_field_errors": ["<message>"]}     of the request as a whole; the bank's five seconds are one of them
//! {"<field>": ["<message>"], …}           of single fields
//! {"detail": "<message>"}                 of the bank, of SBP, of the access
//! ```

use serde_json::{Map, Value};

use crate::limits;
use crate::payment::sale::{Decline, DeclineKind};

/// Why there is no answer to use. The provider's words are kept, shortened; the key is never among them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QrmError {
    /// The profile has no key that could be sent. Nothing was sent.
    #[error("no key for the QR terminal “{profile}”: {why}")]
    NoKey {
        /// Which.
        profile: String,
        /// What is wrong with it.
        why: String,
    },
    /// The document does not allow such a request. Nothing was sent.
    #[error("{field}: {why}")]
    Unfit {
        /// The field, as the document names it.
        field: &'static str,
        /// What it has to be.
        why: String,
    },
    /// Not one byte of the request was written.
    #[error("{text}")]
    NotSent {
        /// For the technician.
        text: String,
    },
    /// Some of the request may have been written, and no whole answer came.
    #[error("{text}")]
    Lost {
        /// For the technician.
        text: String,
    },
    /// The key is not taken: 401 or 403.
    #[error("QRManager does not take the key of this QR terminal (HTTP {status}): {text}")]
    Unauthorised {
        /// 401 or 403.
        status: u16,
        /// The provider's words.
        text: String,
    },
    /// The bank did not answer QRManager within its five seconds (§2.1, 1).
    #[error("the bank did not answer QRManager in time: {text}")]
    BankTimeout {
        /// The provider's words.
        text: String,
    },
    /// `<field>: […]`.
    #[error("QRManager refuses {field}: {text}")]
    RefusedField {
        /// The HTTP status.
        status: u16,
        /// The first field that it names.
        field: String,
        /// Its words; further fields follow with their names.
        text: String,
    },
    /// `non_field_errors: […]`.
    #[error("QRManager refuses: {text}")]
    RefusedWhole {
        /// The HTTP status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// `detail`: what the bank or SBP said, or that something does not exist.
    #[error("QRManager refuses: {text}")]
    RefusedDetail {
        /// The HTTP status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// The server is in trouble: 5xx, or a status that says that the request took too long.
    #[error("QRManager is in trouble (HTTP {status}): {text}")]
    Trouble {
        /// The HTTP status.
        status: u16,
        /// Its words, if it had any.
        text: String,
    },
    /// An answer that is none of the document's.
    #[error("QRManager's answer (HTTP {status}) is none of the document's: {why}")]
    Malformed {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it. Nothing of an answer that could name a person.
        why: String,
    },
}

impl QrmError {
    /// The HTTP status, where an answer came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::BankTimeout { .. } => Some(400),
            Self::Unauthorised { status, .. }
            | Self::RefusedField { status, .. }
            | Self::RefusedWhole { status, .. }
            | Self::RefusedDetail { status, .. }
            | Self::Trouble { status, .. }
            | Self::Malformed { status, .. } => Some(*status),
            Self::NoKey { .. } | Self::Unfit { .. } | Self::NotSent { .. } | Self::Lost { .. } => None,
        }
    }

    /// The class of it, which decides what becomes of the money.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoKey { .. } | Self::Unauthorised { .. } => Class::Refused(self.decline(DeclineKind::Misconfigured)),
            Self::RefusedField { .. } | Self::RefusedWhole { .. } | Self::RefusedDetail { .. } => {
                Class::Refused(self.decline(DeclineKind::Refused))
            }
            Self::Unfit { .. } | Self::NotSent { .. } => Class::NotSent(self.to_string()),
            // What the bank did after QRManager stopped waiting for it, nobody knows.
            Self::BankTimeout { .. } | Self::Lost { .. } | Self::Trouble { .. } | Self::Malformed { .. } => {
                Class::InDoubt(self.to_string())
            }
        }
    }

    fn decline(&self, why: DeclineKind) -> Decline {
        let code = match self {
            Self::RefusedField { field, .. } => Some(field.clone()),
            Self::RefusedWhole { .. } => Some("non_field_errors".to_owned()),
            Self::RefusedDetail { .. } => Some("detail".to_owned()),
            Self::Unauthorised { status, .. } => Some(status.to_string()),
            _ => None,
        };
        let message = match self {
            Self::RefusedField { field, text, .. } => format!("{field}: {text}"),
            Self::RefusedWhole { text, .. } | Self::RefusedDetail { text, .. } => text.clone(),
            other => other.to_string(),
        };
        Decline { why, code, message: Some(message) }
    }
}

/// What an error proves about the request (DESIGN §4, "Outcome classes").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// A well-formed no: it did not happen.
    Refused(Decline),
    /// Nothing was sent.
    NotSent(String),
    /// It may have happened.
    InDoubt(String),
}

/// How the bank's timeout begins (§2.1, 1; the tables of statuses): what was waited for follows. A receipt's "… чека. Истекло время ожидания
/// сервиса ОФД" is another one and begins otherwise.
const BANK_TIMEOUT: [&str; 2] = ["Истекло время ожидания", "Таймаут ожидания"];

/// Take an answer apart: the JSON of a success, or the error that it is.
///
/// # Errors
/// Every error that an answer can be.
pub fn success(status: u16, body: &[u8]) -> Result<Value, QrmError> {
    let json: Result<Value, QrmError> = serde_json::from_slice(body)
        .map_err(|_| QrmError::Malformed { status, why: format!("{} bytes that are not JSON", body.len()) });
    match status {
        200..300 => {
            let json = json?;
            match json.as_object().and_then(|fields| shape(status, fields, true)) {
                None => Ok(json),
                Some(error) => Err(QrmError::Malformed { status, why: format!("success with an error: {error}") }),
            }
        }
        401 | 403 => Err(QrmError::Unauthorised { status, text: words(json.ok().as_ref()) }),
        408 | 425 | 500..600 => Err(QrmError::Trouble { status, text: words(json.ok().as_ref()) }),
        400..500 => {
            let json = json?;
            let error = json.as_object().and_then(|fields| shape(status, fields, false));
            Err(error.unwrap_or_else(|| QrmError::Malformed {
                status,
                why: "an error in no shape of the document".to_owned(),
            }))
        }
        _ => Err(QrmError::Malformed { status, why: "no answer of QRManager comes so".to_owned() }),
    }
}

/// The error that an object is. A success is looked at for the two names that no success has.
fn shape(status: u16, fields: &Map<String, Value>, of_success: bool) -> Option<QrmError> {
    let said = |name: &str| fields.get(name).and_then(message);
    let by_bank = |text: &String| BANK_TIMEOUT.iter().any(|words| text.starts_with(words));
    if let Some(text) = said("non_field_errors").or_else(|| said("detail")).filter(by_bank) {
        return Some(QrmError::BankTimeout { text });
    }
    if let Some(text) = said("non_field_errors") {
        return Some(QrmError::RefusedWhole { status, text });
    }
    if let Some(text) = said("detail") {
        return Some(QrmError::RefusedDetail { status, text });
    }
    if of_success {
        return None;
    }
    let mut named = fields.iter().filter(|(_, value)| value.is_array() || value.is_object());
    let (field, text) = named.find_map(|(name, value)| Some((name, message(value)?)))?;
    let others = named.filter_map(|(name, value)| Some(format!("; {name}: {}", message(value)?)));
    let text = shortened(&std::iter::once(text).chain(others).collect::<String>());
    Some(QrmError::RefusedField { status, field: shortened(field), text })
}

/// A text, or the texts of a list or of an object within: errors of nested fields come so.
fn message(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(message).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let named = fields.iter().filter_map(|(name, value)| Some(format!("{name}: {}", message(value)?)));
            named.collect::<Vec<_>>().join("; ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    };
    (!text.trim().is_empty()).then(|| shortened(&text))
}

fn words(json: Option<&Value>) -> String {
    let known = |fields: &Map<String, Value>| match shape(0, fields, false)? {
        QrmError::RefusedField { field, text, .. } => Some(format!("{field}: {text}")),
        QrmError::RefusedWhole { text, .. } | QrmError::RefusedDetail { text, .. } | QrmError::BankTimeout { text } => {
            Some(text)
        }
        _ => None,
    };
    json.and_then(Value::as_object).and_then(known).unwrap_or_else(|| "it says no more".to_owned())
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(limits::PROVIDER_TEXT_MAX_CHARS).collect()
}
