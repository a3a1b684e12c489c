//! The card shift is being closed, or nobody knows whether it was.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::ui::icons::Icon;
use crate::ui::lettering::tame;
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::Place;

pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    pinpad: Option<&str>,
    beat: u8,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Waiting, Icon::Sheet, texts.settling)?;
    painter.say(Place::Message, &tame(pinpad.unwrap_or(texts.settling_do)), BAND + 24, color::INK)?;
    painter.beat(beat, 200)
}

pub(super) fn in_doubt<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Doubt, Icon::Question, texts.in_doubt)?;
    painter.say(Place::Message, texts.settlement_in_doubt_do, BAND + 24, color::INK)?;
    Ok(())
}
