//! What a watch does next: a pure struct, time is an argument (monotonic, milliseconds).
//!
//! Both ways, socket and REST, feed the same [`Plan::heard`]; what arrives twice or out of order is sorted out by the machine. The plan
//! decides when to ask by REST, when nobody can be reached ([`Due::Silent`]), and when the watch has reached its limit ([`Due::Last`]).

use super::budget::Urgency;
use super::waits::{Waits, backoff_ms};
use crate::payment::sbp::QrStatus;

/// What is to be told to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tell {
    pub(super) status: QrStatus,
    /// The watch has reached its limit.
    pub(super) last: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask by REST, when the budget allows.
    Ask(Urgency),
    /// Neither way has answered for too long: tell the machine.
    Silent,
    /// The limit came and nobody could be asked any more: tell the machine.
    Last(Tell),
}

/// One code's watch.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    waits: Waits,
    socket_up: bool,
    /// Something of QRManager was heard last.
    reached_ms: u64,
    silent: bool,
    /// What the machine was told last.
    told: Option<(QrStatus, u64)>,
    /// Since when the last word is a failed attempt.
    failed_since_ms: Option<u64>,
    ends_ms: u64,
    /// The status at the limit was asked for.
    limit_asked: bool,
    /// `last` was said.
    over: bool,
    asking: bool,
    /// When a question by REST ended last, or the watch began.
    asked_ms: u64,
    /// When to ask next.
    ask_ms: u64,
    /// The next question cannot wait.
    pressing: bool,
    /// Whether the others can.
    usual: Urgency,
    /// Questions in a row without an answer.
    unanswered: u32,
}

impl Plan {
    /// A watch that begins now, over a code that is `age_ms` old. Of a code that another life of the terminal has made, nobody knows
    /// whether it still can be paid: it is asked about at once. `usual`: urgent for the code on the display.
    pub(super) fn new(waits: Waits, now_ms: u64, age_ms: u64, resumed: bool, usual: Urgency) -> Self {
        // However old the code is: there is time to hear of it once.
        let left_ms = waits.watch_ms.saturating_sub(age_ms).max(waits.silent_ms);
        let ask_ms = if resumed { now_ms } else { now_ms.saturating_add(waits.ask_first_ms) };
        Self {
            waits,
            socket_up: false,
            reached_ms: now_ms,
            silent: false,
            told: None,
            failed_since_ms: None,
            ends_ms: now_ms.saturating_add(left_ms),
            limit_asked: false,
            over: false,
            asking: false,
            asked_ms: now_ms,
            ask_ms,
            pressing: resumed,
            usual,
            unanswered: 0,
        }
    }

    /// The socket came or went.
    pub(super) fn socket(&mut self, now_ms: u64, up: bool) {
        self.socket_up = up;
        if !up || self.silent {
            // Whatever was said meanwhile was missed.
            self.ask_ms = self.ask_ms.min(now_ms);
        }
    }

    /// The socket is alive, whatever it said: QRManager was reached then.
    pub(super) fn reached(&mut self, at_ms: u64) {
        self.reached_ms = self.reached_ms.max(at_ms);
    }

    /// Something was said that only a question by REST makes clear.
    pub(super) fn ask_soon(&mut self, now_ms: u64) {
        self.ask_ms = self.ask_ms.min(now_ms);
        self.pressing = true;
    }

