use proptest::prelude::*;

use super::{Command, ErrorKind, Message, SocketAddress, Spelling};
use crate::limits;

const ID: &str = "8d585d08-96c6-4005-abb9-aa99f822019c";

fn kind(frame: &str) -> ErrorKind {
    match Message::decode(frame) {
        Message::Errors { kind, .. } => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_commands_are_the_documents() {
    assert_eq!(
        Command::GetQrStatus.encode(ID),
        format!("{{\"body\":{{\"operation_uuid\":\"{ID}\"}},\"command\":\"get_qr_status\"}}")
    );
    assert_eq!(
        Command::Cancel.encode(ID),
        format!("{{\"body\":{{\"operation_uuid\":\"{ID}\"}},\"command\":\"cancel\"}}")
    );
}

#[test]
fn a_status_has_its_number_as_a_number_or_as_a_string_and_may_name_its_operation() {
    let named = |code| Message::Status { code, operation: Some(ID.to_owned()) };
    let sent = format!(
        r#"{{"results": {{"operation_status_code": 5, "operation_status_msg": "Оплачено", "operation_uuid": "{ID}"}}}}"#
    );
    assert_eq!(Message::decode(&sent), named(5));
    assert_eq!(Message::decode(&sent.replace(": 5,", ": \"8\",")), named(8));
    for code in [0, 3, 4, 6, 7, 42, -1] {
        let answer = format!(r#"{{"results": {{"operation_status_code": {code}, "operation_status_msg": "…"}}}}"#);
        assert_eq!(Message::decode(&answer), Message::Status { code, operation: None });
    }
}

#[test]
fn the_greeting_is_known_in_any_letter_case() {
    assert_eq!(Message::decode(r#"{"results": "connected"}"#), Message::Connected);
    assert_eq!(Message::decode(r#"{"results": "Connected"}"#), Message::Connected);
}

#[test]
fn every_error_that_the_document_prints_is_told_apart() {
    let forbidden = r#"{"errors": "Данный запрос запрещен, операция в статусе Оплачено"}"#;
    assert_eq!(kind(forbidden), ErrorKind::Forbidden);
    assert_eq!(kind(r#"{"errors": "Не верны входные параметры: operation_uuid"}"#), ErrorKind::BadParameters);
    let unheard = "we didn't receive status from third party service, so there may be problems";
    assert_eq!(kind(&format!("{{\"errors\": \"{unheard}\"}}")), ErrorKind::NoStatus);
    assert_eq!(
        kind(&format!("{{\"errors\": error({unheard})}}")),
        ErrorKind::NoStatus,
        "printed so, though it is no JSON"
    );
    let lost = Message::decode(&format!("{{\"errors\": \"Операция не обнаружена с uuid: {ID}\"}}"));
    let text = format!("Операция не обнаружена с uuid: {ID}");
    assert_eq!(lost, Message::Errors { kind: ErrorKind::NotFound, operation: Some(ID.to_owned()), text });
}

#[test]
fn errors_may_be_a_text_a_list_or_a_list_for_each_field() {
    assert_eq!(kind(r#"{"errors": ["Данный запрос запрещен, операция в статусе PAID"]}"#), ErrorKind::Forbidden);
    let fields = r#"{"errors": {"operation_uuid": ["Must be a valid UUID."], "command": "unknown"}, "results": null}"#;
    let Message::Errors { kind, text, operation } = Message::decode(fields) else { panic!("{fields}") };
    assert_eq!((kind, operation), (ErrorKind::Other, None));
    assert!(text.contains("operation_uuid: Must be a valid UUID.") && text.contains("command: unknown"), "{text}");
}

#[test]
fn an_error_beside_a_status_is_not_taken_for_the_status() {
    let both = r#"{"results": {"operation_status_code": 5}, "errors": "Internal"}"#;
    assert_eq!(kind(both), ErrorKind::Other);
    let none = r#"{"results": {"operation_status_code": 5}, "errors": null}"#;
    assert_eq!(Message::decode(none), Message::Status { code: 5, operation: None });
}

#[test]
fn what_is_not_understood_is_unknown_and_short() {
    let long = "я".repeat(9_000);
    let strange = [
        "",
        "null",
        "[]",
        "5",
        r#"{"results": {}}"#,
        r#"{"results": {"operation_status_code": 5.5}}"#,
        r#"{"results": {"operation_status_code": true}}"#,
        r#"{"results": "bye"}"#,
        r#"{"result": {"operation_status_code": 5}}"#,
        r#"{"results": {"operation_status_code": 4 "operation_status_msg": "В процессе"}}"#,
        long.as_str(),
    ];
    for frame in strange {
        let Message::Unknown { text } = Message::decode(frame) else { panic!("{frame}") };
        assert!(text.chars().count() <= limits::PROVIDER_TEXT_MAX_CHARS);
    }
}

#[test]
fn the_address_is_the_base_urls_and_never_prints_the_key() {
    let address = |base, spelling| SocketAddress::new(base, "lDvAIB7E.K02z/E1", spelling).unwrap();
    let live = address("https://app.devwapiserv.qrm.ooo", Spelling::Plain);
    assert_eq!(live.with_key(), "wss://app.devwapiserv.qrm.ooo/ws/qr-code?api_key=lDvAIB7E.K02z%2FE1");
    assert_eq!((live.tls, live.host.as_str(), live.port), (true, "app.devwapiserv.qrm.ooo", 443));
    assert_eq!(format!("{live:?}"), "wss://app.devwapiserv.qrm.ooo/ws/qr-code?api_key=•••");
    let local = address("http://127.0.0.1:8080/qrm", Spelling::Slash);
    assert_eq!(local.with_key(), "ws://127.0.0.1:8080/qrm/ws/qr-code/?api_key=lDvAIB7E.K02z%2FE1");
    let six = address("http://[::1]:8080", Spelling::Plain);
    assert_eq!((six.tls, six.host.as_str(), six.port), (false, "::1", 8080));
    assert_eq!(address("https://[::1]", Spelling::Plain).port, 443);
    for wrong in ["", "qrm.ooo", "ftp://qrm.ooo", "https://", "https://:443", "http://host:port"] {
        assert_eq!(SocketAddress::new(wrong, "k", Spelling::Plain), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(frame in "\\PC{0,200}") {
        let _ = Message::decode(&frame);
    }

    #[test]
    fn no_json_is_too_strange(inner in any_json()) {
        for frame in [
            format!("{{\"results\": {inner}}}"),
            format!("{{\"errors\": {inner}}}"),
            format!("{{\"results\": {{\"operation_status_code\": {inner}, \"operation_uuid\": {inner}}}}}"),
            inner,
        ] {
            let _ = Message::decode(&frame);
        }
    }

    #[test]
    fn a_status_is_read_as_it_was_sent(code in any::<i64>(), text in any::<bool>(), named in any::<bool>()) {
        let number = if text { format!("\"{code}\"") } else { code.to_string() };
        let operation = if named { format!(", \"operation_uuid\": \"{ID}\"") } else { String::new() };
        let frame = format!("{{\"results\": {{\"operation_status_code\": {number}{operation}}}}}");
        let operation = named.then(|| ID.to_owned());
        prop_assert_eq!(Message::decode(&frame), Message::Status { code, operation });
    }

    #[test]
    fn a_command_names_its_operation_whatever_it_is(operation in "\\PC{0,60}") {
        let sent: serde_json::Value = serde_json::from_str(&Command::Cancel.encode(&operation)).unwrap();
        prop_assert_eq!(sent["body"]["operation_uuid"].as_str(), Some(operation.as_str()));
    }

    #[test]
    fn no_address_prints_its_key(key in "[A-Za-z0-9._~!@#$%/?&= -]{9,60}", host in "[a-z]{1,8}") {
        let address = SocketAddress::new(&format!("https://{host}"), &key, Spelling::Plain).unwrap();
        let printed = format!("{address:?}");
        prop_assert!(!printed.contains(&key));
        let target = address.with_key();
        let query = target.rsplit_once("api_key=").unwrap().1;
        prop_assert!(!query.contains(['&', '?', '#', ' ', '/']));
    }
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[a-zа-я ]{0,12}".prop_map(|s| format!("\"{s}\"")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::btree_map("[a-z_]{1,6}", inner, 0..4).prop_map(|m| {
                let fields: Vec<String> = m.into_iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}
