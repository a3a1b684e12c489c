//! The page about the API in a real browser: whole, readable on a desk and on a phone, and without a word to anybody else.

use serde_json::{Value, json};

use super::driver::Browser;
use super::{Demo, http, patiently};

const DESK: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);

/// Every operation's name, by the document for programs.
fn operations(document: &Value) -> Vec<&str> {
    let items = document["paths"].as_object().expect("paths").values();
    let operations = items.flat_map(|item| item.as_object().expect("operations").values());
    operations.map(|operation| operation["operationId"].as_str().expect("a name")).collect()
}

fn is_in_order(size: (u32, u32), is_phone: bool) {
    let dir = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(dir.path());
    assert!(patiently(|| demo.serves()), "the daemon serves");
    let daemon = Demo::daemon(dir.path());
    let document = http::get(daemon, "/openapi.json").expect("the document").json();
    let operations = operations(&document);
    assert!(operations.len() > 30, "{operations:?}");

    let address = format!("http://{daemon}/reference");
    let page = Browser::sized(size, is_phone, &address);
    assert_eq!(page.ask("innerWidth"), json!(size.0));
    let beyond = page.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(beyond, json!(0), "it scrolls sideways");
    for name in operations {
        page.press(&format!("nav a[href='#{name}']"));
        let place = page.ask(&format!(
            "(h => [h.textContent.includes('{name}'), h.getBoundingClientRect().top, h.getBoundingClientRect().bottom - innerHeight])\
             (document.querySelector(location.hash))"
        ));
        let (top, below) = (place[1].as_f64().expect("a place"), place[2].as_f64().expect("a place"));
        // To the pixel: places are fractions of one.
        assert!(place[0] == true && top > -1.0 && below < 1.0, "{name} is not where its anchor leads: {place}");
    }
    let cut_off = page.ask(
        "[...document.querySelectorAll('h1, h2, h3, p, li, pre, .scroll')]\
         .filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.textContent.slice(0, 60))",
    );
    assert_eq!(cut_off, json!([]), "it goes past the window's edge");
    let hidden = page.ask(
        "[...document.querySelectorAll('.scroll, pre')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent.slice(0, 60))",
    );
    assert_eq!(hidden, json!([]), "a part of it is seen by scrolling alone");

    let asked = page.asked();
    assert!(asked.contains(&address), "{asked:?}");
    let elsewhere: Vec<_> = asked.iter().filter(|url| !url.starts_with(&format!("http://{daemon}/"))).collect();
    assert!(elsewhere.is_empty(), "somebody else was asked: {elsewhere:?}");
    assert_eq!(page.console(), Vec::<String>::new());
    assert_eq!(page.ask("document.scripts.length + document.images.length + document.styleSheets.length"), json!(1));
}

#[test]
fn the_reference_leads_to_every_operation_and_asks_nobody_else_for_anything() {
    is_in_order(DESK, false);
}

#[test]
fn the_reference_is_read_on_a_phone_without_scrolling_sideways() {
    is_in_order(PHONE, true);
}
