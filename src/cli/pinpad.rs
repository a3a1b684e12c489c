//! `tolov pinpad learn`: commissioning. Finds out what the PinPad on a line understands, while the daemon does not hold it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use hal::pinpad::learn::{BAUDS, Learned, Probe};

use super::args::{LearnArgs, PinpadCommand};
use super::text::{amount, wrap};
use super::{CliError, Exit, Outcome, client};
use crate::clock::Clock;
use crate::config::Settings;
use crate::daemon::assemble;

pub(super) fn run(command: &PinpadCommand) -> Result<Outcome, CliError> {
    let PinpadCommand::Learn(args) = command;
    let settings = Settings::load(&args.config)?;
    if client::is_answered(&settings.control.socket) {
        return Err(CliError::InService);
    }
    let usage = |text: &str| CliError::Usage(text.to_owned());
    let mut port = assemble::pinpad_port(&settings).ok_or_else(|| {
        usage("the configuration has no [humo], or its board no [pinpad]: write them first, even with wrong values")
    })?;
    if let Some(path) = &args.port {
        port.path.clone_from(path);
    }
    let path = port.path.display().to_string();
    let unwritten =
        |error: io::Error| CliError::File { path: args.trace.display().to_string(), why: error.to_string() };
    let mut trace = File::create_new(&args.trace).map_err(unwritten)?;
    if args.sale {
        // There is no journal here: this line is what is known if the power goes now.
        begin(&mut trace, &args.trace, &path).map_err(unwritten)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Learn(error.to_string()))?;
    let learned = runtime.block_on(crate::pinpad::learn(port, Clock::system(), &BAUDS, args.sale));
    let learned = learned.map_err(|error| CliError::Learn(error.to_string()))?;
    learned.trace.iter().try_for_each(|line| writeln!(trace, "{line}")).map_err(unwritten)?;
    Ok(report(&learned, &path, args))
}

fn begin(trace: &mut File, at: &Path, port: &str) -> io::Result<()> {
    writeln!(trace, "# a sale of one sum begins on {port}; if nothing follows, look at the PinPad's last slip")?;
    trace.sync_all()?;
    // The folder too, or the name may be gone with the power.
    let folder = at.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn report(learned: &Learned, path: &str, args: &LearnArgs) -> Outcome {
    let mut text = format!("The PinPad on {path} answers. Write this:\n\n{}\n", learned.lines(path));
    let mut exit = Exit::Done;
    match &learned.probe {
        None => text.push_str(
            &(wrap("How it reads amounts was not tried: --sale takes one sum from a card of yours and voids it.", 0)
                + "\n"),
        ),
        Some(Probe { charged_minor, rrn, voided: true, .. }) => {
            text.push_str(&format!(
                "The card was charged {} (RRN {rrn}), and that was voided.\n",
                amount_of(*charged_minor)
            ));
        }
        Some(Probe { charged_minor, rrn, void_code, .. }) => {
            exit = Exit::Failed;
            let code = void_code.as_ref().map_or("no code".to_owned(), |code| format!("code {code}"));
            let told = format!(
                "The card WAS CHARGED {} (RRN {rrn}) and the void was not done ({code}): void it at the PinPad by hand, and try \
                 another void_reference.",
                amount_of(*charged_minor)
            );
            text.push_str(&(wrap(&told, 0) + "\n"));
        }
    }
    text.push_str(&format!("The masked trace is in {}.\n", args.trace.display()));
    Outcome { text, exit }
}

fn amount_of(minor: u64) -> String {
    amount(i64::try_from(minor).unwrap_or(i64::MAX))
}
