//! What a technician asks, answered: from the driver's picture, from the past, or by an event.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use super::words::{
    ConfirmReceipt, PaymentsAsked, Request, Resolve, Retry, ScheduleRow, ShiftReport, Status, Trouble, TroubleKind,
    WhichShift,
};
use super::{invalid, rows, shift};
use crate::clock::Clock;
use crate::driver::{Handle, Ticket};
use crate::history::{Filter, History, HistoryError, QueueFilter};
use crate::limits;
use crate::payment::card::{RunId, SettlementId};
use crate::payment::event::{Denial, Event, Reply, Verdict};
use crate::payment::fiscal::Receipt;
use crate::payment::receipt::{ReceiptLink, document};
use crate::payment::sale::{Method, Payment, PaymentId, Resolution, State};
use crate::schedule::Word;
use crate::snapshot::StoreHealth;

/// The fewest digits that name a payment.
const ID_DIGITS_MIN: usize = 4;

/// What a technician is answered from.
pub struct Desk {
    /// The door to the driver.
    pub driver: Handle,
    /// The past.
    pub history: Arc<dyn History>,
    /// The time.
    pub clock: Clock,
    /// What the daily closing of the shift has to say; `None` = there is none.
    pub schedule: Option<watch::Receiver<Option<Word>>>,
}

impl Desk {
    pub(super) async fn answer(&self, request: Request) -> Result<Value, Trouble> {
        match request {
            Request::Status {} => told(&self.status()),
            Request::Payments(asked) => self.payments(&asked).await,
            Request::Payment { id } => told(&rows::detail(&self.payment(&id).await?)),
            Request::Resolve(order) => self.resolve(order).await,
            Request::Cancel { id } => self.cancel(id).await,
            Request::Queue { method, limit } => self.queue(method.as_deref(), limit).await,
            Request::Retry(order) => self.retry(order).await,
            Request::ConfirmReceipt(order) => self.confirm_receipt(order).await,
            Request::Shift { which } => told(&self.shift(which).await?),
            Request::CloseShift {} => self.close_shift().await,
            Request::ResolveShift { closed, name, reason } => self.resolve_shift(closed, name, reason).await,
            Request::OpenSales { name, reason } => {
                let (name, reason) = (signed(name, "--name")?, signed(reason, "--reason")?);
                self.ask(Event::OpenSales { name, reason }).await?;
                told(&self.status())
            }
        }
    }

