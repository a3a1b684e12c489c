//! What the PinPad says: `NAME:data`, one in a frame (pinpad.md, the dialogue's table).

use super::{ESC, decode_cp1251, tlv};

/// A message of the PinPad, taken apart. Text is decoded from CP1251, bytes for the bank stay bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The dialogue begins.
    BeginTr,
    /// A line for the customer or the cashier.
    Status(String),
    /// A piece of the slip.
    Print(String),
    /// STARTPRINT, ENDPRINT: around the pieces.
    PrintMark,
    /// TRACE, WARNING, INFO: for a log. The text may hold anything, so it is not kept.
    Remark,
    /// Values of the operation's outcome, see [`parse_tags`].
    SetTags(Vec<(String, String)>),
    /// SPRESULT: the result of the payment application's own step. Not the result of the operation.
    SpResult,
    /// The result code.
    StoreRc(String),
    /// May I go on?
    Ping,
    /// The PinPad asks for these EMV tags; empty = the usual ones.
    GetTags(Vec<u32>),
    /// Choose a line of a menu.
    Menu,
    /// A question.
    YesNo,
    /// Type something.
    DataEntry,
    /// Type an amount.
    AmountEntry,
    /// What time is it?
    TimeSync,
    /// A file of the till.
    GetFile,
    /// A connection to the bank is about to be made through the till.
    DeviceOpen,
    /// Time limits of a connection, in units of 10 ms.
    IoCtl {
        /// Which one.
        handle: u32,
        /// For reading, units of 10 ms; `None` when it was not a number.
        read_10ms: Option<u32>,
    },
    /// Connect to the bank.
    Connect {
        /// Which one.
        handle: u32,
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Bytes for the bank.
    Write {
        /// Which one.
        handle: u32,
        /// As they are.
        bytes: Vec<u8>,
    },
    /// Bytes from the bank.
    Read {
        /// Which one.
        handle: u32,
        /// At most this many.
        max: usize,
    },
    /// The connection is over.
    Disconnect {
        /// Which one.
        handle: u32,
    },
    /// The device is no longer needed.
    DeviceClose,
    /// The dialogue is over.
    EndTr,
    /// `CHUNK:` or `ENC:`: a dialect that is not public. Nothing after it can be understood.
    NotPublic(&'static str),
    /// A name of the table whose data does not fit it (a CONNECT without a port).
    Malformed(&'static str),
    /// A name that the table does not have.
    Unknown(String),
}

impl Message {
    /// Understand a payload. There is no failure: what is not understood is [`Message::Unknown`] or
    /// [`Message::Malformed`], and the dialogue has an answer for both.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Self {
        let colon = payload.iter().position(|b| *b == b':');
        let (name, data) = match colon {
            Some(at) => (&payload[..at], &payload[at + 1..]),
            None => (payload, &[][..]),
        };
        match name {
            b"BEGINTR" => Self::BeginTr,
            b"STATUS" => Self::Status(decode_cp1251(data)),
            b"PRINT" => Self::Print(decode_cp1251(data)),
            b"STARTPRINT" | b"ENDPRINT" => Self::PrintMark,
            b"TRACE" | b"WARNING" | b"INFO" => Self::Remark,
            b"SETTAGS" => Self::SetTags(parse_tags(data)),
            b"SPRESULT" => Self::SpResult,
            b"STORERC" => Self::StoreRc(decode_cp1251(data).trim().to_owned()),
            b"PING" => Self::Ping,
            b"GETTAGS" => Self::GetTags(asked_tags(data)),
            b"MENU" => Self::Menu,
            b"YESNO" => Self::YesNo,
            b"DATAENTRY" => Self::DataEntry,
            b"AMOUNTENTRY" => Self::AmountEntry,
            b"TIMESYNC" => Self::TimeSync,
            b"GETFILE" => Self::GetFile,
            b"DEVICEOPEN" => Self::DeviceOpen,
            b"DEVICECLOSE" => Self::DeviceClose,
            b"IOCTL" => parse_ioctl(data).unwrap_or(Self::Malformed("IOCTL")),
            b"CONNECT" => parse_connect(data).unwrap_or(Self::Malformed("CONNECT")),
            b"WRITE" => parse_write(data).unwrap_or(Self::Malformed("WRITE")),
            b"READ" => parse_read(data).unwrap_or(Self::Malformed("READ")),
            b"DISCONNECT" => match number(data) {
                Some(handle) => Self::Disconnect { handle },
                None => Self::Malformed("DISCONNECT"),
            },
            b"ENDTR" => Self::EndTr,
            b"CHUNK" => Self::NotPublic("CHUNK"),
            b"ENC" => Self::NotPublic("ENC"),
            other => Self::Unknown(decode_cp1251(&other[..other.len().min(32)])),
        }
    }
}

/// The values of SETTAGS. Three spellings are known: `RC=00␛RRN=…`, BER-TLV, and nothing at all; BER-TLV is also
/// accepted as hexadecimal text. What is none of these comes back whole, under an empty name.
///
/// Track data, PIN blocks and the holder's name are dropped, card numbers are cut to first 6 and last 4: they may
/// not be kept, so they never leave this function.
#[must_use]
pub fn parse_tags(data: &[u8]) -> Vec<(String, String)> {
    if data.is_empty() {
        return Vec::new();
    }
    let pairs = if data.contains(&b'=') && !data.contains(&0) {
        named_tags(data)
    } else if let Some(list) = tlv::unhex(data).and_then(|bytes| tlv::parse(&bytes).ok()) {
        list.iter().filter_map(named_tlv).collect()
    } else if let Ok(list) = tlv::parse(data) {
        list.iter().filter_map(named_tlv).collect()
    } else {
        vec![(String::new(), decode_cp1251(data))]
    };
    pairs.into_iter().map(|(name, value)| (name, super::super::slip::mask_numbers(&value))).collect()
}

fn named_tags(data: &[u8]) -> Vec<(String, String)> {
    const NEVER_KEPT: [&str; 6] = ["TRACK", "TRK", "PIN", "HOLDER", "CVV", "NAME"];
    data.split(|b| *b == ESC)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let text = decode_cp1251(part);
            match text.split_once('=') {
                Some((name, value)) => (name.trim().to_uppercase(), value.trim().to_owned()),
                None => (String::new(), text),
            }
        })
        .filter(|(name, _)| !NEVER_KEPT.iter().any(|never| name.contains(never)))
        .collect()
}

