//! What tills ask of SBP, and what QRManager says: anything, twice, in any order, about anybody.

use tolov::payment::event::{Event, GiveBack, RegisterLink, SaleRef, Sell};
use tolov::payment::sale::{Decline, DeclineKind, Method, RefundId};
use tolov::payment::sbp::{
    CodeOutcome, LinkOutcome, LinkState, Ofd, QrCode, QrStatus, RefundOutcome, SbpAsk, SbpHeard, SbpOrder,
};
use tolov::payment::terminal::Terminal;
use tolov::payment::{Currency, Effect, Money};

use super::{PaymentId, RunId, World};

/// The QR terminals: one whose receipts go through QRManager, and one whose do not.
const PROFILES: [&str; 2] = ["main", "bare"];

pub(super) fn profiles() -> std::collections::BTreeMap<String, Option<Ofd>> {
    [("main".to_owned(), Some(Ofd::Atol)), ("bare".to_owned(), None)].into()
}

impl World {
    pub(super) fn shown_code(&mut self, kind: u8, which: u8, detail: u16) -> Event {
        match kind % 4 {
            0 => self.code_sale(which, detail),
            1 => Event::Sbp(self.code_news(which, detail)),
            2 => Event::Sbp(SbpHeard::Status {
                payment: self.some_code(which),
                status: QrStatus::of_code(i64::from(detail % 11)),
                last: detail % 13 == 0,
            }),
            _ => self.behind_the_code(which, detail),
        }
    }

    fn code_sale(&mut self, which: u8, detail: u16) -> Event {
        let profile = PROFILES[usize::from(which % 2)].to_owned();
        let ask = SbpAsk { profile, cash_link: detail % 4 == 0, ..SbpAsk::default() };
        Event::Sell(Sell {
            id: PaymentId(self.name()),
            run: RunId(self.name()),
            method: Method::Sbp,
            amount: Money::from_minor([10_000, 25_000][usize::from(detail % 2)], Currency::Rub),
            code: None,
            token: self.token(detail),
            order_id: None,
            sbp: Some(Box::new(ask)),
            display: which % 3 == 0,
        })
    }

    fn code_news(&mut self, which: u8, detail: u16) -> SbpHeard {
        let payment = self.some_code(which);
        let text = "cut".to_owned();
        let outcome = match detail % 6 {
            0 => CodeOutcome::Lost { text },
            1 => CodeOutcome::NotSent { text },
            2 => CodeOutcome::Refused(Decline { why: DeclineKind::Refused, code: None, message: None }),
            _ => CodeOutcome::Made(QrCode {
                operation_id: format!("op{}", payment.0.as_u128()),
                number: "4316-4040-0201-6359".to_owned(),
                link: "https://qr.nspk.ru/x".to_owned(),
                params_id: None,
            }),
        };
        SbpHeard::Code { payment, outcome }
    }

    fn behind_the_code(&mut self, which: u8, detail: u16) -> Event {
        let profile = PROFILES[usize::from(which % 2)].to_owned();
        match detail % 6 {
            0 => self.code_refund(which, detail),
            1 | 2 => Event::Sbp(self.refund_news(which, detail / 6)),
            3 => Event::Sbp(SbpHeard::LinkDeactivated { profile }),
            4 => {
                let known = (detail % 7 == 0).then(|| ("BS1".to_owned(), "https://qr.nspk.ru/s".to_owned()));
                Event::RegisterLink(RegisterLink { profile, size: None, qrc_id: None, known })
            }
            _ => {
                let outcome = match detail % 5 {
                    0 => LinkOutcome::Refused { text: "no".to_owned() },
                    1 => LinkOutcome::Lost { text: "cut".to_owned() },
                    _ => LinkOutcome::Registered { id: "BS1".to_owned(), link: "https://qr.nspk.ru/s".to_owned() },
                };
                Event::Sbp(SbpHeard::LinkRegistered { profile, outcome })
            }
        }
    }

    fn code_refund(&mut self, which: u8, detail: u16) -> Event {
        Event::GiveBack(GiveBack {
            id: RefundId(self.name()),
            run: RunId(self.name()),
            of: SaleRef::Payment(self.some_code(which)),
            amount: Money::from_minor([4_000, 10_000, 25_000][usize::from(detail / 6 % 3)], Currency::Rub),
            token: self.token(detail),
        })
    }

