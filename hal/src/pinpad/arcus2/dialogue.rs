//! One run with the PinPad, from what is left on the line before it to ENDTR after it. Sans-IO: the caller brings
//! bytes, time and releases, and takes away bytes and events.
//!
//! ```text
//!  new ──► Draining ──quiet──► Running ──ENDTR──────────────► Over (Ended)
//!             │ still talking      │ 180 s, broken frame, ENC:   ▲
//!             ▼                    ▼                             │ ENDTR, or 4 s: Lost
//!       Over (NotSent)          Failing ─────────────────────────┘
//!
//!  recover ──► Listening ──ENDTR or 4 s──► Pinging ──ENDTR or 10 s──► Over (Ended | Lost)
//! ```
//!
//! After the request the PinPad is the master: it speaks, the till answers each message with exactly one frame. The
//! answer to evidence is *held*: it goes out when the caller has released every piece of evidence in that message,
//! and until then nothing that follows is looked at.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::frame::Codec;
use super::message::Message;
use super::proxy::{Bank, NetAnswer, NetRequest, Step};
use super::request::{self, Settings, Unwritable};
use crate::pinpad::limits::Limits;
use crate::pinpad::trace::Wire;
use crate::pinpad::{End, Evidence, Operation};

/// The caller's two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since a moment of the caller's choice.
    pub at: Duration,
    /// The wall clock, for TIMESYNC; `None` when it cannot be trusted, and TIMESYNC is then answered `ER`.
    pub local: Option<LocalTime>,
}

/// A local date and time, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, four digits.
    pub year: u16,
    /// Month, from 1.
    pub month: u8,
    /// Day of the month, from 1.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
}

/// What the caller has to pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line for the customer or the cashier.
    Status(String),
    /// Evidence, held until [`Dialogue::release`].
    Evidence {
        /// Counts from 0 within this run (a recovery is a run of its own).
        sequence: u32,
        /// What was said.
        item: Evidence,
    },
    /// Do this with the bank's connection and bring the answer to [`Dialogue::handle_net`].
    Net(NetRequest),
    /// A recovery knows now whether the PinPad answers.
    Alive(bool),
    /// The run is over. Nothing comes after it.
    Finished(End),
}

/// Bytes for the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// A whole frame.
    pub bytes: Vec<u8>,
    /// This is the request: once one byte of it is written, call [`Dialogue::request_touched`].
    pub is_request: bool,
}

/// One run. See the module's picture.
#[derive(Debug)]
pub struct Dialogue {
    settings: Arc<Settings>,
    limits: Limits,
    wire: Wire,
    codec: Codec,
    /// `None` in a recovery: the port does not know what was interrupted.
    operation: Option<Operation>,
    request: Vec<u8>,
    stage: Stage,
    /// The line may still carry the answer to an earlier, unanswered ping: no evidence before its ENDTR.
    stale_ping: bool,
    request_touched: bool,
    cancel_wanted: bool,
    card: bool,
    heard: bool,
    last_code: Option<String>,
    sequence: u32,
    held: Option<Held>,
    bank: Bank,
    frames: VecDeque<Vec<u8>>,
    partial_since: Option<Duration>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

mod answers;
mod stages;
#[cfg(test)]
mod tests;

#[derive(Debug)]
enum Stage {
    Draining { until: Duration, quiet_at: Duration },
    Running { until: Duration },
    Failing { until: Duration, cap: Duration, why: String, garbled: bool },
    Listening { until: Duration, cap: Duration },
    Pinging { until: Duration, ended: bool },
    Over,
}

#[derive(Debug)]
struct Held {
    since: Duration,
    unreleased: BTreeSet<u32>,
    then: Step,
}

impl Dialogue {
    /// A run of `operation`. `stale_ping`: an earlier ping of ours may still be answered on this line.
    ///
    /// # Errors
    /// The request cannot be written; nothing was sent.
    pub fn start(
        settings: Arc<Settings>,
        limits: Limits,
        codec: Codec,
        operation: Operation,
        stale_ping: bool,
        now: Now,
    ) -> Result<Self, (Codec, Unwritable)> {
        let request = match settings.request(&operation) {
            Ok(request) => request,
            Err(why) => return Err((codec, why)),
        };
        let quiet = if stale_ping { limits.drain_before } else { limits.drain_quiet };
        let stage = Stage::Draining { until: now.at + limits.drain_before, quiet_at: now.at + quiet };
        Ok(Self::new(settings, limits, codec, Some(operation), request, stage, stale_ping))
    }

