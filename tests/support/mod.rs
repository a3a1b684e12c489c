//! A whole terminal for tests: the real daemon as a process, and the simulated vendors in the test's own process, so that their books
//! outlive every kill.

#![allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part of the bench")]

pub mod cli;
pub mod http;
pub mod shim;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hal::sim::pinpad::{PinpadSim, SimHandle, SimSettings};
use hal::sim::scanner::ScannerSim;
use tolov::demo::gateway::{GatewaySim, GatewaySimHandle, GatewaySimSettings};
use tolov::demo::qrm::{ATOL_KEY, QrmSim, QrmSimHandle, QrmSimSettings};

use http::Answer;
use tolov::history::{History, JournalLine};
use tolov::store::Archive;

/// How long a test waits for something that has to happen: long enough for a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The vendors, and where the daemon finds them. Lives in the test's process.
pub struct Vendors {
    pub gateway: GatewaySimHandle,
    pub pinpad: SimHandle,
    /// Where the bench has one.
    pub scanner: Option<ScannerSim>,
    /// Where the bench has a QR terminal, `main`.
    pub qrm: Option<QrmSimHandle>,
    runtime: tokio::runtime::Runtime,
}

impl Vendors {
    /// QRManager, of a bench that has it.
    pub fn qrm(&self) -> &QrmSimHandle {
        self.qrm.as_ref().expect("a bench with QRManager")
    }
}

/// What the till `bench` sends in `x_auth_token`.
pub const TILL_TOKEN: &str = "token-of-the-bench";

/// A terminal on a bench: vendors, a folder, a configuration, and the daemon when it runs.
pub struct Bench {
    pub vendors: Vendors,
    pub dir: tempfile::TempDir,
    pub address: SocketAddr,
    pub daemon: Option<Child>,
}

impl Bench {
    /// A bench with everything plugged in; the daemon does not run yet.
    pub fn new() -> Self {
        Self::with_pinpad(|_| {})
    }

    /// The same with another PinPad.
    pub fn with_pinpad(change: impl FnOnce(&mut SimSettings)) -> Self {
        Self::plugged(change, None, false)
    }

    /// The same with QRManager, where the QR terminal `main` registers ATOL's receipts, and a till that has a token.
    pub fn with_pinpad_and_qrm(change: impl FnOnce(&mut SimSettings)) -> Self {
        Self::plugged(change, Some(QrmSimSettings::default()), false)
    }

    /// The same with a scanner as well.
    pub fn with_everything(change: impl FnOnce(&mut SimSettings)) -> Self {
        Self::plugged(change, Some(QrmSimSettings::default()), true)
    }

    /// The same where QRManager is as `settings` say; the QR terminal `main` has its [`ATOL_KEY`].
    pub fn with_qrm(settings: QrmSimSettings) -> Self {
        Self::plugged(|_| {}, Some(settings), false)
    }

