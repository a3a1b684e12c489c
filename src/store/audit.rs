//! The proof of promise 3: the journal, replayed from its first line, equals the payments, the tokens, the queue, the settlements and
//! the register as they stand; every approval has its debt, every debt its end or its age; no two charges share an intent.
//!
//! Reads only, in one transaction, so that it may run beside a working daemon. Holds one payment at a time in memory, and a name for
//! each: the lines are walked twice, once in their own order (numbers, register, settlements) and once payment by payment.

mod compare;
mod rules;

use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use super::error::StoreError;
use super::{FILE, history, replay, rows};
use crate::payment::card::RunId;
use crate::payment::fact::Fact;
use crate::payment::sale::{Payment, PaymentId, UnixMs};
use crate::payment::terminal::{Policy, Terminal};

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Lines of the journal that were replayed.
    pub lines: u64,
    /// The number of the last one.
    pub last_line: i64,
    /// Where the journal begins, if its earlier lines were exported or lost: the number of the last line before it.
    pub cut_at: Option<i64>,
    /// Payments.
    pub payments: u64,
    /// What is still owed to the tax service, and since when.
    pub debts: Debts,
    /// What does not hold, the first ones in full.
    pub differences: Vec<Difference>,
    /// How many there are in all.
    pub differences_found: u64,
}

/// Fiscal debts without an end, by their age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Debts {
    /// Sales whose receipt the till has not brought.
    pub owed: Debt,
    /// Receipts to be delivered.
    pub queued: Debt,
    /// Receipts that a person has to look at.
    pub parked: Debt,
}

/// Debts of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Debt {
    /// How many.
    pub count: u64,
    /// Since when the oldest stands.
    pub oldest_ms: Option<UnixMs>,
}

impl Debt {
    fn add(&mut self, since_ms: UnixMs) {
        self.count += 1;
        self.oldest_ms = Some(self.oldest_ms.map_or(since_ms, |oldest| oldest.min(since_ms)));
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which of the promises: `journal`, `payment`, `queue`, `token`, `settlement`, `register`, `charge`, `refund`, `debt`.
    pub of: &'static str,
    /// About which payment.
    pub payment: Option<PaymentId>,
    /// In words.
    pub text: String,
}

/// Differences that are kept in full. A thousand say as much as a million, and fit on a screen as badly.
const DIFFERENCES: usize = 1_000;

impl AuditReport {
    /// Everything holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.differences_found == 0
    }

    fn differ(&mut self, of: &'static str, payment: Option<PaymentId>, text: String) {
        self.differences_found += 1;
        if self.differences.len() < DIFFERENCES {
            self.differences.push(Difference { of, payment, text });
        }
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "journal: {} lines up to number {}", self.lines, self.last_line)?;
        if let Some(cut) = self.cut_at {
            writeln!(f, "         begins after line {cut}; what came before is a checkpoint")?;
        }
        writeln!(f, "payments: {}", self.payments)?;
        for (name, debt) in [("owed", self.debts.owed), ("queued", self.debts.queued), ("parked", self.debts.parked)] {
            write!(f, "receipts {name}: {}", debt.count)?;
            match debt.oldest_ms.map(jiff::Timestamp::from_millisecond) {
                Some(Ok(oldest)) => writeln!(f, ", the oldest since {oldest}")?,
                Some(Err(_)) => writeln!(f, ", the oldest of no known time")?,
                None => writeln!(f)?,
            }
        }
        for d in &self.differences {
            match d.payment {
                Some(payment) => writeln!(f, "DIFFERS {} {payment}: {}", d.of, d.text)?,
                None => writeln!(f, "DIFFERS {}: {}", d.of, d.text)?,
            }
        }
        match self.differences_found {
            0 => write!(f, "everything holds"),
            n => write!(f, "{n} differences: keep the file, do not repair it by hand, and call support"),
        }
    }
}

/// Prove the store in `dir`, or say where the proof fails.
///
/// # Errors
/// There is no store, or it cannot be read to its end.
pub fn audit(dir: &Path) -> Result<AuditReport, StoreError> {
    let path = dir.join(FILE);
    let conn = history::reader(&path)?;
    audit_connection(&conn).map_err(|e| StoreError::sqlite(&path, &e))
}

