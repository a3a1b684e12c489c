//! What a till may rely on beyond the printed examples (docs/api.md): repeats, doubts, hang-ups, cancels, and the order of the answers.

#![allow(clippy::unwrap_used)]

mod counter;

use counter::{Card, Counter, Reply, Setup};
use serde_json::{Value, json};
use tolov::config::Bearer;
use tolov::payment::card::{ResultClass, Slip};
use tolov::payment::event::{Event, Outcome};
use tolov::payment::sale::{Approval, PaymentId};

const SALE: &str = r#"{"amount":500,"qr_code":"880101698207133392"}"#;
const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";

fn paid(payment_id: &str) -> Reply {
    let data = json!({
        "status": "successfully", "message": "ok", "payment_id": payment_id, "client_phone_number": "998712565009",
        "transaction_id": "echo",
    });
    Reply::Says(json!({ "data": data, "error": null, "is_success": true }).to_string())
}

fn refused(code: i64) -> Reply {
    let error = json!({ "code": code, "message": "НЕТ СРЕДСТВ", "data": null });
    Reply::Says(json!({ "data": null, "error": error, "is_success": false }).to_string())
}

fn card(amount_minor: u64, code: &'static str, class: ResultClass) -> Card {
    let slip = Slip {
        amount_minor: Some(amount_minor),
        rrn: Some("231511584547".to_owned()),
        response_code: Some(code.to_owned()),
        approved: Some(class != ResultClass::Declined),
        cancelled: class == ResultClass::ApprovedForVoid,
        ..Slip::default()
    };
    let printed = format!("СЛИП {code}");
    Card::Says { slip: Box::new(slip), masked: printed.clone(), printed, code, class }
}

fn with(replies: Vec<Reply>) -> Setup {
    Setup { replies, ..Setup::default() }
}

fn id_of(told: &Value) -> String {
    let id = told["data"]["transaction_id"].as_str().or(told["error"]["data"]["transaction_id"].as_str());
    id.unwrap_or_else(|| panic!("no transaction_id: {told}")).to_owned()
}

#[tokio::test]
async fn a_final_answer_is_repeated_byte_for_byte_and_after_a_restart_with_the_phone_masked() {
    let (counter, dir) = Counter::open(with(vec![paid("1")])).await;
    let key = [("Idempotency-Key", "order-17")];
    let first = counter.till.post_as("/payment/click", &key, SALE).await;
    assert!(first.body.contains("998712565009"), "{first:?}");
    for _ in 0..2 {
        let again = counter.till.post_as("/payment/click", &key, SALE).await;
        assert_eq!(again.body, first.body);
    }
    counter.close().await;

    let counter = Counter::open_on(dir.path(), Setup::default()).await;
    let again = counter.till.post_as("/payment/click", &key, SALE).await;
    assert!(!again.body.contains("998712565009"), "a phone was kept at rest: {again:?}");
    let (mut before, mut after) = (first.json(), again.json());
    for told in [&mut before, &mut after] {
        assert!(told["data"]["client_phone_number"].take().is_string());
    }
    assert_eq!(after, before);
    assert!(counter.vendor.asked().is_empty());
}

#[tokio::test]
async fn a_refusal_is_repeated_under_its_key_and_a_new_key_sells_anew() {
    let (counter, _dir) = Counter::open(with(vec![refused(106), paid("2")])).await;
    let first = counter.till.post_as("/payment/click", &[("Idempotency-Key", "a")], SALE).await;
    assert_eq!((first.status, first.code()), (200, 106));
    assert_eq!(first.json()["error"]["message"], "НЕТ СРЕДСТВ");
    assert_eq!(first.json()["error"]["data"]["why"], "refused");
    assert_eq!(counter.till.post_as("/payment/click", &[("Idempotency-Key", "a")], SALE).await.body, first.body);
    let second = counter.till.post_as("/payment/click", &[("Idempotency-Key", "b")], SALE).await;
    assert_eq!(second.json()["data"]["payment_id"], "2");
    assert_eq!(counter.vendor.asked().len(), 2);
}

