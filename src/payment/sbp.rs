//! A sale by a code that the terminal shows: SBP through QRManager (seed 004). What was asked for, what came of it, and the cash link.
//!
//! An SBP code cannot be withdrawn: a sale that was called off is watched on until QRManager says how its code ended, and money that
//! still comes makes it `paid`, `late`.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::money::Money;
use super::sale::{PaymentId, Private, RefundId};

/// `sum` and `base_amount`, kopecks (§2.1). QRManager takes a sum of nothing; a sale of ours is always of something.
pub const SUM_KOPECKS: RangeInclusive<i64> = 0..=100_000_000;
/// Side of a code's picture, pixels (§2.1, cash links 1).
pub const QR_SIZE_PIXELS: RangeInclusive<u16> = 100..=1_000;
/// `payment_purpose`, characters (§2.1).
pub const PURPOSE_MAX_CHARS: usize = 140;
/// `count` of a product (§2.2).
pub const PRODUCT_COUNT: RangeInclusive<u32> = 1..=1_000;
/// `price` of a product, kopecks (§2.2).
pub const PRODUCT_PRICE_KOPECKS: RangeInclusive<i64> = 1..=100_000_000;

/// What a till asks of an SBP sale beside its amount; checked before it gets here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SbpAsk {
    /// The QR terminal whose key is used: the NAME of `[qrm.NAME]`.
    pub profile: String,
    /// The till's own text for the payer's bank, at most 140 characters. It may name a person: in memory only.
    #[serde(skip)]
    pub purpose: Private,
    /// The till gave a purpose of its own, which takes the place of QRManager's link to the order (seed 004 §2.1): then the
    /// payer's copy of the receipt has to go to an e-mail address.
    #[serde(default)]
    pub own_purpose: bool,
    /// Side of the picture that QRManager is asked for, pixels (100..=1000).
    #[serde(default)]
    pub qr_size: Option<u16>,
    /// What is sold, by the products of the QR terminal (§2.2).
    #[serde(default)]
    pub nomenclature: Vec<ProductLine>,
    /// The customer's loyalty card (BenefittY).
    #[serde(default)]
    pub loyalty: Option<Loyalty>,
    /// Paid at the profile's cash link (a printed sticker) and not by a code of its own.
    #[serde(default)]
    pub cash_link: bool,
}

/// One product of the QR terminal in a sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductLine {
    /// `product_id`.
    pub product_id: String,
    /// Pieces, 1..=1000.
    pub count: u32,
    /// Price of one, RUB.
    pub price: Money,
}

/// A loyalty card in a sale (seed 004, "BenefittY").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loyalty {
    /// The customer's phone as sent: in memory only.
    #[serde(skip)]
    pub phone: Private,
    /// The phone, masked.
    pub phone_masked: String,
    /// `client_id` of the search.
    pub client_id: i64,
    /// What is done with the card.
    pub kind: LoyaltyKind,
    /// Points to be written off. Points are not money: 100 of them were worth 100.00 in the document's example.
    pub points: Option<Points>,
    /// What the goods cost before the discount; the sale's amount is what is paid.
    pub base_amount: Option<Money>,
}

/// Loyalty points: a number of their own, which no arithmetic turns into money here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Points(pub i64);

/// `loyalty_type`. A discount together with points is told by `base_amount` beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoyaltyKind {
    /// 0: points pay a part.
    WriteOff,
    /// 1: points are earned.
    Accrual,
    /// 2: the price is lower.
    Discount,
}

impl LoyaltyKind {
    /// `loyalty_type` on the wire.
    #[must_use]
    pub const fn wire(self) -> u8 {
        match self {
            Self::WriteOff => 0,
            Self::Accrual => 1,
            Self::Discount => 2,
        }
    }
}

/// Whose electronic receipts a QR terminal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ofd {
    /// ATOL online, protocol v4.
    Atol,
    /// OFD.ru, "Ferma".
    OfdRu,
}

impl Ofd {
    /// The name used in the configuration and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Atol => "atol",
            Self::OfdRu => "ofd_ru",
        }
    }
}

