//! The surface of the API as programs read it. When it changes, the test below shows the difference; look at it, and accept it with
//! `ACCEPT_OPENAPI=1 cargo test --test openapi`.

#![allow(clippy::unwrap_used)]

#[path = "sbp_api/bench.rs"]
#[allow(dead_code, reason = "shared with tests/sbp_api.rs")]
mod bench;
mod counter;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use counter::Qrm;
use serde_json::{Value, json};

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json")
}

async fn served() -> Value {
    let (counter, _dir) = bench::open(Qrm::default()).await;
    let heard = counter.till.get("/openapi.json").await;
    assert_eq!(heard.status, 200, "{heard:?}");
    heard.json()
}

/// What stands in one of them and not in the other, by path.
fn differences(path: &str, kept: &Value, served: &Value) -> Vec<String> {
    match (kept, served) {
        (Value::Object(old), Value::Object(new)) => {
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            names
                .flat_map(|name| {
                    let at = |value: &serde_json::Map<String, Value>| value.get(name).cloned().unwrap_or_default();
                    differences(&format!("{path}/{}", name.replace('/', "~")), &at(old), &at(new))
                })
                .collect()
        }
        _ if kept == served => Vec::new(),
        _ => vec![format!("{path}\n  - {kept}\n  + {served}")],
    }
}

#[tokio::test]
async fn the_surface_is_the_one_that_was_accepted() {
    let served = served().await;
    if std::env::var_os("ACCEPT_OPENAPI").is_some_and(|value| value == "1") {
        let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
        std::fs::write(kept(), text).unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(kept()).unwrap_or_default()).unwrap_or_default();
    let found = differences("", &kept, &served);
    assert!(
        found.is_empty(),
        "the API's surface changed; if that is meant: ACCEPT_OPENAPI=1 cargo test --test openapi\n{}",
        found.join("\n")
    );
    assert_eq!(differences("", &json!({"a": {"b": 1}}), &json!({"a": {"b": 2}, "c": 3})).len(), 2);
}

#[tokio::test]
async fn every_path_of_the_document_is_served_and_every_reference_leads_somewhere() {
    let document = served().await;
    assert_eq!(document["openapi"], "3.1.0");
    let (counter, _dir) = bench::open(Qrm::with_main()).await;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path.replace("{id}", "ee000d20-b260-4b17-995a-a7bd113bdb22");
            // A stream has no end: ask for one that there is not.
            let path = if path == "/api/v1/events" { format!("{path}?after=nothing") } else { path };
            let headers = [("x_auth_token", bench::TOKEN)];
            let request = counter::till::request(&method.to_uppercase(), &path, &headers, b"");
            let heard = counter.till.send(&request).await;
            assert!(!matches!(heard.status, 405 | 500), "{method} {path}: {heard:?}");
            if heard.status == 404 {
                let said = heard.json();
                let of_sale = said["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("no SBP sale") || message.ends_with(" not found"));
                let of_screen = path == "/screen.png";
                assert!(of_sale || of_screen, "{method} {path}: {heard:?}");
            }
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked}");
    let text = document.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
    }
    assert!(document["components"]["securitySchemes"]["till"].is_object());
}

/// The value that no field of a request takes.
const WRONG: &str = "[[]]";

/// Each field that may be sent, of each shape that there is: the shape's name and the field's.
fn sent(document: &Value, name: &str) -> Vec<(String, String)> {
    let name = name.trim_start_matches("#/components/schemas/");
    let schema = &document["components"]["schemas"][name];
    let shapes = schema["oneOf"].as_array().into_iter().flatten();
    let inner = shapes.filter_map(|shape| shape["$ref"].as_str()).flat_map(|inner| sent(document, inner));
    let own = schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys());
    own.map(|field| (name.to_owned(), field.clone())).chain(inner).collect()
}

