//! What changed since is told from the rows, and is what the journal says: page by page, after a cut, and in a file of an older version.

use super::*;
use crate::history::{ChangeFilter, History as _};
use crate::store::audit::audit;
use crate::store::retention::compact;

/// Thirty sales that ended, some went on meanwhile, and five that have not ended.
fn a_day() -> (TempDir, Store, Scribe) {
    let (dir, mut store) = fresh();
    let scribe = fill(&mut store);
    (dir, store, scribe)
}

fn fill(store: &mut Store) -> Scribe {
    let mut scribe = Scribe::new();
    for number in 1..=35 {
        let code = format!("code-{number}");
        scribe.write(
            store,
            vec![opened(number, Method::Click, Some(&code).filter(|_| number % 2 == 0).map(String::as_str))],
        );
        if number > 3 && number % 3 == 0 {
            scribe.write(store, vec![declined(number - 2)]);
        }
    }
    for number in (2..=30).rev().filter(|number| number % 3 != 1) {
        scribe.write(store, vec![declined(number)]);
    }
    scribe
}

/// The payments by the last line about each, as the journal has them after `after`.
fn by_the_journal(conn: &Connection, after: i64) -> Vec<PaymentId> {
    let mut lines = conn.prepare("SELECT seq, payment_id FROM journal ORDER BY seq").expect("read");
    let lines = lines.query_map([], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?))).expect("read");
    let mut last: Vec<(i64, PaymentId)> = Vec::new();
    for line in lines {
        let (sequence, Some(payment)) = line.expect("read") else { continue };
        let payment = PaymentId(payment.parse().expect("a name"));
        last.retain(|(_, id)| *id != payment);
        last.push((sequence, payment));
    }
    last.into_iter().filter(|(line, _)| *line > after).map(|(_, id)| id).collect()
}

/// All pages of a list.
fn listed(store: &Store, filter: &ChangeFilter) -> Vec<PaymentId> {
    let archive = store.archive().expect("an archive");
    let (mut names, mut filter) = (Vec::new(), filter.clone());
    loop {
        let page = archive.changed_since(&filter).expect("read");
        assert!(page.payments.len() <= filter.limit);
        names.extend(page.payments.iter().map(|payment| payment.id));
        assert!(page.read_to >= filter.after);
        if !page.more {
            assert_eq!(page.read_to, archive.journal_ends().expect("read").last);
            return names;
        }
        filter.after = page.read_to;
    }
}

fn pages_of(limit: usize, after: i64) -> ChangeFilter {
    ChangeFilter { after, limit, look_at: 1_000, ..ChangeFilter::default() }
}

#[test]
fn every_page_goes_on_where_the_last_one_ended_and_names_each_payment_once() {
    let (_dir, store, scribe) = a_day();
    let last = store.archive().expect("an archive").journal_ends().expect("read").last;
    for limit in [1, 2, 7, 100] {
        for after in [0, 1, 10, 20, last - 1, last] {
            assert_eq!(
                listed(&store, &pages_of(limit, after)),
                by_the_journal(&store.conn, after),
                "{limit} after {after}"
            );
        }
    }
    let open = ChangeFilter { state: Some("awaiting_payer".into()), look_at: 2, ..pages_of(3, 0) };
    let waits = |name: &PaymentId| scribe.terminal.payments[name].state == State::AwaitingPayer;
    let wanted: Vec<PaymentId> = by_the_journal(&store.conn, 0).into_iter().filter(waits).collect();
    assert_eq!(listed(&store, &open), wanted);
    let order = ChangeFilter { order_id: Some("order-7".into()), method: Some(Method::Click), ..pages_of(100, 0) };
    assert_eq!(listed(&store, &order), [id(7)]);
    assert_eq!(listed(&store, &ChangeFilter { method: Some(Method::Humo), ..pages_of(9, 0) }), []);
}

#[test]
fn a_time_leads_to_the_first_change_at_or_after_it() {
    let (_dir, store, scribe) = a_day();
    let archive = store.archive().expect("an archive");
    for at_ms in [0, NOW_MS, NOW_MS + 20_500, NOW_MS + 40_000, scribe.at_ms, scribe.at_ms + 1] {
        let after = archive.line_before(at_ms).expect("read");
        let changed = |name: &PaymentId| scribe.terminal.payments[name].updated_ms >= at_ms;
        let wanted: Vec<PaymentId> = by_the_journal(&store.conn, 0).into_iter().filter(changed).collect();
        assert_eq!(by_the_journal(&store.conn, after), wanted, "{at_ms}");
    }
}

#[test]
fn a_time_after_the_last_change_leads_to_nothing_also_where_a_payment_goes_on() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code-1"))]);
    scribe.write(&mut store, vec![declined(1)]);
    scribe.write(&mut store, vec![opened(2, Method::Click, Some("code-2"))]);
    let after = |at_ms| store.archive().expect("an archive").line_before(at_ms).expect("read");
    assert_eq!(listed(&store, &pages_of(9, after(scribe.at_ms + 1_000_000))), []);
    assert_eq!(listed(&store, &pages_of(9, after(scribe.terminal.payments[&id(2)].updated_ms))), [id(2)]);
}

#[test]
fn where_a_payment_stood_before_a_line_is_read_from_the_lines_before_it() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Humo, None)]);
    scribe.write(&mut store, vec![opened(2, Method::Humo, None)]);
    scribe.write(&mut store, approved_card(1));
    let archive = store.archive().expect("an archive");
    let before = |line| archive.state_before(line, id(1)).expect("read");
    assert_eq!((before(1), before(2), before(3)), (None, Some("awaiting_payer"), Some("awaiting_payer")));
    assert_eq!((before(4), before(5), before(7)), (Some("bank_processing"), Some("in_doubt"), Some("paid")));
    assert_eq!(archive.state_before(9, id(2)).expect("read"), Some("awaiting_payer"));
}

#[test]
fn payments_whose_lines_were_cut_off_stay_in_the_list() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for number in 1..=9 {
        scribe.write(&mut store, vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
    }
    for number in [4, 2, 9, 1, 3, 8, 6, 5, 7] {
        scribe.write(&mut store, vec![declined(number)]);
    }
    let before = listed(&store, &pages_of(2, 0));
    drop(store);
    compact(dir.path(), &options(), scribe.at_ms + 1, &dir.path().join("1.jsonl")).expect("compacted");
    let mut store = open(dir.path());
    assert_eq!(listed(&store, &pages_of(2, 0)), before);
    assert_eq!(listed(&store, &pages_of(2, 12)), before[3..]);
    scribe.write(&mut store, vec![opened(10, Method::Click, Some("code-10"))]);
    assert_eq!(listed(&store, &pages_of(2, 16)), [id(5), id(7), id(10)]);
    let report = audit(dir.path()).expect("read");
    assert!(report.holds(), "{report}");
}

#[test]
fn an_older_file_is_given_the_last_lines_of_its_payments() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let old = older(dir.path(), 6, |today| drop(fill(today)));
    let wanted = by_the_journal(&old, 0);
    drop(old);
    let store = open(dir.path());
    assert_eq!(listed(&store, &pages_of(4, 0)), wanted);
    store.conn.execute("UPDATE payment SET line = line + 1 WHERE id = ?1", [id(7).to_string()]).expect("tampered");
    assert!(!audit(dir.path()).expect("read").holds());
}
