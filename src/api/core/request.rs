//! A till's body → what it asks. Amounts are exact decimals of the currency's major unit, never floats; both spellings of `recipcient` are read.

use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::ApiSettings;
use crate::api::json::{FieldErrors, Fields, Need};
use crate::api::sbp::{meant, token, token_of};
use crate::limits;
use crate::payment::card::RunId;
use crate::payment::money::{Currency, Money, MoneyError, Unit};
use crate::payment::order::{Accept, CancelReason, Create, Terms};
use crate::payment::sale::{Method, PaymentId, Token};
use crate::payment::sbp::SbpAsk;

/// How a payment is to be paid, and how much.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct MoneyInfo {
    /// `humo` (a card), `click`, `payme` (the customer's code), `sbp` or `sbp:PROFILE` (a code that the terminal shows), or `auto`: a card
    /// or a code, whichever the customer shows first.
    #[schema(example = "auto", pattern = "^(humo|click|payme|auto|sbp(:[a-z0-9_-]{1,64})?)$")]
    pub(super) method_id: String,
    /// ISO 4217: `UZS`, and `RUB` for SBP.
    #[schema(example = "UZS", pattern = "^(UZS|RUB)$")]
    pub(super) currency: String,
    /// A decimal of the currency's major unit: 12500.50 is twelve thousand five hundred sums and fifty tiyin.
    #[schema(value_type = f64, minimum = 0.01, maximum = 10_000_000_000.0_f64, example = 12_500.0_f64)]
    pub(super) amount: Money,
    #[schema(ignore)]
    terms: Terms,
}

/// Who is paid.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct Recipient {
    /// The till's own reference: letters, digits and `-_.:@/`, and neither a name nor a phone. May be left out.
    #[schema(example = "shop-7", pattern = "^(?![0-9]{10,15}$)[A-Za-z0-9_.:@/-]{1,64}$", required = false)]
    pub(super) recipcient_id: String,
}

/// Who pays.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct Sender {
    /// The till's own reference: letters, digits and `-_.:@/`, and neither a name nor a phone. May be left out.
    #[schema(example = "order-19", pattern = "^(?![0-9]{10,15}$)[A-Za-z0-9_.:@/-]{1,64}$", required = false)]
    pub(super) sender_id: String,
}

/// `POST /api/v1/payment/create`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct CreateRequest {
    /// Names this request: the same token with the same body finds the first payment. A UUID is good.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "3e1d7a90-6f7b-4c52-9a0d-2b8f4c6d1e57")]
    pub(super) idempotency_token: String,
    /// How it is to be paid, and how much.
    pub(super) money_info: MoneyInfo,
    /// Who is paid; the spelling is seed 003's, and `recipient` is read as well. May be left out.
    #[schema(required = false)]
    pub(super) recipcient: Recipient,
    /// Who pays. May be left out.
    #[schema(required = false)]
    pub(super) sender: Sender,
    /// The till's own number for the order, kept with the payment.
    #[schema(min_length = 1, max_length = 64, example = "17")]
    pub(super) order_id: Option<String>,
}

impl CreateRequest {
    pub(super) fn read(body: &[u8], settings: &ApiSettings) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let idempotency_token = token(&mut fields);
        let money_info = fields.within("money_info", Need::Required, |money| money_info(money, settings));
        let recipient = fields.spelling(&["recipcient", "recipient"]);
        let recipient =
            fields.within(recipient, Need::Optional, |who| Some(reference(who, &["recipcient_id", "recipient_id"])));
        let sender = fields.within("sender", Need::Optional, |who| Some(reference(who, &["sender_id"])));
        let order_id = fields.number("order_id");
        let (idempotency_token, money_info) = fields.finish(idempotency_token.zip(money_info))?;
        Ok(Self {
            idempotency_token,
            money_info,
            recipcient: Recipient { recipcient_id: recipient.unwrap_or_default() },
            sender: Sender { sender_id: sender.unwrap_or_default() },
            order_id,
        })
    }

    pub(super) fn event(self, till: &str) -> Create {
        let terms = self.money_info.terms;
        let minor = terms.amount.minor().to_string();
        let (sender, recipient) = (&self.sender.sender_id, &self.recipcient.recipcient_id);
        let order = self.order_id.as_deref().unwrap_or_default();
        let words = ["create", &terms.method_id, &minor, terms.amount.currency().code(), sender, recipient, order];
        let token = token_of(till, &self.idempotency_token, &words);
        Create {
            id: PaymentId(Uuid::new_v4()),
            terms,
            token,
            order_id: self.order_id,
            sender_id: self.sender.sender_id,
            recipient_id: self.recipcient.recipcient_id,
        }
    }
}

