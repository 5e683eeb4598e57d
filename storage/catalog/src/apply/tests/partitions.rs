//! Partitions that loads make, that the time drops, that wait to take the place of others, and that list values.

use super::*;

fn roll(kit: &Kit, table: &str, drafts: Vec<PartitionDraft>, dropped: Vec<PartitionId>) -> Command {
    Command::RollPartitions { table: kit.table(table), drafts, dropped }
}

fn names(kit: &Kit, table: &str) -> Vec<String> {
    let table = kit.catalog.table(kit.table(table)).unwrap();
    kit.catalog.partitions_of(table).map(|p| p.name.clone()).collect()
}

fn temporary_names(kit: &Kit, table: &str) -> Vec<String> {
    let table = kit.catalog.table(kit.table(table)).unwrap();
    kit.catalog.temporary_partitions_of(table).map(|p| p.name.clone()).collect()
}

fn add_temporary(table: &str, drafts: Vec<PartitionDraft>, if_not_exists: bool) -> Command {
    Command::AddTemporaryPartitions { database: "shop".to_owned(), table: table.to_owned(), drafts, if_not_exists }
}

fn drop_all(table: &str, partitions: &[&str], temporary: bool, if_exists: bool) -> Command {
    let partitions = partitions.iter().map(|p| (*p).to_owned()).collect();
    let (database, table) = ("shop".to_owned(), table.to_owned());
    Command::DropPartitions { database, table, partitions, temporary, if_exists, force: false }
}

fn replace_with(old: &[&str], new: &[&str], strict_range: bool, keep_new_names: bool) -> Command {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Command::ReplacePartitions {
        database: "shop".to_owned(),
        table: "orders".to_owned(),
        partitions: owned(old),
        temporary: owned(new),
        strict_range,
        keep_new_names,
    }
}

fn listed(name: &str, values: &[Option<i128>]) -> PartitionDraft {
    let values = values.iter().map(|value| vec![value.map(Value::Integer)]).collect();
    PartitionDraft { name: name.to_owned(), range: PartitionRange::among(values), buckets: 2 }
}

fn list(name: &str, automatic: bool, partitions: Vec<PartitionDraft>) -> TableDraft {
    let keys = vec![PartitionKey { column: ColumnId(1), step: None }];
    TableDraft { partitioning: Partitioning::List { keys, automatic }, partitions, ..ranged(name) }
}

/// A file of a partition that is given by its id.
fn file_of(kit: &Kit, partition: PartitionId, object: &str) -> WrittenFile {
    WrittenFile { partition, ..kit.written("orders", 0, object) }
}

#[test]
fn what_several_loads_need_is_made_once() {
    let mut kit = Kit::new();
    let wanted = || vec![part("p20", at(20), at(30)), part("p30", at(30), at(40))];
    assert_eq!(kit.ok(roll(&kit, "orders", wanted(), Vec::new())), Outcome::Done);
    let first = kit.partitions("orders");
    assert_eq!(kit.ok(roll(&kit, "orders", wanted(), Vec::new())), Outcome::Nothing);
    assert_eq!(kit.partitions("orders"), first, "the second load finds those of the first");
    // What others take a part of is left out, and a name that is taken gets a number.
    let more = vec![part("x", at(35), at(50)), part("P20", at(40), at(50)), part("empty", at(60), at(60))];
    assert_eq!(kit.ok(roll(&kit, "orders", more, Vec::new())), Outcome::Done);
    assert_eq!(names(&kit, "orders"), ["low", "mid", "p20", "p30", "P20_2"]);
}

#[test]
fn what_is_over_goes_through_the_bin_and_may_be_gone_already() {
    let mut kit = Kit::new();
    let (low, stranger) = (kit.partitions("orders")[0], kit.partitions("notes")[0]);
    let command = roll(&kit, "orders", vec![part("high", at(20), at(30))], vec![low, stranger, PartitionId(7)]);
    kit.ok(command.clone());
    assert_eq!(names(&kit, "orders"), ["mid", "high"]);
    assert_eq!(kit.catalog.trash().count(), 1);
    assert_eq!(kit.ok(command), Outcome::Nothing);
    kit.ok(drop_table("orders", false));
    let gone = Command::RollPartitions { table: TableId(1), drafts: Vec::new(), dropped: Vec::new() };
    assert!(matches!(kit.refused(gone), Rejection::Stale(_)));
}

