//! One sentence a rule. Random orders are tried in `tests/machine.rs`, whole days in `tests/days.rs`.

mod evidence;
mod held;
mod order;
mod sbp;

use uuid::Uuid;

use super::{Decision, Now, Rejection, step};
use crate::payment::card::{
    CardMark, Question, ResultClass, RunId, RunResult, Settlement, SettlementId, SettlementState, Slip,
};
use crate::payment::event::{
    Confirm, Denial, Effect, Event, GiveBack, Notice, Outcome, PinpadOrder, RunEnd, Said, SaleRef, Sell, Subject,
    Verdict,
};
use crate::payment::fact::Fact;
use crate::payment::fiscal::{ConfirmationState, Fiscal, Receipt};
use crate::payment::receipt::ReceiptLink;
use crate::payment::sale::{
    Approval, CancelledBy, Decline, DeclineKind, Doubt, Merchant, Method, Payment, PaymentId, Private, RefundId,
    RefundState, State, Token,
};
use crate::payment::terminal::{LAST_SALES_KEPT, Policy, Terminal};
use crate::payment::{Currency, Money};

const CODE: &str = "880101698207133392";

struct Desk {
    t: Terminal,
    at_ms: u64,
    last: Decision,
    /// What the bank's PinPad would ask next.
    run: Option<RunId>,
}

fn id(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(number))
}

fn sums(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Uzs)
}

fn sell(number: u128, method: Method, minor: i64, code: Option<&str>) -> Sell {
    let run = RunId(Uuid::from_u128(1_000 + number));
    let code = code.map(str::to_owned);
    Sell {
        id: id(number),
        run,
        method,
        amount: sums(minor),
        code,
        token: None,
        order_id: None,
        sbp: None,
        display: true,
    }
}

fn receipt(number: u32) -> Receipt {
    let link = format!("https://ofd.soliq.uz/epi?t=UZ170703100597&r={number}&c=20230104121801&s=514343190161");
    Receipt::from_link(ReceiptLink::parse(&link).unwrap(), None, None).unwrap()
}

fn slip(minor: u64, number: u32) -> Slip {
    Slip {
        amount_minor: Some(minor),
        rrn: Some(format!("rrn{number}")),
        receipt_number: Some(number.to_string()),
        shift: Some("1".into()),
        approved: Some(true),
        ..Slip::default()
    }
}

impl Desk {
    fn new() -> Self {
        let t = Terminal::new(Policy {
            methods: Method::ALL.to_vec(),
            merchant: Some(Merchant::default()),
            codes: crate::payment::code::CodeTable::default(),
            scan_wait_ms: 60_000,
            card_again_ms: 1_000,
            card_least_ms: 10_000,
            card_runs_max: 3,
            created_wait_ms: 900_000,
            created_max: 6,
            created_per_till_max: 4,
            wishes_max: 4,
            join_unanswered_ms: 900_000,
            ask_every_ms: 15_000,
            backoff_min_ms: 1_000,
            backoff_max_ms: 60_000,
            ..Policy::default()
        });
        let mut desk = Self { t, at_ms: 0, last: Decision::default(), run: None };
        desk.does(Event::PinpadUp);
        desk
    }

    fn tries(&mut self, event: Event) -> Result<(), Denial> {
        let now = Now { wall_ms: 1_800_000_000_000 + i64::try_from(self.at_ms).unwrap(), monotonic_ms: self.at_ms };
        match step(&self.t, &event, now) {
            Ok((t, decision)) => {
                self.t = t;
                for effect in &decision.effects {
                    if let Effect::PinpadRun { run, .. } | Effect::PinpadAsk { run, .. } = effect {
                        self.run = Some(*run);
                    }
                }
                self.last = decision;
                Ok(())
            }
            Err(Rejection::Denied(denial)) => Err(denial),
            Err(Rejection::Fault(fault)) => panic!("{fault}"),
        }
    }

    fn does(&mut self, event: Event) {
        self.tries(event).unwrap();
    }

    fn sells(&mut self, sell: Sell) {
        self.does(Event::Sell(sell));
    }

    fn answers(&mut self, number: u128, outcome: Outcome) {
        self.does(Event::ProviderAnswered { payment: id(number), outcome });
    }

    fn says(&mut self, said: Said) {
        let run = self.run.unwrap();
        self.does(Event::PinpadSaid { run, sequence: 0, said });
    }

