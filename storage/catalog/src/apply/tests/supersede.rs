//! Commits to PRIMARY KEY tables: what they take away, and what they must not overlook.

use storage_model::{ByteRange, RowsetChange, TabletChange, Vector};

use super::*;
use crate::keyed::nothing_to_look_up;

fn kit() -> Kit {
    let mut kit = Kit::new();
    kit.ok(create_table(TableDraft { model: KeyModel::Primary, ..ranged("goods") }));
    kit
}

fn keyed(kit: &Kit, partition: usize, object: &str) -> WrittenFile {
    let mut file = kit.written("goods", partition, object);
    file.runs.iter_mut().for_each(|run| run.index = Some(ByteRange { start: 14, end: 90 }));
    file
}

/// Tablet `bucket` of the first partition, of which these objects lose rows: how many were gone, and are then.
fn tablet(kit: &Kit, bucket: u32, base: u64, lost: &[(&str, u64, u64)]) -> TabletChange {
    let change = |(object, before, rows): &(&str, u64, u64)| RowsetChange {
        volume: kit.volume("main"),
        object: (*object).to_owned(),
        before: *before,
        rows: *rows,
        vector: Vector::Inline(vec![*rows as u8]),
    };
    let (partition, rowsets) = (kit.partitions("goods")[0], lost.iter().map(change).collect());
    TabletChange { partition, bucket, base, rowsets }
}

fn load(kit: &Kit, files: Vec<WrittenFile>, tablets: Vec<TabletChange>) -> Command {
    let superseded = Superseded { tablets, vectors: Vec::new() };
    Command::CommitLoad { txn: TxnId(1), table: kit.table("goods"), label: None, files, superseded }
}

fn rows(kit: &Kit) -> Vec<(u64, u64)> {
    let partition = kit.catalog.partition(kit.partitions("goods")[0]).unwrap();
    partition.rowsets.iter().map(|rowset| (rowset.rows, rowset.live_rows())).collect()
}

#[test]
fn every_tablet_that_gets_rows_was_looked_at_as_it_is() {
    let mut kit = kit();
    let (first, both) = (keyed(&kit, 0, "a"), |base| vec![(0, base), (1, base)]);
    let all = |kit: &Kit, base| both(base).into_iter().map(|(b, base)| tablet(kit, b, base, &[])).collect::<Vec<_>>();
    let unseen = load(&kit, vec![first.clone()], vec![tablet(&kit, 0, 0, &[])]);
    assert!(matches!(kit.refused(unseen), Rejection::Stale(why) if why.contains("were not looked up")));
    let plain = load(&kit, vec![kit.written("goods", 0, "b")], all(&kit, 0));
    assert!(matches!(kit.refused(plain), Rejection::Stale(why) if why.contains("key model")));
    let files = vec![WrittenFile { partition: kit.partitions("orders")[0], ..first.clone() }];
    let Command::CommitLoad { txn, label, superseded, .. } = load(&kit, Vec::new(), Vec::new()) else { unreachable!() };
    let odd = Command::CommitLoad { txn, table: kit.table("orders"), label, files, superseded };
    assert!(matches!(kit.refused(odd), Rejection::Stale(_)));
    let known = nothing_to_look_up(&kit.catalog.keyed_tablets(std::slice::from_ref(&first), false)).unwrap();
    assert_eq!(known.tablets, all(&kit, 0));
    kit.ok(load(&kit, vec![first], all(&kit, 0)));
    let second = keyed(&kit, 0, "b");
    assert_eq!(nothing_to_look_up(&kit.catalog.keyed_tablets(std::slice::from_ref(&second), false)), None);
    let late = load(&kit, vec![second.clone()], all(&kit, 0));
    assert!(matches!(kit.refused(late), Rejection::Overtaken(why) if why.contains("got rows")));
    kit.ok(load(&kit, vec![second], all(&kit, 2)));
    assert_eq!(rows(&kit), [(5, 5); 4]);
}

