//! The demo's wiring: vendors, daemon, page, and their end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::bench::{Bench, BenchError};
use super::page::{self, World};
use super::picture::Past;
use super::power::{Power, PowerError};
use super::proxy::Proxy;

/// Where the page is when nobody says otherwise and the port is free.
const USUAL_PORT: u16 = 8_090;

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where everything is kept; `None` = a temporary folder that goes with the demo.
    pub dir: Option<PathBuf>,
    /// Where the page is; `None` = port 8090 of loopback, or any free one.
    pub listen: Option<SocketAddr>,
    /// The display's language: `uz`, `ru` or `en`.
    pub language: String,
}

/// Why the demo did not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The vendors or the configuration.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The daemon.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// The page.
    #[error("the page cannot be served: {0}")]
    Page(std::io::Error),
    /// The way to the daemon.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Run the demo until it is asked to stop. `ready` hears the page's address.
///
/// # Errors
/// It could not start.
pub async fn run(options: DemoOptions, ready: impl FnOnce(&str)) -> Result<(), DemoError> {
    let own = options.dir.is_none().then(|| std::env::temp_dir().join(format!("tolov-demo-{}", std::process::id())));
    let dir = options.dir.or_else(|| own.clone()).unwrap_or_default();
    let bench = Bench::set_up(&dir, &options.language).await?;
    let listener = listen(options.listen).await.map_err(DemoError::Page)?;
    let address = listener.local_addr().map_err(DemoError::Page)?;
    let power = Power::on(bench.configuration(), bench.log())?;
    let proxy = Proxy::to(bench.daemon, bench.control())?;
    let past = Past::of(bench.store());
    let world = Arc::new(World { bench, power, proxy, past });
    ready(&format!("http://{address}/"));

    let served = tokio::select! {
        served = page::serve(listener, address, world.clone()) => served.map_err(DemoError::Page),
        () = asked_to_stop() => Ok(()),
    };
    world.power.end().await;
    if let Some(own) = own {
        let _ = std::fs::remove_dir_all(own);
    }
    served
}

async fn listen(wish: Option<SocketAddr>) -> std::io::Result<TcpListener> {
    if let Some(address) = wish {
        return TcpListener::bind(address).await;
    }
    match TcpListener::bind(("127.0.0.1", USUAL_PORT)).await {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => TcpListener::bind(("127.0.0.1", 0)).await,
        bound => bound,
    }
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
