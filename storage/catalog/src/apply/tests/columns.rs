//! Columns that come, go and change: ids that nobody had, keys that stay sorted, and loads that were planned before.

use storage_model::{Aggregation, DefaultValue, Index, IndexKind, Table};

use super::*;
use crate::columns::{ColumnChange, ColumnPlace};

fn value(name: &str, data_type: DataType) -> Column {
    Column { data_type, key: false, ..column(name) }
}

fn add(column: Column, place: Option<ColumnPlace>) -> ColumnChange {
    ColumnChange::Add { column, place }
}

fn drop_(name: &str) -> ColumnChange {
    ColumnChange::Drop { name: name.to_owned() }
}

fn modify(column: Column, place: Option<ColumnPlace>) -> ColumnChange {
    ColumnChange::Modify { column, place }
}

fn rename(name: &str, new_name: &str) -> ColumnChange {
    ColumnChange::Rename { name: name.to_owned(), new_name: new_name.to_owned() }
}

fn alter(table: &str, changes: Vec<ColumnChange>) -> Command {
    Command::AlterColumns { database: "shop".to_owned(), table: table.to_owned(), changes }
}

/// `wide(k INT KEY, v INT, name VARCHAR(10), price DECIMAL(10, 2))` by ranges and hash of `k`.
fn kit() -> Kit {
    let mut kit = Kit::new();
    let columns = vec![
        column("k"),
        value("v", DataType::Int),
        value("name", DataType::Varchar(10)),
        value("price", DataType::Decimal { precision: 10, scale: 2 }),
    ];
    kit.ok(create_table(TableDraft { columns, ..ranged("wide") }));
    kit
}

fn table(kit: &Kit) -> Table {
    kit.catalog.table(kit.table("wide")).unwrap().as_ref().clone()
}

/// `name:id`, in order.
fn shown(kit: &Kit) -> String {
    table(kit).schema.columns.iter().map(|c| format!("{}:{}", c.name, c.id)).collect::<Vec<_>>().join(" ")
}

fn refusal(kit: &mut Kit, change: ColumnChange) -> String {
    match kit.refused(alter("wide", vec![change])) {
        Rejection::ColumnRule(text) => text,
        other => panic!("{other}"),
    }
}

#[test]
fn a_column_that_comes_back_has_another_id() {
    let mut kit = kit();
    kit.ok(alter("wide", vec![drop_("V")]));
    kit.ok(alter("wide", vec![add(value("v", DataType::Int), None)]));
    assert_eq!(shown(&kit), "k:1 name:3 price:4 v:5");
    kit.ok(alter("wide", vec![drop_("v"), add(value("v", DataType::Int), Some(ColumnPlace::After("K".into())))]));
    assert_eq!(shown(&kit), "k:1 v:6 name:3 price:4");
    kit.ok(alter("wide", vec![drop_("v")]));
    kit.catalog = images::from_bytes(&images::to_bytes(&kit.catalog).unwrap()).unwrap();
    kit.ok(alter("wide", vec![add(value("w", DataType::Int), None)]));
    assert_eq!(shown(&kit), "k:1 name:3 price:4 w:7", "not even over an image");
}

#[test]
fn a_new_name_keeps_the_id_and_with_it_what_rows_are_placed_by() {
    let mut kit = kit();
    kit.ok(alter("wide", vec![rename("k", "key"), rename("v", "k"), rename("name", "v")]));
    assert_eq!(shown(&kit), "key:1 k:2 v:3 price:4");
    let table = table(&kit);
    assert_eq!((table.partition_positions(), table.distribution_positions()), (vec![0], vec![0]));
    assert!(table.schema_changes.is_empty(), "a new name is no job");
    assert_eq!(refusal(&mut kit, rename("no", "x")), "Unknown column 'no' in 'wide'");
    assert_eq!(refusal(&mut kit, rename("v", "PRICE")), "Duplicate column name 'PRICE'");
}

