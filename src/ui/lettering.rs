//! Letters. One bitmap font of 10×20 pixels holds every Uzbek, Russian and English letter; the larger sizes are made from it: three times and
//! two times larger with the corners followed (the Scale3x and Scale2x rules), then averaged down, so that big text has smooth edges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{BinaryColor, Rgb565, RgbColor};
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Pixel, draw_target::DrawTargetExt};
use embedded_graphics_unicodefonts::MONO_10X20;

/// Separates groups of digits; set half as wide as a letter.
pub(super) const GROUP_SPACE: char = '\u{202f}';

const FONT: &MonoFont<'_> = &MONO_10X20;
/// The font's cell, and how many times larger the master is from which every other size is made.
const CELL_WIDTH: usize = 10;
const CELL_HEIGHT: usize = 20;
const MASTER: usize = 6;

/// How large letters are. The numbers are pixels of one letter's cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Height {
    /// 10×20, the font as it is.
    Small,
    /// 12×24.
    Medium,
    /// 15×30.
    Large,
    /// 20×40.
    Huge,
    /// 30×60, for amounts.
    Giant,
}

impl Height {
    /// How many pixels of the master are averaged into one, in each direction.
    fn box_side(self) -> usize {
        match self {
            Self::Small => 6,
            Self::Medium => 5,
            Self::Large => 4,
            Self::Huge => 3,
            Self::Giant => 2,
        }
    }

    /// The count that [`coverage`] gives a pixel that is all ink.
    fn full(self) -> u8 {
        match self {
            Self::Small => 1,
            Self::Medium => 25,
            Self::Large => 16,
            Self::Huge => 9,
            Self::Giant => 4,
        }
    }

    /// Pixels from one letter to the next.
    fn advance(self, letter: char) -> usize {
        if is_narrow(letter) { self.cell() / 2 } else { self.cell() }
    }

    /// Pixels across a whole cell.
    fn cell(self) -> usize {
        CELL_WIDTH * MASTER / self.box_side()
    }

    /// Pixels from one line to the next.
    pub(super) fn line(self) -> i32 {
        to_i32(CELL_HEIGHT * MASTER / self.box_side())
    }

    /// Pixels from the top of a line to the feet of its letters.
    pub(super) fn baseline(self) -> i32 {
        to_i32((CELL_HEIGHT - 4) * MASTER / self.box_side())
    }

    /// Pixels that `text` takes in one line.
    pub(super) fn width(self, text: &str) -> i32 {
        to_i32(text.chars().map(|c| self.advance(c)).sum())
    }
}

/// Set half as wide as a letter: the space between groups of digits, and the comma above oʻ and gʻ, which would tear a word apart. Of their
/// pictures the middle half is drawn, and there is nothing beside it.
fn is_narrow(letter: char) -> bool {
    matches!(letter, GROUP_SPACE | 'ʻ' | '’')
}

/// Whether the font has a picture for `letter`.
#[cfg(test)]
pub(super) fn has(letter: char) -> bool {
    FONT.glyph_mapping.index(letter) != FONT.glyph_mapping.index('\u{fffd}')
}

/// Break `text` at its spaces into lines of at most `width` pixels. A word that is wider than a line is cut.
pub(super) fn wrap(text: &str, height: Height, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split([' ', '\n']).filter(|w| !w.is_empty()) {
        if let Some(last) = lines.last_mut() {
            let longer = format!("{last} {word}");
            if height.width(&longer) <= width {
                *last = longer;
                continue;
            }
        }
        lines.push(cut(word, height, width));
    }
    lines
}

/// `text` if it fits into `width` pixels, else its beginning and an ellipsis.
pub(super) fn cut(text: &str, height: Height, width: i32) -> String {
    if height.width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        if height.width(&kept) + height.width(&format!("{letter}…")) > width {
            break;
        }
        kept.push(letter);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Text that others wrote (the PinPad, a provider, the store): one line, printable, without letters that the font lacks.
pub(super) fn tame(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c });
    spaced.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Draw one line of text with its top left corner at `at`. `ink` on `paper`: the cells' background is painted too.
pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(
    target: &mut D,
    text: &str,
    at: Point,
    height: Height,
    (ink, paper): (Rgb565, Rgb565),
) -> Result<(), D::Error> {
    let mut x = at.x;
    for letter in text.chars() {
        let advance = height.advance(letter);
        if !letter.is_whitespace() {
            let size = Size::new(to_u32(advance), to_u32(CELL_HEIGHT * MASTER / height.box_side()));
            let area = Rectangle::new(Point::new(x, at.y), size);
            let full = height.full();
            let pixels = coverage(letter, height);
            target.fill_contiguous(&area, pixels.iter().map(|covered| mix(ink, paper, *covered, full)))?;
        }
        x += to_i32(advance);
    }
    Ok(())
}

/// How much of each pixel of a letter is ink, row by row, of [`Height::full`]. Made once for each letter and height: a display has some
/// hundred letters, and a small box is slow at making them.
fn coverage(letter: char, height: Height) -> Arc<[u8]> {
    type Made = BTreeMap<(char, Height), Arc<[u8]>>;
    static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let glyph = Bits::of(letter);
        let pixels = match height {
            Height::Small => glyph.averaged(1),
            _ => glyph.three_times_larger().two_times_larger().averaged(height.box_side()),
        };
        let (cell, kept) = (height.cell(), height.advance(letter));
        let left = (cell - kept).div_ceil(2);
        pixels.chunks(cell).flat_map(|row| &row[left..left + kept]).copied().collect()
    };
    made.entry((letter, height)).or_insert_with(make).clone()
}

/// `part` of `whole` ink over paper.
fn mix(ink: Rgb565, paper: Rgb565, part: u8, whole: u8) -> Rgb565 {
    let (part, whole) = (u16::from(part), u16::from(whole));
    let channel = |ink: u8, paper: u8| {
        let sum = u16::from(ink) * part + u16::from(paper) * (whole - part);
        u8::try_from((sum + whole / 2) / whole).unwrap_or(u8::MAX)
    };
    Rgb565::new(channel(ink.r(), paper.r()), channel(ink.g(), paper.g()), channel(ink.b(), paper.b()))
}

/// A black and white picture of one letter.
struct Bits {
    width: usize,
    height: usize,
    bits: Vec<bool>,
}

impl Bits {
    /// The letter as the font has it.
    fn of(letter: char) -> Self {
        let mut bits = Self::empty(CELL_WIDTH, CELL_HEIGHT);
        let mut bytes = [0; 4];
        let style = MonoTextStyle::new(FONT, BinaryColor::On);
        let text = Text::with_baseline(letter.encode_utf8(&mut bytes), Point::zero(), style, Baseline::Top);
        let area = Rectangle::new(Point::zero(), bits.size());
        let Ok(_) = text.draw(&mut bits.clipped(&area));
        bits
    }

    fn empty(width: usize, height: usize) -> Self {
        Self { width, height, bits: vec![false; width * height] }
    }

    /// The pixel at (x, y); white outside.
    fn at(&self, x: usize, y: usize) -> bool {
        x < self.width && y < self.height && self.bits[y * self.width + x]
    }

    /// The pixel and its eight neighbours, row by row.
    fn around(&self, x: usize, y: usize) -> [bool; 9] {
        let (left, up) = (x.wrapping_sub(1), y.wrapping_sub(1));
        let row = |y| [self.at(left, y), self.at(x, y), self.at(x + 1, y)];
        let ([a, b, c], [d, e, f], [g, h, i]) = (row(up), row(y), row(y + 1));
        [a, b, c, d, e, f, g, h, i]
    }

    /// The Scale2x rule: a corner takes the colour of its two neighbours where an edge runs through it.
    fn two_times_larger(&self) -> Self {
        self.larger(2, |[_, b, _, d, e, f, _, h, _]| {
            let corner = |p: bool, q: bool, r: bool, s: bool| if p == q && q != r && p != s { p } else { e };
            [corner(d, b, f, h), corner(b, f, h, d), corner(h, d, b, f), corner(f, h, d, b)]
        })
    }