/// Prove what this connection sees.
pub(super) fn audit_connection(conn: &Connection) -> rusqlite::Result<AuditReport> {
    let own_transaction = conn.is_autocommit();
    if own_transaction {
        conn.execute_batch("BEGIN")?;
    }
    let mut auditor = Auditor { conn, report: AuditReport::default(), runs: HashSet::new(), totals: Totals::default() };
    let done = auditor.in_order().and_then(|()| auditor.by_payment());
    if own_transaction {
        conn.execute_batch("COMMIT")?;
    }
    done.map(|()| auditor.report)
}

struct Auditor<'a> {
    conn: &'a Connection,
    report: AuditReport,
    /// Every run that was ever named: two jobs under one name would be one charge for two intents.
    runs: HashSet<RunId>,
    totals: Totals,
}

/// Rows that there should be, counted while payments are replayed.
#[derive(Debug, Default)]
struct Totals {
    tokens: i64,
    refunds: i64,
    confirmations: i64,
}

impl Auditor<'_> {
    /// First walk, in the order of the lines: numbers without a gap, the register, the settlements, the runs.
    fn in_order(&mut self) -> rusqlite::Result<()> {
        self.report.cut_at = self.conn.query_row("SELECT max(seq) FROM cut", [], |row| row.get(0))?;
        let mut terminal = replay::at_the_cut(self.conn)?;
        let mut expected = self.report.cut_at.unwrap_or(0) + 1;
        let mut statement = self.conn.prepare("SELECT seq, at_ms, payment_id, body FROM journal ORDER BY seq")?;
        let mut lines = statement.query([])?;
        while let Some(line) = lines.next()? {
            let number: i64 = line.get(0)?;
            if number != expected {
                let text = format!("line {expected} is missing: line {number} comes in its place");
                self.report.differ("journal", None, text);
            }
            expected = number + 1;
            self.report.lines += 1;
            let fact: Fact = match serde_json::from_str(line.get_ref(3)?.as_str()?) {
                Ok(fact) => fact,
                Err(e) => {
                    self.report.differ("journal", None, format!("line {number} is not a line of this version: {e}"));
                    continue;
                }
            };
            let about: Option<String> = line.get(2)?;
            if about != fact.payment().map(|id| id.to_string()) {
                let text = format!("line {number} is filed under {about:?}, but speaks of another payment");
                self.report.differ("journal", fact.payment(), text);
            }
            self.name_runs(number, &fact);
            if let Fact::SettlementOpened { .. } = fact {
                self.settle(&terminal)?;
            }
            if fact.payment().is_none() || matches!(fact, Fact::Opened { .. }) {
                if let Err(e) = terminal.apply(line.get(1)?, &fact) {
                    self.report.differ("journal", None, format!("line {number}: {e}"));
                }
                // Payments are replayed one by one in the second walk; here only what a sale leaves in the register counts.
                terminal.payments.clear();
            }
        }
        self.report.last_line = expected - 1;
        self.settle(&terminal)?;
        self.register(&terminal)
    }

    fn name_runs(&mut self, number: i64, fact: &Fact) {
        let run = match fact {
            Fact::Opened { run, .. } | Fact::Accepted { run, .. } => run.as_ref().map(|(id, _)| *id),
            Fact::RefundOpened { run, .. } => run.as_ref().map(|(id, _)| *id),
            Fact::SettlementOpened { run, .. } | Fact::CardAsked { run, .. } => Some(run.0),
            _ => None,
        };
        if let Some(run) = run
            && !self.runs.insert(run)
        {
            let text = format!("line {number} starts run {run} of the PinPad a second time");
            self.report.differ("charge", fact.payment(), text);
        }
    }

    /// Second walk, payment by payment: replay, compare, and hold against the rules.
    fn by_payment(&mut self) -> rusqlite::Result<()> {
        let mut seen: HashSet<PaymentId> = HashSet::new();
        // Only names and numbers are sorted; the lines themselves are fetched in their turn.
        let mut order = self
            .conn
            .prepare("SELECT payment_id, seq FROM journal WHERE payment_id IS NOT NULL ORDER BY payment_id, seq")?;
        let mut line = self.conn.prepare("SELECT at_ms, body FROM journal WHERE seq = ?1")?;
        let mut names = order.query([])?;
        let mut replay: Option<Replay> = None;
        while let Some(row) = names.next()? {
            let name = row.get_ref(0)?.as_str()?;
            if replay.as_ref().is_none_or(|r| r.name != name) {
                self.finish(replay.take(), &mut seen)?;
                replay = Some(self.begin(name)?);
            }
            let Some(replay) = replay.as_mut() else { continue };
            let number: i64 = row.get(1)?;
            let (at_ms, body): (UnixMs, String) = line.query_row([number], |r| Ok((r.get(0)?, r.get(1)?)))?;
            // A line that cannot be read was reported in the first walk.
            if let Ok(fact) = serde_json::from_str(&body) {
                replay.take(at_ms, number, &fact, &mut self.report);
            }
        }
        self.finish(replay.take(), &mut seen)?;
        self.untouched_since_the_cut(&mut seen)?;
        self.rows_without_lines(&seen)?;
        self.report.payments = seen.len() as u64;
        self.counted()?;
        rules::one_charge_a_code(self.conn, &mut self.report)
    }

    /// Begin with what the cut knows of this payment.
    fn begin(&self, name: &str) -> rusqlite::Result<Replay> {
        let at_the_cut: Option<Payment> = self
            .conn
            .prepare_cached("SELECT body FROM cut_payment WHERE payment_id = ?1")?
            .query_row([name], rows::parse_body)
            .optional()?;
        let mut replay = Replay::new(name);
        if let Some(payment) = at_the_cut {
            replay.terminal.adopt(payment);
        }
        Ok(replay)
    }

    fn finish(&mut self, replay: Option<Replay>, seen: &mut HashSet<PaymentId>) -> rusqlite::Result<()> {
        let Some(replay) = replay else { return Ok(()) };
        let Some(payment) = replay.terminal.payments.into_values().next() else { return Ok(()) };
        seen.insert(payment.id);
        self.stands(&payment, Some(replay.last))
    }

    /// What was replayed is what stands, and keeps the rules. `last` = the last line about it, where the journal has one.
    fn stands(&mut self, payment: &Payment, last: Option<i64>) -> rusqlite::Result<()> {
        rules::hold(payment, &mut self.report);
        self.compare(payment, last)
    }

    /// Payments that no line since the cut speaks of stand as they stood there.
    fn untouched_since_the_cut(&mut self, seen: &mut HashSet<PaymentId>) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare("SELECT body FROM cut_payment ORDER BY payment_id")?;
        let mut found = statement.query_map([], rows::parse_body::<Payment>)?;
        while let Some(payment) = found.next().transpose()? {
            if seen.insert(payment.id) {
                self.stands(&payment, None)?;
            }
        }
        Ok(())
    }

    fn rows_without_lines(&mut self, seen: &HashSet<PaymentId>) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare("SELECT id FROM payment")?;
        let mut names = statement.query([])?;
        while let Some(row) = names.next()? {
            let name = row.get_ref(0)?.as_str()?;
            let id = name.parse().ok().map(PaymentId);
            if id.is_none_or(|id| !seen.contains(&id)) {
                self.report.differ("payment", id, format!("row {name} was made by no line of the journal"));
            }
        }
        Ok(())
    }
}

