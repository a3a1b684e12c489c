//! Money moved, or it did not: answers of providers, and the one way to each end.

use super::{Rejection, Step};
use crate::payment::event::{Denial, Effect, Outcome};
use crate::payment::fact::Fact;
use crate::payment::fiscal::{ConfirmationState, Fiscal};
use crate::payment::sale::{Approval, Decline, DeclineKind, Doubt, Method, PaymentId, State};

impl Step {
    pub(super) fn provider_answered(&mut self, payment: PaymentId, outcome: &Outcome) -> Result<(), Rejection> {
        let known = self.known(payment)?;
        if matches!(known.method, Method::Humo | Method::Sbp) {
            return Err(Denial::WrongMethod { payment, method: known.method }.into());
        }
        if !known.was_accepted() {
            // Nothing was accepted, so nothing can have been asked.
            return Err(Denial::WrongMethod { payment, method: known.method }.into());
        }
        if known.state == State::AwaitingPayer {
            // Nobody was asked. A "no" to nothing says nothing; a "yes" to nothing is for a person to look into.
            return match outcome {
                Outcome::Approved(_) => {
                    let text = "an approval came for a sale that was never sent".to_owned();
                    self.doubt(payment, Doubt::Answer { text })
                }
                _ => Ok(()),
            };
        }
        match outcome {
            Outcome::Approved(approval) => self.approve(payment, approval.clone()),
            Outcome::Refused(decline) => self.decline(payment, decline.clone()),
            // Something was sent, or there would be no doubt: only an answer, or an operator, ends it.
            Outcome::NotSent { .. } if known.state != State::BankProcessing => Ok(()),
            Outcome::NotSent { text } => {
                self.decline(payment, Decline { why: DeclineKind::NotSent, code: None, message: Some(text.clone()) })
            }
            Outcome::InDoubt { text } => self.doubt(payment, Doubt::Answer { text: text.clone() }),
        }
    }

    /// The money moved. Said of a payment that is already paid, it changes nothing.
    pub(super) fn approve(&mut self, id: PaymentId, approval: Approval) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        if matches!(payment.state, State::Paid | State::Refunded) {
            return Ok(());
        }
        let late = payment.state.is_final();
        let fiscal = match payment.method {
            Method::Humo => Fiscal::NotRequired,
            Method::Click | Method::Payme => Fiscal::Owed,
            Method::Sbp => match payment.sbp.as_ref().and_then(|sbp| sbp.receipts) {
                Some(_) => Fiscal::Owed,
                None => Fiscal::NotRequired,
            },
        };
        let upstream_known = approval.payment_id.is_some();
        self.record(Fact::Approved { payment: id, approval, late, fiscal })?;
        if let Some(held) = payment.confirmation().filter(|c| c.state == ConfirmationState::Held) {
            let (state, why) = super::receipts::first_state(upstream_known);
            self.record(Fact::ReceiptReleased { payment: id, number: held.number, state, why })?;
            self.effect(Effect::Deliver);
        }
        self.settled(id);
        Ok(())
    }

    /// No money moved. Only a payment that is with the bank or in doubt can be declined; a late "no" to anything else changes nothing.
    pub(super) fn decline(&mut self, id: PaymentId, decline: Decline) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        if !payment.state.is_in_progress() && !matches!(payment.state, State::InDoubt { .. }) {
            return Ok(());
        }
        self.record(Fact::Declined { payment: id, decline })?;
        if let Some(held) = payment.confirmation().filter(|c| c.state == ConfirmationState::Held) {
            let why = Some("the sale turned out not to be paid".to_owned());
            let state = ConfirmationState::Withdrawn;
            self.record(Fact::ReceiptReleased { payment: id, number: held.number, state, why })?;
        }
        self.settled(id);
        Ok(())
    }

    /// Nobody here knows. A payment that has ended stays ended.
    pub(super) fn doubt(&mut self, id: PaymentId, why: Doubt) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let same = matches!(&payment.state, State::InDoubt { why: known } if *known == why);
        if payment.state.is_final() || same {
            return Ok(());
        }
        self.record(Fact::Doubted { payment: id, why })?;
        self.settled(id);
        Ok(())
    }
}
