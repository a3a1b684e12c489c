//! What goes wrong on demand: set over `/sim/switches`, from Rust or on the demo's page.
//!
//! ```json
//! {"rest": {"code": {"kind": "lost_after", "times": 1}, "status": {"kind": "http_500"}}, "rest_behind_ms": 2000,
//!  "sockets": {"twice": true, "jumbled": true}, "receipts_fail": "[-3975] Некорректное значение параметров команды ФН"}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A method of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// POST /operations/qr-code/
    Code,
    /// GET /operations/{id}/qr-status/
    Status,
    /// GET /users/qrt/products/
    Products,
    /// POST /operations/{number}/receipt/
    Receipt,
    /// GET /operations/{number}/receipt/status/
    ReceiptStatus,
    /// POST /operations/cash-qr/
    Register,
    /// POST /operations/cash-qr/{cashQrId}/activate/
    Activate,
    /// GET /operations/{id}/cash-qr/status/
    LinkStatus,
    /// DELETE /operations/cash-qr/{cashQrId}/deactivate/
    Deactivate,
    /// POST /operations/refund/
    Refund,
    /// GET /operations/{id}/refund-status/{refundRequestId}/
    RefundStatus,
    /// POST /loyalty/search/
    Loyalty,
}

/// One fault of a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// The bank does not answer: after five seconds 400 with `non_field_errors`. Nothing was done.
    BankSilent,
    /// Done at once, answered after so many milliseconds.
    Slow {
        /// How long.
        ms: u64,
    },
    /// HTTP 500. Nothing was done.
    #[serde(rename = "http_500")]
    Http500,
    /// Done; the answer is a page of something else.
    Garbage,
    /// Done; the connection closes in the middle of the answer.
    Cut,
    /// Done; the connection closes without an answer.
    LostAfter,
    /// The connection closes without an answer. Nothing was done.
    LostBefore,
    /// 400 with `detail`: the bank, SBP or the OFD says no. Nothing was done.
    Refused {
        /// The words.
        text: String,
    },
    /// 400 with `non_field_errors`. Nothing was done.
    NonField {
        /// The words.
        text: String,
    },
    /// 400 with the name of a field. Nothing was done.
    Field {
        /// Which.
        name: String,
        /// The words.
        text: String,
    },
    /// 403, as for a key that nobody gave out. Nothing was done.
    Forbidden,
    /// 200 with status 0, where a status was asked for: the bank did not answer QRManager.
    Unknown,
}

/// Everything that can be set while it runs. The default: nothing goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Faults of REST methods.
    pub rest: BTreeMap<Method, Fault>,
    /// REST tells where an operation stood so many milliseconds ago: it is behind the socket.
    pub rest_behind_ms: i64,
    /// Faults of WebSockets.
    pub sockets: SocketSwitches,
    /// Receipts stay in `wait`.
    pub receipts_wait: bool,
    /// Receipts that are decided from now on fail with these words.
    pub receipts_fail: Option<String>,
    /// Refunds stay in `received`.
    pub refunds_wait: bool,
    /// Refunds that are decided from now on fail.
    pub refunds_fail: bool,
}

/// What goes wrong with WebSockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketSwitches {
    /// New ones are not to be had.
    pub refused: Option<SocketRefusal>,
    /// They are open, and not a word is said over them.
    pub silent: bool,
    /// A new one is not greeted with `"connected"`.
    pub no_greeting: bool,
    /// Every answer comes twice.
    pub twice: bool,
    /// After a status comes an older one.
    pub jumbled: bool,
    /// Statuses carry no `operation_uuid`, as before version 2.9.
    pub without_id: bool,
    /// What should be a status is no JSON.
    pub garbage: bool,
    /// What should be a status is the error of a third party that did not answer.
    pub third_party_silent: bool,
    /// At the end of its wait the server says 0 instead of 4.
    pub unknown: bool,
    /// So many more statuses are not told: the connection breaks instead.
    pub cut_instead: u32,
    /// Each breaks so long after it was opened, milliseconds.
    pub breaks_after_ms: Option<u64>,
    /// Each is closed normally (1000) so long after it was opened, milliseconds.
    pub closes_after_ms: Option<u64>,
    /// Statuses are told so much later, milliseconds.
    pub behind_ms: u64,
}

/// How a WebSocket is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketRefusal {
    /// 404: there is none at this address.
    NotFound,
    /// 200 with a page: "not upgraded to websocket".
    NotUpgraded,
    /// The connection closes without an answer.
    Cut,
}

impl Switches {
    /// What happens to this request; uses the fault up.
    pub(super) fn take(&mut self, method: Method) -> Option<FaultKind> {
        let fault = self.rest.get_mut(&method)?;
        let kind = fault.kind.clone();
        match &mut fault.times {
            None => {}
            Some(0) => {
                self.rest.remove(&method);
                return None;
            }
            Some(1) => drop(self.rest.remove(&method)),
            Some(times) => *times -= 1,
        }
        Some(kind)
    }

    /// Whether this status breaks its connection; uses the fault up.
    pub(super) fn take_cut(&mut self) -> bool {
        let cut = self.sockets.cut_instead > 0;
        self.sockets.cut_instead = self.sockets.cut_instead.saturating_sub(1);
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_it_was_set() {
        let text = r#"{"rest":{"code":{"kind":"slow","ms":5,"times":2},"refund":{"kind":"http_500"}}}"#;
        let mut switches: Switches = serde_json::from_str(text).unwrap();
        let met: Vec<_> = (0..3).map(|_| switches.take(Method::Code)).collect();
        assert_eq!(met, [Some(FaultKind::Slow { ms: 5 }), Some(FaultKind::Slow { ms: 5 }), None]);
        assert!((0..5).all(|_| switches.take(Method::Refund) == Some(FaultKind::Http500)));
        switches.sockets.cut_instead = 1;
        assert_eq!([switches.take_cut(), switches.take_cut()], [true, false]);
    }

    #[test]
    fn switches_are_written_as_the_document_above_says() {
        let text = r#"{"rest":{"code":{"kind":"lost_after","times":1},"status":{"kind":"http_500"}},"rest_behind_ms":2000,
            "sockets":{"twice":true,"jumbled":true,"refused":"not_upgraded"},"receipts_fail":"[-3975]"}"#;
        let switches: Switches = serde_json::from_str(text).unwrap();
        assert_eq!(switches.rest[&Method::Code], Fault::once(FaultKind::LostAfter));
        assert_eq!(switches.rest[&Method::Status], Fault::always(FaultKind::Http500));
        assert_eq!(switches.sockets.refused, Some(SocketRefusal::NotUpgraded));
        assert!(switches.sockets.twice && switches.sockets.jumbled && !switches.sockets.silent);
        assert!(serde_json::from_str::<Switches>(r#"{"socket":{}}"#).is_err(), "a misspelt switch is said");
    }
}
