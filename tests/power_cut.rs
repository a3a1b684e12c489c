//! The power goes, again and again: at every sync of the store, just before and just after it, and at moments that nobody chose.
//!
//! The daemon is the real binary, killed by SIGKILL; the vendors live on in the test's process, and their books say what really
//! happened: sales, money that goes back, closings of the card shift (`power_cut/wish.rs`), and SBP with its receipts (`power_cut/sbp.rs`). After every cut the till asks again
//! about everything (`power_cut/till.rs`), and each answer is held against those books. SIGKILL alone leaves
//! the page cache as it is, so the same is done on a disk that forgets what was not synced (`tests/shim/shim.c`); and once on
//! a disk that lies about its syncs, to see that these tests can fail.

#![cfg(feature = "demo")]

mod support;

#[path = "power_cut/daemon.rs"]
mod daemon;
#[path = "power_cut/sbp.rs"]
mod sbp;
#[path = "power_cut/till.rs"]
mod till;
#[path = "power_cut/wish.rs"]
mod wish;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use daemon::Daemon;
use hal::sim::pinpad::{Behaviour, Script};
use support::{Bench, shim};
use till::{Order, Till, Told};
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};
use tolov::demo::qrm::Switches;
use tolov::history::History as _;
use tolov::payment::PaymentId;
use tolov::store::Archive;
use wish::{CLOSINGS, MIX, Plan, SALES, SBP, STICKER, VOIDS, Wish};

/// What the disk does with writes that were not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    /// It keeps them, as the page cache of a system does whose process was killed.
    Keeps,
    /// It forgets them.
    Forgets,
    /// It forgets them, and after the first life the store's syncs do nothing.
    Lies,
}

/// When the power goes in a life.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// At the n-th sync of the life.
    AtSync(u32, &'static str),
    /// So long after its start.
    After(Duration),
    /// When the till has nothing more to do.
    WhenDone,
}

/// For the PinPad to be found, asked and relieved of its last doubt. Most of a second is usual; a loaded machine may lose a question to
/// the PinPad's own patience, and the next one is asked after 15 s.
const CARD_LINE_PATIENCE: Duration = Duration::from_secs(25);
/// For QRManager's word about a code that was paid or a refund that it took: 300 ms are usual.
const QRM_PATIENCE: Duration = Duration::from_secs(3);
/// The same where something goes wrong there: what has not ended by then is asked about in the next life.
const TROUBLED_QRM_PATIENCE: Duration = Duration::from_millis(700);
/// For everything that can end by itself to have ended: some rounds of questions to the PinPad.
const EVENING_PATIENCE: Duration = Duration::from_secs(60);

struct World {
    bench: Bench,
    till: Till,
    disk: Disk,
    lives: usize,
    cuts: u32,
    /// Doubts that a person ended.
    signed: u32,
    random: u64,
}

impl World {
    fn new(disk: Disk, seed: u64) -> Self {
        // Half of the lives end in the middle of its dialogue: it must not wait long for those who are gone.
        let bench = Bench::with_pinpad_and_qrm(|settings| settings.answer_timeout = Duration::from_secs(1));
        bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
        std::fs::create_dir(bench.dir.path().join("shadow")).expect("the disk behind the cut");
        let till = Till::new(bench.address);
        Self { bench, till, disk, lives: 0, cuts: 0, signed: 0, random: seed }
    }

