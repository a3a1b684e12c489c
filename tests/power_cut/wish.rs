//! What a till may want, and what the vendors' own books say of it.
//!
//! Another kind of operation is added here and nowhere else: a [`Wish`], its request, how often the books have it and what it is worth, and a
//! [`Turn`] in one of the [`PLANS`]. Asking, asking again after a cut, and holding each answer against the books is the same for all
//! (`till.rs`). This is written from what the documents promise and from the books, not from the terminal's code.

use hal::sim::pinpad::Kind;
use serde_json::{Value, json};
use tolov::demo::gateway::Entry;

use super::sbp::Phone;
use super::till::{Order, Told};
use crate::support::Vendors;

/// At which endpoint an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Click,
    Payme,
    Card,
    /// By a code that the terminal asks QRManager for.
    Sbp(Phone),
}

/// What the till wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Sale(Method),
    /// Card money back. In the sale's own shift the terminal makes a void of it, later a refund.
    Back(Back),
    /// SBP money back, the whole or a part.
    SbpBack(Back),
    /// The end of the card shift.
    Closing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    /// The place of the sale in the till's list.
    pub(crate) of: usize,
    /// How the till names the sale: by our id, or by the RRN on its slip.
    name: String,
    pub(crate) sale_tiyin: i64,
    /// Of the sale's currency the smallest part: kopecks by SBP.
    pub(crate) tiyin: i64,
}

/// What a till does next in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Sell(Method),
    /// The whole amount of the newest sale of the open shift that nothing was given back of.
    VoidNewest,
    /// The same of the oldest one: there are other card operations after it.
    VoidOldest,
    /// A part of a sale of a shift that was closed: first the larger one, then the rest.
    RefundPart,
    Close,
    /// The whole amount of the newest SBP sale that nothing was given back of.
    SbpWhole,
    /// A part of an SBP sale: first the larger one, then the rest.
    SbpPart,
}

/// What is done in a life; more would let the store's own work hide in the till's.
pub(crate) type Plan = [Turn; 3];

pub(crate) const SALES: Plan = [Turn::Sell(Method::Card), Turn::Sell(Method::Click), Turn::Sell(Method::Payme)];
pub(crate) const VOIDS: Plan = [Turn::Sell(Method::Card), Turn::VoidOldest, Turn::Sell(Method::Card)];
pub(crate) const VOID_AT_ONCE: Plan = [Turn::Sell(Method::Card), Turn::VoidNewest, Turn::Sell(Method::Click)];
pub(crate) const CLOSINGS: Plan = [Turn::Sell(Method::Card), Turn::Close, Turn::RefundPart];
pub(crate) const CLOSED_TWICE: Plan = [Turn::Close, Turn::Close, Turn::RefundPart];
pub(crate) const SBP: Plan =
    [Turn::Sell(Method::Sbp(Phone::AtOnce)), Turn::SbpPart, Turn::Sell(Method::Sbp(Phone::AfterACancel))];
pub(crate) const SBP_IN_THE_DARK: Plan =
    [Turn::Sell(Method::Sbp(Phone::InTheDark)), Turn::SbpWhole, Turn::Sell(Method::Sbp(Phone::AtOnce))];

pub(crate) const STICKER: Plan =
    [Turn::Sell(Method::Sbp(Phone::AtTheSticker)), Turn::SbpWhole, Turn::Sell(Method::Click)];

/// Everything in turns.
pub(crate) const MIX: &[Plan] = &[SALES, SBP, VOIDS, STICKER, CLOSINGS, SBP_IN_THE_DARK, VOID_AT_ONCE, CLOSED_TWICE];

