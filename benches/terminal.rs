//! What the terminal costs, as ratios within one run: `cargo bench`. The two sides of a ratio take turns, because no machine is
//! quiet; the median of the rounds is reported, with the lowest and highest. `docs/performance.md` keeps the figures.
//!
//! `cargo bench -- plainest` runs one part (`plainest`, `create`, `at-once`, `long-life`, `drain`); `SALES=5000 QUEUED=5000 cargo bench` makes the long
//! parts short.

#![allow(missing_docs, reason = "a program")]

#[path = "terminal/drain.rs"]
mod drain;

#[path = "terminal/pass_through.rs"]
mod pass_through;

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Bench, PATIENCE, TILL_TOKEN, free_address, http, shim};

const ROUNDS: usize = 7;
const SALES_IN_A_ROUND: usize = 300;
/// Sales of one program before the other has its turn, where they are measured in a row.
const SALES_IN_A_ROW: usize = 10;
const TILLS: u64 = 64;
/// Linux keeps a closed connection for a minute (`TCP_TIMEWAIT_LEN`).
const CONNECTIONS_FORGOTTEN: Duration = Duration::from_secs(61);

/// Every code pays once.
static CODES: AtomicU64 = AtomicU64::new(0);

fn main() {
    if let Some(address) = std::env::var_os("PASS_THROUGH") {
        return pass_through::run(address.to_str().expect("an address"));
    }
    println!("| what | promise | measured (lowest to highest round) |\n|---|---|---|");
    let parts: [(&str, fn()); 5] = [
        ("plainest", against_the_plainest),
        ("create", from_create_to_paid),
        ("at-once", sales_at_once),
        ("long-life", a_long_life),
        ("drain", a_long_queue),
    ];
    // Cargo adds a flag of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            part();
        }
    }
}

fn sell(address: SocketAddr) -> Duration {
    let code = CODES.fetch_add(1, Ordering::Relaxed);
    let body = json!({"amount": 500, "qr_code": format!("88{code:016}")}).to_string();
    let since = Instant::now();
    let answer = http::post(address, "/payment/click", &body, &[]).expect("an answer");
    let took = since.elapsed();
    assert_eq!(answer.json()["is_success"], json!(true), "{}", answer.body);
    took
}

/// A ratio in thousandths.
fn per_mille(above: u128, below: u128) -> u128 {
    above * 1_000 / below.max(1)
}

fn shown(mille: u128) -> String {
    format!("{}.{:03}", mille / 1_000, mille % 1_000)
}

/// The median of the rounds, and how far they lie apart.
fn spread(mut rounds: Vec<u128>) -> String {
    rounds.sort_unstable();
    let (low, high) = (rounds[0], rounds[rounds.len() - 1]);
    format!("{} ({} to {})", shown(rounds[rounds.len() / 2]), shown(low), shown(high))
}

/// (a) `/payment/click` through the daemon ÷ the plainest program that keeps promise 1.
fn against_the_plainest() {
    let bench = Bench::running();
    let plain = PlainProgram::start(&bench);
    let rounds = rounds_in_turns(1, || sell(bench.address), || sell(plain.address));
    told("a sale ÷ the plainest pass-through", "≤ 1.2", &rounds);
    let rounds = rounds_in_turns(SALES_IN_A_ROW, || sell(bench.address), || sell(plain.address));
    told("ten sales in a row, each ÷ the plainest pass-through", "", &rounds);
}

/// From `create` to `paid`, with a code in `accept`, ÷ as many bare commits (three) and exchanges of HTTP (two of the till's, one of the
/// provider's).
fn from_create_to_paid() {
    let mut bench = Bench::with_pinpad_and_qrm(|_| {});
    bench.start();
    let plain = PlainProgram::start(&bench);
    let bare = || {
        let since = Instant::now();
        http::post(plain.address, "/create", &creation(), &[]).expect("an answer");
        sell(plain.address);
        since.elapsed()
    };
    let rounds = rounds_in_turns(1, || created_and_paid(bench.address), bare);
    told("create → paid ÷ as many bare commits and exchanges", "≤ 1.3", &rounds);
    let rounds = rounds_in_turns(SALES_IN_A_ROW, || created_and_paid(bench.address), bare);
    told("ten in a row from create → paid, each ÷ as many bare commits and exchanges", "", &rounds);
}

fn creation() -> String {
    let token = CODES.fetch_add(1, Ordering::Relaxed);
    let money = json!({"method_id": "click", "currency": "UZS", "amount": 500});
    json!({"idempotency_token": format!("create-{token}"), "money_info": money, "recipcient": {"recipcient_id": "shop"},
           "sender": {"sender_id": "order"}})
    .to_string()
}

