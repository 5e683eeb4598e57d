//! The key of a row as 128 bits: what the key index of a PRIMARY KEY table is ordered by and looked up with.
//!
//! It is part of the stored format, frozen for ever: the first 16 bytes of the SHA-256 of the key columns' values, in the order
//! of the columns' ids. Nobody finds two keys with the same bits, by chance or on purpose, so they stand for the key itself.
//! The bytes of a value:
//!
//! | type | bytes |
//! |---|---|
//! | NULL of any type | one byte, 0 |
//! | BOOLEAN, TINYINT … LARGEINT | 1, then 16 bytes, two's complement, little endian |
//! | DECIMAL | 2, then the number without its point as above |
//! | DATE | 3, then days since 1970-01-01 as 8 bytes |
//! | DATETIME | 4, then microseconds since 1970-01-01 00:00:00 as 8 bytes |
//! | CHAR, VARCHAR | 5, then the length as 8 bytes, then UTF-8 |
//! | FLOAT, DOUBLE | 6, then IEEE 754 in 8 bytes, minus zero as zero |

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use sha2::{Digest, Sha256};
use storage_model::Schema;

use crate::error::TabletError;

/// The key of a row. Greater keys are greater numbers; nothing else is to be made of their order.
pub type KeyHash = u128;

/// The positions of the key columns, in the order in which keys are made of them.
pub fn positions(schema: &Schema) -> Vec<usize> {
    let mut positions = schema.key_positions();
    positions.sort_by_key(|at| schema.columns[*at].id);
    positions
}

/// The key of each row, given the columns at [`positions`] in their storage types.
///
/// # Errors
/// When there are none, or one is of a type that is no key's.
pub fn hashes(columns: &[ArrayRef]) -> Result<Vec<KeyHash>, TabletError> {
    let first = columns.first().ok_or_else(|| TabletError::invalid("a PRIMARY KEY table has no key"))?;
    let mut digests = vec![Sha256::new(); first.len()];
    for column in columns {
        if column.len() != digests.len() {
            return Err(TabletError::invalid("key columns of unequal length"));
        }
        add_column(&mut digests, column)?;
    }
    let hash = |digest: Sha256| {
        let bytes: [u8; 32] = digest.finalize().into();
        bytes[..16].iter().fold(0_u128, |hash, byte| hash << 8 | u128::from(*byte))
    };
    Ok(digests.into_iter().map(hash).collect())
}

fn add_column(digests: &mut [Sha256], column: &ArrayRef) -> Result<(), TabletError> {
    match column.data_type() {
        ArrowType::Boolean => {
            let values = column.as_boolean().iter();
            add_all(digests, values.map(|value| value.map(|value| integer(1, i128::from(value)))));
        }
        ArrowType::Int8 => add_numbers::<Int8Type, 17>(digests, column, |value| integer(1, value.into())),
        ArrowType::Int16 => add_numbers::<Int16Type, 17>(digests, column, |value| integer(1, value.into())),
        ArrowType::Int32 => add_numbers::<Int32Type, 17>(digests, column, |value| integer(1, value.into())),
        ArrowType::Int64 => add_numbers::<Int64Type, 17>(digests, column, |value| integer(1, value.into())),
        ArrowType::Decimal256(..) => {
            add_numbers::<Decimal256Type, 17>(digests, column, |value| integer(1, value.as_i128()));
        }
        ArrowType::Decimal128(..) => add_numbers::<Decimal128Type, 17>(digests, column, |value| integer(2, value)),
        ArrowType::Date32 => add_numbers::<Date32Type, 9>(digests, column, |days| time(3, days.into())),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            add_numbers::<TimestampMicrosecondType, 9>(digests, column, |micros| time(4, micros));
        }
        ArrowType::Float32 => add_numbers::<Float32Type, 9>(digests, column, |value| float(value.into())),
        ArrowType::Float64 => add_numbers::<Float64Type, 9>(digests, column, float),
        ArrowType::Utf8 => add_texts(digests, column.as_string::<i32>().iter()),
        ArrowType::Utf8View => add_texts(digests, column.as_string_view().iter()),
        other => return Err(TabletError::invalid(format!("a column of type {other} cannot be a key"))),
    }
    Ok(())
}

