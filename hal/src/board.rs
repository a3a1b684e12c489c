//! What a box has: a board file becomes a typed [`Board`].
//!
//! Board files are data under `boards/`: one names the box it `inherits` from and says only what differs. This module
//! parses and joins texts; finding them on a disk is the caller's work.

use std::fmt;

use crate::document::{Document, Key, Problem, Problems, Section, Value};

/// A chain of `inherits` longer than this is a mistake.
const INHERITANCE_DEPTH_MAX: usize = 4;

/// Of a scanner on RS-232 that nobody configured; USB-CDC does not mind.
const SCANNER_BAUD: u32 = 9_600;

/// One box, with everything it inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// For people: "Raspberry Pi 4 with HDMI".
    pub title: String,
    /// How far it was tried; `boards/README.md` ranks by it.
    pub tier: Tier,
    /// The serial line to the PinPad; `None`: the box has none.
    pub pinpad: Option<PinPadLine>,
    /// The scanner in serial mode; `None`: the box has none.
    pub scanner: Option<ScannerLine>,
    /// What draws the picture.
    pub display: Display,
}

/// How far a board was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Runs in every check of this repository.
    Checked,
    /// Ran on the hardware.
    Ran,
    /// Written from documents, never run.
    Written,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checked => "1",
            Self::Ran => "2",
            Self::Written => "3",
        })
    }
}

/// Where the PinPad is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinPadLine {
    /// A stable name: one that udev keeps over unplugging and restarts.
    pub port: String,
    /// Bits a second; always 8 data bits, no parity, one stop bit.
    pub baud: u32,
}

/// Where a scanner in serial mode (USB-CDC, RS-232) is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannerLine {
    /// A stable name: one that udev keeps over unplugging and restarts.
    pub port: String,
    /// Bits a second, 8N1; without meaning for USB-CDC.
    pub baud: u32,
}

/// What draws the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    /// How the pixels get there.
    pub kind: DisplayKind,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// How the pixels get to the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisplayKind {
    /// They stay in memory and are read as a picture (virtual terminal, tests, a box without a screen).
    Memory,
    /// The kernel's framebuffer, `/dev/fb0`.
    Framebuffer,
}

/// A board file as somebody found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardText {
    /// For messages: where it was found.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Board {
    /// Reads `own` and everything that it inherits. `find` answers the name in `inherits` with that board's file, or with
    /// `None` where there is no such board.
    pub fn resolve(own: &BoardText, find: &dyn Fn(&str) -> Option<BoardText>) -> Result<Self, Problems> {
        let mut board = Written::read(own)?;
        let mut parent = board.inherits.take();
        let mut file = own.file.clone();
        for _ in 0..INHERITANCE_DEPTH_MAX {
            let Some(name) = parent else { return board.complete(&own.file) };
            let Some(text) = find(&name.value) else {
                let message = format!("inherits = \"{}\": there is no such board", name.value);
                return Err(one(&file, name.line, message));
            };
            let mut base = Written::read(&text)?;
            parent = base.inherits.take();
            file.clone_from(&text.file);
            board = board.over(base);
        }
        let message = format!("inherits more than {INHERITANCE_DEPTH_MAX} boards in a row: is it a circle?");
        Err(one(&own.file, 1, message))
    }
}

/// Every key that a board file may have, for its documentation.
///
/// # Panics
/// Never: an empty text is a file.
pub fn keys() -> Vec<Key> {
    let document = Document::parse("", "").expect("an empty text is a file");
    Written::ask(&document);
    document.keys()
}

/// What one file says; everything may be left to the board that it inherits.
#[derive(Debug, Default)]
struct Written {
    inherits: Option<Value<String>>,
    title: Option<String>,
    tier: Option<Tier>,
    pinpad_fitted: Option<bool>,
    port: Option<String>,
    baud: Option<u32>,
    scanner_port: Option<String>,
    scanner_baud: Option<u32>,
    kind: Option<DisplayKind>,
    width: Option<u32>,
    height: Option<u32>,
}

impl Written {
    fn read(source: &BoardText) -> Result<Self, Problems> {
        let document = Document::parse(&source.file, &source.text)?;
        let written = Self::ask(&document);
        document.finish()?;
        Ok(written)
    }

    fn ask(document: &Document<'_>) -> Self {
        let root = document.root();
        let mut written = Self {
            inherits: root.text("inherits"),
            title: root.text("title").map(|title| title.value),
            tier: root
                .choice("tier", &[("checked", Tier::Checked), ("ran", Tier::Ran), ("written", Tier::Written)])
                .map(|tier| tier.value),
            ..Self::default()
        };
        written.read_pinpad(root.table("pinpad"));
        written.read_scanner(root.table("scanner"));
        written.read_display(root.table("display"));
        root.end();
        written
    }

    fn read_pinpad(&mut self, pinpad: Section<'_>) {
        self.pinpad_fitted = pinpad.choice("fitted", &[("yes", true), ("no", false)]).map(|fitted| fitted.value);
        self.port = device(&pinpad, "/dev/tolov/pinpad");
        self.baud = pinpad.integer("baud", 1_200..=921_600).and_then(|baud| u32::try_from(baud.value).ok());
        pinpad.end();
    }

