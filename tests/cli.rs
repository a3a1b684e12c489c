//! The technician's commands, by the real program against a real socket, driver and store. Only the outside world is played:
//! a customer's code says how its provider answers, and the PinPad answers by the amount.

#![allow(clippy::unwrap_used)]

#[path = "cli/rig.rs"]
mod rig;

use rig::{Rig, run};

use serde_json::Value;
use tolov::payment::event::{Delivery, Event};

/// Holds a text against its picture under `tests/snapshots`.
macro_rules! reads {
    ($name:literal, $text:expr) => {
        let text = $text;
        // A sentence on the standard error and a table for a program are one line each, however long.
        let line = text.starts_with("tolov: ") || text.starts_with("method,");
        let wide: Vec<&str> = text.lines().filter(|row| !line && row.chars().count() > 100).collect();
        assert!(wide.is_empty(), "wider than the console: {wide:#?}");
        insta::assert_snapshot!($name, text);
    };
}

#[path = "cli/order.rs"]
mod order;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_wrong_socket_says_that_the_daemon_is_not_running_and_how_to_start_it() {
    for words in [&["status"][..], &["payment", "list"], &["queue", "list"], &["shift"], &["shift", "close"]] {
        let told = run(&[words, &["--socket", "/nowhere/control.sock"]].concat());
        assert_eq!(told.code, 4);
        assert_eq!(
            told.stderr,
            "tolov: the daemon is not running (nobody answers at /nowhere/control.sock: no such file); start it with: \
             systemctl start tolov, or: tolov run --config /etc/tolov/tolov.toml\n"
        );
        assert_eq!(told.stdout, "");
    }
}

#[test]
fn the_socket_is_found_by_the_configuration() {
    let rig = Rig::new();
    let file = rig.dir.path().join("tolov.toml");
    let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/boards/sim/board.toml");
    let socket = rig.socket.display();
    std::fs::write(&file, format!("board = \"{boards}\"\n[control]\nsocket = \"{socket}\"\n")).unwrap();
    let told = run(&["status", "--json", "--config", file.to_str().unwrap()]);
    assert_eq!((told.code, told.stderr.as_str()), (0, ""));
    assert_eq!(json(&told.stdout)["store"], "good");
    let told = run(&["status", "--config", "/nowhere/tolov.toml"]);
    assert_eq!(told.code, 78, "{}", told.stderr);
    assert!(told.stderr.contains("/nowhere/tolov.toml cannot be read"), "{}", told.stderr);
}

#[test]
fn a_quiet_terminal_says_so() {
    let rig = Rig::new();
    reads!("status_quiet", rig.ask(&["status"]));
    reads!("list_empty", rig.ask(&["payment", "list"]));
    reads!("queue_empty", rig.ask(&["queue", "list"]));
    reads!("shift_empty", rig.ask(&["shift"]));
}

#[test]
fn status_shows_what_is_in_doubt_and_what_to_do() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "lost");
    rig.sell_click(2, 120_000, "paid 7001");
    rig.pinpad_gone("cable pulled");
    reads!("status_in_doubt", rig.ask(&["status"]));
    let told = json(&rig.ask(&["status", "--json"]));
    assert_eq!(told["in_doubt"][0]["state"], "in_doubt");
    assert_eq!(told["in_doubt"][0]["amount_minor"], 50_000);
    assert_eq!(told["pinpad"]["up"], false);
}

#[test]
fn payments_are_listed_newest_first_with_stable_fields() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_click(1, 50_000, "paid 7001");
    rig.sell_click(2, 1_234_500_000, "refused");
    rig.sell_card(3, 75_000);
    rig.sell_click(4, 60_000, "lost");
    reads!("payment_list", rig.ask(&["payment", "list"]));
    let told = json(&rig.ask(&["payment", "list", "--json", "--state", "paid", "--method", "click"]));
    let row = &told.as_array().unwrap()[0];
    assert_eq!(told.as_array().unwrap().len(), 1);
    assert_eq!(row["transaction_id"], rig.id(1));
    assert_eq!((&row["state"], &row["fiscal"]), (&"paid".into(), &"owed".into()));
    assert_eq!((&row["amount_minor"], &row["currency"]), (&50_000.into(), &"UZS".into()));
    assert_eq!(row["payment_id"], "7001");
    let day = |day: &str| json(&rig.ask(&["payment", "list", "--json", "--day", day])).as_array().unwrap().len();
    assert_eq!((day("2026-11-22"), day("2026-11-21")), (4, 0));
}

