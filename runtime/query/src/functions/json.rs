//! Functions on JSON. Where a text stands for JSON it is read as such; one that is none is NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, LargeStringArray, StringArray,
};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use serde_json::{Map, Value};

use super::typed::{Typed, type_text};
use crate::nested::{self, Path, json};

pub(super) fn functions() -> Vec<Typed> {
    let json = |_: &[DataType]| DataType::LargeUtf8;
    let text = |_: &[DataType]| DataType::Utf8;
    let boolean = |_: &[DataType]| DataType::Boolean;
    let int = |_: &[DataType]| DataType::Int32;
    vec![
        Typed::new("parse_json", one, json, |args, _, _| Ok(texts(read(&args[0])?.iter().map(Option::as_ref)))),
        Typed::new("to_json", one, json, to_json),
        Typed::new("json_query", with_path, json, query),
        Typed::new("get_json_object", with_path, text, string),
        Typed::new("get_json_string", with_path, text, string),
        Typed::new("get_json_int", with_path, |_| DataType::Int64, whole),
        Typed::new("get_json_double", with_path, |_| DataType::Float64, double),
        Typed::new("get_json_bool", with_path, boolean, truth),
        Typed::new("json_exists", with_path, boolean, exists),
        Typed::new("json_length", maybe_path, int, length),
        Typed::new("json_keys", maybe_path, json, keys),
        Typed::new("json_contains", two, boolean, contains),
        Typed::new("json_string", one, text, string_of),
        Typed::new("json_pretty", one, text, pretty),
        Typed::new("is_json_scalar", one, boolean, is_scalar),
        Typed::new("json_object", any, json, make_object),
        Typed::new("json_array", any, json, make_array),
        Typed::new("typeof", one, text, type_of),
    ]
}

fn any(types: &[DataType]) -> Option<Vec<DataType>> {
    Some(types.to_vec())
}

fn one(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 1).then(|| types.to_vec())
}

fn two(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 2).then(|| types.to_vec())
}

fn with_path(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [value, _] => Some(vec![value.clone(), DataType::Utf8]),
        _ => None,
    }
}

fn maybe_path(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.len() == 1 { one(types) } else { with_path(types) }
}

/// Values as JSON: texts by what they say, everything else by what it is.
fn read(values: &ArrayRef) -> Result<Vec<Option<Value>>> {
    if matches!(values.data_type(), DataType::Utf8 | DataType::Utf8View) {
        let texts = super::texts(values, values.len())?;
        return Ok(texts.iter().map(|text| text.and_then(json::parse)).collect());
    }
    if values.data_type() == &DataType::Null {
        return Ok(vec![None; values.len()]);
    }
    if values.data_type() == &DataType::LargeUtf8 {
        return Ok(nested::parsed(values));
    }
    let of = |row| (!values.is_null(row)).then(|| json::of_cell(values.as_ref(), row));
    Ok((0..values.len()).map(of).collect())
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    Arc::new(values.map(|value| value.map(json::text)).collect::<LargeStringArray>())
}

fn to_json(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let of = |row| match json::of_cell(args[0].as_ref(), row) {
        Value::Null => None,
        value => Some(json::text(&value)),
    };
    Ok(Arc::new((0..rows).map(of).collect::<LargeStringArray>()))
}

/// What each row has at its path; None: the row or the path is NULL, or there is nothing.
fn found(args: &[ArrayRef], rows: usize) -> Result<Vec<Option<Value>>> {
    let values = read(&args[0])?;
    let Some(paths) = args.get(1) else { return Ok(values) };
    let paths = paths.as_string::<i32>();
    let mut known: Option<(&str, Path)> = None;
    let mut found = Vec::with_capacity(rows);
    for (row, value) in values.iter().enumerate() {
        let (Some(value), true) = (value, paths.is_valid(row)) else {
            found.push(None);
            continue;
        };
        let text = paths.value(row);
        if known.as_ref().is_none_or(|(of, _)| *of != text) {
            let Some(path) = Path::parse(text) else { return exec_err!("Invalid json path: {text}") };
            known = Some((text, path));
        }
        found.push(known.as_ref().and_then(|(_, path)| path.find(value)));
    }
    Ok(found)
}

fn query(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    Ok(texts(found(args, rows)?.iter().map(Option::as_ref)))
}

/// As a text, with what is a text already as it is.
fn string(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let found = found(args, rows)?;
    Ok(Arc::new(found.iter().map(|v| v.as_ref().and_then(json::plain_text)).collect::<StringArray>()))
}

fn whole(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let whole = |value: &Value| match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|v| v as i64)),
        Value::Bool(value) => Some(i64::from(*value)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(Arc::new(found(args, rows)?.iter().map(|v| v.as_ref().and_then(whole)).collect::<Int64Array>()))
}

