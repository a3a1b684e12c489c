//! Tills that do not read what they follow: they hear why they are sent away, or at least the log does, and no event is lost by it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use tolov::limits;

use crate::client::{Event, Stream, follow, follow_by};
use crate::support::{Bench, http};
use crate::{EVENTS, TILL, heard, journal, resumed, running, sell, wanted};

/// Follow from after a line by a connection whose own system keeps next to nothing for its reader.
fn narrow(bench: &Bench, after: i64) -> Stream {
    let connection = http::narrow(bench.address).expect("a connection");
    let opened = follow_by(connection, &format!("{EVENTS}?after={after}"), &[TILL]);
    opened.expect("an answer").unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", bench.log()))
}

/// More than a reader's connection and the server's keep together for one who does not read.
const MUCH: usize = 250;

/// Sales, several at once.
fn sell_much(bench: &Bench, first: usize) {
    const TILLS: usize = 8;
    std::thread::scope(|scope| {
        for till in 0..TILLS {
            scope.spawn(move || {
                (first + till..first + MUCH).step_by(TILLS).for_each(|number| drop(sell(bench, number)))
            });
        }
    });
}

fn to_the_end(stream: &mut Stream) -> Vec<Event> {
    std::iter::from_fn(|| stream.next().expect("the stream ends in order")).collect()
}

/// What the log says to that effect.
fn said(bench: &Bench, words: &[&str]) -> usize {
    bench.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

/// The end that a slow reader is told, and that nothing was lost or told twice by it: the events before it, and what a till that comes back
/// hears, are the journal's lines after that one.
fn is_told_and_loses_nothing(bench: &Bench, mut stream: Stream, after: i64) -> usize {
    let mut events = to_the_end(&mut stream);
    let end = events.pop().expect("an end");
    assert_eq!((end.name.as_str(), &end.data["reason"], &end.id), ("end", &json!("slow_reader"), &None), "{end:?}");
    assert!(end.data["message"].as_str().is_some_and(|advice| advice.contains("Last-Event-ID")), "{end:?}");
    let before_the_end = events.len();
    let lines: Vec<_> = journal(bench).iter().filter(|line| line.sequence > after).map(wanted).collect();
    let mut again = resumed(bench, stream.last_id.as_deref());
    while events.len() < lines.len() {
        events.push(again.next().expect("an event").expect("no end"));
    }
    assert_eq!(events.iter().map(heard).collect::<Vec<_>>(), lines);
    before_the_end
}

#[test]
fn a_reader_that_stops_while_much_happens_is_told_why_when_he_reads_on_and_loses_no_event() {
    let bench = running();
    bench.wait_for_pinpad();
    sell_much(&bench, 1);
    let stream = narrow(&bench, 0);
    let since = Instant::now();
    (1_001..1_010).for_each(|number| drop(sell(&bench, number)));
    let moment = limits::wait(limits::HTTP_SLOW_MS) + Duration::from_secs(1);
    sleep(moment.saturating_sub(since.elapsed()));
    let told = is_told_and_loses_nothing(&bench, stream, 0);
    assert!(told > 0 && told < journal(&bench).len(), "{told} events came before the end");
    assert_eq!(said(&bench, &["sent away", "slow_reader", "bench"]), 1, "{}", bench.log());
}

#[test]
fn a_reader_that_stops_while_little_happens_is_told_so_too() {
    let bench = running();
    bench.wait_for_pinpad();
    (1..=12).for_each(|number| drop(sell(&bench, number)));
    // Not much more than its connection keeps, so that nobody waits for room until the next sign of life.
    let after = journal(&bench).last().expect("a line").sequence - 20;
    let stream = narrow(&bench, after);
    bench.until("the terminal sends it away", || said(&bench, &["sent away", "slow_reader", "bench"]) == 1);
    assert!(follow(bench.address, EVENTS, &[TILL]).is_ok_and(|opened| opened.is_ok()), "others are served");
    assert_eq!(is_told_and_loses_nothing(&bench, stream, after), 20, "everything was on its way");
}

#[test]
fn readers_that_never_read_are_cut_with_a_word_in_the_log_and_their_places_are_free() {
    let bench = running();
    bench.wait_for_pinpad();
    sell_much(&bench, 1);
    let is_full = || follow(bench.address, EVENTS, &[TILL]).expect("an answer").is_err();
    let since = Instant::now();
    let streams: Vec<Stream> = (0..limits::TILL_WAITING_MAX).map(|_| narrow(&bench, 0)).collect();
    assert!(is_full());
    bench.until("their places are free", || !is_full());
    let took = since.elapsed();
    assert!(took >= limits::wait(limits::HTTP_WRITE_TIMEOUT_MS), "{took:?} is too early");
    let cut = || said(&bench, &["was cut off", "slow_reader", "bench"]);
    bench.until("the log names every one of them", || cut() == limits::TILL_WAITING_MAX);
    let mut one = streams.into_iter().next().expect("a stream");
    let ended = std::iter::from_fn(|| one.next().transpose()).find_map(Result::err);
    assert!(ended.is_some(), "a cut is no end in order");
}
