//! One QR terminal, as the bridge uses it: its client, its budget of questions, its way to a socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::budget::{Budget, Urgency};
use super::line::Line;
use super::waits::Waits;
use super::wire::{self, Socket, WireError};
use crate::clock::Clock;
use crate::payment::sale::Payment;
use crate::payment::sbp::QrStatus;
use crate::provider::Tls;
use crate::provider::qrm::error::QrmError;
use crate::provider::qrm::socket::Spelling;
use crate::provider::qrm::{Qrm, QrmSettings, ReadKey, Sockets};

/// What of one QR terminal is shared by everything that is asked of it.
pub(super) struct Profile {
    qrm: Qrm,
    budget: Budget,
    waits: Waits,
    clock: Clock,
    tls: Tls,
    spelling: Mutex<Spelling>,
    /// Until then the server is not asked for a WebSocket: it has said that it has none. Monotonic.
    refused_until_ms: AtomicU64,
    shared: OnceLock<Line>,
}

impl Profile {
    pub(super) fn new(name: &str, settings: &QrmSettings, key: &ReadKey, waits: Waits, clock: Clock) -> Self {
        Self {
            qrm: Qrm::new(name, settings.clone(), key.clone()),
            budget: Budget::new(settings.polls_per_minute, clock.clone()),
            waits,
            clock,
            tls: Tls::default(),
            spelling: Mutex::default(),
            refused_until_ms: AtomicU64::new(0),
            shared: OnceLock::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.qrm.name()
    }

    pub(super) fn qrm(&self) -> &Qrm {
        &self.qrm
    }

    pub(super) fn waits(&self) -> &Waits {
        &self.waits
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A line for one code: its own, or the one that all share.
    pub(super) fn line(self: &std::sync::Arc<Self>, tasks: &tokio::runtime::Handle) -> Line {
        match self.qrm.settings().sockets {
            Sockets::PerOperation => Line::spawn(self.clone(), false, tasks),
            Sockets::Shared => self.shared.get_or_init(|| Line::spawn(self.clone(), true, tasks)).clone(),
        }
    }

    /// Ask by REST how a code stands, when it is its turn.
    pub(super) async fn ask_status(&self, payment: &Payment, urgency: Urgency) -> Result<QrStatus, QrmError> {
        self.budget.turn(urgency).await;
        self.qrm.status(payment).await
    }

    /// How long the server is not to be asked for a WebSocket, ms.
    pub(super) fn refused_for_ms(&self) -> u64 {
        self.refused_until_ms.load(Ordering::Relaxed).saturating_sub(self.clock.monotonic_ms())
    }

    /// Open a socket, with the key as it is now.
    pub(super) async fn open_socket(&self) -> Result<Socket, WireError> {
        if self.refused_for_ms() > 0 {
            return Err(WireError::NotNow);
        }
        let spelling = *self.spelling.lock().unwrap_or_else(PoisonError::into_inner);
        match self.open_spelled(spelling).await {
            Err(refused) if refused.is_about_the_path() => {
                let other = spelling.other();
                let socket = self.open_spelled(other).await.inspect_err(|_| self.refuse());
                if socket.is_ok() {
                    *self.spelling.lock().unwrap_or_else(PoisonError::into_inner) = other;
                }
                socket
            }
            Err(refused) => {
                if refused.is_fatal() {
                    self.refuse();
                }
                Err(refused)
            }
            Ok(socket) => Ok(socket),
        }
    }

    fn refuse(&self) {
        let until_ms = self.clock.monotonic_ms().saturating_add(self.waits.socket_refused_ms);
        self.refused_until_ms.store(until_ms, Ordering::Relaxed);
    }

    async fn open_spelled(&self, spelling: Spelling) -> Result<Socket, WireError> {
        let address = self.qrm.socket_address(spelling).map_err(WireError::Address)?;
        wire::connect(&address, &self.tls, self.qrm.settings().connect_timeout_ms).await
    }
}
