//! Who may ask, from where, and how much: looked at before any handler sees a request. Every refusal is in the documented envelope.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use tracing::Instrument as _;

use super::envelope::{self, Refusal};
use super::json::FieldErrors;
use super::listen::Peer;
use super::{Api, ApiSettings, origin, sbp};
use crate::config::Bearer;
use crate::limits;
use crate::log;

/// The till that asks: the name of its token, or `@` and where it asks from (`@local` on this machine).
#[derive(Clone, Debug)]
pub(super) struct Till(pub(super) String);

/// The header that seed 003 names, and the spelling that gets past servers and libraries which drop names with an underscore.
const TOKEN_HEADERS: [&str; 2] = ["x_auth_token", "x-auth-token"];

/// Let a request through, with its [`Till`], or answer it here.
pub(super) async fn check(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let page = origin::listed(&api.settings.allow_origins, request.headers());
    let answer = match admitted(&api.settings, peer, page.is_some(), &request) {
        Ok(Admitted::Till(till)) => {
            let span = log::request(&till.0);
            request.extensions_mut().insert(till);
            next.run(request).instrument(span).await
        }
        Ok(Admitted::Browser) => {
            return page.map_or_else(Response::default, |page| origin::preflight(page, request.headers()));
        }
        Err(refusal) => {
            if refusal.message() == envelope::UNAUTHORIZED.name && token(request.headers()).is_some() {
                slow_down(&api, peer).await;
            } else {
                let peer = peer.map(tracing::field::display);
                tracing::warn!(peer, refusal = refusal.message(), "a request was turned away");
            }
            let comes_again = refusal.message() == envelope::OVERLOADED.name;
            let mut answer = sbp::refused(request.uri().path(), refusal);
            if answer.status() == StatusCode::METHOD_NOT_ALLOWED
                && let Some(served) = served_at(&api, &request)
            {
                answer.headers_mut().insert(header::ALLOW, served);
            }
            if comes_again { envelope::come_again(answer) } else { answer }
        }
    };
    match page {
        Some(page) => origin::opened(answer, page),
        None => answer,
    }
}

/// What a path is served for, by the description of this surface.
fn served_at(api: &Api, request: &Request) -> Option<HeaderValue> {
    api.described.methods_at(&api.settings, request.uri().path()).parse().ok()
}

/// A wrong token: told once in the log, and answered later each time.
async fn slow_down(api: &Api, peer: Option<Peer>) {
    let from = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
    let slowed = api.attempts.failed(from, api.clock.monotonic_ms());
    if slowed.is_first {
        tracing::warn!(%from, "a token that no till has; more of them are answered later and later, and not told one by one");
    }
    tokio::time::sleep(limits::wait(slowed.by_ms)).await;
}

/// Who is let in.
#[derive(Debug)]
enum Admitted {
    Till(Till),
    /// A browser that asks what a page of a listed origin may ask. It has no token yet.
    Browser,
}

/// `listed`: the request comes from a page that may ask.
fn admitted(settings: &ApiSettings, peer: Option<Peer>, listed: bool, request: &Request) -> Result<Admitted, Refusal> {
    let headers = request.headers();
    if !listed {
        no_browser(headers)?;
    }
    own_host(settings, peer, request.uri().authority(), headers)?;
    if listed && origin::is_preflight(request.method(), headers) {
        return Ok(Admitted::Browser);
    }
    let till = match token(headers) {
        Some(token) => named_till(settings, token)?,
        // What was never served without a token is not begun to be.
        None if sbp::is_here(request.uri().path()) => return Err(unknown_till()),
        None => near_till(settings, peer)?,
    };
    if request.method() == Method::HEAD {
        // A router serves HEAD by GET's handler, and a GET on /payment/xumo_close closes the shift.
        return Err(Refusal::because(envelope::METHOD_NOT_ALLOWED, "HEAD is not served here"));
    }
    json_or_nothing(headers)?;
    Ok(Admitted::Till(till))
}

/// A page in a browser must not be able to sell, or to close the shift, only because it runs on a machine that reaches this one.
fn no_browser(headers: &HeaderMap) -> Result<(), Refusal> {
    let fetched = headers.get("sec-fetch-site").is_some_and(|site| site != "none");
    if headers.contains_key(header::ORIGIN) || fetched {
        let reason = "pages in browsers may not ask here (the request has an Origin or Sec-Fetch-Site header)";
        return Err(Refusal::because(envelope::FORBIDDEN, reason));
    }
    Ok(())
}

