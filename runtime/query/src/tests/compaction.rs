//! Compaction over real files: fewer of them, the same rows.

use super::house::{House, column, wiki};
use storage_model::DataType;

#[tokio::test]
async fn compacted_rows_are_the_same_and_every_filter_finds_them() {
    let mut house = wiki().await;
    let asks = [
        "SELECT * FROM wiki ORDER BY Event_Time, user, delta",
        "SELECT COUNT(*), SUM(delta) FROM wiki",
        "SELECT delta FROM wiki WHERE user = 'ann' ORDER BY delta",
        "SELECT user FROM wiki WHERE Event_Time >= '2015-09-12' ORDER BY user",
        "SELECT COUNT(*) FROM wiki WHERE Event_Time IS NULL AND user = 'nul'",
    ];
    let mut before = Vec::new();
    for sql in asks {
        before.push(house.ask(sql).await);
    }
    let seen = house.compact("wiki").await;
    assert!(seen.iter().any(|((files, _), _)| *files > 1), "{seen:?}");
    assert!(seen.iter().all(|(_, (files, runs))| *files == 1 && *runs <= 4), "{seen:?}");
    for (sql, before) in asks.iter().zip(before) {
        assert_eq!(house.ask(sql).await, before, "{sql}");
    }
}

#[tokio::test]
async fn many_loads_become_one_sorted_run_a_tablet_even_when_memory_is_short() {
    let mut house = House::new();
    let columns = vec![column("k", DataType::Int, true, None), column("v", DataType::Varchar(200), true, None)];
    house.create("t", columns, None, 0, 2);
    for load in 0..12 {
        let values =
            format!("SELECT (x * 7919 + {load}) % 100003, repeat('text', 40) FROM generate_series(1, 20000) AS g(x)");
        house.insert(&format!("INSERT INTO t {values}")).await.unwrap();
    }
    house.insert("INSERT INTO t VALUES (NULL, 'null')").await.unwrap();
    let sums = "SELECT COUNT(*), COUNT(k), SUM(k), MIN(k), MAX(k), COUNT(DISTINCT k), MAX(v) FROM t";
    let before = house.ask(sums).await;
    // Sorting spills.
    house.limit(24 << 20, None);
    let seen = house.compact("t").await;
    house.limit(256 << 20, None);
    assert_eq!(seen, [((13, 25), (1, 2))]);
    assert_eq!(house.ask(sums).await, before);
    // And again, which changes nothing.
    assert_eq!(house.compact("t").await, [((1, 2), (1, 2))]);
    assert_eq!(house.ask(sums).await, before);
}

#[tokio::test]
async fn values_of_every_type_are_the_same_bytes_after_it() {
    let mut house = House::new();
    let columns = vec![
        column("k", DataType::TinyInt, true, None),
        column("b", DataType::Boolean, true, None),
        column("s", DataType::SmallInt, true, None),
        column("i", DataType::Int, true, None),
        column("l", DataType::BigInt, true, None),
        column("h", DataType::LargeInt, true, None),
        column("f", DataType::Float, true, None),
        column("e", DataType::Double, true, None),
        column("m", DataType::Decimal { precision: 38, scale: 9 }, true, None),
        column("d", DataType::Date, true, None),
        column("t", DataType::DateTime, true, None),
        column("c", DataType::Char(5), true, None),
        column("v", DataType::Varchar(100), true, None),
    ];
    house.create("t", columns, None, 3, 3);
    for rows in [
        "(-128, true, -32768, -2147483648, -9223372036854775808, -170141183460469231731687303715884105727, 1.5, -1e308, \
         '12345678901234567890123456789.123456789', '0001-01-01', '9999-12-31 23:59:59.999999', 'ab', 'größe')",
        "(127, false, 32767, 2147483647, 9223372036854775807, 170141183460469231731687303715884105727, 0, 5e-324, \
         '-0.000000001', '9999-12-31', '0001-01-01 00:00:00.000001', '', '')",
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    ] {
        house.insert(&format!("INSERT INTO t VALUES {rows}")).await.unwrap();
    }
    let before = house.ask("SELECT * FROM t ORDER BY k").await;
    assert_eq!(before.len(), 4, "{before:?}");
    house.compact("t").await;
    assert_eq!(house.ask("SELECT * FROM t ORDER BY k").await, before);
}
