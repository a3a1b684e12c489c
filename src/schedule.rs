//! The daily closing of the card shift (`[humo] settle_at`): one task that asks the driver for a settlement, and a pure function that decides when.
//!
//! What was tried is read from the last settlement itself, whose token names the day and the attempt: a restart, a clock that steps, a person who
//! closes the shift by hand, none of them makes a second closing on one day. A settlement in doubt is never followed by another one.

use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::{Date, Time};
use tokio::sync::watch;
use tracing::{info, warn};
use uuid::Uuid;

use crate::clock::{self, Clock};
use crate::driver::Handle;
use crate::limits;
use crate::payment::card::{RunId, Settlement, SettlementId, SettlementState};
use crate::payment::event::Event;
use crate::payment::sale::{Token, UnixMs};

/// What a scheduled settlement's token begins with. A till's token begins with the till's name and cannot hold a blank.
const TOKEN: &str = "schedule ";

/// One attempt to close the shift of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The day on which it became due, where the tills stand.
    pub day: Date,
    /// Counts from 1.
    pub number: u32,
}

/// The schedule as a technician sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// When, Tashkent time.
    pub settle_at: Time,
    /// What keeps it from closing the shift that is due.
    pub trouble: Option<String>,
}

/// Whether the shift has to be closed now. Pure: `now_ms` is the wall clock, `last` the last settlement, whoever asked for it.
#[must_use]
pub fn due(settle_at: Time, now_ms: UnixMs, last: Option<&Settlement>) -> Option<Attempt> {
    let (day, since_ms) = last_time(settle_at, now_ms)?;
    if now_ms.saturating_sub(since_ms) > limits::SETTLE_LATE_MS {
        return None;
    }
    let first = Some(Attempt { day, number: 1 });
    let Some(last) = last else { return first };
    if matches!(last.state, SettlementState::Processing | SettlementState::InDoubt { .. }) {
        return None;
    }
    let tried = attempt_of(last).filter(|tried| tried.day == day);
    match (tried, &last.state) {
        (Some(tried), SettlementState::Refused { .. }) => {
            // After a step back of the clock the pause is not waited for again: the attempts are counted anyway.
            let waits = (0..limits::SETTLE_RETRY_MS).contains(&now_ms.saturating_sub(last.updated_ms));
            (tried.number < limits::SETTLE_ATTEMPTS_MAX && !waits)
                .then_some(Attempt { day, number: tried.number.saturating_add(1) })
        }
        (Some(_), _) => None,
        // Closed by a person since it became due, or by a clock that has stepped back a little. A closing that lies more than a day ahead
        // was written by a clock that was wrong, and must not keep the shift open for years.
        (None, SettlementState::Done) => {
            let ahead = now_ms.saturating_add(limits::SETTLE_LATE_MS.saturating_mul(6));
            if (since_ms..ahead).contains(&last.updated_ms) { None } else { first }
        }
        (None, _) => first,
    }
}

/// The last time that the clock on the wall showed `settle_at`: its day and its moment.
fn last_time(settle_at: Time, now_ms: UnixMs) -> Option<(Date, UnixMs)> {
    let now = clock::local(now_ms);
    let today = now.date();
    [Some(today), today.checked_sub(1.day()).ok()].into_iter().flatten().find_map(|day| {
        let moment = day.to_datetime(settle_at).to_zoned(now.time_zone().clone()).ok()?;
        let at_ms = moment.timestamp().as_millisecond();
        (at_ms <= now_ms).then_some((day, at_ms))
    })
}

/// The attempt that a settlement was, if the schedule asked for it.
fn attempt_of(settlement: &Settlement) -> Option<Attempt> {
    let (day, number) = settlement.token.as_ref()?.key.strip_prefix(TOKEN)?.split_once('#')?;
    Some(Attempt { day: day.parse().ok()?, number: number.parse().ok()? })
}

fn token_of(attempt: Attempt) -> Token {
    Token { key: format!("{TOKEN}{}#{}", attempt.day, attempt.number), digest: "settle".to_owned() }
}

