//! A till's body → an [`Event`]. Strict: amounts are whole kopecks with their currency beside them, and nothing is rounded or guessed.

use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SbpProfile;
use crate::api::json::{FieldErrors, Fields, Need};
use crate::limits;
use crate::payment::card::RunId;
use crate::payment::event::{Event, GiveBack, RegisterLink, SaleRef, Sell};
use crate::payment::money::{Currency, Money};
use crate::payment::sale::{Method, Payment, PaymentId, Private, RefundId, Token};
use crate::payment::sbp::{Loyalty, LoyaltyKind, Points, ProductLine, SbpAsk};

/// The QR terminals that may be named.
pub(super) type Profiles = BTreeMap<String, SbpProfile>;

/// The profile that is meant where several are configured and none is named.
const USUAL_PROFILE: &str = "main";

/// The only currency that SBP knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(super) enum Rouble {
    /// Russian rouble; amounts count kopecks.
    Rub,
}

/// `POST /api/v1/sbp/sale`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct SaleRequest {
    /// What the customer pays, kopecks: 95000 is 950.00 RUB.
    #[schema(minimum = 1, maximum = 100_000_000, example = 95_000)]
    pub(super) amount: i64,
    /// The amount's currency.
    pub(super) currency: Rouble,
    /// Names this request: the same token with the same body finds the first sale. A UUID is good.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "5d7c4a38-95a0-4f0e-8b0e-6a6b1b6f9f10")]
    pub(super) idempotency_token: String,
    /// The QR terminal, NAME of `[qrm.NAME]`; may be left out where there is one, or one is called `main`.
    #[schema(required = false)]
    pub(super) profile: String,
    /// A text for the payer's bank, in place of QRManager's own with its link to the order.
    #[schema(min_length = 1, max_length = 140)]
    pub(super) purpose: Option<String>,
    /// What is sold, by the products of the QR terminal.
    #[schema(min_items = 1, max_items = 100)]
    pub(super) nomenclature: Option<Vec<LineRequest>>,
    /// The customer's loyalty card.
    pub(super) loyalty: Option<LoyaltyRequest>,
    /// Paid at the profile's cash link (a printed sticker) instead of a code of its own. Left out: false.
    #[schema(required = false)]
    pub(super) cash_link: bool,
    /// Side of the picture that QRManager is asked for, pixels. The terminal draws its own and needs none.
    #[schema(minimum = 100, maximum = 1_000)]
    pub(super) qr_size: Option<u16>,
    /// Show the code on the terminal's display, which holds the counter. Left out: true.
    #[schema(required = false)]
    pub(super) display: bool,
    /// The till's own number for the order, kept with the sale.
    #[schema(max_length = 64)]
    pub(super) order_id: Option<String>,
}

/// One product of a sale.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct LineRequest {
    /// `product_id` of the list of products.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) product_id: String,
    /// Pieces.
    #[schema(minimum = 1, maximum = 1_000)]
    pub(super) count: u32,
    /// Price of one, kopecks.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub(super) price: i64,
}

/// A loyalty card of a sale, as the search found it.
#[derive(PartialEq, Eq, ToSchema)]
pub(super) struct LoyaltyRequest {
    /// The customer's phone: ten to fifteen digits after an optional plus.
    #[schema(pattern = "^\\+?[0-9]{10,15}$", example = "+79000000000")]
    pub(super) phone: String,
    /// `client_id` of the search.
    #[schema(minimum = 1)]
    pub(super) client_id: i64,
    /// What is done with the card. A discount beside points is told by `base_amount`.
    #[schema(rename = "type")]
    pub(super) kind: LoyaltyType,
    /// Points to be written off; with `write_off` alone. Points are not money.
    #[schema(minimum = 1)]
    pub(super) points: Option<i64>,
    /// What the goods cost before points and discount, kopecks; `amount` is what is paid. Needed with `write_off` and `discount`.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub(super) base_amount: Option<i64>,
}