/// One payment as its lines make it.
struct Replay {
    name: String,
    terminal: Terminal,
    /// Requests for money that its lines let out.
    charges: u32,
    /// The number of its last line.
    last: i64,
    broken: bool,
}

impl Replay {
    fn new(name: &str) -> Self {
        Self { name: name.into(), terminal: Terminal::new(Policy::default()), charges: 0, last: 0, broken: false }
    }

    fn take(&mut self, at_ms: UnixMs, number: i64, fact: &Fact, report: &mut AuditReport) {
        self.last = number;
        // After a line that does not follow, nothing that comes after it proves anything.
        if self.broken {
            return;
        }
        let unpaid = rules::no_card_paid(fact, self.terminal.payments.values().next());
        if let Err(e) = self.terminal.apply(at_ms, fact) {
            report.differ("journal", fact.payment(), format!("line {number}: {e}"));
            self.broken = true;
            return;
        }
        let payment = self.terminal.payments.values().next();
        if unpaid {
            self.charges = 0;
        }
        self.charges += rules::charges(fact);
        if self.charges > 1 && rules::charges(fact) > 0 {
            report.differ("charge", fact.payment(), format!("line {number} asks for the money a second time"));
        }
        rules::debt_is_born(number, fact, payment, report);
        rules::signature_says_why(number, fact, report);
    }
}