/// Closes the shift every day until `stop` is set. `word` is what it has to say about itself.
pub async fn run(
    settle_at: Time,
    driver: Handle,
    clock: Clock,
    word: watch::Sender<Option<Word>>,
    mut stop: watch::Receiver<bool>,
) {
    word.send_replace(Some(Word { settle_at, trouble: None }));
    let say = |trouble: Option<String>| {
        word.send_if_modified(|known| {
            let new = Some(Word { settle_at, trouble });
            let changed = *known != new;
            if changed {
                if let Some(trouble) = new.as_ref().and_then(|word| word.trouble.as_ref()) {
                    warn!(trouble, "the scheduled closing of the shift has to wait");
                }
                *known = new;
            }
            changed
        });
    };
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(limits::wait(limits::SETTLE_CHECK_EVERY_MS)) => {}
        }
        look(settle_at, &driver, &clock, &say).await;
    }
}

/// One look at the clock, and what follows from it.
async fn look(settle_at: Time, driver: &Handle, clock: &Clock, say: &impl Fn(Option<String>)) {
    let last = driver.snapshot().shift.last.clone();
    if !clock.wall_trusted() {
        return say(Some("the terminal's clock is not set".to_owned()));
    }
    let Some(attempt) = due(settle_at, clock.wall_ms(), last.as_deref()) else {
        return say(refused(last.as_ref()));
    };
    let event =
        Event::Settle { id: SettlementId(Uuid::new_v4()), run: RunId(Uuid::new_v4()), token: Some(token_of(attempt)) };
    match driver.ask(event).await {
        Ok(_) => {
            info!(day = %attempt.day, number = attempt.number, "the shift is being closed, as scheduled");
            say(None);
        }
        Err(denial) => say(Some(denial.to_string())),
    }
}

/// What became of the last attempt, where a person has to know.
fn refused(last: Option<&Arc<Settlement>>) -> Option<String> {
    let last = last?;
    let attempt = attempt_of(last)?;
    let SettlementState::Refused { code, message } = &last.state else { return None };
    let words = code.as_ref().map(|code| format!("code {code}")).or(message.clone()).unwrap_or_default();
    let most = limits::SETTLE_ATTEMPTS_MAX;
    Some(if attempt.number < most {
        format!("attempt {} of {most} on {} was refused ({words}); it is tried again", attempt.number, attempt.day)
    } else {
        format!("all {most} attempts on {} were refused ({words}); run: tolov shift close", attempt.day)
    })
}

#[cfg(test)]
mod tests {
    mod evening;

    use super::*;
    use crate::payment::card::Run;
    use crate::payment::sale::Doubt;
    use jiff::Timestamp;

    const AT: Time = Time::constant(23, 30, 0, 0);

