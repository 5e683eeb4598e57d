//! Routing against the plain words of the model.

use std::sync::Arc;

use arrow::array::{Date32Array, Decimal256Array, Int32Array, StringArray, TimestampMicrosecondArray};
use proptest::prelude::*;

use super::*;

fn range(lower: Bound, upper: Bound) -> PartitionRange {
    PartitionRange { lower, upper }
}

fn at(number: i128) -> Bound {
    Bound::At(vec![Value::Integer(number)])
}

#[test]
fn rows_go_where_their_range_is() {
    // Out of order and with a gap [20, 30).
    let ranges = [range(at(30), Bound::Max), range(Bound::Min, at(10)), range(at(10), at(20))];
    let column: ArrayRef =
        Arc::new(Int32Array::from(vec![Some(9), Some(10), Some(19), Some(20), Some(30), None, Some(i32::MIN)]));
    let found = partition_of(&[column], 7, &ranges).unwrap();
    assert_eq!(found, [Some(1), Some(2), Some(2), None, Some(0), Some(1), Some(1)]);
}

#[test]
fn every_partitionable_type_is_read() {
    let day: ArrayRef = Arc::new(Date32Array::from(vec![16_690]));
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![16_690 * 86_400_000_000]));
    let large = Decimal256Array::from_iter_values([arrow::datatypes::i256::from_i128(i128::MAX)]);
    let large: ArrayRef = Arc::new(large.with_precision_and_scale(39, 0).unwrap());
    let exactly = |value: Value| [range(Bound::At(vec![value]), Bound::Max)];
    assert_eq!(partition_of(&[day], 1, &exactly(Value::Date(16_690))).unwrap(), [Some(0)]);
    assert_eq!(partition_of(&[time], 1, &exactly(Value::DateTime(16_690 * 86_400_000_000))).unwrap(), [Some(0)]);
    assert_eq!(partition_of(&[large], 1, &exactly(Value::Integer(i128::MAX))).unwrap(), [Some(0)]);
    assert_eq!(partition_of(&[], 2, &[PartitionRange::everything()]).unwrap(), [Some(0), Some(0)]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    assert!(partition_of(&[text], 1, &[PartitionRange::everything()]).is_err());
}

#[test]
fn without_a_partition_that_has_no_lower_bound_null_has_no_place() {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(1)]));
    assert_eq!(partition_of(&[column], 2, &[range(at(0), Bound::Max)]).unwrap(), [None, Some(0)]);
}

#[test]
fn overlapping_ranges_are_refused() {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    assert!(partition_of(&[column], 1, &[range(Bound::Min, at(5)), range(at(4), Bound::Max)]).is_err());
}

proptest! {
    #[test]
    fn routing_is_what_the_model_says(
        cuts in proptest::collection::btree_set((-6_i128..6, -3_i128..3), 1..6),
        holes in proptest::collection::vec(any::<bool>(), 7),
        rows in proptest::collection::vec((proptest::option::of(-7_i32..7), proptest::option::of(-4_i32..4)), 0..40),
    ) {
        let point = |(a, b): &(i128, i128)| Bound::At(vec![Value::Integer(*a), Value::Integer(*b)]);
        let edges: Vec<Bound> =
            [Bound::Min].into_iter().chain(cuts.iter().map(point)).chain([Bound::Max]).collect();
        let ranges: Vec<PartitionRange> = edges
            .windows(2)
            .zip(&holes)
            .filter(|(_, hole)| !**hole)
            .map(|(pair, _)| range(pair[0].clone(), pair[1].clone()))
            .rev()
            .collect();
        let first: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>());
        let second: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Int32Array>());
        let found = partition_of(&[first, second], rows.len(), &ranges).unwrap();
        for (row, found) in rows.iter().zip(found) {
            let values = [row.0, row.1].map(|v| v.map(|v| Value::Integer(v.into())));
            let wanted = ranges.iter().position(|range| range.contains(&values));
            prop_assert_eq!(found.map(|at| at as usize), wanted, "{:?}", row);
        }
    }
}
