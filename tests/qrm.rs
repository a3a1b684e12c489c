//! SBP through QRManager: every request and answer that its document prints (seed 004), and what the client makes of everything else.

#![allow(clippy::unwrap_used)]

#[path = "qrm/client.rs"]
mod client;
#[path = "qrm/frozen.rs"]
mod frozen;
#[path = "qrm/printed.rs"]
mod printed;
#[path = "qrm/products.rs"]
mod products;
#[path = "qrm/refusals.rs"]
mod refusals;
#[path = "qrm/sales.rs"]
mod sales;
#[path = "qrm/server.rs"]
mod server;
#[path = "qrm/sticker.rs"]
mod sticker;