/// `POST /api/v1/payment/{id}/edit`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct EditRequest {
    /// Names this request.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "0b3f3c8e-77a5-4f0f-9c0f-0d6a2f6b8a11")]
    pub(super) idempotency_token: String,
    /// The new terms, all of them.
    pub(super) money_info: MoneyInfo,
}

impl EditRequest {
    pub(super) fn read(body: &[u8], settings: &ApiSettings) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let idempotency_token = token(&mut fields);
        let money_info = fields.within("money_info", Need::Required, |money| money_info(money, settings));
        let (idempotency_token, money_info) = fields.finish(idempotency_token.zip(money_info))?;
        Ok(Self { idempotency_token, money_info })
    }

    pub(super) fn asked(self, till: &str, id: PaymentId) -> (Token, Terms) {
        let terms = self.money_info.terms;
        let minor = terms.amount.minor().to_string();
        let words = ["edit", &id.to_string(), &terms.method_id, &minor, terms.amount.currency().code()];
        (token_of(till, &self.idempotency_token, &words), terms)
    }
}

/// Why a payment is called off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its names are read, by the description of this surface")]
pub(super) enum Reason {
    /// The customer does not want it any more.
    CustomerRequest,
    /// It is paid in another way.
    OtherMethod,
    /// The till or the cashier made a mistake.
    TillError,
    /// It was asked for twice.
    Duplicate,
    /// Nobody paid while the till waited.
    Timeout,
    /// None of these.
    Other,
}

/// `POST /api/v1/payment/{id}/cancel`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct CancelRequest {
    /// Names this request.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "f1f5ad0e-9f0d-4a43-8a7b-3f2f8f1f7c22")]
    pub(super) idempotency_token: String,
    /// Why, for whoever reads it later. Left out: `other`.
    #[schema(value_type = Reason, required = false)]
    pub(super) reason: CancelReason,
}

impl CancelRequest {
    pub(super) fn read(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let idempotency_token = token(&mut fields);
        let named = fields.words("reason", Need::Optional, limits::ORDER_ID_MAX_CHARS);
        let known = |text: &str| CancelReason::ALL.into_iter().find(|reason| reason.name() == text);
        let reason = match named.as_deref() {
            Some(text) => known(text),
            None => Some(CancelReason::Other),
        };
        if reason.is_none() {
            let names: Vec<&str> = CancelReason::ALL.into_iter().map(CancelReason::name).collect();
            fields.mistake("reason", format!("Must be one of {}.", names.join(", ")));
        }
        let (idempotency_token, reason) = fields.finish(idempotency_token.zip(reason))?;
        Ok(Self { idempotency_token, reason })
    }

    pub(super) fn asked(self, till: &str, id: PaymentId) -> (Token, CancelReason) {
        let words = ["cancel", &id.to_string(), self.reason.name()];
        (token_of(till, &self.idempotency_token, &words), self.reason)
    }
}

