//! A till, byte by byte: nothing of the product's own HTTP is trusted here.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a till asks.
#[derive(Clone, Copy, Debug)]
pub struct Till(pub SocketAddr);

/// What it heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Heard {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// `error.code`.
    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error.code: {self:?}"))
    }

    /// An answer out of its bytes.
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// A request with a body, in bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    [head.as_bytes(), body].concat()
}

impl Till {
    /// Send bytes and hear what comes until the connection closes.
    pub async fn send(self, bytes: &[u8]) -> Heard {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        // The other end may answer and close before it has read everything: what it said still counts.
        let _ = stream.write_all(bytes).await;
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        Heard::read(&heard)
    }

    /// POST a JSON body.
    pub async fn post(self, path: &str, body: &str) -> Heard {
        self.post_as(path, &[], body).await
    }

    /// POST a JSON body with headers.
    pub async fn post_as(self, path: &str, headers: &[(&str, &str)], body: &str) -> Heard {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        self.send(&request("POST", path, &headers, body.as_bytes())).await
    }

    /// GET.
    pub async fn get(self, path: &str) -> Heard {
        self.send(&request("GET", path, &[], b"")).await
    }

    /// Begin a POST, and hand the connection over without waiting for the answer.
    pub async fn begin(self, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(&request("POST", path, &[], body.as_bytes())).await.unwrap();
        stream
    }
}
