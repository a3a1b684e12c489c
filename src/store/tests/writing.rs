//! What the driver writes: lines, rows, savepoints, a full disk.

use rusqlite::params;

use super::*;
use crate::driver::ledger::LedgerError;
use crate::history::{Filter, History as _, QueueFilter};
use crate::payment::fiscal::Fiscal;
use crate::payment::terminal::Lookup;
use crate::store::history::{DUE, PARKED, QUEUED, list};
use crate::store::{changes, rows};

#[test]
fn a_sale_that_was_committed_is_there_after_a_restart() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    drop(store);
    let mut store = open(dir.path());
    let items = store.open_items().expect("read");
    assert_eq!(items.payments, vec![scribe.payment(1)]);
    assert_eq!(store.load(&Lookup::Payment(id(1))).expect("read"), vec![scribe.payment(1)]);
}

#[test]
fn what_was_not_committed_is_gone_after_a_restart() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let entry = scribe.entry(vec![opened(1, Method::Click, Some("code-1"))]);
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    drop(store);
    let mut store = open(dir.path());
    assert!(store.open_items().expect("read").payments.is_empty());
}

#[test]
fn a_finished_payment_is_not_open_but_is_found_by_its_names() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed)]);
    assert!(store.open_items().expect("read").payments.is_empty());
    let paid = vec![scribe.payment(1)];
    assert_eq!(store.load(&Lookup::Token("till/token-1".into())).expect("read"), paid);
    assert_eq!(store.load(&Lookup::Code(Method::Click, "code-1".into())).expect("read"), paid);
    assert_eq!(store.load(&Lookup::Upstream(Method::Click, "upstream-1".into())).expect("read"), paid);
    assert!(store.load(&Lookup::Code(Method::Payme, "code-1".into())).expect("read").is_empty());
    assert!(store.load(&Lookup::Upstream(Method::Payme, "upstream-1".into())).expect("read").is_empty());
    assert!(store.load(&Lookup::Token("till/other".into())).expect("read").is_empty());
}

#[test]
fn a_code_that_was_declined_is_not_a_used_code() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![declined(1)]);
    assert!(store.load(&Lookup::Code(Method::Click, "code-1".into())).expect("read").is_empty());
}

#[test]
fn a_refunds_token_and_name_lead_to_its_payment() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Humo, None)]);
    scribe.write(&mut store, [approved_card(1), refund_opened(1, 7)].concat());
    assert_eq!(store.load(&Lookup::Token("till/refund-7".into())).expect("read"), vec![scribe.payment(1)]);
    let archive = store.archive().expect("an archive");
    assert_eq!(archive.payment_of_refund(refund_id(7)).expect("read"), Some(scribe.payment(1)));
    assert_eq!(archive.payment_of_refund(refund_id(8)).expect("read"), None);
    assert_eq!(
        store.open_items().expect("read").payments.len(),
        1,
        "a refund that is open keeps its payment in memory"
    );
}

#[test]
fn a_refused_entry_leaves_nothing_and_its_batch_goes_on() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let first = scribe.entry(vec![opened(1, Method::Click, Some("code-1"))]);
    let mut twice = scribe.entry(vec![opened(2, Method::Click, Some("code-2"))]);
    for fact in &mut twice.facts {
        if let Fact::Opened { token: Some(token), .. } = fact {
            token.key = "till/token-1".into();
        }
    }
    let third = scribe.entry(vec![opened(3, Method::Click, Some("code-3"))]);
    store.begin().expect("begin");
    store.append(&first).expect("append");
    assert!(matches!(store.append(&twice), Err(LedgerError::Rule(_))), "one token, one payment");
    store.append(&third).expect("append");
    store.commit().expect("commit");
    let lines = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert_eq!(lines.iter().map(|l| (l.sequence, l.payment)).collect::<Vec<_>>(), [(1, Some(id(1))), (2, Some(id(3)))]);
    assert!(store.load(&Lookup::Payment(id(2))).expect("read").is_empty());
}

