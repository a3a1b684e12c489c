//! A TOML file read key by key, for the people who write it by hand: every problem is reported at once, with the file, the
//! line and what to write instead; a key that nobody asked for is refused with the nearest known one.
//!
//! The code that reads a file is also the list of its keys: [`Document::keys`] says what was asked for, with type and
//! default, and the documentation's test holds that list against the text.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;

use toml::de::{DeTable, DeValue};

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as its reader named it.
    pub file: String,
    /// Counts from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Everything that is wrong in a file, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A key that the reader of a file asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// With its table: `click.timeout_ms`; `code[].prefix` in a list of tables.
    pub path: String,
    /// `text`, `integer`, `list of text`, or the allowed words: `"sum" | "tiyin"`.
    pub kind: String,
    /// As it would be written in the file; `required` or `none` where there is no default.
    pub default: String,
}

/// A value and the line where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<T> {
    /// What was written.
    pub value: T,
    /// Counts from 1.
    pub line: usize,
}

/// A parsed file that is being read.
#[derive(Debug)]
pub struct Document<'t> {
    file: String,
    line_starts: Vec<usize>,
    root: DeTable<'t>,
    problems: RefCell<Vec<Problem>>,
    keys: RefCell<Vec<Key>>,
}

impl<'t> Document<'t> {
    /// Parses `text`; `file` is only a name for messages. A text that is no TOML is one [`Problem`].
    pub fn parse(file: &str, text: &'t str) -> Result<Self, Problems> {
        let line_starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let root = DeTable::parse(text)
            .map_err(|error| {
                let line = error.span().map_or(1, |span| line_at(&line_starts, span.start));
                Problems(vec![Problem { file: file.into(), line, message: error.message().to_owned() }])
            })?
            .into_inner();
        Ok(Self { file: file.into(), line_starts, root, problems: RefCell::default(), keys: RefCell::default() })
    }

    /// The file's top level.
    pub fn root(&self) -> Section<'_> {
        Section { document: self, path: String::new(), table: Some(&self.root), line: 1, asked: RefCell::default() }
    }

    /// Records a problem found by a rule that the file format does not know.
    pub fn refuse(&self, line: usize, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { file: self.file.clone(), line, message: message.into() });
    }

    /// Every key asked for so far, sorted, each once.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = self.keys.borrow().clone();
        keys.sort();
        keys.dedup();
        keys
    }

    /// All problems found while reading, or nothing.
    pub fn finish(self) -> Result<(), Problems> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by_key(|problem| problem.line);
        Err(Problems(problems))
    }

    fn line_of(&self, offset: usize) -> usize {
        line_at(&self.line_starts, offset)
    }
}

fn line_at(line_starts: &[usize], offset: usize) -> usize {
    line_starts.partition_point(|start| *start <= offset).max(1)
}

/// One table of a file. A table that is not there reads as empty; ask [`Section::exists`].
#[derive(Debug)]
pub struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    table: Option<&'d DeTable<'d>>,
    line: usize,
    asked: RefCell<Vec<String>>,
}

impl<'d> Section<'d> {
    /// Is the table written in the file?
    pub fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// Where the table stands, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Records a problem; see [`Document::refuse`].
    pub fn refuse(&self, line: usize, message: impl Into<String>) {
        self.document.refuse(line, message);
    }

    /// A text, if written. Empty texts are refused: leave the key out instead.
    pub fn text(&self, key: &str) -> Option<Value<String>> {
        self.declare(key, "text", "none");
        self.read_text(key)
    }

    /// A text with a default.
    pub fn text_or(&self, key: &str, default: &str) -> Value<String> {
        self.declare(key, "text", &quoted(default));
        self.read_text(key).unwrap_or_else(|| self.absent(default.to_owned()))
    }

    /// A text that has to be there (where its table is); `example` is what to write.
    pub fn required_text(&self, key: &str, example: &str) -> Option<Value<String>> {
        self.declare(key, "text", "required");
        let found = self.read_text(key);
        if self.exists() && self.find(key).is_none() {
            self.refuse(self.line, format!("{} needs {key}; write {key} = {}", self.title(), quoted(example)));
        }
        found
    }

    /// An integer within `range`, if written.
    pub fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Option<Value<u64>> {
        self.declare(key, "integer", "none");
        self.read_integer(key, &range)
    }

    /// An integer within `range`, with a default.
    pub fn integer_or(&self, key: &str, range: RangeInclusive<u64>, default: u64) -> Value<u64> {
        self.declare(key, "integer", &default.to_string());
        self.read_integer(key, &range).unwrap_or_else(|| self.absent(default))
    }

    /// An integer that has to be there.
    pub fn required_integer(&self, key: &str, range: RangeInclusive<u64>) -> Option<Value<u64>> {
        self.declare(key, "integer", "required");
        if self.exists() && self.find(key).is_none() {
            self.refuse(self.line, format!("{} needs {key}; write a number {}", self.title(), spoken(&range)));
        }
        self.read_integer(key, &range)
    }

