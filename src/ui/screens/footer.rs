//! The thin line at the bottom: which payment this is, and small signs of what waits in the background.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::primitives::{Circle, Line, Primitive, PrimitiveStyle, Rectangle};

use crate::payment::{Method, PaymentId};
use crate::ui::lettering::{Height, cut, tame};
use crate::ui::paint::{FOOTER, Painter, WIDTH, color};
use crate::ui::text::{Place, Texts, brand, brands};
use crate::ui::view::{Age, Face, Sale, View};

/// Pixels of a sign, and the room around it.
const SIGN: i32 = 16;
const GAP: i32 = 8;

/// Signs, in the order in which they give way when there is no room.
#[derive(Clone, Copy)]
enum Sign {
    Store,
    InDoubt,
    Pinpad,
    Scanner,
    Parked,
    Queue,
}

pub(super) fn draw<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>, view: &View) -> Result<(), D::Error> {
    painter.fill(0, FOOTER, WIDTH, 1, color::HAIR)?;
    let mut left = GAP;
    if let Some(tag) = tag(painter.texts(), &view.face) {
        painter.small(&tag, left, FOOTER + 1, true, color::MUTED)?;
        left += Height::Small.width(&tag) + GAP;
    }
    let mut right = WIDTH - GAP;
    for (sign, label) in signs(painter.texts(), view) {
        let width = SIGN + if label.is_empty() { 0 } else { 4 + Height::Small.width(&label) };
        if right - width < left {
            continue;
        }
        let x = right - width;
        picture(painter, sign, Point::new(x, FOOTER + 3))?;
        if !label.is_empty() {
            painter.small(&label, x + SIGN + 4, FOOTER + 1, true, color::MUTED)?;
        }
        right = x - GAP;
    }
    Ok(())
}

/// What the cashier may quote: the method and the beginning of the transaction's id, or the code of a decline.
fn tag(texts: &Texts, face: &Face) -> Option<String> {
    let named = |sale: &Sale| match sale.undecided {
        true => short_id(sale.id),
        false => format!("{} {}", brand(sale.method), short_id(sale.id)),
    };
    match face {
        Face::Declined { sale, code: Some(code), .. } => Some(coded(texts, sale.method, code)),
        Face::NotSettled { code: Some(code), .. } => Some(coded(texts, Method::Humo, code)),
        Face::AnyWay { card, codes, .. } => {
            let card = card.then_some(Method::Humo);
            Some(brands(&card.into_iter().chain(codes.iter().copied()).collect::<Vec<_>>()))
        }
        Face::Waiting { sale, .. }
        | Face::CodeRead { sale, .. }
        | Face::ShowCode { sale, .. }
        | Face::NoCodeYet { sale, .. }
        | Face::Processing { sale, .. } => Some(brand(sale.method).to_owned()),
        Face::Approved { sale, .. }
        | Face::Declined { sale, .. }
        | Face::Cancelled { sale, .. }
        | Face::Expired { sale }
        | Face::InDoubt { sale }
        | Face::Refund { sale, .. } => Some(named(sale)),
        Face::Idle
        | Face::Doubts { .. }
        | Face::Settling { .. }
        | Face::Settled { .. }
        | Face::NotSettled { .. }
        | Face::SettlementInDoubt
        | Face::Scan(_)
        | Face::Closed { .. }
        | Face::CannotSell { .. }
        | Face::DoNotSwitchOff { .. } => None,
    }
}

fn coded(texts: &Texts, method: Method, code: &str) -> String {
    format!("{} {} {}", brand(method), texts.code, cut(&tame(code), Height::Small, Place::Word.width()))
}

/// The first eight digits of a transaction's id: enough to find it in a list.
pub(super) fn short_id(id: PaymentId) -> String {
    id.to_string().chars().take(8).collect()
}

