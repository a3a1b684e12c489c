//! A scan that cannot pay: what it was, and what to do instead.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::payment::code::CodeKind;
use crate::ui::icons::Icon;
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::{Place, Texts};
use crate::ui::view::Scan;

/// The whole screen.
pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>, scan: Scan) -> Result<(), D::Error> {
    let texts = painter.texts();
    let (tone, headline, instruction) = match scan {
        Scan::Unexpected => (Tone::Quiet, texts.scan_unexpected, texts.scan_unexpected_do),
        Scan::Used => (Tone::Doubt, texts.code_used, texts.code_used_do),
        Scan::NotPayment(kind) => (Tone::Doubt, texts.wrong_code, named(texts, kind)),
    };
    painter.band(tone, Icon::Barcode, headline)?;
    painter.say(Place::Message, instruction, BAND + 34, color::INK)?;
    Ok(())
}

fn named(texts: &Texts, kind: CodeKind) -> &'static str {
    match kind {
        CodeKind::FiscalReceipt => texts.code_is_receipt,
        CodeKind::UzQr => texts.code_is_uzqr,
        CodeKind::Sbp => texts.code_is_sbp,
        CodeKind::Uzum => texts.code_is_uzum,
        CodeKind::ClickPass | CodeKind::PaymeGo => texts.code_is_other_app,
        CodeKind::Unknown => texts.code_is_unknown,
    }
}

/// One line beside something that goes on.
pub(super) fn in_short(texts: &Texts, scan: Scan) -> &'static str {
    match scan {
        Scan::Unexpected => texts.strip_scan_unexpected,
        Scan::Used => texts.strip_code_used,
        Scan::NotPayment(CodeKind::FiscalReceipt) => texts.strip_receipt,
        Scan::NotPayment(CodeKind::UzQr) => texts.strip_uzqr,
        Scan::NotPayment(CodeKind::Sbp) => texts.strip_sbp,
        Scan::NotPayment(CodeKind::Uzum) => texts.strip_uzum,
        Scan::NotPayment(CodeKind::ClickPass | CodeKind::PaymeGo) => texts.strip_other_app,
        Scan::NotPayment(CodeKind::Unknown) => texts.strip_unknown,
    }
}
