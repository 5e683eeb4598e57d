//! Numbers of an AUTO_INCREMENT column: which rows get one, and what happens when too few were leased.

use std::collections::BTreeMap;
use std::convert::Infallible;

use arrow::datatypes::DataType as ArrowType;
use storage_model::{
    Column, ColumnId, DataType, DatabaseId, DefaultValue, Distribution, KeyModel, Partitioning, TableId, UnixMillis,
    VolumeId,
};

use super::*;

fn table(default: Option<DefaultValue>) -> Table {
    let (name, comment) = ("id".to_owned(), String::new());
    let data_type = DataType::BigInt;
    let (id, nullable, key, initial, aggregation) = (ColumnId(1), false, true, None, None);
    let column = Column { id, name, data_type, nullable, key, default, comment, initial, aggregation };
    Table {
        id: TableId(11),
        database: DatabaseId(10),
        name: "t".into(),
        schema: storage_model::Schema::new(vec![column]),
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
    }
}

fn batch(ids: &[Option<i64>]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", ArrowType::Int64, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
}

/// What comes out, and why it ended.
async fn run(table: &Table, batches: &[&[Option<i64>]], leased: Range<u64>) -> (Vec<Option<i64>>, Option<String>) {
    let batches: Vec<Result<RecordBatch, Infallible>> = batches.iter().map(|ids| Ok(batch(ids))).collect();
    let mut stream = Box::pin(numbered(futures::stream::iter(batches), table, leased));
    let mut ids = Vec::new();
    while let Some(next) = stream.next().await {
        match next {
            Ok(batch) => ids.extend(batch.column(0).as_primitive::<Int64Type>()),
            Err(error) => return (ids, Some(error.to_string())),
        }
    }
    (ids, None)
}

#[tokio::test]
async fn rows_without_a_number_get_the_next() {
    let table = table(Some(DefaultValue::AutoIncrement { next: 1 }));
    let (ids, ended) = run(&table, &[&[None, Some(3), None], &[], &[None]], 7..10).await;
    assert_eq!((ids, ended), (vec![Some(7), Some(3), Some(8), Some(9)], None));
}

#[tokio::test]
async fn too_few_numbers_are_told_when_all_rows_are_counted() {
    let table = table(Some(DefaultValue::AutoIncrement { next: 1 }));
    let (ids, ended) = run(&table, &[&[None], &[None, None], &[None]], 7..9).await;
    assert_eq!(ids, [Some(7)]);
    assert!(ended.unwrap().starts_with("4 rows want a number"));
    let (ids, ended) = run(&table, &[&[Some(5)]], 0..0).await;
    assert_eq!((ids, ended), (vec![Some(5)], None));
}

#[tokio::test]
async fn other_tables_are_left_alone() {
    let (ids, ended) = run(&table(None), &[&[None, Some(3)]], 0..0).await;
    assert_eq!((ids, ended), (vec![None, Some(3)], None));
}
