//! What was replayed against what stands in the tables.

use std::borrow::Cow;

use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;
use serde_json::Value;

use super::{Auditor, rows};
use crate::payment::card::Settlement;
use crate::payment::fiscal::Confirmation;
use crate::payment::sale::{Payment, PaymentId, RefundId, Token, UnixMs};
use crate::payment::terminal::{Register, Terminal};
use rows::Columns;

impl Auditor<'_> {
    /// A payment's body, columns, receipts, tokens and refunds, and the number of the last line about it.
    pub(super) fn compare(&mut self, payment: &Payment, last: Option<i64>) -> rusqlite::Result<()> {
        let id = Some(payment.id);
        let found = self
            .conn
            .prepare_cached("SELECT * FROM payment WHERE id = ?1")?
            .query_row([payment.id.to_string()], |row| {
                Ok((row.get::<_, String>("body")?, columns(row)?, row.get::<_, i64>("line").ok()))
            })
            .optional()?;
        let Some((body, columns, line)) = found else {
            self.report.differ("payment", id, "the journal knows it, but its row is gone".into());
            return Ok(());
        };
        match serde_json::from_str::<Payment>(&body) {
            Ok(stored) if stored == *payment => {}
            Ok(stored) => self.report.differ("payment", id, fields(payment, &stored)),
            Err(e) => self.report.differ("payment", id, format!("its row cannot be read: {e}")),
        }
        let made = Columns::of(payment);
        if made != columns {
            let text = format!("the journal makes the columns {made:?}, the row has {columns:?}");
            self.report.differ("payment", id, text);
        }
        let cut_at = self.report.cut_at.unwrap_or(0);
        // A file of an older version has no such column.
        if line.is_some_and(|line| last.map_or(!(1..=cut_at).contains(&line), |last| last != line)) {
            let text = format!("the last line about it is {last:?}, its row says {line:?}");
            self.report.differ("payment", id, text);
        }
        self.queue(payment)?;
        self.tokens(payment)
    }

    fn queue(&mut self, payment: &Payment) -> rusqlite::Result<()> {
        self.totals.confirmations += i64::try_from(payment.confirmations.len()).unwrap_or(i64::MAX);
        let made: Vec<Queued> = payment.confirmations.iter().map(|c| Queued::of(payment, c)).collect();
        let stands: Vec<Queued> = self
            .conn
            .prepare_cached("SELECT * FROM outbox WHERE payment_id = ?1 ORDER BY number")?
            .query_map([payment.id.to_string()], Queued::read)?
            .collect::<Result<_, _>>()?;
        if made != stands {
            let text = format!("the journal makes the receipts {made:?}, the queue has {stands:?}");
            self.report.differ("queue", Some(payment.id), text);
        }
        Ok(())
    }

    fn tokens(&mut self, payment: &Payment) -> rusqlite::Result<()> {
        for (token, refund) in payment.tokens() {
            self.token(token, payment.id, refund)?;
        }
        for refund in &payment.refunds {
            self.totals.refunds += 1;
            let whose: Option<String> = self
                .conn
                .prepare_cached("SELECT payment_id FROM refund WHERE id = ?1")?
                .query_row([refund.id.to_string()], |r| r.get(0))
                .optional()?;
            if whose != Some(payment.id.to_string()) {
                let text = format!("refund {} is filed under {whose:?}", refund.id);
                self.report.differ("refund", Some(payment.id), text);
            }
        }
        Ok(())
    }

    fn token(&mut self, token: &Token, payment: PaymentId, refund: Option<RefundId>) -> rusqlite::Result<()> {
        self.totals.tokens += 1;
        let stands: Option<(String, Option<String>, String)> = self
            .conn
            .prepare_cached("SELECT payment_id, refund_id, digest FROM token WHERE key = ?1")?
            .query_row([&token.key], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()?;
        let made = (payment.to_string(), refund.map(|r| r.to_string()), token.digest.clone());
        if stands.as_ref() != Some(&made) {
            let text = format!("token {:?} should lead to {made:?} and leads to {stands:?}", token.key);
            self.report.differ("token", Some(payment), text);
        }
        Ok(())
    }

    /// The last settlement that was replayed, before the next one takes its place.
    pub(super) fn settle(&mut self, terminal: &Terminal) -> rusqlite::Result<()> {
        let Some(made) = terminal.settlement.as_deref() else { return Ok(()) };
        let stands: Option<(Settlement, Shift)> = self
            .conn
            .prepare_cached("SELECT body, state, shift, token, created_ms, updated_ms FROM settlement WHERE id = ?1")?
            .query_row([made.id.to_string()], |r| {
                Ok((rows::parse_body(r)?, (r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?)))
            })
            .optional()?;
        let columns: Shift = (
            made.state.name().into(),
            made.shift.clone(),
            made.token.as_ref().map(|t| t.key.clone()),
            made.created_ms,
            made.updated_ms,
        );
        match stands {
            None => self.report.differ("settlement", None, format!("settlement {} has no row", made.id)),
            Some((stored, _)) if stored != *made => {
                let text = format!("settlement {}: {}", made.id, fields(made, &stored));
                self.report.differ("settlement", None, text);
            }
            Some((_, stored)) if stored != columns => {
                let text = format!("settlement {}: the journal makes {columns:?}, the row has {stored:?}", made.id);
                self.report.differ("settlement", None, text);
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(super) fn register(&mut self, terminal: &Terminal) -> rusqlite::Result<()> {
        let stands: Register = rows::register(self.conn)?;
        if stands != terminal.register {
            self.report.differ("register", None, fields(&terminal.register, &stands));
        }
        Ok(())
    }

    /// Rows that no payment accounts for, and the counters.
    pub(super) fn counted(&mut self) -> rusqlite::Result<()> {
        let made = [
            ("token", "token", self.totals.tokens),
            ("refund", "refund", self.totals.refunds),
            ("queue", "outbox", self.totals.confirmations),
        ];
        for (of, table, expected) in made {
            let rows: i64 = self.conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0))?;
            if rows != expected {
                self.report.differ(of, None, format!("the journal makes {expected} rows of {table}, there are {rows}"));
            }
        }
        let depth = super::history::depth(self.conn)?;
        let debts = self.report.debts;
        let (made, stands) = (
            (debts.queued.count, debts.parked.count, debts.owed.count, debts.queued.oldest_ms),
            (depth.queued, depth.parked, depth.owed, depth.oldest_ms),
        );
        if made != stands {
            let text = format!("queued, parked, owed and the oldest should be {made:?}, the counters say {stands:?}");
            self.report.differ("queue", None, text);
        }
        Ok(())
    }
}

/// A settlement's columns: state, shift, token, created, updated.
type Shift = (String, Option<String>, Option<String>, UnixMs, UnixMs);

/// A row of the queue.
#[derive(Debug, PartialEq, Eq)]
struct Queued {
    number: u32,
    method: String,
    state: String,
    attempts: u32,
    asked_ms: UnixMs,
    next_ms: UnixMs,
    last_error: Option<String>,
}

impl Queued {
    fn of(payment: &Payment, c: &Confirmation) -> Self {
        Self {
            number: c.number,
            method: payment.method.name().into(),
            state: c.state.name().into(),
            attempts: c.attempts,
            asked_ms: c.asked_ms,
            next_ms: c.next_ms,
            last_error: c.last_error.clone(),
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            method: row.get("method")?,
            state: row.get("state")?,
            attempts: row.get("attempts")?,
            asked_ms: row.get("asked_ms")?,
            next_ms: row.get("next_ms")?,
            last_error: row.get("last_error")?,
        })
    }
}

