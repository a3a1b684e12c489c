//! A sale under way: first the customer is awaited, then the bank.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::payment::sale::Method;
use crate::ui::icons::Icon;
use crate::ui::lettering::{Height, tame};
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::{Place, brand, brands};
use crate::ui::view::{Sale, Strip};

/// Show a code, or present a card.
pub(super) fn payer<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    pinpad: Option<&str>,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    let (icon, headline, instruction) = match sale.method {
        Method::Humo => (Icon::Card, texts.present_card, texts.present_card_do),
        Method::Click | Method::Payme | Method::Sbp => (Icon::Phone, texts.show_code, texts.show_code_do),
    };
    painter.band(Tone::Waiting, icon, headline)?;
    body(painter, sale, &pinpad.unwrap_or(instruction).replace("{}", brand(sale.method)), beat, strip)
}

/// Show a code of one of these, or present a card where one will do.
pub(super) fn any_way<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    card: bool,
    codes: &[Method],
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    let (icon, headline, instruction) = if card {
        (Icon::CardOrPhone, texts.card_or_code, texts.card_or_code_do)
    } else {
        (Icon::Phone, texts.show_code, texts.show_code_do)
    };
    painter.band(Tone::Waiting, icon, headline)?;
    body(painter, sale, &instruction.replace("{}", &brands(codes)), beat, strip)
}

/// The code is there, and the PinPad is still asking for a card.
pub(super) fn code_read<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Waiting, Icon::Hourglass, texts.code_read)?;
    body(painter, sale, &texts.code_read_do.replace("{}", brand(sale.method)), beat, strip)
}

/// The bank or the provider is at work.
pub(super) fn bank<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    pinpad: Option<&str>,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Waiting, Icon::Hourglass, texts.processing)?;
    let instruction = match sale.method {
        Method::Humo => texts.processing_card_do,
        Method::Click | Method::Payme | Method::Sbp => texts.processing_code_do,
    };
    body(painter, sale, &pinpad.unwrap_or(instruction).replace("{}", brand(sale.method)), beat, strip)
}

/// The amount, the one instruction (the PinPad's own words where it has some), and a sign of life unless a warning stands there.
fn body<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    instruction: &str,
    beat: u8,
    strip: Option<Strip>,
) -> Result<(), D::Error> {
    let below = painter.amount(sale.amount, BAND + 8, Height::Giant)?;
    painter.say(Place::Instruction, &tame(instruction), below + 8, color::INK)?;
    if strip.is_none() { painter.beat(beat, 200) } else { Ok(()) }
}