#[test]
fn the_first_entry_of_a_batch_is_refused_alone_too() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    // Its line is written before its token is refused.
    let again = Scribe::new().entry(vec![opened(1, Method::Click, Some("code-1"))]);
    let next = scribe.entry(vec![opened(2, Method::Click, Some("code-2"))]);
    store.begin().expect("begin");
    assert!(matches!(store.append(&again), Err(LedgerError::Rule(_))), "one name, one payment");
    store.append(&next).expect("append");
    store.commit().expect("commit");
    let lines = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert_eq!(lines.iter().map(|l| (l.sequence, l.payment)).collect::<Vec<_>>(), [(1, Some(id(1))), (2, Some(id(2)))]);
}

#[test]
fn a_transaction_sees_what_it_has_written() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let entry = scribe.entry(vec![opened(1, Method::Click, Some("code-1"))]);
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    assert_eq!(store.load(&Lookup::Token("till/token-1".into())).expect("read").len(), 1);
    store.rollback();
    assert!(store.load(&Lookup::Token("till/token-1".into())).expect("read").is_empty());
}

#[test]
fn nothing_is_written_outside_of_a_transaction() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let entry = scribe.entry(vec![opened(1, Method::Click, Some("code-1"))]);
    assert!(matches!(store.append(&entry), Err(LedgerError::Other(_))));
    assert!(matches!(store.commit(), Err(LedgerError::Other(_))));
    assert!(store.load(&Lookup::Payment(id(1))).expect("read").is_empty());
}

#[test]
fn the_journal_the_payments_and_the_queue_refuse_to_forget() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed), brought(1)]);
    for (sql, word) in [
        ("UPDATE journal SET at_ms = 0", "append-only"),
        ("DELETE FROM journal", "append-only"),
        ("INSERT OR REPLACE INTO journal (seq, at_ms, body) VALUES (1, 0, '{}')", "append-only"),
        ("INSERT INTO journal (seq, at_ms, body) VALUES (9, 0, '{}')", "without a gap"),
        ("DELETE FROM payment", "never deleted"),
        ("DELETE FROM outbox", "never deleted"),
        ("DELETE FROM token WHERE payment_id = 'nobody'; DELETE FROM outbox", "never deleted"),
    ] {
        let refused = store.conn.execute_batch(sql).expect_err(sql).to_string();
        assert!(refused.contains(word), "{sql}: {refused}");
    }
    assert!(store.conn.execute("INSERT INTO journal (at_ms, body) VALUES ('noon', '{}')", []).is_err(), "STRICT");
    assert!(
        store.conn.execute("INSERT INTO token VALUES ('a', 'nobody', NULL, '')", []).is_err(),
        "a token needs its payment"
    );
}

#[test]
fn the_queue_is_counted_as_it_changes() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let depth = |store: &mut Store| {
        let depth = store.queue_depth().expect("read");
        (depth.owed, depth.queued, depth.parked, depth.oldest_ms)
    };
    assert_eq!(depth(&mut store), (0, 0, 0, None));
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed)]);
    assert_eq!(depth(&mut store), (1, 0, 0, None));
    scribe.write(&mut store, vec![brought(1)]);
    assert_eq!(depth(&mut store), (0, 1, 0, Some(scribe.at_ms)));
    let error = "code 7".to_owned();
    let entry = scribe.entry(vec![Fact::ReceiptParked { payment: id(1), number: 1, error }]);
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    assert_eq!(depth(&mut store), (0, 0, 1, None));
    store.rollback();
    assert_eq!(depth(&mut store), (0, 1, 0, Some(scribe.at_ms - 1_000)), "a count is rolled back with what it counts");
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    store.commit().expect("commit");
    let answer = None;
    scribe.write(&mut store, vec![Fact::ReceiptConfirmed { payment: id(1), number: 1, answer }]);
    assert_eq!(depth(&mut store), (0, 0, 0, None));
    assert_eq!(store.archive().expect("an archive").queue_depth().expect("read"), store.queue_depth().expect("read"));
}