fn double(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let double = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(Arc::new(found(args, rows)?.iter().map(|v| v.as_ref().and_then(double)).collect::<Float64Array>()))
}

fn truth(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let truth = |value: &Value| match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => number.as_f64().map(|v| v != 0.0),
        Value::String(text) => crate::coerce::text_truth(text),
        _ => None,
    };
    Ok(Arc::new(found(args, rows)?.iter().map(|v| v.as_ref().and_then(truth)).collect::<BooleanArray>()))
}

fn exists(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (values, found) = (read(&args[0])?, found(args, rows)?);
    let exists = values.iter().zip(&found).map(|(value, found)| value.as_ref().map(|_| found.is_some()));
    Ok(Arc::new(exists.collect::<BooleanArray>()))
}

/// Members of an object or an array; anything else is one.
fn length(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let count = |value: &Value| match value {
        Value::Array(values) => values.len(),
        Value::Object(fields) => fields.len(),
        _ => 1,
    };
    let values = read(&args[0])?;
    let counts = found(args, rows)?.into_iter().zip(values).map(|(found, value)| {
        let count = found.as_ref().map_or(0, count);
        value.and_then(|_| i32::try_from(count).ok())
    });
    Ok(Arc::new(counts.collect::<Int32Array>()))
}

fn keys(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let keys = |value: &Value| match value {
        Value::Object(fields) => {
            Some(json::text(&Value::Array(fields.keys().map(|name| Value::from(name.as_str())).collect())))
        }
        _ => None,
    };
    Ok(Arc::new(found(args, rows)?.iter().map(|v| v.as_ref().and_then(keys)).collect::<LargeStringArray>()))
}

/// Whether all of the second is in the first.
fn contains(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let (whole, part) = (read(&args[0])?, read(&args[1])?);
    let answers = whole.iter().zip(&part).map(|(whole, part)| Some(is_within(part.as_ref()?, whole.as_ref()?)));
    Ok(Arc::new(answers.collect::<BooleanArray>()))
}

fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| is_within(part, whole)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.iter().all(|part| whole.iter().any(|whole| is_within(part, whole)))
        }
        (part, Value::Array(whole)) => whole.iter().any(|whole| is_within(part, whole)),
        (part, whole) => part == whole,
    }
}

fn string_of(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(read(&args[0])?.iter().map(|v| v.as_ref().map(json::text)).collect::<StringArray>()))
}

fn pretty(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).ok();
    Ok(Arc::new(read(&args[0])?.iter().map(|v| v.as_ref().and_then(pretty)).collect::<StringArray>()))
}

fn is_scalar(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let is_scalar = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
    Ok(Arc::new(read(&args[0])?.iter().map(|v| v.as_ref().map(is_scalar)).collect::<BooleanArray>()))
}

/// `json_object(name, value, …)`; a name without a value has null, and with a name that is NULL there is no object.
fn make_object(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let field = |pair: &[ArrayRef], row: usize| {
        let name = json::plain_text(&json::of_cell(pair[0].as_ref(), row))?;
        Some((name, pair.get(1).map_or(Value::Null, |value| json::of_cell(value.as_ref(), row))))
    };
    let object = |row: usize| args.chunks(2).map(|pair| field(pair, row)).collect::<Option<Map<_, _>>>();
    let made = (0..rows).map(|row| object(row).map(|fields| json::text(&Value::Object(fields))));
    Ok(Arc::new(made.collect::<LargeStringArray>()))
}

fn make_array(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let of = |row| {
        let values = args.iter().map(|arg| json::of_cell(arg.as_ref(), row)).collect();
        Some(json::text(&Value::Array(values)))
    };
    Ok(Arc::new((0..rows).map(of).collect::<LargeStringArray>()))
}

fn type_of(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(StringArray::from(vec![type_text(args[0].data_type()); rows])))
}

/// The element of a JSON array at an index, from 0 as JSON counts, or a field of a JSON object.
pub(super) fn member(values: &ArrayRef, keys: &ArrayRef) -> Result<ArrayRef> {
    let values = nested::parsed(values);
    let member = |(row, value): (usize, &Option<Value>)| {
        let value = value.as_ref().filter(|_| keys.is_valid(row))?;
        let found = match keys.as_primitive_opt::<Int64Type>() {
            Some(indices) => value.get(usize::try_from(indices.value(row)).ok()?),
            None => value.get(keys.as_string::<i32>().value(row)),
        };
        found.map(json::text)
    };
    Ok(Arc::new(values.iter().enumerate().map(member).collect::<LargeStringArray>()))
}
