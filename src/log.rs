//! What the daemon says of itself: lines for people, for a program, or for systemd's journal. Commands say nothing but their answer.
//!
//! Whatever is done for a payment is done in its span ([`payment`]), so that each line about it carries its `transaction_id`: in the till's request,
//! in the driver's commits ([`chronicle`]), in the provider's call, in the PinPad's run and in the outbox. No line has a code, a phone, a key or a
//! text that a payer or a till has chosen.

pub mod chronicle;
mod journald;
pub mod runs;
mod voice;

use std::io::{IsTerminal as _, Write as _};

use rustix::fs::fstat;
use tracing::field::Empty;
use tracing::{Level, Metadata, Span, error_span};
use tracing_subscriber::filter::{EnvFilter, FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::journald::Journal;
pub use self::voice::Spoken;
use self::voice::Voice;
use crate::config::{Log, LogFormat};
use crate::payment::event::Denial;
use crate::payment::sale::{Method, Payment, PaymentId, State};

/// What is said, where the usual (`info`) is too much or too little: `TOLOV_LOG=debug`, `TOLOV_LOG=info,hal=trace`.
const LEVEL: &str = "TOLOV_LOG";

/// What systemd sets for a process whose standard error is its journal: device and inode of that file, with a colon between them.
const JOURNAL: &str = "JOURNAL_STREAM";

/// Begins to speak, on a thread of its own. A journal that is not there is spoken to as a person, on the standard error. Keep what is answered until
/// the end: it waits for the last lines.
pub fn init(log: &Log) -> Spoken {
    let level =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).with_env_var(LEVEL).from_env_lossy();
    let lines = tracing_subscriber::registry().with(level).with(discreet());
    let shape = shape(log.format, std::env::var(JOURNAL).ok().as_deref());
    if shape == LogFormat::Journald
        && let Ok((journal, spoken)) = Journal::open()
    {
        let _ = lines.with(journal).try_init();
        return spoken;
    }
    let (voice, spoken) = Voice::open(|line| std::io::stderr().write_all(line));
    // A second call changes nothing: the first voice stays.
    let _ = if shape == LogFormat::Json {
        let json = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        lines.with(json.with_writer(voice)).try_init()
    } else {
        let text = fmt::layer().with_writer(voice).with_ansi(std::io::stderr().is_terminal());
        lines.with(text).try_init()
    };
    spoken
}

/// The shape of a line, where it depends on who listens: the journal, if the standard error is the one that systemd named.
fn shape(asked: LogFormat, journal: Option<&str>) -> LogFormat {
    if asked != LogFormat::Auto {
        return asked;
    }
    let own = fstat(std::io::stderr()).map(|file| format!("{}:{}", file.st_dev, file.st_ino)).ok();
    if journal.is_some() && own.as_deref() == journal { LogFormat::Journald } else { LogFormat::Text }
}

/// What is never said, whatever level is asked for: the WebSocket library shows the whole request of its handshake at `trace`, and QRManager
/// wants its key in the address.
#[must_use]
pub fn discreet() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(|what| !what.target().starts_with("tungstenite::") || *what.level() <= Level::DEBUG)
}

/// Where everything is said that is done for a payment. At the level of errors, so that a log of nothing but errors has it, too.
#[must_use]
pub fn payment(payment: &Payment) -> Span {
    let span = error_span!("payment", transaction_id = %payment.id, method = method_of(payment), till = Empty);
    if let Some(till) = till_of(payment) {
        span.record("till", till);
    }
    span
}

/// The same of a sale that was only just asked for. Whose it is is told by [`is_from_till`], once it is on disk.
#[must_use]
pub fn payment_by(id: PaymentId, method: Method) -> Span {
    error_span!("payment", transaction_id = %id, method = method.name(), till = Empty)
}

/// What is said from now on is about this payment of its till.
pub fn is_from_till(payment: &Payment) {
    if let Some(till) = till_of(payment) {
        Span::current().record("till", till);
    }
}

/// The same where nothing is known of the payment but its name.
#[must_use]
pub fn payment_named(id: PaymentId) -> Span {
    error_span!("payment", transaction_id = %id)
}

/// Where everything is said that is done for a till's request. Which payment it is about is told by [`is_about`], once it is known.
#[must_use]
pub fn request(till: &str) -> Span {
    error_span!("request", transaction_id = Empty, method = Empty, till)
}

/// The request that is being worked on is about this payment.
pub fn is_about(payment: &Payment) {
    Span::current().record("transaction_id", tracing::field::display(payment.id)).record("method", method_of(payment));
}

/// A till was refused: its request is about this payment, or about the one that the refusal names as what was asked about.
pub fn refused(denial: &Denial, about: Option<&Payment>) {
    match (about, denial) {
        (Some(payment), _) => is_about(payment),
        (
            None,
            Denial::WrongState { payment, .. }
            | Denial::WrongMethod { payment, .. }
            | Denial::ReceiptDiffers { payment, .. },
        ) => {
            Span::current().record("transaction_id", tracing::field::display(payment));
        }
        _ => {}
    }
    match denial {
        Denial::NotConfigured { .. }
        | Denial::SalesClosed { .. }
        | Denial::CodesOpen { .. }
        | Denial::Store { .. }
        | Denial::Overloaded => {
            tracing::warn!(%denial, "a till was refused");
        }
        _ => tracing::info!(%denial, "a till was refused"),
    }
}

/// The name of the payment's method; `auto` while the customer has not shown by whom it is to be paid, and for ever where it ended so.
#[must_use]
pub fn method_of(payment: &Payment) -> &'static str {
    let open =
        matches!(payment.state, State::Created | State::AwaitingPayer | State::Cancelled { .. } | State::Expired);
    if payment.auto && open && payment.code.is_none() { "auto" } else { payment.method.name() }
}

/// The till's name: what the tokens of its sales begin with.
fn till_of(payment: &Payment) -> Option<&str> {
    payment.token.as_ref()?.key.split_once('/').map(|(till, _)| till)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_spoken_to_where_it_is_what_the_standard_error_is() {
        let file = fstat(std::io::stderr()).unwrap();
        let own = format!("{}:{}", file.st_dev, file.st_ino);
        assert_eq!(shape(LogFormat::Auto, Some(&own)), LogFormat::Journald);
        // A program that systemd's own child has started, with another standard error.
        assert_eq!(shape(LogFormat::Auto, Some("8:1")), LogFormat::Text);
        assert_eq!(shape(LogFormat::Auto, None), LogFormat::Text);
        assert_eq!(shape(LogFormat::Json, Some(&own)), LogFormat::Json);
    }
}
