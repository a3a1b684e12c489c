//! The part of an address behind `?`.

use axum::http::Uri;

use crate::api::json::FieldErrors;

/// The parameters of a query, decoded. A plus is a plus: times have one.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Read a query. Unknown parameters are left alone.
    ///
    /// # Errors
    /// A parameter stands twice, or is not UTF-8.
    pub(super) fn read(uri: &Uri) -> Result<Self, FieldErrors> {
        let mut found: Vec<(String, String)> = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let bad = || FieldErrors::of("query", "Send UTF-8, percent-encoded.");
            let (name, value) = (decoded(name).ok_or_else(bad)?, decoded(value).ok_or_else(bad)?);
            if found.iter().any(|(known, _)| *known == name) {
                return Err(FieldErrors::of(&name, "Send it once."));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A parameter, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_says_everything_once() {
        let uri: Uri = "/a?since=2026-11-22T07:00:00+05:00&order_id=%D0%B0%20b&empty&limit=".parse().unwrap();
        let query = Query::read(&uri).unwrap();
        assert_eq!(query.get("since"), Some("2026-11-22T07:00:00+05:00"));
        assert_eq!(query.get("order_id"), Some("а b"));
        assert_eq!((query.get("empty"), query.get("limit"), query.get("no")), (Some(""), Some(""), None));
        for bad in ["/a?x=1&x=2", "/a?x=%f", "/a?x=%", "/a?x=%ff", "/a?x=%+1"] {
            assert!(Query::read(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
