use super::*;
use std::sync::Arc;
use uuid::Uuid;

use crate::limits;
use crate::payment::Currency;
use crate::payment::card::{ResultClass, Run, RunId, RunOver, RunResult, Settlement, SettlementId, SettlementState};
use crate::payment::event::Notice;
use crate::payment::sale::{Decline, DeclineKind, Doubt, Payment, State};
use crate::payment::sbp::{QrCode, Sbp};
use crate::snapshot::{Devices, Presence, QueueDepth, Shift, StoreHealth};

const NOW_MS: UnixMs = 1_700_000_000_000;

fn payment(method: Method, state: State, age_ms: i64) -> Payment {
    let amount = Money::from_minor(1_250_000, Currency::Uzs);
    Payment {
        attended: true,
        updated_ms: NOW_MS - age_ms,
        state,
        since_ms: NOW_MS - age_ms,
        ..Payment::new(PaymentId(Uuid::from_u128(7)), method, amount, NOW_MS - age_ms - 1_000)
    }
}

fn ended(payment: Payment) -> Snapshot {
    Snapshot { last: Some(Arc::new(payment)), ..Snapshot::default() }
}

fn shown(snapshot: &Snapshot) -> Face {
    View::of(snapshot, NOW_MS).face
}

#[test]
fn an_ended_sale_leaves_the_display_after_its_time() {
    let result_ms = i64::try_from(limits::DISPLAY_RESULT_MS).expect("small");
    let face_at = |age_ms| shown(&ended(payment(Method::Click, State::Paid, age_ms)));
    assert!(matches!(face_at(result_ms - 1), Face::Approved { late: false, .. }));
    assert_eq!(face_at(result_ms), Face::Idle);
}

#[test]
fn a_receipt_confirmed_days_later_does_not_bring_the_sale_back() {
    let mut old = payment(Method::Click, State::Paid, 86_400_000);
    old.updated_ms = NOW_MS;
    assert_eq!(shown(&ended(old)), Face::Idle);
}

#[test]
fn a_clock_that_was_set_back_does_not_keep_a_sale_on_the_display() {
    assert_eq!(shown(&ended(payment(Method::Click, State::Paid, -86_400_000))), Face::Idle);
}

#[test]
fn the_payment_at_the_counter_comes_before_everything_but_money_that_is_not_on_disk() {
    let mut snapshot = ended(payment(Method::Click, State::Paid, 0));
    snapshot.counter = Some(Arc::new(payment(Method::Humo, State::AwaitingPayer, 0)));
    snapshot.closed = Some("the store was set aside".into());
    snapshot.pinpad_status = Some("ВСТАВЬТЕ КАРТУ".into());
    let Face::Waiting { sale, pinpad, .. } = shown(&snapshot) else { panic!("not waiting") };
    assert_eq!(sale.method, Method::Humo);
    assert_eq!(pinpad.as_deref(), Some("ВСТАВЬТЕ КАРТУ"));
    snapshot.store = StoreHealth::Owing("disk I/O error".into());
    assert!(matches!(shown(&snapshot), Face::DoNotSwitchOff { .. }));
}

#[test]
fn a_code_sale_does_not_show_what_the_pinpad_says() {
    let counter = Some(Arc::new(payment(Method::Click, State::BankProcessing, 0)));
    let snapshot = Snapshot { counter, pinpad_status: Some("ГОТОВ".into()), ..Snapshot::default() };
    assert!(matches!(shown(&snapshot), Face::Processing { pinpad: None, .. }));
}

#[test]
fn a_doubt_stays_longer_than_a_result_and_then_stands_in_the_list() {
    let doubtful = |age_ms| {
        let p = Arc::new(payment(Method::Payme, State::InDoubt { why: Doubt::Restart }, age_ms));
        Snapshot { last: Some(p.clone()), in_doubt: vec![p; 5], ..Snapshot::default() }
    };
    assert!(matches!(shown(&doubtful(30_000)), Face::InDoubt { .. }));
    let Face::Doubts { oldest, more } = shown(&doubtful(3_600_000)) else { panic!("no list") };
    assert_eq!((oldest.len(), more), (3, 2));
    assert_eq!(View::of(&doubtful(0), NOW_MS).badges.in_doubt, 5);
}

#[test]
fn a_store_that_refuses_says_what_is_wrong_with_it() {
    for (words, trouble) in [
        ("database or disk is full", StoreTrouble::Full),
        ("attempt to write a readonly database", StoreTrouble::ReadOnly),
        ("database disk image is malformed", StoreTrouble::Damaged),
        ("disk I/O error", StoreTrouble::Failing),
    ] {
        let snapshot = Snapshot { store: StoreHealth::Refusing(words.into()), ..Snapshot::default() };
        assert_eq!(shown(&snapshot), Face::CannotSell { trouble, why: words.into() });
        assert!(View::of(&snapshot, NOW_MS).badges.store_trouble);
    }
}

