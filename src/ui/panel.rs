//! Draws what changed and publishes it: the newest frame for whoever shows it (a panel, `/screen.png`, the virtual terminal).

use std::sync::Arc;
use std::time::Duration;

use embedded_graphics::geometry::OriginDimensions;
use embedded_graphics::primitives::Rectangle;
use hal::display::Memory;
use tokio::sync::watch;

use super::screens;
use super::text::Language;
use super::view::View;
use crate::limits;
use crate::payment::sale::UnixMs;
use crate::snapshot::Snapshot;

/// One picture. Cheap to share, never changed.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Counts up with every picture that differs from the one before it.
    pub number: u64,
    /// The pixels.
    pub pixels: Memory,
    /// Where they differ from the frame before: what a slow panel has to be sent. `None` for a frame without a change (the first one).
    pub changed: Option<Rectangle>,
}

/// Draws views, and only those that are new.
#[derive(Debug)]
pub struct Panel {
    language: Language,
    shown: Option<View>,
    frame: Arc<Frame>,
}

impl Panel {
    /// A dark panel.
    #[must_use]
    pub fn new(language: Language) -> Self {
        let pixels = Memory::new(screens::SIZE);
        Self { language, shown: None, frame: Arc::new(Frame { number: 0, pixels, changed: None }) }
    }

    /// The picture that stands.
    #[must_use]
    pub fn frame(&self) -> Arc<Frame> {
        self.frame.clone()
    }

    /// Show `view`. Returns the new picture, or `None` where nothing changed.
    pub fn show(&mut self, view: View) -> Option<Arc<Frame>> {
        if self.shown.as_ref() == Some(&view) {
            return None;
        }
        let mut pixels = Memory::new(screens::SIZE);
        let Ok(()) = screens::draw(&view, self.language, &mut pixels);
        self.shown = Some(view);
        let changed = pixels.difference(&self.frame.pixels)?;
        self.frame = Arc::new(Frame { number: self.frame.number + 1, pixels, changed: Some(changed) });
        Some(self.frame())
    }
}

/// Follow the terminal until it ends: draw each new picture of it into `frames`. `now` is the clock's wall time in milliseconds.
///
/// A burst of snapshots becomes one picture: there is at most one in [`limits::DISPLAY_REFRESH_MS`], and the last one is always drawn.
pub async fn run(
    mut pictures: watch::Receiver<Arc<Snapshot>>,
    mut panel: Panel,
    frames: watch::Sender<Arc<Frame>>,
    now: impl Fn() -> UnixMs,
) {
    loop {
        let snapshot = pictures.borrow_and_update().clone();
        if let Some(frame) = panel.show(View::of(&snapshot, now())) {
            frames.send_replace(frame);
        }
        tokio::time::sleep(Duration::from_millis(limits::DISPLAY_REFRESH_MS)).await;
        // Some views end by time alone: look again after a while, even if nothing happened.
        let look_again = Duration::from_millis(limits::DISPLAY_TICK_MS);
        if let Ok(Err(_)) = tokio::time::timeout(look_again, pictures.changed()).await {
            return;
        }
    }
}

/// The picture as a PNG, eight bits a channel.
#[must_use]
pub fn png(pixels: &Memory) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(pixels.bytes().len() / 2 * 3);
    for pixel in pixels.bytes().chunks_exact(2) {
        rgb.extend(wide(u16::from_le_bytes([pixel[0], pixel[1]])));
    }
    let mut file = Vec::new();
    let size = pixels.size();
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing into memory cannot fail; if it did, an empty picture would be the honest answer.
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rgb));
    if written.is_err() {
        file.clear();
    }
    file
}

/// An RGB565 pixel as three bytes; the highest bits are repeated below, so that white is white.
fn wide(pixel: u16) -> [u8; 3] {
    let bits = |shift: u16, mask: u16| u8::try_from((pixel >> shift) & mask).unwrap_or(u8::MAX);
    let (r, g, b) = (bits(11, 0x1f), bits(5, 0x3f), bits(0, 0x1f));
    [(r << 3) | (r >> 2), (g << 2) | (g >> 4), (b << 3) | (b >> 2)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    use crate::snapshot::{Presence, QueueDepth};

    #[test]
    fn an_equal_view_is_not_drawn_again() {
        let mut panel = Panel::new(Language::En);
        let mut snapshot = Snapshot::default();
        assert_eq!(panel.show(View::of(&snapshot, 0)).map(|f| f.number), Some(1));
        snapshot.sequence += 1;
        assert!(panel.show(View::of(&snapshot, 10_000)).is_none());
        snapshot.devices.scanner = Some(Presence::Down("unplugged".into()));
        assert_eq!(panel.show(View::of(&snapshot, 20_000)).map(|f| f.number), Some(2));
    }

    #[test]
    fn only_the_footer_is_sent_when_only_the_footer_changes() {
        let mut panel = Panel::new(Language::En);
        panel.show(View::of(&Snapshot::default(), 0));
        let queue = QueueDepth { queued: 3, oldest_ms: Some(0), ..QueueDepth::default() };
        let frame = panel.show(View::of(&Snapshot { queue, ..Snapshot::default() }, 600_000));
        let changed = frame.and_then(|f| f.changed).unwrap_or_default();
        assert!(changed.top_left.y >= 219 && changed.size.height <= 21, "{changed:?}");
    }

    #[test]
    fn a_png_has_the_pixels_of_the_frame() {
        let mut panel = Panel::new(Language::Ru);
        panel.show(View::of(&Snapshot::default(), 0));
        let frame = panel.frame();
        let file = png(&frame.pixels);
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a header");
        let mut rgb = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut rgb).expect("an image");
        assert_eq!(rgb.len(), 320 * 240 * 3);
        assert_eq!(rgb[..3], [0xff, 0xff, 0xff]);
        let back = |c: &[u8]| u16::from(c[0] >> 3) << 11 | u16::from(c[1] >> 2) << 5 | u16::from(c[2] >> 3);
        let bytes: Vec<u8> = rgb.chunks_exact(3).flat_map(|c| back(c).to_le_bytes()).collect();
        assert_eq!(bytes, frame.pixels.bytes());
    }

    #[tokio::test(start_paused = true)]
    async fn the_panel_follows_the_terminal_and_the_time_and_ends_with_it() {
        let (terminal, pictures) = watch::channel(Arc::new(Snapshot::default()));
        let panel = Panel::new(Language::Uz);
        let (frames, mut seen) = watch::channel(panel.frame());
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let now = clock.clone();
        let task = tokio::spawn(run(pictures, panel, frames, move || now.load(Ordering::Relaxed)));

        seen.changed().await.expect("the first picture");
        assert_eq!(seen.borrow_and_update().number, 1);
        let notice = Some((1_000_000, crate::payment::event::Notice::ScanUnexpected));
        terminal.send_replace(Arc::new(Snapshot { notice, ..Snapshot::default() }));
        seen.changed().await.expect("the notice");
        assert_eq!(seen.borrow_and_update().number, 2);
        clock.store(1_000_000 + 60_000, Ordering::Relaxed);
        seen.changed().await.expect("the notice goes by time alone");
        assert_eq!(seen.borrow_and_update().number, 3);
        drop(terminal);
        task.await.expect("the panel ends with the terminal");
    }
}
