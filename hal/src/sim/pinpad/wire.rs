//! The PinPad's side of the framing, written from the protocol's description alone. It shares no code with the till's
//! side: if both were wrong in the same way, no test between them would notice.

use crate::pinpad::arcus2::frame::Transport;

/// Bytes → payloads, and back.
pub(super) struct Framing {
    transport: Transport,
    arrived: Vec<u8>,
    pcb: u8,
}

impl Framing {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, arrived: Vec::new(), pcb: 0 }
    }

    pub(super) fn wrap(&mut self, payload: &[u8]) -> Vec<u8> {
        let [high, low] = length(payload).to_be_bytes();
        let mut binlen = vec![1, high, low];
        binlen.extend(payload);
        if self.transport == Transport::BinLen {
            return binlen;
        }
        let [high, low] = length(&binlen).to_be_bytes();
        let mut block = vec![self.pcb, low, high];
        block.extend(binlen);
        let check = crc8(&block);
        self.pcb ^= 0x80;
        [vec![0x5A], block, vec![check]].concat()
    }

    pub(super) fn arrived(&mut self, bytes: &[u8]) {
        self.arrived.extend(bytes);
    }

    pub(super) fn forget(&mut self) {
        self.arrived.clear();
    }

    /// The next payload. What is no frame is thrown away, as a device does.
    pub(super) fn unwrap(&mut self) -> Option<Vec<u8>> {
        let payload = match self.transport {
            Transport::BinLen => {
                let end = 3 + usize::from(*self.arrived.get(1)?) * 256 + usize::from(*self.arrived.get(2)?);
                self.take(end, 3, 0)
            }
            Transport::Block5A => {
                let end = 4 + usize::from(*self.arrived.get(2)?) + usize::from(*self.arrived.get(3)?) * 256 + 1;
                self.take(end, 7, 1)
            }
        };
        let start = if self.transport == Transport::BinLen { 1 } else { 0x5A };
        payload.filter(|(first, _)| *first == start).map(|(_, payload)| payload)
    }

    fn take(&mut self, end: usize, header: usize, trailer: usize) -> Option<(u8, Vec<u8>)> {
        if self.arrived.len() < end || end < header + trailer {
            return None;
        }
        let frame: Vec<u8> = self.arrived.drain(..end).collect();
        let checked = trailer == 0 || crc8(&frame[1..end - 1]) == frame[end - 1];
        checked.then(|| (frame[0], frame[header..end - trailer].to_vec()))
    }
}

/// The simulator's own messages are short.
fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

/// x⁸ + x² + x + 1, from 0.
fn crc8(bytes: &[u8]) -> u8 {
    let mut crc = 0u8;
    for byte in bytes {
        crc ^= byte;
        for _ in 0..8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 7 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_are_those_of_the_document() {
        assert_eq!(Framing::new(Transport::BinLen).wrap(b"STORERC:000"), b"\x01\x00\x0bSTORERC:000");
        assert_eq!(crc8(b"123456789"), 0xF4);
        let mut framing = Framing::new(Transport::Block5A);
        let block = framing.wrap(b"OK");
        assert_eq!(block[..9], [0x5A, 0, 5, 0, 1, 0, 2, b'O', b'K']);
        framing.arrived(&block);
        assert_eq!(framing.unwrap(), Some(b"OK".to_vec()));
    }
}
