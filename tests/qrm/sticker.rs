//! A cash link from its registration to the sale that is paid at it, through the client and the core together.

use std::collections::BTreeMap;

use tolov::payment::event::{Effect, Event, RegisterLink, Sell};
use tolov::payment::machine::{Now, step};
use tolov::payment::sale::{Method, PaymentId};
use tolov::payment::sbp::{SbpAsk, SbpHeard, SbpOrder};
use tolov::payment::terminal::{Policy, Terminal};
use uuid::Uuid;

use crate::printed::example;
use crate::sales::{KEY, ask, client, rub};
use crate::server::{Says, Server};

fn terminal() -> Terminal {
    Terminal::new(Policy {
        methods: vec![Method::Sbp],
        sbp: BTreeMap::from([("main".to_owned(), None)]),
        sbp_open_max: 10,
        ..Policy::default()
    })
}

/// One step, and what QRManager is to be asked after it.
fn after(terminal: &mut Terminal, event: Event) -> Vec<SbpOrder> {
    let (next, decision) = step(terminal, &event, Now { wall_ms: 0, monotonic_ms: 0 }).expect("taken");
    *terminal = next;
    let order = |effect| if let Effect::Sbp(order) = effect { Some(order) } else { None };
    decision.effects.into_iter().filter_map(order).collect()
}

#[tokio::test]
async fn a_sale_at_a_cash_link_shows_the_stickers_own_link() {
    let says = |name: &str| Says::Answer(200, example(name));
    let server = Server::that([says("cash.register_expected"), says("cash.activate_expected")]).await;
    let client = client(&server.url(), KEY);
    let mut terminal = terminal();

    let wish = RegisterLink { profile: "main".to_owned(), size: Some(300), qrc_id: None, known: None };
    let orders = after(&mut terminal, Event::RegisterLink(wish));
    let [SbpOrder::RegisterLink { profile, size, qrc_id }] = &orders[..] else { panic!("{orders:?}") };
    let outcome = client.register_link(*size, qrc_id.as_deref()).await;
    after(&mut terminal, Event::Sbp(SbpHeard::LinkRegistered { profile: profile.clone(), outcome }));

    let id = PaymentId(Uuid::new_v4());
    let sell = Sell {
        id,
        run: tolov::payment::card::RunId(Uuid::new_v4()),
        method: Method::Sbp,
        amount: rub(600),
        code: None,
        token: None,
        order_id: None,
        sbp: Some(Box::new(SbpAsk { cash_link: true, ..ask() })),
        display: true,
    };
    let orders = after(&mut terminal, Event::Sell(sell));
    let [SbpOrder::Open { payment }] = &orders[..] else { panic!("{orders:?}") };
    let outcome = client.open(payment).await;
    after(&mut terminal, Event::Sbp(SbpHeard::Code { payment: id, outcome }));

    let code = terminal.payments[&id].sbp.as_ref().and_then(|sbp| sbp.code.clone()).expect("a code");
    assert_eq!(code.link, "https://qr.nspk.ru/BS1R003CN9P4NJ0F8QQA41JQRG1U4U44?type=01&bank=1crt88888881&crc=24BB");
    assert_eq!(code.operation_id, "470e3479-0144-4fe0-9268-1675cf2d1960");
    assert_eq!(code.params_id.as_deref(), Some("BP10007TBU1RQ11M9IC8648U21STFNNU"));
}