    fn prints(&mut self, slip: Slip) {
        let entries = vec![slip.clone()];
        self.says(Said::Print { masked: String::new(), printed: Private::default(), slip: Box::new(slip), entries });
    }

    fn ends(&mut self, class: Option<ResultClass>) {
        if let Some(class) = class {
            self.says(Said::Result(RunResult { code: "00".into(), class }));
        }
        self.breaks(RunEnd::Ended);
    }

    fn breaks(&mut self, end: RunEnd) {
        let run = self.run.unwrap();
        self.does(Event::PinpadFinished { run, end });
    }

    /// A card sale that ends well, the slip's number being the payment's.
    fn card_sale(&mut self, number: u128, minor: i64) {
        self.sells(sell(number, Method::Humo, minor, None));
        self.says(Said::CardPresented);
        self.prints(slip(u64::try_from(minor).unwrap(), u32::try_from(number).unwrap()));
        self.ends(Some(ResultClass::Approved));
        assert_eq!(*self.state(number), State::Paid);
    }

    fn heard_card_sale(&mut self, number: u128, minor: i64) {
        self.card_sale(number, minor);
        self.does(Event::Answered { payment: id(number) });
    }

    /// A card sale whose line broke before anything was said.
    fn doubtful_sale(&mut self, number: u128, minor: i64) {
        self.sells(sell(number, Method::Humo, minor, None));
        self.breaks(RunEnd::Lost { why: "the cable".into() });
        assert_eq!(self.state(number).name(), "in_doubt");
    }

    /// Asks the PinPad; it shows this and says that all is well.
    fn asked(&mut self, question: Question, shown: &[Slip]) {
        self.at_ms += 20_000;
        self.does(Event::Tick { run: RunId(Uuid::from_u128(77_000 + u128::from(self.at_ms))) });
        assert!(self.last.effects.iter().any(|e| matches!(e, Effect::PinpadAsk { question: q, .. } if *q == question)));
        if let Some(first) = shown.first() {
            let conflict = (shown.len() > 1).then(|| "several operations".to_owned());
            let whole = Slip { conflict, ..first.clone() };
            let entries = shown.to_vec();
            self.says(Said::Print {
                masked: String::new(),
                printed: Private::default(),
                slip: Box::new(whole),
                entries,
            });
        }
        self.ends(Some(if shown.is_empty() { ResultClass::NotFound } else { ResultClass::Approved }));
    }

    fn payment(&self, number: u128) -> &Payment {
        &self.t.payments[&id(number)]
    }

    fn state(&self, number: u128) -> &State {
        &self.payment(number).state
    }

    fn about(&self) -> Option<Subject> {
        self.last.about
    }

    fn resolve(&mut self, number: u128, verdict: Verdict) -> Result<(), Denial> {
        let (name, reason) = ("anna".to_owned(), "seen".to_owned());
        self.tries(Event::Resolve { payment: id(number), verdict, name, reason, evidence: None })
    }
}

fn approved(upstream: Option<&str>) -> Outcome {
    Outcome::Approved(Approval { payment_id: upstream.map(str::to_owned), ..Approval::default() })
}

fn refused() -> Outcome {
    Outcome::Refused(Decline { why: DeclineKind::Refused, code: Some("106".into()), message: None })
}

fn unclear() -> Outcome {
    Outcome::InDoubt { text: "HTTP 500".into() }
}

fn confirm(number: u128, receipt: Receipt) -> Event {
    Event::Confirm(Confirm { method: Method::Click, of: SaleRef::Payment(id(number)), receipt })
}

fn back(number: u128, of: u128, minor: i64) -> Event {
    let run = RunId(Uuid::from_u128(2_000 + number));
    let name = RefundId(Uuid::from_u128(number));
    Event::GiveBack(GiveBack { id: name, run, of: SaleRef::Payment(id(of)), amount: sums(minor), token: None })
}

#[test]
fn a_double_press_finds_the_sale_that_waits() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, None));
    desk.sells(sell(2, Method::Click, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))));
    assert!(desk.last.facts.is_empty());
}

#[test]
fn a_second_attended_sale_is_refused_busy_and_one_with_a_code_runs_beside_it() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, None));
    let second = desk.tries(Event::Sell(sell(2, Method::Humo, 60_000, None)));
    assert_eq!(second, Err(Denial::Busy { with: id(1) }));
    desk.sells(sell(3, Method::Click, 70_000, Some(CODE)));
    assert_eq!(*desk.state(3), State::BankProcessing);
}

