//! DEVICEOPEN … DISCONNECT: the PinPad reaches its bank through the till. This is the deciding half, without I/O: which
//! hosts are allowed, how much may be moved, how long a step may take. [`super::super::net`] does the TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::message::Message;
use super::request::Settings;
use crate::pinpad::limits::{Limits, NET_ANSWER_MARGIN};

/// What the dialogue wants done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetRequest {
    /// Comes back with the answer.
    pub token: u32,
    /// The PinPad's number for the connection.
    pub handle: u32,
    /// What to do.
    pub action: NetAction,
}

/// See [`NetRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetAction {
    /// Connect; the host is on the list of allowed ones.
    Connect {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Write all of it.
    Write(Vec<u8>),
    /// Read what is there; wait at most `wait` for the first byte.
    Read {
        /// At most this many bytes.
        max: usize,
        /// The PinPad's own time limit, as set by IOCTL.
        wait: Duration,
    },
    /// Close. No answer is awaited.
    Disconnect,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetAnswer {
    /// Connected, or written.
    Done,
    /// Neither.
    Failed,
    /// Read; empty = nothing yet.
    Data(Vec<u8>),
}

/// What follows a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Answer(Vec<u8>),
    Net(NetRequest),
    NetAndAnswer(NetRequest, Vec<u8>),
    /// Answer, and nothing after it can be understood: why.
    Refuse(Vec<u8>, String),
    /// Answer, and the dialogue is over.
    End(Vec<u8>),
}

/// The connections of one dialogue.
#[derive(Debug)]
pub(crate) struct Bank {
    allowed: BTreeSet<String>,
    open: BTreeMap<u32, Connection>,
    handles_limit: usize,
    payload_limit: usize,
    step_limit: Duration,
    bytes_left: usize,
    next_token: u32,
    pending: Option<Pending>,
}

#[derive(Debug, Default)]
struct Connection {
    connected: bool,
    read_wait: Duration,
}

#[derive(Debug)]
struct Pending {
    token: u32,
    handle: u32,
    kind: Kind,
    until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Write,
    Read,
}

impl Bank {
    pub(crate) fn new(settings: &Settings, limits: &Limits) -> Self {
        Self {
            allowed: settings.allow_hosts.iter().map(|h| h.to_lowercase()).collect(),
            open: BTreeMap::new(),
            handles_limit: limits.net_handles,
            // "h:" stands before the bytes of a READ.
            payload_limit: limits.payload_bytes.saturating_sub(16),
            step_limit: limits.net_step,
            bytes_left: limits.net_bytes,
            next_token: 0,
            pending: None,
        }
    }

    /// The answer to a message of this group, or the request that has to come first.
    pub(crate) fn step_for(&mut self, message: &Message) -> Step {
        let ok = || Step::Answer(b"OK".to_vec());
        let error = || Step::Answer(b"ER".to_vec());
        match message {
            Message::DeviceOpen => {
                let free = (1..).find(|h| !self.open.contains_key(h)).filter(|_| self.open.len() < self.handles_limit);
                match free {
                    Some(handle) => {
                        self.open.insert(handle, Connection::default());
                        Step::Answer(format!("OK:{handle}").into_bytes())
                    }
                    None => error(),
                }
            }
            Message::IoCtl { handle, read_10ms } => {
                if let (Some(connection), Some(units)) = (self.open.get_mut(handle), read_10ms) {
                    connection.read_wait = Duration::from_millis(u64::from(*units) * 10).min(self.step_limit);
                }
                ok()
            }
            Message::Connect { handle, host, port } => {
                if !self.allowed.contains(&host.to_lowercase()) {
                    tracing::warn!(%host, port, "the PinPad asked for a host that is not in allow_hosts");
                    return error();
                }
                if !self.open.contains_key(handle) {
                    return error();
                }
                self.request(*handle, NetAction::Connect { host: host.clone(), port: *port })
            }
            Message::Write { handle, bytes } => {
                if !self.is_connected(*handle) || bytes.len() > self.bytes_left {
                    return error();
                }
                self.bytes_left -= bytes.len();
                self.request(*handle, NetAction::Write(bytes.clone()))
            }
            Message::Read { handle, max } => {
                let max = (*max).min(self.payload_limit).min(self.bytes_left);
                let wait = self.open.get(handle).map(|c| c.read_wait).unwrap_or_default();
                if !self.is_connected(*handle) || max == 0 {
                    return Step::Answer(format!("{handle}:").into_bytes());
                }
                self.request(*handle, NetAction::Read { max, wait })
            }
            Message::Disconnect { handle } => match self.open.remove(handle) {
                Some(connection) if connection.connected => {
                    let request = NetRequest { token: 0, handle: *handle, action: NetAction::Disconnect };
                    Step::NetAndAnswer(request, b"OK".to_vec())
                }
                _ => ok(),
            },
            _ => error(),
        }
    }

    /// The request goes out now: its time begins.
    pub(crate) fn ask(&mut self, at: Duration, request: NetRequest) -> NetRequest {
        let kind = match request.action {
            NetAction::Connect { .. } => Kind::Connect,
            NetAction::Write(_) => Kind::Write,
            NetAction::Read { .. } | NetAction::Disconnect => Kind::Read,
        };
        let until = at + self.step_limit + NET_ANSWER_MARGIN;
        self.pending = Some(Pending { token: request.token, handle: request.handle, kind, until });
        request
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.pending.as_ref().map(|p| p.until)
    }

    pub(crate) fn overdue(&self, at: Duration) -> bool {
        self.deadline().is_some_and(|until| at >= until)
    }

    /// Nothing came: what the PinPad hears instead.
    pub(crate) fn give_up(&mut self) -> Vec<u8> {
        match self.pending.take() {
            Some(Pending { handle, kind: Kind::Read, .. }) => format!("{handle}:").into_bytes(),
            _ => b"ER".to_vec(),
        }
    }

    /// The answer for the PinPad; `None` when nobody waits for this one any more.
    pub(crate) fn answered(&mut self, token: u32, answer: NetAnswer) -> Option<Vec<u8>> {
        let pending = self.pending.take_if(|p| p.token == token)?;
        if pending.kind == Kind::Connect
            && let Some(connection) = self.open.get_mut(&pending.handle)
        {
            connection.connected = answer == NetAnswer::Done;
        }
        Some(match (pending.kind, answer) {
            (Kind::Read, answer) => {
                let mut reply = format!("{}:", pending.handle).into_bytes();
                if let NetAnswer::Data(mut bytes) = answer {
                    bytes.truncate(self.payload_limit.min(self.bytes_left));
                    self.bytes_left -= bytes.len();
                    reply.extend_from_slice(&bytes);
                }
                reply
            }
            (_, NetAnswer::Done) => b"OK".to_vec(),
            (_, NetAnswer::Failed | NetAnswer::Data(_)) => b"ER".to_vec(),
        })
    }

    fn is_connected(&self, handle: u32) -> bool {
        self.open.get(&handle).is_some_and(|c| c.connected)
    }

    fn request(&mut self, handle: u32, action: NetAction) -> Step {
        self.next_token = self.next_token.wrapping_add(1);
        Step::Net(NetRequest { token: self.next_token, handle, action })
    }
}
