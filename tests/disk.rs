//! A disk that is full, and one that can only be read: no sale begins, the answer and the display say why, money that has moved is not
//! forgotten, and the terminal sells again by itself.
//!
//! The shim (`tests/shim/shim.c`) plays the disk, so that this needs no right to mount one.

#![cfg(feature = "demo")]

#[path = "disk/sbp.rs"]
mod sbp;
mod support;

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Bench, http, shim};
use tolov::demo::gateway::{Fault, FaultKind, Faults};
use tolov::snapshot::{Snapshot, StoreHealth};
use tolov::ui::panel::{Panel, png};
use tolov::ui::text::Language;
use tolov::ui::view::View;

/// Rows above the footer, which shows devices and the queue.
const ROWS_ABOVE_THE_FOOTER: usize = 219;
const ROW_BYTES: usize = 320 * 3;

/// On a file system that copies on write, a full disk does not even take what is written over.
const NO_ROOM_AT_ALL: &str = "-1";

/// The switches of the shim's disk.
fn full(bench: &Bench) -> PathBuf {
    bench.dir.path().join("full")
}

fn read_only(bench: &Bench) -> PathBuf {
    bench.dir.path().join("read-only")
}

fn start(bench: &mut Bench) {
    let mut command = bench.command();
    shim::put_on(&mut command, &bench.store());
    command.env("SHIM_NO_DISK", "1").env("SHIM_FULL", full(bench)).env("SHIM_READ_ONLY", read_only(bench));
    bench.start_with(command);
}

fn sell(bench: &Bench, number: u32) -> Value {
    let body = json!({"amount": 500 + number, "qr_code": format!("88{number:016}")});
    bench.post("/payment/click", &body.to_string()).json()
}

fn charges(bench: &Bench) -> usize {
    bench.vendors.gateway.entries().len()
}

fn transaction_id(answer: &Value) -> String {
    let id = answer["data"]["transaction_id"].as_str().or(answer["error"]["data"]["transaction_id"].as_str());
    id.unwrap_or_else(|| panic!("no id in {answer}")).to_owned()
}

/// Why the terminal says it is not ready.
fn reasons(bench: &Bench) -> Vec<String> {
    let ready = bench.get("/health/ready").json();
    ready["reasons"].as_array().expect("reasons").iter().map(|r| r.as_str().expect("words").to_owned()).collect()
}

fn pixels(file: &[u8]) -> Vec<u8> {
    let mut reader = ::png::Decoder::new(Cursor::new(file)).read_info().expect("a picture");
    let mut rgb = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut rgb).expect("pixels");
    rgb.truncate(ROW_BYTES * ROWS_ABOVE_THE_FOOTER);
    rgb
}

/// The display shows this trouble of the store, in its own pixels.
fn wait_for_display(bench: &Bench, health: &StoreHealth) {
    let mut panel = Panel::new(Language::En);
    let snapshot = Snapshot { store: health.clone(), ..Snapshot::default() };
    let frame = panel.show(View::of(&snapshot, 0)).expect("the first view is always drawn");
    let expected = pixels(&png(&frame.pixels));
    bench.until("the display says why", || {
        http::get_bytes(bench.address, "/screen.png").is_ok_and(|file| pixels(&file) == expected)
    });
}

fn wait_until_it_sells_again(bench: &Bench, number: u32) {
    bench.until("the terminal is ready again", || reasons(bench).is_empty());
    assert_eq!(sell(bench, number)["is_success"], json!(true), "{}", bench.log());
    bench.audit();
}

#[test]
fn on_a_full_disk_no_sale_begins_and_the_display_says_why() {
    let mut bench = Bench::new();
    start(&mut bench);
    assert_eq!(sell(&bench, 1)["is_success"], json!(true));
    fs::write(full(&bench), NO_ROOM_AT_ALL).expect("the disk fills up");
    for number in 2..5 {
        let refused = sell(&bench, number);
        assert_eq!(refused["error"]["message"], json!("STORE_FAILED"), "{refused}");
        assert!(refused.to_string().contains("full"), "{refused}");
    }
    assert_eq!(charges(&bench), 1, "nothing was sent");
    let reasons = reasons(&bench);
    let why = reasons[0].strip_prefix("the store cannot be written: ").unwrap_or_else(|| panic!("{reasons:?}"));
    assert!(why.contains("full"), "{why}");
    wait_for_display(&bench, &StoreHealth::Refusing(why.to_owned()));
    fs::remove_file(full(&bench)).expect("there is room again");
    wait_until_it_sells_again(&bench, 2);
    assert_eq!(charges(&bench), 2);
}

