//! Connections: how many, how long, and which one goes when there is no room. A connection that only waits never keeps a till out.

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_http::catch_panic::CatchPanicLayer;

use super::attempts::Attempts;
use super::crowd::{Crowd, Seat};
use super::envelope::{self, Detail, Refusal};
use super::guard;
use super::listen::{Peer, Place, Stream};
use super::openapi::Described;
use super::patience::{Pace, Patient, Takes};
use super::{Api, ApiSettings, Room, fair, gateway, ops, sbp, tls};
use crate::clock::Clock;
use crate::driver::Handle;
use crate::history::History;
use crate::limits;

/// Serve tills at `places` until `shutdown`; then no connection is taken, those that wait for an answer get it, and after
/// [`limits::SHUTDOWN_MS`] the rest is dropped.
pub async fn serve(
    places: Vec<Place>,
    driver: Handle,
    history: Arc<dyn History>,
    settings: ApiSettings,
    shutdown: impl Future<Output = ()>,
) {
    accept(places, router(driver, history, settings), limits::HTTP_CONNECTIONS_MAX, shutdown).await;
}

/// Serve whoever comes to `places`, `most` connections at once, until `shutdown`.
pub(super) async fn accept(places: Vec<Place>, router: Router, most: usize, shutdown: impl Future<Output = ()>) {
    let crowd = Arc::new(Crowd::of(most));
    let (stop, stopped) = watch::channel(false);
    let mut porters = JoinSet::new();
    for place in places {
        porters.spawn(keep(place, router.clone(), crowd.clone(), stopped.clone()));
    }
    shutdown.await;
    stop.send_replace(true);
    let rest = async { while porters.join_next().await.is_some() {} };
    if tokio::time::timeout(limits::wait(limits::SHUTDOWN_MS), rest).await.is_err() {
        tracing::warn!("somebody was still waiting for an answer when the terminal stopped");
    }
}

/// One place: take connections until `stop`, then wait for the end of those that are at work.
async fn keep(place: Place, router: Router, crowd: Arc<Crowd>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = over(&mut stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = async {
                crowd.has_room().await;
                place.next().await
            } => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve_one(stream, peer, router.clone(), crowd.enter(peer.ip())));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(limits::wait(limits::HTTP_ACCEPT_RETRY_MS)).await;
                }
            }
        }
    }
    drop(place);
    crowd.close();
    while connections.join_next().await.is_some() {}
}

fn router(driver: Handle, history: Arc<dyn History>, settings: ApiSettings) -> Router {
    let kept = gateway::Kept::default();
    let api = Api(Arc::new(Room {
        driver,
        history,
        settings,
        kept,
        clock: Clock::system(),
        fair: Arc::default(),
        attempts: Attempts::default(),
        described: Described::default(),
        tail: Default::default(),
    }));
    Router::new()
        .merge(gateway::routes())
        .merge(super::core::routes())
        .merge(sbp::routes())
        // What is above is about money, and takes turns; whoever looks after the terminal is answered also while a till asks too much.
        .route_layer(from_fn_with_state(api.clone(), fair::take_turn))
        .merge(ops::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(api.clone(), guard::check))
        .layer(CatchPanicLayer::custom(|what: Box<dyn Any + Send>| panicked(what.as_ref()).into_response()))
        .with_state(api)
}

async fn unknown_path(request: Request) -> Response {
    let path = request.uri().path();
    let reason = Some(format!("there is no {path}"));
    let detail = Detail { reason, advice: envelope::UNKNOWN_PATH.advice.into(), ..Detail::default() };
    sbp::refused(path, Refusal::bare(envelope::UNKNOWN_PATH).with(detail))
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let reason = format!("{path} is not served by this method");
    sbp::refused(path, Refusal::because(envelope::METHOD_NOT_ALLOWED, reason))
}

/// A bug in a handler costs one answer. The payment is the driver's, and goes on.
pub(super) fn panicked(what: &(dyn Any + Send)) -> Refusal {
    let what = what.downcast_ref::<String>().map(String::as_str).or(what.downcast_ref::<&str>().copied());
    tracing::error!(what = what.unwrap_or("?"), "a handler panicked");
    Refusal::because(envelope::INTERNAL, "the terminal has a fault here")
}

/// Until no connection is to be taken any more.
async fn over(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve_one(stream: Stream, peer: Peer, router: Router, seat: Seat) {
    let pace = Pace::default();
    match stream {
        Stream::Net(stream) => converse(Patient::new(stream, pace.clone()), peer, pace, router, seat).await,
        Stream::Tls(stream, acceptor) => {
            let shaken = tokio::select! {
                shaken = tls::shake_hands(stream, &acceptor, &pace) => shaken,
                () = seat.asked_to_leave() => return,
            };
            match shaken {
                Ok(stream) => converse(stream, peer, pace, router, seat).await,
                Err(error) => tracing::debug!(%error, %peer, "a connection ended before TLS had begun"),
            }
        }
        Stream::Unix(stream) => converse(Patient::new(stream, pace.clone()), peer, pace, router, seat).await,
    }
}

/// A router that serves GET says that it serves HEAD, too, and says so behind every layer.
fn without_head(mut answer: Response) -> Response {
    let allowed = answer.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    let served: Option<Vec<&str>> =
        allowed.map(|allowed| allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").collect());
    if let Some(Ok(served)) = served.map(|served| served.join(", ").parse()) {
        answer.headers_mut().insert(header::ALLOW, served);
    }
    answer
}

/// One connection, one request after another.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, pace: Pace, router: Router, seat: Seat) {
    let seat = Arc::new(seat);
    let inner = TowerToHyperService::new(router);
    let (place, takes) = (seat.clone(), pace.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        place.touch();
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(place.clone());
        request.extensions_mut().insert(takes.clone());
        let answer = inner.call(request);
        async move { answer.await.map(without_head) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits::wait(limits::HTTP_HEADER_READ_TIMEOUT_MS))
        .max_buf_size(limits::HEADER_MAX_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = seat.asked_to_leave() => {
            if !seat.is_busy() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match (ended, pace.now()) {
        (Ok(()), _) => {}
        (Err(_), Takes::Nothing) => tracing::info!(%peer, "a connection was cut: its other end took nothing"),
        (Err(error), _) => tracing::debug!(%error, %peer, "a connection ended early"),
    }
}
