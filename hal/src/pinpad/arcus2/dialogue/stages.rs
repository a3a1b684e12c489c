//! From one stage to the next: time limits, ends, failures (the picture in [`super`]).

use std::time::Duration;

use super::{Dialogue, Event, Now, Stage, Transmit};
use crate::pinpad::{End, Operation};

impl Dialogue {
    pub(super) fn stage_timeout(&mut self, now: Now) {
        match &self.stage {
            Stage::Draining { quiet_at, .. } if now.at >= *quiet_at => self.send_request(now),
            Stage::Draining { until, .. } if now.at >= *until => {
                let why = "the PinPad is still busy with another dialogue".to_owned();
                self.finish(End::NotSent { why });
            }
            Stage::Running { until } if now.at >= *until => {
                let why = format!("no ENDTR within {} s", self.run_limit().as_secs());
                self.fail(now, why, false);
            }
            Stage::Failing { until, cap, why, .. } if self.is_spent(now, *until, *cap) => {
                let why = why.clone();
                self.finish(End::Lost { why });
            }
            Stage::Listening { until, cap } if self.is_spent(now, *until, *cap) => self.end_listening(now, false),
            Stage::Pinging { until, ended } if now.at >= *until => {
                let ended = *ended;
                self.finish_recovery(ended, false);
            }
            _ => {}
        }
    }

    /// A drain is over at `until`, but evidence that still waits for the disk is waited for, up to `cap`.
    fn is_spent(&self, now: Now, until: Duration, cap: Duration) -> bool {
        now.at >= cap || (now.at >= until && self.held.is_none())
    }

    pub(super) fn on_end(&mut self, now: Now) {
        if std::mem::take(&mut self.stale_ping) {
            // This ENDTR closed the old ping's dialogue, or, in Pinging, the ping's own.
            if !matches!(self.stage, Stage::Pinging { .. }) {
                self.heard = false;
                return;
            }
        }
        match &self.stage {
            Stage::Running { .. } => self.finish(End::Ended),
            Stage::Failing { garbled: false, .. } => self.finish(End::Ended),
            Stage::Failing { why, .. } => {
                let why = why.clone();
                self.finish(End::Lost { why });
            }
            Stage::Listening { .. } => self.end_listening(now, true),
            Stage::Pinging { ended, .. } => {
                let ended = *ended;
                self.finish_recovery(ended, true);
            }
            Stage::Draining { .. } | Stage::Over => {}
        }
    }

    fn send_request(&mut self, now: Now) {
        self.codec.clear();
        self.partial_since = None;
        self.frames.clear();
        self.stale_ping = false;
        self.wire.said(&self.request);
        match self.codec.encode(&self.request) {
            Ok(bytes) => {
                self.transmits.push_back(Transmit { bytes, is_request: true });
                self.stage = Stage::Running { until: now.at + self.run_limit() };
            }
            Err(why) => self.finish(End::NotSent { why: why.to_string() }),
        }
    }

    fn run_limit(&self) -> Duration {
        if self.operation == Some(Operation::Ping) { self.limits.ping } else { self.limits.dialogue }
    }

    fn end_listening(&mut self, now: Now, ended: bool) {
        if !ended && self.heard {
            // It speaks, so it is alive, and a ping into the middle of its dialogue would only confuse it.
            self.events.push_back(Event::Alive(true));
            let why = "the PinPad has not ended the interrupted operation".to_owned();
            self.finish(End::Lost { why });
            return;
        }
        self.codec.clear();
        self.partial_since = None;
        self.frames.clear();
        let ping = self.settings.request(&Operation::Ping).unwrap_or_default();
        self.wire.said(&ping);
        let Ok(bytes) = self.codec.encode(&ping) else { return self.finish_recovery(ended, false) };
        self.transmits.push_back(Transmit { bytes, is_request: false });
        self.stale_ping = true;
        self.stage = Stage::Pinging { until: now.at + self.limits.ping, ended };
    }

    fn finish_recovery(&mut self, ended: bool, alive: bool) {
        self.events.push_back(Event::Alive(alive));
        self.finish(if ended {
            End::Ended
        } else {
            End::Lost { why: "the PinPad said nothing more of the interrupted operation".into() }
        });
    }

    pub(super) fn fail(&mut self, now: Now, why: String, garbled: bool) {
        match &mut self.stage {
            Stage::Running { .. } => {
                let until = now.at + self.limits.drain_after_failure;
                // A held answer may outlast the drain, but not by more than a whole dialogue.
                self.stage = Stage::Failing { until, cap: now.at + self.limits.dialogue, why, garbled };
            }
            Stage::Draining { .. } => {
                let why = format!("an earlier dialogue is not over: {why}");
                self.finish(End::NotSent { why });
            }
            Stage::Listening { .. } | Stage::Pinging { .. } => self.finish(End::Lost { why }),
            Stage::Failing { .. } | Stage::Over => {}
        }
    }

    pub(super) fn finish(&mut self, end: End) {
        if self.is_over() {
            return;
        }
        if self.operation == Some(Operation::Ping) && self.request_touched && end != End::Ended {
            self.stale_ping = true;
        }
        self.transmits.retain(|t| !t.is_request);
        self.stage = Stage::Over;
        self.held = None;
        self.events.push_back(Event::Finished(end));
    }
}
