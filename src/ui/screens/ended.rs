//! A sale that has ended: paid, declined, called off, too late.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::payment::Method;
use crate::payment::sale::CancelledBy;
use crate::ui::icons::Icon;
use crate::ui::lettering::{Height, tame};
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::{Place, Texts, brand};
use crate::ui::view::{Reason, Sale};

/// The money moved.
pub(super) fn approved<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    late: bool,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    if late {
        painter.band(Tone::Doubt, Icon::Exclamation, texts.approved_late)?;
        let below = painter.amount(sale.amount, BAND + 14, Height::Huge)?;
        painter.say(Place::Long, texts.approved_late_do, below + 14, color::INK)?;
    } else {
        painter.band(Tone::Good, Icon::Tick, texts.approved)?;
        let below = painter.amount(sale.amount, BAND + 14, Height::Giant)?;
        painter.say(Place::Message, texts.approved_do, below + 10, color::GREEN)?;
    }
    Ok(())
}

/// No money moved: why, and that it did not.
pub(super) fn declined<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    reason: Reason,
    words: Option<&str>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Bad, Icon::Cross, texts.declined)?;
    painter.amount(sale.amount, BAND + 4, Height::Huge)?;
    let why = explain(texts, reason, sale).replace("{}", brand(sale.method));
    painter.say(Place::Instruction, &why, BAND + 50, color::INK)?;
    painter.say(Place::Hint, texts.not_taken, BAND + 106, color::MUTED)?;
    if let Some(words) = words {
        painter.say(Place::Line, &format!("«{}»", tame(words)), BAND + 128, color::MUTED)?;
    }
    Ok(())
}

fn explain(texts: &Texts, reason: Reason, sale: &Sale) -> &'static str {
    match reason {
        Reason::Refused if sale.method == Method::Humo => texts.refused_card,
        Reason::Refused => texts.refused_code,
        Reason::NotSent => texts.not_sent,
        Reason::CancelledAtPinpad => texts.cancelled_at_pinpad,
        Reason::Misconfigured => texts.misconfigured,
        Reason::Absent => texts.absent,
        Reason::Funds => texts.funds,
        Reason::CardExpired => texts.card_expired,
        Reason::WrongPin => texts.wrong_pin,
        Reason::PinBlocked => texts.pin_blocked,
        Reason::NotPermitted => texts.not_permitted,
        Reason::Limit => texts.limit,
        Reason::AnotherCard => texts.another_card,
        Reason::BankAway => texts.bank_away,
        Reason::ShiftMustClose => texts.shift_must_close,
        Reason::CardUnread => texts.card_unread,
        Reason::PinpadDeclined => texts.pinpad_declined,
        Reason::PinpadFailed => texts.pinpad_failed,
    }
}

/// Called off before anything was sent.
pub(super) fn cancelled<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    by: CancelledBy,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Quiet, Icon::Minus, texts.cancelled)?;
    let why = match by {
        // What nobody accepted was never shown to anybody.
        CancelledBy::Till | CancelledBy::Limit | CancelledBy::TooMany => texts.cancelled_by_till,
        CancelledBy::TillGone => texts.cancelled_till_gone,
        CancelledBy::Restart => texts.cancelled_by_restart,
        CancelledBy::Operator => texts.cancelled_by_operator,
        CancelledBy::Provider => texts.cancelled_by_provider,
    };
    // What was called off is not over: the code is out in the world.
    let after = if sale.method == Method::Sbp { texts.may_still_pay } else { texts.not_taken };
    not_paid(painter, sale, why, after)
}

/// Nobody paid in time.
pub(super) fn expired<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Quiet, Icon::Clock, texts.expired)?;
    not_paid(painter, sale, texts.expired_do, texts.not_taken)
}

fn not_paid<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sale: &Sale,
    why: &str,
    after: &str,
) -> Result<(), D::Error> {
    let below = painter.amount(sale.amount, BAND + 14, Height::Huge)?;
    let below = painter.say(Place::Instruction, why, below + 12, color::INK)?;
    painter.say(Place::Hint, after, below + 8, color::MUTED)?;
    Ok(())
}