#[test]
fn a_code_finds_its_sale_of_the_same_amount_refuses_another_and_is_free_after_a_decline() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, Some(CODE)));
    desk.sells(sell(2, Method::Click, 50_000, Some(CODE)));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))));
    let other = desk.tries(Event::Sell(sell(3, Method::Click, 60_000, Some(CODE))));
    assert_eq!(other, Err(Denial::CodeUsed { by: id(1) }));
    desk.answers(1, refused());
    desk.sells(sell(4, Method::Click, 60_000, Some(CODE)));
    assert_eq!(*desk.state(4), State::BankProcessing);
}

#[test]
fn a_token_finds_its_sale_for_ever_and_refuses_other_words() {
    let mut desk = Desk::new();
    let token = |digest: &str| Some(Token { key: "till:1".into(), digest: digest.into() });
    desk.sells(Sell { token: token("a"), ..sell(1, Method::Click, 50_000, Some(CODE)) });
    desk.answers(1, refused());
    desk.sells(Sell { token: token("a"), ..sell(2, Method::Click, 50_000, Some(CODE)) });
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))));
    let other = Sell { token: token("b"), ..sell(3, Method::Click, 60_000, None) };
    assert_eq!(desk.tries(Event::Sell(other)), Err(Denial::TokenReused { of: id(1) }));
}

#[test]
fn a_wait_for_a_scan_ends_by_the_clock_that_never_steps() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, None));
    desk.at_ms = 59_999;
    desk.does(Event::Tick { run: RunId(Uuid::nil()) });
    assert_eq!(*desk.state(1), State::AwaitingPayer);
    desk.at_ms = 60_000;
    desk.does(Event::Tick { run: RunId(Uuid::nil()) });
    assert_eq!(*desk.state(1), State::Expired);
}

#[test]
fn a_scan_that_nobody_waits_for_and_a_code_that_has_paid_are_only_shown() {
    let mut desk = Desk::new();
    desk.does(Event::Scanned { text: CODE.into() });
    assert!(matches!(desk.last.effects[..], [Effect::Notice(Notice::ScanUnexpected)]));
    desk.sells(sell(1, Method::Click, 50_000, Some(CODE)));
    desk.sells(sell(2, Method::Click, 60_000, None));
    desk.does(Event::Scanned { text: CODE.into() });
    assert!(matches!(desk.last.effects[..], [Effect::Notice(Notice::ScanUsed)]));
    assert_eq!(*desk.state(2), State::AwaitingPayer);
    desk.does(Event::Scanned { text: "  ".into() });
    assert!(desk.last.effects.is_empty());
}

#[test]
fn a_cancel_is_taken_while_it_waits_and_refused_while_the_bank_works() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.does(Event::Cancel { payment: None, operator: false });
    assert_eq!(*desk.state(1), State::Cancelled { by: CancelledBy::Till });
    assert!(desk.last.effects.iter().any(|e| matches!(e, Effect::PinpadCancel { .. })));
    desk.sells(sell(2, Method::Click, 60_000, Some(CODE)));
    let refused = desk.tries(Event::Cancel { payment: Some(id(2)), operator: false });
    assert!(matches!(refused, Err(Denial::WrongState { state: "bank_processing", .. })));
}

#[test]
fn money_that_comes_after_a_cancel_is_paid_and_late_and_a_repeat_hears_it() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.does(Event::TillGone { payment: id(1) });
    desk.says(Said::CardPresented);
    desk.prints(slip(50_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert!(desk.payment(1).late);
    assert_eq!(desk.payment(1).answer.as_ref().unwrap().state, State::Paid);
    desk.sells(sell(2, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))));
}

#[test]
fn a_till_that_heard_cancelled_and_sells_again_finds_the_money_that_came_after_it() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.does(Event::Cancel { payment: None, operator: false });
    desk.does(Event::Answered { payment: id(1) });
    desk.says(Said::CardPresented);
    desk.prints(slip(50_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert!(desk.payment(1).late);
    desk.sells(sell(2, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))), "the customer would be charged twice");
    desk.does(Event::Answered { payment: id(1) });
    desk.sells(sell(3, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(3))));
}

