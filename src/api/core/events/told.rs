//! A line of the journal as tills are told it: what happened, to which payment, and where that stands now. Never a code, a slip, a phone, a token,
//! a document or a person's name; what a till needs beside this it retrieves.

use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::position::id_of;
use crate::api::core::answer::Decimal;
use crate::clock;
use crate::history::{History, HistoryError, JournalLine};
use crate::payment::card::{Job, SettlementId};
use crate::payment::fact::{Fact, Move};
use crate::payment::money::Money;
use crate::payment::sale::{Method, PaymentId, RefundId, RefundState};

/// One event, as it stands in the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "written line by line; this is its description")]
pub(in crate::api) struct StreamedEvent {
    /// Where to go on after it, as `Last-Event-ID`; `end` has none.
    id: Option<String>,
    /// `payment`, `refund`, `receipt`, `settlement`, `cash_link`, `terminal`, or `end`.
    #[schema(example = "payment")]
    event: String,
    /// JSON. Of `end` it is `reason` and `message` alone.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// `data` of an event. `kind` is the line's own name and may be new in a later version; the event's name is one of a few that stay.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct JournalEvent {
    /// The line's number in the terminal's journal, counting without a gap.
    #[schema(example = 17)]
    sequence: i64,
    /// When it was written, RFC 3339.
    #[schema(format = "date-time")]
    at: String,
    /// What happened, e.g. `opened`, `approved`, `declined`, `refund_became`.
    #[schema(example = "approved")]
    kind: String,
    /// The payment it is about.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<PaymentId>,
    /// Where the payment stands after it, where it moves it.
    #[schema(example = "paid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_status: Option<&'static str>,
    /// The amount that is asked for or given back, in the currency's major unit, two decimal places.
    #[schema(value_type = Option<f64>, example = 12_500.0_f64)]
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Decimal>,
    /// ISO 4217.
    #[schema(example = "UZS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// Who moves the money, as far as that is known: `humo`, `click`, `payme` or `sbp`.
    #[schema(example = "click")]
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    /// The money came after the payment had ended otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    /// The refund or void it is about.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    /// Where that stands: `requested`, `processing`, `done`, `refused` or `in_doubt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_status: Option<&'static str>,
    /// Where the fiscal receipt stands: `held`, `queued`, `confirmed`, `parked` or `withdrawn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_status: Option<&'static str>,
    /// The closing of the card shift it is about.
    #[schema(value_type = Option<String>, format = "uuid")]
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement_id: Option<SettlementId>,
    /// Where that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement_status: Option<&'static str>,
    /// The QR terminal whose cash link it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

/// An event, written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Told {
    /// The line's number.
    pub(in crate::api) line: i64,
    /// The payment that the line moves, and where to.
    pub(in crate::api) moved: Option<(PaymentId, &'static str)>,
    /// As it is sent.
    pub(in crate::api) text: Bytes,
}

impl Told {
    /// Write a line out.
    ///
    /// # Errors
    /// The lines before it have to be read, and cannot be.
    pub(super) fn of(line: &JournalLine, history: &dyn History) -> Result<Self, HistoryError> {
        let mut event = JournalEvent {
            sequence: line.sequence,
            at: clock::timestamp(line.at_ms).to_string(),
            kind: kind(&line.fact),
            transaction_id: line.payment,
            ..JournalEvent::default()
        };
        let mut name = TERMINAL;
        if let Ok(fact) = serde_json::from_str::<Fact>(&line.fact) {
            name = name_of(&fact);
            event.payment_status = moved_to(line, &fact, history)?;
            event.fill(&fact);
        } else {
            tracing::error!(line = line.sequence, "a line of the journal is not one of this version");
        }
        let data = serde_json::to_string(&event).map_err(|error| HistoryError(error.to_string()))?;
        let text = format!("id: {}\nevent: {name}\ndata: {data}\n\n", id_of(line));
        let moved = line.payment.zip(event.payment_status);
        Ok(Self { line: line.sequence, moved, text: text.into() })
    }
}

/// The fact's own name.
fn kind(fact: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Tag {
        fact: String,
    }
    serde_json::from_str(fact).map_or_else(|_| "unknown".to_owned(), |tag: Tag| tag.fact)
}

/// Where the payment stands after the line, where the line moves it.
fn moved_to(line: &JournalLine, fact: &Fact, history: &dyn History) -> Result<Option<&'static str>, HistoryError> {
    match (fact.moves(), line.payment) {
        (Some(Move::To(state)), _) => Ok(Some(state)),
        (Some(Move::CardPresented), Some(payment)) => {
            let before = history.state_before(line.sequence, payment)?;
            Ok(Move::CardPresented.after(before).filter(|after| Some(*after) != before))
        }
        _ => Ok(None),
    }
}

