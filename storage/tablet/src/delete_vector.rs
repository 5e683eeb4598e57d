//! A delete vector: which rows of a file are there no more, by their numbers in it. Each one is complete: that of a later commit
//! holds what the one before held.
//!
//! ```text
//! "SKDV"  version u32  roaring bitmap (the portable format)  CRC-32C of all before u32
//! ```

use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use roaring::RoaringBitmap;

use crate::error::TabletError;

const MAGIC: &[u8; 4] = b"SKDV";
const VERSION: u32 = 1;
const HEAD: usize = 8;
const SUM: usize = 4;

/// As it is stored.
pub fn encode(rows: &RoaringBitmap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + rows.serialized_size() + SUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    // Into memory: it cannot fail.
    let _written = rows.serialize_into(&mut bytes);
    let sum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Reads what [`encode`] made.
///
/// # Errors
/// When the bytes are not that.
pub fn decode(bytes: &[u8]) -> Result<RoaringBitmap, TabletError> {
    let body = bytes.len().checked_sub(SUM).filter(|body| *body >= HEAD);
    let (body, sum) = bytes.split_at(body.ok_or_else(|| TabletError::corrupt("a delete vector is cut off"))?);
    if !body.starts_with(MAGIC) || sum != crc32c::crc32c(body).to_le_bytes() {
        return Err(TabletError::corrupt("a delete vector has another CRC-32C than was written"));
    }
    let version = body[MAGIC.len()..HEAD].iter().rev().fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
    if version != VERSION {
        return Err(TabletError::invalid(format!("a delete vector has version {version}, newer than this")));
    }
    RoaringBitmap::deserialize_from(&body[HEAD..])
        .map_err(|e| TabletError::corrupt(format!("a delete vector cannot be read: {e}")))
}

/// The rows of a file of so many that are not among these.
pub fn others(rows: &RoaringBitmap, all: u64) -> RowSelection {
    let (mut selectors, mut next) = (Vec::new(), 0_u64);
    let mut gone = rows.iter().map(u64::from).filter(|row| *row < all).peekable();
    while let Some(first) = gone.next() {
        let mut end = first + 1;
        while gone.next_if_eq(&end).is_some() {
            end += 1;
        }
        selectors.push(RowSelector::select((first - next) as usize));
        selectors.push(RowSelector::skip((end - first) as usize));
        next = end;
    }
    selectors.push(RowSelector::select((all - next) as usize));
    RowSelection::from(selectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_what_is_read() {
        let rows = RoaringBitmap::from_iter([0, 1, 4, 9]);
        let selectors: Vec<RowSelector> = others(&rows, 10).into();
        let (skip, select) = (RowSelector::skip, RowSelector::select);
        assert_eq!(selectors, [skip(2), select(2), skip(1), select(4), skip(1)]);
        assert_eq!(others(&RoaringBitmap::new(), 3).row_count(), 3);
        assert_eq!(others(&RoaringBitmap::from_iter(0..3), 3).row_count(), 0);
    }

    #[test]
    fn it_comes_back_as_it_was_and_no_byte_of_it_can_change_unseen() {
        for rows in [vec![], vec![7], (0..100_000).step_by(3).collect::<Vec<u32>>()] {
            let rows: RoaringBitmap = rows.into_iter().collect();
            let bytes = encode(&rows);
            assert_eq!(decode(&bytes).unwrap(), rows);
            for at in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert!(decode(&other).is_err(), "byte {at}");
                assert!(decode(&bytes[..at]).is_err(), "{at} bytes");
            }
        }
    }

    #[test]
    fn a_single_row_takes_few_bytes() {
        assert!(encode(&RoaringBitmap::from_iter([1_000_000])).len() <= 32);
    }
}
