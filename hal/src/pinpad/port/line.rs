//! The tty and what has to be remembered of it: bytes said unasked, bytes not yet written, whether the PinPad answers.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_serial::{SerialPort, SerialPortBuilderExt, SerialStream};

use super::PortSettings;
use crate::pinpad::arcus2::dialogue::Transmit;
use crate::pinpad::arcus2::frame::Codec;

/// The open line, between and during runs.
pub(super) struct Line {
    pub(super) read: ReadHalf<SerialStream>,
    pub(super) writer: Writer,
    /// Said while no run was on.
    pub(super) idle: Vec<u8>,
    /// `None` while a dialogue has it.
    pub(super) codec: Option<Codec>,
    /// The PinPad did not answer a ping at this time, and not since.
    pub(super) mute_since: Option<Duration>,
}

impl Line {
    pub(super) fn keep(&mut self, bytes: &[u8], limit: usize) {
        if self.idle.len() + bytes.len() > limit {
            tracing::warn!("more bytes than any PinPad says unasked; dropped");
            self.idle.clear();
        } else {
            self.idle.extend_from_slice(bytes);
        }
    }
}

/// What is still to be written to it.
pub(super) struct Writer {
    pub(super) write: WriteHalf<SerialStream>,
    pub(super) unwritten: VecDeque<Transmit>,
}

impl Writer {
    pub(super) fn request_is_next(&self) -> bool {
        self.unwritten.front().is_some_and(|t| t.is_request)
    }

    /// Write what the line takes of the first frame; true when a byte of the request was among it. Cancel-safe: a
    /// write either took bytes or did not happen.
    pub(super) async fn write_some(&mut self) -> io::Result<bool> {
        let Some(first) = self.unwritten.front_mut() else { return Ok(false) };
        let count = self.write.write(&first.bytes).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        first.bytes.drain(..count);
        let of_request = first.is_request;
        if first.bytes.is_empty() {
            self.unwritten.pop_front();
        }
        Ok(of_request)
    }
}

/// Open the tty as the settings say.
pub(super) fn open(settings: &PortSettings) -> io::Result<SerialStream> {
    let path = settings.path.to_string_lossy();
    let mut serial =
        tokio_serial::new(path, settings.baud).dtr_on_open(true).open_native_async().map_err(io::Error::from)?;
    // A pty has no modem lines (ENOTTY), and some USB adapters none either: the PinPad does not need them to be told.
    if let Err(error) = serial.write_request_to_send(true) {
        tracing::debug!(%error, "RTS cannot be raised on this line");
    }
    Ok(serial)
}
