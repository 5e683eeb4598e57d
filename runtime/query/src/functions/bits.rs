//! Shifts of whole numbers, in the width that they have.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal256Type, Int8Type, Int16Type, Int32Type, Int64Type, i256};
use datafusion::common::{Result, exec_err};

use super::typed::{Typed, like_first};

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("bit_shift_left", number_and_count, like_first, |args, _, _| shifted(args, left)),
        Typed::new("bit_shift_right", number_and_count, like_first, |args, _, _| shifted(args, right)),
        Typed::new("bit_shift_right_logical", number_and_count, like_first, |args, _, _| shifted(args, right_logical)),
    ]
}

/// Whole numbers stay in their width; everything else is read in 64 bits.
fn number_and_count(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value, count] = types else { return None };
    let readable = |given: &DataType| given.is_numeric() || given.is_null() || given == &DataType::Utf8;
    let large = DataType::Decimal256(storage_tablet::types::LARGEINT_PRECISION, 0);
    let value = match value {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => value.clone(),
        same if *same == large => large,
        other if readable(other) || other == &DataType::Boolean => DataType::Int64,
        _ => return None,
    };
    readable(count).then_some(vec![value, DataType::Int64])
}

/// A number, how far it is shifted, and how many bits it has.
type Shift = fn(i128, u32, u32) -> i128;

fn left(value: i128, count: u32, bits: u32) -> i128 {
    let moved = value.checked_shl(count).unwrap_or(0);
    // What is beyond the width is gone, and its highest bit is the sign.
    let beyond = i128::BITS - bits;
    (moved << beyond) >> beyond
}

fn right(value: i128, count: u32, _: u32) -> i128 {
    value >> count.min(i128::BITS - 1)
}

fn right_logical(value: i128, count: u32, bits: u32) -> i128 {
    let beyond = i128::BITS - bits;
    let unsigned = (value << beyond).cast_unsigned() >> beyond;
    left(unsigned.checked_shr(count).unwrap_or(0).cast_signed(), 0, bits)
}

fn shifted(args: &[ArrayRef], shift: Shift) -> Result<ArrayRef> {
    let counts = args[1].as_primitive::<Int64Type>();
    Ok(match args[0].data_type() {
        DataType::Int8 => Arc::new(whole::<Int8Type>(&args[0], counts, shift)),
        DataType::Int16 => Arc::new(whole::<Int16Type>(&args[0], counts, shift)),
        DataType::Int32 => Arc::new(whole::<Int32Type>(&args[0], counts, shift)),
        DataType::Int64 => Arc::new(whole::<Int64Type>(&args[0], counts, shift)),
        DataType::Decimal256(precision, scale) => {
            let values = args[0].as_primitive::<Decimal256Type>().iter().map(|value| value.and_then(i256::to_i128));
            let moved = values.zip(counts).map(|(value, count)| moved(value?, count?, i128::BITS, shift));
            let moved: Decimal256Array = moved.map(|value| value.map(i256::from_i128)).collect();
            Arc::new(moved.with_precision_and_scale(*precision, *scale)?)
        }
        other => return exec_err!("{other} cannot be shifted"),
    })
}

/// Shifted by less than nothing a number is 0.
fn moved(value: i128, count: i64, bits: u32, shift: Shift) -> Option<i128> {
    match u32::try_from(count) {
        Ok(count) => Some(shift(value, count, bits)),
        Err(_) if count < 0 => Some(0),
        Err(_) => Some(shift(value, u32::MAX, bits)),
    }
}

fn whole<T>(values: &ArrayRef, counts: &PrimitiveArray<Int64Type>, shift: Shift) -> PrimitiveArray<T>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i128>,
{
    let bits = 8 * size_of::<T::Native>() as u32;
    let one = |(value, count): (Option<T::Native>, Option<i64>)| {
        moved(i128::from(value?.into()), count?, bits, shift).and_then(|moved| T::Native::try_from(moved).ok())
    };
    values.as_primitive::<T>().iter().zip(counts).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shifted_in_their_width() {
        for (shift, value, count, bits, expected) in [
            (left as Shift, 2, 1, 8, 4),
            (left, 64, 1, 8, -128),
            (left, 1, 64, 64, 0),
            (left, -2, 1, 64, -4),
            (right, 2, 1, 64, 1),
            (right, -2, 1, 64, -1),
            (right, -2, 200, 8, -1),
            (right_logical, -2, 1, 8, 127),
            (right_logical, -2, 1, 64, i128::from(i64::MAX)),
            (right_logical, -1, 0, 64, -1),
            (right_logical, -1, 64, 64, 0),
            (right_logical, -1, 127, 128, 1),
        ] {
            assert_eq!(moved(value, count, bits, shift), Some(expected), "{value} {count} {bits}");
        }
        assert_eq!(moved(7, -1, 64, right), Some(0));
    }
}
