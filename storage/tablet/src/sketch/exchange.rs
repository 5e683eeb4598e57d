//! BITMAPs as StarRocks gives them away and takes them: `bitmap_to_binary`, `bitmap_to_base64` and back.
//!
//! ```text
//!   00                            empty
//!   01  number (4 bytes)          one number of 32 bits
//!   02  Roaring set of 32 bits    several of them
//!   03  number (8 bytes)          one number of 64 bits
//!   04  count (varint)  …         a Roaring set behind its upper 32 bits, for each of these
//!   0A  count (4 bytes)  numbers  a few numbers, 8 bytes each
//! ```

use std::io::Read;

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::error::TabletError;

const EMPTY: u8 = 0;
const ONE_SHORT: u8 = 1;
const SHORT: u8 = 2;
const ONE: u8 = 3;
const LONG: u8 = 4;
const FEW: u8 = 10;

/// The bytes that are given away.
///
/// # Errors
/// When memory cannot be written to, which does not happen.
pub fn encode(set: &RoaringTreemap) -> Result<Vec<u8>, TabletError> {
    let failed = |e: std::io::Error| TabletError::invalid(format!("a BITMAP cannot be written: {e}"));
    let mut bytes = Vec::new();
    match (set.min(), set.max()) {
        (Some(least), Some(greatest)) if least == greatest => match u32::try_from(least) {
            Ok(short) => {
                bytes.push(ONE_SHORT);
                bytes.extend_from_slice(&short.to_le_bytes());
            }
            Err(_) => {
                bytes.push(ONE);
                bytes.extend_from_slice(&least.to_le_bytes());
            }
        },
        (Some(_), Some(greatest)) if u32::try_from(greatest).is_ok() => {
            bytes.push(SHORT);
            for (_, part) in set.bitmaps() {
                part.serialize_into(&mut bytes).map_err(failed)?;
            }
        }
        (Some(_), Some(_)) => {
            bytes.push(LONG);
            let parts: Vec<(u32, &RoaringBitmap)> = set.bitmaps().filter(|(_, part)| !part.is_empty()).collect();
            write_varint(parts.len() as u64, &mut bytes);
            for (upper, part) in parts {
                bytes.extend_from_slice(&upper.to_le_bytes());
                part.serialize_into(&mut bytes).map_err(failed)?;
            }
        }
        _ => bytes.push(EMPTY),
    }
    Ok(bytes)
}

/// The set of bytes that were given away; None: they are of none.
pub fn decode(bytes: &[u8]) -> Option<RoaringTreemap> {
    let (form, mut rest) = bytes.split_first()?;
    let set = match *form {
        EMPTY => RoaringTreemap::new(),
        ONE_SHORT => RoaringTreemap::from_iter([u64::from(u32::from_le_bytes(take(&mut rest)?))]),
        ONE => RoaringTreemap::from_iter([u64::from_le_bytes(take(&mut rest)?)]),
        SHORT => RoaringTreemap::from_bitmaps([(0, RoaringBitmap::deserialize_from(&mut rest).ok()?)]),
        LONG => {
            let mut parts = Vec::new();
            for _ in 0..read_varint(&mut rest)? {
                let upper = u32::from_le_bytes(take(&mut rest)?);
                parts.push((upper, RoaringBitmap::deserialize_from(&mut rest).ok()?));
            }
            RoaringTreemap::from_bitmaps(parts)
        }
        FEW => {
            let mut set = RoaringTreemap::new();
            for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
                set.insert(u64::from_le_bytes(take(&mut rest)?));
            }
            set
        }
        _ => return None,
    };
    rest.is_empty().then_some(set)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let mut taken = [0; N];
    rest.read_exact(&mut taken).ok().map(|()| taken)
}

fn write_varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bytes_come_out() {
        let hex = |numbers: &[u64]| hex::encode_upper(encode(&numbers.iter().copied().collect()).unwrap());
        assert_eq!(hex(&[]), "00");
        assert_eq!(hex(&[1]), "0101000000");
        assert_eq!(hex(&[0, 1, 2, 3]), "023A3000000100000000000300100000000000010002000300");
        assert_eq!(hex(&[1 << 32]), "030000000001000000");
    }

    #[test]
    fn what_was_given_away_is_taken_again() {
        for numbers in [vec![], vec![7], vec![u64::MAX], vec![1, 5, 4_000_000_000], vec![1, 1 << 33, u64::MAX]] {
            let set = RoaringTreemap::from_iter(numbers);
            assert_eq!(decode(&encode(&set).unwrap()), Some(set));
        }
        let few = [&[FEW, 2, 0, 0, 0][..], &9_u64.to_le_bytes(), &(1_u64 << 40).to_le_bytes()].concat();
        assert_eq!(decode(&few), Some(RoaringTreemap::from_iter([9, 1 << 40])));
    }

    #[test]
    fn other_bytes_are_no_set() {
        let short = encode(&RoaringTreemap::from_iter([1, 2, 3])).unwrap();
        let long = [short.as_slice(), &[0]].concat();
        let endless = [LONG, 0xff, 0xff, 0xff, 0xff, 0x0f];
        for bytes in [&b""[..], &[9], &[ONE, 1], &short[..short.len() - 1], &long, &endless, b"text"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
