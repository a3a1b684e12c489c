//! Every word that people read, in three languages. A message knows its place on the screen, so that a test can hold that it fits there.

mod en;
mod ru;
mod uz;

use serde::{Deserialize, Serialize};

use super::lettering::{GROUP_SPACE, Height, wrap};
use crate::payment::sale::Method;
use crate::payment::{Currency, Money};

/// The language of the display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Uzbek, Latin letters.
    #[default]
    Uz,
    /// Russian.
    Ru,
    /// English.
    En,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::Uz, Self::Ru, Self::En];

    /// Its name in file names and in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uz => "uz",
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// Its messages.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::Uz => &uz::TEXTS,
            Self::Ru => &ru::TEXTS,
            Self::En => &en::TEXTS,
        }
    }
}

/// Where on the screen a message stands: its width in pixels, the heights it may have, largest first, and how many lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Beside the icon, on the colour of the state.
    Headline,
    /// The one thing to do, or why: two lines.
    Instruction,
    /// The same where it has more room: three lines.
    Long,
    /// The same on a screen without an amount: larger.
    Message,
    /// Small print: three lines.
    Hint,
    /// The coloured strip above the footer: one line.
    Strip,
    /// Beside a code: four or five short lines.
    Column,
    /// Above that column, in the place of the band's sign: three short lines of small print.
    Block,
    /// One line of small print; the words of a provider stand here too.
    Line,
    /// A word beside a number.
    Word,
}

impl Place {
    /// Pixels that a line may have.
    pub(super) fn width(self) -> i32 {
        match self {
            Self::Headline => 244,
            Self::Instruction | Self::Long | Self::Message | Self::Hint | Self::Line => 304,
            Self::Column | Self::Block => 112,
            Self::Strip => 276,
            Self::Word => 60,
        }
    }

    /// Which heights are tried with how many lines, the best first.
    fn choices(self) -> &'static [(Height, usize)] {
        match self {
            Self::Headline => &[(Height::Huge, 1), (Height::Large, 1), (Height::Medium, 2)],
            Self::Instruction => &[(Height::Medium, 2)],
            Self::Long => &[(Height::Medium, 3)],
            Self::Hint => &[(Height::Small, 3)],
            Self::Column => &[(Height::Medium, 3), (Height::Small, 4)],
            Self::Block => &[(Height::Small, 3)],
            Self::Message => &[(Height::Large, 3), (Height::Medium, 4)],
            Self::Strip | Self::Line | Self::Word => &[(Height::Small, 1)],
        }
    }

    /// Set `text` here: the height and the lines. What is too long loses its end, which only happens to the words of others;
    /// our own are held to fit by a test.
    pub(super) fn set(self, text: &str) -> (Height, Vec<String>) {
        for &(height, most) in self.choices() {
            let lines = wrap(text, height, self.width());
            if lines.len() <= most && !lines.iter().any(|l| l.ends_with('…')) {
                return (height, balanced(text, height, lines, self.width()));
            }
        }
        let (height, most) = self.choices().last().copied().unwrap_or((Height::Small, 1));
        let mut lines = wrap(text, height, self.width());
        if lines.len() > most {
            let rest = lines.split_off(most - 1).join(" ");
            lines.push(super::lettering::cut(&rest, height, self.width()));
        }
        (height, lines)
    }
}

/// The same number of lines, of nearly the same length: no word is left alone below a full line.
fn balanced(text: &str, height: Height, mut lines: Vec<String>, width: i32) -> Vec<String> {
    for narrower in (0..width).rev().step_by(4) {
        let tried = wrap(text, height, narrower);
        if tried.len() > lines.len() || tried.iter().any(|l| l.ends_with('…')) {
            break;
        }
        lines = tried;
    }
    lines
}