#[test]
fn lists_share_no_values() {
    let mut kit = Kit::new();
    kit.ok(create_table(list("cities", false, vec![listed("a", &[Some(1), Some(2)]), listed("n", &[None])])));
    let add = |name: &str, values: &[Option<i128>]| Command::AddPartition {
        database: "shop".to_owned(),
        table: "cities".to_owned(),
        draft: listed(name, values),
        if_not_exists: false,
    };
    let twice = |value: &str| Rejection::BadPartition(format!("Duplicate partition value {value}"));
    assert_eq!(kit.refused(add("b", &[Some(3), Some(2)])), twice("2"));
    assert_eq!(kit.refused(add("b", &[None])), twice("NULL"));
    assert_eq!(kit.refused(add("b", &[Some(3), Some(3)])), twice("3"));
    kit.ok(add("b", &[Some(3)]));
    assert_eq!(names(&kit, "cities"), ["a", "n", "b"]);
    let range = Command::AddPartition {
        database: "shop".to_owned(),
        table: "cities".to_owned(),
        draft: part("r", at(1), at(2)),
        if_not_exists: false,
    };
    assert!(matches!(kit.refused(range), Rejection::BadPartition(_)));
    kit.ok(roll(&kit, "cities", vec![listed("b", &[Some(3)]), listed("b", &[Some(4)])], Vec::new()));
    assert_eq!(names(&kit, "cities"), ["a", "n", "b", "b_2"]);
    kit.ok(truncate("cities", &["a"]));
    assert_eq!(names(&kit, "cities"), ["n", "b", "b_2", "a"]);
    kit.ok(drop_all("cities", &["a"], false, false));
    let back = Command::RecoverPartition {
        database: "shop".to_owned(),
        table: "cities".to_owned(),
        partition: "a".to_owned(),
    };
    assert_eq!(kit.refused(back), Rejection::NameRule("Does not support recover list partition".to_owned()));
}

#[test]
fn temporary_partitions_take_the_place_of_others_with_their_rows() {
    let mut kit = Kit::new();
    let old = kit.load("orders", 0, "o1");
    kit.ok(add_temporary("orders", vec![part("t1", Bound::Min, at(5)), part("t2", at(5), at(10))], false));
    assert_eq!(names(&kit, "orders"), ["low", "mid"]);
    let table = kit.catalog.table(kit.table("orders")).unwrap();
    let waiting = table.temporary.clone();
    let load = kit.commit("orders", None, vec![file_of(&kit, waiting[0], "o2")]);
    assert_eq!(kit.ok(load), Outcome::Committed { rows: 10 });
    let wrong = kit.refused(replace_with(&["mid"], &["t1", "t2"], true, true));
    assert_eq!(wrong, Rejection::BadPartition("2 range lists are not strictly matched".to_owned()));
    kit.ok(replace_with(&["low"], &["t1", "t2"], true, false));
    assert_eq!(names(&kit, "orders"), ["t1", "t2", "mid"], "two are not named like one");
    assert_eq!((temporary_names(&kit, "orders").len(), kit.partitions("orders")[0]), (0, waiting[0]));
    assert_eq!(kit.condemn(vec![old]), [old], "what gave way is gone for good");
    assert_eq!(kit.catalog.partition(waiting[0]).unwrap().rows(), 10);
}

#[test]
fn names_stay_unless_the_new_ones_are_asked_for() {
    for (keep_new_names, name) in [(false, "low"), (true, "t")] {
        let mut kit = Kit::new();
        kit.ok(add_temporary("orders", vec![part("t", Bound::Min, at(7))], false));
        kit.ok(replace_with(&["low"], &["t"], false, keep_new_names));
        assert_eq!(names(&kit, "orders"), [name, "mid"]);
    }
    let mut kit = Kit::new();
    kit.ok(add_temporary("orders", vec![part("t", Bound::Min, at(17))], false));
    assert!(matches!(kit.refused(replace_with(&["low"], &["t"], false, true)), Rejection::BadPartition(_)));
    assert!(matches!(kit.refused(replace_with(&["low", "low"], &["t"], false, true)), Rejection::PartitionExists(_)));
    assert!(matches!(kit.refused(replace_with(&["t"], &["t"], false, true)), Rejection::UnknownPartition { .. }));
}

