//! The power goes, again and again: at every sync of the store, just before and just after it, and at moments that nobody chose.
//!
//! The daemon is the real binary, killed by SIGKILL; the vendors live on in the test's process, and their books say what really
//! happened. After every cut the till asks again about everything, and each answer is held against those books. SIGKILL alone leaves
//! the page cache as it is, so the same is done on a disk that forgets what was not synced (`tests/shim/shim.c`); and once on
//! a disk that lies about its syncs, to see that these tests can fail.

#![cfg(feature = "demo")]

mod support;

#[path = "power_cut/till.rs"]
mod till;

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hal::sim::pinpad::{Behaviour, Script};
use support::{Bench, PATIENCE, http, shim};
use till::{Method, Order, Till, Told};
use tolov::demo::gateway::{Entry, Fault, FaultKind, Faults};

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

/// Orders of a life; more would let the store's own work hide in the till's.
const SALES_IN_A_LIFE: usize = 3;

struct World {
    bench: Bench,
    till: Till,
    disk: Disk,
    lives: u64,
    cuts: u32,
    random: u64,
}

impl World {
    fn new(disk: Disk, seed: u64) -> Self {
        let bench = Bench::new();
        bench.vendors.pinpad.set_usual(Script::at_once(Behaviour::Approve));
        std::fs::create_dir(bench.dir.path().join("shadow")).expect("the disk behind the cut");
        let till = Till::new(bench.address);
        Self { bench, till, disk, lives: 0, cuts: 0, random: seed }
    }

