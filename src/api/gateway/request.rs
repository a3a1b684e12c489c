//! A till's body → an [`Event`]. Every dialect that the gateway's documents printed over the years is taken (providers.md §1).

use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::json::{FieldErrors, Fields, Need};
use crate::limits;
use crate::payment::card::{RunId, SettlementId};
use crate::payment::event::{Confirm, Event, GiveBack, SaleRef, Sell};
use crate::payment::fiscal::Receipt;
use crate::payment::money::Unit;
use crate::payment::receipt::{ReceiptError, ReceiptLink};
use crate::payment::sale::{Method, PaymentId, RefundId, Token};

/// Who asks, and under which key: what makes a request the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// The till, so that two tills never share a key.
    pub(super) till: String,
    /// Its `Idempotency-Key`.
    pub(super) key: Option<String>,
}

impl Asker {
    /// The token of a request that asked for `words`. The digest is the words themselves: they are short, and a store that shows what
    /// was asked is easier to trust than one that shows a hash.
    fn token(&self, words: &[&str]) -> Option<Token> {
        self.key.as_ref().map(|key| Token { key: format!("{}/{key}", self.till), digest: words.join(" ") })
    }
}

/// The names of the amount and of the till's own order number in every dialect.
const AMOUNT: &str = "amount";
const ORDER: &str = "order_id";
/// The provider's id of a sale in a confirm.
const CLICK_ID: &[&str] = &["payment_id", "payme_id"];
const PAYME_ID: &[&str] = &["payme_id", "payment_id"];
/// The receipt's link: 2023-01 CLICK, its own example's misspelling, 2023-02-28 and later, 2023-01 PAYME.
const CLICK_LINK: &[&str] = &["qrcode", "qrcodel", "qr_code", "qr_code_url"];
const PAYME_LINK: &[&str] = &["qr_code_url", "qr_code", "qrcode", "qrcodel"];

/// `POST /payment/click` and `/payment/payme`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; this is its description")]
pub(in crate::api) struct CodeSale {
    /// What is paid, in whole sums unless `amount_unit` is set otherwise.
    #[schema(minimum = 1, maximum = 10_000_000_000_u64, example = 500)]
    amount: u64,
    /// The customer's code, as scanned. Left out: the terminal waits for its own scanner.
    #[schema(min_length = 1, max_length = 512, example = "880101698207133392")]
    qr_code: Option<String>,
    /// The till's own number for the order.
    #[schema(min_length = 1, max_length = 64, example = "17")]
    order_id: Option<String>,
}

/// `POST /payment/xumo`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; this is its description")]
pub(in crate::api) struct CardRequest {
    /// What is paid or given back, in tiyin unless `amount_unit` is set otherwise: 50000 is 500.00 UZS.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64, example = 50_000)]
    amount: u64,
    /// Give a sale back. Left out: sell.
    is_return: Option<bool>,
    /// The sale to be given back, by its RRN or by our `transaction_id`; needed with `is_return`.
    #[schema(min_length = 1, max_length = 64)]
    request_id: Option<String>,
    /// The till's own number for the order.
    #[schema(min_length = 1, max_length = 64, example = "17")]
    order_id: Option<String>,
}

/// `POST /payment/click_confirm`. The other dialects of the gateway's documents are taken as well.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; this is its description")]
pub(in crate::api) struct ClickConfirm {
    /// The sale, by CLICK's own id; `transaction_id` beside or in place of it names it by ours.
    #[schema(min_length = 1, max_length = 64, example = "2354512461")]
    payment_id: Option<String>,
    /// The sale, by our name.
    #[schema(format = "uuid")]
    transaction_id: Option<String>,
    /// The fiscal receipt's link.
    #[schema(
        max_length = 512,
        example = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161"
    )]
    qrcode: String,
}

/// `POST /payment/payme_confirm`. The other dialects of the gateway's documents are taken as well.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; this is its description")]
pub(in crate::api) struct PaymeConfirm {
    /// The sale, by PAYME's own id; `transaction_id` beside or in place of it names it by ours.
    #[schema(min_length = 1, max_length = 64, example = "63c8f5e0e2f5d8b1c4a7d9e2")]
    payme_id: Option<String>,
    /// The sale, by our name.
    #[schema(format = "uuid")]
    transaction_id: Option<String>,
    /// The fiscal receipt's link.
    #[schema(
        max_length = 512,
        example = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161"
    )]
    qr_code_url: String,
    /// The receipt's number; compared with the link's.
    #[schema(min_length = 1, max_length = 64, example = "2421")]
    receipt_id: Option<String>,
    /// The fiscal sign; compared with the link's.
    #[schema(min_length = 1, max_length = 64, example = "514343190161")]
    fiscal_sign: Option<String>,
}

