//! New names: who keeps what, and what a name cannot become.

use super::*;

fn rename(table: &str, new_name: &str) -> Command {
    Command::RenameTable { database: "shop".to_owned(), table: table.to_owned(), new_name: new_name.to_owned() }
}

fn rename_database(name: &str, new_name: &str) -> Command {
    Command::RenameDatabase { name: name.to_owned(), new_name: new_name.to_owned() }
}

fn rename_partition(table: &str, partition: &str, new_name: &str) -> Command {
    let (database, table) = ("shop".to_owned(), table.to_owned());
    Command::RenamePartition { database, table, partition: partition.to_owned(), new_name: new_name.to_owned() }
}

fn swap(table: &str, other: &str) -> Command {
    Command::SwapTables { database: "shop".to_owned(), table: table.to_owned(), other: other.to_owned() }
}

fn rule(text: &str) -> Rejection {
    Rejection::NameRule(text.to_owned())
}

fn names_of(kit: &Kit, table: &str) -> Vec<String> {
    let table = kit.catalog.table(kit.table(table)).unwrap();
    kit.catalog.partitions_of(table).map(|p| p.name.clone()).collect()
}

#[test]
fn a_renamed_table_keeps_its_id_and_a_load_that_runs_goes_to_it() {
    let mut kit = Kit::new();
    let (id, running) = (kit.table("notes"), kit.commit("notes", Some("l"), vec![kit.written("notes", 0, "o1")]));
    kit.ok(rename("notes", "Notes"));
    assert_eq!(kit.table("Notes"), id);
    assert_eq!(kit.ok(running.clone()), Outcome::Committed { rows: 10 });
    assert_eq!(names_of(&kit, "Notes"), ["Notes"], "an unpartitioned table's partition is named like it");
    assert_eq!(kit.refused(drop_table("notes", false)), Rejection::UnknownTable("shop.notes".to_owned()));
    kit.ok(create_table(plain("notes")));
    assert_ne!(kit.table("notes"), id, "the old name is free");
    assert!(matches!(kit.refused(running), Rejection::LabelUsed { .. }), "labels are the database's");
}

#[test]
fn a_table_is_not_renamed_to_what_cannot_be() {
    let mut kit = Kit::new();
    assert_eq!(kit.refused(rename("no", "x")), Rejection::UnknownTable("shop.no".to_owned()));
    assert_eq!(kit.refused(rename("notes", "notes")), rule("Same table name"));
    assert_eq!(kit.refused(rename("notes", "orders")), rule("Table name[orders] is already used"));
    let nowhere = Command::RenameTable { database: "no".to_owned(), table: "t".to_owned(), new_name: "u".to_owned() };
    assert_eq!(kit.refused(nowhere), Rejection::UnknownDatabase("no".to_owned()));
}

#[test]
fn a_renamed_database_keeps_its_tables_and_its_labels() {
    let mut kit = Kit::new();
    let shop = kit.catalog.database_by_name("shop").unwrap().id;
    let load = |kit: &Kit, object| kit.commit("notes", Some("l"), vec![kit.written("notes", 0, object)]);
    let (first, again) = (load(&kit, "o1"), load(&kit, "o2"));
    kit.ok(first);
    assert_eq!(kit.refused(rename_database("shop", "shop")), rule("Same database name"));
    kit.ok(rename_database("shop", "Shop"));
    assert!(kit.catalog.database_by_name("shop").is_none());
    assert_eq!(kit.catalog.database_by_name("Shop").unwrap().id, shop);
    assert_eq!(kit.catalog.tables_of(shop).count(), 2);
    assert!(matches!(kit.refused(again), Rejection::LabelUsed { .. }));
    kit.ok(Command::CreateDatabase { name: "shop".to_owned(), volume: None, if_not_exists: false });
    assert_eq!(kit.refused(rename_database("shop", "Shop")), rule("Database name[Shop] is already used"));
    assert_eq!(kit.refused(rename_database("no", "x")), Rejection::UnknownDatabase("no".to_owned()));
}