    /// xorshift: a seed replays the same cuts.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// One life of the daemon, from its start to the cut; it ends with the disk as it would stand after it.
    fn live(&mut self, cut: Cut) {
        self.lives += 1;
        let slow = Fault::always(FaultKind::Slow { ms: self.below(8) });
        self.bench.vendors.gateway.set_faults(Faults { charge: Some(slow), confirm: Some(slow), ..Faults::default() });
        let daemon = self.start(cut);
        let done = match daemon.until_it_serves(&self.bench) {
            true => self.trade(),
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
        let daemon = Daemon(Arc::new(Mutex::new(command.spawn().expect("the daemon"))));
        if let Cut::After(time) = cut {
            let child = daemon.0.clone();
            std::thread::spawn(move || {
                std::thread::sleep(time);
                let _ = child.lock().expect("the child").kill();
            });
        }
        daemon
    }

    /// What a till does with a terminal that is back: look at its own story, ask about what is open, and sell.
    fn trade(&mut self) -> io::Result<()> {
        self.audit();
        for at in 0..self.till.orders.len() {
            let order = &self.till.orders[at];
            let (open, paid) = (matches!(order.told, Told::Nothing | Told::Doubt), order.told == Told::Paid);
            let (bring, recent) = (paid && !order.receipt_taken, self.till.orders.len() - at <= SALES_IN_A_LIFE);
            if open || recent || self.lives.is_multiple_of(16) {
                self.till.ask(at, &self.bench.vendors)?;
                self.till.look(at, &self.bench.vendors)?;
            }
            if bring {
                self.till.confirm(at)?;
            }
        }
        for turn in 0..SALES_IN_A_LIFE as u64 {
            let method = match (self.lives + turn) % 3 {
                0 => Method::Card,
                1 => Method::Click,
                _ => Method::Payme,
            };
            let at = self.till.sell(method, &self.bench.vendors)?;
            self.ask_until_the_card_line_is_free(at)?;
            if self.till.orders[at].told == Told::Paid {
                self.till.confirm(at)?;
            }
        }
        Ok(())
    }

    /// Give the PinPad a moment to be found, asked and relieved of its last doubt; without it the sale stays refused, which is an answer, too.
    fn ask_until_the_card_line_is_free(&mut self, at: usize) -> io::Result<()> {
        let since = Instant::now();
        while self.till.orders[at].told == Told::Nothing && since.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(30));
            self.till.ask(at, &self.bench.vendors)?;
        }
        Ok(())
    }

    fn a_card_is_in_doubt(&self) -> bool {
        self.till.orders.iter().any(Order::is_a_card_in_doubt)
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
        self.lives += 1;
        let daemon = self.start(Cut::WhenDone);
        assert!(daemon.until_it_serves(&self.bench), "it starts after every cut\n{}", self.bench.log());
        let since = Instant::now();
        loop {
            self.ask_about_everything();
            let undelivered = self.undelivered();
            if undelivered.is_empty() && !self.a_card_is_in_doubt() {
                break;
            }
            if since.elapsed() > PATIENCE {
                for at in undelivered {
                    self.till.breaks(at, "its receipt was taken and never arrived");
                }
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.audit();
        daemon.cut();
        self.compare_with_the_books();
    }

    fn ask_about_everything(&mut self) {
        for at in 0..self.till.orders.len() {
            let told = (|| {
                self.till.ask(at, &self.bench.vendors)?;
                self.till.look(at, &self.bench.vendors)?;
                match self.till.orders[at].told {
                    Told::Paid if !self.till.orders[at].receipt_taken => self.till.confirm(at),
                    _ => Ok(()),
                }
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
        let (mut believed, mut doubted) = (0, 0);
        for at in 0..self.till.orders.len() {
            let charged = self.till.charged(at, &self.bench.vendors);
            let (told, amount) = (self.till.orders[at].told.clone(), self.till.orders[at].amount_tiyin());
            match (&told, charged) {
                (Told::Paid, 1) => believed += amount,
                (Told::Doubt, 1) => doubted += amount,
                (Told::Doubt | Told::Unpaid(_) | Told::Nothing, 0) => {}
                _ => self.till.breaks(at, &format!("{told:?} in the till's books, {charged} times in the vendors'")),
            }
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
        real += i64::try_from(self.bench.vendors.pinpad.ledger().balance_minor()).expect("a sum");
        if real != believed + doubted {
            self.till.broken.push(format!("the vendors took {real}; paid {believed}, in doubt {doubted}"));
        }
    }

    fn report(&self) -> String {
        let count = |told: fn(&Told) -> bool| self.till.orders.iter().filter(|o| told(&o.told)).count();
        format!(
            "{} cuts, {} orders: {} paid, {} unpaid, {} in doubt, {} never begun",
            self.cuts,
            self.till.orders.len(),
            count(|t| *t == Told::Paid),
            count(|t| matches!(t, Told::Unpaid(_))),
            count(|t| *t == Told::Doubt),
            count(|t| *t == Told::Nothing),
        )
    }

    fn assert_everything_held(&self) {
        let broken = &self.till.broken;
        println!("{}", self.report());
        assert!(broken.is_empty(), "{}\n{}\n{}", self.report(), broken.join("\n"), self.bench.log());
        let paid = |method| self.till.orders.iter().any(|o| o.method == method && o.told == Told::Paid);
        assert!(paid(Method::Click) && paid(Method::Payme) && paid(Method::Card), "a world in which nothing sells");
    }
}

/// A daemon that may die at any moment.
struct Daemon(Arc<Mutex<Child>>);

impl Daemon {
    /// False when it died before it served.
    fn until_it_serves(&self, bench: &Bench) -> bool {
        let since = Instant::now();
        while !http::get(bench.address, "/health/live").is_ok_and(|a| a.status == 200) {
            if self.has_ended() {
                return false;
            }
            assert!(since.elapsed() < PATIENCE, "it neither serves nor ends\n{}", bench.log());
            std::thread::sleep(Duration::from_millis(3));
        }
        true
    }

    fn has_ended(&self) -> bool {
        self.0.lock().expect("the child").try_wait().expect("its state").is_some()
    }

    /// Its end, which has come or is coming.
    fn end(&self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.0.lock().expect("the child").try_wait().expect("its state") {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "an answer was lost, and the daemon lives");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn cut(&self) -> ExitStatus {
        let mut child = self.0.lock().expect("the child");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already waited for, except when a test panics.
        let mut child = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A card sale before the first cut: the PinPad's evidence about a later one is told by what was there before.
fn world_that_has_sold(disk: Disk, seed: u64) -> World {
    let mut world = World::new(disk, seed);
    world.lives = 2;
    world.live(Cut::WhenDone);
    assert_eq!(world.till.orders[0].told, Told::Paid, "{:?}\n{}", world.till.broken, world.bench.log());
    world
}

/// Terminals side by side: most of a life is waiting.
const WORLDS: u32 = 4;

fn cut_at_every_sync(disk: Disk) {
    side_by_side(disk, |world, place| {
        for number in (1..=44).filter(|number| number % WORLDS == place) {
            world.live(Cut::AtSync(number, "before"));
            world.live(Cut::AtSync(number, "after"));
        }
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
fn cut_before_and_after_every_sync_the_terminal_tells_the_truth_and_charges_once() {
    cut_at_every_sync(Disk::Keeps);
}

#[test]
fn cut_before_and_after_every_sync_on_a_disk_that_forgets_it_tells_the_truth_and_charges_once() {
    cut_at_every_sync(Disk::Forgets);
}

#[test]
fn cut_at_moments_that_nobody_chose_the_terminal_tells_the_truth_and_charges_once() {
    for disk in [Disk::Keeps, Disk::Forgets] {
        side_by_side(disk, |world, _| {
            for _ in 0..6 {
                let time = Duration::from_millis(20 + world.below(1_000));
                world.live(Cut::After(time));
            }
        });
    }
}

#[test]
fn on_a_disk_that_lies_about_its_syncs_these_tests_fail() {
    let mut world = world_that_has_sold(Disk::Lies, 15);
    for _ in 0..4 {
        world.live(Cut::WhenDone);
    }
    world.close_the_books();
    let broken = world.till.broken.join("\n");
    println!("{broken}");
    assert!(broken.contains("nothing is known") || broken.contains("is not known"), "no sale was forgotten: {broken}");
}
