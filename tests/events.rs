//! Tills that follow the terminal: live events, what changed since, and waiting for one payment, with the real daemon and its journal.

#![cfg(feature = "demo")]

#[path = "events/client.rs"]
mod client;
#[path = "events/lost.rs"]
mod lost;
#[path = "events/slow.rs"]
mod slow;
mod support;
#[path = "events/waiting.rs"]
mod waiting;

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use client::{Event, Stream, follow};
use hal::sim::pinpad::{Behaviour, Script};
use serde_json::{Value, json};
use support::http::{self, Answer};
use support::{Bench, TILL_TOKEN};
use tolov::history::JournalLine;
use tolov::limits;
use tolov::store::{Archive, retention};

const EVENTS: &str = "/api/v1/events";
const TILL: (&str, &str) = ("x_auth_token", TILL_TOKEN);

/// A terminal whose till `bench` has a token.
fn running() -> Bench {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    bench
}

/// Follow from after that id.
fn resumed(bench: &Bench, id: Option<&str>) -> Stream {
    let headers: Vec<_> = std::iter::once(TILL).chain(id.map(|id| ("Last-Event-ID", id))).collect();
    let opened = follow(bench.address, EVENTS, &headers).unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
    opened.unwrap_or_else(|answer| panic!("{answer:?}\n{}", bench.log()))
}

fn from_the_first_line(bench: &Bench) -> Stream {
    follow(bench.address, "/api/v1/events?after=0", &[TILL]).expect("a connection").expect("a stream")
}

fn refused(bench: &Bench, id: &str) -> Answer {
    let headers = [TILL, ("Last-Event-ID", id)];
    follow(bench.address, EVENTS, &headers).expect("an answer").err().expect("a refusal")
}

