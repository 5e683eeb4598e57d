//! Routing against the plain words of the model.

use std::sync::Arc;

use arrow::array::{BooleanArray, Date32Array, Decimal256Array, Int32Array, StringArray, TimestampMicrosecondArray};
use proptest::prelude::*;
use storage_model::time::days_from_civil;
use storage_model::{ColumnId, PartitionKey, StepUnit};

use super::*;

fn range(lower: Bound, upper: Bound) -> PartitionRange {
    PartitionRange::between(lower, upper)
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

#[test]
fn maxvalue_in_a_bound_is_above_all_values_of_its_column() {
    let at = |a: i128, b: Value| Bound::At(vec![Value::Integer(a), b]);
    let ranges = [
        range(Bound::Min, at(10, Value::Max)),
        range(at(10, Value::Max), at(20, Value::Integer(5))),
        range(at(20, Value::Integer(5)), Bound::Max),
    ];
    let first: ArrayRef = Arc::new(Int32Array::from(vec![10, 11, 20, 20]));
    let second: ArrayRef = Arc::new(Int32Array::from(vec![i32::MAX, 0, 4, 5]));
    assert_eq!(partition_of(&[first, second], 4, &ranges).unwrap(), [Some(0), Some(1), Some(1), Some(2)]);
}

fn list_of(steps: &[Option<Step>]) -> Partitioning {
    let key = |(at, step): (u64, &Option<Step>)| PartitionKey { column: ColumnId(at), step: *step };
    Partitioning::List { keys: (1..).zip(steps).map(key).collect(), automatic: true }
}

#[test]
fn rows_go_where_their_values_are_listed() {
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let month = Some(Value::Date(days_from_civil(2026, 11, 1) as i32));
    let ranges = [
        PartitionRange::among(vec![vec![text("a"), month.clone()], vec![None, month.clone()]]),
        PartitionRange::among(vec![vec![text("b"), None]]),
    ];
    let steps = [None, Some(Step { count: 1, unit: StepUnit::Month })];
    let router = Router::new(&list_of(&steps), &ranges).unwrap();
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("b"), Some("A")]));
    let day = |day| Some(days_from_civil(2026, 11, day) as i32);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![day(1), day(30), None, day(2), day(3)]));
    let columns = [names, days];
    assert_eq!(router.route(&columns, 5).unwrap(), [Some(0), Some(0), Some(1), None, None]);
    assert_eq!(values_at(&columns, &steps, 3).unwrap(), [text("b"), month]);
    let twice = [ranges[0].clone(), ranges[0].clone()];
    assert!(Router::new(&list_of(&steps), &twice).is_err());
    assert!(Router::new(&list_of(&steps[..1]), &ranges).is_err());
}

#[test]
fn every_listed_type_is_read() {
    let largest = arrow::datatypes::i256::from_i128(i128::MAX);
    let large = Decimal256Array::from_iter_values([largest]).with_precision_and_scale(39, 0).unwrap();
    let columns: [ArrayRef; 5] = [
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Int32Array::from(vec![-1])),
        Arc::new(TimestampMicrosecondArray::from(vec![3_599_999_999])),
        Arc::new(large),
        Arc::new(StringArray::from(vec![""])),
    ];
    let hour = Some(Step { count: 1, unit: StepUnit::Hour });
    let values = values_at(&columns, &[None, None, hour, None, None], 0).unwrap();
    let wanted = [
        Value::Integer(1),
        Value::Integer(-1),
        Value::DateTime(0),
        Value::Integer(i128::MAX),
        Value::Text(String::new()),
    ];
    assert_eq!(values, wanted.map(Some));
}