#[test]
fn tables_that_swap_their_names_keep_their_rows() {
    let mut kit = Kit::new();
    let (orders, notes) = (kit.table("orders"), kit.table("notes"));
    let running = kit.commit("orders", None, vec![kit.written("orders", 1, "o1")]);
    kit.ok(swap("orders", "notes"));
    assert_eq!((kit.table("orders"), kit.table("notes")), (notes, orders));
    assert_eq!(
        (names_of(&kit, "orders"), names_of(&kit, "notes")),
        (vec!["orders".into()], vec!["low".into(), "mid".into()])
    );
    assert_eq!(kit.ok(running), Outcome::Committed { rows: 10 });
    let loaded = kit.catalog.partition(kit.partitions("notes")[1]).unwrap();
    assert_eq!((loaded.rows(), loaded.table), (10, orders));
    kit.ok(truncate("orders", &["orders"]));
    assert_eq!(kit.refused(swap("orders", "orders")), rule("Same table name"));
    assert_eq!(kit.refused(swap("orders", "no")), rule("Table no does not exist or is not OLAP/LAKE table"));
    assert_eq!(kit.refused(swap("no", "orders")), Rejection::UnknownTable("shop.no".to_owned()));
}

#[test]
fn partitions_get_names_that_no_other_has() {
    let mut kit = Kit::new();
    let before = kit.partitions("orders");
    kit.ok(rename_partition("orders", "LOW", "least"));
    assert_eq!((names_of(&kit, "orders"), kit.partitions("orders")), (vec!["least".into(), "mid".into()], before));
    assert_eq!(kit.refused(rename_partition("orders", "least", "MID")), rule("Partition name[MID] is already used"));
    assert_eq!(kit.refused(rename_partition("orders", "least", "Least")), rule("Same partition name"));
    assert!(matches!(kit.refused(rename_partition("orders", "low", "x")), Rejection::UnknownPartition { .. }));
    let single = "Table[notes] is single partitioned. no need to rename partition name.";
    assert_eq!(kit.refused(rename_partition("notes", "notes", "x")), rule(single));
}

#[test]
fn a_comment_is_changed_alone() {
    let mut kit = Kit::new();
    let before = kit.catalog.table(kit.table("notes")).unwrap().as_ref().clone();
    let comment = |table: &str| Command::CommentTable {
        database: "shop".to_owned(),
        table: table.to_owned(),
        comment: "new".to_owned(),
    };
    kit.ok(comment("notes"));
    let expected = storage_model::Table { comment: "new".to_owned(), ..before };
    assert_eq!(kit.catalog.table(kit.table("notes")).unwrap().as_ref(), &expected);
    assert!(matches!(kit.refused(comment("no")), Rejection::UnknownTable(_)));
}

#[test]
fn a_snapshot_is_of_the_names_that_were() {
    let mut kit = Kit::new();
    kit.load("notes", 0, "o1");
    kit.snapshots_on();
    let job = kit.begin("automated_cluster_snapshot_1");
    let cut = kit.cut(job);
    let frozen = images::to_bytes(&kit.catalog).unwrap();
    kit.ok(rename("notes", "papers"));
    kit.ok(rename_database("shop", "store"));
    assert_eq!(kit.catalog.pins().into_iter().collect::<Vec<_>>(), [cut]);
    let restored = images::from_bytes(&frozen).unwrap();
    let shop = restored.database_by_name("shop").unwrap().id;
    assert_eq!(restored.tables_of(shop).map(|t| t.name.as_str()).collect::<Vec<_>>(), ["notes", "orders"]);
    let now = images::from_bytes(&images::to_bytes(&kit.catalog).unwrap()).unwrap();
    assert_eq!(now.tables_of(shop).map(|t| t.name.as_str()).collect::<Vec<_>>(), ["orders", "papers"]);
}
