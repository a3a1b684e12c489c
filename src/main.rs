//! The command line.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

use tolov::config::Settings;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the terminal
    Run {
        /// The configuration
        #[arg(long, default_value = "/etc/tolov/tolov.toml")]
        config: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Run { config } => {
            let settings = Settings::load(&config)?;
            tokio::runtime::Runtime::new()?.block_on(tolov::daemon::run(settings))?;
        }
    }
    Ok(())
}
