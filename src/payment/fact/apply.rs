//! How a line of the journal changes what stands: the only code that does.

use super::{ApplyError, Fact};
use crate::payment::card::{Job, Run, Settlement, SettlementId, SettlementState};
use crate::payment::fiscal::{Confirmation, ConfirmationState, Fiscal, Receipt};
use crate::payment::sale::{
    Answer, Method, Payment, PaymentId, Private, Refund, RefundId, RefundState, Resolution, State, UnixMs,
};
use crate::payment::sbp::Sbp;
use crate::payment::terminal::{LAST_SALES_KEPT, Terminal};
use std::sync::Arc;

impl Terminal {
    /// Change the state by one line of the journal.
    ///
    /// # Errors
    /// A line that does not follow from what is known: the caller drops the whole decision, and `audit` reports it.
    pub fn apply(&mut self, at_ms: UnixMs, fact: &Fact) -> Result<(), ApplyError> {
        match fact {
            Fact::Opened { .. } => self.open_payment(at_ms, fact),
            Fact::Created { .. } => self.create_payment(at_ms, fact),
            Fact::SettlementOpened { settlement, token, shift, run } => {
                self.settlement = Some(Arc::new(Settlement {
                    id: *settlement,
                    token: token.clone(),
                    created_ms: at_ms,
                    updated_ms: at_ms,
                    shift: shift.clone(),
                    state: SettlementState::Processing,
                    run: Run::new(run.0, run.1.clone()),
                }));
                Ok(())
            }
            Fact::SettlementBecame { settlement, state } => {
                let s = self.settlement_mut(*settlement)?;
                s.state = state.clone();
                s.updated_ms = at_ms;
                if *state == SettlementState::Done {
                    self.register.shift_before_began_ms = std::mem::replace(&mut self.register.shift_began_ms, at_ms);
                }
                Ok(())
            }
            Fact::SettlementResolved { settlement, .. } => {
                self.settlement_mut(*settlement)?.updated_ms = at_ms;
                Ok(())
            }
            Fact::CardMarked { mark } => {
                self.register.last_card = Some(mark.clone());
                Ok(())
            }
            Fact::CashLinkBecame { profile, link } => {
                self.register.cash_links.insert(profile.clone(), link.clone());
                Ok(())
            }
            Fact::SalesClosed { why } => {
                self.register.closed = Some(why.clone());
                Ok(())
            }
            Fact::SalesOpened { .. } => {
                self.register.closed = None;
                Ok(())
            }
            Fact::CardPresented { job }
            | Fact::Questioned { job }
            | Fact::Printed { job, .. }
            | Fact::Tagged { job, .. }
            | Fact::Result { job, .. }
            | Fact::RunOver { job, .. } => {
                hear(self.run_mut(*job, at_ms)?, fact);
                if matches!(fact, Fact::CardPresented { .. }) { self.begin_processing(*job) } else { Ok(()) }
            }
            _ => {
                let id = fact.payment().unwrap_or(PaymentId(uuid::Uuid::nil()));
                let payment = self.payment_mut(id)?;
                payment.updated_ms = at_ms;
                payment.take(at_ms, fact)
            }
        }
    }

    fn open_payment(&mut self, at_ms: UnixMs, fact: &Fact) -> Result<(), ApplyError> {
        let Fact::Opened {
            payment: id,
            method,
            amount,
            code,
            attended,
            token,
            order_id,
            merchant,
            state,
            run,
            warned_of,
            sbp,
        } = fact
        else {
            return Ok(());
        };
        if *method == Method::Humo && token.is_none() && !self.payments.contains_key(id) {
            let last = &mut self.register.last_sales;
            last.push(*id);
            last.drain(..last.len().saturating_sub(LAST_SALES_KEPT));
        }
        self.take_in(Payment {
            code: code.clone(),
            attended: *attended,
            token: token.clone(),
            order_id: order_id.clone(),
            merchant: merchant.clone(),
            state: state.clone(),
            run: run.as_ref().map(|(run, before)| Run::new(*run, before.clone())),
            sbp: sbp.clone(),
            warned_of: *warned_of,
            ..Payment::new(*id, *method, *amount, at_ms)
        })
    }

