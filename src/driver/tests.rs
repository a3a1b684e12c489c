//! What the driver does when a line is refused that should never be, and when an effect is seen first.

use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::*;
use crate::payment::card::Settlement;
use crate::payment::event::Sell;
use crate::payment::fact::Fact;
use crate::payment::sale::{Approval, Merchant, Method, PaymentId};
use crate::payment::{Currency, Money};
use crate::snapshot::QueueDepth;
use crate::store::Store;

/// A store whose rules no approval passes, and whose disk may be gone.
struct Picky(Store, Arc<AtomicBool>);

impl Ledger for Picky {
    fn open_items(&mut self) -> Result<OpenItems, LedgerError> {
        self.0.open_items()
    }

    fn begin(&mut self) -> Result<(), LedgerError> {
        self.0.begin()
    }

    fn load(&mut self, lookup: &Lookup) -> Result<Vec<Payment>, LedgerError> {
        self.0.load(lookup)
    }

    fn settlement_of(&mut self, token: &str) -> Result<Option<Settlement>, LedgerError> {
        self.0.settlement_of(token)
    }

    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        if entry.facts.iter().any(|fact| matches!(fact, Fact::Approved { .. })) {
            return Err(LedgerError::Rule("a rule".to_owned()));
        }
        self.0.append(entry)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(LedgerError::Other("the disk is gone".to_owned()));
        }
        self.0.commit()
    }

    fn rollback(&mut self) {
        self.0.rollback();
    }

    fn queue_depth(&mut self) -> Result<QueueDepth, LedgerError> {
        self.0.queue_depth()
    }
}

fn driver() -> (Driver<Picky>, Handle, Arc<AtomicBool>) {
    let policy = Policy { methods: vec![Method::Click], merchant: Some(Merchant::default()), ..Policy::default() };
    let gone = Arc::new(AtomicBool::new(false));
    let store = Picky(Store::in_memory().unwrap(), gone.clone());
    let (mut driver, handle) = Driver::new(store, policy, Clock::system()).unwrap();
    driver.begin();
    (driver, handle, gone)
}

fn sale(number: u128) -> Event {
    Event::Sell(Sell {
        id: PaymentId(Uuid::from_u128(number)),
        run: RunId(Uuid::nil()),
        method: Method::Click,
        amount: Money::from_minor(50_000, Currency::Uzs),
        code: Some(format!("8801016982071{number:05}")),
        token: None,
        order_id: None,
        sbp: None,
        display: true,
    })
}

#[test]
fn a_charge_is_foreseen_before_its_commit_and_released_only_after_it() {
    let (driver, _handle, gone) = driver();
    let (foreseen, seen) = std::sync::mpsc::channel();
    let mut driver = driver.foreseen_by(Box::new(move |effect| foreseen.send(effect.clone()).unwrap()));
    let charged = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Charge { .. })).count();

    let released = driver.take(vec![Envelope::tell(sale(1))]);
    let ahead: Vec<Effect> = seen.try_iter().collect();
    assert_eq!((charged(&ahead), charged(&released)), (1, 1));

    gone.store(true, Ordering::SeqCst);
    let released = driver.take(vec![Envelope::tell(sale(2))]);
    let ahead: Vec<Effect> = seen.try_iter().collect();
    assert_eq!((charged(&ahead), charged(&released)), (1, 0), "what was made ready is all that happened");
}

#[test]
fn an_approval_that_breaks_a_rule_of_the_store_is_a_doubt_that_its_till_hears() {
    let (mut driver, handle, _) = driver();
    let payment = PaymentId(Uuid::from_u128(1));
    let (envelope, mut accepted) = Envelope::ask(sale(1));
    driver.take(vec![envelope]);
    let mut ticket = accepted.try_recv().unwrap().unwrap();
    assert!(ticket.try_settled().is_none());

    let outcome = event::Outcome::Approved(Approval::default());
    // A line that is said first where nobody listens may be kept from those who do, in another test beside this one.
    said(|| drop(driver.take(vec![Envelope::tell(Event::ProviderAnswered { payment, outcome })])));
    let Some(Reply::Payment(told)) = ticket.try_settled() else { panic!("its till waits for ever") };
    assert_eq!(told.state.name(), "in_doubt");
    let picture = handle.snapshot();
    assert_eq!((picture.in_doubt.len(), picture.faults), (1, 1));
}

/// What is said in the log while `work` is done on this thread, a JSON object a line.
fn said(work: impl FnOnce()) -> Vec<serde_json::Value> {
    use std::io::{Read as _, Seek as _};
    let mut file = tempfile::tempfile().unwrap();
    let json = tracing_subscriber::fmt().json().flatten_event(true).with_writer(file.try_clone().unwrap()).finish();
    tracing::subscriber::with_default(json, work);
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_fault_is_said_of_the_payment_that_it_happened_to() {
    let (mut driver, _handle, _) = driver();
    let payment = PaymentId(Uuid::from_u128(1));
    let outcome = event::Outcome::Approved(Approval::default());
    let lines = said(|| {
        driver.take(vec![Envelope::tell(sale(1))]);
        driver.take(vec![Envelope::tell(Event::ProviderAnswered { payment, outcome })]);
    });
    let fault = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!((&fault["rule"], &fault["span"]["method"]), (&"a rule".into(), &"click".into()), "{fault}");
    assert_eq!(fault["span"]["transaction_id"], payment.to_string(), "{fault}");
}

#[test]
fn an_event_is_about_the_payment_whose_run_it_is_from_or_asks_about() {
    use crate::payment::event::RunEnd;
    let (mut driver, ..) = driver();
    driver.take(vec![Envelope::tell(sale(1))]);
    let mut terminal = driver.terminal.clone();
    let (id, run) = (PaymentId(Uuid::from_u128(1)), RunId(Uuid::from_u128(7)));
    let own = Arc::make_mut(terminal.payments.get_mut(&id).unwrap());
    own.run = Some(crate::payment::card::Run::new(run, None));
    let about =
        |run, terminal: &Terminal| about::payment_of(terminal, &Event::PinpadFinished { run, end: RunEnd::Ended });
    assert_eq!((about(run, &terminal), about(RunId(Uuid::nil()), &terminal)), (Some(id), None));
    let (asks, job) = (RunId(Uuid::from_u128(8)), crate::payment::card::Job::Sale { payment: id });
    terminal.pinpad.at = Some(crate::payment::terminal::PinpadAt::Recovering { run: asks, job });
    assert_eq!(about(asks, &terminal), Some(id));
    assert_eq!(
        about::payment_of(&terminal, &sale(2)),
        Some(PaymentId(Uuid::from_u128(2))),
        "also where it is not known yet"
    );
    assert_eq!(about::payment_of(&terminal, &Event::PinpadUp), None);
}
