//! Plans that are given up, and plans that ask for too much.

use std::time::Duration;

use futures::StreamExt;
use storage_model::DataType;

use super::house::{House, column};

async fn numbers(rows: u32) -> House {
    let mut house = House::new();
    house.create("n", vec![column("k", DataType::Int, true, None)], None, 0, 1);
    let insert = format!("INSERT INTO n SELECT generate_series FROM TABLE(generate_series(1, {rows}))");
    house.insert(&insert).await.unwrap();
    house
}

/// None of these ends by itself while anybody waits.
const ENDLESS: [&str; 3] = [
    "SELECT sum(a.k % 7 + b.k + c.k) FROM n a, n b, n c",
    "SELECT count(*) FROM n a JOIN n b ON a.k * b.k < 0 JOIN n c ON b.k * c.k < 0",
    "SELECT count(*) FROM n a JOIN n b ON a.k % 2 = b.k % 2 AND a.k * b.k < 0 JOIN n c ON a.k % 2 = c.k % 2 AND a.k * c.k < 0",
];

#[tokio::test]
async fn a_plan_that_is_given_up_ends() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut house = numbers(20_000).await;
    house.limit(256 << 20, Some(threads.handle().clone()));
    for sql in ENDLESS {
        let planned = house.plan(sql).await.unwrap();
        let mut rows = house.start(&planned).unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(300), rows.next()).await;
        assert!(waited.is_err(), "{sql}: {waited:?}");
        assert_eq!(house.running(), 1, "{sql}");
        drop(rows);
        for _ in 0..6000 {
            if house.running() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(house.running(), 0, "{sql}: it still runs");
    }
    threads.shutdown_background();
}

#[tokio::test]
async fn a_plan_that_asks_for_too_much_fails_and_leaves_the_rest_alone() {
    let mut house = numbers(100_000).await;
    house.limit(24 << 20, None);
    let wide = "(SELECT k, repeat('x', 400) v FROM n)";
    for join in [
        format!("SELECT sum(length(a.v) + b.k) FROM {wide} a CROSS JOIN {wide} b"),
        format!("SELECT count(*) FROM {wide} a JOIN {wide} b ON concat(a.v, a.k) = concat(b.v, b.k)"),
    ] {
        let error = house.error(&join).await;
        assert!(error.message.starts_with("Memory of query pool exceed limit. "), "{error}");
    }
    assert_eq!(house.one("SELECT count(*), sum(k) FROM n").await, "100000|5000050000");
    // What can spill does so.
    let sorted = house.ask(&format!("SELECT k, v FROM {wide} t ORDER BY k % 1000, k")).await;
    assert_eq!((sorted.len(), &sorted[1][..5]), (100_001, "1000|"));
    assert_eq!(house.memory_used(), 0);
}
