//! A PinPad without a PinPad: the terminal side of ARCUS 2 on a real pty, written from the protocol's description
//! and not from the till's code, with a bank behind it.
//!
//! The bank decides at the moment the card is presented and writes its [`Ledger`] *before* the till is told, so a
//! line that is lost after that is money moved. A [`Script`] says how the next operation goes; a [`SimHandle`]
//! presents cards, pulls the cable and reads the books. It needs nothing but a tokio runtime, so it can live in
//! another process than the till that is tested, and outlive it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::pty::Pty;
use crate::pinpad::arcus2::frame::Transport;
use crate::pinpad::arcus2::request::AmountFormat;
use ledger::Books;

mod device;
pub mod ledger;
mod line;
mod paper;
mod wire;

pub use ledger::{Entry, Kind, Ledger};

/// What a simulated PinPad is.
#[derive(Clone, Debug)]
pub struct SimSettings {
    /// The line's stable name: a symlink to the present pty.
    pub path: PathBuf,
    /// BinLen or blocks.
    pub transport: Transport,
    /// How this PinPad reads amounts.
    pub amount_format: AmountFormat,
    /// Only understands a till that has set this speed; `None` = any.
    pub baud: Option<u32>,
    /// The ledger's file, if it has to survive the process.
    pub ledger: Option<PathBuf>,
    /// Printed on the slip.
    pub terminal_id: String,
    /// How often it pings while it waits for a card.
    pub ping_every: Duration,
    /// How long it waits for a card.
    pub card_timeout: Duration,
    /// How long it waits for the till's answer before it gives the dialogue up with ENDTR.
    pub answer_timeout: Duration,
}

impl SimSettings {
    /// A PinPad at `path` that pings twice a second and gives up like a real one.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            transport: Transport::default(),
            amount_format: AmountFormat::default(),
            baud: None,
            ledger: None,
            terminal_id: "01000002".into(),
            ping_every: Duration::from_millis(500),
            card_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

/// How the next operation with a card goes. A void and a settlement, which need none, listen to [`Behaviour::CablePulled`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The bank agrees.
    Approve,
    /// The bank refuses with this code.
    Decline(String),
    /// The customer types a wrong PIN: code 55.
    WrongPin,
    /// The customer presses the red button before a card is presented: code 201.
    CancelledAtPinPad,
    /// Says nothing at all after the request; nothing is charged.
    Silence,
    /// The bank agrees, and then the PinPad says nothing more.
    SilenceAfterCard,
    /// The bank agrees; the STORERC frame breaks off in the middle, and nothing follows.
    CutMidFrame,
    /// The bank agrees; the slip shows this amount instead, minor units.
    WrongAmountOnSlip(u64),
    /// ENDTR without STORERC; `charged`: whether the bank agreed before.
    EndWithoutResult {
        /// Money moved.
        charged: bool,
    },
    /// The cable is pulled at this moment of an operation that the bank agrees to.
    CablePulled(Moment),
}

/// A moment in an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the request, before a card, or before anything was done without one.
    BeforeCard,
    /// The bank has agreed, or the shift was closed, and nothing was told.
    AfterCard,
    /// The slip was printed, the result was not told.
    BeforeResult,
    /// The result was told, ENDTR was not.
    BeforeEnd,
}

/// How frames arrive at the till.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// One at a time.
    #[default]
    Whole,
    /// A few bytes at a time.
    Split,
    /// STORERC, SETTAGS and ENDTR in one piece, without waiting for answers in between.
    Joined,
}

/// One operation's script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// How it goes.
    pub behaviour: Behaviour,
    /// How its frames arrive.
    pub delivery: Delivery,
    /// A pause before each message.
    pub delay: Duration,
    /// A card comes by itself after this time; `None` = when [`SimHandle::present_card`] is called.
    pub card_after: Option<Duration>,
}

impl Default for Script {
    fn default() -> Self {
        Self { behaviour: Behaviour::Approve, delivery: Delivery::Whole, delay: Duration::ZERO, card_after: None }
    }
}

