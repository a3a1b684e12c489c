//! A framebuffer in memory, RGB565, two bytes a pixel, low byte first: what a Linux framebuffer on a little-endian box takes as it is.

use core::convert::Infallible;
use embedded_graphics::Pixel;
use embedded_graphics::geometry::{Dimensions, OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::{IntoStorage, Rgb565, raw::RawU16};
use embedded_graphics::prelude::{DrawTarget, PointsIter, RgbColor};
use embedded_graphics::primitives::Rectangle;

/// Bytes of one pixel.
const PIXEL_BYTES: usize = 2;

/// Pixels in memory; black at first. What is drawn outside of it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Memory {
    size: Size,
    bytes: Vec<u8>,
}

impl Memory {
    /// A black picture of `size` pixels.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let bytes = vec![0; to_usize(size.width) * to_usize(size.height) * PIXEL_BYTES];
        debug_assert_eq!(Rgb565::BLACK.into_storage(), 0, "a cleared buffer is a black picture");
        Self { size, bytes }
    }

    /// Every pixel, row by row from the top left, two bytes each, low byte first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The colour at `point`, or `None` outside of the picture.
    #[must_use]
    pub fn pixel(&self, point: Point) -> Option<Rgb565> {
        let at = self.offset(point)?;
        let raw = u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]);
        Some(RawU16::new(raw).into())
    }

    /// The smallest rectangle that holds every pixel in which the two pictures differ; `None` when they are alike.
    /// Pictures of two sizes differ everywhere.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<Rectangle> {
        if self.size != other.size {
            return Some(self.bounding_box());
        }
        let stride = to_usize(self.size.width) * PIXEL_BYTES;
        if stride == 0 {
            return None;
        }
        let mut area: Option<(usize, usize, usize, usize)> = None;
        for (y, (mine, theirs)) in self.bytes.chunks(stride).zip(other.bytes.chunks(stride)).enumerate() {
            // Most rows are alike, and are told so much sooner as a whole.
            if mine == theirs {
                continue;
            }
            let mut pairs = mine.chunks(PIXEL_BYTES).zip(theirs.chunks(PIXEL_BYTES));
            let left = pairs.clone().position(|(mine, theirs)| mine != theirs).unwrap_or(0);
            let right = pairs.rposition(|(mine, theirs)| mine != theirs).unwrap_or(left);
            area = Some(match area {
                None => (left, right, y, y),
                Some((l, r, top, _)) => (l.min(left), r.max(right), top, y),
            });
        }
        area.map(|(left, right, top, bottom)| Rectangle::with_corners(point(left, top), point(right, bottom)))
    }

    fn offset(&self, at: Point) -> Option<usize> {
        let (x, y) = (u32::try_from(at.x).ok()?, u32::try_from(at.y).ok()?);
        let inside = x < self.size.width && y < self.size.height;
        inside.then(|| (to_usize(y) * to_usize(self.size.width) + to_usize(x)) * PIXEL_BYTES)
    }

    fn set(&mut self, at: Point, color: Rgb565) {
        if let Some(at) = self.offset(at) {
            self.bytes[at..at + PIXEL_BYTES].copy_from_slice(&color.into_storage().to_le_bytes());
        }
    }
}

/// Says the size only: a hundred and fifty thousand bytes help nobody in a log.
impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Memory({}×{})", self.size.width, self.size.height)
    }
}

impl OriginDimensions for Memory {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Memory {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            self.set(at, color);
        }
        Ok(())
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb565>>(
        &mut self,
        area: &Rectangle,
        colors: I,
    ) -> Result<(), Infallible> {
        for (at, color) in area.points().zip(colors) {
            self.set(at, color);
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb565) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        // It is not cut to the picture then.
        if area.is_zero_sized() {
            return Ok(());
        }
        let (width, stride) = (to_usize(area.size.width) * PIXEL_BYTES, to_usize(self.size.width) * PIXEL_BYTES);
        // An area without a pixel in the picture has no corner in it.
        let Some(from) = self.offset(area.top_left) else { return Ok(()) };
        let pixel = color.into_storage().to_le_bytes();
        for row in 0..to_usize(area.size.height) {
            let at = from + row * stride;
            self.bytes[at..at + width].chunks_exact_mut(PIXEL_BYTES).for_each(|at| at.copy_from_slice(&pixel));
        }
        Ok(())
    }
}

/// A `u32` always fits: this runs on 32 and 64 bits.
fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn point(x: usize, y: usize) -> Point {
    Point::new(i32::try_from(x).unwrap_or(i32::MAX), i32::try_from(y).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Memory {
        Memory::new(Size::new(4, 3))
    }

    #[test]
    fn a_pixel_is_two_bytes_low_byte_first() {
        let mut memory = small();
        memory.set(Point::new(1, 0), Rgb565::RED);
        assert_eq!(memory.bytes().len(), 4 * 3 * 2);
        assert_eq!(memory.bytes()[2..4], [0x00, 0xf8]);
        assert_eq!(memory.pixel(Point::new(1, 0)), Some(Rgb565::RED));
    }

    #[test]
    fn what_is_drawn_outside_is_dropped() {
        let mut memory = small();
        for at in [Point::new(-1, 0), Point::new(4, 0), Point::new(0, 3), Point::new(i32::MIN, i32::MAX)] {
            memory.set(at, Rgb565::WHITE);
            assert_eq!(memory.pixel(at), None);
        }
        assert_eq!(memory, small());
    }

    #[test]
    fn filling_solid_contiguous_and_pixel_by_pixel_agree() {
        let filled = |x, y, width, height, pixels: usize| {
            let area = Rectangle::new(Point::new(x, y), Size::new(width, height));
            let (mut solid, mut contiguous, mut single) = (small(), small(), small());
            solid.fill_solid(&area, Rgb565::WHITE).unwrap_or_else(|e| match e {});
            contiguous.fill_contiguous(&area, core::iter::repeat(Rgb565::WHITE)).unwrap_or_else(|e| match e {});
            single.draw_iter(area.points().map(|p| Pixel(p, Rgb565::WHITE))).unwrap_or_else(|e| match e {});
            assert_eq!(solid, contiguous, "{area:?}");
            assert_eq!(solid, single, "{area:?}");
            assert_eq!(solid.bytes().iter().filter(|b| **b != 0).count(), pixels * 2, "{area:?}");
        };
        filled(-1, 1, 3, 9, 2 * 2);
        filled(0, 0, 4, 3, 4 * 3);
        filled(1, 0, 1, 1, 1);
        filled(2, 2, 9, 9, 2);
        for (x, y, width, height) in [
            (4, 0, 2, 2),
            (0, 3, 2, 2),
            (-3, -3, 2, 2),
            (1, 1, 0, 2),
            (1, 2, 0, 9),
            (1, 1, 2, 0),
            (3, 1, 9, 0),
            (9, 9, 0, 0),
        ] {
            filled(x, y, width, height, 0);
        }
    }

    #[test]
    fn the_difference_is_the_smallest_rectangle_around_what_changed() {
        let old = small();
        let mut new = small();
        assert_eq!(new.difference(&old), None);
        new.set(Point::new(3, 1), Rgb565::BLUE);
        assert_eq!(new.difference(&old), Some(Rectangle::new(Point::new(3, 1), Size::new(1, 1))));
        new.set(Point::new(1, 2), Rgb565::BLUE);
        assert_eq!(new.difference(&old), Some(Rectangle::new(Point::new(1, 1), Size::new(3, 2))));
        assert_eq!(new.difference(&Memory::new(Size::new(1, 1))), Some(new.bounding_box()));
    }
}
