//! Columns that come, go, widen and change their names over files that stay: against an oracle that holds every row in memory.

mod oracle;

use storage_catalog::{ColumnChange, ColumnPlace, Command};
use storage_model::{Column, DataType};

use super::house::{House, column};
use crate::initial_text;

fn alter(house: &mut House, changes: Vec<ColumnChange>) {
    let (database, table) = ("db".to_owned(), "t".to_owned());
    house.apply(Command::AlterColumns { database, table, changes });
}

/// A column as ALTER TABLE … ADD makes it of its DEFAULT.
fn added(house: &House, name: &str, data_type: DataType, default: Option<&str>) -> Column {
    let column = column(name, data_type, true, default);
    let initial = initial_text(&column, &house.context().session).unwrap();
    Column { initial, ..column }
}

fn add(column: Column) -> ColumnChange {
    ColumnChange::Add { column, place: None }
}

fn drop_(name: &str) -> ColumnChange {
    ColumnChange::Drop { name: name.to_owned() }
}

fn rename(name: &str, new_name: &str) -> ColumnChange {
    ColumnChange::Rename { name: name.to_owned(), new_name: new_name.to_owned() }
}

/// `t(k, a, b)` with three rows.
async fn three() -> House {
    let mut house = House::new();
    let value = |name: &str, data_type| column(name, data_type, true, None);
    let columns = vec![value("k", DataType::Int), value("a", DataType::Int), value("b", DataType::Varchar(5))];
    house.create("t", columns, None, 0, 2);
    house.insert("INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, NULL, NULL)").await.unwrap();
    house
}

#[tokio::test]
async fn names_that_change_places_show_what_they_held() {
    let mut house = three().await;
    alter(&mut house, vec![rename("a", "c"), rename("b", "a"), rename("c", "b")]);
    assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await, ["k|b|a", "1|10|x", "2|20|y", "3|NULL|NULL"]);
    assert_eq!(house.one("SELECT k FROM t WHERE a = 'y'").await, "2");
    assert_eq!(house.one("SELECT sum(b) FROM t WHERE b > 10").await, "20");
    assert_eq!(house.one("SELECT count(*) FROM t x JOIN t y ON x.a = y.a WHERE x.b < 15").await, "1");
}

#[tokio::test]
async fn a_column_that_comes_back_is_another_one() {
    let mut house = three().await;
    alter(&mut house, vec![drop_("a")]);
    let new = added(&house, "a", DataType::Int, Some("7"));
    alter(&mut house, vec![add(new)]);
    house.insert("INSERT INTO t VALUES (4, 'z', 20)").await.unwrap();
    assert_eq!(house.ask("SELECT k, a FROM t ORDER BY k").await, ["k|a", "1|7", "2|7", "3|7", "4|20"]);
    // Statistics of the old column say 10 to 20, and 7 is what its files have.
    assert_eq!(house.one("SELECT count(*) FROM t WHERE a = 7").await, "3");
    assert_eq!(house.one("SELECT k FROM t WHERE a = 20").await, "4");
    assert_eq!(house.one("SELECT count(*) FROM t WHERE a IS NULL").await, "0");
    assert_eq!(house.ask("SELECT a, count(*) FROM t GROUP BY a ORDER BY a LIMIT 1").await[1], "7|3");
}

#[tokio::test]
async fn a_changed_default_is_for_new_rows() {
    let mut house = three().await;
    let new = added(&house, "c", DataType::DateTime, Some("2015-9-12 6:00"));
    alter(&mut house, vec![ColumnChange::Add { column: new, place: Some(ColumnPlace::After("k".into())) }]);
    house.insert("INSERT INTO t (k) VALUES (4)").await.unwrap();
    let later = column("c", DataType::DateTime, true, Some("2020-01-01"));
    alter(&mut house, vec![ColumnChange::Modify { column: later, place: None }]);
    house.insert("INSERT INTO t (k) VALUES (5)").await.unwrap();
    let expected = ["k|c", "1|2015-09-12 06:00:00", "4|2015-09-12 06:00:00", "5|2020-01-01 00:00:00"];
    assert_eq!(house.ask("SELECT k, c FROM t WHERE k IN (1, 4, 5) ORDER BY k").await, expected);
    assert_eq!(house.one("SELECT count(*) FROM t WHERE c < '2016-01-01'").await, "4");
}

#[tokio::test]
async fn a_delete_that_was_overtaken_by_a_change_of_columns_leaves_the_right_rows() {
    let mut house = three().await;
    let delete = house.written_delete("DELETE FROM t WHERE a = 10").await.unwrap();
    let new = added(&house, "a", DataType::Varchar(9), Some("new"));
    alter(&mut house, vec![drop_("a"), add(new), rename("b", "c")]);
    house.apply(delete);
    assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await, ["k|c|a", "2|y|new", "3|NULL|new"]);
}

#[tokio::test]
async fn a_plan_that_was_made_before_a_change_shows_what_was_there() {
    let mut house = three().await;
    let before = house.plan("SELECT a, b FROM t WHERE a >= 10 ORDER BY a").await.unwrap();
    alter(&mut house, vec![drop_("a"), rename("b", "a")]);
    let rows: usize = house.run(&before).await.unwrap().iter().map(arrow::array::RecordBatch::num_rows).sum();
    assert_eq!(rows, 2);
    assert!(house.error("SELECT b FROM t").await.message.contains("b"));
}

/// Every step is one of many; after each the whole table and what a filter finds are compared.
#[tokio::test]
async fn any_history_of_a_table_reads_as_the_oracle_has_it() {
    for seed in [1, 20_150_912, 4_711] {
        oracle::run(seed, 70).await;
    }
}
