//! The software of a payment terminal.
//!
//! The way of a sale: a till's request ([`payment::event`]) becomes an [`payment::Event`] in the one queue of the [`driver`]. The driver loads what
//! the event names, lets the machine decide, commits the decision, and only then changes its state, answers, and releases effects: the call
//! to a provider, the word to the PinPad. Answers come back as events, the same way. Everybody else looks at [`snapshot`]s.
//!
//! Around that way stand [`config`] (files → typed settings), [`limits`] (everything that waits has one), [`clock`] (the only reader of the
//! system's clock), [`service`] (what systemd is told) and [`background`] (threads that give way to those a customer waits for).

pub mod api;
pub mod background;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod driver;
pub mod history;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod outbox;
pub mod payment;
pub mod pinpad;
pub mod provider;
pub mod sbp;
pub mod scanner;
pub mod schedule;
pub mod service;
pub mod snapshot;
pub mod store;
pub mod ui;
