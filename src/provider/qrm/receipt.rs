//! Electronic receipts through QRManager (§5), as the outbox delivers them: register once, then ask until the operator of fiscal data says
//! `done` or `fail`.
//!
//! ```text
//!  not registered ── POST …/receipt/ ── taken, or "already registered" ──► wait 300 ms ─┐
//!  registered ──────────────────────────────────────────────────────────────────────────┴─► GET …/receipt/status/
//!                                                  done → confirmed, wait → pending, fail → parked with its words
//! ```
//!
//! A lost answer to the POST is tried again: QRManager registers one receipt for an operation and says so when it has one already. Whose that
//! is only its status tells, so nothing but `done` confirms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Qrm, QrmError, ReceiptStatus};
use crate::clock::Clock;
use crate::limits;
use crate::payment::event::{Delivery, Outcome};
use crate::payment::fiscal::Confirmation;
use crate::payment::sale::{Payment, UnixMs};
use crate::provider::{Asked, Provider, Ready};

/// The receipts of all QR terminals.
#[derive(Debug)]
pub struct Receipts {
    by_profile: BTreeMap<String, Arc<Qrm>>,
    clock: Clock,
}

impl Receipts {
    /// Through these clients. The clock tells for how long a status may still be asked for.
    #[must_use]
    pub fn new(by_profile: BTreeMap<String, Arc<Qrm>>, clock: Clock) -> Self {
        Self { by_profile, clock }
    }

    async fn deliver(&self, payment: &Payment, confirmation: &Confirmation) -> Delivery {
        let Some(sbp) = payment.sbp.as_deref() else { return refused("the sale was not made by SBP") };
        let Some(qrm) = self.by_profile.get(&sbp.ask.profile) else {
            let text = format!("[qrm.{}] is not set up on this terminal", sbp.ask.profile);
            return Delivery::Retry { text };
        };
        let Some(number) = sbp.code.as_ref().map(|code| code.number.as_str()) else {
            return refused(
                "QRManager's number of the operation is not known here, so no receipt can be registered for it",
            );
        };
        if let Some(since_ms) = confirmation.registered_ms {
            return self.told(qrm.receipt_status(number).await, Some(since_ms));
        }
        let Some(body) = confirmation.receipt.electronic().and_then(|receipt| receipt.body.0.as_deref()) else {
            return refused(
                "what the receipt was to say is lost (the store was damaged); bring it again: the till by POST …/receipt, or \
                 tolov queue retry --with FILE",
            );
        };
        match qrm.register_receipt(number, body).await {
            Ok(()) => {
                tokio::time::sleep(limits::wait(limits::RECEIPT_FIRST_STATUS_MS)).await;
                match self.told(qrm.receipt_status(number).await, Some(self.clock.wall_ms())) {
                    // It is registered, whatever came of this first question: it is never sent again.
                    Delivery::Retry { text } => Delivery::Pending { text },
                    told => told,
                }
            }
            Err(error) if says(&error, ALREADY) => self.told(qrm.receipt_status(number).await, None),
            Err(error) => registering(&error),
        }
    }

    /// What a status means for a receipt that was registered by `since_ms`; `None`: nobody here knows when.
    fn told(&self, status: Result<ReceiptStatus, QrmError>, since_ms: Option<UnixMs>) -> Delivery {
        let day = i64::try_from(limits::RECEIPT_STATUS_KEPT_MS).unwrap_or(i64::MAX);
        let forgotten = since_ms.is_some_and(|since_ms| self.clock.wall_ms().saturating_sub(since_ms) > day);
        match status {
            Ok(ReceiptStatus::Done { url: Some(url) }) => {
                let answer = serde_json::json!({"status": "done", "ofd_receipt_url": url}).to_string();
                Delivery::Confirmed { answer: (answer.len() <= limits::PROVIDER_ANSWER_MAX_BYTES).then_some(answer) }
            }
            Ok(ReceiptStatus::Done { url: None }) => {
                Delivery::Pending { text: "registered, but the link to the receipt is not there yet".to_owned() }
            }
            Ok(ReceiptStatus::Wait) => {
                Delivery::Pending { text: "registered; the operator of fiscal data is at work on it".to_owned() }
            }
            Ok(ReceiptStatus::Fail { error }) => refused(&error),
            Err(error) if gone(&error) && forgotten => refused(&format!(
                "{error}. It was registered more than a day ago, and its status is kept for about a day: look it up in the operator's \
                 cabinet; only if it is not there, send it again with tolov queue retry"
            )),
            Err(error) if gone(&error) => Delivery::Retry { text: masked(&error.to_string()) },
            Err(error) if needs_a_person(&error) => refused(&error.to_string()),
            Err(error) => Delivery::Retry { text: masked(&error.to_string()) },
        }
    }
}

impl Provider for Receipts {
    /// Never asked: an SBP sale is paid at a code that the terminal shows, and its money is heard of, not asked for here.
    fn charge<'a>(&'a self, _: &'a Payment, _: Ready) -> Asked<'a, Outcome> {
        Box::pin(async { Outcome::NotSent { text: "an SBP sale is paid by its own code".to_owned() } })
    }

    fn confirm<'a>(&'a self, payment: &'a Payment, confirmation: &'a Confirmation) -> Asked<'a, Delivery> {
        Box::pin(self.deliver(payment, confirmation))
    }
}

const ALREADY: &str = "уже имеет зарегистрированный чек";
const NOT_FOUND: &str = "не обнаружена";

/// Troubles between QRManager and the operator of fiscal data that pass by themselves (§5.1), and its own.
const PASSING: [&str; 4] =
    ["Ошибка доступа к сервису ОФД", "Истекло время ожидания сервиса ОФД", "Ошибка соединения с ОФД", "Ошибка сервиса"];

fn registering(error: &QrmError) -> Delivery {
    if gone(error) {
        return Delivery::Retry { text: format!("QRManager does not know it as paid yet: {error}") };
    }
    match needs_a_person(error) {
        true => refused(&error.to_string()),
        false => Delivery::Retry { text: masked(&error.to_string()) },
    }
}

/// A well-formed no that time alone will not change.
fn needs_a_person(error: &QrmError) -> bool {
    match error {
        QrmError::RefusedField { .. } | QrmError::Unfit { .. } => true,
        QrmError::RefusedWhole { status, .. } | QrmError::RefusedDetail { status, .. } => {
            *status != 429 && !PASSING.iter().any(|words| says(error, words)) && !says(error, ALREADY)
        }
        _ => false,
    }
}

/// 404, or the words of it.
fn gone(error: &QrmError) -> bool {
    error.status() == Some(404) || says(error, NOT_FOUND)
}

fn says(error: &QrmError, words: &str) -> bool {
    match error {
        QrmError::RefusedWhole { text, .. } | QrmError::RefusedDetail { text, .. } | QrmError::BankTimeout { text } => {
            text.contains(words)
        }
        _ => false,
    }
}

fn refused(text: &str) -> Delivery {
    Delivery::Refused { text: masked(text) }
}

/// An operator of fiscal data may quote the payer's address; what is kept of its words has none.
fn masked(text: &str) -> String {
    let word = |word: &str| if word.contains('@') { "•••".to_owned() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