#[test]
fn temporary_partitions_are_apart_from_all_others() {
    let mut kit = Kit::new();
    let taken = || vec![part("t", at(0), at(100)), part("u", at(100), at(200))];
    kit.ok(add_temporary("orders", taken(), false));
    assert_eq!(kit.refused(add_temporary("orders", taken(), false)), Rejection::PartitionExists("t".to_owned()));
    assert_eq!(kit.ok(add_temporary("orders", taken(), true)), Outcome::Nothing);
    let name = vec![part("LOW", at(300), at(400))];
    assert_eq!(kit.refused(add_temporary("orders", name, false)), Rejection::PartitionExists("LOW".to_owned()));
    let overlap = vec![part("v", at(150), at(160))];
    assert!(matches!(kit.refused(add_temporary("orders", overlap, false)), Rejection::BadPartition(_)));
    assert!(matches!(kit.refused(add_temporary("notes", taken(), false)), Rejection::BadPartition(_)));
    let missing = Rejection::NoPartitionToDrop("mid".to_owned());
    assert_eq!(kit.refused(drop_all("orders", &["t", "mid"], true, false)), missing);
    kit.ok(drop_all("orders", &["t", "mid"], true, true));
    assert_eq!(temporary_names(&kit, "orders"), ["u"]);
    assert!(kit.catalog.trash().next().is_none(), "they have no bin");
    kit.ok(truncate("orders", &["mid"]));
    assert_eq!(temporary_names(&kit, "orders"), ["u"]);
    kit.ok(truncate("orders", &[]));
    assert_eq!(temporary_names(&kit, "orders"), [""; 0]);
    assert_eq!(kit.catalog.partitions().count(), 3);
}

#[test]
fn temporary_partitions_share_the_life_of_their_table() {
    let mut kit = Kit::new();
    kit.ok(add_temporary("orders", vec![part("t", at(0), at(100))], false));
    let waiting = kit.catalog.table(kit.table("orders")).unwrap().temporary[0];
    kit.ok(kit.commit("orders", None, vec![file_of(&kit, waiting, "o1")]));
    let file = kit.catalog.files().next().unwrap().id;
    kit.ok(drop_table("orders", false));
    assert_eq!(kit.catalog.file(file).unwrap().references, 2);
    kit.ok(Command::RecoverTable { database: "shop".to_owned(), table: "orders".to_owned() });
    assert_eq!(temporary_names(&kit, "orders"), ["t"]);
    kit.ok(drop_table("orders", true));
    assert_eq!(kit.catalog.file(file).unwrap().references, 0);
    assert_eq!(kit.catalog.partitions().count(), 1);
}

#[test]
fn several_partitions_are_dropped_together_or_not_at_all() {
    let mut kit = Kit::new();
    let missing = Rejection::NoPartitionToDrop("x".to_owned());
    assert_eq!(kit.refused(drop_all("orders", &["low", "x"], false, false)), missing);
    kit.ok(drop_all("orders", &["low", "x", "LOW"], false, true));
    assert_eq!(names(&kit, "orders"), ["mid"]);
    assert_eq!(kit.ok(drop_all("orders", &["low"], false, true)), Outcome::Nothing);
    kit.ok(Command::RecoverPartition {
        database: "shop".to_owned(),
        table: "orders".to_owned(),
        partition: "low".to_owned(),
    });
    assert_eq!(names(&kit, "orders"), ["low", "mid"]);
}

#[test]
fn properties_take_the_place_of_those_of_their_names() {
    let mut kit = Kit::new();
    let set = |key: &str, value: &str| Command::SetTableProperties {
        database: "shop".to_owned(),
        table: "orders".to_owned(),
        properties: [(key.to_owned(), value.to_owned())].into(),
    };
    kit.ok(set("a", "1"));
    kit.ok(set("b", "2"));
    kit.ok(set("a", "3"));
    let properties = &kit.catalog.table(kit.table("orders")).unwrap().properties;
    assert_eq!(properties.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["a=3", "b=2"]);
}
