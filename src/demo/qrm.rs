//! QRManager, simulated: REST and WebSocket on one port, with books of its own, phones that pay, and faults on demand.
//!
//! Written from seed 004 alone, not from our client, so that a mistake there does not repeat itself here. The books are the witness of the
//! tests: a code, a refund, a receipt or an activation is in them before its answer is told, whatever becomes of the answer.
//!
//! ```text
//! POST /operations/qr-code/                  GET  /operations/{id}/qr-status/        §2, "BenefitY" 2; §4.2
//! GET  /users/qrt/products[/]                GET  /ws/qr-code[/]?api_key=…           §3; §4.1
//! POST /operations/{number}/receipt/         GET  /operations/{number}/receipt/status/       §5
//! POST /operations/cash-qr/                  POST /operations/cash-qr/{cashQrId}/activate/   "Кассовые ссылки"
//! GET  /operations/{id}/cash-qr/status/      DELETE /operations/cash-qr/{cashQrId}/deactivate/
//! POST /operations/refund/                   GET  /operations/{id}/refund-status/{refundRequestId}/
//! POST /loyalty/search/                      GET  /media/qr_codes/{picture}          "BenefitY" 1; what `qr_img` leads to
//!
//! GET  /sim/books   GET, POST /sim/switches   POST /sim/phone {"do": "pay", "code": …}       the tester
//! ```

mod answer;
mod books;
mod callback;
mod code;
mod desk;
mod document;
mod fields;
mod link;
mod operation;
mod receipt;
mod refund;
mod socket;
mod switches;
mod terminals;
mod tester;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::leash::{Leash, LeashedListener};
use super::ledger::BooksError;
use crate::limits;
use answer::at;
use desk::Desk;

pub use books::{Deactivator, Entry, Link, LoyaltyUse, What};
pub use desk::PhoneError;
pub use operation::{Operation, Receipt, ReceiptEnd, Refund, Standing};
pub use switches::{Fault, FaultKind, Method, SocketRefusal, SocketSwitches, Switches};
pub use terminals::{
    ATOL_KEY, CASH_LINK_KEY, Customer, LOYALTY_KEY, NOMENCLATURE_KEY, OFD_RU_KEY, OTHER_PLAIN_KEY, Ofd, PLAIN_KEY,
    PRODUCTS_KEY, Product, Terminal, seed_customer, seed_terminals,
};
pub use tester::PhoneDoes;

/// How the simulator is set up.
#[derive(Clone, Debug)]
pub struct QrmSimSettings {
    /// Where it listens; loopback and any free port by default.
    pub listen: SocketAddr,
    /// The file of its books, one JSON object a line; `None` = in memory only.
    pub books: Option<PathBuf>,
    /// The QR terminals whose keys it knows; those of the document by default.
    pub terminals: Vec<Terminal>,
    /// The customers of the loyalty programme.
    pub customers: Vec<Customer>,
    /// It is the test zone: no money moves by phone, a status asked over REST pays, each key does only what the document gave it out for, and a
    /// refund is of 1000180 kopecks.
    pub test_zone: bool,
    /// How long it waits for a bank that does not answer; five seconds in the document.
    pub bank_wait_ms: u64,
    /// How long a `get_qr_status` waits for a change before it is answered with what is.
    pub status_wait_ms: u64,
    /// Until a refund is decided.
    pub refund_takes_ms: u64,
    /// Until a receipt is decided.
    pub receipt_takes_ms: u64,
    /// How long OFD.ru's statuses are told afterwards; a day in the document.
    pub ofd_ru_remembers_ms: i64,
    /// Cash links are answered as the descriptions print it and not as the test data do: without `results`.
    pub bare_answers: bool,
    /// How an activation spells the operation's id.
    pub operation_key: String,
}

