//! Key models: rows of many loads through real files, against what they mean.

mod oracle;

use runtime_sql::Statement;
use storage_catalog::{ColumnChange, Command, Rejection};
use storage_model::{Aggregation, Column, DataType, KeyModel};

use super::house::{House, column, statement};
use crate::*;
use oracle::{Oracle, dice::Dice};

fn key(name: &str, data_type: DataType, nullable: bool) -> Column {
    Column { key: true, ..column(name, data_type, nullable, None) }
}

fn combined(name: &str, data_type: DataType, aggregation: Aggregation) -> Column {
    Column { aggregation: Some(aggregation), ..column(name, data_type, true, None) }
}

/// `t (k, d, n, t, m, b, x, u, h)`: keys k and d, three partitions by d, two buckets by k.
fn house(model: KeyModel) -> House {
    let mut house = House::new();
    let value = |name, data_type, aggregation| match model {
        KeyModel::Aggregate => combined(name, data_type, aggregation),
        _ => column(name, data_type, true, None),
    };
    let columns = vec![
        key("k", DataType::Int, model != KeyModel::Primary),
        key("d", DataType::Int, false),
        value("n", DataType::BigInt, Aggregation::Sum),
        value("T", DataType::Varchar(20), Aggregation::Max),
        value("m", DataType::Int, Aggregation::Min),
        value("b", DataType::Boolean, Aggregation::Replace),
        value("x", DataType::Decimal { precision: 10, scale: 2 }, Aggregation::ReplaceIfNotNull),
        value("u", DataType::Bitmap, Aggregation::BitmapUnion),
        value("h", DataType::Hll, Aggregation::HllUnion),
    ];
    house.create_of("t", model, columns, Some((1, &[1, 2, 3])), 0, 2);
    house
}

/// One change of the table, made and remembered.
async fn change(house: &mut House, oracle: &mut Oracle, dice: &mut Dice) -> String {
    let sql = match dice.below(14) {
        0 => oracle.overwrite(dice),
        1 | 2 => oracle.delete(dice),
        3 => oracle.insert_from_itself(dice),
        4..=6 if oracle.model == KeyModel::Primary => oracle.update(dice),
        _ => oracle.insert(dice),
    };
    let (text, rows) = sql;
    let done = match statement(&text) {
        Statement::Insert(_) => house.insert(&text).await,
        Statement::Update(_) => house.update(&text).await,
        _ => house.delete_rows(&text).await,
    };
    assert_eq!(done.unwrap_or_else(|e| panic!("{text}: {e}")), rows, "{text}");
    text
}

async fn check(house: &House, oracle: &Oracle, dice: &mut Dice, seed: u64, last: &str) {
    for (sql, mut expected) in oracle.questions(dice) {
        let mut found = house.ask(&sql).await.split_off(1);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "seed {seed}: {sql} after {last}");
    }
    let (column, limit) = (dice.of(&["k", "n", "x"]), dice.below(6));
    let some = house.ask(&format!("SELECT d, {column} FROM t LIMIT {limit}")).await.split_off(1);
    let all = oracle.lines(&["d", column]);
    assert_eq!(some.len(), all.len().min(limit as usize), "seed {seed}: LIMIT {limit} after {last}");
    assert!(some.iter().all(|line| all.contains(line)), "seed {seed}: {some:?} of {all:?}");
}

async fn whatever_happens(model: KeyModel) {
    for seed in 0..3 {
        let (mut house, mut oracle, mut dice) = (house(model), Oracle::new(model), Dice::new(seed));
        for _ in 0..10 {
            let last = change(&mut house, &mut oracle, &mut dice).await;
            check(&house, &oracle, &mut dice, seed, &last).await;
            if dice.below(3) == 0 {
                compact_meanwhile(&mut house, &mut oracle, &mut dice).await;
                check(&house, &oracle, &mut dice, seed, &format!("{last}, compacted")).await;
            }
            if dice.below(4) == 0 {
                let columns = match model {
                    KeyModel::Primary => dice.of(&[&["n", "d"] as &[&str], &["x"], &["d", "k"], &["T", "k"]]),
                    _ => dice.of(&[&["d", "k"] as &[&str], &["k", "d"]]),
                };
                let columns = columns.iter().map(|name| (*name).to_owned()).collect();
                let changes = vec![ColumnChange::Order { columns }];
                house.apply(Command::AlterColumns { database: "db".into(), table: "t".into(), changes });
            }
        }
    }
}

