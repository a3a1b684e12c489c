//! `tolov audit`: reads the store itself, so that it works when the daemon does not.

use super::args::AuditArgs;
use super::text::{count, pairs, when, wrap};
use super::{CliError, Exit, Outcome, as_json};
use crate::config::Settings;
use crate::store::audit::{AuditReport, Debt, audit};

pub(super) fn run(args: &AuditArgs) -> Result<Outcome, CliError> {
    let dir = match &args.store {
        Some(dir) => dir.clone(),
        None => Settings::load(&args.config)?.store.dir,
    };
    let report = audit(&dir)?;
    let exit = if report.holds() { Exit::Done } else { Exit::AuditFails };
    let text = if args.json { as_json(&report)? } else { table(&report, &dir.display().to_string()) };
    Ok(Outcome { text, exit })
}

fn table(report: &AuditReport, dir: &str) -> String {
    let mut journal = format!("{}, the last one has number {}", count(report.lines, "line"), report.last_line);
    if let Some(cut) = report.cut_at {
        journal.push_str(&format!("; it begins after number {cut}, the lines before were exported or lost"));
    }
    let lines = [
        ("store", dir.to_owned()),
        ("journal", journal),
        ("payments", report.payments.to_string()),
        ("owed", debt(report.debts.owed, "the till has not brought the receipt")),
        ("queued", debt(report.debts.queued, "on their way to the provider")),
        ("parked", debt(report.debts.parked, "a person has to look: tolov queue list")),
    ];
    let mut text = pairs(&lines);
    if report.holds() {
        text.push_str(
            "\nIt holds: the journal, replayed from its first line, gives the payments and the queue as they stand.\n",
        );
        return text;
    }
    text.push_str(&format!("\nIT DOES NOT HOLD: {}\n", count(report.differences_found, "difference")));
    for difference in &report.differences {
        let payment = difference.payment.map(|id| format!("payment {id}: ")).unwrap_or_default();
        let line = wrap(&format!("{}: {payment}{}", difference.of, difference.text), 4);
        text.push_str(&format!("  - {}\n", line.trim_start()));
    }
    let shown = u64::try_from(report.differences.len()).unwrap_or(u64::MAX);
    if shown < report.differences_found {
        text.push_str(&format!("  and {} more\n", report.differences_found - shown));
    }
    text.push_str("\nKeep a copy of the store's folder as it is, and send it to whoever maintains the terminal.\n");
    text
}

fn debt(debt: Debt, meaning: &str) -> String {
    match debt.oldest_ms {
        Some(oldest_ms) if debt.count > 0 => {
            format!("{}, the oldest since {} ({meaning})", debt.count, when(oldest_ms))
        }
        _ => debt.count.to_string(),
    }
}
