//! Codes that the terminal shows: what QRManager says in any order, what becomes of a cancelled code's money, and that no sticker is left live.

use super::*;
use crate::payment::event::RegisterLink;
use crate::payment::sbp::{
    CodeOutcome, LinkOutcome, LinkState, QrCode, QrStatus, RefundOutcome, SbpAsk, SbpHeard, SbpOrder,
};

const STICKER: &str = "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44";

fn kopecks(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Rub)
}

fn qr_terminals() -> Desk {
    let mut desk = Desk::new();
    let policy = std::sync::Arc::make_mut(&mut desk.t.policy);
    policy.sbp = [("main".to_owned(), Some(crate::payment::sbp::Ofd::Atol)), ("bare".to_owned(), None)].into();
    policy.sbp_open_max = 8;
    desk
}

fn ask(number: u128, profile: &str) -> Sell {
    let asked = SbpAsk { profile: profile.to_owned(), ..SbpAsk::default() };
    Sell { amount: kopecks(10_000), sbp: Some(Box::new(asked)), ..sell(number, Method::Sbp, 0, None) }
}

fn at_the_sticker(number: u128) -> Sell {
    let asked = SbpAsk { profile: "main".to_owned(), cash_link: true, ..SbpAsk::default() };
    Sell { sbp: Some(Box::new(asked)), ..ask(number, "main") }
}

fn code(number: u128) -> QrCode {
    let link = format!("https://qr.nspk.ru/{number}");
    QrCode { operation_id: format!("op{number}"), number: format!("4316-{number:04}"), link, params_id: None }
}

impl Desk {
    fn hears(&mut self, heard: SbpHeard) {
        self.does(Event::Sbp(heard));
    }

    fn gets(&mut self, number: u128, outcome: CodeOutcome) {
        self.hears(SbpHeard::Code { payment: id(number), outcome });
    }

    /// A sale whose code is on the display.
    fn shows(&mut self, sale: Sell) {
        let number = sale.id.0.as_u128();
        self.sells(sale);
        self.gets(number, CodeOutcome::Made(code(number)));
    }

    fn told(&mut self, number: u128, status: QrStatus) {
        self.hears(SbpHeard::Status { payment: id(number), status, last: false });
    }

    fn ordered(&self) -> Vec<&SbpOrder> {
        self.last
            .effects
            .iter()
            .filter_map(|effect| if let Effect::Sbp(order) = effect { Some(order) } else { None })
            .collect()
    }

    fn stands(&self, number: u128) -> State {
        self.payment(number).state.clone()
    }

    fn watched(&self, number: u128) -> bool {
        self.payment(number).sbp.as_ref().unwrap().is_watched()
    }

    fn link(&self) -> &LinkState {
        &self.t.register.cash_links["main"].state
    }

    fn registers(&mut self) {
        let wish = RegisterLink { profile: "main".into(), size: None, qrc_id: None, known: None };
        self.does(Event::RegisterLink(wish));
        let outcome = LinkOutcome::Registered { id: STICKER.into(), link: "https://qr.nspk.ru/sticker".into() };
        self.hears(SbpHeard::LinkRegistered { profile: "main".into(), outcome });
    }

    fn gives_back(&mut self, refund: u128, of: u128, minor: i64) -> Result<(), Denial> {
        self.tries(Event::GiveBack(GiveBack {
            id: RefundId(Uuid::from_u128(refund)),
            run: RunId(Uuid::from_u128(refund)),
            of: SaleRef::Payment(id(of)),
            amount: kopecks(minor),
            token: None,
        }))
    }

    fn bank_says(&mut self, of: u128, refund: u128, outcome: RefundOutcome) {
        self.hears(SbpHeard::Refund { payment: id(of), refund: RefundId(Uuid::from_u128(refund)), outcome });
    }

    fn refund_state(&self, of: u128, refund: u128) -> RefundState {
        self.payment(of).refund(RefundId(Uuid::from_u128(refund))).unwrap().state.clone()
    }
}

