//! What has changed: for tills that follow the journal, and for those that were off and catch up.

use rusqlite::{Connection, OptionalExtension as _};

use super::error::unreadable;
use super::rows;
use crate::history::{ChangeFilter, Changes, JournalEnds};
use crate::payment::fact::{Fact, Move};
use crate::payment::sale::{Method, Payment, PaymentId, UnixMs};

/// One look at the end of each table.
const ENDS: &str = "SELECT coalesce(max(seq), 0), coalesce((SELECT max(seq) FROM journal), max(seq), 0) FROM cut";

/// Where the journal begins and ends.
pub(super) fn ends(conn: &Connection) -> rusqlite::Result<JournalEnds> {
    conn.prepare_cached(ENDS)?.query_row([], |row| Ok(JournalEnds { cut_at: row.get(0)?, last: row.get(1)? }))
}

/// The lines about a payment before a line, the last one first. A card is presented soon after its sale began, so that few are walked past.
pub(super) const BACKWARDS: &str = "SELECT body FROM journal WHERE seq < ?1 AND payment_id = ?2 ORDER BY seq DESC";

/// Where a payment stood before that line.
pub(super) fn state_before(conn: &Connection, line: i64, payment: PaymentId) -> rusqlite::Result<Option<&'static str>> {
    let mut statement = conn.prepare_cached(BACKWARDS)?;
    let mut lines = statement.query((line, payment.to_string()))?;
    let mut card_presented = false;
    while let Some(row) = lines.next()? {
        let fact: Fact = rows::parse_body(row)?;
        match fact.moves() {
            Some(Move::To(state)) if card_presented => return Ok(Move::CardPresented.after(Some(state))),
            Some(Move::To(state)) => return Ok(Some(state)),
            Some(Move::CardPresented) => card_presented = true,
            None => {}
        }
    }
    Ok(None)
}

/// Payments that have ended, in the order of their last lines. Read row by row, and no further than is wanted.
pub(super) const ENDED: &str =
    "SELECT line, method, state, order_id, body FROM payment WHERE resident = 0 AND line > ?1 ORDER BY line";

/// The few that go on, the one that changed last first.
const OPEN: &str =
    "SELECT line, method, state, order_id, body FROM payment WHERE resident = 1 AND line > ?1 ORDER BY line DESC";

/// A payment's last line, and the payment where it is wanted.
type Row = (i64, Option<Payment>);

fn read(row: &rusqlite::Row<'_>, filter: &ChangeFilter) -> rusqlite::Result<Row> {
    let is = |at: usize, wanted: Option<&str>| -> rusqlite::Result<bool> {
        Ok(wanted.is_none() || row.get_ref(at)?.as_str_or_null()? == wanted)
    };
    let wanted = is(1, filter.method.map(Method::name))?
        && is(2, filter.state.as_deref())?
        && is(3, filter.order_id.as_deref())?;
    let body = |row: &rusqlite::Row<'_>| serde_json::from_str(row.get_ref(4)?.as_str()?).map_err(unreadable);
    Ok((row.get(0)?, wanted.then(|| body(row)).transpose()?))
}

/// Payments that changed after a line.
pub(super) fn since(conn: &Connection, filter: &ChangeFilter) -> rusqlite::Result<Changes> {
    // One moment for all of it: a line that is written between two questions is in neither or in both.
    let moment = conn.unchecked_transaction()?;
    let mut found = Changes { read_to: filter.after, ..Changes::default() };
    {
        let mut statement = moment.prepare_cached(OPEN)?;
        let mut open: Vec<Row> =
            statement.query_map([filter.after], |row| read(row, filter))?.collect::<Result<_, _>>()?;
        let mut statement = moment.prepare_cached(ENDED)?;
        let mut ended = statement.query_map([filter.after], |row| read(row, filter))?;
        let mut next_ended = ended.next().transpose()?;
        for looked_at in 0_u32.. {
            let open_first = match (open.last(), &next_ended) {
                (None, None) => break,
                (Some(open), Some(ended)) => open.0 < ended.0,
                (open, _) => open.is_some(),
            };
            if looked_at >= filter.look_at || found.payments.len() >= filter.limit {
                found.more = true;
                break;
            }
            let next =
                if open_first { open.pop() } else { std::mem::replace(&mut next_ended, ended.next().transpose()?) };
            let Some((line, payment)) = next else { break };
            found.read_to = line;
            found.payments.extend(payment);
        }
    }
    if !found.more {
        // Lines about no payment are behind the reader, too.
        found.read_to = found.read_to.max(ends(&moment)?.last);
    }
    moment.finish()?;
    Ok(found)
}

/// The first payment that has ended and changed at or after a line.
pub(super) const FIRST_FROM: &str =
    "SELECT line, updated_ms FROM payment WHERE resident = 0 AND line >= ?1 ORDER BY line LIMIT 1";

/// The first of those that go on that changed at or after a time.
const FIRST_OPEN: &str = "SELECT min(line) FROM payment WHERE resident = 1 AND updated_ms >= ?1";

/// The last of those that go on that changed before a time.
const LAST_OPEN_BEFORE: &str = "SELECT max(line) FROM payment WHERE resident = 1 AND updated_ms < ?1";

/// The last line before the first change of a payment at or after a time: times go up with the lines, so that halving finds it.
pub(super) fn line_before(conn: &Connection, at_ms: UnixMs) -> rusqlite::Result<i64> {
    let moment = conn.unchecked_transaction()?;
    let last = ends(&moment)?.last;
    // All changes before `low` are earlier; the first one from `high` on is not, or there is none.
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let first: Option<(i64, UnixMs)> =
            moment.prepare_cached(FIRST_FROM)?.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match first {
            Some((line, changed_ms)) if changed_ms < at_ms => low = line + 1,
            _ => high = middle,
        }
    }
    // Of those that go on, the ones that have not changed since are behind it.
    let behind: Option<i64> = moment.prepare_cached(LAST_OPEN_BEFORE)?.query_row([at_ms], |row| row.get(0))?;
    let low = behind.map_or(low, |behind| low.max(behind + 1));
    let open: Option<i64> = moment.prepare_cached(FIRST_OPEN)?.query_row([at_ms], |row| row.get(0))?;
    moment.finish()?;
    Ok(open.map_or(low, |open| open.min(low)) - 1)
}
