//! Hash functions over the texts of values: `murmur_hash3_32` and `crc32`, with which clients compare rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Builder, Int64Builder, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::text::{any_null, texts};
use super::{Function, Slot};

/// StarRocks' seed.
const SEED: u32 = 104_729;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("murmur_hash3_32", &[Slot::Any], DataType::Int32, murmur_rows).variadic(),
        Function::new("crc32", &[Slot::Any], DataType::Int64, crc_rows),
    ]
}

fn murmur_rows(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let parts = args.iter().map(|a| texts(a, rows)).collect::<Result<Vec<StringArray>>>()?;
    let mut builder = Int32Builder::with_capacity(rows);
    for row in 0..rows {
        if any_null(args, row) {
            builder.append_null();
        } else {
            let hash = parts.iter().fold(SEED, |seed, part| murmur3_32(part.value(row).as_bytes(), seed));
            builder.append_value(hash as i32);
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn crc_rows(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let text = texts(&args[0], rows)?;
    let mut builder = Int64Builder::with_capacity(rows);
    for row in 0..rows {
        if any_null(args, row) {
            builder.append_null();
        } else {
            builder.append_value(i64::from(crc32fast::hash(text.value(row).as_bytes())));
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// The hash of bytes with StarRocks' seed.
pub(super) fn murmur(bytes: &[u8]) -> u32 {
    murmur3_32(bytes, SEED)
}

/// MurmurHash3, the 32-bit variant for x86.
fn murmur3_32(bytes: &[u8], seed: u32) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let scramble = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = seed;
    let (blocks, tail) = bytes.as_chunks::<4>();
    for block in blocks {
        hash ^= scramble(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        let mut last = [0_u8; 4];
        last[..tail.len()].copy_from_slice(tail);
        hash ^= scramble(u32::from_le_bytes(last));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur_is_the_known_one() {
        // The reference vectors of MurmurHash3_x86_32.
        assert_eq!(murmur3_32(b"", 0), 0);
        assert_eq!(murmur3_32(b"", 1), 0x514e_28b7);
        assert_eq!(murmur3_32(b"test", 0), 0xba6b_d213);
        assert_eq!(murmur3_32(b"Hello, world!", 0), 0xc036_3e43);
        assert_eq!(murmur3_32(b"The quick brown fox jumps over the lazy dog", 0x9747_b28c), 0x2fa8_26cd);
        // StarRocks' documented value.
        assert_eq!(murmur3_32(b"hello", SEED) as i32, 1_321_743_225);
    }
}
