//! Frozen bytes: what crosses the line between the till and the PinPad (pinpad.md, "ARCUS 2" and "Vectors").
//!
//! If a test here fails, do not change the test: terminals in the field speak these bytes.

use std::sync::Arc;
use std::time::Duration;

use hal::pinpad::Operation;
use hal::pinpad::arcus2::dialogue::{Dialogue, LocalTime, Now};
use hal::pinpad::arcus2::frame::{Codec, Invalid, Transport};
use hal::pinpad::arcus2::request::{AmountFormat, ReferencePlace, Settings};
use hal::pinpad::limits::Limits;

const SALE: Operation = Operation::Sale { amount_minor: 50_000 };

fn now(at: Duration) -> Now {
    Now { at, local: Some(LocalTime { year: 2022, month: 11, day: 9, hour: 7, minute: 1 }) }
}

/// Everything that a fresh dialogue puts on the line before it hears anything.
fn first_bytes(settings: &Settings, operation: Operation) -> (Dialogue, Vec<u8>) {
    let limits = Limits::default();
    let codec = Codec::new(settings.transport, limits.payload_bytes);
    let settings = Arc::new(settings.clone());
    let started = Dialogue::start(settings, limits.clone(), codec, operation, false, now(Duration::ZERO));
    let mut dialogue = started.map_err(|(_, why)| why).expect("writable");
    dialogue.handle_timeout(now(limits.drain_quiet));
    let bytes = drain(&mut dialogue);
    dialogue.request_touched();
    (dialogue, bytes)
}

fn drain(dialogue: &mut Dialogue) -> Vec<u8> {
    std::iter::from_fn(|| dialogue.poll_transmit()).flat_map(|t| t.bytes).collect()
}

/// `payload` in a BinLen frame, written out by hand: no code of the product is used here.
fn binlen(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short");
    [&[0x01], length.to_be_bytes().as_slice(), payload].concat()
}

/// What the till answers to one message in the middle of `operation`, everything being released.
fn answer_in(settings: &Settings, operation: Operation, message: &[u8]) -> Vec<u8> {
    let (mut dialogue, _) = first_bytes(settings, operation);
    let at = now(Duration::from_secs(1));
    dialogue.handle_bytes(at, &binlen(message));
    for sequence in 0..4 {
        dialogue.release(at, sequence);
    }
    drain(&mut dialogue)
}

fn answer(message: &str) -> Vec<u8> {
    answer_in(&Settings::default(), SALE, message.as_bytes())
}

#[test]
fn a_sale_of_500_sum_is_asked_with_the_documents_bytes() {
    // if a test here fails, do not change the test
    let (_, bytes) = first_bytes(&Settings::default(), SALE);
    assert_eq!(
        bytes,
        [0x01, 0x00, 0x0f, 0x31, 0x1b, 0x31, 0x1b, 0x38, 0x36, 0x30, 0x1b, 0x35, 0x30, 0x30, 0x30, 0x30, 0x1b, 0x1b]
    );
}

#[test]
fn the_documents_frames_are_read_and_written() {
    // if a test here fails, do not change the test
    let mut codec = Codec::new(Transport::BinLen, 4096);
    assert_eq!(codec.encode(b"OK"), Ok(vec![0x01, 0x00, 0x02, 0x4F, 0x4B]));
    codec.feed(&[0x01, 0x00, 0x0b, 0x53, 0x54, 0x4f, 0x52, 0x45, 0x52, 0x43, 0x3a, 0x30, 0x30, 0x30]);
    codec.feed(&[0x01, 0x00, 0x05, 0x50, 0x49, 0x4e, 0x47, 0x3a]);
    assert_eq!(codec.next_payload(), Ok(Some(b"STORERC:000".to_vec())));
    assert_eq!(codec.next_payload(), Ok(Some(b"PING:".to_vec())));
    assert_eq!(codec.next_payload(), Ok(None));
}

#[test]
fn the_documents_wrong_frames_are_refused_or_incomplete() {
    // if a test here fails, do not change the test
    let mut codec = Codec::new(Transport::BinLen, 4096);
    codec.feed(&[0x02, 0x00, 0x00]);
    assert_eq!(codec.next_payload(), Err(Invalid::Start { expected: 0x01, found: 0x02 }));
    codec.feed(&[0x01, 0x00, 0x05, 0x4F]);
    assert_eq!(codec.next_payload(), Ok(None));
    assert!(codec.is_partial());
}

#[test]
fn a_block_carries_a_binlen_frame_and_its_crc() {
    // if a test here fails, do not change the test
    let mut codec = Codec::new(Transport::Block5A, 4096);
    // CRC-8, poly 07, init 0 over 00 05 00 01 00 02 4F 4B and over 80 05 00 01 00 02 4F 4B, computed by hand below.
    for pcb in [0x00, 0x80, 0x00] {
        let mut block = vec![0x5A, pcb, 0x05, 0x00, 0x01, 0x00, 0x02, 0x4F, 0x4B];
        block.push(crc8(&block[1..]));
        assert_eq!(codec.encode(b"OK"), Ok(block.clone()));
        codec.feed(&block);
        assert_eq!(codec.next_payload(), Ok(Some(b"OK".to_vec())));
    }
    assert_eq!(crc8(b"123456789"), 0xF4);
}