#[test]
fn a_code_is_asked_for_shown_watched_and_paid_with_its_debt() {
    let mut desk = qr_terminals();
    desk.sells(ask(1, "main"));
    assert!(matches!(desk.ordered()[..], [SbpOrder::Open { .. }]));
    desk.gets(1, CodeOutcome::Made(code(1)));
    assert!(matches!(desk.ordered()[..], [SbpOrder::Watch { .. }]));
    assert!(desk.last.effects.contains(&Effect::Settled(Subject::Code(id(1)))), "the till may have the link now");
    assert_eq!(desk.stands(1), State::AwaitingPayer);
    desk.told(1, QrStatus::Paid);
    assert_eq!((desk.stands(1), desk.payment(1).late), (State::Paid, false));
    assert_eq!(desk.payment(1).fiscal, Fiscal::Owed);
    assert_eq!(desk.payment(1).approval.as_ref().unwrap().payment_id.as_deref(), Some("op1"));
    assert!(matches!(desk.ordered()[..], [SbpOrder::Unwatch { .. }]));
}

#[test]
fn a_qr_terminal_without_receipts_owes_none() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "bare"));
    desk.told(1, QrStatus::Paid);
    assert_eq!(desk.payment(1).fiscal, Fiscal::NotRequired);
}

#[test]
fn an_unknown_qr_terminal_is_named_in_the_refusal() {
    let mut desk = qr_terminals();
    let denial = desk.tries(Event::Sell(ask(1, "other"))).unwrap_err();
    assert!(denial.to_string().contains("[qrm.other]"), "{denial}");
}

#[test]
fn statuses_twice_and_in_any_order_change_nothing_more() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    for status in [QrStatus::Unknown, QrStatus::Created, QrStatus::Pending, QrStatus::Pending] {
        desk.told(1, status);
        assert!(desk.last.facts.is_empty(), "{status:?} is no news");
    }
    desk.told(1, QrStatus::AttemptFailed);
    assert_eq!(desk.last.facts.len(), 1);
    desk.told(1, QrStatus::AttemptFailed);
    assert!(desk.last.facts.is_empty());
    assert_eq!(desk.stands(1), State::AwaitingPayer, "an attempt is not the code");
    desk.told(1, QrStatus::Paid);
    for status in [QrStatus::Pending, QrStatus::Expired, QrStatus::AttemptFailed, QrStatus::Paid] {
        desk.told(1, status);
        assert!(desk.last.facts.is_empty() && desk.ordered().is_empty(), "{status:?} after the end");
    }
    assert_eq!(desk.stands(1), State::Paid);
}

#[test]
fn money_that_comes_after_a_cancel_makes_the_sale_paid_late() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.does(Event::Cancel { payment: Some(id(1)), operator: false });
    assert_eq!(desk.stands(1), State::Cancelled { by: CancelledBy::Till });
    assert!(desk.watched(1) && !desk.payment(1).may_leave_memory(), "the code is out in the world");
    desk.told(1, QrStatus::Paid);
    assert_eq!((desk.stands(1), desk.payment(1).late, desk.watched(1)), (State::Paid, true, false));
}

#[test]
fn a_code_that_was_called_off_before_anybody_saw_it_needs_no_watch() {
    let mut desk = qr_terminals();
    desk.sells(ask(1, "main"));
    desk.does(Event::TillGone { payment: id(1) });
    desk.gets(1, CodeOutcome::Made(code(1)));
    assert!(!desk.watched(1) && desk.ordered().is_empty());
}

#[test]
fn only_the_providers_word_ends_a_code() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.at_ms += 86_400_000;
    desk.does(Event::Tick { run: RunId(Uuid::nil()) });
    assert_eq!(desk.stands(1), State::AwaitingPayer);
    desk.told(1, QrStatus::Expired);
    assert_eq!((desk.stands(1), desk.watched(1)), (State::Expired, false));
}

#[test]
fn at_the_end_of_the_watch_a_failed_attempt_is_the_end_and_silence_is_a_doubt() {
    let mut desk = qr_terminals();
    for (number, status) in [(1, QrStatus::AttemptFailed), (2, QrStatus::Unknown), (3, QrStatus::Pending)] {
        desk.shows(Sell { display: false, ..ask(number, "main") });
        desk.hears(SbpHeard::Status { payment: id(number), status, last: true });
    }
    assert_eq!((desk.stands(1), desk.watched(1)), (State::Expired, false));
    for number in [2, 3] {
        assert!(matches!(desk.stands(number), State::InDoubt { .. }) && desk.watched(number), "it is asked about");
    }
    desk.told(2, QrStatus::Expired);
    assert!(matches!(desk.stands(2), State::Declined(decline) if decline.why == DeclineKind::Absent));
    desk.told(3, QrStatus::Paid);
    assert_eq!(desk.stands(3), State::Paid);
}

