//! Tables and their partitions.

use super::*;

fn add(table: &str, draft: PartitionDraft, if_not_exists: bool) -> Command {
    Command::AddPartition { database: "shop".to_owned(), table: table.to_owned(), draft, if_not_exists }
}

fn drop_part(table: &str, partition: &str, if_exists: bool, force: bool) -> Command {
    let (database, table, partition) = ("shop".to_owned(), table.to_owned(), partition.to_owned());
    Command::DropPartition { database, table, partition, if_exists, force }
}

#[test]
fn a_table_gets_ids_for_its_columns_and_partitions() {
    let kit = Kit::new();
    let table = kit.catalog.table(kit.table("orders")).unwrap();
    let ids: Vec<u64> = table.schema.columns.iter().map(|c| c.id.0).collect();
    assert_eq!(ids, [1, 2]);
    let names: Vec<_> = kit.catalog.partitions_of(table).map(|p| (p.name.clone(), p.visible_version)).collect();
    assert_eq!(names, [("low".to_owned(), 1), ("mid".to_owned(), 1)]);
    assert_eq!(table.volume, kit.volume("main"));
}

#[test]
fn a_table_is_refused_where_it_cannot_be() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(create_table(ranged("orders"))), Rejection::TableExists("orders".to_owned()));
    let again = Command::CreateTable { database: "shop".to_owned(), draft: ranged("orders"), if_not_exists: true };
    assert_eq!(kit.ok(again), Outcome::Nothing);
    let elsewhere = Command::CreateTable { database: "no".to_owned(), draft: ranged("t"), if_not_exists: true };
    assert_eq!(kit.refused(elsewhere), Rejection::UnknownDatabase("no".to_owned()));
    let nowhere = TableDraft { volume: Some("nowhere".to_owned()), ..ranged("t") };
    assert_eq!(kit.refused(create_table(nowhere)), Rejection::UnknownVolume("nowhere".to_owned()));
}

#[test]
fn a_table_without_any_volume_is_refused() {
    let mut kit = Kit::empty();
    kit.ok(Command::CreateDatabase { name: "shop".to_owned(), volume: None, if_not_exists: false });
    assert_eq!(kit.refused(create_table(plain("t"))), Rejection::NoDefaultVolume);
}

#[test]
fn a_table_goes_where_it_says_else_where_its_database_says_else_to_the_default() {
    let mut kit = Kit::new();
    for name in ["second", "third"] {
        kit.ok(Command::CreateVolume { draft: volume_draft(name, &format!("file:///{name}")), if_not_exists: false });
    }
    let database = "d".to_owned();
    kit.ok(Command::CreateDatabase { name: database.clone(), volume: Some("second".to_owned()), if_not_exists: false });
    let own = TableDraft { volume: Some("third".to_owned()), ..plain("own") };
    for (draft, volume) in [(own, "third"), (plain("inherits"), "second")] {
        let name = draft.name.clone();
        kit.ok(Command::CreateTable { database: database.clone(), draft, if_not_exists: false });
        let db = kit.catalog.database_by_name("d").unwrap().id;
        assert_eq!(kit.catalog.table_by_name(db, &name).unwrap().volume, kit.volume(volume), "{name}");
    }
}

#[test]
fn partitions_of_a_table_are_disjoint_named_once_and_not_empty() {
    let mut kit = Kit::new();
    let overlap = TableDraft { partitions: vec![part("a", at(0), at(10)), part("b", at(9), at(20))], ..ranged("t") };
    assert!(matches!(kit.refused(create_table(overlap)), Rejection::BadPartition(_)));
    let twice = TableDraft { partitions: vec![part("a", at(0), at(1)), part("A", at(1), at(2))], ..ranged("t") };
    assert_eq!(kit.refused(create_table(twice)), Rejection::PartitionExists("A".to_owned()));
    let empty = TableDraft { partitions: vec![part("a", at(1), at(1))], ..ranged("t") };
    assert!(matches!(kit.refused(create_table(empty)), Rejection::BadPartition(_)));
}