/// `POST /payment/cancel`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read field by field; this is its description")]
pub(in crate::api) struct CallOff {
    /// The payment. Left out: whatever waits at the counter.
    #[schema(format = "uuid")]
    transaction_id: Option<String>,
}

/// `POST /payment/click`, `/payment/payme`: `{amount, qr_code?, order_id?}`. Without a code the terminal's scanner is waited for.
pub(super) fn sale(body: &[u8], method: Method, unit: Unit, asker: &Asker) -> Result<(PaymentId, Event), FieldErrors> {
    let mut fields = Fields::read(body)?;
    let amount = fields.amount(AMOUNT, unit);
    let code = fields.text(&["qr_code"], Need::Optional, limits::CODE_MAX_CHARS);
    let order_id = fields.text(&[ORDER], Need::Optional, limits::ORDER_ID_MAX_CHARS);
    let amount = fields.finish(amount)?;
    let words = [
        method.name(),
        &amount.minor().to_string(),
        code.as_deref().unwrap_or("-"),
        order_id.as_deref().unwrap_or("-"),
    ];
    let token = asker.token(&words);
    let id = PaymentId(Uuid::new_v4());
    let run = RunId(Uuid::new_v4());
    Ok((id, Event::Sell(Sell { id, run, method, amount, code, token, order_id, sbp: None, display: true })))
}

/// `POST /payment/xumo`: `{amount, order_id?}` sells, `{amount, is_return: true, request_id}` gives back.
pub(super) fn xumo(body: &[u8], unit: Unit, asker: &Asker) -> Result<(Option<PaymentId>, Event), FieldErrors> {
    let mut fields = Fields::read(body)?;
    if !fields.flag("is_return") {
        fields.finish(Some(()))?;
        let (id, event) = sale(body, Method::Humo, unit, asker)?;
        return Ok((Some(id), without_code(event)));
    }
    let amount = fields.amount(AMOUNT, unit);
    let of = fields.text(&["request_id", "transaction_id"], Need::Required, limits::ORDER_ID_MAX_CHARS);
    let (amount, of) = fields.finish(amount.zip(of))?;
    let token = asker.token(&["return", &amount.minor().to_string(), &of]);
    let of = sale_ref(Method::Humo, of);
    let back = GiveBack { id: RefundId(Uuid::new_v4()), run: RunId(Uuid::new_v4()), of, amount, token };
    Ok((None, Event::GiveBack(back)))
}

/// A card needs no code; a till that sends one all the same means nothing by it.
fn without_code(event: Event) -> Event {
    match event {
        Event::Sell(sell) => Event::Sell(Sell { code: None, ..sell }),
        other => other,
    }
}

/// `/payment/xumo_close`: no fields, and no body is needed.
pub(super) fn close(body: &[u8], asker: &Asker) -> Result<Event, FieldErrors> {
    if !body.is_empty() {
        Fields::read(body)?;
    }
    let token = asker.token(&["settle"]);
    Ok(Event::Settle { id: SettlementId(Uuid::new_v4()), run: RunId(Uuid::new_v4()), token })
}

/// `POST /payment/click_confirm`, `/payment/payme_confirm`, in every dialect. A number and a sign that contradict the link are refused.
pub(super) fn confirm(body: &[u8], method: Method) -> Result<Event, FieldErrors> {
    let (ids, links) = if method == Method::Payme { (PAYME_ID, PAYME_LINK) } else { (CLICK_ID, CLICK_LINK) };
    let mut fields = Fields::read(body)?;
    let ours = fields.uuid("transaction_id", Need::Optional);
    let need = if ours.is_some() { Need::Optional } else { Need::Required };
    let theirs = fields.text(ids, need, limits::ORDER_ID_MAX_CHARS);
    let receipt = link_receipt(&mut fields, links);
    let of = ours.map(|id| SaleRef::Payment(PaymentId(id))).or(theirs.map(|id| sale_ref(method, id)));
    let (receipt, of) = fields.finish(receipt.zip(of))?;
    Ok(Event::Confirm(Confirm { method, of, receipt }))
}

