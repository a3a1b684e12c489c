//! The states that are pictured: snapshots as the driver would publish them.

use std::sync::Arc;

use tolov::payment::card::{Run, RunId, RunOver, Settlement, SettlementId, SettlementState};
use tolov::payment::code::CodeKind;
use tolov::payment::event::Notice;
use tolov::payment::sale::{
    CancelledBy, Decline, DeclineKind, Doubt, Payment, Refund, RefundId, RefundKind, RefundState, UnixMs,
};
use tolov::payment::sbp::{QrCode, QrStatus, Sbp};
use tolov::payment::{Currency, Method, Money, PaymentId, State};
use tolov::snapshot::{Devices, Presence, QueueDepth, Shift, Snapshot, StoreHealth};
use tolov::ui::text::Language;
use uuid::Uuid;

/// When the pictures are taken.
pub(crate) const NOW_MS: UnixMs = 1_700_000_000_000;

/// Every picture: its name, its language, what it shows. The main states in all languages, the others in one each.
pub(crate) fn all() -> Vec<(String, Language, Snapshot)> {
    let mut cases = Vec::new();
    for language in Language::ALL {
        for (name, snapshot) in main_states() {
            cases.push((format!("{name}.{}", language.name()), language, snapshot));
        }
    }
    for (n, (name, snapshot)) in other_states().into_iter().enumerate() {
        let language = Language::ALL[n % 3];
        cases.push((format!("{name}.{}", language.name()), language, snapshot));
    }
    cases
}

fn payment(method: Method, sum: i64, state: State) -> Payment {
    let id = PaymentId(Uuid::from_u128(0x3f2a_9c1d_0000_4000_8000_0000_0000_0001));
    Payment {
        attended: true,
        updated_ms: NOW_MS - 1_000,
        state,
        since_ms: NOW_MS - 1_000,
        ..Payment::new(id, method, Money::from_minor(sum * 100, Currency::Uzs), NOW_MS - 4_000)
    }
}

/// The link of seed 004's first page.
pub(crate) const LINK: &str =
    "https://qr.nspk.ru/AS10003P3RH0_LJ2A9ROO038L6NT5RU1M?type=01&bank=000000000001&sum=10000&cur=RUB&crc=F3D0";

fn sbp(rubles: i64, state: State, told: Option<QrStatus>) -> Payment {
    let link = LINK.to_owned();
    let code = QrCode { operation_id: "8d585d08".into(), number: "4316-4040-0201-6359".into(), link, params_id: None };
    let sbp = Some(Box::new(Sbp { code: Some(code), told, ..Sbp::default() }));
    Payment { amount: Money::from_minor(rubles * 100 + 50, Currency::Rub), sbp, ..payment(Method::Sbp, 0, state) }
}

fn fresh(payment: Payment) -> Snapshot {
    Snapshot { code_is_fresh: true, ..counter(payment) }
}

fn counter(payment: Payment) -> Snapshot {
    Snapshot { counter: Some(Arc::new(payment)), ..Snapshot::default() }
}

fn last(payment: Payment) -> Snapshot {
    Snapshot { last: Some(Arc::new(payment)), ..Snapshot::default() }
}

fn declined(method: Method, why: DeclineKind, code: Option<&str>, message: Option<&str>) -> Snapshot {
    let decline = Decline { why, code: code.map(Into::into), message: message.map(Into::into) };
    last(payment(method, 86_000, State::Declined(decline)))
}

fn doubtful(method: Method) -> Payment {
    payment(method, 12_500, State::InDoubt { why: Doubt::Answer { text: "HTTP 502".into() } })
}

fn old(mut payment: Payment, sum: i64, id: u128) -> Arc<Payment> {
    payment.amount = Money::from_minor(sum * 100, Currency::Uzs);
    payment.id = PaymentId(Uuid::from_u128(id << 96));
    Arc::new(payment)
}

fn refunding(state: RefundState) -> Snapshot {
    let mut sale = payment(Method::Humo, 86_000, State::Paid);
    sale.refunds.push(Refund {
        id: RefundId(Uuid::nil()),
        kind: RefundKind::Void,
        amount: sale.amount,
        token: None,
        created_ms: NOW_MS - 2_000,
        state,
        run: None,
        upstream_id: None,
    });
    last(sale)
}

fn settling(state: SettlementState) -> Snapshot {
    let settlement = Settlement {
        id: SettlementId(Uuid::nil()),
        token: None,
        created_ms: NOW_MS - 2_000,
        updated_ms: NOW_MS,
        shift: None,
        state,
        run: Run::new(RunId(Uuid::nil()), None),
    };
    Snapshot { settlement: Some(Arc::new(settlement)), ..Snapshot::default() }
}