    /// The Scale3x rule: the same with nine pixels.
    fn three_times_larger(&self) -> Self {
        self.larger(3, |[a, b, c, d, e, f, g, h, i]| {
            let up_left = d == b && b != f && d != h;
            let up_right = b == f && b != d && f != h;
            let down_left = d == h && d != b && h != f;
            let down_right = h == f && d != h && b != f;
            let pick = |turn: bool, other: bool| if turn { other } else { e };
            [
                pick(up_left, d),
                pick((up_left && e != c) || (up_right && e != a), b),
                pick(up_right, f),
                pick((up_left && e != g) || (down_left && e != a), d),
                e,
                pick((up_right && e != i) || (down_right && e != c), f),
                pick(down_left, d),
                pick((down_left && e != i) || (down_right && e != g), h),
                pick(down_right, f),
            ]
        })
    }

    /// Every pixel becomes `times`×`times` pixels, named by `rule` from its neighbourhood, row by row.
    fn larger<const N: usize>(&self, times: usize, rule: impl Fn([bool; 9]) -> [bool; N]) -> Self {
        let mut larger = Self::empty(self.width * times, self.height * times);
        for y in 0..self.height {
            for x in 0..self.width {
                for (n, bit) in rule(self.around(x, y)).into_iter().enumerate() {
                    larger.bits[(y * times + n / times) * larger.width + x * times + n % times] = bit;
                }
            }
        }
        larger
    }

    /// How many black pixels every box of `side`×`side` holds, row by row.
    fn averaged(&self, side: usize) -> Vec<u8> {
        let (columns, rows) = (self.width / side, self.height / side);
        let mut counts = vec![0; columns * rows];
        for y in 0..rows * side {
            for x in 0..columns * side {
                counts[y / side * columns + x / side] += u8::from(self.at(x, y));
            }
        }
        counts
    }
}

impl OriginDimensions for Bits {
    fn size(&self) -> Size {
        Size::new(to_u32(self.width), to_u32(self.height))
    }
}

impl DrawTarget for Bits {
    type Color = BinaryColor;
    type Error = core::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y))
                && x < self.width
                && y < self.height
            {
                self.bits[y * self.width + x] = color.is_on();
            }
        }
        Ok(())
    }
}

fn to_i32(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_letter_that_a_pinpad_may_send() {
        let cyrillic = ('\u{410}'..='\u{44f}').chain("ЁёЎўҚқҒғҲҳЄєІіЇїЂђЃѓЉљЊњЌќЋћЏџЅѕҐґ".chars());
        let signs = "«»„“”‘’ʻ…–—•·№€†‡‰‹›™¦§©¬®°±µ¶".chars().chain(' '..='~');
        let missing: String = cyrillic.chain(signs).filter(|c| !has(*c)).collect();
        assert_eq!(missing, "");
        assert!(!has('₽'), "the font has no rouble sign, so amounts spell it out");
    }

    #[test]
    fn lines_break_at_spaces_and_never_exceed_the_width() {
        let lines = wrap("one two three four", Height::Small, 90);
        assert_eq!(lines, ["one two", "three", "four"]);
        assert_eq!(wrap("abcdefghij", Height::Small, 50), ["abcd…"]);
        assert_eq!(cut("abcde", Height::Small, 50), "abcde");
        assert_eq!(wrap("", Height::Small, 50), Vec::<String>::new());
    }

    #[test]
    fn a_letter_grows_without_changing_its_weight() {
        let small = Bits::of('8');
        let black = small.bits.iter().filter(|b| **b).count();
        let large = small.three_times_larger().two_times_larger();
        assert_eq!((large.width, large.height), (60, 120));
        let grown = large.bits.iter().filter(|b| **b).count();
        assert!(black > 20 && grown.abs_diff(black * 36) < black * 36 / 5, "{black} became {grown}");
    }

    #[test]
    fn a_narrow_letter_loses_nothing_but_the_room_beside_it() {
        let ink = |pixels: &[u8]| pixels.iter().map(|p| usize::from(*p)).sum::<usize>();
        for letter in ['ʻ', '’'] {
            assert!(is_narrow(letter));
            let whole = ink(&Bits::of(letter).averaged(1));
            assert!(whole > 5 && ink(&coverage(letter, Height::Small)) == whole, "{letter}");
        }
    }

    #[test]
    fn foreign_text_becomes_one_printable_line() {
        assert_eq!(tame("ВСТАВЬТЕ\r\n  КАРТУ\u{7}"), "ВСТАВЬТЕ КАРТУ");
    }
}