#[test]
fn money_that_went_back_before_it_was_seen_is_for_a_person_to_look_into() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.told(1, QrStatus::Refunded);
    assert!(matches!(desk.stands(1), State::InDoubt { .. }));
    assert!(!desk.watched(1), "nothing more will be said");
}

#[test]
fn a_lost_answer_to_a_code_is_harmless_and_one_that_was_never_sent_too() {
    let mut desk = qr_terminals();
    for (number, outcome, kind) in [
        (1, CodeOutcome::Lost { text: "cut".into() }, DeclineKind::Absent),
        (2, CodeOutcome::NotSent { text: "no route".into() }, DeclineKind::NotSent),
    ] {
        desk.sells(ask(number, "main"));
        desk.gets(number, outcome);
        assert!(matches!(desk.stands(number), State::Declined(decline) if decline.why == kind));
        assert!(desk.last.effects.contains(&Effect::Settled(Subject::Code(id(number)))));
    }
}

#[test]
fn codes_beside_the_display_are_many_but_bounded() {
    let mut desk = qr_terminals();
    let of = |till: &str, number: u128| {
        let token = Some(Token { key: format!("{till}/sale{number}"), digest: "d".into() });
        Sell { display: false, token, ..ask(number, "main") }
    };
    for number in 1..=4 {
        desk.shows(of("a", number));
        desk.does(Event::Cancel { payment: Some(id(number)), operator: false });
    }
    assert!(!desk.t.is_full_of_codes(), "another till is sold one");
    let refused = desk.tries(Event::Sell(of("a", 5)));
    assert_eq!(refused, Err(Denial::CodesOpen { count: 4 }), "a code that was called off can still be paid");
    for (till, number) in [("b", 6), ("b", 7), ("c", 8)] {
        desk.shows(of(till, number));
    }
    assert_eq!(desk.tries(Event::Sell(of("b", 9))), Err(Denial::CodesOpen { count: 2 }), "its share is smaller now");
    desk.shows(of("d", 10));
    assert!(desk.t.is_full_of_codes());
    assert_eq!(desk.tries(Event::Sell(of("e", 11))), Err(Denial::CodesOpen { count: 0 }));
    for number in 1..=4 {
        desk.told(number, QrStatus::Expired);
    }
    desk.shows(of("a", 5));
}

#[test]
fn a_restart_watches_every_open_code_and_shows_none_before_it_is_known_to_be_payable() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.sells(Sell { display: false, ..ask(2, "main") });
    desk.does(Event::Started);
    assert!(matches!(desk.ordered()[..], [SbpOrder::Watch { payment }] if payment.id == id(1)));
    assert_eq!(desk.stands(1), State::AwaitingPayer);
    assert_eq!(desk.stands(2), State::Cancelled { by: CancelledBy::Restart }, "nobody has seen its code");
    assert!(desk.t.stale_codes.contains(&id(1)));
    desk.told(1, QrStatus::Unknown);
    assert!(desk.t.stale_codes.contains(&id(1)), "unknown is no word that it can be paid");
    desk.told(1, QrStatus::Pending);
    assert!(!desk.t.stale_codes.contains(&id(1)));
    desk.hears(SbpHeard::Silent { payment: id(1) });
    assert!(desk.t.stale_codes.contains(&id(1)));
}

#[test]
fn refunds_go_in_parts_and_never_above_what_was_paid() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    assert!(matches!(desk.gives_back(50, 1, 4_000), Err(Denial::WrongState { .. })), "nothing was paid yet");
    desk.told(1, QrStatus::Paid);
    desk.gives_back(51, 1, 4_000).unwrap();
    assert!(matches!(desk.ordered()[..], [SbpOrder::Refund { .. }]));
    assert!(matches!(desk.gives_back(52, 1, 6_001), Err(Denial::RefundTooMuch { .. })));
    desk.bank_says(1, 51, RefundOutcome::Accepted { request_id: "BR1".into() });
    assert!(matches!(desk.ordered()[..], [SbpOrder::AskRefund { .. }]));
    assert!(
        desk.last.effects.iter().any(|e| matches!(e, Effect::Settled(Subject::Refund(..)))),
        "the till hears of it"
    );
    desk.bank_says(1, 51, RefundOutcome::Done);
    assert_eq!((desk.refund_state(1, 51), desk.stands(1)), (RefundState::Done, State::Paid));
    desk.gives_back(53, 1, 6_000).unwrap();
    desk.bank_says(1, 53, RefundOutcome::Done);
    assert_eq!(desk.stands(1), State::Refunded);
}

