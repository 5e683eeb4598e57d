//! The keep-rule in pairs, Condemn and Forget, and the recycle bin.

use crate::keep::Kept;

use super::*;

fn condemn(files: &[FileId], oldest_read: Revision, grace_millis: u64) -> Command {
    Command::Condemn { files: files.to_vec(), oldest_read, grace_millis }
}

fn kept(kit: &Kit, file: FileId, oldest_read: Revision, grace_millis: u64) -> Option<Kept> {
    let (entry, pins) = (kit.catalog.file(file).unwrap(), kit.catalog.pins());
    kit.catalog.kept(entry, &pins, oldest_read, kit.catalog.header.uptime, grace_millis)
}

/// Created, cut somewhere, removed: kept exactly when the cut lies in `[created, removed)`.
#[test]
fn a_pin_keeps_exactly_the_files_that_live_at_it() {
    for when in ["before", "at creation", "between", "just before removal", "at removal", "after"] {
        let mut kit = Kit::new();
        kit.snapshots_on();
        let job = kit.begin("a");
        let pin = |kit: &mut Kit, now: &str| if now == when { kit.cut(job) } else { Revision(0) };
        pin(&mut kit, "before");
        let file = kit.load("notes", 0, "o1");
        let created = kit.catalog.revision();
        pin(&mut kit, "between");
        kit.ok(Command::LeaseTxns { count: 1 });
        pin(&mut kit, "just before removal");
        kit.ok(truncate("notes", &[]));
        let removed = kit.catalog.revision();
        pin(&mut kit, "after");
        if when.contains("at ") {
            // A cut has a log entry of its own, so these two bounds are tried on the rule itself.
            let entry = kit.catalog.file(file).unwrap();
            let (at, expected) = if when == "at creation" { (created, true) } else { (removed, false) };
            let found = kit.catalog.kept(entry, &[at].into(), Revision(u64::MAX), storage_model::Uptime(u64::MAX), 0);
            assert_eq!(found.is_some(), expected, "{when}");
            continue;
        }
        let expected = matches!(when, "between" | "just before removal");
        let oldest_read = kit.catalog.revision().next();
        assert_eq!(kept(&kit, file, oldest_read, 0).is_some(), expected, "{when}");
        assert_eq!(kit.condemn(vec![file]).is_empty(), expected, "{when}: Condemn tests it again");
    }
}

#[test]
fn a_query_keeps_exactly_the_files_that_its_revision_sees() {
    let mut kit = Kit::new();
    let file = kit.load("notes", 0, "o1");
    let before = kit.catalog.revision();
    kit.ok(truncate("notes", &[]));
    let removed = kit.catalog.revision();
    assert_eq!(kept(&kit, file, before, 0), Some(Kept::Read));
    assert_eq!(kept(&kit, file, removed, 0), None, "at its removal it is no longer seen");
    assert_eq!(kit.ok(condemn(&[file], before, 0)), Outcome::Condemned(Vec::new()));
    assert_eq!(kit.ok(condemn(&[file], removed, 0)), Outcome::Condemned(vec![file]));
}

#[test]
fn grace_counts_from_the_removal() {
    let mut kit = Kit::new();
    let file = kit.load("notes", 0, "o1");
    kit.ok(truncate("notes", &[]));
    let read = Revision(u64::MAX);
    kit.clock += 10 * MINUTE - 2000;
    assert_eq!(kit.ok(condemn(&[file], read, 10 * MINUTE)), Outcome::Condemned(Vec::new()));
    assert_eq!(kept(&kit, file, read, 10 * MINUTE), Some(Kept::Young));
    assert_eq!(kit.ok(condemn(&[file], read, 10 * MINUTE)), Outcome::Condemned(vec![file]));
}

#[test]
fn a_referenced_or_unknown_or_condemned_file_is_left_out() {
    let mut kit = Kit::new();
    let (live, dead) = (kit.load("notes", 0, "o1"), kit.load("orders", 0, "o2"));
    kit.ok(truncate("orders", &[]));
    assert_eq!(kept(&kit, live, Revision(u64::MAX), 0), Some(Kept::Referenced));
    assert_eq!(kit.condemn(vec![live, FileId(4711), dead]), [dead]);
    assert_eq!(kit.condemn(vec![dead]), [], "condemned once");
    assert_eq!(kit.catalog.file(dead).unwrap().condemned_at(), Some(Revision(kit.catalog.revision().0 - 1)));
}

#[test]
fn a_file_is_forgotten_only_after_it_was_condemned() {
    let mut kit = Kit::new();
    let (live, dead) = (kit.load("notes", 0, "o1"), kit.load("orders", 0, "o2"));
    kit.ok(truncate("orders", &[]));
    let forget = |files: &[FileId]| Command::Forget { files: files.to_vec() };
    assert_eq!(kit.ok(forget(&[live, dead, FileId(4711)])), Outcome::Erased(0));
    kit.condemn(vec![dead]);
    assert_eq!(kit.catalog.gc_backlog(), (1, 100));
    assert_eq!(kit.catalog.condemned(9, |_| true).len(), 1);
    assert_eq!(kit.ok(forget(&[live, dead, dead])), Outcome::Erased(1));
    assert!(kit.catalog.file(dead).is_none() && kit.catalog.file(live).is_some());
    assert_eq!((kit.catalog.gc_backlog(), kit.catalog.condemned(9, |_| true).len()), ((0, 0), 0));
}

#[test]
fn the_last_reference_counts() {
    let mut kit = Kit::new();
    let file = kit.load("orders", 0, "o1");
    assert_eq!(kit.catalog.file(file).unwrap().references, 2, "two runs");
    kit.ok(drop_table("orders", false));
    assert_eq!(kept(&kit, file, Revision(u64::MAX), 0), Some(Kept::Referenced), "the recycle bin keeps it");
    kit.clock += 60 * MINUTE;
    assert_eq!(kit.ok(Command::EraseTrash { older_than_millis: 120 * MINUTE }), Outcome::Erased(0));
    assert_eq!(kit.ok(Command::EraseTrash { older_than_millis: 30 * MINUTE }), Outcome::Erased(1));
    assert_eq!(kit.catalog.file(file).unwrap().removed_at().unwrap().0, kit.catalog.revision());
    assert_eq!(kit.condemn(vec![file]), [file]);
}

#[test]
fn candidates_come_oldest_first_and_bounded() {
    let mut kit = Kit::new();
    let files: Vec<_> = (0..4).map(|n| kit.load("notes", 0, &format!("o{n}"))).collect();
    kit.ok(truncate("notes", &[]));
    let late = kit.load("notes", 0, "late");
    kit.ok(truncate("notes", &[]));
    let now = kit.catalog.header.uptime;
    let all = kit.catalog.condemnable(Revision(u64::MAX), now, 0, 100, |_| true);
    assert_eq!((all.len(), all[4]), (5, late));
    assert_eq!(kit.catalog.condemnable(Revision(u64::MAX), now, 0, 3, |_| true), files[..3]);
    assert_eq!(kit.catalog.condemnable(Revision(u64::MAX), now, MINUTE, 100, |_| true), []);
    assert_eq!(kit.catalog.condemnable(Revision(u64::MAX), now.plus(2 * MINUTE), MINUTE, 100, |_| true).len(), 5);
}