impl Script {
    /// `behaviour` with a card that is there at once.
    #[must_use]
    pub fn at_once(behaviour: Behaviour) -> Self {
        Self { behaviour, card_after: Some(Duration::ZERO), ..Self::default() }
    }
}

/// Who said a message of the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The PinPad.
    PinPad,
    /// The till.
    Till,
}

/// The simulator; see [`PinpadSim::spawn`].
#[derive(Debug)]
pub struct PinpadSim;

impl PinpadSim {
    /// Start a PinPad in the current tokio runtime. It lives until the last handle is dropped.
    ///
    /// # Errors
    /// No pty, no place for the symlink, or a ledger that cannot be read.
    pub fn spawn(settings: SimSettings) -> io::Result<SimHandle> {
        let books = Books::open(settings.ledger.as_deref())?;
        let pty = Pty::plug_in(&settings.path)?;
        let (cable, plugged) = watch::channel(true);
        let shared = Arc::new(Shared {
            settings,
            state: Mutex::new(State {
                books,
                next: VecDeque::new(),
                usual: Script::default(),
                screen: String::new(),
                transcript: VecDeque::new(),
                busy: false,
                in_hand: None,
            }),
            card: Notify::new(),
            red_button: Notify::new(),
            cable,
        });
        let task = tokio::spawn(device::serve(shared.clone(), line::Line::new(shared.clone(), pty, plugged)));
        Ok(SimHandle { shared, _task: Arc::new(AbortOnDrop(task.abort_handle())) })
    }
}

/// Controls a simulated PinPad.
#[derive(Clone)]
pub struct SimHandle {
    shared: Arc<Shared>,
    _task: Arc<AbortOnDrop>,
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SimHandle {
    /// The next operation goes like this; scripts queue up.
    pub fn set_next(&self, script: Script) {
        self.shared.state().next.push_back(script);
    }

    /// Operations without a script of their own go like this.
    pub fn set_usual(&self, script: Script) {
        self.shared.state().usual = script;
    }

    /// Present a card. It counts only while the PinPad waits for one.
    pub fn present_card(&self) {
        self.shared.card.notify_waiters();
    }

    /// Present a card that turns out like this, whatever the script says. It counts only while the PinPad waits for one.
    pub fn present_card_that(&self, behaviour: Behaviour) {
        self.shared.state().in_hand = Some(behaviour);
        self.shared.card.notify_waiters();
    }

    /// Press the red button. It counts only while the PinPad waits for a card.
    pub fn cancel(&self) {
        self.shared.red_button.notify_waiters();
    }

    /// Pull the cable: the tty vanishes. The PinPad goes on by itself.
    pub fn pull_cable(&self) {
        self.shared.cable.send_replace(false);
    }

    /// Plug the cable in again.
    pub fn plug_in(&self) {
        self.shared.cable.send_replace(true);
    }

    /// Is the cable in?
    #[must_use]
    pub fn is_plugged_in(&self) -> bool {
        *self.shared.cable.borrow()
    }

    /// The bank's books as they stand.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.state().books.ledger.clone()
    }

    /// What stands on the PinPad's own display; empty when it is idle.
    #[must_use]
    pub fn screen(&self) -> String {
        self.shared.state().screen.clone()
    }

    /// A dialogue is on.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.shared.state().busy
    }

    /// The last messages, decoded from CP1251, oldest first.
    #[must_use]
    pub fn transcript(&self) -> Vec<(Said, String)> {
        self.shared.state().transcript.iter().cloned().collect()
    }

    /// The line's stable name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.settings.path
    }
}

struct Shared {
    settings: SimSettings,
    state: Mutex<State>,
    card: Notify,
    red_button: Notify,
    cable: watch::Sender<bool>,
}

struct State {
    books: Books,
    next: VecDeque<Script>,
    usual: Script,
    screen: String,
    transcript: VecDeque<(Said, String)>,
    busy: bool,
    /// What the card that is presented next brings about, in place of the script.
    in_hand: Option<Behaviour>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
