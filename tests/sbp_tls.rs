//! QRManager behind TLS, as in the world: HTTPS and a secure WebSocket, certificates that the system trusts, and those that nobody vouches for.
//! The daemon is the real one; it is told of the test's own authority as a box is, by the file of the system's certificates.

#![cfg(feature = "demo")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use support::{Bench, TILL_TOKEN, http};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tolov::demo::qrm::{Fault, FaultKind, Method, Switches};

/// The authority that the system trusts. Another one may call itself the same.
const TRUSTED: &str = "trusted by the bench";

/// Who vouches for servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("an authority");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server of that name shows.
    fn vouches_for(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let settings = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
        let settings = settings.expect("TLS").with_no_client_auth();
        let settings = settings.with_single_cert(vec![certificate.der().clone()], secret).expect("its certificate");
        TlsAcceptor::from(Arc::new(settings))
    }
}

/// TLS in front of the simulated QRManager, which speaks none.
struct Front {
    address: SocketAddr,
    shows: Arc<Mutex<TlsAcceptor>>,
    /// Connections that began without TLS.
    plain: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Front {
    fn open(shows: TlsAcceptor, behind: SocketAddr) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (shows, plain) = (Arc::new(Mutex::new(shows)), Arc::new(AtomicUsize::new(0)));
        let (now, others) = (shows.clone(), plain.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = now.lock().expect("the certificate").clone();
                tokio::spawn(pass_on(stream, acceptor, behind, others.clone()));
            }
        });
        Self { address, shows, plain, _runtime: runtime }
    }

    fn show(&self, certificate: TlsAcceptor) {
        *self.shows.lock().expect("the certificate") = certificate;
    }
}

async fn pass_on(stream: TcpStream, acceptor: TlsAcceptor, behind: SocketAddr, plain: Arc<AtomicUsize>) {
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    if stream.peek(&mut first).await.is_ok_and(|count| count > 0) && first[0] != HANDSHAKE {
        plain.fetch_add(1, Ordering::SeqCst);
        return;
    }
    let _ = stream.set_nodelay(true);
    let Ok(mut outside) = acceptor.accept(stream).await else { return };
    let Ok(mut inside) = TcpStream::connect(behind).await else { return };
    let _ = inside.set_nodelay(true);
    // It ends when either side does.
    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
}

/// A bench whose QRManager is reached through the front alone.
struct Rig {
    bench: Bench,
    front: Front,
    trusted: Authority,
}

impl Rig {
    fn with(shows: impl FnOnce(&Authority) -> TlsAcceptor) -> Self {
        let trusted = Authority::called(TRUSTED);
        let bench = Bench::with_pinpad_and_qrm(|_| {});
        let front = Front::open(shows(&trusted), bench.vendors.qrm().address());
        let text = fs::read_to_string(bench.configuration()).expect("the configuration");
        let plain = bench.vendors.qrm().base_url();
        assert!(text.contains(&plain), "{text}");
        let secure = format!("https://localhost:{}", front.address.port());
        fs::write(bench.configuration(), text.replace(&plain, &secure)).expect("the configuration");
        let mut rig = Self { bench, front, trusted };
        let command = rig.command();
        rig.bench.start_with(command);
        rig
    }

    fn command(&self) -> Command {
        let mut command = self.bench.command();
        command.env("SSL_CERT_FILE", self.certificates()).env_remove("SSL_CERT_DIR");
        command
    }

    /// What the system trusts.
    fn certificates(&self) -> PathBuf {
        let file = self.bench.dir.path().join("ca-certificates.crt");
        fs::write(&file, &self.trusted.pem).expect("the certificates");
        file
    }

    fn sell(&self, token: &str) -> Value {
        let wish = json!({"amount": 50_000, "currency": "RUB", "idempotency_token": token, "display": false});
        let header = ("x_auth_token", TILL_TOKEN);
        let answer = http::post(self.bench.address, "/api/v1/sbp/sale", &wish.to_string(), &[header]);
        answer.expect("an answer").json()
    }

