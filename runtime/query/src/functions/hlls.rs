//! Functions on HLL: how many different values there were, about.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use storage_tablet::sketch::{Hll, hash};

use super::sketches::{HLL, Want, hll_at, hlls, is_sketch, wanted};
use super::text::bytes_of_rows;
use super::typed::Typed;

pub(super) fn functions() -> Vec<Typed> {
    let hll = |_: &[DataType]| HLL;
    vec![
        Typed::new("hll_hash", plain, hll, of_value),
        Typed::new("hll_empty", |t| wanted(t, &[]), hll, |_, rows, _| hlls(rows, |_| Ok(Some(Hll::default())))),
        Typed::new("hll_cardinality", |t| wanted(t, &[Want::Hll]), |_| DataType::Int64, cardinality),
    ]
}

fn plain(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [only] if !only.is_nested() && !is_sketch(only) => Some(types.to_vec()),
        _ => None,
    }
}

/// NULL is no value: its HLL has counted nothing.
fn of_value(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let hashes = bytes_of_rows(&args[0], rows, hash::of_bytes);
    hlls(rows, |row| Ok(Some(hashes[row].map_or_else(Hll::default, Hll::of))))
}

fn cardinality(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let counts = (0..rows).map(|row| Ok(hll_at(&args[0], row)?.map_or(0, |hll| hll.count().cast_signed())));
    Ok(Arc::new(counts.collect::<Result<Vec<i64>>>().map(Int64Array::from)?))
}
