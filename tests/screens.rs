//! Pictures of every screen, compared pixel by pixel with those in `tests/screens/`. When a picture differs, the new one is written to
//! `target/screens/`; look at it, and accept all new pictures with `ACCEPT_SCREENS=1 cargo test --test screens`.

#![allow(clippy::unwrap_used)]

#[path = "screens/cases.rs"]
mod cases;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use hal::display::Memory;
use tolov::snapshot::Snapshot;
use tolov::ui::panel::{Panel, png};
use tolov::ui::text::Language;
use tolov::ui::view::View;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens")
}

fn is_accepting() -> bool {
    std::env::var_os("ACCEPT_SCREENS").is_some_and(|value| value == "1")
}

/// What the terminal would show.
fn picture(snapshot: &Snapshot, language: Language) -> Memory {
    let mut panel = Panel::new(language);
    let frame = panel.show(View::of(snapshot, cases::NOW_MS)).expect("the first view is always drawn");
    frame.pixels.clone()
}

/// Width, height and every channel of a PNG.
fn decoded(path: &Path) -> Option<(u32, u32, Vec<u8>)> {
    let mut reader = ::png::Decoder::new(BufReader::new(File::open(path).ok()?)).read_info().ok()?;
    let mut channels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut channels).ok()?;
    channels.truncate(info.buffer_size());
    Some((info.width, info.height, channels))
}

/// Write the new picture and say whether it equals the one that was accepted.
fn compare(name: &str, pixels: &Memory) -> Result<(), String> {
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screens");
    fs::create_dir_all(&new).unwrap();
    let (new, accepted) = (new.join(format!("{name}.png")), folder().join(format!("{name}.png")));
    fs::write(&new, png(pixels)).unwrap();
    let is_equal = decoded(&new).is_some() && decoded(&new) == decoded(&accepted);
    if is_equal {
        fs::remove_file(&new).unwrap();
        return Ok(());
    }
    if is_accepting() {
        fs::rename(&new, &accepted).unwrap();
        return Ok(());
    }
    Err(format!("{} differs from {}", new.display(), accepted.display()))
}

#[test]
fn every_screen_looks_as_it_was_accepted() {
    let offences: Vec<String> = cases::all()
        .into_iter()
        .filter_map(|(name, language, snapshot)| compare(&name, &picture(&snapshot, language)).err())
        .collect();
    let how = "look at the new pictures; ACCEPT_SCREENS=1 cargo test --test screens takes them over";
    assert!(offences.is_empty(), "{}\n{how}", offences.join("\n"));
}

#[test]
fn no_picture_is_left_of_a_screen_that_is_gone() {
    let known: BTreeSet<String> = cases::all().into_iter().map(|(name, ..)| format!("{name}.png")).collect();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> = files.filter(|f| f.ends_with(".png") && !known.contains(f)).collect();
    assert_eq!(strangers, Vec::<String>::new());
}

#[test]
fn two_states_never_look_alike() {
    let mut seen: Vec<(String, Memory)> = Vec::new();
    for (name, language, snapshot) in cases::all() {
        let pixels = picture(&snapshot, language);
        let twin = seen.iter().find(|(_, other)| *other == pixels);
        assert!(twin.is_none(), "{name} looks like {:?}", twin.map(|(other, _)| other));
        seen.push((name, pixels));
    }
}

#[test]
fn a_picture_that_differs_in_one_pixel_is_noticed() {
    use embedded_graphics::Pixel;
    use embedded_graphics::geometry::Point;
    use embedded_graphics::pixelcolor::{Rgb565, RgbColor};
    use embedded_graphics::prelude::DrawTarget;

    let (name, language, snapshot) = cases::all().remove(0);
    let mut pixels = picture(&snapshot, language);
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before.png"), folder.path().join("after.png"));
    fs::write(&before, png(&pixels)).unwrap();
    let Ok(()) = pixels.draw_iter([Pixel(Point::new(319, 239), Rgb565::RED)]);
    fs::write(&after, png(&pixels)).unwrap();
    assert!(decoded(&before).is_some() && decoded(&before) != decoded(&after), "{name}");
}

#[test]
fn a_phone_reads_the_providers_own_link_off_the_display() {
    use embedded_graphics::geometry::Point;
    use embedded_graphics::pixelcolor::RgbColor;

    for (name, language, snapshot) in cases::all().into_iter().filter(|(name, ..)| name.starts_with("scan_with_phone"))
    {
        let pixels = picture(&snapshot, language);
        let shade = |x: usize, y: usize| {
            let at = Point::new(i32::try_from(x).unwrap(), i32::try_from(y).unwrap());
            pixels.pixel(at).map_or(0, |colour| colour.g() << 2)
        };
        let mut camera = rqrr::PreparedImage::prepare_from_greyscale(320, 240, shade);
        let codes = camera.detect_grids();
        let read: Vec<String> = codes.iter().filter_map(|code| code.decode().ok()).map(|(_, text)| text).collect();
        assert_eq!(read, [cases::LINK], "{name}");
    }
}
