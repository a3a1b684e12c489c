//! The third way to pay, on the page: codes that the display shows, a phone that pays them, and money that goes back.

use serde_json::{Value, json};

use super::Visit;

impl Visit {
    /// The page with its SBP half open.
    fn begin_sbp() -> Self {
        let visit = Self::begin();
        visit.page.press("[data-way=sbp]");
        visit
    }

    /// Sell by a code on the display, and wait until it is there.
    fn show_code(&self) -> Value {
        self.page.press("#sell-sbp");
        self.answered();
        let heard = self.heard();
        assert_eq!((&heard["payment_status"], &heard["payable"]), (&json!("awaiting_payer"), &json!(true)), "{heard}");
        let link = heard["qr_link"].as_str().expect("a link");
        self.page.until("#seen-link", link);
        self.page.until("#operations tr", "created");
        heard
    }

    fn operation(&self) -> Value {
        self.picture()["qrm"]["operations"][0].clone()
    }
}

#[test]
fn an_sbp_code_is_shown_and_paid_with_a_phone_and_its_receipt_is_registered() {
    let visit = Visit::begin_sbp();
    let idle = visit.page.ask("document.getElementById('screen').src");
    let code = visit.show_code();
    visit.page.until_worth(&format!("document.getElementById('screen').src !== {idle}"));
    visit.page.press("[data-phone=pay]");
    visit.page.until("#payments tr", "paid");
    visit.page.until("#books tr", "charge");
    assert_eq!(visit.operation()["sum_kopecks"], json!(95_000));
    assert_eq!(visit.newest()["sbp"]["operation_id"], code["operation_id"]);

    visit.page.until("#sbp-owed", "SBP");
    visit.page.press("#bring");
    visit.page.until("#payments tr", "confirmed");
    visit.page.until("#books tr", "receipt");
    assert_eq!(visit.operation()["receipt"]["total_kopecks"], json!(95_000));
    visit.audit();
}

#[test]
fn an_sbp_code_that_nobody_pays_expires_on_the_word_of_qrmanager() {
    let visit = Visit::begin_sbp();
    visit.show_code();
    visit.page.press("[data-phone=expire]");
    visit.page.until("#payments tr", "expired");
    visit.page.press("#sbp-ask");
    visit.answered();
    let heard = visit.heard();
    assert_eq!((&heard["payment_status"], &heard["qr_link"]), (&json!("expired"), &Value::Null), "{heard}");
    // The counter is free for the next one.
    visit.page.press("#sell-sbp");
    visit.until(|picture| picture["qrm"]["operations"].as_array().map(Vec::len) == Some(2));
    visit.audit();
}

#[test]
fn a_cancelled_sbp_code_that_is_paid_all_the_same_is_paid_late_and_given_back() {
    let visit = Visit::begin_sbp();
    visit.show_code();
    visit.page.press("#sbp-cancel");
    visit.page.until("#payments tr", "cancelled");
    assert_eq!(visit.operation()["standing"], json!("created"), "a code cannot be withdrawn");
    visit.page.press("[data-phone=pay]");
    visit.page.until("#payments tr", "paid, late");
    visit.page.until("#sbp-sale", "SBP");
    visit.page.press("#give-all");
    visit.page.until("#payments tr", "refunded");
    assert_eq!(visit.operation()["standing"], json!("refunded"));
    visit.audit();
}

#[test]
fn a_part_of_an_sbp_sale_is_given_back_and_the_rest_later() {
    let visit = Visit::begin_sbp();
    visit.show_code();
    visit.page.press("[data-phone=pay]");
    visit.page.until("#sbp-sale", "SBP");
    visit.page.press("#give-part");
    visit.until(|picture| picture["qrm"]["operations"][0]["refunds"][0]["success"] == json!(true));
    visit.until(|picture| picture["payments"][0]["refunded_minor"] == json!(10_000));
    assert_eq!(visit.newest()["state"], json!("paid"));
    visit.page.press("#give-all");
    visit.page.until("#payments tr", "refunded");
    let amounts: Vec<_> = visit.operation()["refunds"]
        .as_array()
        .expect("refunds")
        .iter()
        .map(|refund| refund["amount_kopecks"].clone())
        .collect();
    assert_eq!(amounts, [json!(10_000), json!(85_000)], "never more than was paid");
    visit.audit();
}

#[test]
fn a_sale_at_the_sticker_is_paid_there_and_the_sticker_is_live_for_no_other_time() {
    let visit = Visit::begin_sbp();
    visit.page.until("#sticker-state", "no sticker is printed");
    visit.page.press("#sticker");
    visit.page.until("#sticker-state", "not live");
    visit.page.ask("document.getElementById('shown').value = 'sticker'");
    visit.page.press("#sell-sbp");
    visit.page.until("#sticker-state", "live: 950");
    visit.page.press("#pay-sticker");
    visit.page.until("#payments tr", "paid");
    visit.page.until("#sticker-state", "not live");
    assert_eq!(visit.operation()["standing"], json!("paid"));
    assert_eq!(visit.newest()["sbp"]["profile"], json!("sticker"));

    // A customer who comes after the sale was called off finds a code that nobody can pay.
    visit.page.press("#sell-sbp");
    visit.page.until("#sticker-state", "live: 950");
    visit.page.press("#sbp-cancel");
    visit.page.until("#payments tr", "cancelled");
    visit.page.until("#sticker-state", "not live");
    visit.page.press("#pay-sticker");
    visit.page.until("#exchange article h3", "phone");
    let operations = visit.picture()["qrm"]["operations"].as_array().cloned().unwrap_or_default();
    let paid = operations.iter().filter(|operation| operation["standing"] == json!("paid")).count();
    assert_eq!((operations.len(), paid), (2, 1));
    assert_eq!(visit.picture()["qrm"]["links"].as_array().map(Vec::len), Some(1), "one sticker");
    visit.audit();
}

#[test]
fn a_code_whose_sockets_break_is_paid_by_asking_over_rest() {
    let visit = Visit::begin_sbp();
    visit.show_code();
    visit.page.press("#no-sockets + span");
    visit.page.until("#sockets", "sockets 0");
    visit.page.press("[data-phone=pay]");
    visit.page.until("#payments tr", "paid");
    visit.audit();
}
