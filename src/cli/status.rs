//! `tolov status` and `tolov sales`.

use super::args::{SalesCommand, StatusArgs};
use super::payment::method;
use super::text::{amount, count, pairs, short, span, when, wrap};
use super::{CliError, Outcome, client, print};
use crate::api::control::words::{DeviceRow, PaymentRow, Request, Status};

pub(super) fn run(args: &StatusArgs) -> Result<Outcome, CliError> {
    let status: Status = client::ask(&args.asking, &Request::Status {})?;
    print(args.asking.json, &status, table)
}

pub(super) fn sales(command: &SalesCommand) -> Result<Outcome, CliError> {
    let SalesCommand::Open(args) = command;
    let request = Request::OpenSales { name: args.name.clone(), reason: args.reason.clone() };
    let status: Status = client::ask(&args.asking, &request)?;
    print(args.asking.json, &status, |_| "Sales are open. The signature is in the journal.\n".to_owned())
}

fn table(status: &Status) -> String {
    let clock = if status.clock_trusted { "" } else { " (not set: dated receipts wait)" };
    let mut lines = vec![
        ("tolov", format!("{}, up {}", status.version, span(i64::try_from(status.up_ms).unwrap_or(i64::MAX)))),
        ("clock", format!("{} Tashkent{clock}", when(status.now_ms))),
        ("sales", status.closed.as_ref().map_or("open".to_owned(), |why| format!("CLOSED: {why}"))),
        ("counter", status.counter.as_ref().map_or("free".to_owned(), payment)),
    ];
    let held =
        |whose: &String| ("code", format!("{} read; it waits until the PinPad has stopped asking for a card", whose));
    lines.extend(status.held_code.iter().map(held));
    lines.extend(status.last.iter().map(|last| ("last", payment(last))));
    lines.extend([
        ("store", store(status)),
        ("PinPad", device(status.pinpad.as_ref())),
        ("scanner", device(status.scanner.as_ref())),
        ("receipts", receipts(status)),
        ("shift", shift(status)),
        ("in doubt", if status.in_doubt.is_empty() { "nothing".to_owned() } else { in_doubt(status) }),
    ]);
    if status.faults > 0 {
        lines.push(("faults", format!("{}: a bug; send the log to whoever makes this", status.faults)));
    }
    let mut text = pairs(&lines);
    for row in &status.in_doubt {
        let (id, sum, since) = (row.transaction_id, amount(row.amount_minor), when(row.since_ms));
        text.push_str(&format!("\nIN DOUBT {id}, {} {sum} {}, since {since}\n", row.method, row.currency));
        text.push_str(&row.why.as_ref().map(|why| wrap(why, 2) + "\n").unwrap_or_default());
        text.push_str(&row.advice.as_ref().map(|advice| wrap(advice, 2) + "\n").unwrap_or_default());
    }
    if let Some(settlement) = status.settlement.as_ref().filter(|s| s.state == "settlement_in_doubt") {
        let why = settlement.why.as_deref().unwrap_or_default();
        text.push_str(&format!("\nIN DOUBT the closing of the shift, {}: {why}\n", when(settlement.created_ms)));
        let advice = "Print the report at the PinPad. If it shows a new shift:\n\
                      tolov shift resolve closed --name NAME --reason WHY\n\
                      If it still shows the old one:\n\
                      tolov shift resolve open --name NAME --reason WHY";
        text.push_str(&(wrap(advice, 2) + "\n"));
    }
    if status.closed.is_some() {
        let advice =
            "To sell again, prove that no payment is open, and sign:\ntolov sales open --name NAME --reason WHY";
        text.push_str(&format!("\n{}\n", wrap(advice, 0)));
    }
    text
}

/// "5f0e1c2a humo 500.00 UZS, paid".
fn payment(row: &PaymentRow) -> String {
    let why = row.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let (id, sum) = (short(&row.transaction_id), amount(row.amount_minor));
    format!("{id} {} {sum} {}, {}{why}", method(row), row.currency, row.state)
}

fn store(status: &Status) -> String {
    let why = status.store_why.as_deref().unwrap_or_default();
    match status.store.as_str() {
        "good" => "good".to_owned(),
        "owing" => format!("DO NOT SWITCH OFF: an answer about money is not on disk yet: {why}"),
        other => format!("{other} new sales: {why}"),
    }
}

fn device(row: Option<&DeviceRow>) -> String {
    match row {
        None => "not set up".to_owned(),
        Some(DeviceRow { up: true, .. }) => "connected".to_owned(),
        Some(DeviceRow { why, .. }) => format!("NOT CONNECTED: {}", why.as_deref().unwrap_or("no reason known")),
    }
}

fn receipts(status: &Status) -> String {
    let oldest = status.oldest_queued_ms.map(|at_ms| format!(" (oldest {})", span(status.now_ms - at_ms)));
    let parked = if status.parked > 0 { ": tolov queue list" } else { "" };
    format!(
        "{} queued{}, {} owed by the till, {} parked{parked}",
        status.queued,
        oldest.unwrap_or_default(),
        status.owed,
        status.parked
    )
}

fn shift(status: &Status) -> String {
    let last = status.settlement.as_ref().map_or("not closed from here yet".to_owned(), |s| {
        let why = s.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("last closing {} at {}{why}", s.state, when(s.updated_ms))
    });
    let schedule = status.schedule.as_ref().map_or(String::new(), |schedule| {
        let trouble = schedule.trouble.as_ref().map(|trouble| format!(", WAITS: {trouble}")).unwrap_or_default();
        format!("; closes itself at {}{trouble}", schedule.settle_at)
    });
    last + &schedule
}

fn in_doubt(status: &Status) -> String {
    let payments = u64::try_from(status.in_doubt.len()).unwrap_or(u64::MAX);
    format!("{}, see below", count(payments, "payment"))
}
