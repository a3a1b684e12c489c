//! Bytes on the line ⇄ payloads. Two transports, both without I/O (pinpad.md, "ARCUS 2: frame"):
//!
//! ```text
//! BinLen    01 │ length, u16 big-endian │ payload
//! Block5A   5A │ PCB │ length, u16 little-endian │ data │ CRC-8      data = BinLen frames, joined or split at will
//! ```
//!
//! Neither has an acknowledgement, and neither side sends a frame again. The only question a decoder has to answer is
//! therefore: is this a whole frame, the beginning of one (*incomplete*), or no frame at all (*invalid*)?

use crc::{CRC_8_SMBUS, Crc};

/// First byte of a BinLen frame.
const SOH: u8 = 0x01;
/// First byte of a block.
const BLOCK: u8 = 0x5A;
/// The bit of the PCB that changes with every block.
const TOGGLE: u8 = 0x80;
/// Poly 07, init 0, not reflected: the document's check value F4 is this one's.
const CRC8: Crc<u8> = Crc::<u8>::new(&CRC_8_SMBUS);

const BINLEN_HEADER: usize = 3;
const BLOCK_HEADER: usize = 4;

/// How payloads are wrapped on the line. `binlen` unless the board file says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// `01 | length | payload`.
    #[default]
    BinLen,
    /// BinLen inside `5A | PCB | length | data | CRC-8` blocks. Not proven on RS-232: a setting, never a guess.
    Block5A,
}

/// Why bytes can never become a frame, however many follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A frame begins with another byte.
    #[error("a frame begins with {expected:02X}, not with {found:02X}")]
    Start {
        /// What begins a frame of this transport.
        expected: u8,
        /// What came.
        found: u8,
    },
    /// A frame of length 0: no message is empty.
    #[error("a frame without a payload")]
    Empty,
    /// The announced length is above the limit.
    #[error("a frame of {length} bytes; at most {limit} are accepted")]
    TooLong {
        /// As announced.
        length: usize,
        /// The decoder's limit.
        limit: usize,
    },
    /// The block's check byte does not match its contents.
    #[error("a block whose check byte is {found:02X} where {expected:02X} was computed")]
    Crc {
        /// Computed over PCB, length and data.
        expected: u8,
        /// As received.
        found: u8,
    },
}

/// A payload that does not fit into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {length} bytes cannot be sent; a frame takes 1 to {limit}")]
pub struct Unsendable {
    /// Bytes of the payload.
    pub length: usize,
    /// The largest payload.
    pub limit: usize,
}

/// One line's framing state: what has arrived and is not yet a frame, and which way the next block's toggle stands.
#[derive(Clone, Debug)]
pub struct Codec {
    transport: Transport,
    max_payload: usize,
    /// As received.
    line: Vec<u8>,
    /// What the blocks carried (Block5A only).
    inner: Vec<u8>,
    next_toggle: u8,
}

impl Codec {
    /// A codec for a line just opened. `max_payload` is in bytes; it also bounds what is buffered.
    #[must_use]
    pub fn new(transport: Transport, max_payload: usize) -> Self {
        Self { transport, max_payload, line: Vec::new(), inner: Vec::new(), next_toggle: 0 }
    }

