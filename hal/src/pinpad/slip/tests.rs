use proptest::prelude::*;

use super::*;

/// The slip of the vendor's page (seed 001), character by character.
const SEED_001: &str = "ОБЫЧНЫЙ ТОВАР
ID Терминала:01000002  Номер смены 1
ID Организации:190339999999902 
                               Чек 6
               Оплата
              ОДОБРЕНО
СУММА:                    500.00 UZS
AID: A0860001000001    HUMO- EMV ICC
TVR: 0000008000TSI:E800
Карта: HUMO              Срок: 01/25
        986009******7856:01
          HUMO CARDTEST14
Введен                   offline-PIN
Код авторизации: 728892 
                     Код ответа:
000
RRN:231511584547 
              Дата:11/11/22
17:01:07
Univ. EMV POS 1.0.0/(MP) /687
 
====================================
";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_seeds_slip_is_read_field_by_field() {
    assert_eq!(
        parse(SEED_001),
        [Slip {
            operation: Some(SlipOperation::Sale),
            approved: Some(true),
            amount_minor: Some(50_000),
            currency: some("UZS"),
            rrn: some("231511584547"),
            authorisation_code: some("728892"),
            response_code: some("000"),
            masked_card: some("986009******7856"),
            card_name: some("HUMO"),
            terminal_id: some("01000002"),
            merchant_id: some("190339999999902"),
            shift: some("1"),
            receipt_number: some("6"),
            date: some("11/11/22"),
            time: some("17:01:07"),
            ..Slip::default()
        }]
    );
}

#[test]
fn the_other_variants_labels_and_wrapped_values_are_read() {
    let slip = "ID Терм.:\n01000002\nСмена № 12   Чек № 7\nВОЗВРАТ\nСУММА(AMOUNT):     1 234.50 UZS
КОМИССИЯ(SURCHARGE):      0.50 UZS\nИТОГО(TOTAL):\n1 235.00 UZS\nRRN(ссылка):\n231511584547
Код авторизации:\n728892\nКод ответа: 00\nДата:11/11/22 Время:17:01\nОДОБРЕНО\n";
    let read = parse(slip);
    assert_eq!(read.len(), 1);
    let slip = &read[0];
    assert_eq!(slip.operation, Some(SlipOperation::Refund));
    assert_eq!((slip.amount_minor, slip.surcharge_minor, slip.total_minor), (Some(123_450), Some(50), Some(123_500)));
    assert_eq!(slip.rrn, some("231511584547"));
    assert_eq!(slip.authorisation_code, some("728892"));
    assert_eq!(slip.terminal_id, some("01000002"));
    assert_eq!((slip.shift.clone(), slip.receipt_number.clone()), (some("12"), some("7")));
    assert_eq!((slip.date.clone(), slip.time.clone()), (some("11/11/22"), some("17:01")));
    assert_eq!(slip.conflicts, []);
}

#[test]
fn the_vendors_void_slip_is_approved_and_cancelled_with_code_400() {
    let read = parse("ОТМЕНА\nОДОБРЕНО\nОПЕРАЦИЯ ОТМЕНЕНА\nСУММА: 500.00 UZS\nКод ответа:\n400\n");
    assert_eq!(read[0].operation, Some(SlipOperation::Void));
    assert_eq!(read[0].approved, Some(true));
    assert!(read[0].operation_cancelled);
    assert_eq!(read[0].response_code, some("400"));
    assert_eq!(classify("400", true, &[]), CodeClass::Approved);
}

#[test]
fn a_settlement_says_whether_the_totals_match() {
    assert_eq!(parse("СВЕРКА ИТОГОВ\nИтоги совпали\n")[0].totals_match, Some(true));
    assert_eq!(parse("Итоги не совпали")[0].totals_match, Some(false));
}

#[test]
fn a_report_holds_several_slips() {
    let second = SEED_001.replace("Чек 6", "Чек 7").replace("231511584547", "231511584548");
    let read = parse(&format!("{SEED_001}{second}"));
    let numbers: Vec<_> = read.iter().map(|s| s.receipt_number.clone()).collect();
    assert_eq!(numbers, [some("6"), some("7")]);
    let without_lines = format!("{SEED_001}{second}").replace('=', "");
    let rrns: Vec<_> = parse(&without_lines).into_iter().map(|s| s.rrn).collect();
    assert_eq!(rrns, [some("231511584547"), some("231511584548")]);
}

