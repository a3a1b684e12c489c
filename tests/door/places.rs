//! Unix sockets, several places at once, and sockets that systemd passes on.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::support::{Bench, free_address, http};
use super::{SALE, bench_with, heard_at, post};

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_till_sells_over_a_unix_socket_beside_one_on_loopback_and_a_dead_sockets_file_is_replaced() {
    let mut bench = bench_with("");
    let socket = bench.dir.path().join("till.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let text = fs::read_to_string(bench.configuration()).unwrap();
    let api = format!("[api]\nlisten = [\"{}\", \"unix:till.sock\"]\n", bench.address);
    fs::write(bench.configuration(), text.replace("[api]\n", &api)).unwrap();
    bench.start();
    assert_eq!(mode(&socket), 0o660);

    let first = heard_at(&socket, &post("/payment/click", "anything", SALE)).unwrap();
    assert!(first.starts_with("HTTP/1.1 200 ") && first.contains("\"is_success\":true"), "{first}");
    // The same till as the one on loopback: its repeat is found there.
    let again = bench.post("/payment/click", SALE);
    assert_eq!(again.json()["data"]["transaction_id"], json_of(&first)["data"]["transaction_id"]);
    let sbp = heard_at(&socket, &post("/api/v1/sbp/sale", "anything", "{}")).unwrap();
    assert!(sbp.starts_with("HTTP/1.1 403 ") && sbp.contains("acces_error"), "a token is asked for here too: {sbp}");

    bench.power_cut();
    let after = heard_at(&socket, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert!(
        after.starts_with("HTTP/1.1 200 "),
        "a killed daemon leaves its socket, and the next one takes it over: {after}"
    );
    bench.audit();
}

fn json_of(heard: &str) -> serde_json::Value {
    serde_json::from_str(heard.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn who_may_connect_can_be_chosen_and_the_socket_goes_with_the_daemon() {
    let mut bench = bench_with("");
    let socket = bench.dir.path().join("till.sock");
    let text = fs::read_to_string(bench.configuration()).unwrap();
    let api =
        format!("[api]\nlisten = [\"unix:{}\", \"{}\"]\nsocket_mode = \"0600\"\n", socket.display(), bench.address);
    fs::write(bench.configuration(), text.replace("[api]\n", &api)).unwrap();
    bench.start();
    assert_eq!(mode(&socket), 0o600);
    let daemon = bench.daemon.as_mut().unwrap();
    let asked = Command::new("kill").arg(daemon.id().to_string()).status().unwrap();
    assert!(asked.success() && daemon.wait().unwrap().success());
    bench.daemon = None;
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_somebody_listens_at_or_that_is_none_is_left_alone_and_named() {
    let bench = bench_with("listen = \"unix:till.sock\"\n");
    let socket = bench.dir.path().join("till.sock");
    let start = |said: &str| {
        let ended = bench.command().stderr(std::process::Stdio::piped()).output().unwrap();
        assert!(!ended.status.success());
        let error = String::from_utf8(ended.stderr).unwrap();
        assert!(error.contains(&format!("{} {said}", socket.display())), "{error}");
    };
    let other = UnixListener::bind(&socket).unwrap();
    start("is in use by another program");
    drop(other);
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "a file of somebody").unwrap();
    start("is there and is no socket");
    assert_eq!(fs::read(&socket).unwrap(), b"a file of somebody");
}

/// The daemon as systemd starts it for these sockets, once somebody knocks. A socket is an address or a path, with `=NAME` behind it where it has
/// a name.
pub(super) fn activated(bench: &Bench, sockets: &[&str]) -> Command {
    let plain = bench.command();
    let mut command = Command::new("systemd-socket-activate");
    let mut names = Vec::new();
    for socket in sockets {
        let (at, name) = socket.split_once('=').unwrap_or((socket, ""));
        command.args(["-l", at]);
        names.push(name);
    }
    if names.iter().any(|name| !name.is_empty()) {
        command.arg(format!("--fdname={}", names.join(":")));
    }
    let log = fs::File::options().create(true).append(true).open(bench.dir.path().join("log")).unwrap();
    command.arg("--").arg(plain.get_program()).args(plain.get_args()).stderr(log).stdin(std::process::Stdio::null());
    command
}

#[test]
fn sockets_that_systemd_passes_on_win_over_the_written_ones() {
    let unused = free_address();
    let mut bench = bench_with(&format!("listen = \"{unused}\"\n"));
    let socket = bench.dir.path().join("passed.sock");
    let command = activated(&bench, &[&bench.address.to_string(), socket.to_str().unwrap()]);
    bench.start_with(command);
    assert_eq!(bench.post("/payment/click", SALE).json()["is_success"], true);
    let heard = heard_at(&socket, &post("/payment/click", "localhost", SALE)).unwrap();
    assert!(heard.contains("\"is_success\":true"), "{heard}");
    assert!(http::get(unused, "/health/live").is_err(), "nobody listens where the file says");
}

#[test]
fn a_passed_socket_whose_name_says_what_nobody_here_knows_is_refused() {
    let (tls, unix) = (free_address(), "passed.sock=tls");
    for (second, said) in [
        (
            format!("{tls}=https"),
            "socket 2 of those that were passed on is called \"https\": write FileDescriptorName=tls",
        ),
        (unix.to_owned(), "socket 2 of those that were passed on is a Unix socket and called \"tls\""),
    ] {
        let bench = bench_with("");
        let second = second.replace("passed.sock", bench.dir.path().join("passed.sock").to_str().unwrap());
        let mut daemon = activated(&bench, &[&format!("{}=tolov.socket", bench.address), &second]).spawn().unwrap();
        bench.until("the daemon refuses", || {
            let _ = http::get(bench.address, "/health/live");
            bench.log().contains(said)
        });
        assert!(!daemon.wait().unwrap().success());
    }
}

#[test]
fn a_passed_socket_that_everybody_can_reach_is_refused_like_a_written_one() {
    let mut bench = bench_with(&format!("listen = \"{}\"\n", free_address()));
    // Free on every address, not on one of them alone.
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap();
    bench.address.set_port(everywhere.port());
    let mut daemon = activated(&bench, &[&everywhere.to_string()]).spawn().unwrap();
    bench.until("the daemon refuses", || {
        // Whoever knocks first starts it.
        let _ = http::get(bench.address, "/health/live");
        bench.log().contains("nobody is told apart")
    });
    assert!(!daemon.wait().unwrap().success());
}
