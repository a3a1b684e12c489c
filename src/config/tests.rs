use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hal::pinpad::arcus2::request::{Code, Settings as Dialect};

use super::*;
use crate::payment::code::{CodeKind, CodeTable};
use crate::payment::money::Unit;
use crate::provider::ConfirmDialect;

const DOCUMENT: &str = include_str!("../../docs/config.md");

fn inputs(text: &str) -> Inputs {
    Inputs {
        file: PathBuf::from("tolov.toml"),
        text: text.to_owned(),
        credentials_directory: None,
        board_dirs: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("boards")],
    }
}

fn settings(text: &str) -> Settings {
    Settings::validate(&inputs(text)).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    Settings::validate(&inputs(text)).expect_err("these settings make no sense").to_string()
}

#[test]
fn a_board_alone_is_enough_to_start() {
    let settings = settings("board = \"sim\"\n");
    assert_eq!(settings.api.listen, [Listen::Plain("127.0.0.1:8080".parse().unwrap())]);
    assert_eq!(settings.language, Language::Uzbek);
    assert_eq!(settings.store.dir, Path::new("/var/lib/tolov"));
    assert!(settings.click.is_none() && settings.payme.is_none());
    assert!(settings.humo.is_none() && settings.merchant.is_none());
}

#[test]
fn tills_may_be_told_several_places_and_each_that_is_reached_from_outside_needs_them_told_apart() {
    let places = |listen: &str| format!("board = \"sim\"\n[api]\nlisten = {listen}\n");
    let read = settings(&places("[\"[::1]:80\", \"unix:/run/tolov/till.sock\", \"unix:till.sock\"]")).api;
    assert_eq!(
        read.listen,
        [
            Listen::Plain("[::1]:80".parse().unwrap()),
            Listen::Unix("/run/tolov/till.sock".into()),
            Listen::Unix("till.sock".into()),
        ]
    );
    assert_eq!(read.socket_mode, 0o660);
    let outside = places("[\"127.0.0.1:80\",\n\"0.0.0.0:80\"]");
    assert!(refused(&outside).starts_with("tolov.toml:4: 0.0.0.0:80 can be reached from outside"));
    settings(&format!("{outside}allow_peers = [\"192.168.1.20\"]\n"));
    let long = places(&format!("\"unix:/{}\"", "x".repeat(limits::SOCKET_PATH_MAX_BYTES)));
    assert!(refused(&long).starts_with("tolov.toml:3: listen: its path has 108 bytes, the system takes 107"));
}

#[test]
fn a_provider_that_is_only_named_gets_the_seeds_meaning() {
    let settings =
        settings("board = \"sim\"\n[click]\nbase_url = \"http://10.0.0.1:3448/\"\n[humo]\ndriver = \"arcus2\"\n");
    let click = settings.click.unwrap();
    assert_eq!(click.base_url, "http://10.0.0.1:3448");
    assert_eq!((click.amount_unit, click.upstream_amount_unit), (Unit::Sum, Unit::Sum));
    assert_eq!(click.confirm_dialect, ConfirmDialect::Y2023M01);
    assert_eq!((click.timeout_ms, click.connect_timeout_ms), (60_000, 5_000));
    assert_eq!(click.refused_codes, [7, 104, 106, 401, 402]);
    let humo = settings.humo.unwrap();
    assert_eq!(humo.dialect, Dialect::default());
    assert_eq!((humo.amount_unit, humo.settle_at), (Unit::Tiyin, None));
    assert_eq!(settings.codes, CodeTable::default());
}

#[test]
fn the_gateways_unit_follows_the_tills_until_it_is_written() {
    let text = "board = \"sim\"\n[payme]\nbase_url = \"http://10.0.0.1\"\namount_unit = \"tiyin\"\n";
    assert_eq!(settings(text).payme.unwrap().upstream_amount_unit, Unit::Tiyin);
    let text = format!("{text}upstream_amount_unit = \"sum\"\n");
    let payme = settings(&text).payme.unwrap();
    assert_eq!((payme.amount_unit, payme.upstream_amount_unit), (Unit::Tiyin, Unit::Sum));
}

#[test]
fn rows_of_codes_replace_the_ones_that_can_pay() {
    let text = "board = \"sim\"\n[[code]]\nprefix = \"99\"\nlength = 16\nmethod = \"payme\"\n";
    let codes = settings(text).codes;
    assert_eq!(codes.classify("9912345678901234"), CodeKind::PaymeGo);
    assert_eq!(codes.classify("880101698207133392"), CodeKind::Unknown);
    assert_eq!(codes.classify("https://qr.nspk.ru/x"), CodeKind::Sbp);
}

