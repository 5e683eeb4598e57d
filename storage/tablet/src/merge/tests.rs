//! Runs of each key model against a simple fold over the same rows.

use std::collections::BTreeMap;

use arrow::array::{BinaryViewArray, Int8Array, Int32Array, Int64Array, LargeBinaryArray, StringArray};
use proptest::prelude::*;
use storage_model::{
    ColumnId, DataType, DatabaseId, Distribution, KeyModel, Partitioning, Schema, TableId, UnixMillis, VolumeId,
};

use super::*;

fn column(id: u64, data_type: DataType, aggregation: Option<Aggregation>) -> Column {
    let (key, comment) = (id == 1, String::new());
    Column {
        id: ColumnId(id),
        name: format!("c{id}"),
        data_type,
        nullable: true,
        key,
        default: None,
        initial: None,
        comment,
        aggregation,
    }
}

fn merging(model: KeyModel, columns: Vec<Column>) -> Merging {
    let table = Table {
        id: TableId(1),
        database: DatabaseId(2),
        name: "t".into(),
        schema: Schema::new(columns),
        model,
        partitioning: Partitioning::Unpartitioned,
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        buckets_given: None,
        volume: VolumeId(1),
        comment: String::new(),
        properties: BTreeMap::new(),
        partitions: Vec::new(),
        created_at: UnixMillis(0),
        schema_changes: Vec::new(),
        sort_key: Vec::new(),
        temporary: Vec::new(),
    };
    Merging::of(&table).unwrap()
}

type Row = (Option<i32>, Option<i64>, Option<&'static str>);

/// All rows in batches of `batch_rows`, merged `at_once`: keys, numbers, texts.
fn merged(merging: &Merging, rows: &[Row], batch_rows: usize, at_once: usize) -> Result<Vec<Row>, TabletError> {
    let batch = |rows: &[Row]| {
        let keys: ArrayRef = Arc::new(rows.iter().map(|r| r.0).collect::<Int32Array>());
        let numbers: ArrayRef = Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>());
        let texts: ArrayRef = Arc::new(rows.iter().map(|r| r.2).collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([("k", keys, true), ("n", numbers, true), ("t", texts, true)]).unwrap()
    };
    let batches: Vec<RecordBatch> = rows.chunks(batch_rows).map(batch).collect();
    let mut places: Vec<Place> = Vec::new();
    for (number, batch) in (0_u32..).zip(&batches) {
        places.extend((0..batch.num_rows() as u32).map(|row| Place { bucket: 0, batch: number, row }));
    }
    places.sort_by_key(|place| rows[place.batch as usize * batch_rows + place.row as usize].0);
    let sortable = Sortable::new(batches, &[0], None).unwrap();
    let mut found = Vec::new();
    merging.merge(&sortable, &places, at_once, |batch| {
        assert!(batch.num_rows() > 0);
        for row in 0..batch.num_rows() {
            let valid = |at: usize| batch.column(at).is_valid(row);
            let key = valid(0).then(|| batch.column(0).as_primitive::<Int32Type>().value(row));
            let number = valid(1).then(|| batch.column(1).as_primitive::<Int64Type>().value(row));
            let text = valid(2).then(|| batch.column(2).as_string::<i32>().value(row));
            let text = text.map(|text| TEXTS.into_iter().find(|known| *known == text).unwrap());
            found.push((key, number, text));
        }
        Ok(())
    })?;
    Ok(found)
}

const TEXTS: [&str; 4] = ["", "a", "b", "longer text"];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let key = prop::option::of(0..6_i32);
    let number = prop::option::of(-100..100_i64);
    let text = prop::option::of(prop::sample::select(TEXTS.to_vec()));
    prop::collection::vec((key, number, text), 0..60)
}

fn latest<T: Copy>(values: &[Option<T>]) -> Option<T> {
    values.iter().rev().copied().flatten().next()
}