    /// Listen to what the PinPad still says of an interrupted run, then ping it.
    #[must_use]
    pub fn recover(
        settings: Arc<Settings>,
        limits: Limits,
        codec: Codec,
        card_presented: bool,
        stale_ping: bool,
        now: Now,
    ) -> Self {
        let stage = Stage::Listening { until: now.at + limits.drain_after_failure, cap: now.at + limits.dialogue };
        let mut dialogue = Self::new(settings, limits, codec, None, Vec::new(), stage, stale_ping);
        dialogue.card = card_presented;
        dialogue
    }

    fn new(
        settings: Arc<Settings>,
        limits: Limits,
        codec: Codec,
        operation: Option<Operation>,
        request: Vec<u8>,
        stage: Stage,
        stale_ping: bool,
    ) -> Self {
        let bank = Bank::new(&settings, &limits);
        Self {
            settings,
            limits,
            wire: Wire::default(),
            codec,
            operation,
            request,
            stage,
            stale_ping,
            request_touched: false,
            cancel_wanted: false,
            card: false,
            heard: false,
            last_code: None,
            sequence: 0,
            held: None,
            bank,
            frames: VecDeque::new(),
            partial_since: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Trace what is said to `wire`.
    #[must_use]
    pub fn traced(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// Bytes from the line.
    pub fn handle_bytes(&mut self, now: Now, bytes: &[u8]) {
        if self.is_over() {
            return;
        }
        if let Stage::Draining { quiet_at, .. } = &mut self.stage {
            *quiet_at = (*quiet_at).max(now.at + self.limits.drain_quiet);
        }
        self.heard = true;
        self.codec.feed(bytes);
        loop {
            match self.codec.next_payload() {
                Ok(Some(_)) if self.frames.len() >= self.limits.frames_waiting => {
                    self.fail(now, "the PinPad goes on speaking without waiting for its answer".into(), true);
                    break;
                }
                Ok(Some(payload)) => self.frames.push_back(payload),
                Ok(None) => break,
                // What is left of an earlier run may begin in the middle; in this run a broken frame is a failure.
                Err(invalid) => {
                    if matches!(self.stage, Stage::Running { .. }) {
                        self.fail(now, invalid.to_string(), true);
                    } else {
                        tracing::debug!(%invalid, "bytes that are no frame are skipped");
                    }
                    break;
                }
            }
        }
        self.partial_since = self.codec.is_partial().then(|| self.partial_since.unwrap_or(now.at));
        self.advance(now);
    }

    /// The time of [`Self::poll_timeout`] has come (calling it early does no harm).
    pub fn handle_timeout(&mut self, now: Now) {
        if let Some(since) = self.partial_since
            && now.at >= since + self.limits.frame
        {
            self.partial_since = None;
            self.codec.clear();
            if matches!(self.stage, Stage::Running { .. }) {
                self.fail(now, "a frame that never became whole".into(), true);
            }
        }
        if self.bank.overdue(now.at) {
            let answer = self.bank.give_up();
            self.answer(&answer);
        }
        self.stage_timeout(now);
        self.advance(now);
    }

    /// The answer to a [`Event::Net`]. Answers to a request that was given up meanwhile are ignored.
    pub fn handle_net(&mut self, now: Now, token: u32, answer: NetAnswer) {
        if let Some(reply) = self.bank.answered(token, answer) {
            self.answer(&reply);
            self.advance(now);
        }
    }

    /// The evidence with this number is safe. When it was the last of its message, the PinPad gets its answer.
    pub fn release(&mut self, now: Now, sequence: u32) {
        let Some(held) = &mut self.held else { return };
        held.unreleased.remove(&sequence);
        if !held.unreleased.is_empty() {
            return;
        }
        let Some(held) = self.held.take() else { return };
        // The disk's time is not the PinPad's: a drain goes on as long as it would have without the wait.
        let waited = now.at.saturating_sub(held.since);
        if let Stage::Failing { until, cap, .. } | Stage::Listening { until, cap } = &mut self.stage {
            *until = (*until + waited).min(*cap);
        }
        self.perform(now, held.then);
        self.advance(now);
    }

    /// Take the operation back at the next `PING:`. Without effect once a card was presented; at once, and then with
    /// nothing sent, while the request has not been written.
    pub fn cancel(&mut self, _now: Now) {
        self.cancel_wanted = true;
        let unsent = matches!(self.stage, Stage::Draining { .. })
            || (matches!(self.stage, Stage::Running { .. }) && !self.request_touched);
        if unsent {
            self.finish(End::NotSent { why: "cancelled before the request was sent".into() });
        }
    }

    /// The first byte of the request was written: from here on the operation may have happened.
    pub fn request_touched(&mut self) {
        self.request_touched = true;
    }

    /// The line is gone.
    pub fn line_lost(&mut self, why: &str) {
        if self.is_over() {
            return;
        }
        let recovery = self.operation.is_none();
        self.finish(if self.request_touched || recovery {
            End::Lost { why: why.to_owned() }
        } else {
            End::NotSent { why: why.to_owned() }
        });
    }

    /// The next frame for the line.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; `None` when the run is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let stage = match &self.stage {
            Stage::Draining { until, quiet_at } => (*until).min(*quiet_at),
            Stage::Running { until } | Stage::Pinging { until, .. } => *until,
            Stage::Failing { until, cap, .. } | Stage::Listening { until, cap } => {
                if self.held.is_some() {
                    *cap
                } else {
                    *until
                }
            }
            Stage::Over => return None,
        };
        let partial = self.partial_since.map(|since| since + self.limits.frame);
        [Some(stage), partial, self.bank.deadline()].into_iter().flatten().min()
    }

    /// [`Event::Finished`] was raised.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// A ping was sent and its ENDTR has not come: the next run must be told (`stale_ping`).
    #[must_use]
    pub fn leaves_stale_ping(&self) -> bool {
        self.stale_ping
    }

    /// The line's framing state, for the next run.
    #[must_use]
    pub fn into_codec(self) -> Codec {
        self.codec
    }

    /// Look at what waits, one message after another, until one of them has to wait for somebody.
    fn advance(&mut self, now: Now) {
        while self.held.is_none() && !self.bank.is_busy() && !self.is_over() {
            let Some(payload) = self.frames.pop_front() else { break };
            self.wire.heard(&payload);
            let message = Message::parse(&payload);
            self.on_message(now, message);
        }
    }

    fn on_message(&mut self, now: Now, message: Message) {
        let step = self.step_for(now, &message);
        let silent = matches!(self.stage, Stage::Draining { .. } | Stage::Pinging { .. }) || self.stale_ping;
        if silent {
            if matches!(message, Message::StoreRc(_) | Message::Print(_) | Message::SetTags(_)) {
                tracing::warn!(
                    "the PinPad still spoke of an earlier run; answered, not counted as evidence of this one"
                );
            }
        } else if self.raise_evidence(now, &message, &step) {
            return;
        }
        self.perform(now, step);
    }

    /// True when the message is evidence: its answer waits.
    fn raise_evidence(&mut self, now: Now, message: &Message, step: &Step) -> bool {
        let mut unreleased = BTreeSet::new();
        if !self.card && self.implies_card(message) {
            self.card = true;
            if self.operation.as_ref().is_none_or(request::needs_card) {
                unreleased.insert(self.raise(Evidence::CardPresented));
            }
        }
        let item = match message {
            Message::Status(text) if !text.trim().is_empty() => {
                self.events.push_back(Event::Status(text.trim().to_owned()));
                None
            }
            Message::Print(text) => Some(Evidence::Print(text.clone())),
            Message::SetTags(tags) if !tags.is_empty() => Some(Evidence::Tags(tags.clone())),
            Message::StoreRc(code) => {
                self.last_code = Some(code.clone());
                // STORERC without a code is an end without a code: in doubt, not a result.
                (!code.is_empty()).then(|| Evidence::Result(code.clone()))
            }
            _ => None,
        };
        if let Some(item) = item {
            unreleased.insert(self.raise(item));
        }
        if self.sequence > self.limits.evidence {
            self.fail(now, "more evidence than any dialogue has".into(), true);
        }
        if unreleased.is_empty() {
            return false;
        }
        self.held = Some(Held { since: now.at, unreleased, then: step.clone() });
        true
    }

    fn raise(&mut self, item: Evidence) -> u32 {
        let sequence = self.sequence;
        self.sequence += 1;
        self.events.push_back(Event::Evidence { sequence, item });
        sequence
    }

    fn perform(&mut self, now: Now, step: Step) {
        match step {
            Step::Answer(bytes) => self.answer(&bytes),
            Step::Net(request) => {
                let request = self.bank.ask(now.at, request);
                self.events.push_back(Event::Net(request));
            }
            Step::NetAndAnswer(request, bytes) => {
                self.events.push_back(Event::Net(request));
                self.answer(&bytes);
            }
            Step::Refuse(bytes, why) => {
                self.answer(&bytes);
                self.fail(now, why, true);
            }
            Step::End(bytes) => {
                self.answer(&bytes);
                self.on_end(now);
            }
        }
    }

    fn answer(&mut self, payload: &[u8]) {
        self.wire.said(payload);
        match self.codec.encode(payload) {
            Ok(bytes) => self.transmits.push_back(Transmit { bytes, is_request: false }),
            Err(why) => tracing::error!(%why, "an answer could not be framed"),
        }
    }
}
