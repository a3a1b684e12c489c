//! The doing half of the network proxy: TCP for the PinPad, to hosts that [`super::arcus2::proxy`] has allowed. It runs in
//! a task of its own, so that a slow bank never holds up the line.

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::Instrument as _;

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
        // What it says is said of the operation that the PinPad asks for.
        tokio::spawn(serve(inbox, outbox, step).in_current_span());
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const STEP: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(50);

    /// The request with number `token` for connection 1, and its answer.
    async fn answer(net: &mut Net, token: u32, action: NetAction) -> NetAnswer {
        net.ask(NetRequest { token, handle: 1, action });
        let (answered, answer) = net.answers.recv().await.unwrap();
        assert_eq!(answered, token);
        answer
    }

    /// A proxy with connection 1 open, and the bank's end of it.
    async fn connected() -> (Net, TcpStream) {
        let bank = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = bank.local_addr().unwrap().port();
        let mut net = Net::spawn(STEP, 4);
        let connect = NetAction::Connect { host: "127.0.0.1".to_owned(), port };
        assert_eq!(answer(&mut net, 1, connect).await, NetAnswer::Done);
        (net, bank.accept().await.unwrap().0)
    }

    async fn hangs_up(bank: &mut TcpStream) -> bool {
        timeout(STEP, bank.read(&mut [0; 8])).await.is_ok_and(|read| matches!(read, Ok(0)))
    }

    #[tokio::test]
    async fn bytes_go_to_the_bank_and_come_back_in_the_pieces_that_the_pinpad_asks_for() {
        let (mut net, mut bank) = connected().await;
        assert_eq!(answer(&mut net, 2, NetAction::Write(b"balance?".to_vec())).await, NetAnswer::Done);
        let mut heard = [0; 8];
        bank.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"balance?");
        let quick = |max| NetAction::Read { max, wait: SHORT };
        assert_eq!(answer(&mut net, 3, quick(5)).await, NetAnswer::Data(Vec::new()), "the bank has said nothing yet");
        bank.write_all(b"approved").await.unwrap();
        let patient = |max| NetAction::Read { max, wait: STEP };
        assert_eq!(answer(&mut net, 4, patient(5)).await, NetAnswer::Data(b"appro".to_vec()));
        assert_eq!(answer(&mut net, 5, patient(5)).await, NetAnswer::Data(b"ved".to_vec()));
        drop(bank);
        assert_eq!(answer(&mut net, 6, patient(5)).await, NetAnswer::Data(Vec::new()), "the bank has hung up");
    }

    #[tokio::test]
    async fn a_connection_is_closed_when_the_pinpad_says_so_and_when_its_dialogue_is_over() {
        let (mut net, mut bank) = connected().await;
        net.ask(NetRequest { token: 2, handle: 1, action: NetAction::Disconnect });
        assert!(hangs_up(&mut bank).await);
        assert_eq!(answer(&mut net, 3, NetAction::Write(b"late".to_vec())).await, NetAnswer::Failed);
        let (net, mut bank) = connected().await;
        drop(net);
        assert!(hangs_up(&mut bank).await);
    }

    #[tokio::test]
    async fn a_bank_that_is_not_there_and_a_connection_that_was_never_opened_are_failures() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut net = Net::spawn(STEP, 4);
        let connect = NetAction::Connect { host: "127.0.0.1".to_owned(), port: gone };
        assert_eq!(answer(&mut net, 1, connect).await, NetAnswer::Failed);
        assert_eq!(answer(&mut net, 2, NetAction::Write(b"anybody?".to_vec())).await, NetAnswer::Failed);
        let read = NetAction::Read { max: 5, wait: SHORT };
        assert_eq!(answer(&mut net, 3, read).await, NetAnswer::Data(Vec::new()));
    }

    #[tokio::test]
    async fn a_silent_bank_holds_up_a_read_no_longer_than_one_step() {
        let bank = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut net = Net::spawn(SHORT, 4);
        let connect = NetAction::Connect { host: "127.0.0.1".to_owned(), port: bank.local_addr().unwrap().port() };
        assert_eq!(answer(&mut net, 1, connect).await, NetAnswer::Done);
        let read = NetAction::Read { max: 5, wait: Duration::from_secs(3600) };
        let read = timeout(STEP, answer(&mut net, 2, read)).await;
        assert_eq!(read, Ok(NetAnswer::Data(Vec::new())));
    }
}
