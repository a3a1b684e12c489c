//! What a till reads names no file of the terminal. The log does.

/// The same words with every path of a file left out.
pub(super) fn pathless(text: &str) -> String {
    let is_edge = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '“' | '”' | '(' | ')' | '[' | ']' | '=' | ',' | ';')
    };
    let shown = text.split_inclusive(is_edge).map(|piece| {
        let word = piece.trim_end_matches(is_edge);
        let bare = word.trim_end_matches([':', '.']);
        // A path begins at the root and goes down; a slash within a word, or an address, does not. What a till may ask is no file.
        let is_door = bare.starts_with("/api/v1/") || bare.starts_with("/payment/");
        if bare.len() > 1 && bare.starts_with('/') && !bare.starts_with("//") && !is_door {
            format!("(a file){}", &piece[bare.len()..])
        } else {
            piece.to_owned()
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out_and_everything_else_stays() {
        for (text, said) in [
            (
                "the disk of /var/lib/tolov/journal.db is full; free some space",
                "the disk of (a file) is full; free some space",
            ),
            ("/dev/ttyACM0: Permission denied (os error 13)", "(a file): Permission denied (os error 13)"),
            ("cannot open \"/run/tolov/x\", or (/tmp).", "cannot open \"(a file)\", or ((a file))."),
            (
                "ATTEMPT to write a readonly database in /data/tolov.",
                "ATTEMPT to write a readonly database in (a file).",
            ),
            ("10 / 2 of 3/4 at http://127.0.0.1:80/payment", "10 / 2 of 3/4 at http://127.0.0.1:80/payment"),
            ("диск /a/б полон", "диск (a file) полон"),
            ("“/data/a b” is gone", "“(a file) b” is gone"),
            ("(/dev/ttyUSB0)", "((a file))"),
            ("it is busy: see GET /api/v1/sbp/cash-link", "it is busy: see GET /api/v1/sbp/cash-link"),
            ("12 and/or 13 km/h", "12 and/or 13 km/h"),
            ("", ""),
        ] {
            assert_eq!(pathless(text), said);
        }
    }
}
