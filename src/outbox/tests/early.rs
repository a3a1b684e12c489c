//! What a word from outside does, and what it never does.

use super::*;
use crate::payment::sbp::{QrCode, Sbp, SbpAsk};

/// Sales at codes of the numbers `first..`, whose receipts wait for their time; registered or not.
fn waiting(numbers: std::ops::Range<usize>, registered: bool) -> Arc<World> {
    let world = World::new(0, Method::Sbp);
    let next_ms = NOW_MS + 600_000;
    for number in numbers {
        let mut payment = paid_sale(Method::Sbp).0;
        let code = QrCode {
            operation_id: format!("operation-{number}"),
            number: format!("number-{number}"),
            link: String::new(),
            params_id: None,
        };
        let (ask, receipts, link_id, told) = (SbpAsk::default(), None, None, None);
        payment.sbp = Some(Box::new(Sbp { ask, receipts, link_id, code: Some(code), told, watch_over: true }));
        let id = payment.id;
        let mut terminal = world.terminal.lock().unwrap();
        terminal.adopt(payment);
        let error = "wait".to_owned();
        terminal.apply(NOW_MS, &Fact::ReceiptDelayed { payment: id, number: 1, next_ms, error, registered }).unwrap();
    }
    world
}

fn pending() -> Delivery {
    Delivery::Pending { text: "wait".to_owned() }
}

fn named(operation: &str) -> Vec<String> {
    vec![operation.to_owned()]
}

#[tokio::test]
async fn a_registered_receipt_is_asked_for_when_it_is_named_and_no_other() {
    let world = waiting(0..10, true);
    let script = Script::of([]);
    let running = start(&world, &[(Method::Sbp, script.clone())]);
    a_while().await;
    assert_eq!(script.calls(), 0, "its time has not come");
    running.ask_now.ask(named("number-3"));
    until("the one", || world.count(ConfirmationState::Confirmed) == 1).await;
    world.clock.advance(limits::CALLBACK_LOOK_EVERY_MS);
    running.ask_now.ask(named("operation-4"));
    until("the other", || world.count(ConfirmationState::Confirmed) == 2).await;
    world.clock.advance(limits::CALLBACK_LOOK_EVERY_MS);
    running.ask_now.ask(named("number-99"));
    a_while().await;
    assert_eq!(script.calls(), 2, "an unknown number asks nothing");
}

#[tokio::test]
async fn a_word_without_a_number_asks_for_all_that_are_registered() {
    let world = waiting(0..20, true);
    let script = Script::of([]);
    let running = start(&world, &[(Method::Sbp, script.clone())]);
    a_while().await;
    running.ask_now.ask(Vec::new());
    until("all", || world.count(ConfirmationState::Confirmed) == 20).await;
    assert_eq!(script.calls(), 20);
}

#[tokio::test]
async fn a_word_sends_nothing_that_is_not_registered() {
    let world = waiting(0..3, false);
    let script = Script::of([]);
    let running = start(&world, &[(Method::Sbp, script.clone())]);
    running.ask_now.ask(Vec::new());
    running.ask_now.ask(named("number-1"));
    a_while().await;
    assert_eq!(script.calls(), 0);
}

#[tokio::test]
async fn a_flood_asks_once_for_each_receipt_and_limit_and_seldom_looks() {
    let world = waiting(0..1, true);
    let script = Script::of(std::iter::repeat_with(pending).take(1_000));
    let running = start(&world, &[(Method::Sbp, script.clone())]);
    a_while().await;
    let looks = world.looks.load(Ordering::SeqCst);
    for _ in 0..50 {
        running.ask_now.ask(named("number-0"));
        running.ask_now.ask(Vec::new());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    a_while().await;
    assert_eq!(script.calls(), 1);
    let more = world.looks.load(Ordering::SeqCst) - looks;
    assert!(more <= 6, "{more} pages read: for the first word, and after the end of its question");

    // The last word is not forgotten: it is asked when the limit allows it, once.
    world.date_all(NOW_MS + 600_000);
    world.clock.advance(limits::CALLBACK_LOOK_EVERY_MS);
    a_while().await;
    assert_eq!(script.calls(), 1);
    world.clock.advance(limits::CALLBACK_ASK_EVERY_MS);
    running.wake.notify_one();
    until("asked again", || script.calls() == 2).await;
    a_while().await;
    world.date_all(NOW_MS + 600_000);
    world.clock.advance(limits::CALLBACK_ASK_EVERY_MS);
    running.wake.notify_one();
    a_while().await;
    assert_eq!(script.calls(), 2, "nobody has called since");
}

#[tokio::test]
async fn a_word_that_comes_while_its_receipt_is_asked_for_is_kept() {
    let world = waiting(0..1, true);
    let script = Arc::new(Script {
        answers: Mutex::new([pending()].into()),
        takes: Duration::from_millis(80),
        ..Script::default()
    });
    world.clock.advance(600_000);
    let running = start(&world, &[(Method::Sbp, script.clone())]);
    until("asked in its turn", || script.calls() == 1).await;
    running.ask_now.ask(named("number-0"));
    until("asked again", || world.count(ConfirmationState::Confirmed) == 1).await;
    assert_eq!(script.calls(), 2);
}

#[test]
fn words_about_more_operations_than_are_looked_at_mean_all_and_take_no_more_room() {
    let ask_now = AskNow::default();
    for number in 0..10 * limits::OUTBOX_LOOK_LEN {
        ask_now.ask(vec![number.to_string()]);
    }
    assert!(ask_now.take().mean(&paid_sale(Method::Sbp).0));
    assert!(!ask_now.take().mean(&paid_sale(Method::Sbp).0), "what was taken is not said again");
}
