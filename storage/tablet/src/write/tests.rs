//! Whole writes into a LOCAL volume, read back with Parquet's own reader.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use arrow::array::*;
use arrow::datatypes::{DataType as ArrowType, Field, Int32Type, Schema as ArrowSchema, i256};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use storage_model::*;
use storage_volume::layout::parse_data_object;
use storage_volume::testing::{Faults, Operation, Rule};
use tempfile::TempDir;

use super::*;
use crate::buffer::RANDOM_STRIDE;
use crate::checksum::verify_file;
use crate::spec::TargetPartition;
use crate::{arrow_schema, bucket_of, partition_of};

fn column(id: u64, name: &str, data_type: DataType, nullable: bool, key: bool) -> Column {
    let (name, comment) = (name.into(), String::new());
    Column {
        id: ColumnId(id),
        name,
        data_type,
        nullable,
        key,
        default: None,
        comment,
        initial: None,
        aggregation: None,
    }
}

fn spec(columns: Vec<Column>, partition_by: &[u64], bucket_by: &[u64], partitions: Vec<PartitionRange>) -> WriteSpec {
    let ids = |ids: &[u64]| ids.iter().map(|id| ColumnId(*id)).collect::<Vec<_>>();
    let table = Table {
        id: TableId(11),
        database: DatabaseId(10),
        name: "t".into(),
        schema: Schema::new(columns),
        model: KeyModel::Duplicate,
        partitioning: match partition_by {
            [] => Partitioning::Unpartitioned,
            by => Partitioning::Range { columns: ids(by) },
        },
        distribution: match bucket_by {
            [] => Distribution::Random,
            by => Distribution::Hash { columns: ids(by) },
        },
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
    let target = |(id, range): (u64, PartitionRange)| TargetPartition {
        id: PartitionId(id),
        name: format!("p{id}"),
        range,
        buckets: 3,
    };
    WriteSpec {
        table,
        partitions: (100..).zip(partitions).map(target).collect(),
        volume: VolumeId(1),
        service_id: ServiceId("svc".into()),
        incarnation: Incarnation("0123456789abcdef0123456789abcdef".into()),
        txn: TxnId(5),
        attempt: 1,
        seed: 2,
        makes_partitions: false,
    }
}

/// `k INT NULL KEY, v VARCHAR(5) NOT NULL`, in [MIN, 10), [10, 20), [30, 40), three buckets each by k.
fn ranged() -> WriteSpec {
    let at = |n: i128| Bound::At(vec![Value::Integer(n)]);
    let range = |lower, upper| PartitionRange::between(lower, upper);
    spec(
        vec![column(1, "k", DataType::Int, true, true), column(2, "v", DataType::Varchar(5), false, false)],
        &[1],
        &[1],
        vec![range(Bound::Min, at(10)), range(at(10), at(20)), range(at(30), at(40))],
    )
}

fn rows(values: &[(Option<i32>, &str)]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(values.iter().map(|v| v.0).collect::<Int32Array>());
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(values.iter().map(|v| v.1)));
    RecordBatch::try_from_iter([("a", keys), ("b", texts)]).unwrap()
}

struct Store {
    _directory: TempDir,
    volume: Volume,
    faults: Faults,
}

fn store() -> Store {
    let directory = TempDir::new().unwrap();
    let location = format!("file://{}/v", directory.path().display());
    let faults = Faults::at(&location);
    let definition = StorageVolume {
        id: VolumeId(1),
        name: "v".into(),
        volume_type: VolumeType::Local,
        location,
        comment: String::new(),
        enabled: true,
        borrowed: None,
        properties: BTreeMap::new(),
    };
    Store { volume: Volume::open(&definition).unwrap(), faults, _directory: directory }
}

impl Store {
    async fn write(&self, batches: Vec<RecordBatch>, spec: &WriteSpec, budget: usize) -> Result<Written, WriteError> {
        let batches = futures::stream::iter(batches.into_iter().map(Ok::<_, io::Error>));
        write_within(batches, spec, &self.volume, budget).await
    }