/// A receipt's link, under the first of `links` that is there, with its number and its sign where the till sends them beside it.
pub(in crate::api) fn link_receipt(fields: &mut Fields<'_>, links: &[&str]) -> Option<Receipt> {
    let name = fields.spelling(links);
    let link = fields.text(links, Need::Required, limits::CODE_MAX_CHARS);
    let number = fields.text(&["receipt_id"], Need::Optional, limits::ORDER_ID_MAX_CHARS);
    let sign = fields.text(&["fiscal_sign"], Need::Optional, limits::ORDER_ID_MAX_CHARS);
    match ReceiptLink::parse(&link?) {
        Ok(link) => receipt(fields, link, number.as_deref(), sign.as_deref()),
        Err(error) => {
            fields.mistake(name, format!("{error}."));
            None
        }
    }
}

fn receipt(fields: &mut Fields<'_>, link: ReceiptLink, number: Option<&str>, sign: Option<&str>) -> Option<Receipt> {
    match Receipt::from_link(link, number, sign) {
        Ok(receipt) => return Some(receipt),
        Err(error @ ReceiptError::ReceiptIdDiffers { .. }) => fields.mistake("receipt_id", format!("{error}.")),
        Err(error @ ReceiptError::FiscalSignDiffers { .. }) => fields.mistake("fiscal_sign", format!("{error}.")),
    }
    None
}

/// `POST /payment/cancel`: `{transaction_id?}`; without one, and without a body, whatever waits at the counter.
pub(super) fn cancel(body: &[u8]) -> Result<Event, FieldErrors> {
    let mut fields = if body.is_empty() { Fields::none() } else { Fields::read(body)? };
    let payment = fields.uuid("transaction_id", Need::Optional).map(PaymentId);
    fields.finish(Some(Event::Cancel { payment, operator: false }))
}

