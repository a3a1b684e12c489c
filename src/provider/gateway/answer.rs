//! What an answer of the gateway means: bytes in, a class out (DESIGN §4, "Outcome classes"). Pure, so that every class is a line in a table.
//!
//! ```text
//! {"data": {…}, "error": null, "is_success": true}
//! {"data": null, "error": {"code": 104, "message": "BILLING_ERROR", "data": null}, "is_success": false}
//! ```
//!
//! Strict about what decides (`is_success`, `status`, `error.code`, `payment_id`), lenient about everything else: echoes (`amount`, `qr_code`,
//! `transaction_id`, …) may be missing, `0` or `null`, and are never compared. The texts for people never quote the body: it may hold a
//! customer's phone number.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::limits;
use crate::payment::event::{Delivery, Outcome};
use crate::payment::sale::{Approval, Decline, DeclineKind, Private};

/// The gateway itself, or the fiscal identity behind it, is not set up.
const NOT_SET_UP: i64 = 104;
/// The request does not pass the gateway's checks; it never will.
const INVALID: i64 = 7;
/// The spellings of success in `data.status`, of Click's page and Payme's.
const SUCCESS: [&str; 2] = ["successfully", "success"];

/// The envelope. Every part as its own text, so that each can be told apart: absent, `null`, of a wrong type. A part that stands twice makes
/// the whole unreadable.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    is_success: Option<&'a RawValue>,
}

/// `data` of a charge, as far as we look at it.
#[derive(Deserialize)]
struct ChargeData<'a> {
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status_code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    transaction_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payment_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_phone_number: Option<&'a RawValue>,
}

/// `error`.
#[derive(Deserialize)]
struct ErrorData<'a> {
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

/// What the gateway says, taken apart as far as `is_success`.
enum Said<'a> {
    Yes { data: Option<&'a RawValue> },
    No { code: i64, message: Option<String>, data: Option<&'a RawValue> },
}

/// The class of an answer to a charge.
pub(super) fn charge(status: u16, body: &[u8], refused_codes: &[i64]) -> Outcome {
    understand_charge(status, body, refused_codes)
        .unwrap_or_else(|why| Outcome::InDoubt { text: format!("HTTP {status}: {why}") })
}

fn understand_charge(status: u16, body: &[u8], refused_codes: &[i64]) -> Result<Outcome, String> {
    if !(200..300).contains(&status) && !(400..500).contains(&status) {
        return Err("no answer to a payment comes so".to_owned());
    }
    match envelope(body)? {
        Said::Yes { .. } if status >= 400 => Err("the answer says success, its status an error".to_owned()),
        Said::Yes { data: None } => Err("success without data".to_owned()),
        Said::Yes { data: Some(data) } => approval(data).map(Outcome::Approved),
        Said::No { data: Some(_), .. } => Err("a refusal that brings data".to_owned()),
        Said::No { code, message, data: None } if refused_codes.contains(&code) => {
            let why = if code == NOT_SET_UP { DeclineKind::Misconfigured } else { DeclineKind::Refused };
            Ok(Outcome::Refused(Decline { why, code: Some(code.to_string()), message }))
        }
        Said::No { code, message, .. } => {
            let words = message.map(|m| format!(" ({m})")).unwrap_or_default();
            Err(format!("error {code}{words}, which does not say whether money moved"))
        }
    }
}

/// The message of code 7 is itself JSON, field → sentences (seed 001); for people it is said in a line.
fn told(message: &str) -> String {
    let Ok(fields) = serde_json::from_str::<std::collections::BTreeMap<String, Vec<String>>>(message) else {
        return message.to_owned();
    };
    let said = fields.into_iter().map(|(field, sentences)| format!("{field}: {}", sentences.join(" ")));
    said.collect::<Vec<_>>().join("; ")
}

/// The class of an answer to a confirmation.
pub(super) fn confirm(status: u16, body: &[u8]) -> Delivery {
    let retry = |why: String| Delivery::Retry { text: format!("HTTP {status}: {why}") };
    if !(200..300).contains(&status) && !(400..500).contains(&status) {
        return retry("the gateway is in trouble".to_owned());
    }
    match envelope(body) {
        Err(why) => retry(why),
        Ok(Said::No { code: INVALID, message, .. }) => {
            Delivery::Refused { text: message.map_or_else(|| "error 7 without a message".to_owned(), |m| told(&m)) }
        }
        Ok(Said::No { code, message, .. }) => {
            retry(format!("error {code}{}", message.map(|m| format!(" ({m})")).unwrap_or_default()))
        }
        Ok(Said::Yes { .. }) if status >= 400 => retry("the answer says success, its status an error".to_owned()),
        Ok(Said::Yes { data }) => match confirmed(data) {
            Ok(answer) => Delivery::Confirmed { answer },
            Err(why) => retry(why),
        },
    }
}

fn envelope(body: &[u8]) -> Result<Said<'_>, String> {
    let json = std::str::from_utf8(body).unwrap_or_default();
    let envelope: Envelope<'_> =
        object(json).ok_or_else(|| format!("{} bytes that are not the gateway's JSON", body.len()))?;
    let error = present(envelope.error);
    match present(envelope.is_success).map(RawValue::get) {
        Some("true") if error.is_some() => Err("success and an error at once".to_owned()),
        Some("true") => Ok(Said::Yes { data: present(envelope.data) }),
        Some("false") => {
            let error = error.ok_or("a refusal without an error")?;
            let ErrorData { code, message } = object(error.get()).ok_or("error is not an object")?;
            let code = present(code).and_then(|raw| raw.get().parse().ok()).ok_or("error.code is not an integer")?;
            Ok(Said::No { code, message: text(message), data: present(envelope.data) })
        }
        Some(_) => Err("is_success is neither true nor false".to_owned()),
        None => Err("no is_success".to_owned()),
    }
}

