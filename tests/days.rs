//! A machine of a million days: machine and driver against peers with books of their own, seeded.
//!
//! Every seed is one working day: tills that press twice, hang up and ask again; providers and a PinPad that are slow, lose answers before
//! or after the money moved, answer twice or wrongly; a disk that is full, read-only or broken for a while; power cuts between any
//! two steps. In the evening the faults end, everybody asks until they know, an operator looks at the banks' books, and then the
//! terminal's rows are held against those books (`days/evening.rs`).
//!
//! ```text
//! cargo test --test days                                   # the same thousands of days every time
//! TOLOV_SEED=4711 cargo test --test days replay -- --nocapture   # one day again, told step by step
//! TOLOV_DAYS=300000 cargo test --release --test days many  # a long night
//! ```

#![allow(clippy::unwrap_used)]

#[path = "days/dice.rs"]
mod dice;
#[path = "days/disk.rs"]
mod disk;
#[path = "days/evening.rs"]
mod evening;
#[path = "days/pinpad.rs"]
mod pinpad;
#[path = "days/provider.rs"]
mod provider;
#[path = "days/qrm.rs"]
mod qrm;
#[path = "days/till.rs"]
mod till;
#[path = "days/world.rs"]
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

/// So many days are played in a check, every time the same ones.
const DAYS: u64 = 3_000;
/// In fewer days than this something may not have happened.
const DAYS_TELLING: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// One day; the promise that broke, if one did.
fn day(seed: u64, told: bool) -> Result<world::Tally, String> {
    let mut world = World::new(seed, told);
    world.play()?;
    world.evening()?;
    Ok(world.tally)
}

#[test]
fn many_days_end_with_books_that_agree() {
    let days = number("TOLOV_DAYS").unwrap_or(DAYS);
    let next = AtomicU64::new(0);
    let hands = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let tallies: Vec<world::Tally> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..hands)
            .map(|_| {
                scope.spawn(|| {
                    let mut sum = world::Tally::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= days {
                            return sum;
                        }
                        match day(seed, false) {
                            Ok(tally) => sum.add(&tally),
                            Err(why) => panic!("day {seed}: {why}\nreplay: TOLOV_SEED={seed} cargo test --test days replay -- --nocapture"),
                        }
                    }
                })
            })
            .collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    let mut sum = world::Tally::default();
    tallies.iter().for_each(|tally| sum.add(tally));
    println!("{sum:?}");
    assert_eq!(sum.days, days, "{sum:?}");
    // A day on which nothing goes wrong proves nothing.
    if days >= DAYS_TELLING {
        for (name, count) in sum.named() {
            assert!(count > 0, "in {days} days nothing was {name}");
        }
    }
}

#[test]
fn replay() {
    let seed = number("TOLOV_SEED").unwrap_or(1);
    if let Err(why) = day(seed, true) {
        panic!("day {seed}: {why}");
    }
}
