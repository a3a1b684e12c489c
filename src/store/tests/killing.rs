//! A killed writer.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::payment::terminal::Lookup;
use crate::store::audit::audit;

const STORE: &str = "TOLOV_TEST_KILLED_STORE";
const NAME: &str = "store::tests::killing::a_killed_writer_loses_nothing_that_it_reported_and_leaves_nothing_half_done";

/// Runs itself as the writer that is killed.
#[test]
fn a_killed_writer_loses_nothing_that_it_reported_and_leaves_nothing_half_done() {
    if let Some(dir) = std::env::var_os(STORE) {
        write_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut reported = 0_u128;
    for life in 1..=6 {
        let mut writer = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", NAME, "--nocapture"])
            .env(STORE, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the writer starts");
        let mut said = BufReader::new(writer.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut commits = 0;
        while commits < life * 7 {
            let line = said.next().expect("the writer lives");
            if let Some(number) = line.strip_prefix("committed ") {
                reported = number.parse().expect("a number");
                commits += 1;
            }
        }
        writer.kill().expect("killed");
        writer.wait().expect("dead");
        let report = audit(dir.path()).expect("read");
        assert!(report.holds() && u128::from(report.payments) >= reported, "{reported} were reported: {report}");
        let mut store = open(dir.path());
        assert!(store.salvage().is_none(), "a power cut is no damage");
        for number in [1, reported] {
            assert_eq!(store.load(&Lookup::Payment(id(number))).expect("read").len(), 1);
        }
    }
}

fn write_until_killed(dir: &Path) -> ! {
    let mut store = open(dir);
    let mut scribe = Scribe::new();
    let mut number = u128::from(audit(dir).expect("read").payments);
    loop {
        number += 1;
        let first = scribe.entry(vec![opened(number, Method::Click, Some(&format!("code-{number}")))]);
        let then = scribe.entry(vec![approved(number, Fiscal::Owed), brought(number)]);
        store.begin().expect("begin");
        store.append(&first).expect("append");
        store.append(&then).expect("append");
        store.commit().expect("commit");
        println!("committed {number}");
    }
}
