//! What a receipt is to say names people: it waits in the queue's row until the provider has it, survives whatever the row survives, and
//! is gone from the file once it is not needed.

use std::fs;

use super::*;
use crate::driver::Move;
use crate::history::{History as _, QueueFilter};
use crate::payment::fiscal::ElectronicReceipt;
use crate::payment::receipt::document::digest_of;
use crate::payment::sale::Private;
use crate::payment::sbp::{Ofd, QrCode, Sbp};
use crate::payment::terminal::Lookup;
use crate::store::FILE;
use crate::store::audit::audit;
use crate::store::retention::compact;

/// Longer than a page, as a receipt with many positions is.
fn body() -> String {
    format!("{{\"client\":\"payer@example.ru\",\"items\":\"{}\"}}", "payer@example.ru,".repeat(400))
}

fn electronic() -> Receipt {
    let (total, body) = (Money::from_minor(50_000, Currency::Rub), body());
    let digest = digest_of(&body);
    Receipt::Electronic(ElectronicReceipt { ofd: Ofd::Atol, total, digest, body: Private(Some(body)) })
}

/// A paid SBP sale whose till has brought its receipt.
fn queued(number: u128) -> Vec<Fact> {
    let mut opened = opened(number, Method::Sbp, None);
    if let Fact::Opened { sbp, amount, .. } = &mut opened {
        *amount = Money::from_minor(50_000, Currency::Rub);
        *sbp = Some(Box::new(Sbp { receipts: Some(Ofd::Atol), ..Sbp::default() }));
    }
    let payment = id(number);
    let code = QrCode {
        operation_id: format!("operation-{number}"),
        number: "7786-0666-4734-9487".into(),
        link: "https://qr.nspk.ru/1".into(),
        params_id: None,
    };
    let receipt = electronic();
    vec![
        opened,
        Fact::CodeMade { payment, code },
        approved(number, Fiscal::Owed),
        Fact::WatchOver { payment },
        Fact::ReceiptBrought { payment, receipt, state: ConfirmationState::Queued, why: None },
    ]
}

fn body_of(payment: &Payment) -> Option<String> {
    payment.confirmation().expect("brought").receipt.electronic().expect("of SBP").body.0.clone()
}

fn in_table(store: &Store) -> i64 {
    store.conn.query_row("SELECT count(*) FROM outbox WHERE body IS NOT NULL", [], |r| r.get(0)).expect("read")
}

fn holds_the_payer(dir: &TempDir, file: &str) -> bool {
    let bytes = fs::read(dir.path().join(file)).unwrap_or_default();
    bytes.windows(16).any(|piece| piece == b"payer@example.ru")
}

#[test]
fn a_restart_keeps_what_a_receipt_is_to_say_and_the_journal_never_knew() {
    let (dir, mut store) = fresh();
    Scribe::new().write(&mut store, queued(1));
    drop(store);
    let mut store = open(dir.path());
    let loaded = store.load(&Lookup::Payment(id(1))).expect("read").pop().expect("there");
    assert_eq!(body_of(&loaded), Some(body()));
    let archive = store.archive().expect("an archive");
    let due = archive.queue(&QueueFilter { due_ms: Some(i64::MAX), ..QueueFilter::default() }).expect("read");
    assert_eq!(body_of(&due[0]), Some(body()), "what the outbox delivers from");
    assert_eq!(body_of(&archive.queue(&QueueFilter::default()).expect("read")[0]), Some(body()));
    assert!(archive.journal(0, 100).expect("read").iter().all(|line| !line.fact.contains("payer@example.ru")));
    let rows: String = store.conn.query_row("SELECT group_concat(body) FROM payment", [], |r| r.get(0)).expect("read");
    assert!(!rows.contains("payer@example.ru"));
    assert!(audit(dir.path()).expect("audited").holds());
}

