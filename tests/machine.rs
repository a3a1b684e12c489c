//! The machine against itself: random orders of events, duplicates, late answers, contradictions and restarts. Whatever
//! comes, the promises hold after every single step. The outside world here has no truth of its own (that is `tests/days.rs`):
//! it may say anything, at any time.

#![allow(clippy::unwrap_used, clippy::manual_is_multiple_of)]

#[path = "machine/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tolov::payment::sale::{CancelledBy, Decline, DeclineKind, Doubt, State};
use world::World;

/// What happens: which kind of event, and numbers for its particulars.
type Move = (u8, u8, u16);

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() })
}

#[test]
fn whatever_happens_in_whatever_order_the_promises_hold_and_every_state_is_reached() {
    let reached = Mutex::new(BTreeSet::new());
    let moves = prop::collection::vec(any::<Move>(), 1..180);
    runner(6_000)
        .run(&moves, |moves| {
            let mut world = World::new();
            for (kind, which, detail) in moves {
                world.happen(kind, which, detail).map_err(TestCaseError::fail)?;
            }
            world.replay().map_err(TestCaseError::fail)?;
            reached.lock().unwrap().extend(world.reached);
            Ok(())
        })
        .unwrap();
    let reached = reached.into_inner().unwrap();
    let wanted = [
        "created",
        "from created to awaiting_payer",
        "from created to bank_processing",
        "from created to cancelled",
        "a code after a card",
        "a card after no card",
        "awaiting_payer",
        "bank_processing",
        "paid",
        "paid late",
        "refunded",
        "declined",
        "cancelled",
        "expired",
        "in_doubt",
        "refund requested",
        "refund processing",
        "refund done",
        "refund refused",
        "refund in_doubt",
        "settlement processing",
        "settlement done",
        "settlement refused",
        "settlement settlement_in_doubt",
        "receipt held",
        "receipt queued",
        "receipt confirmed",
        "receipt parked",
        "receipt withdrawn",
        "from in_doubt to paid",
        "from in_doubt to declined",
        "from cancelled to paid",
        "from paid to refunded",
        "from awaiting_payer to paid",
        "from expired to paid",
        "sticker registering",
        "sticker idle",
        "sticker activating",
        "sticker active",
        "sticker deactivating",
        "sticker registration_in_doubt",
    ];
    for state in wanted {
        assert!(reached.contains(state), "no run reached `{state}`; reached were {reached:#?}");
    }
}

#[test]
fn the_code_has_the_arrows_of_the_drawing_and_no_other() {
    // One line for each arrow that DESIGN draws or says in words; `awaiting_payer` may end as the PinPad ends it,
    // or paid at once: of a code that was shown only the end is heard.
    let drawn = [
        ("created", "awaiting_payer"),
        ("created", "bank_processing"),
        ("created", "cancelled"),
        ("awaiting_payer", "bank_processing"),
        ("awaiting_payer", "paid"),
        ("awaiting_payer", "cancelled"),
        ("awaiting_payer", "expired"),
        ("awaiting_payer", "declined"),
        ("awaiting_payer", "in_doubt"),
        ("bank_processing", "paid"),
        ("bank_processing", "declined"),
        ("bank_processing", "in_doubt"),
        ("in_doubt", "in_doubt"),
        ("in_doubt", "paid"),
        ("in_doubt", "declined"),
        ("cancelled", "paid"),
        ("declined", "paid"),
        ("expired", "paid"),
        ("paid", "refunded"),
    ];
    let states = [
        State::Created,
        State::AwaitingPayer,
        State::BankProcessing,
        State::Paid,
        State::Refunded,
        State::Declined(Decline { why: DeclineKind::Refused, code: None, message: None }),
        State::Cancelled { by: CancelledBy::Till },
        State::Expired,
        State::InDoubt { why: Doubt::Restart },
    ];
    for from in &states {
        for to in &states {
            let expected = drawn.contains(&(from.name(), to.name()));
            assert_eq!(from.may_become(to), expected, "{} → {}", from.name(), to.name());
        }
    }
}
