//! `/api/v1/payment/*`: the six operations of seed 003 in its own words, tokens, receipts and refunds, whatever the method.

#![allow(clippy::unwrap_used)]

#[path = "sbp_api/bench.rs"]
#[allow(dead_code, reason = "shared with tests/sbp_api.rs")]
mod bench;
mod counter;

use bench::{id_of, is_problem};
use counter::{Card, Counter, Heard, Qrm, Reply, Setup};
use serde_json::{Value, json};
use tolov::payment::card::{ResultClass, Slip};
use tolov::payment::event::Event;
use tolov::payment::sale::Method;

const CODE: &str = "880101698207133392";
const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";

/// Seed 003's own example, with a currency and an amount that can be paid here and with the comma that it forgot.
fn create(token: &str, method: &str) -> String {
    let (currency, amount) = if method.starts_with("sbp") { ("RUB", "950.50") } else { ("UZS", "500.0") };
    format!(
        r#"{{
            "idempotency_token": "{token}",
            "money_info": {{ "method_id": "{method}", "currency": "{currency}", "amount": {amount} }},
            "recipcient": {{ "recipcient_id": "shop-7" }},
            "sender": {{ "sender_id": "order-19" }}
        }}"#
    )
}

fn paid(payment_id: &str) -> Reply {
    let data = json!({ "status": "successfully", "message": "ok", "payment_id": payment_id, "transaction_id": "echo" });
    Reply::Says(json!({ "data": data, "error": null, "is_success": true }).to_string())
}

fn refused(code: i64) -> Reply {
    let error = json!({ "code": code, "message": "НЕТ СРЕДСТВ", "data": null });
    Reply::Says(json!({ "data": null, "error": error, "is_success": false }).to_string())
}

fn card(code: &'static str, class: ResultClass) -> Card {
    let slip = Slip {
        amount_minor: Some(50_000),
        rrn: Some("231511584547".to_owned()),
        approved: Some(class != ResultClass::Declined),
        cancelled: class == ResultClass::ApprovedForVoid,
        ..Slip::default()
    };
    Card::Says { slip: Box::new(slip), masked: "СЛИП".to_owned(), printed: "СЛИП".to_owned(), code, class }
}

async fn open(replies: Vec<Reply>, cards: Vec<Card>) -> (Counter, tempfile::TempDir) {
    Counter::open(setup(replies, cards)).await
}

fn setup(replies: Vec<Reply>, cards: Vec<Card>) -> Setup {
    Setup { replies, cards, qrm: Qrm::with_main(), settings: bench::settings, ..Setup::default() }
}

/// What the till asks of one payment.
struct Order<'a>(&'a Counter, String);

impl<'a> Order<'a> {
    async fn new(counter: &'a Counter, token: &str, method: &str) -> Self {
        let heard = counter.ask("/api/v1/payment/create", &create(token, method)).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        assert_eq!(heard.json().as_object().unwrap().len(), 1, "seed 003 answers the name and nothing else");
        Self(counter, id_of(&heard.json()))
    }

    async fn ask(&self, what: &str, body: &str) -> Heard {
        self.0.ask(&format!("/api/v1/payment/{}/{what}", self.1), body).await
    }

    async fn look(&self, what: &str) -> Value {
        let heard = self.0.look(&format!("/api/v1/payment/{}/{what}", self.1)).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        heard.json()
    }

    async fn accept(&self, token: &str, code: Option<&str>) -> Heard {
        let info = code.map_or_else(|| json!({}), |code| json!({ "qr_code": code }));
        let body = json!({ "idempotency_token": token, "accept_info": info }).to_string();
        self.ask("accept?wait=10", &body).await
    }

    async fn status(&self) -> String {
        self.look("retrieve/status").await["payment_status"].as_str().unwrap().to_owned()
    }

