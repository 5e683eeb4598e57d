//! A BITMAP: a set of whole numbers of 64 bits without a sign.
//!
//! ```text
//!   B6  version  CRC-32C of what follows (4 bytes)  the portable form of a Roaring set of 64 bits
//! ```

use roaring::RoaringTreemap;

use crate::error::TabletError;

const MAGIC: u8 = 0xB6;
const VERSION: u8 = 1;
/// Bytes before the set.
const HEADER: usize = 6;

/// The bytes of a set.
///
/// # Errors
/// When memory cannot be written to, which does not happen.
pub fn encode(set: &RoaringTreemap) -> Result<Vec<u8>, TabletError> {
    let mut bytes = Vec::with_capacity(HEADER + set.serialized_size());
    bytes.extend_from_slice(&[MAGIC, VERSION, 0, 0, 0, 0]);
    set.serialize_into(&mut bytes).map_err(|e| TabletError::invalid(format!("a BITMAP cannot be written: {e}")))?;
    let sum = crc32c::crc32c(&bytes[HEADER..]);
    bytes[2..HEADER].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// The set of bytes.
///
/// # Errors
/// When they are not those of a set, or of a version that is newer than this.
pub fn decode(bytes: &[u8]) -> Result<RoaringTreemap, TabletError> {
    let (sum, mut set) = match bytes {
        [MAGIC, VERSION, a, b, c, d, set @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), set),
        [MAGIC, version, ..] if *version > VERSION => {
            return Err(TabletError::invalid(format!("a BITMAP has version {version}, newer than this")));
        }
        _ => return Err(TabletError::corrupt("bytes that are no BITMAP")),
    };
    if crc32c::crc32c(set) != sum {
        return Err(TabletError::corrupt("a BITMAP has another CRC-32C"));
    }
    let read = RoaringTreemap::deserialize_from(&mut set);
    match read {
        Ok(read) if set.is_empty() => Ok(read),
        Ok(_) => Err(TabletError::corrupt(format!("{} bytes behind a BITMAP", set.len()))),
        Err(error) => Err(TabletError::corrupt(format!("a BITMAP cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = BTreeSet<u64>> {
        let number = prop_oneof![0..300_u64, any::<u64>(), (0..70_000_u64).prop_map(|n| (7 << 32) + n)];
        prop::collection::btree_set(number, 0..200)
    }

    fn set(numbers: &BTreeSet<u64>) -> RoaringTreemap {
        numbers.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn sets_come_back_and_do_what_ordered_sets_do(a in numbers(), b in numbers()) {
            let (one, other) = (decode(&encode(&set(&a)).unwrap()).unwrap(), decode(&encode(&set(&b)).unwrap()).unwrap());
            prop_assert_eq!(one.iter().collect::<BTreeSet<u64>>(), a.clone());
            prop_assert_eq!((&one | &other).iter().collect::<BTreeSet<u64>>(), &a | &b);
            prop_assert_eq!((&one & &other).iter().collect::<BTreeSet<u64>>(), &a & &b);
            prop_assert_eq!((&one - &other).iter().collect::<BTreeSet<u64>>(), &a - &b);
            prop_assert_eq!((&one ^ &other).iter().collect::<BTreeSet<u64>>(), &a ^ &b);
        }

        #[test]
        fn any_other_byte_is_seen(a in numbers(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let mut bytes = encode(&set(&a)).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decode(&bytes).is_err());
        }
    }

    #[test]
    fn what_is_no_set_says_so() {
        assert!(decode(b"").unwrap_err().to_string().contains("no BITMAP"));
        assert!(decode(b"text").unwrap_err().to_string().contains("no BITMAP"));
        assert!(decode(&[MAGIC, 2, 0]).unwrap_err().to_string().contains("newer than this"));
        let mut long = encode(&RoaringTreemap::from_iter([1])).unwrap();
        long.push(0);
        assert!(decode(&long).is_err());
        assert!(decode(&long[..long.len() - 2]).is_err());
    }
}
