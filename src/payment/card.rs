//! What the PinPad says, in the words of a payment: runs, slips, settlements. Nothing here knows bytes.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

use super::sale::{Doubt, PaymentId, Private, RefundId, Token, UnixMs};

/// The name of one run of the PinPad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One run of the PinPad that moves money or closes the shift, with everything that it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name, the same on the serial line.
    pub id: RunId,
    /// The last card operation known before this one began: what a question about the last transaction answers if this one never happened.
    pub before: Option<CardMark>,
    /// From here on the till cannot take it back.
    pub card_presented: bool,
    /// The slip, holder's line and card number masked.
    pub slip_text: String,
    /// The slip as printed: in memory and in the first answer only.
    #[serde(skip)]
    pub slip_printed: Private,
    /// What the slip says.
    pub slip: Slip,
    /// SETTAGS, those of them that may be kept, as sent.
    pub tags: Vec<(String, String)>,
    /// STORERC.
    pub result: Option<RunResult>,
    /// What a report lists, one slip an entry; only for questions, never stored.
    #[serde(skip)]
    pub entries: Vec<Slip>,
    /// How it ended; `None` while it runs and while nobody knows.
    pub over: Option<RunOver>,
    /// The PinPad was asked about it. What it says unasked from then on may belong to the question and is no evidence of this run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub questioned: bool,
}

impl Run {
    /// A run about which nothing was said yet.
    #[must_use]
    pub fn new(id: RunId, before: Option<CardMark>) -> Self {
        Self {
            id,
            before,
            card_presented: false,
            slip_text: String::new(),
            slip_printed: Private::default(),
            slip: Slip::default(),
            tags: Vec::new(),
            result: None,
            entries: Vec::new(),
            over: None,
            questioned: false,
        }
    }

    /// Nothing more will be heard of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// It is over, and has proved that no card paid: nothing was sent, or the PinPad said "no".
    #[must_use]
    pub fn took_no_money(&self) -> bool {
        let denied = |r: &RunResult| !matches!(r.class, ResultClass::Approved | ResultClass::Unknown);
        match self.over {
            Some(RunOver::NotSent) => true,
            Some(_) => self.result.as_ref().is_some_and(denied),
            None => false,
        }
    }
}

/// STORERC, with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResult {
    /// As sent.
    pub code: String,
    /// The class of that code.
    pub class: ResultClass,
}

/// What a result code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultClass {
    /// The operation was done.
    Approved,
    /// It was done if it was a void (400), refused otherwise.
    ApprovedForVoid,
    /// Called off with the PinPad's red key.
    Cancelled,
    /// The PinPad is not set up for this.
    Misconfigured,
    /// It does not know of such an operation (202).
    NotFound,
    /// Refused.
    Declined,
    /// In no table: it does not say how the operation ended.
    Unknown,
}

/// Why nothing more will be heard of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOver {
    /// ENDTR was received.
    Ended,
    /// Nothing of it was ever written to the line.
    NotSent,
    /// A question to the PinPad settled it.
    Asked,
    /// An operator settled it.
    Operator,
}

/// Which card operation: enough to recognise it without clocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardMark {
    /// Retrieval reference number.
    pub rrn: Option<String>,
    /// "Чек 6".
    pub receipt_number: Option<String>,
    /// "Номер смены 1".
    pub shift: Option<String>,
    /// "ID Терминала".
    pub terminal_id: Option<String>,
    /// The PinPad said that it knows of no operation at all; then the rest is empty.
    #[serde(default)]
    pub none: bool,
}

