//! Commissioning: which speed, which transport and which way to write amounts does the PinPad on this line understand?
//!
//! Speed and transport are found with pings, which move nothing. The amount's format is found with a sale of
//! [`PROBE_MINOR`] (one sum) that a technician pays with a card of his own and that is voided at once: the slip tells what the
//! PinPad understood. Everything goes through the same port and dialogue as a customer's payment.
//!
//! Evidence is released as it comes, because there is no journal in this crate: the result and its masked trace are what
//! the caller keeps. Run it only while the terminal is not in service.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::arcus2::frame::Transport;
use super::arcus2::request::AmountFormat;
use super::limits::{LEARN_OPEN, LEARN_PING};
use super::port::{self, Clock, PortHandle, PortSettings};
use super::slip::{self, CodeClass, Slip};
use super::{Command, End, Evidence, Operation, OperationId, Signal};

/// The probe's amount, minor units: one sum.
pub const PROBE_MINOR: u64 = 100;

/// Speeds that are tried, the likely ones first.
pub const BAUDS: [u32; 5] = [115_200, 9_600, 57_600, 38_400, 19_200];

/// What was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Bits per second.
    pub baud: u32,
    /// BinLen or blocks.
    pub transport: Transport,
    /// How amounts are written; `None` when no sale was asked for.
    pub amount_format: Option<AmountFormat>,
    /// The probe's end; `None` when no sale was asked for.
    pub probe: Option<Probe>,
    /// Every message of the successful dialogues, masked, `>` ours and `<` the PinPad's.
    pub trace: Vec<String>,
}

/// The probing sale and its void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What the card was charged according to the slip, minor units.
    pub charged_minor: u64,
    /// The sale's RRN.
    pub rrn: String,
    /// The void's result code, when there was one.
    pub void_code: Option<String>,
    /// The money is back on the card. If not, it has to be given back by hand.
    pub voided: bool,
}

impl Learned {
    /// The lines for the board file and for `tolov.toml`.
    #[must_use]
    pub fn lines(&self, path: &str) -> String {
        let transport = match self.transport {
            Transport::BinLen => "binlen",
            Transport::Block5A => "block5a",
        };
        let format = self.amount_format.map_or("", |format| match format {
            AmountFormat::Minor => "amount_format = \"minor\"\n",
            AmountFormat::Decimal => "amount_format = \"decimal\"\n",
        });
        format!(
            "# board file\n[pinpad]\nport = \"{path}\"\nbaud = {}\n\n# tolov.toml\n[humo]\ntransport = \"{transport}\"\n{format}",
            self.baud
        )
    }
}

/// Why nothing was learned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The tty cannot be opened.
    #[error("the line cannot be opened: {0}")]
    NoLine(String),
    /// No speed and no transport brought an answer.
    #[error("the PinPad answered to none of {0} tried combinations of speed and transport")]
    NoAnswer(usize),
    /// The probe was refused; nothing was charged.
    #[error("the PinPad refused the sale of one sum with code {code}: {why}")]
    Refused {
        /// STORERC.
        code: String,
        /// In words.
        why: String,
    },
    /// The probe's end is not known: look at the PinPad's own last slip before anything else.
    #[error("it is not known whether the sale of one sum took money: {0}")]
    InDoubt(String),
    /// The probe was charged, but the slip does not say what.
    #[error(
        "the sale was approved, but its slip does not show an amount of 1.00 or 100.00 (RRN {rrn}): void it by hand"
    )]
    Unclear {
        /// The sale's RRN, where it was told; else empty.
        rrn: String,
    },
}

/// Learn what `base.path` speaks. `with_sale`: also find the amount's format, with a sale that is voided. `base` brings
/// everything else, such as the operations' numbers and how a void names its sale.
///
/// # Errors
/// [`LearnError`]; in [`LearnError::InDoubt`] and [`LearnError::Unclear`] money may have moved.
pub async fn learn(
    base: PortSettings,
    clock: Arc<dyn Clock>,
    bauds: &[u32],
    with_sale: bool,
) -> Result<Learned, LearnError> {
    let mut tried = 0;
    for transport in [Transport::BinLen, Transport::Block5A] {
        for &baud in bauds {
            tried += 1;
            let mut settings = PortSettings { baud, ..base.clone() };
            settings.arcus.transport = transport;
            settings.arcus.amount_format = AmountFormat::Minor;
            settings.limits.ping = base.limits.ping.min(LEARN_PING);
            settings.limits.drain_after_failure = settings.limits.drain_quiet;
            let mut desk = Desk::open(settings.clone(), clock.clone()).await?;
            if desk.run(Operation::Ping).await.end != End::Ended {
                desk.close().await;
                continue;
            }
            let mut learned = Learned { baud, transport, amount_format: None, probe: None, trace: Vec::new() };
            if with_sale {
                settings.limits = base.limits.clone();
                let trace = desk.close().await;
                let probed = probe(settings, clock, trace).await?;
                learned = Learned { baud, transport, ..probed };
            } else {
                learned.trace = desk.close().await;
            }
            return Ok(learned);
        }
    }
    Err(LearnError::NoAnswer(tried))
}

