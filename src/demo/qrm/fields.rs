//! Reading a request's body, and complaining about it as the document does: `{"<field>": ["<message>"]}`.

use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{Refusal, detail};

/// A request's object, and what is wrong with it so far.
pub(super) struct Fields {
    object: Map<String, Value>,
    errors: Map<String, Value>,
}

impl Fields {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { object, errors: Map::new() }),
            Ok(_) => Err(non_field("Недопустимые данные. Ожидался dictionary.")),
            Err(error) => Err(detail(&format!("JSON parse error - {error}"))),
        }
    }

    /// A body that may be left out ("Если оставить тело запроса пустым").
    pub(super) fn read_or_empty(body: &[u8]) -> Result<Self, Refusal> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { object: Map::new(), errors: Map::new() });
        }
        Self::read(body)
    }

    pub(super) fn complain(&mut self, name: &str, complaint: &str) {
        self.errors.insert(name.to_owned(), json!([complaint]));
    }

    fn present(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn required(&mut self, name: &str) {
        let complaint = if self.object.contains_key(name) {
            "Это поле не может быть пустым."
        } else {
            "Обязательное поле."
        };
        self.complain(name, complaint);
    }

    /// An integer; the tables of "BenefitY" call the sum a string, so digits in quotes are taken too.
    pub(super) fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match self.present(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let complaint = match number {
            None => "Введите правильное число.".to_owned(),
            Some(number) if number < *range.start() => {
                format!("Убедитесь, что это значение больше либо равно {}.", range.start())
            }
            Some(number) if number > *range.end() => {
                format!("Убедитесь, что это значение меньше либо равно {}.", range.end())
            }
            found => return found,
        };
        self.complain(name, &complaint);
        None
    }

    /// An integer that has to be there.
    pub(super) fn an_integer(&mut self, name: &str, range: RangeInclusive<i64>) -> i64 {
        if self.present(name).is_none() {
            self.required(name);
        }
        self.integer(name, range).unwrap_or_default()
    }

    /// Text of at most so many characters.
    pub(super) fn text(&mut self, name: &str, max_chars: usize) -> Option<String> {
        let complaint = match self.present(name)? {
            Value::String(text) if text.chars().count() > max_chars => {
                format!("Убедитесь, что это поле не содержит более {max_chars} символов.")
            }
            Value::String(text) => return Some(text.clone()),
            _ => "Не является строкой.".to_owned(),
        };
        self.complain(name, &complaint);
        None
    }

    /// Text that has to be there.
    pub(super) fn a_text(&mut self, name: &str, max_chars: usize) -> String {
        let text = self.text(name, max_chars);
        if self.present(name).is_none() || text.as_deref() == Some("") {
            self.required(name);
        }
        text.unwrap_or_default()
    }

    /// The objects of a list, read one by one; their complaints become this body's.
    pub(super) fn each<T>(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let items = match self.present(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) if !items.is_empty() => items.clone(),
            Some(Value::Array(_)) => {
                self.complain(name, "Этот список не может быть пустым.");
                return Vec::new();
            }
            Some(_) => {
                self.complain(name, "Ожидался список элементов.");
                return Vec::new();
            }
        };
        items.into_iter().filter_map(|item| self.inside(name, item, &mut read)).collect()
    }

    /// The object of this name, if it is there.
    pub(super) fn one<T>(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> T) -> Option<T> {
        let item = self.present(name)?.clone();
        self.inside(name, item, &mut read)
    }

    fn inside<T>(&mut self, name: &str, item: Value, read: &mut impl FnMut(&mut Self) -> T) -> Option<T> {
        let Value::Object(object) = item else {
            self.complain(name, "Недопустимые данные. Ожидался dictionary.");
            return None;
        };
        let mut inner = Self { object, errors: Map::new() };
        let value = read(&mut inner);
        self.errors.extend(inner.errors);
        Some(value)
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err((StatusCode::BAD_REQUEST, Value::Object(self.errors))) }
    }
}

/// 400 with the name of a field.
pub(super) fn field(name: &str, message: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, json!({ name: [message] }))
}

/// 400 that belongs to no field.
pub(super) fn non_field(message: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, json!({ "non_field_errors": [message] }))
}
