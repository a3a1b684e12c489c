//! The rules of the house as tests. Each rule is a function from sources to offences, and each is also fed a bad snippet:
//! a rule that cannot fail is none.

#![allow(clippy::unwrap_used)]

#[path = "tidy/source.rs"]
mod source;

use source::{Source, house, house_and_tests, root};

/// A file past this has usually two rooms in it.
const FILE_MAX_LINES: usize = 500;

/// Files that may be longer, with the most that they may have. An entry goes when its file has become short.
const LONG_FILES: &[(&str, usize)] = &[];

/// What lies at the top: everything else has a folder.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".config",
    ".git",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "benches",
    "boards",
    "clippy.toml",
    "cross.toml",
    "deny.toml",
    "docs",
    "examples",
    "fuzz",
    "hal",
    "rustfmt.toml",
    "src",
    "systemd",
    "target",
    "tests",
];

/// Migrations that were released: name and checksum. A changed one would leave boxes behind that cannot be told apart;
/// write a new one instead. The failing test prints the row of a new file.
const FROZEN_MIGRATIONS: &[(&str, u64)] = &[
    ("0001-journal-payments-queue.sql", 0xeb77_4bad_8000_584a),
    ("0002-settlement-tokens.sql", 0x6c18_8956_df67_c1d4),
    ("0003-last-card-sales.sql", 0x38e9_43cb_39aa_51a1),
    ("0004-receipt-bodies.sql", 0x5a40_121f_290e_4c42),
    ("0005-created-payments.sql", 0x0137_db88_d138_2c71),
    ("0006-fewer-pages-a-sale.sql", 0xaa3e_1180_e48a_a66e),
    ("0007-line-of-last-change.sql", 0x3c6c_86ce_9501_9ce6),
    ("0008-cards-asked-again.sql", 0x7f15_fb4c_8944_fe0d),
    ("0009-fewer-statements-a-sale.sql", 0x6248_2601_8a49_3e2f),
    ("0010-debts-on-the-line.sql", 0x6319_e459_003b_61f9),
];

/// Which rooms a room may name; the rooms that are not listed here are joined by the daemon and may name all.
const ROOMS: &[(&str, Names)] = &[
    ("src/payment", Names::Only(&["payment"])),
    ("src/ui", Names::Only(&["ui", "payment", "snapshot", "limits"])),
    ("src/api", Names::Never(&["store", "provider"])),
    ("src/store", Names::Never(&["api", "provider", "ui", "demo"])),
    ("src/provider", Names::Never(&["api", "store", "ui", "demo"])),
    ("src/metrics", Names::Never(&["api", "store", "ui", "demo", "config"])),
    ("src/config", Names::Only(&["config", "limits", "payment", "provider"])),
];

enum Names {
    Only(&'static [&'static str]),
    Never(&'static [&'static str]),
}

fn rooms(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for (room, names) in ROOMS {
        let own = room.strip_prefix("src/").unwrap();
        let inside = |path: &str| path == format!("{room}.rs") || path.starts_with(&format!("{room}/"));
        for source in sources.iter().filter(|source| inside(&source.path)) {
            for (line, name) in source.imports() {
                let allowed = match names {
                    Names::Only(known) => known.contains(&name.as_str()),
                    Names::Never(foreign) => !foreign.contains(&name.as_str()),
                };
                if !allowed {
                    offences.push(format!("{}:{line}: {own} names {name}", source.path));
                }
            }
        }
    }
    offences
}

#[test]
fn rooms_name_only_the_rooms_that_they_may_know() {
    assert_eq!(rooms(&house()), Vec::<String>::new());
    let bad = [
        ("src/payment/machine.rs", "use crate::store::Journal;"),
        ("src/payment/machine.rs", "use crate::{payment::Event, clock::Clock};"),
        ("src/payment/mod.rs", "fn f() { super::driver::go() }"),
        ("src/payment/a/b.rs", "fn f() { super::super::super::driver::go() }"),
        ("src/payment.rs", "fn f() -> crate::limits::Limit {}"),
        ("src/api/gateway.rs", "use crate::{\n    driver::Handle,\n    store,\n};"),
        ("src/api.rs", "pub use crate::provider::Click;"),
        ("src/ui/view.rs", "use crate::driver::Handle;"),
    ];
    for (path, text) in bad {
        assert_eq!(rooms(&[Source::new(path, text)]).len(), 1, "{path} may say {text}");
    }
    let good = "// crate::store is far away\nuse crate::payment::{self, Event};\nuse super::driver;\nconst A: &str = \"crate::store\";";
    assert_eq!(rooms(&[Source::new("src/payment/machine.rs", good)]), Vec::<String>::new());
}