/// Read `data` of a success.
fn approval(data: &RawValue) -> Result<Approval, String> {
    let fields: ChargeData<'_> = object(data.get()).ok_or("data is not an object")?;
    if serde_json::from_str::<serde_json::Map<String, Value>>(data.get()).is_ok_and(|all| all.is_empty()) {
        return Err("success with empty data".to_owned());
    }
    let status = match present(fields.status) {
        None => None,
        Some(raw) => Some(string(raw).ok_or("data.status is not text")?),
    };
    if let Some(other) = status.as_deref().filter(|s| !SUCCESS.contains(s)) {
        return Err(format!("success with the status “{}”", shortened(other)));
    }
    let status_code = present(fields.status_code).and_then(|raw| raw.get().parse().ok());
    if status.is_none() && status_code.is_some_and(|code: i64| code != 0) {
        return Err("success with a status_code that is not 0 and no status".to_owned());
    }
    let payment_id = match present(fields.payment_id) {
        None => None,
        Some(raw) => identifier(raw)?,
    };
    let phone = present(fields.client_phone_number).and_then(|raw| string(raw).or_else(|| digits(raw)));
    Ok(Approval {
        payment_id,
        upstream_transaction_id: text(fields.transaction_id),
        status_code,
        status,
        message: text(fields.message),
        phone_masked: phone.as_deref().map(mask_phone),
        phone: Private(phone),
        evidence: None,
    })
}

/// The provider's own id: text or an integer, as written. An empty one is none; "send nothing rather than a wrong id".
fn identifier(raw: &RawValue) -> Result<Option<String>, String> {
    let id = string(raw).or_else(|| digits(raw)).ok_or("data.payment_id is neither text nor an integer")?;
    if id.chars().count() > limits::PROVIDER_ID_MAX_CHARS {
        return Err(format!("data.payment_id is longer than {} characters", limits::PROVIDER_ID_MAX_CHARS));
    }
    Ok(Some(id).filter(|id| !id.trim().is_empty()))
}

/// `data` of a confirmation, compact and without a phone number. Payme's holds the answer of Payme itself, which may be an error within a
/// success.
fn confirmed(data: Option<&RawValue>) -> Result<Option<String>, String> {
    let Some(data) = data else { return Ok(None) };
    let mut data: Value = serde_json::from_str(data.get()).map_err(|_| "data cannot be read")?;
    let inner = |name: &str| data.get(name).filter(|v| !v.is_null());
    if inner("error").is_some() {
        return Err("success with an error in its data".to_owned());
    }
    match inner("status") {
        Some(Value::String(status)) if SUCCESS.contains(&status.as_str()) => {}
        None => {}
        Some(_) => return Err("success with another status in its data".to_owned()),
    }
    mask_persons(&mut data);
    Ok(Some(data.to_string()).filter(|text| text.len() <= limits::PROVIDER_ANSWER_MAX_BYTES))
}

