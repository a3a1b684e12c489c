//! The simulated bank's books: what was really charged, whatever anybody was told. Tests compare the till's books
//! with these.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What was done to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Money taken.
    Sale,
    /// Money given back.
    Refund,
}

/// One authorised operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Sale or refund.
    pub kind: Kind,
    /// What the card was charged or given, minor units.
    pub amount_minor: u64,
    /// Retrieval reference number, unique.
    pub rrn: String,
    /// Authorisation code.
    pub authorisation_code: String,
    /// Number of the slip within the shift.
    pub receipt_number: u32,
    /// The shift it belongs to.
    pub shift: u32,
    /// Cancelled by a void.
    pub voided: bool,
}

/// The books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Every authorised operation, oldest first. Declined ones are not here: no money moved.
    pub entries: Vec<Entry>,
    /// The open shift, from 1.
    pub shift: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { entries: Vec::new(), shift: 1 }
    }
}

impl Ledger {
    /// Read the books from their file; empty when there is none yet. A last line that was cut is not there.
    ///
    /// # Errors
    /// The file cannot be read, or a line other than the last is damaged.
    pub fn load(path: &Path) -> io::Result<Self> {
        let mut ledger = Self::default();
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ledger),
            file => file?,
        };
        let lines: Vec<String> = BufReader::new(file).lines().collect::<io::Result<_>>()?;
        for (at, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(change) => ledger.apply(change),
                Err(_) if at + 1 == lines.len() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ledger)
    }

    /// Money that the till's customers are out of: sales that were not voided, less refunds; minor units.
    #[must_use]
    pub fn balance_minor(&self) -> i128 {
        let signed = |e: &Entry| match e.kind {
            Kind::Sale if !e.voided => i128::from(e.amount_minor),
            Kind::Refund => -i128::from(e.amount_minor),
            Kind::Sale => 0,
        };
        self.entries.iter().map(signed).sum()
    }

    /// The operations of the open shift.
    pub fn open_shift(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.shift == self.shift)
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Authorised(entry) => self.entries.push(entry),
            Change::Voided(rrn) => self.entries.iter_mut().filter(|e| e.rrn == rrn).for_each(|e| e.voided = true),
            Change::Settled(shift) => self.shift = shift + 1,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Authorised(Entry),
    Voided(String),
    Settled(u32),
}

/// The books and the file they are kept in.
pub(super) struct Books {
    pub(super) ledger: Ledger,
    file: Option<File>,
}

impl Books {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self { ledger: Ledger::default(), file: None }) };
        let ledger = Ledger::load(path)?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { ledger, file: Some(file) })
    }

    /// The bank agrees: on paper before anybody is told.
    pub(super) fn authorise(&mut self, kind: Kind, amount_minor: u64) -> io::Result<Entry> {
        let number = self.ledger.entries.len() as u64 + 1;
        let entry = Entry {
            kind,
            amount_minor,
            rrn: format!("{:012}", 231_511_584_000 + number),
            authorisation_code: format!("{:06}", (728_891 + number) % 1_000_000),
            receipt_number: u32::try_from(self.ledger.open_shift().count()).unwrap_or(u32::MAX).saturating_add(1),
            shift: self.ledger.shift,
            voided: false,
        };
        self.write(Change::Authorised(entry.clone()))?;
        Ok(entry)
    }

    /// Cancel the sale of the open shift that has this RRN or receipt number and this amount; `None` when there is none.
    pub(super) fn void(&mut self, reference: &str, amount_minor: u64) -> io::Result<Option<Entry>> {
        let found = self.ledger.open_shift().find(|e| {
            let named = e.rrn == reference || e.receipt_number.to_string() == reference;
            named && e.kind == Kind::Sale && e.amount_minor == amount_minor && !e.voided
        });
        let Some(entry) = found.cloned() else { return Ok(None) };
        self.write(Change::Voided(entry.rrn.clone()))?;
        Ok(Some(Entry { voided: true, ..entry }))
    }

    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.write(Change::Settled(self.ledger.shift))
    }

    fn write(&mut self, change: Change) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&change)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.ledger.apply(change);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_survive_their_process() {
        let path = std::env::temp_dir().join(format!("tolov-ledger-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut books = Books::open(Some(&path)).expect("opens");
        let sale = books.authorise(Kind::Sale, 100).expect("writes");
        books.authorise(Kind::Sale, 200).expect("writes");
        assert_eq!(books.void(&sale.rrn, 999).expect("writes"), None, "another amount is another sale");
        assert!(books.void(&sale.rrn, 100).expect("writes").is_some());
        assert_eq!(books.void(&sale.rrn, 100).expect("writes"), None, "a void happens once");
        books.settle().expect("writes");
        let again = Ledger::load(&path).expect("loads");
        assert_eq!(again, books.ledger);
        assert_eq!((again.shift, again.balance_minor()), (2, 200));
        std::fs::remove_file(&path).expect("removes");
    }
}
