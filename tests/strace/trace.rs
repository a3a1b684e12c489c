//! `strace -f -yy` read: each call with the line where it began and the line where it returned.

use std::collections::HashMap;
use std::path::Path;

/// One system call.
#[derive(Debug)]
struct Call {
    name: String,
    /// Its first argument, a descriptor with what stands behind it, and the others.
    arguments: String,
    result: String,
    /// Line where it was entered.
    begun: usize,
    /// Line where it had returned.
    ended: usize,
}

impl Call {
    fn descriptor(&self) -> &str {
        self.arguments.split(", ").next().unwrap_or_default()
    }

    fn is_on_the_log(&self) -> bool {
        self.descriptor().contains(".db-wal>")
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

/// The calls of a process and its threads, in the order in which they returned.
pub(crate) struct Trace(Vec<Call>);

impl Trace {
    /// Read a trace whose last line may be cut.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("a trace; strace has to be installed");
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut calls = Vec::new();
        let mut waiting: HashMap<&str, (usize, String)> = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
                waiting.insert(thread, (at, begun.to_owned()));
            } else if let Some((_, resumed)) = rest.strip_prefix("<... ").and_then(|r| r.split_once(" resumed>")) {
                let Some((begun, first)) = waiting.remove(thread) else { continue };
                calls.extend(call(&(first + resumed), begun, at));
            } else {
                calls.extend(call(rest, at, at));
            }
        }
        Self(calls)
    }

    /// Whether the payment's intent was synced before the first byte with this word left for `to`.
    pub(crate) fn synced_before_sent(&self, payment: &str, to: &str, word: &str) -> Result<(), String> {
        let sends = |c: &&Call| c.is_one_of(&["write", "writev", "sendto", "sendmsg"]) && c.descriptor().contains(to);
        // A provider's head may leave before its body: whatever went there since the intent was written counts.
        let spoke = self.0.iter().filter(sends).filter(|c| c.arguments.contains(word)).map(|c| c.begun).min();
        let spoke = spoke.ok_or_else(|| format!("nothing with {word} was sent to {to}"))?;
        let intent = self.0.iter().filter(|c| c.name == "pwrite64" && c.is_on_the_log());
        let intent = intent.filter(|c| c.arguments.contains(payment)).min_by_key(|c| c.begun);
        let intent = intent.ok_or_else(|| format!("no line of the log speaks of {payment}"))?;
        let sent = self.0.iter().filter(sends).map(|c| c.begun).filter(|begun| *begun > intent.begun).min();
        let sent = sent.map_or(spoke, |sent| sent.min(spoke));
        let synced = self.0.iter().find(|c| {
            c.is_one_of(&["fsync", "fdatasync"]) && c.is_on_the_log() && c.result == "0" && c.begun > intent.ended
        });
        match synced {
            Some(sync) if sync.ended < sent => Ok(()),
            Some(sync) => Err(format!("sent at line {sent}, before the sync returned at line {}", sync.ended)),
            None => Err("the log was never synced after the intent was written".to_owned()),
        }
    }
}

fn call(text: &str, begun: usize, ended: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result = result.split(' ').next().unwrap_or_default().to_owned();
    Some(Call {
        name: name.to_owned(),
        arguments: arguments.trim_end().trim_end_matches(')').to_owned(),
        result,
        begun,
        ended,
    })
}