/// Some files are compacted. Rows of a PRIMARY KEY table may go while they are: nothing of that is lost.
async fn compact_meanwhile(house: &mut House, oracle: &mut Oracle, dice: &mut Dice) {
    let written = house.written_compactions("t", |files| dice.stretch(files)).await;
    let mut texts = Vec::new();
    if oracle.model == KeyModel::Primary {
        for _ in 0..dice.below(3) {
            texts.push(change(house, oracle, dice).await);
        }
    }
    for compaction in written {
        match house.commit_compaction(compaction).await {
            Ok(()) => {}
            // All of the old files are gone.
            Err(Rejection::Stale(_)) if !texts.is_empty() => {}
            Err(error) => panic!("{error} after {texts:?}"),
        }
    }
    storage_catalog::invariant::check(&house.context().catalog).unwrap();
}

#[tokio::test]
async fn deletes_of_many_rows_are_kept_in_objects_and_are_not_read() {
    let mut house = House::new();
    let columns = vec![key("k", DataType::BigInt, false), column("v", DataType::BigInt, true, None)];
    house.create_of("t", KeyModel::Primary, columns, None, 0, 2);
    let rows = 20_000_i64;
    let series = |from: i64, step: i64| format!("FROM TABLE(generate_series({from}, {rows}, {step})) g(x)");
    house.insert(&format!("INSERT INTO t SELECT x, x {}", series(1, 1))).await.unwrap();
    house.insert(&format!("INSERT INTO t SELECT x, -x {}", series(3, 3))).await.unwrap();
    let thirds: i64 = (3..=rows).step_by(3).sum();
    let all: i64 = (1..=rows).sum();
    let expected = format!("{rows}|{rows}|{}", all - 2 * thirds);
    let sql = "SELECT count(*), count(DISTINCT k), sum(v) FROM t";
    assert_eq!(house.one(sql).await, expected);
    let text = explain_planned(&house.plan("SELECT v FROM t WHERE v > 5").await.unwrap()).join("\n");
    assert!(!text.contains("AggregateExec") && text.contains("predicate=v@"), "nothing is merged: {text}");
    assert_eq!(house.delete_rows("DELETE FROM t WHERE v < 0").await.unwrap(), rows as u64 / 3);
    let left = format!("{}|{}|{}", rows - rows / 3, rows - rows / 3, all - thirds);
    assert_eq!(house.one(sql).await, left);
    let catalog = house.context().catalog;
    storage_catalog::invariant::check(&catalog).unwrap();
    let rowsets: Vec<_> = catalog.partitions().flat_map(|partition| partition.rowsets.clone()).collect();
    assert!(rowsets.iter().all(|rowset| rowset.files().count() == 2), "{rowsets:?}");
    assert_eq!(rowsets.len(), 2, "runs that have no rows left are there no more: {rowsets:?}");
    house.compact("t").await;
    assert_eq!(house.one(sql).await, left);
    let rowsets: Vec<_> = house.context().catalog.partitions().flat_map(|p| p.rowsets.clone()).collect();
    assert!(rowsets.iter().all(|rowset| rowset.deletes.is_none()), "{rowsets:?}");
    // Keys that were deleted come again.
    house.insert(&format!("INSERT INTO t SELECT x, x {}", series(3, 3))).await.unwrap();
    assert_eq!(house.one(sql).await, format!("{rows}|{rows}|{all}"));
}

#[tokio::test]
async fn a_unique_key_keeps_the_newest_row() {
    whatever_happens(KeyModel::Unique).await;
}

#[tokio::test]
async fn an_aggregate_key_combines_rows() {
    whatever_happens(KeyModel::Aggregate).await;
}

#[tokio::test]
async fn a_primary_key_keeps_the_newest_row_and_takes_updates() {
    whatever_happens(KeyModel::Primary).await;
}

