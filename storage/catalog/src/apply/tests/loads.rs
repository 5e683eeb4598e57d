//! Transaction ids, commits and labels.

use super::*;

#[test]
fn leases_never_overlap() {
    let mut kit = Kit::new();
    assert_eq!(kit.ok(Command::LeaseTxns { count: 10 }), Outcome::Txns { first: TxnId(1), count: 10 });
    assert_eq!(kit.ok(Command::LeaseTxns { count: 1 }), Outcome::Txns { first: TxnId(11), count: 1 });
    assert_eq!(kit.ok(Command::LeaseTxns { count: 5 }), Outcome::Txns { first: TxnId(12), count: 5 });
}

#[test]
fn a_commit_makes_rows_visible_at_once_in_all_its_partitions() {
    let mut kit = Kit::new();
    let files = vec![kit.written("orders", 0, "o1"), kit.written("orders", 1, "o2")];
    let command = kit.commit("orders", None, files);
    assert_eq!(kit.ok(command), Outcome::Committed { rows: 20 });
    let at = kit.catalog.revision();
    for id in kit.partitions("orders") {
        let partition = kit.catalog.partition(id).unwrap();
        assert_eq!((partition.visible_version, partition.rows(), partition.rowsets.len()), (2, 10, 2));
        assert!(partition.rowsets.iter().all(|r| r.version == 2));
        let file = kit.catalog.file(partition.rowsets[0].file).unwrap();
        assert_eq!((file.created_at, file.references, file.rows), (at, 2, 10));
    }
}

#[test]
fn versions_count_commits_of_a_partition() {
    let mut kit = Kit::new();
    for n in 0..3 {
        kit.load("notes", 0, &format!("o{n}"));
    }
    let partition = kit.catalog.partition(kit.partitions("notes")[0]).unwrap();
    let versions: Vec<_> = partition.rowsets.iter().map(|r| r.version).collect();
    assert_eq!((partition.visible_version, versions), (4, vec![2, 2, 3, 3, 4, 4]));
}

#[test]
fn a_load_without_rows_is_a_load() {
    let mut kit = Kit::new();
    let command = kit.commit("orders", None, Vec::new());
    assert_eq!(kit.ok(command), Outcome::Committed { rows: 0 });
}

#[test]
fn a_load_that_the_table_left_behind_is_stale_and_leaves_nothing() {
    let mut kit = Kit::new();
    let files = vec![kit.written("orders", 0, "o1"), kit.written("orders", 1, "o2")];
    let command = kit.commit("orders", Some("label"), files);
    kit.ok(truncate("orders", &["mid"]));
    // The first file's partition is still there: not even that file may stay, nor the label.
    assert!(matches!(kit.refused(command.clone()), Rejection::Stale(_)));
    assert_eq!(kit.catalog.file_count(), 0);
    kit.ok(drop_table("orders", false));
    assert!(matches!(kit.refused(command), Rejection::Stale(_)));
}

#[test]
fn a_load_that_is_proposed_again_is_refused_and_not_doubled() {
    let mut kit = Kit::new();
    let files = vec![kit.written("orders", 0, "o1")];
    let command = kit.commit("orders", None, files);
    kit.ok(command.clone());
    assert!(matches!(kit.refused(command.clone()), Rejection::Stale(why) if why.contains("committed before")));
    let Command::CommitLoad { txn, table, files, .. } = command else { unreachable!() };
    let twice = vec![WrittenFile { object: "o2".into(), ..files[0].clone() }; 2];
    assert!(matches!(
        kit.refused(Command::CommitLoad { txn, table, label: None, files: twice, superseded: Superseded::default() }),
        Rejection::Stale(_)
    ));
    let empty = vec![WrittenFile { object: "o3".into(), runs: Vec::new(), ..files[0].clone() }];
    assert!(matches!(
        kit.refused(Command::CommitLoad { txn, table, label: None, files: empty, superseded: Superseded::default() }),
        Rejection::Stale(_)
    ));
    assert_eq!(kit.catalog.file_count(), 1);
}

#[test]
fn a_partition_of_another_table_is_no_target() {
    let mut kit = Kit::new();
    let foreign = kit.written("notes", 0, "o1");
    let command = kit.commit("orders", None, vec![foreign]);
    assert!(matches!(kit.refused(command), Rejection::Stale(_)));
}

#[test]
fn a_label_is_used_once_in_its_database_for_three_days() {
    let mut kit = Kit::new();
    let load = |kit: &Kit, object: &str| kit.commit("orders", Some("monday"), vec![kit.written("orders", 0, object)]);
    let first = load(&kit, "o1");
    kit.ok(first);
    let again = load(&kit, "o2");
    let used = Rejection::LabelUsed { label: "monday".to_owned(), txn: TxnId(1) };
    assert_eq!(kit.refused(again.clone()), used);
    kit.clock += 3 * 24 * 60 * MINUTE - 5000;
    assert_eq!(kit.refused(again.clone()), used);
    kit.clock += 5000;
    kit.ok(again);
    assert_eq!(kit.catalog.labels.len(), 1);
}

