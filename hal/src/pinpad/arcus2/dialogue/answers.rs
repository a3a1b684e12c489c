//! The document's table: what each message is answered with, and which ones tell that a card is in the game.

use super::{Dialogue, Now, Stage};
use crate::pinpad::arcus2::message::Message;
use crate::pinpad::arcus2::proxy::Step;
use crate::pinpad::arcus2::request::{self, ReferencePlace};
use crate::pinpad::arcus2::tlv;
use crate::pinpad::slip::NO_CARD_IN_TIME;

/// Values of SETTAGS that the PinPad has from itself and from the till's request: they tell of no card.
const OWN_TAGS: [&str; 3] = ["RC", "TERM", "AMOUNT"];

impl Dialogue {
    /// Can this be said only when a card was presented? When unsure: yes. Cancelling too little is safe.
    ///
    /// A result is the end of an operation that had a card, with one exception: 998, which is also what a PinPad says that has waited for
    /// a card in vain. It is no sign of one, and neither are the values after it, if they hold nothing that a bank or a card has given.
    /// Where a card was there all the same, something else has told of it: a connection, a slip, a status.
    pub(super) fn implies_card(&self, message: &Message) -> bool {
        match message {
            Message::Status(text) => !self.settings.is_waiting(text),
            Message::StoreRc(code) => code != NO_CARD_IN_TIME,
            Message::SetTags(tags) if self.last_code.as_deref() == Some(NO_CARD_IN_TIME) => {
                !tags.iter().all(|(name, value)| value.is_empty() || OWN_TAGS.contains(&name.as_str()))
            }
            Message::BeginTr
            | Message::Remark
            | Message::Ping
            | Message::GetTags(_)
            | Message::AmountEntry
            | Message::TimeSync
            | Message::GetFile
            | Message::DeviceClose
            | Message::EndTr => false,
            Message::Print(_)
            | Message::PrintMark
            | Message::SetTags(_)
            | Message::SpResult
            | Message::Menu
            | Message::YesNo
            | Message::DataEntry
            | Message::DeviceOpen
            | Message::IoCtl { .. }
            | Message::Connect { .. }
            | Message::Write { .. }
            | Message::Read { .. }
            | Message::Disconnect { .. }
            | Message::NotPublic(_)
            | Message::Malformed(_)
            | Message::Unknown(_) => true,
        }
    }

    /// The document's table: what each message is answered with.
    pub(super) fn step_for(&mut self, now: Now, message: &Message) -> Step {
        let ok = || Step::Answer(b"OK".to_vec());
        let error = || Step::Answer(b"ER".to_vec());
        match message {
            Message::BeginTr
            | Message::Status(_)
            | Message::Print(_)
            | Message::PrintMark
            | Message::Remark
            | Message::DeviceClose
            | Message::SetTags(_)
            | Message::SpResult
            | Message::StoreRc(_) => ok(),
            Message::Ping if self.may_cancel() => error(),
            Message::Ping => ok(),
            Message::GetTags(asked) => Step::Answer(self.tags(asked)),
            Message::Menu => Step::Answer(b"0".to_vec()),
            Message::YesNo => Step::Answer(b"1".to_vec()),
            Message::DataEntry => {
                let reference = self.reference(ReferencePlace::DataEntry).unwrap_or_default();
                Step::Answer(format!("0\u{1b}{reference}").into_bytes())
            }
            Message::AmountEntry => Step::Answer(format!("0\u{1b}{}", self.amount()).into_bytes()),
            Message::TimeSync => now.local.map_or_else(error, |t| {
                let text = format!("{:02}{:02}{:04}\u{1b}{:02}:{:02}", t.day, t.month, t.year, t.hour, t.minute);
                Step::Answer(text.into_bytes())
            }),
            Message::GetFile => error(),
            Message::DeviceOpen
            | Message::IoCtl { .. }
            | Message::Connect { .. }
            | Message::Write { .. }
            | Message::Read { .. }
            | Message::Disconnect { .. } => self.bank.step_for(message),
            Message::EndTr => Step::End(b"OK".to_vec()),
            Message::NotPublic(prefix) => {
                let why = format!("the PinPad speaks {prefix}:, a dialect that is not public; have it switched off");
                Step::Refuse(b"ER".to_vec(), why)
            }
            Message::Malformed(name) => {
                tracing::warn!(name, "a message whose data does not fit its name was answered ER");
                error()
            }
            Message::Unknown(name) => {
                tracing::warn!(name, "a message that no document names was answered ER");
                error()
            }
        }
    }

    fn may_cancel(&self) -> bool {
        let wanted = match self.stage {
            Stage::Running { .. } => self.cancel_wanted,
            // Nobody waits for an operation that failed or was interrupted: if no card is in the game, end it.
            Stage::Failing { .. } | Stage::Listening { .. } => true,
            // Not ours to judge: whose dialogue this is, and what its journal says, is unknown here.
            Stage::Draining { .. } | Stage::Pinging { .. } | Stage::Over => false,
        };
        wanted && !self.card
    }

    fn tags(&self, asked: &[u32]) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(amount) = tlv::bcd12(self.amount()) {
            tlv::push(&mut out, 0x9F02, &amount);
        }
        let currency = self.settings.currency;
        if let Some([.., high, low]) = tlv::bcd12(u64::from(currency)) {
            tlv::push(&mut out, 0x5F2A, &[high, low]);
        }
        for tag in asked {
            let value = match tag {
                0x9F1C => self.settings.terminal_id.clone(),
                0x1F_8431 | 0x1F03 => self.reference(ReferencePlace::Tag),
                0x1F0D => self.last_code.clone(),
                _ => None,
            };
            if let Some(value) = value {
                tlv::push(&mut out, *tag, value.as_bytes());
            }
        }
        out
    }

    fn reference(&self, place: ReferencePlace) -> Option<String> {
        let wanted = self.settings.reference_place == place;
        let operation = self.operation.as_ref().filter(|_| wanted)?;
        self.settings.reference_of(operation).ok().flatten()
    }

    fn amount(&self) -> u64 {
        self.operation.as_ref().map_or(0, request::amount)
    }
}