    async fn becomes(&self, status: &str) {
        for _ in 0..400 {
            if self.status().await == status {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{:#}", self.look("retrieve").await);
    }
}

#[tokio::test]
async fn a_payment_is_created_accepted_and_retrieved_in_the_words_of_seed_003() {
    let (counter, _dir) = open(vec![paid("77")], vec![]).await;
    let order = Order::new(&counter, "one", "click").await;
    assert_eq!(order.look("retrieve/status").await, json!({ "payment_status": "created" }));
    assert!(counter.vendor.asked().is_empty(), "nobody is asked before it is accepted");

    let told = order.accept("two", Some(CODE)).await.json();
    assert_eq!((told["payment_status"].as_str(), &told["error"]), (Some("paid"), &Value::Null), "{told:#}");
    let retrieved = order.look("retrieve").await;
    let payment = &retrieved["payment"];
    assert_eq!(payment["sender"], json!({ "user_id": "order-19", "method_id": "click" }));
    assert_eq!(payment["recipcient"], json!({ "user_id": "shop-7", "method_id": "click" }));
    assert_eq!((&payment["currency"], &payment["status"]), (&json!("UZS"), &json!("paid")));
    assert_eq!(payment["provider_payment_id"], "77");
    assert!(retrieved.to_string().contains(r#""amount":500.0"#) || retrieved.to_string().contains(r#""amount":500"#));
    assert_eq!(counter.vendor.asked().len(), 1);

    let nobody = "ee000d20-b260-4b17-995a-a7bd113bdb22";
    let heard = counter.look(&format!("/api/v1/payment/{nobody}/retrieve/status")).await;
    assert_eq!(is_problem(&heard, 404, "not_found")["message"], format!("payment {nobody} not found"));
    let heard = counter.till.get(&format!("/api/v1/payment/{nobody}/retrieve")).await;
    is_problem(&heard, 403, "acces_error");
    let heard = counter.ask("/api/v1/payment/create", &create("btc", "click").replace("UZS", "BTC")).await;
    let told = is_problem(&heard, 400, "validation_error");
    assert!(told["message"].as_str().unwrap().contains("send \"UZS\""), "{told:#}");
}

#[tokio::test]
async fn the_amount_is_written_as_an_exact_decimal() {
    let (counter, _dir) = open(vec![], vec![]).await;
    let body = create("one", "humo").replace("500.0", "0.10");
    let id = id_of(&counter.ask("/api/v1/payment/create", &body).await.json());
    let heard = counter.look(&format!("/api/v1/payment/{id}/retrieve")).await;
    assert!(heard.body.contains(r#""amount":0.10,"#), "{}", heard.body);
}

#[tokio::test]
async fn every_operation_repeats_byte_for_byte_under_its_token_and_after_a_restart() {
    let (counter, dir) = open(vec![paid("77")], vec![]).await;
    let order = Order::new(&counter, "create", "click").await;
    let called_off = Order::new(&counter, "other", "humo").await;
    let path = format!("/api/v1/payment/{}", order.1);
    let edit = r#"{"idempotency_token":"edit","money_info":{"method_id":"payme","currency":"UZS","amount":700}}"#;
    let accept = r#"{"idempotency_token":"accept","accept_info":{"qr_code":"50501010793410803298"}}"#;
    let cancel = r#"{"idempotency_token":"cancel","reason":"duplicate"}"#;
    let asked: [(String, String); 4] = [
        ("/api/v1/payment/create".to_owned(), create("create", "click")),
        (format!("{path}/edit"), edit.to_owned()),
        (format!("{path}/accept?wait=10"), accept.to_owned()),
        (format!("/api/v1/payment/{}/cancel", called_off.1), cancel.to_owned()),
    ];
    let mut first = Vec::new();
    for (path, body) in &asked {
        let heard = counter.ask(path, body).await;
        assert_eq!(heard.status, 200, "{path}: {heard:?}");
        first.push(heard.body);
    }
    for ((path, body), first) in asked.iter().zip(&first) {
        assert_eq!(&counter.ask(path, body).await.body, first, "{path}");
    }
    assert!(counter.vendor.asked()[0].contains("700"), "the edited amount is what was asked for");
    counter.close().await;

    let counter = Counter::open_on(dir.path(), setup(vec![], vec![])).await;
    for ((path, body), first) in asked.iter().zip(&first) {
        assert_eq!(&counter.ask(path, body).await.body, first, "{path} after a restart");
    }
    assert!(counter.vendor.asked().is_empty());
    for (path, body) in &asked {
        let other = body.replace("700", "701").replace("duplicate", "timeout").replace("3298", "3299");
        let other = other.replace("order-19", "order-20");
        let told = is_problem(&counter.ask(path, &other).await, 409, "token_reused");
        assert!(told["transaction_id"].is_string(), "{path}: {told:#}");
    }
}

#[tokio::test]
async fn what_the_bank_is_at_work_on_is_neither_edited_nor_cancelled_and_a_refusal_is_not_kept() {
    let (counter, _dir) = open(vec![Reply::Sleeps], vec![]).await;
    let order = Order::new(&counter, "one", "click").await;
    let body = format!(r#"{{"idempotency_token":"a","accept_info":{{"qr_code":"{CODE}"}}}}"#);
    assert_eq!(
        order.ask("accept", &body).await.json()["payment_status"],
        "bank_processing",
        "without a wait it is told at once"
    );
    let edit = r#"{"idempotency_token":"e","money_info":{"method_id":"click","currency":"UZS","amount":1}}"#;
    for (what, body) in [("edit", edit), ("cancel", r#"{"idempotency_token":"c","reason":"other"}"#)] {
        let told = is_problem(&order.ask(what, body).await, 400, "invalid_status");
        assert_eq!(told["payment_status"], "bank_processing", "{told:#}");
    }
    // The refused cancel took nothing: its token is free for another request.
    let other = Order::new(&counter, "c", "humo").await;
    assert_ne!(other.1, order.1);
    is_problem(&other.ask("cancel", r#"{"idempotency_token":"d","reason":"because"}"#).await, 400, "validation_error");
}

#[tokio::test]
async fn a_card_is_accepted_refused_voided_and_needs_no_receipt() {
    let cards = vec![
        card("000", ResultClass::Approved),
        card("000", ResultClass::ApprovedForVoid),
        card("116", ResultClass::Declined),
    ];
    let (counter, _dir) = open(vec![], cards).await;
    let order = Order::new(&counter, "one", "humo").await;
    let told = order.accept("a", None).await.json();
    assert_eq!(told["payment_status"], "paid", "{told:#}");
    let payment = order.look("retrieve").await["payment"].clone();
    assert_eq!((&payment["receipt"], &payment["sender"]["method_id"]), (&json!("not_required"), &json!("humo")));
    is_problem(&order.ask("receipt", &format!(r#"{{"link":"{LINK}"}}"#)).await, 400, "receipt_refused");

    let part = order.ask("refund", r#"{"idempotency_token":"r","amount":100}"#).await;
    let told = is_problem(&part, 409, "refund_refused");
    assert_eq!(told["message"], "a sale of this shift is voided whole: send amount 500.00", "as this door counts");
    let back = order.ask("refund?wait=10", r#"{"idempotency_token":"r"}"#).await;
    assert_eq!(back.json()["status"], "done", "{back:?}");
    assert_eq!(order.status().await, "refunded");
    let again = order.ask("refund", r#"{"idempotency_token":"r"}"#).await;
    assert_eq!(again.body, back.body);
    assert_eq!(order.look("refund").await["refunds"].as_array().unwrap().len(), 1);

    let declined = Order::new(&counter, "two", "humo").await;
    let told = declined.accept("b", None).await.json();
    assert_eq!((&told["payment_status"], &told["error"]["code"]), (&json!("declined"), &json!("provider_refused")));
    assert_eq!(told["error"]["message"], "it was refused with code 116");
}

#[tokio::test]
async fn a_code_payment_takes_its_receipt_and_gives_no_money_back() {
    let confirmed = Reply::Says(json!({ "data": {}, "error": null, "is_success": true }).to_string());
    let (counter, _dir) = open(vec![paid("77"), confirmed], vec![]).await;
    let order = Order::new(&counter, "one", "click").await;
    is_problem(&order.ask("receipt", &format!(r#"{{"link":"{LINK}"}}"#)).await, 409, "wrong_state");
    let told = is_problem(&order.ask("refund", r#"{"idempotency_token":"e"}"#).await, 409, "wrong_state");
    assert!(!told["advice"].as_str().unwrap().contains("cash"), "no money came: {told:#}");
    order.accept("a", Some(CODE)).await;
    assert_eq!(order.look("receipt").await["state"], "owed");
    let told = is_problem(&order.ask("receipt", r#"{"link":"https://example.org"}"#).await, 400, "validation_error");
    assert!(told["fields"]["link"].is_array(), "{told:#}");
    let told = order.ask("receipt", &format!(r#"{{"link":"{LINK}","receipt_id":2421}}"#)).await.json();
    assert!(["queued", "confirmed"].contains(&told["state"].as_str().unwrap()), "{told:#}");
    assert_eq!(told["link"], LINK);
    is_problem(&order.ask("refund", r#"{"idempotency_token":"r"}"#).await, 409, "not_supported");
}

#[tokio::test]
async fn an_sbp_code_is_accepted_shown_paid_and_given_back_in_parts() {
    let (counter, _dir) = open(vec![], vec![]).await;
    let order = Order::new(&counter, "one", "sbp:main").await;
    assert_eq!(order.status().await, "created");
    let told = order.accept("a", None).await.json();
    assert_eq!(told["payment_status"], "awaiting_payer", "{told:#}");
    assert!(told["qr_link"].as_str().unwrap().starts_with("https://"), "{told:#}");
    assert_eq!(order.look("retrieve").await["payment"]["payable"], true);
    counter.pays(&order.1).await;
    assert_eq!(order.status().await, "paid");
    let back = order.ask("refund?wait=5", r#"{"idempotency_token":"r","amount":100.25,"currency":"RUB"}"#).await;
    assert_eq!(back.status, 200, "{back:?}");
    assert!(back.body.contains(r#""amount":100.25,"#), "{back:?}");
    let wrong = order.ask("refund", r#"{"idempotency_token":"q","amount":1,"currency":"UZS"}"#).await;
    is_problem(&wrong, 400, "validation_error");
    let more = order.ask("refund", r#"{"idempotency_token":"m","amount":850.26}"#).await;
    assert_eq!(
        is_problem(&more, 409, "refund_refused")["message"],
        "950.50 was paid, 850.25 of it can still be given back"
    );
    let taken = order.ask("refund", r#"{"idempotency_token":"r","amount":100.26}"#).await;
    is_problem(&taken, 409, "token_reused");
}

#[tokio::test]
async fn with_auto_whatever_the_customer_shows_first_pays() {
    let (counter, _dir) = open(vec![paid("77")], vec![Card::Waits, card("000", ResultClass::Approved)]).await;
    counter.driver.tell(Event::Scanner { present: true }).await;
    let order = Order::new(&counter, "one", "auto").await;
    let body = r#"{"idempotency_token":"a","accept_info":{}}"#;
    assert_eq!(order.ask("accept", body).await.json()["payment_status"], "awaiting_payer");
    assert_eq!(order.look("retrieve").await["payment"]["sender"]["method_id"], "", "the customer has not chosen");
    let busy = Order::new(&counter, "two", "auto").await;
    is_problem(&busy.ask("accept", r#"{"idempotency_token":"b"}"#).await, 409, "busy");
    counter.driver.tell(Event::Scanned { text: CODE.to_owned() }).await;
    order.becomes("paid").await;
    let payment = order.look("retrieve").await["payment"].clone();
    assert_eq!(payment["sender"]["method_id"], "click");
    assert_eq!((&payment["recipcient"]["method_id"], &payment["receipt"]), (&json!("auto"), &json!("owed")));
    assert_eq!(counter.vendor.asked().len(), 1);

    assert_eq!(busy.accept("b", None).await.json()["payment_status"], "paid", "a busy is never kept under its token");
    assert_eq!(busy.look("retrieve").await["payment"]["sender"]["method_id"], "humo");
}

#[tokio::test]
async fn a_provider_that_refuses_or_falls_silent_is_told_as_what_it_is() {
    let (counter, _dir) = open(vec![refused(106), Reply::HangsUp], vec![]).await;
    let order = Order::new(&counter, "one", "click").await;
    let told = order.accept("a", Some(CODE)).await.json();
    assert_eq!((&told["payment_status"], &told["error"]["message"]), (&json!("declined"), &json!("НЕТ СРЕДСТВ")));
    let order = Order::new(&counter, "two", "click").await;
    let told = order.accept("b", Some(CODE)).await.json();
    assert_eq!((&told["payment_status"], &told["error"]["code"]), (&json!("in_doubt"), &json!("in_doubt")));
    is_problem(&order.ask("cancel", r#"{"idempotency_token":"c"}"#).await, 400, "invalid_status");
    let third = Order::new(&counter, "three", "click").await;
    is_problem(&third.accept("d", Some(CODE)).await, 409, "code_used");
    is_problem(&third.ask("accept?wait=soon", r#"{"idempotency_token":"d"}"#).await, 400, "validation_error");
    let unknown = Order::new(&counter, "four", "auto").await;
    is_problem(&unknown.accept("e", Some("what is this")).await, 400, "validation_error");
}

#[tokio::test]
async fn a_method_that_is_not_set_up_creates_nothing() {
    let setup = Setup { methods: vec![Method::Click], settings: bench::settings, ..Setup::default() };
    let (counter, _dir) = Counter::open(setup).await;
    is_problem(&counter.ask("/api/v1/payment/create", &create("one", "humo")).await, 503, "not_configured");
    let heard = counter.ask("/api/v1/payment/create", &create("two", "sbp:elsewhere")).await;
    is_problem(&heard, 400, "validation_error");
    assert!(counter.journal().is_empty());
    let order = Order::new(&counter, "one", "auto").await;
    assert_eq!(order.status().await, "created", "what nobody took keeps no token");
}

#[tokio::test]
async fn a_sale_of_another_door_is_retrieved_here_too() {
    let (counter, _dir) = open(vec![paid("77")], vec![]).await;
    let sold = counter.till.post("/payment/click", &format!(r#"{{"amount":500,"qr_code":"{CODE}"}}"#)).await.json();
    let id = sold["data"]["transaction_id"].as_str().unwrap();
    let payment = counter.look(&format!("/api/v1/payment/{id}/retrieve")).await.json()["payment"].clone();
    assert_eq!(
        (&payment["status"], &payment["sender"]),
        (&json!("paid"), &json!({"user_id": "", "method_id": "click"}))
    );
}

#[tokio::test]
async fn money_that_comes_after_a_no_is_what_every_token_of_the_payment_repeats_from_then_on() {
    let (counter, _dir) = open(vec![], vec![]).await;
    let order = Order::new(&counter, "one", "sbp").await;
    assert_eq!(order.accept("a", None).await.json()["payment_status"], "awaiting_payer");
    let cancel = r#"{"idempotency_token":"c"}"#;
    let off = order.ask("cancel", cancel).await;
    assert_eq!(off.json()["payment_status"], "cancelled");
    let accepted = order.accept("a", None).await;
    assert_eq!(accepted.json()["payment_status"], "cancelled");
    assert_eq!((order.ask("cancel", cancel).await.body, order.accept("a", None).await.body), (off.body, accepted.body));

    counter.pays(&order.1).await;
    assert_eq!(order.look("retrieve").await["payment"]["late"], true);
    let (off, accepted) = (order.ask("cancel", cancel).await, order.accept("a", None).await);
    for told in [&off, &accepted] {
        assert_eq!(told.json()["payment_status"], "paid", "a till that hears the old no sells again: {told:?}");
    }
    order.ask("refund?wait=5", r#"{"idempotency_token":"r"}"#).await;
    assert_eq!((order.ask("cancel", cancel).await.body, order.accept("a", None).await.body), (off.body, accepted.body));
}

#[tokio::test]
async fn a_payment_of_a_sum_that_is_in_doubt_is_accepted_with_a_warning() {
    let (counter, _dir) = open(vec![Reply::HangsUp, paid("2")], vec![]).await;
    let doubtful = Order::new(&counter, "one", "click").await;
    assert_eq!(doubtful.accept("a", Some(CODE)).await.json()["payment_status"], "in_doubt");
    let next = Order::new(&counter, "two", "click").await;
    let told = next.accept("b", Some("880101698207133393")).await.json();
    assert_eq!((&told["payment_status"], &told["warned_of"]), (&json!("paid"), &json!(doubtful.1)));
    assert_eq!(next.look("retrieve").await["payment"]["warned_of"], json!(doubtful.1));
}

#[tokio::test]
async fn where_no_qr_terminal_is_set_up_its_name_changes_nothing_and_what_to_add_is_said() {
    let settings = || tolov::api::ApiSettings { sbp: Default::default(), ..bench::settings() };
    let (counter, _dir) = Counter::open(Setup { methods: vec![Method::Click], settings, ..Setup::default() }).await;
    for method in ["sbp", "sbp:main"] {
        let told =
            is_problem(&counter.ask("/api/v1/payment/create", &create("one", method)).await, 503, "not_configured");
        assert!(told["message"].as_str().unwrap().contains("add [qrm.main]"), "{told}");
    }
    let told = is_problem(&counter.ask("/api/v1/payment/create", &create("one", "humo")).await, 503, "not_configured");
    assert!(told["message"].as_str().unwrap().contains("add [humo] and [merchant]"), "{told}");
}

#[tokio::test]
async fn what_is_wrong_is_said_of_the_field_that_is_wrong() {
    let (counter, _dir) = open(vec![], vec![]).await;
    let twice = create("one", "click").replace("\"method_id\"", "\"amount\": 1, \"method_id\"");
    let told = is_problem(&counter.ask("/api/v1/payment/create", &twice).await, 400, "validation_error");
    assert!(told["fields"]["money_info"][0].as_str().unwrap().contains("\"amount\" stands twice"), "{told}");

    let order = Order::new(&counter, "one", "click").await;
    let path = format!("/api/v1/payment/{}/retrieve/status?wait=1&seen=bogus", order.1);
    let told = is_problem(&counter.look(&path).await, 400, "validation_error");
    assert!(told["fields"]["seen"].is_array(), "{told}");
}
