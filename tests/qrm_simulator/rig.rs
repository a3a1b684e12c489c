//! The simulator in a runtime of its own, and HTTP/1.1 over bare TCP to ask it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;
use tolov::demo::qrm::{
    ATOL_KEY, CASH_LINK_KEY, Fault, FaultKind, LOYALTY_KEY, Method, OFD_RU_KEY, PLAIN_KEY, QrmSim, QrmSimHandle,
    QrmSimSettings, Switches,
};
use uuid::Uuid;

use crate::printed::Curl;

/// Keys of printed requests that are spelt unlike the key that their chapter gives out: the document mistakes I, l and 1, O, 0 and Q, and drops
/// letters. Printed, meant.
const KEY_EDITS: &[(&str, &str)] = &[
    ("lDvAIB7E.K02zjE1o7P1ZiwDQ15yC4EBrP71Fr8Js", PLAIN_KEY),
    ("LdvAIB7E.K02zjE1o7P1ZiwDQi5yC4EBrP71Fr8Js", PLAIN_KEY),
    ("bpkNMc19.gCrEPynUpwBsiujn7ZiYeTcmtgJkXvj8", tolov::demo::qrm::PRODUCTS_KEY),
    ("2IVRjLhR.2zoJkWE0zNMMRjsw00DyBecKb7Q80iWk", ATOL_KEY),
    ("wqI0hiV4.rZLWwklR68PS8Lwfe3CwHsgZobGhgICq", OFD_RU_KEY),
    ("7m9EkxNw.vJ9R0L7Bl7pJkxpIe1n9Gw9IyV6M46M1", CASH_LINK_KEY),
    ("7m9EknW.vJ9R017Bl7pjKxp1e1n9Gw9IyV6M46M1", CASH_LINK_KEY),
    ("7m9EkxnW.vJ9R017B17pjKxp1e1n9Gw9IyV6M46M1", CASH_LINK_KEY),
    ("7m9EkxNw.vJ9R017B17pjKxp1e1n9Gw9IyV6M46M1", CASH_LINK_KEY),
    ("7m9EkxNw.vJ9R0L7B17pjKxpie1n9Gw9IyV6M46M1", CASH_LINK_KEY),
    ("fia98aFA.YoBPKERQJTukRFZk75wvFqVvmAECVyyqw", LOYALTY_KEY),
    ("fia98afa.YoBPKERQJTukRFZk75wvFqVvmAECVuyqw", LOYALTY_KEY),
    ("fia98afa.YoBPKERQJTukRFZk75wvFqVvmAECVyw", LOYALTY_KEY),
];

/// The key that a printed one means.
pub(crate) fn edited_key(printed: &str) -> &str {
    KEY_EDITS.iter().find(|(spelt, _)| *spelt == printed).map_or(printed, |(_, meant)| meant)
}

impl Curl {
    /// The same request about something that the simulator made: ids and numbers cannot be those of the document.
    pub(crate) fn at(&self, printed: &str, made: &str) -> Self {
        let body = self.body.as_ref().map(|body| body.replace(printed, made));
        let path = self.path.replace(printed, made);
        assert!(path != self.path || body != self.body, "{printed} is not in {self:?}");
        Self { path, body, ..self.clone() }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    body: String,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }

    /// The body of a 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// The body of a refusal.
    pub(crate) fn no(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// A text of its `results`.
    pub(crate) fn text(&self, name: &str) -> String {
        let text = self.ok()["results"][name].as_str().map(ToOwned::to_owned);
        text.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// A code that was made.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) number: String,
}

/// A running simulator.
pub(crate) struct Rig {
    pub(crate) sim: QrmSimHandle,
    _runtime: Runtime,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(QrmSimSettings::default())
    }

    pub(crate) fn with(settings: QrmSimSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sim = runtime.block_on(QrmSim::spawn(settings)).unwrap();
        Self { sim, _runtime: runtime }
    }

    pub(crate) fn send(&self, verb: &str, key: &str, path: &str, body: &str) -> Heard {
        let key = if key.is_empty() { String::new() } else { format!("X-Api-Key: {key}\r\n") };
        let (length, address) = (body.len(), self.sim.address());
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\naccept: application/json\r\n\
             Content-Type: application/json\r\n{key}Content-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Heard { status, body: body.to_owned() }
    }

    pub(crate) fn get(&self, key: &str, path: &str) -> Heard {
        self.send("GET", key, path, "")
    }

    pub(crate) fn post(&self, key: &str, path: &str, body: &str) -> Heard {
        self.send("POST", key, path, body)
    }

    /// A printed request, its body byte for byte.
    pub(crate) fn curl(&self, curl: &Curl) -> Heard {
        self.send(&curl.verb, edited_key(&curl.key), &curl.path, curl.body.as_deref().unwrap_or_default())
    }

    pub(crate) fn make(&self, key: &str, kopecks: i64) -> Made {
        let heard = self.post(key, "/operations/qr-code/", &format!(r#"{{"sum":{kopecks}}}"#));
        Made { id: heard.text("operation_id"), number: heard.text("number") }
    }

    /// What the next request of this method meets.
    pub(crate) fn fault(&self, method: Method, kind: FaultKind) {
        let rest = [(method, Fault::once(kind))].into();
        self.sim.set_switches(Switches { rest, ..Switches::default() });
    }

    /// Wait until something holds.
    pub(crate) fn until(&self, holds: impl Fn() -> bool) {
        let patience = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            holds()
        });
        assert!(patience, "waited in vain; the books: {:#?}", self.sim.entries());
    }
}

/// The same fields of the same types, and texts of the same shape; those of `equal` are the very same.
pub(crate) fn same_shape(told: &Value, printed: &Value, equal: &[&str]) {
    let (Value::Object(a), Value::Object(b)) = (told, printed) else { panic!("no objects: {told}, {printed}") };
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{told}");
    for (name, value) in a {
        match (value, &b[name]) {
            (Value::Object(_), inner) => same_shape(value, inner, equal),
            (Value::String(text), Value::String(printed)) if !equal.contains(&name.as_str()) => {
                assert_eq!(shape(text), shape(printed), "{name}: {text}");
            }
            (value, printed) => assert_eq!(value, printed, "{name}"),
        }
    }
}

/// A text without what differs from one operation to the next: hosts and names of pictures, ids, numbers. An id of SBP has 32 characters; one
/// example lost a letter of it. A number of four digits or more is a number: §2.1 prints a sum of 10000 below a request for 1000.
fn shape(text: &str) -> String {
    if Uuid::parse_str(text).is_ok() {
        return "<uuid>".to_owned();
    }
    if let Some((_, picture)) = text.split_once("/media/qr_codes/qr_code_") {
        assert!(text.starts_with("http") && picture.ends_with(".png"), "{text}");
        return "<picture>".to_owned();
    }
    let (mut shape, mut word) = (String::new(), String::new());
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        shape += &match word.len() {
            30.. => "<id>".to_owned(),
            length if digits * 2 >= length && digits > 0 => "9".repeat(length.min(4)),
            _ => word.clone(),
        };
        word.clear();
        shape.push(c);
    }
    shape
}