#[test]
fn one_payment_is_shown_with_everything_about_it_and_found_by_its_first_digits() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_card(3, 75_000);
    rig.sell_click(4, 60_000, "lost");
    reads!("payment_show_card", rig.ask(&["payment", "show", &rig.id(3)]));
    reads!("payment_show_in_doubt", rig.ask(&["payment", "show", &rig.id(4)[..8]]));
    let told = rig.run(&["payment", "show", "ffff0000"]);
    assert_eq!(
        (told.code, told.stderr.as_str()),
        (1, "tolov: no payment here begins with ffff0000; tolov payment list shows what there is\n")
    );
    let told = rig.run(&["payment", "show", "000000"]);
    assert_eq!(told.code, 2, "{}", told.stderr);
    assert!(told.stderr.contains("several payments begin with 000000"), "{}", told.stderr);
}

#[test]
fn a_doubt_is_ended_by_evidence_a_name_and_a_reason() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "lost");
    let id = rig.id(1);
    let signed = ["--name", "Aziza", "--reason", "seen in the cabinet"];
    let without = rig.run(&[&["payment", "resolve", &id, "paid"][..], &signed].concat());
    assert_eq!(without.code, 1);
    reads!("resolve_without_evidence", without.stderr);
    let wrong = rig.run(&[&["payment", "resolve", &id, "paid", "--rrn", "123"][..], &signed].concat());
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("its evidence is --payment-id"), "{}", wrong.stderr);
    reads!(
        "resolve_paid",
        rig.ask(&[&["payment", "resolve", &id, "paid", "--payment-id", "7009"][..], &signed].concat())
    );
    reads!("payment_show_resolved", rig.ask(&["payment", "show", &id]));
    let again = rig.run(&[&["payment", "resolve", &id, "absent"][..], &signed].concat());
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("only what is in doubt can be resolved"), "{}", again.stderr);
}

#[test]
fn a_doubt_may_end_without_evidence_only_when_that_is_said() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "lost");
    rig.sell_click(2, 50_000, "lost too");
    let signed = ["--name", "Aziza", "--reason", "the customer showed the bank's message"];
    rig.ask(&[&["payment", "resolve", &rig.id(1), "paid", "--no-evidence"][..], &signed].concat());
    rig.ask(&[&["payment", "resolve", &rig.id(2), "absent"][..], &signed].concat());
    let states = |number| json(&rig.ask(&["payment", "show", "--json", &rig.id(number)]))["state"].clone();
    assert_eq!((states(1), states(2)), ("paid".into(), "declined".into()));
}

#[test]
fn a_name_and_a_reason_are_asked_for_and_an_id_of_another_payment_is_refused() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "lost");
    rig.sell_click(2, 60_000, "paid 7001");
    let unsigned = rig.run(&["payment", "resolve", &rig.id(1), "absent", "--name", "Aziza"]);
    assert_eq!(unsigned.code, 2, "{}", unsigned.stderr);
    let signed = ["--name", "Aziza", "--reason", "seen"];
    let taken = rig.run(&[&["payment", "resolve", &rig.id(1), "paid", "--payment-id", "7001"][..], &signed].concat());
    assert_eq!(taken.code, 1);
    assert!(taken.stderr.contains("another payment has this payment_id"), "{}", taken.stderr);
}

#[test]
fn the_queue_is_listed_and_a_parked_receipt_is_sent_again() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "paid 7001");
    rig.sell_click(2, 60_000, "paid");
    rig.confirm(1, "2421");
    rig.confirm(2, "2422");
    reads!("queue_list", rig.ask(&["queue", "list"]));
    reads!("queue_show_parked", rig.ask(&["queue", "show", &rig.id(2)]));
    let told = json(&rig.ask(&["queue", "list", "--json"]));
    assert_eq!(told[1]["transaction_id"], rig.id(2));
    assert_eq!((&told[1]["fiscal"], &told[1]["receipt"]["state"]), (&"parked".into(), &"parked".into()));
    reads!("queue_retry", rig.ask(&["queue", "retry", &rig.id(2), "--payment-id", "7002", "--name", "Aziza"]));
    let link = rig.dir.path().join("link");
    std::fs::write(&link, rig::link("2429") + "\n").unwrap();
    rig.ask(&["queue", "retry", &rig.id(2), "--with", link.to_str().unwrap(), "--name", "Aziza"]);
    let told = json(&rig.ask(&["payment", "show", "--json", &rig.id(2)]));
    assert_eq!(told["receipts"][1]["link"], rig::link("2429"));
    assert_eq!(told["payment_id"], "7002");
    let wrong = rig.run(&["queue", "retry", &rig.id(2), "--link", "https://example.org/", "--name", "Aziza"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("it must begin with https://ofd.soliq.uz/check?"), "{}", wrong.stderr);
}

