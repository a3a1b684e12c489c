//! The second stage: what `tolov.toml` says, key by key. This file is also the list of the keys: the documentation's test
//! runs it over an empty text.

use std::path::Path;

use hal::document::{Document, Problem, Section, Value};

use super::settings::{Control, Language, Log, LogFormat, Settings, Store};
use super::{Credentials, Inputs, api, board, humo, qrm};
use crate::limits;
use crate::payment::code::{CodeKind, CodeRow, CodeTable};
use crate::payment::money::Unit;
use crate::payment::sale::Merchant;
use crate::provider::{ConfirmDialect, GatewaySettings};

pub(super) const AMOUNT_UNITS: &[(&str, Unit)] = &[("sum", Unit::Sum), ("tiyin", Unit::Tiyin)];

/// Codes of a refusal after which the seeds know that no money moved.
const REFUSED_CODES: &[u64] = &[7, 104, 106, 401, 402];

/// Reads the whole file. Problems of the file itself are left in `document`; those of other files (a board, a secret)
/// are answered. Without a board there are no settings.
pub(super) fn read(document: &Document<'_>, inputs: &Inputs) -> (Option<Settings>, Vec<Problem>) {
    let root = document.root();
    let board_name = root.required_text("board", "sim");
    let language = root.choice_or(
        "language",
        &[("uz", Language::Uzbek), ("ru", Language::Russian), ("en", Language::English)],
        "uz",
    );
    let mut elsewhere = Vec::new();
    let credentials = read_credentials(&root, inputs);
    let api = api::read(root.table("api"), inputs, &credentials);
    let merchant = read_merchant(root.table("merchant"));
    let control = read_control(root.table("control"), inputs);
    let store = read_store(root.table("store"), inputs);
    let click = read_gateway(root.table("click"));
    let payme = read_gateway(root.table("payme"));
    let humo = humo::read(root.table("humo"));
    let qrm = qrm::read(&root);
    let qrm_callback = qrm::read_callback(root.table("qrm_callback"));
    let codes = CodeTable::configured(root.tables("code", read_code));
    let log = read_log(root.table("log"));
    root.end();
    let board = board_name.and_then(|name| match board::find(&name.value, inputs) {
        Ok(board) => Some(board),
        Err(board::Missing::NotFound(message)) => {
            document.refuse(name.line, message);
            None
        }
        Err(board::Missing::Wrong(problems)) => {
            elsewhere.extend(problems.0);
            None
        }
    });
    let settings = board.map(|board| Settings {
        board,
        language: language.value,
        credentials,
        merchant,
        api,
        control,
        store,
        click,
        payme,
        humo,
        qrm,
        qrm_callback,
        codes,
        log,
    });
    (settings, elsewhere)
}

/// The file's own directory wins over systemd's: it was written by hand, for a reason.
fn read_credentials(root: &Section<'_>, inputs: &Inputs) -> Credentials {
    let written = root.text("credentials_dir");
    let line = written.as_ref().map_or(1, |written| written.line);
    let credentials = match (written, &inputs.credentials_directory) {
        (Some(written), _) => Credentials::in_dir(inputs.path(&written.value)),
        (None, Some(dir)) => Credentials::from_systemd(dir.clone()),
        (None, None) => Credentials::none(),
    };
    for problem in credentials.check() {
        root.refuse(line, problem.to_string());
    }
    credentials
}

fn read_merchant(merchant: Section<'_>) -> Option<Merchant> {
    let inn = merchant.required_text("inn", "123456789");
    let kkm_id = merchant.required_text("kkm_id", "00000001");
    let device_id = merchant.required_text("device_id", "00000001");
    if let Some(inn) = &inn
        && !(matches!(inn.value.len(), 9 | 14) && inn.value.bytes().all(|byte| byte.is_ascii_digit()))
    {
        merchant.refuse(inn.line, "inn has 9 digits (a company) or 14 (a person); write inn = \"123456789\"");
    }
    for id in [&kkm_id, &device_id].into_iter().flatten() {
        if id.value.len() > limits::ORDER_ID_MAX_CHARS || !id.value.bytes().all(|byte| byte.is_ascii_graphic()) {
            merchant.refuse(id.line, format!("\"{}\" is no identifier: up to 64 letters and digits", id.value));
        }
    }
    merchant.end();
    Some(Merchant { inn: inn?.value, kkm_id: kkm_id?.value, device_id: device_id?.value })
}