    /// xorshift: a seed replays the same cuts.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// One life of the daemon, from its start to the cut; it ends with the disk as it would stand after it. Whether the till was
    /// interrupted.
    fn live(&mut self, cut: Cut, plan: Plan) -> bool {
        self.lives += 1;
        let slow = Fault::always(FaultKind::Slow { ms: self.below(8) });
        self.bench.vendors.gateway.set_faults(Faults { charge: Some(slow), confirm: Some(slow), ..Faults::default() });
        // Where every sync is counted, QRManager keeps to its document.
        let troubled = matches!(cut, Cut::After(_));
        let switches = if troubled { sbp::troubled(|bound| self.below(bound)) } else { Switches::default() };
        self.bench.vendors.qrm().set_switches(switches);
        self.till.customers_pay_in_the_dark(&self.bench.vendors);
        let daemon = self.start(cut);
        let done = match daemon.until_it_serves(&self.bench) {
            true => self.trade(plan),
            false => Ok(()),
        };
        let cut_by_the_shim = done.is_err() || daemon.has_ended();
        let end = match (cut, cut_by_the_shim) {
            (Cut::AtSync(..) | Cut::After(_), true) => daemon.end(),
            _ => daemon.cut(),
        };
        if end.signal() != Some(9) {
            self.till.broken.push(format!("the daemon ended by itself: {end}\n{}", self.bench.log()));
        }
        self.cuts += 1;
        if self.disk != Disk::Keeps {
            shim::throw_unsynced_away(&self.bench.store(), &self.bench.dir.path().join("shadow"));
        }
        cut_by_the_shim
    }

    fn start(&self, cut: Cut) -> Daemon {
        let store = self.bench.store();
        let mut command = self.bench.command();
        shim::put_on(&mut command, &store);
        // A killed process loses nothing of the page cache: what a real disk would lose, the shadow loses.
        command.env("SHIM_NO_DISK", "1");
        if self.disk != Disk::Keeps {
            command.env("SHIM_SHADOW", self.bench.dir.path().join("shadow"));
        }
        if self.disk == Disk::Lies && self.cuts > 0 {
            command.env("SHIM_SWALLOW", "1");
        }
        if let Cut::AtSync(number, when) = cut {
            command.env("SHIM_KILL_AT", number.to_string()).env("SHIM_KILL_WHEN", when);
        }
        let daemon = Daemon::born(command);
        if let Cut::After(time) = cut {
            daemon.cut_after(time);
        }
        daemon
    }

    /// What a till does with a terminal that is back: look at its own story, ask about what is open, and go on.
    fn trade(&mut self, plan: Plan) -> io::Result<()> {
        self.audit();
        if plan == STICKER {
            self.till.stick(&self.bench.vendors)?;
        }
        for at in 0..self.till.orders.len() {
            let order = &self.till.orders[at];
            let (open, bring) = (!order.is_final(), order.brings_a_receipt());
            let recent = self.till.orders.len() - at <= plan.len();
            if open || recent || self.lives.is_multiple_of(16) {
                self.till.ask(at, &self.bench.vendors)?;
                self.till.look(at, &self.bench.vendors)?;
            }
            if bring {
                self.till.confirm(at)?;
            }
        }
        for turn in plan {
            let Some(wish) = turn.wish(&self.till.orders, &self.bench.vendors) else { continue };
            let at = self.till.want(wish, &self.bench.vendors)?;
            self.ask_until_the_card_line_is_free(at)?;
            self.ask_until_qrm_has_spoken(at)?;
            if self.till.orders[at].brings_a_receipt() {
                self.till.confirm(at)?;
            }
        }
        Ok(())
    }

    /// Give the PinPad a moment. A doubt that its words do not end in that time is for a person, who looks at the bank's books; without
    /// that the request stays refused, which is an answer, too.
    fn ask_until_the_card_line_is_free(&mut self, at: usize) -> io::Result<()> {
        let since = Instant::now();
        while self.till.orders[at].told == Told::Nothing && since.elapsed() < CARD_LINE_PATIENCE {
            std::thread::sleep(Duration::from_millis(30));
            self.till.ask(at, &self.bench.vendors)?;
        }
        if self.till.orders[at].told == Told::Nothing {
            self.sign_for_doubts();
            self.till.ask(at, &self.bench.vendors)?;
        }
        Ok(())
    }