/// What the payment is accepted with.
#[derive(Debug, Default, PartialEq, Eq, ToSchema)]
pub(super) struct AcceptInfo {
    /// The code that the customer showed, where the till has read it. Left out: the terminal waits for the customer.
    #[schema(min_length = 1, max_length = 512, example = "880101698207133392")]
    pub(super) qr_code: Option<String>,
    /// Show an SBP code on the terminal's display, which holds the counter. Left out: true.
    #[schema(required = false)]
    pub(super) display: bool,
}

/// `POST /api/v1/payment/{id}/accept`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct AcceptRequest {
    /// Names this request.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "9a9d3a53-2c27-4bfb-8c7b-9f1b6b8d3a33")]
    pub(super) idempotency_token: String,
    /// May be left out: then the terminal waits for the customer.
    #[schema(required = false)]
    pub(super) accept_info: AcceptInfo,
}

impl AcceptRequest {
    pub(super) fn read(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let idempotency_token = token(&mut fields);
        let info = fields.within("accept_info", Need::Optional, |info| {
            let qr_code = info.words("qr_code", Need::Optional, limits::CODE_MAX_CHARS);
            let qr_code = qr_code.map(|code| code.trim().to_owned());
            Some(AcceptInfo { qr_code, display: info.flag_or("display", true) })
        });
        let idempotency_token = fields.finish(idempotency_token)?;
        Ok(Self { idempotency_token, accept_info: info.unwrap_or(AcceptInfo { qr_code: None, display: true }) })
    }

    pub(super) fn asked(self, till: &str, id: PaymentId) -> (Token, Accept) {
        let AcceptInfo { qr_code: code, display } = self.accept_info;
        let shown = if display { "display" } else { "-" };
        let words = ["accept", &id.to_string(), code.as_deref().unwrap_or("-"), shown];
        let token = token_of(till, &self.idempotency_token, &words);
        (token, Accept { run: RunId(Uuid::new_v4()), code, display })
    }
}

fn money_info(fields: &mut Fields<'_>, settings: &ApiSettings) -> Option<MoneyInfo> {
    let method = method(fields, settings);
    let named = fields.words("currency", Need::Required, limits::ORDER_ID_MAX_CHARS);
    let fits = method.as_ref().map(|(_, _, sbp)| if sbp.is_some() { Currency::Rub } else { Currency::Uzs });
    if let (Some(named), Some(fits), Some((_, method_id, _))) = (&named, fits, &method)
        && named != fits.code()
    {
        fields.mistake("currency", format!("{method_id} is paid in {fits}, not in {named}: send \"{fits}\"."));
    }
    let amount = amount(fields, fits.unwrap_or(Currency::Uzs));
    if let (Some((method, ..)), Some(amount)) = (&method, amount) {
        sayable(fields, *method, amount, settings);
    }
    let ((method, method_id, sbp), amount) = method.zip(amount)?;
    let terms = Terms { method, method_id: method_id.clone(), amount, sbp };
    Some(MoneyInfo { method_id, currency: amount.currency().code().to_owned(), amount, terms })
}

type Named = (Option<Method>, String, Option<Box<SbpAsk>>);

fn method(fields: &mut Fields<'_>, settings: &ApiSettings) -> Option<Named> {
    let text = fields.words("method_id", Need::Required, limits::ORDER_ID_MAX_CHARS)?;
    let shown = |profile| Some(Box::new(SbpAsk { profile, ..SbpAsk::default() }));
    let (name, profile) = text.split_once(':').map_or((text.as_str(), None), |(name, profile)| (name, Some(profile)));
    let found = match (name, profile) {
        ("auto", None) => (None, None),
        ("humo", None) => (Some(Method::Humo), None),
        ("click", None) => (Some(Method::Click), None),
        ("payme", None) => (Some(Method::Payme), None),
        // Where no QR terminal is set up, the machine says so.
        ("sbp", profile) if settings.sbp.is_empty() => {
            (Some(Method::Sbp), shown(profile.unwrap_or_default().to_owned()))
        }
        ("sbp", profile) => match meant(profile, &settings.sbp) {
            Ok(profile) => (Some(Method::Sbp), shown(profile)),
            Err(why) => {
                fields.mistake("method_id", why);
                return None;
            }
        },
        _ => {
            fields.mistake("method_id", "Must be humo, click, payme, sbp, sbp:PROFILE or auto.");
            return None;
        }
    };
    Some((found.0, text, found.1))
}