/// What is known of an SBP sale beside what every payment has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sbp {
    /// What the till asked for.
    pub ask: SbpAsk,
    /// Who registers its receipt; `None`: nobody has to be told through QRManager. Copied from the settings of the day.
    #[serde(default)]
    pub receipts: Option<Ofd>,
    /// The cash link that is paid at, `cashQrId`.
    #[serde(default)]
    pub link_id: Option<String>,
    /// The code, once QRManager gave it.
    #[serde(default)]
    pub code: Option<QrCode>,
    /// The last status that was worth a line.
    #[serde(default)]
    pub told: Option<QrStatus>,
    /// Nothing more will come of the code.
    #[serde(default)]
    pub watch_over: bool,
}

impl Sbp {
    /// The code is out in the world and QRManager has not said how it ended.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.code.is_some() && !self.watch_over
    }
}

/// What QRManager made (§2.1; for a cash link its activation).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QrCode {
    /// `operation_id`: the name for its status and its refunds.
    pub operation_id: String,
    /// `number`, XXXX-XXXX-XXXX-XXXX: the name for its receipt.
    pub number: String,
    /// `qr_link`, as the provider made it: what the display draws. For a cash link the sticker's own link.
    pub link: String,
    /// `cashQrParamsId` of an activation.
    #[serde(default)]
    pub params_id: Option<String>,
}

/// Where a code stands, as QRManager says. The numbers of a code and of a cash link differ; this is their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum QrStatus {
    /// 0: the bank did not answer; nobody knows, ask again.
    Unknown,
    /// 3: made.
    Created,
    /// 4: waits for the payer.
    Pending,
    /// 5: paid.
    Paid,
    /// 6: an attempt failed. The code lives on (§4: it ends only by payment or by its time).
    AttemptFailed,
    /// 7 of a code: the money went back.
    Refunded,
    /// 7 of a cash link: called off there.
    Cancelled,
    /// 8: its time is over.
    Expired,
    /// Any other number.
    Other {
        /// As sent.
        code: i64,
    },
}

impl QrStatus {
    /// A code's number (§4.1, §4.2).
    #[must_use]
    pub const fn of_code(code: i64) -> Self {
        match code {
            7 => Self::Refunded,
            _ => Self::of_both(code),
        }
    }

    /// A cash link's number.
    #[must_use]
    pub const fn of_cash_link(code: i64) -> Self {
        match code {
            7 => Self::Cancelled,
            _ => Self::of_both(code),
        }
    }

    const fn of_both(code: i64) -> Self {
        match code {
            0 => Self::Unknown,
            3 => Self::Created,
            4 => Self::Pending,
            5 => Self::Paid,
            6 => Self::AttemptFailed,
            8 => Self::Expired,
            code => Self::Other { code },
        }
    }

    /// Nothing comes after it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Paid | Self::Refunded | Self::Cancelled | Self::Expired)
    }
}

/// The cash link of one profile: registered once, ever, and then activated for one sale at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashLink {
    /// `cashQrId`, once registered.
    pub id: Option<String>,
    /// `cashQrLink`: what the sticker shows.
    pub link: Option<String>,
    /// Where it stands.
    pub state: LinkState,
}

/// Where a cash link stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LinkState {
    /// QRManager is asked to register it.
    Registering,
    /// It said no.
    Refused {
        /// Its words.
        text: String,
    },
    /// Nobody knows whether it was registered: a person looks it up in QRManager and names it.
    RegistrationInDoubt {
        /// What happened.
        text: String,
    },
    /// Registered and not active.
    Idle,
    /// It is being activated for a sale.
    Activating {
        /// Whose.
        payment: PaymentId,
    },
    /// Active for a sale.
    Active {
        /// Whose.
        payment: PaymentId,
    },
    /// It is being deactivated, again and again until QRManager confirms it; no sale can use it.
    Deactivating {
        /// After whose sale.
        payment: PaymentId,
    },
}

impl LinkState {
    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Refused { .. } => "refused",
            Self::RegistrationInDoubt { .. } => "registration_in_doubt",
            Self::Idle => "idle",
            Self::Activating { .. } => "activating",
            Self::Active { .. } => "active",
            Self::Deactivating { .. } => "deactivating",
        }
    }
}