/// What is about none of the others.
const TERMINAL: &str = "terminal";

/// The name of a line's event.
fn name_of(fact: &Fact) -> &'static str {
    match fact {
        Fact::RefundOpened { .. } | Fact::RefundNamed { .. } | Fact::RefundBecame { .. } => "refund",
        Fact::ReceiptBrought { .. }
        | Fact::ReceiptReleased { .. }
        | Fact::ReceiptDelayed { .. }
        | Fact::ReceiptConfirmed { .. }
        | Fact::ReceiptSigned { .. }
        | Fact::ReceiptParked { .. } => "receipt",
        Fact::SettlementOpened { .. } | Fact::SettlementBecame { .. } | Fact::SettlementResolved { .. } => "settlement",
        Fact::CashLinkBecame { .. } => "cash_link",
        Fact::CardMarked { .. } | Fact::SalesClosed { .. } | Fact::SalesOpened { .. } => TERMINAL,
        Fact::CardPresented { job }
        | Fact::Printed { job, .. }
        | Fact::Tagged { job, .. }
        | Fact::Result { job, .. }
        | Fact::Questioned { job }
        | Fact::RunOver { job, .. } => match job {
            Job::Sale { .. } => "payment",
            Job::Refund { .. } => "refund",
            Job::Settlement { .. } => "settlement",
        },
        Fact::Opened { .. }
        | Fact::Created { .. }
        | Fact::Wished { .. }
        | Fact::Edited { .. }
        | Fact::Accepted { .. }
        | Fact::CardAsked { .. }
        | Fact::CodeMade { .. }
        | Fact::StatusTold { .. }
        | Fact::WatchOver { .. }
        | Fact::CodeBound { .. }
        | Fact::Approved { .. }
        | Fact::Declined { .. }
        | Fact::Doubted { .. }
        | Fact::Cancelled { .. }
        | Fact::Expired { .. }
        | Fact::Resolved { .. }
        | Fact::Answered { .. }
        | Fact::UpstreamNamed { .. }
        | Fact::Refunded { .. } => "payment",
    }
}

impl JournalEvent {
    fn fill(&mut self, fact: &Fact) {
        self.settlement_id = fact.settlement();
        match fact {
            Fact::Opened { method, amount, .. } => self.asks(Some(*method), *amount),
            Fact::Created { method, auto, amount, .. } | Fact::Edited { method, auto, amount, .. } => {
                // Whatever the customer shows decides it.
                self.asks((!auto).then_some(*method), *amount);
            }
            // Without a code it is as its creation has told, or still the customer's choice.
            Fact::Accepted { method, code, .. } => self.method = code.is_some().then(|| method.name()),
            Fact::CodeBound { method, .. } => self.method = method.map(Method::name),
            Fact::Approved { late, .. } => self.late = late.then_some(true),
            Fact::RefundOpened { refund, amount, .. } => {
                self.asks(None, *amount);
                (self.refund_id, self.refund_status) = (Some(*refund), Some(RefundState::Requested.name()));
            }
            Fact::RefundNamed { refund, .. } => self.refund_id = Some(*refund),
            Fact::RefundBecame { refund, state, .. } => {
                (self.refund_id, self.refund_status) = (Some(*refund), Some(state.name()));
            }
            Fact::ReceiptBrought { state, .. } | Fact::ReceiptReleased { state, .. } => {
                self.receipt_status = Some(state.name());
            }
            Fact::ReceiptConfirmed { .. } => self.receipt_status = Some("confirmed"),
            Fact::ReceiptParked { .. } => self.receipt_status = Some("parked"),
            Fact::SettlementOpened { .. } => self.settlement_status = Some("processing"),
            Fact::SettlementBecame { state, .. } => self.settlement_status = Some(state.name()),
            Fact::CashLinkBecame { profile, .. } => self.profile = Some(profile.clone()),
            Fact::CardPresented { job: Job::Refund { refund, .. } }
            | Fact::Printed { job: Job::Refund { refund, .. }, .. }
            | Fact::Tagged { job: Job::Refund { refund, .. }, .. }
            | Fact::Result { job: Job::Refund { refund, .. }, .. }
            | Fact::Questioned { job: Job::Refund { refund, .. } }
            | Fact::RunOver { job: Job::Refund { refund, .. }, .. } => self.refund_id = Some(*refund),
            _ => {}
        }
    }

    fn asks(&mut self, method: Option<Method>, amount: Money) {
        self.method = method.map(Method::name);
        self.currency = Some(amount.currency().code());
        self.amount = Some(amount.into());
    }
}
