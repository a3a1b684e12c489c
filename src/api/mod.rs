//! The tills' door: HTTP in, [`Event`](crate::payment::Event)s to the driver, answers out. It only translates: decisions are the machine's,
//! waiting is the driver's, and neither the store nor a provider is known here.
//!
//! ```text
//! server   connections, time limits ─► guard   who asks, from where ─► gateway   /payment/* (seeds 000–002)
//!                                                                    ├► core      /api/v1/payment/* (seed 003)
//!                                                                    ├► sbp       /api/v1/sbp/* (what of seed 004 a till uses)
//!                                                                    └► ops       health, metrics, the display's picture, openapi.json
//! ```
//!
//! Before it stand `listen` (addresses, Unix sockets, `tls`) and `crowd` (who makes room in a full house); beside the guard `origin` (pages in browsers),
//! `attempts` (wrong tokens) and, where money is asked about, `fair` (every till's share).
//!
//! `callback` is a door of its own, for a word from outside and nothing else. `docs/api.md` is this room's contract, for whoever writes a till.

mod attempts;
pub mod callback;
pub mod control;
mod core;
mod crowd;
mod envelope;
mod fair;
mod gateway;
mod guard;
mod json;
mod listen;
mod openapi;
mod ops;
mod origin;
mod pathless;
mod patience;
pub mod problem;
pub mod sbp;
mod server;
mod socket;
mod tls;
mod trouble;

pub use envelope::{Row, TABLE};
pub use listen::Place;
pub use ops::Screen;
pub use server::serve;
pub use socket::SocketError;
pub use tls::Certificate;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Bearer;
use crate::driver::Handle;
use crate::history::History;
use crate::metrics::Metrics;
use crate::payment::money::Unit;
use crate::payment::sale::Method;

/// Finds out whose a token is. Compares in constant time, and reads the tokens anew when they change.
pub type BearerOf = Arc<dyn Fn(&str) -> Bearer + Send + Sync>;

/// What a method that is set up lacks, where no sale would notice before it is sent: a key.
pub type Lacks = Arc<dyn Fn(Method) -> Option<String> + Send + Sync>;

/// What this room has to be told.
#[derive(Clone)]
pub struct ApiSettings {
    /// Addresses that may ask without a token.
    pub allow_peers: Vec<IpAddr>,
    /// Names that tills call the terminal by, beside its addresses.
    pub names: Vec<String>,
    /// Origins of pages in browsers that may ask.
    pub allow_origins: Vec<String>,
    /// The tills and their tokens.
    pub bearer_of: BearerOf,
    /// What an amount on `/payment/click` counts.
    pub click_unit: Unit,
    /// What an amount on `/payment/payme` counts.
    pub payme_unit: Unit,
    /// What an amount on `/payment/xumo` counts.
    pub humo_unit: Unit,
    /// What CLICK's gateway counts: an amount that it cannot say is refused at the door.
    pub click_upstream_unit: Unit,
    /// What PAYME's gateway counts.
    pub payme_upstream_unit: Unit,
    /// The display's picture; `None` = there is no display.
    pub screen: Option<Screen>,
    /// The QR terminals of `/api/v1/sbp/*`, by name.
    pub sbp: BTreeMap<String, sbp::SbpProfile>,
    /// Who answers questions to QRManager that change nothing; `None` = nobody.
    pub questions: Option<Arc<dyn sbp::Questions>>,
    /// The terminal in numbers; its clock is the driver's.
    pub metrics: Arc<Metrics>,
    /// What `/health/ready` has to know beside the picture.
    pub lacks: Lacks,
}

impl Default for ApiSettings {
    /// The seeds' units (sums, sums, tiyin), no tokens, no display, no QR terminal, numbers that nobody counts up.
    fn default() -> Self {
        Self {
            allow_peers: Vec::new(),
            names: Vec::new(),
            allow_origins: Vec::new(),
            bearer_of: Arc::new(|_| Bearer::Nobody),
            click_unit: Unit::Sum,
            payme_unit: Unit::Sum,
            humo_unit: Unit::Tiyin,
            click_upstream_unit: Unit::Sum,
            payme_upstream_unit: Unit::Sum,
            screen: None,
            sbp: BTreeMap::new(),
            questions: None,
            metrics: Arc::new(Metrics::new(&Clock::system())),
            lacks: Arc::new(|_| None),
        }
    }
}

impl ApiSettings {
    /// How links of that QR terminal are handed to tills.
    fn sbp_link(&self, profile: &str) -> fn(&str) -> String {
        self.sbp.get(profile).map_or(str::to_owned as fn(&str) -> String, |profile| profile.link)
    }

    fn unit(&self, method: Method) -> Unit {
        match method {
            Method::Humo => self.humo_unit,
            Method::Click => self.click_unit,
            Method::Payme => self.payme_unit,
            // Kopecks wherever QRManager is asked, and wherever a till asks for it.
            Method::Sbp => Unit::Tiyin,
        }
    }
}

impl fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiSettings").field("allow_peers", &self.allow_peers).finish_non_exhaustive()
    }
}

/// What every handler knows. A clone is the same room.
#[derive(Clone)]
struct Api(Arc<Room>);

struct Room {
    driver: Handle,
    history: Arc<dyn History>,
    settings: ApiSettings,
    kept: gateway::Kept,
    /// For what is slowed; no payment's time is told by it.
    clock: Clock,
    fair: Arc<fair::Fair>,
    attempts: attempts::Attempts,
    described: openapi::Described,
    tail: core::events::Tail,
}

impl std::ops::Deref for Api {
    type Target = Room;
    fn deref(&self) -> &Room {
        &self.0
    }
}
