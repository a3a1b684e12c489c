//! systemd's own journal, run by the test in a mount namespace of its own: what the terminal says there is read back by `journalctl`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::support::{Bench, PATIENCE, TILL_TOKEN};
use super::{ATOL_KEY, CODE, LINK, bench_for, sell};

/// What a machine has to allow: a mount namespace, as root, or as anybody where the kernel lets users have namespaces of their own.
const NEEDED: &str = "this test runs systemd-journald in a mount namespace of its own: it needs systemd's package and root, or a kernel that gives \
     namespaces to users; a container needs CAP_SYS_ADMIN";

/// Sales while the journal hangs: each has several lines, and the socket takes a few hundred.
const SALES: u32 = 300;

/// Starts a journal that nobody else hears, and then the daemon as systemd does: its standard error is the journal, and `JOURNAL_STREAM` says so.
/// `$1`: the journal's folder, `$2`: the file that is there as soon as it listens. The journal ends with the daemon.
const UNIT: &str = r#"
set -e
journal=$1 listens=$2; shift 2
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
mount --bind "$journal" /run/log/journal
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\nForwardToWall=no\n' >/run/systemd/journald.conf.d/test.conf
setpriv --pdeathsig KILL /lib/systemd/systemd-journald </dev/null >/dev/null 2>&1 &
while [ ! -S /run/systemd/journal/socket ] || [ ! -S /run/systemd/journal/stdout ]; do sleep 0.05; done
echo $! >"$listens"
exec systemd-cat --identifier=tolov sh -c 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"' sh "$@"
"#;

/// A bench whose daemon speaks to a journal of systemd's.
struct Journal {
    bench: Bench,
    files: PathBuf,
}

impl Journal {
    fn begin() -> Self {
        let mut bench = bench_for("auto");
        let files = bench.dir.path().join("journal");
        let listens = bench.dir.path().join("journald");
        fs::create_dir(&files).expect("a folder");
        let plain = bench.command();
        let mut command = unshared();
        command
            .args(["sh", "-c", UNIT, "sh"])
            .arg(&files)
            .arg(&listens)
            .arg(plain.get_program())
            .args(plain.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(bench.dir.path().join("log")).expect("a log"));
        bench.start_with(command);
        bench.wait_for_pinpad();
        Self { bench, files }
    }

    /// The entries that fit, as `journalctl` tells them.
    fn read(&self, wanted: &[&str]) -> Vec<Value> {
        let told = Command::new("journalctl")
            .arg("-D")
            .arg(&self.files)
            .args(["-o", "json", "--all", "--no-pager"])
            .args(wanted)
            .output();
        let told = told.unwrap_or_else(|error| panic!("journalctl does not start ({error}): {NEEDED}"));
        let text = String::from_utf8(told.stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }
}

/// In a mount namespace of its own; of a user who is not root in one where he is.
fn unshared() -> Command {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let works = |way: &&[&str]| {
        Command::new("unshare").args(*way).arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let way = ways.into_iter().find(works).unwrap_or_else(|| panic!("{NEEDED}"));
    let mut command = Command::new("unshare");
    command.args(way);
    command
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap_or_default()
}

#[test]
fn a_sale_is_found_in_systemds_journal_by_its_name_with_the_fields_that_are_promised() {
    let mut journal = Journal::begin();
    let ids = sell(&journal.bench);
    let [click, card, sbp] = &ids;
    let of = |id: &str| journal.read(&[&format!("TOLOV_TRANSACTION_ID={id}")]);
    let paid = |id: &str| of(id).iter().any(|entry| text(entry, "TOLOV_STATE") == "paid");
    journal.bench.until("all of them are told of", || ids.iter().all(|id| paid(id)));
    for (id, method) in [(click, "click"), (card, "humo"), (sbp, "sbp")] {
        let entries = of(id);
        let begun = entries.iter().find(|entry| text(entry, "MESSAGE") == "a sale was begun");
        let begun = begun.unwrap_or_else(|| panic!("{method}: {entries:#?}"));
        assert_eq!(text(begun, "TOLOV_METHOD"), method);
        assert_eq!(text(begun, "TOLOV_CURRENCY"), if method == "sbp" { "RUB" } else { "UZS" });
        assert_eq!(
            (text(begun, "SYSLOG_IDENTIFIER"), text(begun, "_TRANSPORT"), text(begun, "_COMM")),
            ("tolov", "journal", "tolov")
        );
        assert_eq!((text(begun, "PRIORITY"), text(begun, "TARGET")), ("5", "tolov::log::chronicle"));
        assert!(
            text(begun, "CODE_FILE").ends_with("chronicle.rs") && text(begun, "CODE_LINE").parse::<u32>().is_ok(),
            "{begun}"
        );
        let went = entries.iter().find(|entry| text(entry, "TOLOV_STATE") == "paid").expect("its end");
        assert_eq!(text(went, "MESSAGE"), "the sale went on");
    }
    assert!(of(sbp).iter().any(|entry| text(entry, "TOLOV_TILL") == "bench"), "{:#?}", of(sbp));

    let all = journal.read(&["_COMM=tolov"]);
    assert!(all.iter().any(|entry| text(entry, "MESSAGE") == "ready"), "{all:#?}");
    let as_text: Vec<_> = all.iter().filter(|entry| text(entry, "_TRANSPORT") != "journal").collect();
    assert!(as_text.is_empty(), "with JOURNAL_STREAM set, nothing is said in lines: {as_text:#?}");
    let links: Vec<String> =
        journal.bench.vendors.qrm().operations().iter().map(|operation| operation.qr_link.clone()).collect();
    for secret in [CODE, LINK, TILL_TOKEN, ATOL_KEY].into_iter().chain(links.iter().map(String::as_str)) {
        let shown = all.iter().find(|entry| entry.to_string().contains(secret));
        assert!(shown.is_none(), "{secret}: {shown:?}");
    }
    journal.bench.cut();
    journal.bench.audit();
    assert_eq!(journal.bench.log(), "", "nothing beside the journal");
}

/// The sale by CLICK, each time with another code.
fn sale(number: u32) -> String {
    json!({"amount": 500, "qr_code": format!("8801{number:014}")}).to_string()
}

#[test]
fn a_journal_that_hangs_holds_up_no_sale_and_hears_of_the_next_ones_when_it_is_back() {
    let mut journal = Journal::begin();
    let pid = fs::read_to_string(journal.bench.dir.path().join("journald")).expect("its number");
    let tell =
        |signal: &str| assert!(Command::new("kill").args([signal, pid.trim()]).status().expect("kill").success());
    tell("-STOP");
    let since = Instant::now();
    // More lines than the socket between them takes: those of the sales, and of those who are turned away.
    for number in 0..SALES {
        let sold = journal.bench.post("/payment/click", &sale(number)).json();
        assert_eq!(sold["is_success"], json!(true), "{sold}");
        assert_eq!(journal.bench.post("/payment/click", "{").json()["is_success"], json!(false));
        assert_eq!(
            journal.bench.get("/payment/ee000d20-b260-4b17-995a-a7bd113bdb22").json()["is_success"],
            json!(false)
        );
    }
    assert!(since.elapsed() < PATIENCE, "{SALES} sales took {:?}", since.elapsed());
    tell("-CONT");
    let last = journal.bench.post("/payment/click", &sale(SALES)).json();
    let last = format!("TOLOV_TRANSACTION_ID={}", last["data"]["transaction_id"].as_str().expect("its name"));
    journal.bench.until("the journal hears again", || !journal.read(&[&last]).is_empty());
    journal.bench.cut();
    journal.bench.audit();
}
