//! A code that the customer's phone reads off the display (SBP): as large as the height allows, with its quiet zone, beside the amount.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::Rgb565;
use qrcode::{Color, EcLevel, QrCode};

use crate::ui::icons::Icon;
use crate::ui::lettering::{Height, cut, tame};
use crate::ui::paint::{BAND, FOOTER, HEIGHT, Painter, Tone, WIDTH, color};
use crate::ui::text::{self, Place, brand};
use crate::ui::view::{Sale, Strip};

/// Where the column with the words begins; the code stands to the left of it.
const COLUMN: i32 = 201;
/// Modules of white around a code (ISO/IEC 18004).
const QUIET: i32 = 4;

/// The code, what it costs, and what to do with it. A warning stands above the amount: the code leaves no room for a strip.
pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    link: &str,
    failed: bool,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    let Some(fitted) = Fitted::of(link) else {
        // Longer than any code of that size can hold: the till has the link.
        painter.band(Tone::Doubt, Icon::Exclamation, texts.code_too_long)?;
        painter.amount(sale.amount, BAND + 14, Height::Huge)?;
        painter.say(Place::Long, texts.code_too_long_do, BAND + 70, color::INK)?;
        return Ok(());
    };
    fitted.paint(painter)?;
    match strip {
        Some(Strip::SameAmount) => {
            painter.block_saying(Tone::Doubt, texts.same_amount, COLUMN, WIDTH - COLUMN)?;
        }
        _ if failed => painter.block(Tone::Doubt, Icon::Exclamation, COLUMN, WIDTH - COLUMN)?,
        _ => painter.block(Tone::Waiting, Icon::Phone, COLUMN, WIDTH - COLUMN)?,
    }
    let middle = (COLUMN + WIDTH) / 2;
    let below = amount(painter, sale, middle)?;
    let words = if failed { texts.scan_again_do } else { texts.scan_with_phone_do };
    painter.say_at(Place::Column, words, middle, below + 6, color::INK)?;
    painter.beat_at(beat, middle, FOOTER - 14)
}

fn amount<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    middle: i32,
) -> Result<i32, D::Error> {
    let (number, unit) = text::amount(sale.amount, painter.language());
    let room = Place::Column.width();
    let heights = [Height::Large, Height::Medium, Height::Small];
    let height = heights.into_iter().find(|height| height.width(&number) <= room).unwrap_or(Height::Small);
    let number = cut(&number, height, room);
    let top = BAND + 6 + Height::Large.line() - height.line();
    painter.line(&number, Point::new(middle - height.width(&number) / 2, top), height, (color::INK, color::PAPER))?;
    let below = top + height.line();
    let left = middle - Height::Small.width(unit) / 2;
    painter.line(unit, Point::new(left, below), Height::Small, (color::MUTED, color::PAPER))?;
    Ok(below + Height::Small.line())
}

/// The printed code at the counter is to be scanned.
pub(super) fn sticker<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Waiting, Icon::Phone, texts.scan_sticker)?;
    said(painter, sale, texts.scan_sticker_do, beat, strip)
}

/// There is no code that may be paid: it is being made, or nobody knows whether it still can be.
pub(super) fn not_yet<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    checking: bool,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    let (tone, headline, instruction) = if checking {
        (Tone::Doubt, texts.checking_code, texts.checking_code_do)
    } else {
        (Tone::Waiting, texts.processing, texts.making_code_do)
    };
    painter.band(tone, Icon::Hourglass, headline)?;
    said(painter, sale, instruction, beat, strip)
}

fn said<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    instruction: &str,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let below = painter.amount(sale.amount, BAND + 8, Height::Giant)?;
    let instruction = tame(&instruction.replace("{}", brand(sale.method)));
    painter.say(Place::Instruction, &instruction, below + 8, color::INK)?;
    if strip.is_none() { painter.beat(beat, 200) } else { Ok(()) }
}

/// A code at the size at which it is drawn.
struct Fitted {
    modules: Vec<Color>,
    /// Modules in a row, without the quiet zone.
    across: i32,
    /// Pixels of a module.
    side: i32,
}

impl Fitted {
    /// The largest modules that the room allows, and of the levels of error correction that allow them the strongest.
    fn of(link: &str) -> Option<Self> {
        let room = COLUMN.min(FOOTER.min(HEIGHT));
        let levels = [EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H];
        let fitted = levels.into_iter().filter_map(|level| {
            let code = QrCode::with_error_correction_level(link, level).ok()?;
            let across = i32::try_from(code.width()).ok()?;
            let side = room / (across + 2 * QUIET);
            // Below two pixels no camera reads it at arm's length.
            (side >= 2).then(|| Self { modules: code.to_colors(), across, side })
        });
        // `max_by_key` keeps the last of equals: the strongest level.
        fitted.max_by_key(|fitted| fitted.side)
    }

    fn paint<D: DrawTarget<Color = Rgb565>>(&self, painter: &mut Painter<'_, D>) -> Result<(), D::Error> {
        let size = self.across * self.side;
        let (left, top) = ((COLUMN - size) / 2, (FOOTER - size) / 2);
        let dark = (0..).zip(&self.modules).filter(|(_, module)| **module == Color::Dark);
        for (n, _) in dark {
            let (x, y) = (n % self.across, n / self.across);
            painter.fill(left + x * self.side, top + y * self.side, self.side, self.side, color::BLACK)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The link of seed 004's first page.
    const LINK: &str =
        "https://qr.nspk.ru/AS10003P3RH0_LJ2A9ROO038L6NT5RU1M?type=01&bank=000000000001&sum=10000&cur=RUB&crc=F3D0";

    #[test]
    fn a_real_link_gets_modules_of_four_pixels_and_correction_for_free() {
        let fitted = Fitted::of(LINK).expect("it fits");
        assert_eq!((fitted.side, fitted.across), (4, 41), "version 6 at level M is as large as version 5 at level L");
    }

    #[test]
    fn the_quiet_zone_is_never_written_on() {
        for link in ["https://qr.nspk.ru/A", LINK, &LINK.repeat(5)] {
            let fitted = Fitted::of(link).expect("it fits");
            let whole = (fitted.across + 2 * QUIET) * fitted.side;
            assert!(whole <= COLUMN.min(FOOTER), "{link:.40}: {whole}");
        }
    }

    #[test]
    fn what_no_camera_could_read_is_not_drawn() {
        assert!(Fitted::of(&LINK.repeat(20)).is_none());
    }
}
