//! `tolov payment`.

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::args::{ListArgs, PaymentCommand, ResolveArgs, Verdict};
use super::text::{Align, amount, count, pairs, short, slip, table, when, wrap};
use super::{CliError, Outcome, client, print};
use crate::api::control::words::{
    CardRow, PaymentDetail, PaymentRow, PaymentsAsked, ReceiptRow, RefundRow, Request, Resolve, WishRow,
};
use crate::clock;

pub(super) fn run(command: &PaymentCommand) -> Result<Outcome, CliError> {
    match command {
        PaymentCommand::List(args) => list(args),
        PaymentCommand::Show(args) => {
            let found: PaymentDetail = client::ask(&args.asking, &Request::Payment { id: args.id.clone() })?;
            print(args.asking.json, &found, detail)
        }
        PaymentCommand::Resolve(args) => resolve(args),
        PaymentCommand::Cancel(args) => {
            let found: PaymentDetail = client::ask(&args.asking, &Request::Cancel { id: args.id.clone() })?;
            print(args.asking.json, &found, |found| {
                format!("Payment {} is {}.\n", found.row.transaction_id, found.row.state)
            })
        }
    }
}

fn list(args: &ListArgs) -> Result<Outcome, CliError> {
    let (since_ms, until_ms) = match args.day {
        Some(day) => (Some(midnight(day)?), day.checked_add(1.day()).ok().map(midnight).transpose()?),
        None => (None, None),
    };
    let asked = PaymentsAsked {
        method: args.method.clone(),
        state: args.state.clone(),
        order_id: args.order.clone(),
        since_ms,
        until_ms,
        limit: Some(args.limit),
    };
    let rows: Vec<PaymentRow> = client::ask(&args.asking, &Request::Payments(asked))?;
    print(args.asking.json, &rows, |rows| payments(rows.as_slice(), args.limit))
}

/// When a day begins where the terminal stands.
pub(super) fn midnight(day: Date) -> Result<i64, CliError> {
    let zone = clock::local(0).time_zone().clone();
    let begins = day.to_zoned(zone).map_err(|error| CliError::Usage(format!("--day: {error}")))?;
    Ok(begins.timestamp().as_millisecond())
}

fn payments(rows: &[PaymentRow], limit: u32) -> String {
    if rows.is_empty() {
        return "No payments.\n".to_owned();
    }
    let head = [
        ("asked", Align::Left),
        ("id", Align::Left),
        ("method", Align::Left),
        ("amount", Align::Right),
        ("", Align::Left),
        ("state", Align::Left),
        ("fiscal", Align::Left),
        ("order", Align::Left),
    ];
    let cells = rows.iter().map(|row| {
        let mark = if row.late { " (late)" } else { "" };
        vec![
            when(row.created_ms),
            short(&row.transaction_id),
            method(row).to_owned(),
            amount(row.amount_minor),
            row.currency.clone(),
            format!("{}{mark}", row.state),
            row.fiscal.clone(),
            row.order_id.clone().unwrap_or_default(),
        ]
    });
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let more = if shown >= u64::from(limit) { "There may be more: --limit COUNT. " } else { "" };
    let closing = format!("{}. {more}Everything about one: tolov payment show ID", count(shown, "payment"));
    table(&head, &cells.collect::<Vec<_>>()) + "\n" + &wrap(&closing, 0) + "\n"
}

fn resolve(args: &ResolveArgs) -> Result<Outcome, CliError> {
    let request = Request::Resolve(Resolve {
        id: args.id.clone(),
        paid: args.verdict == Verdict::Paid,
        name: args.name.clone(),
        reason: args.reason.clone(),
        payment_id: args.payment_id.clone(),
        rrn: args.rrn.clone(),
        no_evidence: args.no_evidence,
    });
    let found: PaymentDetail = client::ask(&args.asking, &request)?;
    print(args.asking.json, &found, |found| {
        let row = &found.row;
        let receipt = match row.fiscal.as_str() {
            "owed" => " The till has to bring its receipt now.",
            "queued" => " Its receipt is on its way.",
            "parked" => " Its receipt is parked: tolov queue show ID.",
            _ => "",
        };
        format!("Payment {} is {}.\nThe signature is in the journal.{receipt}\n", row.transaction_id, row.state)
    })
}

