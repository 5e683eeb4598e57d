//! UPDATE: rows over those that were read, if these are still the newest.

use super::*;

fn update(kit: &Kit, table: &str, partitions: &[(usize, Option<u64>)], files: Vec<WrittenFile>) -> Command {
    let Command::ReplaceRows { txn, table, partitions, files, .. } = kit.replace(table, partitions, files) else {
        panic!()
    };
    Command::UpdateRows { txn, table, partitions, files, superseded: Superseded::default() }
}

fn versions(kit: &Kit) -> Vec<(u64, u64)> {
    let ids = kit.partitions("orders");
    ids.iter().filter_map(|id| kit.catalog.partition(*id)).map(|p| (p.visible_version, p.rows())).collect()
}

#[test]
fn new_rows_stand_behind_those_that_they_were_made_from() {
    let mut kit = Kit::new();
    let old = kit.load("orders", 0, "o1");
    let command = update(&kit, "orders", &[(0, Some(2))], vec![kit.written("orders", 0, "o2")]);
    assert_eq!(kit.ok(command), Outcome::Committed { rows: 10 });
    assert_eq!(versions(&kit), vec![(3, 20), (1, 0)], "a partition without new rows keeps its version");
    let partition = kit.catalog.partition(kit.partitions("orders")[0]).unwrap();
    let brought: Vec<u64> = partition.rowsets.iter().map(|rowset| rowset.version).collect();
    assert_eq!(brought, [2, 2, 3, 3]);
    assert!(kit.catalog.file(old).unwrap().removed_at().is_none());
}

#[test]
fn rows_made_from_older_ones_are_stale_and_leave_nothing() {
    let mut kit = Kit::new();
    kit.load("orders", 0, "o1");
    let command = update(&kit, "orders", &[(0, Some(2))], vec![kit.written("orders", 0, "o2")]);
    kit.load("orders", 0, "o3");
    assert!(matches!(kit.refused(command), Rejection::Stale(why) if why.contains("changed while the statement ran")));
    assert_eq!(versions(&kit), vec![(3, 20), (1, 0)]);
    // What changes in other partitions does not matter.
    let command = update(&kit, "orders", &[(0, Some(3))], vec![kit.written("orders", 0, "o2")]);
    kit.load("orders", 1, "o4");
    kit.ok(command.clone());
    assert!(matches!(kit.refused(command), Rejection::Stale(_)), "nor is it done twice");
}

#[test]
fn files_of_other_partitions_are_refused() {
    let mut kit = Kit::new();
    let command = update(&kit, "orders", &[(0, Some(1))], vec![kit.written("orders", 1, "o1")]);
    assert!(matches!(kit.refused(command), Rejection::Stale(why) if why.contains("not replaced")));
}

#[test]
fn rows_that_keep_a_part_of_what_they_have_may_have_a_label() {
    let mut kit = Kit::new();
    kit.load("orders", 0, "o1");
    let merge = |kit: &Kit, object| {
        let files = vec![kit.written("orders", 0, object)];
        let Command::UpdateRows { txn, table, partitions, files, .. } = update(kit, "orders", &[(0, Some(2))], files)
        else {
            panic!()
        };
        Command::MergeRows {
            txn,
            table,
            label: Some("mine".to_owned()),
            partitions,
            files,
            superseded: Superseded::default(),
        }
    };
    let command = merge(&kit, "o2");
    assert_eq!(kit.ok(command), Outcome::Committed { rows: 10 });
    let command = merge(&kit, "o3");
    assert!(matches!(kit.refused(command), Rejection::LabelUsed { .. }));
}
