//! Any bytes as CP1251 into the slip's parser and its masks: no panic, masking keeps every character's place, and no
//! run of 13 digits that may be a card number is left whole.
#![no_main]

use hal::pinpad::arcus2::decode_cp1251;
use hal::pinpad::arcus2::message::parse_tags;
use hal::pinpad::slip;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = decode_cp1251(data);
    let _ = slip::parse(&text);
    let _ = parse_tags(data);
    let masked = slip::mask_holder(&text);
    assert_eq!(masked.chars().count(), text.chars().count());
    assert_eq!(slip::mask_numbers(&masked), masked, "masking twice changes nothing");
    let pieces: Vec<String> = text.chars().collect::<Vec<_>>().chunks(50).map(|c| c.iter().collect()).collect();
    // A piece that ends within a number hides more of it than the whole text would; nothing is shown that the whole text hides.
    let in_pieces = slip::mask_pieces(&pieces).concat();
    assert_eq!(in_pieces.chars().count(), masked.chars().count());
    assert!(in_pieces.chars().zip(masked.chars()).all(|(piece, whole)| piece == whole || piece == '*'));
    if let Some(minor) = slip::amount_minor(&text) {
        assert_eq!(slip::amount_minor(&format!("{}.{:02}", minor / 100, minor % 100)), Some(minor));
    }
});
