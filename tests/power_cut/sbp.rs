//! SBP: what a till asks of `/api/v1/sbp/*`, what the answers mean, what its customers do with their phones, and QRManager's own books.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tolov::demo::qrm::{
    ATOL_KEY, Entry, Fault, FaultKind, Method as Rest, Operation, ReceiptEnd, SocketRefusal, SocketSwitches, Switches,
    What,
};

use super::till::{Order, Till, Told};
use super::wish::{Back, Method, Wish};
use crate::support::{TILL_TOKEN, Vendors, http};

/// When a customer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phone {
    /// As soon as the till has the link.
    AtOnce,
    /// The till calls the sale off first; a code cannot be withdrawn, and the customer pays it all the same.
    AfterACancel,
    /// While the terminal has no power.
    InTheDark,
    /// At the printed code by the counter, as soon as the till has said that it is there for this sale.
    AtTheSticker,
}

/// Each door of the terminal wants it, or does not mind.
pub(super) const TOKEN: (&str, &str) = ("x_auth_token", TILL_TOKEN);

impl Order {
    pub(crate) fn is_by_sbp(&self) -> bool {
        matches!(self.wish, Wish::Sale(Method::Sbp(_)) | Wish::SbpBack(_))
    }

    /// Nobody knows what the answer to its activation was, so nobody can ask about it: a person looks at QRManager's books.
    pub(crate) fn is_a_sticker_in_doubt(&self) -> bool {
        self.is_at_the_sticker() && self.operation.is_none() && self.told == Told::Doubt
    }

    fn is_at_the_sticker(&self) -> bool {
        self.wish == Wish::Sale(Method::Sbp(Phone::AtTheSticker))
    }

    /// Something that ends without a person: a sale whose code is out in the world, or a refund that QRManager has given a name. A refund
    /// whose answer was lost before that may stay in doubt, because nobody can ask about it.
    fn sbp_has_to_end(&self) -> bool {
        let asked_about = match self.wish {
            Wish::Sale(Method::Sbp(Phone::AtTheSticker)) => self.operation.is_some(),
            Wish::Sale(Method::Sbp(_)) => true,
            Wish::SbpBack(_) => self.rrn.is_some(),
            _ => false,
        };
        asked_about && self.told == Told::Doubt
    }

    /// It ends while the till waits: whoever pays in the dark has done it.
    pub(crate) fn sbp_ends_soon(&self, vendors: &Vendors) -> bool {
        let in_the_dark = self.wish == Wish::Sale(Method::Sbp(Phone::InTheDark));
        self.sbp_has_to_end() && (!in_the_dark || self.in_qrms_books(vendors) > 0)
    }

    pub(super) fn sbp_request(&self) -> Value {
        // What waits for the dark does not hold the counter.
        let display = self.wish != Wish::Sale(Method::Sbp(Phone::InTheDark));
        let sticker = self.is_at_the_sticker();
        json!({"amount": self.tiyin(), "currency": "RUB", "display": display, "cash_link": sticker, "idempotency_token": self.token()})
    }

    pub(super) fn sbp_back_request(&self, back: &Back) -> Value {
        json!({"amount": back.tiyin, "currency": "RUB", "idempotency_token": self.token()})
    }

    fn token(&self) -> String {
        format!("order-{}", self.number)
    }

    /// ATOL's document of the sale, in whole roubles.
    pub(super) fn document(&self) -> Value {
        let sum = self.tiyin() / 100;
        json!({
            "timestamp": "10.11.2022 20:10:00",
            "receipt": {
                "client": {"email": "payer@mail.ru"},
                "company": {"sno": "osn", "email": "shop@mail.ru", "inn": "5544332219", "payment_address": "Москва"},
                "items": [{"name": "тест", "price": sum, "quantity": 1, "sum": sum, "payment_object": "commodity"}],
                "payments": [{"type": 1, "sum": sum}],
                "vats": [{"type": "none", "sum": 0}],
                "total": sum
            }
        })
    }

