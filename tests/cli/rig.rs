//! A whole terminal without its devices: the real store, driver and socket in a temporary folder, on a clock that stands still.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use tolov::api::control::{Control, Desk};
use tolov::clock::Clock;
use tolov::driver::{Driver, Handle};
use tolov::payment::card::{ResultClass, RunId, RunResult, Slip};
use tolov::payment::code::CodeTable;
use tolov::payment::event::{Confirm, Effect, Event, GiveBack, Outcome, PinpadOrder, RunEnd, Said, SaleRef, Sell};
use tolov::payment::fiscal::Receipt;
use tolov::payment::order::{Accept, Ask, Asked, Create, Terms};
use tolov::payment::receipt::ReceiptLink;
use tolov::payment::sale::{Approval, Decline, DeclineKind, Merchant, Method, PaymentId, Private, RefundId, Token};
use tolov::payment::terminal::Policy;
use tolov::payment::{Currency, Money};
use tolov::snapshot::Snapshot;
use tolov::store::{Store, StoreOptions};

/// 2026-11-22T05:00:00Z, ten o'clock in Tashkent.
const NOW_MS: i64 = 1_795_323_600_000;

/// A card sale of this amount is refused with code 303.
pub(crate) const MUST_CLOSE: i64 = 30_300;

/// A card sale of this amount waits for its card until it is called off.
pub(crate) const NO_CARD: i64 = 40_400;