impl Turn {
    /// What that is in the till's present situation; `None` where there is nothing to do it with.
    pub(crate) fn wish(self, orders: &[Order], vendors: &Vendors) -> Option<Wish> {
        let books = vendors.pinpad.ledger();
        let shift_of = |order: &Order| {
            let sold = |e: &&hal::sim::pinpad::Entry| {
                e.kind == Kind::Sale && i64::try_from(e.amount_minor) == Ok(order.tiyin())
            };
            books.entries.iter().find(sold).map(|e| e.shift)
        };
        let untouched = |at: &usize| orders.iter().all(|o| !matches!(&o.wish, Wish::Back(back) if back.of == *at));
        let paid = |at: &usize| orders[*at].wish == Wish::Sale(Method::Card) && orders[*at].told == Told::Done;
        let mut paid_now =
            (0..orders.len()).filter(paid).filter(|at| shift_of(&orders[*at]) == Some(books.shift)).filter(untouched);
        match self {
            Self::Sell(method) => Some(Wish::Sale(method)),
            Self::VoidNewest => paid_now.next_back().map(|at| Wish::Back(Back::of(at, orders, 100))),
            Self::VoidOldest => paid_now.next().map(|at| Wish::Back(Back::of(at, orders, 100))),
            Self::RefundPart => (0..orders.len()).filter(paid).find_map(|at| {
                let earlier = shift_of(&orders[at]).is_some_and(|shift| shift < books.shift);
                let backs: Vec<&Order> =
                    orders.iter().filter(|o| matches!(&o.wish, Wish::Back(back) if back.of == at)).collect();
                let percent = match backs.as_slice() {
                    [] => 60,
                    [first] if first.told == Told::Done && -first.worth() < orders[at].tiyin() => 40,
                    _ => return None,
                };
                earlier.then(|| Wish::Back(Back::of(at, orders, percent)))
            }),
            Self::SbpWhole => (0..orders.len()).rev().find_map(|at| self.back_by_sbp(at, orders)).map(Wish::SbpBack),
            Self::SbpPart => (0..orders.len()).find_map(|at| self.back_by_sbp(at, orders)).map(Wish::SbpBack),
            // One at a time, or nobody could tell whose closing the books show.
            Self::Close => orders.iter().all(|o| o.wish != Wish::Closing || o.is_final()).then_some(Wish::Closing),
        }
    }

    /// A sale is given back after its receipt, and in one way.
    fn back_by_sbp(self, at: usize, orders: &[Order]) -> Option<Back> {
        let sale = &orders[at];
        if !matches!(sale.wish, Wish::Sale(Method::Sbp(_))) || sale.told != Told::Done || !sale.receipt_taken {
            return None;
        }
        let backs: Vec<&Order> =
            orders.iter().filter(|o| matches!(&o.wish, Wish::SbpBack(back) if back.of == at)).collect();
        let percent = match (self, backs.as_slice()) {
            (Self::SbpWhole, []) => 100,
            (Self::SbpPart, []) => 60,
            (Self::SbpPart, [first]) if first.told == Told::Done && -first.worth() < sale.tiyin() => 40,
            _ => return None,
        };
        Some(Back::of(at, orders, percent))
    }
}

impl Back {
    fn of(at: usize, orders: &[Order], percent: i64) -> Self {
        let sale = &orders[at];
        let by_rrn = sale.rrn.clone().filter(|_| at.is_multiple_of(2));
        let name = by_rrn.or_else(|| sale.transaction_id.clone()).unwrap_or_default();
        Self { of: at, name, sale_tiyin: sale.tiyin(), tiyin: sale.tiyin() / 100 * percent }
    }
}

impl Wish {
    /// What is counted in a report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sale(Method::Card) => "card sale",
            Self::Sale(Method::Click) => "CLICK sale",
            Self::Sale(Method::Payme) => "PAYME sale",
            Self::Sale(Method::Sbp(Phone::AtOnce)) => "SBP sale",
            Self::Sale(Method::Sbp(Phone::AfterACancel)) => "SBP sale, called off",
            Self::Sale(Method::Sbp(Phone::InTheDark)) => "SBP sale, paid in the dark",
            Self::Sale(Method::Sbp(Phone::AtTheSticker)) => "SBP sale at the sticker",
            Self::SbpBack(back) if back.tiyin == back.sale_tiyin => "whole amount back by SBP",
            Self::SbpBack(_) => "part of the amount back by SBP",
            Self::Back(back) if back.tiyin == back.sale_tiyin => "whole amount back",
            Self::Back(_) => "part of the amount back",
            Self::Closing => "closing of the shift",
        }
    }
}

impl Order {
    /// What a sale costs. Its number makes its amount, its code and its receipt unlike those of every other; so are the parts of it that go
    /// back, for the first five hundred.
    pub(crate) fn tiyin(&self) -> i64 {
        (1_000 + i64::try_from(self.number).expect("few orders")) * 100
    }

    /// The PinPad has to work for it.
    pub(crate) fn is_of_a_card(&self) -> bool {
        matches!(self.wish, Wish::Sale(Method::Card) | Wish::Back(_) | Wish::Closing)
    }

    /// By how much the vendors hold more of the customers' money when it happened.
    pub(crate) fn worth(&self) -> i64 {
        match &self.wish {
            Wish::Sale(_) => self.tiyin(),
            Wish::Back(back) | Wish::SbpBack(back) => -back.tiyin,
            Wish::Closing => 0,
        }
    }

