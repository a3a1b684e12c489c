//! A request's body, read strictly: one JSON object, UTF-8, no key twice. What is wrong with its fields is gathered, so that a till
//! hears of all its mistakes at once, in the words of the documents ("This field may not be blank.").

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use uuid::Uuid;

use crate::limits;
use crate::payment::money::{Currency, Money, MoneyError, Unit};

/// The key under which mistakes stand that belong to no field.
const WHOLE_BODY: &str = "non_field_errors";

const REQUIRED: &str = "This field is required.";
const NULL: &str = "This field may not be null.";
const BLANK: &str = "This field may not be blank.";
const INTEGER: &str = "A valid integer is required.";
const STRING: &str = "Not a valid string.";
const BOOLEAN: &str = "Must be a valid boolean.";
const OBJECT: &str = "A JSON object is required.";
const LIST: &str = "A list of JSON objects is required.";

/// What is wrong with a body: field → sentences, in the order in which they were found. Written as one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldErrors(Vec<(String, Vec<String>)>);

impl FieldErrors {
    /// One mistake of the whole body.
    pub(super) fn of_body(text: impl Into<String>) -> Self {
        Self::of(WHOLE_BODY, text)
    }

    /// One mistake of one field.
    pub(super) fn of(field: &str, text: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), vec![text.into()])])
    }

    /// Add a mistake of one field; without a name, of the whole body.
    pub(super) fn add(&mut self, field: &str, text: impl Into<String>) {
        let field = if field.is_empty() { WHOLE_BODY } else { field };
        match self.0.iter_mut().find(|(name, _)| name == field) {
            Some((_, texts)) => texts.push(text.into()),
            None => self.0.push((field.to_owned(), vec![text.into()])),
        }
    }

    /// The first mistake: its field and its sentence.
    pub(super) fn first(&self) -> Option<(&str, &str)> {
        let (field, texts) = self.0.first()?;
        texts.first().map(|text| (field.as_str(), text.as_str()))
    }
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, texts) in &self.0 {
            map.serialize_entry(field, texts)?;
        }
        map.end()
    }
}

/// The fields of a body, looked at one by one; [`Fields::finish`] tells what was wrong.
pub(super) struct Fields<'a> {
    known: BTreeMap<String, &'a RawValue>,
    errors: FieldErrors,
}

/// Whether a field may be left out. `null` and `""` are never a way of leaving a field out: a till that sends them has lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

impl<'a> Fields<'a> {
    /// Read one JSON object. Its values are only measured here and looked at when they are asked for; keys that nobody asks for are
    /// ignored.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, FieldErrors> {
        let text = std::str::from_utf8(body).map_err(|e| {
            FieldErrors::of_body(format!("The body is not UTF-8 (byte {}): send it as UTF-8.", e.valid_up_to() + 1))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        if text.is_empty() {
            return Err(FieldErrors::of_body("The body is empty: send a JSON object."));
        }
        if depth(text) > limits::JSON_DEPTH {
            let most = limits::JSON_DEPTH;
            return Err(FieldErrors::of_body(format!("The body is nested more than {most} levels deep.")));
        }
        if !text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok() {
            return Err(FieldErrors::of_body("The body is JSON but no object: send {\"field\": value}."));
        }
        let object: Object<'a> =
            serde_json::from_str(text).map_err(|e| FieldErrors::of_body(format!("The body is not JSON: {e}.")))?;
        Ok(Self { known: object.0, errors: FieldErrors::default() })
    }

    /// No fields: a request that needs none may come without a body.
    pub(super) fn none() -> Self {
        Self { known: BTreeMap::new(), errors: FieldErrors::default() }
    }

    /// Add a mistake that the caller found.
    pub(super) fn mistake(&mut self, field: &str, text: impl Into<String>) {
        self.errors.add(field, text);
    }

    /// An amount: a positive JSON integer that counts `unit`. `500.00` is the integer 500; `500.50` is refused, and so is text.
    pub(super) fn amount(&mut self, name: &str, unit: Unit) -> Option<Money> {
        let value = self.present(name, Need::Required)?;
        let read = Money::parse(value.get(), unit, Currency::Uzs).and_then(Money::positive);
        let whole = read.and_then(|money| money.to_unit(unit).map(|_| money));
        let largest = Money::from_minor(limits::AMOUNT_MAX_TIYIN, Currency::Uzs);
        match whole {
            Ok(money) if money.minor() <= largest.minor() => return Some(money),
            Err(MoneyError::NotPositive) => self.mistake(name, "Ensure this value is greater than or equal to 1."),
            Ok(_) | Err(MoneyError::TooLarge) => {
                let most = largest.to_unit(unit).unwrap_or_default();
                self.mistake(name, format!("Ensure this value is less than or equal to {most}."));
            }
            Err(_) => self.mistake(name, INTEGER),
        }
        None
    }

    /// A text, under the first of `names` that is there. A number is taken as it is written, since ids arrive both ways.
    pub(super) fn text(&mut self, names: &[&str], need: Need, max_chars: usize) -> Option<String> {
        let name = self.spelling(names);
        let value = self.present(name, need)?;
        let text = match value.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(value.get()).ok(),
            Some(b'0'..=b'9') if value.get().bytes().all(|b| b.is_ascii_digit()) => Some(value.get().to_owned()),
            _ => None,
        };
        let Some(text) = text else {
            self.mistake(name, STRING);
            return None;
        };
        self.sized(name, text.trim(), max_chars)
    }

