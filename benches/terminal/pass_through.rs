//! The plainest program that keeps promise 1: take a request, commit it, ask the provider, commit the answer, answer.
//! It knows no doubt, no repeat, no receipt and no display; what the daemon costs more than this is what those cost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::{Router, body::Bytes, routing::post};
use reqwest::{Client, redirect, retry};
use rusqlite::Connection;

struct Room {
    store: Mutex<Connection>,
    client: Client,
    url: String,
}

impl Room {
    /// One line, on disk when this returns.
    async fn commit(self: &Arc<Self>, line: Vec<u8>) {
        let room = self.clone();
        let write = move || {
            let store = room.store.lock().unwrap_or_else(PoisonError::into_inner);
            store
                .prepare_cached("INSERT INTO line (body) VALUES (?1)")
                .and_then(|mut s| s.execute([line]))
                .expect("a commit");
        };
        tokio::task::spawn_blocking(write).await.expect("a commit");
    }
}

async fn click(State(room): State<Arc<Room>>, body: Bytes) -> ([(axum::http::HeaderName, &'static str); 1], Vec<u8>) {
    room.commit(body.to_vec()).await;
    let asked = room.client.post(&room.url).header(CONTENT_TYPE, "application/json").body(body).send().await;
    let answer = asked.expect("an answer").bytes().await.expect("a whole answer").to_vec();
    room.commit(answer.clone()).await;
    ([(CONTENT_TYPE, "application/json")], answer)
}

/// Serve on `address` until killed.
pub(crate) fn run(address: &str) {
    let variable = |name| std::env::var(name).expect("set by the benchmark");
    let store = Connection::open(variable("PASS_THROUGH_STORE")).expect("a store");
    let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE line (body BLOB) STRICT;";
    store.execute_batch(schema).expect("a table");
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The same client as the daemon's, setting by setting.
    let client = Client::builder().connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(60));
    let client = client.retry(retry::never()).redirect(redirect::Policy::none()).no_proxy().http1_only();
    let client = client.pool_max_idle_per_host(0).referer(false).build().expect("a client");
    let url = format!("{}/payment/click", variable("PASS_THROUGH_TO"));
    let room = Arc::new(Room { store: Mutex::new(store), client, url });
    let app = Router::new().route("/payment/click", post(click)).with_state(room);
    let serve = async {
        let listener = tokio::net::TcpListener::bind(address).await.expect("its address");
        axum::serve(listener, app).await.expect("serves");
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(serve);
}