    /// Take in what was read. Nothing is decoded yet.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.line.extend_from_slice(bytes);
    }

    /// The next whole payload; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The bytes are no frame. Everything buffered is dropped, because nothing after a broken length can be trusted.
    pub fn next_payload(&mut self) -> Result<Option<Vec<u8>>, Invalid> {
        let found = match self.transport {
            Transport::BinLen => take_binlen(&mut self.line, self.max_payload),
            Transport::Block5A => self.next_of_blocks(),
        };
        if found.is_err() {
            self.clear();
        }
        found
    }

    /// Bytes of a frame have arrived, but not all of them.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.line.is_empty() || !self.inner.is_empty()
    }

    /// Forget what has arrived.
    pub fn clear(&mut self) {
        self.line.clear();
        self.inner.clear();
    }

    /// Wrap a payload for the line.
    ///
    /// # Errors
    /// The payload is empty or longer than a frame may be.
    pub fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, Unsendable> {
        let unsendable = Unsendable { length: payload.len(), limit: self.max_payload };
        if payload.is_empty() || payload.len() > self.max_payload {
            return Err(unsendable);
        }
        let length = u16::try_from(payload.len()).map_err(|_| unsendable)?;
        let mut frame = Vec::with_capacity(BINLEN_HEADER + payload.len());
        frame.push(SOH);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(payload);
        match self.transport {
            Transport::BinLen => Ok(frame),
            Transport::Block5A => self.wrap_block(&frame).ok_or(unsendable),
        }
    }

    fn wrap_block(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let length = u16::try_from(data.len()).ok()?;
        let mut block = Vec::with_capacity(BLOCK_HEADER + data.len() + 1);
        block.extend_from_slice(&[BLOCK, self.next_toggle]);
        block.extend_from_slice(&length.to_le_bytes());
        block.extend_from_slice(data);
        block.push(CRC8.checksum(&block[1..]));
        self.next_toggle ^= TOGGLE;
        Some(block)
    }

    fn next_of_blocks(&mut self) -> Result<Option<Vec<u8>>, Invalid> {
        loop {
            if let Some(payload) = take_binlen(&mut self.inner, self.max_payload)? {
                return Ok(Some(payload));
            }
            match take_block(&mut self.line, self.max_payload + BINLEN_HEADER)? {
                // The toggle of what we receive is not compared: neither side repeats a block, and a message dropped
                // as a "repeat" would never be answered.
                Some(data) => self.inner.extend_from_slice(&data),
                None => return Ok(None),
            }
        }
    }
}

fn take_binlen(buffer: &mut Vec<u8>, limit: usize) -> Result<Option<Vec<u8>>, Invalid> {
    let Some(&first) = buffer.first() else { return Ok(None) };
    if first != SOH {
        return Err(Invalid::Start { expected: SOH, found: first });
    }
    let [_, high, low, ..] = buffer[..] else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 {
        return Err(Invalid::Empty);
    }
    if length > limit {
        return Err(Invalid::TooLong { length, limit });
    }
    if buffer.len() < BINLEN_HEADER + length {
        return Ok(None);
    }
    let payload = buffer[BINLEN_HEADER..BINLEN_HEADER + length].to_vec();
    buffer.drain(..BINLEN_HEADER + length);
    Ok(Some(payload))
}

