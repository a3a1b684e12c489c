//! Payments that a till creates first, as a technician sees them.

use serde_json::json as object;
use tolov::limits;
use tolov::payment::order::{Asked, CancelReason, Terms};
use tolov::payment::sale::Method;
use tolov::payment::{Currency, Money};

use super::json;
use super::rig::{NO_CARD, Rig};

#[test]
fn a_payment_that_waits_to_be_accepted_is_listed_and_shown_with_whose_it_is() {
    let rig = Rig::new();
    rig.create(1, None, 50_000);
    rig.create(2, Some(Method::Click), 70_000);
    rig.sell_click(3, 60_000, "paid 7003");
    reads!("list_created", rig.ask(&["payment", "list", "--state", "created"]));
    reads!("show_created", rig.ask(&["payment", "show", &rig.id(1)]));
    let told = json(&rig.ask(&["payment", "show", "--json", &rig.id(1)]));
    assert_eq!((&told["auto"], &told["undecided"], &told["state"]), (&true.into(), &true.into(), &"created".into()));
    let parties = object!({ "sender_id": "guest-1", "recipcient_id": "desk-1", "method_id": "auto" });
    assert_eq!((&told["parties"], &told["wishes"]), (&parties, &object!([])));
    let told = json(&rig.ask(&["payment", "show", "--json", &rig.id(3)]));
    assert_eq!(
        (&told["parties"], &told["auto"], &told["begun_ms"]),
        (&object!(null), &false.into(), &told["created_ms"])
    );
}

#[test]
fn what_a_till_asked_of_its_payment_is_told_with_its_time_and_the_reason_of_a_cancel() {
    let rig = Rig::new();
    rig.create(1, None, 50_000);
    let amount = Money::from_minor(55_000, Currency::Uzs);
    rig.order(1, Asked::Edit(Terms { method: Some(Method::Click), method_id: "click".to_owned(), amount, sbp: None }));
    rig.accept(1);
    rig.order(1, Asked::Cancel { reason: CancelReason::CustomerRequest });
    reads!("show_called_off", rig.ask(&["payment", "show", &rig.id(1)]));
    let told = json(&rig.ask(&["payment", "show", "--json", &rig.id(1)]));
    let created_ms = told["created_ms"].as_i64().unwrap();
    let wish = |after_ms: i64, what: &str, reason: Option<&str>| object!({ "at_ms": created_ms + after_ms, "what": what, "reason": reason });
    let wishes =
        [wish(5_000, "edit", None), wish(10_000, "accept", None), wish(15_000, "cancel", Some("customer_request"))];
    assert_eq!(told["wishes"], object!(wishes));
    assert_eq!(told["begun_ms"], created_ms + 10_000);
}

#[test]
fn a_payment_that_nobody_accepted_in_time_says_so() {
    let rig = Rig::new();
    rig.create(1, None, 50_000);
    rig.wait(limits::CREATED_WAIT_MS);
    reads!("show_never_accepted", rig.ask(&["payment", "show", &rig.id(1)]));
    assert_eq!(json(&rig.ask(&["payment", "list", "--json", "--state", "created"])), object!([]));
}

#[test]
fn of_what_the_customer_chose_it_is_told_who_took_the_money_and_that_no_card_did() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.create(1, None, NO_CARD);
    rig.accept(1);
    assert!(rig.ask(&["status"]).contains("auto 404.00 UZS, awaiting_payer"));
    rig.scan("paid 7001");
    rig.until(1, "paid");
    reads!("show_chosen", rig.ask(&["payment", "show", &rig.id(1)]));
    let told = json(&rig.ask(&["payment", "show", "--json", &rig.id(1)]));
    assert_eq!((&told["method"], &told["auto"], &told["undecided"]), (&"click".into(), &true.into(), &false.into()));
    rig.create(2, None, 75_000);
    rig.accept(2);
    rig.until(2, "paid");
    let totals = json(&rig.ask(&["shift", "--json"]))["totals"].clone();
    let sold = |row: usize| (totals[row]["method"].clone(), totals[row]["sales_minor"].clone());
    assert_eq!((sold(0), sold(1)), (("humo".into(), 75_000.into()), ("click".into(), NO_CARD.into())));
}

#[test]
fn a_payment_belongs_to_the_shift_in_which_it_was_accepted() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_card(1, 75_000);
    rig.create(2, Some(Method::Humo), 10_000);
    rig.next_slip_total(75_000);
    assert!(rig.ask(&["shift", "close"]).contains("equal."));
    rig.accept(2);
    rig.until(2, "paid");
    assert_eq!(json(&rig.ask(&["shift", "--json"]))["totals"][0]["sales_minor"], 10_000);
    assert_eq!(json(&rig.ask(&["shift", "--json", "--last"]))["totals"][0]["sales_minor"], 75_000);
    rig.void(2, 10_000);
    assert_eq!(json(&rig.ask(&["payment", "show", "--json", &rig.id(2)]))["refunds"][0]["kind"], "void");
}

#[test]
fn a_payment_that_is_only_known_does_not_hide_that_the_shift_must_be_closed() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_card(1, super::rig::MUST_CLOSE);
    rig.create(2, Some(Method::Humo), 10_000);
    assert_eq!(json(&rig.ask(&["shift", "--json"]))["must_close"], true);
}
