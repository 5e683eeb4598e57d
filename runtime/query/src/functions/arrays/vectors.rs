//! Distances between ARRAYs of FLOAT.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array};
use arrow::datatypes::{DataType, Float32Type};
use datafusion::common::{Result, exec_err};

use crate::functions::typed::{Typed, element_or_null, list, lists, places};

pub(super) fn functions() -> Vec<Typed> {
    let float = |_: &[DataType]| DataType::Float32;
    vec![
        Typed::new("cosine_similarity", two_vectors, float, |args, rows, _| each(args, rows, cosine)),
        Typed::new("cosine_similarity_norm", two_vectors, float, |args, rows, _| each(args, rows, product)),
        // What an index of vectors would answer approximately.
        Typed::new("approx_cosine_similarity", two_vectors, float, |args, rows, _| each(args, rows, cosine)),
        Typed::new("approx_l2_distance", two_vectors, float, |args, rows, _| each(args, rows, squares)),
        Typed::new("l2_distance", two_vectors, float, |args, rows, _| each(args, rows, squares)),
    ]
}

fn two_vectors(types: &[DataType]) -> Option<Vec<DataType>> {
    let is_vector =
        |given: &DataType| element_or_null(given).is_some_and(|element| element.is_numeric() || element.is_null());
    (types.len() == 2 && types.iter().all(is_vector)).then(|| vec![list(DataType::Float32); 2])
}

fn each(args: &[ArrayRef], rows: usize, distance: fn(&[f32], &[f32]) -> f32) -> Result<ArrayRef> {
    let (left, right) = (lists(&args[0])?, lists(&args[1])?);
    let (lefts, rights) = (left.values().as_primitive::<Float32Type>(), right.values().as_primitive::<Float32Type>());
    let mut found = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(one), Some(other)) = (places(&left, row), places(&right, row)) else {
            found.push(None);
            continue;
        };
        if one.len() != other.len() || one.is_empty() {
            return exec_err!("the arrays of a distance must have the same number of elements, and one at least");
        }
        if one.clone().any(|at| lefts.is_null(at)) || other.clone().any(|at| rights.is_null(at)) {
            return exec_err!("the arrays of a distance must not have NULL in them");
        }
        found.push(Some(distance(&lefts.values()[one], &rights.values()[other])));
    }
    Ok(Arc::new(Float32Array::from(found)))
}

fn product(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    product(one, other) / (product(one, one).sqrt() * product(other, other).sqrt())
}

fn squares(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}
