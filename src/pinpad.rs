//! Between the PinPad's port (bytes, signals) and the driver (events, effects): it translates, decides nothing, and waits for nobody.
//!
//! The slip is gathered here while it is printed: what may be stored is masked with what stands before it in mind, what it says is read
//! anew with every piece. After a restart the gathering begins again with what the PinPad still has to say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hal::pinpad::arcus2::dialogue::LocalTime;
use hal::pinpad::learn;
use hal::pinpad::port::{self, PortHandle, PortSettings};
use hal::pinpad::slip::{self as paper, CodeClass};
use hal::pinpad::trace::Spans;
use hal::pinpad::{Command, End, Evidence, Operation, OperationId, Signal};
use tokio::sync::mpsc;
use tracing::{Span, error, warn};
use uuid::Uuid;

use crate::clock::Clock;
use crate::driver::Handle;
use crate::limits;
use crate::log::runs::Runs;
use crate::payment::card::{Question, ResultClass, RunId, RunResult, Slip};
use crate::payment::event::{Effect, Event, PinpadOrder, RunEnd, Said};
use crate::payment::money::Money;
use crate::payment::sale::Private;

/// Starts a port on `settings` and a task that tells the driver what it says; `runs` names the payments in the log. Must be called within a runtime.
#[must_use]
pub fn spawn(settings: PortSettings, clock: Clock, driver: Handle, runs: Runs) -> Commands {
    let (signals, heard) = mpsc::channel(limits::PINPAD_SIGNALS_LEN);
    let pictures = driver.clone();
    let span_of: Spans = Arc::new(move |operation| runs.span(run_id(operation), &pictures.snapshot()));
    let settings = PortSettings { spans: Some(span_of.clone()), ..settings };
    let port = port::spawn(settings, Arc::new(PortClock(clock)), signals);
    let (commands, orders) = mpsc::channel(limits::PINPAD_COMMANDS_LEN);
    tokio::spawn(listen(heard, driver, span_of.clone()));
    tokio::spawn(forward(orders, port));
    Commands { orders: commands, span_of }
}

/// The settings of a port, with every limit from [`limits`].
#[must_use]
pub fn port_settings(path: PathBuf, baud: u32, arcus: hal::pinpad::arcus2::request::Settings) -> PortSettings {
    // Every field is written: a limit of the port that is added there has to get its name here.
    let limits = hal::pinpad::limits::Limits {
        dialogue: limits::wait(limits::PINPAD_TOTAL_MS),
        drain_before: limits::wait(limits::PINPAD_DRAIN_MS),
        drain_quiet: limits::wait(limits::PINPAD_DRAIN_QUIET_MS),
        drain_after_failure: limits::wait(limits::PINPAD_AFTER_FAILURE_MS),
        frame: limits::wait(limits::PINPAD_FRAME_MS),
        ping: limits::wait(limits::PINPAD_PING_MS),
        ping_again: limits::wait(limits::PINPAD_PING_AGAIN_MS),
        payload_bytes: limits::PINPAD_PAYLOAD_MAX_BYTES,
        frames_waiting: limits::PINPAD_FRAMES_WAITING_LEN,
        idle_bytes: limits::PINPAD_IDLE_MAX_BYTES,
        evidence: limits::PINPAD_EVIDENCE_MAX,
        net_handles: limits::PINPAD_NET_HANDLES_MAX,
        net_step: limits::wait(limits::PINPAD_NET_STEP_MS),
        net_bytes: limits::PINPAD_NET_MAX_BYTES,
        reopen_first: limits::wait(limits::PINPAD_REOPEN_FIRST_MS),
        reopen_longest: limits::wait(limits::PINPAD_REOPEN_LONGEST_MS),
        commands: limits::PINPAD_COMMANDS_LEN,
        signals: limits::PINPAD_SIGNALS_LEN,
    };
    PortSettings { baud, arcus, limits, ..PortSettings::new(path) }
}

/// Finds out what the PinPad on this line understands ([`learn::learn`]). Only while no daemon holds the line.
///
/// # Errors
/// What `learn` says; money may have moved where it says so.
pub async fn learn(
    settings: PortSettings,
    clock: Clock,
    bauds: &[u32],
    with_sale: bool,
) -> Result<learn::Learned, learn::LearnError> {
    learn::learn(settings, Arc::new(PortClock(clock)), bauds, with_sale).await
}

/// The driver's end: orders to the PinPad.
#[derive(Clone)]
pub struct Commands {
    orders: mpsc::Sender<Command>,
    span_of: Spans,
}

impl Commands {
    /// Wait for the end of the port or of the bridge to it: neither ends by itself unless it is broken.
    pub async fn ended(&self) {
        self.orders.closed().await;
    }

