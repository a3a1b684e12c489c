//! The slip: what the PinPad prints, as text already decoded from CP1251, taken apart into fields.
//!
//! Layouts differ from bank to bank, so nothing depends on columns: a field is a known label and what stands behind
//! it, on the same line or wrapped to the next. What does not parse is absent, never guessed; two different values for
//! one field are a [`Conflict`] and leave the field empty. The slip is *evidence to compare with*: STORERC decides.
//!
//! - [`parse`]: text → slips
//! - [`mask`]: what of a slip may be stored
//! - [`Gathered`]: both, of paper that arrives in pieces
//! - [`code`]: what a response code means

pub mod code;
mod gather;
pub mod mask;

pub use code::{CodeClass, NO_CARD_IN_TIME, classify};
pub use gather::Gathered;
pub use mask::{mask_holder, mask_numbers, mask_pieces};

/// What the slip says was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlipOperation {
    /// ОПЛАТА, ПРОДАЖА, SALE.
    Sale,
    /// ВОЗВРАТ, REFUND.
    Refund,
    /// ОТМЕНА, VOID.
    Void,
    /// СВЕРКА ИТОГОВ, ЗАКРЫТИЕ СМЕНЫ, SETTLEMENT.
    Settlement,
}

/// One field of which the slip holds two different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field's name in [`Slip`].
    pub field: &'static str,
    /// The value that stands first.
    pub first: String,
    /// The other one.
    pub second: String,
}

/// One slip. Every field is as printed, without surrounding space; amounts are minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slip {
    /// What was done.
    pub operation: Option<SlipOperation>,
    /// ОДОБРЕНО → true, ОТКАЗАНО → false.
    pub approved: Option<bool>,
    /// ОПЕРАЦИЯ ОТМЕНЕНА stands there.
    pub operation_cancelled: bool,
    /// Итоги совпали → true, не совпали → false (settlement).
    pub totals_match: Option<bool>,
    /// СУММА, minor units.
    pub amount_minor: Option<u64>,
    /// КОМИССИЯ, minor units.
    pub surcharge_minor: Option<u64>,
    /// ИТОГО, minor units.
    pub total_minor: Option<u64>,
    /// The currency printed behind the amount.
    pub currency: Option<String>,
    /// Retrieval reference number.
    pub rrn: Option<String>,
    /// Authorisation code.
    pub authorisation_code: Option<String>,
    /// Response code.
    pub response_code: Option<String>,
    /// First 6, stars, last 4.
    pub masked_card: Option<String>,
    /// The card's brand, as printed after "Карта:".
    pub card_name: Option<String>,
    /// Terminal id.
    pub terminal_id: Option<String>,
    /// Merchant ("organisation") id.
    pub merchant_id: Option<String>,
    /// Number of the shift.
    pub shift: Option<String>,
    /// Number of the slip within the shift.
    pub receipt_number: Option<String>,
    /// Date as printed (`11/11/22`).
    pub date: Option<String>,
    /// Time as printed (`17:01:07`).
    pub time: Option<String>,
    /// Fields with two different values.
    pub conflicts: Vec<Conflict>,
}

/// All slips in a text: one for a sale, many in a report. A line of `=` ends a slip, and so does the head of the next.
#[must_use]
pub fn parse(text: &str) -> Vec<Slip> {
    let lines: Vec<&str> = text.split(['\n', '\r', '\u{c}']).map(str::trim).collect();
    let mut slips = Vec::new();
    let mut reader = Reader::default();
    for (at, line) in lines.iter().enumerate() {
        if is_separator(line) || (reader.has_money && is_head(line)) {
            reader.finish_into(&mut slips);
        }
        reader.line(line, lines[at + 1..].iter().find(|l| !l.is_empty()).copied());
    }
    reader.finish_into(&mut slips);
    slips
}

