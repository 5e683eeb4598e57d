//! `__merged(value, column)`: what rows with equal keys were combined to, back in the type of its column. A sum that the type
//! does not hold is an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Decimal256Type, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use storage_model::{Column, DataType, Schema};

use crate::error::QueryError;
use crate::insert::store::{lost, text_of};

/// Its name.
pub(crate) const MERGED: &str = "__merged";

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Merged {
    signature: Signature,
}

impl Merged {
    pub(crate) fn new() -> Merged {
        Merged { signature: Signature::any(2, Volatility::Immutable) }
    }
}

/// The second argument for a column.
pub(crate) fn described(column: &Column) -> Result<ScalarValue> {
    Ok(ScalarValue::from(serde_json::to_string(column).map_err(|e| exec_datafusion_err!("{e}"))?))
}

fn column_of(described: Option<&ScalarValue>) -> Result<Column> {
    let Some(ScalarValue::Utf8(Some(text))) = described else {
        return internal_err!("{MERGED} needs a constant for the column");
    };
    serde_json::from_str(text).map_err(|e| exec_datafusion_err!("{MERGED}: {e}"))
}

impl ScalarUDFImpl for Merged {
    fn name(&self) -> &str {
        MERGED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        internal_err!("{MERGED}: the type depends on the arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let column = column_of(args.scalar_arguments.get(1).copied().flatten())?;
        // As the scan of the column says it, with what old rows have: plans are compared by that too.
        Ok(Arc::clone(&storage_tablet::read_schema(&Schema::new(vec![column])).fields()[0]))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [values, described] = args.args.as_slice() else { return internal_err!("{MERGED} takes two arguments") };
        let ColumnarValue::Scalar(described) = described else {
            return internal_err!("{MERGED} needs a constant for the column");
        };
        let column = column_of(Some(described))?;
        Ok(ColumnarValue::Array(fitted(&values.to_array(args.number_rows)?, &column)?))
    }
}

fn fitted(values: &ArrayRef, column: &Column) -> Result<ArrayRef, QueryError> {
    let target = storage_tablet::arrow_type(&column.data_type);
    let array = match values.data_type() == &target {
        true => Arc::clone(values),
        false => cast_with_options(values, &target, &CastOptions { safe: true, ..CastOptions::default() })?,
    };
    match lost(values, &array).or_else(|| beyond(&array, &column.data_type)) {
        None => Ok(array),
        Some(row) => Err(QueryError::invalid(format!(
            "the sum {} of column '{}' is out of range of its type {}: rows of one key add up to more than it holds",
            text_of(values, row),
            column.name,
            column.data_type
        ))),
    }
}

/// A row whose value the Arrow type holds and the column's does not.
fn beyond(array: &ArrayRef, data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::LargeInt => {
            let mut values = array.as_primitive::<Decimal256Type>().iter();
            values.position(|value| value.is_some_and(|value| value.to_i128().is_none()))
        }
        DataType::Double => {
            let mut values = array.as_primitive::<Float64Type>().iter();
            values.position(|value| value.is_some_and(|value| !value.is_finite()))
        }
        _ => None,
    }
}
