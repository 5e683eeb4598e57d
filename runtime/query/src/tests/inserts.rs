//! INSERT: columns, defaults, strict casts, from constants and from queries alike.

use super::house::{House, column};
use storage_model::{DataType, DefaultValue};

fn house() -> House {
    let mut house = House::new();
    let mut stamp = column("at", DataType::DateTime, true, None);
    stamp.default = Some(DefaultValue::CurrentTimestamp);
    let columns = vec![
        column("Id", DataType::TinyInt, false, None),
        column("name", DataType::Varchar(5), true, Some("none")),
        column("price", DataType::Decimal { precision: 6, scale: 2 }, true, None),
        stamp,
    ];
    house.create("t", columns, None, 0, 2);
    house
}

#[tokio::test]
async fn columns_defaults_and_casts() {
    let mut house = house();
    house.insert("INSERT INTO t (PRICE, id) VALUES ('1.005', '7'), (DEFAULT, 1 + 1)").await.unwrap();
    house.insert("INSERT INTO t (id, name) SELECT 9, 12.5").await.unwrap();
    house.insert("INSERT INTO t SELECT 3, upper('abc'), 2 / 3, '2015-9-1 1:2:3'").await.unwrap();
    house.insert("INSERT INTO t BY NAME SELECT 4 AS id, 'n' AS NAME").await.unwrap();
    let lines = house.ask("SELECT * FROM t ORDER BY id").await;
    let expected = [
        "Id|name|price|at",
        "2|none|NULL|2015-09-12 10:20:30",
        "3|ABC|0.67|2015-09-01 01:02:03",
        "4|n|NULL|2015-09-12 10:20:30",
        "7|none|1.01|2015-09-12 10:20:30",
        "9|12.5|NULL|2015-09-12 10:20:30",
    ];
    assert_eq!(lines, expected);
    // A table into itself, one plan.
    assert_eq!(house.insert("INSERT INTO t SELECT id + 10, name, price, at FROM t WHERE id < 5").await.unwrap(), 3);
    assert_eq!(house.one("SELECT count(*), max(id) FROM t").await, "8|14");
}

#[tokio::test]
async fn what_does_not_fit_fails_the_statement() {
    let mut house = house();
    for (sql, part) in [
        ("INSERT INTO t VALUES (1, 'a')", "Column count doesn't match value count"),
        ("INSERT INTO t (id) SELECT 1, 2", "Column count doesn't match value count"),
        ("INSERT INTO t (id, nope) VALUES (1, 2)", "Unknown column 'nope'"),
        ("INSERT INTO t (id, ID) VALUES (1, 2)", "specified twice"),
        ("INSERT INTO t (name) VALUES ('a')", "'Id' must be explicitly mentioned"),
        ("INSERT INTO t (id) VALUES (128)", "'128' does not fit column 'Id' of type tinyint"),
        ("INSERT INTO t (id) SELECT 128", "'128' does not fit column 'Id' of type tinyint"),
        ("INSERT INTO t (id) VALUES ('x')", "'x' does not fit column 'Id'"),
        ("INSERT INTO t (id) SELECT 'x'", "'x' does not fit column 'Id'"),
        ("INSERT INTO t (id) VALUES (NULL)", "NULL value in non-nullable column 'Id'"),
        ("INSERT INTO t (id) SELECT NULL", "NULL value in non-nullable column 'Id'"),
        ("INSERT INTO t (id, name) VALUES (1, 'sixsix')", "length(6) exceeds the limit(5) of column 'name'"),
        ("INSERT INTO t (id, name) SELECT 1, 'sixsix'", "length(6) exceeds the limit(5) of column 'name'"),
        ("INSERT INTO t (id, price) VALUES (1, 10000)", "'10000' does not fit column 'price' of type decimal(6, 2)"),
        ("INSERT INTO t (id, price) SELECT 1, 10000", "'10000' does not fit column 'price' of type decimal(6, 2)"),
        ("INSERT INTO t (id, at) VALUES (1, '2015-02-30')", "'2015-02-30' does not fit column 'at'"),
        ("INSERT INTO t (id, at) SELECT 1, '2015-02-30'", "'2015-02-30' does not fit column 'at'"),
        ("INSERT INTO t (id) VALUES (nope(1))", "No matching function"),
        ("INSERT INTO t (id) VALUES (nope)", "Column 'nope' cannot be resolved"),
    ] {
        let error = house.insert(sql).await.unwrap_err();
        assert!(error.message.contains(part), "{sql}: {error}");
        assert_eq!(error.code, 1064, "{sql}: {error}");
    }
    assert_eq!(house.one("SELECT count(*) FROM t").await, "0");
    assert_eq!(house.one("SELECT sum(price) FROM t").await, "NULL");
}