/// Everything about one payment.
pub(super) fn detail(found: &PaymentDetail) -> String {
    let row = &found.row;
    let why = row.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let late = if row.late { " (late: it had ended otherwise before)" } else { "" };
    let mut lines = vec![
        ("amount", format!("{} {} by {}", amount(row.amount_minor), row.currency, by(row))),
        ("state", format!("{} since {}{late}{why}", row.state, when(row.since_ms))),
        ("fiscal", row.fiscal.clone()),
        ("asked", asked(found)),
    ];
    if let Some(parties) = &found.parties {
        if !parties.sender_id.is_empty() {
            lines.push(("from", parties.sender_id.clone()));
        }
        if !parties.recipcient_id.is_empty() {
            lines.push(("to", format!("{} by {}", parties.recipcient_id, parties.method_id)));
        }
    }
    let named = if row.method == "humo" { "RRN" } else { "payment_id" };
    let optional = [
        ("order", row.order_id.clone()),
        (named, row.payment_id.clone()),
        ("message", found.message.clone()),
        ("phone", found.phone_masked.clone()),
        ("evidence", found.evidence.clone()),
        ("same amount", found.warned_of.map(|id| format!("payment {id} was in doubt when this one began"))),
    ];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    if let Some(signed) = &found.resolution {
        let evidence = signed.evidence.as_ref().map(|found| format!(" (evidence: {found})")).unwrap_or_default();
        lines.push(("resolved by", format!("{}: {}{evidence}", signed.name, signed.reason)));
    }
    let merchant = &found.merchant;
    let identity = format!("INN {}, register {}, device {}", merchant.inn, merchant.kkm_id, merchant.device_id);
    lines.push(("merchant", identity));
    let mut text = format!("payment {}\n{}", row.transaction_id, pairs(&lines));
    text.push_str(
        &row.advice.as_ref().map(|advice| format!("\nWhat to do\n{}\n", wrap(advice, 2))).unwrap_or_default(),
    );
    text.push_str(&wishes(&found.wishes));
    text.push_str(&found.card.as_ref().map(|run| card(run, row)).unwrap_or_default());
    found.refunds.iter().for_each(|r| text.push_str(&refund(r)));
    found.receipts.iter().for_each(|r| text.push_str(&receipt(r)));
    text
}

/// Who moves the money, as far as the customer has said.
pub(super) fn method(row: &PaymentRow) -> &str {
    if row.undecided { "auto" } else { &row.method }
}

fn by(row: &PaymentRow) -> String {
    match (row.auto, row.undecided) {
        (false, _) => row.method.clone(),
        (true, false) => format!("{} (auto: the customer chose)", row.method),
        (true, true) => "a card or a code (auto)".to_owned(),
    }
}

/// When the till asked, and when it wanted the money.
fn asked(found: &PaymentDetail) -> String {
    let (row, created) = (&found.row, when(found.row.created_ms));
    match (&found.parties, found.wishes.iter().any(|wish| wish.what == "accept")) {
        (None, _) => created,
        (Some(_), true) => format!("{created}, accepted {}", when(row.begun_ms)),
        (Some(_), false) => format!("{created}, not accepted"),
    }
}

/// What the till asked of a payment that it had created.
fn wishes(wishes: &[WishRow]) -> String {
    if wishes.is_empty() {
        return String::new();
    }
    let lines = wishes.iter().map(|wish| {
        let reason = wish.reason.as_ref().map(|reason| format!(": {}", reason.replace('_', " "))).unwrap_or_default();
        format!("  {}  {}{reason}\n", when(wish.at_ms), wish.what)
    });
    format!("\nAsked by the till\n{}", lines.collect::<String>())
}

fn card(card: &CardRow, row: &PaymentRow) -> String {
    let known_rrn = row.payment_id.as_deref();
    let head = if row.method == "humo" { "PinPad" } else { "PinPad: no card paid" };
    let presented = if card.presented { "presented" } else { "not presented" };
    let fields = [
        ("card", Some(card.card_masked.clone().unwrap_or_else(|| presented.to_owned()))),
        ("result", card.result.clone()),
        ("RRN", card.rrn.clone().filter(|rrn| Some(rrn.as_str()) != known_rrn)),
        ("authorisation", card.authorisation_code.clone()),
        ("terminal", card.terminal_id.clone()),
        (
            "shift, slip",
            card.shift.clone().zip(card.receipt_number.clone()).map(|(shift, slip)| format!("{shift}, {slip}")),
        ),
    ];
    let lines: Vec<_> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    format!("\n{head}\n{}{}", pairs(&lines), slip(&card.slip))
}

fn refund(r: &RefundRow) -> String {
    let why = r.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let lines = [
        ("amount", format!("{} {}", amount(r.amount_minor), r.currency)),
        ("state", format!("{}{why}", r.state)),
        ("asked", when(r.created_ms)),
    ];
    format!("\n{} {}\n{}", r.kind, r.refund_id, pairs(&lines))
}

/// A receipt of a payment.
pub(super) fn receipt(r: &ReceiptRow) -> String {
    let mut lines = vec![("state", r.state.clone()), ("brought", when(r.asked_ms))];
    lines.push(("tried", count(u64::from(r.attempts), "time")));
    if r.state == "queued" {
        lines.push(("next try", format!("not before {}", when(r.next_ms))));
    }
    let optional = [("last error", r.last_error.clone()), ("answer", r.answer.clone()), ("link", r.link.clone())];
    lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    format!("\nreceipt {}\n{}", r.number, pairs(&lines))
}
