//! What a till is told of the shop and its customers: the cash link, the products, a loyalty card.

use serde::Serialize;
use utoipa::ToSchema;

use super::Trouble;
use crate::api::sbp::problem;
use crate::api::sbp::questions::{Loyal, Product, Products};
use crate::api::sbp::request::LoyaltyType;
use crate::payment::money::Money;
use crate::payment::sale::PaymentId;
use crate::payment::sbp::{CashLink, LinkState, LoyaltyKind};

/// The profile's cash link as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::sbp) struct LinkAnswer<'a> {
    /// The QR terminal.
    profile: &'a str,
    /// `none`, `registering`, `refused`, `registration_in_doubt`, `idle`, `activating`, `active` or `deactivating`. A sale can use it
    /// while it is `idle`.
    #[schema(example = "idle")]
    state: &'static str,
    /// `cashQrId`, once registered.
    cash_qr_id: Option<&'a str>,
    /// `cashQrLink`: what the sticker shows.
    cash_qr_link: Option<&'a str>,
    /// The sale that holds it.
    #[schema(value_type = Option<String>, format = "uuid")]
    transaction_id: Option<PaymentId>,
    /// Why it cannot be used; `null` otherwise.
    error: Option<Trouble>,
}

/// The link of `profile`; `None`: it was never registered from here.
pub(in crate::api::sbp) fn link<'a>(profile: &'a str, link: Option<&'a CashLink>) -> LinkAnswer<'a> {
    let holder = link.and_then(|link| match &link.state {
        LinkState::Activating { payment } | LinkState::Active { payment } | LinkState::Deactivating { payment } => {
            Some(*payment)
        }
        LinkState::Registering
        | LinkState::Refused { .. }
        | LinkState::RegistrationInDoubt { .. }
        | LinkState::Idle => None,
    });
    let error = link.and_then(|link| match &link.state {
        LinkState::Refused { text } => Some(Trouble::because(problem::DECLINED, text)),
        LinkState::RegistrationInDoubt { text } => {
            let how = "look the link up in QRManager and POST its cash_qr_id and cash_qr_link here";
            Some(Trouble::because(problem::IN_DOUBT, format!("nobody knows whether it was registered ({text}): {how}")))
        }
        _ => None,
    });
    LinkAnswer {
        profile,
        state: link.map_or("none", |link| link.state.name()),
        cash_qr_id: link.and_then(|link| link.id.as_deref()),
        cash_qr_link: link.and_then(|link| link.link.as_deref()),
        transaction_id: holder,
        error,
    }
}

/// What is sold at a QR terminal.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::sbp) struct ProductsAnswer {
    /// The QR terminal.
    profile: String,
    /// What a sale's `nomenclature` may name.
    products: Vec<ProductAnswer>,
    /// When QRManager said so, milliseconds since 1970: an older list is given while QRManager does not answer.
    as_of_ms: Option<i64>,
}

/// One product.
#[derive(Debug, Serialize, ToSchema)]
struct ProductAnswer {
    /// What a sale's `nomenclature` names.
    product_id: String,
    /// As the owner wrote it.
    name: String,
    /// Price of one, kopecks.
    price: i64,
    /// The price's currency.
    #[schema(example = "RUB")]
    currency: &'static str,
    /// It is sold no more.
    is_deleted: bool,
}

/// The list of products.
pub(in crate::api::sbp) fn products(profile: String, known: Products) -> ProductsAnswer {
    let shown = |product: Product| ProductAnswer {
        product_id: product.id,
        name: product.name,
        price: product.price.minor(),
        currency: product.price.currency().code(),
        is_deleted: product.is_deleted,
    };
    ProductsAnswer { profile, products: known.products.into_iter().map(shown).collect(), as_of_ms: known.as_of_ms }
}

/// What is known of a customer. Points are points and never money.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::sbp) struct LoyalAnswer {
    /// The QR terminal.
    profile: String,
    /// The sum that was asked about, kopecks.
    amount: i64,
    /// The amount's currency.
    #[schema(example = "RUB")]
    currency: &'static str,
    /// The customer has a card.
    registered: bool,
    /// The card; `null` where the customer has none.
    card: Option<CardAnswer>,
    /// What the cashier should know and may have to do.
    warnings: Vec<String>,
}

/// A loyalty card.
#[derive(Debug, Serialize, ToSchema)]
struct CardAnswer {
    /// What a sale's `loyalty` names.
    client_id: i64,
    /// The card's own number.
    discount_card_id: Option<i64>,
    /// By the rules of the shop's programme.
    card_level: Option<String>,
    /// The largest discount for this sum, as QRManager words it; its document does not say what it counts.
    max_discount: Option<String>,
    /// Points that may be written off at most.
    max_points: Option<i64>,
    /// Points on the card.
    all_points: Option<i64>,
    /// Points that this purchase would add.
    accrual_points: Option<i64>,
    /// Writing off wants the customer's code.
    needs_code: bool,
    /// What a sale's `loyalty.type` may be for points.
    #[schema(value_type = Vec<LoyaltyType>)]
    available: Vec<LoyaltyKind>,
}

/// What the search found.
pub(in crate::api::sbp) fn loyal(profile: String, sum: Money, found: Loyal) -> LoyalAnswer {
    let mut warnings = Vec::new();
    let card = match found {
        Loyal::Card(card) => {
            if card.needs_code {
                // The document's history: the method that sent such codes was removed in November 2022.
                let said = "Points can be written off only with a code that QRManager sends to the customer, and its API can no \
                            longer be told that code: add points, or write them off in QRManager's application.";
                warnings.push(said.to_owned());
            }
            Some(CardAnswer {
                client_id: card.client_id,
                discount_card_id: card.discount_card_id,
                card_level: card.card_level,
                max_discount: card.max_discount,
                max_points: card.max_points.map(|points| points.0),
                all_points: card.all_points.map(|points| points.0),
                accrual_points: card.accrual_points.map(|points| points.0),
                needs_code: card.needs_code,
                available: [
                    (LoyaltyKind::WriteOff, card.write_off_available),
                    (LoyaltyKind::Accrual, card.accrual_available),
                ]
                .into_iter()
                .filter_map(|(kind, is_available)| is_available.then_some(kind))
                .collect(),
            })
        }
        Loyal::Unregistered { confirmation_code } => {
            warnings.push(if confirmation_code {
                "The customer is not registered yet and was sent a code: let them finish in QRManager's application, then search again."
                    .to_owned()
            } else {
                "The customer is not registered.".to_owned()
            });
            None
        }
    };
    LoyalAnswer {
        profile,
        amount: sum.minor(),
        currency: sum.currency().code(),
        registered: card.is_some(),
        card,
        warnings,
    }
}
