//! When the log in front of the file is written back into it, and by whom.

use super::*;
use crate::limits;
use crate::payment::fiscal::Fiscal;

#[test]
fn a_rest_writes_the_log_back_into_the_file() {
    let (dir, mut store) = fresh();
    store.rest();
    let mut scribe = Scribe::new();
    for number in 1..=u128::from(limits::STORE_LOG_COMMITS_KEPT) {
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}.")))]);
    }
    let in_the_file = |code: &str| {
        let bytes = std::fs::read(dir.path().join(FILE)).expect("the file");
        bytes.windows(code.len()).any(|window| window == code.as_bytes())
    };
    let last = format!("code-{}.", limits::STORE_LOG_COMMITS_KEPT);
    assert!(!in_the_file(&last), "no commit wrote it back by itself");
    store.rest();
    assert!(in_the_file("code-1.") && in_the_file(&last));
}

#[test]
fn a_start_after_a_rest_finds_one_commit_in_the_log() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for number in 1..=u128::from(limits::STORE_LOG_COMMITS_KEPT) {
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
    }
    // What SQLite reads when it finds a log: the pages that have the salt of the log's head, up to the first that has not.
    let pages_in_the_log = || {
        let log = std::fs::read(dir.path().join("tolov.db-wal")).expect("the log");
        let (head, pages) = log.split_at(32);
        pages.chunks(24 + 4_096).take_while(|page| page[8..16] == head[16..24]).count()
    };
    let (before, file) = (pages_in_the_log(), dir.path().join("tolov.db-wal"));
    let long = std::fs::metadata(&file).expect("the log").len();
    store.rest();
    assert!(before > 100 && pages_in_the_log() == 1, "{before} pages, then {}", pages_in_the_log());
    assert_eq!(
        std::fs::metadata(&file).expect("the log").len(),
        long,
        "its room on the disk is kept for the next sales"
    );
    store.rest();
    assert_eq!(pages_in_the_log(), 1, "a rest after a rest writes nothing");
    for number in 1_001..=1_000 + u128::from(limits::STORE_LOG_COMMITS_KEPT) {
        store.begin_ahead();
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
    }
    store.begin_ahead();
    assert!(pages_in_the_log() > 100);
    store.rest();
    assert_eq!(pages_in_the_log(), 1, "a step that was begun ahead does not keep a rest from it");
}

#[test]
fn a_log_that_grows_is_written_back_beside_the_sales_and_begins_anew() {
    grows_and_begins_anew(Store::between_sales);
}

#[test]
fn it_is_where_the_next_step_is_begun_ahead() {
    grows_and_begins_anew(|store| {
        store.between_sales();
        store.begin_ahead();
    });
    // In a rush, too.
    grows_and_begins_anew(|store| {
        store.amid_sales();
        store.begin_ahead();
    });
}

#[test]
fn it_is_even_where_no_moment_comes_between_two_sales() {
    grows_and_begins_anew(Store::amid_sales);
}

/// The thread comes too late for them each time.
#[test]
fn what_is_left_of_it_is_written_back_between_two_commits() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    store.log_is_bound = true;
    let beside = Connection::open(dir.path().join(FILE)).expect("open");
    let sale = |number| opened(number, Method::Click, Some(&format!("code-{number}")));
    let (mut number, mut passes) = (0, 0);
    let begun_anew = |dir: &Path| std::fs::read(dir.join("tolov.db-wal")).expect("the log")[16..24].to_vec();
    let first = begun_anew(dir.path());
    store.write_back = None;
    while begun_anew(dir.path()) == first {
        if passes == 0 && log_pages(&store) >= limits::STORE_LOG_PAGES_IN_RUSH_KEPT {
            // As the thread does, and the next step has begun before.
            store.log_is_long = false;
            store.begin_ahead();
            assert!(store.is_begun_ahead);
            store.log_is_long = true;
            beside.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).expect("written back");
            passes += 1;
        }
        number += 1;
        assert!(number < 500, "{} pages, written back {passes} times", log_pages(&store));
        scribe.write(&mut store, vec![sale(number)]);
        store.amid_sales();
    }
    assert_eq!(passes, 1);
    let log = log_pages(&store);
    assert!(log < limits::STORE_LOG_PAGES_LEFT_MAX, "{log} pages after {number} sales");
}

fn grows_and_begins_anew(after_a_sale: impl Fn(&mut Store)) {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let begun_anew = |dir: &Path| std::fs::read(dir.join("tolov.db-wal")).expect("the log")[16..24].to_vec();
    let first = begun_anew(dir.path());
    let mut sales = 0;
    // No commit writes it back here: none was asked to.
    store.log_is_bound = true;
    // Between two sales there are moments without a commit, as there are here while the thread has its turn.
    while begun_anew(dir.path()) == first {
        sales += 1;
        assert!(sales < 2_000, "the log is never written back");
        scribe.write(&mut store, vec![opened(sales, Method::Click, Some(&format!("code-{sales}")))]);
        scribe.write(&mut store, vec![approved(sales, Fiscal::Owed)]);
        after_a_sale(&mut store);
        if sales % 8 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    // What was begun ahead is in the way of the question.
    store.rollback();
    let log = log_pages(&store);
    assert!(log < limits::STORE_LOG_PAGES_IN_RUSH_KEPT, "{log} pages after {sales} sales");
    drop(store);
    let report = crate::store::audit::audit(dir.path()).expect("read");
    assert!(report.holds(), "{report}");
}

#[test]
fn a_commit_writes_a_long_log_back_itself_where_nobody_else_does() {
    let (_dir, mut store) = fresh();
    store.write_back = None;
    let mut scribe = Scribe::new();
    let sale = |number| {
        let opened = opened(number, Method::Click, Some(&format!("code-{number}")));
        [opened, approved(number, Fiscal::Owed)]
    };
    let mut longest = 0;
    for fact in (1..2_000).flat_map(sale) {
        scribe.write(&mut store, vec![fact]);
        store.between_sales();
        let pages = log_pages(&store);
        if pages < longest {
            break;
        }
        longest = pages;
    }
    let most = limits::STORE_LOG_PAGES_MAX..limits::STORE_LOG_PAGES_MAX + 30;
    assert!(most.contains(&longest), "{longest} pages");
}
