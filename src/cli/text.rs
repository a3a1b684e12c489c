//! Plain text for a serial console: tables, wrapped sentences, times and amounts. ASCII wherever the words are ours, at most
//! [`WIDTH`] columns wide.

use crate::clock;
use crate::payment::money::{Currency, Money};

/// The widest line.
pub(super) const WIDTH: usize = 100;

/// How a column stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table with a head. A cell that is too long for the line is cut with "..", and only in the last column.
pub(super) fn table(head: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|(name, _)| name.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let last = widths.len().saturating_sub(1);
    let before: usize = widths.iter().take(last).map(|width| width + 2).sum();
    if let Some(width) = widths.last_mut() {
        *width = (*width).min(WIDTH.saturating_sub(before));
    }
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (at, ((cell, width), (_, align))) in cells.iter().zip(&widths).zip(head).enumerate() {
            let cell = cut(cell, *width);
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            let gap = if at == 0 { "" } else { "  " };
            let (left, right) = if *align == Align::Right { (pad.as_str(), "") } else { ("", pad.as_str()) };
            text.push_str(&format!("{gap}{left}{cell}{right}"));
        }
        text.trim_end().to_owned() + "\n"
    };
    let names: Vec<String> = head.iter().map(|(name, _)| (*name).to_owned()).collect();
    std::iter::once(line(&names)).chain(rows.iter().map(|row| line(row))).collect()
}

/// "name   value" lines, the names in one column; long values go on under themselves.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    pairs
        .iter()
        .map(|(name, value)| {
            let text = wrap(value, width + 2);
            format!("  {name:<pad$}{}\n", text.trim_start(), pad = width)
        })
        .collect()
}

/// Sentences, each on lines of its own and indented. A line that is a command stays whole, so that it can be copied.
pub(super) fn wrap(text: &str, indent: usize) -> String {
    let lines = text.lines().flat_map(|line| {
        if line.starts_with("tolov ") {
            return vec![format!("{}{}", " ".repeat(indent + 2), clean(line))];
        }
        wrap_sentence(&clean(line), indent)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn wrap_sentence(text: &str, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{}{word}", " ".repeat(indent))),
        }
    }
    lines
}

/// A slip between bars, as it was printed.
pub(super) fn slip(text: &str) -> String {
    text.lines().map(|line| format!("  | {}\n", clean(line).trim_end())).collect()
}

/// Foreign words, harmless for the console: no control characters, so no escape sequences.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(2)).collect();
    kept + ".."
}

/// "2026-11-22 05:47:10", where the terminal stands.
pub(super) fn when(at_ms: i64) -> String {
    clock::local(at_ms).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// "5 s", "12 min", "3 h 20 min", "4 days".
pub(super) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if hours < 1 => format!("{minutes} min"),
        () if days < 2 => format!("{hours} h {} min", minutes % 60),
        () => format!("{days} days"),
    }
}

/// "1 234 500.00": minor units as a person writes them.
pub(super) fn amount(minor: i64) -> String {
    Money::from_minor(minor, Currency::Uzs).grouped()
}

/// The first digits of a name: enough to name a payment in another command.
pub(super) fn short(id: &impl ToString) -> String {
    id.to_string().chars().take(8).collect()
}

/// "1 payment", "3 payments".
pub(super) fn count(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_console() {
        let head = [("id", Align::Left), ("why", Align::Left)];
        let text = table(&head, &[vec!["1".to_owned(), "word ".repeat(60)]]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.trim_end().ends_with(".."));
        let sentence = wrap(&"a sentence of many words ".repeat(20), 4);
        assert!(sentence.lines().all(|line| line.chars().count() <= WIDTH && line.starts_with("    ")));
    }

    #[test]
    fn foreign_words_cannot_command_the_console() {
        assert_eq!(clean("\u{1b}[2Jcleared\u{7}"), " [2Jcleared ");
        assert!(!slip("A\u{1b}[31mB\nC").contains('\u{1b}'));
    }

    #[test]
    fn spans_are_told_in_the_largest_unit_that_says_something() {
        let told: Vec<String> = [900, 59_000, 60_000, 12_000_000, 172_800_000].into_iter().map(span).collect();
        assert_eq!(told, ["0 s", "59 s", "1 min", "3 h 20 min", "2 days"]);
    }
}
