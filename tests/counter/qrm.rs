//! QRManager's side, where the terminal's orders to it arrive: answers as the script says, and keeps what it was ordered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tolov::driver::Handle;
use tolov::payment::event::{Delivery, Event, Outcome};
use tolov::payment::fiscal::Confirmation;
use tolov::payment::sale::{Payment, PaymentId};
use tolov::payment::sbp::{CodeOutcome, LinkOutcome, Ofd, QrCode, QrStatus, RefundOutcome, SbpHeard, SbpOrder};
use tolov::provider::{Asked, Provider, Ready};

/// A scripted QRManager. What the script does not say goes well; `None` in it is an answer that never comes.
#[derive(Clone, Debug, Default)]
pub struct Qrm {
    /// The terminal's profiles, and who registers their receipts.
    pub profiles: Vec<(&'static str, Option<Ofd>)>,
    pub codes: Script<CodeOutcome>,
    pub refunds: Script<RefundOutcome>,
    pub links: Script<LinkOutcome>,
    pub receipts: Script<Delivery>,
    orders: Arc<Mutex<Vec<SbpOrder>>>,
    made: Arc<AtomicU32>,
}

/// What comes next, and then no more.
#[derive(Debug)]
pub struct Script<T>(Arc<Mutex<VecDeque<Option<T>>>>);

impl<T> Default for Script<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Script<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Script<T> {
    pub fn then(&self, outcome: T) {
        self.0.lock().unwrap().push_back(Some(outcome));
    }

    /// Of this one nothing is ever heard.
    pub fn then_silence(&self) {
        self.0.lock().unwrap().push_back(None);
    }

    fn next_or(&self, usual: impl FnOnce() -> T) -> Option<T> {
        self.0.lock().unwrap().pop_front().unwrap_or_else(|| Some(usual()))
    }
}

impl Qrm {
    /// One profile, whose receipts go to ATOL.
    pub fn with_main() -> Self {
        Self { profiles: vec![("main", Some(Ofd::Atol))], ..Self::default() }
    }

    /// What it was ordered, by kind.
    pub fn ordered(&self, kind: &str) -> usize {
        let named = |order: &SbpOrder| match order {
            SbpOrder::Open { .. } => "open",
            SbpOrder::Watch { .. } => "watch",
            SbpOrder::Unwatch { .. } => "unwatch",
            SbpOrder::Refund { .. } => "refund",
            SbpOrder::AskRefund { .. } => "ask_refund",
            SbpOrder::RegisterLink { .. } => "register_link",
            SbpOrder::DeactivateLink { .. } => "deactivate_link",
        };
        self.orders.lock().unwrap().iter().filter(|order| named(order) == kind).count()
    }

    /// The sales as they were ordered, with what lives in memory alone.
    pub fn opened(&self) -> Vec<Arc<Payment>> {
        let orders = self.orders.lock().unwrap();
        orders
            .iter()
            .filter_map(|o| if let SbpOrder::Open { payment } = o { Some(payment.clone()) } else { None })
            .collect()
    }

    /// Say something about a code.
    pub async fn says(&self, driver: &Handle, payment: PaymentId, status: QrStatus) {
        driver.tell(Event::Sbp(SbpHeard::Status { payment, status, last: false })).await;
    }

    pub(super) async fn carry_out(&self, order: SbpOrder, driver: Handle) {
        self.orders.lock().unwrap().push(order.clone());
        let heard = match order {
            SbpOrder::Open { payment } => {
                let outcome = self.codes.next_or(|| CodeOutcome::Made(self.code(&payment)));
                outcome.map(|outcome| SbpHeard::Code { payment: payment.id, outcome })
            }
            SbpOrder::Refund { payment, refund } => {
                let usual = || RefundOutcome::Accepted { request_id: format!("BR{}", self.next()) };
                self.refunds.next_or(usual).map(|outcome| SbpHeard::Refund { payment: payment.id, refund, outcome })
            }
            SbpOrder::RegisterLink { profile, .. } => {
                let usual = || LinkOutcome::Registered {
                    id: "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44".to_owned(),
                    link: "https://qr.nspk.ru/BS1R003CN9P4NJ0F8QQA41JQRG1U4U44?type=01".to_owned(),
                };
                self.links.next_or(usual).map(|outcome| SbpHeard::LinkRegistered { profile, outcome })
            }
            SbpOrder::Watch { .. }
            | SbpOrder::Unwatch { .. }
            | SbpOrder::AskRefund { .. }
            | SbpOrder::DeactivateLink { .. } => None,
        };
        if let Some(heard) = heard {
            driver.tell(Event::Sbp(heard)).await;
        }
    }

    fn next(&self) -> u32 {
        self.made.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn code(&self, payment: &Payment) -> QrCode {
        let count = self.next();
        let link = payment.sbp.as_ref().unwrap().link_id.clone();
        QrCode {
            operation_id: format!("8d585d08-96c6-4005-abb9-{count:012}"),
            number: format!("4316-4040-0201-{count:04}"),
            link: link.unwrap_or_else(|| {
                format!("https://qr.nspk.ru/7921408844781707150427388936{count:04}?type=01&sum=95000")
            }),
            params_id: None,
        }
    }
}

/// Its receipts, where the outbox delivers them.
impl Provider for Qrm {
    fn charge<'a>(&'a self, _: &'a Payment, _: Ready) -> Asked<'a, Outcome> {
        unreachable!("an SBP sale is charged by nobody")
    }

    fn confirm<'a>(&'a self, _: &'a Payment, _: &'a Confirmation) -> Asked<'a, Delivery> {
        let answer = r#"{"status":"done","ofd_receipt_url":"https://check.example/1"}"#;
        let outcome = self.receipts.next_or(|| Delivery::Confirmed { answer: Some(answer.to_owned()) });
        Box::pin(async move {
            match outcome {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        })
    }
}
