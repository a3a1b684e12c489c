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

    driver.take(vec![Envelope::tell(Event::ProviderAnswered {
        payment,
        outcome: event::Outcome::Approved(Approval::default()),
    })]);
    let Some(Reply::Payment(told)) = ticket.try_settled() else { panic!("its till waits for ever") };
    assert_eq!(told.state.name(), "in_doubt");
    let picture = handle.snapshot();
    assert_eq!((picture.in_doubt.len(), picture.faults), (1, 1));
}