    fn ask_until_qrm_has_spoken(&mut self, at: usize) -> io::Result<()> {
        let troubled = self.bench.vendors.qrm().switches() != Switches::default();
        let patience = if troubled { TROUBLED_QRM_PATIENCE } else { QRM_PATIENCE };
        let since = Instant::now();
        while self.till.orders[at].sbp_ends_soon(&self.bench.vendors) && since.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(20));
            self.till.ask(at, &self.bench.vendors)?;
        }
        Ok(())
    }

    /// A person with a name ends each doubt about a card, or about a sticker whose activation was not answered, by what the books say.
    fn sign_for_doubts(&mut self) {
        for at in 0..self.till.orders.len() {
            let order = &self.till.orders[at];
            let Some(id) = order.transaction_id.clone().filter(|_| order.is_for_a_person()) else { continue };
            let verdict = if self.till.happened(at, &self.bench.vendors) > 0 { "paid" } else { "absent" };
            let signed = Command::new(env!("CARGO_BIN_EXE_tolov"))
                .args(["payment", "resolve", &id, verdict, "--name", "Aziza", "--reason", "seen in the bank's books"])
                .arg("--socket")
                .arg(self.bench.dir.path().join("control.sock"))
                .output()
                .expect("the command");
            self.signed += u32::from(signed.status.success());
        }
    }

    fn a_doubt_is_for_a_person(&self) -> bool {
        self.till.orders.iter().any(Order::is_for_a_person)
    }

    fn audit(&mut self) {
        match tolov::store::audit::audit(&self.bench.store()) {
            Ok(report) if report.holds() => {}
            Ok(report) => self.till.broken.push(format!("after cut {} the audit does not hold:\n{report}", self.cuts)),
            // The power may go while it reads.
            Err(why) => eprintln!("no audit after cut {}: {why}", self.cuts),
        }
    }

    /// A last life without a cut: every doubt that can be settled is, every receipt arrives, and the books close.
    fn close_the_books(&mut self) {
        self.bench.vendors.gateway.set_faults(Faults::default());
        self.bench.vendors.qrm().set_switches(Switches::default());
        self.lives += 1;
        self.till.customers_pay_in_the_dark(&self.bench.vendors);
        let daemon = self.start(Cut::WhenDone);
        assert!(daemon.until_it_serves(&self.bench), "it starts after every cut\n{}", self.bench.log());
        let since = Instant::now();
        loop {
            self.ask_about(|order| !order.is_final() || order.brings_a_receipt());
            let undelivered = self.undelivered();
            let sbp_goes_on = self.till.orders.iter().any(|o| o.sbp_ends_soon(&self.bench.vendors));
            if undelivered.is_empty() && !self.a_doubt_is_for_a_person() && !sbp_goes_on {
                break;
            }
            if since.elapsed() > EVENING_PATIENCE / 2 {
                self.sign_for_doubts();
            }
            if since.elapsed() > EVENING_PATIENCE {
                for at in undelivered {
                    self.till.breaks(at, "its receipt was taken and never arrived");
                }
                for at in 0..self.till.orders.len() {
                    let order = &self.till.orders[at];
                    if order.is_for_a_person() || order.sbp_ends_soon(&self.bench.vendors) {
                        let row = self.row(at);
                        self.till.breaks(at, &format!("the bank knows, and it stays in doubt: {row}"));
                    }
                }
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.ask_about(|_| true);
        self.audit();
        daemon.cut();
        self.compare_with_the_books();
    }

    /// What the terminal has written down of a sale, for whoever has to find out.
    fn row(&self, at: usize) -> String {
        let id = self.till.orders[at].transaction_id.as_deref().and_then(|id| id.parse().ok()).map(PaymentId);
        let past = Archive::open(&self.bench.store());
        let row = id.zip(past.ok()).and_then(|(id, past)| past.payment(id).ok().flatten());
        row.map_or_else(|| "no row".to_owned(), |row| format!("{row:?}"))
    }

    fn ask_about(&mut self, which: impl Fn(&Order) -> bool) {
        for at in 0..self.till.orders.len() {
            if !which(&self.till.orders[at]) {
                continue;
            }
            let told = (|| {
                self.till.ask(at, &self.bench.vendors)?;
                self.till.look(at, &self.bench.vendors)?;
                if self.till.orders[at].brings_a_receipt() { self.till.confirm(at) } else { Ok(()) }
            })();
            if let Err(error) = told {
                self.till.breaks(at, &format!("no answer in a life without a cut: {error}"));
            }
        }
    }

    fn undelivered(&self) -> Vec<usize> {
        let taken = |at: &usize| self.till.orders[*at].receipt_taken;
        (0..self.till.orders.len()).filter(taken).filter(|at| !self.till.delivered(*at, &self.bench.vendors)).collect()
    }

    /// The till's books and the vendors': whole, both ways.
    fn compare_with_the_books(&mut self) {
        let mut worth = 0;
        for at in 0..self.till.orders.len() {
            let happened = self.till.happened(at, &self.bench.vendors);
            let order = &self.till.orders[at];
            worth += order.worth() * i64::try_from(happened).expect("a few times");
            let told = order.told.clone();
            match (&told, happened) {
                (Told::Done, 1) | (Told::Doubt, 0 | 1) | (Told::Not(_) | Told::Nothing, 0) => {}
                _ => self.till.breaks(at, &format!("{told:?} in the till's books, {happened} times in the vendors'")),
            }
            if let Some(twice) = self.till.orders[at].sbp_twice(&self.bench.vendors) {
                self.till.breaks(at, &twice);
            }
            self.compare_what_went_back(at);
        }
        let mut real = 0;
        for entry in self.bench.vendors.gateway.entries() {
            if let Entry::Charge { amount_minor, double, code, .. } = entry {
                real += amount_minor;
                if double {
                    self.till.broken.push(format!("code {code} was charged twice"));
                }
            }
        }
        self.till.compare_the_sticker(&self.bench.vendors);
        real += sbp::held(&self.bench.vendors);
        real += i64::try_from(self.bench.vendors.pinpad.ledger().balance_minor()).expect("a sum");
        if real != worth {
            self.till.broken.push(format!("the vendors hold {real}; what the till asked for is worth {worth}"));
        }
    }

    /// Never more than was paid.
    fn compare_what_went_back(&mut self, sale: usize) {
        let of_it = |at: &usize| matches!(&self.till.orders[*at].wish, Wish::Back(back) | Wish::SbpBack(back) if back.of == sale);
        let times = |at: usize| i64::try_from(self.till.happened(at, &self.bench.vendors)).expect("a few times");
        let backs = (0..self.till.orders.len()).filter(of_it);
        let back: i64 = backs.map(|at| -self.till.orders[at].worth() * times(at)).sum();
        if back > self.till.orders[sale].tiyin() {
            self.till.breaks(sale, &format!("{back} of it went back"));
        }
    }

    /// How often each kind of wish was done, of how often it was wanted.
    fn done(&self) -> BTreeMap<&'static str, (u32, u32)> {
        let mut kinds = BTreeMap::new();
        for order in &self.till.orders {
            let (done, wanted) = kinds.entry(order.wish.name()).or_default();
            *done += u32::from(order.told == Told::Done);
            *wanted += 1;
        }
        kinds
    }

    fn report(&self) -> String {
        let count = |told: fn(&Told) -> bool| self.till.orders.iter().filter(|o| told(&o.told)).count();
        format!(
            "{} cuts, {} orders: {} did not happen, {} in doubt, {} signed, {} never begun; done, of those wanted: {:?}",
            self.cuts,
            self.till.orders.len(),
            count(|t| matches!(t, Told::Not(_))),
            count(|t| *t == Told::Doubt),
            self.signed,
            count(|t| *t == Told::Nothing),
            self.done(),
        )
    }

    fn assert_everything_held(&self) {
        let broken = &self.till.broken;
        println!("{}", self.report());
        assert!(broken.is_empty(), "{}\n{}\n{}", self.report(), broken.join("\n"), self.bench.log());
        // A kind that is refused every time proves nothing.
        assert!(self.done().values().all(|(done, _)| *done > 0), "{}", self.report());
    }
}

