//! The gateway's client against a server made of bare TCP, so that it can do what no HTTP library would.

mod ahead;

use super::*;
use crate::limits;
use crate::payment::event::{Delivery, Outcome};
use crate::payment::fact::Fact;
use crate::payment::fiscal::{ConfirmationState, Fiscal, Receipt};
use crate::payment::receipt::ReceiptLink;
use crate::payment::sale::{Approval, DeclineKind, Merchant, PaymentId, State};
use crate::payment::terminal::{Policy, Terminal};
use crate::payment::{Currency, Money};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
const SUCCESS: &str = r#"{"data":{"status":"successfully","payment_id":"1"},"error":null,"is_success":true}"#;
const REFUSAL: &str = r#"{"data":null,"error":{"code":106,"message":"NO MONEY","data":null},"is_success":false}"#;

/// A paid sale of 500.00 UZS with a receipt in the queue, made by the journal's own lines.
pub(crate) fn paid_sale(method: Method) -> (Payment, Confirmation) {
    let policy = Policy {
        methods: vec![method],
        merchant: None,
        codes: crate::payment::code::CodeTable::default(),
        scan_wait_ms: 0,
        join_unanswered_ms: 0,
        ask_every_ms: 0,
        backoff_min_ms: 0,
        backoff_max_ms: 0,
        ..Policy::default()
    };
    let mut terminal = Terminal::new(policy);
    let payment = PaymentId(uuid::Uuid::new_v4());
    let (code, id) = match method {
        Method::Payme => ("50501010793410803298", "63b5282a6f47f572807fd53e"),
        Method::Click | Method::Humo | Method::Sbp => ("880101698207133392", "2354512461"),
    };
    let receipt = Receipt::from_link(ReceiptLink::parse(LINK).unwrap(), None, None).unwrap();
    let lines = [
        Fact::Opened {
            payment,
            method,
            amount: Money::from_minor(50_000, Currency::Uzs),
            code: Some(code.to_owned()),
            attended: false,
            token: None,
            order_id: None,
            merchant: Merchant::default(),
            state: State::BankProcessing,
            run: None,
            warned_of: None,
            sbp: None,
        },
        Fact::Approved {
            payment,
            approval: Approval { payment_id: Some(id.to_owned()), ..Approval::default() },
            late: false,
            fiscal: Fiscal::Owed,
        },
        Fact::ReceiptBrought { payment, receipt, state: ConfirmationState::Queued, why: None },
    ];
    for line in &lines {
        terminal.apply(1_000, line).unwrap();
    }
    let sale = Payment::clone(&terminal.payments[&payment]);
    let confirmation = sale.confirmation().unwrap().clone();
    (sale, confirmation)
}

/// What the server does with a connection once the whole request is there.
#[derive(Clone, Debug)]
enum Act {
    /// Before anything is read.
    CloseAtOnce,
    /// Unasked, and close.
    SpeakAtOnce(String),
    Send(String),
    Bytes(Vec<u8>),
    Wait(u64),
    /// Close with a reset instead of an end.
    Reset,
}

/// A server that does the same to everybody and keeps what they said.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(acts: Vec<Act>) -> Self {
        Self::start_after(Vec::new(), acts).await
    }

    /// The first connections get acts of their own, one after another.
    async fn start_after(mut first: Vec<Vec<Act>>, acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (ears, counter) = (heard.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let own = if first.is_empty() { acts.clone() } else { first.remove(0) };
                tokio::spawn(serve(stream, own, ears.clone()));
            }
        });
        Self { address, heard, connections }
    }

    async fn answering(status: &str, body: &str) -> Self {
        Self::start(vec![Act::Send(http(status, body))]).await
    }

    fn gateway(&self, kind: GatewayKind) -> Gateway {
        Gateway::new(kind, settings(self.address))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, acts: Vec<Act>, heard: Arc<Mutex<Vec<String>>>) {
    match acts.first() {
        Some(Act::CloseAtOnce) => return,
        Some(Act::SpeakAtOnce(text)) => return drop(stream.write_all(text.as_bytes()).await),
        _ => {}
    }
    let request = read_request(&mut stream).await;
    heard.lock().unwrap().push(request);
    for act in acts {
        match act {
            Act::CloseAtOnce | Act::SpeakAtOnce(_) => unreachable!("only as the first act"),
            // The client may have left in the middle of a long answer: that is what such a test is about.
            Act::Send(text) => drop(stream.write_all(text.as_bytes()).await),
            Act::Bytes(bytes) => drop(stream.write_all(&bytes).await),
            Act::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Act::Reset => stream.set_zero_linger().unwrap(),
        }
    }
}