#[test]
fn rows_go_once_and_a_rowset_with_its_last_row() {
    let mut kit = kit();
    let known = |kit: &Kit, file: &WrittenFile| {
        nothing_to_look_up(&kit.catalog.keyed_tablets(std::slice::from_ref(file), false))
    };
    let first = keyed(&kit, 0, "a");
    let tablets = known(&kit, &first).unwrap().tablets;
    kit.ok(load(&kit, vec![first], tablets));
    let upsert = |kit: &Kit, object: &str, base, lost: &[(&str, u64, u64)]| {
        let tablets = vec![tablet(kit, 0, base, lost), tablet(kit, 1, base, &[])];
        load(kit, vec![keyed(kit, 0, object)], tablets)
    };
    let command = upsert(&kit, "b", 2, &[("a", 0, 2)]);
    let twin = upsert(&kit, "c", 2, &[("a", 0, 2)]);
    kit.ok(command);
    assert_eq!(rows(&kit), [(5, 3), (5, 5), (5, 5), (5, 5)]);
    assert!(matches!(kit.refused(twin), Rejection::Overtaken(_)), "it did not see the other");
    for (object, before, after) in [("a", 0, 3), ("a", 2, 2), ("a", 2, 6), ("x", 0, 1)] {
        let command = upsert(&kit, "c", 3, &[(object, before, after)]);
        assert!(matches!(kit.refused(command), Rejection::Overtaken(_) | Rejection::Stale(_)), "{object}");
    }
    // All rows of the tablet in the old file, and one of those that come at the same moment.
    let command = upsert(&kit, "c", 3, &[("a", 2, 5), ("c", 0, 1)]);
    kit.ok(command);
    assert_eq!(rows(&kit), [(5, 5), (5, 5), (5, 5), (5, 4), (5, 5)]);
    let file = kit.catalog.files().find(|file| file.object == "a").unwrap();
    assert_eq!((file.references, file.removed_at()), (1, None), "its other run is still there");
}

#[test]
fn vectors_in_objects_live_as_long_as_a_rowset_names_them() {
    let mut kit = kit();
    let first = keyed(&kit, 0, "a");
    let tablets = nothing_to_look_up(&kit.catalog.keyed_tablets(std::slice::from_ref(&first), false)).unwrap().tablets;
    kit.ok(load(&kit, vec![first], tablets));
    let delete = |kit: &Kit, object: &str, before: u64, rows: u64| {
        let stored = |start| Vector::Stored { file: 0, bytes: ByteRange { start, end: start + 9 } };
        let mut tablets = vec![tablet(kit, 0, 2, &[("a", before, rows)]), tablet(kit, 1, 2, &[("a", before, rows)])];
        tablets.iter_mut().zip([0, 9]).for_each(|(tablet, start)| tablet.rowsets[0].vector = stored(start));
        let vectors = vec![WrittenFile { runs: Vec::new(), ..keyed(kit, 0, object) }];
        let (partition, superseded) = (kit.partitions("goods")[0], Superseded { tablets, vectors });
        let base = kit.catalog.partition(partition).map(|found| found.visible_version);
        let partitions = vec![ReplacedPartition { partition, base }];
        Command::UpdateRows { txn: TxnId(1), table: kit.table("goods"), partitions, files: Vec::new(), superseded }
    };
    let stale = delete(&kit, "v1", 0, 1);
    kit.ok(delete(&kit, "v1", 0, 1));
    assert!(matches!(kit.refused(stale), Rejection::Stale(why) if why.contains("changed while")));
    let state = |kit: &Kit, object: &str| {
        kit.catalog
            .files()
            .find(|file| file.object == object)
            .map(|file| (file.references, file.removed_at().is_some()))
    };
    assert_eq!(state(&kit, "v1"), Some((2, false)));
    assert_eq!(kit.catalog.partition(kit.partitions("goods")[0]).unwrap().visible_version, 3, "a version of its own");
    kit.ok(delete(&kit, "v2", 1, 4));
    assert_eq!((state(&kit, "v1"), state(&kit, "v2")), (Some((0, true)), Some((2, false))));
    kit.ok(truncate("goods", &[]));
    kit.ok(drop_table("goods", true));
    let trash = kit.catalog.trash().count();
    assert_eq!((trash, state(&kit, "v2")), (0, Some((0, true))));
}

#[test]
fn a_compaction_keeps_what_went_while_it_ran() {
    let mut kit = kit();
    for object in ["a", "b"] {
        let file = keyed(&kit, 0, object);
        let base = if object == "a" { 0 } else { 2 };
        let tablets = vec![tablet(&kit, 0, base, &[]), tablet(&kit, 1, base, &[])];
        kit.ok(load(&kit, vec![file], tablets));
    }
    let then = kit.catalog.clone();
    let read = then.partition(kit.partitions("goods")[0]).unwrap().as_ref().clone();
    let inputs: Vec<FileId> = ["a", "b"].map(|o| kit.catalog.files().find(|f| f.object == o).unwrap().id).into();
    let mut file = keyed(&kit, 0, "ab");
    file.runs.iter_mut().for_each(|run| run.rows = 10);
    // A load takes a row of the first tablet, and all rows that the first file has in the second.
    let tablets = vec![tablet(&kit, 0, 3, &[("b", 0, 1)]), tablet(&kit, 1, 3, &[("a", 0, 5)])];
    kit.ok(load(&kit, vec![keyed(&kit, 0, "c")], tablets));
    let compaction = |kit: &Kit, superseded: Superseded, seen| Command::CompactPartition {
        txn: TxnId(3),
        table: kit.table("goods"),
        partition: read.id,
        inputs: inputs.clone(),
        files: vec![file.clone()],
        superseded,
        seen,
    };
    let blind = compaction(&kit, Superseded::default(), Vec::new());
    assert!(matches!(kit.refused(blind), Rejection::Overtaken(_)));
    let lost = kit.catalog.lost_since(&read, &then, std::slice::from_ref(&file));
    assert_eq!(lost.tablets.iter().map(|tablet| tablet.bucket).collect::<Vec<_>>(), [0, 1]);
    let half = Superseded { tablets: vec![tablet(&kit, 0, 0, &[("ab", 0, 1)])], vectors: Vec::new() };
    let half = compaction(&kit, half, lost.seen.clone());
    assert!(matches!(kit.refused(half), Rejection::Stale(why) if why.contains("rows where its compaction has")));
    let tablets = vec![tablet(&kit, 0, 0, &[("ab", 0, 1)]), tablet(&kit, 1, 0, &[("ab", 0, 5)])];
    let all = compaction(&kit, Superseded { tablets, vectors: Vec::new() }, lost.seen);
    kit.ok(all);
    assert_eq!(rows(&kit), [(10, 9), (10, 5), (5, 5), (5, 5)]);
}

