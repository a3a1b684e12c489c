//! The audit proves a store that is right, and finds each kind of lie.

use super::*;
use crate::payment::card::{SettlementId, SettlementState};
use crate::payment::sale::{RefundState, Resolution};
use crate::store::audit::{AuditReport, audit_connection};

/// A day with everything in it.
fn a_day() -> (TempDir, Store, Scribe) {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let mut say = |facts: Vec<Fact>| scribe.write(&mut store, facts);
    // Confirmed, owed, parked, declined, in doubt with a receipt that waits, queued.
    say(vec![opened(1, Method::Click, Some("code-1"))]);
    say(vec![approved(1, Fiscal::Owed)]);
    say(vec![brought(1)]);
    say(vec![Fact::ReceiptConfirmed { payment: id(1), number: 1, answer: None }]);
    say(vec![opened(2, Method::Click, None)]);
    say(vec![Fact::CodeBound { payment: id(2), method: None, code: "code-2".into() }]);
    say(vec![approved(2, Fiscal::Owed), Fact::Answered { payment: id(2) }]);
    say(vec![opened(3, Method::Payme, Some("code-3"))]);
    say(vec![approved(3, Fiscal::Owed), brought(3)]);
    say(vec![Fact::ReceiptParked { payment: id(3), number: 1, error: "code 7".into() }]);
    say(vec![opened(4, Method::Click, Some("code-4"))]);
    say(vec![declined(4)]);
    say(vec![opened(5, Method::Payme, Some("code-5"))]);
    say(vec![Fact::Doubted { payment: id(5), why: Doubt::Answer { text: "cut".into() } }]);
    say(vec![Fact::ReceiptBrought { payment: id(5), receipt: receipt(), state: ConfirmationState::Held, why: None }]);
    say(vec![opened(6, Method::Click, Some("code-6"))]);
    say(vec![approved(6, Fiscal::Owed), brought(6)]);
    // The code of a declined sale is used again.
    say(vec![opened(7, Method::Click, Some("code-4"))]);
    say(vec![approved(7, Fiscal::Owed)]);
    // A card sale that is given back, and the shift that it was in.
    say(vec![opened(8, Method::Humo, None)]);
    say(approved_card(8));
    say(refund_opened(8, 9));
    let became = |state| Fact::RefundBecame { payment: id(8), refund: refund_id(9), state };
    say(vec![became(RefundState::Done), Fact::Refunded { payment: id(8) }]);
    say(called_off(9));
    let settlement = SettlementId(Uuid::from_u128(77));
    say(vec![Fact::SettlementOpened { settlement, token: None, shift: None, run: (run_id(77), None) }]);
    say(vec![Fact::SettlementBecame { settlement, state: SettlementState::Done }]);
    say(vec![Fact::SalesClosed { why: "a test".into() }]);
    (dir, store, scribe)
}

fn proof(store: &Store) -> AuditReport {
    audit_connection(&store.conn).expect("the store can be read")
}

/// Change the file as somebody with a shell would who does not care about triggers.
fn tamper(store: &Store, sql: &str) {
    let names: Vec<String> = store
        .conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .expect("read");
    for name in names {
        store.conn.execute_batch(&format!("DROP TRIGGER {name}")).expect("dropped");
    }
    store.conn.execute_batch("PRAGMA foreign_keys = 0").expect("set");
    store.conn.execute_batch(sql).expect(sql);
}

#[test]
fn a_store_that_is_right_is_proved() {
    let (dir, store, scribe) = a_day();
    let report = crate::store::audit::audit(dir.path()).expect("the store can be read");
    assert!(report.holds(), "{report}");
    assert_eq!(report, proof(&store));
    assert_eq!((report.payments, report.cut_at), (9, None));
    assert_eq!(report.lines, u64::try_from(report.last_line).expect("positive"));
    assert_eq!((report.debts.owed.count, report.debts.queued.count, report.debts.parked.count), (2, 1, 1));
    assert_eq!(report.debts.owed.oldest_ms, Some(scribe.payment(2).since_ms), "a debt has its age");
    assert!(report.to_string().ends_with("everything holds"), "{report}");
}

#[test]
fn an_empty_store_is_proved() {
    let (_dir, store) = fresh();
    let report = proof(&store);
    assert!(report.holds() && report.lines == 0, "{report}");
}

