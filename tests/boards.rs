//! The boards of this repository are data that anybody may add to: each one parses, joins what it inherits, and stands in
//! the README with its tier.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use hal::board::{Board, BoardText, DisplayKind};

fn boards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("boards")
}

fn text(name: &str) -> Option<BoardText> {
    let file = boards().join(name).join("board.toml");
    let text = std::fs::read_to_string(&file).ok()?;
    Some(BoardText { file: file.display().to_string(), text })
}

fn names() -> Vec<String> {
    let folders = boards().read_dir().unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn board(name: &str) -> Board {
    let own = text(name).unwrap_or_else(|| panic!("boards/{name} has no board.toml"));
    Board::resolve(&own, &text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_board_parses_and_is_complete_with_what_it_inherits() {
    let names = names();
    assert!(names.iter().any(|name| name == "base") && names.len() >= 3, "{names:?}");
    for name in names {
        let board = board(&name);
        assert!(board.pinpad.is_some_and(|pinpad| pinpad.port.starts_with("/dev/tolov/")), "{name}");
    }
}

#[test]
fn every_board_but_the_base_inherits() {
    for name in names().iter().filter(|name| *name != "base") {
        assert!(text(name).unwrap().text.contains("\ninherits = "), "{name} says everything anew");
    }
}

#[test]
fn the_readme_ranks_every_board_under_its_own_tier_and_no_other_board() {
    let readme = std::fs::read_to_string(boards().join("README.md")).unwrap();
    let rows: Vec<&str> = readme.lines().filter(|line| line.contains("/board.toml)")).collect();
    for name in names() {
        let row = rows.iter().find(|row| row.contains(&format!("[{name}]({name}/board.toml)")));
        let row = row.unwrap_or_else(|| panic!("boards/README.md does not mention {name}"));
        let tier = board(&name).tier.to_string();
        assert!(row.starts_with(&format!("| {tier} ")), "{name} is of tier {tier}: {row}");
    }
    assert_eq!(rows.len(), names().len(), "boards/README.md names a board that is not there");
}

#[test]
fn the_simulated_board_needs_no_hardware() {
    assert_eq!(board("sim").display.kind, DisplayKind::Memory);
}

#[test]
fn every_udev_rule_gives_the_name_that_the_board_asks_for() {
    for name in names() {
        let files = boards().join(&name).read_dir().unwrap().map(|entry| entry.unwrap().path());
        for rules in files.filter(|file| file.extension().is_some_and(|extension| extension == "rules")) {
            let text = std::fs::read_to_string(&rules).unwrap();
            let port = board(&name).pinpad.unwrap().port;
            let link = format!("SYMLINK+=\"{}\"", port.strip_prefix("/dev/").unwrap());
            let given = text.lines().any(|line| !line.starts_with('#') && line.contains(&link));
            assert!(given, "{} does not give {port}", rules.display());
        }
    }
}

#[test]
fn the_readme_documents_every_key_with_its_type_and_no_other() {
    let readme = std::fs::read_to_string(boards().join("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| `")).map(|line| line.replace("\\|", "\u{0}"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect::<Vec<_>>());
    let mut stated: Vec<(String, String)> = cells.map(|cells| (cells[1].clone(), cells[2].clone())).collect();
    stated.sort();
    let known: Vec<(String, String)> =
        hal::board::keys().into_iter().map(|key| (format!("`{}`", key.path), key.kind)).collect();
    assert_eq!(stated, known);
}
