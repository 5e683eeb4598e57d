//! A value into a column, as StarRocks does it in strict mode: what does not fit is an error, never NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, StringArray, StringBuilder,
    TimestampMicrosecondBuilder, new_empty_array, new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::{DataType as ArrowType, i256};
use datafusion::common::ScalarValue;
use storage_model::reading::read_datetime;
use storage_model::value::integer_range;
use storage_model::{Column, DataType};

use crate::error::QueryError;
use crate::nested::{self, Misfit};
use crate::types;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// A value on its way into a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// NULL.
    Null,
    /// A text, which the column may read as what it holds.
    Text(&'a str),
    /// A number, as it was written.
    Number(&'a str),
    /// TRUE or FALSE.
    Boolean(bool),
}

enum Builder {
    Boolean(BooleanBuilder),
    TinyInt(Int8Builder),
    SmallInt(Int16Builder),
    Int(Int32Builder),
    BigInt(Int64Builder),
    LargeInt(Decimal256Builder),
    Decimal(Decimal128Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Date(Date32Builder),
    DateTime(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    /// JSON, bytes and what holds other values, value by value.
    Nested(Vec<ArrayRef>),
}

/// Collects the values of one column.
pub(crate) struct Collector<'a> {
    column: &'a Column,
    builder: Builder,
}

impl<'a> Collector<'a> {
    /// A collector with room for so many rows.
    pub(crate) fn new(column: &'a Column, rows: usize) -> Result<Collector<'a>, QueryError> {
        let arrow = types::arrow_type(&column.data_type);
        let builder = match (&arrow, &column.data_type) {
            (_, nested) if nested::holds(nested) => Builder::Nested(Vec::with_capacity(rows)),
            (_, DataType::Boolean) => Builder::Boolean(BooleanBuilder::with_capacity(rows)),
            (_, DataType::TinyInt) => Builder::TinyInt(Int8Builder::with_capacity(rows)),
            (_, DataType::SmallInt) => Builder::SmallInt(Int16Builder::with_capacity(rows)),
            (_, DataType::Int) => Builder::Int(Int32Builder::with_capacity(rows)),
            (_, DataType::BigInt) => Builder::BigInt(Int64Builder::with_capacity(rows)),
            (ArrowType::Decimal128(precision, scale), _) => {
                let builder = Decimal128Builder::with_capacity(rows).with_precision_and_scale(*precision, *scale)?;
                Builder::Decimal(builder)
            }
            (ArrowType::Decimal256(precision, scale), _) => {
                let builder = Decimal256Builder::with_capacity(rows).with_precision_and_scale(*precision, *scale)?;
                Builder::LargeInt(builder)
            }
            (_, DataType::Float) => Builder::Float(Float32Builder::with_capacity(rows)),
            (_, DataType::Double) => Builder::Double(Float64Builder::with_capacity(rows)),
            (_, DataType::Date) => Builder::Date(Date32Builder::with_capacity(rows)),
            (_, DataType::DateTime) => Builder::DateTime(TimestampMicrosecondBuilder::with_capacity(rows)),
            (_, DataType::Char(_) | DataType::Varchar(_)) => {
                Builder::Text(StringBuilder::with_capacity(rows, rows * 16))
            }
            (arrow, other) => return Err(QueryError::internal(format!("no way to hold {other} as {arrow}"))),
        };
        Ok(Collector { column, builder })
    }

    /// Adds one value.
    pub(crate) fn push(&mut self, input: Input<'_>) -> Result<(), QueryError> {
        if matches!(input, Input::Null) {
            return self.push_null();
        }
        if self.try_push(input) { Ok(()) } else { Err(misfit(self.column, &describe(input))) }
    }

    /// Adds one value of any type.
    pub(crate) fn push_scalar(&mut self, value: &ScalarValue) -> Result<(), QueryError> {
        if let Builder::Nested(values) = &mut self.builder {
            values.push(nested::converted(&value.to_array()?, self.column, Misfit::Fails)?);
            return Ok(());
        }
        if let ScalarValue::Boolean(Some(value)) = value {
            return self.push(Input::Boolean(*value));
        }
        if nested::is_nested(&value.data_type()) {
            let array = nested::converted(&value.to_array()?, self.column, Misfit::Fails)?;
            return self.push_text_of(&array, value.data_type().is_numeric());
        }
        self.push_text_of(&value.to_array()?, value.data_type().is_numeric())
    }

    fn push_text_of(&mut self, value: &ArrayRef, is_number: bool) -> Result<(), QueryError> {
        let mut text = Vec::new();
        if !crate::cells::write_cell(value.as_ref(), 0, &mut text) {
            return self.push(Input::Null);
        }
        let text = String::from_utf8_lossy(&text);
        self.push(if is_number { Input::Number(&text) } else { Input::Text(&text) })
    }

    fn push_null(&mut self) -> Result<(), QueryError> {
        if !self.column.nullable {
            return Err(null_in(self.column));
        }
        match &mut self.builder {
            Builder::Boolean(b) => b.append_null(),
            Builder::TinyInt(b) => b.append_null(),
            Builder::SmallInt(b) => b.append_null(),
            Builder::Int(b) => b.append_null(),
            Builder::BigInt(b) => b.append_null(),
            Builder::LargeInt(b) => b.append_null(),
            Builder::Decimal(b) => b.append_null(),
            Builder::Float(b) => b.append_null(),
            Builder::Double(b) => b.append_null(),
            Builder::Date(b) => b.append_null(),
            Builder::DateTime(b) => b.append_null(),
            Builder::Text(b) => b.append_null(),
            Builder::Nested(values) => values.push(new_null_array(&types::arrow_type(&self.column.data_type), 1)),
        }
        Ok(())
    }

    /// False when the value does not fit.
    fn try_push(&mut self, input: Input<'_>) -> bool {
        let data_type = &self.column.data_type;
        match &mut self.builder {
            Builder::Boolean(b) => as_boolean(input).map(|v| b.append_value(v)),
            Builder::TinyInt(b) => as_integer(input, data_type).map(|v| b.append_value(v as i8)),
            Builder::SmallInt(b) => as_integer(input, data_type).map(|v| b.append_value(v as i16)),
            Builder::Int(b) => as_integer(input, data_type).map(|v| b.append_value(v as i32)),
            Builder::BigInt(b) => as_integer(input, data_type).map(|v| b.append_value(v as i64)),
            Builder::LargeInt(b) => as_integer(input, data_type).map(|v| b.append_value(i256::from_i128(v))),
            Builder::Decimal(b) => match data_type {
                DataType::Decimal { precision, scale } => as_decimal(input, *precision, *scale),
                _ => None,
            }
            .map(|v| b.append_value(v)),
            Builder::Float(b) => as_float(input).map(|v| v as f32).filter(|v| v.is_finite()).map(|v| b.append_value(v)),
            Builder::Double(b) => as_float(input).map(|v| b.append_value(v)),
            Builder::Date(b) => as_datetime(input)
                .and_then(|micros| i32::try_from(micros.div_euclid(MICROS_A_DAY)).ok())
                .map(|v| b.append_value(v)),
            Builder::DateTime(b) => as_datetime(input).map(|v| b.append_value(v)),
            Builder::Text(b) => {
                let text = match input {
                    Input::Text(text) | Input::Number(text) => text,
                    Input::Boolean(true) => "1",
                    Input::Boolean(false) => "0",
                    Input::Null => return false,
                };
                fits(text, data_type).then(|| b.append_value(text))
            }
            Builder::Nested(values) => {
                let given: ArrayRef = match input {
                    Input::Text(text) | Input::Number(text) => Arc::new(StringArray::from(vec![text])),
                    Input::Boolean(value) => Arc::new(BooleanArray::from(vec![value])),
                    Input::Null => return false,
                };
                nested::converted(&given, self.column, Misfit::Fails).ok().map(|value| values.push(value))
            }
        }
        .is_some()
    }

    /// The column.
    pub(crate) fn finish(self) -> ArrayRef {
        match self.builder {
            Builder::Nested(values) => {
                let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
                // All of them are of the type of the column, so there is no other way for this to end.
                concat(&values).unwrap_or_else(|_| new_empty_array(&types::arrow_type(&self.column.data_type)))
            }
            Builder::Boolean(mut b) => Arc::new(b.finish()),
            Builder::TinyInt(mut b) => Arc::new(b.finish()),
            Builder::SmallInt(mut b) => Arc::new(b.finish()),
            Builder::Int(mut b) => Arc::new(b.finish()),
            Builder::BigInt(mut b) => Arc::new(b.finish()),
            Builder::LargeInt(mut b) => Arc::new(b.finish()),
            Builder::Decimal(mut b) => Arc::new(b.finish()),
            Builder::Float(mut b) => Arc::new(b.finish()),
            Builder::Double(mut b) => Arc::new(b.finish()),
            Builder::Date(mut b) => Arc::new(b.finish()),
            Builder::DateTime(mut b) => Arc::new(b.finish()),
            Builder::Text(mut b) => Arc::new(b.finish()),
        }
    }
}

/// The error of a NULL where none may be.
pub(crate) fn null_in(column: &Column) -> QueryError {
    QueryError::invalid(format!("Insert has filtered data: NULL value in non-nullable column '{}'", column.name))
}

/// The error of a value that a column cannot hold.
pub(crate) fn misfit(column: &Column, value: &str) -> QueryError {
    let (name, data_type) = (&column.name, &column.data_type);
    let length = value.len();
    match data_type {
        DataType::Char(limit) | DataType::Varchar(limit) => QueryError::invalid(format!(
            "Insert has filtered data: the string length({length}) exceeds the limit({limit}) of column '{name}'"
        )),
        _ => {
            let shown: String = value.chars().take(64).collect();
            let ellipsis = if shown.len() < length { "…" } else { "" };
            QueryError::invalid(format!(
                "Insert has filtered data: value '{shown}{ellipsis}' does not fit column '{name}' of type {data_type}"
            ))
        }
    }
}

fn describe(input: Input<'_>) -> String {
    match input {
        Input::Null => "NULL".to_owned(),
        Input::Text(text) | Input::Number(text) => text.to_owned(),
        Input::Boolean(value) => value.to_string(),
    }
}

/// Whether a text is short enough, in bytes.
pub(crate) fn fits(text: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Char(limit) | DataType::Varchar(limit) => text.len() <= *limit as usize,
        _ => true,
    }
}

fn as_boolean(input: Input<'_>) -> Option<bool> {
    match input {
        Input::Boolean(value) => Some(value),
        Input::Number(text) => as_float(Input::Number(text)).map(|v| v != 0.0),
        Input::Text(text) => match text.trim() {
            t if t.eq_ignore_ascii_case("true") => Some(true),
            t if t.eq_ignore_ascii_case("false") => Some(false),
            t => as_float(Input::Text(t)).map(|v| v != 0.0),
        },
        Input::Null => None,
    }
}

fn as_integer(input: Input<'_>, data_type: &DataType) -> Option<i128> {
    let number = match input {
        Input::Boolean(value) => i128::from(value),
        Input::Text(text) => text.trim().parse().ok()?,
        Input::Number(text) => match text.parse() {
            Ok(number) => number,
            // A fraction is cut off, as a cast of a DECIMAL does.
            Err(_) => truncated(text)?,
        },
        Input::Null => return None,
    };
    let (low, high) = integer_range(data_type);
    (low..=high).contains(&number).then_some(number)
}

fn truncated(text: &str) -> Option<i128> {
    if !text.contains(['e', 'E'])
        && let Some((whole, fraction)) = text.split_once('.')
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return if matches!(whole, "" | "-" | "+") { Some(0) } else { whole.parse().ok() };
    }
    let number: f64 = text.parse().ok()?;
    (number.abs() < 1.7e38).then_some(number.trunc() as i128)
}

fn as_float(input: Input<'_>) -> Option<f64> {
    match input {
        Input::Boolean(value) => Some(f64::from(u8::from(value))),
        Input::Text(text) | Input::Number(text) => text.trim().parse().ok().filter(|v: &f64| v.is_finite()),
        Input::Null => None,
    }
}

fn as_datetime(input: Input<'_>) -> Option<i64> {
    match input {
        Input::Text(text) | Input::Number(text) => read_datetime(text),
        _ => None,
    }
}

fn as_decimal(input: Input<'_>, precision: u8, scale: u8) -> Option<i128> {
    match input {
        Input::Boolean(value) => parse_decimal(if value { "1" } else { "0" }, precision, scale),
        Input::Text(text) | Input::Number(text) => parse_decimal(text.trim(), precision, scale),
        Input::Null => None,
    }
}

/// A decimal number in units of its last place, rounded half away from zero; None when it has too many digits.
fn parse_decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
    let is_digit = |(at, b): (usize, &u8)| at == point || b.is_ascii_digit();
    if digits.iter().filter(|b| **b != b'.').count() == 0 || !digits.iter().enumerate().all(is_digit) {
        return None;
    }
    // How many digits stand before the last kept place.
    let keep = (point as i64).checked_add(i64::from(exponent))?.checked_add(i64::from(scale))?;
    let mut number: i128 = 0;
    let mut seen: i64 = 0;
    for digit in digits.iter().filter(|b| **b != b'.') {
        if seen == keep {
            number += i128::from(*digit >= b'5');
            break;
        }
        if seen > keep {
            break;
        }
        number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        seen += 1;
    }
    while seen < keep && number != 0 {
        number = number.checked_mul(10)?;
        seen += 1;
    }
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (number < limit).then_some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_and_keep_their_digits() {
        assert_eq!(parse_decimal("1.005", 10, 2), Some(101));
        assert_eq!(parse_decimal("-1.005", 10, 2), Some(-101));
        assert_eq!(parse_decimal("1234567890123456.78", 18, 2), Some(123_456_789_012_345_678));
        assert_eq!(parse_decimal("12e2", 6, 1), Some(12_000));
        assert_eq!(parse_decimal("5e-1", 1, 0), Some(1));
        assert_eq!(parse_decimal("0.04", 3, 1), Some(0));
        assert_eq!(parse_decimal("999.95", 4, 1), None);
        for bad in ["", ".", "-", "1.2.3", "1e", "abc", "1a"] {
            assert_eq!(parse_decimal(bad, 10, 2), None, "{bad}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let push = |data_type, input| {
            let column = types::loose_column("c", data_type);
            let mut collector = Collector::new(&column, 1).unwrap();
            collector.push(input).map(|()| collector.finish())
        };
        assert!(push(DataType::TinyInt, Input::Number("127")).is_ok());
        assert!(push(DataType::TinyInt, Input::Number("128")).is_err());
        assert!(push(DataType::Int, Input::Text("abc")).unwrap_err().message.contains("'abc' does not fit column 'c'"));
        assert!(push(DataType::Date, Input::Text("2015-02-29")).is_err());
        assert!(push(DataType::Float, Input::Number("1e39")).is_err());
        let too_long = push(DataType::Varchar(3), Input::Text("four")).unwrap_err().message;
        assert!(too_long.contains("length(4) exceeds the limit(3)"), "{too_long}");
        assert!(push(DataType::Varchar(4), Input::Text("four")).is_ok());
        assert!(push(DataType::LargeInt, Input::Number("170141183460469231731687303715884105728")).is_err());
    }
}