#[test]
fn a_partition_is_added_in_the_order_of_ranges() {
    let mut kit = Kit::new();
    kit.ok(add("orders", part("high", at(30), at(40)), false));
    kit.ok(add("orders", part("gap", at(20), at(30)), false));
    let table = kit.catalog.table(kit.table("orders")).unwrap();
    let names: Vec<_> = kit.catalog.partitions_of(table).map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["low", "mid", "gap", "high"]);
    assert_eq!(kit.ok(add("orders", part("GAP", at(50), at(60)), true)), Outcome::Nothing);
    assert_eq!(
        kit.refused(add("orders", part("gap", at(50), at(60)), false)),
        Rejection::PartitionExists("gap".to_owned())
    );
    let intersecting = kit.refused(add("orders", part("x", at(15), at(25)), false));
    assert!(matches!(intersecting, Rejection::BadPartition(text) if text.contains("intersected")));
    assert!(matches!(kit.refused(add("notes", part("x", at(1), at(2)), false)), Rejection::BadPartition(_)));
    assert_eq!(
        kit.refused(add("none", part("x", at(1), at(2)), false)),
        Rejection::UnknownTable("shop.none".to_owned())
    );
}

#[test]
fn many_partitions_are_added_together_or_not_at_all() {
    let mut kit = Kit::new();
    let many = |table: &str, drafts| {
        let (database, table) = ("shop".to_owned(), table.to_owned());
        Command::AddPartitions { database, table, drafts }
    };
    let steps = |from: i128| (0..100).rev().map(|n| part(&format!("p{n}"), at(from + n), at(from + n + 1))).collect();
    kit.ok(many("orders", steps(1000)));
    let table = kit.catalog.table(kit.table("orders")).unwrap();
    let names: Vec<_> = kit.catalog.partitions_of(table).map(|p| p.name.clone()).collect();
    let expected: Vec<_> =
        ["low".to_owned(), "mid".to_owned()].into_iter().chain((0..100).map(|n| format!("p{n}"))).collect();
    assert_eq!(names, expected);
    let good = part("x", at(50), at(60));
    assert_eq!(
        kit.refused(many("orders", vec![good.clone(), part("P5", at(60), at(61))])),
        Rejection::PartitionExists("P5".to_owned())
    );
    for bad in
        [part("y", at(59), at(61)), part("y", at(19), at(21)), part("y", at(60), at(60)), part("y", at(0), at(99))]
    {
        assert!(matches!(kit.refused(many("orders", vec![good.clone(), bad])), Rejection::BadPartition(_)));
    }
    assert!(matches!(kit.refused(many("notes", vec![good])), Rejection::BadPartition(_)));
}

#[test]
fn a_partition_is_dropped_into_the_bin_or_for_good() {
    let mut kit = Kit::new();
    let (low, mid) = (kit.load("orders", 0, "o1"), kit.load("orders", 1, "o2"));
    kit.ok(drop_part("orders", "LOW", false, false));
    assert_eq!(kit.catalog.file(low).unwrap().references, 2);
    kit.ok(drop_part("orders", "mid", false, true));
    assert_eq!(kit.catalog.file(mid).unwrap().references, 0);
    assert!(kit.partitions("orders").is_empty());
    let missing = Rejection::NoPartitionToDrop("mid".to_owned());
    assert_eq!(kit.refused(drop_part("orders", "mid", false, false)), missing);
    assert_eq!(kit.ok(drop_part("orders", "mid", true, false)), Outcome::Nothing);
    assert!(matches!(kit.refused(drop_part("notes", "notes", false, true)), Rejection::BadPartition(_)));
}

