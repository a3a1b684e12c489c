//! What the cashier and the customer see. A [`Snapshot`](crate::snapshot::Snapshot) becomes a [`view::View`] (what to show, pure), the view becomes a
//! picture ([`screens`], on any RGB565 draw target, in the words of [`text`]), and [`panel`] publishes the picture when it has changed.
//! This room reads snapshots and nothing else: whatever it does, no money moves.
//!
//! - [`view`]: which of the things that are true is shown
//! - [`text`]: every message, in Uzbek, Russian and English
//! - [`screens`]: one file for each kind of screen
//! - [`panel`]: draws what changed

mod icons;
mod lettering;
mod paint;
pub mod panel;
pub mod screens;
pub mod text;
pub mod view;
