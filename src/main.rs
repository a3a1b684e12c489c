//! The command line: what is asked, who does it, and what the shell hears.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use tolov::cli::{self, Cli, CliError, Command, Exit};
use tolov::config::Settings;
#[cfg(feature = "demo")]
use tolov::demo::DemoOptions;
use tolov::{daemon, log};

fn main() -> ExitCode {
    let exit = run(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("tolov: {error:#}");
        error.downcast_ref::<CliError>().map_or(Exit::Failed, CliError::exit)
    });
    ExitCode::from(exit.code())
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Run(args) => {
            #[cfg(feature = "demo")]
            if args.stdin_lifeline {
                tolov::demo::end_with_the_demo();
            }
            let settings = Settings::load(&args.config).map_err(CliError::from)?;
            let passed = daemon::Passed::take();
            let _spoken = log::init(&settings.log);
            let runtime = daemon::runtime().context("the system gives no threads")?;
            runtime.block_on(daemon::run(settings, passed)).context("the daemon ended")?;
            Ok(Exit::Done)
        }
        #[cfg(feature = "demo")]
        Command::Demo(args) => {
            let options = DemoOptions { dir: args.dir, listen: args.listen, language: args.language };
            let ready = |page: &str| println!("The virtual terminal: {page}\nCtrl-C ends it.");
            let runtime = tokio::runtime::Runtime::new().context("the system gives no threads")?;
            runtime.block_on(tolov::demo::run(options, ready)).context("the demo ended")?;
            Ok(Exit::Done)
        }
        Command::Ask(ask) => {
            let outcome = cli::ask(&ask)?;
            match std::io::stdout().write_all(outcome.text.as_bytes()) {
                // Whoever reads (`head`, a closed console) has read enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                written => written.context("the answer cannot be printed")?,
            }
            Ok(outcome.exit)
        }
    }
}
