//! `[api]`: where tills ask, and who may.

use std::net::IpAddr;

use hal::document::{Section, Value};

use super::settings::{Api, Listen};
use super::{Credentials, Inputs, file};

/// What a Unix socket's file may be opened to: its owner, its group too, or everybody on the machine.
const SOCKET_MODES: &[(&str, u32)] = &[("0600", 0o600), ("0660", 0o660), ("0666", 0o666)];

pub(super) fn read(api: Section<'_>, inputs: &Inputs, credentials: &Credentials) -> Api {
    let written = api.text_or_texts("listen", "127.0.0.1:8080");
    let allow_peers: Vec<IpAddr> =
        api.texts_or("allow_peers", &[]).into_iter().filter_map(|peer| read_peer(&api, &peer)).collect();
    let told_apart = !allow_peers.is_empty() || !credentials.tills().is_empty();
    let mut listen: Vec<Listen> = Vec::new();
    for place in &written {
        let Some(read) = read_place(&api, inputs, place) else { continue };
        if let Err(why) = read.may_be_used(told_apart) {
            api.refuse(place.line, why);
        }
        if listen.contains(&read) {
            api.refuse(place.line, format!("listen: {read} stands twice"));
        }
        listen.push(read);
    }
    if written.is_empty() {
        api.refuse(api.line(), "listen is empty: no till could ask; write listen = \"127.0.0.1:8080\"");
    }
    let names = api.texts_or("names", &[]).into_iter().filter_map(|name| read_name(&api, name)).collect();
    let origins = api.texts_or("allow_origins", &[]);
    let allow_origins = origins.into_iter().filter_map(|origin| read_origin(&api, origin)).collect();
    let socket_mode = api.choice_or("socket_mode", SOCKET_MODES, "0660").value;
    api.end();
    Api { listen, socket_mode, allow_peers, names, allow_origins }
}

fn read_place(api: &Section<'_>, inputs: &Inputs, written: &Value<String>) -> Option<Listen> {
    if let Some(path) = written.value.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        let path = inputs.path(path);
        file::fits_a_socket(api, "listen", &path, written.line);
        return Some(Listen::Unix(path));
    }
    let (address, is_tls) = match written.value.strip_prefix("tls:") {
        Some(address) => (address, true),
        None => (written.value.as_str(), false),
    };
    let Ok(address) = address.parse() else {
        let advice = "write listen = \"127.0.0.1:8080\", \"tls:0.0.0.0:8443\", or \"unix:/run/tolov/till.sock\"";
        api.refuse(written.line, format!("listen is an address and a port, or a Unix socket; {advice}"));
        return None;
    };
    Some(if is_tls { Listen::Tls(address) } else { Listen::Plain(address) })
}

/// A name without a port, as it stands in a certificate.
fn read_name(api: &Section<'_>, written: Value<String>) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !written.value.chars().all(fits) {
        api.refuse(written.line, format!("names: {} is no name; write \"pos.example\"", written.value));
        return None;
    }
    Some(written.value)
}

/// An origin as browsers send it: nothing after the port, and no port that goes without saying.
fn read_origin(api: &Section<'_>, written: Value<String>) -> Option<String> {
    let origin = reqwest::Url::parse(&written.value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let is_one = origin.is_some_and(|url| url.origin().ascii_serialization() == written.value);
    if !is_one {
        let advice = "write the page's origin as the browser sends it, \"https://till.example\"";
        api.refuse(written.line, format!("allow_origins: {} is no origin; {advice}", written.value));
    }
    is_one.then_some(written.value)
}

fn read_peer(api: &Section<'_>, written: &Value<String>) -> Option<IpAddr> {
    let address = written.value.parse().ok();
    if address.is_none() {
        api.refuse(written.line, format!("{} is no address; write \"192.168.1.20\"", written.value));
    }
    address
}