impl Default for QrmSimSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            books: None,
            terminals: seed_terminals(),
            customers: vec![seed_customer()],
            test_zone: false,
            bank_wait_ms: 5_000,
            status_wait_ms: 30_000,
            refund_takes_ms: 100,
            receipt_takes_ms: 100,
            ofd_ru_remembers_ms: 86_400_000,
            bare_answers: false,
            operation_key: "operation_Id".to_owned(),
        }
    }
}

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum QrmSimError {
    /// The address cannot be listened on.
    #[error("the simulated QRManager cannot listen on {listen}: {source}")]
    Listen {
        /// What was asked for.
        listen: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// Its books cannot be kept.
    #[error(transparent)]
    Books(#[from] BooksError),
}

/// The simulator.
#[derive(Clone, Copy, Debug)]
pub struct QrmSim;

/// A running simulator; it stops when this is dropped. Its books stay in their file.
#[derive(Debug)]
pub struct QrmSimHandle {
    desk: Arc<Desk>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl QrmSim {
    /// Start it on the current runtime.
    ///
    /// # Errors
    /// The address is taken, or the books cannot be read.
    pub async fn spawn(settings: QrmSimSettings) -> Result<QrmSimHandle, QrmSimError> {
        let listen = settings.listen;
        let books = books::Books::open(settings.books.as_deref())?;
        let failed = |source| QrmSimError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let desk = Desk::new(settings, address, books);
        let server = Mutex::new(Some(serve(listener, desk.clone())));
        Ok(QrmSimHandle { desk, server })
    }
}

fn serve(listener: TcpListener, desk: Arc<Desk>) -> JoinHandle<()> {
    let service = router(desk).into_make_service_with_connect_info::<Leash>();
    tokio::spawn(async move {
        // Serves until it is aborted; an error of accepting is handled within.
        let _ = axum::serve(LeashedListener(listener), service).await;
    })
}

impl QrmSimHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.desk.address
    }

    /// What to write as `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.desk.address)
    }

    /// Everything in its books, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.desk.books().entries().to_vec()
    }

    /// What follows from the books: every operation, oldest first.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.desk.books().operations().to_vec()
    }

    /// One operation, by its `operation_id`.
    #[must_use]
    pub fn operation(&self, operation_id: &str) -> Option<Operation> {
        self.desk.books().operation(operation_id).cloned()
    }

    /// The cash links.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.desk.books().links().to_vec()
    }

    /// What is set to go wrong.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.desk.switches().clone()
    }

    /// Set what goes wrong; the next request meets it. Sockets that are open notice it, too, but for how long they live.
    pub fn set_switches(&self, switches: Switches) {
        *self.desk.switches() = switches;
    }

    /// How many WebSockets are open.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.desk.open_sockets.load(Ordering::SeqCst)
    }

    /// How many `get_qr_status` wait for a change now. A payment before that is answered with "запрещен" when the question comes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.desk.waiting.load(Ordering::SeqCst)
    }

    /// Break every open WebSocket, without a word.
    pub fn break_sockets(&self) {
        self.desk.break_sockets();
    }

    /// Whatever a phone does, or the clock.
    ///
    /// # Errors
    /// As [`QrmSimHandle::pay`] and its likes.
    pub fn phone(&self, does: PhoneDoes, code: &str) -> Result<(), PhoneError> {
        self.desk.phone(does, code)
    }

    /// Pay a code with a phone. `code` is an `operation_id` or the link that the phone sees; a cash link's is the active operation's.
    ///
    /// # Errors
    /// Nothing can be paid there (any more), or it is the test zone.
    pub fn pay(&self, code: &str) -> Result<(), PhoneError> {
        self.desk.pay(code, false)
    }

    /// Money that was on its way when the code ended still comes. A code that has not ended is paid.
    ///
    /// # Errors
    /// It was paid already, there is no such code, or it is the test zone.
    pub fn pay_late(&self, code: &str) -> Result<(), PhoneError> {
        self.desk.pay(code, true)
    }

    /// Open the code in a bank's application, and do no more: over REST its status goes from 3 to 4.
    ///
    /// # Errors
    /// It cannot be paid (any more).
    pub fn open(&self, code: &str) -> Result<(), PhoneError> {
        self.desk.open(code)
    }

    /// The payer's bank declines. The code lives on.
    ///
    /// # Errors
    /// It cannot be paid (any more).
    pub fn decline(&self, code: &str) -> Result<(), PhoneError> {
        self.desk.decline(code)
    }

    /// Its time is over, now.
    ///
    /// # Errors
    /// It has ended already.
    pub fn expire(&self, code: &str) -> Result<(), PhoneError> {
        self.desk.expire(code)
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.server().is_some()
    }

    /// Nobody listens any more: connections are refused, and open sockets break. Requests that are under way are finished.
    pub fn disconnect(&self) {
        if let Some(server) = self.server().take() {
            server.abort();
        }
        self.desk.break_sockets();
    }

    /// Listen again, at the same address.
    ///
    /// # Errors
    /// Somebody else has taken the address.
    pub async fn connect(&self) -> Result<(), QrmSimError> {
        if !self.is_connected() {
            let listen = self.desk.address;
            let failed = |source| QrmSimError::Listen { listen, source };
            let listener = TcpListener::bind(listen).await.map_err(failed)?;
            *self.server() = Some(serve(listener, self.desk.clone()));
        }
        Ok(())
    }

    fn server(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QrmSimHandle {
    fn drop(&mut self) {
        self.disconnect();
    }
}

fn router(desk: Arc<Desk>) -> Router {
    let products = || get(at(Method::Products, code::products));
    Router::new()
        .route("/operations/qr-code/", post(at(Method::Code, code::make)))
        .route("/operations/{id}/qr-status/", get(at(Method::Status, code::status)))
        .route("/users/qrt/products", products())
        .route("/users/qrt/products/", products())
        .route("/operations/{number}/receipt/", post(at(Method::Receipt, receipt::register)))
        .route("/operations/{number}/receipt/status/", get(at(Method::ReceiptStatus, receipt::status)))
        .route("/operations/cash-qr/", post(at(Method::Register, link::register)))
        .route("/operations/cash-qr/{link}/activate/", post(at(Method::Activate, link::activate)))
        .route("/operations/cash-qr/{link}/deactivate/", delete(at(Method::Deactivate, link::deactivate)))
        .route("/operations/{id}/cash-qr/status/", get(at(Method::LinkStatus, link::status)))
        .route("/operations/refund/", post(at(Method::Refund, refund::ask)))
        .route("/operations/{id}/refund-status/{request}/", get(at(Method::RefundStatus, refund::status)))
        .route("/loyalty/search/", post(at(Method::Loyalty, code::search)))
        .route("/ws/qr-code", get(socket::open))
        .route("/ws/qr-code/", get(socket::open))
        .route("/media/qr_codes/{picture}", get(tester::picture))
        .route("/sim/books", get(tester::show_books))
        .route("/sim/switches", get(tester::show_switches).post(tester::set_switches))
        .route("/sim/phone", post(tester::phone))
        .fallback(|| async { answer::refuse(answer::not_found()) })
        .layer(DefaultBodyLimit::max(limits::BODY_MAX_BYTES))
        .with_state(desk)
}