/// Decimal text → minor units, without floats: `500.00`, `1 234 567,5`, `50`. `None` for anything else.
#[must_use]
pub fn amount_minor(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = match text.rfind(['.', ',']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let hundredths = match fraction.map(str::as_bytes) {
        None => 0,
        Some([tenths @ b'0'..=b'9']) => u64::from(tenths - b'0') * 10,
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9']) => u64::from(a - b'0') * 10 + u64::from(b - b'0'),
        Some(_) => return None,
    };
    let groups: Vec<&str> = whole.split([' ', '\u{a0}']).collect();
    let well_grouped = groups.len() == 1 || (groups[0].len() <= 3 && groups[1..].iter().all(|g| g.len() == 3));
    let digits = groups.concat();
    if !well_grouped || groups[0].is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Amount,
    Surcharge,
    Total,
    Rrn,
    Authorisation,
    Response,
    CardName,
    Terminal,
    Merchant,
    Shift,
    Receipt,
    Date,
    Time,
    /// A label that ends the value before it; what stands behind it is not a field.
    Other,
}

/// Labels in upper case. Where one is the beginning of another, the longer stands first.
const LABELS: [(&str, Field); 42] = [
    ("ID ТЕРМИНАЛА", Field::Terminal),
    ("ID ТЕРМ.", Field::Terminal),
    ("ID ТЕРМ", Field::Terminal),
    ("ТЕРМИНАЛ", Field::Terminal),
    ("TERMINAL ID", Field::Terminal),
    ("ID ОРГАНИЗАЦИИ", Field::Merchant),
    ("ID ОРГ.", Field::Merchant),
    ("ID ОРГ", Field::Merchant),
    ("ID МЕРЧАНТА", Field::Merchant),
    ("МЕРЧАНТ", Field::Merchant),
    ("MERCHANT ID", Field::Merchant),
    ("НОМЕР СМЕНЫ", Field::Shift),
    ("СМЕНА №", Field::Shift),
    ("СМЕНА", Field::Shift),
    ("НОМЕР ЧЕКА", Field::Receipt),
    ("ЧЕК №", Field::Receipt),
    ("ЧЕК", Field::Receipt),
    ("RECEIPT", Field::Receipt),
    ("СУММА", Field::Amount),
    ("AMOUNT", Field::Amount),
    ("КОМИССИЯ", Field::Surcharge),
    ("SURCHARGE", Field::Surcharge),
    ("ИТОГО", Field::Total),
    ("TOTAL", Field::Total),
    ("КОД АВТОРИЗАЦИИ", Field::Authorisation),
    ("КОД АВТ.", Field::Authorisation),
    ("AUTH CODE", Field::Authorisation),
    ("КОД ОТВЕТА", Field::Response),
    ("RESPONSE CODE", Field::Response),
    ("RRN", Field::Rrn),
    ("ССЫЛКА", Field::Rrn),
    ("КАРТА", Field::CardName),
    ("CARD", Field::CardName),
    ("ДАТА", Field::Date),
    ("DATE", Field::Date),
    ("ВРЕМЯ", Field::Time),
    ("TIME", Field::Time),
    ("СРОК", Field::Other),
    ("AID", Field::Other),
    ("TVR", Field::Other),
    ("TSI", Field::Other),
    ("ВВЕДЕН", Field::Other),
];

#[derive(Default)]
struct Reader {
    slip: Slip,
    touched: bool,
    has_money: bool,
}

impl Reader {
    fn finish_into(&mut self, slips: &mut Vec<Slip>) {
        let reader = std::mem::take(self);
        if reader.touched {
            slips.push(reader.slip);
        }
    }

    fn line(&mut self, line: &str, next: Option<&str>) {
        self.words(&line.to_uppercase());
        if let Some(card) = mask::card_number(line) {
            set("masked_card", &mut self.slip.masked_card, &mut self.slip.conflicts, card);
            self.touched = true;
        }
        let found = labels(line);
        for (index, label) in found.iter().enumerate() {
            let end = found.get(index + 1).map_or(line.len(), |l| l.start);
            let mut value = line[label.value..end].trim();
            let wrapped = value.is_empty() && index + 1 == found.len();
            if wrapped {
                // The value went to the next line, unless that line has labels of its own.
                value = next.filter(|n| labels(n).is_empty()).unwrap_or_default();
            }
            self.field(label.field, value, next);
        }
    }

    /// What is said by bare words rather than by a label.
    fn words(&mut self, line: &str) {
        let said = |words: &[&str]| words.iter().any(|w| line.contains(w));
        let refused = said(&["ОТКАЗАНО", "ОТКЛОНЕН", "НЕ ОДОБРЕНО", "ОТКАЗ ", "DECLINED"]) || line == "ОТКАЗ";
        let verdict = if refused { Some(false) } else { said(&["ОДОБРЕНО", "APPROVED"]).then_some(true) };
        if let Some(approved) = verdict {
            self.touched = true;
            set("approved", &mut self.slip.approved, &mut self.slip.conflicts, approved);
        }
        if said(&["ОПЕРАЦИЯ ОТМЕНЕНА"]) {
            self.touched = true;
            self.slip.operation_cancelled = true;
        }
        if said(&["ИТОГИ НЕ СОВПАЛИ"]) {
            self.touched = true;
            set("totals_match", &mut self.slip.totals_match, &mut self.slip.conflicts, false);
        } else if said(&["ИТОГИ СОВПАЛИ"]) {
            self.touched = true;
            set("totals_match", &mut self.slip.totals_match, &mut self.slip.conflicts, true);
        }
        let operation = match line.trim_matches(|c: char| !c.is_alphanumeric()) {
            "ОПЛАТА" | "ОПЛАТА ПОКУПКИ" | "ПРОДАЖА" | "SALE" => SlipOperation::Sale,
            "ВОЗВРАТ" | "ВОЗВРАТ ПОКУПКИ" | "REFUND" => SlipOperation::Refund,
            "ОТМЕНА" | "ОТМЕНА ОПЛАТЫ" | "ОТМЕНА ПОКУПКИ" | "VOID" => {
                SlipOperation::Void
            }
            "СВЕРКА ИТОГОВ" | "ЗАКРЫТИЕ СМЕНЫ" | "ЗАКРЫТИЕ ДНЯ" | "SETTLEMENT" => {
                SlipOperation::Settlement
            }
            _ => return,
        };
        self.touched = true;
        set("operation", &mut self.slip.operation, &mut self.slip.conflicts, operation);
    }

    fn field(&mut self, field: Field, value: &str, next: Option<&str>) {
        // A value ends where a column does.
        let column = value.split("  ").next().unwrap_or_default().trim();
        let word = value.split_whitespace().next().unwrap_or_default();
        let text = match field {
            Field::Rrn | Field::Merchant => id(word, 20),
            Field::Authorisation => id_or_letters(word),
            Field::Response => id(word, 4),
            Field::Terminal => id(word, 16),
            Field::Shift | Field::Receipt => digits(word),
            Field::CardName => card_name(column),
            Field::Date => {
                let rest = value.split_whitespace().nth(1).or(next).unwrap_or_default();
                self.put(Field::Time, time(rest));
                date(word)
            }
            Field::Time => time(word),
            Field::Amount | Field::Surcharge | Field::Total => return self.money(field, value),
            Field::Other => None,
        };
        self.put(field, text);
    }

    fn put(&mut self, field: Field, text: Option<String>) {
        let slip = &mut self.slip;
        let (name, slot) = match field {
            Field::Rrn => ("rrn", &mut slip.rrn),
            Field::Authorisation => ("authorisation_code", &mut slip.authorisation_code),
            Field::Response => ("response_code", &mut slip.response_code),
            Field::CardName => ("card_name", &mut slip.card_name),
            Field::Terminal => ("terminal_id", &mut slip.terminal_id),
            Field::Merchant => ("merchant_id", &mut slip.merchant_id),
            Field::Shift => ("shift", &mut slip.shift),
            Field::Receipt => ("receipt_number", &mut slip.receipt_number),
            Field::Date => ("date", &mut slip.date),
            Field::Time => ("time", &mut slip.time),
            Field::Amount | Field::Surcharge | Field::Total | Field::Other => return,
        };
        let Some(text) = text else { return };
        set(name, slot, &mut slip.conflicts, text);
        self.touched = true;
        self.has_money |= field == Field::Rrn;
    }

    fn money(&mut self, field: Field, value: &str) {
        let value = value.split("  ").find(|part| !part.trim().is_empty()).unwrap_or_default().trim();
        let number = value.trim_end_matches(|c: char| c.is_alphabetic() || c == '.').trim_end();
        let Some(minor) = amount_minor(number) else { return };
        self.touched = true;
        self.has_money = true;
        let slip = &mut self.slip;
        let (name, slot) = match field {
            Field::Surcharge => ("surcharge_minor", &mut slip.surcharge_minor),
            Field::Total => ("total_minor", &mut slip.total_minor),
            _ => ("amount_minor", &mut slip.amount_minor),
        };
        set(name, slot, &mut slip.conflicts, minor);
        let currency = value[number.len()..].trim();
        if !currency.is_empty() {
            set("currency", &mut slip.currency, &mut slip.conflicts, currency.to_owned());
        }
    }
}

fn set<T: PartialEq + std::fmt::Debug>(
    field: &'static str,
    slot: &mut Option<T>,
    conflicts: &mut Vec<Conflict>,
    value: T,
) {
    if conflicts.iter().any(|c| c.field == field) {
        return;
    }
    match slot {
        None => *slot = Some(value),
        Some(first) if *first == value => {}
        Some(first) => {
            conflicts.push(Conflict { field, first: format!("{first:?}"), second: format!("{value:?}") });
            *slot = None;
        }
    }
}

struct Label {
    start: usize,
    value: usize,
    field: Field,
}

/// Every label of a line with the place where its value begins.
fn labels(line: &str) -> Vec<Label> {
    let mut found: Vec<Label> = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let step = line[at..].chars().next().map_or(1, char::len_utf8);
        let boundary = line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '(');
        if boundary && let Some((value, field)) = label_at(line, at) {
            found.push(Label { start: at, value, field });
            at = value;
        } else {
            at += step;
        }
    }
    found
}

