//! What the PinPad proves, and what it does not.

use std::sync::Arc;

use super::*;

#[test]
fn storerc_without_endtr_and_endtr_without_storerc_and_another_amount_are_in_doubt() {
    for (amount, class, end) in [
        (50_000, Some(ResultClass::Approved), RunEnd::Lost { why: "the cable".into() }),
        (50_000, None, RunEnd::Ended),
        (5_000_000, Some(ResultClass::Approved), RunEnd::Ended),
    ] {
        let mut desk = Desk::new();
        desk.sells(sell(1, Method::Humo, 50_000, None));
        desk.says(Said::CardPresented);
        desk.prints(slip(amount, 1));
        if let Some(class) = class {
            desk.says(Said::Result(RunResult { code: "00".into(), class }));
        }
        desk.breaks(end);
        assert_eq!(desk.state(1).name(), "in_doubt");
    }
}

#[test]
fn code_400_is_success_for_a_void_only() {
    let mut desk = Desk::new();
    desk.card_sale(1, 50_000);
    desk.does(back(9, 1, 50_000));
    assert!(desk.last.effects.iter().any(|e| matches!(e, Effect::PinpadRun { order: PinpadOrder::Void { .. }, .. })));
    desk.says(Said::CardPresented);
    desk.prints(Slip { cancelled: true, ..slip(50_000, 2) });
    desk.ends(Some(ResultClass::ApprovedForVoid));
    assert_eq!(*desk.state(1), State::Refunded);
    desk.sells(sell(3, Method::Humo, 60_000, None));
    desk.ends(Some(ResultClass::ApprovedForVoid));
    assert_eq!(desk.state(3).name(), "declined");
}

