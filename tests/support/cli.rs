//! The technician's commands as processes.

use std::process::Command;

use serde_json::Value;

use super::Bench;

/// How a command ended, and what it said.
pub struct Told {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn tolov(words: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_tolov")).args(words).output().expect("the command");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Told { code: output.status.code().expect("an end"), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A command that asks the running daemon.
pub fn ask(bench: &Bench, words: &[&str]) -> Told {
    let socket = bench.dir.path().join("control.sock");
    tolov(&[words, &["--socket", socket.to_str().expect("UTF-8")]].concat())
}

/// What such a command says with `--json`; it has to succeed.
pub fn json(bench: &Bench, words: &[&str]) -> Value {
    let told = ask(bench, &[words, &["--json"]].concat());
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{words:?}\n{}", bench.log());
    serde_json::from_str(&told.stdout).expect("JSON")
}
