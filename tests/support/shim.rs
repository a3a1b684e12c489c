//! `tests/shim/shim.c`: what a power cut, a slow or a full disk do to a process, without any hook in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Put the shim between this command and the files of `store`. What it does is set by the other variables of `shim.c`.
pub fn put_on(command: &mut Command, store: &Path) {
    command.env("LD_PRELOAD", library()).env("SHIM_STORE", store);
}

/// Syncs in the store's directory, and those of the store's log, as the shim counted them in this file.
pub fn counted(path: &Path) -> (u64, u64) {
    let bytes = fs::read(path).unwrap_or_default();
    let number = |at: usize| bytes.get(at..at + 8).map_or(0, |b| u64::from_ne_bytes(b.try_into().expect("8 bytes")));
    (number(0), number(8))
}

/// The store as it stands after a cut: what was not synced never was, and memory that was shared is gone.
pub fn throw_unsynced_away(store: &Path, shadow: &Path) {
    for name in names(store) {
        let kept = shadow.join(&name);
        if !kept.exists() {
            fs::remove_file(store.join(&name)).expect("a name that was never durable goes");
        }
    }
    for name in names(shadow) {
        // The reserve is nothing but room.
        if name != "reserve" || !store.join(&name).exists() {
            fs::copy(shadow.join(&name), store.join(&name)).expect("what was synced stays");
        }
    }
}

/// The files of a directory, without what lies deeper.
fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let files = entries.map(|e| e.expect("an entry")).filter(|e| e.file_type().is_ok_and(|t| t.is_file()));
    files.map(|e| e.file_name().into_string().expect("a plain name")).collect()
}

/// The shim, built by the C compiler that the daemon's own build needs, too.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = super::repository("tests/shim/shim.c");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Two tests may build at once; a rename gives each the whole file.
        let (fresh, library) = (dir.join(format!("shim-{}.so", std::process::id())), dir.join("shim.so"));
        let mut compiler = Command::new("cc");
        compiler.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        let built = compiler.arg(&fresh).arg(&source).arg("-ldl").output().expect("cc, the C compiler");
        assert!(built.status.success(), "shim.c: {}", String::from_utf8_lossy(&built.stderr));
        fs::rename(&fresh, &library).expect("the shim in its place");
        library
    })
}
