//! What every request sees, and everything that moves by itself: codes expire, refunds and receipts are decided, phones pay.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use tokio::sync::watch;

use super::QrmSimSettings;
use super::answer::{Refusal, unbooked};
use super::books::{Books, Deactivator, What};
use super::callback;
use super::fields::non_field;
use super::operation::{Operation, ReceiptEnd, Standing};
use super::switches::Switches;
use super::terminals::{Ofd, Terminal};
use crate::clock::Clock;
use crate::demo::ledger::BooksError;
use crate::payment::money::{Currency, Money};

/// Why a phone cannot do that.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// No code, and no active link.
    #[error("the bank knows no such code, or its link is not active")]
    Nothing,
    /// It has ended.
    #[error("the bank says that it is {0:?}")]
    Ended(Standing),
    /// "В тестовой зоне … по QR-коду не могут быть переведены деньги".
    #[error("no money moves in the test zone")]
    TestZone,
    /// The books.
    #[error(transparent)]
    Books(#[from] BooksError),
}

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) settings: QrmSimSettings,
    pub(super) address: SocketAddr,
    pub(super) clock: Clock,
    pub(super) books: Mutex<Books>,
    switches: Mutex<Switches>,
    /// Counts changes of operations, for the sockets that wait for one.
    changes: watch::Sender<u64>,
    /// Counts the moments at which every open socket breaks.
    breaks: watch::Sender<u64>,
    pub(super) open_sockets: AtomicUsize,
    /// Open questions for a status, over all sockets.
    pub(super) waiting: AtomicUsize,
}

pub(super) type Desked = State<Arc<Desk>>;