fn created_and_paid(address: SocketAddr) -> Duration {
    let number = CODES.fetch_add(1, Ordering::Relaxed);
    let (creation, till) = (creation(), [("x_auth_token", TILL_TOKEN)]);
    let accept =
        json!({"idempotency_token": format!("accept-{number}"), "accept_info": {"qr_code": format!("88{number:016}")}});
    let since = Instant::now();
    let created = http::post(address, "/api/v1/payment/create", &creation, &till).expect("an answer").json();
    let path = format!("/api/v1/payment/{}/accept?wait=30", created["transaction_id"].as_str().expect("its name"));
    let paid = http::post(address, &path, &accept.to_string(), &till).expect("an answer");
    let took = since.elapsed();
    assert_eq!(paid.json()["payment_status"], json!("paid"), "{}", paid.body);
    took
}

/// How long each sale of a round took, in microseconds, in order of length: through the terminal, and through the plain program.
type Round = (Vec<u128>, Vec<u128>);

fn rounds_in_turns(a_turn: usize, terminal: impl Fn() -> Duration, plain: impl Fn() -> Duration) -> Vec<Round> {
    in_turns(a_turn, &terminal, &plain);
    (0..ROUNDS).map(|_| in_turns(a_turn, &terminal, &plain)).collect()
}

/// The two take turns, and in who begins, so that neither is alone when the machine or its disk is slow, and each runs as often in the wake of the
/// other. Where a turn is one sale, what a sale leaves to be done after it falls as often upon the other's; with more it falls upon its own.
fn in_turns(a_turn: usize, terminal: impl Fn() -> Duration, plain: impl Fn() -> Duration) -> Round {
    let (mut terminals, mut plains) = (Vec::new(), Vec::new());
    let some = |of: &dyn Fn() -> Duration, took: &mut Vec<u128>| {
        took.extend((0..a_turn).map(|_| of().as_micros()));
    };
    for pair in 0..SALES_IN_A_ROUND / a_turn {
        if pair % 2 == 0 {
            some(&terminal, &mut terminals);
        }
        some(&plain, &mut plains);
        if pair % 2 == 1 {
            some(&terminal, &mut terminals);
        }
    }
    terminals.sort_unstable();
    plains.sort_unstable();
    (terminals, plains)
}

fn told(what: &str, promise: &str, rounds: &[Round]) {
    for (name, hundredths) in [("p10", 10), ("p50", 50), ("p99", 99)] {
        let of = |sorted: &[u128]| sorted[sorted.len() * hundredths / 100];
        let took: Vec<String> = rounds.iter().map(|(t, p)| format!("{}/{}", of(t), of(p))).collect();
        eprintln!("{name} of each round, terminal/plain, in microseconds: {}", took.join(" "));
        // The best tenth is beside the promise: it says what the programs cost where the machine had time for them.
        let promise = if name == "p10" { "" } else { promise };
        let ratios = rounds.iter().map(|(t, p)| per_mille(of(t), of(p))).collect();
        println!("| {what}, {name} | {promise} | {} |", spread(ratios));
    }
}

/// The pass-through as a process of its own, as the daemon is one.
struct PlainProgram {
    process: Child,
    address: SocketAddr,
}

impl PlainProgram {
    fn start(bench: &Bench) -> Self {
        let address = free_address();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env("PASS_THROUGH", address.to_string())
            .env("PASS_THROUGH_TO", bench.vendors.gateway.address().to_string());
        command.env("PASS_THROUGH_STORE", bench.dir.path().join("plain.db")).stdin(Stdio::null());
        let process = command.spawn().expect("the pass-through");
        bench.until("the pass-through serves", || std::net::TcpStream::connect(address).is_ok());
        Self { process, address }
    }
}

impl Drop for PlainProgram {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// So many sales by so many tills at once; how long they took together.
fn sell_at_once(address: SocketAddr, tills: u64, sales: u64) -> Duration {
    let since = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..tills {
            scope.spawn(|| {
                for _ in 0..sales / tills {
                    sell(address);
                }
            });
        }
    });
    since.elapsed()
}

/// (b) Tills at once share commits, on a disk that takes 5 ms more for each sync.
fn sales_at_once() {
    let mut bench = Bench::new();
    let count = bench.dir.path().join("count");
    let mut command = bench.command();
    shim::put_on(&mut command, &bench.store());
    command.env("SHIM_DELAY_US", "5000").env("SHIM_COUNT", &count).env("TOLOV_LOG", "warn");
    bench.start_with(command);
    sell_at_once(bench.address, 1, 8);
    let (mut rates, mut commits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (one_by_one, together) = (32, TILLS * 12);
        let alone = sell_at_once(bench.address, 1, one_by_one);
        let before = shim::counted(&count).1;
        let crowd = sell_at_once(bench.address, TILLS, together);
        let synced = shim::counted(&count).1 - before;
        let (each_alone, each_in_crowd) =
            (alone.as_nanos() / u128::from(one_by_one), crowd.as_nanos() / u128::from(together));
        rates.push(per_mille(each_alone, each_in_crowd));
        commits.push(per_mille(u128::from(synced), u128::from(together)));
    }
    println!("| 64 tills at once ÷ one at a time, sales a second, each sync 5 ms more | ≥ 20 | {} |", spread(rates));
    println!("| commits a sale with 64 tills at once | ≤ 0.1 | {} |", spread(commits));
}

