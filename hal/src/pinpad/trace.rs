//! What crossed the line, for the technician: readable, and without anything that may not be kept.
//!
//! The bank's packets (`WRITE`, the answer to `READ`) are dropped whole, SETTAGS is shown by names with masked values,
//! slips without the holder, card numbers by first 6 and last 4.

use std::fmt;
use std::sync::Arc;

use super::OperationId;
use super::arcus2::decode_cp1251;
use super::arcus2::message::Message;
use super::slip;

/// Where masked lines go besides the log, for the commissioning's golden trace.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Knows what an operation is for: where everything is said that is done for it.
pub type Spans = Arc<dyn Fn(OperationId) -> tracing::Span + Send + Sync>;

/// The wire trace of one line: the log at level TRACE (target `pinpad::wire`), and a sink if there is one.
#[derive(Clone, Default)]
pub struct Wire {
    sink: Option<Sink>,
}

impl Wire {
    /// A trace that also goes to `sink`.
    #[must_use]
    pub fn new(sink: Option<Sink>) -> Self {
        Self { sink }
    }

    pub(super) fn heard(&self, payload: &[u8]) {
        self.line(|| format!("< {}", of_pinpad(payload)));
    }

    pub(super) fn said(&self, payload: &[u8]) {
        self.line(|| format!("> {}", of_till(payload)));
    }

    fn line(&self, text: impl FnOnce() -> String) {
        let logged = tracing::enabled!(target: "pinpad::wire", tracing::Level::TRACE);
        if !logged && self.sink.is_none() {
            return;
        }
        let text = text();
        tracing::trace!(target: "pinpad::wire", "{text}");
        if let Some(sink) = &self.sink {
            sink(&text);
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("sink", &self.sink.is_some()).finish()
    }
}

/// A payload of the PinPad as one line.
#[must_use]
pub fn of_pinpad(payload: &[u8]) -> String {
    match Message::parse(payload) {
        Message::Write { handle, bytes } => format!("WRITE:{handle}:<{} bytes>", bytes.len()),
        Message::SetTags(tags) => {
            let tags: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("SETTAGS:{}", printable(&tags.join("␛")))
        }
        Message::NotPublic(prefix) => format!("{prefix}:<{} bytes>", payload.len()),
        Message::Remark | Message::Malformed(_) | Message::Unknown(_) => {
            let name = payload.split(|b| *b == b':').next().unwrap_or_default();
            format!("{}:<{} bytes>", printable(&decode_cp1251(&name[..name.len().min(32)])), payload.len() - name.len())
        }
        Message::Print(text) => format!("PRINT:{}", printable(&mask_piece(&text))),
        _ => printable(&slip::mask_numbers(&decode_cp1251(payload))),
    }
}

/// The cut between two pieces may lie between a card number and the holder's name, and a trace line knows nothing of the
/// one before it: so every piece is masked as if it followed a card number.
fn mask_piece(text: &str) -> String {
    const CARD: &str = "000000******0000\n";
    slip::mask_holder(&format!("{CARD}{text}")).split_off(CARD.len())
}

/// An answer or request of ours as one line.
#[must_use]
pub fn of_till(payload: &[u8]) -> String {
    let digits = payload.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 && payload.get(digits) == Some(&b':') {
        return format!("{}:<{} bytes>", decode_cp1251(&payload[..digits]), payload.len() - digits - 1);
    }
    if payload.first().is_some_and(|b| !b.is_ascii()) {
        let hex: String = payload.iter().map(|b| format!("{b:02x}")).collect();
        return format!("<{hex}>");
    }
    printable(&slip::mask_numbers(&decode_cp1251(payload)))
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{1b}' => '␛',
            '\n' | '\r' => '⏎',
            c if c.is_control() => '·',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banks_packets_are_dropped() {
        assert_eq!(of_pinpad(b"WRITE:1:secret"), "WRITE:1:<6 bytes>");
        assert_eq!(of_till(b"1:secret"), "1:<6 bytes>");
        assert_eq!(of_pinpad(b"TRACE:9860090112347856=2501"), "TRACE:<22 bytes>");
    }

    #[test]
    fn card_numbers_are_masked_in_every_message() {
        assert_eq!(of_pinpad(b"STATUS:9860090112347856"), "STATUS:986009******7856");
        assert_eq!(of_pinpad(b"SETTAGS:PAN=9860090112347856\x1bTRACK2=1"), "SETTAGS:PAN=986009******7856");
    }

    #[test]
    fn a_name_is_masked_even_when_its_piece_begins_with_it() {
        assert_eq!(of_pinpad(b"PRINT:   ALI VALIYEV\nAID: 1"), "PRINT:   *** *******⏎AID: 1");
        assert_eq!(of_pinpad(b"PRINT:986009******7856\nALI V"), "PRINT:986009******7856⏎*** *");
    }

    #[test]
    fn the_request_is_shown_with_its_separators() {
        assert_eq!(of_till(b"1\x1b1\x1b860\x1b50000\x1b\x1b"), "1␛1␛860␛50000␛␛");
        assert_eq!(of_till(&[0x9F, 0x02, 0x06]), "<9f0206>");
    }
}
