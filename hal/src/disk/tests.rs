use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::*;

fn open(path: &Path) -> Connection {
    let vfs = joining_log_writes().expect("the layer");
    let conn = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs).expect("a connection");
    settled(conn)
}

fn settled(conn: Connection) -> Connection {
    conn.execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA wal_autocheckpoint = 0")
        .expect("settings");
    conn
}

/// Calls of this thread by which bytes were written, as the kernel counts them.
fn writes() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").expect("the kernel's figures");
    io.lines().find_map(|line| line.strip_prefix("syscw: ")).expect("the number of writes").parse().expect("a number")
}

/// Writes for a commit that changes ten pages.
fn writes_of_a_commit(conn: &Connection) -> u64 {
    conn.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)").expect("a table");
    conn.execute_batch("BEGIN; INSERT INTO t VALUES (1, hex(zeroblob(20000)))").expect("a row of ten pages");
    let before = writes();
    conn.execute_batch("COMMIT").expect("a commit");
    writes() - before
}

#[test]
fn a_commit_reaches_the_kernel_in_one_write() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(writes_of_a_commit(&open(&dir.path().join("joined.db"))), 1);
    let plain = settled(Connection::open(dir.path().join("plain.db")).expect("a connection"));
    assert!(writes_of_a_commit(&plain) > 20, "what it was without the layer");
}

#[test]
fn every_commit_is_read_by_others_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("t.db");
    let conn = open(&path);
    conn.execute_batch("CREATE TABLE t (v INTEGER)").expect("a table");
    let other = Connection::open(&path).expect("a reader of the system's own kind");
    for number in 1..=200_i64 {
        conn.execute("INSERT INTO t VALUES (?1)", [number]).expect("a row");
        let seen: i64 = other.query_row("SELECT max(v) FROM t", [], |row| row.get(0)).expect("the last row");
        assert_eq!(seen, number);
    }
}

#[test]
fn what_is_larger_than_all_memory_reads_its_own_pages_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("t.db");
    let conn = open(&path);
    // Eight pages of memory: nearly every page goes to the log and comes back before the commit.
    conn.execute_batch(
        "PRAGMA cache_size = 8; CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t (v)",
    )
    .expect("a table");
    let fill = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 20000)
                INSERT OR REPLACE INTO t SELECT k, hex((k * 7919) % 20011) FROM n";
    conn.execute_batch(fill).expect("rows");
    conn.execute_batch(
        "BEGIN; UPDATE t SET v = v || 'x'; SAVEPOINT s; DELETE FROM t WHERE k % 3 = 0; ROLLBACK TO s; COMMIT",
    )
    .expect("rows");
    conn.execute_batch("BEGIN; UPDATE t SET v = v || 'lost'; ROLLBACK").expect("rows");
    let sound = |conn: &Connection| {
        let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
        let rows: (i64, i64) = conn
            .query_row("SELECT count(*), sum(v = hex((k * 7919) % 20011) || 'x') FROM t", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("rows");
        assert_eq!((sound.as_str(), rows), ("ok", (20_000, 20_000)));
    };
    sound(&conn);
    sound(&Connection::open(&path).expect("a reader"));
    // As after a power cut: the files as they are, without anybody's farewell.
    for file in ["t.db", "t.db-wal"] {
        std::fs::copy(dir.path().join(file), dir.path().join(format!("cut-{file}"))).expect("a copy");
    }
    sound(&Connection::open(dir.path().join("cut-t.db")).expect("the files of the cut"));
    let busy: i64 =
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).expect("the log written back");
    assert_eq!((busy, std::fs::metadata(dir.path().join("t.db-wal")).expect("the log").len()), (0, 0));
    sound(&conn);
    drop(conn);
    assert!(!dir.path().join("t.db-wal").exists(), "the last connection takes the log with it");
}

/// In a process of its own, because a limit holds for all of it, and because it has to be told beforehand that a full disk is an error and no signal.
#[test]
fn a_log_that_has_no_room_refuses_the_commit_and_keeps_what_was_there() {
    const WITHIN: &str = "TOLOV_TEST_DISK";
    if std::env::var_os(WITHIN).is_some() {
        return refuse_without_room();
    }
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().expect("this program"));
    shell.args(["--exact", "disk::tests::a_log_that_has_no_room_refuses_the_commit_and_keeps_what_was_there"]);
    let outcome = shell.env(WITHIN, "1").output().expect("a process");
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert!(outcome.status.success() && said.contains("1 passed"), "{said}");
}

fn refuse_without_room() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("t.db");
    let conn = open(&path);
    conn.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'kept')")
        .expect("a row");
    let log = std::fs::metadata(dir.path().join("t.db-wal")).expect("the log").len();
    let no_file_past = |end| setrlimit(Resource::Fsize, Rlimit { current: end, maximum: None }).expect("a limit");
    // The first page of the commit still fits.
    no_file_past(Some(log + 5_000));
    let refused = conn.execute("INSERT INTO t VALUES (2, hex(zeroblob(10000)))", []);
    no_file_past(None);
    assert!(refused.is_err(), "{refused:?}");
    let rows =
        |conn: &Connection| conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).expect("rows");
    assert_eq!(rows(&conn), 1);
    conn.execute("INSERT INTO t VALUES (3, 'after')", []).expect("there is room again");
    assert_eq!((rows(&conn), rows(&Connection::open(&path).expect("a reader"))), (2, 2));
}

#[test]
fn a_log_that_cannot_be_opened_is_refused_as_ever() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("t.db");
    drop(open(&path));
    std::fs::create_dir(dir.path().join("t.db-wal")).expect("a directory in its place");
    let conn =
        Connection::open_with_flags_and_vfs(&path, OpenFlags::default(), joining_log_writes().expect("the layer"))
            .expect("a connection");
    assert!(conn.execute_batch("CREATE TABLE t (v)").is_err());
}

#[test]
fn only_what_follows_is_gathered() {
    let mut gathered = Gathered::nothing();
    assert!(gathered.takes(32, b"head") && gathered.takes(36, b"page"));
    assert!(!gathered.takes(41, b"gap") && !gathered.takes(36, b"again"));
    assert!(!gathered.takes(40, &vec![0; GATHERED_MAX_BYTES]), "no room");
    assert_eq!((gathered.at, gathered.bytes.as_slice()), (32, &b"headpage"[..]));
    gathered.bytes.clear();
    assert!(gathered.takes(7, b"anywhere") && gathered.at == 7);
    gathered.bytes.clear();
    assert!(!gathered.takes(0, &vec![0; GATHERED_MAX_BYTES + 1]) && gathered.bytes.is_empty());
}
