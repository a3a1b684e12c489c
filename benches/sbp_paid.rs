//! From QRManager's "paid" to the terminal's: `cargo bench -- sbp-paid`. A server of the tests' own pushes the status over the WebSocket on
//! loopback; measured is the time until the payment is committed and in the picture that tills are answered from, and until the display has
//! drawn it. `docs/performance.md` keeps the figures.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "a program that uses its part of the tests' bench")]
#![allow(clippy::unwrap_used)]

#[path = "../tests/sbp_watch/life.rs"]
mod life;
#[path = "../tests/sbp_watch/server.rs"]
mod server;

use std::time::{Duration, Instant};

use life::{Life, Setup};
use server::Server;
use tokio::sync::watch;
use tolov::clock::Clock;
use tolov::sbp::Waits;
use tolov::ui::panel::{self, Panel};
use tolov::ui::text::Language;

const SALES: usize = 200;
const PAID: i64 = 5;

fn main() {
    // Cargo adds a flag of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if wanted.is_empty() || wanted.iter().any(|word| word == "sbp-paid") {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    // The terminal's own waits.
    let setup = Setup { waits: Waits::default(), ..Setup::default() };
    let life = Life::begin(dir.path(), &server, &setup);
    let panel = Panel::new(Language::En);
    let (frames, mut drawn) = watch::channel(panel.frame());
    let (pictures, clock) = (life.driver.pictures(), Clock::system());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(panel::run(pictures, panel, frames, move || clock.wall_ms()));
    });
    let (mut known, mut shown) = (Vec::new(), Vec::new());
    for sale in 0..SALES {
        let id = life.sell_so(10_000, true, false).await;
        let operation = life.operation(id).await;
        life.until("it is asked about", || server.books().operations[&operation].asked_by_socket > 0).await;
        // At any moment between two pictures of the display.
        tokio::time::sleep(Duration::from_millis(150 + u64::try_from(sale * 37 % 250).unwrap())).await;
        let mut pictures = life.driver.pictures();
        pictures.mark_unchanged();
        drawn.mark_unchanged();
        let since = Instant::now();
        server.set(&operation, PAID);
        while pictures.borrow_and_update().counter.is_some() {
            pictures.changed().await.unwrap();
        }
        known.push(since.elapsed());
        drawn.changed().await.unwrap();
        shown.push(since.elapsed());
    }
    life.end().await;
    println!("| what | p50, ms | p99, ms |\n|---|---|---|");
    for (what, mut took) in [("paid at QRManager → committed and told to tills", known), ("the same → drawn", shown)]
    {
        took.sort_unstable();
        let ms = |permille: usize| took[took.len() * permille / 1_000].as_micros();
        let shown = |micros: u128| format!("{}.{:01}", micros / 1_000, micros % 1_000 / 100);
        println!("| {what} | {} | {} |", shown(ms(500)), shown(ms(990)));
    }
}