#[test]
fn what_old_rows_have_stays_when_the_default_changes() {
    let mut kit = kit();
    let one = Column {
        default: Some(storage_model::DefaultValue::Literal("0.1".into())),
        initial: Some("0.1".into()),
        nullable: false,
        ..value("x", DataType::Float)
    };
    kit.ok(alter("wide", vec![add(one.clone(), None)]));
    let two = Column { default: Some(storage_model::DefaultValue::Literal("2".into())), initial: None, ..one.clone() };
    kit.ok(alter("wide", vec![modify(two.clone(), None)]));
    assert_eq!(
        table(&kit).schema.column("x").unwrap(),
        &Column { id: ColumnId(5), initial: one.initial, ..two.clone() }
    );
    kit.ok(alter(
        "wide",
        vec![modify(Column { data_type: DataType::Double, comment: "c".into(), ..two.clone() }, None)],
    ));
    let found = table(&kit).schema.column("x").unwrap().clone();
    assert_eq!(found.initial, Some(f64::from(0.1_f32).to_string()), "as the rows read that have it stored");
    kit.ok(alter("wide", vec![ColumnChange::Comment { name: "X".into(), comment: "d".into() }]));
    kit.ok(alter("wide", vec![modify(Column { data_type: DataType::Double, ..two }, None)]));
    assert_eq!(table(&kit).schema.column("x").unwrap().comment, "d", "no comment leaves the old one");
    assert_eq!(table(&kit).schema_changes.iter().map(|c| c.version).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn types_become_wider_and_nothing_else() {
    let mut kit = kit();
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    for (name, data_type) in [
        ("v", DataType::BigInt),
        ("v", DataType::LargeInt),
        ("name", DataType::Varchar(20)),
        ("price", decimal(38, 2)),
        ("price", decimal(38, 2)),
    ] {
        kit.ok(alter("wide", vec![modify(value(name, data_type.clone()), None)]));
        assert_eq!(table(&kit).schema.column(name).unwrap().data_type, data_type);
    }
    for (name, data_type, expected) in [
        ("v", DataType::BigInt, "Can not change LARGEINT to BIGINT".to_owned()),
        ("v", DataType::Date, "Can not change LARGEINT to DATE".to_owned()),
        ("name", DataType::Varchar(19), "Can not change from wider type to narrower type".to_owned()),
        ("name", DataType::Char(30), "Can not change VARCHAR(20) to CHAR(30)".to_owned()),
        ("price", decimal(37, 2), "Can not change DECIMAL(38, 2) to DECIMAL(37, 2)".to_owned()),
        ("price", decimal(38, 3), "Can not change DECIMAL(38, 2) to DECIMAL(38, 3)".to_owned()),
        ("k", DataType::BigInt, "Can not modify partition column[k]. index[wide]".to_owned()),
    ] {
        assert_eq!(refusal(&mut kit, modify(value(name, data_type), None)), expected);
    }
    let strict = Column { nullable: false, ..value("v", DataType::LargeInt) };
    assert_eq!(refusal(&mut kit, modify(strict, None)), "Can not change from nullable to non-nullable");
}

#[test]
fn the_key_stays_the_key_and_in_front() {
    let mut kit = kit();
    let sorted = "that is not supported yet, as rows are sorted by the key";
    let first = || Some(ColumnPlace::First);
    let order = "Invalid column order. value should be after key. index[wide]";
    assert_eq!(refusal(&mut kit, add(value("x", DataType::Int), first())), order);
    assert_eq!(refusal(&mut kit, modify(value("v", DataType::Int), first())), order);
    assert_eq!(refusal(&mut kit, modify(column("v"), None)), format!("Can not make v a key column: {sorted}"));
    assert_eq!(refusal(&mut kit, drop_("k")), "Partition column[k] cannot be dropped. index[wide]");
    kit.ok(alter(
        "wide",
        vec![modify(
            value("price", DataType::Decimal { precision: 10, scale: 2 }),
            Some(ColumnPlace::After("k".into())),
        )],
    ));
    assert_eq!(shown(&kit), "k:1 price:4 v:2 name:3");

    let columns = vec![column("a"), column("b"), value("v", DataType::Int)];
    let draft = TableDraft { columns, distribution: Distribution::Random, ..plain("two") };
    kit.ok(create_table(draft));
    let two = |kit: &mut Kit, change| kit.refused(alter("two", vec![change])).to_string();
    assert_eq!(two(&mut kit, drop_("v")), "Can not drop column v: it is the only one that is no key column");
    kit.ok(alter("two", vec![modify(Column { data_type: DataType::BigInt, ..value("b", DataType::Int) }, None)]));
    assert!(kit.catalog.table(kit.table("two")).unwrap().schema.column("b").unwrap().key, "KEY need not be said");
    let wider = Column { data_type: DataType::BigInt, ..column("b") };
    kit.ok(alter("two", vec![modify(wider, first()), add(column("c"), None)]));
    kit.ok(alter("two", vec![drop_("a")]));
    let names = |kit: &Kit| {
        let table = kit.catalog.table(kit.table("two")).unwrap();
        table.schema.columns.iter().map(|c| format!("{}:{}", c.name, c.key)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&kit), "b:true c:true v:false");
    kit.ok(alter("two", vec![drop_("b")]));
    assert_eq!(two(&mut kit, drop_("c")), "Can not drop column c: it is the only key column");
}

#[test]
fn rows_are_sorted_by_what_is_named_and_columns_by_all() {
    let mut kit = kit();
    let order =
        |names: &[&str]| vec![ColumnChange::Order { columns: names.iter().map(|name| (*name).to_owned()).collect() }];
    let columns = || vec![column("a"), column("b"), value("v", DataType::Int), value("f", DataType::Double)];
    let by_a = || Distribution::Hash { columns: vec![ColumnId(1)] };
    for (name, model) in [("dup", KeyModel::Duplicate), ("uni", KeyModel::Unique), ("pri", KeyModel::Primary)] {
        kit.ok(create_table(TableDraft { columns: columns(), model, distribution: by_a(), ..plain(name) }));
    }
    let sorted = |kit: &Kit, name: &str| kit.catalog.table(kit.table(name)).unwrap().sort_positions();
    for name in ["dup", "uni", "pri"] {
        assert_eq!(sorted(&kit, name), [0, 1], "{name}: by the key");
        kit.ok(alter(name, order(&["b", "A"])));
        assert_eq!(sorted(&kit, name), [1, 0], "{name}");
    }
    for name in ["dup", "pri"] {
        kit.ok(alter(name, order(&["v"])));
        assert_eq!(sorted(&kit, name), [2], "{name}");
        let refused = kit.refused(alter(name, vec![drop_("v")])).to_string();
        assert_eq!(refused, "Can not drop sort column v: ALTER TABLE ... ORDER BY others first");
    }
    for (name, names, text) in [
        ("uni", &["b"] as &[&str], "The sort columns of UNIQUE KEY table must be same with key columns"),
        ("uni", &["b", "v"], "The sort columns of UNIQUE KEY table must be same with key columns"),
        ("dup", &["f"], "Type:double of column f can not be a sort key"),
        ("dup", &["v", "V"], "Duplicated column[V]"),
        ("dup", &["x"], "Column[x] not exists"),
        ("dup", &["v", "a", "b", "f"], "Invalid column order. value should be after key. index[dup]"),
    ] {
        assert_eq!(kit.refused(alter(name, order(names))).to_string(), text, "{name} {names:?}");
    }
    let all = |kit: &Kit, name: &str| {
        let table = kit.catalog.table(kit.table(name)).unwrap();
        table.schema.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(" ")
    };
    for name in ["dup", "uni"] {
        kit.ok(alter(name, order(&["b", "a", "f", "v"])));
        assert_eq!(all(&kit, name), "b a f v");
    }
    assert_eq!((sorted(&kit, "uni"), sorted(&kit, "dup")), (vec![0, 1], vec![3]), "the same columns, elsewhere");
    let refused = kit.refused(alter("pri", vec![add(column("c"), None)])).to_string();
    assert!(refused.starts_with("Can not add key column: c in primary key table"), "{refused}");
    kit.ok(alter("uni", vec![add(column("c"), None)]));
    assert_eq!((all(&kit, "uni"), sorted(&kit, "uni")), ("b a c f v".to_owned(), vec![0, 1, 2]));
}

#[test]
fn what_is_wrong_changes_nothing() {
    let mut kit = kit();
    let before = table(&kit);
    let bad = vec![drop_("v"), add(value("x", DataType::Int), None), drop_("no")];
    assert_eq!(kit.refused(alter("wide", bad)).to_string(), "Column does not exists: no");
    assert_eq!(table(&kit), before, "all or nothing");
    let taken = "Can not add column which already exists in base table: NAME";
    assert_eq!(refusal(&mut kit, add(value("NAME", DataType::Int), None)), taken);
    let after = Some(ColumnPlace::After("no".into()));
    assert_eq!(refusal(&mut kit, add(value("x", DataType::Int), after)), "Column[no] does not exists");
    assert_eq!(refusal(&mut kit, modify(value("no", DataType::Int), None)), "Column[no] does not exists");
    let strict = Column { nullable: false, ..value("x", DataType::Int) };
    assert_eq!(refusal(&mut kit, add(strict, None)), "Column 'x' has no default value, NULL is not allowed");
    assert!(matches!(kit.refused(alter("no", vec![drop_("v")])), Rejection::UnknownTable(_)));
    let columns = vec![column("a"), value("b", DataType::Int), value("c", DataType::Int)];
    let distribution = Distribution::Hash { columns: vec![ColumnId(2)] };
    kit.ok(create_table(TableDraft { columns, distribution, ..plain("hashed") }));
    let hashed = |kit: &mut Kit, change| kit.refused(alter("hashed", vec![change])).to_string();
    assert_eq!(hashed(&mut kit, drop_("b")), "Distribution column[b] cannot be dropped. index[hashed]");
    let wide = modify(value("b", DataType::BigInt), None);
    assert_eq!(hashed(&mut kit, wide), "Can not modify distribution column[b]. index[hashed]");
}

#[test]
fn loads_that_were_planned_before_a_change_are_taken() {
    let mut kit = kit();
    let load = kit.commit("wide", None, vec![kit.written("wide", 0, "o1")]);
    let base = kit.catalog.partition(kit.partitions("wide")[0]).unwrap().visible_version;
    kit.ok(alter("wide", vec![drop_("v"), add(value("v", DataType::Date), None)]));
    assert_eq!(kit.ok(load), Outcome::Committed { rows: 10 });
    let replace = |kit: &Kit, base| kit.replace("wide", &[(0, Some(base))], vec![kit.written("wide", 0, "o2")]);
    let (late, fresh) = (replace(&kit, base), replace(&kit, base + 1));
    assert!(matches!(kit.refused(late), Rejection::Stale(_)), "the rows have changed, whatever the columns did");
    kit.ok(alter("wide", vec![rename("price", "cost")]));
    assert_eq!(kit.ok(fresh), Outcome::Committed { rows: 10 });
}

#[test]
fn a_snapshot_is_of_the_columns_that_were_and_the_last_changes_are_remembered() {
    let mut kit = kit();
    let frozen = images::to_bytes(&kit.catalog).unwrap();
    for n in 0..12 {
        kit.ok(alter("wide", vec![add(value(&format!("c{n}"), DataType::Int), None)]));
    }
    let then = images::from_bytes(&frozen).unwrap();
    assert_eq!(then.table(kit.table("wide")).unwrap().schema.columns.len(), 4);
    let versions: Vec<_> = table(&kit).schema_changes.iter().map(|c| c.version).collect();
    assert_eq!(versions, (3..=12).collect::<Vec<_>>());
}

#[test]
fn the_property_that_names_columns_follows_them() {
    let mut kit = Kit::new();
    let columns = vec![column("k"), value("v", DataType::Int), value("w", DataType::Int)];
    let properties = BTreeMap::from([("bloom_filter_columns".to_owned(), "K, v,w".to_owned())]);
    kit.ok(create_table(TableDraft { columns, properties, ..ranged("wide") }));
    let named = |kit: &Kit| table(kit).properties.get("bloom_filter_columns").cloned();
    kit.ok(alter("wide", vec![rename("v", "x"), rename("k", "key")]));
    assert_eq!(named(&kit).as_deref(), Some("key, x, w"));
    kit.ok(alter("wide", vec![drop_("X")]));
    assert_eq!(named(&kit).as_deref(), Some("key, w"));
}

#[test]
fn a_default_stays_until_another_is_said() {
    let mut kit = kit();
    let five = || Some(DefaultValue::Literal("5".to_owned()));
    kit.ok(alter("wide", vec![add(Column { default: five(), ..value("x", DataType::Int) }, None)]));
    let default = |kit: &Kit| table(kit).schema.column("x").unwrap().default.clone();
    kit.ok(alter("wide", vec![modify(value("x", DataType::BigInt), None)]));
    assert_eq!(default(&kit), five());
    let null = Column { default: Some(DefaultValue::Null), ..value("x", DataType::BigInt) };
    kit.ok(alter("wide", vec![modify(null, None)]));
    assert_eq!(default(&kit), Some(DefaultValue::Null));
}

#[test]
fn columns_combine_as_their_key_model_says() {
    let mut kit = Kit::new();
    let sum = |name: &str, initial: Option<&str>| {
        let initial = initial.map(str::to_owned);
        Column { aggregation: Some(Aggregation::Sum), initial, ..value(name, DataType::BigInt) }
    };
    let key = || Column { nullable: false, ..column("k") };
    let sums = TableDraft { columns: vec![key(), sum("v", None)], model: KeyModel::Aggregate, ..ranged("sums") };
    let columns = vec![key(), Column { nullable: false, ..column("k2") }, value("v", DataType::Int)];
    let goods = TableDraft { columns, model: KeyModel::Primary, ..ranged("goods") };
    kit.ok(create_table(sums));
    kit.ok(create_table(goods));
    let newest = Column { aggregation: Some(Aggregation::Replace), ..sum("v", None) };
    for (table, change, why) in [
        ("sums", add(value("x", DataType::Int), None), "aggregation type is not one of"),
        ("goods", add(sum("x", None), None), "aggregation type is not one of"),
        // Each row of a key would add it once more.
        ("sums", add(sum("x", Some("5")), None), "a SUM begins at NULL or 0"),
        ("sums", modify(newest, None), "Can not change aggregation type"),
        ("goods", modify(column("k2"), None), "primary key column[k2] cannot be nullable"),
    ] {
        let refused = kit.refused(alter(table, vec![change]));
        assert!(matches!(&refused, Rejection::ColumnRule(text) if text.contains(why)), "{refused:?}");
    }
    kit.ok(alter("sums", vec![add(sum("x", Some("0")), None), add(sum("y", None), None), drop_("v")]));
    kit.ok(alter("goods", vec![add(value("x", DataType::Int), None)]));
}

/// A table with these columns; the first is `k`.
fn made(kit: &mut Kit, name: &str, columns: Vec<Column>) -> storage_model::TableId {
    kit.ok(create_table(TableDraft { columns, ..ranged(name) }));
    kit.table(name)
}

fn number(name: &str) -> Column {
    let default = Some(DefaultValue::AutoIncrement { next: 1 });
    Column { nullable: false, default, ..value(name, DataType::BigInt) }
}

#[test]
fn numbers_are_leased_once_and_the_counter_only_rises() {
    let mut kit = Kit::new();
    let table = made(&mut kit, "numbered", vec![column("k"), number("id")]);
    let lease = |count| Command::LeaseIds { table, count };
    assert_eq!(kit.ok(lease(10)), Outcome::Ids { first: 1, count: 10 });
    assert_eq!(kit.ok(lease(1)), Outcome::Ids { first: 11, count: 1 });
    let (database, name) = ("shop".to_owned(), "numbered".to_owned());
    let set = |next| Command::SetAutoIncrement { database: database.clone(), table: name.clone(), next };
    assert!(matches!(kit.refused(set(11)), Rejection::ColumnRule(why) if why.contains("current value: 12")));
    kit.ok(set(100));
    assert_eq!(kit.ok(lease(1)), Outcome::Ids { first: 100, count: 1 });
    assert!(matches!(kit.refused(lease(u64::MAX)), Rejection::ColumnRule(why) if why.contains("overflow")));
    assert!(matches!(kit.refused(lease(i64::MAX as u64)), Rejection::ColumnRule(why) if why.contains("overflow")));
    // Other columns change; the counter stays.
    kit.ok(alter("numbered", vec![add(value("v", DataType::Int), None), rename("id", "number")]));
    kit.ok(Command::TruncateTable { database: database.clone(), table: name.clone(), partitions: Vec::new() });
    assert_eq!(kit.ok(lease(1)), Outcome::Ids { first: 101, count: 1 });
    let again = alter("numbered", vec![modify(number("number"), None)]);
    assert!(matches!(kit.refused(again), Rejection::ColumnRule(_)));
    kit.ok(alter("numbered", vec![drop_("number")]));
    assert!(matches!(kit.refused(lease(1)), Rejection::ColumnRule(why) if why.contains("no AUTO_INCREMENT column")));
}

#[test]
fn what_is_computed_from_others_stays_behind_them_and_keeps_them() {
    let mut kit = Kit::new();
    let parts = vec![storage_model::ExpressionPart::Column(storage_model::ColumnId(2))];
    let expression = storage_model::Expression { parts };
    let computed = Column { default: Some(DefaultValue::Generated(expression)), ..value("g", DataType::Int) };
    made(&mut kit, "computed", vec![column("k"), value("v", DataType::Int), computed.clone()]);
    let unknown = vec![storage_model::ExpressionPart::Column(storage_model::ColumnId(99))];
    let lost = DefaultValue::Generated(storage_model::Expression { parts: unknown });
    let other = Column { name: "h".to_owned(), default: Some(lost), ..computed.clone() };
    let wider = Column { data_type: DataType::BigInt, ..computed };
    for (changes, says) in [
        (vec![drop_("v")], "can not be dropped, because expression of Generated Column: g"),
        (vec![modify(value("v", DataType::BigInt), None)], "can not be modified"),
        (vec![add(value("w", DataType::Int), Some(ColumnPlace::After("g".to_owned())))], "after ordinary columns"),
        (vec![add(other, None)], "a column that it needs is gone"),
        (vec![modify(wider, None)], "written anew"),
    ] {
        let refused = kit.refused(alter("computed", changes.clone()));
        assert!(matches!(&refused, Rejection::ColumnRule(why) if why.contains(says)), "{changes:?}: {refused}");
    }
    kit.ok(alter("computed", vec![add(value("w", DataType::Int), None), rename("v", "renamed")]));
    let table = kit.catalog.table(kit.table("computed")).unwrap();
    let names: Vec<&str> = table.schema.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["k", "renamed", "w", "g"]);
    let shown = table.schema.columns[3].generated().and_then(|found| table.schema.text_of(found, str::to_owned));
    assert_eq!(shown.as_deref(), Some("renamed"));
    kit.ok(alter("computed", vec![drop_("g"), drop_("renamed")]));
}

fn add_index(name: &str, column: &str) -> ColumnChange {
    let (name, columns, comment) = (name.to_owned(), vec![column.to_owned()], String::new());
    ColumnChange::AddIndex { name, kind: IndexKind::Bitmap, columns, comment }
}

#[test]
fn indexes_follow_their_columns() {
    let mut kit = Kit::new();
    let columns = vec![column("k"), value("v", DataType::Int), value("w", DataType::Int)];
    let index = Index { name: "of_k".into(), kind: IndexKind::Bitmap, columns: vec![ColumnId(1)], comment: "c".into() };
    kit.ok(create_table(TableDraft { columns, indexes: vec![index], ..ranged("wide") }));
    kit.ok(alter("wide", vec![add_index("of_v", "V"), rename("v", "x")]));
    assert_eq!(table(&kit).bloom_filter_positions(), [0, 1]);
    let names = |kit: &Kit| table(kit).schema.indexes.iter().map(|index| index.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&kit), ["of_k", "of_v"]);
    for (change, words) in [
        (add_index("OF_V", "w"), "already exist"),
        (add_index("other", "x"), "already exist"),
        (add_index("other", "gone"), "does not exist"),
        (ColumnChange::DropIndex { name: "gone".into() }, "index gone does not exist"),
    ] {
        let refused = kit.refused(alter("wide", vec![change]));
        assert!(matches!(&refused, Rejection::ColumnRule(text) if text.contains(words)), "{refused:?}");
    }
    kit.ok(alter("wide", vec![drop_("x")]));
    assert_eq!(names(&kit), ["of_k"]);
    kit.ok(alter("wide", vec![ColumnChange::DropIndex { name: "OF_K".into() }]));
    assert_eq!((names(&kit).len(), table(&kit).bloom_filter_positions().len()), (0, 0));
    assert_eq!(table(&kit).schema_changes.len(), 3);
}