    /// Carry out an effect that is the PinPad's. Does not wait; other effects are not for it and come back.
    ///
    /// # Errors
    /// The effect, where it is none of the PinPad's.
    pub fn release(&self, effect: Effect) -> Result<(), Effect> {
        let command = match effect {
            Effect::PinpadRun { run, order } => Command::Start(operation_id(run), operation(order)),
            Effect::PinpadAsk { run, question } => Command::Start(operation_id(run), asking(question)),
            Effect::PinpadRecover { run, card_presented } => {
                Command::Recover { operation: operation_id(run), card_presented }
            }
            Effect::PinpadRelease { run, sequence } => Command::Release(operation_id(run), sequence),
            Effect::PinpadCancel { run } => Command::Cancel(operation_id(run)),
            other => return Err(other),
        };
        match self.orders.try_send(command) {
            Ok(()) => {}
            // A lost order would leave the machine waiting for ever; this one goes as soon as there is room.
            Err(mpsc::error::TrySendError::Full(command)) => {
                let orders = self.orders.clone();
                tokio::spawn(async move { orders.send(command).await });
            }
            Err(mpsc::error::TrySendError::Closed(command)) => (self.span_of)(command.operation())
                .in_scope(|| error!("the PinPad's port has ended; an order to it is lost")),
        }
        Ok(())
    }
}

async fn forward(mut orders: mpsc::Receiver<Command>, port: PortHandle) {
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            () = port.ended() => return,
        };
        let Some(command) = order else { return };
        if port.send(command).await.is_err() {
            return;
        }
    }
}

async fn listen(mut signals: mpsc::Receiver<Signal>, driver: Handle, span_of: Spans) {
    let mut paper = Paper::default();
    while let Some(signal) = signals.recv().await {
        let span = signal.operation().map_or_else(Span::none, |operation| span_of(operation));
        if let Some(event) = span.in_scope(|| paper.event(signal)) {
            driver.tell(event).await;
        }
    }
}

/// What the run on the line has printed so far.
#[derive(Default)]
struct Paper {
    of: Option<OperationId>,
    printed: paper::Gathered,
}

impl Paper {
    fn event(&mut self, signal: Signal) -> Option<Event> {
        match signal {
            Signal::Up => Some(Event::PinpadUp),
            Signal::Down { why } => Some(Event::PinpadDown { why }),
            Signal::Started(_) => None,
            Signal::Status(operation, text) => Some(Event::PinpadStatus { run: run_id(operation), text }),
            Signal::Evidence { operation, sequence, item } => {
                let said = self.said(operation, item);
                Some(Event::PinpadSaid { run: run_id(operation), sequence, said })
            }
            Signal::Finished { operation, end } => {
                *self = Self::default();
                let end = match end {
                    End::Ended => RunEnd::Ended,
                    End::NotSent { why } => RunEnd::NotSent { why },
                    End::Lost { why } => RunEnd::Lost { why },
                };
                Some(Event::PinpadFinished { run: run_id(operation), end })
            }
        }
    }

    fn said(&mut self, operation: OperationId, item: Evidence) -> Said {
        if self.of != Some(operation) {
            *self = Self { of: Some(operation), ..Self::default() };
        }
        match item {
            Evidence::CardPresented => Said::CardPresented,
            Evidence::Print(text) => {
                let masked = self.printed.add(&text);
                let entries: Vec<Slip> = self.printed.slips().into_iter().map(slip).collect();
                let slip = Box::new(whole(&entries));
                Said::Print { masked, printed: Private(Some(text)), slip, entries }
            }
            Evidence::Tags(mut tags) => {
                tags.retain(|(name, _)| TAGS_KEPT.contains(&name.as_str()));
                Said::Tags(tags.into_iter().map(|(name, value)| (name, paper::mask_numbers(&value))).collect())
            }
            Evidence::Result(code) => Said::Result(RunResult { class: result_class(&code), code }),
        }
    }
}

/// The values of SETTAGS that a payment is told by. Any other may hold a track, a key or a name, and is not kept.
const TAGS_KEPT: [&str; 5] = ["RC", "RRN", "AUTH", "TERM", "AMOUNT"];

/// The slip of a single operation: customer's and shop's copies say the same; a paper that holds different operations says nothing about one.
fn whole(entries: &[Slip]) -> Slip {
    let Some(first) = entries.first() else { return Slip::default() };
    let differs = entries.iter().any(|e| e.rrn != first.rrn || e.amount_minor != first.amount_minor);
    let conflict = differs.then(|| "several operations".to_owned());
    Slip { conflict: first.conflict.clone().or(conflict), ..first.clone() }
}