    fn status(&self) -> Status {
        let now = self.driver.snapshot();
        let (store, store_why) = match &now.store {
            StoreHealth::Good => ("good", None),
            StoreHealth::Refusing(why) => ("refusing", Some(why.clone())),
            StoreHealth::Owing(why) => ("owing", Some(why.clone())),
        };
        let word = self.schedule.as_ref().and_then(|word| word.borrow().clone());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            up_ms: self.clock.monotonic_ms(),
            now_ms: self.clock.wall_ms(),
            clock_trusted: self.clock.wall_trusted(),
            closed: now.closed.clone(),
            store: store.to_owned(),
            store_why,
            counter: now.counter.as_deref().map(rows::payment),
            held_code: now.held_code.map(|method| method.name().to_owned()),
            last: now.last.as_deref().map(rows::payment),
            in_doubt: now.in_doubt.iter().map(|p| rows::payment(p)).collect(),
            settlement: now.shift.last.as_deref().map(rows::settlement),
            schedule: word
                .map(|w| ScheduleRow { settle_at: w.settle_at.strftime("%H:%M").to_string(), trouble: w.trouble }),
            queued: now.queue.queued,
            parked: now.queue.parked,
            owed: now.queue.owed,
            oldest_queued_ms: now.queue.oldest_ms,
            pinpad: now.devices.pinpad.as_ref().map(rows::device),
            scanner: now.devices.scanner.as_ref().map(rows::device),
            pinpad_status: now.pinpad_status.clone(),
            faults: now.faults,
        }
    }

    async fn payments(&self, asked: &PaymentsAsked) -> Result<Value, Trouble> {
        let filter = Filter {
            method: asked.method.as_deref().map(method).transpose()?,
            state: asked.state.as_deref().map(state).transpose()?,
            order_id: asked.order_id.clone(),
            since_ms: asked.since_ms,
            until_ms: asked.until_ms,
            limit: at_most(asked.limit),
            ..Filter::default()
        };
        let found = self.read(move |history| history.payments(&filter)).await?;
        told(&found.iter().map(rows::payment).collect::<Vec<_>>())
    }

    async fn queue(&self, of: Option<&str>, limit: Option<u32>) -> Result<Value, Trouble> {
        let method = of.map(method).transpose()?;
        let filter = QueueFilter { method, due_ms: None, limit: at_most(limit) };
        let found = self.read(move |history| history.queue(&filter)).await?;
        told(&found.iter().filter_map(rows::queued).collect::<Vec<_>>())
    }

    async fn resolve(&self, order: Resolve) -> Result<Value, Trouble> {
        let (name, reason) = (signed(order.name, "--name")?, signed(order.reason, "--reason")?);
        let payment = self.payment(&order.id).await?;
        let evidence = evidence(&payment, order.payment_id, order.rrn)?;
        // A refund that is in doubt is ended by the same words; its payment has its id already.
        let sale = matches!(payment.state, State::InDoubt { .. });
        if order.paid && sale && evidence.is_none() && !order.no_evidence {
            let (found, place) = match payment.method {
                Method::Humo => ("--rrn RRN", "on the PinPad's slip or report"),
                Method::Click => ("--payment-id ID", "in the CLICK merchant cabinet"),
                Method::Payme => ("--payment-id ID", "in the PAYME merchant cabinet"),
                Method::Sbp => ("--payment-id OPERATION_ID", "in QRManager"),
            };
            return Err(refused(format!(
                "a payment becomes paid by evidence: add {found}, as it stands {place}; if there is none to be had, add \
                 --no-evidence and let the reason say how you know"
            )));
        }
        if !order.paid && (evidence.is_some() || order.no_evidence) {
            return Err(invalid("what never happened has no payment_id or RRN: leave the evidence out".to_owned()));
        }
        let verdict = if order.paid { Verdict::Paid } else { Verdict::Absent };
        let reply = self.ask(Event::Resolve { payment: payment.id, verdict, name, reason, evidence }).await?.first;
        self.as_it_stands(payment.id, reply).await
    }

    async fn cancel(&self, id: Option<String>) -> Result<Value, Trouble> {
        let payment = match id {
            Some(id) => Some(self.payment(&id).await?.id),
            None => None,
        };
        match self.ask(Event::Cancel { payment, operator: true }).await?.first {
            Reply::Payment(payment) => told(&rows::detail(&payment)),
            _ => Err(failed("the payment was cancelled and is not known any more")),
        }
    }

    async fn retry(&self, order: Retry) -> Result<Value, Trouble> {
        let name = signed(order.name, "--name")?;
        let payment = self.payment(&order.id).await?;
        let upstream_id = order.payment_id.map(|id| found_id(&id, "--payment-id")).transpose()?;
        let receipt = match (order.link, order.document) {
            (None, None) => None,
            (Some(link), None) => Some(read_receipt(&link)?),
            (None, Some(document)) => Some(read_document(&payment, &document.0)?),
            (Some(_), Some(_)) => return Err(invalid("a receipt is a link or a document, not both".to_owned())),
        };
        let event = Event::RetryConfirmation { payment: payment.id, receipt, upstream_id, name };
        let ticket = self.ask(event).await?;
        let first = ticket.first.clone();
        let settled = tokio::time::timeout(limits::wait(limits::CONFIRM_ANSWER_MS), ticket.settled()).await;
        let reply = settled.ok().and_then(Result::ok).unwrap_or(first);
        self.as_it_stands(payment.id, reply).await
    }

    async fn confirm_receipt(&self, order: ConfirmReceipt) -> Result<Value, Trouble> {
        let resolution = Resolution {
            name: signed(order.name, "--name")?,
            reason: signed(order.reason, "--reason")?,
            evidence: Some(signed(order.evidence, "--evidence")?),
        };
        let payment = self.payment(&order.id).await?.id;
        let ticket = self.ask(Event::SignConfirmation { payment, resolution }).await?;
        self.as_it_stands(payment, ticket.first.clone()).await
    }

    /// The shift's totals.
    async fn shift(&self, which: WhichShift) -> Result<ShiftReport, Trouble> {
        let now = self.driver.snapshot().shift.clone();
        let report = self.read(move |history| shift::report(history, &now, which)).await?;
        report.ok_or_else(|| Trouble {
            kind: TroubleKind::NotFound,
            message: "no shift was closed from this terminal yet; tolov shift shows the open one".to_owned(),
        })
    }

    async fn close_shift(&self) -> Result<Value, Trouble> {
        let id = SettlementId(Uuid::new_v4());
        let ticket = self.ask(Event::Settle { id, run: RunId(Uuid::new_v4()), token: None }).await?;
        let limit = limits::wait(limits::CONTROL_CLOSE_SHIFT_MS);
        let Ok(settled) = tokio::time::timeout(limit, ticket.settled()).await else {
            return Err(failed("the PinPad is still at it; look again with: tolov shift --last"));
        };
        let Reply::Settlement(settlement) = settled.map_err(|denial| denied(&denial))? else {
            return Err(failed("the terminal lost sight of the settlement; look again with: tolov shift --last"));
        };
        self.after(settlement.id, |now| now == &settlement.state).await?;
        let done = settlement.state == crate::payment::card::SettlementState::Done;
        told(&self.shift(if done { WhichShift::Last } else { WhichShift::Open }).await?)
    }

    async fn resolve_shift(&self, closed: bool, name: String, reason: String) -> Result<Value, Trouble> {
        let (name, reason) = (signed(name, "--name")?, signed(reason, "--reason")?);
        let Some(open) = self.driver.snapshot().settlement.clone() else {
            return Err(refused("no closing of a shift is in doubt".to_owned()));
        };
        let verdict = if closed { Verdict::Paid } else { Verdict::Absent };
        let payment = PaymentId(open.id.0);
        self.ask(Event::Resolve { payment, verdict, name, reason, evidence: None }).await?;
        self.after(open.id, crate::payment::card::SettlementState::is_final).await?;
        told(&self.shift(if closed { WhichShift::Last } else { WhichShift::Open }).await?)
    }

    /// Waits for the picture that shows the settlement so: answers are given before the picture is published.
    async fn after(
        &self,
        id: SettlementId,
        stands: impl Fn(&crate::payment::card::SettlementState) -> bool,
    ) -> Result<(), Trouble> {
        let mut pictures = self.driver.pictures();
        let shown = pictures.wait_for(|now| now.shift.last.as_ref().is_some_and(|s| s.id == id && stands(&s.state)));
        match tokio::time::timeout(limits::wait(limits::CONTROL_IDLE_MS), shown).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(failed("the terminal has not shown the settlement; look again with: tolov shift --last")),
        }
    }

    async fn as_it_stands(&self, id: PaymentId, reply: Reply) -> Result<Value, Trouble> {
        match reply {
            Reply::Payment(p) | Reply::Refund(p, _) | Reply::Confirmation(p, _) => told(&rows::detail(&p)),
            Reply::Settlement(_) | Reply::Done => told(&rows::detail(&self.payment(&id.to_string()).await?)),
        }
    }

    /// The payment of that name, or of those first digits.
    async fn payment(&self, id: &str) -> Result<Payment, Trouble> {
        let id = id.trim().to_ascii_lowercase();
        let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !digits || id.len() < ID_DIGITS_MIN || id.len() > 36 {
            return Err(invalid(format!(
                "{id:.40} names no payment: give its transaction_id, or at least its first {ID_DIGITS_MIN} digits"
            )));
        }
        let filter = Filter { id_prefix: Some(id.clone()), limit: 2, ..Filter::default() };
        let mut found = self.read(move |history| history.payments(&filter)).await?;
        match (found.pop(), found.pop()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => {
                Err(invalid(format!("several payments begin with {id}: give more of the transaction_id")))
            }
            (None, _) => {
                let message = format!("no payment here begins with {id}; tolov payment list shows what there is");
                Err(Trouble { kind: TroubleKind::NotFound, message })
            }
        }
    }

    /// Reads the past where waiting for the disk holds nobody up.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let history = self.history.clone();
        match tokio::task::spawn_blocking(move || question(&*history)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("reading the store was broken off")),
        }
    }

    async fn ask(&self, event: Event) -> Result<Ticket, Trouble> {
        self.driver.ask(event).await.map_err(|denial| denied(&denial))
    }
}

