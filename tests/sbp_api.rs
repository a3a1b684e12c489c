//! A till that sells by a code which the terminal shows: the real door, driver and store, and QRManager where its orders arrive.

#![allow(clippy::unwrap_used)]

#[path = "sbp_api/bench.rs"]
mod bench;
mod counter;
#[path = "sbp_api/receipts.rs"]
mod receipts;
#[path = "sbp_api/refused.rs"]
mod refused;

use bench::{SALE, TOKEN, id_of, is_problem, open};
use counter::till::request;
use counter::{Qrm, Setup};
use serde_json::{Value, json};
use tolov::payment::sale::{Decline, DeclineKind};
use tolov::payment::sbp::{CodeOutcome, LinkOutcome, LoyaltyKind, Points, QrStatus, RefundOutcome};

const ROOT: &str = "/api/v1/sbp";

fn decline(why: DeclineKind, message: &str) -> Decline {
    Decline { why, code: Some("detail".to_owned()), message: Some(message.to_owned()) }
}

#[tokio::test]
async fn a_sale_is_answered_with_its_code_and_found_paid_later() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let sale = counter.sold(SALE).await;
    assert_eq!(sale["payment_status"], "awaiting_payer", "{sale:#}");
    assert_eq!((&sale["amount"], &sale["currency"], &sale["profile"]), (&json!(95_000), &json!("RUB"), &json!("main")));
    assert_eq!(sale["number"], "4316-4040-0201-0001");
    assert!(sale["qr_link"].as_str().unwrap().starts_with("https://qr.nspk.ru/"), "{sale:#}");
    assert_eq!((&sale["payable"], &sale["error"], &sale["warnings"]), (&json!(true), &Value::Null, &json!([])));

    let id = id_of(&sale);
    counter.pays(&id).await;
    let paid = counter.sale(&id).await;
    assert_eq!((&paid["qr_link"], &paid["payable"], &paid["watched"]), (&Value::Null, &json!(false), &json!(false)));
    assert_eq!((&paid["receipt"], &paid["late"], &paid["error"]), (&json!("owed"), &json!(false), &Value::Null));
}

#[tokio::test]
async fn the_same_token_finds_the_first_sale_and_another_body_is_refused() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let first = counter.sold(SALE).await;
    let again = counter
        .sold(r#" {"idempotency_token":"one","cashier":"Olim","currency":"RUB","display":true,"amount":95000}"#)
        .await;
    assert_eq!(again, first);
    counter.pays(&id_of(&first)).await;
    assert_eq!(counter.sold(SALE).await["payment_status"], "paid", "a repeat hears the present");
    assert_eq!(counter.qrm.ordered("open"), 1);
    for other in [
        r#"{"amount":95001,"currency":"RUB","idempotency_token":"one"}"#,
        r#"{"amount":95000,"currency":"RUB","idempotency_token":"one","purpose":"tea"}"#,
        r#"{"amount":95000,"currency":"RUB","idempotency_token":"one","display":false}"#,
        r#"{"amount":95000,"currency":"RUB","idempotency_token":"one","order_id":"7"}"#,
    ] {
        let told = is_problem(&counter.ask("/api/v1/sbp/sale", other).await, 409, "token_reused");
        assert_eq!(told["transaction_id"], first["transaction_id"]);
    }
}

#[tokio::test]
async fn a_counter_that_is_taken_refuses_the_next_code_but_not_one_that_the_till_shows() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let first = counter.sold(SALE).await;
    let second = r#"{"amount":100,"currency":"RUB","idempotency_token":"two"}"#;
    let told = is_problem(&counter.ask("/api/v1/sbp/sale", second).await, 409, "busy");
    assert_eq!(told["transaction_id"], first["transaction_id"]);
    let beside = r#"{"amount":100,"currency":"RUB","idempotency_token":"three","display":false}"#;
    assert_eq!(counter.sold(beside).await["payment_status"], "awaiting_payer");

    let cancelled = counter.ask(&format!("{ROOT}/sale/{}/cancel", id_of(&first)), "").await.json();
    assert_eq!(cancelled["payment_status"], "cancelled");
    assert_eq!(counter.sold(second).await["payment_status"], "awaiting_payer", "a busy is never kept under its token");
}

