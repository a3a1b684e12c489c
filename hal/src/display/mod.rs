//! The display: something that takes RGB565 pixels. Drawing on it cannot fail; a panel that is gone is a device's trouble, never a reason to stop a sale.
//!
//! - [`memory`]: pixels in memory: what the picture over HTTP, the tests and a terminal without a panel look at

pub mod memory;

pub use memory::Memory;

use core::convert::Infallible;
use embedded_graphics::Pixel;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::DrawTarget;
use embedded_graphics::primitives::Rectangle;

/// Every display that this crate can draw on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Display {
    /// No panel: the pixels stay in memory.
    Memory(Memory),
}

impl OriginDimensions for Display {
    fn size(&self) -> Size {
        match self {
            Self::Memory(memory) => memory.size(),
        }
    }
}

impl DrawTarget for Display {
    type Color = Rgb565;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        match self {
            Self::Memory(memory) => memory.draw_iter(pixels),
        }
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb565>>(
        &mut self,
        area: &Rectangle,
        colors: I,
    ) -> Result<(), Infallible> {
        match self {
            Self::Memory(memory) => memory.fill_contiguous(area, colors),
        }
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb565) -> Result<(), Infallible> {
        match self {
            Self::Memory(memory) => memory.fill_solid(area, color),
        }
    }
}
