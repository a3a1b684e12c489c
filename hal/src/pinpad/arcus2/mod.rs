//! ARCUS 2 ("Univ. EMV POS"), till side, as described in pinpad.md. No I/O here: bytes, time and releases go in;
//! bytes and events come out.
//!
//! - [`frame`]: bytes on the line ⇄ payloads
//! - [`message`]: a payload → what the PinPad said
//! - [`proxy`]: the PinPad reaching its bank through the till
//! - [`request`]: an operation → the request's payload; the settings of the dialect
//! - [`dialogue`]: one run from the request to ENDTR
//! - [`tlv`] takes BER-TLV apart

pub mod dialogue;
pub mod frame;
pub mod message;
pub mod proxy;
pub mod request;
pub mod tlv;

use encoding_rs::WINDOWS_1251;

/// The field separator.
pub const ESC: u8 = 0x1B;

/// CP1251 → text. Every byte has a meaning, so nothing is lost.
#[must_use]
pub fn decode_cp1251(bytes: &[u8]) -> String {
    WINDOWS_1251.decode_without_bom_handling(bytes).0.into_owned()
}
