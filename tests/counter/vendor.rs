//! The fiscal gateway's side: answers on a loopback socket as the script says, and keeps what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with the next request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// HTTP 200 with this body.
    Says(String),
    /// Take the request and close.
    HangsUp,
    /// Take the request and never answer.
    Sleeps,
}

/// A scripted vendor.
#[derive(Clone, Debug)]
pub struct Vendor {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Vendor {
    /// Answers with `replies` in their order, then hangs up.
    pub async fn open(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            replies: Arc::new(Mutex::new(replies.into())),
        };
        let serving = vendor.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        vendor
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far: the line with the path, a blank, and the body.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn will(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    async fn answer(self, mut stream: TcpStream) {
        let Some(asked) = read(&mut stream).await else { return };
        self.asked.lock().unwrap().push(asked);
        let reply = self.replies.lock().unwrap().pop_front().unwrap_or(Reply::HangsUp);
        match reply {
            Reply::HangsUp => {}
            Reply::Sleeps => std::future::pending().await,
            Reply::Says(body) => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1).unwrap_or_default();
            return Some(format!("{path} {body}"));
        }
    }
}
