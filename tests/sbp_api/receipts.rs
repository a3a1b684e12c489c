//! The electronic receipt of a sale, from the till's document to the OFD's word.

use serde_json::{Value, json};
use tolov::payment::event::Delivery;
use tolov::payment::sbp::Ofd;

use crate::bench::{SALE, id_of, is_problem, open};
use crate::counter::Qrm;

/// ATOL's minimal document for the usual sale of 950 roubles.
fn atol(email: &str) -> Value {
    json!({
        "timestamp": "10.11.2022 20:10:00",
        "receipt": {
            "client": {"email": email},
            "company": {"sno": "osn", "email": "shop@mail.ru", "inn": "5544332219", "payment_address": "Москва"},
            "items": [{"name": "тест", "price": 950, "quantity": 1, "sum": 950, "payment_object": "commodity"}],
            "payments": [{"type": 1, "sum": 950}],
            "vats": [{"type": "none", "sum": 0}],
            "total": 950
        }
    })
}

fn path(id: &str) -> String {
    format!("/api/v1/sbp/sale/{id}/receipt")
}

#[tokio::test]
async fn a_receipt_is_confirmed_with_the_ofds_link_and_the_same_document_finds_it() {
    let (counter, dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    let owed = counter.look(&path(&id)).await.json();
    assert_eq!((&owed["state"], &owed["ofd"], &owed["document"]), (&json!("owed"), &json!("atol"), &Value::Null));
    let body = atol("payer@mail.ru").to_string();
    let told = counter.ask(&path(&id), &body).await.json();
    assert_eq!(
        (&told["state"], &told["number"], &told["error"]),
        (&json!("confirmed"), &json!("4316-4040-0201-0001"), &Value::Null)
    );
    assert_eq!(told["answer"]["ofd_receipt_url"], "https://check.example/1", "{told:#}");
    assert_eq!(counter.ask(&path(&id), &body).await.json()["document"], 1, "the same document");
    assert_eq!(counter.look(&path(&id)).await.json()["state"], "confirmed");
    assert_eq!(counter.sale(&id).await["receipt"], "confirmed");
    let other = atol("other@mail.ru").to_string();
    let told = is_problem(&counter.ask(&path(&id), &other).await, 409, "receipt_differs");
    assert_eq!(told["transaction_id"], id);
    assert!(counter.journal().iter().all(|line| !line.contains("mail.ru")), "no address in the journal");
    drop(dir);
}

#[tokio::test]
async fn a_document_that_does_not_fit_is_told_by_path_and_nothing_is_queued() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    let mut wrong = atol("payer@mail.ru");
    wrong["receipt"]["company"]["inn"] = json!("12");
    wrong["receipt"]["items"][0]["payment_method"] = json!("barter");
    let told = is_problem(&counter.ask(&path(&id), &wrong.to_string()).await, 400, "validation_error");
    let fields: Vec<&String> = told["fields"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["receipt.company.inn", "receipt.items[0].payment_method"], "{told:#}");
    let mut cheap = atol("payer@mail.ru");
    cheap["receipt"]["items"][0]["price"] = json!(949);
    cheap["receipt"]["items"][0]["sum"] = json!(949);
    cheap["receipt"]["payments"][0]["sum"] = json!(949);
    cheap["receipt"]["total"] = json!(949);
    let told = is_problem(&counter.ask(&path(&id), &cheap.to_string()).await, 400, "validation_error");
    assert!(told["message"].as_str().unwrap().contains("950.00"), "{told:#}");
    is_problem(&counter.ask(&path(&id), r#"{"Request":{}}"#).await, 400, "validation_error");
    is_problem(&counter.ask(&path(&id), "[]").await, 400, "validation_error");
    is_problem(&counter.ask(&path(&id), "").await, 400, "validation_error");
    assert_eq!(counter.look(&path(&id)).await.json()["state"], "owed");
}

#[tokio::test]
async fn a_parked_receipt_says_why_and_a_corrected_document_takes_its_place() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    counter.qrm.receipts.then(Delivery::Refused { text: "Неверный ИНН".to_owned() });
    let told = counter.ask(&path(&id), &atol("payer@mail.ru").to_string()).await.json();
    assert_eq!((&told["state"], &told["error"]["code"]), (&json!("parked"), &json!("receipt_parked")), "{told:#}");
    assert_eq!(told["error"]["message"], "Неверный ИНН");
    assert_eq!(counter.sale(&id).await["receipt"], "parked");
    let told = counter.ask(&path(&id), &atol("payer2@mail.ru").to_string()).await.json();
    assert_eq!((&told["state"], &told["document"]), (&json!("confirmed"), &json!(2)), "{told:#}");
}

#[tokio::test]
async fn a_receipt_that_the_ofd_is_at_work_with_is_queued() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    counter.qrm.receipts.then(Delivery::Pending { text: "wait".to_owned() });
    let told = counter.ask(&path(&id), &atol("payer@mail.ru").to_string()).await.json();
    assert_eq!((&told["state"], &told["error"]), (&json!("queued"), &Value::Null), "{told:#}");
    counter.until_journal_says("receipt_delayed").await;
    let told = counter.look(&path(&id)).await.json();
    assert_eq!(
        (&told["state"], &told["registered"], &told["last_error"]),
        (&json!("queued"), &json!(true), &json!("wait"))
    );
    let other = atol("other@mail.ru").to_string();
    is_problem(&counter.ask(&path(&id), &other).await, 409, "receipt_differs");
}