fn told(answer: &impl Serialize) -> Result<Value, Trouble> {
    serde_json::to_value(answer).map_err(|error| failed(&error.to_string()))
}

fn method(name: &str) -> Result<Method, Trouble> {
    let found = Method::ALL.into_iter().find(|method| method.name() == name);
    found.ok_or_else(|| invalid(format!("{name:.40} is no method: write humo, click, payme or sbp")))
}

fn state(name: &str) -> Result<String, Trouble> {
    const STATES: [&str; 9] = [
        "created",
        "awaiting_payer",
        "bank_processing",
        "paid",
        "refunded",
        "declined",
        "cancelled",
        "expired",
        "in_doubt",
    ];
    if STATES.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(invalid(format!("{name:.40} is no state: write one of {}", STATES.join(", "))))
}

fn at_most(limit: Option<u32>) -> u32 {
    limit.filter(|limit| *limit > 0).unwrap_or(limits::CONTROL_ROWS_MAX).min(limits::CONTROL_ROWS_MAX)
}

/// Who signs, or why: something that can be read in the journal years later.
fn signed(text: String, option: &str) -> Result<String, Trouble> {
    let text = text.trim().to_owned();
    let chars = text.chars().count();
    if chars == 0 || chars > limits::SIGNED_MAX_CHARS || text.chars().any(char::is_control) {
        return Err(invalid(format!("{option} needs a text of 1 to {} characters", limits::SIGNED_MAX_CHARS)));
    }
    Ok(text)
}

