//! A `tls:` address: certificates that clients check, a pair that is replaced under load, and what does not fit.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tolov::limits;

use super::places::activated;
use super::support::{Bench, free_address, http};
use super::{SALE, bench_with, post, put_secret, put_secrets};

const NAME: &str = "pos.example";
const TOKEN: &str = "token-of-the-front";

/// Who vouches for the terminal.
struct Authority(Issuer<'static, KeyPair>, CertificateDer<'static>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap().der().clone();
        Self(Issuer::new(params, key), own)
    }

    /// A certificate for the terminal's name, and its key.
    fn pair(&self) -> (String, String) {
        self.pair_until(4_096)
    }

    /// The same that expires as that year begins.
    fn pair_until(&self, year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A till that trusts nobody else.
    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.1.clone()).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(ring).with_protocol_versions(versions).unwrap();
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        // Who resumes a session is shown no certificate.
        client.resumption = rustls::client::Resumption::disabled();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(client)
    }
}

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// What is heard over TLS, and the certificate that was shown.
fn ask(
    client: &Arc<ClientConfig>,
    address: SocketAddr,
    request: &str,
) -> std::io::Result<(String, CertificateDer<'static>)> {
    let connection = ClientConnection::new(client.clone(), ServerName::try_from(NAME).unwrap()).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(request.as_bytes())?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let shown = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    Ok((String::from_utf8(heard).unwrap(), shown))
}

/// A sale by a till that has a token and calls the terminal by its name.
fn sale(code: u64) -> String {
    let body = SALE.replace("8801", &format!("88{code:02}"));
    post("/payment/click", NAME, &body).replace("\r\nConnection", &format!("\r\nx_auth_token: {TOKEN}\r\nConnection"))
}

/// A bench with a `tls:` address beside its plain one.
fn bench_with_tls(pair: Option<&(String, String)>) -> (Bench, SocketAddr) {
    let bench = bench_with("");
    let tls = free_address();
    let text = fs::read_to_string(bench.configuration()).unwrap();
    let api = format!("[api]\nlisten = [\"{}\", \"tls:{tls}\"]\nnames = [\"{NAME}\"]\n", bench.address);
    fs::write(bench.configuration(), text.replace("[api]\n", &api)).unwrap();
    put_secrets(&bench, &[("till_front", TOKEN)]);
    if let Some(pair) = pair {
        replace(&bench, pair);
    }
    (bench, tls)
}

/// The certificate first, the key a moment later: between them they do not fit together.
fn replace(bench: &Bench, (certificate, key): &(String, String)) {
    let dir = bench.dir.path().join("credentials");
    for (name, text) in [("tls_cert", certificate), ("tls_key", key)] {
        put_secret(&dir.join("fresh"), text);
        fs::rename(dir.join("fresh"), dir.join(name)).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_till_sells_over_tls_1_2_and_1_3_and_one_that_trusts_somebody_else_does_not_ask() {
    let authority = Authority::new();
    let (mut bench, tls) = bench_with_tls(Some(&authority.pair()));
    bench.start();
    for (code, version) in VERSIONS.iter().enumerate() {
        let (heard, _) = ask(&authority.client(&[*version]), tls, &sale(code as u64)).unwrap();
        assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("\"is_success\":true"), "{version:?} {heard}");
    }
    assert!(ask(&Authority::new().client(VERSIONS), tls, &sale(3)).is_err());
    let led_astray = sale(4).replace(NAME, "evil.example");
    assert!(ask(&authority.client(VERSIONS), tls, &led_astray).unwrap().0.starts_with("HTTP/1.1 403 "));
    bench.audit();
}

#[test]
fn a_socket_that_systemd_passes_on_as_tls_speaks_it_and_the_one_beside_it_does_not() {
    let authority = Authority::new();
    let (mut bench, written) = bench_with_tls(Some(&authority.pair()));
    let tls = free_address();
    // The order is the unit's: names and not places tell them apart.
    let command = activated(&bench, &[&format!("{tls}=tls"), &format!("{}=tolov.socket", bench.address)]);
    bench.start_with(command);
    let client = authority.client(VERSIONS);
    let (heard, _) = ask(&client, tls, &sale(1)).unwrap();
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("\"is_success\":true"), "{heard}");
    assert_eq!(http::get(tls, "/health/live").unwrap().status, 400, "nothing is told there without TLS");
    assert_eq!(http::get(bench.address, "/health/live").unwrap().status, 200);
    assert!(TcpStream::connect(written).is_err(), "nobody listens where the file says");
    // A pair that is replaced is shown there, too.
    let first = ask(&client, tls, &sale(2)).unwrap().1;
    replace(&bench, &authority.pair());
    assert_ne!(ask(&client, tls, &sale(3)).unwrap().1, first);
    bench.audit();
}

