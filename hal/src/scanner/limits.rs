//! How long and how much of a scan, with the reasons. The caller may fill in its own.

use std::time::Duration;

/// Bounds of one scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest line, bytes. 512: the longest real code, a fiscal link, has about 120.
    pub line_bytes: usize,
    /// Silence that ends a line without an end. 300 ms: scanners without a line end in their settings are heard this way too.
    pub line: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: 512, line: Duration::from_millis(300) }
    }
}
