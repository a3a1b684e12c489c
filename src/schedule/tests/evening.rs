//! The task itself: with the driver, a PinPad of a few lines, and a clock that is moved by hand.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::super::*;
use super::{AT, ms};
use crate::driver::Driver;
use crate::payment::card::{Question, ResultClass, RunResult};
use crate::payment::event::{Effect, RunEnd, Said, Verdict};
use crate::payment::sale::{Method, PaymentId};
use crate::payment::terminal::Policy;
use crate::store::Store;

/// What the PinPad does when it is told to close the shift.
#[derive(Clone, Copy)]
enum Closing {
    Done,
    Refused,
    /// The line breaks, and nothing is heard of it any more.
    Cut,
}

struct Evening {
    clock: Clock,
    driver: Handle,
    word: watch::Receiver<Option<Word>>,
    orders: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
}

impl Evening {
    async fn begins(now: &str, closings: &'static [Closing]) -> Self {
        let clock = Clock::set_at(ms(now));
        let policy = Policy {
            methods: vec![Method::Humo],
            ask_every_ms: limits::PINPAD_RECOVERY_ASK_EVERY_MS,
            ..Policy::default()
        };
        let (driver, handle) = Driver::new(Store::in_memory().unwrap(), policy, clock.clone()).unwrap();
        let (stop, stopped) = watch::channel(false);
        let (released, effects) = mpsc::channel(64);
        let orders = Arc::<AtomicUsize>::default();
        tokio::spawn(driver.run(move |effect| released.try_send(effect).unwrap(), stopped.clone()));
        tokio::spawn(pinpad(effects, handle.clone(), closings, orders.clone()));
        handle.tell(Event::PinpadUp).await;
        let (word, heard) = watch::channel(None);
        tokio::spawn(run(AT, handle.clone(), clock.clone(), word, stopped));
        Self { clock, driver: handle, word: heard, orders, stop }
    }

    /// The clock shows `now`, and the task has had the time to look at it more than once: how often the PinPad was told to close the shift by then,
    /// and what became of the last time.
    async fn shows(&self, now: &str) -> (usize, &'static str) {
        self.clock.step_to(ms(now));
        tokio::time::sleep(limits::wait(limits::SETTLE_CHECK_EVERY_MS * 4)).await;
        let last = self.driver.snapshot().shift.last.clone();
        (self.orders.load(Ordering::SeqCst), last.map_or("none", |last| last.state.name()))
    }

    fn trouble(&self) -> Option<String> {
        self.word.borrow().as_ref().and_then(|word| word.trouble.clone())
    }
}

/// Knows of no operation, and closes the shift as `closings` say, one after the other.
async fn pinpad(
    mut effects: mpsc::Receiver<Effect>,
    driver: Handle,
    closings: &'static [Closing],
    orders: Arc<AtomicUsize>,
) {
    while let Some(effect) = effects.recv().await {
        let (run, result, end) = match effect {
            Effect::PinpadAsk { run, question: Question::LastTransaction } => {
                (run, Some(("202", ResultClass::NotFound)), RunEnd::Ended)
            }
            Effect::PinpadAsk { run, .. } => (run, None, RunEnd::Lost { why: "the cable was pulled".to_owned() }),
            Effect::PinpadRun { run, .. } => match closings[orders.fetch_add(1, Ordering::SeqCst)] {
                Closing::Done => (run, Some(("000", ResultClass::Approved)), RunEnd::Ended),
                Closing::Refused => (run, Some(("999", ResultClass::Declined)), RunEnd::Ended),
                Closing::Cut => (run, None, RunEnd::Lost { why: "the cable was pulled".to_owned() }),
            },
            _ => continue,
        };
        if let Some((code, class)) = result {
            let said = Said::Result(RunResult { code: code.to_owned(), class });
            driver.tell(Event::PinpadSaid { run, sequence: 1, said }).await;
        }
        driver.tell(Event::PinpadFinished { run, end }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_pinpad_is_told_once_an_evening_to_close_the_shift() {
    let evening = Evening::begins("2026-11-22T23:00", &[Closing::Done, Closing::Done]).await;
    assert_eq!(evening.shows("2026-11-22T23:29").await, (0, "none"));
    assert_eq!(evening.shows("2026-11-22T23:30").await, (1, "done"));
    assert_eq!(evening.shows("2026-11-23T02:00").await, (1, "done"));
    assert_eq!(evening.shows("2026-11-23T23:30").await, (2, "done"));
    assert_eq!(evening.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn a_pinpad_that_refuses_is_told_again_after_the_pause_and_the_technician_hears_of_it_until_then() {
    let evening = Evening::begins("2026-11-22T23:30", &[Closing::Refused, Closing::Done]).await;
    assert_eq!(evening.shows("2026-11-22T23:31").await, (1, "refused"));
    let told = "attempt 1 of 4 on 2026-11-22 was refused (code 999); it is tried again";
    assert_eq!(evening.trouble().as_deref(), Some(told));
    assert_eq!(evening.shows("2026-11-22T23:42").await, (2, "done"));
    assert_eq!(evening.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn a_closing_that_was_cut_off_is_not_followed_by_another_until_somebody_knows_its_end() {
    let evening = Evening::begins("2026-11-22T23:30", &[Closing::Cut, Closing::Done]).await;
    assert_eq!(evening.shows("2026-11-22T23:31").await, (1, "settlement_in_doubt"));
    assert_eq!(evening.shows("2026-11-22T23:50").await, (1, "settlement_in_doubt"));
    assert_eq!(evening.shows("2026-11-23T23:30").await, (1, "settlement_in_doubt"));
    assert_eq!(evening.shows("2026-11-24T23:30").await, (1, "settlement_in_doubt"));
    let doubted = evening.driver.snapshot().settlement.as_ref().map(|s| PaymentId(s.id.0)).unwrap();
    let (name, reason) = ("Aziza".to_owned(), "the PinPad shows the shift open".to_owned());
    let signed = Event::Resolve { payment: doubted, verdict: Verdict::Absent, name, reason, evidence: None };
    evening.driver.ask(signed).await.unwrap();
    assert_eq!(evening.shows("2026-11-24T23:31").await, (2, "done"), "the shift that was found open is closed");
    assert_eq!(evening.shows("2026-11-25T02:00").await, (2, "done"));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_whose_clock_is_not_set_says_so_and_closes_nothing() {
    let evening = Evening::begins("1970-01-01T23:30", &[]).await;
    assert_eq!(evening.shows("1970-01-01T23:31").await, (0, "none"));
    assert_eq!(evening.trouble().as_deref(), Some("the terminal's clock is not set"));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_stops_closes_no_shift_any_more() {
    let evening = Evening::begins("2026-11-22T23:00", &[]).await;
    evening.stop.send_replace(true);
    assert_eq!(evening.shows("2026-11-22T23:30").await, (0, "none"));
}
