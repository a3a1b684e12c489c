//! The two small things a port keeps beside its line: who a dialogue runs for, and the signals not yet taken.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::{Closed, Dialogue, Limits, Net, OperationId, Signal};
use crate::pinpad::arcus2::proxy::NetAnswer;

/// For whom a dialogue runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// For the caller, who hears of it.
    Caller(OperationId),
    /// For the port itself: is the PinPad there?
    Port,
}

impl Who {
    pub(super) fn operation(self) -> Option<OperationId> {
        match self {
            Self::Caller(operation) => Some(operation),
            Self::Port => None,
        }
    }
}

/// The dialogue that is on, and its connections.
pub(super) struct Run {
    pub(super) who: Who,
    pub(super) dialogue: Dialogue,
    pub(super) net: Option<Net>,
}

impl Run {
    /// The next answer from the network; never, when nothing was asked.
    pub(super) async fn net_answer(&mut self) -> (u32, NetAnswer) {
        match &mut self.net {
            Some(net) => match net.answers.recv().await {
                Some(answer) => answer,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// Signals on their way to the caller, in order.
pub(super) struct Outbox {
    waiting: VecDeque<Signal>,
    signals: mpsc::Sender<Signal>,
}

impl Outbox {
    pub(super) fn new(signals: mpsc::Sender<Signal>) -> Self {
        Self { waiting: VecDeque::new(), signals }
    }

    pub(super) fn push(&mut self, signal: Signal) {
        self.waiting.push_back(signal);
    }

    /// Room for what one more read of the line may raise.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.waiting.len() < limits.signals
    }

    /// A `Started` has not reached the caller's channel yet.
    pub(super) fn holds_started(&self) -> bool {
        self.waiting.iter().any(|s| matches!(s, Signal::Started(_)))
    }

    /// Hand one signal over; waits for ever when there is none. Cancel-safe: a signal leaves the queue only when the
    /// channel has taken it.
    pub(super) async fn deliver(&mut self) -> Result<(), Closed> {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        let permit = self.signals.reserve().await.map_err(|_| Closed)?;
        if let Some(signal) = self.waiting.pop_front() {
            permit.send(signal);
        }
        Ok(())
    }
}
