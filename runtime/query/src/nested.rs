//! Values that hold others: JSON, ARRAY, MAP, STRUCT; and those that are bytes: VARBINARY, BITMAP, HLL. How they are read from text and from each other, for columns (where what
//! does not fit is an error) and for CAST (where it is NULL). A value of an ARRAY that does not fit is NULL by itself.
//!
//! In memory JSON is `LargeUtf8`, which nothing else is, in the one form that `json::write` gives it.

mod build;
pub(crate) mod json;
mod path;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, LargeStringArray, ListArray, MapArray, StructArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Field};
use serde_json::Value;
use storage_model::{Column, DataType};

use crate::error::QueryError;
use crate::functions::texts;
use crate::insert::convert::{misfit, null_in};
use crate::insert::store::{stored_plainly, stored_texts, text_of};
use crate::types::{arrow_type, loose_column};
pub(crate) use path::Path;

/// What becomes of a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The statement fails.
    Fails,
    /// It is NULL.
    IsNull,
}

/// Whether values of a type in memory are of this room: they hold others, or are JSON or bytes.
pub(crate) fn is_nested(data_type: &ArrowType) -> bool {
    data_type.is_nested()
        || matches!(
            data_type,
            ArrowType::LargeUtf8 | ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView
        )
}

/// Whether a column of this type is filled by this room.
pub(crate) fn holds(data_type: &DataType) -> bool {
    data_type.is_nested() || data_type.is_sketch() || matches!(data_type, DataType::Json | DataType::Varbinary(_))
}

/// Values as a column holds them.
pub(crate) fn converted(values: &ArrayRef, column: &Column, misfit: Misfit) -> Result<ArrayRef, QueryError> {
    if !column.nullable && values.logical_null_count() > 0 {
        return Err(null_in(column));
    }
    let target = arrow_type(&column.data_type);
    match (&column.data_type, values.data_type()) {
        (_, ArrowType::Null) => Ok(new_null_array(&target, values.len())),
        (DataType::Json, _) => json_of(values, column, misfit),
        (DataType::Bitmap | DataType::Hll, given) if given == &target => Ok(Arc::clone(values)),
        (DataType::Bitmap | DataType::Hll, _) => none_fits(values, column, misfit),
        // Nothing but themselves is what sketches are.
        (_, ArrowType::LargeBinary | ArrowType::BinaryView) => none_fits(values, column, misfit),
        (DataType::Varbinary(_), _) => bytes_of(values, column, misfit),
        (_, ArrowType::Utf8 | ArrowType::Utf8View | ArrowType::LargeUtf8) if column.data_type.is_nested() => {
            from_text(values, column, misfit)
        }
        (DataType::Array(element), ArrowType::List(_) | ArrowType::LargeList(_) | ArrowType::FixedSizeList(..)) => {
            list_of(values, column, element, misfit)
        }
        (DataType::Map(key, value), ArrowType::Map(..)) => map_of(values, column, key, value, misfit),
        (DataType::Struct(fields), ArrowType::Struct(given)) if fields.len() == given.len() => {
            let types: Vec<&DataType> = fields.iter().map(|field| &field.data_type).collect();
            struct_of(values, column, &types, misfit)
        }
        (nested, _) if nested.is_nested() => none_fits(values, column, misfit),
        (_, ArrowType::LargeUtf8) => {
            let parsed = parsed(values);
            build::values(&parsed.iter().map(Option::as_ref).collect::<Vec<_>>(), column, misfit)
        }
        (_, given) if misfit == Misfit::IsNull || given.is_nested() => stored_texts(values, column, misfit),
        _ => stored_plainly(values, column),
    }
}

/// A column for the values inside of another, for the messages about them.
fn inner_column(column: &Column, data_type: &DataType) -> Column {
    loose_column(&column.name, data_type.clone())
}

fn none_fits(values: &ArrayRef, column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    match (0..values.len()).find(|row| !values.is_null(*row)) {
        Some(row) if misfits == Misfit::Fails => Err(misfit(column, &text_of(values, row))),
        _ => Ok(new_null_array(&arrow_type(&column.data_type), values.len())),
    }
}

/// JSON values of an array of JSON.
pub(crate) fn parsed(values: &ArrayRef) -> Vec<Option<Value>> {
    match values.as_string_opt::<i64>() {
        Some(texts) => texts.iter().map(|text| text.and_then(json::parse)).collect(),
        None => vec![None; values.len()],
    }
}

/// Any values as JSON. A text for a column must be JSON; for a CAST one that is none is a JSON text.
fn json_of(values: &ArrayRef, column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    if values.data_type() == &ArrowType::LargeUtf8 {
        return Ok(Arc::clone(values));
    }
    let is_text = matches!(values.data_type(), ArrowType::Utf8 | ArrowType::Utf8View);
    let mut texts = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        let value = match json::of_cell(values.as_ref(), row) {
            Value::Null => None,
            Value::String(text) if is_text => match (json::parse(&text), misfits) {
                (Some(value), _) => Some(value),
                (None, Misfit::IsNull) => Some(Value::String(text)),
                (None, Misfit::Fails) => return Err(misfit(column, &text)),
            },
            value => Some(value),
        };
        texts.push(value.map(|value| json::text(&value)));
    }
    Ok(Arc::new(LargeStringArray::from(texts)))
}