#[test]
fn every_kind_of_lie_is_found() {
    let click = id(1).to_string();
    let cases: &[(&str, String)] = &[
        ("payment", format!("UPDATE payment SET body = replace(body, '1500000', '1400000') WHERE id = '{click}'")),
        ("payment", format!("UPDATE payment SET amount_minor = 1 WHERE id = '{click}'")),
        ("payment", format!("UPDATE payment SET state = 'declined' WHERE id = '{click}'")),
        ("payment", format!("UPDATE payment SET resident = 1 WHERE id = '{click}'")),
        ("payment", format!("UPDATE payment SET code = 'code-9' WHERE id = '{click}'")),
        ("payment", format!("UPDATE payment SET upstream_id = NULL WHERE id = '{click}'")),
        ("payment", format!("UPDATE payment SET body = '{{' WHERE id = '{click}'")),
        ("payment", format!("DELETE FROM payment WHERE id = '{click}'")),
        ("payment", "INSERT INTO payment SELECT 99, 'b7e0d1a0-0000-4000-8000-000000000000', method, state, fiscal, amount_minor, currency, NULL, NULL, order_id, upstream_id, shift, attended, resident, created_ms, updated_ms, body, 0 FROM payment WHERE number = 4".into()),
        ("queue", format!("UPDATE outbox SET state = 'queued' WHERE payment_id = '{click}'")),
        ("queue", format!("UPDATE outbox SET attempts = 0 WHERE payment_id = '{click}'")),
        ("queue", format!("DELETE FROM outbox WHERE payment_id = '{click}'")),
        ("queue", format!("INSERT INTO outbox SELECT 'nobody', 1, method, state, 0, 0, 0, NULL, NULL FROM outbox WHERE payment_id = '{click}'")),
        ("queue", "UPDATE depth SET parked = 0".into()),
        ("queue", "UPDATE journal SET owed = 0 WHERE seq = (SELECT max(seq) FROM journal)".into()),
        ("token", "DELETE FROM token WHERE key = 'till/token-1'".into()),
        ("token", format!("UPDATE token SET payment_id = '{click}' WHERE key = 'till/token-2'")),
        ("token", "DELETE FROM token WHERE key = 'till/cancel-9'".into()),
        ("token", "UPDATE token SET digest = 'other' WHERE key = 'till/refund-9'".into()),
        ("refund", format!("UPDATE refund SET payment_id = '{click}'")),
        ("settlement", "UPDATE settlement SET state = 'processing'".into()),
        ("settlement", "UPDATE settlement SET body = replace(body, 'done', 'processing')".into()),
        ("settlement", "DELETE FROM settlement".into()),
        ("register", "UPDATE register SET body = replace(body, 'a test', 'another')".into()),
        ("register", "DELETE FROM register".into()),
        ("journal", "DELETE FROM journal WHERE seq = 3".into()),
        ("journal", "DELETE FROM journal WHERE seq = 1".into()),
        ("journal", "UPDATE journal SET body = '{\"fact\":\"unheard_of\"}' WHERE seq = 3".into()),
        ("journal", "UPDATE journal SET payment_id = NULL WHERE seq = 3".into()),
        ("journal", "INSERT INTO journal (at_ms, payment_id, body) SELECT at_ms, payment_id, body FROM journal WHERE seq = 1".into()),
        ("payment", "UPDATE journal SET at_ms = at_ms + 1 WHERE seq = 1".into()),
    ];
    for (of, sql) in cases {
        let (_dir, store, _) = a_day();
        tamper(&store, sql);
        let report = proof(&store);
        assert!(report.differences.iter().any(|d| d.of == *of), "{sql} is not found as {of}:\n{report}");
        assert!(!report.holds() && report.to_string().contains("DIFFERS"), "{report}");
    }
}

#[test]
fn a_last_line_that_was_taken_away_is_missed_by_what_it_made() {
    let (_dir, store, _) = a_day();
    tamper(&store, "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)");
    assert_eq!(proof(&store).differences.iter().map(|d| d.of).collect::<Vec<_>>(), ["register"]);
}

/// A card sale whose run has that name.
fn with_run(number: u128, run: u128) -> Fact {
    let mut fact = opened(number, Method::Humo, None);
    if let Fact::Opened { run: named, .. } = &mut fact {
        *named = Some((run_id(run), None));
    }
    fact
}

