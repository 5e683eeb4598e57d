//! Functions on text: the text of any value, `concat` as MySQL has it (NULL when any part is NULL).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err};

use super::{Function, Slot, TEXT, WORDS};
use crate::cells::Column;
use crate::nested::{self, json};

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new(TEXT, &[Slot::Any], DataType::Utf8, |args, rows| Ok(Arc::new(plain_texts(&args[0], rows)?))),
        Function::new(WORDS, &[Slot::Text], DataType::Utf8, |args, _| Ok(Arc::clone(&args[0]))),
        Function::new("concat", &[Slot::Any], DataType::Utf8, concat).variadic(),
        Function::new("field", &[Slot::Alike, Slot::Alike], DataType::Int32, field).variadic(),
    ]
}

/// The same, but JSON texts without their quotes.
fn plain_texts(array: &ArrayRef, rows: usize) -> Result<StringArray> {
    if array.data_type() == &DataType::LargeUtf8 {
        let values = nested::parsed(array);
        return Ok(values.iter().map(|value| value.as_ref().and_then(json::plain_text)).collect());
    }
    texts(array, rows)
}

/// The texts of any array, as clients see them.
pub(crate) fn texts(array: &ArrayRef, rows: usize) -> Result<StringArray> {
    if let Some(texts) = array.as_any().downcast_ref::<StringArray>() {
        return Ok(texts.clone());
    }
    let column = Column::new(array.as_ref());
    let mut builder = StringBuilder::with_capacity(rows, rows * 12);
    let mut cell = Vec::with_capacity(64);
    for row in 0..rows {
        cell.clear();
        if column.write(row, &mut cell) {
            builder.append_value(utf8(&cell)?);
        } else {
            builder.append_null();
        }
    }
    Ok(builder.finish())
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| exec_datafusion_err!("binary value is not valid utf-8 text"))
}

fn concat(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let columns: Vec<Column<'_>> = args.iter().map(|a| Column::new(a.as_ref())).collect();
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    let mut cell = Vec::with_capacity(64);
    for row in 0..rows {
        cell.clear();
        if columns.iter().all(|column| column.write(row, &mut cell)) {
            builder.append_value(utf8(&cell)?);
        } else {
            builder.append_null();
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Which of the other arguments is the first, from 1; 0: none, or it is NULL.
fn field(args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let are_numbers = args.iter().any(|arg| arg.data_type() == &DataType::Float64);
    let alike = if are_numbers { DataType::Float64 } else { DataType::Utf8 };
    let args = args.iter().map(|arg| arrow::compute::cast(arg, &alike)).collect::<Result<Vec<_>, _>>()?;
    let (wanted, others) = args.split_first().ok_or_else(|| exec_datafusion_err!("field of nothing"))?;
    let mut found = vec![0; rows];
    for (number, other) in (1..).zip(others) {
        let equal = arrow::compute::kernels::cmp::eq(wanted, other)?;
        for (row, found) in found.iter_mut().enumerate() {
            if *found == 0 && equal.is_valid(row) && equal.value(row) {
                *found = number;
            }
        }
    }
    Ok(Arc::new(Int32Array::from(found)))
}

/// What a function gives for the text, or the bytes, of each row; None: it is NULL.
pub(super) fn bytes_of_rows<T>(array: &ArrayRef, rows: usize, of: impl Fn(&[u8]) -> T) -> Vec<Option<T>> {
    let column = Column::new(array.as_ref());
    let mut cell = Vec::with_capacity(64);
    let mut one = |row| {
        cell.clear();
        column.write(row, &mut cell).then(|| of(&cell))
    };
    (0..rows).map(&mut one).collect()
}

/// Whether a row of any argument is NULL.
pub(super) fn any_null(args: &[ArrayRef], row: usize) -> bool {
    args.iter().any(|a| a.data_type() == &DataType::Null || a.is_null(row))
}