/// A name that is not ours means a browser that was led here by somebody else's DNS. No browser reaches a Unix socket, and what programs
/// call it is up to them.
fn own_host(
    settings: &ApiSettings,
    peer: Option<Peer>,
    target: Option<&Authority>,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let at = match peer {
        Some(Peer::Unix) => return Ok(()),
        Some(Peer::Net { at, .. }) => Some(at.ip()),
        None => None,
    };
    let foreign = |name: &str| {
        Refusal::because(envelope::FORBIDDEN, format!("the Host {name:?} is not this terminal; ask by its address"))
    };
    for value in headers.get_all(header::HOST) {
        let name = value.to_str().unwrap_or_default();
        let own = name.parse::<Authority>().is_ok_and(|host| is_own(settings, at, host.host()));
        if !own {
            return Err(foreign(name));
        }
    }
    match target {
        Some(target) if !is_own(settings, at, target.host()) => Err(foreign(target.as_str())),
        _ => Ok(()),
    }
}

fn is_own(settings: &ApiSettings, at: Option<IpAddr>, host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") || settings.names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        return true;
    }
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // Who listens on every address is reached by any of them; it is names that browsers can be led by.
    bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || at.is_some_and(|at| ip == at || at.is_unspecified()))
}

/// The till whose token came with the request. One that nobody has is refused also where none is needed: a till that was served under
/// another name would not find there what it began under its own.
fn named_till(settings: &ApiSettings, token: &str) -> Result<Till, Refusal> {
    match (settings.bearer_of)(token) {
        Bearer::Till(name) => Ok(Till(name)),
        Bearer::Nobody => Err(unknown_till()),
        Bearer::Unknown => {
            Err(Refusal::because(envelope::OVERLOADED, "the terminal cannot read its tills' tokens at this moment"))
        }
    }
}

/// A till that needs no token, by where it asks from. Who may connect to a Unix socket was decided by its file.
fn near_till(settings: &ApiSettings, peer: Option<Peer>) -> Result<Till, Refusal> {
    let local = match peer {
        Some(Peer::Unix) => true,
        Some(Peer::Net { at, from }) => at.ip().is_loopback() && from.ip().to_canonical().is_loopback(),
        None => false,
    };
    if local {
        return Ok(Till("@local".to_owned()));
    }
    match peer.map(|peer| peer.ip()) {
        Some(ip) if settings.allow_peers.iter().any(|allowed| allowed.to_canonical() == ip) => {
            Ok(Till(format!("@{ip}")))
        }
        _ => Err(unknown_till()),
    }
}

fn unknown_till() -> Refusal {
    Refusal::because(envelope::UNAUTHORIZED, "this request has no token of a known till")
}