    /// A JSON string as it was sent, not trimmed.
    pub(super) fn words(&mut self, name: &str, need: Need, max_chars: usize) -> Option<String> {
        let value = self.present(name, need)?;
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) => self.sized(name, &text, max_chars),
            Err(_) => {
                self.mistake(name, STRING);
                None
            }
        }
    }

    /// A till's own number: a JSON string or, since numbers arrive both ways, up to 15 digits, which no float has changed on their way.
    pub(super) fn number(&mut self, name: &str) -> Option<String> {
        let digits = self.known.get(name).filter(|value| value.get().bytes().all(|b| b.is_ascii_digit()));
        match digits.map(|digits| digits.get().to_owned()) {
            Some(digits) if digits.len() <= 15 => Some(digits),
            _ => self.words(name, Need::Optional, limits::ORDER_ID_MAX_CHARS),
        }
    }

    fn sized(&mut self, name: &str, text: &str, max_chars: usize) -> Option<String> {
        if text.trim().is_empty() {
            self.mistake(name, BLANK);
        } else if text.chars().count() > max_chars {
            self.mistake(name, format!("Ensure this field has no more than {max_chars} characters."));
        } else if text.chars().any(char::is_control) {
            self.mistake(name, "Control characters are not allowed.");
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// A UUID.
    pub(super) fn uuid(&mut self, name: &str, need: Need) -> Option<Uuid> {
        let text = self.text(&[name], need, limits::ORDER_ID_MAX_CHARS)?;
        let read = Uuid::try_parse(&text).ok();
        if read.is_none() {
            self.mistake(name, "Must be a valid UUID.");
        }
        read
    }

    /// `true` or `false`; a field left out is false.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// `true` or `false`, and what a field left out means.
    pub(super) fn flag_or(&mut self, name: &str, left_out: bool) -> bool {
        match self.present(name, Need::Optional).map(RawValue::get) {
            Some("true") => true,
            Some("false") => false,
            None => left_out,
            Some(_) => {
                self.mistake(name, BOOLEAN);
                left_out
            }
        }
    }

    /// A whole number within `range`, written with digits alone: a point or an exponent is how a float looks.
    pub(super) fn whole(&mut self, name: &str, need: Need, range: RangeInclusive<i64>) -> Option<i64> {
        let text = self.present(name, need)?.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            self.mistake(name, INTEGER);
            return None;
        }
        // What does not fit is larger, or smaller, than every range.
        let beyond = if text.starts_with('-') { i64::MIN } else { i64::MAX };
        let number = text.parse().unwrap_or(beyond);
        let (least, most) = (*range.start(), *range.end());
        if number < least {
            self.mistake(name, format!("Ensure this value is greater than or equal to {least}."));
        } else if number > most {
            self.mistake(name, format!("Ensure this value is less than or equal to {most}."));
        } else {
            return Some(number);
        }
        None
    }

    /// An object within the body, looked at field by field; its mistakes are told under `name.field`.
    pub(super) fn within<T>(
        &mut self,
        name: &str,
        need: Need,
        look: impl FnOnce(&mut Fields<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.present(name, need)?;
        self.look_into(name, value, OBJECT, look)
    }

    /// A list of at least one and at most `most` objects; the mistakes of one are told under `name[0].field`.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        need: Need,
        most: usize,
        mut look: impl FnMut(&mut Fields<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.present(name, need)?;
        let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(value.get()) else {
            self.mistake(name, LIST);
            return None;
        };
        if items.is_empty() || items.len() > most {
            self.mistake(name, format!("Ensure this list has 1 to {most} entries."));
            return None;
        }
        let items = items.into_iter().enumerate();
        let seen: Vec<Option<T>> =
            items.map(|(i, item)| self.look_into(&format!("{name}[{i}]"), item, LIST, &mut look)).collect();
        seen.into_iter().collect()
    }

    fn look_into<T>(
        &mut self,
        name: &str,
        value: &'a RawValue,
        otherwise: &str,
        look: impl FnOnce(&mut Fields<'a>) -> Option<T>,
    ) -> Option<T> {
        let object = match serde_json::from_str::<Object<'a>>(value.get()) {
            Ok(object) => object,
            // It is an object, and what is wrong with it is told.
            Err(error) if value.get().starts_with('{') => {
                self.mistake(name, format!("This is no JSON object of ours: {error}."));
                return None;
            }
            Err(_) => {
                self.mistake(name, otherwise);
                return None;
            }
        };
        let mut fields = Fields { known: object.0, errors: FieldErrors::default() };
        let made = look(&mut fields);
        let flawless = fields.errors.0.is_empty();
        for (field, texts) in fields.errors.0 {
            texts.into_iter().for_each(|text| self.mistake(&format!("{name}.{field}"), text));
        }
        made.filter(|_| flawless)
    }

    /// Whether the body has that key.
    pub(super) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// The first of `names` that the body has; the first of all where it has none, to be named in the error.
    pub(super) fn spelling<'n>(&self, names: &[&'n str]) -> &'n str {
        let found = names.iter().find(|name| self.known.contains_key(**name));
        found.or(names.first()).copied().unwrap_or_default()
    }

    /// A value as it was written, for whoever reads it in a way of its own.
    pub(super) fn raw(&mut self, name: &str, need: Need) -> Option<&'a RawValue> {
        self.present(name, need)
    }

    fn present(&mut self, name: &str, need: Need) -> Option<&'a RawValue> {
        match self.known.get(name) {
            Some(value) if value.get() == "null" => self.mistake(name, NULL),
            Some(value) => return Some(value),
            None if need == Need::Required => self.mistake(name, REQUIRED),
            None => {}
        }
        None
    }

    /// What was made of the fields, or what is wrong with them.
    pub(super) fn finish<T>(self, made: Option<T>) -> Result<T, FieldErrors> {
        match made {
            Some(made) if self.errors.0.is_empty() => Ok(made),
            _ => Err(self.errors),
        }
    }
}

/// How deep brackets stand within each other. Counted before parsing, so that depth never becomes stack.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => open += 1,
            b'}' | b']' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// An object whose keys stand once.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut known = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if known.contains_key(&key) {
                        return Err(de::Error::custom(format!("the key {key:?} stands twice")));
                    }
                    known.insert(key, value);
                }
                Ok(Object(known))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

#[cfg(test)]
mod tests;