/// What the operator found, if it is of the payment's own kind.
fn evidence(payment: &Payment, payment_id: Option<String>, rrn: Option<String>) -> Result<Option<String>, Trouble> {
    match (payment.method, payment_id, rrn) {
        (_, None, None) => Ok(None),
        (Method::Humo, None, Some(rrn)) => found_id(&rrn, "--rrn").map(Some),
        (Method::Click | Method::Payme | Method::Sbp, Some(id), None) => found_id(&id, "--payment-id").map(Some),
        (Method::Humo, Some(_), _) => {
            Err(invalid("the payment was made by card: its evidence is --rrn, as the slip shows it".to_owned()))
        }
        (method, _, Some(_)) => Err(invalid(format!(
            "the payment was made with {method}: its evidence is --payment-id, as the merchant cabinet shows it"
        ))),
    }
}

/// A provider's id or an RRN: one word.
fn found_id(text: &str, option: &str) -> Result<String, Trouble> {
    let text = text.trim();
    let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if text.is_empty() || text.len() > limits::ORDER_ID_MAX_CHARS || !word {
        return Err(invalid(format!("{option} is one word of letters and digits, as the provider shows it")));
    }
    Ok(text.to_owned())
}

fn read_receipt(link: &str) -> Result<Receipt, Trouble> {
    let link = ReceiptLink::parse(link).map_err(|error| invalid(format!("the receipt: {error}")))?;
    Receipt::from_link(link, None, None).map_err(|error| invalid(format!("the receipt: {error}")))
}

fn read_document(payment: &Payment, text: &str) -> Result<Receipt, Trouble> {
    let checked = document::check(payment, text).map_err(|error| invalid(format!("the receipt: {error}")))?;
    for warning in &checked.warnings {
        warn!(payment = %payment.id, %warning, "a receipt is taken that is unusual");
    }
    Ok(Receipt::Electronic(checked.receipt))
}

fn denied(denial: &Denial) -> Trouble {
    let kind = match denial {
        Denial::NotFound { .. } => TroubleKind::NotFound,
        Denial::Store { .. } | Denial::Overloaded | Denial::ShuttingDown => TroubleKind::Failed,
        _ => TroubleKind::Refused,
    };
    Trouble { kind, message: denial.to_string() }
}

fn refused(message: String) -> Trouble {
    Trouble { kind: TroubleKind::Refused, message }
}

fn failed(message: &str) -> Trouble {
    Trouble { kind: TroubleKind::Failed, message: message.to_owned() }
}
