//! What a store promises, on real files in temporary directories.

mod ahead;
mod auditing;
mod changing;
mod damage;
mod killing;
mod log;
mod opening;
mod orders;
mod receipts;
mod retaining;
mod writing;

use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

use super::{FILE, Store, StoreOptions, Synchronous, schema};
use crate::driver::Move;
use crate::driver::ledger::{Entry, Ledger as _};
use crate::payment::card::{Job, ResultClass, RunId, RunOver, RunResult};
use crate::payment::fact::Fact;
use crate::payment::fiscal::{ConfirmationState, Fiscal, LinkReceipt, Receipt};
use crate::payment::order::{CancelReason, Wish, Wished};
use crate::payment::receipt::ReceiptLink;
use crate::payment::sale::{
    Approval, CancelledBy, Decline, DeclineKind, Doubt, Merchant, Method, Payment, PaymentId, RefundId, RefundKind,
    State, Token,
};
use crate::payment::terminal::{Policy, Terminal};
use crate::payment::{Currency, Money};

/// 2026-11-20T12:00:00Z.
const NOW_MS: i64 = 1_795_176_000_000;

fn options() -> StoreOptions {
    StoreOptions { synchronous: Synchronous::Off, reserve_bytes: 65_536, ..StoreOptions::at(NOW_MS) }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, &options()).expect("the store opens")
}

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = open(dir.path());
    (dir, store)
}

/// Pages in the store's log.
fn log_pages(store: &Store) -> u32 {
    store.conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).expect("the log's length")
}

/// A store of an older version in `dir`, with what `fill` writes today in the tables and columns of that day.
fn older(dir: &Path, version: usize, fill: impl FnOnce(&mut Store)) -> Connection {
    let (today, mut newest) = fresh();
    fill(&mut newest);
    drop(newest);
    let steps = &schema::MIGRATIONS[..version];
    let old = super::open_file(&dir.join(FILE), &options(), steps).expect("the old version opens");
    let attach = "ATTACH ?1 AS today";
    old.execute(attach, [today.path().join(FILE).to_str().expect("a path")]).expect("attached");
    for table in ["payment", "token", "refund", "outbox", "journal", "settlement", "register"] {
        let columns = "SELECT group_concat(name) FROM pragma_table_info(?1, 'main') \
                       WHERE name IN (SELECT name FROM pragma_table_info(?1, 'today'))";
        let columns: String = old.query_row(columns, [table], |r| r.get(0)).expect("read");
        let copy = format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM today.{table}");
        old.execute(&copy, []).expect("copied");
    }
    old.execute("DETACH today", []).expect("detached");
    old
}

fn id(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(number))
}

fn sums(sums: i64) -> Money {
    Money::from_minor(sums * 100, Currency::Uzs)
}

/// Plays facts through the real [`Terminal`] and hands them to the store as the driver does.
struct Scribe {
    terminal: Terminal,
    at_ms: i64,
}

impl Scribe {
    fn new() -> Self {
        Self { terminal: Terminal::new(Policy::default()), at_ms: NOW_MS }
    }

    /// What one event decided, applied to the state and ready to be appended.
    fn entry(&mut self, facts: Vec<Fact>) -> Entry {
        self.at_ms += 1_000;
        let (register, before) = (self.terminal.register.clone(), self.terminal.payments.clone());
        for fact in &facts {
            self.terminal.apply(self.at_ms, fact).expect("the fact follows");
        }
        let mut names: Vec<PaymentId> = facts.iter().filter_map(Fact::payment).collect();
        names.sort();
        names.dedup();
        Entry {
            at_ms: self.at_ms,
            moves: names
                .iter()
                .map(|name| Move {
                    before: before.get(name).cloned(),
                    after: Arc::clone(&self.terminal.payments[name]),
                })
                .collect(),
            settlement: facts
                .iter()
                .any(|f| f.settlement().is_some())
                .then(|| self.terminal.settlement.clone())
                .flatten(),
            register: (register != self.terminal.register).then(|| self.terminal.register.clone()),
            facts,
        }
    }

    /// One event, one commit.
    fn write(&mut self, store: &mut Store, facts: Vec<Fact>) {
        let entry = self.entry(facts);
        store.begin().expect("begin");
        store.append(&entry).expect("append");
        store.commit().expect("commit");
    }