#[test]
fn one_number_of_an_operation_can_differ_from_the_usual() {
    let humo = settings("board = \"sim\"\n[humo]\ndriver = \"arcus2\"\n[humo.codes]\nvoid = \"1, 7\"\n").humo.unwrap();
    assert_eq!(humo.dialect.codes.void, Code { class: 1, op: 7 });
    assert_eq!(humo.dialect.codes.sale, Code { class: 1, op: 1 });
}

#[test]
fn wrong_values_are_refused_with_their_line_and_what_to_write() {
    let cases = [
        ("board = \"sim\"\n[api]\nlisten = \"tls:8443\"\n", "tolov.toml:3: listen is an address"),
        (
            "board = \"sim\"\n[api]\nlisten = \"tls:0.0.0.0:1\"\n",
            "tolov.toml:3: tls:0.0.0.0:1 can be reached from outside",
        ),
        (
            "board = \"sim\"\n[api]\nnames = [\"pos.example:8443\"]\n",
            "tolov.toml:3: names: pos.example:8443 is no name",
        ),
        ("board = \"sim\"\n[api]\nallow_origins = [\"*\"]\n", "tolov.toml:3: allow_origins: * is no origin"),
        (
            "board = \"sim\"\n[api]\nallow_origins = [\"https://a.uz/\"]\n",
            "tolov.toml:3: allow_origins: https://a.uz/ is no",
        ),
        ("board = \"sim\"\n[api]\nallow_origins = [\"null\"]\n", "tolov.toml:3: allow_origins: null is no origin"),
        ("board = \"sim\"\nlanguage = \"de\"\n", "tolov.toml:2: language = \"de\" is not known; write one of"),
        ("language = \"uz\"\n", "tolov.toml:1: the top level needs board; write board = \"sim\""),
        ("board = \"simm\"\n", "tolov.toml:1: board = \"simm\" is not known; write one of base, raspberry-pi-4, sim"),
        ("board = \"./none.toml\"\n", "tolov.toml:1: board: ./none.toml cannot be read"),
        ("board = \"sim\"\n[clik]\n", "tolov.toml:2: the top level has no key clik: did you mean click?"),
        ("board = \"sim\"\n[click]\ntimeout = 5\n", "tolov.toml:3: [click] has no key timeout"),
        ("board = \"sim\"\n[click]\n", "tolov.toml:2: [click] needs base_url"),
        ("board = \"sim\"\n[click]\nbase_url = \"ftp://x\"\n", "tolov.toml:3: base_url: it begins with http(s)://"),
        ("board = \"sim\"\n[click]\nbase_url = \"http://u:p@x\"\n", "tolov.toml:3: base_url: no name and password"),
        ("board = \"sim\"\n[humo]\ndriver = \"sa\"\n", "tolov.toml:3: driver = \"sa\" is not known"),
        ("board = \"sim\"\n[humo]\ndriver = \"arcus2\"\nsettle_at = \"25:00\"\n", "tolov.toml:4: settle_at is a time"),
        ("board = \"sim\"\n[humo]\ndriver = \"arcus2\"\nallow_hosts = [\"a:7\"]\n", "tolov.toml:4: a:7 is no host"),
        (
            "board = \"sim\"\n[humo]\ndriver = \"arcus2\"\n[humo.codes]\nvoid = \"2,3\"\n",
            "tolov.toml:5: void: 2,3 would cancel",
        ),
        (
            "board = \"sim\"\n[humo]\ndriver = \"arcus2\"\n[humo.codes]\nping = \"2,22\"\n",
            "tolov.toml:5: ping: some PinPads",
        ),
        (
            "board = \"sim\"\n[humo]\ndriver = \"arcus2\"\n[humo.codes]\nsale = \"1\"\n",
            "tolov.toml:5: sale: an operation is two",
        ),
        (
            "board = \"sim\"\n[merchant]\ninn = \"12\"\nkkm_id = \"1\"\ndevice_id = \"1\"\n",
            "tolov.toml:3: inn has 9 digits",
        ),
        (
            "board = \"sim\"\n[api]\nlisten = \"localhost\"\n",
            "tolov.toml:3: listen is an address and a port, or a Unix socket",
        ),
        (
            "board = \"sim\"\n[qrm_callback]\nlisten = \":8443\"\n",
            "tolov.toml:3: listen is an address and a port; write",
        ),
        ("board = \"sim\"\n[qrm_callback]\n", "tolov.toml:2: [qrm_callback] needs listen"),
        (
            "board = \"sim\"\n[qrm.callback]\nbase_url = \"https://10.0.0.1\"\n",
            "tolov.toml:2: [qrm.callback]: qrm_callback is the secret",
        ),
        (
            "board = \"sim\"\n[[code]]\nprefix = \"8a\"\nlength = 18\nmethod = \"click\"\n",
            "tolov.toml:3: prefix is digits",
        ),
        (
            "board = \"sim\"\n[payme]\nbase_url = \"http://x\"\ntimeout_ms = 5\n",
            "tolov.toml:4: timeout_ms is out of its",
        ),
        ("board = \"sim\"\n[payme]\nbase_url = \"http://x\"\nrefused_codes = [900]\n", "900 means in doubt"),
        ("board = \"sim\"\ncredentials_dir = \"/no/such/dir\"\n", "tolov.toml:2: /no/such/dir cannot be read"),
        ("board = \"sim\"\nboard = \"sim\"\n", "tolov.toml:2: duplicate key"),
    ];
    for (text, expected) in cases {
        let said = refused(text);
        assert!(said.contains(expected), "{text:?} says:\n{said}\nand not:\n{expected}");
    }
}