#[tokio::test]
async fn money_that_comes_after_a_refusal_is_what_its_key_repeats_from_then_on() {
    let (counter, _dir) = Counter::open(with(vec![refused(106)])).await;
    let key = [("Idempotency-Key", "a")];
    let first = counter.till.post_as("/payment/click", &key, SALE).await;
    assert_eq!(first.code(), 106);
    let payment = PaymentId(id_of(&first.json()).parse().unwrap());
    let outcome = Outcome::Approved(Approval { payment_id: Some("1".to_owned()), ..Approval::default() });
    counter.driver.tell(Event::ProviderAnswered { payment, outcome }).await;
    counter.until_journal_says("approved").await;
    let again = counter.till.post_as("/payment/click", &key, SALE).await;
    assert_eq!(again.json()["is_success"], true, "a till that hears the old refusal charges again: {again:?}");
    assert_eq!(counter.till.post_as("/payment/click", &key, SALE).await.body, again.body);
    assert_eq!(counter.vendor.asked().len(), 1);
}

#[tokio::test]
async fn the_same_key_for_another_request_is_refused_and_charges_nothing() {
    let (counter, _dir) = Counter::open(with(vec![paid("1")])).await;
    let key = [("Idempotency-Key", "a")];
    counter.till.post_as("/payment/click", &key, SALE).await;
    let other = SALE.replace("500", "501");
    assert_eq!(counter.till.post_as("/payment/click", &key, &other).await.code(), 920);
    assert_eq!(counter.till.post("/payment/click", &other).await.code(), 921, "the code has paid another amount");
    assert_eq!(counter.vendor.asked().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_said_with_exactly_three_fields_and_never_sent_again() {
    let (counter, _dir) = Counter::open(with(vec![Reply::HangsUp, paid("2")])).await;
    let key = [("Idempotency-Key", "a")];
    let heard = counter.till.post_as("/payment/click", &key, SALE).await;
    let told = heard.json();
    assert_eq!((heard.status, &told["data"], &told["is_success"]), (200, &Value::Null, &json!(false)));
    assert_eq!((&told["error"]["code"], &told["error"]["message"]), (&json!(900), &json!("IN_DOUBT")));
    let data = told["error"]["data"].as_object().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["advice", "state", "transaction_id"]);
    assert_eq!(data["state"], "in_doubt");
    assert!(data["advice"].as_str().unwrap().contains("Do not sell again"));

    assert_eq!(counter.till.post_as("/payment/click", &key, SALE).await.code(), 900);
    assert_eq!(counter.till.post("/payment/click", SALE).await.code(), 900, "the code finds it too");
    assert_eq!(counter.vendor.asked().len(), 1);

    let id = id_of(&told);
    let status = counter.till.get(&format!("/payment/{id}")).await;
    assert_eq!((status.code(), &status.json()["data"]["state"]), (900, &json!("in_doubt")));
    // The next sale of the same amount is warned of it.
    let next = counter.till.post("/payment/click", &SALE.replace("392", "393")).await;
    assert!(next.json()["data"]["warning"].as_str().unwrap().contains(&id), "{next:?}");
}

#[tokio::test]
async fn the_scanner_pays_a_sale_that_brought_no_code() {
    let (counter, _dir) = Counter::open(with(vec![paid("1")])).await;
    let till = counter.till;
    let waiting = tokio::spawn(async move { till.post("/payment/click", r#"{"amount":500,"order_id":17}"#).await });
    counter.until_journal_says("opened").await;
    assert_eq!(counter.till.post("/payment/payme", r#"{"amount":700}"#).await.code(), 910, "one at the counter");
    counter.driver.tell(Event::Scanned { text: "880101698207133392".to_owned() }).await;
    let told = waiting.await.unwrap().json();
    assert_eq!(told["data"]["qr_code"], "880101698207133392");
    let status = counter.till.get(&format!("/payment/{}", id_of(&told))).await.json();
    assert_eq!((&status["data"]["order_id"], &status["data"]["fiscal"]), (&json!("17"), &json!("owed")));
    assert_eq!((&status["is_success"], &status["data"]["state"]), (&json!(true), &json!("paid")));
}

#[tokio::test]
async fn a_terminal_that_is_asked_to_stop_finishes_what_it_began_and_begins_nothing() {
    let (counter, _dir) = Counter::open(with(vec![paid("1")])).await;
    let till = counter.till;
    let waiting = tokio::spawn(async move { till.post("/payment/click", r#"{"amount":500}"#).await });
    counter.until_journal_says("opened").await;
    counter.driver.close();
    for (path, body) in
        [("/payment/click", SALE), ("/payment/xumo", r#"{"amount":50000}"#), ("/payment/xumo_close", "")]
    {
        let refused = counter.till.post(path, body).await;
        assert_eq!((refused.status, refused.code()), (503, 952), "{path}: {refused:?}");
    }
    counter.driver.tell(Event::Scanned { text: "880101698207133392".to_owned() }).await;
    assert_eq!(waiting.await.unwrap().json()["data"]["payment_id"], "1");
    assert_eq!(counter.vendor.asked().len(), 1);
}

#[tokio::test]
async fn a_till_that_hangs_up_before_a_scan_ends_the_wait() {
    let (counter, _dir) = Counter::open(Setup::default()).await;
    let connection = counter.till.begin("/payment/click", r#"{"amount":500}"#).await;
    counter.until_journal_says("opened").await;
    drop(connection);
    counter.until_journal_says("till_gone").await;
    assert!(counter.vendor.asked().is_empty());
}

#[tokio::test]
async fn a_till_that_hangs_up_before_a_card_frees_the_pinpad() {
    let cards = vec![Card::Waits, card(50_000, "000", ResultClass::Approved)];
    let (counter, _dir) = Counter::open(Setup { cards, ..Setup::default() }).await;
    let key = [("Idempotency-Key", "next")];
    let connection = counter.till.begin("/payment/xumo", r#"{"amount":70000}"#).await;
    counter.until_journal_says("opened").await;
    drop(connection);
    counter.until_journal_says("till_gone").await;
    counter.until_journal_says("run_over").await;
    let next = counter.till.post_as("/payment/xumo", &key, r#"{"amount":50000}"#).await;
    assert_eq!(next.json()["isSuccess"], true, "{next:?}");
}

#[tokio::test]
async fn a_till_that_hangs_up_with_the_card_in_the_pinpad_finds_the_sale_by_asking_again() {
    let cards = vec![card(50_000, "000", ResultClass::Approved), card(50_000, "000", ResultClass::Approved)];
    let (counter, _dir) = Counter::open(Setup { cards, ..Setup::default() }).await;
    let sale = r#"{"amount":50000}"#;
    let connection = counter.till.begin("/payment/xumo", sale).await;
    counter.until_journal_says("card_presented").await;
    drop(connection);
    counter.until_journal_says("approved").await;
    let found = counter.till.post("/payment/xumo", sale).await.json();
    assert_eq!(found["isSuccess"], true);
    let sales = |lines: Vec<String>| lines.iter().filter(|line| line.contains("opened")).count();
    assert_eq!(sales(counter.journal()), 1, "the answer never left, so the repeat is the same sale");
    counter.until_journal_says("answered").await;
    let next = counter.till.post("/payment/xumo", sale).await.json();
    assert_eq!(sales(counter.journal()), 2, "that answer left, so this is the next customer");
    assert_ne!(id_of(&next), id_of(&found));
}

#[tokio::test]
async fn a_double_press_waits_for_the_first_sale_and_one_hang_up_of_two_ends_nothing() {
    let (counter, _dir) = Counter::open(with(vec![paid("1")])).await;
    let first = counter.till.begin("/payment/click", r#"{"amount":500}"#).await;
    counter.until_journal_says("opened").await;
    let till = counter.till;
    let second = tokio::spawn(async move { till.post("/payment/click", r#"{"amount":500}"#).await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(first);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    counter.driver.tell(Event::Scanned { text: "880101698207133392".to_owned() }).await;
    assert_eq!(second.await.unwrap().json()["data"]["payment_id"], "1");
    assert!(!counter.journal().iter().any(|line| line.contains("till_gone")));
}

#[tokio::test]
async fn a_till_that_hangs_up_while_the_provider_works_ends_nothing_and_finds_the_payment_again() {
    let (counter, _dir) = Counter::open(with(vec![Reply::Sleeps])).await;
    let connection = counter.till.begin("/payment/click", SALE).await;
    counter.until_journal_says("opened").await;
    drop(connection);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!counter.journal().iter().any(|line| line.contains("cancelled")), "the money may move");
    let till = counter.till;
    let again = tokio::time::timeout(std::time::Duration::from_millis(200), till.post("/payment/click", SALE)).await;
    assert!(again.is_err(), "the repeat waits for the first payment's end");
    assert_eq!(counter.vendor.asked().len(), 1);
}

#[tokio::test]
async fn a_cancel_ends_the_wait_and_comes_too_late_for_money() {
    let (counter, _dir) = Counter::open(with(vec![paid("1")])).await;
    let nothing = counter.till.post("/payment/cancel", "").await;
    assert_eq!(nothing.code(), 922);
    let till = counter.till;
    let waiting = tokio::spawn(async move { till.post("/payment/click", r#"{"amount":500}"#).await });
    counter.until_journal_says("opened").await;
    let cancelled = counter.till.post("/payment/cancel", "{}").await.json();
    assert_eq!((&cancelled["is_success"], &cancelled["data"]["state"]), (&json!(true), &json!("cancelled")));
    assert_eq!(waiting.await.unwrap().code(), 902);

    let id = id_of(&counter.till.post("/payment/click", SALE).await.json());
    let late = counter.till.post("/payment/cancel", &json!({ "transaction_id": id }).to_string()).await;
    assert_eq!((late.code(), &late.json()["error"]["data"]["state"]), (923, &json!("paid")));
}

#[tokio::test]
async fn a_declined_card_tells_its_slip_and_a_void_gives_the_money_back_once() {
    let cards = vec![
        card(50_000, "051", ResultClass::Declined),
        card(50_000, "000", ResultClass::Approved),
        card(50_000, "400", ResultClass::ApprovedForVoid),
    ];
    let (counter, _dir) = Counter::open(Setup { cards, ..Setup::default() }).await;
    let sale = r#"{"amount":50000}"#;
    let declined = counter.till.post("/payment/xumo", sale).await;
    let told = declined.json();
    assert_eq!((&told["isSuccess"], &told["is_success"]), (&json!(false), &json!(false)));
    assert_eq!((&told["message"], declined.code()), (&json!("СЛИП 051"), 108));
    assert_eq!(told["error"]["data"]["response_code"], "051");
    assert_eq!(told["error"]["data"]["reason"], "there is not enough money on the card (code 051)");
    // That answer left the terminal, so the same amount is a new sale.
    counter.until_journal_says("answered").await;
    let paid = counter.till.post("/payment/xumo", sale).await.json();
    assert_eq!(paid["data"]["ppt_id"], "231511584547", "{paid}");

    let void = r#"{"amount":50000,"is_return":true,"request_id":231511584547}"#;
    let part = counter.till.post("/payment/xumo", &void.replace("50000", "20000")).await.json();
    assert_eq!(part["error"]["data"]["reason"], "a sale of this shift is voided whole: send amount 50000 tiyin");
    let first = counter.till.post("/payment/xumo", void).await;
    assert_eq!((&first.json()["isSuccess"], &first.json()["message"]), (&json!(true), &json!("СЛИП 400")), "{first:?}");
    let again = counter.till.post("/payment/xumo", &void.replace("231511584547", "\"231511584547\"")).await;
    assert_eq!(again.json(), first.json(), "a void is asked for once");
    let status = counter.till.get(&format!("/payment/{}", id_of(&paid))).await;
    assert_eq!((status.code(), &status.json()["data"]["refunded_tiyin"]), (906, &json!(50_000)));
    let unknown = counter.till.post("/payment/xumo", &void.replace("231511584547", "1")).await;
    assert_eq!(unknown.code(), 922);
}

#[tokio::test]
async fn a_broken_line_leaves_the_card_sale_in_doubt_and_other_ways_open() {
    let (counter, _dir) =
        Counter::open(Setup { cards: vec![Card::Breaks], replies: vec![paid("1")], ..Setup::default() }).await;
    let told = counter.till.post("/payment/xumo", r#"{"amount":50000}"#).await;
    assert_eq!((told.code(), &told.json()["isSuccess"]), (900, &json!(false)));
    assert_eq!(counter.till.post("/payment/xumo", r#"{"amount":60000}"#).await.code(), 912);
    assert_eq!(counter.till.post("/payment/click", SALE).await.json()["is_success"], true);
}

#[tokio::test]
async fn the_shift_is_closed_by_get_and_by_post() {
    let cards = vec![card(0, "000", ResultClass::Approved), card(0, "000", ResultClass::Approved)];
    let (counter, _dir) = Counter::open(Setup { cards, ..Setup::default() }).await;
    let closed = counter.till.get("/payment/xumo_close").await.json();
    assert_eq!(closed["data"], json!({ "message": "СЛИП 000", "ppt_id": null }), "{closed}");
    assert_eq!((&closed["isSuccess"], &closed["is_success"]), (&json!(true), &json!(true)));
    assert_eq!(counter.till.post("/payment/xumo_close", "").await.json()["is_success"], true);
}

#[tokio::test]
async fn a_key_closes_one_shift_even_when_it_is_sent_again_after_the_next_one_was_closed() {
    let refused = card(0, "303", ResultClass::Declined);
    let cards = vec![card(0, "000", ResultClass::Approved), refused, card(0, "001", ResultClass::Approved)];
    let (counter, dir) = Counter::open(Setup { cards, ..Setup::default() }).await;
    let mut heard = Vec::new();
    for key in ["monday", "tuesday", "wednesday"] {
        heard.push((key, counter.till.post_as("/payment/xumo_close", &[("Idempotency-Key", key)], "").await.body));
    }
    assert!(heard[0].1.contains("СЛИП 000") && heard[1].1.contains("СЛИП 303"), "{heard:?}");
    for (key, first) in &heard {
        let again = counter.till.post_as("/payment/xumo_close", &[("Idempotency-Key", *key)], "").await;
        assert_eq!((again.body, *key), (first.clone(), *key), "a fourth run would have no card");
    }
    let key = [("Idempotency-Key", "monday")];
    for (path, body) in [("/payment/click", SALE), ("/payment/xumo", r#"{"amount":50000}"#)] {
        assert_eq!(counter.till.post_as(path, &key, body).await.code(), 920, "{path}: a settlement has this key");
    }
    counter.close().await;

    let counter = Counter::open_on(dir.path(), Setup::default()).await;
    assert_eq!(counter.till.post_as("/payment/xumo_close", &key, "").await.body, heard[0].1);
    assert!(counter.vendor.asked().is_empty());
}

#[tokio::test]
async fn a_confirm_is_queued_when_the_provider_is_slow_and_never_called_successful() {
    let (counter, _dir) = Counter::open(with(vec![paid("1"), Reply::Sleeps])).await;
    let id = id_of(&counter.till.post("/payment/click", SALE).await.json());
    let confirm = json!({ "payment_id": 1, "qr_code": LINK }).to_string();
    let told = counter.till.post("/payment/click_confirm", &confirm).await.json();
    assert_eq!((&told["is_success"], &told["data"]["status"]), (&json!(true), &json!("queued")));
    assert_eq!(counter.till.get(&format!("/payment/{id}")).await.json()["data"]["fiscal"], "queued");
    let other = confirm.replace("2421", "2422");
    assert_eq!(counter.till.post("/payment/click_confirm", &other).await.code(), 925);
    assert_eq!(counter.till.post("/payment/payme_confirm", &confirm).await.code(), 922, "no such sale of payme");
    let by_our_name = json!({ "transaction_id": id, "qr_code": LINK }).to_string();
    assert_eq!(counter.till.post("/payment/payme_confirm", &by_our_name).await.code(), 924);
}

#[tokio::test]
async fn a_receipt_that_the_provider_refuses_is_parked_and_said_so() {
    let (counter, _dir) = Counter::open(with(vec![paid("1"), refused(7)])).await;
    counter.till.post("/payment/click", SALE).await;
    let confirm = json!({ "payment_id": "1", "qrcode": LINK }).to_string();
    let told = counter.till.post("/payment/click_confirm", &confirm).await;
    assert_eq!((told.code(), &told.json()["error"]["data"]["state"]), (928, &json!("parked")), "{told:?}");
}

#[tokio::test]
async fn a_receipt_of_a_sale_in_doubt_is_held() {
    let (counter, _dir) = Counter::open(with(vec![Reply::HangsUp])).await;
    let id = id_of(&counter.till.post("/payment/click", SALE).await.json());
    let confirm = json!({ "transaction_id": id, "qrcode": LINK }).to_string();
    let told = counter.till.post("/payment/click_confirm", &confirm).await.json();
    assert_eq!((&told["is_success"], &told["data"]["status"]), (&json!(true), &json!("held")));
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (counter, _dir) = Counter::open(with(vec![paid("1")])).await;
    let mut stream = tokio::net::TcpStream::connect(counter.till.0).await.unwrap();
    let keep = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace("Connection: close\r\n", "");
    let sale = keep(counter::till::request("POST", "/payment/click", &[], SALE.as_bytes()));
    let health = keep(counter::till::request("GET", "/health/ready", &[], b""));
    for (request, said) in [(health, "\"ready\":true"), (sale.clone(), "\"payment_id\":\"1\""), (sale, "successfully")]
    {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = String::new();
        while !heard.contains(said) {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "closed after {heard:?}");
            heard.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
    }
}

#[tokio::test]
async fn a_till_that_waits_while_the_terminal_stops_is_told_so_and_finds_its_payment_later() {
    let (counter, dir) = Counter::open(Setup::default()).await;
    let till = counter.till;
    let waiting = tokio::spawn(async move { till.post("/payment/click", r#"{"amount":500}"#).await });
    counter.until_journal_says("opened").await;
    counter.close().await;
    let told = waiting.await.unwrap();
    assert_eq!((told.status, told.code()), (503, 952));

    let counter = Counter::open_on(dir.path(), Setup::default()).await;
    counter.until_journal_says("restart").await;
    let status = counter.till.get(&format!("/payment/{}", id_of(&told.json()))).await;
    assert_eq!((status.code(), &status.json()["data"]["state"]), (902, &json!("cancelled")));
}

#[tokio::test]
async fn a_fault_in_a_handler_costs_one_answer() {
    let settings = || tolov::api::ApiSettings {
        bearer_of: std::sync::Arc::new(|token| if token == "boom" { panic!("a fault") } else { Bearer::Nobody }),
        ..tolov::api::ApiSettings::default()
    };
    let (counter, _dir) = Counter::open(Setup { replies: vec![paid("1")], settings, ..Setup::default() }).await;
    let told = counter.till.post_as("/payment/click", &[("x_auth_token", "boom")], SALE).await;
    assert_eq!((told.status, told.code()), (500, 953));
    assert_eq!(counter.till.post("/payment/click", SALE).await.json()["is_success"], true);
}
