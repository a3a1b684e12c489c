//! QRManager, with a book of its own: the codes that it made, which of them were paid, and what went back, whatever the terminal heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tolov::payment::Event;
use tolov::payment::sale::{Decline, DeclineKind, Payment, PaymentId, RefundId};
use tolov::payment::sbp::{CodeOutcome, QrCode, QrStatus, RefundOutcome, SbpHeard, SbpOrder};

use super::world::{Act, World};

/// How long a code lives.
const CODE_MS: u64 = 300_000;

/// One code.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) operation_id: String,
    pub(crate) sum: i64,
    pub(crate) paid: bool,
    expired: bool,
}

/// What QRManager knows.
#[derive(Debug, Default)]
pub(crate) struct Qrm {
    pub(crate) operations: BTreeMap<PaymentId, Vec<Operation>>,
    /// Of which sale, how much, and whether it goes through.
    pub(crate) refunds: BTreeMap<RefundId, (PaymentId, i64, bool)>,
    /// Refunds that the terminal has sent.
    sent: BTreeSet<RefundId>,
    /// Codes that a customer has been shown.
    shown: BTreeSet<PaymentId>,
    /// What the terminal follows in this life.
    watched: BTreeSet<PaymentId>,
    asked: BTreeSet<RefundId>,
}

impl Qrm {
    pub(crate) fn paid(&self, payment: PaymentId) -> Option<&Operation> {
        self.operations.get(&payment)?.iter().find(|operation| operation.paid)
    }

    pub(crate) fn went_back(&self, refund: RefundId) -> bool {
        self.refunds.get(&refund).is_some_and(|(_, _, success)| *success)
    }

    /// What of this sale went back.
    fn back(&self, payment: PaymentId) -> i64 {
        let of_it = self.refunds.values().filter(|(of, _, success)| *of == payment && *success);
        of_it.map(|(_, sum, _)| sum).sum()
    }

    /// The power failed: nobody follows anything.
    pub(crate) fn forget(&mut self) {
        self.watched.clear();
        self.asked.clear();
    }

    fn status(&self, payment: PaymentId) -> QrStatus {
        match self.operations.get(&payment).and_then(|made| made.first()) {
            Some(operation) if operation.paid && self.back(payment) == operation.sum => QrStatus::Refunded,
            Some(operation) if operation.paid => QrStatus::Paid,
            Some(operation) if operation.expired => QrStatus::Expired,
            Some(_) => QrStatus::Created,
            None => QrStatus::Unknown,
        }
    }
}

fn lost(why: &str) -> String {
    why.to_owned()
}

fn refused() -> Decline {
    Decline { why: DeclineKind::Refused, code: None, message: Some("no".to_owned()) }
}

impl World {
    /// An order leaves the terminal.
    pub(crate) fn sbp_ordered(&mut self, order: SbpOrder) {
        match order {
            SbpOrder::Open { payment } => {
                if self.disk.lock().unwrap().payment(payment.id).is_none_or(|p| !p.state.is_in_progress()) {
                    self.broken =
                        Some(format!("a code is asked for {}, and its intent is not on the disk", payment.id));
                }
                self.soon(Act::AskForCode(payment), 50);
            }
            SbpOrder::Watch { payment } => {
                // It is on the disk, so it may be shown.
                if self.qrm.shown.insert(payment.id) && self.dice.percent(75) {
                    self.soon(Act::Phone(payment.id), CODE_MS + 60_000);
                }
                if self.qrm.watched.insert(payment.id) {
                    self.soon(Act::Watch(self.life, payment.id), 2_000);
                }
            }
            SbpOrder::Unwatch { payment } => {
                self.qrm.watched.remove(&payment);
            }
            SbpOrder::Refund { payment, refund } => {
                let kept = self.disk.lock().unwrap().payment(payment.id).is_some_and(|p| p.refund(refund).is_some());
                if !kept {
                    self.broken = Some(format!("{refund} is sent, and its intent is not on the disk"));
                }
                if !self.qrm.sent.insert(refund) {
                    self.broken = Some(format!("{refund} was sent twice"));
                }
                self.soon(Act::SendBack(payment, refund), 50);
            }
            SbpOrder::AskRefund { payment, refund } => {
                if self.qrm.asked.insert(refund) {
                    self.soon(Act::AskBack(self.life, payment.id, refund), 2_000);
                }
            }
            SbpOrder::RegisterLink { .. } | SbpOrder::DeactivateLink { .. } => {
                self.broken = Some(format!("nobody here sells at a sticker, and QRManager is asked: {order:?}"));
            }
        }
    }

    /// Something comes to QRManager, or happens there.
    pub(crate) fn at_qrm(&mut self, act: Act) {
        match act {
            Act::AskForCode(payment) => self.make_code(&payment),
            Act::Phone(payment) => {
                let open = self.qrm.operations.get_mut(&payment).and_then(|made| made.first_mut());
                if let Some(operation) = open.filter(|operation| !operation.expired) {
                    operation.paid = true;
                }
            }
            Act::CodeEnds(payment) => {
                let open = self.qrm.operations.get_mut(&payment).and_then(|made| made.first_mut());
                if let Some(operation) = open.filter(|operation| !operation.paid) {
                    operation.expired = true;
                }
            }
            Act::Watch(life, payment) if life == self.life => self.tell_status(payment),
            Act::SendBack(payment, refund) => self.send_back(&payment, refund),
            Act::AskBack(life, payment, refund) if life == self.life => self.tell_of_refund(payment, refund),
            _ => {}
        }
    }