    /// The operation that was made for a sale of this amount, and how many were.
    fn operations(&self, vendors: &Vendors) -> Vec<Operation> {
        let of = if let Wish::SbpBack(back) = &self.wish { back.sale_tiyin } else { self.tiyin() };
        vendors.qrm().operations().into_iter().filter(|operation| operation.sum_kopecks == of).collect()
    }

    pub(super) fn in_qrms_books(&self, vendors: &Vendors) -> usize {
        let operations = self.operations(vendors);
        match &self.wish {
            Wish::SbpBack(back) => {
                let refunds = operations.iter().flat_map(|operation| &operation.refunds);
                refunds.filter(|r| r.amount_kopecks == back.tiyin && r.success != Some(false)).count()
            }
            _ => operations.iter().filter(|operation| operation.standing.is_paid()).count(),
        }
    }

    pub(super) fn receipt_is_done(&self, vendors: &Vendors) -> bool {
        let done = |operation: &Operation| {
            matches!(operation.receipt.as_ref().map(|r| &r.end), Some(Some(ReceiptEnd::Done { .. })))
        };
        self.operations(vendors).iter().any(done)
    }

    /// What QRManager did more than once, though it was wanted once.
    pub(crate) fn sbp_twice(&self, vendors: &Vendors) -> Option<String> {
        let operations = self.operations(vendors);
        let entries = vendors.qrm().entries();
        let registered = |entry: &&Entry| matches!(&entry.what, What::Receipt { operation_id, .. } if operations.iter().any(|o| o.operation_id == *operation_id));
        let receipts = entries.iter().filter(registered).count();
        let twice = operations.len() > 1 || receipts > 1;
        twice.then(|| format!("{} codes and {receipts} receipts in QRManager's books", operations.len()))
    }
}

/// What goes wrong at QRManager in one life: one of its methods, once, and its sockets.
pub(crate) fn troubled(mut below: impl FnMut(u64) -> u64) -> Switches {
    const METHODS: [Rest; 9] = [
        Rest::Code,
        Rest::Status,
        Rest::Receipt,
        Rest::ReceiptStatus,
        Rest::Activate,
        Rest::LinkStatus,
        Rest::Deactivate,
        Rest::Refund,
        Rest::RefundStatus,
    ];
    let kind = match below(6) {
        0 => FaultKind::Slow { ms: 200 },
        1 => FaultKind::Http500,
        2 => FaultKind::Garbage,
        3 => FaultKind::Cut,
        4 => FaultKind::LostAfter,
        _ => FaultKind::LostBefore,
    };
    let method = METHODS[usize::try_from(below(METHODS.len() as u64)).expect("few methods")];
    let still = SocketSwitches::default();
    let sockets = match below(6) {
        0 => SocketSwitches { cut_instead: 1, ..still },
        1 => SocketSwitches { breaks_after_ms: Some(30), ..still },
        2 => SocketSwitches { twice: true, jumbled: true, ..still },
        3 => SocketSwitches { garbage: true, ..still },
        4 => SocketSwitches { refused: Some(SocketRefusal::Cut), ..still },
        _ => still,
    };
    Switches { rest: [(method, Fault::once(kind))].into(), sockets, ..Switches::default() }
}

/// What QRManager holds of its payers' money, kopecks.
pub(crate) fn held(vendors: &Vendors) -> i64 {
    let left = |operation: Operation| {
        let gone = operation.refunds.iter().filter(|r| r.success != Some(false)).map(|r| r.amount_kopecks).sum::<i64>();
        if operation.standing.is_paid() { operation.sum_kopecks - gone } else { -gone }
    };
    vendors.qrm().operations().into_iter().map(left).sum()
}