proptest! {
    #[test]
    fn every_key_is_kept_once_in_the_way_of_its_model(rows in rows(), batch_rows in 1..20_usize, at_once in 1..30_usize) {
        let mut groups: BTreeMap<Option<i32>, Vec<Row>> = BTreeMap::new();
        rows.iter().for_each(|row| groups.entry(row.0).or_default().push(*row));
        let (int, big, text) = (|| DataType::Int, || DataType::BigInt, || DataType::Varchar(20));
        for model in [KeyModel::Unique, KeyModel::Primary] {
            let columns = vec![column(1, int(), None), column(2, big(), None), column(3, text(), None)];
            let expected: Vec<Row> = groups.values().map(|group| *group.last().unwrap()).collect();
            prop_assert_eq!(merged(&merging(model, columns), &rows, batch_rows, at_once).unwrap(), expected);
        }
        for aggregation in Aggregation::ALL.into_iter().filter(|a| a.takes(&big())) {
            for of_text in Aggregation::ALL.into_iter().filter(|a| a.takes(&text())) {
                let columns =
                    vec![column(1, int(), None), column(2, big(), Some(aggregation)), column(3, text(), Some(of_text))];
                let expected: Vec<Row> = groups
                    .iter()
                    .map(|(key, group)| {
                        let numbers: Vec<Option<i64>> = group.iter().map(|row| row.1).collect();
                        let texts: Vec<Option<&str>> = group.iter().map(|row| row.2).collect();
                        let number = match aggregation {
                            Aggregation::Sum => numbers.iter().copied().flatten().reduce(|a, b| a + b),
                            Aggregation::Max => numbers.iter().copied().flatten().max(),
                            Aggregation::Min => numbers.iter().copied().flatten().min(),
                            Aggregation::Replace => *numbers.last().unwrap(),
                            Aggregation::ReplaceIfNotNull => latest(&numbers),
                            Aggregation::BitmapUnion | Aggregation::HllUnion => unreachable!(),
                        };
                        let text = match of_text {
                            Aggregation::Max => texts.iter().copied().flatten().max(),
                            Aggregation::Min => texts.iter().copied().flatten().min(),
                            Aggregation::ReplaceIfNotNull => latest(&texts),
                            _ => *texts.last().unwrap(),
                        };
                        (*key, number, text)
                    })
                    .collect();
                let merging = merging(KeyModel::Aggregate, columns);
                prop_assert_eq!(merged(&merging, &rows, batch_rows, at_once).unwrap(), expected);
            }
        }
    }
}

/// Two rows of one key, these their values.
fn sum_of(values: ArrayRef, data_type: DataType) -> Result<ArrayRef, TabletError> {
    let merging = merging(
        KeyModel::Aggregate,
        vec![column(1, DataType::Int, None), column(2, data_type, Some(Aggregation::Sum))],
    );
    let keys: ArrayRef = Arc::new(Int32Array::from(vec![7; values.len()]));
    let rows = RecordBatch::try_from_iter([("k", keys), ("v", values)]).unwrap();
    let all = 0..rows.num_rows();
    Ok(Arc::clone(merging.merge_groups(&rows, std::slice::from_ref(&all))?.column(1)))
}

#[test]
fn a_sum_that_does_not_fit_its_type_is_an_error() {
    let decimal = |values: Vec<i128>| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(4, 1).unwrap())
    };
    let large = |values: Vec<i128>| -> ArrayRef {
        let array: Decimal256Array = values.into_iter().map(|v| Some(i256::from_i128(v))).collect();
        Arc::new(array.with_precision_and_scale(crate::types::LARGEINT_PRECISION, 0).unwrap())
    };
    let amount = DataType::Decimal { precision: 4, scale: 1 };
    let fine: [(ArrayRef, DataType, ArrayRef); 5] = [
        (Arc::new(Int8Array::from(vec![100, 100, -100])), DataType::TinyInt, Arc::new(Int8Array::from(vec![100]))),
        (
            Arc::new(Int64Array::from(vec![i64::MAX, 1, -1])),
            DataType::BigInt,
            Arc::new(Int64Array::from(vec![i64::MAX])),
        ),
        (decimal(vec![9000, 999]), amount.clone(), decimal(vec![9999])),
        (large(vec![i128::MAX, 5, -6]), DataType::LargeInt, large(vec![i128::MAX - 1])),
        (Arc::new(Float32Array::from(vec![1.5, 2.0])), DataType::Float, Arc::new(Float32Array::from(vec![3.5]))),
    ];
    for (values, data_type, expected) in fine {
        assert_eq!(&sum_of(values, data_type.clone()).unwrap(), &expected, "{data_type}");
    }
    let wrong: [(ArrayRef, DataType); 5] = [
        (Arc::new(Int8Array::from(vec![100, 28])), DataType::TinyInt),
        (Arc::new(Int64Array::from(vec![i64::MIN, -1])), DataType::BigInt),
        (decimal(vec![9000, 1000]), amount),
        (large(vec![i128::MAX, 1]), DataType::LargeInt),
        (Arc::new(Float32Array::from(vec![f32::MAX, f32::MAX])), DataType::Float),
    ];
    for (values, data_type) in wrong {
        let error = sum_of(values, data_type).unwrap_err().to_string();
        assert!(error.contains("the sum of column 'c2' is out of range") && error.contains("[7, "), "{error}");
    }
}