    fn code(&self) -> String {
        match self.wish {
            Wish::Sale(Method::Payme) => format!("505{:017}", self.number),
            _ => format!("88{:016}", self.number),
        }
    }

    pub(crate) fn link(&self) -> String {
        let (receipt, sign) = (100_000 + self.number, self.number);
        format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={receipt}&c=20230104121801&s={sign:012}")
    }

    pub(crate) fn request(&self) -> (String, Value) {
        let sums = self.tiyin() / 100;
        let (path, body) = match &self.wish {
            Wish::Sale(Method::Click) => ("/payment/click", json!({"amount": sums, "qr_code": self.code()})),
            Wish::Sale(Method::Payme) => ("/payment/payme", json!({"amount": sums, "qr_code": self.code()})),
            Wish::Sale(Method::Card) => ("/payment/xumo", json!({"amount": self.tiyin()})),
            Wish::Back(back) => {
                ("/payment/xumo", json!({"amount": back.tiyin, "is_return": true, "request_id": back.name}))
            }
            Wish::Closing => ("/payment/xumo_close", json!({})),
            Wish::Sale(Method::Sbp(_)) => ("/api/v1/sbp/sale", self.sbp_request()),
            Wish::SbpBack(back) => {
                return (format!("/api/v1/sbp/sale/{}/refund", back.name), self.sbp_back_request(back));
            }
        };
        (path.to_owned(), body)
    }

    /// Where a paid order's receipt is brought, and how.
    pub(crate) fn receipt(&self) -> Option<(String, Value)> {
        let id = self.transaction_id.as_deref().unwrap_or_default();
        match self.wish {
            Wish::Sale(Method::Click) => {
                Some(("/payment/click_confirm".to_owned(), json!({"transaction_id": id, "qrcode": self.link()})))
            }
            Wish::Sale(Method::Payme) => {
                Some(("/payment/payme_confirm".to_owned(), json!({"transaction_id": id, "qr_code_url": self.link()})))
            }
            Wish::Sale(Method::Sbp(_)) => Some((format!("/api/v1/sbp/sale/{id}/receipt"), self.document())),
            _ => None,
        }
    }

    /// A refusal by which nothing was begun: the counter or the PinPad has something else to do, or an operation before it is not known to
    /// have ended. A part of a sale goes back only after its shift, which the terminal may learn later than the bank.
    pub(crate) fn is_put_off_by(&self, code: i64) -> bool {
        let by_its_kind = match &self.wish {
            Wish::Closing => code == 927,
            Wish::Back(back) => code == 926 && back.tiyin < back.sale_tiyin,
            Wish::Sale(_) | Wish::SbpBack(_) => false,
        };
        (910..=913).contains(&code) || by_its_kind
    }

    /// So often the vendors' books have what this order asks for, others like it included ([`Order::is_like`]).
    pub(crate) fn in_the_books(&self, vendors: &Vendors) -> usize {
        let amount = |e: &hal::sim::pinpad::Entry| i64::try_from(e.amount_minor).unwrap_or(i64::MAX);
        let books = vendors.pinpad.ledger();
        match &self.wish {
            Wish::Sale(Method::Card) => {
                books.entries.iter().filter(|e| e.kind == Kind::Sale && amount(e) == self.tiyin()).count()
            }
            Wish::Sale(Method::Sbp(_)) | Wish::SbpBack(_) => self.in_qrms_books(vendors),
            Wish::Sale(_) => {
                let wanted = self.code();
                let ours = |e: &Entry| matches!(e, Entry::Charge { amount_minor, code, .. } if *amount_minor == self.tiyin() && *code == wanted);
                vendors.gateway.entries().iter().filter(|e| ours(e)).count()
            }
            Wish::Back(back) => {
                let voids =
                    |e: &hal::sim::pinpad::Entry| e.voided && amount(e) == back.tiyin && back.tiyin == back.sale_tiyin;
                let refunds = |e: &hal::sim::pinpad::Entry| e.kind == Kind::Refund && amount(e) == back.tiyin;
                books.entries.iter().filter(|e| voids(e) || refunds(e)).count()
            }
            Wish::Closing => usize::try_from(books.shift - 1).expect("few shifts"),
        }
    }

    /// The books cannot tell the two apart.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (&self.wish, &other.wish) {
            (Wish::Back(one), Wish::Back(two)) | (Wish::SbpBack(one), Wish::SbpBack(two)) => {
                (one.of, one.tiyin) == (two.of, two.tiyin)
            }
            (Wish::Closing, Wish::Closing) => true,
            _ => false,
        }
    }
}
