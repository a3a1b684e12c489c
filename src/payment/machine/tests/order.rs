use super::*;
use crate::payment::order::{Accept, Ask, Asked, CancelReason, Create, Terms, Wished};
use crate::payment::sbp::SbpAsk;

pub(super) const PAYME: &str = "50501010793410803298";

fn terms(method: Option<Method>, minor: i64) -> Terms {
    let sbp = (method == Some(Method::Sbp)).then(|| Box::new(SbpAsk { profile: "main".into(), ..SbpAsk::default() }));
    let method_id = method.map_or("auto", Method::name).to_owned();
    Terms { method, method_id, amount: sums(minor), sbp }
}

fn token(key: &str) -> Token {
    Token { key: key.into(), digest: "d".into() }
}

pub(super) fn create(number: u128, method: Option<Method>, minor: i64) -> Event {
    Event::Create(Box::new(Create {
        id: id(number),
        terms: terms(method, minor),
        token: token(&format!("create{number}")),
        order_id: None,
        sender_id: "guest".into(),
        recipient_id: "desk".into(),
    }))
}

pub(super) fn ask(number: u128, key: &str, what: Asked) -> Event {
    Event::Ask(Box::new(Ask { payment: id(number), token: token(key), what }))
}

pub(super) fn accept(number: u128, code: Option<&str>) -> Event {
    let run = RunId(Uuid::from_u128(1_000 + number));
    ask(number, &format!("accept{number}"), Asked::Accept(Accept { run, code: code.map(str::to_owned), display: true }))
}

pub(super) fn charges(desk: &Desk) -> usize {
    desk.last.effects.iter().filter(|e| matches!(e, Effect::Charge { .. })).count()
}

/// The desk with a payment that takes whatever the customer shows, and asks for a card.
pub(super) fn auto() -> Desk {
    let mut desk = Desk::new();
    desk.t.pinpad.learned = true;
    desk.does(create(1, None, 50_000));
    desk.does(accept(1, None));
    assert_eq!(*desk.state(1), State::AwaitingPayer);
    assert!(desk.run.is_some());
    desk
}

#[test]
fn a_created_payment_asks_nobody_and_keeps_no_customer_out() {
    let mut desk = Desk::new();
    desk.does(create(1, Some(Method::Humo), 50_000));
    assert_eq!((desk.state(1), &desk.last.effects), (&State::Created, &Vec::new()));
    desk.sells(sell(2, Method::Humo, 70_000, None));
    assert_eq!(*desk.state(2), State::AwaitingPayer);
    assert!(matches!(desk.tries(accept(1, None)), Err(Denial::Busy { with }) if with == id(2)));
    assert_eq!(*desk.state(1), State::Created);
}

#[test]
fn an_accepted_payment_is_a_sale_like_any_other() {
    let mut desk = Desk::new();
    desk.does(create(1, Some(Method::Click), 50_000));
    desk.does(accept(1, Some(CODE)));
    assert_eq!((desk.state(1), charges(&desk)), (&State::BankProcessing, 1));
    desk.answers(1, Outcome::Approved(Approval::default()));
    assert_eq!((desk.state(1), desk.payment(1).fiscal), (&State::Paid, Fiscal::Owed));

    desk.does(create(2, Some(Method::Humo), 60_000));
    desk.does(accept(2, None));
    desk.says(Said::CardPresented);
    desk.prints(slip(60_000, 2));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!((desk.state(2), desk.payment(2).fiscal), (&State::Paid, Fiscal::NotRequired));
}