#[tokio::test]
async fn every_type_is_combined_in_every_way_that_it_can_be() {
    let types = [
        (DataType::Boolean, "true", "false"),
        (DataType::TinyInt, "7", "-8"),
        (DataType::SmallInt, "7", "-8"),
        (DataType::Int, "7", "-8"),
        (DataType::BigInt, "9000000000", "-8"),
        (DataType::LargeInt, "170141183460469231731687303715884105720", "-8"),
        (DataType::Float, "1.5", "-2.25"),
        (DataType::Double, "1.5", "-2.25"),
        (DataType::Decimal { precision: 38, scale: 2 }, "900000000000000000000000000000000000.50", "-1.25"),
        (DataType::Decimal { precision: 5, scale: 1 }, "10.5", "-1.5"),
        (DataType::Date, "'2024-05-06'", "'2001-02-03'"),
        (DataType::DateTime, "'2024-05-06 07:08:09'", "'2001-02-03 04:05:06'"),
        (DataType::Char(3), "'b'", "'a'"),
        (DataType::Varchar(9), "'longer'", "''"),
    ];
    for (data_type, great, small) in types {
        let mut house = House::new();
        let known: Vec<Aggregation> = Aggregation::ALL.into_iter().filter(|a| a.takes(&data_type)).collect();
        let mut columns = vec![key("k", DataType::Int, false)];
        columns.extend(known.iter().enumerate().map(|(at, a)| combined(&format!("v{at}"), data_type.clone(), *a)));
        house.create_of("t", KeyModel::Aggregate, columns, None, 0, 1);
        for value in [small, great, "NULL"] {
            let values = vec![value; known.len()].join(", ");
            house.insert(&format!("INSERT INTO t VALUES (1, {values})")).await.unwrap();
        }
        for (at, aggregation) in known.iter().enumerate() {
            let text = |value: &str| format!("CAST(CAST({value} AS {data_type}) AS CHAR)");
            let expected = match aggregation {
                Aggregation::Sum => format!("CAST(CAST({great} AS {data_type}) + ({small}) AS {data_type})"),
                Aggregation::Max | Aggregation::ReplaceIfNotNull => text(great),
                Aggregation::Min => text(small),
                Aggregation::Replace => "NULL".to_owned(),
                Aggregation::BitmapUnion | Aggregation::HllUnion => unreachable!(),
            };
            let expected = match aggregation {
                // Beyond what an expression computes in.
                Aggregation::Sum if data_type == DataType::LargeInt => {
                    "170141183460469231731687303715884105712".to_owned()
                }
                _ => house.one(&format!("SELECT {expected}")).await,
            };
            let found = house.one(&format!("SELECT v{at} FROM t")).await;
            assert_eq!(found, expected, "{aggregation} of {data_type}");
        }
    }
}

#[tokio::test]
async fn a_plan_says_that_it_merges_and_where_it_filters() {
    let mut house = house(KeyModel::Aggregate);
    let plan = async |house: &House, sql: &str| explain_planned(&house.plan(sql).await.unwrap()).join("\n");
    house.insert("INSERT INTO t (k, d, n) VALUES (1, 0, 5), (2, 0, 5)").await.unwrap();
    let text = plan(&house, "SELECT * FROM t").await;
    assert!(!text.contains("AggregateExec") && !text.contains("PREAGGREGATION"), "one rowset a tablet: {text}");
    assert!(house.ask("SELECT count(*) FROM t").await[1] == "2");
    house.insert("INSERT INTO t (k, d, n) VALUES (1, 0, 6), (1, 1, 6)").await.unwrap();
    let text = plan(&house, "SELECT d FROM t WHERE k = 1 AND n > 5").await;
    assert!(text.contains("PREAGGREGATION: OFF. Reason: rows of 1 tablets are merged by AGGREGATE KEY"), "{text}");
    assert!(text.contains("AggregateExec: mode=Single"), "{text}");
    let scans: Vec<&str> = text.lines().filter(|line| line.contains("DataSourceExec")).collect();
    assert_eq!(scans.len(), 2, "one reads what stands alone: {text}");
    let merged: Vec<&&str> = scans.iter().filter(|line| line.contains("SEQUENCE")).collect();
    assert!(merged.len() == 1 && merged[0].contains("predicate=k@"), "filters on keys sink: {text}");
    assert!(!merged[0].contains(" n@") && text.contains("FilterExec: n@"), "others do not: {text}");
    assert_eq!(house.ask("SELECT d FROM t WHERE k = 1 AND n > 5 ORDER BY d").await, ["d", "0", "1"]);
    assert_eq!(house.one("SELECT count(*) FROM t").await, "3");
    // What is not asked for is not read.
    let text = plan(&house, "SELECT count(*) FROM t").await;
    assert!(text.lines().filter(|line| line.contains("SEQUENCE")).all(|line| !line.contains(" n,")), "{text}");
}

