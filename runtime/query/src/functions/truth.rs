//! What a value is as a condition and as a summand. Both are known before anything runs: a plan holds casts and
//! comparisons instead, so that nothing stands between a filter and the columns it prunes by.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp::neq;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility, cast, lit, try_cast,
};

use super::text::texts;
use super::time::micros;
use super::{BIT, DATETIME, NUMBER, READ_TEXT, READ_TIME, TRUTH};
use crate::coerce::text_truth;

/// `truth(x)`: not zero; NULL stays NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Truth(Signature);

impl Truth {
    pub(super) fn new() -> Truth {
        Truth(Signature::user_defined(Volatility::Immutable))
    }
}

/// The condition that an expression of this type stands for; None: it takes the function itself.
pub(crate) fn condition(expr: &Expr, data_type: &DataType) -> Option<Expr> {
    if data_type == &DataType::Boolean {
        return Some(expr.clone());
    }
    if let Expr::Literal(value, _) = expr
        && let Ok(array) = value.to_array()
        && let Ok(found) = truths(&array, 1)
    {
        let known = found.is_valid(0).then(|| found.value(0));
        return Some(Expr::Literal(ScalarValue::Boolean(known), None));
    }
    if data_type.is_numeric() {
        let zero = ScalarValue::new_zero(data_type).ok()?;
        return Some(expr.clone().not_eq(lit(zero)));
    }
    None
}

fn truths(array: &ArrayRef, rows: usize) -> Result<BooleanArray> {
    Ok(match array.data_type() {
        DataType::Boolean => array.as_boolean().clone(),
        DataType::Null => BooleanArray::new_null(rows),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            texts(array, rows)?.iter().map(|text| text.and_then(text_truth)).collect()
        }
        other if other.is_numeric() => neq(array, &ScalarValue::new_zero(other)?.to_scalar()?)?,
        // A time is never the number zero.
        _ => (0..rows).map(|row| array.is_valid(row).then_some(true)).collect(),
    })
}

fn one(arguments: &[DataType], name: &str) -> Result<Vec<DataType>> {
    match arguments {
        [only] => Ok(vec![only.clone()]),
        _ => plan_err!("No matching function with signature: {name} of {} arguments", arguments.len()),
    }
}

fn nullable(args: &ReturnFieldArgs<'_>) -> bool {
    args.arg_fields.iter().any(|field| field.is_nullable() || field.data_type() == &DataType::Null)
}

impl ScalarUDFImpl for Truth {
    fn name(&self) -> &str {
        TRUTH
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let plain = args.arg_fields.iter().all(|f| f.data_type() == &DataType::Boolean || f.data_type().is_numeric());
        Ok(Arc::new(Field::new(TRUTH, DataType::Boolean, nullable(&args) || !plain)))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        one(arguments, TRUTH)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let known = match args.as_slice() {
            [only] => condition(only, &info.get_data_type(only)?),
            _ => None,
        };
        Ok(known.map_or(ExprSimplifyResult::Original(args), ExprSimplifyResult::Simplified))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let array = args.args.first().map(|arg| arg.to_array(rows)).transpose()?;
        let found = array.map_or_else(|| Ok(BooleanArray::new_null(rows)), |array| truths(&array, rows))?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// What has a text that is the value.
fn is_plain(data_type: &DataType) -> bool {
    let is_time = matches!(data_type, DataType::Date32 | DataType::Timestamp(_, _));
    data_type.is_numeric() || is_time || data_type == &DataType::Boolean
}

/// A function that reads values of some kinds as another and leaves all others as they are.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    name: &'static str,
    signature: Signature,
}

impl Reading {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Reading> {
        [NUMBER, BIT, READ_TIME, READ_TEXT]
            .into_iter()
            .map(|name| Reading { name, signature: Signature::user_defined(Volatility::Immutable) })
    }

    fn target(&self, given: &DataType) -> DataType {
        let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        match (self.name, given) {
            (NUMBER | BIT, DataType::Boolean) => DataType::Int64,
            (NUMBER, _) if is_text => DataType::Float64,
            (READ_TEXT, other) if is_plain(other) => DataType::Utf8,
            (READ_TIME, other) if is_text || other.is_numeric() => DATETIME,
            (_, other) => other.clone(),
        }
    }
}

impl ScalarUDFImpl for Reading {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().map_or(DataType::Null, |given| self.target(given)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given = args.arg_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        let to = self.target(&given);
        let may_fail = to != given && given != DataType::Boolean;
        Ok(Arc::new(Field::new(self.name, to, may_fail || nullable(&args))))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        one(arguments, self.name)
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [only] = args.as_slice() else { return Ok(ExprSimplifyResult::Original(args)) };
        let given = info.get_data_type(only)?;
        let to = self.target(&given);
        if (to == DATETIME || self.name == READ_TEXT) && given != to {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let expr = args.swap_remove(0);
        Ok(ExprSimplifyResult::Simplified(match given {
            same if same == to => expr,
            DataType::Boolean => cast(expr, to),
            _ => try_cast(expr, to),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(arg) = args.args.first() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let array = arg.to_array(args.number_rows)?;
        let to = self.target(array.data_type());
        let read: ArrayRef = match &to {
            same if same == array.data_type() => array,
            _ if self.name == READ_TEXT => Arc::new(texts(&array, args.number_rows)?),
            to if to == &DATETIME => Arc::new(TimestampMicrosecondArray::from(micros(&array, args.number_rows)?)),
            to => arrow::compute::cast(&array, to)?,
        };
        Ok(ColumnarValue::Array(read))
    }
}