#[test]
fn a_repeated_request_finds_the_first_and_another_one_under_its_token_is_refused() {
    let mut desk = Desk::new();
    desk.does(create(1, Some(Method::Click), 50_000));
    desk.does(create(1, Some(Method::Click), 50_000));
    assert_eq!(desk.about(), Some(Subject::Payment(id(1))));
    assert!(desk.last.facts.is_empty());
    desk.does(accept(1, Some(CODE)));
    desk.does(accept(1, Some(CODE)));
    assert_eq!((desk.about(), charges(&desk)), (Some(Subject::Payment(id(1))), 0));

    let other = Token { key: "accept1".into(), digest: "other".into() };
    let reason = CancelReason::Other;
    let again = Ask { payment: id(1), token: other, what: Asked::Cancel { reason } };
    assert!(matches!(desk.tries(Event::Ask(Box::new(again))), Err(Denial::TokenReused { of }) if of == id(1)));
    assert!(matches!(
        desk.tries(ask(1, "create1", Asked::Cancel { reason })),
        Err(Denial::TokenReused { of }) if of == id(1)
    ));
    let sale = Sell { token: Some(token("accept1")), ..sell(3, Method::Click, 50_000, Some("other")) };
    assert!(matches!(desk.tries(Event::Sell(sale)), Err(Denial::TokenReused { of }) if of == id(1)));
}

#[test]
fn only_a_payment_that_is_not_accepted_is_edited_and_only_one_before_the_bank_is_cancelled() {
    let mut desk = Desk::new();
    desk.does(create(1, Some(Method::Click), 50_000));
    desk.does(ask(1, "edit1", Asked::Edit(terms(Some(Method::Payme), 70_000))));
    assert_eq!((desk.payment(1).amount, desk.payment(1).method), (sums(70_000), Method::Payme));
    desk.does(accept(1, Some(PAYME)));
    for (key, what) in [
        ("edit2", Asked::Edit(terms(None, 1))),
        ("cancel", Asked::Cancel { reason: CancelReason::TillError }),
        ("accept2", Asked::Accept(Accept { run: RunId(Uuid::from_u128(5)), code: None, display: true })),
    ] {
        assert!(matches!(desk.tries(ask(1, key, what)), Err(Denial::WrongState { state: "bank_processing", .. })));
    }
    desk.does(create(2, Some(Method::Click), 50_000));
    desk.does(ask(2, "cancel2", Asked::Cancel { reason: CancelReason::Duplicate }));
    assert_eq!(*desk.state(2), State::Cancelled { by: CancelledBy::Till });
    assert_eq!(desk.payment(2).wishes[0].what, Wished::Cancel { reason: CancelReason::Duplicate });
}

#[test]
fn what_nobody_accepts_ends_by_itself_and_the_oldest_first() {
    let mut desk = Desk::new();
    for number in 1..=5 {
        desk.does(create(number, Some(Method::Click), 50_000));
        desk.at_ms += 1_000;
    }
    assert_eq!(*desk.state(1), State::Cancelled { by: CancelledBy::TooMany });
    assert_eq!(*desk.state(2), State::Created);
    desk.does(accept(3, Some(CODE)));
    assert_eq!(desk.t.created_deadlines_monotonic_ms[&id(2)], 901_000);
    desk.at_ms = 902_000;
    desk.does(Event::Tick { run: RunId(Uuid::from_u128(9)) });
    assert_eq!(*desk.state(2), State::Cancelled { by: CancelledBy::Limit });
    assert_eq!((desk.state(3).name(), desk.state(4)), ("bank_processing", &State::Created));
}

#[test]
fn a_created_payment_outlives_a_restart_for_what_is_left_of_its_time() {
    let mut desk = Desk::new();
    desk.does(create(1, Some(Method::Click), 50_000));
    desk.at_ms = 300_000;
    desk.t.created_deadlines_monotonic_ms.clear();
    desk.does(Event::Started);
    assert_eq!((desk.state(1), desk.t.created_deadlines_monotonic_ms[&id(1)]), (&State::Created, 900_000));
    desk.does(accept(1, Some(CODE)));
    assert_eq!(*desk.state(1), State::BankProcessing);
}

#[test]
fn in_auto_a_card_pays_as_at_the_pinpad_alone() {
    let mut desk = auto();
    desk.says(Said::CardPresented);
    desk.prints(slip(50_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!((desk.state(1), desk.payment(1).method), (&State::Paid, Method::Humo));
}

#[test]
fn in_auto_the_wait_for_a_code_goes_on_when_no_card_came_and_ends_in_its_time() {
    let mut desk = auto();
    desk.at_ms = 30_000;
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.state(1), desk.t.scan_ends_monotonic_ms()), (&State::AwaitingPayer, Some(60_000)));
    let mut other = Desk { t: desk.t.clone(), at_ms: desk.at_ms, last: Decision::default(), run: None };
    other.does(Event::Scanned { text: CODE.into() });
    assert_eq!((other.state(1), charges(&other)), (&State::BankProcessing, 1));
    desk.at_ms = 60_000;
    desk.does(Event::Tick { run: RunId(Uuid::from_u128(9)) });
    assert_eq!(*desk.state(1), State::Expired);
}