fn hardware(sources: &[Source]) -> Vec<String> {
    let hal = sources.iter().filter(|source| source.path.starts_with("hal/"));
    hal.flat_map(|source| source.find("tolov::")).collect()
}

#[test]
fn the_hardware_never_learns_what_a_payment_is() {
    assert_eq!(hardware(&house()), Vec::<String>::new());
    assert_eq!(hardware(&[Source::new("hal/src/lib.rs", "use tolov::payment::Event;")]).len(), 1);
    let manifest = std::fs::read_to_string(root().join("hal/Cargo.toml")).unwrap();
    assert!(!manifest.contains("tolov"), "hal/Cargo.toml depends on the terminal");
}

/// hal has no clock of its own to ask: its ports, which wait for devices, read tokio's; what they drive takes `now`.
fn clocks(sources: &[Source]) -> Vec<String> {
    let may = |path: &str| {
        path == "src/clock.rs"
            || path.contains("/demo/")
            || path.contains("/sim/")
            || (path.starts_with("hal/") && path.ends_with("/port.rs"))
    };
    let readings = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", ".elapsed()"];
    let others = sources.iter().filter(|source| !may(&source.path));
    others.flat_map(|source| readings.iter().flat_map(|reading| source.find(reading))).collect()
}

#[test]
fn only_the_clock_reads_the_clock() {
    assert_eq!(clocks(&house()), Vec::<String>::new());
    for bad in ["let now = std::time::Instant::now();", "Timestamp::now()", "since.elapsed()"] {
        assert_eq!(clocks(&[Source::new("src/driver.rs", bad)]).len(), 1, "{bad}");
    }
    assert_eq!(clocks(&[Source::new("hal/src/pinpad/arcus2/dialogue.rs", "Instant::now()")]).len(), 1);
    assert!(
        clocks(&[Source::new("src/driver.rs", "#[cfg(test)]\nmod tests {\n    fn f() { Instant::now(); }\n}")])
            .is_empty()
    );
}

fn waits(sources: &[Source]) -> Vec<String> {
    let may = |path: &str| path.ends_with("/limits.rs") || path.contains("/demo/") || path.contains("/sim/");
    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| !may(&source.path)) {
        for (line, rest) in source.after("Duration::from_") {
            let number = rest
                .split_once('(')
                .is_some_and(|(_, inner)| inner.trim_start().starts_with(|c: char| c.is_ascii_digit()));
            if number {
                offences.push(format!("{}:{line}: a bare duration; name it in limits.rs", source.path));
            }
        }
    }
    offences
}

#[test]
fn only_the_limits_hold_bare_durations() {
    assert_eq!(waits(&house()), Vec::<String>::new());
    assert_eq!(waits(&[Source::new("src/driver.rs", "sleep(Duration::from_secs(5))")]).len(), 1);
    assert_eq!(waits(&[Source::new("hal/src/hotplug.rs", "Duration::from_millis( 250 )")]).len(), 1);
    assert!(waits(&[Source::new("src/driver.rs", "Duration::from_millis(limits::COMMIT_RETRY_MS)")]).is_empty());
}

/// Limits that no code keeps: a promise in docs/limits.md that nobody holds.
fn unkept(names: &[&str], sources: &[Source]) -> Vec<String> {
    let others: Vec<&Source> = sources.iter().filter(|source| source.path != "src/limits.rs").collect();
    let kept = |name: &str| others.iter().any(|source| !source.words(name).is_empty());
    names.iter().filter(|name| !kept(name)).map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_limit_is_kept_by_some_code() {
    let names: Vec<&str> = tolov::limits::ALL.iter().map(|limit| limit.name).collect();
    assert_eq!(unkept(&names, &house()), Vec::<String>::new());
    let code = Source::new("src/a.rs", "wait(limits::A_MS); // B_MS");
    assert_eq!(unkept(&["A_MS", "B_MS"], &[code, Source::new("src/limits.rs", "B_MS")]), ["B_MS"]);
}

fn unsafety(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let may = source.path.starts_with("hal/src/")
            && source.path.split('/').next_back().is_some_and(|file| file.starts_with("linux"));
        for line in source.words("unsafe") {
            if !may {
                offences.push(format!("{}:{line}: unsafe belongs into hal/src/*/linux*", source.path));
            } else if !source.comment_before(line, "SAFETY:") {
                offences.push(format!("{}:{line}: unsafe without its reason (SAFETY:)", source.path));
            }
        }
    }
    offences
}

