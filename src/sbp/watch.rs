//! One code, watched to its end: words of the socket and answers by REST become events, as soon as they come.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::budget::Urgency;
use super::line::{Seat, Word};
use super::plan::{Due, Plan, Tell};
use super::profile::Profile;
use crate::driver::Handle;
use crate::limits;
use crate::payment::event::Event;
use crate::payment::sale::{Payment, State};
use crate::payment::sbp::{QrStatus, SbpHeard};
use crate::provider::qrm::error::QrmError;

/// Everything that a watch needs.
pub(super) struct Watch {
    pub(super) profile: Arc<Profile>,
    pub(super) driver: Handle,
    pub(super) payment: Arc<Payment>,
    /// Another life of the terminal, or another watch of this one, has followed it before.
    pub(super) resumed: bool,
    pub(super) tasks: tokio::runtime::Handle,
}

impl Watch {
    /// Watch until `over` is told or dropped.
    pub(super) async fn run(self, mut over: oneshot::Receiver<()>) {
        let Some(operation) = self.payment.sbp.as_ref().and_then(|sbp| sbp.code.as_ref()).map(|c| &c.operation_id)
        else {
            warn!("a sale without a code cannot be watched");
            return;
        };
        let mut seat = self.profile.line(&self.tasks).follow(operation).await;
        tokio::select! {
            _ = &mut over => {}
            () = self.follow(&mut seat) => {}
        }
        seat.leave().await;
    }

    async fn follow(&self, seat: &mut Seat) {
        let age_ms = self.profile.clock().wall_ms().saturating_sub(self.payment.created_ms);
        let age_ms = u64::try_from(age_ms).unwrap_or(0);
        // Whoever stands before the display waits for this one.
        let shown = self.payment.attended && self.payment.state == State::AwaitingPayer;
        let usual = if shown { Urgency::Urgent } else { Urgency::Routine };
        let mut plan = Plan::new(*self.profile.waits(), self.now(), age_ms, self.resumed, usual);
        // At most one question at a time; dropped with the watch.
        let mut question = None;
        let mut complaint = String::new();
        loop {
            plan.reached(seat.heard_ms());
            match plan.due(self.now()) {
                Some(Due::Silent) => {
                    self.tell(SbpHeard::Silent { payment: self.payment.id }).await;
                    continue;
                }
                Some(Due::Last(last)) => {
                    self.say(last).await;
                    continue;
                }
                Some(Due::Ask(urgency)) => {
                    plan.asked();
                    question = Some(Box::pin(self.profile.ask_status(&self.payment, urgency)));
                }
                None => {}
            }
            let pause = limits::wait(plan.next_ms().saturating_sub(self.now()).max(1));
            tokio::select! {
                word = seat.word() => {
                    if let Some(tell) = self.word(&mut plan, word) {
                        self.say(tell).await;
                    }
                }
                answer = answered(&mut question) => {
                    question = None;
                    self.complain(&answer, &mut complaint);
                    plan.answered(self.now(), answer.is_ok());
                    if let Some(tell) = answer.ok().and_then(|status| plan.heard(self.now(), status)) {
                        self.say(tell).await;
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn word(&self, plan: &mut Plan, word: Word) -> Option<Tell> {
        let now_ms = self.now();
        match word {
            Word::Up => plan.socket(now_ms, true),
            Word::Down => plan.socket(now_ms, false),
            Word::Ask => plan.ask_soon(now_ms),
            Word::Status(code) => {
                let status = QrStatus::of_code(code);
                // Over the socket a cash link's 7 may be of either table; REST has one of its own for it.
                if status == QrStatus::Refunded && self.payment.sbp.as_ref().is_some_and(|sbp| sbp.link_id.is_some()) {
                    plan.ask_soon(now_ms);
                    return None;
                }
                return plan.heard(now_ms, status);
            }
        }
        None
    }

    async fn say(&self, tell: Tell) {
        let Tell { status, last } = tell;
        debug!(?status, last, "a code's status");
        self.tell(SbpHeard::Status { payment: self.payment.id, status, last }).await;
    }

    async fn tell(&self, heard: SbpHeard) {
        self.driver.tell(Event::Sbp(heard)).await;
    }

    /// Say once what is wrong with the questions, and again when it is something else.
    fn complain(&self, answer: &Result<QrStatus, QrmError>, last: &mut String) {
        match answer {
            Ok(_) => last.clear(),
            Err(error) => {
                let text = error.to_string();
                if *last != text {
                    warn!(profile = self.profile.name(), %error, "a code cannot be asked about");
                    *last = text;
                }
            }
        }
    }

    fn now(&self) -> u64 {
        self.profile.clock().monotonic_ms()
    }
}

/// The answer to the question under way; never, where there is none.
async fn answered<F: Future + Unpin>(question: &mut Option<F>) -> F::Output {
    match question {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}
