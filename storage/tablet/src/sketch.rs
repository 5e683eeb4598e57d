//! What columns of BITMAP and HLL hold: sets of whole numbers, and estimates of how many different values there were. A value
//! says by its first bytes what it is and in which version, and ends or begins with a sum of the rest, so that bytes that are
//! none are known as such wherever they are read.
//!
//! In memory a BITMAP is `LargeBinary` and an HLL is `BinaryView`, which nothing else is: that tells them from VARBINARY
//! wherever a plan has only the type of a value.

pub mod bitmap;
pub mod exchange;
pub mod hash;
pub mod hll;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder, LargeBinaryBuilder};
use arrow::datatypes::DataType as ArrowType;

use crate::error::TabletError;
pub use hll::Hll;

/// What a BITMAP is in memory.
pub const BITMAP: ArrowType = ArrowType::LargeBinary;
/// What an HLL is in memory.
pub const HLL: ArrowType = ArrowType::BinaryView;

/// The union of the BITMAPs or HLLs of each group of rows, NULL where all are.
pub(crate) fn unions(values: &ArrayRef, groups: &[Range<usize>]) -> Result<ArrayRef, TabletError> {
    let valid = |group: &Range<usize>| group.clone().filter(|row| values.is_valid(*row)).collect::<Vec<usize>>();
    if values.data_type() == &HLL {
        let sketches = values.as_binary_view();
        let mut union = BinaryViewBuilder::with_capacity(groups.len());
        for rows in groups.iter().map(valid) {
            match rows.as_slice() {
                [] => union.append_null(),
                [only] => union.append_value(sketches.value(*only)),
                [first, rest @ ..] => {
                    let mut all = Hll::decode(sketches.value(*first))?;
                    for row in rest {
                        all.merge(&Hll::decode(sketches.value(*row))?);
                    }
                    union.append_value(all.encode());
                }
            }
        }
        return Ok(Arc::new(union.finish()));
    }
    let sets = values.as_binary::<i64>();
    let mut union = LargeBinaryBuilder::with_capacity(groups.len(), 0);
    for rows in groups.iter().map(valid) {
        match rows.as_slice() {
            [] => union.append_null(),
            [only] => union.append_value(sets.value(*only)),
            [first, rest @ ..] => {
                let mut all = bitmap::decode(sets.value(*first))?;
                for row in rest {
                    all |= bitmap::decode(sets.value(*row))?;
                }
                union.append_value(bitmap::encode(&all)?);
            }
        }
    }
    Ok(Arc::new(union.finish()))
}
