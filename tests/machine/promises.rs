//! What must hold after every step, whatever happened.

use std::sync::Arc;

use tolov::payment::Effect;
use tolov::payment::card::{ResultClass, Run, RunOver};
use tolov::payment::event::{Event, Outcome, PinpadOrder, RunEnd};
use tolov::payment::fact::Fact;
use tolov::payment::fiscal::Fiscal;
use tolov::payment::machine::Decision;
use tolov::payment::sale::{Method, Payment, RefundState, State};
use tolov::payment::terminal::Terminal;

use super::World;

impl World {
    /// The promises, after one step.
    pub(super) fn check(
        &mut self,
        before: &Terminal,
        after: &Terminal,
        event: &Event,
        done: &Decision,
    ) -> Result<(), String> {
        // Facts are the only thing that changes a payment; and each of their arrows is drawn.
        let mut replayed = before.clone();
        for fact in &done.facts {
            let was = replayed.payments.clone();
            replayed.apply(self.wall_ms, fact).map_err(|e| format!("its own facts do not apply: {e}"))?;
            self.check_told(fact, &replayed)?;
            for (id, p) in &replayed.payments {
                let from = was.get(id).map(|w| &w.state);
                self.check_arrow(from, p, event, fact)?;
            }
        }
        if (&replayed.payments, &replayed.settlement, &replayed.register)
            != (&after.payments, &after.settlement, &after.register)
        {
            return Err("the facts do not give the state".into());
        }
        self.check_closings(&done.facts)?;
        for effect in &done.effects {
            self.check_charge(effect, before, after, done)?;
            if let Some(order) = super::sbp::order(effect) {
                self.check_order(order, &done.facts)?;
            }
        }
        self.check_links(after)?;
        let attended: Vec<_> = after.payments.values().filter(|p| p.attended && p.state.is_in_progress()).collect();
        if attended.len() > 1 {
            return Err(format!("{} payments hold the counter", attended.len()));
        }
        after.payments.values().try_for_each(|p| self.check_payment(p))?;
        if let Some(s) = &after.settlement {
            self.reached.insert(format!("settlement {}", s.state.name()));
        }
        Ok(())
    }

    /// A till's key closes one shift, however often it is sent.
    fn check_closings(&self, facts: &[Fact]) -> Result<(), String> {
        let opened = |fact: &Fact| match fact {
            Fact::SettlementOpened { token, .. } => token.as_ref().map(|t| t.key.clone()),
            _ => None,
        };
        match facts.iter().find_map(opened) {
            Some(key) if self.journal.iter().any(|(_, fact)| opened(fact).as_ref() == Some(&key)) => {
                Err(format!("the key {key} closed a second shift"))
            }
            _ => Ok(()),
        }
    }

    fn check_arrow(&mut self, from: Option<&State>, p: &Payment, event: &Event, fact: &Fact) -> Result<(), String> {
        let Some(from) = from.filter(|from| **from != p.state) else { return Ok(()) };
        self.reached.insert(format!("from {} to {}", from.name(), p.state.name()));
        let evidence = match event {
            Event::ProviderAnswered { outcome, .. } => matches!(outcome, Outcome::Approved(_) | Outcome::Refused(_)),
            Event::PinpadFinished { end, .. } => *end == RunEnd::Ended,
            Event::Sbp(heard) => super::sbp::is_evidence(heard),
            Event::Resolve { .. } => true,
            _ => false,
        };
        let stays = matches!(p.state, State::InDoubt { .. });
        if matches!(from, State::InDoubt { .. }) && !stays && !evidence {
            return Err(format!("a doubt ended as {} without evidence", p.state.name()));
        }
        if p.state == State::Paid {
            let owed = if owes(p) { Fiscal::Owed } else { Fiscal::NotRequired };
            if !matches!(fact, Fact::Approved { fiscal, .. } if *fiscal == owed) {
                return Err(format!("it became paid by {fact:?}"));
            }
            if p.late != matches!(from, State::Cancelled { .. } | State::Declined(_) | State::Expired) {
                return Err("`late` does not say whether it had ended".into());
            }
        }
        Ok(())
    }