/// The fields of a slip; absent where the slip does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slip {
    /// СУММА, minor units.
    pub amount_minor: Option<u64>,
    /// КОМИССИЯ, minor units.
    pub surcharge_minor: Option<u64>,
    /// ИТОГО, minor units.
    pub total_minor: Option<u64>,
    /// RRN.
    pub rrn: Option<String>,
    /// Код авторизации.
    pub authorisation_code: Option<String>,
    /// Код ответа.
    pub response_code: Option<String>,
    /// First six and last four digits.
    pub card_masked: Option<String>,
    /// ID Терминала.
    pub terminal_id: Option<String>,
    /// ID Организации.
    pub merchant_id: Option<String>,
    /// Номер смены.
    pub shift: Option<String>,
    /// Чек.
    pub receipt_number: Option<String>,
    /// Дата, as printed.
    pub date: Option<String>,
    /// Time, as printed.
    pub time: Option<String>,
    /// Оплата, Возврат, …, as printed.
    pub operation: Option<String>,
    /// ОДОБРЕНО (true) or ОТКАЗАНО (false).
    pub approved: Option<bool>,
    /// ОПЕРАЦИЯ ОТМЕНЕНА.
    pub cancelled: bool,
    /// "Итоги совпали" (true) or not (false).
    pub totals_agree: Option<bool>,
    /// Two different values were printed for one field: its name.
    pub conflict: Option<String>,
}

impl Slip {
    /// What this slip and a later reading of it say together: a field that the later one does not hold (its paper began after a restart)
    /// stays.
    #[must_use]
    pub fn read_on(self, later: &Self) -> Self {
        let later = later.clone();
        Self {
            amount_minor: later.amount_minor.or(self.amount_minor),
            surcharge_minor: later.surcharge_minor.or(self.surcharge_minor),
            total_minor: later.total_minor.or(self.total_minor),
            rrn: later.rrn.or(self.rrn),
            authorisation_code: later.authorisation_code.or(self.authorisation_code),
            response_code: later.response_code.or(self.response_code),
            card_masked: later.card_masked.or(self.card_masked),
            terminal_id: later.terminal_id.or(self.terminal_id),
            merchant_id: later.merchant_id.or(self.merchant_id),
            shift: later.shift.or(self.shift),
            receipt_number: later.receipt_number.or(self.receipt_number),
            date: later.date.or(self.date),
            time: later.time.or(self.time),
            operation: later.operation.or(self.operation),
            approved: later.approved.or(self.approved),
            cancelled: later.cancelled || self.cancelled,
            totals_agree: later.totals_agree.or(self.totals_agree),
            conflict: later.conflict.or(self.conflict),
        }
    }

    /// The mark of the operation on this slip.
    #[must_use]
    pub fn mark(&self) -> CardMark {
        CardMark {
            rrn: self.rrn.clone(),
            receipt_number: self.receipt_number.clone(),
            shift: self.shift.clone(),
            terminal_id: self.terminal_id.clone(),
            none: false,
        }
    }
}

/// What a run of the PinPad is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Job {
    /// Take the money of a payment.
    Sale {
        /// Whose.
        payment: PaymentId,
    },
    /// Give it back.
    Refund {
        /// Whose.
        payment: PaymentId,
        /// Which refund.
        refund: RefundId,
    },
    /// Close the shift.
    Settlement {
        /// Which one.
        settlement: SettlementId,
    },
}

/// A question to the PinPad that moves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Operation 2,27.
    LastTransaction,
    /// Operation 2,0.
    DetailedReport,
    /// Operation 2,10.
    ShortReport,
}

/// The name of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SettlementId(pub Uuid);

impl fmt::Display for SettlementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The closing of a card shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Its name.
    pub id: SettlementId,
    /// The till's idempotency token.
    pub token: Option<Token>,
    /// When it was asked for.
    pub created_ms: UnixMs,
    /// When it last changed.
    pub updated_ms: UnixMs,
    /// The shift it closes, or one before it that was closed at the PinPad itself; `None` where no slip told a number.
    pub shift: Option<String>,
    /// Where it stands.
    pub state: SettlementState,
    /// The PinPad's run.
    pub run: Run,
}

/// Where a settlement stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SettlementState {
    /// The PinPad is at work.
    Processing,
    /// The shift is closed: no sale known here is in an open one. Without a slip in the run, a report or a person said so, and the
    /// totals are not known here.
    Done,
    /// The shift is still open.
    Refused {
        /// The PinPad's code.
        code: Option<String>,
        /// In words.
        message: Option<String>,
    },
    /// Nobody here knows; asked about by report, never resent.
    InDoubt {
        /// Why.
        why: Doubt,
    },
}

impl SettlementState {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Done => "done",
            Self::Refused { .. } => "refused",
            Self::InDoubt { .. } => "settlement_in_doubt",
        }
    }

    /// Done or refused.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Refused { .. })
    }
}