    fn refund_news(&mut self, which: u8, detail: u16) -> SbpHeard {
        let payment = self.some_code(which);
        let refunds = self.rows.get(&payment).map(|p| p.refunds.as_slice()).unwrap_or_default();
        let refund = refunds.last().map_or(RefundId(uuid::Uuid::nil()), |r| r.id);
        let text = "cut".to_owned();
        let outcome = match detail % 7 {
            0 => RefundOutcome::Accepted { request_id: format!("BR{detail}") },
            1 => RefundOutcome::Refused(Decline { why: DeclineKind::Refused, code: None, message: None }),
            2 => RefundOutcome::NotSent { text },
            3 => RefundOutcome::InDoubt { text },
            _ => RefundOutcome::Done,
        };
        SbpHeard::Refund { payment, refund, outcome }
    }

    /// An SBP sale that exists, the younger the likelier; else anybody's.
    fn some_code(&self, which: u8) -> PaymentId {
        let mut codes: Vec<_> = self.rows.values().filter(|p| p.sbp.is_some()).map(|p| (p.created_ms, p.id)).collect();
        codes.sort_unstable();
        let back = usize::from(which / 4 % 8) / 3;
        codes.iter().rev().nth(back).map_or_else(|| self.some_payment(which), |(_, id)| *id)
    }

    /// A code is asked for once, and money back is asked for once; nobody is asked before the journal knows.
    pub(super) fn check_order(&mut self, order: &SbpOrder, facts: &[tolov::payment::Fact]) -> Result<(), String> {
        use tolov::payment::Fact;
        match order {
            SbpOrder::Open { payment } => {
                if !facts.iter().any(|f| matches!(f, Fact::Opened { payment: of, .. } | Fact::Accepted { payment: of, .. } if *of == payment.id)) {
                    return Err("a code was asked for without an intent in the journal".into());
                }
                let count = self.charged.entry(payment.id).or_default();
                *count += 1;
                if *count > 1 { Err("a second code was asked for".into()) } else { Ok(()) }
            }
            SbpOrder::Refund { refund, .. } => {
                if !facts.iter().any(|f| matches!(f, Fact::RefundOpened { refund: of, .. } if of == refund)) {
                    return Err("money back was asked for without an intent in the journal".into());
                }
                if self.sent_back.insert(*refund) { Ok(()) } else { Err("money back was asked for twice".into()) }
            }
            SbpOrder::RegisterLink { profile, .. } => {
                let registered = |f: &Fact| matches!(f, Fact::CashLinkBecame { profile: of, link } if of == profile && link.id.is_some());
                let before = self.journal.iter().any(|(_, fact)| registered(fact));
                if before { Err("a sticker was registered a second time".into()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// A sticker that may be live belongs to one sale, and to one that still waits or is watched.
    pub(super) fn check_links(&mut self, after: &Terminal) -> Result<(), String> {
        for (profile, link) in &after.register.cash_links {
            self.reached.insert(format!("sticker {}", link.state.name()));
            if let LinkState::Activating { payment } | LinkState::Active { payment } = &link.state
                && let Some(p) = after.payments.get(payment)
                && matches!(link.state, LinkState::Active { .. })
                && !p.sbp.as_ref().is_some_and(|sbp| sbp.is_watched())
            {
                return Err(format!("the sticker of {profile} is live for a sale that nobody watches"));
            }
        }
        Ok(())
    }
}

/// What may end a doubt of an SBP sale.
pub(super) fn is_evidence(heard: &SbpHeard) -> bool {
    match heard {
        SbpHeard::Status { status, last, .. } => status.is_final() || *last && *status == QrStatus::AttemptFailed,
        SbpHeard::Code { outcome, .. } => matches!(outcome, CodeOutcome::Refused(_) | CodeOutcome::NotSent { .. }),
        _ => false,
    }
}

/// The order among an effect's, if it is one.
pub(super) fn order(effect: &Effect) -> Option<&SbpOrder> {
    match effect {
        Effect::Sbp(order) => Some(order),
        _ => None,
    }
}
