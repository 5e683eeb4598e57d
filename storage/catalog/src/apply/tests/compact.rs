//! Compaction: files give way to others with the same rows.

use super::*;

/// The objects of a partition of `orders` in their order.
fn objects(kit: &Kit, partition: usize) -> Vec<String> {
    let partition = kit.catalog.partition(kit.partitions("orders")[partition]).unwrap();
    let mut objects: Vec<_> =
        partition.rowsets.iter().map(|r| kit.catalog.file(r.file).unwrap().object.to_string()).collect();
    objects.dedup();
    objects
}

/// A file with the rows of `n` others.
fn merged(kit: &Kit, object: &str, n: u64) -> WrittenFile {
    let mut file = kit.written("orders", 0, object);
    file.runs.iter_mut().for_each(|run| run.rows *= n);
    file
}

#[test]
fn neighbours_give_way_in_their_place_and_the_version_stays() {
    let mut kit = Kit::new();
    let files: Vec<_> = ["o1", "o2", "o3", "o4"].map(|object| kit.load("orders", 0, object)).to_vec();
    let command = kit.compact("orders", 0, &[files[2], files[1]], vec![merged(&kit, "o5", 2)]);
    assert_eq!(kit.ok(command.clone()), Outcome::Committed { rows: 20 });
    let at = kit.catalog.revision();
    assert_eq!(objects(&kit, 0), ["o1", "o5", "o4"]);
    let partition = kit.catalog.partition(kit.partitions("orders")[0]).unwrap().clone();
    assert_eq!((partition.visible_version, partition.rows()), (5, 40));
    assert_eq!(partition.rowsets.iter().map(|r| r.version).collect::<Vec<_>>(), [2, 2, 4, 4, 5, 5]);
    let removed = |file: FileId| kit.catalog.file(file).unwrap().removed_at().map(|(revision, _)| revision);
    assert_eq!(files.iter().map(|file| removed(*file)).collect::<Vec<_>>(), [None, Some(at), Some(at), None]);
    assert!(matches!(kit.refused(command), Rejection::Stale(_)), "nor is it done twice");
}

#[test]
fn what_changed_meanwhile_is_not_compacted() {
    let mut kit = Kit::new();
    let files: Vec<_> = ["o1", "o2", "o3"].map(|object| kit.load("orders", 0, object)).to_vec();
    let elsewhere = kit.load("orders", 1, "o4");
    let command = kit.compact("orders", 0, &files[..2], vec![merged(&kit, "o5", 2)]);
    for (inputs, file, why) in [
        (vec![], merged(&kit, "o5", 2), "changed while"),
        (vec![files[0], files[2]], merged(&kit, "o5", 2), "changed while"),
        (vec![files[0], elsewhere], merged(&kit, "o5", 2), "changed while"),
        (vec![elsewhere], merged(&kit, "o5", 1), "changed while"),
        (files[..2].to_vec(), merged(&kit, "o5", 1), "has 20 rows where its compaction has 10"),
        (files[..2].to_vec(), kit.written("orders", 1, "o5"), "of another"),
        (files[..2].to_vec(), merged(&kit, "o3", 2), "was committed before"),
    ] {
        let command = kit.compact("orders", 0, &inputs, vec![file]);
        assert!(matches!(kit.refused(command), Rejection::Stale(text) if text.contains(why)), "{why}");
    }
    let replace = kit.replace("orders", &[(0, None)], vec![kit.written("orders", 0, "o6")]);
    kit.ok(replace);
    assert!(matches!(kit.refused(command), Rejection::Stale(_)));
    let command = kit.compact("orders", 1, &[elsewhere], vec![kit.written("orders", 1, "o7")]);
    kit.ok(truncate("orders", &["mid"]));
    assert!(matches!(kit.refused(command.clone()), Rejection::Stale(why) if why.contains("truncated")));
    kit.ok(drop_table("orders", false));
    assert!(matches!(kit.refused(command), Rejection::Stale(why) if why.contains("dropped")));
}

#[test]
fn rows_that_were_read_before_a_compaction_are_replaced_after_it() {
    let mut kit = Kit::new();
    let files: Vec<_> = ["o1", "o2"].map(|object| kit.load("orders", 0, object)).to_vec();
    let replace = kit.replace("orders", &[(0, Some(3))], vec![kit.written("orders", 0, "o4")]);
    let compact = kit.compact("orders", 0, &files, vec![merged(&kit, "o3", 2)]);
    kit.ok(compact);
    kit.ok(replace);
    assert_eq!(objects(&kit, 0), ["o4"]);
}

#[test]
fn a_snapshot_keeps_what_was_compacted_after_it() {
    let mut kit = Kit::new();
    kit.snapshots_on();
    let mut files = vec![kit.load("orders", 0, "o1"), kit.load("orders", 0, "o2")];
    kit.snapshot("automated_cluster_snapshot_1");
    files.push(kit.load("orders", 0, "o3"));
    let compact = kit.compact("orders", 0, &files, vec![merged(&kit, "o4", 3)]);
    kit.ok(compact);
    assert_eq!(kit.condemn(files.clone()), vec![files[2]]);
}