#[test]
fn an_unanswered_card_sale_is_found_again_though_other_tills_sold_since() {
    let mut desk = Desk::new();
    desk.card_sale(1, 50_000);
    for number in 2..=LAST_SALES_KEPT as u128 {
        desk.heard_card_sale(number, 60_000);
    }
    desk.sells(sell(20, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))), "its customer would be charged twice");
    desk.does(Event::Answered { payment: id(1) });
    desk.card_sale(21, 50_000);
    assert_eq!(desk.t.register.last_sales.len(), LAST_SALES_KEPT);
}

#[test]
fn an_unanswered_card_sale_is_found_again_though_the_wall_clock_stepped_and_an_answered_one_is_not() {
    let mut desk = Desk::new();
    desk.card_sale(1, 50_000);
    desk.at_ms += 899_000;
    desk.sells(sell(2, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))));
    desk.t.sales_ended_monotonic_ms.clear();
    std::sync::Arc::make_mut(desk.t.payments.get_mut(&id(1)).unwrap()).updated_ms = 0;
    desk.does(Event::Started);
    desk.does(Event::PinpadUp);
    desk.sells(sell(2, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))), "a restart, and a wall clock that jumped");
    desk.does(Event::Answered { payment: id(1) });
    desk.sells(sell(3, Method::Humo, 50_000, None));
    assert_eq!(desk.about(), Some(Subject::Payment(id(3))));
}

#[test]
fn a_receipt_of_a_sale_in_doubt_is_held_and_goes_with_its_end() {
    for (end, state, fiscal) in [
        (approved(Some("7")), ConfirmationState::Queued, Fiscal::Queued),
        (approved(None), ConfirmationState::Parked, Fiscal::Parked),
        (refused(), ConfirmationState::Withdrawn, Fiscal::None),
    ] {
        let mut desk = Desk::new();
        desk.sells(sell(1, Method::Click, 50_000, Some(CODE)));
        assert!(matches!(desk.tries(confirm(1, receipt(2421))), Err(Denial::WrongState { .. })));
        desk.answers(1, unclear());
        desk.does(confirm(1, receipt(2421)));
        desk.answers(1, end);
        assert_eq!((desk.payment(1).confirmations[0].state, desk.payment(1).fiscal), (state, fiscal));
    }
}

#[test]
fn a_receipt_withdrawn_with_its_sale_is_queued_again_when_the_money_came_after_all() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, Some(CODE)));
    desk.answers(1, unclear());
    desk.does(confirm(1, receipt(2421)));
    desk.answers(1, refused());
    desk.answers(1, approved(Some("7")));
    assert_eq!(desk.payment(1).fiscal, Fiscal::Owed);
    desk.does(confirm(1, receipt(2421)));
    assert_eq!(desk.payment(1).fiscal, Fiscal::Queued);
    assert!(matches!(desk.tries(confirm(1, receipt(2422))), Err(Denial::ReceiptDiffers { .. })));
}

#[test]
fn a_restart_cancels_a_wait_for_a_scan_and_doubts_whatever_may_have_been_sent() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 60_000, Some(CODE)));
    desk.sells(sell(2, Method::Click, 50_000, None));
    desk.t.pinpad.at = None;
    desk.does(Event::Started);
    assert_eq!(*desk.state(1), State::InDoubt { why: Doubt::Restart });
    assert_eq!(*desk.state(2), State::Cancelled { by: CancelledBy::Restart });
    assert!(desk.last.effects.contains(&Effect::Settled(Subject::Payment(id(2)))), "whoever waits for it hears it");
    let mut desk = Desk::new();
    desk.sells(sell(3, Method::Humo, 50_000, None));
    desk.t.pinpad.at = None;
    desk.does(Event::Started);
    assert_eq!(*desk.state(3), State::InDoubt { why: Doubt::Restart });
    desk.does(Event::PinpadUp);
    assert!(matches!(desk.last.effects[..], [Effect::PinpadRecover { card_presented: false, .. }]));
}

#[test]
fn not_sent_ends_no_doubt_and_the_next_sale_of_the_same_amount_warns() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, Some(CODE)));
    desk.answers(1, unclear());
    desk.answers(1, Outcome::NotSent { text: "no route".into() });
    assert_eq!(desk.state(1).name(), "in_doubt");
    desk.sells(sell(2, Method::Click, 50_000, None));
    assert_eq!(desk.payment(2).warned_of, Some(id(1)));
}