fn get(bench: &Bench, path: &str) -> Value {
    let answer = http::get_with(bench.address, path, &[TILL]).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Everything that stands in the journal now.
fn journal(bench: &Bench) -> Vec<JournalLine> {
    use tolov::history::History as _;
    Archive::open(&bench.store()).map(|past| past.journal(0, 1_000_000).expect("the journal")).expect("a store")
}

/// What a till has to hear of a line.
fn wanted(line: &JournalLine) -> (i64, Value, Value) {
    let fact: Value = serde_json::from_str(&line.fact).expect("a fact");
    (line.sequence, fact["fact"].clone(), line.payment.map_or(Value::Null, |id| json!(id.to_string())))
}

fn heard(event: &Event) -> (i64, Value, Value) {
    let data = &event.data;
    (data["sequence"].as_i64().expect("a number"), data["kind"].clone(), data["transaction_id"].clone())
}

fn sell(bench: &Bench, number: usize) -> Value {
    let body = format!(r#"{{"amount":500,"qr_code":"8801{number:014}"}}"#);
    let sale = bench.post("/payment/click", &body).json();
    assert_eq!(sale["is_success"], json!(true), "{sale}");
    sale
}

/// Events until one satisfies.
fn until(stream: &mut Stream, what: &str, is: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = stream.next().unwrap_or_else(|e| panic!("{what}: {e}")).unwrap_or_else(|| panic!("{what}: over"));
        let done = is(&event);
        events.push(event);
        if done {
            return events;
        }
    }
}

#[test]
fn a_stream_that_breaks_a_hundred_times_over_restarts_is_the_journal_line_by_line() {
    let mut bench = running();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    let mut dice = 20_261_122_u64;
    let mut draw = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut told: Vec<Event> = Vec::new();
    let mut last_id = None::<String>;
    let (mut resumes, mut sales) = (0, 0);
    while resumes < 100 {
        for _ in 0..draw(3) {
            sales += 1;
            if draw(5) == 0 {
                let body = format!(r#"{{"amount":{}}}"#, 10_000 + sales);
                // After a restart the PinPad is asked for its last operation first.
                bench.until("the card is charged", || {
                    let sale = bench.post("/payment/xumo", &body).json();
                    let busy = [json!(911), json!(913)].contains(&sale["error"]["code"]);
                    assert!(busy || sale["isSuccess"] == json!(true), "{sale}\n{}", bench.log());
                    !busy
                });
            } else {
                sell(&bench, sales);
            }
        }
        let mut stream = match &last_id {
            Some(id) => resumed(&bench, Some(id)),
            None => from_the_first_line(&bench),
        };
        let behind = journal(&bench).len() - told.len();
        for _ in 0..draw(behind as u64 + 1) {
            let event = stream.next().expect("an event").expect("no end");
            last_id.clone_from(&event.id);
            assert_eq!(stream.last_id, event.id);
            told.push(event);
        }
        resumes += usize::from(last_id.is_some());
        if resumes % 10 == 5 {
            bench.power_cut();
        }
    }
    let lines = journal(&bench);
    let mut stream = resumed(&bench, last_id.as_deref());
    while told.len() < lines.len() {
        told.push(stream.next().expect("an event").expect("no end"));
    }
    let wanted: Vec<_> = lines.iter().map(wanted).collect();
    assert_eq!(told.iter().map(heard).collect::<Vec<_>>(), wanted);
    // Whoever believes the statuses that were told knows where every payment stands.
    let mut believed = std::collections::BTreeMap::new();
    for event in &told {
        if let (Some(id), Some(status)) = (event.data["transaction_id"].as_str(), event.data["payment_status"].as_str())
        {
            believed.insert(id.to_owned(), status.to_owned());
        }
    }
    assert!(believed.len() >= sales && sales > 50, "{sales} sales");
    for (id, status) in believed {
        assert_eq!(get(&bench, &format!("/api/v1/payment/{id}/retrieve/status"))["payment_status"], json!(status));
    }
    let text = format!("{told:?}");
    assert!(!text.contains("8801000"), "a code is told");
    assert!(!text.contains("ОДОБРЕНО"), "a slip is told");
    bench.audit();
}

#[test]
fn without_an_id_a_stream_begins_with_the_next_line_and_a_break_before_it_loses_nothing() {
    let bench = running();
    bench.wait_for_pinpad();
    sell(&bench, 1);
    let last = journal(&bench).last().expect("a line").sequence;
    // It has told where it begins, and nothing else, when it breaks.
    let mut first = resumed(&bench, None);
    sell(&bench, 2);
    let event = first.next().expect("an event").expect("no end");
    assert_eq!((heard(&event).0, event.name.as_str()), (last + 1, "payment"));
    assert_eq!(event.data["payment_status"], json!("bank_processing"));
    assert_eq!((&event.data["amount"], &event.data["currency"]), (&json!(500.0), &json!("UZS")));
    let paid = until(&mut first, "the sale is paid", |event| event.data["payment_status"] == "paid");
    let id = paid.last().and_then(|event| event.id.clone()).expect("an id");
    assert_eq!(follow(bench.address, EVENTS, &[]).expect("an answer").err().expect("a refusal").status, 403);
    for bad in ["", "x", "-1", "1-2-3x"] {
        assert!([400, 409].contains(&refused(&bench, bad).status), "{bad}");
    }
    // The header stands above the address that a library began with.
    let both = follow(bench.address, "/api/v1/events?after=0", &[TILL, ("Last-Event-ID", &id)]).expect("a connection");
    let mut both = both.expect("a stream");
    let line: i64 = id.split('-').next().and_then(|line| line.parse().ok()).expect("a number");
    sell(&bench, 3);
    assert_eq!(heard(&both.next().expect("an event").expect("no end")).0, line + 1);
}

#[test]
fn a_withdrawn_token_ends_its_stream_and_a_stop_ends_every_stream_with_its_reason() {
    let mut bench = running();
    bench.wait_for_pinpad();
    let mut stream = resumed(&bench, None);
    let other = bench.dir.path().join("secrets/till_other");
    fs::write(&other, "another-token-of-the-bench").expect("a secret");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).expect("its permissions");
    let mut second = follow(bench.address, EVENTS, &[("x-auth-token", "another-token-of-the-bench")]);
    let second = second.as_mut().expect("a connection").as_mut().expect("a stream");
    fs::remove_file(&other).expect("withdrawn");
    let since = Instant::now();
    let end = second.next().expect("a word").expect("an event");
    assert_eq!((end.name.as_str(), &end.data["reason"], &end.id), ("end", &json!("token_revoked"), &None));
    assert!(end.data["message"].as_str().is_some_and(|advice| advice.contains("token")), "{end:?}");
    assert_eq!(second.next().expect("an end"), None);
    let within = limits::wait(limits::EVENTS_HEARTBEAT_MS) + Duration::from_secs(2);
    assert!(since.elapsed() < within, "{:?}", since.elapsed());
    let daemon = bench.daemon.as_ref().expect("a daemon").id();
    let asked = std::process::Command::new("kill").arg(daemon.to_string()).status().expect("kill");
    assert!(asked.success());
    let since = Instant::now();
    let end = stream.next().expect("a word").expect("an event");
    assert_eq!((end.name.as_str(), &end.data["reason"]), ("end", &json!("shutting_down")));
    assert!(stream.comments > 0, "signs of life came before");
    assert!(bench.daemon.take().expect("a daemon").wait().expect("its end").success());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn a_store_from_yesterdays_backup_is_noticed_and_a_till_begins_anew() {
    let mut bench = running();
    sell(&bench, 1);
    bench.cut();
    let backup = bench.dir.path().join("backup");
    copy(&bench.store(), &backup);
    bench.start();
    (2..6).for_each(|number| drop(sell(&bench, number)));
    let lost = until(&mut from_the_first_line(&bench), "its last line", |event| {
        heard(event).0 == journal(&bench).last().expect("a line").sequence
    });
    bench.cut();
    fs::remove_dir_all(bench.store()).expect("lost");
    copy(&backup, &bench.store());
    bench.start();
    // The same numbers, other lines.
    sell(&bench, 7);
    let ids: Vec<&str> = lost.iter().filter_map(|event| event.id.as_deref()).collect();
    let ends = journal(&bench);
    let known = ends.iter().filter(|line| ids.contains(&id_of(&bench, line.sequence).as_str())).count();
    assert!(known > 0 && known < ends.len(), "{known} of {} lines were in the backup", ends.len());
    for id in &ids[known..] {
        let answer = refused(&bench, id);
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("events_diverged")), "{id}: {answer:?}");
        let listed = http::get_with(bench.address, &format!("/api/v1/payment?since={id}"), &[TILL]).expect("an answer");
        assert_eq!(listed.status, 409, "{listed:?}");
    }
    let again = resumed(&bench, Some(ids[known - 1])).next().expect("an event").expect("no end");
    assert_eq!(heard(&again), wanted(&ends[known]));
    let anew = get(&bench, "/api/v1/payment");
    assert_eq!(anew["payments"].as_array().map(Vec::len), Some(2), "{anew}");
    resumed(&bench, anew["next"].as_str());
}

