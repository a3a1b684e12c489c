//! What the daemon says of itself: lines for people, for a program, or for systemd's journal. Commands say nothing but their answer.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterFn, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// What is said, where the usual (`info`) is too much or too little: `TOLOV_LOG=debug`, `TOLOV_LOG=info,hal=trace`.
const LEVEL: &str = "TOLOV_LOG";

/// Begins to speak. A journal that is not there is spoken to as a person, on the standard error.
pub fn init(log: &Log) {
    let level =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).with_env_var(LEVEL).from_env_lossy();
    let lines = tracing_subscriber::registry().with(level).with(discreet());
    // A second call changes nothing: the first voice stays.
    let _ = match log.format {
        LogFormat::Json => lines.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init(),
        LogFormat::Journald => match tracing_journald::layer() {
            Ok(journal) => lines.with(journal).try_init(),
            Err(_) => lines.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init(),
        },
        LogFormat::Text => lines.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr)).try_init(),
    };
}

/// What is never said, whatever level is asked for: the WebSocket library shows the whole request of its handshake at `trace`, and QRManager
/// wants its key in the address.
#[must_use]
pub fn discreet() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(|what| !what.target().starts_with("tungstenite::") || *what.level() <= Level::DEBUG)
}
