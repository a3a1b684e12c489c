//! The callback's side of the daemon: a listener of its own, opened when its secret is there. The terminal sells, and delivers receipts, without it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use super::until;
use crate::api::callback::{self, Door};
use crate::config::{Credentials, Settings};
use crate::limits;
use crate::outbox::AskNow;

/// Opens the listener where there is to be one. What comes there is left in the value; what was started ends with `stop`.
pub(super) fn spawn(settings: &Settings, stop: &watch::Receiver<bool>) -> AskNow {
    let ask_now = AskNow::default();
    let Some(listen) = settings.qrm_callback else { return ask_now };
    let (credentials, wishes) = (settings.credentials.clone(), ask_now.clone());
    let secrets = settings.credentials.clone();
    let door = Door {
        is_secret: Arc::new(move |word| secrets.is_callback(word)),
        ask_now: Arc::new(move |operations| wishes.ask(operations)),
    };
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = until(stop.clone()) => {}
            listener = open(listen, &credentials) => callback::serve(listener, door, until(stop.clone())).await,
        }
    });
    ask_now
}

/// Tries until it can be had. Why it cannot is said once for each reason.
async fn open(listen: SocketAddr, credentials: &Credentials) -> TcpListener {
    let mut said = String::new();
    loop {
        let why = match credentials.callback() {
            Ok(_) => match TcpListener::bind(listen).await {
                Ok(listener) => {
                    info!(%listen, "QRManager may say here that a receipt is decided");
                    return listener;
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        if why != said {
            warn!(%listen, why, "the callback is not open; receipts are asked for in their turn");
            said = why;
        }
        tokio::time::sleep(limits::wait(limits::CALLBACK_OPEN_AGAIN_MS)).await;
    }
}