    /// A time of the day in Tashkent, which is five hours ahead of UTC.
    fn ms(text: &str) -> UnixMs {
        format!("{text}:00+05:00").parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn settlement(state: SettlementState, updated: &str, attempt: Option<(&str, u32)>) -> Settlement {
        Settlement {
            id: SettlementId(Uuid::nil()),
            token: attempt.map(|(day, number)| token_of(Attempt { day: day.parse().unwrap(), number })),
            created_ms: ms(updated),
            updated_ms: ms(updated),
            shift: None,
            state,
            run: Run::new(RunId(Uuid::nil()), None),
        }
    }

    fn refused() -> SettlementState {
        SettlementState::Refused { code: Some("999".to_owned()), message: None }
    }

    fn at(now: &str, last: Option<&Settlement>) -> Option<(String, u32)> {
        due(AT, ms(now), last).map(|attempt| (attempt.day.to_string(), attempt.number))
    }

    #[test]
    fn the_shift_is_due_at_its_time_and_for_a_while_after_it() {
        let first = Some(("2026-11-22".to_owned(), 1));
        assert_eq!(at("2026-11-22T23:29", None), None);
        assert_eq!(at("2026-11-22T23:30", None), first);
        assert_eq!(at("2026-11-23T03:30", None), first, "a box that was off at its time closes after midnight");
        assert_eq!(at("2026-11-23T03:31", None), None, "a box that was off for longer waits for the next evening");
        assert_eq!(at("2026-11-23T12:00", None), None);
    }

    #[test]
    fn a_restart_on_the_same_evening_does_not_close_it_again() {
        let done = settlement(SettlementState::Done, "2026-11-22T23:31", Some(("2026-11-22", 1)));
        assert_eq!(at("2026-11-22T23:32", Some(&done)), None);
        assert_eq!(at("2026-11-23T01:00", Some(&done)), None);
        assert_eq!(at("2026-11-23T23:30", Some(&done)), Some(("2026-11-23".to_owned(), 1)));
    }

    #[test]
    fn a_shift_that_a_person_has_closed_since_is_left_alone_and_one_closed_before_is_closed() {
        assert_eq!(at("2026-11-22T23:40", Some(&settlement(SettlementState::Done, "2026-11-22T23:35", None))), None);
        let before = settlement(SettlementState::Done, "2026-11-22T20:00", None);
        assert_eq!(at("2026-11-22T23:30", Some(&before)), Some(("2026-11-22".to_owned(), 1)));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_close_it_twice() {
        let done = settlement(SettlementState::Done, "2026-11-22T23:31", Some(("2026-11-22", 1)));
        for now in ["2026-11-22T23:10", "2026-11-22T23:30", "2026-11-22T22:00", "2026-11-22T01:00"] {
            assert_eq!(at(now, Some(&done)), None, "{now}");
        }
        let by_hand = settlement(SettlementState::Done, "2026-11-22T23:31", None);
        assert_eq!(at("2026-11-22T23:30", Some(&by_hand)), None);
    }

    #[test]
    fn a_closing_by_a_clock_that_was_years_ahead_does_not_hold_up_the_next_ones() {
        let wrong = settlement(SettlementState::Done, "2031-01-01T23:31", Some(("2031-01-01", 1)));
        assert_eq!(at("2026-11-22T23:30", Some(&wrong)), Some(("2026-11-22".to_owned(), 1)));
    }

    #[test]
    fn a_refused_closing_is_tried_again_after_a_pause_and_not_for_ever() {
        let tried = |number| settlement(refused(), "2026-11-22T23:31", Some(("2026-11-22", number)));
        assert_eq!(at("2026-11-22T23:40", Some(&tried(1))), None);
        assert_eq!(at("2026-11-22T23:41", Some(&tried(1))), Some(("2026-11-22".to_owned(), 2)));
        assert_eq!(
            at("2026-11-22T23:30", Some(&tried(1))),
            Some(("2026-11-22".to_owned(), 2)),
            "the clock stepped back"
        );
        assert_eq!(at("2026-11-22T23:50", Some(&tried(limits::SETTLE_ATTEMPTS_MAX))), None);
        assert_eq!(
            at("2026-11-23T23:30", Some(&tried(limits::SETTLE_ATTEMPTS_MAX))),
            Some(("2026-11-23".to_owned(), 1))
        );
    }

    #[test]
    fn a_closing_that_nobody_knows_the_end_of_is_never_followed_by_another() {
        let doubt = SettlementState::InDoubt { why: Doubt::Restart };
        for state in [doubt, SettlementState::Processing] {
            let open = settlement(state, "2026-11-21T23:31", Some(("2026-11-21", 1)));
            assert_eq!(at("2026-11-22T23:30", Some(&open)), None);
        }
    }

    #[test]
    fn a_changed_time_is_the_next_days() {
        let done = settlement(SettlementState::Done, "2026-11-22T23:31", Some(("2026-11-22", 1)));
        let later = Time::constant(23, 45, 0, 0);
        assert_eq!(due(later, ms("2026-11-22T23:45"), Some(&done)), None);
    }

    #[test]
    fn what_was_refused_is_said_with_what_to_do() {
        let last = Arc::new(settlement(refused(), "2026-11-22T23:31", Some(("2026-11-22", 4))));
        assert_eq!(
            super::refused(Some(&last)).unwrap(),
            "all 4 attempts on 2026-11-22 were refused (code 999); run: tolov shift close"
        );
    }
}
