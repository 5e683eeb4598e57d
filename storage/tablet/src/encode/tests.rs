//! Runs and sums against what Parquet itself says of the file.

use arrow::array::{AsArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaDataReader;

use super::*;
use crate::checksum::verify_file;

/// 1000 rows `(999 - i, "text i")`, three batches; row i goes to bucket i % 3.
fn example(row_group_rows: usize) -> Encoded {
    let schema =
        Arc::new(Schema::new(vec![Field::new("k", DataType::Int32, true), Field::new("v", DataType::Utf8, false)]));
    let batch = |range: std::ops::Range<i32>| {
        let numbers = Int32Array::from_iter(range.clone().map(|i| (i != 500).then_some(999 - i)));
        let texts = StringArray::from_iter_values(range.map(|i| format!("text {i}")));
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
    };
    let batches = vec![batch(0..400), batch(400..401), batch(401..1000)];
    let mut places = Vec::new();
    for (number, batch) in (0_u32..).zip(&batches) {
        places.extend((0..batch.num_rows() as u32).map(|row| Place { bucket: 0, batch: number, row }));
    }
    for (at, place) in (0_u32..).zip(places.iter_mut()) {
        place.bucket = at % 3;
    }
    let rows = Sortable::new(batches, &[0], None).unwrap();
    let compression = crate::compression::parse_compression("lz4").unwrap();
    let bloom_filters = (Vec::new(), 0.05);
    Encoding {
        schema,
        keys: vec![0],
        order: None,
        merging: None,
        indexed: None,
        compression,
        bloom_filters,
        statistics: Vec::new(),
        row_group_rows,
    }
    .encode(&rows, places)
    .unwrap()
}

#[test]
fn a_byte_range_selects_exactly_the_row_groups_of_its_run() {
    for (row_group_rows, groups_of_a_run) in [(1 << 20, 1), (100, 4)] {
        let file = example(row_group_rows);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file.bytes).unwrap();
        assert_eq!(file.runs.iter().map(|r| (r.bucket, r.rows)).collect::<Vec<_>>(), [(0, 334), (1, 333), (2, 333)]);
        let mut next = 0;
        for run in &file.runs {
            assert_eq!((run.first_row_group, run.row_groups), (next, groups_of_a_run));
            next += run.row_groups;
            // As readers that are given a byte range choose row groups.
            let chosen: Vec<u32> = (0_u32..)
                .zip(metadata.row_groups())
                .filter(|(_, group)| {
                    let first = group.column(0);
                    let offset = first.dictionary_page_offset().unwrap_or_else(|| first.data_page_offset()) as u64;
                    (run.start..run.end).contains(&offset)
                })
                .map(|(number, _)| number)
                .collect();
            assert_eq!(chosen, (run.first_row_group..next).collect::<Vec<_>>());
            let inside = &metadata.row_groups()[run.first_row_group as usize..next as usize];
            assert!(inside.iter().flat_map(|g| g.columns()).all(|c| {
                let (start, size) = c.byte_range();
                run.start <= start && start + size <= run.end
            }));
        }
        assert_eq!(next as usize, metadata.num_row_groups());
        assert!(file.runs.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}

#[test]
fn runs_are_sorted_null_first_across_their_row_groups() {
    let file = example(100);
    for run in &file.runs {
        let groups = (run.first_row_group..run.first_row_group + run.row_groups).map(|n| n as usize).collect();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap().with_row_groups(groups);
        let keys: Vec<Option<i32>> = reader
            .build()
            .unwrap()
            .flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int32Type>().iter().collect::<Vec<_>>())
            .collect();
        assert_eq!(keys.len() as u64, run.rows);
        assert!(keys.is_sorted(), "None is the least");
        assert_eq!(keys.contains(&None), run.bucket == 500 % 3);
    }
}

#[test]
fn every_flipped_byte_of_the_data_is_found() {
    let file = example(100);
    verify_file(&file.bytes).unwrap();
    let end = file.runs.iter().map(|run| run.end).max().unwrap() as usize;
    let start = file.runs[0].start as usize;
    for at in start..end {
        let mut bytes = file.bytes.to_vec();
        bytes[at] ^= 0x10;
        let error = verify_file(&bytes.into()).unwrap_err();
        assert_eq!(error.kind(), storage_model::Kind::Corrupt, "byte {at}: {error}");
    }
    let cut = file.bytes.slice(..file.bytes.len() - 1);
    assert_eq!(verify_file(&cut).unwrap_err().kind(), storage_model::Kind::Corrupt);
    assert_eq!(verify_file(&Bytes::new()).unwrap_err().kind(), storage_model::Kind::Corrupt);
}

#[test]
fn the_same_rows_are_the_same_bytes() {
    let (one, two) = (example(100), example(100));
    assert_eq!(one.sha256, two.sha256);
    assert_eq!(one.sha256, hex::encode(Sha256::digest(&one.bytes)));
}
