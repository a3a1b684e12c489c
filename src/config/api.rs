//! `[api]`: where tills ask, and who may.

use std::net::{IpAddr, SocketAddr};

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
    let socket_mode = api.choice_or("socket_mode", SOCKET_MODES, "0660").value;
    api.end();
    Api { listen, socket_mode, allow_peers }
}

fn read_place(api: &Section<'_>, inputs: &Inputs, written: &Value<String>) -> Option<Listen> {
    if let Some(path) = written.value.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        let path = inputs.path(path);
        file::fits_a_socket(api, "listen", &path, written.line);
        return Some(Listen::Unix(path));
    }
    let address: Option<SocketAddr> = written.value.parse().ok();
    if address.is_none() {
        let advice = "write listen = \"127.0.0.1:8080\", or \"unix:/run/tolov/till.sock\"";
        api.refuse(written.line, format!("listen is an address and a port, or a Unix socket; {advice}"));
    }
    address.map(Listen::Plain)
}

fn read_peer(api: &Section<'_>, written: &Value<String>) -> Option<IpAddr> {
    let address = written.value.parse().ok();
    if address.is_none() {
        api.refuse(written.line, format!("{} is no address; write \"192.168.1.20\"", written.value));
    }
    address
}