#[test]
fn what_sqlite_took_back_by_itself_is_counted_no_more() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    let (approval, receipt) = (scribe.entry(vec![approved(1, Fiscal::Owed)]), scribe.entry(vec![brought(1)]));
    let depth = |store: &mut Store| {
        let depth = store.queue_depth().expect("read");
        (depth.owed, depth.queued)
    };
    let said = |store: &Store| -> Option<i64> {
        let last = "SELECT owed FROM journal ORDER BY seq DESC LIMIT 1";
        store.conn.query_row(last, [], |row| row.get(0)).expect("read")
    };
    for (entry, before, after) in [(&approval, (0, 0), (1, 0)), (&receipt, (1, 0), (0, 1))] {
        // More than once: a disk that is full stays so for a while.
        for _ in 0..2 {
            store.begin().expect("begin");
            store.append(entry).expect("append");
            assert_eq!(depth(&mut store), after, "as the driver asks before each commit");
            // What a disk that is full or broken does to a commit.
            store.conn.execute_batch("ROLLBACK").expect("taken back");
            assert!(store.commit().is_err());
            store.rollback();
            assert_eq!(depth(&mut store), before);
        }
        store.begin().expect("begin");
        store.append(entry).expect("append");
        store.commit().expect("commit");
        assert_eq!((depth(&mut store), said(&store)), (after, i64::try_from(after.0).ok()));
    }
}

#[test]
fn the_queue_lists_what_is_due_and_what_waits() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for number in 1..=3 {
        let method = if number == 2 { Method::Payme } else { Method::Click };
        scribe.write(&mut store, vec![opened(number, method, Some(&format!("code-{number}")))]);
        scribe.write(&mut store, vec![approved(number, Fiscal::Owed), brought(number)]);
    }
    let now = scribe.at_ms;
    let error = "503".to_owned();
    let later = Fact::ReceiptDelayed { payment: id(1), number: 1, next_ms: now + 60_000, error, registered: false };
    scribe.write(&mut store, vec![later]);
    let error = "code 7".to_owned();
    scribe.write(&mut store, vec![Fact::ReceiptParked { payment: id(3), number: 1, error }]);
    let archive = store.archive().expect("an archive");
    let names = |filter: QueueFilter| -> Vec<PaymentId> {
        archive.queue(&filter).expect("read").into_iter().map(|p| p.id).collect()
    };
    assert_eq!(names(QueueFilter::default()), [id(1), id(2), id(3)], "parked ones are listed, too");
    assert_eq!(names(QueueFilter { due_ms: Some(now), ..QueueFilter::default() }), [id(2)]);
    assert_eq!(names(QueueFilter { due_ms: Some(now + 60_000), ..QueueFilter::default() }), [id(2), id(1)]);
    assert_eq!(names(QueueFilter { method: Some(Method::Payme), ..QueueFilter::default() }), [id(2)]);
    assert_eq!(names(QueueFilter { limit: 1, ..QueueFilter::default() }), [id(1)]);
}

#[test]
fn the_past_is_listed_newest_first_and_filtered() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for number in 1..=3 {
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
    }
    scribe.write(&mut store, vec![approved(2, Fiscal::Owed)]);
    let created_ms = scribe.payment(2).created_ms;
    let archive = store.archive().expect("an archive");
    let names = |filter: Filter| -> Vec<PaymentId> {
        archive.payments(&filter).expect("read").into_iter().map(|p| p.id).collect()
    };
    assert_eq!(names(Filter::default()), [id(3), id(2), id(1)]);
    assert_eq!(names(Filter { state: Some("paid".into()), ..Filter::default() }), [id(2)]);
    assert_eq!(names(Filter { state: Some("bank_processing".into()), limit: 1, ..Filter::default() }), [id(3)]);
    assert_eq!(names(Filter { order_id: Some("order-1".into()), ..Filter::default() }), [id(1)]);
    let since_ms = Some(created_ms);
    assert_eq!(names(Filter { since_ms, until_ms: Some(created_ms + 1), ..Filter::default() }), [id(2)]);
    assert_eq!(names(Filter { method: Some(Method::Humo), ..Filter::default() }), []);
    let begins = |digits: usize| Some(id(2).to_string()[..digits].to_owned());
    assert_eq!(names(Filter { id_prefix: begins(36), ..Filter::default() }), [id(2)]);
    assert_eq!(names(Filter { id_prefix: begins(8), ..Filter::default() }), [id(3), id(2), id(1)]);
    assert_eq!(names(Filter { id_prefix: Some("1".into()), ..Filter::default() }), []);
}