#[test]
fn what_was_given_up_is_never_committed() {
    let mut kit = Kit::new();
    let old = kit.load("orders", 0, "o1");
    assert_eq!(kit.ok(Command::LeaseTxns { count: 10 }), Outcome::Txns { first: TxnId(1), count: 10 });
    assert_eq!(kit.ok(Command::GiveUpTxns { below: 1 }), Outcome::Done);
    let file = kit.written("orders", 0, "o2");
    let (load, replace) = (kit.commit("orders", None, vec![file.clone()]), kit.replace("orders", &[(0, None)], vec![]));
    let compact = kit.compact("orders", 0, &[old], vec![file]);
    assert_eq!(kit.ok(Command::GiveUpTxns { below: 4 }), Outcome::Done);
    assert_eq!(kit.ok(Command::GiveUpTxns { below: 3 }), Outcome::Nothing, "never back");
    for late in [load.clone(), replace, compact] {
        assert!(matches!(kit.refused(late), Rejection::Stale(why) if why.contains("given up")));
    }
    // Nor is what nobody has leased yet given up.
    assert_eq!(kit.ok(Command::GiveUpTxns { below: 1000 }), Outcome::Done);
    assert_eq!(kit.catalog.header.txn_floor, 11);
    let Command::CommitLoad { table, label, files, .. } = load else { unreachable!() };
    assert_eq!(
        kit.ok(Command::CommitLoad { txn: TxnId(11), table, label, files, superseded: Superseded::default() }),
        Outcome::Committed { rows: 10 }
    );
}

#[test]
fn a_transaction_is_committed_whole_or_not() {
    let mut kit = Kit::new();
    kit.ok(create_table(plain("a")));
    kit.ok(create_table(plain("b")));
    let load = |kit: &Kit, txn, table: &str, object: &str| TransactionLoad {
        txn: TxnId(txn),
        table: kit.table(table),
        files: vec![kit.written(table, 0, object)],
        partitions: Vec::new(),
        replaces: false,
    };
    let loads = vec![load(&kit, 1, "a", "o1"), load(&kit, 2, "b", "o2"), load(&kit, 3, "a", "o3")];
    let commit = Command::CommitTransaction { label: Some("both".into()), loads, superseded: Superseded::default() };
    assert_eq!(kit.ok(commit), Outcome::Committed { rows: 30 });
    let rows = |kit: &Kit, table| kit.catalog.partition(kit.partitions(table)[0]).unwrap().rows();
    assert_eq!((rows(&kit, "a"), rows(&kit, "b")), (20, 10));
    let again = Command::CommitTransaction {
        label: Some("both".into()),
        loads: vec![load(&kit, 4, "b", "o4")],
        superseded: Superseded::default(),
    };
    assert!(matches!(kit.refused(again), Rejection::LabelUsed { txn: TxnId(1), .. }));
    let gone = load(&kit, 6, "b", "o6");
    kit.ok(Command::DropTable { database: "shop".into(), table: "b".into(), if_exists: false, force: true });
    let half = Command::CommitTransaction {
        label: None,
        loads: vec![load(&kit, 5, "a", "o5"), gone],
        superseded: Superseded::default(),
    };
    assert!(matches!(kit.refused(half), Rejection::Stale(_)));
    assert_eq!(rows(&kit, "a"), 20);
}

#[test]
fn a_transaction_may_change_what_it_has_read_once_and_if_it_is_still_so() {
    let mut kit = Kit::new();
    kit.load("orders", 0, "o1");
    kit.load("orders", 1, "o2");
    let change = |kit: &Kit, object: &str, base, replaces| TransactionLoad {
        txn: TxnId(1),
        table: kit.table("orders"),
        files: vec![kit.written("orders", 0, object)],
        partitions: vec![ReplacedPartition { partition: kit.partitions("orders")[0], base: Some(base) }],
        replaces,
    };
    let insert = |kit: &Kit, partition, object: &str| TransactionLoad {
        files: vec![kit.written("orders", partition, object)],
        partitions: Vec::new(),
        replaces: false,
        ..change(kit, object, 0, false)
    };
    let commit = |loads| Command::CommitTransaction { label: None, loads, superseded: Superseded::default() };
    let state = |kit: &Kit| {
        let found = kit.partitions("orders").into_iter().filter_map(|id| kit.catalog.partition(id));
        found.map(|p| (p.visible_version, p.rows())).collect::<Vec<_>>()
    };
    let before = state(&kit);
    for (loads, why) in [
        (vec![change(&kit, "o3", 1, true)], "changed while the statement ran"),
        (vec![insert(&kit, 0, "o3"), change(&kit, "o4", 2, true)], "from what the transaction changes"),
        (vec![change(&kit, "o3", 2, true), change(&kit, "o4", 2, true)], "from what the transaction changes"),
        (vec![TransactionLoad { replaces: true, ..change(&kit, "o3", 1, true) }], "changed while"),
    ] {
        let refused = kit.refused(commit(loads));
        assert!(matches!(&refused, Rejection::Stale(said) if said.contains(why)), "{refused}");
        assert_eq!(state(&kit), before);
    }
    // What a DELETE leaves stands in the place of what was there, and rows that come after it beside that.
    let loads = vec![change(&kit, "o3", 2, true), insert(&kit, 0, "o4"), insert(&kit, 1, "o5")];
    let command = commit(loads);
    kit.ok(command);
    assert_eq!(state(&kit), [(3, 20), (3, 20)]);
    let gone = kit.catalog.files().filter(|file| file.removed_at().is_some()).map(|file| file.object.to_string());
    assert_eq!(gone.collect::<Vec<_>>(), ["o1"]);
    let command = commit(vec![change(&kit, "o6", 3, false)]);
    kit.ok(command);
    assert_eq!(state(&kit), [(4, 30), (3, 20)], "an UPDATE leaves what is below");
}
