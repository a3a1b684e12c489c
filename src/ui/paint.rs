//! The parts that every screen is made of: the coloured band with an icon and a headline, the amount, lines of text, the warning strip, the footer.
//! 320×240 pixels, laid out for eyes at one and a half metres.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::primitives::{Circle, Primitive, PrimitiveStyle, Rectangle, RoundedRectangle};

use super::icons::{self, Icon};
use super::lettering::{self, Height};
use super::text::{self, Language, Place, Texts};
use crate::payment::Money;

/// Pixels across.
pub(super) const WIDTH: i32 = 320;
/// Pixels down.
pub(super) const HEIGHT: i32 = 240;
/// The band at the top.
pub(super) const BAND: i32 = 60;
/// Where the footer begins.
pub(super) const FOOTER: i32 = 218;
const STRIP: i32 = 187;
const STRIP_HEIGHT: u32 = 27;
const MARGIN: i32 = 8;

/// The colours. Each pair of ink and ground keeps a contrast of at least 4.5 : 1.
pub(super) mod color {
    use embedded_graphics::pixelcolor::Rgb565;

    const fn rgb(r: u8, g: u8, b: u8) -> Rgb565 {
        Rgb565::new(r >> 3, g >> 2, b >> 3)
    }

    /// The background; the same white in every channel, so that no panel tints it.
    pub(crate) const PAPER: Rgb565 = rgb(0xff, 0xff, 0xff);
    /// The modules of a code: nothing that a camera could take for grey.
    pub(crate) const BLACK: Rgb565 = rgb(0, 0, 0);
    /// Text.
    pub(crate) const INK: Rgb565 = rgb(0x18, 0x20, 0x30);
    /// Text that is read second.
    pub(crate) const MUTED: Rgb565 = rgb(0x50, 0x5c, 0x70);
    /// Lines.
    pub(crate) const HAIR: Rgb565 = rgb(0xd8, 0xdc, 0xe0);
    /// Nothing goes on, or it was called off.
    pub(crate) const SLATE: Rgb565 = rgb(0x48, 0x54, 0x68);
    /// Waiting.
    pub(crate) const BLUE: Rgb565 = rgb(0x18, 0x58, 0xa8);
    /// Paid.
    pub(crate) const GREEN: Rgb565 = rgb(0x10, 0x78, 0x48);
    /// Refused.
    pub(crate) const RED: Rgb565 = rgb(0xb0, 0x20, 0x28);
    /// In doubt; carries dark text.
    pub(crate) const AMBER: Rgb565 = rgb(0xf8, 0xb8, 0x30);
    /// A dark amber, for signs on the background.
    pub(crate) const UMBER: Rgb565 = rgb(0x90, 0x58, 0x00);
}

/// The colour of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing to do.
    Quiet,
    /// Somebody is awaited or at work.
    Waiting,
    /// The money moved.
    Good,
    /// It did not, or nothing can be sold.
    Bad,
    /// Nobody knows, or somebody has to look.
    Doubt,
}

impl Tone {
    fn ground(self) -> Rgb565 {
        match self {
            Self::Quiet => color::SLATE,
            Self::Waiting => color::BLUE,
            Self::Good => color::GREEN,
            Self::Bad => color::RED,
            Self::Doubt => color::AMBER,
        }
    }

    fn ink(self) -> Rgb565 {
        if self == Self::Doubt { color::INK } else { color::PAPER }
    }
}

/// Paints on a target in one language, and remembers where it wrote, so that a test can see what overlaps.
pub(super) struct Painter<'a, D> {
    target: &'a mut D,
    language: Language,
    written: Vec<Rectangle>,
}

impl<'a, D: DrawTarget<Color = Rgb565>> Painter<'a, D> {
    /// A painter on a clean background.
    pub(super) fn new(target: &'a mut D, language: Language) -> Result<Self, D::Error> {
        let mut painter = Self { target, language, written: Vec::new() };
        painter.fill(0, 0, WIDTH, HEIGHT, color::PAPER)?;
        Ok(painter)
    }

