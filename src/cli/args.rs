//! The command line, word by word. Its help is this file's doc comments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The payment terminal's own software.
#[derive(Debug, Parser)]
#[command(name = "tolov", version, about, max_term_width = 100, infer_subcommands = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 the audit does not hold, \
                        4 the daemon is not running, 78 the configuration is wrong.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be the terminal: the daemon.
    Run(RunArgs),
    /// Try the whole terminal without hardware, on a page in the browser.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// What a technician asks.
    #[command(flatten)]
    Ask(Ask),
}

/// `tolov run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The terminal's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/tolov/tolov.toml")]
    pub config: PathBuf,
    /// End when the standard input closes: how the demo takes its daemon along.
    #[cfg(feature = "demo")]
    #[arg(long, hide = true)]
    pub stdin_lifeline: bool,
}

/// `tolov demo`.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where the store and the vendors' books are kept, for a demo that goes on another day. Without it a temporary folder.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// The page's address. Without it port 8090 of this machine, or any free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// What the display speaks: uz, ru or en.
    #[arg(long, default_value = "en")]
    pub language: String,
}

/// What a technician asks.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// How the terminal is: sales, devices, the store, what is in doubt.
    Status(StatusArgs),
    /// Payments: list them, look at one, end a doubt.
    #[command(subcommand)]
    Payment(PaymentCommand),
    /// Fiscal receipts on their way to the provider.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// The card shift: its totals, and closing it.
    Shift(ShiftArgs),
    /// Open sales again that were closed because the store was damaged.
    #[command(subcommand)]
    Sales(SalesCommand),
    /// Put a PinPad into service.
    #[command(subcommand)]
    Pinpad(PinpadCommand),
    /// Prove that the journal, the payments and the queue agree. Works with and without the daemon.
    Audit(AuditArgs),
    /// The journal's lines: write a month of them to a file, or cut them off as well.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Say everything that is wrong with a configuration, and start nothing.
    Check(CheckArgs),
}

/// Where the daemon is asked, and how the answer is printed.
#[derive(Clone, Debug, Args)]
pub struct Asking {
    /// The daemon's socket. Without it, the one that the configuration names.
    #[arg(long, value_name = "PATH", env = "TOLOV_SOCKET")]
    pub socket: Option<PathBuf>,
    /// The configuration that says where the socket is [default: /etc/tolov/tolov.toml].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON, with stable names.
    #[arg(long)]
    pub json: bool,
}

/// `tolov status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov payment`.
#[derive(Debug, Subcommand)]
pub enum PaymentCommand {
    /// Payments, newest first.
    List(ListArgs),
    /// Everything about one payment.
    Show(ShowArgs),
    /// End a doubt: say whether the money moved, sign, and give the reason.
    Resolve(ResolveArgs),
    /// Call off the payment that waits at the counter.
    Cancel(CancelArgs),
}

/// `tolov payment list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those made with it: humo, click, payme or sbp.
    #[arg(long)]
    pub(super) method: Option<String>,
    /// Only those that stand there: created, paid, in_doubt, declined, ...
    #[arg(long)]
    pub(super) state: Option<String>,
    /// Only those with this order number of the till.
    #[arg(long, value_name = "NUMBER")]
    pub(super) order: Option<String>,
    /// Only those of this day where the terminal stands.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(super) day: Option<jiff::civil::Date>,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov payment show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The transaction_id, or its first digits.
    pub(super) id: String,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// How a doubt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// The money moved.
    Paid,
    /// It did not.
    Absent,
}

/// `tolov payment resolve`.
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The transaction_id, or its first digits.
    pub(super) id: String,
    /// Whether the money moved.
    pub(super) verdict: Verdict,
    /// Who signs; it is written into the journal.
    #[arg(long)]
    pub(super) name: String,
    /// How you know; it is written into the journal.
    #[arg(long)]
    pub(super) reason: String,
    /// The provider's payment id, from its cabinet (CLICK, PAYME).
    #[arg(long, value_name = "ID")]
    pub(super) payment_id: Option<String>,
    /// The RRN, from the PinPad's slip or report (HUMO).
    #[arg(long, conflicts_with = "payment_id")]
    pub(super) rrn: Option<String>,
    /// It is paid, and neither can be had.
    #[arg(long, conflicts_with_all = ["payment_id", "rrn"])]
    pub(super) no_evidence: bool,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov payment cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The transaction_id, or its first digits; without it, the one at the counter.
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov queue`.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Receipts that are queued or parked, oldest first.
    List(QueueListArgs),
    /// One receipt with everything about it.
    Show(ShowArgs),
    /// Send a receipt again, as it is or corrected.
    Retry(RetryArgs),
    /// Sign that a parked receipt was found at the provider, or at the operator of fiscal data.
    Confirm(ConfirmArgs),
}

/// `tolov queue list`.
#[derive(Debug, Args)]
pub struct QueueListArgs {
    /// Only those of it: click or payme.
    #[arg(long)]
    pub(super) method: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov queue retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The payment's transaction_id, or its first digits.
    pub(super) id: String,
    /// Who asks; it is written into the journal.
    #[arg(long)]
    pub(super) name: String,
    /// Another receipt in place of the parked one: its link.
    #[arg(long, value_name = "URL")]
    pub(super) link: Option<String>,
    /// The same, from a file that holds the link; for SBP the JSON document.
    #[arg(long, value_name = "FILE", conflicts_with = "link")]
    pub(super) with: Option<PathBuf>,
    /// The provider's own id of the sale, where its answer had none.
    #[arg(long, value_name = "ID")]
    pub(super) payment_id: Option<String>,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov queue confirm`.
