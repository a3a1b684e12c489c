//! A socket to QRManager that is kept open while codes are followed over it, and the words that come over it, handed to their watches.
//!
//! ```text
//!          first code            opened: repeat the command of every code
//!  ┌─────┐ ──────────► ┌───────┐ ──────────────────────────────► ┌────────┐
//!  │ idle│             │opening│                                 │ talking│
//!  └─────┘ ◄────────── └───────┘ ◄────────────────────────────── └────────┘
//!          last code           broken, closed, mute: after a pause
//! ```
//!
//! On a socket of one code whatever comes is about that code. On a shared one an answer that names no code is assigned to none: each watch
//! is told to ask by REST ([`Word::Ask`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tracing::{debug, info, warn};

use super::followed::{Followed, Mailboxes};
use super::profile::Profile;
use super::waits::{backoff_ms, scattered};
use super::wire::{Socket, in_words};
use crate::limits;
use crate::provider::qrm::socket::{Command, ErrorKind, Message};

/// What a watch hears from its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The socket is open and the code's status was asked for.
    Up,
    /// It is not open any more.
    Down,
    /// `operation_status_code`, surely about this code.
    Status(i64),
    /// Something that says nothing sure: ask by REST.
    Ask,
}

/// What a watch wants of its socket.
#[derive(Debug)]
enum Order {
    Follow(Followed),
    Leave(u64),
}

/// The watches' end.
#[derive(Clone, Debug)]
pub(super) struct Line {
    orders: mpsc::Sender<Order>,
    heard_ms: Arc<AtomicU64>,
    names: Arc<AtomicU64>,
}

/// One code on a line. [`Seat::leave`] takes it off.
#[derive(Debug)]
pub(super) struct Seat {
    line: Line,
    name: u64,
    words: mpsc::Receiver<Word>,
}

impl Line {
    /// Start a line of `profile`; it connects when it has a code to follow, and ends with its last [`Line`].
    pub(super) fn spawn(profile: Arc<Profile>, shared: bool, tasks: &tokio::runtime::Handle) -> Self {
        let (orders, wanted) = mpsc::channel(limits::SBP_ORDERS_LEN);
        let heard_ms = Arc::new(AtomicU64::new(0));
        let run = Run {
            profile,
            wanted,
            heard_ms: heard_ms.clone(),
            codes: Mailboxes::new(shared),
            failures: 0,
            trouble: String::new(),
        };
        tasks.spawn(run.run());
        Self { orders, heard_ms, names: Arc::default() }
    }

    /// Follow an operation.
    pub(super) async fn follow(&self, operation: &str) -> Seat {
        let (mailbox, words) = mpsc::channel(limits::SBP_WORDS_LEN);
        let name = self.names.fetch_add(1, Ordering::Relaxed);
        let _ = self.orders.send(Order::Follow(Followed::new(name, operation, mailbox))).await;
        Seat { line: self.clone(), name, words }
    }
}

impl Seat {
    /// The next word; never, where the line has ended.
    pub(super) async fn word(&mut self) -> Word {
        match self.words.recv().await {
            Some(word) => word,
            None => std::future::pending().await,
        }
    }

    /// When the server was heard last, by the monotonic clock; 0 = never.
    pub(super) fn heard_ms(&self) -> u64 {
        self.line.heard_ms.load(Ordering::Relaxed)
    }

    /// The end: `cancel` is sent, where the socket is open.
    pub(super) async fn leave(self) {
        // A line that waits for this mailbox must not wait for ever.
        drop(self.words);
        let _ = self.line.orders.send(Order::Leave(self.name)).await;
    }
}

/// How a conversation ended.
enum Ended {
    /// Nobody is left to be followed.
    Unwanted,
    /// 1000 from the server.
    Normal,
    /// Anything else, in words.
    Broken(String),
}

struct Run {
    profile: Arc<Profile>,
    wanted: mpsc::Receiver<Order>,
    heard_ms: Arc<AtomicU64>,
    codes: Mailboxes,
    /// Attempts and conversations in a row that brought nothing.
    failures: u32,
    /// What was complained of last, so that the log says it once.
    trouble: String,
}

