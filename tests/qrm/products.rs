//! The list of products: both answers, both spellings of its path, and its use while QRManager is out of reach.

use std::path::Path;

use tolov::clock::Clock;
use tolov::limits;
use tolov::provider::qrm::products::listed;
use tolov::provider::qrm::{Qrm, QrmError};

use crate::sales::{KEY, client};
use crate::server::{Says, Server};

const TWO: &str = r#"[{"id": "f1fccfff", "name": "Чай", "price": 12300, "isdeleted": false},
    {"id": "e7d5af05", "name": "Кофе", "price": "25000", "isdeleted": true}]"#;
const ONE: &str = r#"{"id": "f1fccfff", "name": "Чай", "price": 13000, "isdeleted": false}"#;

/// Tuesday, 2026-07-14T00:00:00Z.
const DAY: i64 = 1_783_987_200_000;

fn says(body: &str) -> Says {
    Says::Answer(200, body.to_owned())
}

async fn prices(client: &Qrm) -> Result<Vec<i64>, QrmError> {
    Ok(client.products().await?.iter().map(|product| product.price.minor()).collect())
}

#[test]
fn one_product_and_a_list_are_read_bare_and_within_results() {
    let two = listed(200, TWO.as_bytes()).expect("a list");
    let told: Vec<(&str, i64, bool)> = two.iter().map(|p| (p.name.as_str(), p.price.minor(), p.deleted)).collect();
    assert_eq!(told, [("Чай", 12_300, false), ("Кофе", 25_000, true)], "a deleted one is told as deleted");
    assert_eq!(listed(200, format!(r#"{{"count": 2, "results": {TWO}}}"#).as_bytes()), Ok(two));
    let one = listed(200, ONE.as_bytes()).expect("a product");
    assert_eq!(listed(200, format!(r#"{{"results": {ONE}}}"#).as_bytes()), Ok(one));
    assert_eq!(listed(200, b"[]"), Ok(Vec::new()));
    for body in ["{}", "5", r#"[{"name": "x", "price": 1}]"#, r#"[{"id": "x"}]"#, r#"[{"id": "x", "price": 1.5}]"#] {
        assert!(matches!(listed(200, body.as_bytes()), Err(QrmError::Malformed { .. })), "{body}");
    }
}

#[tokio::test]
async fn the_other_spelling_is_tried_where_there_is_nothing_and_remembered() {
    for nothing in
        [Says::Answer(404, r#"{"detail": "Страница не найдена."}"#.to_owned()), Says::Answer(301, String::new())]
    {
        let server = Server::that([nothing, says(TWO), says(ONE)]).await;
        let clock = Clock::set_at(DAY);
        let client = client(&server.url(), KEY).with_clock(clock.clone());
        assert_eq!(prices(&client).await, Ok(vec![12_300, 25_000]));
        clock.advance(limits::PRODUCTS_REFRESH_EVERY_MS);
        assert_eq!(prices(&client).await, Ok(vec![13_000]));
        let paths: Vec<String> = server.heard().into_iter().map(|heard| heard.path).collect();
        assert_eq!(paths, ["/users/qrt/products/", "/users/qrt/products", "/users/qrt/products"]);
    }
}

#[tokio::test]
async fn a_young_list_is_used_and_an_old_one_is_asked_for_again() {
    let server = Server::that([says(TWO), says(ONE)]).await;
    let clock = Clock::set_at(DAY);
    let client = client(&server.url(), KEY).with_clock(clock.clone());
    assert_eq!(client.products_as_of_ms().await, None);
    for _ in 0..3 {
        assert_eq!(prices(&client).await, Ok(vec![12_300, 25_000]));
    }
    clock.advance(limits::PRODUCTS_REFRESH_EVERY_MS - 1);
    assert_eq!(prices(&client).await, Ok(vec![12_300, 25_000]));
    assert_eq!((server.heard().len(), client.products_as_of_ms().await), (1, Some(DAY)));
    clock.advance(1);
    assert_eq!(prices(&client).await, Ok(vec![13_000]));
    let young = DAY + i64::try_from(limits::PRODUCTS_REFRESH_EVERY_MS).expect("short");
    assert_eq!(client.products_as_of_ms().await, Some(young));
}

#[tokio::test]
async fn an_old_list_serves_while_qrmanager_is_out_of_reach_and_it_is_not_asked_each_time() {
    let server = Server::that([says(TWO), Says::HangsUp, Says::Answer(502, String::new()), says(ONE)]).await;
    let clock = Clock::set_at(DAY);
    let client = client(&server.url(), KEY).with_clock(clock.clone());
    assert!(prices(&client).await.is_ok());
    clock.advance(limits::PRODUCTS_REFRESH_EVERY_MS);
    for (asked, wait_ms) in [(2, 0), (2, 0), (3, limits::PRODUCTS_ASK_AGAIN_MS)] {
        clock.advance(wait_ms);
        assert_eq!(prices(&client).await, Ok(vec![12_300, 25_000]));
        assert_eq!(server.heard().len(), asked);
    }
    clock.advance(limits::PRODUCTS_ASK_AGAIN_MS);
    assert_eq!(prices(&client).await, Ok(vec![13_000]));
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_said_though_a_list_is_known() {
    let server = Server::that([says(TWO), Says::Answer(403, String::new())]).await;
    let clock = Clock::set_at(DAY);
    let client = client(&server.url(), KEY).with_clock(clock.clone());
    assert!(prices(&client).await.is_ok());
    clock.advance(limits::PRODUCTS_REFRESH_EVERY_MS);
    assert!(matches!(prices(&client).await, Err(QrmError::Unauthorised { status: 403, .. })));
}

fn kept(url: &str, directory: &Path) -> Qrm {
    client(url, KEY).with_cache(directory)
}

#[tokio::test]
async fn a_list_outlives_a_restart_and_a_damaged_file_is_none() {
    let server = Server::that([says(TWO)]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().join("not/there/yet");
    assert!(prices(&kept(&server.url(), &place)).await.is_ok());

    server.then(Says::HangsUp);
    let again = kept(&server.url(), &place);
    assert!(again.products_as_of_ms().await.is_some());
    assert_eq!(prices(&again).await, Ok(vec![12_300, 25_000]), "QRManager is out of reach");

    let elsewhere = kept("http://127.0.0.1:1", &place);
    assert!(prices(&elsewhere).await.is_err(), "the list of another server is none");

    let file = place.join("products-main.json");
    let text = std::fs::read_to_string(&file).expect("kept");
    assert!(!text.contains(KEY), "{text}");
    for damaged in [&text[..text.len() / 2], "", "{}", "\0\0\0"] {
        std::fs::write(&file, damaged).expect("written");
        server.then(Says::HangsUp);
        assert!(prices(&kept(&server.url(), &place)).await.is_err(), "{damaged}");
    }
    server.then(says(ONE));
    assert_eq!(prices(&kept(&server.url(), &place)).await, Ok(vec![13_000]));
    server.then(Says::HangsUp);
    assert_eq!(prices(&kept(&server.url(), &place)).await, Ok(vec![13_000]), "a good list took its place");
}