/// Declares [`Texts`]: every message once, with its place.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $place:ident,)*) => {
        /// The messages of one language. `{}` stands for the brand of the payment method.
        pub(super) struct Texts { $($(#[$doc])* pub(super) $name: &'static str,)* }

        #[cfg(test)]
        impl Texts {
            /// Every message: its name, its place, its words.
            fn all(&self) -> Vec<(&'static str, Place, &'static str)> {
                vec![$((stringify!($name), Place::$place, self.$name)),*]
            }
        }
    };
}

texts! {
    /// Nothing goes on.
    welcome: Headline,
    welcome_do: Instruction,
    /// Waiting for the customer.
    show_code: Headline,
    show_code_do: Instruction,
    present_card: Headline,
    present_card_do: Instruction,
    card_or_code: Headline,
    card_or_code_do: Instruction,
    code_read: Headline,
    code_read_do: Instruction,
    /// A code on the display, or on the counter, for the customer's phone.
    scan_with_phone_do: Column,
    scan_again_do: Column,
    scan_sticker: Headline,
    scan_sticker_do: Instruction,
    making_code_do: Instruction,
    checking_code: Headline,
    checking_code_do: Instruction,
    code_too_long: Headline,
    code_too_long_do: Long,
    /// The bank is at work.
    processing: Headline,
    processing_card_do: Instruction,
    processing_code_do: Instruction,
    /// Paid.
    approved: Headline,
    approved_do: Message,
    approved_late: Headline,
    approved_late_do: Long,
    /// Not paid.
    declined: Headline,
    not_taken: Hint,
    /// A code cannot be withdrawn.
    may_still_pay: Hint,
    cancelled: Headline,
    cancelled_by_till: Instruction,
    cancelled_till_gone: Instruction,
    cancelled_by_restart: Instruction,
    cancelled_by_operator: Instruction,
    cancelled_by_provider: Instruction,
    expired: Headline,
    expired_do: Instruction,
    /// Nobody knows.
    in_doubt: Headline,
    in_doubt_do: Instruction,
    in_doubt_tell: Hint,
    in_doubt_ask_pinpad: Line,
    in_doubt_ask_cabinet: Line,
    in_doubt_ask_qrm: Line,
    doubts: Headline,
    /// Giving card money back.
    giving_back: Headline,
    giving_back_do: Instruction,
    giving_back_to_account_do: Instruction,
    given_back: Headline,
    given_back_do: Instruction,
    given_back_to_account_do: Instruction,
    not_given_back: Headline,
    not_given_back_do: Instruction,
    give_back_in_doubt_do: Instruction,
    /// Closing the shift.
    settling: Headline,
    settling_do: Message,
    settlement_in_doubt_do: Message,
    settled: Headline,
    settled_total: Message,
    settled_do: Message,
    not_settled: Headline,
    not_settled_do: Message,
    not_settled_not_sent: Message,
    still_open_reported: Message,
    still_open_signed: Message,
    /// Nothing can be sold.
    closed: Headline,
    cannot_sell: Headline,
    call_technician: Message,
    disk_full: Message,
    disk_read_only: Message,
    store_damaged: Message,
    store_failing: Message,
    do_not_switch_off: Headline,
    do_not_switch_off_do: Message,
    /// A scan that cannot pay.
    scan_unexpected: Headline,
    scan_unexpected_do: Message,
    code_used: Headline,
    code_used_do: Message,
    wrong_code: Headline,
    code_is_receipt: Message,
    code_is_uzqr: Message,
    code_is_sbp: Message,
    code_is_uzum: Message,
    code_is_other_app: Message,
    code_is_unknown: Message,
    strip_scan_unexpected: Strip,
    strip_code_used: Strip,
    strip_receipt: Strip,
    strip_uzqr: Strip,
    strip_sbp: Strip,
    strip_uzum: Strip,
    strip_other_app: Strip,
    strip_unknown: Strip,
    /// Warnings.
    same_amount: Strip,
    pinpad_missing: Strip,
    scanner_missing: Strip,
    /// Why a payment was declined.
    refused_card: Instruction,
    refused_code: Instruction,
    not_sent: Instruction,
    cancelled_at_pinpad: Instruction,
    misconfigured: Instruction,
    absent: Instruction,
    funds: Instruction,
    card_expired: Instruction,
    wrong_pin: Instruction,
    pin_blocked: Instruction,
    not_permitted: Instruction,
    limit: Instruction,
    another_card: Instruction,
    bank_away: Instruction,
    shift_must_close: Instruction,
    card_unread: Instruction,
    pinpad_declined: Instruction,
    pinpad_failed: Instruction,
    /// Units.
    soum: Word,
    rouble: Word,
    minutes: Word,
    hours: Word,
    days: Word,
    code: Word,
}

/// The name by which customers know a method; brands are not translated.
pub(super) fn brand(method: Method) -> &'static str {
    match method {
        Method::Humo => "HUMO",
        Method::Click => "CLICK",
        Method::Payme => "PAYME",
        Method::Sbp => "SBP",
    }
}

/// Several of them, in one word that no line breaks: "CLICK/PAYME".
pub(super) fn brands(methods: &[Method]) -> String {
    methods.iter().map(|method| brand(*method)).collect::<Vec<_>>().join("/")
}