/// Head and body, by Content-Length.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next().and_then(|number| number.trim().parse::<usize>().ok()));
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return text,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nLocation: /payment/elsewhere\r\n\r\n{body}",
        body.len()
    )
}

fn settings(address: SocketAddr) -> GatewaySettings {
    GatewaySettings {
        base_url: format!("http://{address}"),
        amount_unit: Unit::Sum,
        upstream_amount_unit: Unit::Sum,
        confirm_dialect: ConfirmDialect::Y2023M01,
        timeout_ms: 600,
        connect_timeout_ms: 300,
        refused_codes: vec![7, 104, 106, 401, 402],
    }
}

fn words(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::InDoubt { text } => text,
        other => panic!("not in doubt: {other:?}"),
    }
}

#[tokio::test]
async fn a_charge_says_what_the_seeds_say_on_a_connection_of_its_own() {
    let server = Server::answering("200 OK", SUCCESS).await;
    let (sale, _) = paid_sale(Method::Click);
    let gateway = server.gateway(GatewayKind::Click);
    assert!(matches!(gateway.charge(&sale, Ready::default()).await, Outcome::Approved(_)));
    assert!(matches!(gateway.charge(&sale, Ready::default()).await, Outcome::Approved(_)));
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "one connection each, though the server kept the first one open");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /payment/click HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"amount":500,"qr_code":"880101698207133392"}"#);

    let (sale, _) = paid_sale(Method::Payme);
    server.gateway(GatewayKind::Payme).charge(&sale, Ready::default()).await;
    let request = server.requests().pop().unwrap();
    assert!(request.starts_with("POST /payment/payme HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"amount":500,"qr_code":"50501010793410803298"}"#), "{request}");
}

#[tokio::test]
async fn the_gateways_unit_is_its_own_and_nothing_is_rounded_for_it() {
    let server = Server::answering("200 OK", SUCCESS).await;
    let (mut sale, _) = paid_sale(Method::Click);
    let tiyin = GatewaySettings { upstream_amount_unit: Unit::Tiyin, ..settings(server.address) };
    Gateway::new(GatewayKind::Click, tiyin).charge(&sale, Ready::default()).await;
    assert!(server.requests().pop().unwrap().contains(r#""amount":50000,"#));
    sale.amount = Money::from_minor(50_050, Currency::Uzs);
    let outcome = server.gateway(GatewayKind::Click).charge(&sale, Ready::default()).await;
    let text = "the gateway counts in sum: 500.50 UZS is not a whole number of sum".to_owned();
    assert_eq!(outcome, Outcome::NotSent { text });
    sale.code = None;
    assert!(matches!(
        server.gateway(GatewayKind::Click).charge(&sale, Ready::default()).await,
        Outcome::NotSent { .. }
    ));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_name_are_not_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (sale, _) = paid_sale(Method::Click);
    let outcome = Gateway::new(GatewayKind::Click, settings(free)).charge(&sale, Ready::default()).await;
    let Outcome::NotSent { text } = &outcome else { panic!("{outcome:?}") };
    assert!(text.contains("refused"), "{text}");
    // A label longer than DNS allows fails without asking anybody.
    let unknown = format!("http://{}.example", "x".repeat(64));
    for base_url in [unknown.as_str(), "not a url"] {
        let nowhere = GatewaySettings { base_url: base_url.to_owned(), ..settings(free) };
        let outcome = Gateway::new(GatewayKind::Click, nowhere).charge(&sale, Ready::default()).await;
        assert!(matches!(outcome, Outcome::NotSent { .. }), "{base_url}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_connection_that_nobody_accepts_in_time_is_not_sent() {
    // A queue of one place that is full: the next connection is left without an answer, as by a firewall that drops it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        waiting.push(stream);
        assert!(waiting.len() < 64, "the queue never fills");
    }
    let (sale, _) = paid_sale(Method::Click);
    let outcome = Gateway::new(GatewayKind::Click, settings(address)).charge(&sale, Ready::default()).await;
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_handshake_that_fails_is_not_sent() {
    let server = Server::start(vec![Act::Send("220 this is no TLS\r\n".to_owned())]).await;
    let https = GatewaySettings { base_url: format!("https://{}", server.address), ..settings(server.address) };
    let (sale, _) = paid_sale(Method::Click);
    let outcome = Gateway::new(GatewayKind::Click, https).charge(&sale, Ready::default()).await;
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_reads_the_request_and_closes_leaves_a_doubt() {
    let (sale, _) = paid_sale(Method::Click);
    for acts in [vec![], vec![Act::Reset]] {
        let server = Server::start(acts.clone()).await;
        let outcome = server.gateway(GatewayKind::Click).charge(&sale, Ready::default()).await;
        assert!(matches!(outcome, Outcome::InDoubt { .. }), "{acts:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_closes_before_it_reads_is_asked_once() {
    let (sale, _) = paid_sale(Method::Click);
    let server = Server::start(vec![Act::CloseAtOnce]).await;
    let outcome = server.gateway(GatewayKind::Click).charge(&sale, Ready::default()).await;
    // Not sent where the end was seen before the request was begun; whoever was faster decides.
    assert!(matches!(outcome, Outcome::InDoubt { .. } | Outcome::NotSent { .. }), "{outcome:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_well_formed_refusal_is_refused() {
    let (sale, _) = paid_sale(Method::Click);
    for (status, body, why) in [
        ("200 OK", REFUSAL, DeclineKind::Refused),
        ("400 Bad Request", REFUSAL, DeclineKind::Refused),
        ("200 OK", &REFUSAL.replace("106", "104"), DeclineKind::Misconfigured),
    ] {
        let outcome =
            Server::answering(status, body).await.gateway(GatewayKind::Click).charge(&sale, Ready::default()).await;
        let Outcome::Refused(decline) = &outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!(decline.why, why);
    }
}

#[tokio::test]
async fn every_answer_that_is_not_understood_in_full_is_in_doubt() {
    let (sale, _) = paid_sale(Method::Payme);
    let whole = http("200 OK", SUCCESS);
    let cut = whole[..whole.len() - 20].to_owned();
    let chunked = |end: &str| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{SUCCESS}\r\n{end}", SUCCESS.len())
    };
    let huge = limits::PROVIDER_BODY_MAX_BYTES + 1;
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(huge));
    for (name, acts, expected) in [
        ("redirect", vec![Act::Send(http("307 Temporary Redirect", SUCCESS))], "HTTP 307"),
        ("permanent redirect", vec![Act::Send(http("301 Moved Permanently", SUCCESS))], "HTTP 301"),
        ("not found", vec![Act::Send(http("404 Not Found", "no such page"))], "HTTP 404"),
        ("success with 402", vec![Act::Send(http("402 Payment Required", SUCCESS))], "HTTP 402"),
        ("server error", vec![Act::Send(http("500 Internal Server Error", SUCCESS))], "HTTP 500"),
        ("refusal with 502", vec![Act::Send(http("502 Bad Gateway", REFUSAL))], "HTTP 502"),
        ("no content", vec![Act::Send("HTTP/1.1 204 No Content\r\n\r\n".to_owned())], "0 bytes"),
        ("garbage body", vec![Act::Send(http("200 OK", "<html>"))], "not the gateway's JSON"),
        ("garbage instead of HTTP", vec![Act::Bytes(vec![0, 1, 2, 255, 13, 10, 13, 10])], "broke before the whole"),
        ("cut answer", vec![Act::Send(cut.clone())], "broke before the whole"),
        ("cut answer with a reset", vec![Act::Send(cut), Act::Wait(50), Act::Reset], "broke before the whole"),
        ("cut chunks", vec![Act::Send(chunked(""))], "broke before the whole"),
        ("slow head", vec![Act::Send("HTTP/1.1 200 OK\r\nX-A".to_owned()), Act::Wait(2_000)], "within 600 ms"),
        ("slow body", vec![Act::Send(whole[..whole.len() - 1].to_owned()), Act::Wait(2_000)], "within 600 ms"),
        ("silence", vec![Act::Wait(2_000)], "within 600 ms"),
        ("huge body", vec![Act::Send(endless)], "longer than"),
        ("success without data", vec![Act::Send(http("200 OK", r#"{"is_success":true,"data":null}"#))], "without data"),
        ("failed", vec![Act::Send(http("200 OK", &SUCCESS.replace("successfully", "failed")))], "failed"),
        (
            "wrong types",
            vec![Act::Send(http("200 OK", r#"{"is_success":"true","data":{}}"#))],
            "neither true nor false",
        ),
        ("unknown code", vec![Act::Send(http("200 OK", &REFUSAL.replace("106", "108")))], "error 108"),
    ] {
        let server = Server::start(acts).await;
        let outcome = server.gateway(GatewayKind::Payme).charge(&sale, Ready::default()).await;
        assert!(words(&outcome).contains(expected), "{name}: {outcome:?}");
        assert_eq!(server.requests().len(), 1, "{name}: asked once, and nowhere else");
    }
    let server = Server::start(vec![Act::Send(chunked("0\r\n\r\n"))]).await;
    let outcome = server.gateway(GatewayKind::Payme).charge(&sale, Ready::default()).await;
    assert!(matches!(outcome, Outcome::Approved(_)), "whole chunks are an answer: {outcome:?}");
}

#[tokio::test]
async fn an_answer_in_small_slow_pieces_is_still_an_answer() {
    let (sale, _) = paid_sale(Method::Click);
    let acts = http("200 OK", SUCCESS)
        .as_bytes()
        .chunks(40)
        .flat_map(|piece| [Act::Bytes(piece.to_vec()), Act::Wait(5)])
        .collect();
    let outcome = Server::start(acts).await.gateway(GatewayKind::Click).charge(&sale, Ready::default()).await;
    assert!(matches!(outcome, Outcome::Approved(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_confirmation_speaks_the_configured_dialect() {
    use ConfirmDialect as D;
    use GatewayKind as K;
    let link = LINK;
    let click = |key: &str| format!(r#"{{"payment_id":"2354512461","{key}":"{link}"}}"#);
    let payme = |id: &str, key: &str| {
        format!(
            r#"{{"{id}":"63b5282a6f47f572807fd53e","receipt_id":"2421","{key}":"{link}","fiscal_sign":"514343190161"}}"#
        )
    };
    let payme_short = format!(r#"{{"payment_id":"63b5282a6f47f572807fd53e","qr_code":"{link}"}}"#);
    for (kind, dialect, body) in [
        (K::Click, D::Y2023M01, click("qrcode")),
        (K::Click, D::Y2023M02D28, click("qr_code")),
        (K::Click, D::Y2024M12, click("qr_code")),
        (K::Payme, D::Y2023M01, payme("payme_id", "qr_code_url")),
        (K::Payme, D::Y2023M02D28, payme("payment_id", "qr_code")),
        (K::Payme, D::Y2024M12, payme_short),
    ] {
        let server = Server::answering("200 OK", SUCCESS).await;
        let (sale, confirmation) = paid_sale(kind.method());
        let gateway = Gateway::new(kind, GatewaySettings { confirm_dialect: dialect, ..settings(server.address) });
        let delivery = gateway.confirm(&sale, &confirmation).await;
        assert!(matches!(delivery, Delivery::Confirmed { answer: Some(_) }), "{delivery:?}");
        let request = server.requests().pop().unwrap();
        assert!(request.starts_with(&format!("POST {} HTTP/1.1\r\n", kind.confirm_path())), "{request}");
        assert_eq!(request.split_once("\r\n\r\n").unwrap().1, body, "{kind:?} {dialect:?}");
    }
}

#[tokio::test]
async fn a_confirmation_is_tried_again_unless_the_gateway_will_never_take_it() {
    let (mut sale, confirmation) = paid_sale(Method::Click);
    for (acts, again) in [
        (vec![Act::CloseAtOnce], true),
        (vec![Act::Wait(2_000)], true),
        (vec![Act::Send(http("503 Service Unavailable", ""))], true),
        (vec![Act::Send(http("200 OK", &REFUSAL.replace("106", "104")))], true),
        (vec![Act::Send(http("200 OK", REFUSAL))], true),
        (vec![Act::Send(http("200 OK", &REFUSAL.replace("106", "7")))], false),
    ] {
        let server = Server::start(acts.clone()).await;
        let delivery = server.gateway(GatewayKind::Click).confirm(&sale, &confirmation).await;
        assert_eq!(matches!(delivery, Delivery::Retry { .. }), again, "{acts:?}: {delivery:?}");
        assert_eq!(matches!(delivery, Delivery::Refused { .. }), !again, "{acts:?}: {delivery:?}");
    }
    let server = Server::answering("200 OK", SUCCESS).await;
    sale.approval.as_mut().unwrap().payment_id = None;
    let delivery = server.gateway(GatewayKind::Click).confirm(&sale, &confirmation).await;
    assert!(matches!(delivery, Delivery::Refused { .. }), "nothing is sent rather than a wrong id: {delivery:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_provider_that_was_prepared_has_its_client_before_the_first_sale_and_has_sent_nothing() {
    let at =
        |base_url: &str| GatewaySettings { base_url: base_url.to_owned(), ..settings("127.0.0.1:1".parse().unwrap()) };
    let gateway = Gateway::new(GatewayKind::Click, at("https://127.0.0.1:1"));
    assert!(!gateway.http.is_warm());
    gateway.prepare();
    assert!(gateway.http.is_warm());
    let without_tls = Gateway::new(GatewayKind::Click, at("http://127.0.0.1:1"));
    without_tls.prepare();
    assert!(!without_tls.http.is_warm(), "no certificate is read that nobody will ask for");
}
