//! A till with a token, a terminal with QR terminals, and QRManager's answers to questions, for the tests of `/api/v1/sbp/*`.

#![allow(unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::Value;
use tolov::api::ApiSettings;
use tolov::api::sbp::{Asked, Card, Loyal, Product, Products, QuestionError, Questions, SbpProfile};
use tolov::config::Bearer;
use tolov::payment::sale::PaymentId;
use tolov::payment::sbp::Points;
use tolov::payment::{Currency, Money};

use crate::counter::{Counter, Heard, Qrm, Setup};

pub const TOKEN: &str = "s3cret-of-till-1";
pub const SALE: &str = r#"{"amount":95000,"currency":"RUB","idempotency_token":"one"}"#;

/// A terminal with these QR terminals.
pub async fn open(qrm: Qrm) -> (Counter, tempfile::TempDir) {
    Counter::open(Setup { qrm, settings, ..Setup::default() }).await
}

pub fn settings() -> ApiSettings {
    let as_it_is = SbpProfile { link: str::to_owned, strict_nomenclature: false };
    let web = |link: &str| link.replacen("https://qr.", "https://web.qr.", 1);
    ApiSettings {
        bearer_of: Arc::new(|token| match token {
            TOKEN => Bearer::Till("till-1".to_owned()),
            _ => Bearer::Nobody,
        }),
        sbp: [
            ("main".to_owned(), as_it_is),
            ("strict".to_owned(), SbpProfile { strict_nomenclature: true, ..as_it_is }),
            ("web".to_owned(), SbpProfile { link: web, ..as_it_is }),
        ]
        .into(),
        questions: Some(Arc::new(Oracle)),
        ..ApiSettings::default()
    }
}

/// QRManager's answers to questions, by profile and phone.
struct Oracle;

impl Questions for Oracle {
    fn products<'a>(&'a self, profile: &'a str) -> Asked<'a, Products> {
        Box::pin(async move {
            match profile {
                "main" => {
                    let price = Money::from_minor(12_300, Currency::Rub);
                    let tea = Product { id: "f1fc".to_owned(), name: "Чай".to_owned(), price, is_deleted: false };
                    Ok(Products { products: vec![tea], as_of_ms: Some(1_700_000_000_000) })
                }
                "web" => Err(QuestionError::NotSetUp("the key is not taken".to_owned())),
                _ => Err(QuestionError::NoAnswer("no connection".to_owned())),
            }
        })
    }

    fn search<'a>(&'a self, _: &'a str, phone: &'a str, _: Money) -> Asked<'a, Loyal> {
        Box::pin(async move {
            match phone {
                "+79000000000" => Ok(Loyal::Card(Box::new(Card {
                    client_id: 256_672,
                    discount_card_id: Some(129_719),
                    card_level: Some("Benefitty Start".to_owned()),
                    max_discount: Some("25".to_owned()),
                    max_points: Some(Points(1)),
                    all_points: Some(Points(492)),
                    accrual_points: Some(Points(0)),
                    accrual_available: true,
                    write_off_available: true,
                    needs_code: true,
                }))),
                "+79000000001" => Ok(Loyal::Unregistered { confirmation_code: true }),
                _ => Err(QuestionError::Refused("QRManager refuses phone: Неверный номер".to_owned())),
            }
        })
    }
}

/// What the till asks, with its token.
impl Counter {
    pub async fn ask(&self, path: &str, body: &str) -> Heard {
        self.till.post_as(path, &[("x_auth_token", TOKEN)], body).await
    }

    pub async fn look(&self, path: &str) -> Heard {
        let request = crate::counter::till::request("GET", path, &[("x_auth_token", TOKEN)], b"");
        self.till.send(&request).await
    }

    /// A sale that was taken.
    pub async fn sold(&self, body: &str) -> Value {
        let heard = self.ask("/api/v1/sbp/sale", body).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        heard.json()
    }

    /// The sale as it stands.
    pub async fn sale(&self, id: &str) -> Value {
        let heard = self.look(&format!("/api/v1/sbp/sale/{id}")).await;
        assert_eq!(heard.status, 200, "{heard:?}");
        heard.json()
    }

    /// A sale that was paid.
    pub async fn paid(&self, token: &str) -> String {
        let body = format!(r#"{{"amount":95000,"currency":"RUB","idempotency_token":"{token}"}}"#);
        let id = id_of(&self.sold(&body).await);
        self.pays(&id).await;
        id
    }

    /// QRManager says that the code was paid, and the terminal has heard it.
    pub async fn pays(&self, id: &str) {
        self.hears(id, tolov::payment::sbp::QrStatus::Paid, "paid").await;
    }

    /// QRManager says something, and the sale becomes that.
    pub async fn hears(&self, id: &str, status: tolov::payment::sbp::QrStatus, becomes: &str) {
        let payment = PaymentId(id.parse().unwrap());
        self.qrm.says(&self.driver, payment, status).await;
        for _ in 0..200 {
            if self.sale(id).await["payment_status"] == becomes {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{:#}", self.sale(id).await);
    }
}

pub fn id_of(sale: &Value) -> String {
    sale["transaction_id"].as_str().unwrap_or_else(|| panic!("{sale:#}")).to_owned()
}

/// No success, in the documented shape.
#[track_caller]
pub fn is_problem(heard: &Heard, status: u16, code: &str) -> Value {
    let told = heard.json();
    assert_eq!((heard.status, told["code"].as_str()), (status, Some(code)), "{heard:?}");
    assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()), "{heard:?}");
    assert!(told["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{heard:?}");
    assert!(heard.head.to_ascii_lowercase().contains("content-type: application/json"), "{heard:?}");
    told
}
