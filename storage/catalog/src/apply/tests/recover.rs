//! RECOVER: what comes back, what is in its way, and what is gone.

use super::*;

fn recover(table: &str) -> Command {
    Command::RecoverTable { database: "shop".to_owned(), table: table.to_owned() }
}

fn recover_database(name: &str) -> Command {
    Command::RecoverDatabase { name: name.to_owned() }
}

fn recover_partition(table: &str, partition: &str) -> Command {
    let (database, table) = ("shop".to_owned(), table.to_owned());
    Command::RecoverPartition { database, table, partition: partition.to_owned() }
}

fn drop_partition(table: &str, partition: &str, force: bool) -> Command {
    let (database, table) = ("shop".to_owned(), table.to_owned());
    Command::DropPartition { database, table, partition: partition.to_owned(), if_exists: false, force }
}

fn drop_database(name: &str, force: bool) -> Command {
    Command::DropDatabase { name: name.to_owned(), if_exists: false, force }
}

fn rename(table: &str, new_name: &str) -> Command {
    Command::RenameTable { database: "shop".to_owned(), table: table.to_owned(), new_name: new_name.to_owned() }
}

fn rule(text: &str) -> Rejection {
    Rejection::NameRule(text.to_owned())
}

#[test]
fn a_recovered_table_is_the_one_that_was_dropped() {
    let mut kit = Kit::new();
    let (id, file) = (kit.table("orders"), kit.load("orders", 1, "o1"));
    let running = kit.commit("orders", None, vec![kit.written("orders", 0, "o2")]);
    let before = kit.catalog.table(id).unwrap().clone();
    kit.ok(drop_table("orders", false));
    kit.ok(recover("orders"));
    assert_eq!(kit.catalog.table(kit.table("orders")).unwrap(), &before);
    assert_eq!(kit.catalog.file(file).unwrap().references, 2);
    assert!(kit.catalog.trash().next().is_none());
    assert_eq!(kit.ok(running), Outcome::Committed { rows: 10 });
}

#[test]
fn the_table_that_was_dropped_last_comes_back_first() {
    let mut kit = Kit::new();
    let mut dropped = vec![kit.table("notes")];
    kit.ok(drop_table("notes", false));
    kit.ok(create_table(plain("notes")));
    dropped.push(kit.table("notes"));
    kit.ok(drop_table("notes", false));
    kit.ok(recover("notes"));
    assert_eq!(kit.table("notes"), dropped[1]);
    assert_eq!(kit.refused(recover("notes")), Rejection::TableExists("notes".to_owned()));
    kit.ok(rename("notes", "newer"));
    kit.ok(recover("notes"));
    assert_eq!((kit.table("notes"), kit.table("newer")), (dropped[0], dropped[1]));
    kit.ok(drop_table("newer", false));
    assert_eq!(kit.refused(recover("older")), Rejection::UnknownTable("shop.older".to_owned()));
    kit.ok(recover("newer"));
}

#[test]
fn what_was_dropped_by_force_or_erased_is_gone() {
    let mut kit = Kit::new();
    kit.ok(drop_table("notes", true));
    assert_eq!(kit.refused(recover("notes")), Rejection::UnknownTable("shop.notes".to_owned()));
    kit.ok(drop_partition("orders", "low", true));
    let nothing = |p: &str| rule(&format!("No partition named '{p}' in recycle bin that belongs to table 'orders'"));
    assert_eq!(kit.refused(recover_partition("orders", "low")), nothing("low"));
    kit.ok(drop_partition("orders", "mid", false));
    kit.ok(Command::EraseTrash { older_than_millis: 0 });
    assert_eq!(kit.refused(recover_partition("orders", "mid")), nothing("mid"));
    kit.ok(drop_database("shop", true));
    assert_eq!(kit.refused(recover_database("shop")), Rejection::UnknownDatabase("shop".to_owned()));
    assert_eq!(kit.refused(recover("orders")), Rejection::UnknownDatabase("shop".to_owned()));
}

