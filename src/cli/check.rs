//! `tolov check`: reads a configuration as the daemon does, and starts nothing.

use serde::Serialize;

use super::args::CheckArgs;
use super::text::pairs;
use super::{CliError, Exit, Outcome, as_json};
use crate::clock::Clock;
use crate::config::{Error, Life, Listen, Settings, TlsPair, expires_ms};

/// What `tolov check --json` prints.
#[derive(Serialize)]
struct Checked {
    /// The daemon would start with it.
    good: bool,
    /// Everything that is wrong.
    problems: Vec<Problem>,
    /// What is not wrong yet.
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Problem {
    file: String,
    line: usize,
    message: String,
}

pub(super) fn run(args: &CheckArgs) -> Result<Outcome, CliError> {
    let file = args.config.display().to_string();
    let checked = Settings::load(&args.config).map_err(|error| problems(&file, error)).and_then(|settings| {
        let wrong = |message| vec![Problem { file: file.clone(), line: 0, message }];
        let life = tls_life(&settings, &Clock::system()).map_err(wrong)?;
        Ok((settings, life))
    });
    match checked {
        Ok((settings, life)) if args.json => {
            drop(settings);
            let short = life.filter(|life| matches!(life, Life::Short { .. }));
            let warnings = short.map(|life| format!("the certificate {life}")).into_iter().collect();
            Ok(Outcome { text: as_json(&Checked { good: true, problems: Vec::new(), warnings })?, exit: Exit::Done })
        }
        Ok((settings, life)) => Ok(Outcome { text: good(&file, &settings, life), exit: Exit::Done }),
        Err(problems) => {
            let told = wrong(&problems);
            let json = Checked { good: false, problems, warnings: Vec::new() };
            Ok(Outcome { text: if args.json { as_json(&json)? } else { told }, exit: Exit::Failed })
        }
    }
}

fn problems(file: &str, error: Error) -> Vec<Problem> {
    let whole = |message: String| vec![Problem { file: file.to_owned(), line: 0, message }];
    match error {
        Error::Problems(found) => found
            .0
            .into_iter()
            .map(|problem| Problem { file: problem.file, line: problem.line, message: problem.message })
            .collect(),
        Error::Unreadable { path, source } => whole(format!("{} cannot be read: {source}", path.display())),
        other => whole(other.to_string()),
    }
}

/// The first thing that is wrong, for a line of its own.
pub(super) fn first(error: &Error) -> String {
    match error {
        Error::Problems(found) => found.0.first().map(ToString::to_string).unwrap_or_default(),
        Error::Unreadable { path, source } => format!("{} cannot be read: {source}", path.display()),
        other => other.to_string(),
    }
}

fn wrong(problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| match problem.line {
        0 => format!("{}\n", problem.message),
        line => format!("{}:{line}: {}\n", problem.file, problem.message),
    });
    lines.collect()
}

fn good(file: &str, settings: &Settings, life: Option<Life>) -> String {
    let merchant = settings.merchant.as_ref();
    let missing = "not set up: what needs it is answered BILLING_ERROR";
    let gateway = |base_url: Option<&String>| base_url.cloned().unwrap_or_else(|| missing.to_owned());
    let pinpad = match (&settings.humo, &settings.board.pinpad) {
        (Some(_), Some(line)) => {
            let settle = settings.humo.as_ref().and_then(|humo| humo.settle_at);
            let settle =
                settle.map(|at| format!(", the shift is closed at {}", at.strftime("%H:%M"))).unwrap_or_default();
            format!("at {}, {} baud{settle}", line.port, line.baud)
        }
        (Some(_), None) => "set up, but the board has no [pinpad]".to_owned(),
        (None, _) => missing.to_owned(),
    };
    let lines = [
        (
            "merchant",
            merchant.map_or(missing.to_owned(), |m| {
                format!("INN {}, register {}, device {}", m.inn, m.kkm_id, m.device_id)
            }),
        ),
        ("tills", format!("ask at {}", places(settings))),
        ("store", settings.store.dir.display().to_string()),
        ("socket", settings.control.socket.display().to_string()),
        ("HUMO", pinpad),
        ("CLICK", gateway(settings.click.as_ref().map(|g| &g.base_url))),
        ("PAYME", gateway(settings.payme.as_ref().map(|g| &g.base_url))),
        (
            "SBP",
            if settings.qrm.is_empty() {
                "not set up: an SBP sale is refused".to_owned()
            } else {
                qr_terminals(settings)
            },
        ),
    ];
    let certificate = life.map(|life| ("TLS", format!("its certificate {life}")));
    let callback = callback(settings).map(|told| ("callback", told));
    let lines: Vec<_> = lines.into_iter().chain(certificate).chain(callback).collect();
    format!("{file} is good.\n{}", pairs(&lines))
}

/// How long the certificate lives, where tills are to ask over TLS; or why none could. A clock that was never set knows no certificate's end.
fn tls_life(settings: &Settings, clock: &Clock) -> Result<Option<Life>, String> {
    if !settings.api.listen.iter().any(|place| matches!(place, Listen::Tls(_))) {
        return Ok(None);
    }
    let pair = TlsPair::of(&settings.credentials).read();
    let pair = pair.map_err(|error| format!("no till can ask over TLS: {error}"))?;
    let until_ms = expires_ms(&pair).filter(|_| clock.wall_trusted());
    match until_ms.map(|until_ms| Life::of(until_ms, clock.wall_ms())) {
        Some(life @ Life::Over { .. }) => Err(format!("no till can ask over TLS: the certificate {life}")),
        life => Ok(life),
    }
}

/// Everywhere that tills ask.
fn places(settings: &Settings) -> String {
    settings.api.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where QRManager may say that a receipt is decided, or why it cannot. The path's secret is not shown.
fn callback(settings: &Settings) -> Option<String> {
    let listen = settings.qrm_callback?;
    Some(match settings.credentials.callback() {
        Ok(_) => format!("http://{listen}/qrm/SECRET, SECRET being the credential qrm_callback"),
        Err(error) => format!("not opened at {listen}, without its secret ({error})"),
    })
}

/// Each QR terminal with its address, and what is missing for it.
fn qr_terminals(settings: &Settings) -> String {
    let shown = settings.qrm.iter().map(|(name, qrm)| match settings.credentials.get(&format!("qrm_{name}")) {
        Ok(_) => format!("{name} at {}", qrm.base_url),
        Err(error) => format!("{name} at {}, without a key ({error})", qrm.base_url),
    });
    shown.collect::<Vec<_>>().join("; ")
}