    /// The rows of each run by (partition, bucket), after the file has been checked.
    async fn read(&self, file: &WrittenFile) -> Vec<((PartitionId, u32), RecordBatch)> {
        let bytes = self.volume.get(&format!("svc/{}", file.object)).await.unwrap();
        verify_file(&bytes).unwrap();
        assert_eq!(file.size, bytes.len() as u64);
        let mut found = Vec::new();
        for run in &file.runs {
            let groups = (run.first_row_group..run.first_row_group + run.row_groups).map(|n| n as usize).collect();
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().with_row_groups(groups);
            let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
            let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
            assert_eq!(batch.num_rows() as u64, run.rows);
            found.push(((file.partition, run.bucket), batch));
        }
        found
    }

    async fn objects(&self) -> usize {
        self.volume.list("").await.unwrap().len()
    }
}

fn pairs(batch: &RecordBatch) -> Vec<(Option<i32>, String)> {
    let keys = batch.column(0).as_primitive::<Int32Type>().iter();
    keys.zip(batch.column(1).as_string::<i32>().iter().map(|text| text.unwrap().to_owned())).collect()
}

/// Writes and checks everything a reader relies on; gives the rows back, sorted.
async fn check_write(values: &[(Option<i32>, String)], batch_rows: usize, budget: usize) -> Vec<(Option<i32>, String)> {
    let (store, spec) = (store(), ranged());
    let borrowed: Vec<(Option<i32>, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let batches = borrowed.chunks(batch_rows).map(rows).collect();
    let written = store.write(batches, &spec, budget).await.unwrap();
    assert_eq!(written.rows, values.len() as u64);
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for file in &written.files {
        let place = parse_data_object(&file.object).unwrap();
        assert_eq!((place.database, place.table, place.partition), (DatabaseId(10), TableId(11), file.partition));
        assert_eq!((place.name.txn, place.name.attempt, place.name.incarnation.as_str()), (TxnId(5), 1, "01234567"));
        assert!(names.insert(place.name.n), "a number is used once");
        assert!(file.runs.windows(2).all(|pair| pair[0].bucket < pair[1].bucket), "one run a bucket");
        for ((partition, bucket), batch) in store.read(file).await {
            let found = pairs(&batch);
            assert!(found.is_sorted_by_key(|row| row.0));
            for (key, _) in &found {
                let value = key.map(|k| Value::Integer(k.into()));
                let home = spec.partitions.iter().find(|p| p.range.contains(std::slice::from_ref(&value))).unwrap();
                assert_eq!(home.id, partition);
            }
            assert_eq!(bucket_of(&[Arc::clone(batch.column(0))], 3).unwrap(), vec![bucket; found.len()]);
            all.extend(found);
        }
    }
    assert_eq!(store.objects().await, names.len());
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_is_what_came(
        keys in proptest::collection::vec(proptest::option::of(prop_oneof![-50..20_i32, 30..40_i32]), 0..200),
        batch_rows in 1..40_usize,
        budget in prop_oneof![Just(1_usize), Just(2000), Just(usize::MAX)],
    ) {
        let mut values: Vec<_> = keys.into_iter().enumerate().map(|(n, key)| (key, format!("{n}"))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(check_write(&values, batch_rows, budget));
        values.sort();
        prop_assert_eq!(found, values);
    }
}

#[tokio::test]
async fn a_budget_bounds_what_waits() {
    let store = store();
    let batch = rows(&[(Some(1), "a"), (Some(11), "b")]);
    let written = store.write(vec![batch.clone(), batch.clone(), batch], &ranged(), 1).await.unwrap();
    assert_eq!((written.files.len(), written.rows), (6, 6), "a round a batch, a file a partition");
}

#[tokio::test]
async fn no_rows_are_no_files() {
    let store = store();
    assert_eq!(store.write(vec![rows(&[])], &ranged(), 1).await.unwrap(), Written::default());
    assert_eq!(store.objects().await, 0);
}

#[tokio::test]
async fn a_row_outside_every_partition_fails_all_and_leaves_nothing() {
    let store = store();
    let good = rows(&[(Some(1), "a")]);
    let bad = rows(&[(Some(2), "b"), (Some(25), "c'd")]);
    let error = store.write(vec![good, bad], &ranged(), 1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error: The row is out of partition ranges. Please add a new partition. Row: [25, 'c'd']"
    );
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(store.objects().await, 0);
}

#[tokio::test]
async fn a_source_that_fails_leaves_nothing_and_its_error_comes_through() {
    let store = store();
    let batches = [Ok(rows(&[(Some(1), "a")])), Err(io::Error::other("the other node died"))];
    let error = write_within(futures::stream::iter(batches), &ranged(), &store.volume, 1).await.unwrap_err();
    let WriteError::Source(source) = &error else { panic!("{error}") };
    assert!(source.downcast_ref::<io::Error>().is_some());
    assert_eq!((error.to_string().as_str(), store.objects().await), ("the other node died", 0));
}

#[tokio::test]
async fn a_store_that_fails_leaves_nothing() {
    let store = store();
    store.faults.add(Rule::fail(Operation::Put, "/102/"));
    let batch = rows(&[(Some(1), "a"), (Some(11), "b"), (Some(31), "c")]);
    let error = store.write(vec![batch.clone()], &ranged(), usize::MAX).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("injected fault"), "{error}");
    assert_eq!(store.objects().await, 0);
    store.faults.clear();
    store.write(vec![batch], &ranged(), usize::MAX).await.unwrap();
    assert_eq!(store.objects().await, 3);
}

async fn refusal(columns: Vec<Column>, arrays: Vec<ArrayRef>) -> String {
    let fields: Vec<Field> =
        (0..).zip(&arrays).map(|(n, a)| Field::new(format!("c{n}"), a.data_type().clone(), true)).collect();
    let batch = RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays).unwrap();
    let store = store();
    let spec = spec(columns, &[], &[], vec![PartitionRange::everything()]);
    let error = store.write(vec![batch], &spec, usize::MAX).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    error.to_string()
}

#[tokio::test]
async fn refusals_name_the_column_and_quote_the_row() {
    let one = |data_type, nullable| vec![column(1, "x", data_type, nullable, true)];
    let null: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let text = refusal(one(DataType::Int, false), vec![null]).await;
    assert_eq!(text, "Error: NULL value in non-nullable column 'x'. Row: [NULL]");
    let all_null = new_null_array(&ArrowType::Null, 2);
    assert!(refusal(one(DataType::Int, false), vec![all_null]).await.contains("NULL value in non-nullable column 'x'"));
    let long: ArrayRef = Arc::new(StringArray::from(vec!["fits", "ЖЖЖ"]));
    assert_eq!(
        refusal(one(DataType::Char(5), true), vec![long]).await,
        "Error: the length of input is too long than schema. column: x, schema length: 5, input length: 6. Row: ['ЖЖЖ']"
    );
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![128]));
    assert!(refusal(one(DataType::TinyInt, true), vec![wide]).await.contains("column 'x' as tinyint(4)"));
    let decimal = Decimal128Array::from(vec![12_345]).with_precision_and_scale(10, 2).unwrap();
    let text = refusal(one(DataType::Decimal { precision: 4, scale: 2 }, true), vec![Arc::new(decimal)]).await;
    assert!(text.contains("column 'x'") && text.contains("decimal(4, 2)"), "{text}");
    let unchecked = Decimal128Array::from(vec![12_345]).with_data_type(ArrowType::Decimal128(4, 2));
    let text = refusal(one(DataType::Decimal { precision: 4, scale: 2 }, true), vec![Arc::new(unchecked)]).await;
    assert!(text.contains("out of range of column 'x' of type decimal(4, 2)"), "{text}");
    let large = Decimal256Array::from(vec![i256::from_i128(i128::MAX).wrapping_add(i256::ONE)]);
    let large = large.with_precision_and_scale(39, 0).unwrap();
    assert!(
        refusal(one(DataType::LargeInt, true), vec![Arc::new(large)])
            .await
            .contains("170141183460469231731687303715884105728")
    );
    let date: ArrayRef = Arc::new(Date32Array::from(vec![2_932_897]));
    assert!(refusal(one(DataType::Date, true), vec![date]).await.contains("'10000-01-01'"));
    let time: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX]));
    assert!(refusal(one(DataType::DateTime, true), vec![time]).await.contains("out of range"));
    let two: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    assert!(
        refusal(one(DataType::Int, true), vec![Arc::clone(&two), two]).await.contains("2 columns for a table of 1")
    );
}

