//! Money on its way back.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::payment::Method;
use crate::ui::icons::Icon;
use crate::ui::lettering::{Height, tame};
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::Place;
use crate::ui::view::{RefundStage, Sale};

pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    stage: RefundStage,
    pinpad: Option<&str>,
    beat: u8,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    let (at_work, done) = match sale.method {
        Method::Sbp => (texts.giving_back_to_account_do, texts.given_back_to_account_do),
        Method::Humo | Method::Click | Method::Payme => (texts.giving_back_do, texts.given_back_do),
    };
    let (tone, icon, headline, instruction, ink) = match stage {
        RefundStage::Processing => (Tone::Waiting, Icon::Back, texts.giving_back, at_work, color::INK),
        RefundStage::Done => (Tone::Good, Icon::Back, texts.given_back, done, color::INK),
        RefundStage::Refused => (Tone::Bad, Icon::Cross, texts.not_given_back, texts.not_given_back_do, color::INK),
        RefundStage::InDoubt => (Tone::Doubt, Icon::Question, texts.in_doubt, texts.give_back_in_doubt_do, color::RED),
    };
    painter.band(tone, icon, headline)?;
    let below = painter.amount(sale.amount, BAND + 8, Height::Giant)?;
    painter.say(Place::Instruction, &tame(pinpad.unwrap_or(instruction)), below + 8, ink)?;
    if stage == RefundStage::Processing { painter.beat(beat, 200) } else { Ok(()) }
}