#[test]
fn a_lost_answer_to_a_refund_is_asked_about_and_never_sent_again() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.told(1, QrStatus::Paid);
    desk.gives_back(51, 1, 10_000).unwrap();
    desk.bank_says(1, 51, RefundOutcome::InDoubt { text: "cut".into() });
    assert!(matches!(desk.ordered()[..], [SbpOrder::AskRefund { .. }]));
    assert!(matches!(desk.gives_back(52, 1, 1), Err(Denial::RefundTooMuch { .. })), "it may be on its way");
    desk.bank_says(1, 51, RefundOutcome::NotSent { text: "late".into() });
    assert!(matches!(desk.refund_state(1, 51), RefundState::InDoubt { .. }), "it was sent, or there were no doubt");
    desk.does(Event::Started);
    assert!(desk.ordered().iter().all(|order| !matches!(order, SbpOrder::Refund { .. })));
    assert!(desk.ordered().iter().any(|order| matches!(order, SbpOrder::AskRefund { .. })));
    desk.bank_says(1, 51, RefundOutcome::Done);
    assert_eq!(desk.stands(1), State::Refunded);
}

#[test]
fn an_operator_ends_the_doubt_of_a_refund_without_any_pinpad() {
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.told(1, QrStatus::Paid);
    desk.gives_back(51, 1, 10_000).unwrap();
    desk.bank_says(1, 51, RefundOutcome::InDoubt { text: "cut".into() });
    let (name, reason) = ("anna".to_owned(), "seen in QRManager".to_owned());
    desk.does(Event::Resolve { payment: id(1), verdict: Verdict::Absent, name, reason, evidence: None });
    assert!(matches!(desk.refund_state(1, 51), RefundState::Refused(_)));
}

#[test]
fn a_sticker_is_registered_once_and_serves_one_sale_at_a_time() {
    let mut desk = qr_terminals();
    assert!(matches!(desk.tries(Event::Sell(at_the_sticker(9))), Err(Denial::CashLink { state: "none", .. })));
    desk.registers();
    desk.does(Event::RegisterLink(RegisterLink { profile: "main".into(), size: None, qrc_id: None, known: None }));
    assert!(desk.ordered().is_empty(), "it is registered");
    desk.shows(at_the_sticker(1));
    assert_eq!(*desk.link(), LinkState::Active { payment: id(1) });
    let second = Sell { display: false, ..at_the_sticker(2) };
    assert_eq!(desk.tries(Event::Sell(second)), Err(Denial::Busy { with: id(1) }));
    desk.told(1, QrStatus::Paid);
    assert_eq!(*desk.link(), LinkState::Idle, "a paid link is deactivated by itself");
}

#[test]
fn a_sticker_is_deactivated_after_a_cancel_and_blocked_until_that_is_confirmed() {
    let mut desk = qr_terminals();
    desk.registers();
    desk.shows(at_the_sticker(1));
    desk.does(Event::Cancel { payment: None, operator: false });
    assert!(matches!(desk.ordered()[..], [SbpOrder::DeactivateLink { .. }]));
    assert!(matches!(desk.tries(Event::Sell(at_the_sticker(2))), Err(Denial::CashLink { state: "deactivating", .. })));
    // Somebody was quicker: the money is there, and the link stays blocked until its deactivation is confirmed.
    desk.told(1, QrStatus::Paid);
    assert_eq!((desk.stands(1), desk.payment(1).late), (State::Paid, true));
    assert_eq!(*desk.link(), LinkState::Deactivating { payment: id(1) });
    desk.hears(SbpHeard::LinkDeactivated { profile: "main".into() });
    desk.shows(at_the_sticker(2));
    assert_eq!(*desk.link(), LinkState::Active { payment: id(2) });
    desk.told(2, QrStatus::Expired);
    assert_eq!(*desk.link(), LinkState::Deactivating { payment: id(2) });
}

