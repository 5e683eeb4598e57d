//! `same(a, b)`: whether two values that hold others are equal. As for plain values it is not known where something within them
//! is NULL, unless another part already says that they differ. Entries of MAPs have no order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::SAME;
use super::typed::{Typed, common, lists, places};
use crate::nested::map_keys;

pub(super) fn function() -> Typed {
    Typed::new(SAME, alike, |_| DataType::Boolean, same_rows)
}

fn alike(types: &[DataType]) -> Option<Vec<DataType>> {
    (types.len() == 2).then(|| common(types)).flatten().map(|one| vec![one; 2])
}

fn same_rows(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let answers = (0..rows).map(|row| same((&args[0], row), (&args[1], row))).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(BooleanArray::from(answers)))
}

/// A value: an array and a place in it.
type Place<'a> = (&'a ArrayRef, usize);

fn same(left: Place<'_>, right: Place<'_>) -> Result<Option<bool>> {
    let is_null = |(array, at): Place<'_>| array.data_type().is_null() || array.is_null(at);
    if is_null(left) || is_null(right) {
        return Ok(None);
    }
    match left.0.data_type() {
        DataType::List(_) => same_lists(left, right),
        DataType::Struct(_) => {
            let (ours, theirs) = (left.0.as_struct(), right.0.as_struct());
            let parts = ours.columns().iter().zip(theirs.columns());
            all(parts.map(|(ours, theirs)| same((ours, left.1), (theirs, right.1))))
        }
        DataType::Map(..) => same_maps(left, right),
        _ => Ok(Some(left.0.slice(left.1, 1).to_data() == right.0.slice(right.1, 1).to_data())),
    }
}

/// False if one is, true if all are, and unknown otherwise.
fn all(answers: impl Iterator<Item = Result<Option<bool>>>) -> Result<Option<bool>> {
    let mut known = Some(true);
    for answer in answers {
        match answer? {
            Some(false) => return Ok(Some(false)),
            Some(true) => {}
            None => known = None,
        }
    }
    Ok(known)
}

fn same_lists(left: Place<'_>, right: Place<'_>) -> Result<Option<bool>> {
    let (ours, theirs) = (lists(left.0)?, lists(right.0)?);
    let (Some(our_places), Some(their_places)) = (places(&ours, left.1), places(&theirs, right.1)) else {
        return Ok(None);
    };
    if our_places.len() != their_places.len() {
        return Ok(Some(false));
    }
    let pairs = our_places.zip(their_places);
    all(pairs.map(|(our, their)| same((ours.values(), our), (theirs.values(), their))))
}

fn same_maps(left: Place<'_>, right: Place<'_>) -> Result<Option<bool>> {
    let (ours, theirs) = (left.0.as_map(), right.0.as_map());
    let (our_keys, their_keys) = (map_keys(ours.keys()), map_keys(theirs.keys()));
    let entries = |offsets: &[i32], at: usize| offsets[at] as usize..offsets[at + 1] as usize;
    let our_places = entries(ours.value_offsets(), left.1);
    let their_places = entries(theirs.value_offsets(), right.1);
    if our_places.len() != their_places.len() {
        return Ok(Some(false));
    }
    // A key that is NULL is the one that is NULL.
    let is_key = |our: usize, their: usize| -> Result<bool> {
        match (our_keys.is_null(our), their_keys.is_null(their)) {
            (false, false) => Ok(same((&our_keys, our), (&their_keys, their))? == Some(true)),
            (ours, theirs) => Ok(ours == theirs),
        }
    };
    let answer = |our: usize| -> Result<Option<bool>> {
        for their in their_places.clone() {
            if is_key(our, their)? {
                return same((ours.values(), our), (theirs.values(), their));
            }
        }
        Ok(Some(false))
    };
    all(our_places.map(answer))
}
