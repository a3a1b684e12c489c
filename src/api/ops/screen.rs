//! What the display shows, as a picture. It is made on a thread that may take its time, once for each frame, and not at all for whoever has it.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

use crate::api::Api;
use crate::api::envelope::{self, Refusal};
use crate::ui::panel::{self, Frame};

/// The display's frames, and the picture of the last one that was asked for. A clone is the same.
#[derive(Clone, Debug)]
pub struct Screen {
    frames: watch::Receiver<Arc<Frame>>,
    last: Arc<Mutex<Option<Picture>>>,
}

#[derive(Clone, Debug)]
struct Picture {
    number: u64,
    /// A strong one: of the bytes, so that it outlives a restart.
    tag: HeaderValue,
    png: axum::body::Bytes,
}

impl Screen {
    /// Of a display that draws into `frames`.
    #[must_use]
    pub fn new(frames: watch::Receiver<Arc<Frame>>) -> Self {
        Self { frames, last: Arc::default() }
    }

    async fn picture(&self) -> Option<Picture> {
        let frame = self.frames.borrow().clone();
        let kept = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| kept.number == frame.number) {
            return Some(kept);
        }
        let made = tokio::task::spawn_blocking(move || Picture::of(&frame)).await.ok().flatten()?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Some(made)
    }
}

impl Picture {
    fn of(frame: &Frame) -> Option<Self> {
        let png = panel::png(&frame.pixels);
        let digest = ring::digest::digest(&ring::digest::SHA256, &png);
        let name: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let tag = HeaderValue::try_from(format!("\"{name}\"")).ok()?;
        (!png.is_empty()).then(|| Self { number: frame.number, tag, png: png.into() })
    }
}

/// The pixels that the display shows. Ask with `If-None-Match` to hear 304 while they have not changed.
#[utoipa::path(
    get, path = "/screen.png", operation_id = "readScreen", tag = "ops",
    responses((status = 200, description = "As it is now", content_type = "image/png"),
        (status = 304, description = "As it was when the ETag was told"), (status = 404, description = "There is no display"))
)]
pub(in crate::api) async fn screen(State(api): State<Api>, headers: HeaderMap) -> Response {
    let picture = match &api.settings.screen {
        Some(screen) => screen.picture().await,
        None => None,
    };
    let Some(picture) = picture else {
        let why = "there is no display, or it shows nothing yet";
        return Refusal::because(envelope::UNKNOWN_PATH, why).into_response();
    };
    // Kept by whoever asks, and asked about each time.
    let known =
        [(header::ETAG, picture.tag.clone()), (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if has_it(&headers, &picture.tag) {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    (known, [(header::CONTENT_TYPE, "image/png")], picture.png).into_response()
}

/// RFC 9110 §13.1.2: `*`, or a list that names it; weak tags are equal where their texts are.
fn has_it(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|list| list.split(',')).map(|tag| tag.trim());
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use crate::ui::panel::Panel;
    use crate::ui::text::Language;
    use crate::ui::view::View;

    #[tokio::test]
    async fn a_picture_is_made_once_a_frame_and_named_by_its_bytes() {
        let mut panel = Panel::new(Language::En);
        panel.show(View::of(&Snapshot::default(), 0));
        let (frames, seen) = watch::channel(panel.frame());
        let screen = Screen::new(seen.clone());
        let first = screen.picture().await.unwrap();
        let again = screen.picture().await.unwrap();
        assert_eq!(again.png.as_ptr(), first.png.as_ptr(), "it was made twice");
        assert_eq!(Screen::new(seen).picture().await.unwrap().tag, first.tag, "another life, the same pixels");

        let closed = Snapshot { closed: Some("why".to_owned()), ..Snapshot::default() };
        frames.send_replace(panel.show(View::of(&closed, 0)).expect("another frame"));
        let other = screen.picture().await.unwrap();
        assert!(other.tag != first.tag && other.png != first.png);
    }

    #[test]
    fn whoever_names_the_picture_has_it() {
        let tag = HeaderValue::from_static("\"ab\"");
        let asked = |value: &'static str| {
            has_it(&[(header::IF_NONE_MATCH, HeaderValue::from_static(value))].into_iter().collect(), &tag)
        };
        for known in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            assert!(asked(known), "{known}");
        }
        for other in ["\"x\"", "ab", ""] {
            assert!(!asked(other), "{other}");
        }
        assert!(!has_it(&HeaderMap::new(), &tag));
    }
}
