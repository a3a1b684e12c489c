//! Ready is what the machine says: in every situation, a method is told to be ready exactly where a sale by it would be begun, or only has to
//! wait for its turn.

use tolov::clock::Clock;
use tolov::driver::{Driver, Entry, Envelope, Handle, Ledger, LedgerError, OpenItems};
use tolov::payment::card::{RunId, Settlement, SettlementId};
use tolov::payment::event::{Denial, Effect, Event, RunEnd, Sell};
use tolov::payment::sale::{Merchant, Method, Payment, PaymentId};
use tolov::payment::sbp::SbpAsk;
use tolov::payment::terminal::{Lookup, Policy};
use tolov::payment::{Currency, Money};
use tolov::snapshot::readiness::{Beside, Readiness};
use tolov::store::Store;
use uuid::Uuid;

/// A store in memory, whose disk may be full.
struct Disk {
    store: Store,
    full: bool,
}

impl Ledger for Disk {
    fn open_items(&mut self) -> Result<OpenItems, LedgerError> {
        self.store.open_items()
    }

    fn begin(&mut self) -> Result<(), LedgerError> {
        self.store.begin()
    }

    fn load(&mut self, lookup: &Lookup) -> Result<Vec<Payment>, LedgerError> {
        self.store.load(lookup)
    }

    fn settlement_of(&mut self, token: &str) -> Result<Option<Settlement>, LedgerError> {
        self.store.settlement_of(token)
    }

    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        self.store.append(entry)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        if self.full { Err(LedgerError::Full) } else { self.store.commit() }
    }

    fn rollback(&mut self) {
        self.store.rollback();
    }

    fn prove_writable(&mut self) -> Result<(), LedgerError> {
        if self.full { Err(LedgerError::Full) } else { Ok(()) }
    }
}

struct Desk {
    driver: Driver<Disk>,
    handle: Handle,
}

impl Desk {
    fn with(methods: &[Method], merchant: Option<Merchant>, full: bool) -> Self {
        let sbp = [("main".to_owned(), None)].into();
        let policy = Policy { methods: methods.to_vec(), merchant, sbp, sbp_open_max: 1, ..Policy::default() };
        let disk = Disk { store: Store::in_memory().expect("a store"), full };
        let (mut driver, handle) = Driver::new(disk, policy, Clock::system()).expect("a driver");
        driver.begin();
        Self { driver, handle }
    }

    fn usual() -> Self {
        Self::with(&Method::ALL, Some(Merchant::default()), false)
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.driver.take(vec![Envelope::tell(event)])
    }

    fn asks(&mut self, event: Event) -> (Result<(), Denial>, Vec<Effect>) {
        let (envelope, mut answer) = Envelope::ask(event);
        let effects = self.driver.take(vec![envelope]);
        (answer.try_recv().expect("an answer").map(drop), effects)
    }

    /// The PinPad comes, and what it is asked or told to do breaks off, each time.
    fn pinpad_loses(&mut self, effects: Vec<Effect>) {
        let mut effects = effects;
        while let Some(effect) = effects.pop() {
            if let Effect::PinpadAsk { run, .. } | Effect::PinpadRun { run, .. } = effect {
                let end = RunEnd::Lost { why: "the cable was pulled".to_owned() };
                effects.extend(self.tell(Event::PinpadFinished { run, end }));
                return;
            }
        }
    }

    fn plugged() -> Self {
        let mut desk = Self::usual();
        let effects = desk.tell(Event::PinpadUp);
        desk.pinpad_loses(effects);
        desk
    }

    /// A till has sold by as many codes as it may: by one.
    fn with_its_codes() -> Self {
        let mut desk = Self::plugged();
        let Event::Sell(sale) = sale(Method::Sbp, 1) else { unreachable!("it is one") };
        assert_eq!(desk.asks(Event::Sell(Sell { display: false, ..sale })).0, Ok(()));
        desk
    }
}

fn sale(method: Method, number: u128) -> Event {
    let currency = if method == Method::Sbp { Currency::Rub } else { Currency::Uzs };
    // Each sale its own amount: the same one again, without a key, would find the first.
    let amount = Money::from_minor(10_000 * i64::try_from(number).expect("a small number"), currency);
    let scanned = method.scans().then(|| format!("88{number:016}"));
    Event::Sell(Sell {
        id: PaymentId(Uuid::from_u128(number)),
        run: RunId(Uuid::from_u128(1_000 + number)),
        method,
        amount,
        code: scanned,
        token: None,
        order_id: None,
        sbp: (method == Method::Sbp).then(|| Box::new(SbpAsk { profile: "main".to_owned(), ..SbpAsk::default() })),
        display: true,
    })
}

fn settlement() -> Event {
    Event::Settle { id: SettlementId(Uuid::from_u128(7)), run: RunId(Uuid::from_u128(8)), token: None }
}