impl Desk {
    /// The PinPad gives up by itself: no card came, and it says so.
    fn gives_up(&mut self) {
        self.ends(Some(ResultClass::Declined));
    }

    /// Time passes, and the machine looks up; the name of a run that it may begin.
    pub(super) fn at(&mut self, at_ms: u64, run: u128) -> bool {
        self.at_ms = at_ms;
        self.does(Event::Tick { run: RunId(Uuid::from_u128(run)) });
        self.last.effects.iter().any(|e| matches!(e, Effect::PinpadRun { order: PinpadOrder::Sale(_), .. }))
    }

    /// The PinPad was told to give up.
    fn took_back(&self) -> bool {
        self.last.effects.iter().any(|e| matches!(e, Effect::PinpadCancel { .. }))
    }
}

#[test]
fn in_auto_a_pinpad_that_gave_up_waiting_is_asked_again_and_the_card_that_comes_then_pays() {
    let mut desk = auto();
    desk.at_ms = 20_000;
    desk.gives_up();
    assert_eq!((desk.state(1), desk.t.next_tick_monotonic_ms()), (&State::AwaitingPayer, Some(21_000)));
    assert!(desk.at(21_000, 7), "a card is possible as long as the amount is shown");
    assert_eq!(desk.payment(1).run.as_ref().map(|run| run.id), Some(RunId(Uuid::from_u128(7))));
    desk.says(Said::CardPresented);
    desk.prints(slip(50_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!((desk.state(1), desk.payment(1).method, desk.payment(1).late), (&State::Paid, Method::Humo, false));
}

#[test]
fn in_auto_a_code_pays_between_two_runs_at_once_and_in_the_second_once_that_has_ended() {
    let mut desk = auto();
    desk.gives_up();
    desk.does(Event::Scanned { text: CODE.into() });
    assert_eq!((desk.state(1), charges(&desk)), (&State::BankProcessing, 1));
    assert!(!desk.at(5_000, 7), "nobody is asked for a card any more");

    let mut desk = auto();
    desk.gives_up();
    assert!(desk.at(1_000, 7));
    desk.does(Event::Scanned { text: CODE.into() });
    assert_eq!((charges(&desk), desk.took_back()), (0, true));
    desk.gives_up();
    assert_eq!((desk.payment(1).method, charges(&desk)), (Method::Click, 1));
    assert!(!desk.at(5_000, 8));
}

#[test]
fn in_auto_the_customers_time_ends_the_wait_for_a_card_too() {
    let mut desk = auto();
    desk.at_ms = 49_500;
    desk.gives_up();
    assert_eq!(desk.t.next_tick_monotonic_ms(), Some(60_000), "too little is left of it for a card");
    assert!(!desk.at(60_000, 7));
    assert_eq!(*desk.state(1), State::Expired);

    let mut desk = auto();
    assert_eq!(desk.t.next_tick_monotonic_ms(), Some(60_000));
    desk.at(60_000, 7);
    assert_eq!((desk.state(1), desk.took_back(), desk.t.next_tick_monotonic_ms()), (&State::AwaitingPayer, true, None));
    let mut other = Desk { t: desk.t.clone(), at_ms: desk.at_ms, last: Decision::default(), run: desk.run };
    desk.gives_up();
    assert_eq!(desk.t.next_tick_monotonic_ms(), Some(60_000));
    desk.at(60_001, 7);
    assert_eq!(*desk.state(1), State::Expired);
    // A card that was quicker than the word to give up.
    other.says(Said::CardPresented);
    other.prints(slip(50_000, 1));
    other.ends(Some(ResultClass::Approved));
    assert_eq!((other.state(1), other.payment(1).late), (&State::Paid, false));
}

#[test]
fn in_auto_a_pinpad_that_gives_up_at_once_is_not_asked_for_ever_and_one_with_its_red_key_pressed_not_again() {
    let mut desk = auto();
    for (at_ms, run) in [(1_000, 7), (2_000, 8)] {
        desk.gives_up();
        assert!(desk.at(at_ms, run));
    }
    desk.gives_up();
    assert_eq!(desk.t.next_tick_monotonic_ms(), Some(60_000), "three times are enough");
    assert_eq!(*desk.state(1), State::AwaitingPayer, "and the code may still come");

    let mut desk = auto();
    desk.ends(Some(ResultClass::Cancelled));
    assert_eq!((desk.state(1), desk.t.next_tick_monotonic_ms()), (&State::AwaitingPayer, Some(60_000)));
}

#[test]
fn in_auto_a_pinpad_that_comes_while_the_amount_is_shown_is_asked_for_a_card_once_its_doubts_are_settled() {
    let mut desk = Desk::new();
    desk.does(Event::PinpadDown { why: "the cable".into() });
    desk.does(create(1, None, 50_000));
    desk.does(accept(1, None));
    assert_eq!((&desk.payment(1).run, desk.t.next_tick_monotonic_ms()), (&None, Some(60_000)));
    desk.does(Event::PinpadUp);
    assert!(!desk.at(5_000, 7), "first it is asked what it did last");
    assert!(desk.last.effects.iter().any(|e| matches!(e, Effect::PinpadAsk { .. })));
    desk.ends(Some(ResultClass::NotFound));
    assert!(desk.at(6_000, 8));
    desk.does(Event::PinpadDown { why: "the cable".into() });
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    assert_eq!(desk.state(1).name(), "in_doubt", "a run that was cut is asked about, not begun again");
    assert!(!desk.at(10_000, 9));
}

#[test]
fn in_auto_a_pinpad_that_cannot_begin_leaves_the_wait_to_the_code_and_is_tried_again() {
    let mut desk = auto();
    desk.breaks(RunEnd::NotSent { why: "another dialogue".into() });
    assert_eq!(*desk.state(1), State::AwaitingPayer);
    assert!(desk.at(1_000, 7));
}

#[test]
fn a_card_sale_that_no_card_came_for_is_declined_as_ever() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.gives_up();
    assert!(matches!(desk.state(1), State::Declined(decline) if decline.why == DeclineKind::Refused));
    assert!(!desk.at(5_000, 7));
}

#[test]
fn in_auto_a_pinpad_that_is_away_leaves_the_codes_and_without_them_nothing() {
    let mut desk = Desk::new();
    desk.does(Event::PinpadDown { why: "the cable".into() });
    desk.does(create(1, None, 50_000));
    desk.does(accept(1, None));
    assert_eq!((desk.state(1), &desk.payment(1).run), (&State::AwaitingPayer, &None));
    desk.does(Event::Scanned { text: CODE.into() });
    assert_eq!((charges(&desk), desk.payment(1).method), (1, Method::Click));
    desk.answers(1, Outcome::Approved(Approval::default()));

    desk.does(create(2, Some(Method::Humo), 50_000));
    assert!(matches!(desk.tries(accept(2, None)), Err(Denial::PinpadAbsent { .. })));
}

#[test]
fn a_code_that_nobody_here_takes_money_for_is_refused_before_anything_is_sent() {
    let mut desk = Desk::new();
    desk.does(create(1, None, 50_000));
    desk.does(create(2, Some(Method::Humo), 50_000));
    for event in [accept(1, Some("what is this")), accept(2, Some(CODE))] {
        assert!(matches!(desk.tries(event), Err(Denial::CodeUnfit { .. })));
    }
    desk.sells(sell(3, Method::Click, 50_000, Some(CODE)));
    assert!(matches!(desk.tries(accept(1, Some(CODE))), Err(Denial::CodeUsed { by }) if by == id(3)));
    desk.does(accept(1, Some(PAYME)));
    assert_eq!((desk.payment(1).method, desk.state(1)), (Method::Payme, &State::BankProcessing));
}

#[test]
fn a_restart_in_auto_asks_the_pinpad_where_it_was_asked_and_cancels_where_only_a_code_was_awaited() {
    let mut desk = auto();
    desk.does(Event::Started);
    assert_eq!(desk.state(1).name(), "in_doubt");
    let mut desk = auto();
    desk.ends(Some(ResultClass::Cancelled));
    desk.does(Event::Started);
    assert_eq!(*desk.state(1), State::Cancelled { by: CancelledBy::Restart });
}

#[test]
fn what_is_not_paid_is_refused_a_refund_by_its_state_whoever_was_to_take_the_money() {
    let mut desk = Desk::new();
    desk.does(create(1, Some(Method::Click), 50_000));
    for (number, answer) in [(2, unclear()), (3, refused()), (4, approved(Some("7")))] {
        desk.sells(sell(number, Method::Payme, 50_000 + i64::try_from(number).unwrap(), Some(&format!("{number}"))));
        desk.answers(number, answer);
    }
    for (number, stands, says) in
        [(1, "created", "no money"), (2, "in_doubt", "nobody knows"), (3, "declined", "no money")]
    {
        match desk.tries(back(9, number, 50_000)) {
            Err(Denial::WrongState { state, hint, .. }) => {
                assert!(state == stands && hint.contains(says), "{state} {hint}")
            }
            other => panic!("{stands}: {other:?}"),
        }
    }
    assert_eq!(desk.tries(back(9, 4, 50_004)), Err(Denial::NotSupported { method: Method::Payme }));
}

/// A payment of 500 sums that this till creates.
fn created_by(till: &str, number: u128) -> Event {
    let Event::Create(mut made) = create(number, Some(Method::Click), 50_000) else { unreachable!() };
    made.token.key = format!("{till}/create{number}");
    Event::Create(made)
}

#[test]
fn a_till_that_creates_without_end_ends_its_own_oldest_and_nobody_elses() {
    let mut desk = Desk::new();
    desk.does(created_by("a", 1));
    for number in 2..=20 {
        desk.at_ms += 1;
        desk.does(created_by("b", number));
    }
    assert_eq!(*desk.state(1), State::Created, "another till has nothing to do with it");
    let waiting =
        |desk: &Desk| desk.t.payments.values().filter(|p| p.state == State::Created).map(|p| p.id).collect::<Vec<_>>();
    assert_eq!(waiting(&desk), [1, 17, 18, 19, 20].map(id));
    for (till, number) in [("c", 21), ("d", 22), ("a", 23)] {
        desk.at_ms += 1;
        desk.does(created_by(till, number));
    }
    assert_eq!(
        waiting(&desk),
        [1, 19, 20, 21, 22, 23].map(id),
        "all together are too many: whoever has most loses the oldest"
    );
}

#[test]
fn however_often_a_payment_was_changed_it_can_be_accepted_and_cancelled() {
    let edit = |desk: &mut Desk, number: i64| {
        let terms = terms(Some(Method::Humo), 50_000 + number);
        desk.tries(ask(1, &format!("edit{number}"), Asked::Edit(terms)))
    };
    for accepted in [false, true] {
        let mut desk = Desk::new();
        desk.does(create(1, Some(Method::Click), 50_000));
        let taken = (0..9).filter(|number| edit(&mut desk, *number).is_ok()).count();
        assert_eq!(taken, desk.t.policy.wishes_max - 2);
        assert!(matches!(edit(&mut desk, 10), Err(Denial::WrongState { hint, .. }) if hint.contains("too often")));
        if accepted {
            desk.does(accept(1, None));
            desk.does(accept(1, None));
        }
        let reason = CancelReason::TillError;
        for number in 0..9 {
            desk.does(ask(1, &format!("cancel{number}"), Asked::Cancel { reason }));
        }
        assert_eq!(*desk.state(1), State::Cancelled { by: CancelledBy::Till });
        assert_eq!(desk.payment(1).wishes.len(), desk.t.policy.wishes_max, "and what is remembered has a bound");
        desk.does(ask(1, "cancel0", Asked::Cancel { reason }));
        assert!(desk.last.facts.is_empty());
    }
}
