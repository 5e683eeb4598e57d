//! Rows that give way to others: INSERT OVERWRITE and DELETE.

use super::*;

/// Version and rows of each partition of `orders`.
fn orders(kit: &Kit) -> Vec<(u64, u64)> {
    let ids = kit.partitions("orders");
    ids.iter().filter_map(|id| kit.catalog.partition(*id)).map(|p| (p.visible_version, p.rows())).collect()
}

fn removed(kit: &Kit, file: FileId) -> Option<Revision> {
    kit.catalog.file(file).unwrap().removed_at().map(|(revision, _)| revision)
}

#[test]
fn new_rows_take_the_place_of_the_old_at_once_in_all_partitions() {
    let mut kit = Kit::new();
    let (low, mid) = (kit.load("orders", 0, "o1"), kit.load("orders", 1, "o2"));
    let ids = kit.partitions("orders");
    // The other partition gets no new rows: it is empty afterwards.
    let command = kit.replace("orders", &[(0, None), (1, None)], vec![kit.written("orders", 0, "o3")]);
    assert_eq!(kit.ok(command), Outcome::Committed { rows: 10 });
    let at = kit.catalog.revision();
    assert_eq!((orders(&kit), kit.partitions("orders")), (vec![(3, 10), (3, 0)], ids));
    assert_eq!((removed(&kit, low), removed(&kit, mid)), (Some(at), Some(at)));
    let partition = kit.catalog.partition(kit.partitions("orders")[0]).unwrap();
    assert!(partition.rowsets.iter().all(|rowset| rowset.version == 3));
    assert_eq!(kit.catalog.file(partition.rowsets[0].file).unwrap().created_at, at);
    assert_eq!(kit.condemn(vec![low, mid]), vec![low, mid]);
}

#[test]
fn partitions_that_are_not_named_keep_their_files() {
    let mut kit = Kit::new();
    let (low, mid) = (kit.load("orders", 0, "o1"), kit.load("orders", 1, "o2"));
    let command = kit.replace("orders", &[(1, None)], Vec::new());
    assert_eq!(kit.ok(command), Outcome::Committed { rows: 0 });
    assert_eq!(orders(&kit), vec![(2, 10), (3, 0)]);
    assert!(removed(&kit, low).is_none() && removed(&kit, mid).is_some());
}

#[test]
fn rows_made_from_a_version_that_is_not_the_newest_are_stale_and_leave_nothing() {
    let mut kit = Kit::new();
    kit.load("orders", 0, "o1");
    let base = Some(2);
    let command = kit.replace("orders", &[(0, base), (1, Some(1))], vec![kit.written("orders", 0, "o2")]);
    kit.load("orders", 1, "o3");
    assert!(matches!(kit.refused(command), Rejection::Stale(why) if why.contains("partition mid of table orders")));
    // Who needs no base does not mind.
    let command = kit.replace("orders", &[(0, base), (1, None)], vec![kit.written("orders", 0, "o2")]);
    kit.ok(command.clone());
    assert_eq!(orders(&kit), vec![(3, 10), (3, 0)]);
    assert!(matches!(kit.refused(command), Rejection::Stale(_)), "nor is it done twice");
}

#[test]
fn only_partitions_of_the_table_that_are_there_are_replaced() {
    let mut kit = Kit::new();
    let command = kit.replace("orders", &[(0, None), (1, None)], vec![kit.written("orders", 0, "o1")]);
    let stray = kit.replace("orders", &[(0, None)], vec![kit.written("orders", 1, "o2")]);
    assert!(matches!(kit.refused(stray), Rejection::Stale(why) if why.contains("not replaced")));
    let foreign = Command::ReplaceRows {
        txn: TxnId(2),
        table: kit.table("orders"),
        label: None,
        partitions: vec![ReplacedPartition { partition: kit.partitions("notes")[0], base: None }],
        files: Vec::new(),
        superseded: Superseded::default(),
    };
    assert!(matches!(kit.refused(foreign), Rejection::Stale(_)));
    kit.ok(truncate("orders", &["mid"]));
    assert!(matches!(kit.refused(command.clone()), Rejection::Stale(why) if why.contains("truncated")));
    kit.ok(drop_table("orders", false));
    assert!(matches!(kit.refused(command), Rejection::Stale(why) if why.contains("dropped")));
}

#[test]
fn a_snapshot_keeps_the_rows_that_gave_way() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let old = kit.load("orders", 0, "o1");
    kit.snapshot("automated_cluster_snapshot_1");
    let command = kit.replace("orders", &[(0, Some(2))], vec![kit.written("orders", 0, "o2")]);
    kit.ok(command);
    let between = kit.catalog.files().find(|f| f.object == "o2").unwrap().id;
    let command = kit.replace("orders", &[(0, Some(3))], Vec::new());
    kit.ok(command);
    // What came and went after the cut is nobody's; what the cut names stays.
    assert_eq!(kit.condemn(vec![old, between]), vec![between]);
}

#[test]
fn a_replacement_uses_its_label_as_a_load_does() {
    let mut kit = Kit::new();
    let labelled = |kit: &Kit| {
        let Command::ReplaceRows { txn, table, partitions, files, .. } = kit.replace("orders", &[(0, None)], vec![])
        else {
            unreachable!()
        };
        Command::ReplaceRows {
            txn,
            table,
            label: Some("monday".to_owned()),
            partitions,
            files,
            superseded: Superseded::default(),
        }
    };
    let first = labelled(&kit);
    kit.ok(first.clone());
    assert_eq!(kit.refused(first), Rejection::LabelUsed { label: "monday".to_owned(), txn: TxnId(2) });
    let load = kit.commit("orders", Some("monday"), Vec::new());
    assert!(matches!(kit.refused(load), Rejection::LabelUsed { .. }));
}
