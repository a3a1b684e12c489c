//! A damaged file is set aside whole and never deleted; a new one is made of what can be read of it.
//!
//! A power cut may come between any two steps. The folder's `unfinished` mark stands from before the first file is moved until the
//! new store is in its place, and the next start goes on from there:
//! mark → log files → the file itself → salvage into a side file → side file into its place → mark away.

use rusqlite_migration::M;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::salvage::{self, Salvage};
use super::{DAMAGED, FILE, RESERVE, StoreOptions};

const FOLDER: &str = "set-aside";
const UNFINISHED: &str = "unfinished";
const SIDE_FILE: &str = "salvage.db";
/// The log files come first: a file without its log looks whole and lacks its last sales.
const FILES: [&str; 3] = ["tolov.db-shm", "tolov.db-wal", FILE];

/// Set the file aside, and put a new one in its place with everything that could be read.
pub(super) fn replace(
    dir: &Path,
    options: &StoreOptions,
    steps: &'static [M<'static>],
    why: &str,
) -> Result<Salvage, StoreError> {
    let folder = new_folder(&dir.join(FOLDER), options.now_ms)?;
    write(&folder.join(UNFINISHED), why)?;
    sync(&folder)?;
    go_on(dir, &folder, options, steps, why)
}

/// Finish what a power cut interrupted.
pub(super) fn finish(
    dir: &Path,
    options: &StoreOptions,
    steps: &'static [M<'static>],
) -> Result<Option<Salvage>, StoreError> {
    let Ok(folders) = fs::read_dir(dir.join(FOLDER)) else { return Ok(None) };
    let unfinished = folders.filter_map(Result::ok).map(|f| f.path()).find(|f| f.join(UNFINISHED).exists());
    let Some(folder) = unfinished else { return Ok(None) };
    let mark = folder.join(UNFINISHED);
    let why = fs::read_to_string(&mark).map_err(|e| StoreError::io(&mark, &e))?;
    if folder.join(FILE).exists() && dir.join(FILE).exists() {
        // The new store was already in its place: only the mark was left.
        remove(&mark)?;
        return Ok(None);
    }
    go_on(dir, &folder, options, steps, &why).map(Some)
}

fn go_on(
    dir: &Path,
    folder: &Path,
    options: &StoreOptions,
    steps: &'static [M<'static>],
    why: &str,
) -> Result<Salvage, StoreError> {
    for name in FILES {
        let (from, to) = (dir.join(name), folder.join(name));
        if from.exists() {
            fs::rename(&from, &to).map_err(|e| StoreError::io(&from, &e))?;
        }
    }
    sync(folder)?;
    sync(dir)?;
    let side = dir.join(SIDE_FILE);
    // The new store needs room beside the old one; the driver lays the reserve again.
    remove(&dir.join(RESERVE))?;
    // A side file of an interrupted salvage holds nothing that the damaged one does not.
    for leftover in [side.clone(), dir.join("salvage.db-wal"), dir.join("salvage.db-shm")] {
        remove(&leftover)?;
    }
    let found = salvage::salvage(folder, &side, options, steps, why)?;
    let place = dir.join(FILE);
    fs::rename(&side, &place).map_err(|e| StoreError::io(&place, &e))?;
    remove(&dir.join(DAMAGED))?;
    sync(dir)?;
    remove(&folder.join(UNFINISHED))?;
    sync(folder)?;
    tracing::error!(
        why, folder = %folder.display(), payments = found.payments, lines = found.lines, open = found.open, proven = found.proven,
        "the store was damaged and set aside; a new one was made of what could be read"
    );
    Ok(found)
}

/// `set-aside/2026-11-20T120000Z`, or the next free name after it.
fn new_folder(parent: &Path, now_ms: i64) -> Result<PathBuf, StoreError> {
    fs::create_dir_all(parent).map_err(|e| StoreError::io(parent, &e))?;
    let date = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default().strftime("%Y-%m-%dT%H%M%SZ").to_string();
    let mut folder = parent.join(&date);
    let mut count = 1;
    loop {
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                count += 1;
                folder = parent.join(format!("{date}-{count}"));
            }
            Err(e) => return Err(StoreError::io(&folder, &e)),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    let written = fs::write(path, text).and_then(|()| File::open(path)?.sync_all());
    written.map_err(|e| StoreError::io(path, &e))
}

/// Remove a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(path, &e)),
        _ => Ok(()),
    }
}

/// Make the names in a directory as durable as the files.
pub(super) fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io(dir, &e))
}
