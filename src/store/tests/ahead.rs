//! A transaction that is begun before its step comes.

use super::*;
use crate::driver::ledger::LedgerError;
use crate::history::History as _;
use crate::limits;
use crate::payment::fiscal::Fiscal;
use crate::payment::terminal::Lookup;

#[test]
fn a_step_that_was_begun_ahead_is_committed_as_any_other() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    store.begin_ahead();
    assert!(!store.conn.is_autocommit(), "nothing was begun");
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    store.begin_ahead();
    store.begin_ahead();
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed)]);
    let seen = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert_eq!(seen.len(), 2, "it is there for everybody as soon as it is committed");
    store.begin_ahead();
    let seen = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert_eq!(seen.len(), 2, "whoever reads is not kept from it by a step that was begun");
    drop(store);
    assert_eq!(open(dir.path()).load(&Lookup::Payment(id(1))).expect("read"), vec![scribe.payment(1)]);
}

#[test]
fn a_step_that_was_dropped_takes_the_one_begun_ahead_with_it() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let dropped = Scribe::new().entry(vec![opened(1, Method::Click, Some("code-1"))]);
    store.begin_ahead();
    store.begin().expect("begin");
    store.append(&dropped).expect("append");
    store.rollback();
    scribe.write(&mut store, vec![opened(2, Method::Click, Some("code-2"))]);
    let lines = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert_eq!(lines.iter().map(|l| l.payment).collect::<Vec<_>>(), [Some(id(2))]);
}

#[test]
fn a_step_that_somebody_begins_anew_is_empty() {
    let (_dir, mut store) = fresh();
    let entry = Scribe::new().entry(vec![opened(1, Method::Click, Some("code-1"))]);
    store.begin_ahead();
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    // Forgotten; what is begun now must not swallow it.
    store.begin().expect("begin");
    store.commit().expect("commit");
    assert!(store.load(&Lookup::Payment(id(1))).expect("read").is_empty());
}

#[test]
fn nobody_is_waited_for_to_begin_ahead() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    let somebody = Connection::open(dir.path().join(FILE)).expect("open");
    somebody.execute_batch("BEGIN IMMEDIATE").expect("begin");
    // A wait would be one of `STORE_BUSY_MS`, and would end the same way.
    let asked = std::time::Instant::now();
    store.begin_ahead();
    assert!(store.conn.is_autocommit() && asked.elapsed() < limits::wait(limits::STORE_BUSY_MS));
    let busy: i64 = store.conn.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).expect("read");
    assert_eq!(busy.unsigned_abs(), limits::STORE_BUSY_MS, "a step waits as long as before");
    somebody.execute_batch("COMMIT").expect("let go");
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed)]);
    // And the other way round: who comes later finds the file held.
    store.begin_ahead();
    somebody.busy_timeout(std::time::Duration::ZERO).expect("set");
    assert!(somebody.execute_batch("BEGIN IMMEDIATE").is_err());
}

#[test]
fn a_reserve_is_freed_and_the_store_proved_where_a_step_was_begun_ahead() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    store.begin_ahead();
    store.free_reserve();
    assert_eq!(store.commits_in_log, 0, "the log was written back");
    store.begin_ahead();
    store.prove_writable().expect("writable");
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed)]);
    assert_eq!(store.load(&Lookup::Payment(id(1))).expect("read"), vec![scribe.payment(1)]);
    assert!(matches!(store.commit(), Err(LedgerError::Other(_))), "nothing is open any more");
}
