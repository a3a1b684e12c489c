//! `[qrm.NAME]`: a QR terminal of QRManager. Its key is the credential `qrm_NAME`. `[qrm_callback]`: where it may say that a receipt is decided.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hal::document::{Section, Value};

use super::file::read_base_url;
use crate::limits;
use crate::payment::sbp::Ofd;
use crate::provider::qrm::{QrmSettings, Sockets};

/// The name that a sale means when it names none.
pub const MAIN: &str = "main";

pub(super) fn read(root: &Section<'_>) -> BTreeMap<String, QrmSettings> {
    let profiles = root.named_tables("qrm", read_profile);
    profiles.into_iter().filter(|(name, _)| is_name(root, name)).map(|(name, read)| (name.value, read)).collect()
}

/// The name is part of a file's name, of a journal line and of a till's request.
fn is_name(root: &Section<'_>, name: &Value<String>) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let fits = (1..=limits::QRM_NAME_MAX_CHARS).contains(&name.value.len()) && name.value.bytes().all(word);
    if !fits {
        let most = limits::QRM_NAME_MAX_CHARS;
        root.refuse(
            name.line,
            format!("[qrm.{}]: a name is up to {most} of a-z, 0-9, - and _; write [qrm.{MAIN}]", name.value),
        );
    }
    // Its key would lie in the file of the callback's secret.
    let taken = name.value == "callback";
    if taken {
        root.refuse(name.line, "[qrm.callback]: qrm_callback is the secret of [qrm_callback]; choose another name");
    }
    fits && !taken
}

pub(super) fn read_callback(callback: Section<'_>) -> Option<SocketAddr> {
    let listen = callback.required_text("listen", "0.0.0.0:8443");
    let address = listen.and_then(|listen| {
        let address = listen.value.parse().ok();
        if address.is_none() {
            callback.refuse(listen.line, "listen is an address and a port; write listen = \"0.0.0.0:8443\"");
        }
        address
    });
    callback.end();
    address
}

fn read_profile(profile: &Section<'_>) -> Option<QrmSettings> {
    let base_url = profile.required_text("base_url", "https://app.devwapiserv.qrm.ooo");
    let receipts = [("none", None), ("atol", Some(Ofd::Atol)), ("ofd_ru", Some(Ofd::OfdRu))];
    let sockets = [("per_operation", Sockets::PerOperation), ("shared", Sockets::Shared)];
    let receipts = profile.choice_or("receipts", &receipts, "none").value;
    let sockets = profile.choice_or("sockets", &sockets, "per_operation").value;
    let web_links = profile.choice_or("links", &[("bank", false), ("web", true)], "bank").value;
    let strict_nomenclature = profile.choice_or("basket", &[("warn", false), ("refuse", true)], "warn").value;
    let timeout = profile.integer_or("timeout_ms", 1_000..=600_000, limits::QRM_TIMEOUT_MS);
    let connect_timeout = profile.integer_or("connect_timeout_ms", 100..=60_000, limits::PROVIDER_CONNECT_TIMEOUT_MS);
    let polls = profile.integer_or("polls_per_minute", 1..=6_000, limits::QRM_POLLS_A_MINUTE_MAX.into());
    let base_url = base_url.map(|url| read_base_url(profile, url, "https://app.devwapiserv.qrm.ooo"));
    Some(QrmSettings {
        base_url: base_url?,
        receipts,
        sockets,
        web_links,
        strict_nomenclature,
        timeout_ms: timeout.value,
        connect_timeout_ms: connect_timeout.value.min(timeout.value),
        polls_per_minute: u32::try_from(polls.value).unwrap_or(u32::MAX),
    })
}
