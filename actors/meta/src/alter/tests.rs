//! What is left to write of partitions that loads, deletes and compactions change meanwhile.

use std::sync::Arc;

use storage_model::{
    Deletes, FileId, Partition, PartitionId, PartitionRange, Rowset, TableId, TxnId, UnixMillis, Vector,
};

use super::shadow::{Left, Shadow};

fn rowset(file: u64, bytes: u64) -> Rowset {
    Rowset {
        file: FileId(file),
        bucket: 0,
        first_row_group: 0,
        row_groups: 1,
        start: 4,
        end: 4 + bytes,
        rows: 10,
        version: file,
        index: None,
        deletes: None,
    }
}

fn partition(id: u64, rowsets: Vec<Rowset>) -> Arc<Partition> {
    Arc::new(Partition {
        id: PartitionId(id),
        table: TableId(1),
        name: format!("p{id}"),
        range: PartitionRange::everything(),
        buckets: 1,
        visible_version: rowsets.len() as u64 + 1,
        visible_at: UnixMillis(0),
        rowsets,
    })
}

/// Writes what is next; of which partitions and how many runs.
fn step(shadow: &mut Shadow, partitions: &[Arc<Partition>], txn: u64) -> Vec<(u64, usize)> {
    shadow.check(partitions, 0);
    let pieces = shadow.next(partitions, 8);
    pieces.iter().for_each(|piece| shadow.take(piece, TxnId(txn), Vec::new()));
    pieces.iter().map(|piece| (piece.partition.0, piece.rowsets.len())).collect()
}

fn left(shadow: &Shadow, partitions: &[Arc<Partition>]) -> (u64, u64) {
    let Left { rows_left, bytes_left, .. } = shadow.left(partitions);
    (rows_left, bytes_left)
}

#[test]
fn what_comes_meanwhile_is_written_behind_what_is_there() {
    let mut shadow = Shadow::default();
    let one =
        [partition(1, vec![rowset(1, 5), rowset(2, 5)]), partition(2, vec![rowset(3, 5)]), partition(3, Vec::new())];
    assert_eq!(left(&shadow, &one), (30, 15));
    assert_eq!(step(&mut shadow, &one, 1), [(1, 2), (2, 1)]);
    assert_eq!((left(&shadow, &one), step(&mut shadow, &one, 2).len()), ((0, 0), 0));
    let two = [partition(1, vec![rowset(1, 5), rowset(2, 5), rowset(4, 5)]), partition(2, vec![rowset(3, 5)])];
    assert_eq!(left(&shadow, &two), (10, 5));
    assert_eq!(step(&mut shadow, &two, 3), [(1, 1)]);
    let whole = shadow.whole(&two);
    let txns: Vec<_> = whole[0].parts.iter().map(|part| part.txn.0).collect();
    assert_eq!((whole.len(), whole[0].base, txns), (2, 4, vec![1, 3]));
}

#[test]
fn where_rows_went_or_files_became_others_a_partition_begins_again() {
    let vector = Vector::Inline(vec![1]);
    let lost = Rowset { deletes: Some(Arc::new(Deletes { rows: 1, vector })), ..rowset(1, 5) };
    for changed in [vec![lost, rowset(2, 5)], vec![rowset(9, 5)], vec![rowset(2, 5)], vec![rowset(9, 5), rowset(2, 5)]]
    {
        let mut shadow = Shadow::default();
        step(&mut shadow, &[partition(1, vec![rowset(1, 5), rowset(2, 5)])], 1);
        let count = changed.len();
        assert_eq!(step(&mut shadow, &[partition(1, changed)], 2), [(1, count)]);
    }
    let mut shadow = Shadow::default();
    let all = [partition(1, vec![rowset(1, 5)])];
    step(&mut shadow, &all, 1);
    shadow.check(&all, 2);
    assert_eq!(left(&shadow, &all), (10, 5), "what was given up is written again");
}

#[test]
fn large_partitions_are_written_in_parts() {
    let large = |file| rowset(file, 200 << 20);
    let all = [partition(1, vec![large(1), large(2), rowset(3, 5)]), partition(2, vec![rowset(4, 300 << 20)])];
    let mut shadow = Shadow::default();
    assert_eq!(step(&mut shadow, &all, 1), [(1, 1), (2, 1)]);
    let Left { rows, rows_left, .. } = shadow.left(&all);
    assert_eq!((rows, rows_left, shadow.left(&all).percent()), (40, 20, 50));
    assert_eq!(step(&mut shadow, &all, 2), [(1, 2)]);
    assert_eq!(shadow.left(&all).percent(), 99, "until it is true");
}

#[test]
fn a_job_that_no_log_entry_holds_says_so() {
    let why = super::round::too_large(70_000_000, 67_108_864);
    for part in ["too many files", "70000000 bytes of metadata", "at most 67108864", "stays as it was"] {
        assert!(why.contains(part), "{why}");
    }
}