fn named_tlv(item: &tlv::Tlv) -> Option<(String, String)> {
    let text = || decode_cp1251(&item.value).trim().to_owned();
    let digits = || item.value.iter().map(|b| format!("{b:02X}")).collect::<String>();
    Some(match item.tag {
        // Track 1 and 2 and their equivalents, the holder's name, PIN blocks.
        0x56 | 0x57 | 0x9F6B | 0x9F1F | 0x9F20 | 0x5F20 | 0x9F0B | 0x99 | 0x5F24 => return None,
        0x9F02 => {
            let amount = digits();
            let amount = amount.trim_start_matches('0');
            ("AMOUNT".to_owned(), if amount.is_empty() { "0" } else { amount }.to_owned())
        }
        0x9F1C => ("TERM".to_owned(), text()),
        0x1F_8431 | 0x1F03 => ("RRN".to_owned(), text()),
        0x1F0D => ("RC".to_owned(), text()),
        0x89 => ("AUTH".to_owned(), text()),
        tag => (format!("{tag:X}"), digits().trim_end_matches('F').to_owned()),
    })
}

fn asked_tags(data: &[u8]) -> Vec<u32> {
    let bytes = tlv::unhex(data).unwrap_or_else(|| data.to_vec());
    // A list that makes no sense is answered like an empty one: with the amount and the currency.
    tlv::parse_tags(&bytes).unwrap_or_default()
}

fn parse_ioctl(data: &[u8]) -> Option<Message> {
    let mut parts = data.split(|b| *b == b':');
    let handle = number(parts.next()?)?;
    Some(Message::IoCtl { handle, read_10ms: parts.next().and_then(number) })
}

fn parse_connect(data: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(data).ok()?;
    let (handle, address) = text.split_once(':')?;
    let (host, port) = address.rsplit_once(':')?;
    if host.is_empty() {
        return None;
    }
    Some(Message::Connect {
        handle: number(handle.as_bytes())?,
        host: host.trim().to_owned(),
        port: port.trim().parse().ok()?,
    })
}