#[test]
fn a_receipt_that_parks_keeps_its_words_and_one_that_is_confirmed_leaves_none_in_the_file() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, queued(1));
    scribe.write(&mut store, vec![Fact::ReceiptParked { payment: id(1), number: 1, error: "no".into() }]);
    assert_eq!(in_table(&store), 1, "it may be sent again as it was");
    let released = Fact::ReceiptReleased { payment: id(1), number: 1, state: ConfirmationState::Queued, why: None };
    scribe.write(&mut store, vec![released]);
    assert_eq!(in_table(&store), 1);
    scribe.write(&mut store, vec![Fact::ReceiptConfirmed { payment: id(1), number: 1, answer: None }]);
    assert_eq!(in_table(&store), 0);
    assert_eq!(body_of(&scribe.payment(1)), None, "nor in memory");
    drop(store);
    assert!(!holds_the_payer(&dir, FILE), "not in a page that is free now, either");
    assert!(!holds_the_payer(&dir, "tolov.db-wal"));
    assert!(audit(dir.path()).expect("audited").holds());
}

#[test]
fn a_corrected_receipt_drops_the_words_of_the_first() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, queued(1));
    let receipt = electronic();
    scribe.write(
        &mut store,
        vec![Fact::ReceiptBrought { payment: id(1), receipt, state: ConfirmationState::Queued, why: None }],
    );
    let left: i64 = store
        .conn
        .query_row("SELECT number FROM outbox WHERE body IS NOT NULL", [], |r| r.get(0))
        .expect("one is left");
    assert_eq!(left, 2);
    drop(store);
    assert!(audit(dir.path()).expect("audited").holds());
}

#[test]
fn a_row_that_is_written_without_its_words_keeps_them() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, queued(1));
    let mut bare = scribe.entry(vec![Fact::Answered { payment: id(1) }]);
    for Move { after: payment, .. } in &mut bare.moves {
        if let Receipt::Electronic(receipt) = &mut Arc::make_mut(payment).confirmations[0].receipt {
            receipt.body = Private::default();
        }
    }
    store.begin().and_then(|()| store.append(&bare)).and_then(|()| store.commit()).expect("written");
    assert_eq!(in_table(&store), 1);
}

#[test]
fn a_salvaged_store_gives_waiting_receipts_their_words_back_if_they_are_the_ones_that_were_brought() {
    for (tampered, kept) in [(false, 1), (true, 0)] {
        let (dir, mut store) = fresh();
        Scribe::new().write(&mut store, queued(1));
        if tampered {
            store.conn.execute("UPDATE outbox SET body = replace(body, 'payer', 'other')", []).expect("changed");
        }
        store.mark_damaged("a test says so");
        drop(store);
        spoil_the_counters(&dir);
        let mut store = open(dir.path());
        assert!(store.salvage().is_some(), "it was set aside");
        assert_eq!(in_table(&store), kept, "tampered: {tampered}");
        let loaded = store.load(&Lookup::Payment(id(1))).expect("read").pop().expect("there");
        assert_eq!(body_of(&loaded).is_some(), kept == 1);
        assert_eq!(loaded.confirmation().expect("never dropped").state, ConfirmationState::Queued);
        assert!(audit(dir.path()).expect("audited").holds());
    }
}

/// Make the page of the counters unreadable: nothing of the queue itself is lost.
fn spoil_the_counters(dir: &TempDir) {
    let path = dir.path().join(FILE);
    let root: i64 = {
        let conn = Connection::open(&path).expect("open");
        conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'depth'", [], |r| r.get(0)).expect("read")
    };
    let mut bytes = fs::read(&path).expect("read");
    let from = usize::try_from((root - 1) * 4_096).expect("small");
    bytes[from..from + 4_096].fill(0xa5);
    fs::write(&path, bytes).expect("written");
}

#[test]
fn a_store_of_the_version_before_takes_receipts_once_it_is_opened() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    drop(older(dir.path(), 1, |_| {}));
    let mut store = open(dir.path());
    Scribe::new().write(&mut store, queued(1));
    assert_eq!(in_table(&store), 1);
}

#[test]
fn cutting_off_old_lines_leaves_a_waiting_receipt_its_words() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(2, Method::Click, Some("code-2"))]);
    scribe.write(&mut store, vec![declined(2)]);
    scribe.write(&mut store, queued(1));
    drop(store);
    let export = dir.path().join("old.jsonl");
    let before_ms = scribe.at_ms;
    let cut = compact(dir.path(), &options(), before_ms, &export).expect("cut off");
    assert_eq!(cut.lines, 2);
    assert_eq!(in_table(&open(dir.path())), 1);
    assert!(audit(dir.path()).expect("audited").holds());
}
