//! What happens to the terminal from outside: tills, customers, operators, cables, disks.

use tokio::sync::oneshot::Receiver;
use tolov::driver::{Envelope, Ticket};
use tolov::payment::card::{RunId, SettlementId};
use tolov::payment::event::{Confirm, Denial, Event, GiveBack, Reply, SaleRef, Sell, Verdict};
use tolov::payment::sale::{Method, PaymentId, RefundId, State, Token};

use super::super::disk::Trouble;
use super::{Act, World};

pub(super) type Ear = (usize, Asked, Receiver<Result<Ticket, Denial>>);

#[derive(Clone, Copy)]
pub(super) enum Asked {
    Sale,
    Confirm,
    Back,
    /// The number is the key's.
    Close,
    Nothing,
}

impl World {
    pub(super) fn act(&mut self, act: Act, batch: &mut Vec<Envelope>, ears: &mut Vec<Ear>) {
        let mut ask = |number, asked, event| {
            let (envelope, ear) = Envelope::ask(event);
            batch.push(envelope);
            ears.push((number, asked, ear));
        };
        match act {
            Act::Tick => {}
            Act::Tell(life, event) if life == self.life => {
                if let Event::Delivered { payment, .. } = &event {
                    self.in_delivery.remove(payment);
                }
                batch.push(Envelope::tell(event));
            }
            Act::Tell(..) => {}
            Act::Press(number) => {
                if let Some(event) = self.press(number) {
                    ask(number, Asked::Sale, event);
                }
            }
            Act::CallOff(number) => {
                let payment = self.intents[number].payment;
                ask(number, Asked::Nothing, Event::Cancel { payment, operator: false });
            }
            Act::Confirm(number) => {
                if let Some(event) = self.confirm(number) {
                    ask(number, Asked::Confirm, event);
                }
            }
            Act::GiveBack(number) => {
                if let Some(event) = self.give_back(number) {
                    ask(number, Asked::Back, event);
                }
            }
            Act::Settle => {
                let (id, run) = (SettlementId(self.dice.name()), RunId(self.dice.name()));
                let key = self.closing_key();
                let token = key.map(|key| Token { key: format!("close:{key}"), digest: "settle".into() });
                ask(
                    key.unwrap_or(0),
                    if token.is_some() { Asked::Close } else { Asked::Nothing },
                    Event::Settle { id, run, token },
                );
            }
            Act::Operator => {
                if let Some(event) = self.operator() {
                    ask(0, Asked::Nothing, event);
                }
            }
            Act::Cut => {
                // What was said in the same moment is lost with the rest.
                batch.clear();
                ears.clear();
                self.cut();
                self.soon(Act::Tick, 5_000);
            }
            other => self.act_unasked(other, batch),
        }
    }

    /// What nobody waits for an answer to.
    fn act_unasked(&mut self, act: Act, batch: &mut Vec<Envelope>) {
        match act {
            Act::Charge(payment) => self.arrive(&payment),
            Act::Speak => {
                if let Some(event) = self.pad.speak() {
                    self.hear(&event);
                    batch.push(Envelope::tell(event));
                }
                if self.pad.is_busy() {
                    self.soon(Act::Speak, 2_000);
                }
            }
            Act::Scan(number) => {
                let counter = self.handle.as_ref().and_then(|h| h.snapshot().counter.clone());
                if counter.is_some_and(|p| self.whose.get(&p.id) == Some(&number)) {
                    batch.push(Envelope::tell(Event::Scanned { text: self.intents[number].shows.clone() }));
                }
            }
            Act::HangUp(number) => {
                if self.intents[number].waiting.take().is_some()
                    && let Some(payment) = self.intents[number].payment
                {
                    self.tally.hung_up += 1;
                    batch.push(Envelope::tell(Event::TillGone { payment }));
                    if self.intents[number].repeats() {
                        self.soon(Act::Press(number), 30_000);
                    } else {
                        self.intents[number].given_up = true;
                    }
                }
            }
            Act::Deliver => self.deliver(),
            Act::AskForCode(_)
            | Act::SendBack(..)
            | Act::Watch(..)
            | Act::AskBack(..)
            | Act::Phone(_)
            | Act::CodeEnds(_) => self.at_qrm(act),
            Act::CableOut => {
                if let Some(event) = self.pad.lose(&mut self.dice) {
                    batch.push(Envelope::tell(event));
                }
                batch.push(Envelope::tell(Event::PinpadDown { why: "the cable".into() }));
                self.soon(Act::CableIn, 60_000);
            }
            Act::CableIn => {
                self.pad.up = true;
                batch.push(Envelope::tell(Event::PinpadUp));
            }
            Act::Disk(trouble) => {
                if trouble != Trouble::None {
                    self.tally.troubles += 1;
                    self.soon(Act::Disk(Trouble::None), 120_000);
                }
                self.disk.lock().unwrap().trouble = Some(trouble);
            }
            Act::Clock(step_ms) => self.clock.step_to(self.clock.wall_ms() + step_ms),
            _ => {}
        }
    }

