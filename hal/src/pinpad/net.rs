//! The doing half of the network proxy: TCP for the PinPad, to hosts that [`super::arcus2::proxy`] has allowed. It runs in
//! a task of its own, so that a slow bank never holds up the line.

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::arcus2::proxy::{NetAction, NetAnswer, NetRequest};
use super::limits::NET_SHORTEST_LOOK;

/// A handle to the task; it ends, and its connections close, when this is dropped.
#[derive(Debug)]
pub(crate) struct Net {
    requests: mpsc::Sender<NetRequest>,
    pub(crate) answers: mpsc::Receiver<(u32, NetAnswer)>,
}

impl Net {
    /// `step`: the longest time for one connect, write or read. `queue`: requests that may wait.
    pub(crate) fn spawn(step: Duration, queue: usize) -> Self {
        let (requests, inbox) = mpsc::channel(queue);
        let (outbox, answers) = mpsc::channel(queue);
        tokio::spawn(serve(inbox, outbox, step));
        Self { requests, answers }
    }

    /// Hand a request over. One that does not fit is left unanswered, and the dialogue's own limit answers for it.
    pub(crate) fn ask(&self, request: NetRequest) {
        if self.requests.try_send(request).is_err() {
            tracing::warn!("the PinPad's network requests come faster than they are served");
        }
    }
}

async fn serve(mut inbox: mpsc::Receiver<NetRequest>, outbox: mpsc::Sender<(u32, NetAnswer)>, step: Duration) {
    let mut open: HashMap<u32, TcpStream> = HashMap::new();
    while let Some(NetRequest { token, handle, action }) = inbox.recv().await {
        let answer = match action {
            NetAction::Disconnect => {
                open.remove(&handle);
                continue;
            }
            NetAction::Connect { host, port } => match timeout(step, TcpStream::connect((host.as_str(), port))).await {
                Ok(Ok(stream)) => {
                    open.insert(handle, stream);
                    NetAnswer::Done
                }
                Ok(Err(error)) => {
                    tracing::warn!(%host, port, %error, "the PinPad's bank cannot be reached");
                    NetAnswer::Failed
                }
                Err(_) => {
                    tracing::warn!(%host, port, "the PinPad's bank does not accept the connection in time");
                    NetAnswer::Failed
                }
            },
            NetAction::Write(bytes) => match open.get_mut(&handle) {
                Some(stream) => match timeout(step, stream.write_all(&bytes)).await {
                    Ok(Ok(())) => NetAnswer::Done,
                    _ => NetAnswer::Failed,
                },
                None => NetAnswer::Failed,
            },
            NetAction::Read { max, wait } => {
                let bytes = match open.get_mut(&handle) {
                    Some(stream) => read(stream, max, wait.min(step)).await,
                    None => Vec::new(),
                };
                NetAnswer::Data(bytes)
            }
        };
        if outbox.send((token, answer)).await.is_err() {
            return;
        }
    }
}

/// What is there; empty when nothing came in time or the bank closed the connection.
async fn read(stream: &mut TcpStream, max: usize, wait: Duration) -> Vec<u8> {
    let mut bytes = vec![0; max];
    let wait = wait.max(NET_SHORTEST_LOOK);
    let count = match timeout(wait, stream.read(&mut bytes)).await {
        Ok(Ok(count)) => count,
        _ => 0,
    };
    bytes.truncate(count);
    bytes
}