/// A phone is nobody's business.
impl std::fmt::Debug for LoyaltyRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoyaltyRequest").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// `loyalty_type` of seed 004, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum LoyaltyType {
    /// 0: points pay a part.
    WriteOff,
    /// 1: points are earned.
    Accrual,
    /// 2: the price is lower.
    Discount,
}

impl SaleRequest {
    /// Read and check everything that can be checked here.
    pub(super) fn read(body: &[u8], profiles: &Profiles) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let amount = amount(&mut fields, Need::Required, 1);
        let token = token(&mut fields);
        let profile = profile(&mut fields, profiles);
        let purpose = fields.words("purpose", Need::Optional, limits::SBP_PURPOSE_MAX_CHARS);
        let lines = fields.each("nomenclature", Need::Optional, limits::SBP_BASKET_LEN, line);
        let loyalty = fields.within("loyalty", Need::Optional, loyalty);
        let cash_link = fields.flag("cash_link");
        let qr_size = qr_size(&mut fields);
        let display = fields.flag_or("display", true);
        let order_id = fields.number("order_id");
        if cash_link && (lines.is_some() || loyalty.is_some() || qr_size.is_some()) {
            let why = "A cash link takes an amount and a purpose; leave nomenclature, loyalty and qr_size out.";
            fields.mistake("cash_link", why);
        }
        if let (Some(amount), Some(card)) = (amount, &loyalty) {
            check_base_amount(&mut fields, amount, card);
        }
        let strict = profile.as_ref().and_then(|name| profiles.get(name)).is_some_and(|p| p.strict_nomenclature);
        if let (Some(amount), Some(lines), true) = (amount, &lines, strict) {
            let sum: i64 = lines.iter().map(|line| i64::from(line.count) * line.price).sum();
            if sum != amount {
                fields.mistake("nomenclature", format!("Its lines add up to {sum}, and amount is {amount}."));
            }
        }
        let (((amount, currency), idempotency_token), profile) =
            fields.finish(amount.zip(Some(Rouble::Rub)).zip(token).zip(profile))?;
        Ok(Self {
            amount,
            currency,
            idempotency_token,
            profile,
            purpose,
            nomenclature: lines,
            loyalty,
            cash_link,
            qr_size,
            display,
            order_id,
        })
    }

    /// The event, under a fresh name.
    pub(super) fn event(self, till: &str) -> (PaymentId, Event) {
        let Rouble::Rub = self.currency;
        let amount = kopecks(self.amount);
        let line = |line: LineRequest| ProductLine {
            product_id: line.product_id,
            count: line.count,
            price: kopecks(line.price),
        };
        let ask = SbpAsk {
            profile: self.profile,
            own_purpose: self.purpose.is_some(),
            qr_size: self.qr_size,
            nomenclature: self.nomenclature.unwrap_or_default().into_iter().map(line).collect(),
            loyalty: self.loyalty.map(card),
            cash_link: self.cash_link,
            purpose: Private(self.purpose),
        };
        let asked = asked_for(&ask, self.display, self.order_id.as_deref());
        let token = token_of(till, &self.idempotency_token, &["sbp", &self.amount.to_string(), "RUB", &asked]);
        let id = PaymentId(Uuid::new_v4());
        let sell = Sell {
            id,
            run: RunId(Uuid::new_v4()),
            method: Method::Sbp,
            amount,
            code: None,
            token: Some(token),
            order_id: self.order_id,
            sbp: Some(Box::new(ask)),
            display: self.display,
        };
        (id, Event::Sell(sell))
    }
}

