use super::*;

fn mistakes(body: &str, look: impl FnOnce(&mut Fields<'_>)) -> String {
    let errors = match Fields::read(body.as_bytes()) {
        Ok(mut fields) => {
            look(&mut fields);
            fields.finish::<()>(None).unwrap_err()
        }
        Err(errors) => errors,
    };
    serde_json::to_string(&errors).unwrap()
}

#[test]
fn every_wrong_amount_is_told_apart() {
    for (amount, said) in [
        ("0", "Ensure this value is greater than or equal to 1."),
        ("-500", "Ensure this value is greater than or equal to 1."),
        ("500.50", INTEGER),
        ("0.001", INTEGER),
        ("\"500\"", INTEGER),
        ("[500]", INTEGER),
        ("{}", INTEGER),
        ("true", INTEGER),
        ("null", NULL),
        ("1e30", "Ensure this value is less than or equal to 10000000000."),
        ("10000000001", "Ensure this value is less than or equal to 10000000000."),
        ("99999999999999999999999999", "Ensure this value is less than or equal to 10000000000."),
    ] {
        let body = format!("{{\"amount\":{amount}}}");
        let told = mistakes(&body, |f| assert_eq!(f.amount("amount", Unit::Sum), None, "{amount}"));
        assert_eq!(told, format!("{{\"amount\":[\"{said}\"]}}"), "{amount}");
    }
}

#[test]
fn an_amount_is_read_in_the_endpoints_unit() {
    for (amount, unit, tiyin) in
        [("500", Unit::Sum, 50_000), ("500.00", Unit::Sum, 50_000), ("50000", Unit::Tiyin, 50_000)]
    {
        let body = format!("{{\"amount\":{amount}}}");
        let mut fields = Fields::read(body.as_bytes()).unwrap();
        assert_eq!(fields.amount("amount", unit).unwrap().minor(), tiyin, "{amount}");
    }
}

#[test]
fn a_body_that_is_no_object_is_told_why() {
    for (body, said) in [
        ("", "The body is empty"),
        ("amount=500", "The body is not JSON: expected value at line 1 column 1."),
        ("[1]", "The body is JSON but no object"),
        ("{\"a\":1,}", "The body is not JSON: trailing comma at line 1 column 8."),
        ("{\"a\":1,\"a\":2}", "stands twice"),
        ("{\"a\":1", "The body is not JSON: EOF while parsing an object"),
    ] {
        let told = mistakes(body, |_| ());
        assert!(told.contains(said), "{body} → {told}");
    }
    let told = serde_json::to_string(&Fields::read(b"{\"a\":\"\xff\"}").err().unwrap()).unwrap();
    assert!(told.contains("The body is not UTF-8 (byte 7)"), "{told}");
}

#[test]
fn depth_has_a_limit_and_unknown_fields_are_ignored() {
    let nested = |depth| format!("{{\"other\":{}\"[\\\"[\"{},\"amount\":5}}", "[".repeat(depth), "]".repeat(depth));
    let shallow = nested(limits::JSON_DEPTH - 1);
    let mut fields = Fields::read(shallow.as_bytes()).unwrap();
    assert_eq!(fields.amount("amount", Unit::Sum).map(Money::minor), Some(500));
    for depth in [limits::JSON_DEPTH, 30_000] {
        assert!(mistakes(&nested(depth), |_| ()).contains("nested more than 128 levels"), "{depth}");
    }
    let mut fields = Fields::read(b"\xef\xbb\xbf {\"amount\":5,\"cashier\":null}").unwrap();
    assert_eq!(fields.amount("amount", Unit::Sum).map(Money::minor), Some(500), "a byte order mark is no mistake");
}

#[test]
fn a_whole_number_has_digits_alone_and_stays_in_its_range() {
    let read = |number: &str| {
        let body = format!("{{\"n\":{number}}}");
        let mut fields = Fields::read(body.as_bytes()).unwrap();
        let read = fields.whole("n", Need::Required, 1..=1_000);
        fields.finish(read).map_err(|errors| errors.first().unwrap().1.to_owned())
    };
    assert_eq!((read("1"), read("1000")), (Ok(1), Ok(1_000)));
    for float in ["1.0", "1e2", "5.5", "\"5\"", "true", "[]", "-0.0"] {
        assert_eq!(read(float), Err(INTEGER.to_owned()), "{float}");
    }
    let small = Err("Ensure this value is greater than or equal to 1.".to_owned());
    let large = Err("Ensure this value is less than or equal to 1000.".to_owned());
    assert_eq!([read("0"), read("-7"), read("-99999999999999999999")], [small.clone(), small.clone(), small]);
    assert_eq!([read("1001"), read("99999999999999999999")], [large.clone(), large]);
}

#[test]
fn mistakes_deep_in_the_body_are_told_by_their_path() {
    let body = r#"{"card":{"id":0,"phone":""},"basket":[{"count":1},{"count":0},7],"other":[],"last":{}}"#;
    let told = mistakes(body, |f| {
        let seen = f.within("card", Need::Required, |card| {
            card.text(&["phone"], Need::Required, 10).and(card.whole("id", Need::Required, 1..=9))
        });
        assert_eq!(seen, None);
        let count = |item: &mut Fields<'_>| item.whole("count", Need::Required, 1..=9);
        assert_eq!(f.each("basket", Need::Required, 5, count), None);
        assert_eq!(f.each("other", Need::Required, 5, count), None);
        assert_eq!(f.each("last", Need::Required, 5, count), None);
        assert_eq!(f.each("gone", Need::Optional, 5, count), None);
    });
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let fields: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["basket[1].count", "basket[2]", "card.id", "card.phone", "last", "other"]);
    assert_eq!(told["basket[1].count"][0], "Ensure this value is greater than or equal to 1.");
}

#[test]
fn texts_and_numbers_are_ids_and_the_tills_own_spelling_is_named() {
    let mut fields = Fields::read(br#"{"payment_id":2354512461,"qrcodel":" x "}"#).unwrap();
    let id = fields.text(&["payment_id", "payme_id"], Need::Required, 64);
    assert_eq!(id.as_deref(), Some("2354512461"));
    assert_eq!(fields.text(&["qrcode", "qrcodel"], Need::Required, 64).as_deref(), Some("x"));

    let told = mistakes(r#"{"payme_id":"","sign":null,"x":1.5,"y":"a\u0000b"}"#, |f| {
        for names in [&["payment_id", "payme_id"][..], &["sign"], &["gone"], &["x"], &["y"]] {
            assert_eq!(f.text(names, Need::Required, 64), None);
        }
    });
    assert_eq!(
        told,
        "{\"payme_id\":[\"This field may not be blank.\"],\"sign\":[\"This field may not be null.\"],\
         \"gone\":[\"This field is required.\"],\"x\":[\"Not a valid string.\"],\
         \"y\":[\"Control characters are not allowed.\"]}"
    );
}