fn read_control(control: Section<'_>, inputs: &Inputs) -> Control {
    let written = control.text_or("socket", "/run/tolov/control.sock");
    let socket = inputs.path(&written.value);
    fits_a_socket(&control, "socket", &socket, written.line);
    control.end();
    Control { socket }
}

/// The system takes no longer path for a socket.
pub(super) fn fits_a_socket(section: &Section<'_>, key: &str, path: &Path, line: usize) {
    let bytes = path.as_os_str().len();
    if bytes > limits::SOCKET_PATH_MAX_BYTES {
        let most = limits::SOCKET_PATH_MAX_BYTES;
        section
            .refuse(line, format!("{key}: its path has {bytes} bytes, the system takes {most}; choose a shorter one"));
    }
}

fn read_store(store: Section<'_>, inputs: &Inputs) -> Store {
    let dir = inputs.path(&store.text_or("dir", "/var/lib/tolov").value);
    store.end();
    Store { dir }
}

fn read_gateway(gateway: Section<'_>) -> Option<GatewaySettings> {
    let base_url = gateway.required_text("base_url", "http://127.0.0.1:3448");
    let amount_unit = gateway.choice_or("amount_unit", AMOUNT_UNITS, "sum");
    let upstream_amount_unit = gateway.choice("upstream_amount_unit", AMOUNT_UNITS);
    let confirm_dialect = gateway.choice_or(
        "confirm_dialect",
        &[
            ("2023-01", ConfirmDialect::Y2023M01),
            ("2023-02-28", ConfirmDialect::Y2023M02D28),
            ("2024-12", ConfirmDialect::Y2024M12),
        ],
        "2023-01",
    );
    let timeout = gateway.integer_or("timeout_ms", 100..=600_000, limits::PROVIDER_TIMEOUT_MS);
    let connect_timeout = gateway.integer_or("connect_timeout_ms", 100..=60_000, limits::PROVIDER_CONNECT_TIMEOUT_MS);
    let refused_codes = gateway.integers_or("refused_codes", 1..=999_999, REFUSED_CODES);
    if refused_codes.iter().any(|code| code.value == 900) {
        gateway.refuse(gateway.line(), "refused_codes: 900 means in doubt and can never prove a refusal; leave it out");
    }
    let gateway_exists = gateway.exists();
    let base_url = base_url.map(|url| read_base_url(&gateway, url, "http://192.168.1.10:3448"));
    gateway.end();
    gateway_exists.then_some(GatewaySettings {
        base_url: base_url?,
        amount_unit: amount_unit.value,
        upstream_amount_unit: upstream_amount_unit.map_or(amount_unit.value, |unit| unit.value),
        confirm_dialect: confirm_dialect.value,
        timeout_ms: timeout.value,
        connect_timeout_ms: connect_timeout.value.min(timeout.value),
        refused_codes: refused_codes.iter().filter_map(|code| i64::try_from(code.value).ok()).collect(),
    })
}

pub(super) fn read_base_url(gateway: &Section<'_>, written: Value<String>, example: &str) -> String {
    let advice = match reqwest::Url::parse(&written.value) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => "it begins with http(s)://",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "no name and password belong into it",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "nothing follows its path",
        Ok(url) => return url.as_str().trim_end_matches('/').to_owned(),
        Err(_) => "it is no address",
    };
    gateway.refuse(written.line, format!("base_url: {advice}; write base_url = \"{example}\""));
    written.value
}

fn read_code(code: &Section<'_>) -> Option<CodeRow> {
    let prefix = code.required_text("prefix", "88");
    let length = code.required_integer("length", 1..=limits::CODE_MAX_CHARS as u64);
    let method = code.required_choice("method", &[("click", CodeKind::ClickPass), ("payme", CodeKind::PaymeGo)]);
    let (prefix, length) = (prefix?, usize::try_from(length?.value).ok()?);
    if !prefix.value.bytes().all(|byte| byte.is_ascii_digit()) || prefix.value.len() > length {
        code.refuse(prefix.line, "prefix is digits, no more than length; write prefix = \"88\"");
    }
    Some(CodeRow::digits(method?.value, &prefix.value, length))
}

fn read_log(log: Section<'_>) -> Log {
    let formats = [
        ("auto", LogFormat::Auto),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
        ("journald", LogFormat::Journald),
    ];
    let format = log.choice_or("format", &formats, "auto").value;
    log.end();
    Log { format }
}