fn label_at(line: &str, at: usize) -> Option<(usize, Field)> {
    for (label, field) in LABELS {
        let Some(mut end) = starts_with_upper(&line[at..], label).map(|n| at + n) else { continue };
        // "СУММА(AMOUNT)", "RRN(ссылка)": the same label once more, in another language.
        let rest = line[end..].trim_start();
        if let Some(inner) = rest.strip_prefix('(')
            && let Some(close) = inner.find(')')
        {
            end = line.len() - (inner.len() - close - 1);
        }
        let rest = line[end..].trim_start();
        if let Some(value) = rest.strip_prefix([':', '№', '#', '=']) {
            return Some((line.len() - value.trim_start_matches([':', '№', '#', ' ']).len(), field));
        }
        // Without a colon only a number is a value: "Чек 6", but not "СУММА КОМИССИИ" or "ЧЕК ПОКУПАТЕЛЯ".
        let separate = line[end..].starts_with(char::is_whitespace) || label.ends_with(['.', '№']);
        if rest.starts_with(|c: char| c.is_ascii_digit()) && separate && field != Field::Other {
            return Some((line.len() - rest.len(), field));
        }
        if rest.is_empty() && field != Field::Other {
            return Some((line.len(), field));
        }
    }
    None
}

/// How many bytes of `text` spell `upper` in any case; `None` when they do not.
fn starts_with_upper(text: &str, upper: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    for wanted in upper.chars() {
        let (_, c) = chars.next()?;
        if c.to_uppercase().next() != Some(wanted) {
            return None;
        }
    }
    Some(chars.next().map_or(text.len(), |(at, _)| at))
}

