//! The FiscalBox gateway, simulated: it speaks the JSON of the seeds 000–002 over real HTTP, keeps books of its own, and can be told to fail.
//!
//! Written from the seeds, not from our client, so that a mistake there does not repeat itself here. The books are the witness of the tests: a
//! charge is in them before its answer is told, whatever becomes of the answer.
//!
//! ```text
//! POST /payment/click          POST /payment/click_confirm       the gateway
//! POST /payment/payme          POST /payment/payme_confirm
//! GET  /sim/books              GET, POST /sim/faults             the tester
//! ```

mod books;
mod faults;
mod request;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::leash::{self, Leash, LeashedListener};
use super::ledger::BooksError;
use crate::clock::Clock;
use crate::limits;
use crate::payment::money::Unit;

pub use books::{Books, Entry, Vendor};
pub use faults::{Fault, FaultKind, Faults};
use request::{ChargeRequest, ConfirmRequest};

/// How the simulator is set up.
#[derive(Clone, Debug)]
pub struct GatewaySimSettings {
    /// Where it listens; loopback and any free port by default.
    pub listen: SocketAddr,
    /// The file of its books, one JSON object a line; `None` = in memory only.
    pub books: Option<PathBuf>,
    /// What it means by an amount.
    pub amount_unit: Unit,
    /// Taxpayer number in its answers.
    pub inn: String,
    /// Cash register in its answers.
    pub kkm_id: String,
    /// Device in its answers.
    pub device_id: String,
}

impl Default for GatewaySimSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            books: None,
            amount_unit: Unit::Sum,
            inn: "123456789".to_owned(),
            kkm_id: "00000001".to_owned(),
            device_id: "00000001".to_owned(),
        }
    }
}

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address cannot be listened on.
    #[error("the simulated gateway cannot listen on {listen}: {source}")]
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
pub struct GatewaySim;

