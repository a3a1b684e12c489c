//! A till that sells, forgets nothing, asks again after every cut, and holds each answer against the vendors' own books.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tolov::demo::gateway::Entry;

use crate::support::{Vendors, http};

/// At which endpoint an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Click,
    Payme,
    Card,
}

/// What the till was told last about an order's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing yet: no answer, or one that says that nothing was begun.
    Nothing,
    Doubt,
    Unpaid(String),
    Paid,
}

/// One order of the till. Its number makes its amount, its code and its receipt unlike those of every other.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: u64,
    pub(crate) method: Method,
    pub(crate) told: Told,
    pub(crate) transaction_id: Option<String>,
    /// The terminal has accepted the receipt.
    pub(crate) receipt_taken: bool,
}

impl Order {
    pub(crate) fn amount_tiyin(&self) -> i64 {
        (1_000 + i64::try_from(self.number).expect("few orders")) * 100
    }

    pub(crate) fn is_a_card_in_doubt(&self) -> bool {
        self.method == Method::Card && self.told == Told::Doubt
    }

    fn code(&self) -> String {
        match self.method {
            Method::Click => format!("88{:016}", self.number),
            Method::Payme => format!("505{:017}", self.number),
            Method::Card => String::new(),
        }
    }

    pub(crate) fn link(&self) -> String {
        let (receipt, sign) = (100_000 + self.number, self.number);
        format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={receipt}&c=20230104121801&s={sign:012}")
    }

    fn request(&self) -> (&'static str, Value) {
        let sums = self.amount_tiyin() / 100;
        match self.method {
            Method::Click => ("/payment/click", json!({"amount": sums, "qr_code": self.code()})),
            Method::Payme => ("/payment/payme", json!({"amount": sums, "qr_code": self.code()})),
            Method::Card => ("/payment/xumo", json!({"amount": self.amount_tiyin()})),
        }
    }
}

/// The till and what it found wrong.
pub(crate) struct Till {
    pub(crate) address: SocketAddr,
    pub(crate) orders: Vec<Order>,
    /// What was promised and did not hold.
    pub(crate) broken: Vec<String>,
}