/// What was asked for beside the amount, as a hash: its words may name a person, and a token's digest is at rest. The phone is told by the
/// card's `client_id` and its mask, because a hash of few digits hides nothing.
fn asked_for(ask: &SbpAsk, display: bool, order_id: Option<&str>) -> String {
    let words = serde_json::json!([ask, ask.purpose.0, display, order_id]).to_string();
    digest(&SHA256, words.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The token of a request that asked for `words`, named so that two tills never share one.
pub(in crate::api) fn token_of(till: &str, token: &str, words: &[&str]) -> Token {
    Token { key: format!("{till}/{token}"), digest: words.join(" ") }
}

fn kopecks(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Rub)
}

fn card(card: LoyaltyRequest) -> Loyalty {
    Loyalty {
        phone_masked: masked(&card.phone),
        phone: Private(Some(card.phone)),
        client_id: card.client_id,
        kind: match card.kind {
            LoyaltyType::WriteOff => LoyaltyKind::WriteOff,
            LoyaltyType::Accrual => LoyaltyKind::Accrual,
            LoyaltyType::Discount => LoyaltyKind::Discount,
        },
        points: card.points.map(Points),
        base_amount: card.base_amount.map(kopecks),
    }
}

/// "+79000000000" → "+79•••••0000". Only what [`phone`] took gets here, so there are ten digits at least.
fn masked(phone: &str) -> String {
    let hidden = 3..phone.len().saturating_sub(4);
    phone.chars().enumerate().map(|(i, c)| if hidden.contains(&i) { '•' } else { c }).collect()
}

/// `amount`, whole kopecks, with its `currency`.
fn amount(fields: &mut Fields<'_>, need: Need, least: i64) -> Option<i64> {
    let amount = fields.whole("amount", need, least..=limits::SBP_AMOUNT_MAX_KOPECKS);
    let currency = fields.words("currency", need, limits::ORDER_ID_MAX_CHARS);
    if currency.as_deref().is_some_and(|code| code != Currency::Rub.code()) {
        fields.mistake("currency", "SBP pays in roubles: send \"RUB\", and the amount in kopecks.");
    }
    amount.filter(|_| currency.is_some())
}

/// `idempotency_token`.
pub(in crate::api) fn token(fields: &mut Fields<'_>) -> Option<String> {
    const NAME: &str = "idempotency_token";
    let token = fields.words(NAME, Need::Required, limits::TOKEN_MAX_CHARS)?;
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        fields.mistake(NAME, "Only printable ASCII characters without blanks are allowed.");
    }
    Some(token)
}

/// The QR terminal that is named, or meant.
fn profile(fields: &mut Fields<'_>, profiles: &Profiles) -> Option<String> {
    let named = fields.words("profile", Need::Optional, limits::ORDER_ID_MAX_CHARS);
    match meant(named.as_deref(), profiles) {
        Ok(name) => Some(name),
        Err(why) => {
            fields.mistake("profile", why);
            None
        }
    }
}

/// The QR terminal that is named; where none is, the only one or the one called `main`.
pub(in crate::api) fn meant(named: Option<&str>, profiles: &Profiles) -> Result<String, String> {
    let known = || profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match named {
        Some(name) if profiles.contains_key(name) => Ok(name.to_owned()),
        Some(_) => Err(format!("There is no such QR terminal here; there are: {}.", known())),
        None if profiles.contains_key(USUAL_PROFILE) => Ok(USUAL_PROFILE.to_owned()),
        None if profiles.len() == 1 => Ok(known()),
        None => Err(format!("Name one of the QR terminals: {}.", known())),
    }
}

fn line(fields: &mut Fields<'_>) -> Option<LineRequest> {
    let product_id = fields.words("product_id", Need::Required, limits::ORDER_ID_MAX_CHARS);
    let count = fields.whole("count", Need::Required, 1..=limits::SBP_PIECES_MAX);
    let price = fields.whole("price", Need::Required, 1..=limits::SBP_AMOUNT_MAX_KOPECKS);
    let count = count.and_then(|count| u32::try_from(count).ok());
    Some(LineRequest { product_id: product_id?, count: count?, price: price? })
}

