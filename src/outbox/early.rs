//! Questions out of turn: somebody outside says that the operator of fiscal data has decided (`[qrm_callback]`), and a registered receipt that
//! waits for its back-off is asked for at once. Nothing else of the word is used, and what a flood of words costs is bounded here.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits;
use crate::payment::fiscal::Confirmation;
use crate::payment::sale::{Payment, PaymentId};
use crate::payment::sbp::QrCode;

/// Where words from outside are left for the outbox. A clone is the same place.
#[derive(Clone, Debug, Default)]
pub struct AskNow(Arc<Left>);

#[derive(Debug, Default)]
struct Left {
    words: Mutex<Words>,
    came: Notify,
}

/// What was said and not looked up in the queue yet.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// QRManager's numbers or ids of operations; whether they are known here is not.
    operations: HashSet<String>,
    /// Some word named no operation, or there were too many: every registered receipt is meant.
    all: bool,
}

impl AskNow {
    /// Ask about the receipts of these operations, by QRManager's number or id; about all that are registered where none is named.
    pub fn ask(&self, operations: Vec<String>) {
        let mut words = self.words();
        words.all |= operations.is_empty();
        words.operations.extend(operations);
        if words.operations.len() > limits::OUTBOX_LOOK_LEN {
            words.operations = HashSet::new();
            words.all = true;
        }
        drop(words);
        self.0.came.notify_one();
    }

    /// Resolves when a word came.
    pub(super) async fn came(&self) {
        self.0.came.notified().await;
    }

    pub(super) fn take(&self) -> Words {
        mem::take(&mut *self.words())
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.0.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Words {
    pub(super) fn mean(&self, payment: &Payment) -> bool {
        let named =
            |code: &QrCode| self.operations.contains(&code.number) || self.operations.contains(&code.operation_id);
        self.all || payment.sbp.as_ref().and_then(|sbp| sbp.code.as_ref()).is_some_and(named)
    }
}

/// The receipts that are asked for out of turn, and when each may be again.
#[derive(Debug, Default)]
pub(super) struct Early(HashMap<PaymentId, Turn>);

#[derive(Debug)]
struct Turn {
    wanted: bool,
    /// Monotonic.
    not_before_ms: u64,
}

impl Early {
    /// Find out which rows the words mean. One that is `taken` is meant too: what it hears may be older than the word.
    pub(super) fn note(
        &mut self,
        words: &Words,
        rows: &[(Arc<Payment>, Confirmation)],
        taken: &[PaymentId],
        now_ms: u64,
    ) {
        self.0.retain(|id, turn| turn.not_before_ms > now_ms || rows.iter().any(|(payment, _)| payment.id == *id));
        for (payment, confirmation) in rows {
            let in_work = confirmation.registered_ms.is_some() || taken.contains(&payment.id);
            if !in_work || !words.mean(payment) {
                continue;
            }
            if let Some(turn) = self.0.get_mut(&payment.id) {
                turn.wanted = true;
            } else if self.0.len() < limits::OUTBOX_LOOK_LEN {
                self.0.insert(payment.id, Turn { wanted: true, not_before_ms: 0 });
            }
        }
    }

    /// It is wanted, and may be asked for now. One that is not registered may not: a word from outside makes nobody send anything.
    pub(super) fn may_go(&self, payment: PaymentId, confirmation: &Confirmation, now_ms: u64) -> bool {
        let turn = self.0.get(&payment).is_some_and(|turn| turn.wanted && turn.not_before_ms <= now_ms);
        turn && confirmation.registered_ms.is_some()
    }

    /// It is being asked for, in its turn or out of it: the words about it are answered, and the next question out of turn has to wait.
    pub(super) fn asked(&mut self, payment: PaymentId, now_ms: u64) {
        if let Some(turn) = self.0.get_mut(&payment) {
            *turn = Turn { wanted: false, not_before_ms: now_ms.saturating_add(limits::CALLBACK_ASK_EVERY_MS) };
        }
    }

    /// When the next one that is wanted may be asked for; those that may be already wait for a free place, whose end looks again.
    pub(super) fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let waiting = self.0.values().filter(|turn| turn.wanted && turn.not_before_ms > now_ms);
        waiting.map(|turn| turn.not_before_ms).min()
    }
}
