//! Tables whose rows are written anew: values that become others, rows that go to other buckets, and histories of loads, deletes,
//! compactions and such jobs against an oracle that holds every row in memory.

mod oracle;

use storage_catalog::{ColumnChange, Command, Rejection};
use storage_model::{
    Aggregation, Column, ColumnId, DataType, DefaultValue, Distribution, Expression, ExpressionPart, KeyModel,
};

use super::house::{House, column};

pub(super) fn alter(changes: Vec<ColumnChange>) -> Command {
    Command::AlterColumns { database: "db".to_owned(), table: "t".to_owned(), changes }
}

pub(super) fn modify(name: &str, data_type: DataType) -> ColumnChange {
    ColumnChange::Modify { column: column(name, data_type, true, None), place: None }
}

pub(super) fn spread(buckets: u32) -> Command {
    Command::AlterDistribution {
        database: "db".to_owned(),
        table: "t".to_owned(),
        partitions: Vec::new(),
        distribution: Distribution::Hash { columns: vec![ColumnId(1)] },
        buckets_given: Some(buckets),
        buckets,
    }
}

/// `t(k, v)` with these values in `v`, and then with `v` of another type.
async fn converted(from: DataType, values: &str, to: DataType) -> Result<Vec<String>, String> {
    let mut house = House::new();
    let columns = vec![column("k", DataType::Int, true, None), column("v", from, true, None)];
    house.create("t", columns, None, 0, 2);
    house.insert(&format!("INSERT INTO t VALUES {values}")).await.unwrap();
    let before = house.ask("SELECT * FROM t ORDER BY k").await;
    if let Err(error) = house.job("t", alter(vec![modify("v", to)])).await {
        assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await, before, "the table stays as it was");
        return Err(error.message);
    }
    house.insert("INSERT INTO t (k) VALUES (99)").await.unwrap();
    let mut rows = house.ask("SELECT v FROM t ORDER BY k").await;
    assert_eq!(rows.pop().as_deref(), Some("NULL"));
    rows.remove(0);
    Ok(rows)
}

#[tokio::test]
async fn values_become_those_of_another_type() {
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let text = || DataType::Varchar(30);
    for (from, values, to, expected) in [
        (text(), "(1, '12'), (2, ' -7 '), (3, NULL)", DataType::Int, vec!["12", "-7", "NULL"]),
        (DataType::BigInt, "(1, 127), (2, -128)", DataType::TinyInt, vec!["127", "-128"]),
        (DataType::Int, "(1, 20150912), (2, NULL)", DataType::Date, vec!["2015-09-12", "NULL"]),
        (DataType::DateTime, "(1, '2019-12-09 21:47:05')", DataType::Date, vec!["2019-12-09"]),
        (DataType::Date, "(1, '2019-12-09')", DataType::DateTime, vec!["2019-12-09 00:00:00"]),
        (decimal(5, 1), "(1, 12.5)", decimal(10, 3), vec!["12.500"]),
        (decimal(5, 1), "(1, -12.5)", text(), vec!["-12.5"]),
        (DataType::Double, "(1, 0.1)", text(), vec!["0.1"]),
        (
            DataType::LargeInt,
            "(1, 170141183460469231731687303715884105727)",
            DataType::Varchar(40),
            vec!["170141183460469231731687303715884105727"],
        ),
        (DataType::Int, "(1, 3)", DataType::Double, vec!["3"]),
        (text(), "(1, '0.5')", DataType::Float, vec!["0.5"]),
        (text(), "(1, '{\"a\": 1}')", DataType::Json, vec!["{\"a\": 1}"]),
    ] {
        let found = converted(from.clone(), values, to.clone()).await;
        assert_eq!(found, Ok(expected.into_iter().map(str::to_owned).collect()), "{from} to {to}");
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_leaves_the_table_as_it_was() {
    for (from, values, to) in [
        (DataType::Varchar(9), "(1, '1'), (2, 'x')", DataType::Int),
        (DataType::BigInt, "(1, 128)", DataType::TinyInt),
        (DataType::Varchar(10), "(1, '2015-02-30')", DataType::Date),
        (DataType::LargeInt, "(1, 12345)", DataType::Varchar(4)),
    ] {
        let error = converted(from.clone(), values, to.clone()).await.unwrap_err();
        assert!(
            error.contains("does not fit column 'v'") || error.contains("exceeds the limit"),
            "{from} to {to}: {error}"
        );
    }
}

#[tokio::test]
async fn a_generated_column_is_computed_for_the_rows_that_are_there() {
    let mut house = House::new();
    let columns = vec![column("k", DataType::Int, true, None), column("v", DataType::Int, true, None)];
    house.create("t", columns, None, 0, 2);
    house.insert("INSERT INTO t VALUES (1, 10), (2, NULL)").await.unwrap();
    let parts = vec![ExpressionPart::Column(ColumnId(2)), ExpressionPart::Text(" + 1".to_owned())];
    let default = Some(DefaultValue::Generated(Expression { parts }));
    let computed = Column { default, ..column("g", DataType::BigInt, true, None) };
    let add = ColumnChange::Add { column: computed, place: None };
    house.job("t", alter(vec![add, ColumnChange::Rename { name: "v".into(), new_name: "w".into() }])).await.unwrap();
    house.insert("INSERT INTO t (k, w) VALUES (3, 30)").await.unwrap();
    assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await, ["k|w|g", "1|10|11", "2|NULL|NULL", "3|30|31"]);
}

#[tokio::test]
async fn a_key_column_less_makes_rows_one() {
    let mut house = House::new();
    let key = |name: &str| Column { key: true, ..column(name, DataType::Int, true, None) };
    let sum = Column { aggregation: Some(Aggregation::Sum), ..column("s", DataType::BigInt, true, None) };
    house.create_of("t", KeyModel::Aggregate, vec![key("a"), key("b"), sum], None, 0, 2);
    house.insert("INSERT INTO t VALUES (1, 1, 10), (1, 2, 20), (2, 1, 5)").await.unwrap();
    house.insert("INSERT INTO t VALUES (1, 2, 1)").await.unwrap();
    house.job("t", alter(vec![ColumnChange::Drop { name: "b".into() }])).await.unwrap();
    assert_eq!(house.ask("SELECT * FROM t ORDER BY a").await, ["a|s", "1|31", "2|5"]);
    house.insert("INSERT INTO t VALUES (1, 100)").await.unwrap();
    assert_eq!(house.one("SELECT s FROM t WHERE a = 1").await, "131");
}

#[tokio::test]
async fn a_load_that_was_overtaken_by_a_job_is_refused() {
    let mut house = House::new();
    let columns = vec![column("k", DataType::Int, true, None), column("v", DataType::Int, true, None)];
    house.create("t", columns, None, 0, 2);
    house.insert("INSERT INTO t VALUES (1, 10)").await.unwrap();
    let (late, _) = house.written_insert("INSERT INTO t VALUES (2, 20)").await.unwrap();
    house.job("t", alter(vec![modify("v", DataType::Varchar(9))])).await.unwrap();
    assert!(matches!(house.try_apply(late), Err(Rejection::Stale(_))));
    assert_eq!(house.ask("SELECT * FROM t").await, ["k|v", "1|10"]);
}

#[tokio::test]
async fn any_history_with_jobs_in_it_reads_as_the_oracle_has_it() {
    for model in [KeyModel::Duplicate, KeyModel::Unique, KeyModel::Primary] {
        for seed in [2, 20_150_912] {
            oracle::run(model, seed, 25).await;
        }
    }
}