#[test]
fn whoever_speaks_plain_http_to_it_is_told_so_and_whoever_says_nothing_is_let_go() {
    let (mut bench, tls) = bench_with_tls(Some(&Authority::new().pair()));
    bench.start();
    let since = Instant::now();
    let told = http::get(tls, "/health/live").unwrap();
    assert_eq!((told.status, told.body.as_str()), (400, "This port speaks TLS only; ask with https://.\n"));
    let large = http::post(tls, "/payment/click", &"x".repeat(1_000_000), &[]).unwrap();
    assert_eq!(large.status, 400);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());

    let mut silent = TcpStream::connect(tls).unwrap();
    silent.write_all(&[0x16, 3, 1]).unwrap();
    let mut end = Vec::new();
    let _ = silent.read_to_end(&mut end);
    let waited = since.elapsed();
    assert!(waited < Duration::from_millis(2 * limits::TLS_HANDSHAKE_MS), "{waited:?}");
}

#[test]
fn a_pair_is_replaced_under_load_without_one_failed_request_and_half_a_pair_is_not_used() {
    let authority = Authority::new();
    let (mut bench, tls) = bench_with_tls(Some(&authority.pair()));
    bench.start();
    let client = authority.client(VERSIONS);
    let request = format!("GET /health/live HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    let first = ask(&client, tls, &request).unwrap().1;
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (client, request, stop) = (client.clone(), request.clone(), stop.clone());
            thread::spawn(move || {
                let mut shown = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let (heard, certificate) = ask(&client, tls, &request).expect("no request fails");
                    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
                    shown.push(certificate);
                }
                shown
            })
        })
        .collect();
    for _ in 0..3 {
        replace(&bench, &authority.pair());
        let (certificate, _) = authority.pair();
        let half = bench.dir.path().join("credentials/tls_cert");
        let good = fs::read_to_string(&half).unwrap();
        put_secret(&half, &certificate);
        thread::sleep(Duration::from_millis(100));
        put_secret(&half, &good);
        thread::sleep(Duration::from_millis(100));
    }
    stop.store(true, Ordering::Relaxed);
    let shown: Vec<_> = load.into_iter().flat_map(|till| till.join().unwrap()).collect();
    let mut different: Vec<&CertificateDer<'_>> = Vec::new();
    for certificate in &shown {
        if !different.contains(&certificate) {
            different.push(certificate);
        }
    }
    assert!(shown.len() > 50 && different.len() >= 3, "{} of {}", different.len(), shown.len());
    assert_ne!(ask(&client, tls, &request).unwrap().1, first);
    bench.says("the old one stays");
}

#[test]
fn a_terminal_without_a_good_pair_sells_where_it_can_and_heals_when_there_is_one() {
    let authority = Authority::new();
    let (mut bench, tls) = bench_with_tls(None);
    bench.start();
    assert_eq!(bench.post("/payment/click", SALE).json()["is_success"], true);
    let client = authority.client(VERSIONS);
    assert!(ask(&client, tls, &sale(1)).is_err());
    bench.says("no till can ask over TLS");
    replace(&bench, &authority.pair());
    assert!(ask(&client, tls, &sale(1)).unwrap().0.contains("\"is_success\":true"));
}