#[tokio::test]
async fn every_field_that_a_request_is_said_to_have_is_looked_at() {
    let document = served().await;
    let (counter, _dir) = bench::open(Qrm::with_main()).await;
    let sbp = counter.paid("first").await;
    let click = r#"{"idempotency_token":"c","money_info":{"method_id":"click","currency":"UZS","amount":5}}"#;
    let click = bench::id_of(&counter.ask("/api/v1/payment/create", click).await.json());
    let mut looked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        for (shape, field) in schema.as_str().map(|name| sent(&document, name)).unwrap_or_default() {
            let (is_receipt, is_document) = (path.ends_with("/receipt"), shape != "ReceiptLinkRequest");
            // The terminal of this test registers with ATOL; what fields of a document are deeper is tested where it is read.
            if shape == "OfdRuDocument" || field == "external_id" {
                continue;
            }
            // A card's sale is looked for only where it is given back.
            let back = if field == "request_id" { ",\"is_return\":true" } else { "" };
            let body = format!("{{\"{field}\":{WRONG}{back}}}");
            let id = if is_receipt && !is_document { &click } else { &sbp };
            let heard = counter.ask(&path.replace("{id}", id), &body).await;
            let named = if path.starts_with("/api/v1/") {
                let told = bench::is_problem(&heard, 400, "validation_error");
                told["fields"].as_object().unwrap().keys().any(|name| name.starts_with(field.as_str()))
            } else {
                let told = heard.json();
                told["error"]["code"] == 7 && told["error"]["message"].as_str().unwrap().contains(field.as_str())
            };
            assert!(named, "{path} does not look at {field}: {heard:?}");
            looked += 1;
        }
    }
    assert!(looked > 20, "{looked}");
}

/// Every route that the sources tell: its path and one of its methods. The door for words from outside is described nowhere: no till asks there.
fn routes() -> BTreeSet<(String, String)> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")];
    let mut routes = BTreeSet::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for route in source.split(".route(\"").skip(1).filter(|_| !path.ends_with("callback.rs")) {
                let (at, rest) = route.split_once('"').unwrap();
                let handlers = rest.lines().next().unwrap();
                let methods = ["get", "post"].into_iter().filter(|method| handlers.contains(&format!("{method}(")));
                routes.extend(methods.map(|method| (at.to_owned(), method.to_owned())));
            }
        }
    }
    routes
}

#[tokio::test]
async fn every_route_is_described_and_every_operation_has_a_name_of_its_own() {
    let document = served().await;
    let mut described = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((path.clone(), method.clone()));
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} stands twice");
            assert!(name.len() > 6 && name.chars().all(|c| c.is_ascii_alphabetic()), "{name} is no name for a program");
            assert!(operation["summary"].is_string(), "{name} says nothing about itself");
            for status in ["200", "4XX", "5XX"] {
                assert!(operation["responses"][status].is_object(), "{name} does not tell its answer {status}");
            }
        }
    }
    assert_eq!(described, routes());
    assert!(described.len() > 30, "{described:?}");
    for rest in document["paths"].to_string().split("\"operationId\":\"").skip(1) {
        let name = rest.split('"').next().unwrap();
        assert!(names.contains(name), "a link leads to {name}, and there is none");
    }
}

#[tokio::test]
async fn the_page_for_people_has_every_operation_and_code_and_asks_nobody_for_anything() {
    let (counter, _dir) = bench::open(Qrm::with_main()).await;
    let document = counter.till.get("/openapi.json").await.json();
    let page = counter.till.get("/reference").await;
    assert_eq!(page.status, 200);
    let head = page.head.to_ascii_lowercase();
    assert!(head.contains("content-security-policy: default-src 'none'; style-src 'unsafe-inline'"), "{head}");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    let body = &page.body;
    for (_, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(body.contains(&format!("<h3 id=\"{name}\">")), "{name} is not on the page");
        }
    }
    assert_eq!(body.matches("<pre>curl -s").count(), body.matches("<h3 id=").count());
    for row in tolov::api::problem::TABLE {
        assert!(body.contains(&format!("<td><code>{}</code>", row.code)), "{}", row.code);
    }
    for from_elsewhere in ["src=", "<link", "<script", "url(", "@import", "href=\"h"] {
        assert!(!body.contains(from_elsewhere), "{from_elsewhere}");
    }
}
