//! The client of one QR terminal: each method of the document sent once, and its answer in our words. Nothing here is tried again, but for
//! the other spelling of the product list's path.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use axum::http::Method as HttpMethod;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::access::{Access, Request, Verb, headers, without};
use super::cash::{self, Registered};
use super::error::{Class, QrmError};
use super::loyalty::{self, LoyaltyAnswer};
use super::products::{self, Kept, Product};
use super::refund::{self, RefundStatus};
use super::registration::{self, ReceiptStatus};
use super::socket::{SocketAddress, Spelling};
use super::{QrmSettings, ReadKey, code, nomenclature, status};
use crate::clock::Clock;
use crate::payment::money::Money;
use crate::payment::sale::{Payment, RefundId, UnixMs};
use crate::payment::sbp::{CodeOutcome, LinkOutcome, QrCode, QrStatus, RefundOutcome};
use crate::provider::http::{Http, PostError};

/// One QR terminal at QRManager.
pub struct Qrm {
    name: String,
    settings: QrmSettings,
    access: Access,
    http: Http,
    clock: Clock,
    products: Mutex<Kept>,
}

/// Its name alone: neither its key nor what it was told.
impl fmt::Debug for Qrm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Qrm({})", self.name)
    }
}

impl Qrm {
    /// The QR terminal of that profile. Does not connect yet and cannot fail: whatever is wrong shows at the first request.
    #[must_use]
    pub fn new(name: &str, settings: QrmSettings, key: ReadKey) -> Self {
        let ms = Duration::from_millis;
        let http = Http::new(ms(settings.connect_timeout_ms), ms(settings.timeout_ms));
        let access = Access::new(name, &settings, key);
        let products = Mutex::new(Kept::new(access.base_url()));
        Self { name: name.to_owned(), settings, access, http, clock: Clock::system(), products }
    }

    /// Keep the list of products in this directory too, where a restart finds it. Reads what is there; a damaged file is none.
    #[must_use]
    pub fn with_cache(mut self, directory: &Path) -> Self {
        self.products.get_mut().in_directory(directory, &self.name);
        self
    }