fn bytes_of(values: &ArrayRef, column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    let DataType::Varbinary(limit) = column.data_type else { return none_fits(values, column, misfits) };
    let bytes: ArrayRef = match values.data_type() {
        ArrowType::Binary => Arc::clone(values),
        ArrowType::FixedSizeBinary(_) => cast(values, &ArrowType::Binary)?,
        _ => Arc::new(texts(values, values.len())?.iter().map(|t| t.map(str::as_bytes)).collect::<BinaryArray>()),
    };
    let mut lengths = bytes.as_binary::<i32>().iter();
    match lengths.find_map(|b| b.map(<[u8]>::len).filter(|length| *length > limit as usize)) {
        Some(length) if misfits == Misfit::Fails => Err(QueryError::invalid(format!(
            "Insert has filtered data: the binary length({length}) exceeds the limit({limit}) of column '{}'",
            column.name
        ))),
        _ => Ok(bytes),
    }
}

/// Values that hold others, read from JSON in texts.
fn from_text(values: &ArrayRef, column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    let texts: ArrayRef = cast(values, &ArrowType::LargeUtf8)?;
    let parsed = parsed(&texts);
    let wrong = (0..values.len()).find(|row| parsed[*row].is_none() && !values.is_null(*row));
    if let (Some(row), Misfit::Fails) = (wrong, misfits) {
        return Err(misfit(column, &text_of(values, row)));
    }
    build::values(&parsed.iter().map(Option::as_ref).collect::<Vec<_>>(), column, misfits)
}

/// Offsets from zero, and the values between the first and the last of them.
fn trimmed(offsets: &OffsetBuffer<i32>, values: &ArrayRef) -> (OffsetBuffer<i32>, ArrayRef) {
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let moved: Vec<i32> = offsets.iter().map(|offset| offset - first).collect();
    (OffsetBuffer::new(moved.into()), values.slice(first as usize, (last - first) as usize))
}

/// Any list as the list that plans and files have.
pub(crate) fn plain_list(values: &ArrayRef) -> Result<ListArray, QueryError> {
    if let Some(list) = values.as_list_opt::<i32>() {
        return Ok(list.clone());
    }
    let element = match values.data_type() {
        ArrowType::LargeList(field) | ArrowType::FixedSizeList(field, _) => field.data_type().clone(),
        _ => ArrowType::Null,
    };
    Ok(cast(values, &ArrowType::List(Arc::new(Field::new_list_field(element, true))))?.as_list::<i32>().clone())
}

fn list_of(values: &ArrayRef, column: &Column, element: &DataType, misfit: Misfit) -> Result<ArrayRef, QueryError> {
    let list = plain_list(values)?;
    let (offsets, inner) = trimmed(list.offsets(), list.values());
    let inner = converted(&inner, &inner_column(column, element), misfit)?;
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, inner, list.nulls().cloned())?))
}

fn map_of(
    values: &ArrayRef,
    column: &Column,
    key: &DataType,
    value: &DataType,
    misfit: Misfit,
) -> Result<ArrayRef, QueryError> {
    let map = values.as_map();
    let (offsets, keys) = trimmed(map.offsets(), &map_keys(map.keys()));
    let (_, inner) = trimmed(map.offsets(), map.values());
    let keys = converted(&keys, &inner_column(column, key), misfit)?;
    let inner = converted(&inner, &inner_column(column, value), misfit)?;
    map_array(offsets, keys, inner, map.nulls().cloned())
}

/// The keys of maps, out of the groups that they stand in.
pub(crate) fn map_keys(groups: &ArrayRef) -> ArrayRef {
    match groups.as_struct_opt() {
        Some(group) if group.num_columns() == 1 => Arc::clone(group.column(0)),
        _ => Arc::clone(groups),
    }
}

/// A map from its parts.
pub(crate) fn map_array(
    offsets: OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<arrow::buffer::NullBuffer>,
) -> Result<ArrayRef, QueryError> {
    let target = storage_tablet::map_type(keys.data_type().clone(), values.data_type().clone());
    let ArrowType::Map(entry, _) = target else { return Err(QueryError::internal("a map is no map")) };
    let ArrowType::Struct(fields) = entry.data_type() else { return Err(QueryError::internal("an entry is no pair")) };
    let ArrowType::Struct(group) = fields[0].data_type() else {
        return Err(QueryError::internal("a key is in no group"));
    };
    let keys: ArrayRef = Arc::new(StructArray::try_new(group.clone(), vec![keys], None)?);
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(entry, offsets, entries, nulls, false)?))
}

fn struct_of(values: &ArrayRef, column: &Column, types: &[&DataType], misfit: Misfit) -> Result<ArrayRef, QueryError> {
    let given = values.as_struct();
    let mut parts = Vec::with_capacity(types.len());
    for (part, data_type) in given.columns().iter().zip(types) {
        parts.push(converted(part, &inner_column(column, data_type), misfit)?);
    }
    let ArrowType::Struct(fields) = arrow_type(&column.data_type) else {
        return Err(QueryError::internal("a struct is no struct"));
    };
    Ok(Arc::new(StructArray::try_new(fields, parts, given.nulls().cloned())?))
}

#[cfg(test)]
mod tests;