#[test]
fn a_dropped_table_is_gone_and_its_name_is_free() {
    let mut kit = Kit::new();
    let file = kit.load("notes", 0, "o1");
    kit.ok(drop_table("notes", false));
    assert_eq!(kit.refused(drop_table("notes", false)), Rejection::UnknownTable("shop.notes".to_owned()));
    for database in ["shop", "no"] {
        let (database, table) = (database.to_owned(), "notes".to_owned());
        let lenient = Command::DropTable { database, table, if_exists: true, force: false };
        assert_eq!(kit.ok(lenient), Outcome::Nothing);
    }
    kit.ok(create_table(plain("notes")));
    assert_eq!(kit.catalog.file(file).unwrap().references, 2);
    kit.ok(drop_table("notes", true));
    assert_eq!(kit.catalog.file(file).unwrap().references, 2, "the new table does not own the old one's file");
}

#[test]
fn truncate_puts_new_empty_partitions_where_the_old_were() {
    let mut kit = Kit::new();
    let (low, mid) = (kit.load("orders", 0, "o1"), kit.load("orders", 1, "o2"));
    let before = kit.partitions("orders");
    kit.ok(truncate("orders", &["mid"]));
    let after = kit.partitions("orders");
    assert_eq!((after.len(), after[0]), (2, before[0]));
    assert_ne!(after[1], before[1], "data of the old partition can never be taken for that of the new");
    assert_eq!(kit.catalog.partition(after[1]).unwrap().visible_version, 1);
    assert_eq!(kit.catalog.partition(after[1]).unwrap().name, "mid");
    assert!(
        kit.catalog.file(mid).unwrap().removed_at().is_some() && kit.catalog.file(low).unwrap().removed_at().is_none()
    );
    kit.ok(truncate("orders", &[]));
    assert!(kit.catalog.file(low).unwrap().removed_at().is_some());
    assert!(kit.catalog.trash().next().is_none(), "TRUNCATE does not go through the recycle bin");
    assert!(matches!(kit.refused(truncate("orders", &["mid", "no"])), Rejection::UnknownPartition { .. }));
    assert!(matches!(kit.refused(truncate("no", &[])), Rejection::UnknownTable(_)));
}

#[test]
fn a_table_whose_rows_do_not_come_goes_and_one_with_rows_stays() {
    let mut kit = Kit::new();
    let create = |name: &str, txn| {
        let (database, draft) = ("shop".to_owned(), ranged(name));
        Command::CreateTableAs { database, draft, if_not_exists: false, txn: TxnId(txn) }
    };
    kit.ok(Command::LeaseTxns { count: 10 });
    kit.ok(create("filled", 1));
    kit.ok(create("empty", 2));
    kit.ok(create("dropped", 3));
    kit.ok(create("late", 4));
    assert_eq!(kit.refused(create("late", 5)), Rejection::TableExists("late".to_owned()));
    let drop_unfilled = |kit: &Kit, name| Command::DropUnfilled { table: kit.table(name) };
    let rows = |kit: &Kit, name: &str, files| {
        let (table, superseded) = (kit.table(name), Superseded::default());
        Command::CommitLoad { txn: TxnId(6), table, label: None, files, superseded }
    };
    // A query without rows is a commit too.
    kit.ok(rows(&kit, "empty", Vec::new()));
    kit.load("filled", 0, "o1");
    for name in ["filled", "empty", "orders"] {
        let command = drop_unfilled(&kit, name);
        assert_eq!(kit.ok(command), Outcome::Nothing, "{name}");
    }
    let (given_up, late) = (drop_unfilled(&kit, "dropped"), rows(&kit, "dropped", Vec::new()));
    assert_eq!(kit.ok(given_up.clone()), Outcome::Done);
    assert!(matches!(kit.refused(late), Rejection::Stale(_)));
    assert_eq!(kit.ok(given_up), Outcome::Nothing);
    // Its frontend is gone: with its transaction the table goes.
    kit.ok(Command::GiveUpTxns { below: 4 });
    assert!(kit.catalog.is_unfilled(kit.table("late")));
    kit.ok(Command::GiveUpTxns { below: 5 });
    let left: Vec<_> = kit.catalog.tables().map(|table| table.name.as_str()).collect();
    assert_eq!(left, ["orders", "notes", "filled", "empty"]);
    assert_eq!(kit.catalog.trash().count(), 0);
}
