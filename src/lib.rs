//! Payment terminal.