fn integer(tag: u8, value: i128) -> [u8; 17] {
    let mut bytes = [tag; 17];
    bytes[1..].copy_from_slice(&value.to_le_bytes());
    bytes
}

fn time(tag: u8, value: i64) -> [u8; 9] {
    let mut bytes = [tag; 9];
    bytes[1..].copy_from_slice(&value.to_le_bytes());
    bytes
}

fn float(value: f64) -> [u8; 9] {
    let mut bytes = [6; 9];
    bytes[1..].copy_from_slice(&(value + 0.0).to_le_bytes());
    bytes
}

fn add_numbers<T: ArrowPrimitiveType, const N: usize>(
    digests: &mut [Sha256],
    column: &ArrayRef,
    bytes: impl Fn(T::Native) -> [u8; N],
) {
    add_all(digests, column.as_primitive::<T>().iter().map(|value| value.map(&bytes)));
}

fn add_all<const N: usize>(digests: &mut [Sha256], values: impl Iterator<Item = Option<[u8; N]>>) {
    for (digest, value) in digests.iter_mut().zip(values) {
        match value {
            Some(bytes) => digest.update(bytes),
            None => digest.update([0]),
        }
    }
}

fn add_texts<'a>(digests: &mut [Sha256], values: impl Iterator<Item = Option<&'a str>>) {
    for (digest, value) in digests.iter_mut().zip(values) {
        match value {
            Some(text) => {
                digest.update([5]);
                digest.update((text.len() as u64).to_le_bytes());
                digest.update(text.as_bytes());
            }
            None => digest.update([0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal256Array, Int8Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::i256;

    use super::*;

    fn one(column: impl Array + 'static) -> KeyHash {
        hashes(&[Arc::new(column)]).unwrap()[0]
    }

    /// Frozen: keys are found by these numbers. The expected values were computed outside with hashlib.sha256.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(one(Int64Array::from(vec![1])), FROZEN_ONE);
        assert_eq!(one(Int64Array::from(vec![None])), FROZEN_NULL);
        assert_eq!(one(StringArray::from(vec!["Ёж"])), FROZEN_TEXT);
        assert_eq!(one(Date32Array::from(vec![16_690])), FROZEN_DATE);
        assert_eq!(one(TimestampMicrosecondArray::from(vec![1_442_018_819_000_000])), FROZEN_DATETIME);
    }

    const FROZEN_ONE: KeyHash = 0xdd5a_7cee_1a5b_f5bd_ae70_fb73_74b6_43d5;
    const FROZEN_NULL: KeyHash = 0x6e34_0b9c_ffb3_7a98_9ca5_44e6_bb78_0a2c;
    const FROZEN_TEXT: KeyHash = 0xd066_46f3_77be_4f0b_d2b3_42fc_cda8_e298;
    const FROZEN_DATE: KeyHash = 0x14b1_2eea_9ef5_553d_0aef_0fee_738d_b2b3;
    const FROZEN_DATETIME: KeyHash = 0x0edb_4601_3cd3_1879_eb13_d29f_fcad_2983;

    #[test]
    fn integers_are_alike_in_every_width_and_parts_do_not_run_together() {
        assert_eq!(one(Int8Array::from(vec![1])), FROZEN_ONE);
        assert_eq!(one(Decimal256Array::from_iter_values([i256::from_i128(1)])), FROZEN_ONE);
        let texts = |a: &str, b: &str| {
            let column = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
            hashes(&[column(a), column(b)]).unwrap()[0]
        };
        assert_ne!(texts("ab", "c"), texts("a", "bc"));
        assert_ne!(texts("", "a"), texts("a", ""));
        assert!(hashes(&[]).is_err());
    }
}
