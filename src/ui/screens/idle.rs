//! Nothing goes on: a greeting, and where a sale begins.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::Rgb565;

use crate::ui::lettering::Height;
use crate::ui::paint::{Painter, WIDTH, color};
use crate::ui::text::Place;

/// The name of the software is a word, "payment", and the same in every language of the display.
const WORD_MARK: &str = "toʻlov";

pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>) -> Result<(), D::Error> {
    let texts = painter.texts();
    let left = (WIDTH - Height::Giant.width(WORD_MARK)) / 2;
    painter.line(WORD_MARK, Point::new(left, 22), Height::Giant, (color::BLUE, color::PAPER))?;
    painter.fill(WIDTH / 2 - 24, 84, 48, 3, color::AMBER)?;
    let below = painter.say(Place::Headline, texts.welcome, 98, color::INK)?;
    painter.say(Place::Instruction, texts.welcome_do, below + 4, color::MUTED)?;
    Ok(())
}
