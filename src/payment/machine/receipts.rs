//! Fiscal receipts: from the till into the queue, and out of it.

use super::{Rejection, Step};
use crate::payment::event::{Confirm, Delivery, Denial, Effect, Subject};
use crate::payment::fact::Fact;
use crate::payment::fiscal::{ConfirmationState, Receipt, backoff_ms};
use crate::payment::sale::{Method, Payment, PaymentId, Resolution, State};

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

/// The receipt is of the kind that the sale's provider takes, and about its money.
fn fits(payment: &Payment, receipt: &Receipt) -> Result<(), Denial> {
    let refuse = |why: String| Err(Denial::ReceiptRefused { why });
    match (payment.method, receipt) {
        (Method::Click | Method::Payme, Receipt::Link(_)) => Ok(()),
        (Method::Sbp, Receipt::Electronic(receipt)) => {
            let sbp = payment.sbp.as_deref();
            match sbp.and_then(|sbp| sbp.receipts) {
                None => {
                    refuse("the sale's QR terminal registers no receipts: add receipts to its [qrm.NAME]".to_owned())
                }
                Some(ofd) if ofd != receipt.ofd => refuse(format!(
                    "the sale's QR terminal takes receipts of {}, not of {}",
                    ofd.name(),
                    receipt.ofd.name()
                )),
                Some(_) if receipt.total != payment.amount => {
                    refuse(format!("its total is {}, and {} was paid", receipt.total, payment.amount))
                }
                Some(_) => Ok(()),
            }
        }
        (method, _) => refuse(format!("a {method} payment takes no receipt of this kind")),
    }
}

impl Step {
    pub(super) fn confirm(&mut self, confirm: &Confirm) -> Result<(), Rejection> {
        let payment = self.named(&confirm.of)?;
        if payment.method != confirm.method {
            return Err(Denial::WrongMethod { payment: payment.id, method: payment.method }.into());
        }
        fits(&payment, &confirm.receipt)?;
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
            // One that was withdrawn with its sale goes again once the money has come after all; so does one that can be sent only now.
            let lost = first.state.keeps_body() && first.receipt.is_lost();
            if first.receipt == confirm.receipt && first.state != ConfirmationState::Withdrawn && !lost {
                self.done.about = Some(Subject::Confirmation(payment.id, first.number));
                return Ok(());
            }
            if matches!(first.state, ConfirmationState::Queued | ConfirmationState::Confirmed) && !lost {
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
        let Some(c) = payment.confirmations.iter().find(|c| c.number == number) else { return Ok(()) };
        // An attempt that was under way while a person parked or replaced the receipt: that the provider has it stays true.
        let arrived = matches!(outcome, Delivery::Confirmed { .. })
            && matches!(payment.state, State::Paid | State::Refunded)
            && matches!(c.state, ConfirmationState::Parked | ConfirmationState::Withdrawn);
        if c.state != ConfirmationState::Queued && !arrived {
            return Ok(());
        }
        match outcome {
            Delivery::Confirmed { answer } => {
                self.record(Fact::ReceiptConfirmed { payment: id, number, answer: answer.clone() })?;
                self.effect(Effect::Settled(Subject::Confirmation(id, number)));
            }
            Delivery::Refused { text } => {
                self.record(Fact::ReceiptParked { payment: id, number, error: text.clone() })?;
                self.effect(Effect::Settled(Subject::Confirmation(id, number)));
            }
            Delivery::Pending { text } | Delivery::Retry { text } => {
                let registered = matches!(outcome, Delivery::Pending { .. });
                let policy = &self.t.policy;
                let pause = backoff_ms(c.attempts, jitter_permille, policy.backoff_min_ms, policy.backoff_max_ms);
                let next_ms = self.now.wall_ms.saturating_add(pause);
                self.record(Fact::ReceiptDelayed { payment: id, number, next_ms, error: text.clone(), registered })?;
            }
        }
        Ok(())
    }

    pub(super) fn retry_confirmation(
        &mut self,
        id: PaymentId,
        receipt: Option<&Receipt>,
        upstream_id: Option<&str>,
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
        if let Some(receipt) = receipt {
            fits(&payment, receipt)?;
            if last.registered_ms.is_some() && last.state == ConfirmationState::Queued && *receipt != last.receipt {
                let hint =
                    "it is registered already, and the operator of fiscal data is at work on it: wait for its answer";
                return Err(refuse(hint).into());
            }
        }
        let known = payment.approval.as_ref().and_then(|a| a.payment_id.as_deref());
        if let Some(found) = upstream_id.filter(|found| Some(*found) != known) {
            if known.is_some() {
                return Err(refuse("the provider gave its payment_id itself, and that one stands").into());
            }
            self.unclaimed(&payment, found)?;
            self.record(Fact::UpstreamNamed { payment: id, upstream_id: found.to_owned(), name: name.to_owned() })?;
        }
        let (state, why) = first_state(known.is_some() || upstream_id.is_some());
        if let Some(receipt) = receipt.filter(|r| **r != last.receipt || last.receipt.is_lost()) {
            return self.bring(&payment, receipt, state, why);
        }
        let why = why.or_else(|| Some(format!("sent again by {name}")));
        self.record(Fact::ReceiptReleased { payment: id, number: last.number, state, why })?;
        self.effect(Effect::Deliver);
        self.done.about = Some(Subject::Confirmation(id, last.number));
        Ok(())
    }
}

impl Step {
    /// A person has found the receipt. Only a parked one: of what is in the queue the terminal asks the provider itself, and hears the truth.
    pub(super) fn sign_confirmation(&mut self, id: PaymentId, resolution: &Resolution) -> Result<(), Rejection> {
        let payment = self.known(id)?;
        let parked = payment.confirmation().filter(|last| last.state == ConfirmationState::Parked);
        let Some(number) = parked.map(|last| last.number) else {
            let hint = "only a parked receipt is signed for; of one in the queue the terminal asks the provider itself";
            return Err(Denial::WrongState { payment: id, state: payment.fiscal.name(), hint }.into());
        };
        self.record(Fact::ReceiptSigned { payment: id, number, resolution: resolution.clone() })?;
        self.effect(Effect::Settled(Subject::Confirmation(id, number)));
        self.done.about = Some(Subject::Confirmation(id, number));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Now, step};
    use super::*;
    use crate::payment::event::Event;
    use crate::payment::fiscal::Fiscal;
    use crate::payment::receipt::ReceiptLink;
    use crate::payment::sale::{Approval, Method};
    use crate::payment::terminal::{Policy, Terminal};
    use crate::payment::{Currency, Money};
    use uuid::Uuid;

