//! What of a slip may be stored: the holder's name, the card's expiry date and the middle of its number are replaced by
//! stars, everything else stays where it was. Every character is replaced by exactly one, so pieces keep their cuts.

/// Lines that may follow a card number and are no name.
const NOT_A_NAME: [&str; 16] = [
    "ВВЕДЕН",
    "КОД",
    "RRN",
    "ДАТА",
    "ВРЕМЯ",
    "СУММА",
    "КОМИССИЯ",
    "ИТОГО",
    "ОДОБРЕНО",
    "ОТКАЗАНО",
    "СРОК",
    "AID",
    "TVR",
    "UNIV",
    "ЧЕК",
    "====",
];

/// Words that stand before a card's expiry date.
const EXPIRY: [&str; 12] = [
    "СРОК",
    "ДЕЙСТВУЕТ",
    "ДЕЙСТВИТЕЛЬНА",
    "ГОДНА",
    "EXP",
    "EXPIRY",
    "EXPIRES",
    "EXPDATE",
    "EXPIRATION",
    "VALID",
    "MUDDATI",
    "AMAL",
];

/// The slip with the holder's line masked (the line after the card number, or after a HOLDER label), without the card's
/// expiry date, and card numbers cut to first 6 and last 4.
#[must_use]
pub fn mask_holder(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_card = false;
    let mut expiry_follows = false;
    for line in text.split_inclusive(['\n', '\r', '\u{c}']) {
        let masked = mask_expiry(mask_numbers(line), &mut expiry_follows);
        if let Some(end) = card_number_end(line) {
            after_card = true;
            // A name printed on the number's own line is a name all the same, and a number there is a date.
            let end = char_offset(&masked, line[..end].chars().count());
            out.push_str(&masked[..end]);
            out.extend(masked[end..].chars().map(star_if_word));
        } else if let Some(start) = holder_label(line) {
            after_card = false;
            out.push_str(&masked[..char_offset(&masked, line[..start].chars().count())]);
            out.extend(line[start..].chars().map(star));
        } else if after_card && !line.trim().is_empty() {
            after_card = false;
            if is_name(line) {
                out.extend(line.chars().map(star));
            } else {
                out.push_str(&masked);
            }
        } else {
            out.push_str(&masked);
        }
    }
    out
}

/// The same for a slip that arrived in pieces: each is masked with what came before it in mind, and stays a piece.
#[must_use]
pub fn mask_pieces<S: AsRef<str>>(pieces: &[S]) -> Vec<String> {
    let joined: String = pieces.iter().map(AsRef::as_ref).collect();
    let masked = mask_open_run(&joined, mask_holder(&joined));
    let mut chars = masked.chars();
    pieces.iter().map(|piece| chars.by_ref().take(piece.as_ref().chars().count()).collect()).collect()
}

/// A run of digits at the very end may be a card number that the next piece goes on with: beyond its first 6 nothing is kept.
fn mask_open_run(text: &str, masked: String) -> String {
    let chars: Vec<char> = text.chars().collect();
    let open = chars.iter().rev().take_while(|c| c.is_ascii_digit() || matches!(c, ' ' | '-')).count();
    let start = chars[chars.len() - open..].iter().position(char::is_ascii_digit).map(|at| chars.len() - open + at);
    let Some(places) = start.map(|start| digit_run(&chars, start)) else { return masked };
    if places.len() <= 6 || places.last().is_none_or(|last| last + 1 < chars.len()) {
        return masked;
    }
    let hidden = &places[6..];
    masked.chars().enumerate().map(|(at, c)| if hidden.contains(&at) { '*' } else { c }).collect()
}

/// Runs of 13 to 19 digits (a card number; single spaces and dashes may stand in it) keep their first 6 and last 4.
/// Longer runs, which no card number is, lose their middle too. Ids of up to 12 digits and of 15 digits behind a
/// colon, as a merchant's, are told apart by their beginning: card numbers begin with 2 to 6, 8 or 9.
#[must_use]
pub fn mask_numbers(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let places = digit_run(&chars, at);
        let next = places.last().map_or(at + 1, |last| last + 1);
        if places.len() >= 13 && chars[at] != '0' && chars[at] != '1' {
            for place in &places[6..places.len() - 4] {
                out[*place] = '*';
            }
        }
        at = next;
    }
    out.into_iter().collect()
}

