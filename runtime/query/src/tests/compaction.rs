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
