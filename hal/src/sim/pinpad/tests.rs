//! The till's port against the simulated PinPad, over a real pty.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::*;
use crate::pinpad::arcus2::dialogue::LocalTime;
use crate::pinpad::arcus2::request::{ReferenceKind, ReferencePlace};
use crate::pinpad::learn::{self, LearnError};
use crate::pinpad::port::{self, Clock, PortHandle, PortSettings};
use crate::pinpad::slip::{self, SlipOperation};
use crate::pinpad::{Command, End, Evidence, Operation, OperationId, Signal};

struct TestClock(Instant);

impl Clock for TestClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn local(&self) -> Option<LocalTime> {
        Some(LocalTime { year: 2022, month: 11, day: 11, hour: 17, minute: 1 })
    }
}

const SALE: Operation = Operation::Sale { amount_minor: 50_000 };

struct Bench {
    sim: SimHandle,
    settings: PortSettings,
    port: PortHandle,
    signals: mpsc::Receiver<Signal>,
    next_id: u128,
}

/// What a run brought.
#[derive(Debug, Default)]
struct Run {
    evidence: Vec<Evidence>,
    statuses: Vec<String>,
    end: Option<End>,
}

impl Run {
    fn result(&self) -> Option<&str> {
        self.evidence.iter().find_map(|e| if let Evidence::Result(code) = e { Some(code.as_str()) } else { None })
    }

    fn slip(&self) -> String {
        self.evidence.iter().filter_map(|e| if let Evidence::Print(t) = e { Some(t.as_str()) } else { None }).collect()
    }

    fn card(&self) -> bool {
        self.evidence.contains(&Evidence::CardPresented)
    }

    fn how(&self) -> Option<End> {
        self.end.clone()
    }

    fn is_lost(&self) -> bool {
        matches!(self.end, Some(End::Lost { .. }))
    }
}

fn place() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tolov-pinpad-{}-{number}", std::process::id()))
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    async fn with(sim_is: impl FnOnce(&mut SimSettings), port_is: impl FnOnce(&mut PortSettings)) -> Self {
        let mut settings = SimSettings::new(place());
        settings.ping_every = Duration::from_millis(30);
        settings.answer_timeout = Duration::from_secs(5);
        sim_is(&mut settings);
        let mut port = PortSettings::new(&settings.path);
        port.limits.drain_quiet = Duration::from_millis(30);
        port.limits.drain_after_failure = Duration::from_millis(400);
        port.limits.reopen_first = Duration::from_millis(20);
        port.limits.reopen_longest = Duration::from_millis(50);
        port.limits.ping = Duration::from_secs(2);
        port.arcus.transport = settings.transport;
        port.arcus.amount_format = settings.amount_format;
        port_is(&mut port);
        let sim = PinpadSim::spawn(settings).expect("a pty");
        let (sender, signals) = mpsc::channel(1);
        let handle = port::spawn(port.clone(), Arc::new(TestClock(Instant::now())), sender);
        let mut bench = Self { sim, settings: port, port: handle, signals, next_id: 0 };
        assert_eq!(bench.signal().await, Signal::Up);
        bench
    }

    async fn signal(&mut self) -> Signal {
        timeout(Duration::from_secs(10), self.signals.recv()).await.expect("in time").expect("alive")
    }

    async fn send(&self, command: Command) {
        self.port.send(command).await.expect("alive");
    }

    async fn start(&mut self, operation: Operation) -> OperationId {
        self.next_id += 1;
        let id = OperationId(self.next_id);
        self.send(Command::Start(id, operation)).await;
        id
    }

    /// Run an operation to its end, releasing evidence as it comes.
    async fn run(&mut self, operation: Operation) -> Run {
        let id = self.start(operation).await;
        self.finish(id).await
    }

    async fn finish(&mut self, id: OperationId) -> Run {
        let mut run = Run::default();
        while run.end.is_none() {
            match self.signal().await {
                Signal::Evidence { operation, sequence, item } => {
                    assert_eq!(operation, id);
                    assert_eq!(usize::try_from(sequence), Ok(run.evidence.len()), "counts from 0 without gaps");
                    run.evidence.push(item);
                    self.send(Command::Release(id, sequence)).await;
                }
                Signal::Finished { operation, end } => {
                    assert_eq!(operation, id);
                    run.end = Some(end);
                }
                Signal::Status(_, text) => run.statuses.push(text),
                Signal::Started(_) | Signal::Up | Signal::Down { .. } => {}
            }
        }
        run
    }

    async fn scripted(&mut self, behaviour: Behaviour) -> Run {
        self.sim.set_next(Script::at_once(behaviour));
        self.run(SALE).await
    }
}