/// Mask whatever a payment system's own receipt may say of its payer, however deep: phones, and numbers of cards.
fn mask_persons(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| {
            let of_phone = name.to_ascii_lowercase().contains("phone");
            match value {
                Value::String(phone) if of_phone => *phone = mask_phone(phone),
                Value::Number(phone) if of_phone => *value = mask_phone(&phone.to_string()).into(),
                _ if NAMES_A_PERSON.contains(&name.as_str()) => *value = Value::Null,
                other => mask_persons(other),
            }
        }),
        Value::Array(items) => items.iter_mut().for_each(mask_persons),
        Value::String(text) if is_card(text) => *text = mask_card(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where Payme's receipts (`receipts.pay`, `receipts.get`) say who paid.
const NAMES_A_PERSON: [&str; 2] = ["payer", "email"];

/// A whole card number; the ids and signs of receipts have other lengths.
fn is_card(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit())
}

fn mask_card(number: &str) -> String {
    format!("{}******{}", &number[..6], &number[12..])
}

/// "998712565009" → "998•••••5009": the first three and the last four, and nothing at all of a short one.
fn mask_phone(phone: &str) -> String {
    let characters: Vec<char> = phone.trim().chars().take(limits::PROVIDER_ID_MAX_CHARS).collect();
    let shown = if characters.len() >= 9 { (3, characters.len() - 4) } else { (0, characters.len()) };
    characters.iter().enumerate().map(|(i, c)| if (shown.0..shown.1).contains(&i) { '•' } else { *c }).collect()
}

/// Read an object. The library would take a list in its place, field by field in our order.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// What is there and not `null`.
fn present(part: Option<&RawValue>) -> Option<&RawValue> {
    part.filter(|raw| raw.get() != "null")
}

