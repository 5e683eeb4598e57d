//! Which bucket takes a row of a table that is DISTRIBUTED BY HASH.
//!
//! The hash is part of the stored format, frozen for ever: CRC-32 (the one of zlib) over the bytes of the distribution
//! columns' values, in the order of the DISTRIBUTED BY clause, then `hash % buckets`. The bytes of a value:
//!
//! | type | bytes |
//! |---|---|
//! | NULL of any type | four zero bytes |
//! | BOOLEAN | one byte, 0 or 1 |
//! | TINYINT, SMALLINT, INT, BIGINT, LARGEINT | 1, 2, 4, 8, 16 bytes, two's complement, little endian |
//! | DATE | days since 1970-01-01 as INT |
//! | DATETIME | microseconds since 1970-01-01 00:00:00 as BIGINT |
//! | DECIMAL | the number without its point as LARGEINT |
//! | CHAR, VARCHAR | UTF-8, without length or padding |
//! | FLOAT, DOUBLE | IEEE 754, little endian, minus zero as zero |
//!
//! A literal must therefore be cast to the column's type before it is hashed.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use crc32fast::Hasher;

use crate::error::TabletError;

const NULL: [u8; 4] = [0; 4];

/// The bucket of each row, given the distribution columns in their storage types.
pub fn bucket_of(columns: &[ArrayRef], buckets: u32) -> Result<Vec<u32>, TabletError> {
    if buckets == 0 {
        return Err(TabletError::invalid("a partition has no buckets"));
    }
    let mut hashes = hashes_of(columns)?;
    hashes.iter_mut().for_each(|hash| *hash %= buckets);
    Ok(hashes)
}

/// The hash of each row, before it is divided among buckets.
pub fn hashes_of(columns: &[ArrayRef]) -> Result<Vec<u32>, TabletError> {
    let first = columns.first().ok_or_else(|| TabletError::invalid("a table is distributed by no column"))?;
    let mut hashes = vec![0; first.len()];
    for column in columns {
        if column.len() != hashes.len() {
            return Err(TabletError::invalid("distribution columns of unequal length"));
        }
        add_column(&mut hashes, column)?;
    }
    Ok(hashes)
}

fn add_column(hashes: &mut [u32], column: &ArrayRef) -> Result<(), TabletError> {
    match column.data_type() {
        ArrowType::Boolean => {
            let values = column.as_boolean();
            add_all(hashes, values.iter().map(|value| value.map(|value| [u8::from(value)])));
        }
        ArrowType::Int8 => add_numbers::<Int8Type, 1>(hashes, column, i8::to_le_bytes),
        ArrowType::Int16 => add_numbers::<Int16Type, 2>(hashes, column, i16::to_le_bytes),
        ArrowType::Int32 => add_numbers::<Int32Type, 4>(hashes, column, i32::to_le_bytes),
        ArrowType::Int64 => add_numbers::<Int64Type, 8>(hashes, column, i64::to_le_bytes),
        ArrowType::Date32 => add_numbers::<Date32Type, 4>(hashes, column, i32::to_le_bytes),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            add_numbers::<TimestampMicrosecondType, 8>(hashes, column, i64::to_le_bytes);
        }
        ArrowType::Decimal128(..) => add_numbers::<Decimal128Type, 16>(hashes, column, i128::to_le_bytes),
        ArrowType::Decimal256(..) => {
            add_numbers::<Decimal256Type, 16>(hashes, column, |value| value.as_i128().to_le_bytes());
        }
        ArrowType::Float32 => add_numbers::<Float32Type, 4>(hashes, column, |value| (value + 0.0).to_le_bytes()),
        ArrowType::Float64 => add_numbers::<Float64Type, 8>(hashes, column, |value| (value + 0.0).to_le_bytes()),
        ArrowType::Utf8 => add_all(hashes, column.as_string::<i32>().iter()),
        ArrowType::LargeUtf8 => add_all(hashes, column.as_string::<i64>().iter()),
        ArrowType::Utf8View => add_all(hashes, column.as_string_view().iter()),
        other => return Err(TabletError::invalid(format!("a column of type {other} cannot distribute a table"))),
    }
    Ok(())
}

fn add_numbers<T: ArrowPrimitiveType, const N: usize>(
    hashes: &mut [u32],
    column: &ArrayRef,
    bytes: impl Fn(T::Native) -> [u8; N],
) {
    add_all(hashes, column.as_primitive::<T>().iter().map(|value| value.map(&bytes)));
}