#[test]
fn a_parked_receipt_that_a_person_has_found_is_confirmed_by_evidence_a_name_and_a_reason() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "paid 7001");
    rig.sell_click(2, 60_000, "paid 7002");
    rig.confirm(1, "2421");
    rig.confirm(2, "2422");
    let refused = Delivery::Refused { text: "the receipt is known here".to_owned() };
    rig.tell(Event::Delivered { payment: rig.payment(2), number: 1, outcome: refused, jitter_permille: 0 });
    reads!("queue_show_refused", rig.ask(&["queue", "show", &rig.id(2)]));
    let signed = ["--name", "Aziza", "--reason", "looked it up in the cabinet"];
    let confirm = |number, evidence: &[&str]| {
        let id = rig.id(number);
        rig.run(&[&["queue", "confirm", &id][..], evidence, &signed].concat())
    };
    assert_eq!(confirm(2, &[]).code, 2, "without evidence it makes no sense");
    assert_eq!(confirm(2, &["--evidence", " "]).code, 2);
    let queued = confirm(1, &["--evidence", "receipt 2421"]);
    assert_eq!(queued.code, 1);
    assert!(queued.stderr.contains("only a parked receipt is signed for"), "{}", queued.stderr);
    let told = confirm(2, &["--evidence", "receipt 2422 of 12:18"]);
    assert_eq!((told.code, told.stderr.as_str()), (0, ""));
    reads!("queue_confirm", told.stdout);
    let shown = json(&rig.ask(&["payment", "show", "--json", &rig.id(2)]));
    assert_eq!((&shown["fiscal"], &shown["receipts"][0]["last_error"]), (&"confirmed".into(), &Value::Null));
    let answer = json(shown["receipts"][0]["answer"].as_str().unwrap());
    assert_eq!((&answer["signed_by"], &answer["evidence"]), (&"Aziza".into(), &"receipt 2422 of 12:18".into()));
    assert_eq!(confirm(2, &["--evidence", "receipt 2422"]).code, 1, "once");
    assert_eq!(json(&rig.ask(&["queue", "list", "--json"])).as_array().unwrap().len(), 1);
    let store = rig.dir.path().join("store");
    let audit = run(&["audit", "--store", store.to_str().unwrap()]);
    assert_eq!(audit.code, 0, "{}", audit.stdout);
}

#[test]
fn the_shift_is_added_up_by_method() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_card(1, 75_000);
    rig.sell_card(2, 25_000);
    rig.void(2, 25_000);
    rig.sell_click(3, 50_000, "paid 7001");
    rig.sell_click(4, 60_000, "lost");
    rig.sell_click(5, 60_000, "refused");
    reads!("shift_open", rig.ask(&["shift"]));
    reads!("shift_csv", rig.ask(&["shift", "--csv"]));
    let told = json(&rig.ask(&["shift", "--json"]));
    assert_eq!(told["totals"][0]["method"], "humo");
    assert_eq!(told["totals"][0]["net_minor"], 75_000);
    let none = rig.run(&["shift", "--last"]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""));
}

#[test]
fn closing_the_shift_prints_the_slip_and_compares_the_totals() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_card(1, 75_000);
    rig.next_slip_total(75_000);
    reads!("shift_close", rig.ask(&["shift", "close"]));
    reads!("shift_after_close", rig.ask(&["shift"]));
    rig.sell_card(2, 10_000);
    rig.next_slip_total(99_000);
    rig.ask(&["shift", "close"]);
    reads!("shift_last_differs", rig.ask(&["shift", "--last"]));
}

#[test]
fn a_shift_that_must_be_closed_is_explained_and_never_closed_unasked() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.sell_card(1, rig::MUST_CLOSE);
    reads!("shift_must_close", rig.ask(&["shift"]));
    assert_eq!(json(&rig.ask(&["shift", "--json"]))["settlement"], Value::Null);
}

