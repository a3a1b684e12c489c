//! The line itself: opens the tty, runs one [`Dialogue`] at a time, and opens the tty again, for ever, when it vanishes.
//!
//! ```text
//!   Command ──► ┌──────┐ ◄── bytes ──┐
//!               │ port │             tty (8N1, DTR and RTS raised)
//!   Signal  ◄── └──────┘ ─── bytes ──┘
//! ```
//!
//! Signals are never dropped: they wait in the port until the caller's channel takes them, and the port stops reading
//! the line when too many wait. It never stops reading commands, so caller and port cannot wait for each other.
//!
//! - A line that is down answers `Start` with `NotSent` and `Recover` with `Lost`; ask again after `Up`.
//! - What the PinPad says while no run is on is kept (bounded) for the next run, which is why `Up` comes without
//!   draining: `Recover` must hear it. A `Start` drains it, answering.
//! - Sequence numbers of evidence begin at 0 with each `Start` and each `Recover`.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_serial::SerialStream;
use tracing::{Instrument as _, Span};

use super::arcus2::dialogue::{Dialogue, Event, LocalTime, Now};
use super::arcus2::frame::Codec;
use super::arcus2::proxy::NetAnswer;
use super::arcus2::request::Settings;
use super::limits::Limits;
use super::net::Net;
use super::{Command, End, OperationId, Signal, trace};
use line::{Line, Writer, open};
use run::{Run, Who};

mod line;
mod run;

/// The caller's clocks: this crate reads none.
pub trait Clock: Send + Sync {
    /// Monotonic time since a moment of the caller's choice.
    fn monotonic(&self) -> Duration;
    /// Local date and time for the PinPad; `None` while the wall clock cannot be trusted.
    fn local(&self) -> Option<LocalTime>;
}

/// What a port needs to know.
#[derive(Clone)]
pub struct PortSettings {
    /// The tty, by a name that stays (`/dev/serial/by-id/…`). Looked up anew at each opening.
    pub path: PathBuf,
    /// Bits per second; 8N1.
    pub baud: u32,
    /// The dialect.
    pub arcus: Settings,
    /// Time and size.
    pub limits: Limits,
    /// Gets every masked line of the wire trace, besides the log.
    pub trace: Option<trace::Sink>,
    /// Where everything is said that is done for an operation; `None` = nowhere in particular.
    pub spans: Option<trace::Spans>,
}

impl PortSettings {
    /// The settings of a tty at 115 200 baud with everything else at its default.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            baud: 115_200,
            arcus: Settings::default(),
            limits: Limits::default(),
            trace: None,
            spans: None,
        }
    }
}

/// The port's task has ended: its caller dropped the signals' receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the PinPad's port has ended")]
pub struct PortGone;

/// Sends commands to a port. The port ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct PortHandle {
    commands: mpsc::Sender<Command>,
}

impl PortHandle {
    /// Send a command; waits only while the port is behind by more than its queue.
    ///
    /// # Errors
    /// The port has ended.
    pub async fn send(&self, command: Command) -> Result<(), PortGone> {
        self.commands.send(command).await.map_err(|_| PortGone)
    }

    /// Wait for the port's end.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Send a command without waiting; gives it back when the queue is full or the port has ended.
    ///
    /// # Errors
    /// The command itself.
    pub fn try_send(&self, command: Command) -> Result<(), Command> {
        self.commands.try_send(command).map_err(mpsc::error::TrySendError::into_inner)
    }
}

/// Start a port in the current tokio runtime.
pub fn spawn(settings: PortSettings, clock: Arc<dyn Clock>, signals: mpsc::Sender<Signal>) -> PortHandle {
    let (commands, inbox) = mpsc::channel(settings.limits.commands.max(1));
    let port = Port {
        arcus: Arc::new(settings.arcus.clone()),
        settings,
        clock,
        outbox: run::Outbox::new(signals),
        commands: inbox,
        stale_ping: false,
    };
    tokio::spawn(port.serve());
    PortHandle { commands }
}

struct Port {
    settings: PortSettings,
    arcus: Arc<Settings>,
    clock: Arc<dyn Clock>,
    outbox: run::Outbox,
    commands: mpsc::Receiver<Command>,
    stale_ping: bool,
}

