//! How a store is opened, and when it is refused.

use rusqlite_migration::M;
use std::process::Command;

use super::*;
use crate::driver::ledger::LedgerError;
use crate::history::History as _;
use crate::payment::terminal::Lookup;
use crate::store::laid_up::frozen;
use crate::store::{FILE, StoreError, schema};

#[test]
fn a_new_store_has_the_settings_that_durability_rests_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path(), &StoreOptions::at(NOW_MS)).expect("the store opens");
    let ask = |pragma: &str| {
        store.conn.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0)).expect(pragma)
    };
    assert_eq!(ask("journal_mode"), "wal".to_owned().into());
    assert_eq!(ask("synchronous"), 2.into());
    assert_eq!(ask("foreign_keys"), 1.into());
    assert_eq!(ask("recursive_triggers"), 1.into());
    assert_eq!(ask("application_id"), i64::from(schema::APPLICATION_ID).into());
    assert_eq!(ask("user_version"), i64::try_from(schema::MIGRATIONS.len()).expect("few").into());
    let loose: i64 = store
        .conn
        .query_row("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'", [], |r| r.get(0))
        .expect("read");
    assert_eq!(loose, 0, "every table is STRICT");
}

#[test]
fn a_setting_that_sqlite_does_not_take_is_an_error() {
    let conn = Connection::open_in_memory().expect("memory");
    let refused = schema::settle(&conn, Path::new("memory"), Synchronous::Full, false).expect_err("no WAL in memory");
    assert!(matches!(refused, StoreError::Pragma { pragma: "journal_mode", .. }), "{refused}");
    assert!(refused.to_string().contains("wal"), "{refused}");
}

#[test]
fn a_second_daemon_is_refused_until_the_first_is_gone() {
    let (dir, store) = fresh();
    let refused = Store::open(dir.path(), &options()).expect_err("in use");
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("stop that one first"), "{refused}");
    drop(store);
    open(dir.path());
}

#[test]
fn a_store_of_the_future_is_refused_and_not_touched() {
    let (dir, store) = fresh();
    store.conn.pragma_update(None, "user_version", 99).expect("set");
    drop(store);
    let file = dir.path().join(FILE);
    let before = std::fs::read(&file).expect("read");
    let refused = Store::open(dir.path(), &options()).expect_err("too new");
    assert!(matches!(refused, StoreError::Future { found: 99, known: 10, .. }), "{refused}");
    let words = refused.to_string();
    assert!(words.contains("99") && words.contains("install the newer tolov"), "{words}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
    assert!(!dir.path().join("tolov.db-wal").exists() && !dir.path().join("set-aside").exists());
}

#[test]
fn a_store_of_the_future_is_known_by_its_log_too() {
    let (dir, store) = fresh();
    let copy = tempfile::tempdir().expect("a temporary directory");
    store.conn.pragma_update(None, "user_version", 99).expect("set");
    // As a power cut leaves it: the new version is in the log only.
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        std::fs::copy(dir.path().join(&name), copy.path().join(&name)).expect("copied");
    }
    let before = std::fs::read(copy.path().join(FILE)).expect("read");
    let refused = Store::open(copy.path(), &options()).expect_err("too new");
    assert!(matches!(refused, StoreError::Future { found: 99, .. }), "{refused}");
    assert_eq!(std::fs::read(copy.path().join(FILE)).expect("read"), before);
}

#[test]
fn a_file_of_another_program_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join(FILE);
    let other = Connection::open(&file).expect("open");
    other.execute_batch("CREATE TABLE theirs (a)").expect("made");
    drop(other);
    let before = std::fs::read(&file).expect("read");
    let refused = Store::open(dir.path(), &options()).expect_err("not ours");
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
}

/// The schema of today, and a step after it that breaks in its middle.
const BROKEN: &[M<'static>] = &[
    M::up(include_str!("../migrations/0001-journal-payments-queue.sql")),
    M::up(include_str!("../migrations/0002-settlement-tokens.sql")),
    M::up(include_str!("../migrations/0003-last-card-sales.sql")),
    M::up(include_str!("../migrations/0004-receipt-bodies.sql")),
    M::up(include_str!("../migrations/0005-created-payments.sql")),
    M::up(include_str!("../migrations/0006-fewer-pages-a-sale.sql")),
    M::up(include_str!("../migrations/0007-line-of-last-change.sql")),
    M::up(include_str!("../migrations/0008-cards-asked-again.sql")),
    M::up(include_str!("../migrations/0009-fewer-statements-a-sale.sql")),
    M::up(include_str!("../migrations/0010-debts-on-the-line.sql")),
    M::up("CREATE TABLE half (a INTEGER) STRICT; INSERT INTO half VALUES (1); INSERT INTO nowhere VALUES (1);"),
];