/// A sale by the name that the till has for it. The providers' ids never have the form of a UUID, ours always has: a till that knows
/// only our name may send it where the documents print the provider's.
fn sale_ref(method: Method, name: String) -> SaleRef {
    match Uuid::try_parse(&name) {
        Ok(id) if name.len() == 36 => SaleRef::Payment(PaymentId(id)),
        _ => SaleRef::Upstream(method, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://ofd.soliq.uz/check?t=UZ170703100597&r=2421&c=20230104121801&s=514343190161";

    fn asker(key: Option<&str>) -> Asker {
        Asker { till: "till-1".to_owned(), key: key.map(str::to_owned) }
    }

    fn confirmed(body: &str, method: Method) -> Result<Confirm, String> {
        match confirm(body.as_bytes(), method) {
            Ok(Event::Confirm(confirm)) => Ok(confirm),
            Ok(other) => panic!("{other:?}"),
            Err(errors) => Err(serde_json::to_string(&errors).unwrap()),
        }
    }

    #[test]
    fn the_same_request_has_the_same_token_and_another_request_another_digest() {
        let token = |body: &str, till: &str| {
            let asker = Asker { till: till.to_owned(), key: Some("k".to_owned()) };
            match sale(body.as_bytes(), Method::Click, Unit::Sum, &asker).unwrap().1 {
                Event::Sell(sell) => sell.token.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let first = token(r#"{"amount":500,"qr_code":"88"}"#, "a");
        assert_eq!(first, token(r#"{ "qr_code":"88", "cashier":"Olim", "amount":500.0 }"#, "a"));
        assert_ne!(first.digest, token(r#"{"amount":501,"qr_code":"88"}"#, "a").digest);
        assert_ne!(first.digest, token(r#"{"amount":500,"qr_code":"89"}"#, "a").digest);
        assert_ne!(first.digest, token(r#"{"amount":500,"qr_code":"88","order_id":7}"#, "a").digest);
        assert_ne!(first.key, token(r#"{"amount":500,"qr_code":"88"}"#, "b").key, "tills share no keys");
        assert_eq!(asker(None).token(&["x"]), None);
    }

    #[test]
    fn every_confirm_dialect_names_the_same_sale_and_receipt() {
        let click = SaleRef::Upstream(Method::Click, "2354512461".to_owned());
        for body in [
            format!(r#"{{"payment_id":"2354512461","qrcode":"{LINK}"}}"#),
            format!(r#"{{"payment_id":2354512461,"qrcodel":"{LINK}"}}"#),
            format!(r#"{{"payment_id":"2354512461","qr_code":"{LINK}"}}"#),
        ] {
            let told = confirmed(&body, Method::Click).unwrap();
            assert_eq!((told.of, told.receipt.link().unwrap().receipt_id.as_str()), (click.clone(), "2421"), "{body}");
        }
        let payme = SaleRef::Upstream(Method::Payme, "63b5282a6f47f572807fd53e".to_owned());
        for body in [
            format!(
                r#"{{"payme_id":"63b5282a6f47f572807fd53e","receipt_id":"2421","qr_code_url":"{LINK}","fiscal_sign":"514343190161"}}"#
            ),
            format!(
                r#"{{"payment_id":"63b5282a6f47f572807fd53e","receipt_id":2421,"qr_code":"{LINK}","fiscal_sign":514343190161}}"#
            ),
            format!(r#"{{"payment_id":"63b5282a6f47f572807fd53e","qr_code":"{LINK}"}}"#),
        ] {
            let told = confirmed(&body, Method::Payme).unwrap();
            assert_eq!(
                (told.of, told.receipt.link().unwrap().fiscal_sign.as_str()),
                (payme.clone(), "514343190161"),
                "{body}"
            );
        }
        let id = Uuid::from_u128(9);
        for body in [
            format!(r#"{{"transaction_id":"{id}","payment_id":"1","qrcode":"{LINK}"}}"#),
            format!(r#"{{"payment_id":"{id}","qrcode":"{LINK}"}}"#),
        ] {
            assert_eq!(confirmed(&body, Method::Click).unwrap().of, SaleRef::Payment(PaymentId(id)), "{body}");
        }
    }

    #[test]
    fn a_confirm_that_contradicts_its_link_names_the_field() {
        let with = |more: &str| format!(r#"{{"payme_id":"1","qr_code_url":"{LINK}",{more}}}"#);
        for (more, said) in [
            (r#""receipt_id":"2422""#, r#"{"receipt_id":["receipt_id 2422 is not the link's r=2421."]}"#),
            (r#""fiscal_sign":null"#, r#"{"fiscal_sign":["This field may not be null."]}"#),
            (r#""fiscal_sign":"1""#, r#"{"fiscal_sign":["fiscal_sign 1 is not the link's s=514343190161."]}"#),
        ] {
            assert_eq!(confirmed(&with(more), Method::Payme).unwrap_err(), said);
        }
        let told = confirmed(r#"{"payment_id":"","qrcode":"https://example.org/?t=1"}"#, Method::Click).unwrap_err();
        assert!(
            told.starts_with(r#"{"payment_id":["This field may not be blank."],"qrcode":["not a fiscal"#),
            "{told}"
        );
    }

    #[test]
    fn a_return_takes_the_rrn_as_text_or_number_or_our_own_name() {
        let of = |id: &str| {
            let body = format!(r#"{{"amount":50000,"is_return":true,"request_id":{id}}}"#);
            match xumo(body.as_bytes(), Unit::Tiyin, &asker(None)).unwrap() {
                (None, Event::GiveBack(back)) => (back.of, back.amount.minor()),
                other => panic!("{other:?}"),
            }
        };
        let rrn = SaleRef::Upstream(Method::Humo, "231511584547".to_owned());
        assert_eq!(of("\"231511584547\""), (rrn.clone(), 50_000));
        assert_eq!(of("231511584547"), (rrn, 50_000));
        let id = Uuid::from_u128(3);
        assert_eq!(of(&format!("\"{id}\"")).0, SaleRef::Payment(PaymentId(id)));
        let missing = xumo(br#"{"amount":1,"is_return":true}"#, Unit::Tiyin, &asker(None)).unwrap_err();
        assert_eq!(serde_json::to_string(&missing).unwrap(), r#"{"request_id":["This field is required."]}"#);
        let odd = xumo(br#"{"amount":1,"is_return":"yes"}"#, Unit::Tiyin, &asker(None)).unwrap_err();
        assert_eq!(serde_json::to_string(&odd).unwrap(), r#"{"is_return":["Must be a valid boolean."]}"#);
    }

    #[test]
    fn a_cancel_needs_no_body() {
        assert!(matches!(cancel(b""), Ok(Event::Cancel { payment: None, operator: false })));
        assert!(matches!(cancel(b"{}"), Ok(Event::Cancel { payment: None, .. })));
        let told = serde_json::to_string(&cancel(br#"{"transaction_id":"7"}"#).unwrap_err()).unwrap();
        assert_eq!(told, r#"{"transaction_id":["Must be a valid UUID."]}"#);
    }
}