/// An exact decimal of the currency's major unit.
fn amount(fields: &mut Fields<'_>, currency: Currency) -> Option<Money> {
    decimal(fields, "amount", Need::Required, currency)
}

/// An exact decimal of the currency's major unit, more than nothing and no more than a payment may be.
pub(super) fn decimal(fields: &mut Fields<'_>, name: &str, need: Need, currency: Currency) -> Option<Money> {
    let text = fields.raw(name, need).map(RawValue::get)?;
    let most = match currency {
        Currency::Uzs => limits::AMOUNT_MAX_TIYIN,
        Currency::Rub => limits::SBP_AMOUNT_MAX_KOPECKS,
    };
    let most = Money::from_minor(most, currency);
    match Money::parse(text, Unit::Sum, currency).and_then(Money::positive) {
        Ok(money) if money.minor() <= most.minor() => return Some(money),
        Ok(_) | Err(MoneyError::TooLarge) => {
            fields.mistake(name, format!("Ensure this value is less than or equal to {}.", most.decimal()));
        }
        Err(MoneyError::NotPositive) => fields.mistake(name, "Ensure this value is greater than or equal to 0.01."),
        Err(MoneyError::TooFine { .. }) => fields.mistake(name, "Ensure there are no more than 2 decimal places."),
        Err(_) => fields.mistake(name, "A valid number is required."),
    }
    None
}

/// The gateway can say the amount in the unit that it counts.
fn sayable(fields: &mut Fields<'_>, method: Option<Method>, amount: Money, settings: &ApiSettings) {
    let gateways = [(Method::Click, settings.click_upstream_unit), (Method::Payme, settings.payme_upstream_unit)];
    for (gateway, unit) in gateways {
        if method.is_none_or(|named| named == gateway) && amount.to_unit(unit).is_err() {
            fields.mistake("amount", format!("{gateway} takes whole sums alone."));
            return;
        }
    }
}