    /// Tell the age of the list of products by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The profile.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &QrmSettings {
        &self.settings
    }

    /// Make the sale's code (§2.1, §2.2, loyalty), or activate the cash link that it is paid at. Of an activation the code's `link` is empty.
    pub async fn open(&self, payment: &Payment) -> CodeOutcome {
        let made = match payment.sbp.as_ref().and_then(|sbp| sbp.link_id.as_deref()) {
            Some(link) => self.ask(cash::activate(payment, link), &[], cash::activated).await,
            None => self.make(payment).await,
        };
        match made.map_err(|e| e.class()) {
            Ok(code) => CodeOutcome::Made(code),
            Err(Class::Refused(decline)) => CodeOutcome::Refused(decline),
            Err(Class::NotSent(text)) => CodeOutcome::NotSent { text },
            Err(Class::InDoubt(text)) => CodeOutcome::Lost { text },
        }
    }

    async fn make(&self, payment: &Payment) -> Result<QrCode, QrmError> {
        let request = code::request(payment, self.settings.strict_nomenclature);
        let ask = payment.sbp.as_ref().map(|sbp| &sbp.ask);
        if let Some(mismatch) = ask.and_then(|ask| nomenclature::mismatch(payment.amount, ask)) {
            tracing::warn!(payment = %payment.id, profile = %self.name, %mismatch, "the basket does not add up");
        }
        let phone = ask.and_then(|ask| ask.loyalty.as_ref()).and_then(|card| card.phone.0.as_deref());
        self.ask(request, phone.map(loyalty::digits).as_slice(), code::made).await
    }

    /// Where the sale's code or cash link stands (§4.2).
    ///
    /// # Errors
    /// [`QrmError`]; a sale without a code is [`QrmError::Unfit`]. None of them says anything about the money.
    pub async fn status(&self, payment: &Payment) -> Result<QrStatus, QrmError> {
        let operation = operation(payment)?;
        if payment.sbp.as_ref().is_some_and(|sbp| sbp.link_id.is_some()) {
            return self.ask(status::of_cash_link(operation), &[], status::cash_link_told).await;
        }
        self.ask(status::of_code(operation), &[], status::code_told).await
    }

    /// Give back what this refund of the sale asks for. To be called once for each refund, ever.
    pub async fn refund(&self, payment: &Payment, refund: RefundId) -> RefundOutcome {
        let request = operation(payment).and_then(|operation| {
            let asked = payment.refund(refund).ok_or_else(|| unknown_refund("the sale has no such refund"))?;
            refund::request(operation, asked.amount)
        });
        refund::outcome(self.ask(request, &[], refund::accepted).await)
    }

    /// How the refund went.
    ///
    /// # Errors
    /// [`QrmError`]; a refund that QRManager never named is [`QrmError::Unfit`]. None of them says anything about the money, a 404 included.
    pub async fn refund_status(&self, payment: &Payment, refund: RefundId) -> Result<RefundStatus, QrmError> {
        let request = operation(payment).and_then(|operation| {
            let named = payment.refund(refund).and_then(|refund| refund.upstream_id.as_deref());
            refund::status(operation, named.ok_or_else(|| unknown_refund("QRManager has not named this refund"))?)
        });
        self.ask(request, &[], refund::told).await
    }

    /// Register a cash link. To be called once for each QR terminal, ever.
    pub async fn register_link(&self, size: Option<u16>, qrc_id: Option<&str>) -> LinkOutcome {
        match self.ask(cash::register(size, qrc_id), &[], cash::registered).await {
            Ok(Registered { id, link }) => LinkOutcome::Registered { id, link },
            Err(error) => match error.class() {
                Class::Refused(_) | Class::NotSent(_) => LinkOutcome::Refused { text: error.to_string() },
                Class::InDoubt(text) => LinkOutcome::Lost { text },
            },
        }
    }

    /// Deactivate a cash link. May be called again.
    ///
    /// # Errors
    /// [`QrmError`]: it may be active still.
    pub async fn deactivate_link(&self, id: &str) -> Result<(), QrmError> {
        self.ask(cash::deactivate(id), &[], cash::deactivated).await
    }

    /// The products of the QR terminal (§3), deleted ones included and marked. An earlier list is given while it is young, and while
    /// QRManager is out of reach however old it is ([`Qrm::products_as_of_ms`]).
    ///
    /// # Errors
    /// [`QrmError`]: no list was ever had, or QRManager refuses to give it.
    pub async fn products(&self) -> Result<Vec<Product>, QrmError> {
        let mut kept = self.products.lock().await;
        if let Some(list) = kept.fresh(self.clock.monotonic_ms()) {
            return Ok(list);
        }
        let mut answer = self.ask(Ok(products::request(kept.spelling)), &[], products::listed).await;
        // The other spelling, where there is nothing under this one or a redirection, which is never followed.
        if answer.as_ref().is_err_and(|e| matches!(e.status(), Some(300..400 | 404))) {
            kept.spelling = kept.spelling.other();
            answer = self.ask(Ok(products::request(kept.spelling)), &[], products::listed).await;
        }
        let now_ms = self.clock.monotonic_ms();
        match answer {
            Ok(list) => {
                if let Some((file, text)) = kept.heard(&list, now_ms, self.clock.wall_ms()) {
                    keep(file, text).await;
                }
                Ok(list)
            }
            Err(error) => match (error.class(), kept.known()) {
                (Class::NotSent(_) | Class::InDoubt(_), Some(list)) => {
                    kept.missed(now_ms);
                    tracing::warn!(profile = %self.name, %error, "an earlier list of products is used");
                    Ok(list)
                }
                _ => Err(error),
            },
        }
    }

    /// When QRManager gave the list of products that is known here.
    pub async fn products_as_of_ms(&self) -> Option<UnixMs> {
        self.products.lock().await.as_of_ms()
    }

    /// Look a customer up by phone (BenefittY). `sum`: what is going to be paid.
    ///
    /// # Errors
    /// [`QrmError`].
    pub async fn search(&self, phone: &str, sum: Money) -> Result<LoyaltyAnswer, QrmError> {
        self.ask(loyalty::search(phone, sum), &[loyalty::digits(phone)], loyalty::found).await
    }

    /// Hand the receipt of a paid operation to the OFD (§5.1). `body` is the OFD's JSON.
    ///
    /// # Errors
    /// [`QrmError`], with the OFD's words where it refused.
    pub async fn register_receipt(&self, number: &str, body: &str) -> Result<(), QrmError> {
        self.ask(registration::request(number, body), &[], registration::taken).await
    }

    /// Where the receipt of an operation stands (§5.2).
    ///
    /// # Errors
    /// [`QrmError`].
    pub async fn receipt_status(&self, number: &str) -> Result<ReceiptStatus, QrmError> {
        self.ask(registration::status(number), &[], registration::told).await
    }

    /// Where the WebSocket of §4.1 is opened, with the key as it is now.
    ///
    /// # Errors
    /// [`QrmError::NoKey`]; [`QrmError::Unfit`] of a `base_url` that is no web address.
    pub fn socket_address(&self, spelling: Spelling) -> Result<SocketAddress, QrmError> {
        self.access.socket(spelling)
    }

    /// Send a request once. `private` are the texts of it that no error may quote.
    async fn ask<T>(
        &self,
        request: Result<Request, QrmError>,
        private: &[&str],
        read: impl Fn(u16, &[u8]) -> Result<T, QrmError>,
    ) -> Result<T, QrmError> {
        let request = request?;
        let key = self.access.key()?;
        let method = match request.verb {
            Verb::Get => HttpMethod::GET,
            Verb::Post => HttpMethod::POST,
            Verb::Delete => HttpMethod::DELETE,
        };
        let url = self.access.url(&request.path);
        let answer = self.http.ask(method, &url, headers(&key)?, request.body).await.map_err(|e| match e {
            PostError::NotSent(text) => QrmError::NotSent { text },
            PostError::InDoubt(text) => QrmError::Lost { text },
        })?;
        let secrets: Vec<&str> = private.iter().copied().chain([key.expose_secret()]).collect();
        read(answer.status, &without(answer.body, &secrets))
    }
}

fn operation(payment: &Payment) -> Result<&str, QrmError> {
    let code = payment.sbp.as_ref().and_then(|sbp| sbp.code.as_ref());
    let none = || QrmError::Unfit { field: "operation_id", why: "the sale has no code".to_owned() };
    code.map(|code| code.operation_id.as_str()).ok_or_else(none)
}

fn unknown_refund(why: &str) -> QrmError {
    QrmError::Unfit { field: "refundRequestId", why: why.to_owned() }
}

/// Losing the list costs one question after a restart, so a disk that does not take it is only told of.
async fn keep(file: std::path::PathBuf, text: String) {
    let path = file.clone();
    let written = tokio::task::spawn_blocking(move || products::write(&path, &text)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(file = %file.display(), %error, "the list of products could not be kept");
    }
}
