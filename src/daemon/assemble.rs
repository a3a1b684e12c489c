//! From settings to what each room wants to know. Data in, data out: nothing is opened here.

use std::path::PathBuf;

use hal::pinpad::arcus2::frame::Transport as Framing;
use hal::pinpad::arcus2::request::{self, ReferenceKind, ReferencePlace};
use hal::pinpad::port::PortSettings;

use crate::config::{self as settings, Settings};
use crate::limits;
use crate::payment::code::{CodeKind, CodeRow, CodeTable};
use crate::payment::sale::{Merchant, Method};
use crate::payment::terminal::Policy;

/// What the machine has to know.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let methods = [
        (Method::Humo, settings.humo.is_some()),
        (Method::Click, settings.click.is_some()),
        (Method::Payme, settings.payme.is_some()),
    ];
    let ms = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
    Policy {
        methods: methods.into_iter().filter_map(|(method, set_up)| set_up.then_some(method)).collect(),
        merchant: settings.merchant.as_ref().map(|m| Merchant {
            inn: m.inn.clone(),
            kkm_id: m.kkm_id.clone(),
            device_id: m.device_id.clone(),
        }),
        codes: codes(&settings.codes),
        scan_wait_ms: limits::SCAN_WAIT_MS,
        join_unanswered_ms: limits::JOIN_UNANSWERED_MS,
        ask_every_ms: limits::PINPAD_RECOVERY_ASK_EVERY_MS,
        backoff_min_ms: ms(limits::OUTBOX_BACKOFF_MIN_MS),
        backoff_max_ms: ms(limits::OUTBOX_BACKOFF_MAX_MS),
    }
}

fn codes(rules: &[settings::CodeRule]) -> CodeTable {
    if rules.is_empty() {
        return CodeTable::default();
    }
    let row = |rule: &settings::CodeRule| {
        let kind = match rule.method {
            settings::Method::Click => CodeKind::ClickPass,
            settings::Method::Payme => CodeKind::PaymeGo,
        };
        CodeRow::digits(kind, &rule.prefix, rule.length_chars)
    };
    CodeTable::configured(rules.iter().map(row).collect())
}

/// What the PinPad's port has to know; `None` where the box has no line for one or HUMO is not set up.
#[must_use]
pub fn pinpad_port(settings: &Settings) -> Option<PortSettings> {
    let humo = settings.humo.as_ref()?;
    let line = settings.board.pinpad.as_ref()?;
    let (reference, reference_place) = match humo.void_reference {
        settings::VoidReference::TagRrn => (ReferenceKind::Rrn, ReferencePlace::Tag),
        settings::VoidReference::RequestRrn => (ReferenceKind::Rrn, ReferencePlace::Request),
        settings::VoidReference::RequestReceipt => (ReferenceKind::ReceiptNumber, ReferencePlace::Request),
    };
    let arcus = request::Settings {
        transport: match humo.transport {
            settings::Transport::BinLen => Framing::BinLen,
            settings::Transport::Block5A => Framing::Block5A,
        },
        amount_format: match humo.amount_format {
            settings::AmountFormat::Minor => request::AmountFormat::Minor,
            settings::AmountFormat::Decimal => request::AmountFormat::Decimal,
        },
        reference,
        reference_place,
        allow_hosts: humo.allow_hosts.iter().map(|allowed| allowed.host.clone()).collect(),
        ..request::Settings::default()
    };
    Some(crate::pinpad::port_settings(PathBuf::from(&line.port), line.baud, arcus))
}