    fn plugged(change: impl FnOnce(&mut SimSettings), qrm: Option<QrmSimSettings>, scans: bool) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let gateway = runtime.block_on(GatewaySim::spawn(GatewaySimSettings::default())).expect("the gateway");
        let mut settings = SimSettings::new(dir.path().join("pinpad"));
        settings.ping_every = Duration::from_millis(50);
        // A daemon that has to wait for its disk is still there.
        settings.answer_timeout = Duration::from_secs(3);
        settings.ledger = Some(dir.path().join("pinpad.ledger"));
        change(&mut settings);
        let pinpad = runtime.block_on(async { PinpadSim::spawn(settings) }).expect("the PinPad");
        let scanner = dir.path().join("scanner");
        let scanner = scans.then(|| runtime.block_on(async { ScannerSim::spawn(scanner) }).expect("the scanner"));
        let qrm = qrm.map(|settings| runtime.block_on(QrmSim::spawn(settings)).expect("QRManager"));
        let address = free_address();
        let bench = Self { vendors: Vendors { gateway, pinpad, scanner, qrm, runtime }, dir, address, daemon: None };
        bench.write_configuration();
        bench
    }

    /// A bench whose daemon serves.
    pub fn running() -> Self {
        let mut bench = Self::new();
        bench.start();
        bench
    }

    fn write_configuration(&self) {
        let dir = self.dir.path().display();
        let scanner =
            self.vendors.scanner.as_ref().map(|_| format!("[scanner]\nport = \"{dir}/scanner\"\nbaud = 9600\n"));
        let scanner = scanner.unwrap_or_default();
        let board = format!(
            "title = \"bench\"\ntier = \"checked\"\n[pinpad]\nport = \"{dir}/pinpad\"\nbaud = 115200\n\
             [display]\nkind = \"memory\"\nwidth = 320\nheight = 240\n{scanner}"
        );
        fs::write(self.dir.path().join("board.toml"), board).expect("the board file");
        let gateway = self.vendors.gateway.base_url();
        let address = self.address;
        let (secrets, qrm) = self.write_secrets();
        let configuration = format!(
            "board = \"{dir}/board.toml\"\nlanguage = \"en\"\n{secrets}\
             [merchant]\ninn = \"123456789\"\nkkm_id = \"00000001\"\ndevice_id = \"00000001\"\n\
             [api]\nlisten = \"{address}\"\n[store]\ndir = \"{dir}/store\"\n\
             [control]\nsocket = \"{dir}/control.sock\"\n\
             [click]\nbase_url = \"{gateway}\"\n[payme]\nbase_url = \"{gateway}\"\n[humo]\ndriver = \"arcus2\"\n{qrm}"
        );
        fs::write(self.configuration(), configuration).expect("the configuration");
    }

    /// The till's token and QRManager's key; what the configuration says of them at its head and at its end.
    fn write_secrets(&self) -> (String, String) {
        let Some(qrm) = &self.vendors.qrm else { return Default::default() };
        let dir = self.dir.path().join("secrets");
        fs::create_dir(&dir).expect("a folder for secrets");
        for (name, secret) in [("till_bench", TILL_TOKEN), ("qrm_main", ATOL_KEY)] {
            let path = dir.join(name);
            fs::write(&path, secret).expect("a secret");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its permissions");
        }
        let head = format!("credentials_dir = \"{}\"\n", dir.display());
        // Whoever starts a hundred times a minute asks a hundred times as often.
        let end =
            format!("[qrm.main]\nbase_url = \"{}\"\nreceipts = \"atol\"\npolls_per_minute = 6000\n", qrm.base_url());
        (head, end)
    }

    pub fn configuration(&self) -> PathBuf {
        self.dir.path().join("tolov.toml")
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// The command that runs the daemon; a test may add to its environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tolov"));
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("log")).expect("a log");
        command.arg("run").arg("--config").arg(self.configuration()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log);
        command
    }

    /// Start the daemon and wait until it serves.
    pub fn start(&mut self) {
        let command = self.command();
        self.start_with(command);
    }

    pub fn start_with(&mut self, mut command: Command) {
        assert!(self.daemon.is_none(), "it runs already");
        self.daemon = Some(command.spawn().expect("the daemon"));
        self.until("the daemon serves", || http::get(self.address, "/health/live").is_ok_and(|a| a.status == 200));
    }

    /// SIGKILL: the power goes.
    pub fn cut(&mut self) {
        let mut daemon = self.daemon.take().expect("a running daemon");
        daemon.kill().expect("SIGKILL");
        daemon.wait().expect("its end");
    }

    /// The power goes and comes back.
    pub fn power_cut(&mut self) {
        self.cut();
        self.start();
    }

    /// Wait until a new terminal may sell by card: the PinPad was asked for its last operation, which nobody knew, and has answered.
    pub fn wait_for_pinpad(&self) {
        let asked = || self.vendors.pinpad.transcript().iter().any(|(_, text)| text.starts_with("2\u{1b}27"));
        self.until("the PinPad was asked for its last operation", || asked() && !self.vendors.pinpad.is_busy());
        self.until("the answer is written down", || {
            let marked = |line: &JournalLine| line.fact.contains("card_marked");
            Archive::open(&self.store()).is_ok_and(|past| past.journal(0, 100).is_ok_and(|l| l.iter().any(marked)))
        });
    }

    /// Wait for something that has to happen.
    pub fn until(&self, what: &str, happened: impl Fn() -> bool) {
        let since = Instant::now();
        while !happened() {
            assert!(since.elapsed() < PATIENCE, "waited in vain: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Wait until the log says these words: it is written beside the work, and may be behind it.
    pub fn says(&self, words: &str) {
        self.until(&format!("the log says: {words}"), || self.log().contains(words));
    }

    /// What the daemon said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        http::post(self.address, path, body, &[]).unwrap_or_else(|e| panic!("{path}: {e}\n{}", self.log()))
    }

    pub fn post_with_key(&self, path: &str, body: &str, key: &str) -> Answer {
        let answer = http::post(self.address, path, body, &[("Idempotency-Key", key)]);
        answer.unwrap_or_else(|e| panic!("{path}: {e}\n{}", self.log()))
    }

    pub fn get(&self, path: &str) -> Answer {
        http::get(self.address, path).unwrap_or_else(|e| panic!("{path}: {e}\n{}", self.log()))
    }

    /// The store's whole story, held against itself.
    pub fn audit(&self) {
        let report = tolov::store::audit::audit(&self.store()).expect("an audit");
        assert!(report.holds(), "the audit does not hold:\n{report}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// An address that nobody listens on now.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