/// An amount for people: ("12 500", "soʻm"); the fraction is shown only where there is one.
pub(super) fn amount(money: Money, language: Language) -> (String, &'static str) {
    let unit = match money.currency() {
        Currency::Uzs => language.texts().soum,
        Currency::Rub => language.texts().rouble,
    };
    let (whole, rest) = money.whole_and_rest();
    let digits = whole.to_string();
    let mut text = String::new();
    if money.minor() < 0 {
        text.push('-');
    }
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(GROUP_SPACE);
        }
        text.push(digit);
    }
    if rest > 0 {
        let mark = if language == Language::En { '.' } else { ',' };
        text.push_str(&format!("{mark}{rest:02}"));
    }
    (text, unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::lettering::has;

    #[test]
    fn every_letter_of_every_message_is_in_the_font() {
        for language in Language::ALL {
            for (name, _, text) in language.texts().all() {
                let missing: String = text.chars().filter(|c| !has(*c)).collect();
                assert_eq!(missing, "", "{name} in {}", language.name());
                assert!(!text.trim().is_empty(), "{name} in {}", language.name());
            }
        }
    }

    #[test]
    fn every_message_fits_its_place_with_every_brand() {
        let mut offences = Vec::new();
        for language in Language::ALL {
            for (name, place, text) in language.texts().all() {
                for method in Method::ALL {
                    let text = text.replace("{}", brand(method));
                    let (_, lines) = place.set(&text);
                    if lines.join(" ") != text {
                        offences.push(format!("{name} in {} does not fit {place:?}: {lines:?}", language.name()));
                    }
                }
            }
        }
        assert_eq!(offences, Vec::<String>::new());
    }

    #[test]
    fn a_message_about_the_codes_that_will_do_fits_its_place_with_all_of_them() {
        let codes: Vec<Method> = Method::ALL.into_iter().filter(|method| method.scans()).collect();
        for language in Language::ALL {
            for text in [language.texts().show_code_do, language.texts().card_or_code_do] {
                let text = text.replace("{}", &brands(&codes));
                assert_eq!(Place::Instruction.set(&text).1.join(" "), text, "{}", language.name());
            }
        }
    }

    #[test]
    fn the_warning_of_a_doubt_fits_above_a_code_too() {
        for language in Language::ALL {
            let (height, lines) = Place::Block.set(language.texts().same_amount);
            assert_eq!(lines.join(" "), language.texts().same_amount);
            let below = lines.iter().map(|_| height.line()).sum::<i32>();
            assert!(below <= crate::ui::paint::BAND, "{}: {lines:?}", language.name());
        }
    }

    #[test]
    fn uzbek_is_written_with_its_own_apostrophes() {
        for (name, _, text) in Language::Uz.texts().all() {
            assert!(!text.contains(['\'', '`', '‘', 'ʼ']), "{name}: {text}");
            let cyrillic = text.chars().any(|c| ('\u{400}'..='\u{4ff}').contains(&c));
            assert!(!cyrillic, "{name}: {text}");
        }
    }

    #[test]
    fn every_message_differs_between_the_languages() {
        let (uz, ru, en) = (Language::Uz.texts().all(), Language::Ru.texts().all(), Language::En.texts().all());
        for ((u, r), e) in uz.into_iter().zip(ru).zip(en) {
            assert!(u.2 != r.2 && r.2 != e.2 && u.2 != e.2, "{} was not translated", u.0);
        }
    }

    #[test]
    fn amounts_are_grouped_and_drop_an_empty_fraction() {
        let uzs = |minor| amount(Money::from_minor(minor, Currency::Uzs), Language::Uz).0.replace(GROUP_SPACE, " ");
        assert_eq!(uzs(0), "0");
        assert_eq!(uzs(50_000), "500");
        assert_eq!(uzs(1_250_000), "12 500");
        assert_eq!(uzs(1_250_050), "12 500,50");
        assert_eq!(uzs(100_000_007), "1 000 000,07");
        assert_eq!(uzs(-150_000), "-1 500");
        let rub = amount(Money::from_minor(123_456, Currency::Rub), Language::En);
        assert_eq!(rub, ("1\u{202f}234.56".to_owned(), "RUB"));
        assert_eq!(amount(Money::from_minor(1, Currency::Uzs), Language::Uz).1, "soʻm");
    }

    #[test]
    fn a_language_is_written_in_lower_case() {
        for language in Language::ALL {
            assert_eq!(serde_json::to_value(language).ok(), Some(language.name().into()));
        }
    }

    #[test]
    fn the_words_of_others_lose_their_end_rather_than_their_place() {
        let (_, lines) = Place::Hint.set(&"слово ".repeat(40));
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with('…'));
        assert!(lines.iter().all(|l| Height::Small.width(l) <= Place::Hint.width()));
    }
}