/// A running simulator; it stops when this is dropped. Its books stay in their file.
#[derive(Debug)]
pub struct GatewaySimHandle {
    address: SocketAddr,
    desk: Arc<Desk>,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl GatewaySim {
    /// Start it on the current runtime.
    ///
    /// # Errors
    /// The address is taken, or the books cannot be read.
    pub async fn spawn(settings: GatewaySimSettings) -> Result<GatewaySimHandle, SimError> {
        let listen = settings.listen;
        let books = Books::open(settings.books.as_deref())?;
        let failed = |source| SimError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let desk = Arc::new(Desk {
            settings,
            clock: Clock::system(),
            books: Mutex::new(books),
            faults: Mutex::new(Faults::default()),
        });
        let server = Mutex::new(Some(serve(listener, desk.clone())));
        Ok(GatewaySimHandle { address, desk, server })
    }
}

fn serve(listener: TcpListener, desk: Arc<Desk>) -> JoinHandle<()> {
    let service = router(desk).into_make_service_with_connect_info::<Leash>();
    tokio::spawn(async move {
        // Serves until it is aborted; an error of accepting is handled within.
        let _ = axum::serve(LeashedListener(listener), service).await;
    })
}

impl GatewaySimHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to write as `base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything in its books, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.desk.books().entries().to_vec()
    }

    /// The faults as they are set.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.desk.faults().clone()
    }

    /// Set its faults; the next request meets them.
    pub fn set_faults(&self, faults: Faults) {
        *self.desk.faults() = faults;
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.server().is_some()
    }

    /// Nobody listens any more: connections are refused. What is under way is finished.
    pub fn disconnect(&self) {
        if let Some(server) = self.server().take() {
            server.abort();
        }
    }

    /// Listen again, at the same address.
    ///
    /// # Errors
    /// Somebody else has taken the address.
    pub async fn connect(&self) -> Result<(), SimError> {
        if !self.is_connected() {
            let listen = self.address;
            let listener = TcpListener::bind(listen).await.map_err(|source| SimError::Listen { listen, source })?;
            *self.server() = Some(serve(listener, self.desk.clone()));
        }
        Ok(())
    }

    fn server(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GatewaySimHandle {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// What every request sees.
#[derive(Debug)]
struct Desk {
    settings: GatewaySimSettings,
    clock: Clock,
    books: Mutex<Books>,
    faults: Mutex<Faults>,
}

impl Desk {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Desked = State<Arc<Desk>>;

fn router(desk: Arc<Desk>) -> Router {
    let charge = |vendor| {
        move |State(desk): Desked, ConnectInfo(leash): ConnectInfo<Leash>, body: Bytes| async move {
            charge(&desk, &leash, vendor, &body).await
        }
    };
    let confirm = |vendor| {
        move |State(desk): Desked, ConnectInfo(leash): ConnectInfo<Leash>, body: Bytes| async move {
            confirm(&desk, &leash, vendor, &body).await
        }
    };
    Router::new()
        .route("/payment/click", post(charge(Vendor::Click)))
        .route("/payment/payme", post(charge(Vendor::Payme)))
        .route("/payment/click_confirm", post(confirm(Vendor::Click)))
        .route("/payment/payme_confirm", post(confirm(Vendor::Payme)))
        .route("/sim/books", get(show_books))
        .route("/sim/faults", get(show_faults).post(set_faults))
        .layer(DefaultBodyLimit::max(limits::BODY_MAX_BYTES))
        .with_state(desk)
}

async fn charge(desk: &Desk, leash: &Leash, vendor: Vendor, body: &Bytes) -> Response {
    let asked = match ChargeRequest::read(body, desk.settings.amount_unit) {
        Ok(asked) => asked,
        Err(fields) => return refusal(7, &fields),
    };
    let fault = desk.faults().take_charge(&asked.code);
    match fault {
        Some(FaultKind::Refused { code }) => return refusal(code, faults::message(code)),
        Some(FaultKind::NotSetUp) => return refusal(104, faults::message(104)),
        Some(FaultKind::LostBefore) => return leash.cut_after(0),
        Some(FaultKind::Http500) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response();
        }
        _ => {}
    }
    let (transaction_id, payment_id) = (Uuid::new_v4().to_string(), fresh_payment_id(vendor));
    let booked = desk.books().charge(desk.clock.wall_ms(), vendor, asked.money.minor(), &asked.code, &payment_id);
    if let Err(e) = booked {
        // Books that cannot be kept take no money.
        return (StatusCode::INSUFFICIENT_STORAGE, e.to_string()).into_response();
    }
    let settings = &desk.settings;
    let data = match vendor {
        Vendor::Click => json!({
            "status_code": 0,
            "status": "successfully",
            "message": "Успешно подтвержден",
            "transaction_id": transaction_id,
            "payment_id": payment_id,
            "amount": asked.amount,
            "qr_code": asked.code,
        }),
        Vendor::Payme => json!({
            "amount": asked.amount,
            "transaction_id": transaction_id,
            "payment_id": payment_id,
            "inn": settings.inn,
            "qr_code": asked.code,
            "kkm_id": settings.kkm_id,
            "device_id": settings.device_id,
            "status": "successfully",
            "message": "successfully payment",
            "client_phone_number": "998712565009",
        }),
    };
    answer(fault, leash, data).await
}

async fn confirm(desk: &Desk, leash: &Leash, vendor: Vendor, body: &Bytes) -> Response {
    let asked = match ConfirmRequest::read(body, vendor) {
        Ok(asked) => asked,
        Err(fields) => return refusal(7, &fields),
    };
    let fault = desk.faults().take_confirm();
    match fault {
        Some(FaultKind::Refused { code }) => return refusal(code, faults::message(code)),
        Some(FaultKind::NotSetUp) => return refusal(104, faults::message(104)),
        Some(FaultKind::LostBefore) => return leash.cut_after(0),
        Some(FaultKind::Http500) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response();
        }
        _ => {}
    }
    let at_ms = desk.clock.wall_ms();
    let booked =
        desk.books().confirm(at_ms, vendor, &asked.payment_id, &asked.link, asked.receipt_id, asked.fiscal_sign);
    match booked {
        Ok(true) => {}
        Ok(false) => return refusal(7, &json!({ asked.id_key: ["Payment not found."] }).to_string()),
        Err(e) => return (StatusCode::INSUFFICIENT_STORAGE, e.to_string()).into_response(),
    }
    let data = match vendor {
        Vendor::Click => json!({
            "inn": desk.settings.inn,
            "payment_id": asked.payment_id,
            "qr_code": asked.link,
            "status": "successfully",
            "error": null,
        }),
        Vendor::Payme => json!({
            "id": 123,
            "result": { "receipt": { "_id": asked.payment_id, "create_time": at_ms, "pay_time": at_ms } },
            "error": null,
        }),
    };
    answer(fault, leash, data).await
}

/// Tell that it was done, unless a fault stands in the way of the telling.
async fn answer(fault: Option<FaultKind>, leash: &Leash, data: Value) -> Response {
    let whole = envelope(data, Value::Null, true);
    match fault {
        Some(FaultKind::Slow { ms }) => {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            whole
        }
        Some(FaultKind::Garbage) => (StatusCode::OK, "<html><body>It works!</body></html>").into_response(),
        Some(FaultKind::Cut) => {
            leash.cut_after(leash::HALF_AN_ANSWER_BYTES);
            whole
        }
        Some(FaultKind::LostAfter) => leash.cut_after(0),
        _ => whole,
    }
}

fn envelope(data: Value, error: Value, is_success: bool) -> Response {
    axum::Json(json!({ "data": data, "error": error, "is_success": is_success })).into_response()
}

/// HTTP 200 even for errors (seed 002).
fn refusal(code: i64, message: &str) -> Response {
    envelope(Value::Null, json!({ "code": code, "message": message, "data": null }), false)
}

/// Click counts its payments, Payme's ids are 24 hex digits.
fn fresh_payment_id(vendor: Vendor) -> String {
    let random = Uuid::new_v4().simple().to_string();
    match vendor {
        Vendor::Click => (2_000_000_000 + u64::from(Uuid::new_v4().as_fields().0)).to_string(),
        Vendor::Payme => random.chars().take(24).collect(),
    }
}

async fn show_books(State(desk): Desked) -> Response {
    axum::Json(desk.books().entries()).into_response()
}

async fn show_faults(State(desk): Desked) -> Response {
    axum::Json(desk.faults().clone()).into_response()
}

async fn set_faults(State(desk): Desked, body: Bytes) -> Response {
    match serde_json::from_slice::<Faults>(&body) {
        Ok(faults) => {
            *desk.faults() = faults;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(e) => (StatusCode::BAD_REQUEST, format!("no faults that this gateway knows: {e}\n")).into_response(),
    }
}
