//! What leaves the terminal, what must be on the disk before it does, and how it comes to its peer.

use std::sync::Arc;

use tolov::payment::Effect;
use tolov::payment::card::RunId;
use tolov::payment::event::{Event, PinpadOrder, Said};
use tolov::payment::sale::{Method, Payment, PaymentId, State};

use super::{Act, World};

impl World {
    /// Effects go out one by one; the power may fail between any two.
    pub(super) fn release(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.say(|| format!("  → {effect:?}").chars().take(300).collect());
            if self.faults && self.dice.below(400) == 0 {
                self.say(|| "  cut before it left".to_owned());
                self.cut();
                self.soon(Act::Tick, 5_000);
                return;
            }
            self.check_effect(&effect);
            if self.faults && matches!(effect, Effect::PinpadRun { .. }) && self.dice.percent(10) {
                self.soon(Act::CableOut, 4_000);
            }
            let heard = match effect {
                Effect::Charge { payment } => {
                    self.soon(Act::Charge(payment), 50);
                    None
                }
                Effect::Sbp(order) => {
                    self.sbp_ordered(order);
                    None
                }
                Effect::PinpadRun { run, order } => self.pad.start(run, &order, &mut self.dice, self.faults),
                Effect::PinpadAsk { run, question } => self.pad.ask(run, question, &mut self.dice, self.faults),
                Effect::PinpadRecover { run, card_presented } => self.pad.recover(run, card_presented),
                Effect::PinpadRelease { run, sequence } => {
                    self.pad.release(run, sequence);
                    None
                }
                Effect::PinpadCancel { run } => {
                    self.pad.cancel(run);
                    None
                }
                Effect::Deliver => {
                    self.later(5, Act::Deliver);
                    None
                }
                Effect::Settled(_) | Effect::Notice(_) => None,
            };
            if let Some(event) = heard {
                self.soon(Act::Tell(self.life, event), 100);
            }
            if self.pad.is_busy() {
                self.soon(Act::Speak, 1_000);
            }
        }
    }

    /// No money moves before it is on disk, nothing is charged twice, and the PinPad is answered only after its words are kept.
    fn check_effect(&mut self, effect: &Effect) {
        let disk = self.disk.clone();
        let disk = disk.lock().unwrap();
        let of_run = |run: RunId| disk.payments().find(|p| p.run.as_ref().is_some_and(|r| r.id == run)).cloned();
        let charged = match effect {
            Effect::Charge { payment } => {
                if disk.payment(payment.id).is_none_or(|p| p.code.is_none()) {
                    self.broken = Some(format!("{} is charged, and its intent is not on the disk", payment.id));
                }
                Some(payment.id)
            }
            Effect::PinpadRun { run, order: PinpadOrder::Sale(_) } => {
                let Some(p) = of_run(*run) else {
                    self.broken = Some("a card sale begins, and its intent is not on the disk".into());
                    return;
                };
                let held = disk
                    .payments()
                    .find(|o| o.id != p.id && o.method == Method::Humo && matches!(o.state, State::InDoubt { .. }));
                if let Some(doubt) = held {
                    self.broken = Some(format!("a card sale begins while {} is in doubt", doubt.id));
                }
                Some(p.id)
            }
            Effect::PinpadRelease { run, sequence } => {
                let kept = of_run(*run).is_none_or(|p| p.run.as_ref().is_some_and(|r| r.result.is_some()));
                if self.results.contains(&(*run, *sequence)) && !kept {
                    self.broken = Some("the PinPad's result is answered, and it is not on the disk".into());
                }
                None
            }
            _ => None,
        };
        if let Some(id) = charged {
            let count = self.charges.entry(id).or_default();
            *count += 1;
            if *count > 1 {
                self.broken = Some(format!("{id} was charged {count} times"));
            }
        }
    }

    pub(super) fn hear(&mut self, event: &Event) {
        if let Event::PinpadSaid { run, sequence, said: Said::Result(_) } = event {
            self.results.insert((*run, *sequence));
        }
        self.say(|| format!("  ← {event:?}").chars().take(300).collect());
    }

    /// A request reaches its provider.
    pub(super) fn arrive(&mut self, payment: &Arc<Payment>) {
        let faults = self.faults;
        let provider = if payment.method == Method::Payme { &mut self.payme } else { &mut self.click };
        let answers = provider.charge(payment, &mut self.dice, faults);
        for (pause_ms, outcome) in answers {
            let event = Event::ProviderAnswered { payment: payment.id, outcome };
            self.later(pause_ms, Act::Tell(self.life, event));
        }
    }

    /// The outbox: what is due goes out, one at a time for each payment.
    pub(super) fn deliver(&mut self) {
        let queued = self.disk.lock().unwrap().queued();
        let waits = !queued.is_empty();
        for p in queued {
            let Some(c) = p.confirmation() else { continue };
            let step_ms = c.next_ms - self.clock.wall_ms();
            if step_ms > 0 && step_ms <= 60_000 || !self.in_delivery.insert(p.id) {
                continue;
            }
            let faults = self.faults;
            let provider = if p.method == Method::Payme { &mut self.payme } else { &mut self.click };
            let outcome = provider.deliver(&p, &c.receipt, &mut self.dice, faults);
            let jitter_permille = u16::try_from(self.dice.below(1_000)).unwrap();
            let event = Event::Delivered { payment: p.id, number: c.number, outcome, jitter_permille };
            self.soon(Act::Tell(self.life, event), 2_000);
        }
        if waits {
            self.later(5_000, Act::Deliver);
        }
    }

    /// Whether the money of this payment moved, by the banks' books.
    pub(crate) fn moved(&self, p: &Payment) -> bool {
        self.known_to_the_bank(p).is_some()
    }

    /// Under which id the bank knows it.
    pub(crate) fn known_to_the_bank(&self, p: &Payment) -> Option<String> {
        match p.method {
            Method::Humo => {
                let run = p.run.as_ref()?.id;
                self.pad.moved(run).first().map(|o| o.rrn().to_owned())
            }
            Method::Click => self.click.charged.get(&p.id).map(|(_, id)| id.clone()),
            Method::Payme => self.payme.charged.get(&p.id).map(|(_, id)| id.clone()),
            Method::Sbp => self.qrm.paid(p.id).map(|operation| operation.operation_id.clone()),
        }
    }

    pub(crate) fn is_mis_signed(&self, number: usize) -> bool {
        let own = |id: &PaymentId| self.whose.get(id) == Some(&number);
        self.mis_signed.iter().any(own)
    }
}
