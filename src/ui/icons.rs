//! Shapes for states, so that nothing is told by colour alone. Each is drawn with primitives around a centre.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Angle, Point, Size};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::primitives::{
    Arc, Circle, Line, Polyline, Primitive, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, RoundedRectangle,
    StrokeAlignment, Triangle,
};

/// What a shape says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    /// Done.
    Tick,
    /// Refused.
    Cross,
    /// Nobody knows.
    Question,
    /// Somebody is at work.
    Hourglass,
    /// A card is wanted.
    Card,
    /// A code on a phone is wanted.
    Phone,
    /// Either of them is wanted.
    CardOrPhone,
    /// Called off.
    Minus,
    /// Too late.
    Clock,
    /// Look out.
    Exclamation,
    /// Closed.
    Lock,
    /// Money goes back.
    Back,
    /// A scan.
    Barcode,
    /// The shift's totals.
    Sheet,
}

/// The disc of an icon: its diameter in pixels.
pub(super) const DISC: u32 = 44;

/// A disc in `ground` around `centre` with the icon on it in `ink`.
pub(super) fn disc<D: DrawTarget<Color = Rgb565>>(
    target: &mut D,
    icon: Icon,
    centre: Point,
    (ink, ground): (Rgb565, Rgb565),
) -> Result<(), D::Error> {
    Circle::with_center(centre, DISC).into_styled(PrimitiveStyle::with_fill(ground)).draw(target)?;
    Pen { target, centre, ink, ground }.icon(icon)
}

/// Draws relative to a centre.
struct Pen<'a, D> {
    target: &'a mut D,
    centre: Point,
    ink: Rgb565,
    ground: Rgb565,
}

