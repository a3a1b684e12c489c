//! A payment and its row: the body as JSON, and beside it the columns that are searched.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::unreadable;
use crate::limits;
use crate::payment::card::Settlement;
use crate::payment::fiscal::Receipt;
use crate::payment::sale::{Payment, PaymentId, Private, UnixMs};
use crate::payment::terminal::Register;

/// The columns beside a payment's body. Made from the payment alone, so that `audit` can make them again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns<'a> {
    pub(super) method: Cow<'a, str>,
    pub(super) state: Cow<'a, str>,
    pub(super) fiscal: Cow<'a, str>,
    pub(super) amount_minor: i64,
    pub(super) currency: Cow<'a, str>,
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) token: Option<Cow<'a, str>>,
    pub(super) order_id: Option<Cow<'a, str>>,
    pub(super) upstream_id: Option<Cow<'a, str>>,
    pub(super) shift: Option<Cow<'a, str>>,
    pub(super) attended: bool,
    pub(super) resident: bool,
    pub(super) created_ms: UnixMs,
    pub(super) updated_ms: UnixMs,
}

impl<'a> Columns<'a> {
    /// What stands beside this payment's body.
    pub(super) fn of(payment: &'a Payment) -> Self {
        let slip = payment.run.as_ref().map(|run| &run.slip);
        Self {
            method: payment.method.name().into(),
            state: payment.state.name().into(),
            fiscal: payment.fiscal.name().into(),
            amount_minor: payment.amount.minor(),
            currency: payment.amount.currency().code().into(),
            code: payment.code.as_deref().map(Cow::from),
            token: payment.token.as_ref().map(|t| t.key.as_str().into()),
            order_id: payment.order_id.as_deref().map(Cow::from),
            upstream_id: upstream_id(payment).map(Cow::from),
            shift: slip.and_then(|s| s.shift.as_deref()).map(Cow::from),
            attended: payment.attended,
            resident: !payment.may_leave_memory(),
            created_ms: payment.created_ms,
            updated_ms: payment.updated_ms,
        }
    }
}

/// The provider's own name for it. Before an approval, the RRN of the slip finds a card payment that is in doubt.
fn upstream_id(payment: &Payment) -> Option<&str> {
    let approved_as = payment.approval.as_ref().and_then(|a| a.payment_id.as_deref());
    approved_as.or_else(|| payment.run.as_ref()?.slip.rrn.as_deref())
}

