//! The fiscal receipt's link. Placeholder types until the parser lands.

use serde::{Deserialize, Serialize};

/// A checked link to a fiscal receipt, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReceiptLink {
    text: String,
}

impl TryFrom<String> for ReceiptLink {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Ok(Self { text })
    }
}

impl From<ReceiptLink> for String {
    fn from(link: ReceiptLink) -> Self {
        link.text
    }
}