#[test]
fn unsafe_lives_beside_the_kernel_and_gives_its_reason() {
    assert_eq!(unsafety(&house_and_tests()), Vec::<String>::new());
    assert_eq!(unsafety(&[Source::new("src/store/mod.rs", "unsafe { go() }")]).len(), 1);
    assert_eq!(unsafety(&[Source::new("hal/src/display/linux.rs", "unsafe { go() }")]).len(), 1);
    assert!(unsafety(&[Source::new("hal/src/display/linux.rs", "// SAFETY: owned\nunsafe { go() }")]).is_empty());
    assert!(unsafety(&[Source::new("src/lib.rs", "// unsafe\n#![forbid(unsafe_code)]")]).is_empty());
}

/// The core decides; it reads no clock, asks no system and draws no random number: all of that is handed to it.
fn impurities(sources: &[Source]) -> Vec<String> {
    let signs = [
        "tokio::",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "std::time",
        "rusqlite",
        "reqwest",
        "axum",
        "hal::",
        "tracing::",
        "new_v4",
        "println!",
    ];
    let core = sources.iter().filter(|source| source.path.starts_with("src/payment"));
    core.flat_map(|source| signs.iter().flat_map(|sign| source.find(sign))).collect()
}

#[test]
fn the_core_does_nothing_but_decide() {
    assert_eq!(impurities(&house()), Vec::<String>::new());
    for bad in ["use tokio::sync::mpsc;", "std::fs::read(path)", "let id = Uuid::new_v4();"] {
        assert_eq!(impurities(&[Source::new("src/payment/machine.rs", bad)]).len(), 1, "{bad}");
    }
}

/// Sums and tiyin, roubles and kopecks: a factor of 100 anywhere else is a second place where units change.
fn units(sources: &[Source]) -> Vec<String> {
    let others =
        sources.iter().filter(|source| source.path.starts_with("src/") && source.path != "src/payment/money.rs");
    let factor = |rest: &str| {
        let number: String = rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        matches!(number.as_str(), "100" | "100_i64" | "100_u64" | "100i64" | "100u64")
    };
    let mut offences = Vec::new();
    for source in others {
        for sign in ["* ", "/ ", "% "] {
            let found = source.after(sign).into_iter().filter(|(_, rest)| factor(rest));
            offences
                .extend(found.map(|(line, _)| format!("{}:{line}: {sign}100; units change in money.rs", source.path)));
        }
    }
    offences
}

#[test]
fn only_money_changes_units() {
    assert_eq!(units(&house()), Vec::<String>::new());
    assert_eq!(units(&[Source::new("src/api/gateway.rs", "let tiyin = sums * 100;")]).len(), 1);
    assert_eq!(units(&[Source::new("src/ui/view.rs", "format(minor / 100, minor % 100_i64)")]).len(), 2);
    assert!(units(&[Source::new("src/payment/money.rs", "minor / 100")]).is_empty());
}

fn vague(sources: &[Source]) -> Vec<String> {
    let rooms = sources.iter().filter(|source| source.path != "src/main.rs");
    rooms.flat_map(|source| source.find("anyhow")).collect()
}

#[test]
fn errors_have_types_everywhere_but_at_the_command_line() {
    assert_eq!(vague(&house()), Vec::<String>::new());
    assert_eq!(vague(&[Source::new("src/store/mod.rs", "fn open() -> anyhow::Result<()>")]).len(), 1);
}

fn lengths(sources: &[Source], exceptions: &[(&str, usize)]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let exception = exceptions.iter().find(|(path, _)| *path == source.path);
        let most = exception.map_or(FILE_MAX_LINES, |(_, most)| *most);
        let lines = source.lines();
        if lines > most {
            offences.push(format!("{}: {lines} lines, at most {most}: has it two rooms?", source.path));
        } else if exception.is_some() && lines <= FILE_MAX_LINES {
            offences.push(format!("{}: {lines} lines: it is no exception any more", source.path));
        }
    }
    offences
}

#[test]
fn a_file_has_one_room() {
    let sources = house();
    assert_eq!(lengths(&sources, LONG_FILES), Vec::<String>::new());
    for (path, _) in LONG_FILES {
        assert!(sources.iter().any(|source| source.path == *path), "{path} is gone: take it off the list");
    }
    let long = Source::new("src/a.rs", &"fn f() {}\n".repeat(501));
    assert_eq!(lengths(std::slice::from_ref(&long), &[]).len(), 1);
    assert!(lengths(&[long], &[("src/a.rs", 510)]).is_empty());
    assert_eq!(lengths(&[Source::new("src/a.rs", "")], &[("src/a.rs", 510)]).len(), 1);
}