    fn press(&mut self, number: usize) -> Option<Event> {
        let (id, run) = (PaymentId(self.dice.name()), RunId(self.dice.name()));
        let faults = self.faults;
        // A card sale without a key is known by being one of the last, and for a while: past that its cashier looks at the slip.
        let last = self.disk.lock().unwrap().register().last_sales.clone();
        let place = last.iter().rposition(|id| self.whose.get(id) == Some(&number));
        let forgotten = place.is_none() || self.now_ms > self.intents[number].pressed_ms + 600_000;
        let intent = &mut self.intents[number];
        let keyless_card = intent.method == Method::Humo && intent.token.is_none();
        if keyless_card && intent.payment.is_some() && forgotten {
            intent.given_up = true;
        }
        if intent.presses == 0 || intent.payment.is_none() {
            intent.pressed_ms = self.now_ms;
        }
        if intent.heard.is_some() || intent.waiting.is_some() || intent.given_up {
            return None;
        }
        intent.presses += 1;
        self.tally.joined += u64::from(keyless_card && intent.payment.is_some() && place < last.len().checked_sub(1));
        if intent.presses > 12 && intent.payment.is_none() && faults {
            intent.given_up = true;
            return None;
        }
        self.whose.insert(id, number);
        let intent = &self.intents[number];
        Some(Event::Sell(Sell {
            id,
            run,
            method: intent.method,
            amount: intent.money(),
            code: intent.code.clone(),
            token: intent.token.clone(),
            order_id: None,
            sbp: intent.asks_for(),
            display: intent.method != Method::Sbp || number.is_multiple_of(2),
        }))
    }

    fn confirm(&mut self, number: usize) -> Option<Event> {
        let intent = &self.intents[number];
        let payment = intent.payment?;
        let upstream = intent.heard.as_ref().and_then(|p| p.approval.as_ref()?.payment_id.clone());
        let by_upstream = self.dice.percent(50);
        let of = upstream
            .filter(|_| by_upstream)
            .map_or(SaleRef::Payment(payment), |id| SaleRef::Upstream(intent.method, id));
        Some(Event::Confirm(Confirm { method: intent.method, of, receipt: intent.receipt.clone() }))
    }

    fn give_back(&mut self, number: usize) -> Option<Event> {
        let fresh = RefundId(self.dice.name());
        let run = RunId(self.dice.name());
        let intent = &mut self.intents[number];
        let of = SaleRef::Payment(intent.heard.as_ref()?.id);
        let id = *intent.gives_back.get_or_insert(fresh);
        let amount = intent.money();
        let token = Some(Token { key: format!("back:{number}"), digest: id.to_string() });
        Some(Event::GiveBack(GiveBack { id: fresh, run, of, amount, token }))
    }

    /// Whoever may sign looks at the bank's book; very rarely they look at the wrong line.
    pub(crate) fn operator(&mut self) -> Option<Event> {
        let snapshot = self.handle.as_ref()?.snapshot();
        let resolve = |payment, moved: bool, evidence| Event::Resolve {
            payment,
            verdict: if moved { Verdict::Paid } else { Verdict::Absent },
            name: "anna".into(),
            reason: "seen at the bank".into(),
            evidence,
        };
        if let Some(p) = snapshot.in_doubt.first() {
            self.tally.signed += 1;
            let is_sale = !matches!(p.state, State::Paid | State::Refunded);
            let truth = if is_sale {
                self.moved(p)
            } else {
                let doubted = p.refunds.iter().find(|r| !r.state.is_final())?;
                let by_card = doubted.run.as_ref().is_some_and(|run| !self.pad.moved(run.id).is_empty());
                by_card || self.qrm.went_back(doubted.id)
            };
            let wrong = self.faults && self.dice.percent(5);
            if wrong {
                self.mis_signed.insert(p.id);
            }
            let evidence = self.dice.percent(50).then(|| self.known_to_the_bank(p)).flatten();
            return Some(resolve(p.id, truth != wrong, evidence.filter(|_| is_sale && truth && !wrong)));
        }
        let settlement = snapshot.settlement.as_ref().filter(|s| s.state.name() == "settlement_in_doubt")?;
        let closed = self.pad.closed.contains(&settlement.run.id);
        Some(resolve(PaymentId(settlement.id.0), closed, None))
    }

