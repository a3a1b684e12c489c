//! The picture that everybody may see, made from the driver's state after each step.

use std::sync::Arc;

use crate::payment::sale::{Method, Payment, RefundState, State};
use crate::payment::terminal::Terminal;
use crate::snapshot::{Devices, Presence, QueueDepth, Shift, Snapshot, StoreHealth};

pub(super) fn of(
    terminal: &Terminal,
    queue: QueueDepth,
    store: &StoreHealth,
    last: Option<&Arc<Payment>>,
    faults: u64,
    (sequence, made_monotonic_ms): (u64, u64),
) -> Snapshot {
    let mut in_doubt: Vec<Arc<Payment>> =
        terminal.payments.values().filter(|p| is_in_doubt(terminal, p)).cloned().collect();
    in_doubt.sort_by_key(|p| p.created_ms);
    let pinpad = &terminal.pinpad;
    let line = if pinpad.up {
        Presence::Up
    } else {
        Presence::Down(pinpad.down_why.clone().unwrap_or_else(|| "not found yet".to_owned()))
    };
    let scanner = if terminal.scanner_present { Presence::Up } else { Presence::Down("not found yet".to_owned()) };
    let scans = terminal.policy.methods.iter().any(|m| m.scans());
    let needs = |method: &Method| *method == Method::Sbp || terminal.policy.merchant.is_some();
    Snapshot {
        sequence,
        made_monotonic_ms,
        methods: terminal.policy.methods.iter().copied().filter(needs).collect(),
        counter: terminal.counter().or_else(|| giving_back(terminal)).cloned(),
        held_code: held_code(terminal),
        card_soon: terminal.asks_for_card_at_monotonic_ms().is_some(),
        open: terminal.payments.values().filter(|p| is_at_work(p)).count(),
        last: last.cloned(),
        in_doubt,
        settlement: terminal.settlement.clone().filter(|s| !s.state.is_final()),
        shift: Shift {
            began_ms: terminal.register.shift_began_ms,
            before_began_ms: terminal.register.shift_before_began_ms,
            last: terminal.settlement.clone(),
        },
        queue,
        devices: Devices {
            pinpad: terminal.policy.methods.contains(&Method::Humo).then_some(line),
            scanner: scans.then_some(scanner),
        },
        code_is_fresh: terminal.counter().is_some_and(|p| !terminal.stale_codes.contains(&p.id)),
        stale_codes: terminal.stale_codes.clone(),
        full_of_codes: terminal.is_full_of_codes(),
        cash_links: Arc::new(terminal.register.cash_links.clone()),
        closed: terminal.register.closed.clone(),
        store: store.clone(),
        notice: terminal.notice.clone(),
        pinpad_status: pinpad.status.clone(),
        faults,
    }
}

/// Whose code is held for the payment at the counter.
fn held_code(terminal: &Terminal) -> Option<Method> {
    let counter = terminal.counter()?.id;
    terminal.held_code.as_ref().filter(|held| held.payment == counter).map(|held| held.method)
}

/// The payment whose money is on its way back through the PinPad: then it is what goes on at the counter.
fn giving_back(terminal: &Terminal) -> Option<&Arc<Payment>> {
    let at_work = |state: &RefundState| matches!(state, RefundState::Requested | RefundState::Processing);
    terminal.payments.values().find(|p| p.refunds.iter().any(|r| at_work(&r.state)))
}

/// In progress here. What nobody has accepted yet does not, and an SBP code waits for its payer by itself, whether the terminal runs or not.
fn is_at_work(payment: &Payment) -> bool {
    let waits_alone = payment.state == State::AwaitingPayer && payment.sbp.as_ref().is_some_and(|sbp| sbp.is_watched());
    payment.state.is_in_progress() && payment.state != State::Created && !waits_alone
}

fn is_in_doubt(terminal: &Terminal, payment: &Payment) -> bool {
    terminal.is_sale_doubted(payment) || payment.refunds.iter().any(|r| matches!(r.state, RefundState::InDoubt { .. }))
}