fn scanned(notice: Notice) -> Snapshot {
    Snapshot { notice: Some((NOW_MS - 500, notice)), ..Snapshot::default() }
}

fn main_states() -> Vec<(&'static str, Snapshot)> {
    let queue = QueueDepth { queued: 3, parked: 0, owed: 0, oldest_ms: Some(NOW_MS - 720_000) };
    let missing = || Some(Presence::Down("no such file".into()));
    vec![
        ("idle", Snapshot::default()),
        ("idle_with_a_queue", Snapshot { queue, ..Snapshot::default() }),
        (
            "idle_without_pinpad",
            Snapshot { devices: Devices { pinpad: missing(), scanner: missing() }, ..Snapshot::default() },
        ),
        ("show_code", counter(payment(Method::Click, 12_500, State::AwaitingPayer))),
        ("present_card", counter(payment(Method::Humo, 1_250_000, State::AwaitingPayer))),
        ("processing_card", counter(payment(Method::Humo, 86_000, State::BankProcessing))),
        ("processing_code", counter(payment(Method::Payme, 12_500, State::BankProcessing))),
        ("scan_with_phone", fresh(sbp(1_249, State::AwaitingPayer, None))),
        ("scan_with_phone_again", fresh(sbp(1_249, State::AwaitingPayer, Some(QrStatus::AttemptFailed)))),
        ("approved", last(payment(Method::Click, 12_500, State::Paid))),
        ("declined_funds", declined(Method::Humo, DeclineKind::Refused, Some("51"), None)),
        ("declined_not_sent", declined(Method::Click, DeclineKind::NotSent, None, None)),
        ("cancelled", last(payment(Method::Humo, 12_500, State::Cancelled { by: CancelledBy::Till }))),
        ("expired", last(payment(Method::Payme, 12_500, State::Expired))),
        ("in_doubt_code", last(doubtful(Method::Click))),
        ("in_doubt_card", last(doubtful(Method::Humo))),
        (
            "cannot_sell",
            Snapshot { store: StoreHealth::Refusing("database or disk is full".into()), ..Snapshot::default() },
        ),
        (
            "do_not_switch_off",
            Snapshot { store: StoreHealth::Owing("disk I/O error".into()), ..counter(doubtful(Method::Humo)) },
        ),
    ]
}

fn other_states() -> Vec<(&'static str, Snapshot)> {
    let mut cases = waiting_states();
    cases.extend(ended_states());
    for (name, kind) in [
        ("scan_receipt", CodeKind::FiscalReceipt),
        ("scan_uzqr", CodeKind::UzQr),
        ("scan_sbp", CodeKind::Sbp),
        ("scan_uzum", CodeKind::Uzum),
        ("scan_unknown", CodeKind::Unknown),
    ] {
        cases.push((name, scanned(Notice::ScanNotPayment(kind))));
    }
    cases.push(("scan_unexpected", scanned(Notice::ScanUnexpected)));
    cases.push(("scan_used", scanned(Notice::ScanUsed)));
    let closed = "the store was set aside as corrupt on 2026-11-20; payments that are open cannot be ruled out";
    cases.push(("closed", Snapshot { closed: Some(closed.into()), ..Snapshot::default() }));
    let one = vec![old(doubtful(Method::Click), 12_500, 0x3f2a_9c1d)];
    cases.push(("doubts_one", Snapshot { in_doubt: one, ..Snapshot::default() }));
    let many = vec![
        old(doubtful(Method::Click), 12_500, 0x3f2a_9c1d),
        old(doubtful(Method::Humo), 1_250_000, 0x0b71_e4aa),
        old(doubtful(Method::Payme), 999, 0x77d0_12fe),
        old(doubtful(Method::Payme), 1_000, 0x77d0_12ff),
    ];
    let queue = QueueDepth { queued: 124, parked: 2, owed: 0, oldest_ms: Some(NOW_MS - 7_200_000) };
    cases.push(("doubts_many", Snapshot { in_doubt: many, queue, ..Snapshot::default() }));
    cases.push(("settling", settling(SettlementState::Processing)));
    cases.push(("settlement_in_doubt", settling(SettlementState::InDoubt { why: Doubt::NoResult })));
    cases.extend(shown_code_states());
    cases.extend(settled_states());
    cases.extend(any_way_states());
    cases.extend(still_open_states());
    cases
}

