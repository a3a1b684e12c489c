//! Tills' questions to QRManager that change nothing, answered by its clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::sbp::{Asked, Card, Loyal, Product, Products, QuestionError, Questions};
use crate::payment::money::Money;
use crate::payment::sale::{Decline, DeclineKind};
use crate::provider::qrm::error::{Class, QrmError};
use crate::provider::qrm::loyalty::LoyaltyAnswer;
use crate::provider::qrm::{Qrm, products};

/// The clients by profile.
pub(super) struct QrmQuestions(pub(super) BTreeMap<String, Arc<Qrm>>);

impl QrmQuestions {
    fn of(&self, profile: &str) -> Result<&Qrm, QuestionError> {
        let client = self.0.get(profile).map(Arc::as_ref);
        client.ok_or_else(|| QuestionError::NotSetUp(format!("there is no [qrm.{profile}]")))
    }
}

impl Questions for QrmQuestions {
    fn products<'a>(&'a self, profile: &'a str) -> Asked<'a, Products> {
        Box::pin(async move {
            let client = self.of(profile)?;
            let list = client.products().await.map_err(|error| unanswered(&error))?;
            let products = list.into_iter().map(product).collect();
            Ok(Products { products, as_of_ms: client.products_as_of_ms().await })
        })
    }

    fn search<'a>(&'a self, profile: &'a str, phone: &'a str, sum: Money) -> Asked<'a, Loyal> {
        Box::pin(async move {
            let found = self.of(profile)?.search(phone, sum).await.map_err(|error| unanswered(&error))?;
            Ok(loyal(found))
        })
    }
}

fn product(product: products::Product) -> Product {
    Product { id: product.id, name: product.name, price: product.price, is_deleted: product.deleted }
}

fn loyal(found: LoyaltyAnswer) -> Loyal {
    match found {
        LoyaltyAnswer::Known(card) => Loyal::Card(Box::new(Card {
            client_id: card.client_id,
            discount_card_id: card.discount_card_id,
            card_level: card.card_level,
            max_discount: card.max_discount,
            max_points: card.max_points,
            all_points: card.all_points,
            accrual_points: card.accrual_points,
            accrual_available: card.accrual_available,
            write_off_available: card.write_off_available,
            needs_code: card.needs_code,
        })),
        LoyaltyAnswer::Unknown { confirmation_code } => Loyal::Unregistered { confirmation_code },
    }
}

/// A question that may have been asked in vain is simply asked again: only a well-formed no is told apart.
fn unanswered(error: &QrmError) -> QuestionError {
    match error.class() {
        Class::Refused(Decline { why: DeclineKind::Misconfigured, .. }) => QuestionError::NotSetUp(error.to_string()),
        Class::Refused(_) => QuestionError::Refused(error.to_string()),
        Class::NotSent(text) | Class::InDoubt(text) => QuestionError::NoAnswer(text),
    }
}
