//! `__cast(value, type)`: CAST to JSON, ARRAY, MAP and STRUCT, and from JSON to what holds no other values. What cannot be cast
//! is NULL.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::sql::sqlparser::ast;
use storage_model::{Column, DataType};

use crate::error::QueryError;
use crate::nested::{self, Misfit};
use crate::rewrite::build;
use crate::types;

/// Its name.
pub(crate) const CAST: &str = "__cast";

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cast {
    signature: Signature,
}

impl Cast {
    pub(crate) fn new() -> Cast {
        Cast { signature: Signature::any(2, Volatility::Immutable) }
    }
}

/// A value cast to a type.
pub(crate) fn cast_to(value: Expr, data_type: &DataType) -> Result<Expr> {
    let text = serde_json::to_string(data_type).map_err(|e| exec_datafusion_err!("{e}"))?;
    Ok(ScalarUDF::new_from_impl(Cast::new()).call(vec![value, lit(text)]))
}

/// The same in a syntax tree.
pub(crate) fn call(value: ast::Expr, data_type: &DataType) -> Result<ast::Expr, QueryError> {
    let text = serde_json::to_string(data_type).map_err(|e| QueryError::internal(format!("{CAST}: {e}")))?;
    Ok(build::call(CAST, vec![value, build::text(text)]))
}

fn column_of(data_type: Option<&ScalarValue>) -> Result<Column> {
    let Some(ScalarValue::Utf8(Some(text))) = data_type else {
        return internal_err!("{CAST} needs a constant for the type");
    };
    let data_type: DataType = serde_json::from_str(text).map_err(|e| exec_datafusion_err!("{CAST}: {e}"))?;
    Ok(types::loose_column("", data_type))
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        CAST
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        internal_err!("{CAST}: the type depends on the arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let column = column_of(args.scalar_arguments.get(1).copied().flatten())?;
        Ok(Arc::new(Field::new(CAST, types::arrow_type(&column.data_type), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, data_type] = args.args.as_slice() else { return internal_err!("{CAST} takes two arguments") };
        let ColumnarValue::Scalar(data_type) = data_type else {
            return internal_err!("{CAST} needs a constant for the type");
        };
        let column = column_of(Some(data_type))?;
        let cast = |rows| -> Result<_> { Ok(nested::converted(&value.to_array(rows)?, &column, Misfit::IsNull)?) };
        match value {
            ColumnarValue::Scalar(_) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&cast(1)?, 0)?)),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(cast(args.number_rows)?)),
        }
    }
}