fn every_type() -> (Vec<Column>, Vec<ArrayRef>) {
    let largest = i256::from_i128(i128::MAX);
    let large = Decimal256Array::from(vec![Some(largest), Some(i256::from_i128(i128::MIN)), None]);
    let decimal = |p, s| {
        let values = vec![Some(10_i128.pow(u32::from(p)) - 1), Some(1 - 10_i128.pow(u32::from(p))), None];
        Decimal128Array::from(values).with_precision_and_scale(p, s).unwrap()
    };
    let day = 86_400_000_000;
    let arrays: Vec<(DataType, ArrayRef)> = vec![
        (DataType::Boolean, Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        (DataType::TinyInt, Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None]))),
        (DataType::SmallInt, Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None]))),
        (DataType::Int, Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None]))),
        (DataType::BigInt, Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None]))),
        (DataType::LargeInt, Arc::new(large.with_precision_and_scale(39, 0).unwrap())),
        (DataType::Float, Arc::new(Float32Array::from(vec![Some(f32::MIN), Some(1.5), None]))),
        (DataType::Double, Arc::new(Float64Array::from(vec![Some(f64::MAX), Some(-0.1), None]))),
        (DataType::Decimal { precision: 9, scale: 2 }, Arc::new(decimal(9, 2))),
        (DataType::Decimal { precision: 38, scale: 38 }, Arc::new(decimal(38, 38))),
        (DataType::Date, Arc::new(Date32Array::from(vec![Some(-719_528), Some(2_932_896), None]))),
        (
            DataType::DateTime,
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-719_528 * day), Some(2_932_897 * day - 1), None])),
        ),
        (DataType::Char(4), Arc::new(StringArray::from(vec![Some("ЖЖ"), Some(""), None]))),
        (DataType::Varchar(65_533), Arc::new(StringArray::from(vec![Some("naïve"), Some("x\0y"), None]))),
    ];
    let columns =
        (1..).zip(&arrays).map(|(id, (kind, _))| column(id, &format!("C{id}"), kind.clone(), true, false)).collect();
    (columns, arrays.into_iter().map(|(_, array)| array).collect())
}