async fn probe(settings: PortSettings, clock: Arc<dyn Clock>, mut trace: Vec<String>) -> Result<Learned, LearnError> {
    let transport = settings.arcus.transport;
    let baud = settings.baud;
    let mut desk = Desk::open(settings.clone(), clock.clone()).await?;
    let sale = desk.run(Operation::Sale { amount_minor: PROBE_MINOR }).await;
    trace.extend(desk.close().await);
    match (&sale.end, sale.code.as_deref()) {
        (End::Ended, Some(code)) => match slip::classify(code, false, &[]) {
            CodeClass::Approved => {}
            CodeClass::Declined(why) => return Err(LearnError::Refused { code: code.into(), why: why.into() }),
            CodeClass::Unknown => return Err(LearnError::InDoubt(format!("the result code is {code}"))),
        },
        (End::NotSent { why }, _) => return Err(LearnError::NoLine(why.clone())),
        (end, _) => return Err(LearnError::InDoubt(format!("{end:?}"))),
    }
    let slip = sale.slip();
    let rrn = slip.rrn.clone().or_else(|| sale.tag("RRN")).unwrap_or_default();
    let (format, charged_minor) = match slip.amount_minor {
        Some(PROBE_MINOR) => (AmountFormat::Minor, PROBE_MINOR),
        // "100" was read as 100.00: this PinPad wants a decimal point.
        Some(minor) if minor == PROBE_MINOR * 100 => (AmountFormat::Decimal, minor),
        _ => return Err(LearnError::Unclear { rrn }),
    };
    let mut settings = settings;
    settings.arcus.amount_format = format;
    let mut desk = Desk::open(settings, clock).await?;
    let void = Operation::Void { amount_minor: charged_minor, rrn: rrn.clone(), receipt_number: slip.receipt_number };
    let void = desk.run(void).await;
    trace.extend(desk.close().await);
    let voided = void.end == End::Ended
        && void.code.as_deref().is_some_and(|code| slip::classify(code, true, &[]) == CodeClass::Approved);
    let probe = Probe { charged_minor, rrn, void_code: void.code, voided };
    Ok(Learned { baud, transport, amount_format: Some(format), probe: Some(probe), trace })
}

/// A port opened for one question after another.
struct Desk {
    port: PortHandle,
    signals: mpsc::Receiver<Signal>,
    trace: Arc<Mutex<Vec<String>>>,
    next: u128,
    /// Nothing runs longer than this, whatever the port does.
    longest: Duration,
}

/// What a run brought.
struct Run {
    end: End,
    code: Option<String>,
    printed: String,
    tags: Vec<(String, String)>,
}

impl Run {
    fn slip(&self) -> Slip {
        slip::parse(&self.printed).into_iter().find(|s| s.amount_minor.is_some()).unwrap_or_default()
    }

    fn tag(&self, name: &str) -> Option<String> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl Desk {
    async fn open(mut settings: PortSettings, clock: Arc<dyn Clock>) -> Result<Self, LearnError> {
        let trace = Arc::new(Mutex::new(Vec::new()));
        let sink = trace.clone();
        settings.trace = Some(Arc::new(move |line: &str| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        }));
        let limits = &settings.limits;
        let longest = limits.drain_before + limits.dialogue + limits.drain_after_failure + limits.ping;
        let (sender, signals) = mpsc::channel(limits.signals.max(1));
        let port = port::spawn(settings, clock, sender);
        let mut desk = Self { port, signals, trace, next: 0, longest };
        let mut why = "it does not open in time".to_owned();
        let up = async {
            while let Some(signal) = desk.signals.recv().await {
                match signal {
                    Signal::Up => return true,
                    Signal::Down { why: said } => why = said,
                    _ => {}
                }
            }
            false
        };
        if timeout(LEARN_OPEN, up).await == Ok(true) { Ok(desk) } else { Err(LearnError::NoLine(why)) }
    }

    async fn run(&mut self, operation: Operation) -> Run {
        self.next += 1;
        let id = OperationId(self.next);
        let mut run = Run {
            end: End::Lost { why: "the port ended".into() },
            code: None,
            printed: String::new(),
            tags: Vec::new(),
        };
        if self.port.send(Command::Start(id, operation)).await.is_err() {
            return run;
        }
        let longest = self.longest;
        if timeout(longest, self.listen(id, &mut run)).await.is_err() {
            run.end = End::Lost { why: "no end in time".into() };
        }
        run
    }

    async fn listen(&mut self, id: OperationId, run: &mut Run) {
        while let Some(signal) = self.signals.recv().await {
            match signal {
                Signal::Evidence { operation, sequence, item } if operation == id => {
                    match item {
                        Evidence::Print(text) => run.printed.push_str(&text),
                        Evidence::Tags(tags) => run.tags.extend(tags),
                        Evidence::Result(code) => run.code = Some(code),
                        Evidence::CardPresented => {}
                    }
                    if self.port.send(Command::Release(id, sequence)).await.is_err() {
                        return;
                    }
                }
                Signal::Finished { operation, end } if operation == id => {
                    run.end = end;
                    return;
                }
                _ => {}
            }
        }
    }

    /// Let go of the line, wait until the port has, and give the trace back.
    async fn close(self) -> Vec<String> {
        let Self { port, mut signals, trace, .. } = self;
        drop(port);
        while signals.recv().await.is_some() {}
        let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *trace)
    }
}