#[tokio::test]
async fn a_sale_is_approved_charged_once_and_its_slip_is_read() {
    let mut bench = Bench::new().await;
    let run = bench.scripted(Behaviour::Approve).await;
    assert_eq!(run.end, Some(End::Ended));
    assert_eq!(run.evidence.first(), Some(&Evidence::CardPresented));
    assert_eq!(run.result(), Some("000"));
    assert_eq!(run.statuses, ["ВСТАВЬТЕ КАРТУ", "СВЯЗЬ С БАНКОМ"]);
    let slips = slip::parse(&run.slip());
    let ledger = bench.sim.ledger();
    assert_eq!(slips[0].amount_minor, Some(50_000));
    assert_eq!(slips[0].rrn.as_ref(), Some(&ledger.entries[0].rrn));
    assert_eq!(slips[0].conflicts, []);
    assert_eq!((ledger.entries.len(), ledger.balance_minor()), (1, 50_000));
    let Some(Evidence::Tags(tags)) = run.evidence.last() else { panic!("SETTAGS comes last") };
    assert!(tags.contains(&("AMOUNT".into(), "50000".into())));
}

#[tokio::test]
async fn the_pinpad_hears_no_ok_before_the_evidence_is_released() {
    let mut bench = Bench::new().await;
    bench.sim.set_next(Script::at_once(Behaviour::Approve));
    let id = bench.start(SALE).await;
    let mut held = Vec::new();
    loop {
        match bench.signal().await {
            Signal::Evidence { sequence, item: Evidence::Result(_), .. } => {
                held.push(sequence);
                break;
            }
            Signal::Evidence { sequence, .. } => bench.send(Command::Release(id, sequence)).await,
            _ => {}
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let last = bench.sim.transcript().last().cloned();
    assert_eq!(last, Some((Said::PinPad, "STORERC:000".into())), "the PinPad still waits");
    bench.send(Command::Release(id, held[0])).await;
    let run = {
        // The rest begins to count where the held evidence stood.
        let mut end = None;
        while end.is_none() {
            match bench.signal().await {
                Signal::Evidence { sequence, .. } => bench.send(Command::Release(id, sequence)).await,
                Signal::Finished { end: how, .. } => end = Some(how),
                _ => {}
            }
        }
        end
    };
    assert_eq!(run, Some(End::Ended));
}

#[tokio::test]
async fn declines_reach_the_till_and_charge_nothing() {
    for (behaviour, code) in
        [(Behaviour::Decline("51".into()), "51"), (Behaviour::WrongPin, "55"), (Behaviour::CancelledAtPinPad, "201")]
    {
        let mut bench = Bench::new().await;
        let run = bench.scripted(behaviour).await;
        assert_eq!((run.result(), run.how()), (Some(code), Some(End::Ended)));
        assert_eq!(bench.sim.ledger().entries, []);
        if code != "201" {
            assert_eq!(slip::parse(&run.slip())[0].approved, Some(false));
        }
    }
}

#[tokio::test]
async fn frames_may_arrive_split_or_joined_in_both_transports() {
    for transport in [Transport::BinLen, Transport::Block5A] {
        for delivery in [Delivery::Whole, Delivery::Split, Delivery::Joined] {
            let mut bench = Bench::with(|s| s.transport = transport, |_| {}).await;
            bench.sim.set_next(Script { delivery, ..Script::at_once(Behaviour::Approve) });
            let run = bench.run(SALE).await;
            assert_eq!((run.result(), run.how()), (Some("000"), Some(End::Ended)), "{transport:?} {delivery:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_card_is_waited_for_and_a_button_ends_the_wait() {
    let mut bench = Bench::new().await;
    let id = bench.start(SALE).await;
    while bench.sim.screen() != "ВСТАВЬТЕ КАРТУ" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.sim.present_card();
    assert_eq!(bench.finish(id).await.result(), Some("000"));
    let id = bench.start(SALE).await;
    while bench.sim.screen() != "ВСТАВЬТЕ КАРТУ" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.sim.cancel();
    assert_eq!(bench.finish(id).await.result(), Some("201"));
    assert_eq!(bench.sim.ledger().entries.len(), 1);
}

#[tokio::test]
async fn a_cancel_takes_the_sale_back_at_the_next_ping() {
    let mut bench = Bench::new().await;
    let id = bench.start(SALE).await;
    loop {
        if matches!(bench.signal().await, Signal::Status(..)) {
            break;
        }
    }
    bench.send(Command::Cancel(id)).await;
    let run = bench.finish(id).await;
    assert_eq!((run.result(), run.how()), (Some("998"), Some(End::Ended)));
    assert_eq!(bench.sim.ledger().entries, []);
    assert!(bench.sim.transcript().contains(&(Said::Till, "ER".into())));
}

#[tokio::test]
async fn a_silent_pinpad_ends_in_lost_with_and_without_a_charge() {
    let short = |p: &mut PortSettings| p.limits.dialogue = Duration::from_millis(600);
    let mut bench = Bench::with(|_| {}, short).await;
    assert!(bench.scripted(Behaviour::Silence).await.is_lost());
    assert_eq!(bench.sim.ledger().entries, []);
    let mut bench = Bench::with(|_| {}, short).await;
    assert!(bench.scripted(Behaviour::SilenceAfterCard).await.is_lost());
    assert_eq!(bench.sim.ledger().entries.len(), 1, "the bank has charged what nobody was told of");
}

#[tokio::test]
async fn a_frame_that_breaks_off_is_lost_and_the_money_is_in_the_books() {
    let mut bench = Bench::with(|_| {}, |p| p.limits.frame = Duration::from_millis(300)).await;
    let run = bench.scripted(Behaviour::CutMidFrame).await;
    assert!(run.is_lost() && run.result().is_none() && run.card(), "{run:?}");
    assert_eq!(slip::parse(&run.slip())[0].approved, Some(true), "a slip is not a result");
    assert_eq!(bench.sim.ledger().balance_minor(), 50_000);
    assert_eq!(bench.run(Operation::Ping).await.end, Some(End::Ended), "the line is usable again");
}

#[tokio::test]
async fn a_wrong_amount_on_the_slip_can_be_seen() {
    let mut bench = Bench::new().await;
    let run = bench.scripted(Behaviour::WrongAmountOnSlip(5_000_000)).await;
    assert_eq!(slip::parse(&run.slip())[0].amount_minor, Some(5_000_000));
    assert_eq!(run.result(), Some("000"));
}

#[tokio::test]
async fn an_end_without_a_result_is_an_end_without_a_result() {
    for charged in [true, false] {
        let mut bench = Bench::new().await;
        let run = bench.scripted(Behaviour::EndWithoutResult { charged }).await;
        assert_eq!((run.result(), run.how()), (None, Some(End::Ended)));
        assert_eq!(bench.sim.ledger().entries.len(), usize::from(charged));
    }
}

#[tokio::test]
async fn a_pulled_cable_is_noticed_and_the_line_comes_back_by_its_name() {
    for moment in [Moment::BeforeCard, Moment::AfterCard, Moment::BeforeResult, Moment::BeforeEnd] {
        let mut bench = Bench::new().await;
        let run = bench.scripted(Behaviour::CablePulled(moment)).await;
        assert!(run.is_lost(), "{moment:?} {run:?}");
        assert_eq!(run.result().is_some(), moment == Moment::BeforeEnd, "{moment:?}");
        assert!(matches!(bench.signal().await, Signal::Down { .. }));
        let refused = bench.run(SALE).await;
        assert!(matches!(refused.end, Some(End::NotSent { .. })), "{refused:?}");
        bench.sim.plug_in();
        while bench.signal().await != Signal::Up {}
        let id = OperationId(99);
        bench.send(Command::Recover { operation: id, card_presented: run.card() }).await;
        let recovered = bench.finish(id).await;
        assert_eq!(recovered.result(), None, "a real line forgets what was said while it was out");
        let charged = usize::from(moment != Moment::BeforeCard);
        assert_eq!(bench.sim.ledger().entries.len(), charged);
        let last = bench.run(Operation::LastTransaction).await;
        assert_eq!(slip::parse(&last.slip()).len(), charged, "{moment:?}: the PinPad can be asked");
    }
}

#[tokio::test]
async fn a_recovery_hears_what_the_pinpad_still_has_to_say() {
    let mut bench = Bench::new().await;
    // The till's program dies while the customer still looks for the card, and is back before the PinPad says more.
    bench.sim.set_next(Script { delay: Duration::from_millis(300), ..Script::at_once(Behaviour::Approve) });
    bench.start(SALE).await;
    while !matches!(bench.signal().await, Signal::Status(..)) {}
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (sender, signals) = mpsc::channel(8);
    drop(std::mem::replace(&mut bench.signals, signals));
    let mut settings = bench.settings.clone();
    settings.limits.drain_after_failure = Duration::from_secs(4);
    bench.port = port::spawn(settings, Arc::new(TestClock(Instant::now())), sender);
    while bench.signal().await != Signal::Up {}
    bench.send(Command::Recover { operation: OperationId(7), card_presented: true }).await;
    let run = bench.finish(OperationId(7)).await;
    assert_eq!((run.result(), run.how()), (Some("000"), Some(End::Ended)));
    assert_eq!(slip::parse(&run.slip())[0].amount_minor, Some(50_000));
    assert_eq!(bench.sim.ledger().balance_minor(), 50_000);
}

#[tokio::test]
async fn a_void_cancels_its_sale_however_it_is_named() {
    for (reference, place) in [
        (ReferenceKind::Rrn, ReferencePlace::Request),
        (ReferenceKind::ReceiptNumber, ReferencePlace::Request),
        (ReferenceKind::Rrn, ReferencePlace::Tag),
        (ReferenceKind::Rrn, ReferencePlace::DataEntry),
    ] {
        let mut bench = Bench::with(
            |_| {},
            |p| {
                p.arcus.reference = reference;
                p.arcus.reference_place = place;
            },
        )
        .await;
        bench.scripted(Behaviour::Approve).await;
        let rrn = bench.sim.ledger().entries[0].rrn.clone();
        let void = Operation::Void { amount_minor: 50_000, rrn, receipt_number: Some("1".into()) };
        let run = bench.run(void.clone()).await;
        assert_eq!((run.result(), run.how()), (Some("400"), Some(End::Ended)), "{reference:?} {place:?}");
        let slips = slip::parse(&run.slip());
        assert!(slips[0].operation_cancelled && slips[0].operation == Some(SlipOperation::Void));
        assert_eq!(bench.sim.ledger().balance_minor(), 0);
        assert_eq!(bench.run(void).await.result(), Some("202"), "there is nothing left to cancel");
    }
}

#[tokio::test]
async fn refund_reports_settlement_and_ping_are_answered() {
    let mut bench = Bench::new().await;
    bench.scripted(Behaviour::Approve).await;
    bench.sim.set_next(Script::at_once(Behaviour::Approve));
    let refund = bench.run(Operation::Refund { amount_minor: 20_000, rrn: "231511584001".into() }).await;
    assert_eq!(refund.result(), Some("000"));
    assert_eq!(bench.sim.ledger().balance_minor(), 30_000);
    let detailed = bench.run(Operation::DetailedReport).await;
    assert!(!detailed.card(), "a report needs no card");
    let amounts: Vec<_> = slip::parse(&detailed.slip()).iter().filter_map(|s| s.amount_minor).collect();
    assert_eq!(amounts, [50_000, 20_000]);
    assert_eq!(bench.run(Operation::ShortReport).await.result(), Some("000"));
    let settled = bench.run(Operation::Settlement).await;
    assert_eq!(slip::parse(&settled.slip())[0].totals_match, Some(true));
    assert_eq!(bench.sim.ledger().shift, 2);
    assert_eq!(bench.run(Operation::Ping).await.end, Some(End::Ended));
    assert_eq!(bench.run(Operation::AdminMenu).await.end, Some(End::Ended));
}

#[tokio::test]
async fn a_second_operation_is_not_sent_while_the_first_runs() {
    let mut bench = Bench::new().await;
    let first = bench.start(SALE).await;
    let second = bench.start(SALE).await;
    let mut finished = Vec::new();
    while finished.len() < 2 {
        match bench.signal().await {
            Signal::Status(id, _) => {
                assert_eq!(id, first);
                bench.sim.present_card();
            }
            Signal::Evidence { operation, sequence, .. } => bench.send(Command::Release(operation, sequence)).await,
            Signal::Finished { operation, end } => finished.push((operation, end)),
            _ => {}
        }
    }
    assert!(matches!(&finished[0], (id, End::NotSent { .. }) if *id == second));
    assert_eq!(finished[1], (first, End::Ended));
    assert_eq!(bench.sim.ledger().entries.len(), 1);
}

#[tokio::test]
async fn a_killed_tills_lock_does_not_keep_the_next_one_out() {
    let bench = Bench::new().await;
    drop((bench.port, bench.signals));
    let (sender, mut signals) = mpsc::channel(8);
    let _port = port::spawn(bench.settings, Arc::new(TestClock(Instant::now())), sender);
    timeout(Duration::from_secs(5), async { while signals.recv().await != Some(Signal::Up) {} })
        .await
        .expect("up again");
}

#[tokio::test]
async fn a_mute_pinpad_on_an_open_line_is_down_until_it_answers() {
    let mut bench = Bench::with(
        |s| s.baud = Some(9600),
        |p| {
            p.limits.ping = Duration::from_millis(200);
            p.limits.ping_again = Duration::from_millis(100);
        },
    )
    .await;
    let id = OperationId(1);
    bench.send(Command::Recover { operation: id, card_presented: false }).await;
    assert!(matches!(bench.signal().await, Signal::Down { .. }), "it does not understand 115200 baud");
    assert!(matches!(bench.signal().await, Signal::Finished { end: End::Lost { .. }, .. }));
}

#[tokio::test]
async fn the_dialect_of_a_line_is_learned_with_pings_and_a_sale_that_is_voided() {
    for (transport, amount_format, charged) in
        [(Transport::BinLen, AmountFormat::Minor, 100), (Transport::Block5A, AmountFormat::Decimal, 10_000)]
    {
        let settings = SimSettings { transport, amount_format, baud: Some(9_600), ..SimSettings::new(place()) };
        let mut base = PortSettings::new(&settings.path);
        base.limits.ping = Duration::from_millis(700);
        let sim = PinpadSim::spawn(settings).expect("a pty");
        sim.set_usual(Script::at_once(Behaviour::Approve));
        let clock = Arc::new(TestClock(Instant::now()));
        let learned = learn::learn(base, clock, &[115_200, 9_600], true).await.expect("learned");
        assert_eq!((learned.baud, learned.transport, learned.amount_format), (9_600, transport, Some(amount_format)));
        let probe = learned.probe.clone().expect("a sale was asked for");
        assert_eq!((probe.charged_minor, probe.voided), (charged, true));
        assert_eq!(sim.ledger().balance_minor(), 0);
        assert!(learned.trace.iter().any(|line| line == "< STORERC:400"), "{:?}", learned.trace);
        assert!(!learned.trace.concat().contains("CARDTEST14"), "the holder is not in the trace");
        assert!(learned.lines("/dev/x").contains("baud = 9600"));
    }
}

#[tokio::test]
async fn a_line_that_is_not_there_and_a_pinpad_that_is_mute_are_told_apart() {
    let clock = Arc::new(TestClock(Instant::now()));
    let missing = learn::learn(PortSettings::new("/nowhere/tty"), clock.clone(), &[9_600], false).await;
    assert!(matches!(missing, Err(LearnError::NoLine(_))));
    let settings = SimSettings { baud: Some(9_600), ..SimSettings::new(place()) };
    let mut base = PortSettings::new(&settings.path);
    base.limits.ping = Duration::from_millis(300);
    let _sim = PinpadSim::spawn(settings).expect("a pty");
    assert_eq!(learn::learn(base, clock, &[115_200], false).await, Err(LearnError::NoAnswer(2)));
}
