//! The code scanner. What it reads is text; what the text is worth is its caller's business.
//!
//! - [`mod@line`]: bytes of a scanner in serial mode (USB-CDC, RS-232) → one text a scan; sans-IO
//! - [`port`]: the tty itself, opened again whenever it vanishes

pub mod limits;
pub mod line;
pub mod port;

/// What a scanner's port tells its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The scanner is there.
    Up,
    /// It is not; the port goes on trying.
    Down {
        /// For the technician: the system's words.
        why: String,
    },
    /// It read this: one line, without its end and without control characters.
    Scanned(String),
    /// It sent something that is no scan.
    Refused(line::Refusal),
}
