//! The plainest program that keeps promise 1: take a request, commit it, ask the provider, commit the answer, answer. And, for a payment that is
//! created first, one commit more. It knows no doubt, no repeat, no receipt and no display; what the daemon costs more than this is what
//! those cost.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, HOST, HeaderName};
use axum::{Router, body::Body, body::Bytes, routing::post};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::net::{TcpListener, TcpStream};

type Answer = ([(HeaderName, &'static str); 1], Bytes);

struct Room {
    store: Mutex<Connection>,
    provider: SocketAddr,
}

impl Room {
    /// One line, on disk when this returns.
    async fn commit(self: &Arc<Self>, line: Bytes) {
        let room = self.clone();
        let write = move || {
            let store = room.store.lock().unwrap_or_else(PoisonError::into_inner);
            store
                .prepare_cached("INSERT INTO line (body) VALUES (?1)")
                .and_then(|mut s| s.execute([&line[..]]))
                .expect("a commit");
        };
        tokio::task::spawn_blocking(write).await.expect("a commit");
    }

    /// The client is the daemon's, too: hyper, with a connection for each payment.
    async fn ask(&self, body: Bytes) -> Bytes {
        let stream = TcpStream::connect(self.provider).await.expect("the provider");
        stream.set_nodelay(true).expect("a socket");
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        let request = Request::post("/payment/click").header(HOST, self.provider.to_string());
        let request = request.header(CONTENT_TYPE, "application/json").body(Body::from(body)).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        axum::body::to_bytes(Body::new(answer.into_body()), usize::MAX).await.expect("a whole answer")
    }
}

async fn click(State(room): State<Arc<Room>>, body: Bytes) -> Answer {
    room.commit(body.clone()).await;
    let answer = room.ask(body).await;
    room.commit(answer.clone()).await;
    ([(CONTENT_TYPE, "application/json")], answer)
}

async fn create(State(room): State<Arc<Room>>, body: Bytes) -> Answer {
    room.commit(body).await;
    ([(CONTENT_TYPE, "application/json")], Bytes::from_static(br#"{"transaction_id": "1"}"#))
}

/// Serve on `address` until killed.
pub(crate) fn run(address: &str) {
    let variable = |name| std::env::var(name).expect("set by the benchmark");
    let store = Connection::open(variable("PASS_THROUGH_STORE")).expect("a store");
    let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE line (body BLOB) STRICT;";
    store.execute_batch(schema).expect("a table");
    let provider = variable("PASS_THROUGH_TO").parse().expect("an address");
    let room = Arc::new(Room { store: Mutex::new(store), provider });
    let app = Router::new().route("/payment/click", post(click)).route("/create", post(create)).with_state(room);
    let serve = async {
        let listener = TcpListener::bind(address).await.expect("its address");
        axum::serve(listener, app).await.expect("serves");
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(serve);
}
