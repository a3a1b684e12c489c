//! The unit, the user and the folders that systemd makes fit each other and the daemon's own limits.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use tolov::limits;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)).unwrap()
}

/// The values of a setting of the socket's unit.
fn of_the_socket(name: &str) -> Vec<String> {
    let unit = file("tolov.socket");
    unit.lines().filter_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned())).collect()
}

/// The value of a setting that stands once in the unit.
fn setting(unit: &str, name: &str) -> String {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("tolov.service has no {name}"));
    assert_eq!(values.next(), None, "{name} stands twice");
    value.to_owned()
}

fn number(unit: &str, name: &str) -> u64 {
    setting(unit, name).parse().unwrap_or_else(|_| panic!("{name} is no plain number"))
}

#[test]
fn systemd_waits_longer_for_the_end_than_the_daemon_allows_itself() {
    assert!(number(&file("tolov.service"), "TimeoutStopSec") * 1_000 > limits::SHUTDOWN_MS);
}

#[test]
fn an_idle_driver_moves_often_enough_for_the_watchdog() {
    // Fed every third of the time, and only when the driver has moved since.
    let third_ms = number(&file("tolov.service"), "WatchdogSec") * 1_000 / 3;
    assert!(third_ms > 2 * limits::DRIVER_IDLE_MS, "{third_ms}");
}

#[test]
fn every_connection_of_a_till_has_a_file_descriptor_and_the_rest_has_room() {
    let descriptors = number(&file("tolov.service"), "LimitNOFILE");
    assert!(descriptors >= 2 * limits::HTTP_CONNECTIONS_MAX as u64, "{descriptors}");
}

#[test]
fn the_unit_says_when_it_is_ready_is_watched_and_always_comes_back() {
    let unit = file("tolov.service");
    assert_eq!(setting(&unit, "Type"), "notify");
    assert_eq!(setting(&unit, "Restart"), "always");
    assert!(number(&unit, "WatchdogSec") > 0);
    assert_eq!(number(&unit, "StartLimitIntervalSec"), 0, "systemd would give up");
}

#[test]
fn the_user_of_the_unit_is_made_with_the_groups_that_the_unit_asks_for() {
    let (unit, users) = (file("tolov.service"), file("tolov.sysusers"));
    let user = setting(&unit, "User");
    assert!(users.lines().any(|line| line.starts_with(&format!("u {user} "))));
    let asked = setting(&unit, "SupplementaryGroups");
    let asked: BTreeSet<&str> = asked.split(' ').collect();
    let member = format!("m {user} ");
    let given: BTreeSet<&str> = users.lines().filter_map(|line| line.strip_prefix(member.as_str())).collect();
    assert_eq!(asked, given);
}

#[test]
fn the_folder_of_the_journal_is_the_one_that_the_configuration_takes_by_default() {
    let folder = format!("/var/lib/{}", setting(&file("tolov.service"), "StateDirectory"));
    let documented = include_str!("../docs/config.md").lines().find(|line| line.starts_with("| `store.dir`")).unwrap();
    assert!(documented.contains(&format!("\"{folder}\"")), "{documented}");
}

#[test]
fn the_tills_socket_outlives_the_daemon_and_belongs_to_a_group_that_is_made() {
    let runtime = format!("/run/{}/", setting(&file("tolov.service"), "RuntimeDirectory"));
    let sockets = of_the_socket("ListenStream");
    assert!(!sockets.is_empty() && sockets.iter().all(|path| path.starts_with('/')), "{sockets:?}");
    assert!(sockets.iter().all(|path| !path.starts_with(&runtime)), "{sockets:?} would go with the daemon");
    let [group] = &of_the_socket("SocketGroup")[..] else { panic!("one group") };
    assert!(file("tolov.sysusers").lines().any(|line| line.starts_with(&format!("g {group} "))), "{group}");
    let technicians = setting(&file("tolov.service"), "Group");
    assert_ne!(*group, technicians, "a till is no technician");
}