#[test]
fn two_different_values_are_a_conflict_and_neither_is_taken() {
    let read = parse("СУММА: 500.00 UZS\nСУММА: 600.00 UZS\nRRN:1234567\nRRN:1234567\nОДОБРЕНО\nОТКАЗАНО\n");
    assert_eq!(read[0].amount_minor, None);
    assert_eq!(read[0].approved, None);
    assert_eq!(read[0].rrn, some("1234567"));
    let fields: Vec<_> = read[0].conflicts.iter().map(|c| c.field).collect();
    assert_eq!(fields, ["amount_minor", "approved"]);
}

#[test]
fn a_refusal_is_not_read_as_an_approval() {
    for text in ["ОТКАЗАНО", "НЕ ОДОБРЕНО", "ОПЕРАЦИЯ ОТКЛОНЕНА", "DECLINED"] {
        assert_eq!(parse(text)[0].approved, Some(false), "{text}");
    }
}

#[test]
fn a_value_that_does_not_parse_is_absent() {
    let read = parse("СУММА: пятьсот\nКод ответа: ?\nRRN: -\nЧек покупателя\nСУММА КОМИССИИ: 5.00\nОДОБРЕНО");
    assert_eq!(read, [Slip { approved: Some(true), ..Slip::default() }]);
}

#[test]
fn amounts_are_read_without_floats_and_without_guessing() {
    for (text, minor) in
        [("500.00", 50_000), ("500,5", 50_050), ("50", 5_000), ("1 234 567.89", 123_456_789), ("0.01", 1)]
    {
        assert_eq!(amount_minor(text), Some(minor), "{text}");
    }
    for text in ["", "1,234", "1.2345", "12 34.00", "1.234.567", ".50", "-5.00", "5.0O", "99999999999999999999", "1 "] {
        let trimmed_is_number = text.trim() == "1";
        assert_eq!(amount_minor(text).is_some(), trimmed_is_number, "{text}");
    }
}

#[test]
fn what_is_stored_has_no_holder_and_no_card_number() {
    let masked = mask_holder(SEED_001);
    assert!(!masked.contains("CARDTEST14"));
    assert!(masked.contains("**** **********"));
    assert_eq!(masked.lines().count(), SEED_001.lines().count());
    assert!(masked.contains("Срок: **/**"));
    assert_eq!(masked.replace("**** **********", "HUMO CARDTEST14").replace("**/**", "01/25"), SEED_001);
    assert_eq!(parse(&masked), parse(SEED_001));
}

#[test]
fn a_holder_is_masked_wherever_slips_put_him() {
    assert_eq!(mask_holder("Держатель: ALI VALIYEV\n"), "Держатель: *** *******\n");
    assert_eq!(
        mask_holder("986009******7856 ALI VALIYEV\nКод ответа: 00"),
        "986009******7856 *** *******\nКод ответа: 00"
    );
    assert_eq!(mask_holder("9860090112347856\n\nALI V\nALI V"), "986009******7856\n\n*** *\nALI V");
}

#[test]
fn a_whole_card_number_is_cut_and_other_numbers_are_not() {
    assert_eq!(mask_numbers("9860 0901 1234 7856"), "9860 09** **** 7856");
    assert_eq!(mask_numbers("PAN 9860090112347856=2501"), "PAN 986009******7856=2501");
    assert_eq!(mask_numbers("RRN:231511584547 ID:190339999999902"), "RRN:231511584547 ID:190339999999902");
}

#[test]
fn an_expiry_date_is_masked_wherever_slips_put_it() {
    for (printed, stored) in [
        ("Карта: HUMO  Срок: 01/25\nЧек 6", "Карта: HUMO  Срок: **/**\nЧек 6"),
        ("Срок действия карты 0125 Чек 6", "Срок действия карты **** Чек 6"),
        ("срок действия:\n\n   01.2025\nКод ответа: 00", "срок действия:\n\n   **.****\nКод ответа: 00"),
        ("EXP DATE: 2501", "EXP DATE: ****"),
        ("VALID THRU 01-25", "VALID THRU **-**"),
        ("986009******7856=2501", "986009******7856=****"),
        ("986009******7856:01  01/25", "986009******7856:01  **/**"),
        ("986009******7856\n01/25", "986009******7856\n*****"),
    ] {
        assert_eq!(mask_holder(printed), stored);
    }
    // Dates of the sale, and words that only begin so, stay as they are.
    for printed in ["Дата:11/11/22\n17:01:07", "EXPRESS 24\n6", "Срок\nЧек 6\n12"] {
        assert_eq!(mask_holder(printed), printed);
    }
}