#[test]
fn a_pinpad_that_wakes_in_the_middle_of_a_run_loses_none_of_its_words() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.says(Said::CardPresented);
    desk.does(Event::PinpadUp);
    assert!(desk.last.effects.is_empty());
    desk.prints(slip(50_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!(*desk.state(1), State::Paid);
}

#[test]
fn the_last_transaction_proves_a_doubtful_sale_or_its_absence() {
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    desk.doubtful_sale(2, 50_000);
    assert!(matches!(desk.tries(Event::Sell(sell(3, Method::Humo, 60_000, None))), Err(Denial::PinpadInDoubt { .. })));
    desk.asked(Question::LastTransaction, &[slip(50_000, 2)]);
    assert_eq!(*desk.state(2), State::Paid);
    desk.does(Event::Answered { payment: id(2) });
    desk.doubtful_sale(4, 50_000);
    desk.asked(Question::LastTransaction, &[slip(50_000, 2)]);
    assert!(matches!(desk.state(4), State::Declined(Decline { why: DeclineKind::Absent, .. })));
}

#[test]
fn questions_in_vain_come_to_a_rest_even_where_the_policy_names_no_pause() {
    let mut desk = Desk::new();
    Arc::make_mut(&mut desk.t.policy).ask_every_ms = 0;
    desk.heard_card_sale(1, 50_000);
    desk.doubtful_sale(2, 60_000);
    for _ in 0..4 {
        let due = desk.t.next_tick_monotonic_ms().expect("a doubt is asked about");
        if due > desk.at_ms {
            return;
        }
        desk.does(Event::Tick { run: RunId(Uuid::from_u128(77)) });
        desk.breaks(RunEnd::Lost { why: "the cable".into() });
    }
    panic!("the PinPad is asked again and again, and nothing else is done");
}

#[test]
fn the_first_card_operation_ever_is_not_proven_by_what_an_older_till_left_in_the_pinpad() {
    let mut desk = Desk::new();
    desk.doubtful_sale(1, 50_000);
    desk.asked(Question::LastTransaction, &[slip(50_000, 7)]);
    assert_eq!(desk.state(1).name(), "in_doubt");
    desk.asked(Question::DetailedReport, &[]);
    assert_eq!(desk.state(1).name(), "declined");
}

#[test]
fn after_an_operators_word_the_pinpads_last_transaction_proves_nothing() {
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    desk.doubtful_sale(2, 50_000);
    desk.resolve(2, Verdict::Paid).unwrap();
    desk.does(Event::Answered { payment: id(2) });
    desk.doubtful_sale(3, 50_000);
    // This is what payment 2 took; nobody here knows its RRN.
    desk.asked(Question::LastTransaction, &[slip(50_000, 2)]);
    assert_eq!(desk.state(3).name(), "in_doubt");
}

#[test]
fn a_report_proves_only_what_is_younger_than_the_last_known_operation() {
    let mut desk = Desk::new();
    desk.card_sale(5, 60_000);
    desk.doubtful_sale(6, 50_000);
    desk.asked(Question::LastTransaction, &[slip(70_000, 8)]);
    desk.asked(Question::DetailedReport, &[slip(50_000, 3), slip(60_000, 5)]);
    assert_eq!(desk.state(6).name(), "in_doubt");
    desk.asked(Question::LastTransaction, &[slip(70_000, 8)]);
    desk.asked(Question::DetailedReport, &[slip(60_000, 5), slip(50_000, 6)]);
    assert_eq!(*desk.state(6), State::Paid);
}

#[test]
fn the_rest_of_an_answer_that_was_cut_is_no_word_about_the_sale_in_doubt() {
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    desk.doubtful_sale(2, 50_000);
    let sale = desk.run.unwrap();
    // The PinPad has begun to show its last transaction when the line breaks; the rest of it comes after.
    desk.does(Event::Tick { run: RunId(Uuid::from_u128(77)) });
    desk.says(Said::CardPresented);
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    desk.does(Event::PinpadDown { why: "the cable".into() });
    desk.does(Event::PinpadUp);
    assert!(desk.last.effects.iter().any(|e| matches!(e, Effect::PinpadRecover { run, .. } if *run == sale)));
    desk.run = Some(sale);
    desk.prints(slip(50_000, 1));
    assert!(matches!(desk.last.effects[..], [Effect::PinpadRelease { .. }]), "the PinPad is answered all the same");
    desk.ends(Some(ResultClass::Approved));
    assert_eq!(desk.state(2).name(), "in_doubt", "the money of payment 1 paid for payment 2");
    assert_eq!(desk.payment(2).run.as_ref().unwrap().slip, Slip::default());
    desk.asked(Question::LastTransaction, &[slip(50_000, 1)]);
    assert!(matches!(desk.state(2), State::Declined(Decline { why: DeclineKind::Absent, .. })));
}

#[test]
fn an_earlier_void_of_the_same_amount_does_not_prove_a_later_one() {
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    desk.heard_card_sale(2, 50_000);
    desk.does(back(9, 1, 50_000));
    let first = Slip { cancelled: true, ..slip(50_000, 3) };
    desk.says(Said::CardPresented);
    desk.prints(first.clone());
    desk.ends(Some(ResultClass::ApprovedForVoid));
    desk.does(back(10, 2, 50_000));
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    desk.asked(Question::LastTransaction, std::slice::from_ref(&first));
    desk.asked(Question::DetailedReport, &[slip(50_000, 1), slip(50_000, 2), first]);
    assert!(matches!(desk.payment(2).refunds[0].state, RefundState::Refused(_)));
}

#[test]
fn the_void_of_an_older_sale_is_told_by_the_report_and_not_by_the_last_transaction() {
    let voided = |number| Slip { cancelled: true, ..slip(50_000, number) };
    let own_slip = Slip { operation: Some("Отмена".into()), ..voided(3) };
    let later = slip(60_000, 2);
    for (report, state) in [
        // The sale is marked as voided.
        (vec![voided(1), later.clone()], "done"),
        (vec![slip(50_000, 1), later.clone()], "refused"),
        // The void may be this one or another till program's.
        (vec![slip(50_000, 1), later.clone(), own_slip], "in_doubt"),
        (vec![later.clone()], "in_doubt"),
    ] {
        let mut desk = Desk::new();
        desk.heard_card_sale(1, 50_000);
        desk.heard_card_sale(2, 60_000);
        desk.does(back(9, 1, 50_000));
        desk.breaks(RunEnd::Lost { why: "the cable".into() });
        desk.asked(Question::LastTransaction, std::slice::from_ref(&later));
        assert_eq!(desk.payment(1).refunds[0].state.name(), "in_doubt", "the sale after it is still the last one");
        desk.asked(Question::DetailedReport, &report);
        assert_eq!(desk.payment(1).refunds[0].state.name(), state, "{report:?}");
    }
}

/// Two sales of which the older one was voided, and then a sale that was cut before anything was said of it.
fn doubtful_sale_after_the_void_of_an_older_one(printed: impl Fn(u64, u32) -> Slip) -> Desk {
    let mut desk = Desk::new();
    for (number, minor) in [(1, 50_000), (2, 60_000)] {
        desk.sells(sell(number, Method::Humo, minor, None));
        desk.prints(printed(u64::try_from(minor).unwrap(), u32::try_from(number).unwrap()));
        desk.ends(Some(ResultClass::Approved));
        desk.does(Event::Answered { payment: id(number) });
    }
    desk.does(back(9, 1, 50_000));
    desk.prints(Slip { cancelled: true, ..printed(50_000, 1) });
    desk.ends(Some(ResultClass::ApprovedForVoid));
    desk.doubtful_sale(3, 60_000);
    desk
}

fn on_terminal(minor: u64, number: u32) -> Slip {
    Slip { terminal_id: Some("01000002".into()), ..slip(minor, number) }
}

#[test]
fn the_totals_of_a_report_are_no_operation_that_might_be_the_sale_in_doubt() {
    let voided = Slip { cancelled: true, ..slip(50_000, 1) };
    let totals = Slip { terminal_id: Some("01000002".into()), shift: Some("1".into()), ..Slip::default() };
    let refund = Slip { operation: Some("refund".into()), ..slip(60_000, 4) };
    // Nobody here knows of it: it may be the one that was cut, voided by hand since.
    let voided_by_hand = Slip { operation: Some("sale".into()), cancelled: true, ..slip(70_000, 5) };
    // A paper that names an amount names money.
    let unnamed = Slip { amount_minor: Some(60_000), ..totals.clone() };
    for (last, state) in
        [(&totals, "declined"), (&refund, "declined"), (&voided_by_hand, "in_doubt"), (&unnamed, "in_doubt")]
    {
        let mut desk = doubtful_sale_after_the_void_of_an_older_one(slip);
        desk.asked(Question::LastTransaction, &[slip(60_000, 2)]);
        assert_eq!(desk.state(3).name(), "in_doubt", "the numbers of a slip that names no terminal prove nothing");
        desk.asked(Question::DetailedReport, &[voided.clone(), slip(60_000, 2), last.clone()]);
        assert_eq!(desk.state(3).name(), state, "{last:?}");
    }
}

#[test]
fn after_the_void_of_an_older_sale_the_last_transaction_proves_absence_where_it_is_a_sale_known_by_every_number() {
    let known = on_terminal(60_000, 2);
    let elsewhere = Slip { terminal_id: Some("01000003".into()), ..known.clone() };
    let other_receipt = Slip { receipt_number: Some("3".into()), ..known.clone() };
    let other_shift = Slip { shift: Some("2".into()), ..known.clone() };
    let other_amount = Slip { amount_minor: Some(70_000), ..known.clone() };
    for (shown, state) in [
        (known, "declined"),
        (elsewhere, "in_doubt"),
        (other_receipt, "in_doubt"),
        (other_shift, "in_doubt"),
        (other_amount, "in_doubt"),
    ] {
        let mut desk = doubtful_sale_after_the_void_of_an_older_one(on_terminal);
        desk.asked(Question::LastTransaction, std::slice::from_ref(&shown));
        assert_eq!(desk.state(3).name(), state, "{shown:?}");
    }
    let mut desk = doubtful_sale_after_the_void_of_an_older_one(on_terminal);
    desk.asked(Question::LastTransaction, &[on_terminal(60_000, 3)]);
    assert_eq!(*desk.state(3), State::Paid, "another one of the same amount is ours");
}

#[test]
fn a_sale_called_off_and_never_heard_of_again_holds_the_cards_and_can_be_resolved() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.does(Event::Cancel { payment: None, operator: false });
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    assert!(desk.t.is_sale_doubted(desk.payment(1)));
    assert!(matches!(desk.tries(Event::Sell(sell(2, Method::Humo, 60_000, None))), Err(Denial::PinpadInDoubt { .. })));
    desk.resolve(1, Verdict::Absent).unwrap();
    desk.sells(sell(3, Method::Humo, 60_000, None));
}

