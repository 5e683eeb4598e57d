//! Values as MySQL's text protocol carries them, in StarRocks' formatting. Writes into a buffer of the caller's;
//! numbers and texts allocate nothing.

mod numbers;

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    Array, BinaryArray, BooleanArray, FixedSizeBinaryArray, LargeStringArray, PrimitiveArray, RecordBatch, StringArray,
    StringViewArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
pub(crate) use numbers::write_float;
use numbers::{write_date, write_datetime, write_decimal, write_decimal256, write_integer};

/// The rows of a batch, ready to be written cell by cell.
pub struct Cells<'a> {
    columns: Vec<Column<'a>>,
    rows: usize,
}

impl<'a> Cells<'a> {
    /// The cells of a batch.
    pub fn new(batch: &'a RecordBatch) -> Cells<'a> {
        Cells { columns: batch.columns().iter().map(|c| Column::new(c.as_ref())).collect(), rows: batch.num_rows() }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Appends the text of a cell to `out`; false (and nothing written) when it is NULL.
    pub fn write(&self, column: usize, row: usize, out: &mut Vec<u8>) -> bool {
        self.columns[column].write(row, out)
    }
}

/// Appends the text of one value of an array; false when it is NULL.
pub fn write_cell(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> bool {
    Column::new(array).write(row, out)
}

/// An array behind its type.
pub(crate) enum Column<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    UInt8(&'a PrimitiveArray<UInt8Type>),
    UInt16(&'a PrimitiveArray<UInt16Type>),
    UInt32(&'a PrimitiveArray<UInt32Type>),
    UInt64(&'a PrimitiveArray<UInt64Type>),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, i8),
    Decimal256(&'a PrimitiveArray<Decimal256Type>, i8),
    Date(&'a PrimitiveArray<Date32Type>),
    Date64(&'a PrimitiveArray<Date64Type>),
    Seconds(&'a PrimitiveArray<TimestampSecondType>),
    Millis(&'a PrimitiveArray<TimestampMillisecondType>),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Binary(&'a BinaryArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    List(&'a dyn Array),
    Struct(&'a dyn Array),
    Map(&'a dyn Array),
    Other(&'a dyn Array),
}

impl<'a> Column<'a> {
    pub(crate) fn new(array: &'a dyn Array) -> Column<'a> {
        match array.data_type() {
            DataType::Null => Column::Null,
            DataType::Boolean => Column::Boolean(array.as_boolean()),
            DataType::Int8 => Column::Int8(array.as_primitive()),
            DataType::Int16 => Column::Int16(array.as_primitive()),
            DataType::Int32 => Column::Int32(array.as_primitive()),
            DataType::Int64 => Column::Int64(array.as_primitive()),
            DataType::UInt8 => Column::UInt8(array.as_primitive()),
            DataType::UInt16 => Column::UInt16(array.as_primitive()),
            DataType::UInt32 => Column::UInt32(array.as_primitive()),
            DataType::UInt64 => Column::UInt64(array.as_primitive()),
            DataType::Float32 => Column::Float32(array.as_primitive()),
            DataType::Float64 => Column::Float64(array.as_primitive()),
            DataType::Decimal128(_, scale) => Column::Decimal(array.as_primitive(), *scale),
            DataType::Decimal256(_, scale) => Column::Decimal256(array.as_primitive(), *scale),
            DataType::Date32 => Column::Date(array.as_primitive()),
            DataType::Date64 => Column::Date64(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Second, _) => Column::Seconds(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Column::Millis(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Column::Micros(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Column::Nanos(array.as_primitive()),
            DataType::Utf8 => Column::Text(array.as_string()),
            DataType::LargeUtf8 => Column::LargeText(array.as_string()),
            DataType::Utf8View => Column::TextView(array.as_string_view()),
            DataType::Binary => Column::Binary(array.as_binary()),
            // BITMAP and HLL have no text.
            DataType::LargeBinary | DataType::BinaryView => Column::Null,
            DataType::FixedSizeBinary(_) => Column::FixedBinary(array.as_fixed_size_binary()),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => Column::List(array),
            DataType::Struct(_) => Column::Struct(array),
            DataType::Map(_, _) => Column::Map(array),
            _ => Column::Other(array),
        }
    }

    fn array(&self) -> Option<&'a dyn Array> {
        Some(match self {
            Column::Null => return None,
            Column::Boolean(a) => *a,
            Column::Int8(a) => *a,
            Column::Int16(a) => *a,
            Column::Int32(a) => *a,
            Column::Int64(a) => *a,
            Column::UInt8(a) => *a,
            Column::UInt16(a) => *a,
            Column::UInt32(a) => *a,
            Column::UInt64(a) => *a,
            Column::Float32(a) => *a,
            Column::Float64(a) => *a,
            Column::Decimal(a, _) => *a,
            Column::Decimal256(a, _) => *a,
            Column::Date(a) => *a,
            Column::Date64(a) => *a,
            Column::Seconds(a) => *a,
            Column::Millis(a) => *a,
            Column::Micros(a) => *a,
            Column::Nanos(a) => *a,
            Column::Text(a) => *a,
            Column::LargeText(a) => *a,
            Column::TextView(a) => *a,
            Column::Binary(a) => *a,
            Column::FixedBinary(a) => *a,
            Column::List(a) | Column::Struct(a) | Column::Map(a) | Column::Other(a) => *a,
        })
    }

    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match self.array() {
            Some(array) if !array.is_null(row) => {}
            _ => return false,
        }
        match self {
            Column::Null => return false,
            Column::Boolean(a) => out.push(if a.value(row) { b'1' } else { b'0' }),
            Column::Int8(a) => write_integer(a.value(row).into(), out),
            Column::Int16(a) => write_integer(a.value(row).into(), out),
            Column::Int32(a) => write_integer(a.value(row).into(), out),
            Column::Int64(a) => write_integer(a.value(row).into(), out),
            Column::UInt8(a) => write_integer(a.value(row).into(), out),
            Column::UInt16(a) => write_integer(a.value(row).into(), out),
            Column::UInt32(a) => write_integer(a.value(row).into(), out),
            Column::UInt64(a) => write_integer(a.value(row).into(), out),
            Column::Float32(a) => write_float(f64::from(a.value(row)), &format!("{:e}", a.value(row)), out),
            Column::Float64(a) => write_float(a.value(row), &format!("{:e}", a.value(row)), out),
            Column::Decimal(a, scale) => write_decimal(a.value(row), *scale, out),
            Column::Decimal256(a, scale) => write_decimal256(a.value(row), *scale, out),
            Column::Date(a) => write_date(a.value(row).into(), out),
            Column::Date64(a) => write_date(a.value(row).div_euclid(86_400_000), out),
            Column::Seconds(a) => write_datetime(a.value(row).saturating_mul(1_000_000), out),
            Column::Millis(a) => write_datetime(a.value(row).saturating_mul(1000), out),
            Column::Micros(a) => write_datetime(a.value(row), out),
            Column::Nanos(a) => write_datetime(a.value(row).div_euclid(1000), out),
            Column::Text(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Column::LargeText(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Column::TextView(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Column::Binary(a) => out.extend_from_slice(a.value(row)),
            Column::FixedBinary(a) => out.extend_from_slice(a.value(row)),
            Column::List(a) => write_list(*a, row, out),
            Column::Struct(a) => write_struct(*a, row, out),
            Column::Map(a) => write_map(*a, row, out),
            Column::Other(a) => write_other(*a, row, out),
        }
        true
    }
}

/// A value inside a list, struct or map: texts and times in quotes, NULL as `null`.
fn write_nested(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let column = Column::new(array);
    // JSON within other values stands in single quotes.
    let quote = if matches!(column, Column::LargeText(_)) { b'\'' } else { b'"' };
    let quoted = !array.data_type().is_numeric()
        && !matches!(column, Column::Boolean(_) | Column::List(_) | Column::Struct(_) | Column::Map(_) | Column::Null);
    let start = out.len();
    if quoted {
        out.push(quote);
    }
    let text_start = out.len();
    if !column.write(row, out) {
        out.truncate(start);
        out.extend_from_slice(b"null");
        return;
    }
    if quoted {
        if quote == b'"' && out[text_start..].iter().any(|b| matches!(b, b'"' | b'\\')) {
            let text = out.split_off(text_start);
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
        }
        out.push(quote);
    }
}

fn write_list(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let values = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        _ => array.as_fixed_size_list().value(row),
    };
    out.push(b'[');
    for at in 0..values.len() {
        if at > 0 {
            out.push(b',');
        }
        write_nested(values.as_ref(), at, out);
    }
    out.push(b']');
}

fn write_struct(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let fields = array.as_struct();
    out.push(b'{');
    for (at, (name, values)) in fields.column_names().iter().zip(fields.columns()).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_nested(values.as_ref(), row, out);
    }
    out.push(b'}');
}

fn write_map(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let entries = array.as_map().value(row);
    let keys = crate::nested::map_keys(entries.column(0));
    out.push(b'{');
    for at in 0..entries.len() {
        if at > 0 {
            out.push(b',');
        }
        write_nested(keys.as_ref(), at, out);
        out.push(b':');
        write_nested(entries.column(1).as_ref(), at, out);
    }
    out.push(b'}');
}

/// Types that no column has (intervals, times of day): as Arrow prints them.
fn write_other(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    use std::io::Write;
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(array, &options) {
        let _ = write!(out, "{}", formatter.value(row));
    }
}
