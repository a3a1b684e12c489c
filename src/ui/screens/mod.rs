//! A picture for every face. Draws on anything that takes RGB565 pixels, 320×240; nothing here remembers anything.

mod blocked;
mod ended;
mod footer;
mod idle;
mod in_doubt;
mod refund;
mod scan;
mod settling;
mod shown_code;
mod waiting;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Size;
use embedded_graphics::pixelcolor::Rgb565;

use super::paint::{HEIGHT, Painter, WIDTH};
use super::text::Language;
use super::view::{Face, Strip, View};
use crate::payment::Method;

/// Pixels of the picture.
pub const SIZE: Size = Size::new(WIDTH.unsigned_abs(), HEIGHT.unsigned_abs());

/// Draw the whole picture of `view`.
///
/// # Errors
/// Whatever the target says; a target in memory says nothing.
pub fn draw<D: DrawTarget<Color = Rgb565>>(view: &View, language: Language, target: &mut D) -> Result<(), D::Error> {
    paint(view, &mut Painter::new(target, language)?)
}

fn paint<D: DrawTarget<Color = Rgb565>>(view: &View, painter: &mut Painter<'_, D>) -> Result<(), D::Error> {
    match &view.face {
        Face::Idle => idle::draw(painter)?,
        Face::Doubts { oldest, .. } => in_doubt::list(painter, oldest)?,
        Face::ShowCode { sale, link, failed, beat } => {
            shown_code::draw(painter, sale, link, *failed, *beat, view.strip)?
        }
        Face::NoCodeYet { sale, checking, beat } => {
            shown_code::not_yet(painter, sale, *checking, *beat, view.strip)?;
        }
        Face::Waiting { sale, beat, .. } if sale.method == Method::Sbp => {
            shown_code::sticker(painter, sale, *beat, view.strip)?;
        }
        Face::Waiting { sale, pinpad, beat } => waiting::payer(painter, sale, pinpad.as_deref(), *beat, view.strip)?,
        Face::AnyWay { sale, card, codes, beat } => {
            waiting::any_way(painter, sale, *card, codes, *beat, view.strip)?;
        }
        Face::CodeRead { sale, beat } => waiting::code_read(painter, sale, *beat, view.strip)?,
        Face::Processing { sale, pinpad, beat } => waiting::bank(painter, sale, pinpad.as_deref(), *beat, view.strip)?,
        Face::Approved { sale, late } => ended::approved(painter, sale, *late)?,
        Face::Declined { sale, reason, words, .. } => ended::declined(painter, sale, *reason, words.as_deref())?,
        Face::Cancelled { sale, by } => ended::cancelled(painter, sale, *by)?,
        Face::Expired { sale } => ended::expired(painter, sale)?,
        Face::InDoubt { sale } => in_doubt::sale(painter, sale)?,
        Face::Refund { sale, stage, pinpad, beat } => refund::draw(painter, sale, *stage, pinpad.as_deref(), *beat)?,
        Face::Settling { pinpad, beat } => settling::draw(painter, pinpad.as_deref(), *beat)?,
        Face::Settled { total } => settling::done(painter, *total)?,
        Face::NotSettled { why, .. } => settling::refused(painter, *why)?,
        Face::SettlementInDoubt => settling::in_doubt(painter)?,
        Face::Scan(scan) => scan::draw(painter, *scan)?,
        Face::Closed { why } => blocked::closed(painter, why)?,
        Face::CannotSell { trouble, why } => blocked::cannot_sell(painter, *trouble, why)?,
        Face::DoNotSwitchOff { why } => blocked::do_not_switch_off(painter, why)?,
    }
    if let Some(strip) = view.strip.filter(|_| !matches!(view.face, Face::ShowCode { .. })) {
        let texts = painter.texts();
        painter.strip(match strip {
            Strip::SameAmount => texts.same_amount,
            Strip::Scan(scan) => scan::in_short(texts, scan),
            Strip::PinpadMissing => texts.pinpad_missing,
            Strip::ScannerMissing => texts.scanner_missing,
        })?;
    }
    footer::draw(painter, view)
}

#[cfg(test)]
mod tests;