fn unfinished(sources: &[Source]) -> Vec<String> {
    let code = ["todo!", "unimplemented!", "#[ignore"];
    let notes = ["TODO", "FIXME", "XXX"];
    sources
        .iter()
        .filter(|source| source.path != "tests/tidy.rs")
        .flat_map(|source| {
            let found = code.iter().flat_map(|sign| source.find_anywhere(sign));
            found.chain(notes.iter().flat_map(|note| source.notes(note))).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn nothing_is_left_unfinished() {
    assert_eq!(unfinished(&house_and_tests()), Vec::<String>::new());
    for bad in [
        "fn f() { todo!() }",
        "// TODO later",
        "#[test]\n#[ignore]\nfn f() {}",
        "#[cfg(test)]\nmod tests { fn f() { unimplemented!() } }",
    ] {
        assert_eq!(unfinished(&[Source::new("src/a.rs", bad)]).len(), 1, "{bad}");
    }
}

fn strangers(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| !TOP_LEVEL.contains(&name.as_str())).collect()
}

#[test]
fn the_top_level_holds_only_what_it_is_known_for() {
    let entries = root().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = entries.collect();
    assert_eq!(strangers(&names), Vec::<&String>::new());
    assert_eq!(strangers(&["CHANGELOG.md".into()]).len(), 1, "the changes are told in docs/CHANGELOG.md");
}

/// FNV-1a, 64 bits: enough to notice an edit.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn edited(files: &[(String, Vec<u8>)], frozen: &[(&str, u64)]) -> Vec<String> {
    let mut offences = Vec::new();
    for (name, bytes) in files {
        let sum = checksum(bytes);
        match frozen.iter().find(|(known, _)| known == name) {
            Some((_, known)) if *known == sum => {}
            Some(_) => offences.push(format!("{name} was edited: write a new migration instead")),
            None => offences.push(format!("{name} is new: add (\"{name}\", {sum:#018x})")),
        }
    }
    let gone = frozen.iter().filter(|(known, _)| !files.iter().any(|(name, _)| name == known));
    offences.extend(gone.map(|(known, _)| format!("{known} is gone: boxes in the field still need it")));
    offences
}

#[test]
fn a_migration_is_never_edited() {
    let folder = root().join("src/store/migrations");
    let entries = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
    let scripts = entries.filter(|path| path.extension().is_some_and(|extension| extension == "sql"));
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let files: Vec<(String, Vec<u8>)> = scripts.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect();
    assert_eq!(edited(&files, FROZEN_MIGRATIONS), Vec::<String>::new());

    let one = [("0001.sql".to_owned(), b"CREATE TABLE a (b)".to_vec())];
    let row = ("0001.sql", checksum(&one[0].1));
    assert!(edited(&one, &[row]).is_empty());
    assert_eq!(edited(&one, &[]).len(), 1);
    assert_eq!(edited(&one, &[("0001.sql", 7)]).len(), 1);
    assert_eq!(edited(&[], &[row]).len(), 1);
}

/// The rows of the fonts' and the parts' licences that a box has to carry.
#[test]
fn the_readme_names_the_licences() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for word in ["MIT", "Apache-2.0", "misc-fixed", "public domain", "MPL-2.0"] {
        assert!(readme.contains(word), "README.md does not say {word}");
    }
}

fn dead_links(file: &str, text: &str) -> Vec<String> {
    let folder = root().join(file).parent().unwrap().to_owned();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let local = targets.map(|(target, _)| target.split('#').next().unwrap()).filter(|target| !target.contains("://"));
    let dead = local.filter(|target| !target.is_empty() && !folder.join(target).exists());
    dead.map(|target| format!("{file}: {target} is not there")).collect()
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut files = vec!["README.md".to_owned(), "boards/README.md".to_owned()];
    let docs = root().join("docs").read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.extend(docs.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")));
    for file in files {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        assert_eq!(dead_links(&file, &text), Vec::<String>::new());
    }
    assert_eq!(dead_links("docs/a.md", "[a](nowhere.md) [b](limits.md#x) [c](https://example.org)").len(), 1);
}

/// Rooms of the terminal that the README's map does not show.
fn unmapped(readme: &str, rooms: &[String]) -> Vec<String> {
    rooms.iter().filter(|room| !readme.contains(&format!("src/{room}"))).cloned().collect()
}

#[test]
fn the_readmes_map_shows_every_room() {
    let entries = root().join("src").read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut rooms: Vec<String> = entries.map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    rooms.retain(|room| !matches!(room.as_str(), "lib" | "main"));
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert_eq!(unmapped(&readme, &rooms), Vec::<String>::new());
    assert_eq!(unmapped("src/api", &["api".into(), "attic".into()]), ["attic"]);
}
