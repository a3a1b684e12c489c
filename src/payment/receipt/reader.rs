//! A document's JSON, read by hand: every value is asked for by its name, and what is wrong with it is written down with its path, so that
//! a till hears of all its mistakes at once. Numbers stay text until they are integers; fields that nobody asks for are not looked at.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

use super::document::Mistake;
use crate::payment::money::number::{ScaleError, scaled};
use crate::payment::money::{Currency, Money};

/// Mistakes that are kept: a till that has more of them has one mistake of another kind.
const MISTAKES: usize = 50;

/// The dearest price and sum, in kopecks: 42 949 672.95 (providers.md §6).
const MONEY_MAX: i64 = 4_294_967_295;

/// The largest quantity, in thousandths: 99 999.999.
const QUANTITY_MAX: i64 = 99_999_999;

/// What was found in a document.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Reasons to refuse it.
    pub(super) refused: Vec<Mistake>,
    /// Reasons to look at it again.
    pub(super) warned: Vec<Mistake>,
}

impl Notes {
    pub(super) fn refuse(&mut self, path: impl Into<String>, text: impl Into<String>) {
        push(&mut self.refused, path.into(), text.into());
    }

    pub(super) fn warn(&mut self, path: impl Into<String>, text: impl Into<String>) {
        push(&mut self.warned, path.into(), text.into());
    }
}

fn push(notes: &mut Vec<Mistake>, path: String, text: String) {
    if notes.len() < MISTAKES {
        notes.push(Mistake { path, text });
    }
}

