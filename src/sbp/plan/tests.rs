use proptest::prelude::*;

use super::{Due, Plan, Tell};
use crate::payment::sbp::QrStatus;
use crate::sbp::budget::Urgency;
use crate::sbp::waits::Waits;

const DAY_MS: u64 = 86_400_000;

fn fresh(now_ms: u64) -> Plan {
    Plan::new(Waits::default(), now_ms, 0, false, Urgency::Routine)
}

fn told(status: QrStatus) -> Option<Tell> {
    Some(Tell { status, last: false })
}

/// Lets time go by until `to_ms` and answers every question; what was due on the way.
fn play(plan: &mut Plan, from_ms: u64, to_ms: u64, answer: impl Fn(u64) -> Option<QrStatus>) -> Vec<(u64, Out)> {
    let mut now_ms = from_ms;
    let mut out = Vec::new();
    while now_ms <= to_ms {
        while let Some(due) = plan.due(now_ms) {
            match due {
                Due::Silent => out.push((now_ms, Out::Silent)),
                Due::Last(tell) => out.push((now_ms, Out::Told(tell))),
                Due::Ask(_) => {
                    out.push((now_ms, Out::Asked));
                    plan.asked();
                    let answer = answer(now_ms);
                    plan.answered(now_ms, answer.is_some());
                    let tell = answer.and_then(|status| plan.heard(now_ms, status));
                    out.extend(tell.map(|tell| (now_ms, Out::Told(tell))));
                }
            }
        }
        now_ms = plan.next_ms().max(now_ms + 1);
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Silent,
    Asked,
    Told(Tell),
}

fn told_of(out: &[(u64, Out)]) -> Vec<Tell> {
    out.iter().filter_map(|(_, out)| if let Out::Told(tell) = out { Some(*tell) } else { None }).collect()
}

#[test]
fn a_fresh_code_leaves_the_socket_time_to_open_and_a_resumed_one_is_asked_about_at_once() {
    assert_eq!(fresh(5).due(5), None);
    assert_eq!(fresh(5).due(5 + Waits::default().ask_first_ms), Some(Due::Ask(Urgency::Routine)));
    assert_eq!(Plan::new(Waits::default(), 5, 0, true, Urgency::Routine).due(5), Some(Due::Ask(Urgency::Urgent)));
}

#[test]
fn the_same_status_by_both_ways_is_told_once() {
    let mut plan = fresh(0);
    assert_eq!(plan.heard(10, QrStatus::Pending), told(QrStatus::Pending));
    assert_eq!(plan.heard(20, QrStatus::Pending), None);
    assert_eq!(plan.heard(30, QrStatus::AttemptFailed), told(QrStatus::AttemptFailed));
    assert_eq!(plan.heard(40, QrStatus::Pending), told(QrStatus::Pending));
}

#[test]
fn an_end_is_told_at_once_and_again_until_the_watch_is_called_off() {
    let mut plan = fresh(0);
    assert_eq!(plan.heard(10, QrStatus::Paid), told(QrStatus::Paid));
    assert_eq!(plan.heard(11, QrStatus::Paid), None, "a server that stammers is no news");
    let out = play(&mut plan, 11, 10_000, |_| Some(QrStatus::Paid));
    assert!(told_of(&out).len() >= 2, "{out:?}");
    assert!(told_of(&out).iter().all(|tell| *tell == Tell { status: QrStatus::Paid, last: false }));
}

#[test]
fn an_open_socket_is_checked_rarely_and_a_closed_one_makes_for_questions() {
    let asked = |up: bool| {
        let mut plan = fresh(0);
        plan.socket(0, up);
        plan.heard(0, QrStatus::Pending);
        let out = play(&mut plan, 0, 60_000, |_| Some(QrStatus::Pending));
        out.iter().filter(|(_, out)| *out == Out::Asked).count()
    };
    assert_eq!((asked(true), asked(false)), (3, 30), "every 20 s, and every 2 s");
}

#[test]
fn unknown_is_asked_again_soon_even_beside_an_open_socket() {
    let mut plan = fresh(0);
    plan.socket(0, true);
    assert_eq!(plan.heard(0, QrStatus::Unknown), told(QrStatus::Unknown));
    assert_eq!(plan.next_ms(), Waits::default().ask_first_ms);
}

#[test]
fn what_says_nothing_sure_is_asked_about_at_once() {
    let mut plan = fresh(0);
    plan.socket(0, true);
    plan.heard(0, QrStatus::Pending);
    plan.ask_soon(7);
    assert_eq!(plan.due(7), Some(Due::Ask(Urgency::Urgent)));
    plan.asked();
    plan.ask_soon(8);
    assert_eq!(plan.due(8), None, "one question at a time");
    plan.answered(9, true);
    plan.heard(9, QrStatus::Pending);
    assert_eq!(plan.due(9), Some(Due::Ask(Urgency::Urgent)), "what came during the question was not in its answer");
}

#[test]
fn silence_is_told_once_and_ends_with_a_status() {
    let mut plan = fresh(0);
    let out = play(&mut plan, 0, 120_000, |_| None);
    assert_eq!(out.iter().filter(|(_, out)| *out == Out::Silent).count(), 1);
    let asked = out.iter().filter(|(_, out)| *out == Out::Asked).count();
    assert!((5..=12).contains(&asked), "{asked} questions in two minutes of nobody answering");
    assert_eq!(plan.heard(130_000, QrStatus::Unknown), told(QrStatus::Unknown));
    assert_eq!(plan.heard(130_001, QrStatus::Pending), told(QrStatus::Pending));
    assert_eq!(plan.heard(130_002, QrStatus::Pending), None);
}

#[test]
fn the_word_after_a_silence_is_told_though_it_is_the_same_as_before() {
    let mut plan = fresh(0);
    assert_eq!(plan.heard(0, QrStatus::Pending), told(QrStatus::Pending));
    assert_eq!(plan.due(Waits::default().silent_ms), Some(Due::Silent));
    assert_eq!(plan.heard(40_000, QrStatus::Pending), told(QrStatus::Pending));
}

#[test]
fn a_socket_that_lives_is_no_silence() {
    let mut plan = fresh(0);
    plan.reached(29_000);
    plan.reached(3);
    assert_ne!(plan.due(30_000), Some(Due::Silent));
    assert_eq!(plan.due(59_000), Some(Due::Silent));
}

#[test]
fn after_a_failed_attempt_that_nothing_follows_the_watch_reaches_its_limit() {
    let mut plan = fresh(0);
    let limit_ms = Waits::default().after_failed_ms;
    plan.heard(0, QrStatus::AttemptFailed);
    let out = play(&mut plan, 0, limit_ms + 60_000, |_| Some(QrStatus::AttemptFailed));
    let last: Vec<_> = out.iter().filter(|(_, out)| matches!(out, Out::Told(Tell { last: true, .. }))).collect();
    assert_eq!(last, [&(limit_ms, Out::Told(Tell { status: QrStatus::AttemptFailed, last: true }))]);
}

#[test]
fn a_new_attempt_takes_the_limit_of_the_failed_one_back() {
    let mut plan = fresh(0);
    let limit_ms = Waits::default().after_failed_ms;
    plan.heard(0, QrStatus::AttemptFailed);
    let out = play(&mut plan, 0, 2 * limit_ms, |now_ms| {
        Some(if now_ms < limit_ms { QrStatus::AttemptFailed } else { QrStatus::Pending })
    });
    assert_eq!(told_of(&out), [Tell { status: QrStatus::Pending, last: false }]);
}

#[test]
fn the_limit_in_all_is_told_once_with_the_last_status_and_a_slow_watch_follows() {
    let mut plan = fresh(0);
    plan.socket(0, true);
    let out = play(&mut plan, 0, DAY_MS + 3_600_000, |_| Some(QrStatus::Pending));
    let pending = |last| Tell { status: QrStatus::Pending, last };
    assert_eq!(told_of(&out), [pending(false), pending(true)]);
    let slow = out.iter().filter(|(at, out)| *at > DAY_MS && *out == Out::Asked).count();
    assert_eq!(slow, 6);
    assert_eq!(plan.heard(DAY_MS + 4_000_000, QrStatus::Paid), told(QrStatus::Paid), "late money is still told");
}

#[test]
fn at_the_limit_of_a_silent_watch_nobody_knows() {
    let mut plan = fresh(0);
    let out = play(&mut plan, 0, DAY_MS + 3_600_000, |_| None);
    assert_eq!(told_of(&out), [Tell { status: QrStatus::Unknown, last: true }]);
}

#[test]
fn a_code_that_is_older_than_the_limit_is_still_asked_about_before_it_is_given_up() {
    let mut plan = Plan::new(Waits::default(), 0, 3 * DAY_MS, true, Urgency::Routine);
    assert_eq!(plan.due(0), Some(Due::Ask(Urgency::Urgent)));
    plan.asked();
    plan.answered(5, true);
    assert_eq!(plan.heard(5, QrStatus::Paid), told(QrStatus::Paid));
}

#[derive(Clone, Debug)]
enum Step {
    Heard(QrStatus),
    Socket(bool),
    Reached,
    AskSoon,
    Answer(Option<QrStatus>),
}

fn any_status() -> impl Strategy<Value = QrStatus> {
    prop_oneof![
        Just(QrStatus::Unknown),
        Just(QrStatus::Created),
        Just(QrStatus::Pending),
        Just(QrStatus::AttemptFailed),
        Just(QrStatus::Paid),
        Just(QrStatus::Expired),
        any::<i64>().prop_map(|code| QrStatus::Other { code }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any_status().prop_map(Step::Heard),
        any::<bool>().prop_map(Step::Socket),
        Just(Step::Reached),
        Just(Step::AskSoon),
        prop::option::of(any_status()).prop_map(Step::Answer),
    ]
}

proptest! {
    /// Whatever happens in whatever order: the plan always has a next moment, says `last` and every silence once, and never keeps an end
    /// that it hears for the first time to itself.
    #[test]
    fn a_watch_never_stops_and_never_keeps_an_end_to_itself(
        steps in prop::collection::vec((any_step(), 0_u64..200_000), 1..200),
        resumed in any::<bool>(),
    ) {
        let mut plan = Plan::new(Waits::default(), 0, 0, resumed, Urgency::Routine);
        let (mut now_ms, mut asking, mut lasts) = (0, false, 0);
        let mut told: Option<QrStatus> = None;
        for (step, pause_ms) in steps {
            now_ms += pause_ms;
            let mut rounds = 0;
            while let Some(due) = plan.due(now_ms) {
                rounds += 1;
                prop_assert!(rounds < 5, "due again and again: {due:?}");
                match due {
                    Due::Ask(_) => { plan.asked(); asking = true; }
                    Due::Last(tell) => { prop_assert!(tell.last); lasts += 1; }
                    Due::Silent => {}
                }
            }
            let heard = match step {
                Step::Heard(status) => Some(status),
                Step::Socket(up) => { plan.socket(now_ms, up); None }
                Step::Reached => { plan.reached(now_ms); None }
                Step::AskSoon => { plan.ask_soon(now_ms); None }
                Step::Answer(answer) if asking => {
                    asking = false;
                    plan.answered(now_ms, answer.is_some());
                    answer
                }
                Step::Answer(_) => None,
            };
            if let Some(status) = heard {
                let tell = plan.heard(now_ms, status);
                if told != Some(status) {
                    prop_assert!(tell.is_some(), "{status:?} after {told:?} was kept back");
                }
                if let Some(tell) = tell {
                    prop_assert_eq!(tell.status, status);
                    prop_assert!(!(tell.last && status.is_final()));
                    lasts += usize::from(tell.last);
                    told = Some(status);
                }
            }
            prop_assert!(lasts <= 1);
            prop_assert!(asking || plan.next_ms() < u64::MAX, "a watch that waits for nothing");
        }
    }
}
