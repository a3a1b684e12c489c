//! Pages in browsers: closed by default at every path, and open to exactly those that are listed.

use super::support::Bench;
use super::support::http::{self, Answer};
use super::{SALE, bench_with};

const PATHS: &[&str] = &[
    "/payment/click",
    "/payment/xumo_close",
    "/payment/ee000d20-b260-4b17-995a-a7bd113bdb22",
    "/api/v1/payment/create",
    "/api/v1/payment/ee000d20-b260-4b17-995a-a7bd113bdb22/retrieve/status",
    "/api/v1/sbp/sale",
    "/api/v1/events",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/screen.png",
    "/openapi.json",
    "/nowhere",
];

fn asks(bench: &Bench, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    http::ask(bench.address, method, path, headers, SALE).unwrap()
}

fn allowed(answer: &Answer) -> Option<String> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("access-control-allow-origin"));
    found.map(|(_, value)| value.to_owned())
}

#[test]
fn no_page_may_ask_anything_anywhere_by_default() {
    let bench = Bench::running();
    for path in PATHS {
        for method in ["GET", "POST", "OPTIONS"] {
            let preflight = ("Access-Control-Request-Method", "POST");
            let page = asks(&bench, method, path, &[("Origin", "https://till.example"), preflight]);
            assert_eq!((page.status, allowed(&page)), (403, None), "{method} {path}: {page:?}");
            assert!(!page.head.to_ascii_lowercase().contains("access-control"), "{path}: {}", page.head);
        }
    }
}

#[test]
fn a_listed_page_is_answered_exactly_and_no_other_one_is() {
    let mut bench = bench_with("");
    let text = std::fs::read_to_string(bench.configuration()).unwrap();
    let api = format!("[api]\nlisten = \"{}\"\nallow_origins = [\"https://till.example\"]\n", bench.address);
    std::fs::write(bench.configuration(), text.replace("[api]\n", &api)).unwrap();
    bench.start();
    let own = ("Origin", "https://till.example");
    let preflight =
        [own, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Private-Network", "true")];
    for path in PATHS {
        let told = asks(&bench, "OPTIONS", path, &preflight);
        assert_eq!((told.status, allowed(&told).as_deref()), (204, Some("https://till.example")), "{path}: {told:?}");
        let head = told.head.to_ascii_lowercase();
        for line in [
            "access-control-allow-methods: get, post",
            "access-control-max-age: 600",
            "access-control-allow-private-network: true",
            "vary: origin",
        ] {
            assert!(head.contains(line), "{path}: {head}");
        }
        assert!(head.contains("x_auth_token") && head.contains("idempotency-key"), "{head}");
        for other in ["https://evil.example", "http://till.example", "null"] {
            let told = asks(&bench, "OPTIONS", path, &[("Origin", other), preflight[1]]);
            assert_eq!((told.status, allowed(&told)), (403, None), "{other}: {told:?}");
        }
    }
    let paid = asks(&bench, "POST", "/payment/click", &[own, ("Content-Type", "application/json")]);
    assert_eq!(paid.json()["is_success"], true, "{paid:?}");
    assert_eq!(allowed(&paid).as_deref(), Some("https://till.example"));
    let refused = asks(&bench, "POST", "/api/v1/sbp/sale", &[own, ("Content-Type", "application/json")]);
    assert_eq!(
        (refused.status, allowed(&refused).as_deref()),
        (403, Some("https://till.example")),
        "its page reads why"
    );
}
