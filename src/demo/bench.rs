//! What stands around the daemon: the simulated vendors, and the files that tell the daemon where they are.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hal::sim::pinpad::{PinpadSim, SimHandle, SimSettings};
use hal::sim::scanner::ScannerSim;
use serde_json::{Value, json};

use super::gateway::{GatewaySim, GatewaySimHandle, GatewaySimSettings, SimError};
use super::qrm::{Ofd, Product, QrmSim, QrmSimError, QrmSimHandle, QrmSimSettings, Terminal};

/// For a provider's whole answer: shorter than a terminal's own, so that nobody waits a minute to see a doubt.
const PROVIDER_TIMEOUT_MS: u64 = 8_000;
/// The QR terminal whose codes the display shows, and the one with the printed sticker. Keys to nothing but the simulation.
const QR_TERMINALS: [(&str, &str); 2] = [("main", "DemoMain.of-the-display"), ("sticker", "DemoLink.of-the-sticker")];
/// Until a refund or a receipt is decided: long enough to be seen under way.
const DECIDED_AFTER_MS: u64 = 1_500;
/// The page's token at the till's door for SBP, as a secret of the daemon.
pub(super) const TILL_TOKEN: &str = "demo-till-token";

/// Why the demo cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file or folder cannot be made.
    #[error("{} cannot be made: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A device's pty cannot be made.
    #[error("the simulated {device} has no pty: {source}")]
    Device {
        /// Which.
        device: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// The simulated gateway did not start.
    #[error(transparent)]
    Gateway(#[from] SimError),
    /// The simulated QRManager did not start.
    #[error(transparent)]
    Qrm(#[from] QrmSimError),
    /// The configuration cannot be written down.
    #[error("the configuration cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
    /// There is no free port on loopback.
    #[error("no free port for the daemon: {0}")]
    Port(io::Error),
}

/// The vendors, and the places where the daemon and they meet.
pub(super) struct Bench {
    pub(super) dir: PathBuf,
    /// Where the daemon serves tills.
    pub(super) daemon: SocketAddr,
    pub(super) gateway: GatewaySimHandle,
    pub(super) qrm: QrmSimHandle,
    pub(super) pinpad: SimHandle,
    pub(super) scanner: ScannerSim,
}

impl Bench {
    /// Set everything up in `dir`; books and store of an earlier demo there go on.
    pub(super) async fn set_up(dir: &Path, language: &str) -> Result<Self, BenchError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| BenchError::File { path, source }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        let dir = dir.canonicalize().map_err(failed(dir))?;
        let books = Some(dir.join("gateway.books"));
        let gateway = GatewaySim::spawn(GatewaySimSettings { books, ..GatewaySimSettings::default() }).await?;
        let qrm = QrmSim::spawn(qrm_settings(&dir)).await?;
        let mut settings = SimSettings::new(dir.join("pinpad"));
        settings.ledger = Some(dir.join("pinpad.books"));
        let pinpad = PinpadSim::spawn(settings).map_err(|source| BenchError::Device { device: "PinPad", source })?;
        let scanner = ScannerSim::spawn(dir.join("scanner"))
            .map_err(|source| BenchError::Device { device: "scanner", source })?;
        let daemon = free_address().map_err(BenchError::Port)?;
        let bench = Self { dir, daemon, gateway, qrm, pinpad, scanner };
        bench.hide_secrets()?;
        bench.write("board.toml", &bench.board())?;
        bench.write("tolov.toml", &bench.settings(language))?;
        Ok(bench)
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.dir.join("tolov.toml")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// The technician's socket.
    pub(super) fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    fn board(&self) -> Value {
        json!({
            "title": "Virtual terminal",
            "tier": "checked",
            "pinpad": {"port": self.pinpad.path(), "baud": 115_200},
            "scanner": {"port": self.scanner.path(), "baud": 9_600},
            "display": {"kind": "memory", "width": 320, "height": 240},
        })
    }

    fn settings(&self, language: &str) -> Value {
        let gateway = json!({"base_url": self.gateway.base_url(), "timeout_ms": PROVIDER_TIMEOUT_MS});
        let qrm = |receipts| json!({"base_url": self.qrm.base_url(), "receipts": receipts, "timeout_ms": PROVIDER_TIMEOUT_MS});
        json!({
            "board": self.dir.join("board.toml"),
            "language": language,
            "credentials_dir": self.credentials(),
            "merchant": {"inn": "123456789", "kkm_id": "00000001", "device_id": "00000001"},
            "api": {"listen": self.daemon},
            "control": {"socket": self.control()},
            "store": {"dir": self.store()},
            "click": gateway,
            "payme": gateway,
            "humo": {"driver": "arcus2"},
            "qrm": {"main": qrm("atol"), "sticker": qrm("none")},
        })
    }

    fn credentials(&self) -> PathBuf {
        self.dir.join("credentials")
    }

    /// The daemon's secrets, each a file that only its owner may read.
    fn hide_secrets(&self) -> Result<(), BenchError> {
        let dir = self.credentials();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| BenchError::File { path, source }
        };
        fs::create_dir_all(&dir).map_err(failed(&dir))?;
        let keys = QR_TERMINALS.map(|(name, key)| (format!("qrm_{name}"), key));
        for (name, secret) in keys.into_iter().chain([("till_demo".to_owned(), TILL_TOKEN)]) {
            let path = dir.join(name);
            fs::write(&path, secret).map_err(failed(&path))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed(&path))?;
        }
        Ok(())
    }

    fn write(&self, name: &str, content: &Value) -> Result<(), BenchError> {
        let path = self.dir.join(name);
        let text = toml::to_string(content)?;
        fs::write(&path, text).map_err(|source| BenchError::File { path, source })
    }
}

fn qrm_settings(dir: &Path) -> QrmSimSettings {
    let [main, sticker] = QR_TERMINALS.map(|(_, key)| Terminal::new(key));
    let products = vec![
        Product::new("f1fccfff-06a9-44c2-8c07-7622f20b0e43", "Choy", 25_000),
        Product::new("e7d5af05-49f2-45d5-b89e-fdd3ef918502", "Somsa", 35_000),
    ];
    let terminals = vec![Terminal { ofd: Some(Ofd::Atol), products, ..main }, sticker];
    QrmSimSettings {
        books: Some(dir.join("qrm.books")),
        terminals,
        refund_takes_ms: DECIDED_AFTER_MS,
        receipt_takes_ms: DECIDED_AFTER_MS,
        ..QrmSimSettings::default()
    }
}

/// An address that nobody listens on now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