/// A sale whose money has moved while the disk filled up; what the till heard.
fn charged_on_a_disk_that_fills_up(bench: &Bench, number: u32, room: &str) -> Value {
    let before = charges(bench);
    let slow = Fault::once(FaultKind::Slow { ms: 600 });
    bench.vendors.gateway.set_faults(Faults { charge: Some(slow), ..Faults::default() });
    std::thread::scope(|scope| {
        let till = scope.spawn(|| sell(bench, number));
        bench.until("the money moved", || charges(bench) > before);
        fs::write(full(bench), room).expect("the disk fills up");
        till.join().expect("the till")
    })
}

#[test]
fn money_that_moved_before_the_disk_was_full_is_owed_until_it_is_written_down() {
    let mut bench = Bench::new();
    start(&mut bench);
    let told = charged_on_a_disk_that_fills_up(&bench, 1, NO_ROOM_AT_ALL);
    assert_eq!(told["error"]["code"], json!(900), "{told}");
    assert_eq!(told["is_success"], json!(false), "{told}");
    let reasons = reasons(&bench);
    let why = reasons[0].strip_prefix("money moved and is not on disk yet, do not switch off: ");
    let why = why.unwrap_or_else(|| panic!("{reasons:?}")).to_owned();
    wait_for_display(&bench, &StoreHealth::Owing(why));
    assert_eq!(sell(&bench, 2)["error"]["message"], json!("STORE_FAILED"));
    assert!(!bench.store().join("reserve").exists(), "the reserve was given free");
    fs::remove_file(full(&bench)).expect("there is room again");
    let id = transaction_id(&told);
    bench.until("it is written down", || bench.get(&format!("/payment/{id}")).json()["is_success"] == json!(true));
    wait_until_it_sells_again(&bench, 3);
    assert_eq!(charges(&bench), 2, "nothing was sent twice");
}

#[test]
fn the_reserve_is_room_enough_for_the_answer_about_money_that_moved() {
    let mut bench = Bench::new();
    start(&mut bench);
    bench.until("the reserve is laid", || {
        bench.store().join("reserve").metadata().is_ok_and(|m| m.len() == tolov::limits::RESERVE_FILE_BYTES)
    });
    // Full to the last byte: only what the reserve gives back is left. The log may still have room of its own, which takes an answer or two
    // without a byte more; then it has to grow.
    let needs_the_reserve = |number: u32| {
        let told = charged_on_a_disk_that_fills_up(&bench, number, "0");
        let id = transaction_id(&told);
        bench.until("it is written down", || bench.get(&format!("/payment/{id}")).json()["is_success"] == json!(true));
        if bench.log().contains("the reserve was freed") {
            return Some((number, id));
        }
        fs::remove_file(full(&bench)).expect("there is room again");
        None
    };
    let (sold, id) = (1..20).find_map(needs_the_reserve).expect("a log that has to grow");
    assert!(full(&bench).exists(), "{}", bench.log());
    bench.power_cut();
    assert_eq!(bench.get(&format!("/payment/{id}")).json()["is_success"], json!(true), "{}", bench.log());
    assert_eq!(charges(&bench), usize::try_from(sold).expect("few"));
    bench.audit();
}

#[test]
fn with_a_store_that_can_only_be_read_the_past_is_told_and_no_sale_begins() {
    let mut bench = Bench::new();
    start(&mut bench);
    let id = transaction_id(&sell(&bench, 1));
    bench.cut();
    fs::write(read_only(&bench), "").expect("a switch");
    start(&mut bench);
    let refused = sell(&bench, 2);
    assert_eq!(refused["error"]["message"], json!("STORE_FAILED"), "{refused}");
    assert!(refused.to_string().contains("read"), "{refused}");
    assert_eq!(charges(&bench), 1, "nothing was sent");
    assert_eq!(bench.get(&format!("/payment/{id}")).json()["data"]["state"], json!("paid"));
    let reasons = reasons(&bench);
    let why = reasons[0].strip_prefix("the store cannot be written: ").unwrap_or_else(|| panic!("{reasons:?}"));
    wait_for_display(&bench, &StoreHealth::Refusing(why.to_owned()));
    fs::remove_file(read_only(&bench)).expect("the switch");
    wait_until_it_sells_again(&bench, 2);
    assert_eq!(charges(&bench), 2);
}
