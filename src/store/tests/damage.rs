//! Damaged files are set aside whole, what reads is saved, and sales stay closed unless it is proved that nothing is open.

use std::fs;

use super::*;
use crate::driver::ledger::OpenItems;
use crate::history::History as _;
use crate::payment::terminal::Lookup;
use crate::store::audit::audit;
use crate::store::{FILE, Salvage};

/// Many finished sales, and with `open` one that is not.
fn busy_store(sales: u128, open_one: bool) -> (TempDir, Scribe) {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    store.begin().expect("begin");
    for number in 1..=sales {
        let entry = scribe.entry(vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
        store.append(&entry).expect("append");
        let entry = scribe.entry(vec![approved(number, Fiscal::Owed)]);
        store.append(&entry).expect("append");
    }
    store.commit().expect("commit");
    if open_one {
        scribe.write(&mut store, vec![opened(9_999, Method::Click, Some("open"))]);
    }
    (dir, scribe)
}

fn file(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join(FILE)
}

/// Open what is damaged; the set-aside bytes are the damaged ones, and what stands now is sound.
fn reopen(dir: &TempDir) -> (Store, Salvage) {
    let damaged = fs::read(file(dir)).unwrap_or_default();
    let store = open(dir.path());
    let salvage = store.salvage().cloned().expect("it was set aside");
    assert_eq!(fs::read(salvage.folder.join(FILE)).unwrap_or_default(), damaged, "set aside whole");
    let report = audit(dir.path()).expect("the new store can be read");
    assert!(report.holds(), "{report}");
    assert_eq!(store.archive().expect("an archive").integrity_check().expect("checked"), Vec::<String>::new());
    (store, salvage)
}

fn items(store: &mut Store) -> OpenItems {
    store.open_items().expect("read")
}

/// Overwrite the pages that hold this text, all but the file's first page.
fn spoil(path: &Path, text: &str) -> usize {
    let mut bytes = fs::read(path).expect("read");
    let mut spoiled = 0;
    for page in bytes.chunks_exact_mut(4_096).skip(1) {
        if page.windows(text.len()).any(|w| w == text.as_bytes()) {
            page.fill(0xa5);
            spoiled += 1;
        }
    }
    fs::write(path, bytes).expect("written");
    spoiled
}

#[test]
fn a_file_with_a_zeroed_header_is_set_aside_and_sales_are_closed() {
    let (dir, _) = busy_store(20, true);
    let mut bytes = fs::read(file(&dir)).expect("read");
    bytes[..100].fill(0);
    fs::write(file(&dir), bytes).expect("written");
    let (mut store, salvage) = reopen(&dir);
    assert!(!salvage.proven);
    let closed = items(&mut store).register.closed.expect("sales are closed");
    assert!(closed.contains("operator") && closed.contains("set-aside/2026-11-20T120000Z"), "{closed}");
    let lines = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert!(lines.last().expect("a line").fact.contains("sales_closed"), "the closing is a line of the journal");
}

#[test]
fn a_file_that_was_lost_closes_sales_and_a_new_directory_does_not() {
    let (dir, _) = busy_store(1, true);
    fs::remove_file(file(&dir)).expect("removed");
    let (mut store, salvage) = reopen(&dir);
    assert!(!salvage.proven && items(&mut store).register.closed.is_some());
    let (_fresh, mut new) = fresh();
    assert!(new.salvage().is_none() && items(&mut new).register.closed.is_none());
}

#[test]
fn a_truncated_file_keeps_what_reads() {
    let (dir, scribe) = busy_store(300, true);
    let bytes = fs::read(file(&dir)).expect("read");
    fs::write(file(&dir), &bytes[..bytes.len() / 2]).expect("written");
    let (mut store, salvage) = reopen(&dir);
    assert!(!salvage.proven);
    assert!(items(&mut store).register.closed.is_some());
    assert!(salvage.payments > 50, "{salvage:?}");
    assert!(salvage.folder.join("journal.jsonl").exists());
    let first = store.load(&Lookup::Payment(id(1))).expect("read");
    assert_eq!(first, vec![scribe.payment(1)]);
}

#[test]
fn spoiled_payment_rows_are_made_again_from_the_journal() {
    let (dir, scribe) = busy_store(300, false);
    // Only the rows of payments have a fiscal state beside their merchant.
    assert!(spoil(&file(&dir), "\"confirmations\"") > 3);
    let (mut store, salvage) = reopen(&dir);
    assert_eq!((salvage.payments, salvage.lines, salvage.open, salvage.proven), (300, 600, 0, true));
    assert_eq!(items(&mut store).register.closed, None, "proved: nothing is open");
    assert_eq!(store.load(&Lookup::Token("till/token-150".into())).expect("read"), vec![scribe.payment(150)]);
    assert_eq!(store.queue_depth().expect("read").owed, 300);
}

#[test]
fn a_salvage_keeps_the_tokens_of_everything_that_a_till_asked() {
    let (dir, mut scribe) = busy_store(300, false);
    let mut store = open(dir.path());
    scribe.write(&mut store, called_off(400));
    drop(store);
    assert!(spoil(&file(&dir), "\"confirmations\"") > 3);
    let (mut store, _) = reopen(&dir);
    for key in ["till/create-400", "till/accept-400", "till/cancel-400"] {
        assert_eq!(store.load(&Lookup::Token(key.into())).expect("read"), vec![scribe.payment(400)], "{key}");
    }
}

#[test]
fn an_open_payment_is_kept_and_closes_sales_even_if_everything_reads() {
    let (dir, scribe) = busy_store(300, true);
    assert!(spoil(&file(&dir), "\"confirmations\"") > 3);
    let (mut store, salvage) = reopen(&dir);
    assert_eq!((salvage.payments, salvage.open, salvage.proven), (301, 1, false));
    assert_eq!(items(&mut store).payments, vec![scribe.payment(9_999)]);
    assert!(items(&mut store).register.closed.is_some());
}

#[test]
fn a_payment_that_nobody_has_accepted_is_kept_and_closes_no_sales() {
    let (dir, mut scribe) = busy_store(300, false);
    let mut store = open(dir.path());
    let created = called_off(400).swap_remove(0);
    scribe.write(&mut store, vec![created]);
    drop(store);
    assert!(spoil(&file(&dir), "\"confirmations\"") > 3);
    let (mut store, salvage) = reopen(&dir);
    assert_eq!((salvage.payments, salvage.open, salvage.proven), (301, 0, true));
    assert_eq!(items(&mut store).payments, vec![scribe.payment(400)], "it may still be accepted");
    assert_eq!(items(&mut store).register.closed, None, "nobody was asked for its money");
}

#[test]
fn a_payment_that_was_accepted_before_the_damage_closes_sales() {
    let (dir, mut scribe) = busy_store(300, false);
    let mut store = open(dir.path());
    let until_accepted = called_off(400).into_iter().take(3).collect();
    scribe.write(&mut store, until_accepted);
    drop(store);
    assert!(spoil(&file(&dir), "\"confirmations\"") > 3);
    let (mut store, salvage) = reopen(&dir);
    assert_eq!((salvage.open, salvage.proven), (1, false));
    assert!(items(&mut store).register.closed.is_some());
}

#[test]
fn a_spoiled_journal_keeps_the_payments_and_proves_nothing() {
    let (dir, scribe) = busy_store(300, false);
    let mut bytes = fs::read(file(&dir)).expect("read");
    let page = bytes
        .chunks_exact_mut(4_096)
        .skip(1)
        .filter(|page| {
            page.windows(19).any(|w| w == b"\"fact\":\"approved\",\"")
                && !page.windows(15).any(|w| w == b"\"confirmations\"")
        })
        .nth(5)
        .expect("a page of the journal");
    page.fill(0);
    fs::write(file(&dir), bytes).expect("written");
    let (mut store, salvage) = reopen(&dir);
    assert_eq!((salvage.payments, salvage.open, salvage.proven), (300, 0, false));
    assert!(salvage.lines > 500 && salvage.lines < 600, "lines on both sides of the page: {salvage:?}");
    assert_eq!(store.load(&Lookup::Payment(id(299))).expect("read"), vec![scribe.payment(299)]);
    let saved = fs::read_to_string(salvage.folder.join("journal.jsonl")).expect("read");
    assert_eq!(saved.lines().count() as u64, salvage.lines);
    let line: serde_json::Value = serde_json::from_str(saved.lines().last().expect("a line")).expect("JSON");
    assert_eq!((line["seq"].as_i64(), line["fact"]["fact"].as_str()), (Some(600), Some("approved")));
    let next = store.archive().expect("an archive").journal(0, 1).expect("read");
    assert_eq!(next[0].sequence, 601, "numbers go on where they were");
}

#[test]
fn a_line_that_was_lost_without_a_trace_is_missed_by_its_row() {
    let (dir, store) = fresh();
    let mut store = store;
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed)]);
    store.conn.execute_batch("DROP TRIGGER journal_is_never_cut; DELETE FROM journal WHERE seq = 2").expect("cut");
    store.conn.execute("UPDATE register SET body = '{'", []).expect("spoiled");
    store.conn.execute("INSERT OR IGNORE INTO register VALUES (1, '{')", []).expect("spoiled");
    drop(store);
    let (mut store, salvage) = reopen(&dir);
    assert!(!salvage.proven, "{salvage:?}");
    assert_eq!(store.load(&Lookup::Payment(id(1))).expect("read"), vec![scribe.payment(1)]);
}