/// Bit by bit, as the polynomial is defined.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x07 })
    })
}

#[test]
fn every_operation_has_the_documents_numbers() {
    // if a test here fails, do not change the test
    let rrn = || "231511584547".to_owned();
    let void = Operation::Void { amount_minor: 50_000, rrn: rrn(), receipt_number: Some("6".into()) };
    let refund = Operation::Refund { amount_minor: 50_000, rrn: rrn() };
    for (operation, payload) in [
        (void, "1\u{1b}5\u{1b}860\u{1b}50000\u{1b}231511584547\u{1b}"),
        (refund, "1\u{1b}11\u{1b}860\u{1b}50000\u{1b}231511584547\u{1b}"),
        (Operation::Settlement, "2\u{1b}1"),
        (Operation::ShortReport, "2\u{1b}10"),
        (Operation::DetailedReport, "2\u{1b}0"),
        (Operation::LastTransaction, "2\u{1b}27"),
        (Operation::Ping, "9\u{1b}6"),
        (Operation::AdminMenu, "3\u{1b}5\u{1b}\u{1b}\u{1b}"),
    ] {
        assert_eq!(first_bytes(&Settings::default(), operation).1, binlen(payload.as_bytes()));
    }
    let decimal = Settings { amount_format: AmountFormat::Decimal, ..Settings::default() };
    let (_, bytes) = first_bytes(&decimal, Operation::Sale { amount_minor: 10_001 });
    assert_eq!(bytes, binlen(b"1\x1b1\x1b860\x1b100.01\x1b\x1b"));
}

#[test]
fn each_message_of_the_table_is_answered_as_the_table_says() {
    // if a test here fails, do not change the test
    for ok in [
        "BEGINTR:",
        "BEGINTR",
        "STATUS:text",
        "PRINT:text",
        "TRACE:x",
        "WARNING:x",
        "INFO:x",
        "DEVICECLOSE:1",
        "SETTAGS:RC=00\u{1b}RRN=231511584547",
        "SETTAGS:",
        "SPRESULT:0",
        "STORERC:000",
        "STARTPRINT:",
        "ENDPRINT:",
        "PING:",
        "IOCTL:1:3000:3000",
        "DISCONNECT:1",
        "ENDTR",
        "ENDTR:",
    ] {
        assert_eq!(answer(ok), binlen(b"OK"), "{ok}");
    }
    for error in ["GETFILE:params", "CONNECT:1:bank.example:5000", "WRITE:1:bytes", "CHUNK:x", "ENC:x"] {
        assert_eq!(answer(error), binlen(b"ER"), "{error}");
    }
    for (message, expected) in [
        ("MENU:", &b"0"[..]),
        ("YESNO:?", b"1"),
        ("DATAENTRY:?", b"0\x1b"),
        ("AMOUNTENTRY:?", b"0\x1b50000"),
        ("TIMESYNC:", b"09112022\x1b07:01"),
        ("DEVICEOPEN:", b"OK:1"),
        ("READ:1:1024", b"1:"),
        ("GETTAGS:", b"\x9F\x02\x06\x00\x00\x00\x05\x00\x00\x5F\x2A\x02\x08\x60"),
    ] {
        assert_eq!(answer(message), binlen(expected), "{message}");
    }
}

#[test]
fn ping_is_answered_er_to_cancel() {
    // if a test here fails, do not change the test
    let (mut dialogue, _) = first_bytes(&Settings::default(), SALE);
    dialogue.cancel(now(Duration::from_secs(1)));
    dialogue.handle_bytes(now(Duration::from_secs(1)), &binlen(b"PING:"));
    assert_eq!(drain(&mut dialogue), [0x01, 0x00, 0x02, 0x45, 0x52]);
}

#[test]
fn asked_tags_name_the_terminal_the_sale_and_the_result() {
    // if a test here fails, do not change the test
    let settings =
        Settings { reference_place: ReferencePlace::Tag, terminal_id: Some("01000002".into()), ..Settings::default() };
    let refund = Operation::Refund { amount_minor: 50_000, rrn: "231511584547".into() };
    let asked = b"GETTAGS:\x9F\x1C\x1F\x84\x31\x1F\x03";
    let mut expected = b"\x9F\x02\x06\x00\x00\x00\x05\x00\x00\x5F\x2A\x02\x08\x60".to_vec();
    expected.extend_from_slice(b"\x9F\x1C\x0801000002");
    expected.extend_from_slice(b"\x1F\x84\x31\x0C231511584547\x1F\x03\x0C231511584547");
    assert_eq!(answer_in(&settings, refund, asked), binlen(&expected));
}