/// Work for QRManager, released after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SbpOrder {
    /// Make the sale's code, or activate the cash link for it. Heard of by [`SbpHeard::Code`].
    Open {
        /// The sale.
        payment: std::sync::Arc<super::sale::Payment>,
    },
    /// Follow the code until its end. Heard of by [`SbpHeard::Status`].
    Watch {
        /// The sale.
        payment: std::sync::Arc<super::sale::Payment>,
    },
    /// Nothing more is to be heard of the code.
    Unwatch {
        /// Whose.
        payment: PaymentId,
    },
    /// Give money back. Sent once, ever. Heard of by [`SbpHeard::Refund`].
    Refund {
        /// The sale.
        payment: std::sync::Arc<super::sale::Payment>,
        /// Which of its refunds.
        refund: RefundId,
    },
    /// Ask how a refund went until it is known. Without a `refundRequestId` only the operation's own status can tell.
    AskRefund {
        /// The sale.
        payment: std::sync::Arc<super::sale::Payment>,
        /// Which of its refunds.
        refund: RefundId,
    },
    /// Register a cash link. Sent once. Heard of by [`SbpHeard::LinkRegistered`].
    RegisterLink {
        /// Whose.
        profile: String,
        /// Side of the picture, pixels.
        size: Option<u16>,
        /// The link that the bank issued.
        qrc_id: Option<String>,
    },
    /// Deactivate a cash link, as often as it takes. Heard of by [`SbpHeard::LinkDeactivated`].
    DeactivateLink {
        /// Whose.
        profile: String,
        /// `cashQrId`.
        id: String,
        /// The sale it was last activated for: its final status proves as well that the link is not active.
        sale: Option<std::sync::Arc<super::sale::Payment>>,
    },
}

/// What QRManager said, or did not say.
#[derive(Clone, Debug)]
pub enum SbpHeard {
    /// Of [`SbpOrder::Open`].
    Code {
        /// Whose.
        payment: PaymentId,
        /// What.
        outcome: CodeOutcome,
    },
    /// Of a code that is watched, by either way. The same may come twice and in any order.
    Status {
        /// Whose.
        payment: PaymentId,
        /// What.
        status: QrStatus,
        /// The watch has reached its limit: this is the last that will be heard.
        last: bool,
    },
    /// QRManager cannot be reached by either way: nobody knows whether the code can still be paid.
    Silent {
        /// Whose.
        payment: PaymentId,
    },
    /// Of a refund.
    Refund {
        /// Whose.
        payment: PaymentId,
        /// Which.
        refund: RefundId,
        /// What.
        outcome: RefundOutcome,
    },
    /// Of [`SbpOrder::RegisterLink`].
    LinkRegistered {
        /// Whose.
        profile: String,
        /// What.
        outcome: LinkOutcome,
    },
    /// The cash link is proven not to be active.
    LinkDeactivated {
        /// Whose.
        profile: String,
    },
}

/// What came of asking for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeOutcome {
    /// It is there.
    Made(QrCode),
    /// A well-formed no: `refused` or `misconfigured`.
    Refused(super::sale::Decline),
    /// Not one byte of the request was written.
    NotSent {
        /// For the technician.
        text: String,
    },
    /// The answer was lost. Of a code of its own that is harmless (nobody saw it); a cash link may be live.
    Lost {
        /// For the technician.
        text: String,
    },
}

/// What came of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// QRManager took the request; the money is under way.
    Accepted {
        /// `refundRequestId`.
        request_id: String,
    },
    /// The money went back.
    Done,
    /// It did not: a well-formed no, or `fail`.
    Refused(super::sale::Decline),
    /// Not one byte of the request was written.
    NotSent {
        /// For the technician.
        text: String,
    },
    /// Nobody knows.
    InDoubt {
        /// For the technician.
        text: String,
    },
}

/// What came of registering a cash link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkOutcome {
    /// It is registered.
    Registered {
        /// `cashQrId`.
        id: String,
        /// `cashQrLink`.
        link: String,
    },
    /// It is not, and QRManager says why; or nothing was sent.
    Refused {
        /// For the till.
        text: String,
    },
    /// Nobody knows.
    Lost {
        /// For the technician.
        text: String,
    },
}
