//! The codes on one socket: who gets which word, and which command is due for whom.

use tokio::sync::mpsc;

use super::line::Word;
use super::waits::backoff_ms;
use crate::limits;
use crate::payment::sbp::QrStatus;
use crate::provider::qrm::socket::Command;

/// One code on a socket.
#[derive(Debug)]
pub(super) struct Followed {
    name: u64,
    operation: String,
    mailbox: mpsc::Sender<Word>,
    /// When its status is to be asked for next.
    ask_ms: u64,
    /// When it was asked for last.
    asked_ms: Option<u64>,
    /// A `get_qr_status` was sent and not answered.
    at_work: bool,
    /// A `get_qr_status` was sent and no `cancel` after it.
    owes_cancel: bool,
    /// A `cancel` is due: the document wants one after every end of a question.
    cancel_due: bool,
    /// Answers in a row that said nothing sure.
    unclear: u32,
}

impl Followed {
    pub(super) fn new(name: u64, operation: &str, mailbox: mpsc::Sender<Word>) -> Self {
        Self {
            name,
            operation: operation.to_owned(),
            mailbox,
            ask_ms: 0,
            asked_ms: None,
            at_work: false,
            owes_cancel: false,
            cancel_due: false,
            unclear: 0,
        }
    }

    pub(super) fn operation(&self) -> &str {
        &self.operation
    }

    /// It was asked about on this socket, and the question was not called off.
    pub(super) fn owes_cancel(&self) -> bool {
        self.owes_cancel
    }

    /// Waits for room. A watch that has ended hears nothing any more.
    pub(super) async fn tell(&self, word: Word) {
        let _ = self.mailbox.send(word).await;
    }

    fn ask_after(&mut self, pause_ms: u64, now_ms: u64) {
        self.ask_ms = self.asked_ms.unwrap_or(now_ms).saturating_add(pause_ms).max(now_ms);
    }
}

/// All codes on one socket.
#[derive(Debug)]
pub(super) struct Mailboxes {
    shared: bool,
    codes: Vec<Followed>,
}

impl Mailboxes {
    pub(super) fn new(shared: bool) -> Self {
        Self { shared, codes: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    pub(super) fn add(&mut self, code: Followed) {
        self.codes.push(code);
    }

    pub(super) fn remove(&mut self, name: u64) -> Option<Followed> {
        let at = self.codes.iter().position(|code| code.name == name)?;
        Some(self.codes.swap_remove(at))
    }

    pub(super) async fn tell_all(&self, word: Word) {
        for code in &self.codes {
            code.tell(word).await;
        }
    }

    /// A new socket: nothing was asked over it yet.
    pub(super) fn begin(&mut self, now_ms: u64) {
        for code in &mut self.codes {
            (code.at_work, code.owes_cancel, code.cancel_due) = (false, false, false);
        }
        self.repeat_all(now_ms);
    }

    /// The last command of every code is to be sent (again).
    pub(super) fn repeat_all(&mut self, now_ms: u64) {
        self.codes.iter_mut().for_each(|code| code.ask_ms = now_ms);
    }

    /// The next command that is due, marked as sent.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(Command, String)> {
        if let Some(code) = self.codes.iter_mut().find(|code| code.cancel_due) {
            (code.cancel_due, code.owes_cancel) = (false, false);
            return Some((Command::Cancel, code.operation.clone()));
        }
        let code = self.codes.iter_mut().find(|code| code.ask_ms <= now_ms)?;
        (code.ask_ms, code.asked_ms) = (u64::MAX, Some(now_ms));
        (code.at_work, code.owes_cancel) = (true, true);
        Some((Command::GetQrStatus, code.operation.clone()))
    }

    pub(super) fn next_command_ms(&self) -> u64 {
        self.codes.iter().map(|code| if code.cancel_due { 0 } else { code.ask_ms }).min().unwrap_or(u64::MAX)
    }

    /// A status came. Its code is told, and asked about again, since the server says one thing for each question; `false`: it is surely
    /// about none of them.
    pub(super) async fn status(&mut self, number: i64, operation: Option<&str>, now_ms: u64, every_ms: u64) -> bool {
        let found = match operation {
            Some(operation) => self.codes.iter_mut().find(|code| code.operation.eq_ignore_ascii_case(operation)),
            None if self.shared => None,
            None => self.codes.first_mut(),
        };
        let Some(code) = found else {
            if operation.is_none() || !self.shared {
                self.tell_all(Word::Ask).await;
            }
            return false;
        };
        code.tell(Word::Status(number)).await;
        // An answer to a question; the answer to a `cancel` is none.
        if std::mem::take(&mut code.at_work) {
            code.unclear = 0;
            code.cancel_due = is_end(number);
            code.ask_after(every_ms, now_ms);
        }
        true
    }

    /// Something that says nothing sure about `operation`, or nobody knows about whom: REST is asked, and the socket again, ever less often.
    pub(super) async fn unclear(&mut self, operation: Option<&str>, now_ms: u64, every_ms: u64) {
        let named = |code: &Followed| operation.is_none_or(|named| code.operation.eq_ignore_ascii_case(named));
        for code in self.codes.iter_mut().filter(|code| named(code)) {
            code.tell(Word::Ask).await;
            let pause_ms = backoff_ms(every_ms, limits::SBP_CHECK_EVERY_MS, code.unclear);
            code.unclear = code.unclear.saturating_add(1);
            code.at_work = false;
            code.ask_after(pause_ms, now_ms);
        }
    }
}

/// The statuses after which the document (§4.1, 3) wants a `cancel`.
fn is_end(number: i64) -> bool {
    let status = QrStatus::of_code(number);
    status.is_final() || matches!(status, QrStatus::Unknown | QrStatus::AttemptFailed)
}