/// An opaque reference. What looks like a phone, or like a person's name, has no place in a payment (seed 003, anti-goals).
fn reference(fields: &mut Fields<'_>, names: &[&str]) -> String {
    let name = fields.spelling(names);
    let Some(text) = fields.words(name, Need::Optional, limits::ORDER_ID_MAX_CHARS) else { return String::new() };
    let opaque = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@/".contains(&b);
    let digits = text.strip_prefix('+').unwrap_or(&text);
    let phone = (10..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if phone {
        fields.mistake(name, "This looks like a phone: send a reference that means something to the till alone.");
    } else if !text.bytes().all(opaque) {
        fields.mistake(name, "Letters, digits and -_.:@/ are allowed: send a reference, not a name.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::answer::PaymentStatus;
    use crate::payment::sale::State;

    fn settings() -> ApiSettings {
        ApiSettings::default()
    }

    fn read(money: &str) -> Result<CreateRequest, String> {
        let body = format!(r#"{{"idempotency_token":"t","money_info":{money}}}"#);
        CreateRequest::read(body.as_bytes(), &settings()).map_err(|e| serde_json::to_string(&e).unwrap())
    }

    #[test]
    fn an_amount_is_an_exact_decimal_of_the_major_unit() {
        for (text, minor) in [("1.0", 100), ("12500", 1_250_000), ("0.01", 1), ("1e3", 100_000), ("999.10", 99_910)] {
            let read = read(&format!(r#"{{"method_id":"humo","currency":"UZS","amount":{text}}}"#)).unwrap();
            assert_eq!(read.money_info.amount.minor(), minor, "{text}");
        }
        for (text, said) in [
            ("0.001", "2 decimal places"),
            ("0", "0.01"),
            ("-5", "0.01"),
            ("\"5\"", "valid number"),
            ("1e12", "less than or equal to 10000000000.00"),
            ("NaN", "not JSON"),
        ] {
            let said_now = read(&format!(r#"{{"method_id":"humo","currency":"UZS","amount":{text}}}"#)).unwrap_err();
            assert!(said_now.contains(said), "{text}: {said_now}");
        }
        let click = read(r#"{"method_id":"click","currency":"UZS","amount":10.5}"#).unwrap_err();
        assert!(click.contains("click takes whole sums alone"), "{click}");
    }

    #[test]
    fn a_currency_that_does_not_fit_the_method_is_told_with_the_one_that_does() {
        let said = read(r#"{"method_id":"click","currency":"BTC","amount":1.0}"#).unwrap_err();
        assert_eq!(said, r#"{"money_info.currency":["click is paid in UZS, not in BTC: send \"UZS\"."]}"#);
        let said = read(r#"{"method_id":"sbp","currency":"UZS","amount":1.0}"#).unwrap_err();
        assert!(said.contains("sbp is paid in RUB"), "{said}");
        let said = read(r#"{"method_id":"bitcoin","currency":"BTC","amount":1.0}"#).unwrap_err();
        assert!(said.contains("Must be humo, click, payme, sbp, sbp:PROFILE or auto."), "{said}");
    }

    #[test]
    fn both_spellings_are_read_and_a_reference_is_neither_a_phone_nor_a_name() {
        let of = |who: &str| {
            let money = r#"{"method_id":"auto","currency":"UZS","amount":1}"#;
            let body = format!(r#"{{"idempotency_token":"t","money_info":{money},{who}}}"#);
            CreateRequest::read(body.as_bytes(), &settings()).map_err(|e| serde_json::to_string(&e).unwrap())
        };
        for who in [r#""recipcient":{"recipcient_id":"shop-7"}"#, r#""recipient":{"recipient_id":"shop-7"}"#] {
            assert_eq!(of(who).unwrap().recipcient.recipcient_id, "shop-7");
        }
        for (who, said) in [
            (r#""sender":{"sender_id":"+998901234567"}"#, "sender.sender_id\":[\"This looks like a phone"),
            (r#""sender":{"sender_id":"998901234567"}"#, "looks like a phone"),
            (r#""sender":{"sender_id":"Anna Karenina"}"#, "not a name"),
            (r#""sender":"anna""#, "JSON object is required"),
        ] {
            let told = of(who).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn the_same_request_has_the_same_token_whatever_its_spelling() {
        let one = r#"{"idempotency_token":"t","money_info":{"method_id":"humo","currency":"UZS","amount":5.0}}"#;
        let two =
            r#"{"sender":{}, "money_info":{"amount":5,"currency":"UZS","method_id":"humo"},"idempotency_token":"t"}"#;
        let token = |body: &str| CreateRequest::read(body.as_bytes(), &settings()).unwrap().event("a").token;
        assert_eq!(token(one), token(two));
        assert_ne!(token(one).digest, token(&one.replace("5.0", "6")).digest);
    }

    /// The names that the description of this surface gives to an enumeration.
    fn described<T: utoipa::PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let of = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let listed = schema["enum"].as_array().map(|names| names.iter().filter_map(of).collect());
        let one_by_one = || schema["oneOf"].as_array().unwrap().iter().filter_map(|one| of(&one["enum"][0])).collect();
        listed.unwrap_or_else(one_by_one)
    }

    #[test]
    fn reasons_and_statuses_are_described_by_the_names_that_they_have() {
        assert_eq!(described::<Reason>(), CancelReason::ALL.map(CancelReason::name));
        assert_eq!(described::<PaymentStatus>(), State::NAMES);
    }
}