#[test]
fn every_problem_is_said_at_once() {
    let said = refused("bord = \"sim\"\nlanguage = \"de\"\n[api]\nlisten = \"x\"\n");
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_a_list_of_peers() {
    let open = "board = \"sim\"\n[api]\nlisten = \"0.0.0.0:8080\"\n";
    assert!(refused(open).starts_with("tolov.toml:3: 0.0.0.0:8080 can be reached from outside"));
    let peers = settings(&format!("{open}allow_peers = [\"192.168.1.20\"]\n")).api.allow_peers;
    assert_eq!(peers, ["192.168.1.20".parse::<std::net::IpAddr>().unwrap()]);

    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("till_front");
    std::fs::write(&token, "s3cret").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let with_token = format!("credentials_dir = \"{}\"\n{open}", dir.path().display());
    assert_eq!(settings(&with_token).credentials.tills().len(), 1);
    let passed_by_systemd = Inputs { credentials_directory: Some(dir.path().into()), ..inputs(open) };
    assert!(Settings::validate(&passed_by_systemd).is_ok());

    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o644)).unwrap();
    let said = refused(&with_token);
    assert!(said.contains("till_front can be read by others; run: chmod 600"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn relative_paths_start_in_the_folder_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("box.toml"), "inherits = \"base\"\n[pinpad]\nport = \"/dev/pts/7\"\n").unwrap();
    let file = dir.path().join("tolov.toml");
    std::fs::write(&file, "board = \"./box.toml\"\n[store]\ndir = \"data\"\n").unwrap();
    let gathered = Inputs { board_dirs: inputs("").board_dirs, ..Inputs::gather(&file).unwrap() };
    let settings = Settings::validate(&gathered).unwrap();
    assert_eq!(settings.store.dir, dir.path().join("data"));
    assert_eq!(settings.board.pinpad.unwrap().port, "/dev/pts/7");
}

#[test]
fn a_problem_of_the_board_names_the_boards_own_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("box.toml"), "inherits = \"base\"\n[pinpad]\nbaud = 7\n").unwrap();
    let said = refused(&format!("board = \"{}/box.toml\"\n", dir.path().display()));
    assert!(said.ends_with("box.toml:3: baud is out of its range; write a number from 1200 to 921600"), "{said}");
}

#[test]
fn a_file_that_is_not_there_or_too_large_is_no_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tolov.toml");
    assert!(matches!(Settings::load(&file), Err(Error::Unreadable { .. })));
    std::fs::write(&file, "#".repeat(300_000)).unwrap();
    assert!(matches!(Settings::load(&file), Err(Error::TooLarge { .. })));
}

/// One row of the table of keys, as written.
fn documented() -> Vec<[String; 5]> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `") && line.matches('`').count() >= 4);
    let cells = |row: &str| {
        let row = row.replace("\\|", "\u{0}");
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        <[String; 5]>::try_from(cells[1..cells.len() - 1].to_vec()).unwrap_or_else(|_| panic!("five cells in: {row}"))
    };
    rows.map(cells).collect()
}

#[test]
fn the_document_states_every_key_with_its_type_and_default_and_no_other() {
    let nothing = inputs("");
    let document = Document::parse("", "").unwrap();
    let _without_settings = file::read(&document, &nothing);
    let known: Vec<(String, String, String)> =
        document.keys().into_iter().map(|key| (format!("`{}`", key.path), key.kind, key.default)).collect();
    let mut stated: Vec<(String, String, String)> =
        documented().into_iter().map(|[key, kind, default, ..]| (key, kind, default)).collect();
    stated.sort();
    let missing: Vec<_> = known.iter().filter(|key| !stated.contains(key)).collect();
    let foreign: Vec<_> = stated.iter().filter(|key| !known.contains(key)).collect();
    assert!(missing.is_empty() && foreign.is_empty(), "docs/config.md lacks {missing:#?} and has {foreign:#?}");
    assert_eq!(stated.len(), known.len(), "a key stands twice in docs/config.md");
}

