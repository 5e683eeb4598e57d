//! A row as text, for the messages that quote one.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType as ArrowType, Date32Type, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use storage_model::value::{format_date, format_datetime};

/// Longer values are cut here, in characters.
const LONGEST_VALUE: usize = 64;

/// `[1, '2015-09-12 00:46:00', NULL]`
pub(crate) fn row_text(batch: &RecordBatch, row: usize) -> String {
    let values: Vec<String> = batch.columns().iter().map(|column| value_text(column, row)).collect();
    format!("[{}]", values.join(", "))
}

/// One value, quoted unless it is a number, and cut when it is long.
pub(crate) fn value_text(column: &ArrayRef, row: usize) -> String {
    if column.data_type() == &ArrowType::Null || column.is_null(row) {
        return "NULL".to_owned();
    }
    match column.data_type() {
        ArrowType::Date32 => format!("'{}'", format_date(column.as_primitive::<Date32Type>().value(row))),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            format!("'{}'", format_datetime(column.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        kind => {
            let text = array_value_to_string(column, row).unwrap_or_else(|e| format!("<{e}>"));
            let text = match text.char_indices().nth(LONGEST_VALUE) {
                Some((at, _)) => format!("{}…", &text[..at]),
                None => text,
            };
            if kind.is_numeric() || kind == &ArrowType::Boolean { text } else { format!("'{text}'") }
        }
    }
}
