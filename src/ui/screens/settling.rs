//! The card shift is being closed, has just been closed or not, or nobody knows whether it was.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb565;

use crate::payment::Money;
use crate::ui::icons::Icon;
use crate::ui::lettering::{Height, tame};
use crate::ui::paint::{BAND, Painter, Tone, color};
use crate::ui::text::Place;
use crate::ui::view::{Reason, StillOpen};

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

/// The shift is closed; the total only where the PinPad's slip shows one.
pub(super) fn done<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    total: Option<Money>,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    painter.band(Tone::Good, Icon::Sheet, texts.settled)?;
    if let Some(total) = total {
        let below = painter.amount(total, BAND + 14, Height::Giant)?;
        painter.say(Place::Message, texts.settled_total, below + 10, color::INK)?;
    } else {
        painter.say(Place::Message, texts.settled_do, BAND + 24, color::INK)?;
    }
    Ok(())
}

/// The shift is still open: why, and what to do.
pub(super) fn refused<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    why: StillOpen,
) -> Result<(), D::Error> {
    let texts = painter.texts();
    let why = match why {
        StillOpen::Reported => texts.still_open_reported,
        StillOpen::Signed => texts.still_open_signed,
        StillOpen::Refused(Reason::NotSent) => texts.not_settled_not_sent,
        StillOpen::Refused(Reason::CancelledAtPinpad) => texts.cancelled_at_pinpad,
        StillOpen::Refused(Reason::Misconfigured) => texts.misconfigured,
        StillOpen::Refused(Reason::BankAway) => texts.bank_away,
        StillOpen::Refused(Reason::PinpadDeclined) => texts.pinpad_declined,
        StillOpen::Refused(Reason::PinpadFailed) => texts.pinpad_failed,
        // The others speak of the customer's card; there is none here.
        StillOpen::Refused(_) => texts.not_settled_do,
    };
    painter.band(Tone::Bad, Icon::Cross, texts.not_settled)?;
    painter.say(Place::Message, why, BAND + 14, color::INK)?;
    Ok(())
}
