//! The third stage: values that were proven to make sense. Nothing here can hold a wrong one that the file's reader
//! lets through; units are in the names.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hal::board::Board;
use hal::pinpad::arcus2::request::Settings as Dialect;
use jiff::civil::Time;

use super::Credentials;
use crate::payment::code::CodeTable;
use crate::payment::money::Unit;
use crate::payment::sale::Merchant;
use crate::provider::GatewaySettings;
use crate::provider::qrm::QrmSettings;

/// Everything that the terminal is told at its start. `docs/config.md` documents each key.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is bolted to the box.
    pub board: Board,
    /// What the display speaks.
    pub language: Language,
    /// The secrets, read when they are used.
    pub credentials: Credentials,
    /// Who sells; `None`: nothing is sold through a provider.
    pub merchant: Option<Merchant>,
    /// Where tills ask.
    pub api: Api,
    /// Where technicians ask.
    pub control: Control,
    /// Where the journal lives.
    pub store: Store,
    /// CLICK PASS; `None`: not set up.
    pub click: Option<GatewaySettings>,
    /// PAYME GO; `None`: not set up.
    pub payme: Option<GatewaySettings>,
    /// The HUMO PinPad; `None`: not set up.
    pub humo: Option<Humo>,
    /// The QR terminals of QRManager, by name; empty: SBP is not set up.
    pub qrm: BTreeMap<String, QrmSettings>,
    /// Where QRManager may say that a receipt is decided; `None`: nowhere.
    pub qrm_callback: Option<SocketAddr>,
    /// What scanned codes look like.
    pub codes: CodeTable,
    /// How the daemon speaks to its own log.
    pub log: Log,
}

/// What the display speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Uzbek, Latin script.
    Uzbek,
    /// Russian.
    Russian,
    /// English.
    English,
}

/// Where tills ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Loopback by default. Any other address has a till's token in the credentials or a list of peers.
    pub listen: Vec<Listen>,
    /// Who may connect to the Unix sockets among them.
    pub socket_mode: u32,
    /// Addresses that may ask without a token.
    pub allow_peers: Vec<IpAddr>,
    /// Names that tills call the terminal by.
    pub names: Vec<String>,
    /// Origins of pages in browsers that may ask.
    pub allow_origins: Vec<String>,
}

/// One place where tills ask; written as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Plain HTTP at an address.
    Plain(SocketAddr),
    /// HTTP over TLS at an address.
    Tls(SocketAddr),
    /// A Unix socket, which the file system guards.
    Unix(PathBuf),
}

impl Listen {
    /// Whether tills may ask here. `told_apart`: some till has a token, or some addresses are listed.
    ///
    /// # Errors
    /// Anybody could sell; what to do, in a sentence.
    pub fn may_be_used(&self, told_apart: bool) -> Result<(), String> {
        match self {
            Self::Plain(address) | Self::Tls(address) if !told_apart && !address.ip().is_loopback() => Err(format!(
                "{self} can be reached from outside and nobody is told apart: put a token into the file till_NAME of the credentials, or write \
                 allow_peers = [\"192.168.1.20\"], or listen on 127.0.0.1"
            )),
            Self::Plain(_) | Self::Tls(_) | Self::Unix(_) => Ok(()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(address) => write!(f, "{address}"),
            Self::Tls(address) => write!(f, "tls:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where technicians ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The Unix socket; made at the start, for its owner and group alone.
    pub socket: PathBuf,
}

/// Where the journal lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The folder; made at the start where it is missing.
    pub dir: PathBuf,
}

/// The protocol that the PinPad speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HumoDriver {
    /// ARCUS 2 (Ingenico).
    Arcus2,
}

/// The HUMO PinPad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Humo {
    /// The protocol.
    pub driver: HumoDriver,
    /// The dialect of this installation; what the PinPad may reach through the terminal is in it.
    pub dialect: Dialect,
    /// What the till's `/payment/xumo` means.
    pub amount_unit: Unit,
    /// When the shift is closed every day, Tashkent time; `None`: only when asked.
    pub settle_at: Option<Time>,
}

/// How the daemon speaks to its own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The shape of a line.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal where systemd runs the process and listens to it, text otherwise.
    Auto,
    /// For people, on the standard error.
    Text,
    /// One JSON object a line, on the standard error.
    Json,
    /// To systemd's journal, with fields.
    Journald,
}
