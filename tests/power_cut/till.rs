//! A till that asks, forgets nothing, asks again after every cut, and holds each answer against the vendors' own books.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tolov::demo::gateway::Entry;

use super::sbp;
use super::wish::{Method, Wish};
use crate::support::{Vendors, http};

/// How often it comes again to a PinPad that is busy.
const PINPAD_BUSY_TRIES: u32 = 40;

/// What the till was told last about what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing yet: no answer, or one that says that nothing was begun.
    Nothing,
    Doubt,
    /// It did not happen, and ended as this.
    Not(String),
    Done,
}

/// One thing that the till wants.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: u64,
    pub(crate) wish: Wish,
    pub(crate) told: Told,
    /// How often the books had the like of it before it was asked for.
    from: usize,
    /// Of the sale.
    pub(crate) transaction_id: Option<String>,
    /// The bank's name of it; of an SBP refund QRManager's.
    pub(crate) rrn: Option<String>,
    /// The link of the SBP code that the till was given.
    pub(crate) shown: Option<String>,
    /// Of an SBP sale what QRManager calls its operation, once the terminal knows it.
    pub(crate) operation: Option<String>,
    /// The terminal has accepted the receipt.
    pub(crate) receipt_taken: bool,
}

impl Order {
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.told, Told::Done | Told::Not(_))
    }

    fn is_a_card_in_doubt(&self) -> bool {
        self.is_of_a_card() && self.told == Told::Doubt
    }

    /// A doubt that a person may have to end: the terminal asks the PinPad, which may know no more, and nobody knows of some stickers.
    pub(crate) fn is_for_a_person(&self) -> bool {
        self.is_a_card_in_doubt() || self.is_a_sticker_in_doubt()
    }

    /// Paid, and the terminal has not taken its receipt yet.
    pub(crate) fn brings_a_receipt(&self) -> bool {
        self.told == Told::Done && !self.receipt_taken && self.receipt().is_some()
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

    /// Something new, asked for at once; its place in the list.
    pub(crate) fn want(&mut self, wish: Wish, vendors: &Vendors) -> io::Result<usize> {
        let mut order = Order {
            number: self.orders.len() as u64,
            wish,
            told: Told::Nothing,
            from: 0,
            transaction_id: None,
            rrn: None,
            shown: None,
            operation: None,
            receipt_taken: false,
        };
        order.from = order.in_the_books(vendors);
        self.orders.push(order);
        let at = self.orders.len() - 1;
        self.ask(at, vendors)?;
        Ok(at)
    }

    /// Ask for it, the first time or again: always the same request under the same key.
    pub(crate) fn ask(&mut self, at: usize, vendors: &Vendors) -> io::Result<()> {
        let (path, body) = self.orders[at].request();
        let key = format!("order-{at}");
        let headers = [("Idempotency-Key", key.as_str()), sbp::TOKEN];
        let mut answer = http::post(self.address, &path, &body.to_string(), &headers)?.json();
        // After a start the PinPad is asked what it did last: whoever comes in that second is told to come again.
        for _ in 0..PINPAD_BUSY_TRIES {
            if answer["error"]["message"] != "PINPAD_BUSY" {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
            answer = http::post(self.address, &path, &body.to_string(), &headers)?.json();
        }
        let told = self.understood(at, &answer);
        // A refusal that began nothing may name another payment, the one that stands in the way.
        let began = told != Told::Nothing;
        self.believe(at, told, &answer, vendors);
        let id = match self.orders[at].is_by_sbp() {
            _ if !began => None,
            true => self.sbp_named(at, &answer),
            false => answer["data"]["transaction_id"].as_str().or(answer["error"]["data"]["transaction_id"].as_str()),
        };
        match (&self.orders[at].transaction_id, id) {
            (Some(known), Some(id)) if known != id => {
                self.breaks(at, &format!("was payment {known} and is payment {id} now"));
            }
            (_, Some(id)) => self.orders[at].transaction_id = Some(id.to_owned()),
            _ => {}
        }
        if let Some(rrn) = answer["data"]["ppt_id"].as_str() {
            self.orders[at].rrn = Some(rrn.to_owned());
        }
        self.customer_goes_on(at, &answer, vendors)
    }

    /// Ask where a sale stands; it has to be what the repeat says, and what went back what the till was told of it.
    pub(crate) fn look(&mut self, at: usize, vendors: &Vendors) -> io::Result<()> {
        let Wish::Sale(method) = self.orders[at].wish else { return Ok(()) };
        let Some(id) = self.orders[at].transaction_id.clone() else { return Ok(()) };
        if self.orders[at].is_by_sbp() {
            return self.sbp_look(at, &id, vendors);
        }
        let answer = http::get(self.address, &format!("/payment/{id}"))?.json();
        if answer["data"]["state"].is_null() {
            self.breaks(at, &format!("payment {id} was told of and is not known: {answer}"));
            return Ok(());
        }
        let told = self.understood(at, &answer);
        self.believe(at, told, &answer, vendors);
        let backs = self.orders.iter().filter(|o| matches!(&o.wish, Wish::Back(back) if back.of == at));
        let (known, back) = backs.fold((true, 0), |(known, sum), o| {
            (known && o.is_final(), if o.told == Told::Done { sum - o.worth() } else { sum })
        });
        let all = answer["data"]["state"] == json!("refunded");
        let says = &answer["data"]["refunded_tiyin"];
        if method == Method::Card && known && (*says != json!(back) || all != (back == self.orders[at].tiyin())) {
            self.breaks(at, &format!("the till was told that {back} went back, and now {answer}"));
        }
        Ok(())
    }

    /// Bring the receipt of a paid order, the first time or again.
    pub(crate) fn confirm(&mut self, at: usize) -> io::Result<()> {
        let Some((path, body)) = self.orders[at].receipt() else { return Ok(()) };
        let answer = http::post(self.address, &path, &body.to_string(), &[sbp::TOKEN])?.json();
        if answer["is_success"] == json!(true) || self.orders[at].is_by_sbp() && sbp::is_taken(&answer) {
            self.orders[at].receipt_taken = true;
        } else {
            self.breaks(at, &format!("a paid order's receipt was refused: {answer}"));
        }
        Ok(())
    }

    fn understood(&mut self, at: usize, answer: &Value) -> Told {
        if self.orders[at].is_by_sbp() {
            return self.sbp_understood(at, answer);
        }
        if answer["is_success"] == json!(true) {
            return Told::Done;
        }
        let error = &answer["error"];
        let state = answer["data"]["state"].as_str().or(error["data"]["state"].as_str());
        let sale = matches!(self.orders[at].wish, Wish::Sale(_));
        match state {
            Some("in_doubt" | "settlement_in_doubt" | "bank_processing" | "requested" | "processing") => Told::Doubt,
            Some("awaiting_payer" | "created") if sale => Told::Doubt,
            Some(state @ ("declined" | "cancelled" | "expired")) if sale => Told::Not(state.to_owned()),
            // It was paid, and all of it was given back since.
            Some("refunded") if sale => Told::Done,
            Some("refused") if !sale => Told::Not("refused".to_owned()),
            None if self.orders[at].is_put_off_by(error["code"].as_i64().unwrap_or(0)) => Told::Nothing,
            _ => {
                self.breaks(at, &format!("nobody can say what this means: {answer}"));
                Told::Nothing
            }
        }
    }

    /// Hold what was told now against what was told before, and against the books.
    pub(super) fn believe(&mut self, at: usize, told: Told, answer: &Value, vendors: &Vendors) {
        let before = self.orders[at].told.clone();
        let happened = self.happened(at, vendors);
        let true_to_before = match (&before, &told) {
            (Told::Done, Told::Done) | (Told::Nothing | Told::Doubt, _) => true,
            (Told::Not(before), Told::Not(now)) => before == now,
            _ => false,
        };
        if !true_to_before {
            self.breaks(at, &format!("was told {before:?}, and now {answer}"));
        }
        match told {
            Told::Done if happened != 1 => {
                self.breaks(at, &format!("was approved and is {happened} times in the books: {answer}"));
            }
            Told::Not(_) if happened != 0 => {
                self.breaks(at, &format!("happened, and the till hears: {answer}"));
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

    /// How often the vendors' books say that this happened: until the like of it was asked for next.
    pub(crate) fn happened(&self, at: usize, vendors: &Vendors) -> usize {
        let order = &self.orders[at];
        let next = self.orders[at + 1..].iter().find(|later| later.is_like(order));
        next.map_or_else(|| order.in_the_books(vendors), |next| next.from).saturating_sub(order.from)
    }

    /// Is the receipt of this order in the vendor's books?
    pub(crate) fn delivered(&self, at: usize, vendors: &Vendors) -> bool {
        if self.orders[at].is_by_sbp() {
            return self.orders[at].receipt_is_done(vendors);
        }
        let wanted = self.orders[at].link();
        vendors.gateway.entries().iter().any(|e| matches!(e, Entry::Confirmation { link, .. } if *link == wanted))
    }

    pub(crate) fn breaks(&mut self, at: usize, what: &str) {
        self.broken.push(format!("order {at} ({}): {what}", self.orders[at].wish.name()));
    }
}