    fn sbp_heard(&mut self, pause_ms: u64, heard: SbpHeard) {
        self.later(pause_ms, Act::Tell(self.life, Event::Sbp(heard)));
    }

    fn make_code(&mut self, payment: &Arc<Payment>) {
        let id = payment.id;
        let fate = if self.faults { self.dice.below(16) } else { 15 };
        let slow = if self.dice.percent(20) { self.dice.below(30_000) } else { self.dice.below(2_000) };
        let outcome = match fate {
            0 => CodeOutcome::NotSent { text: lost("no route") },
            1 => CodeOutcome::Refused(refused()),
            2 => CodeOutcome::Lost { text: lost("nobody answered") },
            _ => {
                let operation_id = self.dice.name().to_string();
                let operation = Operation {
                    operation_id: operation_id.clone(),
                    sum: payment.amount.minor(),
                    paid: false,
                    expired: false,
                };
                self.qrm.operations.entry(id).or_default().push(operation);
                self.later(CODE_MS, Act::CodeEnds(id));
                let link = format!("https://qr.nspk.ru/{operation_id}");
                let number = operation_id.chars().take(19).collect();
                match fate {
                    3 => CodeOutcome::Lost { text: lost("the answer was cut") },
                    _ => CodeOutcome::Made(QrCode { operation_id, number, link, params_id: None }),
                }
            }
        };
        self.sbp_heard(slow, SbpHeard::Code { payment: id, outcome: outcome.clone() });
        if fate == 4 {
            self.sbp_heard(slow + 10, SbpHeard::Code { payment: id, outcome });
        }
    }

    /// The same way for sockets and REST: what is true, what was true, nothing, twice; until the watch is called off.
    fn tell_status(&mut self, payment: PaymentId) {
        if !self.qrm.watched.contains(&payment) {
            return;
        }
        let truth = self.qrm.status(payment);
        let fate = if self.faults { self.dice.below(12) } else { 11 };
        let told = |status| SbpHeard::Status { payment, status, last: false };
        match fate {
            0 => self.sbp_heard(0, SbpHeard::Silent { payment }),
            1 => self.sbp_heard(0, told(QrStatus::Unknown)),
            2 => self.sbp_heard(0, told(QrStatus::Pending)),
            3 => self.sbp_heard(0, told(QrStatus::AttemptFailed)),
            4 => {
                self.sbp_heard(0, told(truth));
                self.sbp_heard(1, told(truth));
                self.sbp_heard(2, told(QrStatus::Created));
            }
            _ => self.sbp_heard(0, told(truth)),
        }
        self.soon(Act::Watch(self.life, payment), 20_000);
    }

    fn send_back(&mut self, payment: &Arc<Payment>, refund: RefundId) {
        let id = payment.id;
        let Some(asked) = payment.refund(refund).map(|r| r.amount.minor()) else { return };
        let fate = if self.faults { self.dice.below(12) } else { 11 };
        if fate > 2 {
            let success = fate != 3;
            self.qrm.refunds.insert(refund, (id, asked, success));
        }
        let outcome = match fate {
            0 => RefundOutcome::NotSent { text: lost("no route") },
            1 => RefundOutcome::Refused(refused()),
            2 | 4 => RefundOutcome::InDoubt { text: lost("nobody answered") },
            _ => RefundOutcome::Accepted { request_id: refund.to_string() },
        };
        let slow = self.dice.below(5_000);
        self.sbp_heard(slow, SbpHeard::Refund { payment: id, refund, outcome });
    }

    /// A refund that has a name is asked about until it is known; of another one only the operation could tell.
    fn tell_of_refund(&mut self, payment: PaymentId, refund: RefundId) {
        let row = self.disk.lock().unwrap().payment(payment).cloned();
        let Some(asked) = row.as_ref().and_then(|p| p.refund(refund)).filter(|r| !r.state.is_final()) else {
            self.qrm.asked.remove(&refund);
            return;
        };
        let named = asked.upstream_id.is_some();
        if self.faults && self.dice.percent(20) {
            let outcome = RefundOutcome::InDoubt { text: lost("nobody answered") };
            self.sbp_heard(0, SbpHeard::Refund { payment, refund, outcome });
        } else if named || self.qrm.status(payment) == QrStatus::Refunded {
            let outcome =
                if self.qrm.went_back(refund) { RefundOutcome::Done } else { RefundOutcome::Refused(refused()) };
            self.sbp_heard(0, SbpHeard::Refund { payment, refund, outcome });
        }
        self.soon(Act::AskBack(self.life, payment, refund), 30_000);
    }

    /// Its book against itself: a code a sale, and never more back than was paid.
    pub(crate) fn check_qrm(&self) -> Result<(), String> {
        for (id, made) in &self.qrm.operations {
            if made.len() > 1 {
                return Err(format!("{} codes were made for {id}", made.len()));
            }
            let (back, sum) = (self.qrm.back(*id), made[0].sum);
            if back > sum && !self.mis_signed.contains(id) {
                return Err(format!("{back} of {sum} went back of {id}"));
            }
        }
        Ok(())
    }
}