fn take_block(buffer: &mut Vec<u8>, limit: usize) -> Result<Option<Vec<u8>>, Invalid> {
    let Some(&first) = buffer.first() else { return Ok(None) };
    if first != BLOCK {
        return Err(Invalid::Start { expected: BLOCK, found: first });
    }
    let [_, _, low, high, ..] = buffer[..] else { return Ok(None) };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if length == 0 {
        return Err(Invalid::Empty);
    }
    if length > limit {
        return Err(Invalid::TooLong { length, limit });
    }
    let end = BLOCK_HEADER + length;
    let Some(&found) = buffer.get(end) else { return Ok(None) };
    let expected = CRC8.checksum(&buffer[1..end]);
    if found != expected {
        return Err(Invalid::Crc { expected, found });
    }
    let data = buffer[BLOCK_HEADER..end].to_vec();
    buffer.drain(..=end);
    Ok(Some(data))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_all(codec: &mut Codec) -> Result<Vec<Vec<u8>>, Invalid> {
        let mut all = Vec::new();
        while let Some(payload) = codec.next_payload()? {
            all.push(payload);
        }
        Ok(all)
    }

    #[test]
    fn the_check_value_of_the_document_is_ours() {
        assert_eq!(CRC8.checksum(b"123456789"), 0xF4);
    }

    #[test]
    fn a_first_byte_that_is_no_frame_is_invalid_and_forgotten() {
        let mut codec = Codec::new(Transport::BinLen, 100);
        codec.feed(&[0x02, 0x00, 0x00]);
        assert_eq!(codec.next_payload(), Err(Invalid::Start { expected: 1, found: 2 }));
        assert!(!codec.is_partial());
        codec.feed(&[1, 0, 2, b'O', b'K']);
        assert_eq!(codec.next_payload(), Ok(Some(b"OK".to_vec())));
    }

    #[test]
    fn a_length_that_has_not_arrived_is_incomplete() {
        let mut codec = Codec::new(Transport::BinLen, 100);
        codec.feed(&[0x01, 0x00, 0x05, 0x4F]);
        assert_eq!(codec.next_payload(), Ok(None));
        assert!(codec.is_partial());
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_it_is_buffered() {
        let mut codec = Codec::new(Transport::BinLen, 100);
        codec.feed(&[0x01, 0xFF, 0xFF]);
        assert_eq!(codec.next_payload(), Err(Invalid::TooLong { length: 65535, limit: 100 }));
        assert_eq!(codec.encode(&[0; 101]), Err(Unsendable { length: 101, limit: 100 }));
        assert_eq!(codec.encode(&[]), Err(Unsendable { length: 0, limit: 100 }));
    }

    #[test]
    fn a_block_is_what_the_document_says_and_toggles() {
        let mut codec = Codec::new(Transport::Block5A, 100);
        let first = codec.encode(b"OK").expect("short");
        let second = codec.encode(b"OK").expect("short");
        assert_eq!(first[..9], [0x5A, 0x00, 5, 0, 1, 0, 2, b'O', b'K']);
        assert_eq!(second[..9], [0x5A, 0x80, 5, 0, 1, 0, 2, b'O', b'K']);
        assert_eq!(codec.encode(b"OK").expect("short"), first);
        assert_eq!(first[9], CRC8.checksum(&first[1..9]));
    }

    #[test]
    fn a_block_with_a_wrong_check_byte_is_invalid() {
        let mut codec = Codec::new(Transport::Block5A, 100);
        let mut block = codec.encode(b"PING:").expect("short");
        *block.last_mut().expect("not empty") ^= 1;
        codec.feed(&block);
        assert!(matches!(codec.next_payload(), Err(Invalid::Crc { .. })));
    }

    #[test]
    fn one_frame_may_span_two_blocks() {
        let mut sender = Codec::new(Transport::Block5A, 100);
        let mut codec = Codec::new(Transport::Block5A, 100);
        for data in [&[1, 0, 5, b'P'][..], b"ING:"] {
            codec.feed(&sender.wrap_block(data).expect("short"));
        }
        assert_eq!(codec.next_payload(), Ok(Some(b"PING:".to_vec())));
    }

    proptest! {
        #[test]
        fn payloads_survive_any_way_of_cutting_the_line(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..8),
            cuts in prop::collection::vec(1usize..20, 1..40),
            block in any::<bool>(),
        ) {
            let transport = if block { Transport::Block5A } else { Transport::BinLen };
            let mut sender = Codec::new(transport, 60);
            let line: Vec<u8> = payloads.iter().flat_map(|p| sender.encode(p).expect("fits")).collect();
            let mut receiver = Codec::new(transport, 60);
            let (mut at, mut got, mut cuts) = (0, Vec::new(), cuts.iter().cycle());
            while at < line.len() {
                let end = line.len().min(at + cuts.next().expect("cycles"));
                receiver.feed(&line[at..end]);
                got.extend(decode_all(&mut receiver).expect("valid"));
                at = end;
            }
            prop_assert_eq!(got, payloads);
            prop_assert!(!receiver.is_partial());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), block in any::<bool>()) {
            let transport = if block { Transport::Block5A } else { Transport::BinLen };
            let mut codec = Codec::new(transport, 64);
            codec.feed(&bytes);
            let _ = decode_all(&mut codec);
        }
    }
}