/// Rows of keys 1, 1, 2, 2, 3 with these values, merged.
fn united(values: ArrayRef, data_type: DataType, aggregation: Aggregation) -> Result<ArrayRef, TabletError> {
    let merging =
        merging(KeyModel::Aggregate, vec![column(1, DataType::Int, None), column(2, data_type, Some(aggregation))]);
    let keys: ArrayRef = Arc::new(Int32Array::from(vec![1, 1, 2, 2, 3]));
    let rows = RecordBatch::try_from_iter_with_nullable([("k", keys, false), ("v", values, true)]).unwrap();
    Ok(Arc::clone(merging.merge_groups(&rows, &[0..2, 2..4, 4..5])?.column(1)))
}

#[test]
fn sets_and_estimates_become_their_union() {
    let set = |numbers: &[u64]| sketch::bitmap::encode(&numbers.iter().copied().collect()).unwrap();
    let given = [Some(set(&[1, 2])), Some(set(&[2, 1 << 40])), None, Some(set(&[5])), None];
    let bitmaps: ArrayRef = Arc::new(LargeBinaryArray::from_iter(given));
    let found = united(bitmaps, DataType::Bitmap, Aggregation::BitmapUnion).unwrap();
    let expected = LargeBinaryArray::from_iter([Some(set(&[1, 2, 1 << 40])), Some(set(&[5])), None]);
    assert_eq!(found.as_binary::<i64>(), &expected);

    let hll = |numbers: std::ops::Range<u64>| {
        let mut hll = sketch::Hll::default();
        numbers.for_each(|number| hll.add(sketch::hash::of_bytes(&number.to_le_bytes())));
        hll.encode()
    };
    let given = [Some(hll(0..900)), Some(hll(500..2_000)), None, Some(hll(0..3)), None];
    let hlls: ArrayRef = Arc::new(BinaryViewArray::from_iter(given));
    let found = united(hlls, DataType::Hll, Aggregation::HllUnion).unwrap();
    let expected = BinaryViewArray::from_iter([Some(hll(0..2_000)), Some(hll(0..3)), None]);
    assert_eq!(found.as_binary_view(), &expected);

    let other: ArrayRef = Arc::new(LargeBinaryArray::from_iter([Some(b"no"), Some(b"no"), None, None, None]));
    let error = united(other, DataType::Bitmap, Aggregation::BitmapUnion).unwrap_err();
    assert_eq!(error.kind(), storage_model::Kind::Corrupt, "{error}");
}

#[test]
fn a_table_that_keeps_all_rows_merges_none() {
    let mut table = Table {
        id: TableId(1),
        database: DatabaseId(2),
        name: "t".into(),
        schema: Schema::new(vec![column(1, DataType::Int, None)]),
        model: KeyModel::Duplicate,
        partitioning: Partitioning::Unpartitioned,
        distribution: Distribution::Random,
        buckets_given: None,
        volume: VolumeId(1),
        comment: String::new(),
        properties: BTreeMap::new(),
        partitions: Vec::new(),
        created_at: UnixMillis(0),
        schema_changes: Vec::new(),
        sort_key: Vec::new(),
        temporary: Vec::new(),
    };
    assert!(Merging::of(&table).is_none());
    table.model = KeyModel::Unique;
    assert!(Merging::of(&table).is_some());
}