#[tokio::test]
async fn every_type_comes_back_as_it_went() {
    for compression in [None, Some("LZ4"), Some("SNAPPY"), Some("ZSTD(3)")] {
        let (columns, arrays) = every_type();
        let store = store();
        let mut spec = spec(columns, &[], &[], vec![PartitionRange::everything()]);
        spec.table.properties.extend(compression.map(|text| ("compression".to_owned(), text.to_owned())));
        let batch = RecordBatch::try_new(arrow_schema(&spec.table.schema), arrays).unwrap();
        let written = store.write(vec![batch.clone()], &spec, usize::MAX).await.unwrap();
        let [file] = written.files.as_slice() else { panic!("{written:?}") };
        let read = store.read(file).await;
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].1.columns(), batch.columns());
        let ids = |batch: &RecordBatch| -> Vec<(String, ArrowType, Option<String>)> {
            let fields = batch.schema();
            let id = |field: &Field| field.metadata().get("PARQUET:field_id").cloned();
            fields.fields().iter().map(|f| (f.name().clone(), f.data_type().clone(), id(f))).collect()
        };
        assert_eq!(ids(&read[0].1), ids(&batch), "names, types and ids are in the file");
    }
}

#[tokio::test]
async fn columns_of_kindred_types_are_taken() {
    let store = store();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![3, 4]));
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
    let batch = RecordBatch::try_from_iter([("k", keys), ("v", texts)]).unwrap();
    let written = store.write(vec![batch], &ranged(), usize::MAX).await.unwrap();
    let mut found = Vec::new();
    for file in &written.files {
        found.extend(store.read(file).await.iter().flat_map(|(_, batch)| pairs(batch)));
    }
    found.sort();
    assert_eq!(found, [(Some(3), "a".to_owned()), (Some(4), "b".to_owned())]);
}

