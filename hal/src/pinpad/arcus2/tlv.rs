//! BER-TLV, as far as the PinPad uses it: primitive values in a row (`tag | length | value`), tags of one to four bytes.

/// A tag and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    /// The tag's bytes as one number: `9F02` is `0x9F02`.
    pub tag: u32,
    /// The value's bytes.
    pub value: Vec<u8>,
}

/// Why bytes are no BER-TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a tag, a length or a value.
    #[error("the bytes end inside a tag, a length or a value")]
    Cut,
    /// A tag of more than four bytes.
    #[error("a tag of more than four bytes")]
    LongTag,
    /// An indefinite length, or one of more than two bytes.
    #[error("a length that is indefinite or has more than two bytes")]
    LongLength,
}

/// Take a whole list apart.
///
/// # Errors
/// The bytes are not a list of TLVs to their very end.
pub fn parse(mut bytes: &[u8]) -> Result<Vec<Tlv>, Malformed> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let tag = take_tag(&mut bytes)?;
        let length = take_length(&mut bytes)?;
        let (value, rest) = bytes.split_at_checked(length).ok_or(Malformed::Cut)?;
        list.push(Tlv { tag, value: value.to_vec() });
        bytes = rest;
    }
    Ok(list)
}

/// Take a list of bare tags apart (what `GETTAGS` asks for).
///
/// # Errors
/// The last tag is cut, or one is too long.
pub fn parse_tags(mut bytes: &[u8]) -> Result<Vec<u32>, Malformed> {
    let mut tags = Vec::new();
    while !bytes.is_empty() {
        tags.push(take_tag(&mut bytes)?);
    }
    Ok(tags)
}

/// Append one TLV. Values longer than 65 535 bytes are cut to that length; the protocol has none.
pub fn push(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    let bytes = tag.to_be_bytes();
    let skip = bytes.iter().take_while(|b| **b == 0).count().min(3);
    out.extend_from_slice(&bytes[skip..]);
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    match length {
        0..=0x7F => out.push(low),
        0x80..=0xFF => out.extend_from_slice(&[0x81, low]),
        _ => out.extend_from_slice(&[0x82, high, low]),
    }
    out.extend_from_slice(&value[..usize::from(length)]);
}

/// Twelve decimal digits, two in a byte, as tag `9F02` wants them. `None` above 999 999 999 999.
#[must_use]
pub fn bcd12(number: u64) -> Option<[u8; 6]> {
    let mut rest = number;
    let mut out = [0u8; 6];
    for byte in out.iter_mut().rev() {
        let pair = u8::try_from(rest % 100).ok()?;
        *byte = (pair / 10) << 4 | (pair % 10);
        rest /= 100;
    }
    (rest == 0).then_some(out)
}

/// Text of hexadecimal digits → bytes; `None` where it is anything else.
#[must_use]
pub fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn take_tag(bytes: &mut &[u8]) -> Result<u32, Malformed> {
    let mut tag = 0u32;
    for index in 0.. {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed::Cut)?;
        if index == 4 {
            return Err(Malformed::LongTag);
        }
        *bytes = rest;
        tag = tag << 8 | u32::from(byte);
        let more = if index == 0 { byte & 0x1F == 0x1F } else { byte & 0x80 != 0 };
        if !more {
            break;
        }
    }
    Ok(tag)
}

fn take_length(bytes: &mut &[u8]) -> Result<usize, Malformed> {
    let (&first, mut rest) = bytes.split_first().ok_or(Malformed::Cut)?;
    let follow = match first {
        0..=0x7F => {
            *bytes = rest;
            return Ok(usize::from(first));
        }
        0x81 => 1,
        0x82 => 2,
        _ => return Err(Malformed::LongLength),
    };
    let mut length = 0;
    for _ in 0..follow {
        let (&byte, after) = rest.split_first().ok_or(Malformed::Cut)?;
        length = length << 8 | usize::from(byte);
        rest = after;
    }
    *bytes = rest;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_amount_and_the_currency_are_encoded_as_the_document_says() {
        let mut out = Vec::new();
        push(&mut out, 0x9F02, &bcd12(50_000).expect("fits"));
        push(&mut out, 0x5F2A, &[0x08, 0x60]);
        assert_eq!(out, [0x9F, 0x02, 6, 0, 0, 0, 5, 0, 0, 0x5F, 0x2A, 2, 0x08, 0x60]);
        assert_eq!(bcd12(1_000_000_000_000), None);
    }

    #[test]
    fn tags_of_one_two_and_three_bytes_are_told_apart() {
        assert_eq!(
            parse_tags(&[0x5A, 0x9F, 0x1C, 0x1F, 0x84, 0x31, 0x1F, 0x0D]),
            Ok(vec![0x5A, 0x9F1C, 0x1F_8431, 0x1F0D])
        );
        assert_eq!(parse_tags(&[0x9F]), Err(Malformed::Cut));
    }

    #[test]
    fn a_cut_value_is_malformed() {
        assert_eq!(parse(&[0x5A, 3, 1, 2]), Err(Malformed::Cut));
        assert_eq!(parse(&[0x5A, 0x80]), Err(Malformed::LongLength));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5)) {
            let mut out = Vec::new();
            for value in &values {
                push(&mut out, 0x1F_8431, value);
            }
            let read: Vec<Vec<u8>> = parse(&out).expect("well-formed").into_iter().map(|t| t.value).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes);
            let _ = parse_tags(&bytes);
        }
    }
}
