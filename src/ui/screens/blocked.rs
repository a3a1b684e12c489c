//! Nothing can be sold: closed, a store that takes nothing, or money that is not written down yet.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::ui::icons::Icon;
use crate::ui::lettering::tame;
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::Place;
use crate::ui::view::StoreTrouble;

pub(super) fn closed<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>, why: &str) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Bad, Icon::Lock, texts.closed)?;
    body(painter, texts.call_technician, why)
}

pub(super) fn cannot_sell<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    trouble: StoreTrouble,
    why: &str,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Bad, Icon::Exclamation, texts.cannot_sell)?;
    let instruction = match trouble {
        StoreTrouble::Full => texts.disk_full,
        StoreTrouble::ReadOnly => texts.disk_read_only,
        StoreTrouble::Damaged => texts.store_damaged,
        StoreTrouble::Failing => texts.store_failing,
    };
    body(painter, instruction, why)
}

pub(super) fn do_not_switch_off<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    why: &str,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Bad, Icon::Exclamation, texts.do_not_switch_off)?;
    body(painter, texts.do_not_switch_off_do, why)
}

/// What to do, and small below it the words that the technician will ask for.
fn body<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    instruction: &str,
    why: &str,
) -> Result<(), D::Error> {
    let below = painter.say(Place::Message, instruction, BAND + 8, color::INK)?;
    painter.say(Place::Hint, &tame(why), below.max(BAND + 82) + 6, color::MUTED)?;
    Ok(())
}