fn loyalty(fields: &mut Fields<'_>) -> Option<LoyaltyRequest> {
    let phone = phone(fields);
    let client_id = fields.whole("client_id", Need::Required, 1..=i64::MAX);
    let kind = match fields.words("type", Need::Required, limits::ORDER_ID_MAX_CHARS).as_deref() {
        Some("write_off") => Some(LoyaltyType::WriteOff),
        Some("accrual") => Some(LoyaltyType::Accrual),
        Some("discount") => Some(LoyaltyType::Discount),
        Some(_) => {
            fields.mistake("type", "Must be write_off, accrual or discount.");
            None
        }
        None => None,
    };
    let writes_off = kind == Some(LoyaltyType::WriteOff);
    let points = fields.whole("points", if writes_off { Need::Required } else { Need::Optional }, 1..=i64::MAX);
    if points.is_some() && kind.is_some() && !writes_off {
        fields.mistake("points", "Points are written off with type write_off alone.");
    }
    let need = if kind == Some(LoyaltyType::Accrual) { Need::Optional } else { Need::Required };
    let base_amount = fields.whole("base_amount", need, 1..=limits::SBP_AMOUNT_MAX_KOPECKS);
    Some(LoyaltyRequest { phone: phone?, client_id: client_id?, kind: kind?, points, base_amount })
}

fn phone(fields: &mut Fields<'_>) -> Option<String> {
    let phone = fields.words("phone", Need::Required, limits::ORDER_ID_MAX_CHARS)?;
    let digits = phone.strip_prefix('+').unwrap_or(&phone);
    if !(10..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        fields.mistake("phone", "Send ten to fifteen digits, as in +79000000000.");
        return None;
    }
    Some(phone)
}

/// `sum` is the final amount and `base_amount` the original one (seed 004, "BenefittY" §2). What points are worth is the programme's to know.
fn check_base_amount(fields: &mut Fields<'_>, amount: i64, card: &LoyaltyRequest) {
    let Some(base) = card.base_amount else { return };
    if card.kind == LoyaltyType::Accrual && base < amount || card.kind != LoyaltyType::Accrual && base <= amount {
        let why = format!("It is what the goods cost before points and discount, so it is more than amount, {amount}.");
        fields.mistake("loyalty.base_amount", why);
    }
}

fn qr_size(fields: &mut Fields<'_>) -> Option<u16> {
    let size = fields.whole("qr_size", Need::Optional, limits::SBP_PICTURE_MIN_PIXELS..=limits::SBP_PICTURE_MAX_PIXELS);
    size.and_then(|size| u16::try_from(size).ok())
}

/// `POST /api/v1/sbp/sale/{id}/refund`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct RefundRequest {
    /// What is given back, kopecks. Left out: the whole sale.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub(super) amount: Option<i64>,
    /// Needed beside an amount.
    pub(super) currency: Option<Rouble>,
    /// Names this refund: the same token with the same body finds the first one and never gives back twice.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "0b0f3b52-0d0e-4c39-8a53-1d5f3a0b7f55")]
    pub(super) idempotency_token: String,
}

impl RefundRequest {
    pub(super) fn read(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let token = token(&mut fields);
        let is_partial = fields.has("amount") || fields.has("currency");
        let sum = if is_partial { amount(&mut fields, Need::Required, 1) } else { None };
        let idempotency_token = fields.finish(token)?;
        Ok(Self { amount: sum, currency: sum.map(|_| Rouble::Rub), idempotency_token })
    }

    /// The event, under a fresh name. The whole of `payment` where no amount was named.
    pub(super) fn event(self, till: &str, payment: &Payment) -> Event {
        let amount = self.amount.map_or(payment.amount, kopecks);
        let words = ["sbp refund", &payment.id.to_string(), &amount.minor().to_string()];
        Event::GiveBack(GiveBack {
            id: RefundId(Uuid::new_v4()),
            run: RunId(Uuid::new_v4()),
            of: SaleRef::Payment(payment.id),
            amount,
            token: Some(token_of(till, &self.idempotency_token, &words)),
        })
    }
}