    fn create_payment(&mut self, at_ms: UnixMs, fact: &Fact) -> Result<(), ApplyError> {
        let Fact::Created { payment: id, method, auto, amount, token, order_id, parties, merchant, sbp } = fact else {
            return Ok(());
        };
        self.take_in(Payment {
            auto: *auto,
            token: Some(token.clone()),
            order_id: order_id.clone(),
            parties: Some(parties.clone()),
            merchant: merchant.clone(),
            sbp: sbp.clone(),
            ..Payment::new(*id, *method, *amount, at_ms)
        })
    }

    fn take_in(&mut self, payment: Payment) -> Result<(), ApplyError> {
        if self.payments.contains_key(&payment.id) {
            return Err(ApplyError::Twice { what: format!("payment {}", payment.id) });
        }
        self.payments.insert(payment.id, Arc::new(payment));
        Ok(())
    }

    /// A card is in the game: what was waiting for it is now with the bank. A payment that was called off meanwhile stays so.
    fn begin_processing(&mut self, job: Job) -> Result<(), ApplyError> {
        match job {
            Job::Sale { payment } => {
                let p = self.payment_mut(payment)?;
                if p.state == State::AwaitingPayer { p.become_state(State::BankProcessing) } else { Ok(()) }
            }
            Job::Refund { payment, refund } => {
                let waiting = |r: &&mut Refund| r.id == refund && r.state == RefundState::Requested;
                if let Some(r) = self.payment_mut(payment)?.refunds.iter_mut().find(waiting) {
                    r.state = RefundState::Processing;
                }
                Ok(())
            }
            Job::Settlement { .. } => Ok(()),
        }
    }

    fn payment_mut(&mut self, id: PaymentId) -> Result<&mut Payment, ApplyError> {
        self.payments
            .get_mut(&id)
            .map(Arc::make_mut)
            .ok_or_else(|| ApplyError::Unknown { what: format!("payment {id}") })
    }

    fn settlement_mut(&mut self, id: SettlementId) -> Result<&mut Settlement, ApplyError> {
        self.settlement
            .as_mut()
            .filter(|s| s.id == id)
            .map(Arc::make_mut)
            .ok_or_else(|| ApplyError::Unknown { what: format!("settlement {id}") })
    }

    fn run_mut(&mut self, job: Job, at_ms: UnixMs) -> Result<&mut Run, ApplyError> {
        let run = match job {
            Job::Sale { payment } => {
                let p = self.payment_mut(payment)?;
                p.updated_ms = at_ms;
                p.run.as_mut()
            }
            Job::Refund { payment, refund } => {
                let p = self.payment_mut(payment)?;
                p.updated_ms = at_ms;
                p.refunds.iter_mut().find(|r| r.id == refund).and_then(|r| r.run.as_mut())
            }
            Job::Settlement { settlement } => {
                let s = self.settlement_mut(settlement)?;
                s.updated_ms = at_ms;
                Some(&mut s.run)
            }
        };
        run.ok_or_else(|| ApplyError::Unknown { what: format!("the PinPad's run for {job:?}") })
    }
}

/// What stands in the place of the provider's answer where a person has found the receipt: compact JSON, as that is.
fn signed(resolution: &Resolution) -> String {
    let Resolution { name, reason, evidence } = resolution;
    serde_json::json!({"signed_by": name, "reason": reason, "evidence": evidence}).to_string()
}

/// Write down what the PinPad said in its run.
fn hear(run: &mut Run, fact: &Fact) {
    match fact {
        Fact::CardPresented { .. } => run.card_presented = true,
        Fact::Questioned { .. } => run.questioned = true,
        Fact::Printed { text, printed, slip, .. } => {
            run.slip_text.push_str(text);
            if let Some(piece) = &printed.0 {
                run.slip_printed.0.get_or_insert_default().push_str(piece);
            }
            run.slip = std::mem::take(&mut run.slip).read_on(slip);
        }
        Fact::Tagged { tags, .. } => run.tags.extend(tags.iter().cloned()),
        Fact::Result { result, .. } => run.result = Some(result.clone()),
        Fact::RunOver { over, .. } => run.over = Some(*over),
        _ => {}
    }
}

