//! A till that follows the journal: Server-Sent Events over HTTP/1.1 in the test's own words, as the standard has them read.

#![allow(unreachable_pub, reason = "a part of one test")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::PATIENCE;
use super::support::http::Answer;

/// One event, as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// A stream that was opened.
pub struct Stream {
    reader: BufReader<TcpStream>,
    /// Bytes of chunks that are no whole line yet.
    line: Vec<u8>,
    chunk: Vec<u8>,
    /// The id that a reconnect sends.
    pub last_id: Option<String>,
    /// Comments that came so far.
    pub comments: usize,
}

/// Ask for the stream with these headers. A refusal is answered as it came.
pub fn follow(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Result<Stream, Answer>> {
    follow_by(TcpStream::connect_timeout(&address, Duration::from_secs(5))?, path, headers)
}

/// The same by a connection that is there.
pub fn follow_by(stream: TcpStream, path: &str, headers: &[(&str, &str)]) -> io::Result<Result<Stream, Answer>> {
    let address = stream.peer_addr()?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    (&stream).write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let field = |name: &str| {
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|v| v.trim().to_owned()))
    };
    if status == 200 {
        assert_eq!(field("content-type:").as_deref(), Some("text/event-stream"), "{head}");
        return Ok(Ok(Stream { reader, line: Vec::new(), chunk: Vec::new(), last_id: None, comments: 0 }));
    }
    let length = field("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    Ok(Err(Answer { status, head, body }))
}

impl Stream {
    /// The next event; nothing at the end of the stream. What comes has [`PATIENCE`], however alive the line is.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        let (mut id, mut name, mut data) = (None, String::new(), String::new());
        let since = Instant::now();
        while let Some(line) = self.line()? {
            if since.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "signs of life and no event"));
            }
            if line.is_empty() {
                // An id is taken in also where there is nothing to tell.
                if let Some(id) = &id {
                    self.last_id = Some(String::clone(id));
                }
                if data.is_empty() {
                    (id, name) = (None, String::new());
                    continue;
                }
                let data = serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e}: {data}"));
                return Ok(Some(Event { id, name, data }));
            }
            let (field, value) = line.split_once(": ").unwrap_or((line.as_str(), ""));
            match field {
                "id" => id = Some(value.to_owned()),
                "event" => value.clone_into(&mut name),
                "data" => data.push_str(value),
                "retry" => assert!(value.parse::<u64>().is_ok(), "{line}"),
                ":" | "" => self.comments += 1,
                _ => panic!("no field of an event: {line:?}"),
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                self.line.extend(self.chunk.drain(..=end));
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8(line).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
                return Ok(Some(line.trim_end_matches('\n').to_owned()));
            }
            self.line.append(&mut self.chunk);
            if !self.read_chunk()? {
                return Ok(None);
            }
        }
    }

    /// One chunk of the body. Whether there was one.
    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut head = String::new();
        if self.reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length =
            usize::from_str_radix(head.trim(), 16).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk)?;
        chunk.truncate(length);
        self.chunk = chunk;
        Ok(length > 0)
    }
}
