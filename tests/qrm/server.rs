//! A server in the tests' own words, which writes down what arrived. No HTTP library is used here.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) verb: String,
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// An HTTP status and a body.
    Answer(u16, String),
    /// Reads the request and hangs up.
    HangsUp,
    /// Begins an answer and hangs up.
    HalfAnAnswer,
    /// Reads the request and says nothing.
    Nothing,
}

/// The server. What it says runs out: a request more than was prepared for is answered 599 and fails its test.
#[derive(Clone)]
pub(crate) struct Server {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    says: Arc<Mutex<VecDeque<Says>>>,
}

impl Server {
    pub(crate) async fn that(says: impl IntoIterator<Item = Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        let server = Self { addr, heard: Arc::default(), says: Arc::new(Mutex::new(says.into_iter().collect())) };
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream));
            }
        });
        server
    }

    pub(crate) async fn answers(status: u16, body: &str) -> Self {
        Self::that([Says::Answer(status, body.to_owned())]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn then(&self, says: Says) {
        self.says.lock().expect("whole").push_back(says);
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("whole").clone()
    }

    /// The one request that came.
    pub(crate) fn only(&self) -> Heard {
        let heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard[0].clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(request) = read(&mut stream).await else { return };
        let says = self.says.lock().expect("whole").pop_front().unwrap_or(Says::Answer(599, String::new()));
        self.heard.lock().expect("whole").push(request);
        match says {
            Says::Answer(status, body) => {
                let head =
                    format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
            Says::HangsUp => {}
            Says::HalfAnAnswer => {
                let _ = stream.write_all(b"HTTP/1.1 200 So\r\ncontent-length: 500\r\n\r\n{\"results\":").await;
            }
            Says::Nothing => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ').map(ToOwned::to_owned);
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        let length =
            headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap_or(0));
        if bytes.len() >= end + 4 + length {
            let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).ok()?;
            return Some(Heard { verb: first.next()?, path: first.next()?, headers, body });
        }
    }
}