/// A text, shortened; anything else is left out.
fn text(part: Option<&RawValue>) -> Option<String> {
    present(part).and_then(string).map(|s| shortened(&s))
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// An integer that is not negative, as written: ids have more digits than some numbers have bits.
fn digits(raw: &RawValue) -> Option<String> {
    raw.get().bytes().all(|b| b.is_ascii_digit()).then(|| raw.get().to_owned())
}

fn shortened(text: &str) -> String {
    text.chars().take(limits::PROVIDER_TEXT_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFUSED: [i64; 5] = [7, 104, 106, 401, 402];

    fn told(status: u16, body: &str) -> Outcome {
        charge(status, body.as_bytes(), &REFUSED)
    }

    fn approved(body: &str) -> Approval {
        match told(200, body) {
            Outcome::Approved(approval) => approval,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_answers_of_the_seeds_are_approvals() {
        let click = approved(
            r#"{"data": {"status_code": 0, "status": "successfully", "message": "Успешно подтвержден",
                "transaction_id": "ee000d20-b260-4b17-995a-a7bd113bdb22", "qr_code": "880101698207133392"},
                "error": null, "is_success": true}"#,
        );
        assert_eq!(click.payment_id, None, "absent before 2023-03");
        assert_eq!(click.status_code, Some(0));
        assert_eq!(click.status.as_deref(), Some("successfully"));
        assert_eq!(click.message.as_deref(), Some("Успешно подтвержден"));
        assert_eq!(click.upstream_transaction_id.as_deref(), Some("ee000d20-b260-4b17-995a-a7bd113bdb22"));
        let payme = approved(
            r#"{"data": {"amount": 1000, "transaction_id": "a12fc00f-5af5-65b8-adf8-74bff44680ee",
                "payment_id": "696e0246c9a128176d5934d8", "inn": "123456789", "qr_code": "50502244301381336427",
                "kkm_id": "00000011", "device_id": "00000011", "status": "successfully",
                "message": "successfully payment", "client_phone_number": "998712565009"},
                "error": null, "is_success": true}"#,
        );
        assert_eq!(payme.payment_id.as_deref(), Some("696e0246c9a128176d5934d8"));
        assert_eq!(payme.phone_masked.as_deref(), Some("998•••••5009"));
        assert_eq!(payme.phone.0.as_deref(), Some("998712565009"));
    }

    #[test]
    fn echoes_may_be_missing_empty_or_strange() {
        let bare = approved(r#"{"is_success":true,"data":{"payment_id":2354512461,"amount":0,"qr_code":null}}"#);
        assert_eq!(bare.payment_id.as_deref(), Some("2354512461"), "a number is kept as written");
        assert_eq!(bare.status, None);
        let long = approved(r#"{"is_success":true,"data":{"payment_id":123456789012345678901234567890}}"#);
        assert_eq!(long.payment_id.as_deref(), Some("123456789012345678901234567890"));
        let odd = approved(
            r#"{"is_success":true,"error":null,"extra":[1],"data":{"status":"success","status_code":"x","message":{},
                "amount":"five","qr_code":7,"transaction_id":5,"client_phone_number":998712565009,"payment_id":""}}"#,
        );
        assert_eq!(
            (odd.payment_id, odd.status_code, odd.message, odd.upstream_transaction_id),
            (None, None, None, None)
        );
        assert_eq!(odd.phone_masked.as_deref(), Some("998•••••5009"));
        assert!(approved(r#"{"is_success":true,"data":{"status":null,"payment_id":"1"}}"#).status.is_none());
    }

    #[test]
    fn a_well_formed_refusal_with_a_known_code_is_refused_whatever_its_status_below_500() {
        let body = |code: i64| {
            format!(r#"{{"data":null,"error":{{"code":{code},"message":"WORDS","data":null}},"is_success":false}}"#)
        };
        for status in [200, 400, 402, 404, 422] {
            for code in REFUSED {
                let why = if code == 104 { DeclineKind::Misconfigured } else { DeclineKind::Refused };
                let decline = Decline { why, code: Some(code.to_string()), message: Some("WORDS".to_owned()) };
                assert_eq!(told(status, &body(code)), Outcome::Refused(decline), "{status} {code}");
            }
        }
        let unknown = told(200, &body(108));
        let Outcome::InDoubt { text } = unknown else { panic!("{unknown:?}") };
        assert_eq!(text, "HTTP 200: error 108 (WORDS), which does not say whether money moved");
        assert!(matches!(charge(200, body(108).as_bytes(), &[108]), Outcome::Refused(_)), "the list is configuration");
    }

    #[test]
    fn everything_else_is_in_doubt_and_says_what_came() {
        let success = r#"{"is_success":true,"data":{"status":"successfully"}}"#;
        let refusal = r#"{"is_success":false,"error":{"code":7},"data":null}"#;
        for (status, body, words) in [
            (100, success, "no answer to a payment"),
            (301, success, "no answer to a payment"),
            (302, refusal, "no answer to a payment"),
            (500, success, "no answer to a payment"),
            (502, refusal, "no answer to a payment"),
            (400, success, "its status an error"),
            (404, "Not found", "not the gateway's JSON"),
            (200, "", "0 bytes"),
            (200, "<html>", "not the gateway's JSON"),
            (200, "[]", "not the gateway's JSON"),
            (200, r#"[{"payment_id":"1"},null,true]"#, "not the gateway's JSON"),
            (200, "null", "not the gateway's JSON"),
            (200, r#"{"is_success":true,"data":{"status":"succ"#, "not the gateway's JSON"),
            (200, r#"{"is_success":true,"data":{"payment_id":"1"}}{}"#, "not the gateway's JSON"),
            (200, r#"{"is_success":false,"is_success":true,"data":{"payment_id":"1"}}"#, "not the gateway's JSON"),
            (200, "{}", "no is_success"),
            (200, r#"{"is_success":null}"#, "no is_success"),
            (200, r#"{"is_success":"true","data":{"payment_id":"1"}}"#, "neither true nor false"),
            (200, r#"{"is_success":1,"data":{"payment_id":"1"}}"#, "neither true nor false"),
            (200, r#"{"is_success":true}"#, "success without data"),
            (200, r#"{"is_success":true,"data":null}"#, "success without data"),
            (200, r#"{"is_success":true,"data":{}}"#, "empty data"),
            (200, r#"{"is_success":true,"data":[1]}"#, "data is not an object"),
            (200, r#"{"is_success":true,"data":["successfully"]}"#, "data is not an object"),
            (200, r#"{"is_success":false,"error":[7,"x"]}"#, "error is not an object"),
            (200, r#"{"is_success":true,"data":"ok"}"#, "data is not an object"),
            (200, r#"{"is_success":true,"data":{"status":"failed"}}"#, "the status “failed”"),
            (200, r#"{"is_success":true,"data":{"status":"Successfully"}}"#, "the status “Successfully”"),
            (200, r#"{"is_success":true,"data":{"status":""}}"#, "the status “”"),
            (200, r#"{"is_success":true,"data":{"status":0}}"#, "data.status is not text"),
            (200, r#"{"is_success":true,"data":{"status_code":-5,"payment_id":"1"}}"#, "not 0 and no status"),
            (200, r#"{"is_success":true,"data":{"payment_id":true}}"#, "data.payment_id is neither"),
            (200, r#"{"is_success":true,"data":{"payment_id":1.5}}"#, "data.payment_id is neither"),
            (200, r#"{"is_success":true,"data":{"payment_id":-1}}"#, "data.payment_id is neither"),
            (200, r#"{"is_success":true,"data":{"payment_id":["1"]}}"#, "data.payment_id is neither"),
            (200, r#"{"is_success":true,"data":{"payment_id":"1","payment_id":"2"}}"#, "data is not an object"),
            (200, r#"{"is_success":true,"error":{"code":7},"data":{"payment_id":"1"}}"#, "success and an error"),
            (200, r#"{"is_success":false}"#, "a refusal without an error"),
            (200, r#"{"is_success":false,"error":null}"#, "a refusal without an error"),
            (200, r#"{"is_success":false,"error":"no"}"#, "error is not an object"),
            (200, r#"{"is_success":false,"error":{}}"#, "error.code is not an integer"),
            (200, r#"{"is_success":false,"error":{"code":"7"}}"#, "error.code is not an integer"),
            (200, r#"{"is_success":false,"error":{"code":7.0}}"#, "error.code is not an integer"),
            (200, r#"{"is_success":false,"error":{"code":7},"data":{"payment_id":"1"}}"#, "a refusal that brings data"),
            (200, r#"{"is_success":false,"error":{"code":900}}"#, "error 900"),
        ] {
            let outcome = told(status, body);
            let Outcome::InDoubt { text } = &outcome else { panic!("{status} {body}: {outcome:?}") };
            assert!(text.starts_with(&format!("HTTP {status}: ")) && text.contains(words), "{body}: {text}");
        }
        let long = format!(r#"{{"is_success":true,"data":{{"payment_id":"{}"}}}}"#, "9".repeat(200));
        assert!(matches!(told(200, &long), Outcome::InDoubt { .. }));
    }

    #[test]
    fn no_text_for_people_quotes_a_phone_number() {
        for body in [
            r#"{"is_success":"998712565009"}"#,
            r#"{"is_success":true,"data":{"client_phone_number":"998712565009","status":5}}"#,
            r#"{"is_success":true,"data":{"client_phone_number":"998712565009","payment_id":"1"}} 998712565009"#,
        ] {
            assert!(!format!("{:?}", told(200, body)).contains("2565009"), "{body}");
        }
        let approval = approved(r#"{"is_success":true,"data":{"client_phone_number":"998712565009"}}"#);
        assert!(!format!("{approval:?}").contains("2565009"));
        assert!(!serde_json::to_string(&approval).unwrap().contains("2565009"));
        assert_eq!(mask_phone("12345678"), "••••••••");
        assert_eq!(mask_phone("+998712565009"), "+99••••••5009");
    }

    #[test]
    fn a_confirmation_that_the_gateway_took_is_confirmed_with_its_data() {
        let click = r#"{"data": {"inn": "000000000", "payment_id": "2354512461", "qr_code": "https://x", "status": "successfully", "error": null},
            "error": null, "is_success": true}"#;
        let Delivery::Confirmed { answer: Some(answer) } = confirm(200, click.as_bytes()) else { panic!("{click}") };
        assert!(answer.contains(r#""payment_id":"2354512461""#) && !answer.contains('\n'), "{answer}");
        let payme = r#"{"data":{"id":123,"result":{"receipt":{"_id":"63b1dc4f49a2bcd2132c39f3","create_time":1672600657448}},
            "error":null},"error":null,"is_success":true}"#;
        let Delivery::Confirmed { answer: Some(answer) } = confirm(201, payme.as_bytes()) else { panic!("{payme}") };
        assert!(answer.contains("1672600657448"), "{answer}");
        assert_eq!(confirm(200, br#"{"is_success":true,"data":null}"#), Delivery::Confirmed { answer: None });
        let phone = br#"{"is_success":true,"data":{"client_phone_number":"998712565009"}}"#;
        let Delivery::Confirmed { answer: Some(answer) } = confirm(200, phone) else { panic!("phone") };
        assert!(!answer.contains("2565009"), "{answer}");
        let deep = br#"{"is_success":true,"data":{"result":{"receipt":{"_id":"63b1","payer":{"phone":"998712565009"},
            "card":{"number":"8600123412345678"},"notes":[{"Phone":998712565009}],"state":4}}}}"#;
        let Delivery::Confirmed { answer: Some(answer) } = confirm(200, deep) else { panic!("deep") };
        assert!(!answer.contains("2565009") && !answer.contains("12341234"), "a payer's data at rest: {answer}");
        assert!(answer.contains(r#""_id":"63b1""#) && answer.contains("860012******5678"), "{answer}");
        let huge = format!(r#"{{"is_success":true,"data":{{"x":"{}"}}}}"#, "x".repeat(100_000));
        assert_eq!(confirm(200, huge.as_bytes()), Delivery::Confirmed { answer: None });
    }

    #[test]
    fn a_confirmation_that_fails_the_checks_is_refused_and_parks() {
        let body = br#"{"data":null,"error":{"code":7,"message":"{\"fiscal_sign\":[\"This field may not be null.\"]}","data":null},"is_success":false}"#;
        for status in [200, 400, 422] {
            let text = "fiscal_sign: This field may not be null.".to_owned();
            assert_eq!(confirm(status, body), Delivery::Refused { text });
        }
    }

    #[test]
    fn every_other_answer_to_a_confirmation_is_tried_again() {
        let success = r#"{"is_success":true,"data":{"status":"successfully"}}"#;
        for (status, body) in [
            (500, success),
            (503, r#"{"is_success":false,"error":{"code":7}}"#),
            (302, success),
            (401, success),
            (404, ""),
            (200, "garbage"),
            (200, r#"{"is_success":true,"data":{"status":"fail"#),
            (200, r#"{"is_success":true,"data":{"status":"failed"}}"#),
            (200, r#"{"is_success":true,"data":{"status":7}}"#),
            (200, r#"{"is_success":true,"data":{"error":{"code":-31602}}}"#),
            (200, r#"{"is_success":false,"error":{"code":104,"message":"BILLING_ERROR"}}"#),
            (200, r#"{"is_success":false,"error":{"code":106}}"#),
            (200, r#"{"is_success":false}"#),
            (200, r#"{"is_success":"yes"}"#),
        ] {
            let delivery = confirm(status, body.as_bytes());
            assert!(matches!(delivery, Delivery::Retry { .. }), "{status} {body}: {delivery:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_only_true_true_approves(status in 100_u16..600, body in "\\PC{0,80}|\\{\"is_success\":(true|false|1|\"true\"),\"data\":(null|\\{\\}|\\{\"status\":\"[a-z]{0,12}\"\\}),\"error\":(null|\\{\"code\":[0-9]{1,3}\\})\\}") {
            let outcome = charge(status, body.as_bytes(), &REFUSED);
            if let Outcome::Approved(_) = outcome {
                prop_assert!((200..300).contains(&status) && body.contains("\"is_success\":true"));
            }
            let _ = confirm(status, body.as_bytes());
        }
    }
}