fn settled_states() -> Vec<(&'static str, Snapshot)> {
    let ended = |state, change: fn(&mut Run)| {
        let mut settlement = settling(state).settlement.map(Arc::unwrap_or_clone);
        if let Some(settlement) = &mut settlement {
            change(&mut settlement.run);
        }
        Snapshot { shift: Shift { last: settlement.map(Arc::new), ..Shift::default() }, ..Snapshot::default() }
    };
    let refused = |code: Option<&str>, message: Option<&str>| SettlementState::Refused {
        code: code.map(Into::into),
        message: message.map(Into::into),
    };
    vec![
        ("settled", ended(SettlementState::Done, |run| run.slip.total_minor = Some(1_234_567_800))),
        ("settled_without_a_total", ended(SettlementState::Done, |_| {})),
        ("not_settled", ended(refused(Some("05"), None), |_| {})),
        ("not_settled_bank_away", ended(refused(Some("91"), None), |_| {})),
        (
            "not_settled_not_sent",
            ended(refused(None, Some("the PinPad does not answer")), |run| run.over = Some(RunOver::NotSent)),
        ),
    ]
}

/// A shift of which nobody knew whether it was closed, and that was found open.
fn still_open_states() -> Vec<(&'static str, Snapshot)> {
    let found = |over| {
        let state = SettlementState::Refused { code: None, message: Some("for the technician".into()) };
        let mut settlement = settling(state).settlement.map(Arc::unwrap_or_clone);
        settlement.iter_mut().for_each(|s| s.run.over = Some(over));
        Snapshot { shift: Shift { last: settlement.map(Arc::new), ..Shift::default() }, ..Snapshot::default() }
    };
    let (reported, signed) = (found(RunOver::Asked), found(RunOver::Operator));
    let in_every_language = |name, snapshot: &Snapshot| Language::ALL.map(|_| (name, snapshot.clone()));
    let reported = in_every_language("not_settled_reported", &reported);
    reported.into_iter().chain(in_every_language("not_settled_signed", &signed)).collect()
}

/// A payment whose customer chooses between a card and a code.
fn any_way(state: State, presented: bool, over: Option<RunOver>) -> Payment {
    let run = Run { card_presented: presented, over, ..Run::new(RunId(Uuid::nil()), None) };
    Payment { auto: true, run: Some(run), ..payment(Method::Humo, 12_500, state) }
}

fn any_way_states() -> Vec<(&'static str, Snapshot)> {
    let at = |pinpad, payment| Snapshot {
        methods: vec![Method::Humo, Method::Click, Method::Payme],
        devices: Devices { pinpad: Some(pinpad), scanner: Some(Presence::Up) },
        ..counter(payment)
    };
    let awaiting = |over| any_way(State::AwaitingPayer, false, over);
    let down = || Presence::Down("no such file".into());
    let held = |payment| Snapshot { held_code: Some(Method::Click), ..at(Presence::Up, payment) };
    let code = Some("11000000000000000000".to_owned());
    let turned_down = any_way(State::BankProcessing, true, Some(RunOver::Ended));
    vec![
        ("card_or_code", at(Presence::Up, awaiting(None))),
        ("card_or_code", at(Presence::Up, awaiting(None))),
        ("card_or_code", at(Presence::Up, awaiting(None))),
        ("code_read", held(awaiting(None))),
        ("code_read", held(awaiting(None))),
        ("code_read", held(awaiting(None))),
        ("any_code", at(Presence::Up, awaiting(Some(RunOver::Ended)))),
        ("any_code_without_pinpad", at(down(), awaiting(Some(RunOver::NotSent)))),
        ("card_while_a_code_is_held", held(any_way(State::BankProcessing, true, None))),
        ("code_after_a_card", at(Presence::Up, Payment { method: Method::Click, code, ..turned_down })),
        ("expired_undecided", last(any_way(State::Expired, false, Some(RunOver::Ended)))),
    ]
}

