//! Nobody knows whether money moved: what not to do, what to tell the customer, where to look.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use embedded_graphics::pixelcolor::Rgb565;

use crate::payment::sale::Method;
use crate::ui::icons::Icon;
use crate::ui::lettering::Height;
use crate::ui::paint::{BAND, Painter, Tone, WIDTH, color};
use crate::ui::screens::footer::short_id;
use crate::ui::text::{self, Place, brand};
use crate::ui::view::Sale;

/// The payment that has just become doubtful.
pub(super) fn sale<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>, sale: &Sale) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Doubt, Icon::Question, texts.in_doubt)?;
    painter.amount(sale.amount, BAND + 2, Height::Huge)?;
    let below = painter.say(Place::Instruction, texts.in_doubt_do, BAND + 44, color::RED)?;
    let below = painter.say(Place::Hint, texts.in_doubt_tell, below + 4, color::INK)?;
    let ask = match sale.method {
        Method::Humo => texts.in_doubt_ask_pinpad,
        Method::Click | Method::Payme => texts.in_doubt_ask_cabinet,
        Method::Sbp => texts.in_doubt_ask_qrm,
    };
    painter.say(Place::Line, &ask.replace("{}", brand(sale.method)), below + 2, color::MUTED)?;
    Ok(())
}

/// Everything in doubt while nothing else goes on, oldest first.
pub(super) fn list<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    oldest: &[Sale],
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Doubt, Icon::Question, texts.doubts)?;
    let mut y = BAND + 6;
    for sale in oldest {
        let (number, unit) = text::amount(sale.amount, painter.language());
        let amount = format!("{number} {unit}");
        // The amount is never cut: beside a very large one the name becomes shorter.
        let id = short_id(sale.id);
        let names = [format!("{} {id}", brand(sale.method)), id, String::new()];
        let room = |name: &str| WIDTH - 34 - Height::Small.width(name);
        let name = names.iter().find(|name| Height::Small.width(&amount) <= room(name)).map_or("", String::as_str);
        let height = if Height::Medium.width(&amount) <= room(name) { Height::Medium } else { Height::Small };
        let rise = (Height::Medium.baseline() - height.baseline()).max(0);
        painter.line(&amount, Point::new(12, y + rise), height, (color::INK, color::PAPER))?;
        painter.small(name, WIDTH - 12, y + 3, false, color::MUTED)?;
        y += 28;
        painter.fill(12, y - 2, WIDTH - 24, 1, color::HAIR)?;
    }
    painter.say(Place::Instruction, texts.in_doubt_do, y.max(BAND + 66) + 8, color::RED)?;
    Ok(())
}