impl Till {
    pub(super) fn sbp_understood(&mut self, at: usize, answer: &Value) -> Told {
        let is_sale = matches!(self.orders[at].wish, Wish::Sale(_));
        let field = if is_sale { "payment_status" } else { "state" };
        let state = answer[field].as_str().filter(|_| !is_problem(answer));
        // It was called off, and money may still come.
        let watched = answer["watched"] == json!(true);
        match state {
            Some("paid" | "refunded") if is_sale => Told::Done,
            Some("done") if !is_sale => Told::Done,
            Some("created" | "awaiting_payer" | "in_doubt") if is_sale => Told::Doubt,
            Some("cancelled" | "expired" | "declined") if is_sale && watched => Told::Doubt,
            Some(state @ ("cancelled" | "expired" | "declined")) if is_sale => Told::Not(state.to_owned()),
            Some("requested" | "processing" | "in_doubt") if !is_sale => Told::Doubt,
            Some("refused") if !is_sale => Told::Not("refused".to_owned()),
            None if matches!(
                answer["code"].as_str(),
                Some("busy" | "overloaded" | "shutting_down" | "cash_link_unusable")
            ) =>
            {
                Told::Nothing
            }
            _ => {
                self.breaks(at, &format!("nobody can say what this means: {answer}"));
                Told::Nothing
            }
        }
    }

