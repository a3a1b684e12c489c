//! The journal is exported and cut off, and what is left is still proved.

use super::*;
use crate::history::History as _;
use crate::payment::sale::RefundState;
use crate::payment::terminal::Lookup;
use crate::store::audit::audit;
use crate::store::retention::{compact, export};
use crate::store::{FILE, StoreError};

/// Two sales that ended, and the time after them.
fn a_month() -> (TempDir, Store, Scribe, i64) {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![approved(1, Fiscal::Owed), brought(1)]);
    scribe.write(&mut store, vec![Fact::ReceiptConfirmed { payment: id(1), number: 1, answer: None }]);
    scribe.write(&mut store, vec![opened(2, Method::Humo, None)]);
    scribe.write(&mut store, approved_card(2));
    let end_ms = scribe.at_ms + 1;
    (dir, store, scribe, end_ms)
}

fn refusal(dir: &TempDir, before_ms: i64) -> String {
    let before = std::fs::read(dir.path().join(FILE)).expect("read");
    let export = dir.path().join("refused.jsonl");
    let refused = compact(dir.path(), &options(), before_ms, &export).expect_err("not final").to_string();
    assert_eq!(std::fs::read(dir.path().join(FILE)).expect("read"), before, "nothing was changed");
    assert!(!export.exists(), "a second try may write it");
    refused
}

#[test]
fn a_finished_month_is_exported_and_the_rest_is_proved() {
    let (dir, mut store, mut scribe, end_ms) = a_month();
    scribe.write(&mut store, vec![opened(3, Method::Payme, Some("code-3"))]);
    drop(store);
    let export = dir.path().join("2026-11.jsonl");
    let done = compact(dir.path(), &options(), end_ms, &export).expect("compacted");
    assert_eq!((done.cut_at, done.lines), (10, 10));
    let lines = std::fs::read_to_string(&export).expect("read");
    assert_eq!(lines.lines().count(), 10);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!((first["seq"].as_i64(), first["fact"]["fact"].as_str()), (Some(1), Some("opened")));

    let report = audit(dir.path()).expect("read");
    assert!(report.holds(), "{report}");
    assert_eq!((report.cut_at, report.lines, report.payments), (Some(10), 1, 3));
    let mut store = open(dir.path());
    assert_eq!(store.load(&Lookup::Token("till/token-1".into())).expect("read"), vec![scribe.payment(1)]);
    assert_eq!(store.open_items().expect("read").payments, vec![scribe.payment(3)]);

    // A sale from before the cut goes on after it.
    scribe.write(&mut store, refund_opened(2, 5));
    let done = RefundState::Done;
    scribe.write(&mut store, vec![Fact::RefundBecame { payment: id(2), refund: refund_id(5), state: done }]);
    let lines = store.archive().expect("an archive").journal(0, 0).expect("read");
    assert_eq!(lines.iter().map(|l| l.sequence).collect::<Vec<_>>(), [11, 12, 13]);
}

#[test]
fn a_second_month_is_cut_after_the_first() {
    let (dir, mut store, mut scribe, first_ms) = a_month();
    scribe.write(&mut store, vec![opened(3, Method::Payme, Some("code-3"))]);
    scribe.write(&mut store, vec![declined(3)]);
    drop(store);
    compact(dir.path(), &options(), first_ms, &dir.path().join("1.jsonl")).expect("compacted");
    let all = compact(dir.path(), &options(), scribe.at_ms + 1, &dir.path().join("2.jsonl")).expect("compacted");
    assert_eq!((all.cut_at, all.lines), (12, 2));
    let report = audit(dir.path()).expect("read");
    assert!(report.holds() && report.lines == 0 && report.last_line == 12, "{report}");
    let mut store = open(dir.path());
    scribe.write(&mut store, vec![opened(4, Method::Click, Some("code-4"))]);
    let report = audit(dir.path()).expect("read");
    assert!(report.holds() && report.last_line == 13, "numbers go on after the cut: {report}");
}

