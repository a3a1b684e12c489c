//! Frozen bytes: what is written to QRManager (seed 004). Names, order, numbers and paths are what its servers have taken.
//!
//! If a test here fails, do not change the test: write down why QRManager takes something else now.

use tolov::payment::sbp::{LoyaltyKind, ProductLine, SbpAsk};
use tolov::provider::qrm::access::{Request, Verb};
use tolov::provider::qrm::products::{self, Spelling};
use tolov::provider::qrm::{QrmError, cash, code, loyalty, refund, registration, status};

use crate::sales::{ask, ask_for, at_link, card, rub, sale, sbp};

const OPERATION: &str = "8d585d08-96c6-4005-abb9-aa99f822019c";
const LINK: &str = "BS1R003CN9P4NJ0F8QQA41JQRG1U4U44";

fn is(request: Result<Request, QrmError>, verb: Verb, path: &str, body: Option<&str>) {
    let request = request.expect("allowed");
    assert_eq!((request.verb, request.path.as_str(), request.body.as_deref()), (verb, path, body));
}

#[test]
fn the_requests_for_codes_are_these_bytes() {
    // if a test here fails, do not change the test
    let path = "/operations/qr-code/";
    let post = |sale, body| is(code::request(&sale, true), Verb::Post, path, Some(body));
    post(sale(10_000, ask()), r#"{"sum":10000}"#);
    post(
        sale(1_000, SbpAsk { qr_size: Some(400), ..ask_for("Договор №345") }),
        r#"{"sum":1000,"qr_size":400,"payment_purpose":"Договор №345"}"#,
    );
    let line = |id: &str, count, kopecks| ProductLine { product_id: id.to_owned(), count, price: rub(kopecks) };
    post(
        sale(91_500, SbpAsk { nomenclature: vec![line("e7d5af05", 2, 45_000), line("f1fccfff", 1, 1_500)], ..ask() }),
        r#"{"sum":91500,"nomenclature":[{"product_id":"e7d5af05","count":2,"price":45000},{"product_id":"f1fccfff","count":1,"price":1500}]}"#,
    );
}

#[test]
fn the_requests_for_codes_with_a_loyalty_card_are_these_bytes() {
    // if a test here fails, do not change the test
    use LoyaltyKind::{Accrual, Discount, WriteOff};
    for (kopecks, loyalty, body) in [
        (
            10_000,
            card(Accrual, None, None),
            r#""sum":10000,"loyalty":{"phone":"+79000000000","client_id":257065,"loyalty_type":1}"#,
        ),
        (
            90_000,
            card(WriteOff, Some(100), Some(100_000)),
            r#""sum":90000,"loyalty":{"phone":"+79000000000","client_id":257065,"loyalty_type":0,"loyalty_amount":100,"base_amount":100000}"#,
        ),
        (
            95_000,
            card(Discount, None, Some(100_000)),
            r#""sum":95000,"loyalty":{"phone":"+79000000000","client_id":257065,"loyalty_type":2,"base_amount":100000}"#,
        ),
        (
            95_000,
            card(Accrual, None, Some(100_000)),
            r#""sum":95000,"loyalty":{"phone":"+79000000000","client_id":257065,"loyalty_type":1,"base_amount":100000}"#,
        ),
    ] {
        let mut sale = sale(kopecks, ask());
        sbp(&mut sale).ask.loyalty = Some(loyalty);
        is(code::request(&sale, true), Verb::Post, "/operations/qr-code/", Some(&format!("{{{body}}}")));
    }
    let search = loyalty::search("+79000000000", rub(100_000));
    is(search, Verb::Post, "/loyalty/search/", Some(r#"{"phone":"+79000000000","sum":100000}"#));
}

#[test]
fn the_requests_of_cash_links_are_these_bytes() {
    // if a test here fails, do not change the test
    is(cash::register(None, None), Verb::Post, "/operations/cash-qr/", Some("{}"));
    let register = cash::register(Some(300), Some("AD10007F3VC9B6VF9008QV010VSQRKJM"));
    let body = r#"{"size":300,"qrc_id":"AD10007F3VC9B6VF9008QV010VSQRKJM"}"#;
    is(register, Verb::Post, "/operations/cash-qr/", Some(body));
    let activate = format!("/operations/cash-qr/{LINK}/activate/");
    let plain = at_link(sale(600, ask()), LINK);
    is(cash::activate(&plain, LINK), Verb::Post, &activate, Some(r#"{"sum":600}"#));
    let with_purpose = at_link(sale(600, ask_for("Оплата")), LINK);
    let body = r#"{"sum":600,"payment_purpose":"Оплата"}"#;
    is(cash::activate(&with_purpose, LINK), Verb::Post, &activate, Some(body));
    is(cash::deactivate(LINK), Verb::Delete, &format!("/operations/cash-qr/{LINK}/deactivate/"), None);
    is(status::of_cash_link(OPERATION), Verb::Get, &format!("/operations/{OPERATION}/cash-qr/status/"), None);
}

#[test]
fn the_other_requests_are_these_bytes() {
    // if a test here fails, do not change the test
    is(status::of_code(OPERATION), Verb::Get, &format!("/operations/{OPERATION}/qr-status/"), None);
    let body = format!(r#"{{"operation_id":"{OPERATION}","amount":1000180}}"#);
    is(refund::request(OPERATION, rub(1_000_180)), Verb::Post, "/operations/refund/", Some(&body));
    let told = format!("/operations/{OPERATION}/refund-status/BR1000TG/");
    is(refund::status(OPERATION, "BR1000TG"), Verb::Get, &told, None);
    is(Ok(products::request(Spelling::Slash)), Verb::Get, "/users/qrt/products/", None);
    is(Ok(products::request(Spelling::Bare)), Verb::Get, "/users/qrt/products", None);
    let receipt = r#"{ "external_id": "7786-0666-4734-9487" }"#;
    let taken = registration::request("7786-0666-4734-9487", receipt);
    is(taken, Verb::Post, "/operations/7786-0666-4734-9487/receipt/", Some(receipt));
    let asked = registration::status("7786-0666-4734-9487");
    is(asked, Verb::Get, "/operations/7786-0666-4734-9487/receipt/status/", None);
}
