//! Until when a certificate is good: the one field of X.509 that nobody else here looks at, because a server shows its certificate and does not
//! check it. Read from DER as RFC 5280 §4.1 lays it out; what is not understood is `None`, and then the certificate is shown all the same.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::payment::sale::UnixMs;

const SEQUENCE: u8 = 0x30;
/// `version`, which a certificate of the first version leaves out.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of one certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<UnixMs> {
    let (whole, _) = of_kind(certificate, SEQUENCE)?;
    let (mut fields, _) = of_kind(whole, SEQUENCE)?;
    if let Some((_, rest)) = of_kind(fields, VERSION) {
        fields = rest;
    }
    // The serial number, the signature's algorithm and the issuer stand before it.
    for _ in 0..3 {
        fields = item(fields)?.2;
    }
    let (validity, _) = of_kind(fields, SEQUENCE)?;
    let (kind, until, _) = item(item(validity)?.2)?;
    time(kind, std::str::from_utf8(until).ok()?)
}

/// The first item of `bytes`: its tag, what is in it, and what comes after it.
fn item(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // More than four bytes of length is no certificate that fits into memory.
        0x81..=0x84 => {
            let (long, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (long.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?, rest)
        }
        _ => return None,
    };
    let (inside, after) = rest.split_at_checked(length)?;
    Some((tag, inside, after))
}

/// The first item, where it has this tag, and what comes after it.
fn of_kind(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    item(bytes).filter(|(tag, ..)| *tag == kind).map(|(_, inside, after)| (inside, after))
}

/// `YYMMDDHHMMSSZ` up to the year 2049, `YYYYMMDDHHMMSSZ` from then on (§4.1.2.5).
fn time(kind: u8, text: &str) -> Option<UnixMs> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let years = match (kind, digits.len()) {
        (UTC_TIME, 12) => 2,
        (GENERALIZED_TIME, 14) => 4,
        _ => return None,
    };
    let year: i16 = digits[..years].parse().ok()?;
    let year = match year {
        _ if years == 4 => year,
        50.. => 1900 + year,
        _ => 2000 + year,
    };
    let two = |at: usize| digits[years + 2 * at..][..2].parse::<i8>().ok();
    let at = DateTime::new(year, two(0)?, two(1)?, two(2)?, two(3)?, two(4)?, 0).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["till.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1_990, 1, 2);
        params.not_after = date_time_ymd(year, 12, 31);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_spellings_of_a_time() {
        for (year, until) in [
            (1_999, "1999-12-31T00:00:00Z"),
            (2_027, "2027-12-31T00:00:00Z"),
            (2_049, "2049-12-31T00:00:00Z"),
            (2_050, "2050-12-31T00:00:00Z"),
            (2_126, "2126-12-31T00:00:00Z"),
        ] {
            let until: jiff::Timestamp = until.parse().unwrap();
            assert_eq!(not_after(&certificate(year)), Some(until.as_millisecond()), "{year}");
        }
    }

    #[test]
    fn what_is_no_time_of_a_certificate_is_not_guessed() {
        let text = |kind, text: &str| time(kind, text);
        assert_eq!(text(UTC_TIME, "261122235959Z"), Some(1_795_391_999_000));
        assert_eq!(text(GENERALIZED_TIME, "20261122235959Z"), Some(1_795_391_999_000));
        for wrong in ["261122235959", "2611222359Z", "261322000000Z", "26112223595+Z", "261122235959+0500", ""] {
            assert_eq!(text(UTC_TIME, wrong), None, "{wrong}");
        }
        assert_eq!(text(UTC_TIME, "20261122235959Z"), None);
        assert_eq!(text(0x16, "261122235959Z"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&bytes);
        }

        #[test]
        fn a_cut_or_spoiled_certificate_makes_no_panic(cut in 0_usize..400, at in 0_usize..400, with in any::<u8>()) {
            let mut spoiled = certificate(2_030);
            if let Some(byte) = spoiled.get_mut(at) {
                *byte = with;
            }
            spoiled.truncate(cut);
            let _ = not_after(&spoiled);
        }
    }
}
