//! A world in which anything can happen to the machine, and the promises that must survive it.

#[path = "order.rs"]
mod order;
#[path = "promises.rs"]
mod promises;
#[path = "sbp.rs"]
mod sbp;
#[path = "told.rs"]
mod told;

use std::collections::{BTreeMap, BTreeSet};

use tolov::payment::card::{Question, ResultClass, RunId, RunResult, Settlement, SettlementId, Slip};
use tolov::payment::event::{
    Confirm, Delivery, Event, GiveBack, Outcome, PinpadOrder, RunEnd, Said, SaleRef, Sell, Verdict,
};
use tolov::payment::fact::Fact;
use tolov::payment::fiscal::{LinkReceipt, Receipt};
use tolov::payment::machine::{self, Now, Rejection};
use tolov::payment::sale::{
    Approval, Decline, DeclineKind, Merchant, Method, Payment, PaymentId, Private, RefundId, Resolution, State, Token,
};
use tolov::payment::terminal::{Lookup, Policy, Terminal};
use tolov::payment::{Currency, Effect, Money};
use uuid::Uuid;

/// The amounts that tills ask for: few, so that they meet.
const AMOUNTS: [i64; 3] = [50_000, 50_000, 120_000];
/// The codes that customers show.
const CODES: [&str; 4] = ["880101698207133392", "880227987004122008", "50501010793410803298", "50502044301381396427"];

pub(crate) struct World {
    terminal: Terminal,
    /// Every payment ever, as a store keeps it.
    rows: BTreeMap<PaymentId, Payment>,
    journal: Vec<(i64, Fact)>,
    wall_ms: i64,
    monotonic_ms: u64,
    names: u128,
    /// Runs that were sent to the PinPad, with whether it said anything.
    runs: Vec<(RunId, Option<i64>, bool)>,
    settlements: Vec<SettlementId>,
    /// Every settlement that was begun, as a store keeps it, in their order.
    settled: Vec<Settlement>,
    charged: BTreeMap<PaymentId, u32>,
    /// Payments whose customer chose a code that was charged after the PinPad had been asked for a card.
    charged_codes: BTreeSet<PaymentId>,
    /// Where each payment stands for whoever reads nothing but the lines as they are written.
    told: BTreeMap<PaymentId, &'static str>,
    /// Refunds that QRManager was asked for.
    sent_back: BTreeSet<RefundId>,
    /// What was reached, for the test that everything can be.
    pub(crate) reached: BTreeSet<String>,
}

fn policy() -> Policy {
    Policy {
        methods: Method::ALL.to_vec(),
        merchant: Some(Merchant { inn: "1".into(), kkm_id: "2".into(), device_id: "3".into() }),
        codes: tolov::payment::code::CodeTable::default(),
        scan_wait_ms: 60_000,
        card_again_ms: 1_000,
        card_least_ms: 10_000,
        card_runs_max: 3,
        created_wait_ms: 30_000,
        created_max: 6,
        created_per_till_max: 4,
        wishes_max: 4,
        join_unanswered_ms: 900_000,
        ask_every_ms: 15_000,
        backoff_min_ms: 1_000,
        backoff_max_ms: 900_000,
        sbp: sbp::profiles(),
        sbp_open_max: 8,
    }
}

fn sums(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Uzs)
}

fn receipt(which: u16) -> Receipt {
    let (receipt_id, fiscal_sign) = (format!("{}", 100 + which % 2), "123456789012".to_owned());
    let link = format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={receipt_id}&c=20260301120000&s={fiscal_sign}");
    Receipt::Link(LinkReceipt { link: link.try_into().unwrap(), receipt_id, fiscal_sign })
}

