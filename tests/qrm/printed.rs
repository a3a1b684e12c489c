//! The examples of QRManager's document (seed 004), read from `tests/seeds/004-*.txt`.

use std::path::Path;

use serde_json::Value;

/// What has to be changed before an example can be read: its name, what is printed, what is read instead.
pub(crate) const EDITS: &[(&str, &str, &str)] = &[
    ("2.1.field_error", "  ],\n}", "  ]\n}"),     // a comma after the last field
    ("4.2.answer", "<код>", "4"),                 // a place that the reader fills
    ("4.2.answer", "<статус>", "\"В процессе\""), // and another
    ("4.2.expected", "\n}  \n}", ""),             // closed once more behind a page break
    ("5.1.ofd_ru_body", "\n\n}  \n}", ""),        // the same
    ("refund.answer", "\n}  \n}", ""),            // the same
    ("loyalty.discount_answer", "\n  }\n}\n\"qr", "\n\"qr"), // closed before a page break, and again behind it
    ("cash.register_body", "400\n", "400,\n"),    // no comma between two fields
    ("2.2.curl", "gCrE PynUp", "gCrEPynUp"),      // a key torn by a line's end
    ("3.curl", "gCrEPy nUp", "gCrEPynUp"),        // the same
    ("5.1.atol_curl", "Ле\nнинград", "Ленинград"), // a word torn by a line's end
    ("5.1.ofd_ru_curl", "Цветков\\\"  }  } }", "Цветков\\\"  }  } }\""), // no quotation mark at the end
    ("loyalty.accrual_curl", "1 }'}", "1 }}'"),   // the quotation mark before the last brace
    ("loyalty.write_off_curl", "gYPbpq\"\nj1K", "gYPbpqj1K"), // a header torn by a page break
    ("loyalty.write_off_curl", "FHIioc -d", "FHIioc\" -d"), // and its other half
];

/// An example as printed.
pub(crate) fn printed(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/seeds/004-{name}.txt"));
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// An example after its edits.
pub(crate) fn example(name: &str) -> String {
    let mut text = printed(name);
    for (_, from, to) in EDITS.iter().filter(|(edited, _, _)| *edited == name) {
        assert!(text.contains(from), "the edit of {name} finds nothing");
        text = text.replace(from, to);
    }
    text
}

/// An example as JSON.
pub(crate) fn value(name: &str) -> Value {
    let text = example(name);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name} needs an edit: {e}\n{text}"))
}

/// A printed request.
#[derive(Clone, Debug)]
pub(crate) struct Curl {
    /// GET, POST, DELETE.
    pub(crate) verb: String,
    /// From the first slash behind the host.
    pub(crate) path: String,
    /// The key that it brings.
    pub(crate) key: String,
    /// What it sends.
    pub(crate) body: Option<String>,
}

impl Curl {
    /// The printed request of that name.
    pub(crate) fn read(name: &str) -> Self {
        let mut words = words(&example(name)).into_iter();
        assert_eq!(words.next().as_deref(), Some("curl"), "{name}");
        let (mut verb, mut path, mut key, mut body) = (None, None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-X" => verb = words.next(),
                "-d" => body = words.next(),
                "-H" => {
                    let header = words.next().expect("a header");
                    let (field, value) = header.split_once(':').expect("a header has a colon");
                    if field.eq_ignore_ascii_case("x-api-key") {
                        key = Some(value.trim().to_owned());
                    }
                }
                url => {
                    let rest = url.strip_prefix("https://app.devwapiserv.qrm.ooo");
                    path = Some(rest.unwrap_or_else(|| panic!("{name}: what is “{url}”?")).to_owned());
                }
            }
        }
        let whole = verb.zip(path).zip(key);
        let ((verb, path), key) = whole.unwrap_or_else(|| panic!("{name} has no verb, no address or no key"));
        Self { verb, path, key, body }
    }

    /// What it sends, as JSON.
    pub(crate) fn json(&self) -> Value {
        let body = self.body.as_deref().expect("a body");
        serde_json::from_str(body).unwrap_or_else(|e| panic!("the body needs an edit: {e}\n{body}"))
    }
}

/// A command line taken apart, as far as the document's need it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "a quotation mark is open at the end of {line}");
    words.extend(word);
    words
}

#[test]
fn every_edit_is_of_an_example_that_cannot_be_read_as_printed() {
    for (name, from, _) in EDITS {
        assert!(printed(name).contains(from), "{name}");
        if name.ends_with("curl") {
            assert_ne!(printed(name), example(name), "{name}");
            Curl::read(name);
        } else {
            assert!(serde_json::from_str::<Value>(&printed(name)).is_err(), "{name} needs no edit");
            value(name);
        }
    }
}
