//! Sales and clients as the tests need them.

use std::sync::Arc;

use secrecy::SecretString;
use tolov::payment::sale::{Method, Payment, PaymentId, Private, Refund, RefundId, RefundKind, RefundState, State};
use tolov::payment::sbp::{Loyalty, LoyaltyKind, Points, QrCode, Sbp, SbpAsk};
use tolov::payment::{Currency, Money};
use tolov::provider::qrm::{Qrm, QrmSettings, Sockets};
use uuid::Uuid;

pub(crate) const KEY: &str = "IDvAIB7E.K02zjE1o7P1ZiwDQi5yC4EBrP71Fr8Js";

pub(crate) fn rub(kopecks: i64) -> Money {
    Money::from_minor(kopecks, Currency::Rub)
}

pub(crate) fn settings(base_url: &str) -> QrmSettings {
    QrmSettings {
        base_url: base_url.to_owned(),
        receipts: None,
        sockets: Sockets::PerOperation,
        web_links: false,
        strict_nomenclature: false,
        timeout_ms: 2_000,
        connect_timeout_ms: 1_000,
        polls_per_minute: 60,
    }
}

pub(crate) fn client(base_url: &str, key: &str) -> Qrm {
    with_settings(settings(base_url), key)
}

pub(crate) fn with_settings(settings: QrmSettings, key: &str) -> Qrm {
    let key = key.to_owned();
    Qrm::new("main", settings, Arc::new(move || Some(SecretString::from(key.clone()))))
}

/// A sale that asks for its code.
pub(crate) fn sale(kopecks: i64, ask: SbpAsk) -> Payment {
    Payment {
        attended: true,
        state: State::AwaitingPayer,
        sbp: Some(Box::new(Sbp { ask, ..Sbp::default() })),
        ..Payment::new(PaymentId(Uuid::new_v4()), Method::Sbp, rub(kopecks), 0)
    }
}

pub(crate) fn ask() -> SbpAsk {
    SbpAsk { profile: "main".to_owned(), ..SbpAsk::default() }
}

/// With the till's own text.
pub(crate) fn ask_for(purpose: &str) -> SbpAsk {
    SbpAsk { purpose: Private(Some(purpose.to_owned())), own_purpose: true, ..ask() }
}

pub(crate) fn card(kind: LoyaltyKind, points: Option<i64>, base_kopecks: Option<i64>) -> Loyalty {
    Loyalty {
        phone: Private(Some("+79000000000".to_owned())),
        phone_masked: "+79•••••0000".to_owned(),
        client_id: 257_065,
        kind,
        points: points.map(Points),
        base_amount: base_kopecks.map(rub),
    }
}

pub(crate) fn sbp(payment: &mut Payment) -> &mut Sbp {
    payment.sbp.as_mut().expect("an SBP sale")
}

/// A sale whose code is there.
pub(crate) fn with_code(kopecks: i64, operation_id: &str) -> Payment {
    let mut payment = sale(kopecks, ask());
    sbp(&mut payment).code = Some(QrCode {
        operation_id: operation_id.to_owned(),
        number: "4316-4040-0201-6359".to_owned(),
        link: "https://qr.nspk.ru/1".to_owned(),
        params_id: None,
    });
    payment
}

/// A sale at a cash link.
pub(crate) fn at_link(mut payment: Payment, link_id: &str) -> Payment {
    let sbp = sbp(&mut payment);
    sbp.ask.cash_link = true;
    sbp.link_id = Some(link_id.to_owned());
    payment
}

/// The sale with a refund that QRManager named, or did not.
pub(crate) fn with_refund(mut payment: Payment, kopecks: i64, named: Option<&str>) -> (Payment, RefundId) {
    let id = RefundId(Uuid::new_v4());
    payment.refunds.push(Refund {
        id,
        kind: RefundKind::Refund,
        amount: rub(kopecks),
        token: None,
        created_ms: 0,
        state: RefundState::Requested,
        run: None,
        upstream_id: named.map(ToOwned::to_owned),
    });
    (payment, id)
}