impl Till {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, orders: Vec::new(), broken: Vec::new() }
    }

    /// A new order, asked for at once; its place in the list.
    pub(crate) fn sell(&mut self, method: Method, vendors: &Vendors) -> io::Result<usize> {
        let order = Order {
            number: self.orders.len() as u64,
            method,
            told: Told::Nothing,
            transaction_id: None,
            receipt_taken: false,
        };
        self.orders.push(order);
        let at = self.orders.len() - 1;
        self.ask(at, vendors)?;
        Ok(at)
    }

    /// Ask for an order, the first time or again: always the same request under the same key.
    pub(crate) fn ask(&mut self, at: usize, vendors: &Vendors) -> io::Result<()> {
        let (path, body) = self.orders[at].request();
        let key = format!("order-{at}");
        let answer = http::post(self.address, path, &body.to_string(), &[("Idempotency-Key", &key)])?.json();
        let told = self.understood(at, &answer);
        self.believe(at, told, &answer, vendors);
        let id = answer["data"]["transaction_id"].as_str().or(answer["error"]["data"]["transaction_id"].as_str());
        match (&self.orders[at].transaction_id, id) {
            (Some(known), Some(id)) if known != id => {
                self.breaks(at, &format!("was payment {known} and is payment {id} now"));
            }
            (_, Some(id)) => self.orders[at].transaction_id = Some(id.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Ask where a payment stands; it has to be what the repeat says.
    pub(crate) fn look(&mut self, at: usize, vendors: &Vendors) -> io::Result<()> {
        let Some(id) = self.orders[at].transaction_id.clone() else { return Ok(()) };
        let answer = http::get(self.address, &format!("/payment/{id}"))?.json();
        if answer["data"]["state"].is_null() {
            self.breaks(at, &format!("payment {id} was told of and is not known: {answer}"));
            return Ok(());
        }
        let told = self.understood(at, &answer);
        self.believe(at, told, &answer, vendors);
        Ok(())
    }

    /// Bring the receipt of a paid order, the first time or again.
    pub(crate) fn confirm(&mut self, at: usize) -> io::Result<()> {
        let order = &self.orders[at];
        let id = order.transaction_id.as_deref().unwrap_or_default();
        let (path, body) = match order.method {
            Method::Click => ("/payment/click_confirm", json!({"transaction_id": id, "qrcode": order.link()})),
            Method::Payme => ("/payment/payme_confirm", json!({"transaction_id": id, "qr_code_url": order.link()})),
            Method::Card => return Ok(()),
        };
        let answer = http::post(self.address, path, &body.to_string(), &[])?.json();
        if answer["is_success"] == json!(true) {
            self.orders[at].receipt_taken = true;
        } else {
            self.breaks(at, &format!("a paid order's receipt was refused: {answer}"));
        }
        Ok(())
    }

    fn understood(&mut self, at: usize, answer: &Value) -> Told {
        if answer["is_success"] == json!(true) {
            return Told::Paid;
        }
        let error = &answer["error"];
        let state = answer["data"]["state"].as_str().or(error["data"]["state"].as_str());
        match state {
            Some("in_doubt" | "awaiting_payer" | "bank_processing" | "created") => Told::Doubt,
            Some(state @ ("declined" | "cancelled" | "expired")) => Told::Unpaid(state.to_owned()),
            // Refused before it became a payment: the counter or the PinPad has something else to do.
            None if (910..=913).contains(&error["code"].as_i64().unwrap_or(0)) => Told::Nothing,
            _ => {
                self.breaks(at, &format!("nobody can say what this means: {answer}"));
                Told::Nothing
            }
        }
    }

    /// Hold what was told now against what was told before, and against the books.
    fn believe(&mut self, at: usize, told: Told, answer: &Value, vendors: &Vendors) {
        let before = self.orders[at].told.clone();
        let charged = self.charged(at, vendors);
        let true_to_before = match (&before, &told) {
            (Told::Paid, Told::Paid) | (Told::Nothing | Told::Doubt, _) => true,
            (Told::Unpaid(before), Told::Unpaid(now)) => before == now,
            _ => false,
        };
        if !true_to_before {
            self.breaks(at, &format!("was told {before:?}, and now {answer}"));
        }
        match told {
            Told::Paid if charged != 1 => {
                self.breaks(at, &format!("was approved and is {charged} times in the books: {answer}"));
            }
            Told::Unpaid(_) if charged != 0 => {
                self.breaks(at, &format!("was charged, and the till hears: {answer}"));
            }
            _ => {}
        }
        // A refusal that began nothing does not take back what is known.
        if told != Told::Nothing {
            self.orders[at].told = told;
        } else if before != Told::Nothing {
            self.breaks(at, &format!("was told {before:?}, and now nothing is known: {answer}"));
        }
    }

    /// How often the vendors' books say that this order was charged.
    pub(crate) fn charged(&self, at: usize, vendors: &Vendors) -> usize {
        let order = &self.orders[at];
        let (amount, wanted) = (order.amount_tiyin(), order.code());
        if order.method == Method::Card {
            let books = vendors.pinpad.ledger();
            return books.entries.iter().filter(|e| i64::try_from(e.amount_minor) == Ok(amount)).count();
        }
        let charge = |e: &Entry| matches!(e, Entry::Charge { amount_minor, code, .. } if *amount_minor == amount && *code == wanted);
        vendors.gateway.entries().iter().filter(|e| charge(e)).count()
    }

    /// Is the receipt of this order in the vendor's books?
    pub(crate) fn delivered(&self, at: usize, vendors: &Vendors) -> bool {
        let wanted = self.orders[at].link();
        vendors.gateway.entries().iter().any(|e| matches!(e, Entry::Confirmation { link, .. } if *link == wanted))
    }

    pub(crate) fn breaks(&mut self, at: usize, what: &str) {
        self.broken.push(format!("order {at} ({:?}): {what}", self.orders[at].method));
    }
}