fn slip(amount: i64, rrn: u16, detail: u16) -> Slip {
    Slip {
        amount_minor: u64::try_from(amount).ok(),
        rrn: (detail % 7 != 0).then(|| format!("rrn{rrn}")),
        receipt_number: (detail % 5 != 0).then(|| format!("{rrn}")),
        shift: Some("1".into()),
        terminal_id: Some("T1".into()),
        approved: [Some(true), Some(true), Some(true), Some(false), None][usize::from(detail % 5)],
        cancelled: detail % 11 == 0,
        conflict: (detail % 13 == 0).then(|| "amount".into()),
        operation: (detail % 3 == 0).then(|| "Возврат".into()),
        totals_agree: (detail % 17 == 0).then_some(false),
        ..Slip::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            terminal: Terminal::new(policy()),
            rows: BTreeMap::new(),
            journal: Vec::new(),
            wall_ms: 1_800_000_000_000,
            monotonic_ms: 5,
            names: 1,
            runs: Vec::new(),
            settlements: Vec::new(),
            settled: Vec::new(),
            charged: BTreeMap::new(),
            charged_codes: BTreeSet::new(),
            told: BTreeMap::new(),
            sent_back: BTreeSet::new(),
            reached: BTreeSet::new(),
        }
    }

    fn name(&mut self) -> Uuid {
        self.names += 1;
        Uuid::from_u128(self.names)
    }

    /// A payment that exists, the younger the likelier; else one that nobody knows.
    fn some_payment(&self, which: u8) -> PaymentId {
        let ids: Vec<_> = self.rows.values().map(|p| (p.created_ms, p.id)).collect();
        let back = usize::from(which) * usize::from(which) * ids.len().min(8) / 65_536;
        let mut ids = ids;
        ids.sort_unstable();
        ids.iter().rev().nth(back).map_or(PaymentId(Uuid::from_u128(0)), |(_, id)| *id)
    }

    /// One thing happens; the promises are looked at after it.
    pub(crate) fn happen(&mut self, kind: u8, which: u8, detail: u16) -> Result<(), String> {
        self.wall_ms += 1 + i64::from(detail % 1_000);
        self.monotonic_ms += 1 + u64::from(detail % 1_000);
        let event = match kind % 48 {
            0..=4 => self.sale(which, detail),
            5 => Event::Scanned { text: CODES[usize::from(which) % CODES.len()].to_owned() },
            6 => Event::Scanned { text: format!("8{:017}", self.journal.len()) },
            7..=9 => self.provider_answer(which, detail),
            10 => Event::PinpadUp,
            11..=17 => self.pinpad(which, detail),
            18 => self.give_back(which, detail),
            19 => {
                let id = SettlementId(self.name());
                self.settlements.push(id);
                Event::Settle { id, run: RunId(self.name()), token: self.token(detail) }
            }
            20 | 21 => self.confirm(which, detail),
            22 => {
                let number = u32::from(detail % 3);
                let outcome = match detail % 4 {
                    0 => Delivery::Refused { text: "7".into() },
                    1 => Delivery::Retry { text: "500".into() },
                    _ => Delivery::Confirmed { answer: None },
                };
                Event::Delivered { payment: self.some_payment(which), number, outcome, jitter_permille: detail % 1_001 }
            }
            23 => Event::Cancel {
                payment: (detail % 2 == 0).then(|| self.some_payment(which)),
                operator: detail % 3 == 0,
            },
            24 => Event::TillGone { payment: self.some_payment(which) },
            25 => Event::Answered { payment: self.some_payment(which) },
            26 => self.resolve(which, detail),
            27 if detail % 3 == 0 => return self.restart(),
            27 => Event::PinpadDown { why: "the cable".into() },
            28 => Event::RetryConfirmation {
                payment: self.some_payment(which),
                receipt: (detail % 2 == 0).then(|| receipt(detail)),
                upstream_id: (detail % 5 == 0).then(|| format!("found{}", detail % 50)),
                name: "anna".into(),
            },
            31 if detail % 2 == 0 => {
                let evidence = Some("seen in the cabinet".to_owned());
                let resolution = Resolution { name: "anna".into(), reason: "looked it up".into(), evidence };
                Event::SignConfirmation { payment: self.some_payment(which), resolution }
            }
            29 if detail % 8 == 0 => Event::CloseSales { why: "the store was set aside".into() },
            30 if which % 4 == 0 => return self.gives_up(),
            30 => return self.whole_run(detail),
            32..=39 => self.shown_code(kind % 48, which, detail),
            40..=45 => self.order(kind % 48, which, detail),
            46 | 47 => return self.whole_refund(which, detail),
            29 => Event::OpenSales { name: "anna".into(), reason: "checked".into() },
            _ => {
                self.monotonic_ms += u64::from(detail);
                self.wall_ms += i64::from(detail) * if which == 0 { -20 } else { 1 };
                Event::Tick { run: RunId(self.name()) }
            }
        };
        self.step(&event)
    }

    fn token(&self, detail: u16) -> Option<Token> {
        let digest = format!("{}", detail % 29 / 28);
        (detail % 4 == 0).then(|| Token { key: format!("key{}", detail % 40), digest })
    }

    fn sale(&mut self, which: u8, detail: u16) -> Event {
        let method = Method::ALL[usize::from(which % 3)];
        let amount = sums(AMOUNTS[usize::from(detail % 3)]);
        let code = (method != Method::Humo && which % 5 < 3).then(|| {
            if which % 2 == 0 {
                CODES[usize::from(detail) % CODES.len()].to_owned()
            } else {
                format!("8{:017}", self.journal.len())
            }
        });
        // The code that is held for the customer at the counter comes from another till.
        let held = self.terminal.held_code.clone().filter(|_| which % 4 == 0);
        let (method, code) = held.map_or((method, code), |held| (held.method, Some(held.code)));
        let token = self.token(detail);
        Event::Sell(Sell {
            id: PaymentId(self.name()),
            run: RunId(self.name()),
            method,
            amount,
            code,
            token,
            order_id: None,
            sbp: None,
            display: true,
        })
    }

    fn provider_answer(&mut self, which: u8, detail: u16) -> Event {
        let payment = self.some_payment(which);
        let outcome = match detail % 6 {
            0..=2 => Outcome::Approved(Approval {
                payment_id: (detail % 4 != 0).then(|| format!("up{}", detail % 50)),
                ..Approval::default()
            }),
            3 => Outcome::Refused(Decline { why: DeclineKind::Refused, code: Some("106".into()), message: None }),
            4 => Outcome::NotSent { text: "no route".into() },
            _ => Outcome::InDoubt { text: format!("HTTP 500, try {}", detail % 3) },
        };
        Event::ProviderAnswered { payment, outcome }
    }

    fn pinpad(&mut self, which: u8, detail: u16) -> Event {
        let back = usize::from(which % 8) / 5;
        let Some((run, amount, spoke)) = self.runs.iter_mut().rev().nth(back) else {
            return Event::PinpadFinished { run: RunId(Uuid::from_u128(9)), end: RunEnd::Ended };
        };
        let right = amount.unwrap_or(AMOUNTS[usize::from(detail % 3)]);
        let amount = if detail % 9 == 0 { right * 100 } else { right };
        let said = match which % 7 {
            0 => Said::CardPresented,
            1 | 2 => {
                let slip = slip(amount, detail % 40, detail / 8);
                let entries = vec![slip.clone()];
                Said::Print { masked: "СЛИП".into(), printed: Private::default(), slip: Box::new(slip), entries }
            }
            3 => {
                use ResultClass as C;
                let class =
                    [C::Approved, C::Approved, C::Approved, C::Declined, C::Cancelled, C::ApprovedForVoid, C::NotFound]
                        [usize::from(detail % 7)];
                Said::Result(RunResult { code: "00".into(), class })
            }
            _ => {
                let end = match detail % 6 {
                    0 => RunEnd::Lost { why: "silence".into() },
                    1 if !*spoke => RunEnd::NotSent { why: "no line".into() },
                    _ => RunEnd::Ended,
                };
                return Event::PinpadFinished { run: *run, end };
            }
        };
        *spoke = true;
        Event::PinpadSaid { run: *run, sequence: u32::from(detail), said }
    }

    /// The PinPad says everything that it says when all goes well, so that random orders get past it.
    fn whole_run(&mut self, detail: u16) -> Result<(), String> {
        let Some((run, Some(amount), _)) = self.runs.last().copied() else { return self.step(&Event::PinpadUp) };
        let back = detail % 2 == 0;
        let slip = Slip {
            approved: Some(true),
            rrn: Some(format!("rrn{}", self.journal.len())),
            ..slip(amount, detail, if back { 3 } else { 1 })
        };
        let class = if detail % 5 == 0 { ResultClass::Declined } else { ResultClass::Approved };
        let slip = if class == ResultClass::Declined { Slip { approved: Some(false), ..slip } } else { slip };
        let entries = vec![slip.clone()];
        let all = [
            Said::CardPresented,
            Said::Print { masked: "СЛИП".into(), printed: Private::default(), slip: Box::new(slip), entries },
            Said::Result(RunResult { code: "00".into(), class }),
        ];
        for (sequence, said) in (0..).zip(all) {
            self.step(&Event::PinpadSaid { run, sequence, said })?;
        }
        self.step(&Event::PinpadFinished { run, end: RunEnd::Ended })
    }

    /// The PinPad gives up by itself, and finds nothing to what it is asked then: no card came. The terminal looks up each time.
    fn gives_up(&mut self) -> Result<(), String> {
        for _ in 0..3 {
            let Some((run, ..)) = self.runs.last().copied() else { return self.step(&Event::PinpadUp) };
            let said = Said::Result(RunResult { code: "998".into(), class: ResultClass::Declined });
            self.step(&Event::PinpadSaid { run, sequence: 0, said })?;
            self.step(&Event::PinpadFinished { run, end: RunEnd::Ended })?;
            self.monotonic_ms += 1_000;
            let run = RunId(self.name());
            self.step(&Event::Tick { run })?;
        }
        Ok(())
    }

    /// Money is asked back, and the PinPad says everything about it, yes or no.
    fn whole_refund(&mut self, which: u8, detail: u16) -> Result<(), String> {
        let asked = self.give_back(which, detail);
        self.step(&asked)?;
        self.whole_run(if detail % 3 == 0 { 10 * (detail / 10) } else { detail })
    }

    fn give_back(&mut self, which: u8, detail: u16) -> Event {
        let paid = self.rows.values().rfind(|p| p.method == Method::Humo && p.state == State::Paid);
        let payment = paid.filter(|_| which % 3 > 0).map_or_else(|| self.some_payment(which), |p| p.id);
        let amount = if detail % 3 == 0 { 20_000 } else { self.rows.get(&payment).map_or(1, |p| p.amount.minor()) };
        Event::GiveBack(GiveBack {
            id: RefundId(self.name()),
            run: RunId(self.name()),
            of: SaleRef::Payment(payment),
            amount: sums(amount),
            token: self.token(detail),
        })
    }

    fn confirm(&mut self, which: u8, detail: u16) -> Event {
        let payment = self.some_payment(which);
        let method =
            if detail % 10 == 0 { Method::Payme } else { self.rows.get(&payment).map_or(Method::Click, |p| p.method) };
        let of = if detail % 3 == 0 {
            SaleRef::Upstream(method, format!("up{}", detail % 50))
        } else {
            SaleRef::Payment(payment)
        };
        let method = if method == Method::Humo { Method::Click } else { method };
        Event::Confirm(Confirm { method, of, receipt: receipt(detail / 16) })
    }

    fn resolve(&mut self, which: u8, detail: u16) -> Event {
        let settlement = self.settlements.last().filter(|_| detail % 4 == 0).map(|s| PaymentId(s.0));
        Event::Resolve {
            payment: settlement.unwrap_or_else(|| self.some_payment(which)),
            verdict: if detail % 2 == 0 { Verdict::Paid } else { Verdict::Absent },
            name: "anna".into(),
            reason: "seen at the bank".into(),
            evidence: (detail % 3 == 0).then(|| format!("up{}", detail % 50)),
        }
    }

    /// The power fails. What the next life knows is the journal.
    fn restart(&mut self) -> Result<(), String> {
        let mut next = self.replayed()?;
        next.forget_finished();
        self.terminal = next;
        self.monotonic_ms = 0;
        self.runs.iter_mut().for_each(|(_, _, spoke)| *spoke = true);
        self.step(&Event::Started)
    }

    fn load(&mut self, lookup: &Lookup) {
        let named = |p: &&Payment| match lookup {
            Lookup::Payment(id) => p.id == *id,
            Lookup::Token(key) => {
                let later = p.refunds.iter().filter_map(|r| r.token.as_ref()).chain(p.wishes.iter().map(|w| &w.token));
                p.token.iter().chain(later).any(|t| t.key == *key)
            }
            Lookup::Code(method, code) => p.method == *method && p.code.as_ref() == Some(code),
            Lookup::Upstream(method, id) => {
                p.method == *method && p.approval.as_ref().and_then(|a| a.payment_id.as_ref()) == Some(id)
            }
        };
        let found: Vec<Payment> = self.rows.values().filter(named).cloned().collect();
        found.into_iter().for_each(|p| self.terminal.adopt(p));
        if let Lookup::Token(key) = lookup {
            let asked = |s: &&Settlement| s.token.as_ref().is_some_and(|t| t.key == *key);
            self.settled.iter().find(asked).cloned().into_iter().for_each(|s| self.terminal.recall(s));
        }
    }

    fn step(&mut self, event: &Event) -> Result<(), String> {
        for lookup in machine::lookups(&self.terminal, event) {
            self.load(&lookup);
        }
        let now = Now { wall_ms: self.wall_ms, monotonic_ms: self.monotonic_ms };
        let before = self.terminal.clone();
        let (after, decision) = match machine::step(&before, event, now) {
            Ok(stepped) => stepped,
            Err(Rejection::Denied(_)) => return Ok(()),
            Err(Rejection::Fault(fault)) => return Err(format!("{event:?}: {fault}")),
        };
        self.check(&before, &after, event, &decision).map_err(|why| format!("{event:?}: {why}\n{decision:#?}"))?;
        for effect in &decision.effects {
            self.release(effect, &after);
        }
        self.journal.extend(decision.facts.into_iter().map(|fact| (self.wall_ms, fact)));
        self.terminal = after;
        let rows: Vec<Payment> = self.terminal.payments.values().map(|p| Payment::clone(p)).collect();
        self.rows.extend(rows.into_iter().map(|p| (p.id, p)));
        if let Some(last) = self.terminal.settlement.as_deref() {
            self.settled.retain(|s| s.id != last.id);
            self.settled.push(last.clone());
        }
        self.terminal.forget_finished();
        Ok(())
    }

    fn release(&mut self, effect: &Effect, after: &Terminal) {
        match effect {
            Effect::PinpadRun { run, order } => {
                let amount = match order {
                    PinpadOrder::Sale(m)
                    | PinpadOrder::Void { amount: m, .. }
                    | PinpadOrder::Refund { amount: m, .. } => Some(m.minor()),
                    PinpadOrder::Settlement => None,
                };
                self.runs.push((*run, amount, false));
            }
            Effect::PinpadAsk { run, question } => {
                let asked = matches!(question, Question::LastTransaction | Question::DetailedReport);
                let doubted = after.payments.values().find(|p| p.run.is_some()).map(|p| p.amount.minor());
                self.runs.push((*run, doubted.filter(|_| asked), false));
            }
            _ => {}
        }
    }

    fn replayed(&self) -> Result<Terminal, String> {
        let mut again = Terminal::new(policy());
        for (at_ms, fact) in &self.journal {
            let line = serde_json::to_string(fact).map_err(|e| e.to_string())?;
            let read: Fact = serde_json::from_str(&line).map_err(|e| format!("{e} in {line}"))?;
            again.apply(*at_ms, &read).map_err(|e| format!("the journal does not replay: {e}"))?;
        }
        Ok(again)
    }

    /// The journal, read from its first line, gives every payment as it stands.
    pub(crate) fn replay(&self) -> Result<(), String> {
        let again = self.replayed()?;
        if again.register != self.terminal.register || again.settlement != self.terminal.settlement {
            return Err("the journal gives another register or settlement".into());
        }
        for (id, row) in &self.rows {
            if again.payments.get(id).map(|p| &**p) != Some(row) {
                return Err(format!("the journal gives another payment {id}: {row:#?} {:#?}", again.payments.get(id)));
            }
        }
        Ok(())
    }
}
