//! A code that the customer showed while a card is asked for: held, unsent, and in use.

use super::order::{PAYME, accept, ask, auto, charges, create};
use super::*;
use crate::payment::order::{Asked, CancelReason};
use crate::payment::terminal::Lookup;

#[test]
fn in_auto_a_code_is_held_until_the_pinpad_has_ended_without_money() {
    let mut desk = auto();
    desk.does(Event::Scanned { text: CODE.into() });
    assert_eq!((desk.state(1), charges(&desk)), (&State::AwaitingPayer, 0));
    assert!(desk.last.effects.iter().any(|e| matches!(e, Effect::PinpadCancel { .. })));
    for text in [PAYME, CODE] {
        desk.does(Event::Scanned { text: text.into() });
        assert_eq!((&desk.t.notice, charges(&desk)), (&None, 0), "one code is enough, and it was not used before");
    }
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.state(1), charges(&desk)), (&State::BankProcessing, 1));
    assert_eq!((desk.payment(1).method, desk.payment(1).code.as_deref()), (Method::Click, Some(CODE)));
    desk.answers(1, Outcome::Approved(Approval::default()));
    assert_eq!((desk.state(1), desk.payment(1).fiscal), (&State::Paid, Fiscal::Owed));
    assert_eq!(desk.t.open_jobs().count(), 0, "the PinPad is asked nothing about it");
}

#[test]
fn in_auto_a_held_code_is_in_use_the_same_amount_finds_its_payment_and_another_is_refused() {
    let mut desk = auto();
    desk.does(create(2, Some(Method::Click), 50_000));
    desk.does(Event::Scanned { text: CODE.into() });
    desk.sells(sell(3, Method::Click, 50_000, Some(CODE)));
    assert_eq!((desk.about(), charges(&desk)), (Some(Subject::Payment(id(1))), 0));
    for event in [Event::Sell(sell(4, Method::Click, 50_100, Some(CODE))), accept(2, Some(CODE))] {
        assert_eq!(desk.tries(event), Err(Denial::CodeUsed { by: id(1) }));
    }
    // Whoever found it by the code and hung up has called nothing off.
    desk.does(Event::TillGone { payment: id(1) });
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.payment(1).code.as_deref(), charges(&desk)), (Some(CODE), 1));
    desk.answers(1, Outcome::Approved(Approval::default()));
    assert_eq!(desk.tries(accept(2, Some(CODE))), Err(Denial::CodeUsed { by: id(1) }));
}

#[test]
fn in_auto_a_held_code_that_will_not_be_charged_is_free() {
    let mut desk = auto();
    desk.does(Event::Scanned { text: CODE.into() });
    desk.does(ask(1, "cancel", Asked::Cancel { reason: CancelReason::CustomerRequest }));
    desk.sells(sell(2, Method::Click, 50_000, Some(CODE)));
    assert_eq!((desk.state(2), charges(&desk)), (&State::BankProcessing, 1));
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.state(1).name(), charges(&desk)), ("cancelled", 0));
}

#[test]
fn in_auto_a_held_code_that_has_paid_elsewhere_meanwhile_is_dropped_and_the_wait_goes_on() {
    let mut desk = Desk::new();
    desk.t.pinpad.learned = true;
    desk.sells(sell(9, Method::Click, 70_000, Some(CODE)));
    desk.answers(9, unclear());
    desk.answers(9, refused());
    desk.t.forget_finished();
    desk.does(create(1, None, 50_000));
    desk.does(accept(1, None));
    desk.does(Event::Scanned { text: CODE.into() });
    let finished = Event::PinpadFinished { run: desk.run.unwrap(), end: RunEnd::Ended };
    let code = Lookup::Code(Method::Click, CODE.into());
    assert!(super::super::lookups(&desk.t, &finished).contains(&code), "the guard has to see what has left memory");

    let mut paid = Payment::new(id(9), Method::Click, sums(70_000), 0);
    (paid.state, paid.code) = (State::Paid, Some(CODE.into()));
    desk.t.adopt(paid);
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.state(1), charges(&desk)), (&State::AwaitingPayer, 0));
    assert_eq!(desk.t.notice.as_ref().map(|n| &n.1), Some(&Notice::ScanUsed));
    assert!(desk.at(1_000, 7), "a card is asked for again");
    desk.does(Event::Scanned { text: PAYME.into() });
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.payment(1).method, charges(&desk)), (Method::Payme, 1));
}

#[test]
fn in_auto_a_held_code_is_dropped_where_a_card_paid_or_nobody_knows() {
    let mut desk = auto();
    desk.does(Event::Scanned { text: CODE.into() });
    desk.says(Said::CardPresented);
    desk.prints(slip(50_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!((desk.state(1), charges(&desk), desk.payment(1).method), (&State::Paid, 0, Method::Humo));

    let mut desk = auto();
    desk.does(Event::Scanned { text: CODE.into() });
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    assert_eq!((desk.state(1).name(), charges(&desk)), ("in_doubt", 0));
    assert_eq!(desk.payment(1).code, None);

    let mut desk = auto();
    desk.does(Event::Scanned { text: CODE.into() });
    desk.does(ask(1, "cancel", Asked::Cancel { reason: CancelReason::CustomerRequest }));
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.state(1).name(), charges(&desk)), ("cancelled", 0), "called off is called off");
}

#[test]
fn in_auto_a_card_that_is_turned_down_with_a_code_at_hand_leaves_the_money_to_the_code() {
    let mut desk = auto();
    desk.does(Event::Scanned { text: PAYME.into() });
    desk.says(Said::CardPresented);
    assert_eq!(*desk.state(1), State::BankProcessing);
    desk.ends(Some(ResultClass::Declined));
    assert_eq!((desk.payment(1).method, charges(&desk)), (Method::Payme, 1));
}
