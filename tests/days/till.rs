//! What people at tills want, and what they were told.

use std::sync::Arc;

use tolov::driver::Ticket;
use tolov::payment::fiscal::{LinkReceipt, Receipt};
use tolov::payment::sale::{Method, Payment, PaymentId, Token};
use tolov::payment::sbp::SbpAsk;
use tolov::payment::{Currency, Money};

/// One sale that a cashier wants, through all its requests.
pub(crate) struct Intent {
    pub(crate) method: Method,
    pub(crate) amount: i64,
    pub(crate) token: Option<Token>,
    pub(crate) code: Option<String>,
    /// The code that the customer will show to the scanner.
    pub(crate) shows: String,
    pub(crate) presses: u32,
    pub(crate) pressed_ms: u64,
    pub(crate) waiting: Option<Ticket>,
    /// The last payment that the till saw.
    pub(crate) payment: Option<PaymentId>,
    /// The last final answer that was read.
    pub(crate) heard: Option<Arc<Payment>>,
    pub(crate) given_up: bool,
    pub(crate) receipt: Receipt,
    pub(crate) confirmed: bool,
    pub(crate) gives_back: Option<tolov::payment::sale::RefundId>,
}

impl Intent {
    pub(crate) fn money(&self) -> Money {
        let currency = if self.method == Method::Sbp { Currency::Rub } else { Currency::Uzs };
        Money::from_minor(self.amount, currency)
    }

    /// What is asked of QRManager.
    pub(crate) fn asks_for(&self) -> Option<Box<SbpAsk>> {
        let ask = SbpAsk { profile: "main".to_owned(), ..SbpAsk::default() };
        (self.method == Method::Sbp).then(|| Box::new(ask))
    }

    /// A till that can say "the same sale as before".
    pub(crate) fn repeats(&self) -> bool {
        self.token.is_some() || self.code.is_some() || self.method == Method::Humo
    }
}

pub(crate) fn receipt(number: usize) -> Receipt {
    let (receipt_id, fiscal_sign) = (format!("{}", 100 + number), "123456789012".to_owned());
    let link = format!("https://ofd.soliq.uz/check?t=UZ170703100597&r={receipt_id}&c=20260301120000&s={fiscal_sign}");
    Receipt::Link(LinkReceipt { link: link.try_into().unwrap(), receipt_id, fiscal_sign })
}
