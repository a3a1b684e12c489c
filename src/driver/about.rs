//! Which payment an event is about, where that can be told before it is decided: whoever reads of a fault has to know whose it was.

use std::sync::Arc;

use tracing::Span;

use crate::log;
use crate::payment::card::RunId;
use crate::payment::event::{Event, SaleRef};
use crate::payment::sale::{Payment, PaymentId};
use crate::payment::sbp::SbpHeard;
use crate::payment::terminal::{PinpadAt, Terminal};

/// Where everything is said that is said of this event; nowhere in particular where it is about no payment.
pub(super) fn span(terminal: &Terminal, event: &Event) -> Span {
    let Some(id) = payment_of(terminal, event) else { return Span::none() };
    terminal.payments.get(&id).map_or_else(|| log::payment_named(id), |payment| log::payment(payment))
}

pub(super) fn payment_of(terminal: &Terminal, event: &Event) -> Option<PaymentId> {
    match event {
        Event::Sell(sell) => Some(sell.id),
        Event::Create(create) => Some(create.id),
        Event::Ask(ask) => Some(ask.payment),
        Event::GiveBack(back) => sale_of(terminal, &back.of),
        Event::Confirm(confirm) => sale_of(terminal, &confirm.of),
        Event::Cancel { payment, .. } => payment.or_else(|| terminal.counter().map(|payment| payment.id)),
        Event::Scanned { .. } => terminal.counter().map(|payment| payment.id),
        Event::TillGone { payment }
        | Event::Answered { payment }
        | Event::ProviderAnswered { payment, .. }
        | Event::Delivered { payment, .. }
        | Event::Resolve { payment, .. }
        | Event::RetryConfirmation { payment, .. }
        | Event::SignConfirmation { payment, .. }
        | Event::Sbp(
            SbpHeard::Code { payment, .. }
            | SbpHeard::Status { payment, .. }
            | SbpHeard::Silent { payment }
            | SbpHeard::Refund { payment, .. },
        ) => Some(*payment),
        Event::PinpadStatus { run, .. } | Event::PinpadSaid { run, .. } | Event::PinpadFinished { run, .. } => {
            run_for(terminal, *run)
        }
        Event::Settle { .. }
        | Event::Sbp(_)
        | Event::RegisterLink(_)
        | Event::PinpadUp
        | Event::PinpadDown { .. }
        | Event::CloseSales { .. }
        | Event::OpenSales { .. }
        | Event::Scanner { .. }
        | Event::Started
        | Event::Tick { .. } => None,
    }
}

fn sale_of(terminal: &Terminal, of: &SaleRef) -> Option<PaymentId> {
    match of {
        SaleRef::Payment(id) => Some(*id),
        SaleRef::Upstream(method, upstream) => {
            let named = |payment: &&Arc<Payment>| {
                let id = payment.approval.as_ref().and_then(|approval| approval.payment_id.as_ref());
                payment.method == *method && id == Some(upstream)
            };
            terminal.payments.values().find(named).map(|payment| payment.id)
        }
    }
}

/// A run's own payment, or the one that it asks about.
fn run_for(terminal: &Terminal, run: RunId) -> Option<PaymentId> {
    let at_work = terminal.pinpad.at.as_ref().filter(|at| at.run() == run).and_then(PinpadAt::payment);
    let own = |payment: &&Arc<Payment>| payment.runs().any(|own| own.id == run);
    at_work.or_else(|| terminal.payments.values().find(own).map(|payment| payment.id))
}