#[test]
fn payments_whose_money_went_back_are_found_by_when_they_changed() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for number in 1..=2 {
        let code = format!("code-{number}");
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&code)), approved(number, Fiscal::Owed)]);
    }
    let opened = Fact::RefundOpened {
        payment: id(1),
        refund: RefundId(Uuid::from_u128(9)),
        kind: RefundKind::Refund,
        amount: sums(1),
        token: None,
        run: Some((RunId(Uuid::from_u128(8)), None)),
    };
    scribe.write(&mut store, vec![opened]);
    let archive = store.archive().expect("an archive");
    let since = |since_ms: i64| -> Vec<PaymentId> {
        let filter = Filter { refunded_since_ms: Some(since_ms), ..Filter::default() };
        archive.payments(&filter).expect("read").into_iter().map(|p| p.id).collect()
    };
    let changed_ms = scribe.payment(1).updated_ms;
    assert_eq!(since(changed_ms), [id(1)]);
    assert_eq!(since(changed_ms + 1), []);
}

#[test]
fn no_question_on_the_way_of_a_sale_reads_a_whole_table() {
    let (_dir, store) = fresh();
    let state = |name: &str| list(&Filter { state: Some(name.into()), ..Filter::default() }).0;
    let order = list(&Filter { order_id: Some("1".into()), ..Filter::default() }).0;
    let (declined, in_progress) = (state("declined"), state("bank_processing"));
    // So few of them that they are sorted when they are read.
    let few = [order.as_str(), in_progress.as_str(), rows::OPEN];
    let times = list(&Filter { since_ms: Some(1), until_ms: Some(2), ..Filter::default() }).0;
    let queries = [
        &times,
        rows::OPEN,
        rows::BY_CODE,
        rows::BY_TOKEN,
        rows::BY_UPSTREAM,
        DUE,
        QUEUED,
        PARKED,
        changes::ENDED,
        changes::FIRST_FROM,
        changes::BACKWARDS,
        &declined,
        &in_progress,
        &order,
    ];
    for sql in queries {
        let plan: Vec<String> = store
            .conn
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .and_then(|mut s| {
                let nothing = vec![rusqlite::types::Value::Null; s.parameter_count()];
                s.query_map(rusqlite::params_from_iter(nothing), |r| r.get("detail"))?.collect()
            })
            .expect(sql);
        let whole = |step: &String| step.starts_with("SCAN") && !step.contains("INDEX");
        assert!(!plan.iter().any(whole), "{sql}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")) || few.contains(&sql), "{sql} sorts: {plan:?}");
    }
}

#[test]
fn a_sale_that_is_paid_at_once_writes_few_pages_and_moves_no_index_in_vain() {
    // Fewer than those after which the log is written back and begins anew.
    const SALES: u32 = 40;
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let before = log_pages(&store);
    for number in 1..=u128::from(SALES) {
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
        scribe.write(&mut store, vec![approved(number, Fiscal::Owed)]);
    }
    let a_sale = (log_pages(&store) - before) / SALES;
    assert!(a_sale <= 11, "{a_sale} pages of the log for one sale");
}

#[test]
fn payments_of_every_state_are_found_by_it() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for number in 1..=3 {
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
    }
    scribe.write(&mut store, vec![approved(2, Fiscal::Owed)]);
    scribe.write(&mut store, vec![declined(3)]);
    let archive = store.archive().expect("an archive");
    for (state, number) in [("bank_processing", 1), ("paid", 2), ("declined", 3)] {
        let found = archive.payments(&Filter { state: Some(state.into()), ..Filter::default() }).expect("read");
        assert_eq!(found.iter().map(|p| p.id).collect::<Vec<_>>(), [id(number)], "{state}");
    }
}

