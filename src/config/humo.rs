//! `[humo]`: the PinPad's dialect. Most of its keys exist because public sources contradict each other; the defaults are the
//! likelier ones, and `tolov pinpad learn` finds what fits.

use std::collections::BTreeSet;

use hal::document::{Section, Value};
use hal::pinpad::arcus2::frame::Transport;
use hal::pinpad::arcus2::request::{AmountFormat, Code, Codes, ReferenceKind, ReferencePlace, Settings as Dialect};
use jiff::civil::Time;

use super::file::AMOUNT_UNITS;
use super::settings::{Humo, HumoDriver};

/// The emergency reversal of the last operation: if that never happened, it cancels the previous customer's payment.
const EMERGENCY_REVERSAL: Code = Code { class: 2, op: 3 };

/// Some PinPads close the shift on it: it is no question.
const HIDDEN_SETTLEMENT: Code = Code { class: 2, op: 22 };

pub(super) fn read(humo: Section<'_>) -> Option<Humo> {
    let driver = humo.required_choice("driver", &[("arcus2", HumoDriver::Arcus2)]);
    let amount_unit = humo.choice_or("amount_unit", AMOUNT_UNITS, "tiyin");
    let settle_at = humo.text("settle_at").and_then(|written| {
        let time = Time::strptime("%H:%M", &written.value).ok();
        if time.is_none() {
            humo.refuse(written.line, "settle_at is a time of the day in Tashkent; write settle_at = \"23:30\"");
        }
        time
    });
    let dialect = read_dialect(&humo);
    humo.end();
    Some(Humo { driver: driver?.value, dialect, amount_unit: amount_unit.value, settle_at })
}

fn read_dialect(humo: &Section<'_>) -> Dialect {
    let usual = Dialect::default();
    let transport =
        humo.choice_or("transport", &[("binlen", Transport::BinLen), ("block5a", Transport::Block5A)], "binlen");
    let formats = [("minor", AmountFormat::Minor), ("decimal", AmountFormat::Decimal)];
    let references = [("rrn", ReferenceKind::Rrn), ("receipt_number", ReferenceKind::ReceiptNumber)];
    let places =
        [("request", ReferencePlace::Request), ("tag", ReferencePlace::Tag), ("data_entry", ReferencePlace::DataEntry)];
    Dialect {
        transport: transport.value,
        amount_format: humo.choice_or("amount_format", &formats, "minor").value,
        reference: humo.choice_or("void_reference", &references, "rrn").value,
        reference_place: humo.choice_or("void_reference_place", &places, "request").value,
        terminal_id: humo.text("terminal_id").map(|id| id.value),
        waiting_texts: words(humo.texts_or("waiting_texts", &usual.waiting_texts)),
        allow_hosts: read_hosts(humo),
        codes: read_codes(humo.table("codes"), usual.codes),
        ..usual
    }
}

fn words(values: Vec<Value<String>>) -> Vec<String> {
    values.into_iter().map(|value| value.value).collect()
}

fn read_hosts(humo: &Section<'_>) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for host in humo.texts_or("allow_hosts", &[]) {
        let named = host.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        if named && !host.value.is_empty() {
            hosts.insert(host.value);
        } else {
            let message = format!("{} is no host; write \"10.0.0.5\", without a port", host.value);
            humo.refuse(host.line, message);
        }
    }
    hosts
}

fn read_codes(codes: Section<'_>, usual: Codes) -> Codes {
    let question = |key: &str, usual: Code| {
        let code = read_code(&codes, key, usual);
        if code.value == HIDDEN_SETTLEMENT {
            codes.refuse(code.line, format!("{key}: some PinPads close the shift on 2,22; ask with another operation"));
        }
        code.value
    };
    let read = Codes {
        sale: read_code(&codes, "sale", usual.sale).value,
        refund: read_code(&codes, "refund", usual.refund).value,
        void: read_code(&codes, "void", usual.void).value,
        settlement: read_code(&codes, "settlement", usual.settlement).value,
        short_report: question("short_report", usual.short_report),
        detailed_report: question("detailed_report", usual.detailed_report),
        last_transaction: question("last_transaction", usual.last_transaction),
        ping: question("ping", usual.ping),
        admin_menu: question("admin_menu", usual.admin_menu),
    };
    codes.end();
    read
}

fn read_code(codes: &Section<'_>, key: &str, usual: Code) -> Value<Code> {
    let written = codes.text_or(key, &format!("{},{}", usual.class, usual.op));
    let parsed = written.value.split_once(',').and_then(|(class, op)| {
        let number = |text: &str| text.trim().parse().ok();
        Some(Code { class: number(class)?, op: number(op)? })
    });
    let refusal = match parsed {
        Some(EMERGENCY_REVERSAL) => "2,3 would cancel the previous customer's payment; it is never sent",
        Some(code) => return Value { value: code, line: written.line },
        None => "an operation is two numbers",
    };
    codes.refuse(written.line, format!("{key}: {refusal}; write {key} = \"{},{}\"", usual.class, usual.op));
    Value { value: usual, line: written.line }
}
