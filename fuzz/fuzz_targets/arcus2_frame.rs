//! Any bytes, in any pieces, into both decoders: no panic, nothing kept beyond the limit, and the same payloads
//! however the line is cut.
#![no_main]

use hal::pinpad::arcus2::frame::{Codec, Transport};
use hal::pinpad::arcus2::message::Message;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 256;

fn payloads<'a>(transport: Transport, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut codec = Codec::new(transport, LIMIT);
    let mut all = Vec::new();
    for piece in pieces {
        codec.feed(piece);
        loop {
            match codec.next_payload() {
                Ok(Some(payload)) => {
                    assert!(!payload.is_empty() && payload.len() <= LIMIT);
                    all.push(payload);
                }
                Ok(None) => break,
                Err(_) => return all,
            }
        }
    }
    all
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, line)) = data.split_first() else { return };
    let cut = usize::from(*cut).max(1);
    for transport in [Transport::BinLen, Transport::Block5A] {
        let whole = payloads(transport, std::iter::once(line));
        let pieces = payloads(transport, line.chunks(cut));
        assert_eq!(whole, pieces);
        for payload in whole {
            let _ = Message::parse(&payload);
        }
    }
});
