//! `__store(value, column, type, nullable)`: the check and cast between a query and the column that its value goes
//! into. Runs where the query runs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use storage_model::{Column, DataType};

use super::convert::{Collector, Input, fits, misfit, null_in};
use crate::error::QueryError;
use crate::functions::texts;
use crate::nested::{self, Misfit};
use crate::types;

const NAME: &str = "__store";

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    signature: Signature,
}

impl Store {
    pub(crate) fn new() -> Store {
        Store { signature: Signature::any(4, Volatility::Immutable) }
    }
}

/// `value` made ready for `column`.
pub(crate) fn store(value: Expr, column: &Column) -> Result<Expr> {
    let type_text = serde_json::to_string(&column.data_type).map_err(|e| exec_datafusion_err!("{e}"))?;
    let args = vec![value, lit(column.name.as_str()), lit(type_text), lit(column.nullable)];
    Ok(ScalarUDF::new_from_impl(Store::new()).call(args))
}

/// The column that the constant arguments describe.
fn column_of(
    name: Option<&ScalarValue>,
    data_type: Option<&ScalarValue>,
    nullable: Option<&ScalarValue>,
) -> Result<Column> {
    let (
        Some(ScalarValue::Utf8(Some(name))),
        Some(ScalarValue::Utf8(Some(text))),
        Some(ScalarValue::Boolean(Some(nullable))),
    ) = (name, data_type, nullable)
    else {
        return internal_err!("{NAME} needs constants for the column");
    };
    let data_type: DataType = serde_json::from_str(text).map_err(|e| exec_datafusion_err!("{NAME}: {e}"))?;
    Ok(Column { nullable: *nullable, ..types::loose_column(name, data_type) })
}

impl ScalarUDFImpl for Store {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[ArrowType]) -> Result<ArrowType> {
        internal_err!("{NAME}: the type depends on the arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let at = |n: usize| args.scalar_arguments.get(n).copied().flatten();
        let column = column_of(at(1), at(2), at(3))?;
        Ok(Arc::new(Field::new(NAME, types::arrow_type(&column.data_type), column.nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = |n: usize| match args.args.get(n) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        };
        let column = column_of(scalar(1), scalar(2), scalar(3))?;
        let rows = args.number_rows;
        match &args.args[0] {
            ColumnarValue::Scalar(value) => {
                // An empty batch stores nothing, so nothing can be wrong with it.
                let stored = stored(&value.to_array_of_size(rows.min(1))?, &column)?;
                let target = types::arrow_type(&column.data_type);
                let value =
                    if rows == 0 { ScalarValue::try_from(&target)? } else { ScalarValue::try_from_array(&stored, 0)? };
                Ok(ColumnarValue::Array(value.to_array_of_size(rows)?))
            }
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(stored(array, &column)?)),
        }
    }
}

fn stored(values: &ArrayRef, column: &Column) -> Result<ArrayRef, QueryError> {
    if !column.nullable && values.logical_null_count() > 0 {
        return Err(null_in(column));
    }
    let is_nested = nested::is_nested(values.data_type()) && !column.data_type.is_text();
    if is_nested || nested::holds(&column.data_type) || values.data_type() == &ArrowType::LargeUtf8 {
        return nested::converted(values, column, Misfit::Fails);
    }
    stored_plainly(values, column)
}

/// Values that hold no others.
pub(crate) fn stored_plainly(values: &ArrayRef, column: &Column) -> Result<ArrayRef, QueryError> {
    let target = types::arrow_type(&column.data_type);
    if column.data_type.is_text() {
        return stored_text(values, column);
    }
    if values.data_type() == &target {
        return Ok(Arc::clone(values));
    }
    if !castable(values.data_type(), &target) {
        return stored_texts(values, column, Misfit::Fails);
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let array = match cast_with_options(values, &target, &strict) {
        Ok(array) => array,
        // The slow way names the value that does not fit.
        Err(_) => return stored_texts(values, column, Misfit::Fails),
    };
    if let Some(row) = lost(values, &array) {
        return Err(misfit(column, &text_of(values, row)));
    }
    Ok(array)
}

/// A row that a cast made NULL or infinite.
pub(crate) fn lost(values: &ArrayRef, cast: &ArrayRef) -> Option<usize> {
    if let Some(floats) = cast.as_any().downcast_ref::<arrow::array::Float32Array>() {
        return (0..floats.len()).find(|row| floats.is_valid(*row) && !floats.value(*row).is_finite());
    }
    if cast.null_count() == values.logical_null_count() {
        return None;
    }
    (0..values.len()).find(|row| cast.is_null(*row) && !values.is_null(*row))
}

pub(crate) fn text_of(values: &ArrayRef, row: usize) -> String {
    let mut text = Vec::new();
    crate::cells::write_cell(values.as_ref(), row, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether Arrow's own cast means what StarRocks means.
fn castable(from: &ArrowType, to: &ArrowType) -> bool {
    let number = |t: &ArrowType| t.is_numeric() || matches!(t, ArrowType::Boolean | ArrowType::Null);
    let time = |t: &ArrowType| matches!(t, ArrowType::Date32 | ArrowType::Timestamp(_, None) | ArrowType::Null);
    (number(from) && number(to)) || (time(from) && time(to))
}

fn stored_text(values: &ArrayRef, column: &Column) -> Result<ArrayRef, QueryError> {
    let texts = texts(values, values.len())?;
    if let Some(long) = texts.iter().flatten().find(|text| !fits(text, &column.data_type)) {
        return Err(misfit(column, long));
    }
    Ok(Arc::new(texts))
}

/// Value by value, by its text.
pub(crate) fn stored_texts(values: &ArrayRef, column: &Column, misfits: Misfit) -> Result<ArrayRef, QueryError> {
    let number = values.data_type().is_numeric();
    let texts = texts(values, values.len())?;
    let mut collector = Collector::new(column, texts.len())?;
    for text in &texts {
        let pushed = collector.push(match text {
            None => Input::Null,
            Some(text) if number => Input::Number(text),
            Some(text) => Input::Text(text),
        });
        match (pushed, misfits) {
            (Err(_), Misfit::IsNull) => collector.push(Input::Null)?,
            (pushed, _) => pushed?,
        }
    }
    Ok(collector.finish())
}