fn slip(read: paper::Slip) -> Slip {
    use paper::SlipOperation as Op;
    let operation = read.operation.map(|op| match op {
        Op::Sale => "sale",
        Op::Refund => "refund",
        Op::Void => "void",
        Op::Settlement => "settlement",
    });
    Slip {
        amount_minor: read.amount_minor,
        surcharge_minor: read.surcharge_minor,
        total_minor: read.total_minor,
        rrn: read.rrn,
        authorisation_code: read.authorisation_code,
        response_code: read.response_code,
        card_masked: read.masked_card,
        terminal_id: read.terminal_id,
        merchant_id: read.merchant_id,
        shift: read.shift,
        receipt_number: read.receipt_number,
        date: read.date,
        time: read.time,
        operation: operation.map(str::to_owned),
        approved: read.approved,
        cancelled: read.operation_cancelled,
        totals_agree: read.totals_match,
        conflict: read.conflicts.first().map(|c| c.field.to_owned()),
    }
}

fn result_class(code: &str) -> ResultClass {
    match (paper::classify(code, false, &[]), code.trim()) {
        (CodeClass::Approved, _) => ResultClass::Approved,
        (_, "400") => ResultClass::ApprovedForVoid,
        (_, "202") => ResultClass::NotFound,
        (_, "201" | "212") => ResultClass::Cancelled,
        (_, "402") => ResultClass::Misconfigured,
        (CodeClass::Declined(_), _) => ResultClass::Declined,
        (CodeClass::Unknown, _) => {
            warn!(code, "the PinPad's result code is in no table");
            ResultClass::Unknown
        }
    }
}

fn operation(order: PinpadOrder) -> Operation {
    match order {
        PinpadOrder::Sale(amount) => Operation::Sale { amount_minor: minor(amount) },
        PinpadOrder::Void { amount, rrn, receipt_number } => {
            Operation::Void { amount_minor: minor(amount), rrn, receipt_number }
        }
        PinpadOrder::Refund { amount, rrn } => Operation::Refund { amount_minor: minor(amount), rrn },
        PinpadOrder::Settlement => Operation::Settlement,
    }
}

fn asking(question: Question) -> Operation {
    match question {
        Question::LastTransaction => Operation::LastTransaction,
        Question::DetailedReport => Operation::DetailedReport,
        Question::ShortReport => Operation::ShortReport,
    }
}

/// The API refuses amounts that are not positive; an amount of 0 is refused by the PinPad.
fn minor(amount: Money) -> u64 {
    u64::try_from(amount.minor()).unwrap_or(0)
}

fn operation_id(run: RunId) -> OperationId {
    OperationId(run.0.as_u128())
}

fn run_id(operation: OperationId) -> RunId {
    RunId(Uuid::from_u128(operation.0))
}

/// The house's clock, as the port wants it.
struct PortClock(Clock);

impl port::Clock for PortClock {
    fn monotonic(&self) -> Duration {
        limits::wait(self.0.monotonic_ms())
    }

    fn local(&self) -> Option<LocalTime> {
        let local = self.0.wall_trusted().then(|| self.0.local())?;
        Some(LocalTime {
            year: local.year().unsigned_abs(),
            month: local.month().unsigned_abs(),
            day: local.day().unsigned_abs(),
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_ends_takes_the_bridge_with_it_where_it_is_noticed() {
        let (signals, heard) = mpsc::channel(1);
        drop(heard);
        let port = port::spawn(PortSettings::new("/no/such/tty"), Arc::new(PortClock(Clock::system())), signals);
        let (commands, orders) = mpsc::channel(1);
        tokio::spawn(forward(orders, port));
        let commands = Commands { orders: commands, span_of: Arc::new(|_| Span::none()) };
        let ended = tokio::time::timeout(limits::wait(limits::SHUTDOWN_MS), commands.ended()).await;
        assert!(
            ended.is_ok(),
            "card sales would be refused until somebody restarts the terminal, and nobody would know"
        );
    }

    #[test]
    fn of_the_tags_only_those_leave_the_bridge_that_a_payment_is_told_by() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let sent = [
            ("RC", "00"),
            ("RRN", "231511584547"),
            ("57", "9860090112347856D25012010000012300000"),
            ("5F20", "IVANOV/IVAN"),
            ("", "IVANOV IVAN 9860090112347856"),
            ("9860090112347856", "25012010000012300000"),
        ];
        let said = Paper::default().said(OperationId(1), Evidence::Tags(pairs(&sent)));
        assert_eq!(said, Said::Tags(pairs(&[("RC", "00"), ("RRN", "231511584547")])));
    }
}