impl Payment {
    /// Take one fact about this payment.
    fn take(&mut self, at_ms: UnixMs, fact: &Fact) -> Result<(), ApplyError> {
        match fact {
            Fact::CodeBound { code, method, .. } => {
                // Where the customer chose, a card that was turned down may have brought it to the bank before.
                let after_card = self.auto && self.code.is_none() && self.state == State::BankProcessing;
                self.code = Some(code.clone());
                self.method = method.unwrap_or(self.method);
                if after_card { Ok(()) } else { self.become_state(State::BankProcessing) }
            }
            Fact::CardAsked { run, .. } => {
                let free = self.auto && self.run.as_ref().is_none_or(Run::took_no_money);
                if self.state != State::AwaitingPayer || !free {
                    let (from, to) = (self.state.name(), "a card that is asked for once more");
                    return Err(ApplyError::NoArrow { payment: self.id, from, to });
                }
                self.run = Some(Run::new(run.0, run.1.clone()));
                Ok(())
            }
            Fact::Wished { .. } | Fact::Edited { .. } | Fact::Accepted { .. } => self.take_order(fact),
            Fact::Approved { approval, late, fiscal, .. } => {
                self.approval = Some(approval.clone());
                self.late = *late;
                if *late {
                    // Money came after the "no": from here on the truth is repeated, not what was said first, and no till has heard it.
                    self.answer = None;
                    self.answered = false;
                }
                self.fiscal = *fiscal;
                self.become_state(State::Paid)
            }
            Fact::Declined { decline, .. } => self.become_state(State::Declined(decline.clone())),
            Fact::Doubted { why, .. } => self.become_state(State::InDoubt { why: why.clone() }),
            Fact::Cancelled { by, .. } => self.become_state(State::Cancelled { by: *by }),
            Fact::Expired { .. } => self.become_state(State::Expired),
            Fact::Refunded { .. } => self.become_state(State::Refunded),
            Fact::Resolved { resolution, .. } => {
                self.resolution = Some(resolution.clone());
                Ok(())
            }
            Fact::Answered { .. } => {
                self.answered = true;
                Ok(())
            }
            Fact::UpstreamNamed { upstream_id, .. } => {
                self.approval.get_or_insert_default().payment_id = Some(upstream_id.clone());
                Ok(())
            }
            Fact::RefundOpened { refund, kind, amount, token, run, .. } => {
                self.refunds.push(Refund {
                    id: *refund,
                    kind: *kind,
                    amount: *amount,
                    token: token.clone(),
                    created_ms: at_ms,
                    state: RefundState::Requested,
                    run: run.as_ref().map(|(run, before)| Run::new(*run, before.clone())),
                    upstream_id: None,
                });
                Ok(())
            }
            Fact::RefundBecame { refund, state, .. } => {
                self.refund_mut(*refund)?.state = state.clone();
                Ok(())
            }
            Fact::RefundNamed { refund, upstream_id, .. } => {
                self.refund_mut(*refund)?.upstream_id = Some(upstream_id.clone());
                Ok(())
            }
            Fact::CodeMade { code, .. } => {
                self.sbp_mut()?.code = Some(code.clone());
                Ok(())
            }
            Fact::StatusTold { status, .. } => {
                self.sbp_mut()?.told = Some(*status);
                Ok(())
            }
            Fact::WatchOver { .. } => {
                self.sbp_mut()?.watch_over = true;
                Ok(())
            }
            _ => self.take_receipt(at_ms, fact),
        }
    }

    /// Take one fact about this payment as a till ordered it.
    fn take_order(&mut self, fact: &Fact) -> Result<(), ApplyError> {
        match fact {
            Fact::Wished { wish, .. } => {
                self.wishes.push(wish.clone());
                Ok(())
            }
            Fact::Edited { method, auto, amount, method_id, sbp, .. } => {
                (self.method, self.auto, self.amount) = (*method, *auto, *amount);
                self.sbp.clone_from(sbp);
                self.parties.get_or_insert_default().method_id.clone_from(method_id);
                Ok(())
            }
            Fact::Accepted { method, code, attended, state, run, warned_of, link_id, .. } => {
                self.method = *method;
                self.code.clone_from(code);
                self.attended = *attended;
                self.run = run.as_ref().map(|(run, before)| Run::new(*run, before.clone()));
                self.warned_of = *warned_of;
                if let Some(sbp) = &mut self.sbp {
                    sbp.link_id.clone_from(link_id);
                }
                self.become_state(state.clone())
            }
            _ => Ok(()),
        }
    }

    fn refund_mut(&mut self, id: RefundId) -> Result<&mut Refund, ApplyError> {
        let found = self.refunds.iter_mut().find(|r| r.id == id);
        found.ok_or_else(|| ApplyError::Unknown { what: format!("refund {id}") })
    }

