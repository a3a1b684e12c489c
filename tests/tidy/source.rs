//! Rust sources as the rules look at them: code without comments, texts and the tests at a file's end.

use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// From the top of the house, with slashes.
    pub(crate) path: String,
    text: String,
    /// `text` with comments and the inside of texts blanked, line by line the same.
    blank: String,
    /// How much of `blank` comes before the file's own tests.
    code_bytes: usize,
}

/// The top of the house.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that is built into the terminal.
pub(crate) fn house() -> Vec<Source> {
    let mut sources = read(&["src", "hal/src"]);
    sources.retain(|source| !source.is_test());
    assert!(sources.len() > 10, "the rules look at nothing");
    sources
}

/// The same, and every test, bench and fuzz target.
pub(crate) fn house_and_tests() -> Vec<Source> {
    read(&["src", "hal/src", "tests", "hal/tests", "benches", "fuzz/fuzz_targets"])
}

fn read(folders: &[&str]) -> Vec<Source> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in folder.read_dir().into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                sources.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let blank = blanked(text);
        let tests = blank.match_indices("#[cfg(test)]").map(|(at, _)| at);
        let own_tests = tests.into_iter().find(|at| {
            let rest = blank[*at..].trim_start_matches("#[cfg(test)]").trim_start();
            rest.strip_prefix("mod ").is_some_and(|rest| {
                rest.split(['{', ';']).next().is_some_and(|name| rest[name.len()..].starts_with('{'))
            })
        });
        Self { path: path.into(), text: text.into(), code_bytes: own_tests.unwrap_or(blank.len()), blank }
    }

    /// A file that holds nothing but tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/") || self.path.ends_with("_tests.rs")
    }

    /// Lines before the file's own tests.
    pub(crate) fn lines(&self) -> usize {
        self.blank[..self.code_bytes].lines().count()
    }

    /// Where `sign` stands in the code, as offences.
    pub(crate) fn find(&self, sign: &str) -> Vec<String> {
        self.offences(&self.blank[..self.code_bytes], sign)
    }

    /// Where `sign` stands in the code or the tests, as offences.
    pub(crate) fn find_anywhere(&self, sign: &str) -> Vec<String> {
        self.offences(&self.blank, sign)
    }

    /// Where the word `note` stands in a comment, as offences.
    pub(crate) fn notes(&self, note: &str) -> Vec<String> {
        let lines = self.text.lines().enumerate();
        let comments = lines.filter_map(|(index, line)| Some((index + 1, line.split_once("//")?.1)));
        let noted = comments.filter(|(_, comment)| word_at(comment, note).is_some());
        noted.map(|(line, _)| format!("{}:{line}: {note}", self.path)).collect()
    }

    /// Every place of `sign` in the code: its line, and the code after it.
    pub(crate) fn after(&self, sign: &str) -> Vec<(usize, &str)> {
        let code = &self.blank[..self.code_bytes];
        code.match_indices(sign).map(|(at, _)| (line_at(code, at), &code[at + sign.len()..])).collect()
    }

    /// The lines, tests included, where `word` stands alone.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        let lines = self.blank.lines().enumerate();
        lines.filter(|(_, line)| word_at(line, word).is_some()).map(|(index, _)| index + 1).collect()
    }

    /// Does the comment right above `line` hold `sign`?
    pub(crate) fn comment_before(&self, line: usize, sign: &str) -> bool {
        let lines: Vec<&str> = self.text.lines().take(line - 1).collect();
        let above = lines.iter().rev().take_while(|line| line.trim_start().starts_with("//"));
        above.into_iter().any(|line| line.contains(sign))
    }

    /// The rooms that the code names (`crate::ROOM`, or by way of `super::`), each with its line.
    pub(crate) fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (line, rest) in self.after("crate::") {
            found.extend(heads(rest).into_iter().map(|name| (line, name)));
        }
        let up = "super::".repeat(self.depth());
        for (line, rest) in self.after(&up) {
            found.extend(heads(rest).into_iter().filter(|name| name != "super").map(|name| (line, name)));
        }
        found
    }

    /// How many `super::` lead from this file to the top of its crate.
    fn depth(&self) -> usize {
        let folders = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") { folders - 1 } else { folders }
    }

    fn offences(&self, within: &str, sign: &str) -> Vec<String> {
        within.match_indices(sign).map(|(at, _)| format!("{}:{}: {sign}", self.path, line_at(within, at))).collect()
    }
}

/// The first names of a path or of a group of paths: `a::b` → a; `{a::b, c}` → a, c.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names, mut current) = (0_usize, Vec::new(), String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&std::mem::take(&mut current))),
            _ if depth == 0 => current.push(letter),
            _ => {}
        }
    }
    names.push(name(&current));
    names.retain(|name| !name.is_empty());
    names
}

fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn word_at(text: &str, word: &str) -> Option<usize> {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| !part(text[..*at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

/// Blanks comments and the inside of texts and characters; line breaks stay.
fn blanked(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = hidden_end(&letters, at);
        if end > at {
            out.extend(letters[at..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(letters[at]);
            at += 1;
        }
    }
    out
}

/// Where a comment, a text or a character that begins at `at` ends; `at` itself where none begins.
fn hidden_end(letters: &[char], at: usize) -> usize {
    let next = |offset: usize| letters.get(at + offset).copied().unwrap_or('\0');
    let find =
        |from: usize, stop: &dyn Fn(usize) -> bool| (from..letters.len()).find(|i| stop(*i)).unwrap_or(letters.len());
    let named = at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_');
    match letters[at] {
        '/' if next(1) == '/' => find(at, &|i| letters[i] == '\n'),
        '/' if next(1) == '*' => {
            let (mut i, mut depth) = (at + 2, 1);
            while i < letters.len() && depth > 0 {
                match (letters[i], letters.get(i + 1)) {
                    ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
                    ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
            }
            i.min(letters.len())
        }
        'r' if !named || letters[at - 1] == 'b' => {
            let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
            if next(1 + hashes) != '"' {
                return at;
            }
            let closes = |i: usize| {
                letters[i] == '"' && letters[i + 1..].iter().take(hashes).filter(|l| **l == '#').count() == hashes
            };
            (find(at + hashes + 2, &closes) + 1 + hashes).min(letters.len())
        }
        '"' => quoted_end(letters, at, '"'),
        '\'' if next(1) == '\\' || next(2) == '\'' => quoted_end(letters, at, '\''),
        _ => at,
    }
}

fn quoted_end(letters: &[char], at: usize, quote: char) -> usize {
    let mut i = at + 1;
    while i < letters.len() && letters[i] != quote {
        i += if letters[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(letters.len())
}

#[test]
fn comments_texts_and_characters_are_no_code() {
    let text = "a // b\n/* c /* d */ e */ f \"g \\\" h\" r#\"i \" j\"# k 'l' '\\'' 'm n: &'o str";
    let blank = blanked(text);
    let left: Vec<&str> = blank.split_whitespace().collect();
    assert_eq!(left, ["a", "f", "k", "'m", "n:", "&'o", "str"]);
    assert_eq!(blank.lines().count(), 2);
}
