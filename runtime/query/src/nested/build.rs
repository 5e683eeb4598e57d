//! Arrays of any type from JSON values: all values of a level at once.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, LargeStringArray, ListArray, StructArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, Field};
use serde_json::Value;
use storage_model::{Column, DataType, StructField};

use super::{Misfit, inner_column, json, map_array};
use crate::error::QueryError;
use crate::insert::convert::{Collector, Input, misfit};
use crate::types::arrow_type;

/// The values of a column; None is NULL, and so is JSON's null where the column is not JSON.
pub(super) fn values(values: &[Option<&Value>], column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    match &column.data_type {
        DataType::Json => Ok(Arc::new(values.iter().map(|value| value.map(json::text)).collect::<LargeStringArray>())),
        DataType::Varbinary(_) => {
            let bytes = values.iter().map(|value| value.and_then(json::plain_text));
            Ok(Arc::new(BinaryArray::from_iter(bytes)))
        }
        // JSON says nothing of what these hold.
        DataType::Bitmap | DataType::Hll => {
            values.iter().flatten().filter(|value| !value.is_null()).try_for_each(|v| wrong(v, column, misfits))?;
            Ok(new_null_array(&arrow_type(&column.data_type), values.len()))
        }
        DataType::Array(element) => list(values, column, element, misfits),
        DataType::Map(key, value) => map(values, column, key, value, misfits),
        DataType::Struct(fields) => structs(values, column, fields, misfits),
        _ => plain(values, column, misfits),
    }
}

fn wrong(value: &Value, column: &Column, misfits: Misfit) -> Result<(), QueryError> {
    match misfits {
        Misfit::Fails => Err(misfit(column, &json::text(value))),
        Misfit::IsNull => Ok(()),
    }
}

/// The offset behind so many values.
fn place(count: usize) -> Result<i32, QueryError> {
    i32::try_from(count).map_err(|_| QueryError::invalid("too many values in the arrays or maps of a batch"))
}

fn list(
    given: &[Option<&Value>],
    column: &Column,
    element: &DataType,
    misfits: Misfit,
) -> Result<ArrayRef, QueryError> {
    let (mut inner, mut offsets, mut valid) = (Vec::new(), vec![0], Vec::with_capacity(given.len()));
    for value in given {
        let members = match value {
            Some(Value::Array(members)) => Some(members),
            None | Some(Value::Null) => None,
            Some(other) => {
                wrong(other, column, misfits)?;
                None
            }
        };
        inner.extend(members.into_iter().flatten().map(Some));
        offsets.push(place(inner.len())?);
        valid.push(members.is_some());
    }
    let inner = values(&inner, &inner_column(column, element), misfits)?;
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::new(offsets.into()), inner, Some(NullBuffer::from(valid)))?))
}

fn map(
    given: &[Option<&Value>],
    column: &Column,
    key: &DataType,
    value: &DataType,
    misfits: Misfit,
) -> Result<ArrayRef, QueryError> {
    let (mut names, mut inner, mut offsets, mut valid) = (Vec::new(), Vec::new(), vec![0], Vec::new());
    for one in given {
        let fields = match one {
            Some(Value::Object(fields)) => Some(fields),
            None | Some(Value::Null) => None,
            Some(other) => {
                wrong(other, column, misfits)?;
                None
            }
        };
        for (name, value) in fields.into_iter().flatten() {
            names.push(Value::from(name.as_str()));
            inner.push(Some(value));
        }
        offsets.push(place(inner.len())?);
        valid.push(fields.is_some());
    }
    let names: Vec<Option<&Value>> = names.iter().map(Some).collect();
    let keys = values(&names, &inner_column(column, key), misfits)?;
    let inner = values(&inner, &inner_column(column, value), misfits)?;
    map_array(OffsetBuffer::new(offsets.into()), keys, inner, Some(NullBuffer::from(valid)))
}

fn structs(
    given: &[Option<&Value>],
    column: &Column,
    fields: &[StructField],
    misfits: Misfit,
) -> Result<ArrayRef, QueryError> {
    let mut valid = Vec::with_capacity(given.len());
    for value in given {
        match value {
            Some(Value::Object(_) | Value::Array(_)) => valid.push(true),
            None | Some(Value::Null) => valid.push(false),
            Some(other) => {
                wrong(other, column, misfits)?;
                valid.push(false);
            }
        }
    }
    let mut parts = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let part: Vec<Option<&Value>> = given.iter().map(|value| member(*value, at, &field.name)).collect();
        parts.push(values(&part, &inner_column(column, &field.data_type), misfits)?);
    }
    let ArrowType::Struct(fields) = arrow_type(&column.data_type) else {
        return Err(QueryError::internal("a struct is no struct"));
    };
    Ok(Arc::new(StructArray::try_new(fields, parts, Some(NullBuffer::from(valid)))?))
}

/// A field of an object, by its name without case, or of an array, by its place.
fn member<'a>(value: Option<&'a Value>, at: usize, name: &str) -> Option<&'a Value> {
    match value {
        Some(Value::Object(fields)) => {
            fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        }
        Some(Value::Array(members)) => members.get(at),
        _ => None,
    }
}

fn plain(given: &[Option<&Value>], column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    let mut collector = Collector::new(column, given.len())?;
    for value in given {
        let pushed = match value {
            None | Some(Value::Null) => collector.push(Input::Null),
            Some(Value::Bool(value)) if column.data_type.is_text() => {
                collector.push(Input::Text(if *value { "true" } else { "false" }))
            }
            Some(Value::Bool(value)) => collector.push(Input::Boolean(*value)),
            Some(Value::String(text)) => collector.push(Input::Text(text)),
            Some(number @ Value::Number(_)) => collector.push(Input::Number(&json::text(number))),
            Some(other) if column.data_type.is_text() => collector.push(Input::Text(&json::text(other))),
            Some(other) => Err(misfit(column, &json::text(other))),
        };
        if let Err(error) = pushed {
            match misfits {
                Misfit::Fails => return Err(error),
                Misfit::IsNull => collector.push(Input::Null)?,
            }
        }
    }
    Ok(collector.finish())
}