impl<D: DrawTarget<Color = Rgb565>> Pen<'_, D> {
    fn icon(&mut self, icon: Icon) -> Result<(), D::Error> {
        match icon {
            Icon::Tick => self.path(&[(-11, 1), (-3, 9), (11, -8)], 5),
            Icon::Cross => {
                self.path(&[(-9, -9), (9, 9)], 5)?;
                self.path(&[(9, -9), (-9, 9)], 5)
            }
            Icon::Question => {
                self.arc((0, -5), 15, 180, 245, 4)?;
                self.path(&[(0, 2), (0, 6)], 4)?;
                self.dot((0, 12), 5)
            }
            Icon::Hourglass => {
                self.path(&[(-10, -13), (10, -13)], 4)?;
                self.path(&[(-10, 13), (10, 13)], 4)?;
                self.path(&[(-8, -12), (8, 12)], 2)?;
                self.path(&[(8, -12), (-8, 12)], 2)?;
                self.triangle((-5, -6), (5, -6), (0, 1))?;
                self.triangle((-7, 12), (7, 12), (0, 4))
            }
            Icon::Card => {
                self.block((-15, -10), (30, 20), 3, self.ink)?;
                self.block((-15, -5), (30, 5), 0, self.ground)?;
                self.block((-11, 4), (9, 3), 0, self.ground)
            }
            Icon::Phone => {
                self.block((-9, -16), (18, 32), 4, self.ink)?;
                self.block((-7, -12), (14, 22), 0, self.ground)?;
                for corner in [(-5, -10), (1, -10), (-5, -4), (1, 2), (-5, 2)] {
                    self.block(corner, (4, 4), 0, self.ink)?;
                }
                self.block((2, -3), (2, 3), 0, self.ink)
            }
            Icon::CardOrPhone => {
                self.block((-18, -7), (19, 14), 2, self.ink)?;
                self.block((-18, -4), (19, 4), 0, self.ground)?;
                self.block((-15, 3), (6, 2), 0, self.ground)?;
                self.block((3, -13), (14, 26), 3, self.ink)?;
                self.block((5, -10), (10, 18), 0, self.ground)?;
                for corner in [(6, -9), (11, -9), (6, 3), (8, -3)] {
                    self.block(corner, (3, 3), 0, self.ink)?;
                }
                self.block((12, 0), (2, 4), 0, self.ink)
            }
            Icon::Minus => self.path(&[(-11, 0), (11, 0)], 5),
            Icon::Clock => {
                self.arc((0, 0), 28, 0, 360, 4)?;
                self.path(&[(0, -8), (0, 0), (6, 4)], 3)
            }
            Icon::Exclamation => {
                self.path(&[(0, -13), (0, 4)], 5)?;
                self.dot((0, 12), 6)
            }
            Icon::Lock => {
                self.arc((0, -5), 16, 180, 180, 4)?;
                self.block((-7, -6), (4, 6), 0, self.ink)?;
                self.block((4, -6), (4, 6), 0, self.ink)?;
                self.block((-11, -1), (22, 15), 3, self.ink)?;
                self.dot((0, 6), 5)?;
                self.block((-1, 4), (3, 6), 0, self.ground)
            }
            Icon::Back => {
                self.arc((2, 1), 21, 240, 260, 4)?;
                self.triangle((-13, -4), (0, -13), (1, 1))
            }
            Icon::Barcode => {
                for (x, width) in [(-14, 3), (-9, 2), (-5, 5), (2, 2), (6, 3), (12, 2)] {
                    self.block((x, -10), (width, 20), 0, self.ink)?;
                }
                Ok(())
            }
            Icon::Sheet => {
                self.block((-10, -14), (20, 28), 2, self.ink)?;
                for y in [-8, -2, 4] {
                    self.block((-6, y), (12, 3), 0, self.ground)?;
                }
                Ok(())
            }
        }
    }

    fn at(&self, (x, y): (i32, i32)) -> Point {
        self.centre + Point::new(x, y)
    }

    /// Lines through `points`, with round ends and corners.
    fn path(&mut self, points: &[(i32, i32)], width: u32) -> Result<(), D::Error> {
        let points: Vec<Point> = points.iter().map(|p| self.at(*p)).collect();
        let style = PrimitiveStyle::with_stroke(self.ink, width);
        if let [from, to] = points[..] {
            Line::new(from, to).into_styled(style).draw(self.target)?;
        } else {
            Polyline::new(&points).into_styled(style).draw(self.target)?;
        }
        for point in points {
            Circle::with_center(point, width).into_styled(PrimitiveStyle::with_fill(self.ink)).draw(self.target)?;
        }
        Ok(())
    }

    /// Part of a circle, `sweep` degrees from `start` (0 = right, clockwise).
    fn arc(&mut self, centre: (i32, i32), diameter: u32, start: i16, sweep: i16, width: u32) -> Result<(), D::Error> {
        let style = PrimitiveStyleBuilder::new()
            .stroke_color(self.ink)
            .stroke_width(width)
            .stroke_alignment(StrokeAlignment::Center)
            .build();
        let angle = |degrees: i16| Angle::from_degrees(f32::from(degrees));
        Arc::with_center(self.at(centre), diameter, angle(start), angle(sweep)).into_styled(style).draw(self.target)
    }

    fn dot(&mut self, centre: (i32, i32), diameter: u32) -> Result<(), D::Error> {
        Circle::with_center(self.at(centre), diameter)
            .into_styled(PrimitiveStyle::with_fill(self.ink))
            .draw(self.target)
    }

    fn triangle(&mut self, a: (i32, i32), b: (i32, i32), c: (i32, i32)) -> Result<(), D::Error> {
        Triangle::new(self.at(a), self.at(b), self.at(c))
            .into_styled(PrimitiveStyle::with_fill(self.ink))
            .draw(self.target)
    }

    /// A filled rectangle with round corners.
    fn block(&mut self, corner: (i32, i32), size: (u32, u32), radius: u32, color: Rgb565) -> Result<(), D::Error> {
        let area = Rectangle::new(self.at(corner), Size::new(size.0, size.1));
        RoundedRectangle::with_equal_corners(area, Size::new_equal(radius))
            .into_styled(PrimitiveStyle::with_fill(color))
            .draw(self.target)
    }
}