    /// One charge an intent, ever; and none without its intent in the journal.
    fn check_charge(
        &mut self,
        effect: &Effect,
        before: &Terminal,
        after: &Terminal,
        done: &Decision,
    ) -> Result<(), String> {
        let payment = match effect {
            Effect::Charge { payment } => payment.id,
            Effect::PinpadRun { run, order: PinpadOrder::Sale(_) } => {
                let of = after.payments.values().find(|p| p.run.as_ref().is_some_and(|r| r.id == *run));
                of.map(|p: &Arc<Payment>| p.id).ok_or("a sale was sent to the PinPad for no payment")?
            }
            _ => return Ok(()),
        };
        let intent = |f: &Fact| {
            let names = matches!(f, Fact::Opened { .. } | Fact::CodeBound { .. } | Fact::Accepted { .. });
            (names || matches!(f, Fact::CardAsked { .. })) && f.payment() == Some(payment)
        };
        if !done.facts.iter().any(intent) {
            return Err("money was asked for without an intent in the journal".into());
        }
        self.check_code(effect, after)?;
        let count = self.charged.entry(payment).or_default();
        *count += 1;
        let by_code = matches!(effect, Effect::Charge { .. });
        // The customer chose between card and code, and the PinPad has said itself that no card paid. A code comes in the step of its proof or later; a
        // card is asked for once more only later.
        let p = if by_code { after } else { before }.payments.get(&payment);
        let no_card_paid = |run: &Run| {
            let approved = run.result.as_ref().is_some_and(|r| r.class == ResultClass::Approved);
            run.is_over() && (!approved || run.over == Some(RunOver::NotSent))
        };
        let proved = p.is_some_and(|p| p.auto && p.run.as_ref().is_some_and(no_card_paid));
        let first_code = p.is_some_and(|p| p.code.is_none()) || by_code && self.charged_codes.insert(payment);
        if *count > 1 && proved && first_code {
            self.reached.insert(if by_code { "a code after a card" } else { "a card after no card" }.into());
            return Ok(());
        }
        if *count > 1 { Err(format!("payment {payment} was charged {count} times")) } else { Ok(()) }
    }

    /// A code is charged for one payment: it may serve another only after a "no".
    fn check_code(&self, effect: &Effect, after: &Terminal) -> Result<(), String> {
        let Effect::Charge { payment: charged } = effect else { return Ok(()) };
        let in_use = |p: &Payment| {
            let free = matches!(p.state, State::Declined(_) | State::Cancelled { .. } | State::Expired);
            p.id != charged.id && !free && p.method == charged.method && p.code == charged.code
        };
        let now = |p| after.payments.get(p).map_or_else(|| self.rows.get(p), |p| Some(&**p));
        match self.rows.keys().filter_map(now).find(|p| in_use(p)) {
            Some(first) => Err(format!("the code of {} is charged again for {}", first.id, charged.id)),
            None => Ok(()),
        }
    }

    fn check_payment(&mut self, p: &Payment) -> Result<(), String> {
        self.reached.insert(p.state.name().to_owned());
        if p.late && p.state == State::Paid {
            self.reached.insert("paid late".into());
        }
        let paid = matches!(p.state, State::Paid | State::Refunded);
        let debt = match owes(p) {
            false => p.fiscal == Fiscal::NotRequired,
            true => !matches!(p.fiscal, Fiscal::None | Fiscal::NotRequired),
        };
        if paid && (!debt || p.approval.is_none()) {
            return Err(format!("paid, and its fiscal state is {}", p.fiscal.name()));
        }
        if !paid && p.fiscal != Fiscal::None {
            return Err(format!("not paid, and its fiscal state is {}", p.fiscal.name()));
        }
        for r in &p.refunds {
            self.reached.insert(format!("refund {}", r.state.name()));
        }
        for c in &p.confirmations {
            self.reached.insert(format!("receipt {}", c.state.name()));
        }
        let back: i64 = p.refunds.iter().filter(|r| r.state.holds_money()).map(|r| r.amount.minor()).sum();
        let done: i64 = p.refunds.iter().filter(|r| r.state == RefundState::Done).map(|r| r.amount.minor()).sum();
        if back > p.amount.minor() {
            return Err(format!("{back} of {} may go back", p.amount.minor()));
        }
        if (p.state == State::Refunded) != (paid && done == p.amount.minor()) {
            return Err(format!("{}, and {done} of {} went back", p.state.name(), p.amount.minor()));
        }
        let charges = self.charged.get(&p.id).copied().unwrap_or(0);
        // An answer to a question that nobody asked makes a doubt first; what follows is the operator's.
        let never_sent = matches!(p.method, Method::Click | Method::Payme) && p.code.is_none();
        if paid && charges == 0 && !never_sent {
            return Err("paid, and nobody was asked for its money".into());
        }
        if let Some(run) = &p.run
            && run.is_over()
            && matches!(p.state, State::AwaitingPayer | State::BankProcessing)
            && !p.auto
        {
            return Err("its run is over and it still waits".into());
        }
        Ok(())
    }
}

/// A paid sale of it owes its provider a receipt.
fn owes(p: &Payment) -> bool {
    match p.method {
        Method::Humo => false,
        Method::Click | Method::Payme => true,
        Method::Sbp => p.sbp.as_ref().is_some_and(|sbp| sbp.receipts.is_some()),
    }
}
