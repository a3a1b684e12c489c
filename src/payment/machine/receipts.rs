//! Fiscal receipts: from the till into the queue, and out of it.

use super::{Rejection, Step};
use crate::payment::event::{Confirm, Delivery, Denial, Effect, Subject};
use crate::payment::fact::Fact;
use crate::payment::fiscal::{ConfirmationState, Receipt, backoff_ms};
use crate::payment::sale::{Payment, PaymentId, State};

/// Where a receipt begins once its sale is paid: without the provider's own id nothing can be sent, and a person has to look.
pub(super) fn first_state(upstream_known: bool) -> (ConfirmationState, Option<String>) {
    if upstream_known {
        (ConfirmationState::Queued, None)
    } else {
        let why = "the provider gave no payment_id for this sale, so its receipt cannot be sent; \
                   look it up there and retry with it";
        (ConfirmationState::Parked, Some(why.to_owned()))
    }
}

impl Step {
    pub(super) fn confirm(&mut self, confirm: &Confirm) -> Result<(), Rejection> {
        let payment = self.named(&confirm.of)?;
        if payment.method != confirm.method {
            return Err(Denial::WrongMethod { payment: payment.id, method: payment.method }.into());
        }
        let (state, why) = match payment.state {
            State::Paid | State::Refunded => {
                first_state(payment.approval.as_ref().is_some_and(|a| a.payment_id.is_some()))
            }
            State::InDoubt { .. } => (ConfirmationState::Held, None),
            _ => {
                let hint = "only a paid sale has a receipt to confirm";
                let state = payment.state.name();
                return Err(Denial::WrongState { payment: payment.id, state, hint }.into());
            }
        };
        if let Some(first) = payment.confirmation() {
            if first.receipt == confirm.receipt {
                self.done.about = Some(Subject::Confirmation(payment.id, first.number));
                return Ok(());
            }
            if matches!(first.state, ConfirmationState::Queued | ConfirmationState::Confirmed) {
                return Err(Denial::ReceiptDiffers { payment: payment.id, state: first.state.name() }.into());
            }
        }
        self.bring(&payment, &confirm.receipt, state, why)
    }

    fn bring(
        &mut self,
        payment: &Payment,
        receipt: &Receipt,
        state: ConfirmationState,
        why: Option<String>,
    ) -> Result<(), Rejection> {
        self.record(Fact::ReceiptBrought { payment: payment.id, receipt: receipt.clone(), state, why })?;
        if state == ConfirmationState::Queued {
            self.effect(Effect::Deliver);
        }
        let number = self.known(payment.id)?.confirmations.last().map_or(0, |c| c.number);
        self.done.about = Some(Subject::Confirmation(payment.id, number));
        Ok(())
    }

    pub(super) fn delivered(
        &mut self,
        id: PaymentId,
        number: u32,
        outcome: &Delivery,
        jitter_permille: u16,
    ) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let waiting = payment.confirmations.iter().find(|c| c.number == number);
        let Some(c) = waiting.filter(|c| c.state == ConfirmationState::Queued) else { return Ok(()) };
        match outcome {
            Delivery::Confirmed { answer } => {
                self.record(Fact::ReceiptConfirmed { payment: id, number, answer: answer.clone() })?;
                self.effect(Effect::Settled(Subject::Confirmation(id, number)));
            }
            Delivery::Refused { text } => {
                self.record(Fact::ReceiptParked { payment: id, number, error: text.clone() })?;
                self.effect(Effect::Settled(Subject::Confirmation(id, number)));
            }
            Delivery::Retry { text } => {
                let policy = &self.t.policy;
                let pause = backoff_ms(c.attempts, jitter_permille, policy.backoff_min_ms, policy.backoff_max_ms);
                let next_ms = self.now.wall_ms.saturating_add(pause);
                self.record(Fact::ReceiptDelayed { payment: id, number, next_ms, error: text.clone() })?;
            }
        }
        Ok(())
    }

    pub(super) fn retry_confirmation(
        &mut self,
        id: PaymentId,
        receipt: Option<&Receipt>,
        name: &str,
    ) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let refuse = |hint| Denial::WrongState { payment: id, state: payment.fiscal.name(), hint };
        let Some(last) = payment.confirmation() else {
            return Err(refuse("its till has not brought a receipt yet").into());
        };
        if !matches!(last.state, ConfirmationState::Parked | ConfirmationState::Queued) {
            return Err(refuse("only a queued or parked receipt can be sent again").into());
        }
        let upstream_known = payment.approval.as_ref().is_some_and(|a| a.payment_id.is_some());
        let (state, why) = first_state(upstream_known);
        if let Some(receipt) = receipt.filter(|r| **r != last.receipt) {
            return self.bring(&payment, receipt, state, why);
        }
        let why = why.or_else(|| Some(format!("sent again by {name}")));
        self.record(Fact::ReceiptReleased { payment: id, number: last.number, state, why })?;
        self.effect(Effect::Deliver);
        self.done.about = Some(Subject::Confirmation(id, last.number));
        Ok(())
    }
}
