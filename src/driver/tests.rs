//! What the driver promises to whoever asks it; what it decides is the machine's, and tested there.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::payment::event::Sell;
use crate::payment::money::{Currency, Money};
use crate::payment::sale::{Merchant, Method, PaymentId};
use crate::store::Store;

/// Notes how many payments the picture shows as open at the very moment when somebody is woken.
struct Onlooker {
    handle: Handle,
    seen: Mutex<Vec<usize>>,
}

impl Wake for Onlooker {
    fn wake(self: Arc<Self>) {
        let open = self.handle.snapshot().open;
        self.seen.lock().expect("one thread").push(open);
    }
}

#[test]
fn who_hears_of_an_end_sees_it_in_the_picture() {
    let policy = Policy {
        methods: vec![Method::Click],
        merchant: Some(Merchant { inn: "1".into(), kkm_id: "2".into(), device_id: "3".into() }),
        scan_wait_ms: 60_000,
        ..Policy::default()
    };
    let store = Store::in_memory().expect("a store");
    let (mut driver, handle) = Driver::new(store, policy, Clock::set_at(1_800_000_000_000)).expect("a driver");
    driver.begin();
    let onlooker = Arc::new(Onlooker { handle, seen: Mutex::default() });
    let waker = Waker::from(onlooker.clone());
    let mut cx = Context::from_waker(&waker);

    let sell = Sell {
        id: PaymentId(Uuid::new_v4()),
        run: RunId(Uuid::new_v4()),
        method: Method::Click,
        amount: Money::from_minor(50_000, Currency::Uzs),
        code: None,
        token: None,
        order_id: None,
    };
    let (sale, answer) = Envelope::ask(Event::Sell(sell));
    let mut answer = Box::pin(answer);
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    driver.take(vec![sale]);
    let Poll::Ready(Ok(Ok(ticket))) = answer.as_mut().poll(&mut cx) else { panic!("no ticket") };
    let mut end = Box::pin(ticket.settled());
    assert!(end.as_mut().poll(&mut cx).is_pending());
    driver.take(vec![Envelope::tell(Event::Cancel { payment: None, operator: false })]);
    assert!(end.as_mut().poll(&mut cx).is_ready());
    assert_eq!(*onlooker.seen.lock().expect("one thread"), [1, 0], "open when it was accepted, and ended at its end");
}