/// Whether a field may be left out. `null` counts as left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// One JSON object of the document.
#[derive(Debug)]
pub(super) struct Object<'a> {
    /// Where it stands: `receipt.items[0]`; empty for the document itself.
    path: String,
    /// As written, from its `{` to its `}`.
    pub(super) raw: &'a str,
    fields: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Read an object. Its values are only measured here.
    pub(super) fn read(raw: &'a str, path: String, notes: &mut Notes) -> Option<Self> {
        match serde_json::from_str::<Fields<'a>>(raw) {
            Ok(fields) => Some(Self { path, raw, fields: fields.0 }),
            Err(e) => {
                notes.refuse(path, format!("write a JSON object here ({e})"));
                None
            }
        }
    }

    /// Where a field of this object stands.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A value as written; `null` is none.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.fields.get(name).map(|raw| raw.get()).filter(|text| *text != "null")
    }

    /// The field is there, if only as `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn needed(&self, name: &str, need: Need, notes: &mut Notes) -> Option<&'a str> {
        let value = self.value(name);
        if value.is_none() && need == Need::Required {
            notes.refuse(self.at(name), "write this field: it is required");
        }
        value
    }

    /// An object within this one.
    pub(super) fn object(&self, name: &str, need: Need, notes: &mut Notes) -> Option<Object<'a>> {
        let raw = self.needed(name, need, notes)?;
        Self::read(raw, self.at(name), notes)
    }

    /// A list of objects, at least `min` and at most `max` of them.
    pub(super) fn objects(&self, name: &str, min: usize, max: usize, notes: &mut Notes) -> Vec<Object<'a>> {
        let need = if min > 0 { Need::Required } else { Need::Optional };
        let Some(raw) = self.needed(name, need, notes) else { return Vec::new() };
        let Ok(found) = serde_json::from_str::<Vec<&'a RawValue>>(raw) else {
            notes.refuse(self.at(name), "write a list of objects: [{…}]");
            return Vec::new();
        };
        if !(min..=max).contains(&found.len()) {
            notes.refuse(self.at(name), format!("write {min} to {max} entries; it has {}", found.len()));
        }
        let one =
            |(index, raw): (usize, &'a RawValue)| Self::read(raw.get(), format!("{}[{index}]", self.at(name)), notes);
        found.into_iter().take(max).enumerate().filter_map(one).collect()
    }

    /// A text of 1 to `max` characters.
    pub(super) fn text(&self, name: &str, need: Need, max: usize, notes: &mut Notes) -> Option<String> {
        let raw = self.needed(name, need, notes)?;
        let Ok(text) = serde_json::from_str::<String>(raw) else {
            notes.refuse(self.at(name), "write a text in quotes");
            return None;
        };
        let chars = text.chars().count();
        if text.trim().is_empty() {
            notes.refuse(self.at(name), "write a text that is not blank");
        } else if chars > max {
            notes.refuse(self.at(name), format!("write at most {max} characters; it has {chars}"));
        } else {
            return Some(text);
        }
        None
    }

    /// One of the words that the operator of fiscal data knows.
    pub(super) fn word(&self, name: &str, need: Need, known: &[&str], notes: &mut Notes) -> Option<String> {
        let raw = self.needed(name, need, notes)?;
        let found = serde_json::from_str::<String>(raw).ok().filter(|text| known.contains(&text.as_str()));
        if found.is_none() {
            notes.refuse(self.at(name), format!("write one of {}", known.join(", ")));
        }
        found
    }

    /// A taxpayer's number: 10 digits (a company) or 12 (a person).
    pub(super) fn inn(&self, name: &str, need: Need, notes: &mut Notes) {
        let Some(text) = self.text(name, need, 12, notes) else { return };
        if !matches!(text.len(), 10 | 12) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            notes.refuse(self.at(name), "write the INN in quotes: 10 digits for a company, 12 for a person");
        }
    }

    /// An e-mail address of at most 64 characters.
    pub(super) fn email(&self, name: &str, need: Need, notes: &mut Notes) -> Option<String> {
        let text = self.text(name, need, 64, notes)?;
        let parts = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        if !parts || text.matches('@').count() != 1 || text.chars().any(char::is_whitespace) {
            notes.refuse(self.at(name), "write one e-mail address: name@example.ru");
            return None;
        }
        Some(text)
    }

    /// Roubles with at most two decimals, 0 to 42 949 672.95.
    pub(super) fn roubles(&self, name: &str, need: Need, notes: &mut Notes) -> Option<Money> {
        let kopecks =
            self.decimal(name, need, 2, MONEY_MAX, "roubles, 0 to 42949672.95 with at most 2 decimals", notes)?;
        Some(Money::from_minor(kopecks, Currency::Rub))
    }

    /// A quantity in thousandths: more than 0, at most 99 999.999.
    pub(super) fn quantity(&self, name: &str, notes: &mut Notes) -> Option<i64> {
        let form = "a quantity, more than 0 and at most 99999.999 with at most 3 decimals";
        let found = self.decimal(name, Need::Required, 3, QUANTITY_MAX, form, notes)?;
        if found == 0 {
            notes.refuse(self.at(name), format!("write {form}"));
            return None;
        }
        Some(found)
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &str, need: Need, least: i64, most: i64, notes: &mut Notes) -> Option<i64> {
        let raw = self.needed(name, need, notes)?;
        let found = scaled(raw, 0).ok().filter(|number| (least..=most).contains(number));
        if found.is_none() {
            notes.refuse(self.at(name), format!("write a whole number, {least} to {most}, without quotes"));
        }
        found
    }

    fn decimal(&self, name: &str, need: Need, places: i32, most: i64, form: &str, notes: &mut Notes) -> Option<i64> {
        let raw = self.needed(name, need, notes)?;
        let why = match scaled(raw, places) {
            Ok(found) if (0..=most).contains(&found) => return Some(found),
            Ok(_) | Err(ScaleError::Overflow) => "it is out of these bounds",
            Err(ScaleError::Fraction) => "it is finer than that",
            Err(ScaleError::NotANumber) => "it is no JSON number (a number has no quotes)",
        };
        notes.refuse(self.at(name), format!("write {form}: {why}"));
        None
    }
}

/// An object whose keys stand once.
struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if fields.contains_key(&key) {
                        return Err(de::Error::custom(format!("the key {key:?} stands twice")));
                    }
                    fields.insert(key, value);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Once)
    }
}