    /// What became of requests, at once.
    pub(super) fn after(&mut self, ears: Vec<Ear>) {
        for (number, asked, mut ear) in ears {
            let Ok(answer) = ear.try_recv() else {
                self.broken = Some("a request was taken and not answered".into());
                return;
            };
            match (asked, answer) {
                (Asked::Sale, Ok(ticket)) => self.accepted(number, ticket),
                (
                    Asked::Sale,
                    Err(Denial::CodeUsed { .. } | Denial::TokenReused { .. } | Denial::NotConfigured { .. }),
                ) => {
                    self.broken = Some(format!("sale {number} was refused as somebody else's"));
                }
                (Asked::Sale, Err(_)) => self.soon(Act::Press(number), 120_000),
                (Asked::Confirm, Ok(_)) => self.intents[number].confirmed = true,
                (Asked::Confirm, Err(Denial::Store { .. })) => self.soon(Act::Confirm(number), 60_000),
                (Asked::Confirm, Err(Denial::WrongState { state, .. })) => {
                    // A sale that was in doubt a moment ago may have ended without money.
                    let heard = self.intents[number].heard.as_ref().map(|p| p.state.name());
                    if heard == Some("paid") && !self.is_mis_signed(number) {
                        self.broken = Some(format!("the receipt of paid sale {number} was refused: it is {state}"));
                    }
                }
                (Asked::Confirm, Err(why)) => {
                    self.broken = Some(format!("the receipt of sale {number} was refused: {why}"))
                }
                (Asked::Back, Err(_)) if self.faults => self.soon(Act::GiveBack(number), 200_000),
                (Asked::Close, Ok(ticket)) => self.closed(number, &ticket),
                (Asked::Back | Asked::Close | Asked::Nothing, _) => {}
            }
        }
    }

    /// The place of a key to ask for the closing of the shift under; `None` = without one.
    fn closing_key(&mut self) -> Option<usize> {
        match self.dice.below(3) {
            0 => None,
            1 if !self.closings.is_empty() => usize::try_from(self.dice.below(self.closings.len() as u64)).ok(),
            _ => {
                self.closings.push(None);
                Some(self.closings.len() - 1)
            }
        }
    }

    /// A key names one settlement, for ever.
    fn closed(&mut self, key: usize, ticket: &Ticket) {
        let Reply::Settlement(settlement) = &ticket.first else { return };
        let newest = self.disk.lock().unwrap().settlements().last().map(|s| s.id);
        match self.closings[key] {
            Some(first) if first != settlement.id => {
                self.broken =
                    Some(format!("key {key} was answered with settlement {first}, and now with {}", settlement.id));
            }
            Some(first) => self.tally.settled_again += u64::from(newest != Some(first)),
            None => self.closings[key] = Some(settlement.id),
        }
    }

    fn accepted(&mut self, number: usize, ticket: Ticket) {
        let Reply::Payment(p) = &ticket.first else { return };
        if self.whose.get(&p.id) != Some(&number) {
            self.broken = Some(format!("sale {number} was answered with another one's payment {}", p.id));
            return;
        }
        let scans = p.state == State::AwaitingPayer && p.method.scans();
        let intent = &mut self.intents[number];
        intent.payment = Some(p.id);
        intent.waiting = Some(ticket);
        if scans && self.dice.percent(92) {
            self.soon(Act::Scan(number), 40_000);
        }
        if scans && self.dice.percent(5) {
            self.soon(Act::Scan(number), 40_000);
        }
        if self.faults && self.dice.percent(10) {
            self.soon(Act::HangUp(number), 30_000);
        }
        if self.faults && self.dice.percent(6) {
            self.soon(Act::CallOff(number), if scans { 20_000 } else { 1_500 });
        }
        if self.faults && self.dice.percent(3) {
            self.soon(Act::Press(number), 3_000);
        }
    }

    /// Tills that wait listen.
    pub(super) fn poll(&mut self) {
        for number in 0..self.intents.len() {
            let Some(ticket) = &mut self.intents[number].waiting else { continue };
            let Some(Reply::Payment(p)) = ticket.try_settled() else { continue };
            self.intents[number].waiting = None;
            if p.state.is_in_progress() {
                // The till shows the code, and asks again until it knows.
                self.soon(Act::Press(number), 60_000);
                continue;
            }
            if matches!(p.state, State::InDoubt { .. }) {
                self.tally.doubted += 1;
                if self.dice.percent(20) && p.method.scans() {
                    self.soon(Act::Confirm(number), 10_000);
                }
                if self.intents[number].repeats() {
                    self.soon(Act::Press(number), 300_000);
                }
                continue;
            }
            if self.faults && self.dice.percent(15) {
                // The answer was written to a wire that nobody listens to.
                if self.intents[number].repeats() {
                    self.soon(Act::Press(number), 60_000);
                }
                continue;
            }
            self.later(0, Act::Tell(self.life, Event::Answered { payment: p.id }));
            if p.state == State::Paid && p.method.scans() {
                self.soon(Act::Confirm(number), 120_000);
            }
            if p.state == State::Paid && !p.method.scans() && self.dice.percent(35) {
                self.soon(Act::GiveBack(number), 600_000);
            }
            self.intents[number].heard = Some(p);
        }
    }
}