#[test]
fn an_archive_reads_while_a_batch_is_being_written() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let archive = store.archive().expect("an archive");
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    let entry = scribe.entry(vec![approved(1, Fiscal::Owed)]);
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    let seen = archive.payment(id(1)).expect("read").expect("there");
    assert_eq!(seen.state, State::BankProcessing, "only what is committed");
    store.commit().expect("a reader does not hold the writer up");
    assert_eq!(archive.payment(id(1)).expect("read").expect("there").state, State::Paid);
    assert_eq!(archive.journal(1, 5).expect("read").len(), 1);
}

#[test]
fn a_full_disk_refuses_and_room_that_comes_back_is_used() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut store =
        Store::open(dir.path(), &StoreOptions { max_pages: Some(48), ..options() }).expect("the store opens");
    let mut scribe = Scribe::new();
    let mut refused = None;
    for number in 1..2_000 {
        let entry = scribe.entry(vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
        store.begin().expect("begin");
        if let Err(e) = store.append(&entry).and_then(|()| store.commit()) {
            refused = Some((number, e, entry));
            break;
        }
    }
    let (number, why, entry) = refused.expect("48 pages do not hold 2 000 sales");
    assert_eq!(why, LedgerError::Full);
    store.rollback();
    assert!(store.load(&Lookup::Payment(id(number))).expect("reading goes on").is_empty());
    assert_eq!(store.load(&Lookup::Payment(id(number - 1))).expect("reading goes on").len(), 1);
    store.conn.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).expect("more room");
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    store.commit().expect("room that comes back is used");
    assert_eq!(store.load(&Lookup::Payment(id(number))).expect("read").len(), 1);
}

#[test]
fn a_store_that_turns_read_only_says_so_and_heals() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let entry = scribe.entry(vec![opened(1, Method::Click, Some("code-1"))]);
    store.conn.execute_batch("PRAGMA query_only = 1").expect("set");
    let refused = store.begin().and_then(|()| store.append(&entry)).and_then(|()| store.commit());
    assert_eq!(refused, Err(LedgerError::ReadOnly));
    store.conn.execute_batch("PRAGMA query_only = 0").expect("set");
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    store.commit().expect("commit");
}

#[test]
fn a_body_that_cannot_be_read_is_damage() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    store.conn.execute("UPDATE payment SET body = ?1", params!["{\"id\":"]).expect("tampered");
    assert!(matches!(store.load(&Lookup::Payment(id(1))), Err(LedgerError::Corrupt(_))));
    assert!(dir.path().join("damaged").exists(), "the next start looks at the whole file");
}

#[test]
fn the_reserve_is_really_there_and_is_given_free_once() {
    let (dir, mut store) = fresh();
    let reserve = dir.path().join("reserve");
    store.prove_writable().expect("there is room");
    assert_eq!(std::fs::metadata(&reserve).expect("it is there").len(), 65_536);
    use std::os::unix::fs::MetadataExt as _;
    assert!(std::fs::metadata(&reserve).expect("it is there").blocks() * 512 >= 65_536, "no hole");
    store.free_reserve();
    assert!(!reserve.exists());
    store.free_reserve();
    store.prove_writable().expect("there is room");
    assert!(reserve.exists());
}

#[test]
fn a_store_without_room_for_its_reserve_is_not_writable() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let reserve_bytes = 1 << 60;
    let mut store = Store::open(dir.path(), &StoreOptions { reserve_bytes, ..options() }).expect("the store opens");
    assert_eq!(store.prove_writable(), Err(LedgerError::Full));
    assert!(!dir.path().join("reserve").exists());
}

#[test]
fn a_store_in_memory_keeps_the_same_promises() {
    let mut store = Store::in_memory().expect("memory");
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed), brought(1)]);
    assert_eq!(store.queue_depth().expect("read").queued, 1);
    assert!(store.conn.execute("DELETE FROM journal", []).is_err());
    assert_eq!(store.load(&Lookup::Payment(id(1))).expect("read"), vec![scribe.payment(1)]);
}