/// This and its likes OR FAIL: what a refused statement has done is rolled back with its entry, and need not be remembered for itself.
const PUT_NEW: &str = "
INSERT OR FAIL INTO payment (id, method, state, fiscal, amount_minor, currency, code, token, order_id, upstream_id, shift, attended, resident,
                     created_ms, updated_ms, line, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

/// Without the columns that indices lead from and that a step rarely changes: naming such a column writes its index anew, whatever it says.
macro_rules! step_and {
    ($more:literal) => {
        concat!(
            "UPDATE OR FAIL payment SET state = ?2, fiscal = ?3, amount_minor = ?4, currency = ?5, attended = ?6, shift = ?7, resident = ?8, ",
            "updated_ms = ?9, line = ?10, body = ?11",
            $more,
            " WHERE id = ?1"
        )
    };
}

const PUT_STEP: &str = step_and!("");
const PUT_STEP_AND_UPSTREAM_ID: &str = step_and!(", upstream_id = ?12");
const PUT_STEP_AND_CODE: &str = step_and!(", method = ?12, code = ?13");
const PUT_STEP_AND_BOTH: &str = step_and!(", upstream_id = ?12, method = ?13, code = ?14");

const PUT_CONFIRMATION: &str = "
INSERT INTO outbox (payment_id, number, method, state, attempts, asked_ms, next_ms, last_error, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (payment_id, number) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, next_ms = excluded.next_ms, last_error = excluded.last_error,
    body = CASE WHEN excluded.state IN ('confirmed', 'withdrawn') THEN NULL ELSE coalesce(excluded.body, body) END";

/// Write a payment's row and its rows in the queue, as they stand. `before` is the payment as its row has it, `None` where there is no row yet;
/// `line` is the number of the last line about it.
pub(super) fn put_payment(
    conn: &Connection,
    before: Option<&Payment>,
    payment: &Payment,
    line: i64,
) -> rusqlite::Result<()> {
    let id = payment.id.to_string();
    let columns = Columns::of(payment);
    let mut body = serde_json::to_string(payment).map_err(unreadable)?;
    let steps = match before {
        None => 0,
        Some(before) => put_step(conn, before, payment, &columns, line, &body)?,
    };
    if steps == 0 {
        // Room for what its end adds, so that the end moves no other row. Spaces after it are no part of its JSON.
        body.push_str(&" ".repeat(limits::STORE_ROW_ROOM_BYTES));
        conn.prepare_cached(PUT_NEW)?.execute(params![
            id,
            columns.method,
            columns.state,
            columns.fiscal,
            columns.amount_minor,
            columns.currency,
            columns.code,
            columns.token,
            columns.order_id,
            columns.upstream_id,
            columns.shift,
            columns.attended,
            columns.resident,
            columns.created_ms,
            columns.updated_ms,
            line,
            body,
        ])?;
    }
    for c in &payment.confirmations {
        conn.prepare_cached(PUT_CONFIRMATION)?.execute(params![
            id,
            c.number,
            columns.method,
            c.state.name(),
            c.attempts,
            c.asked_ms,
            c.next_ms,
            c.last_error,
            c.receipt.electronic().filter(|_| c.state.keeps_body()).and_then(|receipt| receipt.body.0.as_deref()),
        ])?;
    }
    Ok(())
}

/// Write what a step changed in a payment's row. How many rows there were: none, where its row is missing.
fn put_step(
    conn: &Connection,
    before: &Payment,
    payment: &Payment,
    columns: &Columns,
    line: i64,
    body: &str,
) -> rusqlite::Result<usize> {
    let id = payment.id.to_string();
    let step = params![
        id,
        columns.state,
        columns.fiscal,
        columns.amount_minor,
        columns.currency,
        columns.attended,
        columns.shift,
        columns.resident,
        columns.updated_ms,
        line,
        body,
    ];
    let upstream = params![columns.upstream_id];
    let code = params![columns.method, columns.code];
    let has_other_code = (before.method, &before.code) != (payment.method, &payment.code);
    match (upstream_id(before) != upstream_id(payment), has_other_code) {
        (false, false) => conn.prepare_cached(PUT_STEP)?.execute(step),
        (true, false) => conn.prepare_cached(PUT_STEP_AND_UPSTREAM_ID)?.execute(&*[step, upstream].concat()),
        (false, true) => conn.prepare_cached(PUT_STEP_AND_CODE)?.execute(&*[step, code].concat()),
        (true, true) => conn.prepare_cached(PUT_STEP_AND_BOTH)?.execute(&*[step, upstream, code].concat()),
    }
}

/// Number the last line about each payment of a store that was made anew: by the journal, and where no line of it is left, before its first line
/// in the order in which they were opened.
pub(super) const NUMBER_LINES: &str = "
UPDATE payment SET line = 0;
UPDATE payment SET line = told.seq
FROM (SELECT payment_id, max(seq) AS seq FROM journal WHERE payment_id IS NOT NULL GROUP BY payment_id) AS told
WHERE told.payment_id = payment.id;
UPDATE payment SET line = ranked.place
FROM (SELECT number, row_number() OVER (ORDER BY number) AS place FROM payment WHERE line = 0) AS ranked
WHERE ranked.number = payment.number;";

/// Write down a token, once: a second payment or refund under the same key is refused by the primary key.
pub(super) fn put_token(
    conn: &Connection,
    token: &crate::payment::sale::Token,
    payment: PaymentId,
    refund: Option<crate::payment::sale::RefundId>,
) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO token (key, payment_id, refund_id, digest) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![token.key, payment.to_string(), refund.map(|r| r.to_string()), token.digest])?;
    Ok(())
}

/// Write down whose a refund is.
pub(super) fn put_refund(
    conn: &Connection,
    refund: crate::payment::sale::RefundId,
    payment: PaymentId,
) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO refund (id, payment_id) VALUES (?1, ?2)")?
        .execute(params![refund.to_string(), payment.to_string()])?;
    Ok(())
}