/// `POST /api/v1/sbp/loyalty/search`.
#[derive(PartialEq, Eq, ToSchema)]
pub(super) struct SearchRequest {
    /// The customer's phone: ten to fifteen digits after an optional plus.
    #[schema(pattern = "^\\+?[0-9]{10,15}$", example = "+79000000000")]
    pub(super) phone: String,
    /// What the purchase costs, kopecks.
    #[schema(minimum = 0, maximum = 100_000_000, example = 95_000)]
    pub(super) amount: i64,
    /// The amount's currency.
    pub(super) currency: Rouble,
    /// The QR terminal; may be left out where there is one, or one is called `main`.
    #[schema(required = false)]
    pub(super) profile: String,
}

impl SearchRequest {
    pub(super) fn read(body: &[u8], profiles: &Profiles) -> Result<Self, FieldErrors> {
        let mut fields = Fields::read(body)?;
        let phone = phone(&mut fields);
        let amount = amount(&mut fields, Need::Required, 0);
        let profile = profile(&mut fields, profiles);
        let ((phone, amount), profile) = fields.finish(phone.zip(amount).zip(profile))?;
        Ok(Self { phone, amount, currency: Rouble::Rub, profile })
    }

    /// The sum that is asked about.
    pub(super) fn sum(&self) -> Money {
        let Rouble::Rub = self.currency;
        kopecks(self.amount)
    }
}

/// `POST /api/v1/sbp/cash-link`.
#[derive(Debug, PartialEq, Eq, ToSchema)]
pub(super) struct LinkRequest {
    /// The QR terminal; may be left out where there is one, or one is called `main`.
    #[schema(required = false)]
    pub(super) profile: String,
    /// Side of the sticker's picture, pixels.
    #[schema(minimum = 100, maximum = 1_000)]
    pub(super) qr_size: Option<u16>,
    /// The id of a link that the bank issued.
    #[schema(min_length = 1, max_length = 140)]
    pub(super) qrc_id: Option<String>,
    /// `cashQrId` of a link that is registered already and that a person looked up in QRManager; with `cash_qr_link`.
    #[schema(max_length = 140, pattern = "^[A-Za-z0-9-]+$")]
    pub(super) cash_qr_id: Option<String>,
    /// `cashQrLink` of that link.
    #[schema(max_length = 512, pattern = "^https://[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub(super) cash_qr_link: Option<String>,
}

impl LinkRequest {
    pub(super) fn read(body: &[u8], profiles: &Profiles) -> Result<Self, FieldErrors> {
        let mut fields = if body.is_empty() { Fields::none() } else { Fields::read(body)? };
        let profile = profile(&mut fields, profiles);
        let qr_size = qr_size(&mut fields);
        let qrc_id = fields.words("qrc_id", Need::Optional, limits::SBP_LINK_ID_MAX_CHARS);
        let cash_qr_id = fields.words("cash_qr_id", Need::Optional, limits::SBP_LINK_ID_MAX_CHARS);
        let cash_qr_link = fields.words("cash_qr_link", Need::Optional, limits::CODE_MAX_CHARS);
        if cash_qr_id.as_ref().is_some_and(|id| !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
            fields.mistake("cash_qr_id", "Letters, digits and dashes are allowed.");
        }
        if cash_qr_link.as_ref().is_some_and(|link| !link.starts_with("https://")) {
            fields.mistake("cash_qr_link", "It begins with https://.");
        }
        match (&cash_qr_id, &cash_qr_link) {
            (Some(_), None) => fields.mistake("cash_qr_link", "It stands beside cash_qr_id."),
            (None, Some(_)) => fields.mistake("cash_qr_id", "It stands beside cash_qr_link."),
            _ => {}
        }
        let profile = fields.finish(profile)?;
        Ok(Self { profile, qr_size, qrc_id, cash_qr_id, cash_qr_link })
    }

    pub(super) fn event(self) -> Event {
        let known = self.cash_qr_id.zip(self.cash_qr_link);
        Event::RegisterLink(RegisterLink { profile: self.profile, size: self.qr_size, qrc_id: self.qrc_id, known })
    }
}