    /// The language to paint in.
    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// The messages to paint.
    pub(super) fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// Where text was written.
    #[cfg(test)]
    pub(super) fn written(&self) -> &[Rectangle] {
        &self.written
    }

    /// The band at the top: what state this is, by colour, shape and word.
    pub(super) fn band(&mut self, tone: Tone, icon: Icon, headline: &str) -> Result<(), D::Error> {
        self.fill(0, 0, WIDTH, BAND, tone.ground())?;
        icons::disc(self.target, icon, Point::new(34, BAND / 2), (tone.ground(), tone.ink()))?;
        let (height, lines) = Place::Headline.set(headline);
        let mut y = (BAND - height.line() * count(&lines)) / 2;
        for line in lines {
            self.line(&line, Point::new(68, y), height, (tone.ink(), tone.ground()))?;
            y += height.line();
        }
        Ok(())
    }

    /// The band's sign alone, over a part of the width.
    pub(super) fn block(&mut self, tone: Tone, icon: Icon, x: i32, width: i32) -> Result<(), D::Error> {
        self.fill(x, 0, width, BAND, tone.ground())?;
        icons::disc(self.target, icon, Point::new(x + width / 2, BAND / 2), (tone.ground(), tone.ink()))
    }

    /// Words in the place of that sign.
    pub(super) fn block_saying(&mut self, tone: Tone, words: &str, x: i32, width: i32) -> Result<(), D::Error> {
        self.fill(x, 0, width, BAND, tone.ground())?;
        let (height, lines) = Place::Block.set(words);
        let mut y = (BAND - height.line() * count(&lines)) / 2;
        for line in lines {
            let left = x + (width - height.width(&line)) / 2;
            self.line(&line, Point::new(left, y), height, (tone.ink(), tone.ground()))?;
            y += height.line();
        }
        Ok(())
    }

    /// The amount in the middle, as large as fits, but no larger than `largest`, with its unit at its feet. Returns where it ends below.
    pub(super) fn amount(&mut self, money: Money, top: i32, largest: Height) -> Result<i32, D::Error> {
        let (number, unit) = text::amount(money, self.language);
        let heights = [
            (Height::Giant, Height::Large),
            (Height::Huge, Height::Medium),
            (Height::Large, Height::Medium),
            (Height::Medium, Height::Small),
        ];
        let gap = 8;
        let width = |(big, small): (Height, Height)| big.width(&number) + gap + small.width(unit);
        let fitting = heights.into_iter().filter(|(big, _)| *big <= largest).find(|pair| width(*pair) <= WIDTH - 12);
        let (big, small) = fitting.unwrap_or((Height::Small, Height::Small));
        let left = (WIDTH - width((big, small))) / 2;
        // A smaller amount stands in the middle of the room that the largest would take.
        let y = top + (largest.line() - big.line()) / 2;
        self.line(&number, Point::new(left, y), big, (color::INK, color::PAPER))?;
        let at = Point::new(left + big.width(&number) + gap, y + big.baseline() - small.baseline());
        self.line(unit, at, small, (color::MUTED, color::PAPER))?;
        Ok(top + largest.line())
    }

    /// Centred lines of a message in its place. Returns where they end below.
    pub(super) fn say(&mut self, place: Place, words: &str, top: i32, ink: Rgb565) -> Result<i32, D::Error> {
        self.say_at(place, words, WIDTH / 2, top, ink)
    }

    /// The same, centred on `middle`.
    pub(super) fn say_at(
        &mut self,
        place: Place,
        words: &str,
        middle: i32,
        top: i32,
        ink: Rgb565,
    ) -> Result<i32, D::Error> {
        let (height, lines) = place.set(words);
        let mut y = top;
        for line in lines {
            let x = (2 * middle - height.width(&line)) / 2;
            self.line(&line, Point::new(x, y), height, (ink, color::PAPER))?;
            y += height.line();
        }
        Ok(y)
    }

    /// One line of small text with its left or right end at `x`.
    pub(super) fn small(
        &mut self,
        words: &str,
        x: i32,
        y: i32,
        to_the_right: bool,
        ink: Rgb565,
    ) -> Result<(), D::Error> {
        let width = Height::Small.width(words);
        let x = if to_the_right { x } else { x - width };
        self.line(words, Point::new(x, y), Height::Small, (ink, color::PAPER))
    }

