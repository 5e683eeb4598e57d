//! What functions on BITMAP and HLL share: how arguments are read and results made. See `storage_tablet::sketch` for the bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder, LargeBinaryBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use roaring::RoaringTreemap;
use storage_tablet::TabletError;
pub(crate) use storage_tablet::sketch::{BITMAP, HLL};
use storage_tablet::sketch::{Hll, bitmap};

use super::text::texts;
use crate::error::{ANALYZE_ERROR, QueryError};

/// Whether values of a type in memory are a BITMAP or an HLL.
pub(crate) fn is_sketch(data_type: &DataType) -> bool {
    data_type == &BITMAP || data_type == &HLL
}

/// What an argument has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    /// BITMAP.
    Bitmap,
    /// HLL.
    Hll,
    /// PERCENTILE.
    Percentile,
    /// A number that is read in 64 bits.
    Whole,
    /// A number without a fraction, or a text that is one.
    Integer,
    /// A text, or what is read as one.
    Text,
    /// Bytes, or a text.
    Bytes,
}

impl Want {
    /// What a given argument is cast to; None: it cannot be this one.
    fn of(self, given: &DataType) -> Option<DataType> {
        let is_text = matches!(given, DataType::Utf8 | DataType::Utf8View);
        let is_whole = given.is_integer() || matches!(given, DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0));
        let is_plain = given.is_numeric() || is_text || given == &DataType::Boolean || given.is_null();
        let target = match self {
            Want::Bitmap => BITMAP,
            Want::Hll => HLL,
            Want::Percentile => DataType::Binary,
            Want::Whole if is_plain => return Some(DataType::Int64),
            Want::Integer if given.is_signed_integer() => return Some(DataType::Int64),
            Want::Integer if given == &DataType::Boolean || given.is_null() => return Some(DataType::Int64),
            Want::Integer if is_text => return Some(DataType::Utf8),
            Want::Integer if is_whole => given.clone(),
            Want::Text if !given.is_nested() && !is_sketch(given) && given != &DataType::Binary => DataType::Utf8,
            Want::Bytes if given == &DataType::Binary => DataType::Binary,
            Want::Bytes if !given.is_nested() && !is_sketch(given) => DataType::Utf8,
            _ => return None,
        };
        let is_cast = matches!(self, Want::Text | Want::Bytes);
        (given.is_null() || given == &target || is_cast).then_some(target)
    }
}

/// The types of arguments that are wanted so; None: these are others.
pub(super) fn wanted(given: &[DataType], wants: &[Want]) -> Option<Vec<DataType>> {
    if given.len() != wants.len() {
        return None;
    }
    given.iter().zip(wants).map(|(given, want)| want.of(given)).collect()
}

/// Bytes that cannot be read, or made, as what they should be.
pub(super) fn failed(error: &TabletError) -> DataFusionError {
    QueryError::new(ANALYZE_ERROR, error.kind(), error.to_string()).into()
}

/// The set of a BITMAP.
pub(super) fn decoded(bytes: &[u8]) -> Result<RoaringTreemap> {
    bitmap::decode(bytes).map_err(|error| failed(&error))
}

/// The bytes of a set.
pub(super) fn encoded(set: &RoaringTreemap) -> Result<Vec<u8>> {
    bitmap::encode(set).map_err(|error| failed(&error))
}

/// The set in a row of BITMAPs; None: it is NULL.
pub(super) fn set_at(bitmaps: &ArrayRef, row: usize) -> Result<Option<RoaringTreemap>> {
    let bitmaps = bitmaps.as_binary::<i64>();
    if bitmaps.is_valid(row) { decoded(bitmaps.value(row)).map(Some) } else { Ok(None) }
}

/// The HLL in a row; None: it is NULL.
pub(super) fn hll_at(hlls: &ArrayRef, row: usize) -> Result<Option<Hll>> {
    let hlls = hlls.as_binary_view();
    if hlls.is_null(row) {
        return Ok(None);
    }
    Hll::decode(hlls.value(row)).map(Some).map_err(|error| failed(&error))
}

/// BITMAPs, row by row.
pub(super) fn sets(rows: usize, make: impl Fn(usize) -> Result<Option<RoaringTreemap>>) -> Result<ArrayRef> {
    let mut builder = LargeBinaryBuilder::with_capacity(rows, 0);
    for row in 0..rows {
        match make(row)? {
            Some(set) => builder.append_value(encoded(&set)?),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// HLLs, row by row.
pub(super) fn hlls(rows: usize, make: impl Fn(usize) -> Result<Option<Hll>>) -> Result<ArrayRef> {
    let mut builder = BinaryViewBuilder::with_capacity(rows);
    for row in 0..rows {
        builder.append_option(make(row)?.map(|hll| hll.encode()));
    }
    Ok(Arc::new(builder.finish()))
}

/// Numbers that a BITMAP can hold; None: NULL, or it cannot hold it.
pub(super) fn numbers(values: &ArrayRef) -> Result<Vec<Option<u64>>> {
    if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
        return Ok(numbers.iter().map(|number| number.and_then(|number| u64::try_from(number).ok())).collect());
    }
    let texts = texts(values, values.len())?;
    Ok(texts.iter().map(|text| text.and_then(|text| text.trim().parse().ok())).collect())
}
