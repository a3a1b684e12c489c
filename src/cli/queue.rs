//! `tolov queue`: fiscal receipts on their way to the provider.

use super::args::{ConfirmArgs, QueueCommand, QueueListArgs, RetryArgs};
use super::payment;
use super::text::{Align, amount, count, short, table, when, wrap};
use super::{CliError, Outcome, client, print};
use crate::api::control::words::{ConfirmReceipt, Document, PaymentDetail, QueueRow, Request, Retry};
use crate::limits;

pub(super) fn run(command: &QueueCommand) -> Result<Outcome, CliError> {
    match command {
        QueueCommand::List(args) => list(args),
        QueueCommand::Show(args) => {
            let found: PaymentDetail = client::ask(&args.asking, &Request::Payment { id: args.id.clone() })?;
            print(args.asking.json, &found, shown)
        }
        QueueCommand::Retry(args) => retry(args),
        QueueCommand::Confirm(args) => confirm(args),
    }
}

fn list(args: &QueueListArgs) -> Result<Outcome, CliError> {
    let request = Request::Queue { method: args.method.clone(), limit: Some(args.limit) };
    let rows: Vec<QueueRow> = client::ask(&args.asking, &request)?;
    print(args.asking.json, &rows, |rows| receipts(rows.as_slice(), args.limit))
}

fn receipts(rows: &[QueueRow], limit: u32) -> String {
    if rows.is_empty() {
        return "No receipt waits.\n".to_owned();
    }
    let head = [
        ("brought", Align::Left),
        ("id", Align::Left),
        ("method", Align::Left),
        ("amount", Align::Right),
        ("state", Align::Left),
        ("tries", Align::Right),
        ("last error", Align::Left),
    ];
    let cells = rows.iter().map(|row| {
        vec![
            when(row.receipt.asked_ms),
            short(&row.payment.transaction_id),
            row.payment.method.clone(),
            amount(row.payment.amount_minor),
            row.receipt.state.clone(),
            row.receipt.attempts.to_string(),
            row.receipt.last_error.clone().unwrap_or_default(),
        ]
    });
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let more = if shown >= u64::from(limit) { "There may be more: --limit COUNT. " } else { "" };
    let closing = format!("{}. {more}Why one is parked, and what to do: tolov queue show ID", count(shown, "receipt"));
    table(&head, &cells.collect::<Vec<_>>()) + "\n" + &wrap(&closing, 0) + "\n"
}

fn shown(found: &PaymentDetail) -> String {
    let row = &found.row;
    let Some(last) = found.receipts.last() else {
        let (id, fiscal) = (row.transaction_id, &row.fiscal);
        return format!(
            "Payment {id} has no receipt (fiscal: {fiscal}). The till brings it: click_confirm, payme_confirm, or POST …/receipt of SBP.\n"
        );
    };
    let id = row.payment_id.as_deref().unwrap_or("none: the provider's answer had no payment_id");
    let mut text =
        format!("payment {}, {} {} by {}\n", row.transaction_id, amount(row.amount_minor), row.currency, row.method);
    text.push_str(&format!("  payment_id {id}\n"));
    text.push_str(&payment::receipt(last));
    text.push_str(
        &row.advice.as_ref().map(|advice| format!("\nWhat to do\n{}\n", wrap(advice, 2))).unwrap_or_default(),
    );
    text
}

fn retry(args: &RetryArgs) -> Result<Outcome, CliError> {
    let (link, document) = match &args.with {
        Some(file) => brought_by(file)?,
        None => (args.link.clone(), None),
    };
    let request = Request::Retry(Retry {
        id: args.id.clone(),
        link,
        document,
        payment_id: args.payment_id.clone(),
        name: args.name.clone(),
    });
    let found: PaymentDetail = client::ask(&args.asking, &request)?;
    print(args.asking.json, &found, stands)
}

/// Where the receipt stands now.
fn stands(found: &PaymentDetail) -> String {
    let Some(last) = found.receipts.last() else { return "There is no receipt to send.\n".to_owned() };
    let id = found.row.transaction_id;
    match last.state.as_str() {
        "confirmed" => format!("The provider has confirmed receipt {} of payment {id}.\n", last.number),
        "queued" => {
            format!("Receipt {} of payment {id} is on its way: tolov queue show {}\n", last.number, short(&id))
        }
        _ => {
            let why = last.last_error.as_deref().unwrap_or("no reason known");
            wrap(&format!("Receipt {} of payment {id} is {}: {why}", last.number, last.state), 0) + "\n"
        }
    }
}

fn confirm(args: &ConfirmArgs) -> Result<Outcome, CliError> {
    let request = Request::ConfirmReceipt(ConfirmReceipt {
        id: args.id.clone(),
        evidence: args.evidence.clone(),
        name: args.name.clone(),
        reason: args.reason.clone(),
    });
    let found: PaymentDetail = client::ask(&args.asking, &request)?;
    print(args.asking.json, &found, |found| match found.receipts.last() {
        Some(last) if last.state == "confirmed" => {
            let id = found.row.transaction_id;
            let said =
                format!("Receipt {} of payment {id} is confirmed by your signature and is sent no more.", last.number);
            wrap(&said, 0) + "\n"
        }
        _ => stands(found),
    })
}

/// What a file brings: a document, if it begins as JSON does, or else the link in its first line.
fn brought_by(file: &std::path::Path) -> Result<(Option<String>, Option<Document>), CliError> {
    use std::io::Read as _;
    let unreadable =
        |error: std::io::Error| CliError::File { path: file.display().to_string(), why: error.to_string() };
    let mut text = String::new();
    let most = u64::try_from(limits::CONTROL_REQUEST_MAX_BYTES).unwrap_or(u64::MAX);
    std::fs::File::open(file).and_then(|open| open.take(most).read_to_string(&mut text)).map_err(unreadable)?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return Ok((None, Some(Document(text.to_owned()))));
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let nothing = || CliError::Usage(format!("{} holds no link and no document", file.display()));
    Ok((Some(first.ok_or_else(nothing)?.to_owned()), None))
}