    const NOW: Now = Now { wall_ms: 1_000, monotonic_ms: 0 };

    fn id(number: u128) -> PaymentId {
        PaymentId(Uuid::from_u128(number))
    }

    fn receipt() -> Receipt {
        let link = "https://ofd.soliq.uz/epi?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
        Receipt::from_link(ReceiptLink::parse(link).unwrap(), None, None).unwrap()
    }

    /// Payment 1 is paid without the provider's id, and its receipt is parked for that; payment 2 is paid with the id "77".
    fn parked() -> Terminal {
        let mut t = Terminal::new(Policy {
            methods: vec![Method::Click],
            merchant: None,
            codes: crate::payment::code::CodeTable::default(),
            scan_wait_ms: 1,
            join_unanswered_ms: 1,
            ask_every_ms: 1,
            backoff_min_ms: 1,
            backoff_max_ms: 1,
            ..Policy::default()
        });
        for (number, payment_id) in [(1, None), (2, Some("77".to_owned()))] {
            let opened = Fact::Opened {
                payment: id(number),
                method: Method::Click,
                amount: Money::from_minor(50_000, Currency::Uzs),
                code: None,
                attended: false,
                token: None,
                order_id: None,
                merchant: crate::payment::sale::Merchant::default(),
                state: State::BankProcessing,
                run: None,
                warned_of: None,
                sbp: None,
            };
            let approval = Approval { payment_id, ..Approval::default() };
            let approved = Fact::Approved { payment: id(number), approval, late: false, fiscal: Fiscal::Owed };
            t.apply(0, &opened).unwrap();
            t.apply(0, &approved).unwrap();
        }
        let of = crate::payment::event::SaleRef::Payment(id(1));
        let confirm = Event::Confirm(Confirm { method: Method::Click, of, receipt: receipt() });
        let (t, _) = step(&t, &confirm, NOW).unwrap();
        assert_eq!(t.payments[&id(1)].fiscal, Fiscal::Parked);
        t
    }

