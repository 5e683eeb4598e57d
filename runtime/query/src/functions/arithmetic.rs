//! Arithmetic that needs an argument twice.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Result;

use super::typed::Typed;

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("square", one_number, |_| DataType::Float64, square),
        Typed::new("pmod", two_numbers, |types| types[0].clone(), positive_modulo),
    ]
}

fn one_number(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 1).then(|| vec![DataType::Float64])
}

/// Whole numbers stay whole.
fn two_numbers(types: &[DataType]) -> Option<Vec<DataType>> {
    let are_whole = types.iter().all(|t| t.is_integer() || matches!(t, DataType::Boolean | DataType::Null));
    let common = if are_whole { DataType::Int64 } else { DataType::Float64 };
    (types.len() == 2).then(|| vec![common; 2])
}

fn square(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let values = args[0].as_primitive::<Float64Type>();
    Ok(Arc::new(values.iter().map(|value| value.map(|v| v * v)).collect::<Float64Array>()))
}

/// What is left, with the sign of the divisor; NULL when that is 0.
fn positive_modulo(args: &[ArrayRef], _: usize, result: &DataType) -> Result<ArrayRef> {
    if result == &DataType::Int64 {
        let (left, right) = (args[0].as_primitive::<Int64Type>(), args[1].as_primitive::<Int64Type>());
        let of = |(left, right): (Option<i64>, Option<i64>)| {
            let (left, right) = (i128::from(left?), i128::from(right?));
            let rest = (right != 0).then(|| (left % right + right) % right)?;
            i64::try_from(rest).ok()
        };
        return Ok(Arc::new(left.iter().zip(right).map(of).collect::<Int64Array>()));
    }
    let (left, right) = (args[0].as_primitive::<Float64Type>(), args[1].as_primitive::<Float64Type>());
    let of = |(left, right): (Option<f64>, Option<f64>)| {
        let (left, right) = (left?, right?);
        (right != 0.0).then(|| (left % right + right) % right)
    };
    Ok(Arc::new(left.iter().zip(right).map(of).collect::<Float64Array>()))
}
