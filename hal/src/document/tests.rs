//! What a file may say, and how each mistake is named with its line.

use super::*;

fn problems(text: &str, read: impl Fn(&Section<'_>)) -> String {
    let document = Document::parse("a.toml", text).unwrap();
    let root = document.root();
    read(&root);
    root.end();
    document.finish().map_or_else(|problems| problems.to_string(), |()| String::new())
}

#[test]
fn a_misspelt_key_is_refused_with_its_line_and_the_nearest_known_key() {
    let said = problems("board = \"sim\"\n\nlangauge = \"uz\"\n", |root| {
        root.text("board");
        root.text("language");
    });
    assert_eq!(said, "a.toml:3: the top level has no key langauge: did you mean language?");
}

#[test]
fn a_key_like_no_other_is_refused_with_the_list_of_known_keys() {
    let said = problems("[click]\nzzz = 1\n", |root| {
        let click = root.table("click");
        click.text("base_url");
        click.integer("timeout_ms", 1..=9);
        click.end();
    });
    assert_eq!(said, "a.toml:2: [click] has no key zzz: it knows base_url, timeout_ms");
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_lines() {
    let said = problems("b = 7\na = 3\nc = \"x\"\n", |root| {
        root.integer("a", 10..=20);
        root.text("b");
        root.choice("c", &[("y", 1), ("z", 2)]);
    });
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!(lines[0], "a.toml:1: b is integer; write b = \"…\"");
    assert_eq!(lines[1], "a.toml:2: a is out of its range; write a number from 10 to 20");
    assert_eq!(lines[2], "a.toml:3: c = \"x\" is not known; write one of \"y\" | \"z\"");
}

#[test]
fn a_text_that_is_no_toml_names_the_line() {
    let error = Document::parse("a.toml", "x = 1\ny = = 2\n").unwrap_err();
    assert_eq!(error.0[0].line, 2);
}

#[test]
fn keys_know_their_kind_and_default() {
    let document = Document::parse("a.toml", "").unwrap();
    let root = document.root();
    root.table("click").integer_or("timeout_ms", 1..=9, 5);
    root.tables("code", |code| code.required_text("prefix", "88"));
    let keys: Vec<String> =
        document.keys().iter().map(|key| format!("{} {} {}", key.path, key.kind, key.default)).collect();
    assert_eq!(keys, ["click.timeout_ms integer 5", "code[].prefix text required"]);
}

#[test]
fn a_required_key_is_missed_only_where_its_table_is_written() {
    assert_eq!(problems("", |root| drop(root.table("humo").required_text("driver", "arcus2"))), "");
    let said = problems("[humo]\n", |root| drop(root.table("humo").required_text("driver", "arcus2")));
    assert_eq!(said, "a.toml:1: [humo] needs driver; write driver = \"arcus2\"");
}

#[test]
fn a_text_stands_for_a_list_of_one() {
    let read = |text: &str| {
        let found = RefCell::new(Vec::new());
        let said = problems(text, |root| {
            found.replace(root.text_or_texts("listen", "a").into_iter().map(|v| (v.value, v.line)).collect());
        });
        (said, found.into_inner())
    };
    assert_eq!(read(""), (String::new(), vec![("a".to_owned(), 1)]));
    assert_eq!(read("\nlisten = \"b\"\n"), (String::new(), vec![("b".to_owned(), 2)]));
    let two = vec![("b".to_owned(), 1), ("c".to_owned(), 2)];
    assert_eq!(read("listen = [\"b\",\n\"c\"]\n"), (String::new(), two));
    assert!(read("listen = [1]\n").0.starts_with("a.toml:1: listen holds a value that does not fit"));
}