const PUT_SETTLEMENT: &str = "
INSERT INTO settlement (id, state, shift, token, created_ms, updated_ms, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, shift = excluded.shift, updated_ms = excluded.updated_ms, body = excluded.body";

/// Write a settlement's row as it stands.
pub(super) fn put_settlement(conn: &Connection, settlement: &Settlement) -> rusqlite::Result<()> {
    let body = serde_json::to_string(settlement).map_err(unreadable)?;
    conn.prepare_cached(PUT_SETTLEMENT)?.execute(params![
        settlement.id.to_string(),
        settlement.state.name(),
        settlement.shift,
        settlement.token.as_ref().map(|t| &t.key),
        settlement.created_ms,
        settlement.updated_ms,
        body
    ])?;
    Ok(())
}

/// Write the register as it stands.
pub(super) fn put_register(conn: &Connection, register: &Register) -> rusqlite::Result<()> {
    let body = serde_json::to_string(register).map_err(unreadable)?;
    conn.prepare_cached(
        "INSERT INTO register (one, body) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET body = excluded.body",
    )?
    .execute([body])?;
    Ok(())
}

/// The last settlement.
pub(super) fn last_settlement(conn: &Connection) -> rusqlite::Result<Option<Settlement>> {
    conn.prepare_cached("SELECT body FROM settlement ORDER BY number DESC LIMIT 1")?
        .query_row([], parse_body)
        .optional()
}

/// The first settlement that a token asked for.
pub(super) fn settlement_of(conn: &Connection, token: &str) -> rusqlite::Result<Option<Settlement>> {
    conn.prepare_cached("SELECT body FROM settlement WHERE token = ?1 ORDER BY number LIMIT 1")?
        .query_row([token], parse_body)
        .optional()
}

/// The register; an empty one where nothing was ever written.
pub(super) fn register(conn: &Connection) -> rusqlite::Result<Register> {
    let found = conn.prepare_cached("SELECT body FROM register")?.query_row([], parse_body).optional()?;
    Ok(found.unwrap_or_default())
}

/// The payment of that name.
pub(super) fn payment(conn: &Connection, id: PaymentId) -> rusqlite::Result<Option<Payment>> {
    Ok(payments(conn, "SELECT body FROM payment WHERE id = ?1", [id.to_string()])?.pop())
}

/// The payments that the query's first column has the bodies of, with what their receipts in the queue are to say.
pub(super) fn payments(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<Payment>> {
    let mut found: Vec<Payment> = conn.prepare_cached(sql)?.query_map(params, parse_body)?.collect::<Result<_, _>>()?;
    found.iter_mut().try_for_each(|payment| read_receipts(conn, payment))?;
    Ok(found)
}

/// Put the receipts' bodies back, which stand in the queue and nowhere else. One that is gone stays away: its receipt cannot be sent.
fn read_receipts(conn: &Connection, payment: &mut Payment) -> rusqlite::Result<()> {
    let id = payment.id.to_string();
    for c in payment.confirmations.iter_mut().filter(|c| c.state.keeps_body()) {
        let Receipt::Electronic(receipt) = &mut c.receipt else { continue };
        let body: Option<Option<String>> = conn
            .prepare_cached("SELECT body FROM outbox WHERE payment_id = ?1 AND number = ?2")?
            .query_row(params![id, c.number], |row| row.get(0))
            .optional()?;
        receipt.body = Private(body.flatten());
    }
    Ok(())
}

/// What the first column's JSON stands for.
pub(super) fn parse_body<T: serde::de::DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(unreadable)
}

/// Payments that may not leave memory.
pub(super) const OPEN: &str = "SELECT body FROM payment WHERE resident = 1 ORDER BY number";

/// Payments that a code has been used for: not those that proved to move no money, after which the code may be shown again.
pub(super) const BY_CODE: &str = "SELECT body FROM payment WHERE code = ?1 AND method = ?2 \
                                  AND state NOT IN ('declined', 'cancelled', 'expired') ORDER BY number";

/// Payments by the provider's own id.
pub(super) const BY_UPSTREAM: &str = "SELECT body FROM payment WHERE upstream_id = ?1 AND method = ?2 ORDER BY number";

/// The payment that a token made, or that a token's refund belongs to.
pub(super) const BY_TOKEN: &str =
    "SELECT payment.body FROM token JOIN payment ON payment.id = token.payment_id WHERE token.key = ?1";