#[test]
fn a_lost_activation_is_a_doubt_and_its_sticker_is_deactivated_before_anything_else() {
    let mut desk = qr_terminals();
    desk.registers();
    desk.sells(at_the_sticker(1));
    desk.gets(1, CodeOutcome::Lost { text: "cut".into() });
    assert!(matches!(desk.stands(1), State::InDoubt { .. }));
    assert!(matches!(desk.ordered()[..], [SbpOrder::DeactivateLink { .. }]));
    assert_eq!(*desk.link(), LinkState::Deactivating { payment: id(1) });
    desk.does(Event::Started);
    assert!(
        desk.ordered().iter().any(|order| matches!(order, SbpOrder::DeactivateLink { .. })),
        "again after a restart"
    );
}

#[test]
fn a_cancel_during_the_activation_waits_for_its_answer_and_then_deactivates() {
    let mut desk = qr_terminals();
    desk.registers();
    desk.sells(at_the_sticker(1));
    desk.does(Event::Cancel { payment: None, operator: false });
    assert_eq!(*desk.link(), LinkState::Activating { payment: id(1) });
    desk.gets(1, CodeOutcome::Made(code(1)));
    assert_eq!(*desk.link(), LinkState::Deactivating { payment: id(1) });
    assert!(desk.watched(1), "it was live for a moment");
}

#[test]
fn a_refused_activation_leaves_the_sticker_free() {
    let mut desk = qr_terminals();
    desk.registers();
    desk.sells(at_the_sticker(1));
    let decline = Decline { why: DeclineKind::Refused, code: None, message: Some("no".into()) };
    desk.gets(1, CodeOutcome::Refused(decline));
    assert_eq!(*desk.link(), LinkState::Idle);
}

#[test]
fn no_sticker_outlives_a_restart_as_active() {
    let mut desk = qr_terminals();
    desk.registers();
    desk.shows(at_the_sticker(1));
    desk.does(Event::Started);
    assert_eq!(*desk.link(), LinkState::Deactivating { payment: id(1) });
    assert_eq!(desk.stands(1), State::Cancelled { by: CancelledBy::Restart });
    assert!(desk.watched(1), "late money is seen");
}

#[test]
fn a_registration_whose_answer_was_lost_is_never_repeated_but_named_by_a_person() {
    let mut desk = qr_terminals();
    let wish = RegisterLink { profile: "main".into(), size: None, qrc_id: None, known: None };
    desk.does(Event::RegisterLink(wish.clone()));
    desk.does(Event::Started);
    assert!(matches!(desk.link(), LinkState::RegistrationInDoubt { .. }));
    assert!(matches!(desk.tries(Event::RegisterLink(wish.clone())), Err(Denial::CashLink { .. })));
    let known = Some((STICKER.to_owned(), "https://qr.nspk.ru/sticker".to_owned()));
    desk.does(Event::RegisterLink(RegisterLink { known, ..wish }));
    assert_eq!(*desk.link(), LinkState::Idle);
}

#[test]
fn a_receipt_has_to_be_of_the_right_operator_and_sum() {
    use crate::payment::fiscal::ElectronicReceipt;
    use crate::payment::sbp::Ofd;
    let mut desk = qr_terminals();
    desk.shows(ask(1, "main"));
    desk.told(1, QrStatus::Paid);
    let receipt = |ofd, minor| {
        Receipt::Electronic(ElectronicReceipt {
            ofd,
            total: kopecks(minor),
            digest: "d".into(),
            body: Private(Some("{}".into())),
        })
    };
    let confirm = |receipt| Event::Confirm(Confirm { method: Method::Sbp, of: SaleRef::Payment(id(1)), receipt });
    for wrong in [receipt(Ofd::OfdRu, 10_000), receipt(Ofd::Atol, 9_999), super::receipt(1)] {
        assert!(matches!(desk.tries(confirm(wrong)), Err(Denial::ReceiptRefused { .. })));
    }
    desk.does(confirm(receipt(Ofd::Atol, 10_000)));
    assert_eq!(desk.payment(1).fiscal, Fiscal::Queued);
    let outcome = crate::payment::event::Delivery::Pending { text: "wait".into() };
    desk.does(Event::Delivered { payment: id(1), number: 1, outcome, jitter_permille: 0 });
    assert!(desk.payment(1).confirmation().unwrap().registered_ms.is_some(), "it is asked about, not sent again");
}