    /// A line that does not follow, as only a bug could write it: the state stays as it was.
    fn write_anyway(&mut self, store: &mut Store, facts: Vec<Fact>) {
        let before = self.terminal.clone();
        let follow = facts.iter().all(|fact| self.terminal.apply(self.at_ms, fact).is_ok());
        self.terminal = before;
        if follow {
            return self.write(store, facts);
        }
        let entry = Entry { at_ms: self.at_ms, facts, moves: Vec::new(), settlement: None, register: None };
        store.begin().expect("begin");
        store.append(&entry).expect("append");
        store.commit().expect("commit");
    }

    fn payment(&self, number: u128) -> Payment {
        Payment::clone(&self.terminal.payments[&id(number)])
    }
}

fn refund_id(number: u128) -> RefundId {
    RefundId(Uuid::from_u128(number << 64))
}

fn run_id(number: u128) -> RunId {
    RunId(Uuid::from_u128(number << 96))
}

fn opened(number: u128, method: Method, code: Option<&str>) -> Fact {
    Fact::Opened {
        payment: id(number),
        method,
        amount: sums(15_000),
        code: code.map(Into::into),
        attended: method == Method::Humo,
        token: Some(Token { key: format!("till/token-{number}"), digest: "digest".into() }),
        order_id: Some(format!("order-{number}")),
        merchant: Merchant::default(),
        state: if code.is_some() { State::BankProcessing } else { State::AwaitingPayer },
        run: (method == Method::Humo).then(|| (run_id(number), None)),
        warned_of: None,
        sbp: None,
    }
}

/// A payment that a till created, wanted, and called off again.
fn called_off(number: u128) -> Vec<Fact> {
    let token = |key: &str| Token { key: format!("till/{key}-{number}"), digest: "digest".into() };
    let wished = |key, what, at_ms| Fact::Wished { payment: id(number), wish: Wish { token: token(key), what, at_ms } };
    let accepted = Fact::Accepted {
        payment: id(number),
        method: Method::Click,
        code: None,
        attended: true,
        state: State::AwaitingPayer,
        run: None,
        warned_of: None,
        link_id: None,
    };
    let created = Fact::Created {
        payment: id(number),
        method: Method::Click,
        auto: true,
        amount: sums(15_000),
        token: token("create"),
        order_id: None,
        parties: Box::default(),
        merchant: Merchant::default(),
        sbp: None,
    };
    let cancel = Wished::Cancel { reason: CancelReason::Duplicate };
    vec![
        created,
        wished("accept", Wished::Accept, NOW_MS + 1_000),
        accepted,
        wished("cancel", cancel, NOW_MS + 2_000),
        Fact::Cancelled { payment: id(number), by: CancelledBy::Till },
    ]
}

fn approved(number: u128, fiscal: Fiscal) -> Fact {
    let approval = Approval { payment_id: Some(format!("upstream-{number}")), ..Approval::default() };
    Fact::Approved { payment: id(number), approval, late: false, fiscal }
}

/// A card sale from the card to the end of its run.
fn approved_card(number: u128) -> Vec<Fact> {
    let job = Job::Sale { payment: id(number) };
    vec![
        Fact::CardPresented { job },
        Fact::Doubted { payment: id(number), why: Doubt::NoResult },
        Fact::Result { job, result: RunResult { code: "000".into(), class: ResultClass::Approved } },
        approved(number, Fiscal::NotRequired),
        Fact::RunOver { job, over: RunOver::Ended },
    ]
}

fn refund_opened(number: u128, refund: u128) -> Vec<Fact> {
    vec![Fact::RefundOpened {
        payment: id(number),
        refund: refund_id(refund),
        kind: RefundKind::Void,
        amount: sums(15_000),
        token: Some(Token { key: format!("till/refund-{refund}"), digest: "digest".into() }),
        run: Some((run_id(refund << 16), None)),
    }]
}

fn receipt() -> Receipt {
    let link = "https://ofd.soliq.uz/check?t=UZ170703100189&r=1&c=20201012120000&s=123456789012";
    Receipt::Link(LinkReceipt {
        link: ReceiptLink::try_from(link.to_owned()).expect("a link"),
        receipt_id: "1".into(),
        fiscal_sign: "123456789012".into(),
    })
}

fn brought(number: u128) -> Fact {
    Fact::ReceiptBrought { payment: id(number), receipt: receipt(), state: ConfirmationState::Queued, why: None }
}

fn declined(number: u128) -> Fact {
    let decline = Decline { why: DeclineKind::Refused, code: None, message: None };
    Fact::Declined { payment: id(number), decline }
}
