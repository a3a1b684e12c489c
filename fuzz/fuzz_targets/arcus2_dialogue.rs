//! A whole run against a PinPad that says anything: no panic, one `Finished` and nothing after it, and no answer to
//! evidence before its release.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use hal::pinpad::Operation;
use hal::pinpad::arcus2::dialogue::{Dialogue, Event, Now};
use hal::pinpad::arcus2::frame::{Codec, Transport};
use hal::pinpad::arcus2::request::Settings;
use hal::pinpad::limits::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let mut now = Now { at: Duration::ZERO, local: None };
    let settings = Arc::new(Settings { allow_hosts: ["h".to_owned()].into(), ..Settings::default() });
    let codec = Codec::new(Transport::BinLen, limits.payload_bytes);
    let sale = Operation::Sale { amount_minor: 50_000 };
    let recovery = data.first().is_some_and(|b| b & 1 == 1);
    let mut dialogue = if recovery {
        Dialogue::recover(settings, limits.clone(), codec, false, false, now)
    } else {
        match Dialogue::start(settings, limits.clone(), codec, sale, false, now) {
            Ok(dialogue) => dialogue,
            Err(_) => return,
        }
    };
    let mut held = Vec::new();
    let mut finished = 0;
    // Each step: one byte that says what to do, and the payload or bytes that follow it.
    let mut rest = data;
    while let Some((what, more)) = rest.split_first() {
        let take = usize::from(what >> 3).min(more.len());
        let (bytes, after) = more.split_at(take);
        rest = after;
        match what & 7 {
            0 => dialogue.handle_bytes(now, bytes),
            1..=3 if !bytes.is_empty() => {
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
                dialogue.handle_bytes(now, &[&[1], &length[..], bytes].concat());
            }
            4 => {
                now.at += Duration::from_millis(u64::from(bytes.first().copied().unwrap_or(1)) * 50);
                dialogue.handle_timeout(now);
            }
            5 => dialogue.cancel(now),
            6 => dialogue.request_touched(),
            _ => {
                if let Some(sequence) = held.pop() {
                    dialogue.release(now, sequence);
                }
            }
        }
        let mut answers = 0;
        while let Some(transmit) = dialogue.poll_transmit() {
            answers += usize::from(!transmit.is_request);
        }
        assert!(answers <= limits.frames_waiting + 2);
        while let Some(event) = dialogue.poll_event() {
            assert_eq!(finished, 0, "nothing comes after the end: {event:?}");
            match event {
                Event::Evidence { sequence, .. } => held.push(sequence),
                Event::Finished(_) => finished += 1,
                _ => {}
            }
        }
        assert_eq!(finished == 1, dialogue.is_over());
        assert_eq!(dialogue.poll_timeout().is_none(), dialogue.is_over());
    }
});
