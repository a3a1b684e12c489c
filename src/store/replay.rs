//! Replaying lines that wait in a temporary table: what a new file is made of, one payment in memory at a time.

use rusqlite::{Connection, OptionalExtension as _};
use std::sync::Arc;

use super::error::unreadable;
use super::rows;
use crate::payment::card::Settlement;
use crate::payment::fact::Fact;
use crate::payment::sale::{Payment, UnixMs};
use crate::payment::terminal::{Policy, Terminal};

/// `line`: the lines to be replayed; `start`: the payments as they stood before the first of them.
pub(super) const SCRATCH: &str = "
CREATE TEMP TABLE line (seq INTEGER PRIMARY KEY, at_ms INTEGER, payment_id TEXT, body TEXT);
CREATE TEMP TABLE start (payment_id TEXT PRIMARY KEY, body TEXT);";

/// The register and the last settlement as they stood where this connection's journal begins.
pub(super) fn at_the_cut(conn: &Connection) -> rusqlite::Result<Terminal> {
    let mut terminal = Terminal::new(Policy::default());
    let cut: Option<(Option<String>, String)> = conn
        .query_row("SELECT settlement, register FROM main.cut ORDER BY seq DESC LIMIT 1", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()?;
    if let Some((settlement, register)) = cut {
        terminal.register = serde_json::from_str(&register).map_err(unreadable)?;
        terminal.settlement =
            settlement.map(|s| serde_json::from_str(&s)).transpose().map_err(unreadable)?.map(Arc::new);
    }
    Ok(terminal)
}

/// Replay what is no payment's own: the register and the settlements, each change of which is shown. Nothing, where a line does not
/// follow from those before it.
pub(super) fn in_order(
    conn: &Connection,
    mut terminal: Terminal,
    settled: &mut dyn FnMut(&Settlement) -> rusqlite::Result<()>,
) -> rusqlite::Result<Option<Terminal>> {
    let mut right = true;
    each_line(conn, "SELECT seq, at_ms, body FROM temp.line ORDER BY seq", &mut |at_ms, fact| {
        if fact.payment().is_none() || matches!(fact, Fact::Opened { .. }) {
            right &= terminal.apply(at_ms, fact).is_ok();
            // Of a sale only what it leaves in the register counts here.
            terminal.payments.clear();
        }
        match &terminal.settlement {
            Some(settlement) if fact.settlement().is_some() => settled(settlement),
            _ => Ok(()),
        }
    })?;
    Ok(right.then_some(terminal))
}

/// Replay payment by payment, in the order in which they were opened; those of the start come first, as they stood, and once more
/// when their lines were replayed. Whether every line followed.
pub(super) fn each_payment(
    conn: &Connection,
    put: &mut dyn FnMut(&Payment) -> rusqlite::Result<()>,
) -> rusqlite::Result<bool> {
    const IN_TURN: &str = "SELECT seq, at_ms, body FROM (SELECT *, min(seq) OVER (PARTITION BY payment_id) AS opened FROM temp.line \
                           WHERE payment_id IS NOT NULL) ORDER BY opened, seq";
    let mut statement = conn.prepare("SELECT body FROM temp.start ORDER BY body ->> 'created_ms'")?;
    let mut found = statement.query_map([], rows::parse_body::<Payment>)?;
    while let Some(payment) = found.next().transpose()? {
        put(&payment)?;
    }
    let mut start = conn.prepare("SELECT body FROM temp.start WHERE payment_id = ?1")?;
    let mut terminal = Terminal::new(Policy::default());
    let mut turn = |terminal: &mut Terminal, next: Option<&str>| -> rusqlite::Result<()> {
        if let Some(done) = terminal.payments.values().next() {
            put(done)?;
        }
        terminal.payments.clear();
        if let Some(name) = next
            && let Some(payment) = start.query_row([name], rows::parse_body).optional()?
        {
            terminal.adopt(payment);
        }
        Ok(())
    };
    let mut right = true;
    let mut current = None;
    each_line(conn, IN_TURN, &mut |at_ms, fact| {
        let Some(id) = fact.payment() else { return Ok(()) };
        if current != Some(id) {
            current = Some(id);
            turn(&mut terminal, Some(&id.to_string()))?;
        }
        right &= terminal.apply(at_ms, fact).is_ok();
        Ok(())
    })?;
    turn(&mut terminal, None)?;
    Ok(right)
}

fn each_line(
    conn: &Connection,
    sql: &str,
    visit: &mut dyn FnMut(UnixMs, &Fact) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut lines = statement.query([])?;
    while let Some(line) = lines.next()? {
        let fact = serde_json::from_str(line.get_ref(2)?.as_str()?).map_err(unreadable)?;
        visit(line.get(1)?, &fact)?;
    }
    Ok(())
}