#[test]
fn a_settlement_waits_for_every_card_and_is_resolved_only_in_doubt_and_with_a_name() {
    let mut desk = Desk::new();
    let settle = |number| Event::Settle {
        id: SettlementId(Uuid::from_u128(number)),
        run: RunId(Uuid::from_u128(3_000 + number)),
        token: None,
    };
    desk.doubtful_sale(1, 50_000);
    assert!(matches!(desk.tries(settle(50)), Err(Denial::PinpadInDoubt { .. })));
    desk.resolve(1, Verdict::Absent).unwrap();
    desk.does(settle(51));
    assert!(matches!(desk.resolve(51, Verdict::Paid), Err(Denial::WrongState { .. })));
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    assert!(matches!(desk.tries(settle(52)), Err(Denial::SettlementRefused { .. })));
    desk.resolve(51, Verdict::Paid).unwrap();
    assert_eq!(desk.t.settlement.as_ref().unwrap().state, SettlementState::Done);
    assert!(
        desk.last
            .facts
            .iter()
            .any(|f| matches!(f, Fact::SettlementResolved { resolution, .. } if resolution.name == "anna"))
    );
}

#[test]
fn refunds_never_exceed_what_was_paid() {
    let mut desk = Desk::new();
    desk.card_sale(1, 50_000);
    desk.t.register.shift_began_ms = i64::MAX;
    desk.does(back(9, 1, 30_000));
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    assert!(matches!(desk.tries(back(10, 1, 30_000)), Ok(())), "the same refund again finds the first");
    assert_eq!(desk.payment(1).refunds.len(), 1);
    assert!(matches!(desk.tries(back(11, 1, 20_001)), Err(Denial::RefundTooMuch { .. })));
}

