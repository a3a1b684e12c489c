//! `tolov journal`: a month of the journal as a file, and a journal that does not grow for ever.
//!
//! Both read the store themselves. An export goes on beside a daemon at work. Cutting off replaces the store's file, which is not done under
//! a daemon that holds it: the store's lock refuses, and the technician stops the terminal in a quiet hour.

use std::path::PathBuf;

use jiff::ToSpan as _;

use super::args::{JournalArgs, JournalCommand};
use super::payment::midnight;
use super::text::{count, pairs};
use super::{CliError, Outcome, print};
use crate::clock::Clock;
use crate::config::Settings;
use crate::store::StoreOptions;
use crate::store::retention::{Compaction, Exported, compact, export};

pub(super) fn run(command: &JournalCommand) -> Result<Outcome, CliError> {
    match command {
        JournalCommand::Export(args) => {
            let (since_ms, before_ms) = bounds(args)?;
            let done = export(&store(args)?, since_ms, before_ms, &args.to).map_err(CliError::Journal)?;
            print(args.json, &done, |done| exported(args, done))
        }
        JournalCommand::Compact(args) => {
            let (_, before_ms) = bounds(args)?;
            let options = StoreOptions::at(Clock::system().wall_ms());
            let done = compact(&store(args)?, &options, before_ms, &args.to).map_err(CliError::Journal)?;
            print(args.json, &done, compacted)
        }
    }
}

/// The store's folder, which must hold one: a wrong name must not make an empty store.
fn store(args: &JournalArgs) -> Result<PathBuf, CliError> {
    let dir = match &args.store {
        Some(dir) => dir.clone(),
        None => Settings::load(&args.config)?.store.dir,
    };
    let file = dir.join(crate::store::FILE);
    if file.is_file() {
        return Ok(dir);
    }
    let why = "there is no store; say where it is with --store DIR or --config FILE".to_owned();
    Err(CliError::File { path: file.display().to_string(), why })
}

/// The month's first millisecond, and the next one's.
fn bounds(args: &JournalArgs) -> Result<(i64, i64), CliError> {
    let next = args.month.checked_add(1.month()).map_err(|error| CliError::Usage(error.to_string()))?;
    Ok((midnight(args.month)?, midnight(next)?))
}

fn exported(args: &JournalArgs, done: &Exported) -> String {
    let lines = [
        ("month", args.month.strftime("%Y-%m").to_string()),
        ("lines", done.lines.to_string()),
        ("file", done.export.display().to_string()),
        ("SHA-256", done.sha256.clone()),
    ];
    format!("{}\nThe store is as it was.\n", pairs(&lines))
}

fn compacted(done: &Compaction) -> String {
    let lines = [
        ("cut off", format!("{}, up to number {}", count(done.lines, "line"), done.cut_at)),
        ("file", done.export.display().to_string()),
        ("SHA-256", done.sha256.clone()),
    ];
    format!(
        "{}\nKeep the file: those lines are nowhere else. Payments, keys and the queue are all in the store still.\n",
        pairs(&lines)
    )
}
