//! `tolov shift`: the totals of the card shift, and closing it.

use super::args::{Asking, ShiftArgs, ShiftCommand, ShiftShowArgs, ShiftVerdict};
use super::text::{Align, amount, slip, table, when, wrap};
use super::{CliError, Exit, Outcome, client, print};
use crate::api::control::words::{MethodTotals, Request, SettlementRow, ShiftReport, WhichShift};

pub(super) fn run(args: &ShiftArgs) -> Result<Outcome, CliError> {
    match &args.command {
        None => show(&args.show),
        Some(ShiftCommand::Close(close)) => closed(&close.asking, &Request::CloseShift {}),
        Some(ShiftCommand::Resolve(resolve)) => {
            let closed_it = resolve.verdict == ShiftVerdict::Closed;
            let (name, reason) = (resolve.name.clone(), resolve.reason.clone());
            let report: ShiftReport =
                client::ask(&resolve.asking, &Request::ResolveShift { closed: closed_it, name, reason })?;
            print(resolve.asking.json, &report, report_text)
        }
    }
}

fn show(args: &ShiftShowArgs) -> Result<Outcome, CliError> {
    let which = if args.last { WhichShift::Last } else { WhichShift::Open };
    let report: ShiftReport = client::ask(&args.asking, &Request::Shift { which })?;
    if args.csv {
        return Ok(Outcome { text: csv(&report), exit: Exit::Done });
    }
    print(args.asking.json, &report, report_text)
}

fn closed(asking: &Asking, request: &Request) -> Result<Outcome, CliError> {
    let report: ShiftReport = client::ask(asking, request)?;
    let done = report.settlement.as_ref().is_some_and(|s| s.state == "done");
    let outcome = print(asking.json, &report, report_text)?;
    Ok(Outcome { exit: if done { Exit::Done } else { Exit::Failed }, ..outcome })
}

fn report_text(report: &ShiftReport) -> String {
    let began = report.began_ms.map_or("the first sale".to_owned(), when);
    let mut text = match report.ended_ms {
        None => format!("Open shift, since {began}\n\n"),
        Some(ended_ms) => format!("Closed shift, {began} to {}\n\n", when(ended_ms)),
    };
    if report.totals.is_empty() {
        text.push_str("Nothing was sold in it.\n");
    } else {
        text.push_str(&totals(&report.totals));
    }
    let mut say = |sentence: &str| text.push_str(&format!("\n{}\n", wrap(sentence, 0)));
    if report.totals.iter().any(|row| row.in_doubt > 0) {
        say("What is in doubt is in none of the sums: tolov status says what to do about it.");
    }
    if report.cut {
        say("The shift has more payments than were added up: these totals are too small.");
    }
    if report.must_close {
        say("The PinPad refused the last card sale with code 303: it wants the shift closed first:\ntolov shift close");
    }
    if let Some(s) = &report.settlement {
        say(&settlement(s));
        if report.ended_ms.is_some() {
            say(&compared(report, s));
        }
        if !s.slip.trim().is_empty() {
            text.push('\n');
            text.push_str(&slip(&s.slip));
        }
    }
    text
}

fn totals(rows: &[MethodTotals]) -> String {
    let head = [
        ("method", Align::Left),
        ("sales", Align::Right),
        ("sold", Align::Right),
        ("voids", Align::Right),
        ("voided", Align::Right),
        ("refunded", Align::Right),
        ("in doubt", Align::Right),
        ("total", Align::Right),
        ("", Align::Left),
    ];
    let mut all: Vec<MethodTotals> = rows.to_vec();
    all.extend(sum(rows));
    let cells = all.into_iter().map(|row| {
        vec![
            row.method,
            row.sales.to_string(),
            amount(row.sales_minor),
            row.voids.to_string(),
            amount(row.voids_minor),
            amount(row.refunds_minor),
            row.in_doubt.to_string(),
            amount(row.net_minor),
            row.currency,
        ]
    });
    table(&head, &cells.collect::<Vec<_>>())
}

/// One more row where several methods share a currency.
fn sum(rows: &[MethodTotals]) -> Option<MethodTotals> {
    let first = rows.first().filter(|first| rows.len() > 1 && rows.iter().all(|row| row.currency == first.currency))?;
    let all = MethodTotals { method: "all".to_owned(), currency: first.currency.clone(), ..MethodTotals::default() };
    Some(rows.iter().fold(all, |sum, row| MethodTotals {
        sales: sum.sales + row.sales,
        sales_minor: sum.sales_minor + row.sales_minor,
        voids: sum.voids + row.voids,
        voids_minor: sum.voids_minor + row.voids_minor,
        refunds: sum.refunds + row.refunds,
        refunds_minor: sum.refunds_minor + row.refunds_minor,
        net_minor: sum.net_minor + row.net_minor,
        in_doubt: sum.in_doubt + row.in_doubt,
        in_doubt_minor: sum.in_doubt_minor + row.in_doubt_minor,
        ..sum
    }))
}

fn settlement(s: &SettlementRow) -> String {
    let why = s.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let at = when(s.updated_ms);
    match s.state.as_str() {
        "done" if s.slip.trim().is_empty() => format!(
            "The shift is closed, as was found out at {at}. No slip of its closing was received: it may have been closed at the PinPad \
             itself. Print the totals of the last shift there."
        ),
        "done" => format!("The PinPad closed the shift at {at}."),
        "processing" => format!("The PinPad is closing the shift, since {at}."),
        "refused" => format!("The PinPad did not close the shift at {at}{why}. It is still open."),
        _ => {
            let next = "If the PinPad's report shows a new shift:\n\
                        tolov shift resolve closed --name NAME --reason WHY\n\
                        If it still shows the old one:\n\
                        tolov shift resolve open --name NAME --reason WHY";
            format!("Nobody knows whether the PinPad closed the shift ({at}{why}). It is asked by its report. {next}")
        }
    }
}

/// Our total against the slip's.
fn compared(report: &ShiftReport, s: &SettlementRow) -> String {
    let agree = match s.totals_agree {
        Some(true) => " PinPad and bank agree, says the slip.",
        Some(false) => " PinPad and bank DO NOT agree, says the slip: call the bank.",
        None => "",
    };
    let ours: i64 = report.totals.iter().filter(|row| row.method == "humo").map(|row| row.net_minor).sum();
    let (here, there) = (amount(ours), s.total_minor.map(amount));
    match (report.humo_agrees, there) {
        (Some(true), Some(there)) => format!("HUMO: {here} here, {there} on the PinPad's slip: equal.{agree}"),
        (Some(false), Some(there)) => format!(
            "HUMO: {here} here, {there} on the PinPad's slip: DIFFERENT. Compare tolov payment list --method humo with the PinPad's \
             detailed report before the money is handed over.{agree}"
        ),
        _ => format!("HUMO: {here} here; the PinPad's slip names no total to compare with.{agree}"),
    }
}

/// One line a method; amounts in minor units, names as in `--json`.
fn csv(report: &ShiftReport) -> String {
    let mut text =
        "method,currency,sales,sales_minor,voids,voids_minor,refunds,refunds_minor,net_minor,in_doubt,in_doubt_minor\n"
            .to_owned();
    for r in &report.totals {
        text.push_str(&format!(
            "{},{},{},{},{},{},{},{},{},{},{}\n",
            r.method,
            r.currency,
            r.sales,
            r.sales_minor,
            r.voids,
            r.voids_minor,
            r.refunds,
            r.refunds_minor,
            r.net_minor,
            r.in_doubt,
            r.in_doubt_minor
        ));
    }
    text
}