#[test]
fn a_mark_without_an_rrn_is_no_mark() {
    let mut desk = Desk::new();
    desk.t.register.last_card = Some(CardMark { receipt_number: Some("5".into()), ..CardMark::default() });
    desk.doubtful_sale(1, 50_000);
    desk.asked(Question::LastTransaction, &[slip(50_000, 7)]);
    assert_eq!(desk.state(1).name(), "in_doubt");
}

#[test]
fn a_slip_of_another_amount_is_for_a_person_whatever_the_pinpad_shows_when_it_is_asked() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.prints(slip(5_000_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!(*desk.state(1), State::InDoubt { why: Doubt::AmountDiffers { on_slip_minor: 5_000_000 } });
    for shown in [slip(50_000, 1), slip(5_000_000, 1), slip(50_000, 2)] {
        desk.asked(Question::LastTransaction, std::slice::from_ref(&shown));
        desk.asked(Question::DetailedReport, &[shown]);
        assert_eq!(desk.state(1).name(), "in_doubt", "two papers say two amounts");
    }
    desk.resolve(1, Verdict::Paid).unwrap();
    assert_eq!(*desk.state(1), State::Paid);
}

#[test]
fn a_sale_called_off_that_the_pinpad_took_with_another_amount_stays_open() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Humo, 50_000, None));
    desk.does(Event::Cancel { payment: None, operator: false });
    desk.says(Said::CardPresented);
    desk.prints(slip(5_000_000, 1));
    desk.ends(Some(ResultClass::Approved));
    assert!(desk.t.is_sale_doubted(desk.payment(1)));
    assert!(matches!(desk.tries(Event::Sell(sell(2, Method::Humo, 60_000, None))), Err(Denial::PinpadInDoubt { .. })));
    desk.resolve(1, Verdict::Paid).unwrap();
    assert!(desk.payment(1).late);
}