#[test]
fn check_proves_that_the_pair_fits() {
    let authority = Authority::new();
    let (bench, _) = bench_with_tls(None);
    let check = |configuration: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tolov"));
        let done = command.arg("check").arg("--config").arg(configuration).stdin(Stdio::null()).output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let (good, said) = check(&bench.configuration());
    assert!(!good && said.contains("no till can ask over TLS") && said.contains("tls_cert cannot be read"), "{said}");
    let (one, other) = (authority.pair(), authority.pair());
    replace(&bench, &(one.0.clone(), other.1));
    let (good, said) = check(&bench.configuration());
    assert!(!good && said.contains("tls_key is not the key of the first certificate in tls_cert"), "{said}");
    replace(&bench, &one);
    let (good, said) = check(&bench.configuration());
    assert!(good && said.contains("tls:127.0.0.1:"), "{said}");
}

#[test]
fn who_follows_over_tls_and_does_not_read_is_told_so_though_tls_takes_in_what_he_leaves() {
    let authority = Authority::new();
    let (mut bench, tls) = bench_with_tls(Some(&authority.pair()));
    bench.start();
    for code in 10..30 {
        bench.post("/payment/click", &SALE.replace("8801", &format!("88{code}")));
    }
    let connection = ClientConnection::new(authority.client(VERSIONS), ServerName::try_from(NAME).unwrap()).unwrap();
    let stream = http::narrow(tls).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let ask = format!("GET /api/v1/events?after=0 HTTP/1.1\r\nHost: {NAME}\r\nx_auth_token: {TOKEN}\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    bench.until("it is sent away", || bench.log().contains("slow_reader"));
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n0\r\n\r\n") {
        let mut piece = [0; 4_096];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "it was cut before its end");
        heard.extend_from_slice(&piece[..count]);
    }
    let heard = String::from_utf8(heard).unwrap();
    let (_, end) = heard.rsplit_once("event: ").unwrap();
    assert!(end.starts_with("end\ndata: {\"reason\":\"slow_reader\""), "{end}");
}

#[test]
fn an_expired_certificate_is_said_aloud_where_it_comes_into_use_and_told_to_whoever_watches() {
    let authority = Authority::new();
    let (mut bench, tls) = bench_with_tls(Some(&authority.pair_until(2_100)));
    bench.start();
    let ends = |bench: &Bench| {
        let text = bench.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix("tolov_tls_certificate_expires_seconds "));
        line.map(|value| value.parse::<f64>().unwrap()).unwrap()
    };
    assert_eq!(ends(&bench), 4_102_444_800.0);
    bench.says("the certificate of the tills' door is good until 2100-01-01");

    replace(&bench, &authority.pair_until(2_020));
    assert!(ask(&authority.client(VERSIONS), tls, &sale(1)).is_err(), "a till that checks it does not ask");
    bench.until("it is said", || bench.log().contains("the certificate of the tills' door expired on 2020-01-01"));
    assert_eq!(ends(&bench), 1_577_836_800.0);

    let check = |more: &[&str]| {
        let mut check = Command::new(env!("CARGO_BIN_EXE_tolov"));
        let told = check.args(["check", "--config"]).arg(bench.configuration()).args(more).output().unwrap();
        (told.status.code(), String::from_utf8(told.stdout).unwrap())
    };
    let (code, text) = check(&[]);
    assert!(code == Some(1) && text.contains("the certificate expired on 2020-01-01"), "{code:?} {text}");
    replace(&bench, &authority.pair_until(2_100));
    let (code, text) = check(&[]);
    assert!(code == Some(0) && text.contains("its certificate is good until 2100-01-01"), "{code:?} {text}");
    let (code, text) = check(&["--json"]);
    assert!(code == Some(0) && text.contains("\"warnings\": []") | text.contains("\"warnings\":[]"), "{code:?} {text}");
    ask(&authority.client(VERSIONS), tls, &sale(2)).unwrap();
    bench.until("the new one is told of", || bench.log().matches("is good until 2100-01-01").count() == 2);
}
