//! Rows made what the table wants, and checked: types, NOT NULL, lengths, ranges. The first row that fails is quoted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Decimal256Type, DecimalType, SchemaRef, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use storage_model::{Column, DataType, Schema};

use crate::error::{TabletError, WriteError};
use crate::row::{row_text, value_text};

/// 0000-01-01 and 9999-12-31 as days since 1970-01-01.
const FIRST_DAY: i32 = -719_528;
const LAST_DAY: i32 = 2_932_896;
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// The batch with the table's columns (matched by position) in the table's types, every value checked.
pub(crate) fn conform(batch: &RecordBatch, schema: &Schema, arrow: &SchemaRef) -> Result<RecordBatch, WriteError> {
    if batch.num_columns() != schema.columns.len() {
        return Err(WriteError::Columns { expected: schema.columns.len(), found: batch.num_columns() });
    }
    let mut columns = Vec::with_capacity(batch.num_columns());
    for ((column, field), array) in schema.columns.iter().zip(arrow.fields()).zip(batch.columns()) {
        let array = convert(array, field.data_type()).map_err(|cause| WriteError::Cast {
            column: column.name.clone(),
            data_type: column.data_type.to_sql(),
            cause,
        })?;
        check_column(column, &array, batch)?;
        columns.push(array);
    }
    Ok(RecordBatch::try_new(Arc::clone(arrow), columns).map_err(TabletError::from)?)
}

fn convert(array: &ArrayRef, wanted: &ArrowType) -> Result<ArrayRef, arrow::error::ArrowError> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    cast_with_options(array, wanted, &CastOptions { safe: false, ..CastOptions::default() })
}

fn check_column(column: &Column, array: &ArrayRef, batch: &RecordBatch) -> Result<(), WriteError> {
    if !column.nullable
        && array.null_count() > 0
        && let Some(row) = (0..array.len()).find(|row| array.is_null(*row))
    {
        return Err(WriteError::Null { column: column.name.clone(), row: row_text(batch, row) });
    }
    if let DataType::Char(length) | DataType::Varchar(length) = column.data_type {
        let lengths = array.as_string::<i32>().iter().map(|text| text.map_or(0, str::len));
        return check_length(column, lengths, batch, length);
    }
    if let DataType::Varbinary(length) = column.data_type {
        let lengths = array.as_binary::<i32>().iter().map(|bytes| bytes.map_or(0, <[u8]>::len));
        return check_length(column, lengths, batch, length);
    }
    match first_out_of_range(&column.data_type, array) {
        None => Ok(()),
        Some(row) => Err(WriteError::OutOfRange {
            column: column.name.clone(),
            data_type: column.data_type.to_sql(),
            value: value_text(array, row).trim_matches('\'').to_owned(),
            row: row_text(batch, row),
        }),
    }
}

fn check_length(
    column: &Column,
    lengths: impl Iterator<Item = usize>,
    batch: &RecordBatch,
    length: u32,
) -> Result<(), WriteError> {
    match lengths.enumerate().find(|(_, found)| *found > length as usize) {
        None => Ok(()),
        Some((row, input_length)) => Err(WriteError::TooLong {
            column: column.name.clone(),
            schema_length: length,
            input_length,
            row: row_text(batch, row),
        }),
    }
}

/// The first row whose value the Arrow type holds and the table's does not.
fn first_out_of_range(data_type: &DataType, array: &ArrayRef) -> Option<usize> {
    match data_type {
        DataType::Date => {
            let wrong = |day: i32| !(FIRST_DAY..=LAST_DAY).contains(&day);
            array.as_primitive::<Date32Type>().iter().position(|day| day.is_some_and(wrong))
        }
        DataType::DateTime => {
            let days = i64::from(FIRST_DAY) * MICROS_OF_DAY..(i64::from(LAST_DAY) + 1) * MICROS_OF_DAY;
            let wrong = |micros: i64| !days.contains(&micros);
            array.as_primitive::<TimestampMicrosecondType>().iter().position(|micros| micros.is_some_and(wrong))
        }
        DataType::LargeInt => {
            let values = array.as_primitive::<Decimal256Type>();
            values.iter().position(|value| value.is_some_and(|value| value.to_i128().is_none()))
        }
        DataType::Decimal { precision, scale } => {
            let values = array.as_primitive::<Decimal128Type>();
            let wrong =
                |value| Decimal128Type::validate_decimal_precision(value, *precision, scale.cast_signed()).is_err();
            values.iter().position(|value| value.is_some_and(wrong))
        }
        _ => None,
    }
}