#[test]
fn a_tampered_checkpoint_is_found() {
    let (dir, store, _, end_ms) = a_month();
    drop(store);
    compact(dir.path(), &options(), end_ms, &dir.path().join("1.jsonl")).expect("compacted");
    let store = open(dir.path());
    assert!(store.conn.execute("UPDATE cut_payment SET body = ''", []).is_err(), "a cut is never changed");
    store.conn.execute_batch("DROP TRIGGER cut_payment_is_never_changed").expect("dropped");
    let sql = "UPDATE cut_payment SET body = replace(body, '1500000', '1400000')";
    assert_eq!(store.conn.execute(sql, []).expect("tampered"), 2);
    assert!(!audit(dir.path()).expect("read").holds());
}

#[test]
fn what_is_not_final_keeps_its_whole_story() {
    let (dir, mut store, mut scribe, _) = a_month();
    scribe.write(&mut store, vec![opened(3, Method::Payme, Some("code-3"))]);
    let open_ms = scribe.at_ms + 1;
    scribe.write(&mut store, vec![approved(3, Fiscal::Owed)]);
    let owed_ms = scribe.at_ms + 1;
    drop(store);
    let why = refusal(&dir, open_ms);
    assert!(why.contains("with its receipt owed") && why.contains(&id(3).to_string()), "{why}");
    let mut store = open(dir.path());
    scribe.write(&mut store, vec![brought(3)]);
    drop(store);
    assert!(refusal(&dir, owed_ms).contains("with its receipt queued"));
}

#[test]
fn nothing_old_a_running_daemon_and_an_export_that_exists_are_refused() {
    let (dir, store, _, end_ms) = a_month();
    let export = dir.path().join("1.jsonl");
    let busy = compact(dir.path(), &options(), end_ms, &export).expect_err("in use");
    assert!(matches!(busy, StoreError::InUse { .. }), "{busy}");
    drop(store);
    assert!(refusal(&dir, NOW_MS).contains("no line is that old"));
    std::fs::write(&export, "kept").expect("written");
    assert!(compact(dir.path(), &options(), end_ms, &export).is_err());
    assert_eq!(std::fs::read_to_string(&export).expect("read"), "kept");
    assert!(audit(dir.path()).expect("read").holds());
}

#[test]
fn lines_of_a_time_are_exported_beside_a_daemon_and_none_is_cut_off() {
    let (dir, store, scribe, end_ms) = a_month();
    let to = dir.path().join("1.jsonl");
    let done = export(dir.path(), NOW_MS + 2_000, scribe.at_ms, &to).expect("exported");
    let lines = std::fs::read_to_string(&to).expect("read");
    assert_eq!((done.lines, lines.lines().count()), (4, 4), "the first and the last event are outside: {lines}");
    assert!(lines.starts_with("{\"seq\":2,"), "{lines}");
    assert!(export(dir.path(), 0, end_ms, &to).is_err(), "never over another file");
    assert_eq!(std::fs::read_to_string(&to).expect("read"), lines);
    drop(store);
    let report = audit(dir.path()).expect("read");
    assert!(report.holds() && report.cut_at.is_none() && report.lines == 10, "{report}");
}

#[test]
fn the_new_file_belongs_to_whom_the_old_one_belonged_and_the_export_to_its_owner_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let (dir, store, _, end_ms) = a_month();
    drop(store);
    let file = dir.path().join(FILE);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("set");
    // Only root can give a file away; for anybody else the owner is the same before and after by itself.
    let _ = std::os::unix::fs::chown(&file, Some(12_345), Some(12_345));
    let whose = |m: std::fs::Metadata| (m.uid(), m.gid(), m.mode() & 0o777);
    let before = std::fs::metadata(&file).map(|m| (m.ino(), whose(m))).expect("read");
    let export = dir.path().join("1.jsonl");
    compact(dir.path(), &options(), end_ms, &export).expect("compacted");
    let after = std::fs::metadata(&file).map(|m| (m.ino(), whose(m))).expect("read");
    assert_ne!(after.0, before.0, "it is a new file");
    assert_eq!(after.1, before.1);
    assert_eq!(std::fs::metadata(&export).expect("read").mode() & 0o777, 0o600);
}
