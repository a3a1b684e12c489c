//! The tills' door from outside: where it can be found, over what, and that nobody who stands in it keeps others out. The real daemon, over real
//! sockets.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used)]

#[path = "door/fair.rs"]
mod fair;
#[path = "door/faults.rs"]
mod faults;
#[path = "door/names.rs"]
mod names;
#[path = "door/pages.rs"]
mod pages;
#[path = "door/places.rs"]
mod places;
mod support;
#[path = "door/tls.rs"]
mod tls;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use support::Bench;

const SALE: &str = r#"{"amount":500,"qr_code":"880101698207133392"}"#;

/// A bench that does not run yet, with other lines in its configuration's `[api]` than its address.
fn bench_with(api: &str) -> Bench {
    let bench = Bench::new();
    let listen = format!("listen = \"{}\"\n", bench.address);
    let text = fs::read_to_string(bench.configuration()).unwrap();
    assert!(text.contains(&listen));
    fs::write(bench.configuration(), text.replace(&listen, api)).unwrap();
    bench
}

/// Secrets for a bench that has none yet, and where they are.
fn put_secrets(bench: &Bench, secrets: &[(&str, &str)]) {
    let dir = bench.dir.path().join("credentials");
    fs::create_dir(&dir).unwrap();
    for (name, secret) in secrets {
        put_secret(&dir.join(name), secret);
    }
    let text = fs::read_to_string(bench.configuration()).unwrap();
    fs::write(bench.configuration(), format!("credentials_dir = \"{}\"\n{text}", dir.display())).unwrap();
}

fn put_secret(path: &Path, secret: &str) {
    fs::write(path, secret).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A POST with a JSON body, in bytes.
fn post(path: &str, host: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// What is heard at a Unix socket until it closes.
fn heard_at(socket: &Path, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request.as_bytes())?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard)?;
    Ok(heard)
}