/// The schema of today, and a step after it that works.
const NEXT: &[M<'static>] = &[
    M::up(include_str!("../migrations/0001-journal-payments-queue.sql")),
    M::up(include_str!("../migrations/0002-settlement-tokens.sql")),
    M::up(include_str!("../migrations/0003-last-card-sales.sql")),
    M::up(include_str!("../migrations/0004-receipt-bodies.sql")),
    M::up(include_str!("../migrations/0005-created-payments.sql")),
    M::up(include_str!("../migrations/0006-fewer-pages-a-sale.sql")),
    M::up(include_str!("../migrations/0007-line-of-last-change.sql")),
    M::up(include_str!("../migrations/0008-cards-asked-again.sql")),
    M::up(include_str!("../migrations/0009-fewer-statements-a-sale.sql")),
    M::up(include_str!("../migrations/0010-debts-on-the-line.sql")),
    M::up("ALTER TABLE meta ADD COLUMN note TEXT; CREATE TABLE next (a INTEGER) STRICT;"),
];

#[test]
fn a_migration_that_fails_midway_leaves_the_old_version_whole() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    drop(store);
    let refused = Store::open_with(dir.path(), &options(), BROKEN).expect_err("broken");
    assert!(matches!(refused, StoreError::Migration { to: 11, .. }), "{refused}");
    assert!(refused.to_string().contains("unchanged"), "{refused}");
    let mut store = open(dir.path());
    assert_eq!(store.open_items().expect("read").payments, vec![scribe.payment(1)]);
    let half: i64 =
        store.conn.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |r| r.get(0)).expect("read");
    assert_eq!(half, 0);
}

#[test]
fn every_old_version_is_brought_to_the_newest() {
    for version in 0..NEXT.len() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        if version > 0 {
            older(dir.path(), version, |today| {
                Scribe::new().write(today, vec![opened(1, Method::Click, Some("code-1"))]);
            });
        }
        let mut store = Store::open_with(dir.path(), &options(), NEXT).expect("it is brought on");
        let now: u32 = store.conn.pragma_query_value(None, "user_version", |r| r.get(0)).expect("read");
        assert_eq!(now as usize, NEXT.len());
        assert_eq!(store.open_items().expect("read").payments.len(), version.min(1));
    }
}

#[test]
fn the_last_card_sales_of_an_older_register_are_found_in_the_journal() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut scribe = Scribe::new();
    let old = older(dir.path(), 2, |today| write_card_sales(&mut scribe, today));
    let older = "UPDATE register SET body = json_set(json_remove(body, '$.last_sales'), '$.last_sale', 'a name')";
    assert_eq!(old.execute(older, []).expect("written"), 1);
    drop(old);
    let register = open(dir.path()).open_items().expect("read").register;
    assert_eq!(register.last_sales, [1, 2, 4, 5, 7, 8, 10, 11].map(id));
    assert_eq!(register, scribe.terminal.register);
    assert!(crate::store::audit::audit(dir.path()).expect("read").holds());
}

/// Eleven of them, and the end of all sales.
fn write_card_sales(scribe: &mut Scribe, store: &mut Store) {
    for number in 1..=11 {
        // Every third one has a key, and is found by that.
        let opened = match opened(number, Method::Humo, None) {
            Fact::Opened {
                token: Some(_),
                payment,
                method,
                amount,
                code,
                attended,
                order_id,
                merchant,
                state,
                run,
                warned_of,
                sbp,
            } if number % 3 > 0 => {
                let token = None;
                Fact::Opened {
                    payment,
                    method,
                    amount,
                    code,
                    attended,
                    token,
                    order_id,
                    merchant,
                    state,
                    run,
                    warned_of,
                    sbp,
                }
            }
            keyed => keyed,
        };
        scribe.write(store, vec![opened]);
    }
    scribe.write(store, vec![Fact::SalesClosed { why: "a test".into() }]);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let refused = Store::open(Path::new("/proc/tolov-test"), &options()).expect_err("nobody can write there");
    assert!(matches!(refused, StoreError::Directory { .. } | StoreError::ReadOnly { .. }), "{refused}");
    assert!(refused.to_string().contains("/proc/tolov-test"), "{refused}");
}

