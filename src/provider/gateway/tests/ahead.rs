//! Connections that are opened before their payment's intent is on disk, or before its code was scanned.

use super::*;

fn click() -> Payment {
    paid_sale(Method::Click).0
}

/// Until something has happened on the other side of a socket.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_connection_that_was_opened_ahead_says_nothing_before_its_charge_and_carries_no_other() {
    let server = Server::answering("200 OK", SUCCESS).await;
    let gateway = server.gateway(GatewayKind::Click);
    let ready = gateway.ready().await;
    until(|| server.connections() == 1).await;
    assert!(server.requests().is_empty());
    assert!(matches!(gateway.charge(&click(), ready).await, Outcome::Approved(_)));
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
    assert!(matches!(gateway.charge(&click(), Ready::default()).await, Outcome::Approved(_)));
    assert_eq!((server.connections(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_connection_that_is_held_for_a_scan_is_found_by_the_next_charge_alone() {
    let server = Server::answering("200 OK", SUCCESS).await;
    let gateway = server.gateway(GatewayKind::Click);
    tokio::spawn(gateway.expect());
    until(|| server.connections() == 1).await;
    let ready = gateway.ready().await;
    assert!(matches!(gateway.charge(&click(), ready).await, Outcome::Approved(_)));
    assert_eq!(server.connections(), 1);
    let ready = gateway.ready().await;
    until(|| server.connections() == 2).await;
    drop(ready);

    // Found as well while it is still being opened.
    let holding = tokio::spawn(gateway.expect());
    let ready = gateway.ready().await;
    assert!(matches!(gateway.charge(&click(), ready).await, Outcome::Approved(_)));
    holding.await.unwrap();
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_died_while_it_waited_is_replaced_before_the_first_byte() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n".to_owned();
    for end in [Act::CloseAtOnce, Act::SpeakAtOnce(timeout)] {
        let server = Server::start_after(vec![vec![end.clone()]], vec![Act::Send(http("200 OK", SUCCESS))]).await;
        let gateway = server.gateway(GatewayKind::Click);
        let ready = gateway.ready().await;
        until(|| server.connections() == 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let outcome = gateway.charge(&click(), ready).await;
        assert!(matches!(outcome, Outcome::Approved(_)), "{end:?}: {outcome:?}");
        assert_eq!((server.connections(), server.requests().len()), (2, 1), "{end:?}: the request was sent once");
    }
}

#[tokio::test]
async fn a_held_connection_that_died_is_not_handed_out() {
    let server = Server::start_after(vec![vec![Act::CloseAtOnce]], vec![Act::Send(http("200 OK", SUCCESS))]).await;
    let gateway = server.gateway(GatewayKind::Click);
    tokio::spawn(gateway.expect()).await.unwrap();
    let ready = gateway.ready().await;
    assert!(matches!(gateway.charge(&click(), ready).await, Outcome::Approved(_)));
    assert_eq!((server.connections(), server.requests().len()), (2, 1));
}

#[tokio::test]
async fn a_held_connection_that_nobody_takes_is_closed_at_its_limit() {
    let server = Server::answering("200 OK", SUCCESS).await;
    let gateway = server.gateway(GatewayKind::Click);
    let holding = tokio::spawn(gateway.expect());
    until(|| server.connections() == 1).await;
    tokio::time::pause();
    tokio::time::advance(limits::wait(limits::PROVIDER_READY_MS - 1_000)).await;
    assert!(!holding.is_finished());
    tokio::time::advance(limits::wait(1_001)).await;
    holding.await.unwrap();
    tokio::time::resume();
    // Its end, without a request, is what the server has heard.
    until(|| server.requests() == [""]).await;
}

#[tokio::test]
async fn a_server_that_could_not_be_reached_ahead_is_not_sent_and_not_tried_again() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = Gateway::new(GatewayKind::Click, settings(free));
    let ready = gateway.ready().await;
    // It comes up a moment too late for this payment.
    let listener = TcpListener::bind(free).await.unwrap();
    let outcome = gateway.charge(&click(), ready).await;
    let Outcome::NotSent { text } = &outcome else { panic!("{outcome:?}") };
    assert!(text.contains("refused"), "{text}");
    let nobody_came = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody_came.is_err());
}

#[tokio::test]
async fn a_doubt_is_not_made_smaller_by_a_connection_that_was_opened_ahead() {
    for (acts, expected) in
        [(vec![], "broke before the whole"), (vec![Act::Reset], "broke"), (vec![Act::Wait(2_000)], "within 600 ms")]
    {
        let server = Server::start(acts.clone()).await;
        let gateway = server.gateway(GatewayKind::Click);
        let ready = gateway.ready().await;
        let outcome = gateway.charge(&click(), ready).await;
        assert!(words(&outcome).contains(expected), "{acts:?}: {outcome:?}");
        assert_eq!((server.connections(), server.requests().len()), (1, 1), "{acts:?}");
    }
}
