//! Payments that a till creates first and accepts later.

use super::*;
use crate::payment::order::{Wish, Wished};
use crate::payment::terminal::Lookup;
use crate::store::audit::audit;

/// A payment that was created, edited, accepted and paid.
fn ordered(number: u128) -> Vec<Fact> {
    let payment = id(number);
    // As long as they are in life.
    let digest = |what: &str| format!("{what} {payment} click 20000 UZS shop's own name of the sale and of its payer");
    let token = |what: &str| Token { key: format!("till/{what}-{number}"), digest: digest(what) };
    let wish = |what: &str, wished| Fact::Wished { payment, wish: Wish { token: token(what), what: wished, at_ms: 0 } };
    vec![
        Fact::Created {
            payment,
            method: Method::Humo,
            auto: true,
            amount: sums(15_000),
            token: token("create"),
            order_id: None,
            parties: Box::default(),
            merchant: Merchant::default(),
            sbp: None,
        },
        wish("edit", Wished::Edit),
        Fact::Edited {
            payment,
            method: Method::Click,
            auto: false,
            amount: sums(20_000),
            method_id: "click".into(),
            sbp: None,
        },
        wish("accept", Wished::Accept),
        Fact::Accepted {
            payment,
            method: Method::Click,
            code: Some("code".into()),
            attended: false,
            state: State::BankProcessing,
            run: None,
            warned_of: None,
            link_id: None,
        },
        approved(number, Fiscal::Owed),
    ]
}

#[test]
fn an_order_that_is_accepted_and_paid_writes_few_pages() {
    const ORDERS: u32 = 25;
    let (_dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let mut an_order = |number: u128| {
        let mut facts = ordered(number);
        facts.drain(1..3);
        let Fact::Accepted { code, .. } = &mut facts[2] else { unreachable!("it is accepted then") };
        *code = Some(format!("code-{number}"));
        let paid = facts.split_off(3);
        let accepted = facts.split_off(1);
        for facts in [facts, accepted, paid] {
            scribe.write(&mut store, facts);
        }
        log_pages(&store)
    };
    let before = an_order(1);
    let after = (2..=u128::from(ORDERS) + 1).map(&mut an_order).last().expect("an order");
    let each = (after - before) / ORDERS;
    assert!(each <= 16, "{each} pages of the log for one order");
}

#[test]
fn a_payment_that_was_created_first_is_found_by_every_token_and_stands_in_its_columns_as_it_was_edited() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    for fact in ordered(1) {
        scribe.write(&mut store, vec![fact]);
    }
    for what in ["create", "edit", "accept"] {
        let found = store.load(&Lookup::Token(format!("till/{what}-1"))).expect("a look");
        assert_eq!(found, vec![scribe.payment(1)], "{what}");
    }
    let columns: (String, i64, i64) = store
        .conn
        .query_row("SELECT method, amount_minor, resident FROM payment", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .expect("its row");
    assert_eq!(columns, ("click".to_owned(), 2_000_000, 0));
    let report = audit(dir.path()).expect("an audit");
    assert!(report.holds(), "{report}");
}

/// A payment whose customer chooses, asked for at the PinPad, which gave up waiting for a card; asked for a second time, and paid by `end`.
fn asked_twice(number: u128, end: Vec<Fact>) -> Vec<Fact> {
    let mut facts: Vec<Fact> = ordered(number).into_iter().take(1).collect();
    let payment = id(number);
    let job = Job::Sale { payment };
    let accepted = Fact::Accepted {
        payment,
        method: Method::Humo,
        code: None,
        attended: true,
        state: State::AwaitingPayer,
        run: Some((run_id(number), None)),
        warned_of: None,
        link_id: None,
    };
    let gave_up = || {
        let result = RunResult { code: "998".into(), class: ResultClass::Declined };
        [Fact::Result { job, result }, Fact::RunOver { job, over: RunOver::Ended }]
    };
    facts.push(accepted);
    facts.extend(gave_up());
    facts.push(Fact::CardAsked { payment, run: (run_id(number + 100), None) });
    if !end.iter().any(|fact| matches!(fact, Fact::CardPresented { .. })) {
        facts.extend(gave_up());
    }
    facts.extend(end);
    facts
}

#[test]
fn a_card_asked_for_twice_and_a_code_after_both_are_one_charge_each_time() {
    let (dir, mut store) = fresh();
    let mut scribe = Scribe::new();
    let by_code = vec![
        Fact::CodeBound { payment: id(2), method: Some(Method::Click), code: "code-2".into() },
        approved(2, Fiscal::Owed),
    ];
    for fact in asked_twice(1, approved_card(1)).into_iter().chain(asked_twice(2, by_code)) {
        scribe.write(&mut store, vec![fact]);
    }
    let report = audit(dir.path()).expect("an audit");
    assert!(report.holds(), "{report}");
}
