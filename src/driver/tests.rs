//! What the driver does when a line is refused that should never be.

use uuid::Uuid;

use super::*;
use crate::payment::card::Settlement;
use crate::payment::event::Sell;
use crate::payment::fact::Fact;
use crate::payment::sale::{Approval, Merchant, Method, PaymentId};
use crate::payment::{Currency, Money};
use crate::snapshot::QueueDepth;
use crate::store::Store;

/// A store whose rules no approval passes.
struct Picky(Store);

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
        self.0.commit()
    }

    fn rollback(&mut self) {
        self.0.rollback();
    }

    fn queue_depth(&mut self) -> Result<QueueDepth, LedgerError> {
        self.0.queue_depth()
    }
}

#[test]
fn an_approval_that_breaks_a_rule_of_the_store_is_a_doubt_that_its_till_hears() {
    let policy = Policy { methods: vec![Method::Click], merchant: Some(Merchant::default()), ..Policy::default() };
    let store = Picky(Store::in_memory().unwrap());
    let (mut driver, handle) = Driver::new(store, policy, Clock::system()).unwrap();
    driver.begin();
    let payment = PaymentId(Uuid::from_u128(1));
    let sell = Sell {
        id: payment,
        run: RunId(Uuid::nil()),
        method: Method::Click,
        amount: Money::from_minor(50_000, Currency::Uzs),
        code: Some("880101698207133392".to_owned()),
        token: None,
        order_id: None,
        sbp: None,
        display: true,
    };
    let (envelope, mut accepted) = Envelope::ask(Event::Sell(sell));
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