#[test]
fn a_directory_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("store");
    std::fs::write(&file, "").expect("written");
    let refused = Store::open(&file, &options()).expect_err("not a directory");
    assert!(matches!(refused, StoreError::Directory { .. }), "{refused}");
}

/// As `open` answers when the file system does not let it write.
fn laid_up(dir: &Path) -> Result<Store, StoreError> {
    let why = StoreError::ReadOnly { path: dir.into() };
    Store::laid_up(dir, &options(), schema::MIGRATIONS, why)
}

#[test]
fn a_store_that_cannot_be_written_is_read_and_heals() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    let mut reader = laid_up(dir.path()).expect("it can be read");
    assert_eq!(reader.open_items().expect("read").payments, vec![scribe.payment(1)]);
    // The first store stands for whatever keeps the second from writing.
    assert!(matches!(reader.begin(), Err(LedgerError::Other(why)) if why.contains("in use")));
    assert!(matches!(reader.prove_writable(), Err(LedgerError::Other(_))));
    assert_eq!(reader.load(&Lookup::Payment(id(1))).expect("read").len(), 1);
    drop(store);
    reader.prove_writable().expect("it heals");
    scribe.write(&mut reader, vec![approved(1, Fiscal::Owed)]);
    drop(reader);
    assert!(open(dir.path()).open_items().expect("read").payments.is_empty());
}

#[test]
fn a_store_of_the_version_before_that_cannot_be_written_is_read_and_heals() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    drop(older(dir.path(), 9, |today| {
        let mut scribe = Scribe::new();
        scribe.write(today, vec![opened(1, Method::Click, Some("code-1"))]);
        scribe.write(today, vec![approved(1, Fiscal::Owed)]);
    }));
    let mut reader = laid_up(dir.path()).expect("it can be read");
    assert_eq!(reader.queue_depth().expect("read").owed, 1, "counted, where no line says it");
    reader.prove_writable().expect("it heals");
    assert_eq!(reader.queue_depth().expect("read").owed, 1);
}

#[test]
fn a_store_that_was_never_written_is_laid_up_empty_and_one_that_was_lost_is_not() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut store = laid_up(dir.path()).expect("nothing to overlook");
    assert!(store.open_items().expect("read").payments.is_empty());
    let archive = store.archive().expect("an archive");
    assert!(archive.payment(id(1)).is_err(), "there is no past yet");
    store.prove_writable().expect("it heals");
    assert_eq!(archive.payment(id(1)), Ok(None));
    drop(store);
    std::fs::remove_file(dir.path().join(FILE)).expect("removed");
    assert!(matches!(laid_up(dir.path()), Err(StoreError::ReadOnly { .. })), "its open payments are not known");
}

#[test]
fn a_file_without_a_log_is_read_where_no_log_can_be_made() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    let file = dir.path().join(FILE);
    assert!(frozen(&file).is_err(), "the log holds what the file lacks");
    drop(store);
    let conn = frozen(&file).expect("the log was written back");
    assert_eq!(conn.query_row("SELECT count(*) FROM payment", [], |r| r.get(0)), Ok(1));
}

#[test]
fn other_programs_can_read_the_file() {
    let (dir, mut store) = fresh();
    Scribe::new().write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    let sql = "PRAGMA integrity_check; SELECT seq, kind FROM lines;";
    let file = dir.path().join(FILE);
    let Ok(shell) = Command::new("sqlite3").arg(&file).arg(sql).output() else {
        // Without the shell on this machine, a second library connection stands in for the other program.
        let other = Connection::open(&file).expect("open");
        let verdict: String = other.query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("read");
        let kind: String = other.query_row("SELECT kind FROM lines", [], |r| r.get(0)).expect("read");
        assert_eq!((verdict.as_str(), kind.as_str()), ("ok", "opened"));
        return;
    };
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "ok\n1|opened\n", "{}", String::from_utf8_lossy(&shell.stderr));
}