#[test]
fn a_scan_is_a_screen_of_its_own_at_idle_and_a_strip_beside_a_sale() {
    let mut snapshot = Snapshot { notice: Some((NOW_MS - 100, Notice::ScanUsed)), ..Snapshot::default() };
    assert_eq!(View::of(&snapshot, NOW_MS).face, Face::Scan(Scan::Used));
    assert_eq!(View::of(&snapshot, NOW_MS + 60_000).face, Face::Idle);
    snapshot.counter = Some(Arc::new(payment(Method::Humo, State::AwaitingPayer, 0)));
    assert_eq!(View::of(&snapshot, NOW_MS).strip, Some(Strip::Scan(Scan::Used)));
    assert_eq!(View::of(&snapshot, NOW_MS + 60_000).strip, None);
}

#[test]
fn of_a_scan_and_a_result_the_later_one_is_shown() {
    let mut snapshot = ended(payment(Method::Click, State::Paid, 1_000));
    snapshot.notice = Some((NOW_MS - 2_000, Notice::ScanUnexpected));
    assert!(matches!(shown(&snapshot), Face::Approved { .. }));
    snapshot.notice = Some((NOW_MS - 500, Notice::ScanUnexpected));
    assert_eq!(shown(&snapshot), Face::Scan(Scan::Unexpected));
}

#[test]
fn a_sale_of_an_amount_that_is_in_doubt_warns() {
    let mut sale = payment(Method::Click, State::AwaitingPayer, 0);
    sale.warned_of = Some(PaymentId(Uuid::from_u128(8)));
    let snapshot = Snapshot { counter: Some(Arc::new(sale)), ..Snapshot::default() };
    assert_eq!(View::of(&snapshot, NOW_MS).strip, Some(Strip::SameAmount));
    let code = QrCode {
        operation_id: "8d585d08".to_owned(),
        number: "4316-4040-0201-6359".to_owned(),
        link: "https://qr.nspk.ru/A".to_owned(),
        params_id: None,
    };
    let mut shown = payment(Method::Sbp, State::AwaitingPayer, 0);
    shown.warned_of = Some(PaymentId(Uuid::from_u128(8)));
    shown.sbp = Some(Box::new(Sbp { code: Some(code), ..Sbp::default() }));
    let notice = Some((NOW_MS, Notice::ScanUsed));
    let snapshot = Snapshot { counter: Some(Arc::new(shown)), code_is_fresh: true, notice, ..Snapshot::default() };
    let view = View::of(&snapshot, NOW_MS);
    assert!(matches!(view.face, Face::ShowCode { .. }), "{view:?}");
    assert_eq!(view.strip, Some(Strip::SameAmount), "the code leaves room for the weightier one");
}

#[test]
fn the_footer_counts_receipts_and_shows_the_age_of_the_oldest() {
    let badge_of = |age_ms: i64| {
        let queue = QueueDepth { queued: 4, parked: 1, owed: 9, oldest_ms: Some(NOW_MS - age_ms) };
        View::of(&Snapshot { queue, ..Snapshot::default() }, NOW_MS).badges
    };
    assert_eq!((badge_of(0).queued, badge_of(0).parked, badge_of(0).oldest), (4, 1, None));
    assert_eq!(badge_of(59_999).oldest, None);
    assert_eq!(badge_of(60_000).oldest, Some(Age::Minutes(1)));
    assert_eq!(badge_of(7_200_000).oldest, Some(Age::Hours(2)));
    assert_eq!(badge_of(200_000_000).oldest, Some(Age::Days(2)));
}

#[test]
fn a_device_that_is_missing_is_named_at_idle_and_one_that_is_not_configured_is_not() {
    let down = || Some(Presence::Down("no such file".into()));
    let devices = Devices { pinpad: down(), scanner: down() };
    let view = View::of(&Snapshot { devices, ..Snapshot::default() }, NOW_MS);
    assert_eq!(view.strip, Some(Strip::PinpadMissing));
    assert!(view.badges.pinpad_missing && view.badges.scanner_missing);
    let devices = Devices { pinpad: Some(Presence::Up), scanner: None };
    let view = View::of(&Snapshot { devices, ..Snapshot::default() }, NOW_MS);
    assert_eq!((view.strip, view.badges), (None, Badges::default()));
}