    fn retry(payment: PaymentId, upstream_id: Option<&str>) -> Event {
        let upstream_id = upstream_id.map(str::to_owned);
        Event::RetryConfirmation { payment, receipt: None, upstream_id, name: "Aziza".to_owned() }
    }

    #[test]
    fn a_receipt_parked_for_want_of_an_id_goes_out_under_the_one_that_an_operator_found() {
        let (t, done) = step(&parked(), &retry(id(1), Some("78")), NOW).unwrap();
        let payment = &t.payments[&id(1)];
        assert_eq!(payment.fiscal, Fiscal::Queued);
        assert_eq!(payment.approval.as_ref().unwrap().payment_id.as_deref(), Some("78"));
        assert!(done.facts.iter().any(|f| matches!(f, Fact::UpstreamNamed { name, .. } if name == "Aziza")));
        assert!(done.effects.contains(&Effect::Deliver));
    }

    #[test]
    fn a_receipt_parked_for_want_of_an_id_stays_parked_when_it_is_only_sent_again() {
        let (t, _) = step(&parked(), &retry(id(1), None), NOW).unwrap();
        assert_eq!(t.payments[&id(1)].fiscal, Fiscal::Parked);
    }

    fn signature() -> Event {
        let evidence = Some("receipt 2421 in the cabinet".to_owned());
        let resolution = Resolution { name: "Aziza".to_owned(), reason: "looked it up".to_owned(), evidence };
        Event::SignConfirmation { payment: id(1), resolution }
    }

    #[test]
    fn a_parked_receipt_that_a_person_has_found_is_confirmed_by_the_signature_and_sent_no_more() {
        let (t, done) = step(&parked(), &signature(), NOW).unwrap();
        let payment = &t.payments[&id(1)];
        assert_eq!((payment.fiscal, payment.confirmation().unwrap().last_error.as_deref()), (Fiscal::Confirmed, None));
        let answer = payment.confirmation().unwrap().answer.clone().unwrap();
        assert!(answer.contains("Aziza") && answer.contains("receipt 2421 in the cabinet"), "{answer}");
        assert_eq!(payment.confirmation().unwrap().providers_answer(), None, "a till reads no names");
        assert!(!done.effects.contains(&Effect::Deliver));
        assert!(matches!(step(&t, &retry(id(1), Some("78")), NOW), Err(Rejection::Denied(_))), "it is there");
    }

    #[test]
    fn nobody_signs_for_a_receipt_that_the_terminal_asks_about_itself_or_for_one_that_was_not_brought() {
        let (t, _) = step(&parked(), &retry(id(1), Some("78")), NOW).unwrap();
        assert_eq!(t.payments[&id(1)].fiscal, Fiscal::Queued);
        assert!(matches!(step(&t, &signature(), NOW), Err(Rejection::Denied(Denial::WrongState { .. }))));
        let Event::SignConfirmation { resolution, .. } = signature() else { return };
        let owed = Event::SignConfirmation { payment: id(2), resolution };
        assert!(matches!(step(&t, &owed, NOW), Err(Rejection::Denied(Denial::WrongState { .. }))));
    }

    #[test]
    fn an_id_of_another_payment_is_refused_and_so_is_a_second_one() {
        let (t, taken) = (parked(), retry(id(1), Some("77")));
        assert!(
            matches!(step(&t, &taken, NOW), Err(Rejection::Denied(Denial::WrongState { payment, .. })) if payment == id(2))
        );
        assert!(
            super::super::lookups(&t, &taken)
                .contains(&crate::payment::terminal::Lookup::Upstream(Method::Click, "77".to_owned()))
        );
        let (t, _) = step(&t, &retry(id(1), Some("78")), NOW).unwrap();
        assert!(matches!(step(&t, &retry(id(1), Some("79")), NOW), Err(Rejection::Denied(_))));
    }
}
