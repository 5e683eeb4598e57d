//! Parts of a BITMAP: by the place of its numbers, by the numbers, in pieces.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryBuilder, ListBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use roaring::RoaringTreemap;

use crate::functions::SUBDIVIDE;
use crate::functions::sketches::{BITMAP, Want, encoded, set_at, sets, wanted};
use crate::functions::typed::{Typed, list};

pub(super) fn functions() -> Vec<Typed> {
    let bitmap = |_: &[DataType]| BITMAP;
    vec![
        Typed::new("sub_bitmap", with_two, bitmap, |args, rows, _| part(args, rows, by_place)),
        Typed::new("bitmap_subset_in_range", with_two, bitmap, |args, rows, _| part(args, rows, in_range)),
        Typed::new("bitmap_subset_limit", with_two, bitmap, |args, rows, _| part(args, rows, from_number)),
        Typed::new(SUBDIVIDE, |t| wanted(t, &[Want::Bitmap, Want::Whole]), |_| list(BITMAP), pieces),
    ]
}

fn with_two(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bitmap, Want::Whole, Want::Whole])
}

/// A part that two numbers name; one that has nothing is NULL.
fn part(
    args: &[ArrayRef],
    rows: usize,
    choose: fn(&RoaringTreemap, i64, i64) -> Option<RoaringTreemap>,
) -> Result<ArrayRef> {
    let (first, second) = (args[1].as_primitive::<Int64Type>(), args[2].as_primitive::<Int64Type>());
    sets(rows, |row| {
        let Some(set) = set_at(&args[0], row)? else { return Ok(None) };
        if first.is_null(row) || second.is_null(row) {
            return Ok(None);
        }
        Ok(choose(&set, first.value(row), second.value(row)).filter(|part| !part.is_empty()))
    })
}

/// `length` numbers from the one at a place; places below zero are counted from the end.
fn by_place(set: &RoaringTreemap, place: i64, length: i64) -> Option<RoaringTreemap> {
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    let place = if place < 0 { set.len().checked_sub(place.unsigned_abs())? } else { place.cast_unsigned() };
    let first = set.select(place)?;
    Some(from(set, first).take(length).collect())
}

/// Numbers from `first` on, below `end`.
fn in_range(set: &RoaringTreemap, first: i64, end: i64) -> Option<RoaringTreemap> {
    let end = u64::try_from(end).ok()?;
    Some(from(set, first.max(0).cast_unsigned()).take_while(|number| *number < end).collect())
}

/// So many numbers from `number` on, or, where `limit` is below zero, up to it.
fn from_number(set: &RoaringTreemap, number: i64, limit: i64) -> Option<RoaringTreemap> {
    let count = usize::try_from(limit.unsigned_abs()).ok()?;
    if limit >= 0 {
        return Some(from(set, number.max(0).cast_unsigned()).take(count).collect());
    }
    let number = u64::try_from(number).ok()?;
    let mut numbers = set.iter();
    numbers.advance_back_to(number);
    Some(numbers.rev().take(count).collect())
}

fn from(set: &RoaringTreemap, number: u64) -> impl Iterator<Item = u64> + '_ {
    let mut numbers = set.iter();
    numbers.advance_to(number);
    numbers
}

/// All numbers in BITMAPs of so many at most.
fn pieces(args: &[ArrayRef], rows: usize, returns: &DataType) -> Result<ArrayRef> {
    let lengths = args[1].as_primitive::<Int64Type>();
    let mut lists = ListBuilder::new(LargeBinaryBuilder::new());
    for row in 0..rows {
        let length = lengths.is_valid(row).then(|| usize::try_from(lengths.value(row)).ok()).flatten();
        let set = set_at(&args[0], row)?;
        if let Some((set, length)) = set.zip(length.filter(|length| *length > 0)) {
            let mut numbers = set.iter().peekable();
            while numbers.peek().is_some() {
                let piece: RoaringTreemap = numbers.by_ref().take(length).collect();
                lists.values().append_value(encoded(&piece)?);
            }
            lists.append(true);
        } else {
            lists.append(false);
        }
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    Ok(cast(&lists, returns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(part: Option<RoaringTreemap>) -> Option<Vec<u64>> {
        part.map(|part| part.iter().collect())
    }

    #[test]
    fn parts_are_those_of_the_documents() {
        let set = RoaringTreemap::from_iter([1, 3, 5, 7, 9]);
        for (place, length, expected) in [
            (0, 2, Some(vec![1, 3])),
            (0, 100, Some(vec![1, 3, 5, 7, 9])),
            (-3, 100, Some(vec![5, 7, 9])),
            (-3, 2, Some(vec![5, 7])),
            (0, -10, None),
            (5, 1, None),
            (-6, 1, None),
            (i64::MIN, 1, None),
        ] {
            assert_eq!(numbers(by_place(&set, place, length)), expected, "{place} {length}");
        }
        assert_eq!(numbers(in_range(&set, 1, 4)), Some(vec![1, 3]));
        assert_eq!(numbers(in_range(&set, 0, 100)), Some(vec![1, 3, 5, 7, 9]));
        assert_eq!(numbers(in_range(&set, 4, 3)), Some(vec![]));
        assert_eq!(numbers(from_number(&set, 1, 4)), Some(vec![1, 3, 5, 7]));
        assert_eq!(numbers(from_number(&set, 4, 100)), Some(vec![5, 7, 9]));
        assert_eq!(numbers(from_number(&set, 5, -2)), Some(vec![3, 5]));
        assert_eq!(numbers(from_number(&set, 6, -1)), Some(vec![5]));
        assert_eq!(numbers(from_number(&set, 10, 15)), Some(vec![]));
    }
}