#[tokio::test]
async fn columns_that_were_added_combine_with_what_old_rows_have() {
    let mut house = House::new();
    let columns = vec![key("k", DataType::Int, false), combined("v", DataType::BigInt, Aggregation::Sum)];
    house.create_of("t", KeyModel::Aggregate, columns, None, 0, 2);
    house.insert("INSERT INTO t VALUES (1, 10), (2, 20)").await.unwrap();
    house.insert("INSERT INTO t VALUES (1, 1), (3, 30)").await.unwrap();
    let added = |name, aggregation, initial: &str| {
        let column = Column { initial: Some(initial.into()), ..combined(name, DataType::Int, aggregation) };
        ColumnChange::Add { column, place: None }
    };
    let changes = vec![
        added("s", Aggregation::Sum, "0"),
        added("m", Aggregation::Max, "5"),
        added("r", Aggregation::Replace, "7"),
    ];
    house.apply(Command::AlterColumns { database: "db".into(), table: "t".into(), changes });
    for compacted in [false, true] {
        if compacted {
            house.compact("t").await;
        }
        assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await[1..], ["1|11|0|5|7", "2|20|0|5|7", "3|30|0|5|7"]);
        assert_eq!(house.one("SELECT SUM(v), SUM(s), MAX(m), MIN(r) FROM t").await, "61|0|5|7");
        assert_eq!(house.one("SELECT COUNT(*) FROM t WHERE s >= 0 AND m = 5").await, "3");
    }
    house.insert("INSERT INTO t VALUES (1, 0, 4, 3, 8)").await.unwrap();
    assert_eq!(house.one("SELECT * FROM t WHERE k = 1").await, "1|11|4|5|8");
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_said_by_whoever_reads_it() {
    let mut house = House::new();
    let columns = vec![key("k", DataType::Int, false), combined("v", DataType::TinyInt, Aggregation::Sum)];
    house.create_of("t", KeyModel::Aggregate, columns, None, 0, 1);
    let error = house.insert("INSERT INTO t VALUES (1, 100), (2, 1), (1, 28)").await.unwrap_err();
    assert!(error.message.contains("the sum of column 'v' is out of range of its type tinyint(4)"), "{error}");
    assert_eq!(house.one("SELECT count(*) FROM t").await, "0");
    for rows in ["(1, 100), (2, 1)", "(1, 28), (2, 2)"] {
        house.insert(&format!("INSERT INTO t VALUES {rows}")).await.unwrap();
    }
    let error = house.error("SELECT * FROM t").await;
    assert!(error.message.contains("the sum 128 of column 'v' is out of range of its type tinyint(4)"), "{error}");
    assert_eq!(house.one("SELECT * FROM t WHERE k = 2").await, "2|3");
    assert_eq!(house.one("SELECT count(*) FROM t").await, "2");
    assert_eq!(house.delete_rows("DELETE FROM t WHERE k = 1").await.unwrap(), 1);
    assert_eq!(house.one("SELECT * FROM t").await, "2|3");
}

