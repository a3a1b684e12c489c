//! One operation of QRManager: a code (or an active cash link) and what became of it, in the words of each chapter.

use serde::{Deserialize, Serialize};

/// Where an operation stands in QRManager's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody has looked at its code yet.
    Created,
    /// A payer's bank has it open.
    Opened,
    /// Paid.
    Paid,
    /// A payer's attempt failed. The code can still be paid: it ends only by payment or by its time (§4).
    Declined,
    /// The whole sum went back.
    Refunded,
    /// Its cash link was deactivated before anybody paid.
    Cancelled,
    /// Its time is over.
    Expired,
}

impl Standing {
    /// Number and words over REST (§4.2). The printed table has no 7; the number is that of §4.1.
    pub(super) const fn rest(self) -> (i64, &'static str) {
        match self {
            Self::Created => (3, "Создан"),
            Self::Opened => (4, "В процессе"),
            Self::Paid => (5, "Оплачено"),
            Self::Declined | Self::Cancelled => (6, "Отменен"),
            Self::Refunded => (7, "Возврат"),
            Self::Expired => (8, "Просрочено"),
        }
    }

    /// Number and words over the socket (§4.1), which knows no 3 and calls 6 otherwise.
    pub(super) const fn socket(self) -> (i64, &'static str) {
        match self {
            Self::Created => Self::Opened.rest(),
            Self::Declined | Self::Cancelled => (6, "Отозван"),
            other => other.rest(),
        }
    }

    /// Number of a cash link's operation ("Кассовые ссылки" 3): 7 is *cancelled* there, and there is no 4.
    pub(super) const fn link(self) -> i64 {
        match self {
            Self::Created | Self::Opened => 3,
            Self::Cancelled => 7,
            // A link's table has no refund: its money did come.
            Self::Refunded => 5,
            other => other.rest().0,
        }
    }

    /// The enumeration's name, as the socket's refusal tells it (§4.1: "только для операций в статусе CREATED").
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Created | Self::Opened => "CREATED",
            Self::Paid => "PAID",
            Self::Declined | Self::Cancelled => "CANCELED",
            Self::Refunded => "REFUNDED",
            Self::Expired => "EXPIRED",
        }
    }

    /// A phone can still pay it.
    #[must_use]
    pub const fn can_be_paid(self) -> bool {
        matches!(self, Self::Created | Self::Opened | Self::Declined)
    }

    /// Money came for it.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Paid | Self::Refunded)
    }
}

/// An operation as QRManager's database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// When it was made, wall time in milliseconds.
    pub made_ms: i64,
    /// When its time is over.
    pub ends_ms: i64,
    /// Whose: the part of the API key before the dot.
    pub terminal: String,
    /// `operation_id`.
    pub operation_id: String,
    /// `number`.
    pub number: String,
    /// What is asked for.
    pub sum_kopecks: i64,
    /// `qr_link`; of a cash link the sticker's.
    pub qr_link: String,
    /// The cash link that it is paid at, `cashQrId`.
    pub link_id: Option<String>,
    /// The words for the payer's bank.
    pub purpose: Option<String>,
    /// Where it stands.
    pub standing: Standing,
    /// How it came there: when, and what it was from then on.
    pub history: Vec<(i64, Standing)>,
    /// The money came after its end.
    pub late: bool,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// Its receipt: the last that was registered.
    pub receipt: Option<Receipt>,
}

impl Operation {
    /// Where it stood at that moment.
    pub(super) fn standing_at(&self, at_ms: i64) -> Standing {
        let then = self.history.iter().rev().find(|(since, _)| *since <= at_ms);
        then.map_or(Standing::Created, |(_, standing)| *standing)
    }

    /// What can still be asked back: what was paid, less what went back or is on its way.
    pub(super) fn refundable_kopecks(&self) -> i64 {
        let gone = self.refunds.iter().filter(|refund| refund.success != Some(false));
        self.sum_kopecks - gone.map(|refund| refund.amount_kopecks).sum::<i64>()
    }

    pub(super) fn refunded_kopecks(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.success == Some(true)).map(|refund| refund.amount_kopecks).sum()
    }
}

/// A refund of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// `refundRequestId`.
    pub request_id: String,
    /// How much.
    pub amount_kopecks: i64,
    /// Whether the money went back; `None`: `received`.
    pub success: Option<bool>,
    /// When that is decided, wall time in milliseconds.
    pub ends_ms: i64,
}

/// An operation's electronic receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The total that the document says.
    pub total_kopecks: i64,
    /// Where its maker wants to hear of its end.
    pub callback_url: Option<String>,
    /// When the OFD decides, wall time in milliseconds.
    pub ends_ms: i64,
    /// How it ended; `None`: `wait`.
    pub end: Option<ReceiptEnd>,
}

/// How a receipt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ReceiptEnd {
    /// It is with the tax office.
    Done {
        /// `ofd_receipt_url`.
        url: String,
    },
    /// It is not.
    Fail {
        /// The OFD's words.
        error: String,
    },
}
