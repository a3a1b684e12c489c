//! The evening: faults end, everybody asks until they know, and the terminal's rows are held against the banks' books.

use std::sync::Arc;

use tolov::payment::card::{RunId, Settlement, SettlementState};
use tolov::payment::fiscal::{ConfirmationState, Fiscal};
use tolov::payment::sale::{Method, Payment, RefundState, State};
use tolov::payment::terminal::Terminal;

use super::disk::Trouble;
use super::world::{Act, World, policy};

impl World {
    pub(crate) fn evening(&mut self) -> Result<(), String> {
        self.say(|| "evening".to_owned());
        self.faults = false;
        self.later(0, Act::Disk(Trouble::None));
        self.later(1, Act::CableIn);
        self.later(2, Act::Deliver);
        self.run(self.now_ms + 400_000)?;
        // What nobody can know by now is for people.
        for _ in 0..40 {
            self.later(0, Act::Operator);
            self.run(self.now_ms + 20_000)?;
        }
        for number in 0..self.intents.len() {
            let asks = self.intents[number].presses > 0 && self.intents[number].repeats();
            if asks {
                self.later(number as u64 * 200_000, Act::Press(number));
            }
        }
        self.run(self.now_ms + self.intents.len() as u64 * 200_000 + 600_000)?;
        for _ in 0..20 {
            self.later(0, Act::Operator);
            self.later(1, Act::Deliver);
            self.run(self.now_ms + 100_000)?;
        }
        self.settle_the_books()
    }

    fn settle_the_books(&mut self) -> Result<(), String> {
        let rows: Vec<Payment> = self.disk.lock().unwrap().payments().map(|p| Payment::clone(p)).collect();
        let mut again = Terminal::new(policy());
        for (at_ms, fact) in self.disk.lock().unwrap().journal() {
            again.apply(*at_ms, fact).map_err(|e| format!("the journal does not replay: {e}"))?;
        }
        let register = self.disk.lock().unwrap().register().clone();
        if rows.iter().any(|p| again.payments.get(&p.id).map(|a| &**a) != Some(p)) || again.register != register {
            return Err("the journal does not give the rows".into());
        }
        for p in &rows {
            self.check_row(p).map_err(|why| format!("{why}: {p:#?}"))?;
        }
        self.check_books(&rows)?;
        for number in 0..self.intents.len() {
            self.check_till(number, &rows)?;
        }
        self.check_settlements()?;
        let (waiting, resident) = self.driver.as_ref().map_or((0, 0), tolov::driver::Driver::load);
        if resident > 0 || waiting > self.intents.len() {
            return Err(format!("{resident} payments and {waiting} ears stay in memory after everything has ended"));
        }
        self.tally.settled += u64::try_from(self.pad.closed.len()).unwrap();
        Ok(())
    }

    /// Every settlement that was asked for against the shifts that the PinPad closed, both ways.
    fn check_settlements(&self) -> Result<(), String> {
        let rows = self.disk.lock().unwrap().settlements().to_vec();
        for s in &rows {
            let closed = self.pad.closed.iter().filter(|run| **run == s.run.id).count();
            if !s.state.is_final() {
                return Err(format!("the settlement never ended: {s:#?}"));
            }
            if closed == 0 && s.state == SettlementState::Done && self.was_closed_before(s, &rows) {
                // Nothing came of its own run. The report shows that no sale known here is in an open shift, and that is all that "done" says.
                continue;
            }
            if closed != usize::from(s.state == SettlementState::Done) {
                return Err(format!("the PinPad closed {closed} shifts, the terminal says {}: {s:#?}", s.state.name()));
            }
        }
        if self.pad.closed.iter().any(|run| rows.iter().all(|s| s.run.id != *run)) {
            return Err("a shift was closed that nobody asked for".into());
        }
        Ok(())
    }

    /// The shift that the settlement began with, as far as the terminal knew its number, was closed by an earlier settlement.
    fn was_closed_before(&self, settlement: &Settlement, rows: &[Arc<Settlement>]) -> bool {
        let begun: Option<u64> = settlement.shift.as_ref().and_then(|shift| shift.parse().ok());
        let first = self.pad.shift - u64::try_from(self.pad.closed.len()).unwrap();
        let place = begun.and_then(|begun| usize::try_from(begun.checked_sub(first)?).ok());
        let Some(by) = place.and_then(|place| self.pad.closed.get(place)) else { return false };
        rows.iter().take_while(|row| row.id != settlement.id).any(|row| row.run.id == *by)
    }

