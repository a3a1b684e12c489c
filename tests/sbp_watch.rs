//! The bridge to QRManager, whole: till's events → driver → store → bridge → a server of this test's own that misbehaves on command. Every
//! sale has to end as the server's books say, once.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "sbp_watch/life.rs"]
mod life;
#[path = "sbp_watch/server.rs"]
mod server;

use std::time::{Duration, Instant};

use life::{Life, Setup, waits};
use server::Server;
use tolov::payment::sale::RefundState;
use tolov::provider::qrm::Sockets;
use tolov::sbp::Waits;
use tolov::store::audit::audit;

const PENDING: i64 = 4;
const PAID: i64 = 5;
const FAILED: i64 = 6;
const EXPIRED: i64 = 8;

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Dice that fall the same way in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_heard_over_the_socket_and_its_question_is_called_off() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (sale, operation) = life.open(10_000).await;
    life.until("it is asked about over the socket", || server.books().operations[&operation].asked_by_socket > 0).await;
    server.set(&operation, PAID);
    life.until_state(sale, "paid").await;
    life.until("the question is called off", || server.books().operations[&operation].cancels > 0).await;
    life.until("the socket is closed", || server.books().sockets_open == 0).await;
    assert_eq!(life.sbp.watched(), 0);
    assert!(!life.payment(sale).late);
    life.end().await;
    assert!(audit(dir.path()).unwrap().holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_broken_sockets_and_stale_words_between_them_leave_one_paid_sale() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    server.manners(|m| m.stammer = true);
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (sale, operation) = life.open(10_000).await;
    let mut dice = Dice(7);
    for round in 0..100 {
        pause(dice.below(15)).await;
        server.cut_sockets();
        // The socket and the books disagree now and then, and what the socket says comes late, twice, and in another order.
        match dice.below(5) {
            0 => server.lie(&operation, Some([0, 3, 6, 42][usize::try_from(dice.below(4)).unwrap()])),
            1 => server.lie(&operation, None),
            2 => server.set(&operation, if dice.below(2) == 0 { FAILED } else { PENDING }),
            _ => {}
        }
        if round == 90 {
            server.lie(&operation, None);
            server.set(&operation, PAID);
        }
    }
    life.until_state(sale, "paid").await;
    assert!(server.books().sockets_opened >= 20, "{} sockets", server.books().sockets_opened);
    life.until("the watch is over", || life.sbp.watched() == 0).await;
    assert_eq!(life.ordered("Unwatch"), 1);
    life.end().await;
    let report = audit(dir.path()).unwrap();
    assert!(report.holds(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_is_believed_about_a_payment_that_the_socket_denies() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (sale, operation) = life.open(10_000).await;
    server.lie(&operation, Some(PENDING));
    server.set(&operation, PAID);
    life.until_state(sale, "paid").await;
    assert!(server.books().operations[&operation].asked_by_rest > 0);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_is_asked_again_and_a_forbidden_question_is_asked_by_rest() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    server.manners(|m| m.strict = true);
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (sale, operation) = life.open(10_000).await;
    server.set(&operation, 0);
    life.until("unknown is asked about by REST", || server.books().operations[&operation].asked_by_rest > 1).await;
    assert_eq!(life.state(sale), "awaiting_payer");
    server.set(&operation, PAID);
    life.until_state(sale, "paid").await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_with_1000_after_each_answer_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    server.manners(|m| m.close_after_answer = true);
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (sale, operation) = life.open(10_000).await;
    life.until("several sockets came and went", || server.books().sockets_opened > 3).await;
    server.set(&operation, PAID);
    life.until_state(sale, "paid").await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_socket_is_given_up_and_the_code_is_not_shown_as_payable_while_nobody_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let sale = life.sell_so(10_000, true, false).await;
    let operation = life.operation(sale).await;
    life.until("it is shown as payable", || life.driver.snapshot().code_is_fresh).await;
    server.manners(|m| (m.mute_sockets, m.deaf) = (true, true));
    life.until("it is not shown as payable any more", || !life.driver.snapshot().code_is_fresh).await;
    assert_eq!(life.state(sale), "awaiting_payer", "silence is no decline");
    server.manners(|m| (m.mute_sockets, m.deaf) = (false, false));
    life.until("it is shown again", || life.driver.snapshot().code_is_fresh).await;
    server.set(&operation, EXPIRED);
    life.until_state(sale, "expired").await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sockets_a_hundred_codes_are_asked_about_within_the_budget_and_sockets_are_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    server.manners(|m| m.no_socket = Some(200));
    let setup = Setup { polls_per_minute: 240, ..Setup::default() };
    let life = Life::begin(dir.path(), &server, &setup);
    let mut sales = Vec::new();
    for _ in 0..100 {
        sales.push(life.open(10_000).await);
    }
    pause(4_000).await;
    let polls = server.books().polls.clone();
    // 180 of the 240 are routine, spread evenly: three a second.
    assert!((8..=240).contains(&polls.len()), "{} questions", polls.len());
    let bursts = polls.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(200)).count();
    assert!(bursts <= 5, "{bursts} of {} questions came in a rush", polls.len());
    let paid = &sales[usize::try_from(Dice(3).below(100)).unwrap()];
    server.set(&paid.1, PAID);
    server.manners(|m| m.no_socket = None);
    life.until("every code has a socket again", || server.books().sockets_open >= 99).await;
    life.until_state(paid.0, "paid").await;
    life.end().await;
    assert!(server.books().polls.len() <= 240);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_codes_at_once_are_each_paid_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    server.manners(|m| m.stammer = true);
    for sockets in [Sockets::PerOperation, Sockets::Shared] {
        let setup = Setup { sockets, ..Setup::default() };
        let dir = dir.path().join(format!("{sockets:?}"));
        std::fs::create_dir(&dir).unwrap();
        let life = Life::begin(&dir, &server, &setup);
        let mut sales = Vec::new();
        for _ in 0..100 {
            sales.push(life.sell(10_000).await);
        }
        let mut operations = Vec::new();
        for sale in &sales {
            operations.push(life.operation(*sale).await);
        }
        for operation in &operations {
            server.set(operation, PAID);
        }
        for sale in &sales {
            life.until_state(*sale, "paid").await;
        }
        life.until("no watch is left", || life.sbp.watched() == 0).await;
        assert_eq!(life.ordered("Unwatch"), 100);
        life.until("every question is called off", || {
            operations.iter().all(|operation| server.books().operations[operation].cancels > 0)
        })
        .await;
        life.end().await;
        assert!(audit(&dir).unwrap().holds());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_shared_socket_an_answer_without_a_name_pays_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    server.manners(|m| m.nameless = true);
    let setup = Setup { sockets: Sockets::Shared, ..Setup::default() };
    let life = Life::begin(dir.path(), &server, &setup);
    let (one, first) = life.open(10_000).await;
    let (two, second) = life.open(10_000).await;
    // The socket says "paid" of an operation that it does not name; by the books it is neither of the two.
    server.lie(&first, Some(PAID));
    life.until("both are asked about by REST", || {
        let books = server.books();
        books.operations[&first].asked_by_rest > 1 && books.operations[&second].asked_by_rest > 1
    })
    .await;
    assert_eq!((life.state(one), life.state(two)), ("awaiting_payer", "awaiting_payer"));
    server.lie(&first, None);
    server.set(&second, PAID);
    life.until_state(two, "paid").await;
    assert_eq!(life.state(one), "awaiting_payer");
    assert_eq!(server.books().sockets_open, 1, "both share one");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_attempt_the_code_can_be_paid_until_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let setup = Setup { waits: Waits { after_failed_ms: 1_000, ..waits() }, ..Setup::default() };
    let life = Life::begin(dir.path(), &server, &setup);
    let (paid, first) = life.open(10_000).await;
    let (expired, second) = life.open(10_000).await;
    server.set(&first, FAILED);
    server.set(&second, FAILED);
    pause(300).await;
    assert_eq!(life.state(paid), "awaiting_payer", "6 ends the attempt, not the code");
    server.set(&first, PAID);
    life.until_state(paid, "paid").await;
    life.until_state(expired, "expired").await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_whose_end_nobody_told_is_in_doubt_at_the_limit_and_paid_when_it_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let setup = Setup { waits: Waits { watch_ms: 500, silent_ms: 400, ..waits() }, ..Setup::default() };
    let life = Life::begin(dir.path(), &server, &setup);
    let (sale, operation) = life.open(10_000).await;
    life.until_state(sale, "in_doubt").await;
    server.set(&operation, PAID);
    life.until_state(sale, "paid").await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_any_state_ends_as_the_books_say() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let setup = Setup::default();
    let life = Life::begin(dir.path(), &server, &setup);
    let (waiting, its) = life.open(10_000).await;
    let (paid_meanwhile, paid_operation) = life.open(10_000).await;
    let (expired_meanwhile, expired_operation) = life.open(10_000).await;
    let (cancelled, cancelled_operation) = life.open(10_000).await;
    life.cancel(cancelled).await;
    let (refunded, refunded_operation) = life.open(10_000).await;
    server.set(&refunded_operation, PAID);
    life.until_state(refunded, "paid").await;
    server.manners(|m| m.lose_refund_answers = 1);
    server.manners(|m| m.deaf = false);
    let refund = life.give_back(refunded, 10_000).await;
    life.end().await;

    server.set(&paid_operation, PAID);
    server.set(&expired_operation, EXPIRED);
    server.set(&cancelled_operation, PAID);
    let life = Life::begin(dir.path(), &server, &setup);
    life.until_state(paid_meanwhile, "paid").await;
    life.until_state(expired_meanwhile, "expired").await;
    life.until_state(cancelled, "paid").await;
    assert!(life.payment(cancelled).late && !life.payment(paid_meanwhile).late);
    assert_eq!(life.state(waiting), "awaiting_payer");
    life.end().await;

    let life = Life::begin(dir.path(), &server, &setup);
    server.set(&its, PAID);
    life.until_state(waiting, "paid").await;
    // The money of the refund has moved where its request arrived, and only there.
    if server.books().refund_posts == 1 {
        life.until("the refund is done", || life.refund_state(refunded, refund) == RefundState::Done).await;
    } else {
        let state = life.refund_state(refunded, refund);
        assert!(matches!(state, RefundState::InDoubt { .. }), "{state:?}");
    }
    assert!(server.books().refund_posts <= 1, "a refund is sent once, ever");
    life.end().await;
    assert!(audit(dir.path()).unwrap().holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_moment_of_a_sale_loses_no_payment() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let setup = Setup::default();
    let mut dice = Dice(11);
    let mut sales = Vec::new();
    for _ in 0..15 {
        let life = Life::begin(dir.path(), &server, &setup);
        let sale = life.sell(10_000).await;
        sales.push(sale);
        pause(dice.below(60)).await;
        let operation = life.payment(sale).sbp.unwrap().code.map(|code| code.operation_id);
        if let Some(operation) = operation {
            let (status, lie) = ([PAID, EXPIRED][usize::try_from(dice.below(2)).unwrap()], dice.below(2) == 0);
            if lie {
                server.lie(&operation, Some(PENDING));
            }
            server.set(&operation, status);
        }
        pause(dice.below(20)).await;
        life.end().await;
    }
    let life = Life::begin(dir.path(), &server, &setup);
    for sale in sales {
        let Some(code) = life.payment(sale).sbp.unwrap().code else {
            // Nobody has seen its code.
            life.until_state(sale, "cancelled").await;
            continue;
        };
        let status = server.books().operations[&code.operation_id].status;
        let wanted = match status {
            PAID => "paid",
            EXPIRED => "expired",
            _ => "awaiting_payer",
        };
        life.until_state(sale, wanted).await;
    }
    life.end().await;
    assert!(audit(dir.path()).unwrap().holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_asked_about_until_it_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (sale, operation) = life.open(10_000).await;
    server.set(&operation, PAID);
    life.until_state(sale, "paid").await;

    server.manners(|m| m.refund_words = vec!["404", "received", "Received", "SUCCESS"]);
    let part = life.give_back(sale, 3_000).await;
    life.until("a part is given back", || life.refund_state(sale, part) == RefundState::Done).await;

    server.manners(|m| m.refund_words = vec!["received", "Fail"]);
    let failed = life.give_back(sale, 3_000).await;
    life.until("another part is refused", || matches!(life.refund_state(sale, failed), RefundState::Refused(_))).await;

    assert_eq!(server.books().refund_posts, 2);
    assert_eq!(life.state(sale), "paid");
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_refund_of_everything_is_proved_by_the_operation_and_one_of_a_part_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let (whole, first) = life.open(10_000).await;
    let (part, second) = life.open(10_000).await;
    server.set(&first, PAID);
    server.set(&second, PAID);
    life.until_state(whole, "paid").await;
    life.until_state(part, "paid").await;
    server.manners(|m| m.lose_refund_answers = 2);
    let of_whole = life.give_back(whole, 10_000).await;
    life.until_state(whole, "refunded").await;
    assert_eq!(life.refund_state(whole, of_whole), RefundState::Done);
    let of_part = life.give_back(part, 4_000).await;
    life.until("nobody knows", || matches!(life.refund_state(part, of_part), RefundState::InDoubt { .. })).await;
    // Even an operation that says 7 proves nothing about a part of it.
    server.set(&second, 7);
    pause(500).await;
    assert!(matches!(life.refund_state(part, of_part), RefundState::InDoubt { .. }));
    assert_eq!(server.books().refund_posts, 2);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cash_link_is_registered_once_and_never_left_live() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    life.register_link().await;
    life.register_link().await;
    assert_eq!(server.books().links, 1);

    let cancelled = life.sell_so(10_000, false, true).await;
    life.operation(cancelled).await;
    server.manners(|m| m.refuse_deactivations = 3);
    life.cancel(cancelled).await;
    life.until("the link is idle again", || life.link_is("idle")).await;
    assert_eq!(server.books().deactivations, 4);
    assert_eq!(server.books().live_link, None);

    server.manners(|m| (m.lose_activation, m.refuse_deactivations) = (true, 2));
    let lost = life.sell_so(10_000, false, true).await;
    life.until_state(lost, "in_doubt").await;
    life.until("the link is idle after the lost activation", || life.link_is("idle")).await;
    assert_eq!(server.books().live_link, None);

    let live = life.sell_so(10_000, false, true).await;
    life.operation(live).await;
    life.until("the link is active", || life.link_is("active")).await;
    life.end().await;
    assert!(server.books().live_link.is_some());
    let life = Life::begin(dir.path(), &server, &Setup::default());
    life.until("the restart deactivates it", || life.link_is("idle") && server.books().live_link.is_none()).await;
    life.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cash_link_that_has_ended_by_itself_is_believed_by_its_final_status() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    life.register_link().await;
    server.manners(|m| m.refuse_inactive = true);
    let expired = life.sell_so(10_000, false, true).await;
    let operation = life.operation(expired).await;
    life.until("the link is active", || life.link_is("active")).await;
    server.books().live_link = None;
    server.set(&operation, 8);
    life.until_state(expired, "expired").await;
    life.until("the link is idle again", || life.link_is("idle")).await;
    life.end().await;
}

/// From the books' "paid" to the committed one: far below what people notice, on a machine that is not quiet.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_known_soon_after_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let life = Life::begin(dir.path(), &server, &Setup::default());
    let mut took = Vec::new();
    for _ in 0..20 {
        let sale = life.sell_so(10_000, true, false).await;
        let operation = life.operation(sale).await;
        life.until("it is asked about", || server.books().operations[&operation].asked_by_socket > 0).await;
        pause(20).await;
        let mut pictures = life.driver.pictures();
        let since = Instant::now();
        server.set(&operation, PAID);
        while pictures.borrow_and_update().counter.is_some() {
            pictures.changed().await.unwrap();
        }
        took.push(since.elapsed());
    }
    took.sort_unstable();
    assert!(took[10] < Duration::from_millis(250), "{took:?}");
    life.end().await;
}
