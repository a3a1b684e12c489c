//! Both kinds of document: the examples of seed 004 §5.1, and what is refused, warned of and passed on.

use super::*;
use proptest::prelude::*;

const NUMBER: &str = "7786-0666-4734-9487";

/// "Вариант 1" of ATOL.
const ATOL: &str = r#"{
  "external_id": "7786-0666-4734-9487",
  "timestamp": "10.11.2022 20:10:00",
  "receipt": {
    "client": {"email": "user@mail.ru"},
    "company": {"sno": "osn", "email": "user@mail.ru", "inn": "5544332219",
                "payment_address": "г Москва, Ленинградское шоссе, д 34 к 2, кв 50"},
    "items": [{"name": "тест", "price": 500, "quantity": 1, "sum": 500, "payment_object": "commodity"}],
    "payments": [{"type": 1, "sum": 500}],
    "vats": [{"type": "vat20", "sum": 80}],
    "total": 500,
    "cashier": "Василий Цветков"
  }
}"#;

/// "Вариант 1" of OFD.ru.
const FERMA: &str = r#"{
  "Request": {
    "Inn": "5544332219",
    "Type": "Income",
    "InvoiceId": "7786-0666-4734-9487",
    "LocalDate": "2022-11-10T19:51:24",
    "CustomerReceipt": {
      "TaxationSystem": "Common",
      "Email": "user@mail.ru",
      "PaymentType": 1,
      "KktFA": false,
      "BillAddress": "г Москва, Ленинградское шоссе, д 34 к 2, кв 50",
      "Items": [{"Label": "Ветеринарные услуги", "Price": 500, "Quantity": 1, "Amount": 500, "Vat": "Vat20", "PaymentMethod": 1}],
      "PaymentItems": [{"PaymentType": 1, "Sum": 500}],
      "Cashier": {"Name": "Василий Цветков"}
    }
  }
}"#;

fn sold(ofd: Ofd) -> Sold<'static> {
    Sold { ofd, number: NUMBER, paid: Money::from_minor(50_000, Currency::Rub), own_purpose: false }
}

fn atol(text: &str) -> Result<Checked, DocumentError> {
    read(text, &sold(Ofd::Atol))
}

fn ferma(text: &str) -> Result<Checked, DocumentError> {
    read(text, &sold(Ofd::OfdRu))
}

