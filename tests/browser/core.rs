//! One door for every method, on the page: a payment is created, accepted, and paid by what the customer shows.

use serde_json::{Value, json};

use super::Visit;

impl Visit {
    /// The page with its Core API open, and a payment that the customer may pay in any way.
    fn begin_created() -> Self {
        let visit = Self::begin();
        visit.page.press("[data-way=core]");
        visit.page.press("#core-create");
        visit.page.until("#core-status", "created");
        visit.page.until("#payments tr", "AUTO");
        assert_eq!(
            (visit.newest()["state"].clone(), visit.newest()["method_id"].clone()),
            (json!("created"), json!("auto"))
        );
        visit.page.until("#core-payment", "AUTO");
        visit
    }

    /// Accept it, and wait until a card is asked for.
    fn accept(&self) {
        self.page.press("#core-accept");
        self.page.until("#core-status", "awaiting payer");
        self.page.until("#pinpad-screen", "ВСТАВЬТЕ КАРТУ");
    }

    /// Money that the PinPad's bank took.
    fn cards(&self) -> Vec<Value> {
        let picture = self.picture();
        let entries = picture["pinpad"]["entries"].as_array().expect("entries");
        entries.iter().map(|entry| entry["amount_minor"].clone()).collect()
    }
}

#[test]
fn a_created_payment_is_accepted_and_paid_by_a_card() {
    let visit = Visit::begin_created();
    visit.accept();
    visit.page.press("[data-pinpad=approve]");
    visit.page.until("#core-status", "paid");
    visit.page.until("#payments tr", "HUMO");
    assert_eq!((visit.cards(), visit.charges()), (vec![json!(4_500_000)], vec![]));
    visit.page.press("#core-retrieve");
    visit.answered();
    assert_eq!(visit.heard()["payment"]["status"], json!("paid"), "{}", visit.heard());
    visit.audit();
}

#[test]
fn a_code_that_is_scanned_while_a_card_is_asked_for_ends_the_pinpads_dialogue_and_is_charged_once() {
    let visit = Visit::begin_created();
    visit.accept();
    visit.page.press("[data-code=click]");
    visit.page.press("#scan");
    visit.page.until("#core-status", "paid");
    visit.page.until("#payments tr", "CLICK");
    visit.page.until("#pinpad-state", "idle");
    visit.page.until("#books tr", "CLICK");
    assert_eq!((visit.cards(), visit.charges()), (vec![], vec![4_500_000]));
    // The same accept again finds the payment and charges nothing.
    visit.page.press("#core-repeat");
    visit.answered();
    assert_eq!((visit.cards(), visit.charges().len()), (vec![], 1));
    visit.audit();
}

#[test]
fn a_created_payment_outlives_a_power_cut_and_is_accepted_after_it() {
    let visit = Visit::begin_created();
    let created = visit.newest()["transaction_id"].clone();
    visit.page.press("#power-cut");
    visit.page.until("#power-state", "no power");
    visit.page.until("#power-state", "on");
    visit.page.until("#pinpad-state", "idle");
    assert_eq!(
        (visit.newest()["state"].clone(), visit.newest()["transaction_id"].clone()),
        (json!("created"), created)
    );
    visit.page.press("#core-accept");
    visit.page.until("#core-status", "awaiting payer");
    visit.page.press("[data-code=payme]");
    visit.page.press("#scan");
    visit.page.until("#core-status", "paid");
    assert_eq!((visit.cards(), visit.charges()), (vec![], vec![4_500_000]));
    visit.audit();
}

#[test]
fn an_sbp_payment_is_created_and_accepted_shows_its_code_and_is_paid_with_a_phone() {
    let visit = Visit::begin();
    let idle = visit.page.ask("document.getElementById('screen').src");
    visit.page.press("[data-way=core]");
    visit.page.press("#core-method option[value='sbp:main']");
    visit.page.until("#core-unit", "₽");
    visit.page.ask("document.getElementById('core-amount').value = '950'");
    visit.page.press("#core-create");
    visit.page.until("#core-status", "created");
    assert_eq!(visit.picture()["qrm"]["operations"], json!([]), "no code before anybody has accepted");
    assert_eq!(visit.page.ask("document.getElementById('screen').src"), idle);

    visit.page.press("#core-accept");
    visit.page.until("#core-status", "created → awaiting payer");
    visit.page.until_worth(&format!("document.getElementById('screen').src !== {idle}"));
    visit.until(|picture| picture["qrm"]["operations"][0]["standing"] == json!("created"));
    visit.page.press("#core-retrieve");
    visit.answered();
    let link = visit.heard()["payment"]["qr_link"].as_str().expect("the code's link").to_owned();

    visit.page.press("[data-way=sbp]");
    visit.page.until("#seen-link", &link);
    visit.page.press("[data-phone=pay]");
    visit.page.until("#payments tr", "paid");
    visit.page.press("[data-way=core]");
    visit.page.until("#core-status", "created → awaiting payer → paid");
    visit.page.press("#core-retrieve");
    visit.page.until("#exchange article .answer", "\"status\":\"paid\"");
    let payment = &visit.heard()["payment"];
    assert_eq!((&payment["amount"], &payment["currency"]), (&json!(950.0), &json!("RUB")), "{payment}");
    assert_eq!((&payment["receipt"], &payment["payable"]), (&json!("owed"), &json!(false)), "{payment}");
    let operation = visit.picture()["qrm"]["operations"][0].clone();
    assert_eq!((&operation["standing"], &operation["sum_kopecks"]), (&json!("paid"), &json!(95_000)), "{operation}");
    assert_eq!((visit.cards(), visit.charges()), (vec![], vec![]), "nobody else took money");
    visit.audit();
}