    /// Keep what an answer names: the sale or refund here, the refund at QRManager, and the link that is shown.
    pub(super) fn sbp_named<'a>(&mut self, at: usize, answer: &'a Value) -> Option<&'a str> {
        if is_problem(answer) {
            return None;
        }
        if let Some(name) = answer["refund_request_id"].as_str() {
            self.orders[at].rrn = Some(name.to_owned());
        }
        if let Some(name) = answer["operation_id"].as_str() {
            self.orders[at].operation = Some(name.to_owned());
        }
        if let Some(link) = answer["qr_link"].as_str() {
            let known = self.orders[at].shown.replace(link.to_owned());
            if known.is_some_and(|known| known != link) {
                self.breaks(at, &format!("another code is shown now: {answer}"));
            }
        }
        let field = if matches!(self.orders[at].wish, Wish::Sale(_)) { "transaction_id" } else { "refund_id" };
        answer[field].as_str()
    }

    /// What goes on at the counter after an answer about a sale: it is called off, and it is paid.
    pub(super) fn customer_goes_on(&mut self, at: usize, answer: &Value, vendors: &Vendors) -> io::Result<()> {
        let Wish::Sale(Method::Sbp(phone)) = self.orders[at].wish else { return Ok(()) };
        let waits = answer["payment_status"] == json!("awaiting_payer") && !is_problem(answer);
        if phone == Phone::AfterACancel && waits {
            let id = self.orders[at].transaction_id.clone().unwrap_or_default();
            let path = format!("/api/v1/sbp/sale/{id}/cancel");
            let answer = http::post(self.address, &path, "", &[TOKEN])?.json();
            let told = self.sbp_understood(at, &answer);
            self.believe(at, told, &answer, vendors);
        }
        if phone != Phone::InTheDark {
            self.customer_pays(at, vendors);
        }
        Ok(())
    }

    /// Have the sticker registered, once, ever. Where a cut took the answer, a person looks it up at QRManager.
    pub(crate) fn stick(&mut self, vendors: &Vendors) -> io::Result<()> {
        const PATH: &str = "/api/v1/sbp/cash-link";
        for _ in 0..300 {
            let known = vendors.qrm().links().pop();
            let state = http::get_with(self.address, PATH, &[TOKEN])?.json()["state"].clone();
            let body = match (state.as_str(), known) {
                (Some("none" | "refused"), _) => json!({"qr_size": 400}),
                (Some("registration_in_doubt"), None) => {
                    // It never came to QRManager: the person registers it there.
                    http::post(vendors.qrm().address(), "/operations/cash-qr/", "{}", &[("X-Api-Key", ATOL_KEY)])?;
                    continue;
                }
                (Some("registration_in_doubt"), Some(link)) => {
                    json!({"cash_qr_id": link.link_id, "cash_qr_link": link.link})
                }
                (Some("registering"), _) => {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                _ => return Ok(()),
            };
            http::post(self.address, PATH, &body.to_string(), &[TOKEN])?;
        }
        self.broken.push("the sticker is never registered".to_owned());
        Ok(())
    }

    /// What QRManager's books say against the sticker: registered again, or live after everything has ended.
    pub(crate) fn compare_the_sticker(&mut self, vendors: &Vendors) {
        let again = |entry: &&Entry| matches!(entry.what, What::LinkRegistered { again: true, .. });
        if vendors.qrm().entries().iter().any(|entry| again(&entry)) {
            self.broken.push("the sticker was registered twice".to_owned());
        }
        for link in vendors.qrm().links().into_iter().filter(|link| link.active.is_some()) {
            self.broken.push(format!("the sticker was left live: {link:?}"));
        }
    }

    /// The customers who were shown a code and pay while the terminal has no power.
    pub(crate) fn customers_pay_in_the_dark(&mut self, vendors: &Vendors) {
        for at in 0..self.orders.len() {
            if self.orders[at].wish == Wish::Sale(Method::Sbp(Phone::InTheDark)) {
                self.customer_pays(at, vendors);
            }
        }
    }

    fn customer_pays(&mut self, at: usize, vendors: &Vendors) {
        let order = &self.orders[at];
        let Some(link) = order.shown.clone().filter(|_| order.told == Told::Doubt) else { return };
        if order.is_at_the_sticker() {
            // The sticker is the same for all: whoever pays there pays for the sale that it is active for, if there is one.
            let qrm = vendors.qrm();
            let active = qrm.links().into_iter().find_map(|link| link.active);
            if let Some(operation) = order.operation.as_ref().filter(|own| active.as_ref() == Some(own)) {
                // It may be deactivated in this very moment.
                let _ = qrm.pay(operation);
            }
            return;
        }
        if order.in_qrms_books(vendors) == 0
            && let Err(why) = vendors.qrm().pay(&link)
        {
            self.breaks(at, &format!("the code that was shown cannot be paid: {why}"));
        }
    }

    /// Ask where a sale stands; what went back is what the till was told of it, and a receipt that was taken is not forgotten.
    pub(super) fn sbp_look(&mut self, at: usize, id: &str, vendors: &Vendors) -> io::Result<()> {
        let answer = http::get_with(self.address, &format!("/api/v1/sbp/sale/{id}"), &[TOKEN])?.json();
        if is_problem(&answer) {
            self.breaks(at, &format!("sale {id} was told of and is not known: {answer}"));
            return Ok(());
        }
        let told = self.sbp_understood(at, &answer);
        self.believe(at, told, &answer, vendors);
        let backs = self.orders.iter().filter(|o| matches!(&o.wish, Wish::SbpBack(back) if back.of == at));
        let (known, back) = backs.fold((true, 0), |(known, sum), o| {
            (known && o.is_final(), if o.told == Told::Done { sum - o.worth() } else { sum })
        });
        let all = answer["payment_status"] == json!("refunded");
        let sale = &self.orders[at];
        if known && (answer["refunded_amount"] != json!(back) || all != (back == sale.tiyin())) {
            self.breaks(at, &format!("the till was told that {back} went back, and now {answer}"));
        }
        if self.orders[at].receipt_taken && !matches!(answer["receipt"].as_str(), Some("queued" | "confirmed")) {
            self.breaks(at, &format!("its receipt was taken, and now {answer}"));
        }
        Ok(())
    }
}

/// A refusal by which nothing was begun; it may name another payment, the one that stands in the way.
fn is_problem(answer: &Value) -> bool {
    answer["code"].is_string()
}

/// Whether the till hears that the terminal has the receipt.
pub(super) fn is_taken(answer: &Value) -> bool {
    !is_problem(answer) && matches!(answer["state"].as_str(), Some("queued" | "confirmed"))
}