#[test]
fn what_a_delete_takes_away_is_seen_by_what_comes_after_it() {
    let mut kit = kit();
    let first = keyed(&kit, 0, "a");
    let tablets = nothing_to_look_up(&kit.catalog.keyed_tablets(std::slice::from_ref(&first), false)).unwrap().tablets;
    kit.ok(load(&kit, vec![first], tablets));
    let stored = |n: u32| Vector::Stored { file: n, bytes: ByteRange { start: 0, end: 9 } };
    let vectors = |kit: &Kit, object: &str| vec![WrittenFile { runs: Vec::new(), ..keyed(kit, 0, object) }];
    let mut taken = tablet(&kit, 0, 2, &[("a", 0, 2)]);
    taken.rowsets[0].vector = stored(0);
    let deleted = Superseded { tablets: vec![taken], vectors: vectors(&kit, "v1") };
    let new = keyed(&kit, 0, "b");
    let seen = kit.catalog.keyed_tablets_after(std::slice::from_ref(&new), &deleted).unwrap();
    assert_eq!(seen.iter().map(|tablet| tablet.old[0].deleted).collect::<Vec<_>>(), [2, 0]);
    assert!(seen[0].places().any(|place| place.object == "v1"), "which they are is read where the DELETE wrote it");
    // A row that comes again in the first tablet, and one in the second.
    let mut again = [tablet(&kit, 0, 2, &[("a", 2, 3)]), tablet(&kit, 1, 2, &[("a", 0, 1)])];
    again.iter_mut().for_each(|tablet| tablet.rowsets[0].vector = stored(0));
    let both = deleted.clone().then(Superseded { tablets: again.to_vec(), vectors: vectors(&kit, "v2") });
    assert_eq!(both.vectors.iter().map(|file| file.object.as_str()).collect::<Vec<_>>(), ["v2"]);
    let whole = &both.tablets[0].rowsets[0];
    assert_eq!((both.tablets.len(), whole.before, whole.rows, &whole.vector), (2, 0, 3, &stored(0)));
    let partitions = vec![ReplacedPartition { partition: kit.partitions("goods")[0], base: Some(2) }];
    let (txn, table) = (TxnId(1), kit.table("goods"));
    let part = |files, partitions| TransactionLoad { txn, table, files, partitions, replaces: false };
    let loads = vec![part(Vec::new(), partitions), part(vec![new], Vec::new())];
    let command = Command::CommitTransaction { label: None, loads, superseded: both };
    kit.ok(command);
    assert_eq!(rows(&kit), [(5, 2), (5, 4), (5, 5), (5, 5)]);
    // By now it has other rows.
    assert_eq!(kit.catalog.keyed_tablets_after(&[], &deleted), None);
}

#[test]
fn rows_of_partitions_that_nobody_read_do_not_go() {
    let mut kit = kit();
    let first = keyed(&kit, 0, "a");
    let tablets = nothing_to_look_up(&kit.catalog.keyed_tablets(std::slice::from_ref(&first), false)).unwrap().tablets;
    kit.ok(load(&kit, vec![first], tablets));
    let superseded = Superseded { tablets: vec![tablet(&kit, 0, 2, &[("a", 0, 2)])], vectors: Vec::new() };
    let (txn, table) = (TxnId(1), kit.table("goods"));
    let loads = vec![TransactionLoad { txn, table, files: Vec::new(), partitions: Vec::new(), replaces: false }];
    let command = Command::CommitTransaction { label: None, loads, superseded };
    assert!(matches!(kit.refused(command), Rejection::Stale(why) if why.contains("not read")));
}