    fn read_scanner(&mut self, scanner: Section<'_>) {
        self.scanner_port = device(&scanner, "/dev/tolov/scanner");
        self.scanner_baud = scanner.integer("baud", 1_200..=921_600).and_then(|baud| u32::try_from(baud.value).ok());
        scanner.end();
    }

    fn read_display(&mut self, display: Section<'_>) {
        let kinds = [("memory", DisplayKind::Memory), ("framebuffer", DisplayKind::Framebuffer)];
        self.kind = display.choice("kind", &kinds).map(|kind| kind.value);
        self.width = display.integer("width", 128..=4_096).and_then(|width| u32::try_from(width.value).ok());
        self.height = display.integer("height", 64..=4_096).and_then(|height| u32::try_from(height.value).ok());
        display.end();
    }

    /// What this file says, and `base` where it says nothing.
    fn over(self, base: Self) -> Self {
        Self {
            inherits: None,
            title: self.title.or(base.title),
            tier: self.tier.or(base.tier),
            pinpad_fitted: self.pinpad_fitted.or(base.pinpad_fitted),
            port: self.port.or(base.port),
            baud: self.baud.or(base.baud),
            scanner_port: self.scanner_port.or(base.scanner_port),
            scanner_baud: self.scanner_baud.or(base.scanner_baud),
            kind: self.kind.or(base.kind),
            width: self.width.or(base.width),
            height: self.height.or(base.height),
        }
    }

    fn complete(self, file: &str) -> Result<Board, Problems> {
        let missing = |what: &str| one(file, 1, format!("neither this board nor what it inherits says {what}"));
        let fitted = self.pinpad_fitted.unwrap_or(true);
        let port = self.port.ok_or_else(|| missing("[pinpad] port"));
        let baud = self.baud.ok_or_else(|| missing("[pinpad] baud"));
        Ok(Board {
            title: self.title.ok_or_else(|| missing("title"))?,
            tier: self.tier.ok_or_else(|| missing("tier"))?,
            pinpad: if fitted { Some(PinPadLine { port: port?, baud: baud? }) } else { None },
            scanner: match (self.scanner_port, self.scanner_baud) {
                (Some(port), baud) => Some(ScannerLine { port, baud: baud.unwrap_or(SCANNER_BAUD) }),
                (None, Some(_)) => return Err(missing("[scanner] port")),
                (None, None) => None,
            },
            display: Display {
                kind: self.kind.ok_or_else(|| missing("[display] kind"))?,
                width: self.width.ok_or_else(|| missing("[display] width"))?,
                height: self.height.ok_or_else(|| missing("[display] height"))?,
            },
        })
    }
}

/// The name of a device: a path from the root.
fn device(section: &Section<'_>, example: &str) -> Option<String> {
    section.text("port").map(|port| {
        if !port.value.starts_with('/') {
            section.refuse(port.line, format!("port is not a device; write port = \"{example}\""));
        }
        port.value
    })
}

fn one(file: &str, line: usize, message: String) -> Problems {
    Problems(vec![Problem { file: file.to_owned(), line, message }])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "title = \"base\"\ntier = \"checked\"\n[pinpad]\nport = \"/dev/tolov/pinpad\"\nbaud = 115200\n\
                        [display]\nkind = \"memory\"\nwidth = 320\nheight = 240\n";

    fn resolve(own: &str) -> Result<Board, Problems> {
        let own = BoardText { file: "own.toml".into(), text: own.into() };
        Board::resolve(&own, &|name| {
            let text = match name {
                "base" => BASE,
                "circle" => "inherits = \"circle\"",
                _ => return None,
            };
            Some(BoardText { file: format!("{name}.toml"), text: text.into() })
        })
    }

    #[test]
    fn a_board_says_only_what_differs_from_the_one_it_inherits() {
        let board = resolve("inherits = \"base\"\ntitle = \"box\"\n[pinpad]\nbaud = 9600\n").unwrap();
        assert_eq!(board.title, "box");
        assert_eq!(board.pinpad, Some(PinPadLine { port: "/dev/tolov/pinpad".into(), baud: 9600 }));
        assert_eq!((board.display.width, board.display.height), (320, 240));
    }

    #[test]
    fn a_box_without_a_pinpad_says_so() {
        assert_eq!(resolve("inherits = \"base\"\n[pinpad]\nfitted = \"no\"\n").unwrap().pinpad, None);
    }

    #[test]
    fn problems_name_the_file_that_has_them() {
        assert_eq!(
            resolve("inherits = \"nobody\"").unwrap_err().to_string(),
            "own.toml:1: inherits = \"nobody\": there is no such board"
        );
        assert_eq!(
            resolve("title = \"x\"\n[pinpad]\nport = \"COM3\"\n").unwrap_err().to_string(),
            "own.toml:3: port is not a device; write port = \"/dev/tolov/pinpad\""
        );
        assert!(resolve("inherits = \"circle\"").unwrap_err().to_string().contains("circle?"));
        assert_eq!(
            resolve("title = \"x\"\ntier = \"ran\"\n").unwrap_err().to_string(),
            "own.toml:1: neither this board nor what it inherits says [pinpad] port"
        );
    }
}