#[test]
fn every_documented_key_has_a_meaning_and_an_example_that_is_accepted() {
    for [key, _, _, meaning, example] in documented() {
        assert!(meaning.len() > 10, "{key} has no meaning");
        let key = key.trim_matches('`');
        let example = example.trim_matches('`');
        let text = match key.rsplit_once('.') {
            None if key == "board" => format!("board = {example}\n"),
            None if key == "credentials_dir" => continue,
            None => format!("board = \"sim\"\n{key} = {example}\n"),
            Some((table, name)) => format!("board = \"sim\"\n{}", section(table, name, example)),
        };
        if key == "api.listen" {
            assert!(refused(&text).contains("can be reached from outside"));
        } else {
            settings(&text);
        }
    }
}

/// A table that is complete with `name = example`.
fn section(table: &str, name: &str, example: &str) -> String {
    let (head, required): (String, &[(&str, &str)]) = match table {
        "code[]" => ("[[code]]".into(), &[("prefix", "\"88\""), ("length", "18"), ("method", "\"click\"")]),
        "merchant" => ("[merchant]".into(), &[("inn", "\"123456789\""), ("kkm_id", "\"1\""), ("device_id", "\"1\"")]),
        "click" | "payme" => (format!("[{table}]"), &[("base_url", "\"http://10.0.0.1\"")]),
        "qrm.NAME" => ("[qrm.main]".into(), &[("base_url", "\"https://10.0.0.1\"")]),
        "humo" => ("[humo]".into(), &[("driver", "\"arcus2\"")]),
        "humo.codes" => ("[humo]\ndriver = \"arcus2\"\n[humo.codes]".into(), &[]),
        _ => (format!("[{table}]"), &[]),
    };
    let others = required.iter().filter(|(key, _)| *key != name).map(|(key, value)| format!("{key} = {value}\n"));
    format!("{head}\n{name} = {example}\n{}", others.collect::<String>())
}

#[test]
fn the_documents_own_example_is_accepted() {
    let example = DOCUMENT.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let text = example.replace("credentials_dir = \"/etc/tolov/credentials\"\n", "");
    assert_ne!(text, example, "the example shows where secrets are");
    let settings = settings(&text);
    assert!(settings.click.is_some() && settings.payme.is_some() && settings.humo.is_some());
}

#[test]
fn each_qr_terminal_has_a_table_and_a_key_of_its_own() {
    let text = "board = \"sim\"\n[qrm.main]\nbase_url = \"https://10.0.0.1/\"\nreceipts = \"atol\"\nlinks = \"web\"\n\
                [qrm.back-office]\nbase_url = \"https://10.0.0.2\"\npolls_per_minute = 6\n";
    let qrm = settings(text).qrm;
    assert_eq!(qrm.keys().collect::<Vec<_>>(), ["back-office", "main"]);
    let main = &qrm["main"];
    assert_eq!((main.base_url.as_str(), main.web_links, main.timeout_ms), ("https://10.0.0.1", true, 15_000));
    assert_eq!(main.receipts, Some(crate::payment::sbp::Ofd::Atol));
    assert_eq!((qrm["back-office"].receipts, qrm["back-office"].polls_per_minute), (None, 6));
}

#[test]
fn a_qr_terminal_with_a_strange_name_or_key_is_refused_with_its_line() {
    let said = refused("board = \"sim\"\n[qrm.\"Main Hall\"]\nbase_url = \"https://10.0.0.1\"\n");
    assert!(said.contains(":2") && said.contains("[qrm.main]"), "{said}");
    let said = refused("board = \"sim\"\n[qrm.main]\nbase_url = \"https://10.0.0.1\"\nreceipt = \"atol\"\n");
    assert!(said.contains("did you mean receipts?"), "{said}");
    let said = refused("board = \"sim\"\nqrm = \"main\"\n");
    assert!(said.contains("[qrm.NAME]"), "{said}");
}

#[test]
fn a_board_given_as_a_path_finds_its_bases_beside_it_and_then_at_the_usual_place() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let port = |file: &str| {
        let board = dir.path().join(file).display().to_string();
        settings(&format!("board = \"{board}\"\n")).board.pinpad.unwrap().port
    };
    write("kiosk.toml", "inherits = \"counter\"\n");
    write("counter.toml", "inherits = \"base\"\n[pinpad]\nport = \"/dev/beside\"\n");
    assert_eq!(port("kiosk.toml"), "/dev/beside");
    write("boxes/kiosk/board.toml", "inherits = \"counter\"\n");
    write("boxes/counter/board.toml", "inherits = \"base\"\n[pinpad]\nport = \"/dev/folder\"\n");
    assert_eq!(port("boxes/kiosk/board.toml"), "/dev/folder");
    write("lonely.toml", "inherits = \"nowhere\"\n");
    let lonely = dir.path().join("lonely.toml").display().to_string();
    assert!(refused(&format!("board = \"{lonely}\"\n")).contains("inherits = \"nowhere\": there is no such board"));
}