#[test]
fn a_recovered_partition_is_in_its_place_again() {
    let mut kit = Kit::new();
    let (before, file) = (kit.partitions("orders"), kit.load("orders", 0, "o1"));
    kit.ok(drop_partition("orders", "low", false));
    kit.ok(rename("orders", "sales"));
    kit.ok(recover_partition("sales", "LOW"));
    assert_eq!(kit.partitions("sales"), before);
    assert_eq!(kit.catalog.file(file).unwrap().references, 2);
    assert!(kit.catalog.trash().next().is_none());
    let there = kit.refused(recover_partition("sales", "low"));
    assert_eq!(there, rule("partition[low] already exist in table[sales]"));
    assert!(matches!(kit.refused(recover_partition("no", "low")), Rejection::UnknownTable(_)));
}

#[test]
fn a_partition_comes_back_to_its_own_table_and_only_where_there_is_room() {
    let mut kit = Kit::new();
    kit.ok(create_table(ranged("other")));
    kit.ok(drop_partition("orders", "mid", false));
    kit.ok(drop_partition("other", "low", false));
    let missing = kit.refused(recover_partition("other", "mid"));
    assert_eq!(missing, rule("partition[mid] already exist in table[other]"));
    assert!(matches!(kit.refused(recover_partition("orders", "low")), Rejection::NameRule(_)));
    let draft = part("wide", at(15), at(30));
    let (database, table) = ("shop".to_owned(), "orders".to_owned());
    kit.ok(Command::AddPartition { database, table, draft, if_not_exists: false });
    assert_eq!(
        kit.refused(recover_partition("orders", "mid")),
        rule("Can not recover partition[mid]. Range conflict.")
    );
    kit.ok(drop_partition("orders", "wide", false));
    kit.ok(recover_partition("orders", "mid"));
    assert_eq!(kit.partitions("orders").len(), 2);
}

#[test]
fn a_recovered_database_has_the_tables_that_were_dropped_with_it() {
    let mut kit = Kit::new();
    let shop = kit.catalog.database_by_name("shop").unwrap().id;
    let file = kit.load("orders", 0, "o1");
    let labelled = |kit: &Kit, object| kit.commit("orders", Some("l"), vec![kit.written("orders", 0, object)]);
    let (first, again) = (labelled(&kit, "o2"), labelled(&kit, "o3"));
    kit.ok(first);
    kit.ok(drop_table("notes", false));
    kit.ok(drop_database("shop", false));
    assert_eq!(kit.refused(recover("notes")), Rejection::UnknownDatabase("shop".to_owned()));
    kit.ok(Command::CreateDatabase { name: "shop".to_owned(), volume: None, if_not_exists: false });
    assert_eq!(
        kit.refused(recover("notes")),
        Rejection::UnknownTable("shop.notes".to_owned()),
        "it is another database"
    );
    assert_eq!(kit.refused(recover_database("shop")), rule("Database[shop] already exist."));
    kit.ok(Command::RenameDatabase { name: "shop".to_owned(), new_name: "second".to_owned() });
    kit.ok(recover_database("shop"));
    assert_eq!(kit.catalog.database_by_name("shop").unwrap().id, shop);
    assert_eq!(kit.catalog.tables_of(shop).map(|t| t.name.as_str()).collect::<Vec<_>>(), ["orders"]);
    assert_eq!(kit.catalog.file(file).unwrap().references, 2);
    assert!(matches!(kit.refused(again), Rejection::LabelUsed { .. }), "its labels are still used");
    kit.ok(recover("notes"));
    assert!(kit.catalog.trash().next().is_none());
    assert_eq!(kit.refused(recover_database("no")), Rejection::UnknownDatabase("no".to_owned()));
}

#[test]
fn a_recovered_database_whose_volume_is_gone_uses_the_default() {
    let mut kit = Kit::new();
    kit.ok(Command::CreateVolume { draft: volume_draft("second", "file:///second"), if_not_exists: false });
    let (name, volume) = ("d".to_owned(), Some("second".to_owned()));
    kit.ok(Command::CreateDatabase { name: name.clone(), volume, if_not_exists: false });
    kit.ok(drop_database("d", false));
    kit.ok(Command::DropVolume { name: "second".to_owned(), if_exists: false });
    kit.ok(recover_database("d"));
    kit.ok(Command::CreateTable { database: name, draft: plain("t"), if_not_exists: false });
    let db = kit.catalog.database_by_name("d").unwrap().id;
    assert_eq!(kit.catalog.table_by_name(db, "t").unwrap().volume, kit.volume("main"));
}