    /// One row against the books.
    fn check_row(&mut self, p: &Payment) -> Result<(), String> {
        let moved = self.moved(p);
        let paid = matches!(p.state, State::Paid | State::Refunded);
        if !p.state.is_final() {
            return Err("it never ended".into());
        }
        if paid != moved && !self.mis_signed.contains(&p.id) {
            return Err(format!("the bank says {moved}, the terminal says {}", p.state.name()));
        }
        self.tally.paid += u64::from(paid);
        self.tally.late += u64::from(p.late);
        self.tally.declined += u64::from(matches!(p.state, State::Declined(_)));
        let done: Vec<_> = p.refunds.iter().filter(|r| r.state == RefundState::Done).collect();
        for r in &p.refunds {
            let back = if p.method == Method::Sbp {
                self.qrm.went_back(r.id)
            } else {
                let run: RunId = r.run.as_ref().map(|run| run.id).ok_or("a refund without a run")?;
                !self.pad.moved(run).is_empty()
            };
            if back != (r.state == RefundState::Done) && !self.mis_signed.contains(&p.id) {
                return Err(format!("the bank says {back} of a refund, the terminal says {}", r.state.name()));
            }
        }
        self.tally.given_back += u64::try_from(done.len()).unwrap();
        if p.method == Method::Sbp {
            self.tally.by_code += u64::from(paid);
            self.tally.back_by_code += u64::try_from(done.len()).unwrap();
        }
        if paid && p.method.scans() {
            let ended = match p.confirmation().map(|c| c.state) {
                None => p.fiscal == Fiscal::Owed,
                Some(ConfirmationState::Confirmed) => p.fiscal == Fiscal::Confirmed,
                Some(ConfirmationState::Parked) => p.fiscal == Fiscal::Parked,
                Some(ConfirmationState::Withdrawn) => p.late,
                Some(ConfirmationState::Held | ConfirmationState::Queued) => false,
            };
            if !ended {
                return Err("its receipt is neither delivered nor parked nor awaited".into());
            }
        }
        Ok(())
    }

    /// The books against the rows.
    fn check_books(&mut self, rows: &[Payment]) -> Result<(), String> {
        let mut per_intent = vec![0_u32; self.intents.len()];
        let mut charge = |whose: Option<&usize>, count: u32| {
            if let Some(slot) = whose.and_then(|number| per_intent.get_mut(*number)) {
                *slot += count;
            }
        };
        for (id, (count, _)) in self.click.charged.iter().chain(&self.payme.charged) {
            if *count > 1 {
                return Err(format!("{id} was charged {count} times"));
            }
            charge(self.whose.get(id), *count);
        }
        for p in rows.iter().filter(|p| p.method == Method::Humo) {
            let moved = p.run.as_ref().map_or(0, |run| self.pad.moved(run.id).len());
            charge(self.whose.get(&p.id), u32::try_from(moved).unwrap());
        }
        for p in rows.iter().filter(|p| p.method == Method::Sbp) {
            charge(self.whose.get(&p.id), u32::from(self.qrm.paid(p.id).is_some()));
        }
        self.check_qrm()?;
        if let Some(number) = per_intent.iter().position(|count| *count > 1)
            && !self.is_mis_signed(number)
        {
            return Err(format!("sale {number} was charged {} times", per_intent[number]));
        }
        for p in rows.iter().filter(|p| p.fiscal == Fiscal::Confirmed) {
            let id = p.approval.as_ref().and_then(|a| a.payment_id.clone()).unwrap_or_default();
            let receipt = p.confirmation().map(|c| c.receipt.clone());
            let provider = if p.method == Method::Payme { &self.payme } else { &self.click };
            if provider.receipts.get(&id).is_none_or(|held| held.last() != receipt.as_ref()) {
                return Err(format!("{} is confirmed, and the provider has another receipt", p.id));
            }
            self.tally.receipts += 1;
        }
        let known: Vec<&String> =
            self.click.charged.values().chain(self.payme.charged.values()).map(|(_, id)| id).collect();
        for id in self.click.receipts.keys().chain(self.payme.receipts.keys()) {
            if !known.contains(&id) && self.mis_signed.is_empty() {
                return Err(format!("a receipt was sent for {id:?}, which nobody charged"));
            }
        }
        Ok(())
    }

    /// What a till was told against the books.
    fn check_till(&mut self, number: usize, rows: &[Payment]) -> Result<(), String> {
        let intent = &self.intents[number];
        let own: Vec<&Payment> = rows.iter().filter(|p| self.whose.get(&p.id) == Some(&number)).collect();
        if intent.payment.is_none()
            && !own.is_empty()
            && own.iter().any(|p| self.moved(p))
            && !intent.given_up
            && !intent.repeats()
        {
            return Err(format!("sale {number} was never accepted, and it was charged"));
        }
        if self.is_mis_signed(number) {
            return Ok(());
        }
        if let Some(heard) = &intent.heard {
            let moved = self.moved(heard);
            let now = rows.iter().find(|p| p.id == heard.id);
            let late = now.is_some_and(|p| p.late);
            if (heard.state == State::Paid) != moved && !late {
                return Err(format!("the till of sale {number} heard {}, the bank says {moved}", heard.state.name()));
            }
            let receipt = now.and_then(Payment::confirmation);
            if intent.confirmed && heard.state == State::Paid && receipt.is_none_or(|c| c.receipt != intent.receipt) {
                return Err(format!("the receipt of sale {number} was accepted and is lost"));
            }
        } else if intent.presses > 0 && intent.repeats() && !intent.given_up {
            return Err(format!("the till of sale {number} asked all evening and never heard the end: {own:#?}"));
        }
        Ok(())
    }
}
