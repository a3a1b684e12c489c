//! Tills that create a payment first and accept it later, in any order and with tokens that meet.

use tolov::payment::card::RunId;
use tolov::payment::event::Event;
use tolov::payment::order::{Accept, Ask, Asked, CancelReason, Create, Terms};
use tolov::payment::sale::{Method, PaymentId, State, Token};
use tolov::payment::sbp::SbpAsk;

use super::{AMOUNTS, CODES, World, sums};

impl World {
    pub(super) fn order(&mut self, kind: u8, which: u8, detail: u16) -> Event {
        let token = self.order_token(detail);
        if kind <= 41 {
            return Event::Create(Box::new(Create {
                id: PaymentId(self.name()),
                terms: terms(which, detail),
                token,
                order_id: None,
                sender_id: "guest".into(),
                recipient_id: "desk".into(),
            }));
        }
        let waiting = self.rows.values().rfind(|p| p.state == State::Created).map(|p| p.id);
        let payment = waiting.filter(|_| detail % 8 > 0).unwrap_or_else(|| self.some_payment(which));
        let what = match kind {
            42 => Asked::Edit(terms(which, detail)),
            43 if detail % 3 == 0 => {
                let reason = CancelReason::ALL[usize::from(detail) % CancelReason::ALL.len()];
                Asked::Cancel { reason }
            }
            _ => {
                let code = (which % 3 == 0).then(|| CODES[usize::from(detail) % CODES.len()].to_owned());
                Asked::Accept(Accept { run: RunId(self.name()), code, display: detail % 4 > 0 })
            }
        };
        Event::Ask(Box::new(Ask { payment, token, what }))
    }

    /// Mostly fresh ones; some meet each other, and those of other requests.
    fn order_token(&mut self, detail: u16) -> Token {
        let key = if detail % 6 == 0 {
            format!("key{}", detail % 40)
        } else {
            format!("till{}/order{}", detail % 3, self.name())
        };
        Token { key, digest: format!("{}", detail % 29 / 28) }
    }
}

fn terms(which: u8, detail: u16) -> Terms {
    let method = Method::ALL.get(usize::from(which % 7)).copied();
    let amount = sums(AMOUNTS[usize::from(detail % 3)]);
    let sbp = (method == Some(Method::Sbp)).then(|| Box::new(SbpAsk { profile: "main".into(), ..SbpAsk::default() }));
    let method_id = method.map_or("auto", Method::name).to_owned();
    Terms { method, method_id, amount, sbp }
}