/// Stories that the machine would never tell, written by the store's own means: rows and lines agree, and the story is wrong.
#[test]
fn a_wrong_story_is_found_even_if_rows_and_lines_agree() {
    let bind = |code: &str| Fact::CodeBound { payment: id(1), method: None, code: code.into() };
    let sold = || vec![opened(1, Method::Click, Some("code")), approved(1, Fiscal::Owed), brought(1)];
    let ask_for_card = || Fact::CardAsked { payment: id(1), run: (run_id(6), None) };
    let parked = || vec![Fact::ReceiptParked { payment: id(1), number: 1, error: "code 7".into() }];
    let done = |refund| Fact::RefundBecame { payment: id(1), refund: refund_id(refund), state: RefundState::Done };
    let stories: Vec<(&str, &str, Vec<Vec<Fact>>)> = vec![
        ("two sales in one run", "charge", vec![vec![with_run(1, 5)], vec![with_run(2, 5)]]),
        (
            "one code paid twice",
            "charge",
            vec![
                vec![opened(1, Method::Click, Some("code"))],
                vec![approved(1, Fiscal::Owed)],
                vec![opened(2, Method::Click, Some("code"))],
                vec![approved(2, Fiscal::Owed)],
            ],
        ),
        (
            "a code charged again in the same sale",
            "journal",
            vec![vec![opened(1, Method::Click, None)], vec![bind("a")], vec![bind("b")]],
        ),
        ("a card asked for while one is", "journal", vec![vec![with_run(1, 5)], vec![ask_for_card()]]),
        (
            "an approval without its debt",
            "debt",
            vec![vec![opened(1, Method::Click, Some("code"))], vec![approved(1, Fiscal::NotRequired)]],
        ),
        (
            "a card sale with a debt",
            "debt",
            vec![vec![opened(1, Method::Humo, None)], {
                let mut facts = approved_card(1);
                facts[3] = approved(1, Fiscal::Owed);
                facts
            }],
        ),
        (
            "more given back than was paid",
            "refund",
            vec![
                vec![opened(1, Method::Humo, None)],
                approved_card(1),
                [refund_opened(1, 2), vec![done(2)]].concat(),
                [refund_opened(1, 3), vec![done(3)]].concat(),
            ],
        ),
        (
            "refunded without a refund",
            "refund",
            vec![vec![opened(1, Method::Humo, None)], approved_card(1), vec![Fact::Refunded { payment: id(1) }]],
        ),
        (
            "a receipt confirmed on no evidence",
            "debt",
            vec![sold(), parked(), vec![Fact::ReceiptSigned { payment: id(1), number: 1, resolution: signed(None) }]],
        ),
        (
            "a signature for a receipt that is in the queue",
            "journal",
            vec![sold(), vec![Fact::ReceiptSigned { payment: id(1), number: 1, resolution: signed(Some("r")) }]],
        ),
    ];
    for (what, of, story) in stories {
        let (_dir, mut store) = fresh();
        let mut scribe = Scribe::new();
        for facts in story {
            if of == "journal" {
                scribe.write_anyway(&mut store, facts);
            } else {
                scribe.write(&mut store, facts);
            }
        }
        let report = proof(&store);
        assert!(report.differences.iter().any(|d| d.of == of), "{what} is not found as {of}:\n{report}");
    }
}

/// Somebody has found a receipt.
fn signed(evidence: Option<&str>) -> Resolution {
    Resolution { name: "Aziza".into(), reason: "looked it up".into(), evidence: evidence.map(str::to_owned) }
}

#[test]
fn a_receipt_that_a_person_has_found_is_no_debt_any_more() {
    let (_dir, mut store, mut scribe) = a_day();
    let resolution = signed(Some("receipt 2421 in the cabinet"));
    scribe.write(&mut store, vec![Fact::ReceiptSigned { payment: id(3), number: 1, resolution }]);
    let report = proof(&store);
    assert!(report.holds(), "{report}");
    assert_eq!(report.debts.parked.count, 0);
}

#[test]
fn money_that_came_late_for_a_code_that_was_used_again_is_no_second_charge() {
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    scribe.write(&mut store, vec![opened(1, Method::Click, Some("code"))]);
    scribe.write(&mut store, vec![declined(1)]);
    scribe.write(&mut store, vec![opened(2, Method::Click, Some("code"))]);
    scribe.write(&mut store, vec![approved(2, Fiscal::Owed)]);
    let mut late = approved(1, Fiscal::Owed);
    if let Fact::Approved { late, .. } = &mut late {
        *late = true;
    }
    scribe.write(&mut store, vec![late]);
    let report = proof(&store);
    assert!(report.holds(), "{report}");
}

#[test]
fn an_audit_runs_beside_a_batch_that_is_being_written() {
    let (dir, mut store, mut scribe) = a_day();
    let entry = scribe.entry(vec![opened(20, Method::Click, Some("code-20"))]);
    store.begin().expect("begin");
    store.append(&entry).expect("append");
    let report = crate::store::audit::audit(dir.path()).expect("the store can be read");
    assert!(report.holds() && report.payments == 9, "{report}");
    store.commit().expect("an audit does not hold the writer up");
}

#[test]
fn a_report_is_readable_by_programs() {
    let (_dir, store, _) = a_day();
    tamper(&store, "UPDATE depth SET parked = 0");
    let json = serde_json::to_value(proof(&store)).expect("JSON");
    assert_eq!(json["differences"][0]["of"], "queue");
    assert_eq!(json["debts"]["parked"]["count"], 1);
}
