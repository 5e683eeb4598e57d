//! What is written is counted on its way into a file: see [`storage_model::statistics`].

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use storage_model::distinct::Distinct;
use storage_model::statistics::ColumnStatistics;
use storage_model::{ColumnId, Schema};

use crate::error::TabletError;
use crate::sketch::hash;
use crate::types::arrow_type;

/// Whether values of a type are told apart.
fn is_compared(data_type: &ArrowType) -> bool {
    matches!(
        data_type,
        ArrowType::Boolean
            | ArrowType::Int8
            | ArrowType::Int16
            | ArrowType::Int32
            | ArrowType::Int64
            | ArrowType::Float32
            | ArrowType::Float64
            | ArrowType::Decimal128(..)
            | ArrowType::Decimal256(..)
            | ArrowType::Date32
            | ArrowType::Timestamp(TimeUnit::Microsecond, None)
            | ArrowType::Utf8
            | ArrowType::Utf8View
    )
}

/// The statistics of no rows yet, one a column.
pub(crate) fn empty(schema: &Schema) -> Vec<ColumnStatistics> {
    schema.columns.iter().map(|column| of_none(column.id, &arrow_type(&column.data_type))).collect()
}

/// The statistics of no values yet of a column.
pub fn of_none(column: ColumnId, data_type: &ArrowType) -> ColumnStatistics {
    ColumnStatistics::new(column, is_compared(data_type))
}

/// As text, in which they go through plans.
///
/// # Errors
/// Never, in fact.
pub fn encode(known: &ColumnStatistics) -> Result<String, TabletError> {
    serde_json::to_string(known).map_err(|e| TabletError::invalid(e.to_string()))
}

/// From their text.
///
/// # Errors
/// When it is none of theirs.
pub fn decode(text: &str) -> Result<ColumnStatistics, TabletError> {
    serde_json::from_str(text).map_err(|e| TabletError::corrupt(format!("statistics cannot be read: {e}")))
}

/// Counts the rows of a batch in, whose columns are those of `known`.
pub(crate) fn add_batch(known: &mut [ColumnStatistics], batch: &RecordBatch) {
    known.iter_mut().zip(batch.columns()).for_each(|(known, values)| add(known, values));
}

/// Counts values in, which are in memory as the type of their column is.
pub fn add(known: &mut ColumnStatistics, values: &ArrayRef) {
    known.rows += values.len() as u64;
    known.nulls += values.logical_null_count() as u64;
    let size = values.to_data().get_slice_memory_size();
    known.bytes += size.unwrap_or_else(|_| values.get_array_memory_size()) as u64;
    match values.data_type() {
        ArrowType::Int8 => numbers::<Int8Type>(known, values, i128::from),
        ArrowType::Int16 => numbers::<Int16Type>(known, values, i128::from),
        ArrowType::Int32 => numbers::<Int32Type>(known, values, i128::from),
        ArrowType::Int64 => numbers::<Int64Type>(known, values, i128::from),
        ArrowType::Date32 => numbers::<Date32Type>(known, values, i128::from),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            numbers::<TimestampMicrosecondType>(known, values, i128::from);
        }
        ArrowType::Decimal128(..) => numbers::<Decimal128Type>(known, values, |value| value),
        ArrowType::Decimal256(..) => numbers::<Decimal256Type>(known, values, |value| value.as_i128()),
        other => {
            let Some(distinct) = known.distinct.as_mut() else { return };
            match other {
                ArrowType::Boolean => {
                    add_all(distinct, values.as_boolean().iter().map(|v| v.map(|v| [u8::from(v)])));
                }
                ArrowType::Float32 => add_floats(distinct, values.as_primitive::<Float32Type>().iter()),
                ArrowType::Float64 => add_floats(distinct, values.as_primitive::<Float64Type>().iter()),
                ArrowType::Utf8 => add_all(distinct, values.as_string::<i32>().iter()),
                ArrowType::Utf8View => add_all(distinct, values.as_string_view().iter()),
                // Values of other types are not told apart.
                _ => {}
            }
        }
    }
}

/// Numbers alike in every width count as one, so that a column may become wider.
fn numbers<T: ArrowPrimitiveType>(known: &mut ColumnStatistics, values: &ArrayRef, wide: impl Fn(T::Native) -> i128) {
    let values = values.as_primitive::<T>();
    if let Some((least, most)) = min(values).zip(max(values)) {
        let range = (wide(least), wide(most));
        let all = known.range.map_or(range, |(least, most)| (least.min(range.0), most.max(range.1)));
        known.range = Some(all);
    }
    if let Some(distinct) = known.distinct.as_mut() {
        add_all(distinct, values.iter().map(|value| value.map(|value| wide(value).to_le_bytes())));
    }
}

fn add_floats<T: Into<f64>>(distinct: &mut Distinct, values: impl Iterator<Item = Option<T>>) {
    // Minus zero is zero.
    add_all(distinct, values.map(|value| value.map(|value| (value.into() + 0.0).to_le_bytes())));
}

fn add_all<B: AsRef<[u8]>>(distinct: &mut Distinct, values: impl Iterator<Item = Option<B>>) {
    values.flatten().for_each(|value| distinct.add(hash::of_bytes(value.as_ref())));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringArray};

    use storage_model::DataType;

    use super::*;

    fn none(data_type: &DataType) -> ColumnStatistics {
        of_none(ColumnId(1), &arrow_type(data_type))
    }

    #[test]
    fn they_go_through_text() {
        let mut known = none(&DataType::LargeInt);
        known.range = Some((i128::MIN, i128::MAX));
        assert_eq!(decode(&encode(&known).unwrap()).unwrap(), known);
        (0..100_u64).for_each(|n| known.distinct.as_mut().unwrap().add(n << 32 | n));
        assert_eq!(decode(&encode(&known).unwrap()).unwrap(), known);
        assert!(decode("{}").is_err());
    }

    #[test]
    fn values_are_counted_whatever_their_width() {
        let mut known = none(&DataType::Int);
        add(&mut known, &(Arc::new(Int32Array::from(vec![Some(5), None, Some(-7), Some(5)])) as ArrayRef));
        add(&mut known, &(Arc::new(Int64Array::from(vec![5, 9])) as ArrayRef));
        assert_eq!((known.rows, known.nulls, known.range), (6, 1, Some((-7, 9))));
        assert_eq!(known.distinct_count(), Some(3));
        assert!(known.bytes >= 32);
    }

    #[test]
    fn texts_and_fractions_have_no_range_and_nested_values_are_not_told_apart() {
        let mut texts = none(&DataType::Varchar(9));
        add(&mut texts, &(Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("a")])) as ArrayRef));
        assert_eq!((texts.distinct_count(), texts.range), (Some(2), None));
        let mut floats = none(&DataType::Double);
        add(&mut floats, &(Arc::new(Float64Array::from(vec![0.0, -0.0, 1.5])) as ArrayRef));
        assert_eq!(floats.distinct_count(), Some(2));
        let mut json = none(&DataType::Json);
        add(&mut json, &(Arc::new(StringArray::from(vec!["{}"])) as ArrayRef));
        assert_eq!((json.distinct_count(), json.rows), (None, 1));
    }
}