/// What can have happened before the question, how it comes about, and the methods that take money then.
type Situation = (&'static str, fn() -> Desk, &'static [Method]);

fn situations() -> Vec<Situation> {
    use Method::{Click, Humo, Payme, Sbp};
    vec![
        ("everything is there", Desk::plugged, &[Humo, Click, Payme, Sbp]),
        ("there is no PinPad", Desk::usual, &[Click, Payme, Sbp]),
        (
            "the PinPad went",
            || {
                let mut desk = Desk::plugged();
                desk.tell(Event::PinpadDown { why: "unplugged".to_owned() });
                desk
            },
            &[Click, Payme, Sbp],
        ),
        ("a till has its share of SBP codes", Desk::with_its_codes, &[Humo, Click, Payme]),
        (
            "the PinPad is being asked",
            || {
                let mut desk = Desk::usual();
                desk.tell(Event::PinpadUp);
                desk
            },
            &[Humo, Click, Payme, Sbp],
        ),
        (
            "a customer stands at the PinPad",
            || {
                let mut desk = Desk::plugged();
                assert_eq!(desk.asks(sale(Humo, 1)).0, Ok(()));
                desk
            },
            &[Humo, Click, Payme, Sbp],
        ),
        (
            "a card sale is in doubt",
            || {
                let mut desk = Desk::plugged();
                let (_, effects) = desk.asks(sale(Humo, 1));
                desk.pinpad_loses(effects);
                desk
            },
            &[Click, Payme, Sbp],
        ),
        (
            "a settlement is under way",
            || {
                let mut desk = Desk::plugged();
                assert_eq!(desk.asks(settlement()).0, Ok(()));
                desk
            },
            &[Humo, Click, Payme, Sbp],
        ),
        (
            "a settlement is in doubt",
            || {
                let mut desk = Desk::plugged();
                let (_, effects) = desk.asks(settlement());
                desk.pinpad_loses(effects);
                desk
            },
            &[Click, Payme, Sbp],
        ),
        (
            "sales are closed",
            || {
                let mut desk = Desk::plugged();
                desk.tell(Event::CloseSales { why: "a reason".to_owned() });
                desk
            },
            &[],
        ),
        ("the disk is full", || Desk::with(&Method::ALL, Some(Merchant::default()), true), &[]),
        ("nobody says who the seller is", || Desk::with(&Method::ALL, None, false), &[Sbp]),
        ("only CLICK is set up", || Desk::with(&[Click], Some(Merchant::default()), false), &[Click]),
        ("nothing is set up", || Desk::with(&[], Some(Merchant::default()), false), &[]),
    ]
}

/// A turn will come: this is no refusal of the method.
fn only_waits(denial: &Denial) -> bool {
    matches!(denial, Denial::Busy { .. } | Denial::PinpadBusy)
}

#[test]
fn a_method_is_ready_exactly_where_the_machine_begins_its_sales() {
    for (what, make, takes_money) in situations() {
        for method in Method::ALL {
            let mut desk = make();
            let picture = desk.handle.snapshot();
            let beside = Beside { since_last_step_ms: 0, waiting: 0, closing: false, lacks: &|_| None };
            let told = Readiness::of(&picture, &beside);
            let ready = told.methods.get(&method).is_some_and(Option::is_none);
            assert_eq!(ready, takes_money.contains(&method), "{what}: {method}: {told:?}");
            assert_eq!(told.is_ready(), !takes_money.is_empty(), "{what}: {told:?}");
            let begun = match desk.asks(sale(method, 99)).0 {
                Ok(()) => true,
                Err(denial) => only_waits(&denial),
            };
            assert_eq!(ready, begun, "{what}: {method}: {told:?}");
        }
    }
}

#[test]
fn a_key_that_is_missing_a_crowd_and_a_stop_are_reasons_too() {
    let picture = Desk::plugged().handle.snapshot();
    let lacks = |method| (method == Method::Sbp).then(|| "its key".to_owned());
    let usual = Beside { since_last_step_ms: 0, waiting: 0, closing: false, lacks: &lacks };
    let told = Readiness::of(&picture, &usual);
    assert_eq!(told.methods[&Method::Sbp].as_deref(), Some("its key"));
    assert!(told.is_ready() && told.methods[&Method::Click].is_none());
    for beside in [
        Beside { since_last_step_ms: tolov::limits::DRIVER_STALLED_MS + 1, ..usual },
        Beside { waiting: tolov::limits::EVENT_QUEUE_LEN - tolov::limits::EVENT_QUEUE_RESERVE, ..usual },
        Beside { closing: true, ..usual },
    ] {
        let told = Readiness::of(&picture, &beside);
        assert!(told.methods.values().all(|reason| reason.as_ref() == told.reasons.first()), "{told:?}");
        assert_eq!(told.reasons.len(), 1, "{told:?}");
    }
}
