//! What can be asked next of what was just made: OpenAPI's links, by which programs find their way from one operation to the next.

use serde_json::{Value, json};

use super::operations;

/// Where a payment's name stands in an answer, in the words of OpenAPI's runtime expressions.
const NAME: &str = "$response.body#/transaction_id";
const NAME_IN_DATA: &str = "$response.body#/data/transaction_id";

/// An operation, where its answer names the payment, the parameter that takes the name, and the operations that do.
const LINKS: &[(&str, &str, &str, &[&str])] = &[
    (
        "createPayment",
        NAME,
        "id",
        &["retrievePayment", "retrievePaymentStatus", "editPayment", "cancelPayment", "acceptPayment"],
    ),
    ("editPayment", NAME, "id", &["retrievePayment", "cancelPayment", "acceptPayment"]),
    (
        "acceptPayment",
        NAME,
        "id",
        &[
            "retrievePayment",
            "retrievePaymentStatus",
            "cancelPayment",
            "retrieveReceipt",
            "bringReceipt",
            "refundPayment",
            "listRefunds",
        ],
    ),
    ("refundPayment", NAME, "id", &["listRefunds", "retrievePayment"]),
    (
        "createSbpSale",
        NAME,
        "id",
        &[
            "retrieveSbpSale",
            "cancelSbpSale",
            "retrieveSbpReceipt",
            "bringSbpReceipt",
            "refundSbpSale",
            "listSbpRefunds",
            "retrievePayment",
        ],
    ),
    ("sellByClick", NAME_IN_DATA, "transaction_id", &["findPayment"]),
    ("sellByPayme", NAME_IN_DATA, "transaction_id", &["findPayment"]),
    ("sellByCard", NAME_IN_DATA, "transaction_id", &["findPayment"]),
];

/// Put them into the answers of status 200.
pub(super) fn add(document: &mut Value) {
    for (_, _, operation) in operations(document) {
        let Some((_, name, parameter, next)) = LINKS.iter().find(|(from, ..)| operation["operationId"] == *from) else {
            continue;
        };
        for to in *next {
            operation["responses"]["200"]["links"][*to] = json!({"operationId": to, "parameters": {*parameter: name}});
        }
    }
}
