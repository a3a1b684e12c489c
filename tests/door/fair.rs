//! A till that asks too much, somebody who guesses, and those who only sit there: none of them keeps a neighbour waiting.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tolov::demo::gateway::{Fault, FaultKind, Faults};
use tolov::limits;

use super::support::Bench;
use super::support::http::{self, Answer};
use super::{SALE, put_secrets};

/// A sale of a neighbour takes no longer, whatever happens around it: many times what it takes alone.
const IN_TIME: Duration = Duration::from_secs(2);

fn bench_with_two_tills() -> Bench {
    let bench = Bench::new();
    put_secrets(&bench, &[("till_greedy", "token-of-the-greedy"), ("till_quiet", "token-of-the-quiet")]);
    bench
}

fn sale(bench: &Bench, token: &str, code: u64) -> Answer {
    let body = format!("{{\"amount\":500,\"qr_code\":\"88{code:016}\"}}");
    http::post(bench.address, "/payment/click", &body, &[("x_auth_token", token)]).unwrap()
}

fn paid_in_time(bench: &Bench, token: &str, code: u64) {
    let since = Instant::now();
    let answer = sale(bench, token, code);
    assert_eq!(answer.json()["is_success"], true, "{answer:?}");
    assert!(since.elapsed() < IN_TIME, "{:?}", since.elapsed());
}

#[test]
fn a_till_with_hundreds_of_requests_at_once_is_told_so_at_once_and_its_neighbour_sells_in_time() {
    let mut bench = bench_with_two_tills();
    bench.start();
    let slow = Fault::once(FaultKind::Slow { ms: 4_000 });
    bench.vendors.gateway.set_faults(Faults { charge: Some(slow), ..Faults::default() });
    let address = bench.address;
    let ask = move |path: &'static str| {
        let since = Instant::now();
        let answer = http::post(address, path, SALE, &[("x_auth_token", "token-of-the-greedy")]).unwrap();
        (answer, since.elapsed())
    };
    // All of them wait for the end of one and the same sale.
    let asking: Vec<_> = (0..300).map(|_| thread::spawn(move || ask("/payment/click"))).collect();
    bench.until("the greedy till has its share at work", || sale(&bench, "token-of-the-greedy", 7).status == 503);
    // The slow answer is its own, and not its neighbour's.
    bench.until("its sale is at the provider", || !bench.vendors.gateway.entries().is_empty());
    for code in 1..=20 {
        paid_in_time(&bench, "token-of-the-quiet", code);
    }
    let (problem, _) = ask("/api/v1/sbp/sale");
    assert_eq!((problem.status, &problem.json()["code"]), (503, &"overloaded".into()), "in the shape of its door");
    let health = http::get_with(address, "/health/live", &[("x_auth_token", "token-of-the-greedy")]).unwrap();
    assert_eq!(health.status, 200, "whoever looks after the terminal is answered");

    let heard: Vec<(Answer, Duration)> = asking.into_iter().map(|till| till.join().unwrap()).collect();
    let (refused, served): (Vec<_>, Vec<_>) = heard.iter().partition(|(answer, _)| answer.status == 503);
    assert!((1..=limits::TILL_REQUESTS_MAX).contains(&served.len()), "{} were served", served.len());
    for (answer, _) in served {
        assert_eq!(answer.json()["is_success"], true, "{answer:?}");
    }
    for (answer, took) in refused {
        assert_eq!(answer.json()["error"]["code"], 951, "{answer:?}");
        assert!(answer.head.to_ascii_lowercase().contains("\r\nretry-after: 1"), "{}", answer.head);
        assert!(*took < Duration::from_millis(3_500), "it was not told at once: {took:?}");
    }
    paid_in_time(&bench, "token-of-the-greedy", 21);
    bench.audit();
}

#[test]
fn wrong_tokens_are_answered_later_and_later_and_a_right_one_from_the_same_address_at_once() {
    let mut bench = bench_with_two_tills();
    bench.start();
    let address = bench.address;
    let guess = move || {
        let since = Instant::now();
        let answer = http::post(address, "/api/v1/sbp/sale", "{}", &[("x_auth_token", "a-guess")]).unwrap();
        assert_eq!((answer.status, &answer.json()["code"]), (403, &"acces_error".into()));
        since.elapsed()
    };
    let waits: Vec<Duration> = (0..4).map(|_| guess()).collect();
    for (number, wait) in waits.iter().enumerate() {
        let least = Duration::from_millis(limits::ATTEMPT_FIRST_MS << number);
        assert!(*wait >= least, "attempt {number} was answered after {wait:?}");
    }
    let guessing: Vec<_> = (0..20).map(|_| thread::spawn(guess)).collect();
    thread::sleep(Duration::from_millis(100));
    for code in 1..=5 {
        paid_in_time(&bench, "token-of-the-quiet", code);
    }
    let longest = guessing.into_iter().map(|guess| guess.join().unwrap()).max().unwrap();
    assert!(longest >= Duration::from_millis(limits::ATTEMPT_LONGEST_MS), "{longest:?}");
    bench.says("a token that no till has");
    let told = bench.log().matches("a token that no till has").count();
    assert_eq!(told, 1, "once a burst: {}", bench.log());
    assert!(!bench.log().contains("a-guess"));
}

#[test]
fn a_thousand_idle_connections_keep_no_sale_waiting_and_close_no_neighbours_connection() {
    let mut bench = bench_with_two_tills();
    bench.start();
    // The crowd and the neighbour come from different addresses of this machine.
    let mut neighbour = TcpStream::connect(bench.address).unwrap();
    let crowd = crowd_from("127.0.0.2:0", bench.address, 1_000);
    paid_in_time(&bench, "token-of-the-quiet", 1);
    let request = format!("GET /health/live HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", bench.address);
    neighbour.write_all(request.as_bytes()).unwrap();
    let mut heard = String::new();
    neighbour.read_to_string(&mut heard).unwrap();
    assert!(heard.starts_with("HTTP/1.1 200 "), "the oldest idle connection is not the crowd's: {heard:?}");
    drop(crowd);
}

/// Connections from another address of this machine that say nothing.
fn crowd_from(from: &str, to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let from: SocketAddr = from.parse().unwrap();
    let connect = async {
        let mut crowd = Vec::new();
        for _ in 0..count {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(from).unwrap();
            crowd.push(socket.connect(to).await.unwrap().into_std().unwrap());
        }
        crowd
    };
    runtime.block_on(connect)
}