impl Desk {
    pub(super) fn new(settings: QrmSimSettings, address: SocketAddr, books: Books) -> Arc<Self> {
        let desk = Arc::new(Self {
            settings,
            address,
            clock: Clock::system(),
            books: Mutex::new(books),
            switches: Mutex::default(),
            changes: watch::Sender::new(0),
            breaks: watch::Sender::new(0),
            open_sockets: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        desk.resume();
        desk
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn terminal(&self, key: &str) -> Option<&Terminal> {
        self.settings.terminals.iter().find(|terminal| terminal.key == key)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn breaks(&self) -> watch::Receiver<u64> {
        self.breaks.subscribe()
    }

    pub(super) fn break_sockets(&self) {
        self.breaks.send_modify(|count| *count += 1);
    }

    /// This terminal's operation.
    pub(super) fn operation(&self, terminal: &Terminal, operation_id: &str) -> Option<Operation> {
        let books = self.books();
        books.operation(operation_id).filter(|operation| operation.terminal == terminal.name()).cloned()
    }

    /// Write it down, and wake those who wait for a change.
    pub(super) fn book(&self, what: What) -> Result<(), Refusal> {
        self.note(what).map_err(|error| unbooked(&error))
    }

    fn note(&self, what: What) -> Result<(), BooksError> {
        self.books().write(self.clock.wall_ms(), what)?;
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Write it down if `may` still holds: nothing else is booked in between.
    fn note_if(&self, what: What, may: impl FnOnce(&Books) -> bool) -> Result<bool, BooksError> {
        let mut books = self.books();
        if !may(&books) {
            return Ok(false);
        }
        books.write(self.clock.wall_ms(), what)?;
        drop(books);
        self.changes.send_modify(|count| *count += 1);
        Ok(true)
    }

    /// What an earlier life left under way goes on.
    fn resume(self: &Arc<Self>) {
        let operations = self.books().operations().to_vec();
        for operation in operations {
            let id = &operation.operation_id;
            if operation.standing.can_be_paid() {
                self.expire_at(id, operation.ends_ms);
            }
            for refund in operation.refunds.iter().filter(|refund| refund.success.is_none()) {
                self.end_refund_at(id, &refund.request_id, refund.ends_ms);
            }
            if let Some(receipt) = operation.receipt.filter(|receipt| receipt.end.is_none()) {
                self.end_receipt_at(id, receipt.ends_ms);
            }
        }
    }

    /// Do something with the desk then, if it is still there.
    fn at(self: &Arc<Self>, then_ms: i64, act: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let wait = u64::try_from(then_ms - self.clock.wall_ms()).unwrap_or(0);
        let desk = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if let Some(desk) = desk.upgrade() {
                act(&desk);
            }
        });
    }

    pub(super) fn expire_at(self: &Arc<Self>, operation_id: &str, then_ms: i64) {
        let id = operation_id.to_owned();
        // An error: books that cannot be kept any more let nothing happen.
        self.at(then_ms, move |desk| drop(desk.expire(&id)));
    }

    pub(super) fn end_refund_at(self: &Arc<Self>, operation_id: &str, request_id: &str, then_ms: i64) {
        let (operation_id, request_id) = (operation_id.to_owned(), request_id.to_owned());
        self.at(then_ms, move |desk| {
            let Switches { refunds_wait: waits, refunds_fail: fails, .. } = desk.switches().clone();
            if waits {
                return desk.end_refund_at(&operation_id, &request_id, desk.clock.wall_ms() + LOOK_AGAIN_MS);
            }
            drop(desk.note(What::RefundEnd { operation_id, request_id, success: !fails }));
        });
    }

    pub(super) fn end_receipt_at(self: &Arc<Self>, operation_id: &str, then_ms: i64) {
        let operation_id = operation_id.to_owned();
        self.at(then_ms, move |desk| {
            let Switches { receipts_wait: waits, receipts_fail: fails, .. } = desk.switches().clone();
            if waits {
                return desk.end_receipt_at(&operation_id, desk.clock.wall_ms() + LOOK_AGAIN_MS);
            }
            let Some(operation) = desk.books().operation(&operation_id).cloned() else { return };
            let end = fails.map_or_else(
                || ReceiptEnd::Done { url: desk.receipt_url(&operation) },
                |error| ReceiptEnd::Fail { error },
            );
            let booked = desk.note(What::ReceiptEnd { operation_id, end: end.clone() });
            let callback = operation.receipt.and_then(|receipt| receipt.callback_url);
            if let (Ok(()), Some(url)) = (booked, callback) {
                tokio::spawn(callback::tell(url, operation.number, end));
            }
        });
    }

    fn receipt_url(&self, operation: &Operation) -> String {
        let terminal = self.settings.terminals.iter().find(|terminal| terminal.name() == operation.terminal);
        let count = self.books().operations().iter().filter(|other| other.receipt.is_some()).count();
        match terminal.and_then(|terminal| terminal.ofd) {
            Some(Ofd::OfdRu) => format!("https://check-demo.ofd.ru/rec/9999078902001735/{count}/757868555"),
            _ => {
                let rubles = Money::from_minor(operation.sum_kopecks, Currency::Rub).decimal();
                let head = format!("https://consumer.1-ofd-test.ru/ticket?t=20221110T2018&s={rubles}");
                format!("{head}&fn=9999078900006242&i={count}&fp=1019638328&n=1")
            }
        }
    }
}

/// While refunds or receipts are told to wait.
const LOOK_AGAIN_MS: i64 = 50;

/// What people do with their phones. A code is named by its `operation_id` or by the link that the phone sees.
impl Desk {
    fn seen(&self, code: &str) -> Result<Operation, PhoneError> {
        let books = self.books();
        books.operation(code).or_else(|| books.at_link(code)).cloned().ok_or(PhoneError::Nothing)
    }

    /// Open the code in a bank's application, pay it, and close the link that it was paid at.
    pub(super) fn pay(&self, code: &str, late: bool) -> Result<(), PhoneError> {
        if self.settings.test_zone {
            return Err(PhoneError::TestZone);
        }
        let operation = self.seen(code)?;
        self.take_money(&operation, late)
    }

    /// Money comes for an operation.
    pub(super) fn take_money(&self, operation: &Operation, late: bool) -> Result<(), PhoneError> {
        let (id, sum_kopecks) = (operation.operation_id.clone(), operation.sum_kopecks);
        let standing = |books: &Books| books.operation(&id).map_or(Standing::Expired, |operation| operation.standing);
        let ended = !standing(&self.books()).can_be_paid();
        let payment = What::Payment { operation_id: id.clone(), sum_kopecks, late: ended };
        let paid = self.note_if(payment, |books| match standing(books) {
            now if now.can_be_paid() => !ended,
            now => late && ended && !now.is_paid(),
        })?;
        if !paid {
            return Err(PhoneError::Ended(standing(&self.books())));
        }
        self.release_link(operation, Deactivator::Payment)?;
        Ok(())
    }

    pub(super) fn open(&self, code: &str) -> Result<(), PhoneError> {
        let operation_id = self.seen(code)?.operation_id;
        self.happen(&operation_id.clone(), What::Opened { operation_id })
    }

    pub(super) fn decline(&self, code: &str) -> Result<(), PhoneError> {
        let operation_id = self.seen(code)?.operation_id;
        self.happen(&operation_id.clone(), What::Declined { operation_id })
    }

    /// Its time is over, now.
    pub(super) fn expire(&self, code: &str) -> Result<(), PhoneError> {
        let operation = self.seen(code)?;
        let operation_id = operation.operation_id.clone();
        self.happen(&operation_id.clone(), What::Expired { operation_id })?;
        self.release_link(&operation, Deactivator::Time)?;
        Ok(())
    }

    fn happen(&self, operation_id: &str, what: What) -> Result<(), PhoneError> {
        let standing = |books: &Books| books.operation(operation_id).map(|operation| operation.standing);
        let may = |books: &Books| standing(books).is_some_and(Standing::can_be_paid);
        if self.note_if(what, may)? {
            return Ok(());
        }
        Err(standing(&self.books()).map_or(PhoneError::Nothing, PhoneError::Ended))
    }

    fn release_link(&self, operation: &Operation, by: Deactivator) -> Result<(), BooksError> {
        let Some(link_id) = operation.link_id.clone() else { return Ok(()) };
        let operation_id = Some(operation.operation_id.clone());
        let active = operation_id.clone();
        let what = What::LinkDeactivated { link_id: link_id.clone(), operation_id, by };
        self.note_if(what, |books| books.link(&link_id).is_some_and(|link| link.active == active)).map(drop)
    }
}

/// 400: in the test zone only some keys may do this.
pub(super) fn in_test_zone(desk: &Desk, may: bool) -> Result<(), Refusal> {
    if desk.settings.test_zone && !may {
        return Err(non_field("В тестовой среде этот метод доступен по другому ключу API"));
    }
    Ok(())
}