    /// A status by either way; what the machine is to be told of it.
    pub(super) fn heard(&mut self, now_ms: u64, status: QrStatus) -> Option<Tell> {
        self.reached(now_ms);
        self.unanswered = 0;
        match status {
            QrStatus::AttemptFailed => self.failed_since_ms = self.failed_since_ms.or(Some(now_ms)),
            // The bank was not heard: that says nothing about the attempt.
            QrStatus::Unknown => {}
            _ => {
                self.failed_since_ms = None;
                self.limit_asked = false;
            }
        }
        // After a failed attempt the limit is the attempt's; a later word takes it back.
        let last = !self.over && !status.is_final() && now_ms >= self.limit_ms();
        let was_silent = self.silent;
        if status != QrStatus::Unknown {
            self.silent = false;
        }
        self.over |= last;
        let news = match self.told {
            // An end is repeated, in case that the disk did not take it, until the watch is called off.
            Some((told, at_ms)) if told == status => {
                status.is_final() && now_ms >= at_ms.saturating_add(self.waits.ask_first_ms)
            }
            _ => true,
        };
        let tell = (news || last || was_silent).then_some(Tell { status, last });
        if tell.is_some() {
            self.told = Some((status, now_ms));
        }
        self.plan_question();
        tell
    }

    /// A question by REST was sent.
    pub(super) fn asked(&mut self) {
        self.asking = true;
        self.pressing = false;
        self.ask_ms = u64::MAX;
    }

    /// It was answered: [`Plan::heard`] follows; or it was not.
    pub(super) fn answered(&mut self, now_ms: u64, told: bool) {
        self.asking = false;
        self.asked_ms = now_ms;
        if !told {
            self.unanswered = self.unanswered.saturating_add(1);
            self.pressing = false;
            self.plan_question();
        }
    }

    /// What is due now, one thing at a time.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<Due> {
        if self.over {
            return self.question(now_ms);
        }
        if !self.silent && now_ms >= self.silent_ms() {
            self.silent = true;
            self.ask_ms = self.ask_ms.min(now_ms);
            return Some(Due::Silent);
        }
        // What is told at the limit is asked for first; only silence is told without an answer.
        if !self.limit_asked && now_ms >= self.limit_ms() {
            self.limit_asked = true;
            self.ask_ms = self.ask_ms.min(now_ms);
        }
        if now_ms >= self.given_up_ms() {
            self.over = true;
            self.plan_question();
            return Some(Due::Last(Tell { status: QrStatus::Unknown, last: true }));
        }
        self.question(now_ms)
    }

    fn question(&self, now_ms: u64) -> Option<Due> {
        let urgency = if self.pressing { Urgency::Urgent } else { self.usual };
        (!self.asking && now_ms >= self.ask_ms).then_some(Due::Ask(urgency))
    }

    /// When [`Plan::due`] may have something next.
    pub(super) fn next_ms(&self) -> u64 {
        let ask = if self.asking { u64::MAX } else { self.ask_ms };
        if self.over {
            return ask;
        }
        let silent = if self.silent { u64::MAX } else { self.silent_ms() };
        let limit = if self.limit_asked { u64::MAX } else { self.limit_ms() };
        ask.min(silent).min(limit).min(self.given_up_ms())
    }

    fn silent_ms(&self) -> u64 {
        self.reached_ms.saturating_add(self.waits.silent_ms)
    }

    /// The end of the watch: in all, or after a failed attempt that nothing follows.
    fn limit_ms(&self) -> u64 {
        let failed = self.failed_since_ms.map_or(u64::MAX, |since| since.saturating_add(self.waits.after_failed_ms));
        self.ends_ms.min(failed)
    }

    fn given_up_ms(&self) -> u64 {
        self.ends_ms.saturating_add(self.waits.silent_ms)
    }

    /// When to ask next, as things stand. What cannot wait is not put off.
    fn plan_question(&mut self) {
        if self.pressing {
            return;
        }
        let told = self.told.map(|(status, _)| status);
        let clear = told.is_some_and(|status| status != QrStatus::Unknown && !status.is_final());
        let wait_ms = if self.over {
            self.waits.slow_ask_ms
        } else if self.socket_up && !self.silent && self.unanswered == 0 && clear {
            self.waits.check_every_ms
        } else {
            backoff_ms(self.waits.ask_first_ms, self.waits.ask_longest_ms, self.unanswered)
        };
        // Counted from the last question: a socket that goes on talking does not put off what is to check it.
        self.ask_ms = self.asked_ms.saturating_add(wait_ms);
    }
}

#[cfg(test)]
mod tests;