fn shown_code_states() -> Vec<(&'static str, Snapshot)> {
    let mut sticker = sbp(1_249, State::AwaitingPayer, None);
    if let Some(sbp) = &mut sticker.sbp {
        sbp.link_id = Some("BS1R003CN9P4NJ0F8QQA41JQRG1U4U44".into());
    }
    let mut returned = refunding(RefundState::Done);
    if let Some(last) = &mut returned.last {
        Arc::make_mut(last).method = Method::Sbp;
    }
    let by = CancelledBy::Till;
    let mut warned = sbp(1_249, State::AwaitingPayer, None);
    warned.warned_of = Some(PaymentId(Uuid::nil()));
    vec![
        ("scan_with_phone_large_amount", fresh(sbp(999_999, State::AwaitingPayer, None))),
        ("scan_sticker", fresh(sticker)),
        ("making_code", counter(Payment { sbp: Some(Box::default()), ..sbp(1_249, State::AwaitingPayer, None) })),
        ("checking_code", counter(sbp(1_249, State::AwaitingPayer, None))),
        ("given_back_to_account", returned),
        ("cancelled_code", last(sbp(1_249, State::Cancelled { by }, None))),
        ("in_doubt_shown_code", last(sbp(1_249, State::InDoubt { why: Doubt::Restart }, None))),
        ("cancelled_by_provider", last(sbp(1_249, State::Cancelled { by: CancelledBy::Provider }, None))),
        ("scan_with_phone_same_amount", fresh(warned.clone())),
        ("scan_with_phone_same_amount", fresh(warned.clone())),
        ("scan_with_phone_same_amount", fresh(warned)),
    ]
}

fn waiting_states() -> Vec<(&'static str, Snapshot)> {
    let speaking = |words: &str, snapshot| Snapshot { pinpad_status: Some(words.into()), ..snapshot };
    let mut warned = payment(Method::Payme, 12_500, State::AwaitingPayer);
    warned.warned_of = Some(PaymentId(Uuid::nil()));
    let wrong_scan = Snapshot {
        notice: Some((NOW_MS, Notice::ScanNotPayment(CodeKind::FiscalReceipt))),
        ..counter(payment(Method::Click, 12_500, State::AwaitingPayer))
    };
    let card = || counter(payment(Method::Humo, 86_000, State::AwaitingPayer));
    vec![
        ("present_card_pinpad_speaks", speaking("ВСТАВЬТЕ, ПРОВЕДИТЕ ИЛИ ПРИЛОЖИТЕ КАРТУ", card())),
        (
            "processing_pinpad_speaks",
            speaking("СОЕДИНЕНИЕ С БАНКОМ", counter(payment(Method::Humo, 86_000, State::BankProcessing))),
        ),
        ("show_code_same_amount", counter(warned)),
        ("show_code_wrong_scan", wrong_scan),
        ("present_card_large_amount", counter(payment(Method::Humo, 125_000_000, State::AwaitingPayer))),
        ("present_card_largest_amount", counter(payment(Method::Humo, 9_999_999_999, State::AwaitingPayer))),
    ]
}

fn ended_states() -> Vec<(&'static str, Snapshot)> {
    let mut late = payment(Method::Humo, 86_000, State::Paid);
    late.late = true;
    let humo = |code| declined(Method::Humo, DeclineKind::Refused, Some(code), None);
    let refused = Decline { why: DeclineKind::Refused, code: Some("05".into()), message: None };
    vec![
        ("approved_late", last(late)),
        ("declined_refused", humo("05")),
        ("declined_expired_card", humo("54")),
        ("declined_wrong_pin", humo("55")),
        ("declined_not_permitted", humo("57")),
        ("declined_limit", humo("61")),
        ("declined_bank_away", humo("91")),
        ("declined_shift", humo("303")),
        (
            "declined_by_provider",
            declined(
                Method::Payme,
                DeclineKind::Refused,
                Some("106"),
                Some("Недостаточно средств на карте плательщика"),
            ),
        ),
        ("declined_at_pinpad", declined(Method::Humo, DeclineKind::CancelledAtPinpad, None, None)),
        (
            "declined_misconfigured",
            declined(Method::Click, DeclineKind::Misconfigured, Some("104"), Some("BILLING_ERROR")),
        ),
        ("declined_absent", declined(Method::Humo, DeclineKind::Absent, None, None)),
        ("cancelled_till_gone", last(payment(Method::Click, 12_500, State::Cancelled { by: CancelledBy::TillGone }))),
        ("cancelled_by_restart", last(payment(Method::Click, 12_500, State::Cancelled { by: CancelledBy::Restart }))),
        ("cancelled_by_operator", last(payment(Method::Click, 12_500, State::Cancelled { by: CancelledBy::Operator }))),
        ("giving_back", refunding(RefundState::Processing)),
        ("given_back", refunding(RefundState::Done)),
        ("not_given_back", refunding(RefundState::Refused(refused))),
        ("give_back_in_doubt", refunding(RefundState::InDoubt { why: Doubt::NoResult })),
    ]
}
