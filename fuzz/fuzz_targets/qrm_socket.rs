//! Any text as a message of QRManager's socket: no panic, nothing long is kept, and what was read as a status reads the same when it is
//! written down again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tolov::provider::qrm::socket::Message;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match Message::decode(&text) {
        Message::Status { code, operation } => {
            let mut results = serde_json::json!({"operation_status_code": code});
            if let Some(id) = &operation {
                results["operation_uuid"] = id.as_str().into();
            }
            let again = serde_json::json!({"results": results}).to_string();
            assert_eq!(Message::decode(&again), Message::Status { code, operation });
        }
        Message::Errors { text, .. } | Message::Unknown { text } => {
            assert!(text.chars().count() <= tolov::limits::PROVIDER_TEXT_MAX_CHARS);
        }
        Message::Connected => {}
    }
});
