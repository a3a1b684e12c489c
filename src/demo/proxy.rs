//! The page's way to the daemon: its HTTP and the technician's socket, passed on as they are. The daemon refuses pages in browsers; here the page's
//! own origin is left out, because to the daemon the demo is a till.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::bench::TILL_TOKEN;

/// For a connection on loopback.
const CONNECT: Duration = Duration::from_secs(2);
/// For the answer to a technician; closing a shift waits for the PinPad.
const TECHNICIAN: Duration = Duration::from_secs(200);
/// What a till may say of itself that matters to the daemon.
const PASSED_ON: [header::HeaderName; 2] = [header::CONTENT_TYPE, header::HeaderName::from_static("idempotency-key")];

#[derive(Debug)]
pub(super) struct Proxy {
    client: reqwest::Client,
    daemon: SocketAddr,
    control: PathBuf,
}

impl Proxy {
    pub(super) fn to(daemon: SocketAddr, control: PathBuf) -> Result<Self, reqwest::Error> {
        // An error means that there is one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, daemon, control })
    }

    /// A till's request, and the daemon's answer as it came. A page that hangs up is a till that hangs up.
    pub(super) async fn pass(&self, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response {
        let asked = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let mut request = self.client.request(method, format!("http://{}{asked}", self.daemon)).body(body);
        if uri.path().starts_with("/api/") {
            // Nobody passes that door without a token; the page's own is kept from the page.
            request = request.header("x_auth_token", TILL_TOKEN);
        }
        for name in PASSED_ON {
            if let Some(value) = headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let Ok(answer) = request.send().await else { return no_power() };
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
        // Cut in the middle: the till has heard nothing that it could rely on.
        let Ok(body) = answer.bytes().await else { return no_power() };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        if let Some(kind) = kind {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        response
    }

    /// A technician's request, one line of JSON, and the answer.
    pub(super) async fn ask(&self, request: &serde_json::Value) -> Response {
        let asked = timeout(TECHNICIAN, self.converse(request)).await;
        match asked {
            Ok(Ok(line)) => ([(header::CONTENT_TYPE, "application/json")], line).into_response(),
            Ok(Err(_)) | Err(_) => no_power(),
        }
    }

    async fn converse(&self, request: &serde_json::Value) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.control).await?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        if line.ends_with('\n') { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn no_power() -> Response {
    (StatusCode::BAD_GATEWAY, "the terminal does not answer\n").into_response()
}