#[test]
fn pieces_stay_pieces_when_they_are_masked() {
    let chars: Vec<char> = SEED_001.chars().collect();
    let pieces: Vec<String> = chars.chunks(37).map(|c| c.iter().collect()).collect();
    let masked = mask_pieces(&pieces);
    assert_eq!(masked.concat(), mask_holder(SEED_001));
    assert!(masked.iter().zip(&pieces).all(|(a, b)| a.chars().count() == b.chars().count()));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[СУМАRNЧек:0-9.,*№() \n=а-я\u{a0}İß]{0,200}") {
        let _ = parse(&text);
        let masked = mask_holder(&text);
        prop_assert_eq!(masked.chars().count(), text.chars().count());
    }

    #[test]
    fn any_text_at_all_is_masked_character_by_character(text in any::<String>()) {
        let _ = parse(&text);
        prop_assert_eq!(mask_holder(&text).chars().count(), text.chars().count());
    }

    #[test]
    fn an_amount_printed_with_two_decimals_is_read_back(minor in 0u64..10_000_000_000) {
        prop_assert_eq!(amount_minor(&format!("{}.{:02}", minor / 100, minor % 100)), Some(minor));
    }
}

#[test]
fn a_card_number_cut_by_the_end_of_a_piece_keeps_no_more_than_its_first_six_digits_there() {
    let pieces = ["ОДОБРЕНО\nКАРТА\n9860091234", "567890\nHUMO CARDTEST14\n"];
    let stored: Vec<String> = (1..=pieces.len()).map(|n| mask_pieces(&pieces[..n]).pop().unwrap_or_default()).collect();
    assert_eq!(stored[0], "ОДОБРЕНО\nКАРТА\n986009****");
    let digits = stored.concat().chars().filter(char::is_ascii_digit).count();
    assert!(digits <= 10, "{stored:?}");
}

/// Paper as reports and slips have it, with names, dates and numbers that must not be kept, and lines that only look like an end.
fn papers() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(SEED_001.to_owned()),
        Just("====================================\r\n".to_owned()),
        Just("=======\n".to_owned()),
        Just("Срок:\n".to_owned()),
        Just("01/25\n".to_owned()),
        Just("ДЕРЖАТЕЛЬ IVANOV\n".to_owned()),
        Just("986009012345".to_owned()),
        Just("2347856\nIVANOV IVAN\n".to_owned()),
        Just("ID Терминала:01000002  Номер смены 1\n".to_owned()),
        Just("RRN:\n".to_owned()),
        "[0-9=А-Я: \n]{0,12}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn paper_in_pieces_is_read_and_masked_as_if_all_of_it_were_looked_at_each_time(
        text in papers(), cuts in prop::collection::vec(1_usize..120, 1..12),
    ) {
        let chars: Vec<char> = text.chars().collect();
        let (mut gathered, mut pieces, mut at) = (Gathered::default(), Vec::<String>::new(), 0);
        for cut in cuts.iter().cycle() {
            if at >= chars.len() {
                break;
            }
            let piece: String = chars[at..(at + cut).min(chars.len())].iter().collect();
            at += cut;
            pieces.push(piece.clone());
            prop_assert_eq!(gathered.add(&piece), mask_pieces(&pieces).pop().unwrap_or_default());
            prop_assert_eq!(gathered.slips(), parse(&pieces.concat()));
        }
    }
}

#[test]
fn what_a_report_has_ended_is_not_read_again_with_every_piece() {
    let mut gathered = Gathered::default();
    for number in 1..=300 {
        let slip = SEED_001.replace("Чек 6", &format!("Чек {number}"));
        let (begin, end) = slip.split_at(slip.find("RRN").expect("an RRN"));
        for piece in [begin, end] {
            gathered.add(piece);
        }
        assert_eq!(gathered.open, "", "what waits to be read does not grow with the report");
    }
    assert_eq!(gathered.slips().len(), 300);
}