#[tokio::test]
async fn random_distribution_keeps_small_loads_whole_and_spreads_large_ones() {
    let columns = || vec![column(1, "k", DataType::Int, true, true)];
    let batch = |rows: i32| {
        let keys: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("k", keys)]).unwrap()
    };
    let store = store();
    let mut spec = spec(columns(), &[], &[], vec![PartitionRange::everything()]);
    let small = store.write(vec![batch(10), batch(10)], &spec, usize::MAX).await.unwrap();
    assert_eq!(small.files[0].runs.iter().map(|r| (r.bucket, r.rows)).collect::<Vec<_>>(), [(2, 20)]);
    spec.attempt = 2;
    let large = store.write(vec![batch(3 * RANDOM_STRIDE as i32)], &spec, usize::MAX).await.unwrap();
    let runs: Vec<_> = large.files[0].runs.iter().map(|r| (r.bucket, r.rows)).collect();
    assert_eq!(runs, [(0, RANDOM_STRIDE), (1, RANDOM_STRIDE), (2, RANDOM_STRIDE)]);
}

#[tokio::test]
async fn a_spec_that_cannot_be_is_refused() {
    let store = store();
    let mut elsewhere = ranged();
    elsewhere.volume = VolumeId(9);
    let mut no_buckets = ranged();
    no_buckets.partitions[0].buckets = 0;
    let mut no_column = ranged();
    no_column.table.distribution = Distribution::Hash { columns: vec![ColumnId(99)] };
    for bad in [elsewhere, no_buckets, no_column] {
        assert_eq!(store.write(vec![], &bad, 1).await.unwrap_err().kind(), Kind::Invalid);
    }
    let column: ArrayRef = Arc::new(Int32Array::from(vec![25]));
    let ranges: Vec<_> = ranged().partitions.into_iter().map(|p| p.range).collect();
    assert_eq!(partition_of(&[column], 1, &ranges).unwrap(), [None]);
}

#[tokio::test]
async fn rows_without_a_partition_are_told_of_where_partitions_can_be_made() {
    let store = store();
    let mut spec = ranged();
    spec.makes_partitions = true;
    let batches = vec![
        rows(&[(Some(1), "a")]),
        rows(&[(Some(25), "b"), (Some(2), "c")]),
        rows(&[(Some(45), "d"), (Some(25), "e")]),
    ];
    // A file of the first batch is written before anything is missing, and does not stay.
    let written = store.write(batches, &spec, 1).await.unwrap();
    let number = |n: i128| vec![Some(Value::Integer(n))];
    assert_eq!(written, Written { missing: vec![number(25), number(45)], ..Written::default() });
    assert_eq!(store.objects().await, 0);
    let all = store.write(vec![rows(&[(Some(1), "a")])], &spec, usize::MAX).await.unwrap();
    assert_eq!((all.rows, all.missing.len()), (1, 0));
}