/// The token that came with a request, if any did. One that is empty, or in no letters of ours, came as well: it is no till's.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(token) = TOKEN_HEADERS.iter().find_map(|name| headers.get(*name)) {
        return Some(token.to_str().unwrap_or_default().trim());
    }
    let words = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or("bearer").trim();
    let (scheme, token) = words.split_once(' ').unwrap_or((words, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A browser's form can send neither; a till that names another type means something that is not read here.
fn json_or_nothing(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::because(envelope::NOT_JSON, format!("a body of type {kind:?} is not read here")))
}

/// Read a body to its end: at most [`limits::BODY_MAX_BYTES`] are kept. A longer one is read and dropped up to
/// [`limits::BODY_DISCARD_MAX_BYTES`], because a sender that is cut off in the middle never sees the answer.
pub(super) async fn whole_body(body: Body) -> Result<Bytes, Refusal> {
    body_within(body, limits::BODY_MAX_BYTES).await
}

/// The same with a limit of its own.
pub(super) async fn body_within(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let time = limits::wait(limits::HTTP_BODY_READ_TIMEOUT_MS);
    tokio::time::timeout(time, read(body, most)).await.unwrap_or_else(|_| {
        let seconds = limits::HTTP_BODY_READ_TIMEOUT_MS / 1_000;
        Err(Refusal::because(envelope::TOO_SLOW, format!("the body did not arrive within {seconds} s")))
    })
}

async fn read(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let mut body = pin!(body);
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|_| Refusal::from(&FieldErrors::of_body("The body broke off.")))?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= most {
            kept.extend_from_slice(data);
        } else {
            kept = Vec::new();
        }
        if seen > limits::BODY_DISCARD_MAX_BYTES {
            break;
        }
    }
    if seen > most {
        return Err(Refusal::because(envelope::TOO_LARGE, format!("the body has more than {most} bytes")));
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Arc;

    fn settings() -> ApiSettings {
        ApiSettings {
            bearer_of: Arc::new(|token| match token {
                "secret" => Bearer::Till("till-1".to_owned()),
                "unread" => Bearer::Unknown,
                _ => Bearer::Nobody,
            }),
            allow_peers: vec!["192.168.1.20".parse().unwrap()],
            names: vec!["pos.shop.example".to_owned()],
            allow_origins: vec!["https://till.example".to_owned()],
            ..ApiSettings::default()
        }
    }

    /// What `admitted` says to a request with these headers: the till, or the refusal's name.
    fn asked(listen: &str, peer: &str, headers: &[(&str, &str)]) -> String {
        asked_at("/payment/click", listen, peer, headers)
    }

    fn asked_at(path: &str, listen: &str, peer: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let peer = match peer {
            "unix" => Peer::Unix,
            ip => Peer::Net { at: listen.parse().unwrap(), from: SocketAddr::new(ip.parse().unwrap(), 5) },
        };
        let settings = settings();
        let listed = origin::listed(&settings.allow_origins, request.headers()).is_some();
        match admitted(&settings, Some(peer), listed, &request) {
            Ok(Admitted::Till(till)) => till.0,
            Ok(Admitted::Browser) => "a browser".to_owned(),
            Err(refusal) => refusal.message().to_owned(),
        }
    }

    #[test]
    fn loopback_asks_nobody_for_a_token() {
        for host in ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080"] {
            assert_eq!(asked("127.0.0.1:8080", "127.0.0.1", &[("host", host)]), "@local", "{host}");
        }
        assert_eq!(asked("[::1]:8080", "::1", &[]), "@local");
        assert_eq!(asked("127.0.0.1:8080", "127.0.0.1", &[("x_auth_token", "secret")]), "till-1");
    }

    #[test]
    fn a_token_that_no_till_has_is_refused_also_where_none_is_needed() {
        let near = [("127.0.0.1:8080", "127.0.0.1"), ("", "unix"), ("192.168.1.9:8080", "192.168.1.20")];
        let no_tills = [
            ("x_auth_token", "secre"),
            ("x_auth_token", ""),
            ("x-auth-token", "wrong"),
            ("x_auth_token", "жетон"),
            ("authorization", "Bearer wrong"),
            ("authorization", "Bearer"),
            ("authorization", "bearer жетон"),
        ];
        for (listen, peer) in near {
            assert!(asked(listen, peer, &[]).starts_with('@'), "{peer}");
            for header in no_tills {
                assert_eq!(asked(listen, peer, &[header]), "UNAUTHORIZED", "{peer} {header:?}");
            }
            assert_eq!(asked(listen, peer, &[("x_auth_token", "unread")]), "OVERLOADED", "{peer}");
        }
    }

    #[test]
    fn any_other_address_asks_for_a_token_or_a_listed_peer() {
        let lan = "192.168.1.9:8080";
        let host = ("host", lan);
        assert_eq!(asked(lan, "192.168.1.7", &[host]), "UNAUTHORIZED");
        assert_eq!(asked(lan, "192.168.1.7", &[host, ("x_auth_token", "wrong")]), "UNAUTHORIZED");
        assert_eq!(asked(lan, "192.168.1.7", &[host, ("x_auth_token", "secret")]), "till-1");
        assert_eq!(asked(lan, "192.168.1.7", &[host, ("authorization", "Bearer secret")]), "till-1");
        assert_eq!(asked(lan, "192.168.1.7", &[host, ("authorization", "Basic secret")]), "UNAUTHORIZED");
        assert_eq!(asked(lan, "192.168.1.20", &[host]), "@192.168.1.20");
        assert_eq!(asked("[::]:8080", "::ffff:192.168.1.20", &[host]), "@192.168.1.20", "IPv4 mapped into IPv6");
        assert_eq!(asked("0.0.0.0:8080", "127.0.0.1", &[("host", "127.0.0.1")]), "UNAUTHORIZED");
    }

    #[test]
    fn a_unix_socket_is_loopback_without_an_address_and_calls_the_terminal_what_it_likes() {
        assert_eq!(asked("", "unix", &[]), "@local");
        assert_eq!(asked("", "unix", &[("host", "till")]), "@local");
        assert_eq!(asked("", "unix", &[("host", "localhost"), ("x_auth_token", "secret")]), "till-1");
        assert_eq!(asked("", "unix", &[("host", "localhost"), ("origin", "http://localhost")]), "FORBIDDEN");
        assert_eq!(asked_at("/api/v1/sbp/sale", "", "unix", &[("host", "localhost")]), "UNAUTHORIZED");
    }

    #[test]
    fn a_door_that_always_asks_for_a_token_knows_no_loopback_and_no_listed_peer() {
        let sale = |listen, peer, headers: &[_]| asked_at("/api/v1/sbp/sale", listen, peer, headers);
        for headers in
            [[].as_slice(), &[("x_auth_token", "")], &[("x_auth_token", "wrong")], &[("x-auth-token", "secre")]]
        {
            assert_eq!(sale("127.0.0.1:8080", "127.0.0.1", headers), "UNAUTHORIZED", "{headers:?}");
            assert_eq!(sale("192.168.1.9:8080", "192.168.1.20", headers), "UNAUTHORIZED", "{headers:?}");
        }
        for headers in [("x_auth_token", "secret"), ("x-auth-token", "secret"), ("authorization", "Bearer secret")] {
            assert_eq!(sale("127.0.0.1:8080", "127.0.0.1", &[headers]), "till-1");
        }
    }

    #[test]
    fn foreign_names_and_browsers_are_turned_away_on_loopback_too() {
        for headers in [
            [("host", "evil.example:8080")].as_slice(),
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "localhost@evil.example")],
            &[("host", "192.168.1.9")],
            &[("host", "127.0.0.1"), ("host", "evil.example")],
            &[("host", "localhost"), ("origin", "http://localhost:8080")],
            &[("host", "localhost"), ("origin", "null")],
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(asked("127.0.0.1:8080", "127.0.0.1", headers), "FORBIDDEN", "{headers:?}");
        }
        let typed_by_a_person = [("host", "localhost"), ("sec-fetch-site", "none")];
        assert_eq!(asked("127.0.0.1:8080", "127.0.0.1", &typed_by_a_person), "@local");
        let from_lan = [("host", "192.168.1.9:8080"), ("x_auth_token", "secret")];
        assert_eq!(asked("0.0.0.0:8080", "192.168.1.7", &from_lan), "till-1");
        let by_name = [("host", "pos.example"), ("x_auth_token", "secret")];
        assert_eq!(asked("0.0.0.0:8080", "192.168.1.7", &by_name), "FORBIDDEN");
        let by_its_own_name = [("host", "POS.shop.example:8443"), ("x_auth_token", "secret")];
        assert_eq!(asked("0.0.0.0:8443", "192.168.1.7", &by_its_own_name), "till-1");
    }

    #[test]
    fn a_page_of_a_listed_origin_asks_like_a_till_and_no_other_page_does() {
        let page = |origin, rest: &[_]| {
            let own = [("host", "localhost"), ("origin", origin), ("sec-fetch-site", "cross-site")];
            asked("127.0.0.1:8080", "127.0.0.1", &[&own, rest].concat())
        };
        assert_eq!(page("https://till.example", &[]), "@local");
        for origin in ["http://till.example", "https://till.example:8443", "https://till.example.evil", "null", ""] {
            assert_eq!(page(origin, &[]), "FORBIDDEN", "{origin:?}");
        }
        assert_eq!(page("https://till.example", &[("origin", "https://evil.example")]), "FORBIDDEN", "two at once");
        let led_astray = [("host", "evil.example"), ("origin", "https://till.example")];
        assert_eq!(asked("127.0.0.1:8080", "127.0.0.1", &led_astray), "FORBIDDEN");
    }

    #[test]
    fn json_is_read_and_no_other_type() {
        let kinds = [
            ("application/json", "@local"),
            ("Application/JSON; charset=utf-8", "@local"),
            ("text/plain", "NOT_JSON"),
            ("application/x-www-form-urlencoded", "NOT_JSON"),
            ("", "NOT_JSON"),
        ];
        for (kind, said) in kinds {
            assert_eq!(asked("127.0.0.1:8080", "127.0.0.1", &[("content-type", kind)]), said, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_its_limit() {
        let body = |len| Body::from(vec![b' '; len]);
        assert_eq!(whole_body(body(limits::BODY_MAX_BYTES)).await.unwrap().len(), limits::BODY_MAX_BYTES);
        let refusal = whole_body(body(limits::BODY_MAX_BYTES + 1)).await.unwrap_err();
        assert_eq!((refusal.message(), refusal.status), ("TOO_LARGE", 413));
    }
}