#[derive(Debug, Args)]
pub struct ConfirmArgs {
    /// The payment's transaction_id, or its first digits.
    pub(super) id: String,
    /// What was found there: the receipt's number, its link, a line of the cabinet; it is written into the journal.
    #[arg(long, value_name = "TEXT")]
    pub(super) evidence: String,
    /// Who signs; it is written into the journal.
    #[arg(long)]
    pub(super) name: String,
    /// How you know; it is written into the journal.
    #[arg(long)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov shift`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ShiftArgs {
    #[command(subcommand)]
    pub(super) command: Option<ShiftCommand>,
    #[command(flatten)]
    pub(super) show: ShiftShowArgs,
}

/// `tolov shift` without another word.
#[derive(Debug, Args)]
pub struct ShiftShowArgs {
    /// The shift that was closed last, compared with the PinPad's slip.
    #[arg(long)]
    pub(super) last: bool,
    /// Print the totals as CSV.
    #[arg(long, conflicts_with = "json")]
    pub(super) csv: bool,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov shift ...`.
#[derive(Debug, Subcommand)]
pub enum ShiftCommand {
    /// Close the shift at the PinPad, wait for its slip and print it.
    Close(CloseArgs),
    /// End the doubt about a closing: say whether the PinPad did close the shift.
    Resolve(ShiftResolveArgs),
}

/// `tolov shift close`.
#[derive(Debug, Args)]
pub struct CloseArgs {
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// Whether a shift was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShiftVerdict {
    /// The PinPad closed it.
    Closed,
    /// It is still open.
    Open,
}

/// `tolov shift resolve`.
#[derive(Debug, Args)]
pub struct ShiftResolveArgs {
    /// What the PinPad's own report shows.
    pub(super) verdict: ShiftVerdict,
    /// Who signs; it is written into the journal.
    #[arg(long)]
    pub(super) name: String,
    /// How you know; it is written into the journal.
    #[arg(long)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov sales`.
#[derive(Debug, Subcommand)]
pub enum SalesCommand {
    /// Sign that no payment of the damaged store is open, and sell again.
    Open(SalesOpenArgs),
}

/// `tolov sales open`.
#[derive(Debug, Args)]
pub struct SalesOpenArgs {
    /// Who signs; it is written into the journal.
    #[arg(long)]
    pub(super) name: String,
    /// How you know; it is written into the journal.
    #[arg(long)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// `tolov pinpad`.
#[derive(Debug, Subcommand)]
pub enum PinpadCommand {
    /// Find out which speed, transport and way to write amounts the PinPad understands.
    Learn(LearnArgs),
}

/// `tolov pinpad learn`.
#[derive(Debug, Args)]
pub struct LearnArgs {
    /// The terminal's configuration; the daemon must not run.
    #[arg(long, value_name = "FILE", default_value = "/etc/tolov/tolov.toml")]
    pub(super) config: PathBuf,
    /// Another line than the board's.
    #[arg(long, value_name = "DEVICE")]
    pub(super) port: Option<PathBuf>,
    /// Also take one sum from a card of yours and void it: the only way to learn how amounts are written.
    #[arg(long)]
    pub(super) sale: bool,
    /// Where the masked conversation is written; never over another file.
    #[arg(long, value_name = "FILE", default_value = "pinpad.trace")]
    pub(super) trace: PathBuf,
}

/// `tolov audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The store's folder.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(super) store: Option<PathBuf>,
    /// The configuration that says where the store is.
    #[arg(long, value_name = "FILE", default_value = "/etc/tolov/tolov.toml")]
    pub(super) config: PathBuf,
    /// Print JSON, with stable names.
    #[arg(long)]
    pub(super) json: bool,
}

/// `tolov journal`.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Write the lines of one month to a file. Works with and without the daemon; nothing is cut off.
    Export(JournalArgs),
    /// Write the lines up to the end of a month to a file and cut them off, once everything in them is final. The daemon must be stopped.
    Compact(JournalArgs),
}

/// `tolov journal export`, `tolov journal compact`.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// Which month, where the terminal stands.
    #[arg(value_name = "YYYY-MM", value_parser = month)]
    pub(super) month: jiff::civil::Date,
    /// The file, one JSON object a line; never over another file.
    #[arg(long, value_name = "FILE")]
    pub(super) to: PathBuf,
    /// The store's folder.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(super) store: Option<PathBuf>,
    /// The configuration that says where the store is.
    #[arg(long, value_name = "FILE", default_value = "/etc/tolov/tolov.toml")]
    pub(super) config: PathBuf,
    /// Print JSON, with stable names.
    #[arg(long)]
    pub(super) json: bool,
}

/// The first day of a month.
fn month(text: &str) -> Result<jiff::civil::Date, String> {
    let first: Option<jiff::civil::Date> = format!("{text}-01").parse().ok();
    first.filter(|_| text.len() == "2026-11".len()).ok_or_else(|| "write it as 2026-11".to_owned())
}

/// `tolov check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/tolov/tolov.toml")]
    pub(super) config: PathBuf,
    /// Print JSON, with stable names.
    #[arg(long)]
    pub(super) json: bool,
}