#[tokio::test]
async fn a_sale_without_a_code_says_why() {
    let qrm = Qrm::with_main();
    for (outcome, status, code, words) in [
        (
            CodeOutcome::Refused(decline(DeclineKind::Refused, "Терминал отключён")),
            "declined",
            "provider_refused",
            "Терминал",
        ),
        (CodeOutcome::Refused(decline(DeclineKind::Misconfigured, "401")), "declined", "provider_not_set_up", "401"),
        (CodeOutcome::NotSent { text: "no route".to_owned() }, "declined", "not_sent", "no route"),
        (CodeOutcome::Lost { text: "cut off".to_owned() }, "declined", "absent", "nobody has seen the code"),
    ] {
        qrm.codes.then(outcome);
        let (counter, _dir) = open(qrm.clone()).await;
        let sale = counter.sold(SALE).await;
        assert_eq!((&sale["payment_status"], &sale["error"]["code"]), (&json!(status), &json!(code)), "{sale:#}");
        assert!(sale["error"]["message"].as_str().unwrap().contains(words), "{sale:#}");
        assert_eq!((&sale["qr_link"], &sale["number"]), (&Value::Null, &Value::Null));
        assert_eq!(counter.sold(SALE).await, sale, "the same token has the same end");
    }
}

#[tokio::test]
async fn a_cancelled_sale_is_watched_on_and_money_that_comes_late_is_said_aloud() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = id_of(&counter.sold(SALE).await);
    let cancel = format!("{ROOT}/sale/{id}/cancel");
    let told = counter.ask(&cancel, r#"{"idempotency_token":"c"}"#).await.json();
    assert_eq!(
        (&told["payment_status"], &told["watched"], &told["qr_link"]),
        (&json!("cancelled"), &json!(true), &Value::Null)
    );
    assert_eq!(counter.ask(&cancel, "").await.json(), told, "twice is once");
    counter.pays(&id).await;
    let sale = counter.sale(&id).await;
    assert_eq!((&sale["late"], &sale["payment_status"]), (&json!(true), &json!("paid")));
    assert!(sale["warnings"][0].as_str().unwrap().contains("after the sale had ended"), "{sale:#}");
    let told = is_problem(&counter.ask(&cancel, "").await, 409, "wrong_state");
    assert_eq!((&told["payment_status"], &told["transaction_id"]), (&json!("paid"), &json!(id)));
}

#[tokio::test]
async fn a_till_that_hangs_up_before_the_code_is_there_calls_the_sale_off_unless_another_one_waits() {
    let qrm = Qrm::with_main();
    qrm.codes.then_silence();
    let (counter, _dir) = open(qrm).await;
    let bytes = request("POST", "/api/v1/sbp/sale", &[("x_auth_token", TOKEN)], SALE.as_bytes());
    let begin = || async {
        let mut stream = tokio::net::TcpStream::connect(counter.till.0).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await.unwrap();
        stream
    };
    let first = begin().await;
    counter.until_journal_says("opened").await;
    let second = begin().await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    drop(first);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!counter.journal().iter().any(|line| line.contains("cancelled")), "the second connection waits");
    drop(second);
    counter.until_journal_says("till_gone").await;
    assert_eq!(counter.sold(SALE).await["error"]["code"], "cancelled");
}