#[test]
fn a_refused_closing_fails_and_says_why() {
    let rig = Rig::new();
    rig.pinpad_up();
    rig.next_slip_refused();
    let told = rig.run(&["shift", "close"]);
    assert_eq!(told.code, 1);
    reads!("shift_close_refused", told.stdout);
    rig.pinpad_gone("cable pulled");
    let told = rig.run(&["shift", "close"]);
    assert_eq!((told.code, told.stderr.as_str()), (1, "tolov: the PinPad is not connected: cable pulled\n"));
}

#[test]
fn sales_are_opened_again_by_a_signature() {
    let rig = Rig::new();
    rig.close_sales("the store was damaged");
    reads!("status_closed", rig.ask(&["status"]));
    rig.ask(&["sales", "open", "--name", "Aziza", "--reason", "no payment was open"]);
    assert_eq!(json(&rig.ask(&["status", "--json"]))["closed"], Value::Null);
}

#[test]
fn the_payment_at_the_counter_can_be_called_off() {
    let rig = Rig::new();
    rig.await_scan(1, 50_000);
    assert!(rig.ask(&["status"]).contains("awaiting_payer"));
    reads!("payment_cancel", rig.ask(&["payment", "cancel"]));
    let told = rig.run(&["payment", "cancel"]);
    assert_eq!(
        (told.code, told.stderr.as_str()),
        (1, "tolov: no such payment here: no payment is waiting at the counter\n")
    );
}