    /// One of `words`, if written.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Value<T>> {
        self.declare(key, &listed(words), "none");
        self.read_choice(key, words)
    }

    /// One of `words`, with a default, which has to be one of them.
    pub fn choice_or<T: Copy>(&self, key: &str, words: &[(&str, T)], default: &str) -> Value<T> {
        self.declare(key, &listed(words), &quoted(default));
        self.read_choice(key, words).unwrap_or_else(|| {
            let chosen = words.iter().find(|(word, _)| *word == default).or(words.first());
            self.absent(chosen.expect("a choice has words").1)
        })
    }

    /// One of `words`, which has to be there.
    pub fn required_choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Value<T>> {
        self.declare(key, &listed(words), "required");
        if self.exists() && self.find(key).is_none() {
            self.refuse(self.line, format!("{} needs {key}; write one of {}", self.title(), listed(words)));
        }
        self.read_choice(key, words)
    }

    /// A list of texts with a default, which may be empty.
    pub fn texts_or(&self, key: &str, default: &[String]) -> Vec<Value<String>> {
        self.declare(key, "list of text", &format!("{default:?}"));
        let read = self.read_list(key, "[\"…\"]", |value| value.as_str().map(str::to_owned));
        read.unwrap_or_else(|| default.iter().map(|text| self.absent(text.clone())).collect())
    }

    /// One text or a list of them, with a default.
    pub fn text_or_texts(&self, key: &str, default: &str) -> Vec<Value<String>> {
        self.declare(key, "text or list of text", &quoted(default));
        let is_list = self.find(key).is_some_and(|(value, _)| value.as_array().is_some());
        let read = if is_list {
            self.read_list(key, "[\"…\"]", |value| value.as_str().map(str::to_owned))
        } else {
            self.read_text(key).map(|text| vec![text])
        };
        read.unwrap_or_else(|| vec![self.absent(default.to_owned())])
    }

    /// A list of integers within `range`, with a default.
    pub fn integers_or(&self, key: &str, range: RangeInclusive<u64>, default: &[u64]) -> Vec<Value<u64>> {
        self.declare(key, "list of integer", &format!("{default:?}"));
        let read = self.read_list(key, "[1, 2]", |value| whole_number(value).filter(|number| range.contains(number)));
        read.unwrap_or_else(|| default.iter().map(|number| self.absent(*number)).collect())
    }

    /// The table `key` below this one.
    pub fn table(&self, key: &str) -> Section<'d> {
        self.asked.borrow_mut().push(key.to_owned());
        let found = self.find(key);
        let table = found.as_ref().and_then(|(value, line)| {
            let table = value.as_table();
            if table.is_none() {
                self.refuse(*line, format!("{key} is a table; write [{}{key}] on a line of its own", self.path));
            }
            table
        });
        self.below(format!("{}{key}.", self.path), table, found.map_or(1, |(_, line)| line))
    }

    /// The list of tables `[[key]]` below this one. `sample` reads one, and also an absent one, so that its keys are known.
    pub fn tables<T>(&self, key: &str, sample: impl Fn(&Section<'d>) -> Option<T>) -> Vec<T> {
        self.asked.borrow_mut().push(key.to_owned());
        let path = format!("{}{key}[].", self.path);
        sample(&self.below(path.clone(), None, 1));
        let Some((value, line)) = self.find(key) else { return Vec::new() };
        let Some(list) = value.as_array() else {
            self.refuse(line, format!("{key} is a list of tables; write [[{key}]] on a line of its own"));
            return Vec::new();
        };
        let mut read = Vec::new();
        for item in list.iter() {
            let line = self.document.line_of(item.span().start);
            let Some(table) = item.get_ref().as_table() else {
                self.refuse(line, format!("{key} is a list of tables; write [[{key}]] on a line of its own"));
                continue;
            };
            let section = self.below(path.clone(), Some(table), line);
            read.extend(sample(&section));
            section.end();
        }
        read
    }

    /// The tables `[key.NAME]` below this one, whose names a person chooses. `sample` reads one, and also an absent one, so that its keys are
    /// known.
    pub fn named_tables<T>(&self, key: &str, sample: impl Fn(&Section<'d>) -> Option<T>) -> Vec<(Value<String>, T)> {
        self.asked.borrow_mut().push(key.to_owned());
        let within = |name: &str| format!("{}{key}.{name}.", self.path);
        sample(&self.below(within("NAME"), None, 1));
        let Some((value, line)) = self.find(key) else { return Vec::new() };
        let Some(tables) = value.as_table() else {
            self.refuse(line, format!("{key} holds tables; write [{key}.NAME] on a line of its own"));
            return Vec::new();
        };
        let mut read = Vec::new();
        for (name, value) in tables {
            let line = self.document.line_of(name.span().start);
            let Some(table) = value.get_ref().as_table() else {
                self.refuse(line, format!("{key} holds tables; write [{key}.NAME] on a line of its own"));
                continue;
            };
            let name: &str = name.get_ref();
            let section = self.below(within(name), Some(table), line);
            let found = sample(&section);
            section.end();
            read.extend(found.map(|found| (Value { value: name.to_owned(), line }, found)));
        }
        read
    }

    /// To be called when everything was asked for: refuses what is left.
    pub fn end(self) {
        let Some(table) = self.table else { return };
        let asked = self.asked.borrow();
        for key in table.keys() {
            let name: &str = key.get_ref();
            if asked.iter().any(|known| known == name) {
                continue;
            }
            let advice = match nearest(name, &asked) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("it knows {}", asked.join(", ")),
            };
            self.refuse(
                self.document.line_of(key.span().start),
                format!("{} has no key {name}: {advice}", self.title()),
            );
        }
    }

    fn title(&self) -> String {
        match self.path.strip_suffix('.') {
            None => "the top level".to_owned(),
            Some(path) => match path.strip_suffix("[]") {
                Some(list) => format!("[[{list}]]"),
                None => format!("[{path}]"),
            },
        }
    }

    fn below(&self, path: String, table: Option<&'d DeTable<'d>>, line: usize) -> Section<'d> {
        Section { document: self.document, path, table, line, asked: RefCell::default() }
    }

    fn declare(&self, key: &str, kind: &str, default: &str) {
        self.asked.borrow_mut().push(key.to_owned());
        let path = format!("{}{key}", self.path);
        self.document.keys.borrow_mut().push(Key { path, kind: kind.into(), default: default.into() });
    }

    fn absent<T>(&self, value: T) -> Value<T> {
        Value { value, line: self.line }
    }

    fn find(&self, key: &str) -> Option<(&'d DeValue<'d>, usize)> {
        let value = self.table?.get(key)?;
        Some((value.get_ref(), self.document.line_of(value.span().start)))
    }

    fn read_text(&self, key: &str) -> Option<Value<String>> {
        let (value, line) = self.find(key)?;
        match value.as_str() {
            Some("") => self.refuse(line, format!("{key} is empty; write a text or leave the key out")),
            Some(text) => return Some(Value { value: text.to_owned(), line }),
            None => self.refuse(line, format!("{key} is {}; write {key} = \"…\"", value.type_str())),
        }
        None
    }

    fn read_integer(&self, key: &str, range: &RangeInclusive<u64>) -> Option<Value<u64>> {
        let (value, line) = self.find(key)?;
        let number = whole_number(value).filter(|number| range.contains(number));
        if number.is_none() {
            self.refuse(line, format!("{key} is out of its range; write a number {}", spoken(range)));
        }
        number.map(|value| Value { value, line })
    }

    fn read_choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Value<T>> {
        let written = self.read_text(key)?;
        if let Some((_, chosen)) = words.iter().find(|(word, _)| *word == written.value) {
            return Some(Value { value: *chosen, line: written.line });
        }
        let message = format!("{key} = {} is not known; write one of {}", quoted(&written.value), listed(words));
        self.refuse(written.line, message);
        None
    }

    fn read_list<T>(&self, key: &str, shape: &str, read: impl Fn(&DeValue<'_>) -> Option<T>) -> Option<Vec<Value<T>>> {
        let (value, line) = self.find(key)?;
        let Some(list) = value.as_array() else {
            self.refuse(line, format!("{key} is a list; write {key} = {shape}"));
            return None;
        };
        let mut items = Vec::new();
        for item in list.iter() {
            let line = self.document.line_of(item.span().start);
            match read(item.get_ref()) {
                Some(value) => items.push(Value { value, line }),
                None => self.refuse(line, format!("{key} holds a value that does not fit; write {key} = {shape}")),
            }
        }
        Some(items)
    }
}

fn whole_number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn listed<T>(words: &[(&str, T)]) -> String {
    words.iter().map(|(word, _)| quoted(word)).collect::<Vec<_>>().join(" | ")
}

fn spoken(range: &RangeInclusive<u64>) -> String {
    if *range.end() == u64::MAX {
        format!("from {}", range.start())
    } else {
        format!("from {} to {}", range.start(), range.end())
    }
}

/// The known key that a misspelt one most likely meant: at most a third of its characters differ.
fn nearest<'k>(name: &str, known: &'k [String]) -> Option<&'k String> {
    let closest = known.iter().min_by_key(|key| distance(name, key))?;
    (distance(name, closest) <= name.chars().count().max(3) / 3).then_some(closest)
}

/// Levenshtein's distance: the fewest single-character edits from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