    fn sbp_mut(&mut self) -> Result<&mut Sbp, ApplyError> {
        let id = self.id;
        self.sbp.as_deref_mut().ok_or_else(|| ApplyError::Unknown { what: format!("the SBP code of payment {id}") })
    }

    /// Take one fact about this payment's fiscal receipt.
    fn take_receipt(&mut self, at_ms: UnixMs, fact: &Fact) -> Result<(), ApplyError> {
        if let Fact::ReceiptBrought { receipt, state, why, .. } = fact {
            if let Some(last) = self.confirmations.last_mut() {
                last.state = ConfirmationState::Withdrawn;
            }
            self.confirmations.push(Confirmation {
                number: u32::try_from(self.confirmations.len() + 1).unwrap_or(u32::MAX),
                receipt: receipt.clone(),
                asked_ms: at_ms,
                state: *state,
                attempts: 0,
                next_ms: at_ms,
                last_error: why.clone(),
                registered_ms: None,
                answer: None,
            });
        } else {
            let (number, id) = match fact {
                Fact::ReceiptReleased { number, payment, .. }
                | Fact::ReceiptDelayed { number, payment, .. }
                | Fact::ReceiptConfirmed { number, payment, .. }
                | Fact::ReceiptSigned { number, payment, .. }
                | Fact::ReceiptParked { number, payment, .. } => (*number, *payment),
                _ => return Ok(()),
            };
            let found = self.confirmations.iter_mut().find(|c| c.number == number);
            let c = found.ok_or_else(|| ApplyError::Unknown { what: format!("receipt {number} of {id}") })?;
            match fact {
                Fact::ReceiptReleased { state, why, .. } => {
                    c.state = *state;
                    c.attempts = 0;
                    c.registered_ms = None;
                    c.next_ms = at_ms;
                    c.last_error.clone_from(why);
                }
                Fact::ReceiptDelayed { next_ms, error, registered, .. } => {
                    if *registered {
                        c.registered_ms.get_or_insert(at_ms);
                    }
                    c.attempts = c.attempts.saturating_add(1);
                    c.next_ms = *next_ms;
                    c.last_error = Some(error.clone());
                }
                Fact::ReceiptConfirmed { answer, .. } => {
                    c.attempts = c.attempts.saturating_add(1);
                    c.state = ConfirmationState::Confirmed;
                    c.last_error = None;
                    c.answer.clone_from(answer);
                }
                Fact::ReceiptSigned { resolution, .. } => {
                    if c.state != ConfirmationState::Parked {
                        let (from, to) = (c.state.name(), "confirmed by a person");
                        return Err(ApplyError::NoArrow { payment: id, from, to });
                    }
                    c.state = ConfirmationState::Confirmed;
                    c.last_error = None;
                    c.answer = Some(signed(resolution));
                }
                Fact::ReceiptParked { error, .. } => {
                    c.attempts = c.attempts.saturating_add(1);
                    c.state = ConfirmationState::Parked;
                    c.last_error = Some(error.clone());
                }
                _ => {}
            }
        }
        for c in self.confirmations.iter_mut().filter(|c| !c.state.keeps_body()) {
            if let Receipt::Electronic(receipt) = &mut c.receipt {
                receipt.body = Private::default();
            }
        }
        self.fiscal = self.fiscal_by_receipts();
        Ok(())
    }

    /// The fiscal state that the last receipt stands for.
    fn fiscal_by_receipts(&self) -> Fiscal {
        match self.confirmations.last().map(|c| c.state) {
            Some(ConfirmationState::Queued) => Fiscal::Queued,
            Some(ConfirmationState::Confirmed) => Fiscal::Confirmed,
            Some(ConfirmationState::Parked) => Fiscal::Parked,
            Some(ConfirmationState::Held | ConfirmationState::Withdrawn) | None => self.fiscal,
        }
    }

    fn become_state(&mut self, next: State) -> Result<(), ApplyError> {
        if !self.state.may_become(&next) {
            return Err(ApplyError::NoArrow { payment: self.id, from: self.state.name(), to: next.name() });
        }
        self.state = next;
        self.since_ms = self.updated_ms;
        if self.state.is_final() && self.answer.is_none() {
            self.answer =
                Some(Answer { state: self.state.clone(), approval: self.approval.clone(), run: self.run.clone() });
        }
        Ok(())
    }
}