    fn stands(&self, sale: &Value) -> Value {
        let path = format!("/api/v1/sbp/sale/{}", sale["transaction_id"].as_str().expect("a name"));
        http::get_with(self.bench.address, &path, &[("x_auth_token", TILL_TOKEN)]).expect("an answer").json()
    }

    fn nothing_was_said_in_the_open(&self) {
        assert_eq!(self.front.plain.load(Ordering::SeqCst), 0, "a connection without TLS");
    }
}

#[test]
fn a_sale_is_made_over_https_and_its_payment_is_heard_over_a_secure_socket() {
    let rig = Rig::with(|trusted| trusted.vouches_for("localhost"));
    // No status by REST: what is heard comes over the socket.
    let rest = [(Method::Status, Fault::always(FaultKind::Http500))].into();
    rig.bench.vendors.qrm().set_switches(Switches { rest, ..Switches::default() });
    let sale = rig.sell("one");
    let link = sale["qr_link"].as_str().unwrap_or_else(|| panic!("{sale}\n{}", rig.bench.log()));
    rig.bench.until("its socket is asked", || rig.bench.vendors.qrm().waiting() > 0);
    rig.bench.vendors.qrm().pay(link).expect("the phone pays");
    rig.bench.until("the payment is heard", || rig.stands(&sale)["payment_status"] == "paid");
    rig.nothing_was_said_in_the_open();
    rig.bench.audit();
}

#[test]
fn a_server_that_nobody_vouches_for_is_sent_nothing_and_the_till_hears_why() {
    refuses(&Rig::with(|_| Authority::called("a stranger").vouches_for("localhost")), "UnknownIssuer");
    refuses(&Rig::with(|_| Authority::called(TRUSTED).vouches_for("localhost")), "BadSignature");
    refuses(&Rig::with(|trusted| trusted.vouches_for("elsewhere.example")), "not valid for name");
}

/// The sale ends as not sent, in clear words, and another one with a good certificate needs no restart.
fn refuses(rig: &Rig, why: &str) {
    let sale = rig.sell("one");
    assert_eq!((&sale["payment_status"], &sale["error"]["code"]), (&json!("declined"), &json!("not_sent")), "{sale}");
    let message = sale["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("certificate") && message.contains(why), "{message}");
    assert!(rig.bench.vendors.qrm().entries().is_empty(), "QRManager heard of it");
    rig.nothing_was_said_in_the_open();
    rig.front.show(rig.trusted.vouches_for("localhost"));
    let next = rig.sell("two");
    assert_eq!(next["payment_status"], "awaiting_payer", "{next}");
    rig.bench.audit();
}

#[test]
fn a_socket_whose_certificate_went_bad_is_not_opened_and_never_in_the_open_and_heals_by_itself() {
    let rig = Rig::with(|trusted| trusted.vouches_for("localhost"));
    let sale = rig.sell("one");
    let link = sale["qr_link"].as_str().unwrap_or_else(|| panic!("{sale}\n{}", rig.bench.log()));
    rig.bench.until("its socket is asked", || rig.bench.vendors.qrm().waiting() > 0);
    rig.front.show(Authority::called("a stranger").vouches_for("localhost"));
    rig.bench.vendors.qrm().break_sockets();
    rig.bench.until("it is broken", || rig.bench.vendors.qrm().open_sockets() == 0);
    rig.bench.vendors.qrm().pay(link).expect("the phone pays");
    rig.bench.until("it is said why there is no socket", || {
        rig.bench.log().lines().any(|line| line.contains("no TLS: ") && line.contains("certificate"))
    });
    assert_eq!(rig.stands(&sale)["payment_status"], "awaiting_payer", "nobody could have told");
    rig.nothing_was_said_in_the_open();
    rig.front.show(rig.trusted.vouches_for("localhost"));
    rig.bench.until("the payment is heard", || rig.stands(&sale)["payment_status"] == "paid");
    rig.nothing_was_said_in_the_open();
    rig.bench.audit();
}
