//! What this API is, for programs: OpenAPI 3.1, made from the handlers and the types they read and write.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{core, ops, sbp};

#[derive(OpenApi)]
#[openapi(
    info(title = "tolov", description = "The till's side of a payment terminal. docs/api.md tells the same in sentences.",
        license(name = "MIT OR Apache-2.0")),
    paths(
        core::create, core::retrieve, core::status, core::edit, core::cancel, core::accept, core::receipt::receipt,
        core::receipt::bring_receipt, core::back::refunds, core::back::give_back,
        sbp::sell, sbp::sale, sbp::cancel, sbp::receipt::receipt, sbp::receipt::bring_receipt, sbp::refunds, sbp::give_back, sbp::products, sbp::search,
        sbp::cash_link, sbp::register_cash_link, ops::health::live, ops::health::ready,
        ops::numbers, ops::screen::screen, ops::openapi,
    ),
    tags((name = "payment", description = "Every method of payment by one door (seed 003)"),
        (name = "sbp", description = "Sales by a code that the terminal shows (SBP through QRManager)"),
        (name = "ops", description = "For those who look after the terminal")),
    modifiers(&Token),
)]
struct Document;

/// The header that seed 003 names.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let value = ApiKeyValue::with_description("x_auth_token", "The till's token: the credential till_NAME.");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("till", SecurityScheme::ApiKey(ApiKey::Header(value)));
    }
}

/// The document.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