/// (d), (e) What a long life does to the memory and to the next start.
fn a_long_life() {
    let sales = number_or_100_000("SALES");
    let (mut full, mut empty) = (Bench::new(), Bench::new());
    let mut command = full.command();
    // Neither memory nor a start depends on the disk's speed.
    shim::put_on(&mut command, &full.store());
    command.env("SHIM_NO_DISK", "1").env("TOLOV_LOG", "warn");
    full.start_with(command);
    // What a start does once, and does anew in every life, is over before anything is counted.
    std::thread::sleep(Duration::from_millis(2 * tolov::limits::STORE_CHECK_AFTER_MS));
    sell_at_once(full.address, TILLS, 1_000);
    let young = anonymous_kib(&full);
    sell_at_once(full.address, TILLS, sales - 1_000);
    let old = anonymous_kib(&full);
    let (ratio, from_to) = (shown(per_mille(old, young)), format!("{young} to {old} KiB"));
    println!("| RssAnon after {sales} sales ÷ after 1 000 | ≤ 1.2 | {ratio} ({from_to}) |");
    full.cut();
    // What the shim kept from the disk is not to be written there while starts are measured, and the system has forgotten the tills' connections:
    // to listen where tens of thousands were open takes it milliseconds.
    Command::new("sync").status().expect("sync");
    std::thread::sleep(CONNECTIONS_FORGOTTEN);
    let what = format!("process start to ready with {sales} payments");
    println!("| {what}, cut in a rush ÷ with none | | {} |", spread(starts_in_turns(&mut full, &mut empty)));
    // Time for two rests: the first writes the store's log back.
    full.start();
    std::thread::sleep(Duration::from_millis(2 * tolov::limits::DRIVER_IDLE_MS + 500));
    full.cut();
    println!("| {what} ÷ with none | ≤ 1.5 | {} |", spread(starts_in_turns(&mut full, &mut empty)));
}

/// How much longer a start takes with the store of `full` than with that of `empty`; in turns also in who begins, as sales are.
fn starts_in_turns(full: &mut Bench, empty: &mut Bench) -> Vec<u128> {
    start_in_microseconds(empty);
    start_in_microseconds(full);
    let round = |number: usize| {
        let early = number.is_multiple_of(2).then(|| start_in_microseconds(full));
        let of_empty = start_in_microseconds(empty);
        let of_full = early.unwrap_or_else(|| start_in_microseconds(full));
        eprintln!("process start to ready, full/empty, in microseconds: {of_full}/{of_empty}");
        per_mille(of_full, of_empty)
    };
    (0..ROUNDS).map(round).collect()
}

/// (c) What one confirmation costs in a long queue, against a short one. Short queues are drained before and after the long one.
fn a_long_queue() {
    let queued = number_or_100_000("QUEUED");
    let short = || drain::nanoseconds_an_item(1_000);
    let mut shorts: Vec<u128> = (0..ROUNDS / 2).map(|_| short()).collect();
    let long = drain::nanoseconds_an_item(queued);
    shorts.extend((0..ROUNDS.div_ceil(2)).map(|_| short()));
    eprintln!("nanoseconds an item: {long} of {queued}, and of 1 000: {shorts:?}");
    let rounds = shorts.into_iter().map(|short| per_mille(long, short)).collect();
    println!("| one of {queued} queued confirmations ÷ one of 1 000 | ≤ 1.2 | {} |", spread(rounds));
}

fn number_or_100_000(variable: &str) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

fn anonymous_kib(bench: &Bench) -> u128 {
    let pid = bench.daemon.as_ref().expect("a running daemon").id();
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// From the start of the process until it says that it is ready to sell; then it is cut.
fn start_in_microseconds(bench: &mut Bench) -> u128 {
    let mut command = bench.command();
    let since = Instant::now();
    bench.daemon = Some(command.spawn().expect("the daemon"));
    while !http::get(bench.address, "/health/ready").is_ok_and(|answer| answer.status == 200) {
        assert!(since.elapsed() < PATIENCE, "it cannot sell:\n{}", bench.log());
        std::thread::sleep(Duration::from_micros(250));
    }
    let took = since.elapsed().as_micros();
    bench.cut();
    took
}
