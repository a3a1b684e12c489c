//! Finds the board that the settings name: `NAME/board.toml` in a folder of boards, or a path to a file.

use std::path::{Path, PathBuf};

use hal::board::{Board, BoardText};

use super::{Inputs, Problem, Problems, read_text};

/// Why there is no board.
pub(super) enum Missing {
    /// It was not found; the message belongs to the line that names it.
    NotFound(String),
    /// Its own files are wrong.
    Wrong(Problems),
}

/// Beside the executable (`/usr/bin/tolov` → `/usr/share/tolov/boards`), at the usual place, in the working folder.
pub(super) fn usual_dirs() -> Vec<PathBuf> {
    let executable = std::env::current_exe().ok();
    let beside = executable.as_deref().and_then(Path::parent).and_then(Path::parent);
    let mut dirs: Vec<PathBuf> = beside.map(|prefix| prefix.join("share/tolov/boards")).into_iter().collect();
    for usual in ["/usr/share/tolov/boards", "boards"] {
        if !dirs.iter().any(|dir| dir == Path::new(usual)) {
            dirs.push(PathBuf::from(usual));
        }
    }
    dirs
}

pub(super) fn find(written: &str, inputs: &Inputs) -> Result<Board, Missing> {
    let own = if written.contains('/') || written.ends_with(".toml") {
        read(&inputs.path(written))?
    } else {
        let found = by_name(written, inputs)?;
        found.ok_or_else(|| Missing::NotFound(unknown(written, inputs)))?
    };
    // A board given as a path may bring its bases along: NAME.toml or NAME/board.toml beside it, or beside its folder.
    let folder = Path::new(&own.file).parent().map(Path::to_owned);
    let beside = |name: &str| {
        let own_folder = folder.as_deref()?;
        let mut files = vec![own_folder.join(format!("{name}.toml")), own_folder.join(name).join("board.toml")];
        files.extend(own_folder.parent().map(|above| above.join(name).join("board.toml")));
        files.into_iter().find(|file| is_name(name) && file.exists()).and_then(|file| read(&file).ok())
    };
    Board::resolve(&own, &|name| beside(name).or_else(|| by_name(name, inputs).ok().flatten())).map_err(Missing::Wrong)
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn by_name(name: &str, inputs: &Inputs) -> Result<Option<BoardText>, Missing> {
    if !is_name(name) {
        return Ok(None);
    }
    let files = inputs.board_dirs.iter().map(|dir| dir.join(name).join("board.toml"));
    files.filter(|file| file.exists()).map(|file| read(&file)).next().transpose()
}

fn read(file: &Path) -> Result<BoardText, Missing> {
    let name = file.display().to_string();
    match read_text(file) {
        Ok(text) => Ok(BoardText { file: name, text }),
        Err(super::Error::Unreadable { source, .. }) => {
            Err(Missing::NotFound(format!("board: {name} cannot be read: {source}")))
        }
        Err(other) => Err(Missing::Wrong(Problems(vec![Problem { file: name, line: 1, message: other.to_string() }]))),
    }
}

fn unknown(name: &str, inputs: &Inputs) -> String {
    let mut known: Vec<String> = inputs
        .board_dirs
        .iter()
        .filter_map(|dir| dir.read_dir().ok())
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("board.toml").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    known.sort();
    known.dedup();
    let dirs: Vec<String> = inputs.board_dirs.iter().map(|dir| dir.display().to_string()).collect();
    if known.is_empty() {
        return format!("board = \"{name}\": no board was found in {}; write a path to a board file", dirs.join(", "));
    }
    format!("board = \"{name}\" is not known; write one of {} or a path to a board file", known.join(", "))
}
