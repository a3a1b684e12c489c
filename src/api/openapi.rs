//! What this API is, for programs: OpenAPI 3.1, made from the handlers and the types they read and write, and from what this terminal is set up
//! for. Nothing is described here that a handler could not do.

mod links;
pub(super) mod reference;
mod wishes;

use axum::body::Bytes;
use serde_json::{Value, json};
use std::sync::OnceLock;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::envelope::NoData;
use super::problem::Problem;
use super::{ApiSettings, core, gateway, ops, sbp};

#[derive(OpenApi)]
#[openapi(
    info(title = "tolov", description = "The till's side of a payment terminal. docs/api.md tells the same in sentences.",
        license(name = "MIT OR Apache-2.0")),
    paths(
        core::create, core::list::list, core::retrieve, core::wait::status, core::edit, core::cancel, core::accept, core::receipt::receipt,
        core::receipt::bring_receipt, core::back::refunds, core::back::give_back, core::events::events,
        sbp::sell, sbp::sale, sbp::cancel, sbp::receipt::receipt, sbp::receipt::bring_receipt, sbp::refunds, sbp::give_back, sbp::products, sbp::search,
        sbp::cash_link, sbp::register_cash_link,
        gateway::click, gateway::payme, gateway::xumo, gateway::xumo_close, gateway::xumo_close_by_get, gateway::click_confirm,
        gateway::payme_confirm, gateway::cancel, gateway::status,
        ops::health::live, ops::health::ready, ops::numbers, ops::screen::screen, ops::openapi, ops::reference,
    ),
    components(schemas(Problem, NoData, core::events::JournalEvent)),
    tags((name = "payment", description = "Every method of payment by one door (seed 003)"),
        (name = "sbp", description = "Sales by a code that the terminal shows (SBP through QRManager)"),
        (name = "gateway", description = "The fiscal gateway's own endpoints, as tills speak to it already (seeds 000–002)"),
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

/// The document, made when it is first asked for.
#[derive(Default)]
pub(super) struct Described {
    document: OnceLock<Bytes>,
    page: OnceLock<Bytes>,
    paths: OnceLock<Value>,
}

impl Described {
    /// As it is served.
    pub(super) fn document(&self, settings: &ApiSettings) -> Bytes {
        self.document.get_or_init(|| document(settings).to_string().into()).clone()
    }

    /// The methods that a path is served for, as `Allow` names them.
    pub(super) fn methods_at(&self, settings: &ApiSettings, path: &str) -> String {
        let paths = self.paths.get_or_init(|| document(settings)["paths"].take());
        let is_one = |part: (&str, &str)| part.0 == part.1 || part.0.starts_with('{');
        let fits = |known: &str| {
            known.split('/').count() == path.split('/').count() && known.split('/').zip(path.split('/')).all(is_one)
        };
        let known = paths.as_object().into_iter().flatten();
        // A path without a name in it comes before one with: /payment/cancel is no payment.
        let item = known.filter(|(known, _)| fits(known)).min_by_key(|(known, _)| known.contains('{'));
        let served = |method: &&str| item.is_some_and(|(_, item)| item[method].is_object());
        ["get", "post"].into_iter().filter(served).map(str::to_uppercase).collect::<Vec<_>>().join(", ")
    }

    /// The same for people.
    pub(super) fn page(&self, settings: &ApiSettings) -> Bytes {
        self.page.get_or_init(|| reference::page(&document(settings)).into()).clone()
    }
}

/// The document of a terminal that is set up like this.
fn document(settings: &ApiSettings) -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    wishes::say_what_is_taken(&mut document, settings);
    data_may_be_missing(&mut document);
    events_hold_json(&mut document);
    add_refusals(&mut document);
    links::add(&mut document);
    document
}

/// Every path's operations: path, method, operation.
pub(super) fn operations(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object_mut().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// An envelope is empty where its sale was refused. The derived schema of a generic type cannot say so.
fn data_may_be_missing(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (_, schema) in
        schemas.iter_mut().filter(|(name, _)| name.starts_with("Envelope_") || name.starts_with("XumoAnswer_"))
    {
        if let Some(data) = schema.pointer_mut("/properties/data") {
            *data = json!({"oneOf": [data, {"type": "null"}]});
        }
    }
}

/// An event's data is a text, and the text is JSON: no derived schema can say of what shape.
fn events_hold_json(document: &mut Value) {
    if let Some(data) = document.pointer_mut("/components/schemas/StreamedEvent/properties/data") {
        data["contentSchema"] = json!({"$ref": "#/components/schemas/JournalEvent"});
    }
}

/// What stands in front of every handler may refuse, too, each time in the shape of its door.
fn add_refusals(document: &mut Value) {
    for (path, _, operation) in operations(document) {
        let shape = if sbp::is_here(path) { "Problem" } else { "NoData" };
        let schema = json!({"$ref": format!("#/components/schemas/{shape}")});
        let answer = |description: &str| json!({"description": description, "content": {"application/json": {"schema": schema}}});
        let Some(answers) = operation["responses"].as_object_mut() else { continue };
        answers.entry("4XX").or_insert_with(|| answer("The request was turned away; nothing was done"));
        answers.entry("5XX").or_insert_with(|| answer("The terminal could not; nothing was begun"));
        if !sbp::is_here(path) {
            // On loopback and at a Unix socket nobody needs a token here.
            operation["security"] = json!([{}, {"till": []}]);
        }
    }
}