#[test]
fn damage_that_shows_only_later_is_found_by_the_check_and_set_aside_at_the_next_start() {
    let (dir, _) = busy_store(2_500, false);
    let large = fs::metadata(file(&dir)).expect("there").len();
    assert!(large > crate::limits::STORE_CHECK_AT_START_MAX_BYTES, "{large}");
    assert!(spoil(&file(&dir), "code-1200") > 0);
    let store = open(dir.path());
    assert!(store.salvage().is_none(), "a large file is not read whole before the daemon is ready");
    let problems = store.archive().expect("an archive").integrity_check().expect("checked");
    assert!(!problems.is_empty());
    drop(store);
    let (_store, salvage) = reopen(&dir);
    assert!(salvage.payments > 2_400, "{salvage:?}");
    assert!(!dir.path().join("damaged").exists());
    assert!(open_again(&dir).salvage().is_none(), "once");
}

#[test]
fn a_suspicion_that_proves_unfounded_is_dropped() {
    let (dir, _) = busy_store(3, true);
    fs::write(dir.path().join("damaged"), "a reader saw something").expect("written");
    let mut store = open(dir.path());
    assert!(store.salvage().is_none() && items(&mut store).payments.len() == 1);
    assert!(!dir.path().join("damaged").exists());
}

#[test]
fn a_power_cut_while_setting_aside_is_gone_on_from() {
    let (dir, scribe) = busy_store(50, true);
    // As it is after the log was moved and before the file was; and a side file that is half made.
    let folder = dir.path().join("set-aside/2026-11-20T115959Z");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("unfinished"), "malformed").expect("written");
    fs::write(dir.path().join("salvage.db"), "half").expect("written");
    let mut store = open(dir.path());
    let salvage = store.salvage().cloned().expect("gone on");
    assert_eq!((salvage.folder.as_path(), salvage.why.as_str(), salvage.payments), (folder.as_path(), "malformed", 51));
    assert!(folder.join(FILE).exists() && !folder.join("unfinished").exists());
    assert_eq!(items(&mut store).payments, vec![scribe.payment(9_999)]);
    drop(store);
    // As it is after the new store came into its place and before the mark was taken away.
    fs::write(folder.join("unfinished"), "malformed").expect("written");
    let mut store = open(dir.path());
    assert!(store.salvage().is_none(), "nothing is done twice");
    assert_eq!(items(&mut store).payments.len(), 1);
    assert!(!folder.join("unfinished").exists());
}

#[test]
fn a_second_salvage_finds_a_folder_of_its_own() {
    let (dir, _) = busy_store(3, true);
    for expected in ["2026-11-20T120000Z", "2026-11-20T120000Z-2"] {
        fs::write(file(&dir), "not a store").expect("written");
        let (store, salvage) = reopen(&dir);
        assert!(salvage.folder.ends_with(expected), "{salvage:?}");
        drop(store);
    }
}

fn open_again(dir: &TempDir) -> Store {
    // The store of the caller may still be open: look at a copy.
    let copy = tempfile::tempdir().expect("a temporary directory");
    fs::copy(file(dir), copy.path().join(FILE)).expect("copied");
    open(copy.path())
}