#[test]
fn a_card_code_is_put_into_words_and_a_gateway_code_of_the_same_number_is_not() {
    let refused = |method, code: &str| {
        Reason::of(method, &Decline { why: DeclineKind::Refused, code: Some(code.into()), message: None })
    };
    for (code, reason) in [
        ("51", Reason::Funds),
        ("051", Reason::Funds),
        ("54", Reason::CardExpired),
        ("55", Reason::WrongPin),
        ("57", Reason::NotPermitted),
        ("61", Reason::Limit),
        ("91", Reason::BankAway),
        ("43", Reason::AnotherCard),
        ("303", Reason::ShiftMustClose),
        ("998", Reason::PinpadDeclined),
        ("05", Reason::Refused),
        ("", Reason::Refused),
    ] {
        assert_eq!(refused(Method::Humo, code), reason, "{code}");
    }
    assert_eq!(refused(Method::Humo, "401"), Reason::CardUnread);
    assert_eq!(refused(Method::Click, "401"), Reason::Refused);
    let absent = Decline { why: DeclineKind::Absent, code: Some("51".into()), message: None };
    assert_eq!(Reason::of(Method::Humo, &absent), Reason::Absent);
}

#[test]
fn field_errors_of_a_provider_are_not_read_to_the_customer() {
    let declined = |message: &str| {
        let decline = Decline { why: DeclineKind::Refused, code: Some("7".into()), message: Some(message.into()) };
        match shown(&ended(payment(Method::Payme, State::Declined(decline), 0))) {
            Face::Declined { words, .. } => words,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(declined("{\"qr_code\":[\"This field may not be blank.\"]}"), None);
    assert_eq!(declined("Чек не найден").as_deref(), Some("Чек не найден"));
}

#[test]
fn what_the_terminal_says_to_its_technician_is_not_read_to_the_customer() {
    for why in [DeclineKind::Absent, DeclineKind::NotSent] {
        let decline = Decline { why, code: None, message: Some("the line is down".into()) };
        let Face::Declined { words, .. } = shown(&ended(payment(Method::Humo, State::Declined(decline), 0))) else {
            panic!("not shown")
        };
        assert_eq!(words, None, "{why:?}");
    }
}

fn settled(state: SettlementState, age_ms: i64) -> Snapshot {
    let settlement = Settlement {
        id: SettlementId(Uuid::nil()),
        token: None,
        created_ms: NOW_MS - age_ms - 1_000,
        updated_ms: NOW_MS - age_ms,
        shift: None,
        state,
        run: Run::new(RunId(Uuid::nil()), None),
    };
    Snapshot { shift: Shift { last: Some(Arc::new(settlement)), ..Shift::default() }, ..Snapshot::default() }
}

#[test]
fn an_ended_settlement_leaves_the_display_after_its_time() {
    let result_ms = i64::try_from(limits::DISPLAY_RESULT_MS).expect("small");
    let mut snapshot = settled(SettlementState::Done, result_ms - 1);
    assert_eq!(shown(&snapshot), Face::Settled { total: None });
    snapshot.last = Some(Arc::new(payment(Method::Click, State::Paid, 1_000)));
    assert!(matches!(shown(&snapshot), Face::Approved { .. }), "the sale ended after it");
    assert_eq!(shown(&settled(SettlementState::Done, result_ms)), Face::Idle);
    assert_eq!(shown(&settled(SettlementState::InDoubt { why: Doubt::Restart }, 0)), Face::Idle);
}

#[test]
fn the_total_of_a_shift_is_shown_only_where_the_slip_tells_it() {
    let mut snapshot = settled(SettlementState::Done, 0);
    let last = snapshot.shift.last.as_mut().expect("a settlement");
    Arc::make_mut(last).run.slip.total_minor = Some(1_250_000);
    let total = Some(Money::from_minor(1_250_000, Currency::Uzs));
    assert_eq!(shown(&snapshot), Face::Settled { total });
}

#[test]
fn a_refused_settlement_says_why() {
    let refused = |code: Option<&str>| SettlementState::Refused { code: code.map(Into::into), message: None };
    let why = |change: fn(&mut Run), code| {
        let mut snapshot = settled(refused(code), 0);
        change(&mut Arc::make_mut(snapshot.shift.last.as_mut().expect("a settlement")).run);
        let Face::NotSettled { why, .. } = shown(&snapshot) else { panic!("not shown") };
        why
    };
    let cancelled = |run: &mut Run| {
        run.result = Some(RunResult { code: "993".to_owned(), class: ResultClass::Cancelled });
    };
    assert_eq!(why(|_| {}, Some("91")), StillOpen::Refused(Reason::BankAway));
    assert_eq!(why(|run| run.over = Some(RunOver::NotSent), None), StillOpen::Refused(Reason::NotSent));
    assert_eq!(why(cancelled, Some("993")), StillOpen::Refused(Reason::CancelledAtPinpad));
    assert_eq!(why(|_| {}, None), StillOpen::Refused(Reason::Refused));
    assert_eq!(why(|run| run.over = Some(RunOver::Asked), None), StillOpen::Reported);
    assert_eq!(why(|run| run.over = Some(RunOver::Operator), None), StillOpen::Signed);
}

/// A customer who may choose: the PinPad's run goes on unless it is `over`.
fn choosing(over: Option<RunOver>) -> Snapshot {
    let run = Run { over, ..Run::new(RunId(Uuid::nil()), None) };
    let sale = Payment { auto: true, run: Some(run), ..payment(Method::Humo, State::AwaitingPayer, 0) };
    Snapshot {
        counter: Some(Arc::new(sale)),
        methods: vec![Method::Humo, Method::Click, Method::Payme],
        devices: Devices { pinpad: Some(Presence::Up), scanner: Some(Presence::Up) },
        ..Snapshot::default()
    }
}

/// Whether a card is asked for, and whose codes.
fn offered(snapshot: &Snapshot) -> (bool, Vec<Method>) {
    match shown(snapshot) {
        Face::AnyWay { card, codes, .. } => (card, codes),
        Face::Waiting { sale: Sale { method: Method::Humo, .. }, .. } => (true, Vec::new()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_the_ways_to_pay_only_those_that_work_are_offered() {
    let codes = vec![Method::Click, Method::Payme];
    assert_eq!(offered(&choosing(None)), (true, codes.clone()));
    assert_eq!(offered(&choosing(Some(RunOver::Ended))), (false, codes.clone()), "the PinPad asks no more");
    let asked_again = Snapshot { card_soon: true, ..choosing(Some(RunOver::Ended)) };
    assert_eq!(offered(&asked_again), (true, codes.clone()), "no flicker between two of its runs");
    let down = || Some(Presence::Down("the cable".into()));

    let mut no_pinpad = choosing(None);
    no_pinpad.devices.pinpad = down();
    assert_eq!(offered(&no_pinpad), (false, codes.clone()));
    let mut never_asked = choosing(None);
    Arc::make_mut(never_asked.counter.as_mut().expect("a payment")).run = None;
    assert_eq!(offered(&never_asked), (false, codes.clone()));

    let mut no_scanner = choosing(None);
    no_scanner.devices.scanner = down();
    assert_eq!(offered(&no_scanner), (true, Vec::new()));
    no_scanner.devices.pinpad = down();
    assert_eq!(offered(&no_scanner), (false, codes), "nothing works: the wait for a code goes on");

    let mut payme_alone = choosing(None);
    payme_alone.methods = vec![Method::Payme, Method::Humo, Method::Sbp];
    assert_eq!(offered(&payme_alone), (true, vec![Method::Payme]), "what the terminal shows is asked for by name");
}

#[test]
fn a_code_that_is_held_is_said_to_be_read_until_a_card_is_at_the_bank() {
    let mut snapshot = choosing(None);
    snapshot.held_code = Some(Method::Payme);
    snapshot.pinpad_status = Some("ВСТАВЬТЕ КАРТУ".into());
    let Face::CodeRead { sale, .. } = shown(&snapshot) else { panic!("not said") };
    assert_eq!(sale.method, Method::Payme);
    Arc::make_mut(snapshot.counter.as_mut().expect("a payment")).state = State::BankProcessing;
    assert!(matches!(shown(&snapshot), Face::Processing { sale: Sale { method: Method::Humo, .. }, .. }));
}

#[test]
fn who_would_have_taken_the_money_is_told_only_once_the_customer_has_chosen() {
    let undecided = |change: fn(&mut Payment)| {
        let mut sale = Arc::unwrap_or_clone(choosing(Some(RunOver::Ended)).counter.expect("a payment"));
        sale.state = State::Expired;
        change(&mut sale);
        match shown(&ended(sale)) {
            Face::Expired { sale } => sale.undecided,
            other => panic!("{other:?}"),
        }
    };
    assert!(undecided(|_| {}));
    assert!(!undecided(|sale| sale.code = Some("5050".into())));
    assert!(!undecided(|sale| sale.auto = false));
    assert!(!undecided(|sale| sale.run.iter_mut().for_each(|run| run.card_presented = true)));
}