#[test]
fn the_audit_holds_beside_a_running_daemon_and_fails_on_a_store_that_was_altered() {
    let rig = Rig::new();
    rig.sell_click(1, 50_000, "paid 7001");
    rig.confirm(1, "2421");
    let store = rig.dir.path().join("store");
    let told = run(&["audit", "--store", store.to_str().unwrap()]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    reads!("audit_holds", told.stdout.replace(store.to_str().unwrap(), "STORE"));
    let db = rusqlite::Connection::open(store.join("tolov.db")).unwrap();
    db.execute("UPDATE payment SET state = 'declined', amount_minor = 1", []).unwrap();
    let told = run(&["audit", "--json", "--store", store.to_str().unwrap()]);
    assert_eq!(told.code, 3);
    assert!(json(&told.stdout)["differences_found"].as_u64().unwrap() > 0);
    let told = run(&["audit", "--store", "/nowhere"]);
    assert_eq!((told.code, told.stderr.matches("is this the terminal's store?").count()), (1, 1), "{}", told.stderr);
    assert_eq!(told.stderr.matches("unable to open").count(), 1, "{}", told.stderr);
    assert!(told.stderr.contains("Say where it is with --store DIR"), "{}", told.stderr);
}

#[test]
fn a_month_of_the_journal_is_exported_beside_a_daemon_and_cut_off_only_without_one() {
    let mut rig = Rig::new();
    rig.sell_click(1, 50_000, "refused");
    rig.sell_click(2, 60_000, "paid 7001");
    let store = rig.dir.path().join("store");
    let (store, to) = (store.to_str().unwrap(), rig.dir.path().join("2026-11.jsonl"));
    let journal = |verb: &str, month: &str| {
        let told = run(&["journal", verb, month, "--to", to.to_str().unwrap(), "--store", store]);
        (told.code, told.stdout, told.stderr)
    };
    let (code, told, _) = journal("export", "2026-11");
    assert_eq!(code, 0, "{told}");
    let lines = std::fs::read_to_string(&to).unwrap().lines().count();
    assert!(lines >= 4 && told.contains(&format!("lines    {lines}\n")), "{told}");
    let (code, _, again) = journal("export", "2026-11");
    assert_eq!((code, again.contains("2026-11.jsonl")), (1, true), "never over another file: {again}");
    std::fs::remove_file(&to).unwrap();
    assert!(journal("export", "2026-10").1.contains("lines    0\n"));
    std::fs::remove_file(&to).unwrap();

    let (code, _, refused) = journal("compact", "2026-11");
    assert_eq!((code, refused.contains("systemctl stop tolov"), to.exists()), (1, true, false), "{refused}");
    rig.stop();
    let (code, _, refused) = journal("compact", "2026-11");
    assert_eq!((code, refused.contains("with its receipt owed")), (1, true), "{refused}");
    rig.start();
    rig.confirm(2, "2421");
    rig.tell(Event::Delivered {
        payment: rig.payment(2),
        number: 1,
        outcome: Delivery::Confirmed { answer: None },
        jitter_permille: 0,
    });
    rig.stop();
    let told = run(&["journal", "compact", "2026-11", "--json", "--to", to.to_str().unwrap(), "--store", store]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let told = json(&told.stdout);
    assert_eq!(told["lines"], std::fs::read_to_string(&to).unwrap().lines().count());
    assert_eq!((told["cut_at"].clone(), told["sha256"].as_str().unwrap().len()), (told["lines"].clone(), 64));
    assert_eq!(run(&["audit", "--store", store]).code, 0);
    rig.start();
    assert!(rig.ask(&["payment", "show", &rig.id(2)]).contains("7001"), "the payment is there still");
}

#[test]
fn the_journal_of_no_store_is_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    for verb in ["export", "compact"] {
        let told = run(&["journal", verb, "2026-11", "--to", "/dev/null", "--store", nowhere.to_str().unwrap()]);
        assert_eq!((told.code, nowhere.exists()), (1, false), "{}", told.stderr);
        assert!(told.stderr.contains("there is no store; say where it is with --store DIR"), "{}", told.stderr);
    }
    for month in ["2026", "2026-13", "2026-11-01", "november"] {
        let told = run(&["journal", "export", month, "--to", "/dev/null", "--store", "/nowhere"]);
        assert_eq!((told.code, told.stderr.contains("write it as 2026-11")), (2, true), "{}", told.stderr);
    }
}

#[test]
fn a_configuration_is_checked_and_every_mistake_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tolov.toml");
    let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/boards/sim/board.toml");
    let check = |text: &str| {
        std::fs::write(&file, text.replace("BOARD", boards)).unwrap();
        let told = run(&["check", "--config", file.to_str().unwrap()]);
        let text = told.stdout.replace(dir.path().to_str().unwrap(), "DIR");
        (told.code, text, told.stderr)
    };
    let (code, text, _) = check(
        "board = \"BOARD\"\n[humo]\ndriver = \"arcus2\"\nsettle_at = \"23:30\"\n[click]\nbase_url = \"http://10.0.0.2\"\n",
    );
    assert_eq!(code, 0);
    reads!("check_good", text);
    let (code, text, stderr) = check("board = \"BOARD\"\nlanguage = \"de\"\n[humo]\ndrivr = \"arcus2\"\n");
    assert_eq!((code, stderr.as_str()), (1, ""));
    assert!(text.contains("DIR/tolov.toml:2: ") && text.contains("DIR/tolov.toml:4: "), "{text}");
    let missing = run(&["check", "--config", "/nowhere/tolov.toml"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stdout.contains("/nowhere/tolov.toml cannot be read"), "{}", missing.stdout);
}

#[test]
fn a_command_that_makes_no_sense_is_a_usage_error() {
    for words in [&["pay"][..], &["payment", "resolve", "1234", "maybe"], &["shift", "--csv", "--json"]] {
        assert_eq!(run(words).code, 2, "{words:?}");
    }
    let rig = Rig::new();
    let told = rig.run(&["payment", "list", "--state", "payed"]);
    assert_eq!(told.code, 2);
    assert!(told.stderr.contains("payed is no state: write one of created,"), "{}", told.stderr);
}

#[test]
fn the_socket_is_open_to_its_owner_and_group_and_refuses_what_it_does_not_know() {
    use std::io::{BufRead as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new();
    let mode = std::fs::metadata(&rig.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let stream = std::os::unix::net::UnixStream::connect(&rig.socket).unwrap();
    let mut reading = std::io::BufReader::new(stream.try_clone().unwrap());
    let mut say = |bytes: &[u8]| {
        (&stream).write_all(bytes).unwrap();
        let mut line = String::new();
        reading.read_line(&mut line).unwrap();
        line
    };
    for bad in
        [&b"not json\n"[..], b"{\"do\":\"pay\"}\n", b"{\"do\":\"status\",\"more\":1}\n", b"\xff\xfe\n", b"[[[[[[[[\n"]
    {
        assert_eq!(json(&say(bad))["error"]["kind"], "invalid");
    }
    assert_eq!(json(&say(b"{\"do\":\"status\"}\n"))["ok"]["store"], "good", "the connection goes on");
    let long = [vec![b'x'; 140_000], b"\n".to_vec()].concat();
    assert!(say(&long).contains("at most 139264 bytes"));
}
