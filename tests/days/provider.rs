//! CLICK and PAYME, with a book of their own: what was charged and which receipts arrived, whatever the terminal heard of it.

use std::collections::BTreeMap;

use tolov::payment::event::{Delivery, Outcome};
use tolov::payment::fiscal::Receipt;
use tolov::payment::sale::{Approval, Decline, DeclineKind, Payment, PaymentId};

use super::dice::Dice;

#[derive(Default)]
pub(crate) struct Provider {
    /// How often each payment was charged, and under which id.
    pub(crate) charged: BTreeMap<PaymentId, (u32, String)>,
    /// Receipts by the provider's id.
    pub(crate) receipts: BTreeMap<String, Vec<Receipt>>,
    next: u64,
}

impl Provider {
    /// A request to pay arrives. What comes back, each with its delay, ms: nothing, one answer, or two.
    pub(crate) fn charge(&mut self, p: &Payment, dice: &mut Dice, faults: bool) -> Vec<(u64, Outcome)> {
        let fate = if faults { dice.below(20) } else { 19 };
        if fate == 0 {
            return vec![(5_000, Outcome::NotSent { text: "no route".into() })];
        }
        let slow = if dice.percent(20) { dice.below(60_000) } else { dice.below(2_000) };
        let decline = Decline { why: DeclineKind::Refused, code: Some("106".into()), message: None };
        if fate <= 2 {
            return vec![(slow, Outcome::Refused(decline))];
        }
        let lost = |why: &str| Outcome::InDoubt { text: why.to_owned() };
        if fate == 3 {
            return vec![(60_000, lost("nobody answered"))];
        }
        self.next += 1;
        let id = format!("{}", 7_000 + self.next);
        let entry = self.charged.entry(p.id).or_insert((0, id.clone()));
        entry.0 += 1;
        let payment_id = (!faults || !dice.percent(6)).then_some(id);
        let approved = Outcome::Approved(Approval { payment_id, ..Approval::default() });
        match fate {
            4 => vec![(60_000, lost("the answer was cut"))],
            5 => vec![(slow, lost("garbage"))],
            6 => vec![(slow, approved.clone()), (slow + 10, approved)],
            7 => vec![(60_000, lost("the answer was late")), (61_000, approved)],
            8 => vec![(slow, lost("HTTP 500")), (slow + 1, lost("HTTP 500"))],
            _ => vec![(slow, approved)],
        }
    }

    /// A receipt arrives.
    pub(crate) fn deliver(&mut self, p: &Payment, receipt: &Receipt, dice: &mut Dice, faults: bool) -> Delivery {
        let fate = if faults { dice.below(8) } else { 7 };
        let retry = |text: &str| Delivery::Retry { text: text.to_owned() };
        if fate == 0 {
            return retry("no route");
        }
        let id = p.approval.as_ref().and_then(|a| a.payment_id.clone()).unwrap_or_default();
        if fate == 1 {
            return Delivery::Refused { text: "7".into() };
        }
        self.receipts.entry(id).or_default().push(receipt.clone());
        if fate == 2 { retry("the answer was lost") } else { Delivery::Confirmed { answer: None } }
    }
}
