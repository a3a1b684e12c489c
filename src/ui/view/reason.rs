//! Who says that a shift is still open, for people. Why a payment was declined is [`Reason`].

use crate::payment::card::{ResultClass, Run, RunOver};
pub use crate::payment::reason::Reason;
use crate::payment::sale::{Decline, DeclineKind, Method};

/// Who says that a shift is still open. What a settlement keeps in words is the technician's, and English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillOpen {
    /// The PinPad refused to close it, or was never told to.
    Refused(Reason),
    /// Nobody knew, and then the PinPad's report showed it.
    Reported,
    /// Nobody knew, and then a person looked.
    Signed,
}

impl StillOpen {
    /// What the run of a refused settlement says.
    #[must_use]
    pub fn of(run: &Run, code: Option<&String>) -> Self {
        let why = match (run.over, run.result.as_ref().map(|result| result.class)) {
            (Some(RunOver::Asked), _) => return Self::Reported,
            (Some(RunOver::Operator), _) => return Self::Signed,
            (Some(RunOver::NotSent), _) => DeclineKind::NotSent,
            (_, Some(ResultClass::Cancelled)) => DeclineKind::CancelledAtPinpad,
            (_, Some(ResultClass::Misconfigured)) => DeclineKind::Misconfigured,
            _ => DeclineKind::Refused,
        };
        Self::Refused(Reason::of(Method::Humo, &Decline { why, code: code.cloned(), message: None }))
    }
}
