//! The bank's card terminal (PinPad) on a serial line.
//!
//! A [`port`] owns the line and runs one [`Operation`] at a time. It reports what happens as [`Signal`]s, and it
//! *holds its answer* to everything that is evidence of money ([`Evidence`]) until the caller says, with
//! `release`, that the evidence is safe on disk: the PinPad waits, the disk does not lie.

pub mod arcus2;
pub mod learn;
pub mod limits;
pub mod net;
pub mod port;
pub mod slip;
pub mod trace;

use std::fmt;

/// The caller's own name for one run of an [`Operation`]; every [`Signal`] of that run carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub u128);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What the PinPad is asked to do. Amounts are in minor units (tiyin) and always positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Take `amount_minor` from a card.
    Sale {
        /// Minor units of the configured currency.
        amount_minor: u64,
    },
    /// Cancel a sale of the same shift, whole.
    Void {
        /// The sale's amount, minor units.
        amount_minor: u64,
        /// The sale's retrieval reference number.
        rrn: String,
        /// The number on the sale's slip ("Чек 6"), where known.
        receipt_number: Option<String>,
    },
    /// Give money back for a sale of an earlier shift.
    Refund {
        /// What to give back, minor units.
        amount_minor: u64,
        /// The sale's retrieval reference number.
        rrn: String,
    },
    /// Close the shift and reconcile with the bank.
    Settlement,
    /// Print the totals of the shift. Moves nothing.
    ShortReport,
    /// Print every transaction of the shift. Moves nothing.
    DetailedReport,
    /// Print the last transaction. Moves nothing.
    LastTransaction,
    /// Is anybody there? Moves nothing.
    Ping,
    /// Open the PinPad's own service menu.
    AdminMenu,
}

/// Something that the PinPad said and that must be on disk before it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A card is in the game: from here on the operation can no longer be taken back by the till. Raised by the first
    /// message that can only follow a card (host connection, slip, tags, result, a status that is not "waiting").
    CardPresented,
    /// A piece of the slip, decoded from CP1251, as printed.
    Print(String),
    /// SETTAGS: names and values as sent (`RC`, `RRN`, `AUTH`, `TERM`, `AMOUNT`, …); BER-TLV already taken apart.
    Tags(Vec<(String, String)>),
    /// STORERC: the result code. This decides.
    Result(String),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// ENDTR was received and answered. The result, if any, came before as [`Evidence::Result`].
    Ended,
    /// Not one byte of the request was written: nothing can have happened.
    NotSent {
        /// For the technician.
        why: String,
    },
    /// The dialogue broke off: cable, time limit, bytes that are no frame. What happened is unknown.
    Lost {
        /// For the technician.
        why: String,
    },
}

/// What a port tells its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The line is open, was drained, and the PinPad answers (or is at least there).
    Up,
    /// The line is gone or the PinPad does not answer; the port goes on trying.
    Down {
        /// For the technician: the system's or the protocol's own words.
        why: String,
    },
    /// The first byte of the request is about to be written. Not held.
    Started(OperationId),
    /// A line for the customer or the cashier ("ВСТАВЬТЕ КАРТУ"). Not held, not evidence.
    Status(OperationId, String),
    /// Evidence; the PinPad is not answered until `release(operation, sequence)`.
    Evidence {
        /// The run it belongs to.
        operation: OperationId,
        /// Counts from 0 within the run.
        sequence: u32,
        /// What was said.
        item: Evidence,
    },
    /// The run is over; the port is free.
    Finished {
        /// The run it belongs to.
        operation: OperationId,
        /// How it ended.
        end: End,
    },
}

impl Signal {
    /// The run that it is about; `None` = the line.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Up | Self::Down { .. } => None,
            Self::Started(operation)
            | Self::Status(operation, _)
            | Self::Evidence { operation, .. }
            | Self::Finished { operation, .. } => Some(*operation),
        }
    }
}

/// What a caller tells a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run an operation. A second one while the first runs is answered with [`End::NotSent`].
    Start(OperationId, Operation),
    /// The evidence with this sequence number is safe: answer the PinPad.
    Release(OperationId, u32),
    /// Answer the next `PING:` with `ER`. Without effect once a card was presented.
    Cancel(OperationId),
    /// After a restart or a lost line: drain what the PinPad still has to say about an operation of the past and answer it.
    /// What it says is reported as evidence of this id; `card_presented` tells whether `PING:` may be answered with `ER`.
    Recover {
        /// The run that was interrupted.
        operation: OperationId,
        /// The caller's record says that a card was presented: never cancel.
        card_presented: bool,
    },
}

impl Command {
    /// The run that it is about.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        match self {
            Self::Start(operation, _)
            | Self::Release(operation, _)
            | Self::Cancel(operation)
            | Self::Recover { operation, .. } => *operation,
        }
    }
}
