//! JSON as StarRocks prints it, `{"a": 1, "b": [1, 2]}` with the keys in order, and any value as JSON.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType as ArrowType;
use serde_json::{Map, Number, Value};

/// Above this a whole number is printed with an exponent.
const MOST_PLAIN: f64 = 1e16;

/// JSON from its text; None: it is none.
pub(crate) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The text of a value.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The text of a value as a text: one that is a text already is without its quotes.
pub(crate) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(text(other)),
    }
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(value, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_text(name, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

fn write_number(number: &Number, out: &mut String) {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < MOST_PLAIN => {
            out.push_str(&format!("{value:.0}"));
        }
        _ => out.push_str(&number.to_string()),
    }
}

/// A value of an array as JSON. Times and what JSON has no numbers for are texts.
pub(crate) fn of_cell(array: &dyn Array, row: usize) -> Value {
    if array.data_type() == &ArrowType::Null || array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        ArrowType::Boolean => Value::Bool(array.as_boolean().value(row)),
        ArrowType::LargeUtf8 => parse(array.as_string::<i64>().value(row)).unwrap_or(Value::Null),
        ArrowType::List(_) => list(array.as_list::<i32>().value(row).as_ref()),
        ArrowType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref()),
        ArrowType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row).as_ref()),
        ArrowType::Struct(fields) => {
            let parts = array.as_struct();
            let pair = |(at, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
                (field.name().clone(), of_cell(parts.column(at).as_ref(), row))
            };
            Value::Object(fields.iter().enumerate().map(pair).collect())
        }
        ArrowType::Map(..) => {
            let entries = array.as_map().value(row);
            let keys = super::map_keys(entries.column(0));
            let pair = |at| {
                let key = of_cell(keys.as_ref(), at);
                (plain_text(&key).unwrap_or_else(|| "null".to_owned()), of_cell(entries.column(1).as_ref(), at))
            };
            Value::Object((0..entries.len()).map(pair).collect::<Map<_, _>>())
        }
        data_type => {
            let mut cell = Vec::new();
            crate::cells::write_cell(array, row, &mut cell);
            let cell = String::from_utf8_lossy(&cell).into_owned();
            match data_type.is_numeric() {
                true => number(&cell, data_type.is_floating()),
                false => Value::String(cell),
            }
        }
    }
}

fn list(values: &dyn Array) -> Value {
    Value::Array((0..values.len()).map(|at| of_cell(values, at)).collect())
}

fn number(text: &str, is_floating: bool) -> Value {
    let whole = || text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok();
    let fraction = || text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number);
    let read = if is_floating { fraction() } else { whole().or_else(fraction) };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}
