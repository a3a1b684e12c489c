//! From settings to what each room wants to know. Data in, data out: nothing is opened here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hal::pinpad::port::PortSettings;
use tokio::sync::watch;

use super::questions::QrmQuestions;
use crate::api::sbp::{Questions, SbpProfile};
use crate::api::{ApiSettings, Lacks, Screen};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::limits;
use crate::metrics::Metrics;
use crate::payment::money::Unit;
use crate::payment::sale::Method;
use crate::payment::terminal::Policy;
use crate::provider::qrm::link::with_banks;
use crate::provider::qrm::{Profiles, Qrm, QrmSettings, Receipts};
use crate::provider::{Gateway, GatewayKind, GatewaySettings, Providers};
use crate::ui::panel::Frame;
use crate::ui::text;

/// What the machine has to know.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let methods = [
        (Method::Humo, settings.humo.is_some()),
        (Method::Click, settings.click.is_some()),
        (Method::Payme, settings.payme.is_some()),
        (Method::Sbp, !settings.qrm.is_empty()),
    ];
    let ms = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
    Policy {
        methods: methods.into_iter().filter_map(|(method, set_up)| set_up.then_some(method)).collect(),
        merchant: settings.merchant.clone(),
        codes: settings.codes.clone(),
        scan_wait_ms: limits::SCAN_WAIT_MS,
        card_again_ms: limits::CARD_AGAIN_MS,
        card_least_ms: limits::CARD_LEAST_MS,
        card_runs_max: limits::CARD_RUNS_MAX,
        created_wait_ms: limits::CREATED_WAIT_MS,
        created_max: limits::CREATED_MAX,
        created_per_till_max: limits::CREATED_PER_TILL_MAX,
        wishes_max: limits::WISHES_MAX,
        join_unanswered_ms: limits::JOIN_UNANSWERED_MS,
        ask_every_ms: limits::PINPAD_RECOVERY_ASK_EVERY_MS,
        backoff_min_ms: ms(limits::OUTBOX_BACKOFF_MIN_MS),
        backoff_max_ms: ms(limits::OUTBOX_BACKOFF_MAX_MS),
        sbp: settings.qrm.iter().map(|(name, qrm)| (name.clone(), qrm.receipts)).collect(),
        sbp_open_max: limits::SBP_CODES_MAX,
    }
}

/// What the PinPad's port has to know; `None` where the box has no line for one or HUMO is not set up.
#[must_use]
pub fn pinpad_port(settings: &Settings) -> Option<PortSettings> {
    let humo = settings.humo.as_ref()?;
    let line = settings.board.pinpad.as_ref()?;
    Some(crate::pinpad::port_settings(PathBuf::from(&line.port), line.baud, humo.dialect.clone()))
}

/// The providers that are set up, the QR terminals among them. Nothing is connected yet.
#[must_use]
pub fn providers(settings: &Settings, qrm: &BTreeMap<String, Arc<Qrm>>, clock: &Clock) -> Providers {
    let kinds = [(GatewayKind::Click, &settings.click), (GatewayKind::Payme, &settings.payme)];
    let gateways = kinds.into_iter().fold(Providers::new(), |providers, (kind, set_up)| match set_up {
        Some(gateway) => providers.with(kind.method(), Arc::new(Gateway::new(kind, gateway.clone()))),
        None => providers,
    });
    if qrm.is_empty() {
        return gateways;
    }
    gateways.with(Method::Sbp, Arc::new(Receipts::new(qrm.clone(), clock.clone())))
}

/// The QR terminals that are set up. A key is read when it is used, so that it can be replaced without a restart.
#[must_use]
pub fn qrm(settings: &Settings) -> Profiles {
    settings.qrm.iter().fold(Profiles::default(), |profiles, (name, qrm)| {
        let (credentials, file) = (settings.credentials.clone(), format!("qrm_{name}"));
        profiles.with(name, qrm.clone(), Arc::new(move || credentials.get(&file).ok()))
    })
}

/// What the tills' door has to know.
#[must_use]
pub fn api(
    settings: &Settings,
    frame: watch::Receiver<Arc<Frame>>,
    qrm: &BTreeMap<String, Arc<Qrm>>,
    metrics: Arc<Metrics>,
) -> ApiSettings {
    let credentials = settings.credentials.clone();
    let unit = |gateway: &Option<GatewaySettings>| gateway.as_ref().map_or(Unit::Sum, |g| g.amount_unit);
    let upstream = |gateway: &Option<GatewaySettings>| gateway.as_ref().map_or(Unit::Tiyin, |g| g.upstream_amount_unit);
    let questions: Arc<dyn Questions> = Arc::new(QrmQuestions(qrm.clone()));
    ApiSettings {
        sbp: qrm.iter().map(|(name, qrm)| (name.clone(), sbp_profile(qrm.settings()))).collect(),
        questions: (!qrm.is_empty()).then_some(questions),
        allow_peers: settings.api.allow_peers.clone(),
        names: settings.api.names.clone(),
        allow_origins: settings.api.allow_origins.clone(),
        bearer_of: Arc::new(move |token| credentials.bearer_of(token)),
        click_upstream_unit: upstream(&settings.click),
        payme_upstream_unit: upstream(&settings.payme),
        click_unit: unit(&settings.click),
        payme_unit: unit(&settings.payme),
        screen: Some(Screen::new(frame)),
        metrics,
        lacks: lacks(settings),
        humo_unit: settings.humo.as_ref().map_or(Unit::Tiyin, |humo| humo.amount_unit),
    }
}

/// A sale by SBP is taken by any QR terminal whose key is there.
fn lacks(settings: &Settings) -> Lacks {
    let (credentials, names) = (settings.credentials.clone(), settings.qrm.keys().cloned().collect::<Vec<_>>());
    Arc::new(move |method| {
        let has_key = |name: &String| credentials.get(&format!("qrm_{name}")).is_ok();
        if method != Method::Sbp || names.iter().any(has_key) {
            return None;
        }
        Some(format!("no key of a QR terminal is there (credentials qrm_{})", names.join(", qrm_")))
    })
}

/// How the tills' door treats sales at a QR terminal.
fn sbp_profile(qrm: &QrmSettings) -> SbpProfile {
    let link = if qrm.web_links { with_banks } else { str::to_owned };
    SbpProfile { link, strict_nomenclature: qrm.strict_nomenclature }
}

/// What the display speaks.
#[must_use]
pub fn language(settings: &Settings) -> text::Language {
    match settings.language {
        config::Language::Uzbek => text::Language::Uz,
        config::Language::Russian => text::Language::Ru,
        config::Language::English => text::Language::En,
    }
}