fn parse_write(data: &[u8]) -> Option<Message> {
    let colon = data.iter().position(|b| *b == b':')?;
    Some(Message::Write { handle: number(&data[..colon])?, bytes: data[colon + 1..].to_vec() })
}

fn parse_read(data: &[u8]) -> Option<Message> {
    let mut parts = data.split(|b| *b == b':');
    let handle = number(parts.next()?)?;
    let max = usize::try_from(number(parts.next()?)?).ok()?;
    Some(Message::Read { handle, max })
}

fn number(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn endtr_is_understood_with_and_without_a_colon() {
        assert_eq!(Message::parse(b"ENDTR"), Message::EndTr);
        assert_eq!(Message::parse(b"ENDTR:"), Message::EndTr);
    }

    #[test]
    fn settags_is_read_in_all_three_spellings() {
        let expected = pairs(&[("RC", "00"), ("RRN", "231511584547"), ("TERM", "01000002"), ("AMOUNT", "50000")]);
        assert_eq!(parse_tags(b"RC=00\x1bRRN=231511584547\x1bTERM=01000002\x1bAMOUNT=50000"), expected);
        let mut ber = Vec::new();
        tlv::push(&mut ber, 0x1F0D, b"00");
        tlv::push(&mut ber, 0x1F_8431, b"231511584547");
        tlv::push(&mut ber, 0x9F1C, b"01000002");
        tlv::push(&mut ber, 0x9F02, &[0, 0, 0, 5, 0, 0]);
        assert_eq!(parse_tags(&ber), expected);
        let hex: String = ber.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(parse_tags(hex.as_bytes()), expected);
        assert_eq!(parse_tags(b""), []);
    }

    #[test]
    fn track_data_and_the_holder_never_leave_settags_and_the_card_is_masked() {
        assert_eq!(
            parse_tags(b"PAN=9860090112347856\x1bTRACK2=9860090112347856=2501\x1bHOLDERNAME=A B\x1bRC=00"),
            pairs(&[("PAN", "986009******7856"), ("RC", "00")])
        );
        let mut ber = Vec::new();
        tlv::push(&mut ber, 0x57, &[0x98, 0x60, 0x09, 0x01, 0x12, 0x34, 0x78, 0x56, 0xD2]);
        tlv::push(&mut ber, 0x5F20, b"A B");
        tlv::push(&mut ber, 0x5A, &[0x98, 0x60, 0x09, 0x01, 0x12, 0x34, 0x78, 0x56]);
        assert_eq!(parse_tags(&ber), pairs(&[("5A", "986009******7856")]));
    }

    #[test]
    fn bytes_for_the_bank_may_hold_anything() {
        assert_eq!(
            Message::parse(b"WRITE:1:\x00:\xff\x1b"),
            Message::Write { handle: 1, bytes: b"\x00:\xff\x1b".to_vec() }
        );
        assert_eq!(Message::parse(b"READ:1:1024"), Message::Read { handle: 1, max: 1024 });
        assert_eq!(
            Message::parse(b"CONNECT:1:10.0.0.1:5000"),
            Message::Connect { handle: 1, host: "10.0.0.1".into(), port: 5000 }
        );
        assert_eq!(Message::parse(b"CONNECT:1:host"), Message::Malformed("CONNECT"));
        assert_eq!(Message::parse(b"IOCTL:1:3000:3000"), Message::IoCtl { handle: 1, read_10ms: Some(3000) });
    }

    #[test]
    fn the_two_prefixes_that_are_not_public_are_named() {
        assert_eq!(Message::parse(b"CHUNK:1"), Message::NotPublic("CHUNK"));
        assert_eq!(Message::parse(b"ENC:\x01\x02"), Message::NotPublic("ENC"));
        assert_eq!(Message::parse(b"BEEP:1"), Message::Unknown("BEEP".into()));
    }

    #[test]
    fn asked_tags_are_read_as_bytes_and_as_hexadecimal_text() {
        assert_eq!(Message::parse(b"GETTAGS:"), Message::GetTags(vec![]));
        assert_eq!(Message::parse(b"GETTAGS:\x9f\x02\x5f\x2a"), Message::GetTags(vec![0x9F02, 0x5F2A]));
        assert_eq!(Message::parse(b"GETTAGS:9F021F8431"), Message::GetTags(vec![0x9F02, 0x1F_8431]));
    }
}