#[tokio::test]
async fn more_rows_than_memory_are_merged_on_disk() {
    let mut house = House::new();
    let columns = vec![
        key("k", DataType::BigInt, false),
        column("v", DataType::Varchar(100), true, None),
        column("w", DataType::BigInt, true, None),
    ];
    house.create_of("t", KeyModel::Unique, columns, None, 0, 1);
    let rows = 300_000;
    for (version, step) in [("old", 1), ("new", 2)] {
        let insert = format!(
            "INSERT INTO t SELECT x, concat('{version} ', repeat('-', 60), x), x * {step} FROM TABLE(generate_series(1, {rows}, {step})) g(x)"
        );
        house.insert(&insert).await.unwrap();
    }
    let sql = "SELECT count(*), sum(CASE WHEN v LIKE 'new %' THEN 1 ELSE 0 END), sum(w) FROM t";
    let expected = format!("{rows}|{}|{}", rows / 2, {
        let all: i64 = (1..=rows).sum();
        all + (1..=rows).step_by(2).sum::<i64>()
    });
    assert_eq!(house.one(sql).await, expected);
    house.limit(24 << 20, None);
    assert_eq!(house.one(sql).await, expected);
}

#[tokio::test]
async fn what_cannot_be_updated() {
    let mut house = house(KeyModel::Primary);
    house.create("dup", vec![column("k", DataType::Int, true, None)], None, 0, 1);
    let mut unique = vec![key("k", DataType::Int, true), column("v", DataType::Int, true, None)];
    unique[1].nullable = false;
    house.create_of("uni", KeyModel::Unique, unique, None, 0, 1);
    house.insert("INSERT INTO t (k, d, n) VALUES (1, 0, 5)").await.unwrap();
    for (sql, part) in [
        ("UPDATE dup SET k = 1 WHERE k = 2", "table dup does not support update."),
        ("UPDATE uni SET v = 1 WHERE k = 2", "table uni does not support update."),
        ("UPDATE t SET n = 1", "must specify where clause to prevent full table update"),
        ("UPDATE t SET k = 1 WHERE n = 2", "primary key column cannot be updated: k"),
        ("UPDATE t SET D = 1 WHERE n = 2", "primary key column cannot be updated: d"),
        ("UPDATE t SET nothing = 1 WHERE n = 2", "table 't' do not existing column 'nothing'"),
        ("UPDATE t SET n = 1, N = 2 WHERE n = 2", "Column 'N' specified twice"),
        ("UPDATE t SET n = nothing WHERE n = 2", "Column 'nothing' cannot be resolved"),
        ("UPDATE t SET m = 'x' WHERE n = 5", "does not fit column 'm'"),
        ("UPDATE t SET n = 1 FROM nothing WHERE t.k = nothing.k", "Unknown table 'db.nothing'"),
    ] {
        let error = house.update(sql).await.unwrap_err();
        assert!(error.message.contains(part), "{sql}: {error}");
    }
    assert_eq!(house.one("SELECT k, d, n FROM t").await, "1|0|5");
}

#[tokio::test]
async fn an_update_computes_from_the_old_row_and_from_other_tables() {
    let mut house = house(KeyModel::Primary);
    house.create(
        "u",
        vec![column("id", DataType::Int, true, None), column("by", DataType::Int, true, None)],
        None,
        0,
        1,
    );
    house.insert("INSERT INTO t (k, d, n, m) VALUES (1, 0, 5, 50), (2, 1, 6, 60), (3, 2, 7, 70)").await.unwrap();
    house.insert("INSERT INTO u VALUES (2, 100), (3, 200)").await.unwrap();
    assert_eq!(house.update("UPDATE t SET n = m, m = n, t = 'swapped' WHERE k <> 2").await.unwrap(), 2);
    assert_eq!(house.update("UPDATE db.t SET n = n + u.by, x = DEFAULT FROM u WHERE t.k = u.id").await.unwrap(), 2);
    assert_eq!(house.update("UPDATE t SET n = 0 WHERE k = 99").await.unwrap(), 0);
    let sql = "UPDATE t SET b = true WHERE n = (SELECT max(n) FROM t)";
    assert_eq!(house.update(sql).await.unwrap(), 1);
    let found = house.ask("SELECT k, n, m, t, b FROM t ORDER BY k").await;
    assert_eq!(found[1..], ["1|50|5|swapped|NULL", "2|106|60|NULL|NULL", "3|270|7|swapped|1"]);
}
