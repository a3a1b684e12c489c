//! The key of a QR terminal is a part of the socket's address, and no line of any log may show it: not ours, and none of the libraries', however
//! much is asked for. A process of its own, because the log is the process's.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

#[path = "sbp_watch/life.rs"]
mod life;
#[path = "sbp_watch/server.rs"]
mod server;

use std::io::{Result, Write};
use std::sync::{Arc, Mutex};

use life::{Life, Setup};
use server::{KEY, Server};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_log_shows_the_key_whatever_goes_wrong_and_however_much_is_asked_for() {
    let (said, whole) = (Heard::default(), Heard::default());
    let lines = |heard: &Heard| {
        let heard = heard.clone();
        tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || heard.clone())
    };
    let layers = vec![lines(&said).with_filter(tolov::log::discreet()).boxed(), lines(&whole).boxed()];
    tracing_subscriber::registry().with(layers).init();

    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (paid, operation) = life.open(10_000).await;
    life.until("it is asked about", || server.books().operations[&operation].asked_by_socket > 0).await;
    server.cut_sockets();
    for status in [404, 403, 500] {
        server.manners(|m| m.no_socket = Some(status));
        server.cut_sockets();
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    server.manners(|m| m.deaf = true);
    life.until("a question fails", || said.text().contains("cannot be asked about")).await;
    server.manners(|m| (m.deaf, m.no_socket) = (false, None));
    server.set(&operation, 5);
    life.until_state(paid, "paid").await;
    life.give_back(paid, 10_000).await;
    life.until_state(paid, "refunded").await;
    life.end().await;

    let said = said.text();
    for expected in ["a socket to QRManager is open", "does not upgrade", "tokio_tungstenite", "cannot be asked about"]
    {
        assert!(said.contains(expected), "the log was not heard: it lacks “{expected}”");
    }
    let shown: Vec<&str> = said.lines().filter(|line| line.contains(KEY)).collect();
    assert!(shown.is_empty(), "{shown:#?}");
    assert!(whole.text().contains(KEY), "the library does not show it any more: the filter has nothing left to do");
}
