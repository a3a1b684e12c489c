//! §3: the products of a QR terminal, kept so that a basket can be built while QRManager is out of reach, after a restart too.
//!
//! ```text
//! GET /users/qrt/products/  {"id": "…", "name": "…", "price": 123, "isdeleted": false}, one or a list of them
//! ```
//!
//! The document prints the path with a slash at its end and without one, and the answer as one object; a list, with `results` around it or
//! not, is understood too. What is kept is a hint for people: a damaged file is none, and nothing on the money path reads it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access::Request;
use super::answer::integer;
use super::error::{QrmError, success};
use crate::limits;
use crate::payment::money::{Currency, Money};
use crate::payment::sale::UnixMs;

/// A product of the QR terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// `id`: the `product_id` of a basket's line.
    pub id: String,
    /// `name`.
    pub name: String,
    /// `price` of one, kopecks on the wire.
    pub price: Money,
    /// `isdeleted`: it was taken off the list and is told nevertheless.
    pub deleted: bool,
}

/// The two spellings of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// As in the heading of §3.
    #[default]
    Slash,
    /// As in its example.
    Bare,
}

impl Spelling {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Slash => Self::Bare,
            Self::Bare => Self::Slash,
        }
    }
}

/// The question for the list.
#[must_use]
pub fn request(spelling: Spelling) -> Request {
    let path = match spelling {
        Spelling::Slash => "/users/qrt/products/",
        Spelling::Bare => "/users/qrt/products",
    };
    Request::get(path.to_owned())
}

/// The list.
///
/// # Errors
/// [`QrmError`]; a product without id or price is [`QrmError::Malformed`].
pub fn listed(status: u16, body: &[u8]) -> Result<Vec<Product>, QrmError> {
    let malformed = |why: String| QrmError::Malformed { status, why };
    let items = match success(status, body)? {
        Value::Object(mut fields) => match fields.remove("results") {
            Some(within) => within,
            None => Value::Object(fields),
        },
        other => other,
    };
    let items = match items {
        Value::Array(items) => items,
        one @ Value::Object(_) => vec![one],
        _ => return Err(malformed("neither a product nor a list of them".to_owned())),
    };
    let read = |(i, item): (usize, &Value)| {
        item.as_object().and_then(product).ok_or_else(|| malformed(format!("product {} has no id or no price", i + 1)))
    };
    items.iter().enumerate().map(read).collect()
}

fn product(fields: &Map<String, Value>) -> Option<Product> {
    let id = fields.get("id")?.as_str().filter(|id| !id.is_empty() && id.len() <= limits::PROVIDER_ID_MAX_CHARS)?;
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
    let price = integer(fields.get("price")?)?;
    let deleted = ["isdeleted", "is_deleted", "isDeleted"].iter().find_map(|name| fields.get(*name)?.as_bool());
    Some(Product {
        id: id.to_owned(),
        name: super::error::shortened(name),
        price: Money::from_minor(price, Currency::Rub),
        deleted: deleted.unwrap_or(false),
    })
}

/// The list as it was last heard, in memory and, where there is a place for it, in a file.
#[derive(Debug, Default)]
pub(super) struct Kept {
    file: Option<PathBuf>,
    /// Whose list it is: a list of another server is none.
    server: String,
    list: Option<List>,
    /// When QRManager last gave the list in this life, monotonic.
    heard_ms: Option<u64>,
    /// When it was last asked for it in vain, monotonic.
    missed_ms: Option<u64>,
    pub(super) spelling: Spelling,
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct List {
    server: String,
    as_of_ms: UnixMs,
    products: Vec<Product>,
}

impl Kept {
    pub(super) fn new(server: &str) -> Self {
        Self { server: server.to_owned(), ..Self::default() }
    }

    /// Keep the list in `directory` from now on, and take what an earlier life left there.
    pub(super) fn in_directory(&mut self, directory: &Path, profile: &str) {
        let file = directory.join(format!("products-{profile}.json"));
        self.list = read(&file).filter(|list| list.server == self.server);
        self.file = Some(file);
    }

    /// The list, where asking for it again is not due yet.
    pub(super) fn fresh(&self, now_ms: u64) -> Option<Vec<Product>> {
        let within = |since: Option<u64>, limit_ms: u64| since.is_some_and(|at| now_ms.saturating_sub(at) < limit_ms);
        let rests = within(self.heard_ms, limits::PRODUCTS_REFRESH_EVERY_MS)
            || within(self.missed_ms, limits::PRODUCTS_ASK_AGAIN_MS);
        self.known().filter(|_| rests)
    }

    /// The list, however old.
    pub(super) fn known(&self) -> Option<Vec<Product>> {
        self.list.as_ref().map(|list| list.products.clone())
    }

    /// When QRManager gave the list.
    pub(super) fn as_of_ms(&self) -> Option<UnixMs> {
        self.list.as_ref().map(|list| list.as_of_ms)
    }

    pub(super) fn missed(&mut self, now_ms: u64) {
        self.missed_ms = Some(now_ms);
    }

    /// Keep a new list. What is to be written and where, if there is a place.
    pub(super) fn heard(&mut self, products: &[Product], now_ms: u64, wall_ms: UnixMs) -> Option<(PathBuf, String)> {
        let list = List { server: self.server.clone(), as_of_ms: wall_ms, products: products.to_vec() };
        let text = serde_json::to_string(&list).ok();
        self.list = Some(list);
        self.heard_ms = Some(now_ms);
        self.missed_ms = None;
        self.file.clone().zip(text)
    }
}

fn read(file: &Path) -> Option<List> {
    let size = fs::metadata(file).ok()?.len();
    if size > limits::PRODUCTS_FILE_MAX_BYTES {
        return None;
    }
    let list = serde_json::from_slice(&fs::read(file).ok()?);
    list.inspect_err(|e| tracing::warn!(file = %file.display(), error = %e, "a damaged list of products is left alone"))
        .ok()
}

/// Put the whole text in the file's place, or leave the old one there: a power cut keeps one of the two.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    let half = file.with_extension("new");
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut out = fs::File::create(&half)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&half, file)
}