#[test]
fn only_a_whole_report_of_the_next_shift_or_of_the_same_one_ends_a_doubt_about_a_settlement() {
    let of_shift = |shift: &str| Slip { shift: Some(shift.into()), ..Slip::default() };
    let refused_report = |desk: &mut Desk| {
        desk.at_ms += 20_000;
        desk.does(Event::Tick { run: RunId(Uuid::from_u128(88_000)) });
        desk.prints(of_shift("2"));
        desk.ends(Some(ResultClass::Declined));
    };
    type Told<'a> = &'a dyn Fn(&mut Desk);
    let elsewhere = Slip { terminal_id: Some("22222222".into()), ..of_shift("2") };
    let told: [(Told<'_>, &str); 6] = [
        (&|desk| desk.asked(Question::ShortReport, std::slice::from_ref(&elsewhere)), "settlement_in_doubt"),
        (&|desk| desk.asked(Question::ShortReport, &[of_shift("2")]), "done"),
        (&|desk| desk.asked(Question::ShortReport, &[of_shift("1")]), "refused"),
        (&|desk| desk.asked(Question::ShortReport, &[of_shift("0")]), "settlement_in_doubt"),
        (&|desk| desk.asked(Question::ShortReport, &[of_shift("2"), of_shift("1")]), "settlement_in_doubt"),
        (&refused_report, "settlement_in_doubt"),
    ];
    for (told, state) in told {
        let mut desk = Desk::new();
        desk.heard_card_sale(1, 50_000);
        desk.t.register.last_card.as_mut().unwrap().terminal_id = Some("11111111".into());
        desk.settles(50);
        desk.breaks(RunEnd::Lost { why: "the cable".into() });
        told(&mut desk);
        assert_eq!(desk.t.settlement.as_ref().unwrap().state.name(), state);
    }
}

impl Desk {
    fn settles(&mut self, number: u128) {
        let (id, run) = (SettlementId(Uuid::from_u128(number)), RunId(Uuid::from_u128(3_000 + number)));
        self.does(Event::Settle { id, run, token: None });
    }

    fn settlement(&self) -> &Settlement {
        self.t.settlement.as_ref().unwrap()
    }
}

#[test]
fn an_empty_shift_that_is_still_open_is_not_taken_for_a_closed_one() {
    let of_shift = |shift: &str| Slip { shift: Some(shift.into()), ..Slip::default() };
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    desk.settles(50);
    desk.prints(of_shift("1"));
    desk.ends(Some(ResultClass::Approved));
    assert_eq!(desk.settlement().state, SettlementState::Done);
    // No card since. The last card's shift is 1, the open one is 2, and the second closing never reaches the PinPad.
    desk.settles(51);
    assert_eq!(desk.settlement().shift.as_deref(), Some("2"));
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    desk.asked(Question::ShortReport, &[of_shift("2")]);
    assert_eq!(desk.settlement().state.name(), "refused");
}

#[test]
fn a_closing_that_never_came_to_the_pinpad_leaves_the_number_of_the_empty_shift_known() {
    let of_shift = |shift: &str| Slip { shift: Some(shift.into()), ..Slip::default() };
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    desk.settles(50);
    desk.prints(of_shift("1"));
    desk.ends(Some(ResultClass::Approved));
    for number in [51, 52, 53] {
        desk.settles(number);
        desk.breaks(RunEnd::Lost { why: "the cable".into() });
        desk.asked(Question::ShortReport, &[of_shift("2")]);
        assert_eq!(desk.settlement().state.name(), "refused");
    }
}

#[test]
fn a_settlement_is_joined_without_a_key_and_never_under_another_one() {
    let mut desk = Desk::new();
    let settle = |number, key: Option<&str>| Event::Settle {
        id: SettlementId(Uuid::from_u128(number)),
        run: RunId(Uuid::from_u128(3_000 + number)),
        token: key.map(|key| Token { key: key.into(), digest: "settle".into() }),
    };
    desk.does(settle(50, Some("a")));
    for repeat in [settle(51, Some("a")), settle(52, None)] {
        desk.does(repeat);
        assert_eq!(desk.about(), Some(Subject::Settlement(SettlementId(Uuid::from_u128(50)))));
    }
    assert_eq!(desk.tries(settle(53, Some("b"))), Err(Denial::PinpadBusy));
}

#[test]
fn a_shift_that_was_closed_by_hand_settles_every_sale_known_here_and_tells_no_totals() {
    let mut desk = Desk::new();
    desk.heard_card_sale(1, 50_000);
    let began_ms = desk.t.register.shift_began_ms;
    desk.settles(50);
    desk.breaks(RunEnd::Lost { why: "the cable".into() });
    // Somebody pressed the keys: whether shift 2 is open after our run or after theirs, no sale known here is in it.
    desk.asked(
        Question::ShortReport,
        &[Slip { total_minor: Some(0), ..Slip { shift: Some("2".into()), ..Slip::default() } }],
    );
    let settlement = desk.settlement();
    assert_eq!(settlement.state, SettlementState::Done);
    assert_eq!((&settlement.run.slip, settlement.run.slip_text.as_str()), (&Slip::default(), ""));
    assert!(desk.t.register.shift_began_ms > began_ms, "its sales are refunded from now on, never voided");
}

#[test]
fn who_resolved_a_doubt_and_why_is_in_the_resolution_and_not_in_what_tills_are_told() {
    let mut desk = Desk::new();
    desk.sells(sell(1, Method::Click, 50_000, Some(CODE)));
    desk.answers(1, unclear());
    desk.resolve(1, Verdict::Absent).unwrap();
    let State::Declined(decline) = desk.state(1) else { panic!("{:?}", desk.state(1)) };
    assert_eq!(decline.message.as_deref(), Some("an operator has looked it up: no money moved"));
    assert_eq!(desk.payment(1).resolution.as_ref().map(|r| (&*r.name, &*r.reason)), Some(("anna", "seen")));
}