#[tokio::test]
async fn a_code_that_nobody_can_ask_about_is_not_payable_until_it_is_heard_of_again() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let beside = SALE.replace('}', r#","display":false}"#);
    let id = id_of(&counter.sold(&beside).await);
    let payment = tolov::payment::sale::PaymentId(id.parse().unwrap());
    let silent = tolov::payment::event::Event::Sbp(tolov::payment::sbp::SbpHeard::Silent { payment });
    counter.driver.tell(silent).await;
    let is = |payable| {
        let (counter, id) = (&counter, &id);
        async move {
            for _ in 0..200 {
                if counter.sale(id).await["payable"] == payable {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            panic!("payable never becomes {payable}");
        }
    };
    is(false).await;
    assert!(counter.sale(&id).await["qr_link"].is_string());
    counter.qrm.says(&counter.driver, payment, QrStatus::Pending).await;
    is(true).await;
    counter.qrm.says(&counter.driver, payment, QrStatus::AttemptFailed).await;
    counter.until_journal_says("attempt_failed").await;
    assert_eq!(counter.sale(&id).await["attempt_failed"], true);
    counter.hears(&id, QrStatus::Expired, "expired").await;
    assert_eq!(counter.sale(&id).await["error"]["code"], "expired");
}

#[tokio::test]
async fn what_is_asked_of_qrmanager_is_what_the_till_asked_for_and_no_person_is_at_rest() {
    let (counter, dir) = open(Qrm::with_main()).await;
    let sale = counter
        .sold(
            r#"{"amount":90000,"currency":"RUB","idempotency_token":"x","profile":"main","purpose":"Иванов И.И., договор 17",
                "nomenclature":[{"product_id":"f1fc","count":2,"price":45000}],"qr_size":400,"order_id":"A-7",
                "loyalty":{"phone":"+79001234567","client_id":257065,"type":"write_off","points":100,"base_amount":100000}}"#,
        )
        .await;
    assert_eq!(sale["order_id"], "A-7");
    let opened = counter.qrm.opened();
    let ask = &opened[0].sbp.as_ref().unwrap().ask;
    assert_eq!(
        (ask.purpose.0.as_deref(), ask.own_purpose, ask.qr_size),
        (Some("Иванов И.И., договор 17"), true, Some(400))
    );
    assert_eq!((ask.nomenclature[0].count, ask.nomenclature[0].price.minor()), (2, 45_000));
    let card = ask.loyalty.as_ref().unwrap();
    assert_eq!((card.phone.0.as_deref(), card.phone_masked.as_str()), (Some("+79001234567"), "+79•••••4567"));
    assert_eq!((card.kind, card.points, card.client_id), (LoyaltyKind::WriteOff, Some(Points(100)), 257_065));
    assert_eq!(card.base_amount.unwrap().minor(), 100_000);

    counter.pays(&id_of(&sale)).await;
    counter.close().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in ["79001234567", "Иванов", "договор"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

#[tokio::test]
async fn what_a_till_should_know_stands_in_warnings() {
    let mut qrm = Qrm::with_main();
    qrm.profiles.push(("web", None));
    qrm.profiles.push(("strict", None));
    let (counter, _dir) = open(qrm).await;
    let with = |token: &str, profile: &str, more: &str| {
        format!(
            r#"{{"amount":1000,"currency":"RUB","display":false,"idempotency_token":"{token}","profile":"{profile}",{more}}}"#
        )
    };
    let own = counter.sold(&with("1", "main", r#""purpose":"tea""#)).await;
    assert!(own["warnings"][0].as_str().unwrap().contains("POST the receipt with the payer's e-mail"), "{own:#}");
    let printed = counter.sold(&with("2", "web", r#""purpose":"tea""#)).await;
    assert!(printed["warnings"][0].as_str().unwrap().contains("registers no receipts"), "{printed:#}");
    assert!(printed["qr_link"].as_str().unwrap().starts_with("https://web.qr.nspk.ru/"), "{printed:#}");

    let basket = r#""nomenclature":[{"product_id":"f1fc","count":3,"price":300}]"#;
    let warned = counter.sold(&with("3", "main", basket)).await;
    assert_eq!(warned["warnings"][0], "The lines of nomenclature add up to 900 kopecks, and the amount is 1000.");
    let told =
        is_problem(&counter.ask("/api/v1/sbp/sale", &with("4", "strict", basket)).await, 400, "validation_error");
    assert_eq!(told["fields"]["nomenclature"][0], "Its lines add up to 900, and amount is 1000.");
}

#[tokio::test]
async fn money_is_given_back_in_parts_and_never_more_than_was_paid() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    let path = format!("{ROOT}/sale/{id}/refund");
    let part =
        |token: &str, amount: i64| format!(r#"{{"amount":{amount},"currency":"RUB","idempotency_token":"{token}"}}"#);

    let first = counter.ask(&path, &part("r1", 30_000)).await.json();
    assert_eq!(
        (&first["state"], &first["amount"], &first["refund_request_id"]),
        (&json!("processing"), &json!(30_000), &json!("BR2"))
    );
    assert_eq!(counter.ask(&path, &part("r1", 30_000)).await.json()["refund_id"], first["refund_id"], "a repeat");
    is_problem(&counter.ask(&path, &part("r1", 30_001)).await, 409, "token_reused");
    is_problem(&counter.ask(&path, &part("one", 95_000)).await, 409, "token_reused");
    assert_eq!(counter.qrm.ordered("refund"), 1);

    let told = is_problem(&counter.ask(&path, &part("r2", 65_001)).await, 409, "refund_refused");
    assert!(told["message"].as_str().unwrap().contains("65000 kopecks of it can still be given back"), "{told:#}");
    is_problem(&counter.ask(&path, r#"{"idempotency_token":"whole"}"#).await, 409, "refund_refused");

    counter.qrm.refunds.then(RefundOutcome::Refused(decline(DeclineKind::Refused, "Срок возврата истёк")));
    let refused = counter.ask(&path, &part("r3", 65_000)).await.json();
    assert_eq!((&refused["state"], &refused["error"]["code"]), (&json!("refused"), &json!("provider_refused")));
    assert_eq!(refused["error"]["message"], "Срок возврата истёк");

    counter.qrm.refunds.then(RefundOutcome::InDoubt { text: "cut off".to_owned() });
    let lost = counter.ask(&path, &part("r4", 65_000)).await.json();
    assert_eq!((&lost["state"], &lost["error"]["code"]), (&json!("in_doubt"), &json!("in_doubt")), "{lost:#}");
    is_problem(&counter.ask(&path, &part("r5", 1)).await, 409, "refund_refused");

    let list = counter.look(&path).await.json();
    let states: Vec<&str> = list["refunds"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["processing", "refused", "in_doubt"]);
    assert_eq!(
        (&list["refunded_amount"], &list["amount"], &list["payment_status"]),
        (&json!(95_000), &json!(95_000), &json!("paid"))
    );
}

#[tokio::test]
async fn a_whole_sale_is_given_back_without_naming_its_amount() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = counter.paid("one").await;
    let path = format!("{ROOT}/sale/{id}/refund");
    counter.qrm.refunds.then(RefundOutcome::Done);
    let told = counter.ask(&path, r#"{"idempotency_token":"r"}"#).await.json();
    assert_eq!(
        (&told["state"], &told["amount"], &told["payment_status"]),
        (&json!("done"), &json!(95_000), &json!("refunded")),
        "{told:#}"
    );
    assert_eq!(counter.sale(&id).await["payment_status"], "refunded");
}

#[tokio::test]
async fn money_that_did_not_come_is_not_given_back() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let id = id_of(&counter.sold(SALE).await);
    let told = is_problem(
        &counter.ask(&format!("{ROOT}/sale/{id}/refund"), r#"{"idempotency_token":"r"}"#).await,
        409,
        "wrong_state",
    );
    assert_eq!(told["payment_status"], "awaiting_payer");
    assert_eq!(counter.qrm.ordered("refund"), 0);
}

#[tokio::test]
async fn products_and_loyalty_are_asked_and_refused_in_one_shape() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let list = counter.look("/api/v1/sbp/products").await.json();
    let tea = json!({"product_id": "f1fc", "name": "Чай", "price": 12_300, "currency": "RUB", "is_deleted": false});
    assert_eq!(list, json!({"profile": "main", "products": [tea], "as_of_ms": 1_700_000_000_000_i64}));
    is_problem(&counter.look("/api/v1/sbp/products?profile=strict").await, 504, "provider_unreachable");
    is_problem(&counter.look("/api/v1/sbp/products?x=1&profile=web").await, 503, "not_configured");
    let told = is_problem(&counter.look("/api/v1/sbp/products?profile=other").await, 400, "validation_error");
    assert_eq!(told["fields"]["profile"][0], "There is no such QR terminal here; there are: main, strict, web.");

    let search = |phone: &str| format!(r#"{{"phone":"{phone}","amount":100000,"currency":"RUB"}}"#);
    let path = "/api/v1/sbp/loyalty/search";
    let found = counter.ask(path, &search("+79000000000")).await.json();
    assert_eq!((&found["registered"], &found["card"]["client_id"]), (&json!(true), &json!(256_672)), "{found:#}");
    assert_eq!(found["card"]["available"], json!(["write_off", "accrual"]));
    assert!(found["warnings"][0].as_str().unwrap().contains("only with a code"), "{found:#}");
    let unknown = counter.ask(path, &search("+79000000001")).await.json();
    assert_eq!((&unknown["registered"], &unknown["card"]), (&json!(false), &Value::Null));
    assert!(unknown["warnings"][0].as_str().unwrap().contains("was sent a code"), "{unknown:#}");
    let told = is_problem(&counter.ask(path, &search("+79000000002")).await, 409, "provider_error");
    assert_eq!(told["message"], "QRManager refuses phone: Неверный номер");
}

#[tokio::test]
async fn a_cash_link_is_registered_once_and_sells_one_sale_at_a_time() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    let path = "/api/v1/sbp/cash-link";
    let at_link = |token: &str| {
        format!(r#"{{"amount":600,"currency":"RUB","idempotency_token":"{token}","cash_link":true,"display":false}}"#)
    };
    assert_eq!(counter.look(path).await.json()["state"], "none");
    let told = is_problem(&counter.ask("/api/v1/sbp/sale", &at_link("0")).await, 409, "cash_link_unusable");
    assert!(told["message"].as_str().unwrap().contains("register it first"), "{told:#}");

    let link = counter.ask(path, r#"{"qr_size":300}"#).await.json();
    assert_eq!(
        (&link["state"], &link["cash_qr_id"]),
        (&json!("idle"), &json!("BS1R003CN9P4NJ0F8QQA41JQRG1U4U44")),
        "{link:#}"
    );
    assert_eq!(counter.ask(path, "").await.json(), link, "never registered twice");
    assert_eq!(counter.qrm.ordered("register_link"), 1);

    let sale = counter.sold(&at_link("1")).await;
    assert_eq!((&sale["payment_status"], &sale["cash_link"]), (&json!("awaiting_payer"), &json!(true)));
    let active = counter.look(path).await.json();
    assert_eq!((&active["state"], &active["transaction_id"]), (&json!("active"), &sale["transaction_id"]));
    let told = is_problem(&counter.ask("/api/v1/sbp/sale", &at_link("2")).await, 409, "busy");
    assert_eq!(told["transaction_id"], sale["transaction_id"]);
    counter.ask(&format!("{ROOT}/sale/{}/cancel", id_of(&sale)), "").await;
    let told = is_problem(&counter.ask("/api/v1/sbp/sale", &at_link("3")).await, 409, "cash_link_unusable");
    assert!(told["message"].as_str().unwrap().contains("may still be live"), "{told:#}");
    assert_eq!(counter.look(path).await.json()["state"], "deactivating");
}

#[tokio::test]
async fn a_cash_link_whose_registration_was_lost_is_named_by_a_person() {
    let qrm = Qrm::with_main();
    qrm.links.then(LinkOutcome::Refused { text: "Терминал не поддерживает".to_owned() });
    qrm.links.then(LinkOutcome::Lost { text: "cut off".to_owned() });
    let (counter, _dir) = open(qrm).await;
    let path = "/api/v1/sbp/cash-link";
    let refused = counter.ask(path, "{}").await.json();
    assert_eq!(
        (&refused["state"], &refused["error"]["code"]),
        (&json!("refused"), &json!("provider_refused")),
        "{refused:#}"
    );
    let lost = counter.ask(path, "{}").await.json();
    assert_eq!(
        (&lost["state"], &lost["error"]["code"]),
        (&json!("registration_in_doubt"), &json!("in_doubt")),
        "{lost:#}"
    );
    is_problem(&counter.ask(path, "{}").await, 409, "cash_link_unusable");
    let known = r#"{"cash_qr_id":"AS1000670LSS7DN18SJQDNP4B05KLJL2","cash_qr_link":"https://qr.nspk.ru/AS1000670LSS7DN18SJQDNP4B05KLJL2"}"#;
    assert_eq!(counter.ask(path, known).await.json()["state"], "idle");
}

#[tokio::test]
async fn a_lost_activation_is_in_doubt_and_says_what_to_do() {
    let (counter, _dir) = open(Qrm::with_main()).await;
    counter.ask("/api/v1/sbp/cash-link", "{}").await;
    counter.qrm.codes.then(CodeOutcome::Lost { text: "cut off".to_owned() });
    let sale = counter.sold(r#"{"amount":600,"currency":"RUB","idempotency_token":"1","cash_link":true}"#).await;
    assert_eq!((&sale["payment_status"], &sale["error"]["code"]), (&json!("in_doubt"), &json!("in_doubt")), "{sale:#}");
    assert!(sale["error"]["advice"].as_str().unwrap().starts_with("Do not sell or refund again."), "{sale:#}");
    is_problem(&counter.ask(&format!("{ROOT}/sale/{}/cancel", id_of(&sale)), "").await, 409, "wrong_state");
}

#[tokio::test]
async fn sales_of_other_methods_are_nothing_that_this_door_knows() {
    let paid = r#"{"data":{"status":"successfully","payment_id":"1"},"error":null,"is_success":true}"#;
    let replies = vec![counter::Reply::Says(paid.to_owned())];
    let setup = Setup { qrm: Qrm::with_main(), replies, settings: bench::settings, ..Setup::default() };
    let (counter, _dir) = counter::Counter::open(setup).await;
    let click = counter.till.post("/payment/click", r#"{"amount":500,"qr_code":"880101698207133392"}"#).await.json();
    let id = click["data"]["transaction_id"].as_str().unwrap();
    for path in ["", "/receipt", "/refund"] {
        is_problem(&counter.look(&format!("{ROOT}/sale/{id}{path}")).await, 404, "not_found");
    }
    for path in ["/cancel", "/refund"] {
        is_problem(
            &counter.ask(&format!("{ROOT}/sale/{id}{path}"), r#"{"idempotency_token":"t"}"#).await,
            404,
            "not_found",
        );
    }
}

#[tokio::test]
async fn a_terminal_without_a_qr_terminal_says_so() {
    let (counter, _dir) = counter::Counter::open(Setup {
        settings: || tolov::api::ApiSettings { sbp: [].into(), questions: None, ..bench::settings() },
        ..Setup::default()
    })
    .await;
    is_problem(&counter.ask("/api/v1/sbp/sale", SALE).await, 503, "not_configured");
    is_problem(&counter.look("/api/v1/sbp/products").await, 503, "not_configured");
    is_problem(&counter.look("/api/v1/sbp/cash-link").await, 503, "not_configured");
}