    /// Three dots, one of them lit: somebody is at work.
    pub(super) fn beat(&mut self, beat: u8, y: i32) -> Result<(), D::Error> {
        self.beat_at(beat, WIDTH / 2, y)
    }

    /// The same, centred on `middle`.
    pub(super) fn beat_at(&mut self, beat: u8, middle: i32, y: i32) -> Result<(), D::Error> {
        for (n, x) in [(0, middle - 22), (1, middle), (2, middle + 22)] {
            let lit = if n == beat { color::BLUE } else { color::HAIR };
            Circle::with_center(Point::new(x, y), 11).into_styled(PrimitiveStyle::with_fill(lit)).draw(self.target)?;
        }
        Ok(())
    }

    /// A warning above the footer.
    pub(super) fn strip(&mut self, words: &str) -> Result<(), D::Error> {
        let area = Rectangle::new(Point::new(MARGIN - 2, STRIP), Size::new(308, STRIP_HEIGHT));
        RoundedRectangle::with_equal_corners(area, Size::new_equal(6))
            .into_styled(PrimitiveStyle::with_fill(color::AMBER))
            .draw(self.target)?;
        let sign = Point::new(22, STRIP + 13);
        Circle::with_center(sign, 19).into_styled(PrimitiveStyle::with_fill(color::INK)).draw(self.target)?;
        self.fill(sign.x - 1, sign.y - 6, 3, 8, color::AMBER)?;
        self.fill(sign.x - 1, sign.y + 4, 3, 3, color::AMBER)?;
        let (height, lines) = Place::Strip.set(words);
        self.written.push(area);
        let at = Point::new(37, STRIP + 4);
        lettering::draw(self.target, &lines.concat(), at, height, (color::INK, color::AMBER))
    }

    /// A filled rectangle.
    pub(super) fn fill(&mut self, x: i32, y: i32, width: i32, height: i32, color: Rgb565) -> Result<(), D::Error> {
        let size = Size::new(width.unsigned_abs(), height.unsigned_abs());
        self.target.fill_solid(&Rectangle::new(Point::new(x, y), size), color)
    }

    /// One line of text; the only place where letters are drawn.
    pub(super) fn line(
        &mut self,
        words: &str,
        at: Point,
        height: Height,
        colors: (Rgb565, Rgb565),
    ) -> Result<(), D::Error> {
        let size = Size::new(height.width(words).unsigned_abs(), height.line().unsigned_abs());
        self.written.push(Rectangle::new(at, size));
        lettering::draw(self.target, words, at, height, colors)
    }

    /// The target itself, for shapes.
    pub(super) fn target(&mut self) -> &mut D {
        self.target
    }
}

fn count(lines: &[String]) -> i32 {
    i32::try_from(lines.len()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Tone, color};
    use embedded_graphics::pixelcolor::{Rgb565, RgbColor};

    /// Relative luminance as the Web Content Accessibility Guidelines define it.
    #[allow(clippy::float_arithmetic)]
    fn luminance(color: Rgb565) -> f64 {
        let linear = |level: u8, most: u8| {
            let share = f64::from(level) / f64::from(most);
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(color.r(), 31) + 0.7152 * linear(color.g(), 63) + 0.0722 * linear(color.b(), 31)
    }

    #[allow(clippy::float_arithmetic)]
    fn contrast(a: Rgb565, b: Rgb565) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_ink_stands_out_from_its_ground() {
        let tones = [Tone::Quiet, Tone::Waiting, Tone::Good, Tone::Bad, Tone::Doubt];
        let bands = tones.map(|tone| (tone.ink(), tone.ground()));
        let inks = [color::INK, color::MUTED, color::BLUE, color::GREEN, color::RED, color::UMBER];
        for (ink, ground) in bands.into_iter().chain(inks.map(|ink| (ink, color::PAPER))) {
            assert!(contrast(ink, ground) >= 4.5, "{ink:?} on {ground:?}: {}", contrast(ink, ground));
        }
    }
}