/// The columns beside a payment's body, as they stand.
fn columns(row: &Row<'_>) -> rusqlite::Result<Columns<'static>> {
    let text = |name: &str| row.get::<_, String>(name).map(Cow::from);
    let or_none = |name: &str| row.get::<_, Option<String>>(name).map(|text| text.map(Cow::from));
    Ok(Columns {
        method: text("method")?,
        state: text("state")?,
        fiscal: text("fiscal")?,
        amount_minor: row.get("amount_minor")?,
        currency: text("currency")?,
        code: or_none("code")?,
        token: or_none("token")?,
        order_id: or_none("order_id")?,
        upstream_id: or_none("upstream_id")?,
        shift: or_none("shift")?,
        attended: row.get("attended")?,
        resident: row.get("resident")?,
        created_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
    })
}

/// Which fields differ, with both values.
fn fields<T: Serialize>(made: &T, stands: &T) -> String {
    let object = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (made, stands) = (object(made), object(stands));
    let differing = made.iter().filter(|(name, value)| stands.get(*name) != Some(value));
    let texts: Vec<String> = differing
        .map(|(name, value)| {
            format!("{name} is {} by the journal and {} in its row", value, stands.get(name).unwrap_or(&Value::Null))
        })
        .collect();
    texts.join("; ")
}
