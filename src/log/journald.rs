//! Entries of systemd's journal, in its native protocol (`systemd.io/JOURNAL_NATIVE_PROTOCOL`): each is one datagram of fields, a field its
//! name, the length of its value as 64 bits (little end first), and the value.

use std::fmt::{Debug, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::voice::{Spoken, Voice};

const SOCKET: &str = "/run/systemd/journal/socket";

/// Before the names of our own fields: `journalctl TOLOV_TRANSACTION_ID=…`.
const PREFIX: &str = "TOLOV_";

/// The field that has the line for people.
const MESSAGE: &str = "message";

/// Makes an entry of each event, with the fields of the spans that it stands in.
pub(super) struct Journal(Voice);

/// A span's own fields, as they stand in each of its entries.
struct Fields(Vec<u8>);

impl Journal {
    /// The journal of this machine.
    ///
    /// # Errors
    /// Nobody listens where it should be.
    pub(super) fn open() -> io::Result<(Self, Spoken)> {
        let socket = UnixDatagram::unbound()?;
        // An entry without fields is none: it only shows that somebody listens.
        socket.send_to(&[], SOCKET)?;
        let (voice, spoken) = Voice::open(move |entry| socket.send_to(entry, SOCKET).map(|_| ()));
        Ok((Self(voice), spoken))
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Vec::new();
        put(&mut fields, "SPAN_NAME", span.name());
        attributes.record(&mut Into(&mut fields));
        span.extensions_mut().insert(Fields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Fields(fields)) = span.extensions_mut().get_mut() {
            values.record(&mut Into(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut entry = Vec::new();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(fields)) = span.extensions().get() {
                entry.extend_from_slice(fields);
            }
        }
        put_source(&mut entry, event.metadata());
        event.record(&mut Into(&mut entry));
        self.0.say(entry);
    }
}

fn put_source(entry: &mut Vec<u8>, about: &Metadata<'_>) {
    // The journal's scale is syslog's: 3 is an error, 7 the finest.
    let priority = match *about.level() {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "5",
        Level::DEBUG => "6",
        Level::TRACE => "7",
    };
    put(entry, "PRIORITY", priority);
    put(entry, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
    put(entry, "TARGET", about.target());
    if let (Some(file), Some(line)) = (about.file(), about.line()) {
        put(entry, "CODE_FILE", file);
        put(entry, "CODE_LINE", &line.to_string());
    }
}

fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// What is recorded goes into these bytes.
struct Into<'a>(&'a mut Vec<u8>);

impl Visit for Into<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            return put(self.0, "MESSAGE", value);
        }
        let name = field.name().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        put(self.0, &PREFIX.chars().chain(name).collect::<String>(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{info_span, warn};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// An entry's fields, read by the protocol's own rule.
    fn fields(mut entry: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
            let (name, rest) = (entry[..end].to_vec(), &entry[end + 1..]);
            let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
            let value = rest[8..8 + length].to_vec();
            assert_eq!(rest[8 + length], b'\n');
            fields.push((String::from_utf8(name).unwrap(), String::from_utf8(value).unwrap()));
            entry = &rest[8 + length + 1..];
        }
        fields
    }

    #[test]
    fn an_entry_has_the_fields_of_its_event_and_of_every_span_whatever_they_hold() {
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let written = heard.clone();
        let (voice, spoken) = Voice::open(move |entry| {
            written.lock().unwrap().push(entry.to_vec());
            Ok(())
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Journal(voice)), || {
            let span = info_span!("payment", transaction_id = "ee000d20", method = tracing::field::Empty);
            let _inside = span.enter();
            span.record("method", "click");
            warn!(amount_minor = 500, "log.word" = "a\nb\nPRIORITY=0", "two\nlines");
        });
        drop(spoken);
        let entries = heard.lock().unwrap();
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        let fields = fields(entry);
        let of = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        for (name, value) in [
            ("SPAN_NAME", "payment"),
            ("TOLOV_TRANSACTION_ID", "ee000d20"),
            ("TOLOV_METHOD", "click"),
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "tolov"),
            ("TARGET", module_path!()),
            ("TOLOV_AMOUNT_MINOR", "500"),
            ("TOLOV_LOG_WORD", "a\nb\nPRIORITY=0"),
            ("MESSAGE", "two\nlines"),
        ] {
            assert_eq!(of(name), Some(value), "{name} of {fields:?}");
        }
        assert_eq!(fields.iter().filter(|(name, _)| name == "PRIORITY").count(), 1);
    }
}