/// Nobody speaks to the port any more.
struct Closed;

impl Port {
    async fn serve(mut self) {
        let mut pause = self.settings.limits.reopen_first;
        let mut last_why = None;
        loop {
            let (why, operation) = match open(&self.settings) {
                Ok(serial) => {
                    pause = self.settings.limits.reopen_first;
                    last_why = None;
                    self.outbox.push(Signal::Up);
                    match self.on_line(serial).await {
                        Ok((why, operation)) => (why.to_string(), operation),
                        Err(Closed) => return,
                    }
                }
                Err(error) => (error.to_string(), None),
            };
            if last_why.as_ref() != Some(&why) {
                let path = self.settings.path.display();
                self.span_of(operation).in_scope(|| tracing::warn!(%path, %why, "the PinPad's line is down"));
                self.outbox.push(Signal::Down { why: why.clone() });
            }
            if self.wait_down(pause, &why).await.is_err() {
                return;
            }
            last_why = Some(why);
            pause = (pause * 2).min(self.settings.limits.reopen_longest);
        }
    }

    /// Between two attempts to open: commands are answered, signals delivered.
    async fn wait_down(&mut self, pause: Duration, why: &str) -> Result<(), Closed> {
        let until = tokio::time::sleep(pause);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return Ok(()),
                sent = self.outbox.deliver() => sent?,
                command = self.commands.recv() => match command.ok_or(Closed)? {
                    Command::Start(operation, _) => {
                        let end = End::NotSent { why: format!("the line is down: {why}") };
                        self.outbox.push(Signal::Finished { operation, end });
                    }
                    Command::Recover { operation, .. } => {
                        let end = End::Lost { why: format!("the line is down: {why}") };
                        self.outbox.push(Signal::Finished { operation, end });
                    }
                    Command::Release(..) | Command::Cancel(_) => {}
                },
            }
        }
    }

    /// Serve an open line until it is lost; why, comes back, and in the middle of what.
    async fn on_line(&mut self, serial: SerialStream) -> Result<(io::Error, Option<OperationId>), Closed> {
        let (read, write) = tokio::io::split(serial);
        let codec = Codec::new(self.arcus.transport, self.settings.limits.payload_bytes);
        let writer = Writer { write, unwritten: VecDeque::new() };
        let mut line = Line { read, writer, idle: Vec::new(), codec: Some(codec), mute_since: None };
        loop {
            let run = match self.idle(&mut line).await? {
                Idle::Lost(error) => return Ok((error, None)),
                Idle::Run(run) => run,
            };
            let operation = run.who.operation();
            let span = self.span_of(operation);
            if let Some(error) = self.run(&mut line, *run).instrument(span).await? {
                return Ok((error, operation));
            }
        }
    }

    async fn idle(&mut self, line: &mut Line) -> Result<Idle, Closed> {
        let mut buffer = [0; 1024];
        loop {
            let again = line.mute_since.map(|since| since + self.settings.limits.ping_again);
            let ping_in = again.map_or(Duration::MAX, |at| at.saturating_sub(self.clock.monotonic()));
            tokio::select! {
                sent = self.outbox.deliver() => sent?,
                command = self.commands.recv() => {
                    let command = command.ok_or(Closed)?;
                    let span = self.span_of(Some(command.operation()));
                    if let Some(run) = span.in_scope(|| self.begin(line, command)) {
                        return Ok(Idle::Run(Box::new(run)));
                    }
                }
                count = line.read.read(&mut buffer), if self.outbox.has_room(&self.settings.limits) => match count {
                    Ok(0) => return Ok(Idle::Lost(io::ErrorKind::UnexpectedEof.into())),
                    Ok(count) => line.keep(&buffer[..count], self.settings.limits.idle_bytes),
                    Err(error) => return Ok(Idle::Lost(error)),
                },
                () = tokio::time::sleep(ping_in), if again.is_some() => {
                    if let Some(run) = self.ping_again(line) {
                        return Ok(Idle::Run(Box::new(run)));
                    }
                }
            }
        }
    }

    fn span_of(&self, operation: Option<OperationId>) -> Span {
        let known = self.settings.spans.as_ref().zip(operation);
        known.map_or_else(Span::none, |(span_of, operation)| span_of(operation))
    }

    fn begin(&mut self, line: &mut Line, command: Command) -> Option<Run> {
        let now = self.now();
        let codec = line.codec.take()?;
        let limits = self.settings.limits.clone();
        let (who, dialogue) = match command {
            Command::Start(id, operation) => {
                match Dialogue::start(self.arcus.clone(), limits, codec, operation, self.stale_ping, now) {
                    Ok(dialogue) => (Who::Caller(id), dialogue),
                    Err((codec, why)) => {
                        line.codec = Some(codec);
                        self.outbox
                            .push(Signal::Finished { operation: id, end: End::NotSent { why: why.to_string() } });
                        return None;
                    }
                }
            }
            Command::Recover { operation, card_presented } => {
                let dialogue =
                    Dialogue::recover(self.arcus.clone(), limits, codec, card_presented, self.stale_ping, now);
                (Who::Caller(operation), dialogue)
            }
            Command::Release(..) | Command::Cancel(_) => {
                line.codec = Some(codec);
                return None;
            }
        };
        Some(self.new_run(line, who, dialogue, now))
    }

    /// The line is open but the PinPad did not answer: is it there now?
    fn ping_again(&mut self, line: &mut Line) -> Option<Run> {
        let now = self.now();
        line.mute_since = Some(now.at);
        let codec = line.codec.take()?;
        let limits = self.settings.limits.clone();
        match Dialogue::start(self.arcus.clone(), limits, codec, super::Operation::Ping, self.stale_ping, now) {
            Ok(dialogue) => Some(self.new_run(line, Who::Port, dialogue, now)),
            Err((codec, _)) => {
                line.codec = Some(codec);
                None
            }
        }
    }

    fn new_run(&self, line: &mut Line, who: Who, mut dialogue: Dialogue, now: Now) -> Run {
        dialogue = dialogue.traced(trace::Wire::new(self.settings.trace.clone()));
        let kept = std::mem::take(&mut line.idle);
        if !kept.is_empty() {
            dialogue.handle_bytes(now, &kept);
        }
        Run { who, dialogue, net: None }
    }

    /// One dialogue, from beginning to end. `Some` when the line was lost in it.
    async fn run(&mut self, line: &mut Line, mut run: Run) -> Result<Option<io::Error>, Closed> {
        let mut buffer = [0; 1024];
        let mut lost = None;
        loop {
            self.pump(line, &mut run);
            if run.dialogue.is_over() && (line.writer.unwritten.is_empty() || lost.is_some()) {
                break;
            }
            let wait = match run.dialogue.poll_timeout() {
                Some(at) => at.saturating_sub(self.clock.monotonic()),
                // Only the last answer is still to be written; a line that takes no byte is no reason to hang.
                None => self.settings.limits.frame,
            };
            // The request waits until its `Started` was taken by the caller's channel.
            let must_wait = line.writer.request_is_next() && self.outbox.holds_started();
            let may_write = !line.writer.unwritten.is_empty() && !must_wait;
            let event = tokio::select! {
                biased;
                sent = self.outbox.deliver() => { sent?; continue },
                command = self.commands.recv() => Wake::Command(command.ok_or(Closed)?),
                written = line.writer.write_some(), if may_write => Wake::Written(written),
                count = line.read.read(&mut buffer), if self.outbox.has_room(&self.settings.limits) => Wake::Read(count),
                answer = run.net_answer() => Wake::Net(answer),
                () = tokio::time::sleep(wait) => Wake::Time,
            };
            let now = self.now();
            match event {
                Wake::Command(command) => self.during_run(&mut run, command, now),
                Wake::Written(Ok(true)) => run.dialogue.request_touched(),
                Wake::Written(Ok(false)) => {}
                Wake::Read(Ok(count)) if count > 0 => {
                    let before = run.dialogue.is_over();
                    if before {
                        line.keep(&buffer[..count], self.settings.limits.idle_bytes);
                    } else {
                        run.dialogue.handle_bytes(now, &buffer[..count]);
                    }
                }
                Wake::Net((token, answer)) => run.dialogue.handle_net(now, token, answer),
                Wake::Time if run.dialogue.is_over() => line.writer.unwritten.clear(),
                Wake::Time => run.dialogue.handle_timeout(now),
                Wake::Read(Ok(_)) => lost = Some(io::ErrorKind::UnexpectedEof.into()),
                Wake::Read(Err(error)) | Wake::Written(Err(error)) => lost = Some(error),
            }
            if let Some(error) = &lost {
                line.writer.unwritten.clear();
                run.dialogue.line_lost(&error.to_string());
            }
        }
        self.stale_ping = run.dialogue.leaves_stale_ping();
        line.codec = Some(run.dialogue.into_codec());
        Ok(lost)
    }

    fn during_run(&mut self, run: &mut Run, command: Command, now: Now) {
        match command {
            Command::Release(id, sequence) if run.who == Who::Caller(id) => run.dialogue.release(now, sequence),
            Command::Cancel(id) if run.who == Who::Caller(id) => run.dialogue.cancel(now),
            Command::Release(..) | Command::Cancel(_) => {}
            Command::Start(operation, _) => {
                let why = "another operation is running".to_owned();
                self.outbox.push(Signal::Finished { operation, end: End::NotSent { why } });
            }
            Command::Recover { operation, .. } => {
                let why = "another operation is running".to_owned();
                self.outbox.push(Signal::Finished { operation, end: End::Lost { why } });
            }
        }
    }

    /// Carry what the dialogue has to give to where it belongs.
    fn pump(&mut self, line: &mut Line, run: &mut Run) {
        while let Some(transmit) = run.dialogue.poll_transmit() {
            if let (true, Who::Caller(id)) = (transmit.is_request, run.who) {
                self.outbox.push(Signal::Started(id));
            }
            line.writer.unwritten.push_back(transmit);
        }
        while let Some(event) = run.dialogue.poll_event() {
            self.on_event(line, run, event);
        }
    }

    fn on_event(&mut self, line: &mut Line, run: &mut Run, event: Event) {
        let caller = match run.who {
            Who::Caller(id) => Some(id),
            Who::Port => None,
        };
        match (event, caller) {
            (Event::Status(text), Some(id)) => self.outbox.push(Signal::Status(id, text)),
            (Event::Evidence { sequence, item }, Some(operation)) => {
                self.outbox.push(Signal::Evidence { operation, sequence, item });
            }
            (Event::Finished(end), Some(operation)) => {
                if end == End::Ended && line.mute_since.take().is_some() {
                    self.outbox.push(Signal::Up);
                }
                self.outbox.push(Signal::Finished { operation, end });
            }
            // The port's own ping: what it prints is nobody's evidence, and it must not wait for anyone.
            (Event::Evidence { sequence, .. }, None) => run.dialogue.release(self.now(), sequence),
            (Event::Finished(end), None) => {
                if end == End::Ended && line.mute_since.take().is_some() {
                    self.outbox.push(Signal::Up);
                }
            }
            (Event::Status(_), None) => {}
            (Event::Alive(true), _) => {
                if line.mute_since.take().is_some() {
                    self.outbox.push(Signal::Up);
                }
            }
            (Event::Alive(false), _) => {
                if line.mute_since.replace(self.clock.monotonic()).is_none() {
                    self.outbox.push(Signal::Down { why: "the line is open, but the PinPad does not answer".into() });
                }
            }
            (Event::Net(request), _) => {
                let limits = &self.settings.limits;
                run.net.get_or_insert_with(|| Net::spawn(limits.net_step, limits.net_handles.max(1))).ask(request);
            }
        }
    }

    fn now(&self) -> Now {
        Now { at: self.clock.monotonic(), local: self.clock.local() }
    }
}

enum Idle {
    Lost(io::Error),
    Run(Box<Run>),
}

enum Wake {
    Command(Command),
    /// True when a byte of the request was among them.
    Written(io::Result<bool>),
    Read(io::Result<usize>),
    Net((u32, NetAnswer)),
    Time,
}