/// A card sale before the first cut: the PinPad's evidence about a later one is told by what was there before.
fn world_that_has_sold(disk: Disk, seed: u64) -> World {
    let mut world = World::new(disk, seed);
    for _ in 0..5 {
        world.live(Cut::WhenDone, SALES);
        if world.till.orders.iter().any(|o| o.is_of_a_card() && o.told == Told::Done) {
            return world;
        }
    }
    panic!("no card sale: {:?}\n{}", world.till.broken, world.bench.log());
}

/// Terminals side by side: most of a life is waiting.
const WORLDS: u32 = 4;
/// A life has fewer syncs than this.
const SYNCS_MAX: u32 = 120;

/// Cut before and after every sync, until lives have no sync of such a number any more.
fn cut_at_every_sync(disk: Disk, plan: Plan) {
    side_by_side(disk, |world, place| {
        let mut whole = 0;
        for number in (1..SYNCS_MAX).filter(|number| number % WORLDS == place) {
            let before = world.live(Cut::AtSync(number, "before"), plan);
            let after = world.live(Cut::AtSync(number, "after"), plan);
            whole = if before || after { 0 } else { whole + 1 };
            if whole == 2 {
                return;
            }
        }
        panic!("{SYNCS_MAX} syncs, and the till is still not done: {}", world.report());
    });
}