fn add_all<B: AsBytes>(hashes: &mut [u32], values: impl Iterator<Item = Option<B>>) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        let mut hasher = Hasher::new_with_initial(*hash);
        match &value {
            Some(value) => hasher.update(value.as_bytes()),
            None => hasher.update(&NULL),
        }
        *hash = hasher.finalize();
    }
}

trait AsBytes {
    fn as_bytes(&self) -> &[u8];
}

impl AsBytes for &str {
    fn as_bytes(&self) -> &[u8] {
        str::as_bytes(self)
    }
}

impl<const N: usize> AsBytes for [u8; N] {
    fn as_bytes(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array, Int8Array, Int16Array, Int32Array,
        Int64Array, StringArray, StringViewArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::i256;

    use super::*;

    fn hash(column: impl Array + 'static) -> Vec<u32> {
        hashes_of(&[Arc::new(column)]).unwrap()
    }

    /// Frozen: rows are found by these numbers. The expected values were computed outside with zlib.crc32.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash(BooleanArray::from(vec![Some(false), Some(true), None])), FROZEN_BOOLEAN);
        assert_eq!(hash(Int8Array::from(vec![Some(0), Some(1), Some(-1)])), FROZEN_TINYINT);
        assert_eq!(hash(Int16Array::from(vec![Some(0), Some(1), Some(-1)])), FROZEN_SMALLINT);
        assert_eq!(hash(Int32Array::from(vec![Some(0), Some(1), Some(-1), None])), FROZEN_INT);
        assert_eq!(hash(Int64Array::from(vec![Some(0), Some(1), Some(-1)])), FROZEN_BIGINT);
        let large = Decimal256Array::from_iter_values([0, 1, -1].map(i256::from_i128));
        assert_eq!(hash(large), FROZEN_LARGEINT);
        assert_eq!(hash(Decimal128Array::from(vec![Some(0), Some(1), Some(-1)])), FROZEN_LARGEINT);
        assert_eq!(hash(Date32Array::from(vec![16_690])), FROZEN_DATE);
        assert_eq!(hash(TimestampMicrosecondArray::from(vec![1_442_018_819_000_000])), FROZEN_DATETIME);
        assert_eq!(hash(StringArray::from(vec![Some(""), Some("a"), Some("Ёж"), None])), FROZEN_TEXT);
        assert_eq!(hash(StringViewArray::from(vec![Some(""), Some("a"), Some("Ёж"), None])), FROZEN_TEXT);
        assert_eq!(hash(Float64Array::from(vec![-0.0, 1.5])), FROZEN_DOUBLE);
    }

    const FROZEN_BOOLEAN: [u32; 3] = [0xd202_ef8d, 0xa505_df1b, 0x2144_df1c];
    const FROZEN_TINYINT: [u32; 3] = [0xd202_ef8d, 0xa505_df1b, 0xff00_0000];
    const FROZEN_SMALLINT: [u32; 3] = [0x41d9_12ff, 0x58c2_23be, 0xffff_0000];
    const FROZEN_INT: [u32; 4] = [0x2144_df1c, 0x99f8_b879, 0xffff_ffff, 0x2144_df1c];
    const FROZEN_BIGINT: [u32; 3] = [0x6522_df69, 0xa988_dff7, 0x2144_df1c];
    const FROZEN_LARGEINT: [u32; 3] = [0xecbb_4b55, 0x42d3_dac4, 0x3fb3_c61a];
    const FROZEN_DATE: [u32; 1] = [0x0a3e_08c1];
    const FROZEN_DATETIME: [u32; 1] = [0xb534_95c9];
    const FROZEN_TEXT: [u32; 4] = [0x0000_0000, 0xe8b7_be43, 0x44dd_c494, 0x2144_df1c];
    const FROZEN_DOUBLE: [u32; 2] = [0x6522_df69, 0x0f21_99e1];

    #[test]
    fn columns_are_hashed_in_their_order_and_divided_evenly() {
        let (a, b): (ArrayRef, ArrayRef) =
            (Arc::new(Int32Array::from(vec![1])), Arc::new(StringArray::from(vec!["x"])));
        let both = hashes_of(&[Arc::clone(&a), Arc::clone(&b)]).unwrap();
        assert_ne!(both, hashes_of(&[b, a]).unwrap());
        let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..30_000));
        let mut counts = [0_usize; 7];
        for bucket in bucket_of(&[many], 7).unwrap() {
            counts[bucket as usize] += 1;
        }
        assert!(counts.iter().all(|count| (4_000..4_600).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(bucket_of(&[column], 0).is_err());
        assert!(bucket_of(&[], 3).is_err());
        let nulls: ArrayRef = arrow::array::new_null_array(&ArrowType::Null, 1);
        assert!(bucket_of(&[nulls], 3).is_err());
    }
}
