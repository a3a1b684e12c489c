//! A till that vanishes without a word, as when its cable is pulled: nothing that is sent there is acknowledged, and nothing says that it is gone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use tolov::limits;

use crate::journal;
use crate::support::{Bench, TILL_TOKEN};

/// The daemon in a network of its own that has nothing but its loopback, with a till in it, which follows and writes down what it hears, and sells.
/// When a file appears, that network goes down under both.
const ALONE: &str = r#"
    ip link set lo up
    {
        until exec 3<>"/dev/tcp/127.0.0.1/$PORT"; do sleep 0.05; done 2>/dev/null
        printf 'GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nx_auth_token: %s\r\n\r\n' "$TOKEN" >&3
        exec 4<>"/dev/tcp/127.0.0.1/$PORT"
        printf 'POST /payment/click HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{"amount":500}' >&4
        cat <&3 >"$DIR/heard"
    } &
    {
        until [ -e "$DIR/pull" ]; do sleep 0.05; done
        ip link set lo down
        touch "$DIR/pulled"
    } &
    exec "$@"
"#;

/// A request where no network is needed, and the status that is answered.
fn asked(bench: &Bench, path: &str) -> Option<(UnixStream, String)> {
    let mut stream = UnixStream::connect(bench.dir.path().join("till.sock")).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nx_auth_token: {TILL_TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut line = [0; 12];
    stream.read_exact(&mut line).ok()?;
    Some((stream, String::from_utf8_lossy(&line[9..]).into_owned()))
}

/// A place among those who follow, if there is one.
fn place(bench: &Bench) -> Option<UnixStream> {
    asked(bench, "/api/v1/events").filter(|(_, status)| status == "200").map(|(stream, _)| stream)
}

/// Whether the journal has a line with that word.
fn says(bench: &Bench, word: &str) -> bool {
    journal(bench).iter().any(|line| line.fact.contains(word))
}

#[test]
fn a_till_whose_cable_was_pulled_holds_neither_its_place_nor_the_counter_longer_than_the_system_was_told() {
    let mut bench = Bench::with_everything(|_| {});
    let text = fs::read_to_string(bench.configuration()).expect("a configuration");
    let (one, two) =
        (format!("listen = \"{}\"", bench.address), format!("listen = [\"{}\", \"unix:till.sock\"]", bench.address));
    assert!(text.contains(&one), "{text}");
    fs::write(bench.configuration(), text.replace(&one, &two)).expect("another one");
    let plain = bench.command();
    let mut command = Command::new("unshare");
    // Its end is the end of everything in there.
    command.args([
        "--user",
        "--map-root-user",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "bash",
        "-ec",
        ALONE,
        "alone",
    ]);
    command.arg(plain.get_program()).args(plain.get_args());
    command.env("PORT", bench.address.port().to_string()).env("TOKEN", TILL_TOKEN).env("DIR", bench.dir.path());
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.stderr(fs::File::create(bench.dir.path().join("log")).expect("a log"));
    bench.daemon = Some(command.spawn().expect("unshare"));
    bench.until("the daemon serves", || asked(&bench, "/health/live").is_some_and(|(_, status)| status == "200"));
    let heard = || fs::read_to_string(bench.dir.path().join("heard")).unwrap_or_default();
    // It is told where it begins and that the line is alive; then it is not there any more.
    bench.until("the till follows", || heard().contains("\n:\n"));
    bench.until("its customer is to show a code", || says(&bench, "opened"));
    let others: Vec<UnixStream> = std::iter::from_fn(|| place(&bench)).take(limits::TILL_WAITING_MAX).collect();
    assert_eq!(others.len(), limits::TILL_WAITING_MAX - 1, "it holds the last one");
    fs::write(bench.dir.path().join("pull"), "").expect("a file");
    bench.until("the cable is pulled", || bench.dir.path().join("pulled").exists());
    let since = Instant::now();
    bench.until("the terminal gives its stream up", || bench.log().contains("connection_lost"));
    bench.until("its sale is called off", || says(&bench, "till_gone"));
    let took = since.elapsed();
    let most = limits::EVENTS_HEARTBEAT_MS.max(limits::HTTP_PROBE_MS) + limits::HTTP_PEER_LOST_MS;
    assert!(took < limits::wait(most) + Duration::from_secs(3), "{took:?}\n{}", bench.log());
    bench.until("its place is free", || place(&bench).is_some());
    let line = bench.log().lines().find(|line| line.contains("connection_lost")).map(str::to_owned);
    assert!(line.is_some_and(|line| line.contains("bench")), "the log names the till: {}", bench.log());
}
