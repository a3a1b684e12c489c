//! What goes wrong on demand: set over `/sim/faults` or from Rust.
//!
//! ```json
//! {"charge": {"kind": "slow", "ms": 5000}, "confirm": {"kind": "refused", "code": 7, "times": 1}, "wrong_codes": ["889999999999999999"]}
//! ```

use serde::{Deserialize, Serialize};

/// The faults that are set. The default: none, and two codes that nobody can pay with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Of the endpoints that take money.
    pub charge: Option<Fault>,
    /// Of the endpoints that take receipts.
    pub confirm: Option<Fault>,
    /// Codes that are refused (106): expired, or never given out.
    pub wrong_codes: Vec<String>,
}

impl Default for Faults {
    fn default() -> Self {
        let wrong_codes = vec!["889999999999999999".to_owned(), "50599999999999999999".to_owned()];
        Self { charge: None, confirm: None, wrong_codes }
    }
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// How often it happens before it is over; `None` = until it is taken away.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// Until it is taken away.
    #[must_use]
    pub const fn always(kind: FaultKind) -> Self {
        Self { kind, times: None }
    }

    /// Once.
    #[must_use]
    pub const fn once(kind: FaultKind) -> Self {
        Self { kind, times: Some(1) }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Booked at once, answered after so many milliseconds.
    Slow {
        /// How long.
        ms: u64,
    },
    /// HTTP 500; nothing was booked.
    #[serde(rename = "http_500")]
    Http500,
    /// Booked; the answer is a page of something else.
    Garbage,
    /// Booked; the connection closes in the middle of the answer.
    Cut,
    /// Booked; the connection closes without an answer.
    LostAfter,
    /// The connection closes without an answer; nothing was booked.
    LostBefore,
    /// An answer with `is_success: false`; nothing was booked.
    Refused {
        /// The gateway's code.
        code: i64,
    },
    /// `BILLING_ERROR`, 104; nothing was booked.
    NotSetUp,
}

impl Faults {
    /// What happens to this charge; uses the fault up.
    pub(super) fn take_charge(&mut self, code: &str) -> Option<FaultKind> {
        if self.wrong_codes.iter().any(|wrong| wrong == code) {
            return Some(FaultKind::Refused { code: 106 });
        }
        take(&mut self.charge)
    }

    /// What happens to this confirmation; uses the fault up.
    pub(super) fn take_confirm(&mut self) -> Option<FaultKind> {
        take(&mut self.confirm)
    }
}

fn take(fault: &mut Option<Fault>) -> Option<FaultKind> {
    let now = (*fault)?;
    match now.times {
        None => {}
        Some(0) => {
            *fault = None;
            return None;
        }
        Some(1) => *fault = None,
        Some(times) => *fault = Some(Fault { times: Some(times - 1), ..now }),
    }
    Some(now.kind)
}

/// The gateway's words for its codes (seeds 000–002, providers.md §1).
pub(super) fn message(code: i64) -> &'static str {
    match code {
        7 => "{\"qr_code\":[\"Invalid value.\"]}",
        104 => "BILLING_ERROR",
        106 => "PAYMENT_ERROR",
        401 => "IKPU_ERROR",
        402 => "PACKAGE_ERROR",
        _ => "ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_it_was_set() {
        let mut faults =
            Faults { charge: Some(Fault { kind: FaultKind::Garbage, times: Some(2) }), ..Faults::default() };
        let met: Vec<_> = (0..3).map(|_| faults.take_charge("88")).collect();
        assert_eq!(met, [Some(FaultKind::Garbage), Some(FaultKind::Garbage), None]);
        assert_eq!(faults.charge, None);
        faults.confirm = Some(Fault::always(FaultKind::Cut));
        assert!((0..5).all(|_| faults.take_confirm() == Some(FaultKind::Cut)));
        assert_eq!(faults.take_charge("889999999999999999"), Some(FaultKind::Refused { code: 106 }));
    }

    #[test]
    fn faults_are_written_as_the_document_above_says() {
        let text = r#"{"charge":{"kind":"slow","ms":5000},"confirm":{"kind":"refused","code":7,"times":1}}"#;
        let faults: Faults = serde_json::from_str(text).unwrap();
        assert_eq!(faults.charge, Some(Fault::always(FaultKind::Slow { ms: 5_000 })));
        assert_eq!(faults.confirm, Some(Fault::once(FaultKind::Refused { code: 7 })));
        for kind in ["http_500", "garbage", "cut", "lost_after", "lost_before", "not_set_up"] {
            let text = format!(r#"{{"charge":{{"kind":"{kind}"}}}}"#);
            assert!(serde_json::from_str::<Faults>(&text).is_ok(), "{kind}");
        }
        assert!(serde_json::from_str::<Faults>(r#"{"charges":null}"#).is_err(), "a misspelt switch is said");
    }
}