impl Run {
    async fn run(mut self) {
        loop {
            while self.codes.is_empty() {
                let Some(order) = self.wanted.recv().await else { return };
                self.take(order);
            }
            let pause_ms = match self.open().await {
                Opened::Not => return,
                Opened::Unwanted => continue,
                Opened::Later(pause_ms) => pause_ms,
                Opened::Socket(socket) => match self.talk(*socket).await {
                    Ended::Unwanted => continue,
                    ended => self.ended(&ended).await,
                },
            };
            if !self.pause(pause_ms).await {
                return;
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Follow(code) => self.codes.add(code),
            Order::Leave(name) => drop(self.codes.remove(name)),
        }
    }

    /// Open the socket while codes come and go.
    async fn open(&mut self) -> Opened {
        let profile = self.profile.clone();
        let opening = profile.open_socket();
        tokio::pin!(opening);
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                order = self.wanted.recv() => match order {
                    None => return Opened::Not,
                    Some(order) => self.take(order),
                },
            }
            if self.codes.is_empty() {
                return Opened::Unwanted;
            }
        };
        match opened {
            Ok(socket) => {
                info!(profile = self.profile.name(), "a socket to QRManager is open");
                self.trouble.clear();
                Opened::Socket(Box::new(socket))
            }
            Err(refused) => {
                self.complain(&refused.to_string());
                let wait_ms = self.profile.refused_for_ms();
                Opened::Later(wait_ms.max(self.backoff()))
            }
        }
    }

    /// A pause during which codes come and go; `false`: nobody is left who could send orders.
    async fn pause(&mut self, pause_ms: u64) -> bool {
        let pause = tokio::time::sleep(limits::wait(pause_ms));
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return true,
                order = self.wanted.recv() => match order {
                    None => return false,
                    Some(order) => self.take(order),
                },
            }
            if self.codes.is_empty() {
                return true;
            }
        }
    }

    fn backoff(&mut self) -> u64 {
        let waits = self.profile.waits();
        let pause_ms = backoff_ms(waits.reconnect_first_ms, waits.reconnect_longest_ms, self.failures);
        self.failures = self.failures.saturating_add(1);
        scattered(pause_ms)
    }

    fn complain(&mut self, trouble: &str) {
        if trouble == self.trouble {
            debug!(profile = self.profile.name(), trouble, "still no socket to QRManager");
        } else {
            warn!(profile = self.profile.name(), trouble, "no socket to QRManager; codes are asked about by REST");
            trouble.clone_into(&mut self.trouble);
        }
    }

    /// What became of a conversation; how long to wait before the next.
    async fn ended(&mut self, ended: &Ended) -> u64 {
        self.codes.tell_all(Word::Down).await;
        if let Ended::Broken(why) = ended {
            self.complain(why);
        }
        self.backoff()
    }

    async fn talk(&mut self, mut socket: Socket) -> Ended {
        let waits = *self.profile.waits();
        // That a socket was opened is a sign of life of the connection, but not yet a word of QRManager.
        let mut alive_ms = self.now();
        let mut ping_ms = alive_ms + waits.ping_every_ms;
        self.codes.tell_all(Word::Up).await;
        self.codes.begin(self.now());
        loop {
            if let Err(ended) = self.send_due(&mut socket).await {
                return ended;
            }
            let dead_ms = alive_ms + waits.socket_silence_ms;
            let wake_ms = self.codes.next_command_ms().min(ping_ms).min(dead_ms);
            let pause = limits::wait(wake_ms.saturating_sub(self.now()));
            tokio::select! {
                frame = socket.next() => {
                    alive_ms = self.heard(&frame);
                    if let Err(ended) = self.frame(frame).await {
                        // The answer to its close.
                        let _ = tokio::time::timeout(limits::wait(waits.send_ms), socket.flush()).await;
                        return ended;
                    }
                }
                order = self.wanted.recv() => match order {
                    Some(Order::Leave(name)) => {
                        if let Err(ended) = self.leave(&mut socket, name).await {
                            return ended;
                        }
                    }
                    Some(Order::Follow(code)) => {
                        code.tell(Word::Up).await;
                        self.codes.add(code);
                    }
                    None => return Ended::Unwanted,
                },
                () = tokio::time::sleep(pause) => {
                    let now_ms = self.now();
                    if now_ms >= dead_ms {
                        return Ended::Broken(format!("not a frame within {} ms", waits.socket_silence_ms));
                    }
                    if now_ms >= ping_ms {
                        ping_ms = now_ms + waits.ping_every_ms;
                        if let Err(ended) = send(&mut socket, Frame::Ping(Vec::new().into()), waits.send_ms).await {
                            return ended;
                        }
                    }
                }
            }
        }
    }

    /// Take a code off the socket. The last one takes the socket with it.
    async fn leave(&mut self, socket: &mut Socket, name: u64) -> Result<(), Ended> {
        let send_ms = self.profile.waits().send_ms;
        if let Some(code) = self.codes.remove(name)
            && code.owes_cancel()
        {
            send(socket, text(Command::Cancel, code.operation()), send_ms).await?;
        }
        if !self.codes.is_empty() {
            return Ok(());
        }
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let farewell = async {
            // Until the server has closed as well: then it has read the cancel.
            if socket.close(Some(goodbye)).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        let _ = tokio::time::timeout(limits::wait(send_ms), farewell).await;
        Err(Ended::Unwanted)
    }

    async fn send_due(&mut self, socket: &mut Socket) -> Result<(), Ended> {
        let (now_ms, waits) = (self.now(), *self.profile.waits());
        while let Some((command, operation)) = self.codes.take_due(now_ms) {
            send(socket, text(command, &operation), waits.send_ms).await?;
        }
        Ok(())
    }

    async fn frame(&mut self, frame: Option<Result<Frame, Error>>) -> Result<(), Ended> {
        match frame {
            Some(Ok(Frame::Text(said))) => self.said(Message::decode(said.as_str())).await,
            Some(Ok(Frame::Binary(said))) => self.said(Message::decode(&String::from_utf8_lossy(&said))).await,
            Some(Ok(Frame::Close(Some(frame)))) if frame.code != CloseCode::Normal => {
                return Err(Ended::Broken(format!("the server closed the socket with {}", frame.code)));
            }
            Some(Ok(Frame::Close(_))) | None => return Err(Ended::Normal),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {}
            Some(Err(error)) => return Err(Ended::Broken(in_words(&error))),
        }
        Ok(())
    }

    async fn said(&mut self, message: Message) {
        let (now_ms, every_ms) = (self.now(), self.profile.waits().command_every_ms);
        match message {
            Message::Connected => self.codes.repeat_all(now_ms),
            Message::Status { code, operation } => {
                self.failures = 0;
                self.heard_ms.store(now_ms, Ordering::Relaxed);
                if !self.codes.status(code, operation.as_deref(), now_ms, every_ms).await {
                    debug!(code, ?operation, "a status that is surely about no code here");
                }
            }
            Message::Errors { kind, operation, text } => {
                let usual = matches!(kind, ErrorKind::Forbidden | ErrorKind::NoStatus);
                if usual {
                    debug!(profile = self.profile.name(), ?kind, text, "QRManager's socket sends to REST");
                } else {
                    warn!(profile = self.profile.name(), ?kind, text, "QRManager's socket complains");
                }
                self.codes.unclear(operation.as_deref(), now_ms, every_ms).await;
            }
            Message::Unknown { text } => {
                debug!(profile = self.profile.name(), text, "QRManager's socket says what no document knows");
                self.codes.unclear(None, now_ms, every_ms).await;
            }
        }
    }

    fn now(&self) -> u64 {
        self.profile.clock().monotonic_ms()
    }

    /// A frame came, or the end. An answered ping shows that QRManager can be reached; a greeting alone does not.
    fn heard(&self, frame: &Option<Result<Frame, Error>>) -> u64 {
        let now_ms = self.now();
        if let Some(Ok(Frame::Pong(_))) = frame {
            self.heard_ms.store(now_ms, Ordering::Relaxed);
        }
        now_ms
    }
}

enum Opened {
    Socket(Box<Socket>),
    Later(u64),
    Unwanted,
    Not,
}

fn text(command: Command, operation: &str) -> Frame {
    Frame::Text(command.encode(operation).into())
}

async fn send(socket: &mut Socket, frame: Frame, limit_ms: u64) -> Result<(), Ended> {
    match tokio::time::timeout(limits::wait(limit_ms), socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Ended::Broken(in_words(&error))),
        Err(_) => Err(Ended::Broken(format!("a frame was not taken within {limit_ms} ms"))),
    }
}