fn is_separator(line: &str) -> bool {
    line.len() >= 8 && line.bytes().all(|b| b == b'=')
}

fn is_head(line: &str) -> bool {
    labels(line).first().is_some_and(|l| l.field == Field::Terminal)
}

fn id(word: &str, longest: usize) -> Option<String> {
    let fits = word.len() <= longest && word.bytes().all(|b| b.is_ascii_alphanumeric());
    (fits && word.bytes().any(|b| b.is_ascii_digit())).then(|| word.to_owned())
}

fn card_name(column: &str) -> Option<String> {
    let name = column.split(|c: char| c.is_ascii_digit() || c == '*').next().unwrap_or_default().trim();
    name.chars().any(char::is_alphabetic).then(|| name.to_owned())
}

fn digits(word: &str) -> Option<String> {
    let fits = !word.is_empty() && word.len() <= 10 && word.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| word.to_owned())
}

fn id_or_letters(word: &str) -> Option<String> {
    let fits = (2..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| word.to_owned())
}

fn date(word: &str) -> Option<String> {
    let parts: Vec<&str> = word.split(['/', '.', '-']).collect();
    let numbers = parts.iter().all(|p| (p.len() == 2 || p.len() == 4) && p.bytes().all(|b| b.is_ascii_digit()));
    (parts.len() == 3 && numbers).then(|| word.to_owned())
}

fn time(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let parts: Vec<&str> = word.split(':').collect();
    let numbers = parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()));
    ((2..=3).contains(&parts.len()) && numbers).then(|| word.to_owned())
}

#[cfg(test)]
mod tests;
