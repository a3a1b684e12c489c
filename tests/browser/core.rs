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