fn mistakes(checked: Result<Checked, DocumentError>) -> Vec<String> {
    match checked {
        Err(DocumentError::Mistakes(mistakes)) => mistakes.iter().map(Mistake::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn warnings(checked: Result<Checked, DocumentError>) -> Vec<String> {
    checked.unwrap().warnings.iter().map(Mistake::to_string).collect()
}

#[test]
fn atols_minimal_example_is_taken_and_its_tax_of_80_is_warned_of() {
    let checked = atol(ATOL).unwrap();
    assert_eq!(checked.receipt.total.minor(), 50_000, "roubles in the document, kopecks here");
    assert_eq!(checked.receipt.body.0.as_deref(), Some(ATOL), "byte for byte");
    assert_eq!(checked.receipt.digest, digest_of(ATOL));
    assert_eq!(warnings(Ok(checked)), ["receipt.vats[0].sum: vat20 of 500.00 is 83.33, not 80.00"]);
    for right in ["83.33", "83"] {
        assert!(warnings(atol(&ATOL.replace("\"sum\": 80", &format!("\"sum\": {right}")))).is_empty(), "{right}");
    }
}

#[test]
fn ofd_rus_minimal_example_is_taken_and_its_curl_with_an_amount_of_400_is_not() {
    let checked = ferma(FERMA).unwrap();
    assert_eq!(checked.receipt.body.0.as_deref(), Some(FERMA));
    assert!(checked.warnings.is_empty());
    let curl = FERMA.replace("\"Amount\": 500", "\"Amount\": 400");
    assert_eq!(
        mistakes(ferma(&curl)),
        ["Request.CustomerReceipt.Items: the positions add up to 400.00, and the total is 500.00"]
    );
}

#[test]
fn the_number_is_put_in_where_it_was_left_out_and_checked_where_it_stands() {
    let bare = ATOL.replace("\"external_id\": \"7786-0666-4734-9487\",", "\"note\": \"€\",");
    let body = atol(&bare).unwrap().receipt.body.0.unwrap();
    assert_eq!(body, bare.replacen('{', &format!("{{\"external_id\":\"{NUMBER}\","), 1));
    assert!(atol(&body).is_ok(), "and is found there again");

    let bare = FERMA.replace("\"InvoiceId\": \"7786-0666-4734-9487\",", "");
    let body = ferma(&bare).unwrap().receipt.body.0.unwrap();
    assert_eq!(body, bare.replace("\"Request\": {", &format!("\"Request\": {{\"InvoiceId\":\"{NUMBER}\",")));

    let wanted = format!("external_id: write \"{NUMBER}\", the operation's number, or leave the field out");
    for other in ["\"номер вашей операции\"", "\"\"", "7"] {
        let text = ATOL.replace("\"7786-0666-4734-9487\"", other);
        assert_eq!(mistakes(atol(&text)), [wanted.as_str()], "{other}");
    }
    assert_eq!(mistakes(atol(&ATOL.replace("\"7786-0666-4734-9487\"", "null"))).len(), 1);
}

#[test]
fn unknown_fields_and_spellings_of_numbers_reach_the_operator_as_they_were_written() {
    let odd = ATOL
        .replace(
            "\"total\": 500,",
            "\"total\": 5.00e2, \"additional_check_props\": \"\\u0416 ж\", \"x\": {\"b\":[1.10, null]},",
        )
        .replace("\"sum\": 80", "\"sum\": 83.330");
    let checked = atol(&format!("\u{feff}\n{odd}\n")).unwrap();
    assert_eq!(checked.receipt.body.0.as_deref(), Some(odd.as_str()));
    assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
}

#[test]
fn all_mistakes_are_told_at_once_by_path_and_with_what_to_write() {
    let text = ATOL
        .replace("10.11.2022 20:10:00", "2022-11-10 20:10:00")
        .replace("\"osn\"", "\"osno\"")
        .replace("5544332219", "554433221")
        .replace("\"price\": 500", "\"price\": \"500\"")
        .replace("\"quantity\": 1,", "\"quantity\": 1.0001,")
        .replace("vat20", "vat18")
        .replace("\"client\": {\"email\": \"user@mail.ru\"}", "\"client\": {}")
        .replace("Василий Цветков", &"ж".repeat(65));
    let told = mistakes(atol(&text));
    for (path, word) in [
        ("timestamp", "dd.mm.yyyy HH:MM:SS"),
        ("receipt.client.email", "email or phone"),
        ("receipt.company.inn", "10 digits"),
        ("receipt.company.sno", "osn, usn_income"),
        ("receipt.items[0].price", "without"),
        ("receipt.items[0].quantity", "finer"),
        ("receipt.vats[0].type", "vat22, vat105"),
        ("receipt.cashier", "at most 64 characters; it has 65"),
    ] {
        let word = if path.ends_with("price") { "no quotes" } else { word };
        assert!(told.iter().any(|m| m.starts_with(&format!("{path}: ")) && m.contains(word)), "{path} in {told:#?}");
    }
    assert_eq!(told.len(), 8, "{told:#?}");
}

#[test]
fn the_bounds_of_the_documents_are_kept() {
    for (from, to, refused) in [
        ("\"name\": \"тест\"", format!("\"name\": \"{}\"", "я".repeat(128)), false),
        ("\"name\": \"тест\"", format!("\"name\": \"{}\"", "я".repeat(129)), true),
        ("\"price\": 500", "\"price\": 42949672.95".to_owned(), false),
        ("\"price\": 500", "\"price\": 42949672.96".to_owned(), true),
        ("\"price\": 500", "\"price\": 500.001".to_owned(), true),
        ("\"price\": 500", "\"price\": -1".to_owned(), true),
        ("\"quantity\": 1", "\"quantity\": 99999.999".to_owned(), false),
        ("\"quantity\": 1", "\"quantity\": 100000".to_owned(), true),
        ("\"quantity\": 1", "\"quantity\": 0".to_owned(), true),
        ("\"type\": 1", "\"type\": 10".to_owned(), true),
        ("\"sum\": 500, \"payment_object\"", "\"sum\": 499.01, \"payment_object\"".to_owned(), false),
        ("\"sum\": 500, \"payment_object\"", "\"sum\": 499.00, \"payment_object\"".to_owned(), true),
        ("\"vats\": [{\"type\": \"vat20\", \"sum\": 80}],", String::new(), true),
        ("\"vats\": [{\"type\": \"vat20\", \"sum\": 80}],", "\"vats\": [],".to_owned(), true),
        ("\"payment_object\"", "\"payment_method\": \"full\", \"payment_object\"".to_owned(), true),
        ("\"payment_object\"", "\"payment_method\": \"full_payment\", \"payment_object\"".to_owned(), false),
    ] {
        assert!(ATOL.contains(from), "{from}");
        let checked = atol(&ATOL.replacen(from, &to, 1));
        assert_eq!(checked.is_err(), refused, "{to}: {checked:?}");
    }
    let item = "{\"name\": \"тест\", \"price\": 500, \"quantity\": 1, \"sum\": 500, \"payment_object\": \"commodity\"}";
    let small = item.replace("500", "5");
    for (count, refused) in [(100, false), (101, true)] {
        let items = vec![small.as_str(); count].join(",");
        assert_eq!(atol(&ATOL.replace(item, &items)).is_err(), refused, "{count} items");
    }
}

#[test]
fn the_rates_of_2025_and_2026_are_known_and_an_items_own_tax_is_checked() {
    for (name, tax) in [
        ("vat5", "23.81"),
        ("vat7", "32.71"),
        ("vat105", "23.81"),
        ("vat107", "32.71"),
        ("vat22", "90.16"),
        ("vat122", "90.16"),
        ("none", "0"),
    ] {
        let text = ATOL.replace("vat20", name).replace("\"sum\": 80", &format!("\"sum\": {tax}"));
        assert!(warnings(atol(&text)).is_empty(), "{name}");
        let own = ATOL.replace("\"vats\": [{\"type\": \"vat20\", \"sum\": 80}],", "");
        let own = own.replace(
            "\"payment_object\"",
            &format!("\"vat\": {{\"type\": \"{name}\", \"sum\": 1}}, \"payment_object\""),
        );
        assert_eq!(warnings(atol(&own)).len(), 1, "{name}");
    }
    for name in
        ["VatNo", "Vat0", "Vat5", "Vat7", "Vat22", "CalculatedVat5105", "CalculatedVat7107", "CalculatedVat22122"]
    {
        assert!(ferma(&FERMA.replace("\"Vat20\"", &format!("\"{name}\""))).is_ok(), "{name}");
    }
    assert_eq!(mistakes(ferma(&FERMA.replace("\"Vat20\"", "\"vat20\""))).len(), 1);
}

#[test]
fn the_total_is_what_was_paid() {
    let paid = |kopecks| Sold { paid: Money::from_minor(kopecks, Currency::Rub), ..sold(Ofd::Atol) };
    assert_eq!(mistakes(read(ATOL, &paid(50_001))), ["receipt.total: write 500.01, which was paid; it is 500.00"]);
    let kopecks = mistakes(read(&ATOL.replace("500", "50000"), &paid(50_000)));
    assert_eq!(kopecks, ["receipt.total: write 500.00, which was paid; it is 50000.00"], "kopecks for roubles");
    let ferma = mistakes(read(FERMA, &Sold { ofd: Ofd::OfdRu, ..paid(100) }));
    assert_eq!(ferma, ["Request.CustomerReceipt.PaymentItems: write 1.00, which was paid; it is 500.00"]);
}

#[test]
fn a_purpose_of_the_tills_own_wants_the_payers_email() {
    let own = |ofd| Sold { own_purpose: true, ..sold(ofd) };
    let phone = ATOL.replace("\"client\": {\"email\": \"user@mail.ru\"}", "\"client\": {\"phone\": \"+79000000000\"}");
    assert_eq!(read(ATOL, &own(Ofd::Atol)).unwrap().warnings.len(), 1, "only the tax");
    let warned = warnings(read(&phone, &own(Ofd::Atol)));
    assert!(warned.iter().any(|w| w.contains("e-mail")), "{warned:?}");
    assert!(!warnings(atol(&phone)).iter().any(|w| w.contains("e-mail")), "QRManager's own link is in the purpose");
    let phone = FERMA.replace("\"Email\": \"user@mail.ru\"", "\"Phone\": \"+79000000000\"");
    assert!(warnings(read(&phone, &own(Ofd::OfdRu)))[0].contains("e-mail"));
}

#[test]
fn what_is_no_document_is_told_so() {
    for text in ["", "null", "[]", "{", "{\"a\":1,\"a\":2}", "{\"receipt\":[]}", "\u{0}"] {
        assert!(!mistakes(atol(text)).is_empty(), "{text}");
        assert!(!mistakes(ferma(text)).is_empty(), "{text}");
    }
    assert!(mistakes(atol(&format!("{{\"a\":{}}}", "[".repeat(60_000))))[0].contains("JSON object"));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES));
    assert!(mistakes(atol(&long))[0].starts_with("write at most 65536 bytes"));
    assert_eq!(
        mistakes(ferma(&FERMA.replace("\"Income\"", "\"IncomeReturn\""))),
        ["Request.Type: write Income: it is the receipt of a sale"]
    );
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_taken_is_kept(text in "\\PC{0,200}", at in 0_usize..1_000, cut in 0_usize..20) {
        for (whole, ofd) in [(ATOL, Ofd::Atol), (FERMA, Ofd::OfdRu)] {
            let broken: String = whole.chars().take(at).chain(text.chars()).chain(whole.chars().skip(at + cut)).collect();
            if let Ok(checked) = read(&broken, &sold(ofd)) {
                prop_assert!(checked.receipt.body.0.as_deref().is_some_and(|body| body.contains(NUMBER)));
                prop_assert_eq!(checked.receipt.total.minor(), 50_000);
            }
        }
    }

    #[test]
    fn decimals_are_exact_to_the_kopeck(kopecks in 1_i64..=4_294_967_295, zeros in 0_usize..5) {
        let amount = Money::from_minor(kopecks, Currency::Rub);
        let written = format!("{}{}", amount.decimal(), "0".repeat(zeros));
        let text = ATOL.replace("\"sum\": 80", "\"sum\": 0").replace("500", &written);
        let sale = Sold { paid: amount, ..sold(Ofd::Atol) };
        prop_assert_eq!(read(&text, &sale).unwrap().receipt.total, amount);
        let finer = text.replace(&format!("\"total\": {written}"), &format!("\"total\": {written}1"));
        prop_assert!(read(&finer, &sale).is_err());
    }
}
