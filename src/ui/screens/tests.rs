//! Nothing is clipped, nothing overlaps, in any language and with the longest of everything.

use super::*;
use embedded_graphics::Pixel;
use embedded_graphics::geometry::{Dimensions, OriginDimensions};
use embedded_graphics::primitives::Rectangle;
use uuid::Uuid;

use crate::limits;
use crate::payment::code::CodeKind;
use crate::payment::sale::CancelledBy;
use crate::payment::{Currency, Method, Money, PaymentId};
use crate::ui::view::{Age, Badges, Reason, RefundStage, Sale, Scan, StillOpen, StoreTrouble};

/// Takes pixels and fails on one that lies outside.
struct Strict;

impl OriginDimensions for Strict {
    fn size(&self) -> Size {
        SIZE
    }
}

impl DrawTarget for Strict {
    type Color = Rgb565;
    type Error = String;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(&mut self, pixels: I) -> Result<(), String> {
        let outside = pixels.into_iter().find(|Pixel(at, _)| !self.bounding_box().contains(*at));
        outside.map_or(Ok(()), |Pixel(at, _)| Err(format!("a pixel at {at:?}")))
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb565>>(&mut self, area: &Rectangle, _: I) -> Result<(), String> {
        let is_inside = area.intersection(&self.bounding_box()) == *area;
        if is_inside { Ok(()) } else { Err(format!("{area:?} leaves the screen")) }
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb565) -> Result<(), String> {
        self.fill_contiguous(area, [color])
    }
}

const LONG: &str = "ВВЕДИТЕ ПИН-КОД И НАЖМИТЕ ЗЕЛЁНУЮ КНОПКУ НА КЛАВИАТУРЕ ПИНПАДА, ЗАТЕМ ОЖИДАЙТЕ ОТВЕТА БАНКА";
const LINK: &str =
    "https://qr.nspk.ru/AS10003P3RH0_LJ2A9ROO038L6NT5RU1M?type=01&bank=000000000001&sum=10000&cur=RUB&crc=F3D0";
const REASONS: [Reason; 17] = [
    Reason::Refused,
    Reason::NotSent,
    Reason::CancelledAtPinpad,
    Reason::Misconfigured,
    Reason::Absent,
    Reason::Funds,
    Reason::CardExpired,
    Reason::WrongPin,
    Reason::PinBlocked,
    Reason::NotPermitted,
    Reason::Limit,
    Reason::AnotherCard,
    Reason::BankAway,
    Reason::ShiftMustClose,
    Reason::CardUnread,
    Reason::PinpadDeclined,
    Reason::PinpadFailed,
];
const KINDS: [CodeKind; 7] = [
    CodeKind::ClickPass,
    CodeKind::PaymeGo,
    CodeKind::Uzum,
    CodeKind::UzQr,
    CodeKind::Sbp,
    CodeKind::FiscalReceipt,
    CodeKind::Unknown,
];

fn scans() -> Vec<Scan> {
    [Scan::Unexpected, Scan::Used].into_iter().chain(KINDS.map(Scan::NotPayment)).collect()
}

/// Every face of one sale.
fn faces_of(sale: Sale) -> Vec<Face> {
    let mut faces = vec![
        Face::Approved { sale, late: false },
        Face::Approved { sale, late: true },
        Face::Expired { sale },
        Face::Expired { sale: Sale { undecided: true, ..sale } },
        Face::CodeRead { sale, beat: 2 },
        Face::InDoubt { sale },
        Face::Settled { total: Some(sale.amount) },
        Face::Doubts { oldest: vec![sale], more: 0 },
        Face::Doubts { oldest: vec![sale; limits::DISPLAY_DOUBTS_LEN], more: 12 },
    ];
    for by in
        [CancelledBy::Till, CancelledBy::TillGone, CancelledBy::Restart, CancelledBy::Operator, CancelledBy::Provider]
    {
        faces.push(Face::Cancelled { sale, by });
    }
    for codes in [vec![Method::Payme], vec![Method::Click, Method::Payme]] {
        for card in [false, true] {
            faces.push(Face::AnyWay { sale, card, codes: codes.clone(), beat: 0 });
        }
    }
    if sale.method == Method::Sbp {
        for (link, failed) in [(LINK, false), (LINK, true), (&LINK.repeat(20), false)] {
            faces.push(Face::ShowCode { sale, link: link.to_owned(), failed, beat: 1 });
        }
        for checking in [false, true] {
            faces.push(Face::NoCodeYet { sale, checking, beat: 2 });
        }
    }
    for pinpad in [None, Some(LONG.to_owned())] {
        faces.push(Face::Waiting { sale, pinpad: pinpad.clone(), beat: 0 });
        faces.push(Face::Processing { sale, pinpad: pinpad.clone(), beat: 1 });
        faces.push(Face::Settling { pinpad: pinpad.clone(), beat: 2 });
        for stage in [RefundStage::Processing, RefundStage::Done, RefundStage::Refused, RefundStage::InDoubt] {
            faces.push(Face::Refund { sale, stage, pinpad: pinpad.clone(), beat: 2 });
        }
        for reason in REASONS {
            faces.push(Face::Declined { sale, reason, code: pinpad.clone(), words: pinpad.clone() });
        }
    }
    faces
}

/// Every face that belongs to no sale.
fn faces_of_none() -> Vec<Face> {
    let mut faces = vec![Face::Idle, Face::SettlementInDoubt, Face::Settled { total: None }];
    faces.extend(scans().into_iter().map(Face::Scan));
    for why in ["", LONG] {
        let why = why.to_owned();
        faces.push(Face::Closed { why: why.clone() });
        let refused = REASONS.map(StillOpen::Refused);
        let open = [StillOpen::Reported, StillOpen::Signed].into_iter().chain(refused);
        faces.extend(open.map(|why| Face::NotSettled { why, code: Some("999".to_owned()) }));
        faces.push(Face::DoNotSwitchOff { why: why.clone() });
        for trouble in [StoreTrouble::Full, StoreTrouble::ReadOnly, StoreTrouble::Damaged, StoreTrouble::Failing] {
            faces.push(Face::CannotSell { trouble, why: why.clone() });
        }
    }
    faces
}

fn all_faces() -> Vec<Face> {
    let mut faces = faces_of_none();
    for method in Method::ALL {
        for minor in [1, 50_000, 1_250_000, 999_999_900, 12_345_678_950, limits::AMOUNT_MAX_TIYIN, i64::MAX] {
            let amount = Money::from_minor(minor, Currency::Uzs);
            faces.extend(faces_of(Sale { id: PaymentId(Uuid::max()), method, undecided: false, amount }));
        }
    }
    faces
}

fn strips(face: &Face) -> Vec<Option<Strip>> {
    match face {
        Face::Waiting { .. }
        | Face::AnyWay { .. }
        | Face::CodeRead { .. }
        | Face::NoCodeYet { .. }
        | Face::Processing { .. }
        | Face::Approved { late: false, .. } => {
            scans().into_iter().map(Strip::Scan).chain([Strip::SameAmount]).map(Some).chain([None]).collect()
        }
        Face::ShowCode { .. } => vec![None, Some(Strip::SameAmount)],
        Face::Idle => vec![None, Some(Strip::PinpadMissing), Some(Strip::ScannerMissing)],
        _ => vec![None],
    }
}

/// Draw it strictly; the words' places must not touch each other.
fn check(view: &View, language: Language) -> Result<(), String> {
    let mut target = Strict;
    let mut painter = Painter::new(&mut target, language)?;
    paint(view, &mut painter)?;
    let written = painter.written();
    for (n, one) in written.iter().enumerate() {
        if let Some(other) = written[..n].iter().find(|other| !one.intersection(other).is_zero_sized()) {
            return Err(format!("{one:?} and {other:?} overlap"));
        }
    }
    Ok(())
}

#[test]
fn nothing_is_clipped_and_nothing_overlaps_in_any_state_and_language() {
    let full = Badges {
        in_doubt: 1_000,
        queued: 100_000,
        oldest: Some(Age::Hours(23)),
        parked: 100,
        pinpad_missing: true,
        scanner_missing: true,
        store_trouble: true,
    };
    let mut offences = std::collections::BTreeMap::new();
    for face in all_faces() {
        for strip in strips(&face) {
            for language in Language::ALL {
                let badges = if matches!(face, Face::Idle | Face::InDoubt { .. }) { full } else { Badges::default() };
                let view = View { face: face.clone(), strip, badges };
                if let Err(what) = check(&view, language) {
                    offences.insert(what, format!("{view:?} in {}", language.name()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn the_check_for_overlaps_can_fail() {
    let amount = Money::from_minor(1, Currency::Uzs);
    let sale = Sale { id: PaymentId(Uuid::nil()), method: Method::Humo, undecided: false, amount };
    let face = Face::Doubts { oldest: vec![sale; 9], more: 0 };
    assert!(check(&View { face, strip: None, badges: Badges::default() }, Language::En).is_err());
}