/// The id of a line, by the stream that begins before it.
fn id_of(bench: &Bench, line: i64) -> String {
    let path = format!("/api/v1/events?after={}", line - 1);
    let mut stream = follow(bench.address, &path, &[TILL]).expect("a connection").expect("a stream");
    stream.next().expect("an event").expect("no end").id.expect("an id")
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("a file")) {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

#[test]
fn lines_that_were_cut_off_are_gone_from_the_events_and_their_payments_stay_in_the_list() {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    bench.wait_for_pinpad();
    bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
    for amount in 1..4 {
        let sale = bench.post("/payment/xumo", &format!(r#"{{"amount":{}}}"#, amount * 10_000)).json();
        assert_eq!(sale["isSuccess"], json!(true), "{sale}\n{}", bench.log());
        // That its answer has left is a line about it, too, and may come after the next sale has begun.
        let answered = || journal(&bench).iter().filter(|line| line.fact.contains("\"answered\"")).count();
        bench.until("its last line is written", || answered() == amount);
    }
    let first = from_the_first_line(&bench).next().expect("an event").expect("no end").id.expect("an id");
    let early = until(&mut from_the_first_line(&bench), "the second sale", |event| event.data["amount"] == 200.0);
    let early = early.last().and_then(|event| event.id.clone()).expect("an id");
    bench.cut();
    let store = bench.store();
    let options = tolov::store::StoreOptions::at(tolov::clock::Clock::system().wall_ms());
    let far = options.now_ms + 1_000;
    let cut = retention::compact(&store, &options, far, &bench.dir.path().join("cut.jsonl")).expect("compacted");
    bench.start();
    for id in [&first, &early] {
        let answer = refused(&bench, id);
        let told = answer.json();
        assert_eq!((answer.status, &told["code"]), (410, &json!("events_gone")), "{answer:?}");
        assert!(told["message"].as_str().expect("a sentence").contains(&(cut.cut_at + 1).to_string()), "{told}");
    }
    sell(&bench, 1);
    let event = from_the_first_line(&bench).next().expect("an event").expect("no end");
    assert_eq!(heard(&event).0, cut.cut_at + 1, "the first line that is kept");
    let at_the_cut = resumed(&bench, Some(&cut.cut_at.to_string())).next().expect("an event").expect("no end");
    assert_eq!(at_the_cut, event, "nothing is missed by going on where the journal begins");
    let listed = get(&bench, &format!("/api/v1/payment?since={early}"));
    let amounts: Vec<_> = listed["payments"].as_array().expect("a list").iter().map(|p| p["amount"].clone()).collect();
    assert_eq!(amounts, [json!(200.0), json!(300.0), json!(500.0)], "{listed}");
    bench.audit();
}

#[test]
fn a_till_may_follow_so_many_times_and_sales_go_on_beside_it_and_a_crowd() {
    let bench = running();
    let mut streams: Vec<Stream> = (0..limits::TILL_WAITING_MAX).map(|_| resumed(&bench, None)).collect();
    let one_more = follow(bench.address, EVENTS, &[TILL]).expect("an answer").err().expect("a refusal");
    assert_eq!((one_more.status, &one_more.json()["code"]), (503, &json!("overloaded")));
    // More idle connections than the house has places: those go, and no stream does.
    let idle: Vec<io::Result<TcpStream>> =
        (0..limits::HTTP_CONNECTIONS_MAX + 50).map(|_| TcpStream::connect(bench.address)).collect();
    let sale = sell(&bench, 1);
    for stream in &mut streams {
        let paid = until(stream, "the sale is paid", |event| event.data["payment_status"] == "paid");
        let last = paid.last().expect("an event");
        assert_eq!(last.data["transaction_id"], sale["data"]["transaction_id"]);
    }
    drop((idle, streams.pop()));
    bench.until("a place is free again", || follow(bench.address, EVENTS, &[TILL]).is_ok_and(|opened| opened.is_ok()));
}

#[test]
fn a_till_that_was_off_catches_up_by_the_list_and_goes_on_with_events() {
    let bench = running();
    // A new terminal writes down what the PinPad did last: then nothing but sales is news.
    bench.wait_for_pinpad();
    let numbers = 1..=25;
    let sales: Vec<Value> = numbers.map(|number| sell(&bench, number)).collect();
    let since = get(&bench, "/api/v1/payment?limit=10");
    assert_eq!((since["payments"].as_array().map(Vec::len), &since["more"]), (Some(10), &json!(true)));
    // The first of them changes: it is told again, at the end.
    let link = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";
    let confirm = json!({"payment_id": sales[0]["data"]["payment_id"], "qrcode": link}).to_string();
    bench.post("/payment/click_confirm", &confirm);
    let first = sales[0]["data"]["transaction_id"].as_str().expect("a name").to_owned();
    let stands = || get(&bench, &format!("/api/v1/payment/{first}/retrieve"))["payment"].clone();
    bench.until("the receipt is confirmed", || stands()["receipt"] == "confirmed");
    let (mut listed, mut next) = (since["payments"].as_array().expect("a list").clone(), since["next"].clone());
    for _ in 0..10 {
        let page = get(&bench, &format!("/api/v1/payment?limit=7&since={}", next.as_str().expect("a place")));
        listed.extend(page["payments"].as_array().expect("a list").iter().cloned());
        next = page["next"].clone();
        if page["more"] == false {
            break;
        }
    }
    let name = |payment: &Value| payment["transaction_id"].as_str().expect("a name").to_owned();
    let mut names: Vec<String> = sales.iter().map(|sale| name(&sale["data"])).collect();
    names.push(first.clone());
    assert_eq!(listed.iter().map(&name).collect::<Vec<_>>(), names);
    assert_eq!(listed[25], stands(), "as it stands now");
    assert_eq!(listed[0]["receipt"], "owed", "as it stood when it was asked for");
    let mut stream = resumed(&bench, next.as_str());
    let sale = sell(&bench, 26);
    let event = stream.next().expect("an event").expect("no end");
    assert_eq!(event.data["transaction_id"], sale["data"]["transaction_id"]);

    let all =
        |query: &str| get(&bench, &format!("/api/v1/payment?limit=100{query}"))["payments"].as_array().map(Vec::len);
    let at = |payment: &Value| payment["updated_at"].as_str().expect("a time").replace('+', "%2B");
    assert_eq!((all(""), all("&status=paid"), all("&status=in_doubt")), (Some(26), Some(26), Some(0)));
    assert_eq!((all("&method=click"), all("&method=sbp"), all("&order_id=x")), (Some(26), Some(0), Some(0)));
    assert_eq!(all(&format!("&since={}", at(&stands()))), Some(2), "it, and the sale after it");
    assert_eq!(all("&since=2026-01-01T00:00:00%2B05:00"), Some(26));
    assert_eq!(all("&since=2126-01-01T00:00:00Z"), Some(0));
    for bad in ["limit=0", "limit=101", "limit=x", "since=yesterday", "status=open", "method=cash", "limit=1&limit=2"] {
        let answer = http::get_with(bench.address, &format!("/api/v1/payment?{bad}"), &[TILL]).expect("an answer");
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("validation_error")), "{bad}");
    }
}