fn signs(texts: &Texts, view: &View) -> Vec<(Sign, String)> {
    let badges = &view.badges;
    let mut signs = Vec::new();
    if badges.store_trouble {
        signs.push((Sign::Store, String::new()));
    }
    if badges.in_doubt > 0 {
        signs.push((Sign::InDoubt, short_count(u64::try_from(badges.in_doubt).unwrap_or(u64::MAX))));
    }
    if badges.pinpad_missing {
        signs.push((Sign::Pinpad, String::new()));
    }
    if badges.scanner_missing {
        signs.push((Sign::Scanner, String::new()));
    }
    if badges.parked > 0 {
        signs.push((Sign::Parked, short_count(badges.parked)));
    }
    if badges.queued > 0 {
        let age = match badges.oldest {
            None => String::new(),
            Some(Age::Minutes(n)) => format!("·{n} {}", texts.minutes),
            Some(Age::Hours(n)) => format!("·{n} {}", texts.hours),
            Some(Age::Days(n)) => format!("·{n} {}", texts.days),
        };
        signs.push((Sign::Queue, format!("{}{age}", short_count(badges.queued))));
    }
    signs
}

fn short_count(n: u64) -> String {
    if n > 99 { "99+".to_owned() } else { n.to_string() }
}

fn picture<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    sign: Sign,
    corner: Point,
) -> Result<(), D::Error> {
    match sign {
        Sign::Store => {
            painter.fill(corner.x + 1, corner.y + 1, 14, 14, color::RED)?;
            painter.fill(corner.x + 4, corner.y + 1, 8, 5, color::PAPER)?;
            painter.fill(corner.x + 4, corner.y + 9, 8, 6, color::PAPER)
        }
        Sign::InDoubt => {
            let area = Rectangle::new(corner, Size::new(16, 16));
            let disc = Circle::new(area.top_left, 16).into_styled(PrimitiveStyle::with_fill(color::AMBER));
            disc.draw(painter.target())?;
            for (x, y, width, height) in [(5, 3, 5, 2), (9, 4, 2, 4), (7, 7, 2, 3), (7, 12, 2, 2)] {
                painter.fill(corner.x + x, corner.y + y, width, height, color::INK)?;
            }
            Ok(())
        }
        Sign::Pinpad => {
            painter.fill(corner.x + 3, corner.y + 1, 10, 14, color::UMBER)?;
            painter.fill(corner.x + 5, corner.y + 3, 6, 3, color::PAPER)?;
            struck(painter, corner)
        }
        Sign::Scanner => {
            for (x, width) in [(1, 2), (4, 1), (7, 3), (12, 1), (14, 1)] {
                painter.fill(corner.x + x, corner.y + 3, width, 10, color::UMBER)?;
            }
            struck(painter, corner)
        }
        Sign::Parked => {
            receipt(painter, corner, color::UMBER)?;
            painter.fill(corner.x + 7, corner.y + 3, 2, 5, color::PAPER)?;
            painter.fill(corner.x + 7, corner.y + 9, 2, 2, color::PAPER)
        }
        Sign::Queue => {
            receipt(painter, corner, color::MUTED)?;
            painter.fill(corner.x + 5, corner.y + 4, 6, 1, color::PAPER)?;
            painter.fill(corner.x + 5, corner.y + 7, 6, 1, color::PAPER)
        }
    }
}

/// A slip of paper with a torn end.
fn receipt<D: DrawTarget<Color = Rgb565>>(
    painter: &mut Painter<'_, D>,
    corner: Point,
    ink: Rgb565,
) -> Result<(), D::Error> {
    painter.fill(corner.x + 3, corner.y + 1, 10, 12, ink)?;
    for tooth in 0..3 {
        painter.fill(corner.x + 3 + tooth * 4, corner.y + 13, 2, 2, ink)?;
    }
    Ok(())
}

/// A stroke through a sign: it is not there.
fn struck<D: DrawTarget<Color = Rgb565>>(painter: &mut Painter<'_, D>, corner: Point) -> Result<(), D::Error> {
    let (from, to) = (corner + Point::new(1, 14), corner + Point::new(14, 1));
    for (ink, width) in [(color::PAPER, 5), (color::RED, 2)] {
        Line::new(from, to).into_styled(PrimitiveStyle::with_stroke(ink, width)).draw(painter.target())?;
    }
    Ok(())
}