/// The places of a run of digits, over single spaces and dashes between groups of four.
fn digit_run(chars: &[char], start: usize) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = start;
    while let Some(c) = chars.get(at) {
        let grouped = matches!(c, ' ' | '-')
            && !places.is_empty()
            && places.len().is_multiple_of(4)
            && chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if c.is_ascii_digit() {
            places.push(at);
        } else if !grouped {
            break;
        }
        at += 1;
    }
    places
}

/// A masked card number in a line: first 4 to 6 digits, stars, last 4; as printed.
pub(super) fn card_number(line: &str) -> Option<String> {
    let masked = mask_numbers(line);
    masked.split(|c: char| c.is_whitespace() || matches!(c, ':' | '=')).find_map(|word| {
        let head = word.bytes().take_while(u8::is_ascii_digit).count();
        let stars = word.bytes().skip(head).take_while(|b| matches!(b, b'*' | b'X' | b'x' | b'.')).count();
        let tail = word.len() - head - stars;
        let ends = tail == 4 && word.bytes().skip(head + stars).all(|b| b.is_ascii_digit());
        ((head == 4 || head == 6 || head == 0) && stars >= 3 && ends).then(|| word.to_owned())
    })
}

/// Where the card number of a line ends (its sequence number, ":01", included).
fn card_number_end(line: &str) -> Option<usize> {
    let card = card_number(line)?;
    let masked = mask_numbers(line);
    let start = masked.find(&card)?;
    let end = start + card.len();
    let suffix = masked[end..].bytes().take_while(|b| *b == b':' || b.is_ascii_digit()).count();
    // Masking replaces ASCII digits by ASCII stars: byte places are the same in both.
    Some(end + suffix)
}

fn holder_label(line: &str) -> Option<usize> {
    let upper: String = line.chars().map(|c| c.to_uppercase().next().unwrap_or(c)).collect();
    let label = ["ДЕРЖАТЕЛЬ", "ВЛАДЕЛЕЦ", "CARDHOLDER"].iter().find(|label| upper.trim_start().starts_with(*label))?;
    let after = line.len() - line.trim_start().len() + label.len();
    line.is_char_boundary(after).then_some(after)
}

fn is_name(line: &str) -> bool {
    let upper = line.trim().to_uppercase();
    !upper.contains(':') && !NOT_A_NAME.iter().any(|word| upper.starts_with(word))
}

fn star(c: char) -> char {
    if c.is_whitespace() || c == ':' { c } else { '*' }
}

fn star_if_word(c: char) -> char {
    if c.is_alphanumeric() { '*' } else { c }
}

/// A line without its expiry date: the digits behind the word for it, or at the beginning of the line after that word.
fn mask_expiry(line: String, follows: &mut bool) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    let first = chars.iter().position(|c| !c.is_whitespace());
    let label = expiry_label(&chars);
    let from = match (label, first) {
        (Some(label), _) => label,
        (None, Some(first)) if std::mem::take(follows) => first,
        _ => return line,
    };
    let is_date = |c: &char| c.is_ascii_digit() || matches!(c, '/' | '.' | '-');
    let digits = chars[from..].iter().position(char::is_ascii_digit).map(|at| from + at);
    // Without the word on its own line, only a date at the very beginning is one.
    let digits = digits.filter(|at| label.is_some() || *at == from);
    *follows = label.is_some() && digits.is_none();
    for c in
        chars.iter_mut().skip(digits.unwrap_or(usize::MAX)).take_while(|c| is_date(c)).filter(|c| c.is_ascii_digit())
    {
        *c = '*';
    }
    chars.into_iter().collect()
}

/// Where the last word for an expiry date ends.
fn expiry_label(chars: &[char]) -> Option<usize> {
    let mut found = None;
    let mut word = String::new();
    for (at, c) in chars.iter().chain(std::iter::once(&' ')).enumerate() {
        if c.is_alphabetic() {
            word.extend(c.to_uppercase());
        } else if EXPIRY.contains(&std::mem::take(&mut word).as_str()) {
            found = Some(at);
        }
    }
    found
}

fn char_offset(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}
