//! The simulator against the seeds' printed examples, asked in bare TCP; then our own client against the simulator.

use super::*;
use crate::payment::event::{Delivery, Outcome};
use crate::payment::sale::{DeclineKind, Method};
use crate::provider::gateway::tests::paid_sale;
use crate::provider::{ConfirmDialect, Gateway, GatewayKind, GatewaySettings, Provider, Ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn sim() -> GatewaySimHandle {
    GatewaySim::spawn(GatewaySimSettings::default()).await.unwrap()
}

/// Everything that comes back, as text.
async fn ask(sim: &GatewaySimHandle, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(sim.address()).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A connection that is reset ends what was said, like one that is closed.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

async fn post(sim: &GatewaySimHandle, path: &str, body: &str) -> Value {
    let answer = ask(sim, "POST", path, body).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

/// The names of an object's fields, sorted.
fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn click_answers_as_the_first_page_prints_it() {
    let sim = sim().await;
    let answer = post(&sim, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
    assert_eq!(names(&answer), ["data", "error", "is_success"]);
    assert_eq!((&answer["error"], &answer["is_success"]), (&Value::Null, &json!(true)));
    let data = &answer["data"];
    assert_eq!(data["status_code"], 0);
    assert_eq!(data["status"], "successfully");
    assert_eq!(data["message"], "Успешно подтвержден");
    assert_eq!(data["qr_code"], "880101698207133392");
    assert_eq!(data["amount"], 500);
    assert!(Uuid::parse_str(data["transaction_id"].as_str().unwrap()).is_ok());
    let entries = sim.entries();
    let [Entry::Charge { vendor: Vendor::Click, amount_minor: 50_000, double: false, payment_id, .. }] = &entries[..]
    else {
        panic!("{entries:?}")
    };
    assert_eq!(data["payment_id"], payment_id.as_str());
}

#[tokio::test]
async fn payme_answers_as_the_newest_page_prints_it() {
    let sim = sim().await;
    let answer = post(&sim, "/payment/payme", r#"{"amount":1000,"qr_code":"50502044301381396427"}"#).await;
    let expected = [
        "amount",
        "client_phone_number",
        "device_id",
        "inn",
        "kkm_id",
        "message",
        "payment_id",
        "qr_code",
        "status",
        "transaction_id",
    ];
    let data = &answer["data"];
    assert_eq!(names(data), expected);
    assert_eq!((data["amount"].as_i64(), data["status"].as_str()), (Some(1000), Some("successfully")));
    assert_eq!(data["message"], "successfully payment");
    let id = data["payment_id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    // The oldest page sells a CLICK-shaped code there.
    let answer = post(&sim, "/payment/payme", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
    assert_eq!(answer["is_success"], true);
}

#[tokio::test]
async fn a_fiscal_module_that_is_not_set_up_is_billing_error() {
    let sim = sim().await;
    sim.set_faults(Faults { charge: Some(Fault::always(FaultKind::NotSetUp)), ..Faults::default() });
    for path in ["/payment/click", "/payment/payme"] {
        let answer = post(&sim, path, r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
        let printed = json!({"data": null, "error": {"code": 104, "message": "BILLING_ERROR", "data": null}, "is_success": false});
        assert_eq!(answer, printed);
    }
    assert!(sim.entries().is_empty());
}

#[tokio::test]
async fn receipts_are_taken_in_every_generation_of_the_pages() {
    let sim = sim().await;
    let link = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
    let sold = post(&sim, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
    let click = sold["data"]["payment_id"].as_str().unwrap().to_owned();
    for key in ["qrcode", "qrcodel", "qr_code"] {
        let answer = post(&sim, "/payment/click_confirm", &json!({"payment_id": click, key: link}).to_string()).await;
        let data = &answer["data"];
        assert_eq!(names(data), ["error", "inn", "payment_id", "qr_code", "status"]);
        assert_eq!((&data["payment_id"], &data["qr_code"]), (&json!(click), &json!(link)));
        assert_eq!((&data["status"], &data["error"]), (&json!("successfully"), &Value::Null));
    }
    let sold = post(&sim, "/payment/payme", r#"{"amount":500,"qr_code":"50501010793410803298"}"#).await;
    let payme = sold["data"]["payment_id"].as_str().unwrap().to_owned();
    for body in [
        json!({"payme_id": payme, "receipt_id": "2421", "qr_code_url": link, "fiscal_sign": "514343190161"}),
        json!({"payment_id": payme, "receipt_id": "2421", "qr_code": link, "fiscal_sign": "514343190161"}),
        json!({"payment_id": payme, "qr_code": link}),
    ] {
        let answer = post(&sim, "/payment/payme_confirm", &body.to_string()).await;
        assert_eq!(answer["is_success"], true, "{answer}");
        assert_eq!(answer["data"]["result"]["receipt"]["_id"], payme.as_str());
    }
    let again: Vec<bool> = sim
        .entries()
        .iter()
        .filter_map(|entry| match entry {
            Entry::Confirmation { again, .. } => Some(*again),
            Entry::Charge { .. } => None,
        })
        .collect();
    assert_eq!(again, [false, true, true, false, true, true]);
}

#[tokio::test]
async fn wrong_fields_are_said_as_the_pages_print_it() {
    let sim = sim().await;
    let link = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
    let blank = json!({"payment_id": "", "qrcode": link}).to_string();
    let null = json!({"payme_id": "x", "receipt_id": "2421", "qr_code_url": link, "fiscal_sign": null}).to_string();
    for (path, body, message) in [
        ("/payment/click_confirm", blank.as_str(), r#"{"payment_id":["This field may not be blank."]}"#),
        ("/payment/payme_confirm", null.as_str(), r#"{"fiscal_sign":["This field may not be null."]}"#),
        ("/payment/click", r#"{"amount":500}"#, r#"{"qr_code":["This field is required."]}"#),
        ("/payment/click", r#"{"amount":"x","qr_code":"88"}"#, r#"{"amount":["A valid integer is required."]}"#),
        (
            "/payment/payme",
            r#"{"amount":0,"qr_code":"5"}"#,
            r#"{"amount":["Ensure this value is greater than or equal to 1."]}"#,
        ),
        ("/payment/payme", "not JSON", r#"{"non_field_errors":["Invalid data. Expected a dictionary."]}"#),
    ] {
        let answer = post(&sim, path, body).await;
        assert_eq!(answer["error"], json!({"code": 7, "message": message, "data": null}), "{body}");
        assert_eq!((&answer["data"], &answer["is_success"]), (&Value::Null, &json!(false)));
    }
    let nobody = json!({"payment_id": "2354512461", "qrcode": link}).to_string();
    assert_eq!(post(&sim, "/payment/click_confirm", &nobody).await["error"]["code"], 7);
    assert!(sim.entries().is_empty());
}

#[tokio::test]
async fn a_second_charge_of_one_code_is_taken_and_marked() {
    let sim = sim().await;
    for _ in 0..2 {
        post(&sim, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
    }
    let doubles: Vec<bool> = sim.entries().iter().map(|e| matches!(e, Entry::Charge { double: true, .. })).collect();
    assert_eq!(doubles, [false, true]);
}

#[tokio::test]
async fn books_survive_the_gateways_own_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("books.jsonl");
    let settings = GatewaySimSettings { books: Some(path.clone()), ..GatewaySimSettings::default() };
    let first = GatewaySim::spawn(settings.clone()).await.unwrap();
    post(&first, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
    let booked = first.entries();
    drop(first);
    // A power cut in the middle of a line that was never answered for.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut f| std::io::Write::write_all(&mut f, b"{\"entr"))
        .unwrap();
    let second = GatewaySim::spawn(settings.clone()).await.unwrap();
    assert_eq!(second.entries(), booked);
    post(&second, "/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await;
    assert!(matches!(second.entries()[..], [_, Entry::Charge { double: true, .. }]));
    drop(second);
    assert_eq!(GatewaySim::spawn(settings.clone()).await.unwrap().entries().len(), 2);
    std::fs::write(&path, "something else\n").unwrap();
    assert!(matches!(GatewaySim::spawn(settings).await, Err(SimError::Books(BooksError::Line { line: 1, .. }))));
}

#[tokio::test]
async fn books_and_faults_are_reached_from_another_process_by_http() {
    let sim = sim().await;
    let set = ask(&sim, "POST", "/sim/faults", r#"{"charge":{"kind":"http_500","times":1}}"#).await;
    assert!(set.starts_with("HTTP/1.1 204"), "{set}");
    assert_eq!(sim.faults().charge, Some(Fault::once(FaultKind::Http500)));
    let charge = r#"{"amount":500,"qr_code":"880101698207133392"}"#;
    assert!(ask(&sim, "POST", "/payment/click", charge).await.starts_with("HTTP/1.1 500"));
    post(&sim, "/payment/click", charge).await;
    let books = ask(&sim, "GET", "/sim/books", "").await;
    let entries: Vec<Entry> = serde_json::from_str(books.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(entries, sim.entries());
    assert!(ask(&sim, "POST", "/sim/faults", r#"{"charge":"broken"}"#).await.starts_with("HTTP/1.1 400"));
    assert!(ask(&sim, "GET", "/sim/faults", "").await.contains("wrong_codes"));
}

fn client(sim: &GatewaySimHandle, kind: GatewayKind) -> Gateway {
    let settings = GatewaySettings {
        base_url: sim.base_url(),
        amount_unit: Unit::Sum,
        upstream_amount_unit: Unit::Sum,
        confirm_dialect: ConfirmDialect::default(),
        timeout_ms: 400,
        connect_timeout_ms: 400,
        refused_codes: vec![7, 104, 106, 401, 402],
    };
    Gateway::new(kind, settings)
}

#[tokio::test]
async fn our_client_and_the_gateway_agree_on_every_fault() {
    use FaultKind as F;
    for (fault, booked, doubt) in [
        (F::Slow { ms: 1_000 }, 1, true),
        (F::Http500, 0, true),
        (F::Garbage, 1, true),
        (F::Cut, 1, true),
        (F::LostAfter, 1, true),
        (F::LostBefore, 0, true),
        (F::Refused { code: 108 }, 0, true),
        (F::Refused { code: 7 }, 0, false),
        (F::NotSetUp, 0, false),
    ] {
        let sim = sim().await;
        sim.set_faults(Faults { charge: Some(Fault::always(fault)), ..Faults::default() });
        let (sale, _) = paid_sale(Method::Click);
        let outcome = client(&sim, GatewayKind::Click).charge(&sale, Ready::default()).await;
        assert_eq!(matches!(outcome, Outcome::InDoubt { .. }), doubt, "{fault:?}: {outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Refused(_)), !doubt, "{fault:?}: {outcome:?}");
        assert_eq!(sim.entries().len(), booked, "{fault:?}: charged once or not at all");
    }
}

#[tokio::test]
async fn our_client_sells_and_hands_the_receipt_over() {
    let sim = sim().await;
    for (kind, method) in [(GatewayKind::Click, Method::Click), (GatewayKind::Payme, Method::Payme)] {
        let (mut sale, confirmation) = paid_sale(method);
        let client = client(&sim, kind);
        let Outcome::Approved(approval) = client.charge(&sale, Ready::default()).await else { panic!("{method}") };
        assert!(approval.payment_id.is_some());
        sale.approval = Some(approval);
        for fault in [FaultKind::Http500, FaultKind::LostAfter, FaultKind::Cut, FaultKind::NotSetUp] {
            sim.set_faults(Faults { confirm: Some(Fault::once(fault)), ..Faults::default() });
            let delivery = client.confirm(&sale, &confirmation).await;
            assert!(matches!(delivery, Delivery::Retry { .. }), "{fault:?}: {delivery:?}");
        }
        let delivery = client.confirm(&sale, &confirmation).await;
        assert!(matches!(delivery, Delivery::Confirmed { answer: Some(_) }), "{delivery:?}");
    }
    let (mut wrong, _) = paid_sale(Method::Click);
    wrong.code = Some("889999999999999999".to_owned());
    let Outcome::Refused(decline) = client(&sim, GatewayKind::Click).charge(&wrong, Ready::default()).await else {
        panic!("wrong code")
    };
    assert_eq!((decline.why, decline.code.as_deref()), (DeclineKind::Refused, Some("106")));
}