/// Nothing in here takes as long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What a command left behind.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program itself.
pub(crate) fn run(words: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_tolov")).args(words).env_remove("TOLOV_SOCKET").output().unwrap();
    Told {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The link of a receipt with this number.
pub(crate) fn link(number: &str) -> String {
    format!("https://ofd.soliq.uz/epi?t=UZ170703100597&r={number}&c=20261122100000&s=514343190161")
}

/// How the PinPad answers the next settlement.
enum Settlement {
    Total(u64),
    Refused,
}

/// A terminal.
pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) socket: PathBuf,
    runtime: Runtime,
    driver: Handle,
    clock: Clock,
    settlement: Arc<Mutex<Settlement>>,
    asked: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let clock = Clock::set_at(NOW_MS);
        let settlement = Arc::new(Mutex::new(Settlement::Total(0)));
        let socket = dir.path().join("control.sock");
        let (driver, asked, stop, tasks) = begin(&dir, &socket, &runtime, &clock, &settlement);
        let rig = Self { dir, socket, runtime, driver, clock, settlement, asked, stop, tasks };
        rig.ready();
        rig
    }

    /// The daemon ends, and lets its store go.
    pub(crate) fn stop(&mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            self.runtime.block_on(task).unwrap();
        }
    }

    /// The daemon's next life.
    pub(crate) fn start(&mut self) {
        let life = begin(&self.dir, &self.socket, &self.runtime, &self.clock, &self.settlement);
        (self.driver, self.asked, self.stop, self.tasks) = life;
        self.ready();
    }

    /// A command that is done.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let told = self.run(words);
        assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{words:?}: {}", told.stdout);
        told.stdout
    }

    pub(crate) fn run(&self, words: &[&str]) -> Told {
        run(&[words, &["--socket", self.socket.to_str().unwrap()]].concat())
    }

    /// The payment of this number: far enough apart that the first digits tell them apart.
    pub(crate) fn id(&self, number: u8) -> String {
        name(number).to_string()
    }

    pub(crate) fn sell_click(&self, number: u8, minor: i64, code: &str) {
        self.sell(number, Method::Click, minor, Some(format!("{code} #{number}")));
    }

    pub(crate) fn sell_card(&self, number: u8, minor: i64) {
        self.sell(number, Method::Humo, minor, None);
    }

    fn sell(&self, number: u8, method: Method, minor: i64, code: Option<String>) {
        self.clock.advance(60_000);
        let sell = self.sale(number, method, minor, code);
        self.runtime.block_on(async { self.driver.ask(sell).await.unwrap().settled().await.unwrap() });
        self.settle_picture();
    }

    /// A sale that waits for the customer's code.
    pub(crate) fn await_scan(&self, number: u8, minor: i64) {
        let sell = self.sale(number, Method::Click, minor, None);
        self.runtime.block_on(self.driver.ask(sell)).unwrap();
        self.settle_picture();
    }

    fn sale(&self, number: u8, method: Method, minor: i64, code: Option<String>) -> Event {
        Event::Sell(Sell {
            id: name(number),
            run: RunId(Uuid::new_v4()),
            method,
            amount: Money::from_minor(minor, Currency::Uzs),
            code,
            token: None,
            order_id: Some(format!("A-{number}")),
            sbp: None,
            display: true,
        })
    }

    /// A payment that is known and not begun; without a method the customer chooses.
    pub(crate) fn create(&self, number: u8, method: Option<Method>, minor: i64) {
        self.clock.advance(60_000);
        let amount = Money::from_minor(minor, Currency::Uzs);
        let method_id = method.map_or("auto", Method::name).to_owned();
        self.decided(Event::Create(Box::new(Create {
            id: name(number),
            terms: Terms { method, method_id, amount, sbp: None },
            token: token("create", number),
            order_id: Some(format!("A-{number}")),
            sender_id: format!("guest-{number}"),
            recipient_id: "desk-1".to_owned(),
        })));
    }

    /// The till asks something of a payment that it has created.
    pub(crate) fn order(&self, number: u8, what: Asked) {
        self.clock.advance(5_000);
        let key = match &what {
            Asked::Edit(_) => "edit",
            Asked::Accept(_) => "accept",
            Asked::Cancel { .. } => "cancel",
        };
        self.decided(Event::Ask(Box::new(Ask { payment: name(number), token: token(key, number), what })));
    }

    /// The till wants the money, and brings no code.
    pub(crate) fn accept(&self, number: u8) {
        self.order(number, Asked::Accept(Accept { run: RunId(Uuid::new_v4()), code: None, display: true }));
    }

    pub(crate) fn scan(&self, code: &str) {
        self.tell(Event::Scanned { text: code.to_owned() });
    }

    /// So much later.
    pub(crate) fn wait(&self, ms: u64) {
        self.clock.advance(ms);
        self.tell(Event::Tick { run: RunId(Uuid::new_v4()) });
    }

    /// Waits until that payment has ended last, and so.
    pub(crate) fn until(&self, number: u8, state: &str) {
        let ended = |picture: &Arc<Snapshot>| {
            picture.last.as_ref().is_some_and(|last| last.id == name(number) && last.state.name() == state)
        };
        let mut pictures = self.driver.pictures();
        let waited = async { tokio::time::timeout(PATIENCE, pictures.wait_for(ended)).await.map(|_| ()) };
        self.runtime.block_on(waited).unwrap();
    }

    fn decided(&self, event: Event) {
        self.runtime.block_on(self.driver.ask(event)).unwrap();
        self.settle_picture();
    }

    pub(crate) fn void(&self, number: u8, minor: i64) {
        let event = Event::GiveBack(GiveBack {
            id: RefundId(Uuid::from_u128(u128::from(number))),
            run: RunId(Uuid::new_v4()),
            of: SaleRef::Payment(name(number)),
            amount: Money::from_minor(minor, Currency::Uzs),
            token: None,
        });
        self.runtime.block_on(async { self.driver.ask(event).await.unwrap().settled().await.unwrap() });
    }

    /// The till brings the receipt of this number.
    pub(crate) fn confirm(&self, number: u8, receipt: &str) {
        self.clock.advance(1_000);
        let link = ReceiptLink::parse(&link(receipt)).unwrap();
        let receipt = Receipt::from_link(link, None, None).unwrap();
        let of = SaleRef::Payment(name(number));
        let event = Event::Confirm(Confirm { method: Method::Click, of, receipt });
        self.runtime.block_on(self.driver.ask(event)).unwrap();
    }

    pub(crate) fn pinpad_up(&self) {
        self.tell(Event::PinpadUp);
        self.runtime.block_on(async { self.asked.clone().wait_for(|asked| *asked).await.map(|_| ()) }).unwrap();
        self.ready();
    }

    pub(crate) fn pinpad_gone(&self, why: &str) {
        self.tell(Event::PinpadDown { why: why.to_owned() });
    }

    pub(crate) fn close_sales(&self, why: &str) {
        self.tell(Event::CloseSales { why: why.to_owned() });
    }

    /// The total on the next settlement's slip.
    pub(crate) fn next_slip_total(&self, minor: u64) {
        self.clock.advance(60_000);
        *self.settlement.lock().unwrap() = Settlement::Total(minor);
    }

    pub(crate) fn next_slip_refused(&self) {
        *self.settlement.lock().unwrap() = Settlement::Refused;
    }

    pub(crate) fn payment(&self, number: u8) -> PaymentId {
        name(number)
    }

    pub(crate) fn tell(&self, event: Event) {
        self.runtime.block_on(self.driver.tell(event));
        self.ready();
    }

    /// Everything that was sent before has been decided and is in the picture.
    fn ready(&self) {
        self.runtime.block_on(async {
            // Changes nothing, and its answer comes after everything before it.
            let _ = self.driver.ask(Event::Cancel { payment: Some(name(0)), operator: true }).await;
        });
        self.settle_picture();
    }

    fn settle_picture(&self) {
        let before = self.driver.snapshot().sequence;
        self.runtime.block_on(async {
            let _ = self.driver.ask(Event::Cancel { payment: Some(name(0)), operator: true }).await;
            let mut pictures = self.driver.pictures();
            let _ = pictures.wait_for(|picture| picture.sequence > before).await;
        });
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// One life of the daemon.
fn begin(
    dir: &TempDir,
    socket: &Path,
    runtime: &Runtime,
    clock: &Clock,
    settlement: &Arc<Mutex<Settlement>>,
) -> (Handle, watch::Receiver<bool>, watch::Sender<bool>, Vec<JoinHandle<()>>) {
    let options = StoreOptions { reserve_bytes: 65_536, ..StoreOptions::at(NOW_MS) };
    let store = Store::open(&dir.path().join("store"), &options).unwrap();
    let history = Arc::new(store.archive().unwrap());
    let (driver, handle) = Driver::new(store, policy(), clock.clone()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let (outside, script) = (handle.clone(), settlement.clone());
    let (asks, asked) = watch::channel(false);
    let decides =
        runtime.spawn(driver.run(move |effect| play(effect, &outside, &script, asks.clone()), stopped.clone()));
    let desk = Desk { driver: handle.clone(), history, clock: clock.clone(), schedule: None };
    let control = runtime.block_on(Control::bind(socket)).unwrap();
    let answers = runtime.spawn(control.serve(desk, stopped));
    (handle, asked, stop, vec![decides, answers])
}

fn name(number: u8) -> PaymentId {
    PaymentId(Uuid::from_u128((u128::from(number) << 96) | 0x4000_8000_0000_0000_0000))
}

fn token(key: &str, number: u8) -> Token {
    Token { key: format!("till {key} {number}"), digest: "d".to_owned() }
}

fn policy() -> Policy {
    Policy {
        methods: vec![Method::Humo, Method::Click],
        merchant: Some(Merchant {
            inn: "123456789".to_owned(),
            kkm_id: "00000001".to_owned(),
            device_id: "00000002".to_owned(),
        }),
        codes: CodeTable::default(),
        scan_wait_ms: 120_000,
        created_wait_ms: 900_000,
        created_max: 8,
        created_per_till_max: 8,
        wishes_max: 8,
        join_unanswered_ms: 0,
        ask_every_ms: 15_000,
        backoff_min_ms: 1_000,
        backoff_max_ms: 900_000,
        ..Policy::default()
    }
}

/// The outside world.
fn play(effect: Effect, driver: &Handle, settlement: &Arc<Mutex<Settlement>>, asked: watch::Sender<bool>) {
    match effect {
        Effect::Charge { payment } => {
            let code = payment.code.clone().unwrap_or_default();
            let words: Vec<&str> = code.split(' ').collect();
            let outcome = match words[..] {
                ["paid", id, _] => approved(Some(id.to_owned())),
                ["paid", _] => approved(None),
                ["refused", _] => Outcome::Refused(Decline {
                    why: DeclineKind::Refused,
                    code: Some("106".to_owned()),
                    message: Some("not enough money".to_owned()),
                }),
                _ => Outcome::InDoubt { text: "the answer did not come within 60 s".to_owned() },
            };
            driver.tell_later(Event::ProviderAnswered { payment: payment.id, outcome });
        }
        Effect::PinpadRun { order: PinpadOrder::Sale(money), .. } if money.minor() == NO_CARD => {}
        Effect::PinpadCancel { run } => {
            let driver = driver.clone();
            let said = Said::Result(RunResult { code: "993".to_owned(), class: ResultClass::Cancelled });
            tokio::spawn(async move {
                driver.tell(Event::PinpadSaid { run, sequence: 0, said }).await;
                driver.tell(Event::PinpadFinished { run, end: RunEnd::Ended }).await;
            });
        }
        Effect::PinpadRun { run, order } => {
            let (code, class, slip, text) = card(&order, settlement);
            let words = [
                Said::CardPresented,
                Said::Print { masked: text, printed: Private::default(), slip: Box::new(slip), entries: Vec::new() },
                Said::Result(RunResult { code, class }),
            ];
            let driver = driver.clone();
            tokio::spawn(async move {
                for (sequence, said) in (0..).zip(words) {
                    driver.tell(Event::PinpadSaid { run, sequence, said }).await;
                }
                driver.tell(Event::PinpadFinished { run, end: RunEnd::Ended }).await;
            });
        }
        // The first question of a life: what was the last operation? This PinPad is new and knows of none.
        Effect::PinpadAsk { run, .. } => {
            let driver = driver.clone();
            let said = Said::Result(RunResult { code: "202".to_owned(), class: ResultClass::NotFound });
            tokio::spawn(async move {
                driver.tell(Event::PinpadSaid { run, sequence: 0, said }).await;
                driver.tell(Event::PinpadFinished { run, end: RunEnd::Ended }).await;
                asked.send_replace(true);
            });
        }
        _ => {}
    }
}

fn approved(payment_id: Option<String>) -> Outcome {
    Outcome::Approved(Approval {
        payment_id,
        message: Some("successfully".to_owned()),
        phone_masked: Some("998*****5009".to_owned()),
        ..Approval::default()
    })
}

/// What the PinPad answers: code, meaning, slip, and the slip as text.
fn card(order: &PinpadOrder, settlement: &Mutex<Settlement>) -> (String, ResultClass, Slip, String) {
    let text = |lines: &[&str]| lines.join("\n") + "\n";
    match order {
        PinpadOrder::Sale(money) if money.minor() == MUST_CLOSE => {
            ("303".to_owned(), ResultClass::Declined, Slip::default(), String::new())
        }
        PinpadOrder::Sale(money) => {
            let slip = Slip {
                rrn: Some(format!("6326{:08}", money.minor())),
                authorisation_code: Some("104512".to_owned()),
                card_masked: Some("986012******4321".to_owned()),
                terminal_id: Some("01000002".to_owned()),
                shift: Some("12".to_owned()),
                receipt_number: Some((money.minor() / 1_000).to_string()),
                ..of(money.minor())
            };
            let printed = text(&["HUMO", "OPLATA", &format!("SUMMA {}", money.decimal()), "ODOBRENO"]);
            ("000".to_owned(), ResultClass::Approved, slip, printed)
        }
        PinpadOrder::Void { amount, .. } | PinpadOrder::Refund { amount, .. } => {
            ("400".to_owned(), ResultClass::ApprovedForVoid, of(amount.minor()), text(&["OTMENA", "ODOBRENO"]))
        }
        PinpadOrder::Settlement => match *settlement.lock().unwrap() {
            Settlement::Refused => ("999".to_owned(), ResultClass::Declined, Slip::default(), String::new()),
            Settlement::Total(total) => {
                let slip = Slip { total_minor: Some(total), totals_agree: Some(true), ..Slip::default() };
                let sum = Money::from_minor(i64::try_from(total).unwrap(), Currency::Uzs).decimal();
                ("000".to_owned(), ResultClass::Approved, slip, text(&["SVERKA ITOGOV", &format!("ITOGO {sum}")]))
            }
        },
    }
}

fn of(minor: i64) -> Slip {
    Slip { amount_minor: u64::try_from(minor).ok(), approved: Some(true), ..Slip::default() }
}