#[tokio::test]
async fn an_own_purpose_wants_the_payers_e_mail() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let sale = counter.sold(&SALE.replace('}', r#","purpose":"tea"}"#)).await;
    let id = id_of(&sale);
    counter.pays(&id).await;
    let mut document = atol("payer@mail.ru");
    document["receipt"]["client"] = json!({"phone": "+79000000000"});
    let told = counter.ask(&path(&id), &document.to_string()).await.json();
    assert!(told["warnings"].to_string().contains("e-mail"), "{told:#}");
    assert_eq!(counter.sale(&id).await["warnings"], json!([]), "the receipt was brought");
}

#[tokio::test]
async fn a_sale_that_is_not_paid_or_registers_no_receipts_takes_none() {
    let mut qrm = Qrm::default();
    qrm.profiles = vec![("main", None), ("web", Some(Ofd::Atol))];
    let (counter, _dir) = open(qrm).await;
    let id = counter.paid("one").await;
    assert_eq!(counter.look(&path(&id)).await.json()["state"], "not_required");
    let told = is_problem(&counter.ask(&path(&id), &atol("p@mail.ru").to_string()).await, 400, "receipt_refused");
    assert!(told["message"].as_str().unwrap().contains("registers no receipts"), "{told:#}");

    let waiting = r#"{"amount":95000,"currency":"RUB","idempotency_token":"two","profile":"web"}"#;
    let id = id_of(&counter.sold(waiting).await);
    let told = is_problem(&counter.ask(&path(&id), &atol("p@mail.ru").to_string()).await, 409, "wrong_state");
    assert_eq!(told["payment_status"], "awaiting_payer");
}

#[tokio::test]
async fn a_refund_of_a_sale_with_a_receipt_says_that_the_returns_receipt_is_to_be_made() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    counter.ask(&path(&id), &atol("payer@mail.ru").to_string()).await;
    let told = counter.ask(&format!("/api/v1/sbp/sale/{id}/refund"), r#"{"idempotency_token":"r"}"#).await.json();
    assert!(told["warnings"][0].as_str().unwrap().contains("no receipt for a refund"), "{told:#}");
    let core = counter.look(&format!("/api/v1/payment/{id}/refund")).await.json();
    assert_eq!(core["refunds"][0]["warnings"], told["warnings"], "the other door says so, too");
}