fn side_by_side(disk: Disk, cuts: impl Fn(&mut World, u32) + Sync) {
    std::thread::scope(|scope| {
        for place in 0..WORLDS {
            let cuts = &cuts;
            scope.spawn(move || {
                let mut world = world_that_has_sold(disk, 11 + u64::from(place));
                cuts(&mut world, place);
                world.close_the_books();
                world.assert_everything_held();
            });
        }
    });
}

#[test]
fn cut_at_every_sync_of_sales_the_terminal_tells_the_truth_and_charges_once() {
    cut_at_every_sync(Disk::Keeps, SALES);
}

#[test]
fn cut_at_every_sync_of_sales_on_a_disk_that_forgets_it_tells_the_truth_and_charges_once() {
    cut_at_every_sync(Disk::Forgets, SALES);
}

#[test]
fn cut_at_every_sync_of_voids_on_a_disk_that_forgets_it_gives_back_once_and_never_more_than_was_paid() {
    cut_at_every_sync(Disk::Forgets, VOIDS);
}

#[test]
fn cut_at_every_sync_of_closings_and_refunds_on_a_disk_that_forgets_it_settles_as_told_and_gives_back_once() {
    cut_at_every_sync(Disk::Forgets, CLOSINGS);
}

#[test]
fn cut_at_every_sync_of_sbp_on_a_disk_that_forgets_it_shows_one_code_registers_one_receipt_and_gives_back_once() {
    cut_at_every_sync(Disk::Forgets, SBP);
}

#[test]
fn cut_at_every_sync_of_sales_at_a_sticker_on_a_disk_that_forgets_it_registers_it_once_and_never_leaves_it_live() {
    cut_at_every_sync(Disk::Forgets, STICKER);
}

#[test]
fn cut_at_moments_that_nobody_chose_the_terminal_tells_the_truth_and_moves_money_once() {
    for disk in [Disk::Keeps, Disk::Forgets] {
        side_by_side(disk, |world, place| {
            for life in 0..10 {
                let time = Duration::from_millis(20 + world.below(1_500));
                let plan = MIX[(life + place as usize) % MIX.len()];
                world.live(Cut::After(time), plan);
            }
            for plan in MIX {
                world.live(Cut::WhenDone, *plan);
            }
        });
    }
}

#[test]
fn on_a_disk_that_lies_about_its_syncs_these_tests_fail() {
    let mut world = world_that_has_sold(Disk::Lies, 15);
    for _ in 0..4 {
        world.live(Cut::WhenDone, SALES);
    }
    world.close_the_books();
    let broken = world.till.broken.join("\n");
    println!("{broken}");
    assert!(broken.contains("nothing is known") || broken.contains("is not known"), "no sale was forgotten: {broken}");
}
